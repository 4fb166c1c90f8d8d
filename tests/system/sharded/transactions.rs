//! Transactions over both shards, and tables that move under clients that stay.

use shunt_tests::proxy::with_databases;

use shunt_tests::driver::fails;

use super::{Shop, ask, filled};

#[tokio::test]
async fn transactions_reach_over_shards() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    let other = shop.connect().await;
    client.simple_query("begin").await.unwrap();
    assert_eq!(
        ask(&client, "select name from users where id = 1").await,
        ["user 1"]
    );
    client.simple_query("savepoint a").await.unwrap();
    client
        .simple_query("update users set name = 'b' where id = 2")
        .await
        .unwrap();
    assert_eq!(ask(&client, "select id from users").await.len(), 6);
    // A second shard that is written, and fails.
    client
        .simple_query("update users set name = 'b' where id = 3")
        .await
        .unwrap();
    assert_eq!(
        fails(&client, "insert into users (id) values (5)").await,
        "23505"
    );
    assert_eq!(fails(&client, "select 1").await, "25P02");
    client.simple_query("rollback to a").await.unwrap();
    assert_eq!(
        ask(&client, "select name from users where id = 2").await,
        ["user 2"]
    );
    client
        .simple_query("update users set name = 'c' where id = 2")
        .await
        .unwrap();
    client.simple_query("commit").await.unwrap();
    assert_eq!(shop.on("shop0", "select name from users where id = 2"), "c");
    // An error on one shard undoes the other.
    client.simple_query("begin").await.unwrap();
    client
        .simple_query("update users set name = 'd' where id = 2")
        .await
        .unwrap();
    assert_eq!(
        fails(&client, "select 1 / 0 from users where id = 1").await,
        "22012"
    );
    client.simple_query("commit").await.unwrap();
    assert_eq!(shop.on("shop0", "select name from users where id = 2"), "c");
    assert_eq!(ask(&other, "select id from users").await.len(), 6);
}

#[tokio::test]
async fn several_statements_of_one_message_are_all_carried_out_or_none() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    let got = ask(
        &client,
        "select name from users where id = 1; select name from users where id = 2",
    )
    .await;
    assert_eq!(got, ["user 1", "user 2"]);
    client
        .simple_query("begin; insert into users (id, name) values (8, 'h'); commit")
        .await
        .unwrap();
    assert_eq!(shop.on("shop0", "select name from users where id = 8"), "h");
    // The second insert fails, and with it the first; nothing of it stays open.
    let failed = fails(
        &client,
        "insert into users (id, name) values (10, 'j'); select id from users; insert into users (id, name) values (10, 'j')",
    )
    .await;
    assert_eq!(failed, "23505");
    assert_eq!(
        shop.on("shop0", "select count(*) from users where id = 10"),
        "0"
    );
    assert_eq!(ask(&client, "select id from users").await.len(), 7);
}

#[tokio::test]
async fn the_drivers_own_transactions_work() {
    let shop = Shop::start();
    let mut client = filled(&shop).await;
    let transaction = client.transaction().await.unwrap();
    let changed = transaction
        .execute(
            "update users set name = $2 where id = $1",
            &[&5i64, &"five"],
        )
        .await
        .unwrap();
    assert_eq!(changed, 1);
    assert_eq!(
        transaction
            .query("select id from users", &[])
            .await
            .unwrap()
            .len(),
        6
    );
    transaction.rollback().await.unwrap();
    assert_eq!(
        shop.on("shop1", "select name from users where id = 5"),
        "user 5"
    );
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute(
            "update users set name = $2 where id = $1",
            &[&5i64, &"five"],
        )
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(
        shop.on("shop1", "select name from users where id = 5"),
        "five"
    );
}

/// A table that a reload lists, and one that it moves: clients that stay find them, also by what they had prepared.
#[tokio::test]
async fn a_reload_changes_where_tables_live_under_clients_that_stay() {
    let shop = Shop::start();
    let client = shop.connect().await;
    let insert = "insert into far values (1)";
    assert_eq!(fails(&client, insert).await, "SH001");
    let reload = async |far: Option<&str>| {
        let database = Shop::database(&shop.server, far);
        let settings = with_databases(vec![database], shop.server.user());
        let changed = shop.proxy.handle.reload(settings).await.unwrap();
        changed
            .into_iter()
            .map(|change| change.key)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        reload(Some("s0")).await,
        ["databases[shop].tables[public.far]"]
    );
    client.simple_query(insert).await.unwrap();
    let prepared = client.prepare("insert into far values ($1)").await.unwrap();
    client.execute(&prepared, &[&2i64]).await.unwrap();
    // A transaction under way ends where it began.
    client.simple_query("begin").await.unwrap();
    client.execute(&prepared, &[&3i64]).await.unwrap();
    assert_eq!(
        reload(Some("s1")).await,
        ["databases[shop].tables[public.far]"]
    );
    client.execute(&prepared, &[&4i64]).await.unwrap();
    client.simple_query("commit").await.unwrap();
    client.execute(&prepared, &[&5i64]).await.unwrap();
    client
        .simple_query("insert into far values (6)")
        .await
        .unwrap();
    let rows = "select string_agg(id::text, ',' order by id) from far";
    assert_eq!(shop.on("shop0", rows), "1,2,3,4");
    assert_eq!(shop.on("shop1", rows), "5,6");
}
