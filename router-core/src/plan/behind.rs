//! What happens behind a statement: triggers, checks, policies and rules of its tables, and operators and casts that somebody
//! made.
//!
//! Proof obligation: what they do on one shard is what they would do on one server. Whatever follows from the row alone does.
//! What reads a relation does when every shard has that relation whole, and what writes one only when both are whole on one
//! shard. And the row that is stored has the key by which it was routed.

use super::function::is_pure;
use super::names::{self, FIRST, Place};
use super::reading::Reading;
use super::used::{self, Used};
use super::walk::{self, Met};
use super::{Reason, Refusal, Route};
use crate::sql::Statement;
use crate::sql::statement::{CopyWhat, ExprKind, Kind, Name, Relation};
use crate::topology::catalog::{
    self, Behind, FunctionKind, Known, RelationKind, Unnamed, Volatility,
};
use crate::topology::{Catalog, Home, TableName, Topology};

/// Refuses a statement behind which something may happen that is not of one shard. `merged` is the target of a `MERGE`, which
/// the statement only reads.
pub(super) fn allowed(
    reading: &Reading<'_>,
    statement: &Statement,
    merged: Option<&Relation>,
) -> Result<(), Refusal> {
    if reading.topology.shards.len() == 1 || !reading.catalog.is_known() {
        return Ok(());
    }
    if let Some(refusal) = called_as_field(reading, statement) {
        return Err(refusal);
    }
    let trusted = reading.topology.triggers_per_shard;
    let reach = reading.catalog.reach();
    unnamed(reading, statement, trusted)?;
    for (at, place) in reading.places.iter().enumerate() {
        let secured = reading.relation(at).is_some_and(|r| is_secured(reading, r));
        let table = &reading.facts.relations[at].name.name;
        if secured
            && !trusted
            && let Some(why) = reach
                .read(table)
                .and_then(|b| strays(reading.topology, reading.catalog, *place, b))
        {
            return Err(refusal(format!(
                "A policy of \"{}\" {why}.",
                reading.named(at)
            )));
        }
    }
    for relation in changed(statement).into_iter().chain(merged) {
        let Some(at) = reading.of(relation) else {
            continue;
        };
        let (place, name) = (reading.places[at], reading.named(at));
        let Some(table) = reading.relation(at) else {
            continue;
        };
        // Behind a view are its table's triggers, too.
        let is_view = table.kind == RelationKind::View;
        let bare = table.beside == Default::default() && !is_view;
        if matches!(place, Place::Shard(_) | Place::Catalog) && bare {
            continue;
        }
        if table.beside.rules && !trusted && !matches!(place, Place::Shard(_)) {
            return Err(refusal(format!(
                "A rule of \"{name}\" turns its changes into other ones."
            )));
        }
        if let Place::Sharded { key, .. } = place
            && !matches!(statement.kind, Kind::Delete(_))
            && changes_key(reading, table, key)
        {
            return Err(refusal(format!(
                "A trigger of \"{name}\" may change the sharding key of a row that has been routed by it."
            ))
            .with_hint("Let the trigger assign single columns of NEW other than the sharding key, and give back NEW."));
        }
        if let Some((child, column)) = cascades_into_key(reading, at, statement, merged.is_some()) {
            return Err(refusal(format!(
                "A foreign key of \"{child}\" would change \"{column}\", which is of its sharding key, with \"{name}\"."
            ))
            .with_hint("Let the foreign key have no action of ON UPDATE or ON DELETE that changes the sharding key, and change the rows of both tables by statements of their own."));
        }
        let Some(behind) = reach.written(&relation.name.name) else {
            continue;
        };
        if trusted {
            continue;
        }
        if let Some(why) = strays(reading.topology, reading.catalog, place, behind) {
            return Err(refusal(format!(
                "A trigger, check or default of \"{name}\" {why}."
            )));
        }
        if place != Place::Reference {
            continue;
        }
        let call = behind.calls.iter().find(|name| varies(reading, name));
        if call.is_some() || behind.varies {
            let call = call.map_or("a function in C".to_owned(), |name| format!("\"{name}\""));
            return Err(refusal(format!(
                "A trigger, check or default of \"{name}\" calls {call}, which may give each copy another value."
            )));
        }
    }
    Ok(())
}

/// Whether reading a relation asks policies: its own, or those of the tables that a view reads.
fn is_secured(reading: &Reading<'_>, relation: &catalog::Relation) -> bool {
    let read = match relation.kind {
        RelationKind::View => &relation.uses.relations[..],
        _ => &[],
    };
    let mut read = read
        .iter()
        .filter_map(|used| reading.catalog.relation(&used.schema, &used.name).is());
    relation.beside.row_security || read.any(|r| r.beside.row_security)
}

/// Refuses a statement that may use what somebody made without naming it, and that is not of one shard or is not what it looks like.
fn unnamed(reading: &Reading<'_>, statement: &Statement, trusted: bool) -> Result<(), Refusal> {
    let reach = reading.catalog.reach();
    if reading.sharded().next().is_some() {
        let named = reading.search_path.iter().any(|s| s == "pg_catalog");
        if named && let Some(refusal) = Used::new(reading, statement).hides() {
            return Err(refusal);
        }
        if let Some(refusal) = used::ties_otherwise(reading) {
            return Err(refusal);
        }
    }
    let mut unnamed = reach.unnamed().peekable();
    if trusted || unnamed.peek().is_none() {
        return Ok(());
    }
    let used = Used::new(reading, statement);
    for (what, behind) in unnamed {
        if let Some(why) = strays(reading.topology, reading.catalog, Place::Reference, behind)
            && used.may_use(what)
        {
            let what = match what {
                Unnamed::Operator(symbol) => format!("operator {symbol}"),
                Unnamed::Cast { from, to, .. } => format!("cast from {from} to {to}"),
                Unnamed::Type(name) => format!("type \"{name}\" or an operator class of it"),
            };
            return Err(refusal(format!(
                "The {what}, which the statement may use, {why}."
            )));
        }
    }
    Ok(())
}

/// A function that may read tables, called as if it were a column of a row: `u.orders` is `orders(u)` where `u` has no such column.
fn called_as_field(reading: &Reading<'_>, statement: &Statement) -> Option<Refusal> {
    let mut found = None;
    walk::statement(statement, &mut |met| {
        let Met::Expr(e) = met else { return };
        let name = match &e.kind {
            ExprKind::Column { qualifier, name } => match qualifier.last() {
                Some(alias) if may_be_column(reading, alias, name) => return,
                Some(_) => name,
                None => return,
            },
            ExprKind::Field { name, .. } => name,
            _ => return,
        };
        let mut schemas = reading.search_path.iter();
        let reads = schemas.any(|schema| {
            matches!(reading.catalog.function(schema, name), Known::Is(f)
                if f.kind == FunctionKind::Function && f.volatility != Volatility::Immutable)
        });
        if reads {
            found.get_or_insert_with(|| {
                Refusal::new(
                    Reason::Function,
                    format!("\"{name}\", called as a field, is not known to look at its arguments only; it could read rows of other shards."),
                )
            });
        }
    });
    found
}

/// Whether a name may be a column of what bears the alias: unless that is a table that is known not to have it.
fn may_be_column(reading: &Reading<'_>, alias: &str, name: &str) -> bool {
    let mut uses =
        (0..reading.places.len()).filter(|&at| reading.facts.relations[at].alias == alias);
    let known = |at| {
        reading
            .relation(at)
            .is_some_and(|r| r.column(name).is_none())
    };
    let mut any = false;
    let all_lack = uses.all(|at| {
        any = true;
        known(at) && !reading.facts.relations[at].opaque
    });
    !(any && all_lack)
}

/// Whether a trigger of a table, or of one above or below it, may give a row another key.
fn changes_key(reading: &Reading<'_>, table: &catalog::Relation, key: &[String]) -> bool {
    let kin = table.uses.relations.iter();
    let kin = kin.filter_map(|name| reading.catalog.relation(&name.schema, &name.name).is());
    std::iter::once(table)
        .chain(kin)
        .flat_map(|table| &table.row_triggers)
        .filter_map(|function| reading.catalog.reach().new_row(function))
        .any(|row| row.replaced || key.iter().any(|k| row.assigned.contains(k.as_str())))
}

/// A table and a column of its sharding key that a foreign key's action assigns when the statement changes the table at `at`.
/// Changes of keys of tables that are spread are looked at where rows move.
fn cascades_into_key<'r>(
    reading: &'r Reading<'_>,
    at: usize,
    statement: &Statement,
    merges: bool,
) -> Option<(&'r TableName, &'r str)> {
    let changed = reading.relation(at)?;
    let is_view = changed.kind == RelationKind::View;
    if reading.places[at] != Place::Reference || !(is_view || changed.beside.referenced) {
        return None;
    }
    let (schema, name) = (reading.schema(at)?, &reading.facts.relations[at].name.name);
    // A view's columns may have other names.
    let may_be = |from: &TableName| match is_view {
        true => changed.uses.relations.contains(from),
        false => from.schema == schema && from.name == *name,
    };
    let deletes = matches!(statement.kind, Kind::Delete(_));
    reading.catalog.relations().find_map(|(child, relation)| {
        let Some(Home::Sharded { key, .. }) = reading.topology.listed(&child.schema, &child.name)
        else {
            return None;
        };
        let mut cascades = relation.cascades.iter();
        let cascade = cascades.find(|c| {
            may_be(&c.from)
                && key.contains(&c.column)
                && (merges
                    || is_view
                    || c.on_delete && deletes
                    || c.on_update && !deletes && assigns(statement, &c.referred))
        })?;
        Some((child, cascade.column.as_str()))
    })
}

/// Whether a statement may give a column of a row that is there another value.
fn assigns(statement: &Statement, column: &str) -> bool {
    let mut found = false;
    walk::statement(statement, &mut |met| {
        let Met::Change(s) = met else { return };
        let list = match &s.kind {
            Kind::Update(u) => &u.assignments[..],
            Kind::Insert(i) => i
                .on_conflict
                .as_ref()
                .and_then(|c| c.update.as_deref())
                .unwrap_or_default(),
            _ => &[],
        };
        found |= list.iter().any(|a| a.columns.iter().any(|c| c == column));
    });
    found
}

/// Refuses a change that several shards would make where a trigger is to fire once.
pub(super) fn fires_once(
    reading: &Reading<'_>,
    statement: &Statement,
    merged: Option<&Relation>,
    route: &Route,
) -> Result<(), Refusal> {
    if reading.topology.triggers_per_shard || matches!(route, Route::Single(_) | Route::Refused(_))
    {
        return Ok(());
    }
    for relation in changed(statement).into_iter().chain(merged) {
        if let Some(at) = reading.of(relation)
            && matches!(reading.places[at], Place::Sharded { .. })
            && reading
                .table(at)
                .is_some_and(|t| t.beside.statement_triggers)
        {
            return Err(refusal(format!(
                "A trigger of \"{}\" fires once for a statement, and would fire on each shard.",
                reading.named(at)
            )));
        }
    }
    Ok(())
}

fn refusal(detail: String) -> Refusal {
    Refusal::new(Reason::Behind, detail)
}

/// The relations whose rows a statement changes.
pub(super) fn changed(statement: &Statement) -> Vec<&Relation> {
    let mut found = Vec::new();
    if let Kind::Copy(c) = &statement.kind
        && let (true, CopyWhat::Table { relation, .. }) = (c.from, &c.what)
    {
        found.push(relation);
    }
    walk::statement(statement, &mut |met| {
        if let Met::Change(s) = met {
            match &s.kind {
                Kind::Insert(i) => found.push(&i.target),
                Kind::Update(u) => found.push(&u.target),
                Kind::Delete(d) => found.push(&d.target),
                _ => {}
            }
        }
    });
    found
}

/// Why what lies behind a table of this place is not of one shard; `None` when it is.
pub(super) fn strays(
    topology: &Topology,
    catalog: &Catalog,
    place: Place<'_>,
    behind: &Behind,
) -> Option<String> {
    if let Some(function) = &behind.opaque {
        return Some(format!(
            "calls \"{function}\", of which it cannot be told what it reads or writes"
        ));
    }
    // What the client does of the kind itself, it does on the first shard.
    if place != Place::Shard(FIRST)
        && let Some(call) = behind.calls.iter().find(|name| meets_sessions(name))
    {
        return Some(format!(
            "calls \"{call}\", which reaches only the sessions of the row's own shard"
        ));
    }
    let elsewhere = behind
        .relations
        .iter()
        .find(|name| !is_at(topology, catalog, place, name, behind.writes, 0))?;
    let verb = match behind.writes {
        true => "reads or writes",
        false => "reads",
    };
    Some(format!(
        "{verb} \"{elsewhere}\", of which the row's shard may not have what one server would have"
    ))
}

/// Whether a function is for other sessions of the same server: they are told something, or kept waiting.
fn meets_sessions(name: &str) -> bool {
    name == "pg_notify" || name.starts_with("pg_advisory_") || name.starts_with("pg_try_advisory_")
}

/// Whether every relation of that name is whole where the row is.
fn is_at(
    topology: &Topology,
    catalog: &Catalog,
    place: Place<'_>,
    name: &str,
    written: bool,
    depth: usize,
) -> bool {
    let mut named = catalog.relations().filter(|(n, _)| n.name == name);
    named.all(|(full, relation)| match relation.kind {
        RelationKind::Sequence | RelationKind::Index => true,
        // Views of views do not go deep; the bound is for a catalog that says nonsense.
        RelationKind::View => {
            depth < 20
                && relation
                    .uses
                    .relations
                    .iter()
                    .all(|used| is_at(topology, catalog, place, &used.name, written, depth + 1))
        }
        _ => is_whole_at(topology, catalog, place, full, written),
    })
}

/// Whether a table is whole at a place, by where it is listed, or what it is a partition of; or every shard has a copy of it, and it
/// is not written to. Catalogs are the first shard's.
pub(super) fn is_whole_at(
    topology: &Topology,
    catalog: &Catalog,
    place: Place<'_>,
    table: &TableName,
    written: bool,
) -> bool {
    let name = Name {
        schema: Some(table.schema.clone()),
        name: table.name.clone(),
    };
    match (place, names::place(topology, catalog, &[], &name)) {
        (_, Ok(Place::Reference)) => !written,
        (Place::Shard(here), Ok(Place::Shard(there))) => here == there,
        (Place::Shard(here), Ok(Place::Catalog)) => here == FIRST,
        _ => false,
    }
}

/// Whether a word in front of a parenthesis is a function of PostgreSQL that may have another value on each server.
fn varies(reading: &Reading<'_>, name: &str) -> bool {
    name.starts_with("current_")
        || name.starts_with("local")
        || matches!(reading.catalog.function("pg_catalog", name), Known::Is(_)) && !is_pure(name)
}
