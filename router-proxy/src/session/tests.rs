//! Conversations without sockets.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use router_core::id::Epoch;
use router_core::topology::{Shard, Topology};

use super::*;
use crate::catalog::SharedCatalog;
use crate::server::state::ServerState;
use crate::settings::PoolSettings;
use crate::wire::buffer::Stock;
use crate::wire::frame::Header;

struct Play {
    session: Session,
    client: Buffer,
    server: Buffer,
    stock: Stock,
}

impl Play {
    fn new() -> Self {
        Self::with(SettingSet::default())
    }

    /// A client with these settings in its startup packet.
    fn with(initial: SettingSet) -> Self {
        let stock = Stock::default();
        let shard = Shard {
            name: "s0".into(),
            has_replicas: false,
        };
        let topology = Topology::unsharded("db", shard, Epoch(1));
        let environment = Rc::new(Environment {
            catalog: Arc::new(SharedCatalog::read_as_unknown()),
            topology: Arc::new(topology),
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
        });
        Self {
            session: Session::new(environment, Arc::new(initial), Parameters::default()),
            client: Buffer::new(&stock),
            server: Buffer::new(&stock),
            stock,
        }
    }

    /// The client says something; connections are there at once.
    fn client(&mut self, tag: u8, body: &[u8]) -> &mut Self {
        self.client.frame(tag, &[body]);
        self.session
            .handle_client(&mut self.client)
            .expect("no violation");
        while let Some(want) = self.session.poll_want() {
            let state = ServerState::new(1, vec![], Parameters::default(), Instant::now());
            self.session.handle_acquired(want.slot, Box::new(state));
            self.session
                .handle_client(&mut self.client)
                .expect("no violation");
        }
        self
    }

    /// The server says something.
    fn server(&mut self, tag: u8, body: &[u8]) -> &mut Self {
        self.server.frame(tag, &[body]);
        self.session
            .handle_server(0, &mut self.server)
            .expect("understood");
        self
    }

    /// The types of the messages that wait for the client.
    fn heard_by_client(&mut self) -> String {
        tags(self.session.client_out())
    }

    /// The types of the messages that wait for the server.
    fn heard_by_server(&mut self) -> String {
        tags(self.session.server_out(0))
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
const PARSE: &[u8] = b"a\0select 1\0\0\0";
const BIND: &[u8] = b"\0a\0\0\0\0\0\0\0";

#[test]
fn a_query_takes_a_connection_and_gives_it_back() {
    let mut play = Play::new();
    play.client(b'Q', b"select 1\0");
    assert_eq!(play.heard_by_server(), "Q");
    assert!(play.session.poll_release().is_none());
    play.server(b'T', b"\0\0")
        .server(b'D', b"\0\0")
        .server(b'C', b"SELECT 1\0");
    assert!(play.session.poll_release().is_none());
    play.server(b'Z', b"I");
    assert_eq!(play.heard_by_client(), "TDCZ");
    assert!(
        play.session
            .poll_release()
            .is_some_and(|released| released.clean)
    );
}

#[test]
fn sessions_and_servers_with_equal_settings_come_to_share_them() {
    let mut settings = SettingSet::default();
    settings.set("datestyle", vec!["iso".into()]);
    let mut plays = [Play::with(settings.clone()), Play::with(settings)];
    let server = || {
        let state = ServerState::new(1, vec![], Parameters::default(), Instant::now());
        Some(Box::new(state))
    };
    let mut servers = [server(), server()];
    for (client, at) in [(0, 0), (1, 1), (0, 1), (1, 0), (0, 0), (1, 1)] {
        let (play, server) = (&mut plays[client], &mut servers[at]);
        play.client.frame(b'Q', &[b"select 1\0"]);
        let handled = play.session.handle_client(&mut play.client);
        handled.expect("no violation");
        play.session.handle_acquired(0, server.take().expect("one"));
        let handled = play.session.handle_client(&mut play.client);
        handled.expect("no violation");
        // Ahead of it they are put in place where the server has others.
        if play.heard_by_server() == "QQ" {
            play.server(b'C', b"SET\0").server(b'Z', b"I");
        }
        play.server(b'C', b"SELECT 1\0").server(b'Z', b"I");
        play.heard_by_client();
        let released = play.session.poll_release().expect("it is over");
        assert!(released.clean);
        *server = Some(released.server);
    }
    let kept = &plays[0].session.wanted;
    assert!(Arc::ptr_eq(kept, &plays[1].session.wanted));
    for server in servers.iter().flatten() {
        assert!(Arc::ptr_eq(kept, &server.settings));
    }
}

#[test]
fn a_transaction_keeps_it() {
    let mut play = Play::new();
    play.client(b'Q', b"begin\0")
        .server(b'C', b"BEGIN\0")
        .server(b'Z', b"T");
    assert!(play.session.poll_release().is_none());
    assert_eq!(play.heard_by_server(), "Q");
    play.client(b'Q', b"commit\0")
        .server(b'C', b"COMMIT\0")
        .server(b'Z', b"I");
    assert_eq!(play.heard_by_server(), "Q");
    assert!(play.session.poll_release().is_some());
}

#[test]
fn a_statement_is_prepared_once_and_every_parse_answered_once() {
    let mut play = Play::new();
    play.client(b'P', PARSE).client(b'S', b"");
    assert_eq!(play.heard_by_server(), "PS");
    play.server(b'1', b"").server(b'Z', b"I");
    assert_eq!(play.heard_by_client(), "1Z");
    // The same under another name needs no server's answer, but keeps its place.
    play.client(b'P', b"b\0select 1\0\0\0")
        .client(b'B', BIND)
        .client(b'E', b"\0\0\0\0\0")
        .client(b'S', b"");
    assert_eq!(play.heard_by_server(), "BES");
    play.server(b'2', b"")
        .server(b'C', b"SELECT 1\0")
        .server(b'Z', b"I");
    assert_eq!(play.heard_by_client(), "12CZ");
    // On another connection it is sent ahead, and that answer is for nobody.
    assert!(play.session.poll_release().is_some());
    play.client(b'B', BIND)
        .client(b'E', b"\0\0\0\0\0")
        .client(b'S', b"");
    assert_eq!(play.heard_by_server(), "PBES");
    play.server(b'1', b"")
        .server(b'2', b"")
        .server(b'C', b"SELECT 1\0")
        .server(b'Z', b"I");
    assert_eq!(play.heard_by_client(), "2CZ");
}

#[test]
fn an_error_skips_to_sync_and_spares_the_next_pipeline() {
    let mut play = Play::new();
    play.client(b'P', PARSE)
        .client(b'B', BIND)
        .client(b'E', b"\0\0\0\0\0")
        .client(b'S', b"");
    play.client(b'P', b"b\0select 2\0\0\0").client(b'S', b"");
    assert_eq!(play.heard_by_server(), "PBESPS");
    play.server(b'E', ERROR).server(b'Z', b"I");
    assert_eq!(play.heard_by_client(), "EZ");
    play.server(b'1', b"").server(b'Z', b"I");
    assert_eq!(play.heard_by_client(), "1Z");
    // "a" was never prepared, "b" was.
    play.client(b'B', BIND).client(b'S', b"");
    assert_eq!(play.heard_by_client(), "EZ");
    play.client(b'D', b"Sb\0").client(b'S', b"");
    assert_eq!(play.heard_by_server(), "DS");
}

#[test]
fn own_errors_come_in_their_place() {
    let mut play = Play::new();
    play.client(b'P', PARSE)
        .client(b'B', b"\0nowhere\0\0\0\0\0\0\0");
    play.client(b'E', b"\0\0\0\0\0").client(b'S', b"");
    // The implicit transaction of the pipeline is made to fail on the server as well.
    assert_eq!(play.heard_by_server(), "PES");
    assert_eq!(play.heard_by_client(), "");
    play.server(b'1', b"")
        .server(b'E', ERROR)
        .server(b'Z', b"I");
    assert_eq!(play.heard_by_client(), "1EZ");
}

#[test]
fn sync_during_copy_earns_no_reply() {
    let mut play = Play::new();
    play.client(b'P', b"\0copy t from stdin\0\0\0")
        .client(b'B', b"\0\0\0\0\0\0\0\0");
    play.client(b'E', b"\0\0\0\0\0").client(b'S', b"");
    play.server(b'1', b"")
        .server(b'2', b"")
        .server(b'G', b"\0\0\0");
    play.client(b'd', b"1\n")
        .client(b'c', b"")
        .client(b'S', b"");
    assert_eq!(play.heard_by_server(), "PBESdcS");
    assert!(play.session.poll_release().is_none());
    play.server(b'C', b"COPY 1\0");
    assert!(play.session.poll_release().is_none());
    play.server(b'Z', b"I");
    assert_eq!(play.heard_by_client(), "12GCZ");
    assert!(play.session.poll_release().is_some());
}

#[test]
fn a_message_of_any_size_passes_in_pieces() {
    let mut play = Play::new();
    play.client(b'Q', b"copy t from stdin\0")
        .server(b'G', b"\0\0\0");
    play.heard_by_server();
    play.client.push(
        &Header {
            tag: b'd',
            body: 1 << 29,
        }
        .to_bytes(),
    );
    let mut passed = 0;
    for _ in 0..100 {
        play.client.push(&[b'x'; 5000]);
        play.session
            .handle_client(&mut play.client)
            .expect("no violation");
        passed += play.session.server_out(0).len();
        play.session.server_out(0).clear();
        assert!(play.client.is_empty());
    }
    assert_eq!(passed, 5 + 100 * 5000);
    // The client vanishes in the middle: nobody gets this connection as it is.
    let given_up = play.session.give_up().expect("it was held");
    assert!(!given_up.clean);
    let _ = &play.stock;
}

/// A message that comes in pieces is looked at again, and counts once.
#[test]
fn answers_in_pieces_are_the_same() {
    // To the settings of the startup packet, and to the message with `SET work_mem` behind its second statement.
    let answers: [(u8, &[u8], bool); 11] = [
        (b'C', b"SET\0", false),
        (b'Z', b"I", false),
        (b'T', b"\0\0", true),
        (b'D', b"\0\0", true),
        (b'C', b"SELECT 1\0", true),
        (b'C', b"RESET\0", true),
        (b'C', b"SET\0", false),
        (b'T', b"\0\0", true),
        (b'D', b"\0\0", true),
        (b'C', b"SELECT 2\0", true),
        (b'Z', b"I", true),
    ];
    for piece in [1, 7, usize::MAX] {
        let mut initial = SettingSet::default();
        initial.set("work_mem", vec!["99kB".into()]);
        let mut play = Play::with(initial);
        play.client(b'Q', b"select 1; reset work_mem; select 2\0");
        assert_eq!(play.heard_by_server(), "QQ");
        let mut meant = Buffer::new(&play.stock);
        for (tag, body, is_the_clients) in answers {
            let mut message = Buffer::new(&play.stock);
            message.frame(tag, &[body]);
            if is_the_clients {
                meant.push(message.bytes());
            }
            for bytes in message.bytes().chunks(piece) {
                play.server.push(bytes);
                play.session
                    .handle_server(0, &mut play.server)
                    .expect("understood");
            }
        }
        let heard = play.session.client_out();
        assert_eq!(
            heard.bytes().escape_ascii().to_string(),
            meant.bytes().escape_ascii().to_string()
        );
    }
}

#[test]
fn a_lost_server_answers_everything_that_was_owed() {
    let mut play = Play::new();
    play.client(b'Q', b"select 1\0");
    play.session
        .handle_server_lost(0, "gone")
        .expect("the session lives on");
    assert_eq!(play.heard_by_client(), "EZ");
    play.client(b'P', PARSE)
        .client(b'S', b"")
        .client(b'P', b"\0select 3\0\0\0")
        .client(b'S', b"");
    play.session
        .handle_server_lost(0, "gone")
        .expect("the session lives on");
    assert_eq!(play.heard_by_client(), "EZEZ");
    play.client(b'Q', b"select 1\0");
    assert_eq!(play.heard_by_server(), "Q");
}

#[test]
fn no_more_messages_are_taken_than_allowed() {
    let mut play = Play::new();
    for _ in 0..10 {
        play.client.frame(b'S', &[]);
    }
    for (allowed, told) in [(4, "ZZZZ"), (4, "ZZZZ"), (4, "ZZ")] {
        play.session.allow(allowed);
        while play.session.handle_client(&mut play.client).unwrap() {}
        assert_eq!(play.heard_by_client(), told);
        assert_eq!(play.session.is_spent(), told.len() == 4);
    }
}
