//! Sharding-key values: from literals and parameters, equal and hashed as PostgreSQL does.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the key's types and values, and what a conversion can come to |
//! | [`hash`] | PostgreSQL's extended hash functions, bit for bit |
//! | [`folded`] | a constant expression with its PostgreSQL type: literal, parameter, sign, arithmetic, cast |
//! | [`input`] | PostgreSQL's input functions for integers and `uuid` |
//! | `moment` | the words that mean the time at which they are read |
//! | [`numeric`] | decimal numbers of bounded size |
//!
//! What PostgreSQL would make of a value is computed exactly or not at all:
//! [`Outcome::Unknown`] stands for everything that is not known here, and a
//! caller must refuse it or ask every shard, never guess.
//!
//! Text is compared and hashed by its bytes. So a text key needs a column with
//! a deterministic collation (every collation that is not explicitly created
//! with `deterministic = false`), and both the server and the client must use
//! the encoding UTF-8.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::sqlstate::SqlState;

pub mod folded;
pub mod hash;
pub mod input;
pub(crate) mod moment;
pub mod numeric;

pub use folded::{Folded, Format, LiteralClass};

/// The type of one column of a sharding key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// `bigint`; columns of type `integer` and `smallint` too.
    Bigint,
    /// `text`; columns of type `character varying` too, but not `character(n)`, which ignores trailing blanks.
    Text,
    /// `uuid`.
    Uuid,
}

impl KeyType {
    /// The type's name in PostgreSQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bigint => "bigint",
            Self::Text => "text",
            Self::Uuid => "uuid",
        }
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KeyType {
    type Err = UnknownKeyType;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "bigint" => Ok(Self::Bigint),
            "text" => Ok(Self::Text),
            "uuid" => Ok(Self::Uuid),
            _ => Err(UnknownKeyType),
        }
    }
}

/// A name that is no key type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key is of type bigint, text or uuid")]
pub struct UnknownKeyType;

/// The value of one column of a sharding key. Never null: a row without a key has no home.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyValue<'a> {
    /// `bigint`, `integer` or `smallint`.
    Bigint(i64),
    /// `text` or `character varying`, in UTF-8.
    Text(Cow<'a, str>),
    /// `uuid`, its bytes in the order in which they are written.
    Uuid([u8; 16]),
}

impl<'a> KeyValue<'a> {
    /// Its type.
    pub fn key_type(&self) -> KeyType {
        match self {
            Self::Bigint(_) => KeyType::Bigint,
            Self::Text(_) => KeyType::Text,
            Self::Uuid(_) => KeyType::Uuid,
        }
    }

    /// A text value that borrows.
    pub fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The same value, borrowing nothing.
    pub fn into_owned(self) -> KeyValue<'static> {
        match self {
            Self::Bigint(v) => KeyValue::Bigint(v),
            Self::Text(v) => KeyValue::Text(Cow::Owned(v.into_owned())),
            Self::Uuid(v) => KeyValue::Uuid(v),
        }
    }
}

/// As PostgreSQL would print it.
impl fmt::Display for KeyValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bigint(v) => write!(f, "{v}"),
            Self::Text(v) => f.write_str(v),
            Self::Uuid(v) => input::write_uuid(v, f),
        }
    }
}

/// What a conversion to the key's type comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// This value.
    Value(KeyValue<'a>),
    /// Null: equals no key. A row to be inserted with it has no home.
    Null,
    /// No key can equal it (`42.5` for a `bigint` key): any shard gives the right, empty answer.
    NoMatch,
    /// PostgreSQL raises an error wherever the statement is run, so any shard gives the right answer. It is
    /// this one unless the expression has several; so let a server say it.
    Invalid(PgError),
    /// Not known here. Must not be guessed.
    Unknown,
}

/// An error as PostgreSQL raises it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgError {
    /// SQLSTATE.
    pub sqlstate: SqlState,
    /// Primary message.
    pub message: String,
}

impl PgError {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            sqlstate: SqlState::new(code),
            message: message.into(),
        }
    }
}

/// PostgreSQL's type OIDs (`pg_type.dat`), as far as a key has to do with them.
pub mod oid {
    /// `boolean`
    pub const BOOL: u32 = 16;
    /// `bytea`
    pub const BYTEA: u32 = 17;
    /// `name`
    pub const NAME: u32 = 19;
    /// `bigint`
    pub const INT8: u32 = 20;
    /// `smallint`
    pub const INT2: u32 = 21;
    /// `integer`
    pub const INT4: u32 = 23;
    /// `text`
    pub const TEXT: u32 = 25;
    /// `unknown`; a parameter declared so is inferred like one without a type.
    pub const UNKNOWN: u32 = 705;
    /// `character(n)`
    pub const BPCHAR: u32 = 1042;
    /// `character varying`
    pub const VARCHAR: u32 = 1043;
    /// `numeric`
    pub const NUMERIC: u32 = 1700;
    /// `uuid`
    pub const UUID: u32 = 2950;
}
