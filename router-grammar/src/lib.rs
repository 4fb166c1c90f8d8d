//! A second reader of statements: PostgreSQL's own grammar, by way of the crate `pg_query`.
//!
//! router-core reads statements with a lexer of its own and a grammar in Rust. This crate reads
//! them with PostgreSQL's grammar and makes the same facts: the tree in the printed form of
//! [`router_core::sql::print`], the relations with their role, the functions called, the
//! conditions that may carry a key, and the effect. [`compare()`] says where the two differ.
//!
//! | module | what it does |
//! |---|---|
//! | [`facts`] | what is known of a statement |
//! | `statement`, `query`, `change`, `expr`, `types`, `session`, `utility` | PostgreSQL's tree to facts |
//! | [`compare`](mod@compare) | the two readings side by side |
//!
//! Building it needs a C compiler and libclang, so it stands outside the workspace.
//! A node that is not known makes the statement [`Reading::Unknown`]: nothing is guessed.

mod change;
pub mod compare;
mod expr;
pub mod facts;
mod query;
mod session;
mod statement;
mod types;
mod utility;

pub use compare::compare;
pub use facts::{Facts, Reading, Role};
pub use statement::read;
