//! Arrays of keys, as `= ANY ($1)` and `= ANY ('{1,2}')` have them.

use std::borrow::Cow;

use super::ValueSource;
use super::evaluate::{param, string};
use super::resolve::{Param, Values};
use crate::sql::shape::SlotKind;
use crate::value::{Folded, Format, oid};

/// Element types by the OID of their array type (`pg_type.dat`).
fn element_type(array: u32) -> Option<u32> {
    Some(match array {
        1005 => oid::INT2,
        1007 => oid::INT4,
        1016 => oid::INT8,
        1009 => oid::TEXT,
        1015 => oid::VARCHAR,
        2951 => oid::UUID,
        _ => return None,
    })
}

/// More elements than this are not read one by one; all shards are asked.
const MAX_ELEMENTS: usize = 10_000;

/// The elements; `None` when they cannot be told for certain. A null array has none.
pub(super) fn elements<'v>(source: &ValueSource, values: &Values<'v>) -> Option<Vec<Folded<'v>>> {
    match source {
        ValueSource::Null => Some(Vec::new()),
        ValueSource::Param(n) | ValueSource::SharedParam(n) => {
            let p = param(*n, values)?;
            // An array of no declared type has elements of the type that they are compared with.
            let element = match p.oid {
                0 | oid::UNKNOWN if matches!(source, ValueSource::Param(_)) => 0,
                declared => element_type(declared)?,
            };
            parameter(p, element)
        }
        ValueSource::Integer(_) => None,
        ValueSource::Slot(n) => literal(*n, 0, values),
        ValueSource::Cast(inner, to) => {
            // `'{1,2}'::bigint[]` reads the elements as the named type.
            let element = match to.as_str() {
                "smallint[]" => oid::INT2,
                "integer[]" => oid::INT4,
                "bigint[]" => oid::INT8,
                "text[]" => oid::TEXT,
                "character varying[]" => oid::VARCHAR,
                "uuid[]" => oid::UUID,
                _ => return None,
            };
            match &**inner {
                ValueSource::Slot(n) => literal(*n, element, values),
                // A parameter directly under a cast is of the type that it is cast to, unless declared otherwise.
                ValueSource::Param(n) => {
                    let p = param(*n, values)?;
                    if p.oid != 0 && element_type(p.oid) != Some(element) {
                        return None;
                    }
                    parameter(p, element)
                }
                _ => None,
            }
        }
        ValueSource::Negate(_) | ValueSource::Arithmetic(..) => None,
    }
}

fn parameter<'v>(p: &'v Param<'v>, element: u32) -> Option<Vec<Folded<'v>>> {
    match (p.value, p.binary) {
        (None, _) => Some(Vec::new()),
        (Some(bytes), true) => binary(bytes, element),
        (Some(bytes), false) => text(std::str::from_utf8(bytes).ok()?, element),
    }
}

fn literal<'v>(slot: u32, element: u32, values: &Values<'v>) -> Option<Vec<Folded<'v>>> {
    let at = values.literals.get(slot as usize)?;
    let SlotKind::String(kind) = at.kind else {
        return None;
    };
    match string(at.span.of(values.text), kind)? {
        Cow::Borrowed(written) => text(written, element),
        Cow::Owned(_) => None,
    }
}

/// `{1,2}` with plain elements: no nulls, quotes, escapes, nested braces, bounds or white space, which `array_in` treats specially.
fn text(written: &str, element: u32) -> Option<Vec<Folded<'_>>> {
    let inner = written.strip_prefix('{')?.strip_suffix('}')?;
    if inner.contains(['{', '}', '"', '\\']) || inner.contains(|c: char| c.is_whitespace()) {
        return None;
    }
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let mut list = Vec::new();
    for item in inner.split(',') {
        if item.is_empty() || list.len() == MAX_ELEMENTS {
            return None;
        }
        // While `array_nulls` is off it is a text.
        if item.eq_ignore_ascii_case("null") {
            return None;
        }
        list.push(Folded::parameter(
            element,
            Format::Text,
            Some(item.as_bytes()),
        ));
    }
    Some(list)
}

/// `array_send`: dimensions, a flag for nulls, the element type, then length and lower bound of each dimension,
/// then each element with its length, -1 for null.
fn binary(bytes: &[u8], element: u32) -> Option<Vec<Folded<'_>>> {
    let mut at = bytes;
    let mut int = || -> Option<i32> {
        let (head, rest) = at.split_first_chunk::<4>()?;
        at = rest;
        Some(i32::from_be_bytes(*head))
    };
    let (dimensions, _nulls, sent) = (int()?, int()?, int()?);
    let sent = u32::try_from(sent).ok()?;
    if element != 0 && element != sent {
        return None;
    }
    match dimensions {
        0 => return at.is_empty().then(Vec::new),
        1 => {}
        _ => return None,
    }
    let (length, _bound) = (usize::try_from(int()?).ok()?, int()?);
    if length > MAX_ELEMENTS {
        return None;
    }
    let mut list = Vec::with_capacity(length.min(bytes.len() / 4));
    for _ in 0..length {
        let (head, rest) = at.split_first_chunk::<4>()?;
        let size = i32::from_be_bytes(*head);
        at = rest;
        let value = match size {
            -1 => None,
            size => {
                let (value, rest) = at.split_at_checked(usize::try_from(size).ok()?)?;
                at = rest;
                Some(value)
            }
        };
        list.push(Folded::parameter(sent, Format::Binary, value));
    }
    at.is_empty().then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::{KeyType, KeyValue, Outcome};

    fn keys(list: Option<Vec<Folded<'_>>>) -> Option<Vec<Outcome<'_>>> {
        Some(
            list?
                .into_iter()
                .map(|f| f.equals(KeyType::Bigint))
                .collect(),
        )
    }

    #[test]
    fn text_arrays() {
        let n = |v| Outcome::Value(KeyValue::Bigint(v));
        assert_eq!(keys(text("{1,-2}", 0)), Some(vec![n(1), n(-2)]));
        assert_eq!(keys(text("{}", 0)), Some(vec![]));
        for odd in [
            "{1, 2}",
            "{1,NULL}",
            "{{1}}",
            "{\"1\"}",
            "[0:1]={1,2}",
            "{1,}",
            "1",
            "{1",
            "{a\\b}",
        ] {
            assert_eq!(keys(text(odd, 0)), None, "{odd}");
        }
    }

    #[test]
    fn binary_arrays() {
        let mut sent = Vec::new();
        for v in [1i32, 1, 20, 2, 1, 8] {
            sent.extend(v.to_be_bytes());
        }
        sent.extend(7i64.to_be_bytes());
        sent.extend((-1i32).to_be_bytes());
        assert_eq!(
            keys(binary(&sent, 0)),
            Some(vec![Outcome::Value(KeyValue::Bigint(7)), Outcome::Null])
        );
        assert_eq!(keys(binary(&sent, oid::INT4)), None);
        for cut in 0..sent.len() {
            assert_eq!(keys(binary(&sent[..cut], 0)), None, "{cut}");
        }
    }
}
