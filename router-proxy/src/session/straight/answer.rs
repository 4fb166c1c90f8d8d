//! Answers that end the straight road: whole, and with nothing in them that a session has to know of.

use std::collections::VecDeque;

use super::super::step::Step;
use super::super::{HIGH_WATER, Session};
use super::Road;
use crate::wire::backend as b;
use crate::wire::buffer::Buffer;
use crate::wire::frame::{HEADER_LEN, Header};

/// What a server answers to the `BEGIN` that it is told when it joins a transaction over shards.
const BEGUN: &[u8] = b"C\0\0\0\x0aBEGIN\0Z\0\0\0\x05T";

/// An answer with nothing in it that a session has to know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Whole {
    /// Where the description of its rows begins, if there is one.
    description: Option<usize>,
}

/// Whether bytes are the whole answer to these steps, one after the other, without an error and without a word beside it, and
/// leave the server in this state.
fn whole(steps: &VecDeque<Step>, bytes: &[u8], status: u8) -> Option<Whole> {
    let answer = bytes.strip_suffix(&[b::READY, 0, 0, 0, 5, status])?;
    let mut steps = steps.iter();
    let mut step = steps.next()?;
    let mut description = None;
    let mut at = 0;
    while let Ok(Some(Header { tag, body })) = Header::parse(&answer[at..]) {
        match (step, tag) {
            (Step::Query(..) | Step::DescribePortal(_), b::ROW_DESCRIPTION)
                if description.is_none() =>
            {
                description = Some(at);
                if matches!(step, Step::DescribePortal(_)) {
                    step = steps.next()?;
                }
            }
            (Step::Query(..), b::DATA_ROW | b::COMMAND_COMPLETE)
            | (Step::Execute(_), b::DATA_ROW) => {}
            (Step::Parse, b::PARSE_COMPLETE)
            | (Step::Bind(_), b::BIND_COMPLETE)
            | (Step::DescribePortal(_), b::NO_DATA)
            | (Step::Execute(_), b::COMMAND_COMPLETE) => step = steps.next()?,
            _ => return None,
        }
        at += HEADER_LEN + body;
        if at > answer.len() {
            return None;
        }
    }
    let ended = at == answer.len() && matches!(step, Step::Query(..) | Step::Sync);
    (ended && steps.next().is_none()).then_some(Whole { description })
}

impl Session {
    /// Passes on a server's answer if it ends the straight road.
    #[inline]
    pub(in crate::session) fn answer_straight(&mut self, input: &mut Buffer) -> bool {
        let Road::Asked(status) = self.road else {
            return false;
        };
        if self.links[0].prelude > 0 && self.skip_begun(input) && input.is_empty() {
            return true;
        }
        if self.links[0].prelude > 0 || self.client_out.len() + input.len() >= HIGH_WATER {
            return false;
        }
        let Some(answer) = whole(&self.steps, input.bytes(), status) else {
            return false;
        };
        if let Some(at) = answer.description {
            let shard = self.links[0].shard;
            let description = &mut input.bytes_mut()[at..];
            self.environment.catalog.renumber(shard, description);
        }
        self.status = status;
        let link = &mut self.links[0];
        match self.steps.front() {
            // It ends the unnamed statement, and parses none.
            Some(Step::Query(..)) => {
                if let Some(server) = link.server.as_mut() {
                    server.prepared.unnamed = None;
                }
            }
            _ => {
                while !link.parsing.is_empty() {
                    link.is_parsed();
                }
                self.undo.clear();
            }
        }
        self.popped += self.steps.len() as u64;
        // Most often there is one.
        match self.steps.len() {
            1 => drop(self.steps.pop_front()),
            _ => self.steps.clear(),
        }
        self.count_ready(0, status);
        self.count_query(status);
        self.client_out.append(input);
        self.road = match status {
            b'I' => Road::Answered,
            _ => Road::Between,
        };
        true
    }

    /// Takes off the answer to what the session itself has asked first, as servers give it when nothing is the matter.
    fn skip_begun(&mut self, input: &mut Buffer) -> bool {
        let link = &mut self.links[0];
        let begun = link.prelude == 1 && input.bytes().starts_with(BEGUN);
        if begun && let Some(server) = link.server.as_mut() {
            link.prelude = 0;
            server.status = b'T';
            input.consume(BEGUN.len());
        }
        begun
    }

    /// The only link, once its answer is passed on.
    #[inline]
    pub(in crate::session) fn release_straight(&mut self) -> Option<super::super::Released> {
        match self.road {
            Road::Answered if self.links[0].is_free() => {
                let released = self.release(0);
                self.road = Road::Rest;
                released
            }
            _ => None,
        }
    }
}
