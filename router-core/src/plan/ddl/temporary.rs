//! Temporary tables.

use super::super::names;
use super::super::words::{Word, words};
use super::super::{Reason, Refusal, Route, Target};
use super::{Around, above, made, made_by_execute, unnamed};
use crate::sql::lexer::Options;
use crate::sql::statement::Utility;
use crate::topology::catalog::Known;

/// Whether a statement makes a table that is temporary.
pub(in crate::plan) fn makes_temporary(u: &Utility, text: &str, options: Options) -> bool {
    u.temporary && u.command == "CREATE TABLE" && is_temporary(u, &words(text, options))
}

/// Whether what a statement makes is temporary.
pub(super) fn is_temporary(u: &Utility, words: &[Word]) -> bool {
    let temporary = ["temp", "temporary", "local", "global"];
    let said = words
        .iter()
        .take(4)
        .skip(1)
        .any(|w| temporary.iter().any(|t| w.is(t)));
    let in_schema = u.command != "CREATE INDEX"
        && u.relations
            .first()
            .and_then(|r| r.name.schema.as_deref())
            .is_some_and(|schema| schema == names::TEMPORARY);
    u.command.starts_with("CREATE") && u.temporary && (said || in_schema)
}

/// Whether what a statement makes is called `pg_temp.name`: a function, a type.
pub(super) fn in_temporary_schema(words: &[Word]) -> bool {
    let head = words.split(|w| w.is("(") || w.is("as") || w.is("on"));
    head.take(1).any(|head| {
        head.windows(2)
            .any(|w| w[0].text == names::TEMPORARY && w[1].is("."))
    })
}

pub(super) fn no_table() -> Refusal {
    Refusal::new(
        Reason::SessionStatement,
        "What it makes is temporary, and no table.",
    )
}

/// A temporary table is on one shard, on a connection that stays with its client.
pub(super) fn temporary(
    around: &Around<'_>,
    u: &Utility,
    words: &[Word],
    exact: &mut bool,
) -> Result<Route, Refusal> {
    let refused = |detail: &str| Refusal::new(Reason::SessionStatement, detail);
    if u.command != "CREATE TABLE" {
        return Err(no_table());
    }
    let home = around.topology.temporary_home();
    let relation = u.relations.first().ok_or_else(|| unnamed("CREATE TABLE"))?;
    let after = words
        .iter()
        .position(|w| w.span.start >= relation.span.end)
        .unwrap_or(words.len());
    let rest = &words[after..];
    if let Some(above) = above(rest)
        && !matches!(
            around.catalog.relation(names::TEMPORARY, &above.name),
            Known::Is(_)
        )
    {
        return Err(refused(
            "It would hold rows of a table that is not temporary, seen by one session alone.",
        ));
    }
    match made::query_at(rest) {
        Some(at) => made::table_on(around, home, rest[at].span.start, exact),
        None => made_by_execute(rest).map(|()| Route::Single(Target::Shard(home))),
    }
}
