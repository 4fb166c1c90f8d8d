//! The straight road: what most messages come to, without what the others need.
//!
//! Most of what clients send is one plain statement, by itself, that goes to one place; most answers end in the bytes that
//! came. Little is to be done for either, but for some sixty reasons for which more might be: a transaction, settings that
//! are not settled, a pipeline half said, a catalog of the session's own. Whether one of them is given is not asked again
//! with each message. It is found out once (`nothing_is_left`), when the session has given back its last connection or is
//! between two statements of a transaction on one server, and holds until the session is told anything else than a
//! question that may take this road and what follows of it:
//!
//! ```text
//! Rest ── a plain question ──▶ Waiting ── its connection ──▶ Asked ── the whole answer ──▶ Answered ── given back ──▶ Rest
//! Between ── a plain question ──▶ Asked ── the whole answer ──▶ Between
//! ```
//!
//! Where there is one shard, `BEGIN` leads from rest to between and `COMMIT` or `ROLLBACK` back: the server has the
//! transaction, and the session hears of it. Over shards the session itself has it. `BEGIN` reaches no server, so that the
//! first question behind it waits for its connection; those of other shards take the ordinary road, and so does the rest of
//! the transaction.
//!
//! Whatever else comes finds everything where the ordinary road would have put it, the same link and the same steps, and
//! goes on from there (`leave_straight_road`). So this is a shorter way and no other place; a test walks both and compares
//! all that a session is.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | where the session is on the road, and what rest is |
//! | `question` | which questions may take it, and how they are asked |
//! | `answer` | the answers that end it |

mod answer;
mod question;
#[cfg(test)]
mod tests;

use router_core::plan::{Context, Direction, Met, Touches};

use self::question::Question;
use super::commit::Ground;
use super::{HIGH_WATER, Session};

/// Where the session is on the straight road.
#[derive(Debug, Default)]
pub(super) enum Road {
    /// Not there: anything may be under way.
    #[default]
    Ordinary,
    /// Nothing is under way, and nothing is left of what was.
    Rest,
    /// The same, but for a transaction and its only link: its server knows of it (unsharded databases), or the session has
    /// it, and no shard has joined yet or this one (over shards).
    Between,
    /// A question waits for its connection, the only link. It is still in the client's input.
    Waiting(Question),
    /// The only link's server has it, and is in this state once it has answered.
    Asked(u8),
    /// The only link is to be given back.
    Answered,
}

/// What comes next on the straight road.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Straight {
    /// A question of the client.
    Open,
    /// The connection for the one that the client has asked.
    Waiting,
    /// The answer to the one that was asked.
    Asked,
}

/// By what a session at rest plans: good for as long as it is at rest and nobody has read the catalog anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// How many times the catalog had been read.
    readings: u64,
    /// See [`Session::knowledge`].
    knowledge: u64,
    /// By what the planner finds plans.
    met: Option<Met>,
    /// What is not ASCII may be read otherwise by servers ([`Session::reads_otherwise`]).
    otherwise: bool,
}

impl Session {
    /// Whatever comes now takes the ordinary road.
    pub(super) fn leave_straight_road(&mut self) {
        if !matches!(self.road, Road::Ordinary) {
            self.road = Road::Ordinary;
            for link in &mut self.links {
                link.numbers = self.environment.catalog.numbers(link.shard);
            }
        }
    }

    /// The next question may take the straight road, if nothing is under way and nothing is left of what was.
    pub(super) fn come_to_rest(&mut self) {
        let sharded = self.environment.is_sharded();
        let alone = self.transaction.is_nothing();
        let road = match (self.status, &self.links[..]) {
            (b'I', []) if alone && !self.begins => Road::Rest,
            (b'T', []) if self.transaction.is_plain() => Road::Between,
            (b'T', [link]) if !sharded && alone && link.is_between(false) => Road::Between,
            (b'T', [link]) if self.transaction.is_plain() && link.is_between(true) => Road::Between,
            _ => return,
        };
        if self.nothing_is_left() {
            self.road = road;
            self.known = None;
        }
    }

    /// Whether there is nothing that a plain statement or its answer would have to do with, beside connections. All that a
    /// session has is named here, so that whoever adds to it decides about that, too.
    fn nothing_is_left(&self) -> bool {
        let Self {
            environment,
            // Of a message that comes to no more than an answer of its server's there is never more than one.
            allowance: _,
            process: _,
            // What the client has not read yet is there before its answer.
            client_out: _,
            input,
            // See `come_to_rest`.
            links: _,
            transaction: _,
            spare: _,
            status: _,
            begins: _,
            group: _,
            turn,
            steps,
            tally,
            popped: _,
            after,
            speak,
            pipeline_failed,
            skipping,
            in_pipeline,
            copying,
            terminated,
            // These say what holds, and do not change at rest.
            parameters: _,
            greeted: _,
            initial: _,
            wanted: _,
            reading: _,
            sets,
            renews,
            acting,
            acting_rights: _,
            uncommitted,
            settings_on_server,
            // Only while settings are on the server.
            begins_anew: _,
            directives,
            initial_directives: _,
            // A question says which of them it is about.
            statements: _,
            gone_as_is: _,
            unnamed: _,
            unnamed_unread,
            unanswered,
            // Of statements, each of which says so itself.
            numbers: _,
            // The unnamed one lives on in a transaction over shards, until another takes its place.
            portals,
            undo,
            script,
            withheld,
            ground,
            // Plain statements are not about them.
            cursors: _,
            gathered_cursors: _,
            operation,
            waiting,
            waits,
            refusal,
            asks_catalog,
            outer,
            // They are of a step that is gone.
            executed: _,
            rewritten: _,
            asked: _,
            schema_changed,
            schema_touches,
            schema_unseen,
            schema_directed,
            schema_unplanned,
            schema_adds,
            defining,
            clears_statements,
            resets,
            temporary,
            // Plain statements do not ask for values of sequences.
            drew_elsewhere: _,
            gives_way,
            goes_on,
            road: _,
            known: _,
        } = self;
        let flags = [
            *speak,
            *pipeline_failed,
            *skipping,
            *in_pipeline,
            *copying,
            *terminated,
            *sets,
            *renews,
            *settings_on_server,
            *waits,
            *asks_catalog,
            *schema_changed || *schema_touches != Touches::Nothing,
            *schema_unseen,
            *schema_directed,
            *schema_adds,
            *clears_statements,
            *resets,
            *unnamed_unread,
        ];
        !environment.is_transparent()
            && flags == [false; 18]
            && *turn == 0
            && steps.is_empty()
            && !input.is_inside()
            && tally.is_nothing()
            && after.is_empty()
            && acting.is_none()
            && uncommitted.is_empty()
            && schema_unplanned.is_none()
            && defining.is_none()
            && directives.direction() == Direction::None
            && !directives.per_shard
            && unanswered.is_none()
            && portals
                .iter()
                .all(|(name, _)| name.is_empty() && environment.is_sharded())
            && undo.is_empty()
            && script.is_none()
            && withheld.is_empty()
            && matches!(ground, Ground::Ready)
            && operation.is_none()
            && waiting.is_none()
            && refusal.is_none()
            && gives_way.is_none()
            && goes_on.is_none()
            && outer.is_nothing()
            && temporary.is_none()
    }

    /// By what a session at rest plans.
    fn known(&mut self) -> Known {
        let catalog = &self.environment.catalog;
        let readings = catalog.readings();
        if let Some(known) = self.known
            && known.readings == readings
        {
            return known;
        }
        let reading = catalog.current();
        let context = Context {
            topology: &self.environment.topology,
            catalog: &reading.catalog,
            search_path: &self.schemas(),
            standard_conforming_strings: self.standard_strings(),
            private: false,
            direction: Direction::None,
            per_shard: false,
        };
        let known = Known {
            readings,
            knowledge: self.knowledge(),
            met: self.environment.planner.borrow_mut().planner.meet(&context),
            otherwise: self.reads_otherwise("é".as_bytes()),
        };
        self.known = Some(known);
        known
    }

    /// Where the session is on the straight road, as far as its driver may go along with it.
    #[inline]
    pub fn straight(&self) -> Option<Straight> {
        match self.road {
            Road::Rest | Road::Between => Some(Straight::Open),
            Road::Waiting(_) => Some(Straight::Waiting),
            Road::Asked(_) => Some(Straight::Asked),
            Road::Ordinary | Road::Answered => None,
        }
    }

    /// Whether it is on the straight road.
    #[inline]
    pub fn is_straight(&self) -> bool {
        !matches!(self.road, Road::Ordinary)
    }

    /// Whether nothing is under way, and nothing is left of what was: known without looking.
    #[inline]
    pub fn is_at_rest(&self) -> bool {
        matches!(self.road, Road::Rest)
    }

    /// Whether more of the client's bytes can be taken now, where the straight road says so.
    #[inline]
    pub(super) fn straight_takes_input(&self) -> Option<bool> {
        match self.road {
            Road::Rest | Road::Between => Some(self.client_out.len() < HIGH_WATER),
            Road::Waiting(_) => Some(self.links[0].server.is_some()),
            Road::Ordinary | Road::Asked(_) | Road::Answered => None,
        }
    }

    /// Whether the session is settled, where the straight road says so.
    #[inline]
    pub(super) fn is_straight_settled(&self) -> Option<bool> {
        match self.road {
            Road::Rest => Some(true),
            Road::Between | Road::Asked(_) => {
                Some(self.links.first().is_none_or(|link| link.out.is_empty()))
            }
            Road::Ordinary | Road::Waiting(_) | Road::Answered => None,
        }
    }
}
