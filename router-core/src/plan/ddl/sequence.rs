//! Sequences that never hand out the same number on two shards.
//!
//! The sequence of a `serial` or identity column counts in steps of as many as there are shards, each shard from a number
//! of its own: with three shards 1, 4, 7, … and 2, 5, 8, … and 3, 6, 9, …. A sequence of its own (`CREATE SEQUENCE`) has a
//! part of its range on each shard, the first part on the first shard, where `nextval` is answered: so that gives the
//! numbers that one server would give.

use super::super::stage::Stage;
use super::super::{Answer, Reason, Refusal, Route};
use super::Around;
use crate::topology::predicate::string;

/// Makes a table, or adds columns to it, and sets up the sequences of its new columns.
///
/// `columns`: each with whether it is there already, with numbers that stay.
pub(super) fn of_columns(
    around: &Around<'_>,
    table: &str,
    columns: &[(&str, bool)],
    tag: &str,
) -> Route {
    let shards: Vec<_> = around.topology.all_shards().iter().collect();
    let numbered = Refusal::new(
        Reason::AllShardsSchema,
        "The rows that are there would get the same numbers on several shards.",
    )
    .with_hint("Add the column without serial or identity, and give each row its number.");
    let texts = shards
        .iter()
        .enumerate()
        .map(|(n, &shard)| {
            let mut body = format!(
                "was boolean := EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = pg_catalog.to_regclass({}) AND attname = {} AND NOT attisdropped); s text; step bigint; low bigint; BEGIN EXECUTE {}; IF was THEN RETURN; END IF; IF {} AND EXISTS (SELECT FROM {table}) THEN RAISE EXCEPTION USING ERRCODE = '{}', MESSAGE = {}, DETAIL = {}, HINT = {}; END IF; ",
                string(table),
                string(columns.iter().find(|(_, old)| !old).map_or("", |(column, _)| column)),
                string(around.text),
                columns.iter().any(|(_, old)| !old),
                numbered.sqlstate,
                string(&numbered.message),
                string(&numbered.detail),
                string(&numbered.hint),
            );
            for (column, _) in columns {
                body.push_str(&format!(
                    "s := pg_catalog.pg_get_serial_sequence({}, {}); SELECT seqincrement, seqstart INTO STRICT step, low FROM pg_catalog.pg_sequence WHERE seqrelid = s::pg_catalog.regclass; EXECUTE pg_catalog.format('ALTER SEQUENCE %s INCREMENT BY %s START WITH %s RESTART', s, step * {}, low + step * {n}); ",
                    string(table),
                    string(column),
                    shards.len(),
                ));
            }
            (shard, block(&body))
        })
        .collect();
    route(texts, tag)
}

/// Makes a sequence.
pub(super) fn alone(around: &Around<'_>, name: &str) -> Route {
    let shards: Vec<_> = around.topology.all_shards().iter().collect();
    let texts = shards
        .iter()
        .enumerate()
        .map(|(n, &shard)| {
            let name = string(name);
            let body = format!(
                "was boolean := pg_catalog.to_regclass({name}) IS NOT NULL; q pg_catalog.pg_sequence; low numeric; part numeric; BEGIN EXECUTE {}; IF was THEN RETURN; END IF; \
                 SELECT * INTO STRICT q FROM pg_catalog.pg_sequence WHERE seqrelid = pg_catalog.to_regclass({name}); \
                 IF q.seqincrement < 0 OR q.seqcycle THEN RAISE EXCEPTION USING ERRCODE = 'SH015', MESSAGE = 'schema change of all shards is not carried out', DETAIL = 'A sequence that counts down or starts anew cannot be parted among shards.', HINT = 'Make an ascending sequence without CYCLE.'; END IF; \
                 part := pg_catalog.div(q.seqmax::numeric - q.seqstart + 1, {}); low := q.seqstart + part * {n}; \
                 EXECUTE pg_catalog.format('ALTER SEQUENCE %s START WITH %s RESTART MAXVALUE %s', {name}, low, low + part - 1); ",
                string(around.text),
                shards.len(),
            );
            (shard, block(&body))
        })
        .collect();
    route(texts, "CREATE SEQUENCE")
}

fn block(body: &str) -> String {
    format!("DO $shunt_sequence$DECLARE {body}END$shunt_sequence$")
}

fn route(texts: Vec<(crate::id::ShardId, String)>, tag: &str) -> Route {
    let mut stage = Stage::default();
    stage.run_each(texts);
    stage.route(None, Answer::Tag(tag.to_owned()))
}
