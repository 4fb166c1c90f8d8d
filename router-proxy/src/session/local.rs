//! Statements that the session answers itself, or carries out over the links that have joined its transaction.

use router_core::plan::{Plan, Route, SessionStatement};
use router_core::sqlstate::SqlState;

use super::client::Taken;
use super::directives::{invalid, unrecognized};
use super::ends::too_late_to_read_only;
use super::goes_back::Hidden;
use super::outer::{self, Held};
use super::own_plans::{
    self, characteristics, noted_locally, own_route, reads_only_by_setting, stays,
};
use super::rewritten::Positions;
use super::route::Routed;
use super::settings::{self, Change};
use super::step::{Note, Noted, Own, Ready, Step};
use super::{Role, Session, acting, number};
use crate::exec::columns::Formats;
use crate::exec::program::Bound;
use crate::wire::encode::{Report, Severity};

pub(super) fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&((body.len() + 4) as u32).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

pub(super) fn complete(tag: &str) -> Vec<u8> {
    let mut body = tag.as_bytes().to_vec();
    body.push(0);
    frame(b'C', &body)
}

/// One column of type `text`.
pub(super) fn row_description(name: &str) -> Vec<u8> {
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

pub(super) fn rows<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<u8> {
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
        sent.is_ascii().then_some(sent)
    }

    /// What is sent in the place of `RESET` and `SET … TO DEFAULT` of one setting, and its tag where that is another: a server
    /// connection is everybody's, and would go back to the server's own.
    pub(super) fn back_to_initial(&self, plan: &Plan) -> Option<(String, Option<&'static str>)> {
        let Route::Session(session) = &plan.route else {
            return None;
        };
        let (name, tag) = match &**session {
            SessionStatement::Reset(name) => (name, Some("RESET")),
            SessionStatement::Set {
                local: false,
                name,
                values: None,
            } => (name, None),
            _ => return None,
        };
        let values = self.initial.get(name)?;
        // Half a style of dates would leave the other half as it is.
        let is_half = name == "datestyle" && !values.iter().any(|value| value.contains(','));
        let sent = settings::set(false, name, values);
        let goes = !self.environment.is_sharded() && sent.is_ascii() && !is_half && !stays(name);
        goes.then_some((sent, tag))
    }

    /// Whether the session carries a statement out over the links itself (sharded databases, and after a server was lost).
    pub(super) fn carries_out(&self, plan: &Plan) -> bool {
        match &plan.route {
            Route::Transaction(_) => self.environment.is_sharded() || self.transaction.is_open(),
            // Whatever the protocol prepared is the session's; what PREPARE did is the server's.
            Route::Session(session)
                if matches!(&**session, SessionStatement::Deallocate(Some(name))
                    if self.statements.has(name.as_bytes())) =>
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
                        | SessionStatement::Cursors { .. }
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
                if let Err(held) = self.server_says(plan, text, &[0, 0]) {
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

    pub(super) fn say(&mut self, bytes: Vec<u8>, ready: Ready) {
        self.owe(Step::Own(Own::Bytes(bytes)));
        if ready == Ready::Pass {
            self.end_message();
        }
    }

    pub(super) fn reject(&mut self, report: &Report, ready: Ready) {
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
        // These hold whatever becomes of a transaction, and so may be said in one that has failed.
        match session {
            SessionStatement::Set { name, values, .. } if name.starts_with("shunt.") => {
                let done = self.direct(name, values.as_deref());
                return self.answer_direction(done, "SET", ready);
            }
            SessionStatement::Reset(name) if name.starts_with("shunt.") => {
                let done = self.direct(name, None);
                return self.answer_direction(done, "RESET", ready);
            }
            SessionStatement::Show(name) => return self.show_directive(name, ready),
            _ => {}
        }
        if self.transaction.is_failed() || self.links.iter().any(|link| link.status() == b'E') {
            self.reject(&self.aborted(), ready);
            return Taken::Discard;
        }
        match session {
            SessionStatement::Prepare(name) => match self.prepares(plan, name, text) {
                Ok(()) => {
                    self.say(complete("PREPARE"), ready);
                    Taken::Discard
                }
                Err(held) => self.hold(held, ready),
            },
            SessionStatement::Numbered {
                alone: Some(column),
            } => self.number(column, ready),
            SessionStatement::Execute(_) | SessionStatement::Explain => {
                match self.carry_out(plan, text, Bound::simple(), ready) {
                    Ok(taken) => taken,
                    Err(held) => self.hold(held, ready),
                }
            }
            SessionStatement::Deallocate(name) => self.deallocate(name.as_deref(), ready),
            SessionStatement::Discard(what) => self.discard(what, ready),
            _ => self.set_in_transaction(plan, session, text, ready),
        }
    }

    /// Answers `SET shunt.…` and `RESET shunt.…`.
    fn answer_direction(&mut self, done: Result<(), Report>, tag: &str, ready: Ready) -> Taken {
        match done {
            Ok(()) => self.say(complete(tag), ready),
            Err(report) => self.reject(&report, ready),
        }
        Taken::Discard
    }

    /// `SHOW shunt.…`.
    fn show_directive(&mut self, name: &str, ready: Ready) -> Taken {
        let Some(value) = self.directives.show(name) else {
            self.reject(&unrecognized(name), ready);
            return Taken::Discard;
        };
        let mut bytes = match self.in_pipeline {
            true => Vec::new(),
            false => row_description(name),
        };
        bytes.extend(rows(std::iter::once(value)));
        bytes.extend(complete("SHOW"));
        self.say(bytes, ready);
        Taken::Discard
    }

    /// `SELECT shunt.next_id()` and nothing else.
    fn number(&mut self, column: &str, ready: Ready) -> Taken {
        match self.next_number() {
            Ok(made) => {
                let mut bytes = frame(b'T', &number::row_description(column));
                bytes.extend(frame(b'D', &number::row(made, &Formats::text())));
                bytes.extend(complete("SELECT 1"));
                self.say(bytes, ready);
            }
            Err(report) => self.reject(&report, ready),
        }
        Taken::Discard
    }

    /// `DEALLOCATE` of what the session has prepared; `None`: of all.
    fn deallocate(&mut self, name: Option<&str>, ready: Ready) -> Taken {
        let tag = match name {
            Some(name) if self.statements.remove(name.as_bytes()).is_none() => {
                let message = format!("prepared statement \"{name}\" does not exist");
                self.reject(&Report::error(SqlState::new("26000"), message), ready);
                return Taken::Discard;
            }
            Some(_) => "DEALLOCATE",
            None => {
                self.statements.clear();
                "DEALLOCATE ALL"
            }
        };
        self.say(complete(tag), ready);
        Taken::Discard
    }

    /// `DISCARD`, of the session and of each server that it has.
    fn discard(&mut self, what: &str, ready: Ready) -> Taken {
        let tag = format!("DISCARD {}", what.to_ascii_uppercase());
        if self.transaction.is_open() {
            let message = format!("{tag} cannot run inside a transaction block");
            self.reject(&Report::error(SqlState::new("25001"), message), ready);
            return Taken::Discard;
        }
        if self.links.iter().any(|link| link.touched) {
            // A query of the session's own would commit what the pipeline has done so far.
            let message = format!("{tag} cannot be executed within a pipeline");
            self.reject(&Report::error(SqlState::new("25001"), message), ready);
            return Taken::Discard;
        }
        let mut said = Vec::new();
        let all = what == "all";
        if matches!(what, "all" | "temp" | "temporary") {
            self.temporary = None;
        }
        if all {
            self.direct_as_initially();
            self.uncommitted.take();
            self.uncommitted.add([Change::DiscardAll]);
            self.statements.clear();
            self.cursors.clear();
            self.settings_on_server = false;
            self.drew_elsewhere = false;
            self.settle(&[], false);
            said = self.greets_again();
        }
        for slot in 0..self.links.len() {
            if self.links[slot].server.is_none() {
                continue;
            }
            self.ask(slot, &tag);
            let link = &mut self.links[slot];
            if matches!(what, "all" | "sequences") {
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
        said.extend(complete(&tag));
        self.say(said, ready);
        Taken::Discard
    }

    /// What sets something in a transaction: on every shard that takes part, and on those that will.
    fn set_in_transaction(
        &mut self,
        plan: &Plan,
        session: &SessionStatement,
        text: &str,
        ready: Ready,
    ) -> Taken {
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
        if self.transaction.is_open()
            && !self.transaction.implicit
            && let Some(modes) = reads_only_by_setting(session)
        {
            self.characterize(&modes, text, ready);
            return Taken::Discard;
        }
        if let Some(report) = acting::unlike_all(plan) {
            self.reject(&report, ready);
            return Taken::Discard;
        }
        if !self.links.iter().any(|link| link.joined) {
            let routed = Routed::anywhere(Role::Replica);
            if !self.ensure(&routed) {
                return Taken::Wait;
            }
        }
        let back = self.goes_back_to(plan);
        let worded = self.in_shards_words(plan, text, &back);
        let text = worded.as_deref().unwrap_or(text);
        if !self.transaction.remember(text) {
            self.reject(&too_much(), ready);
            return Taken::Discard;
        }
        if own_plans::resets_all(plan) {
            self.direct_as_initially();
        }
        self.transaction.sets_role |= acting::sets_role(session);
        let mut changes = changes_of(plan, session);
        let hidden: Hidden = (1..=back.len() as u32).collect();
        changes.extend(back);
        let noted = match changes.is_empty() {
            true => noted_locally(plan),
            false => Some(Noted::Settings(changes)),
        };
        let note = Note(noted.map(Box::new));
        self.sets = true;
        if worded.is_some() {
            self.note_rewritten(self.place(), Positions::Lost, hidden);
        }
        self.tell_joined(text, ready, note);
        Taken::Discard
    }

    /// Sends a statement to every shard that takes part in the transaction; whether there is any.
    pub(super) fn tell_joined(&mut self, text: &str, ready: Ready, note: Note) -> bool {
        self.group.clear();
        let joined = (0..self.links.len()).filter(|&slot| self.links[slot].joined);
        self.group.extend(joined);
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

    /// `RESET ALL`, `DISCARD ALL`: to PostgreSQL `shunt.…` are settings as any other of a prefix. As with `SET shunt.…` it holds from
    /// now on, whatever becomes of the transaction.
    pub(super) fn direct_as_initially(&mut self) {
        self.directives.clone_from(&self.initial_directives);
    }

    /// `SET shunt.…`; `None` resets.
    fn direct(&mut self, name: &str, values: Option<&[String]>) -> Result<(), Report> {
        match values {
            None => self.directives.reset(name, &self.initial_directives),
            Some([one]) => self.directives.set(&self.environment.topology, name, one),
            Some(_) => Err(invalid(name, "takes one value")),
        }
    }
}

/// What a statement changes of the session's settings, once it has been carried out.
fn changes_of(plan: &Plan, session: &SessionStatement) -> Vec<Change> {
    match session {
        SessionStatement::Set {
            local: false,
            name,
            values,
        } => vec![match values {
            Some(values) => Change::Set(name.clone(), values.clone()),
            None => Change::Reset(name.clone()),
        }],
        SessionStatement::Reset(name) if name == "all" => vec![Change::ResetAll],
        SessionStatement::Reset(name) => vec![Change::Reset(name.clone())],
        SessionStatement::SetCharacteristics(modes) => characteristics(modes),
        _ => acting::acts(plan).into_iter().collect(),
    }
}

pub(super) fn notice(state: &str, message: &str) -> Vec<u8> {
    Session::bytes_of(&Report {
        severity: Severity::Warning,
        ..Report::error(SqlState::new(state), message.to_owned())
    })
}

pub(super) fn too_much() -> Report {
    Report::error(
        SqlState::new("54000"),
        "transaction has too many settings and savepoints",
    )
    .detail("Each shard that joins the transaction later is told all of them.")
    .hint("End the transaction earlier.")
}
