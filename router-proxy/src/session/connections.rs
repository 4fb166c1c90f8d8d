//! Which connections the session wants, takes, keeps and gives back.

use std::rc::Rc;
use std::sync::Arc;

use router_core::id::ShardId;

use super::Session;
use super::link::{Link, Role};
use super::operation::Running;
use super::route::{self, Environment, Routed, Shards};
use super::straight::Road;
use crate::catalog::Defining;
use crate::server::state::ServerState;
use crate::wire::encode::Report;
use router_core::plan::Standby;

/// A connection that the session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Where to put it.
    pub slot: usize,
    /// Of which shard.
    pub shard: ShardId,
    /// Of which servers.
    pub role: Role,
}

/// What becomes of a connection that the session gives up.
#[derive(Debug)]
pub struct Released {
    /// Where it was; later slots move down by one.
    pub slot: usize,
    /// What is known about it.
    pub server: Box<ServerState>,
    /// It may be used again at once; otherwise it is cleaned or closed.
    pub clean: bool,
    /// Something may have been committed there.
    pub wrote: bool,
}

impl Session {
    /// Other settings are in force. Only between transactions, without connections; whether it could be done.
    pub fn handle_environment(&mut self, environment: Rc<Environment>) -> bool {
        let free = self.links.is_empty() && self.is_idle();
        if free {
            self.leave_straight_road();
            let moved = self.environment.topology.epoch != environment.topology.epoch;
            self.environment = environment;
            if moved {
                self.portals.clear();
                self.plan_again();
            }
        }
        free
    }

    /// A connection that the session waits for.
    pub fn poll_want(&self) -> Option<Want> {
        self.wants().next()
    }

    /// All connections that the session waits for.
    pub fn wants(&self) -> impl Iterator<Item = Want> + '_ {
        self.links
            .iter()
            .enumerate()
            .filter(|(_, link)| link.server.is_none())
            .map(|(slot, link)| Want {
                slot,
                shard: link.shard,
                role: link.role,
            })
    }

    /// The connection that the session waits for in a slot.
    pub fn want(&self, slot: usize) -> Option<Want> {
        let link = self.links.get(slot)?;
        link.server.is_none().then_some(Want {
            slot,
            shard: link.shard,
            role: link.role,
        })
    }

    /// Whether it waits for any.
    #[inline]
    pub fn wants_any(&self) -> bool {
        self.links.iter().any(|link| link.server.is_none())
    }

    /// Whether something may have been committed over a connection that it has.
    pub fn has_written(&self) -> bool {
        self.links.iter().any(|link| link.wrote)
    }

    /// Whether a slot has its connection.
    pub fn has_server(&self, slot: usize) -> bool {
        self.links[slot].server.is_some()
    }

    /// Whether a connection is still being prepared for what the client has asked: a cancel request would hit that instead.
    pub fn is_preparing(&self) -> bool {
        self.links.iter().any(|link| link.prelude > 0)
    }

    /// The connections held, for cancel requests: those that work on something.
    pub fn working(&self) -> impl Iterator<Item = (usize, &ServerState)> {
        self.links.iter().enumerate().filter_map(|(slot, link)| {
            let serves = |running: &Running| running.works_on(slot);
            let busy = !self.steps.is_empty() && self.group.contains(&slot)
                || self.operation.as_deref().is_some_and(serves);
            link.server.as_deref().filter(|_| busy).map(|s| (slot, s))
        })
    }

    /// Wants a connection for the client alone before it has asked for anything; its slot.
    pub fn want_home(&mut self) -> usize {
        self.leave_straight_road();
        self.add_link(ShardId(0), Role::Primary)
    }

    /// A connection that was waited for.
    pub fn handle_acquired(&mut self, slot: usize, server: Box<ServerState>) {
        self.links[slot].server = Some(server);
        self.prepare_link(slot);
    }

    /// A connection that was waited for cannot be had.
    pub fn handle_not_acquired(&mut self, slot: usize, report: &Report) {
        self.leave_straight_road();
        self.remove_link(slot);
        // The others that were waited for with it are of no use now.
        while let Some(want) = self.poll_want() {
            self.remove_link(want.slot);
        }
        self.waiting = None;
        if self.goes_on.take().is_some() {
            self.transaction.lose();
        }
        self.refusal = Some(Box::new(report.clone()));
    }

    /// Puts settings and transaction in place on a link that has nothing under way.
    pub(super) fn prepare_link(&mut self, slot: usize) {
        let link = &self.links[slot];
        let Some(server) = link.server.as_ref() else {
            return;
        };
        if server.status == b'I'
            && link.prelude == 0
            && (!self.settings_on_server || self.begins_anew)
            && !Arc::ptr_eq(&server.settings, &self.wanted)
            && self.may_ask(slot)
        {
            self.put_settings(slot);
        }
        self.act(slot);
        if self.transaction.is_open() && !self.links[slot].joined && !self.links[slot].apart {
            let link = &mut self.links[slot];
            link.joined = true;
            if !link.touched {
                link.traces = Default::default();
            }
            let fills = self.transaction.fills == Some(link.shard);
            let fills = fills.then(|| self.transaction.opening_to_fill()).flatten();
            link.fills = fills.is_some();
            let opening = fills.unwrap_or_else(|| self.transaction.opening());
            self.ask(slot, &opening);
        }
        if self.goes_on.is_some() && self.links[slot].role == Role::Primary && self.may_ask(slot) {
            let opening = self.goes_on.take().unwrap_or_default();
            self.ask(slot, &opening);
        }
    }

    /// Puts the session's settings in place on a link, if its server has others.
    fn put_settings(&mut self, slot: usize) {
        let Some(server) = self.links[slot].server.as_mut() else {
            return;
        };
        self.begins_anew = false;
        server.dirty |= self.wanted.ends_idle_connections();
        if *server.settings == *self.wanted {
            // That they are equal need not be found out again and again: of the two the one that lies lower is kept for both,
            // so that in the end sessions and servers with equal settings share one.
            match Arc::as_ptr(&server.settings) < Arc::as_ptr(&self.wanted) {
                true => self.wanted = Arc::clone(&server.settings),
                false => server.settings = Arc::clone(&self.wanted),
            }
            return;
        }
        let messages = server.settings.messages(&self.wanted);
        server.settings = Arc::clone(&self.wanted);
        for message in &messages {
            self.ask(slot, message);
        }
    }

    /// Points the session at the links that `routed` needs; `false` when some are still waited for.
    pub(super) fn ensure(&mut self, routed: &Routed) -> bool {
        if self.resets && !self.in_pipeline && !self.steps.is_empty() {
            return false;
        }
        if !self.environment.is_sharded() {
            if self.schema_changed && self.defining.is_none() {
                self.defining = Some(Defining::begin(&self.environment.catalog));
            }
            if self.links.is_empty() {
                self.add_only_link(routed);
            } else if !self.keeps_replica(routed) {
                return false;
            }
            self.links[0].wrote |= matches!(routed.standby, Standby::Primary | Standby::Fails);
            self.group.clear();
            self.group.push(0);
        } else {
            let any;
            let shards = match &routed.shards {
                Shards::These(shards) => &shards[..],
                Shards::Any => {
                    any = [self.shard_for_any()];
                    &any
                }
            };
            let role = self.role_of(routed);
            self.group.clear();
            for &shard in shards {
                let role = self.role_at(shard, role);
                let slot = match self.held(shard, role, routed.standby, &[]) {
                    Some(slot) => slot,
                    None if role == Role::Primary && !self.may_join_primary(shard) => return false,
                    None => self.add_link(shard, role),
                };
                self.group.push(slot);
            }
        }
        self.turn = 0;
        if self
            .group
            .iter()
            .any(|&slot| self.links[slot].server.is_none())
        {
            return false;
        }
        for i in 0..self.group.len() {
            self.prepare_link(self.group[i]);
            self.leave(self.group[i], routed.leaves);
        }
        true
    }

    /// The first link of a session at an unsharded database.
    fn add_only_link(&mut self, routed: &Routed) {
        let shard = match &routed.shards {
            Shards::These(shards) => shards[0],
            Shards::Any => ShardId(0),
        };
        let begins = routed.begins_read_only.as_ref();
        let begins = begins.filter(|_| self.begins_on_replicas());
        let role = match begins.is_some() || self.reads_on_replica(routed) {
            true => self.role_at(shard, Role::Replica),
            false => Role::Primary,
        };
        // The transaction that was on a replica is one of the primary's from now on.
        let role = match self.goes_on {
            Some(_) => Role::Primary,
            None => role,
        };
        let slot = self.add_link(shard, role);
        if role == Role::Primary {
            return;
        }
        if let Some(modes) = begins {
            self.begins_on_replica(slot, modes);
        }
        self.keeps_replica(routed);
    }

    /// Whether a transaction that reads only begins on a replica.
    pub(super) fn begins_on_replicas(&self) -> bool {
        !self.directives.primary && self.level_is_on_replicas()
    }

    /// Which servers of their shards a statement goes to (sharded databases).
    pub(super) fn role_of(&self, routed: &Routed) -> Role {
        match self.reads_on_replica(routed) {
            true => Role::Replica,
            false => Role::Primary,
        }
    }

    fn reads_on_replica(&self, routed: &Routed) -> bool {
        let asks =
            routed.asks_replica && !self.transaction.is_open() && self.level_is_on_replicas();
        routed.role == Role::Replica && (asks || self.reads_replicas())
    }

    /// Which server of a shard that is: a shard without replicas has but one, which a session must not wait for while it
    /// has it.
    pub(super) fn role_at(&self, shard: ShardId, role: Role) -> Role {
        match self.has_replicas(shard) {
            true => role,
            false => Role::Primary,
        }
    }

    pub(super) fn has_replicas(&self, shard: ShardId) -> bool {
        let shard = self.environment.topology.shards.get(shard.index());
        shard.is_some_and(|shard| shard.has_replicas)
    }

    pub(super) fn shard_for_any(&self) -> ShardId {
        if let ([slot], false) = (&self.group[..], self.steps.is_empty()) {
            return self.links[*slot].shard;
        }
        let joined = self.links.iter().find(|link| link.joined);
        joined
            .or_else(|| self.links.iter().find(|link| !link.apart))
            .map_or_else(|| self.environment.any_shard(), |link| link.shard)
    }

    pub(super) fn reads_replicas(&self) -> bool {
        let reads = match self.transaction.is_open() {
            true => self.transaction.is_read_only() && !self.directives.primary,
            false => self.directives.replica,
        };
        reads && self.level_is_on_replicas()
    }

    /// Whether a replica has the isolation level at hand, as far as the session has a say in it.
    pub(super) fn level_is_on_replicas(&self) -> bool {
        self.level().is_none_or(route::is_on_replicas)
    }

    pub(super) fn add_link(&mut self, shard: ShardId, role: Role) -> usize {
        let mut link = match self.spare.take() {
            Some(mut spare) => {
                (spare.shard, spare.role) = (shard, role);
                spare
            }
            None => Box::new(Link::new(shard, role, &self.environment.stock)),
        };
        if matches!(self.road, Road::Ordinary) {
            link.numbers = self.environment.catalog.numbers(shard);
        }
        self.links.reserve_exact(1);
        self.links.push(link);
        self.links.len() - 1
    }

    fn remove_link(&mut self, slot: usize) {
        // Most often there is one.
        let link = match slot + 1 == self.links.len() {
            true => self.links.pop(),
            false => Some(self.links.remove(slot)),
        };
        if let Some(mut link) = link {
            link.reset();
            self.spare = Some(link);
        }
        self.group.clear();
        self.turn = 0;
    }

    /// A connection that the session no longer needs, if there is one.
    pub fn poll_release(&mut self) -> Option<Released> {
        if !matches!(self.road, Road::Ordinary) {
            return self.release_straight();
        }
        if self.steps.is_empty() {
            self.come_to_rest();
        }
        if self.links.is_empty() {
            return None;
        }
        let abandoned = self.links.iter().position(|link| link.abandoned);
        if let Some(slot) = abandoned.or_else(|| self.idle_apart()) {
            return self.release(slot);
        }
        if self.environment.is_transparent() || self.settings_on_server {
            return None;
        }
        let slot = match self.is_idle() {
            true => self.links.iter().position(|link| link.is_free())?,
            false => self.free_while_waiting()?,
        };
        self.release(slot)
    }

    /// A connection that is in no transaction and that the statement which waits for another has no use for, or that comes
    /// behind what it waits for in the order in which all clients take connections. Whoever kept it might wait for somebody
    /// who keeps what he waits for.
    pub(super) fn free_while_waiting(&self) -> Option<usize> {
        let waits = self.waits
            && self.wants_any()
            && self.steps.is_empty()
            && self.script.is_none()
            && self.operation.is_none();
        if !waits {
            return None;
        }
        let place = |link: &Link| (link.apart, link.shard);
        let first = self.links.iter().filter(|link| link.server.is_none());
        let first = first.map(|link| place(link)).min();
        self.links.iter().enumerate().position(|(slot, link)| {
            let ahead = first.is_some_and(|first| first < place(link));
            (ahead || !self.group.contains(&slot))
                && link.is_free()
                && !link.touched
                && !link.joined
                && link.prelude == 0
                && link.parsing.is_empty()
                && !link.input.is_inside()
        })
    }

    pub(super) fn release(&mut self, slot: usize) -> Option<Released> {
        let link = &mut self.links[slot];
        let server = link.server.take();
        let (drew, doubtful, inside) = (link.drew, link.outlasting, link.input.is_inside());
        let wrote = link.wrote;
        let dirty = link.acting.is_some() || self.environment.catalog.is_unsettled();
        self.drew_elsewhere |= drew && !link.apart;
        self.remove_link(slot);
        let mut server = server?;
        server.sequences |= drew;
        server.dirty |= dirty;
        server.doubtful |= doubtful;
        Some(Released {
            slot,
            clean: !server.dirty && !server.doubtful && !inside,
            wrote,
            server,
        })
    }

    /// The client is gone: every connection is given up, in whatever state it is.
    pub fn give_up(&mut self) -> Option<Released> {
        self.leave_straight_road();
        let link = self.links.pop()?;
        let slot = self.links.len();
        let Some(mut server) = link.server else {
            return self.give_up();
        };
        // A server that has got half a message takes whatever comes next for the other half.
        let settled = link.prelude == 0
            && !self.input.is_forwarding()
            && link.out.is_empty()
            && !link.input.is_inside()
            && !link.touched
            && (self.steps.is_empty() || !self.group.contains(&slot))
            && self.part_of(slot).is_none();
        // Nobody knows what a session did that nobody read; much of it DISCARD ALL leaves behind:
        // loaded libraries, an empty temporary schema, statistics.
        if !settled || link.outlasting || self.environment.is_transparent() {
            server.doubtful = true;
        }
        let keeps = link.pinned != 0
            || link.acting.is_some()
            || self.settings_on_server
            || self.environment.catalog.is_unsettled();
        server.dirty |= keeps || server.status != b'I';
        Some(Released {
            slot,
            clean: !server.dirty && !server.doubtful,
            wrote: link.wrote,
            server,
        })
    }

    /// Whether the client's bytes that are left end with its goodbye.
    pub fn says_goodbye(&self, input: &[u8]) -> bool {
        self.input
            .ends_with(crate::wire::frontend::TERMINATE, input)
    }
}
