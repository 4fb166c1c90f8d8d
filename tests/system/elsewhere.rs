//! What is defined through another proxy, or on the servers themselves: it is known soon, though nobody says so.

use std::time::{Duration, Instant};

use local_postgres::Server;
use router_proxy::settings::{TwoPhaseSettings, User};
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::RawClient;
use shunt_tests::shards::{on_one_server, server_with};
use shunt_tests::twin::shown;

const DATABASES: [&str; 3] = ["bank0", "bank1", "bank2"];

/// Far less than the age at which a catalog is read again in any case.
const PATIENCE: Duration = Duration::from_secs(50);

fn proxy(server: &Server) -> TestProxy {
    let mut settings = on_one_server(server, 3, TwoPhaseSettings::default());
    settings.users.push(User {
        name: "operator".into(),
        admin: true,
        ..settings.users[0].clone()
    });
    TestProxy::start(settings)
}

fn client(server: &Server, proxy: &TestProxy) -> RawClient {
    RawClient::trust(proxy.address, server.user(), "bank").unwrap()
}

fn told(client: &mut RawClient, sql: &str) -> Vec<String> {
    shown(&client.simple(sql).unwrap())
}

#[track_caller]
fn works(client: &mut RawClient, sql: &str) -> Vec<String> {
    let told = told(client, sql);
    let error = told.iter().any(|line| line.starts_with("ERROR"));
    assert!(!error, "{sql}: {told:?}");
    told
}

/// Waits until a statement is planned otherwise than it was.
#[track_caller]
fn until_planned_otherwise(client: &mut RawClient, sql: &str, before: &[String]) {
    let until = Instant::now() + PATIENCE;
    while told(client, &format!("explain (shunt) {sql}")) == before {
        assert!(Instant::now() < until, "{sql} is planned as before");
    }
}

#[test]
fn triggers_and_defaults_made_elsewhere_are_known_soon() {
    let server = server_with(3);
    let (north, south) = (proxy(&server), proxy(&server));
    let (mut n, mut s) = (client(&server, &north), client(&server, &south));

    // A trigger that would put rows on other shards than their keys say.
    let insert = "insert into accounts (id) values (51), (52), (53)";
    let before = told(&mut s, &format!("explain (shunt) {insert}"));
    works(
        &mut n,
        "create function next() returns trigger language plpgsql as $$ begin new.id := new.id + 1; return new; end $$",
    );
    works(
        &mut n,
        "create trigger moves before insert on accounts for each row execute function next()",
    );
    until_planned_otherwise(&mut s, insert, &before);
    let refused = told(&mut s, insert);
    assert!(refused[0].starts_with("ERROR SH031"), "{refused:?}");
    assert!(told(&mut n, insert)[0].starts_with("ERROR SH031"));
    // And it is gone.
    let before = told(&mut s, &format!("explain (shunt) {insert}"));
    works(&mut n, "drop trigger moves on accounts");
    until_planned_otherwise(&mut s, insert, &before);
    works(&mut s, insert);

    // A default that would be another value on each copy.
    let insert = "insert into copies (id) values (1), (2), (3)";
    let before = told(&mut s, &format!("explain (shunt) {insert}"));
    for database in DATABASES {
        let sql = "alter table copies add column n int default (random() * 1000000)::int";
        server.execute(database, sql).unwrap();
    }
    until_planned_otherwise(&mut s, insert, &before);
    works(&mut s, insert);
    let copies = DATABASES.map(|database| {
        let sql = "select string_agg(n::text, ' ' order by id) from copies";
        server.execute(database, sql).unwrap()
    });
    assert_eq!(copies[0], copies[1]);
    assert_eq!(copies[0], copies[2]);
}

/// Whoever pauses a database may want to shut its servers down: nothing of the proxy's own keeps a connection there.
#[test]
fn a_paused_database_is_asked_nothing() {
    let server = server_with(3);
    let proxy = proxy(&server);
    let watching = || {
        let sql = "select count(*) from pg_stat_activity where datname like 'bank%' and query like 'WITH temporary AS%'";
        server.execute("postgres", sql).unwrap()
    };
    let until = |wanted: &str| {
        let until = Instant::now() + PATIENCE;
        while watching() != wanted {
            assert!(Instant::now() < until, "{} connections", watching());
        }
    };
    let mut one = client(&server, &proxy);
    works(&mut one, "select count(*) from accounts");
    until("1");
    let mut console = RawClient::trust(proxy.address, "operator", "shunt").unwrap();
    works(&mut console, "PAUSE bank");
    until("0");
    works(&mut console, "RESUME bank");
    works(&mut one, "select count(*) from accounts");
    until("1");
}
