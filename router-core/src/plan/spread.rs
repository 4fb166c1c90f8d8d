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

use super::function::{Nature, is_aggregate};
use super::names::Place;
use super::reading::Reading;
use super::walk::{self, Met};
use super::{Reason, Refusal};
use crate::sql::statement::{
    Call, Distinct, Expr, ExprKind, GroupItem, Ident, Join, JoinKind, Kind, LiteralKind, Over,
    Query, Sample, Select, SelectItem, SetExpr, SetOp, TableRef, WindowSpec,
};

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

    fn select(&mut self, s: &Select) -> Result<Spread, Refusal> {
        if s.into.is_some() {
            return Err(Refusal::new(
                Reason::WriteOverShards,
                "SELECT INTO makes a table.",
            ));
        }
        // A FROM list is a cross join; conditions of WHERE tie its items.
        let mut spread = Spread::Everywhere;
        for item in &s.from {
            let right = self.from(item, &spread)?;
            spread = self.inner(spread, right)?;
        }
        let uses = match &spread {
            Spread::Apart(uses) => uses.clone(),
            Spread::Everywhere => Vec::new(),
        };
        let mut error = None;
        walk::block_exprs(s, &mut |e, output| {
            if error.is_none() {
                error = self.expr(e, &uses, output).err();
            }
        });
        if let Some(refusal) = error {
            return Err(refusal);
        }
        let calls = own_calls(s);
        match spread {
            Spread::Everywhere => self.everywhere(s, &calls),
            Spread::Apart(uses) => self.apart(s, &calls, uses),
        }
    }

    /// A block that reads no sharded table gives the same on every shard, as far as it leaves no choice.
    fn everywhere(&self, s: &Select, calls: &[&Call]) -> Result<Spread, Refusal> {
        if s.group_by.iter().any(|i| matches!(i, GroupItem::Sets(_))) {
            return Err(merging(
                "ROLLUP, CUBE or GROUPING SETS in a subquery of reference tables.",
            ));
        }
        if let Distinct::On(_) = s.distinct {
            return Err(merging(
                "DISTINCT ON may choose other rows of a reference table on each shard.",
            ));
        }
        for call in calls {
            if call.over.is_some() {
                return Err(merging(
                    "A window function may number rows of a reference table otherwise on each shard.",
                ));
            }
            if is_aggregate(call) && !order_does_not_matter(call) {
                return Err(merging(format!(
                    "The aggregate \"{}\" depends on the order of rows, which copies of a reference table need not share.",
                    call.name.name
                )));
            }
            // One server would evaluate these once for the whole statement; here each shard would.
            if self.reading.nature(call) != Nature::Pure {
                return Err(per_shard(call));
            }
        }
        Ok(Spread::Everywhere)
    }

    fn apart(&self, s: &Select, calls: &[&Call], uses: Vec<usize>) -> Result<Spread, Refusal> {
        let grouped = !s.group_by.is_empty();
        let aggregate = calls.iter().find(|c| c.over.is_none() && is_aggregate(c));
        if !grouped && let Some(call) = aggregate {
            return Err(merging(format!(
                "The aggregate \"{}\" is over rows of all shards together.",
                call.name.name
            )));
        }
        if !grouped && s.having.is_some() {
            return Err(merging("HAVING is about rows of all shards together."));
        }
        // Groups. Rows of one group agree in the grouping columns; when those contain the key of a use that has a row
        // in each (is not null-extended), they agree in that key, so the whole group is on one shard, and HAVING and
        // aggregates see all of it.
        if grouped && !self.has_key(s, &uses, &self.grouping(s)?) {
            return Err(merging(
                "GROUP BY does not contain the sharding key, so a group may have rows on several shards.",
            ));
        }
        // DISTINCT. Equal rows agree in the key when it is among the columns, so they are on one shard.
        match &s.distinct {
            Distinct::No => {}
            Distinct::Yes if self.selects_key(s, &uses) => {}
            Distinct::Yes => {
                return Err(merging(
                    "DISTINCT does not contain the sharding key, so equal rows may be on several shards.",
                ));
            }
            Distinct::On(_) => {
                return Err(merging("DISTINCT ON chooses among rows of all shards."));
            }
        }
        // Windows. Rows of one partition agree in the partitioning columns, so as for groups.
        for call in calls {
            if let Some(over) = &call.over {
                let partition = partition_of(s, over);
                if !partition.is_some_and(|p| self.has_key(s, &uses, &p)) {
                    return Err(merging(
                        "A window function's PARTITION BY does not contain the sharding key, so a partition may have rows on several shards.",
                    ));
                }
            }
        }
        // A null-extended use says nothing of where its row is, and after grouping no row of a use remains unless it is
        // tied to the grouping; the uses are used for ties only, through equalities of columns, which hold for real rows.
        Ok(Spread::Apart(uses))
    }

    /// The expressions that are grouped by; ordinals are looked up, which makes the plan one of this very text.
    fn grouping<'s>(&self, s: &'s Select) -> Result<Vec<&'s Expr>, Refusal> {
        s.group_by
            .iter()
            .map(|item| match item {
                GroupItem::Expr(e) => Ok(self.ordinal(s, e).unwrap_or(e)),
                GroupItem::Sets(_) => Err(merging(
                    "ROLLUP, CUBE and GROUPING SETS make groups over rows of all shards.",
                )),
            })
            .collect()
    }

    fn ordinal<'s>(&self, s: &'s Select, e: &Expr) -> Option<&'s Expr> {
        if e.kind != ExprKind::Literal(LiteralKind::Integer) {
            return None;
        }
        self.reading.exact.set(true);
        let n: usize = e
            .span
            .of(self.reading.text)
            .trim_matches(['(', ')', ' '])
            .parse()
            .ok()?;
        // `*` would shift what follows it.
        let before = s.items.get(..n)?;
        match before.last()? {
            SelectItem::Expr { expr, .. }
                if before.iter().all(|i| matches!(i, SelectItem::Expr { .. })) =>
            {
                Some(expr)
            }
            _ => None,
        }
    }

    /// Whether expressions contain, as plain columns, the whole key of one of `uses` that is not null-extended.
    fn has_key(&self, s: &Select, uses: &[usize], list: &[&Expr]) -> bool {
        uses.iter().any(|&u| {
            let Some((key, _)) = self.reading.key(u) else {
                return false;
            };
            !self.reading.facts.relations[u].nullable
                && key
                    .iter()
                    .all(|k| list.iter().any(|e| is_column(self.reading, s, e, u, k)))
        })
    }

    fn selects_key(&self, s: &Select, uses: &[usize]) -> bool {
        let list: Vec<&Expr> = s
            .items
            .iter()
            .filter_map(|i| match i {
                SelectItem::Expr { expr, .. } => Some(expr),
                SelectItem::Wildcard { .. } => None,
            })
            .collect();
        let wild = |u: usize| {
            let local = locals(self.reading, &s.from);
            s.items.iter().any(|i| match i {
                SelectItem::Wildcard {
                    qualifier: None, ..
                } => local.iter().any(|l| l.at == Some(u)),
                SelectItem::Wildcard {
                    qualifier: Some(q), ..
                } => {
                    q.schema.is_none() && local.iter().any(|l| l.at == Some(u) && *l.name == q.name)
                }
                SelectItem::Expr { .. } => false,
            })
        };
        self.has_key(s, uses, &list)
            || uses
                .iter()
                .any(|&u| !self.reading.facts.relations[u].nullable && wild(u))
    }

    /// `FROM` items. `left` is what stands to the left, for `LATERAL`.
    fn from(&mut self, item: &TableRef, left: &Spread) -> Result<Spread, Refusal> {
        match item {
            TableRef::Relation(r) => match self.reading.of(r) {
                // Whether a row is chosen says nothing of others, wherever they are.
                Some(at)
                    if self.reading.key(at).is_some() && r.sample == Some(Sample::ByPlace) =>
                {
                    Err(merging("TABLESAMPLE chooses by the place of a row on one server.")
                        .with_hint("TABLESAMPLE BERNOULLI without REPEATABLE chooses each row by itself."))
                }
                // A sharded table is the disjoint union of its shards' rows; a reference table is the same everywhere.
                Some(at) if self.reading.key(at).is_some() => Ok(Spread::Apart(vec![at])),
                // One that is whole on one shard has no rows on the others.
                Some(at) if self.reading.places[at] != Place::Reference => {
                    Err(self.reading.mixed())
                }
                Some(_) if r.sample.is_some() => {
                    Err(merging("TABLESAMPLE may choose other rows on each shard."))
                }
                Some(_) => Ok(Spread::Everywhere),
                None => match self
                    .ctes
                    .iter()
                    .rev()
                    .find(|(name, _)| *name == r.name.name)
                {
                    Some((_, proven)) => proven.clone(),
                    // A recursive query names itself; it was found to read no sharded table.
                    None if r.name.schema.is_none() => Ok(Spread::Everywhere),
                    None => Err(Refusal::new(
                        Reason::NotRead,
                        format!(
                            "\"{}\" could not be found again in the statement.",
                            r.name.name
                        ),
                    )),
                },
            },
            TableRef::Subquery { lateral, query, .. } => {
                let depth = self.outer.len();
                if let (true, Spread::Apart(uses)) = (*lateral, left) {
                    self.outer.extend(uses);
                }
                let result = match (*lateral, left) {
                    // As for a subquery of an expression: see `subquery`.
                    (true, Spread::Apart(uses)) if self.bound_to(query, uses) => {
                        Ok(Spread::Everywhere)
                    }
                    _ => self.query(query),
                };
                self.outer.truncate(depth);
                result
            }
            // Its rows come from its arguments. One server calls it once for a statement, each shard would call it again.
            TableRef::Function { calls, .. } => {
                for e in calls {
                    self.pure(e)?;
                }
                Ok(Spread::Everywhere)
            }
            TableRef::Join(join) => self.join(join, left),
        }
    }

    fn join(&mut self, join: &Join, left: &Spread) -> Result<Spread, Refusal> {
        let l = self.from(&join.left, left)?;
        let beside = match (left, &l) {
            (Spread::Apart(a), Spread::Apart(b)) => {
                Spread::Apart(a.iter().chain(b).copied().collect())
            }
            (Spread::Apart(_), Spread::Everywhere) => left.clone(),
            _ => l.clone(),
        };
        let r = self.from(&join.right, &beside)?;
        match join.kind {
            JoinKind::Inner => self.inner(l, r),
            JoinKind::Left => self.outer_join(l, r),
            JoinKind::Right => self.outer_join(r, l),
            JoinKind::Full => match (l, r) {
                (Spread::Everywhere, Spread::Everywhere) => Ok(Spread::Everywhere),
                (Spread::Apart(a), Spread::Apart(b)) => {
                    // Both sides keep their rows, so ties must hold both ways: then a row's partners are all on its
                    // shard, and whether it has any is decided there.
                    if a.iter().any(|&x| {
                        b.iter()
                            .any(|&y| x != y && self.reading.tied(x, y) && self.reading.tied(y, x))
                    }) {
                        Ok(Spread::Apart(a.into_iter().chain(b).collect()))
                    } else {
                        Err(self.untied(&a, &b))
                    }
                }
                _ => Err(self.preserved()),
            },
        }
    }

    /// Inner join: a row of it is a pair of rows that satisfies the conditions.
    fn inner(&self, left: Spread, right: Spread) -> Result<Spread, Refusal> {
        match (left, right) {
            (Spread::Everywhere, Spread::Everywhere) => Ok(Spread::Everywhere),
            // The partner is on every shard, so each row meets all its partners where it is, and nowhere else.
            (Spread::Apart(uses), Spread::Everywhere)
            | (Spread::Everywhere, Spread::Apart(uses)) => Ok(Spread::Apart(uses)),
            // Every pair that counts has equal keys of one placement, so both rows are on one shard: the pair is found
            // there, once, and pairs of rows of different shards do not count.
            (Spread::Apart(a), Spread::Apart(b)) => {
                if self.tied_any(&a, &b) || self.tied_any(&b, &a) {
                    Ok(Spread::Apart(a.into_iter().chain(b).collect()))
                } else {
                    Err(self.untied(&a, &b))
                }
            }
        }
    }

    /// Outer join that keeps the rows of `kept`.
    fn outer_join(&self, kept: Spread, other: Spread) -> Result<Spread, Refusal> {
        match (kept, other) {
            (Spread::Everywhere, Spread::Everywhere) => Ok(Spread::Everywhere),
            // Each kept row is on one shard, where all possible partners are.
            (Spread::Apart(uses), Spread::Everywhere) => Ok(Spread::Apart(uses)),
            // All partners of a kept row have its key, so they are on its shard: it is null-extended there exactly when
            // it has no partner at all.
            (Spread::Apart(a), Spread::Apart(b)) => {
                if self.tied_any(&a, &b) {
                    Ok(Spread::Apart(a.into_iter().chain(b).collect()))
                } else {
                    Err(self.untied(&a, &b))
                }
            }
            // Each shard would keep every row of the reference table, and null-extend it where its partner is elsewhere.
            (Spread::Everywhere, Spread::Apart(_)) => Err(self.preserved()),
        }
    }

    fn tied_any(&self, a: &[usize], b: &[usize]) -> bool {
        // Two references of one common table expression have the same use, but not the same rows.
        a.iter()
            .any(|&x| b.iter().any(|&y| x != y && self.reading.tied(x, y)))
    }

    fn preserved(&self) -> Refusal {
        Refusal::new(
            Reason::ReferencePreserved,
            "Rows that every shard has are kept by an outer join whose other side is spread over shards.",
        )
    }

    fn untied(&self, a: &[usize], b: &[usize]) -> Refusal {
        let name = |list: &[usize]| {
            list.first().map_or_else(
                || "a subquery".to_owned(),
                |&u| format!("\"{}\"", self.reading.named(u)),
            )
        };
        Refusal::new(
            Reason::CrossShardJoin,
            format!(
                "{} and {} are joined, but not by their sharding keys.",
                name(a),
                name(b)
            ),
        )
    }

    /// That an expression has the same value on every shard, as far as functions go.
    fn pure(&self, e: &Expr) -> Result<(), Refusal> {
        let mut error = None;
        walk::expr(e, &mut |met| {
            if let Met::Expr(Expr {
                kind: ExprKind::Call(call),
                ..
            }) = met
                && self.reading.nature(call) != Nature::Pure
            {
                error.get_or_insert_with(|| per_shard(call));
            }
        });
        error.map_or(Ok(()), Err)
    }

    /// An expression of a block whose `FROM` has the sharded uses `uses`.
    fn expr(&mut self, e: &Expr, uses: &[usize], output: bool) -> Result<(), Refusal> {
        match &e.kind {
            ExprKind::Call(call) => {
                match self.reading.nature(call) {
                    Nature::Pure => {}
                    // The shards' clocks are not one clock. In a condition that is as good as any moment of reading; in a
                    // value it would show.
                    Nature::Clock if !output && !uses.is_empty() => {}
                    // Another value for each row on one server too.
                    Nature::PerRow if !uses.is_empty() => {}
                    _ => return Err(per_shard(call)),
                }
            }
            ExprKind::Column { name, .. } if is_system_column(name) => {
                return Err(Refusal::new(
                    Reason::SystemColumn,
                    format!("\"{name}\" is about the place of a row on one server."),
                ));
            }
            // As for clocks: what is compared may be of any moment, what shows may not.
            ExprKind::Literal(_) | ExprKind::Param(_) if output || uses.is_empty() => {
                self.reading.note(e);
            }
            _ => {}
        }
        let mut error = None;
        walk::parts(e, &mut |part| {
            if error.is_none() {
                error = match part {
                    walk::Part::Expr(inner) => self.expr(inner, uses, output).err(),
                    walk::Part::Query(q) => self.subquery(q, uses).err(),
                };
            }
        });
        error.map_or(Ok(()), Err)
    }

    /// A subquery of an expression.
    ///
    /// When it is everywhere, each row sees the same result on its shard. Otherwise every sharded use in it must be
    /// bound to the key of a row of the blocks around: then its result for that row depends on rows of that key only,
    /// all of which are on the row's shard, whatever the subquery does with them.
    fn subquery(&mut self, q: &Query, uses: &[usize]) -> Result<(), Refusal> {
        let depth = self.outer.len();
        self.outer.extend(uses);
        let around = self.outer.clone();
        let result = if self.bound_to(q, &around) {
            Ok(())
        } else {
            match self.query(q) {
                Ok(Spread::Everywhere) => Ok(()),
                Ok(Spread::Apart(inner)) => Err(Refusal::new(
                    Reason::CrossShardSubquery,
                    match inner.first() {
                        Some(&u) => format!(
                            "A subquery reads \"{}\", of which each shard has only a part.",
                            self.reading.named(u)
                        ),
                        None => {
                            "A subquery reads rows of which each shard has only a part.".to_owned()
                        }
                    },
                )),
                // What hinders it matters less than that it reaches over shards.
                Err(refusal) if refusal.reason == Reason::NeedsMerge => Err(Refusal::new(
                    Reason::CrossShardSubquery,
                    format!("In a subquery: {}", lower(&refusal.detail)),
                )),
                Err(refusal) => Err(refusal),
            }
        };
        self.outer.truncate(depth);
        result
    }

    /// Whether a query reads sharded tables, all of them bound to keys of `around`, and calls nothing that differs by shard.
    fn bound_to(&self, q: &Query, around: &[usize]) -> bool {
        let mut sharded = false;
        let mut all = true;
        walk::query(q, &mut |met| match met {
            Met::From(TableRef::Relation(r)) => match self.reading.of(r) {
                Some(at) if self.reading.key(at).is_some() => {
                    sharded = true;
                    all &= around.iter().any(|&u| self.reading.tied(u, at));
                }
                Some(at) => all &= self.reading.places[at] == Place::Reference,
                // The rows of a common table expression from outside are a shard's share of them, bound to nothing.
                None => {
                    all &= !self.ctes.iter().any(|(name, proven)| {
                        *name == r.name.name && !matches!(proven, Ok(Spread::Everywhere))
                    });
                }
            },
            Met::Change(_) => all = false,
            Met::Expr(Expr {
                kind: ExprKind::Call(call),
                ..
            }) => {
                all &= self.reading.nature(call) == Nature::Pure;
            }
            Met::Expr(Expr {
                kind: ExprKind::Column { name, .. },
                ..
            }) => all &= !is_system_column(name),
            Met::Expr(Expr {
                kind: ExprKind::Cast { expr, .. },
                ..
            }) => self.reading.note(expr),
            _ => {}
        });
        sharded && all
    }
}

fn per_shard(call: &Call) -> Refusal {
    Refusal::new(
        Reason::Function,
        format!(
            "\"{}\" may give another value on each shard.",
            call.name.name
        ),
    )
}

/// Columns that every table has, about where a row is stored and who wrote it.
pub(super) fn is_system_column(name: &str) -> bool {
    matches!(
        name,
        "ctid" | "xmin" | "xmax" | "cmin" | "cmax" | "tableoid"
    )
}

fn lower(sentence: &str) -> String {
    let mut chars = sentence.chars();
    match chars.next() {
        // "LIMIT …" stays as it is.
        Some(first) if !sentence[first.len_utf8()..].starts_with(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => sentence.to_owned(),
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

/// The calls of a block itself, not of its subqueries.
fn own_calls(s: &Select) -> Vec<&Call> {
    fn inside<'e>(e: &'e Expr, out: &mut Vec<&'e Call>) {
        if let ExprKind::Call(call) = &e.kind {
            out.push(call);
        }
        walk::parts(e, &mut |p| {
            if let walk::Part::Expr(inner) = p {
                inside(inner, out);
            }
        });
    }
    let mut out = Vec::new();
    walk::block_exprs(s, &mut |e, _| inside(e, &mut out));
    out
}

/// Aggregates whose result does not depend on the order in which rows come.
pub(super) fn order_does_not_matter(call: &Call) -> bool {
    matches!(
        call.name.name.as_str(),
        "count"
            | "min"
            | "max"
            | "sum"
            | "avg"
            | "bool_and"
            | "bool_or"
            | "every"
            | "bit_and"
            | "bit_or"
            | "bit_xor"
    )
}

fn partition_of<'s>(s: &'s Select, over: &'s Over) -> Option<Vec<&'s Expr>> {
    let spec: &WindowSpec = match over {
        Over::Spec(spec) => spec,
        Over::Named(name) => named_window(s, name)?,
    };
    // A window that extends another has the other's partition.
    let spec = match &spec.base {
        Some(base) => named_window(s, base)?,
        None => spec,
    };
    if spec.base.is_some() {
        return None;
    }
    Some(spec.partition_by.iter().collect())
}

fn named_window<'s>(s: &'s Select, name: &str) -> Option<&'s WindowSpec> {
    s.windows
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, spec)| spec)
}

/// Whether `e` is the column `column` of the use `at`, which stands in this block's own `FROM`.
///
/// An unqualified name belongs to the one relation of the block that is known to have the column: if another one
/// of the block had it too, PostgreSQL would call it ambiguous, or `USING` would have made them one and equal.
pub(super) fn is_column(
    reading: &Reading<'_>,
    s: &Select,
    e: &Expr,
    at: usize,
    column: &str,
) -> bool {
    let ExprKind::Column { qualifier, name } = &e.kind else {
        return false;
    };
    if name != column || reading.facts.relations[at].opaque {
        return false;
    }
    let local = locals(reading, &s.from);
    match &qualifier[..] {
        [] => {
            let known: Vec<usize> = local
                .iter()
                .filter_map(|l| l.at)
                .filter(|&u| reading.key(u).is_some_and(|(key, _)| key.contains(name)))
                .collect();
            known == [at]
                || (known.contains(&at)
                    && known
                        .iter()
                        .all(|&u| reading.tied(at, u) && reading.tied(u, at)))
        }
        [alias] => local.iter().any(|l| l.at == Some(at) && l.name == alias),
        _ => false,
    }
}

/// An item of a block's `FROM`, by the name that its columns are qualified with.
struct Local<'s> {
    name: &'s Ident,
    at: Option<usize>,
}

fn locals<'s>(reading: &Reading<'_>, from: &'s [TableRef]) -> Vec<Local<'s>> {
    fn add<'s>(reading: &Reading<'_>, item: &'s TableRef, out: &mut Vec<Local<'s>>) {
        match item {
            TableRef::Relation(r) => {
                let name = r.alias.as_ref().map_or(&r.name.name, |a| &a.name);
                out.push(Local {
                    name,
                    at: reading.of(r),
                });
            }
            TableRef::Subquery { alias, .. } | TableRef::Function { alias, .. } => {
                if let Some(alias) = alias {
                    out.push(Local {
                        name: &alias.name,
                        at: None,
                    });
                }
            }
            TableRef::Join(join) => {
                add(reading, &join.left, out);
                add(reading, &join.right, out);
            }
        }
    }
    let mut out = Vec::new();
    from.iter().for_each(|item| add(reading, item, &mut out));
    out
}
