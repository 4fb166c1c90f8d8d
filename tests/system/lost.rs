//! A server that is lost while a statement waits on another one: its client is told at once, and nobody keeps waiting behind it.

use std::time::Duration;

use local_postgres::Server;
use shunt_tests::patience::until;
use shunt_tests::proxy::TestProxy;
use shunt_tests::shards;
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn awaits(server: &Server, bank: &str, condition: &str) {
    let sql = format!("select {condition}");
    until(condition, async || {
        server.execute(bank, &sql).unwrap() == "t"
    })
    .await;
}

const WAITS: &str = "exists (select from pg_locks where not granted)";

#[tokio::test]
async fn who_waits_on_one_shard_hears_that_another_is_lost() {
    let server = shards::server_with(2);
    let proxy = TestProxy::start(shards::on_one_server(&server, 2, Default::default()));
    let client = connect(&proxy.url(server.user(), "bank")).await;
    client
        .batch_execute(
            "insert into accounts (id) values (2), (3); insert into copies values (1, 'a')",
        )
        .await
        .unwrap();
    let holder = connect(&format!(
        "host=127.0.0.1 port={} user={} dbname=bank1",
        server.port(),
        server.user()
    ))
    .await;
    for (before, lock, statement) in [
        (
            "",
            "lock table copies in exclusive mode",
            "update copies set name = 'b'",
        ),
        (
            "",
            "lock table accounts in exclusive mode",
            "update accounts set balance = 1",
        ),
        (
            "begin; update accounts set balance = 2 where id = 2",
            "lock table accounts in exclusive mode",
            "update accounts set balance = 2 where id = 3",
        ),
        (
            "begin; update accounts set balance = 2 where id = 2",
            "lock table copies in exclusive mode",
            "update copies set name = 'c'",
        ),
    ] {
        client.batch_execute(before).await.unwrap();
        holder
            .batch_execute(&format!("begin; {lock}"))
            .await
            .unwrap();
        let waiting = client.batch_execute(statement);
        let lose = async {
            awaits(&server, "bank1", WAITS).await;
            server
                .execute(
                    "bank0",
                    "select pg_terminate_backend(pid) from pg_stat_activity \
                     where datname = 'bank0' and state = 'idle in transaction'",
                )
                .unwrap();
        };
        let both = async { tokio::join!(waiting, lose) };
        let (told, ()) = tokio::time::timeout(Duration::from_secs(120), both)
            .await
            .expect("the lock is still held");
        let error = told.expect_err(statement);
        assert_eq!(
            error.code().unwrap().code(),
            "57P01",
            "{statement}: {error:?}"
        );
        awaits(&server, "bank1", &format!("not {WAITS}")).await;
        holder.batch_execute("commit").await.unwrap();
        if !before.is_empty() {
            client.batch_execute("rollback").await.unwrap();
        }
        client
            .batch_execute("select count(*) from accounts")
            .await
            .unwrap();
    }
    let sum = client
        .query_one("select sum(balance)::bigint from accounts", &[])
        .await
        .unwrap();
    assert_eq!(sum.get::<_, i64>(0), 0);
}

/// Nobody else is at work on the statement: there is nothing to be undone before the client goes on.
#[tokio::test]
async fn who_loses_the_only_server_of_a_statement_goes_on() {
    let server = shards::server_with(2);
    let proxy = TestProxy::start(shards::on_one_server(&server, 2, Default::default()));
    let client = connect(&proxy.url(server.user(), "bank")).await;
    client
        .batch_execute("insert into accounts (id) values (2), (3)")
        .await
        .unwrap();
    let sleeps = "select pg_sleep(100) from accounts where id = 2";
    for begin in ["", "begin", "begin; select from accounts"] {
        client.batch_execute(begin).await.unwrap();
        let lose = async {
            let asleep = "exists (select from pg_stat_activity where wait_event = 'PgSleep')";
            awaits(&server, "bank0", asleep).await;
            let ends = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'";
            server.execute("bank0", ends).unwrap();
        };
        let (told, ()) = tokio::join!(client.batch_execute(sleeps), lose);
        let error = told.expect_err("the server is gone");
        assert_eq!(error.code().unwrap().code(), "57P01", "{error:?}");
        let next = async {
            client.batch_execute("rollback").await.unwrap();
            client
                .query_one("select count(*) from accounts", &[])
                .await
                .unwrap()
        };
        let next = tokio::time::timeout(Duration::from_secs(60), next).await;
        let count = next.expect("the client is answered");
        assert_eq!(count.get::<_, i64>(0), 2);
    }
}
