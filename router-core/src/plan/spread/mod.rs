//! The proof that a query may run on each shard and its answers be put one after the other.
//!
//! Write `Q(S)` for the rows that query `Q` gives on the shard `S`, and `Q(*)` for those of one server with all rows.
//! A query is *apart* when `Q(*)` is the disjoint union of `Q(S)` over all shards, as bags, and each row of it is
//! made from sharded rows of one shard. It is *everywhere* when it reads no sharded table and `Q(S) = Q(*)` on every
//! shard. [`Spread`] says which of the two was proven; each rule below carries its proof. Whatever is neither is
//! refused with the construct that stands in the way.
//!
//! Two facts carry all rules. Rows of sharded tables of one placement with the same key are on the same shard. And a
//! reference table has all its rows on every shard.

mod block;
mod column;
mod expr;
mod from;
mod level;

pub(super) use block::order_does_not_matter;
pub(super) use column::is_column;
pub(super) use expr::is_system_column;

use crate::id::PlacementId;
use crate::plan::names::Place;
use crate::plan::reading::Reading;
use crate::plan::walk::{self, Met};
use crate::plan::{Reason, Refusal};
use crate::sql::statement::{Expr, Ident, Kind, Query, SelectItem, SetExpr, SetOp, TableRef};
use column::locals;

/// What was proven of a query, or of a part of `FROM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// The same on every shard.
    Everywhere,
    /// Each shard gives its share. The uses are of sharded tables; each row has a row of every use that is not null-extended.
    Apart(Vec<usize>),
}

/// Common table expressions in sight, the innermost last.
type Scope = Vec<(Ident, Result<Spread, Refusal>)>;

/// Proves a query apart or everywhere.
pub(super) fn query(reading: &Reading<'_>, q: &Query) -> Result<Spread, Refusal> {
    Prover {
        reading,
        ctes: Vec::new(),
        outer: Vec::new(),
    }
    .query(q)
}

/// What a data-changing statement adds to a `SELECT` over the same tables.
pub(super) struct Changed<'q> {
    /// The relation that is changed.
    pub(super) target: usize,
    /// `FROM` of `UPDATE`, `USING` of `DELETE`.
    pub(super) from: &'q [TableRef],
    /// Conditions.
    pub(super) filter: Option<&'q Expr>,
    /// Expressions whose values are stored or returned.
    pub(super) outputs: Vec<&'q Expr>,
}

/// Proves that a change of a sharded table, run on each shard, makes all changes and each once.
///
/// Proof: the change is that of the rows of the join of the target with `from`. When that join is apart, each
/// affected row is found on its own shard, with all its partners, and on no other.
pub(super) fn change(reading: &Reading<'_>, changed: &Changed<'_>) -> Result<(), Refusal> {
    let mut prover = Prover {
        reading,
        ctes: Vec::new(),
        outer: Vec::new(),
    };
    let mut spread = Spread::Apart(vec![changed.target]);
    for item in changed.from {
        let right = prover.from(item, &spread)?;
        spread = prover.inner(spread, right)?;
    }
    let uses = match &spread {
        Spread::Apart(uses) => uses.clone(),
        Spread::Everywhere => Vec::new(),
    };
    let mut error = None;
    for item in changed.from {
        walk::from_exprs(item, &mut |e, output| {
            if error.is_none() {
                error = prover.expr(e, &uses, output).err();
            }
        });
    }
    error.map_or(Ok(()), Err)?;
    if let Some(e) = changed.filter {
        prover.expr(e, &uses, false)?;
    }
    for e in &changed.outputs {
        prover.expr(e, &uses, true)?;
    }
    Ok(())
}

/// Proves that expressions over rows of the use `at` give on its shard what they would give on one server: `RETURNING`
/// and `ON CONFLICT DO UPDATE` of rows that are inserted on several shards.
pub(super) fn outputs<'q>(
    reading: &Reading<'_>,
    at: usize,
    list: impl Iterator<Item = &'q Expr>,
) -> Result<(), Refusal> {
    let mut prover = Prover {
        reading,
        ctes: Vec::new(),
        outer: Vec::new(),
    };
    for e in list {
        prover.expr(e, &[at], true)?;
    }
    Ok(())
}

struct Prover<'p, 'a> {
    reading: &'p Reading<'a>,
    ctes: Scope,
    /// Sharded uses of the blocks around the one in hand.
    outer: Vec<usize>,
}

fn merging(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::NeedsMerge, detail)
}

impl Prover<'_, '_> {
    fn query(&mut self, q: &Query) -> Result<Spread, Refusal> {
        if self.reading.answered.contains(&q.span) {
            return Ok(Spread::Everywhere);
        }
        let depth = self.ctes.len();
        let result = self.query_inside(q);
        self.ctes.truncate(depth);
        result
    }

    fn query_inside(&mut self, q: &Query) -> Result<Spread, Refusal> {
        for cte in &q.with {
            // A common table expression is evaluated once, so each reference sees the same rows: a shard's share of
            // them when it is apart, all of them when it is everywhere. Of one that is never referenced nothing counts.
            let proven = match &cte.body.kind {
                _ if q.recursive => self.untouched(&cte.body).map(|()| Spread::Everywhere),
                Kind::Query(inner) => self.query(inner),
                _ => {
                    return Err(Refusal::new(
                        Reason::WriteOverShards,
                        format!("The common table expression \"{}\" changes data.", cte.name),
                    ));
                }
            };
            // A use stands for one row at a time; with several references there would be several.
            let proven = match proven {
                Ok(Spread::Apart(_)) if references(self.reading, q, &cte.name) > 1 => {
                    Ok(Spread::Apart(Vec::new()))
                }
                proven => proven,
            };
            self.ctes.push((cte.name.clone(), proven));
        }
        let spread = self.set(&q.body)?;
        for e in q
            .order_by
            .iter()
            .map(|o| &o.expr)
            .chain(&q.limit)
            .chain(&q.offset)
        {
            // What is sorted by is no value of the result, but would differ like one.
            self.expr(e, &[], true).or_else(|r| {
                if matches!(spread, Spread::Apart(_)) {
                    Ok(())
                } else {
                    Err(r)
                }
            })?;
        }
        // Of rows that are the same everywhere, any order will do, but not any choice: without a total order, copies of
        // a table on different shards may choose differently.
        let chosen = q.limit.is_some() || q.offset.is_some();
        match &spread {
            Spread::Everywhere if chosen => Err(merging(
                "LIMIT or OFFSET in a subquery of reference tables may choose other rows on each shard.",
            )),
            Spread::Everywhere => Ok(spread),
            Spread::Apart(_) if chosen && !q.locks.is_empty() => Err(merging(
                "LIMIT or OFFSET counts rows of all shards together, and each shard would lock as many as may count: more than are given.",
            )
            .with_hint("Leave out SKIP LOCKED and NOWAIT, for which locks on other rows are not the same, or LIMIT, or add the sharding key to the WHERE clause.")),
            Spread::Apart(_) if chosen => Err(merging(
                "LIMIT or OFFSET counts rows of all shards together.",
            )),
            Spread::Apart(_) if !q.order_by.is_empty() => {
                Err(merging("ORDER BY sorts rows of all shards together."))
            }
            Spread::Apart(_) => Ok(spread),
        }
    }

    /// That a statement reads no sharded table, nor anything that is not known to be harmless.
    fn untouched(&self, s: &crate::sql::Statement) -> Result<(), Refusal> {
        let mut found = None;
        walk::statement(s, &mut |met| {
            if let Met::From(TableRef::Relation(r)) = met
                && let Some(at) = self.reading.of(r)
                && self.reading.places[at] != Place::Reference
            {
                found.get_or_insert(at);
            }
        });
        match found {
            Some(at) => Err(Refusal::new(
                Reason::CrossShardSubquery,
                format!(
                    "\"{}\" is read by a recursive query.",
                    self.reading.named(at)
                ),
            )),
            None => Ok(()),
        }
    }

    fn set(&mut self, body: &SetExpr) -> Result<Spread, Refusal> {
        match body {
            SetExpr::Select(s) => self.select(s),
            SetExpr::Values(v) => {
                for e in v.rows.iter().flatten() {
                    self.expr(e, &[], true)?;
                }
                Ok(Spread::Everywhere)
            }
            SetExpr::Query(q) => self.query(q),
            SetExpr::SetOperation {
                op,
                all,
                left,
                right,
            } => {
                let both = (self.set(left)?, self.set(right)?);
                match both {
                    (Spread::Everywhere, Spread::Everywhere) => Ok(Spread::Everywhere),
                    // The bag union of two disjoint unions over shards is the union over shards of the bag unions.
                    // Its rows come from either arm, so no use has a row in each of them: it ties with nothing.
                    (Spread::Apart(_), Spread::Apart(_)) if *op == SetOp::Union && *all => {
                        Ok(Spread::Apart(Vec::new()))
                    }
                    // Equal rows have equal keys, so they are on one shard, and are compared and counted there.
                    (Spread::Apart(_), Spread::Apart(_)) if !self.keys(body).is_empty() => {
                        Ok(Spread::Apart(Vec::new()))
                    }
                    (Spread::Apart(_), Spread::Apart(_)) => Err(merging(
                        "A set operation compares rows of all shards with one another.",
                    )),
                    _ => Err(merging(
                        "A set operation has one arm that is the same on every shard and one that is spread over them.",
                    )),
                }
            }
        }
    }
}

impl Prover<'_, '_> {
    /// Where each row of a query has the key of the shard it comes from: a placement, and the columns of the result that are
    /// the key's.
    fn keys(&self, body: &SetExpr) -> Vec<(PlacementId, Vec<usize>)> {
        match body {
            SetExpr::Select(s) => {
                let mut items = Vec::new();
                for item in &s.items {
                    match item {
                        SelectItem::Expr { expr, .. } => items.push(expr),
                        // It stands for several columns.
                        SelectItem::Wildcard { .. } => break,
                    }
                }
                let uses = locals(self.reading, &s.from).into_iter();
                uses.filter_map(|local| {
                    let at = local.at?;
                    let (key, placement) = self.reading.key(at)?;
                    let of = |k: &String| {
                        let is = |e: &&Expr| is_column(self.reading, s, e, at, k);
                        items.iter().position(is)
                    };
                    let columns: Vec<usize> = key.iter().map(of).collect::<Option<_>>()?;
                    let kept = !self.reading.facts.relations[at].nullable;
                    kept.then_some((placement, columns))
                })
                .collect()
            }
            SetExpr::Query(q) => self.keys(&q.body),
            SetExpr::SetOperation { left, right, .. } => {
                let right = self.keys(right);
                let mut both = self.keys(left);
                both.retain(|key| right.contains(key));
                both
            }
            SetExpr::Values(_) => Vec::new(),
        }
    }
}

/// How often a query names a common table expression, or anything that may be it.
fn references(reading: &Reading<'_>, q: &Query, name: &str) -> usize {
    let mut n = 0;
    walk::query(q, &mut |met| {
        if let Met::From(TableRef::Relation(r)) = met
            && r.name.name == name
            && reading.of(r).is_none()
        {
            n += 1;
        }
    });
    n
}
