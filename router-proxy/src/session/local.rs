//! Statements that the session answers itself, or carries out over the links that have joined its transaction.

use std::fmt::Write as _;

use router_core::plan::resolve::Direction;
use router_core::plan::{Merge, Plan, Route, SessionEffect, SessionStatement};
use router_core::sql::statement::{Transaction as T, TransactionModes};
use router_core::sqlstate::SqlState;

use super::acting;
use super::client::Taken;
use super::commit::Traces;
use super::number;
use super::outer::{self, Held};
use super::route::{Routed, Shards};
use super::settings::{self, Change};
use super::step::{Note, Noted, Own, Ready, Step};
use super::transaction::{State, modes_text};
use super::{Role, Session};
use crate::catalog::Defining;
use crate::exec::columns::Formats;
use crate::exec::program::Bound;
use crate::wire::encode::{Report, Severity};

/// Whether a statement never reaches a server, on any database.
pub(super) fn own_route(plan: &Plan) -> bool {
    match &plan.route {
        Route::Explain(_) => true,
        Route::Session(session) => match &**session {
            SessionStatement::Set { name, .. } | SessionStatement::Reset(name) => {
                name.starts_with("shunt.")
            }
            SessionStatement::Show(_) => true,
            // On servers these are everybody's.
            SessionStatement::Deallocate(Some(name)) => name.starts_with(outer::OWN),
            SessionStatement::Numbered { alone } => alone.is_some(),
            _ => false,
        },
        _ => false,
    }
}

/// Why a message that is forwarded whole cannot contain this statement.
pub(super) fn own(plan: &Plan) -> Option<Report> {
    own_route(plan).then(|| {
        Report::error(
            SqlState::new("SH018"),
            "statement cannot be one of several in a message",
        )
        .detail("Settings and prepared statements whose names begin with \"shunt\", and EXPLAIN (SHUNT), are the router's own.")
        .hint("Send it in a message of its own.")
    })
}

/// The refusal that a plan is, if it is one.
pub(super) fn own_refusal(plan: &Plan) -> Option<Report> {
    match &plan.route {
        Route::Refused(refusal) => Some(Report::from(&**refusal)),
        _ => None,
    }
}

/// Whether a statement changes settings of the session.
pub(super) fn sets(plan: &Plan) -> bool {
    let Route::Session(session) = &plan.route else {
        return false;
    };
    matches!(
        &**session,
        SessionStatement::Set { .. }
            | SessionStatement::SetConfig(_)
            | SessionStatement::SetCharacteristics(_)
            | SessionStatement::Reset(_)
    ) && !own_route(plan)
}

/// Whether a statement ends a transaction.
pub(super) fn ends(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Transaction(statement)
        if matches!(**statement, T::Commit { .. } | T::Rollback { .. } | T::Prepare(_)))
}

/// Whether a statement decides about settings that were changed before in the same transaction, by now or later.
pub(super) fn decides(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Transaction(statement)
        if matches!(**statement, T::Savepoint(_) | T::Release(_) | T::RollbackTo(_)))
        || ends(plan)
}

/// Whether a statement prepares the transaction for a later commit.
pub(super) fn prepares(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Transaction(statement) if matches!(**statement, T::Prepare(_)))
}

/// Whether a statement changes settings, or decides about those that were changed.
pub(super) fn sets_or_decides(plan: &Plan) -> bool {
    sets(plan) || decides(plan) || noted(plan).is_some()
}

/// Whether a statement changes what sessions begin with.
pub(super) fn renews(plan: &Plan) -> bool {
    matches!(&*plan.kind, "alter role" | "alter user" | "alter database")
}

/// Settings that cannot be put in place elsewhere: who the session is, what its transaction is, and where its random numbers
/// begin.
pub(super) fn stays(name: &str) -> bool {
    matches!(name, "role" | "session_authorization" | "seed") || name.starts_with("transaction_")
}

/// Whether a statement ends a failed transaction, or its failure.
pub(super) fn leaves_failed(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Transaction(statement)
        if matches!(**statement, T::Commit { .. } | T::Rollback { .. } | T::RollbackTo(_) | T::Prepare(_)))
}

/// What changes in the session when a statement succeeds.
pub(super) fn noted(plan: &Plan) -> Option<Noted> {
    if let Route::Transaction(transaction) = &plan.route {
        return match &**transaction {
            T::Savepoint(name) => Some(Noted::Saved(name.as_str().into())),
            T::Release(name) => Some(Noted::Released(name.as_str().into())),
            T::RollbackTo(name) => Some(Noted::BackTo(name.as_str().into())),
            _ => None,
        };
    }
    let Route::Session(session) = &plan.route else {
        return None;
    };
    let change = match &**session {
        SessionStatement::Set { local: true, .. } => return None,
        SessionStatement::SetConfig(list) => return Some(Noted::Configured(list.clone())),
        SessionStatement::Set { name, .. } if stays(name) => return None,
        SessionStatement::Set { name, values, .. } => match values {
            Some(values) => Change::Set(name.clone(), values.clone()),
            None => Change::Reset(name.clone()),
        },
        SessionStatement::Reset(name) if name == "all" => Change::ResetAll,
        SessionStatement::Reset(name) => Change::Reset(name.clone()),
        SessionStatement::Discard(what) if what == "all" => Change::DiscardAll,
        SessionStatement::Deallocate(None) => return Some(Noted::Deallocated),
        SessionStatement::SetCharacteristics(modes) => {
            return Some(Noted::Settings(characteristics(modes)));
        }
        _ => return None,
    };
    Some(Noted::Settings(vec![change]))
}

/// What changes until the end of the transaction when a statement succeeds.
pub(super) fn noted_locally(plan: &Plan) -> Option<Noted> {
    let Route::Session(session) = &plan.route else {
        return None;
    };
    let SessionStatement::Set {
        local: true,
        name,
        values,
    } = &**session
    else {
        return None;
    };
    (!stays(name)).then(|| {
        Noted::Local(match values {
            Some(values) => Change::Set(name.clone(), values.clone()),
            None => Change::Reset(name.clone()),
        })
    })
}

/// `SET SESSION CHARACTERISTICS` as the settings it is.
fn characteristics(modes: &TransactionModes) -> Vec<Change> {
    let on = |on: bool| vec![if on { "on" } else { "off" }.to_owned()];
    let mut changes = Vec::new();
    if let Some(level) = &modes.isolation {
        let name = "default_transaction_isolation".to_owned();
        changes.push(Change::Set(name, vec![level.clone()]));
    }
    if let Some(read_only) = modes.read_only {
        let name = "default_transaction_read_only".to_owned();
        changes.push(Change::Set(name, on(read_only)));
    }
    if let Some(deferrable) = modes.deferrable {
        let name = "default_transaction_deferrable".to_owned();
        changes.push(Change::Set(name, on(deferrable)));
    }
    changes
}

/// `RowDescription` or `NoData` of a statement that the session answers.
pub(super) fn describe(plan: &Plan) -> Vec<u8> {
    match &plan.route {
        Route::Explain(_) => row_description("QUERY PLAN"),
        Route::Session(session) => match &**session {
            SessionStatement::Show(name) => row_description(name),
            SessionStatement::Numbered {
                alone: Some(column),
            } => frame(b'T', &number::row_description(column)),
            _ => vec![b'n', 0, 0, 0, 4],
        },
        _ => vec![b'n', 0, 0, 0, 4],
    }
}

fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&((body.len() + 4) as u32).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

fn complete(tag: &str) -> Vec<u8> {
    let mut body = tag.as_bytes().to_vec();
    body.push(0);
    frame(b'C', &body)
}

/// One column of type `text`.
fn row_description(name: &str) -> Vec<u8> {
    let mut body = vec![0, 1];
    body.extend(name.bytes().filter(|b| *b != 0));
    body.push(0);
    body.extend_from_slice(&0u32.to_be_bytes());
    body.extend_from_slice(&0u16.to_be_bytes());
    body.extend_from_slice(&25u32.to_be_bytes());
    body.extend_from_slice(&(-1i16).to_be_bytes());
    body.extend_from_slice(&(-1i32).to_be_bytes());
    body.extend_from_slice(&0u16.to_be_bytes());
    frame(b'T', &body)
}

fn rows<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        let mut body = vec![0, 1];
        body.extend_from_slice(&(line.len() as u32).to_be_bytes());
        body.extend_from_slice(line.as_bytes());
        bytes.extend(frame(b'D', &body));
    }
    bytes
}

impl Session {
    /// What is sent in the place of `SET LOCAL … TO DEFAULT`: to the server, the default is not what the session began with.
    pub(super) fn with_initial_value(&self, plan: &Plan) -> Option<String> {
        let Route::Session(session) = &plan.route else {
            return None;
        };
        let SessionStatement::Set {
            local: true,
            name,
            values: None,
        } = &**session
        else {
            return None;
        };
        let values = self.initial.get(name)?;
        let sent = settings::set(true, name, values);
        (!self.environment.is_sharded() && sent.is_ascii()).then_some(sent)
    }

    /// Whether the session carries a statement out over the links itself (sharded databases, and after a server was lost).
    pub(super) fn carries_out(&self, plan: &Plan) -> bool {
        match &plan.route {
            Route::Transaction(_) => self.environment.is_sharded() || self.transaction.is_open(),
            // Whatever the protocol prepared is the session's; what PREPARE did is the server's.
            Route::Session(session)
                if matches!(&**session, SessionStatement::Deallocate(Some(name))
                    if self.statements.contains_key(name.as_bytes())) =>
            {
                true
            }
            // They go to the shard of the cursor, and this one has rows.
            Route::Session(session)
                if matches!(
                    &**session,
                    SessionStatement::SetConfig(_)
                        | SessionStatement::Declare { .. }
                        | SessionStatement::Fetch(_)
                        | SessionStatement::Close(_)
                ) =>
            {
                false
            }
            Route::Session(session) => {
                self.environment.is_sharded()
                    && (self.transaction.is_open()
                        || matches!(
                            &**session,
                            SessionStatement::Discard(_)
                                | SessionStatement::Deallocate(_)
                                | SessionStatement::Prepare(_)
                                | SessionStatement::Execute(_)
                                | SessionStatement::Explain
                        ))
            }
            Route::Empty => true,
            _ => false,
        }
    }

    /// Answers or carries out what is the session's business. `None`: it is not.
    pub(super) fn local(&mut self, plan: &Plan, text: &str, ready: Ready) -> Option<Taken> {
        if !own_route(plan) && !self.carries_out(plan) {
            if let Route::Refused(refusal) = &plan.route {
                if let Err(held) = self.server_says(plan, text) {
                    return Some(self.hold(held, ready));
                }
                self.reject(&Report::from(&**refusal), ready);
                return Some(Taken::Discard);
            }
            if self.transaction.is_failed() {
                self.reject(&self.aborted(), ready);
                return Some(Taken::Discard);
            }
            return None;
        }
        match &plan.route {
            Route::Empty => self.say(vec![b'I', 0, 0, 0, 4], ready),
            Route::Explain(inner) => {
                let printed = if outer::carries_another(inner) {
                    match self.printed_execution(text) {
                        Ok(printed) => printed,
                        Err(held) => return Some(self.hold(held, ready)),
                    }
                } else {
                    inner.print(&self.environment.topology).to_string()
                };
                self.explain(&printed, ready);
            }
            Route::Session(session) => {
                return Some(self.session_statement(plan, session, text, ready));
            }
            Route::Transaction(transaction) => {
                return Some(self.transaction_statement(transaction, text, ready));
            }
            _ => return None,
        }
        Some(Taken::Discard)
    }

    /// Answers `EXPLAIN (SHUNT)` with a printed plan.
    pub(super) fn explain(&mut self, printed: &str, ready: Ready) {
        let mut bytes = match ready {
            // The extended protocol describes rows only when asked.
            Ready::Silent if self.in_pipeline => Vec::new(),
            _ => row_description("QUERY PLAN"),
        };
        bytes.extend(rows(printed.lines()));
        bytes.extend(complete("EXPLAIN"));
        self.say(bytes, ready);
    }

    /// A statement does not go on.
    pub(super) fn hold(&mut self, held: Held, ready: Ready) -> Taken {
        match held {
            Held::Wait => return Taken::Wait,
            Held::Failed(error) if self.in_pipeline => self.fail_pipeline_with(error),
            Held::Failed(error) => {
                self.transaction.fail();
                match ready {
                    Ready::Pass => self.answer_failure(error),
                    _ => self.say(error, ready),
                }
            }
        }
        Taken::Discard
    }

    fn say(&mut self, bytes: Vec<u8>, ready: Ready) {
        self.owe(Step::Own(Own::Bytes(bytes)));
        if ready == Ready::Pass {
            self.end_message();
        }
    }

    fn reject(&mut self, report: &Report, ready: Ready) {
        if self.in_pipeline {
            self.fail_pipeline(report);
            return;
        }
        if ready == Ready::Pass {
            self.refuse(report);
            return;
        }
        self.transaction.fail();
        self.say(Self::bytes_of(report), ready);
    }

    fn session_statement(
        &mut self,
        plan: &Plan,
        session: &SessionStatement,
        text: &str,
        ready: Ready,
    ) -> Taken {
        match session {
            SessionStatement::Set { name, values, .. } if name.starts_with("shunt.") => {
                match self.direct(name, values.as_deref()) {
                    Ok(()) => self.say(complete("SET"), ready),
                    Err(report) => self.reject(&report, ready),
                }
                return Taken::Discard;
            }
            SessionStatement::Reset(name) if name.starts_with("shunt.") => {
                match self.direct(name, None) {
                    Ok(()) => self.say(complete("RESET"), ready),
                    Err(report) => self.reject(&report, ready),
                }
                return Taken::Discard;
            }
            SessionStatement::Show(name) => {
                match self.directive(name) {
                    Some(value) => {
                        let mut bytes = if self.in_pipeline {
                            Vec::new()
                        } else {
                            row_description(name)
                        };
                        bytes.extend(rows(std::iter::once(value.as_str())));
                        bytes.extend(complete("SHOW"));
                        self.say(bytes, ready);
                    }
                    None => self.reject(&unrecognized(name), ready),
                }
                return Taken::Discard;
            }
            _ => {}
        }
        if self.transaction.is_failed() || self.links.iter().any(|link| link.status() == b'E') {
            self.reject(&self.aborted(), ready);
            return Taken::Discard;
        }
        match session {
            SessionStatement::Prepare(name) => {
                return match self.prepares(plan, name, text) {
                    Ok(()) => {
                        self.say(complete("PREPARE"), ready);
                        Taken::Discard
                    }
                    Err(held) => self.hold(held, ready),
                };
            }
            SessionStatement::Numbered {
                alone: Some(column),
            } => {
                match self.next_number() {
                    Ok(made) => {
                        let mut bytes = frame(b'T', &number::row_description(column));
                        bytes.extend(frame(b'D', &number::row(made, &Formats::text())));
                        bytes.extend(complete("SELECT 1"));
                        self.say(bytes, ready);
                    }
                    Err(report) => self.reject(&report, ready),
                }
                return Taken::Discard;
            }
            SessionStatement::Execute(_) | SessionStatement::Explain => {
                return match self.carry_out(plan, text, Bound::simple(), ready) {
                    Ok(taken) => taken,
                    Err(held) => self.hold(held, ready),
                };
            }
            _ => {}
        }
        if let SessionStatement::Deallocate(name) = session {
            match name {
                Some(name) => {
                    if self.statements.remove(name.as_bytes()).is_none() {
                        let message = format!("prepared statement \"{name}\" does not exist");
                        self.reject(&Report::error(SqlState::new("26000"), message), ready);
                        return Taken::Discard;
                    }
                }
                None => self.statements.clear(),
            }
            let tag = if name.is_some() {
                "DEALLOCATE"
            } else {
                "DEALLOCATE ALL"
            };
            self.say(complete(tag), ready);
            return Taken::Discard;
        }
        if let SessionStatement::Discard(what) = session {
            if self.transaction.is_open() {
                let word = what.to_ascii_uppercase();
                self.reject(
                    &Report::error(
                        SqlState::new("25001"),
                        format!("DISCARD {word} cannot run inside a transaction block"),
                    ),
                    ready,
                );
                return Taken::Discard;
            }
            let all = what == "all";
            if matches!(&**what, "all" | "temp" | "temporary") {
                self.temporary = None;
            }
            if all {
                self.uncommitted.take();
                self.uncommitted.add([Change::DiscardAll]);
                self.statements.clear();
                self.settings_on_server = false;
                self.drew_elsewhere = false;
                self.settle(&[], false);
            }
            for slot in 0..self.links.len() {
                if self.links[slot].server.is_some() {
                    self.ask(slot, &format!("DISCARD {}", what.to_ascii_uppercase()));
                    let link = &mut self.links[slot];
                    if matches!(&**what, "all" | "sequences") {
                        link.drew = false;
                        if let Some(server) = link.server.as_mut() {
                            server.sequences = false;
                        }
                    }
                    if all {
                        link.pinned = 0;
                        if let Some(server) = link.server.as_mut() {
                            server.settings = Default::default();
                            server.prepared.clear();
                        }
                    }
                }
            }
            self.say(
                complete(&format!("DISCARD {}", what.to_ascii_uppercase())),
                ready,
            );
            return Taken::Discard;
        }
        if let SessionStatement::Set {
            name,
            values: Some(_),
            ..
        } = session
            && name == "transaction_read_only"
            && self.commits_in_phases()
        {
            self.reject(&too_late_to_read_only(), ready);
            return Taken::Discard;
        }
        if let Some(report) = acting::unlike_all(plan) {
            self.reject(&report, ready);
            return Taken::Discard;
        }
        // In a transaction: on every shard that takes part, and on those that will.
        if !self.links.iter().any(|link| link.joined) {
            let routed = Routed {
                shards: Shards::Any,
                role: Role::Replica,
                writes: false,
                leaves: 0,
                schema: false,
                temporary: false,
                defines: false,
                begins_read_only: false,
                unpreparable: false,
                clock: Default::default(),
            };
            if !self.ensure(&routed) {
                return Taken::Wait;
            }
        }
        if !self.transaction.remember(text) {
            self.reject(&too_much(), ready);
            return Taken::Discard;
        }
        let noted = match session {
            SessionStatement::Set {
                local: false,
                name,
                values,
            } => Some(match values {
                Some(values) => Change::Set(name.clone(), values.clone()),
                None => Change::Reset(name.clone()),
            }),
            SessionStatement::Reset(name) if name == "all" => Some(Change::ResetAll),
            SessionStatement::Reset(name) => Some(Change::Reset(name.clone())),
            _ => acting::acts(plan),
        };
        self.transaction.sets_role |= acting::sets_role(session);
        let noted = noted
            .map(|change| Noted::Settings(vec![change]))
            .or_else(|| noted_locally(plan));
        let note = Note(noted.map(Box::new));
        self.sets = true;
        self.tell_joined(text, ready, note);
        Taken::Discard
    }

    /// Sends a statement to every shard that takes part in the transaction; whether there is any.
    pub(super) fn tell_joined(&mut self, text: &str, ready: Ready, note: Note) -> bool {
        self.group = (0..self.links.len())
            .filter(|&slot| self.links[slot].joined)
            .collect();
        self.group.sort_by_key(|&slot| self.links[slot].shard);
        self.turn = 0;
        if self.group.is_empty() {
            return false;
        }
        for i in 0..self.group.len() {
            let slot = self.group[i];
            self.links[slot].out.frame(b'Q', &[text.as_bytes(), &[0]]);
            self.links[slot].touched = false;
        }
        self.steps.push_back(Step::Query(ready, note));
        true
    }

    /// Ends the transaction on every shard that takes part. Whether there is any.
    pub(super) fn finish_joined(&mut self, word: &str, ready: Ready) -> bool {
        let undone = word != "COMMIT" || self.transaction.is_failed();
        self.transaction.end();
        let sent = self.tell_joined(word, ready, Note(None));
        self.leave_links();
        if !sent || undone {
            self.settle(&[], undone);
        }
        sent
    }

    fn transaction_statement(&mut self, statement: &T, text: &str, ready: Ready) -> Taken {
        let open = self.transaction.is_open();
        let implicit = self.transaction.implicit;
        match statement {
            T::Begin(modes) => {
                if open && !implicit {
                    if self.transaction.is_failed() {
                        self.reject(&self.aborted(), ready);
                        return Taken::Discard;
                    }
                    let mut bytes = notice("25001", "there is already a transaction in progress");
                    bytes.extend(complete("BEGIN"));
                    self.say(bytes, ready);
                    return Taken::Discard;
                }
                if implicit && self.links.iter().any(|link| link.joined) {
                    // What ran before in the same message becomes part of it, as in PostgreSQL.
                    self.transaction.implicit = false;
                    let modes = modes_text(modes);
                    if !modes.is_empty() {
                        let set = format!("SET TRANSACTION{modes}");
                        self.transaction.remember(&set);
                        for slot in 0..self.links.len() {
                            if self.links[slot].joined {
                                self.ask(slot, &set);
                            }
                        }
                    }
                } else {
                    self.transaction.begin(modes, false);
                    self.join_touched();
                }
                let tag = if text
                    .trim_start()
                    .get(..5)
                    .is_some_and(|w| w.eq_ignore_ascii_case("start"))
                {
                    "START TRANSACTION"
                } else {
                    "BEGIN"
                };
                self.say(complete(tag), ready);
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
            T::Commit { chain } | T::Rollback { chain } => {
                self.portals.clear();
                self.cursors.retain(|cursor| cursor.hold);
                let commit = matches!(statement, T::Commit { .. }) && !self.transaction.is_failed();
                let word = if commit { "COMMIT" } else { "ROLLBACK" };
                if commit && !self.may_commit() {
                    return Taken::Wait;
                }
                if *chain && (!open || implicit) {
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
                    if *chain {
                        self.uncommitted.take();
                    }
                    self.transaction = chained.unwrap_or_default();
                    sent
                };
                if !sent {
                    self.settle(&[], !commit);
                    self.say(complete(word), ready);
                }
            }
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
            T::RollbackTo(name) => {
                let Some((changes, portals)) = self.transaction.back_to(name) else {
                    self.reject(&no_savepoint(name), ready);
                    return Taken::Discard;
                };
                self.transaction.state = State::Open;
                self.transaction.definitions.go_back();
                self.uncommitted.truncate(changes);
                self.drop_portals_since(portals);
                self.mark(text, "ROLLBACK", ready, Note(None));
            }
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
            T::Set(modes) => {
                let first = !self.links.iter().any(|link| link.joined);
                self.transaction.characterize(modes, first);
                self.mark(text, "SET", ready, Note(None));
            }
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

    /// A statement about the transaction, for the shards that take part and those that will.
    fn mark(&mut self, text: &str, tag: &str, ready: Ready, note: Note) {
        if !self.transaction.remember(text) {
            self.reject(&too_much(), ready);
        } else if !self.tell_joined(text, ready, note) {
            self.say(complete(tag), ready);
        }
    }

    /// `SET shunt.…`; `None` resets.
    fn direct(&mut self, name: &str, values: Option<&[String]>) -> Result<(), Report> {
        let value = match values {
            None => None,
            Some([one]) => Some(one.as_str()),
            Some(_) => return Err(invalid(name, "takes one value")),
        };
        match name {
            "shunt.route" => {
                self.directives.replica = match value {
                    None | Some("primary") => false,
                    Some("replica") => true,
                    Some(_) => return Err(invalid(name, "is 'primary' or 'replica'")),
                };
            }
            "shunt.shard" => {
                let shards = &self.environment.topology.shards;
                if let Some(shard) = value.filter(|shard| !shard.is_empty())
                    && !shards.iter().any(|known| known.name == shard)
                {
                    let mut names = String::new();
                    for known in shards {
                        let _ = write!(names, " {}", known.name);
                    }
                    return Err(invalid(name, &format!("is one of:{names}")));
                }
                self.directives.shard = value.filter(|shard| !shard.is_empty()).map(str::to_owned);
            }
            "shunt.key" => self.directives.key = value.map(str::to_owned),
            _ => return Err(unrecognized(name)),
        }
        Ok(())
    }

    fn directive(&self, name: &str) -> Option<String> {
        match name {
            "shunt.route" => Some(
                if self.directives.replica {
                    "replica"
                } else {
                    "primary"
                }
                .to_owned(),
            ),
            "shunt.shard" => Some(self.directives.shard.clone().unwrap_or_default()),
            "shunt.key" => Some(self.directives.key.clone().unwrap_or_default()),
            _ => None,
        }
    }

    /// Whether what a statement is about to do is allowed over several shards.
    pub(super) fn permitted(&self, routed: &Routed, plan: &Plan) -> Result<(), Box<Report>> {
        self.may_recall(routed.leaves)?;
        if !self.environment.is_sharded() {
            return Ok(());
        }
        if self.transaction.is_failed() {
            return Err(Box::new(self.aborted()));
        }
        self.keeps_time(plan, true)?;
        if let Route::Session(session) = &plan.route
            && let SessionStatement::Fetch(name) = &**session
            && self.is_spread_portal(name)
        {
            return Err(Box::new(
                Report::error(
                    SqlState::new("SH018"),
                    "statement cannot be carried out over shards",
                )
                .detail(format!(
                    "\"{name}\" is a portal of the protocol whose rows come from several shards."
                ))
                .hint("DECLARE a cursor, or read the portal with Execute."),
            ));
        }
        if let Some(report) = acting::unlike_all(plan) {
            return Err(Box::new(report));
        }
        let configures = matches!(&plan.route, Route::Session(session)
            if matches!(**session, SessionStatement::SetConfig(_)));
        if configures && self.links.iter().filter(|link| link.joined).count() > 1 {
            return Err(Box::new(
                Report::error(
                    SqlState::new("SH018"),
                    "statement cannot be carried out over shards",
                )
                .detail("set_config would answer once for each shard that takes part in the transaction.")
                .hint("Use SET or SET LOCAL."),
            ));
        }
        if self.schema_directed && self.directives.direction() == Direction::None {
            return Err(Box::new(
                Report::error(
                    SqlState::new("SH018"),
                    "statement follows a change of one shard's schema in the same transaction",
                )
                .detail("What was changed with SET shunt.shard is known to the router only after the commit.")
                .hint("End the transaction first."),
            ));
        }
        let Shards::These(shards) = &routed.shards else {
            return Ok(());
        };
        if shards.len() > 1 && plan.kind == "copy" {
            return Err(Box::new(
                Report::error(
                    SqlState::new("SH003"),
                    "answer needs merging over several shards",
                )
                .detail("COPY reaches over several shards.")
                .hint("Copy from each shard with SET shunt.shard, or add the sharding key."),
            ));
        }
        // These have answers of their own, which more than forwarding makes.
        let in_steps = match &plan.route {
            Route::Split(_) => true,
            Route::Scatter { merge, .. } => *merge != Merge::Concatenate,
            _ => false,
        };
        if shards.len() > 1 && in_steps {
            return Err(Box::new(
                Report::error(SqlState::new("SH025"), "write reaches over several shards")
                    .detail("The statement cannot be carried out on several shards in this way.")
                    .hint("Send it as a simple query, or by a statement for each shard, in one transaction."),
            ));
        }
        Ok(())
    }

    /// Takes note of a change of the schema, and of what of it others' statements may set off.
    pub(super) fn changes_schema(&mut self, leaves: u16) {
        let catalog = &self.environment.catalog;
        let defines = leaves & SessionEffect::DEFINES.bits != 0;
        if defines && self.defining.is_none() {
            self.defining = Some(Defining::begin(catalog));
        }
        if self.environment.is_sharded() {
            self.schema_changed = true;
            self.schema_unseen = true;
            self.schema_directed |= self.directives.direction() != Direction::None;
        } else {
            // At once, for what this transaction prepares next; and at its end, for everybody.
            catalog.handle_unplanned_change();
            self.schema_unplanned.get_or_insert(catalog.wanted());
            self.schema_adds |= leaves & SessionEffect::ADDS.bits != 0;
            self.schema_changed |= defines;
        }
    }

    /// The transaction that may have changed the schema of the only server has ended.
    pub(super) fn end_unplanned_change(&mut self) {
        let Some(before) = self.schema_unplanned.take() else {
            return;
        };
        let catalog = &self.environment.catalog;
        catalog.handle_unplanned_change();
        // What it names may have been defined while it waited for a lock: it was planned without knowing of that.
        self.schema_changed |= catalog.wanted() != before;
        if std::mem::take(&mut self.schema_adds) {
            catalog.handle_addition();
        }
    }

    /// Takes note of a shard that is written in a transaction.
    pub(super) fn wrote(&mut self, routed: &Routed) {
        // What is defined while the catalog is out of date was planned without it (see `is_about_to_plan`), though it may run
        // what was defined just before.
        let unseen =
            routed.schema && !self.environment.is_sharded() && self.environment.catalog.is_stale();
        if unseen {
            for i in 0..self.group.len() {
                let unknown = SessionEffect::DEFINES.union(SessionEffect::UNKNOWN);
                self.leave(self.group[i], unknown.bits);
            }
        }
        let mut leaves = routed.leaves;
        if unseen {
            leaves |= SessionEffect::DEFINES.bits;
        }
        if routed.schema || leaves & SessionEffect::DEFINES.bits != 0 {
            self.changes_schema(leaves);
        }
        if routed.temporary && self.environment.is_sharded() {
            self.changes_temporary();
        }
        if routed.defines {
            let group = self.group.clone();
            self.defines(routed.defines, &group);
        }
        self.stores_time(routed.clock, true, routed.writes);
        let traces = Traces {
            wrote: routed.writes || routed.unpreparable,
            unpreparable: routed.unpreparable,
        };
        for i in 0..self.group.len() {
            self.leaves_traces(self.group[i], traces);
        }
    }
}

fn notice(state: &str, message: &str) -> Vec<u8> {
    Session::bytes_of(&Report {
        severity: Severity::Warning,
        ..Report::error(SqlState::new(state), message.to_owned())
    })
}

/// The commit of several shards writes a row of its own.
fn too_late_to_read_only() -> Report {
    Report::error(
        SqlState::new("SH018"),
        "statement cannot be carried out over shards",
    )
    .detail("The transaction has written on several shards, and its commit writes one row more, which a read-only transaction may not.")
    .hint("Leave the transaction READ WRITE.")
}

fn no_savepoint(name: &str) -> Report {
    Report::error(
        SqlState::new("3B001"),
        format!("savepoint \"{name}\" does not exist"),
    )
}

fn too_much() -> Report {
    Report::error(
        SqlState::new("54000"),
        "transaction has too many settings and savepoints",
    )
    .detail("Each shard that joins the transaction later is told all of them.")
    .hint("End the transaction earlier.")
}

fn invalid(name: &str, rule: &str) -> Report {
    Report::error(SqlState::new("SH019"), "directive is not valid")
        .detail(format!("{name} {rule}."))
        .hint("See the list of directives in the documentation.")
}

fn unrecognized(name: &str) -> Report {
    Report::error(
        SqlState::new("42704"),
        format!("unrecognized configuration parameter \"{name}\""),
    )
    .hint("The router's own settings are shunt.route, shunt.shard and shunt.key.")
}
