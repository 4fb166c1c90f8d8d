//! Which rows a statement can see, as far as the text proves it.
//!
//! [`facts()`] lists every use of a relation in a statement, over all its query
//! blocks, and the [`Class`]es of columns that are provably equal, with the
//! constants that restrict them. The planner reads both together: a use whose
//! key column is in a class with a constant is bound to the constant's shard;
//! two uses whose key columns are in one class are co-located.
//!
//! A class has two sorts of columns. *Members* are equal to each other in
//! every row that counts. A *follower* is restricted by the class but gives
//! nothing back: the nullable side of an outer join's `ON`, and a subquery's
//! column that is compared with one of the outer query. A constant found for
//! a follower is a class of its own, so a column may be in several classes,
//! and all of them hold.

mod bounds;
mod classes;
mod conditions;
pub mod constant;
mod facts;
mod outputs;
mod scope;

use crate::id::Span;
use crate::sql::statement::{Expr, Ident, Name};

pub use facts::facts;

/// What [`facts()`] found.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Facts {
    /// Every use of a relation that is not a common table expression's name, in the order of the text.
    pub relations: Vec<RelationUse>,
    /// The classes.
    pub classes: Vec<Class>,
    /// Conditions on several columns at once. Each column has its part of them as an [`Restriction::AnyOf`] too.
    pub tuples: Vec<TupleRestriction>,
    /// The query blocks; a block's parent comes before it.
    pub blocks: Vec<Block>,
}

/// A relation as it is used in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationUse {
    /// Its name as written.
    pub name: Name,
    /// Where it is written; the same as [`Relation::span`](crate::sql::statement::Relation::span), by which the two are matched.
    pub span: Span,
    /// By which name the block knows it.
    pub alias: Ident,
    /// The block it belongs to.
    pub block: usize,
    /// Whether it is written to, not read.
    pub target: bool,
    /// Whether an outer join may replace its row by nulls.
    pub nullable: bool,
    /// Whether an outer join keeps its rows that have no match.
    pub preserved: bool,
    /// Why nothing is known of its columns, when it has an alias with column names or is sampled.
    pub opaque: bool,
}

/// A query block: a `SELECT`, or a data-changing statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The block around it.
    pub parent: Option<usize>,
    /// How it stands in its parent.
    pub place: Place,
}

/// How a block stands in its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the statement.
    Top,
    /// An arm of `UNION`, `INTERSECT` or `EXCEPT`.
    Arm,
    /// In `FROM`.
    From,
    /// In `WITH`.
    Cte,
    /// Anywhere in an expression.
    Expression,
    /// `INSERT … SELECT`.
    Source,
}

/// A column of a [`RelationUse`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Column {
    /// Index into [`Facts::relations`].
    pub relation: usize,
    /// The column's name.
    pub name: Ident,
}

/// Columns that are equal, and what restricts them.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Class {
    /// Columns equal to each other.
    pub members: Vec<Column>,
    /// Columns restricted by the class that give nothing back.
    pub followers: Vec<Column>,
    /// Conditions that all hold of every column of the class.
    pub restrictions: Vec<Restriction>,
}

/// A condition on one column. Expressions are constants in the sense of [`constant::is_constant`].
#[derive(Clone, Debug, PartialEq)]
pub enum Restriction {
    /// `= value`.
    Equal(Expr),
    /// `IN (values)`, also `OR` of equalities; never empty.
    AnyOf(Vec<Expr>),
    /// `= ANY (array)`: the array is one constant (`$1`, `'{1,2}'`, a cast of those).
    AnyOfArray(Expr),
    /// `<`, `<=`, `>`, `>=`, `BETWEEN`.
    Range {
        /// Lower bound.
        low: Option<Bound>,
        /// Upper bound.
        high: Option<Bound>,
    },
}

/// One end of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// The value.
    pub value: Expr,
    /// Whether the value itself belongs to the range.
    pub inclusive: bool,
}

/// `(a, b) IN ((1, 2), (3, 4))`: some row's values equal the columns', one by one.
#[derive(Clone, Debug, PartialEq)]
pub struct TupleRestriction {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows; each has a constant per column.
    pub rows: Vec<Vec<Expr>>,
}

/// What is known of a relation's columns without reading a catalog.
///
/// `has_column(relation, column)` is `Some(true)` when the relation is known
/// to have the column, `Some(false)` when it is known not to, and `None` when
/// nothing is known. An unqualified column is attributed to a relation only
/// when that is proven: the block's only relation, or the only one of which
/// `Some(true)` holds while every other gives `Some(false)`.
pub type HasColumn<'a> = dyn Fn(&Name, &str) -> Option<bool> + 'a;

/// Whether two columns, each with its relation, pass an equality on: their values are equal only if they are one value, so
/// that what equals the one equals the other.
///
/// That is not so across types. A `bigint` and a `double precision` are compared as the latter, in which two of the
/// former are equal; and a text that stands beside a `character(n)` is read as one, whose trailing blanks do not count.
pub type Alike<'a> = dyn Fn((&Name, &str), (&Name, &str)) -> bool + 'a;
