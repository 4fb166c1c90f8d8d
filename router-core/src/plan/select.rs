//! `SELECT`, `VALUES`, `TABLE`, also with `WITH`.

use super::called::{self, Called};
use super::function::{Nature, is_registry, nature};
use super::names::{self, FIRST, Place};
use super::reading::Reading;
use super::sorted;
use super::splice;
use super::spread::{self, Spread};
use super::walk::{self, Met};
use super::{Merge, Program, Reason, Refusal, Route, Target, Targets};
use super::{bring, changes, copies, gather, partial, setval};
use crate::sql::Statement;
use crate::sql::lexer::Token;
use crate::sql::statement::{Call, Expr, ExprKind, Kind, Name, Query, SetExpr};

/// Where a query goes.
pub(super) fn plan(
    reading: &Reading<'_>,
    statement: &Statement,
    q: &Query,
) -> Result<Route, Refusal> {
    if let Some(refusal) = new_table(statement) {
        return into(reading, statement, q).unwrap_or(Err(refusal));
    }
    if changes_rows(statement) {
        let direct = match change_inside(reading, statement) {
            Some(refusal) => Err(refusal),
            None => near(reading, statement, q),
        };
        return match direct {
            Ok(route @ Route::Single(Target::Shard(_) | Target::Key(_) | Target::Any)) => Ok(route),
            direct => {
                reading.moments.take();
                changes::plan(reading, statement, q).or(direct)
            }
        };
    }
    let near = near(reading, statement, q);
    match near {
        Ok(Route::Single(Target::Agree { .. })) | Err(_) => {
            let moments = reading.moments.take();
            far(reading, statement, q).map_or_else(
                || {
                    let helps = scratch_would_help(reading, statement);
                    reading.moments.replace(moments);
                    advised(near, helps)
                },
                Ok,
            )
        }
        Ok(route) => Ok(route),
    }
}

/// Whether it is only for want of a scratch server that a statement is refused.
fn scratch_would_help(reading: &Reading<'_>, statement: &Statement) -> bool {
    reading.topology.scratch.is_none() && gather::gather(reading, statement, FIRST).is_ok()
}

/// A refusal that names the scratch server as a way out.
fn advised(mut route: Result<Route, Refusal>, helps: bool) -> Result<Route, Refusal> {
    let refusal = match &mut route {
        Err(refusal) => refusal,
        Ok(Route::Single(Target::Agree { otherwise, .. })) => otherwise,
        Ok(_) => return route,
    };
    if helps {
        refusal.hint.push_str(
            " Or set scratch for the database: the shard where the rows of all are brought together.",
        );
    }
    route
}

/// Whether a statement changes rows in a common table expression.
pub(super) fn changes_rows(statement: &Statement) -> bool {
    let mut found = false;
    walk::statement(statement, &mut |met| found |= matches!(met, Met::Change(_)));
    found
}

/// Why a query that does more than to give rows is refused.
pub(super) fn not_only_rows(reading: &Reading<'_>, statement: &Statement) -> Option<Refusal> {
    change_inside(reading, statement).or_else(|| new_table(statement))
}

/// Tiers 1 and 2 without any change to the text.
fn near(reading: &Reading<'_>, statement: &Statement, q: &Query) -> Result<Route, Refusal> {
    match one_shard(reading, statement)? {
        Some(target) => Ok(Route::Single(target)),
        None => over_shards(reading, spread::query(reading, q)),
    }
}

/// What can be done where tiers 1 and 2 refuse, or would unless values come to one shard.
fn far(reading: &Reading<'_>, statement: &Statement, q: &Query) -> Option<Route> {
    let mut changes = false;
    walk::statement(statement, &mut |met| {
        changes |= matches!(met, Met::Change(_))
    });
    if changes {
        return None;
    }
    // What one attempt notes is of no concern to the next.
    let attempt = |plan: &dyn Fn() -> Option<Program>| {
        reading.moments.take();
        plan()
    };
    let gathered = || attempt(&|| gather::plan(reading, statement).ok());
    // A table that is whole on one shard counts for nothing where only what is not used reads it, but the shards that are sent
    // the statement's own text would have to have it.
    let alone = |place: &Place<'_>| matches!(place, Place::Shard(_));
    let program = if reading.places.iter().any(alone) {
        gathered()?
    } else if let Some(route) = partial::added(reading, q) {
        return Some(route);
    } else {
        attempt(&|| sorted::plan(reading, statement, q))
            .or_else(|| attempt(&|| partial::plan(reading, statement, q)))
            .or_else(gathered)?
    };
    Some(Route::Program(Box::new(program)))
}

/// `SELECT INTO` makes a table where its rows are, and later statements look for that table where unlisted ones live;
/// a temporary one hides others of its name on one shard only.
fn new_table(statement: &Statement) -> Option<Refusal> {
    let mut found = None;
    walk::statement(statement, &mut |met| {
        if let Met::Select(select) = met
            && select.into.is_some()
        {
            found.get_or_insert_with(|| {
                Refusal::new(
                    Reason::SessionStatement,
                    "SELECT INTO makes a table on one server.",
                )
            });
        }
    });
    found
}

/// `SELECT … INTO table`, of a table whose place is one shard: as `CREATE TABLE … AS`.
fn into(reading: &Reading<'_>, statement: &Statement, q: &Query) -> Option<Result<Route, Refusal>> {
    let SetExpr::Select(s) = &q.body else {
        return None;
    };
    let name = s.into.as_ref()?;
    let mut tables = 0;
    walk::statement(statement, &mut |met| {
        tables += usize::from(matches!(met, Met::Select(s) if s.into.is_some()));
    });
    let mut tokens = splice::tokens(reading.text, s.span, reading.options);
    let is = |token: &Token, word| splice::is_word(reading.text, token, word);
    tokens.find(|token| token.span.start >= s.items_span.end && is(token, "into"))?;
    let next = tokens.next()?;
    let temporary = ["temp", "temporary", "local", "global"];
    if tables > 1 || temporary.iter().any(|word| is(&next, word)) || changes_rows(statement) {
        return None;
    }
    let place = names::place(reading.topology, reading.catalog, reading.search_path, name);
    match place {
        Ok(Place::Shard(home)) => {
            reading.exact.set(true);
            Some(bring::gathered(reading, statement, home))
        }
        Ok(Place::Catalog) => None,
        Ok(_) => Some(Err(Refusal::new(
            Reason::AllShardsSchema,
            format!(
                "The rows of \"{}\" would have to be spread as the table is made.",
                names::display(name)
            ),
        )
        .with_hint(
            "Make the table first, then INSERT INTO it the rows of the query.",
        ))),
        Err(refusal) => Some(Err(refusal)),
    }
}

/// Tier 1: the target, when one shard has every row that the statement depends on.
///
/// Proof: each sharded use is bound to a key ([`Reading::bound`]), so the answer depends on rows of those keys alone.
/// Tables that live whole on a shard are read there, reference tables anywhere. When all these places are one shard,
/// that shard is in the position of one server with all rows that count, so any construct is right there.
pub(super) fn one_shard(
    reading: &Reading<'_>,
    statement: &Statement,
) -> Result<Option<Target>, Refusal> {
    let mut parts = reading.whole();
    let sharded: Vec<usize> = reading.sharded().collect();
    functions(reading, statement, !sharded.is_empty(), &mut parts)?;
    if sharded.is_empty()
        && parts.is_empty()
        && locks_rows(statement)
        && reading.places.contains(&Place::Reference)
    {
        // A lock on one copy excludes others only if they lock the same copy.
        parts.push(Target::Shard(FIRST));
    }
    if !sharded.is_empty() && locks_rows(statement) && reading.places.contains(&Place::Reference) {
        return Err(Refusal::new(
            Reason::WriteOverShards,
            "A locking clause covers a reference table, whose rows would be locked on some shards only.",
        )
        .with_hint("Lock the rows of the sharded table and of the reference table by statements of their own."));
    }
    for at in sharded {
        match reading.bound(at) {
            Some(key) => {
                let part = Target::Key(key);
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
            // A table that is whole on one shard has no rows to meet on the others.
            None if parts.iter().any(|p| matches!(p, Target::Shard(_))) => {
                return Err(reading.mixed());
            }
            None => return Ok(None),
        }
    }
    let shards = parts
        .iter()
        .filter(|p| matches!(p, Target::Shard(_)))
        .count();
    match parts.len() {
        0 => Ok(Some(Target::Any)),
        1 => Ok(Some(parts.remove(0))),
        _ if shards > 1 => Err(reading.mixed()),
        _ if shards == 1 => Ok(Some(Target::Agree {
            parts,
            otherwise: Box::new(reading.mixed()),
        })),
        // Several keys: perhaps a query that may run on the shards of all of them.
        _ => Ok(None),
    }
}

/// Tier 2, or tier 1 when the keys turn out to be of one shard, or a refusal.
pub(super) fn over_shards(
    reading: &Reading<'_>,
    proven: Result<Spread, Refusal>,
) -> Result<Route, Refusal> {
    let targets = reading.all_targets();
    let refusal = match proven {
        // On a shard outside of the targets no sharded row counts, so its share is empty: it need not be asked.
        Ok(Spread::Apart(_)) => {
            return Ok(Route::Scatter {
                targets,
                merge: Merge::Concatenate,
            });
        }
        Ok(Spread::Everywhere) => Refusal::new(
            Reason::CrossShardSubquery,
            "A sharded table is read in a part of the statement that is the same for all shards.",
        ),
        Err(refusal) => refusal,
    };
    if targets == Targets::All {
        return Err(refusal);
    }
    // Every row that counts is on one of the targets. If they are one shard, it is tier 1.
    Ok(Route::Single(Target::Agree {
        parts: vec![Target::Within(targets)],
        otherwise: Box::new(refusal),
    }))
}

/// Refuses functions that one shard cannot answer for all, and sends those about the server itself to the first.
pub(super) fn functions(
    reading: &Reading<'_>,
    statement: &Statement,
    sharded: bool,
    parts: &mut Vec<Target>,
) -> Result<(), Refusal> {
    let mut error = None;
    let mut server = false;
    walk::statement(statement, &mut |met| {
        let call = match met {
            Met::Expr(Expr {
                kind: ExprKind::Call(call),
                ..
            }) => call,
            // The number behind the name is the server's own.
            Met::Expr(Expr {
                kind: ExprKind::Cast { to, .. },
                ..
            }) if is_registry(to) => {
                server = true;
                if sharded {
                    error.get_or_insert_with(|| {
                        Refusal::new(
                            Reason::Function,
                            format!("A cast to {to} is about one server, and the statement reads a table that is spread over several."),
                        )
                    });
                }
                return;
            }
            _ => return,
        };
        let why = match nature(call, reading.catalog, reading.search_path) {
            Nature::Pure | Nature::Clock | Nature::PerRow => return,
            Nature::Server if !sharded => {
                match setval::home(reading, call) {
                    Some(shard) if !parts.contains(&Target::Shard(shard)) => {
                        parts.push(Target::Shard(shard));
                    }
                    Some(_) => {}
                    None => server = true,
                }
                return;
            }
            Nature::Server => {
                "is about one server, and the statement reads a table that is spread over several"
            }
            Nature::History => {
                error.get_or_insert_with(|| history(&call.name));
                return;
            }
            Nature::Opaque => {
                match called::home(reading, call) {
                    Some(Called::Anywhere) if !changes_rows(statement) => return,
                    Some(Called::On(shard)) if !sharded => {
                        if !parts.contains(&Target::Shard(shard)) {
                            parts.push(Target::Shard(shard));
                        }
                        return;
                    }
                    _ => {}
                }
                error.get_or_insert_with(|| not_called(reading, call));
                return;
            }
        };
        error.get_or_insert_with(|| {
            Refusal::new(
                Reason::Function,
                format!("\"{}\" {why}.", names::display(&call.name)),
            )
        });
    });
    if let Some(refusal) = error {
        return Err(refusal);
    }
    if server && !parts.contains(&Target::Shard(FIRST)) {
        parts.push(Target::Shard(FIRST));
    }
    Ok(())
}

/// The refusal of a function that somebody made.
fn not_called(reading: &Reading<'_>, call: &Call) -> Refusal {
    Refusal::new(
        Reason::Function,
        format!(
            "\"{}\" {}.",
            names::display(&call.name),
            called::why(reading, call)
        ),
    )
}

/// The refusal of a function that looks back at what its session has done.
pub(super) fn history(name: &Name) -> Refusal {
    Refusal::new(
        Reason::Function,
        format!(
            "\"{}\" depends on what the session did before, on one server.",
            names::display(name)
        ),
    )
    .with_hint(match name.name.as_str() {
        "currval" | "lastval" => {
            "Let INSERT ... RETURNING give the number, or call nextval before and use its value."
        }
        _ => Reason::Function.entry().hint,
    })
}

/// A data-changing statement inside another: nothing here proves where its rows belong, unless it is about one shard.
///
/// Whatever is planned for the statement around it, `one_shard` above all, counts a table that is read: of a reference
/// table any copy will do. One that is written must be written on every copy.
pub(super) fn change_inside(reading: &Reading<'_>, statement: &Statement) -> Option<Refusal> {
    let mut found = None;
    walk::statement(statement, &mut |met| {
        let Met::Change(inner) = met else { return };
        if std::ptr::eq(inner, statement) || found.is_some() {
            return;
        }
        let target = match &inner.kind {
            Kind::Insert(i) => &i.target,
            Kind::Update(u) => &u.target,
            Kind::Delete(d) => &d.target,
            _ => return,
        };
        let place = reading.of(target).map(|at| reading.places[at]);
        let stays = match (&inner.kind, place) {
            // A change of rows of one key, which they keep: `one_shard` sees to it that the key is given.
            (Kind::Update(u), Some(Place::Sharded { key, .. })) => {
                super::update::keeps_key(&u.assignments, key).is_ok()
            }
            (Kind::Delete(_), Some(Place::Sharded { .. })) => true,
            (Kind::Update(_) | Kind::Delete(_), Some(Place::Reference)) => {
                let follows =
                    |at| on_every_copy(reading, statement) && copies::follows(reading, inner, at);
                reading.of(target).is_some_and(follows)
            }
            // Whole on one shard: `one_shard` sees to it that everything else is there too.
            _ => matches!(place, Some(Place::Shard(_))),
        };
        if !stays {
            found = Some(
                Refusal::new(
                    Reason::WriteOverShards,
                    format!(
                        "A common table expression changes \"{}\", which is not whole on one shard.",
                        names::display(&target.name)
                    ),
                )
                .with_hint("Make the change by a statement of its own, in a transaction."),
            );
        }
    });
    found
}

/// Whether a statement is itself a change of a reference table, so that it runs on every copy, or not at all.
fn on_every_copy(reading: &Reading<'_>, statement: &Statement) -> bool {
    let target = match &statement.kind {
        Kind::Insert(i) => &i.target,
        Kind::Update(u) => &u.target,
        Kind::Delete(d) => &d.target,
        _ => return false,
    };
    let place = reading.of(target).map(|at| reading.places[at]);
    place == Some(Place::Reference)
}

/// Whether any query of the statement has a locking clause.
pub(super) fn locks_rows(statement: &Statement) -> bool {
    let mut found = false;
    walk::statement(statement, &mut |met| {
        if let Met::Query(q) = met {
            found |= !q.locks.is_empty();
        }
    });
    found
}
