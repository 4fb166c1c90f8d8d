//! `Parse`.

use std::rc::Rc;
use std::sync::Arc;

use router_core::plan::{KnownBy, Route, SessionStatement, Target};
use router_core::sqlstate::SqlState;

use super::client::Taken;
use super::link::Parsing;
use super::outer::{Held, Whom, already_exists};
use super::own_answers::too_long;
use super::route::{self, Routed, Shards};
use super::statement::ClientStatement;
use super::step::{Own, Step};
use super::undo::Undone;
use super::{ANALYSIS_LIMIT, Session, TEXT_LIMIT, in_steps, own_plans};
use crate::server::prepared::Prepared;
use crate::wire::encode::Report;
use crate::wire::frame::Header;
use crate::wire::frontend as f;

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
            self.fail_pipeline(&too_long(header.body, TEXT_LIMIT));
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
        match self.parse_or_stop(parse) {
            Ok(taken) | Err(taken) => taken,
        }
    }

    fn parse_or_stop(&mut self, parse: &f::Parse<'_>) -> Result<Taken, Taken> {
        let statement = self.statement_of(parse)?;
        self.is_accepted(parse, &statement)?;
        self.is_readable(parse, &statement)?;
        if !parse.name.is_empty() {
            self.is_free(parse.name, &statement)?;
            if let Some(taken) = self.parse_by_sql_name(parse.name, &statement) {
                return Ok(taken);
            }
        }
        let sharded = self.environment.is_sharded();
        if sharded && is_analysed(&statement) {
            if !in_steps::is_in_steps(&statement) {
                self.in_pipeline = true;
                self.keep(parse.name, Rc::clone(&statement));
                self.unanswered = Some(statement);
                return Ok(Taken::Discard);
            }
            // Its description is wanted sooner or later; so its errors come now.
            let described = self.described(&statement);
            described.map_err(|held| self.stop_pipeline(held))?;
        }
        if sharded || statement.plan().is_some_and(own_plans::own_route) {
            self.in_pipeline = true;
            self.keep(parse.name, statement);
            self.owe(Step::Own(Own::Empty(b'1')));
            return Ok(Taken::Discard);
        }
        if self.fails_in_pipeline() {
            return Err(Taken::Discard);
        }
        // Of what it executes, while that can be done: with this the pipeline begins.
        if !self.links.iter().any(|link| link.touched) {
            let kept = self.keep_readings(&statement);
            kept.map_err(|held| self.stop_pipeline(held))?;
        }
        self.pass_parse(parse, statement)
    }

    /// A message of a pipeline does not go on.
    fn stop_pipeline(&mut self, held: Held) -> Taken {
        match held {
            Held::Wait => Taken::Wait,
            Held::Failed(error) => {
                self.fail_pipeline_with(error);
                Taken::Discard
            }
        }
    }

    /// The statement with its plan: the unnamed one again, where it is the same and would be read as it was.
    fn statement_of(&mut self, parse: &f::Parse<'_>) -> Result<Rc<ClientStatement>, Taken> {
        if let Some(known) = &self.unnamed
            && parse.name.is_empty()
            && known.prepared.is(parse.query, parse.types)
            && self.reads_the_same(&known.prepared)
            && known.catalog == self.knowledge()
            && !known.names_unknown()
        {
            return Ok(Rc::clone(known));
        }
        let said = self.said(parse);
        let planned = self.plan_now(parse.name, said, self.environment.catalog.changes());
        planned.map_err(|held| match held {
            Held::Failed(_) if self.fails_unless_ended(None) => {
                self.fail_in_failed();
                Taken::Discard
            }
            held => self.stop_pipeline(held),
        })
    }

    /// Whether it may be prepared now, by what its plan says.
    fn is_accepted(
        &mut self,
        parse: &f::Parse<'_>,
        statement: &ClientStatement,
    ) -> Result<(), Taken> {
        let empty = parse.query.trim_ascii().is_empty();
        if !empty && self.fails_unless_ended(statement.plan()) {
            self.fail_in_failed();
            return Err(Taken::Discard);
        }
        let plan = statement.plan();
        if plan.is_some_and(|plan| self.is_better_known(plan)) {
            return Err(self.look_for_additions());
        }
        self.numbers |= statement.numbers.is_some();
        if let Some(refusal) = statement.refusal() {
            let text = statement.text().to_owned();
            let types = parse.types;
            let says = plan.map_or(Ok(()), |plan| self.server_says(plan, &text, types));
            return Err(match says {
                Ok(()) => self.stop(&Report::from(refusal)),
                Err(held) => self.stop_pipeline(held),
            });
        }
        if let Some(error) = self.no_room(parse.query.len()) {
            return Err(self.stop(&error));
        }
        match self.has_to_clear(statement.leaves()) {
            true => Err(self.wait_for_answers()),
            false => Ok(()),
        }
    }

    /// Several statements, or an open parenthesis: whoever is asked first says what is wrong.
    fn is_readable(
        &mut self,
        parse: &f::Parse<'_>,
        statement: &ClientStatement,
    ) -> Result<(), Taken> {
        let doubtful = self.environment.is_sharded()
            && statement.planned.is_none()
            && !parse.query.trim_ascii().is_empty()
            && !self.transaction.is_failed();
        if !doubtful {
            return Ok(());
        }
        let parsed = self.parsed(parse.query, parse.types, Whom::any());
        parsed.map_err(|held| self.stop_pipeline(held))
    }

    /// Whether a name is not taken.
    fn is_free(&mut self, name: &[u8], statement: &ClientStatement) -> Result<(), Taken> {
        if self.is_unsettled(name, true) {
            return Err(self.wait_for_answers());
        }
        if !self.statements.has(name) {
            return Ok(());
        }
        if self.is_unsettled(name, false) {
            return Err(self.wait_for_answers());
        }
        // PostgreSQL looks for that first.
        let failed = self.links.iter().any(|link| link.status() == b'E');
        let plan = statement.plan();
        let ends = plan.is_some_and(|plan| matches!(plan.route, Route::Transaction(_)));
        if failed && !ends {
            self.fail_in_failed();
            return Err(Taken::Discard);
        }
        Err(self.stop(&already_exists(&String::from_utf8_lossy(name))))
    }

    /// The only server is told of the statement.
    fn pass_parse(
        &mut self,
        parse: &f::Parse<'_>,
        statement: Rc<ClientStatement>,
    ) -> Result<Taken, Taken> {
        let routed = Routed::prepares(statement.plan());
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
            return Err(Taken::Wait);
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
            return Err(Taken::Wait);
        };
        if parse.name.is_empty() {
            let old = server.prepared.unnamed.replace(Arc::clone(&kept.prepared));
            link.parsing.push_back((place, Parsing::Unnamed(old)));
            self.steps.push_back(Step::Parse);
            if kept.numbers.is_some() || link.numbers.is_some() {
                link.parse(&[], &kept.prepared);
                return Ok(Taken::Discard);
            }
            return Ok(Taken::Forward);
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
        Ok(Taken::Discard)
    }

    /// What a `Parse` says, by the settings of this moment.
    fn said(&mut self, parse: &f::Parse<'_>) -> Arc<Prepared> {
        let reading = self.reading_of(parse.query);
        Arc::new(Prepared::new(parse.query, parse.types, &reading))
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
}
