//! A statement's shape: its text without white space, comments and literals, in one pass.
//!
//! Statements of one shape share one plan; the literals are [`Slot`]s that the plan reads from the
//! text at hand.
//!
//! **The invariant.** Two texts with equal [`Shape::bytes`] are read by PostgreSQL's grammar as one
//! tree, up to the values in their slots: the literals replaced by one-byte markers, each for
//! one lexical kind, and, in a collapsed list, the number of rows or elements. It holds because the
//! bytes determine the tokens: tokens are written in order with a space between, so cutting the
//! bytes again, with any literal of its kind in the place of each marker, gives the same tokens
//! (tested so). Markers are control characters; a text with one outside of quotes is kept as
//! it is. Equal meaning does not make equal bytes: `a` and `"a"` differ, which costs a plan.
//!
//! What follows for a plan: whatever it concludes from the value of a slot (a sharding key, the size
//! of an integer and so its type, the argument of `set_config`, that two expressions are equal) it
//! must read from the slots each time, or not conclude.
//!
//! **Literals that stay**, because the tree depends on them: after `ORDER BY` and `GROUP BY`,
//! in `DISTINCT ON (…)`, after `LIMIT`, `OFFSET` and `FETCH`; the string of a typed literal
//! (`date '…'`, `interval '…'`); type modifiers (`numeric(5,2)`), `U&'…'`, numbers new in PostgreSQL 16;
//! options of `EXPLAIN`; and every literal of a statement that does not begin with one of the words of a query
//! or its kin. When in doubt a literal stays.
//!
//! **Lists** of only constants and parameters have one shape for any length: `IN (…)` and the rows
//! of `VALUES`. Each is a [`Group`]; `-1` in one is a slot with [`Slot::negative`].
//!
//! | module | does |
//! |---|---|
//! | `write` | the pass over the tokens, and which literals stay |
//! | `lists` | the collapsed lists |
//! | [`outline`] | a cheaper key for texts whose shape is known |

mod lists;
pub mod outline;
mod write;

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::lexer::{Options, StringKind};
use super::limits::{Excess, MAX_LENGTH};
use super::statement::LiteralKind;
use crate::id::Span;

/// Stand for one literal of a kind.
const INTEGER: u8 = 1;
const NUMERIC: u8 = 2;
const STRING: u8 = 3;
const BITS: u8 = 4;
/// Stands for `( … )` after `IN`; a byte with the kinds of its elements follows.
const LIST: u8 = 5;
/// Stands for the rows after `VALUES`; two bytes with the number of columns and one per column with
/// its kinds follow.
const ROWS: u8 = 6;

/// A literal or parameter that is no part of the shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The token.
    pub span: Span,
    /// Its kind.
    pub kind: SlotKind,
    /// Whether a `-` before it, outside `span`, belongs to the value. Only in a [`Group`].
    pub negative: bool,
}

/// What a slot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotKind {
    /// `NULL`, in a group.
    Null,
    /// `TRUE` or `FALSE`, in a group.
    Bool(bool),
    /// Digits.
    Integer,
    /// With a point or exponent.
    Numeric,
    /// A string; [`decode::string`](super::lexer::decode::string) gives its value.
    String(StringKind),
    /// `B'…'` or `X'…'`.
    Bits,
    /// `$n`, in a group.
    Param(u32),
}

impl SlotKind {
    /// The kind of constant; `None` for a parameter.
    pub fn literal(self) -> Option<LiteralKind> {
        Some(match self {
            Self::Null => LiteralKind::Null,
            Self::Bool(true) => LiteralKind::True,
            Self::Bool(false) => LiteralKind::False,
            Self::Integer => LiteralKind::Integer,
            Self::Numeric => LiteralKind::Numeric,
            Self::String(_) => LiteralKind::String,
            Self::Bits => LiteralKind::Bits,
            Self::Param(_) => return None,
        })
    }

    /// One bit per kind, for the kinds that a list may hold.
    fn bit(self) -> u8 {
        match self {
            Self::Integer => 1,
            Self::Numeric => 2,
            Self::String(_) => 4,
            Self::Bits => 8,
            Self::Param(_) => 16,
            Self::Null => 32,
            Self::Bool(_) => 64,
        }
    }
}

/// A list that collapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which kind of list.
    pub kind: GroupKind,
    /// Index of its first slot; the others follow, row by row.
    pub first: u32,
    /// Elements of a row; of an `IN` list 1.
    pub columns: u32,
    /// Rows; of an `IN` list its elements.
    pub rows: u32,
    /// From the first `(` to the last `)`.
    pub span: Span,
    /// Index in [`Shape::row_spans`] of its first row; unused for an `IN` list.
    pub first_row: u32,
}

/// Which list collapsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupKind {
    /// `IN (…)`
    In,
    /// `VALUES (…), (…)`
    Values,
}

impl Group {
    /// The index of the slot of row `row`, column `column`, when there is one.
    pub fn slot(&self, row: u32, column: u32) -> Option<usize> {
        (row < self.rows && column < self.columns)
            .then(|| self.first as usize + row as usize * self.columns as usize + column as usize)
    }
}

/// Whether literals were taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Form {
    /// Literals are slots.
    Normalised,
    /// The text stands as it is. Only in `COPY`, `DECLARE` and `PREPARE` are there slots: the bytes hold the literals too.
    #[default]
    Verbatim,
}

/// The shape of one statement; a buffer to be used again, without allocating once it has grown.
#[derive(Clone, Debug, Default)]
pub struct Shape {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    groups: Vec<Group>,
    row_spans: Vec<Span>,
    form: Form,
    directive: Option<Span>,
    more_directives: bool,
}

impl Shape {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads `text`, one statement, and holds its shape from then on. A text that is too long has
    /// none; the other [`limits`](super::limits) are for the parser.
    pub fn read(&mut self, text: &str, options: Options) -> Result<(), Excess> {
        self.clear();
        if text.len() > MAX_LENGTH {
            return Err(Excess::Length);
        }
        write::write(text, options, self);
        Ok(())
    }

    /// The normalised bytes: what a cache compares in full when the hashes are equal. They tell
    /// [`Form`] and [`Options`] apart as well.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The hash of [`Self::bytes`].
    pub fn hash(&self, seed: u64) -> u64 {
        hash(&self.bytes, seed)
    }

    /// Literals taken out, in the order of the text, those of groups among them.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Collapsed lists, in the order of the text.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The rows of the groups of `VALUES`, each from `(` to `)`.
    pub fn row_spans(&self) -> &[Span] {
        &self.row_spans
    }

    /// Whether literals were taken out.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The text of the first comment `/* shunt: … */` before the statement, without white space
    /// around. It is no part of the bytes.
    pub fn directive(&self) -> Option<Span> {
        self.directive
    }

    /// Whether further such comments follow the first one.
    pub fn more_directives(&self) -> bool {
        self.more_directives
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
        self.groups.clear();
        self.row_spans.clear();
        self.form = Form::Verbatim;
        self.directive = None;
        self.more_directives = false;
    }
}

/// A fast hash of bytes for tables within this process: of a shape, or of a text as it stands. Not
/// stable between versions, and only as good against collisions on purpose as the seed is secret.
pub fn hash(bytes: &[u8], seed: u64) -> u64 {
    let mut hasher = FixedState::with_seed(seed).build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests;
