//! Conversations of programs, without sockets and without a planner: three shards, of which the first is scratch.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use router_core::id::{Epoch, ShardId};
use router_core::plan::resolve::Values;
use router_core::plan::{Answer, Effect, Merge, On, Program, SortColumn, Sorted, Targets};
use router_core::plan::{Step as Does, ValueSource};
use router_core::topology::Topology;
use router_core::topology::spec::{ShardSpec, TopologySpec};

use super::step::{Note, Ready};
use super::*;
use crate::catalog::SharedCatalog;
use crate::exec::program::{Bound, Execution, Terms, Within};
use crate::server::state::ServerState;
use crate::settings::{GatherLimits, PoolSettings};
use crate::wire::buffer::Stock;
use crate::wire::frame::Header;

struct Play {
    session: Session,
    servers: Vec<Buffer>,
}

impl Play {
    fn start(program: &Program, limits: GatherLimits) -> Self {
        let shard = |name: &str| ShardSpec {
            name: name.into(),
            has_replicas: false,
        };
        let spec = TopologySpec {
            database: "db".into(),
            shards: ["s0", "s1", "s2"].map(shard).into(),
            scratch: Some("s0".into()),
            triggers_per_shard: false,
            ..TopologySpec::default()
        };
        let topology = Arc::new(Topology::build(&spec, Epoch(1)).expect("a topology"));
        let stock = Stock::default();
        let environment = Rc::new(Environment {
            catalog: Arc::new(SharedCatalog::read_as_unknown()),
            topology: Arc::clone(&topology),
            two_phase: Default::default(),
            numbers: Default::default(),
            node: None,
            search_path: vec!["public".into()].into(),
            role: "app".into(),
            gather: limits,
            pool: PoolSettings::default(),
            planner: Rc::default(),
            stock: stock.clone(),
            turn: Default::default(),
            stats: Default::default(),
        });
        let mut session = Session::new(environment, Arc::default(), Parameters::default());
        let terms = Terms {
            topology: &topology,
            values: &Values::none(),
            reads: Role::Primary,
            turns: &[],
            effect: Effect::Read,
            within: Within::None,
            by_query: false,
            limits,
            keeps: false,
            documents: false,
        };
        let execution = Execution::new(program, &terms).expect("it resolves");
        let execution = execution.bind(Bound::simple());
        assert_eq!(session.ensure_parts(execution.wanted()), None);
        while let Some(want) = session.poll_want() {
            let state = ServerState::new(1, vec![], Parameters::default(), Instant::now());
            session.handle_acquired(want.slot, Box::new(state));
        }
        let slots = session
            .ensure_parts(execution.wanted())
            .expect("all are there");
        let servers = slots.iter().map(|_| Buffer::new(&stock)).collect();
        session.operate(Box::new(execution), &slots, Ready::Pass, Note(None));
        let mut play = Self { session, servers };
        play.settle();
        play
    }

    /// As the driver does: everybody is offered what waits for it until nothing moves.
    fn settle(&mut self) {
        loop {
            let mut moved = self.session.continue_operation();
            for slot in 0..self.servers.len() {
                if !self.servers[slot].is_empty() {
                    let served = self.session.handle_server(slot, &mut self.servers[slot]);
                    moved |= served.expect("understood");
                }
            }
            if !moved {
                return;
            }
        }
    }

    /// The server of a shard says something.
    fn server(&mut self, slot: usize, messages: &[(u8, &[u8])]) -> &mut Self {
        for (tag, body) in messages {
            self.servers[slot].frame(*tag, &[body]);
        }
        self.settle();
        self
    }

    /// The types of the messages that a server has been sent.
    fn told(&mut self, slot: usize) -> String {
        tags(self.session.server_out(slot))
    }

    fn client(&mut self) -> String {
        tags(self.session.client_out())
    }
}

fn tags(buffer: &mut Buffer) -> String {
    let mut tags = String::new();
    while let Ok(Some(header)) = Header::parse(buffer.bytes()) {
        tags.push(header.tag.into());
        buffer.consume(header.frame_len());
    }
    assert!(buffer.is_empty());
    tags
}

const ERROR: &[u8] = b"SERROR\0VERROR\0C22012\0Mdivision by zero\0\0";
const DONE: (u8, &[u8]) = (b'Z', b"T");
const IDLE: (u8, &[u8]) = (b'Z', b"I");
const ROW: (u8, &[u8]) = (b'D', b"\0\x01\0\0\0\x011");

/// All rows of `t` in a table of scratch.
fn gather() -> Program {
    Program {
        unless: None,
        steps: vec![
            Does::Run {
                on: On::Shard(ShardId(0)),
                text: "CREATE TEMP TABLE pg_temp.shunt_1 ON COMMIT DROP AS SELECT a FROM t".into(),
            },
            Does::Move {
                from: On::Except(Targets::All, ShardId(0)),
                query: "SELECT a FROM t".into(),
                to: ShardId(0),
                table: "pg_temp.shunt_1".into(),
                as_text: false,
                among: None,
            },
        ],
        answer: Answer::Merged {
            on: On::Shard(ShardId(0)),
            text: "SELECT count(*) FROM pg_temp.shunt_1".into(),
            merge: Merge::Concatenate,
        },
        temporary: vec![("shunt_1".into(), On::Shard(ShardId(0)))],
        writes: false,
    }
}

#[test]
fn rows_are_gathered_while_others_are_asked() {
    let mut play = Play::start(&gather(), GatherLimits::default());
    // The table is made and opened for rows while the other shards are asked, all in one write each.
    assert_eq!(play.told(0), "QPBECSPBE");
    assert_eq!(play.told(1), "QPBECSQ");
    assert_eq!(play.told(2), "QPBECSQ");
    // Rows pass before scratch has said a word.
    play.server(
        1,
        &[(b'C', b"BEGIN\0"), DONE, (b'1', b""), (b'2', b""), ROW, ROW],
    );
    assert_eq!(play.told(0), "ddd");
    play.server(
        1,
        &[
            (b'C', b"SELECT 2\0"),
            (b'3', b""),
            DONE,
            (b'C', b"ROLLBACK\0"),
            IDLE,
        ],
    );
    assert_eq!(play.told(0), "");
    play.server(
        2,
        &[DONE, (b'2', b""), ROW, (b'C', b"SELECT 1\0"), DONE, IDLE],
    );
    // The last row: the table is closed, the answer asked for, the transaction undone.
    assert_eq!(play.told(0), "ddcCSPBDECSQ");
    play.server(
        0,
        &[DONE, DONE, (b'G', b"\x01\0\0"), (b'C', b"COPY 3\0"), DONE],
    );
    assert_eq!(play.client(), "");
    play.server(0, &[(b'T', b"\0\0"), ROW, (b'C', b"SELECT 1\0"), DONE]);
    assert_eq!(play.client(), "TD");
    play.server(0, &[(b'C', b"ROLLBACK\0"), IDLE]);
    assert_eq!(play.client(), "CZ");
    for _ in 0..3 {
        assert!(
            play.session
                .poll_release()
                .is_some_and(|released| released.clean)
        );
    }
}

#[test]
fn an_error_ends_it_everywhere_and_is_told_once() {
    let mut play = Play::start(&gather(), GatherLimits::default());
    play.server(1, &[DONE, (b'E', ERROR), (b'Z', b"E"), IDLE]);
    assert_eq!(play.told(0), "QPBECSPBEfSQ");
    assert_eq!(play.client(), "");
    // Another error after the first, and rows that nobody wants any more.
    play.server(2, &[DONE, ROW, (b'E', ERROR), (b'Z', b"E"), IDLE]);
    play.server(
        0,
        &[DONE, DONE, (b'G', b"\x01\0\0"), (b'E', ERROR), (b'Z', b"E")],
    );
    assert_eq!(play.client(), "");
    play.server(0, &[IDLE]);
    assert_eq!(play.client(), "EZ");
}

#[test]
fn a_lost_server_ends_it() {
    let mut play = Play::start(&gather(), GatherLimits::default());
    play.server(1, &[DONE, ROW]);
    play.session
        .handle_server_lost(1, "gone")
        .expect("the session lives on");
    play.servers.remove(1);
    play.server(
        0,
        &[
            DONE,
            DONE,
            (b'G', b"\x01\0\0"),
            (b'E', ERROR),
            (b'Z', b"E"),
            IDLE,
        ],
    );
    assert_eq!(play.client(), "");
    play.server(1, &[DONE, DONE, IDLE]);
    assert_eq!(play.client(), "EZ");
}

#[test]
fn no_more_rows_are_moved_than_allowed() {
    let mut play = Play::start(
        &gather(),
        GatherLimits {
            rows: 2,
            bytes: 1000,
        },
    );
    play.server(1, &[DONE, ROW, ROW, ROW, (b'C', b"SELECT 3\0"), DONE, IDLE]);
    play.server(2, &[DONE, DONE, IDLE]);
    play.server(
        0,
        &[
            DONE,
            DONE,
            (b'G', b"\x01\0\0"),
            (b'E', ERROR),
            (b'Z', b"E"),
            IDLE,
        ],
    );
    let said = String::from_utf8_lossy(play.session.client_out().bytes()).into_owned();
    assert!(said.contains("SH028") && said.contains("2 rows"), "{said}");
}

/// `SELECT a FROM t ORDER BY b DESC LIMIT 3`
fn sorted() -> Program {
    Program {
        unless: None,
        steps: Vec::new(),
        answer: Answer::Merged {
            on: On::Targets(Targets::Shards(vec![ShardId(0), ShardId(2)])),
            text: "SELECT a, b FROM t ORDER BY b DESC LIMIT 3".into(),
            merge: Merge::Sorted(Box::new(Sorted {
                keys: vec![SortColumn {
                    descending: true,
                    nulls_first: true,
                    bytewise: false,
                }],
                offset: None,
                limit: Some(ValueSource::Cast(
                    Box::new(ValueSource::Null),
                    "bigint".into(),
                )),
                with_ties: false,
            })),
        },
        temporary: Vec::new(),
        writes: false,
    }
}

fn row(key: i32) -> Vec<u8> {
    let shown = key.to_string();
    let mut body = vec![0, 2];
    body.extend_from_slice(&(shown.len() as i32).to_be_bytes());
    body.extend_from_slice(shown.as_bytes());
    body.extend_from_slice(&[0, 0, 0, 4]);
    body.extend_from_slice(&key.to_be_bytes());
    body
}

#[test]
fn sorted_rows_are_merged_and_the_hidden_key_is_cut() {
    let mut play = Play::start(&sorted(), GatherLimits::default());
    assert_eq!((play.told(0), play.told(1)), ("PDS".into(), "PDS".into()));
    let mut description = vec![0, 2];
    for (name, oid) in [("a", 25u32), ("b", 23)] {
        description.extend_from_slice(name.as_bytes());
        description.extend_from_slice(&[0; 7]);
        description.extend_from_slice(&oid.to_be_bytes());
        description.extend_from_slice(&[0; 8]);
    }
    play.server(
        0,
        &[(b'1', b""), (b't', b"\0\0"), (b'T', &description), IDLE],
    );
    assert_eq!(play.client(), "T");
    assert_eq!((play.told(0), play.told(1)), ("BECS".into(), "BECS".into()));
    play.server(
        1,
        &[(b'1', b""), (b't', b"\0\0"), (b'T', &description), IDLE],
    );
    play.server(0, &[(b'D', &row(9)), (b'D', &row(5))]);
    assert_eq!(play.client(), "", "the other shard may have a greater one");
    play.server(1, &[(b'D', &row(7)), (b'C', b"SELECT 1\0"), IDLE]);
    play.server(0, &[(b'D', &row(1)), (b'C', b"SELECT 3\0"), IDLE]);
    let out = play.session.client_out();
    let mut seen = Vec::new();
    while let Ok(Some(header)) = Header::parse(out.bytes()) {
        if header.tag == b'D' {
            assert_eq!(out.bytes()[5..7], [0, 1]);
            seen.push(out.bytes()[11]);
        }
        out.consume(header.frame_len());
    }
    assert_eq!(seen, *b"9751");
}
