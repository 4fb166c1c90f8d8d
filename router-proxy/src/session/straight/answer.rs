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

/// Whether bytes are the whole answer to these steps, one after the other, without an error and without a word beside it, and
/// leave the server in this state.
fn is_whole(steps: &VecDeque<Step>, bytes: &[u8], status: u8) -> bool {
    let Some(mut rest) = bytes.strip_suffix(&[b::READY, 0, 0, 0, 5, status]) else {
        return false;
    };
    let mut steps = steps.iter();
    let mut step = steps.next();
    while let Ok(Some(Header { tag, body })) = Header::parse(rest) {
        match (step, tag) {
            (Some(Step::Query(..)), b::ROW_DESCRIPTION | b::DATA_ROW | b::COMMAND_COMPLETE)
            | (Some(Step::Execute(_)), b::DATA_ROW) => {}
            (Some(Step::Parse), b::PARSE_COMPLETE)
            | (Some(Step::Bind(_)), b::BIND_COMPLETE)
            | (Some(Step::DescribePortal), b::ROW_DESCRIPTION | b::NO_DATA)
            | (Some(Step::Execute(_)), b::COMMAND_COMPLETE) => step = steps.next(),
            _ => return false,
        }
        match rest.get(HEADER_LEN + body..) {
            Some(more) => rest = more,
            None => return false,
        }
    }
    rest.is_empty() && matches!(step, Some(Step::Query(..) | Step::Sync)) && steps.next().is_none()
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
        if self.links[0].prelude > 0
            || self.client_out.len() + input.len() >= HIGH_WATER
            || !is_whole(&self.steps, input.bytes(), status)
        {
            return false;
        }
        let shard = self.links[0].shard;
        self.environment.catalog.renumber(shard, input.bytes_mut());
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
        // There are few, and most often one.
        while self.steps.pop_front().is_some() {}
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
