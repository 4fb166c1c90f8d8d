//! One client's session: a machine without I/O.
//!
//! `handle_*` tells it what happened, `poll_*` asks it what to do. It owns what
//! waits to be sent (one queue to the client, one to each server it holds) and
//! never a socket, so that every conversation can be played through in a test.
//!
//! | file | owns |
//! |---|---|
//! | [`link`](self) | one server connection as the session holds it |
//! | `step` | what the client is owed, in order |
//! | `cursor` | cursors, each on its shard |
//! | `straight` | what most messages come to, without what the others need |
//! | `client` | messages of the client, simple protocol |
//! | `extended` | messages of the client, extended protocol |
//! | `goes_back` | `RESET` and `DEALLOCATE`, which mean something else to a server |
//! | `constants` | by what settings constants of prepared statements are read, over shards |
//! | `statement` | prepared statements of the client |
//! | `bind` | portals, and what is said about them |
//! | `knowledge` | what statements are planned by: the shared catalog, or the transaction's own |
//! | `travel` | whether values come through from one server to another |
//! | `unsettled` | settings that the transaction under way has changed |
//! | `undo` | what a pipeline changes, until it is known whether it succeeded |
//! | `replies` | messages of servers |
//! | `route` | from a plan to the connections it needs |
//! | `operation`, `stage` | an operation over several connections ([`crate::exec`]) as the session hosts it |
//! | `names` | what SQL and the protocol prepare, under one name each |
//! | `number` | `shunt.next_id()` |
//! | `outer` | `PREPARE`, `EXECUTE` and `EXPLAIN` over shards |
//! | `portal` | portals of such statements |
//! | `program` | statements in steps, as the session starts them |
//! | `commit` | the end of transactions over several shards, and those that statements need |
//! | `transaction` | transactions over the shards of a sharded database |
//! | `acting` | whose rights the session has, over shards |
//! | `local` | statements that the session answers itself |
//! | [`settings`] | settings that move with the session from server to server |

mod acting;
mod bind;
mod client;
mod commit;
mod constants;
mod cursor;
mod extended;
mod goes_back;
mod knowledge;
mod left;
mod link;
mod local;
mod names;
mod number;
mod operation;
mod outer;
mod portal;
mod program;
#[cfg(test)]
mod program_tests;
mod replies;
mod route;
pub mod settings;
mod stage;
mod statement;
mod step;
mod straight;
#[cfg(test)]
mod tests;
mod transaction;
mod travel;
mod undo;
mod unsettled;

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use router_core::id::ShardId;
use router_core::sql::readable::readable;
use router_core::sqlstate::SqlState;
use smallvec::SmallVec;

use self::client::{Script, Waiting};
use self::commit::Ground;
use self::cursor::Cursor;
use self::goes_back::Hidden;
use self::link::Link;
pub use self::link::Role;
use self::operation::Running;
pub use self::replies::Broken;
use self::replies::Tally;
pub(crate) use self::route::UNREAD;
pub use self::route::{Directives, Environment, PLAN_CACHE, Planning};
use self::route::{Routed, Shards};
use self::settings::SettingSet;
pub(crate) use self::stage::{Stage, Wanted};
use self::statement::ClientStatement;
use self::step::{Own, Step};
use self::straight::{Known, Road};
use self::transaction::Transaction;
use self::undo::Undo;
use self::unsettled::Unsettled;
use crate::catalog::Defining;
use crate::server::prepared::{Prepared, Reading};
use crate::server::state::{Parameters, ServerState};
use crate::wire::backend;
use crate::wire::buffer::Buffer;
use crate::wire::decoder::Decoder;
use crate::wire::encode::Report;
use crate::wire::frame::HEADER_LEN;

/// Longest body that is read as a whole: a query's text, the parameters that a shard depends on.
pub const ANALYSIS_LIMIT: usize = 1 << 20;

/// A queue longer than this takes no more until some of it has been sent.
pub const HIGH_WATER: usize = 64 << 10;

/// Most replies that a client may be owed; it is read again when there are fewer.
const MOST_STEPS: usize = 4096;

/// The connection to the client ends, after this has been said.
pub type Fatal = Box<Report>;

/// One client's session.
#[derive(Debug)]
pub struct Session {
    environment: Rc<Environment>,
    /// What waits to be sent to the client.
    client_out: Buffer,
    /// Where the client's stream stands.
    input: Decoder,
    links: Vec<Link>,
    /// The links that the front of the queue speaks with, in order of shards.
    group: SmallVec<[usize; 1]>,
    /// Which of the group is being read.
    turn: usize,
    steps: VecDeque<Step>,
    tally: Tally,
    /// Steps taken off the queue so far.
    popped: u64,
    /// What the session says after the server message under way.
    after: Vec<u8>,
    /// There is something of that kind, or an own message at the front of the queue.
    speak: bool,
    /// The client has been told of an error in the pipeline that is being answered.
    pipeline_failed: bool,
    /// An error struck in the pipeline: everything up to `Sync` is skipped.
    skipping: bool,
    /// Messages of the extended protocol since the last `Sync`.
    in_pipeline: bool,
    /// A server waits for the client's COPY data.
    copying: bool,
    /// The client said goodbye.
    terminated: bool,
    /// Status of the last `ReadyForQuery` that the client was sent.
    status: u8,
    /// What the client was told by `ParameterStatus`.
    parameters: Parameters,
    /// What of that it was told when it logged in.
    greeted: Parameters,
    initial: Arc<SettingSet>,
    wanted: Arc<SettingSet>,
    /// By what a text is read with those.
    reading: Arc<Reading>,
    /// A statement under way, or one of the transaction under way, changes settings, perhaps for that transaction only.
    sets: bool,
    /// One changes what sessions begin with.
    renews: bool,
    /// A statement under way begins a transaction.
    begins: bool,
    /// The statement by which another role than the one that has logged in is in force (sharded databases).
    acting: Option<Arc<str>>,
    /// Changes of settings in the transaction under way.
    uncommitted: Unsettled,
    /// The servers held know the settings better than the session does.
    settings_on_server: bool,
    directives: Directives,
    statements: HashMap<Box<[u8]>, Rc<ClientStatement>, foldhash::fast::RandomState>,
    unnamed: Option<Rc<ClientStatement>>,
    /// Where there is none: the only server has one whose text was too long to be read.
    unnamed_unread: bool,
    /// The last `Parse`, while no server has been asked about it and the client has no answer (sharded databases).
    unanswered: Option<Rc<ClientStatement>>,
    /// There has been one with numbers of the proxy's own among its parameters: each `Bind` is read whole.
    numbers: bool,
    portals: Vec<(Box<[u8]>, bind::Portal)>,
    undo: Vec<Undo>,
    transaction: Transaction,
    script: Option<Box<Script>>,
    /// The tag of a script's last statement, until its transaction is committed.
    withheld: Vec<u8>,
    /// Whether the commit at hand can begin.
    ground: Ground,
    /// Cursors, with the shards that have them.
    cursors: Vec<Cursor>,
    /// How many of them needed tables of their own.
    gathered_cursors: u32,
    /// What has some of the links for itself.
    operation: Option<Box<Running>>,
    /// The query at hand while its connections are waited for.
    waiting: Option<Waiting>,
    /// The message at hand waits: for connections, or for its turn.
    waits: bool,
    /// Why the connections that the message at hand waits for cannot be had.
    refusal: Option<Box<Report>>,
    /// The message at hand waits for the catalog to be read anew.
    asks_catalog: bool,
    /// What the statement at hand has asked of a server.
    outer: outer::Asked,
    /// What becomes of places in the text at hand that servers' errors name, and which step of the queue it is.
    positions: (u64, Positions),
    /// Which statements of a message are not the client's, and which step of the queue it is.
    hidden: (u64, Hidden),
    /// What was asked last.
    asked: Asked,
    /// A statement of the transaction under way may have changed the schema.
    schema_changed: bool,
    /// And the catalog has not been read since.
    schema_unseen: bool,
    /// And it did so on a shard that the client named.
    schema_directed: bool,
    /// It did so on the only server, where no plan of the router's depends on it; the number of the catalog before that.
    schema_unplanned: Option<u64>,
    /// It has made functions that leave nothing.
    schema_adds: bool,
    /// What is under way may end a transaction that has defined what statements of others may set off.
    defining: Option<Defining>,
    /// What is under way takes prepared statements away: the next message waits for the outcome.
    clears_statements: bool,
    /// A statement under way, or one of the transaction under way, has settings go back to what the session began with, which
    /// the session itself sees to: what comes behind it waits until that can be done.
    resets: bool,
    /// The client has temporary tables, or had.
    temporary: Option<Box<knowledge::Temporary>>,
    /// A connection went back to the pool with values that the client had drawn from sequences.
    drew_elsewhere: bool,
    /// Where the session is on the straight road.
    road: Road,
    /// By what it plans there.
    known: Option<Known>,
}

/// Where a server's error points to, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Positions {
    /// Its text is the client's.
    AsTheyAre,
    /// Its text stands behind so many characters of the client's.
    Behind(usize),
    /// Its text is another one.
    Lost,
}

/// What the client asked last, for the log of slow statements. Kept only while somebody wants it.
#[derive(Debug, Default)]
struct Asked {
    wanted: bool,
    /// Of a simple query, as far as it is kept.
    text: Vec<u8>,
    /// Of the extended protocol.
    prepared: Option<Arc<Prepared>>,
}

/// As much of a text is kept for the log.
const LONGEST_ASKED: usize = 8 << 10;

/// A connection that the session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// Where to put it.
    pub slot: usize,
    /// Of which shard.
    pub shard: ShardId,
    /// Of which servers.
    pub role: Role,
}

/// What becomes of a connection that the session gives up.
#[derive(Debug)]
pub struct Released {
    /// Where it was; later slots move down by one.
    pub slot: usize,
    /// What is known about it.
    pub server: Box<ServerState>,
    /// It may be used again at once; otherwise it is cleaned or closed.
    pub clean: bool,
}

impl Session {
    /// A client that has just logged in, with the settings of its startup packet and what it was told about the server.
    pub fn new(
        environment: Rc<Environment>,
        initial: Arc<SettingSet>,
        parameters: Parameters,
    ) -> Self {
        Self {
            client_out: Buffer::new(&environment.stock),
            input: Decoder::default(),
            links: Vec::new(),
            group: SmallVec::new(),
            turn: 0,
            steps: VecDeque::new(),
            tally: Tally::default(),
            popped: 0,
            after: Vec::new(),
            speak: false,
            pipeline_failed: false,
            skipping: false,
            in_pipeline: false,
            copying: false,
            terminated: false,
            status: b'I',
            greeted: parameters.clone(),
            parameters,
            reading: Arc::new(Reading::of(&initial)),
            sets: false,
            renews: false,
            begins: false,
            wanted: Arc::clone(&initial),
            acting: None,
            initial,
            uncommitted: Unsettled::default(),
            settings_on_server: false,
            directives: Directives::default(),
            statements: HashMap::default(),
            unnamed: None,
            unnamed_unread: false,
            unanswered: None,
            numbers: false,
            portals: Vec::new(),
            undo: Vec::new(),
            transaction: Transaction::default(),
            script: None,
            withheld: Vec::new(),
            ground: Ground::Ready,
            cursors: Vec::new(),
            gathered_cursors: 0,
            operation: None,
            waiting: None,
            waits: false,
            refusal: None,
            asks_catalog: false,
            outer: outer::Asked::default(),
            positions: (0, Positions::AsTheyAre),
            hidden: (0, Hidden::new()),
            asked: Asked::default(),
            schema_changed: false,
            schema_unseen: false,
            schema_directed: false,
            schema_unplanned: None,
            schema_adds: false,
            defining: None,
            clears_statements: false,
            resets: false,
            temporary: None,
            drew_elsewhere: false,
            road: Road::Ordinary,
            known: None,
            environment,
        }
    }

    /// The settings of the startup packet.
    pub fn initial(&self) -> &Arc<SettingSet> {
        &self.initial
    }

    /// What waits to be sent to the client.
    pub fn client_out(&mut self) -> &mut Buffer {
        &mut self.client_out
    }

    /// What waits to be sent to the server of a slot.
    pub fn server_out(&mut self, slot: usize) -> &mut Buffer {
        &mut self.links[slot].out
    }

    /// Number of connections held or waited for.
    pub fn slots(&self) -> usize {
        self.links.len()
    }

    /// Whether the client said goodbye.
    pub fn is_terminated(&self) -> bool {
        self.terminated
    }

    /// Whether it said goodbye and nothing is left to do: what was asked for in full has ended, as PostgreSQL ends it
    /// before it reads the goodbye.
    pub fn is_over(&self) -> bool {
        self.terminated && (!self.is_busy() || self.awaits_client())
    }

    /// Whether only more of the client's bytes can move on what is under way.
    pub fn awaits_client(&self) -> bool {
        if self.waits || self.poll_want().is_some() {
            return false;
        }
        match &self.operation {
            Some(running) => running.operation.takes_client() && self.takes_input(),
            None => self.in_pipeline || self.copying,
        }
    }

    /// Whether what is asked is kept, so that [`Session::asked`] can show it.
    pub fn keep_asked(&mut self, wanted: bool) {
        self.asked = Asked {
            wanted,
            ..Asked::default()
        };
    }

    /// The shape of what was asked last; empty where nobody has read it.
    pub fn asked(&self) -> String {
        let text = match &self.asked.prepared {
            Some(prepared) => &prepared.text[..],
            None => &self.asked.text,
        };
        let text = &text[..text.len().min(LONGEST_ASKED)];
        let options = router_core::sql::lexer::Options {
            standard_conforming_strings: self.standard_strings(),
        };
        // What is cut off within a character is cut off before it.
        let valid = match str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => str::from_utf8(&text[..error.valid_up_to()]).unwrap_or(""),
        };
        readable(valid, options)
    }

    fn note_asked(&mut self, text: &[u8]) {
        if self.asked.wanted {
            self.asked.prepared = None;
            self.asked.text.clear();
            let kept = text.len().min(LONGEST_ASKED);
            self.asked.text.extend_from_slice(&text[..kept]);
        }
    }

    fn note_bound(&mut self, prepared: &Arc<Prepared>) {
        if self.asked.wanted {
            self.asked.prepared = Some(Arc::clone(prepared));
        }
    }

    /// Whether nothing is under way: no reply owed, no transaction open, no message half read.
    pub fn is_idle(&self) -> bool {
        self.steps.is_empty()
            && !self.in_pipeline
            && !self.waits
            && !self.input.is_inside()
            && self.script.is_none()
            && self.operation.is_none()
            && self.poll_ground().is_none()
            && self.status == b'I'
            && !self.transaction.is_open()
            && self.links.iter().all(|link| link.prelude == 0)
    }

    /// Whether only its servers, the client or a connection that it waits for can move it on: everything else that it
    /// has been told is carried out, and everything that it has to say to a server is said.
    pub fn is_settled(&self) -> bool {
        if let Some(settled) = self.is_straight_settled() {
            return settled;
        }
        self.waits == self.poll_want().is_some()
            && !self.speak
            && !self.clears_statements
            && self.script.is_none()
            && self.operation.is_none()
            && !self.asks_catalog
            && self.refusal.is_none()
            && self.poll_ground().is_none()
            && self.links.iter().all(|link| link.out.is_empty())
    }

    /// Whether the end of a statement that may have changed the schema is waited for, and with it of a transaction that it
    /// had for itself.
    fn awaits_schema(&self) -> bool {
        self.changes_definitions()
            && !self.in_pipeline
            && !self.waits
            && self.is_busy()
            && !self.copying
            && !self.transaction.is_open()
    }

    fn changes_definitions(&self) -> bool {
        let temporary = |it: &knowledge::Temporary| it.changes;
        self.schema_changed || self.temporary.as_deref().is_some_and(temporary)
    }

    fn schema_is_settled(&self) -> bool {
        !self.is_busy() && !self.in_pipeline && !self.transaction.is_open() && self.status == b'I'
    }

    /// Has the catalog read anew by whoever needs it, once a transaction has ended that may have changed the schema.
    pub fn poll_schema_change(&mut self) {
        let changes = self.changes_definitions();
        if !changes || !self.schema_is_settled() {
            return;
        }
        if let Some(temporary) = &mut self.temporary {
            temporary.end(self.schema_changed);
        }
        if std::mem::take(&mut self.schema_changed) {
            self.schema_unseen = false;
            self.schema_directed = false;
            self.environment.catalog.handle_change();
            if let Some(defining) = self.defining.take() {
                defining.end();
            }
            if std::mem::take(&mut self.renews) {
                self.environment.catalog.handle_new_settings();
            }
        }
    }

    /// Whether the next message is one that is planned; one that has waited for its connections or its turn is so again.
    pub fn is_about_to_plan(&self, input: &Buffer) -> bool {
        (!self.waits || self.poll_want().is_none())
            && !self.skipping
            && self.script.is_none()
            && self.operation.is_none()
            && !self.input.is_inside()
            && matches!(input.bytes().first(), Some(b'Q' | b'P' | b'B'))
            && (self.environment.is_sharded()
                || !self.environment.catalog.was_read()
                || !left::defines(input.bytes()))
    }

    /// The next message cannot be planned; unless the catalog would only have told that it leaves less than it might.
    pub fn handle_unplannable(&mut self, report: Report) {
        self.leave_straight_road();
        let asked = std::mem::take(&mut self.asks_catalog);
        if self.environment.is_sharded() || !asked {
            self.refusal = Some(Box::new(report));
        }
    }

    /// Whether a reply is owed.
    pub fn is_busy(&self) -> bool {
        !self.steps.is_empty() || self.script.is_some() || self.operation.is_some()
    }

    /// A number that changes whenever something that the client has asked for is done.
    pub fn answered(&self) -> u64 {
        self.popped
    }

    /// Whether a transaction is open and nothing runs in it.
    pub fn is_idle_in_transaction(&self) -> bool {
        !self.is_busy()
            && (self.status != b'I'
                || self.in_pipeline && self.links.iter().any(|link| link.touched))
    }

    /// Whether a server waits for what only the client can send: data of a COPY, the rest of a message.
    pub fn server_awaits_client(&self) -> bool {
        let operation = self.operation.as_deref();
        self.copying || self.input.is_forwarding() || operation.is_some_and(Running::takes_client)
    }

    /// Whether an own message may be put into the client's stream now.
    pub fn is_at_border(&self) -> bool {
        !self.links.iter().any(|link| link.input.is_forwarding())
    }

    /// The pinned connections' reasons, or-ed.
    pub fn pinned(&self) -> u16 {
        self.links.iter().fold(0, |bits, link| bits | link.pinned)
    }

    /// Statements that the client has prepared.
    pub fn prepared_statements(&self) -> usize {
        self.statements.len()
    }

    /// What the client was told by `ParameterStatus`.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What is known about the connection of a slot, with its shard; `None` while it is waited for.
    pub fn server(&self, slot: usize) -> Option<(ShardId, &ServerState)> {
        let link = self.links.get(slot)?;
        Some((link.shard, link.server.as_deref()?))
    }

    /// Other settings are in force. Only between transactions, without connections; whether it could be done.
    pub fn handle_environment(&mut self, environment: Rc<Environment>) -> bool {
        let free = self.links.is_empty() && self.is_idle();
        if free {
            self.leave_straight_road();
            let moved = self.environment.topology.epoch != environment.topology.epoch;
            self.environment = environment;
            if moved {
                self.portals.clear();
                self.plan_again();
            }
        }
        free
    }

    /// A connection that the session waits for.
    pub fn poll_want(&self) -> Option<Want> {
        self.wants().next()
    }

    /// All connections that the session waits for.
    pub fn wants(&self) -> impl Iterator<Item = Want> + '_ {
        self.links
            .iter()
            .enumerate()
            .filter(|(_, link)| link.server.is_none())
            .map(|(slot, link)| Want {
                slot,
                shard: link.shard,
                role: link.role,
            })
    }

    /// Whether a slot has its connection.
    pub fn has_server(&self, slot: usize) -> bool {
        self.links[slot].server.is_some()
    }

    /// Whether a connection is still being prepared for what the client has asked: a cancel request would hit that instead.
    pub fn is_preparing(&self) -> bool {
        self.links.iter().any(|link| link.prelude > 0)
    }

    /// The connections held, for cancel requests: those that work on something.
    pub fn working(&self) -> impl Iterator<Item = (usize, &ServerState)> {
        self.links.iter().enumerate().filter_map(|(slot, link)| {
            let serves = |running: &Running| running.works_on(slot);
            let busy = !self.steps.is_empty() && self.group.contains(&slot)
                || self.operation.as_deref().is_some_and(serves);
            link.server.as_deref().filter(|_| busy).map(|s| (slot, s))
        })
    }

    /// Wants a connection for the client alone before it has asked for anything; its slot.
    pub fn want_home(&mut self) -> usize {
        self.leave_straight_road();
        self.add_link(ShardId(0), Role::Primary)
    }

    /// A connection that was waited for.
    pub fn handle_acquired(&mut self, slot: usize, server: Box<ServerState>) {
        self.links[slot].server = Some(server);
        self.prepare_link(slot);
    }

    /// A connection that was waited for cannot be had.
    pub fn handle_not_acquired(&mut self, slot: usize, report: &Report) {
        self.leave_straight_road();
        self.remove_link(slot);
        // The others that were waited for with it are of no use now.
        while let Some(want) = self.poll_want() {
            self.remove_link(want.slot);
        }
        self.waiting = None;
        self.refusal = Some(Box::new(report.clone()));
    }

    /// Puts settings and transaction in place on a link that has nothing under way.
    fn prepare_link(&mut self, slot: usize) {
        let link = &self.links[slot];
        let Some(server) = link.server.as_ref() else {
            return;
        };
        if server.status == b'I'
            && link.prelude == 0
            && !self.settings_on_server
            && !Arc::ptr_eq(&server.settings, &self.wanted)
            && self.may_ask(slot)
        {
            let messages = server.settings.messages(&self.wanted);
            if let Some(server) = self.links[slot].server.as_mut() {
                server.settings = Arc::clone(&self.wanted);
            }
            for message in &messages {
                self.ask(slot, message);
            }
        }
        self.act(slot);
        if self.transaction.is_open() && !self.links[slot].joined && !self.links[slot].apart {
            let link = &mut self.links[slot];
            link.joined = true;
            if !link.touched {
                link.traces = Default::default();
            }
            let fills = self.transaction.fills == Some(link.shard);
            let fills = fills.then(|| self.transaction.opening_to_fill()).flatten();
            link.fills = fills.is_some();
            let opening = fills.unwrap_or_else(|| self.transaction.opening());
            self.ask(slot, &opening);
        }
    }

    /// Points the session at the links that `routed` needs; `false` when some are still waited for.
    fn ensure(&mut self, routed: &Routed) -> bool {
        if self.resets && !self.in_pipeline && !self.steps.is_empty() {
            return false;
        }
        if !self.environment.is_sharded() {
            if self.schema_changed && self.defining.is_none() {
                self.defining = Some(Defining::begin(&self.environment.catalog));
            }
            if self.links.is_empty() {
                let role = if routed.begins_read_only
                    || routed.role == Role::Replica && self.reads_replicas()
                {
                    Role::Replica
                } else {
                    Role::Primary
                };
                let shard = match &routed.shards {
                    Shards::These(shards) => shards[0],
                    Shards::Any => ShardId(0),
                };
                self.add_link(shard, role);
            }
            self.group.clear();
            self.group.push(0);
        } else {
            let any;
            let shards = match &routed.shards {
                Shards::These(shards) => &shards[..],
                Shards::Any => {
                    any = [self.shard_for_any()];
                    &any
                }
            };
            let role = self.role_of(routed);
            self.group.clear();
            for &shard in shards {
                let role = self.role_at(shard, role);
                let held = |link: &Link| link.shard == shard && link.serves(role);
                let held = self.links.iter().position(held);
                let slot = match held {
                    Some(slot) => slot,
                    None => self.add_link(shard, role),
                };
                self.group.push(slot);
            }
        }
        self.turn = 0;
        if self
            .group
            .iter()
            .any(|&slot| self.links[slot].server.is_none())
        {
            return false;
        }
        for i in 0..self.group.len() {
            self.prepare_link(self.group[i]);
            self.leave(self.group[i], routed.leaves);
        }
        true
    }

    /// Which servers of their shards a statement goes to (sharded databases).
    fn role_of(&self, routed: &Routed) -> Role {
        if routed.role == Role::Replica && self.reads_replicas() {
            Role::Replica
        } else {
            Role::Primary
        }
    }

    /// Which server of a shard that is: a shard without replicas has but one, which a session must not wait for while it
    /// has it.
    fn role_at(&self, shard: ShardId, role: Role) -> Role {
        let shard = self.environment.topology.shards.get(shard.index());
        match shard.is_some_and(|shard| shard.has_replicas) {
            true => role,
            false => Role::Primary,
        }
    }

    fn shard_for_any(&self) -> ShardId {
        if let ([slot], false) = (&self.group[..], self.steps.is_empty()) {
            return self.links[*slot].shard;
        }
        let joined = self.links.iter().find(|link| link.joined);
        joined
            .or_else(|| self.links.iter().find(|link| !link.apart))
            .map_or_else(|| self.environment.any_shard(), |link| link.shard)
    }

    fn reads_replicas(&self) -> bool {
        if self.transaction.is_open() {
            return self.transaction.is_read_only();
        }
        self.directives.replica
    }

    fn add_link(&mut self, shard: ShardId, role: Role) -> usize {
        self.links.reserve_exact(1);
        self.links
            .push(Link::new(shard, role, &self.environment.stock));
        self.links.len() - 1
    }

    fn remove_link(&mut self, slot: usize) -> Link {
        let link = self.links.remove(slot);
        self.group.clear();
        self.turn = 0;
        link
    }

    /// A connection that the session no longer needs, if there is one.
    pub fn poll_release(&mut self) -> Option<Released> {
        if !matches!(self.road, Road::Ordinary) {
            return self.release_straight();
        }
        if self.steps.is_empty() {
            self.come_to_rest();
        }
        if self.links.is_empty() {
            return None;
        }
        if let Some(slot) = self.idle_apart() {
            return self.release(slot);
        }
        if self.environment.is_transparent() || self.settings_on_server {
            return None;
        }
        let slot = match self.is_idle() {
            true => self.links.iter().position(Link::is_free)?,
            false => self.free_while_waiting()?,
        };
        self.release(slot)
    }

    /// A connection that is in no transaction and that the statement which waits for another has no use for, or that comes
    /// behind what it waits for in the order in which all clients take connections. Whoever kept it might wait for somebody
    /// who keeps what he waits for.
    fn free_while_waiting(&self) -> Option<usize> {
        let waits = self.waits
            && self.poll_want().is_some()
            && self.steps.is_empty()
            && self.script.is_none()
            && self.operation.is_none();
        if !waits {
            return None;
        }
        let place = |link: &Link| (link.apart, link.shard);
        let first = self.links.iter().filter(|link| link.server.is_none());
        let first = first.map(place).min();
        self.links.iter().enumerate().position(|(slot, link)| {
            let ahead = first.is_some_and(|first| first < place(link));
            (ahead || !self.group.contains(&slot))
                && link.is_free()
                && !link.touched
                && !link.joined
                && link.prelude == 0
                && link.parsing.is_empty()
                && !link.input.is_inside()
        })
    }

    fn release(&mut self, slot: usize) -> Option<Released> {
        let link = self.remove_link(slot);
        let mut server = link.server?;
        if link.drew {
            server.sequences = true;
            self.drew_elsewhere |= !link.apart;
        }
        server.dirty |= link.acting.is_some() || self.environment.catalog.is_unsettled();
        server.doubtful |= link.outlasting;
        Some(Released {
            slot,
            clean: !server.dirty && !server.doubtful && !link.input.is_inside(),
            server,
        })
    }

    /// Whether the client's bytes that are left end with its goodbye.
    pub fn says_goodbye(&self, input: &[u8]) -> bool {
        self.input
            .ends_with(crate::wire::frontend::TERMINATE, input)
    }

    /// The client is gone: every connection is given up, in whatever state it is.
    pub fn give_up(&mut self) -> Option<Released> {
        self.leave_straight_road();
        let link = self.links.pop()?;
        let slot = self.links.len();
        let Some(mut server) = link.server else {
            return self.give_up();
        };
        // A server that has got half a message takes whatever comes next for the other half.
        let settled = link.prelude == 0
            && !self.input.is_forwarding()
            && link.out.is_empty()
            && !link.input.is_inside()
            && !link.touched
            && (self.steps.is_empty() || !self.group.contains(&slot))
            && self.part_of(slot).is_none();
        // Nobody knows what a session did that nobody read; much of it DISCARD ALL leaves behind:
        // loaded libraries, an empty temporary schema, statistics.
        if !settled || link.outlasting || self.environment.is_transparent() {
            server.doubtful = true;
        }
        let keeps = link.pinned != 0
            || link.acting.is_some()
            || self.settings_on_server
            || self.environment.catalog.is_unsettled();
        server.dirty |= keeps || server.status != b'I';
        Some(Released {
            slot,
            clean: !server.dirty && !server.doubtful,
            server,
        })
    }

    /// Puts a reply at the end of the queue; own ones go out at once when nothing is before them.
    fn owe(&mut self, step: Step) {
        self.steps.push_back(step);
        if self.steps.len() == 1 {
            if self.is_at_border() {
                self.flush_own();
            } else {
                self.speak = true;
            }
        }
    }

    /// Says the session's own messages that stand at the front of the queue.
    fn flush_own(&mut self) {
        while let Some(Step::Own(_) | Step::CopyEnd) = self.steps.front() {
            self.popped += 1;
            let Some(Step::Own(own)) = self.steps.pop_front() else {
                continue;
            };
            match own {
                Own::Empty(tag) => self.client_out.frame(tag, &[]),
                Own::Bytes(bytes) => {
                    self.count_refusal(&bytes);
                    self.client_out.push(&bytes);
                }
                Own::Failure(bytes) => {
                    self.count_refusal(&bytes);
                    self.client_out.push(&bytes);
                    self.pipeline_failed = true;
                    self.transaction.fail();
                }
                Own::Ready => {
                    self.pipeline_failed = false;
                    self.status = self.own_status();
                    self.count_query(self.status);
                    self.client_out.frame(b'Z', &[&[self.status]]);
                    self.forget_undo();
                }
            }
        }
    }

    /// Counts an error that the session itself raises.
    fn count_refusal(&self, message: &[u8]) {
        if message.first() == Some(&b'E')
            && let Some(state) = message
                .get(HEADER_LEN..)
                .and_then(|body| backend::error_field(body, b'C'))
                .and_then(|state| <[u8; 5]>::try_from(state).ok())
        {
            self.environment.stats.database.refused(SqlState(state));
        }
    }

    /// Counts a query that the client is told the end of.
    fn count_query(&self, status: u8) {
        let counts = &self.environment.stats.database.counts;
        counts.queries.add(1);
        if status == b'I' {
            counts.transactions.add(1);
        }
    }

    /// The transaction status as the session knows it.
    fn own_status(&self) -> u8 {
        if let Some(status) = self.transaction.status() {
            return status;
        }
        if self.environment.is_sharded() {
            return b'I';
        }
        self.links.first().map_or(b'I', Link::status)
    }

    /// Whether servers read these bytes of the client as other characters than the router does, which would then look for
    /// a key's home by the wrong text. ASCII is the same in every encoding that a client may have.
    fn reads_otherwise(&self, bytes: &[u8]) -> bool {
        self.environment.is_sharded()
            && !bytes.is_ascii()
            && self
                .parameters
                .get("client_encoding")
                .is_some_and(|encoding| !router_core::plan::copy_in::is_utf8(encoding))
    }

    /// A setting's value as far as the session knows it.
    fn standard_strings(&self) -> bool {
        self.parameters.get("standard_conforming_strings") != Some("off")
    }

    fn bytes_of(report: &Report) -> Vec<u8> {
        let mut bytes = bytes::BytesMut::new();
        report.encode(&mut bytes);
        bytes.to_vec()
    }
}

/// A protocol violation: the connection ends, as PostgreSQL ends it.
fn violation(message: String) -> Fatal {
    Box::new(Report::fatal(SqlState::new("08P01"), message))
}
