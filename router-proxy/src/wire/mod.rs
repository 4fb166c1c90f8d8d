//! Frames of PostgreSQL's protocol.
//!
//! | file | owns |
//! |---|---|
//! | [`frame`] | the header of a message |
//! | [`decoder`] | where messages begin and end in a stream, and how a message larger than its buffer passes through |
//! | [`frontend`] | messages from clients: types, views into the bodies that are read |
//! | [`backend`] | messages from servers, likewise |
//! | [`buffer`] | byte queues, and the worker's stock of memory for them |
//! | [`code`] | SQLSTATEs that the proxy raises |
//! | [`encode`] | the small messages that the proxy says itself |
//! | [`read`] | whole small messages, before a session |

pub mod backend;
pub mod buffer;
pub mod code;
pub mod decoder;
pub mod encode;
pub mod frame;
pub mod frontend;
pub mod read;
pub(crate) mod view;
