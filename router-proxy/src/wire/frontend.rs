//! Messages from clients: their types, and views into the bodies that the session reads.

use smallvec::SmallVec;

use super::view::Reader;

/// `Query`.
pub const QUERY: u8 = b'Q';
/// `Parse`.
pub const PARSE: u8 = b'P';
/// `Bind`.
pub const BIND: u8 = b'B';
/// `Describe`.
pub const DESCRIBE: u8 = b'D';
/// `Execute`.
pub const EXECUTE: u8 = b'E';
/// `Close`.
pub const CLOSE: u8 = b'C';
/// `Flush`.
pub const FLUSH: u8 = b'H';
/// `Sync`.
pub const SYNC: u8 = b'S';
/// `FunctionCall`.
pub const FUNCTION_CALL: u8 = b'F';
/// `CopyData`.
pub const COPY_DATA: u8 = b'd';
/// `CopyDone`.
pub const COPY_DONE: u8 = b'c';
/// `CopyFail`.
pub const COPY_FAIL: u8 = b'f';
/// `Terminate`.
pub const TERMINATE: u8 = b'X';

/// The body of a `Parse`.
#[derive(Clone, Copy, Debug)]
pub struct Parse<'a> {
    /// Name of the statement; empty: the unnamed one.
    pub name: &'a [u8],
    /// The text.
    pub query: &'a [u8],
    /// Number of parameter types and the types, as they came.
    pub types: &'a [u8],
}

impl<'a> Parse<'a> {
    /// Reads a whole body.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(body);
        let name = r.cstr()?;
        let query = r.cstr()?;
        let types = r.rest();
        let count = usize::from(Reader::new(types).u16()?);
        (types.len() == 2 + 4 * count).then_some(Self { name, query, types })
    }
}

/// The body of a `Bind`, as far as the names; the values are read apart, when a route depends on them.
#[derive(Clone, Copy, Debug)]
pub struct Bind<'a> {
    /// Name of the portal.
    pub portal: &'a [u8],
    /// Name of the statement.
    pub statement: &'a [u8],
    /// Where the parameter formats start in the body.
    pub rest_at: usize,
}

impl<'a> Bind<'a> {
    /// Reads the names; the body may be cut after them.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(body);
        let portal = r.cstr()?;
        let statement = r.cstr()?;
        Some(Self {
            portal,
            statement,
            rest_at: body.len() - r.rest().len(),
        })
    }
}

/// One parameter: its format, and its bytes unless it is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundValue<'a> {
    /// Binary rather than text.
    pub binary: bool,
    /// The bytes; `None`: NULL.
    pub bytes: Option<&'a [u8]>,
}

/// The parameters of a `Bind`, read from `rest_at` on.
pub fn bind_values(rest: &[u8]) -> Option<SmallVec<[BoundValue<'_>; 4]>> {
    let mut r = Reader::new(rest);
    let formats = usize::from(r.u16()?);
    let format_bytes = r.take(2 * formats)?;
    let format = |i: usize| -> bool {
        let i = if formats == 1 { 0 } else { i };
        format_bytes.get(2 * i..2 * i + 2) == Some(&[0, 1])
    };
    let count = usize::from(r.u16()?);
    let mut values = SmallVec::with_capacity(count.min(rest.len() / 4));
    for i in 0..count {
        let bytes = match r.i32()? {
            -1 => None,
            n => Some(r.take(usize::try_from(n).ok()?)?),
        };
        values.push(BoundValue {
            binary: format(i),
            bytes,
        });
    }
    Some(values)
}

/// One of the parameters, by its number from 0 on, in what `bind_values` reads; what follows it is not looked at.
pub fn bind_value(rest: &[u8], at: usize) -> Option<BoundValue<'_>> {
    let mut r = Reader::new(rest);
    let formats = usize::from(r.u16()?);
    let format_bytes = r.take(2 * formats)?;
    if at >= usize::from(r.u16()?) {
        return None;
    }
    for _ in 0..at {
        if let Ok(n) = usize::try_from(r.i32()?) {
            r.take(n)?;
        }
    }
    let bytes = match r.i32()? {
        -1 => None,
        n => Some(r.take(usize::try_from(n).ok()?)?),
    };
    let format = if formats == 1 { 0 } else { at };
    Some(BoundValue {
        binary: format_bytes.get(2 * format..2 * format + 2) == Some(&[0, 1]),
        bytes,
    })
}

/// How many formats of parameters a `Bind` gives, in what `bind_values` reads.
pub fn parameter_formats(rest: &[u8]) -> usize {
    Reader::new(rest).u16().map_or(0, usize::from)
}

/// Where the formats of the results stand in a `Bind`, in what `bind_values` reads.
pub fn result_formats(rest: &[u8]) -> Option<usize> {
    let mut r = Reader::new(rest);
    let formats = usize::from(r.u16()?);
    r.take(2 * formats)?;
    for _ in 0..r.u16()? {
        if let Ok(n) = usize::try_from(r.i32()?) {
            r.take(n)?;
        }
    }
    Some(rest.len() - r.rest().len())
}

/// The body of a `Describe` or `Close`.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Whether a portal is meant, rather than a statement.
    pub portal: bool,
    /// Its name.
    pub name: &'a [u8],
}

impl<'a> Named<'a> {
    /// Reads a whole body.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let (kind, rest) = body.split_first()?;
        let portal = match kind {
            b'P' => true,
            b'S' => false,
            _ => return None,
        };
        let mut r = Reader::new(rest);
        let name = r.cstr()?;
        r.rest().is_empty().then_some(Self { portal, name })
    }
}

/// The body of an `Execute`.
#[derive(Clone, Copy, Debug)]
pub struct Execute<'a> {
    /// Name of the portal.
    pub portal: &'a [u8],
    /// Most rows; 0: all.
    pub max_rows: i32,
}

impl<'a> Execute<'a> {
    /// Reads a whole body.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut r = Reader::new(body);
        let portal = r.cstr()?;
        let max_rows = r.i32()?;
        r.rest().is_empty().then_some(Self { portal, max_rows })
    }
}

/// What PostgreSQL says of a body that cannot be read (`pqformat.c`, `postgres.c`).
pub fn complaint(tag: u8, body: &[u8]) -> String {
    let mut r = Reader::new(body);
    let strings = match tag {
        PARSE | BIND => 2,
        DESCRIBE | CLOSE => match r.take(1) {
            None => return "no data left in message".to_owned(),
            Some([b'P' | b'S']) => 1,
            Some(kind) => {
                let name = if tag == CLOSE { "CLOSE" } else { "DESCRIBE" };
                return format!("invalid {name} message subtype {}", kind[0]);
            }
        },
        _ => 1,
    };
    for _ in 0..strings {
        if r.cstr().is_none() {
            return "invalid string in message".to_owned();
        }
    }
    let numbers = match tag {
        PARSE => r
            .u16()
            .is_some_and(|types| r.take(4 * usize::from(types)).is_some()),
        EXECUTE => r.i32().is_some(),
        _ => true,
    };
    if numbers {
        "invalid message format".to_owned()
    } else {
        "insufficient data left in message".to_owned()
    }
}

/// The text of a `Query`: everything before the final zero byte.
pub fn query_text(body: &[u8]) -> Option<&[u8]> {
    let mut r = Reader::new(body);
    let text = r.cstr()?;
    r.rest().is_empty().then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// One value by itself is what it is among all.
        #[test]
        fn a_value_is_found_in_its_place(
            formats in prop::collection::vec(0..2u8, 0..4),
            values in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 0..4),
            cut in 0..40usize,
        ) {
            let mut rest = vec![0, formats.len() as u8];
            formats.iter().for_each(|format| rest.extend([0, *format]));
            rest.extend([0, values.len() as u8]);
            for value in &values {
                let length = value.as_ref().map_or(-1, |value| value.len() as i32);
                rest.extend(length.to_be_bytes());
                rest.extend(value.iter().flatten());
            }
            rest.truncate(rest.len().max(cut) - cut);
            if let Some(all) = bind_values(&rest) {
                for at in 0..5 {
                    let of = |value: &BoundValue<'_>| (value.binary, value.bytes.map(<[u8]>::to_vec));
                    prop_assert_eq!(bind_value(&rest, at).as_ref().map(of), all.get(at).map(of));
                }
            }
        }
    }
}
