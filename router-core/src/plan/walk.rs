//! Going through the tree of a statement.

use crate::sql::statement::{
    Assignment, Call, Expr, ExprKind, Insert, InsertSource, JoinOn, Kind, OrderItem, Over,
    QuantifiedSide, Query, Select, SelectItem, SetExpr, Statement, TableRef, Values, WindowSpec,
};

/// What may stand directly inside an expression.
pub(super) enum Part<'e> {
    /// An expression.
    Expr(&'e Expr),
    /// A query.
    Query(&'e Query),
}

/// Calls `f` for everything that stands directly inside `expr`.
pub(super) fn parts<'e>(expr: &'e Expr, f: &mut dyn FnMut(Part<'e>)) {
    match &expr.kind {
        ExprKind::Column { .. } | ExprKind::Literal(_) | ExprKind::Param(_) | ExprKind::Default => {
        }
        ExprKind::And(list) | ExprKind::Or(list) | ExprKind::Row(list) | ExprKind::Array(list) => {
            list.iter().for_each(|e| f(Part::Expr(e)));
        }
        ExprKind::Not(e)
        | ExprKind::Unary { expr: e, .. }
        | ExprKind::Cast { expr: e, .. }
        | ExprKind::IsNull { expr: e, .. }
        | ExprKind::IsTruth { expr: e, .. }
        | ExprKind::Collate { expr: e, .. }
        | ExprKind::Field { expr: e, .. } => f(Part::Expr(e)),
        ExprKind::Binary { left, right, .. } | ExprKind::IsDistinct { left, right, .. } => {
            f(Part::Expr(left));
            f(Part::Expr(right));
        }
        ExprKind::InList { expr, list, .. } => {
            f(Part::Expr(expr));
            list.iter().for_each(|e| f(Part::Expr(e)));
        }
        ExprKind::InQuery { expr, query, .. } => {
            f(Part::Expr(expr));
            f(Part::Query(query));
        }
        ExprKind::Quantified { left, right, .. } => {
            f(Part::Expr(left));
            match right {
                QuantifiedSide::Array(e) => f(Part::Expr(e)),
                QuantifiedSide::Query(q) => f(Part::Query(q)),
            }
        }
        ExprKind::Between {
            expr, low, high, ..
        } => {
            f(Part::Expr(expr));
            f(Part::Expr(low));
            f(Part::Expr(high));
        }
        ExprKind::Call(call) => call_parts(call, f),
        ExprKind::Case {
            operand,
            arms,
            otherwise,
        } => {
            operand.iter().for_each(|e| f(Part::Expr(e)));
            for (when, then) in arms {
                f(Part::Expr(when));
                f(Part::Expr(then));
            }
            otherwise.iter().for_each(|e| f(Part::Expr(e)));
        }
        ExprKind::Exists(q) | ExprKind::Scalar(q) | ExprKind::ArrayQuery(q) => f(Part::Query(q)),
        ExprKind::Subscript { expr, indexes } => {
            f(Part::Expr(expr));
            indexes.iter().for_each(|e| f(Part::Expr(e)));
        }
    }
}

fn call_parts<'e>(call: &'e Call, f: &mut dyn FnMut(Part<'e>)) {
    call.args.iter().for_each(|e| f(Part::Expr(e)));
    order_parts(&call.order_by, f);
    order_parts(&call.within_group, f);
    call.filter.iter().for_each(|e| f(Part::Expr(e)));
    if let Some(Over::Spec(spec)) = &call.over {
        window_parts(spec, f);
    }
}

fn order_parts<'e>(items: &'e [OrderItem], f: &mut dyn FnMut(Part<'e>)) {
    items.iter().for_each(|o| f(Part::Expr(&o.expr)));
}

fn window_parts<'e>(spec: &'e WindowSpec, f: &mut dyn FnMut(Part<'e>)) {
    spec.partition_by.iter().for_each(|e| f(Part::Expr(e)));
    order_parts(&spec.order_by, f);
}

/// Calls `f` for every expression that belongs to a block itself, conditions of its joins included:
/// not for those of its subqueries. The flag says whether the value shows in the result, not only in a condition.
pub(super) fn block_exprs<'e>(select: &'e Select, f: &mut dyn FnMut(&'e Expr, bool)) {
    for item in &select.items {
        if let SelectItem::Expr { expr, .. } = item {
            f(expr, true);
        }
    }
    if let crate::sql::statement::Distinct::On(list) = &select.distinct {
        list.iter().for_each(|e| f(e, true));
    }
    select.from.iter().for_each(|t| from_exprs(t, f));
    select.filter.iter().for_each(|e| f(e, false));
    for item in &select.group_by {
        item.exprs().iter().for_each(|e| f(e, true));
    }
    select.having.iter().for_each(|e| f(e, false));
    for (_, spec) in &select.windows {
        window_parts(spec, &mut |p| {
            if let Part::Expr(e) = p {
                f(e, true);
            }
        });
    }
}

/// The expressions of a `FROM` item: join conditions and arguments of functions.
pub(super) fn from_exprs<'e>(item: &'e TableRef, f: &mut dyn FnMut(&'e Expr, bool)) {
    match item {
        TableRef::Relation(_) | TableRef::Subquery { .. } => {}
        TableRef::Function { calls, .. } => calls.iter().for_each(|e| f(e, true)),
        TableRef::Join(join) => {
            from_exprs(&join.left, f);
            from_exprs(&join.right, f);
            if let JoinOn::On(e) = &join.on {
                f(e, false);
            }
        }
    }
}

/// Something met anywhere in a statement.
pub(super) enum Met<'e> {
    /// An expression; its parts are met after it.
    Expr(&'e Expr),
    /// A query; its parts are met after it.
    Query(&'e Query),
    /// A block.
    Select(&'e Select),
    /// A data-changing statement inside the one that is walked (in `WITH`, or `COPY (…)`), or that one itself.
    Change(&'e Statement),
    /// A `FROM` item.
    From(&'e TableRef),
}

/// Calls `f` for everything in a statement, outside in.
pub(super) fn statement<'e>(s: &'e Statement, f: &mut dyn FnMut(Met<'e>)) {
    match &s.kind {
        Kind::Query(q) => query(q, f),
        Kind::Insert(i) => {
            f(Met::Change(s));
            insert(i, f);
        }
        Kind::Update(u) => {
            f(Met::Change(s));
            u.with.iter().for_each(|c| statement(&c.body, f));
            assignments(&u.assignments, f);
            u.from.iter().for_each(|t| from(t, f));
            u.filter.iter().for_each(|e| expr(e, f));
            items(&u.returning, f);
        }
        Kind::Delete(d) => {
            f(Met::Change(s));
            d.with.iter().for_each(|c| statement(&c.body, f));
            d.using.iter().for_each(|t| from(t, f));
            d.filter.iter().for_each(|e| expr(e, f));
            items(&d.returning, f);
        }
        Kind::Copy(c) => {
            if let crate::sql::statement::CopyWhat::Query(inner) = &c.what {
                statement(inner, f);
            }
            c.filter.iter().for_each(|e| expr(e, f));
        }
        Kind::Explain(e) => statement(&e.statement, f),
        Kind::Transaction(_)
        | Kind::Session(_)
        | Kind::Utility(_)
        | Kind::Empty
        | Kind::Unread(_) => {}
    }
}

fn insert<'e>(i: &'e Insert, f: &mut dyn FnMut(Met<'e>)) {
    i.with.iter().for_each(|c| statement(&c.body, f));
    match &i.source {
        InsertSource::DefaultValues => {}
        InsertSource::Values(v) => values(v, f),
        InsertSource::Query(q) => query(q, f),
    }
    if let Some(conflict) = &i.on_conflict {
        assignments(conflict.update.as_deref().unwrap_or(&[]), f);
        conflict.filter.iter().for_each(|e| expr(e, f));
    }
    items(&i.returning, f);
}

fn values<'e>(v: &'e Values, f: &mut dyn FnMut(Met<'e>)) {
    v.rows.iter().flatten().for_each(|e| expr(e, f));
}

fn assignments<'e>(list: &'e [Assignment], f: &mut dyn FnMut(Met<'e>)) {
    list.iter().for_each(|a| expr(&a.value, f));
}

fn items<'e>(list: &'e [SelectItem], f: &mut dyn FnMut(Met<'e>)) {
    for item in list {
        if let SelectItem::Expr { expr: e, .. } = item {
            expr(e, f);
        }
    }
}

/// Calls `f` for everything in a query, outside in.
pub(super) fn query<'e>(q: &'e Query, f: &mut dyn FnMut(Met<'e>)) {
    f(Met::Query(q));
    q.with.iter().for_each(|c| statement(&c.body, f));
    set(&q.body, f);
    q.order_by.iter().for_each(|o| expr(&o.expr, f));
    q.limit.iter().chain(&q.offset).for_each(|e| expr(e, f));
}

fn set<'e>(body: &'e SetExpr, f: &mut dyn FnMut(Met<'e>)) {
    match body {
        SetExpr::Select(s) => {
            f(Met::Select(s));
            block_exprs(s, &mut |e, _| expr(e, f));
            s.from.iter().for_each(|t| from_queries(t, f));
        }
        SetExpr::Values(v) => values(v, f),
        SetExpr::SetOperation { left, right, .. } => {
            set(left, f);
            set(right, f);
        }
        SetExpr::Query(q) => query(q, f),
    }
}

/// Calls `f` for everything in a `FROM` item, outside in.
pub(super) fn from<'e>(item: &'e TableRef, f: &mut dyn FnMut(Met<'e>)) {
    from_exprs(item, &mut |e, _| expr(e, f));
    from_queries(item, f);
}

fn from_queries<'e>(item: &'e TableRef, f: &mut dyn FnMut(Met<'e>)) {
    f(Met::From(item));
    match item {
        TableRef::Relation(_) | TableRef::Function { .. } => {}
        TableRef::Subquery { query: q, .. } => query(q, f),
        TableRef::Join(join) => {
            from_queries(&join.left, f);
            from_queries(&join.right, f);
        }
    }
}

/// Calls `f` for an expression and everything in it, outside in.
pub(super) fn expr<'e>(e: &'e Expr, f: &mut dyn FnMut(Met<'e>)) {
    f(Met::Expr(e));
    parts(e, &mut |p| match p {
        Part::Expr(e) => expr(e, f),
        Part::Query(q) => query(q, f),
    });
}

/// Calls `f` for every common table expression of a statement.
pub(super) fn ctes<'e>(s: &'e Statement, f: &mut dyn FnMut(&'e crate::sql::statement::Cte)) {
    let mut each = |list: &'e [crate::sql::statement::Cte]| list.iter().for_each(&mut *f);
    statement(s, &mut |met| match met {
        Met::Query(q) => each(&q.with),
        Met::Change(c) => match &c.kind {
            Kind::Insert(i) => each(&i.with),
            Kind::Update(u) => each(&u.with),
            Kind::Delete(d) => each(&d.with),
            _ => {}
        },
        _ => {}
    });
}
