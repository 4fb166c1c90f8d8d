//! The key's columns in a line of text or CSV (`CopyReadAttributesText`, `CopyReadAttributesCSV`).

use memchr::{memchr, memchr2};

use super::{Fields, Format, KeyField, Value};

/// The fields of a line of text; `false` when it has too few.
pub(super) fn text(
    line: &[u8],
    format: &Format,
    escaped: bool,
    wanted: &[(KeyField, usize)],
    decoded: &mut Vec<u8>,
    found: &mut Fields,
) -> bool {
    let mut wanted = wanted.iter();
    let Some(mut want) = wanted.next() else {
        return true;
    };
    let (mut position, mut start) = (0, 0);
    loop {
        let (end, next) = match escaped {
            false => match memchr(format.delimiter, &line[start..]) {
                Some(at) => (start + at, Some(start + at + 1)),
                None => (line.len(), None),
            },
            true => escaped_end(line, start, format.delimiter),
        };
        while position == want.0.position {
            let raw = &line[start..end];
            found[want.1] = if raw == format.null {
                Value::Null
            } else if escaped && memchr(b'\\', raw).is_some() {
                let from = decoded.len();
                undo_backslashes(raw, decoded);
                Value::Decoded(from, decoded.len())
            } else {
                Value::Row(start, end)
            };
            want = match wanted.next() {
                Some(next) => next,
                None => return true,
            };
        }
        match next {
            Some(next) => start = next,
            None => return false,
        }
        position += 1;
    }
}

/// Where a field ends whose line has backslashes, and where the next one begins.
fn escaped_end(line: &[u8], start: usize, delimiter: u8) -> (usize, Option<usize>) {
    let mut at = start;
    while let Some(found) = memchr2(delimiter, b'\\', &line[at..]) {
        at += found;
        if line[at] == delimiter {
            return (at, Some(at + 1));
        }
        if at + 1 == line.len() {
            // A backslash at the very end stands for nothing.
            return (at, None);
        }
        at += 2;
    }
    (line.len(), None)
}

fn undo_backslashes(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw.iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(byte) = rest.next() else {
            return;
        };
        out.push(match byte {
            b'0'..=b'7' => {
                let mut value = u32::from(byte - b'0');
                for _ in 0..2 {
                    match rest.next_if(|b| matches!(b, b'0'..=b'7')) {
                        Some(digit) => value = value << 3 | u32::from(digit - b'0'),
                        None => break,
                    }
                }
                (value & 0xff) as u8
            }
            b'x' => {
                let mut digit = || {
                    rest.next_if(u8::is_ascii_hexdigit)
                        .and_then(|d| char::from(d).to_digit(16))
                };
                match digit() {
                    Some(first) => match digit() {
                        Some(second) => (first << 4 | second) as u8,
                        None => first as u8,
                    },
                    None => b'x',
                }
            }
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 11,
            other => other,
        });
    }
}

/// The fields of a line of CSV; `false` when it has too few, or an open quote.
pub(super) fn csv(
    line: &[u8],
    format: &Format,
    wanted: &[(KeyField, usize)],
    decoded: &mut Vec<u8>,
    found: &mut Fields,
) -> bool {
    let mut wanted = wanted.iter();
    let Some(mut want) = wanted.next() else {
        return true;
    };
    let (mut position, mut start) = (0, 0);
    loop {
        let Some(field) = csv_field(line, start, format, decoded, want.0.position == position)
        else {
            return false;
        };
        while position == want.0.position {
            let (key, place) = want;
            let is_null = |value: &Value, decoded: &[u8]| match *value {
                Value::Row(from, to) => line[from..to] == *format.null,
                Value::Decoded(from, to) => decoded[from..to] == *format.null,
                Value::Null => true,
            };
            let looks_null = is_null(&field.value, decoded);
            let null = looks_null
                && if field.quoted {
                    key.force_null
                } else {
                    !key.force_not_null
                };
            found[*place] = if null { Value::Null } else { field.value };
            want = match wanted.next() {
                Some(next) => next,
                None => return true,
            };
        }
        match field.next {
            Some(next) => start = next,
            None => return false,
        }
        position += 1;
    }
}

struct CsvField {
    value: Value,
    quoted: bool,
    next: Option<usize>,
}

/// The field that begins at `start`; `None` when a quote is open at the end. Its value is made only if it is asked for.
fn csv_field(
    line: &[u8],
    start: usize,
    format: &Format,
    decoded: &mut Vec<u8>,
    wanted: bool,
) -> Option<CsvField> {
    let (quote, escape) = (format.quote, format.escape);
    let from = decoded.len();
    let (mut at, mut quoted) = (start, false);
    // Up to here everything of the field has been copied.
    let mut copied = start;
    loop {
        let (end, next) = match memchr2(format.delimiter, quote, &line[at..]) {
            Some(found) if line[at + found] == quote => {
                let open = at + found;
                if wanted {
                    decoded.extend_from_slice(&line[copied..open]);
                }
                quoted = true;
                at = open + 1;
                copied = at;
                // In quotes.
                loop {
                    at += match escape == quote {
                        true => memchr(quote, &line[at..])?,
                        false => memchr2(quote, escape, &line[at..])?,
                    };
                    let byte = line[at];
                    let escaped = byte == escape
                        && line
                            .get(at + 1)
                            .is_some_and(|b| *b == escape || *b == quote);
                    if wanted && (escaped || byte == quote) {
                        decoded.extend_from_slice(&line[copied..at]);
                    }
                    if escaped {
                        copied = at + 1;
                        at += 2;
                    } else if byte == quote {
                        at += 1;
                        copied = at;
                        break;
                    } else {
                        at += 1;
                    }
                }
                continue;
            }
            Some(found) => (at + found, Some(at + found + 1)),
            None => (line.len(), None),
        };
        let value = match quoted {
            false => Value::Row(start, end),
            true => {
                if wanted {
                    decoded.extend_from_slice(&line[copied..end]);
                }
                Value::Decoded(from, decoded.len())
            }
        };
        return Some(CsvField {
            value,
            quoted,
            next,
        });
    }
}
