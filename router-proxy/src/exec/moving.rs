//! Rows of several shards on their way into a table of another.
//!
//! A `DataRow` in binary format has the same body as a tuple of `COPY (FORMAT binary)`, so its bytes pass as they are
//! (PostgreSQL's documentation, "Message Formats" and "COPY", "Binary Format"). In text they are put into COPY's own
//! spelling, column by column as they come. `CopyData` need not end where a row does; but rows of two shards must not
//! be mixed, so a row that has begun keeps the others waiting.

use crate::wire::frontend as f;

use super::Stage;
use super::columns::Formats;

/// What begins a COPY in binary: the signature, no flags, no extension.
const BINARY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// A row count of -1 ends it.
const BINARY_TRAILER: &[u8] = &[0xff, 0xff];

/// Rows on their way.
#[derive(Clone, Debug)]
pub(super) struct Moving {
    /// The part that gets them.
    pub(super) to: usize,
    /// Parts that have not sent all of theirs.
    pub(super) left: usize,
    as_text: bool,
    begun: bool,
    /// The part whose row is under way.
    row_of: Option<usize>,
    text: TextRow,
}

impl Moving {
    pub(super) fn new(to: usize, left: usize, as_text: bool) -> Self {
        Self {
            to,
            left,
            as_text,
            begun: false,
            row_of: None,
            text: TextRow::default(),
        }
    }

    /// How rows travel.
    pub(super) fn formats(&self) -> Formats {
        match self.as_text {
            true => Formats::text(),
            false => Formats::binary(),
        }
    }

    /// Whether a row of `part` may begin: nobody else's is under way, and there is room for it. It does then.
    pub(super) fn begin_row(&mut self, stage: &mut Stage<'_>, part: usize) -> bool {
        if self.row_of.is_some() || !stage.has_room(self.to) {
            return false;
        }
        self.row_of = Some(part);
        self.begin(stage);
        self.text = TextRow::default();
        true
    }

    fn begin(&mut self, stage: &mut Stage<'_>) {
        if !std::mem::replace(&mut self.begun, true) && !self.as_text {
            stage.send(self.to, f::COPY_DATA, &[BINARY_HEADER]);
        }
    }

    /// More of a row.
    pub(super) fn more(&mut self, stage: &mut Stage<'_>, bytes: &[u8], last: bool) {
        if self.as_text {
            let mut line = Vec::with_capacity(bytes.len() + 16);
            self.text.push(bytes, &mut line);
            if last {
                line.push(b'\n');
            }
            stage.send(self.to, f::COPY_DATA, &[&line]);
        } else {
            stage.send(self.to, f::COPY_DATA, &[bytes]);
        }
        if last {
            self.row_of = None;
        }
    }

    /// All rows have gone.
    pub(super) fn end(&mut self, stage: &mut Stage<'_>) {
        self.begin(stage);
        if !self.as_text {
            stage.send(self.to, f::COPY_DATA, &[BINARY_TRAILER]);
        }
        stage.send(self.to, f::COPY_DONE, &[]);
    }
}

/// A `DataRow` in text format on its way to a line of COPY's text format.
#[derive(Clone, Debug, Default)]
struct TextRow {
    /// Bytes of the number at hand: of columns at first, of the next column's length then.
    number: [u8; 4],
    digits: usize,
    /// The number of columns has been read.
    counted: bool,
    /// Columns that have begun.
    columns: usize,
    /// Bytes of the column under way that have not come.
    rest: usize,
}

impl TextRow {
    fn push(&mut self, mut bytes: &[u8], line: &mut Vec<u8>) {
        while let Some((&first, after)) = bytes.split_first() {
            if self.rest > 0 {
                let (value, after) = bytes.split_at(self.rest.min(bytes.len()));
                self.rest -= value.len();
                escape(value, line);
                bytes = after;
                continue;
            }
            bytes = after;
            self.number[self.digits] = first;
            self.digits += 1;
            if !self.counted && self.digits == 2 {
                self.counted = true;
                self.digits = 0;
            } else if self.digits == 4 {
                self.digits = 0;
                if self.columns > 0 {
                    line.push(b'\t');
                }
                self.columns += 1;
                match usize::try_from(i32::from_be_bytes(self.number)) {
                    Ok(length) => self.rest = length,
                    Err(_) => line.extend_from_slice(b"\\N"),
                }
            }
        }
    }
}

/// As COPY's text format wants it. Bytes of a character above 127 are never one of these in a server's encodings.
fn escape(value: &[u8], line: &mut Vec<u8>) {
    for &byte in value {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            b'\t' => line.extend_from_slice(b"\\t"),
            byte => line.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_in_text_becomes_a_line_however_it_is_cut() {
        let mut row = vec![0, 4];
        for value in [Some("a\tb"), None, Some(""), Some("\\N\n")] {
            match value {
                Some(value) => {
                    row.extend_from_slice(&(value.len() as i32).to_be_bytes());
                    row.extend_from_slice(value.as_bytes());
                }
                None => row.extend_from_slice(&(-1i32).to_be_bytes()),
            }
        }
        for size in 1..=row.len() {
            let mut line = Vec::new();
            let mut text = TextRow::default();
            for piece in row.chunks(size) {
                text.push(piece, &mut line);
            }
            assert_eq!(line, b"a\\tb\t\\N\t\t\\\\N\\n", "in pieces of {size}");
        }
    }
}
