//! How PostgreSQL orders two values of a type, given in their binary form.
//!
//! Only types whose order follows from the bytes alone are here. A text is
//! ordered by its bytes, which is right under the collations C, POSIX,
//! C.UTF-8 and ucs_basic and no other: whoever asks must know the collation.
//! The binary forms are those of PostgreSQL's `*send` functions.

use std::cmp::Ordering;

/// How values of a type are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// `smallint`, `integer`, `bigint`, `date`, `time`, `timestamp`, `timestamptz`, `money`: two's complement, big endian.
    /// Infinite dates and timestamps are the least and greatest numbers.
    Signed,
    /// `oid`, `xid`-like: unsigned, big endian. Also `boolean` (0 or 1), `"char"`.
    Unsigned,
    /// `real`, `double precision`: NaN equals itself and is greater than everything; -0 equals 0.
    Float,
    /// `numeric`: NaN equals itself and is greater than infinity.
    Numeric,
    /// `bytea`, `uuid`, and texts under a bytewise collation: by bytes, a prefix first.
    Bytes,
    /// `interval`: by the number of microseconds that its parts come to, with days of 24 hours and months of 30 days.
    Interval,
    /// `timetz`: by the instant, then by the zone.
    TimeTz,
}

/// Type OIDs are those of `pg_type.dat`; they never change.
impl Order {
    /// The order of a type, when it follows from the bytes. `bytewise` says that the collation orders by bytes.
    pub fn of_type(oid: u32, bytewise: bool) -> Option<Self> {
        Some(match oid {
            // int8, int2, int4, date, time, timestamp, timestamptz, money
            20 | 21 | 23 | 1082 | 1083 | 1114 | 1184 | 790 => Self::Signed,
            // bool, "char", oid
            16 | 18 | 26 => Self::Unsigned,
            700 | 701 => Self::Float,
            1700 => Self::Numeric,
            // bytea, uuid, name (always in collation C)
            17 | 2950 | 19 => Self::Bytes,
            // text, varchar; not bpchar, whose trailing blanks do not count
            25 | 1043 if bytewise => Self::Bytes,
            1186 => Self::Interval,
            1266 => Self::TimeTz,
            _ => return None,
        })
    }

    /// Compares two values that are not NULL. `None` when one is not a value of the type.
    pub fn compare(self, a: &[u8], b: &[u8]) -> Option<Ordering> {
        Some(match self {
            Self::Signed => signed(a)?.cmp(&signed(b)?),
            Self::Unsigned => unsigned(a)?.cmp(&unsigned(b)?),
            Self::Float => floats(float(a)?, float(b)?),
            Self::Numeric => Numeric::read(a)?.compare(&Numeric::read(b)?),
            Self::Bytes => a.cmp(b),
            Self::Interval => interval(a)?.cmp(&interval(b)?),
            Self::TimeTz => time_tz(a)?.cmp(&time_tz(b)?),
        })
    }
}

fn signed(bytes: &[u8]) -> Option<i64> {
    Some(match bytes.len() {
        2 => i16::from_be_bytes(bytes.try_into().ok()?).into(),
        4 => i32::from_be_bytes(bytes.try_into().ok()?).into(),
        8 => i64::from_be_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

fn unsigned(bytes: &[u8]) -> Option<u32> {
    Some(match bytes.len() {
        1 => bytes[0].into(),
        4 => u32::from_be_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

fn float(bytes: &[u8]) -> Option<f64> {
    Some(match bytes.len() {
        4 => f32::from_be_bytes(bytes.try_into().ok()?).into(),
        8 => f64::from_be_bytes(bytes.try_into().ok()?),
        _ => return None,
    })
}

/// `float8_cmp_internal` of `utils/float.h`: NaN is the greatest and equals itself.
fn floats(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
    }
}

/// `interval_cmp_value` of `adt/timestamp.c`, in 128 bits as there.
fn interval(bytes: &[u8]) -> Option<i128> {
    const MICROSECONDS_PER_DAY: i128 = 86_400_000_000;
    const DAYS_PER_MONTH: i128 = 30;
    if bytes.len() != 16 {
        return None;
    }
    let time = i64::from_be_bytes(bytes[..8].try_into().ok()?);
    let days = i32::from_be_bytes(bytes[8..12].try_into().ok()?);
    let months = i32::from_be_bytes(bytes[12..].try_into().ok()?);
    let days = i128::from(months) * DAYS_PER_MONTH + i128::from(days);
    Some(i128::from(time) + days * MICROSECONDS_PER_DAY)
}

/// `timetz_cmp_internal` of `adt/date.c`: the instant first (the zone counts seconds west), then the zone.
fn time_tz(bytes: &[u8]) -> Option<(i64, i32)> {
    if bytes.len() != 12 {
        return None;
    }
    let time = i64::from_be_bytes(bytes[..8].try_into().ok()?);
    let zone = i32::from_be_bytes(bytes[8..].try_into().ok()?);
    Some((time + i64::from(zone) * 1_000_000, zone))
}

/// A numeric in its binary form: digits in base 10,000, the first with the given weight.
struct Numeric<'a> {
    kind: NumericKind,
    weight: i16,
    digits: &'a [u8],
}

/// In the order of the values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NumericKind {
    NegativeInfinity,
    Negative,
    Zero,
    Positive,
    Infinity,
    NaN,
}

impl<'a> Numeric<'a> {
    /// `numeric_send` of `adt/numeric.c`: digit count, weight, sign, display scale, digits.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, mut digits) = bytes.split_at_checked(8)?;
        let field = |i: usize| u16::from_be_bytes([head[i], head[i + 1]]);
        if digits.len() != usize::from(field(0)) * 2 {
            return None;
        }
        let mut weight = field(2) as i16;
        while let Some(rest) = digits.strip_prefix(&[0, 0]) {
            digits = rest;
            weight = weight.wrapping_sub(1);
        }
        while let Some(rest) = digits.strip_suffix(&[0, 0]) {
            // Digits are pairs of bytes, so a suffix of two zero bytes is one digit.
            digits = rest;
        }
        let kind = match field(4) {
            0x0000 if digits.is_empty() => NumericKind::Zero,
            0x4000 if digits.is_empty() => NumericKind::Zero,
            0x0000 => NumericKind::Positive,
            0x4000 => NumericKind::Negative,
            0xC000 => NumericKind::NaN,
            0xD000 => NumericKind::Infinity,
            0xF000 => NumericKind::NegativeInfinity,
            _ => return None,
        };
        Some(Self {
            kind,
            weight,
            digits,
        })
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.kind.cmp(&other.kind).then_with(|| {
            // Digits are big endian, so they compare as bytes; trailing zeros are gone, so a prefix is less.
            let magnitude = || {
                self.weight
                    .cmp(&other.weight)
                    .then_with(|| self.digits.cmp(other.digits))
            };
            match self.kind {
                NumericKind::Positive => magnitude(),
                NumericKind::Negative => magnitude().reverse(),
                _ => Ordering::Equal,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A numeric's binary form from its sign, weight and base-10,000 digits.
    fn numeric(sign: u16, weight: i16, digits: &[u16]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for field in [digits.len() as u16, weight as u16, sign, 0] {
            bytes.extend(field.to_be_bytes());
        }
        for digit in digits {
            bytes.extend(digit.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn numerics_ascend() {
        let ascending = [
            numeric(0xF000, 0, &[]),
            numeric(0x4000, 1, &[1, 0, 5]),
            numeric(0x4000, 0, &[9999]),
            numeric(0x4000, -1, &[1]),
            numeric(0x0000, 0, &[]),
            numeric(0x0000, -2, &[9999]),
            numeric(0x0000, -1, &[1]),
            numeric(0x0000, 0, &[1]),
            numeric(0x0000, 0, &[1, 5]),
            numeric(0x0000, 0, &[2]),
            numeric(0x0000, 1, &[1]),
            numeric(0x0000, 1, &[1, 0, 1]),
            numeric(0xD000, 0, &[]),
            numeric(0xC000, 0, &[]),
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(Order::Numeric.compare(a, b), Some(i.cmp(&j)), "{i} {j}");
            }
        }
    }

    #[test]
    fn zeros_around_a_numeric_do_not_count() {
        let plain = numeric(0, 0, &[5]);
        assert_eq!(
            Order::Numeric.compare(&plain, &numeric(0, 1, &[0, 5, 0])),
            Some(Ordering::Equal)
        );
        assert_eq!(
            Order::Numeric.compare(&numeric(0, 3, &[0]), &numeric(0x4000, 0, &[])),
            Some(Ordering::Equal)
        );
        // 0x0100 = 256 ends in a zero byte that is part of a digit.
        assert_eq!(
            Order::Numeric.compare(&numeric(0, 0, &[256]), &numeric(0, 0, &[1])),
            Some(Ordering::Greater)
        );
    }

    #[test]
    fn floats_with_nan_and_signed_zero() {
        let f = |v: f64| v.to_be_bytes();
        assert_eq!(
            Order::Float.compare(&f(-0.0), &f(0.0)),
            Some(Ordering::Equal)
        );
        assert_eq!(
            Order::Float.compare(&f(f64::NAN), &f(f64::INFINITY)),
            Some(Ordering::Greater)
        );
        assert_eq!(
            Order::Float.compare(&f(f64::NAN), &f(-f64::NAN)),
            Some(Ordering::Equal)
        );
        assert_eq!(
            Order::Float.compare(&1.5f32.to_be_bytes(), &2.5f32.to_be_bytes()),
            Some(Ordering::Less)
        );
    }

    #[test]
    fn what_is_not_a_value_is_not_compared() {
        for order in [
            Order::Signed,
            Order::Unsigned,
            Order::Float,
            Order::Numeric,
            Order::Interval,
            Order::TimeTz,
        ] {
            assert_eq!(order.compare(b"abc", b"abc"), None, "{order:?}");
        }
    }

    #[test]
    fn texts_need_a_bytewise_collation() {
        assert_eq!(Order::of_type(25, true), Some(Order::Bytes));
        assert_eq!(Order::of_type(25, false), None);
        assert_eq!(Order::of_type(1042, true), None);
    }
}
