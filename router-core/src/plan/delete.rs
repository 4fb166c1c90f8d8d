//! `DELETE`.

use super::names::Place;
use super::reading::Reading;
use super::spread::{self, Changed};
use super::update::{catalog, everywhere, lost, returned, simple};
use super::{Refusal, Route, bring, changes, copies};
use crate::sql::Statement;
use crate::sql::statement::Delete;

/// Where a deletion goes.
pub(super) fn plan(
    reading: &Reading<'_>,
    statement: &Statement,
    d: &Delete,
) -> Result<Route, Refusal> {
    let target = reading
        .of(&d.target)
        .ok_or_else(|| lost(&d.target.name.name))?;
    match reading.places[target] {
        Place::Catalog => Err(catalog(reading, target)),
        Place::Reference => bring::copies(reading, statement, target, &|reading| {
            copies::plan(reading, statement, target, false, Vec::new())
        }),
        Place::Shard(home) => bring::whole(reading, statement, target, home),
        Place::Sharded { .. } => {
            if let Some(route) = bring::direct(reading, statement)? {
                return Ok(route);
            }
            simple(d.current_of.is_some())?;
            bring::change(reading, statement, target, &|reading| {
                apart(reading, d, target)
            })
        }
    }
}

/// That a deletion from a sharded table, run on each shard, is the deletion of one server.
fn apart(reading: &Reading<'_>, d: &Delete, target: usize) -> Result<(), Refusal> {
    everywhere(reading, &d.with, d.recursive)?;
    let changed = Changed {
        target,
        from: &d.using,
        filter: d.filter.as_ref(),
        outputs: returned(&d.returning).collect(),
    };
    spread::change(reading, &changed)
}

/// A deletion behind changes of its WITH clause that are made elsewhere.
pub(super) fn behind_changes(
    reading: &Reading<'_>,
    statement: &Statement,
    d: &Delete,
) -> Result<Route, Refusal> {
    simple(d.current_of.is_some())?;
    changes::before(
        reading,
        statement,
        &d.with,
        &d.target,
        &|reading, target| apart(reading, d, target),
    )
}
