//! Shunt's wire-protocol proxy: clients on one side, PostgreSQL servers on the other.
//!
//! | module | owns |
//! |---|---|
//! | [`settings`] | what a proxy needs to run |
//! | [`tls`] | sockets, plain or encrypted |
//! | [`wire`] | frames of PostgreSQL's protocol |

pub mod settings;
pub mod tls;
pub mod wire;
