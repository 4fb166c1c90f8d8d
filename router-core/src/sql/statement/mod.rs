//! What a statement says, as a tree of our own.
//!
//! The parser crate's tree is turned into this one in `parse`, the only file
//! that knows that crate. The tree is smaller than SQL: a construct it has no
//! node for makes the statement [`Kind::Unread`], and the planner refuses it
//! (sharded) or sends it to the primary (unsharded). So a new construct can be
//! missed, never misread.
//!
//! Names are as PostgreSQL sees them: folded to lower case unless quoted and
//! cut at 63 bytes. Spans are byte offsets into the statement's text; an empty
//! span means that it could not be established, and nothing may be rewritten by it.

mod change;
mod expression;
mod query;
mod session;

pub use change::*;
pub use expression::*;
pub use query::*;
pub use session::*;

use crate::id::Span;

/// An identifier, folded and cut as PostgreSQL does.
pub type Ident = String;

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// What it is.
    pub kind: Kind,
    /// Its text within the query string, without the semicolon and surrounding white space and comments.
    pub span: Span,
}

/// What a statement is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// `SELECT`, `VALUES`, `TABLE`, with or without `WITH`; data-changing CTEs are inside `with`.
    Query(Box<Query>),
    /// `INSERT`.
    Insert(Box<Insert>),
    /// `UPDATE`.
    Update(Box<Update>),
    /// `DELETE`.
    Delete(Box<Delete>),
    /// `COPY`.
    Copy(Box<Copy>),
    /// `BEGIN`, `COMMIT`, savepoints, two-phase statements.
    Transaction(Transaction),
    /// `SET`, `RESET`, `SHOW`, `DISCARD`, `PREPARE`, `DECLARE`, `LISTEN` and others that are about the session.
    Session(Session),
    /// `EXPLAIN` of another statement.
    Explain(Box<Explain>),
    /// Everything else, known by its first words: DDL, `VACUUM`, `GRANT`, `DO`, `CALL`.
    Utility(Utility),
    /// No statement: only white space, comments or semicolons.
    Empty,
    /// Not read. The reason names the construct, for the refusal's DETAIL.
    Unread(Unread),
}

/// Why a statement was not read.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    /// The construct, or the parser's complaint, as a phrase: `a construct near "foo"`.
    pub what: String,
    /// Upper-case first keyword, empty when there is none.
    pub first_word: String,
}

/// A possibly schema-qualified name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// Schema as written; `None` means that `search_path` decides.
    pub schema: Option<Ident>,
    /// The name itself.
    pub name: Ident,
}
