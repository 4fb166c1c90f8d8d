//! How long a client may hold a server connection: `query_timeout` and `idle_transaction_timeout`.

use std::thread;
use std::time::{Duration, Instant};

use local_postgres::Server;
use router_proxy::settings::{PoolMode, PoolSettings, Settings};
use shunt_tests::one_server;
use shunt_tests::patience::await_that;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{Message, RawClient};
use shunt_tests::shards::{eager, on_one_server, server_with};

/// Long enough for whatever a busy machine does at once.
const LIMIT: Duration = Duration::from_secs(1);

fn server() -> Server {
    one_server::server_with("create table t (a int primary key)")
}

/// One connection, and these limits.
fn start(server: &Server, mode: PoolMode, query: bool, idle: bool) -> TestProxy {
    let limit = |on: bool| if on { LIMIT } else { Duration::ZERO };
    let pool = PoolSettings {
        mode,
        max_size: 1,
        query_timeout: limit(query),
        idle_transaction_timeout: limit(idle),
        ..PoolSettings::default()
    };
    TestProxy::start(unsharded(server, "shop", pool))
}

fn codes(messages: &[Message]) -> Vec<String> {
    let errors = messages.iter().filter(|message| message.tag == b'E');
    errors.map(|m| m.error().expect("an error").code).collect()
}

/// The error with which the connection ends.
fn last_word(client: &mut RawClient) -> String {
    let mut last = String::new();
    while let Ok(message) = client.read() {
        if message.tag == b'E' {
            last = message.error().expect("an error").code;
        }
    }
    last
}

/// The only connection is there for others.
fn is_free(proxy: &TestProxy, server: &Server, database: &str) {
    await_that("the connection comes back", || {
        let found = RawClient::trust(proxy.address, server.user(), database)
            .and_then(|mut client| client.simple("insert into t values (1); delete from t"));
        found.is_ok_and(|messages| codes(&messages).is_empty())
    });
}

#[test]
fn a_query_that_takes_too_long_is_cancelled() {
    let server = server();
    for mode in [PoolMode::Transaction, PoolMode::Session] {
        let proxy = start(&server, mode, true, false);
        let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
        let told = client.extended("select pg_sleep(70)", &[], false).unwrap();
        assert_eq!(codes(&told), ["57014"]);
        for begin in ["select 1", "begin"] {
            client.simple(begin).unwrap();
            let told = client.simple("select pg_sleep(70)").unwrap();
            assert_eq!(codes(&told), ["57014"], "{begin}");
            client.simple("rollback").unwrap();
            assert!(codes(&client.simple("select 1").unwrap()).is_empty());
        }
        // Answered as far as it goes, by Flush.
        client.send(b'P', b"\0select pg_sleep(70)\0\0\0").unwrap();
        client.send(b'B', &[0; 8]).unwrap();
        client.send(b'E', &[0; 5]).unwrap();
        client.send(b'H', b"").unwrap();
        while client.read().unwrap().tag != b'E' {}
        client.send(b'S', b"").unwrap();
        client.until_ready().unwrap();
    }
}

/// The server process waits for its client there, and hears of no cancel request.
#[test]
fn a_query_whose_rows_nobody_takes_is_ended() {
    let server = server();
    for mode in [PoolMode::Transaction, PoolMode::Session] {
        let proxy = start(&server, mode, true, false);
        let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
        client
            .send(
                b'Q',
                b"select repeat('x', 1000) from generate_series(1, 200000)\0",
            )
            .unwrap();
        is_free(&proxy, &server, "shop");
        // Nobody has waited for it to hang up.
        drop(client);
    }
}

/// A client that takes its rows slowly is told of the cancelling behind those that were on their way.
#[test]
fn a_query_whose_rows_are_taken_slowly_is_cancelled() {
    let server = server();
    let proxy = start(&server, PoolMode::Transaction, true, false);
    let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    client
        .send(
            b'Q',
            b"select repeat('x', 1000) from generate_series(1, 200000)\0",
        )
        .unwrap();
    let mut told = Vec::new();
    for row in 0.. {
        let message = client.read().unwrap();
        match message.tag {
            b'Z' => break,
            b'E' => told.push(message),
            _ if row % 100 == 0 => thread::sleep(LIMIT / 50),
            _ => {}
        }
    }
    assert_eq!(codes(&told), ["57014"]);
    assert!(codes(&client.simple("select 1").unwrap()).is_empty());
}

#[test]
fn a_copy_that_gets_no_data_is_ended() {
    let server = server();
    for (query, idle, state) in [(true, false, "57014"), (false, true, "25P03")] {
        let proxy = start(&server, PoolMode::Transaction, query, idle);
        let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
        client.send(b'Q', b"copy t from stdin\0").unwrap();
        client.send(b'd', b"1\n").unwrap();
        assert_eq!(last_word(&mut client), state);
        is_free(&proxy, &server, "shop");
    }
}

#[test]
fn a_copy_that_gets_its_data_slowly_goes_on() {
    let server = server();
    let proxy = start(&server, PoolMode::Transaction, false, true);
    let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    client.send(b'Q', b"copy t from stdin\0").unwrap();
    let began = Instant::now();
    let mut row = 0;
    while began.elapsed() < 3 * LIMIT {
        row += 1;
        client.send(b'd', format!("{row}\n").as_bytes()).unwrap();
        thread::sleep(LIMIT / 10);
    }
    client.send(b'c', b"").unwrap();
    assert!(codes(&client.until_ready().unwrap()).is_empty());
}

#[test]
fn a_copy_over_shards_that_gets_no_data_is_ended() {
    let server = server_with(2);
    for (query, idle, state) in [(true, false, "57014"), (false, true, "25P03")] {
        let mut settings: Settings = on_one_server(&server, 2, eager());
        for database in &mut settings.databases {
            let limit = |on: bool| if on { LIMIT } else { Duration::ZERO };
            database.pool.query_timeout = limit(query);
            database.pool.idle_transaction_timeout = limit(idle);
        }
        let name = settings.databases[0].topology.database.clone();
        let proxy = TestProxy::start(settings);
        let mut client = RawClient::trust(proxy.address, server.user(), &name).unwrap();
        client
            .send(b'Q', b"copy accounts (id, balance) from stdin\0")
            .unwrap();
        client.send(b'd', b"901\t1\n").unwrap();
        assert_eq!(last_word(&mut client), state);
    }
}

#[test]
fn who_sends_no_sync_sits_in_a_transaction() {
    let server = server();
    let proxy = start(&server, PoolMode::Transaction, false, true);
    let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    client
        .send(b'P', b"\0insert into t values (1)\0\0\0")
        .unwrap();
    client.send(b'B', &[0; 8]).unwrap();
    client.send(b'E', &[0; 5]).unwrap();
    client.send(b'H', b"").unwrap();
    assert_eq!(last_word(&mut client), "25P03");
    is_free(&proxy, &server, "shop");
    let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    client.simple("begin").unwrap();
    assert_eq!(last_word(&mut client), "25P03");
    is_free(&proxy, &server, "shop");
}
