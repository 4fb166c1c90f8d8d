//! Statements find their shards, and what is wrong with one is one error.

use tokio_postgres::SimpleQueryMessage;

use shunt_tests::driver::fails;

use super::{Shop, ask, filled};

#[tokio::test]
async fn statements_find_their_shards() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    assert_eq!(
        shop.on(
            "shop0",
            "select string_agg(id::text, ',' order by id) from users"
        ),
        "2,4,6"
    );
    assert_eq!(
        shop.on(
            "shop1",
            "select string_agg(id::text, ',' order by id) from users"
        ),
        "1,3,5"
    );
    assert_eq!(
        ask(&client, "select name from users where id = 3").await,
        ["user 3"]
    );
    assert_eq!(
        ask(&client, "select id from users").await,
        ["1", "2", "3", "4", "5", "6"]
    );
    assert_eq!(
        ask(&client, "select id from users where id in (1, 2)").await,
        ["1", "2"]
    );
    // The extended protocol, with the key as a parameter, text and binary.
    let one = client
        .prepare("select name from users where id = $1")
        .await
        .unwrap();
    for id in 1..=6i64 {
        let row = client.query_one(&one, &[&id]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), format!("user {id}"));
    }
    let all = client
        .query("select id from users where name <> $1", &[&"user 2"])
        .await
        .unwrap();
    assert_eq!(all.len(), 5);
    assert_eq!(
        client
            .execute("update users set name = 'x' where id = $1", &[&4i64])
            .await
            .unwrap(),
        1
    );
    assert_eq!(shop.on("shop0", "select name from users where id = 4"), "x");
}

#[tokio::test]
async fn an_error_on_one_shard_is_one_error() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    for _ in 0..3 {
        assert_eq!(
            fails(&client, "select 1 / (id - 3) from users").await,
            "22012"
        );
        assert!(
            client
                .query("select 1 / (id - $1) from users", &[&3i64])
                .await
                .is_err()
        );
        assert_eq!(
            ask(&client, "select id from users where id < 3").await,
            ["1", "2"]
        );
    }
    assert_eq!(
        fails(&client, "update users set id = 1 / (id - 3)").await,
        "22012"
    );
    assert_eq!(fails(&client, "select * from nowhere").await, "42P01");
    assert_eq!(fails(&client, "select * from far").await, "SH001");
}

/// What is no command at all is the syntax error that one PostgreSQL would give, before anything of the string runs.
#[tokio::test]
async fn a_mistyped_command_is_a_syntax_error() {
    let shop = Shop::start();
    let client = shop.connect().await;
    for text in [
        "selct 1",
        "insert into users values (2, 'ann'); selct 1",
        "begin; insert into users values (2, 'ann'); commit; (selct 1)",
    ] {
        let error = client.simple_query(text).await.unwrap_err();
        let error = error.as_db_error().expect("an error of the database");
        assert_eq!(error.code().code(), "42601", "{text}");
        assert_eq!(error.message(), "syntax error at or near \"selct\"");
    }
    let error = client.prepare("selct $1").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42601");
    let count = "select count(*) from users";
    assert_eq!(shop.server.execute("shop0", count).unwrap(), "0");
}

/// Whoever asks for the plan of a statement sees its values, and where they lead.
#[tokio::test]
async fn the_plan_shows_the_values_of_its_statement() {
    let shop = Shop::start();
    let client = shop.connect().await;
    let plan = client
        .simple_query("explain (shunt) select * from users where id = 7")
        .await
        .unwrap();
    let lines: Vec<&str> = plan
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    assert_eq!(lines[0], "one shard: by_user(7)");
    assert_eq!(lines[1], "  now: s1");
}

#[tokio::test]
async fn texts_in_another_encoding_are_refused() {
    let shop = Shop::start();
    let client = shop.connect().await;
    ask(&client, "SET client_encoding TO latin1").await;
    ask(&client, "INSERT INTO users VALUES (1, 'plain')").await;
    // In LATIN1 these bytes are other characters than in UTF-8, in which the router would read them.
    let refused = fails(&client, "INSERT INTO users VALUES (2, 'é')").await;
    assert_eq!(refused, "SH002");
    let named = client
        .query("SELECT name FROM users WHERE id = $1", &[&1i64])
        .await
        .expect("a binary number is no text");
    assert_eq!(named[0].get::<_, &str>(0), "plain");
    let bound = client
        .execute("UPDATE users SET name = $1 WHERE id = 1", &[&"é"])
        .await
        .expect_err("a text that is read otherwise");
    assert_eq!(bound.code().expect("a state").code(), "SH002");
    ask(&client, "SET client_encoding TO utf8").await;
    ask(&client, "INSERT INTO users VALUES (2, 'é')").await;
}
