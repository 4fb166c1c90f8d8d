//! Both roads lead to the same place: conversations made at random, carried on by one session that may take the straight
//! road and by one that may not. After each word all that they have said and all that they are is the same.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use proptest::prelude::*;
use router_core::id::{Epoch, ShardId};
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, ShardSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::topology::{Shard, Topology};
use router_core::value::KeyType;

use super::super::{Environment, Parameters, Session};
use super::Road;
use crate::catalog::SharedCatalog;
use crate::server::state::ServerState;
use crate::settings::PoolSettings;
use crate::wire::buffer::{Buffer, Stock};
use crate::wire::encode::Report;
use crate::wire::frame::{HEADER_LEN, Header};

/// A client's word: messages that it sends together.
type Word = &'static [(u8, &'static [u8])];

const PARSE: (u8, &[u8]) = (b'P', b"\0select a from t where id = $1\0\0\x01\0\0\0\x14");
const BIND: (u8, &[u8]) = (b'B', b"\0\0\0\0\0\x01\0\0\0\x0242\0\0");
const BIND_BEGIN: (u8, &[u8]) = (b'B', b"\0b\0\0\0\0\0\0\0");
const BIND_COMMIT: (u8, &[u8]) = (b'B', b"\0c\0\0\0\0\0\0\0");
const BIND_S: (u8, &[u8]) = (b'B', b"\0s\0\0\0\0\x01\0\0\0\x017\0\0");
const PORTAL: (u8, &[u8]) = (b'D', b"P\0");
const RUN: (u8, &[u8]) = (b'E', b"\0\0\0\0\0");
const SYNC: (u8, &[u8]) = (b'S', b"");

/// Most are such as may take the straight road; the others leave something behind, or come amid something.
const WORDS: &[Word] = &[
    &[(b'Q', b"select a from t where id = 1\0")],
    &[(b'Q', b"select a from t where id = 2;\0")],
    &[(b'Q', b"select a from t where id = 3 and b = 'x'\0")],
    &[(b'Q', b"insert into t (id, a) values (4, 5)\0")],
    &[(b'Q', b"update t set a = 1 where id = 6\0")],
    &[(b'Q', b"update t set a = 1 where id = 1\0")],
    &[(b'Q', b"update t set a = 1 where id = 1\0")],
    &[(b'Q', b"update t set a = now() where id = 1\0")],
    &[(b'Q', b"select a from t where id = 1 and b < now()\0")],
    &[(b'Q', b"select 1\0")],
    &[(b'Q', b"select a, 'fails' from t where id = 1\0")],
    &[(b'Q', b"select a, 'speaks' from t where id = 1\0")],
    &[(b'Q', b"select a from t\0")],
    &[
        (b'Q', b"select a from t where id = 1\0"),
        (b'Q', b"select 1\0"),
    ],
    &[(b'Q', b"begin\0")],
    &[(b'Q', b"begin\0")],
    &[(b'Q', b"begin isolation level serializable\0")],
    &[(b'Q', b"savepoint x\0")],
    &[(b'Q', b"BEGIN READ ONLY;\0")],
    &[(b'Q', b"commit\0")],
    &[(b'Q', b"commit\0")],
    &[(b'Q', b"COMMIT AND CHAIN\0")],
    &[(b'Q', b"rollback\0")],
    &[
        (b'P', b"b\0begin\0\0\0"),
        BIND_BEGIN,
        RUN,
        (b'P', b"c\0commit\0\0\0"),
        BIND_COMMIT,
        RUN,
        SYNC,
    ],
    &[BIND_BEGIN, PORTAL, RUN, SYNC],
    &[BIND_BEGIN, RUN, SYNC],
    &[BIND_COMMIT, RUN, SYNC],
    &[BIND_COMMIT, RUN, SYNC],
    &[(b'Q', b"set work_mem = '1MB'\0")],
    &[(b'Q', b"reset all\0")],
    &[(b'Q', b"set shunt.route = 'replica'\0")],
    &[(b'Q', b"create table u (a int)\0")],
    &[(b'Q', b"select nextval('s')\0")],
    &[(b'Q', b"select 1; select 2\0")],
    &[(b'Q', b"\0")],
    &[PARSE, BIND, PORTAL, RUN, SYNC],
    &[PARSE, BIND, RUN, SYNC],
    &[PARSE, BIND, PORTAL, RUN, SYNC],
    &[PARSE, SYNC],
    &[BIND, RUN, SYNC],
    &[PARSE, BIND, RUN, BIND, RUN, SYNC],
    &[PARSE, BIND],
    &[
        (b'P', b"\0select 1, 'fails'\0\0\0"),
        (b'B', b"\0\0\0\0\0\0\0\0"),
        RUN,
        SYNC,
    ],
    &[(b'P', b"s\0select a from t where id = $1\0\0\0"), SYNC],
    &[
        (b'P', b"s\0select a from t where id = $1\0\0\0"),
        BIND_S,
        PORTAL,
        RUN,
        SYNC,
    ],
    &[BIND_S, PORTAL, RUN, SYNC],
    &[BIND_S, RUN, SYNC],
    &[BIND_S, PORTAL, RUN, SYNC],
    // In binary; of a type that the statement does not declare; without its value; with another number of formats.
    &[
        (b'B', b"\0s\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x07\0\0"),
        RUN,
        SYNC,
    ],
    &[(b'B', b"\0s\0\0\0\0\x01\0\0\0\x027x\0\0"), RUN, SYNC],
    &[(b'B', b"\0s\0\0\0\0\x01\xff\xff\xff\xff\0\0"), RUN, SYNC],
    &[(b'B', b"\0s\0\0\0\0\0\0\0"), RUN, SYNC],
    &[
        (b'P', b"i\0select a from t where id = $1\0\0\x01\0\0\0\x17"),
        SYNC,
    ],
    &[
        (b'B', b"\0i\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x07\0\0"),
        RUN,
        SYNC,
    ],
    &[
        (b'B', b"\0i\0\0\x01\0\x01\0\x01\0\0\0\x04\0\0\0\x07\0\0"),
        RUN,
        SYNC,
    ],
    &[(b'C', b"Ss\0"), SYNC],
    &[BIND_S, (b'E', b"\0\0\0\0\x01"), SYNC],
    &[SYNC],
];

/// What else happens.
#[derive(Clone, Debug)]
enum Event {
    /// The client says something; `cut`: the first so many bytes ahead of the others.
    Says { word: usize, cut: usize },
    /// Connections are given to whoever waits, or refused.
    Connects { refused: bool },
    /// Servers answer, in pieces of this length.
    Answers { piece: usize },
    /// The client reads what it was sent.
    Reads,
    /// What is free goes back to the pool.
    Returns,
    /// A server goes away.
    Dies,
    /// All that comes of itself when nobody is slow.
    Settles,
}

fn event(words: impl Strategy<Value = usize>) -> impl Strategy<Value = Event> {
    let says = (words, prop_oneof![4 => Just(usize::MAX), 1 => 1..40usize]);
    prop_oneof![
        6 => says.prop_map(|(word, cut)| Event::Says { word, cut }),
        2 => prop_oneof![9 => Just(false), 1 => Just(true)].prop_map(|refused| Event::Connects { refused }),
        2 => prop_oneof![2 => Just(usize::MAX), 1 => 1..60usize].prop_map(|piece| Event::Answers { piece }),
        1 => Just(Event::Reads),
        2 => Just(Event::Returns),
        1 => Just(Event::Dies),
        8 => Just(Event::Settles),
    ]
}

/// A server as far as these conversations go: what it answers to what it is sent.
#[derive(Debug, Default)]
struct Server {
    said: Vec<u8>,
    in_transaction: bool,
    failed: bool,
    skips: bool,
    /// What it has prepared, by name, and what it has bound.
    prepared: HashMap<Vec<u8>, Vec<u8>>,
    bound: Vec<u8>,
}

/// A string up to its zero byte, and what follows.
fn string(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(0, bytes).expect("a zero byte");
    (&bytes[..end], &bytes[end + 1..])
}

impl Server {
    fn hears(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.said.extend_from_slice(bytes);
        while let Ok(Some(header)) = Header::parse(&self.said)
            && self.said.len() >= header.frame_len()
        {
            let message: Vec<u8> = self.said.drain(..header.frame_len()).collect();
            self.answers(header.tag, &message[HEADER_LEN..], out);
        }
    }

    fn answers(&mut self, tag: u8, body: &[u8], out: &mut Vec<u8>) {
        let mut say = |tag: u8, body: &[u8]| {
            let header = Header {
                tag,
                body: body.len(),
            };
            out.extend_from_slice(&header.to_bytes());
            out.extend_from_slice(body);
        };
        let has = |word: &str| memchr::memmem::find(body, word.as_bytes()).is_some();
        let error = b"SERROR\0VERROR\0C22012\0Mdivision by zero\0\0";
        match tag {
            b'S' => self.skips = false,
            _ if self.skips => return,
            b'P' if has("fails") || self.failed => {
                self.skips = true;
                self.failed = self.in_transaction;
                say(b'E', error);
            }
            b'P' => {
                let (name, rest) = string(body);
                self.prepared.insert(name.into(), string(rest).0.into());
                say(b'1', b"");
            }
            b'B' => {
                let (_, rest) = string(body);
                let known = self.prepared.get(string(rest).0);
                self.bound = known.cloned().unwrap_or_default();
                say(b'2', b"");
            }
            b'D' if body == b"P\0" && matches!(&self.bound[..], b"begin" | b"commit") => {
                say(b'n', b"")
            }
            b'E' if self.bound == b"begin" => {
                self.in_transaction = true;
                say(b'C', b"BEGIN\0");
            }
            b'E' if self.bound == b"commit" => {
                (self.in_transaction, self.failed) = (false, false);
                say(b'C', b"COMMIT\0");
            }
            b'D' => say(b'T', b"\0\0"),
            b'C' => say(b'3', b""),
            b'E' if body.ends_with(&[1]) => {
                say(b'D', b"\0\0");
                say(b's', b"");
            }
            b'E' => {
                say(b'D', b"\0\0");
                say(b'D', b"\0\0");
                say(b'C', b"SELECT 2\0");
            }
            b'Q' if has("begin") || has("BEGIN") => {
                self.in_transaction = true;
                say(b'C', b"BEGIN\0");
            }
            b'Q' if has("commit") || has("rollback") || has("COMMIT") || has("ROLLBACK") => {
                (self.in_transaction, self.failed) = (false, false);
                say(b'C', b"COMMIT\0");
            }
            b'Q' if has("fails") || self.failed => {
                self.failed = self.in_transaction;
                say(b'E', error);
            }
            b'Q' if has("select") => {
                if has("speaks") {
                    say(b'N', b"SNOTICE\0VNOTICE\0C00000\0Mlisten\0\0");
                }
                say(b'T', b"\0\0");
                say(b'D', b"\0\0");
                say(b'C', b"SELECT 1\0");
            }
            b'Q' => say(b'C', b"DONE\0"),
            _ => {}
        }
        if matches!(tag, b'Q' | b'S') {
            let status = match (self.failed, self.in_transaction) {
                (true, _) => b'E',
                (false, true) => b'T',
                _ => b'I',
            };
            say(b'Z', &[status]);
        }
    }
}

/// A session, its servers, and what it has said.
struct Side {
    session: Session,
    input: Buffer,
    servers: Vec<(ShardId, Buffer, Server)>,
    pool: Vec<(ShardId, Box<ServerState>)>,
    opened: u64,
    heard_by_client: Vec<u8>,
    heard_by_servers: Vec<u8>,
    stock: Stock,
    may_go_straight: bool,
    went_straight: usize,
}

fn topology(shards: usize) -> Topology {
    if shards == 1 {
        let shard = Shard {
            name: "s0".into(),
            has_replicas: false,
        };
        return Topology::unsharded("db", shard, Epoch(1));
    }
    let spec = TopologySpec {
        database: "db".into(),
        shards: (0..shards)
            .map(|i| ShardSpec {
                name: format!("s{i}"),
                has_replicas: false,
            })
            .collect(),
        placements: vec![PlacementSpec {
            name: "p".into(),
            types: vec![KeyType::Bigint],
            strategy: StrategySpec::hash(),
        }],
        tables: vec![TableSpec {
            schema: "public".into(),
            name: "t".into(),
            home: HomeSpec::Sharded {
                key: vec!["id".into()],
                placement: "p".into(),
            },
        }],
        ..TopologySpec::default()
    };
    Topology::build(&spec, Epoch(1)).expect("a topology")
}

fn environment(shards: usize, stock: &Stock) -> Rc<Environment> {
    Rc::new(Environment {
        catalog: Arc::new(SharedCatalog::read_as_unknown()),
        topology: Arc::new(topology(shards)),
        two_phase: Default::default(),
        numbers: Default::default(),
        node: None,
        search_path: vec!["public".into()].into(),
        role: "app".into(),
        gather: Default::default(),
        pool: PoolSettings::default(),
        planner: Rc::default(),
        stock: stock.clone(),
        turn: Default::default(),
        stats: Default::default(),
    })
}

impl Side {
    fn new(shards: usize, may_go_straight: bool) -> Self {
        let stock = Stock::default();
        let mut session = Session::new(
            environment(shards, &stock),
            Arc::default(),
            Parameters::default(),
        );
        session.keep_asked(true);
        assert!(session.poll_release().is_none());
        Self {
            session,
            input: Buffer::new(&stock),
            servers: Vec::new(),
            pool: Vec::new(),
            opened: 0,
            heard_by_client: Vec::new(),
            heard_by_servers: Vec::new(),
            stock,
            may_go_straight,
            went_straight: 0,
        }
    }

    fn choose_road(&mut self) {
        if !self.may_go_straight {
            self.session.leave_straight_road();
        }
    }

    /// `false`: the connection to the client has ended.
    fn client(&mut self) -> bool {
        self.choose_road();
        self.session.handle_client(&mut self.input).is_ok()
    }

    fn connects(&mut self, refused: bool, opened: Instant) -> bool {
        let mut moved = false;
        while let Some(want) = self.session.poll_want() {
            moved = true;
            self.choose_road();
            if refused {
                let report = Report::error(
                    router_core::sqlstate::SqlState::new("53300"),
                    "no connection became free",
                );
                self.session.handle_not_acquired(want.slot, &report);
                continue;
            }
            let idle = self.pool.iter().position(|(shard, _)| *shard == want.shard);
            let state = idle.map(|at| self.pool.remove(at).1).unwrap_or_else(|| {
                self.opened += 1;
                let mut state = ServerState::new(1, vec![], Parameters::default(), opened);
                state.id = self.opened;
                Box::new(state)
            });
            self.session.handle_acquired(want.slot, state);
            assert_eq!(self.servers.len(), want.slot);
            self.servers
                .push((want.shard, Buffer::new(&self.stock), Server::default()));
        }
        moved
    }

    fn answers(&mut self, piece: usize) -> bool {
        let mut moved = false;
        for slot in 0..self.servers.len() {
            let out = self.session.server_out(slot);
            let mut answer = Vec::new();
            self.heard_by_servers.extend_from_slice(out.bytes());
            self.servers[slot].2.hears(out.bytes(), &mut answer);
            moved |= !out.is_empty();
            out.clear();
            let mut rest = &answer[..];
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(piece));
                rest = later;
                self.servers[slot].1.push(now);
                moved |= self.server(slot);
            }
            if !self.servers[slot].1.is_empty() {
                moved |= self.server(slot);
            }
        }
        moved
    }

    fn server(&mut self, slot: usize) -> bool {
        self.choose_road();
        let input = &mut self.servers[slot].1;
        let asked = matches!(self.session.road, Road::Asked(_));
        let moved = self.session.handle_server(slot, input).expect("understood");
        let answered = matches!(self.session.road, Road::Answered | Road::Between);
        self.went_straight += usize::from(asked && answered);
        moved
    }

    /// `false`: and with it the client's connection.
    fn dies(&mut self) -> bool {
        if self.servers.is_empty() {
            return true;
        }
        self.choose_road();
        self.servers.remove(0);
        self.session.handle_server_lost(0, "gone").is_ok()
    }

    fn reads(&mut self) {
        let out = self.session.client_out();
        self.heard_by_client.extend_from_slice(out.bytes());
        out.clear();
    }

    fn returns(&mut self) -> bool {
        let mut moved = false;
        while let Some(released) = self.session.poll_release() {
            moved = true;
            let (shard, rest, _) = self.servers.remove(released.slot);
            assert!(rest.is_empty());
            if released.clean {
                self.pool.push((shard, released.server));
            }
        }
        moved
    }

    /// All that there is, in an order that does not depend on hashes.
    fn all(&mut self) -> Vec<String> {
        let road = std::mem::take(&mut self.session.road);
        let known = self.session.known.take();
        // Messages are counted on the ordinary road alone.
        self.session.allow(u32::MAX);
        let environment = &self.session.environment;
        let mut all: Vec<String> = format!(
            "{:#?}\n{:#?}\n{:?}\n{:?}\n{:?}",
            self.session,
            self.pool,
            self.input,
            environment.turn,
            environment.stats.database.counts.copy(),
        )
        .lines()
        .map(without_hashes)
        .collect();
        self.session.road = road;
        self.session.known = known;
        all.sort_unstable();
        all
    }
}

/// Names made from hashes, and hashes, may depend on addresses: marks in their places.
fn without_hashes(line: &str) -> String {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_hexdigit).count();
    let mut out = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let run = digits(rest);
        match run >= 15 {
            true => out.push('#'),
            false => out.push_str(&rest[..run.max(first.len_utf8())]),
        }
        rest = &rest[run.max(first.len_utf8())..];
    }
    out
}

/// Carries on one conversation with both sides. How many answers ended the straight road.
fn converse(shards: usize, events: &[Event]) -> Result<usize, TestCaseError> {
    let opened = Instant::now();
    let mut sides = [Side::new(shards, true), Side::new(shards, false)];
    for event in events {
        let alive = sides.each_mut().map(|side| {
            let alive = side.takes(event, shards, opened);
            side.reads_if(event);
            alive
        });
        prop_assert_eq!(alive[0], alive[1], "{:?}", event);
        let [one, other] = &mut sides;
        let heard = |bytes: &[u8]| without_hashes(&bytes.escape_ascii().to_string());
        prop_assert_eq!(
            heard(&one.heard_by_client),
            heard(&other.heard_by_client),
            "{:?}",
            event
        );
        prop_assert_eq!(
            heard(&one.heard_by_servers),
            heard(&other.heard_by_servers),
            "{:?}",
            event
        );
        if !alive[0] {
            break;
        }
        // A question that waits is still in the input on one road, and half planned on the other.
        if !matches!(one.session.road, Road::Waiting(_)) {
            let (all, known) = (one.all(), other.all());
            let differs = all.iter().zip(&known).find(|(one, other)| one != other);
            prop_assert_eq!(differs, None, "{:?}", event);
            prop_assert_eq!(all.len(), known.len());
        }
        prop_assert_eq!(one.session.is_busy(), other.session.is_busy());
        prop_assert_eq!(one.session.is_settled(), other.session.is_settled());
        prop_assert_eq!(one.session.takes_input(), other.session.takes_input());
    }
    prop_assert_eq!(sides[1].went_straight, 0);
    Ok(sides[0].went_straight)
}

impl Side {
    fn reads_if(&mut self, event: &Event) {
        if matches!(event, Event::Reads | Event::Settles) {
            self.reads();
        }
    }

    /// `false`: the connection to the client has ended.
    fn takes(&mut self, event: &Event, shards: usize, opened: Instant) -> bool {
        match *event {
            Event::Says { word, cut } => {
                let mut bytes = Buffer::new(&self.stock);
                WORDS[word]
                    .iter()
                    .for_each(|(tag, body)| bytes.frame(*tag, &[body]));
                let (first, second) = bytes.bytes().split_at(cut.min(bytes.len()));
                self.input.push(first);
                let alive = self.client();
                self.input.push(second);
                alive && self.client()
            }
            Event::Connects { refused } => {
                // Over shards a `Parse` is answered before its `Bind` waits for a connection.
                self.connects(refused && shards == 1, opened);
                self.client()
            }
            Event::Answers { piece } => {
                self.answers(piece);
                self.client()
            }
            Event::Reads => self.client(),
            Event::Returns => {
                self.returns();
                true
            }
            Event::Dies => {
                let alive = self.dies();
                self.returns();
                alive
            }
            Event::Settles => loop {
                let before = self.input.len();
                if !self.client() {
                    break false;
                }
                let mut moved = self.input.len() != before;
                if self.connects(false, opened) {
                    moved = true;
                    // What has waited goes with what the session itself says first.
                    if !self.client() {
                        break false;
                    }
                }
                moved |= self.answers(usize::MAX);
                self.reads();
                moved |= self.returns();
                if !moved {
                    break true;
                }
            },
        }
    }
}

#[test]
fn so_do_the_statements_of_a_transaction() {
    let says = |text: &'static [u8]| Event::Says {
        word: word_of(&[(b'Q', text)]),
        cut: usize::MAX,
    };
    let (select, update) = (
        says(b"select a from t where id = 1\0"),
        says(b"update t set a = 1 where id = 6\0"),
    );
    let (begin, commit) = (says(b"begin\0"), says(b"commit\0"));
    let mut events = Vec::new();
    for said in [
        &begin, &select, &update, &select, &update, &commit, // Once more.
        &begin, &select, &update, &commit, &select,
    ] {
        events.extend([said.clone(), Event::Settles]);
    }
    // The first of each is planned on the ordinary road.
    assert_eq!(converse(1, &events).expect("the same"), 11 - 4);
}

#[test]
fn so_do_those_of_a_transaction_over_shards_that_stays_on_one() {
    let says = |text: &'static [u8]| Event::Says {
        word: word_of(&[(b'Q', text)]),
        cut: usize::MAX,
    };
    let (select, update) = (
        says(b"select a from t where id = 1\0"),
        says(b"update t set a = 1 where id = 1\0"),
    );
    let (begin, commit) = (says(b"begin\0"), says(b"commit\0"));
    let mut events = Vec::new();
    for said in [
        &begin, &select, &update, &select, &commit, // Once more.
        &begin, &select, &update, &select, &commit, &select,
    ] {
        events.extend([said.clone(), Event::Settles]);
    }
    // The first of each is planned on the ordinary road, and no server answers `BEGIN`.
    assert_eq!(converse(3, &events).expect("the same"), 11 - 2 - 3);
    let word = |word: Word| Event::Says {
        word: word_of(word),
        cut: usize::MAX,
    };
    let prepared = word(&[BIND_S, RUN, SYNC]);
    let parsed = word(&[PARSE, BIND, RUN, SYNC]);
    let mut events = Vec::new();
    for said in [
        &word(&[(b'P', b"s\0select a from t where id = $1\0\0\0"), SYNC]),
        &begin,
        &prepared,
        &prepared,
        &commit, // A second shard joins: that and the rest take the ordinary road.
        &begin,
        &prepared,
        &prepared,
        &select,
        &commit,
        &begin,
        &parsed,
        &parsed,
        &commit,
    ] {
        events.extend([said.clone(), Event::Settles]);
    }
    assert_eq!(converse(3, &events).expect("the same"), 5);
}

#[test]
fn what_most_clients_send_takes_it() {
    let word = |word: Word| Event::Says {
        word: word_of(word),
        cut: usize::MAX,
    };
    for shards in [1, 3] {
        for (first, again) in [
            (
                word(&[(b'Q', b"select a from t where id = 1\0")]),
                word(&[(b'Q', b"select a from t where id = 2;\0")]),
            ),
            (
                word(&[PARSE, BIND, RUN, SYNC]),
                word(&[PARSE, BIND, PORTAL, RUN, SYNC]),
            ),
            (
                word(&[
                    (b'P', b"s\0select a from t where id = $1\0\0\0"),
                    BIND_S,
                    PORTAL,
                    RUN,
                    SYNC,
                ]),
                word(&[BIND_S, RUN, SYNC]),
            ),
        ] {
            let settles = Event::Settles;
            let events = [
                first,
                settles.clone(),
                again.clone(),
                settles.clone(),
                again,
                settles,
            ];
            let straight = converse(shards, &events).expect("the same");
            assert_eq!(straight, 2, "{events:?} over {shards}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn both_roads_lead_to_the_same_place(
        shards in prop_oneof![Just(1usize), Just(3)],
        events in prop::collection::vec(event(0..WORDS.len()), 1..40),
    ) {
        converse(shards, &events)?;
    }

    /// The same with little else than transactions of statements that are planned by then.
    #[test]
    fn both_roads_lead_through_the_same_transactions(
        shards in prop_oneof![Just(1usize), Just(3)],
        events in prop::collection::vec(event(prop::sample::select(of_transactions())), 1..40),
    ) {
        let settles = || Event::Settles;
        let first = of_transactions().into_iter();
        let mut all: Vec<_> = first
            .flat_map(|word| [Event::Says { word, cut: usize::MAX }, settles()])
            .collect();
        let commit = Event::Says { word: word_of(&[(b'Q', b"commit\0")]), cut: usize::MAX };
        all.extend([commit, settles()]);
        all.extend(events);
        converse(shards, &all)?;
    }
}

fn word_of(word: &[(u8, &[u8])]) -> usize {
    let known = WORDS.iter().position(|known| *known == word);
    known.expect("one of them")
}

fn of_transactions() -> Vec<usize> {
    let words: [Word; 11] = [
        &[(b'P', b"s\0select a from t where id = $1\0\0\0"), SYNC],
        &[(b'Q', b"begin\0")],
        &[(b'Q', b"select a from t where id = 1\0")],
        &[(b'Q', b"update t set a = 1 where id = 1\0")],
        &[(b'Q', b"update t set a = now() where id = 1\0")],
        &[(b'Q', b"select a from t where id = 1 and b < now()\0")],
        &[(b'Q', b"commit\0")],
        &[(b'Q', b"begin\0")],
        &[BIND_S, RUN, SYNC],
        &[PARSE, BIND, RUN, SYNC],
        &[(b'Q', b"rollback\0")],
    ];
    words.into_iter().map(word_of).collect()
}
