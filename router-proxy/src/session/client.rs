//! Messages of the client, and the simple protocol.

use std::rc::Rc;

use router_core::plan::{Effect, Plan, Route, SessionEffect, TEMPORARY_SCHEMA};
use router_core::sqlstate::SqlState;

use super::outer::{Held, Whom};
use super::route::{self, Routed, Shards};
use super::step::{Note, Noted, Own, Ready, Step};
use super::{ANALYSIS_LIMIT, Fatal, HIGH_WATER, MOST_STEPS, Positions, Session, violation};
use super::{acting, local, number, outer};
use crate::exec::program::Bound;
use crate::wire::buffer::Buffer;
use crate::wire::decoder::Next;
use crate::wire::encode::Report;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend as f;

/// A statement that fails, with PostgreSQL's state for it, unless the transaction has failed before. It names its reason in
/// the server's log.
pub(super) const FAILING: (&str, &[u8]) = ("EXECUTE \"shunt: a statement was refused\"", b"26000");

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The operation under way sees it as it comes.
    Operation,
    /// All of it goes to the group as it is.
    Forward,
    /// Its beginning has been said in other words; from this byte of the body on it goes as it is.
    ForwardFrom(usize),
    /// Nothing of it goes anywhere.
    Discard,
    /// It has to wait: it is offered again later.
    Wait,
}

/// A planned query while its connections are waited for.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) routed: Routed,
    pub(super) note: Note,
    /// What it was planned by.
    pub(super) knowledge: u64,
}

/// A query string of several statements, carried out one by one.
#[derive(Debug, Default)]
pub(super) struct Script {
    text: String,
    statements: Vec<router_core::plan::Planned>,
    next: usize,
    analysis: router_core::plan::Analysis,
    /// Its text is not as the client wrote it.
    rewritten: bool,
}

/// A statement of a script, planned when its turn comes.
#[derive(Debug)]
struct Turn {
    text: String,
    analysis: router_core::plan::Analysis,
    planned: router_core::plan::Planned,
}

impl Session {
    /// Takes what it can of the client's bytes. Whether anything happened; an error ends the connection.
    pub fn handle_client(&mut self, input: &mut Buffer) -> Result<bool, Fatal> {
        if let Some(progress) = self.ask_straight(input) {
            return Ok(progress);
        }
        self.leave_straight_road();
        let mut progress = self.continue_operation();
        progress |= self.continue_script();
        if self.clears_statements {
            if self.steps.is_empty() {
                self.clears_statements = false;
            } else {
                self.flush_group();
            }
        }
        while !input.is_empty() && !self.terminated && self.takes_input() {
            match self
                .input
                .next(input.bytes())
                .map_err(|error| violation(error.to_string()))?
            {
                Next::More(_) => break,
                Next::Body { bytes, forward } => {
                    self.input.advance(bytes);
                    if forward {
                        self.send(&input.bytes()[..bytes]);
                    } else {
                        let last = !self.input.is_inside();
                        self.client_piece(&input.bytes()[..bytes], last);
                    }
                    input.consume(bytes);
                    progress = true;
                }
                Next::Message(header) => {
                    let needed = HEADER_LEN + self.needed(header);
                    if input.len() < needed {
                        // Makes room for no more than what has to be seen at once.
                        input.reserve(needed - input.len());
                        break;
                    }
                    let body_end = input.len().min(header.frame_len());
                    let taken = self.message(header, &input.bytes()[HEADER_LEN..body_end])?;
                    self.waits = taken == Taken::Wait;
                    if !self.waits {
                        self.outer = Default::default();
                    }
                    let (skip, forward) = match taken {
                        Taken::Wait => {
                            // For answers, it may be, that servers give when they are told to.
                            if !self.steps.is_empty() {
                                self.flush_group();
                            }
                            progress |= self.awaits_catalog();
                            break;
                        }
                        Taken::Forward => (0, true),
                        Taken::ForwardFrom(offset) => (HEADER_LEN + offset, true),
                        Taken::Discard | Taken::Operation => (HEADER_LEN, false),
                    };
                    if self.links.is_empty() || !forward {
                        self.input.begin(header.body, false);
                        input.consume(HEADER_LEN);
                        if taken == Taken::Operation && header.body == 0 {
                            self.client_piece(&[], true);
                        }
                    } else {
                        let now = input.len().min(header.frame_len());
                        self.input.begin(header.frame_len() - now, true);
                        match self.group[..] {
                            // The memory changes hands.
                            [slot] if skip == 0 && now == input.len() => {
                                self.links[slot].out.append(input);
                            }
                            _ => {
                                self.send(&input.bytes()[skip..now]);
                                input.consume(now);
                            }
                        }
                    }
                    progress = true;
                }
            }
        }
        Ok(progress)
    }

    /// Whether more of the client's bytes can be taken now.
    pub fn takes_input(&self) -> bool {
        if let Some(takes) = self.straight_takes_input() {
            return takes;
        }
        (self.script.is_none() || self.operation.is_some())
            && self.operation_takes_client()
            && self.poll_want().is_none()
            && self.poll_ground().is_none()
            && !self.awaits_schema()
            && self.steps.len() < MOST_STEPS
            && (!self.clears_statements || self.steps.is_empty())
            && self
                .group
                .iter()
                .all(|&slot| self.links[slot].out.len() < HIGH_WATER)
            && self.client_out.len() < HIGH_WATER
    }

    /// To every server of the group.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        for &slot in &self.group {
            self.links[slot].out.push(bytes);
        }
    }

    /// How much of a body must be there before the message can be decided.
    fn needed(&self, header: Header) -> usize {
        let readable = header.body <= ANALYSIS_LIMIT;
        match header.tag {
            _ if self.skipping => 0,
            f::QUERY | f::PARSE if readable && !self.environment.is_transparent() => header.body,
            f::BIND if !self.environment.is_transparent() => {
                if (self.environment.is_sharded() || self.numbers) && readable {
                    header.body
                } else {
                    // Both names: 63 bytes mean something, drivers make them no longer than that.
                    header.body.min(2048)
                }
            }
            f::DESCRIBE | f::CLOSE | f::EXECUTE if !self.environment.is_transparent() => {
                header.body.min(2048)
            }
            // Whether it has a name.
            f::PARSE if !self.environment.is_transparent() => header.body.min(1),
            _ => 0,
        }
    }

    fn message(&mut self, header: Header, body: &[u8]) -> Result<Taken, Fatal> {
        if let Some(report) = self.refusal.take() {
            // The connections that this message waited for cannot be had.
            match header.tag {
                f::QUERY | f::FUNCTION_CALL => self.refuse(&report),
                _ => self.fail_pipeline(&report),
            }
            if header.tag != f::SYNC {
                return Ok(Taken::Discard);
            }
        }
        if self.operation.is_some()
            && header.tag != f::TERMINATE
            && let Some(taken) = self.client_of_operation(header)?
        {
            return Ok(taken);
        }
        if !self.goes_with_parse(header.tag, body) && !self.answer_parse() {
            return Ok(Taken::Wait);
        }
        match header.tag {
            f::TERMINATE => {
                self.terminated = true;
                Ok(Taken::Discard)
            }
            // The server ends the connection for it.
            tag if self.copying && !belongs_to_copy(tag) => {
                self.copying = false;
                Ok(Taken::Forward)
            }
            f::SYNC => Ok(self.sync()),
            _ if self.skipping => match header.tag {
                f::QUERY
                | f::PARSE
                | f::BIND
                | f::DESCRIBE
                | f::EXECUTE
                | f::CLOSE
                | f::FLUSH
                | f::FUNCTION_CALL
                | f::COPY_DATA
                | f::COPY_DONE
                | f::COPY_FAIL => Ok(Taken::Discard),
                tag => Err(unknown(tag)),
            },
            f::QUERY | f::FUNCTION_CALL if !self.leave_pipeline() => Ok(Taken::Wait),
            f::QUERY => Ok(self.query(header, body)),
            f::COPY_DATA => Ok(self.copy_data()),
            f::COPY_DONE | f::COPY_FAIL => Ok(self.copy_end()),
            f::FUNCTION_CALL => Ok(self.function_call()),
            f::PARSE | f::BIND | f::DESCRIBE | f::EXECUTE | f::CLOSE | f::FLUSH => {
                self.extended(header, body)
            }
            tag => Err(unknown(tag)),
        }
    }

    fn copy_data(&mut self) -> Taken {
        // Without a COPY under way it is ignored, as PostgreSQL ignores it: the COPY has failed.
        if self.copying || !self.steps.is_empty() {
            Taken::Forward
        } else {
            Taken::Discard
        }
    }

    fn copy_end(&mut self) -> Taken {
        if std::mem::take(&mut self.copying) {
            return Taken::Forward;
        }
        if self.steps.is_empty() {
            return Taken::Discard;
        }
        for &slot in &self.group {
            // If there is a COPY to end, its server passes over a `Sync` sent before: the next one is for it.
            self.links[slot].touched = true;
        }
        self.steps.push_back(Step::CopyEnd);
        Taken::Forward
    }

    fn function_call(&mut self) -> Taken {
        if self.environment.is_sharded() {
            let report = Report::error(
                SqlState::new("SH018"),
                "function calls of the wire protocol are not carried out over shards",
            )
            .hint("Call the function in a SELECT.");
            self.refuse(&report);
            return Taken::Discard;
        }
        if self.fails_in_transaction() {
            return Taken::Discard;
        }
        if !self.ensure(&Routed::unread()) {
            return Taken::Wait;
        }
        self.steps.push_back(Step::Function);
        Taken::Forward
    }

    /// A simple query.
    fn query(&mut self, header: Header, body: &[u8]) -> Taken {
        let at = self.place();
        let mut taken = self.query_text(header, body);
        if taken == Taken::Forward
            && let Some(text) = self.outer.instead.take()
        {
            let place = self.place().saturating_sub(1);
            self.positions = (place, Positions::Lost);
            if let Some(hidden) = self.outer.hidden.take() {
                self.hidden = (place, hidden);
            }
            for &slot in &self.group {
                self.links[slot]
                    .out
                    .frame(f::QUERY, &[text.as_bytes(), &[0]]);
            }
            taken = Taken::Discard;
        }
        if taken != Taken::Wait && !self.environment.is_transparent() {
            self.end_unnamed(at);
        }
        taken
    }

    fn query_text(&mut self, header: Header, body: &[u8]) -> Taken {
        if self.environment.is_transparent() {
            if !self.ensure(&Routed::unread()) {
                return Taken::Wait;
            }
            self.steps
                .push_back(Step::Query(Ready::Pass, Note::default()));
            return Taken::Forward;
        }
        if self.environment.is_sharded() && !self.steps.is_empty() {
            return Taken::Wait;
        }
        // What is known may have changed meanwhile.
        if let Some(waiting) = self.waiting.take()
            && waiting.knowledge == self.knowledge()
        {
            return self.query_routed(waiting.routed, waiting.note);
        }
        if header.body > ANALYSIS_LIMIT {
            return self.query_unread(header.body);
        }
        let Some(text) = f::query_text(body) else {
            if !self.steps.is_empty() {
                return Taken::Wait;
            }
            let complaint = f::complaint(f::QUERY, body);
            self.refuse(&Report::error(SqlState::new("08P01"), complaint));
            return Taken::Discard;
        };
        let Ok(text) = std::str::from_utf8(text) else {
            if self.environment.is_sharded() {
                self.refuse(&not_utf8());
                return Taken::Discard;
            }
            return self.query_unread(header.body);
        };
        if self.reads_otherwise(text.as_bytes()) {
            self.refuse(&other_encoding());
            return Taken::Discard;
        }
        self.note_asked(text.as_bytes());
        let environment = Rc::clone(&self.environment);
        let mut borrowed = environment.planner.borrow_mut();
        let planning = &mut *borrowed;
        let put = self.outer.instead.clone();
        let mut text = put.as_deref().unwrap_or(text);
        if let Err(held) = self.plan_today(planning, text, &[0, 0]) {
            return self.hold(held, Ready::Pass);
        }
        let put;
        if number::wants_numbers(&planning.analysis) {
            if !self.steps.is_empty() {
                return Taken::Wait;
            }
            put = match self.with_numbers(text) {
                Ok(put) => put,
                Err(report) => {
                    self.refuse(&report);
                    return Taken::Discard;
                }
            };
            self.outer.instead = Some(Rc::clone(&put));
            text = &put;
            self.analyze(planning, text);
        }
        let statements = planning.analysis.statements();
        if let [one] = statements
            && self.goes_as_it_is(&planning.analysis, &one.plan)
        {
            return self.query_as_it_is(&planning.analysis, one, text);
        }
        if statements.iter().any(|one| self.is_better_known(&one.plan)) {
            return self.look_for_additions();
        }
        if let [one] = statements
            && self.outer.instead.is_none()
        {
            self.outer.instead = self.with_initial_value(&one.plan).map(Into::into);
        }
        let executes = |planned: &router_core::plan::Planned| {
            matches!(&*planned.plan.kind, "execute" | "explain")
        };
        if !self.environment.is_sharded()
            && self.outer.instead.is_none()
            && !self.statements.is_empty()
            && statements.iter().any(executes)
        {
            match self.in_servers_names(text, statements) {
                Ok(instead) => self.outer.instead = instead,
                Err(held) => return self.hold(held, Ready::Pass),
            }
        }
        let out_of_reach = |planned: &router_core::plan::Planned| {
            self.is_out_of_reach(&planned.plan.kind, planned.span.of(text))
        };
        // What the session itself has put in is not for the client to have.
        if self.outer.hidden.is_none()
            && let Some(report) = statements.iter().find_map(out_of_reach)
        {
            if !self.steps.is_empty() {
                return Taken::Wait;
            }
            self.refuse(&report);
            return Taken::Discard;
        }
        let suspect = planning.analysis.is_suspect();
        if self.outer.instead.is_none()
            && !suspect
            && let Some((sent, hidden)) = self.in_servers_words(text, statements)
        {
            self.outer.instead = Some(sent.into());
            self.outer.hidden = Some(hidden);
        }
        // What the session answers itself has to know how everything before it ended.
        let own = |planned: &router_core::plan::Planned| {
            let plan = &planned.plan;
            local::own_route(plan)
                || self.carries_out(plan)
                || matches!(plan.route, Route::Refused(_))
                || self.has_to_clear(route::leaves(plan))
        };
        if !self.steps.is_empty() && statements.iter().any(own) {
            return Taken::Wait;
        }
        match statements {
            // PostgreSQL will reject it as a whole, and says best why.
            _ if suspect && self.ends_pipeline() => {
                match self.parsed(text.as_bytes(), &[0, 0], Whom::any()) {
                    Ok(()) => {
                        self.refuse(&outer::not_understood("this text"));
                        Taken::Discard
                    }
                    Err(held) => self.hold(held, Ready::Pass),
                }
            }
            _ if suspect => self.query_suspect(),
            [] => {
                self.answer(vec![b'I', 0, 0, 0, 4]);
                Taken::Discard
            }
            [one]
                if self.ends_pipeline()
                    || self.needs_transaction(&planning.analysis, one, text) =>
            {
                self.query_script(planning, text)
            }
            [one] if outer::plans_itself(&one.plan) => {
                let one = one.clone();
                drop(borrowed);
                self.query_outer(&one, text)
            }
            [one] => self.query_one(&planning.analysis, one, text),
            _ => self.query_many(planning, text),
        }
    }

    /// Whether a message is one statement that goes to one place as it is, by itself, with nothing before it that is
    /// not answered: what most are. Of what the session may have to do with others nothing is to be done with it.
    fn goes_as_it_is(&self, analysis: &router_core::plan::Analysis, plan: &Plan) -> bool {
        matches!(plan.route, Route::Single(_))
            && !matches!(&*plan.kind, "execute" | "explain")
            && plan.session.bits == 0
            && !analysis.is_suspect()
            && !self.transaction.is_open()
            && self.steps.is_empty()
            && self.outer.instead.is_none()
            && self.outer.executes.is_none()
    }

    /// See [`Self::goes_as_it_is`].
    fn query_as_it_is(
        &mut self,
        analysis: &router_core::plan::Analysis,
        planned: &router_core::plan::Planned,
        text: &str,
    ) -> Taken {
        let (environment, directives) = (&self.environment, &self.directives);
        let routed = route::resolve(environment, directives, analysis, planned, text, &[])
            .and_then(|routed| self.permitted(&routed, &planned.plan).map(|()| routed));
        match routed {
            Ok(routed) => {
                let note = self.note(&planned.plan);
                self.query_routed(routed, note)
            }
            Err(report) => {
                self.refuse(&report);
                Taken::Discard
            }
        }
    }

    /// One statement about another.
    fn query_outer(&mut self, planned: &router_core::plan::Planned, text: &str) -> Taken {
        self.local(&planned.plan, planned.span.of(text), Ready::Pass)
            .unwrap_or(Taken::Discard)
    }

    /// A text that no server will run.
    fn query_suspect(&mut self) -> Taken {
        if self.transaction.is_failed() {
            let report = self.aborted();
            self.refuse(&report);
            return Taken::Discard;
        }
        let routed = Routed {
            shards: Shards::Any,
            role: super::Role::Primary,
            writes: false,
            leaves: 0,
            schema: false,
            temporary: false,
            defines: false,
            begins_read_only: false,
            unpreparable: false,
            clock: Default::default(),
        };
        self.query_routed(routed, Note::default())
    }

    /// A text too long to read, or in an encoding that cannot be read.
    fn query_unread(&mut self, length: usize) -> Taken {
        if self.environment.is_sharded() {
            self.refuse(&too_long(length));
            return Taken::Discard;
        }
        if self.fails_in_transaction() {
            return Taken::Discard;
        }
        if !self.ensure(&Routed::unread()) {
            return Taken::Wait;
        }
        self.settings_on_server = true;
        self.steps
            .push_back(Step::Query(Ready::Pass, Note::default()));
        Taken::Forward
    }

    /// Plans a text with what the session knows.
    pub(super) fn analyze(&self, planning: &mut route::Planning, text: &str) {
        let search_path = &*self.schemas();
        let with_temporary: Vec<String>;
        let search_path = match &self.temporary {
            Some(_) if !search_path.iter().any(|schema| schema == TEMPORARY_SCHEMA) => {
                let first = std::iter::once(TEMPORARY_SCHEMA.to_owned());
                with_temporary = first.chain(search_path.iter().cloned()).collect();
                &with_temporary[..]
            }
            _ => search_path,
        };
        route::analyze(
            &self.environment,
            planning,
            &self.directives,
            text,
            search_path,
            self.standard_strings(),
            self.own_catalog().as_deref(),
        );
    }

    fn query_one(
        &mut self,
        analysis: &router_core::plan::Analysis,
        planned: &router_core::plan::Planned,
        text: &str,
    ) -> Taken {
        let plan = &*planned.plan;
        if let Route::Explain(inner) = &plan.route {
            let values = analysis.values(planned, text, &[], self.directives.direction());
            let printed = inner
                .print_with(&self.environment.topology, &values)
                .with_literals()
                .to_string();
            self.explain(&printed, Ready::Pass);
            return Taken::Discard;
        }
        if let Some(done) = self.local(plan, planned.span.of(text), Ready::Pass) {
            return done;
        }
        if let Some(execution) = self.execution(analysis, planned, text, &[]) {
            return match execution {
                Ok(execution) => self.start(execution, Bound::simple(), plan, Ready::Pass),
                Err(report) => {
                    self.refuse(&report);
                    Taken::Discard
                }
            };
        }
        let routed = match route::resolve(
            &self.environment,
            &self.directives,
            analysis,
            planned,
            text,
            &[],
        ) {
            Ok(routed) => routed,
            Err(report) => {
                self.refuse(&report);
                return Taken::Discard;
            }
        };
        if let Err(report) = self.permitted(&routed, plan) {
            self.refuse(&report);
            return Taken::Discard;
        }
        let mut routed = self.find_cursor(plan, routed);
        let note = match self.outer.executes.clone() {
            Some(executed) => {
                // It is as if that had been said.
                let schema = |plan: &Plan| route::changes_schema(&self.environment, plan);
                routed.leaves = executed.leaves();
                routed.schema |= executed.plan().is_some_and(schema);
                self.note_of_executed(plan, executed.plan())
            }
            None => {
                let note = self.note(plan);
                self.noted_besides(plan, note)
            }
        };
        self.query_routed(routed, note)
    }

    /// A simple query that goes as it is, once its connections are there.
    fn query_routed(&mut self, routed: Routed, note: Note) -> Taken {
        if !self.ensure(&routed) {
            let knowledge = self.knowledge();
            self.waiting = Some(Waiting {
                routed,
                note,
                knowledge,
            });
            return Taken::Wait;
        }
        if self.begins {
            self.clear_sequences_ahead();
        }
        self.wrote(&routed);
        self.awaits_outcome_of(&note);
        self.steps.push_back(Step::Query(Ready::Pass, note));
        Taken::Forward
    }

    /// Several statements in one message.
    fn query_many(&mut self, planning: &mut route::Planning, text: &str) -> Taken {
        let statements = planning.analysis.statements();
        if !self.environment.is_sharded() {
            if let Some(report) = statements
                .iter()
                .find_map(|planned| local::own(&planned.plan))
            {
                self.refuse(&report);
                return Taken::Discard;
            }
            if self.fails_in_transaction() {
                return Taken::Discard;
            }
            let mut routed = Routed::unread();
            routed.leaves = 0;
            let mut changes = Vec::new();
            let (mut ends, mut reads) = (false, true);
            for planned in statements {
                let plan = &*planned.plan;
                routed.leaves |= route::leaves(plan);
                routed.begins_read_only |= route::begins_read_only(plan);
                reads &= route::role(plan) == super::Role::Replica || route::begins_read_only(plan);
                ends |= matches!(plan.route, Route::Transaction(_));
                let note = self.note(plan);
                match self.noted_besides(plan, note).0.map(|noted| *noted) {
                    // Of the transaction's own statements it is known already that there are some.
                    Some(
                        Noted::Local(_)
                        | Noted::Saved(_)
                        | Noted::Released(_)
                        | Noted::BackTo(_)
                        | Noted::Chained(_)
                        | Noted::NotEnded
                        | Noted::Ended,
                    ) => {}
                    Some(Noted::Configured(list)) if list.iter().all(|one| one.local) => {}
                    noted => changes.extend(noted),
                }
            }
            if reads {
                routed.role = super::Role::Replica;
            }
            let stale = self.environment.catalog.is_stale();
            let defines = routed.leaves & SessionEffect::DEFINES.bits != 0
                || stale && statements.iter().any(|p| p.plan.effect == Effect::Schema);
            if defines {
                // The others of the message are planned already, without knowing of it.
                routed.leaves |= SessionEffect::UNKNOWN.bits;
            }
            if let Err(report) = self.may_recall(routed.leaves) {
                self.refuse(&report);
                return Taken::Discard;
            }
            if !self.ensure(&routed) {
                return Taken::Wait;
            }
            // What was set before in the same transaction, and whether it holds.
            self.settings_on_server |= ends && self.sets;
            // Which of them survive an error or a ROLLBACK in between only the server knows.
            self.settings_on_server |= ends && !changes.is_empty();
            let note = match changes.is_empty() {
                true => Note::default(),
                false => Note(Some(Box::new(Noted::Several(changes)))),
            };
            if statements
                .iter()
                .any(|planned| planned.plan.effect == Effect::Schema)
                || defines
            {
                let defines = match defines {
                    true => SessionEffect::DEFINES.bits,
                    false => 0,
                };
                self.changes_schema(routed.leaves | defines);
            }
            self.awaits_outcome_of(&note);
            self.steps.push_back(Step::Query(Ready::Pass, note));
            return Taken::Forward;
        }
        if !self.ends_pipeline()
            && let Some(routed) = self.one_home(&planning.analysis, text)
        {
            if !self.ensure(&routed) {
                return Taken::Wait;
            }
            self.wrote(&routed);
            self.steps
                .push_back(Step::Query(Ready::Pass, Note::default()));
            return Taken::Forward;
        }
        self.query_script(planning, text)
    }

    /// Statements that are carried out one by one, in one transaction.
    fn query_script(&mut self, planning: &mut route::Planning, text: &str) -> Taken {
        let statements = planning.analysis.statements().to_vec();
        let several = statements.len() > 1;
        let ends_pipeline = self.ends_pipeline();
        self.script = Some(Box::new(Script {
            text: text.to_owned(),
            statements,
            next: 0,
            analysis: std::mem::take(&mut planning.analysis),
            rewritten: self.outer.instead.is_some(),
        }));
        if !self.transaction.is_open() {
            self.transaction.begin(&Default::default(), true);
        }
        if ends_pipeline || self.transaction.implicit {
            self.transaction.several = several;
        }
        Taken::Discard
    }

    /// Where all statements of a message go as they are, when that is one shard.
    fn one_home(&mut self, analysis: &router_core::plan::Analysis, text: &str) -> Option<Routed> {
        if self.transaction.is_failed() {
            return None;
        }
        let mut home: Option<Routed> = None;
        for planned in analysis.statements() {
            if matches!(
                planned.plan.route,
                Route::Transaction(_) | Route::Session(_) | Route::Explain(_) | Route::Empty
            ) {
                return None;
            }
            let routed = route::resolve(
                &self.environment,
                &self.directives,
                analysis,
                planned,
                text,
                &[],
            )
            .ok()?;
            self.permitted(&routed, &planned.plan).ok()?;
            // What it names is looked for when its turn comes.
            if planned.unknown || self.concerns(planned) {
                return None;
            }
            home = Some(match (home, routed) {
                (None, routed) => routed,
                (Some(mut a), b) => {
                    match (&a.shards, &b.shards) {
                        (Shards::Any, _) => a.shards = b.shards.clone(),
                        (_, Shards::Any) => {}
                        (x, y) if x == y => {}
                        _ => return None,
                    }
                    if a.role != b.role {
                        a.role = super::Role::Primary;
                    }
                    a.writes |= b.writes;
                    a.leaves |= b.leaves;
                    a.schema |= b.schema;
                    a.temporary |= b.temporary;
                    a.defines |= b.defines;
                    a.clock = a.clock.and(b.clock);
                    a
                }
            });
        }
        home.filter(|routed| match &routed.shards {
            Shards::Any => true,
            Shards::These(shards) => shards.len() == 1,
        })
    }

    /// Goes on with a query string of several statements. Whether anything happened.
    fn continue_script(&mut self) -> bool {
        let mut progress = false;
        while self.script.is_some()
            && self.poll_ground().is_none()
            && self.operation.is_none()
            && self.steps.is_empty()
            && self.poll_want().is_none()
            && !self.asks_catalog
        {
            let Some(script) = self.script.take() else {
                break;
            };
            progress = true;
            // A statement that succeeds leaves no failed transaction, so the last one failed:
            // as in PostgreSQL, the rest of the message is not run, whoever began the transaction.
            if self.transaction.is_failed() && script.next > 0 {
                self.end_script();
                break;
            }
            let Some(planned) = script.statements.get(script.next).cloned() else {
                let commits = self.transaction.implicit && !self.transaction.is_failed();
                if commits && !self.may_commit() {
                    self.script = Some(script);
                } else {
                    self.end_script();
                }
                break;
            };
            // What follows a COMMIT or ROLLBACK of the message is in an implicit transaction of its own.
            if !self.transaction.is_open() {
                self.transaction.begin(&Default::default(), true);
                self.transaction.several = script.statements.len() > 1;
            }
            let waits = self.script_statement(&script, &planned);
            let mut script = script;
            if !waits {
                self.outer = Default::default();
                script.next += 1;
            }
            // An error of this statement ends the message.
            if self.transaction.is_failed() && self.steps.is_empty() && !waits {
                self.end_script();
            } else {
                self.script = Some(script);
            }
            if waits {
                break;
            }
        }
        progress
    }

    /// A statement of a script by what is defined by now, where that is not what the script was planned by.
    fn turn(&mut self, script: &Script) -> Result<Option<Turn>, Held> {
        let Some(planned) = script.statements.get(script.next) else {
            return Ok(None);
        };
        if matches!(planned.plan.route, Route::Refused(_)) {
            let before = &script.text[..planned.span.start as usize];
            self.outer.before = before.chars().count();
        }
        let committed = self.schema_changed && planned.plan.looks_up();
        self.learn_what_was_committed(planned)?;
        let learned = self.learn(planned)?;
        let own = self.own_catalog().is_some() && planned.plan.looks_up();
        if !learned && !own && !committed && !planned.unknown {
            return Ok(None);
        }
        // From the end of the statement before, since comments in front may say something.
        let before = script
            .next
            .checked_sub(1)
            .and_then(|at| script.statements.get(at));
        let from = before.map_or(0, |before| before.span.end as usize);
        let text = &script.text[from..planned.span.end as usize];
        let mut analysis = {
            let environment = Rc::clone(&self.environment);
            let planning = &mut *environment.planner.borrow_mut();
            self.analyze(planning, text);
            std::mem::take(&mut planning.analysis)
        };
        let [one] = analysis.statements() else {
            return Ok(None);
        };
        let one = one.clone();
        if one.unknown && !self.outer.looked {
            let before = &script.text[..planned.span.start as usize];
            self.outer.before = before.chars().count();
            let text = planned.span.of(&script.text);
            self.look_for_names(&one, text, &[0, 0])?;
        }
        Ok(Some(Turn {
            text: text.to_owned(),
            analysis: std::mem::take(&mut analysis),
            planned: one,
        }))
    }

    /// One statement of a script; `true` when it waits for connections.
    fn script_statement(&mut self, script: &Script, planned: &router_core::plan::Planned) -> bool {
        let turn = match self.turn(script) {
            // An error in the place of its connections is told first.
            _ if self.refusal.is_some() => None,
            Ok(turn) => turn,
            Err(Held::Wait) => return true,
            Err(Held::Failed(error)) => {
                self.owe(Step::Own(Own::Bytes(error)));
                self.transaction.fail();
                return false;
            }
        };
        let place = planned.span.start as usize;
        let (analysis, planned, whole) = match &turn {
            Some(turn) => (&turn.analysis, &turn.planned, &turn.text),
            None => (&script.analysis, planned, &script.text),
        };
        let plan = &*planned.plan;
        let text = planned.span.of(whole);
        if let Some(report) = self.refusal.take() {
            self.owe(Step::Own(Own::Bytes(Self::bytes_of(&report))));
            self.transaction.fail();
            return false;
        }
        let last = self.transaction.implicit && script.next + 1 == script.statements.len();
        let ready = if last { Ready::Last } else { Ready::Silent };
        let said = match outer::carries_another(plan) {
            true => ready,
            false => Ready::Silent,
        };
        if let Some(taken) = self.local(plan, text, said) {
            return taken == Taken::Wait;
        }
        let execution = self.execution(analysis, planned, whole, &[]);
        if let Some(execution) = execution {
            return match execution {
                Ok(execution) => self.start(execution, Bound::simple(), plan, ready) == Taken::Wait,
                Err(report) => {
                    self.owe(Step::Own(Own::Bytes(Self::bytes_of(&report))));
                    self.transaction.fail();
                    false
                }
            };
        }
        let routed = route::resolve(
            &self.environment,
            &self.directives,
            analysis,
            planned,
            whole,
            &[],
        )
        .and_then(|routed| self.permitted(&routed, plan).map(|()| routed));
        let routed = match routed {
            Ok(routed) => routed,
            Err(report) => {
                let bytes = Self::bytes_of(&report);
                self.owe(Step::Own(Own::Bytes(bytes)));
                self.transaction.fail();
                return false;
            }
        };
        let routed = self.find_cursor(plan, routed);
        if !self.ensure(&routed) {
            return true;
        }
        self.wrote(&routed);
        let before = &script.text[..place];
        let positions = match script.rewritten {
            true => Positions::Lost,
            false => Positions::Behind(before.chars().count()),
        };
        self.positions = (self.place(), positions);
        let note = self.note(plan);
        self.steps.push_back(Step::Query(ready, note));
        for &slot in &self.group {
            self.links[slot].out.frame(b'Q', &[text.as_bytes(), &[0]]);
        }
        false
    }

    /// The last statement is done, or one failed.
    fn end_script(&mut self) {
        if self.transaction.implicit {
            self.portals.clear();
        }
        if self.transaction.is_failed() {
            self.withheld.clear();
            if self.transaction.implicit {
                self.finish_joined("ROLLBACK", Ready::Quiet);
            }
        } else if self.transaction.implicit {
            if self.commit_joined(None, Ready::Pass, None) {
                return;
            }
            self.settle(&[], false);
        }
        self.say_withheld();
        self.owe(Step::Own(Own::Ready));
    }

    /// Answers a simple query: the message, then `ReadyForQuery`.
    pub(super) fn answer(&mut self, message: Vec<u8>) {
        self.owe(Step::Own(Own::Bytes(message)));
        self.end_message();
    }

    /// The message of the simple protocol at hand is answered, and the pipeline that it ended with it.
    pub(super) fn end_message(&mut self) {
        if self.ends_pipeline() {
            // Nothing is left to do but to end the transaction.
            self.script = Some(Box::default());
        } else if !self.environment.is_sharded() && self.links.iter().any(|link| link.touched) {
            self.sync_touched();
        } else {
            self.owe(Step::Own(Own::Ready));
        }
    }

    /// Refuses a message of the simple protocol: the error in its place, the transaction failed.
    pub(super) fn refuse(&mut self, report: &Report) {
        let has_failed = !self.environment.is_sharded()
            && !self.has_to_fail()
            && self.links.iter().any(|link| link.status() == b'E');
        self.transaction.fail();
        self.answer_failure(match has_failed {
            // PostgreSQL looks no further then.
            true => Self::bytes_of(&aborted()),
            false => Self::bytes_of(report),
        });
    }

    /// As [`Self::answer`], with an error, which fails the transaction under way and undoes what the pipeline before the
    /// message did.
    pub(super) fn answer_failure(&mut self, error: Vec<u8>) {
        if !self.has_to_fail() {
            return self.answer(error);
        }
        // The server is not told of the error: it has one of its own, in its turn.
        self.group.clear();
        self.group.push(0);
        self.turn = 0;
        let failing = FAILING.0.as_bytes();
        self.links[0].out.frame(f::QUERY, &[failing, &[0]]);
        self.steps.push_back(Step::Refused(error));
    }

    /// Whether the only server has something to undo for an error that it does not know of, or may have when it comes to the
    /// message at hand.
    fn has_to_fail(&self) -> bool {
        let owes = |step: &Step| !matches!(step, Step::Own(_));
        !self.environment.is_sharded()
            && !self.transaction.is_open()
            && self.links.first().is_some_and(|link| {
                let begun = link.touched || link.status() == b'T';
                link.server.is_some() && (begun || self.steps.iter().any(owes))
            })
    }

    /// In a transaction whose server is gone (unsharded), everything but its end fails. Whether this did.
    pub(super) fn fails_in_transaction(&mut self) -> bool {
        if !self.transaction.is_failed() {
            return false;
        }
        let bytes = Self::bytes_of(&self.aborted());
        self.answer_failure(bytes);
        true
    }

    /// Why nothing is done in a failed transaction: because it has failed, or, where the client has not been told of that,
    /// why it has.
    pub(super) fn aborted(&self) -> Report {
        let unheard = self.transaction.unheard.take();
        unheard.map_or_else(aborted, |report| *report)
    }

    /// `FETCH` of a portal of the protocol: it runs what that was bound to, and what it sets then only the server knows.
    pub(super) fn runs_a_portal(&mut self, plan: &Plan) {
        if plan.kind == "fetch" && !self.environment.is_sharded() {
            let sets = |portal: &super::bind::Portal| {
                let plan = portal.statement.plan();
                plan.is_some_and(local::sets_or_decides)
            };
            self.settings_on_server |= self.portals.iter().any(|(_, portal)| sets(portal));
        }
    }

    /// What changes when a statement that executes or explains another one succeeds.
    fn note_of_executed(&mut self, plan: &Plan, executed: Option<&Plan>) -> Note {
        let note = executed.map_or(Note(None), |executed| self.note(executed));
        if plan.kind == "explain" && note.0.is_some() {
            // Whether it is carried out only the server knows.
            self.settings_on_server = true;
            return Note(None);
        }
        note
    }

    /// What follows a statement that is sent may have to wait for its outcome.
    pub(super) fn awaits_outcome_of(&mut self, note: &Note) {
        self.clears_statements |= note.clears_statements();
        // A server goes back to its own settings, the session to those of its startup packet.
        self.resets |= !self.initial.is_empty() && self.outer.hidden.is_none() && note.resets();
    }

    /// What changes in the session when a statement succeeds.
    pub(super) fn note(&mut self, plan: &Plan) -> Note {
        let within = self.begins || self.links.iter().any(|link| link.status() != b'I');
        self.renews |= local::renews(plan);
        self.sets |= local::sets(plan);
        self.runs_a_portal(plan);
        self.begins = route::begins(plan) || self.begins && !local::ends(plan);
        let acts = acting::acts(plan).filter(|_| self.environment.is_sharded());
        let acts = acts.map(|change| Noted::Settings(vec![change]));
        let noted = match acts {
            // Where nothing was set nothing is decided, and over shards the session does that itself.
            None if local::decides(plan) => {
                let decides = self.sets && !self.environment.is_sharded();
                let end = || match within || !local::prepares(plan) {
                    true => Noted::Ended,
                    false => Noted::NotEnded,
                };
                let own = local::noted(plan).or_else(|| local::ends(plan).then(end));
                own.filter(|_| decides)
            }
            acts => acts
                .or_else(|| local::noted(plan))
                .or_else(|| local::noted_locally(plan).filter(|_| self.environment.is_sharded())),
        };
        Note(noted.map(Box::new))
    }
}

/// Whether a server takes a message while it waits for the client's COPY data.
pub(super) fn belongs_to_copy(tag: u8) -> bool {
    matches!(
        tag,
        f::COPY_DATA | f::COPY_DONE | f::COPY_FAIL | f::FLUSH | f::SYNC
    )
}

fn unknown(tag: u8) -> Fatal {
    violation(format!("invalid frontend message type {tag}"))
}

/// In a failed transaction.
fn aborted() -> Report {
    Report::error(
        SqlState::new("25P02"),
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

pub(super) fn too_long(length: usize) -> Report {
    Report::error(
        SqlState::new("SH021"),
        "statement is too long to be sharded",
    )
    .detail(format!(
        "The message has {length} bytes; a statement of a sharded database is read as a whole, up to {ANALYSIS_LIMIT} bytes."
    ))
    .hint("Send the data with COPY, in several statements, or as parameters.")
}

/// Text, or a parameter, that is not ASCII, while the client's encoding is not UTF8.
pub(super) fn other_encoding() -> Report {
    not_utf8().detail(
        "It has characters beyond ASCII, and client_encoding is not UTF8; its keys would be looked for in the wrong place.",
    )
}

pub(super) fn not_utf8() -> Report {
    Report::error(
        SqlState::new("SH002"),
        "statement is not understood well enough to be sharded",
    )
    .detail("Its text is not valid UTF-8.")
    .hint("Set client_encoding to UTF8.")
}
