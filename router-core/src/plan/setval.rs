//! `SELECT setval('sequence', number)` of a sequence that counts for a sharded table.
//!
//! Each shard counts in a class of numbers of its own (`ddl/sequence`), so each is told to go on with the first of its class
//! that is not below what one server would give next. A sequence whose numbers are parted by ranges goes on where it
//! is, but for the shard in whose range the number falls.

use super::ddl::named;
use super::names::{self, FIRST, Place};
use super::reading::Reading;
use super::set_config::{alone, string};
use super::stage::{Stage, merged};
use super::walk::{self, Met};
use super::words::words;
use super::{Merge, On, Reason, Refusal, Route};
use crate::id::ShardId;
use crate::sql::Statement;
use crate::sql::statement::{Call, Expr, ExprKind, Kind, LiteralKind, SelectItem};
use crate::topology::Home;
use crate::topology::catalog::{Relation, RelationKind};
use crate::topology::predicate::{identifier, string as quoted};

/// The route of a query that calls it; `None` when there is nothing to say of it here.
pub(super) fn plan(reading: &Reading<'_>, statement: &Statement) -> Result<Option<Route>, Refusal> {
    if !matches!(statement.kind, Kind::Query(_)) || !is_named(reading.text) {
        return Ok(None);
    }
    let mut calls = 0;
    let mut refused = None;
    walk::statement(statement, &mut |met| {
        if let Met::Expr(Expr {
            kind: ExprKind::Call(call),
            ..
        }) = met
            && is_setval(call)
        {
            calls += 1;
            // Whose sequence it is the constant says: the next one may be another's.
            reading.exact.set(true);
            let sequence = call.args.first();
            let name = sequence.and_then(|e| string(e, reading.text, reading.options));
            let of_whole = sequence.and_then(|e| of_column(reading, e)).is_some();
            if !of_whole && name.is_none_or(|name| counts_for_shards(reading, &name)) {
                refused.get_or_insert_with(|| {
                    Refusal::new(
                        Reason::Function,
                        "\"setval\" would set the sequence of one shard, and the others go on with numbers of their own.",
                    )
                    .with_hint("Write SELECT setval('sequence', number) with both as constants, and nothing else in the statement.")
                });
            }
        }
    });
    let Some(refusal) = refused else {
        return Ok(None);
    };
    match alone(statement) {
        Some([SelectItem::Expr { expr, alias }]) if calls == 1 => {
            over_shards(reading, expr, alias.as_deref())
                .ok_or(refusal)
                .map(Some)
        }
        _ => Err(refusal),
    }
}

fn is_named(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.windows(6).any(|w| w.eq_ignore_ascii_case(b"setval"))
}

fn is_setval(call: &Call) -> bool {
    let built_in = matches!(call.name.schema.as_deref(), None | Some("pg_catalog"));
    built_in && call.name.name == "setval"
}

/// The shard of the sequence that a call of `nextval` or `setval` names, where that is on one shard as its table is.
pub(super) fn home(reading: &Reading<'_>, call: &Call) -> Option<ShardId> {
    let built_in = matches!(call.name.schema.as_deref(), None | Some("pg_catalog"));
    if !built_in || !matches!(call.name.name.as_str(), "nextval" | "setval") {
        return None;
    }
    // Of which sequence it is the constant says.
    reading.exact.set(true);
    let sequence_of = call.args.first()?;
    if let Some(shard) = of_column(reading, sequence_of) {
        return Some(shard);
    }
    let name = string(sequence_of, reading.text, reading.options)?;
    let relation = sequence(reading, &name)?;
    match names::sequence(reading.topology, relation) {
        Some(Place::Shard(shard)) => Some(shard),
        _ => None,
    }
}

/// The shard of a sequence that is said by its column, `pg_get_serial_sequence('table', 'column')`, where that table is whole there:
/// its sequences are there as well.
fn of_column(reading: &Reading<'_>, said: &Expr) -> Option<ShardId> {
    let ExprKind::Call(call) = &said.kind else {
        return None;
    };
    let built_in = matches!(call.name.schema.as_deref(), None | Some("pg_catalog"));
    if !built_in || call.name.name != "pg_get_serial_sequence" {
        return None;
    }
    let table = string(call.args.first()?, reading.text, reading.options)?;
    let (table, _) = named(&words(&table, reading.options), 0)?;
    names::named(reading.catalog, reading.search_path, &table)?;
    match names::place(
        reading.topology,
        reading.catalog,
        reading.search_path,
        &table,
    ) {
        Ok(Place::Shard(shard)) => Some(shard),
        _ => None,
    }
}

/// A sequence, named as in a string, that the catalog has.
fn sequence<'r>(reading: &Reading<'r>, name: &str) -> Option<&'r Relation> {
    let said = words(name, reading.options);
    let (name, _) = named(&said, 0)?;
    names::schemas(reading.search_path, &name)
        .find_map(|schema| reading.catalog.relation(schema, &name.name).is())
        .filter(|relation| relation.kind == RelationKind::Sequence)
}

/// Whether a sequence, named as in a string, is known to belong to a sharded table, or is not known.
fn counts_for_shards(reading: &Reading<'_>, name: &str) -> bool {
    if named(&words(name, reading.options), 0).is_none() {
        return true;
    }
    // What there is not, PostgreSQL says.
    sequence(reading, name).is_some_and(|relation| {
        relation.uses.relations.iter().any(|table| {
            matches!(
                reading.topology.listed(&table.schema, &table.name),
                Some(Home::Sharded { .. })
            )
        })
    })
}

fn over_shards(reading: &Reading<'_>, item: &Expr, alias: Option<&str>) -> Option<Route> {
    let ExprKind::Call(call) = &item.kind else {
        return None;
    };
    let (sequence, number, called) = match &call.args[..] {
        [sequence, number] => (sequence, number, true),
        [sequence, number, called] => match called.kind {
            ExprKind::Literal(LiteralKind::True) => (sequence, number, true),
            ExprKind::Literal(LiteralKind::False) => (sequence, number, false),
            _ => return None,
        },
        _ => return None,
    };
    if !is_setval(call) || number.kind != ExprKind::Literal(LiteralKind::Integer) {
        return None;
    }
    let name = quoted(&string(sequence, reading.text, reading.options)?);
    let number: i64 = number.span.of(reading.text).parse().ok()?;
    let next = number.checked_add(i64::from(called))?;
    // Beyond the first shard's numbers begin within a step of the sequence, those of a range far beyond.
    let text = format!(
        "SELECT pg_catalog.setval({name}, q.seqstart + q.seqincrement * greatest(0, ({next} - q.seqstart + q.seqincrement - 1) / q.seqincrement), false) \
         FROM pg_catalog.pg_sequence AS q WHERE q.seqrelid = {name}::pg_catalog.regclass AND q.seqstart - {next} < q.seqincrement"
    );
    reading.exact.set(true);
    let mut stage = Stage::default();
    let shards = reading.topology.all_shards();
    stage.run_each(shards.iter().map(|shard| (shard, text.clone())).collect());
    let answer = format!(
        "SELECT {number}::bigint AS {}",
        identifier(alias.unwrap_or("setval"))
    );
    let answer = merged(On::Shard(FIRST), answer, Merge::Concatenate);
    Some(stage.route(None, answer))
}
