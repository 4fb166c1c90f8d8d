//! `PAUSE` and `RESUME`: who waits, for whom, and who gets in meanwhile.

use std::io::Write;
use std::net::TcpStream;

use local_postgres::Server;
use shunt_tests::driver::{connect, state};
use shunt_tests::one_server::server;
use shunt_tests::patience::{PATIENCE, until};
use shunt_tests::proxy::TestProxy;
use tokio_postgres::NoTls;

use super::{number, rows, settings, start};

async fn backends(server: &Server) -> i64 {
    let client = connect(&server.url("shop")).await;
    let sql = "select count(*) from pg_stat_activity \
               where datname = 'shop' and pid <> pg_backend_pid() and backend_type = 'client backend'";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn pause_waits_for_transactions_and_holds_new_ones() {
    let (server, proxy) = start(4);
    let busy = proxy.connect(server.user(), "shop").await;
    let late = proxy.connect(server.user(), "shop").await;
    busy.batch_execute("create table t (a int); begin; insert into t values (1)")
        .await
        .unwrap();
    late.batch_execute("select 1").await.unwrap();
    let console = proxy.connect("operator", "shunt").await;
    let pausing = tokio::spawn(async move {
        console.batch_execute("PAUSE shop").await.unwrap();
        console
    });
    let looking = proxy.connect("operator", "shunt").await;
    until("it is paused", async || {
        number(&rows(&looking, "SHOW DATABASES").await[0], "paused") > 0.0
    })
    .await;
    let waiting = tokio::spawn(async move {
        late.batch_execute("insert into t values (2)")
            .await
            .unwrap();
        late
    });
    until("one waits", async || {
        number(&rows(&looking, "SHOW POOLS").await[0], "cl_waiting") > 0.0
    })
    .await;
    assert!(!pausing.is_finished(), "a transaction is open");
    // The one inside goes on to its end.
    busy.batch_execute("insert into t values (3)")
        .await
        .unwrap();
    busy.batch_execute("commit").await.unwrap();
    let console = tokio::time::timeout(PATIENCE, pausing)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        backends(&server).await,
        0,
        "the server may be restarted now"
    );
    assert!(!waiting.is_finished());
    console.batch_execute("RESUME").await.unwrap();
    let late = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap();
    let sum: i64 = late
        .query_one("select sum(a) from t", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(sum, 6);
    let error = console.batch_execute("RESUME shop").await.unwrap_err();
    assert_eq!(state(&error), "55000");
    let error = console.batch_execute("PAUSE nowhere").await.unwrap_err();
    assert_eq!(state(&error), "3D000");
}

#[tokio::test]
async fn a_pause_that_lasts_too_long_can_be_cancelled() {
    let (server, proxy) = start(4);
    let busy = proxy.connect(server.user(), "shop").await;
    busy.batch_execute("begin; select 1").await.unwrap();
    let console = proxy.connect("operator", "shunt").await;
    let cancel = console.cancel_token();
    let pausing = tokio::spawn(async move {
        let error = console.batch_execute("PAUSE").await.unwrap_err();
        (console, state(&error).to_owned())
    });
    let looking = proxy.connect("operator", "shunt").await;
    until("it is paused", async || {
        number(&rows(&looking, "SHOW DATABASES").await[0], "paused") > 0.0
    })
    .await;
    cancel.cancel_query(NoTls).await.unwrap();
    let (console, state) = tokio::time::timeout(PATIENCE, pausing)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state, "57014");
    console.batch_execute("RESUME").await.unwrap();
    busy.batch_execute("commit").await.unwrap();
}

/// Clients that wait at the gate of a paused database, since a server has to be asked first what to tell them, are no
/// strangers, and whoever hangs up there is gone.
#[tokio::test]
async fn clients_of_a_paused_database_keep_nobody_out() {
    let server = server();
    let mut settings = settings(&server, 1);
    settings.workers = 1;
    // Half of all places are for strangers, sixteen at least.
    settings.max_clients = 40;
    let proxy = TestProxy::start(settings);
    let console = proxy.connect("operator", "shunt").await;
    console.batch_execute("PAUSE shop").await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..30 {
        let mut packet = b"\0\x03\0\0user\0".to_vec();
        let user = server.user();
        packet.extend(format!("{user}\0database\0shop\0application_name\0{number}\0\0").bytes());
        let length = u32::try_from(packet.len() + 4).unwrap();
        let mut client = TcpStream::connect(proxy.address).unwrap();
        client.write_all(&length.to_be_bytes()).unwrap();
        client.write_all(&packet).unwrap();
        waiting.push(client);
        until("it is not turned away", async || {
            proxy.totals.clients() > waiting.len()
        })
        .await;
    }
    proxy.connect("operator", "shunt").await;
    drop(waiting);
    until("they have gone", async || proxy.totals.clients() == 1).await;
    console.batch_execute("RESUME shop").await.unwrap();
    let app = proxy.connect(server.user(), "shop").await;
    app.batch_execute("select 1").await.unwrap();
}

/// A pool that opens a connection during a pause is let in; what it asks waits.
#[tokio::test]
async fn a_paused_database_lets_clients_in() {
    let server = server();
    let mut settings = settings(&server, 2);
    settings.workers = 1;
    let proxy = TestProxy::start(settings);
    let console = proxy.connect("operator", "shunt").await;
    drop(proxy.connect(server.user(), "shop").await);
    console.batch_execute("PAUSE shop").await.unwrap();
    let entering = proxy.connect(server.user(), "shop");
    let client = tokio::time::timeout(PATIENCE, entering)
        .await
        .expect("it gets in");
    let mut asking = Box::pin(client.simple_query("SELECT 1"));
    tokio::select! {
        biased;
        answer = &mut asking => panic!("not before the pause ends: {answer:?}"),
        found = rows(&console, "SHOW DATABASES") => assert_eq!(number(&found[0], "paused"), 1.0),
    }
    console.batch_execute("RESUME shop").await.unwrap();
    tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("an answer")
        .unwrap();
}
