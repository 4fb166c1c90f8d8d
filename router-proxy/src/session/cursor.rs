//! Cursors of a sharded database: each is on one shard, which the session remembers by the cursor's name.
//!
//! SQL and the protocol have one space of names for them, as in PostgreSQL: `FETCH` finds what `Bind` has made, and
//! `Describe`, `Execute` and `Close` find what `DECLARE` has made.
//!
//! A cursor whose query reads several shards is on the scratch server, over temporary tables that hold what the query
//! needs; they stay until the transaction ends, and PostgreSQL keeps the rows of one `WITH HOLD` beyond that. What is
//! remembered of a cursor that does not exist after all does no harm: its server says so.

use router_core::id::ShardId;
use router_core::plan::{
    Answer, Plan, Program, Reason, Refusal, Route, SessionStatement, Step, Target,
};
use router_core::sqlstate::SqlState;
use smallvec::SmallVec;

use super::route::{Routed, Shards};
use super::{Role, Session};
use crate::wire::encode::Report;

/// A cursor and where it is.
#[derive(Debug)]
pub(super) struct Cursor {
    name: String,
    shard: ShardId,
    /// It outlives its transaction.
    hold: bool,
    /// Its transaction is committed.
    kept: bool,
    /// Its server was told another text than the client's message.
    reworded: bool,
}

/// Most cursors that are remembered: also failed `DECLARE`s leave some.
const MOST_CURSORS: usize = 4096;

/// Whether a statement makes a cursor that outlives its transaction, over tables that do not.
pub(super) fn is_held_and_gathered(session: &SessionStatement) -> bool {
    matches!(
        session,
        SessionStatement::Declare {
            hold: true,
            gathered: Some(_),
            ..
        }
    )
}

/// As PostgreSQL says it.
pub(super) fn outside() -> Report {
    Report::error(
        SqlState::new("25P01"),
        "DECLARE CURSOR can only be used in transaction blocks",
    )
}

pub(super) fn read_only() -> Report {
    Report::error(
        SqlState::new("SH018"),
        "statement cannot be carried out over shards",
    )
    .detail("The cursor's query reads several shards, which takes temporary tables on the scratch server; that takes part in the transaction already, or follows a savepoint, and the transaction is read-only.")
    .hint("Declare the cursor first, begin the transaction without READ ONLY, or run the query without a cursor.")
}

impl Session {
    /// The shard where a cursor's tables can be made though the transaction reads only: it has not joined yet.
    pub(super) fn fills(&self, session: &SessionStatement) -> Option<ShardId> {
        let SessionStatement::Declare {
            on: Target::Shard(on),
            gathered: Some(_),
            ..
        } = session
        else {
            return None;
        };
        let mut links = self.links.iter();
        let joined =
            links.any(|link| link.shard == *on && link.joined && !link.apart && !link.fills);
        (!joined && self.transaction.opening_to_fill().is_some()).then_some(*on)
    }

    /// The program of a cursor whose query reads several shards; its tables get names that no other cursor's have.
    pub(super) fn gathered_cursor(&self, session: &SessionStatement) -> Option<Program> {
        let SessionStatement::Declare {
            gathered: Some(program),
            ..
        } = session
        else {
            return None;
        };
        let mut program = (**program).clone();
        let number = self.gathered_cursors;
        // The planner gathers no text that has this word in it.
        let rename =
            |text: &mut String| *text = text.replace("shunt_", &format!("shunt_cursor{number}_"));
        for step in &mut program.steps {
            match step {
                Step::Run { text, .. } | Step::Check { text, .. } | Step::Show { text, .. } => {
                    rename(text);
                }
                Step::RunEach { texts } => texts.iter_mut().for_each(|(_, text)| rename(text)),
                Step::Move { query, table, .. } | Step::Fetch { query, table, .. } => {
                    rename(query);
                    rename(table);
                }
            }
        }
        match &mut program.answer {
            Answer::Merged { text, .. } | Answer::Finished { text, .. } => rename(text),
            Answer::Each { texts, .. } => texts.iter_mut().for_each(|(_, text)| rename(text)),
            Answer::Tag(_) => {}
        }
        program
            .temporary
            .iter_mut()
            .for_each(|(name, _)| rename(name));
        Some(program)
    }

    /// A cursor is made.
    pub(super) fn declares(&mut self, session: &SessionStatement) {
        if let SessionStatement::Declare {
            name,
            hold,
            on: Target::Shard(shard),
            gathered: Some(_),
        } = session
        {
            self.gathered_cursors = self.gathered_cursors.wrapping_add(1);
            self.remember_cursor(name, *shard, *hold, true);
        }
    }

    fn remember_cursor(&mut self, name: &str, shard: ShardId, hold: bool, reworded: bool) {
        self.cursors.retain(|cursor| cursor.name != name);
        self.cursors.push(Cursor {
            name: name.to_owned(),
            shard,
            hold,
            kept: !self.transaction.is_open() || self.transaction.implicit,
            reworded,
        });
    }

    /// A transaction ends, and its cursors with it; those `WITH HOLD` stay if it is committed.
    pub(super) fn end_cursors(&mut self, committed: bool) {
        self.cursors
            .retain(|cursor| cursor.hold && (committed || cursor.kept));
        self.cursors
            .iter_mut()
            .for_each(|cursor| cursor.kept = true);
    }

    /// `CLOSE` of one cursor, or of all.
    pub(super) fn closed(&mut self, name: Option<&str>) {
        self.cursors
            .retain(|cursor| name.is_some_and(|name| name != cursor.name));
    }

    /// Whether a shard has cursors of the session.
    pub(super) fn has_cursors_at(&self, shard: ShardId) -> bool {
        self.cursors.iter().any(|cursor| cursor.shard == shard)
    }

    /// Where a message of the protocol goes that names a cursor which SQL has declared.
    pub(super) fn cursor_home(&self, name: &[u8]) -> Option<Routed> {
        let mut cursors = self.cursors.iter();
        let cursor = cursors.find(|cursor| cursor.name.as_bytes() == name)?;
        let mut routed = Routed::anywhere(Role::Primary);
        routed.shards = Shards::These(SmallVec::from_elem(cursor.shard, 1));
        Some(routed)
    }

    /// The only shard with cursors that a read of `pg_cursors` may show: all of them, or the one of a name. `None`: no shard
    /// has any.
    fn shown(&self, name: Option<&str>, texts: bool) -> Result<Option<ShardId>, Refusal> {
        let asked = |known: &[u8]| name.is_none_or(|name| name.as_bytes() == known);
        let mut found: Vec<ShardId> = Vec::new();
        for cursor in self.cursors.iter().filter(|c| asked(c.name.as_bytes())) {
            if texts && cursor.reworded {
                return Err(Refusal::new(
                    Reason::SessionStatement,
                    format!(
                        "The server of cursor \"{}\" has declared it in other words.",
                        cursor.name
                    ),
                )
                .with_hint(
                    "Read the columns of pg_cursors by their names, without \"statement\" and \"is_scrollable\".",
                ));
            }
            found.push(cursor.shard);
        }
        // The unnamed portal is that of the statement at hand by now.
        let portals = self.portals.iter().map(|(name, _)| &**name);
        for portal in portals.filter(|name| !name.is_empty() && asked(name)) {
            let shard = std::str::from_utf8(portal).ok();
            match shard.and_then(|name| self.portal_shard(name)) {
                Some(shard) => found.push(shard),
                None => {
                    return Err(Refusal::new(
                        Reason::SessionStatement,
                        "A portal of the protocol is the router's own, or on several servers.",
                    )
                    .with_hint(
                        "Close it first, or ask for a cursor by its name: WHERE name = '...'.",
                    ));
                }
            }
        }
        match found.split_first() {
            None => Ok(None),
            Some((first, rest)) if rest.iter().all(|shard| shard == first) => Ok(Some(*first)),
            _ => Err(Refusal::new(
                Reason::SessionStatement,
                "The session's cursors are on several servers, and pg_cursors shows those of one.",
            )
            .with_hint(
                "Ask for a cursor by its name: SELECT ... FROM pg_cursors WHERE name = '...'.",
            )),
        }
    }

    /// Whether a statement about cursors can be carried out where they are.
    pub(super) fn permits_cursor(&self, plan: &Plan) -> Result<(), Box<Report>> {
        let Route::Session(session) = &plan.route else {
            return Ok(());
        };
        match &**session {
            SessionStatement::Declare { .. } if self.cursors.len() >= MOST_CURSORS => {
                let report = Report::error(SqlState::new("54000"), "too many cursors");
                Err(Box::new(
                    report.hint("Close the ones that are not used any more."),
                ))
            }
            SessionStatement::Cursors { name, texts } => self
                .shown(name.as_deref(), *texts)
                .map(|_| ())
                .map_err(|refusal| Box::new(Report::from(&refusal))),
            _ => Ok(()),
        }
    }

    /// Whether what a statement leaves behind is left on this link.
    pub(super) fn is_home(&self, plan: &Plan, slot: usize) -> bool {
        if plan.temporary {
            return self.links[slot].shard == self.environment.topology.temporary_home();
        }
        match &plan.route {
            Route::Session(session) => match &**session {
                SessionStatement::Declare {
                    on: Target::Shard(shard),
                    ..
                } => self.links[slot].shard == *shard,
                _ => true,
            },
            _ => true,
        }
    }

    /// Where a statement about a cursor goes: to the cursor. Takes note of one that is made.
    pub(super) fn find_cursor(&mut self, plan: &Plan, mut routed: Routed) -> Routed {
        let Route::Session(session) = &plan.route else {
            return routed;
        };
        let mut shards: Vec<ShardId> = match &**session {
            SessionStatement::Declare { name, hold, .. } => {
                let shard = match &routed.shards {
                    Shards::These(shards) => shards[0],
                    Shards::Any => self.shard_for_any(),
                };
                // Outside of a transaction PostgreSQL makes none that ends with it.
                if *hold || self.transaction.is_open() || self.in_pipeline {
                    self.remember_cursor(name, shard, *hold, self.script.is_some());
                }
                vec![shard]
            }
            SessionStatement::Cursors { name, texts } => {
                let shown = self.shown(name.as_deref(), *texts);
                shown.ok().flatten().into_iter().collect()
            }
            SessionStatement::Fetch(name) | SessionStatement::Close(Some(name)) => {
                let known = self.cursors.iter().find(|cursor| cursor.name == *name);
                // What the protocol has bound is a cursor, too.
                let shard = known.map(|cursor| cursor.shard);
                let shard = shard.or_else(|| self.portal_shard(name));
                shard.into_iter().collect()
            }
            SessionStatement::Close(None) => {
                self.cursors.iter().map(|cursor| cursor.shard).collect()
            }
            _ => return routed,
        };
        shards.sort_unstable();
        shards.dedup();
        if !shards.is_empty() {
            routed.shards = Shards::These(shards.into_iter().collect());
        }
        routed
    }
}
