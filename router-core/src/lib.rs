//! Every routing decision of Shunt, as plain data and small machines.
//!
//! Text becomes a [`sql::Statement`], a statement and a [`topology::Topology`]
//! become a [`plan::Plan`], and a plan with the values of one execution says
//! which shards are asked. Nothing here opens a socket, reads a file, asks for
//! the time or draws a random number: those come in as arguments, and
//! `clippy.toml` beside this crate keeps it so.
//!
//! Layers, each of which imports only from those above it:
//!
//! | layer | modules |
//! |---|---|
//! | 0 | [`id`], [`sqlstate`], [`value`], [`availability`] |
//! | 1 | [`sql`], [`topology`] |
//! | 2 | [`copy`] |
//! | 3 | [`plan`] |
//! | 4 | [`merge`], [`twophase`], [`deadlock`], [`replicas`] |
//! | 5 | [`reshard`] |

pub mod availability;
pub mod copy;
pub mod deadlock;
pub mod id;
pub mod merge;
pub mod plan;
pub mod replicas;
pub mod reshard;
pub mod sql;
pub mod sqlstate;
pub mod topology;
pub mod twophase;
pub mod value;

// The shop of the tests is used by those in here, too.
#[cfg(test)]
extern crate self as router_core;
