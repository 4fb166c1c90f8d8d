//! PostgreSQL's hash of the key, on a ring.
//!
//! Consistent hashing (Karger and others, 1997): each shard stands at many
//! points of a ring, and a key belongs to the first point after its own
//! position. Adding a shard moves only the keys that become its own.
//!
//! A position is a signed 64-bit hash, so that a server can compute it: a key's
//! is its hash ([`crate::value::hash::key`]), and the n-th point of a shard is
//! `hashtextextended(name, n)`. The shard's *name* decides where it stands:
//! renaming a shard moves its keys.

use crate::id::ShardId;
use crate::value::{KeyValue, hash};

use super::{ShardSet, predicate};

/// Points of a shard of weight 1 unless the configuration says otherwise.
pub const DEFAULT_POINTS: u32 = 160;
/// Most points of all shards together.
pub const MAX_POINTS: u64 = 1_000_000;

/// Sorted points and whose they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    points: Box<[i64]>,
    owners: Box<[ShardId]>,
}

/// A shard on a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// The shard.
    pub shard: ShardId,
    /// Its name.
    pub name: &'a str,
    /// How many points it has.
    pub points: u32,
}

impl Ring {
    /// `None` when there is no point. Where two shards share a point, the first name in byte order has it.
    pub fn new(members: &[Member<'_>]) -> Option<Self> {
        let mut points: Vec<(i64, &str, ShardId)> = members
            .iter()
            .flat_map(|m| (0..m.points).map(|n| (point(m.name, n), m.name, m.shard)))
            .collect();
        points.sort_unstable();
        points.dedup_by_key(|(at, ..)| *at);
        (!points.is_empty()).then(|| Self {
            points: points.iter().map(|(at, ..)| *at).collect(),
            owners: points.iter().map(|(.., shard)| *shard).collect(),
        })
    }

    /// The points in their order, each with its shard.
    pub fn points(&self) -> impl Iterator<Item = (i64, ShardId)> + '_ {
        self.points.iter().copied().zip(self.owners.iter().copied())
    }

    pub(super) fn shard_of(&self, key: &[KeyValue<'_>]) -> ShardId {
        self.owner_at(hash::key(key))
    }

    /// The shard of a position: that of the first point after it, around the end of the ring.
    pub fn owner_at(&self, position: i64) -> ShardId {
        let after = self.points.partition_point(|point| *point <= position);
        self.owners[if after == self.points.len() { 0 } else { after }]
    }

    pub(super) fn shards(&self) -> ShardSet {
        self.owners.iter().copied().collect()
    }

    /// `width_bucket` counts the thresholds up to a position. Only those points are thresholds at which
    /// this shard's keys begin or end.
    pub(super) fn predicate(&self, hash: &str, shard: ShardId) -> String {
        let mut thresholds = Vec::new();
        let mut inside = self.owners[0] == shard;
        let mut own = Vec::from_iter(inside.then_some(0));
        for (at, point) in self.points.iter().enumerate() {
            // From this point on, the next one's shard is home; after the last, the first one's.
            let next = self.owners.get(at + 1).unwrap_or(&self.owners[0]);
            if (*next == shard) != inside {
                inside = !inside;
                thresholds.push(point);
                if inside {
                    own.push(thresholds.len());
                }
            }
        }
        if thresholds.is_empty() {
            // All of the ring or nothing of it; the hash is null for a key with a null.
            return if inside {
                format!("{hash} IS NOT NULL")
            } else {
                "false".to_owned()
            };
        }
        format!(
            "width_bucket({hash}, '{}'::bigint[]) = ANY ('{}'::int[])",
            predicate::array(thresholds),
            predicate::array(own)
        )
    }
}

fn point(name: &str, n: u32) -> i64 {
    hash::text(name, n.into())
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use consistent_hash::{Node, RingHash, StaticHashRing};
    use proptest::prelude::*;

    use super::*;

    fn ring(members: &[(&str, u32)]) -> Ring {
        let members: Vec<Member<'_>> = members
            .iter()
            .enumerate()
            .map(|(i, (name, points))| Member {
                shard: ShardId(i as u16),
                name,
                points: *points,
            })
            .collect();
        Ring::new(&members).expect("a ring has points")
    }

    /// Where data lives depends on these numbers: a change of them moves keys.
    #[test]
    fn points_are_pinned() {
        let ring = ring(&[("s0", 160), ("s1", 160)]);
        let points: Vec<_> = ring.points().collect();
        // `hashtextextended('s0', 0)`, `('s0', 159)` and `('s1', 1)` on PostgreSQL 15.
        for golden in [
            (-8_042_178_801_263_122_113, ShardId(0)),
            (-5_045_205_364_404_539_556, ShardId(0)),
            (-8_397_750_536_095_195_854, ShardId(1)),
        ] {
            assert!(points.contains(&golden), "{golden:?}");
        }
        assert_eq!(points.len(), 320);
        assert!(points.is_sorted());
    }

    #[test]
    fn a_key_on_a_point_belongs_to_the_next_one() {
        let ring = ring(&[("s0", 3), ("s1", 3)]);
        let points: Vec<_> = ring.points().collect();
        for (i, (at, _)) in points.iter().enumerate() {
            let next = points[(i + 1) % points.len()].1;
            assert_eq!(ring.owner_at(*at), next);
            assert_eq!(ring.owner_at(at - 1), points[i].1);
        }
        assert_eq!(ring.owner_at(i64::MAX), points[0].1);
        assert_eq!(ring.owner_at(i64::MIN), points[0].1);
    }

    #[test]
    fn a_new_shard_takes_keys_and_moves_no_other() {
        let before = ring(&[("s0", 160), ("s1", 160), ("s2", 160)]);
        let after = ring(&[("s0", 160), ("s1", 160), ("s2", 160), ("s3", 160)]);
        let mut moved = 0;
        for key in 0..10_000 {
            let position = hash::int8(key, 0);
            if before.owner_at(position) != after.owner_at(position) {
                assert_eq!(after.owner_at(position), ShardId(3));
                moved += 1;
            }
        }
        assert!((1_500..3_500).contains(&moved), "{moved} of 10000 moved");
    }

    #[test]
    fn a_weight_is_a_share_of_keys() {
        let ring = ring(&[("s0", 160), ("s1", 480)]);
        let heavy = (0..10_000)
            .filter(|key| ring.owner_at(hash::int8(*key, 0)) == ShardId(1))
            .count();
        assert!((6_500..8_500).contains(&heavy), "{heavy} of 10000");
    }

    /// Hashes for the other ring: positions as they are, moved so that their order is that of signed numbers.
    struct Canonical;

    /// A position, written as its own hash.
    struct Position(i64);

    impl std::hash::Hash for Position {
        fn hash<H: Hasher>(&self, state: &mut H) {
            state.write_i64(self.0);
        }
    }

    /// A name, written as its bytes alone.
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    struct Shard(&'static str);

    impl std::hash::Hash for Shard {
        fn hash<H: Hasher>(&self, state: &mut H) {
            state.write(self.0.as_bytes());
        }
    }

    #[derive(Default)]
    struct Written(Vec<u8>);

    impl Hasher for Written {
        fn write(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }

        fn write_i64(&mut self, v: i64) {
            self.0.extend_from_slice(&v.to_be_bytes());
        }

        fn finish(&self) -> u64 {
            0
        }
    }

    fn unsigned(position: i64) -> u64 {
        (position as u64) ^ (1 << 63)
    }

    impl RingHash for Canonical {
        fn hash_item<T: std::hash::Hash>(&self, item: &T) -> u64 {
            let mut written = Written::default();
            item.hash(&mut written);
            let bytes = written.0.try_into().expect("items are positions");
            unsigned(i64::from_be_bytes(bytes))
        }

        fn hash_vnode<K: std::hash::Hash>(&self, key: &K, n: usize) -> u64 {
            let mut written = Written::default();
            key.hash(&mut written);
            unsigned(hash::bytes(&written.0, n as i64))
        }
    }

    proptest! {
        /// The crate `consistent_hash`, given the same points, finds the same shards.
        #[test]
        fn another_ring_agrees(positions in prop::collection::vec(any::<i64>(), 200)) {
            let names = ["s0", "s1", "s2", "s3"];
            let points = [160, 160, 80, 320];
            let nodes = names.iter().zip(points);
            let other = StaticHashRing::new(
                Canonical,
                nodes.clone().map(|(name, n)| Node::new(Shard(name)).quantity(n as usize)),
            );
            let members: Vec<(&str, u32)> = nodes.map(|(name, n)| (*name, n)).collect();
            let ours = ring(&members);
            for position in positions {
                // There a key on a point belongs to it, so it is asked for the next position.
                let item = Position(position.wrapping_add(1));
                let theirs = other.calc_candidates(&item).next().expect("a shard").key.0;
                prop_assert_eq!(names[ours.owner_at(position).index()], theirs);
            }
        }
    }
}
