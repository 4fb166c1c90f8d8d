//! Tables that inherit and partitions: a tree lives in one way.

use super::{ask, connect, on_both, start};

#[tokio::test]
async fn an_inheritance_tree_lives_in_one_way_or_is_not_read() {
    let (server, proxy) = start();
    on_both(
        &server,
        "create table below () inherits (users);
         create table above (id bigint);
         create table alone (id bigint) partition by range (id);
         create table alone_1 partition of alone for values from (0) to (100);
         alter table app.users inherit above;
         insert into below values (7, 'b');
         insert into app.users values (8, 'c')",
    );
    let client = connect(&proxy, &server).await;
    // Every shard has its rows of the tree below a sharded table.
    assert_eq!(
        ask(&client, "select id from users").await.unwrap(),
        ["7", "7"]
    );
    // What inherits from it is spread as it is.
    assert_eq!(
        ask(&client, "select id from public.below").await.unwrap(),
        ["7", "7"]
    );
    // One shard's rows of an unlisted table that holds rows of a sharded one would be a wrong answer.
    for sql in ["select id from above", "delete from above"] {
        let answer = ask(&client, sql).await;
        assert_eq!(answer, Err("SH020".to_owned()), "{sql}");
    }
    // A tree that nobody lists lives on the default shard, whole.
    assert_eq!(
        ask(
            &client,
            "insert into alone values (1); select id from alone_1"
        )
        .await
        .unwrap(),
        ["1"]
    );
}

#[tokio::test]
async fn a_partition_is_spread_as_its_table_is() {
    let (server, proxy) = start();
    on_both(
        &server,
        "create table events (id bigint, at int, primary key (id, at)) partition by range (at);
         create table events_1 partition of events for values from (0) to (10);
         create table events_2 partition of events for values from (10) to (100) partition by range (at);
         create table events_2a partition of events_2 for values from (10) to (20);
         create view late as select id, at from events where at > 5",
    );
    let client = connect(&proxy, &server).await;
    ask(
        &client,
        "insert into events values (1, 1), (2, 1), (1, 12), (2, 12)",
    )
    .await
    .unwrap();
    // By its key, whichever table of the tree is named.
    ask(&client, "insert into events_1 values (3, 9)")
        .await
        .unwrap();
    for (sql, rows) in [
        ("select at from events_1 where id = 3", &["9"][..]),
        ("select at from events where id = 3", &["9"]),
        ("select id from events_2a where id = 2", &["2"]),
        (
            "select id from events_2 where id in (1, 2) order by id",
            &["1", "2"],
        ),
        ("select id from late where id = 3", &["3"]),
        (
            "update events_2a set at = 13 where id = 1; select at from events where id = 1 and at > 9",
            &["13"],
        ),
    ] {
        assert_eq!(ask(&client, sql).await.unwrap(), rows, "{sql}");
    }
    for (shard, count) in [("shop0", "2"), ("shop1", "3")] {
        let found = server
            .execute(shard, "select count(*) from events")
            .unwrap();
        assert_eq!(found.trim(), count);
    }
}
