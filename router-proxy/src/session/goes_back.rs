//! Statements that mean something else to the session than to its server, in a message of the simple protocol.
//!
//! `RESET` goes back to what a session began with. A client's may have begun with settings in its startup packet; a server
//! connection is everybody's, and goes back to the server's own. So the client's are said behind it, in the same message: they
//! hold for what comes next, an error or a rollback undoes both, and nothing is reported that does not stay.
//!
//! `DEALLOCATE` of what the protocol has prepared: on servers that has another name, and others have it too. Something of the
//! client's own name is prepared in front of it, for it to take away.
//!
//! The tags of what is put in are for nobody.

use router_core::plan::{Plan, Planned, Route, SessionStatement};
use smallvec::SmallVec;

use super::local::frame;
use super::settings::{self, Change};
use super::step::{Note, Noted};
use super::{Session, own_plans};
use crate::wire::backend as b;

/// Which of a message's statements are not the client's, by their place.
pub(super) type Hidden = SmallVec<[u32; 2]>;

impl Session {
    /// What is sent in the place of a message with such statements, and which of its statements are not the client's.
    pub(super) fn in_servers_words(
        &self,
        text: &str,
        statements: &[Planned],
    ) -> Option<(String, Hidden)> {
        if self.environment.is_sharded() || self.initial.is_empty() && statements.len() == 1 {
            return None;
        }
        let mut hidden = Hidden::new();
        let mut sent = String::new();
        let (mut at, mut place) = (0, 0);
        for planned in statements {
            let (start, end) = (planned.span.start as usize, planned.span.end as usize);
            if statements.len() > 1
                && let Some(name) = self.deallocates(&planned.plan)
            {
                sent.push_str(&text[at..start]);
                let name = name.replace('"', "\"\"");
                sent.push_str(&format!("PREPARE \"{name}\" AS SELECT 1;"));
                at = start;
                hidden.push(place);
                place += 1;
            }
            place += 1;
            for change in self.goes_back_to(&planned.plan) {
                if let Change::Set(name, values) = &change {
                    sent.push_str(&text[at..end]);
                    sent.push(';');
                    sent.push_str(&settings::set(false, name, values));
                    at = end;
                    hidden.push(place);
                    place += 1;
                }
            }
        }
        sent.push_str(&text[at..]);
        (!hidden.is_empty()).then_some((sent, hidden))
    }

    /// What every shard of a transaction is told in the place of a statement by which the session goes back to what it began
    /// with. `back`: what of that is in its startup packet.
    pub(super) fn in_shards_words(
        &self,
        plan: &Plan,
        text: &str,
        back: &[Change],
    ) -> Option<String> {
        if back.is_empty() {
            return self.with_initial_value(plan);
        }
        let mut sent = text.to_owned();
        for change in back {
            if let Change::Set(name, values) = change {
                sent.push(';');
                sent.push_str(&settings::set(false, name, values));
            }
        }
        Some(sent)
    }

    /// What such a statement changes beyond what it says, if it was sent so.
    pub(super) fn noted_besides(&self, plan: &Plan, note: Note) -> Note {
        if self.outer.hidden.is_none() {
            return note;
        }
        if let Some(name) = self.deallocates(plan) {
            return Note(Some(Box::new(Noted::Forgotten(name.into()))));
        }
        let more = self.goes_back_to(plan);
        match note.0.map(|noted| *noted) {
            Some(Noted::Settings(mut changes)) => {
                changes.extend(more);
                Note(Some(Box::new(Noted::Settings(changes))))
            }
            noted => Note(noted.map(Box::new)),
        }
    }

    /// The settings of the startup packet to which a statement has the session go back.
    pub(super) fn goes_back_to(&self, plan: &Plan) -> Vec<Change> {
        if self.initial.is_empty() {
            return Vec::new();
        }
        let Some(Noted::Settings(changes)) = own_plans::noted(plan) else {
            return Vec::new();
        };
        let set = |(name, values): (&str, &[String])| Change::Set(name.to_owned(), values.to_vec());
        let back: Vec<Change> = match &changes[..] {
            [Change::Reset(name)] => {
                let values = self.initial.get(name);
                values
                    .map(|values| set((name, values)))
                    .into_iter()
                    .collect()
            }
            // It leaves those as they are that say who the session is.
            [Change::ResetAll] => {
                let all = self
                    .initial
                    .iter()
                    .filter(|(name, _)| !own_plans::stays(name));
                all.map(set).collect()
            }
            _ => Vec::new(),
        };
        match self.is_said_otherwise(&back) {
            true => Vec::new(),
            false => back,
        }
    }

    /// The statement of the protocol's that a statement takes away.
    fn deallocates<'p>(&self, plan: &'p Plan) -> Option<&'p str> {
        match &plan.route {
            Route::Session(session) => match &**session {
                SessionStatement::Deallocate(Some(name))
                    if self.statements.has(name.as_bytes()) =>
                {
                    Some(name)
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// What the client is told when all settings are as they were when it logged in, and servers do not say so to it.
    pub(super) fn greets_again(&mut self) -> Vec<u8> {
        let greeted = self.greeted.clone();
        let mut said = Vec::new();
        for (name, value) in greeted.iter() {
            if self.parameters.set(name, value) {
                let body = [name.as_bytes(), &[0], value.as_bytes(), &[0]].concat();
                said.extend(frame(b::PARAMETER_STATUS, &body));
            }
        }
        said
    }

    /// Tells the client which settings go back to those of its startup packet. The server reports only what changes there, and
    /// these it is told later, before the next statement. Whether there was anything to tell.
    pub(super) fn tell_what_goes_back(&mut self) -> bool {
        if self.initial.is_empty() || self.environment.is_sharded() {
            return false;
        }
        let greeted = self.greeted.clone();
        let mut told = false;
        for (name, value) in greeted.iter() {
            let setting = name.to_ascii_lowercase();
            if self.initial.get(&setting).is_some()
                && self.uncommitted.goes_back(&setting)
                && self.parameters.set(name, value)
            {
                let body = [name.as_bytes(), &[0], value.as_bytes(), &[0]].concat();
                self.say_after(b::PARAMETER_STATUS, &body);
                told = true;
            }
        }
        told
    }

    /// Whether a server's report is of a setting that has gone back to the server's own, where the session's goes back to that
    /// of its startup packet, and has it again before its next statement.
    pub(super) fn goes_back(&self, slot: usize, name: &str) -> bool {
        if self.initial.is_empty() || self.begins || self.links[slot].status() != b'I' {
            return false;
        }
        let name = name.to_ascii_lowercase();
        let under_way = match self.steps.front() {
            Some(super::Step::Query(_, note)) => note.goes_back(&name),
            _ => false,
        };
        self.initial.get(&name).is_some() && (under_way || self.uncommitted.goes_back(&name))
    }
}

/// Whether a setting is at its beginning after these changes.
pub(super) fn at_its_beginning(changes: &[Change], name: &str) -> bool {
    let last = changes.iter().rev().find_map(|change| match change {
        Change::Set(changed, _) if changed == name => Some(false),
        Change::Set(..) => None,
        Change::Reset(changed) if changed == name => Some(true),
        Change::Reset(_) => None,
        Change::ResetAll | Change::DiscardAll => Some(true),
    });
    last.unwrap_or(false)
}
