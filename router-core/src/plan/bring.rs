//! Changes of sharded tables that read what is elsewhere: it is brought first.
//!
//! A use of a table whose rows may be needed on another shard is replaced by a temporary table with all its rows, on every
//! shard that runs the statement. What one server evaluates once for the statement, its time, is evaluated once and brought
//! likewise.
//!
//! Proof: the statement reads the rows as they are before it runs, on one server as here, since all steps come before the
//! change. With the temporary table in its place, the use is of a table that every shard has whole: the same as a reference
//! table for the proofs of `spread` and `copies`.

use super::function::{Nature, nature};
use super::names::{FIRST, Place};
use super::reading::Reading;
use super::splice::Splice;
use super::spread::Spread;
use super::stage::{self, ALL, Stage};
use super::walk::{self, Met};
use super::{Merge, On, Reason, Refusal, Route, Target, Targets, ahead, select};
use crate::id::{ShardId, Span};
use crate::sql::Statement;
use crate::sql::statement::{Call, Expr, ExprKind, LiteralKind, Query, TableRef};
use crate::topology::catalog::FIRST_USER_OID;
use crate::topology::predicate::identifier;

/// A statement whose text is rewritten to read what was brought.
pub(super) struct Brought {
    /// The steps so far.
    pub(super) stage: Stage,
    edits: Vec<(Span, String)>,
    /// Whether the steps change rows that are there for good.
    pub(super) changes: bool,
}

/// Uses of tables that are not on every shard, other than `target`.
pub(super) fn elsewhere(reading: &Reading<'_>, target: usize) -> Vec<usize> {
    (0..reading.places.len())
        .filter(|&at| {
            at != target && matches!(reading.places[at], Place::Sharded { .. } | Place::Shard(_))
        })
        .collect()
}

/// Calls of the clock that can be evaluated ahead, by their stretch of the text.
fn clocks<'s>(reading: &Reading<'_>, statement: &'s Statement) -> Vec<(Span, &'s Call)> {
    let mut list: Vec<(Span, &Call)> = Vec::new();
    walk::statement(statement, &mut |met| {
        if let Met::Expr(e) = met
            && let ExprKind::Call(call) = &e.kind
            && is_clock(reading, call)
            && !e.span.is_empty()
            && !list.iter().any(|(span, _)| *span == e.span)
        {
            list.push((e.span, call));
        }
    });
    list
}

/// Whether a call gives the time of the statement or transaction whatever row it stands beside.
fn is_clock(reading: &Reading<'_>, call: &Call) -> bool {
    nature(call, reading.catalog, reading.search_path) == Nature::Clock
        && call
            .args
            .iter()
            .all(|a| a.kind == ExprKind::Literal(LiteralKind::Integer))
}

impl<'a> Reading<'a> {
    /// The same with some uses read as tables that every shard has whole, and the clock as read once.
    pub(super) fn with(&self, everywhere: &[usize]) -> Reading<'a> {
        let mut places = self.places.clone();
        for &at in everywhere {
            places[at] = Place::Reference;
        }
        Reading {
            places,
            frozen: true,
            answered: Vec::new(),
            exact: false.into(),
            moments: Default::default(),
            ..*self
        }
    }

    /// The nature of a call, as this reading takes it.
    pub(super) fn nature(&self, call: &Call) -> Nature {
        match nature(call, self.catalog, self.search_path) {
            Nature::Clock if self.frozen && is_clock(self, call) => Nature::Pure,
            nature => nature,
        }
    }
}

impl Brought {
    /// Nothing has to be brought.
    pub(super) fn nothing() -> Self {
        Self {
            stage: Stage::default(),
            edits: Vec::new(),
            changes: false,
        }
    }

    /// Brings the rows of `uses`, and the time if the statement asks for it, to the shard `to` or to all.
    ///
    /// `None` when the text cannot be rewritten so.
    pub(super) fn new(
        reading: &Reading<'_>,
        statement: &Statement,
        uses: &[usize],
        to: Option<ShardId>,
    ) -> Option<Self> {
        Self::behind(reading, statement, &[], uses, to)
    }

    /// The same once some queries are answered.
    fn behind(
        reading: &Reading<'_>,
        statement: &Statement,
        answered: &[&Query],
        uses: &[usize],
        to: Option<ShardId>,
    ) -> Option<Self> {
        let mut brought = Self::nothing();
        let rewrites = !uses.is_empty() || !answered.is_empty();
        if rewrites && !rewritable(statement) {
            return None;
        }
        for q in answered {
            brought.answer(reading, statement, q)?;
        }
        for &at in uses {
            brought.relation(reading, statement, at, to)?;
        }
        // One server reads its own clock.
        if to.is_none() {
            brought.time(reading, statement)?;
        }
        brought.finish()
    }

    pub(super) fn take_edits(&mut self) -> Vec<(Span, String)> {
        std::mem::take(&mut self.edits)
    }

    pub(super) fn put_edits(&mut self, edits: Vec<(Span, String)>) {
        self.edits = edits;
    }

    /// Puts something else in place of a stretch of the text; [`Self::finish`] follows.
    pub(super) fn edit(&mut self, at: Span, by: String) {
        self.edits.push((at, by));
    }

    /// Itself, when no two edits overlap.
    pub(super) fn finish(mut self) -> Option<Self> {
        self.edits.sort_by_key(|(span, _)| span.start);
        self.edits.dedup();
        let apart = |w: &[(Span, String)]| w[0].0.end <= w[1].0.start;
        self.edits.windows(2).all(apart).then_some(self)
    }

    /// The text with what was brought in place of what it names. `span` is a stretch of the statement.
    pub(super) fn text(&self, text: &str, span: Span) -> String {
        self.spliced(text, span)
            .expect("`finish` saw that the edits do not overlap")
    }

    /// The same, unless edits overlap.
    pub(super) fn spliced(&self, text: &str, span: Span) -> Option<String> {
        let mut splice = Splice::default();
        for (at, by) in &self.edits {
            splice.replace(*at, by.clone());
        }
        splice.apply(text, span)
    }

    pub(super) fn relation(
        &mut self,
        reading: &Reading<'_>,
        statement: &Statement,
        at: usize,
        to: Option<ShardId>,
    ) -> Option<()> {
        let used = &reading.facts.relations[at];
        let name = used.span.of(reading.text);
        let mut plain = None;
        walk::statement(statement, &mut |met| {
            if let Met::From(TableRef::Relation(r)) = met
                && r.span == used.span
                && r.sample.is_none()
            {
                plain = Some(r.alias.is_none());
            }
        });
        let columns = reading.table(at).map(|t| &t.columns);
        let list = match columns {
            Some(columns) if !columns.is_empty() => columns
                .iter()
                .map(|c| identifier(&c.name))
                .collect::<Vec<_>>()
                .join(", "),
            _ => "*".to_owned(),
        };
        let as_text = columns.is_none_or(|list| list.iter().any(|c| !c.portable));
        let query = format!("SELECT {list} FROM {name}");
        let shards: Vec<ShardId> = match to {
            Some(one) => vec![one],
            None => reading.topology.all_shards().iter().collect(),
        };
        let on = to.map_or(ALL, On::Shard);
        let table = match reading.places[at] {
            // Rows of the shard itself are there from the start.
            Place::Sharded { .. } => {
                let targets = match reading.targets(at) {
                    // Which keys count is what the statement itself says of this use, and says again of the copy.
                    Targets::Keys(keys) => Targets::Keys(keys),
                    _ => Targets::All,
                };
                match to {
                    Some(shard) => {
                        let table = self.stage.table(on, &format!("AS {query}"));
                        let from = On::Except(targets, shard);
                        self.stage.bring(Some(from), query, shard, &table, as_text);
                        table
                    }
                    // All have to see the same, so the rows are read once and not once for each.
                    None => {
                        let topology = reading.topology;
                        self.stage.collected(topology, targets, &query, as_text)
                    }
                }
            }
            Place::Shard(home) => {
                // A table that lives elsewhere need not exist here: its columns come from its home.
                let columns = columns?;
                let definition: Vec<String> = columns
                    .iter()
                    .map(|c| format!("{} {}", identifier(&c.name), c.declared))
                    .collect();
                if columns.iter().any(|c| c.type_oid >= FIRST_USER_OID) {
                    return None;
                }
                let table = self
                    .stage
                    .table(on, &format!("({})", definition.join(", ")));
                for &shard in &shards {
                    if shard == home {
                        self.stage
                            .run(On::Shard(home), format!("INSERT INTO {table} {query}"));
                    } else {
                        let from = On::Shard(home);
                        self.stage
                            .bring(Some(from), query.clone(), shard, &table, as_text);
                    }
                }
                table
            }
            // As it is before it is changed; every copy is the same.
            Place::Reference => self.stage.table(on, &format!("AS {query}")),
            Place::Catalog => return None,
        };
        let by = match plain? {
            true => format!("{table} AS {}", identifier(&used.alias)),
            false => table,
        };
        self.edits.push((used.span, by));
        Some(())
    }

    /// Evaluates each call of the clock once, on one server, for all shards.
    fn time(&mut self, reading: &Reading<'_>, statement: &Statement) -> Option<()> {
        let mut calls = clocks(reading, statement);
        // What is answered on one server has its clock.
        let within =
            |outer: &Span, inner: &Span| outer.start <= inner.start && inner.end <= outer.end;
        calls.retain(|(call, _)| !self.edits.iter().any(|(at, _)| within(at, call)));
        if calls.is_empty() {
            return Some(());
        }
        let mut texts: Vec<&str> = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (span, call) in &calls {
            let text = span.of(reading.text);
            if !texts.contains(&text) {
                let mut name = call.name.name.clone();
                if names.contains(&name) {
                    name = format!("{name}_{}", names.len());
                }
                texts.push(text);
                names.push(name);
            }
        }
        let list: Vec<String> = texts
            .iter()
            .zip(&names)
            .map(|(text, name)| format!("{text} AS {}", identifier(name)))
            .collect();
        let query = format!("AS SELECT {}", list.join(", "));
        let table = self.stage.table(ALL, &format!("{query} WITH NO DATA"));
        self.stage.run(
            On::Shard(FIRST),
            format!("INSERT INTO {table} SELECT {}", texts.join(", ")),
        );
        for shard in reading.topology.all_shards().iter().filter(|s| *s != FIRST) {
            let rows = format!("SELECT * FROM {table}");
            self.stage
                .bring(Some(On::Shard(FIRST)), rows, shard, &table, false);
        }
        for (span, _) in &calls {
            let at = texts.iter().position(|t| *t == span.of(reading.text))?;
            let by = format!("(SELECT {} FROM {table})", identifier(&names[at]));
            self.edits.push((*span, by));
        }
        Some(())
    }
}

/// Whether nothing in the statement names a table otherwise than by alias, or is about the table itself.
fn rewritable(statement: &Statement) -> bool {
    let mut fits = true;
    walk::statement(statement, &mut |met| match met {
        Met::Expr(Expr {
            kind: ExprKind::Column { qualifier, .. },
            ..
        }) => fits &= qualifier.len() < 2,
        Met::Query(q) => fits &= q.locks.is_empty(),
        Met::From(TableRef::Relation(r)) => fits &= !r.span.is_empty(),
        _ => {}
    });
    fits
}

/// The route of a change that several shards make, each of its own rows: as it stands if that is proven, otherwise with what
/// it needs brought first.
pub(super) fn change(
    reading: &Reading<'_>,
    statement: &Statement,
    target: usize,
    prove: &dyn Fn(&Reading<'_>) -> Result<(), Refusal>,
) -> Result<Route, Refusal> {
    let proven = prove(reading);
    let refusal = match proven {
        Ok(()) if !elsewhere_whole(reading) => {
            return select::over_shards(reading, Ok(Spread::Apart(vec![target])));
        }
        Ok(()) => reading.mixed(),
        Err(refusal) => refusal,
    };
    let others = elsewhere(reading, target);
    let untied: Vec<usize> = others
        .iter()
        .copied()
        .filter(|&at| !reading.tied(target, at))
        .collect();
    let queries = ahead::queries(reading, statement);
    for answered in [&[][..], &queries] {
        let inside: Vec<usize> = answered
            .iter()
            .flat_map(|q| ahead::uses(reading, q))
            .collect();
        for uses in [&[][..], &untied, &others] {
            let mut everywhere = uses.to_vec();
            everywhere.extend(&inside);
            let mut with = reading.with(&everywhere);
            with.answered = answered.iter().map(|q| q.span).collect();
            if elsewhere_whole(&with) || prove(&with).is_err() {
                continue;
            }
            let uses: Vec<usize> = uses
                .iter()
                .copied()
                .filter(|at| !inside.contains(at))
                .collect();
            let Some(brought) = Brought::behind(reading, statement, answered, &uses, None) else {
                break;
            };
            reading.exact.set(true);
            *reading.moments.borrow_mut() = with.moments.take();
            let text = brought.text(reading.text, Span::new(0, reading.text.len()));
            let unless = match reading.all_targets() {
                Targets::All => None,
                _ if elsewhere_whole(reading) => None,
                targets => Some(targets),
            };
            let on = On::Targets(with.all_targets());
            let answer = stage::merged(on, text, Merge::Concatenate);
            return Ok(brought.stage.route(unless, answer));
        }
        if queries.is_empty() {
            break;
        }
    }
    if elsewhere_whole(reading) {
        return Err(refusal);
    }
    select::over_shards(reading, Err(refusal))
}

/// A change that is right as it stands on one shard, as far as it can be told.
pub(super) fn direct(
    reading: &Reading<'_>,
    statement: &Statement,
) -> Result<Option<Route>, Refusal> {
    match select::one_shard(reading, statement) {
        // Places that only an execution can tell to be one: what is elsewhere may as well be brought.
        Ok(Some(Target::Agree { .. })) => Ok(None),
        Ok(target) => Ok(target.map(Route::Single)),
        Err(refusal) if matches!(refusal.reason, Reason::MixedHomes) => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// A change of a table that lives whole on the shard `home`: what is read elsewhere is brought there.
pub(super) fn whole(
    reading: &Reading<'_>,
    statement: &Statement,
    target: usize,
    home: ShardId,
) -> Result<Route, Refusal> {
    let direct = select::one_shard(reading, statement);
    if let Ok(Some(to)) = &direct
        && !matches!(to, Target::Agree { .. })
    {
        return Ok(Route::Single(to.clone()));
    }
    match (gather_to(reading, statement, target, home), direct) {
        (Some(route), _) => Ok(route),
        (None, Ok(Some(to))) => Ok(Route::Single(to)),
        (None, Ok(None)) => Err(reading.mixed()),
        (None, Err(refusal)) => Err(refusal),
    }
}

/// A statement about a table of the shard `home`, with what it reads elsewhere brought there.
fn gather_to(
    reading: &Reading<'_>,
    statement: &Statement,
    target: usize,
    home: ShardId,
) -> Option<Route> {
    let uses: Vec<usize> = elsewhere(reading, target)
        .into_iter()
        .filter(|&at| reading.places[at] != Place::Shard(home))
        .collect();
    let mut parts = vec![Target::Shard(home)];
    select::functions(reading, statement, false, &mut parts).ok()?;
    if uses.is_empty() || parts.len() > 1 || reading.places.contains(&Place::Catalog) {
        return None;
    }
    let brought = Brought::new(reading, statement, &uses, Some(home))?;
    reading.exact.set(true);
    let text = brought.text(reading.text, Span::new(0, reading.text.len()));
    let answer = stage::merged(On::Shard(home), text, Merge::Concatenate);
    Some(brought.stage.route(None, answer))
}

/// A statement that makes a table of a query on the shard `home`: what the query reads is brought there.
pub(super) fn gathered(
    reading: &Reading<'_>,
    statement: &Statement,
    home: ShardId,
) -> Result<Route, Refusal> {
    let mut parts = vec![Target::Shard(home)];
    select::functions(reading, statement, false, &mut parts)?;
    let uses: Vec<usize> = (0..reading.places.len())
        .filter(|&at| match reading.places[at] {
            Place::Sharded { .. } => true,
            Place::Shard(shard) => shard != home,
            Place::Reference | Place::Catalog => false,
        })
        .collect();
    if parts.len() > 1 || reading.places.contains(&Place::Catalog) && home != FIRST {
        return Err(reading.mixed());
    }
    if uses.is_empty() {
        return Ok(Route::Single(Target::Shard(home)));
    }
    let brought =
        Brought::new(reading, statement, &uses, Some(home)).ok_or_else(|| reading.mixed())?;
    let text = brought.text(reading.text, Span::new(0, reading.text.len()));
    let answer = stage::merged(On::Shard(home), text, Merge::Concatenate);
    Ok(brought.stage.route(None, answer))
}

/// A change of every copy of a reference table: as it stands if `plan` proves it, otherwise with what it needs brought.
pub(super) fn copies(
    reading: &Reading<'_>,
    statement: &Statement,
    target: usize,
    plan: &dyn Fn(&Reading<'_>) -> Result<Route, Refusal>,
) -> Result<Route, Refusal> {
    let refusal = match plan(reading) {
        Ok(route) => return Ok(route),
        Err(refusal) => refusal,
    };
    let uses = elsewhere(reading, target);
    let with = reading.with(&uses);
    if plan(&with).is_err() {
        return Err(refusal);
    }
    let brought = Brought::new(reading, statement, &uses, None).ok_or(refusal)?;
    reading.exact.set(true);
    *reading.moments.borrow_mut() = with.moments.take();
    let text = brought.text(reading.text, Span::new(0, reading.text.len()));
    let answer = stage::merged(ALL, text, Merge::Copies);
    Ok(brought.stage.route(None, answer))
}

/// Whether a table of the statement lives whole on one shard.
fn elsewhere_whole(reading: &Reading<'_>) -> bool {
    reading
        .places
        .iter()
        .any(|p| matches!(p, Place::Shard(_) | Place::Catalog))
}
