//! Text becomes a [`Statement`].

pub mod statement;

pub use statement::Statement;
