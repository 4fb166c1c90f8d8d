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
