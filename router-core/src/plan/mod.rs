//! A statement and a topology become a plan or a refusal.
//!
//! A [`Plan`] is an inert value: it can be printed, cached and compared, and
//! nothing in it points into the text that it was made from. It is a template:
//! where a shard depends on a value, the plan says which literal or parameter
//! the value is, and [`Plan::resolve`] fills it in for one execution. So one
//! plan serves every statement of the same shape.

use crate::id::{Epoch, PlacementId, ShardId};
use crate::sqlstate::SqlState;
use crate::value::KeyType;

/// What to do with one statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The topology that it was made for.
    pub epoch: Epoch,
    /// What the statement does to data, for the choice between primary and replica and for transactions.
    pub effect: Effect,
    /// How it is carried out.
    pub route: Route,
    /// What it leaves behind in the session of the server that runs it, beyond its transaction.
    pub session: SessionEffect,
}

/// What a statement does to data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Proven to change nothing: may run on a replica.
    Read,
    /// May change data, take row locks, call a function that is volatile or unknown, or is not known at all.
    Write,
    /// Changes the schema.
    Schema,
    /// Is about the session only.
    Session,
    /// Begins, ends or marks a transaction.
    Transaction,
}

/// How a statement is carried out.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    /// Tier 1: the client's own bytes, untouched, to one shard.
    Single(Target),
    /// Tier 2: the same text to each target, answers put together.
    Scatter {
        /// Which shards.
        targets: Targets,
        /// How their answers become one.
        merge: Merge,
    },
    /// The rows of an `INSERT` or `COPY FROM`, split by key.
    Split(Split),
    /// A transaction statement, carried out by the session over the shards that take part.
    Transaction,
    /// About the session: answered or recorded by the session itself.
    Session,
    /// Not carried out.
    Refused(Box<Refusal>),
}

/// One shard, known now or once values are known.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// This one.
    Shard(ShardId),
    /// Any one shard gives the same answer (reference tables, no table at all).
    Any,
    /// The home of a key.
    Key(KeyTarget),
}

/// The home of a key whose values come from the statement or its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyTarget {
    /// By which placement.
    pub placement: PlacementId,
    /// One source per column of the key.
    pub values: Vec<KeySource>,
}

/// Where one value of a key comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySource {
    /// The type of the key's column.
    pub key_type: KeyType,
    /// The value.
    pub value: ValueSource,
}

/// A value that is known at planning or at execution; constants are folded as PostgreSQL folds them.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueSource {
    /// The n-th literal of the shape (from 0).
    Slot(u32),
    /// `$n` (from 1).
    Param(u16),
    /// `-x`.
    Negate(Box<ValueSource>),
    /// `x + y`, `x - y`, `x * y` in `bigint`.
    Arithmetic(char, Box<ValueSource>, Box<ValueSource>),
    /// `x::type`, the type by its canonical lower-case name.
    Cast(Box<ValueSource>, String),
}

/// Several shards.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// All shards.
    All,
    /// These.
    Shards(Vec<ShardId>),
    /// The homes of any of these keys; shards that hold several are asked once.
    Keys(Vec<KeyTarget>),
    /// The homes of keys in every element of an array parameter or literal (`= ANY($1)`).
    AnyOf {
        /// By which placement; the key has one column.
        placement: PlacementId,
        /// The array.
        array: KeySource,
    },
    /// The shards that hold a range of keys; both bounds inclusive as far as present, for range placements.
    Range {
        /// By which placement; the key has one column.
        placement: PlacementId,
        /// Lower bound.
        low: Option<KeySource>,
        /// Upper bound.
        high: Option<KeySource>,
    },
}

/// How the answers of several shards become one.
#[derive(Clone, Debug, PartialEq)]
pub enum Merge {
    /// Rows in any order, counts summed.
    Concatenate,
    /// The same change on every copy of a reference table: one shard's answer stands for all.
    Copies,
}

/// Rows split by key.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// By which placement.
    pub placement: PlacementId,
    /// For `INSERT`: the key of each row. Empty for `COPY FROM`, where `columns` say where the key stands.
    pub rows: Vec<Vec<KeySource>>,
    /// For `COPY FROM`: the position of each key column among the copied columns, from 0.
    pub columns: Vec<usize>,
}

/// What a statement leaves behind in a server's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SessionEffect {
    /// Bits of `SessionEffect::*`; several statements' effects are or-ed.
    pub bits: u16,
}

/// Why a statement is not carried out, with everything its error needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// SQLSTATE.
    pub sqlstate: SqlState,
    /// Primary message: lower case, no full stop.
    pub message: String,
    /// The construct, as a sentence.
    pub detail: String,
    /// The way out, as a sentence.
    pub hint: String,
}
