//! Transactions that somebody left prepared, found and finished by the sweeper.

use std::time::Duration;

use local_postgres::Server;
use router_core::twophase::{Place, TransactionId, statements};
use router_proxy::settings::TwoPhaseSettings;
use shunt_tests::patience::await_that;
use shunt_tests::proxy::TestProxy;
use shunt_tests::shards::{eager, on_one_server, server_with};

/// A transaction whose coordinator is `bank0`, as `s0`.
fn transaction(server: &Server, unique: u128) -> TransactionId {
    let row = server.execute("bank0", statements::IDENTIFY).unwrap();
    let fields: Vec<_> = row.split('|').collect();
    TransactionId::new("bank", "s0", Place::new(fields[0], fields[1]), unique)
}

fn prepare(server: &Server, database: &str, account: u128, gid: &str) {
    let sql =
        format!("begin; insert into accounts (id) values ({account}); prepare transaction '{gid}'");
    server.execute(database, &sql).unwrap();
}

fn decide(server: &Server, id: &TransactionId, committed: bool) {
    let sql = format!("insert into shunt.decisions values ('{id}', {committed}, '{{s1}}')");
    server.execute("bank0", &sql).unwrap();
}

fn accounts(server: &Server, database: &str) -> String {
    let sql = "select coalesce(string_agg(id::text, ',' order by id), '') from accounts";
    server.execute(database, sql).unwrap()
}

fn prepared(server: &Server) -> String {
    let sql = "select coalesce(string_agg(gid, ' ' order by gid), '') from pg_prepared_xacts";
    server.execute("postgres", sql).unwrap()
}

fn decisions(server: &Server) -> String {
    let sql = "select coalesce(string_agg(id || '=' || committed, ' ' order by id), '') from shunt.decisions";
    server.execute("bank0", sql).unwrap()
}

fn bank() -> Server {
    let server = server_with(3);
    for sql in [statements::CREATE_SCHEMA, statements::CREATE_TABLE] {
        server.execute("bank0", sql).unwrap();
    }
    server
}

#[test]
fn decisions_are_carried_out_and_what_is_undecided_is_rolled_back() {
    let server = bank();
    let (one, two, three) = (
        transaction(&server, 1),
        transaction(&server, 2),
        transaction(&server, 3),
    );
    for (id, account) in [(&one, 1), (&two, 2), (&three, 3)] {
        prepare(&server, "bank1", account, id.part(1).as_str());
        prepare(&server, "bank2", account, id.part(2).as_str());
    }
    decide(&server, &one, true);
    decide(&server, &two, false);
    let proxy = TestProxy::start(on_one_server(&server, 3, eager()));
    await_that("all are finished", || prepared(&server).is_empty());
    assert_eq!(accounts(&server, "bank1"), "1");
    assert_eq!(accounts(&server, "bank2"), "1");
    assert_eq!(
        decisions(&server),
        format!("{one}=true {two}=false {three}=false")
    );
    drop(proxy);
}

#[test]
fn a_coordinator_that_is_about_to_commit_is_waited_for() {
    let server = bank();
    let id = transaction(&server, 7);
    prepare(&server, "bank1", 1, id.part(1).as_str());
    let mut coordinator = server.psql("bank0");
    let mut process = coordinator
        .args(["-q", "-v", "ON_ERROR_STOP=1"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let sql = format!(
        "begin; insert into accounts (id) values (3); insert into shunt.decisions values ('{id}', true, '{{s1}}');\n"
    );
    std::io::Write::write_all(&mut input, sql.as_bytes()).unwrap();
    await_that("the coordinator has written", || {
        let sql = "select count(*) from pg_stat_activity where state = 'idle in transaction'";
        server.execute("postgres", sql).unwrap() == "1"
    });
    let proxy = TestProxy::start(on_one_server(&server, 3, eager()));
    await_that("the sweeper waits for it", || {
        let sql = "select count(*) from pg_stat_activity where application_name = 'shunt two-phase' and wait_event_type = 'Lock'";
        server.execute("postgres", sql).unwrap() == "1"
    });
    assert_eq!(prepared(&server), id.part(1).to_string());
    std::io::Write::write_all(&mut input, b"commit;\n").unwrap();
    drop(input);
    assert!(process.wait().unwrap().success());
    await_that("it is committed", || prepared(&server).is_empty());
    assert_eq!(accounts(&server, "bank1"), "1");
    assert_eq!(accounts(&server, "bank0"), "3");
    drop(proxy);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let server = bank();
    let id = transaction(&server, 1);
    let text = id.to_string();
    let others = [
        "an application's own".to_owned(),
        format!("{text}:x"),
        // Another database of the router, a shard that is not configured, another server.
        format!("{}:1", text.replace(":bank:", ":other:")),
        format!("{}:1", text.replace(":s0:", ":s9:")),
        TransactionId::new("bank", "s0", Place(1), 1)
            .part(1)
            .to_string(),
    ];
    for (account, gid) in others.iter().enumerate() {
        let gid = gid.replace('\'', "''");
        prepare(&server, "bank1", account as u128, &gid);
    }
    prepare(&server, "bank1", 100, id.part(1).as_str());
    let proxy = TestProxy::start(on_one_server(&server, 3, eager()));
    await_that("ours is finished", || {
        !prepared(&server).contains(id.part(1).as_str())
    });
    let left = prepared(&server);
    for gid in &others {
        assert!(left.contains(gid.as_str()), "{gid} is not in {left}");
    }
    drop(proxy);
}

#[test]
fn young_ones_are_left_to_whoever_prepared_them() {
    let server = bank();
    let (old, young) = (transaction(&server, 1), transaction(&server, 2));
    prepare(&server, "bank1", 1, old.part(1).as_str());
    await_that("it has some age", || {
        let sql = "select now() - prepared > interval '2 seconds' from pg_prepared_xacts";
        server.execute("postgres", sql).unwrap() == "t"
    });
    prepare(&server, "bank1", 2, young.part(1).as_str());
    let settings = TwoPhaseSettings {
        grace: Duration::from_millis(1_900),
        ..eager()
    };
    let proxy = TestProxy::start(on_one_server(&server, 3, settings));
    await_that("the old one is finished", || {
        !prepared(&server).contains(old.as_str())
    });
    let age = "select extract(epoch from now() - prepared) from pg_prepared_xacts";
    let age = server.execute("postgres", age).unwrap();
    if age.parse::<f64>().is_ok_and(|age| age < 1.5) {
        assert_eq!(prepared(&server), young.part(1).to_string());
    }
    await_that("so is the young one", || prepared(&server).is_empty());
    drop(proxy);
}

#[test]
fn decisions_go_when_nobody_needs_them() {
    let server = bank();
    let (done, waiting) = (transaction(&server, 1), transaction(&server, 2));
    decide(&server, &done, true);
    decide(&server, &waiting, true);
    // Its shard is not in the configuration any more: who knows what is prepared there.
    let gone = transaction(&server, 3);
    let sql = format!("insert into shunt.decisions values ('{gone}', true, '{{gone}}')");
    server.execute("bank0", &sql).unwrap();
    prepare(&server, "bank1", 2, waiting.part(1).as_str());
    let settings = TwoPhaseSettings {
        retention: Duration::ZERO,
        grace: Duration::from_secs(3600),
        ..eager()
    };
    let proxy = TestProxy::start(on_one_server(&server, 3, settings));
    await_that("what is finished is forgotten", || {
        !decisions(&server).contains(done.as_str())
    });
    assert_eq!(decisions(&server), format!("{waiting}=true {gone}=true"));
    drop(proxy);
}

#[test]
fn parts_of_other_roles_are_finished_as_their_owners() {
    let server = bank();
    server
        .execute("postgres", "create role clerk login; create role app login")
        .unwrap();
    for shard in ["bank0", "bank1", "bank2"] {
        let sql = "grant all on accounts to clerk, app; grant all on schema public to clerk, app";
        server.execute(shard, sql).unwrap();
    }
    server
        .execute(
            "bank0",
            "grant usage on schema shunt to app; grant all on shunt.decisions to app",
        )
        .unwrap();
    let id = transaction(&server, 1);
    let sql = format!(
        "set session authorization clerk; begin; insert into accounts (id) values (1); prepare transaction '{}'",
        id.part(1)
    );
    server.execute("bank1", &sql).unwrap();
    decide(&server, &id, true);
    let mut settings = on_one_server(&server, 3, eager());
    for shard in &mut settings.databases[0].shards {
        shard.primary.user = "app".into();
    }
    let mut clerk = settings.users[0].clone();
    clerk.name = "cashier".into();
    clerk.server_user = Some("clerk".into());
    settings.users.push(clerk);
    let proxy = TestProxy::start(settings);
    await_that("it is finished", || prepared(&server).is_empty());
    assert_eq!(accounts(&server, "bank1"), "1");
    drop(proxy);
}
