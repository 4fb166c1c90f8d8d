//! An operation over several connections, as the session hosts it.
//!
//! See [`crate::exec`] for what an operation is. Here it gets its connections, the messages of its servers, and its end.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Poll;

use router_core::plan::{Reason, Standby, Touches};
use router_core::twophase::Obstacle;
use smallvec::SmallVec;

use super::client::{Taken, belongs_to_copy};
use super::commit::Traces;
use super::in_steps::{self, SPOOL_LIMIT, Spool};
use super::link::Role;
use super::lost::is_fatal;
use super::replies::{Broken, READ_LIMIT, Verdict};
use super::stage::{Flow, Part, Stage, Wanted};
use super::step::{Note, Own, Ready, Step};
use super::{Fatal, HIGH_WATER, Session, VALUES_LIMIT, acting, violation};
use crate::exec::{Operation, Outcome, Take};
use crate::wire::backend as b;
use crate::wire::buffer::Buffer;
use crate::wire::decoder::Next;
use crate::wire::frame::{HEADER_LEN, Header};

/// Longest message that is kept for an operation: a row, the description of rows, an error that quotes a value. How much of
/// it there may be in all says who keeps it.
const KEEP_LIMIT: usize = VALUES_LIMIT;

/// An operation under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) operation: Box<dyn Operation>,
    parts: Vec<Part>,
    /// Who says `ReadyForQuery` once it is done.
    ready: Ready,
    /// What changes in the session when it succeeds.
    note: Note,
    /// The client's message under way is seen by the operation.
    listens: bool,
    /// It ends the client's transaction.
    pub(super) commits: bool,
    /// It leaves the role that has logged in on its parts, in the place of the session's.
    acts: bool,
    /// What is said to the client is kept for a portal that is read in parts.
    spool: Option<Keeping>,
}

/// What an operation says while it is kept.
#[derive(Debug)]
struct Keeping {
    said: Buffer,
    into: Rc<RefCell<Option<Spool>>>,
    /// It was too much, and the operation knows.
    over: bool,
}

impl Running {
    fn part_of(&self, slot: usize) -> Option<usize> {
        self.parts.iter().position(|part| part.slot == Some(slot))
    }

    /// Whether it waits for messages of the client.
    pub(super) fn takes_client(&self) -> bool {
        self.operation.takes_client()
    }

    /// Whether a slot has something to answer.
    pub(super) fn works_on(&self, slot: usize) -> bool {
        self.parts
            .iter()
            .any(|part| part.slot == Some(slot) && part.owed > 0)
    }
}

impl Session {
    /// The slots of the connections that an operation wants, once all are there; asks for those that are not.
    pub(super) fn ensure_parts(&mut self, wanted: &[Wanted]) -> Option<Vec<usize>> {
        let mut slots = vec![usize::MAX; wanted.len()];
        // All clients want connections in the same order.
        let mut order: SmallVec<[usize; 8]> = (0..wanted.len()).collect();
        order.sort_by_key(|&part| (wanted[part].apart, wanted[part].shard));
        for part in order {
            let Wanted { shard, role, apart } = wanted[part];
            let role = self.role_at(shard, role);
            let held = match apart {
                false => self.held(shard, role, Standby::Primary, &slots),
                true => self.links.iter().enumerate().position(|(slot, link)| {
                    let fits = link.shard == shard && link.apart && link.role == role;
                    fits && !slots.contains(&slot)
                }),
            };
            if held.is_none() && !apart && role == Role::Primary && !self.may_join_primary(shard) {
                return None;
            }
            slots[part] = held.unwrap_or_else(|| {
                let slot = self.add_link(shard, role);
                self.links[slot].apart = apart;
                slot
            });
        }
        self.group.clear();
        self.turn = 0;
        if slots.iter().any(|&slot| !self.has_server(slot)) {
            // What is waited for, and what must be kept meanwhile.
            self.group.extend(slots);
            return None;
        }
        slots.iter().for_each(|&slot| self.prepare_link(slot));
        Some(slots)
    }

    /// Starts an operation. Nothing else may be under way; `slots` are from [`Self::ensure_parts`].
    pub(super) fn operate(
        &mut self,
        operation: Box<dyn Operation>,
        slots: &[usize],
        ready: Ready,
        note: Note,
    ) {
        self.begin_operation(operation, slots, ready, note, (false, false));
    }

    /// Starts the operation that ends the client's transaction.
    pub(super) fn operate_commit(
        &mut self,
        operation: Box<dyn Operation>,
        slots: &[usize],
        ready: Ready,
        note: Note,
        acts: bool,
    ) {
        self.begin_operation(operation, slots, ready, note, (true, acts));
    }

    fn begin_operation(
        &mut self,
        operation: Box<dyn Operation>,
        slots: &[usize],
        ready: Ready,
        note: Note,
        (commits, acts): (bool, bool),
    ) {
        debug_assert!(self.steps.is_empty() && self.operation.is_none());
        self.operation = Some(Box::new(Running {
            operation,
            parts: slots.iter().map(|&slot| Part::new(slot)).collect(),
            ready,
            note,
            listens: false,
            spool: None,
            commits,
            acts,
        }));
        self.continue_operation();
    }

    /// Goes on with the operation under way. Whether anything happened.
    #[inline]
    pub(super) fn continue_operation(&mut self) -> bool {
        match self.operation.take() {
            Some(running) => self.poll_operation(running),
            None => false,
        }
    }

    fn poll_operation(&mut self, mut running: Box<Running>) -> bool {
        let queued = self.queued();
        self.limit_spool(&mut running, 0);
        let (operation, mut stage) = self.stage(&mut running);
        match operation.poll(&mut stage) {
            Poll::Pending => {
                self.operation = Some(running);
                self.queued() != queued
            }
            Poll::Ready(outcome) => {
                debug_assert!(running.parts.iter().all(|part| part.owed == 0));
                self.end_operation(*running, outcome);
                true
            }
        }
    }

    fn stage<'a>(&'a mut self, running: &'a mut Running) -> (&'a mut dyn Operation, Stage<'a>) {
        let stage = Stage {
            links: &mut self.links,
            parts: &mut running.parts,
            spools: running.spool.is_some(),
            client_out: match &mut running.spool {
                Some(spool) => &mut spool.said,
                None => &mut self.client_out,
            },
            withheld: (running.ready == Ready::Last).then_some(&mut self.withheld),
        };
        (&mut *running.operation, stage)
    }

    /// Bytes that wait to be sent.
    fn queued(&self) -> usize {
        self.links
            .iter()
            .fold(self.client_out.len(), |sum, link| sum + link.out.len())
    }

    fn end_operation(&mut self, running: Running, outcome: Outcome) {
        for (part, at) in running.parts.iter().enumerate() {
            if let Some(slot) = at.slot.filter(|_| running.operation.wrote(part)) {
                let wrote = true;
                let obstacle = Obstacle::None;
                self.leaves_traces(slot, Traces { wrote, obstacle });
            }
        }
        let mut acts = running.acts;
        if running.commits && !self.uncommitted.is_empty() {
            let slots: Vec<usize> = running.parts.iter().filter_map(|part| part.slot).collect();
            if outcome != Outcome::Done {
                acts |= self.may_have_kept_settings(&slots);
            }
            self.settle(&slots, outcome != Outcome::Done);
        }
        if acts {
            let slots: Vec<usize> = running.parts.iter().filter_map(|part| part.slot).collect();
            self.acted_as_oneself(&slots);
        }
        if running.acts {
            self.tell_of_role();
        }
        match outcome {
            Outcome::Done => {
                if let Some(spool) = running.spool {
                    *spool.into.borrow_mut() = Some(Spool::new(spool.said.bytes().to_vec()));
                }
                if running.commits {
                    self.say_withheld();
                }
                if let Some(noted) = running.note.0 {
                    self.take_note(*noted, false);
                }
            }
            Outcome::Failed(mut error) => {
                self.withheld.clear();
                // With this the client hears of a server that was lost, for whose sake it may have been cancelled.
                let unheard = self.transaction.unheard.take();
                if b::error_field(&error, b'C') == Some(b"57014")
                    && let Some(report) = unheard
                {
                    error = Self::bytes_of(&report)[HEADER_LEN..].to_vec();
                }
                if b::error_field(&error, b'C') == Some(Reason::Redefined.entry().code.as_bytes()) {
                    self.environment.catalog.handle_change(&Touches::Anything);
                }
                if running.commits && self.script.is_some() {
                    // The rest of the message is not run.
                    self.transaction.begin(&Default::default(), true);
                }
                let header = Header {
                    tag: b::ERROR,
                    body: error.len(),
                };
                let bytes = [&header.to_bytes()[..], &error].concat();
                if self.in_pipeline {
                    self.fail_pipeline_with(bytes);
                } else {
                    self.transaction.fail();
                    self.owe(Step::Own(Own::Bytes(bytes)));
                }
            }
        }
        if running.ready == Ready::Pass {
            self.owe(Step::Own(Own::Ready));
        }
    }

    /// Keeps what the operation under way says for a portal that is read in parts.
    pub(super) fn spool_operation(&mut self, into: &Rc<RefCell<Option<Spool>>>) {
        let said = Buffer::new(&self.environment.stock);
        if let Some(running) = &mut self.operation {
            running.spool = Some(Keeping {
                said,
                into: Rc::clone(into),
                over: false,
            });
        }
    }

    /// Ends an operation of which more would have to be kept than is allowed.
    fn limit_spool(&mut self, running: &mut Running, more: usize) {
        let Some(spool) = &mut running.spool else {
            return;
        };
        if spool.said.len() + more > SPOOL_LIMIT && !std::mem::replace(&mut spool.over, true) {
            let error = Self::bytes_of(&in_steps::too_much());
            let (operation, mut stage) = self.stage(running);
            operation.failed(&mut stage, 0, &error[HEADER_LEN..]);
        }
    }

    /// A piece of a server's message, on its way to the client.
    fn pass(&mut self, running: &mut Running, bytes: &[u8]) {
        match &mut running.spool {
            Some(spool) if spool.over => {}
            Some(spool) => spool.said.push(bytes),
            None => self.client_out.push(bytes),
        }
    }

    /// Whether messages of the client may come: no operation is under way, or it takes them and its parts have room.
    pub(super) fn operation_takes_client(&self) -> bool {
        self.operation.as_ref().is_none_or(|running| {
            let room = |part: &Part| {
                part.slot
                    .is_none_or(|slot| self.links[slot].out.len() < HIGH_WATER)
            };
            running.operation.takes_client() && running.parts.iter().all(room)
        })
    }

    /// The part that a slot is of the operation under way.
    pub(super) fn part_of(&self, slot: usize) -> Option<usize> {
        self.operation.as_ref()?.part_of(slot)
    }

    /// Takes what it can of the bytes of a server that is part of the operation. Whether anything happened.
    pub(super) fn serve_operation(
        &mut self,
        slot: usize,
        part: usize,
        input: &mut Buffer,
    ) -> Result<bool, Broken> {
        let before = input.len();
        let Some(mut running) = self.operation.take() else {
            return Ok(false);
        };
        let served = self.serve(&mut running, slot, part, input);
        self.operation = Some(running);
        served?;
        Ok(self.continue_operation() | (input.len() != before))
    }

    fn serve(
        &mut self,
        running: &mut Running,
        slot: usize,
        part: usize,
        input: &mut Buffer,
    ) -> Result<(), Broken> {
        loop {
            let next = self.links[slot].input.next(input.bytes());
            match next.map_err(|error| Broken(error.to_string()))? {
                Next::More(_) => return Ok(()),
                Next::Body { bytes, .. } => {
                    self.links[slot].input.advance(bytes);
                    let last = !self.links[slot].input.is_inside();
                    self.piece(running, slot, part, &input.bytes()[..bytes], last)?;
                    input.consume(bytes);
                }
                Next::Message(header) => {
                    if !self.links[slot].renumber(self.process, header, input, 0) {
                        return Ok(());
                    }
                    let take = self.take(running, slot, part, header);
                    let flow = match take {
                        Take::Hold => return Ok(()),
                        Take::Client | Take::ClientWithout(_) if !self.is_at_border() => {
                            return Ok(());
                        }
                        Take::Whole if header.body <= KEEP_LIMIT => Flow::Whole(header.tag),
                        Take::Unexpected | Take::Whole => {
                            return Err(Broken(format!(
                                "unexpected message of type {:?} with {} bytes",
                                char::from(header.tag),
                                header.body
                            )));
                        }
                        Take::Skip => Flow::Skip,
                        Take::Pieces => Flow::Pieces,
                        Take::Client => Flow::Client(0),
                        Take::ClientWithout(bytes) => Flow::Client(bytes.min(header.body)),
                    };
                    running.parts[part].flow = flow;
                    let shown = match flow {
                        Flow::Client(without) => Some(header.body - without),
                        _ => None,
                    };
                    if let Some(body) = shown {
                        let header = Header { body, ..header };
                        self.limit_spool(running, body);
                        self.pass(running, &header.to_bytes());
                    }
                    self.links[slot].input.begin(header.body, shown.is_some());
                    input.consume(HEADER_LEN);
                    if header.body == 0 {
                        self.piece(running, slot, part, &[], true)?;
                    }
                }
            }
        }
    }

    /// What becomes of a message.
    fn take(&mut self, running: &mut Running, slot: usize, part: usize, header: Header) -> Take {
        let own = self.links[slot].prelude > 0;
        match header.tag {
            b::NOTICE if own || self.links[slot].apart || running.operation.is_echo(part) => {
                Take::Skip
            }
            b::NOTICE | b::NOTIFICATION if self.is_at_border() => Take::Client,
            b::PARAMETER_STATUS if self.is_at_border() => Take::Whole,
            b::NOTICE | b::NOTIFICATION | b::PARAMETER_STATUS => Take::Hold,
            b::ERROR | b::READY => Take::Whole,
            _ if own => Take::Skip,
            // Portals that nobody needs any more are closed along the way.
            b::CLOSE_COMPLETE => Take::Skip,
            _ => {
                let (operation, mut stage) = self.stage(running);
                operation.reply(&mut stage, part, header)
            }
        }
    }

    /// More of a message.
    fn piece(
        &mut self,
        running: &mut Running,
        slot: usize,
        part: usize,
        bytes: &[u8],
        last: bool,
    ) -> Result<(), Broken> {
        match running.parts[part].flow {
            Flow::Skip => {}
            Flow::Client(without) => {
                let hidden = without.min(bytes.len());
                running.parts[part].flow = Flow::Client(without - hidden);
                self.pass(running, &bytes[hidden..]);
            }
            Flow::Pieces => {
                let (operation, mut stage) = self.stage(running);
                operation.body(&mut stage, part, bytes, last);
            }
            Flow::Whole(tag) if last && running.parts[part].kept.is_empty() => {
                self.whole(running, slot, part, tag, bytes)?;
            }
            Flow::Whole(tag) => {
                running.parts[part].kept.extend_from_slice(bytes);
                if last {
                    let kept = std::mem::take(&mut running.parts[part].kept);
                    self.whole(running, slot, part, tag, &kept)?;
                }
            }
        }
        Ok(())
    }

    /// A message that was kept until it was whole.
    fn whole(
        &mut self,
        running: &mut Running,
        slot: usize,
        part: usize,
        tag: u8,
        body: &[u8],
    ) -> Result<(), Broken> {
        match tag {
            b::ERROR if body.len() <= READ_LIMIT && is_fatal(body) => {
                self.hangs_up(slot, body);
            }
            b::PARAMETER_STATUS if running.acts && acting::is_of_role(body) => {
                self.note_of_role(slot, body);
            }
            b::PARAMETER_STATUS => match self.parameter(slot, Some(body)) {
                Verdict::Forward if !self.links[slot].apart => self.client_out.frame(tag, &[body]),
                Verdict::Unexpected => return Err(Broken("garbled parameter".to_owned())),
                _ => {}
            },
            b::ERROR | b::READY if self.links[slot].prelude > 0 => {
                if self.prelude(slot, tag, Some(body)) == Verdict::Unexpected {
                    return Err(Broken("a setting could not be put in place".to_owned()));
                }
            }
            b::READY => {
                let &[status] = body else {
                    return Err(Broken("garbled ReadyForQuery".to_owned()));
                };
                let Some(owed) = running.parts[part].owed.checked_sub(1) else {
                    return Err(Broken("unexpected ReadyForQuery".to_owned()));
                };
                running.parts[part].owed = owed;
                self.count_ready(slot, status);
                let (operation, mut stage) = self.stage(running);
                operation.ready(&mut stage, part);
            }
            b::ERROR => {
                if let Some(counts) = self.environment.stats.shard(self.links[slot].shard) {
                    counts.errors.add(1);
                }
                let dead = self.of_deadlock(body);
                let body = dead.as_deref().unwrap_or(body);
                let (operation, mut stage) = self.stage(running);
                if operation.keeps_places() {
                    operation.failed(&mut stage, part, body);
                } else {
                    // Where it struck in a text that the client did not write says nothing to it.
                    operation.failed(&mut stage, part, &b::without_fields(body, b"P"));
                }
            }
            tag => {
                let (operation, mut stage) = self.stage(running);
                operation.message(&mut stage, part, tag, body);
            }
        }
        Ok(())
    }

    /// Slots behind one that is gone have moved down; the part that it was is told so.
    pub(super) fn operation_lost(&mut self, slot: usize, error: &[u8]) {
        let Some(mut running) = self.operation.take() else {
            return;
        };
        let lost = running.part_of(slot);
        for part in &mut running.parts {
            part.slot = part.slot.filter(|&at| at != slot);
            part.slot = part.slot.map(|at| at - usize::from(at > slot));
        }
        if let Some(part) = lost {
            running.parts[part].owed = 0;
            let (operation, mut stage) = self.stage(&mut running);
            operation.failed(&mut stage, part, error);
        }
        self.operation = Some(running);
        if lost.is_some() {
            self.continue_operation();
        }
    }

    /// A connection that no statement of the client may go to is given up as soon as its operation is done.
    pub(super) fn idle_apart(&self) -> Option<usize> {
        if self.operation.is_some() || self.waits || self.script.is_some() || !self.steps.is_empty()
        {
            return None;
        }
        self.links.iter().position(|link| {
            link.apart && link.prelude == 0 && link.out.is_empty() && link.server.is_some()
        })
    }
}

impl Session {
    /// The client's message for the operation under way.
    pub(super) fn client_of_operation(&mut self, header: Header) -> Result<Option<Taken>, Fatal> {
        let listens = self.operation.as_deref().is_some_and(Running::takes_client);
        if listens && !belongs_to_copy(header.tag) {
            // As PostgreSQL, which ends the connection for it.
            let tag = header.tag;
            return Err(violation(format!(
                "unexpected message type 0x{tag:02X} during COPY from stdin"
            )));
        }
        let Some(mut running) = self.operation.take() else {
            return Ok(None);
        };
        let (operation, mut stage) = self.stage(&mut running);
        let take = operation.client(&mut stage, header);
        running.listens = take == Take::Pieces;
        self.operation = Some(running);
        Ok(Some(match take {
            Take::Skip => Taken::Discard,
            Take::Pieces => Taken::Operation,
            _ => Taken::Wait,
        }))
    }

    /// More of the client's message for the operation under way.
    pub(super) fn client_piece(&mut self, bytes: &[u8], last: bool) {
        let Some(mut running) = self.operation.take() else {
            return;
        };
        if running.listens {
            running.listens = !last;
            let (operation, mut stage) = self.stage(&mut running);
            operation.client_body(&mut stage, bytes, last);
        }
        self.operation = Some(running);
    }
}
