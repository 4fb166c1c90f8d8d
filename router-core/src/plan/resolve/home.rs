//! Where a key leads: its values, and the shard that they have.

use smallvec::SmallVec;

use super::{Param, Resolved, Stop, Values};
use crate::id::{PlacementId, ShardId};
use crate::plan::evaluate::{evaluate, param};
use crate::plan::{KeySource, KeyTarget, Reason, Refusal, ValueSource};
use crate::sql::shape::{Slot, SlotKind};
use crate::topology::{Topology, Unplaced};
use crate::value::{KeyType, KeyValue, Outcome, oid};

/// Where one key leads.
pub(super) enum Home {
    /// To this shard.
    At(ShardId),
    /// To none: no row has such a key.
    Nowhere,
    /// PostgreSQL raises an error wherever it runs.
    Error,
}

/// The values of a key's columns. Two columns are common, more are rare.
type Key<'v> = SmallVec<[KeyValue<'v>; 2]>;

impl KeyTarget {
    pub(super) fn resolve(
        &self,
        topology: &Topology,
        values: &Values<'_>,
    ) -> Result<Resolved, Stop> {
        match home(topology, self.placement, &self.values, values) {
            Ok(Home::At(id)) => Ok(Resolved::Shard(id)),
            Ok(Home::Nowhere | Home::Error) => Ok(Resolved::Any),
            Err(_) if self.values.iter().any(|v| is_beyond(v, values)) => Ok(Resolved::Any),
            Err(stop) => Err(stop),
        }
    }
}

/// Whether a value is a parameter whose type the server infers, and no integer of any type although it is written as one:
/// PostgreSQL raises its error wherever it runs.
///
/// Proof: it stands only here (`Param`), alone beside the key, so it is inferred to be of the type of the key's column, which
/// is one of integers. In a list it might be a `numeric` for another element's sake.
fn is_beyond(source: &KeySource, values: &Values<'_>) -> bool {
    let (KeyType::Bigint, ValueSource::Param(n)) = (source.key_type, &source.value) else {
        return false;
    };
    let Some(param) = param(*n, values).filter(|p| !p.binary && matches!(p.oid, 0 | oid::UNKNOWN))
    else {
        return false;
    };
    let text = param
        .value
        .and_then(|bytes| std::str::from_utf8(bytes).ok());
    text.is_some_and(|text| {
        let digits = text.trim_start_matches(['-', '+']);
        !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
            && text.len() - digits.len() < 2
            && text.parse::<i64>().is_err()
    })
}

pub(super) fn home(
    topology: &Topology,
    placement: PlacementId,
    sources: &[KeySource],
    values: &Values<'_>,
) -> Result<Home, Stop> {
    let mut key = Key::new();
    let mut nowhere = false;
    for source in sources {
        if let Some(value) = plain_integer(source, values) {
            key.push(KeyValue::Bigint(value));
            continue;
        }
        let folded = evaluate(&source.value, values);
        let outcome = match source.stored {
            Some(stored) => stored.cut.outcome(folded.assigned(source.key_type)),
            None => folded.equals(source.key_type),
        };
        match outcome {
            Outcome::Value(v) => key.push(v),
            // `key = NULL` holds for no row. A row to be stored would have no home; where the column must not be null,
            // PostgreSQL says so on any shard.
            Outcome::Null if source.stored.is_some_and(|s| s.required) => return Ok(Home::Error),
            Outcome::Null if source.stored.is_some() => {
                return Err(Refusal::new(
                    Reason::NullKey,
                    format!("{} is null.", capital(&describe(source))),
                )
                .into());
            }
            Outcome::Null | Outcome::NoMatch => nowhere = true,
            Outcome::Invalid(_) => return Ok(Home::Error),
            Outcome::Unknown => return Err(unknown(source).into()),
        }
    }
    if nowhere {
        return Ok(Home::Nowhere);
    }
    place(
        topology,
        placement,
        &key,
        sources.iter().any(|s| s.stored.is_some()),
    )
}

/// So many digits are an integer of some type and fit into 64 bits.
const PLAIN_DIGITS: usize = 18;

/// So many are an `integer`, and a `bigint`.
const PLAIN_INTEGER_DIGITS: usize = 9;

/// The value of a key that is written as most are, in a few digits or in binary: what [`evaluate`] makes of it in more steps.
fn plain_integer(source: &KeySource, values: &Values<'_>) -> Option<i64> {
    if source.key_type != KeyType::Bigint {
        return None;
    }
    match source.value {
        ValueSource::Slot(slot) => plain_literal(slot, values.text.as_bytes(), values.literals),
        ValueSource::Param(n) => plain_param(param(n, values)?),
        _ => None,
    }
}

pub(in crate::plan) fn plain_param(param: &Param<'_>) -> Option<i64> {
    let value = param.value?;
    match (param.binary, param.oid) {
        (false, 0 | oid::INT4 | oid::INT8) => digits(value, PLAIN_INTEGER_DIGITS),
        (true, oid::INT4) => Some(i32::from_be_bytes(value.try_into().ok()?).into()),
        (true, oid::INT8) => Some(i64::from_be_bytes(value.try_into().ok()?)),
        _ => None,
    }
}

pub(in crate::plan) fn plain_literal(slot: u32, text: &[u8], literals: &[Slot]) -> Option<i64> {
    let slot = literals.get(usize::try_from(slot).ok()?)?;
    if slot.kind != SlotKind::Integer || slot.negative {
        return None;
    }
    let (start, end) = (slot.span.start as usize, slot.span.end as usize);
    digits(text.get(start..end)?, PLAIN_DIGITS)
}

/// The value of digits, if these are some and no more than `most`.
fn digits(digits: &[u8], most: usize) -> Option<i64> {
    if digits.is_empty() || digits.len() > most {
        return None;
    }
    digits.iter().try_fold(0, |value: i64, digit| {
        let digit = digit.wrapping_sub(b'0');
        (digit < 10).then_some(value * 10 + i64::from(digit))
    })
}

pub(super) fn place(
    topology: &Topology,
    placement: PlacementId,
    key: &[KeyValue<'_>],
    stored: bool,
) -> Result<Home, Stop> {
    let placement = topology.placement(placement);
    match placement.shard_of(key) {
        Ok(id) => Ok(Home::At(id)),
        Err(Unplaced::NoHome) if !stored => Ok(Home::Nowhere),
        Err(Unplaced::NoHome) => Err(Refusal::new(
            Reason::NoShardForKey,
            format!(
                "Placement \"{}\" has no shard for the row's key.",
                placement.name
            ),
        )
        .into()),
        Err(Unplaced::WrongKey) => Err(Refusal::new(
            Reason::KeyNotComputable,
            format!(
                "The key is not of the types of placement \"{}\".",
                placement.name
            ),
        )
        .into()),
    }
}

fn unknown(source: &KeySource) -> Refusal {
    Refusal::new(
        Reason::KeyNotComputable,
        format!(
            "It cannot be told for certain which {} {} is.",
            source.key_type,
            describe(source)
        ),
    )
}

fn describe(source: &KeySource) -> String {
    format!(
        "the value of the key ({})",
        crate::plan::print::ValueText {
            source: &source.value,
            values: None,
        }
    )
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Span;
    use crate::plan::key_column::{Cut, Stored};

    fn long<'v>(source: &KeySource, values: &Values<'v>) -> Outcome<'v> {
        let folded = evaluate(&source.value, values);
        match source.stored {
            Some(stored) => stored.cut.outcome(folded.assigned(source.key_type)),
            None => folded.equals(source.key_type),
        }
    }

    proptest! {
        /// The short way to an integer gives what the long one gives, or nothing.
        #[test]
        fn a_plain_integer_is_what_it_evaluates_to(
            text in "[0-9]{1,20}|0x[0-9a-f]{1,4}|[0-9]_[0-9]",
            negative in any::<bool>(),
            stored in any::<bool>(),
        ) {
            let literals = [Slot { span: Span::new(0, text.len()), kind: SlotKind::Integer, negative }];
            let values = Values { text: &text, literals: &literals, ..Values::none() };
            let stored = stored.then_some(Stored { required: true, cut: Cut::Nothing });
            let source = KeySource { key_type: KeyType::Bigint, value: ValueSource::Slot(0), stored };
            match plain_integer(&source, &values) {
                Some(value) => prop_assert_eq!(long(&source, &values), Outcome::Value(KeyValue::Bigint(value))),
                None => prop_assert!(negative || text.len() > PLAIN_DIGITS || text.contains(['x', '_'])),
            }
        }

        /// The same of a parameter.
        #[test]
        fn a_plain_parameter_is_what_it_evaluates_to(
            text in "[0-9]{1,12}|-[0-9]|[0-9]{1,3} |[0-9]\\.[0-9]|",
            number in any::<[u8; 9]>(),
            length in 0..=9usize,
            oid in prop::sample::select(vec![0, oid::INT2, oid::INT4, oid::INT8, oid::TEXT, oid::NUMERIC, 705]),
            binary in any::<bool>(),
            stored in any::<bool>(),
        ) {
            let value = match binary {
                true => &number[..length],
                false => text.as_bytes(),
            };
            let params = [Param { oid, binary, value: Some(value) }];
            let values = Values { params: &params, ..Values::none() };
            let stored = stored.then_some(Stored { required: true, cut: Cut::Nothing });
            let source = KeySource { key_type: KeyType::Bigint, value: ValueSource::Param(1), stored };
            match plain_integer(&source, &values) {
                Some(value) => prop_assert_eq!(long(&source, &values), Outcome::Value(KeyValue::Bigint(value))),
                None if binary => prop_assert!(!matches!((oid, length), (oid::INT4, 4) | (oid::INT8, 8))),
                None => prop_assert!(
                    !matches!(oid, 0 | oid::INT4 | oid::INT8)
                        || !(1..=PLAIN_INTEGER_DIGITS).contains(&text.len())
                        || text.contains(['-', ' ', '.'])
                ),
            }
        }
    }
}
