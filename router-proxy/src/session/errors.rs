//! Errors of servers: in the places and words of the client, and what they end.

use router_core::sqlstate::SqlState;

use super::Session;
use super::own_answers::FAILING;
use super::replies::{Tally, Verdict};
use super::rewritten::Positions;
use super::statement::ClientStatement;
use super::step::Step;
use crate::wire::backend as b;
use crate::wire::encode::Report;
use crate::wire::frame::HEADER_LEN;

impl Session {
    /// The statement in the place of a refused one has failed: for the reason that it was made for, or because the
    /// transaction had failed before, which PostgreSQL would have said of the refused one as well.
    pub(super) fn refused(&mut self, slot: usize, body: Option<&[u8]>) -> Verdict {
        let as_meant = body.and_then(|body| b::error_field(body, b'C')) == Some(FAILING.1);
        let verdict = self.error(slot);
        if !as_meant || verdict != Verdict::Forward {
            return verdict;
        }
        if let Some(Step::Refused(error)) = self.steps.front_mut() {
            let error = std::mem::take(error);
            self.count_refusal(&error);
            self.after.extend_from_slice(&error);
            self.speak = true;
        }
        Verdict::Swallow
    }

    /// A statement's rows have another type than when it was prepared on this server: it will be prepared
    /// anew, here and wherever it was prepared before a client parses it again.
    pub(super) fn handle_stale_plan(&mut self, slot: usize) {
        self.environment.catalog.handle_unplanned_change();
        let Some(server) = self.links[slot].server.as_mut() else {
            return;
        };
        if let Some(Step::Bind(Some(statement)) | Step::DescribeStatement(Some(statement))) =
            self.steps.front()
        {
            server.doubtful |= !server.prepared.forget(statement.hash());
        }
    }

    /// An error that names a place in a text, when that is not the client's.
    pub(super) fn in_the_clients_places(&self, body: &[u8]) -> Option<Vec<u8>> {
        let position = b::error_field(body, b'P')?;
        let lost = || Some(b::without_fields(body, b"P"));
        let positions = self.answers_rewritten().map(|one| one.positions);
        match (self.steps.front()?, positions) {
            (Step::Query(..), Some(Positions::Lost)) => lost(),
            (Step::Query(..), Some(Positions::Behind(before))) if before > 0 => {
                let position: usize = std::str::from_utf8(position).ok()?.parse().ok()?;
                Some(b::with_field(body, b'P', &(before + position).to_string()))
            }
            // Its calls of `shunt.next_id()` are parameters.
            (Step::Parse | Step::Bind(_) | Step::DescribeStatement(_), _) if self.numbers => lost(),
            _ => None,
        }
    }

    /// An error about a statement under the name that the client gave it, when it has another here.
    pub(super) fn in_the_clients_words(&self, body: &[u8]) -> Option<Vec<u8>> {
        let about = match self.steps.front() {
            Some(Step::Bind(Some(statement)) | Step::DescribeStatement(Some(statement))) => {
                Some(statement)
            }
            _ => None,
        };
        let of = |statement: &ClientStatement| {
            let (name, ours) = statement.names();
            let at = memchr::memmem::find(body, &ours)?;
            Some([&body[..at], name, &body[at + ours.len()..]].concat())
        };
        about.and_then(|statement| of(statement)).or_else(|| {
            // `EXECUTE` says the name of another statement than the message is about.
            memchr::memmem::find(body, b"\"shunt_")?;
            let mut all = self.executed.iter().chain(self.statements.iter());
            all.find_map(|statement| of(statement))
        })
    }

    /// What is under way is cancelled since it waits for somebody who waits for it.
    pub fn handle_deadlock(&mut self) {
        // A server says what went before together with the error.
        self.gives_way = Some(self.answered() + self.steps.len() as u64);
    }

    /// What the client is told instead of that its statement was cancelled, where that is why.
    pub(super) fn of_deadlock(&self, body: &[u8]) -> Option<Vec<u8>> {
        let cancelled = b::error_field(body, b'C') == Some(b"57014");
        let gives_way = self.gives_way.is_some_and(|last| self.answered() <= last);
        (cancelled && gives_way).then(|| {
            let report = Report::error(SqlState::new("40P01"), "deadlock detected")
                .detail(
                    "It waited on one shard for a transaction that waited for this one on another.",
                )
                .hint("Repeat the transaction.");
            Self::bytes_of(&report).split_off(HEADER_LEN)
        })
    }

    /// An error that leaves the connection open.
    pub(super) fn error(&mut self, slot: usize) -> Verdict {
        if let Some(counts) = self.environment.stats.shard(self.links[slot].shard) {
            counts.errors.add(1);
        }
        self.copying = false;
        match self.steps.front() {
            Some(Step::Query(..) | Step::Function | Step::Refused(_)) => {
                self.transaction.fail();
                if std::mem::replace(&mut self.tally.failed, true) {
                    Verdict::Swallow
                } else {
                    Verdict::Forward
                }
            }
            Some(Step::Sync) => {
                self.transaction.fail();
                if std::mem::replace(&mut self.pipeline_failed, true) {
                    Verdict::Swallow
                } else {
                    Verdict::Forward
                }
            }
            None => Verdict::Swallow,
            Some(_) => {
                self.transaction.fail();
                self.pipeline_fails(Some(slot));
                Verdict::Forward
            }
        }
    }

    /// The step at the front failed: nothing up to `Sync` will be answered. `slot` is where, if a server said so.
    pub(super) fn pipeline_fails(&mut self, slot: Option<usize>) {
        self.pipeline_failed = true;
        self.undo_pipeline();
        while !matches!(self.steps.front(), None | Some(Step::Sync)) {
            self.pop_step();
        }
        self.turn = 0;
        self.tally = Tally::default();
        if self.steps.is_empty() {
            self.skipping = true;
            self.unanswered = None;
            // Also where a simple query has followed: it is skipped as well.
            self.in_pipeline = true;
        }
        for (at, link) in self.links.iter_mut().enumerate() {
            if Some(at) != slot && link.touched && self.steps.is_empty() {
                link.poison();
            }
        }
    }

    /// A server says that it lacks what it was told to keep under a name of ours, or has something else there: a function,
    /// say, has touched that name.
    pub(super) fn look_at_state(&mut self, slot: usize, state: Option<&[u8]>) {
        let lacks = match (state, self.steps.front()) {
            (
                Some(b"26000"),
                Some(Step::Bind(Some(statement)) | Step::DescribeStatement(Some(statement))),
            ) => Some(statement.hash()),
            (Some(b"42P05"), Some(Step::Parse)) => None,
            _ => return,
        };
        if let Some(server) = self.links[slot].server.as_mut() {
            server.doubtful |= lacks.is_none_or(|hash| !server.prepared.forget(hash));
        }
    }
}
