//! `DELETE`.

use super::names::Place;
use super::reading::Reading;
use super::spread::{self, Changed, Spread};
use super::update::{catalog, lost, returned, simple};
use super::{Refusal, Route, copies, select};
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
        Place::Reference => copies::plan(reading, statement, target, false, Vec::new()),
        Place::Shard(_) => match select::one_shard(reading, statement)? {
            Some(to) => Ok(Route::Single(to)),
            None => Err(reading.mixed()),
        },
        Place::Sharded { .. } => {
            if let Some(to) = select::one_shard(reading, statement)? {
                return Ok(Route::Single(to));
            }
            simple(!d.with.is_empty(), d.current_of.is_some())?;
            let changed = Changed {
                target,
                from: &d.using,
                filter: d.filter.as_ref(),
                outputs: returned(&d.returning).collect(),
            };
            let proven = spread::change(reading, &changed).map(|()| Spread::Apart(vec![target]));
            select::over_shards(reading, proven)
        }
    }
}
