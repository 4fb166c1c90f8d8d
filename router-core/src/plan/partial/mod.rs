//! Groups and aggregates whose parts can be put together, and `DISTINCT`: most of the work is the shards'.
//!
//! Each shard answers with the groups of its own rows and with partial aggregates of them. These rows, not those of the
//! tables, are put together by PostgreSQL: one of the shards evaluates the statement's own expressions over them. Few
//! rows get there as parameters of that text ([`Step::Fetch`]); many, where there is a scratch server, through a temporary
//! table there. Where nothing but counts and sums of small integers is asked for they are added up on the way
//! ([`Merge::Added`]).
//!
//! Proof: the block's `FROM` and `WHERE` are apart (`spread`), so the rows of one server are the disjoint union of those
//! of all shards. A group of one server is the union of the groups of the shards with the same values in the grouping
//! columns, which `GROUP BY` over the parts makes of them. Over a disjoint union,
//!
//! * `count` is the sum of the counts, `sum` the sum of the sums that are not null, `min`, `max`, `bool_*` and `bit_*`
//!   are those of the partial ones. Sums of whole numbers and of `numeric` are exact, so the order does not count;
//!   sums in floating point are not, and are left to a gather of the rows;
//! * `avg` is the sum divided by the count, which is how PostgreSQL finishes it for these types (`numeric_avg`, `int8_avg`):
//!   one division of `numeric`s of the same value and scale;
//! * with `DISTINCT`: of a key as it is, since equal values are on one shard; of anything else, the parts are those of
//!   smaller groups, divided by the value, of which the aggregate is taken in the end. A key beside that divides them
//!   too, since its equal values may be in several of the smaller groups;
//! * `FILTER` says which rows are aggregated, on each shard as on one server.
//!
//! Types: `sum` of `bigint` partial sums is `numeric` and is made a `bigint` again where the whole sum is one.
//!
//! | file | |
//! |---|---|
//! | `block` | the parts of a block, and the text that puts them together |
//! | `number` | numbers whose sums do not depend on the order |
//! | `shown` | which of several equal values stands for a group |

mod block;
mod number;
mod shown;

use super::gather::{self, TEMPORARY};
use super::outputs::{Title, title};
use super::program::filled;
use super::reading::Reading;
use super::splice::{Splice, quoted};
use super::{Answer, Merge, On, Program, Route, Step, Targets};
use crate::id::Span;
use crate::sql::Statement;
use crate::sql::statement::{Distinct, ExprKind, Query, Select, SelectItem, SetExpr};
use block::{Block, group, has_query};
use number::Number;

/// A row of counts and sums of small integers, when the proof holds: the client's own text goes to each shard.
///
/// Such a sum of one shard's rows is a `bigint`, and so is that of the sums; it overflows as one server's would, since
/// PostgreSQL adds in `bigint` too (`int4_sum`), if not always at the same row.
pub(super) fn added(reading: &Reading<'_>, q: &Query) -> Option<Route> {
    let s = aggregates_alone(q)?;
    let mut block = Block::new(reading, s).filter(|b| b.grouped)?;
    for item in &s.items {
        let SelectItem::Expr { expr, .. } = item else {
            return None;
        };
        let ExprKind::Call(call) = &expr.kind else {
            return None;
        };
        let fits = match (call.name.name.as_str(), &call.args[..]) {
            ("count", _) => true,
            // What a literal is depends on its digits, and a plan of this kind holds for others too.
            ("sum", [x]) => {
                matches!(x.kind, ExprKind::Column { .. }) && block.number(x) == Some(Number::Small)
            }
            _ => false,
        };
        if !fits || call.over.is_some() {
            return None;
        }
        block.aggregate(expr, call)?;
    }
    if !block.divisions.is_empty() {
        return None;
    }
    block.proven(q)?;
    Some(Route::Scatter {
        targets: reading.all_targets(),
        merge: Merge::Added,
    })
}

/// The block of a query that is nothing but a select list over all rows.
fn aggregates_alone(q: &Query) -> Option<&Select> {
    let SetExpr::Select(s) = &q.body else {
        return None;
    };
    let alone = s.into.is_none()
        && s.distinct == Distinct::No
        && s.group_by.is_empty()
        && s.having.is_none()
        && s.windows.is_empty()
        && !s.items.is_empty()
        && q.locks.is_empty()
        && q.order_by.is_empty()
        && q.limit.is_none()
        && q.offset.is_none();
    alone.then_some(s)
}

/// The program, when the proof holds.
pub(super) fn plan(reading: &Reading<'_>, statement: &Statement, q: &Query) -> Option<Program> {
    let SetExpr::Select(s) = &q.body else {
        return None;
    };
    let fits = s.into.is_none()
        && q.locks.is_empty()
        && s.windows.is_empty()
        && !s.items.is_empty()
        && !s.items_span.is_empty()
        && !statement.span.is_empty()
        && !reading.text.contains(TEMPORARY)
        // Not all of it is evaluated on each shard.
        && gather::about_one_server(reading, statement).is_none();
    if !fits {
        return None;
    }
    let mut block = Block::new(reading, s)?;
    let mut text = together(reading, statement, q, &mut block)?;
    if block.counts_keys_twice() {
        block = Block::new(reading, s)?;
        block.divides_keys = true;
        text = together(reading, statement, q, &mut block)?;
    }
    block.proven(q)?;

    let partial = block.partial(statement)?;
    let targets = reading.all_targets();
    reading.exact.set(true);
    // One row of each shard is never too much.
    let few = block.grouped && block.groups.is_empty() && block.divisions.is_empty();
    let otherwise = reading.topology.scratch.filter(|_| !few).map(|scratch| {
        let name = format!("{TEMPORARY}1");
        Box::new(Program {
            unless: None,
            steps: vec![
                Step::Run {
                    on: On::Shard(scratch),
                    text: filled(&format!("pg_temp.{name}"), &partial),
                },
                Step::Move {
                    from: On::Except(targets.clone(), scratch),
                    query: partial.clone(),
                    to: scratch,
                    table: format!("pg_temp.{name}"),
                    as_text: block.as_text,
                    among: None,
                },
            ],
            answer: Answer::Merged {
                on: On::Shard(scratch),
                text: text.clone(),
                merge: Merge::Concatenate,
            },
            temporary: vec![(name, On::Shard(scratch))],
            writes: false,
        })
    });
    Some(Program {
        unless: (targets != Targets::All).then(|| targets.clone()),
        steps: vec![Step::Fetch {
            from: targets.clone(),
            query: partial,
            table: format!("pg_temp.{TEMPORARY}1"),
            as_text: block.as_text,
        }],
        answer: Answer::Finished {
            on: targets,
            text,
            columns: statement.span.of(reading.text).to_owned(),
            otherwise,
        },
        temporary: Vec::new(),
        writes: false,
    })
}

/// The text that puts the parts together.
fn together<'b>(
    reading: &Reading<'_>,
    statement: &Statement,
    q: &'b Query,
    block: &mut Block<'b, '_>,
) -> Option<String> {
    let s = block.s;
    let mut splice = Splice::default();
    for item in &s.items {
        let SelectItem::Expr { expr, alias } = item else {
            return None;
        };
        block.rewrite(expr, &mut splice)?;
        if alias.is_none() {
            let name = match title(expr) {
                Title::Is(name) => quoted(&name),
                Title::None => "\"?column?\"".to_owned(),
                Title::Doubt => return None,
            };
            if expr.span.is_empty() {
                return None;
            }
            splice.insert(expr.span.end, format!(" AS {name}"));
        }
    }
    if let Some(having) = &s.having {
        block.rewrite(having, &mut splice)?;
    }
    if let Distinct::On(list) = &s.distinct {
        for e in list {
            block.sorted_by(e, &mut splice)?;
        }
    }
    for item in &q.order_by {
        block.sorted_by(&item.expr, &mut splice)?;
    }
    if q.limit.iter().chain(&q.offset).any(has_query) {
        return None;
    }
    let within = |start, end| splice.apply(reading.text, Span { start, end });
    let mut text = within(s.span.start, s.items_span.end)?;
    text.push_str(&match block.least_key() {
        Some(_) => format!(" FROM ({}) AS {TEMPORARY}1", block.shown_first()),
        None => format!(" FROM pg_temp.{TEMPORARY}1 AS {TEMPORARY}1"),
    });
    if s.distinct != Distinct::Yes || block.grouped {
        let keys: Vec<String> = (1..=block.groups.len()).map(group).collect();
        if !keys.is_empty() {
            text.push_str(&format!(" GROUP BY {}", keys.join(", ")));
        }
    }
    if let Some(having) = &s.having {
        text.push_str(&format!(
            " HAVING {}",
            within(having.span.start, having.span.end)?
        ));
    }
    text.push_str(within(s.span.end, statement.span.end)?.trim_end());
    Some(text)
}
