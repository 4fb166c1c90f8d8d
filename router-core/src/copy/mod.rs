//! The stream of a `COPY … FROM STDIN`, cut into rows, and the key in each of them.
//!
//! A [`Splitter`] takes the stream in pieces cut anywhere and says which bytes go where. It reads as little as it can:
//! where a row ends and what stands in the columns of the key. The bytes of a row go to a shard as they came, so
//! everything else about them is for PostgreSQL to judge. What makes rows is read exactly as PostgreSQL reads it
//! (`copyfromparse.c` of version 15): the kind of line end is that of the first line, backslashes and quotes keep a
//! line end inside a row, `\.` ends the data.
//!
//! | file | |
//! |---|---|
//! | [`mod@format`] | the options of the statement |
//! | `line` | where a line of text or CSV ends |
//! | `field` | the key's columns in such a line |
//! | [`numbers`] | lines of one shard, as lines of the whole stream |
//! | `binary` | the same for the binary format |

mod binary;
mod field;
pub mod format;
mod line;
pub mod numbers;
#[cfg(test)]
mod tests;

use std::ops::Range;

use smallvec::SmallVec;

pub use format::{Forced, Format, Kind, Unclear};
use line::{Line, Lines};

use crate::id::ShardId;
use crate::sqlstate::SqlState;

/// The longest row, and the longest header.
pub const ROW_LIMIT: usize = 64 << 20;

/// Memory for the beginning of a row is given back once it is empty and larger than this.
const KEPT: usize = 64 << 10;

/// What is wrong with a stream, where the shards cannot notice it because they see only their own rows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// SQLSTATE, as PostgreSQL has it.
    pub state: SqlState,
    /// Message, as PostgreSQL has it.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Fault {
    /// `bad_copy_file_format`.
    fn format(message: &str, hint: &str) -> Self {
        Self {
            state: SqlState::new("22P04"),
            message: message.to_owned(),
            hint: hint.to_owned(),
        }
    }

    fn too_long() -> Self {
        Self {
            state: SqlState::new("54000"),
            message: "row of the COPY is too long".to_owned(),
            hint: format!(
                "A row may have {ROW_LIMIT} bytes. An open quote or a wrong QUOTE, ESCAPE or DELIMITER may be the reason."
            ),
        }
    }
}

/// Where bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// To every shard: the header.
    All,
    /// Whole rows, to this one.
    Shard(ShardId),
    /// Something that PostgreSQL rejects wherever it arrives: to any one, which says why.
    Reject,
}

/// A column of the key in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyField {
    /// Its place among the copied columns, from 0.
    pub position: usize,
    /// `FORCE_NOT_NULL`: what looks like null is that string.
    pub force_not_null: bool,
    /// `FORCE_NULL`: what looks like null is null, also in quotes.
    pub force_null: bool,
}

/// Where the value of a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Null,
    /// In the row as it stands.
    Row(usize, usize),
    /// Among the decoded ones.
    Decoded(usize, usize),
}

/// The fields of a key, in the placement's order.
type Fields = SmallVec<[Value; 2]>;

/// What comes next.
enum Next {
    /// More bytes are needed.
    More,
    /// So many bytes for everybody.
    Header(usize),
    /// A row.
    Row {
        /// Its bytes without what ends it.
        content: usize,
        /// Its bytes.
        whole: usize,
    },
    /// So many bytes that PostgreSQL will reject.
    Bad(usize),
    /// The data has ended; what follows does not count.
    End,
}

/// Cuts a stream into rows.
#[derive(Debug)]
pub struct Splitter {
    format: Format,
    /// Of the key, in the order of their positions, each with its place in the key.
    fields: Vec<(KeyField, usize)>,
    columns: usize,
    lines: Lines,
    binary: binary::Tuples,
    header: bool,
    /// The beginning of a row whose end has not come.
    pending: Vec<u8>,
    /// Values whose escapes were undone.
    decoded: Vec<u8>,
    ended: bool,
    rejected: bool,
    rows: u64,
    /// Line ends inside of rows.
    embedded: u64,
}

impl Splitter {
    /// For a stream of so many columns.
    pub fn new(format: Format, key: Vec<KeyField>, columns: usize) -> Self {
        let mut fields: Vec<(KeyField, usize)> = key
            .into_iter()
            .enumerate()
            .map(|(at, field)| (field, at))
            .collect();
        fields.sort_by_key(|(field, _)| field.position);
        Self {
            header: format.kind == Kind::Binary || format.header,
            lines: Lines::new(&format),
            format,
            fields,
            columns,
            binary: binary::Tuples::default(),
            pending: Vec::new(),
            decoded: Vec::new(),
            ended: false,
            rejected: false,
            rows: 0,
            embedded: 0,
        }
    }

    /// Whether something was sent off that PostgreSQL has to reject. If it does not, the rows must not be kept.
    pub fn is_rejected(&self) -> bool {
        self.rejected
    }

    /// The row at hand, as PostgreSQL counts lines: from 1, header and line ends in quotes among them.
    pub fn line(&self) -> u64 {
        let header = u64::from(self.format.header && !self.header);
        self.rows + header + self.embedded + 1
    }

    /// Takes the next bytes of the stream. `place` says where a key belongs (`None`: PostgreSQL will reject the row
    /// anywhere), `deliver` gets all bytes in order, as few times as possible, with the number of lines that they are.
    pub fn feed<E: From<Fault>>(
        &mut self,
        bytes: &[u8],
        place: &mut impl FnMut(&[Option<&[u8]>]) -> Result<Option<ShardId>, E>,
        deliver: &mut impl FnMut(To, &[u8], u64),
    ) -> Result<(), E> {
        if self.pending.is_empty() {
            let used = self.take(bytes, false, place, deliver)?;
            self.pending.extend_from_slice(&bytes[used..]);
        } else {
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(bytes);
            let used = self.take(&pending, false, place, deliver)?;
            pending.drain(..used);
            if pending.len() < KEPT {
                pending.shrink_to(KEPT);
            }
            self.pending = pending;
        }
        if self.pending.len() > ROW_LIMIT {
            return Err(Fault::too_long().into());
        }
        Ok(())
    }

    /// The stream has ended: the last row need not have a line end.
    pub fn finish<E: From<Fault>>(
        &mut self,
        place: &mut impl FnMut(&[Option<&[u8]>]) -> Result<Option<ShardId>, E>,
        deliver: &mut impl FnMut(To, &[u8], u64),
    ) -> Result<(), E> {
        let pending = std::mem::take(&mut self.pending);
        self.take(&pending, true, place, deliver)?;
        if self.format.kind == Kind::Binary && self.binary.is_ended() {
            deliver(To::All, &binary::TRAILER, 0);
        }
        Ok(())
    }

    /// Takes all whole rows at the front of `bytes`; how much that was.
    fn take<E: From<Fault>>(
        &mut self,
        bytes: &[u8],
        eof: bool,
        place: &mut impl FnMut(&[Option<&[u8]>]) -> Result<Option<ShardId>, E>,
        deliver: &mut impl FnMut(To, &[u8], u64),
    ) -> Result<usize, E> {
        let (mut at, mut run, mut lines) = (0, 0..0, 0);
        let mut to = To::Reject;
        // Lines behind those of the run at hand, as they are counted.
        let mut counted = self.line();
        while !self.ended && !self.rejected {
            let (next, len) = match self.next(&bytes[at..], eof)? {
                Next::More => break,
                Next::End => {
                    self.ended = true;
                    break;
                }
                Next::Header(len) => {
                    self.header = false;
                    (To::All, len)
                }
                Next::Bad(len) => (To::Reject, len),
                Next::Row { content, whole } => {
                    let home = self.home(&bytes[at..at + content], place)?;
                    self.rows += 1;
                    (home.map_or(To::Reject, To::Shard), whole)
                }
            };
            if next != to {
                hand_over(deliver, to, bytes, &run, lines);
                (to, run, lines) = (next, at..at, 0);
            }
            at += len;
            run.end = at;
            self.rejected = next == To::Reject;
            // A row that nobody can read is a line too.
            let line = self.line();
            lines += (line - counted).max(u64::from(self.rejected));
            counted = line;
        }
        hand_over(deliver, to, bytes, &run, lines);
        // Nobody reads what follows the end or something that is rejected.
        Ok(if self.ended || self.rejected {
            bytes.len()
        } else {
            at
        })
    }

    fn next(&mut self, bytes: &[u8], eof: bool) -> Result<Next, Fault> {
        if self.format.kind == Kind::Binary {
            return self.binary.next(bytes, eof, self.columns);
        }
        match self.lines.next(bytes, eof)? {
            Line::More => Ok(Next::More),
            Line::End => Ok(Next::End),
            Line::Is { whole, .. } if self.header => Ok(Next::Header(whole)),
            Line::Is { content, whole } => Ok(Next::Row { content, whole }),
        }
    }

    /// The home of the row; `None` when PostgreSQL will reject it.
    #[inline]
    fn home<E>(
        &mut self,
        row: &[u8],
        place: &mut impl FnMut(&[Option<&[u8]>]) -> Result<Option<ShardId>, E>,
    ) -> Result<Option<ShardId>, E> {
        let Some(values) = self.key(row) else {
            return Ok(None);
        };
        let key: SmallVec<[Option<&[u8]>; 2]> = values
            .iter()
            .map(|value| match *value {
                Value::Null => None,
                Value::Row(from, to) => Some(&row[from..to]),
                Value::Decoded(from, to) => Some(&self.decoded[from..to]),
            })
            .collect();
        let home = place(&key)?;
        if self.lines.quoted() {
            self.embedded += self.lines.embedded(row);
        }
        Ok(home)
    }

    /// The values of the key's columns; `None` when the row does not have them.
    fn key(&mut self, row: &[u8]) -> Option<Fields> {
        self.decoded.clear();
        let mut found = Fields::from_elem(Value::Null, self.fields.len());
        let reads = match self.format.kind {
            Kind::Binary => binary::key(row, &self.fields, &mut found),
            Kind::Text => field::text(
                row,
                &self.format,
                self.lines.escaped(),
                &self.fields,
                &mut self.decoded,
                &mut found,
            ),
            Kind::Csv => field::csv(
                row,
                &self.format,
                &self.fields,
                &mut self.decoded,
                &mut found,
            ),
        };
        reads.then_some(found)
    }
}

fn hand_over(
    deliver: &mut impl FnMut(To, &[u8], u64),
    to: To,
    bytes: &[u8],
    run: &Range<usize>,
    lines: u64,
) {
    if !run.is_empty() {
        deliver(to, &bytes[run.clone()], lines);
    }
}
