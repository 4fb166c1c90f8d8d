//! Pieces of SQL, for the predicates of placements above all.

use std::fmt::Write;

use crate::value::{KeyType, KeyValue};

/// An identifier in quotes.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A string constant, whatever `standard_conforming_strings` is.
pub fn string(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// A key as a constant.
pub fn constant(value: &KeyValue<'_>) -> String {
    match value {
        KeyValue::Bigint(v) => v.to_string(),
        KeyValue::Text(v) => string(v),
        KeyValue::Uuid(_) => format!("'{value}'::uuid"),
    }
}

/// A key as an element of an array's text.
pub fn element(value: &KeyValue<'_>) -> String {
    match value {
        KeyValue::Bigint(_) | KeyValue::Uuid(_) => value.to_string(),
        KeyValue::Text(v) => format!("\"{}\"", v.replace('\\', "\\\\").replace('"', "\\\"")),
    }
}

/// The hash of a key, chained over its quoted columns as in [`crate::value::hash::key`].
pub fn hash(columns: &[String], types: &[KeyType]) -> String {
    let mut sql = String::from("0");
    for (column, key_type) in columns.iter().zip(types) {
        let function = match key_type {
            KeyType::Bigint => "hashint8extended",
            KeyType::Text => "hashtextextended",
            KeyType::Uuid => "uuid_hash_extended",
        };
        sql = format!("{function}({column}, {sql})");
    }
    sql
}

/// `{1,2,3}`: the text of an array.
pub fn array<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut sql = String::from("{");
    for (i, v) in values.into_iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        write!(sql, "{comma}{v}").expect("a string takes everything");
    }
    sql.push('}');
    sql
}

/// Conditions of which one has to hold; none at all is false.
pub fn any_of(mut conditions: Vec<String>) -> String {
    match conditions.len() {
        0 => "false".to_owned(),
        1 => conditions.remove(0),
        _ => conditions
            .iter()
            .map(|c| format!("({c})"))
            .collect::<Vec<_>>()
            .join(" OR "),
    }
}

/// A `DO` of these statements.
pub fn block(body: &str) -> String {
    // Names and texts in it may be anybody's.
    let mut tag = "$shunt_check$".to_owned();
    while body.contains(&tag) {
        tag.insert(tag.len() - 1, '_');
    }
    format!("DO {tag}BEGIN {body}END{tag}")
}
