//! One server connection as a session holds it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use router_core::id::ShardId;
use router_core::sqlstate::SqlState;

use super::Session;
use super::commit::Traces;
use super::standby::OnReplica;
use super::step::Step;
use crate::catalog::ShardNumbers;
use crate::server::prepared::{Closed, Prepared};
use crate::server::state::ServerState;
use crate::wire::backend as b;
use crate::wire::buffer::{Buffer, Stock};
use crate::wire::decoder::Decoder;
use crate::wire::frame::{HEADER_LEN, Header};
use crate::wire::frontend as f;

/// Which servers of a shard are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The primary.
    Primary,
    /// One of the replicas.
    Replica,
}

/// The client's unnamed portal on a server, of a sharded database. One that is open holds its tables: as long as it is there,
/// nobody may define them anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UnnamedPortal {
    /// There is none.
    #[default]
    None,
    /// The client has it.
    Open,
    /// The client has it no more, and the server does not know.
    Left,
}

/// A `Parse` that a server has not answered.
#[derive(Debug)]
pub(super) enum Parsing {
    /// Of the unnamed statement, in the place of this one.
    Unnamed(Option<Arc<Prepared>>),
    /// Under the name of this hash, in the place of those.
    Named(u64, Closed),
    /// Under the client's own name, which only the server knows.
    ByClient,
}

impl Session {
    /// Whether a link's server has answered all that it was sent, but for what the session itself has asked: what it says
    /// next is the answer to what it is sent next.
    pub(super) fn is_answered(&self, slot: usize) -> bool {
        let owes = |step: &Step| !matches!(step, Step::Own(_));
        let under_way = || self.steps.iter().any(owes) || self.input.is_forwarding();
        let asked = self.group.contains(&slot) && under_way();
        !asked && !self.links[slot].poisoned && self.part_of(slot).is_none()
    }

    /// Whether a message of a link's server is looked at only when all of it has come.
    pub fn awaits_whole(&self, slot: usize) -> bool {
        self.links.get(slot).is_some_and(|link| link.awaits_whole)
    }

    /// Whether the session may ask a link's server something of its own: all is answered, and no pipeline under way would
    /// end by it.
    pub(super) fn may_ask(&self, slot: usize) -> bool {
        !self.links[slot].touched && self.is_answered(slot)
    }

    /// Sends a simple query whose replies are for nobody. It is one that succeeds: an error ends the connection, since what
    /// was to be in place for the client is not.
    ///
    /// Replies are told apart by their order alone. So nothing may be unanswered there: the client would get the replies to
    /// this for those to its own statement, and those to its statement would be for nobody.
    pub(super) fn ask(&mut self, slot: usize, sql: &str) {
        debug_assert!(self.is_answered(slot), "asked in the middle: {sql}");
        self.links[slot].ask(sql);
    }
}

/// One server connection as a session holds it, or waits for it.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) shard: ShardId,
    pub(super) role: Role,
    /// `None`: not there yet.
    pub(super) server: Option<Box<ServerState>>,
    /// The numbers that its server has, where they are not those that the session goes by; on the ordinary road.
    pub(super) numbers: Option<Arc<ShardNumbers>>,
    /// The message at the front of what it says has been put into the session's numbers: of which type it is.
    pub(super) renumbered: Option<u8>,
    /// That message has not come as a whole.
    pub(super) awaits_whole: bool,
    /// What waits to be sent.
    pub(super) out: Buffer,
    /// Where its stream of replies stands.
    pub(super) input: Decoder,
    /// How many of the session's own simple queries it has yet to finish; their replies are for nobody.
    pub(super) prelude: u32,
    /// It takes part in the session's transaction (sharded databases).
    pub(super) joined: bool,
    /// It has joined a transaction that reads only, and makes tables before it reads only itself.
    pub(super) fills: bool,
    /// It has gone back to the savepoint behind which the transaction has failed elsewhere.
    pub(super) has_gone_back: bool,
    /// Its replies will never be asked for: another server of the same statement was lost.
    pub(super) abandoned: bool,
    /// It works for operations alone and takes no part in the client's transaction.
    pub(super) apart: bool,
    /// What it was used for there.
    pub(super) traces: Traces,
    /// What is on a replica of the only transaction there.
    pub(super) on_replica: OnReplica,
    /// Something may have been committed there since the session has it.
    pub(super) wrote: bool,
    /// It has been sent messages of the pipeline under way.
    pub(super) touched: bool,
    /// It was told to answer what it had been sent of the pipeline.
    pub(super) flushed: bool,
    /// It was told to fail its part of the pipeline.
    pub(super) poisoned: bool,
    /// It stays with this client: why, as bits of the plan's `SessionEffect`.
    pub(super) pinned: u16,
    /// Something may have been done there that no `DISCARD ALL` ends, whoever says it.
    pub(super) outlasting: bool,
    /// The statement by which another role than the one that has logged in is in force there.
    pub(super) acting: Option<Arc<str>>,
    /// This client may have drawn values from sequences there.
    pub(super) drew: bool,
    /// `Parse` messages under way, in order, each with the place of its message in the queue of steps.
    pub(super) parsing: VecDeque<(u64, Parsing)>,
    /// The client's unnamed portal there.
    pub(super) unnamed_portal: UnnamedPortal,
    /// What it said before it hung up.
    pub(super) farewell: Option<Box<(SqlState, String)>>,
}

impl Link {
    pub(super) fn new(shard: ShardId, role: Role, stock: &Stock) -> Self {
        Self {
            shard,
            role,
            server: None,
            numbers: None,
            renumbered: None,
            awaits_whole: false,
            out: Buffer::new(stock),
            input: Decoder::default(),
            prelude: 0,
            joined: false,
            fills: false,
            abandoned: false,
            has_gone_back: false,
            traces: Traces::default(),
            on_replica: OnReplica::default(),
            wrote: false,
            apart: false,
            touched: false,
            flushed: false,
            poisoned: false,
            pinned: 0,
            outlasting: false,
            acting: None,
            drew: false,
            parsing: VecDeque::new(),
            unnamed_portal: UnnamedPortal::None,
            farewell: None,
        }
    }

    /// As if it had just been made, with the room that it has.
    pub(super) fn reset(&mut self) {
        let Self {
            shard: _,
            role: _,
            server,
            numbers,
            renumbered,
            awaits_whole,
            out,
            input,
            prelude,
            joined,
            fills,
            has_gone_back,
            abandoned,
            apart,
            traces,
            on_replica,
            wrote,
            touched,
            flushed,
            poisoned,
            pinned,
            outlasting,
            acting,
            drew,
            parsing,
            unnamed_portal,
            farewell,
        } = self;
        *server = None;
        *numbers = None;
        *renumbered = None;
        *awaits_whole = false;
        out.clear();
        *input = Decoder::default();
        *prelude = 0;
        *joined = false;
        *fills = false;
        *has_gone_back = false;
        *abandoned = false;
        *apart = false;
        *traces = Traces::default();
        *on_replica = OnReplica::default();
        *wrote = false;
        *touched = false;
        *flushed = false;
        *poisoned = false;
        *pinned = 0;
        *outlasting = false;
        *acting = None;
        *drew = false;
        if !parsing.is_empty() {
            parsing.clear();
        }
        *unnamed_portal = UnnamedPortal::None;
        *farewell = None;
    }

    /// Sends a `Parse`, with the types of its parameters in the session's numbers.
    pub(super) fn parse(&mut self, name: &[u8], prepared: &Prepared) {
        let types = match &self.numbers {
            None => Cow::Borrowed(&prepared.types[..]),
            Some(numbers) => numbers.types(&prepared.types),
        };
        let body: [&[u8]; 5] = [name, &[0], &prepared.text, &[0], &types];
        self.out.frame(f::PARSE, &body);
    }

    /// Puts what its server sends into the session's numbers: those of types in a description, and its server's own process in a
    /// notification, which is the client's (`process`). The message begins at `at`, and is looked at when all of it has come. Whether
    /// it may be passed on.
    pub(super) fn renumber(
        &mut self,
        process: Option<i32>,
        header: Header,
        input: &mut Buffer,
        at: usize,
    ) -> bool {
        let numbers = match (header.tag, &self.numbers, process) {
            (b::ROW_DESCRIPTION | b::PARAMETER_DESCRIPTION, Some(numbers), _) => Some(numbers),
            (b::NOTIFICATION, _, Some(_)) => None,
            _ => {
                self.renumbered = None;
                return true;
            }
        };
        // Once: what a type's number becomes may be another type's.
        if self.renumbered == Some(header.tag) && numbers.is_some() {
            return true;
        }
        let message = input.bytes_mut().get_mut(at..at + header.frame_len());
        self.awaits_whole = message.is_none();
        let Some(message) = message else {
            return false;
        };
        let body = &mut message[HEADER_LEN..];
        match (header.tag, numbers) {
            (b::ROW_DESCRIPTION, Some(numbers)) => numbers.of_columns(body),
            (_, Some(numbers)) => numbers.of_parameters(body),
            (_, None) => {
                if let (Some(own), Some(server), Some(from)) =
                    (process, &self.server, body.first_chunk_mut())
                    && i32::from_be_bytes(*from) == server.process
                {
                    *from = own.to_be_bytes();
                }
            }
        }
        self.renumbered = Some(header.tag);
        true
    }

    /// Whether nothing keeps it, as far as the link itself can tell.
    pub(super) fn is_free(&self) -> bool {
        self.pinned == 0
            && self.acting.is_none()
            && self.out.is_empty()
            && self
                .server
                .as_ref()
                .is_some_and(|server| server.status == b'I')
    }

    /// Whether it is in a transaction, that of the session (`joined`) or one that only its server knows of, with nothing under
    /// way and nothing left that the next statement might have to do with.
    pub(super) fn is_between(&self, joined: bool) -> bool {
        let flags = [
            self.joined != joined,
            self.fills,
            self.abandoned,
            self.has_gone_back,
            self.apart,
            self.touched,
            self.flushed,
            self.poisoned,
            self.input.is_inside(),
        ];
        let sequences = self.server.as_ref().is_some_and(|server| server.sequences);
        self.status() == b'T'
            && !sequences
            && flags == [false; 9]
            && self.prelude == 0
            && self.pinned == 0
            && self.acting.is_none()
            && self.out.is_empty()
            && self.parsing.is_empty()
            && self.farewell.is_none()
    }

    /// Status of the last `ReadyForQuery`.
    pub(super) fn status(&self) -> u8 {
        self.server.as_ref().map_or(b'I', |server| server.status)
    }

    /// See [`Session::ask`].
    fn ask(&mut self, sql: &str) {
        self.out.frame(b'Q', &[sql.as_bytes(), &[0]]);
        self.prelude += 1;
        if let Some(server) = self.server.as_mut() {
            // A simple query ends it.
            server.prepared.unnamed = None;
        }
        self.unnamed_portal = UnnamedPortal::None;
    }

    /// The client has another unnamed portal by now, or none.
    pub(super) fn leave_unnamed_portal(&mut self) {
        if self.unnamed_portal == UnnamedPortal::Open {
            self.unnamed_portal = UnnamedPortal::Left;
        }
    }

    /// Closes an unnamed portal that the client has no more. Its `CloseComplete` is for nobody.
    pub(super) fn close_left_portal(&mut self) {
        if self.unnamed_portal == UnnamedPortal::Left {
            self.unnamed_portal = UnnamedPortal::None;
            self.out.frame(f::CLOSE, &[b"P", &[0]]);
        }
    }

    /// What it was sent of a pipeline has ended.
    pub(super) fn leave_pipeline(&mut self) {
        self.touched = false;
        self.flushed = false;
        // The next pipeline may follow before this one is answered, and fail as well.
        self.poisoned = false;
    }

    /// Makes the server fail the implicit transaction of its pipeline, so that `Sync` undoes it.
    pub(super) fn poison(&mut self) {
        if !std::mem::replace(&mut self.poisoned, true) {
            // A portal that cannot exist: its name is longer than an identifier's 63 bytes may be told apart.
            self.out.frame(
                b'E',
                &[b"shunt: an earlier part of this pipeline failed\0", &[0; 4]],
            );
        }
    }

    /// The server has carried out the `Parse` that has waited for longest, and each `Close` before it.
    pub(super) fn is_parsed(&mut self) {
        if let Some((_, Parsing::Named(_, closed))) = self.parsing.pop_front()
            && !closed.is_empty()
            && let Some(server) = self.server.as_mut()
        {
            server.prepared.made_way(&closed);
        }
    }

    /// Whether a statement that is about to be used is one whose `Parse` may yet be skipped, although what uses it is not:
    /// a `Sync` at `sync` stands between them.
    pub(super) fn may_be_skipped(&self, hash: u64, sync: u64) -> bool {
        let named = |parsing: &Parsing| matches!(parsing, Parsing::Named(of, _) if *of == hash);
        let mut under_way = self.parsing.iter();
        under_way.any(|(at, parsing)| *at <= sync && named(parsing))
    }

    /// The unanswered `Parse` messages of these places of the queue came to nothing: the first one failed, the
    /// others were skipped.
    pub(super) fn forget_parsing(&mut self, failed: u64, end: u64) {
        let Some(server) = self.server.as_mut() else {
            return;
        };
        let mut unnamed = None;
        while self.parsing.front().is_some_and(|(at, _)| *at <= end)
            && let Some((at, parsing)) = self.parsing.pop_front()
        {
            match parsing {
                // One that fails ends the unnamed statement all the same.
                Parsing::Unnamed(_) if at == failed => unnamed = unnamed.or(Some(None)),
                Parsing::Unnamed(old) => unnamed = unnamed.or(Some(old)),
                Parsing::Named(hash, closed) => {
                    for hash in std::iter::once(hash).chain(closed) {
                        server.doubtful |= !server.prepared.forget(hash);
                    }
                }
                Parsing::ByClient => {}
            }
        }
        if let Some(unnamed) = unnamed {
            // A later pipeline may have a new one under way.
            let later = self
                .parsing
                .iter_mut()
                .find_map(|(_, parsing)| match parsing {
                    Parsing::Unnamed(old) => Some(old),
                    Parsing::Named(..) | Parsing::ByClient => None,
                });
            *later.unwrap_or(&mut server.prepared.unnamed) = unnamed;
        }
    }
}
