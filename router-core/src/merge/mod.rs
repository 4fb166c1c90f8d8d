//! Rows of several shards become one result.
//!
//! | module | owns |
//! |---|---|
//! | [`order`] | how PostgreSQL orders two values of a type, in their binary form |
//! | [`sorted`] | which of several sorted streams has the next row |
//! | [`sums`] | counts and sums, added up |
//! | [`tag`] | one CommandComplete tag from several |

pub mod order;
pub mod sorted;
pub mod sums;
pub mod tag;
