//! What an operation sees of the session that it runs in.

use router_core::id::ShardId;
use router_core::twophase::Obstacle;

use super::HIGH_WATER;
use super::link::{Link, Role, UnnamedPortal};
use crate::wire::backend as b;
use crate::wire::buffer::Buffer;
use crate::wire::frontend as f;

/// A connection that an operation works with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Of which shard.
    pub(crate) shard: ShardId,
    /// Of which servers.
    pub(crate) role: Role,
    /// It takes no part in the client's transaction, and no statement of the client ever goes there.
    pub(crate) apart: bool,
}

/// A connection as the session keeps it for the operation that works with it.
#[derive(Debug)]
pub(super) struct Part {
    /// Where the session has it; `None`: it is gone.
    pub(super) slot: Option<usize>,
    /// How many `ReadyForQuery` it owes.
    pub(super) owed: u32,
    /// What becomes of the message under way.
    pub(super) flow: Flow,
    /// The beginning of a message that is kept until all of it is there.
    pub(super) kept: Vec<u8>,
}

/// What becomes of a message that has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flow {
    #[default]
    Skip,
    Whole(u8),
    Pieces,
    /// To the client, without so many bytes that are still to come.
    Client(usize),
}

impl Part {
    pub(super) fn new(slot: usize) -> Self {
        Self {
            slot: Some(slot),
            owed: 0,
            flow: Flow::Skip,
            kept: Vec::new(),
        }
    }
}

/// The session as an operation sees it: its own parts, and the client.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(super) links: &'a mut [Box<Link>],
    pub(super) parts: &'a mut [Part],
    pub(super) client_out: &'a mut Buffer,
    /// What is said is kept for later, not sent.
    pub(super) spools: bool,
    /// Where the tag is kept until the transaction is committed.
    pub(super) withheld: Option<&'a mut Vec<u8>>,
}

impl Stage<'_> {
    fn link(&mut self, part: usize) -> Option<&mut Link> {
        let slot = self.parts[part].slot?;
        self.links.get_mut(slot).map(|link| &mut **link)
    }

    /// Puts a message in a part's queue.
    pub(crate) fn send(&mut self, part: usize, tag: u8, body: &[&[u8]]) {
        if let Some(link) = self.link(part) {
            match tag {
                f::PARSE | f::BIND => link.close_left_portal(),
                f::QUERY => link.unnamed_portal = UnnamedPortal::None,
                _ => {}
            }
            if tag == f::PARSE
                && let Some(server) = link.server.as_mut()
            {
                // Whatever the unnamed statement was, it is not any more.
                server.prepared.unnamed = None;
            }
            if tag == f::PARSE
                && let Some(numbers) = &link.numbers
                && let Some((types, before)) = body.split_last()
            {
                let types = numbers.types(types);
                let body = [before, &[&types]].concat();
                link.out.frame(tag, &body);
                return;
            }
            link.out.frame(tag, body);
        }
    }

    /// Puts `Sync` in a part's queue: it owes a `ReadyForQuery`.
    pub(crate) fn sync(&mut self, part: usize) {
        self.send(part, f::SYNC, &[]);
        self.owes(part);
    }

    /// Puts a simple query in a part's queue: it owes a `ReadyForQuery`.
    pub(crate) fn query(&mut self, part: usize, sql: &str) {
        self.send(part, f::QUERY, &[sql.as_bytes(), &[0]]);
        if let Some(server) = self.link(part).and_then(|link| link.server.as_mut()) {
            server.prepared.unnamed = None;
        }
        self.owes(part);
    }

    fn owes(&mut self, part: usize) {
        let part = &mut self.parts[part];
        if part.slot.is_some() {
            part.owed += 1;
        }
    }

    /// Whether a part takes more now.
    pub(crate) fn has_room(&self, part: usize) -> bool {
        self.parts[part]
            .slot
            .and_then(|slot| self.links.get(slot))
            .is_none_or(|link| link.out.len() < HIGH_WATER)
    }

    /// Takes note that temporary tables are made on a part: what it does in this transaction cannot be prepared.
    pub(crate) fn makes_tables(&mut self, part: usize) {
        if let Some(link) = self.link(part) {
            link.traces.obstacle = Obstacle::Certain;
        }
    }

    /// Whether no part owes anything.
    pub(crate) fn all_settled(&self) -> bool {
        self.parts.iter().all(|part| part.owed == 0)
    }

    /// Whether a part is in a transaction that has failed.
    pub(crate) fn is_failed(&mut self, part: usize) -> bool {
        self.link(part).is_some_and(|link| link.status() == b'E')
    }

    /// Whether a part's server is gone.
    pub(crate) fn is_lost(&self, part: usize) -> bool {
        self.parts[part].slot.is_none()
    }

    /// Puts a message in the client's queue. Only between the messages of parts that go to the client.
    pub(crate) fn say(&mut self, tag: u8, body: &[&[u8]]) {
        match &mut self.withheld {
            Some(withheld) if tag == b::COMMAND_COMPLETE => **withheld = body.concat(),
            _ => self.client_out.frame(tag, body),
        }
    }

    /// Whether a row can go to the client now: no other message is under way there, and there is room.
    pub(crate) fn client_takes_row(&self) -> bool {
        self.client_has_room() && !self.links.iter().any(|link| link.input.is_forwarding())
    }

    /// Whether the client takes more now.
    pub(crate) fn client_has_room(&self) -> bool {
        self.spools || self.client_out.len() < HIGH_WATER
    }
}
