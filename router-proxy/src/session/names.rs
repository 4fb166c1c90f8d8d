//! One space of names on an unsharded database.
//!
//! What a driver prepares (`Parse`) is on servers under a name made from its content, what SQL prepares (`PREPARE`) on one
//! server under the client's own. Here each finds the other: `EXECUTE` of what a driver prepared is sent with the server's name
//! for it, and a driver's messages about what SQL prepared go to the server as they are. Over shards the session keeps
//! both alike (`outer`).

use std::rc::Rc;
use std::sync::Arc;

use router_core::plan::{Effect, Plan, Planned, Route, SessionEffect, SessionStatement};
use router_core::sql::outer;

use super::Session;
use super::client::Taken;
use super::link::Parsing;
use super::outer::{Held, OWN, Whom, already_exists, other_columns, reserved, unknown};
use super::route::{Routed, UNREAD};
use super::statement::ClientStatement;
use super::step::{Noted, Step};
use super::undo::Undone;
use crate::exec::inquire::{Found, Question};
use crate::server::prepared::{Missing, Prepared, name_of};
use crate::wire::encode::Report;

/// Whether a statement of this kind may execute another by its name.
pub(super) fn is_about_another(kind: &str) -> bool {
    matches!(kind, "execute" | "explain" | "create table")
}

/// So many names are remembered that have gone to the server as they are; with more of them any may have.
const MOST_AS_IS: usize = 1000;

/// Where a text names a statement, and which.
type Named = (usize, usize, Rc<ClientStatement>);

impl Session {
    /// A message about a statement of this name that only the server has: prepared by SQL, or unread. `None`: it has none.
    pub(super) fn on_server(&mut self, name: &[u8], step: Step) -> Option<Taken> {
        match name.is_empty() {
            true => self.unnamed_unread.then(|| self.as_it_is(step)),
            false => self.by_sql_name(step),
        }
    }

    /// The same of a name that only SQL can have prepared.
    fn by_sql_name(&mut self, step: Step) -> Option<Taken> {
        let prepared = SessionEffect::PREPARED.bits;
        let prepares = |link: &super::Link| link.pinned & prepared != 0;
        if self.environment.is_sharded() || !self.links.iter().any(|link| prepares(link)) {
            return None;
        }
        Some(self.as_it_is(step))
    }

    fn as_it_is(&mut self, step: Step) -> Taken {
        if self.fails_in_pipeline() {
            return Taken::Discard;
        }
        if !self.ensure(&Routed::unread()) {
            return Taken::Wait;
        }
        self.touch();
        self.steps.push_back(step);
        Taken::Forward
    }

    /// A `Parse` while SQL has prepared statements, too: it goes as it is, and the server says what name is taken. Only of what
    /// need not be known when it is executed, but for names that have gone so before: there may be one of this name.
    pub(super) fn parse_by_sql_name(
        &mut self,
        name: &[u8],
        statement: &ClientStatement,
    ) -> Option<Taken> {
        let defines = SessionEffect::DEFINES.bits;
        let is_plain = statement.plan().is_some_and(|plan| {
            matches!(plan.effect, Effect::Read | Effect::Write)
                && statement.leaves() & defines == 0
                && statement.numbers.is_none()
        });
        let has_gone = self.gone_as_is.len() >= MOST_AS_IS
            || self.gone_as_is.iter().any(|gone| **gone == *name);
        if !is_plain && !has_gone {
            return None;
        }
        let place = self.place();
        let taken = self.by_sql_name(Step::Parse)?;
        if taken == Taken::Forward {
            let link = &mut self.links[self.group[0]];
            link.parsing.push_back((place, Parsing::ByClient));
            if !is_plain {
                link.pinned |= UNREAD;
                link.outlasting = true;
                self.settings_on_server = true;
            }
            if !has_gone {
                self.gone_as_is.push(name.into());
            }
        }
        Some(taken)
    }

    /// A name under which a server had what the session does not keep has been closed: what is prepared next by this name is the
    /// session's again.
    pub(super) fn is_free_again(&mut self, name: &[u8], place: u64) {
        let gone = self.gone_as_is.iter().position(|gone| **gone == *name);
        if let Some(at) = gone {
            let name = self.gone_as_is.swap_remove(at);
            // It is not, if an error in front has the `Close` passed over.
            self.remember_at(place, Undone::AsIs(name));
        }
    }

    /// The same by `DEALLOCATE`, once that has succeeded.
    pub(super) fn frees(&self, plan: &Plan) -> Option<Noted> {
        let Route::Session(session) = &plan.route else {
            return None;
        };
        let SessionStatement::Deallocate(Some(name)) = &**session else {
            return None;
        };
        let mut all = self.gone_as_is.iter();
        let has_gone = all.any(|gone| **gone == *name.as_bytes());
        has_gone.then(|| Noted::Freed(name.as_str().into()))
    }

    /// Why a statement of this kind does not reach what its name is on the server: `PREPARE` under a name that a driver has
    /// taken, or under the router's own; `EXECUTE` of what somebody else has prepared, by the router's own name for it.
    pub(super) fn is_out_of_reach(&self, kind: &str, text: &str) -> Option<Report> {
        let prepares = match kind {
            "prepare" => true,
            _ if is_about_another(kind) => false,
            _ => return None,
        };
        if self.environment.is_sharded() || self.links.iter().any(|link| link.status() == b'E') {
            return None;
        }
        if prepares {
            let name = outer::prepare_name(text, self.options())?;
            return match self.statements.has(name.as_bytes()) {
                true => Some(already_exists(&name)),
                false => name.starts_with(OWN).then(|| reserved(&name)),
            };
        }
        let (_, execute) = self.execute_in(kind, text)?;
        let name = execute.name;
        let strange = name.starts_with(OWN) && !self.statements.has(name.as_bytes());
        strange.then(|| unknown(&name))
    }

    /// The `EXECUTE` that a statement of this kind is or is about, and where it begins.
    fn execute_in(&self, kind: &str, text: &str) -> Option<(usize, outer::Execute)> {
        let at = match kind {
            "explain" => outer::explain(text, self.options())?.at as usize,
            _ => 0,
        };
        let made = outer::made_by(&text[at..], self.options());
        let (from, to) = made.map_or((at, text.len()), |made| {
            (at + made.start as usize, at + made.end as usize)
        });
        let execute = outer::execute(&text[from..to], self.options())?;
        Some((from, execute))
    }

    /// Where this statement executes one that the session keeps.
    pub(super) fn executes_named(&self, kind: &str, text: &str) -> Option<Named> {
        if !is_about_another(kind) {
            return None;
        }
        let (at, execute) = self.execute_in(kind, text)?;
        let statement = self.statements.get(execute.name.as_bytes())?;
        let (from, to) = (execute.at.start as usize, execute.at.end as usize);
        Some((at + from, at + to, Rc::clone(statement)))
    }

    /// What is sent in the place of a simple query that executes what a driver prepared: all of that is on the server at
    /// hand then. `None`: it goes as it is.
    pub(super) fn in_servers_names(
        &mut self,
        text: &str,
        statements: &[Planned],
    ) -> Result<Option<Rc<str>>, Held> {
        let found: Vec<Named> = statements
            .iter()
            .filter_map(|planned| {
                let (from, to, statement) =
                    self.executes_named(&planned.plan.kind, planned.span.of(text))?;
                let start = planned.span.start as usize;
                Some((start + from, start + to, statement))
            })
            .collect();
        if found.is_empty() {
            return Ok(None);
        }
        let found: Vec<Named> = found
            .into_iter()
            .map(|(from, to, statement)| (from, to, self.read_today(statement)))
            .collect();
        let mut sent = String::with_capacity(text.len() + 22 * found.len());
        let mut at = 0;
        for (from, to, statement) in &found {
            sent.push_str(&text[at..*from]);
            sent.push_str(&String::from_utf8_lossy(&statement.prepared.name()));
            at = *to;
        }
        sent.push_str(&text[at..]);
        if let [(_, _, statement)] = &found[..]
            && statements.len() == 1
        {
            self.outer.executes = Some(Rc::clone(statement));
        }
        self.executed = found.last().map(|(_, _, statement)| Rc::clone(statement));
        for (_, _, statement) in &found {
            if let Err(held) = self.put_on_server(statement) {
                if matches!(held, Held::Failed(_))
                    && let Some(server) = self.links.first_mut().and_then(|l| l.server.as_mut())
                {
                    for (_, _, statement) in &found {
                        server.doubtful |= !server.prepared.forget(statement.hash());
                    }
                }
                return Err(held);
            }
        }
        Ok(Some(sent.into()))
    }

    /// Prepares a statement on the only server, unless it is there.
    pub(super) fn put_on_server(&mut self, statement: &ClientStatement) -> Result<(), Held> {
        if self.outer.is_answered() {
            return match (self.found()?, statement.told()) {
                (Some(Found::Description(now)), Some(told)) if !now.has_columns_of(told) => {
                    Err(other_columns().into())
                }
                _ => Ok(()),
            };
        }
        if !self.steps.is_empty() {
            return Err(Held::Wait);
        }
        if self.links.first().is_some_and(|link| link.status() == b'E') {
            // Whatever is executed there now fails.
            return Ok(());
        }
        let routed = Routed::prepares(statement.plan());
        if !self.ensure(&routed) {
            return Err(Held::Wait);
        }
        let now = self.environment.catalog.changes();
        let by = self.settings_then(statement);
        let Some(server) = self.links[0].server.as_mut() else {
            return Err(Held::Wait);
        };
        let within = server.status != b'I';
        let prepared = &statement.prepared;
        let replaces = match server.prepared.need(prepared, statement.schema, now) {
            Missing::Nothing => return Ok(()),
            Missing::Parse(closed) => {
                // All of it is carried out, or the connection is not used any more.
                server.prepared.made_way(&closed);
                closed.into_iter().map(name_of).collect()
            }
        };
        let question = Question::Keep {
            name: prepared.name(),
            text: prepared.text.to_vec(),
            types: prepared.types.to_vec(),
            replaces,
            by,
            within,
            describes: prepared.is_shaped(),
        };
        self.inquire(question, Whom::any(), 0, false).map(|_| ())
    }

    /// [`Self::keep_reading`] of a statement, or of the one that it executes.
    pub(super) fn keep_readings(&mut self, statement: &ClientStatement) -> Result<(), Held> {
        if self.environment.is_sharded() {
            return Ok(());
        }
        let inner = match statement.plan() {
            Some(plan) => self.executes_named(&plan.kind, statement.text()),
            None => None,
        };
        match inner {
            Some((_, _, inner)) => self.keep_reading(&inner),
            None => self.keep_reading(statement),
        }
    }

    /// What a driver's `RESET` or `SET … TO DEFAULT` is on servers, where its client's startup packet said something else; any
    /// other statement as it is.
    pub(super) fn by_initial_value(&self, statement: Rc<ClientStatement>) -> Rc<ClientStatement> {
        if self.initial.is_empty() {
            return statement;
        }
        let said = statement.plan().and_then(|plan| {
            let local = self.with_initial_value(plan).map(|said| (said, None));
            local.or_else(|| self.back_to_initial(plan))
        });
        let derived = said.and_then(|(said, tag)| {
            let of = &statement.prepared;
            let prepared = Arc::new(Prepared::new(said.as_bytes(), &of.types, &of.reading));
            let name = statement.names().0;
            let mut derived = self.plan(name, prepared, statement.schema).ok()?;
            Rc::get_mut(&mut derived)?.tag = tag;
            Some(derived)
        });
        derived.unwrap_or(statement)
    }

    /// What a driver's `EXECUTE` of a statement that the session keeps is on servers, and that statement.
    pub(super) fn by_servers_name(
        &mut self,
        statement: &ClientStatement,
    ) -> Option<(Rc<ClientStatement>, Rc<ClientStatement>)> {
        if self.environment.is_sharded() {
            return None;
        }
        let text = statement.text();
        let (from, to, inner) = self.executes_named(&statement.plan()?.kind, text)?;
        let inner = self.read_today(inner);
        let name = inner.prepared.name();
        let bytes = text.as_bytes();
        let said = [&bytes[..from], &name, &bytes[to..]].concat();
        let prepared = Arc::new(Prepared::new(
            &said,
            &statement.prepared.types,
            &statement.prepared.reading,
        ));
        let derived = self.plan(statement.names().0, prepared, statement.schema);
        self.executed = Some(Rc::clone(&inner));
        Some((derived.ok()?, inner))
    }
}
