//! When the catalog is read: what others define is seen, and what cannot be read is not guessed.
use shunt_tests::patience::{PATIENCE, until};

use super::{ask, connect, on_both, start};

#[tokio::test]
async fn views_and_functions_are_known_and_changes_are_seen() {
    let (server, proxy) = start();
    on_both(
        &server,
        "create view everybody as select * from users;
         create function twice(bigint) returns bigint language sql immutable as 'select $1 * 2';
         create function next(bigint) returns bigint language plpgsql as 'begin return $1; end';
         create function others(bigint) returns bigint language plpgsql as 'begin return count(*) from users where id <> $1; end'",
    );
    let client = connect(&proxy, &server).await;
    for id in 1..=4 {
        ask(&client, &format!("insert into users values ({id}, 'n')"))
            .await
            .unwrap();
    }
    assert_eq!(
        ask(&client, "select id from users").await.unwrap(),
        ["1", "2", "3", "4"]
    );
    // The rows of the first shard alone would be a wrong answer.
    assert_eq!(
        ask(&client, "select id from everybody").await.unwrap(),
        ["1", "2", "3", "4"]
    );
    assert_eq!(
        ask(&client, "select twice(id) from users").await.unwrap(),
        ["2", "4", "6", "8"]
    );
    assert_eq!(
        ask(&client, "select next(id) from users").await.unwrap(),
        ["1", "2", "3", "4"]
    );
    let called = ask(&client, "select others(id) from users").await;
    assert!(
        called.as_ref().is_err_and(|code| code.starts_with("SH")),
        "{called:?}"
    );
    // A statement prepared before the schema changes is planned anew after it.
    let prepared = client.prepare("select id from later").await;
    assert_eq!(prepared.unwrap_err().code().unwrap().code(), "42P01");
    on_both(&server, "create table later (id bigint)");
    let prepared = client.prepare("select id from later").await.unwrap();
    assert!(client.query(&prepared, &[]).await.unwrap().is_empty());
    // Made anew by others under a name that is known: seen once the servers are looked at, or something is changed here that
    // has all of the catalog read.
    on_both(
        &server,
        "drop table later; create view later as select id from users",
    );
    let other = connect(&proxy, &server).await;
    ask(&other, "create table seen (id int)").await.unwrap();
    ask(&other, "drop sequence if exists never_made")
        .await
        .unwrap();
    assert_eq!(
        ask(&client, "select id from later").await.unwrap(),
        ["1", "2", "3", "4"]
    );
    let again = client.query(&prepared, &[]).await.unwrap();
    assert_eq!(again.len(), 4);
    assert_eq!(ask(&client, "select id from seen").await.unwrap(), [""; 0]);
}

/// A name that the catalog lacks is looked up on the servers before it is taken for a table of the default shard.
#[tokio::test]
async fn what_others_make_on_the_servers_is_known_when_it_is_first_named() {
    let (server, proxy) = start();
    let client = connect(&proxy, &server).await;
    for row in ["1, 'odd'", "2, 'even'"] {
        ask(&client, &format!("insert into users values ({row})"))
            .await
            .unwrap();
    }
    assert_eq!(
        ask(&client, "select id from first").await,
        Err("42P01".to_owned())
    );
    on_both(&server, "create view first as select id from users");
    // The default shard's row alone would be a wrong answer.
    let both = Ok(vec!["1".to_owned(), "2".to_owned()]);
    assert_eq!(ask(&client, "select id from first").await, both);
    on_both(&server, "create view second as select id from users");
    let prepared = client.prepare("select id from second where id = $1").await;
    let row = client
        .query_one(&prepared.unwrap(), &[&2i64])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 2);
    on_both(&server, "create view third as select id from users");
    let script = "select id from third; select id from third where false";
    assert_eq!(ask(&client, script).await, both);
    on_both(&server, "create view fourth as select id from users");
    ask(&client, "begin").await.unwrap();
    ask(&client, "insert into users values (3, 'odd')")
        .await
        .unwrap();
    assert_eq!(
        ask(&client, "select id from fourth").await.unwrap(),
        ["1", "2", "3"]
    );
    ask(&client, "rollback").await.unwrap();
    // A name that no server knows is not waited for, and the error is PostgreSQL's.
    let start = std::time::Instant::now();
    for _ in 0..20 {
        let wrong = client.simple_query("select 1 from nothing").await;
        let wrong = wrong.unwrap_err();
        let wrong = wrong.as_db_error().unwrap();
        assert_eq!(
            (wrong.code().code(), wrong.message(), wrong.position()),
            (
                "42P01",
                "relation \"nothing\" does not exist",
                Some(&tokio_postgres::error::ErrorPosition::Original(15))
            )
        );
        let wrong = client.prepare("select 1 from nothing where $1").await;
        assert_eq!(wrong.unwrap_err().code().unwrap().code(), "42P01");
    }
    let script = "insert into users values (9, 'ü'); select 1 from nothing; select 2";
    let wrong = client.simple_query(script).await.unwrap_err();
    let wrong = wrong.as_db_error().unwrap();
    let at = tokio_postgres::error::ErrorPosition::Original(50);
    assert_eq!(
        (wrong.code().code(), wrong.position()),
        ("42P01", Some(&at))
    );
    assert_eq!(
        ask(&client, "select id from users where id = 9")
            .await
            .unwrap(),
        [""; 0]
    );
    assert!(start.elapsed() < PATIENCE);
    // In a transaction it fails that.
    ask(&client, "begin").await.unwrap();
    ask(&client, "insert into users values (9, 'odd')")
        .await
        .unwrap();
    for (sql, code) in [("select 1 from nothing", "42P01"), ("select 1", "25P02")] {
        assert_eq!(ask(&client, sql).await, Err(code.to_owned()));
    }
    ask(&client, "rollback").await.unwrap();
    assert_eq!(ask(&client, "select id from users").await, both);
}

/// What is made anew under a name that is known is seen after a reload, also one that changes no setting.
#[tokio::test]
async fn a_reload_reads_the_catalog_again() {
    let (server, proxy) = start();
    let client = connect(&proxy, &server).await;
    for id in [1, 2] {
        let insert = format!("insert into users values ({id}, 'n')");
        ask(&client, &insert).await.unwrap();
    }
    let notes = "select id from notes";
    assert_eq!(ask(&client, notes).await.unwrap(), [""; 0]);
    on_both(
        &server,
        "drop table notes; create view notes as select id from users",
    );
    let same = proxy.settings();
    assert_eq!(proxy.handle.reload(same).await.unwrap(), []);
    assert_eq!(ask(&client, notes).await.unwrap(), ["1", "2"]);
}

#[tokio::test]
async fn a_catalog_that_cannot_be_read_is_an_error_and_not_a_guess() {
    let (server, proxy) = start();
    let client = connect(&proxy, &server).await;
    ask(&client, "create table seen (id int)").await.unwrap();
    server.stop(local_postgres::Stop::Immediate).unwrap();
    let failed = client.simple_query("select 1").await.unwrap_err();
    let told = failed.as_db_error().expect("an error of the proxy");
    assert_eq!(
        (told.code().code(), told.message()),
        ("08001", "cannot read the catalog of the database")
    );
    server.start().unwrap();
    until("the catalog is read", async || {
        let answer = ask(&client, "select id from users where id = 1").await;
        answer.is_ok_and(|rows| rows.is_empty())
    })
    .await;
}

#[tokio::test]
async fn the_search_path_of_role_and_database_is_honoured() {
    let (server, proxy) = start();
    for shard in ["shop0", "shop1"] {
        let sql = format!("alter database {shard} set search_path = app");
        server.execute(shard, &sql).unwrap();
    }
    let client = connect(&proxy, &server).await;
    // Without a schema it is app.users, on the shard of its key.
    for id in 1..=2 {
        ask(&client, &format!("insert into users values ({id}, 'n')"))
            .await
            .unwrap();
    }
    assert_eq!(
        server.execute("shop1", "select id from app.users").unwrap(),
        "1"
    );
    // notes is only in public, which is not in the path: whoever asks is told so by the server.
    assert_eq!(
        ask(&client, "select id from notes").await.unwrap_err(),
        "42P01"
    );
    assert_eq!(
        ask(&client, "select id from public.notes").await.unwrap(),
        [""; 0]
    );
}
