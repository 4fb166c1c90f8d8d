//! What the session itself says to the client, and what an error of its own does to a transaction.

use router_core::sqlstate::SqlState;

use super::Session;
use super::step::{Own, Step};
use crate::wire::encode::Report;
use crate::wire::frontend as f;

/// A statement that fails, with PostgreSQL's state for it, unless the transaction has failed before. It names its reason in
/// the server's log.
pub(super) const FAILING: (&str, &[u8]) = ("EXECUTE \"shunt: a statement was refused\"", b"26000");

impl Session {
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
    pub(super) fn has_to_fail(&self) -> bool {
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
}

/// In a failed transaction.
pub(super) fn aborted() -> Report {
    Report::error(
        SqlState::new("25P02"),
        "current transaction is aborted, commands ignored until end of transaction block",
    )
}

/// What would have to be read as a whole, up to so many bytes.
pub(super) fn too_long(length: usize, most: usize) -> Report {
    Report::error(
        SqlState::new("SH021"),
        "statement is too long to be sharded",
    )
    .detail(format!(
        "The message has {length} bytes; a statement of a sharded database is read as a whole, up to {most} bytes."
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
