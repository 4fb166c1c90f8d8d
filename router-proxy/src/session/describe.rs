//! `Describe`.

use std::rc::Rc;

use router_core::plan::{KnownBy, Route, SessionStatement};
use smallvec::SmallVec;

use super::client::Taken;
use super::in_steps;
use super::portals::Portal;
use super::route::{self, Routed};
use super::statement::ClientStatement;
use super::step::{Own, Ready, Step};
use super::{Session, own_plans};
use crate::wire::frontend as f;

impl Session {
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
            // Of a named one: an unnamed one is gone before anything is defined.
            let statement = portal.as_ref().map(|portal| &portal.statement);
            let untold = statement.filter(|it| !it.name.is_empty() && it.told().is_none());
            let step = Step::DescribePortal(untold.cloned());
            return self.at_portal(named.name, portal, step);
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
        if own || statement.numbers.is_some() || in_steps::is_in_steps(&statement) {
            self.parse_is_sent(false);
        }
        if let Some(numbers) = statement.numbers {
            return self.describe_numbered(&statement, numbers);
        }
        if self.environment.is_sharded() && in_steps::is_in_steps(&statement) {
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
        let mut routed = Routed::prepares(statement.plan());
        if self.environment.is_sharded() {
            routed.shards = match statement.plan().map(|plan| &plan.known_by) {
                Some(KnownBy::One(shard)) => route::Shards::These(SmallVec::from_elem(*shard, 1)),
                _ => route::Shards::Any,
            };
            routed.writes = false;
        }
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
}
