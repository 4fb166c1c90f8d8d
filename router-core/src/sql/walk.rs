//! Walks over the tree that several readers need.

use crate::sql::statement::{
    Call, CopyWhat, Cte, Distinct, Expr, ExprKind, Ident, InsertSource, Join, JoinOn, Kind,
    OrderItem, Over, QuantifiedSide, Query, Relation, Select, SelectItem, Session, SetExpr,
    Statement, TableRef, WindowSpec,
};

/// Something met on a walk.
pub enum Node<'n> {
    /// An expression; those inside it come after it.
    Expr(&'n Expr),
    /// A query; what is inside comes after it.
    Query(&'n Query),
    /// A block.
    Select(&'n Select),
    /// A relation by name, also of a common table expression.
    Relation(&'n Relation),
    /// A statement inside another.
    Statement(&'n Statement),
}

impl Session {
    /// The statement inside `PREPARE` and `DECLARE`.
    pub fn statement(&self) -> Option<&Statement> {
        match self {
            Self::Prepare { statement, .. } => Some(statement),
            Self::Declare { query, .. } => Some(query),
            _ => None,
        }
    }
}

/// Visits everything in a statement, itself first.
pub fn statement<'n>(of: &'n Statement, visit: &mut dyn FnMut(Node<'n>)) {
    visit(Node::Statement(of));
    match &of.kind {
        Kind::Query(query) => walk_query(query, visit),
        Kind::Insert(insert) => {
            ctes(&insert.with, visit);
            visit(Node::Relation(&insert.target));
            match &insert.source {
                InsertSource::DefaultValues => {}
                InsertSource::Values(values) => exprs(values.rows.iter().flatten(), visit),
                InsertSource::Query(query) => walk_query(query, visit),
            }
            if let Some(conflict) = &insert.on_conflict {
                let updates = conflict.update.iter().flatten();
                exprs(updates.map(|assignment| &assignment.value), visit);
                exprs(conflict.filter.iter(), visit);
            }
            items(&insert.returning, visit);
        }
        Kind::Update(update) => {
            ctes(&update.with, visit);
            visit(Node::Relation(&update.target));
            exprs(
                update
                    .assignments
                    .iter()
                    .map(|assignment| &assignment.value),
                visit,
            );
            update.from.iter().for_each(|item| table(item, visit));
            exprs(update.filter.iter(), visit);
            items(&update.returning, visit);
        }
        Kind::Delete(delete) => {
            ctes(&delete.with, visit);
            visit(Node::Relation(&delete.target));
            delete.using.iter().for_each(|item| table(item, visit));
            exprs(delete.filter.iter(), visit);
            items(&delete.returning, visit);
        }
        Kind::Copy(copy) => {
            match &copy.what {
                CopyWhat::Table { relation, .. } => visit(Node::Relation(relation)),
                CopyWhat::Query(inner) => statement(inner, visit),
            }
            exprs(copy.filter.iter(), visit);
        }
        Kind::Explain(explain) => statement(&explain.statement, visit),
        Kind::Session(session) => {
            if let Some(inner) = session.statement() {
                statement(inner, visit);
            }
        }
        Kind::Utility(utility) => {
            for relation in &utility.relations {
                visit(Node::Relation(relation));
            }
        }
        Kind::Transaction(_) | Kind::Empty | Kind::Unread(_) => {}
    }
}

fn ctes<'n>(ctes: &'n [Cte], visit: &mut dyn FnMut(Node<'n>)) {
    for cte in ctes {
        statement(&cte.body, visit);
    }
}

fn exprs<'n>(exprs: impl Iterator<Item = &'n Expr>, visit: &mut dyn FnMut(Node<'n>)) {
    for expr in exprs {
        walk_expr(expr, visit);
    }
}

fn items<'n>(items: &'n [SelectItem], visit: &mut dyn FnMut(Node<'n>)) {
    for item in items {
        if let SelectItem::Expr { expr, .. } = item {
            walk_expr(expr, visit);
        }
    }
}

fn walk_query<'n>(query: &'n Query, visit: &mut dyn FnMut(Node<'n>)) {
    visit(Node::Query(query));
    ctes(&query.with, visit);
    let mut stack = vec![&query.body];
    while let Some(body) = stack.pop() {
        match body {
            SetExpr::Select(select) => walk_select(select, visit),
            SetExpr::Values(values) => exprs(values.rows.iter().flatten(), visit),
            SetExpr::SetOperation { left, right, .. } => {
                stack.push(right);
                stack.push(left);
            }
            SetExpr::Query(query) => walk_query(query, visit),
        }
    }
    exprs(query.order_by.iter().map(|item| &item.expr), visit);
    exprs(query.limit.iter().chain(&query.offset), visit);
}

fn walk_select<'n>(select: &'n Select, visit: &mut dyn FnMut(Node<'n>)) {
    visit(Node::Select(select));
    items(&select.items, visit);
    select.from.iter().for_each(|item| table(item, visit));
    exprs(select.filter.iter(), visit);
    select_clauses(select, &mut |expr| walk_expr(expr, visit));
}

/// The expressions of a block beyond its select list, `FROM` and `WHERE`.
pub fn select_clauses<'n>(select: &'n Select, visit: &mut dyn FnMut(&'n Expr)) {
    if let Distinct::On(exprs) = &select.distinct {
        exprs.iter().for_each(&mut *visit);
    }
    for item in &select.group_by {
        item.exprs().iter().for_each(&mut *visit);
    }
    select.having.iter().for_each(&mut *visit);
    for (_, spec) in &select.windows {
        window(spec, visit);
    }
}

fn window<'n>(spec: &'n WindowSpec, visit: &mut dyn FnMut(&'n Expr)) {
    spec.partition_by.iter().for_each(&mut *visit);
    spec.order_by.iter().for_each(|item| visit(&item.expr));
}

fn table<'n>(item: &'n TableRef, visit: &mut dyn FnMut(Node<'n>)) {
    match item {
        TableRef::Relation(relation) => visit(Node::Relation(relation)),
        TableRef::Subquery { query, .. } => walk_query(query, visit),
        TableRef::Function { calls, .. } => exprs(calls.iter(), visit),
        TableRef::Join(join) => {
            let Join {
                left, right, on, ..
            } = join.as_ref();
            table(left, visit);
            table(right, visit);
            if let JoinOn::On(on) = on {
                walk_expr(on, visit);
            }
        }
    }
}

fn walk_expr<'n>(expr: &'n Expr, visit: &mut dyn FnMut(Node<'n>)) {
    visit(Node::Expr(expr));
    let mut inner = Vec::new();
    let mut subqueries = Vec::new();
    parts(expr, &mut |part| inner.push(part), &mut |query| {
        subqueries.push(query)
    });
    for part in inner {
        walk_expr(part, visit);
    }
    for query in subqueries {
        walk_query(query, visit);
    }
}

/// The subqueries of an expression, not those inside them.
pub fn queries<'n>(expr: &'n Expr, visit: &mut dyn FnMut(&'n Query)) {
    let mut stack = vec![expr];
    while let Some(expr) = stack.pop() {
        let mut inner = Vec::new();
        parts(expr, &mut |part| inner.push(part), visit);
        stack.extend(inner.into_iter().rev());
    }
}

/// The expressions within an expression, outside its subqueries; not itself.
pub fn within<'n>(expr: &'n Expr, visit: &mut dyn FnMut(&'n Expr)) {
    let mut stack = vec![expr];
    while let Some(expr) = stack.pop() {
        parts(
            expr,
            &mut |part| {
                visit(part);
                stack.push(part);
            },
            &mut |_| {},
        );
    }
}

/// Whether a node within the expression, outside its subqueries, is as asked.
pub fn any(expr: &Expr, test: &mut dyn FnMut(&ExprKind) -> bool) -> bool {
    let mut stack = vec![expr];
    while let Some(expr) = stack.pop() {
        if test(&expr.kind) {
            return true;
        }
        parts(expr, &mut |part| stack.push(part), &mut |_| {});
    }
    false
}

/// The expressions and queries directly inside an expression.
fn parts<'n>(expr: &'n Expr, part: &mut dyn FnMut(&'n Expr), query: &mut dyn FnMut(&'n Query)) {
    match &expr.kind {
        ExprKind::Column { .. } | ExprKind::Literal(_) | ExprKind::Param(_) | ExprKind::Default => {
        }
        ExprKind::And(items)
        | ExprKind::Or(items)
        | ExprKind::Row(items)
        | ExprKind::Array(items) => items.iter().for_each(part),
        ExprKind::Not(expr)
        | ExprKind::Unary { expr, .. }
        | ExprKind::Cast { expr, .. }
        | ExprKind::IsNull { expr, .. }
        | ExprKind::IsTruth { expr, .. }
        | ExprKind::Collate { expr, .. }
        | ExprKind::Field { expr, .. } => part(expr),
        ExprKind::Binary { left, right, .. } | ExprKind::IsDistinct { left, right, .. } => {
            part(left);
            part(right);
        }
        ExprKind::InList { expr, list, .. } => {
            part(expr);
            list.iter().for_each(part);
        }
        ExprKind::InQuery {
            expr, query: inner, ..
        } => {
            part(expr);
            query(inner);
        }
        ExprKind::Quantified { left, right, .. } => {
            part(left);
            match right {
                QuantifiedSide::Array(array) => part(array),
                QuantifiedSide::Query(inner) => query(inner),
            }
        }
        ExprKind::Between {
            expr, low, high, ..
        } => {
            part(expr);
            part(low);
            part(high);
        }
        ExprKind::Call(call) => call_parts(call, part),
        ExprKind::Case {
            operand,
            arms,
            otherwise,
        } => {
            operand.iter().for_each(|expr| part(expr));
            for (when, then) in arms {
                part(when);
                part(then);
            }
            otherwise.iter().for_each(|expr| part(expr));
        }
        ExprKind::Exists(inner) | ExprKind::Scalar(inner) | ExprKind::ArrayQuery(inner) => {
            query(inner);
        }
        ExprKind::Subscript { expr, indexes } => {
            part(expr);
            indexes.iter().for_each(part);
        }
    }
}

fn call_parts<'n>(call: &'n Call, part: &mut dyn FnMut(&'n Expr)) {
    let Call {
        name: _,
        args,
        star: _,
        distinct: _,
        unusual_args: _,
        order_by,
        within_group,
        filter,
        over,
    } = call;
    args.iter().for_each(&mut *part);
    let ordered = order_by.iter().chain(within_group);
    ordered.for_each(|OrderItem { expr, .. }| part(expr));
    filter.iter().for_each(&mut *part);
    if let Some(Over::Spec(spec)) = over {
        window(spec, part);
    }
}

/// How often each unqualified relation name is used.
pub fn relation_counts(of: &Statement) -> Vec<(Ident, usize)> {
    let mut counts: Vec<(Ident, usize)> = Vec::new();
    statement(of, &mut |node| {
        if let Node::Relation(relation) = node
            && relation.name.schema.is_none()
        {
            let name = &relation.name.name;
            match counts.iter_mut().find(|(known, _)| known == name) {
                Some((_, count)) => *count += 1,
                None => counts.push((name.clone(), 1)),
            }
        }
    });
    counts
}

/// How often each parameter stands in the statement, `$1` first.
pub fn param_counts(of: &Statement) -> Vec<u32> {
    let mut counts: Vec<u32> = Vec::new();
    statement(of, &mut |node| {
        if let Node::Expr(e) = node
            && let ExprKind::Param(n) = e.kind
            && let Some(at) = usize::from(n).checked_sub(1)
        {
            if counts.len() <= at {
                counts.resize(at + 1, 0);
            }
            counts[at] += 1;
        }
    });
    counts
}
