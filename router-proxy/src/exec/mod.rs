//! How the answers of several shards become one.
//!
//! | file | owns |
//! |---|---|
//! | [`scatter`] | concatenation: rows as they come, tags summed |

pub mod scatter;
