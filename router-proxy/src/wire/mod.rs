//! Frames of PostgreSQL's protocol.
//!
//! | file | owns |
//! |---|---|
//! | [`encode`] | the small messages that the proxy says itself |

pub mod encode;
