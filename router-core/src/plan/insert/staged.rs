//! Insertions whose rows are made first, then brought to their homes.
//!
//! 1. The rows are made in a temporary table with the columns of the target, so that PostgreSQL coerces each value as it
//!    would on the way into the target, and evaluates what is to be evaluated once.
//! 2. They travel to the shards that are their homes.
//! 3. There they are inserted by the statement itself, its source replaced: defaults, generated columns, constraints,
//!    triggers, `ON CONFLICT` and `RETURNING` are those of the target.
//!
//! Proof: the source is evaluated where it gives the rows that one server would give it ([`Source`]); a row has the same
//! column values in the temporary table as on its way into the target; and each row is inserted once, on its home, by
//! PostgreSQL. Defaults that are not in the temporary table are evaluated by the home: those are constants, or another
//! value for each row on one server too.
//!
//! Where it shows, rows keep their order: each has a number ([`numbers`]), they are inserted by it, and those that come
//! back are merged by it.

use super::super::bring::{Brought, elsewhere};
use super::super::defaults::{self, Defaulted};
use super::super::function::{Nature, nature};
use super::super::names::{FIRST, Place};
use super::super::reading::Reading;
use super::super::spread::{self, Spread};
use super::super::stage::{ALL, Spreading, Stage, merged};
use super::super::walk::{self, Met};
use super::super::{
    Merge, On, Reason, Refusal, Route, SortColumn, Sorted, Target, Targets, changes, select,
};
use super::numbers::Number;
use super::pieces::pieces;
use super::width::width;
use crate::id::{PlacementId, ShardId};
use crate::sql::Statement;
use crate::sql::statement::{Expr, ExprKind, Insert, InsertSource, Query, SetExpr};
use crate::topology::catalog::{Column, ColumnDefault, Relation};
use crate::topology::predicate::identifier;

/// An insertion that takes the detour.
pub(super) struct Staged<'r, 'a> {
    pub(super) reading: &'r Reading<'a>,
    pub(super) statement: &'r Statement,
    pub(super) i: &'r Insert,
    pub(super) target: usize,
    pub(super) destination: Destination<'a>,
    /// The changes of its WITH clause are not right where the rows are made: they are made by themselves, before.
    pub(super) changes_first: bool,
}

/// Where rows go.
#[derive(Clone, Copy)]
pub(super) enum Destination<'a> {
    /// Each to the home of its key.
    Homes {
        /// The key's columns.
        key: &'a [String],
        /// By which placement.
        placement: PlacementId,
    },
    /// To every shard.
    Copies,
    /// To this one.
    Shard(ShardId),
}

/// Where rows are made.
enum Source {
    /// On one shard.
    Home(Target),
    /// On every shard its own: the source is apart.
    Spread,
}

impl Staged<'_, '_> {
    /// The route; `unless` it comes to one of those shards alone, where the statement is right as it stands.
    pub(super) fn plan(&self, unless: Option<Targets>) -> Result<Route, Refusal> {
        let (reading, i) = (self.reading, self.i);
        let relation = reading.table(self.target).ok_or_else(|| {
            self.refused("its columns are not known, since the servers' catalog was not read")
        })?;
        if relation.beside.rules {
            return Err(self.refused("it has rules, which may do something else instead"));
        }
        let pieces = pieces(i, reading.text, reading.options)
            .ok_or_else(|| self.refused("its parts could not be told apart in the text"))?;
        let (source, brought) = self.source()?;
        let single = matches!(source, Source::Home(_));
        if single && !brought.changes {
            // One server evaluates them.
            reading.moments.take();
        }
        self.tail()?;
        let (given, all) = self.columns(relation)?;
        let names = |list: &[&Column]| {
            list.iter()
                .map(|c| identifier(&c.name))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let (listed, cols) = (names(&given), names(&all));
        let number = (single && self.order_shows()).then(|| Number::beside(relation));
        let number = number.as_ref();
        let as_text = all.iter().any(|c| !c.portable);
        let name = i.target.span.of(reading.text);

        let with = brought.text(reading.text, pieces.with);
        let rows = brought.text(reading.text, pieces.source);
        let mut stage = brought.stage;
        let made_on = match (&source, self.destination) {
            (_, Destination::Shard(_)) => ALL,
            (Source::Home(Target::Shard(home)), _) => On::Shard(*home),
            _ => ALL,
        };
        let like = match self.destination {
            // A table that lives on one shard need not exist on the others.
            Destination::Shard(_) => {
                let typed = all
                    .iter()
                    .map(|c| format!("{} {}", identifier(&c.name), c.declared))
                    .chain(number.map(Number::declared));
                format!("({})", typed.collect::<Vec<_>>().join(", "))
            }
            _ => {
                let more = number.map_or(String::new(), |n| format!(", {}", n.column()));
                format!("AS SELECT {cols}{more} FROM {name} WITH NO DATA")
            }
        };
        let made = stage.table(made_on.clone(), &like);
        let on = match &source {
            Source::Home(target) => On::Home(target.clone()),
            Source::Spread => ALL,
        };
        self.defaults(&mut stage, &on, &made, &given, &all)?;
        if let Some(number) = number {
            stage.run(on.clone(), number.counted(&made));
        }
        stage.run(
            on,
            match i.source {
                InsertSource::DefaultValues => {
                    format!("{with}INSERT INTO {made} {rows}")
                }
                _ => format!("{with}INSERT INTO {made} ({listed}) {rows}"),
            },
        );
        let except = |shard: ShardId| match &source {
            Source::Home(Target::Shard(home)) => (*home != shard).then_some(On::Shard(*home)),
            Source::Home(target) => Some(On::HomeExcept(target.clone(), shard)),
            Source::Spread => Some(On::Except(Targets::All, shard)),
        };
        let overriding = match all
            .iter()
            .any(|c| c.default == ColumnDefault::IdentityAlways && !self.given_by_user(c))
        {
            true => "OVERRIDING SYSTEM VALUE",
            false => pieces.overriding,
        };
        // Copies answer for one another, and one shard for itself.
        let merged_by = number.filter(|_| {
            let homes = matches!(self.destination, Destination::Homes { .. });
            homes && !i.returning.is_empty()
        });
        let insert = |from: &str| {
            let rows = match number {
                Some(number) => number.in_order(from),
                None => format!("{from} WHERE true"),
            };
            let returned = match merged_by {
                Some(_) => format!(", {}", Number::of_the_row()),
                None => String::new(),
            };
            format!(
                "INSERT INTO {} ({cols}) {overriding} SELECT {cols} FROM {rows}{}{returned}",
                pieces.target, pieces.tail
            )
        };
        let topology = reading.topology;
        let at_home = |stage: &mut Stage| stage.table(ALL, &like);
        let answer = match self.destination {
            Destination::Homes { key, placement } => {
                let required = key
                    .iter()
                    .all(|k| relation.column(k).is_some_and(|c| c.not_null))
                    && !relation.beside.triggers;
                let home = at_home(&mut stage);
                Spreading::new(topology, placement, key, required).spread(
                    &mut stage,
                    topology,
                    (&made_on, &made),
                    &except,
                    &home,
                    as_text,
                );
                let merge = match merged_by {
                    Some(_) => Merge::Sorted(Box::new(Sorted {
                        keys: vec![SortColumn {
                            descending: false,
                            nulls_first: false,
                            bytewise: false,
                        }],
                        offset: None,
                        limit: None,
                        with_ties: false,
                    })),
                    None => Merge::Concatenate,
                };
                merged(ALL, insert(&home), merge)
            }
            // All copies take the same rows in the same order: those of one shard.
            Destination::Copies => {
                let home = at_home(&mut stage);
                let from = match made_on {
                    On::Shard(one) => one,
                    _ => {
                        let rows = format!("SELECT * FROM {made}");
                        stage.bring(except(FIRST), rows, FIRST, &made, as_text);
                        FIRST
                    }
                };
                stage.broadcast(topology, from, &made, &home, as_text);
                merged(ALL, insert(&home), Merge::Copies)
            }
            Destination::Shard(shard) => {
                stage.bring(
                    except(shard),
                    format!("SELECT * FROM {made}"),
                    shard,
                    &made,
                    as_text,
                );
                merged(On::Shard(shard), insert(&made), Merge::Concatenate)
            }
        };
        reading.exact.set(true);
        Ok(stage.route(unless, answer))
    }

    fn refused(&self, why: &str) -> Refusal {
        Refusal::new(
            match self.destination {
                Destination::Copies => Reason::ReferenceVolatile,
                _ => Reason::WriteOverShards,
            },
            format!(
                "The rows for \"{}\" cannot be made before they are inserted: {why}.",
                self.reading.named(self.target)
            ),
        )
        .with_hint("Give every row's values as constants or parameters.")
    }

    /// Where the source gives what one server would give it.
    fn source(&self) -> Result<(Source, Brought), Refusal> {
        let reading = self.reading;
        if self.changes_first {
            return self.after_changes();
        }
        let mut parts: Vec<Target> = Vec::new();
        for (at, place) in reading.places.iter().enumerate() {
            let shard = match place {
                Place::Shard(id) => *id,
                Place::Catalog => FIRST,
                Place::Sharded { .. } | Place::Reference => continue,
            };
            if at != self.target && !parts.contains(&Target::Shard(shard)) {
                parts.push(Target::Shard(shard));
            }
        }
        select::functions(reading, self.statement, false, &mut parts)?;
        let sharded: Vec<usize> = reading.sharded().filter(|&at| at != self.target).collect();
        // Every shard has its share of the rows, and the whole is their union.
        if parts.is_empty()
            && !sharded.is_empty()
            && let InsertSource::Query(q) = &self.i.source
            && !(self.order_shows() && super::is_ordered(q))
        {
            let q = self.with(q);
            if let Ok(Spread::Apart(_)) = spread::query(reading, &q) {
                return Ok((Source::Spread, Brought::nothing()));
            }
            let once = reading.with(&[]);
            if let Ok(Spread::Apart(_)) = spread::query(&once, &q)
                && let Some(brought) = Brought::new(reading, self.statement, &[], None)
            {
                *reading.moments.borrow_mut() = once.moments.take();
                return Ok((Source::Spread, brought));
            }
        }
        // One shard has every row that counts.
        let keys: Option<Vec<Target>> = sharded
            .iter()
            .map(|&at| reading.bound(at).map(Target::Key))
            .collect();
        for key in keys.iter().flatten() {
            if !parts.contains(key) {
                parts.push(key.clone());
            }
        }
        if keys.is_some() && parts.len() < 2 {
            let home = parts.pop().unwrap_or(Target::Shard(FIRST));
            return Ok((Source::Home(home), Brought::nothing()));
        }
        if self.i.with.iter().any(changes::is_change) {
            return self.after_changes();
        }
        // One shard gets every row that counts.
        let uses = elsewhere(reading, self.target);
        let uses: Vec<usize> = uses
            .into_iter()
            .filter(|&at| reading.places[at] != Place::Shard(FIRST))
            .collect();
        let mut system = false;
        walk::statement(self.statement, &mut |met| {
            if let Met::Expr(Expr {
                kind: ExprKind::Column { name, .. },
                ..
            }) = met
            {
                system |= spread::is_system_column(name);
            }
        });
        let brought = match system {
            true => None,
            false => Brought::new(reading, self.statement, &uses, Some(FIRST)),
        };
        match brought {
            Some(brought) => Ok((Source::Home(Target::Shard(FIRST)), brought)),
            None => Err(Refusal::new(
                Reason::CrossShardSubquery,
                "The rows are made of tables that are on several shards.",
            )),
        }
    }

    /// The changes of the WITH clause are made where their rows are, and the source is evaluated on the first shard.
    fn after_changes(&self) -> Result<(Source, Brought), Refusal> {
        let reading = self.reading;
        // One server evaluates the source; what the changes are made of is noted anew.
        reading.moments.take();
        let with = &self.i.with;
        let brought = changes::prepare(reading, self.statement, with, (Some(self.target), FIRST))?;
        Ok((Source::Home(Target::Shard(FIRST)), brought))
    }

    /// The source with the WITH clause in front of the statement.
    fn with(&self, q: &Query) -> Query {
        Query {
            with: self.i.with.clone(),
            recursive: self.i.recursive,
            body: SetExpr::Query(Box::new(q.clone())),
            order_by: Vec::new(),
            limit: None,
            with_ties: false,
            offset: None,
            locks: Vec::new(),
            span: q.span,
        }
    }

    /// What stands behind the source runs at the homes of the rows.
    fn tail(&self) -> Result<(), Refusal> {
        let conflict = self.i.on_conflict.iter();
        let shown: Vec<&Expr> = conflict
            .flat_map(|c| c.update.iter().flatten().map(|a| &a.value).chain(&c.filter))
            .chain(super::super::update::returned(&self.i.returning))
            .collect();
        let mut query = false;
        let mut call = None;
        for e in &shown {
            walk::expr(e, &mut |met| match met {
                Met::Query(_) => query = true,
                Met::Expr(Expr {
                    kind: ExprKind::Call(c),
                    ..
                }) => {
                    let n = nature(c, self.reading.catalog, self.reading.search_path);
                    let allowed = match self.destination {
                        Destination::Shard(_) => {
                            matches!(n, Nature::Pure | Nature::Clock | Nature::PerRow)
                        }
                        _ => n == Nature::Pure,
                    };
                    if !allowed {
                        call = Some(c.name.name.clone());
                    }
                }
                Met::Expr(Expr {
                    kind: ExprKind::Default,
                    ..
                }) => call = Some("default".into()),
                _ => {}
            });
        }
        if let Some(name) = call {
            return Err(self.refused(&format!(
                "\"{name}\" in ON CONFLICT or RETURNING may give another value on each shard"
            )));
        }
        match self.destination {
            Destination::Homes { .. } if !query || self.i.with.is_empty() => {
                spread::outputs(self.reading, self.target, shown.into_iter())
            }
            _ if query => Err(self.refused("a subquery stands in ON CONFLICT or RETURNING")),
            _ => {
                if let Some(what) = shown.iter().find_map(|e| match &e.kind {
                    ExprKind::Column { name, .. } if spread::is_system_column(name) => Some(name),
                    _ => None,
                }) {
                    return Err(self.refused(&format!("\"{what}\" differs between shards")));
                }
                Ok(())
            }
        }
    }

    /// Whether the order of the rows shows: in those that come back, and in which of two that conflict is the first.
    fn order_shows(&self) -> bool {
        let several = match &self.i.source {
            InsertSource::DefaultValues => false,
            InsertSource::Values(v) => v.rows.len() > 1,
            InsertSource::Query(_) => true,
        };
        several && (!self.i.returning.is_empty() || self.i.on_conflict.is_some())
    }

    /// Whether the statement says something for the column.
    fn given_by_user(&self, column: &Column) -> bool {
        self.i.columns.contains(&column.name)
    }

    /// The columns that the source gives, in order, and all that the temporary table has: those whose default decides
    /// the home, or has to be evaluated once.
    fn columns<'c>(
        &self,
        relation: &'c Relation,
    ) -> Result<(Vec<&'c Column>, Vec<&'c Column>), Refusal> {
        let mut given: Vec<&Column> = Vec::new();
        if self.i.columns.is_empty() {
            let width = match &self.i.source {
                InsertSource::DefaultValues => 0,
                InsertSource::Values(v) => v.rows.first().map_or(0, Vec::len),
                InsertSource::Query(q) => {
                    width(self.reading, &self.i.with, q).ok_or_else(|| {
                        self.refused(
                            "the columns are listed neither by the INSERT nor by its query",
                        )
                    })?
                }
            };
            given.extend(relation.columns.iter().take(width));
        } else {
            for name in &self.i.columns {
                given.push(
                    relation
                        .column(name)
                        .ok_or_else(|| self.refused(&format!("it has no column \"{name}\"")))?,
                );
            }
        }
        if let Some(c) = given.iter().find(|c| {
            c.default == ColumnDefault::Generated
                || c.default == ColumnDefault::IdentityAlways && self.i.overriding.is_none()
        }) {
            return Err(self.refused(&format!("\"{}\" is generated", c.name)));
        }
        let mut all = given.clone();
        for column in &relation.columns {
            if given.iter().any(|c| c.name == column.name) {
                continue;
            }
            let default = defaults::of(self.reading, column);
            let wanted = match self.destination {
                Destination::Homes { key, .. } => {
                    key.contains(&column.name) || default == Defaulted::Clock
                }
                Destination::Copies => default > Defaulted::Same,
                Destination::Shard(_) => false,
            };
            if wanted && default == Defaulted::Unknown {
                return Err(self.refused(&format!(
                    "the default of \"{}\" is not understood",
                    column.name
                )));
            }
            if wanted && column.default != ColumnDefault::Generated {
                all.push(column);
            }
        }
        Ok((given, all))
    }

    /// Gives the temporary table the target's defaults, as far as a row may take one.
    fn defaults(
        &self,
        stage: &mut Stage,
        on: &On,
        table: &str,
        given: &[&Column],
        all: &[&Column],
    ) -> Result<(), Refusal> {
        let set: Vec<String> = all
            .iter()
            .filter_map(|c| {
                let expression = c.expression.as_ref()?;
                (c.default != ColumnDefault::Generated)
                    .then(|| format!("ALTER {} SET DEFAULT {expression}", identifier(&c.name)))
            })
            .collect();
        let explicit = match &self.i.source {
            InsertSource::Values(v) => v.rows.iter().flatten().any(|e| e.kind == ExprKind::Default),
            _ => false,
        };
        let omitted = all.len() > given.len();
        if !set.is_empty() && (explicit || omitted) {
            if all
                .iter()
                .any(|c| defaults::of(self.reading, c) == Defaulted::Unknown)
            {
                return Err(self.refused("a column's default is not understood"));
            }
            stage.run(
                on.clone(),
                format!("ALTER TABLE {table} {}", set.join(", ")),
            );
        }
        Ok(())
    }
}
