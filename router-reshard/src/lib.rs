//! Resharding: rows move between shards while clients write.
//!
//! Which rows move is computed from two topologies alone, by
//! [`router_core::reshard`], re-exported as [`Difference`] and its parts. This
//! crate adds what has to be asked of servers before a job begins:
//!
//! | file | |
//! |---|---|
//! | [`mod@estimate`] | how many rows and bytes a move is |
//! | [`obstacles`] | what stands in its way |
//! | [`tables`] | the tables of a move, those that no topology lists among them |
//!
//! Both read only; neither changes anything on a server. Connections are the
//! caller's, from `tokio-postgres`.

pub mod estimate;
pub mod obstacles;
pub mod tables;

pub use estimate::{Estimate, estimate};
pub use obstacles::{Obstacle, Server};
pub use router_core::reshard::{
    Afterwards, Difference, Incomparable, Left, Move, Rows, TableMove, Tables,
};
