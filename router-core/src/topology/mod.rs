//! What exists where: an immutable snapshot with an epoch.
//!
//! A [`Topology`] describes one database that clients connect to. It is built
//! once from the configuration, checked as it is built, and never changed: a
//! reload makes another one with a later [`Epoch`].

use std::collections::HashMap;

use crate::id::{Epoch, PlacementId, ShardId};
use crate::sql::statement::Name;
use crate::value::KeyType;

/// Where every table of one database lives.
#[derive(Clone, Debug)]
pub struct Topology {
    /// The version of this snapshot.
    pub epoch: Epoch,
    /// The database's name as clients know it.
    pub database: String,
    /// The shards, by [`ShardId`]. Never empty.
    pub shards: Vec<Shard>,
    /// Home of tables that are not listed.
    pub default_shard: Option<ShardId>,
    /// Where gathered queries are finished.
    pub scratch: Option<ShardId>,
    /// The placements, by [`PlacementId`].
    pub placements: Vec<Placement>,
    /// The listed tables, by schema and name (`public` where the configuration names no schema).
    pub tables: HashMap<Name, Home, foldhash::fast::FixedState>,
}

/// A shard, as far as routing needs to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its name in the configuration.
    pub name: String,
    /// Whether it has any replica.
    pub has_replicas: bool,
}

/// Where a table lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Home {
    /// Rows are spread by key.
    Sharded {
        /// The key's columns, in the placement's order.
        key: Vec<String>,
        /// By which placement. Tables with the same placement are co-located.
        placement: PlacementId,
    },
    /// A full copy on every shard.
    Reference,
    /// The whole table on one shard.
    Pinned(ShardId),
}

/// How keys are mapped to shards.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Its name in the configuration.
    pub name: String,
    /// The type of each column of the key.
    pub types: Vec<KeyType>,
    /// The mapping.
    pub strategy: Strategy,
}

/// A mapping from keys to shards.
#[derive(Clone, Debug)]
pub enum Strategy {}
