//! Frames of PostgreSQL's protocol.
//!
//! | file | owns |
//! |---|---|
//! | [`code`] | SQLSTATEs that the proxy raises |
//! | [`encode`] | the small messages that the proxy says itself |
//! | [`read`] | whole small messages, before a session |

pub mod code;
pub mod encode;
pub mod read;
