//! Whether what equals a key is of the key's own kind, so that it has the key's home.
//!
//! PostgreSQL compares a key with a value of another type in a type that both have, and texts in the collation of either.
//! Where that is a type or collation in which more is equal than the key's own values are (`double precision`, for which
//! 2⁵³ and 2⁵³ + 1 are one number; a collation that ignores case), rows on several shards may equal one value.

use super::super::function::{Nature, nature};
use super::super::leaves::{What, leaves};
use super::super::names;
use super::super::outputs::{Title, outputs};
use super::super::reading::Reading;
use super::super::walk::{self, Part};
use crate::sql::statement::{
    Alias, Call, Cte, Expr, ExprKind, Kind, LiteralKind, Name, Query, Relation, Select, SetExpr,
    TableRef,
};
use crate::topology::catalog::{Collation, Column};
use crate::value::{KeyType, oid};

const NUMERIC: u32 = 1700;
const BPCHAR: u32 = 1042;
const NAME: u32 = 19;

/// Looks at the columns of a source.
pub(super) struct Source<'r, 'a> {
    pub(super) reading: &'r Reading<'a>,
    pub(super) key_type: KeyType,
    /// The one common table expression in front.
    pub(super) with: Option<&'r Cte>,
}

impl Source<'_, '_> {
    /// Whether a column of a `FROM` item is known to be fit.
    pub(super) fn item(&self, item: &TableRef, column: &str) -> bool {
        match item {
            TableRef::Relation(r) => {
                let renamed = r.alias.as_ref().map_or(&[][..], |a| &a.columns);
                match self.cte(r) {
                    Some((query, alias)) => {
                        renamed.is_empty() && self.query(query, Some(&alias), column)
                    }
                    None => self.relation(&r.name, renamed, column),
                }
            }
            TableRef::Subquery { query, alias, .. } => self.query(query, alias.as_ref(), column),
            TableRef::Function { calls, alias, .. } => {
                let named = alias.as_ref().is_some_and(|a| match &a.columns[..] {
                    [] => a.name == column,
                    [first, ..] => first == column,
                });
                matches!(&calls[..], [one] if named && self.set_of(one))
            }
            TableRef::Join(_) => false,
        }
    }

    /// The query of a common table expression, and its names; it is what it names, and nothing within it.
    fn cte(&self, r: &Relation) -> Option<(&Query, Alias)> {
        let cte = self.with?;
        let Kind::Query(query) = &cte.body.kind else {
            return None;
        };
        (r.name.schema.is_none() && r.name.name == cte.name).then(|| {
            let (name, columns) = (cte.name.clone(), cte.columns.clone());
            (&**query, Alias { name, columns })
        })
    }

    /// The names of a `FROM` item's columns, where all are known.
    pub(super) fn names(&self, item: &TableRef) -> Option<Vec<String>> {
        let (mut names, renamed) = match item {
            TableRef::Relation(r) if self.cte(r).is_some() => {
                let (query, alias) = self.cte(r)?;
                let mut names = self.titles(&query.body)?;
                for (name, new) in names.iter_mut().zip(&alias.columns) {
                    name.clone_from(new);
                }
                (names, r.alias.as_ref())
            }
            TableRef::Relation(r) => {
                let found = names::schemas(self.reading.search_path, &r.name)
                    .find_map(|schema| self.reading.catalog.relation(schema, &r.name.name).is())?;
                let names = found.columns.iter().map(|c| c.name.clone()).collect();
                (names, r.alias.as_ref())
            }
            TableRef::Subquery { query, alias, .. } => (self.titles(&query.body)?, alias.as_ref()),
            TableRef::Function { .. } | TableRef::Join(_) => return None,
        };
        for (name, new) in names
            .iter_mut()
            .zip(renamed.iter().flat_map(|a| &a.columns))
        {
            name.clone_from(new);
        }
        Some(names)
    }

    fn titles(&self, body: &SetExpr) -> Option<Vec<String>> {
        match body {
            SetExpr::Select(s) => {
                let (list, all) = outputs(self.reading, s);
                let title = |title: &Title| match title {
                    Title::Is(name) => Some(name.clone()),
                    Title::None => Some("?column?".to_owned()),
                    Title::Doubt => None,
                };
                let titles = list.iter().map(|output| title(&output.name));
                titles.collect::<Option<_>>().filter(|_| all)
            }
            SetExpr::Values(v) => {
                let width = v.rows.first()?.len();
                Some((1..=width).map(|n| format!("column{n}")).collect())
            }
            SetExpr::SetOperation { left, .. } => self.titles(left),
            SetExpr::Query(q) => self.titles(&q.body),
        }
    }

    fn relation(&self, name: &Name, renamed: &[String], column: &str) -> bool {
        let found = names::schemas(self.reading.search_path, name)
            .find_map(|schema| self.reading.catalog.relation(schema, &name.name).is());
        found.is_some_and(|relation| {
            let named = |(at, c): &(usize, &Column)| renamed.get(*at).unwrap_or(&c.name) == column;
            let found = relation.columns.iter().enumerate().find(named);
            found.is_some_and(|(_, c)| self.column(c))
        })
    }

    fn query(&self, query: &Query, alias: Option<&Alias>, column: &str) -> bool {
        // What is in a common table expression is not followed.
        if !query.with.is_empty() {
            return false;
        }
        let renamed = alias.map_or(&[][..], |a| &a.columns);
        match renamed.iter().position(|name| name == column) {
            Some(at) => self.at(&query.body, at),
            None => self
                .position(&query.body, column)
                .is_some_and(|at| at >= renamed.len() && self.at(&query.body, at)),
        }
    }

    /// Where a column of this name stands.
    fn position(&self, body: &SetExpr, column: &str) -> Option<usize> {
        match body {
            SetExpr::Select(s) => {
                let (list, _) = outputs(self.reading, s);
                let is = |name: &Title| matches!(name, Title::Is(name) if name == column);
                list.iter().position(|output| is(&output.name))
            }
            SetExpr::Values(_) => column
                .strip_prefix("column")?
                .parse::<usize>()
                .ok()?
                .checked_sub(1),
            SetExpr::SetOperation { left, .. } => self.position(left, column),
            SetExpr::Query(q) if q.with.is_empty() => self.position(&q.body, column),
            SetExpr::Query(_) => None,
        }
    }

    fn at(&self, body: &SetExpr, at: usize) -> bool {
        match body {
            SetExpr::Select(s) => {
                let (list, _) = outputs(self.reading, s);
                list.get(at)
                    .is_some_and(|output| self.expr(Some(s), &output.value.expr()))
            }
            SetExpr::Values(v) => {
                let fits = |row: &Vec<Expr>| row.get(at).is_some_and(|e| self.expr(None, e));
                v.rows.iter().all(fits)
            }
            SetExpr::SetOperation { left, right, .. } => self.at(left, at) && self.at(right, at),
            SetExpr::Query(q) => q.with.is_empty() && self.at(&q.body, at),
        }
    }

    fn column(&self, column: &Column) -> bool {
        let (type_oid, _) = column
            .base
            .unwrap_or((column.type_oid, column.type_modifier));
        match self.key_type {
            KeyType::Bigint => matches!(type_oid, oid::INT2 | oid::INT4 | oid::INT8 | NUMERIC),
            // Blanks at the end of a `character(n)` are gone before it is compared.
            KeyType::Text => {
                matches!(type_oid, oid::TEXT | oid::VARCHAR | BPCHAR | NAME)
                    && column.collation != Collation::Nondeterministic
            }
            KeyType::Uuid => type_oid == oid::UUID,
        }
    }

    /// A set-returning function.
    fn set_of(&self, e: &Expr) -> bool {
        let ExprKind::Call(call) = &e.kind else {
            return false;
        };
        if !self.is_built_in(call) {
            return false;
        }
        match (call.name.name.as_str(), &call.args[..]) {
            // There is one of integers, one of numeric, and those of times.
            ("generate_series", _) => self.key_type == KeyType::Bigint,
            ("unnest", [array]) => match &array.kind {
                ExprKind::Cast { expr, to, .. } => to.strip_suffix("[]").is_some_and(|element| {
                    self.named(element) && self.is_collated_plainly(None, expr)
                }),
                _ => false,
            },
            _ => false,
        }
    }

    fn is_built_in(&self, call: &Call) -> bool {
        matches!(
            nature(call, self.reading.catalog, self.reading.search_path),
            Nature::Pure | Nature::PerRow
        )
    }

    /// A type by its canonical name.
    fn named(&self, to: &str) -> bool {
        match self.key_type {
            KeyType::Bigint => matches!(to, "smallint" | "integer" | "bigint" | "numeric"),
            KeyType::Text => matches!(to, "text" | "character varying" | "character" | "name"),
            KeyType::Uuid => to == "uuid",
        }
    }

    /// An expression of the block `s`, or of `VALUES`.
    fn expr(&self, s: Option<&Select>, e: &Expr) -> bool {
        let all = |list: &[Expr]| list.iter().all(|e| self.expr(s, e));
        match &e.kind {
            ExprKind::Literal(LiteralKind::Null) => true,
            ExprKind::Literal(LiteralKind::String) => self.key_type == KeyType::Text,
            ExprKind::Literal(LiteralKind::Integer | LiteralKind::Numeric) => {
                self.key_type == KeyType::Bigint
            }
            ExprKind::Cast { expr, to, .. } => {
                self.named(to)
                    && (self.key_type != KeyType::Text || self.is_collated_plainly(s, expr))
            }
            ExprKind::Column { qualifier, name } => {
                s.is_some_and(|s| self.of_block(s, qualifier, name))
            }
            ExprKind::Unary { op, expr } if op == "-" || op == "+" => {
                self.key_type == KeyType::Bigint && self.expr(s, expr)
            }
            ExprKind::Binary { op, left, right } => {
                let keeps = match self.key_type {
                    KeyType::Bigint => matches!(op.as_str(), "+" | "-" | "*" | "/" | "%"),
                    KeyType::Text => op == "||",
                    KeyType::Uuid => false,
                };
                keeps && self.expr(s, left) && self.expr(s, right)
            }
            ExprKind::Case {
                arms, otherwise, ..
            } => {
                arms.iter().all(|(_, then)| self.expr(s, then))
                    && otherwise.iter().all(|e| self.expr(s, e))
            }
            ExprKind::Call(call) if self.is_built_in(call) => {
                match (call.name.name.as_str(), self.key_type) {
                    ("coalesce" | "nullif" | "greatest" | "least" | "max" | "min", _) => {
                        all(&call.args)
                    }
                    ("abs" | "sum", KeyType::Bigint) => all(&call.args),
                    ("count" | "length" | "ascii", KeyType::Bigint) => true,
                    (
                        "lower" | "upper" | "btrim" | "ltrim" | "rtrim" | "replace" | "initcap",
                        KeyType::Text,
                    ) => all(&call.args),
                    ("md5", KeyType::Text) => {
                        call.args.iter().all(|e| self.is_collated_plainly(s, e))
                    }
                    ("gen_random_uuid", KeyType::Uuid) => true,
                    _ => false,
                }
            }
            _ => false,
        }
    }

    /// Whether no collation in which different texts may be equal can come out of an expression.
    fn is_collated_plainly(&self, s: Option<&Select>, e: &Expr) -> bool {
        if self.key_type != KeyType::Text {
            return true;
        }
        let own = match &e.kind {
            ExprKind::Collate { .. } => false,
            ExprKind::Column { qualifier, name } => {
                s.is_some_and(|s| self.deterministic(s, qualifier, name))
            }
            // A domain's own collation comes in with its name.
            ExprKind::Cast { to, .. } => is_plain_type(to),
            ExprKind::Call(call) => self.is_built_in(call),
            _ => true,
        };
        let mut fits = own;
        walk::parts(e, &mut |part| {
            fits &= match part {
                Part::Expr(inner) => self.is_collated_plainly(s, inner),
                Part::Query(_) => false,
            };
        });
        fits
    }

    fn deterministic(&self, s: &Select, qualifier: &[String], name: &str) -> bool {
        let (list, _) = leaves(self.reading, &s.from);
        let mut found = false;
        for leaf in list.iter().filter(|leaf| is_meant(leaf.name, qualifier)) {
            let Some(columns) = leaf.columns(self.reading) else {
                return false;
            };
            for (_, column) in columns.iter().filter(|(known, _)| *known == name) {
                if column.collation == Collation::Nondeterministic {
                    return false;
                }
                found = true;
            }
        }
        found
    }

    /// A column of a block's `FROM`: every one of that name is fit.
    fn of_block(&self, s: &Select, qualifier: &[String], name: &str) -> bool {
        let (list, _) = leaves(self.reading, &s.from);
        let mut found = false;
        for leaf in list.iter().filter(|leaf| is_meant(leaf.name, qualifier)) {
            match leaf.what {
                What::Use(_) => {
                    let Some(columns) = leaf.columns(self.reading) else {
                        return false;
                    };
                    for (_, column) in columns.iter().filter(|(known, _)| *known == name) {
                        if !self.column(column) {
                            return false;
                        }
                        found = true;
                    }
                }
                What::Query(q) => {
                    let alias = Alias {
                        name: leaf.name.to_owned(),
                        columns: leaf.renamed.to_vec(),
                    };
                    let fits = self.query(q, Some(&alias), name);
                    // Without a qualifier it may be another one's.
                    if !fits && (!qualifier.is_empty() || self.has(q, leaf.renamed, name)) {
                        return false;
                    }
                    found |= fits;
                }
                What::Other => return false,
            }
        }
        found
    }

    /// Whether a query may have a column of this name.
    fn has(&self, q: &Query, renamed: &[String], name: &str) -> bool {
        renamed.iter().any(|known| known == name)
            || match &q.body {
                SetExpr::Select(s) => {
                    let (list, all) = outputs(self.reading, s);
                    let may = |title: &Title| match title {
                        Title::Is(known) => known == name,
                        Title::None => false,
                        Title::Doubt => true,
                    };
                    !all || list.iter().any(|output| may(&output.name))
                }
                _ => true,
            }
    }
}

fn is_meant(leaf: &str, qualifier: &[String]) -> bool {
    match qualifier {
        [] => true,
        [one] => one == leaf,
        _ => false,
    }
}

/// A type of PostgreSQL's own without a collation of its own.
fn is_plain_type(to: &str) -> bool {
    matches!(
        to,
        "text"
            | "character varying"
            | "character"
            | "name"
            | "smallint"
            | "integer"
            | "bigint"
            | "numeric"
            | "real"
            | "double precision"
            | "uuid"
            | "date"
            | "boolean"
            | "json"
            | "jsonb"
            | "bytea"
            | "timestamp with time zone"
            | "timestamp without time zone"
    )
}
