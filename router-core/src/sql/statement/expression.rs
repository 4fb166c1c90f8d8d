//! Expressions.

use super::{Ident, Name, OrderItem, Query};
use crate::id::Span;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it is.
    pub kind: ExprKind,
    /// Its text, with its own parentheses when it has them; empty when not established.
    pub span: Span,
}

/// What an expression is. Constructs without a node of their own make the statement unread.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `a`, `t.a`, `s.t.a`: qualifier parts, then the column.
    Column {
        /// Qualifier as written, from the left: empty, `[t]` or `[s, t]`.
        qualifier: Vec<Ident>,
        /// The column.
        name: Ident,
    },
    /// A constant as written. Its text is at `span`.
    Literal(LiteralKind),
    /// `$n`, from 1.
    Param(u16),
    /// `DEFAULT` in `VALUES` or `SET`.
    Default,
    /// `a AND b AND …`, flattened.
    And(Vec<Expr>),
    /// `a OR b OR …`, flattened.
    Or(Vec<Expr>),
    /// `NOT a`.
    Not(Box<Expr>),
    /// An operator between two operands, by its PostgreSQL name: `=`, `<>` (also for `!=`), `+`, `||`, `~~` for `LIKE`, `!~~*` for `NOT ILIKE`.
    /// `OPERATOR(schema.op)` other than `pg_catalog` is not read.
    Binary {
        /// The operator.
        op: String,
        /// Left operand.
        left: Box<Expr>,
        /// Right operand.
        right: Box<Expr>,
    },
    /// A prefix operator: `-`, `+`, `~`, `@`.
    Unary {
        /// The operator.
        op: String,
        /// Operand.
        expr: Box<Expr>,
    },
    /// `CAST(a AS type)`, `a::type`, `type 'literal'`.
    Cast {
        /// What is cast.
        expr: Box<Expr>,
        /// The type's name in lower case, canonical where PostgreSQL has several (`bigint` for `int8`, `text`, `uuid`,
        /// `character varying`), without modifiers.
        to: String,
        /// Whether the type has modifiers (`varchar(3)`, `numeric(5,2)`).
        modifiers: bool,
    },
    /// `IS [NOT] NULL`, also `ISNULL` and `NOTNULL`.
    IsNull {
        /// Operand.
        expr: Box<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `IS [NOT] TRUE | FALSE | UNKNOWN`, as one word in lower case: `is true`, `is not unknown`.
    IsTruth {
        /// Operand.
        expr: Box<Expr>,
        /// The test.
        test: String,
    },
    /// `IS [NOT] DISTINCT FROM`.
    IsDistinct {
        /// Left.
        left: Box<Expr>,
        /// Right.
        right: Box<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `a [NOT] IN (list)`.
    InList {
        /// Left.
        expr: Box<Expr>,
        /// The list.
        list: Vec<Expr>,
        /// `NOT`.
        negated: bool,
    },
    /// `a [NOT] IN (query)`.
    InQuery {
        /// Left.
        expr: Box<Expr>,
        /// The query.
        query: Box<Query>,
        /// `NOT`.
        negated: bool,
    },
    /// `a op ANY | ALL (array or query)`.
    Quantified {
        /// Left.
        left: Box<Expr>,
        /// The operator.
        op: String,
        /// `ALL`, else `ANY`/`SOME`.
        all: bool,
        /// Right.
        right: QuantifiedSide,
    },
    /// `a [NOT] BETWEEN [SYMMETRIC] b AND c`.
    Between {
        /// Operand.
        expr: Box<Expr>,
        /// Lower bound.
        low: Box<Expr>,
        /// Upper bound.
        high: Box<Expr>,
        /// `NOT`.
        negated: bool,
        /// `SYMMETRIC`.
        symmetric: bool,
    },
    /// `(a, b)` or `ROW(a, b)`.
    Row(Vec<Expr>),
    /// `ARRAY[…]`.
    Array(Vec<Expr>),
    /// A function call, also of SQL's special spellings (`EXTRACT`, `SUBSTRING … FROM`, `COALESCE`, `CURRENT_DATE`).
    Call(Box<Call>),
    /// `CASE`.
    Case {
        /// `CASE operand`.
        operand: Option<Box<Expr>>,
        /// `WHEN … THEN …`.
        arms: Vec<(Expr, Expr)>,
        /// `ELSE`.
        otherwise: Option<Box<Expr>>,
    },
    /// `[NOT] EXISTS (query)`; `NOT` is a node of its own.
    Exists(Box<Query>),
    /// `(query)` as a value.
    Scalar(Box<Query>),
    /// `ARRAY(query)`.
    ArrayQuery(Box<Query>),
    /// `a COLLATE c`.
    Collate {
        /// Operand.
        expr: Box<Expr>,
        /// The collation.
        collation: Name,
    },
    /// `a[1]`, `a[1:2]`: the operand and every subscript.
    Subscript {
        /// Operand.
        expr: Box<Expr>,
        /// Subscripts and slice bounds.
        indexes: Vec<Expr>,
    },
    /// `(a).f`.
    Field {
        /// Operand.
        expr: Box<Expr>,
        /// The field; `*` is not read.
        name: Ident,
    },
}

/// The name of [`ExprKind::Column`] where `t.*` stands as a value: the row as a whole.
pub const WHOLE_ROW: &str = "*";

/// The right side of `op ANY (…)`.
#[derive(Clone, Debug, PartialEq)]
pub enum QuantifiedSide {
    /// An array expression.
    Array(Box<Expr>),
    /// A query.
    Query(Box<Query>),
}

/// The lexical class of a constant, as PostgreSQL's scanner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LiteralKind {
    /// `NULL`.
    Null,
    /// `TRUE`.
    True,
    /// `FALSE`.
    False,
    /// Digits: `int4`, `int8` or `numeric` by size.
    Integer,
    /// With a point or exponent: `numeric`.
    Numeric,
    /// Any string spelling (`'…'`, `E'…'`, `U&'…'`, `$$…$$`): type unknown.
    String,
    /// `B'…'` or `X'…'`.
    Bits,
}

/// A function call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function, by its PostgreSQL name where SQL has a special spelling (`extract`, `btrim`, `coalesce`, `current_date`).
    pub name: Name,
    /// Positional and named arguments.
    pub args: Vec<Expr>,
    /// `f(*)`.
    pub star: bool,
    /// `f(DISTINCT …)`.
    pub distinct: bool,
    /// `f(VARIADIC …)` or named arguments are present.
    pub unusual_args: bool,
    /// `f(… ORDER BY …)`.
    pub order_by: Vec<OrderItem>,
    /// `WITHIN GROUP (ORDER BY …)`.
    pub within_group: Vec<OrderItem>,
    /// `FILTER (WHERE …)`.
    pub filter: Option<Expr>,
    /// `OVER`.
    pub over: Option<Over>,
}

/// `OVER …`.
#[derive(Clone, Debug, PartialEq)]
pub enum Over {
    /// `OVER name`.
    Named(Ident),
    /// `OVER (…)`.
    Spec(WindowSpec),
}

/// A window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSpec {
    /// A window it extends.
    pub base: Option<Ident>,
    /// `PARTITION BY`.
    pub partition_by: Vec<Expr>,
    /// `ORDER BY`.
    pub order_by: Vec<OrderItem>,
    /// Whether a frame clause is given.
    pub frame: bool,
}
