//! Sequences that never hand out the same number on two shards.
//!
//! The sequence of a `serial` or identity column counts in steps of as many as there are shards, each shard from a number
//! of its own: with three shards 1, 4, 7, … and 2, 5, 8, … and 3, 6, 9, …. A sequence of its own (`CREATE SEQUENCE`) has a
//! part of its range on each shard, the first part on the first shard, where `nextval` is answered: so that gives the
//! numbers that one server would give. One that belongs to a column of a table that is whole on one shard is there, and
//! nowhere else: it goes with its table.

use super::super::names::{self, FIRST};
use super::super::stage::{Stage, raise_when};
use super::super::{Answer, Merge, Reason, Refusal, Route, Target};
use super::{Around, Where, all_shards, everywhere, home, known};
use crate::id::ShardId;
use crate::sql::statement::{Name, Relation};
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

/// `ALTER SEQUENCE … OWNED BY`; without an owner for `NONE`.
pub(super) fn owned(
    around: &Around<'_>,
    sequence: &Relation,
    owner: Option<&Name>,
    exact: &mut bool,
) -> Result<Route, Refusal> {
    // One of its own, and one that is made but not known yet, is on all shards.
    let alone = known(around, &sequence.name).is_none_or(|r| r.uses.relations.is_empty());
    let here = match alone {
        true => Where::All,
        false => home(around, &sequence.name)?,
    };
    let there = owner.map(|owner| home(around, owner)).transpose()?;
    match (here, there) {
        (Where::All, None | Some(Where::All)) => everywhere(Merge::Copies),
        (Where::One(a), Some(Where::One(b))) if a == b => Ok(Route::Single(Target::Shard(a))),
        (Where::All, Some(Where::One(shard))) if alone => {
            *exact = true;
            Ok(only_on(around, sequence.span.of(around.text), shard))
        }
        (Where::One(_), None) => Err(all_shards(format!(
            "\"{}\" is on one shard, as its table is; one of its own would be on every shard.",
            names::display(&sequence.name)
        ))
        .with_hint("Make another sequence with CREATE SEQUENCE.")),
        _ => Err(Refusal::new(
            Reason::MixedHomes,
            format!(
                "\"{}\" is on other shards than the table that it would belong to.",
                names::display(&sequence.name)
            ),
        )
        .with_hint("Drop the sequence, and make it anew with CREATE SEQUENCE … OWNED BY.")),
    }
}

/// Gives a sequence of its own to a column of a table of one shard: the others' copies go, and its part of the range becomes
/// the whole again, which one server would go on with. On the first shard it goes on where it is, on another one from its
/// start, so no number may have been given by the first.
///
/// What was not parted by [`alone`], but made on each shard by hand, keeps its range.
fn only_on(around: &Around<'_>, name: &str, shard: ShardId) -> Route {
    let name = string(name);
    let shards: Vec<_> = around.topology.all_shards().iter().collect();
    let anew = "Drop the sequence, and make it anew with CREATE SEQUENCE … OWNED BY, and START WITH the next number.";
    let begun = all_shards(format!(
        "The sequence has given numbers, and would go on anew on shard \"{}\".",
        around.topology.shard(shard).name
    ))
    .with_hint(anew);
    let begun = raise_when("used", &begun);
    let needed = all_shards(
        "The sequence is used by what lives on other shards than the table that it would belong to.".into(),
    )
    .with_hint("Give that its own sequence.");
    let needed = raise_when("true", &needed);
    let texts = shards.iter().enumerate().map(|(n, &each)| {
        let body = if each == shard {
            let restart = if n == 0 { "" } else { " RESTART" };
            let count = shards.len();
            format!(
                "q pg_catalog.pg_sequence; part numeric; low numeric; top numeric; BEGIN EXECUTE {}; \
                 SELECT * INTO q FROM pg_catalog.pg_sequence WHERE seqrelid = pg_catalog.to_regclass({name}); \
                 part := q.seqmax::numeric - q.seqstart + 1; low := q.seqstart - part * {n}; \
                 top := CASE q.seqtypid WHEN 21 THEN 32767 WHEN 23 THEN 2147483647 ELSE 9223372036854775807 END; \
                 IF low >= q.seqmin AND low + part * {count} - 1 <= top THEN \
                 IF part <> pg_catalog.div(top - low + 1, {count}) THEN top := low + part * {count} - 1; END IF; \
                 EXECUTE pg_catalog.format('ALTER SEQUENCE %s START WITH %s MAXVALUE %s{restart}', {name}, low, top); END IF; ",
                string(around.text),
            )
        } else {
            let unused = match each {
                FIRST => format!(
                    "EXECUTE pg_catalog.format('SELECT s.is_called OR s.last_value <> q.seqstart FROM %s s, pg_catalog.pg_sequence q WHERE q.seqrelid = %L::pg_catalog.regclass', {name}, {name}) INTO STRICT used; {begun}"
                ),
                _ => String::new(),
            };
            format!(
                "used boolean; BEGIN IF pg_catalog.to_regclass({name}) IS NULL THEN RETURN; END IF; {unused}\
                 EXECUTE pg_catalog.format('DROP SEQUENCE %s', {name}); \
                 EXCEPTION WHEN dependent_objects_still_exist THEN {needed}"
            )
        };
        (each, block(&body))
    });
    route(texts.collect(), "ALTER SEQUENCE")
}

fn block(body: &str) -> String {
    format!("DO $shunt_sequence$DECLARE {body}END$shunt_sequence$")
}

fn route(texts: Vec<(ShardId, String)>, tag: &str) -> Route {
    let mut stage = Stage::default();
    stage.run_each(texts);
    stage.route(None, Answer::Tag(tag.to_owned()))
}
