//! Simple queries: how a text of one statement, or of several that go together, is planned and sent.

use std::rc::Rc;

use router_core::plan::{Effect, Plan, Route, SessionEffect, Standby, TEMPORARY_SCHEMA, Touches};
use router_core::sqlstate::SqlState;

use super::client::{Taken, Waiting};
use super::outer::Whom;
use super::own_answers::{not_utf8, other_encoding, too_long};
use super::rewritten::Positions;
use super::route::{self, Routed};
use super::step::{Note, Noted, Ready, Step};
use super::{Session, TEXT_LIMIT, names, number, outer, own_plans};
use crate::exec::program::Bound;
use crate::wire::encode::Report;
use crate::wire::frame::Header;
use crate::wire::frontend as f;

impl Session {
    /// A simple query.
    pub(super) fn query(&mut self, header: Header, body: &[u8]) -> Taken {
        let at = self.place();
        self.leave_unnamed_portals();
        let mut taken = self.query_text(header, body);
        if taken == Taken::Forward
            && let Some(text) = self.outer.instead.take()
        {
            let place = self.place().saturating_sub(1);
            let hidden = self.outer.hidden.take().unwrap_or_default();
            self.note_rewritten(place, Positions::Lost, hidden);
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

    pub(super) fn query_text(&mut self, header: Header, body: &[u8]) -> Taken {
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
        if header.body > self.most_read(f::QUERY) {
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
        let mut planning = &mut *borrowed;
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
        let mut statements = planning.analysis.statements();
        if let [one] = statements {
            self.leaves_database(&one.plan.kind, one.span.of(text));
        }
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
        let executes =
            |planned: &router_core::plan::Planned| names::is_about_another(&planned.plan.kind);
        if !self.environment.is_sharded()
            && self.outer.instead.is_none()
            && !self.statements.is_empty()
            && statements.iter().any(executes)
        {
            // What it executes may have to be planned anew.
            let executing = statements.to_vec();
            drop(borrowed);
            match self.in_servers_names(text, &executing) {
                Ok(instead) => self.outer.instead = instead,
                Err(held) => return self.hold(held, Ready::Pass),
            }
            borrowed = environment.planner.borrow_mut();
            planning = &mut *borrowed;
            self.analyze(planning, text);
            statements = planning.analysis.statements();
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
            own_plans::own_route(plan)
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
    pub(super) fn goes_as_it_is(
        &self,
        analysis: &router_core::plan::Analysis,
        plan: &Plan,
    ) -> bool {
        matches!(plan.route, Route::Single(_))
            && !names::is_about_another(&plan.kind)
            && plan.session.bits == 0
            && !analysis.is_suspect()
            && !self.transaction.is_open()
            && self.steps.is_empty()
            && self.outer.instead.is_none()
            && self.outer.executes.is_none()
    }

    /// See [`Self::goes_as_it_is`].
    pub(super) fn query_as_it_is(
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
    pub(super) fn query_outer(
        &mut self,
        planned: &router_core::plan::Planned,
        text: &str,
    ) -> Taken {
        self.local(&planned.plan, planned.span.of(text), Ready::Pass)
            .unwrap_or(Taken::Discard)
    }

    /// A text that no server will run.
    pub(super) fn query_suspect(&mut self) -> Taken {
        if self.transaction.is_failed() {
            let report = self.aborted();
            self.refuse(&report);
            return Taken::Discard;
        }
        let routed = Routed::anywhere(super::Role::Primary);
        self.query_routed(routed, Note::default())
    }

    /// A text too long to read, or in an encoding that cannot be read.
    pub(super) fn query_unread(&mut self, length: usize) -> Taken {
        if self.environment.is_sharded() {
            self.refuse(&too_long(length, TEXT_LIMIT));
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

    pub(super) fn query_one(
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
                let temporary = routed.leaves & SessionEffect::TEMPORARY.bits;
                routed.leaves = executed.leaves() | temporary;
                if executed.plan().is_some_and(schema) {
                    routed.schema = true;
                    routed.touches = Touches::Anything;
                }
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
    pub(super) fn query_routed(&mut self, routed: Routed, note: Note) -> Taken {
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
    pub(super) fn query_many(&mut self, planning: &mut route::Planning, text: &str) -> Taken {
        let statements = planning.analysis.statements();
        if !self.environment.is_sharded() {
            if let Some(report) = statements
                .iter()
                .find_map(|planned| own_plans::own(&planned.plan))
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
            let mut together = None;
            for planned in statements {
                let plan = &*planned.plan;
                routed.leaves |= route::leaves(plan);
                let standby = route::standby(plan);
                together = Some(together.map_or(standby, |before: Standby| before.and(standby)));
                reads &= route::role(plan) == super::Role::Replica;
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
            routed.standby = together.unwrap_or(Standby::Primary);
            let begins = statements
                .first()
                .and_then(|p| route::begins_read_only(&p.plan));
            if routed.standby != Standby::Primary {
                routed.begins_read_only = begins.cloned();
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
                self.changes_schema(routed.leaves | defines, &Touches::Anything);
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
        if let Some(report) = self.are_read_together(planning.analysis.statements(), text) {
            self.refuse(&report);
            return Taken::Discard;
        }
        self.query_script(planning, text)
    }
}
