//! Subqueries of a change that are answered first: by one server, once for all shards.
//!
//! `DELETE FROM t WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 10)` cannot ask each shard for its own ten. What the
//! subquery reads is brought to one server, which answers it, and the answer is brought to every shard.
//!
//! Proof: a subquery that names nothing of the statement around it, and calls nothing that changes from one call to the next,
//! has one answer for the whole statement, from the rows as they are before it; and as a condition it counts for the rows of
//! that answer alone, not for their order.

use super::function::{Nature, nature};
use super::names::{FIRST, Place};
use super::outputs::{Title, title};
use super::reading::Reading;
use super::spread::is_system_column;
use super::walk::{self, Met, Part};
use crate::sql::Statement;
use crate::sql::statement::{
    Cte, Expr, ExprKind, Kind, QuantifiedSide, Query, SelectItem, SetExpr, TableRef,
};

/// The subqueries of a change that can be answered by themselves, each outermost, and all that they are about. It is as good
/// as nothing when they read no sharded table.
pub(super) fn queries<'s>(reading: &Reading<'_>, statement: &'s Statement) -> Vec<&'s Query> {
    let mut list: Vec<&'s Query> = Vec::new();
    let (with, from, recursive) = match &statement.kind {
        Kind::Update(u) => (&u.with, &u.from, u.recursive),
        Kind::Delete(d) => (&d.with, &d.using, d.recursive),
        _ => return list,
    };
    match &statement.kind {
        Kind::Update(u) => {
            u.assignments
                .iter()
                .for_each(|a| of_expr(&a.value, &mut list));
            u.filter.iter().for_each(|e| of_expr(e, &mut list));
        }
        Kind::Delete(d) => d.filter.iter().for_each(|e| of_expr(e, &mut list)),
        _ => {}
    }
    from.iter().for_each(|item| of_from(item, &mut list));
    if !recursive {
        list.extend(with.iter().filter_map(body));
    }
    list.retain(|q| stands_alone(reading, q));
    list
}

fn body(cte: &Cte) -> Option<&Query> {
    match &cte.body.kind {
        Kind::Query(q) => Some(q),
        _ => None,
    }
}

/// The subqueries of an expression; not those whose rows become an array, in their order, unless it is only compared with each.
fn of_expr<'s>(e: &'s Expr, list: &mut Vec<&'s Query>) {
    match &e.kind {
        ExprKind::ArrayQuery(_) => return,
        ExprKind::Quantified {
            left,
            right: QuantifiedSide::Array(array),
            ..
        } => {
            let mut inner = &**array;
            while let ExprKind::Cast { expr, .. } = &inner.kind {
                inner = expr;
            }
            if let ExprKind::ArrayQuery(q) = &inner.kind {
                of_expr(left, list);
                list.push(q);
                return;
            }
        }
        _ => {}
    }
    walk::parts(e, &mut |part| match part {
        Part::Expr(inner) => of_expr(inner, list),
        Part::Query(q) => list.push(q),
    });
}

fn of_from<'s>(item: &'s TableRef, list: &mut Vec<&'s Query>) {
    match item {
        TableRef::Subquery {
            lateral: false,
            query,
            ..
        } => list.push(query),
        TableRef::Join(join) => {
            of_from(&join.left, list);
            of_from(&join.right, list);
        }
        _ => {}
    }
}

/// Whether a query has one answer, that one server gives once everything that it reads is there, in a table whose columns can
/// be told apart.
fn stands_alone(reading: &Reading<'_>, q: &Query) -> bool {
    let mut reads = false;
    let mut fits = !q.span.is_empty() && has_titles(reading, q);
    // Names that mean something inside. Whatever else is meant stands around it; where this is wrong, PostgreSQL does not
    // find the name.
    let mut tables: Vec<&str> = Vec::new();
    let mut columns: Vec<&str> = Vec::new();
    walk::query(q, &mut |met| match met {
        Met::From(TableRef::Relation(r)) => {
            let alias = r.alias.as_ref();
            tables.push(alias.map_or(&r.name.name, |a| &a.name));
            columns.extend(alias.iter().flat_map(|a| &a.columns).map(String::as_str));
            match reading.of(r) {
                Some(at) => {
                    reads |= matches!(reading.places[at], Place::Sharded { .. });
                    fits &= matches!(reading.places[at], Place::Sharded { .. } | Place::Reference);
                    match reading.relation(at) {
                        Some(known) => columns.extend(known.columns.iter().map(|c| &*c.name)),
                        None => fits = false,
                    }
                }
                // A common table expression: its own, or it belongs to what stands around.
                None => fits &= q.with.iter().any(|cte| cte.name == r.name.name),
            }
        }
        Met::From(TableRef::Subquery { alias, .. } | TableRef::Function { alias, .. }) => {
            if let Some(alias) = alias {
                tables.push(&alias.name);
                columns.push(&alias.name);
                columns.extend(alias.columns.iter().map(String::as_str));
            }
        }
        Met::Select(s) => columns.extend(s.items.iter().filter_map(|item| match item {
            SelectItem::Expr { alias, .. } => alias.as_deref(),
            SelectItem::Wildcard { .. } => None,
        })),
        Met::Query(inner) => {
            fits &= inner.locks.is_empty();
            columns.extend(
                inner
                    .with
                    .iter()
                    .flat_map(|c| &c.columns)
                    .map(String::as_str),
            );
        }
        Met::Change(_) => fits = false,
        Met::Expr(Expr {
            kind: ExprKind::Call(call),
            ..
        }) => {
            let nature = nature(call, reading.catalog, reading.search_path);
            fits &= matches!(nature, Nature::Pure | Nature::Clock);
        }
        _ => {}
    });
    walk::query(q, &mut |met| {
        if let Met::Expr(Expr {
            kind: ExprKind::Column { qualifier, name },
            ..
        }) = met
        {
            fits &= !is_system_column(name);
            fits &= match qualifier.last() {
                Some(table) => qualifier.len() == 1 && tables.contains(&table.as_str()),
                None => columns.contains(&name.as_str()),
            };
        }
    });
    reads && fits
}

/// Whether the columns of a query have names, each another.
fn has_titles(reading: &Reading<'_>, q: &Query) -> bool {
    let select = match &q.body {
        SetExpr::Select(s) => s,
        _ => return false,
    };
    let mut names: Vec<String> = Vec::new();
    for item in &select.items {
        match item {
            // A table has no column of type record.
            SelectItem::Expr { expr, .. } if may_be_record(expr) => return false,
            SelectItem::Expr { alias: Some(a), .. } => names.push(a.clone()),
            SelectItem::Expr { expr, .. } => match title(expr) {
                Title::Is(name) => names.push(name),
                Title::None => names.push("?column?".to_owned()),
                Title::Doubt => return false,
            },
            SelectItem::Wildcard { .. } => {
                let [TableRef::Relation(r)] = &select.from[..] else {
                    return false;
                };
                let Some(known) = reading.of(r).and_then(|at| reading.relation(at)) else {
                    return false;
                };
                names.extend(known.columns.iter().map(|c| c.name.clone()));
            }
        }
    }
    let apart = |(n, name): (usize, &String)| !names[..n].contains(name);
    names.iter().enumerate().all(apart)
}

/// Whether a value may be a row of no declared type.
fn may_be_record(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Row(_) => true,
        ExprKind::Call(call) => matches!(
            &*call.name.name,
            "row"
                | "jsonb_populate_record"
                | "json_to_record"
                | "jsonb_to_record"
                | "json_each"
                | "jsonb_each"
        ),
        ExprKind::Case { .. } => {
            let mut found = false;
            walk::parts(e, &mut |part| {
                if let Part::Expr(inner) = part {
                    found |= may_be_record(inner);
                }
            });
            found
        }
        _ => false,
    }
}

/// The uses of relations inside of a query that are not on every shard.
pub(super) fn uses(reading: &Reading<'_>, q: &Query) -> Vec<usize> {
    let inside = |at: &usize| {
        let span = reading.facts.relations[*at].span;
        q.span.start <= span.start && span.end <= q.span.end
    };
    let sharded = reading.sharded();
    sharded.filter(inside).collect()
}

impl super::bring::Brought {
    /// Has the first shard answer a query, and every shard get the answer in its place.
    pub(super) fn answer(
        &mut self,
        reading: &Reading<'_>,
        statement: &Statement,
        q: &Query,
    ) -> Option<()> {
        let outside = self.take_edits();
        for at in uses(reading, q) {
            self.relation(reading, statement, at, Some(FIRST))?;
        }
        let text = self.spliced(reading.text, q.span)?;
        self.put_edits(outside);
        let shape = q.span.of(reading.text);
        let table = self.stage.answered(reading.topology, FIRST, &text, shape);
        self.edit(q.span, format!("SELECT * FROM {table}"));
        Some(())
    }
}
