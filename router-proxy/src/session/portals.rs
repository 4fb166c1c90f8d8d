//! The portals that a client has.

use std::cell::RefCell;
use std::rc::Rc;

use router_core::id::ShardId;
use router_core::plan::set_config::Configured;
use router_core::sqlstate::SqlState;

use super::Session;
use super::client::Taken;
use super::in_steps::{Spool, Steps};
use super::link::UnnamedPortal;
use super::route::{self, Routed};
use super::statement::ClientStatement;
use super::step::Step;
use crate::wire::encode::Report;

/// A portal of a client, as far as the session must know it.
#[derive(Clone, Debug)]
pub(super) struct Portal {
    pub(super) statement: Rc<ClientStatement>,
    /// Where it lives; `None`: with the session itself.
    pub(super) home: Option<Routed>,
    /// What it is bound to, when it is carried out in steps.
    pub(super) steps: Option<Rc<Steps>>,
    /// What it sets, where that is said by its parameters.
    pub(super) given: Option<Vec<Configured>>,
    /// What it is bound to on several servers: it is carried out in steps after all when it is read in parts.
    pub(super) parts: Option<Rc<Steps>>,
    /// Which it is of its transaction's.
    number: u64,
    /// Its rows, when it is read in parts; once it has been carried out.
    pub(super) spool: Rc<RefCell<Option<Spool>>>,
}

impl Session {
    pub(super) fn keep_portal(
        &mut self,
        name: &[u8],
        statement: &Rc<ClientStatement>,
        home: Option<Routed>,
    ) {
        self.portals.retain(|(known, _)| **known != *name);
        if name.is_empty() {
            self.leave_unnamed_portals();
        }
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

    /// The client has no unnamed portal any more, or another one.
    pub(super) fn leave_unnamed_portals(&mut self) {
        for link in &mut self.links {
            link.leave_unnamed_portal();
        }
    }

    /// No server has an unnamed portal behind what it was sent: its transaction has ended.
    pub(super) fn end_unnamed_portals(&mut self) {
        for link in &mut self.links {
            link.unnamed_portal = UnnamedPortal::None;
        }
    }

    /// The client's unnamed portal is on the group.
    pub(super) fn opens_unnamed_portal(&mut self) {
        for &slot in &self.group {
            self.links[slot].unnamed_portal = UnnamedPortal::Open;
        }
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
            if !self.ensure(&Routed::follows()) {
                return Taken::Wait;
            }
        }
        self.touch();
        self.steps.push_back(step);
        Taken::Forward
    }
}
