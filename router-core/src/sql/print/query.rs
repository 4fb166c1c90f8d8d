//! Queries.

use super::{Printer, alias_text, flag, ident, idents, list, maybe, node};
use crate::sql::statement::{
    Alias, Cte, Distinct, Expr, GroupItem, JoinKind, JoinOn, Lock, OrderItem, Query, Select,
    SelectItem, SetExpr, SetOp, TableRef, Values,
};

/// The clauses around a query's body. PostgreSQL merges those of `(… ORDER BY a) LIMIT 1`.
#[derive(Default)]
struct Clauses<'q> {
    with: &'q [Cte],
    recursive: bool,
    order_by: &'q [OrderItem],
    limit: Option<&'q Expr>,
    with_ties: bool,
    offset: Option<&'q Expr>,
    locks: Vec<&'q Lock>,
}

impl Printer<'_> {
    pub(super) fn query(&self, query: &Query) -> String {
        let mut clauses = Clauses::default();
        let mut query = query;
        loop {
            if !query.with.is_empty() {
                clauses.with = &query.with;
                clauses.recursive = query.recursive;
            }
            if !query.order_by.is_empty() {
                clauses.order_by = &query.order_by;
            }
            if query.limit.is_some() {
                clauses.limit = query.limit.as_ref();
                clauses.with_ties = query.with_ties;
            }
            if query.offset.is_some() {
                clauses.offset = query.offset.as_ref();
            }
            // The inner query's come first.
            clauses.locks.splice(0..0, &query.locks);
            match &query.body {
                SetExpr::Query(inner) => query = inner,
                body => return self.body(body, &clauses),
            }
        }
    }

    fn body(&self, body: &SetExpr, clauses: &Clauses<'_>) -> String {
        let locks: Vec<String> = clauses.locks.iter().map(|lock| lock_text(lock)).collect();
        let around = [
            self.ctes(clauses.with, clauses.recursive),
            self.order("order", clauses.order_by),
            // `LIMIT NULL` is `LIMIT ALL`.
            maybe(
                "limit",
                clauses
                    .limit
                    .map(|limit| self.expr(limit))
                    .filter(|limit| limit != "null"),
            ),
            flag(clauses.with_ties, "ties"),
            maybe("offset", clauses.offset.map(|offset| self.expr(offset))),
            list("locks", &locks),
        ];
        match body {
            SetExpr::Select(select) => self.select(select, around),
            SetExpr::Values(values) => {
                let mut parts = vec![self.rows(values)];
                parts.extend(around);
                node("values", &parts)
            }
            SetExpr::SetOperation {
                op,
                all,
                left,
                right,
            } => {
                let name = match op {
                    SetOp::Union => "union",
                    SetOp::Intersect => "intersect",
                    SetOp::Except => "except",
                };
                let mut parts = vec![flag(*all, "all"), self.arm(left), self.arm(right)];
                parts.extend(around);
                node(name, &parts)
            }
            SetExpr::Query(query) => self.query(query),
        }
    }

    fn arm(&self, arm: &SetExpr) -> String {
        match arm {
            SetExpr::Query(query) => self.query(query),
            body => self.body(body, &Clauses::default()),
        }
    }

    pub(super) fn rows(&self, values: &Values) -> String {
        let rows: Vec<String> = values
            .rows
            .iter()
            .map(|row| format!("({})", self.exprs(row).join(", ")))
            .collect();
        rows.join(" ")
    }

    pub(super) fn ctes(&self, ctes: &[Cte], recursive: bool) -> String {
        let items: Vec<String> = ctes
            .iter()
            .map(|cte| {
                let hint = match cte.materialized {
                    None => "",
                    Some(true) => "materialized ",
                    Some(false) => "not materialized ",
                };
                let alias = alias_text(&cte.name, &cte.columns);
                format!("{alias}: {hint}{}", self.statement(&cte.body))
            })
            .collect();
        list(if recursive { "recursive" } else { "with" }, &items)
    }

    fn select(&self, select: &Select, around: [String; 6]) -> String {
        let distinct = match &select.distinct {
            Distinct::No => String::new(),
            Distinct::Yes => "distinct".to_owned(),
            Distinct::On(exprs) => list("distinct", &self.exprs(exprs)),
        };
        let groups: Vec<String> = select
            .group_by
            .iter()
            .map(|item| match item {
                GroupItem::Expr(expr) => self.expr(expr),
                GroupItem::Sets(_) => "sets".to_owned(),
            })
            .collect();
        let windows: Vec<String> = select
            .windows
            .iter()
            .map(|(name, spec)| format!("{}: {}", ident(name), self.window(spec)))
            .collect();
        let mut parts = vec![
            distinct,
            list("items", &self.items(&select.items)),
            maybe("into", select.into.as_ref().map(super::name)),
            list("from", &self.tables(&select.from)),
            maybe(
                "where",
                select.filter.as_ref().map(|filter| self.expr(filter)),
            ),
            flag(select.group_distinct, "distinctly"),
            list("group", &groups),
            maybe(
                "having",
                select.having.as_ref().map(|having| self.expr(having)),
            ),
            list("windows", &windows),
        ];
        parts.extend(around);
        node("select", &parts)
    }

    pub(super) fn items(&self, items: &[SelectItem]) -> Vec<String> {
        items
            .iter()
            .map(|item| match item {
                SelectItem::Expr { expr, alias: None } => self.expr(expr),
                SelectItem::Expr {
                    expr,
                    alias: Some(alias),
                } => format!("{} as {}", self.expr(expr), ident(alias)),
                SelectItem::Wildcard {
                    qualifier: None, ..
                } => "*".to_owned(),
                SelectItem::Wildcard {
                    qualifier: Some(qualifier),
                    ..
                } => format!("{}.*", super::name(qualifier)),
            })
            .collect()
    }

    pub(super) fn order(&self, name: &str, items: &[OrderItem]) -> String {
        let items: Vec<String> = items
            .iter()
            .map(|item| {
                let direction = if item.descending { "desc" } else { "asc" };
                let nulls = if item.nulls_first { "first" } else { "last" };
                format!("{} {direction} nulls {nulls}", self.expr(&item.expr))
            })
            .collect();
        list(name, &items)
    }

    pub(super) fn tables(&self, tables: &[TableRef]) -> Vec<String> {
        tables.iter().map(|table| self.table(table)).collect()
    }

    fn table(&self, table: &TableRef) -> String {
        match table {
            TableRef::Relation(relation) => self.relation(relation),
            TableRef::Subquery {
                lateral,
                query,
                alias,
            } => node(
                "sub",
                &[flag(*lateral, "lateral"), self.query(query), aliased(alias)],
            ),
            TableRef::Function {
                lateral,
                calls,
                alias,
            } => node(
                "rows",
                &[
                    flag(*lateral, "lateral"),
                    self.exprs(calls).join(", "),
                    aliased(alias),
                ],
            ),
            TableRef::Join(join) => {
                let kind = match join.kind {
                    JoinKind::Inner => "join",
                    JoinKind::Left => "left",
                    JoinKind::Right => "right",
                    JoinKind::Full => "full",
                };
                let on = match &join.on {
                    JoinOn::Nothing => String::new(),
                    JoinOn::On(on) => maybe("on", Some(self.expr(on))),
                    JoinOn::Using(columns) => list("using", &idents(columns)),
                    JoinOn::Natural => "natural".to_owned(),
                };
                node(kind, &[self.table(&join.left), self.table(&join.right), on])
            }
        }
    }
}

fn aliased(alias: &Option<Alias>) -> String {
    alias.as_ref().map_or_else(String::new, |alias| {
        format!("as {}", alias_text(&alias.name, &alias.columns))
    })
}

/// The clause in lower case, its names as they are.
fn lock_text(lock: &Lock) -> String {
    let words: Vec<String> = lock
        .text
        .split_whitespace()
        .map(|word| match word.strip_prefix('"') {
            Some(_) => word.replace('"', ""),
            None => word.to_ascii_lowercase(),
        })
        .collect();
    words.join(" ").replace(" ,", ",").replace(", ", ",")
}
