//! Messages of servers: by header, and a body only where it matters.

use std::rc::Rc;

use super::link::UnnamedPortal;
use super::lost::state_and_message;
use super::step::{Note, Noted, Ready, Step};
use super::{HIGH_WATER, Session};
use crate::exec::describe::Description;
use crate::exec::scatter;
use crate::wire::backend as b;
use crate::wire::buffer::Buffer;
use crate::wire::decoder::Next;
use crate::wire::frame::{HEADER_LEN, Header};

/// Longest body of a server that is read: parameters, tags, the errors of a server that hangs up.
pub(super) const READ_LIMIT: usize = 16 << 10;

/// The same of descriptions: of 65,535 parameters with four bytes each, or of 1,664 columns with a name of up to 63 bytes and 19
/// more.
const DESCRIPTION_LIMIT: usize = 512 << 10;

fn read_limit(tag: u8) -> usize {
    match tag {
        b::PARAMETER_DESCRIPTION | b::ROW_DESCRIPTION => DESCRIPTION_LIMIT,
        _ => READ_LIMIT,
    }
}

/// The function of PostgreSQL that says "cached plan must not change result type" (`plancache.c`).
pub(super) const PLAN_IS_STALE: &str = "RevalidateCachedQuery";

/// How the step at the front of the queue goes so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// It failed on some shard, and the client knows.
    pub(super) failed: bool,
    /// The client has the description of the rows.
    pub(super) described: bool,
    /// The last tag said `ROLLBACK`.
    pub(super) rolled_back: bool,
    /// How many of a message's statements are completed, where anybody counts them.
    pub(super) completed: u32,
    /// The tags of several shards, put together.
    pub(super) tag: scatter::Tag,
    /// The body of the `ParameterDescription` of a statement whose rows are still to be described.
    pub(super) types: Vec<u8>,
}

impl Tally {
    /// Whether it goes as if it had not begun.
    pub(super) fn is_nothing(&self) -> bool {
        !self.failed
            && !self.described
            && !self.rolled_back
            && self.completed == 0
            && self.tag.is_empty()
    }
}

/// What becomes of a server's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes to the client as it is.
    Forward,
    /// It is for nobody.
    Swallow,
    /// It has to be read whole.
    Body,
    /// Its turn has not come.
    Hold,
    /// It cannot come here.
    Unexpected,
}

/// A server connection that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

impl Session {
    /// Takes what it can of a server's bytes. Whether anything happened.
    pub fn handle_server(&mut self, slot: usize, input: &mut Buffer) -> Result<bool, Broken> {
        if self.answer_straight(input) {
            return Ok(true);
        }
        self.take_replies(slot, input)
    }

    /// The same on the ordinary road.
    fn take_replies(&mut self, slot: usize, input: &mut Buffer) -> Result<bool, Broken> {
        self.leave_straight_road();
        if let Some(part) = self.part_of(slot) {
            return self.serve_operation(slot, part, input);
        }
        // `at`: what has been decided; `run`: from here to `at` goes to the client in one piece.
        let (mut at, mut run) = (0, 0);
        loop {
            if self.speak && !self.links[slot].input.is_inside() {
                self.client_out.push(&input.bytes()[run..at]);
                run = at;
                self.speak_now();
            }
            if self.client_out.len() + (at - run) >= HIGH_WATER {
                break;
            }
            let next = self.links[slot].input.next(&input.bytes()[at..]);
            let next = next.map_err(|error| Broken(error.to_string()))?;
            if let Next::Message(header) = next
                && !self.links[slot].renumber(self.process, header, input, at)
            {
                break;
            }
            let bytes = &input.bytes()[at..];
            match next {
                Next::More(_) => break,
                Next::Body { bytes, forward } => {
                    if !forward {
                        self.client_out.push(&input.bytes()[run..at]);
                        run = at + bytes;
                    }
                    at += bytes;
                    self.links[slot].input.advance(bytes);
                }
                Next::Message(header) => {
                    let passing = self.passing(slot, bytes);
                    if passing > 0 {
                        self.links[slot].renumbered = None;
                        at += passing;
                        continue;
                    }
                    let body = bytes.get(HEADER_LEN..header.frame_len());
                    self.links[slot].awaits_whole = false;
                    match self.reply(slot, header, body) {
                        Verdict::Hold => break,
                        Verdict::Body
                            if body.is_none() && header.body <= read_limit(header.tag) =>
                        {
                            self.links[slot].awaits_whole = true;
                            break;
                        }
                        Verdict::Body | Verdict::Unexpected => {
                            return Err(Broken(format!(
                                "unexpected message of type {:?} with {} bytes",
                                char::from(header.tag),
                                header.body
                            )));
                        }
                        // All of it is there.
                        Verdict::Forward if body.is_some() => at += header.frame_len(),
                        Verdict::Forward => {
                            at += HEADER_LEN;
                            self.links[slot].input.begin(header.body, true);
                        }
                        Verdict::Swallow => {
                            self.client_out.push(&input.bytes()[run..at]);
                            at += HEADER_LEN;
                            run = at;
                            self.links[slot].input.begin(header.body, false);
                        }
                    }
                }
            }
        }
        if run == 0 && at == input.len() {
            self.client_out.append(input);
        } else {
            self.client_out.push(&input.bytes()[run..at]);
            input.consume(at);
        }
        Ok(at > 0)
    }

    /// How many of the bytes are whole messages that go to the client as they are and that nobody has to know of:
    /// the rows of the step at the front, and what stands around them where nothing depends on it.
    fn passing(&self, slot: usize, bytes: &[u8]) -> usize {
        let link = &self.links[slot];
        if self.group[..] != [slot] || link.prelude > 0 {
            return 0;
        }
        let around = match self.steps.front() {
            Some(Step::Query(Ready::Pass, note)) => {
                note.0.is_none()
                    && !self.tally.failed
                    && !self.copying
                    && self.uncommitted.is_empty()
            }
            Some(Step::Execute(_)) => false,
            _ => return 0,
        };
        let mut at = 0;
        while let Some((&[tag, a, b, c, d], _)) = bytes[at..].split_first_chunk::<HEADER_LEN>() {
            let passes = match tag {
                b::DATA_ROW | b'd' => true,
                b::ROW_DESCRIPTION => around && link.numbers.is_none(),
                b::COMMAND_COMPLETE => around,
                _ => false,
            };
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            // One that has not come as a whole, or cannot be right, is looked at more closely.
            if !passes || length < 4 || bytes.len() - at < 1 + length {
                break;
            }
            at += 1 + length;
        }
        at
    }

    /// What the session says after the message that has just ended.
    pub(super) fn speak_now(&mut self) {
        self.speak = false;
        self.client_out.push(&self.after);
        self.after.clear();
        self.flush_own();
    }

    fn reply(&mut self, slot: usize, header: Header, body: Option<&[u8]>) -> Verdict {
        match header.tag {
            // The bulk of all traffic first.
            b::DATA_ROW | b'd'
                if self.group.len() == 1
                    && self.group[0] == slot
                    && self.links[slot].prelude == 0
                    && matches!(
                        self.steps.front(),
                        Some(Step::Query(Ready::Pass, _) | Step::Execute(_))
                    ) =>
            {
                return Verdict::Forward;
            }
            b::NOTICE | b::NOTIFICATION => {
                return if self.links[slot].prelude > 0 && header.tag == b::NOTICE {
                    Verdict::Swallow
                } else if self.is_turn(slot) || self.is_at_border() {
                    Verdict::Forward
                } else {
                    Verdict::Hold
                };
            }
            b::PARAMETER_STATUS => return self.parameter(slot, body),
            b::ERROR if header.body <= READ_LIMIT => {
                let Some(body) = body else {
                    return Verdict::Body;
                };
                if self.hangs_up(slot, body) {
                    return Verdict::Swallow;
                }
            }
            _ => {}
        }
        if self.links[slot].prelude > 0 {
            return self.prelude(slot, header.tag, body);
        }
        if !self.is_turn(slot) {
            return if self.group.contains(&slot) && !self.steps.is_empty() {
                Verdict::Hold
            } else {
                // Nobody waits for it: the rest of a pipeline that failed.
                Verdict::Swallow
            };
        }
        self.step(slot, header, body)
    }

    fn is_turn(&self, slot: usize) -> bool {
        self.group.get(self.turn) == Some(&slot)
    }

    pub(super) fn parameter(&mut self, slot: usize, body: Option<&[u8]>) -> Verdict {
        let Some(body) = body else {
            return Verdict::Body;
        };
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let Some((name, value)) = b::parameter_status(body) else {
            return Verdict::Unexpected;
        };
        let (Some(name), Some(value)) = (text(name), text(value)) else {
            return Verdict::Forward;
        };
        let quiet = self.links[slot].prelude > 0;
        // A shard that lets go of a failed transaction goes back to the settings of before it, and so does the session: where
        // the router has refused the statement itself, no shard says so with an error.
        let goes_back = quiet && self.lets_go();
        if !quiet && !self.is_turn(slot) && !self.is_at_border() {
            return Verdict::Hold;
        }
        if let Some(server) = self.links[slot].server.as_mut() {
            server.parameters.set(name, value);
        }
        if goes_back && !self.links[slot].apart {
            if self.parameters.set(name, value) {
                self.say_after(b::PARAMETER_STATUS, body);
            }
            return Verdict::Swallow;
        }
        if !quiet && self.goes_back(slot, name) {
            let value = self.greeted.get(name).unwrap_or(value).to_owned();
            if self.parameters.set(name, &value) {
                let body = [name.as_bytes(), &[0], value.as_bytes(), &[0]].concat();
                self.say_after(b::PARAMETER_STATUS, &body);
            }
            return Verdict::Swallow;
        }
        if !quiet && self.parameters.set(name, value) {
            Verdict::Forward
        } else {
            Verdict::Swallow
        }
    }

    /// Replies to what the session itself asked of a server.
    pub(super) fn prelude(&mut self, slot: usize, tag: u8, body: Option<&[u8]>) -> Verdict {
        let link = &mut self.links[slot];
        match tag {
            b::ERROR => {
                let Some(body) = body else {
                    return Verdict::Unexpected;
                };
                if let Some(server) = link.server.as_mut() {
                    server.doubtful = true;
                }
                // What was to be in place before the client's statement is not.
                link.farewell = Some(Box::new(state_and_message(body)));
                return Verdict::Unexpected;
            }
            b::READY => {
                let Some(&[status]) = body else {
                    return Verdict::Body;
                };
                link.prelude -= 1;
                if let Some(server) = link.server.as_mut() {
                    server.status = status;
                }
                if link.prelude == 0 && !self.environment.is_sharded() && self.steps.is_empty() {
                    self.status = self.own_status();
                }
            }
            _ => {}
        }
        Verdict::Swallow
    }

    /// A reply to the step at the front.
    fn step(&mut self, slot: usize, header: Header, body: Option<&[u8]>) -> Verdict {
        let tag = header.tag;
        let front = self.steps.front();
        match (front, tag) {
            (Some(Step::Refused(_)), b::ERROR) => self.refused(slot, body),
            (_, b::ERROR) => self.failed(slot, body),
            (_, b::PARSE_COMPLETE) => {
                let is_due = matches!(front, Some(Step::Parse));
                self.links[slot].is_parsed();
                self.completed(is_due)
            }
            (_, b::CLOSE_COMPLETE) => {
                let is_due = matches!(front, Some(Step::Close));
                self.completed(is_due)
            }
            (None, _) => Verdict::Swallow,
            (Some(Step::Sync | Step::Function | Step::Query(..) | Step::Refused(_)), b::READY) => {
                let Some(&[status]) = body else {
                    return Verdict::Body;
                };
                self.ready(slot, status)
            }
            (Some(Step::Sync), _) => Verdict::Swallow,
            (Some(Step::Bind(_)), b::BIND_COMPLETE) => self.completed(true),
            (Some(Step::DescribeStatement(_) | Step::DescribePortal(_)), _) => {
                self.description(tag, body)
            }
            (Some(Step::Query(..)), b::ROW_DESCRIPTION | b::DATA_ROW) => self.rows_of_query(tag),
            (Some(Step::Query(..)), b::COMMAND_COMPLETE | b::EMPTY_QUERY) => {
                self.query_completed(tag, body)
            }
            (Some(Step::Execute(_)), b::DATA_ROW) => Verdict::Forward,
            (
                Some(Step::Execute(_)),
                b::COMMAND_COMPLETE | b::EMPTY_QUERY | b::PORTAL_SUSPENDED,
            ) => self.run_completed(tag, body),
            (Some(Step::Query(..) | Step::Execute(_)), _) => self.copied(slot, tag),
            (Some(Step::Function), b::FUNCTION_RESULT) => Verdict::Forward,
            _ => Verdict::Unexpected,
        }
    }

    /// What comes from each of the group, and that the client hears of once.
    fn once(&self) -> Verdict {
        match self.turn {
            0 => Verdict::Forward,
            _ => Verdict::Swallow,
        }
    }

    /// One of the group is done with a step by a message that says no more. `is_due`: the step at the front is the one.
    fn completed(&mut self, is_due: bool) -> Verdict {
        if !is_due {
            return Verdict::Swallow;
        }
        let once = self.once();
        self.done();
        once
    }

    /// An error, in the client's words.
    fn failed(&mut self, slot: usize, body: Option<&[u8]>) -> Verdict {
        let dead = body.and_then(|body| self.of_deadlock(body));
        let body = dead.as_deref().or(body);
        let placed = body.and_then(|body| self.in_the_clients_places(body));
        let body_now = placed.as_deref().or(body);
        let renamed = body_now.and_then(|body| self.in_the_clients_words(body));
        let renamed = renamed.or(placed).or_else(|| dead.clone());
        if body.is_some_and(|body| b::error_field(body, b'R') == Some(PLAN_IS_STALE.as_bytes())) {
            self.handle_stale_plan(slot);
        }
        self.look_at_state(slot, body.and_then(|body| b::error_field(body, b'C')));
        let verdict = self.error(slot);
        let Some(renamed) = renamed.filter(|_| verdict == Verdict::Forward) else {
            return verdict;
        };
        // Ahead of what the steps behind have to say.
        self.say_after(b::ERROR, &renamed);
        Verdict::Swallow
    }

    /// What a `Describe` brings.
    fn description(&mut self, tag: u8, body: Option<&[u8]>) -> Verdict {
        match (self.steps.front(), tag) {
            (Some(Step::DescribeStatement(statement)), b::PARAMETER_DESCRIPTION) => {
                if statement.is_some() && !self.environment.is_sharded() {
                    let Some(body) = body else {
                        return Verdict::Body;
                    };
                    self.tally.types = body.to_vec();
                }
                self.once()
            }
            (Some(Step::DescribeStatement(Some(statement))), b::ROW_DESCRIPTION | b::NO_DATA)
                if !self.tally.types.is_empty() =>
            {
                let Some(body) = body else {
                    return Verdict::Body;
                };
                let statement = Rc::clone(statement);
                let rows = (tag == b::ROW_DESCRIPTION).then(|| body.to_vec());
                let types = std::mem::take(&mut self.tally.types);
                self.described_to_client(&statement, Description::new(types, rows));
                self.completed(true)
            }
            (
                Some(
                    Step::DescribePortal(Some(statement))
                    | Step::DescribeStatement(Some(statement)),
                ),
                b::ROW_DESCRIPTION,
            ) if self.environment.is_sharded() => {
                let Some(body) = body else {
                    return Verdict::Body;
                };
                let statement = Rc::clone(statement);
                self.told_of_rows(&statement, Description::of_rows(Some(body.to_vec())));
                self.completed(true)
            }
            (_, b::ROW_DESCRIPTION | b::NO_DATA) => self.completed(true),
            _ => Verdict::Unexpected,
        }
    }

    /// Rows of a simple query, and what they look like.
    fn rows_of_query(&mut self, tag: u8) -> Verdict {
        let Some(Step::Query(ready, _)) = self.steps.front() else {
            return Verdict::Unexpected;
        };
        let hidden = match tag == b::ROW_DESCRIPTION && self.group.len() > 1 {
            true => std::mem::replace(&mut self.tally.described, true),
            false => *ready == Ready::Quiet || self.tally.failed,
        };
        match hidden {
            true => Verdict::Swallow,
            false => Verdict::Forward,
        }
    }

    /// What belongs to a COPY that a statement has begun.
    fn copied(&mut self, slot: usize, tag: u8) -> Verdict {
        match tag {
            b::COPY_IN | b::COPY_BOTH if self.group.len() > 1 => Verdict::Unexpected,
            b::COPY_IN => {
                self.copy_begins(slot);
                Verdict::Forward
            }
            b::COPY_BOTH => {
                self.copying = true;
                Verdict::Forward
            }
            b::COPY_OUT => self.once(),
            b'd' => Verdict::Forward,
            b'c' if self.turn + 1 == self.group.len() => Verdict::Forward,
            b'c' => Verdict::Swallow,
            _ => Verdict::Unexpected,
        }
    }

    /// A statement of a simple query has ended on one of the group.
    fn query_completed(&mut self, tag: u8, body: Option<&[u8]>) -> Verdict {
        let place = self.tally.completed;
        if self.is_hidden(place) {
            self.tally.completed += 1;
            return Verdict::Swallow;
        }
        let Some(Step::Query(ready, note)) = self.steps.front() else {
            return Verdict::Unexpected;
        };
        let several = self.group.len() > 1;
        let quiet = matches!(ready, Ready::Quiet | Ready::Last);
        let clears = note.clears_statements();
        if several || *ready == Ready::Last || note.0.is_some() || !self.uncommitted.is_empty() {
            let Some(body) = body else {
                return Verdict::Body;
            };
            self.tally.rolled_back = body == b"ROLLBACK\0" && !note.is_not_ended();
            if (several || quiet) && tag == b::COMMAND_COMPLETE {
                self.tally.tag.add(body);
            }
            if clears && body == b"DEALLOCATE ALL\0" {
                self.deallocated();
            }
            // No error behind it undoes that.
            if body == b"DEALLOCATE\0" && place > 0 && self.is_hidden(place - 1) {
                self.forget_deallocated();
            }
            self.forget_setting_of_no_row(body);
        }
        // Not before: a message whose body is wanted comes again.
        self.tally.completed += 1;
        self.copying = false;
        match several || quiet {
            true => Verdict::Swallow,
            false => Verdict::Forward,
        }
    }

    /// A run of a portal has ended on one of the group.
    fn run_completed(&mut self, tag: u8, body: Option<&[u8]>) -> Verdict {
        let Some(Step::Execute(note)) = self.steps.front() else {
            return Verdict::Unexpected;
        };
        let several = self.group.len() > 1;
        let read = several || note.0.is_some() || !self.uncommitted.is_empty();
        let told = self.answers_rewritten().and_then(|one| one.tag);
        if read && tag == b::COMMAND_COMPLETE {
            let Some(body) = body else {
                return Verdict::Body;
            };
            self.tally.rolled_back = body == b"ROLLBACK\0" && !note.is_not_ended();
            self.tally.tag.add(body);
            self.forget_setting_of_no_row(body);
        }
        self.copying = false;
        match (self.executed(tag == b::COMMAND_COMPLETE && several), told) {
            (Verdict::Forward, Some(told)) => {
                self.say_after(b::COMMAND_COMPLETE, &[told.as_bytes(), &[0]].concat());
                Verdict::Swallow
            }
            (verdict, _) => verdict,
        }
    }

    /// `SELECT set_config(…) FROM pg_settings …` that found no setting of that name has set nothing.
    fn forget_setting_of_no_row(&mut self, tag: &[u8]) {
        if tag == b"SELECT 0\0"
            && let Some(Step::Query(_, note) | Step::Execute(note)) = self.steps.front_mut()
            && matches!(note.0.as_deref(), Some(Noted::Configured(_)))
        {
            note.0 = None;
        }
    }

    /// A statement of the protocol's is gone, whatever becomes of the message that said so.
    fn forget_deallocated(&mut self) {
        if let Some(Step::Query(_, note)) = self.steps.front_mut()
            && let Some(name) = note.take_forgotten()
        {
            self.statements.remove(name.as_bytes());
        }
    }

    /// A portal has run on one of the group.
    fn executed(&mut self, merged: bool) -> Verdict {
        let last = self.turn + 1 == self.group.len();
        if last {
            if merged {
                let body = self.tally.tag.body();
                self.say_after(b::COMMAND_COMPLETE, &body);
            }
            if let Some(Step::Execute(note)) = self.steps.front_mut()
                && let Some(noted) = note.0.take()
            {
                self.take_note(*noted, self.tally.rolled_back);
            }
        }
        let rolled_back = self.tally.rolled_back;
        self.done();
        self.tally.rolled_back = rolled_back;
        if merged || !last {
            Verdict::Swallow
        } else {
            Verdict::Forward
        }
    }

    pub(super) fn say_after(&mut self, tag: u8, body: &[u8]) {
        self.after.extend_from_slice(
            &Header {
                tag,
                body: body.len(),
            }
            .to_bytes(),
        );
        self.after.extend_from_slice(body);
        self.speak = true;
    }

    /// The link at turn is done with the step at the front. Whether it was the last one.
    fn done(&mut self) -> bool {
        self.turn += 1;
        if self.turn < self.group.len() {
            return false;
        }
        self.turn = 0;
        self.pop_step();
        self.tally = Tally::default();
        true
    }

    pub(super) fn pop_step(&mut self) -> Option<Step> {
        self.popped += 1;
        let step = self.steps.pop_front();
        if matches!(self.steps.front(), Some(Step::Own(_) | Step::CopyEnd)) {
            self.speak = true;
        }
        step
    }

    /// A server waits for COPY data. It ignores every `Sync` until the data has ended.
    fn copy_begins(&mut self, slot: usize) {
        self.copying = true;
        let mut at = 1;
        while at < self.steps.len() {
            match self.steps[at] {
                Step::CopyEnd => {
                    self.steps.remove(at);
                    self.move_undo_up(self.popped + at as u64);
                    self.copying = false;
                    return;
                }
                Step::Sync => {
                    self.steps.remove(at);
                    self.move_undo_up(self.popped + at as u64);
                    if !matches!(self.steps[0], Step::Query(..)) {
                        self.in_pipeline = true;
                        self.links[slot].touched = true;
                    }
                }
                _ => at += 1,
            }
        }
    }

    fn ready(&mut self, slot: usize, status: u8) -> Verdict {
        let queried = matches!(self.steps.front(), Some(Step::Query(..) | Step::Refused(_)));
        let link = &mut self.links[slot];
        if queried && let Some(server) = link.server.as_mut() {
            server.prepared.unnamed = None;
        }
        if queried {
            link.unnamed_portal = UnnamedPortal::None;
        }
        self.count_ready(slot, status);
        let last = self.turn + 1 == self.group.len();
        if !last {
            self.turn += 1;
            self.tally.completed = 0;
            return Verdict::Swallow;
        }
        let several = self.group.len() > 1;
        let failed = self.tally.failed || self.pipeline_failed;
        let (tag, rolled_back) = (std::mem::take(&mut self.tally.tag), self.tally.rolled_back);
        self.turn = 0;
        self.tally = Tally::default();
        let step = self.pop_step();
        self.copying = false;
        let mut pass = true;
        match step {
            Some(Step::Query(ready, note)) => {
                pass = ready == Ready::Pass;
                if let Note(Some(noted)) = note
                    && !failed
                {
                    self.take_note(*noted, rolled_back);
                }
                if ready == Ready::Last && !failed {
                    self.withheld = tag.body();
                } else if several && !failed && ready != Ready::Quiet && !tag.is_empty() {
                    self.say_after(b::COMMAND_COMPLETE, &tag.body());
                }
            }
            Some(Step::Sync) => {
                self.pipeline_failed = false;
            }
            _ => {}
        }
        if !self.in_pipeline && self.steps.is_empty() {
            // A simple query has ended what had no `Sync`. Not so this one's answer, if messages of the extended protocol
            // follow: where one of them fails, the server passes over whatever comes until `Sync`, simple queries too.
            self.links.iter_mut().for_each(|link| link.leave_pipeline());
        }
        self.forget_undo();
        if status == b'I' {
            self.end_unplanned_change();
        } else if self.steps.is_empty()
            && !self.environment.is_sharded()
            && let Some(defining) = self.defining.take()
        {
            defining.end();
        }
        let mut told = false;
        if !self.uncommitted.is_empty() && !self.transaction.is_open() && status == b'I' {
            let group = self.group.clone();
            let undone = failed || rolled_back;
            if undone {
                self.uncommitted.undo();
            }
            told = self.tell_what_goes_back();
            self.settle(&group, undone);
        }
        if status == b'I' && self.steps.is_empty() && !self.transaction.is_open() {
            self.sets = false;
            self.resets = false;
            self.begins = false;
            if !self.environment.is_sharded() {
                self.portals.clear();
            }
        }
        if !pass {
            return Verdict::Swallow;
        }
        let own = several || self.environment.is_sharded() || self.transaction.is_open();
        self.status = if own { self.own_status() } else { status };
        self.count_query(self.status);
        if several || told || self.status != status {
            self.say_after(b::READY, &[self.status]);
            return Verdict::Swallow;
        }
        Verdict::Forward
    }

    /// A server has finished something.
    pub(super) fn count_ready(&mut self, slot: usize, status: u8) {
        let link = &mut self.links[slot];
        if let Some(server) = link.server.as_mut() {
            server.status = status;
        }
        if let Some(counts) = self.environment.stats.shard(link.shard) {
            counts.queries.add(1);
            if status == b'I' {
                counts.transactions.add(1);
            }
        }
    }
}
