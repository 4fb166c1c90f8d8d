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
//! | `client` | messages of the client |
//! | `query`, `script` | simple queries: of statements that go together, and one by one |
//! | `own_answers` | what the session itself says to the client, and what an error of its own ends |
//! | `asked` | what the client asked for last, for the log |
//! | `standing` | what a driver asks about the session: idle, busy, over |
//! | `connections` | which connections it wants, takes, keeps and gives back |
//! | `definitions` | when a change of definitions is over |
//! | `directives` | what the client has said about routing |
//! | `extended` | messages of the client, extended protocol |
//! | `goes_back` | `RESET` and `DEALLOCATE`, which mean something else to a server |
//! | `rewritten` | messages that are sent in other words, until they are answered |
//! | `constants` | by what settings constants of prepared statements are read, over shards |
//! | `statement`, `planned` | prepared statements of the client, and their plans |
//! | `parse` | `Parse` |
//! | `bind`, `describe`, `execute` | those messages; `execute` has `Close`, too |
//! | `portals` | the portals of the client |
//! | `kept` | its named ones, and how much of them there may be |
//! | `knowledge` | what statements are planned by: the shared catalog, or the transaction's own |
//! | `travel` | whether values come through from one server to another |
//! | `unsettled` | settings that the transaction under way has changed |
//! | `undo` | what a pipeline changes, until it is known whether it succeeded |
//! | `replies` | messages of servers |
//! | `errors` | errors of servers, in the client's places and words |
//! | `noted` | what a statement that is done has changed |
//! | `lost` | a server connection that ends |
//! | `route` | from a plan to the connections it needs |
//! | `operation`, `stage` | an operation over several connections ([`crate::exec`]) as the session hosts it |
//! | `names` | what SQL and the protocol prepare, under one name each |
//! | `let_go` | the locks of a transaction over shards that has failed |
//! | `number` | `shunt.next_id()` |
//! | `outer` | `PREPARE`, `EXECUTE` and `EXPLAIN` over shards |
//! | `in_steps` | portals of such statements |
//! | `program` | statements in steps, as the session starts them |
//! | `commit` | the end of transactions over several shards, and those that statements need |
//! | `transaction` | transactions over the shards of a sharded database |
//! | `acting` | whose rights the session has, over shards |
//! | `own_plans` | which plans the session carries out itself, and how they are described |
//! | `local` | statements that the session answers itself |
//! | `ends` | of these, those that begin and end transactions over shards |
//! | `writing` | whether a statement may write where it goes, and what is remembered of it |
//! | [`settings`] | settings that move with the session from server to server |

mod acting;
mod asked;
mod bind;
mod client;
mod commit;
mod connections;
mod constants;
mod cursor;
mod definitions;
mod describe;
pub(crate) mod directives;
mod ends;
mod errors;
mod execute;
mod extended;
mod goes_back;
mod in_steps;
mod kept;
mod knowledge;
mod left;
mod let_go;
mod link;
mod local;
mod lost;
mod names;
mod noted;
mod number;
mod operation;
mod outer;
mod own_answers;
mod own_plans;
mod parse;
mod planned;
mod portals;
mod program;
#[cfg(test)]
mod program_tests;
mod query;
mod replies;
mod rewritten;
mod route;
mod script;
pub mod settings;
mod stage;
mod standby;
mod standing;
mod statement;
mod step;
mod straight;
#[cfg(test)]
mod tests;
mod transaction;
mod travel;
mod undo;
mod unsettled;
mod writing;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use router_core::plan::Touches;
use router_core::sqlstate::SqlState;
use smallvec::SmallVec;

use self::asked::Asked;
use self::client::Waiting;
use self::commit::Ground;
pub use self::connections::{Released, Want};
use self::cursor::Cursor;
pub use self::directives::Directives;
use self::kept::Kept;
use self::link::Link;
pub use self::link::Role;
use self::operation::Running;
pub use self::replies::Broken;
use self::replies::Tally;
use self::rewritten::Rewritten;
pub(crate) use self::route::UNREAD;
pub use self::route::{Environment, PLAN_CACHE, Planning};
use self::script::Script;
use self::settings::SettingSet;
pub(crate) use self::stage::{Stage, Wanted};
use self::statement::ClientStatement;
use self::step::{Own, Step};
pub use self::straight::Straight;
use self::straight::{Known, Road};
use self::transaction::Transaction;
use self::undo::Undo;
use self::unsettled::Unsettled;
use crate::catalog::Defining;
use crate::server::prepared::Reading;
use crate::server::state::Parameters;
use crate::wire::backend;
use crate::wire::buffer::Buffer;
use crate::wire::decoder::Decoder;
use crate::wire::encode::Report;
use crate::wire::frame::HEADER_LEN;

/// Longest text that is read as a whole where there is one server; a longer one passes through unread.
pub const ANALYSIS_LIMIT: usize = 1 << 20;

/// Longest text that is read as a whole for shards, which cannot do without. What is made of it is bounded by its tokens.
pub const TEXT_LIMIT: usize = router_core::sql::parse::MAX_BYTES;

/// Longest message of values that is kept as a whole: a `Bind` whose parameters a shard depends on, a row.
pub const VALUES_LIMIT: usize = 256 << 20;

/// A queue longer than this takes no more until some of it has been sent.
pub const HIGH_WATER: usize = 64 << 10;

/// Most replies that a client may be owed; it is read again when there are fewer.
const MOST_STEPS: usize = 4096;

/// The connection to the client ends, after this has been said.
pub type Fatal = Box<Report>;

/// One client's session.
#[derive(Debug)]
pub struct Session {
    /// What the client knows itself by, where that is no server's process.
    process: Option<i32>,
    environment: Rc<Environment>,
    /// How many messages of the client it takes before it is told that it may go on.
    allowance: u32,
    /// What waits to be sent to the client.
    client_out: Buffer,
    /// Where the client's stream stands.
    input: Decoder,
    #[allow(
        clippy::vec_box,
        reason = "one that is gone makes room for the next without being made anew"
    )]
    links: Vec<Box<Link>>,
    /// One that is gone, for the next one: as if it had just been made, but for the room that it has.
    spare: Option<Box<Link>>,
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
    /// What the client was told of that role's rights.
    acting_rights: Option<String>,
    /// Changes of settings in the transaction under way.
    uncommitted: Unsettled,
    /// The servers held know the settings better than the session does.
    settings_on_server: bool,
    /// They have gone back to their own meanwhile (`RESET ALL`): what the session began with is to be put in place there.
    begins_anew: bool,
    directives: Directives,
    /// What it began with.
    initial_directives: Directives,
    statements: Kept,
    /// Names under which servers were told to prepare what the session does not keep.
    gone_as_is: Vec<Box<[u8]>>,
    unnamed: Option<Rc<ClientStatement>>,
    /// Where there is none: the only server has one whose text was too long to be read.
    unnamed_unread: bool,
    /// The last `Parse`, while no server has been asked about it and the client has no answer (sharded databases).
    unanswered: Option<Rc<ClientStatement>>,
    /// There has been one with numbers of the proxy's own among its parameters: each `Bind` is read whole.
    numbers: bool,
    portals: Vec<(Box<[u8]>, portals::Portal)>,
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
    /// What the last `EXECUTE` was of: another name may be that of the same text.
    executed: Option<Rc<ClientStatement>>,
    /// Messages that servers got in other words than the client's, in the order of their steps.
    rewritten: VecDeque<Rewritten>,
    /// What was asked last.
    asked: Asked,
    /// A statement of the transaction under way may have changed the schema.
    schema_changed: bool,
    /// What of the catalog it may have changed.
    schema_touches: Touches,
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
    /// What is under way gives way to others who wait for it: as long as [`Session::answered`] is no more than this.
    gives_way: Option<u64>,
    /// How its transaction began on a replica, which goes on on the primary.
    goes_on: Option<Box<str>>,
    /// Where the session is on the straight road.
    road: Road,
    /// By what it plans there.
    known: Option<Known>,
}

impl Session {
    /// A client that has just logged in, with the settings of its startup packet and what it was told about the server.
    pub fn new(
        environment: Rc<Environment>,
        initial: Arc<SettingSet>,
        parameters: Parameters,
    ) -> Self {
        Self {
            allowance: u32::MAX,
            process: None,
            client_out: Buffer::new(&environment.stock),
            input: Decoder::default(),
            links: Vec::new(),
            spare: None,
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
            acting_rights: None,
            initial,
            uncommitted: Unsettled::default(),
            settings_on_server: false,
            begins_anew: false,
            directives: Directives::default(),
            initial_directives: Directives::default(),
            statements: Kept::default(),
            gone_as_is: Vec::new(),
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
            executed: None,
            rewritten: VecDeque::new(),
            asked: Asked::default(),
            schema_changed: false,
            schema_touches: Touches::Nothing,
            schema_unseen: false,
            schema_directed: false,
            schema_unplanned: None,
            schema_adds: false,
            defining: None,
            clears_statements: false,
            resets: false,
            temporary: None,
            drew_elsewhere: false,
            gives_way: None,
            goes_on: None,
            road: Road::Ordinary,
            known: None,
            environment,
        }
    }

    /// For a client that knows itself by this process id, which is none of a server's.
    pub fn known_as(mut self, process: i32) -> Self {
        self.process = Some(process);
        self
    }

    /// The same, where the startup packet says something about routing.
    pub fn directed(mut self, directives: Directives) -> Self {
        self.initial_directives = directives.clone();
        self.directives = directives;
        self
    }

    /// It takes so many messages of the client from now on, and then no more.
    pub fn allow(&mut self, messages: u32) {
        self.allowance = messages;
    }

    /// Whether it has taken as many as it was allowed.
    pub fn is_spent(&self) -> bool {
        self.allowance == 0
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
        self.links.first().map_or(b'I', |link| link.status())
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
