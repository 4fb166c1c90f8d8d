//! What a statement leaves on a server connection: what keeps the connection with its client, and values of sequences.
//!
//! `currval` and `lastval` give what a server's session was given last, by whichever client. A connection is not kept for
//! that, since nearly every `INSERT` draws on a sequence and hardly any client asks: instead an earlier client's values are
//! thrown away before somebody might ask for them, and a client whose own value stayed behind with another connection is told.

use router_core::plan::SessionEffect;
use router_core::sqlstate::SqlState;

use super::Session;
use super::route::UNREAD;
use crate::wire::encode::Report;

/// What `DISCARD ALL` does not end, or may not: the connection is closed, not cleaned.
const OUTLASTING: u16 = SessionEffect::OUTLASTING.bits | UNREAD;

/// What may draw on a sequence.
const DRAWS: u16 = SessionEffect::SEQUENCE.bits
    | SessionEffect::ADVANCES.bits
    | SessionEffect::UNKNOWN.bits
    | UNREAD;

/// What may ask for the value that was drawn.
const ASKS: u16 = SessionEffect::SEQUENCE.bits
    | SessionEffect::RECALLS.bits
    | SessionEffect::UNKNOWN.bits
    | UNREAD;

/// The client itself asks, by a call in its statement.
const ASKED: u16 = SessionEffect::SEQUENCE.bits | SessionEffect::RECALLS.bits;

impl Session {
    /// Takes note of what the statement at hand leaves on a connection that it is about to be sent to.
    pub(super) fn leave(&mut self, slot: usize, leaves: u16) {
        if leaves == 0 {
            return;
        }
        self.clear_sequences(slot, leaves);
        let open = self.transaction.is_open() || self.in_pipeline;
        let link = &mut self.links[slot];
        link.pinned |= SessionEffect { bits: leaves }.pinning().bits;
        link.outlasting |= leaves & OUTLASTING != 0;
        link.drew |= leaves & DRAWS != 0;
        // What follows in the same transaction is planned without knowing what was defined here.
        if leaves & SessionEffect::DEFINES.bits != 0 && (open || link.status() != b'I') {
            link.pinned |= SessionEffect::UNKNOWN.bits;
        }
    }

    /// Throws away what an earlier client drew from sequences, if the statement at hand may ask for it or another of the
    /// same transaction might.
    pub(super) fn clear_sequences(&mut self, slot: usize, leaves: u16) {
        let free = self.is_free_for_own(slot);
        let link = &mut self.links[slot];
        let Some(server) = link.server.as_mut() else {
            return;
        };
        if !server.sequences || link.drew || !free {
            return;
        }
        let stays = link.pinned != 0 || server.status == b'T';
        if leaves & ASKS != 0 || leaves & DRAWS != 0 && stays {
            server.sequences = false;
            self.ask(slot, "DISCARD SEQUENCES");
        }
    }

    /// Throws away what an earlier client drew from sequences, ahead of a statement that begins a transaction: what comes
    /// behind it may be sent before it is answered, and then that cannot be done.
    pub(super) fn clear_sequences_ahead(&mut self) {
        if !self.environment.is_sharded()
            && let Some(&slot) = self.group.first()
        {
            self.clear_sequences(slot, SessionEffect::RECALLS.bits);
        }
    }

    /// Whether the session may send a query of its own ahead of the message at hand, and it would be carried out.
    fn is_free_for_own(&self, slot: usize) -> bool {
        self.may_ask(slot) && self.links[slot].status() != b'E'
    }

    /// Whether the message at hand has to wait until everything is answered, so that sequences can be cleared.
    pub(super) fn has_to_clear(&self, leaves: u16) -> bool {
        (leaves & ASKS != 0 || leaves & DRAWS != 0 && self.begins)
            && !self.steps.is_empty()
            && !self.in_pipeline
            && self.links.iter().any(|link| {
                let server = link.server.as_ref();
                server.is_some_and(|server| server.sequences) && !link.drew
            })
    }

    /// Whether the values that a statement asks for are this client's own, or none.
    pub(super) fn may_recall(&self, leaves: u16) -> Result<(), Box<Report>> {
        if leaves & SessionEffect::RECALLS.bits == 0 {
            return Ok(());
        }
        let strange = self.links.iter().enumerate().any(|(slot, link)| {
            let server = link.server.as_ref();
            server.is_some_and(|server| server.sequences)
                && (link.drew || !self.is_free_for_own(slot))
        });
        if strange {
            return Err(Box::new(
                undefined()
                    .detail("It is asked for in the middle of a pipeline, on a connection where another client's values are.")
                    .hint("Send a Sync first, or take the value from INSERT ... RETURNING."),
            ));
        }
        let draws_itself = leaves & SessionEffect::ADVANCES.bits != 0;
        let own = self.links.iter().any(|link| link.drew);
        if leaves & ASKED == ASKED && self.drew_elsewhere && !own && !draws_itself {
            return Err(Box::new(
                undefined()
                    .detail("The value was drawn in an earlier transaction, whose server connection went back to the pool.")
                    .hint("Ask in the same transaction, or take the value from INSERT ... RETURNING; nextval() keeps the connection."),
            ));
        }
        Ok(())
    }
}

/// Whether a message's text begins as a definition does. What it defines is not known before it has run, whatever the catalog
/// says: where there is one shard it need not be read for that, so that a long script of definitions has it read once.
pub(super) fn defines(message: &[u8]) -> bool {
    let word = text_of(message).trim_ascii_start();
    let word = word.split(|byte| !byte.is_ascii_alphabetic()).next();
    let word = word.unwrap_or_default();
    ["create", "alter", "drop", "comment", "grant", "revoke"]
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// The text of a `Query` or `Parse` that comes first, as far as it is there, with what follows it.
pub(super) fn text_of(message: &[u8]) -> &[u8] {
    let text = match message.split_first() {
        Some((b'Q', rest)) => rest.get(4..),
        // Behind the statement's name.
        Some((b'P', rest)) => rest
            .get(4..)
            .and_then(|body| Some(&body[memchr::memchr(0, body)? + 1..])),
        _ => None,
    };
    text.unwrap_or_default()
}

/// PostgreSQL's state for a value that is not there.
fn undefined() -> Report {
    Report::error(
        SqlState::new("55000"),
        "last value of the sequence is not known on this connection",
    )
}
