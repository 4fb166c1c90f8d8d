//! PostgreSQL's input functions for integers and `uuid`.
//!
//! The syntax is that of PostgreSQL 15. From 16 on, integers may also be
//! written `0x2A` and `1_000`; which of the two a server takes depends on its
//! version, so such text is [`Parsed::Unknown`].

use std::fmt;

use super::PgError;

/// What an input function says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// The value.
    Value(T),
    /// The error.
    Invalid(PgError),
    /// Servers differ.
    Unknown,
}

/// An integer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
}

impl Width {
    /// The type's name in PostgreSQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int2 => "smallint",
            Self::Int4 => "integer",
            Self::Int8 => "bigint",
        }
    }

    /// Whether the type holds the number.
    pub fn holds(self, v: i128) -> bool {
        match self {
            Self::Int2 => i16::try_from(v).is_ok(),
            Self::Int4 => i32::try_from(v).is_ok(),
            Self::Int8 => i64::try_from(v).is_ok(),
        }
    }
}

/// White space to C's `isspace`, which is what the input functions skip.
pub(super) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t'..=b'\r')
}

/// `int2in`, `int4in`, `int8in` (`src/backend/utils/adt/numutils.c`).
pub fn integer(text: &str, width: Width) -> Parsed<i64> {
    let bytes = text.as_bytes();
    let start = bytes.iter().take_while(|b| is_space(**b)).count();
    let (negative, digits_at) = match bytes.get(start) {
        Some(b'-') => (true, start + 1),
        Some(b'+') => (false, start + 1),
        _ => (false, start),
    };
    if newer_syntax(&bytes[digits_at..]) {
        return Parsed::Unknown;
    }
    let digits = bytes[digits_at..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count();
    let rest = &bytes[digits_at + digits..];
    let syntax = || {
        Parsed::Invalid(PgError::new(
            "22P02",
            format!("invalid input syntax for type {}: \"{text}\"", width.name()),
        ))
    };
    if digits == 0 {
        return syntax();
    }
    // Out of range is found while reading digits, so it comes before what follows them.
    let mut value: i128 = 0;
    for b in &bytes[digits_at..digits_at + digits] {
        value = value * 10 + i128::from(b - b'0');
        if !width.holds(if negative { -value } else { value }) {
            return Parsed::Invalid(PgError::new(
                "22003",
                format!("value \"{text}\" is out of range for type {}", width.name()),
            ));
        }
    }
    if !rest.iter().all(|b| is_space(*b)) {
        return syntax();
    }
    let value = if negative { -value } else { value };
    Parsed::Value(i64::try_from(value).expect("every width fits in 64 bits"))
}

/// Whether text after the sign is written as only PostgreSQL 16 and later accept it:
/// another base, or digits grouped by underscores.
pub(super) fn newer_syntax(unsigned: &[u8]) -> bool {
    let base = matches!(
        unsigned,
        [b'0', b'x' | b'X' | b'o' | b'O' | b'b' | b'B', ..]
    );
    base || (unsigned.first().is_some_and(u8::is_ascii_digit) && unsigned.contains(&b'_'))
}

/// `uuid_in` (`src/backend/utils/adt/uuid.c`): 32 hexadecimal digits, a hyphen
/// allowed after each group of four, braces allowed around all. No white space.
pub fn uuid(text: &str) -> Parsed<[u8; 16]> {
    match uuid_bytes(text.as_bytes()) {
        Some(v) => Parsed::Value(v),
        None => Parsed::Invalid(PgError::new(
            "22P02",
            format!("invalid input syntax for type uuid: \"{text}\""),
        )),
    }
}

fn uuid_bytes(text: &[u8]) -> Option<[u8; 16]> {
    let mut text = match text {
        [b'{', inner @ .., b'}'] => inner,
        other => other,
    };
    let mut out = [0; 16];
    for (i, byte) in out.iter_mut().enumerate() {
        let (digits, rest) = text.split_at_checked(2)?;
        *byte = hex(digits[0])? << 4 | hex(digits[1])?;
        text = match rest {
            [b'-', after @ ..] if i % 2 == 1 && i < 15 => after,
            _ => rest,
        };
    }
    text.is_empty().then_some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

/// `uuid_out`: lower case, with four hyphens.
pub(super) fn write_uuid(v: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (i, byte) in v.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            f.write_str("-")?;
        }
        write!(f, "{byte:02x}")?;
    }
    Ok(())
}
