//! Connections to PostgreSQL.
//!
//! | file | owns |
//! |---|---|
//! | [`connect`] | a connection, from nothing to its first ReadyForQuery |
//! | [`proof`] | how the proxy proves to a server who it is |
//! | [`report`] | what a server says in ErrorResponse |

pub mod connect;
pub mod proof;
pub mod report;
