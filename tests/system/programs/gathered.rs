//! Rows are gathered on one shard, where the statement is answered.

use router_proxy::settings::GatherLimits;
use tokio_postgres::NoTls;

use shunt_tests::driver::{ask, connect, fails};

use super::World;

#[tokio::test]
async fn rows_are_gathered_where_the_answer_is_found() {
    let world = World::start();
    world.fill(100);
    let client = world.connect().await;
    let join = "select u.name, sum(o.total) from users u join orders o on o.user_id = u.id \
                where u.id <= 3 group by u.name order by u.name";
    let expected = ["user 1|4.5", "user 2|10.5", "user 3|16.5"];
    assert_eq!(ask(&client, join).await, expected);
    // A transaction sees what it has written itself, and keeps nothing of the gathering.
    let changed = [
        "begin",
        "update orders set total = 100 where id = 1",
        join,
        join,
    ];
    for sql in &changed[..2] {
        client.simple_query(sql).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(
            ask(&client, join).await,
            ["user 1|103.0", "user 2|10.5", "user 3|16.5"]
        );
    }
    client.simple_query("commit").await.unwrap();
    for isolation in ["read committed", "repeatable read"] {
        let begin = format!("begin transaction isolation level {isolation} read only");
        client.simple_query(&begin).await.unwrap();
        assert_eq!(ask(&client, join).await.len(), 3);
        assert_eq!(ask(&client, join).await.len(), 3);
        client.simple_query("commit").await.unwrap();
    }
    let left = "select count(*) from pg_class where relname like 'shunt%'";
    assert_eq!(world.server.execute("s0", left).unwrap(), "0");
    // In a message of several statements.
    let script = format!("begin; {join}; commit; select 1");
    assert_eq!(ask(&client, &script).await.len(), 4);
    // An error of any step fails the statement, and the transaction around it.
    let wrong =
        "select count(*) from users u join orders o on o.user_id = u.id where 1 / (u.id - 50) = 0";
    assert_eq!(fails(&client, wrong).await, "22012");
    client.simple_query("begin").await.unwrap();
    assert_eq!(fails(&client, wrong).await, "22012");
    assert_eq!(fails(&client, join).await, "25P02");
    client.simple_query("rollback").await.unwrap();
    assert_eq!(ask(&client, join).await.len(), 3);
}

#[tokio::test]
async fn no_more_rows_are_moved_than_the_settings_allow() {
    let limits = GatherLimits {
        rows: 50,
        ..GatherLimits::default()
    };
    let world = World::with(limits, 5);
    world.fill(100);
    let client = world.connect().await;
    let join = "select count(*) from users u join orders o on o.user_id = u.id";
    assert_eq!(fails(&client, join).await, "SH028");
    let few = "select count(*) from users u join orders o on o.user_id = u.id where u.id < 5 and o.id < 5";
    assert_eq!(ask(&client, few).await, ["4"]);
}

#[tokio::test]
async fn a_statement_in_steps_can_be_cancelled() {
    let world = World::start();
    world.fill(100);
    let holder = connect(&world.server.url("s1")).await;
    let lock = "begin; lock table users in access exclusive mode";
    holder.simple_query(lock).await.unwrap();
    let mut client = world.connect().await;
    let join = "select count(*) from users u join orders o on o.user_id = u.id";
    for sql in ["select id from users order by id", join] {
        let cancel = client.cancel_token();
        let running = tokio::spawn(async move {
            let failed = client.simple_query(sql).await;
            (client, failed)
        });
        let blocked = "select count(*) from pg_locks where not granted";
        while world.server.execute("s1", blocked).unwrap() == "0" {
            assert!(!running.is_finished(), "{sql} should wait for the lock");
            tokio::task::yield_now().await;
        }
        cancel.cancel_query(NoTls).await.unwrap();
        let failed;
        (client, failed) = running.await.unwrap();
        let error = failed.expect_err("it was cancelled");
        assert_eq!(error.code().unwrap().code(), "57014");
    }
    holder.simple_query("rollback").await.unwrap();
    assert_eq!(
        ask(&client, "select id from users order by id limit 1").await,
        ["1"]
    );
    assert_eq!(ask(&client, join).await, ["200"]);
}

#[tokio::test]
async fn what_a_transaction_redefines_is_read_as_it_is_by_then() {
    let world = World::start();
    world.fill(30);
    let client = world.connect().await;
    assert_eq!(ask(&client, "select sum(level) from users").await, ["60"]);
    // A column of its own.
    client
        .simple_query("begin; alter table users add column nw int default 5")
        .await
        .unwrap();
    for (sql, expected) in [
        ("select sum(nw) from users", "150"),
        ("select sum(nw), count(*) from users", "150|30"),
        (
            "select max(nw) + min(nw), avg(nw) from users",
            "10|5.0000000000000000",
        ),
        ("select nw, count(*) from users group by nw", "5|30"),
        (
            "select sum(u.nw) from users u join orders o on o.user_id = u.id",
            "300",
        ),
        (
            "select count(distinct nw), sum(distinct nw) from users",
            "1|5",
        ),
        ("select nw from users order by nw, id limit 1", "5"),
        (
            "select sum(nw) over (order by id) from users order by 1 desc limit 1",
            "150",
        ),
    ] {
        assert_eq!(ask(&client, sql).await, [expected], "{sql}");
    }
    client.simple_query("rollback").await.unwrap();
    // A column of another type than the catalog says: sums of integers would be rounded.
    client
        .simple_query("begin; alter table users alter column level type numeric using level + 0.25")
        .await
        .unwrap();
    for sql in [
        "select sum(level) from users",
        "select sum(level), 1 from users",
    ] {
        assert!(ask(&client, sql).await[0].starts_with("66.00"), "{sql}");
    }
    client.simple_query("rollback").await.unwrap();
    // What was written everywhere is committed, also behind reads that take temporary tables.
    for sql in [
        "begin; alter table users add column nw int default 5",
        "select sum(u.nw) over (order by u.id, o.id) from users u join orders o on o.user_id = u.id order by 1 desc limit 1",
        "update users set nw = 6",
        "commit",
    ] {
        client.simple_query(sql).await.unwrap();
    }
    assert_eq!(ask(&client, "select sum(nw) from users").await, ["180"]);
    client
        .simple_query("alter table users drop column nw")
        .await
        .unwrap();
    // In one message as well, and of a script that ends with an error nothing stays.
    let script = "begin; alter table users add column nw int default 2; select sum(nw) from users";
    assert_eq!(ask(&client, script).await, ["60"]);
    client.simple_query("commit").await.unwrap();
    assert_eq!(ask(&client, "select sum(nw) from users").await, ["60"]);
    assert_eq!(ask(&client, "select sum(level) from users").await, ["60"]);
}
