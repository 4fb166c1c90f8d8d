//! What the workers of one proxy share: the connections of a pool.

use std::collections::BTreeSet;
use std::path::Path;

use local_postgres::Server;
use router_proxy::settings::{PoolSettings, TlsMode};
use shunt_tests::patience::await_that;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{Message, RawClient};
use shunt_tests::shards;

use crate::certificates::{Certificates, encrypt};

fn start(server: &Server, max_size: usize, tls: TlsMode) -> TestProxy {
    let pool = PoolSettings {
        max_size,
        ..PoolSettings::default()
    };
    let mut settings = unsharded(server, "postgres", pool);
    settings.databases[0].shards[0].primary.tls = tls;
    TestProxy::start(settings)
}

/// A client on each of the two workers.
fn one_each(proxy: &TestProxy, server: &Server) -> [RawClient; 2] {
    let connect = || RawClient::trust(proxy.address, server.user(), "postgres").unwrap();
    let clients = [connect(), connect()];
    // The number of the worker is in the cancel key.
    let [one, other] = clients
        .each_ref()
        .map(|client| client.key.as_ref().unwrap().0 >> 22);
    assert_ne!(one, other);
    clients
}

/// The first column of the first row.
fn value(said: &[Message]) -> String {
    let row = said.iter().find(|message| message.tag == b'D');
    let row = row.unwrap_or_else(|| panic!("no row: {said:?}"));
    String::from_utf8(row.columns().remove(0).unwrap()).unwrap()
}

/// One connection goes from worker to worker, encrypted or not, and what was prepared on it goes along.
#[test]
fn a_connection_serves_the_clients_of_all_workers() {
    let server = Server::builder().start().unwrap();
    encrypt(&server, &Certificates::new().unwrap()).unwrap();
    for (tls, is_encrypted) in [(TlsMode::Disable, "false"), (TlsMode::Prefer, "true")] {
        let proxy = start(&server, 5, tls);
        let mut clients = one_each(&proxy, &server);
        let mut seen = BTreeSet::new();
        for round in 0..20 {
            for client in &mut clients {
                let which =
                    "select pid || ' ' || ssl::text from pg_stat_ssl where pid = pg_backend_pid()";
                seen.insert(value(&client.extended(which, &[], false).unwrap()));
                // More than one record, either way.
                let long = "x".repeat(20_000 + round);
                let said = client.extended("select $1 || $1", &[Some(&long)], false);
                assert!(value(&said.unwrap()) == long.repeat(2));
            }
        }
        assert_eq!(seen.len(), 1, "one would have done: {seen:?}");
        assert!(seen.first().unwrap().ends_with(is_encrypted), "{seen:?}");
    }
}

/// A connection whose server process has ended while nobody used it is another worker's client's no more than its own's.
#[test]
fn a_connection_that_has_died_in_the_pool_is_given_to_nobody() {
    let server = Server::builder().start().unwrap();
    let proxy = start(&server, 1, TlsMode::Disable);
    let address = ([127, 0, 0, 1], server.port()).into();
    let mut operator = RawClient::trust(address, server.user(), "postgres").unwrap();
    let mut clients = one_each(&proxy, &server);
    for round in 0..20 {
        let process = value(
            &clients[round % 2]
                .simple("select pg_backend_pid()")
                .unwrap(),
        );
        let end = format!("select pg_terminate_backend({process})");
        operator.simple(&end).unwrap();
        let gone = format!("select count(*) from pg_stat_activity where pid = {process}");
        await_that("it ends", || value(&operator.simple(&gone).unwrap()) == "0");
        // It says goodbye to the statistics before its end of the connection is closed.
        let process = format!("/proc/{process}");
        await_that("it is gone", || !Path::new(&process).exists());
        let other = &mut clients[(round + 1) % 2];
        assert_eq!(value(&other.simple("select 7").unwrap()), "7");
    }
}

/// What the clients of both workers define by turns is read over one connection, which goes from worker to worker.
#[test]
fn definitions_of_all_workers_are_read_over_one_connection() {
    let server = shards::server_with(2);
    let proxy = TestProxy::start(shards::on_one_server(&server, 2, Default::default()));
    let connect = || RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let mut clients = [connect(), connect()];
    for round in 0..40 {
        for (at, client) in clients.iter_mut().enumerate() {
            let named = format!("accounts_{at}_{round}");
            // The second statement waits for the reading.
            for sql in [
                format!("create index {named} on accounts (balance)"),
                "select count(*) from accounts a join accounts b on a.balance = b.id".to_owned(),
                format!("drop index {named}"),
            ] {
                let said = client.simple(&sql).unwrap();
                assert!(said.iter().all(|message| message.tag != b'E'), "{said:?}");
            }
        }
    }
}
