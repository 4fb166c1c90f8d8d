//! Portals: `Bind`, and what is said about what it made.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use router_core::id::ShardId;
use router_core::plan::resolve::Param;
use router_core::plan::set_config::Configured;
use router_core::plan::{KnownBy, Route, SessionStatement};
use router_core::sqlstate::SqlState;
use smallvec::SmallVec;

use super::client::Taken;
use super::link::Parsing;
use super::own_answers::{other_encoding, too_long};
use super::portal::{self, Spool, Steps};
use super::route::{self, Routed};
use super::statement::ClientStatement;
use super::step::{Note, Noted, Own, Ready, Step};
use super::undo::Undone;
use super::{Session, noted, number, own_plans};
use crate::server::prepared::Prepared;
use crate::wire::encode::Report;
use crate::wire::frame::Header;
use crate::wire::frontend as f;

/// A portal of a client, as far as the session must know it.
#[derive(Clone, Debug)]
pub(super) struct Portal {
    pub(super) statement: Rc<ClientStatement>,
    /// Where it lives; `None`: with the session itself.
    home: Option<Routed>,
    /// What it is bound to, when it is carried out in steps.
    steps: Option<Rc<Steps>>,
    /// What it sets, where that is said by its parameters.
    given: Option<Vec<Configured>>,
    /// What it is bound to on several servers: it is carried out in steps after all when it is read in parts.
    parts: Option<Rc<Steps>>,
    /// Which it is of its transaction's.
    number: u64,
    /// Its rows, when it is read in parts; once it has been carried out.
    spool: Rc<RefCell<Option<Spool>>>,
}

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
        if self.is_unsettled(bind.statement, true) {
            return self.wait_for_answers();
        }
        let Some(statement) = self.statement(bind.statement) else {
            if let Some(taken) = self.on_server(bind.statement, Step::Bind(None)) {
                self.portals.retain(|(name, _)| **name != *bind.portal);
                return taken;
            }
            return self.no_statement(bind.statement);
        };
        let statement = match self.planned_today(bind.statement, statement) {
            Ok(statement) => statement,
            Err(held) => {
                self.in_pipeline = true;
                return self.hold(held, Ready::Silent);
            }
        };
        if self.fails_unless_ended(statement.plan()) {
            self.fail_in_failed();
            return Taken::Discard;
        }
        if let Err(report) = self.is_read_otherwise(&statement) {
            self.fail_pipeline(&report);
            return Taken::Discard;
        }
        if statement
            .plan()
            .is_some_and(|plan| self.is_better_known(plan))
        {
            return self.look_for_additions();
        }
        let out_of_reach = statement
            .plan()
            .and_then(|plan| self.is_out_of_reach(&plan.kind, statement.text()));
        if let Some(report) = out_of_reach {
            self.fail_pipeline(&report);
            return Taken::Discard;
        }
        if let Err(held) = self.keep_readings(&statement) {
            self.in_pipeline = true;
            return self.hold(held, Ready::Silent);
        }
        let (statement, executed) = match self.by_servers_name(&statement) {
            Some((derived, executed)) => (derived, Some(executed)),
            None => (self.by_initial_value(statement), None),
        };
        if self.has_to_clear(statement.leaves()) {
            return self.wait_for_answers();
        }
        let in_steps = portal::in_steps(&statement) || self.configures_joined(&statement);
        if statement.numbers.is_some() || in_steps {
            self.parse_is_sent(false);
        }
        self.note_bound(&statement.prepared);
        let sharded = self.environment.is_sharded();
        if sharded && !whole {
            self.fail_pipeline(&too_long(header.body));
            return Taken::Discard;
        }
        if statement.numbers.is_some() && !whole {
            self.fail_pipeline(&too_long(header.body));
            return Taken::Discard;
        }
        let rest = match self.numbered_rest(&statement, &body[bind.rest_at..]) {
            Ok(rest) => rest,
            Err(report) => {
                self.fail_pipeline(&report);
                return Taken::Discard;
            }
        };
        if statement
            .plan()
            .is_some_and(|plan| number::alone(plan).is_some())
        {
            return self.bind_alone(bind.portal, &statement, &rest);
        }
        let values = if sharded {
            match f::bind_values(&rest) {
                Some(values) => values,
                None => {
                    self.fail_pipeline(&Report::error(
                        SqlState::new("08P01"),
                        "invalid message format",
                    ));
                    return Taken::Discard;
                }
            }
        } else {
            SmallVec::new()
        };
        let params: Vec<Param<'_>> = values
            .iter()
            .enumerate()
            .map(|(i, value)| statement.param(i, value))
            .collect();
        if params.iter().any(|param| self.is_foreign(param)) {
            self.fail_pipeline(&other_encoding());
            return Taken::Discard;
        }
        if in_steps && let Some(taken) = self.bind_in_steps(bind.portal, &statement, &params, &rest)
        {
            return taken;
        }
        // What a pipeline sets has to hold on every shard that comes after it, and only if the whole succeeds.
        let sets = sharded && statement.plan().is_some_and(own_plans::sets);
        if sets && !self.fails_in_pipeline() && self.begin_for_pipeline() {
            return Taken::Wait;
        }
        let given = statement.plan().map(|plan| noted::given(plan, &rest));
        let (home, given) = match (self.home(&statement, &params), given.transpose()) {
            (Ok(home), Ok(given)) => (home, given.flatten()),
            (Err(report), _) | (_, Err(report)) => {
                self.fail_pipeline(&report);
                return Taken::Discard;
            }
        };
        let Some(routed) = home else {
            if let Some(report) = self.is_miscounted(&statement, &rest) {
                self.fail_pipeline(&report);
                return Taken::Discard;
            }
            self.in_pipeline = true;
            self.parse_is_sent(false);
            self.keep_portal(bind.portal, &statement, None);
            self.owe(Step::Own(Own::Empty(b'2')));
            return Taken::Discard;
        };
        if self.fails_in_pipeline() {
            return Taken::Discard;
        }
        if self.barrier(&routed) || self.begin_in_pipeline(&routed) || !self.ensure(&routed) {
            return Taken::Wait;
        }
        self.wrote(&routed);
        if let Some(plan) = statement.plan() {
            self.runs_a_portal(plan);
            if route::begins(plan) {
                self.clear_sequences_ahead();
            }
        }
        self.touch();
        if let Some(plan) = statement.plan() {
            self.begins = route::begins(plan) || self.begins && !own_plans::ends(plan);
        }
        let noted = statement
            .plan()
            .is_some_and(|plan| match own_plans::decides(plan) {
                true => self.sets || !bind.portal.is_empty(),
                false => own_plans::sets_or_decides(plan),
            });
        let leaves = match sharded {
            true => routed.leaves,
            false => statement.leaves(),
        };
        if sharded || noted {
            let several = sharded && is_on_several(&routed);
            self.keep_portal(bind.portal, &statement, Some(routed));
            if let Some((_, portal)) = self.portals.last_mut() {
                portal.given = given;
            }
            if several && let Some((_, portal)) = self.portals.last_mut() {
                portal.parts = Steps::of(&rest).map(Rc::new);
            }
        } else if !self.portals.is_empty() {
            self.portals.retain(|(name, _)| **name != *bind.portal);
        }
        for i in 0..self.group.len() {
            self.leave(self.group[i], leaves);
        }
        let group = self.group.clone();
        let statement = match bind.statement.is_empty() {
            true => statement,
            false => self.read_today(statement),
        };
        let mut as_is = !sharded && bind.statement.is_empty();
        let mut parsed = true;
        for &slot in &group {
            if let Some(executed) = &executed {
                self.send_prepared(slot, executed);
            }
            if bind.statement.is_empty() {
                let known = self.send_unnamed(slot, &statement.prepared);
                as_is &= known;
                parsed &= !known;
            } else {
                parsed &= self.send_prepared(slot, &statement);
            }
        }
        self.parse_is_sent(parsed);
        let numbered = statement.numbers.is_some();
        if bind.statement.is_empty() {
            self.steps.push_back(Step::Bind(None));
            if numbered {
                self.send_bind(bind.portal, &[], &rest);
                return Taken::Discard;
            }
            return Taken::Forward;
        }
        self.steps
            .push_back(Step::Bind(Some(Rc::clone(&statement))));
        debug_assert!(!as_is);
        let name = statement.prepared.name();
        if numbered {
            self.send_bind(bind.portal, &name, &rest);
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

    pub(super) fn keep_portal(
        &mut self,
        name: &[u8],
        statement: &Rc<ClientStatement>,
        home: Option<Routed>,
    ) {
        self.portals.retain(|(known, _)| **known != *name);
        let portal = Portal {
            statement: Rc::clone(statement),
            home,
            steps: None,
            given: None,
            parts: None,
            number: self.transaction.next_portal(),
            spool: Rc::default(),
        };
        self.portals.push((name.into(), portal));
    }

    /// Keeps a portal whose statement is carried out in steps.
    pub(super) fn keep_steps(
        &mut self,
        name: &[u8],
        statement: &Rc<ClientStatement>,
        steps: Steps,
    ) {
        self.keep_portal(name, statement, None);
        if let Some((_, portal)) = self.portals.last_mut() {
            portal.steps = Some(Rc::new(steps));
        }
    }

    /// Portals of the session's own that were made behind a savepoint end with what was done there.
    pub(super) fn drop_portals_since(&mut self, number: u64) {
        self.portals
            .retain(|(_, portal)| portal.steps.is_none() || portal.number < number);
    }

    pub(super) fn portal(&self, name: &[u8]) -> Option<Portal> {
        self.portals
            .iter()
            .find(|(known, _)| **known == *name)
            .map(|(_, portal)| portal.clone())
    }

    /// The only shard that has a portal of this name.
    pub(super) fn portal_shard(&self, name: &str) -> Option<ShardId> {
        let routed = self.portal(name.as_bytes())?.home?;
        match &routed.shards {
            route::Shards::These(shards) if shards.len() == 1 => shards.first().copied(),
            _ => None,
        }
    }

    /// Whether a portal of this name is the session's own, or on several shards.
    pub(super) fn is_spread_portal(&self, name: &str) -> bool {
        self.portal(name.as_bytes()).is_some() && self.portal_shard(name).is_none()
    }

    pub(super) fn no_portal(&mut self, name: &[u8]) -> Taken {
        self.fail_pipeline(&Report::error(
            SqlState::new("34000"),
            format!(
                "portal \"{}\" does not exist",
                String::from_utf8_lossy(name)
            ),
        ));
        Taken::Discard
    }

    pub(super) fn describe(&mut self, named: &f::Named<'_>) -> Taken {
        if named.portal {
            let portal = self.portal(named.name);
            if let Some(Portal {
                statement,
                steps: Some(steps),
                ..
            }) = &portal
            {
                return self.describe_portal_in_steps(statement, steps);
            }
            if let Some(Portal {
                statement,
                home: None,
                ..
            }) = &portal
            {
                let bytes = self.describe_own(statement);
                self.owe(Step::Own(Own::Bytes(bytes)));
                return Taken::Discard;
            }
            return self.at_portal(named.name, portal, Step::DescribePortal);
        }
        if self.is_unsettled(named.name, true) {
            return self.wait_for_answers();
        }
        let Some(statement) = self.statement(named.name) else {
            if let Some(taken) = self.on_server(named.name, Step::DescribeStatement(None)) {
                return taken;
            }
            return self.no_statement(named.name);
        };
        if let Err(held) = self.keep_readings(&statement) {
            self.in_pipeline = true;
            return self.hold(held, Ready::Silent);
        }
        let (statement, executed) = match self.by_servers_name(&statement) {
            Some((derived, executed)) => (derived, Some(executed)),
            None => (statement, None),
        };
        let own = statement
            .plan()
            .is_some_and(|plan| own_plans::own_route(plan) || self.carries_out(plan));
        if own || statement.numbers.is_some() || portal::in_steps(&statement) {
            self.parse_is_sent(false);
        }
        if let Some(numbers) = statement.numbers {
            return self.describe_numbered(&statement, numbers);
        }
        if self.environment.is_sharded() && portal::in_steps(&statement) {
            return self.describe_in_steps(&statement);
        }
        if own {
            self.in_pipeline = true;
            let mut bytes = vec![b't', 0, 0, 0, 6, 0, 0];
            bytes.extend(self.describe_own(&statement));
            self.owe(Step::Own(Own::Bytes(bytes)));
            return Taken::Discard;
        }
        if self.fails_in_pipeline() {
            return Taken::Discard;
        }
        let mut routed = Routed::unread();
        routed.leaves = 0;
        if self.environment.is_sharded() {
            routed.shards = match statement.plan().map(|plan| &plan.known_by) {
                Some(KnownBy::One(shard)) => route::Shards::These(SmallVec::from_elem(*shard, 1)),
                _ => route::Shards::Any,
            };
            routed.writes = false;
        }
        routed.role = statement.plan().map_or(super::Role::Primary, route::role);
        if let Some(plan) = statement.plan()
            && !matches!(&plan.route, Route::Session(session)
                if matches!(**session, SessionStatement::Declare { .. }))
        {
            routed = self.find_cursor(plan, routed);
        }
        if self.transaction.is_failed() {
            self.fail_in_failed();
            return Taken::Discard;
        }
        if self.barrier(&routed) || !self.ensure(&routed) {
            return Taken::Wait;
        }
        self.touch();
        let slot = self.group[0];
        let statement = match named.name.is_empty() {
            true => statement,
            false => self.read_today(statement),
        };
        if let Some(executed) = &executed {
            self.send_prepared(slot, executed);
        }
        if named.name.is_empty() {
            let known = self.send_unnamed(slot, &statement.prepared);
            self.parse_is_sent(!known);
            self.steps.push_back(Step::DescribeStatement(None));
            return Taken::Forward;
        }
        let sent = self.send_prepared(slot, &statement);
        self.parse_is_sent(sent);
        self.steps
            .push_back(Step::DescribeStatement(Some(Rc::clone(&statement))));
        self.links[slot]
            .out
            .frame(f::DESCRIBE, &[b"S", &statement.prepared.name(), &[0]]);
        Taken::Discard
    }

    pub(super) fn describe_own(&self, statement: &ClientStatement) -> Vec<u8> {
        match statement.plan() {
            Some(plan) => own_plans::describe(plan),
            None => vec![b'n', 0, 0, 0, 4],
        }
    }

    pub(super) fn close(&mut self, named: &f::Named<'_>) -> Taken {
        if named.portal {
            let portal = self.portal(named.name);
            let known = portal.is_some();
            if known {
                self.portals.retain(|(name, _)| **name != *named.name);
            }
            let on_server = match &portal {
                Some(portal) => portal.home.is_some(),
                // A failed transaction takes its cursors along.
                None if self.cursor_home(named.name).is_some() => !self.transaction.is_failed(),
                None => !self.environment.is_sharded() && !self.links.is_empty(),
            };
            if on_server {
                return self.at_portal(named.name, portal, Step::Close);
            }
        } else if named.name.is_empty() {
            self.remember(Undone::Unnamed(self.unnamed.clone()));
            self.unnamed = None;
            self.unnamed_unread = false;
        } else if let Some(old) = self.statements.remove(named.name) {
            self.remember(Undone::Statement(named.name.into(), Some(old)));
        } else if let Some(taken) = self.on_server(named.name, Step::Close) {
            return taken;
        }
        self.in_pipeline = true;
        self.owe(Step::Own(Own::Empty(b'3')));
        Taken::Discard
    }

    pub(super) fn execute(&mut self, execute: &f::Execute<'_>) -> Taken {
        let portal = self.portal(execute.portal);
        if let Some(Portal {
            statement,
            steps: Some(steps),
            spool,
            ..
        }) = &portal
        {
            return self.execute_in_steps(statement, steps, spool, execute.max_rows);
        }
        if let Some(Portal {
            statement,
            home,
            parts,
            spool,
            ..
        }) = &portal
        {
            if home.is_none() {
                return self.execute_own(statement);
            }
            if let Some(parts) = parts
                && (execute.max_rows > 0 || spool.borrow().is_some())
            {
                if let Err(held) = self.described(statement) {
                    return self.hold(held, Ready::Silent);
                }
                return self.execute_in_steps(statement, parts, spool, execute.max_rows);
            }
        }
        let mut note = portal
            .as_ref()
            .and_then(|portal| portal.statement.plan())
            .map_or(Note(None), |plan| self.note(plan));
        if let Some(given) = portal.as_ref().and_then(|portal| portal.given.clone()) {
            note = Note(Some(Box::new(Noted::Configured(given))));
        }
        let tag = portal.as_ref().and_then(|portal| portal.statement.tag);
        let awaited = (self.clears_statements, self.resets);
        self.awaits_outcome_of(&note);
        let taken = self.at_portal(execute.portal, portal, Step::Execute(note));
        if taken != Taken::Forward {
            (self.clears_statements, self.resets) = awaited;
        } else if let Some(tag) = tag {
            self.note_tag(tag);
        }
        taken
    }

    /// A message about a portal goes where the portal is.
    pub(super) fn at_portal(&mut self, name: &[u8], portal: Option<Portal>, step: Step) -> Taken {
        if self.environment.is_sharded() {
            let declared = portal.is_none();
            let home = match portal {
                Some(portal) => portal.home,
                None => self.cursor_home(name),
            };
            let Some(routed) = home else {
                return self.no_portal(name);
            };
            if declared && self.transaction.is_failed() {
                self.fail_in_failed();
                return Taken::Discard;
            }
            if self.barrier(&routed) || !self.ensure(&routed) {
                return Taken::Wait;
            }
        } else {
            if self.fails_in_pipeline() {
                return Taken::Discard;
            }
            let mut routed = Routed::unread();
            routed.leaves = 0;
            if !self.ensure(&routed) {
                return Taken::Wait;
            }
        }
        self.touch();
        self.steps.push_back(step);
        Taken::Forward
    }

    pub(super) fn execute_own(&mut self, statement: &Rc<ClientStatement>) -> Taken {
        if !self.steps.is_empty() {
            // Whether it is reached at all depends on what goes before.
            self.flush_group();
            return Taken::Wait;
        }
        self.in_pipeline = true;
        let Some((_, planned)) = &statement.planned else {
            self.owe(Step::Own(Own::Bytes(vec![b'I', 0, 0, 0, 4])));
            return Taken::Discard;
        };
        let text = planned.span.of(statement.text());
        self.local(&planned.plan, text, Ready::Silent)
            .unwrap_or(Taken::Discard)
    }
}
