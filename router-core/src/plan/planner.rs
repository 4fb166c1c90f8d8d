//! From text to plans: what the proxy, `shunt explain` and the client library call.
//!
//! A text is cut into statements; each statement's shape, or its text when it has parameters, is looked up; only on a
//! miss is it parsed and planned. What comes out is an [`Analysis`], a buffer that the caller keeps.
//!
//! ```
//! use router_core::id::{Epoch, ShardId};
//! use router_core::plan::{Analysis, Context, Direction, Planner, Resolved};
//! use router_core::topology::{Catalog, Shard, Topology};
//!
//! let shard = Shard { name: "s0".into(), has_replicas: false };
//! let topology = Topology::unsharded("shop", shard, Epoch(1));
//! let (catalog, search_path) = (Catalog::unknown(), ["public".to_owned()]);
//! let context = Context::new(&topology, &catalog, &search_path);
//! let mut planner = Planner::new(1 << 20);
//! let mut analysis = Analysis::new();
//! let text = "BEGIN; SELECT * FROM users WHERE id = 42";
//! planner.analyze(text, &context, &mut analysis);
//! let select = &analysis.statements()[1];
//! let values = analysis.values(select, text, &[], Direction::None);
//! assert!(matches!(select.plan.resolve(&topology, &values), Ok(Resolved::Shard(ShardId(0)))));
//! ```

use std::sync::Arc;

use memchr::memchr;

use super::analysis::{Analysis, Planned};
use super::cache::{Cache, ContextId, Place};
use super::contexts::Contexts;
use super::directive::{Directive, directive};
use super::lists::Shortened;
use super::make::{Input, Made, SYNTAX_ERROR, make};
use super::quoted::quotes;
use super::recent::Recent;
use super::resolve::{Direction, Resolved, Stop, Values, plain_literal};
use super::second::SecondReader;
use super::size::size;
use super::{Plan, Reason, Refusal, Route, ValueSource};
use crate::id::Span;
use crate::sql::lexer::Options;
use crate::sql::shape::{Form, Shape, Slot, SlotKind, outline};
use crate::sql::{parse, split};
use crate::topology::{Catalog, TableName, Topology};

/// What the meaning of a statement depends on beside its text.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Where tables live.
    pub topology: &'a Topology,
    /// What the servers say about relations and functions. Plans of other contents are not used with it.
    pub catalog: &'a Catalog,
    /// The session's `search_path`, each schema as meant (unquoted), in order. `"$user"` stands as it is.
    pub search_path: &'a [String],
    /// The session's `standard_conforming_strings`.
    pub standard_conforming_strings: bool,
    /// Whether the catalog is that of a transaction which has defined something itself ([`Plan::defines`]): no other plans
    /// with it, so its plans are not kept.
    pub private: bool,
    /// The session's `shunt.shard` or `shunt.key`.
    pub direction: Direction<'a>,
    /// The session's `shunt.constraints`: whether a definition may make constraints that each shard keeps for its own rows.
    pub per_shard: bool,
}

impl<'a> Context<'a> {
    /// Those of a session that has set nothing.
    pub fn new(topology: &'a Topology, catalog: &'a Catalog, search_path: &'a [String]) -> Self {
        Self {
            topology,
            catalog,
            search_path,
            standard_conforming_strings: true,
            private: false,
            direction: Direction::None,
            per_shard: false,
        }
    }
}

/// One worker's planner: what it has planned already, and room to work in.
#[derive(Debug)]
pub struct Planner {
    plans: Cache<Cached>,
    /// Those that were looked up last by [`Planner::find`].
    recent: Recent,
    contexts: Contexts,
    /// How many times the cache was begun anew.
    beginnings: u64,
    shape: Shape,
    key: Vec<u8>,
    /// The constants of the text that was looked up last.
    constants: Vec<Slot>,
    hits: u64,
    misses: u64,
    /// The statement at hand names a relation that the catalog does not have.
    unknown: bool,
    /// A relation that it names of which the catalog has not all.
    withheld: Option<TableName>,
    /// The plan found last is that of all statements of its shape.
    by_shape: bool,
    /// Reads what is planned anew, too.
    second: Option<Arc<dyn SecondReader>>,
}

/// A context that a planner has met: what is looked up by it is not compared with the context again.
#[derive(Clone, Copy, Debug)]
pub struct Met {
    id: ContextId,
    /// The planner has begun anew so many times before.
    beginning: u64,
    options: Options,
}

/// A plan that was there, with the constants of the text at hand.
#[derive(Debug)]
pub struct Found<'a> {
    /// The plan.
    pub plan: &'a Plan,
    statement: &'a [u8],
    constants: &'a [Slot],
}

impl Found<'_> {
    /// Where it goes.
    pub fn resolve(&self, topology: &Topology) -> Result<Resolved, Stop> {
        let home = self.plan.plain_home(topology, |source| match source {
            ValueSource::Slot(slot) => plain_literal(*slot, self.statement, self.constants),
            _ => None,
        });
        if let Some(home) = home {
            return Ok(Resolved::Shard(home));
        }
        let values = Values {
            // It is UTF-8, see `Planner::find`.
            text: std::str::from_utf8(self.statement).unwrap_or_default(),
            literals: self.constants,
            params: &[],
            direction: Direction::None,
        };
        self.plan.resolve(topology, &values)
    }
}

/// What a planner has kept and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlannerNumbers {
    /// Plans and marks kept.
    pub entries: usize,
    /// Their bytes, by the cache's own count.
    pub bytes: usize,
    /// Statements whose plan was there.
    pub hits: u64,
    /// Statements that were planned anew.
    pub misses: u64,
}

/// What is kept of a text or shape.
#[derive(Debug)]
enum Cached {
    /// The plan of all statements of the shape, or of the text.
    Plan(Arc<Plan>),
    /// Statements of this shape have plans by text.
    ByText,
    /// A text as it stands, with all that its analysis holds.
    Text(Text),
}

#[derive(Debug)]
struct Text {
    plan: Arc<Plan>,
    literals: Box<[Slot]>,
    rows: Box<[Span]>,
}

impl Planner {
    /// A planner whose cache holds at most `cache_bytes`.
    pub fn new(cache_bytes: usize) -> Self {
        Self {
            plans: Cache::new(cache_bytes),
            recent: Recent::default(),
            contexts: Contexts::default(),
            beginnings: 0,
            shape: Shape::new(),
            key: Vec::new(),
            constants: Vec::new(),
            hits: 0,
            misses: 0,
            unknown: false,
            withheld: None,
            by_shape: false,
            second: None,
        }
    }

    /// The same with a second reader: where it reads a statement otherwise, nothing goes over shards.
    pub fn with_second_reader(mut self, second: Arc<dyn SecondReader>) -> Self {
        self.second = Some(second);
        self
    }

    /// What it has kept and found so far.
    pub fn numbers(&self) -> PlannerNumbers {
        PlannerNumbers {
            entries: self.plans.len(),
            bytes: self.plans.bytes(),
            hits: self.hits,
            misses: self.misses,
        }
    }

    /// Plans every statement of a query string.
    pub fn analyze(&mut self, text: &str, context: &Context<'_>, out: &mut Analysis) {
        out.statements.clear();
        out.literals.clear();
        out.rows.clear();
        out.suspect = false;
        self.unknown = false;
        self.withheld = None;
        let options = Options {
            standard_conforming_strings: context.standard_conforming_strings,
        };
        let id = match context.private {
            // Nothing is looked up by it.
            true => ContextId(u32::MAX),
            false => self.context(context),
        };
        if self.alone(text, id, context, options, out) {
            return;
        }
        let mut before = 0;
        let mut statements = split::statements(text, options);
        for span in statements.by_ref() {
            // Comments in front belong to the statement: a directive may stand there.
            let with_comments = Span {
                start: before,
                end: span.end,
            };
            self.statement(text, with_comments, span, id, context, options, out);
            before = span.end;
        }
        out.suspect = statements.is_suspect();
        self.keep_as_it_stands(text, id, context, options, out);
        // PostgreSQL reads a string as a whole before it runs any of it: so does an error of this kind.
        let wrong = out.statements.iter().position(
            |found| matches!(&found.plan.route, Route::Refused(r) if r.sqlstate == SYNTAX_ERROR),
        );
        if let Some(wrong) = wrong {
            out.statements.swap(0, wrong);
            out.statements.truncate(1);
        }
    }

    /// Remembers a context for [`Planner::find`]. `None`: no plan is kept for it, or a direction is among what its plans
    /// depend on.
    pub fn meet(&mut self, context: &Context<'_>) -> Option<Met> {
        (!context.private && context.direction == Direction::None).then(|| Met {
            id: self.context(context),
            beginning: self.beginnings,
            options: Options {
                standard_conforming_strings: context.standard_conforming_strings,
            },
        })
    }

    /// The plan that [`Planner::analyze`] would find for a string of one statement, and nothing of what it does to plan one
    /// that is not there. For what is not UTF-8, or has a zero byte, there is none.
    pub fn find<'a>(&'a mut self, text: &'a [u8], met: &Met) -> Option<Found<'a>> {
        if met.beginning != self.beginnings {
            return None;
        }
        let statement = alone(text)?;
        self.constants.clear();
        let recent = self.recent.find(met.id, statement, &mut self.constants);
        let known = recent.filter(|place| self.plans.at(*place).is_some());
        let place = match known {
            Some(place) => place,
            None => self.find_by_outline(statement, met)?,
        };
        let Cached::Plan(plan) = &**self.plans.at(place)? else {
            return None;
        };
        self.hits += 1;
        Some(Found {
            plan,
            statement,
            constants: &self.constants,
        })
    }

    /// Where the plan of a statement is by its outline.
    fn find_by_outline(&mut self, statement: &[u8], met: &Met) -> Option<Place> {
        begin_outline_key(&mut self.key, false);
        self.constants.clear();
        if !outline::write(statement, met.options, &mut self.key, &mut self.constants) {
            return None;
        }
        let (_, place) = self.plans.find(met.id, &self.key)?;
        // What is known by its outline was read, and differs from this in its constants alone.
        let number = |constant: &Slot| constant.kind == SlotKind::Integer;
        let is_text = || std::str::from_utf8(statement).is_ok() && memchr(0, statement).is_none();
        if !self.constants.iter().all(number) && !is_text() {
            return None;
        }
        self.recent.keep(met.id, statement, &self.constants, place);
        Some(place)
    }

    /// Statements about transactions have no constants, and come again and again: they are found as they stand.
    fn keep_as_it_stands(
        &mut self,
        text: &str,
        id: ContextId,
        context: &Context<'_>,
        options: Options,
        out: &mut Analysis,
    ) {
        let Some(statement) = alone(text.as_bytes()) else {
            return;
        };
        let [planned] = &out.statements[..] else {
            return;
        };
        let whole = planned.span == Span::new(0, statement.len()) && !out.suspect;
        if whole
            && !context.private
            && matches!(planned.plan.route, Route::Transaction(_))
            && out.literals.is_empty()
            && out.rows.is_empty()
        {
            let plan = Arc::clone(&planned.plan);
            let directed = context.direction != Direction::None;
            if self.outline_key(statement, directed, options, &mut out.literals)
                && out.literals.is_empty()
            {
                self.plans
                    .insert(id, &self.key, Arc::new(Cached::Plan(plan)), 0);
            }
            out.literals.clear();
        }
    }

    /// A string of one statement without anything around it, the usual case: planned without being cut first. `false`
    /// when it may be anything else.
    fn alone(
        &mut self,
        text: &str,
        id: ContextId,
        context: &Context<'_>,
        options: Options,
        out: &mut Analysis,
    ) -> bool {
        let Some(bytes) = alone(text.as_bytes()).filter(|_| !context.private) else {
            return false;
        };
        let statement = &text[..bytes.len()];
        let directed = context.direction != Direction::None;
        let span = Span::new(0, statement.len());
        // With constants in it, one is much like the next.
        let outlined = self.outline_key(bytes, directed, options, &mut out.literals);
        if outlined
            && let Some(Cached::Plan(plan)) = self.plans.get(id, &self.key).map(|found| &**found)
        {
            out.alone(span, plan.clone(), false, None);
            self.hits += 1;
            return true;
        }
        out.literals.clear();
        if memchr(b';', bytes).is_some() {
            return false;
        }
        // Texts with parameters come again and again: they are found as they stand.
        let again = memchr(b'$', bytes).is_some();
        if again {
            self.text_key(statement, directed);
            if let Some(Cached::Text(found)) = self.plans.get(id, &self.key).map(|found| &**found) {
                out.literals.extend_from_slice(&found.literals);
                out.rows.extend_from_slice(&found.rows);
                out.alone(span, found.plan.clone(), false, None);
                self.hits += 1;
                return true;
            }
        }
        if self.shape.read(statement, options).is_err() || self.shape.form() != Form::Normalised {
            return false;
        }
        out.literals.extend_from_slice(self.shape.slots());
        out.rows.extend_from_slice(self.shape.row_spans());
        let plan = self.cached(statement, id, context, options, directed);
        // A dollar sign within a constant does not make a text come again.
        let params = self
            .shape
            .slots()
            .iter()
            .any(|s| matches!(s.kind, SlotKind::Param(_)));
        if again && !self.unknown && (params || memchr(b'$', self.shape.bytes()).is_some()) {
            self.text_key(statement, directed);
            let bytes = size_of_val(&out.literals[..]) + size_of_val(&out.rows[..]) + size(&plan);
            let found = Text {
                plan: plan.clone(),
                literals: out.literals.as_slice().into(),
                rows: out.rows.as_slice().into(),
            };
            self.plans
                .insert(id, &self.key, Arc::new(Cached::Text(found)), bytes);
        }
        if outlined && self.by_shape && out.rows.is_empty() {
            let known = out.literals.len();
            self.outline_key(bytes, directed, options, &mut out.literals);
            // Only if the shape has the same constants is it that of the outline.
            let (of_shape, of_outline) = out.literals.split_at(known);
            let same = of_shape == of_outline;
            out.literals.truncate(known);
            if same {
                self.plans
                    .insert(id, &self.key, Arc::new(Cached::Plan(plan.clone())), 0);
            }
        }
        out.alone(span, plan, self.unknown, self.withheld.take());
        true
    }

    /// The key of a text by its outline; whether it has one.
    fn outline_key(
        &mut self,
        statement: &[u8],
        directed: bool,
        options: Options,
        literals: &mut Vec<Slot>,
    ) -> bool {
        begin_outline_key(&mut self.key, directed);
        outline::write(statement, options, &mut self.key, literals)
    }

    fn text_key(&mut self, statement: &str, directed: bool) {
        self.key.clear();
        self.key.push(u8::from(directed) << 1 | 4);
        self.key.extend_from_slice(statement.as_bytes());
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "the parts of one call of `analyze`"
    )]
    fn statement(
        &mut self,
        text: &str,
        with_comments: Span,
        span: Span,
        id: ContextId,
        context: &Context<'_>,
        options: Options,
        out: &mut Analysis,
    ) {
        let statement = span.of(text);
        let comments = Span {
            start: with_comments.start,
            end: span.start,
        }
        .of(text);
        let directive = match comments.contains("shunt:") {
            true => directive(comments, with_comments.start),
            false => Ok(Directive::default()),
        };
        let directed = matches!(directive, Ok(Directive { place: Some(_), .. }))
            || context.direction != Direction::None;
        let too_long = self.shape.read(statement, options).is_err();
        self.unknown = false;
        self.withheld = None;
        let literals_from = out.literals.len() as u32;
        out.literals.extend_from_slice(self.shape.slots());
        let rows_from = out.rows.len() as u32;
        out.rows.extend_from_slice(self.shape.row_spans());

        let plan = match &directive {
            Err(detail) => Arc::new(refused(
                context,
                Refusal::new(Reason::Directive, detail.as_str()),
            )),
            // Rare, and no part of the cache's keys.
            Ok(d) if too_long || d.per_shard => {
                let made = self.make(statement, context, options, directed, d.per_shard);
                self.unknown = made.unknown;
                self.withheld = made.withheld;
                Arc::new(made.plan)
            }
            Ok(_) => self.cached(statement, id, context, options, directed),
        };
        let directive = directive.unwrap_or_default();
        out.statements.push(Planned {
            span,
            plan,
            directive: directive.place,
            route: directive.route,
            unknown: self.unknown,
            withheld: self.withheld.take(),
            literals: (literals_from, out.literals.len() as u32),
            rows: (rows_from, out.rows.len() as u32),
        });
    }

    fn cached(
        &mut self,
        statement: &str,
        id: ContextId,
        context: &Context<'_>,
        options: Options,
        directed: bool,
    ) -> Arc<Plan> {
        // Lists of any length have one shape, but not one plan; and which parameters stand in them is not in the shape.
        let by_text = self
            .shape
            .slots()
            .iter()
            .any(|s| matches!(s.kind, SlotKind::Param(_)));
        self.key.clear();
        self.key.push(u8::from(directed) << 1 | u8::from(by_text));
        if by_text {
            self.key.extend_from_slice(statement.as_bytes());
        } else {
            for group in self.shape.groups() {
                self.key.extend_from_slice(&group.rows.to_ne_bytes());
            }
            self.key.extend_from_slice(self.shape.bytes());
        }
        self.by_shape = false;
        if context.private {
            let made = self.make_whole(statement, context, options, directed);
            self.unknown = made.unknown;
            self.withheld = made.withheld;
            return Arc::new(made.plan);
        }
        match self.plans.get(id, &self.key).map(|found| &**found) {
            Some(Cached::Plan(plan)) => {
                self.hits += 1;
                self.by_shape = !by_text;
                return plan.clone();
            }
            Some(Cached::ByText) => {
                self.key.clear();
                self.key.push(u8::from(directed) << 1 | 1);
                self.key.extend_from_slice(statement.as_bytes());
                if let Some(Cached::Plan(plan)) =
                    self.plans.get(id, &self.key).map(|found| &**found)
                {
                    self.hits += 1;
                    return plan.clone();
                }
            }
            Some(Cached::Text(_)) | None => {}
        }
        self.misses += 1;
        let mut made = self.make_whole(statement, context, options, directed);
        if let Route::Refused(refusal) = &made.plan.route {
            made.exact |= quotes(refusal, statement, self.shape.slots());
        }
        let plan = Arc::new(made.plan);
        if made.unknown {
            // Not kept: the next one, too, has to be told that there is something unknown.
            self.unknown = true;
            self.withheld = made.withheld;
            return plan;
        }
        self.by_shape = !by_text && !made.exact;
        let size = size(&plan);
        if made.exact && self.key[0] & 1 == 0 {
            self.plans
                .insert(id, &self.key, Arc::new(Cached::ByText), 0);
            self.key.clear();
            self.key.push(u8::from(directed) << 1 | 1);
            self.key.extend_from_slice(statement.as_bytes());
        }
        self.plans
            .insert(id, &self.key, Arc::new(Cached::Plan(plan.clone())), size);
        plan
    }

    /// Plans a statement whose shape was read.
    fn make_whole(
        &self,
        statement: &str,
        context: &Context<'_>,
        options: Options,
        directed: bool,
    ) -> Made {
        Shortened::new(statement, &self.shape, options)
            .and_then(|short| {
                let made = self.make_of(
                    (&short.text, &short.shape),
                    context,
                    options,
                    directed,
                    false,
                );
                short.lengthened(made)
            })
            .unwrap_or_else(|| self.make(statement, context, options, directed, false))
    }

    fn make(
        &self,
        statement: &str,
        context: &Context<'_>,
        options: Options,
        directed: bool,
        per_shard: bool,
    ) -> Made {
        self.make_of(
            (statement, &self.shape),
            context,
            options,
            directed,
            per_shard,
        )
    }

    fn make_of(
        &self,
        (statement, shape): (&str, &Shape),
        context: &Context<'_>,
        options: Options,
        directed: bool,
        per_shard: bool,
    ) -> Made {
        let read = parse(
            statement,
            &parse::Options {
                lexer: options,
                ..Default::default()
            },
        );
        if let Some(second) = &self.second
            && let Some(difference) = second.difference(&read, statement, options)
            && context.topology.only_shard().is_none()
            && !directed
        {
            // Not kept by shape: it was this text that was read.
            return Made {
                plan: refused(context, difference.refusal()),
                exact: true,
                unknown: false,
                withheld: None,
            };
        }
        let input = Input {
            topology: context.topology,
            catalog: context.catalog,
            search_path: context.search_path,
            options,
            directed,
            per_shard: per_shard || context.per_shard,
            text: statement,
            slots: shape.slots(),
            groups: shape.groups(),
        };
        make(&input, &read)
    }

    fn context(&mut self, context: &Context<'_>) -> ContextId {
        if let Some(known) = self.contexts.find(context) {
            return known;
        }
        let added = self.contexts.add(context).or_else(|| {
            self.plans.clear();
            self.beginnings += 1;
            self.contexts.add(context)
        });
        added.unwrap_or(ContextId(0))
    }
}

/// What stands in front of an outline where it is a key.
fn begin_outline_key(key: &mut Vec<u8>, directed: bool) {
    key.clear();
    key.push(u8::from(directed) << 1 | 8);
}

/// The statement of a text that may be one with nothing around it. A comment in front may hold a directive.
fn alone(text: &[u8]) -> Option<&[u8]> {
    let end = text
        .iter()
        .rposition(|byte| !matches!(byte, b';' | b' ' | b'\n' | b'\r' | b'\t'))?;
    let statement = text.get(..=end)?;
    statement[0].is_ascii_alphabetic().then_some(statement)
}

fn refused(context: &Context<'_>, refusal: Refusal) -> Plan {
    Plan {
        epoch: context.topology.epoch,
        kind: "unknown".into(),
        effect: super::Effect::Write,
        stores: true,
        role: super::Role::Primary,
        route: Route::Refused(Box::new(refusal)),
        session: super::SessionEffect::default(),
        temporary: false,
        moments: None,
        clock: Default::default(),
        touches: super::Touches::Nothing,
        turns: Vec::new(),
        tables: Vec::new(),
        known_by: super::KnownBy::All,
    }
}

#[cfg(test)]
mod tests;
