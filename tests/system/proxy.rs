//! The proxy before one real server: protocols, pooling, errors, people who behave badly.

use std::process::Output;
use std::time::{Duration, Instant};

use router_proxy::settings::PoolSettings;
use shunt_tests::one_server::server;
use shunt_tests::patience::{await_that, until};
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{RawClient, seen};
use tokio_postgres::{NoTls, SimpleQueryMessage};

fn pool(max_size: usize) -> PoolSettings {
    PoolSettings {
        max_size,
        ..PoolSettings::default()
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn rows(messages: &[SimpleQueryMessage]) -> Vec<String> {
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn errors_leave_session_and_pipeline_in_order() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(1)));
    let client = proxy.connect(server.user(), "shop").await;
    let failed = client.simple_query("select 1; select 1/0; select 2").await;
    assert_eq!(failed.unwrap_err().code().unwrap().code(), "22012");
    client.batch_execute("begin").await.unwrap();
    assert!(client.query("select 1/0", &[]).await.is_err());
    let failed = client.query("select 1", &[]).await.unwrap_err();
    assert_eq!(failed.code().unwrap().code(), "25P02");
    client.batch_execute("rollback").await.unwrap();
    // Several executions in flight, one of which fails.
    let good = client.prepare("select $1::int").await.unwrap();
    let bad = client.prepare("select 1 / $1::int").await.unwrap();
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&0];
    let (a, b, c) = tokio::join!(
        client.query_one(&good, &parameters),
        client.query_one(&bad, &parameters),
        client.query_one(&good, &parameters),
    );
    assert_eq!(a.unwrap().get::<_, i32>(0), 0);
    assert_eq!(b.unwrap_err().code().unwrap().code(), "22012");
    assert_eq!(c.unwrap().get::<_, i32>(0), 0);
}

#[tokio::test]
async fn settings_follow_the_session_and_nobody_else() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(1)));
    let one = proxy.connect(server.user(), "shop").await;
    let two = proxy.connect(server.user(), "shop").await;
    let show = "select current_setting('application_name')";
    let asked = |client| async move {
        rows(
            &tokio_postgres::Client::simple_query(client, show)
                .await
                .unwrap(),
        )
    };
    one.batch_execute("set application_name = 'it''s one'")
        .await
        .unwrap();
    assert_eq!(asked(&two).await, [""]);
    let said = asked(&one).await;
    if said != ["it's one"] {
        // The planner does not yet tell a SET from other statements: then it must have been pinned.
        panic!("the setting is lost: {said:?}");
    }
}

#[tokio::test]
async fn copy_goes_both_ways() {
    use bytes::Bytes;
    use futures_util::{SinkExt, TryStreamExt};
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(1)));
    let client = proxy.connect(server.user(), "shop").await;
    client
        .batch_execute("create table t (a int, b text)")
        .await
        .unwrap();
    let sink = client.copy_in("copy t from stdin").await.unwrap();
    futures_util::pin_mut!(sink);
    let line = "x".repeat(1000);
    let mut sent = 0;
    for chunk in 0..100 {
        let mut bytes = String::new();
        for i in 0..50 {
            bytes.push_str(&format!("{}\t{line}\n", chunk * 50 + i));
        }
        sent += bytes.len();
        sink.send(Bytes::from(bytes)).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 5000);
    let stream = client
        .copy_out("copy (select * from t order by a) to stdout")
        .await
        .unwrap();
    let received: Vec<Bytes> = stream.try_collect().await.unwrap();
    assert_eq!(received.iter().map(Bytes::len).sum::<usize>(), sent);
    // A COPY that the server breaks off, and one that the client does.
    let sink = client
        .copy_in::<_, Bytes>("copy t from stdin")
        .await
        .unwrap();
    futures_util::pin_mut!(sink);
    sink.send(Bytes::from_static(b"not a number\tx\n"))
        .await
        .unwrap();
    assert!(sink.finish().await.is_err());
    {
        let sink = client
            .copy_in::<_, Bytes>("copy t from stdin")
            .await
            .unwrap();
        futures_util::pin_mut!(sink);
        sink.send(Bytes::from_static(b"1\tx\n")).await.unwrap();
    }
    let count = client
        .query_one("select count(*) from t", &[])
        .await
        .unwrap();
    assert_eq!(count.get::<_, i64>(0), 5000);
}

#[tokio::test]
async fn a_query_that_waits_for_a_connection_is_cancelled_too() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(1)));
    let (one, two) = (
        proxy.connect(server.user(), "shop").await,
        proxy.connect(server.user(), "shop").await,
    );
    two.batch_execute("begin").await.unwrap();
    let token = one.cancel_token();
    let waiting = one.simple_query("select 1");
    futures_util::pin_mut!(waiting);
    // A request that comes before the query does is one for nothing, as with PostgreSQL.
    let cancelled = loop {
        token.cancel_query(NoTls).await.unwrap();
        let pause = tokio::time::sleep(Duration::from_millis(10));
        tokio::select! {
            ended = &mut waiting => break ended,
            () = pause => {}
        }
    };
    assert_eq!(cancelled.unwrap_err().code().unwrap().code(), "57014");
    two.batch_execute("commit").await.unwrap();
    one.simple_query("select 1").await.unwrap();
}

#[tokio::test]
async fn a_query_is_cancelled_and_nobody_else() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(2)));
    let (one, two) = (
        proxy.connect(server.user(), "shop").await,
        proxy.connect(server.user(), "shop").await,
    );
    let lock = "select pg_advisory_lock(1)";
    let mut holder = RawClient::direct(&server, "shop");
    holder.simple(lock).unwrap();
    let token = one.cancel_token();
    let cancelling = async {
        let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted";
        until("both wait", async || {
            seen(&holder.simple(waiting).unwrap()) == ["2"]
        })
        .await;
        token.cancel_query(NoTls).await.unwrap();
    };
    let mut asking = Box::pin(two.simple_query(lock));
    let (cancelled, ()) = tokio::select! {
        biased;
        other = &mut asking => panic!("it goes on: {other:?}"),
        both = async { tokio::join!(one.simple_query(lock), cancelling) } => both,
    };
    drop(holder);
    let other = asking.await;
    assert_eq!(cancelled.unwrap_err().code().unwrap().code(), "57014");
    other.unwrap();
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_nothing_behind() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(1)));
    let next = proxy.connect(server.user(), "shop").await;
    next.batch_execute("create table t (a int)").await.unwrap();
    {
        let (client, connection) =
            tokio_postgres::connect(&proxy.url(server.user(), "shop"), NoTls)
                .await
                .unwrap();
        let running = tokio::spawn(connection);
        client
            .batch_execute("begin; insert into t values (1); set work_mem = '1MB'")
            .await
            .unwrap();
        // Without a goodbye.
        running.abort();
    }
    let found = rows(&next.simple_query("select count(*) from t").await.unwrap());
    assert_eq!(found, ["0"]);
    let found = rows(
        &next
            .simple_query("select current_setting('work_mem')")
            .await
            .unwrap(),
    );
    assert_eq!(found, ["4MB"]);
}

#[tokio::test]
async fn a_lost_server_is_an_error_and_the_session_lives_on() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(1)));
    let client = proxy.connect(server.user(), "shop").await;
    client.batch_execute("begin; select 1").await.unwrap();
    server.execute("shop", "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()").unwrap();
    // Whatever is said now belongs to a transaction that is gone.
    let mut failures = 0;
    while client.simple_query("select 1").await.is_err() && failures < 3 {
        failures += 1;
    }
    assert_eq!(
        failures, 3,
        "a statement of a lost transaction was carried out"
    );
    client.batch_execute("rollback").await.unwrap();
    assert_eq!(rows(&client.simple_query("select 2").await.unwrap()), ["2"]);
    server.stop(local_postgres::Stop::Immediate).unwrap();
    let failed = client.simple_query("select 1").await.unwrap_err();
    assert!(failed.code().is_some(), "{failed}");
    server.start().unwrap();
    assert_eq!(rows(&client.simple_query("select 3").await.unwrap()), ["3"]);
}

#[test]
fn a_message_of_a_gigabyte_takes_no_memory() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(2)));
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap_or("0 0")
            .to_owned();
        line.split_whitespace()
            .nth(1)
            .and_then(|kb| kb.parse::<usize>().ok())
            .unwrap_or(0)
    };
    let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    let before = resident();
    client.write(&[b'Q', 0x3f, 0xff, 0, 0]).unwrap();
    for _ in 0..64 {
        client.write(&vec![b' '; 1 << 20]).unwrap();
    }
    let after = resident();
    assert!(
        after < before + 30_000,
        "{before} kB before, {after} kB after"
    );
    drop(client);
    assert_eq!(text(&proxy.psql(&server, "shop", "select 1")), "1\n");
}

#[test]
fn a_client_that_stops_reading_stops_its_server() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(2)));
    let mut client = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
    let sql = b"select repeat('x', 1000) from generate_series(1, 1000000)\0";
    client.send(b'Q', sql).unwrap();
    // Until nothing moves any more: what the kernel's buffers hold and a little in the proxy. A server that is merely slow does
    // not wait for the proxy.
    let waits = "select wait_event from pg_stat_activity where query like '%generate_series%' and pid <> pg_backend_pid()";
    let until = Instant::now() + Duration::from_secs(120);
    let (mut before, mut still) = (0, 0);
    while still < 10 {
        assert!(Instant::now() < until, "the server goes on sending");
        std::thread::sleep(Duration::from_millis(50));
        let (_, out) = proxy.totals.bytes();
        assert!(
            out < 64 << 20,
            "{out} bytes went to a client that reads nothing"
        );
        let stands = out == before && server.execute("shop", waits).unwrap() == "ClientWrite";
        still = if stands { still + 1 } else { 0 };
        before = out;
    }
    // Others are served meanwhile.
    assert_eq!(text(&proxy.psql(&server, "shop", "select 1")), "1\n");
}

#[tokio::test]
async fn two_hundred_idle_clients_need_no_server() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(2)));
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(proxy.connect(server.user(), "shop").await);
    }
    assert_eq!(proxy.totals.clients(), 200);
    for client in &clients {
        assert_eq!(rows(&client.simple_query("select 1").await.unwrap()), ["1"]);
    }
}

#[test]
fn psql_speaks_through_it() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(2)));
    let output = proxy.psql(&server, "shop", "select 1");
    assert_eq!(text(&output), "1\n");
    let output = proxy.psql(
        &server,
        "shop",
        "create table t (a int); insert into t select generate_series(1, 10); select count(*) from t",
    );
    assert_eq!(text(&output), "10\n");
    let output = proxy.psql(&server, "shop", "\\d t");
    assert!(
        output.status.success() && text(&output).contains("a|integer"),
        "{}",
        text(&output)
    );
    let output = proxy.psql(&server, "shop", "select 1/0");
    assert!(text(&output).contains("22012"), "{}", text(&output));
    let output = proxy.psql(&server, "nowhere", "select 1");
    assert!(
        text(&output).contains("database \"nowhere\" does not exist"),
        "{}",
        text(&output)
    );
}

#[test]
fn pgbench_runs_in_every_mode_with_more_clients_than_connections() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(2)));
    let made = proxy
        .client(&server, "pgbench", "shop")
        .args(["-i", "-q"])
        .output()
        .expect("pgbench runs");
    assert!(made.status.success(), "{}", text(&made));
    // A thread per client: pgbench prepares its statements blocking, and a thread that waits
    // for a connection must not be the one whose other client holds it in a transaction.
    for mode in ["simple", "extended", "prepared"] {
        for script in ["select-only", "tpcb-like"] {
            let ran = proxy
                .client(&server, "pgbench", "shop")
                .args([
                    "-M", mode, "-b", script, "-c", "8", "-j", "8", "-t", "50", "-n",
                ])
                .output()
                .expect("pgbench runs");
            let said = text(&ran);
            assert!(
                ran.status.success() && said.contains("actually processed: 400/400"),
                "{mode} {script}: {said}"
            );
        }
    }
    let sums = server
        .execute("shop", "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)")
        .expect("a query");
    assert_eq!(sums, "t");
    // A backend that has just lost its client takes a moment to go.
    let open = "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()";
    await_that("two connections are left", || {
        let open = server.execute("shop", open).expect("a query");
        open.parse::<usize>().expect("a number") <= 2
    });
}
