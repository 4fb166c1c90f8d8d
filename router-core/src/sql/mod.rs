//! Text becomes a [`Statement`].

pub mod predicate;
pub mod statement;

pub use statement::Statement;
