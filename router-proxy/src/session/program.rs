//! Statements that are carried out in steps, as the session starts them. The interpreter is [`crate::exec::program`].

use router_core::id::ShardId;
use router_core::plan::resolve::{Param, Resolved, Stop, Values};
use router_core::plan::{
    Analysis, Answer, Effect, Merge, On, Plan, Planned, Program, Reason, Refusal, Route,
    SessionStatement, Step, Targets, Turn, copy_in, seen_too_early,
};

use super::client::Taken;
use super::commit::{Traces, obstacle, unpreparable};
use super::cursor::{self, is_held_and_gathered};
use super::route;
use super::statement::ClientStatement;
use super::step::{Note, Noted, Ready};
use super::{Role, Session, Wanted, noted};
use crate::exec::Operation;
use crate::exec::copy_in::CopyIn;
use crate::exec::program::{Bound, Execution, Terms, Within};
use crate::wire::encode::Report;

/// How a program runs, beside what it does.
#[derive(Debug)]
pub(super) struct Running {
    /// What the statement does.
    pub(super) effect: Effect,
    /// The reference tables that nobody else may change at the same time.
    pub(super) turns: Vec<Turn>,
    /// Where rows may be read from.
    pub(super) reads: Role,
    /// Its tables stay until the transaction ends.
    pub(super) keeps: bool,
    /// What is shown of its steps are documents, not lines.
    pub(super) documents: bool,
}

/// What an operation will be.
#[derive(Debug)]
pub(super) enum Work {
    /// A statement in steps.
    Steps(Box<Execution>),
    /// `COPY … FROM STDIN`.
    Copy(Box<CopyIn>),
}

impl Work {
    fn wanted(&self) -> Vec<Wanted> {
        match self {
            Self::Steps(execution) => execution.wanted().to_vec(),
            Self::Copy(copy) => copy.wanted(),
        }
    }

    fn changes(&self, part: usize) -> bool {
        match self {
            Self::Steps(execution) => execution.changes(part),
            // What it changes is known once its rows have come.
            Self::Copy(_) => false,
        }
    }

    fn repeat_when_overtaken(&mut self) {
        if let Self::Steps(execution) = self {
            execution.repeat_when_overtaken();
        }
    }

    fn is_of_one_moment(&self) -> bool {
        match self {
            Self::Steps(execution) => execution.is_of_one_moment(),
            Self::Copy(_) => false,
        }
    }

    fn makes_tables(&self, part: usize) -> bool {
        match self {
            Self::Steps(execution) => execution.makes_tables(part),
            Self::Copy(_) => false,
        }
    }

    fn bind(self, bound: Bound) -> Box<dyn Operation> {
        match self {
            Self::Steps(execution) => Box::new(execution.bind(bound)),
            // It has no parameters, and no columns that the client could want in another format.
            Self::Copy(copy) => copy,
        }
    }
}

impl Session {
    /// What an execution comes to when it is one in steps. `None`: it goes to one shard as it is, or is no program.
    pub(super) fn execution(
        &self,
        analysis: &Analysis,
        planned: &Planned,
        text: &str,
        params: &[Param<'_>],
    ) -> Option<Result<Work, Box<Report>>> {
        match &planned.plan.route {
            Route::Scatter {
                merge: Merge::Concatenate,
                ..
            } => None,
            _ => self.execution_in_parts(analysis, planned, text, params),
        }
    }

    /// The same, also of what could go to several shards as it is.
    pub(super) fn execution_in_parts(
        &self,
        analysis: &Analysis,
        planned: &Planned,
        text: &str,
        params: &[Param<'_>],
    ) -> Option<Result<Work, Box<Report>>> {
        let plan = &*planned.plan;
        if matches!(plan.route, Route::Single(_)) || !self.environment.is_sharded() {
            return None;
        }
        let topology = &self.environment.topology;
        let values = analysis.values(planned, text, params, self.directives.direction());
        let mut made;
        let program = match &plan.route {
            Route::Program(program) => program,
            Route::Session(session) if let Some(shards) = self.configures_several(session) => {
                let on = On::Targets(Targets::Shards(shards));
                let program = alone(on, planned.span.of(text), &Merge::Copies);
                let running = Running {
                    effect: plan.effect,
                    turns: Vec::new(),
                    reads: Role::Primary,
                    keeps: false,
                    documents: false,
                };
                return Some(self.steps_of(&program, &values, &running));
            }
            Route::Session(session) => {
                made = Box::new(self.gathered_cursor(session)?);
                let open = self.transaction.is_open();
                // One that is held gets a transaction of its own, in a pipeline when it runs.
                if !open && !is_held_and_gathered(session) {
                    return Some(Err(Box::new(cursor::outside())));
                }
                if open && self.reads_only() {
                    let Some(on) = self.fills(session) else {
                        return Some(Err(Box::new(cursor::read_only())));
                    };
                    // PostgreSQL lets a transaction become one that reads only, not the other way round.
                    made.steps.push(Step::Run {
                        on: On::Shard(on),
                        text: "SET TRANSACTION READ ONLY".to_owned(),
                    });
                }
                &made
            }
            Route::CopyIn(copy) => {
                let text = planned.span.of(text);
                return Some(self.copy_in(copy, plan, plan.resolve(topology, &values), text));
            }
            Route::Split(split) => match plan.resolve(topology, &values) {
                Ok(Resolved::Rows(homes)) => {
                    let (text, rows) = (planned.span.of(text), analysis.rows(planned));
                    match split.program(text, rows, &homes) {
                        Some(program) => {
                            made = Box::new(program);
                            &made
                        }
                        None => {
                            let refusal = Refusal::new(
                                Reason::DifferentShards,
                                "The rows could not be told apart in the text.",
                            );
                            return Some(Err(Box::new(Report::from(&refusal))));
                        }
                    }
                }
                _ => return None,
            },
            Route::Scatter { targets, merge } => {
                made = Box::new(alone(
                    On::Targets(targets.clone()),
                    planned.span.of(text),
                    merge,
                ));
                &made
            }
            _ => return None,
        };
        match plan.resolve(topology, &values) {
            Ok(Resolved::Program | Resolved::Shards(_) | Resolved::Rows(_)) => {}
            Ok(_) => return None,
            Err(Stop::Refused(refusal)) => return Some(Err(Box::new(Report::from(&*refusal)))),
        }
        if self.transaction.is_failed() {
            return Some(Err(Box::new(self.aborted())));
        }
        let knows = self.knows_the_schema();
        if let Err(report) = knows.and_then(|()| self.keeps_time(plan, plan.goes_as_it_is())) {
            return Some(Err(report));
        }
        // A lock that ends with its own statement: PostgreSQL says that nobody wants that.
        if plan.kind == "lock"
            && (!self.transaction.is_open()
                || self.transaction.implicit && !self.transaction.several)
        {
            let text = "LOCK TABLE can only be used in transaction blocks";
            let report = Report::error(router_core::sqlstate::SqlState::new("25P01"), text);
            return Some(Err(Box::new(report)));
        }
        let keeps = matches!(plan.route, Route::Session(_));
        let running = Running {
            // What a cursor's program does is read.
            effect: if keeps { Effect::Read } else { plan.effect },
            turns: plan.turns.clone(),
            reads: self.reads(plan),
            keeps,
            documents: false,
        };
        Some(self.steps_of(program, &values, &running))
    }

    /// The shards that take part in the transaction, if there are several: `set_config` is carried out on each, and answered
    /// once.
    fn configures_several(&self, session: &SessionStatement) -> Option<Vec<ShardId>> {
        let SessionStatement::SetConfig(list) = session else {
            return None;
        };
        let joined = self.links.iter().filter(|link| link.joined && !link.apart);
        let joined: Vec<ShardId> = joined.map(|link| link.shard).collect();
        (joined.len() > 1 && list.iter().all(|one| !one.if_there_is)).then_some(joined)
    }

    /// The same of a prepared statement.
    pub(super) fn configures_joined(&self, statement: &ClientStatement) -> bool {
        let route = statement.plan().map(|plan| &plan.route);
        matches!(route, Some(Route::Session(session)) if self.configures_several(session).is_some())
    }

    /// One execution of a program in the transaction under way, if there is one.
    pub(super) fn steps_of(
        &self,
        program: &Program,
        values: &Values<'_>,
        running: &Running,
    ) -> Result<Work, Box<Report>> {
        if self.transaction.is_failed() {
            return Err(Box::new(self.aborted()));
        }
        self.comes_through(program)?;
        self.sees_copies_alike(&running.turns)?;
        let preface;
        let within = if !self.transaction.is_open() {
            Within::None
        } else if self.reads_beside() && program.makes_tables() && !program.writes && !running.keeps
        {
            preface = self.transaction.preface();
            Within::ReadOnly(preface)
        } else {
            Within::Transaction
        };
        let by_query = self.transaction.is_open() && self.level().is_none_or(reads_by_statement);
        let one_by_one =
            by_query && within == Within::Transaction && running.effect == Effect::Read;
        let in_place = one_by_one.then(|| program.reading_in_place()).flatten();
        let program = in_place.as_ref().unwrap_or(program);
        let terms = Terms {
            topology: &self.environment.topology,
            values,
            reads: running.reads,
            effect: running.effect,
            turns: &running.turns,
            within,
            by_query,
            limits: self.environment.gather,
            keeps: running.keeps,
            documents: running.documents,
        };
        Execution::new(program, &terms).map(|run| Work::Steps(Box::new(run)))
    }

    fn copy_in(
        &self,
        copy: &router_core::plan::CopyIn,
        plan: &Plan,
        resolved: Result<Resolved, Stop>,
        text: &str,
    ) -> Result<Work, Box<Report>> {
        if let Err(Stop::Refused(refusal)) = resolved {
            return Err(Box::new(Report::from(&*refusal)));
        }
        if self.transaction.is_failed() {
            return Err(Box::new(self.aborted()));
        }
        let given = copy.format.encoding.as_deref();
        let encoding = given.or(self.parameters.get("client_encoding"));
        let encoding = encoding.unwrap_or("UTF8");
        if !copy_in::is_ascii_safe(encoding) {
            let detail = format!(
                "In the encoding {encoding} the bytes of a character may look like delimiters."
            );
            let refusal = Refusal::new(Reason::NotRead, detail);
            return Err(Box::new(Report::from(
                &refusal.with_hint("Set client_encoding to UTF8."),
            )));
        }
        let utf8 = copy_in::is_utf8(encoding);
        let copy = CopyIn::new(copy, &self.environment.topology, text, utf8, &plan.turns);
        Ok(Work::Copy(Box::new(copy)))
    }

    /// Whether the transaction under way may make no tables.
    fn reads_only(&self) -> bool {
        let by_default = || {
            let values = self.wanted.get("default_transaction_read_only");
            values
                .and_then(|values| values.first())
                .is_some_and(|value| !matches!(value.as_str(), "off" | "false" | "no" | "0"))
        };
        self.transaction.reads_only().unwrap_or_else(by_default)
    }

    /// Whether what it reads may be put together beside it, where what it has written itself is not seen.
    fn reads_beside(&self) -> bool {
        let wrote = |link: &super::Link| link.joined && link.traces.wrote;
        self.reads_only() && !self.links.iter().any(|link| wrote(link))
    }

    /// Refuses to change copies by what each server's snapshot shows, where those are of when each shard joined.
    fn sees_copies_alike(&self, turns: &[Turn]) -> Result<(), Box<Report>> {
        let Some(turn) = turns.iter().find(|turn| turn.reads) else {
            return Ok(());
        };
        let by_statement = self.level().is_none_or(reads_by_statement);
        if !self.transaction.is_open() || by_statement {
            return Ok(());
        }
        Err(Box::new(Report::from(&seen_too_early(turn))))
    }

    /// The isolation level, as far as the session has a say in it; otherwise the server knows.
    pub(super) fn level(&self) -> Option<&str> {
        let by_default = || {
            let values = self.wanted.get("default_transaction_isolation")?;
            values.first().map(String::as_str)
        };
        self.transaction.isolation().or_else(by_default)
    }

    /// Starts an execution in steps once its connections are there. Nothing else is under way.
    pub(super) fn start(
        &mut self,
        mut work: Work,
        bound: Bound,
        plan: &Plan,
        ready: Ready,
    ) -> Taken {
        let given = match noted::given(plan, &bound.params) {
            Ok(given) => given,
            Err(report) => {
                self.fail_pipeline(&report);
                return Taken::Discard;
            }
        };
        self.transaction.fills = match &plan.route {
            Route::Session(session) if self.reads_only() => self.fills(session),
            _ => None,
        };
        let begins = self.transaction.implicit
            && !self.transaction.several
            && !self.links.iter().any(|link| link.joined);
        // Where copies are read the turns see to it that they are of one moment, which an older snapshot would undo.
        let reads_copies = plan.turns.iter().any(|turn| turn.reads);
        if begins
            && work.is_of_one_moment()
            && self.level().is_none_or(reads_by_statement)
            && !reads_copies
        {
            self.transaction.read_in_one_moment();
        }
        // It may have waited for its connections since.
        if self.transaction.begins_in_one_moment {
            work.repeat_when_overtaken();
        }
        let Some(slots) = self.ensure_parts(&work.wanted()) else {
            return Taken::Wait;
        };
        self.transaction.begins_in_one_moment = false;
        if self.transaction.fills.take().is_some() {
            slots
                .iter()
                .for_each(|&slot| self.links[slot].fills = false);
        }
        if route::changes_schema(&self.environment, plan) {
            self.changes_schema(plan.session.bits, &plan.touches);
        }
        if plan.temporary {
            self.changes_temporary();
        }
        self.defines(plan.defines(), &plan.touches, &slots);
        self.stores_time(plan.clock, plan.goes_as_it_is(), plan.stores);
        if let Route::Session(session) = &plan.route {
            self.declares(session);
        }
        for (part, &slot) in slots.iter().enumerate() {
            if !self.links[slot].apart {
                let home = self.is_home(plan, slot);
                if home {
                    self.leave(slot, route::leaves(plan));
                }
                let traces = Traces {
                    wrote: plan.stores && work.changes(part),
                    obstacle: obstacle(home && unpreparable(plan) || work.makes_tables(part)),
                };
                self.leaves_traces(slot, traces);
            }
        }
        let note = match given {
            Some(given) => Note(Some(Box::new(Noted::Configured(given)))),
            None => self.note(plan),
        };
        self.operate(work.bind(bound), &slots, ready, note);
        Taken::Discard
    }
}

/// Whether each statement of a transaction of this isolation level sees what is committed by then.
pub(super) fn reads_by_statement(level: &str) -> bool {
    ["read committed", "read uncommitted"]
        .iter()
        .any(|known| level.eq_ignore_ascii_case(known))
}

/// A statement as a program without steps.
pub(super) fn alone(on: On, text: &str, merge: &Merge) -> Program {
    Program {
        unless: None,
        steps: Vec::new(),
        answer: Answer::Merged {
            on,
            text: text.to_owned(),
            merge: merge.clone(),
        },
        temporary: Vec::new(),
        writes: false,
    }
}
