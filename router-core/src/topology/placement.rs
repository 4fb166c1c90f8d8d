//! From a key to its shard.

use crate::id::ShardId;
use crate::value::{KeyType, KeyValue};

use super::ShardSet;
use super::buckets::Buckets;
use super::list::List;
use super::modulo::Modulo;
use super::predicate;
use super::range::Ranges;
use super::ring::Ring;

/// How keys are mapped to shards.
///
/// The mapping and its SQL form say the same: for a key without nulls,
/// [`predicate`](Self::predicate) of exactly the shard that
/// [`shard_of`](Self::shard_of) gives is true. Text is taken by its bytes, so
/// the key's column must have a deterministic collation.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Its name in the configuration.
    pub name: String,
    /// The type of each column of the key.
    pub types: Vec<KeyType>,
    /// The mapping.
    pub strategy: Strategy,
}

/// A mapping from keys to shards.
#[derive(Clone, Debug, PartialEq)]
pub enum Strategy {
    /// The key modulo the number of shards.
    Modulo(Modulo),
    /// Ranges of keys; what none of them covers has no home.
    Range(Ranges),
    /// Listed values, and a home for the rest.
    List(List),
    /// PostgreSQL's hash of the key, into a fixed number of buckets.
    Hash(Buckets),
    /// PostgreSQL's hash of the key, on a ring.
    Consistent(Ring),
}

/// Why a key has no shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplaced {
    /// No range or list covers it.
    #[error("no range or list of the placement covers the key")]
    NoHome,
    /// Its columns are not of the placement's number and types.
    #[error("the key is not of the placement's types")]
    WrongKey,
}

/// Up to how many keys of a bounded range are placed one by one, where the strategy does not keep their order.
const KEYS_IN_RANGE: u64 = 32;

impl Placement {
    /// The home of a key. Allocates nothing.
    pub fn shard_of(&self, key: &[KeyValue<'_>]) -> Result<ShardId, Unplaced> {
        let fits = key.len() == self.types.len()
            && key.iter().zip(&self.types).all(|(v, t)| v.key_type() == *t);
        match (&self.strategy, key) {
            _ if !fits => Err(Unplaced::WrongKey),
            (Strategy::Hash(s), key) => Ok(s.shard_of(key)),
            (Strategy::Consistent(s), key) => Ok(s.shard_of(key)),
            (Strategy::Modulo(s), [KeyValue::Bigint(v)]) => Ok(s.shard_of(*v)),
            (Strategy::Range(s), [v]) => s.shard_of(v).ok_or(Unplaced::NoHome),
            (Strategy::List(s), [v]) => s.shard_of(v).ok_or(Unplaced::NoHome),
            _ => Err(Unplaced::WrongKey),
        }
    }

    /// The shards that may hold keys from `low` to `high`, both inclusive, `None` for no bound.
    ///
    /// Exact for ranges of `bigint` and `uuid`, and for a few integers in a row;
    /// otherwise every shard of the placement. Of text every shard always: what
    /// lies between two texts depends on the collation of the column.
    pub fn shards_for_range(
        &self,
        low: Option<&KeyValue<'_>>,
        high: Option<&KeyValue<'_>>,
    ) -> ShardSet {
        let ordered = |v: &KeyValue<'_>| self.types == [v.key_type()];
        if self.types == [KeyType::Text] || ![low, high].into_iter().flatten().all(ordered) {
            return self.shards();
        }
        match (&self.strategy, low, high) {
            (Strategy::Range(s), low, high) => s.shards_between(low, high),
            (_, Some(KeyValue::Bigint(low)), Some(KeyValue::Bigint(high)))
                if low > high || low.abs_diff(*high) < KEYS_IN_RANGE =>
            {
                (*low..=*high)
                    .filter_map(|v| self.shard_of(&[KeyValue::Bigint(v)]).ok())
                    .collect()
            }
            _ => self.shards(),
        }
    }

    /// Every shard that is home to some key.
    pub fn shards(&self) -> ShardSet {
        match &self.strategy {
            Strategy::Modulo(s) => s.shards(),
            Strategy::Range(s) => s.shards(),
            Strategy::List(s) => s.shards(),
            Strategy::Hash(s) => s.shards(),
            Strategy::Consistent(s) => s.shards(),
        }
    }

    /// A condition on the key's columns, given by their plain names, that is true exactly for the keys of
    /// one shard. For other keys without nulls it is false; with a null it is false or null.
    ///
    /// It is made of built-in immutable functions and operators only, and is
    /// accepted as the row filter of a publication.
    ///
    /// # Panics
    /// When the number of columns is not that of the placement.
    pub fn predicate(&self, columns: &[&str], shard: ShardId) -> String {
        let columns = self.quoted(columns);
        match &self.strategy {
            Strategy::Modulo(s) => s.predicate(&columns[0], shard),
            Strategy::Range(s) => s.predicate(&columns[0], shard),
            Strategy::List(s) => s.predicate(&columns[0], shard),
            Strategy::Hash(s) => s.predicate(&predicate::hash(&columns, &self.types), shard),
            Strategy::Consistent(s) => s.predicate(&predicate::hash(&columns, &self.types), shard),
        }
    }

    /// [`predicate`](Self::predicate) of every shard of the placement, in their order.
    ///
    /// # Panics
    /// When the number of columns is not that of the placement.
    pub fn all_predicates(&self, columns: &[&str]) -> Vec<(ShardId, String)> {
        self.shards()
            .iter()
            .map(|shard| (shard, self.predicate(columns, shard)))
            .collect()
    }

    /// A condition that is true exactly for rows without a home: with a null in the key, or with a key that
    /// no range or list covers. Never null.
    ///
    /// # Panics
    /// When the number of columns is not that of the placement.
    pub fn without_home(&self, columns: &[&str]) -> String {
        let columns = self.quoted(columns);
        let mut parts: Vec<String> = columns.iter().map(|c| format!("{c} IS NULL")).collect();
        let uncovered = match &self.strategy {
            Strategy::Range(s) => s.uncovered(&columns[0]),
            Strategy::List(s) => s.uncovered(&columns[0]),
            _ => None,
        };
        parts.extend(uncovered);
        parts.join(" OR ")
    }

    fn quoted(&self, columns: &[&str]) -> Vec<String> {
        assert_eq!(
            columns.len(),
            self.types.len(),
            "a column for each part of the key"
        );
        columns.iter().map(|c| predicate::identifier(c)).collect()
    }
}
