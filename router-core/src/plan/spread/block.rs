//! One query block: its groups, `DISTINCT` and windows.

use super::column::is_column;
use super::column::locals;
use super::expr::per_shard;
use super::level::from_below;
use super::{Prover, Spread, merging};
use crate::plan::function::{Nature, is_aggregate};
use crate::plan::walk::{self};
use crate::plan::{Reason, Refusal};
use crate::sql::statement::{
    Call, Distinct, Expr, ExprKind, GroupItem, LiteralKind, Over, Select, SelectItem, WindowSpec,
};

impl Prover<'_, '_> {
    pub(super) fn select(&mut self, s: &Select) -> Result<Spread, Refusal> {
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
        let mut calls = own_calls(s);
        calls.extend(from_below(self.reading, s));
        match spread {
            Spread::Everywhere => self.everywhere(s, &calls),
            Spread::Apart(uses) => self.apart(s, &calls, uses),
        }
    }

    /// A block that reads no sharded table gives the same on every shard, as far as it leaves no choice.
    pub(super) fn everywhere(&self, s: &Select, calls: &[&Call]) -> Result<Spread, Refusal> {
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

    pub(super) fn apart(
        &self,
        s: &Select,
        calls: &[&Call],
        uses: Vec<usize>,
    ) -> Result<Spread, Refusal> {
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
    pub(super) fn grouping<'s>(&self, s: &'s Select) -> Result<Vec<&'s Expr>, Refusal> {
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

    pub(super) fn ordinal<'s>(&self, s: &'s Select, e: &Expr) -> Option<&'s Expr> {
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
    pub(super) fn has_key(&self, s: &Select, uses: &[usize], list: &[&Expr]) -> bool {
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

    pub(super) fn selects_key(&self, s: &Select, uses: &[usize]) -> bool {
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
pub(in crate::plan) fn order_does_not_matter(call: &Call) -> bool {
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
