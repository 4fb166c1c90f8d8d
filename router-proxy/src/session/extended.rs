//! Messages of the client: the extended protocol.
//!
//! A client's named statements belong to its session: text, types, plan. On
//! whichever server an execution lands, the statement is prepared under a name
//! made from its content, ahead of the `Bind` in the same write. On a sharded
//! database nothing is sent before `Bind` (or `Describe`) says where to; and
//! where two messages of one pipeline go to different shards, the second waits
//! until the first has been answered, so that replies and errors keep their order.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use router_core::plan::resolve::Param;
use router_core::plan::{Analysis, Plan, Planned, Route, SessionStatement};
use router_core::sqlstate::SqlState;

use super::client::{Taken, aborted, not_utf8, other_encoding, too_long};
use super::link::Parsing;
use super::portal::{self, Spool, Steps};
use super::route::{self, Routed, UNREAD};
use super::step::{Note, Own, Ready, Step};
use super::{ANALYSIS_LIMIT, Fatal, Session, local, violation};
use crate::exec::describe::Description;
use crate::server::prepared::{Missing, Prepared, name_of};
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
    catalog: u64,
    /// It names a relation that the catalog did not have.
    names_unknown: bool,
    /// Changes of the schema that were known of when the client prepared it.
    schema: u64,
    /// What PostgreSQL says about it, where that has to be known.
    pub(super) description: Rc<OnceCell<Description>>,
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

    pub(super) fn plan(&self) -> Option<&Plan> {
        self.planned.as_ref().map(|(_, planned)| &*planned.plan)
    }

    fn leaves(&self) -> u16 {
        self.plan().map_or(UNREAD, route::leaves)
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.prepared.text).unwrap_or("")
    }
}

/// A portal of a client, as far as the session must know it.
#[derive(Clone, Debug)]
pub(super) struct Portal {
    statement: Rc<ClientStatement>,
    /// Where it lives; `None`: with the session itself.
    home: Option<Routed>,
    /// What it is bound to, when it is carried out in steps.
    steps: Option<Rc<Steps>>,
    /// Its rows, when it is read in parts; once it has been carried out.
    spool: Rc<RefCell<Option<Spool>>>,
}

/// What is put back when the message that changed it turns out to be skipped.
#[derive(Debug)]
pub(super) struct Undo {
    /// The place of the message in the queue of steps.
    at: u64,
    what: Undone,
}

#[derive(Debug)]
enum Undone {
    Statement(Box<[u8]>, Option<Rc<ClientStatement>>),
    Unnamed(Option<Rc<ClientStatement>>),
}

impl Undone {
    fn is_about(&self, name: &[u8]) -> bool {
        match self {
            Self::Statement(known, _) => **known == *name,
            Self::Unnamed(_) => name.is_empty(),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        match other {
            Self::Statement(name, _) => self.is_about(name),
            Self::Unnamed(_) => self.is_about(b""),
        }
    }
}

impl Session {
    pub(super) fn extended(&mut self, header: Header, body: &[u8]) -> Result<Taken, Fatal> {
        let taken = self.extended_message(header, body)?;
        let counts = &self.environment.stats.database.counts;
        match header.tag {
            f::PARSE if taken != Taken::Wait => counts.client_parses.add(1),
            f::BIND if taken != Taken::Wait => counts.binds.add(1),
            _ => {}
        }
        Ok(taken)
    }

    fn extended_message(&mut self, header: Header, body: &[u8]) -> Result<Taken, Fatal> {
        if self.environment.is_transparent() {
            return Ok(self.extended_as_is(header.tag));
        }
        let whole = body.len() == header.body;
        match header.tag {
            f::FLUSH => return Ok(self.flush()),
            f::PARSE if !whole => return Ok(self.parse_unread(header)),
            f::DESCRIBE | f::CLOSE | f::EXECUTE if !whole => {
                return Err(violation("invalid message length".to_owned()));
            }
            _ => {}
        }
        let taken = match header.tag {
            f::PARSE => f::Parse::read(body).map(|parse| self.parse(&parse)),
            f::BIND => f::Bind::read(body).map(|bind| self.bind(header, &bind, body, whole)),
            f::DESCRIBE => f::Named::read(body).map(|named| self.describe(&named)),
            f::CLOSE => f::Named::read(body).map(|named| self.close(&named)),
            _ => f::Execute::read(body).map(|execute| self.execute(&execute)),
        };
        Ok(taken.unwrap_or_else(|| {
            let complaint = f::complaint(header.tag, body);
            self.fail_pipeline(&Report::error(SqlState::new("08P01"), complaint));
            Taken::Discard
        }))
    }

    /// Session mode: what was sent is what the server gets.
    fn extended_as_is(&mut self, tag: u8) -> Taken {
        if !self.ensure(&Routed::unread()) {
            return Taken::Wait;
        }
        self.touch();
        match tag {
            f::PARSE => self.steps.push_back(Step::Parse),
            f::BIND => self.steps.push_back(Step::Bind(None)),
            // A statement's description begins with its parameters, a portal's does not: either way it ends alike.
            f::DESCRIBE => self.steps.push_back(Step::DescribeStatement(None)),
            f::EXECUTE => self.steps.push_back(Step::Execute(Note::default())),
            f::CLOSE => self.steps.push_back(Step::Close),
            _ => {}
        }
        Taken::Forward
    }

    /// The group is part of the pipeline.
    fn touch(&mut self) {
        self.in_pipeline = true;
        for &slot in &self.group {
            self.links[slot].touched = true;
            self.links[slot].flushed = false;
        }
    }

    /// Whether the message at hand has to wait until what was sent to other shards is answered.
    fn barrier(&mut self, routed: &Routed) -> bool {
        if !self.environment.is_sharded() || self.steps.is_empty() {
            return false;
        }
        let same = match &routed.shards {
            route::Shards::Any => self.group.len() == 1,
            route::Shards::These(shards) => {
                shards.len() == self.group.len()
                    && self
                        .group
                        .iter()
                        .zip(shards)
                        .all(|(&slot, &shard)| self.links[slot].shard == shard)
            }
        };
        if !same {
            self.flush_group();
        }
        !same
    }

    /// Makes the group answer what it has been sent.
    pub(super) fn flush_group(&mut self) {
        for i in 0..self.group.len() {
            let link = &mut self.links[self.group[i]];
            if link.touched && !std::mem::replace(&mut link.flushed, true) {
                link.out.frame(f::FLUSH, &[]);
            }
        }
    }

    fn flush(&mut self) -> Taken {
        self.in_pipeline = true;
        if self.group.iter().any(|&slot| self.links[slot].touched) {
            Taken::Forward
        } else {
            Taken::Discard
        }
    }

    pub(super) fn sync(&mut self) -> Taken {
        if self.copying {
            // A server in COPY ignores it, and so it earns no reply.
            return Taken::Forward;
        }
        if let Some(taken) = self.sync_transaction() {
            return taken;
        }
        let touched = self.links.iter().filter(|link| link.touched).count();
        if touched > 1 && !self.steps.is_empty() && !self.skipping {
            self.flush_group();
            return Taken::Wait;
        }
        if self.environment.is_sharded() && self.skipping && !self.steps.is_empty() {
            return Taken::Wait;
        }
        self.in_pipeline = false;
        self.skipping = false;
        if !self.environment.is_sharded() || !self.transaction.is_open() {
            self.portals.clear();
        }
        if touched == 0 {
            if self.environment.is_transparent() && !self.links.is_empty() {
                self.group.clear();
                self.group.push(0);
            } else {
                self.owe(Step::Own(Own::Ready));
                return Taken::Discard;
            }
        } else {
            self.group = (0..self.links.len())
                .filter(|&slot| self.links[slot].touched)
                .collect();
            self.turn = 0;
        }
        for link in &mut self.links {
            link.touched = false;
            link.flushed = false;
            // The next pipeline may follow before this one is answered, and fail as well.
            link.poisoned = false;
            if !link.joined {
                link.traces = Default::default();
            }
        }
        self.steps.push_back(Step::Sync);
        Taken::Forward
    }

    /// Refuses a message of a pipeline: the error in its place, everything up to `Sync` skipped.
    pub(super) fn fail_pipeline(&mut self, report: &Report) {
        self.fail_pipeline_with(Self::bytes_of(report));
    }

    /// As [`Self::fail_pipeline`], with the message of the error.
    pub(super) fn fail_pipeline_with(&mut self, error: Vec<u8>) {
        self.in_pipeline = true;
        self.skipping = true;
        self.transaction.fail();
        let unsharded = !self.environment.is_sharded();
        let busy = !self.steps.is_empty();
        for link in &mut self.links {
            // An open transaction fails like any other, although its server knows nothing of this error;
            // so does one that what is under way may open.
            if unsharded && link.server.is_some() && (busy || link.status() == b'T') {
                link.touched = true;
            }
            if link.touched {
                link.poison();
            }
        }
        self.owe(Step::Own(Own::Failure(error)));
    }

    fn remember(&mut self, what: Undone) {
        let at = self.place();
        self.undo.push(Undo { at, what });
    }

    /// The place in the queue of steps that the message at hand will take.
    pub(super) fn place(&self) -> u64 {
        self.popped + self.steps.len() as u64
    }

    /// Puts back what the rest of the pipeline under way has changed: all from the front of the queue to its `Sync`.
    pub(super) fn undo_pipeline(&mut self) {
        let end = self
            .steps
            .iter()
            .position(|step| matches!(step, Step::Sync))
            .map_or(u64::MAX, |at| self.popped + at as u64);
        let place = self.popped;
        for link in &mut self.links {
            link.forget_parsing(place, end);
        }
        let mut kept: Vec<Undo> = Vec::new();
        // The latest first: one name may have changed more than once.
        while let Some(mut undo) = self.undo.pop() {
            if undo.at < place || undo.at > end {
                kept.push(undo);
                continue;
            }
            if undo.at == place
                && let Undone::Unnamed(old) = &mut undo.what
            {
                // A `Parse` that fails has ended the unnamed statement all the same.
                *old = None;
            }
            // A later pipeline may have changed the name again: then that is what it would go back to.
            let later = kept
                .iter_mut()
                .rfind(|kept| kept.at > end && kept.what.is_like(&undo.what));
            match (later, undo.what) {
                (Some(later), what) => later.what = what,
                (None, Undone::Statement(name, Some(old))) => {
                    self.statements.insert(name, old);
                }
                (None, Undone::Statement(name, None)) => {
                    self.statements.remove(&name);
                }
                (None, Undone::Unnamed(old)) => self.unnamed = old,
            }
        }
        kept.reverse();
        self.undo = kept;
    }

    /// A simple query ends the unnamed statement, the session's like the server's.
    pub(super) fn end_unnamed(&mut self, at: u64) {
        let old = self.unnamed.take();
        if !self.undo.is_empty() && !self.steps.is_empty() {
            let what = Undone::Unnamed(old);
            self.undo.push(Undo { at, what });
        }
    }

    /// Whether a message under way may turn out not to have changed this name. `before_sync`: one of an
    /// earlier pipeline, whose failure does not stop the message at hand.
    fn is_unsettled(&self, name: &[u8], before_sync: bool) -> bool {
        let about = |undo: &&Undo| undo.what.is_about(name);
        let unanswered = |undo: &&Undo| undo.at >= self.popped;
        let Some(last) = self
            .undo
            .iter()
            .rfind(|undo| about(undo))
            .filter(unanswered)
        else {
            return false;
        };
        let behind = (last.at - self.popped) as usize;
        !before_sync
            || self
                .steps
                .iter()
                .skip(behind)
                .any(|step| matches!(step, Step::Sync))
    }

    /// The message at hand waits until all before it is answered.
    fn wait_for_answers(&mut self) -> Taken {
        self.flush_group();
        Taken::Wait
    }

    /// What has been answered cannot be undone any more.
    pub(super) fn forget_undo(&mut self) {
        let place = self.popped;
        self.undo.retain(|undo| undo.at >= place);
    }

    /// A step has been taken out of the queue: those behind it move up.
    pub(super) fn move_undo_up(&mut self, removed: u64) {
        for undo in self.undo.iter_mut().filter(|undo| undo.at > removed) {
            undo.at -= 1;
        }
        let parsing = self.links.iter_mut().flat_map(|link| &mut link.parsing);
        for (at, _) in parsing.filter(|(at, _)| *at > removed) {
            *at -= 1;
        }
    }

    /// A `Parse` too long to be read.
    fn parse_unread(&mut self, header: Header) -> Taken {
        if self.environment.is_sharded() {
            self.fail_pipeline(&too_long(header.body));
            return Taken::Discard;
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

    fn parse(&mut self, parse: &f::Parse<'_>) -> Taken {
        let statement = match &self.unnamed {
            Some(known)
                if parse.name.is_empty()
                    && known.prepared.is(parse.query, parse.types)
                    && known.catalog == self.environment.catalog.fingerprint()
                    && !known.names_unknown =>
            {
                Rc::clone(known)
            }
            _ => match self.plan(
                parse.name,
                Arc::new(Prepared::new(parse.query, parse.types)),
                self.environment.catalog.changes(),
            ) {
                Ok(statement) => statement,
                Err(report) => {
                    self.fail_pipeline(&report);
                    return Taken::Discard;
                }
            },
        };
        if self.has_to_ask(statement.names_unknown) {
            return Taken::Wait;
        }
        if let Some(report) = statement.plan().and_then(local::own_refusal) {
            self.fail_pipeline(&report);
            return Taken::Discard;
        }
        if !parse.name.is_empty() && self.is_unsettled(parse.name, true) {
            return self.wait_for_answers();
        }
        if !parse.name.is_empty() && self.statements.contains_key(parse.name) {
            if self.is_unsettled(parse.name, false) {
                return self.wait_for_answers();
            }
            // PostgreSQL looks for that first.
            let failed = self.links.iter().any(|link| link.status() == b'E');
            let ends = statement
                .plan()
                .is_some_and(|plan| matches!(plan.route, Route::Transaction(_)));
            if failed && !ends {
                self.fail_pipeline(&aborted());
                return Taken::Discard;
            }
            self.fail_pipeline(&Report::error(
                SqlState::new("42P05"),
                format!(
                    "prepared statement \"{}\" already exists",
                    String::from_utf8_lossy(parse.name)
                ),
            ));
            return Taken::Discard;
        }
        let own = self.environment.is_sharded() || statement.plan().is_some_and(local::own_route);
        if own {
            self.in_pipeline = true;
            self.keep(parse.name, statement);
            self.owe(Step::Own(Own::Empty(b'1')));
            return Taken::Discard;
        }
        if self.fails_in_pipeline() {
            return Taken::Discard;
        }
        let mut routed = Routed::unread();
        routed.leaves = 0;
        routed.role = statement.plan().map_or(super::Role::Primary, route::role);
        routed.begins_read_only = statement.plan().is_some_and(route::begins_read_only);
        if !self.ensure(&routed) {
            // Kept, so that it need not be planned again.
            if parse.name.is_empty() {
                self.remember(Undone::Unnamed(self.unnamed.clone()));
                self.unnamed = Some(statement);
            }
            return Taken::Wait;
        }
        self.touch();
        let slot = self.group[0];
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

    /// Whether a server may be in a failed transaction when it comes to the message at hand.
    fn may_fail(&self, slot: usize) -> bool {
        self.links[slot].status() == b'E'
            || self
                .steps
                .iter()
                .any(|step| matches!(step, Step::Sync | Step::Query(..) | Step::Function))
    }

    fn keep(&mut self, name: &[u8], statement: Rc<ClientStatement>) {
        if name.is_empty() {
            self.remember(Undone::Unnamed(self.unnamed.clone()));
            self.unnamed = Some(statement);
        } else {
            self.remember(Undone::Statement(name.into(), None));
            self.statements.insert(name.into(), statement);
        }
    }

    /// Prepares a statement on a link under the name of its content, unless it is there. Whether it was sent.
    fn send_prepared(&mut self, slot: usize, statement: &ClientStatement) -> bool {
        let place = self.place();
        let prepared = &statement.prepared;
        let link = &mut self.links[slot];
        let Some(server) = link.server.as_mut() else {
            return false;
        };
        let now = self.environment.catalog.changes();
        let replaced = match server.prepared.need(prepared, statement.schema, now) {
            Missing::Nothing => return false,
            Missing::Parse => None,
            Missing::Replace(old) => {
                link.out.frame(f::CLOSE, &[b"S", &name_of(old), &[0]]);
                Some(old)
            }
        };
        self.environment.stats.database.counts.server_parses.add(1);
        link.parsing
            .push_back((place, Parsing::Named(prepared.hash, replaced)));
        link.out.frame(
            f::PARSE,
            &[
                &prepared.name(),
                &[0],
                &prepared.text,
                &[0],
                &prepared.types,
            ],
        );
        true
    }

    /// Other settings are in force: what was planned by the old ones is planned anew.
    pub(super) fn plan_again(&mut self) {
        self.unnamed = None;
        let known = std::mem::take(&mut self.statements);
        for (name, statement) in known {
            // A statement that cannot be planned any more is gone, and its use says so.
            if let Ok(planned) = self.plan(&name, Arc::clone(&statement.prepared), statement.schema)
            {
                self.statements.insert(name, planned);
            }
        }
    }

    fn plan(
        &self,
        name: &[u8],
        prepared: Arc<Prepared>,
        schema: u64,
    ) -> Result<Rc<ClientStatement>, Box<Report>> {
        let catalog = self.environment.catalog.fingerprint();
        let mut names_unknown = false;
        let planned = match std::str::from_utf8(&prepared.text) {
            Err(_) if self.environment.is_sharded() => return Err(Box::new(not_utf8())),
            Err(_) => None,
            Ok(text) if self.reads_otherwise(text.as_bytes()) => {
                return Err(Box::new(other_encoding()));
            }
            Ok(text) => {
                let planning = &mut *self.environment.planner.borrow_mut();
                self.analyze(planning, text);
                names_unknown = planning.analysis.names_unknown();
                match planning.analysis.statements() {
                    [one] => {
                        let one = one.clone();
                        if let Some(report) = local::own_refusal(&one.plan)
                            && !names_unknown
                        {
                            return Err(Box::new(report));
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
        Ok(Rc::new(ClientStatement {
            name: name.into(),
            prepared,
            planned,
            catalog,
            names_unknown,
            schema,
            description: Rc::default(),
        }))
    }

    /// A statement as it is planned today: the schema may have changed since it was prepared.
    fn planned_today(
        &mut self,
        name: &[u8],
        statement: Rc<ClientStatement>,
    ) -> Result<Rc<ClientStatement>, Box<Report>> {
        if statement.catalog == self.environment.catalog.fingerprint() {
            return Ok(statement);
        }
        let statement = self.plan(name, Arc::clone(&statement.prepared), statement.schema)?;
        match self.statements.get_mut(name) {
            Some(known) => *known = Rc::clone(&statement),
            None => self.unnamed = Some(Rc::clone(&statement)),
        }
        Ok(statement)
    }

    fn statement(&self, name: &[u8]) -> Option<Rc<ClientStatement>> {
        if name.is_empty() {
            self.unnamed.clone()
        } else {
            self.statements.get(name).cloned()
        }
    }

    fn no_statement(&mut self, name: &[u8]) -> Taken {
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

    /// Where an execution goes. `None`: the session carries it out itself.
    fn home(
        &mut self,
        statement: &ClientStatement,
        params: &[Param<'_>],
    ) -> Result<Option<Routed>, Box<Report>> {
        let Some((analysis, planned)) = &statement.planned else {
            if self.environment.is_sharded() {
                let mut routed = Routed::unread();
                routed.leaves = 0;
                return Ok(Some(routed));
            }
            return Ok(Some(Routed::unread()));
        };
        if local::own_route(&planned.plan) || self.carries_out(&planned.plan) {
            return Ok(None);
        }
        let routed = route::resolve(
            &self.environment,
            &self.directives,
            analysis,
            planned,
            statement.text(),
            params,
        )?;
        self.permitted(&routed, &planned.plan)?;
        Ok(Some(self.find_cursor(&planned.plan, routed)))
    }

    fn bind(&mut self, header: Header, bind: &f::Bind<'_>, body: &[u8], whole: bool) -> Taken {
        if self.is_unsettled(bind.statement, true) {
            return self.wait_for_answers();
        }
        let Some(statement) = self.statement(bind.statement) else {
            return self.no_statement(bind.statement);
        };
        let statement = match self.planned_today(bind.statement, statement) {
            Ok(statement) => statement,
            Err(report) => {
                self.fail_pipeline(&report);
                return Taken::Discard;
            }
        };
        self.note_bound(&statement.prepared);
        let sharded = self.environment.is_sharded();
        if sharded && !whole {
            self.fail_pipeline(&too_long(header.body));
            return Taken::Discard;
        }
        let values = if sharded {
            match f::bind_values(&body[bind.rest_at..]) {
                Some(values) => values,
                None => {
                    self.fail_pipeline(&Report::error(
                        SqlState::new("08P01"),
                        "invalid message format",
                    ));
                    return Taken::Discard;
                }
            }
        } else {
            Vec::new()
        };
        let oid = |i: usize| {
            if let Some(description) = statement.description.get() {
                return description.type_of(i);
            }
            let types = &statement.prepared.types;
            types
                .get(2 + 4 * i..6 + 4 * i)
                .and_then(|bytes| bytes.try_into().ok())
                .map_or(0, u32::from_be_bytes)
        };
        let params: Vec<Param<'_>> = values
            .iter()
            .enumerate()
            .map(|(i, value)| Param {
                oid: oid(i),
                binary: value.binary,
                value: value.bytes,
            })
            .collect();
        // In binary, texts alone are in the client's encoding: text, varchar, bpchar, name, or a type not declared.
        let is_text = |p: &Param<'_>| !p.binary || matches!(p.oid, 0 | 25 | 1043 | 1042 | 19);
        let foreign = |p: &Param<'_>| p.value.is_some_and(|v| self.reads_otherwise(v));
        if params.iter().any(|p| is_text(p) && foreign(p)) {
            self.fail_pipeline(&other_encoding());
            return Taken::Discard;
        }
        if portal::in_steps(&statement)
            && let Some(taken) =
                self.bind_in_steps(bind.portal, &statement, &params, &body[bind.rest_at..])
        {
            return taken;
        }
        let home = match self.home(&statement, &params) {
            Ok(home) => home,
            Err(report) => {
                self.fail_pipeline(&report);
                return Taken::Discard;
            }
        };
        let Some(routed) = home else {
            self.in_pipeline = true;
            self.keep_portal(bind.portal, &statement, None);
            self.owe(Step::Own(Own::Empty(b'2')));
            return Taken::Discard;
        };
        if self.fails_in_pipeline() {
            return Taken::Discard;
        }
        if self.barrier(&routed) || self.begin_in_pipeline(&routed) || !self.ensure(&routed) {
            return Taken::Wait;
        }
        self.wrote(&routed);
        self.touch();
        let noted = statement
            .plan()
            .is_some_and(|plan| local::noted(plan).is_some());
        if sharded || noted {
            self.keep_portal(bind.portal, &statement, Some(routed));
        } else if !self.portals.is_empty() {
            self.portals.retain(|(name, _)| **name != *bind.portal);
        }
        if statement.leaves() != 0 {
            for i in 0..self.group.len() {
                self.links[self.group[i]].pinned |= statement.leaves();
            }
        }
        let group = self.group.clone();
        let mut as_is = !sharded && bind.statement.is_empty();
        for &slot in &group {
            if bind.statement.is_empty() {
                as_is &= self.send_unnamed(slot, &statement.prepared);
            } else {
                self.send_prepared(slot, &statement);
            }
        }
        if bind.statement.is_empty() {
            self.steps.push_back(Step::Bind(None));
            return Taken::Forward;
        }
        self.steps
            .push_back(Step::Bind(Some(Rc::clone(&statement))));
        debug_assert!(!as_is);
        let name = statement.prepared.name();
        let rest = header.body - bind.rest_at;
        let head = Header {
            tag: f::BIND,
            body: bind.portal.len() + 1 + name.len() + 1 + rest,
        };
        self.send(&head.to_bytes());
        self.send(bind.portal);
        self.send(&[0]);
        self.send(&name);
        self.send(&[0]);
        Taken::ForwardFrom(bind.rest_at)
    }

    /// Makes sure that a link's unnamed statement is this one. Whether it was already.
    fn send_unnamed(&mut self, slot: usize, prepared: &Arc<Prepared>) -> bool {
        let place = self.place();
        let link = &mut self.links[slot];
        let Some(server) = link.server.as_mut() else {
            return false;
        };
        if let Some(known) = &server.prepared.unnamed
            && Arc::ptr_eq(known, prepared)
        {
            return true;
        }
        let old = server.prepared.unnamed.replace(Arc::clone(prepared));
        link.parsing.push_back((place, Parsing::Unnamed(old)));
        link.out
            .frame(f::PARSE, &[&[0], &prepared.text, &[0], &prepared.types]);
        false
    }

    fn keep_portal(&mut self, name: &[u8], statement: &Rc<ClientStatement>, home: Option<Routed>) {
        self.portals.retain(|(known, _)| **known != *name);
        let portal = Portal {
            statement: Rc::clone(statement),
            home,
            steps: None,
            spool: Rc::default(),
        };
        self.portals.push((name.into(), portal));
    }

    /// Keeps a portal whose statement is carried out in steps.
    pub(super) fn keep_steps(
        &mut self,
        name: &[u8],
        statement: &Rc<ClientStatement>,
        steps: Steps,
    ) {
        self.keep_portal(name, statement, None);
        if let Some((_, portal)) = self.portals.last_mut() {
            portal.steps = Some(Rc::new(steps));
        }
    }

    fn portal(&self, name: &[u8]) -> Option<Portal> {
        self.portals
            .iter()
            .find(|(known, _)| **known == *name)
            .map(|(_, portal)| portal.clone())
    }

    fn no_portal(&mut self, name: &[u8]) -> Taken {
        self.fail_pipeline(&Report::error(
            SqlState::new("34000"),
            format!(
                "portal \"{}\" does not exist",
                String::from_utf8_lossy(name)
            ),
        ));
        Taken::Discard
    }

    fn describe(&mut self, named: &f::Named<'_>) -> Taken {
        if named.portal {
            let portal = self.portal(named.name);
            if let Some(Portal {
                statement,
                steps: Some(steps),
                ..
            }) = &portal
            {
                self.describe_portal_in_steps(statement, steps);
                return Taken::Discard;
            }
            if let Some(Portal {
                statement,
                home: None,
                ..
            }) = &portal
            {
                let bytes = self.describe_own(statement);
                self.owe(Step::Own(Own::Bytes(bytes)));
                return Taken::Discard;
            }
            return self.at_portal(named.name, portal, Step::DescribePortal);
        }
        if self.is_unsettled(named.name, true) {
            return self.wait_for_answers();
        }
        let Some(statement) = self.statement(named.name) else {
            return self.no_statement(named.name);
        };
        let own = statement
            .plan()
            .is_some_and(|plan| local::own_route(plan) || self.carries_out(plan));
        if self.environment.is_sharded() && portal::in_steps(&statement) {
            return self.describe_in_steps(&statement);
        }
        if own {
            self.in_pipeline = true;
            let mut bytes = vec![b't', 0, 0, 0, 6, 0, 0];
            bytes.extend(self.describe_own(&statement));
            self.owe(Step::Own(Own::Bytes(bytes)));
            return Taken::Discard;
        }
        if self.fails_in_pipeline() {
            return Taken::Discard;
        }
        let mut routed = Routed::unread();
        routed.leaves = 0;
        if self.environment.is_sharded() {
            // The schema is the same everywhere.
            routed.shards = route::Shards::Any;
            routed.writes = false;
        }
        routed.role = statement.plan().map_or(super::Role::Primary, route::role);
        if let Some(plan) = statement.plan()
            && !matches!(&plan.route, Route::Session(session)
                if matches!(**session, SessionStatement::Declare { .. }))
        {
            routed = self.find_cursor(plan, routed);
        }
        if self.transaction.is_failed() {
            self.fail_pipeline(&aborted());
            return Taken::Discard;
        }
        if self.barrier(&routed) || !self.ensure(&routed) {
            return Taken::Wait;
        }
        self.touch();
        let slot = self.group[0];
        if named.name.is_empty() {
            self.send_unnamed(slot, &statement.prepared);
            self.steps.push_back(Step::DescribeStatement(None));
            return Taken::Forward;
        }
        self.send_prepared(slot, &statement);
        self.steps
            .push_back(Step::DescribeStatement(Some(Rc::clone(&statement))));
        self.links[slot]
            .out
            .frame(f::DESCRIBE, &[b"S", &statement.prepared.name(), &[0]]);
        Taken::Discard
    }

    fn describe_own(&self, statement: &ClientStatement) -> Vec<u8> {
        match statement.plan() {
            Some(plan) => local::describe(plan),
            None => vec![b'n', 0, 0, 0, 4],
        }
    }

    fn close(&mut self, named: &f::Named<'_>) -> Taken {
        if named.portal {
            let portal = self.portal(named.name);
            let known = portal.is_some();
            if known {
                self.portals.retain(|(name, _)| **name != *named.name);
            }
            let on_server = match &portal {
                Some(portal) => portal.home.is_some(),
                None => !self.environment.is_sharded() && !self.links.is_empty(),
            };
            if on_server {
                return self.at_portal(named.name, portal, Step::Close);
            }
        } else if named.name.is_empty() {
            self.remember(Undone::Unnamed(self.unnamed.clone()));
            self.unnamed = None;
        } else if let Some(old) = self.statements.remove(named.name) {
            self.remember(Undone::Statement(named.name.into(), Some(old)));
        }
        self.in_pipeline = true;
        self.owe(Step::Own(Own::Empty(b'3')));
        Taken::Discard
    }

    fn execute(&mut self, execute: &f::Execute<'_>) -> Taken {
        let portal = self.portal(execute.portal);
        if let Some(Portal {
            statement,
            steps: Some(steps),
            spool,
            ..
        }) = &portal
        {
            return self.execute_in_steps(statement, steps, spool, execute.max_rows);
        }
        if let Some(Portal {
            statement, home, ..
        }) = &portal
        {
            if home.is_none() {
                return self.execute_own(statement);
            }
            let several = self.environment.is_sharded()
                && matches!(home, Some(Routed { shards: route::Shards::These(s), .. }) if s.len() > 1);
            if several && execute.max_rows != 0 {
                self.fail_pipeline(
                    &Report::error(
                        SqlState::new("SH003"),
                        "answer needs merging over several shards",
                    )
                    .detail("The portal is read in parts (Execute with a row limit).")
                    .hint("Fetch all rows at once, or add the sharding key to the statement."),
                );
                return Taken::Discard;
            }
        }
        let note = portal
            .as_ref()
            .and_then(|portal| portal.statement.plan())
            .map_or(Note(None), |plan| self.note(plan));
        let clears = note.clears_statements();
        let taken = self.at_portal(execute.portal, portal, Step::Execute(note));
        self.clears_statements |= clears && taken == Taken::Forward;
        taken
    }

    /// A message about a portal goes where the portal is.
    fn at_portal(&mut self, name: &[u8], portal: Option<Portal>, step: Step) -> Taken {
        if self.environment.is_sharded() {
            let Some(Portal {
                home: Some(routed), ..
            }) = portal
            else {
                return self.no_portal(name);
            };
            if self.barrier(&routed) || !self.ensure(&routed) {
                return Taken::Wait;
            }
        } else {
            if self.fails_in_pipeline() {
                return Taken::Discard;
            }
            let mut routed = Routed::unread();
            routed.leaves = 0;
            if !self.ensure(&routed) {
                return Taken::Wait;
            }
        }
        self.touch();
        self.steps.push_back(step);
        Taken::Forward
    }

    fn execute_own(&mut self, statement: &Rc<ClientStatement>) -> Taken {
        if !self.steps.is_empty() {
            // Whether it is reached at all depends on what goes before.
            self.flush_group();
            return Taken::Wait;
        }
        self.in_pipeline = true;
        let Some((_, planned)) = &statement.planned else {
            self.owe(Step::Own(Own::Bytes(vec![b'I', 0, 0, 0, 4])));
            return Taken::Discard;
        };
        let text = planned.span.of(statement.text());
        self.local(&planned.plan, text, Ready::Silent)
            .unwrap_or(Taken::Discard)
    }

    /// In a transaction whose server is gone, everything but its end fails. Whether this did.
    fn fails_in_pipeline(&mut self) -> bool {
        if self.environment.is_sharded() || !self.transaction.is_failed() {
            return false;
        }
        self.fail_pipeline(&aborted());
        true
    }
}
