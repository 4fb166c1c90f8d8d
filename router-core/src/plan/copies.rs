//! Writes to reference tables: the same statement on every copy.
//!
//! Proof obligation: afterwards all copies are equal, and equal to the table of one server. They were equal before, so
//! it is enough that the change follows from the statement's constants and from reference tables alone, without the
//! clock, chance, sequences, places of rows, or a choice among rows that no order decides.

use super::defaults::{self, Defaulted};
use super::function::{Nature, is_aggregate, is_registry};
use super::names::Place;
use super::reading::Reading;
use super::spread::is_system_column;
use super::walk::{self, Met};
use super::{Merge, Reason, Refusal, Route, Targets, moment};
use crate::sql::Statement;
use crate::sql::statement::{Call, Distinct, Expr, ExprKind, Ident, Kind, TableRef};

/// The route of a change of the reference table `target`. `chooses` says that the statement may take any of several rows,
/// `plain` are values for columns that hold no dates or times.
pub(super) fn plan(
    reading: &Reading<'_>,
    statement: &Statement,
    target: usize,
    chooses: bool,
    plain: Vec<&Expr>,
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
    if let Some(what) = unordered(reading, statement, target) {
        return Err(differs(what.to_owned()));
    }
    let mut error: Option<String> = None;
    walk::statement(statement, &mut |met| {
        let found = match met {
            Met::Expr(e) => match &e.kind {
                ExprKind::Call(call) => of_call(reading, call),
                ExprKind::Column { name, .. } if is_system_column(name) => {
                    Some(format!("\"{name}\" differs between copies of"))
                }
                ExprKind::ArrayQuery(_) => {
                    Some("ARRAY(SELECT …) depends on the order of rows, which may differ on each shard, for".to_owned())
                }
                ExprKind::Cast { to, .. } if is_registry(to) => {
                    Some(format!("\"{to}\" is another number on each shard, for"))
                }
                ExprKind::Cast { expr, to, .. } if moment::may_read(reading, expr, to) => {
                    Some(format!("A text that is read as \"{to}\" may say 'now', which is another time on each shard, for"))
                }
                _ => None,
            },
            Met::Query(q) if !q.locks.is_empty() => {
                Some("A locking clause may skip or wait for other rows on each shard, for".to_owned())
            }
            Met::From(TableRef::Relation(r)) if r.sample.is_some() => {
                Some("TABLESAMPLE chooses other rows on each shard for".to_owned())
            }
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
        None => {
            *reading.moments.borrow_mut() =
                moment::of_statement(reading, statement, plain.into_iter());
            Ok(Route::Scatter {
                targets: Targets::All,
                merge: Merge::Copies,
            })
        }
    }
}

/// Whether a change of a reference table inside of another one changes every copy alike, as far as [`plan`] of the outer
/// statement does not see to it: that looks at all expressions of both.
pub(super) fn follows(reading: &Reading<'_>, inner: &Statement, target: usize) -> bool {
    let chooses = match &inner.kind {
        Kind::Update(u) => !u.from.is_empty(),
        Kind::Delete(_) => false,
        // Its defaults and conflicts would have to be looked at.
        _ => true,
    };
    !chooses && unordered(reading, inner, target).is_none()
}

/// What the statement itself takes from each server: the row of a cursor, or a default that is not known to be constant.
/// An `INSERT`'s own defaults are looked at by its planner.
fn unordered(reading: &Reading<'_>, statement: &Statement, target: usize) -> Option<&'static str> {
    let (assignments, cursor) = match &statement.kind {
        Kind::Update(u) => (&u.assignments[..], u.current_of.is_some()),
        Kind::Delete(d) => (&[][..], d.current_of.is_some()),
        Kind::Insert(i) => (
            i.on_conflict
                .as_ref()
                .and_then(|c| c.update.as_deref())
                .unwrap_or(&[]),
            false,
        ),
        _ => (&[][..], false),
    };
    // Of a view it may be the view's own default or that of what it shows.
    let table = reading.table(target);
    let same = |name: &Ident| {
        let column = table.and_then(|table| table.column(name));
        column.is_some_and(|column| defaults::of(reading, column) == Defaulted::Same)
    };
    let mut default = false;
    for a in assignments {
        if a.columns.iter().all(same) {
            continue;
        }
        walk::expr(&a.value, &mut |met| {
            default |= matches!(met, Met::Expr(e) if e.kind == ExprKind::Default);
        });
    }
    match (cursor, default) {
        (true, _) => Some("WHERE CURRENT OF is about a cursor of one shard, not of every copy of"),
        (_, true) => Some("A default may give another value on each shard, for"),
        _ => None,
    }
}

fn of_call(reading: &Reading<'_>, call: &Call) -> Option<String> {
    if reading.nature(call) != Nature::Pure {
        return Some(format!(
            "\"{}\" may give another value on each shard, for",
            call.name.name
        ));
    }
    // `date(x)` is a cast.
    if moment::is_type(&call.name.name)
        && call
            .args
            .iter()
            .any(|e| moment::may_read(reading, e, &call.name.name))
    {
        return Some(format!(
            "A text that is read as \"{}\" may say 'now', which is another time on each shard, for",
            call.name.name
        ));
    }
    // Texts in a document are read by the types of columns.
    if moment::reads_documents(reading, call) {
        let name = &call.name.name;
        return Some(format!(
            "A text that \"{name}\" reads as a time may say 'now', which is another time on each shard, for"
        ));
    }
    // The last digits of a sum of floats follow the order in which they are added.
    let digits = matches!(call.name.name.as_str(), "sum" | "avg");
    if call.over.is_some()
        || is_aggregate(call) && (digits || !super::spread::order_does_not_matter(call))
    {
        return Some(format!(
            "\"{}\" depends on the order of rows, which may differ on each shard, for",
            call.name.name
        ));
    }
    None
}
