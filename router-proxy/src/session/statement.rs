//! Prepared statements of the client.
//!
//! A client's named statements belong to its session: text, types, plan. On
//! whichever server an execution lands, the statement is prepared under a name
//! made from its content, ahead of the `Bind` in the same write.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use router_core::plan::{Analysis, Param, Plan, Planned, Refusal, Route, SessionEffect};
use router_core::sqlstate::SqlState;

use super::client::Taken;
use super::link::Parsing;
use super::number::Numbers;
use super::outer::Held;
use super::route::{self, UNREAD};
use super::step::Step;
use super::undo::Undone;
use super::{Session, own_plans};
use crate::exec::describe::Description;
use crate::server::prepared::{Missing, Prepared, Reading, name_of};
use crate::server::state::Parameters;
use crate::wire::encode::Report;
use crate::wire::frontend as f;

/// A prepared statement of a client.
#[derive(Debug)]
pub(super) struct ClientStatement {
    /// What the client calls it.
    pub(super) name: Box<[u8]>,
    pub(super) prepared: Arc<Prepared>,
    /// What it was planned into; `None` when nobody could read it.
    pub(super) planned: Option<(Analysis, Planned)>,
    /// The fingerprint of the catalog that it was planned with.
    pub(super) catalog: u64,
    /// What its client had been told of its settings when it prepared it.
    pub(super) parameters: Parameters,
    /// Changes of the schema that were known of when the client prepared it.
    pub(super) schema: u64,
    /// Which of its parameters are numbers of the proxy's own; `None`: none is.
    pub(super) numbers: Option<Numbers>,
    /// What PostgreSQL says about it, where that has to be known.
    pub(super) description: Rc<OnceCell<Description>>,
    /// What it said first, before something was defined: rows of other columns are not what was prepared.
    pub(super) promised: Option<Rc<OnceCell<Description>>>,
    /// Something was defined since it was promised that: whether it still holds is not known.
    pub(super) redefined: bool,
    /// The tag of what its client has said, where this one has another.
    pub(super) tag: Option<&'static str>,
}

impl ClientStatement {
    /// What tells it from others on servers.
    pub(super) fn hash(&self) -> u64 {
        self.prepared.hash
    }

    /// What the client calls it, and what servers call it.
    pub(super) fn names(&self) -> (&[u8], [u8; 22]) {
        (&self.name, self.prepared.name())
    }

    /// What its client was told about it.
    pub(super) fn told(&self) -> Option<&Description> {
        let promised = self.promised.as_ref().and_then(|told| told.get());
        promised.or_else(|| self.description.get())
    }

    pub(super) fn plan(&self) -> Option<&Plan> {
        self.planned.as_ref().map(|(_, planned)| &*planned.plan)
    }

    pub(super) fn leaves(&self) -> u16 {
        self.plan().map_or(UNREAD, route::leaves)
    }

    /// Why it is not carried out.
    pub(super) fn refusal(&self) -> Option<&Refusal> {
        match &self.plan()?.route {
            Route::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether it names a relation that the catalog did not have.
    pub(super) fn names_unknown(&self) -> bool {
        self.planned
            .as_ref()
            .is_some_and(|(_, planned)| planned.unknown)
    }

    /// A parameter by its value in a `Bind`.
    pub(super) fn param<'a>(&self, at: usize, value: &f::BoundValue<'a>) -> Param<'a> {
        let declared = || {
            let types = self.prepared.types.get(2 + 4 * at..6 + 4 * at)?;
            Some(u32::from_be_bytes(types.try_into().ok()?))
        };
        Param {
            oid: match self.description.get() {
                Some(description) => description.type_of(at),
                None => declared().unwrap_or(0),
            },
            binary: value.binary,
            value: value.bytes,
        }
    }

    pub(super) fn text(&self) -> &str {
        self.prepared.text.as_str().unwrap_or("")
    }
}

impl Session {
    /// By what a text is read that is prepared now. What the clock has a say in, or settings that are not known, is read
    /// otherwise the next time that the same text is prepared.
    pub(super) fn reading_of(&self, text: &[u8]) -> Arc<Reading> {
        let is_moment = match std::str::from_utf8(text) {
            Ok(text) => router_core::plan::moment::is_said(text, self.options()),
            Err(_) => true,
        };
        match is_moment || self.sets_elsewhere() {
            true => Arc::new(Reading::own()),
            false => Arc::clone(&self.reading),
        }
    }

    /// Whether a statement that is parsed again now is read as it was then.
    pub(super) fn reads_the_same(&self, prepared: &Prepared) -> bool {
        Arc::ptr_eq(&prepared.reading, &self.reading) && !self.sets_elsewhere()
    }

    /// Whether other settings may be in force on servers than the session knows.
    pub(super) fn sets_elsewhere(&self) -> bool {
        let unknown = SessionEffect::SETTING.bits | SessionEffect::UNKNOWN.bits | UNREAD;
        self.sets
            || self.settings_on_server
            || self.links.iter().any(|link| link.pinned & unknown != 0)
    }

    /// A statement that was prepared by other settings than those in force. Where the servers at hand have it, it is there as
    /// it was read. Elsewhere it is prepared anew, which PostgreSQL itself does by today's settings when a plan has become
    /// invalid; but nobody else who means the same by the text may take it for theirs.
    pub(super) fn read_today(&mut self, statement: Rc<ClientStatement>) -> Rc<ClientStatement> {
        let prepared = &statement.prepared;
        let reading = &prepared.reading;
        if reading.is_own() || reading.is(&self.reading) && !self.sets_elsewhere() {
            return statement;
        }
        let has = |slot: &usize| {
            let server = self.links.get(*slot).and_then(|link| link.server.as_ref());
            server.is_some_and(|server| server.prepared.has(prepared, statement.schema))
        };
        if !self.group.is_empty() && self.group.iter().all(has) {
            return statement;
        }
        // See `keep_reading`.
        if !self.settings_then(&statement).is_empty() {
            return statement;
        }
        let own = Arc::new(Reading::own());
        let shape = statement.told().map_or(0, Description::shape);
        let own = Arc::new(Prepared::shaped(
            &prepared.text,
            &prepared.types,
            &own,
            shape,
        ));
        let Ok(planned) = self.plan_as(&statement, own) else {
            return statement;
        };
        let known = self.statements.get(&statement.name);
        if known.is_some_and(|known| Rc::ptr_eq(known, &statement)) {
            self.statements.replace(&statement.name, &planned);
        }
        planned
    }

    /// The only server has described a statement to its client, who goes by that from now on: by these types of its parameters it is
    /// prepared on other connections, where a table may have changed since, and its rows have to be of these columns.
    pub(super) fn described_to_client(
        &mut self,
        statement: &Rc<ClientStatement>,
        description: Description,
    ) {
        let prepared = &statement.prepared;
        let known = self.statements.get(&statement.name);
        let is_kept = known.is_some_and(|known| Rc::ptr_eq(known, statement));
        let is_derived = statement.numbers.is_some() || prepared.is_shaped();
        if self.environment.is_sharded() || !is_kept || is_derived {
            return;
        }
        let shaped = Prepared::shaped(
            &prepared.text,
            &description.types,
            &prepared.reading,
            description.shape(),
        );
        if let Ok(planned) = self.plan_as(statement, Arc::new(shaped)) {
            let _ = planned.description.set(description);
            self.statements.replace(&statement.name, &planned);
        }
    }

    /// A shard has described the rows of a statement to its client, who goes by that from now on.
    pub(super) fn told_of_rows(
        &mut self,
        statement: &Rc<ClientStatement>,
        description: Description,
    ) {
        let known = self.statements.get(&statement.name);
        let is_kept = known.is_some_and(|known| Rc::ptr_eq(known, statement));
        if !is_kept || statement.told().is_some() {
            return;
        }
        let Ok(mut planned) = self.plan_as(statement, Arc::clone(&statement.prepared)) else {
            return;
        };
        if let Some(planned) = Rc::get_mut(&mut planned) {
            planned.promised = Some(Rc::new(OnceCell::from(description)));
        }
        self.statements.replace(&statement.name, &planned);
    }

    /// That a statement still has the rows that its client was told of, where something was defined since.
    pub(super) fn keeps_its_promise(&mut self, statement: &ClientStatement) -> Result<(), Held> {
        if !self.environment.is_sharded() || !statement.redefined || self.transaction.is_failed() {
            return Ok(());
        }
        self.described(statement)?;
        let known = self.statements.get(&statement.name);
        let is_kept = known.is_some_and(|known| std::ptr::eq(&**known, statement));
        if is_kept && let Ok(mut planned) = self.plan_as(statement, Arc::clone(&statement.prepared))
        {
            if let Some(planned) = Rc::get_mut(&mut planned) {
                planned.redefined = false;
                planned.description = Rc::clone(&statement.description);
            }
            self.statements.replace(&statement.name, &planned);
        }
        Ok(())
    }

    /// Whether the transaction over shards has failed, and this statement does not end it.
    pub(super) fn fails_unless_ended(&self, plan: Option<&Plan>) -> bool {
        self.environment.is_sharded()
            && self.transaction.is_failed()
            && !plan.is_some_and(own_plans::leaves_failed)
    }

    /// Whether a server may be in a failed transaction when it comes to the message at hand.
    pub(super) fn may_fail(&self, slot: usize) -> bool {
        self.links[slot].status() == b'E'
            || self.steps.iter().any(|step| {
                matches!(
                    step,
                    Step::Sync | Step::Query(..) | Step::Refused(_) | Step::Function
                )
            })
    }

    /// Where the last `Sync` stands that is not answered, or what else ends a pipeline.
    fn last_sync(&self) -> Option<u64> {
        let ends = |step: &Step| matches!(step, Step::Sync | Step::Query(..) | Step::Function);
        let at = self.steps.iter().rposition(ends)?;
        Some(self.popped + at as u64)
    }

    pub(super) fn keep(&mut self, name: &[u8], statement: Rc<ClientStatement>) {
        if name.is_empty() {
            self.remember(Undone::Unnamed(self.unnamed.clone()));
            self.unnamed = Some(statement);
            self.unnamed_unread = false;
        } else {
            self.remember(Undone::Statement(name.into(), None));
            self.statements.insert(name.into(), statement);
        }
    }

    /// Prepares a statement on a link under the name of its content, unless it is there. Whether it was sent.
    pub(super) fn send_prepared(&mut self, slot: usize, statement: &ClientStatement) -> bool {
        let place = self.place();
        let prepared = &statement.prepared;
        let skipped = !self.links[slot].parsing.is_empty()
            && self
                .last_sync()
                .is_some_and(|sync| self.links[slot].may_be_skipped(prepared.hash, sync));
        let link = &mut self.links[slot];
        let Some(server) = link.server.as_mut() else {
            return false;
        };
        if skipped {
            server.doubtful |= !server.prepared.forget(prepared.hash);
        }
        let now = self.environment.catalog.changes();
        let closed = match server.prepared.need(prepared, statement.schema, now) {
            Missing::Nothing => return false,
            Missing::Parse(closed) => closed,
        };
        for &old in &closed {
            link.out.frame(f::CLOSE, &[b"S", &name_of(old), &[0]]);
        }
        self.environment.stats.database.counts.server_parses.add(1);
        link.parsing
            .push_back((place, Parsing::Named(prepared.hash, closed)));
        link.parse(&prepared.name(), prepared);
        true
    }

    pub(super) fn statement(&self, name: &[u8]) -> Option<Rc<ClientStatement>> {
        if name.is_empty() {
            self.unnamed.clone()
        } else {
            self.statements.get(name).cloned()
        }
    }

    pub(super) fn no_statement(&mut self, name: &[u8]) -> Taken {
        if self.is_unsettled(name, false) {
            return self.wait_for_answers();
        }
        let message = if name.is_empty() {
            "unnamed prepared statement does not exist".to_owned()
        } else {
            format!(
                "prepared statement \"{}\" does not exist",
                String::from_utf8_lossy(name)
            )
        };
        self.fail_pipeline(&Report::error(SqlState::new("26000"), message));
        Taken::Discard
    }
}
