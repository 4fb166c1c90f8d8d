//! Names of types, as router-core prints them.

use pg_query::protobuf::TypeName;

use crate::statement::{Read, strings};

/// The spellings of the SQL standard, by the name in `pg_type`.
const STANDARD: &[(&str, &str)] = &[
    ("bool", "boolean"),
    ("char", "\"char\""),
    ("float4", "real"),
    ("float8", "double precision"),
    ("int2", "smallint"),
    ("int4", "integer"),
    ("int8", "bigint"),
    ("time", "time without time zone"),
    ("timestamp", "timestamp without time zone"),
    ("timestamptz", "timestamp with time zone"),
    ("timetz", "time with time zone"),
    ("varbit", "bit varying"),
    ("varchar", "character varying"),
];

/// A type with `(…)` behind it when it has modifiers.
pub(crate) fn print(of: &TypeName) -> Read<String> {
    if of.setof || of.pct_type {
        return Err("SETOF or %TYPE".to_owned());
    }
    let names = strings(&of.names)?;
    let modifiers = !of.typmods.is_empty();
    let mut name = match names.as_slice() {
        [schema, name] if schema == "pg_catalog" => {
            if name == "bpchar" && modifiers {
                "character".to_owned()
            } else {
                standard(name).unwrap_or(name).to_owned()
            }
        }
        [name] => match standard(name) {
            Some(name) => name.to_owned(),
            // A type of the user's that has the name of a standard spelling.
            None if STANDARD.iter().any(|(_, known)| known == name) => format!("{name:?}"),
            None => name.clone(),
        },
        [schema, name] => format!("{schema}.{name}"),
        _ => return Err("a type's name of many parts".to_owned()),
    };
    if !of.array_bounds.is_empty() {
        name.push_str("[]");
    }
    if modifiers {
        name.push_str("(…)");
    }
    Ok(name)
}

fn standard(name: &str) -> Option<&'static str> {
    let found = STANDARD.iter().find(|(internal, _)| *internal == name);
    found.map(|(_, standard)| *standard)
}
