//! Aggregates that are written in a subquery and belong to a block around it.
//!
//! `SELECT (SELECT count(u.id)) FROM users u` is one row: an aggregate belongs to the block of the innermost of the columns in
//! it, wherever it stands. One that has columns, and none of the subquery's own, is of a block further out; which one
//! is not looked at, so that it counts for each. So does one of which it cannot be told.

use crate::plan::function::is_aggregate;
use crate::plan::leaves::{Leaf, What, leaves};
use crate::plan::outputs::{Title, outputs};
use crate::plan::reading::Reading;
use crate::plan::walk::{self, Met, Part};
use crate::sql::statement::{Call, Expr, ExprKind, Query, Select, SetExpr, TableRef};

/// The aggregates in subqueries of a block that may be the block's own.
pub(super) fn from_below<'s>(reading: &Reading<'_>, s: &'s Select) -> Vec<&'s Call> {
    let mut out = Vec::new();
    walk::block_exprs(s, &mut |e, shown| {
        // They are errors in WHERE and FROM, on each shard as on one server.
        if shown {
            queries(e, &mut |q| inside(reading, q, &mut out));
        }
    });
    out
}

/// The subqueries of an expression, not those within them.
fn queries<'s>(e: &'s Expr, f: &mut dyn FnMut(&'s Query)) {
    walk::parts(e, &mut |part| match part {
        Part::Expr(inner) => queries(inner, f),
        Part::Query(q) => f(q),
    });
}

/// Of a query and all within it.
fn inside<'s>(reading: &Reading<'_>, q: &'s Query, out: &mut Vec<&'s Call>) {
    walk::query(q, &mut |met| {
        let Met::Query(q) = met else { return };
        of_set(reading, &q.body, out);
        // What a block is sorted by sees what the block sees.
        let from = match &q.body {
            SetExpr::Select(s) => &s.from[..],
            _ => &[],
        };
        for o in &q.order_by {
            of_block(reading, from, &o.expr, out);
        }
    });
}

/// Of the blocks of a set operation; queries within are met by themselves.
fn of_set<'s>(reading: &Reading<'_>, body: &'s SetExpr, out: &mut Vec<&'s Call>) {
    match body {
        SetExpr::Select(s) => {
            walk::block_exprs(s, &mut |e, _| of_block(reading, &s.from, e, out));
        }
        SetExpr::Values(v) => {
            for e in v.rows.iter().flatten() {
                of_block(reading, &[], e, out);
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            of_set(reading, left, out);
            of_set(reading, right, out);
        }
        SetExpr::Query(_) => {}
    }
}

fn of_block<'s>(reading: &Reading<'_>, from: &[TableRef], e: &'s Expr, out: &mut Vec<&'s Call>) {
    if let ExprKind::Call(call) = &e.kind
        && call.over.is_none()
        && is_aggregate(call)
        && may_be_outer(reading, from, call)
    {
        out.push(call);
    }
    walk::parts(e, &mut |part| {
        if let Part::Expr(inner) = part {
            of_block(reading, from, inner, out);
        }
    });
}

/// Whether an aggregate has columns, and none that is certainly one of the block it is written in.
fn may_be_outer(reading: &Reading<'_>, from: &[TableRef], call: &Call) -> bool {
    let (list, _) = leaves(reading, from);
    let (mut any, mut own) = (false, false);
    let mut look = |e: &Expr| {
        columns(e, &mut |column| match column {
            Some((qualifier, name)) => {
                any = true;
                own |= list.iter().any(|leaf| match qualifier {
                    [] => leaf.name == name || has(reading, from, leaf, name),
                    names => names.iter().any(|n| n == leaf.name),
                });
            }
            // A subquery's columns may be of any block.
            None => any = true,
        });
    };
    call.args.iter().for_each(&mut look);
    call.filter.iter().for_each(&mut look);
    call.order_by.iter().for_each(|o| look(&o.expr));
    call.within_group.iter().for_each(|o| look(&o.expr));
    any && !own
}

/// The columns of an expression; `None` for a subquery, which may have others.
fn columns<'e>(e: &'e Expr, f: &mut dyn FnMut(Option<(&'e [String], &'e str)>)) {
    if let ExprKind::Column { qualifier, name } = &e.kind {
        f(Some((qualifier, name)));
    }
    walk::parts(e, &mut |part| match part {
        Part::Expr(inner) => columns(inner, f),
        Part::Query(_) => f(None),
    });
}

/// Whether an item of a block's `FROM` has a column of the name. What is not in the catalog, when that is not known, counts
/// as having it.
fn has(reading: &Reading<'_>, from: &[TableRef], leaf: &Leaf<'_>, name: &str) -> bool {
    if leaf.renamed.iter().any(|c| c == name) {
        return true;
    }
    match leaf.what {
        What::Use(_) => leaf
            .columns(reading)
            .is_none_or(|columns| columns.iter().any(|(c, _)| *c == name)),
        What::Query(q) => {
            let mut body = &q.body;
            while let SetExpr::SetOperation { left, .. } = body {
                body = left;
            }
            match body {
                SetExpr::Select(inner) => outputs(reading, inner)
                    .0
                    .iter()
                    .any(|o| matches!(&o.name, Title::Is(n) if n == name)),
                _ => false,
            }
        }
        What::Other => from.iter().any(|item| named_function(item, name)),
    }
}

/// Whether a function without an alias gives a column of the name.
fn named_function(item: &TableRef, name: &str) -> bool {
    match item {
        TableRef::Function {
            calls, alias: None, ..
        } => calls
            .iter()
            .any(|e| matches!(&e.kind, ExprKind::Call(c) if c.name.name == name)),
        TableRef::Join(join) => {
            named_function(&join.left, name) || named_function(&join.right, name)
        }
        _ => false,
    }
}
