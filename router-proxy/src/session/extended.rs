//! Messages of the client: the extended protocol.
//!
//! On a sharded database nothing is sent before `Bind` (or `Describe`) says where
//! to; and where two messages of one pipeline go to different shards, the second
//! waits until the first has been answered, so that replies and errors keep their order.

use router_core::sqlstate::SqlState;

use super::client::Taken;
use super::route::{self, Routed};
use super::step::{Note, Noted, Own, Step};
use super::{Fatal, Session, own_plans, violation};
use crate::wire::encode::Report;
use crate::wire::frame::Header;
use crate::wire::frontend as f;

impl Session {
    pub(super) fn extended(&mut self, header: Header, body: &[u8]) -> Result<Taken, Fatal> {
        let taken = self.extended_message(header, body)?;
        let counts = &self.environment.stats.database.counts;
        match header.tag {
            f::PARSE if taken != Taken::Wait => counts.client_parses.add(1),
            f::BIND if taken != Taken::Wait => counts.binds.add(1),
            _ => {}
        }
        Ok(taken)
    }

    pub(super) fn extended_message(&mut self, header: Header, body: &[u8]) -> Result<Taken, Fatal> {
        if self.environment.is_transparent() {
            return Ok(self.extended_as_is(header.tag));
        }
        // Whether the transaction has failed decides about the message, and no error of a simple query takes it back.
        if self.environment.is_sharded() && matches!(self.steps.front(), Some(Step::Query(..))) {
            return Ok(Taken::Wait);
        }
        if matches!(header.tag, f::PARSE | f::BIND) && self.awaits_settings() {
            return Ok(self.wait_for_answers());
        }
        let whole = body.len() == header.body;
        let readable = whole && header.body <= self.most_read(header.tag);
        match header.tag {
            f::FLUSH => return Ok(self.flush()),
            f::PARSE if !readable => return Ok(self.parse_unread(header, body)),
            f::DESCRIBE | f::CLOSE | f::EXECUTE if !whole => {
                return Err(violation("invalid message length".to_owned()));
            }
            _ => {}
        }
        let taken = match header.tag {
            f::PARSE => f::Parse::read(body).map(|parse| self.parse(&parse)),
            f::BIND => f::Bind::read(body).map(|bind| self.bind(header, &bind, body, whole)),
            f::DESCRIBE => f::Named::read(body).map(|named| self.describe(&named)),
            f::CLOSE => f::Named::read(body).map(|named| self.close(&named)),
            _ => f::Execute::read(body).map(|execute| self.execute(&execute)),
        };
        Ok(taken.unwrap_or_else(|| {
            let complaint = f::complaint(header.tag, body);
            self.fail_pipeline(&Report::error(SqlState::new("08P01"), complaint));
            Taken::Discard
        }))
    }

    /// Whether a setting that decides how statements are planned is on its way to the servers of a sharded database.
    fn awaits_settings(&self) -> bool {
        let sets = |step: &Step| {
            matches!(step, Step::Execute(note) | Step::Query(_, note) if matches!(
                note.0.as_deref(),
                Some(Noted::Settings(_) | Noted::Local(_) | Noted::Configured(_))
            ))
        };
        self.sets && self.environment.is_sharded() && self.steps.iter().any(sets)
    }

    /// Session mode: what was sent is what the server gets.
    pub(super) fn extended_as_is(&mut self, tag: u8) -> Taken {
        if !self.ensure(&Routed::unread()) {
            return Taken::Wait;
        }
        self.touch();
        match tag {
            f::PARSE => self.steps.push_back(Step::Parse),
            f::BIND => self.steps.push_back(Step::Bind(None)),
            // A statement's description begins with its parameters, a portal's does not: either way it ends alike.
            f::DESCRIBE => self.steps.push_back(Step::DescribeStatement(None)),
            f::EXECUTE => self.steps.push_back(Step::Execute(Note::default())),
            f::CLOSE => self.steps.push_back(Step::Close),
            _ => {}
        }
        Taken::Forward
    }

    /// The group is part of the pipeline.
    pub(super) fn touch(&mut self) {
        self.in_pipeline = true;
        for &slot in &self.group {
            self.links[slot].touched = true;
            self.links[slot].flushed = false;
        }
    }

    /// Whether the message at hand has to wait until what was sent to other shards is answered.
    pub(super) fn barrier(&mut self, routed: &Routed) -> bool {
        if !self.environment.is_sharded() || self.steps.is_empty() {
            return false;
        }
        let role = self.role_of(routed);
        let serves = |&slot: &usize| {
            let shard = self.links[slot].shard;
            let role = self.role_at(shard, role);
            self.held(shard, role, routed.standby, &[]) == Some(slot)
        };
        let same = self.group.iter().all(serves);
        let same = same
            && match &routed.shards {
                route::Shards::Any => self.group.len() == 1,
                route::Shards::These(shards) => {
                    shards.len() == self.group.len()
                        && self
                            .group
                            .iter()
                            .zip(shards)
                            .all(|(&slot, &shard)| self.links[slot].shard == shard)
                }
            };
        if !same {
            self.flush_group();
        }
        !same
    }

    /// Makes the group answer what it has been sent.
    pub(super) fn flush_group(&mut self) {
        for i in 0..self.group.len() {
            let link = &mut self.links[self.group[i]];
            if link.touched && !std::mem::replace(&mut link.flushed, true) {
                link.out.frame(f::FLUSH, &[]);
            }
        }
    }

    pub(super) fn flush(&mut self) -> Taken {
        self.in_pipeline = true;
        if self.group.iter().any(|&slot| self.links[slot].touched) {
            Taken::Forward
        } else {
            Taken::Discard
        }
    }

    pub(super) fn sync(&mut self) -> Taken {
        if self.copying {
            // A server in COPY ignores it, and so it earns no reply.
            return Taken::Forward;
        }
        if let Some(taken) = self.sync_transaction() {
            return taken;
        }
        if !self.environment.is_sharded()
            && self
                .steps
                .iter()
                .any(|step| matches!(step, Step::Query(..)))
            && let Some(link) = self.links.first_mut()
        {
            // If that is a COPY from the client, its server passes over this: it is for the server to answer.
            link.touched = true;
        }
        let touched = self.links.iter().filter(|link| link.touched).count();
        if touched > 1 && !self.steps.is_empty() && !self.skipping {
            self.flush_group();
            return Taken::Wait;
        }
        if self.environment.is_sharded() && self.skipping && !self.steps.is_empty() {
            return Taken::Wait;
        }
        self.in_pipeline = false;
        self.skipping = false;
        if !self.environment.is_sharded() || !self.transaction.is_open() {
            self.transaction.definitions = Default::default();
            self.transaction.times = Default::default();
        }
        if self.environment.is_sharded() {
            if !self.transaction.is_open() {
                self.portals.clear();
                self.end_unnamed_portals();
                self.end_cursors(true);
            }
        } else {
            // In a transaction of the server's own they live on; most need not be known of.
            self.portals.retain(|(_, portal)| {
                portal
                    .statement
                    .plan()
                    .is_some_and(own_plans::sets_or_decides)
            });
        }
        if touched == 0 {
            if self.environment.is_transparent() && !self.links.is_empty() {
                self.group.clear();
                self.group.push(0);
            } else {
                self.owe(Step::Own(Own::Ready));
                return Taken::Discard;
            }
        }
        self.end_touched();
        Taken::Forward
    }

    /// `Sync` goes to all that the pipeline has touched.
    fn end_touched(&mut self) {
        if self.links.iter().any(|link| link.touched) {
            self.group = (0..self.links.len())
                .filter(|&slot| self.links[slot].touched)
                .collect();
            self.turn = 0;
        }
        for link in &mut self.links {
            link.leave_pipeline();
            if !link.joined {
                link.traces = Default::default();
            }
        }
        self.steps.push_back(Step::Sync);
    }

    /// Ends the pipeline on the servers as the client's `Sync` would.
    pub(super) fn sync_touched(&mut self) {
        self.end_touched();
        for &slot in &self.group {
            self.links[slot].out.frame(f::SYNC, &[]);
        }
    }

    /// A message of the simple protocol is at hand. It ends the pipeline before it, if that had no `Sync`: the work of
    /// both is one transaction. `false`: it has to wait until the pipeline is answered.
    pub(super) fn leave_pipeline(&mut self) -> bool {
        if !self.in_pipeline {
            return true;
        }
        if !self.environment.is_sharded() {
            self.in_pipeline = false;
            self.portals.clear();
            return true;
        }
        if !self.steps.is_empty() {
            return false;
        }
        if self.links.iter().any(|link| link.touched) || !self.portals.is_empty() {
            self.begin_for_pipeline();
        }
        self.in_pipeline = false;
        self.links.iter_mut().for_each(|link| link.leave_pipeline());
        true
    }

    /// Whether the message of the simple protocol at hand ends the transaction of a pipeline without a `Sync`.
    pub(super) fn ends_pipeline(&self) -> bool {
        self.transaction.is_open() && self.transaction.implicit && self.script.is_none()
    }

    /// Refuses a message of a pipeline: the error in its place, everything up to `Sync` skipped.
    pub(super) fn fail_pipeline(&mut self, report: &Report) {
        self.fail_pipeline_with(Self::bytes_of(report));
    }

    /// As [`Self::fail_pipeline`], with the message of the error.
    pub(super) fn fail_pipeline_with(&mut self, error: Vec<u8>) {
        self.parse_is_sent(false);
        self.in_pipeline = true;
        self.skipping = true;
        // Not before what stands ahead of it has been answered; nothing that follows up to `Sync` is looked at.
        if !self.steps.iter().any(|step| matches!(step, Step::Sync)) {
            self.transaction.fail();
        }
        let unsharded = !self.environment.is_sharded();
        let busy = !self.steps.is_empty();
        for link in &mut self.links {
            // An open transaction fails like any other, although its server knows nothing of this error;
            // so does one that what is under way may open.
            if unsharded && link.server.is_some() && (busy || link.status() == b'T') {
                link.touched = true;
            }
            if link.touched {
                link.poison();
            }
        }
        self.owe(Step::Own(Own::Failure(error)));
    }

    /// As [`Self::fail_pipeline`], in a failed transaction.
    pub(super) fn fail_in_failed(&mut self) {
        let report = self.aborted();
        self.fail_pipeline(&report);
    }

    /// In a transaction whose server is gone, everything but its end fails. Whether this did.
    pub(super) fn fails_in_pipeline(&mut self) -> bool {
        if self.environment.is_sharded() || !self.transaction.is_failed() {
            return false;
        }
        self.fail_in_failed();
        true
    }
}
