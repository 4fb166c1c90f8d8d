//! What exists where: an immutable snapshot with an epoch.
//!
//! A [`Topology`] describes one database that clients connect to. It is built
//! once from a [`TopologySpec`], checked as it is built ([`Topology::build`]),
//! and never changed: a reload makes another one with a later [`Epoch`].
//!
//! | file | what |
//! |---|---|
//! | `mod` | the snapshot and its look-ups |
//! | [`spec`] | the same as written, with names in place of ids |
//! | [`build`] | from the one to the other, with every error found |
//! | [`placement`] | from a key to its shard, by one of the strategies below |
//! | [`modulo`], [`range`], [`list`], [`buckets`], [`ring`] | the strategies |
//! | [`predicate`] | SQL that says the same as a placement |
//! | [`shard_set`] | a set of shards |
//! | [`catalog`] | what the servers say about relations and functions |

use std::hash::{Hash, Hasher};

use foldhash::fast::FixedState;
use hashbrown::{Equivalent, HashMap};

use crate::id::{Epoch, PlacementId, ShardId};

pub mod buckets;
pub mod build;
pub mod catalog;
pub mod list;
pub mod modulo;
pub mod placement;
pub mod predicate;
pub mod range;
pub mod ring;
pub mod shard_set;
pub mod spec;

pub use build::TopologyError;
pub use catalog::Catalog;
pub use placement::{Placement, Strategy, Unplaced};
pub use shard_set::ShardSet;
pub use spec::TopologySpec;

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
    /// Whether triggers, checks and policies are right on each shard by itself, as the user says.
    pub triggers_per_shard: bool,
    /// The placements, by [`PlacementId`].
    pub placements: Vec<Placement>,
    /// The listed tables.
    pub tables: Tables,
}

/// Homes by schema and name.
pub type Tables = HashMap<TableName, Home, FixedState>;

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

/// The name of a relation or function with its schema (`public` where the configuration names none).
/// Look-ups take `&(schema, name)` and allocate nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableName {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
}

impl TableName {
    /// From its two parts.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            schema: schema.into(),
            name: name.into(),
        }
    }
}

impl Hash for TableName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.schema.as_str(), self.name.as_str()).hash(state);
    }
}

impl Equivalent<TableName> for (&str, &str) {
    fn equivalent(&self, key: &TableName) -> bool {
        self.0 == key.schema && self.1 == key.name
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.schema == "public" {
            f.write_str(&self.name)
        } else {
            write!(f, "{}.{}", self.schema, self.name)
        }
    }
}

impl Topology {
    /// Checks a description and makes a snapshot of it. Every error is found, not only the first.
    pub fn build(spec: &TopologySpec, epoch: Epoch) -> Result<Self, Vec<TopologyError>> {
        build::build(spec, epoch)
    }

    /// A database of one shard.
    pub fn unsharded(database: impl Into<String>, shard: Shard, epoch: Epoch) -> Self {
        Self {
            epoch,
            database: database.into(),
            shards: vec![shard],
            default_shard: Some(ShardId(0)),
            scratch: Some(ShardId(0)),
            triggers_per_shard: false,
            placements: Vec::new(),
            tables: Tables::default(),
        }
    }

    /// Whether a statement's shard has to be looked for. When not, everything goes to shard 0.
    pub fn is_sharded(&self) -> bool {
        self.shards.len() > 1
    }

    /// The only shard of a database that is not sharded.
    pub fn only_shard(&self) -> Option<ShardId> {
        (!self.is_sharded()).then_some(ShardId(0))
    }

    /// Where a listed table lives.
    pub fn listed(&self, schema: &str, name: &str) -> Option<&Home> {
        self.tables.get(&(schema, name))
    }

    /// Where a table lives: as listed, or else whole on the default shard. `None`: nobody said.
    pub fn home(&self, schema: &str, name: &str) -> Option<Home> {
        match self.listed(schema, name) {
            Some(home) => Some(home.clone()),
            None => self.default_shard.map(Home::Pinned),
        }
    }

    /// Where a client's temporary tables are.
    pub fn temporary_home(&self) -> ShardId {
        let home = self.default_shard.or(self.scratch);
        home.unwrap_or(ShardId(0))
    }

    /// The shards with relations that no other shard has, in order: what the servers say about relations is read there. Where there are
    /// none the schema is the same everywhere, and the first shard is asked.
    pub fn catalog_shards(&self) -> Vec<ShardId> {
        let pinned = self.tables.values().filter_map(|home| match home {
            Home::Pinned(shard) => Some(*shard),
            _ => None,
        });
        let mut shards: Vec<_> = self.default_shard.into_iter().chain(pinned).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }

    /// Where the first of all relations is that no other shard needs to have: clients find it in what that shard says.
    pub fn first_of_catalog(&self) -> ShardId {
        let shards = self.catalog_shards();
        shards.first().copied().unwrap_or(ShardId(0))
    }

    /// A placement.
    ///
    /// # Panics
    /// When the id belongs to another topology.
    pub fn placement(&self, id: PlacementId) -> &Placement {
        &self.placements[id.index()]
    }

    /// A placement by its name.
    pub fn placement_named(&self, name: &str) -> Option<PlacementId> {
        let index = self.placements.iter().position(|p| p.name == name)?;
        Some(PlacementId(u16::try_from(index).ok()?))
    }

    /// A shard.
    ///
    /// # Panics
    /// When the id belongs to another topology.
    pub fn shard(&self, id: ShardId) -> &Shard {
        &self.shards[id.index()]
    }

    /// A shard by its name.
    pub fn shard_named(&self, name: &str) -> Option<ShardId> {
        let index = self.shards.iter().position(|s| s.name == name)?;
        Some(ShardId(u16::try_from(index).ok()?))
    }

    /// Every shard.
    pub fn all_shards(&self) -> ShardSet {
        ShardSet::all(self.shards.len())
    }
}
