//! A transaction over the shards of a sharded database, and one whose server was lost.
//!
//! `BEGIN` reaches no server by itself. A shard joins at its first use and is
//! then told everything so far: the characteristics, `SET`s, savepoints. The
//! state that the client sees is the session's: an error on one shard fails the
//! transaction everywhere, since the others will be told to roll back.

use router_core::id::ShardId;
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

/// A transaction of the session's own.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Transaction {
    pub(super) state: State,
    /// It exists for a query string of several statements and ends with it.
    pub(super) implicit: bool,
    /// That string has several statements: PostgreSQL lets `LOCK` stand among them.
    pub(super) several: bool,
    /// Savepoints that exist, oldest first, with how many settings had been changed before each.
    savepoints: Vec<(String, usize)>,
    begin: String,
    preface: String,
    read_only: bool,
    /// What it has defined itself.
    pub(super) definitions: Definitions,
    /// Why it failed, when the client has not been told: a server was lost between two statements.
    pub(super) unheard: Option<Box<Report>>,
    /// The shard that was written last.
    pub(super) last_writer: Option<ShardId>,
}

impl Transaction {
    /// Begins.
    pub(super) fn begin(&mut self, modes: &TransactionModes, implicit: bool) {
        *self = Self {
            state: State::Open,
            implicit,
            several: false,
            begin: format!("BEGIN{}", modes_text(modes)),
            preface: String::new(),
            savepoints: Vec::new(),
            read_only: modes.read_only == Some(true),
            definitions: Definitions::default(),
            unheard: None,
            last_writer: None,
        };
    }

    /// One with the same characteristics (`AND CHAIN`).
    pub(super) fn begin_again(&self) -> Self {
        Self {
            state: State::Open,
            begin: self.begin.clone(),
            read_only: self.read_only,
            ..Self::default()
        }
    }

    /// Nothing has been done yet, and nothing may be changed from now on.
    pub(super) fn make_read_only(&mut self) {
        self.read_only = true;
    }

    /// Makes a savepoint, when so many settings have been changed.
    pub(super) fn save(&mut self, name: &str, changes: usize) {
        self.savepoints.push((name.to_owned(), changes));
    }

    /// Back to a savepoint, if it exists: how many settings had been changed before it. The others are undone.
    pub(super) fn back_to(&mut self, name: &str) -> Option<usize> {
        let at = self
            .savepoints
            .iter()
            .rposition(|(known, _)| known == name)?;
        self.savepoints.truncate(at + 1);
        Some(self.savepoints[at].1)
    }

    /// Releases a savepoint; whether it existed.
    pub(super) fn release(&mut self, name: &str) -> bool {
        let at = self.savepoints.iter().rposition(|(known, _)| known == name);
        if let Some(at) = at {
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
        format!("{}{}", self.begin, self.preface)
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
