//! Where a function that somebody made can be called, by what its body touches.
//!
//! Proof obligation: on that shard it finds what it would find on one server. Tables that every shard has whole are there on
//! each; those of one shard are on that one, and what else is asked of a server (sequences, locks, channels) is on the first.

use super::behind::is_whole_at;
use super::function::{self, Nature};
use super::names::{self, FIRST, Place};
use super::reading::Reading;
use crate::id::ShardId;
use crate::sql::statement::Call;
use crate::topology::TableName;
use crate::topology::catalog::{Behind, FunctionKind, Known, Relation, RelationKind};

/// Where such a call is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Called {
    /// On any shard: it reads tables that each has whole.
    Anywhere,
    /// On this one.
    On(ShardId),
}

/// Where a call is right that looks at more than its arguments; `None` where that cannot be told, or is nowhere.
pub(super) fn home(reading: &Reading<'_>, call: &Call) -> Option<Called> {
    let name = &call.name.name;
    let schemas = match &call.name.schema {
        Some(schema) => std::slice::from_ref(schema),
        None => reading.search_path,
    };
    let mut found = schemas
        .iter()
        .filter_map(|s| reading.catalog.function(s, name).is());
    if found.next()?.kind != FunctionKind::Function || is_builtin(reading, name) {
        return None;
    }
    let behind = reading.catalog.reach().called(name)?;
    if behind.opaque.is_some() || behind.beyond.is_some() || behind.relations.is_empty() {
        return None;
    }
    if !behind.writes && all_at(reading, Place::Reference, behind) && calls(reading, behind, None) {
        return Some(Called::Anywhere);
    }
    shards(reading)
        .find(|shard| {
            all_at(reading, Place::Shard(*shard), behind) && calls(reading, behind, Some(*shard))
        })
        .map(Called::On)
}

/// Why a function that somebody made cannot be called where the statement is, as the rest of a sentence that begins with its name.
pub(super) fn why(reading: &Reading<'_>, call: &Call) -> String {
    let unknown =
        || "is not known to look at its arguments only; it could read rows of other shards".into();
    let Some(behind) = reading.catalog.reach().called(&call.name.name) else {
        return unknown();
    };
    if let Some(function) = &behind.opaque {
        return format!(
            "runs what \"{function}\" does not say in its body, which could read rows of other shards"
        );
    }
    if let Some(function) = &behind.beyond {
        return format!(
            "has to do with more than rows (\"{function}\"): with its session, or with the server that it runs on"
        );
    }
    let all = |place| all_at(reading, place, behind);
    let names: Vec<String> = behind
        .relations
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect();
    match (behind.writes, &names[..]) {
        (_, []) => unknown(),
        (false, _) if all(Place::Reference) => format!(
            "reads {}, and what it calls differs from server to server",
            names.join(", ")
        ),
        (false, _) => format!(
            "reads {}, and not all of it is on one shard with what the statement reads",
            names.join(", ")
        ),
        (true, _) => format!(
            "reads or writes {}, and not all of it is on one shard with what the statement reads",
            names.join(", ")
        ),
    }
}

fn shards(reading: &Reading<'_>) -> impl Iterator<Item = ShardId> {
    (0..reading.topology.shards.len() as u16).map(ShardId)
}

/// Whether all that its body, and what lies behind that, may mean is whole at this place.
fn all_at(reading: &Reading<'_>, place: Place<'_>, behind: &Behind) -> bool {
    let path = reading.search_path;
    let anybody = path.iter().any(|schema| schema == names::USER);
    // What a body names without its schema is found along the client's search path.
    let may_mean = |table: &TableName| {
        anybody
            || table.schema == names::TEMPORARY
            || path.contains(&table.schema)
            || behind.schemas.contains(table.schema.as_str())
            || behind.reached.contains(table.name.as_str())
    };
    let mut touched = reading
        .catalog
        .relations()
        .filter(|(table, _)| behind.relations.contains(table.name.as_str()) && may_mean(table));
    touched.all(|(table, relation)| is_at(reading, place, table, relation, behind.writes, 0))
}

fn is_at(
    reading: &Reading<'_>,
    place: Place<'_>,
    table: &TableName,
    relation: &Relation,
    written: bool,
    depth: usize,
) -> bool {
    match relation.kind {
        RelationKind::Index => true,
        RelationKind::Sequence => place == Place::Shard(FIRST),
        // Views of views do not go deep; the bound is for a catalog that says nonsense.
        RelationKind::View => {
            let mut used = relation.uses.relations.iter();
            depth < 20
                && used.all(|table| {
                    let relation = reading.catalog.relation(&table.schema, &table.name).is();
                    relation.is_some_and(|r| is_at(reading, place, table, r, written, depth + 1))
                })
        }
        _ => is_whole_at(reading.topology, reading.catalog, place, table, written),
    }
}

/// Whether what it calls of PostgreSQL's is alike on this shard, or on all.
fn calls(reading: &Reading<'_>, behind: &Behind, shard: Option<ShardId>) -> bool {
    behind
        .calls
        .iter()
        .all(|call| match function::builtin(call) {
            Some(Nature::Pure) => true,
            Some(Nature::Clock | Nature::PerRow) => shard.is_some(),
            Some(Nature::Server) => shard == Some(FIRST),
            Some(Nature::History | Nature::Opaque) => false,
            None => !is_builtin(reading, call),
        })
}

fn is_builtin(reading: &Reading<'_>, name: &str) -> bool {
    reading.catalog.function("pg_catalog", name) != Known::Absent
}
