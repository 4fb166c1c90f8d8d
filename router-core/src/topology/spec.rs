//! A topology as written: names in place of ids, nothing checked yet.

use crate::value::KeyType;

use super::{buckets, ring};

/// One database as written.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TopologySpec {
    /// The database's name as clients know it.
    pub database: String,
    /// The shards.
    pub shards: Vec<ShardSpec>,
    /// Home of tables that are not listed. A database of one shard needs none.
    pub default_shard: Option<String>,
    /// Where gathered queries are finished.
    pub scratch: Option<String>,
    /// Whether triggers, checks and policies are right on each shard by itself, as the user says.
    pub triggers_per_shard: bool,
    /// The placements.
    pub placements: Vec<PlacementSpec>,
    /// The tables.
    pub tables: Vec<TableSpec>,
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSpec {
    /// Its name.
    pub name: String,
    /// Whether it has any replica.
    pub has_replicas: bool,
}

/// A placement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacementSpec {
    /// Its name.
    pub name: String,
    /// The type of each column of the key.
    pub types: Vec<KeyType>,
    /// The mapping.
    pub strategy: StrategySpec,
}

/// A mapping from keys to shards. Where `shards` is `None`, all shards of the database are meant, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StrategySpec {
    /// `modulo`
    Modulo {
        /// The shard of each remainder.
        shards: Option<Vec<String>>,
    },
    /// `range`
    Range {
        /// The ranges, in any order.
        ranges: Vec<RangeSpec>,
    },
    /// `list`
    List {
        /// The lists.
        lists: Vec<ListSpec>,
        /// The home of all other values.
        default: Option<String>,
    },
    /// `hash`
    Hash {
        /// How many buckets.
        buckets: u32,
        /// Whose they are.
        spread: SpreadSpec,
    },
    /// `consistent`
    Consistent {
        /// The shards of the ring.
        shards: Option<Vec<WeightedSpec>>,
        /// Points of a shard of weight 1.
        points: u32,
    },
}

impl StrategySpec {
    /// `hash` over all shards.
    pub fn hash() -> Self {
        Self::Hash {
            buckets: buckets::DEFAULT_BUCKETS,
            spread: SpreadSpec::Even(None),
        }
    }

    /// `consistent` over all shards.
    pub fn consistent() -> Self {
        Self::Consistent {
            shards: None,
            points: ring::DEFAULT_POINTS,
        }
    }
}

/// A range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeSpec {
    /// First key.
    pub from: Option<WrittenKey>,
    /// First key after it.
    pub to: Option<WrittenKey>,
    /// Their home.
    pub shard: String,
}

/// Listed keys of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSpec {
    /// The keys.
    pub values: Vec<WrittenKey>,
    /// Their home.
    pub shard: String,
}

/// Whose the buckets are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpreadSpec {
    /// Each shard gets as many as any other.
    Even(Option<Vec<String>>),
    /// As said.
    Assign(Vec<AssignSpec>),
}

/// Buckets of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignSpec {
    /// First bucket.
    pub from: u32,
    /// Last bucket.
    pub to: u32,
    /// Their home.
    pub shard: String,
}

/// A shard of a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightedSpec {
    /// The shard.
    pub shard: String,
    /// Its share of keys relative to the others.
    pub weight: u32,
}

/// A key as written in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrittenKey {
    /// A number.
    Integer(i64),
    /// A string: text, or the text of a uuid.
    Text(String),
}

impl std::fmt::Display for WrittenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Integer(v) => write!(f, "{v}"),
            Self::Text(v) => write!(f, "{v:?}"),
        }
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// Its schema; `public` when the configuration names none.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Where it lives.
    pub home: HomeSpec,
}

/// Where a table lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HomeSpec {
    /// Rows are spread by key.
    Sharded {
        /// The key's columns, in the placement's order.
        key: Vec<String>,
        /// The placement's name.
        placement: String,
    },
    /// A full copy on every shard.
    Reference,
    /// Whole on one shard.
    Pinned(String),
}
