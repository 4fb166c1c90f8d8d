//! Statements about other statements, over shards: `PREPARE`, `EXECUTE` and `EXPLAIN`.
//!
//! What SQL prepares and what the protocol's `Parse` prepares are one kind of thing with one space of names, as in
//! PostgreSQL: text, types and plan, kept by the session. `EXECUTE` makes parameters of its arguments, and then the
//! statement runs as it would with a `Bind` of them. Constants are taken as they stand; other arguments are evaluated
//! once, by a server, which also casts them. `EXPLAIN` is carried out as the steps of what it explains
//! ([`router_core::plan::explain`]).

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use router_core::id::ShardId;
use router_core::plan::explain::explained;
use router_core::plan::resolve::{Param, Resolved, Stop, Values};
use router_core::plan::{
    Analysis, Effect, KnownBy, Merge, On, Plan, Planned, Program, Reason, Refusal, Route,
    SessionStatement, Targets,
};
use router_core::sql::lexer::Options;
use router_core::sql::outer;
use router_core::sqlstate::SqlState;
use router_core::twophase::Obstacle;

use super::client::Taken;
use super::commit::Traces;
use super::goes_back::Hidden;
use super::program::{Running, Work, alone};
use super::replies::PLAN_IS_STALE;
use super::route::{self, UNREAD};
use super::statement::ClientStatement;
use super::step::{Note, Ready};
use super::{Role, Session, Wanted, own_plans};
use crate::exec::columns::Formats;
use crate::exec::describe::Description;
use crate::exec::inquire::{self, Answer, Found, Inquiring, Question};
use crate::exec::program::Bound;
use crate::exec::survey::Survey;
use crate::server::prepared::Prepared;
use crate::wire::backend as b;
use crate::wire::encode::Report;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend as f;

/// Names on servers that are the router's own begin with this.
pub(super) const OWN: &str = "shunt_";

/// Why a statement does not go on.
#[derive(Debug)]
pub(super) enum Held {
    /// It is offered again later.
    Wait,
    /// An `ErrorResponse`.
    Failed(Vec<u8>),
}

impl From<Box<Report>> for Held {
    fn from(report: Box<Report>) -> Self {
        Self::Failed(Session::bytes_of(&report))
    }
}

impl From<Report> for Held {
    fn from(report: Report) -> Self {
        Self::Failed(Session::bytes_of(&report))
    }
}

/// What the statement at hand has asked of a server, until it has gone on.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// What is waited for.
    answer: Option<Answer>,
    /// The arguments of its `EXECUTE`.
    arguments: Option<Vec<u8>>,
    /// What is sent in the place of the simple query at hand: with numbers for calls of `shunt.next_id()`, with servers' names
    /// for what it executes.
    pub(super) instead: Option<Rc<str>>,
    /// Which statements of that are not the client's.
    pub(super) hidden: Option<Hidden>,
    /// What it executes, where that is another statement that the session keeps.
    pub(super) executes: Option<Rc<ClientStatement>>,
    /// The catalog as the transaction sees it, once it is read.
    pub(super) survey: Option<Survey>,
    /// The names that the catalog lacked were looked for.
    pub(super) looked: bool,
    /// How often it has waited for what could not be read.
    pub(super) waited: u8,
    /// Characters of the message before it.
    pub(super) before: usize,
}

/// Which server is asked what a statement means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whom<'a> {
    known_by: Option<&'a KnownBy>,
    reads: Role,
}

impl<'a> Whom<'a> {
    /// Any.
    pub(super) fn any() -> Self {
        Self {
            known_by: None,
            reads: Role::Primary,
        }
    }

    /// One that has all that the statement names.
    pub(super) fn of(plan: &'a Plan) -> Self {
        Self {
            known_by: Some(&plan.known_by),
            reads: route::role(plan),
        }
    }
}

/// An `ErrorResponse`, by its body.
pub(super) fn message_of(body: &[u8]) -> Vec<u8> {
    let header = Header {
        tag: b::ERROR,
        body: body.len(),
    };
    [&header.to_bytes()[..], body].concat()
}

impl Asked {
    /// Whether nothing is asked.
    pub(super) fn is_nothing(&self) -> bool {
        let Self {
            answer,
            arguments,
            instead,
            hidden,
            executes,
            survey,
            looked,
            waited,
            before,
        } = self;
        answer.is_none()
            && arguments.is_none()
            && instead.is_none()
            && hidden.is_none()
            && executes.is_none()
            && survey.is_none()
            && !looked
            && *waited == 0
            && *before == 0
    }

    /// Whether what was asked is answered.
    pub(super) fn is_answered(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer.get().is_some())
    }
}

/// A statement that another one carries out, with the values of this execution.
#[derive(Debug)]
pub(super) struct Carried {
    statement: Rc<ClientStatement>,
    /// As in a `Parse`.
    types: Vec<u8>,
    /// Formats and values, as in a `Bind`.
    values: Vec<u8>,
    explain: Option<Explaining>,
}

#[derive(Debug)]
struct Explaining {
    /// All that stands before the statement.
    prefix: String,
    analyze: bool,
    documents: bool,
}

impl Carried {
    /// Calls `f` with the plan and the values of the execution.
    fn with_values<T>(
        &self,
        session: &Session,
        f: impl FnOnce(&Analysis, &Planned, &str, &Values<'_>) -> T,
    ) -> Option<T> {
        let (analysis, planned) = self.statement.planned.as_ref()?;
        let oids = inquire::oids(&self.types);
        let values = f::bind_values(&self.values).unwrap_or_default();
        let params: Vec<Param<'_>> = values
            .iter()
            .enumerate()
            .map(|(i, value)| Param {
                oid: oids.get(i).copied().unwrap_or(0),
                binary: value.binary,
                value: value.bytes,
            })
            .collect();
        let text = self.statement.text();
        let values = analysis.values(planned, text, &params, session.directives.direction());
        Some(f(analysis, planned, text, &values))
    }
}

/// Whether a statement is carried out as another one is.
pub(super) fn carries_another(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Session(session)
        if matches!(**session, SessionStatement::Execute(_) | SessionStatement::Explain))
}

/// Whether it is `EXPLAIN (SHUNT) EXECUTE`.
fn shows_execution(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Explain(inner) if carries_another(inner))
}

/// Whether a statement can only be carried out while nobody uses the planner.
pub(super) fn plans_itself(plan: &Plan) -> bool {
    let prepares = matches!(&plan.route, Route::Session(session)
        if matches!(**session, SessionStatement::Prepare(_)));
    prepares || carries_another(plan) || shows_execution(plan)
}

/// Whether a refused statement may be one that PostgreSQL refuses too.
pub(super) fn may_be_wrong(refusal: &Refusal) -> bool {
    matches!(refusal.reason, Reason::NotRead | Reason::Function)
        && refusal.sqlstate.as_str().starts_with("SH")
}

pub(super) fn unknown(name: &str) -> Report {
    Report::error(
        SqlState::new("26000"),
        format!("prepared statement \"{name}\" does not exist"),
    )
}

pub(super) fn already_exists(name: &str) -> Report {
    Report::error(
        SqlState::new("42P05"),
        format!("prepared statement \"{name}\" already exists"),
    )
}

pub(super) fn not_understood(what: &str) -> Report {
    Report::from(&Refusal::new(
        Reason::NotRead,
        format!("What is not understood: {what}."),
    ))
}

pub(super) fn reserved(name: &str) -> Report {
    Report::error(
        SqlState::new("42939"),
        format!("prepared statement name \"{name}\" is reserved"),
    )
    .detail(format!(
        "Names that begin with \"{OWN}\" are the router's own on servers."
    ))
    .hint("Use another name.")
}

/// As PostgreSQL says it.
pub(super) fn other_columns() -> Report {
    Report {
        // Drivers that prepare anew by themselves tell it from others of its state by that.
        routine: Some(PLAN_IS_STALE),
        ..Report::error(
            SqlState::new("0A000"),
            "cached plan must not change result type",
        )
    }
}

/// That a statement gives rows of the columns that it was prepared with, as PostgreSQL wants it.
fn keeps_its_columns(statement: &ClientStatement) -> Result<(), Held> {
    let promised = statement.promised.as_ref().and_then(|told| told.get());
    match (promised, statement.description.get()) {
        (Some(promised), Some(now)) if !promised.has_columns_of(now) => Err(other_columns().into()),
        _ => Ok(()),
    }
}

impl Session {
    pub(super) fn options(&self) -> Options {
        Options {
            standard_conforming_strings: self.standard_strings(),
        }
    }

    /// The answer, if it is there.
    pub(super) fn found(&mut self) -> Result<Option<Found>, Held> {
        let Some(answer) = self.outer.answer.take() else {
            return Ok(None);
        };
        match Rc::into_inner(answer).and_then(OnceCell::into_inner) {
            None => Ok(None),
            Some(Ok(found)) => Ok(Some(found)),
            Some(Err(body)) => Err(Held::Failed(message_of(&body))),
        }
    }

    /// That everything sent before is answered, so that an operation can begin.
    pub(super) fn nothing_under_way(&mut self) -> Result<(), Held> {
        if self.transaction.is_failed() {
            return Err(self.aborted().into());
        }
        if self.in_pipeline && self.pipeline_is_busy(false) || !self.steps.is_empty() {
            return Err(Held::Wait);
        }
        Ok(())
    }

    /// The server that is asked what a statement means. Where none has all that it names, one may all the same, since
    /// whoever loads one schema everywhere has tables that are used on one shard only: with the body of the error that is
    /// said if it has not.
    fn knowing(&self, whom: Whom<'_>) -> (Wanted, Option<Vec<u8>>) {
        let mut unknown = None;
        let shard = match whom.known_by {
            None | Some(KnownBy::All) => self.shard_to_ask(),
            Some(KnownBy::One(shard)) => *shard,
            Some(KnownBy::None(refusal)) => {
                let report = Report::from(&**refusal);
                unknown = Some(Self::bytes_of(&report)[HEADER_LEN..].to_vec());
                self.shard_to_ask()
            }
        };
        let mut wanted = Wanted {
            shard,
            role: match self.reads_replicas() {
                true => whom.reads,
                false => Role::Primary,
            },
            apart: false,
        };
        if let Some(link) = self
            .links
            .first()
            .filter(|_| !self.environment.is_sharded())
        {
            (wanted.shard, wanted.role) = (link.shard, link.role);
        }
        (wanted, unknown)
    }

    /// Any shard that can be asked. In a transaction that has none yet it is the first, since the connection is kept, and all
    /// clients take connections in the order of shards.
    fn shard_to_ask(&self) -> ShardId {
        match self.transaction.is_open() && !self.links.iter().any(|link| link.joined) {
            true => ShardId(0),
            false => self.shard_for_any(),
        }
    }

    /// Asks a server, and has the statement at hand offered again once the answer is there.
    pub(super) fn inquire(
        &mut self,
        question: Question,
        whom: Whom<'_>,
        leaves: u16,
        wrote: bool,
    ) -> Result<Found, Held> {
        if let Some(found) = self.found()? {
            return Ok(found);
        }
        self.nothing_under_way()?;
        let (wanted, unknown) = self.knowing(whom);
        let Some(slots) = self.ensure_parts(&[wanted]) else {
            return Err(Held::Wait);
        };
        self.leave(slots[0], leaves);
        if wrote && self.transaction.is_open() {
            let obstacle = Obstacle::None;
            self.leaves_traces(slots[0], Traces { wrote, obstacle });
        }
        let answer = Answer::default();
        self.outer.answer = Some(Rc::clone(&answer));
        let inquiring = Box::new(Inquiring::new(question, &answer).or_else(unknown));
        self.operate(inquiring, &slots, Ready::Silent, Note(None));
        Err(Held::Wait)
    }

    /// What the router does not understand, or a function that it does not know, may be wrong: then it is PostgreSQL that says
    /// so. To be parsed and analysed changes nothing. `types` as in a `Parse`.
    pub(super) fn server_says(
        &mut self,
        plan: &Plan,
        text: &str,
        types: &[u8],
    ) -> Result<(), Held> {
        let Route::Refused(refusal) = &plan.route else {
            return Ok(());
        };
        if !self.environment.is_sharded()
            || !may_be_wrong(refusal)
            || matches!(plan.known_by, KnownBy::None(_))
            || self.transaction.is_failed()
        {
            return Ok(());
        }
        // Which tables it names is not known either, so a server may lack one without the statement being wrong.
        let nowhere = KnownBy::None(refusal.clone());
        let mut whom = Whom::of(plan);
        if refusal.reason == Reason::NotRead {
            whom.known_by = Some(&nowhere);
        }
        self.parsed(text.as_bytes(), types, whom)
    }

    /// Has a server parse a text, whose error, if it has one, is the answer.
    pub(super) fn parsed(&mut self, text: &[u8], types: &[u8], whom: Whom<'_>) -> Result<(), Held> {
        let question = Question::Describe {
            // An error tells its place in the whole message.
            text: [&vec![b' '; self.outer.before], text].concat(),
            types: types.to_vec(),
        };
        self.inquire(question, whom, 0, false).map(|_| ())
    }

    /// `PREPARE`.
    pub(super) fn prepares(&mut self, plan: &Plan, name: &str, text: &str) -> Result<(), Held> {
        if name.starts_with(OWN) {
            return Err(reserved(name).into());
        }
        let inner = outer::prepared(text, self.options());
        let inner = inner
            .ok_or_else(|| not_understood("this PREPARE"))?
            .of(text);
        let question = Question::Prepare {
            name: name.as_bytes().to_vec(),
            text: text.as_bytes().to_vec(),
        };
        let schema = self.environment.catalog.changes();
        let whom = Whom::of(plan);
        let Found::Description(description) = self.inquire(question, whom, 0, false)? else {
            return Err(not_understood("this PREPARE").into());
        };
        if self.statements.has(name.as_bytes()) {
            return Err(already_exists(name).into());
        }
        if let Some(error) = self.no_room(inner.len()) {
            return Err(Box::new(error).into());
        }
        let reading = self.reading_of(inner.as_bytes());
        let prepared = Arc::new(Prepared::new(
            inner.as_bytes(),
            &description.types,
            &reading,
        ));
        let statement = self.plan(name.as_bytes(), prepared, schema)?;
        if let Some((_, planned)) = &statement.planned {
            if let Some(name) = &planned.withheld {
                self.wait_for(name)?;
            } else if planned.unknown && !self.outer.looked {
                self.look_again()?;
                return Err(Held::Wait);
            }
        }
        if let Some(report) = statement.plan().and_then(own_plans::own_refusal) {
            return Err(report.into());
        }
        let _ = statement.description.set(description);
        self.statements.insert(name.as_bytes().into(), statement);
        Ok(())
    }

    /// What PostgreSQL says about the parameters and rows of a statement is known.
    pub(super) fn described(&mut self, statement: &ClientStatement) -> Result<(), Held> {
        if statement.description.get().is_some() {
            return keeps_its_columns(statement);
        }
        let question = Question::Describe {
            text: statement.prepared.text.to_vec(),
            types: statement.prepared.types.to_vec(),
        };
        let whom = statement.plan().map_or_else(Whom::any, Whom::of);
        if let Found::Description(description) = self.inquire(question, whom, 0, false)? {
            let _ = statement.description.set(description);
        }
        keeps_its_columns(statement)
    }

    /// The statement of an `EXECUTE`, with its arguments as values.
    fn called(&mut self, text: &str) -> Result<Carried, Held> {
        let execute = outer::execute(text, self.options());
        let execute = execute.ok_or_else(|| not_understood("this EXECUTE"))?;
        let name = execute.name.as_bytes();
        let known = self.statements.get(name).cloned();
        let known = known.ok_or_else(|| unknown(&execute.name))?;
        let statement = self.planned_today(name, known)?;
        self.is_read_otherwise(&statement)?;
        let runs = statement.plan().is_some_and(|plan| {
            matches!(
                plan.route,
                Route::Single(_) | Route::Scatter { .. } | Route::Split(_) | Route::Program(_)
            )
        });
        if !runs {
            let detail = format!(
                "\"{}\" is neither a query nor a change of rows.",
                execute.name
            );
            let refusal = Refusal::new(Reason::SessionStatement, detail)
                .with_hint("Send the statement as it is.");
            return Err(Report::from(&refusal).into());
        }
        self.described(&statement)?;
        let none = Description::of_rows(None);
        let description = statement.description.get().unwrap_or(&none);
        let types = description.types.clone();
        let values = match statement.numbers {
            Some(numbers) => {
                let own = description.with_parameters(numbers.own).types;
                let values = self.arguments(&execute, text, &own)?;
                self.numbered_rest(&statement, &values)?.into_owned()
            }
            None => self.arguments(&execute, text, &types)?,
        };
        Ok(Carried {
            statement,
            types,
            values,
            explain: None,
        })
    }

    fn arguments(
        &mut self,
        execute: &outer::Execute,
        text: &str,
        types: &[u8],
    ) -> Result<Vec<u8>, Held> {
        if let Some(values) = &self.outer.arguments {
            return Ok(values.clone());
        }
        let oids = inquire::oids(types);
        if oids.len() == execute.arguments.len() {
            let constants = oids.iter().zip(&execute.arguments);
            let constants: Option<Vec<Option<String>>> = constants
                .map(|(oid, argument)| argument.value(*oid))
                .collect();
            if let Some(values) = constants {
                return Ok(inquire::in_text(values.iter().map(Option::as_deref)));
            }
        }
        if execute.name.starts_with(OWN) {
            return Err(reserved(&execute.name).into());
        }
        let (leaves, wrote) = match execute.list {
            Some(list) => self.evaluating(list.of(text)),
            None => (0, false),
        };
        self.times_come_through()?;
        let question = Question::Arguments {
            name: execute.name.as_bytes().to_vec(),
            types: types.to_vec(),
            text: text.as_bytes().to_vec(),
        };
        match self.inquire(question, Whom::any(), leaves, wrote)? {
            Found::Arguments(values) => {
                self.outer.arguments = Some(values.clone());
                Ok(values)
            }
            Found::Description(_) | Found::Nothing => Err(not_understood("these arguments").into()),
        }
    }

    /// What evaluating expressions leaves behind in a server's session, and whether it may write.
    fn evaluating(&self, list: &str) -> (u16, bool) {
        let environment = Rc::clone(&self.environment);
        let planning = &mut *environment.planner.borrow_mut();
        self.analyze(planning, &format!("SELECT {list}"));
        match planning.analysis.statements() {
            [one] => (one.plan.session.bits, one.plan.effect != Effect::Read),
            _ => (UNREAD, true),
        }
    }

    /// The statement that `EXECUTE` or `EXPLAIN` carries out. `bound` are types and values of the parameters of the
    /// message itself.
    fn carried(&mut self, text: &str, bound: (Vec<u8>, Vec<u8>)) -> Result<Carried, Held> {
        let Some(explain) = outer::explain(text, self.options()) else {
            return self.called(text);
        };
        let (prefix, inner) = text.split_at(explain.at as usize);
        let mut carried = if outer::execute(inner, self.options()).is_some() {
            self.called(inner)?
        } else {
            let (types, values) = bound;
            let prepared = Arc::new(Prepared::new(inner.as_bytes(), &types, &self.reading));
            Carried {
                statement: self.plan(b"", prepared, self.environment.catalog.changes())?,
                types,
                values,
                explain: None,
            }
        };
        carried.explain = Some(Explaining {
            prefix: prefix.to_owned(),
            analyze: explain.analyze,
            documents: explain.format == outer::Format::Document,
        });
        Ok(carried)
    }

    /// Carries out `EXECUTE` or `EXPLAIN`. Nothing else is under way.
    pub(super) fn carry_out(
        &mut self,
        plan: &Plan,
        text: &str,
        bound: Bound,
        ready: Ready,
    ) -> Result<Taken, Held> {
        let carried = self.carried(text, (bound.types.clone(), bound.params.clone()))?;
        let work = self.carried_work(&carried)?;
        // What runs leaves behind what it leaves, whether its rows are shown or its plan is.
        let runs = carried.explain.as_ref().is_none_or(|e| e.analyze);
        let inner = carried.statement.plan().filter(|_| runs);
        let bound = Bound {
            types: carried.types.clone(),
            params: carried.values.clone(),
            ..bound
        };
        Ok(self.start(work, bound, inner.unwrap_or(plan), ready))
    }

    fn carried_work(&self, carried: &Carried) -> Result<Work, Box<Report>> {
        let work = carried.with_values(self, |analysis, planned, text, values| {
            let plan = &*planned.plan;
            self.keeps_time(plan, plan.goes_as_it_is())?;
            let mut program = self.in_steps_always(analysis, planned, text, values)?;
            let mut running = Running {
                effect: plan.effect,
                turns: plan.turns.clone(),
                reads: self.reads(plan),
                keeps: false,
                documents: false,
            };
            if let Some(explain) = &carried.explain {
                program = explained(&program, &explain.prefix, explain.analyze);
                running.documents = explain.documents;
                if !explain.analyze {
                    running.effect = Effect::Read;
                    running.turns.clear();
                }
            }
            self.steps_of(&program, values, &running)
        });
        work.unwrap_or_else(|| Err(Box::new(not_understood("this statement"))))
    }

    /// A statement as a program, also where its text could go to its shards as it is.
    fn in_steps_always(
        &self,
        analysis: &Analysis,
        planned: &Planned,
        text: &str,
        values: &Values<'_>,
    ) -> Result<Program, Box<Report>> {
        let plan = &*planned.plan;
        let sent = planned.span.of(text);
        let resolved = plan
            .resolve(&self.environment.topology, values)
            .map_err(|Stop::Refused(refusal)| Box::new(Report::from(&*refusal)))?;
        Ok(match (resolved, &plan.route) {
            (Resolved::Program, Route::Program(program)) => (**program).clone(),
            (Resolved::Rows(homes), Route::Split(split)) => {
                let program = split.program(sent, analysis.rows(planned), &homes);
                program.ok_or_else(|| Box::new(not_understood("the rows of this INSERT")))?
            }
            (Resolved::Shard(shard), _) => alone(On::Shard(shard), sent, &Merge::Concatenate),
            (Resolved::Any, _) => alone(On::Shard(self.shard_for_any()), sent, &Merge::Concatenate),
            (Resolved::Shards(shards), route) => {
                let merge = match route {
                    Route::Scatter { merge, .. } => merge,
                    _ => &Merge::Concatenate,
                };
                alone(
                    On::Targets(Targets::Shards(shards.iter().collect())),
                    sent,
                    merge,
                )
            }
            _ => return Err(Box::new(not_understood("this statement"))),
        })
    }

    /// Whether a statement outside a transaction that carries out another may write several shards.
    pub(super) fn carries_writes(&self, plan: &Plan) -> bool {
        let Route::Session(session) = &plan.route else {
            return false;
        };
        match &**session {
            SessionStatement::Execute(name) => self
                .statements
                .get(name.as_bytes())
                .and_then(|statement| statement.plan())
                .is_some_and(|plan| {
                    plan.effect != Effect::Read && !matches!(plan.route, Route::Single(_))
                }),
            SessionStatement::Explain => plan.effect != Effect::Read,
            _ => false,
        }
    }

    /// What the rows of an `EXECUTE` are, for `Describe`.
    pub(super) fn describe_execute(&mut self, plan: &Plan) -> Result<Description, Held> {
        let Route::Session(session) = &plan.route else {
            return Ok(Description::of_rows(None));
        };
        let SessionStatement::Execute(name) = &**session else {
            return Ok(Description::of_rows(None));
        };
        let Some(statement) = self.statements.get(name.as_bytes()).cloned() else {
            return Ok(Description::of_rows(None));
        };
        self.described(&statement)?;
        let rows = statement.description.get();
        Ok(Description::of_rows(rows.and_then(Description::rows)))
    }

    /// `EXPLAIN (SHUNT) EXECUTE`: the plan of the statement with these arguments.
    pub(super) fn printed_execution(&mut self, text: &str) -> Result<String, Held> {
        let at = outer::explain(text, self.options()).map_or(0, |explain| explain.at);
        let carried = self.called(&text[at as usize..])?;
        let printed = carried.with_values(self, |_, planned, _, values| {
            planned
                .plan
                .print_with(&self.environment.topology, values)
                .to_string()
        });
        Ok(printed.unwrap_or_default())
    }

    /// Where rows may be read from.
    pub(super) fn reads(&self, plan: &Plan) -> Role {
        if route::role(plan) == Role::Replica && self.reads_replicas() {
            Role::Replica
        } else {
            Role::Primary
        }
    }

    /// What a statement that is described in steps gives back in these formats.
    pub(super) fn formats_of(rest: &[u8]) -> Option<(usize, Formats)> {
        let at = f::result_formats(rest)?;
        Some((at, Formats::read(&rest[at..])?))
    }
}
