//! Sharding-key values: from literals and parameters, as PostgreSQL would convert them.

/// The type of one column of a sharding key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// `bigint`; columns of type `integer` and `smallint` too.
    Bigint,
    /// `text`; columns of type `character varying` too.
    Text,
    /// `uuid`.
    Uuid,
}
