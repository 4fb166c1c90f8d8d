//! Shunt's wire-protocol proxy: clients on one side, PostgreSQL servers on the other.
//!
//! | module | owns |
//! |---|---|
//! | [`settings`] | what a proxy needs to run |

pub mod settings;
