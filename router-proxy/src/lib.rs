//! Shunt's wire-protocol proxy: clients on one side, PostgreSQL servers on the other.
//!
//! | module | owns |
//! |---|---|
//! | [`auth`] | how clients prove who they are |
//! | [`catalog`] | what the servers say about relations and functions |
//! | [`server`] | connections to PostgreSQL |
//! | [`settings`] | what a proxy needs to run |
//! | [`startup`] | a client's first packets |
//! | [`tls`] | sockets, plain or encrypted |
//! | [`wire`] | frames of PostgreSQL's protocol |

pub mod auth;
pub mod catalog;
pub mod server;
pub mod settings;
pub mod startup;
pub mod tls;
pub mod wire;
