//! `MERGE`, planned by the join that finds its rows.
//!
//! PostgreSQL carries out `MERGE INTO t USING s ON c WHEN …` as the join of `s` and `t` on `c`, which keeps the rows of `s`
//! when a clause inserts for those without a partner, and does the action of one clause for each of its rows
//! (`parser/parse_merge.c`). So a query over this join is made from the statement's own text and read in its place:
//!
//! ```sql
//! SELECT FROM s LEFT JOIN t ON c LEFT JOIN t AS shunt_1 ON shunt_1.key = … WINDOW shunt AS (PARTITION BY …)
//! ```
//!
//! A row that a clause inserts stands there as a row of one more use of the target, with the key that it is given; the
//! expressions of conditions, assignments and rows stand where their values count and nothing else is asked of them.
//! The query is never sent.
//!
//! Proof: when it is apart, each row of `s` with its partners and with the rows inserted for it is on one shard, and found on no
//! other; updated rows keep their keys, hence stay. When all of it is bound to one key, or whole on one shard, that shard is
//! the one server. A reference table is merged into on every shard when all that is read is there too and gives the same.
//!
//! | file | |
//! |---|---|
//! | `join` | the join, from the statement's tokens |
//! | `keys` | keys that are constants |
//! | `staged` | rows of the source that are brought to the homes of their keys first |

mod equals;
mod join;
mod keys;
mod staged;

use super::defaults::{self, Defaulted};
use super::function::Nature;
use super::key_column::{self, Cut};
use super::make::{self, Found, Input, Made};
use super::names::Place;
use super::reading::Reading;
use super::spread::{self, Spread};
use super::update::{self, keeps_key};
use super::walk::{self, Met};
use super::words::{Word, words};
use super::{Effect, Reason, Refusal, Route, Target, Targets, behind, clock, copies, role, select};
use crate::id::PlacementId;
use crate::sql::Statement;
use crate::sql::statement::{Expr, ExprKind, Kind};
use join::{Join, unread};
use keys::Keys;

/// What the statement is.
const KIND: &str = "merge";

/// The plan of a statement that is a `MERGE`; `None` when it is something else.
pub(super) fn make(input: &Input<'_>, statement: &Statement) -> Option<Made> {
    let list = words(input.text, input.options);
    let list: Vec<Word> = list
        .into_iter()
        .filter(|w| statement.span.start <= w.span.start && w.span.end <= statement.span.end)
        .collect();
    let at = list.iter().position(|w| w.depth == 0 && w.is("merge"))?;
    if at > 0 && !list[0].is("with") || !list.get(at + 1)?.is("into") {
        return None;
    }
    let one = input.topology.only_shard();
    let join = match Join::read(input, &list, at) {
        Ok(join) => join,
        // Right there all the same.
        Err(_) if one.is_some() || input.directed => return None,
        Err(refusal) => {
            let effects = role::of(statement, input.text, input.catalog, input.search_path);
            let route = Route::Refused(Box::new(refusal));
            return Some(make::made(
                input,
                statement,
                KIND.into(),
                effects,
                route,
                Found::exact(),
            ));
        }
    };
    let inner = Input {
        text: &join.text,
        slots: &join.slots,
        groups: &join.groups,
        ..*input
    };
    let mut effects = role::of(
        &join.statement,
        &join.text,
        input.catalog,
        input.search_path,
    );
    effects.effect = Effect::Write;
    effects.stores = true;
    if let Some(residues) = input.catalog.residues() {
        effects.session = effects.session.union(residues.written(&join.target.name));
    }
    let mut found = Found::exact();
    if one.is_none() {
        found.clock = clock::of_merge(input, &join.target, &list);
    }
    let route = match one {
        Some(only) => Ok(Route::Single(Target::Shard(only))),
        None if input.directed => Ok(Route::Single(Target::Directed {
            placement: make::placement(&inner, &join.statement),
        })),
        None => make::with_reading(&inner, &join.statement, &mut found, |reading| {
            let merged = join.merged();
            behind::allowed(reading, &join.statement, merged)?;
            let route = route(reading, &join)?;
            behind::fires_once(reading, &join.statement, merged, &route)?;
            Ok(route)
        }),
    };
    let route = route.unwrap_or_else(|refusal| Route::Refused(Box::new(refusal)));
    Some(make::made(
        &inner,
        &join.statement,
        KIND.into(),
        effects,
        route,
        found,
    ))
}

/// Where it goes, with more than one shard.
fn route(reading: &Reading<'_>, join: &Join) -> Result<Route, Refusal> {
    let target = reading
        .facts
        .relations
        .iter()
        .position(|r| r.span.start == join.at)
        .ok_or_else(|| update::lost(&join.target.name))?;
    let Kind::Query(q) = &join.statement.kind else {
        return Err(unread("a part"));
    };
    match reading.places[target] {
        Place::Catalog => Err(update::catalog(reading, target)),
        Place::Shard(home) => {
            let refusal = match select::one_shard(reading, &join.statement) {
                Ok(Some(Target::Agree { otherwise, .. })) => *otherwise,
                Ok(Some(to)) => return Ok(Route::Single(to)),
                Ok(None) => reading.mixed(),
                Err(refusal) => refusal,
            };
            staged::whole(reading, join, home).ok_or(refusal)
        }
        Place::Reference => {
            same_rows(reading, join, target)?;
            copies::plan(reading, &join.statement, target, false, Vec::new())
                .or_else(|refusal| staged::copies(reading, join, target).ok_or(refusal))
        }
        Place::Sharded { key, placement } => {
            keeps_key(&join.assigned, key)?;
            let keys = Keys::new(reading, join, target, (key, placement));
            let bound =
                select::one_shard(reading, &join.statement).map(|to| to.map(|to| keys.target(to)));
            if let Ok(Some(to @ Target::Key(_))) = bound {
                return Ok(Route::Single(to));
            }
            let staged = || {
                let targets = reading.all_targets();
                let unless = (targets != Targets::All).then(|| keys.targets(targets));
                staged::plan(reading, join, target, (key, placement), unless)
            };
            if !stored_as_compared(reading, join, target, (key, placement)) {
                same_rows(reading, join, target)?;
                return staged()?.ok_or_else(|| {
                    Refusal::new(
                        Reason::KeyNotComputable,
                        "A row that MERGE inserts may lose blanks at the end of its key, and be of another shard than what it was compared with.",
                    )
                    .with_hint("Give the key as a constant without blanks at its end, or by a column of the same type.")
                });
            }
            let mixed = match bound {
                Ok(Some(to)) => return Ok(Route::Single(to)),
                Ok(None) => None,
                Err(refusal) if refusal.reason == Reason::MixedHomes => Some(refusal),
                Err(refusal) => return Err(refusal),
            };
            same_rows(reading, join, target)?;
            if let Some(mixed) = mixed {
                return staged()?.ok_or(mixed);
            }
            match spread::query(reading, q) {
                Ok(Spread::Everywhere) => Err(unread("a source without rows")),
                Ok(apart) => keys.route(select::over_shards(reading, Ok(apart))),
                Err(refusal) => staged()?.map_or_else(
                    || {
                        let refusal = meant(refusal, !join.keys.is_empty());
                        keys.route(select::over_shards(reading, Err(refusal)))
                    },
                    Ok,
                ),
            }
        }
    }
}

/// A refusal of the join, as one of a `MERGE`.
fn meant(refusal: Refusal, inserts: bool) -> Refusal {
    match refusal.reason {
        Reason::ReferencePreserved if inserts => Refusal::new(
            Reason::WriteOverShards,
            "Each shard would insert the rows of the source that have no partner on it.",
        )
        .with_hint(
            "Let ON compare the whole sharding key with columns of the source, and INSERT give these as the new row's key; or let both say the same constants.",
        ),
        _ => refusal,
    }
}

/// Whether rows that are inserted get the very key that the target's rows are compared with: `character varying(n)` cuts
/// blanks off what is stored.
fn stored_as_compared(
    reading: &Reading<'_>,
    join: &Join<'_>,
    target: usize,
    (key, placement): (&[String], PlacementId),
) -> bool {
    let column = |at: usize, name: &str| reading.table(at)?.column(name);
    let types = &reading.topology.placement(placement).types;
    join.keys.iter().all(|values| {
        let columns = key.iter().zip(types);
        values.iter().zip(columns).all(|(value, (k, &key_type))| {
            let own = column(target, k);
            let said = words(value.of(join.original), reading.options);
            key_column::cut(own, key_type) == Cut::Nothing
                || match &said[..] {
                    [one] if !one.name => !one.text.contains([' ', '\\', '$']),
                    [alias, dot, c] if dot.is(".") => {
                        let source =
                            reading.facts.relations.iter().position(|r| {
                                r.span.start == join.rows.start && r.alias == alias.text
                            });
                        let there = source.and_then(|at| column(at, &c.text));
                        there.is_some_and(|there| Some(&there.declared) == own.map(|c| &c.declared))
                    }
                    _ => false,
                }
        })
    })
}

/// That what is not said of the rows that are inserted is the same whichever shard inserts them.
fn same_rows(reading: &Reading<'_>, join: &Join, target: usize) -> Result<(), Refusal> {
    let refused = |what: String| {
        Err(Refusal::new(Reason::WriteOverShards, what).with_hint(
            "Give the column's value in the statement, or the sharding key of all rows as constants.",
        ))
    };
    let (Some(columns), Some(table)) = (&join.defaulted, reading.table(target)) else {
        return refused("The defaults of the table's columns are not known.".to_owned());
    };
    for name in columns {
        let column = table.column(name);
        if column.is_none_or(|c| defaults::of(reading, c) != Defaulted::Same) {
            return refused(format!(
                "MERGE gives \"{name}\" a default that may be another value on each shard."
            ));
        }
    }
    let mut found = None;
    walk::statement(&join.statement, &mut |met| {
        if let Met::Expr(Expr {
            kind: ExprKind::Call(call),
            ..
        }) = met
            && reading.nature(call) != Nature::Pure
        {
            found.get_or_insert(call.name.name.clone());
        }
    });
    match found {
        None => Ok(()),
        Some(name) => refused(format!("\"{name}\" may give another value on each shard.")),
    }
}
