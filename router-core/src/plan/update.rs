//! `UPDATE`.

use super::key_column::Stored;
use super::names::Place;
use super::reading::Reading;
use super::spread::{self, Changed, Spread};
use super::{
    KeySource, KeyTarget, Reason, Refusal, Route, Target, bring, changes, copies, key_column,
    moment, moved, select,
};
use crate::id::PlacementId;
use crate::sql::Statement;
use crate::sql::statement::{Assignment, Cte, Expr, ExprKind, Kind, SelectItem, Update};
use crate::topology::catalog::Relation;

/// Where an update goes.
pub(super) fn plan(
    reading: &Reading<'_>,
    statement: &Statement,
    u: &Update,
) -> Result<Route, Refusal> {
    let target = reading
        .of(&u.target)
        .ok_or_else(|| lost(&u.target.name.name))?;
    match reading.places[target] {
        Place::Catalog => Err(catalog(reading, target)),
        Place::Reference => {
            let chooses = !u.from.is_empty();
            bring::copies(reading, statement, target, &|reading| {
                let plain = moment::plain_values(reading.table(target), &u.assignments).collect();
                copies::plan(reading, statement, target, chooses, plain)
            })
        }
        Place::Shard(home) => bring::whole(reading, statement, target, home),
        Place::Sharded { key, placement } => {
            if keeps_key(&u.assignments, key).is_err() {
                return match moved::plan(reading, statement, u, target, (key, placement)) {
                    Err(refusal) if refusal.reason == Reason::KeyChange => {
                        stays(reading, statement, u, target, (key, placement), refusal)
                    }
                    route => route,
                };
            }
            if let Some(route) = bring::direct(reading, statement)? {
                return Ok(route);
            }
            simple(u.current_of.is_some())?;
            bring::change(reading, statement, target, &|reading| {
                apart(reading, u, target)
            })
        }
    }
}

/// That an update of a sharded table, run on each shard, is the update of one server.
fn apart(reading: &Reading<'_>, u: &Update, target: usize) -> Result<(), Refusal> {
    everywhere(reading, &u.with, u.recursive)?;
    let table = reading.table(target);
    let changed = Changed {
        target,
        from: &u.from,
        filter: u.filter.as_ref(),
        outputs: u
            .assignments
            .iter()
            .filter(|a| !plain_constant(table, a))
            .map(|a| &a.value)
            .chain(returned(&u.returning))
            .collect(),
    };
    spread::change(reading, &changed)
}

/// An update behind changes of its WITH clause that are made elsewhere.
pub(super) fn behind_changes(
    reading: &Reading<'_>,
    statement: &Statement,
    u: &Update,
) -> Result<Route, Refusal> {
    simple(u.current_of.is_some())?;
    changes::before(
        reading,
        statement,
        &u.with,
        &u.target,
        &|reading, target| {
            if let Some((key, _)) = reading.key(target) {
                keeps_key(&u.assignments, key)?;
            }
            apart(reading, u, target)
        },
    )
}

/// That the common table expressions of a change give the same on every shard: then each shard may evaluate them.
pub(super) fn everywhere(
    reading: &Reading<'_>,
    with: &[Cte],
    recursive: bool,
) -> Result<(), Refusal> {
    for cte in with {
        // What was returned by a change is brought to all.
        if reading.answered.contains(&cte.body.span) {
            continue;
        }
        let proven = match &cte.body.kind {
            Kind::Query(q) if !recursive => spread::query(reading, q)?,
            _ => Spread::Apart(Vec::new()),
        };
        if proven != Spread::Everywhere {
            return Err(Refusal::new(
                Reason::WriteOverShards,
                format!(
                    "The common table expression \"{}\" of a change over several shards is not the same on each of them.",
                    cte.name
                ),
            ));
        }
    }
    Ok(())
}

/// Whether a constant is assigned to a column that is known to hold no dates or times.
fn plain_constant(table: Option<&Relation>, a: &Assignment) -> bool {
    !a.part
        && matches!(a.value.kind, ExprKind::Literal(_) | ExprKind::Param(_))
        && matches!(&a.columns[..], [one] if moment::plain_column(table, one))
}

/// An update of the rows of one key that assigns a key, as whoever saves whole rows does it.
///
/// Proof: all its rows are on the shard of the key that they have. If that is the shard of the key that they get, too, they are
/// where they belong before and after, and PostgreSQL does there what it does anywhere. `otherwise`: what is said if it is not.
fn stays(
    reading: &Reading<'_>,
    statement: &Statement,
    u: &Update,
    target: usize,
    (key, placement): (&[String], PlacementId),
    otherwise: Refusal,
) -> Result<Route, Refusal> {
    let Ok(Some(Target::Key(before))) = select::one_shard(reading, statement) else {
        return Err(otherwise);
    };
    if before.placement != placement {
        return Err(otherwise);
    }
    let types = &reading.topology.placement(placement).types;
    let table = reading.table(target);
    let values: Option<Vec<KeySource>> = key
        .iter()
        .zip(types)
        .zip(&before.values)
        .map(|((column, &key_type), known)| {
            let mut given = u.assignments.iter().filter(|a| a.columns.contains(column));
            let Some(a) = given.next() else {
                return Some(known.clone());
            };
            let value =
                (a.columns.len() == 1 && !a.part).then(|| reading.constants.source(&a.value))??;
            if value == known.value {
                return Some(known.clone());
            }
            let stored = Stored {
                required: false,
                cut: key_column::cut(table.and_then(|t| t.column(column)), key_type),
            };
            Some(KeySource {
                key_type,
                value,
                stored: Some(stored),
            })
        })
        .collect();
    let Some(values) = values else {
        return Err(otherwise);
    };
    let after = KeyTarget { placement, values };
    if after == before {
        return Ok(Route::Single(Target::Key(before)));
    }
    Ok(Route::Single(Target::Agree {
        parts: vec![Target::Key(before), Target::Key(after)],
        otherwise: Box::new(otherwise),
    }))
}

/// That no column of the key is assigned, unless to itself.
///
/// Proof that the row stays: its key is the same afterwards, so its home is.
pub(super) fn keeps_key(assignments: &[Assignment], key: &[String]) -> Result<(), Refusal> {
    for a in assignments {
        for column in a.columns.iter().filter(|c| key.contains(c)) {
            let itself = a.columns.len() == 1
                && matches!(&a.value.kind, ExprKind::Column { qualifier, name }
                    if qualifier.is_empty() && name == column);
            if !itself {
                return Err(Refusal::new(
                    Reason::KeyChange,
                    format!("\"{column}\", which is assigned, belongs to the sharding key."),
                ));
            }
        }
    }
    Ok(())
}

/// What a change over several shards cannot have.
pub(super) fn simple(cursor: bool) -> Result<(), Refusal> {
    match cursor {
        false => Ok(()),
        true => Err(Refusal::new(
            Reason::WriteOverShards,
            "WHERE CURRENT OF is about a cursor of one shard.",
        )),
    }
}

/// The expressions of `RETURNING`.
pub(super) fn returned(items: &[SelectItem]) -> impl Iterator<Item = &Expr> {
    items.iter().filter_map(|i| match i {
        SelectItem::Expr { expr, .. } => Some(expr),
        SelectItem::Wildcard { .. } => None,
    })
}

/// A relation that the facts do not have, though the tree has it.
pub(super) fn lost(name: &str) -> Refusal {
    Refusal::new(
        Reason::NotRead,
        format!("\"{name}\" could not be found again in the statement."),
    )
}

/// A change of a system catalog.
pub(super) fn catalog(reading: &Reading<'_>, target: usize) -> Refusal {
    Refusal::new(
        Reason::AllShardsSchema,
        format!(
            "\"{}\" is a system catalog, which every shard has of its own.",
            reading.named(target)
        ),
    )
}
