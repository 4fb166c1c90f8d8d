//! A value's source and the values of one execution become a constant.

use std::borrow::Cow;

use super::ValueSource;
use super::resolve::{Param, Values};
use crate::sql::lexer::{StringKind, decode};
use crate::sql::shape::{Slot, SlotKind};
use crate::value::{Folded, Format, LiteralClass};

/// The constant. What cannot be computed with certainty is [`Folded::unknown`].
pub(super) fn evaluate<'v>(source: &ValueSource, values: &Values<'v>) -> Folded<'v> {
    match source {
        ValueSource::Null => Folded::literal(LiteralClass::Null, ""),
        ValueSource::Integer(n) => Folded::literal(LiteralClass::Integer, n.to_string()),
        ValueSource::Slot(n) => match values.literals.get(*n as usize) {
            Some(at) => literal(at, values.text),
            None => Folded::unknown(),
        },
        ValueSource::Param(n) => match param(*n, values) {
            Some(p) => folded(p),
            None => Folded::unknown(),
        },
        ValueSource::SharedParam(n) => match param(*n, values) {
            // 705 is `unknown`, which is inferred like no type at all.
            Some(p) if p.oid != 0 && p.oid != 705 => folded(p),
            _ => Folded::unknown(),
        },
        ValueSource::Negate(inner) => evaluate(inner, values).negate(),
        ValueSource::Arithmetic(op, a, b) => {
            evaluate(a, values).arithmetic(*op, evaluate(b, values))
        }
        ValueSource::Cast(inner, to) => evaluate(inner, values).cast(to),
    }
}

/// `$n`.
pub(super) fn param<'v>(n: u16, values: &Values<'v>) -> Option<&'v Param<'v>> {
    values.params.get(usize::from(n).checked_sub(1)?)
}

fn folded<'v>(p: &'v Param<'v>) -> Folded<'v> {
    let format = if p.binary {
        Format::Binary
    } else {
        Format::Text
    };
    Folded::parameter(p.oid, format, p.value)
}

fn literal<'v>(at: &Slot, text: &'v str) -> Folded<'v> {
    let written = at.span.of(text);
    let folded = match at.kind {
        SlotKind::Null => Folded::literal(LiteralClass::Null, ""),
        SlotKind::Integer => Folded::literal(LiteralClass::Integer, written),
        SlotKind::Numeric => Folded::literal(LiteralClass::Numeric, written),
        SlotKind::String(kind) => match string(written, kind) {
            Some(value) => Folded::literal(LiteralClass::String, value),
            None => Folded::unknown(),
        },
        // A text with parameters in its lists has a plan of its own, which names them as parameters.
        SlotKind::Bool(_) | SlotKind::Bits | SlotKind::Param(_) => Folded::unknown(),
    };
    if at.negative { folded.negate() } else { folded }
}

/// What a string constant stands for. One that needs rewriting is made into a string of its own.
pub(super) fn string(written: &str, kind: StringKind) -> Option<Cow<'_, str>> {
    let plain = || written.strip_prefix('\'')?.strip_suffix('\'');
    match (kind, plain()) {
        (StringKind::Plain, Some(inner)) if !inner.contains('\'') => Some(Cow::Borrowed(inner)),
        _ => decode::string(kind, written).ok(),
    }
}
