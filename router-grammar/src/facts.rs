//! What is known of a statement.

use std::collections::BTreeSet;

use router_core::sql::effect::Effect;
use router_core::sql::statement::Name;

/// What PostgreSQL's grammar made of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A syntax error, with PostgreSQL's words.
    Rejected(String),
    /// Accepted, with something in it that this crate does not know or that is nested too deep.
    Unknown(String),
    /// Accepted and known.
    Known(Facts),
}

/// The facts of a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// The tree, printed.
    pub tree: String,
    /// What it does to data.
    pub effect: Effect,
    /// The relations it uses, common table expressions aside.
    pub relations: BTreeSet<(Name, Role)>,
    /// The functions it calls, SQL's special spellings under their names in `pg_catalog`.
    pub functions: BTreeSet<Name>,
    /// Conditions on a column by constants that every row of their block must meet, or one arm of an `OR` that is such a condition.
    pub conditions: BTreeSet<Condition>,
    /// Constants among the outputs of queries and the rows of `VALUES`, printed: what is compared with such a column is one of them.
    pub outputs: BTreeSet<String>,
}

/// What a relation is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Read.
    Read,
    /// Written.
    Written,
}

/// `column = constant` and its kin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Condition {
    /// The column's name, without what qualifies it.
    pub column: String,
    /// The operator; `=` also for each member of `IN`, `=[]` for the array of `= ANY`.
    pub operator: String,
    /// The constant, printed.
    pub value: String,
}
