//! `INSERT`.
//!
//! | file | |
//! |---|---|
//! | `staged` | rows that are made first, then brought to their homes |
//! | `numbers` | and their order |
//! | `width` | how many columns their query gives |
//! | `pieces` | where the parts of the statement stand in its text |

mod numbers;
mod pieces;
mod staged;
mod width;

use std::collections::HashSet;

use self::staged::{Destination, Staged};
use super::defaults::{self, Defaulted};
use super::function::{Nature, nature};
use super::key_column::{self, Cut, Stored};
use super::names::Place;
use super::reading::Reading;
use super::spread::{self, Spread};
use super::update::{catalog, keeps_key, lost};
use super::walk::{self, Met};
use super::{
    KeySource, KeyTarget, Merge, Reason, Refusal, Route, Split, SplitRow, Target, Targets, changes,
    copies, moment, select, through_view,
};
use crate::id::{PlacementId, Span};
use crate::sql::Statement;
use crate::sql::statement::{
    Assignment, Expr, ExprKind, Insert, InsertSource, Query, Select, SelectItem, SetExpr,
};
use crate::topology::catalog::{Column, ColumnDefault, Relation, RelationKind};
use crate::value::KeyType;

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
        Place::Reference => repeated(reading, statement, i, target).or_else(|refusal| {
            let staged = Staged {
                reading,
                statement,
                i,
                target,
                destination: Destination::Copies,
                changes_first: false,
            };
            staged.plan(None).map_err(|other| better(refusal, other))
        }),
        Place::Shard(home) => match select::one_shard(reading, statement) {
            // Places that only an execution can tell to be one: what is elsewhere may as well be brought.
            Ok(Some(to)) if !matches!(to, Target::Agree { .. }) => Ok(Route::Single(to)),
            found => {
                let staged = Staged {
                    reading,
                    statement,
                    i,
                    target,
                    destination: Destination::Shard(home),
                    changes_first: false,
                };
                staged.plan(None).or_else(|other| match found {
                    Ok(Some(to)) => Ok(Route::Single(to)),
                    Ok(None) => Err(better(reading.mixed(), other)),
                    Err(refusal) => Err(better(refusal, other)),
                })
            }
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

/// An insertion behind changes that are not right where it is itself: they are made first.
///
/// Proof: see [`changes`]. PostgreSQL looks at foreign keys when all parts of the statement are done; so no part may change
/// a table that they refer to, which could also reach rows of other parts by cascading. Nor may a trigger or a rule.
pub(super) fn behind_changes(
    reading: &Reading<'_>,
    statement: &Statement,
    i: &Insert,
    refusal: Refusal,
) -> Result<Route, Refusal> {
    let target = reading
        .of(&i.target)
        .ok_or_else(|| lost(&i.target.name.name))?;
    let alone = |at: usize| {
        reading.table(at).is_some_and(|t| {
            let beside = t.beside.referenced || t.beside.triggers || t.beside.rules;
            // Of its partitions and children another part may speak by their own names.
            !beside && t.uses.relations.is_empty()
        })
    };
    let mut proven = !i.recursive && alone(target);
    for cte in i.with.iter().filter(|cte| changes::is_change(cte)) {
        let changed = changes::changed(cte);
        proven &= changed.name.name != i.target.name.name && reading.of(changed).is_some_and(alone);
    }
    if !proven {
        return Err(refusal);
    }
    let destination = match reading.places[target] {
        Place::Catalog => return Err(catalog(reading, target)),
        Place::Reference => Destination::Copies,
        Place::Shard(home) => Destination::Shard(home),
        Place::Sharded { key, placement } => {
            let row = Row {
                reading,
                statement,
                i,
                target,
                key,
                placement,
            };
            row.conflict()?;
            Destination::Homes { key, placement }
        }
    };
    let staged = Staged {
        reading,
        statement,
        i,
        target,
        destination,
        changes_first: true,
    };
    staged.plan(None).map_err(|other| better(refusal, other))
}

/// The same insertion into every copy of a reference table.
fn repeated(
    reading: &Reading<'_>,
    statement: &Statement,
    i: &Insert,
    target: usize,
) -> Result<Route, Refusal> {
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

/// Of two refusals the one that says more: that of the detour, unless it is only that the detour cannot be made.
fn better(direct: Refusal, staged: Refusal) -> Refusal {
    match staged.reason {
        Reason::WriteOverShards | Reason::ReferenceVolatile => direct,
        _ => staged,
    }
}

/// That every column which the statement leaves to its default gets the same value on every shard.
fn defaults_are_constant(reading: &Reading<'_>, target: usize, i: &Insert) -> Result<(), Refusal> {
    let name = reading.named(target);
    let refused = |what: String| {
        Err(Refusal::new(Reason::ReferenceVolatile, what)
            .with_hint("Name every column and give its value as a constant or parameter."))
    };
    let Some(relation) = reading.relation(target) else {
        return refused(format!(
            "The defaults of columns of \"{name}\" are not known, since the servers' catalog was not read."
        ));
    };
    if relation.kind == RelationKind::View {
        // Its columns may be other ones below, or not all of them.
        let Some(table) = through_view::shown_table(reading, relation) else {
            return refused(format!(
                "\"{name}\" is a view of which it is not known what rows it shows."
            ));
        };
        let mut columns = relation.columns.iter().chain(&table.columns);
        return match columns.find(|c| defaults::of(reading, c) != Defaulted::Same) {
            None => Ok(()),
            Some(column) => refused(format!(
                "Column \"{}\" of what \"{name}\" shows may get its default.",
                column.name
            )),
        };
    }
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
        let harmless = defaults::of(reading, column) == Defaulted::Same;
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
        // PostgreSQL says so before it looks at anything else, whichever shard it is. Rows that are alike might meet on each.
        if let InsertSource::Values(v) = &self.i.source
            && v.rows.windows(2).any(|w| w[0].len() != w[1].len())
        {
            return Ok(Route::Single(Target::Any));
        }
        self.conflict()?;
        match &self.i.source {
            InsertSource::Query(q) => {
                let positions = match self.positions() {
                    Ok(positions) => positions,
                    Err(refusal) => {
                        return self.staged(None).map_err(|other| better(refusal, other));
                    }
                };
                self.query(q, &positions)
            }
            InsertSource::Values(_) | InsertSource::DefaultValues
                if self.omitted_and_required() =>
            {
                Ok(Route::Single(Target::Any))
            }
            InsertSource::DefaultValues => self
                .staged(None)
                .map_err(|other| better(self.without_key(), other)),
            InsertSource::Values(values) => {
                let rows = self.positions().and_then(|positions| {
                    values
                        .rows
                        .iter()
                        .map(|row| {
                            let row: Vec<&Expr> = row.iter().collect();
                            let key = self.key_of(&row, &positions)?;
                            Ok(SplitRow { key })
                        })
                        .collect::<Result<Vec<_>, Refusal>>()
                });
                match rows {
                    Ok(rows) => self.values(rows),
                    Err(refusal) => self.staged(None).map_err(|other| better(refusal, other)),
                }
            }
        }
    }

    fn without_key(&self) -> Refusal {
        no_key(format!(
            "DEFAULT VALUES gives no value for \"{}\".",
            self.key.join(", ")
        ))
    }

    /// The rows are made first, then brought to their homes.
    fn staged(&self, unless: Option<Targets>) -> Result<Route, Refusal> {
        Staged {
            reading: self.reading,
            statement: self.statement,
            i: self.i,
            target: self.target,
            destination: Destination::Homes {
                key: self.key,
                placement: self.placement,
            },
            changes_first: false,
        }
        .plan(unless)
    }

    /// Whether a column of the key gets NULL where NULL is not allowed.
    ///
    /// Proof: there is at least one row, no default and no trigger that could give it a value; so PostgreSQL raises
    /// `not_null_violation` on whichever shard the statement runs, and nothing is changed.
    fn omitted_and_required(&self) -> bool {
        let Some(relation) = self.reading.table(self.target) else {
            return false;
        };
        let given = |column: &str| match (&self.i.source, self.i.columns.is_empty()) {
            (InsertSource::DefaultValues, _) => false,
            (_, false) => self.i.columns.iter().any(|c| c == column),
            (InsertSource::Values(v), true) => {
                let width = v.rows.first().map_or(0, Vec::len);
                let mut first = relation.columns.iter().take(width);
                first.any(|c| c.name == column)
            }
            (InsertSource::Query(_), true) => true,
        };
        self.key.iter().any(|k| {
            !given(k)
                && self.required(k)
                && relation
                    .column(k)
                    .is_some_and(|c| c.default == ColumnDefault::Null)
        })
    }

    fn stored(&self, column: &str, key_type: KeyType) -> Stored {
        let known = self
            .reading
            .table(self.target)
            .and_then(|r| r.column(column));
        Stored {
            required: self.required(column),
            cut: key_column::cut(known, key_type),
        }
    }

    /// Whether a NULL in the column is an error whatever else there is to the table.
    fn required(&self, column: &str) -> bool {
        self.reading.table(self.target).is_some_and(|r| {
            let refuses = |c: &Column| c.not_null;
            !r.beside.triggers && !r.beside.rules && r.column(column).is_some_and(refuses)
        })
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
        let assigned = conflict.update.as_deref().unwrap_or(&[]);
        // The row that is there has the same key as the one that came: that is their conflict, and keys are of types in
        // which equal means identical.
        let same = |a: &&Assignment| {
            !a.part
                && matches!((&a.columns[..], &a.value.kind), ([column], ExprKind::Column { qualifier, name })
                if name == column && conflict.columns.contains(column) && *qualifier == ["excluded"])
        };
        let other: Vec<Assignment> = assigned.iter().filter(|a| !same(a)).cloned().collect();
        keeps_key(&other, self.key).map_err(|refusal| {
            refusal.with_hint("Leave the columns of the sharding key out of DO UPDATE SET.")
        })
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
                    Some(value) => Ok(KeySource { key_type, value, stored: Some(self.stored(column, key_type)) }),
                    None => Err(no_key(format!("The value of \"{column}\" is an expression that only the server can evaluate."))),
                }
            })
            .collect()
    }

    /// `VALUES`: each row goes to the home of its own key.
    fn values(&self, rows: Vec<SplitRow>) -> Result<Route, Refusal> {
        let mut parts = match self.others() {
            Ok(parts) => parts,
            // What is evaluated on another shard is evaluated first.
            Err(refusal) => return self.staged(None).map_err(|other| better(refusal, other)),
        };
        if !parts.is_empty() {
            // All rows and all that they are made of are on one shard, or what they are made of is evaluated first.
            parts.extend(self.keys(&rows).into_iter().map(Target::Key));
            return self.agreed(parts, || {
                let text = "The rows to insert and the rows that the statement reads are on several shards.";
                Refusal::new(Reason::DifferentShards, text)
            });
        }
        if rows.len() == 1 {
            return Ok(Route::Single(Target::Key(self.keys(&rows).remove(0))));
        }
        if let Some(refusal) = self.together() {
            // One server evaluates it for all of them, unless they are all of one shard anyway.
            return self
                .staged(Some(Targets::Keys(self.keys(&rows))))
                .or_else(|other| {
                    Ok(Route::Split(Box::new(Split {
                        placement: self.placement,
                        rows,
                        spans: Vec::new(),
                        otherwise: Some(Box::new(better(refusal, other))),
                    })))
                });
        }
        let spans = self.spans();
        let table = self.reading.table(self.target);
        *self.reading.moments.borrow_mut() = moment::of_statement(
            self.reading,
            self.statement,
            plain(self.i, table).into_iter(),
        );
        Ok(Route::Split(Box::new(Split {
            placement: self.placement,
            rows,
            spans,
            otherwise: None,
        })))
    }

    /// The keys of the rows, each once.
    fn keys(&self, rows: &[SplitRow]) -> Vec<KeyTarget> {
        let mut known = HashSet::new();
        let rows = rows.iter().filter(|row| known.insert(&row.key));
        rows.map(|row| KeyTarget {
            placement: self.placement,
            values: row.key.clone(),
        })
        .collect()
    }

    /// Where the rows stand, unless each text of the shape says so of itself.
    fn spans(&self) -> Vec<Span> {
        let InsertSource::Values(values) = &self.i.source else {
            return Vec::new();
        };
        let rows = &values.row_spans;
        let told = self.reading.constants.groups.iter().any(|g| {
            g.rows as usize == rows.len()
                && rows
                    .iter()
                    .all(|r| g.span.start <= r.start && r.end <= g.span.end)
        });
        if told {
            return Vec::new();
        }
        self.reading.exact.set(true);
        rows.clone()
    }

    /// As it stands when all parts are one shard, otherwise by the detour, or refused.
    fn agreed(&self, parts: Vec<Target>, refusal: impl Fn() -> Refusal) -> Result<Route, Refusal> {
        let mut list = each_once(parts);
        if list.len() == 1 {
            return Ok(Route::Single(list.remove(0)));
        }
        let targets: Option<Vec<Targets>> = list
            .iter()
            .map(|part| match part {
                Target::Key(key) => Some(Targets::Keys(vec![key.clone()])),
                Target::Shard(id) => Some(Targets::Shards(vec![*id])),
                _ => None,
            })
            .collect();
        let staged = match targets {
            Some(targets) => self.staged(Some(Targets::Union(targets))),
            None => Err(refusal()),
        };
        staged.or_else(|other| {
            Ok(Route::Single(Target::Agree {
                parts: list,
                otherwise: Box::new(better(refusal(), other)),
            }))
        })
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
        let clock = self
            .omitted()
            .into_iter()
            .find(|c| defaults::of(self.reading, c) == Defaulted::Clock);
        let clock = clock.map(|c| {
            format!(
                "the default of \"{}\" would be another time on each of them",
                c.name
            )
        });
        let left_out = (!self.i.returning.is_empty() && self.leaves_rows_out()).then(|| {
            "which of them come back, hence in which order, is known only once they are inserted"
                .to_owned()
        });
        found.or(with).or(clock).or(left_out).map(|why| {
            Refusal::new(
                Reason::DifferentShards,
                format!("The rows belong to several shards, and {why}."),
            )
        })
    }

    /// Whether rows may be left out, so that those that come back are not those that were given.
    fn leaves_rows_out(&self) -> bool {
        let conflict = self.i.on_conflict.as_ref();
        conflict.is_some_and(|c| c.update.is_none() || c.filter.is_some())
            || self
                .reading
                .table(self.target)
                .is_some_and(|r| r.beside.triggers)
    }

    /// The columns that some row leaves to their defaults.
    fn omitted(&self) -> Vec<&Column> {
        let Some(relation) = self.reading.table(self.target) else {
            return Vec::new();
        };
        let (rows, width) = match &self.i.source {
            InsertSource::Values(v) => (&v.rows[..], v.rows.first().map_or(0, Vec::len)),
            InsertSource::Query(q) => {
                let items = plain_select(q).map_or(0, |s| s.items.len());
                (&[][..], items)
            }
            InsertSource::DefaultValues => (&[][..], 0),
        };
        let position = |c: &Column| match self.i.columns.is_empty() {
            false => self.i.columns.iter().position(|name| *name == c.name),
            true => relation
                .columns
                .iter()
                .position(|known| known.name == c.name)
                .filter(|&at| at < width),
        };
        let default = |at: usize| {
            rows.iter()
                .any(|row| row.get(at).is_some_and(|e| e.kind == ExprKind::Default))
        };
        let omitted = |c: &&Column| position(c).is_none_or(default);
        relation.columns.iter().filter(omitted).collect()
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

    /// `INSERT … SELECT`: on the shards when the rows stay where they are read, by a detour otherwise.
    fn query(&self, q: &Query, positions: &[usize]) -> Result<Route, Refusal> {
        match self.in_place(q, positions) {
            Ok(route) => Ok(route),
            Err(refusal) => self.staged(None).map_err(|other| better(refusal, other)),
        }
    }

    fn in_place(&self, q: &Query, positions: &[usize]) -> Result<Route, Refusal> {
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
            return self.agreed(parts, || self.elsewhere());
        }
        // The key is that of a row that is read, of a table in the same placement: each row stays where it comes from.
        let clock = |c: &&Column| defaults::of(self.reading, c) == Defaulted::Clock;
        if !self.i.with.is_empty() || self.omitted().iter().any(clock) {
            return Err(self.elsewhere());
        }
        let mut parts = self.reading.whole();
        select::functions(self.reading, self.statement, true, &mut parts)?;
        if !parts.is_empty() {
            return Err(self.reading.mixed());
        }
        if !self.i.returning.is_empty() && is_ordered(q) {
            return Err(self.elsewhere());
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
                    && self.stored_alike(u, key)
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

    /// Whether the key of a row of `from` is stored as it is: `character varying(n)` cuts blanks off.
    fn stored_alike(&self, from: usize, key: &[String]) -> bool {
        let column = |at: usize, name: &String| self.reading.table(at)?.column(name);
        let types = &self.reading.topology.placement(self.placement).types;
        key.iter()
            .zip(self.key)
            .zip(types)
            .all(|((k, own), &key_type)| {
                let own = column(self.target, own);
                key_column::cut(own, key_type) == Cut::Nothing
                    || column(from, k).map(|c| &c.declared) == own.map(|c| &c.declared)
            })
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

/// Whether the rows of a query are in an order that it says, itself or in a part of it.
fn is_ordered(q: &Query) -> bool {
    let mut ordered = false;
    walk::query(q, &mut |met| {
        ordered |= matches!(met, Met::Query(q) if !q.order_by.is_empty());
    });
    ordered
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

/// The targets without those that are there before: the same key may be stored in one place and compared in another.
fn each_once(targets: Vec<Target>) -> Vec<Target> {
    let mut keys = HashSet::new();
    let mut list: Vec<Target> = Vec::new();
    for target in targets {
        let known = match &target {
            Target::Key(key) => {
                let values = key.values.iter().map(|v| (v.key_type, v.value.clone()));
                !keys.insert((key.placement, values.collect::<Vec<_>>()))
            }
            other => list.contains(other),
        };
        if !known {
            list.push(target);
        }
    }
    list
}
