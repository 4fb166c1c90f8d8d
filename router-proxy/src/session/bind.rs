//! `Bind`.

use std::rc::Rc;
use std::sync::Arc;

use router_core::plan::resolve::Param;
use router_core::plan::set_config::Configured;
use router_core::sqlstate::SqlState;
use smallvec::SmallVec;

use super::client::Taken;
use super::in_steps::{self, Steps};
use super::link::Parsing;
use super::own_answers::{other_encoding, too_long};
use super::route::{self, Routed};
use super::statement::ClientStatement;
use super::step::{Own, Ready, Step};
use super::{Session, VALUES_LIMIT, noted, number, own_plans};
use crate::server::prepared::Prepared;
use crate::wire::encode::Report;
use crate::wire::frame::Header;
use crate::wire::frontend as f;

/// Whether a portal is on several servers.
fn is_on_several(routed: &Routed) -> bool {
    matches!(&routed.shards, route::Shards::These(shards) if shards.len() > 1)
}

impl Session {
    /// Where an execution goes. `None`: the session carries it out itself.
    pub(super) fn home(
        &mut self,
        statement: &ClientStatement,
        params: &[Param<'_>],
    ) -> Result<Option<Routed>, Box<Report>> {
        let Some((analysis, planned)) = &statement.planned else {
            if self.environment.is_sharded() {
                let mut routed = Routed::unread();
                routed.leaves = 0;
                return Ok(Some(routed));
            }
            return Ok(Some(Routed::unread()));
        };
        if own_plans::own_route(&planned.plan) || self.carries_out(&planned.plan) {
            return Ok(None);
        }
        let routed = route::resolve(
            &self.environment,
            &self.directives,
            analysis,
            planned,
            statement.text(),
            params,
        )?;
        self.permitted(&routed, &planned.plan)?;
        Ok(Some(self.find_cursor(&planned.plan, routed)))
    }

    pub(super) fn bind(
        &mut self,
        header: Header,
        bind: &f::Bind<'_>,
        body: &[u8],
        whole: bool,
    ) -> Taken {
        match self.bind_or_stop(header, bind, body, whole) {
            Ok(taken) | Err(taken) => taken,
        }
    }

    fn bind_or_stop(
        &mut self,
        header: Header,
        bind: &f::Bind<'_>,
        body: &[u8],
        whole: bool,
    ) -> Result<Taken, Taken> {
        let statement = self.statement_to_bind(bind)?;
        let (statement, executed) = match self.by_servers_name(&statement) {
            Some((derived, executed)) => (derived, Some(executed)),
            None => (self.by_initial_value(statement), None),
        };
        if self.has_to_clear(statement.leaves()) {
            return Err(self.wait_for_answers());
        }
        let in_steps = in_steps::is_in_steps(&statement) || self.configures_joined(&statement);
        if statement.numbers.is_some() || in_steps {
            self.parse_is_sent(false);
        }
        self.note_bound(&statement.prepared);
        let sharded = self.environment.is_sharded();
        if !whole && (sharded || statement.numbers.is_some()) {
            return Err(self.stop(&too_long(header.body, VALUES_LIMIT)));
        }
        let rest = self
            .numbered_rest(&statement, &body[bind.rest_at..])
            .map_err(|report| self.stop(&report))?;
        let plan = statement.plan();
        if plan.is_some_and(|plan| number::alone(plan).is_some()) {
            return Ok(self.bind_alone(bind.portal, &statement, &rest));
        }
        let values = match sharded {
            true => f::bind_values(&rest).ok_or_else(|| self.stop(&malformed()))?,
            false => SmallVec::new(),
        };
        let values = values.iter().enumerate();
        let params: Vec<Param<'_>> = values.map(|(i, value)| statement.param(i, value)).collect();
        if params.iter().any(|param| self.is_foreign(param)) {
            return Err(self.stop(&other_encoding()));
        }
        if in_steps && let Some(taken) = self.bind_in_steps(bind.portal, &statement, &params, &rest)
        {
            return Ok(taken);
        }
        // What a pipeline sets has to hold on every shard that comes after it, and only if the whole succeeds.
        let sets = sharded && plan.is_some_and(own_plans::sets);
        if sets && !self.fails_in_pipeline() && self.begin_for_pipeline() {
            return Err(Taken::Wait);
        }
        let given = plan.map(|plan| noted::given(plan, &rest)).transpose();
        let home = self.home(&statement, &params);
        let home = home.map_err(|report| self.stop(&report))?;
        let given = given.map_err(|report| self.stop(&report))?.flatten();
        let Some(routed) = home else {
            return self.bind_own(bind.portal, &statement, &rest);
        };
        if self.fails_in_pipeline() {
            return Err(Taken::Discard);
        }
        if self.barrier(&routed) || self.begin_in_pipeline(&routed) || !self.ensure(&routed) {
            return Err(Taken::Wait);
        }
        self.note_portal(bind.portal, &statement, routed, &rest, given);
        if let Some(executed) = &executed {
            for at in 0..self.group.len() {
                self.send_prepared(self.group[at], executed);
            }
        }
        Ok(self.pass_bind(header, bind, statement, &rest))
    }

    /// Fails the pipeline by this.
    pub(super) fn stop(&mut self, report: &Report) -> Taken {
        self.fail_pipeline(report);
        Taken::Discard
    }

    /// The statement that a `Bind` names, planned by what is known today.
    fn statement_to_bind(&mut self, bind: &f::Bind<'_>) -> Result<Rc<ClientStatement>, Taken> {
        if self.is_unsettled(bind.statement, true) {
            return Err(self.wait_for_answers());
        }
        let Some(statement) = self.statement(bind.statement) else {
            if let Some(taken) = self.on_server(bind.statement, Step::Bind(None)) {
                self.portals.retain(|(name, _)| **name != *bind.portal);
                return Err(taken);
            }
            return Err(self.no_statement(bind.statement));
        };
        let statement = match self.planned_today(bind.statement, statement) {
            Ok(statement) => statement,
            Err(held) => {
                self.in_pipeline = true;
                return Err(self.hold(held, Ready::Silent));
            }
        };
        if self.fails_unless_ended(statement.plan()) {
            self.fail_in_failed();
            return Err(Taken::Discard);
        }
        if let Err(held) = self.keeps_its_promise(&statement) {
            self.in_pipeline = true;
            return Err(self.hold(held, Ready::Silent));
        }
        if let Err(report) = self.is_read_otherwise(&statement) {
            return Err(self.stop(&report));
        }
        if let Some(plan) = statement.plan() {
            if self.is_better_known(plan) {
                return Err(self.look_for_additions());
            }
            self.leaves_database(&plan.kind, statement.text());
            if let Some(report) = self.is_out_of_reach(&plan.kind, statement.text()) {
                return Err(self.stop(&report));
            }
        }
        if let Err(held) = self.keep_readings(&statement) {
            self.in_pipeline = true;
            return Err(self.hold(held, Ready::Silent));
        }
        Ok(statement)
    }

    /// A portal of what the session itself carries out.
    fn bind_own(
        &mut self,
        name: &[u8],
        statement: &Rc<ClientStatement>,
        rest: &[u8],
    ) -> Result<Taken, Taken> {
        if let Some(report) = self.is_miscounted(statement, rest) {
            return Err(self.stop(&report));
        }
        self.in_pipeline = true;
        self.parse_is_sent(false);
        self.keep_portal(name, statement, None);
        self.owe(Step::Own(Own::Empty(b'2')));
        Ok(Taken::Discard)
    }

    /// What the session must know of a portal that servers have.
    fn note_portal(
        &mut self,
        name: &[u8],
        statement: &Rc<ClientStatement>,
        routed: Routed,
        rest: &[u8],
        given: Option<Vec<Configured>>,
    ) {
        self.wrote(&routed);
        let plan = statement.plan();
        if let Some(plan) = plan {
            self.runs_a_portal(plan);
            if route::begins(plan) {
                self.clear_sequences_ahead();
            }
        }
        self.touch();
        if let Some(plan) = plan {
            self.begins = route::begins(plan) || self.begins && !own_plans::ends(plan);
        }
        let sharded = self.environment.is_sharded();
        let noted = plan.is_some_and(|plan| match own_plans::decides(plan) {
            true => self.sets || !name.is_empty(),
            false => own_plans::sets_or_decides(plan),
        });
        let leaves = match sharded {
            true => routed.leaves,
            false => statement.leaves(),
        };
        if sharded || noted {
            let several = sharded && is_on_several(&routed);
            self.keep_portal(name, statement, Some(routed));
            if sharded && name.is_empty() {
                self.opens_unnamed_portal();
            }
            if let Some((_, portal)) = self.portals.last_mut() {
                portal.given = given;
                if several {
                    portal.parts = Steps::of(rest).map(Rc::new);
                }
            }
        } else if !self.portals.is_empty() {
            self.portals.retain(|(known, _)| **known != *name);
        }
        for i in 0..self.group.len() {
            self.leave(self.group[i], leaves);
        }
    }

    /// Has the group's servers know the statement, and bind it.
    fn pass_bind(
        &mut self,
        header: Header,
        bind: &f::Bind<'_>,
        statement: Rc<ClientStatement>,
        rest: &[u8],
    ) -> Taken {
        let numbered = statement.numbers.is_some();
        let group = self.group.clone();
        let mut parsed = true;
        group
            .iter()
            .for_each(|&slot| self.links[slot].close_left_portal());
        if bind.statement.is_empty() {
            for &slot in &group {
                parsed &= !self.send_unnamed(slot, &statement.prepared);
            }
            self.parse_is_sent(parsed);
            self.steps.push_back(Step::Bind(None));
            if numbered {
                self.send_bind(bind.portal, &[], rest);
                return Taken::Discard;
            }
            return Taken::Forward;
        }
        let statement = self.read_today(statement);
        for &slot in &group {
            parsed &= self.send_prepared(slot, &statement);
        }
        self.parse_is_sent(parsed);
        self.steps
            .push_back(Step::Bind(Some(Rc::clone(&statement))));
        let name = statement.prepared.name();
        if numbered {
            self.send_bind(bind.portal, &name, rest);
            return Taken::Discard;
        }
        let length = header.body - bind.rest_at;
        self.send_bind_head(bind.portal, &name, length);
        Taken::ForwardFrom(bind.rest_at)
    }

    /// What PostgreSQL says of a `Bind` with another number of parameters than a statement has that the session itself answers,
    /// where it could look at that: such a statement has those that its `Parse` declared.
    fn is_miscounted(&self, statement: &ClientStatement, rest: &[u8]) -> Option<Report> {
        let number = |bytes: &[u8], at: usize| {
            let bytes = bytes.get(at..at + 2)?;
            Some(usize::from(u16::from_be_bytes(bytes.try_into().ok()?)))
        };
        let supplied = number(rest, 2 + 2 * number(rest, 0)?)?;
        let required = number(&statement.prepared.types, 0)?;
        if self.environment.is_sharded() || supplied == required {
            return None;
        }
        let name = String::from_utf8_lossy(statement.names().0);
        Some(Report::error(
            SqlState::new("08P01"),
            format!(
                "bind message supplies {supplied} parameters, but prepared statement \"{name}\" requires {required}"
            ),
        ))
    }

    /// Whether servers read a value as another text than the router does. In binary, texts alone are in the client's
    /// encoding: text, varchar, bpchar, name, or a type not declared.
    pub(super) fn is_foreign(&self, param: &Param<'_>) -> bool {
        let is_text = !param.binary || matches!(param.oid, 0 | 25 | 1043 | 1042 | 19);
        is_text && param.value.is_some_and(|value| self.reads_otherwise(value))
    }

    /// Sends the group a `Bind` as far as its parameters, of which so many bytes follow.
    fn send_bind_head(&mut self, portal: &[u8], statement: &[u8], rest: usize) {
        let head = Header {
            tag: f::BIND,
            body: portal.len() + 1 + statement.len() + 1 + rest,
        };
        self.send(&head.to_bytes());
        self.send(portal);
        self.send(&[0]);
        self.send(statement);
        self.send(&[0]);
    }

    fn send_bind(&mut self, portal: &[u8], statement: &[u8], rest: &[u8]) {
        self.send_bind_head(portal, statement, rest.len());
        self.send(rest);
    }

    /// Makes sure that a link's unnamed statement is this one. Whether it was already.
    pub(super) fn send_unnamed(&mut self, slot: usize, prepared: &Arc<Prepared>) -> bool {
        let place = self.place();
        let link = &mut self.links[slot];
        let Some(server) = link.server.as_mut() else {
            return false;
        };
        if let Some(known) = &server.prepared.unnamed
            && Arc::ptr_eq(known, prepared)
        {
            return true;
        }
        let old = server.prepared.unnamed.replace(Arc::clone(prepared));
        link.parsing.push_back((place, Parsing::Unnamed(old)));
        link.parse(&[], prepared);
        false
    }
}

fn malformed() -> Report {
    Report::error(SqlState::new("08P01"), "invalid message format")
}
