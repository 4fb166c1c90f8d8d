//! Which columns of a subquery are columns of a relation inside it, so that a
//! condition outside restricts the rows inside.
//!
//! That holds when dropping rows inside drops the same rows outside and changes
//! no other: not under `LIMIT`, `DISTINCT ON`, window functions, locking
//! clauses or ungrouped aggregates. With `GROUP BY` it holds for the grouped
//! columns. A call in the select list could be any of these, or return a set.

use super::HasColumn;
use super::scope::{Frame, Outputs, Source, find};
use crate::sql::statement::{
    Distinct, Expr, ExprKind, GroupItem, Ident, Query, Select, SelectItem,
};
use crate::sql::walk;

/// The outputs of a block, given its own frame.
pub(super) fn outputs(
    select: &Select,
    query: Option<&Query>,
    frame: &[Frame],
    has_column: &HasColumn<'_>,
) -> Option<Outputs> {
    let query = query?;
    let cut = query.limit.is_some()
        || query.offset.is_some()
        || !query.locks.is_empty()
        || select.into.is_some()
        || !select.windows.is_empty()
        || matches!(select.distinct, Distinct::On(_));
    if cut {
        return None;
    }
    let grouped = !select.group_by.is_empty();
    let calls = |expr: &Expr| walk::any(expr, &mut |kind| matches!(kind, ExprKind::Call(_)));
    let windows = |expr: &Expr| {
        walk::any(
            expr,
            &mut |kind| matches!(kind, ExprKind::Call(call) if call.over.is_some()),
        )
    };
    let exprs = || {
        select.items.iter().filter_map(|item| match item {
            SelectItem::Expr { expr, .. } => Some(expr),
            SelectItem::Wildcard { .. } => None,
        })
    };
    let doubtful = if grouped {
        exprs().any(windows)
    } else {
        select.having.is_some()
            || exprs().any(calls)
            || query.order_by.iter().any(|item| calls(&item.expr))
    };
    if doubtful
        || select
            .group_by
            .iter()
            .any(|item| matches!(item, GroupItem::Sets(_)))
    {
        return None;
    }
    if let [SelectItem::Wildcard { .. }] = select.items.as_slice()
        && !grouped
        && let [entry] = frame.first()?.entries.as_slice()
    {
        return match &entry.source {
            Source::Base(relation, name) => Some(Outputs {
                columns: Vec::new(),
                star: Some((*relation, name.clone())),
            }),
            Source::Derived(outputs) => Some(outputs.clone()),
            Source::Opaque => None,
        };
    }
    let mut outputs = Outputs::default();
    for item in &select.items {
        let SelectItem::Expr { expr, alias } = item else {
            return None;
        };
        let ExprKind::Column { qualifier, name } = &expr.kind else {
            outputs
                .columns
                .push((alias.clone().unwrap_or_default(), None));
            continue;
        };
        let found = find(frame, qualifier, name, has_column);
        let key = !grouped
            || select.group_by.iter().any(|group| match group {
                GroupItem::Expr(group) => match &group.kind {
                    ExprKind::Column { qualifier, name } => {
                        found.is_some() && find(frame, qualifier, name, has_column) == found
                    }
                    _ => false,
                },
                GroupItem::Sets(_) => false,
            });
        let column = found.filter(|_| key).map(|found| found.column);
        outputs
            .columns
            .push((alias.clone().unwrap_or_else(|| name.clone()), column));
    }
    Some(outputs)
}

/// The outputs under the names that an alias gives them.
pub(super) fn renamed(mut outputs: Outputs, names: &[Ident]) -> Option<Outputs> {
    if names.is_empty() {
        return Some(outputs);
    }
    if outputs.star.is_some() || names.len() > outputs.columns.len() {
        return None;
    }
    for (column, name) in outputs.columns.iter_mut().zip(names) {
        column.0.clone_from(name);
    }
    Some(outputs)
}
