//! `UPDATE`.

use super::names::Place;
use super::reading::Reading;
use super::spread::{self, Changed, Spread};
use super::{Reason, Refusal, Route, copies, moment, select};
use crate::sql::Statement;
use crate::sql::statement::{Assignment, Expr, ExprKind, SelectItem, Update};
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
            let plain = moment::plain_values(reading.table(target), &u.assignments).collect();
            copies::plan(reading, statement, target, !u.from.is_empty(), plain)
        }
        Place::Shard(_) => match select::one_shard(reading, statement)? {
            Some(to) => Ok(Route::Single(to)),
            None => Err(reading.mixed()),
        },
        Place::Sharded { key, .. } => {
            keeps_key(&u.assignments, key)?;
            if let Some(to) = select::one_shard(reading, statement)? {
                return Ok(Route::Single(to));
            }
            simple(!u.with.is_empty(), u.current_of.is_some())?;
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
            let proven = spread::change(reading, &changed).map(|()| Spread::Apart(vec![target]));
            select::over_shards(reading, proven)
        }
    }
}

/// Whether a constant is assigned to a column that is known to hold no dates or times.
fn plain_constant(table: Option<&Relation>, a: &Assignment) -> bool {
    matches!(a.value.kind, ExprKind::Literal(_) | ExprKind::Param(_))
        && matches!(&a.columns[..], [one] if moment::plain_column(table, one))
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
pub(super) fn simple(with: bool, cursor: bool) -> Result<(), Refusal> {
    let what = match (with, cursor) {
        (true, _) => "A change over several shards has a WITH clause.",
        (_, true) => "WHERE CURRENT OF is about a cursor of one shard.",
        _ => return Ok(()),
    };
    Err(Refusal::new(Reason::WriteOverShards, what))
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
