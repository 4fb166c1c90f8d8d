//! Statements with data-changing common table expressions, over shards.
//!
//! 1. What the rest of the statement reads elsewhere is brought to one shard, as it was before the changes.
//! 2. Each change is made where its rows are, and what it returns is brought to that shard.
//! 3. There the rest of the statement reads it in place of the change.
//!
//! Where the rest changes rows of shards itself, what the changes return is brought to all of them.
//!
//! Proof: PostgreSQL makes each change once, whether its rows are read or not, and all parts of the statement see the
//! tables as they were before it. No part of this one reads a table that another part changes, except through what that
//! returns; each change by itself is right where it is made, as the planner of such a statement proves.

use super::bring::{Brought, elsewhere};
use super::function::Nature;
use super::names::{FIRST, Place};
use super::reading::Reading;
use super::stage::{ALL, merged};
use super::update::lost;
use super::walk::{self, Met};
use super::words::words;
use super::{Merge, On, Reason, Refusal, Route, Targets, delete, insert, select, update};
use crate::id::{ShardId, Span};
use crate::sql::Statement;
use crate::sql::predicate::facts;
use crate::sql::statement::{Cte, ExprKind, Kind, Query, Relation, TableRef};
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
    let brought = prepare(reading, statement, &q.with, (None, FIRST))?;
    let text = brought.text(reading.text, Span::new(0, reading.text.len()));
    let answer = merged(On::Shard(FIRST), text, Merge::Concatenate);
    reading.exact.set(true);
    Ok(brought.stage.route(None, answer))
}

/// The changes of a WITH clause, each of which stands there by itself.
fn changes<'s>(statement: &Statement, with: &'s [Cte]) -> Result<Vec<&'s Cte>, Refusal> {
    let changes: Vec<&Cte> = with.iter().filter(|c| is_change(c)).collect();
    let bodies: Vec<Span> = changes.iter().map(|c| c.body.span).collect();
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
    Ok(changes)
}

/// Whether a stretch of the text belongs to one of these.
fn inside(changes: &[&Cte], span: Span) -> bool {
    let within = |b: Span| b.start <= span.start && span.end <= b.end;
    changes.iter().any(|c| within(c.body.span))
}

/// Makes the changes of `with`, so that the rest of the statement is right on the shard `to`. `target` is what the
/// statement itself changes.
pub(super) fn prepare(
    reading: &Reading<'_>,
    statement: &Statement,
    with: &[Cte],
    (target, to): (Option<usize>, ShardId),
) -> Result<Brought, Refusal> {
    let changes = changes(statement, with)?;
    apart(reading, &changes, target)?;
    let mut parts = Vec::new();
    select::functions(reading, statement, false, &mut parts)?;
    let uses: Vec<usize> = elsewhere(reading, target.unwrap_or(usize::MAX))
        .into_iter()
        .chain(changed_copies(reading, &changes, target))
        .filter(|&at| !inside(&changes, reading.facts.relations[at].span))
        .filter(|&at| reading.places[at] != Place::Shard(to))
        .collect();
    let mut brought = Brought::new(reading, statement, &uses, Some(to)).ok_or_else(unwritten)?;
    brought.changes = true;
    for cte in changes {
        change(reading, cte, with, Some(to), &mut brought)?;
    }
    brought.finish().ok_or_else(unwritten)
}

fn unwritten() -> Refusal {
    refused("The statement's text could not be rewritten.")
}

/// An update or deletion behind changes that are not right where it is itself: they are made first.
///
/// Proof: as above. PostgreSQL looks at foreign keys when all parts of the statement are done; so no part may change a table that
/// they refer to, which could also reach rows of other parts by cascading. Nor may a trigger or a rule. Nothing depends on the time
/// or on the server. `prove` shows the statement to be right on each shard of its target once what it reads is there.
pub(super) fn before(
    reading: &Reading<'_>,
    statement: &Statement,
    with: &[Cte],
    target: &Relation,
    prove: &dyn Fn(&Reading<'_>, usize) -> Result<(), Refusal>,
) -> Result<Route, Refusal> {
    let target = reading.of(target).ok_or_else(|| lost(&target.name.name))?;
    let changes = changes(statement, with)?;
    let settled = |at: usize| {
        reading.table(at).is_some_and(|t| {
            let beside =
                t.beside.referenced || t.beside.triggers || t.beside.rules || t.beside.row_security;
            // Of its partitions and children another part may speak by their own names.
            !beside && t.uses.relations.is_empty()
        })
    };
    let name = &reading.facts.relations[target].name.name;
    let alone = |cte: &&Cte| {
        let changed = changed(cte);
        changed.name.name != *name && reading.of(changed).is_some_and(settled)
    };
    let mut pure = true;
    walk::statement(statement, &mut |met| {
        if let Met::Expr(e) = met
            && let ExprKind::Call(call) = &e.kind
        {
            pure &= reading.nature(call) == Nature::Pure;
        }
    });
    if !settled(target) || !changes.iter().all(alone) || !pure {
        return Err(refused(
            "The parts of the statement may depend on one another, or on the server.",
        ));
    }
    apart(reading, &changes, Some(target))?;
    if let Place::Shard(home) = reading.places[target] {
        let brought = prepare(reading, statement, with, (Some(target), home))?;
        let text = brought.text(reading.text, Span::new(0, reading.text.len()));
        let answer = merged(On::Shard(home), text, Merge::Concatenate);
        reading.exact.set(true);
        return Ok(brought.stage.route(None, answer));
    }
    if !matches!(reading.places[target], Place::Sharded { .. }) {
        return Err(refused("It changes a table that is whole on every shard."));
    }
    let (own, uses): (Vec<usize>, Vec<usize>) = elsewhere(reading, target)
        .into_iter()
        .chain(changed_copies(reading, &changes, Some(target)))
        .partition(|&at| inside(&changes, reading.facts.relations[at].span));
    let mut refusal = None;
    for uses in [&[][..], &uses] {
        let everywhere: Vec<usize> = own.iter().chain(uses).copied().collect();
        let mut with_them = reading.with(&everywhere);
        with_them.answered = changes.iter().map(|c| c.body.span).collect();
        let whole = |at: usize| matches!(with_them.places[at], Place::Shard(_) | Place::Catalog);
        let read_later = |at: usize| {
            let body = inside(&changes, reading.facts.relations[at].span);
            at != target && !everywhere.contains(&at) && !body
        };
        let stale = (0..with_them.places.len())
            .any(|at| read_later(at) && changes.iter().any(|c| shows(reading, at, c)));
        let proven = match (0..with_them.places.len()).any(whole) {
            true => Err(reading.mixed()),
            false => prove(&with_them, target),
        };
        if proven.is_err() || stale {
            refusal = refusal.or(proven.err());
            continue;
        }
        let mut brought = Brought::new(reading, statement, uses, None).ok_or_else(unwritten)?;
        brought.changes = true;
        for &cte in &changes {
            change(reading, cte, with, None, &mut brought)?;
        }
        let brought = brought.finish().ok_or_else(unwritten)?;
        let text = brought.text(reading.text, Span::new(0, reading.text.len()));
        let on = On::Targets(with_them.all_targets());
        reading
            .moments
            .borrow_mut()
            .extend(with_them.moments.take());
        reading.exact.set(true);
        let answer = merged(on, text, Merge::Concatenate);
        return Ok(brought.stage.route(None, answer));
    }
    Err(refusal.unwrap_or_else(|| refused("It reads what another part of the statement changes.")))
}

/// Reference tables that are read, and changed by one of these.
fn changed_copies(reading: &Reading<'_>, changes: &[&Cte], target: Option<usize>) -> Vec<usize> {
    let copies = |at: &usize| reading.places[*at] == Place::Reference && Some(*at) != target;
    (0..reading.places.len())
        .filter(copies)
        .filter(|&at| changes.iter().any(|c| shows(reading, at, c)))
        .collect()
}

/// Whether a use of a relation shows what a change has changed.
fn shows(reading: &Reading<'_>, at: usize, cte: &Cte) -> bool {
    let changed = &changed(cte).name.name;
    let below = reading.relation(at).map_or(&[][..], |r| &r.uses.relations);
    reading.facts.relations[at].name.name == *changed || below.iter().any(|r| r.name == *changed)
}

/// That no part reads what another part changes.
fn apart(reading: &Reading<'_>, changes: &[&Cte], target: Option<usize>) -> Result<(), Refusal> {
    for cte in changes {
        let own = cte.body.span;
        for (at, used) in reading.facts.relations.iter().enumerate() {
            let here = own.start <= used.span.start && used.span.end <= own.end;
            // What lives elsewhere is brought before anything is changed.
            let kept = match reading.places[at] {
                Place::Sharded { .. } => true,
                Place::Reference => reading.table(at).is_some(),
                _ => false,
            };
            let before = kept && !inside(changes, used.span);
            if !here && !before && Some(at) != target && shows(reading, at, cte) {
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

/// Makes one change, and has what it returns read in its place on the shard `to`, or on all.
fn change(
    reading: &Reading<'_>,
    cte: &Cte,
    with: &[Cte],
    to: Option<ShardId>,
    brought: &mut Brought,
) -> Result<(), Refusal> {
    let one = to.unwrap_or(FIRST);
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
        Route::Single(target) => (On::Home(target.clone()), Some(On::HomeExcept(target, one))),
        Route::Scatter {
            merge: Merge::Copies,
            ..
        } => (ALL, None),
        Route::Scatter {
            targets,
            merge: Merge::Concatenate,
        } => (On::Targets(targets), Some(all(one))),
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
    let rows = |table: &str| format!("SELECT * FROM {table}");
    // Every copy of a reference table has given the same.
    let everywhere = from.is_none();
    brought.stage.bring(from, rows(&table), one, &table, true);
    let read = match to {
        None if !everywhere => {
            let copy = format!("AS {} WITH NO DATA", rows(&table));
            let copy = brought.stage.table(ALL, &copy);
            let topology = reading.topology;
            brought.stage.broadcast(topology, one, &table, &copy, true);
            copy
        }
        _ => table,
    };
    brought.edit(body, rows(&read));
    Ok(())
}
