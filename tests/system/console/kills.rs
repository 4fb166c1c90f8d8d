//! `KILL` ends what its clients have asked, whatever they or their servers are at.

use std::time::{Duration, Instant};

use router_proxy::settings::PoolMode;
use shunt_tests::driver::{connect, state};
use shunt_tests::one_server::server;
use shunt_tests::patience::{PATIENCE, until};
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::RawClient;
use tokio_postgres::{Client, NoTls, SimpleQueryRow};

use super::{number, rows, settings, start};

#[tokio::test]
async fn kill_disable_and_reconnect_do_what_they_say() {
    let (server, proxy) = start(4);
    let url = proxy.url(server.user(), "shop");
    let app = proxy.connect(server.user(), "shop").await;
    let pid = async |client: &Client| -> i32 {
        client
            .query_one("select pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0)
    };
    let console = proxy.connect("operator", "shunt").await;
    let before = pid(&app).await;
    assert_eq!(pid(&app).await, before);
    console.batch_execute("RECONNECT shop").await.unwrap();
    let after = pid(&app).await;
    assert_ne!(after, before);
    // One that is held is closed when it comes back.
    app.batch_execute("begin").await.unwrap();
    assert_eq!(pid(&app).await, after);
    console.batch_execute("RECONNECT").await.unwrap();
    assert_eq!(pid(&app).await, after);
    let servers = rows(&console, "SHOW SERVERS").await;
    assert_eq!(number(&servers[0], "close_needed"), 1.0);
    let closes = proxy.connect("operator", "shunt").await;
    let mut closes = tokio::spawn(async move { closes.batch_execute("WAIT_CLOSE shop").await });
    let early = tokio::time::timeout(Duration::from_millis(300), &mut closes).await;
    assert!(early.is_err(), "{early:?}");
    app.batch_execute("commit").await.unwrap();
    tokio::time::timeout(PATIENCE, closes)
        .await
        .expect("it is closed")
        .unwrap()
        .unwrap();
    assert_ne!(pid(&app).await, after);

    console.batch_execute("DISABLE shop").await.unwrap();
    let refused = tokio_postgres::connect(&url, NoTls).await.err().unwrap();
    assert_eq!(state(&refused), "57P03");
    app.batch_execute("select 1").await.unwrap();
    console.batch_execute("ENABLE shop").await.unwrap();
    proxy.connect(server.user(), "shop").await;

    let slow = proxy.connect(server.user(), "shop").await;
    let sleeping = tokio::spawn(async move { slow.batch_execute("select pg_sleep(60)").await });
    until("it is asked", async || {
        number(&rows(&console, "SHOW POOLS").await[0], "sv_active") > 0.0
    })
    .await;
    console.batch_execute("KILL shop").await.unwrap();
    let ended = tokio::time::timeout(PATIENCE, sleeping).await.unwrap();
    assert_eq!(state(&ended.unwrap().unwrap_err()), "57P01");
    // Its query does not go on for a minute on the server.
    let sleeping = "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)'";
    until("nothing of it is left", async || {
        server.execute("shop", sleeping).unwrap() == "0"
    })
    .await;
    until("it is cut off", async || app.is_closed()).await;
    // A new client waits for RESUME.
    let url = proxy.url(server.user(), "shop");
    let coming = tokio::spawn(async move {
        let client = connect(&url).await;
        client.batch_execute("select 1").await.unwrap();
    });
    until("it comes", async || proxy.totals.clients() == 2).await;
    assert!(!coming.is_finished());
    console.batch_execute("RESUME shop").await.unwrap();
    tokio::time::timeout(PATIENCE, coming)
        .await
        .unwrap()
        .unwrap();
}

/// A cancel request is lost on a server process that has not read the query yet: `KILL` ends it all the same.
#[tokio::test]
async fn kill_ends_a_query_that_its_server_has_yet_to_read() {
    let (server, proxy) = start(1);
    let console = proxy.connect("operator", "shunt").await;
    let slow = proxy.connect(server.user(), "shop").await;
    let pid: i32 = slow
        .query_one("select pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    let tell = |signal: &str| {
        let mut kill = std::process::Command::new("kill");
        let told = kill.args([signal, &pid.to_string()]).status().unwrap();
        assert!(told.success());
    };
    tell("-STOP");
    let sleeping = tokio::spawn(async move { slow.batch_execute("select pg_sleep(60)").await });
    until("it is asked", async || {
        number(&rows(&console, "SHOW POOLS").await[0], "sv_active") > 0.0
    })
    .await;
    console.batch_execute("KILL shop").await.unwrap();
    let ended = sleeping.await.unwrap();
    assert_eq!(state(&ended.unwrap_err()), "57P01");
    // The first request has come and gone by then.
    let patience = Instant::now() + Duration::from_millis(300);
    while proxy.totals.clients() > 1 && Instant::now() < patience {
        tokio::task::yield_now().await;
    }
    tell("-CONT");
    let gone = format!("select count(*) from pg_stat_activity where pid = {pid}");
    until("its query ends", async || {
        server.execute("shop", &gone).unwrap() == "0"
    })
    .await;
}

/// A connection that replicates is seen like others, and goes with its query.
#[tokio::test]
async fn connections_that_replicate_are_shown_and_killed() {
    let (server, proxy) = start(4);
    let console = proxy.connect("operator", "shunt").await;
    let startup = [
        ("user", server.user()),
        ("database", "shop"),
        ("replication", "database"),
        ("application_name", "mirror"),
    ];
    let mut mirror = RawClient::connect(proxy.address, &startup, None).unwrap();
    mirror.send(b'Q', b"select pg_sleep(600)\0").unwrap();
    let process = "select pid from pg_stat_activity where wait_event = 'PgSleep'";
    until("it sleeps", async || {
        !server.execute("shop", process).unwrap().is_empty()
    })
    .await;
    let is_mirror = |row: &&SimpleQueryRow| row.get("application_name") == Some("mirror");
    let clients = rows(&console, "SHOW CLIENTS").await;
    let client = clients.iter().find(is_mirror).expect("it is shown");
    assert_eq!(client.get("state"), Some("active"));
    assert_eq!(number(client, "servers"), 1.0);
    let servers = rows(&console, "SHOW SERVERS").await;
    let held = servers.iter().find(is_mirror).expect("it is shown");
    assert_eq!(
        (held.get("ptr"), held.get("link")),
        (client.get("link"), client.get("ptr"))
    );
    let process = server.execute("shop", process).unwrap();
    assert_eq!(held.get("remote_pid"), Some(&*process));
    console.batch_execute("KILL shop").await.unwrap();
    while mirror.read().is_ok() {}
    let left = format!("select count(*) from pg_stat_activity where pid = {process}");
    until("its server process ends", async || {
        server.execute("shop", &left).unwrap() == "0"
    })
    .await;
}

/// Nobody waits until a client has listened, and a server process that waits for its client to take rows is ended too.
#[tokio::test]
async fn kill_cuts_a_client_that_takes_no_answers() {
    let server = server();
    for mode in [PoolMode::Transaction, PoolMode::Session] {
        let mut settings = settings(&server, 1);
        settings.databases[0].pool.mode = mode;
        let proxy = TestProxy::start(settings);
        let console = proxy.connect("operator", "shunt").await;
        let mut deaf = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
        let rows = "select repeat('x', 1000) from generate_series(1, 200000)";
        deaf.send(b'Q', format!("{rows}\0").as_bytes()).unwrap();
        let waits = "select count(*) from pg_stat_activity where wait_event = 'ClientWrite'";
        until("its server has rows for it", async || {
            server.execute("shop", waits).unwrap() != "0"
        })
        .await;
        console
            .batch_execute("KILL shop; RESUME shop")
            .await
            .unwrap();
        let app = proxy.connect(server.user(), "shop").await;
        app.batch_execute("select 1").await.unwrap();
        assert_eq!(server.execute("shop", waits).unwrap(), "0");
        // It has not hung up.
        while deaf.read().is_ok() {}
    }
}
