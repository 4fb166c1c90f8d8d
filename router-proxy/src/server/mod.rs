//! Connections to PostgreSQL.
//!
//! | file | owns |
//! |---|---|
//! | [`connect`] | a connection, from nothing to its first ReadyForQuery |
//! | [`proof`] | how the proxy proves to a server who it is |
//! | [`report`] | what a server says in ErrorResponse |
//! | [`state`] | what is known about a connection that clients share |
//! | [`prepared`] | its prepared statements |
//! | [`health`] | whether a server lets the proxy in: noted, told in the log, shown |
//! | [`converse`] | a question to a server between two clients |

pub mod connect;
pub mod converse;
pub mod health;
pub mod prepared;
pub mod proof;
pub mod report;
pub mod state;
