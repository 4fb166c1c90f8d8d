//! From one topology to another: which rows move, from where to where.
//!
//! Adding a shard, splitting a range, moving buckets, another strategy, a whole
//! table elsewhere, the first split of an unsharded database: all are rows whose
//! home differs between two topologies. [`Difference::between`] finds them.
//! Nothing is asked of a server; what comes out is data that prints itself.
//!
//! | file | |
//! |---|---|
//! | `mod` | the difference and its parts |
//! | [`rows`] | which rows of a table: a condition in SQL, and the same for a key |
//! | `pairs` | between which shards keys can move at all |
//! | `between` | the homes of each table, compared |
//! | `print` | the difference as text |
//!
//! Shards are the same when their names are: the order in which a topology
//! lists them means nothing. A consistent-hash ring is made of the names too,
//! so a renamed shard is another shard everywhere.

mod between;
mod pairs;
mod print;
pub mod rows;
#[cfg(test)]
mod tests;

pub use rows::{Placed, Rows};

use crate::topology::{TableName, Topology};

/// What has to happen for data to be where the next topology looks for it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Difference {
    /// Rows to bring from one shard to another, in the order of sources and targets.
    pub moves: Vec<Move>,
    /// Rows that stay behind where the next topology does not look for them, though nobody misses them there:
    /// copies of a table that is no longer a reference table. To be removed after the switch.
    pub surplus: Vec<Left>,
    /// Rows that would have no home. There must be none when the switch comes, or they would be out of reach.
    pub homeless: Vec<Left>,
}

/// Rows that move together: those of co-located tables, between two shards.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// The shard where they are now, by its name.
    pub source: String,
    /// The shard where they will be, by its name.
    pub target: String,
    /// The placement now, for tables that are spread by key now.
    pub now: Option<String>,
    /// The placement to be, for tables that will be spread by key.
    pub next: Option<String>,
    /// What happens at the source once the target has them.
    pub afterwards: Afterwards,
    /// The tables, by name.
    pub tables: Vec<TableMove>,
}

/// What happens at the source of a move once the target has the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Afterwards {
    /// They are removed.
    Removed,
    /// They stay: the table becomes or is a reference table.
    Kept,
}

/// The rows of one table that move.
#[derive(Clone, Debug, PartialEq)]
pub struct TableMove {
    /// The table.
    pub table: Tables,
    /// Which of its rows.
    pub rows: Rows,
}

/// What is moved: a table that a topology names, or the rest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tables {
    /// This one.
    Listed(TableName),
    /// Every table that neither topology lists: those that live on the default shard.
    Unlisted,
}

/// Rows of a table on a shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Left {
    /// The shard, by its name.
    pub shard: String,
    /// The table.
    pub table: Tables,
    /// Which of its rows.
    pub rows: Rows,
}

/// Why two topologies cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomparable {
    /// They describe different databases.
    #[error("the topologies describe different databases: \"{now}\" and \"{next}\"")]
    Databases {
        /// Now.
        now: String,
        /// To be.
        next: String,
    },
    /// A column of a key has another type in the next topology.
    #[error(
        "column \"{column}\" of table \"{table}\" is a key of type {now} now and of type {next} in the next topology; \
         the type of a column is changed by ALTER TABLE, not by moving rows"
    )]
    KeyType {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// Its type now.
        now: crate::value::KeyType,
        /// Its type to be.
        next: crate::value::KeyType,
    },
}

impl Difference {
    /// Compares two topologies of one database.
    pub fn between(now: &Topology, next: &Topology) -> Result<Self, Incomparable> {
        between::between(now, next)
    }

    /// Whether every row is already where the next topology looks for it.
    pub fn is_empty(&self) -> bool {
        self.moves.is_empty() && self.surplus.is_empty() && self.homeless.is_empty()
    }
}
