//! `shunt.next_id()`: numbers without a round trip, in any statement that puts one number in one place.

use std::collections::HashSet;

use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::shards::on_one_server;
use shunt_tests::twin::{Twins, shown};
use tokio_postgres::{Client, SimpleQueryMessage};

/// The first column of a simple query.
async fn column(client: &Client, sql: &str) -> Vec<i64> {
    let messages = client.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap().parse().unwrap()),
        _ => None,
    });
    rows.collect()
}

/// What holds on any database that has a table `accounts`.
async fn every_call_is_a_number(client: &Client) {
    let mut all: Vec<i64> = Vec::new();
    all.extend(column(client, "select shunt.next_id()").await);
    all.extend(column(client, "select shunt.next_id() as id").await);
    all.extend(column(client, "select shunt.next_id(); select shunt.next_id()").await);
    all.extend(
        column(
            client,
            "insert into accounts (id) values (shunt.next_id()) returning id",
        )
        .await,
    );
    let mut several = column(
        client,
        "insert into accounts (id) values (shunt.next_id()), (shunt.next_id()), (shunt.next_id()), (shunt.next_id()) returning id",
    )
    .await;
    several.sort_unstable();
    all.extend(several);
    all.push(
        client
            .query_one("select shunt.next_id()", &[])
            .await
            .unwrap()
            .get(0),
    );
    let alone = client
        .prepare("select shunt.next_id() as id")
        .await
        .unwrap();
    assert_eq!(alone.columns()[0].name(), "id");
    for _ in 0..3 {
        all.push(client.query_one(&alone, &[]).await.unwrap().get("id"));
    }
    let insert = "insert into accounts (balance, id, note) values ($1, shunt.next_id(), $2) returning id, balance, note";
    let insert = client.prepare(insert).await.unwrap();
    assert_eq!(insert.params().len(), 2);
    for balance in 0..3i64 {
        let row = client.query_one(&insert, &[&balance, &"x"]).await.unwrap();
        assert_eq!((row.get(1), row.get(2)), (balance, "x"));
        all.push(row.get(0));
    }
    let two = "insert into accounts (id, note) values (shunt.next_id(), $1), (shunt.next_id(), $1) returning id";
    let mut two: Vec<i64> = client
        .query(two, &[&"y"])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    two.sort_unstable();
    all.extend(two);
    client.simple_query("begin").await.unwrap();
    all.extend(column(client, "select shunt.next_id()").await);
    all.extend(
        column(
            client,
            "insert into accounts (id) values (shunt.next_id()) returning id",
        )
        .await,
    );
    all.push(
        client
            .query_one(&insert, &[&7i64, &"z"])
            .await
            .unwrap()
            .get(0),
    );
    client.simple_query("commit").await.unwrap();
    assert!(all.is_sorted(), "{all:?}");
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    assert!(all.iter().all(|id| *id > 1 << 59), "{all:?}");
    for refused in [
        "update accounts set note = shunt.next_id()",
        "insert into accounts (id) select shunt.next_id() from generate_series(1, 3)",
        "create table t (id bigint default shunt.next_id())",
        "select shunt.next_id(), generate_series(1, 3)",
    ] {
        let error = client.simple_query(refused).await.expect_err(refused);
        assert_eq!(error.code().unwrap().code(), "SH029", "{refused}");
    }
    let error = client.prepare("select 1 where shunt.next_id() > 0 and exists (select 1 from accounts where id = shunt.next_id())").await;
    assert_eq!(
        error.expect_err("it is refused").code().unwrap().code(),
        "SH029"
    );
}

#[tokio::test]
async fn rows_find_their_shards_by_numbers_of_the_proxy() {
    let twins = Twins::start();
    let client = twins.proxy.connect(twins.server.user(), "bank").await;
    every_call_is_a_number(&client).await;
    // A row is where its number says.
    let mut rows = 0;
    for shard in 0..3 {
        let sql = format!(
            "select count(*) filter (where id % 3 = {shard}), count(*) from accounts where id > 1000"
        );
        let counts = twins.server.execute(&format!("bank{shard}"), &sql).unwrap();
        let (right, all) = counts.split_once('|').unwrap();
        assert_eq!(right, all);
        rows += all.parse::<usize>().unwrap();
    }
    assert_eq!(rows, 12);
    let plan = client
        .simple_query("explain (shunt) insert into accounts (id) values (shunt.next_id())")
        .await;
    assert!(plan.unwrap().len() > 2);
    // A statement of the protocol, executed by SQL.
    let mut pair = twins.connect();
    let insert = "insert into accounts (id, note) values (shunt.next_id(), $1) returning note";
    let mut packet = bytes::BytesMut::new();
    shunt_tests::raw::frame(
        &mut packet,
        b'P',
        &[b"q\0", insert.as_bytes(), b"\0\0\0"].concat(),
    );
    shunt_tests::raw::frame(&mut packet, b'S', b"");
    pair.shards.write(&packet).unwrap();
    pair.shards.until_ready().unwrap();
    for _ in 0..2 {
        assert!(
            pair.ask("execute q('by name')")
                .contains(&"row by name".to_owned())
        );
    }
    assert!(pair.ask("execute q(1, 2)")[0].contains("42601"));
}

#[tokio::test]
async fn an_unsharded_database_has_them_too() {
    let twins = Twins::start();
    let proxy = TestProxy::start(unsharded(&twins.server, "whole", Default::default()));
    let client = proxy.connect(twins.server.user(), "whole").await;
    every_call_is_a_number(&client).await;
    let count = twins
        .server
        .execute("whole", "select count(*) from accounts where id > 1000");
    assert_eq!(count.unwrap(), "12");
}

#[test]
fn clients_of_all_workers_get_different_numbers() {
    let twins = Twins::start();
    let drawn = std::thread::scope(|scope| {
        let draw = || {
            let mut pair = twins.connect();
            let mut numbers = Vec::new();
            for _ in 0..200 {
                let messages = pair.shards.simple("select shunt.next_id()").unwrap();
                numbers.push(shown(&messages)[1].clone());
            }
            numbers
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
        let drawn = clients
            .into_iter()
            .flat_map(|client| client.join().unwrap());
        drawn.collect::<HashSet<_>>()
    });
    assert_eq!(drawn.len(), 800);
}

#[test]
fn a_proxy_that_does_not_know_which_it_is_makes_none() {
    let twins = Twins::start();
    let mut settings = on_one_server(&twins.server, 3, Default::default());
    settings.node = None;
    let proxy = TestProxy::start(settings);
    let user = twins.server.user();
    let mut client = shunt_tests::raw::RawClient::trust(proxy.address, user, "bank").unwrap();
    for sql in [
        "select shunt.next_id()",
        "insert into accounts (id) values (shunt.next_id())",
    ] {
        let said = shown(&client.simple(sql).unwrap());
        assert!(
            said[0].contains("SH029") && said[0].contains("node = 0"),
            "{said:?}"
        );
        let said = shown(&client.extended(sql, &[], false).unwrap());
        assert!(said[0].contains("SH029"), "{said:?}");
    }
}
