//! `INSERT`.

use super::function::{Nature, nature};
use super::names::Place;
use super::reading::Reading;
use super::spread::{self, Spread};
use super::update::{catalog, keeps_key, lost};
use super::walk::{self, Met};
use super::{
    KeySource, KeyTarget, Merge, Reason, Refusal, Route, Split, SplitRow, Target, copies, moment,
    select,
};
use crate::id::PlacementId;
use crate::sql::Statement;
use crate::sql::statement::{
    Expr, ExprKind, Insert, InsertSource, Query, Select, SelectItem, SetExpr, Values,
};
use crate::topology::catalog::{ColumnDefault, Relation};

/// Where an insertion goes.
pub(super) fn plan(
    reading: &Reading<'_>,
    statement: &Statement,
    i: &Insert,
) -> Result<Route, Refusal> {
    let target = reading
        .of(&i.target)
        .ok_or_else(|| lost(&i.target.name.name))?;
    match reading.places[target] {
        Place::Catalog => Err(catalog(reading, target)),
        Place::Reference => {
            defaults_are_constant(reading, target, i)?;
            if i.on_conflict.is_some() && matches!(i.source, InsertSource::Query(_)) {
                return Err(Refusal::new(
                    Reason::ReferenceVolatile,
                    format!("ON CONFLICT depends on the order of the rows that are read, which may differ on each shard, for \"{}\".", reading.named(target)),
                )
                .with_hint("Read the rows first and insert them by VALUES."));
            }
            let plain = plain(i, reading.table(target));
            copies::plan(reading, statement, target, false, plain)
        }
        Place::Shard(_) => match select::one_shard(reading, statement)? {
            Some(to) => Ok(Route::Single(to)),
            None => Err(reading.mixed()),
        },
        Place::Sharded { key, placement } => Row {
            reading,
            statement,
            i,
            target,
            key,
            placement,
        }
        .plan(),
    }
}

/// That every column which the statement leaves to its default gets the same value on every shard.
fn defaults_are_constant(reading: &Reading<'_>, target: usize, i: &Insert) -> Result<(), Refusal> {
    let name = reading.named(target);
    let refused = |what: String| {
        Err(Refusal::new(Reason::ReferenceVolatile, what)
            .with_hint("Name every column and give its value as a constant or parameter."))
    };
    let Some(relation) = reading.table(target) else {
        return refused(format!(
            "The defaults of columns of \"{name}\" are not known, since the servers' catalog was not read."
        ));
    };
    let given = |column: &str| match i.columns.is_empty() {
        false => i.columns.iter().any(|c| c == column),
        true => match &i.source {
            InsertSource::Values(v) => {
                let width = v.rows.first().map_or(0, Vec::len);
                relation
                    .columns
                    .iter()
                    .take(width)
                    .any(|c| c.name == column)
            }
            _ => false,
        },
    };
    let mut explicit = false;
    if let InsertSource::Values(v) = &i.source {
        explicit = v.rows.iter().flatten().any(|e| e.kind == ExprKind::Default);
    }
    for column in &relation.columns {
        let harmless = matches!(
            column.default,
            ColumnDefault::Null | ColumnDefault::Generated
        );
        if !harmless && (explicit || !given(&column.name)) {
            return refused(format!(
                "Column \"{}\" of \"{name}\" would get its default.",
                column.name
            ));
        }
    }
    Ok(())
}

/// The values that go straight into columns which are known to hold no dates or times.
pub(super) fn plain<'e>(i: &'e Insert, table: Option<&'e Relation>) -> Vec<&'e Expr> {
    let Some(table) = table else {
        return Vec::new();
    };
    let columns: Vec<&str> = match i.columns.is_empty() {
        true => table.columns.iter().map(|c| c.name.as_str()).collect(),
        false => i.columns.iter().map(String::as_str).collect(),
    };
    let plain: Vec<bool> = columns
        .iter()
        .map(|c| moment::plain_column(Some(table), c))
        .collect();
    let mut list = Vec::new();
    if let InsertSource::Values(v) = &i.source {
        for row in &v.rows {
            list.extend(row.iter().zip(&plain).filter(|(_, p)| **p).map(|(e, _)| e));
        }
    }
    let conflict = i.on_conflict.iter().filter_map(|c| c.update.as_deref());
    list.extend(conflict.flat_map(|update| moment::plain_values(Some(table), update)));
    list
}

/// An insertion into a sharded table.
struct Row<'r, 'a> {
    reading: &'r Reading<'a>,
    statement: &'r Statement,
    i: &'r Insert,
    target: usize,
    key: &'a [String],
    placement: PlacementId,
}

fn no_key(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::KeyNotGiven, detail)
}

impl Row<'_, '_> {
    fn plan(&self) -> Result<Route, Refusal> {
        self.conflict()?;
        let positions = self.positions()?;
        match &self.i.source {
            InsertSource::DefaultValues => Err(no_key(format!(
                "DEFAULT VALUES gives no value for \"{}\".",
                self.key.join(", ")
            ))),
            InsertSource::Values(values) => self.values(values, &positions),
            InsertSource::Query(q) => self.query(q, &positions),
        }
    }

    /// `ON CONFLICT` sees the rows of its own shard. That is all that can conflict when the conflicting columns contain
    /// the key: rows that agree in it are on one shard. Without columns any constraint of the table is meant, and a
    /// constraint of a sharded table is one of each shard.
    fn conflict(&self) -> Result<(), Refusal> {
        let Some(conflict) = &self.i.on_conflict else {
            return Ok(());
        };
        if !conflict.columns.is_empty()
            && let Some(missing) = self.key.iter().find(|k| !conflict.columns.contains(k))
        {
            return Err(Refusal::new(
                Reason::Conflict,
                format!(
                    "The conflict target does not contain \"{missing}\", which belongs to the sharding key."
                ),
            ));
        }
        keeps_key(conflict.update.as_deref().unwrap_or(&[]), self.key)
    }

    /// The position of each column of the key among the inserted values.
    fn positions(&self) -> Result<Vec<usize>, Refusal> {
        let name = self.reading.named(self.target);
        let listed: Vec<&str> = if self.i.columns.is_empty() {
            match self.reading.table(self.target) {
                Some(r) => r.columns.iter().map(|c| c.name.as_str()).collect(),
                None => {
                    return Err(no_key(format!(
                        "The columns of \"{name}\" are not listed in the statement, and their order is not known."
                    )));
                }
            }
        } else {
            self.i.columns.iter().map(String::as_str).collect()
        };
        self.key
            .iter()
            .map(|k| {
                listed.iter().position(|c| c == k).ok_or_else(|| {
                    no_key(format!(
                        "No value is given for \"{k}\", a column of the sharding key of \"{name}\"."
                    ))
                })
            })
            .collect()
    }

    fn key_of(&self, row: &[&Expr], positions: &[usize]) -> Result<Vec<KeySource>, Refusal> {
        let types = &self.reading.topology.placement(self.placement).types;
        positions
            .iter()
            .zip(types)
            .zip(self.key)
            .map(|((&p, &key_type), column)| {
                let e = row.get(p).ok_or_else(|| no_key(format!("A row has no value for \"{column}\".")))?;
                if e.kind == ExprKind::Default {
                    return Err(no_key(format!("\"{column}\" would get its default.")));
                }
                match self.reading.constants.source(e) {
                    Some(value) => Ok(KeySource { key_type, value, stored: true }),
                    None => Err(no_key(format!("The value of \"{column}\" is an expression that only the server can evaluate."))),
                }
            })
            .collect()
    }

    /// `VALUES`: each row goes to the home of its own key.
    fn values(&self, values: &Values, positions: &[usize]) -> Result<Route, Refusal> {
        let mut rows = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            let row: Vec<&Expr> = row.iter().collect();
            rows.push(SplitRow {
                key: self.key_of(&row, positions)?,
            });
        }
        let mut parts = self.others()?;
        if rows.len() == 1 || !parts.is_empty() {
            // With subqueries on sharded or pinned tables, all rows and all of those must be of one shard.
            for row in rows {
                let part = Target::Key(KeyTarget {
                    placement: self.placement,
                    values: row.key,
                });
                if !parts.contains(&part) {
                    parts.push(part);
                }
            }
            let otherwise = Box::new(Refusal::new(
                Reason::DifferentShards,
                "The rows to insert and the rows that the statement reads are on several shards.",
            ));
            return Ok(Route::Single(match parts.len() {
                1 => parts.remove(0),
                _ => Target::Agree { parts, otherwise },
            }));
        }
        let table = self.reading.table(self.target);
        *self.reading.moments.borrow_mut() = moment::of_statement(
            self.reading,
            self.statement,
            plain(self.i, table).into_iter(),
        );
        Ok(Route::Split(Box::new(Split {
            placement: self.placement,
            rows,
            otherwise: self.together().map(Box::new),
        })))
    }

    /// Why the rows of a `VALUES` list must not be split: one server would evaluate something once for all of them.
    fn together(&self) -> Option<Refusal> {
        let mut found = None;
        walk::statement(self.statement, &mut |met| match met {
            Met::Expr(Expr {
                kind: ExprKind::Call(call),
                ..
            }) if nature(call, self.reading.catalog, self.reading.search_path) == Nature::Clock => {
                found.get_or_insert(format!(
                    "\"{}\" would be another time on each of them",
                    call.name.name
                ));
            }
            Met::Expr(Expr {
                kind: ExprKind::Column { name, .. },
                ..
            }) if spread::is_system_column(name) => {
                found.get_or_insert(format!(
                    "\"{name}\" is about the place of a row on one server"
                ));
            }
            Met::Query(_) => {
                found.get_or_insert("a subquery would be evaluated on each of them".to_owned());
            }
            _ => {}
        });
        let with = (!self.i.with.is_empty())
            .then(|| "the WITH clause would be evaluated on each of them".to_owned());
        found.or(with).map(|why| {
            Refusal::new(
                Reason::DifferentShards,
                format!("The rows belong to several shards, and {why}."),
            )
        })
    }

    /// Places of everything but the target: shards, and keys of sharded tables.
    fn others(&self) -> Result<Vec<Target>, Refusal> {
        let mut parts = self.reading.whole();
        let sharded = true;
        select::functions(self.reading, self.statement, sharded, &mut parts)?;
        for at in self.reading.sharded().filter(|&at| at != self.target) {
            match self.reading.bound(at) {
                Some(key) => parts.push(Target::Key(key)),
                None => {
                    return Err(Refusal::new(
                        Reason::CrossShardSubquery,
                        format!(
                            "\"{}\" is read without its sharding key.",
                            self.reading.named(at)
                        ),
                    ));
                }
            }
        }
        parts.dedup();
        Ok(parts)
    }

    /// `INSERT … SELECT`.
    fn query(&self, q: &Query, positions: &[usize]) -> Result<Route, Refusal> {
        let select = plain_select(q).ok_or_else(|| {
            no_key("The key of the inserted rows comes out of a set operation or VALUES with clauses of its own.")
        })?;
        let items = items(select)
            .ok_or_else(|| no_key("The key of the inserted rows comes out of a \"*\"."))?;
        // The key is a constant: all rows go to its home, if everything that is read can be read there.
        if let Ok(values) = self.key_of(&items, positions) {
            let mut parts = self.others()?;
            parts.push(Target::Key(KeyTarget {
                placement: self.placement,
                values,
            }));
            return Ok(Route::Single(match parts.len() {
                1 => parts.remove(0),
                _ => Target::Agree {
                    parts,
                    otherwise: Box::new(self.elsewhere()),
                },
            }));
        }
        // The key is that of a row that is read, of a table in the same placement: each row stays where it comes from.
        if !self.i.with.is_empty() {
            return Err(self.elsewhere());
        }
        let mut parts = self.reading.whole();
        select::functions(self.reading, self.statement, true, &mut parts)?;
        if !parts.is_empty() {
            return Err(self.reading.mixed());
        }
        let spread = spread::query(self.reading, q)?;
        let Spread::Apart(uses) = spread else {
            return Err(self.elsewhere());
        };
        let from = uses.into_iter().find(|&u| {
            self.reading.key(u).is_some_and(|(key, placement)| {
                placement == self.placement
                    && !self.reading.facts.relations[u].nullable
                    && key.len() == positions.len()
                    && key.iter().zip(positions).all(|(k, &p)| {
                        items
                            .get(p)
                            .is_some_and(|e| spread::is_column(self.reading, select, e, u, k))
                    })
            })
        });
        spread::outputs(self.reading, self.target, self.shown())?;
        match from {
            Some(u) => Ok(Route::Scatter {
                targets: self.reading.targets(u),
                merge: Merge::Concatenate,
            }),
            None => Err(self.elsewhere()),
        }
    }

    /// Expressions beside the source: what is stored on a conflict, and when, and what is returned.
    fn shown(&self) -> impl Iterator<Item = &Expr> {
        let conflict = self.i.on_conflict.iter();
        conflict
            .flat_map(|c| c.update.iter().flatten().map(|a| &a.value).chain(&c.filter))
            .chain(super::update::returned(&self.i.returning))
    }

    fn elsewhere(&self) -> Refusal {
        Refusal::new(
            Reason::WriteOverShards,
            format!("Rows that are read on one shard may belong to another shard of \"{}\".", self.reading.named(self.target)),
        )
        .with_hint("Read the rows first and insert them with their keys, or select the key of a table with the same placement.")
    }
}

/// The one block of a query, when it is a plain one.
fn plain_select(q: &Query) -> Option<&Select> {
    match &q.body {
        SetExpr::Select(s) => Some(s),
        SetExpr::Query(inner)
            if inner.with.is_empty() && inner.limit.is_none() && inner.offset.is_none() =>
        {
            plain_select(inner)
        }
        _ => None,
    }
}

/// The expressions of a select list without wildcards.
fn items(s: &Select) -> Option<Vec<&Expr>> {
    s.items
        .iter()
        .map(|i| match i {
            SelectItem::Expr { expr, .. } => Some(expr),
            SelectItem::Wildcard { .. } => None,
        })
        .collect()
}
