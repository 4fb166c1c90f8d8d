//! Text becomes a [`Statement`].
//!
//! | module | from | to |
//! |---|---|---|
//! | [`lexer`] | text | tokens, by PostgreSQL's lexical rules |
//! | [`statement`] | | the tree of our own |
//! | [`predicate`] | | what a statement's conditions prove |

pub mod lexer;
pub mod parse;
pub mod predicate;
pub mod statement;

pub use parse::parse;
pub use statement::Statement;
