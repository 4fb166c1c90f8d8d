//! A server connection that ends, or says that it will.

use std::cell::RefCell;

use router_core::sqlstate::SqlState;

use super::replies::Tally;
use super::step::{Own, Ready, Step};
use super::{Fatal, Session};
use crate::wire::backend as b;
use crate::wire::encode::Report;
use crate::wire::frame::HEADER_LEN;

/// The client's own doing: no other server would take it better.
pub(super) const PROTOCOL_VIOLATION: SqlState = SqlState::new("08P01");

impl Session {
    /// Whether the server says that it ends the connection. It is told to the client once it has.
    pub(super) fn hangs_up(&mut self, slot: usize, body: &[u8]) -> bool {
        if !is_fatal(body) {
            return false;
        }
        self.links[slot].farewell = Some(Box::new(state_and_message(body)));
        true
    }

    /// Whether what is under way cannot succeed without the server of a slot, though other servers may still be at it. A commit
    /// knows itself what a loss means to it.
    pub fn loses_statement_with(&self, slot: usize) -> bool {
        let (Some(link), false) = (self.links.get(slot), self.is_committing()) else {
            return false;
        };
        let under_way = match &self.operation {
            Some(_) => self.part_of(slot).is_some() || link.joined,
            None => !self.steps.is_empty() && (link.joined || self.group.contains(&slot)),
        };
        under_way && self.environment.is_sharded()
    }

    /// A server connection is gone. An error means that the client's connection cannot be saved.
    pub fn handle_server_lost(&mut self, slot: usize, reason: &str) -> Result<(), Fatal> {
        self.leave_straight_road();
        let inside = self.links[slot].input.is_forwarding();
        let involved = self.group.contains(&slot) && self.is_busy() || self.links[slot].touched;
        // Whatever of it was carried out: the client takes what it says next to be part of it.
        let begins = self.begins && involved && !self.environment.is_sharded();
        let in_transaction = self.links[slot].status() != b'I' || self.links[slot].joined || begins;
        // What waits on another shard for the sake of a transaction that is lost is told now, not when its turn has come.
        let involved = involved || self.links[slot].joined && !self.steps.is_empty();
        let (mut report, was_the_clients) = self.report_of_loss(slot, reason);
        if inside || was_the_clients {
            report.severity = crate::wire::encode::Severity::Fatal;
            return Err(Box::new(report));
        }
        if self.input.is_forwarding() {
            self.input.skip_rest();
        }
        if involved || self.input.is_inside() {
            self.give_up_others(slot);
        }
        let group = std::mem::take(&mut self.group);
        self.links.remove(slot);
        self.copying = false;
        self.turn = 0;
        self.tally = Tally::default();
        self.group = group
            .into_iter()
            .filter(|&s| s != slot)
            .map(|s| s - usize::from(s > slot))
            .collect();
        let bytes = Self::bytes_of(&report);
        // A commit under way knows itself what a loss means to it.
        if in_transaction && !self.is_committing() {
            if self.transaction.implicit {
                self.transaction.fail();
            } else {
                self.transaction.lose();
            }
            // While a statement waits for its connections nothing is owed an answer: it asks why the transaction has failed.
            let untold = self.steps.is_empty() && self.operation.is_none() && !self.in_pipeline;
            if !involved || untold {
                self.transaction.unheard = RefCell::new(Some(Box::new(report.clone())));
            }
        }
        if self.operation.is_some() {
            self.operation_lost(slot, &bytes[HEADER_LEN..]);
            return Ok(());
        }
        if !involved {
            return Ok(());
        }
        self.undo_pipeline();
        self.answer_what_is_lost(bytes);
        if self.is_at_border() {
            self.speak_now();
        } else {
            self.speak = true;
        }
        Ok(())
    }

    /// What a client is told of a server that is lost, and whether its session lived there or ended by its own doing.
    fn report_of_loss(&mut self, slot: usize, reason: &str) -> (Report, bool) {
        let link = &mut self.links[slot];
        let farewell = link.farewell.take();
        let was_the_clients = self.environment.is_transparent()
            || link.pinned != 0
            || farewell
                .as_ref()
                .is_some_and(|said| said.0 == PROTOCOL_VIOLATION);
        let shards = &self.environment.topology.shards;
        let shard = shards.get(link.shard.index());
        let name = shard.map_or("?", |shard| shard.name.as_str());
        let report = match farewell {
            // So are its last words.
            Some(farewell) if was_the_clients => Report::fatal(farewell.0, farewell.1),
            // Drivers know an administrator's command by its words and SQLSTATE.
            Some(farewell) => Report::error(farewell.0, farewell.1).detail(format!(
                "The connection to the server of shard \"{name}\" is gone."
            )),
            None => Report::error(
                SqlState::new("08006"),
                format!("connection to the server of shard \"{name}\" was lost"),
            )
            .detail(format!("{reason}.")),
        };
        (report, was_the_clients)
    }

    /// The other servers of a statement that has lost one: their replies will never be asked for, and whatever they were sent
    /// next would be answered by them. A transaction that they have joined is lost, which its end tells them.
    fn give_up_others(&mut self, slot: usize) {
        for &other in self.group.iter().filter(|&&other| other != slot) {
            let link = &mut self.links[other];
            if let Some(server) = link.server.as_mut() {
                server.doubtful = true;
                link.abandoned = link.pinned == 0 && self.operation.is_none();
            }
        }
    }

    /// Puts the report of a loss in the places of all answers that will not come.
    fn answer_what_is_lost(&mut self, bytes: Vec<u8>) {
        let lost = std::mem::take(&mut self.steps);
        let mut said = false;
        for step in lost {
            match step {
                Step::Query(Ready::Pass, _) | Step::Function | Step::Refused(_) => {
                    self.steps.push_back(Step::Own(Own::Bytes(bytes.clone())));
                    self.steps.push_back(Step::Own(Own::Ready));
                }
                Step::Query(..) => self.steps.push_back(Step::Own(Own::Bytes(bytes.clone()))),
                Step::Sync => {
                    if !std::mem::take(&mut said) && !self.pipeline_failed {
                        self.steps.push_back(Step::Own(Own::Bytes(bytes.clone())));
                    }
                    self.pipeline_failed = false;
                    self.steps.push_back(Step::Own(Own::Ready));
                }
                Step::Own(Own::Ready) => self.steps.push_back(Step::Own(Own::Ready)),
                Step::CopyEnd | Step::Own(_) => {}
                _ if said || self.pipeline_failed => {}
                _ => {
                    said = true;
                    self.steps.push_back(Step::Own(Own::Bytes(bytes.clone())));
                }
            }
        }
        if self.in_pipeline && !self.skipping {
            // The client will send `Sync`, and gets its `ReadyForQuery` then.
            if !said {
                self.steps.push_back(Step::Own(Own::Bytes(bytes)));
            }
            self.skipping = true;
            self.unanswered = None;
        }
    }
}

/// Whether an error ends the connection.
pub(super) fn is_fatal(body: &[u8]) -> bool {
    let severity = b::error_field(body, b'V').or_else(|| b::error_field(body, b'S'));
    matches!(severity, Some(b"FATAL" | b"PANIC"))
}

pub(super) fn state_and_message(body: &[u8]) -> (SqlState, String) {
    let text = |field| {
        String::from_utf8_lossy(b::error_field(body, field).unwrap_or_default()).into_owned()
    };
    let state = b::error_field(body, b'C')
        .and_then(|code| <[u8; 5]>::try_from(code).ok())
        .map_or(SqlState::new("08006"), SqlState);
    (state, text(b'M'))
}
