//! What a driver of the session asks about it: whether it is idle, busy, over, and what it waits for.

use router_core::id::ShardId;
use router_core::plan::{Route, SessionEffect};

use super::operation::Running;
use super::{Session, left};
use crate::server::state::{Parameters, ServerState};
use crate::wire::buffer::Buffer;
use crate::wire::frame::HEADER_LEN;

impl Session {
    /// Whether the client said goodbye.
    pub fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// Whether it said goodbye and nothing is left to do: what was asked for in full has ended, as PostgreSQL ends it
    /// before it reads the goodbye.
    pub fn is_over(&self) -> bool {
        self.terminated && (!self.is_busy() || self.awaits_client())
    }

    /// Whether only more of the client's bytes can move on what is under way.
    pub fn awaits_client(&self) -> bool {
        if self.waits || self.wants_any() {
            return false;
        }
        match &self.operation {
            Some(running) => running.operation.takes_client() && self.takes_input(),
            None => self.in_pipeline || self.copying,
        }
    }

    /// Whether nothing is under way: no reply owed, no transaction open, no message half read.
    pub fn is_idle(&self) -> bool {
        if self.is_at_rest() {
            return true;
        }
        self.steps.is_empty()
            && !self.in_pipeline
            && !self.waits
            && !self.input.is_inside()
            && self.script.is_none()
            && self.operation.is_none()
            && self.poll_ground().is_none()
            && self.status == b'I'
            && !self.transaction.is_open()
            && self.links.iter().all(|link| link.prelude == 0)
    }

    /// Whether only its servers, the client or a connection that it waits for can move it on: everything else that it
    /// has been told is carried out, and everything that it has to say to a server is said.
    pub fn is_settled(&self) -> bool {
        if let Some(settled) = self.is_straight_settled() {
            return settled;
        }
        self.waits == self.wants_any()
            && !self.speak
            && !self.clears_statements
            && self.script.is_none()
            && self.operation.is_none()
            && !self.asks_catalog
            && self.refusal.is_none()
            && self.poll_ground().is_none()
            && self.links.iter().all(|link| link.out.is_empty())
    }

    /// Whether the next message is one that is planned; one that has waited for its connections or its turn is so again.
    pub fn is_about_to_plan(&self, input: &Buffer) -> bool {
        // In session mode nobody reads what is said, and no connection to the database is wanted but the client's own.
        !self.environment.is_transparent()
            && (!self.waits || !self.wants_any())
            && !self.skipping
            && self.script.is_none()
            && self.operation.is_none()
            && !self.input.is_inside()
            && matches!(input.bytes().first(), Some(b'Q' | b'P' | b'B'))
            && !self.goes_on_with_transaction(input.bytes())
            && (self.environment.is_sharded()
                || !self.environment.catalog.was_read()
                || !left::defines(input.bytes()))
    }

    /// Whether a message goes on with a transaction in a way that nothing has to be known for: it ends it, or it is on the one
    /// server, whose connection is looked at once the transaction has ended. The reading of the catalog may wait for a
    /// lock of this transaction, or of one that waits for it.
    fn goes_on_with_transaction(&self, message: &[u8]) -> bool {
        if self.own_status() == b'I' {
            return false;
        }
        if !self.environment.is_sharded() {
            return self.environment.catalog.was_read();
        }
        let bound = || {
            let body = message.get(HEADER_LEN..)?;
            let statement = &body[memchr::memchr(0, body)? + 1..];
            let name = &statement[..memchr::memchr(0, statement)?];
            self.statements.get(name)
        };
        match message.first() {
            Some(b'B') => bound().is_some_and(|statement| {
                statement
                    .plan()
                    .is_some_and(|plan| matches!(plan.route, Route::Transaction(_)))
            }),
            _ => ends_transaction(message),
        }
    }

    /// Whether a reply is owed.
    pub fn is_busy(&self) -> bool {
        !self.steps.is_empty() || self.script.is_some() || self.operation.is_some()
    }

    /// A number that changes whenever something that the client has asked for is done.
    pub fn answered(&self) -> u64 {
        self.popped
    }

    /// Whether a transaction is open and nothing runs in it.
    pub fn is_idle_in_transaction(&self) -> bool {
        !self.is_busy()
            && (self.status != b'I'
                || self.in_pipeline && self.links.iter().any(|link| link.touched))
    }

    /// Whether a server waits for what only the client can send: data of a COPY, the rest of a message.
    pub fn server_awaits_client(&self) -> bool {
        let operation = self.operation.as_deref();
        self.copying || self.input.is_forwarding() || operation.is_some_and(Running::takes_client)
    }

    /// Whether an own message may be put into the client's stream now.
    pub fn is_at_border(&self) -> bool {
        !self.links.iter().any(|link| link.input.is_forwarding())
    }

    /// The pinned connections' reasons, or-ed.
    pub fn pinned(&self) -> u16 {
        self.links.iter().fold(0, |bits, link| bits | link.pinned)
    }

    /// Why it keeps its connections, for whoever wants to know: also since settings are in force there that the session does
    /// not know.
    pub fn kept_for(&self) -> u16 {
        let keeps =
            self.settings_on_server && !self.links.is_empty() && !self.environment.is_transparent();
        self.pinned()
            | if keeps {
                SessionEffect::SETTING.bits
            } else {
                0
            }
    }

    /// Statements that the client has prepared, and the bytes that they take.
    pub fn prepared_statements(&self) -> (usize, usize) {
        (self.statements.len(), self.statements.bytes())
    }

    /// What the client was told by `ParameterStatus`.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What is known about the connection of a slot, with its shard; `None` while it is waited for.
    pub fn server(&self, slot: usize) -> Option<(ShardId, &ServerState)> {
        let link = self.links.get(slot)?;
        Some((link.shard, link.server.as_deref()?))
    }
}

/// Whether a message is one statement that ends a transaction, or goes back in it, as far as its text shows at once.
fn ends_transaction(message: &[u8]) -> bool {
    let text = left::text_of(message);
    let Some(end) = memchr::memchr(0, text) else {
        return false;
    };
    let text = text[..end].trim_ascii();
    let text = text.strip_suffix(b";").unwrap_or(text);
    let word = text.split(|byte| !byte.is_ascii_alphabetic()).next();
    let word = word.unwrap_or_default();
    text.len() < 100
        && !text.contains(&b';')
        && ["commit", "rollback", "end", "abort", "release"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}
