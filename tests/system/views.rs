//! Views over sharded tables that are written out: by the query that they have now, with the rights that they give.

use local_postgres::Server;
use router_proxy::settings::TwoPhaseSettings;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{Message, RawClient};
use shunt_tests::shards::{on_one_server, server_with};

const DATABASES: [&str; 3] = ["bank0", "bank1", "bank2"];

/// Three shards with six accounts, and a view `low` of some of them.
fn start() -> (Server, TestProxy) {
    let server = server_with(3);
    for database in DATABASES {
        let sql = "create view low as select id, balance from accounts where id < 4";
        server.execute(database, sql).unwrap();
    }
    let proxy = TestProxy::start(on_one_server(&server, 3, TwoPhaseSettings::default()));
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let rows =
        "insert into accounts (id, balance) values (1,10),(2,20),(3,30),(4,40),(5,50),(6,60)";
    assert_eq!(said(&mut client, rows, false), ["tag INSERT 0 6"]);
    (server, proxy)
}

/// The answer of a statement by the simple or the extended protocol: rows and tag, or state and message of its error.
fn said(client: &mut RawClient, sql: &str, extended: bool) -> Vec<String> {
    let messages = match extended {
        true => client.extended(sql, &[], false),
        false => client.simple(sql),
    }
    .unwrap();
    match messages.iter().find_map(|message| message.error()) {
        Some(error) => vec![error.code, error.message],
        None => {
            let line = |message: &Message| match message.tag {
                b'D' => {
                    let values = message.columns().into_iter().flatten();
                    let values = values.map(|value| String::from_utf8(value).unwrap());
                    Some(format!("row {}", values.collect::<Vec<_>>().join("|")))
                }
                b'C' => Some(format!("tag {}", message.text())),
                _ => None,
            };
            messages.iter().filter_map(line).collect()
        }
    }
}

/// Reads of the view over several shards, in every way that views are written out, with what they give of these accounts.
fn reads(ids: [i64; 3]) -> Vec<(&'static str, Vec<String>)> {
    let row = |id: i64| format!("row {id}");
    let mut down = ids.map(row);
    down.reverse();
    vec![
        ("select id from low order by id desc", down.to_vec()),
        ("select max(id) + 0 from low", vec![row(ids[2])]),
        (
            "select count(*) from low where id <> 2 + 3",
            vec![row(if ids.contains(&5) { 2 } else { 3 })],
        ),
        (
            "select min(a.id) from low a join low b on a.balance = b.balance",
            vec![row(ids[0])],
        ),
    ]
}

#[test]
fn a_view_that_somebody_else_has_replaced_is_not_read_by_its_old_query() {
    let (server, proxy) = start();
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    for extended in [false, true] {
        for (at, (sql, _)) in reads([1, 2, 3]).into_iter().enumerate() {
            // The view as it is known, then another one: each of the reads meets it first.
            for (ids, condition) in [([1, 2, 3], "id < 4"), ([4, 5, 6], "id > 3")] {
                for database in DATABASES {
                    let replace = format!(
                        "create or replace view low as select id, balance from accounts where {condition}"
                    );
                    server.execute(database, &replace).unwrap();
                }
                let told = said(&mut client, sql, extended);
                let right = &reads(ids)[at].1;
                if told[0] != "SH033" {
                    assert_eq!(&told[..right.len()], right, "{sql}");
                }
                // By then it is known.
                for (sql, right) in reads(ids) {
                    let told = said(&mut client, sql, extended);
                    assert_eq!(&told[..right.len()], right, "{sql}");
                }
            }
            assert_eq!(
                said(&mut client, sql, extended).len(),
                reads([4, 5, 6])[at].1.len() + 1
            );
        }
    }
    // The error is told, and in a transaction fails it.
    for database in DATABASES {
        let replace = "create or replace view low as select id, balance from accounts where id < 3";
        server.execute(database, replace).unwrap();
    }
    said(&mut client, "begin", false);
    assert_eq!(
        said(&mut client, "select id from low order by id", false)[0],
        "SH033"
    );
    assert_eq!(said(&mut client, "select 1", false)[0], "25P02");
    said(&mut client, "rollback", false);
    assert_eq!(
        said(&mut client, "select id from low order by id", false),
        ["row 1", "row 2", "tag SELECT 2"]
    );
}

#[test]
fn a_view_is_read_with_the_rights_that_it_gives() {
    let (server, proxy) = start();
    let sql = "create role viewer; create role clerk; create role reader";
    server.execute("postgres", sql).unwrap();
    for database in DATABASES {
        let sql =
            "grant select on low to viewer, reader; grant select on accounts to clerk, reader";
        server.execute(database, sql).unwrap();
    }
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    for extended in [false, true] {
        for role in ["viewer", "clerk", "reader"] {
            said(&mut client, &format!("set role {role}"), false);
            // One shard reads it by itself.
            let one = said(
                &mut client,
                "select balance from low where id = 2",
                extended,
            );
            assert_eq!(one[0], if role == "clerk" { "42501" } else { "row 20" });
            for (sql, right) in reads([1, 2, 3]) {
                let told = said(&mut client, sql, extended);
                match role {
                    "viewer" if told[0] == "SH020" => {
                        assert!(sql != "select count(*) from low where id <> 2 + 3", "{sql}");
                    }
                    "clerk" => {
                        assert_eq!(told, ["42501", "permission denied for view low"], "{sql}")
                    }
                    _ => assert_eq!(&told[..right.len()], right, "{role}: {sql}"),
                }
            }
        }
        said(&mut client, "set role viewer", false);
        let ordered = said(&mut client, "select id from low order by id", extended);
        assert_eq!(ordered[0], "SH020");
    }
}

/// A materialized view of tables that are whole on a shard is kept on one, whatever it is read together with.
#[test]
fn a_materialized_view_of_reference_tables_is_read() {
    let (server, proxy) = start();
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    for (sql, tag) in [
        (
            "insert into copies values (1,'a'),(2,'b'),(20,'c')",
            "INSERT 0 3",
        ),
        (
            "create materialized view kept as select id, upper(name) as name from copies",
            "SELECT 3",
        ),
        ("create unique index kept_id on kept (id)", "CREATE INDEX"),
        (
            "create view over as select id from kept where id > 1",
            "CREATE VIEW",
        ),
        ("insert into copies values (3,'d')", "INSERT 0 1"),
    ] {
        assert_eq!(
            said(&mut client, sql, false),
            [format!("tag {tag}")],
            "{sql}"
        );
    }
    let joined = "select a.id, k.name from accounts a join kept k on k.id = a.id order by a.id";
    let matched = "select k.id from kept k join accounts a on a.balance = k.id";
    for extended in [false, true] {
        let mut says = |sql: &str| said(&mut client, sql, extended);
        assert_eq!(says("select count(*) from kept")[0], "row 3");
        assert_eq!(says("select count(*) from over")[0], "row 2");
        assert_eq!(says(joined), ["row 1|A", "row 2|B", "tag SELECT 2"]);
        assert_eq!(says(matched), ["row 20", "tag SELECT 1"]);
        assert_eq!(says("delete from kept where id = 1")[0], "42809");
    }
    for (sql, tag) in [
        (
            "refresh materialized view concurrently kept",
            "REFRESH MATERIALIZED VIEW",
        ),
        (
            "alter materialized view kept rename to stored",
            "ALTER MATERIALIZED VIEW",
        ),
    ] {
        assert_eq!(
            said(&mut client, sql, false),
            [format!("tag {tag}")],
            "{sql}"
        );
    }
    assert_eq!(
        said(&mut client, "select count(*) from stored", true)[0],
        "row 4"
    );
    let spread = "create materialized view spread as select id from accounts";
    assert_eq!(said(&mut client, spread, false)[0], "SH015");
    assert_eq!(
        said(&mut client, "drop view over", false),
        ["tag DROP VIEW"]
    );
    let drop = "drop materialized view stored";
    assert_eq!(
        said(&mut client, drop, false),
        ["tag DROP MATERIALIZED VIEW"]
    );
}
