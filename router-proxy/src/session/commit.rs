//! The end of a transaction over several shards, and the transactions that nobody asked for but a statement needs.
//!
//! Which shards were written is known by what was sent there ([`Traces`]). A commit of more than one link is an operation
//! ([`crate::exec::commit`]); where it needs a decision, the coordinator's table must be there first
//! (`Session::poll_ground`).

use router_core::id::ShardId;
use router_core::plan::clock::Clock;
use router_core::plan::resolve::Resolved;
use router_core::plan::{Analysis, Merge, Plan, Planned, Route, SessionEffect};
use router_core::twophase::{Obstacle, Participant, Place};

use super::Session;
use super::client::Taken;
use super::cursor;
use super::route::{Routed, Shards};
use super::step::{Note, Noted, Own, Ready, Step};
use super::transaction::Transaction;
use crate::exec::commit;
use crate::exec::undo::Undoing;
use crate::wire::encode::Report;
use crate::wire::frame::Header;

/// What a link was used for in the transaction or pipeline under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traces {
    /// A statement that writes was sent there.
    pub(super) wrote: bool,
    /// Whether PostgreSQL will not prepare what was done there.
    pub(super) obstacle: Obstacle,
}

/// What PostgreSQL does not prepare, as far as a statement shows it: temporary tables, `LISTEN`, cursors `WITH HOLD`.
const UNPREPARABLE: SessionEffect = SessionEffect::TEMPORARY
    .union(SessionEffect::LISTEN)
    .union(SessionEffect::HELD_CURSOR);

/// Whether a statement does something that PostgreSQL does not prepare.
pub(super) fn unpreparable(plan: &Plan) -> bool {
    plan.session.bits & UNPREPARABLE.bits != 0
        || matches!(&*plan.kind, "listen" | "unlisten" | "notify")
}

/// What such a statement is in the way of a transaction that is prepared.
pub(super) fn obstacle(unpreparable: bool) -> Obstacle {
    match unpreparable {
        true => Obstacle::Certain,
        false => Obstacle::None,
    }
}

/// Why a commit cannot begin yet.
#[derive(Debug, Default)]
pub(super) enum Ground {
    /// Nobody has asked, or it is there.
    #[default]
    Ready,
    /// The table of decisions of this shard is waited for.
    Wanted(ShardId),
    /// It cannot be had.
    Refused(Box<Report>),
}

impl Session {
    /// The shard whose table of decisions the session waits for.
    pub fn poll_ground(&self) -> Option<ShardId> {
        match self.ground {
            Ground::Wanted(shard) => Some(shard),
            _ => None,
        }
    }

    /// It is there, or cannot be had.
    pub fn handle_ground(&mut self, made: Result<(), Report>) {
        self.leave_straight_road();
        self.ground = match made {
            Ok(()) => Ground::Ready,
            Err(report) => Ground::Refused(Box::new(report)),
        };
    }

    /// Whether a commit is under way: whoever drives the session sees it to its end, also without its client.
    pub fn is_committing(&self) -> bool {
        self.operation
            .as_ref()
            .is_some_and(|running| running.commits)
    }

    /// Takes note of what a statement does on a link.
    pub(super) fn leaves_traces(&mut self, slot: usize, traces: Traces) {
        let link = &mut self.links[slot];
        // Whatever is done there may be done to temporary tables.
        let possible = match link.pinned & SessionEffect::TEMPORARY.bits {
            0 => Obstacle::None,
            _ => Obstacle::Possible,
        };
        link.traces.wrote |= traces.wrote;
        link.wrote |= traces.wrote;
        link.traces.obstacle = link.traces.obstacle.max(traces.obstacle).max(possible);
        if traces.wrote {
            self.transaction.last_writer = Some(link.shard);
        }
    }

    /// Whether a statement compares the time of no other shard than the transaction has stored.
    pub(super) fn keeps_time(&self, plan: &Plan, as_it_is: bool) -> Result<(), Box<Report>> {
        let kept = self.transaction.times.allows(plan.clock, as_it_is);
        kept.map_err(|refusal| Box::new(Report::from(&refusal)))
    }

    /// Takes note of what a statement stores of the time, in a transaction or pipeline of several statements over shards.
    pub(super) fn stores_time(&mut self, clock: Clock, as_it_is: bool, stores_rows: bool) {
        if self.environment.is_sharded() && (self.transaction.is_open() || self.in_pipeline) {
            let times = &mut self.transaction.times;
            *times = times.after(clock, as_it_is, stores_rows);
        }
    }

    /// The links that take part in the transaction, in order of shards.
    fn joined(&self) -> Vec<usize> {
        let mut slots: Vec<usize> = (0..self.links.len())
            .filter(|&slot| self.links[slot].joined)
            .collect();
        slots.sort_by_key(|&slot| self.links[slot].shard);
        slots
    }

    /// Whether more than one shard has been written, so that the commit will need their agreement.
    pub(super) fn commits_in_phases(&self) -> bool {
        let wrote = |slot: &&usize| self.links[**slot].traces.wrote;
        self.joined().iter().filter(wrote).count() > 1
    }

    fn plan_commit(&self, slots: &[usize]) -> commit::Plan {
        let participants: Vec<_> = slots
            .iter()
            .map(|&slot| {
                let link = &self.links[slot];
                let participant = Participant {
                    wrote: link.traces.wrote && !self.transaction.cannot_have_written(),
                    obstacle: link.traces.obstacle,
                };
                (link.shard, participant)
            })
            .collect();
        commit::Plan::new(&participants, self.transaction.last_writer)
    }

    /// Whether the commit of the transaction under way can begin; asks for what it lacks.
    pub(super) fn may_commit(&mut self) -> bool {
        match self.ground {
            Ground::Wanted(_) => false,
            Ground::Refused(_) => true,
            Ground::Ready => {
                let slots = self.joined();
                let coordinator = match slots.len() {
                    0 | 1 => None,
                    _ => self.plan_commit(&slots).coordinator(),
                };
                let missing =
                    coordinator.filter(|&shard| self.environment.two_phase.place(shard).is_none());
                if let Some(shard) = missing {
                    self.ground = Ground::Wanted(shard);
                }
                missing.is_none()
            }
        }
    }

    /// Commits on all links that take part; [`Self::may_commit`] has said yes. Whether there is any. `tag` is for the
    /// client; after success the transaction goes on as `chained`.
    pub(super) fn commit_joined(
        &mut self,
        tag: Option<&'static str>,
        ready: Ready,
        chained: Option<Transaction>,
    ) -> bool {
        let slots = self.joined();
        if slots.is_empty() {
            self.transaction = chained.unwrap_or_default();
            return false;
        }
        if let ([_], Some(tag), Ground::Ready) = (&slots[..], tag, &self.ground)
            && !(self.script.is_some() && chained.is_some())
        {
            // As common as a COMMIT can be: the server's own words are the client's.
            self.transaction.end();
            let note = Note(chained.map(|chained| Box::new(Noted::Chained(Box::new(chained)))));
            let sent = self.tell_joined(tag, ready, note);
            self.leave_links();
            if self.script.is_some() {
                // An error of it ends the message.
                self.transaction.begin(&Default::default(), true);
            }
            return sent;
        }
        let plan = self.plan_commit(&slots);
        let place = plan
            .coordinator()
            .and_then(|shard| self.environment.two_phase.place(shard));
        let acts = self.acts_as_another() && plan.coordinator().is_some();
        self.transaction.end();
        self.leave_links();
        let note = Note(chained.map(|chained| Box::new(Noted::Chained(Box::new(chained)))));
        let refusal = match std::mem::take(&mut self.ground) {
            Ground::Refused(report) => Err(*report),
            _ => Ok(()),
        };
        let begun = refusal.and_then(|()| {
            let place = place.unwrap_or(Place(0));
            plan.begin(&self.environment.two_phase, place, tag, acts)
        });
        match begun {
            Ok(commit) => self.operate_commit(Box::new(commit), &slots, ready, note, acts),
            Err(report) => {
                let undoing = Undoing::because(&report, slots.len());
                self.operate_commit(Box::new(undoing), &slots, ready, note, false);
            }
        }
        true
    }

    /// No link takes part in a transaction any more.
    pub(super) fn leave_links(&mut self) {
        for link in &mut self.links {
            link.joined = false;
            link.has_gone_back = false;
            link.leave_pipeline();
            link.traces = Traces::default();
        }
    }

    /// Whether a statement outside a transaction has to be in one, which ends with it.
    pub(super) fn needs_transaction(
        &self,
        analysis: &Analysis,
        planned: &Planned,
        text: &str,
    ) -> bool {
        let plan = &*planned.plan;
        let writes = match &plan.route {
            Route::Program(program) => program.writes,
            Route::Scatter { merge, .. } => *merge != Merge::OneByOne && changes(plan),
            Route::Split(_) => changes(plan),
            Route::CopyIn(_) => true,
            Route::Session(session) => cursor::is_held_and_gathered(session),
            _ => false,
        };
        if !self.environment.is_sharded() || self.transaction.is_open() {
            return false;
        }
        if self.carries_writes(plan) {
            return true;
        }
        if !writes {
            return false;
        }
        if matches!(plan.route, Route::CopyIn(_)) {
            return true;
        }
        let values = analysis.values(planned, text, &[], self.directives.direction());
        match plan.resolve(&self.environment.topology, &values) {
            Ok(Resolved::Program) => true,
            Ok(Resolved::Shards(shards)) => shards.len() > 1,
            Ok(Resolved::Rows(rows)) => rows.windows(2).any(|pair| pair[0] != pair[1]),
            _ => false,
        }
    }

    /// The statement at hand in a pipeline outside a transaction would be the second writer: all that the pipeline has
    /// sent so far goes on in a transaction that ends with its `Sync`, as PostgreSQL's own implicit one does. `true`:
    /// the message has to wait until what went before is answered.
    pub(super) fn begin_in_pipeline(&mut self, routed: &Routed) -> bool {
        let Shards::These(shards) = &routed.shards else {
            return false;
        };
        let elsewhere = |link: &super::Link| {
            link.touched && link.traces.wrote && !(shards.len() == 1 && link.shard == shards[0])
        };
        let several = shards.len() > 1 || self.links.iter().any(|link| elsewhere(link));
        if !routed.writes || !several {
            return false;
        }
        self.begin_for_pipeline()
    }

    /// See [`Self::begin_in_pipeline`].
    pub(super) fn begin_for_pipeline(&mut self) -> bool {
        if !self.environment.is_sharded() || self.transaction.is_open() {
            return false;
        }
        if !self.steps.is_empty() {
            self.flush_group();
            return true;
        }
        let (last_writer, times) = (self.transaction.last_writer, self.transaction.times);
        let definitions = std::mem::take(&mut self.transaction.definitions);
        self.transaction.begin(&Default::default(), true);
        self.transaction.last_writer = last_writer;
        self.transaction.times = times;
        self.transaction.definitions = definitions;
        self.join_touched();
        false
    }

    /// What a pipeline has sent so far becomes part of the transaction that has just begun.
    pub(super) fn join_touched(&mut self) {
        for slot in 0..self.links.len() {
            if self.links[slot].touched {
                self.prepare_link(slot);
            }
        }
    }

    /// `Sync` ends the pipeline's own transaction, if there is one, and is answered by what comes of that.
    pub(super) fn sync_transaction(&mut self) -> Option<Taken> {
        if !self.transaction.implicit || !self.transaction.is_open() || self.script.is_some() {
            return None;
        }
        if !self.steps.is_empty() {
            if !self.skipping {
                self.flush_group();
            }
            return Some(Taken::Wait);
        }
        let failed = self.transaction.is_failed();
        if !failed && !self.may_commit() {
            return Some(Taken::Wait);
        }
        self.in_pipeline = false;
        self.skipping = false;
        self.portals.clear();
        self.end_cursors(!failed);
        if failed {
            self.undo_joined();
        } else if !self.commit_joined(None, Ready::Pass, None) {
            self.owe(Step::Own(Own::Ready));
        }
        Some(Taken::Discard)
    }

    /// Rolls back on all links of a pipeline that failed. Where a server was lost between its last answer and this, the client
    /// takes what it was told for done, and has to hear of it.
    fn undo_joined(&mut self) {
        let slots = self.joined();
        let unheard = self.transaction.unheard.take();
        self.transaction.end();
        self.leave_links();
        self.settle(&[], true);
        if slots.is_empty() {
            if let Some(report) = unheard {
                self.owe(Step::Own(Own::Bytes(Self::bytes_of(&report))));
            }
            self.owe(Step::Own(Own::Ready));
            return;
        }
        let undoing = Box::new(Undoing::after_pipeline(slots.len(), unheard.as_deref()));
        self.operate_commit(undoing, &slots, Ready::Pass, Note(None), false);
    }

    /// Says the tag that was kept back until the transaction was committed.
    pub(super) fn say_withheld(&mut self) {
        let body = std::mem::take(&mut self.withheld);
        if !body.is_empty() {
            let header = Header {
                tag: crate::wire::backend::COMMAND_COMPLETE,
                body: body.len(),
            };
            let bytes = [&header.to_bytes()[..], &body].concat();
            self.owe(Step::Own(Own::Bytes(bytes)));
        }
    }
}

fn changes(plan: &Plan) -> bool {
    plan.stores
}
