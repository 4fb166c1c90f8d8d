//! Statements that begin and end transactions, over shards.

use router_core::sql::statement::{Transaction as T, TransactionModes};
use router_core::sqlstate::SqlState;

use super::Session;
use super::client::Taken;
use super::local::{complete, notice, too_much};
use super::step::{Note, Ready};
use super::transaction::{State, modes_text};
use crate::wire::encode::Report;

impl Session {
    pub(super) fn transaction_statement(
        &mut self,
        statement: &T,
        text: &str,
        ready: Ready,
    ) -> Taken {
        let open = self.transaction.is_open();
        let implicit = self.transaction.implicit;
        match statement {
            T::Begin(_) if open && !implicit && self.transaction.is_failed() => {
                self.reject(&self.aborted(), ready);
            }
            T::Begin(modes) if open && !implicit => self.begin_within(modes, text, ready),
            T::Begin(modes) => self.begin(modes, text, ready),
            // A link that has let go is of use again when it has answered.
            T::Commit { .. } | T::Rollback { .. } | T::RollbackTo(_) if self.lets_go() => {
                return Taken::Wait;
            }
            T::Commit { .. } if self.transaction.unheard.borrow().is_some() => {
                // A client that has seen no error would take the tag ROLLBACK for success.
                let report = self.transaction.unheard.take();
                self.finish_joined("ROLLBACK", Ready::Quiet);
                if self.script.is_some() {
                    self.transaction.begin(&TransactionModes::default(), true);
                }
                if let Some(report) = report {
                    self.reject(&report, ready);
                }
            }
            T::Commit { chain } => return self.end(true, *chain, ready),
            T::Rollback { chain } => return self.end(false, *chain, ready),
            T::Savepoint(_) | T::Release(_) | T::RollbackTo(_) if !open || implicit => {
                let what = match statement {
                    T::Savepoint(_) => "SAVEPOINT",
                    T::Release(_) => "RELEASE SAVEPOINT",
                    _ => "ROLLBACK TO SAVEPOINT",
                };
                self.reject(
                    &Report::error(
                        SqlState::new("25P01"),
                        format!("{what} can only be used in transaction blocks"),
                    ),
                    ready,
                );
            }
            T::RollbackTo(name) => self.go_back_to(name, text, ready),
            T::Savepoint(_) | T::Release(_) | T::Set(_) | T::SetConstraints
                if self.transaction.is_failed() =>
            {
                self.reject(&self.aborted(), ready);
            }
            T::Savepoint(name) => {
                self.transaction.save(name, self.uncommitted.len());
                self.mark(text, "SAVEPOINT", ready, Note(None));
            }
            T::Release(name) => {
                if !self.transaction.release(name) {
                    self.reject(&no_savepoint(name), ready);
                    return Taken::Discard;
                }
                self.mark(text, "RELEASE", ready, Note(None));
            }
            T::Set(_) | T::SetConstraints if !open => {
                let (word, tag) = match statement {
                    T::Set(_) => ("SET TRANSACTION", "SET"),
                    _ => ("SET CONSTRAINTS", "SET CONSTRAINTS"),
                };
                let mut bytes = notice(
                    "25P01",
                    &format!("{word} can only be used in transaction blocks"),
                );
                bytes.extend(complete(tag));
                self.say(bytes, ready);
            }
            T::Set(modes) if modes.read_only == Some(true) && self.commits_in_phases() => {
                self.reject(&too_late_to_read_only(), ready);
            }
            T::Set(modes) => self.characterize(modes, text, ready),
            T::SetConstraints => self.mark(text, "SET CONSTRAINTS", ready, Note(None)),
            T::Prepare(_) | T::CommitPrepared(_) | T::RollbackPrepared(_) | T::Lock(_) => {
                let report = Report::error(
                    SqlState::new("SH018"),
                    "statement cannot be carried out over shards",
                )
                .detail("It would have to hold on every shard, or on none.")
                .hint("Name one shard with SET shunt.shard.");
                self.reject(&report, ready);
            }
        }
        Taken::Discard
    }

    /// `BEGIN` where no block is open yet.
    fn begin(&mut self, modes: &TransactionModes, text: &str, ready: Ready) {
        let joined = self.links.iter().any(|link| link.joined);
        if !(self.transaction.implicit && joined) {
            self.transaction.begin(modes, false);
            self.join_touched();
            return self.say(complete(begin_tag(text)), ready);
        }
        if let Some(report) = too_late(modes) {
            return self.reject(&report, ready);
        }
        // What ran before in the same message becomes part of it, as in PostgreSQL.
        self.transaction.implicit = false;
        self.transaction.characterize(modes, false);
        self.transaction.begins_as(modes);
        let modes = modes_text(modes);
        if !modes.is_empty() {
            let set = format!("SET TRANSACTION{modes}");
            for slot in 0..self.links.len() {
                if self.links[slot].joined {
                    self.ask(slot, &set);
                }
            }
        }
        self.say(complete(begin_tag(text)), ready);
    }

    /// `COMMIT` and `ROLLBACK`.
    fn end(&mut self, commits: bool, chain: bool, ready: Ready) -> Taken {
        let (open, implicit) = (self.transaction.is_open(), self.transaction.implicit);
        let commit = commits && !self.transaction.is_failed();
        self.portals.clear();
        self.end_cursors(commit);
        let word = if commit { "COMMIT" } else { "ROLLBACK" };
        if commit && !self.may_commit() {
            return Taken::Wait;
        }
        if chain && (!open || implicit) {
            let text = format!("{word} AND CHAIN can only be used in transaction blocks");
            self.reject(&Report::error(SqlState::new("25P01"), text), ready);
            return Taken::Discard;
        }
        if !open || implicit {
            let mut bytes = notice("25P01", "there is no transaction in progress");
            if !implicit {
                bytes.extend(complete(word));
                self.say(bytes, ready);
                return Taken::Discard;
            }
            self.say(bytes, Ready::Silent);
        }
        let chained = chain.then(|| self.transaction.begin_again());
        let sent = if commit {
            self.commit_joined(Some(word), ready, chained)
        } else {
            let sent = self.finish_joined(word, ready);
            if chain {
                self.uncommitted.take();
            }
            self.transaction = chained.unwrap_or_default();
            sent
        };
        if !sent {
            self.settle(&[], !commit);
            self.say(complete(word), ready);
        }
        Taken::Discard
    }

    /// `ROLLBACK TO SAVEPOINT`.
    fn go_back_to(&mut self, name: &str, text: &str, ready: Ready) {
        let Some((changes, portals)) = self.transaction.back_to(name) else {
            return self.reject(&no_savepoint(name), ready);
        };
        self.transaction.state = State::Open;
        for link in &mut self.links {
            link.has_gone_back = false;
        }
        self.transaction.definitions.go_back();
        self.uncommitted.truncate(changes);
        self.drop_portals_since(portals);
        self.mark(text, "ROLLBACK", ready, Note(None));
    }

    /// `BEGIN` in a transaction: PostgreSQL warns, and lets the characteristics hold all the same.
    fn begin_within(&mut self, modes: &TransactionModes, text: &str, ready: Ready) {
        let characteristics = modes_text(modes);
        let first = !self.links.iter().any(|link| link.joined);
        if modes.read_only == Some(true) && self.commits_in_phases() {
            self.reject(&too_late_to_read_only(), ready);
        } else if characteristics.is_empty() || first {
            if !characteristics.is_empty() {
                let set = format!("SET TRANSACTION{characteristics}");
                if !self.transaction.begins_as(modes) && !self.transaction.remember(&set) {
                    return self.reject(&too_much(), ready);
                }
                self.transaction.characterize(modes, first);
            }
            let mut bytes = notice("25001", "there is already a transaction in progress");
            bytes.extend(complete(begin_tag(text)));
            self.say(bytes, ready);
        } else {
            self.transaction.characterize(modes, first);
            if self.transaction.begins_as(modes) {
                self.tell_joined(text, ready, Note(None));
            } else {
                self.mark(text, begin_tag(text), ready, Note(None));
            }
        }
    }

    /// `SET TRANSACTION`, or a setting that means the same.
    pub(super) fn characterize(&mut self, modes: &TransactionModes, text: &str, ready: Ready) {
        let first = !self.links.iter().any(|link| link.joined);
        self.transaction.characterize(modes, first);
        if !self.transaction.begins_as(modes) {
            self.mark(text, "SET", ready, Note(None));
        } else if !self.tell_joined(text, ready, Note(None)) {
            self.say(complete("SET"), ready);
        }
    }

    /// A statement about the transaction, for the shards that take part and those that will.
    pub(super) fn mark(&mut self, text: &str, tag: &str, ready: Ready, note: Note) {
        if !self.transaction.remember(text) {
            self.reject(&too_much(), ready);
        } else if !self.tell_joined(text, ready, note) {
            self.say(complete(tag), ready);
        }
    }
}

fn begin_tag(text: &str) -> &'static str {
    match text.trim_start().get(..5) {
        Some(word) if word.eq_ignore_ascii_case("start") => "START TRANSACTION",
        _ => "BEGIN",
    }
}

/// What PostgreSQL says of characteristics that a transaction cannot get behind a query: of a level, unless it is the one that
/// it has anyway.
fn too_late(modes: &TransactionModes) -> Option<Report> {
    let level = modes.isolation.as_deref();
    let what = match (level, modes.deferrable) {
        (Some(level), _) if !level.eq_ignore_ascii_case("read committed") => "ISOLATION LEVEL",
        (_, Some(_)) => "[NOT] DEFERRABLE",
        _ => return None,
    };
    Some(Report::error(
        SqlState::new("25001"),
        format!("SET TRANSACTION {what} must be called before any query"),
    ))
}

/// The commit of several shards writes a row of its own.
pub(super) fn too_late_to_read_only() -> Report {
    Report::error(
        SqlState::new("SH018"),
        "statement cannot be carried out over shards",
    )
    .detail("The transaction has written on several shards, and its commit writes one row more, which a read-only transaction may not.")
    .hint("Leave the transaction READ WRITE.")
}

pub(super) fn no_savepoint(name: &str) -> Report {
    Report::error(
        SqlState::new("3B001"),
        format!("savepoint \"{name}\" does not exist"),
    )
}
