//! One proxy takes over from another: nobody is turned away, no statement fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use local_postgres::Server;
use router_proxy::settings::{ListenAddress, PoolSettings, Settings};
use shunt_tests::one_server::{server, with_operator};
use shunt_tests::patience::until;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::RawClient;
use tokio_postgres::NoTls;

fn settings(server: &Server, folder: &tempfile::TempDir) -> Settings {
    let mut settings = unsharded(server, "shop", PoolSettings::default());
    settings.takeover_socket = Some(folder.path().join("takeover"));
    settings.drain_timeout = Duration::from_secs(5);
    settings
        .listen
        .push(ListenAddress::Unix(folder.path().join(".s.PGSQL.6432")));
    settings.http_listen = Some(([127, 0, 0, 1], 0).into());
    with_operator(settings)
}

#[tokio::test]
async fn clients_come_and_go_while_one_proxy_follows_another() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&server, &folder);
    // Nobody is told to go here, however long all of this takes on a busy machine.
    settings.drain_timeout = Duration::from_secs(600);
    let mut proxy = TestProxy::start(settings.clone());
    // The same addresses for all that follow.
    settings.listen[0] = ListenAddress::Tcp(proxy.address);
    settings.http_listen = proxy.http;

    let over = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (over, served) = (Arc::clone(&over), Arc::clone(&served));
            let (address, user) = (proxy.address, server.user().to_owned());
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let mut client = RawClient::trust(address, &user, "shop").unwrap();
                    for _ in 0..3 {
                        let said = client.simple("select 40 + 2").unwrap();
                        assert!(said.iter().any(|m| m.tag == b'D'), "{said:?}");
                    }
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();

    for round in 0..3 {
        let before = served.load(Ordering::Relaxed);
        until("clients are served", async || {
            served.load(Ordering::Relaxed) > before + 20
        })
        .await;
        // A client in a transaction, and one that is idle.
        let busy = proxy.connect(server.user(), "shop").await;
        let cancel = busy.cancel_token();
        busy.batch_execute("begin").await.unwrap();
        let idle = proxy.connect(server.user(), "shop").await;

        settings.workers = 1 + round;
        let next = TestProxy::take_over(settings.clone());
        until("the old one has let go", async || {
            proxy.handle.is_handed_over()
        })
        .await;
        let row = busy.query_one("select 1", &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 1, "a transaction goes on");
        idle.batch_execute("select 1").await.unwrap();
        // The console is the new one's from now on, as are metrics.
        let console = next.connect("operator", "shunt").await;
        console.simple_query("SHOW POOLS").await.unwrap();
        // Whoever cancels a query of the old one's asks the new one.
        let sleeping = tokio::spawn(async move {
            let error = busy.batch_execute("select pg_sleep(60)").await.unwrap_err();
            assert_eq!(error.code().unwrap().code(), "57014");
            busy.batch_execute("rollback").await.unwrap();
        });
        let active = "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)' and state = 'active'";
        until("it sleeps", async || {
            server.execute("shop", active).unwrap() == "1"
        })
        .await;
        cancel.cancel_query(NoTls).await.unwrap();
        tokio::time::timeout(Duration::from_secs(60), sleeping)
            .await
            .expect("the cancel request arrives")
            .unwrap();
        drop(idle);
        // Everybody has left the old one: it ends by itself.
        until("the old one ends", async || proxy.is_over()).await;
        proxy = next;
    }
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("no client was turned away");
    }
    // The Unix socket went along.
    let socket = folder.path().to_str().unwrap();
    let output = server
        .client("psql", "shop")
        .args(["-X", "-A", "-t", "-c", "select 40 + 2"])
        .env("PGHOST", socket)
        .env("PGPORT", "6432")
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"42\n", "{output:?}");
    proxy.stop();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Clients that stay have until `drain_timeout`; then they are told to go.
#[tokio::test]
async fn who_stays_is_told_to_go() {
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&server, &folder);
    settings.drain_timeout = Duration::from_millis(500);
    let old = TestProxy::start(settings.clone());
    settings.listen[0] = ListenAddress::Tcp(old.address);
    settings.http_listen = old.http;
    let stays = old.connect(server.user(), "shop").await;
    let _new = TestProxy::take_over(settings);
    until("it is told to go", async || stays.is_closed()).await;
    until("the old one ends", async || old.is_over()).await;
}

/// Somebody who only looks, or gives up half-way, changes nothing.
#[tokio::test]
async fn a_takeover_that_is_not_finished_changes_nothing() {
    use std::io::{Read as _, Write as _};
    let server = server();
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&server, &folder);
    let path = settings.takeover_socket.clone().unwrap();
    let proxy = TestProxy::start(settings);
    for said in [
        &b""[..],
        b"GET / HTTP/1.1\r\n",
        b"shunt takeover 1\nnext\n",
        b"shunt takeover 1\nnext\nnext\nnonsense\n",
        &[b'x'; 4096],
    ] {
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        // It may have hung up already.
        let _ = stream.write_all(said);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        assert!(!proxy.handle.is_handed_over());
        proxy
            .connect(server.user(), "shop")
            .await
            .batch_execute("select 1")
            .await
            .unwrap();
    }
}
