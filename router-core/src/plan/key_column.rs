//! What a column must be like to be part of a sharding key, and what becomes of a value on its way into it.
//!
//! A key is routed by its value, so values that PostgreSQL calls equal must be one value here too: that is so for integers,
//! for `text` and `character varying` in a deterministic collation, and for `uuid`. It is not for `numeric` (no hash of a
//! `bigint`), for `character(n)` (trailing blanks do not count) or in a collation that ignores case.

use super::reading::Reading;
use super::{Reason, Refusal};
use crate::topology::catalog::{Collation, Column, ColumnDefault};
use crate::value::{KeyType, KeyValue, Outcome, oid};
use std::borrow::Cow;

/// What is known of the column that a value of a key is stored into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// It is known to refuse NULL, whatever else there is to the table.
    pub required: bool,
    /// What becomes of a text.
    pub cut: Cut,
}

/// What becomes of trailing blanks of a text that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cut {
    /// They stay.
    Nothing,
    /// `character varying(n)`: those beyond so many characters are cut off.
    Beyond(usize),
    /// The column is not known, so neither is it.
    Unknown,
}

/// What a column of that type does with a text.
pub(super) fn cut(column: Option<&Column>, key_type: KeyType) -> Cut {
    if key_type != KeyType::Text {
        return Cut::Nothing;
    }
    let Some((type_oid, modifier)) = column.map(stored_as) else {
        return Cut::Unknown;
    };
    // The modifier of `character varying(n)` is `n` and the four bytes of a length.
    let length = usize::try_from(modifier)
        .ok()
        .and_then(|m| m.checked_sub(4));
    match length {
        Some(length) if type_oid == oid::VARCHAR => Cut::Beyond(length),
        _ => Cut::Nothing,
    }
}

impl Cut {
    /// What is stored of a text, in an encoding of which no continuation byte is a blank. `None` when it is not known.
    pub(super) fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        match self {
            Self::Nothing => Some(bytes),
            Self::Beyond(limit) => Some(beyond(bytes, limit)),
            Self::Unknown => (bytes.last() != Some(&b' ')).then_some(bytes),
        }
    }

    /// The same of a value that was made out.
    pub(super) fn outcome(self, outcome: Outcome<'_>) -> Outcome<'_> {
        let Outcome::Value(KeyValue::Text(text)) = outcome else {
            return outcome;
        };
        let Some(kept) = self.of(text.as_bytes()).map(<[u8]>::len) else {
            return Outcome::Unknown;
        };
        Outcome::Value(KeyValue::Text(match text {
            // Only blanks are cut, so a character ends there.
            Cow::Borrowed(text) => Cow::Borrowed(text.get(..kept).unwrap_or(text)),
            Cow::Owned(mut text) => {
                text.truncate(kept);
                Cow::Owned(text)
            }
        }))
    }
}

/// As `character varying(n)` stores it, when all beyond the limit is blank; otherwise it is too long anyway.
fn beyond(bytes: &[u8], limit: usize) -> &[u8] {
    if bytes.len() <= limit {
        return bytes;
    }
    // Continuation bytes begin no character.
    let mut starts = bytes.iter().enumerate().filter(|(_, b)| **b & 0xc0 != 0x80);
    match starts.nth(limit) {
        Some((at, _)) if bytes[at..].iter().all(|b| *b == b' ') => &bytes[..at],
        _ => bytes,
    }
}

fn stored_as(column: &Column) -> (u32, i32) {
    column
        .base
        .unwrap_or((column.type_oid, column.type_modifier))
}

/// The type of key that a column's values are, when values that PostgreSQL calls equal are one value of it.
pub(super) fn values(column: &Column) -> Option<KeyType> {
    match stored_as(column).0 {
        oid::INT2 | oid::INT4 | oid::INT8 => Some(KeyType::Bigint),
        oid::TEXT | oid::VARCHAR if column.collation != Collation::Nondeterministic => {
            Some(KeyType::Text)
        }
        oid::UUID => Some(KeyType::Uuid),
        _ => None,
    }
}

/// Refuses a use of a table whose key's columns are known to be unfit.
pub(super) fn fit_all(reading: &Reading<'_>, at: usize) -> Result<(), Refusal> {
    let (Some((key, placement)), Some(table)) = (reading.key(at), reading.table(at)) else {
        return Ok(());
    };
    let placement = reading.topology.placement(placement);
    for (name, &key_type) in key.iter().zip(&placement.types) {
        if let Some(column) = table.column(name)
            && let Some(why) = unfit(column, key_type)
        {
            return Err(refusal(&reading.named(at), name, key_type, &why));
        }
    }
    Ok(())
}

/// Why a column cannot be of a key of that type; `None` when it can.
fn unfit(column: &Column, key_type: KeyType) -> Option<String> {
    let (type_oid, _) = stored_as(column);
    let fits = match key_type {
        KeyType::Bigint => matches!(type_oid, oid::INT2 | oid::INT4 | oid::INT8),
        KeyType::Text => matches!(type_oid, oid::TEXT | oid::VARCHAR),
        KeyType::Uuid => type_oid == oid::UUID,
    };
    if !fits {
        return Some(format!("is of type {}", column.declared));
    }
    // A change of another column would change it.
    if column.default == ColumnDefault::Generated {
        return Some("is generated from other columns".to_owned());
    }
    match column.collation {
        Collation::Nondeterministic => {
            Some("has a collation in which different texts may be equal".to_owned())
        }
        Collation::Encoded => Some(
            "is of a database whose encoding is not UTF8, so that servers hash other bytes than the router".to_owned(),
        ),
        Collation::None | Collation::Bytes | Collation::Deterministic => None,
    }
}

/// Among the words of a type: it is one of arrays.
pub(super) const ARRAY: &str = "[]";

/// Among the words of a type: the column has no value of its own.
pub(super) const GENERATED: &str = "generated always as";

/// The same by a type as `CREATE TABLE` writes it; `None` also for a type that somebody made.
pub(super) fn unfit_word(words: &[impl AsRef<str>], key_type: KeyType) -> Option<String> {
    let has = |mark: &str| words.iter().any(|word| word.as_ref() == mark);
    if has(ARRAY) {
        return Some("is an array".to_owned());
    }
    if has(GENERATED) {
        return Some("is generated from other columns".to_owned());
    }
    let fits = match key_type {
        KeyType::Bigint => INTEGERS,
        KeyType::Text => TEXTS,
        KeyType::Uuid => UUID,
    };
    let (first, second) = (words.first()?.as_ref(), words.get(1).map(AsRef::as_ref));
    let varying = matches!(first, "character" | "char") && second == Some("varying");
    let fit = fits.contains(&first) || varying && key_type == KeyType::Text;
    let known = varying
        || [INTEGERS, TEXTS, UUID, OTHERS]
            .iter()
            .any(|list| list.contains(&first));
    (!fit && known).then(|| {
        let second = second.filter(|s| matches!(*s, "varying" | "precision"));
        format!(
            "is of type {first}{}{}",
            if second.is_some() { " " } else { "" },
            second.unwrap_or("")
        )
    })
}

/// The refusal of a table whose key's column is unfit.
pub(super) fn refusal(table: &str, column: &str, key_type: KeyType, why: &str) -> Refusal {
    Refusal::new(
        Reason::KeyType,
        format!("Column \"{column}\" of \"{table}\" {why}; its placement has the key type {key_type}."),
    )
    .with_hint(match key_type {
        KeyType::Bigint => "Give the column the type smallint, integer or bigint, or the table a placement of the column's type.",
        KeyType::Text => "Give the column the type text or varchar with a deterministic collation, in a database whose encoding is UTF8, or the table a placement of the column's type.",
        KeyType::Uuid => "Give the column the type uuid, or the table a placement of the column's type.",
    })
}

// Names of PostgreSQL's own types by which columns are declared; any other name is taken for somebody's domain.
const INTEGERS: &[&str] = &[
    "smallint",
    "integer",
    "bigint",
    "int",
    "int2",
    "int4",
    "int8",
    "smallserial",
    "serial",
    "bigserial",
    "serial2",
    "serial4",
    "serial8",
];
const TEXTS: &[&str] = &["text", "varchar"];
const UUID: &[&str] = &["uuid"];
const OTHERS: &[&str] = &[
    "numeric",
    "decimal",
    "real",
    "float",
    "float4",
    "float8",
    "double",
    "char",
    "character",
    "bpchar",
    "name",
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "interval",
    "boolean",
    "bool",
    "bytea",
    "json",
    "jsonb",
    "xml",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "money",
    "bit",
    "varbit",
    "oid",
    "citext",
    "xid",
    "xid8",
    "cid",
    "tid",
    "pg_lsn",
    "tsvector",
    "tsquery",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "int4range",
    "int8range",
    "numrange",
    "tsrange",
    "tstzrange",
    "daterange",
    "int4multirange",
    "int8multirange",
    "nummultirange",
    "tsmultirange",
    "tstzmultirange",
    "datemultirange",
    "regclass",
    "regtype",
    "regproc",
    "regrole",
    "regnamespace",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_beyond_a_limit_are_cut() {
        assert_eq!(beyond(b"abc  ", 3), b"abc");
        assert_eq!(beyond(b"ab   ", 3), b"ab ");
        assert_eq!(beyond(b"abcd", 3), b"abcd");
        assert_eq!(beyond("äöü ".as_bytes(), 3), "äöü".as_bytes());
    }

    #[test]
    fn blanks_of_an_unknown_column_are_not_guessed() {
        assert_eq!(Cut::Unknown.of(b"ab "), None);
        assert_eq!(Cut::Unknown.of(b"ab"), Some(b"ab".as_slice()));
        let text = Outcome::Value(KeyValue::text("ab "));
        assert_eq!(Cut::Unknown.outcome(text), Outcome::Unknown);
    }

    #[test]
    fn types_are_told_by_their_words() {
        for fit in [
            ["text", ""],
            ["varchar", "("],
            ["character", "varying"],
            ["tenant", ""],
        ] {
            assert_eq!(unfit_word(&fit, KeyType::Text), None, "{fit:?}");
        }
        for unfit in [
            ["character", "("],
            ["numeric", ""],
            ["citext", ""],
            ["int4range", ""],
            ["text", ARRAY],
            ["text", GENERATED],
        ] {
            assert!(unfit_word(&unfit, KeyType::Text).is_some(), "{unfit:?}");
        }
    }
}
