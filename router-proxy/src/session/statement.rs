//! Prepared statements of the client.
//!
//! A client's named statements belong to its session: text, types, plan. On
//! whichever server an execution lands, the statement is prepared under a name
//! made from its content, ahead of the `Bind` in the same write.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use router_core::plan::{
    Analysis, KnownBy, Param, Plan, Planned, Refusal, Route, SessionEffect, SessionStatement,
    Target, parameters_allowed,
};
use router_core::sqlstate::SqlState;

use super::client::Taken;
use super::link::Parsing;
use super::number::{self, Numbers};
use super::outer::{Held, Whom, already_exists, may_be_wrong};
use super::own_answers::{not_utf8, other_encoding, too_long};
use super::route::{self, Routed, Shards, UNREAD};
use super::step::{Own, Step};
use super::undo::Undone;
use super::{ANALYSIS_LIMIT, Session, in_steps, own_plans};
use crate::exec::describe::Description;
use crate::server::prepared::{Missing, Prepared, Reading, name_of};
use crate::server::state::Parameters;
use crate::wire::encode::Report;
use crate::wire::frame::Header;
use crate::wire::frontend as f;

/// A prepared statement of a client.
#[derive(Debug)]
pub(super) struct ClientStatement {
    /// What the client calls it.
    name: Box<[u8]>,
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
    fn refusal(&self) -> Option<&Refusal> {
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

/// Whether PostgreSQL looks at more than the grammar of a statement that is parsed. What is about the session is not looked
/// at before it runs, nor are most definitions; calls of `shunt.next_id()` are not known to any server.
fn is_analysed(statement: &ClientStatement) -> bool {
    let Some(plan) = statement.plan().filter(|_| statement.numbers.is_none()) else {
        return false;
    };
    match &plan.route {
        Route::Session(session) => matches!(
            **session,
            SessionStatement::Declare { .. } | SessionStatement::Explain
        ),
        Route::Single(_) | Route::Scatter { .. } | Route::Split(_) | Route::Program(_) => {
            matches!(
                &*plan.kind,
                "select" | "insert" | "update" | "delete" | "merge" | "values"
            )
        }
        _ => false,
    }
}

impl Session {
    /// A `Parse` too long to be read. The unnamed statement need not be kept: where there is one server, that has it.
    pub(super) fn parse_unread(&mut self, header: Header, body: &[u8]) -> Taken {
        if self.environment.is_sharded() {
            self.fail_pipeline(&too_long(header.body));
            return Taken::Discard;
        }
        if body.first() == Some(&0) {
            return self.parse_unnamed_unread();
        }
        self.fail_pipeline(
            &Report::error(
                SqlState::new("54000"),
                "statement is too long to be prepared",
            )
            .detail(format!(
                "The message has {} bytes; the text of a prepared statement is kept, up to {ANALYSIS_LIMIT} bytes.",
                header.body
            ))
            .hint("Send the data as parameters, or use a simple query or COPY."),
        );
        Taken::Discard
    }

    fn parse_unnamed_unread(&mut self) -> Taken {
        if self.fails_in_pipeline() {
            return Taken::Discard;
        }
        if !self.ensure(&Routed::unread()) {
            return Taken::Wait;
        }
        self.touch();
        self.settings_on_server = true;
        let old = self.unnamed.take();
        self.remember(Undone::Unnamed(old));
        self.unnamed_unread = true;
        let place = self.place();
        let link = &mut self.links[self.group[0]];
        if let Some(server) = link.server.as_mut() {
            let old = server.prepared.unnamed.take();
            link.parsing.push_back((place, Parsing::Unnamed(old)));
        }
        self.steps.push_back(Step::Parse);
        Taken::Forward
    }

    pub(super) fn parse(&mut self, parse: &f::Parse<'_>) -> Taken {
        let statement = match &self.unnamed {
            Some(known)
                if parse.name.is_empty()
                    && known.prepared.is(parse.query, parse.types)
                    && known.catalog == self.knowledge()
                    && !known.names_unknown() =>
            {
                Rc::clone(known)
            }
            _ => {
                let said = self.said(parse);
                match self.plan_now(parse.name, said, self.environment.catalog.changes()) {
                    Ok(statement) => statement,
                    Err(Held::Wait) => return Taken::Wait,
                    Err(Held::Failed(error)) => {
                        match self.fails_unless_ended(None) {
                            true => self.fail_in_failed(),
                            false => self.fail_pipeline_with(error),
                        }
                        return Taken::Discard;
                    }
                }
            }
        };
        let empty = parse.query.trim_ascii().is_empty();
        if !empty && self.fails_unless_ended(statement.plan()) {
            self.fail_in_failed();
            return Taken::Discard;
        }
        if statement
            .plan()
            .is_some_and(|plan| self.is_better_known(plan))
        {
            return self.look_for_additions();
        }
        self.numbers |= statement.numbers.is_some();
        if let Some(refusal) = statement.refusal() {
            let text = statement.text().to_owned();
            let says = match statement.plan() {
                Some(plan) => self.server_says(plan, &text),
                None => Ok(()),
            };
            match says {
                Ok(()) => self.fail_pipeline(&Report::from(refusal)),
                Err(Held::Wait) => return Taken::Wait,
                Err(Held::Failed(error)) => self.fail_pipeline_with(error),
            }
            return Taken::Discard;
        }
        if let Some(error) = self.no_room(parse.query.len()) {
            self.fail_pipeline(&error);
            return Taken::Discard;
        }
        if self.has_to_clear(statement.leaves()) {
            return self.wait_for_answers();
        }
        // Several statements, or an open parenthesis: whoever is asked first says what is wrong.
        if self.environment.is_sharded()
            && statement.planned.is_none()
            && !parse.query.trim_ascii().is_empty()
            && !self.transaction.is_failed()
        {
            match self.parsed(parse.query, parse.types, Whom::any()) {
                Ok(()) => {}
                Err(Held::Wait) => return Taken::Wait,
                Err(Held::Failed(error)) => {
                    self.fail_pipeline_with(error);
                    return Taken::Discard;
                }
            }
        }
        if !parse.name.is_empty() && self.is_unsettled(parse.name, true) {
            return self.wait_for_answers();
        }
        if !parse.name.is_empty() && self.statements.has(parse.name) {
            if self.is_unsettled(parse.name, false) {
                return self.wait_for_answers();
            }
            // PostgreSQL looks for that first.
            let failed = self.links.iter().any(|link| link.status() == b'E');
            let ends = statement
                .plan()
                .is_some_and(|plan| matches!(plan.route, Route::Transaction(_)));
            if failed && !ends {
                self.fail_in_failed();
                return Taken::Discard;
            }
            self.fail_pipeline(&already_exists(&String::from_utf8_lossy(parse.name)));
            return Taken::Discard;
        }
        if !parse.name.is_empty()
            && let Some(taken) = self.parse_by_sql_name(parse.name, &statement)
        {
            return taken;
        }
        let sharded = self.environment.is_sharded();
        if sharded && in_steps::is_in_steps(&statement) && is_analysed(&statement) {
            // Its description is wanted sooner or later; so its errors come now.
            match self.described(&statement) {
                Ok(()) => {}
                Err(Held::Wait) => return Taken::Wait,
                Err(Held::Failed(error)) => {
                    self.fail_pipeline_with(error);
                    return Taken::Discard;
                }
            }
        } else if sharded && is_analysed(&statement) {
            self.in_pipeline = true;
            self.keep(parse.name, Rc::clone(&statement));
            self.unanswered = Some(statement);
            return Taken::Discard;
        }
        if sharded || statement.plan().is_some_and(own_plans::own_route) {
            self.in_pipeline = true;
            self.keep(parse.name, statement);
            self.owe(Step::Own(Own::Empty(b'1')));
            return Taken::Discard;
        }
        if self.fails_in_pipeline() {
            return Taken::Discard;
        }
        // Of what it executes, while that can be done: with this the pipeline begins.
        if !self.links.iter().any(|link| link.touched) {
            match self.keep_readings(&statement) {
                Ok(()) => {}
                Err(Held::Wait) => return Taken::Wait,
                Err(Held::Failed(error)) => {
                    self.fail_pipeline_with(error);
                    return Taken::Discard;
                }
            }
        }
        let mut routed = Routed::unread();
        routed.leaves = 0;
        routed.role = statement.plan().map_or(super::Role::Primary, route::role);
        routed.begins_read_only = statement.plan().is_some_and(route::begins_read_only);
        if !self.ensure(&routed) {
            // Kept, so that it need not be planned again.
            let is_kept = self
                .unnamed
                .as_ref()
                .is_some_and(|kept| Rc::ptr_eq(kept, &statement));
            if parse.name.is_empty() && !is_kept {
                self.remember(Undone::Unnamed(self.unnamed.clone()));
                self.unnamed = Some(statement);
            }
            return Taken::Wait;
        }
        // While it can be done: what follows up to Sync is one pipeline.
        let slot = self.group[0];
        self.clear_sequences(slot, statement.leaves());
        if statement.plan().is_some_and(route::begins) {
            self.clear_sequences_ahead();
        }
        self.touch();
        let kept = Rc::clone(&statement);
        self.keep(parse.name, statement);
        let place = self.place();
        let may_fail = self.may_fail(slot);
        let link = &mut self.links[slot];
        let Some(server) = link.server.as_mut() else {
            return Taken::Wait;
        };
        if parse.name.is_empty() {
            let old = server.prepared.unnamed.replace(Arc::clone(&kept.prepared));
            link.parsing.push_back((place, Parsing::Unnamed(old)));
            self.steps.push_back(Step::Parse);
            if kept.numbers.is_some() || link.numbers.is_some() {
                link.parse(&[], &kept.prepared);
                return Taken::Discard;
            }
            return Taken::Forward;
        }
        if may_fail && server.prepared.knows(kept.prepared.hash) {
            // The server has to say whether it takes a statement now, even one that it has.
            server.doubtful |= !server.prepared.forget(kept.prepared.hash);
        }
        if self.send_prepared(slot, &kept) {
            self.steps.push_back(Step::Parse);
        } else {
            self.owe(Step::Own(Own::Empty(b'1')));
        }
        Taken::Discard
    }

    /// What a `Parse` says, by the settings of this moment. The unnamed statement is on one connection for as long as it
    /// lives, and nobody else's.
    fn said(&mut self, parse: &f::Parse<'_>) -> Arc<Prepared> {
        let reading = match parse.name.is_empty() {
            true => Arc::clone(&self.reading),
            false => self.reading_of(parse.query),
        };
        Arc::new(Prepared::new(parse.query, parse.types, &reading))
    }

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

    /// Whether a message goes to the server that is asked about the `Parse` before it, in the same write.
    pub(super) fn goes_with_parse(&self, tag: u8, body: &[u8]) -> bool {
        let Some(statement) = &self.unanswered else {
            return true;
        };
        let name = match tag {
            f::TERMINATE => return true,
            f::BIND => f::Bind::read(body).map(|bind| bind.statement),
            f::DESCRIBE => f::Named::read(body)
                .filter(|named| !named.portal)
                .map(|named| named.name),
            _ => None,
        };
        name == Some(&*statement.name)
    }

    /// Asks a server about the `Parse` that nobody has answered, since the next message does not. `false`: that has to wait.
    pub(super) fn answer_parse(&mut self) -> bool {
        let Some(statement) = self.unanswered.clone() else {
            return true;
        };
        let mut routed = Routed::unread();
        routed.leaves = 0;
        routed.writes = false;
        routed.role = statement.plan().map_or(super::Role::Primary, route::role);
        routed.shards = match statement.plan().map(|plan| (&plan.route, &plan.known_by)) {
            // No server has all of its tables: it may be right for all that one of them can say.
            Some((_, KnownBy::None(_))) => {
                self.parse_is_sent(false);
                return true;
            }
            Some((Route::Single(Target::Shard(shard)), _) | (_, KnownBy::One(shard))) => {
                Shards::These([*shard].into_iter().collect())
            }
            _ => Shards::Any,
        };
        if self.barrier(&routed) || !self.ensure(&routed) {
            return false;
        }
        let slot = self.group[0];
        let sent = match statement.name.is_empty() {
            true => !self.send_unnamed(slot, &statement.prepared),
            false => self.send_prepared(slot, &statement),
        };
        if sent {
            self.touch();
        }
        self.parse_is_sent(sent);
        true
    }

    /// The `Parse` that nobody has answered is answered by all servers of the group, or by the session: one of them knows
    /// the statement.
    pub(super) fn parse_is_sent(&mut self, to_all: bool) {
        if self.unanswered.take().is_some() {
            self.owe(match to_all {
                true => Step::Parse,
                false => Step::Own(Own::Empty(b'1')),
            });
        }
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

    /// Other settings are in force: what was planned by the old ones is planned anew.
    pub(super) fn plan_again(&mut self) {
        self.unnamed = None;
        let known: Vec<_> = self.statements.iter().map(Rc::clone).collect();
        for statement in known {
            // A statement that cannot be planned any more is gone, and its use says so.
            let planned = self.plan_anew(&statement.name, &statement);
            // Its next use plans it once more, and says why if that cannot be: the new catalog need not be read yet.
            let planned = planned.unwrap_or_else(|_| Rc::new(self.unplanned(&statement)));
            self.statements.replace(&statement.name, &planned);
        }
    }

    /// A statement whose plan holds no more.
    fn unplanned(&self, statement: &ClientStatement) -> ClientStatement {
        ClientStatement {
            name: statement.name.clone(),
            prepared: Arc::clone(&statement.prepared),
            planned: None,
            catalog: !self.knowledge(),
            parameters: statement.parameters.clone(),
            schema: statement.schema,
            numbers: statement.numbers,
            description: Rc::clone(&statement.description),
            promised: statement.promised.clone(),
            tag: statement.tag,
        }
    }

    pub(super) fn plan(
        &self,
        name: &[u8],
        prepared: Arc<Prepared>,
        schema: u64,
    ) -> Result<Rc<ClientStatement>, Box<Report>> {
        let mut statement = self.plan_text(name, prepared, schema)?;
        if let Some(plan) = statement.plan().filter(|plan| number::is_numbered(plan)) {
            let known = match number::alone(plan) {
                Some(column) => {
                    self.next_number()?;
                    let rows = number::row_description(column);
                    let _ = statement.description.set(Description::of_rows(Some(rows)));
                    None
                }
                None => Some(self.with_parameters(&statement.prepared)?),
            };
            if let Some((prepared, numbers)) = known {
                statement = self.plan_text(name, prepared, schema)?;
                statement.numbers = Some(numbers);
            }
        }
        Ok(Rc::new(statement))
    }

    /// A statement as it is planned today, with all that does not change.
    fn plan_anew(
        &self,
        name: &[u8],
        old: &ClientStatement,
    ) -> Result<Rc<ClientStatement>, Box<Report>> {
        debug_assert_eq!(*old.name, *name);
        self.plan_as(old, Arc::clone(&old.prepared))
    }

    /// The same, under what is another name on servers.
    fn plan_as(
        &self,
        old: &ClientStatement,
        prepared: Arc<Prepared>,
    ) -> Result<Rc<ClientStatement>, Box<Report>> {
        let mut statement = self.plan(&old.name, prepared, old.schema)?;
        if let Some(statement) = Rc::get_mut(&mut statement) {
            statement.numbers = statement.numbers.or(old.numbers);
            statement.parameters = old.parameters.clone();
            let told = old.description.get().map(|_| &old.description);
            statement.promised = old.promised.as_ref().or(told).cloned();
        }
        Ok(statement)
    }

    fn plan_text(
        &self,
        name: &[u8],
        prepared: Arc<Prepared>,
        schema: u64,
    ) -> Result<ClientStatement, Box<Report>> {
        let catalog = self.knowledge();
        let planned = match std::str::from_utf8(&prepared.text) {
            Err(_) if self.environment.is_sharded() => return Err(Box::new(not_utf8())),
            Err(_) => None,
            Ok(text) if self.reads_otherwise(text.as_bytes()) => {
                return Err(Box::new(other_encoding()));
            }
            Ok(text) => {
                let planning = &mut *self.environment.planner.borrow_mut();
                self.analyze(planning, text);
                match planning.analysis.statements() {
                    [one] if !planning.analysis.is_suspect() => {
                        let one = one.clone();
                        if let Route::Refused(refusal) = &one.plan.route
                            && !one.unknown
                            && !self.may_concern(&one)
                            && !may_be_wrong(refusal)
                        {
                            return Err(Box::new(Report::from(&**refusal)));
                        }
                        let analysis = if one.plan.depends_on_values() {
                            std::mem::take(&mut planning.analysis)
                        } else {
                            Analysis::new()
                        };
                        Some((analysis, one))
                    }
                    // Empty, or several: PostgreSQL says what it thinks of that.
                    _ => None,
                }
            }
        };
        Ok(ClientStatement {
            name: name.into(),
            prepared,
            planned,
            catalog,
            parameters: self.parameters.clone(),
            schema,
            numbers: None,
            description: Rc::default(),
            promised: None,
            tag: None,
        })
    }

    /// Plans a statement by what is defined by now.
    fn plan_now(
        &mut self,
        name: &[u8],
        prepared: Arc<Prepared>,
        schema: u64,
    ) -> Result<Rc<ClientStatement>, Held> {
        let mut statement = self.plan(name, Arc::clone(&prepared), schema)?;
        if !self.environment.is_sharded() {
            return Ok(statement);
        }
        self.parameters_allowed(&prepared.types)?;
        if let Some((_, planned)) = &statement.planned
            && self.learn(planned)?
        {
            statement = self.plan(name, prepared, schema)?;
        }
        if let Some((_, planned)) = &statement.planned {
            self.look_for_names(planned, statement.text(), &statement.prepared.types)?;
        }
        Ok(statement)
    }

    /// The types that parameters are declared to be of may be such as no plan looks at.
    fn parameters_allowed(&self, types: &[u8]) -> Result<(), Held> {
        // Their number, then each.
        let (types, _) = types.get(2..).unwrap_or_default().as_chunks::<4>();
        if types.is_empty() {
            return Ok(());
        }
        let types = types.iter().map(|oid| u32::from_be_bytes(*oid));
        let reading = self.environment.catalog.current();
        parameters_allowed(&self.environment.topology, &reading.catalog, types)
            .map_err(|refusal| Held::from(Box::new(Report::from(&refusal))))
    }

    /// A statement as it is planned today: the schema may have changed since it was prepared.
    pub(super) fn planned_today(
        &mut self,
        name: &[u8],
        statement: Rc<ClientStatement>,
    ) -> Result<Rc<ClientStatement>, Held> {
        if statement.catalog == self.knowledge() {
            return Ok(statement);
        }
        let numbers = statement.numbers;
        let parameters = statement.parameters.clone();
        let told = || Some(&statement.description).filter(|told| told.get().is_some());
        let promised = statement.promised.as_ref().or_else(told).cloned();
        let mut statement =
            self.plan_now(name, Arc::clone(&statement.prepared), statement.schema)?;
        if let Some(statement) = Rc::get_mut(&mut statement) {
            statement.numbers = statement.numbers.or(numbers);
            statement.parameters = parameters;
            statement.promised = promised;
        }
        if !self.statements.replace(name, &statement) {
            self.unnamed = Some(Rc::clone(&statement));
        }
        Ok(statement)
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
