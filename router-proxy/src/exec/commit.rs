//! The commit of a transaction over several shards: the core's machine ([`router_core::twophase::Commit`]) over the
//! session's connections.

use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use router_core::id::ShardId;
use router_core::sqlstate::SqlState;
use router_core::twophase::{
    self, Commit, Participant, Place, Reply, Say, TransactionId, statements,
};

use super::{Operation, Outcome, Stage, Take};
use crate::twophase::TwoPhase;
use crate::twophase::log::count;
use crate::wire::backend as b;
use crate::wire::encode::Report;
use crate::wire::frame::{HEADER_LEN, Header};

/// A commit under way.
#[derive(Debug)]
pub(crate) struct Committing {
    commit: Commit,
    two_phase: Arc<TwoPhase>,
    /// Whose decision it is, when parts are prepared.
    id: TransactionId,
    parts: Vec<Part>,
    /// The client is told of success by this tag; `None`: by something else.
    tag: Option<&'static str>,
    /// Another role than the one that has logged in may be in force.
    acts: bool,
}

/// What is prepared can be ended by its owner alone, and decisions are written by the role that has logged in. What was
/// deferred is still done by the client's.
const AS_ONESELF: &str = "SET CONSTRAINTS ALL IMMEDIATE;SET ROLE NONE;";

#[derive(Debug)]
struct Part {
    shard: ShardId,
    name: String,
    prepares: bool,
    /// What it has said to the question under way.
    error: Option<Vec<u8>>,
    rolled_back: bool,
    /// Its first error, and to what: what the client is told if this part is why nothing was committed.
    reason: Option<(Say, Vec<u8>)>,
}

/// A commit that may have to be prepared for, before it begins.
#[derive(Debug)]
pub(crate) struct Plan {
    commit: Commit,
    shards: Vec<ShardId>,
}

impl Plan {
    /// Of these participants, in the order of the operation's parts; `last` was written last.
    pub(crate) fn new(participants: &[(ShardId, Participant)], last: Option<ShardId>) -> Self {
        let last = participants
            .iter()
            .position(|(shard, _)| Some(*shard) == last);
        let shards = participants.iter().map(|(shard, _)| *shard).collect();
        let participants: Vec<_> = participants.iter().map(|(_, p)| *p).collect();
        Self {
            commit: Commit::new(&participants, last.unwrap_or(0)),
            shards,
        }
    }

    /// The shard that has to hold a decision.
    pub(crate) fn coordinator(&self) -> Option<ShardId> {
        self.commit.coordinator().map(|part| self.shards[part])
    }

    /// Begins. `place`: where the coordinator is, if there is one; `acts`: another role than the one that has logged in
    /// may be in force.
    pub(crate) fn begin(
        self,
        two_phase: &Arc<TwoPhase>,
        place: Place,
        tag: Option<&'static str>,
        acts: bool,
    ) -> Result<Committing, Report> {
        let coordinator = self.commit.coordinator();
        let decided_by = coordinator.map_or(ShardId(0), |part| self.shards[part]);
        let id = two_phase.new_id(decided_by, place).map_err(|error| {
            Report::error(SqlState::new("58000"), "no random numbers can be had")
                .detail(format!("{error}."))
        })?;
        let parts = self.shards.iter().enumerate().map(|(i, &shard)| Part {
            shard,
            name: two_phase.shard_name(shard).to_owned(),
            prepares: coordinator.is_some()
                && coordinator != Some(i)
                && self.commit.asked(i) == Some(Say::Prepare),
            error: None,
            rolled_back: false,
            reason: None,
        });
        Ok(Committing {
            parts: parts.collect(),
            commit: self.commit,
            two_phase: Arc::clone(two_phase),
            id,
            tag,
            acts,
        })
    }
}

impl Committing {
    fn tell(&mut self, stage: &mut Stage<'_>) {
        while let Some((part, say)) = self.commit.poll() {
            if stage.is_lost(part) {
                self.commit.handle(part, Reply::Lost);
                continue;
            }
            self.parts[part].error = None;
            self.parts[part].rolled_back = false;
            let preparing = self.parts.iter().filter(|part| part.prepares);
            let names: Vec<&str> = preparing.map(|part| part.name.as_str()).collect();
            let mut sql = statements::say(say, &self.id, &self.id.part(part), &names);
            if self.acts && matches!(say, Say::Prepare | Say::Decide) {
                sql.insert_str(0, AS_ONESELF);
            }
            stage.query(part, &sql);
        }
    }

    /// Takes in the answer of a part to what it was told last.
    fn answered(&mut self, part: usize) {
        let Some(say) = self.commit.asked(part) else {
            return;
        };
        let known = &mut self.parts[part];
        let reply = match &known.error {
            None if known.rolled_back && say != Say::Rollback => Reply::RolledBack,
            None => Reply::Done,
            // Recovery was quicker.
            Some(error)
                if matches!(say, Say::CommitPrepared | Say::RollbackPrepared)
                    && b::error_field(error, b'C') == Some(b"42704") =>
            {
                Reply::Done
            }
            Some(error) => {
                if say == Say::Decide
                    && matches!(b::error_field(error, b'C'), Some(b"42P01" | b"3F000"))
                {
                    self.two_phase.forget_place(known.shard);
                }
                known.reason.get_or_insert((say, error.clone()));
                Reply::Failed
            }
        };
        self.commit.handle(part, reply);
    }

    /// How it has ended, for the client.
    fn end(&mut self, stage: &mut Stage<'_>, outcome: twophase::Outcome) -> Outcome {
        let counts = &self.two_phase.log.counts;
        if self.commit.coordinator().is_some() {
            match outcome {
                twophase::Outcome::Committed => count(&counts.committed),
                twophase::Outcome::RolledBack(_) => count(&counts.rolled_back),
                twophase::Outcome::Unknown(_) => {}
            }
            if self.commit.leaves_something() {
                count(&counts.left);
                self.two_phase.leave(self.id.clone());
            }
        }
        match outcome {
            twophase::Outcome::Committed => {
                if let Some(tag) = self.tag {
                    stage.say(b::COMMAND_COMPLETE, &[tag.as_bytes(), &[0]]);
                }
                Outcome::Done
            }
            twophase::Outcome::RolledBack(part) => Outcome::Failed(self.why(part)),
            twophase::Outcome::Unknown(part) => Outcome::Failed(self.unknown(part)),
        }
    }

    /// The error of the part because of which nothing was committed.
    fn why(&self, part: usize) -> Vec<u8> {
        let part = &self.parts[part];
        let Some((say, error)) = &part.reason else {
            return body(
                &Report::error(SqlState::new("40000"), "transaction was rolled back").detail(
                    format!(
                        "Shard \"{}\" had rolled its part back before it was to be committed.",
                        part.name
                    ),
                ),
            );
        };
        let state = b::error_field(error, b'C').unwrap_or_default();
        let name = &part.name;
        let hint = match (say, state) {
            (Say::Prepare, b"55000") => format!(
                "Writes over several shards are prepared first: set max_prepared_transactions on shard \"{name}\" to its max_connections, and restart it."
            ),
            (Say::Prepare, b"53200") => {
                format!("Raise max_prepared_transactions on shard \"{name}\".")
            }
            (Say::Prepare, b"0A000") => format!(
                "The transaction has written on several shards, and its part on shard \"{name}\" cannot be prepared. Write on one shard only in such a transaction."
            ),
            (Say::Decide, b"42501") => format!(
                "The decision is a row in shunt.decisions on shard \"{name}\": GRANT USAGE ON SCHEMA shunt and INSERT ON shunt.decisions to the role."
            ),
            (Say::Decide, b"42P01" | b"3F000") => {
                "The table of decisions was dropped; the next commit makes it again.".to_owned()
            }
            _ => return error.clone(),
        };
        // What the application cannot help is told to the operator, too.
        if state != b"0A000" {
            let message = b::error_field(error, b'M').unwrap_or_default();
            let message = String::from_utf8_lossy(message);
            self.two_phase.warn_of(part.shard, &message, &hint);
        }
        b::with_hint(error, &hint)
    }

    fn unknown(&self, part: usize) -> Vec<u8> {
        let name = &self.parts[part].name;
        let report = Report::error(
            SqlState::new("08007"),
            "it is not known whether the transaction was committed",
        );
        let two_phase = self.commit.coordinator().is_some();
        body(&if two_phase {
            report
                .detail(format!(
                    "Shard \"{name}\" was about to decide transaction {} when its connection was lost.",
                    self.id
                ))
                .hint("All shards will do as it has decided; SHOW TWOPHASE on the console says when they have.")
        } else {
            report
                .detail(format!(
                    "Shard \"{name}\" was about to commit when its connection was lost."
                ))
                .hint("Look for what the transaction has written.")
        })
    }
}

impl Operation for Committing {
    fn poll(&mut self, stage: &mut Stage<'_>) -> Poll<Outcome> {
        self.tell(stage);
        match self.commit.outcome() {
            Some(outcome) if stage.all_settled() => Poll::Ready(self.end(stage, outcome)),
            _ => Poll::Pending,
        }
    }

    fn reply(&mut self, _stage: &mut Stage<'_>, _part: usize, header: Header) -> Take {
        match header.tag {
            b::COMMAND_COMPLETE => Take::Whole,
            // What set_config answers.
            b::ROW_DESCRIPTION | b::DATA_ROW => Take::Skip,
            _ => Take::Unexpected,
        }
    }

    fn message(&mut self, _stage: &mut Stage<'_>, part: usize, tag: u8, body: &[u8]) {
        if tag == b::COMMAND_COMPLETE {
            self.parts[part].rolled_back |= body == b"ROLLBACK\0";
        }
    }

    fn ready(&mut self, stage: &mut Stage<'_>, part: usize) {
        if self.commit.asked(part) == Some(Say::Prepare) && stage.is_failed(part) {
            // It has not come to the end of what it was told, which would have ended the transaction, too.
            stage.query(part, "ROLLBACK");
            return;
        }
        self.answered(part);
    }

    fn failed(&mut self, stage: &mut Stage<'_>, part: usize, error: &[u8]) {
        if stage.is_lost(part) {
            let known = &mut self.parts[part];
            if let Some(say) = self.commit.asked(part) {
                known.reason.get_or_insert((say, error.to_vec()));
            } else {
                known.reason.get_or_insert((Say::Commit, error.to_vec()));
            }
            self.commit.handle(part, Reply::Lost);
        } else {
            self.parts[part].error.get_or_insert_with(|| error.to_vec());
        }
    }
}

impl Drop for Committing {
    /// Given up half-way: what is prepared is left to recovery.
    fn drop(&mut self) {
        if self.commit.coordinator().is_some() && self.commit.outcome().is_none() {
            self.two_phase.leave(self.id.clone());
        }
    }
}

/// A report as the body of an `ErrorResponse`.
fn body(report: &Report) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    report.encode(&mut bytes);
    bytes[HEADER_LEN..].to_vec()
}
