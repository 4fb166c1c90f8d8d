//! Text becomes a [`Statement`].
//!
//! | module | from | to |
//! |---|---|---|
//! | [`lexer`] | text | tokens, by PostgreSQL's lexical rules |
//! | [`limits`] | text | whether it asks too much |
//! | [`split`] | a query string | its statements |
//! | [`shape`] | a statement | its shape: the text without its literals, and where they stand |
//! | [`symbols`] | a text | the operators that it may use |
//! | [`mod@parse`] | a statement | its tree |
//! | [`statement`] | | the tree of our own |
//! | [`next_id`] | a text | the same with numbers in place of `shunt.next_id()` |
//! | [`outer`] | `PREPARE`, `EXECUTE`, `EXPLAIN` | the statement that they are about |
//! | [`predicate`] | | what a statement's conditions prove |
//! | [`mod@print`] | a tree | a line of text, for golden files and a second reader |

pub mod effect;
pub mod functions;
pub mod lexer;
pub mod limits;
pub mod next_id;
pub mod outer;
pub mod parse;
pub mod predicate;
pub mod print;
pub mod readable;
pub mod shape;
pub mod split;
pub mod statement;
pub mod symbols;
pub mod walk;

pub use parse::parse;
pub use statement::Statement;
