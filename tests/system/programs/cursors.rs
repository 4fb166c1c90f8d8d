//! Cursors over what several shards answer.

use shunt_tests::driver::{ask, fails};

use super::World;

#[tokio::test]
async fn cursors_read_one_shard_or_several() {
    let world = World::start();
    world.fill(20);
    let mut client = world.connect().await;
    client.simple_query("begin").await.unwrap();
    let declare = "declare one cursor for select id from users where id = 5";
    client.simple_query(declare).await.unwrap();
    let declare = "declare \"All\" scroll cursor for select id from users order by id";
    client.simple_query(declare).await.unwrap();
    let declare = "declare pairs cursor for select u.id, count(*) from users u join orders o on o.user_id = u.id \
                   group by u.id order by u.id desc";
    client.simple_query(declare).await.unwrap();
    assert_eq!(ask(&client, "fetch 3 from \"All\"").await, ["1", "2", "3"]);
    assert_eq!(ask(&client, "fetch from one").await, ["5"]);
    assert_eq!(ask(&client, "fetch from one").await, [""; 0]);
    assert_eq!(ask(&client, "fetch 2 pairs").await, ["20|2", "19|2"]);
    client
        .simple_query("delete from users where id = 4")
        .await
        .unwrap();
    let count = "select count(*) from users u join orders o on o.user_id = u.id";
    assert_eq!(ask(&client, count).await, ["38"]);
    assert_eq!(
        ask(&client, "fetch next \"All\"; fetch prior \"All\"").await,
        ["4", "3"]
    );
    assert_eq!(
        ask(&client, "move last from \"All\"; fetch backward 2 \"All\"").await,
        ["19", "18"]
    );
    client.simple_query("close \"All\"").await.unwrap();
    client.simple_query("savepoint s").await.unwrap();
    assert_eq!(fails(&client, "fetch \"All\"").await, "34000");
    client.simple_query("rollback to s").await.unwrap();
    assert_eq!(ask(&client, "fetch 1 pairs").await, ["18|2"]);
    assert_eq!(ask(&client, "fetch backward 1 pairs").await, ["19|2"]);
    let declare_plain = "declare \"cursor\" cursor for select id from users order by id";
    client.simple_query(declare_plain).await.unwrap();
    assert_eq!(
        ask(&client, "fetch 2 \"cursor\"; fetch backward 1 \"cursor\"").await,
        ["1", "2", "1"]
    );
    client.simple_query("close all").await.unwrap();
    client.simple_query("rollback").await.unwrap();
    assert_eq!(fails(&client, declare).await, "25P01");
    // One that outlives its transaction; its tables do not.
    for (begin, end) in [("", ""), ("begin", "commit")] {
        client.simple_query(begin).await.unwrap();
        let declare = "declare kept cursor with hold for select id from users order by id desc";
        client.simple_query(declare).await.unwrap();
        client.simple_query(end).await.unwrap();
        assert_eq!(ask(&client, "fetch 2 from kept").await, ["20", "19"]);
        assert_eq!(
            ask(&client, "select id from users where id = 7").await,
            ["7"]
        );
        assert_eq!(ask(&client, "fetch 1 from kept").await, ["18"]);
        client.simple_query("close kept").await.unwrap();
    }
    let left = "select count(*) from pg_class where relname like 'shunt%'";
    assert_eq!(world.server.execute("s0", left).unwrap(), "0");
    // With parameters, in the extended protocol.
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute(
            "declare c cursor for select id from users where id > 10 order by id",
            &[],
        )
        .await
        .unwrap();
    for first in [11i64, 13] {
        let rows = transaction.query("fetch 2 from c", &[]).await.unwrap();
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(ids, [first, first + 1]);
    }
    transaction.commit().await.unwrap();
}

/// The tables of a cursor are made before the transaction reads only.
#[tokio::test]
async fn a_read_only_transaction_has_a_cursor_over_shards() {
    let world = World::start();
    world.fill(20);
    let client = world.connect().await;
    let declare = "declare c cursor for select u.id, count(*) from users u join orders o on o.user_id = u.id \
                   where u.id > 0 group by u.id order by u.id desc";
    for begin in [
        "begin read only",
        "begin isolation level repeatable read, read only",
        "begin; set transaction read only",
        "begin; set transaction_read_only = on",
        "begin",
    ] {
        if begin == "begin" {
            let set = "set default_transaction_read_only = on";
            client.simple_query(set).await.unwrap();
        }
        client.simple_query(begin).await.unwrap();
        client.simple_query(declare).await.expect(begin);
        assert_eq!(ask(&client, "fetch 2 c").await, ["20|2", "19|2"], "{begin}");
        assert_eq!(ask(&client, "select count(*) from users").await, ["20"]);
        assert_eq!(ask(&client, "fetch 1 c").await, ["18|2"], "{begin}");
        client.simple_query("savepoint s").await.unwrap();
        for id in 1..7 {
            let write = format!("update users set level = 7 where id = {id}");
            assert_eq!(fails(&client, &write).await, "25006", "{begin}");
            client.simple_query("rollback to s").await.unwrap();
        }
        // The scratch server takes part by now.
        let again = declare.replace("declare c", "declare d");
        assert_eq!(fails(&client, &again).await, "SH018", "{begin}");
        client.simple_query("rollback").await.unwrap();
    }
    client
        .simple_query("set default_transaction_read_only = off")
        .await
        .unwrap();
    let left = "select count(*) from users where level = 7";
    assert_eq!(ask(&client, left).await, ["0"]);
}
