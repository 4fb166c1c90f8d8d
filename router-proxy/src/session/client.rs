//! Messages of the client, and the simple protocol.

use router_core::plan::Plan;
use router_core::sqlstate::SqlState;

use super::route::{self, Routed};
use super::step::{Note, Noted, Step};
use super::{
    ANALYSIS_LIMIT, Fatal, HIGH_WATER, MOST_STEPS, Session, TEXT_LIMIT, VALUES_LIMIT, acting,
    own_plans, violation,
};
use crate::wire::buffer::{Buffer, PIECE};
use crate::wire::decoder::Next;
use crate::wire::encode::Report;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend as f;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// The operation under way sees it as it comes.
    Operation,
    /// All of it goes to the group as it is.
    Forward,
    /// Its beginning has been said in other words; from this byte of the body on it goes as it is.
    ForwardFrom(usize),
    /// Nothing of it goes anywhere.
    Discard,
    /// It has to wait: it is offered again later.
    Wait,
}

/// A planned query while its connections are waited for.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) routed: Routed,
    pub(super) note: Note,
    /// What it was planned by.
    pub(super) knowledge: u64,
}

impl Session {
    /// Takes what it can of the client's bytes. Whether anything happened; an error ends the connection.
    pub fn handle_client(&mut self, input: &mut Buffer) -> Result<bool, Fatal> {
        if let Some(progress) = self.ask_straight(input) {
            return Ok(progress);
        }
        self.leave_straight_road();
        let mut progress = self.continue_operation();
        progress |= self.continue_script();
        if self.clears_statements {
            if self.steps.is_empty() {
                self.clears_statements = false;
            } else {
                self.flush_group();
            }
        }
        while !input.is_empty() && !self.terminated && !self.is_spent() && self.takes_input() {
            match self
                .input
                .next(input.bytes())
                .map_err(|error| violation(error.to_string()))?
            {
                Next::More(_) => break,
                Next::Body { bytes, forward } => {
                    self.input.advance(bytes);
                    if forward {
                        self.send(&input.bytes()[..bytes]);
                    } else {
                        let last = !self.input.is_inside();
                        self.client_piece(&input.bytes()[..bytes], last);
                    }
                    input.consume(bytes);
                    progress = true;
                }
                Next::Message(header) => {
                    let needed = HEADER_LEN + self.needed(header);
                    if input.len() < needed {
                        // Makes room for no more than what has to be seen at once.
                        input.reserve(needed - input.len());
                        break;
                    }
                    let body_end = input.len().min(header.frame_len());
                    let taken = self.message(header, &input.bytes()[HEADER_LEN..body_end])?;
                    self.waits = taken == Taken::Wait;
                    if !self.waits {
                        self.outer = Default::default();
                        self.allowance -= 1;
                    }
                    let (skip, forward) = match taken {
                        // It is refused.
                        Taken::Wait if self.refusal.is_some() => continue,
                        Taken::Wait => {
                            // For answers, it may be, that servers give when they are told to.
                            if !self.steps.is_empty() {
                                self.flush_group();
                            }
                            progress |= self.awaits_catalog();
                            break;
                        }
                        Taken::Forward => (0, true),
                        Taken::ForwardFrom(offset) => (HEADER_LEN + offset, true),
                        Taken::Discard | Taken::Operation => (HEADER_LEN, false),
                    };
                    if self.links.is_empty() || !forward {
                        self.input.begin(header.body, false);
                        input.consume(HEADER_LEN);
                        if taken == Taken::Operation && header.body == 0 {
                            self.client_piece(&[], true);
                        }
                    } else {
                        let now = input.len().min(header.frame_len());
                        self.input.begin(header.frame_len() - now, true);
                        match self.group[..] {
                            // The memory changes hands.
                            [slot] if skip == 0 && now == input.len() => {
                                self.links[slot].out.append(input);
                            }
                            _ => {
                                self.send(&input.bytes()[skip..now]);
                                input.consume(now);
                            }
                        }
                    }
                    progress = true;
                }
            }
        }
        Ok(progress)
    }

    /// Whether more of the client's bytes can be taken now.
    pub fn takes_input(&self) -> bool {
        if let Some(takes) = self.straight_takes_input() {
            return takes;
        }
        (self.script.is_none() || self.operation.is_some())
            && self.operation_takes_client()
            && !self.wants_any()
            && self.poll_ground().is_none()
            && !self.awaits_schema()
            && self.steps.len() < MOST_STEPS
            && (!self.clears_statements || self.steps.is_empty())
            && self
                .group
                .iter()
                .all(|&slot| self.links[slot].out.len() < HIGH_WATER)
            && self.client_out.len() < HIGH_WATER
    }

    /// To every server of the group.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        for &slot in &self.group {
            self.links[slot].out.push(bytes);
        }
    }

    /// How many of the client's bytes may lie here, being these at the moment.
    pub fn most_input(&self, input: &[u8]) -> usize {
        let message = match self.input.next(input) {
            Ok(Next::Message(header)) => HEADER_LEN + self.needed(header),
            _ => 0,
        };
        message.max(ANALYSIS_LIMIT) + PIECE
    }

    /// How long a message of this type may be that is read as a whole.
    pub(super) fn most_read(&self, tag: u8) -> usize {
        match tag {
            f::BIND => VALUES_LIMIT,
            _ if self.environment.is_sharded() => TEXT_LIMIT,
            _ => ANALYSIS_LIMIT,
        }
    }

    /// How much of a body must be there before the message can be decided.
    fn needed(&self, header: Header) -> usize {
        let readable = header.body <= self.most_read(header.tag);
        match header.tag {
            _ if self.skipping => 0,
            f::QUERY | f::PARSE if readable && !self.environment.is_transparent() => header.body,
            f::BIND if !self.environment.is_transparent() => {
                if (self.environment.is_sharded() || self.numbers) && readable {
                    header.body
                } else {
                    // Both names: 63 bytes mean something, drivers make them no longer than that.
                    header.body.min(2048)
                }
            }
            f::DESCRIBE | f::CLOSE | f::EXECUTE if !self.environment.is_transparent() => {
                header.body.min(2048)
            }
            // Whether it has a name.
            f::PARSE if !self.environment.is_transparent() => header.body.min(1),
            _ => 0,
        }
    }

    fn message(&mut self, header: Header, body: &[u8]) -> Result<Taken, Fatal> {
        if self.gives_way.is_some() && !self.is_busy() {
            self.gives_way = None;
        }
        if let Some(report) = self.refusal.take() {
            // The connections that this message waited for cannot be had.
            self.waiting = None;
            if !self.environment.is_sharded() && self.links.is_empty() {
                self.begins = false;
            }
            match header.tag {
                f::QUERY | f::FUNCTION_CALL => self.refuse(&report),
                _ => self.fail_pipeline(&report),
            }
            if header.tag != f::SYNC {
                return Ok(Taken::Discard);
            }
        }
        if self.operation.is_some()
            && header.tag != f::TERMINATE
            && let Some(taken) = self.client_of_operation(header)?
        {
            return Ok(taken);
        }
        if !self.goes_with_parse(header.tag, body) && !self.answer_parse() {
            return Ok(Taken::Wait);
        }
        match header.tag {
            f::TERMINATE => {
                self.terminated = true;
                Ok(Taken::Discard)
            }
            // The server ends the connection for it.
            tag if self.copying && !belongs_to_copy(tag) => {
                self.copying = false;
                Ok(Taken::Forward)
            }
            f::SYNC => Ok(self.sync()),
            _ if self.skipping => match header.tag {
                f::QUERY
                | f::PARSE
                | f::BIND
                | f::DESCRIBE
                | f::EXECUTE
                | f::CLOSE
                | f::FLUSH
                | f::FUNCTION_CALL
                | f::COPY_DATA
                | f::COPY_DONE
                | f::COPY_FAIL => Ok(Taken::Discard),
                tag => Err(unknown(tag)),
            },
            f::QUERY | f::FUNCTION_CALL if !self.leave_pipeline() => Ok(Taken::Wait),
            f::QUERY => Ok(self.query(header, body)),
            f::COPY_DATA => Ok(self.copy_data()),
            f::COPY_DONE | f::COPY_FAIL => Ok(self.copy_end()),
            f::FUNCTION_CALL => Ok(self.function_call()),
            f::PARSE | f::BIND | f::DESCRIBE | f::EXECUTE | f::CLOSE | f::FLUSH => {
                self.extended(header, body)
            }
            tag => Err(unknown(tag)),
        }
    }

    fn copy_data(&mut self) -> Taken {
        // Without a COPY under way it is ignored, as PostgreSQL ignores it: the COPY has failed.
        if self.copying || !self.steps.is_empty() {
            Taken::Forward
        } else {
            Taken::Discard
        }
    }

    fn copy_end(&mut self) -> Taken {
        if std::mem::take(&mut self.copying) {
            return Taken::Forward;
        }
        if self.steps.is_empty() {
            return Taken::Discard;
        }
        for &slot in &self.group {
            // If there is a COPY to end, its server passes over a `Sync` sent before: the next one is for it.
            self.links[slot].touched = true;
        }
        self.steps.push_back(Step::CopyEnd);
        Taken::Forward
    }

    fn function_call(&mut self) -> Taken {
        if self.environment.is_sharded() {
            let report = Report::error(
                SqlState::new("SH018"),
                "function calls of the wire protocol are not carried out over shards",
            )
            .hint("Call the function in a SELECT.");
            self.refuse(&report);
            return Taken::Discard;
        }
        if self.fails_in_transaction() {
            return Taken::Discard;
        }
        if !self.ensure(&Routed::unread()) {
            return Taken::Wait;
        }
        self.steps.push_back(Step::Function);
        Taken::Forward
    }

    /// `FETCH` of a portal of the protocol: it runs what that was bound to, and what it sets then only the server knows.
    pub(super) fn runs_a_portal(&mut self, plan: &Plan) {
        if plan.kind == "fetch" && !self.environment.is_sharded() {
            let sets = |portal: &super::portals::Portal| {
                let plan = portal.statement.plan();
                plan.is_some_and(own_plans::sets_or_decides)
            };
            self.settings_on_server |= self.portals.iter().any(|(_, portal)| sets(portal));
        }
    }

    /// What changes when a statement that executes or explains another one succeeds.
    pub(super) fn note_of_executed(&mut self, plan: &Plan, executed: Option<&Plan>) -> Note {
        let note = executed.map_or(Note(None), |executed| self.note(executed));
        if plan.kind == "explain" && note.0.is_some() {
            // Whether it is carried out only the server knows.
            self.settings_on_server = true;
            return Note(None);
        }
        note
    }

    /// What follows a statement that is sent may have to wait for its outcome.
    pub(super) fn awaits_outcome_of(&mut self, note: &Note) {
        self.clears_statements |= note.clears_statements();
        // A server goes back to its own settings, the session to those of its startup packet.
        self.resets |= !self.initial.is_empty() && self.outer.hidden.is_none() && note.resets();
    }

    /// What changes in the session when a statement succeeds.
    pub(super) fn note(&mut self, plan: &Plan) -> Note {
        let within = self.begins || self.links.iter().any(|link| link.status() != b'I');
        self.renews |= own_plans::renews(plan);
        self.sets |= own_plans::sets(plan);
        let fails = self.links.iter().any(|link| link.status() == b'E');
        if own_plans::resets_all(plan) && !fails && !(within && &*plan.kind == "discard") {
            self.direct_as_initially();
        }
        self.runs_a_portal(plan);
        self.transaction.locks |= matches!(&*plan.kind, "lock" | "truncate");
        self.begins = route::begins(plan) || self.begins && !own_plans::ends(plan);
        let acts = acting::acts(plan).filter(|_| self.environment.is_sharded());
        let acts = acts.map(|change| Noted::Settings(vec![change]));
        let noted = match acts {
            // Where nothing was set nothing is decided, and over shards the session does that itself.
            None if own_plans::decides(plan) => {
                let decides = self.sets && !self.environment.is_sharded();
                let end = || match within || !own_plans::prepares(plan) {
                    true => Noted::Ended,
                    false => Noted::NotEnded,
                };
                let own = own_plans::noted(plan).or_else(|| own_plans::ends(plan).then(end));
                own.filter(|_| decides)
            }
            acts => acts
                .or_else(|| own_plans::noted(plan))
                .or_else(|| self.frees(plan))
                .or_else(|| {
                    own_plans::noted_locally(plan).filter(|_| self.environment.is_sharded())
                }),
        };
        Note(noted.map(Box::new))
    }
}

/// Whether a server takes a message while it waits for the client's COPY data.
pub(super) fn belongs_to_copy(tag: u8) -> bool {
    matches!(
        tag,
        f::COPY_DATA | f::COPY_DONE | f::COPY_FAIL | f::FLUSH | f::SYNC
    )
}

fn unknown(tag: u8) -> Fatal {
    violation(format!("invalid frontend message type {tag}"))
}
