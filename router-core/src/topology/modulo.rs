//! The key modulo the number of shards.

use crate::id::ShardId;

use super::{ShardSet, predicate};

/// One shard per remainder. A shard may stand for several of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modulo {
    shards: Box<[ShardId]>,
}

impl Modulo {
    /// By the shards of the remainders 0, 1, …; `None` when there are none.
    pub fn new(shards: Vec<ShardId>) -> Option<Self> {
        (!shards.is_empty()).then(|| Self {
            shards: shards.into(),
        })
    }

    /// The shard of each remainder.
    pub fn remainders(&self) -> &[ShardId] {
        &self.shards
    }

    pub(super) fn shard_of(&self, key: i64) -> ShardId {
        self.shards[key.rem_euclid(self.shards.len() as i64) as usize]
    }

    pub(super) fn shards(&self) -> ShardSet {
        self.shards.iter().copied().collect()
    }

    pub(super) fn predicate(&self, column: &str, shard: ShardId) -> String {
        let n = self.shards.len();
        let remainders: Vec<usize> = (0..n).filter(|r| self.shards[*r] == shard).collect();
        // PostgreSQL's remainder has the sign of the dividend.
        let remainder = format!("(({column} % {n}) + {n}) % {n}");
        match remainders[..] {
            [] => "false".to_owned(),
            [only] => format!("{remainder} = {only}"),
            _ => format!(
                "{remainder} = ANY ('{}'::int[])",
                predicate::array(remainders)
            ),
        }
    }
}
