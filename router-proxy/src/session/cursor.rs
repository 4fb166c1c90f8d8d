//! Cursors of a sharded database: each is on one shard, which the session remembers by the cursor's name.
//!
//! A cursor whose query reads several shards is on the scratch server, over temporary tables that hold what the query
//! needs; they stay until the transaction ends, and PostgreSQL keeps the rows of one `WITH HOLD` beyond that. What is
//! remembered of a cursor that does not exist after all does no harm: its server says so.

use router_core::id::ShardId;
use router_core::plan::{Answer, Plan, Program, Route, SessionStatement, Step, Target};
use router_core::sqlstate::SqlState;

use super::Session;
use super::route::{Routed, Shards};
use crate::wire::encode::Report;

/// A cursor and where it is.
#[derive(Debug)]
pub(super) struct Cursor {
    name: String,
    shard: ShardId,
    /// It outlives its transaction.
    pub(super) hold: bool,
}

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
            self.remember_cursor(name, *shard, *hold);
        }
    }

    fn remember_cursor(&mut self, name: &str, shard: ShardId, hold: bool) {
        self.cursors.retain(|cursor| cursor.name != name);
        self.cursors.push(Cursor {
            name: name.to_owned(),
            shard,
            hold,
        });
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
                self.remember_cursor(name, shard, *hold);
                vec![shard]
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
