//! Statements that change rows: `INSERT`, `UPDATE`, `DELETE`, `COPY`.

use super::{Cte, Expr, Ident, Query, Relation, SelectItem, Statement, TableRef, Values};

/// `INSERT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    /// `WITH` in front.
    pub with: Vec<Cte>,
    /// `WITH RECURSIVE`.
    pub recursive: bool,
    /// Where to.
    pub target: Relation,
    /// Column names, empty when not given.
    pub columns: Vec<Ident>,
    /// `OVERRIDING …`, as written.
    pub overriding: Option<String>,
    /// The rows.
    pub source: InsertSource,
    /// `ON CONFLICT`.
    pub on_conflict: Option<OnConflict>,
    /// `RETURNING`.
    pub returning: Vec<SelectItem>,
}

/// Where the rows of an `INSERT` come from.
#[derive(Clone, Debug, PartialEq)]
pub enum InsertSource {
    /// `DEFAULT VALUES`.
    DefaultValues,
    /// `VALUES`, without clauses of its own.
    Values(Values),
    /// Any other query.
    Query(Box<Query>),
}

/// `ON CONFLICT`.
#[derive(Clone, Debug, PartialEq)]
pub struct OnConflict {
    /// Columns of the conflict target; empty when none or a constraint's name is given.
    pub columns: Vec<Ident>,
    /// `DO UPDATE SET` assignments; `None` for `DO NOTHING`.
    pub update: Option<Vec<Assignment>>,
    /// `DO UPDATE … WHERE`.
    pub filter: Option<Expr>,
}

/// `column = expression`, or `(columns) = row`.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The assigned columns; more than one for a row assignment.
    pub columns: Vec<Ident>,
    /// Whether only an element or a field of the column is assigned, `column[1]` or `column.field`, and the rest of it stays.
    pub part: bool,
    /// What is assigned.
    pub value: Expr,
}

/// `UPDATE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// `WITH` in front.
    pub with: Vec<Cte>,
    /// `WITH RECURSIVE`.
    pub recursive: bool,
    /// Which table.
    pub target: Relation,
    /// `SET`.
    pub assignments: Vec<Assignment>,
    /// `FROM`.
    pub from: Vec<TableRef>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `WHERE CURRENT OF cursor`.
    pub current_of: Option<Ident>,
    /// `RETURNING`.
    pub returning: Vec<SelectItem>,
}

/// `DELETE`.
#[derive(Clone, Debug, PartialEq)]
pub struct Delete {
    /// `WITH` in front.
    pub with: Vec<Cte>,
    /// `WITH RECURSIVE`.
    pub recursive: bool,
    /// Which table.
    pub target: Relation,
    /// `USING`.
    pub using: Vec<TableRef>,
    /// `WHERE`.
    pub filter: Option<Expr>,
    /// `WHERE CURRENT OF cursor`.
    pub current_of: Option<Ident>,
    /// `RETURNING`.
    pub returning: Vec<SelectItem>,
}

/// `COPY`.
#[derive(Clone, Debug, PartialEq)]
pub struct Copy {
    /// What is copied.
    pub what: CopyWhat,
    /// `true` for `COPY … FROM`.
    pub from: bool,
    /// Where the bytes come from or go to.
    pub peer: CopyPeer,
    /// Options by lower-case name, values as meant (unquoted); old spellings are turned into the new ones.
    pub options: Vec<(String, CopyOption)>,
    /// `COPY … FROM … WHERE`.
    pub filter: Option<Expr>,
}

/// A value of a `COPY` option.
#[derive(Clone, Debug, PartialEq)]
pub enum CopyOption {
    /// None given (`HEADER`).
    Flag,
    /// A word, number or string.
    Text(String),
    /// A list of columns.
    Columns(Vec<Ident>),
    /// `*`.
    All,
}

/// What is copied.
#[derive(Clone, Debug, PartialEq)]
pub enum CopyWhat {
    /// A table, with columns when given.
    Table {
        /// The table.
        relation: Relation,
        /// Columns, empty for all.
        columns: Vec<Ident>,
    },
    /// `COPY (query) TO`; the statement may change data.
    Query(Box<Statement>),
}

/// The other end of a `COPY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyPeer {
    /// `STDIN` or `STDOUT`: the client.
    Client,
    /// A file on the server.
    File,
    /// A program on the server.
    Program,
}
