//! Decimal numbers of bounded size, as far as a sharding key has to do with them.
//!
//! PostgreSQL's `numeric` has up to 131072 digits. Here a number has up to 38;
//! of a longer one only this is kept, which is all that a comparison with a
//! `bigint` needs: that it equals none.

use std::fmt;

use super::PgError;
use super::input::{Parsed, is_space, newer_syntax};

/// A `numeric`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numeric {
    /// Up to 38 digits.
    Decimal(Decimal),
    /// No `bigint`: too large, with too many digits behind the point, infinite or not a number.
    Other,
}

/// `coefficient / 10^scale`, printed with `display_scale` digits behind the point.
/// No zeros end the digits behind the point, so equal numbers have equal coefficients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    coefficient: i128,
    scale: u32,
    display_scale: u32,
}

/// Most digits of a coefficient that surely fit in an `i128`.
const MAX_DIGITS: usize = 38;
/// PostgreSQL's limit for digits behind the point (`NUMERIC_DSCALE_MASK`).
const MAX_DISPLAY_SCALE: i64 = 16_383;
/// A little less than PostgreSQL's limit before the point; above it PostgreSQL decides.
const MAX_INTEGER_DIGITS: i64 = 131_000;

impl Decimal {
    /// A whole number.
    pub fn whole(v: i128) -> Self {
        Self {
            coefficient: v,
            scale: 0,
            display_scale: 0,
        }
    }

    /// The number, when it is whole.
    pub fn exact(&self) -> Option<i128> {
        (self.scale == 0).then_some(self.coefficient)
    }

    /// Rounded to a whole number, halves away from zero, as casts to integer types do.
    pub fn rounded(&self) -> i128 {
        let Some(unit) = power(self.scale) else {
            // An `i128` over 10^39 or more is below a half.
            return 0;
        };
        let whole = self.coefficient / unit;
        let rest = (self.coefficient % unit).abs();
        if rest >= unit - rest {
            whole + self.coefficient.signum()
        } else {
            whole
        }
    }

    /// `-x`.
    pub fn negated(mut self) -> Option<Self> {
        self.coefficient = self.coefficient.checked_neg()?;
        Some(self)
    }

    /// `x op y` for `+`, `-` and `*`; `None` when it takes more digits than are kept here.
    pub fn arithmetic(&self, op: char, other: &Self) -> Option<Self> {
        if op == '*' {
            let coefficient = self.coefficient.checked_mul(other.coefficient)?;
            let display_scale = self.display_scale + other.display_scale;
            return (i64::from(display_scale) <= MAX_DISPLAY_SCALE)
                .then(|| Self::normal(coefficient, self.scale + other.scale, display_scale));
        }
        let scale = self.scale.max(other.scale);
        let left = self.coefficient.checked_mul(power(scale - self.scale)?)?;
        let right = other.coefficient.checked_mul(power(scale - other.scale)?)?;
        let coefficient = match op {
            '+' => left.checked_add(right)?,
            '-' => left.checked_sub(right)?,
            _ => return None,
        };
        Some(Self::normal(
            coefficient,
            scale,
            self.display_scale.max(other.display_scale),
        ))
    }

    fn normal(mut coefficient: i128, mut scale: u32, display_scale: u32) -> Self {
        if coefficient == 0 {
            scale = 0;
        }
        while scale > 0 && coefficient % 10 == 0 {
            coefficient /= 10;
            scale -= 1;
        }
        Self {
            coefficient,
            scale,
            display_scale,
        }
    }
}

fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// `numeric_out`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = self.scale as usize;
        let digits = format!("{:0>1$}", self.coefficient.unsigned_abs(), scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.coefficient < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}")?;
        if self.display_scale > 0 {
            write!(
                f,
                ".{fraction:0<width$}",
                width = self.display_scale as usize
            )?;
        }
        Ok(())
    }
}

/// A `numeric` literal or the text of a `numeric`: `numeric_in` of PostgreSQL 15
/// (`src/backend/utils/adt/numeric.c`).
pub fn parse(text: &str) -> Parsed<Numeric> {
    let syntax = || {
        Parsed::Invalid(PgError::new(
            "22P02",
            format!("invalid input syntax for type numeric: \"{text}\""),
        ))
    };
    let bytes = text.as_bytes();
    let start = bytes.iter().take_while(|b| is_space(**b)).count();
    let end = bytes.len()
        - bytes[start..]
            .iter()
            .rev()
            .take_while(|b| is_space(**b))
            .count();
    let (negative, body) = match &bytes[start..end] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if newer_syntax(body) || body.contains(&b'_') {
        return Parsed::Unknown;
    }
    for (word, signed) in [(&b"nan"[..], false), (b"inf", true), (b"infinity", true)] {
        if body.eq_ignore_ascii_case(word) {
            let has_sign = body.len() != end - start;
            return if signed || !has_sign {
                Parsed::Value(Numeric::Other)
            } else {
                Parsed::Unknown
            };
        }
    }
    let Some((mantissa, exponent)) = split_exponent(body) else {
        return Parsed::Unknown;
    };
    let points = mantissa.iter().filter(|b| **b == b'.').count();
    let only_digits = mantissa.iter().all(|b| b.is_ascii_digit() || *b == b'.');
    if points > 1 || !only_digits || mantissa.len() == points {
        return syntax();
    }
    let exponent = match exponent {
        None => 0,
        Some(text) => match exponent_value(text) {
            Exponent::Value(v) => v,
            Exponent::Syntax => return syntax(),
            Exponent::Unknown => return Parsed::Unknown,
        },
    };
    let behind_point = mantissa
        .iter()
        .position(|b| *b == b'.')
        .map_or(0, |at| mantissa.len() - at - 1) as i64;
    let digits: Vec<u8> = mantissa.iter().filter(|b| **b != b'.').copied().collect();
    decimal(negative, &digits, exponent - behind_point)
}

/// `digits * 10^exponent`.
fn decimal(negative: bool, digits: &[u8], exponent: i64) -> Parsed<Numeric> {
    let display_scale = (-exponent).max(0);
    let before_point = digits.len() as i64 + exponent;
    if display_scale > MAX_DISPLAY_SCALE || before_point > MAX_INTEGER_DIGITS {
        return Parsed::Unknown;
    }
    let digits = &digits[digits.iter().take_while(|b| **b == b'0').count()..];
    let zeros = digits.iter().rev().take_while(|b| **b == b'0').count();
    let digits = &digits[..digits.len() - zeros];
    let exponent = exponent + zeros as i64;
    let padding = exponent.max(0) as usize;
    if digits.len() + padding > MAX_DIGITS && !digits.is_empty() {
        return Parsed::Value(Numeric::Other);
    }
    let magnitude = digits
        .iter()
        .fold(0_i128, |v, digit| v * 10 + i128::from(digit - b'0'));
    let (coefficient, scale) = match (magnitude, u32::try_from(exponent)) {
        (0, _) => (0, 0),
        (m, Ok(up)) => (m * power(up).expect("the digits were counted"), 0),
        (m, Err(_)) => (m, (-exponent) as u32),
    };
    Parsed::Value(Numeric::Decimal(Decimal {
        coefficient: if negative { -coefficient } else { coefficient },
        scale,
        display_scale: display_scale as u32,
    }))
}

/// Mantissa and exponent; `None` for what PostgreSQL 15 reads by its C library (`1e 5`).
fn split_exponent(body: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    match body.iter().position(|b| matches!(b, b'e' | b'E')) {
        None => Some((body, None)),
        Some(at) => {
            let exponent = &body[at + 1..];
            (!exponent.first().is_some_and(|b| is_space(*b)))
                .then_some((&body[..at], Some(exponent)))
        }
    }
}

enum Exponent {
    Value(i64),
    Syntax,
    Unknown,
}

fn exponent_value(text: &[u8]) -> Exponent {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Exponent::Syntax;
    }
    if digits.len() > 6 {
        return Exponent::Unknown;
    }
    let v = digits
        .iter()
        .fold(0_i64, |v, digit| v * 10 + i64::from(digit - b'0'));
    Exponent::Value(if negative { -v } else { v })
}

/// The binary form (`numeric_recv`): count, weight, sign and display scale, then digits in base 10000.
/// `None` when malformed or longer than what is read here.
pub fn from_binary(bytes: &[u8]) -> Option<Numeric> {
    const POSITIVE: u16 = 0x0000;
    const NEGATIVE: u16 = 0x4000;
    let mut words = bytes
        .chunks_exact(2)
        .map(|w| u16::from_be_bytes([w[0], w[1]]));
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let count = usize::from(words.next()?);
    let weight = i64::from(words.next()? as i16);
    let sign = words.next()?;
    let display_scale = u32::from(words.next()?);
    if words.len() != count {
        return None;
    }
    if !matches!(sign, POSITIVE | NEGATIVE) {
        // NaN and the infinities; anything else is PostgreSQL's error.
        return matches!(sign, 0xC000 | 0xD000 | 0xF000).then_some(Numeric::Other);
    }
    if i64::from(display_scale) > MAX_DISPLAY_SCALE {
        return None;
    }
    let mut digits = Vec::with_capacity(count * 4);
    for word in words {
        if word > 9999 {
            return None;
        }
        digits.extend_from_slice(format!("{word:04}").as_bytes());
    }
    let exponent = (weight + 1) * 4 - digits.len() as i64;
    let Parsed::Value(value) = decimal(sign == NEGATIVE, &digits, exponent) else {
        return None;
    };
    match value {
        // Digits beyond the display scale are cut by the server.
        Numeric::Decimal(d) if d.scale > display_scale => None,
        Numeric::Decimal(d) => Some(Numeric::Decimal(Decimal { display_scale, ..d })),
        Numeric::Other => (exponent >= 0).then_some(Numeric::Other),
    }
}
