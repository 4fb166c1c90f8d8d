//! Which columns of a subquery are columns of a relation inside it, so that a
//! condition outside restricts the rows inside.
//!
//! That holds when dropping rows inside drops the same rows outside and changes
//! no other: not under `LIMIT`, `DISTINCT ON`, window functions, locking
//! clauses or ungrouped aggregates. With `GROUP BY` it holds for the grouped
//! columns. A call in the select list could be any of these, or return a set.
//!
//! And which columns are constants: those restrict what they are compared with outside.

use super::HasColumn;
use super::scope::{self, Frame, Output, Outputs, Source, find};
use crate::sql::statement::{
    Distinct, Expr, ExprKind, GroupItem, Ident, LiteralKind, Query, Select, SelectItem, Values,
};
use crate::sql::walk;

/// The outputs of a block, given its own frame.
pub(super) fn outputs(
    select: &Select,
    query: Option<&Query>,
    frame: &[Frame],
    has_column: &HasColumn<'_>,
    params: &[u32],
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
            let output = match is_fixed(expr, params) {
                true => Output::Among(vec![expr.clone()]),
                false => Output::Other,
            };
            outputs
                .columns
                .push((alias.clone().unwrap_or_default(), output));
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
        let output = column.map(Output::Column).or_else(|| {
            scope::constants(&frame[..1], qualifier, name, has_column).map(Output::Among)
        });
        let title = alias.clone().unwrap_or_else(|| name.clone());
        outputs
            .columns
            .push((title, output.unwrap_or(Output::Other)));
    }
    Some(outputs)
}

/// The outputs of rows that are written out.
///
/// The column has one type, which PostgreSQL finds from all rows. That of each constant is it, or compares with a key as it
/// does, where all are numbers without a cast, all strings, or cast to one type.
pub(super) fn values(values: &Values, params: &[u32]) -> Option<Outputs> {
    let width = values.rows.first()?.len();
    let column = |at: usize| {
        let list: Option<Vec<&Expr>> = values.rows.iter().map(|row| row.get(at)).collect();
        let list = list.filter(|list| {
            let kind = list.iter().find_map(|e| sort(e));
            let one = |e: &&Expr| sort(e).is_none_or(|sort| Some(sort) == kind);
            list.iter().all(|e| is_fixed(e, params))
                && (list.len() == 1 || kind != Some(Sort::Declared) && list.iter().all(one))
        });
        let output = list.map_or(Output::Other, |list| {
            Output::Among(list.into_iter().cloned().collect())
        });
        (format!("column{}", at + 1), output)
    };
    Some(Outputs {
        columns: (0..width).map(column).collect(),
        star: None,
    })
}

/// What decides the type of a constant.
#[derive(PartialEq)]
enum Sort<'e> {
    Number,
    String,
    Cast(&'e str),
    /// Whoever binds the parameter.
    Declared,
}

/// `None` for `NULL`, which has any.
fn sort(e: &Expr) -> Option<Sort<'_>> {
    match &e.kind {
        ExprKind::Cast { to, .. } => Some(Sort::Cast(to)),
        ExprKind::Unary { expr, .. } => sort(expr),
        ExprKind::Literal(LiteralKind::Null) => None,
        ExprKind::Literal(LiteralKind::String) => Some(Sort::String),
        ExprKind::Literal(_) => Some(Sort::Number),
        _ => Some(Sort::Declared),
    }
}

/// Whether a constant's value is known at execution whatever else stands in the statement: a parameter that stands elsewhere,
/// too, may have its type from there.
fn is_fixed(e: &Expr, params: &[u32]) -> bool {
    match &e.kind {
        ExprKind::Literal(kind) => matches!(
            kind,
            LiteralKind::Null | LiteralKind::Integer | LiteralKind::Numeric | LiteralKind::String
        ),
        ExprKind::Param(n) => {
            let uses = usize::from(*n).checked_sub(1).and_then(|at| params.get(at));
            uses == Some(&1)
        }
        ExprKind::Unary { op, expr } => {
            (op == "-" || op == "+")
                && matches!(
                    expr.kind,
                    ExprKind::Literal(LiteralKind::Integer | LiteralKind::Numeric)
                )
        }
        ExprKind::Cast {
            expr,
            to,
            modifiers: false,
        } => {
            let read = matches!(
                to.as_str(),
                "smallint"
                    | "integer"
                    | "bigint"
                    | "numeric"
                    | "text"
                    | "character varying"
                    | "uuid"
            );
            read && !matches!(expr.kind, ExprKind::Cast { .. }) && is_fixed(expr, params)
        }
        _ => false,
    }
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
