//! Values and rows on the wire, as text or binary.

use bytes::{BufMut, BytesMut};

use super::table::{Column, Kind};
use crate::wire::encode::frame;

/// A value of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Text(String),
    /// Of any of the number types; what does not fit a column of `integer` is its largest value.
    Number(u64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Self::Number(n)
    }
}

impl From<usize> for Value {
    fn from(n: usize) -> Self {
        Self::Number(n as u64)
    }
}

impl From<u16> for Value {
    fn from(n: u16) -> Self {
        Self::Number(n.into())
    }
}

impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::Number(n.into())
    }
}

impl From<bool> for Value {
    fn from(is: bool) -> Self {
        Self::Number(is.into())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of an answer.
pub(super) type Row = Vec<Value>;

/// PostgreSQL's oid and length of a type.
const fn oid(kind: Kind) -> (u32, i16) {
    match kind {
        Kind::Text => (25, -1),
        Kind::Int => (23, 4),
        Kind::BigInt => (20, 8),
        Kind::Numeric => (1700, -1),
    }
}

/// The formats that `Bind` asks for: none (all text), one for all, or one for each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Formats(pub(super) Vec<bool>);

impl Formats {
    fn is_binary(&self, column: usize) -> bool {
        match self.0.as_slice() {
            [] => false,
            [all] => *all,
            each => each.get(column).copied().unwrap_or(false),
        }
    }
}

/// Appends a RowDescription.
pub(super) fn row_description(out: &mut BytesMut, columns: &[Column], formats: &Formats) {
    frame(out, b'T', |out| {
        out.put_u16(columns.len() as u16);
        for (at, column) in columns.iter().enumerate() {
            let (oid, length) = oid(column.kind);
            out.put_slice(column.name.as_bytes());
            out.put_u8(0);
            out.put_u32(0);
            out.put_u16(0);
            out.put_u32(oid);
            out.put_i16(length);
            out.put_i32(-1);
            out.put_u16(formats.is_binary(at).into());
        }
    });
}

/// Appends a DataRow.
pub(super) fn data_row(out: &mut BytesMut, columns: &[Column], formats: &Formats, row: &[Value]) {
    debug_assert_eq!(columns.len(), row.len());
    frame(out, b'D', |out| {
        out.put_u16(row.len() as u16);
        for (at, (column, value)) in columns.iter().zip(row).enumerate() {
            let start = out.len();
            out.put_i32(-1);
            match value {
                Value::Null => continue,
                Value::Text(text) => {
                    // A zero byte cannot stand in a text of PostgreSQL's.
                    out.extend(text.bytes().filter(|byte| *byte != 0));
                }
                Value::Number(n) => number(out, column.kind, *n, formats.is_binary(at)),
            }
            let length = (out.len() - start - 4) as i32;
            out[start..start + 4].copy_from_slice(&length.to_be_bytes());
        }
    });
}

fn number(out: &mut BytesMut, kind: Kind, n: u64, binary: bool) {
    let int = i32::try_from(n).unwrap_or(i32::MAX);
    let bigint = i64::try_from(n).unwrap_or(i64::MAX);
    match (kind, binary) {
        (Kind::Int, true) => out.put_i32(int),
        (Kind::BigInt, true) => out.put_i64(bigint),
        (Kind::Numeric, true) => numeric(out, n),
        (Kind::Int, false) => out.put_slice(int.to_string().as_bytes()),
        (Kind::BigInt, false) => out.put_slice(bigint.to_string().as_bytes()),
        (Kind::Numeric | Kind::Text, _) => out.put_slice(n.to_string().as_bytes()),
    }
}

/// `numeric_send` of PostgreSQL: digits of base 10000, their count, the first one's weight, sign, scale.
fn numeric(out: &mut BytesMut, mut n: u64) {
    let mut digits = Vec::new();
    while n > 0 {
        digits.push((n % 10_000) as u16);
        n /= 10_000;
    }
    out.put_u16(digits.len() as u16);
    out.put_i16((digits.len() as i16 - 1).max(0));
    out.put_u16(0);
    out.put_u16(0);
    for digit in digits.iter().rev() {
        out.put_u16(*digit);
    }
}
