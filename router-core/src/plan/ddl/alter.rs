//! `ALTER TABLE`, and what keeps listed tables their names.

use super::super::names::{self, Place};
use super::super::words::Word;
use super::super::{Merge, Reason, Refusal, Route, function};
use super::place::place_is_listed;
use super::{Around, all_shards, alone, everywhere, of_names, of_names_but, table, with_sequences};
use crate::sql::statement::{Name, Utility};
use crate::value::moment::is_moment;

/// What says how a sequence counts.
pub(super) const COUNTS: &[&str] = &[
    "increment",
    "start",
    "maxvalue",
    "minvalue",
    "cycle",
    "cache",
];

pub(super) fn alter_table(
    around: &Around<'_>,
    u: &Utility,
    words: &[Word],
    exact: &mut bool,
) -> Result<Route, Refusal> {
    let Some(relation) = u.relations.first() else {
        return everywhere(Merge::Copies);
    };
    let name = &relation.name;
    let place = match names::place(around.topology, around.catalog, around.search_path, name) {
        Ok(place) => place,
        Err(_) => {
            if words
                .windows(2)
                .any(|w| w[0].is("no") && w[1].is("inherit"))
            {
                return Err(unlisted(name));
            }
            return of_names(
                around,
                std::slice::from_ref(name),
                "ALTER TABLE",
                Merge::Copies,
            );
        }
    };
    let after = words
        .iter()
        .position(|w| w.span.start >= relation.span.end)
        .unwrap_or(words.len());
    let mut asked = Vec::new();
    for action in table::elements(&words[after..]) {
        alter(around, name, place, action, &mut asked)?;
    }
    table::kept(around, name, place, &asked)?;
    match place {
        Place::Sharded { .. } => with_sequences(around, relation, &asked, "ALTER TABLE", exact),
        _ => {
            let merge = match alone("ALTER TABLE", u, words) {
                true => Merge::OneByOne,
                false => Merge::Copies,
            };
            let table = std::slice::from_ref(name);
            of_names_but(around, table, "ALTER TABLE", merge, &asked)
        }
    }
}

/// One action of `ALTER TABLE`.
fn alter(
    around: &Around<'_>,
    table: &Name,
    place: Place<'_>,
    action: &[Word],
    asked: &mut Vec<table::Asked>,
) -> Result<(), Refusal> {
    let key: &[String] = match place {
        Place::Sharded { key, .. } => key,
        _ => &[],
    };
    let is = |at: usize, word: &str| action.get(at).is_some_and(|w| w.is(word));
    if is(0, "add") {
        let mut at = 1;
        if is(at, "column") {
            at += 1;
        }
        if is(at, "if") {
            at += 3;
        }
        let from = asked.len();
        table::element(&action[at.min(action.len())..], asked);
        let numbered = asked[from..]
            .iter()
            .any(|a| matches!(a, table::Asked::Sequence(_)));
        let each = matches!(place, Place::Reference) && numbered;
        if matches!(place, Place::Sharded { .. } | Place::Reference)
            && (each || varies(around, action))
        {
            return Err(all_shards(
                "The rows that are there would get other values on each shard.".into(),
            )
            .with_hint("Add the column without a default, then set the default, then give the rows their values by UPDATE."));
        }
        return Ok(());
    }
    if is(0, "attach")
        && let Some((partition, _)) = table::name(action, 2)
    {
        // It was made before anybody could know what it becomes.
        let there = super::place::place(around, &partition)?;
        if there != super::place::place(around, table)? {
            return Err(Refusal::new(
                Reason::MixedHomes,
                format!(
                    "\"{}\" does not live where \"{}\" does.",
                    names::display(&partition),
                    names::display(table)
                ),
            )
            .with_hint(format!(
                "List \"{}\" in [[databases.tables]] as \"{}\" is, reload, and make it again; or make it by CREATE TABLE ... PARTITION OF, which needs no entry.",
                names::display(&partition),
                names::display(table)
            )));
        }
    }
    if is(0, "detach")
        && let Some((partition, _)) = table::name(action, 2)
        && !matches!(place, Place::Shard(shard) if around.topology.default_shard == Some(shard))
        && !place_is_listed(around, &partition)
    {
        return Err(unlisted(&partition));
    }
    let listed = place_is_listed(around, table);
    if listed && (is(0, "rename") && is(1, "to") || is(0, "set") && is(1, "schema")) {
        return Err(all_shards(
            "The table would have another name than in the configuration.".into(),
        )
        .with_hint("List the table by its new name first (RELOAD), and rename it on each shard (SET shunt.shard) while nobody uses it; whoever renames it alone has a table that is not listed."));
    }
    if matches!(place, Place::Sharded { .. } | Place::Reference)
        && is(0, "alter")
        && action.iter().any(|w| w.is("type"))
        && let Some(using) = action.iter().position(|w| w.is("using"))
        && differs(around, &action[using + 1..])
    {
        return Err(
            all_shards("The rows that are there would get other values on each shard.".into())
                .with_hint("Change the type by an expression of the row alone, then give the rows their values by UPDATE."),
        );
    }
    let column = action.iter().find(|w| w.name && key.contains(&w.text));
    let changes = is(0, "drop") && !is(1, "constraint")
        || is(0, "rename")
        || is(0, "alter") && action.iter().any(|w| w.is("type"));
    match column {
        Some(column) if changes => Err(all_shards(format!(
            "\"{}\" belongs to the sharding key.",
            column.text
        ))),
        _ if is(0, "alter") && !key.is_empty() => {
            let column = usize::from(is(1, "column")) + 1;
            let says = |word: &str| action[column..].iter().any(|w| w.is(word));
            let counts = |w: &[Word]| w[0].is("set") && COUNTS.iter().any(|c| w[1].is(c));
            if says("restart") || action.windows(2).any(counts) {
                return Err(all_shards(
                    "The numbers of an identity column would have to be others on each shard."
                        .into(),
                ));
            }
            if let Some(name) = action.get(column)
                && is(column + 1, "add")
                && says("identity")
            {
                asked.push(table::Asked::Identity(name.text.clone()));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether the default of a new column may be another value on each shard.
fn varies(around: &Around<'_>, action: &[Word]) -> bool {
    action
        .iter()
        .position(|w| w.is("default"))
        .is_some_and(|at| differs(around, &action[at..]))
}

/// Whether an expression may be another value on each shard.
fn differs(around: &Around<'_>, expression: &[Word]) -> bool {
    expression.iter().enumerate().any(|(at, w)| {
        // A type behind a cast may have a length in parentheses.
        let cast = at > 0 && (expression[at - 1].is("::") || expression[at - 1].is("as"));
        let called = !cast && expression.get(at + 1).is_some_and(|next| next.is("("));
        let clock = ["current_", "localtime"]
            .iter()
            .any(|p| w.plain && w.text.starts_with(p));
        let moment = !w.name && is_moment(w.span.of(around.text).trim_matches('\''));
        clock || moment || w.name && called && !function::is_pure(&w.text)
    })
}

/// That tables keep the names by which they are listed. PostgreSQL takes `ALTER INDEX`, `ALTER VIEW` and their like for tables, too.
pub(super) fn keeps_names(around: &Around<'_>, u: &Utility, words: &[Word]) -> Result<(), Refusal> {
    let says = |first: &str, second: &str| {
        let mut pairs = words.windows(2);
        pairs.any(|w| w[0].depth == 0 && w[0].is(first) && w[1].is(second))
    };
    let renames = u.command.starts_with("ALTER") && (says("rename", "to") || says("set", "schema"));
    let listed = match (u.command.as_str(), words.get(2)) {
        ("ALTER SCHEMA", Some(schema)) => {
            let mut tables = around.topology.tables.iter();
            tables.any(|(listed, _)| listed.schema == schema.text)
        }
        _ => {
            let mut relations = u.relations.iter();
            relations.any(|r| place_is_listed(around, &r.name))
        }
    };
    match renames && listed {
        true => Err(all_shards(
            "The table would have another name than in the configuration.".into(),
        )),
        false => Ok(()),
    }
}

/// The refusal of what makes a table of its own of one that no entry names.
fn unlisted(name: &Name) -> Refusal {
    let name = names::display(name);
    all_shards(format!(
        "\"{name}\" would be a table of its own, of which the configuration does not say where its rows are."
    ))
    .with_hint(format!(
        "List \"{name}\" in [[databases.tables]] as the table above it is, and reload first."
    ))
}
