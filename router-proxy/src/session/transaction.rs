//! A transaction over the shards of a sharded database, and one whose server was lost.
//!
//! `BEGIN` reaches no server by itself. A shard joins at its first use and is
//! then told everything so far: the characteristics, `SET`s, savepoints. The
//! state that the client sees is the session's: an error on one shard fails the
//! transaction everywhere, since the others will be told to roll back.

use std::cell::RefCell;

use router_core::id::ShardId;
use router_core::plan::clock::Stored;
use router_core::sql::statement::TransactionModes;

use super::knowledge::Definitions;
use crate::wire::encode::Report;

/// Longest text of what a joining shard is told; more `SET`s and savepoints are refused.
const PREFACE_LIMIT: usize = 64 << 10;

/// Where a transaction of the session's own stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// None, or one that only its server knows (unsharded databases).
    #[default]
    None,
    /// Open.
    Open,
    /// Failed; ends with `ROLLBACK`.
    Failed,
}

impl State {
    pub(super) fn is_open(self) -> bool {
        self != Self::None
    }
}

/// A savepoint of a transaction.
#[derive(Debug, PartialEq)]
struct Savepoint {
    name: String,
    /// How many settings had been changed before it.
    changes: usize,
    /// How many portals had been made.
    portals: u64,
    /// The characteristics that held there.
    modes: TransactionModes,
}

/// A transaction of the session's own.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Transaction {
    pub(super) state: State,
    /// It exists for a query string of several statements and ends with it.
    pub(super) implicit: bool,
    /// That string has several statements: PostgreSQL lets `LOCK` stand among them.
    pub(super) several: bool,
    /// Savepoints that exist, oldest first.
    savepoints: Vec<Savepoint>,
    /// The characteristics that it began with.
    begun: TransactionModes,
    /// Those that hold now.
    modes: TransactionModes,
    preface: String,
    read_only: bool,
    /// It has set the role.
    pub(super) sets_role: bool,
    /// What it has defined itself.
    pub(super) definitions: Definitions,
    /// It is for one statement, which has not begun yet and reads as of one moment.
    pub(super) begins_in_one_moment: bool,
    /// It has locked tables for itself: reading the catalog elsewhere may wait for it.
    pub(super) locks: bool,
    /// The definitions of others of which it knows that it has not read them.
    pub(super) missed: u64,
    /// Why it failed, when the client has not been told: a server was lost between two statements.
    pub(super) unheard: RefCell<Option<Box<Report>>>,
    /// The shard that was written last.
    pub(super) last_writer: Option<ShardId>,
    /// The shard that joins next, though the transaction reads only, to make the tables of a cursor first.
    pub(super) fills: Option<ShardId>,
    /// Whose times it has stored.
    pub(super) times: Stored,
    /// How many portals were made in it.
    portals: u64,
}

impl Transaction {
    /// The isolation level that it was given.
    pub(super) fn isolation(&self) -> Option<&str> {
        self.modes.isolation.as_deref()
    }

    /// Begins.
    pub(super) fn begin(&mut self, modes: &TransactionModes, implicit: bool) {
        *self = Self {
            state: State::Open,
            implicit,
            several: false,
            begun: modes.clone(),
            modes: modes.clone(),
            preface: String::new(),
            savepoints: Vec::new(),
            read_only: modes.read_only == Some(true),
            sets_role: false,
            definitions: Definitions::default(),
            unheard: RefCell::default(),
            last_writer: None,
            fills: None,
            times: Stored::default(),
            begins_in_one_moment: false,
            locks: false,
            missed: 0,
            portals: 0,
        };
    }

    /// One with the same characteristics (`AND CHAIN`). One that has failed has lost them, as PostgreSQL has: unless it
    /// failed behind a savepoint.
    pub(super) fn begin_again(&self) -> Self {
        let mut modes = TransactionModes::default();
        if !self.is_failed() || !self.savepoints.is_empty() {
            modes.clone_from(&self.modes);
            modes.snapshot = None;
        }
        let mut chained = Self::default();
        chained.begin(&modes, false);
        chained
    }

    /// All that it reads of a shard is to be of one moment; no shard has joined yet.
    pub(super) fn read_in_one_moment(&mut self) {
        self.begins_in_one_moment = true;
        let level = "repeatable read".to_owned();
        self.begun.isolation = Some(level.clone());
        self.modes.isolation = Some(level);
    }

    /// Takes note of `SET TRANSACTION`; `first`: nothing has been done yet.
    pub(super) fn characterize(&mut self, modes: &TransactionModes, first: bool) {
        let known = &mut self.modes;
        if modes.isolation.is_some() {
            known.isolation.clone_from(&modes.isolation);
        }
        known.read_only = modes.read_only.or(known.read_only);
        known.deferrable = modes.deferrable.or(known.deferrable);
        // From now on nothing may be changed; or, before anything is done, something may be after all.
        if first && let Some(read_only) = modes.read_only {
            self.read_only = read_only;
        }
    }

    /// Shards that join from now on begin with these characteristics, too. Not within a savepoint, with which they go.
    pub(super) fn begins_as(&mut self, modes: &TransactionModes) -> bool {
        if !self.savepoints.is_empty() {
            return false;
        }
        let begun = &mut self.begun;
        if modes.isolation.is_some() {
            begun.isolation.clone_from(&modes.isolation);
        }
        begun.read_only = modes.read_only.or(begun.read_only);
        begun.deferrable = modes.deferrable.or(begun.deferrable);
        true
    }

    /// Makes a savepoint, when so many settings have been changed.
    pub(super) fn save(&mut self, name: &str, changes: usize) {
        self.savepoints.push(Savepoint {
            name: name.to_owned(),
            changes,
            portals: self.portals,
            modes: self.modes.clone(),
        });
    }

    /// The number of the next portal.
    pub(super) fn next_portal(&mut self) -> u64 {
        let number = self.portals;
        // Without one there are no savepoints that could tell them apart.
        self.portals += u64::from(self.is_open());
        number
    }

    /// The name of the youngest savepoint.
    pub(super) fn last_savepoint(&self) -> Option<&str> {
        Some(&self.savepoints.last()?.name)
    }

    /// Back to a savepoint, if it exists: how many settings had been changed before it, and how many portals made. The others
    /// are undone.
    pub(super) fn back_to(&mut self, name: &str) -> Option<(usize, u64)> {
        let at = self
            .savepoints
            .iter()
            .rposition(|known| known.name == name)?;
        self.savepoints.truncate(at + 1);
        self.modes.clone_from(&self.savepoints[at].modes);
        Some((self.savepoints[at].changes, self.savepoints[at].portals))
    }

    /// Releases a savepoint; whether it existed.
    pub(super) fn release(&mut self, name: &str) -> bool {
        let at = self.savepoints.iter().rposition(|known| known.name == name);
        if let Some(at) = at {
            // Within it nothing could be changed, it may be; around it things are as they were.
            self.modes.read_only = self.savepoints[at].modes.read_only;
            self.savepoints.truncate(at);
        }
        at.is_some()
    }

    /// Ends.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }

    /// Something failed.
    pub(super) fn fail(&mut self) {
        if self.state == State::Open {
            self.state = State::Failed;
        }
    }

    /// The server that held it is gone, and with it all it did.
    pub(super) fn lose(&mut self) {
        self.state = State::Failed;
        self.implicit = false;
        // No savepoint brings back what was done before it on that server.
        self.savepoints.clear();
    }

    /// Whether there is none, and nothing is left of one but which shard was written last.
    pub(super) fn is_nothing(&self) -> bool {
        self.state == State::None
            && self.definitions.is_nothing()
            && self.unheard.borrow().is_none()
    }

    /// Whether it is one that the client has begun, with nothing left in it that its next statement might have to do with:
    /// shards that join later are told its characteristics alone, and it may write.
    pub(super) fn is_plain(&self) -> bool {
        let Self {
            state,
            implicit,
            several,
            savepoints,
            // They are told to whoever joins.
            begun: _,
            modes,
            preface,
            read_only,
            sets_role,
            definitions,
            begins_in_one_moment,
            locks,
            missed: _,
            unheard,
            last_writer: _,
            fills,
            // Statements that have to do with the time say so.
            times: _,
            portals: _,
        } = self;
        let flags = [
            *implicit,
            *several,
            *read_only,
            *sets_role,
            *begins_in_one_moment,
            *locks,
            modes.read_only.is_some(),
        ];
        *state == State::Open
            && flags == [false; 7]
            && savepoints.is_empty()
            && preface.is_empty()
            && definitions.is_nothing()
            && unheard.borrow().is_none()
            && fills.is_none()
    }

    pub(super) fn is_open(&self) -> bool {
        self.state != State::None
    }

    pub(super) fn is_failed(&self) -> bool {
        self.state == State::Failed
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Whether it reads only by now, as far as it has been said; otherwise that is as the session has it.
    pub(super) fn reads_only(&self) -> Option<bool> {
        match self.state {
            State::None => None,
            _ => self.modes.read_only,
        }
    }

    /// Whether it began without the right to write and has not got it since: what it tried has failed.
    pub(super) fn cannot_have_written(&self) -> bool {
        self.read_only && self.modes.read_only == Some(true)
    }

    /// The status that the client is told; `None`: its server knows.
    pub(super) fn status(&self) -> Option<u8> {
        match (self.state, self.implicit) {
            (State::None, _) => None,
            (_, true) => Some(b'I'),
            (State::Open, _) => Some(b'T'),
            (State::Failed, _) => Some(b'E'),
        }
    }

    /// Remembers a statement for shards that join later; whether there was room.
    pub(super) fn remember(&mut self, sql: &str) -> bool {
        if self.preface.len() + sql.len() > PREFACE_LIMIT {
            return false;
        }
        self.preface.push(';');
        self.preface.push_str(sql);
        true
    }

    /// What a shard is told behind its `BEGIN` when it joins.
    pub(super) fn preface(&self) -> &str {
        &self.preface
    }

    /// What a shard is told when it joins.
    pub(super) fn opening(&self) -> String {
        format!("BEGIN{}{}", modes_text(&self.begun), self.preface)
    }

    /// The same for a shard that makes tables before it reads only, as all others do. `None`: what was said before, or goes
    /// back to a savepoint later, would decide about that.
    pub(super) fn opening_to_fill(&self) -> Option<String> {
        let decides = |word| self.preface.contains(word);
        if decides("SAVEPOINT") || decides("SET TRANSACTION") {
            return None;
        }
        let modes = TransactionModes {
            read_only: Some(false),
            ..self.begun.clone()
        };
        Some(format!("BEGIN{}{}", modes_text(&modes), self.preface))
    }
}

/// The characteristics as written after `BEGIN` or `SET TRANSACTION`.
pub(super) fn modes_text(modes: &TransactionModes) -> String {
    let mut parts = Vec::new();
    if let Some(level) = &modes.isolation {
        parts.push(format!(" ISOLATION LEVEL {}", level.to_ascii_uppercase()));
    }
    if let Some(read_only) = modes.read_only {
        parts.push(
            if read_only {
                " READ ONLY"
            } else {
                " READ WRITE"
            }
            .to_owned(),
        );
    }
    if let Some(deferrable) = modes.deferrable {
        parts.push(
            if deferrable {
                " DEFERRABLE"
            } else {
                " NOT DEFERRABLE"
            }
            .to_owned(),
        );
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modes(read_only: bool) -> TransactionModes {
        TransactionModes {
            read_only: Some(read_only),
            ..TransactionModes::default()
        }
    }

    /// Whoever counted it among those that have not written would commit it on each shard by itself.
    #[test]
    fn a_transaction_that_is_made_read_write_may_have_written() {
        for first in [true, false] {
            let mut transaction = Transaction::default();
            transaction.begin(&modes(true), false);
            assert!(transaction.cannot_have_written());
            transaction.characterize(&modes(false), first);
            assert!(!transaction.cannot_have_written(), "first: {first}");
        }
        let mut transaction = Transaction::default();
        transaction.begin(&TransactionModes::default(), false);
        transaction.characterize(&modes(true), false);
        assert!(!transaction.cannot_have_written());
    }
}
