//! Tables and views made from a query.

use super::super::constant::Constants;
use super::super::names::{self, FIRST, Place};
use super::super::reading::Reading;
use super::super::words::Word;
use super::super::{Merge, Reason, Refusal, Route, Target};
use super::super::{behind, bring, select};
use super::{Around, Where, all_shards, everywhere};
use crate::id::ShardId;
use crate::sql::predicate::facts;
use crate::sql::statement::{Kind, Name, Statement, Utility};
use crate::sql::{Statement as Parsed, parse};

/// Where the query of `CREATE TABLE … AS` begins, among the words after the name.
pub(super) fn query_at(rest: &[Word]) -> Option<usize> {
    let at = rest.iter().position(|w| w.depth == 0 && w.is("as"))? + 1;
    let first = rest.get(at)?;
    let query = ["select", "with", "values", "table", "("];
    query.iter().any(|q| first.is(q)).then_some(at)
}

/// The query that begins at `from`, read so that its spans are those of the whole text.
fn query(around: &Around<'_>, from: u32, to: usize) -> Result<Parsed, Refusal> {
    let text = around.text.get(from as usize..to).unwrap_or_default();
    let blank = " ".repeat(from as usize) + text;
    let options = parse::Options {
        lexer: around.options,
        ..Default::default()
    };
    let statement = parse(&blank, &options);
    match statement.kind {
        Kind::Query(_) => Ok(statement),
        _ => Err(Refusal::new(
            Reason::NotRead,
            "The query that the table or view is made of is not read.",
        )),
    }
}

fn reading<R>(
    around: &Around<'_>,
    statement: &Statement,
    then: impl FnOnce(&Reading<'_>) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    let columns = names::Columns {
        topology: around.topology,
        catalog: around.catalog,
        search_path: around.search_path,
    };
    let facts = facts(
        statement,
        around.text,
        around.options,
        &|_, _| None,
        &|a, b| columns.alike(a, b),
    );
    let constants = Constants::new(&[], &[], &[]);
    then(&Reading::new(
        around.topology,
        around.catalog,
        around.search_path,
        constants,
        around.text,
        around.options,
        &facts,
    )?)
}

/// Where the end of the query is: `WITH [NO] DATA` and `WITH CHECK OPTION` are no part of it.
fn end(around: &Around<'_>) -> usize {
    let words = super::words(around.text, around.options);
    let tail: Vec<&str> = words
        .iter()
        .rev()
        .take(4)
        .map(|w| w.text.as_str())
        .collect();
    let drop = match tail[..] {
        ["data", "no", "with", ..] => 3,
        ["data", "with", ..] => 2,
        ["option", "check", "cascaded" | "local", "with"] => 4,
        ["option", "check", "with", ..] => 3,
        _ => 0,
    };
    match words
        .len()
        .checked_sub(drop + 1)
        .and_then(|at| words.get(at))
    {
        Some(last) => last.span.end as usize,
        None => around.text.len(),
    }
}

/// `CREATE TABLE name AS query`, of a table that lives on one shard: what the query reads is brought there.
pub(super) fn table(
    around: &Around<'_>,
    name: &Name,
    from: u32,
    exact: &mut bool,
) -> Result<Route, Refusal> {
    let place = names::place(around.topology, around.catalog, around.search_path, name)?;
    let home = match place {
        Place::Shard(home) => home,
        _ => {
            return Err(all_shards(format!(
                "The rows of \"{}\" would have to be spread as the table is made.",
                names::display(name)
            ))
            .with_hint("Make the table first, then INSERT INTO it the rows of the query."));
        }
    };
    table_on(around, home, from, exact)
}

/// The same of a table that lives on this shard.
pub(super) fn table_on(
    around: &Around<'_>,
    home: ShardId,
    from: u32,
    exact: &mut bool,
) -> Result<Route, Refusal> {
    let statement = query(around, from, end(around))?;
    *exact = true;
    reading(around, &statement, |reading| {
        if select::changes_rows(&statement) {
            return Err(Refusal::new(
                Reason::WriteOverShards,
                "A common table expression of the query changes rows.",
            )
            .with_hint("Make the change by a statement of its own, in a transaction."));
        }
        behind::allowed(reading, &statement, None)?;
        bring::gathered(reading, &statement, home)
    })
}

/// `CREATE VIEW`: on the shards that have its tables; a materialized one on one of them.
pub(super) fn view(around: &Around<'_>, u: &Utility, words: &[Word]) -> Result<Route, Refusal> {
    let relation = u.relations.first();
    if let Some(listed) = relation.filter(|r| super::place_is_listed(around, &r.name)) {
        return Err(all_shards(format!(
            "\"{}\" is a table by the configuration.",
            names::display(&listed.name)
        )));
    }
    let after = relation
        .and_then(|r| words.iter().position(|w| w.span.start >= r.span.end))
        .unwrap_or(words.len());
    let at = query_at(&words[after..])
        .ok_or_else(|| Refusal::new(Reason::NotRead, "CREATE VIEW without a query."))?;
    let statement = query(around, words[after + at].span.start, end(around))?;
    let materialized = u.command.contains("MATERIALIZED");
    let (mut spread, mut one): (bool, Option<ShardId>) = (false, None);
    let named = facts(
        &statement,
        around.text,
        around.options,
        &|_, _| None,
        &|_, _| false,
    );
    for relation in &named.relations {
        let name = &relation.name;
        let place = names::place(around.topology, around.catalog, around.search_path, name);
        let here = match place {
            Ok(Place::Catalog) => continue,
            Ok(Place::Reference) => continue,
            Ok(Place::Shard(shard)) => Where::One(shard),
            Ok(Place::Sharded { .. }) if !materialized => Where::All,
            // A view over sharded tables is on every shard, and its rows of there are a shard's part.
            Err(refusal) if refusal.reason == Reason::View && !materialized => {
                super::home(around, name)?
            }
            Ok(Place::Sharded { .. }) => {
                return Err(all_shards(format!(
                    "A materialized view of \"{}\" would have a part of the rows on each shard.",
                    names::display(name)
                )));
            }
            // There is no such relation: PostgreSQL says so.
            Err(refusal)
                if refusal.reason == Reason::UnlistedTable
                    && names::absent(around.catalog, around.search_path, name) =>
            {
                Where::One(FIRST)
            }
            Err(refusal) => return Err(refusal),
        };
        match (here, one) {
            (Where::All, _) => spread = true,
            (Where::One(shard), Some(other)) if shard != other => {
                return Err(Refusal::new(
                    Reason::MixedHomes,
                    "The view reads tables that live on different shards.",
                ));
            }
            (Where::One(shard), _) => one = Some(shard),
        }
    }
    match (spread, one) {
        (true, Some(_)) => Err(Refusal::new(
            Reason::MixedHomes,
            "The view reads tables that are spread over shards and tables that live on one.",
        )),
        (_, Some(shard)) => Ok(Route::Single(Target::Shard(shard))),
        // One shard's rows are read.
        (_, None) if materialized => Ok(Route::Single(Target::Shard(
            around.topology.first_of_catalog(),
        ))),
        (_, None) => everywhere(Merge::Copies),
    }
}
