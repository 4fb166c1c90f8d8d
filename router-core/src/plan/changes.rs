//! Statements with data-changing common table expressions, over shards.
//!
//! 1. What the rest of the statement reads elsewhere is brought to one shard, as it was before the changes.
//! 2. Each change is made where its rows are, and what it returns is brought to that shard.
//! 3. There the rest of the statement reads it in place of the change.
//!
//! Proof: PostgreSQL makes each change once, whether its rows are read or not, and all parts of the statement see the
//! tables as they were before it. No part of this one reads a table that another part changes, except through what that
//! returns; each change by itself is right where it is made, as the planner of such a statement proves.

use super::bring::{Brought, elsewhere};
use super::names::{FIRST, Place};
use super::reading::Reading;
use super::stage::{ALL, merged};
use super::walk::{self, Met};
use super::words::words;
use super::{Merge, On, Reason, Refusal, Route, Targets, delete, insert, select, update};
use crate::id::{ShardId, Span};
use crate::sql::Statement;
use crate::sql::predicate::facts;
use crate::sql::statement::{Cte, Kind, Query, Relation, TableRef};
use crate::topology::predicate::identifier;

fn refused(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::WriteOverShards, detail)
        .with_hint("Make the change by a statement of its own, in a transaction.")
}

/// Whether a common table expression changes rows.
pub(super) fn is_change(cte: &Cte) -> bool {
    matches!(
        cte.body.kind,
        Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_)
    )
}

/// A query whose common table expressions change rows.
pub(super) fn plan(
    reading: &Reading<'_>,
    statement: &Statement,
    q: &Query,
) -> Result<Route, Refusal> {
    if q.recursive {
        return Err(refused("The WITH clause is recursive."));
    }
    let brought = prepare(reading, statement, &q.with, None)?;
    let text = brought.text(reading.text, Span::new(0, reading.text.len()));
    let answer = merged(On::Shard(FIRST), text, Merge::Concatenate);
    reading.exact.set(true);
    Ok(brought.stage.route(None, answer))
}

/// Makes the changes of `with`, so that the rest of the statement is right on the first shard. `target` is what the
/// statement itself changes.
pub(super) fn prepare(
    reading: &Reading<'_>,
    statement: &Statement,
    with: &[Cte],
    target: Option<usize>,
) -> Result<Brought, Refusal> {
    let changes: Vec<&Cte> = with.iter().filter(|c| is_change(c)).collect();
    let bodies: Vec<Span> = changes.iter().map(|c| c.body.span).collect();
    let inside = |span: Span| {
        bodies
            .iter()
            .any(|b| b.start <= span.start && span.end <= b.end)
    };
    let mut stray = false;
    walk::statement(statement, &mut |met| {
        if let Met::Change(s) = met {
            stray |= !std::ptr::eq(s, statement) && !bodies.contains(&s.span);
        }
    });
    if stray || bodies.iter().any(|b| b.is_empty()) {
        return Err(refused(
            "A change stands inside another part of the statement.",
        ));
    }
    apart(reading, &changes, target)?;
    let mut parts = Vec::new();
    select::functions(reading, statement, false, &mut parts)?;
    let uses: Vec<usize> = elsewhere(reading, target.unwrap_or(usize::MAX))
        .into_iter()
        .filter(|&at| !inside(reading.facts.relations[at].span))
        .filter(|&at| reading.places[at] != Place::Shard(FIRST))
        .collect();
    let mut brought = Brought::new(reading, statement, &uses, Some(FIRST))
        .ok_or_else(|| refused("The statement's text could not be rewritten."))?;
    brought.changes = true;
    for cte in changes {
        change(reading, cte, with, &mut brought)?;
    }
    brought
        .finish()
        .ok_or_else(|| refused("The statement's text could not be rewritten."))
}

/// That no part reads what another part changes.
fn apart(reading: &Reading<'_>, changes: &[&Cte], target: Option<usize>) -> Result<(), Refusal> {
    for cte in changes {
        let changed = changed(cte);
        let own = cte.body.span;
        for (at, used) in reading.facts.relations.iter().enumerate() {
            let here = own.start <= used.span.start && used.span.end <= own.end;
            // What lives elsewhere is brought before anything is changed.
            let before = matches!(reading.places[at], Place::Sharded { .. })
                && !changes.iter().any(|c| {
                    c.body.span.start <= used.span.start && used.span.end <= c.body.span.end
                });
            if !here && !before && Some(at) != target && used.name.name == changed.name.name {
                return Err(refused(format!(
                    "\"{}\" is changed by one part of the statement and read or changed by another.",
                    used.name.name
                )));
            }
        }
    }
    Ok(())
}

/// What a common table expression changes.
pub(super) fn changed(cte: &Cte) -> &Relation {
    match &cte.body.kind {
        Kind::Insert(i) => &i.target,
        Kind::Update(u) => &u.target,
        Kind::Delete(d) => &d.target,
        _ => unreachable!("only changes are asked"),
    }
}

fn change(
    reading: &Reading<'_>,
    cte: &Cte,
    with: &[Cte],
    brought: &mut Brought,
) -> Result<(), Refusal> {
    let mut named = false;
    walk::statement(&cte.body, &mut |met| {
        if let Met::From(TableRef::Relation(r)) = met {
            named |= r.name.schema.is_none() && with.iter().any(|c| c.name == r.name.name);
        }
    });
    if named {
        return Err(refused(format!(
            "\"{}\" reads another part of the WITH clause.",
            cte.name
        )));
    }
    let columns = reading.columns();
    let facts = facts(
        &cte.body,
        reading.text,
        reading.options,
        &|name, column| columns.has(name, column),
        &|a, b| columns.alike(a, b),
    );
    let own = Reading::new(
        reading.topology,
        reading.catalog,
        reading.search_path,
        reading.constants,
        reading.text,
        reading.options,
        &facts,
    )?;
    let (route, returning, joined) = match &cte.body.kind {
        Kind::Insert(i) => (insert::plan(&own, &cte.body, i)?, &i.returning, false),
        Kind::Update(u) => (
            update::plan(&own, &cte.body, u)?,
            &u.returning,
            !u.from.is_empty(),
        ),
        Kind::Delete(d) => (
            delete::plan(&own, &cte.body, d)?,
            &d.returning,
            !d.using.is_empty(),
        ),
        _ => return Err(refused("The change is not read.")),
    };
    reading.moments.borrow_mut().extend(own.moments.take());
    let all = |s: ShardId| On::Except(Targets::All, s);
    let (on, from) = match route {
        Route::Single(target) => (
            On::Home(target.clone()),
            Some(On::HomeExcept(target, FIRST)),
        ),
        Route::Scatter {
            merge: Merge::Copies,
            ..
        } => (ALL, None),
        Route::Scatter {
            targets,
            merge: Merge::Concatenate,
        } => (On::Targets(targets), Some(all(FIRST))),
        _ => {
            return Err(refused(format!(
                "The common table expression \"{}\" changes rows of several shards in several steps.",
                cte.name
            )));
        }
    };
    let body = cte.body.span;
    let text = body.of(reading.text);
    if returning.is_empty() {
        brought.stage.run(on, text.to_owned());
        brought.edit(body, "SELECT".to_owned());
        return Ok(());
    }
    if joined {
        return Err(refused(format!(
            "The common table expression \"{}\" returns columns of a join.",
            cte.name
        )));
    }
    let words = words(text, reading.options);
    let at = words
        .iter()
        .rposition(|w| w.depth == 0 && w.is("returning"))
        .ok_or_else(|| refused("RETURNING could not be found."))?;
    let items = &text[words[at].span.end as usize..];
    let target = changed(cte);
    let alias = target.alias.as_ref().map_or(&target.name.name, |a| &a.name);
    let table = brought.stage.table(
        ALL,
        &format!(
            "AS SELECT {items} FROM {} AS {} WITH NO DATA",
            target.span.of(reading.text),
            identifier(alias)
        ),
    );
    brought.stage.run(
        on,
        format!("WITH shunt AS ({text}) INSERT INTO {table} SELECT * FROM shunt"),
    );
    let rows = format!("SELECT * FROM {table}");
    brought.stage.bring(from, rows.clone(), FIRST, &table, true);
    brought.edit(body, rows);
    Ok(())
}
