//! The binary format: a header, tuples of counted fields, a trailer.

use super::{Fault, Fields, KeyField, Next, Value};

/// What stands where another tuple would: a number of fields of -1.
pub(super) const TRAILER: [u8; 2] = [0xff, 0xff];

const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";

/// Signature, flags and the length of an extension.
const HEADER: usize = SIGNATURE.len() + 8;

/// Finds the ends of tuples.
#[derive(Debug, Default)]
pub(super) struct Tuples {
    header_read: bool,
    ended: bool,
}

fn int(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn count(bytes: &[u8]) -> Option<i16> {
    Some(i16::from_be_bytes(*bytes.first_chunk()?))
}

impl Tuples {
    /// Whether the trailer has come.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn next(&mut self, bytes: &[u8], eof: bool, columns: usize) -> Result<Next, Fault> {
        if !self.header_read {
            return Ok(self.header(bytes, eof));
        }
        let short = || match eof {
            // PostgreSQL calls that an unexpected end.
            true => Next::Bad(bytes.len()),
            false => Next::More,
        };
        if eof && bytes.is_empty() {
            return Ok(Next::End);
        }
        match count(bytes) {
            None => return Ok(short()),
            Some(-1) if bytes.len() > TRAILER.len() => {
                return Err(Fault::format("received copy data after EOF marker", ""));
            }
            // Whether more comes is known only at the end, and the trailer is for every shard.
            Some(-1) => {
                self.ended = true;
                return Ok(if eof { Next::End } else { Next::More });
            }
            Some(n) if usize::try_from(n) != Ok(columns) => return Ok(Next::Bad(2)),
            Some(_) => {}
        }
        let mut at = 2;
        for _ in 0..columns {
            match int(bytes, at) {
                None => return Ok(short()),
                Some(-1) => at += 4,
                Some(len) => match usize::try_from(len) {
                    Ok(len) => at += 4 + len,
                    Err(_) => return Ok(Next::Bad(at + 4)),
                },
            }
            if at > bytes.len() {
                return Ok(short());
            }
        }
        Ok(Next::Row {
            content: at,
            whole: at,
        })
    }

    fn header(&mut self, bytes: &[u8], eof: bool) -> Next {
        let wrong = !SIGNATURE.starts_with(&bytes[..bytes.len().min(SIGNATURE.len())]);
        if wrong || eof {
            return Next::Bad(bytes.len());
        }
        let (Some(flags), Some(extension)) =
            (int(bytes, SIGNATURE.len()), int(bytes, SIGNATURE.len() + 4))
        else {
            return Next::More;
        };
        // The upper half of the flags are those that a reader must know; PostgreSQL knows none.
        let Some(extension) = usize::try_from(extension)
            .ok()
            .filter(|_| flags & !0xffff == 0)
        else {
            return Next::Bad(HEADER);
        };
        if bytes.len() < HEADER + extension {
            return Next::More;
        }
        self.header_read = true;
        Next::Header(HEADER + extension)
    }
}

/// The fields of a whole tuple.
pub(super) fn key(tuple: &[u8], wanted: &[(KeyField, usize)], found: &mut Fields) -> bool {
    let mut wanted = wanted.iter().peekable();
    let (mut at, mut position) = (2, 0);
    while wanted.peek().is_some() {
        let Some(len) = int(tuple, at) else {
            return false;
        };
        at += 4;
        let value = match usize::try_from(len) {
            Ok(len) => {
                at += len;
                Value::Row(at - len, at)
            }
            Err(_) => Value::Null,
        };
        while let Some((_, place)) = wanted.next_if(|(field, _)| field.position == position) {
            found[*place] = value;
        }
        position += 1;
    }
    true
}
