//! How long a query or a silence may last.

use std::time::{Duration, Instant};

use router_proxy::settings::PoolSettings;

use super::{World, bind, execute, parse, seen, simple, sync};

/// A query that runs for too long is cancelled although its client waits in silence.
#[test]
fn a_query_that_takes_too_long_is_cancelled() {
    let world = World::start(PoolSettings {
        query_timeout: Duration::from_secs(1),
        ..PoolSettings::default()
    });
    let mut client = world.connect();
    for sql in ["select pg_sleep(25)", "select 1; select pg_sleep(25)"] {
        assert_eq!(simple(&mut client, sql).last().unwrap(), "57014", "{sql}");
    }
    parse(&mut client, "", b"select pg_sleep(25)");
    bind(&mut client, "", "");
    execute(&mut client, "");
    assert_eq!(sync(&mut client), ["57014"]);
    assert_eq!(simple(&mut client, "select 1"), ["1"]);
}

/// Each of several queries that a client sends at once has a time of its own.
#[test]
fn queries_sent_at_once_are_timed_one_by_one() {
    let world = World::start(PoolSettings {
        query_timeout: Duration::from_millis(1500),
        ..PoolSettings::default()
    });
    let mut client = world.connect();
    let mut all_at_once = |sql: &str, times: usize| -> Vec<String> {
        for _ in 0..times {
            parse(&mut client, "", sql.as_bytes());
            bind(&mut client, "", "");
            execute(&mut client, "");
            client.send(b'S', b"").unwrap();
        }
        (0..times)
            .flat_map(|_| seen(&client.until_ready().expect("an answer")))
            .collect()
    };
    assert_eq!(all_at_once("select 7 from pg_sleep(0.1)", 20), ["7"; 20]);
    assert_eq!(all_at_once("select pg_sleep(25)", 2), ["57014"; 2]);
}

/// A client that has been answered, and does not end its pipeline, holds locks like one that does not end its transaction.
#[test]
fn a_pipeline_that_is_not_ended_is_an_idle_transaction() {
    let world = World::start(PoolSettings {
        idle_transaction_timeout: Duration::from_millis(300),
        ..PoolSettings::default()
    });
    let mut client = world.connect();
    parse(&mut client, "", b"select pg_advisory_xact_lock(1)");
    bind(&mut client, "", "");
    execute(&mut client, "");
    client.send(b'H', b"").unwrap();
    let error = loop {
        if let Some(error) = client.read().expect("it is told why").error() {
            break error;
        }
    };
    assert_eq!(error.code, "25P03");
    assert_eq!(simple(&mut world.connect(), "select 1"), ["1"]);
}

/// A client's `idle_session_timeout` is no other's: the connection lies in the pool without it.
#[test]
fn nobody_gets_a_connection_that_another_clients_setting_ends() {
    const LIMIT: Duration = Duration::from_millis(300);
    for startup in [&[][..], &[("idle_session_timeout", "300ms")]] {
        let world = World::start(PoolSettings::default());
        let mut one = world.connect_with(startup);
        if startup.is_empty() {
            simple(&mut one, "set idle_session_timeout = '300ms'");
        }
        assert_eq!(simple(&mut one, "show idle_session_timeout"), ["300ms"]);
        let mut direct = world.direct();
        let backend = simple(&mut one, "select pg_backend_pid()").remove(0);
        let pooled = format!("select count(*) from pg_stat_activity where pid = {backend}");
        let asked = Instant::now();
        while asked.elapsed() < 4 * LIMIT {
            assert_eq!(simple(&mut direct, &pooled), ["1"]);
        }
        assert_eq!(simple(&mut one, "show idle_session_timeout"), ["300ms"]);
        let mut other = world.connect();
        assert_eq!(simple(&mut other, "show idle_session_timeout"), ["0"]);
    }
}
