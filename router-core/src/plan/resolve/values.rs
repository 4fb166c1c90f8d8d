//! The values of one execution.

use crate::sql::shape::Slot;

/// The values of one execution. Borrows everything; making one costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a> {
    /// The text of the statement, which the literals' spans point into.
    pub text: &'a str,
    /// The literals of the statement, in order.
    pub literals: &'a [Slot],
    /// The parameters, `$1` first.
    pub params: &'a [Param<'a>],
    /// What the session, or a comment in front of the statement, says about its place.
    pub direction: Direction<'a>,
}

/// `shunt.shard` or `shunt.key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction<'a> {
    /// Neither.
    #[default]
    None,
    /// The shard of this name.
    Shard(&'a str),
    /// The home of this key.
    Key(&'a str),
}

/// A parameter of an execution.
#[derive(Clone, Copy)]
pub struct Param<'a> {
    /// The type's OID as declared at Parse; 0 when the server infers it.
    pub oid: u32,
    /// Whether the value is in binary.
    pub binary: bool,
    /// The value; `None` for NULL.
    pub value: Option<&'a [u8]>,
}

/// The value may be secret: only its length is shown.
impl std::fmt::Debug for Param<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Param")
            .field("oid", &self.oid)
            .field("binary", &self.binary)
            .field("bytes", &self.value.map(<[u8]>::len))
            .finish()
    }
}

impl Values<'_> {
    /// No values: enough for plans that do not depend on any.
    pub fn none() -> Values<'static> {
        Values {
            text: "",
            literals: &[],
            params: &[],
            direction: Direction::None,
        }
    }
}
