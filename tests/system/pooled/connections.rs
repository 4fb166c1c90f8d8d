//! Who keeps a connection, and what becomes of its client when it is lost.

use std::time::{Duration, Instant};

use local_postgres::Server;
use router_proxy::settings::{PoolMode, PoolSettings};
use shunt_tests::one_server::{OneServer, one_connection, server};
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::seen;

use super::{bind, execute, parse, simple};

/// The server is lost in a message or pipeline that begins a transaction: what follows is not carried out outside of it.
#[test]
fn a_transaction_whose_beginning_was_lost_has_failed() {
    let world = OneServer::behind(server(), one_connection());
    world
        .server
        .execute("shop", "create table t (a int)")
        .unwrap();
    let end = "select pg_terminate_backend(pg_backend_pid())";
    for by_pipeline in [false, true] {
        let mut client = world.connect();
        let messages = if by_pipeline {
            for text in ["begin", end] {
                parse(&mut client, "", text.as_bytes());
                bind(&mut client, "", "");
                execute(&mut client, "");
            }
            client.send(b'S', b"").unwrap();
            client.until_ready().unwrap()
        } else {
            client.simple(&format!("begin; {end}")).unwrap()
        };
        assert_eq!(seen(&messages).last().unwrap(), "57P01");
        assert_eq!(messages.last().unwrap().body, b"E");
        assert_eq!(simple(&mut client, "insert into t values (1)"), ["25P02"]);
        assert_eq!(simple(&mut client, "rollback"), [""; 0]);
        assert_eq!(simple(&mut client, "select count(*) from t"), ["0"]);
    }
}

/// Code that is read and leaves nothing keeps no connection; what leaves something that is known, one that can be cleaned.
#[test]
fn blocks_and_calls_that_leave_nothing_keep_nothing() {
    let world = OneServer::behind(server(), one_connection());
    world
        .server
        .execute(
            "shop",
            "create table t (a int); create function f() returns int language sql as 'select 1';
             create procedure adds(int) language plpgsql as $$ begin insert into t values ($1); end $$;
             create procedure wild() language plpgsql as $$ begin execute 'set work_mem = 100'; end $$;",
        )
        .unwrap();
    let (mut first, mut second) = (world.connect(), world.connect());
    let who = "select pg_backend_pid()";
    let process = simple(&mut first, who);
    for sql in [
        "do $$ begin perform f(); insert into t values (1); end $$",
        "do language plpgsql 'begin null; end'",
        "call adds(f())",
    ] {
        assert_eq!(simple(&mut first, sql), [""; 0], "{sql}");
        assert_eq!(simple(&mut second, who), process, "{sql}");
    }
    assert_eq!(simple(&mut second, "select count(*) from t"), ["2"]);
    // One that sets something is cleaned once its client has left.
    simple(&mut first, "do $$ begin set work_mem = 100; end $$");
    assert_eq!(world.unless_kept(&mut second, who), None);
    drop(first);
    let mut first = world.connect();
    assert_eq!(simple(&mut first, "show work_mem"), ["4MB"]);
    assert_eq!(simple(&mut first, who), process);
    // One of which nobody knows is closed.
    simple(&mut first, "call wild()");
    assert_eq!(world.unless_kept(&mut second, who), None);
    drop(first);
    let mut first = world.connect();
    assert_ne!(simple(&mut first, who), process);
}

/// Whoever drops a database need not wait for the connections that lie in its pool, nor for those over which its catalog is read.
#[tokio::test]
async fn a_database_that_is_dropped_is_left() {
    let server = Server::builder().database("shop").start().unwrap();
    let mut settings = unsharded(&server, "shop", PoolSettings::default());
    for mode in [PoolMode::Transaction, PoolMode::Session] {
        let mut other = unsharded(&server, "other", PoolSettings::default());
        other.databases[0].pool.mode = mode;
        settings.databases.truncate(1);
        settings.databases.append(&mut other.databases);
        let proxy = TestProxy::start(settings.clone());
        let client = proxy.connect(server.user(), "shop").await;
        for drop in ["drop database other", "DROP DATABASE IF EXISTS \"other\""] {
            client.batch_execute("create database other").await.unwrap();
            let there = proxy.connect(server.user(), "other").await;
            there
                .batch_execute("create table t (a int); select * from t")
                .await
                .unwrap();
            std::mem::drop(there);
            let begun = Instant::now();
            match drop.starts_with("drop") {
                true => client.batch_execute(drop).await.unwrap(),
                false => std::mem::drop(client.query(drop, &[]).await.unwrap()),
            }
            // After five seconds PostgreSQL would give up.
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
    }
}
