//! What the functions that somebody made do, each by itself: by the words of their bodies.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::Volatility;
use super::super::residue::body::{self, Body};
use super::super::residue::foreign;
use super::super::residue::new_row::{self, Assigned};
use super::{Behind, NewRow};
use crate::sql::effect::SessionEffect;
use crate::value::moment::TYPES;

/// One function, all overloads together.
#[derive(Default)]
pub(super) struct Function {
    pub(super) behind: Behind,
    pub(super) calls: HashSet<Box<str>>,
    /// What may be calls written as fields.
    pub(super) fields: HashSet<Box<str>>,
    pub(super) symbols: HashSet<Box<str>>,
    /// Whether it has a body in SQL or PL/pgSQL, which may use any cast and type.
    pub(super) body: bool,
}

/// The functions that are not declared `IMMUTABLE`, by their bodies.
pub(super) fn functions(
    bodies: &[Vec<String>],
    is_relation: &dyn Fn(&str) -> bool,
    is_schema: &dyn Fn(&str) -> bool,
    new_rows: &mut BTreeMap<Box<str>, NewRow>,
) -> HashMap<Box<str>, Function> {
    let mut functions: HashMap<Box<str>, Function> = HashMap::new();
    for row in bodies {
        let [name, language, volatility, text, trigger] = super::super::read::fields(row);
        let volatility = match volatility {
            "i" => continue,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        };
        if language == "builtin" {
            continue;
        }
        let function = functions.entry(name.into()).or_default();
        let behind = &mut function.behind;
        match language {
            "internal" => {
                behind.beyond = Some(name.into());
                behind.unseen = Some(name.into());
            }
            // What extensions bring for triggers touches the row alone, but for one that is told which column.
            "c" if foreign(name, volatility).is_empty() => {
                if !is_of_its_arguments(name) {
                    behind.beyond = Some(name.into());
                    behind.unseen = Some(name.into());
                }
                behind.varies |= volatility == Volatility::Volatile;
            }
            "sql" | "plpgsql" if !text.is_empty() => {
                let body = body::scan(text);
                if body.effect.contains(SessionEffect::UNKNOWN) {
                    behind.opaque = Some(name.into());
                }
                let makes_table = language == "sql" && body.into;
                if !body.effect.is_empty() || body.meets_session() || makes_table {
                    behind.beyond = Some(name.into());
                }
                if body.does_more() || makes_table {
                    behind.unseen = Some(name.into());
                }
                behind.writes |= body.writes;
                let named = body.names.iter().filter(|name| is_relation(name));
                behind.relations.extend(named.cloned());
                let schemas = body.names.iter().filter(|name| is_schema(name));
                behind.schemas.extend(schemas.cloned());
                behind.calls.extend(body.calls.iter().cloned());
                behind
                    .calls
                    .extend(body.names.iter().filter(|n| is_clock(n)).cloned());
                if body.moment || reads_documents(&body) {
                    behind.calls.insert("now".into());
                }
                function.calls.extend(body.calls);
                function.fields.extend(body.fields);
                function.symbols.extend(body.symbols);
                function.body = true;
                if trigger == "t" {
                    let new_row = new_rows.entry(name.into()).or_default();
                    match new_row::assigned(text) {
                        Assigned::Columns(columns) => new_row.assigned.extend(columns),
                        Assigned::Row => new_row.replaced = true,
                    }
                }
            }
            _ => {
                behind.opaque = Some(name.into());
                behind.beyond = Some(name.into());
                new_rows.entry(name.into()).or_default().replaced |= trigger == "t";
            }
        }
    }
    functions
}

/// Functions in C of PostgreSQL's own extensions that look at nothing but their arguments, settings that all shards have and chance, though
/// they are not declared `IMMUTABLE` (unaccent, uuid-ossp, pgcrypto).
fn is_of_its_arguments(name: &str) -> bool {
    name == "unaccent"
        || name.starts_with("uuid_generate_")
        || name.starts_with("pgp_")
        || matches!(name, "gen_random_bytes" | "gen_random_uuid" | "gen_salt")
}

/// Whether texts of a document, which may say 'now', may be read as times: those of a type, or of columns that the body lists.
fn reads_documents(body: &Body) -> bool {
    let of_time = TYPES.iter().any(|name| body.names.contains(*name));
    body.calls.iter().any(|call| {
        call.ends_with("_populate_record")
            || call.ends_with("_populate_recordset")
            || of_time && (call.ends_with("_to_record") || call.ends_with("_to_recordset"))
    })
}

/// Words that give the time without being called.
fn is_clock(word: &str) -> bool {
    matches!(
        word,
        "current_timestamp" | "current_time" | "current_date" | "localtimestamp" | "localtime"
    )
}
