//! Writes to reference tables: the same statement on every copy.
//!
//! Proof obligation: afterwards all copies are equal, and equal to the table of one server. They were equal before, so
//! it is enough that the change follows from the statement's constants and from reference tables alone, without the
//! clock, chance, sequences, places of rows, or a choice among rows that no order decides.

use super::function::{Nature, is_aggregate, nature};
use super::names::Place;
use super::reading::Reading;
use super::spread::is_system_column;
use super::walk::{self, Met};
use super::{Merge, Reason, Refusal, Route, Targets};
use crate::sql::Statement;
use crate::sql::statement::{Call, Distinct, ExprKind};

/// The route of a change of the reference table `target`. `chooses` says that the statement may take any of several rows.
pub(super) fn plan(
    reading: &Reading<'_>,
    statement: &Statement,
    target: usize,
    chooses: bool,
) -> Result<Route, Refusal> {
    let name = reading.named(target);
    for (at, place) in reading.places.iter().enumerate() {
        if *place != Place::Reference {
            return Err(Refusal::new(
                Reason::ReferenceVolatile,
                format!(
                    "What is written to \"{name}\" depends on \"{}\", which not every shard has whole.",
                    reading.named(at)
                ),
            ));
        }
    }
    let differs =
        |what: String| Refusal::new(Reason::ReferenceVolatile, format!("{what} \"{name}\"."));
    if chooses {
        return Err(differs(
            "A join may find several rows, of which each shard may take another, for".into(),
        )
        .with_hint("Use a subquery in SET that gives one row."));
    }
    let mut error: Option<String> = None;
    walk::statement(statement, &mut |met| {
        let found = match met {
            Met::Expr(e) => match &e.kind {
                ExprKind::Call(call) => of_call(reading, call),
                ExprKind::Column { name, .. } if is_system_column(name) => {
                    Some(format!("\"{name}\" differs between copies of"))
                }
                _ => None,
            },
            Met::Query(q) if q.limit.is_some() || q.offset.is_some() => {
                Some("LIMIT or OFFSET may choose other rows on each shard for".to_owned())
            }
            Met::Select(s) if matches!(s.distinct, Distinct::On(_)) => {
                Some("DISTINCT ON may choose other rows on each shard for".to_owned())
            }
            Met::Select(s) if s.into.is_some() => {
                Some("SELECT INTO is in the change of".to_owned())
            }
            _ => None,
        };
        if error.is_none() {
            error = found;
        }
    });
    match error {
        Some(what) => Err(differs(what)),
        None => Ok(Route::Scatter {
            targets: Targets::All,
            merge: Merge::Copies,
        }),
    }
}

fn of_call(reading: &Reading<'_>, call: &Call) -> Option<String> {
    if nature(call, reading.catalog, reading.search_path) != Nature::Pure {
        return Some(format!(
            "\"{}\" may give another value on each shard, for",
            call.name.name
        ));
    }
    if call.over.is_some() || is_aggregate(call) && !super::spread::order_does_not_matter(call) {
        return Some(format!(
            "\"{}\" depends on the order of rows, which may differ on each shard, for",
            call.name.name
        ));
    }
    None
}
