//! What a session or a transaction defines itself, it sees at once.

use shunt_tests::driver;

use super::{ask, connect, start};

#[tokio::test]
async fn a_shards_schema_is_changed_and_seen_within_the_session() {
    let (server, proxy) = start();
    let client = connect(&proxy, &server).await;
    ask(&client, "begin").await.unwrap();
    ask(&client, "set shunt.shard = 's0'").await.unwrap();
    ask(&client, "create view half as select id from users")
        .await
        .unwrap();
    ask(&client, "reset shunt.shard").await.unwrap();
    assert_eq!(
        ask(&client, "select id from half").await.unwrap_err(),
        "SH018"
    );
    ask(&client, "rollback").await.unwrap();
    ask(&client, "set shunt.shard = 's0'").await.unwrap();
    ask(&client, "create view half as select id from users")
        .await
        .unwrap();
    ask(&client, "reset shunt.shard").await.unwrap();
    // The other shard has no such view, and says so.
    assert_eq!(
        ask(&client, "select id from half").await.unwrap_err(),
        "42P01"
    );
}

/// What a transaction has defined, it sees at once, and nobody else does.
#[tokio::test]
async fn a_transaction_sees_what_it_has_defined() {
    let (server, proxy) = start();
    let client = connect(&proxy, &server).await;
    let other = connect(&proxy, &server).await;
    let fill = "insert into users values (1, 'a'), (2, 'b'), (3, 'c')";
    ask(&client, fill).await.unwrap();
    let steps: &[(&str, Result<&[&str], &str>)] = &[
        ("begin", Ok(&[])),
        // A table that is not listed, on the default shard; and a listed one.
        ("create table made (a int, primary key (a))", Ok(&[])),
        ("insert into made values (7), (8)", Ok(&[])),
        ("select a from made", Ok(&["7", "8"])),
        (
            "create table events (id bigint primary key, at int)",
            Ok(&[]),
        ),
        (
            "insert into events values (1, 10), (2, 20), (3, 30)",
            Ok(&[]),
        ),
        ("select at from events where id = 2", Ok(&["20"])),
        ("select sum(at) from events", Ok(&["60"])),
        ("update events set at = at + 1 where id in (1, 2)", Ok(&[])),
        (
            "select at from events order by at desc limit 1",
            Ok(&["30"]),
        ),
        (
            "create table copied as select id from users where id > 1",
            Ok(&[]),
        ),
        ("select id from copied", Ok(&["2", "3"])),
        ("insert into made select id from events", Ok(&[])),
        ("select count(*) from made", Ok(&["5"])),
        // Views, also anew, and columns.
        (
            "create view seen as select id, name from users where id > 1",
            Ok(&[]),
        ),
        ("select id from seen", Ok(&["2", "3"])),
        ("select count(*) from seen", Ok(&["2"])),
        (
            "create or replace view seen as select id, name from users",
            Ok(&[]),
        ),
        ("select id from seen", Ok(&["1", "2", "3"])),
        ("savepoint one", Ok(&[])),
        ("alter table users add column extra int default 5", Ok(&[])),
        ("select sum(extra) from users", Ok(&["15"])),
        ("update users set extra = 6 where id = 3", Ok(&[])),
        ("select extra from users where id = 3", Ok(&["6"])),
        ("drop view seen", Ok(&[])),
        ("create table seen (id int)", Ok(&[])),
        ("select id from seen", Ok(&[])),
        ("drop table made", Ok(&[])),
        ("savepoint two", Ok(&[])),
        ("select a from made", Err("42P01")),
        ("rollback to savepoint two", Ok(&[])),
        (
            "create function twice(bigint) returns bigint language sql immutable as 'select $1 * 2'",
            Ok(&[]),
        ),
        ("select twice(id) from users", Ok(&["2", "4", "6"])),
        ("rollback to savepoint one", Ok(&[])),
        ("select id from seen", Ok(&["1", "2", "3"])),
        ("select a from made", Ok(&["1", "2", "3", "7", "8"])),
        ("select extra from users", Err("42703")),
        ("rollback to savepoint one", Ok(&[])),
        ("select twice(id) from users", Err("42883")),
        ("rollback", Ok(&[])),
        ("select a from made", Err("42P01")),
        ("select id from seen", Err("42P01")),
    ];
    for (sql, expected) in steps {
        let expected = expected.map(|rows| rows.iter().map(|row| (*row).to_owned()).collect());
        let expected: Result<Vec<String>, String> = expected.map_err(str::to_owned);
        assert_eq!(ask(&client, sql).await, expected, "{sql}");
        if sql.starts_with("savepoint one") {
            assert_eq!(
                ask(&other, "select a from made").await,
                Err("42P01".to_owned())
            );
            assert_eq!(ask(&other, "select id from users").await.unwrap().len(), 3);
        }
    }
    assert_eq!(ask(&other, "select id from users").await.unwrap().len(), 3);
}

/// The catalog that a transaction reads over its own connections waits for nobody. A statement does that needs what is locked,
/// on a server, which finds it in a deadlock with whoever waits for the transaction.
#[tokio::test]
async fn a_transaction_that_reads_the_catalog_gives_way() {
    let (server, proxy) = start();
    let made = "create table b (y int); create view both_of_them as select * from notes, b";
    server.execute("shop0", made).unwrap();
    let client = connect(&proxy, &server).await;
    let other = driver::connect(&server.url("shop0")).await;
    let holds = "begin; lock table b in access exclusive mode";
    other.batch_execute(holds).await.unwrap();
    ask(&client, "begin").await.unwrap();
    ask(&client, "alter table notes add column x int")
        .await
        .unwrap();
    let read = ask(&client, "select count(*) from users").await;
    assert_eq!(read, Ok(vec!["0".to_owned()]));
    let (read, locked) = tokio::join!(
        async {
            let read = ask(&client, "select count(*) from both_of_them").await;
            ask(&client, "rollback").await.unwrap();
            read
        },
        other.batch_execute("lock table notes in access exclusive mode; commit")
    );
    let locked = locked.map_err(|error| error.code().unwrap().code().to_owned());
    let deadlock = Err("40P01".to_owned());
    match read {
        Ok(rows) => assert_eq!(
            (rows, locked),
            (vec!["0".to_owned()], Err("40P01".to_owned()))
        ),
        failed => assert_eq!((failed, locked), (deadlock, Ok(()))),
    }
}

/// The same in one message, with what is bound, and across the end of a transaction within a message.
#[tokio::test]
async fn what_is_defined_is_seen_by_the_rest_of_its_message() {
    let (server, proxy) = start();
    let mut client = connect(&proxy, &server).await;
    let fill = "insert into users values (1, 'a'), (2, 'b'), (3, 'c')";
    ask(&client, fill).await.unwrap();
    for (sql, expected) in [
        (
            "create table made (id int); insert into made values (7); select id from made",
            &["7"][..],
        ),
        ("select id from made", &["7"]),
        (
            "begin; create view mine as select * from users; select id from mine; commit",
            &["1", "2", "3"],
        ),
        (
            "begin; create or replace view mine as select * from users where id > 1; commit; select id from mine",
            &["2", "3"],
        ),
        (
            "create table events (id bigint primary key); insert into events select id from users; select id from events where id = 3",
            &["3"],
        ),
        (
            "drop view mine; create view mine as select id from made; select id from mine",
            &["7"],
        ),
        ("drop view mine; drop table made; drop table events", &[]),
    ] {
        assert_eq!(ask(&client, sql).await.unwrap(), expected, "{sql}");
    }
    // Bound statements, those among them that were prepared before.
    let all = client
        .prepare("select id, name from users order by id")
        .await
        .unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute("create table made (id int)", &[])
        .await
        .unwrap();
    let insert = transaction
        .prepare("insert into made values ($1)")
        .await
        .unwrap();
    for id in [1, 2, 3] {
        transaction.execute(&insert, &[&id]).await.unwrap();
    }
    let rows = transaction
        .query("select id from made where id > $1", &[&1])
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    transaction
        .execute("create view mine as select id from users where id > 1", &[])
        .await
        .unwrap();
    let mine = transaction
        .prepare("select id from mine where id < $1")
        .await
        .unwrap();
    assert_eq!(transaction.query(&mine, &[&3i64]).await.unwrap().len(), 1);
    transaction
        .execute("create or replace view mine as select id from users", &[])
        .await
        .unwrap();
    assert_eq!(transaction.query(&mine, &[&3i64]).await.unwrap().len(), 2);
    assert_eq!(transaction.query(&all, &[]).await.unwrap().len(), 3);
    transaction.rollback().await.unwrap();
    let gone = client.query(&mine, &[&3i64]).await.unwrap_err();
    assert_eq!(gone.code().unwrap().code(), "42P01");
    assert_eq!(client.query(&all, &[]).await.unwrap().len(), 3);
}
