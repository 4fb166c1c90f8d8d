//! How many columns a query gives, for an insertion that does not name those it fills.

use super::super::reading::Reading;
use super::super::words::words;
use crate::sql::statement::{
    Call, Cte, Expr, ExprKind, Join, JoinOn, Kind, Query, SelectItem, SetExpr, TableRef,
};

/// The number of columns of `q`, which stands behind `with`.
pub(super) fn width(reading: &Reading<'_>, with: &[Cte], q: &Query) -> Option<usize> {
    let words = words(reading.text, reading.options);
    let widths = Widths {
        reading,
        numbered: words.iter().any(|w| w.is("ordinality")),
    };
    widths.query(q, &with.iter().collect::<Vec<_>>())
}

struct Widths<'r, 'a> {
    reading: &'r Reading<'a>,
    /// Some function may have one more: the tree does not say which.
    numbered: bool,
}

impl Widths<'_, '_> {
    /// `ctes`: the common table expressions in sight, the innermost last.
    fn query<'s>(&self, q: &'s Query, ctes: &[&'s Cte]) -> Option<usize> {
        let ctes: Vec<&Cte> = ctes.iter().copied().chain(&q.with).collect();
        self.set(&q.body, &ctes)
    }

    fn set(&self, body: &SetExpr, ctes: &[&Cte]) -> Option<usize> {
        match body {
            SetExpr::Select(s) => {
                let item = |item: &SelectItem| match item {
                    SelectItem::Expr { .. } => Some(1),
                    SelectItem::Wildcard {
                        qualifier: None, ..
                    } => s.from.iter().map(|t| self.from(t, ctes)).sum(),
                    SelectItem::Wildcard {
                        qualifier: Some(q), ..
                    } => match &s.from[..] {
                        [only] if q.schema.is_none() && name(only) == Some(&q.name) => {
                            self.from(only, ctes)
                        }
                        _ => None,
                    },
                };
                s.items.iter().map(item).sum()
            }
            SetExpr::Values(v) => v.rows.first().map(Vec::len),
            SetExpr::SetOperation { left, .. } => self.set(left, ctes),
            SetExpr::Query(q) => self.query(q, ctes),
        }
    }

    fn from(&self, item: &TableRef, ctes: &[&Cte]) -> Option<usize> {
        match item {
            TableRef::Relation(r) => match self.reading.of(r) {
                Some(at) => Some(self.reading.relation(at)?.columns.len()),
                None => {
                    let at = ctes.iter().rposition(|cte| cte.name == r.name.name)?;
                    match &ctes[at].body.kind {
                        // It sees those before it.
                        Kind::Query(q) => self.query(q, &ctes[..at]),
                        _ => None,
                    }
                }
            },
            TableRef::Subquery { query, .. } => self.query(query, ctes),
            TableRef::Function { calls, alias, .. } => {
                let [
                    Expr {
                        kind: ExprKind::Call(call),
                        ..
                    },
                ] = &calls[..]
                else {
                    return None;
                };
                let defined = alias.as_ref().map_or(0, |a| a.columns.len());
                (!self.numbered).then(|| of_function(call, defined))?
            }
            TableRef::Join(join) => match &**join {
                Join {
                    on: JoinOn::Using(_) | JoinOn::Natural,
                    ..
                } => None,
                Join { left, right, .. } => Some(self.from(left, ctes)? + self.from(right, ctes)?),
            },
        }
    }
}

fn name(item: &TableRef) -> Option<&String> {
    match item {
        TableRef::Relation(r) => Some(r.alias.as_ref().map_or(&r.name.name, |a| &a.name)),
        TableRef::Subquery { alias, .. } | TableRef::Function { alias, .. } => {
            alias.as_ref().map(|a| &a.name)
        }
        TableRef::Join(_) => None,
    }
}

/// The columns of a function of PostgreSQL's own. `defined`: as many as its alias names.
fn of_function(call: &Call, defined: usize) -> Option<usize> {
    if call
        .name
        .schema
        .as_deref()
        .is_some_and(|s| s != "pg_catalog")
    {
        return None;
    }
    match call.name.name.as_str() {
        "generate_series"
        | "json_array_elements"
        | "json_array_elements_text"
        | "jsonb_array_elements"
        | "jsonb_array_elements_text"
        | "regexp_split_to_table"
        | "string_to_table" => Some(1),
        "json_each" | "json_each_text" | "jsonb_each" | "jsonb_each_text" => Some(2),
        "json_to_record" | "json_to_recordset" | "jsonb_to_record" | "jsonb_to_recordset" => {
            (defined > 0).then_some(defined)
        }
        // An array of rows has their columns.
        "unnest" => call
            .args
            .iter()
            .all(is_of_scalars)
            .then_some(call.args.len()),
        _ => None,
    }
}

fn is_of_scalars(array: &Expr) -> bool {
    match &array.kind {
        ExprKind::Cast { to, .. } => to
            .strip_suffix("[]")
            .is_some_and(|element| SCALARS.contains(&element.split('(').next().unwrap_or(element))),
        ExprKind::Array(list) => list
            .iter()
            .all(|e| matches!(e.kind, ExprKind::Literal(_) | ExprKind::Param(_))),
        _ => false,
    }
}

/// Types of PostgreSQL's own that applications have arrays of, by their canonical names.
const SCALARS: &[&str] = &[
    "bigint",
    "integer",
    "smallint",
    "text",
    "character varying",
    "character",
    "uuid",
    "boolean",
    "numeric",
    "real",
    "double precision",
    "date",
    "timestamp without time zone",
    "timestamp with time zone",
    "interval",
    "json",
    "jsonb",
    "bytea",
    "inet",
];
