//! Queries: blocks, what stands in `FROM`, and their clauses.

use super::{Expr, Ident, Name, Statement, WindowSpec};
use crate::id::Span;

/// A query with its `WITH`, `ORDER BY`, `LIMIT` and locking clauses.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Common table expressions, in order.
    pub with: Vec<Cte>,
    /// `WITH RECURSIVE`.
    pub recursive: bool,
    /// The rows.
    pub body: SetExpr,
    /// `ORDER BY` of the whole.
    pub order_by: Vec<OrderItem>,
    /// `LIMIT` or `FETCH FIRST`; `None` also for `LIMIT ALL`.
    pub limit: Option<Expr>,
    /// `FETCH FIRST … WITH TIES`.
    pub with_ties: bool,
    /// `OFFSET`.
    pub offset: Option<Expr>,
    /// `FOR UPDATE` and its kin, each as written (`FOR UPDATE OF t SKIP LOCKED`).
    pub locks: Vec<Lock>,
    /// From `WITH`/`SELECT` to the end.
    pub span: Span,
}

/// One common table expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    /// Its name.
    pub name: Ident,
    /// Column aliases, when given.
    pub columns: Vec<Ident>,
    /// `Some(true)` for `MATERIALIZED`, `Some(false)` for `NOT MATERIALIZED`.
    pub materialized: Option<bool>,
    /// A query, or a data-changing statement.
    pub body: Box<Statement>,
}

/// The rows of a query.
#[derive(Clone, Debug, PartialEq)]
pub enum SetExpr {
    /// A plain `SELECT`.
    Select(Box<Select>),
    /// `VALUES`.
    Values(Values),
    /// `UNION`, `INTERSECT`, `EXCEPT`.
    SetOperation {
        /// Which.
        op: SetOp,
        /// `ALL`.
        all: bool,
        /// Left arm.
        left: Box<SetExpr>,
        /// Right arm.
        right: Box<SetExpr>,
    },
    /// A parenthesised query with clauses of its own.
    Query(Box<Query>),
}

/// Which set operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// `UNION`
    Union,
    /// `INTERSECT`
    Intersect,
    /// `EXCEPT`
    Except,
}

/// The rows of a `VALUES` list.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Each row's expressions; `DEFAULT` is [`ExprKind::Default`](super::ExprKind::Default).
    pub rows: Vec<Vec<Expr>>,
    /// Each row from `(` to `)`, for splitting; empty when not established.
    pub row_spans: Vec<Span>,
}

/// One query block.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// `DISTINCT`.
    pub distinct: Distinct,
    /// The select list.
    pub items: Vec<SelectItem>,
    /// `SELECT … INTO`.
    pub into: Option<Name>,
    /// `FROM`, comma-separated.
    pub from: Vec<TableRef>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `GROUP BY`.
    pub group_by: Vec<GroupItem>,
    /// `GROUP BY DISTINCT`.
    pub group_distinct: bool,
    /// `HAVING`.
    pub having: Option<Expr>,
    /// `WINDOW` definitions.
    pub windows: Vec<(Ident, WindowSpec)>,
    /// From `SELECT` to the end of the block.
    pub span: Span,
    /// The select list alone, without `SELECT` and `DISTINCT`; empty when not established.
    pub items_span: Span,
}

/// `DISTINCT`.
#[derive(Clone, Debug, PartialEq)]
pub enum Distinct {
    /// All rows.
    No,
    /// `DISTINCT`.
    Yes,
    /// `DISTINCT ON (…)`.
    On(Vec<Expr>),
}

/// One entry of a select list or `RETURNING`.
#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// An expression, with its alias.
    Expr {
        /// The expression.
        expr: Expr,
        /// `AS alias`.
        alias: Option<Ident>,
    },
    /// `*` or `t.*`.
    Wildcard {
        /// `t` of `t.*`.
        qualifier: Option<Name>,
        /// Where it stands.
        span: Span,
    },
}

/// One entry of `GROUP BY`.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupItem {
    /// A plain expression, alias or ordinal.
    Expr(Expr),
    /// `ROLLUP`, `CUBE`, `GROUPING SETS`, `()`: what is in them, without the sets that it makes up.
    Sets(Vec<Expr>),
}

impl GroupItem {
    /// The expressions in it.
    pub fn exprs(&self) -> &[Expr] {
        match self {
            Self::Expr(e) => std::slice::from_ref(e),
            Self::Sets(list) => list,
        }
    }
}

/// One entry of `ORDER BY`.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderItem {
    /// What is ordered by.
    pub expr: Expr,
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST`, resolved: PostgreSQL's default is last for ascending and first for descending.
    pub nulls_first: bool,
}

/// A locking clause.
#[derive(Clone, Debug, PartialEq)]
pub struct Lock {
    /// As written.
    pub text: String,
}

/// Something in `FROM`.
#[derive(Clone, Debug, PartialEq)]
pub enum TableRef {
    /// A table, view, or CTE by name.
    Relation(Relation),
    /// A subquery.
    Subquery {
        /// `LATERAL`.
        lateral: bool,
        /// The query.
        query: Box<Query>,
        /// Its alias.
        alias: Option<Alias>,
    },
    /// A function in `FROM`, `ROWS FROM` or `UNNEST`.
    Function {
        /// `LATERAL` as written (function arguments may refer to the left either way).
        lateral: bool,
        /// The call or calls.
        calls: Vec<Expr>,
        /// Its alias.
        alias: Option<Alias>,
    },
    /// A join.
    Join(Box<Join>),
}

/// A relation named in `FROM` or as a statement's target.
#[derive(Clone, Debug, PartialEq)]
pub struct Relation {
    /// Its name.
    pub name: Name,
    /// Its alias.
    pub alias: Option<Alias>,
    /// `ONLY`.
    pub only: bool,
    /// `TABLESAMPLE`.
    pub sample: Option<Sample>,
    /// The name, from schema to name.
    pub span: Span,
}

/// How `TABLESAMPLE` chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// `BERNOULLI` without `REPEATABLE`: each row by itself, and anew each time.
    EachRow,
    /// By where rows are stored, or always the same ones.
    ByPlace,
}

/// `AS name (columns)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    /// The name.
    pub name: Ident,
    /// Column names that replace the relation's, from the left.
    pub columns: Vec<Ident>,
}

/// A join of two things in `FROM`.
#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    /// Which.
    pub kind: JoinKind,
    /// Left side.
    pub left: TableRef,
    /// Right side.
    pub right: TableRef,
    /// How rows are matched.
    pub on: JoinOn,
}

/// Which join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// `INNER`, `CROSS`.
    Inner,
    /// `LEFT`.
    Left,
    /// `RIGHT`.
    Right,
    /// `FULL`.
    Full,
}

/// How a join matches rows.
#[derive(Clone, Debug, PartialEq)]
pub enum JoinOn {
    /// `CROSS JOIN`.
    Nothing,
    /// `ON expression`.
    On(Expr),
    /// `USING (columns)`.
    Using(Vec<Ident>),
    /// `NATURAL`.
    Natural,
}
