//! PostgreSQL's hash of the key, into a fixed number of buckets.
//!
//! The number of buckets never changes in the life of a placement, so a bucket
//! can move to another shard without a key changing its bucket.

use crate::id::ShardId;
use crate::value::{KeyValue, hash};

use super::{ShardSet, predicate};

/// How many buckets there are unless the configuration says otherwise.
pub const DEFAULT_BUCKETS: u32 = 4096;
/// Most buckets.
pub const MAX_BUCKETS: u32 = 65_536;

/// A shard for each bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    /// A power of two of them.
    owners: Box<[ShardId]>,
}

impl Buckets {
    /// From the shard of each bucket; `None` unless they are a power of two.
    pub fn new(owners: Vec<ShardId>) -> Option<Self> {
        owners.len().is_power_of_two().then(|| Self {
            owners: owners.into(),
        })
    }

    /// Spread evenly, each shard getting buckets in a row; `None` unless `buckets` is a power of two.
    pub fn even(buckets: u32, shards: &[ShardId]) -> Option<Self> {
        let buckets = buckets as usize;
        if shards.is_empty() {
            return None;
        }
        Self::new(
            (0..buckets)
                .map(|bucket| shards[bucket * shards.len() / buckets])
                .collect(),
        )
    }

    /// The shard of each bucket.
    pub fn owners(&self) -> &[ShardId] {
        &self.owners
    }

    /// The bucket of a key.
    pub fn bucket_of(&self, key: &[KeyValue<'_>]) -> usize {
        hash::key(key) as usize & (self.owners.len() - 1)
    }

    pub(super) fn shard_of(&self, key: &[KeyValue<'_>]) -> ShardId {
        self.owners[self.bucket_of(key)]
    }

    pub(super) fn shards(&self) -> ShardSet {
        self.owners.iter().copied().collect()
    }

    pub(super) fn predicate(&self, hash: &str, shard: ShardId) -> String {
        let bucket = format!("({hash} & {})", self.owners.len() - 1);
        let mut conditions = Vec::new();
        let mut singles = Vec::new();
        let mut start = 0;
        for run in self.owners.chunk_by(|a, b| a == b) {
            let last = start + run.len() - 1;
            if run[0] == shard {
                if start == last {
                    singles.push(start);
                } else {
                    conditions.push(format!("{bucket} BETWEEN {start} AND {last}"));
                }
            }
            start = last + 1;
        }
        match singles[..] {
            [] => {}
            [only] => conditions.push(format!("{bucket} = {only}")),
            _ => conditions.push(format!(
                "{bucket} = ANY ('{}'::bigint[])",
                predicate::array(singles)
            )),
        }
        predicate::any_of(conditions)
    }
}
