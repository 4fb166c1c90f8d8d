//! Temporary tables of a sharded database: on one shard, on a connection that stays with its client.

use std::collections::HashMap;

use shunt_tests::driver::attempt;
use shunt_tests::proxy::TestProxy;
use shunt_tests::shards::{on_one_server, server_with};

#[tokio::test]
async fn a_temporary_table_is_one_beside_the_others() {
    let server = server_with(3);
    let proxy = TestProxy::start(on_one_server(&server, 3, Default::default()));
    let client = proxy.connect(server.user(), "bank").await;
    let other = proxy.connect(server.user(), "bank").await;
    let steps: &[(&str, Result<&[&str], &str>)] = &[
        (
            "insert into accounts (id, balance) values (1, 10), (2, 20), (3, 30), (4, 40), (5, 50), (6, 60)",
            Ok(&[]),
        ),
        (
            "create temp table picked (id bigint primary key, tag text default 'none')",
            Ok(&[]),
        ),
        (
            "insert into picked values (1, 'a'), (2, 'b'), (4, 'd')",
            Ok(&[]),
        ),
        ("insert into picked (id) values (5)", Ok(&[])),
        ("select tag from picked where id = 2", Ok(&["b"])),
        ("select count(*), max(tag) from picked", Ok(&["4|none"])),
        // Beside sharded tables, read and written.
        (
            "select a.id, p.tag from accounts a join picked p on p.id = a.id order by a.id",
            Ok(&["1|a", "2|b", "4|d", "5|none"]),
        ),
        (
            "select sum(balance) from accounts where id in (select id from picked)",
            Ok(&["120"]),
        ),
        (
            "insert into picked select id, 'more' from accounts where id > 5",
            Ok(&[]),
        ),
        ("select tag from picked where id = 6", Ok(&["more"])),
        (
            "update accounts set balance = balance + 1 from picked p where p.id = accounts.id and p.tag < 'c'",
            Ok(&[]),
        ),
        (
            "select id, balance from accounts where balance % 10 = 1 order by id",
            Ok(&["1|11", "2|21"]),
        ),
        (
            "delete from picked where id in (select id from accounts where balance > 40)",
            Ok(&[]),
        ),
        ("select id from picked order by id", Ok(&["1", "2", "4"])),
        (
            "create temporary table rich as select id, balance from accounts where balance > 30",
            Ok(&[]),
        ),
        ("select id from rich order by id", Ok(&["4", "5", "6"])),
        (
            "create temp table one as select id from accounts where id = 5",
            Ok(&[]),
        ),
        ("select id from one", Ok(&["5"])),
        ("insert into copies select id, tag from picked", Ok(&[])),
        ("select name from copies order by id", Ok(&["a", "b", "d"])),
        // Changed as others are.
        ("alter table picked add column extra int default 3", Ok(&[])),
        ("select sum(extra) from picked", Ok(&["9"])),
        ("create index on picked (extra)", Ok(&[])),
        ("truncate rich", Ok(&[])),
        ("select count(*) from rich", Ok(&["0"])),
        // In transactions.
        (
            "begin; create temp table gone (a int) on commit drop; insert into gone values (7); select a from gone; commit",
            Ok(&["7"]),
        ),
        ("select a from gone", Err("42P01")),
        ("begin", Ok(&[])),
        ("create temp table undone (a int)", Ok(&[])),
        ("insert into undone values (1)", Ok(&[])),
        ("update accounts set balance = 0 where id < 3", Ok(&[])),
        ("select a from undone", Ok(&["1"])),
        ("rollback", Ok(&[])),
        ("select a from undone", Err("42P01")),
        (
            "begin; insert into picked values (9, 'i'); update accounts set note = 'seen'; commit",
            Ok(&[]),
        ),
        (
            "select count(*) from accounts where note = 'seen'",
            Ok(&["6"]),
        ),
        ("select tag from picked where id = 9", Ok(&["i"])),
        // One that hides another.
        ("create temp table accounts (id bigint, word text)", Ok(&[])),
        ("select count(*) from accounts", Ok(&["0"])),
        ("select count(*) from public.accounts", Ok(&["6"])),
        ("insert into accounts values (1, 'mine')", Ok(&[])),
        ("select word from accounts", Ok(&["mine"])),
        ("drop table accounts", Ok(&[])),
        ("select count(*) from accounts", Ok(&["6"])),
        // What is not made.
        (
            "create temp view some as select id from accounts",
            Err("SH018"),
        ),
        (
            "create function pg_temp.two() returns int language sql as 'select 2'",
            Err("SH018"),
        ),
        (
            "create temp table child () inherits (accounts)",
            Err("SH018"),
        ),
        ("drop table picked, rich", Ok(&[])),
        ("select id from picked", Err("42P01")),
        ("select id from one", Ok(&["5"])),
    ];
    let mut wrong = Vec::new();
    for (sql, expected) in steps {
        let expected = expected.map(|rows| rows.iter().map(|row| (*row).to_owned()).collect());
        let expected: Result<Vec<String>, String> = expected.map_err(str::to_owned);
        let found = attempt(&client, sql).await;
        if found != expected {
            wrong.push(format!("{sql}: {found:?}"));
        }
        if sql.starts_with("create temp table accounts") {
            let count = attempt(&other, "select count(*) from accounts").await;
            assert_eq!(count.unwrap(), ["6"]);
            let picked = attempt(&other, "select id from picked").await;
            assert_eq!(picked, Err("42P01".to_owned()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    attempt(&client, "discard all").await.unwrap();
    let one = attempt(&client, "select id from one").await;
    assert_eq!(one, Err("42P01".to_owned()));
}

/// Bound statements find them too, and nobody inherits them.
#[tokio::test]
async fn temporary_tables_are_bound_and_end_with_their_client() {
    let server = server_with(2);
    let proxy = TestProxy::start(on_one_server(&server, 2, Default::default()));
    let mut client = proxy.connect(server.user(), "bank").await;
    let fill = "insert into accounts (id) values (1), (2), (3)";
    attempt(&client, fill).await.unwrap();
    let permanent = "select count(*) from accounts where id > $1";
    let permanent = client.prepare(permanent).await.unwrap();
    let create = "create temp table t (id bigint, data text)";
    client.execute(create, &[]).await.unwrap();
    let insert = client
        .prepare("insert into t values ($1, $2)")
        .await
        .unwrap();
    let words = HashMap::from([(1i64, "one"), (3, "three")]);
    for (id, word) in &words {
        client.execute(&insert, &[id, word]).await.unwrap();
    }
    let joined = "select a.id, t.data from accounts a join t using (id) where a.id >= $1";
    let rows = client.query(joined, &[&1i64]).await.unwrap();
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(words[&row.get::<_, i64>(0)], row.get::<_, &str>(1));
    }
    let transaction = client.transaction().await.unwrap();
    let create = "create temp table accounts (id bigint) on commit drop";
    transaction.execute(create, &[]).await.unwrap();
    let hidden = transaction.query_one(&permanent, &[&0i64]).await.unwrap();
    assert_eq!(hidden.get::<_, i64>(0), 0);
    transaction.commit().await.unwrap();
    let count = client.query_one(&permanent, &[&0i64]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 3);
    drop(client);
    let next = proxy.connect(server.user(), "bank").await;
    for _ in 0..5 {
        let data = attempt(&next, "select data from t").await;
        assert_eq!(data, Err("42P01".to_owned()));
    }
}
