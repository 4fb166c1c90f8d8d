//! References to a whole row: a table's name where a column's might stand.
//!
//! PostgreSQL looks for a column first, in the block and in those around it, and only then for a table of that name, the
//! innermost one (`transformColumnRef` in `parser/parse_expr.c`). So the name of one block's table is another block's
//! column, or another's table, and what it means has to be found out where it stands.

use super::super::outputs::{Title, title};
use super::super::reading::Reading;
use super::super::walk::{self, Part};
use crate::id::Span;
use crate::sql::Statement;
use crate::sql::statement::{
    Cte, Distinct, Expr, ExprKind, GroupItem, Insert, InsertSource, Kind, OrderItem, Query,
    Relation, Select, SelectItem, SetExpr, TableRef, WHOLE_ROW,
};

/// The references of a statement to whole rows of some uses.
#[derive(Default)]
pub(super) struct Whole {
    /// Each with the use's number among the facts.
    pub(super) rows: Vec<(usize, Span)>,
    /// One that may be a column as well, as far as can be told.
    pub(super) doubt: Option<String>,
}

/// Finds them. `of`: the uses, and the names that they have in their blocks.
pub(super) fn whole(reading: &Reading<'_>, statement: &Statement, of: &[(usize, &str)]) -> Whole {
    let mut scopes = Scopes {
        reading,
        of,
        ctes: Vec::new(),
        levels: Vec::new(),
        found: Whole::default(),
    };
    scopes.statement(statement);
    scopes.found
}

/// One thing that a block's expressions can name.
struct Leaf<'s> {
    name: &'s str,
    /// Its number among the facts, of a relation.
    at: Option<usize>,
    /// The names of its columns, if they are known.
    columns: Option<Vec<String>>,
}

struct Scopes<'r, 'a, 's> {
    reading: &'r Reading<'a>,
    of: &'r [(usize, &'r str)],
    /// Common table expressions, the innermost last, with their columns.
    ctes: Vec<(&'s str, Option<Vec<String>>)>,
    /// Blocks, the innermost last.
    levels: Vec<Vec<Leaf<'s>>>,
    found: Whole,
}

impl<'s> Scopes<'_, '_, 's> {
    fn statement(&mut self, s: &'s Statement) {
        match &s.kind {
            Kind::Query(q) => self.query(q),
            Kind::Insert(i) => self.within(&i.with, i.recursive, |scopes| scopes.insert(i)),
            Kind::Update(u) => self.within(&u.with, u.recursive, |scopes| {
                let values = u.assignments.iter().map(|a| &a.value);
                scopes.change(&u.target, &u.from, values.chain(&u.filter), &u.returning);
            }),
            Kind::Delete(d) => self.within(&d.with, d.recursive, |scopes| {
                scopes.change(&d.target, &d.using, d.filter.iter(), &d.returning);
            }),
            Kind::Copy(c) => {
                if let crate::sql::statement::CopyWhat::Query(inner) = &c.what {
                    self.statement(inner);
                }
            }
            Kind::Explain(e) => self.statement(&e.statement),
            _ => {}
        }
    }

    fn insert(&mut self, i: &'s Insert) {
        match &i.source {
            InsertSource::DefaultValues => {}
            InsertSource::Values(v) => v.rows.iter().flatten().for_each(|e| self.expr(e)),
            InsertSource::Query(q) => self.query(q),
        }
        let conflict = i.on_conflict.iter();
        let stored =
            conflict.flat_map(|c| c.update.iter().flatten().map(|a| &a.value).chain(&c.filter));
        self.change(&i.target, &[], stored, &i.returning);
    }

    /// The expressions of a change, which see its target too.
    fn change(
        &mut self,
        target: &'s Relation,
        from: &'s [TableRef],
        exprs: impl Iterator<Item = &'s Expr>,
        returning: &'s [SelectItem],
    ) {
        self.block(from, Some(target), |scopes| {
            exprs.for_each(|e| scopes.expr(e));
            for item in returning {
                if let SelectItem::Expr { expr, .. } = item {
                    scopes.expr(expr);
                }
            }
        });
    }

    /// What stands behind a WITH clause.
    fn within(&mut self, with: &'s [Cte], recursive: bool, behind: impl FnOnce(&mut Self)) {
        let outside = self.ctes.len();
        for cte in with {
            let columns = self.columns_of_cte(cte);
            if recursive {
                self.ctes.push((&cte.name, columns));
                self.statement(&cte.body);
            } else {
                self.statement(&cte.body);
                self.ctes.push((&cte.name, columns));
            }
        }
        behind(self);
        self.ctes.truncate(outside);
    }

    fn query(&mut self, q: &'s Query) {
        self.within(&q.with, q.recursive, |scopes| {
            scopes.set(&q.body, &q.order_by);
            q.limit.iter().chain(&q.offset).for_each(|e| scopes.expr(e));
        });
    }

    fn set(&mut self, body: &'s SetExpr, order_by: &'s [OrderItem]) {
        match body {
            SetExpr::Select(s) => self.select(s, order_by),
            SetExpr::Values(v) => v.rows.iter().flatten().for_each(|e| self.expr(e)),
            // What it is sorted by are columns of the result.
            SetExpr::SetOperation { left, right, .. } => {
                self.set(left, &[]);
                self.set(right, &[]);
            }
            // Parentheses are nothing: what it is sorted by outside of them may be its columns as well.
            SetExpr::Query(q) => self.within(&q.with, q.recursive, |scopes| {
                let own = !q.order_by.is_empty();
                scopes.set(&q.body, if own { &q.order_by } else { order_by });
                q.limit.iter().chain(&q.offset).for_each(|e| scopes.expr(e));
            }),
        }
    }

    fn select(&mut self, s: &'s Select, order_by: &'s [OrderItem]) {
        let mut sorted: Vec<&'s Expr> = order_by.iter().map(|o| &o.expr).collect();
        if let Distinct::On(list) = &s.distinct {
            sorted.extend(list);
        }
        sorted.extend(s.group_by.iter().filter_map(|item| match item {
            GroupItem::Expr(e) => Some(e),
            GroupItem::Sets(_) => None,
        }));
        // A bare name there is a column of the result, if there is one that is called so.
        let result =
            |e: &Expr| match &e.kind {
                ExprKind::Column { qualifier, name } => qualifier.is_empty()
                    && s.items.iter().any(
                        |item| matches!(item, SelectItem::Expr { alias: Some(a), .. } if a == name),
                    ),
                _ => false,
            };
        let skipped: Vec<*const Expr> = sorted
            .iter()
            .filter(|e| result(e))
            .map(|e| std::ptr::from_ref(*e))
            .collect();
        self.block(&s.from, None, |scopes| {
            let mut exprs: Vec<&'s Expr> = order_by.iter().map(|o| &o.expr).collect();
            walk::block_exprs(s, &mut |e, _| exprs.push(e));
            for e in exprs {
                if !skipped.contains(&std::ptr::from_ref(e)) {
                    scopes.expr(e);
                }
            }
        });
    }

    /// A `FROM`, and what sees it.
    fn block(
        &mut self,
        from: &'s [TableRef],
        target: Option<&'s Relation>,
        inside: impl FnOnce(&mut Self),
    ) {
        from.iter().for_each(|item| self.subqueries(item, false));
        let mut leaves = Vec::new();
        leaves.extend(target.map(|r| self.relation(r)));
        from.iter().for_each(|item| self.leaves(item, &mut leaves));
        self.levels.push(leaves);
        from.iter().for_each(|item| self.subqueries(item, true));
        inside(self);
        self.levels.pop();
    }

    /// The subqueries of a `FROM` item that see what stands beside them, or those that do not.
    fn subqueries(&mut self, item: &'s TableRef, beside: bool) {
        match item {
            TableRef::Subquery { query, lateral, .. } if *lateral == beside => self.query(query),
            TableRef::Join(join) => {
                self.subqueries(&join.left, beside);
                self.subqueries(&join.right, beside);
            }
            _ => {}
        }
    }

    fn expr(&mut self, e: &'s Expr) {
        if let ExprKind::Column { qualifier, name } = &e.kind {
            match &qualifier[..] {
                [] if self.of.iter().any(|(_, alias)| alias == name) => self.meant(name, e.span),
                // No column that is called so.
                [table]
                    if name == WHOLE_ROW && e.span.of(self.reading.text).ends_with(WHOLE_ROW) =>
                {
                    self.row_of(table, e.span);
                }
                _ => {}
            }
        }
        walk::parts(e, &mut |part| match part {
            Part::Expr(e) => self.expr(e),
            Part::Query(q) => self.query(q),
        });
    }

    /// What a bare name means where it stands.
    fn meant(&mut self, name: &str, span: Span) {
        let mut doubt = span.is_empty();
        for leaf in self.levels.iter().flatten() {
            match &leaf.columns {
                Some(columns) if columns.iter().any(|c| c == name) => return,
                Some(_) => {}
                None => doubt = true,
            }
        }
        match self.used(name) {
            None => {}
            Some(_) if doubt => self.found.doubt = Some(name.to_owned()),
            Some(at) => self.found.rows.push((at, span)),
        }
    }

    /// `t.*`, which no column can be.
    fn row_of(&mut self, table: &str, span: Span) {
        if let Some(at) = self.used(table) {
            self.found.rows.push((at, span));
        }
    }

    /// The use that a table's name means where it stands, if it is one of those that are looked for.
    fn used(&self, name: &str) -> Option<usize> {
        let mut leaves = self.levels.iter().rev().flatten();
        let at = leaves.find(|leaf| leaf.name == name)?.at;
        at.filter(|at| self.of.iter().any(|(of, _)| of == at))
    }

    fn leaves(&self, item: &'s TableRef, out: &mut Vec<Leaf<'s>>) {
        match item {
            TableRef::Relation(r) => out.push(self.relation(r)),
            TableRef::Subquery { query, alias, .. } => {
                let renamed = alias.as_ref().map_or(&[][..], |a| &a.columns);
                out.push(Leaf {
                    name: alias.as_ref().map_or("", |a| &a.name),
                    at: None,
                    columns: self.columns_of(query).map(|list| named(list, renamed)),
                });
            }
            TableRef::Function { calls, alias, .. } => {
                let called = match &calls[..] {
                    [
                        Expr {
                            kind: ExprKind::Call(call),
                            ..
                        },
                    ] => Some(call.name.name.as_str()),
                    _ => None,
                };
                let name = alias.as_ref().map_or(called, |a| Some(&a.name));
                let columns = match alias {
                    Some(a) if !a.columns.is_empty() => Some(a.columns.clone()),
                    _ => called.and_then(of_function).map(|list| {
                        list.iter()
                            .copied()
                            .chain(name)
                            .map(str::to_owned)
                            .collect()
                    }),
                };
                out.push(Leaf {
                    name: name.unwrap_or_default(),
                    at: None,
                    columns,
                });
            }
            TableRef::Join(join) => {
                self.leaves(&join.left, out);
                self.leaves(&join.right, out);
            }
        }
    }

    fn relation(&self, r: &'s Relation) -> Leaf<'s> {
        let at = self.reading.of(r);
        let columns = match at {
            Some(at) => self.reading.relation(at).map(|known| {
                let columns = known.columns.iter();
                columns.map(|c| c.name.clone()).collect::<Vec<_>>()
            }),
            None => {
                let mut ctes = self.ctes.iter().rev();
                ctes.find(|(name, _)| *name == r.name.name)
                    .and_then(|(_, columns)| columns.clone())
            }
        };
        let renamed = r.alias.as_ref().map_or(&[][..], |a| &a.columns);
        Leaf {
            name: r.alias.as_ref().map_or(&r.name.name, |a| &a.name),
            at,
            columns: columns.map(|list| named(list, renamed)),
        }
    }

    fn columns_of_cte(&self, cte: &'s Cte) -> Option<Vec<String>> {
        let list = match &cte.body.kind {
            Kind::Query(q) => self.columns_of(q),
            Kind::Insert(i) => self.titles(&i.returning, || vec![self.relation(&i.target)]),
            Kind::Update(u) => self.titles(&u.returning, || self.all(&u.from, &u.target)),
            Kind::Delete(d) => self.titles(&d.returning, || self.all(&d.using, &d.target)),
            _ => None,
        };
        list.map(|list| named(list, &cte.columns))
    }

    fn all(&self, from: &'s [TableRef], target: &'s Relation) -> Vec<Leaf<'s>> {
        let mut leaves = vec![self.relation(target)];
        from.iter().for_each(|item| self.leaves(item, &mut leaves));
        leaves
    }

    /// The names of a query's columns.
    fn columns_of(&self, q: &'s Query) -> Option<Vec<String>> {
        // Its own common table expressions would have to be known.
        match q.with.is_empty() {
            true => self.columns_of_set(&q.body),
            false => None,
        }
    }

    fn columns_of_set(&self, body: &'s SetExpr) -> Option<Vec<String>> {
        match body {
            SetExpr::Select(s) => self.titles(&s.items, || {
                let mut leaves = Vec::new();
                s.from.iter().for_each(|t| self.leaves(t, &mut leaves));
                leaves
            }),
            SetExpr::Values(v) => {
                let width = v.rows.first()?.len();
                Some((1..=width).map(|n| format!("column{n}")).collect())
            }
            SetExpr::SetOperation { left, .. } => self.columns_of_set(left),
            SetExpr::Query(q) => self.columns_of(q),
        }
    }

    /// The names of what a select list gives; merged columns may come twice.
    fn titles(
        &self,
        items: &'s [SelectItem],
        leaves: impl Fn() -> Vec<Leaf<'s>>,
    ) -> Option<Vec<String>> {
        let mut list = Vec::new();
        for item in items {
            match item {
                SelectItem::Expr { alias: Some(a), .. } => list.push(a.clone()),
                SelectItem::Expr { expr, .. } => list.push(match title(expr) {
                    Title::Is(name) => name,
                    Title::None => "?column?".to_owned(),
                    Title::Doubt => return None,
                }),
                SelectItem::Wildcard { qualifier, .. } => {
                    for leaf in leaves() {
                        if qualifier.as_ref().is_none_or(|q| q.name == leaf.name) {
                            list.extend(leaf.columns?);
                        }
                    }
                }
            }
        }
        Some(list)
    }
}

/// The columns with the names that an alias gives them, from the left.
fn named(mut columns: Vec<String>, names: &[String]) -> Vec<String> {
    for (column, name) in columns.iter_mut().zip(names) {
        column.clone_from(name);
    }
    columns
}

/// What the columns of a function in `FROM` may be called beside the name that it has there, of those that are known.
fn of_function(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "generate_series"
        | "generate_subscripts"
        | "regexp_split_to_table"
        | "string_to_table"
        | "regexp_matches"
        | "json_object_keys"
        | "jsonb_object_keys"
        | "jsonb_path_query" => &["ordinality"],
        "json_array_elements"
        | "json_array_elements_text"
        | "jsonb_array_elements"
        | "jsonb_array_elements_text"
        | "json_each"
        | "json_each_text"
        | "jsonb_each"
        | "jsonb_each_text" => &["key", "value", "ordinality"],
        _ => return None,
    })
}
