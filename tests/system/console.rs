//! The console on real servers: what tools read from it, and what operators order.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use local_postgres::Server;
use router_proxy::admin::table::{COMMANDS, Kind, Verb, entry};
use router_proxy::settings::{PoolMode, PoolSettings, Settings, User};
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::RawClient;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, SimpleQueryRow};

fn settings(server: &Server, max_size: usize) -> Settings {
    let pool = PoolSettings {
        max_size,
        ..PoolSettings::default()
    };
    let mut settings = unsharded(server, "shop", pool);
    let operator = User {
        name: "operator".into(),
        admin: true,
        ..settings.users[0].clone()
    };
    settings.users.push(operator);
    settings
}

fn start(max_size: usize) -> (Server, TestProxy) {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    let proxy = TestProxy::start(settings(&server, max_size));
    (server, proxy)
}

async fn connect(proxy: &TestProxy, user: &str, database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&proxy.url(user, database), NoTls)
        .await
        .expect("a client gets in");
    tokio::spawn(connection);
    client
}

async fn rows(client: &Client, sql: &str) -> Vec<SimpleQueryRow> {
    let messages = client.simple_query(sql).await.expect(sql);
    messages
        .into_iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        })
        .collect()
}

fn number(row: &SimpleQueryRow, column: &str) -> f64 {
    let text = row.get(column).unwrap_or_else(|| panic!("{column}"));
    text.parse().unwrap_or_else(|_| panic!("{column}: {text}"))
}

fn code(error: &tokio_postgres::Error) -> &str {
    error.code().expect("the proxy says why").code()
}

#[tokio::test]
async fn the_exporter_of_pgbouncer_finds_what_it_reads() {
    let (server, proxy) = start(3);
    let app = connect(&proxy, server.user(), "shop").await;
    app.batch_execute("begin; select 1").await.unwrap();
    let other = connect(&proxy, server.user(), "shop").await;
    for _ in 0..5 {
        other.query("select $1::int", &[&1]).await.unwrap();
    }
    let console = connect(&proxy, "operator", "pgbouncer").await;

    // Its first query is a ping.
    assert_eq!(rows(&console, "SHOW STATS").await.len(), 1);
    let version = rows(&console, "SHOW VERSION;").await;
    assert_eq!(version[0].columns().len(), 1);
    assert!(version[0].get("version").unwrap().starts_with("Shunt "));

    let lists = rows(&console, "SHOW LISTS;").await;
    let list = |name: &str| {
        let row = lists.iter().find(|row| row.get(0) == Some(name));
        number(row.unwrap_or_else(|| panic!("{name}")), "items")
    };
    assert_eq!(lists[0].columns().len(), 2);
    for name in [
        "free_clients",
        "login_clients",
        "free_servers",
        "dns_names",
        "dns_zones",
        "dns_queries",
    ] {
        assert_eq!(list(name), 0.0, "{name}");
    }
    assert_eq!(
        (list("databases"), list("users"), list("pools")),
        (1.0, 2.0, 1.0)
    );
    assert_eq!((list("used_clients"), list("used_servers")), (3.0, 2.0));

    let config = rows(&console, "SHOW CONFIG;").await;
    assert_eq!(config[0].columns().len(), 4);
    let value = |key: &str| {
        let row = config.iter().find(|row| row.get(0) == Some(key));
        number(row.unwrap_or_else(|| panic!("{key}")), "value")
    };
    assert_eq!(value("max_client_conn"), 1000.0);
    assert_eq!(value("max_user_connections"), 0.0);

    let databases = rows(&console, "SHOW DATABASES;").await;
    let shop = &databases[0];
    assert_eq!(databases.len(), 1);
    assert_eq!(shop.get("name"), Some("shop"));
    assert_eq!(shop.get("host"), Some("127.0.0.1"));
    assert_eq!(shop.get("port"), Some(server.port().to_string().as_str()));
    assert_eq!(shop.get("database"), Some("shop"));
    assert_eq!(shop.get("force_user"), Some(server.user()));
    assert_eq!(shop.get("pool_mode"), Some("transaction"));
    for (column, expected) in [
        ("pool_size", 3.0),
        ("reserve_pool", 0.0),
        ("max_connections", 0.0),
        ("current_connections", 2.0),
        ("paused", 0.0),
        ("disabled", 0.0),
    ] {
        assert_eq!(number(shop, column), expected, "{column}");
    }

    let totals = rows(&console, "SHOW STATS_TOTALS;").await;
    let shop = &totals[0];
    assert_eq!(shop.get("database"), Some("shop"));
    for column in [
        "query_count",
        "query_time",
        "bytes_received",
        "bytes_sent",
        "wait_time",
        "xact_count",
        "xact_time",
        "client_parse_count",
        "server_parse_count",
        "bind_count",
    ] {
        assert!(number(shop, column) >= 0.0, "{column}");
    }
    // One query string that leaves a transaction open; five times prepare, execute and close, each with its Sync.
    assert_eq!(number(shop, "query_count"), 16.0);
    assert_eq!(number(shop, "xact_count"), 15.0);
    assert_eq!(number(shop, "bind_count"), 5.0);
    assert_eq!(number(shop, "client_parse_count"), 5.0);
    assert_eq!(number(shop, "server_parse_count"), 1.0);
    assert!(number(shop, "query_time") > 0.0 && number(shop, "bytes_sent") > 100.0);

    let pools = rows(&console, "SHOW POOLS;").await;
    assert_eq!(pools.len(), 1, "one row per pair of labels");
    let pool = &pools[0];
    assert_eq!(pool.get("database"), Some("shop"));
    assert_eq!(pool.get("user"), Some(server.user()));
    for (column, expected) in [
        ("cl_active", 2.0),
        ("cl_active_cancel_req", 0.0),
        ("cl_waiting", 0.0),
        ("cl_waiting_cancel_req", 0.0),
        ("sv_active", 1.0),
        ("sv_active_cancel", 0.0),
        ("sv_being_canceled", 0.0),
        ("sv_idle", 1.0),
        ("sv_used", 0.0),
        ("sv_tested", 0.0),
        ("sv_login", 0.0),
        ("maxwait", 0.0),
    ] {
        assert_eq!(number(pool, column), expected, "{column}");
    }
}

#[tokio::test]
async fn every_show_answers_alike_in_both_protocols() {
    let (server, proxy) = start(3);
    let app = connect(&proxy, server.user(), "shop").await;
    app.query("select 1", &[]).await.unwrap();
    let console = connect(&proxy, "operator", "shunt").await;
    for command in COMMANDS.iter().filter(|c| c.words.starts_with("SHOW ")) {
        // Binary, as the driver asks for it: the types must be what they are said to be.
        let binary = console
            .query(command.words, &[])
            .await
            .expect(command.words);
        let text = rows(&console, command.words).await;
        assert_eq!(binary.len(), text.len(), "{}", command.words);
        let names: Vec<_> = command.columns.iter().map(|column| column.name).collect();
        for (binary, text) in binary.iter().zip(&text) {
            let said: Vec<_> = binary
                .columns()
                .iter()
                .map(|column| column.name())
                .collect();
            assert_eq!(said, names);
            for (at, column) in command.columns.iter().enumerate() {
                assert_eq!(
                    binary.columns()[at].type_().name(),
                    match column.kind {
                        Kind::Text => "text",
                        Kind::Int => "int4",
                        Kind::BigInt => "int8",
                        Kind::Numeric => "numeric",
                    }
                );
                match column.kind {
                    Kind::Int => {
                        let value: Option<i32> = binary.get(at);
                        assert_eq!(value.is_none(), text.get(at).is_none(), "{}", column.name);
                    }
                    Kind::BigInt => assert!(binary.get::<_, i64>(at) >= 0),
                    Kind::Text => {
                        let value: Option<&str> = binary.get(at);
                        assert_eq!(value.is_none(), text.get(at).is_none(), "{}", column.name);
                    }
                    Kind::Numeric => {}
                }
            }
        }
    }
    // A console is a client like others.
    let clients = rows(&console, "SHOW CLIENTS").await;
    let own = clients
        .iter()
        .find(|row| row.get("database") == Some("shunt"));
    assert_eq!(own.unwrap().get("addr"), Some("127.0.0.1"));
    // What drivers send is taken, what nobody knows is refused, and the conversation goes on.
    console
        .batch_execute("SET client_encoding = 'UTF8'; ;")
        .await
        .unwrap();
    for (sql, state) in [
        ("SELECT 1", "42601"),
        ("SHOW RESHARD", "0A000"),
        ("BEGIN", "0A000"),
    ] {
        let error = console.simple_query(sql).await.unwrap_err();
        assert_eq!(code(&error), state);
        assert!(error.as_db_error().unwrap().hint().is_some(), "{sql}");
        let error = console.query(sql, &[]).await.unwrap_err();
        assert_eq!(code(&error), state);
    }
    assert_eq!(rows(&console, "SHOW VERSION; SHOW VERSION").await.len(), 2);
}

#[tokio::test]
async fn only_administrators_get_in() {
    let (server, proxy) = start(1);
    let error = tokio_postgres::connect(&proxy.url(server.user(), "shunt"), NoTls)
        .await
        .err()
        .expect("it is refused");
    assert_eq!(code(&error), "42501");
    let hint = error.as_db_error().unwrap().hint().unwrap();
    assert!(hint.contains("admin = true"), "{hint}");
}

#[tokio::test]
async fn show_clients_says_who_is_pinned_and_why() {
    let (server, proxy) = start(2);
    let app = connect(&proxy, server.user(), "shop").await;
    app.batch_execute("set application_name = 'basket'")
        .await
        .unwrap();
    app.batch_execute("create temporary table t (a int)")
        .await
        .unwrap();
    let console = connect(&proxy, "operator", "shunt").await;
    let clients = rows(&console, "SHOW CLIENTS").await;
    let basket = clients
        .iter()
        .find(|row| row.get("application_name") == Some("basket"))
        .expect("it is listed");
    assert_eq!(basket.get("pinned"), Some("temporary objects"));
    assert_eq!(
        (basket.get("state"), basket.get("servers")),
        (Some("active"), Some("1"))
    );
    let servers = rows(&console, "SHOW SERVERS").await;
    let held = servers
        .iter()
        .find(|row| row.get("ptr") == basket.get("link"))
        .expect("its server is listed");
    assert_eq!(held.get("link"), basket.get("ptr"));
    assert_eq!(
        (held.get("state"), held.get("shard")),
        (Some("active"), Some("s0"))
    );
    let process: i32 = app
        .query_one("select pg_backend_pid()", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(number(held, "remote_pid"), f64::from(process));
    app.batch_execute("discard all").await.unwrap();
    let clients = rows(&console, "SHOW CLIENTS").await;
    assert!(clients.iter().all(|row| row.get("pinned").is_none()));
}

/// What clients prepare is kept within bounds, however long it is: on the session's side it is refused, on a connection it
/// makes way and is prepared anew.
#[tokio::test]
async fn texts_of_prepared_statements_are_bounded() {
    let (_server, proxy) = start(1);
    let console = connect(&proxy, "operator", "shunt").await;
    let bytes = async |of: &str| {
        let all = rows(&console, "show mem").await;
        let row = all.iter().find(|row| row.get("name") == Some(of));
        number(row.expect(of), "memtotal")
    };
    let client = connect(&proxy, _server.user(), "shop").await;
    // As long as a text may be that is read, about.
    let blanks = " ".repeat(1_000_000);
    let mut prepared = Vec::new();
    let error = loop {
        let i = prepared.len() as i32;
        match client.prepare(&format!("select {i}{blanks}")).await {
            Ok(statement) => prepared.push(statement),
            Err(error) => break error,
        }
        assert!(prepared.len() < 100);
        assert!(bytes("server_prepared_statements").await <= f64::from(4 << 20));
    };
    assert_eq!(code(&error), "54000");
    assert_eq!(prepared.len(), 67);
    let kept = bytes("client_prepared_statements").await;
    assert!((67e6..f64::from(64 << 20)).contains(&kept), "{kept}");
    for (i, statement) in prepared.iter().enumerate().step_by(7) {
        let row = client.query_one(statement, &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), i as i32);
    }
    // One that is closed makes room.
    prepared.pop();
    client.query_one("select 1", &[]).await.unwrap();
    let again = client
        .prepare(&format!("select 100{blanks}"))
        .await
        .unwrap();
    assert_eq!(
        client
            .query_one(&again, &[])
            .await
            .unwrap()
            .get::<_, i32>(0),
        100
    );
    assert!(bytes("server_prepared_statements").await <= f64::from(4 << 20));
}

async fn backends(server: &Server) -> i64 {
    let (client, connection) = tokio_postgres::connect(&server.url("shop"), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let sql = "select count(*) from pg_stat_activity \
               where datname = 'shop' and pid <> pg_backend_pid() and backend_type = 'client backend'";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn pause_waits_for_transactions_and_holds_new_ones() {
    let (server, proxy) = start(4);
    let busy = connect(&proxy, server.user(), "shop").await;
    let late = connect(&proxy, server.user(), "shop").await;
    busy.batch_execute("create table t (a int); begin; insert into t values (1)")
        .await
        .unwrap();
    late.batch_execute("select 1").await.unwrap();
    let console = connect(&proxy, "operator", "shunt").await;
    let pausing = tokio::spawn(async move {
        console.batch_execute("PAUSE shop").await.unwrap();
        console
    });
    let looking = connect(&proxy, "operator", "shunt").await;
    let until = Instant::now() + Duration::from_secs(5);
    while number(&rows(&looking, "SHOW DATABASES").await[0], "paused") == 0.0 {
        assert!(Instant::now() < until);
    }
    let waiting = tokio::spawn(async move {
        late.batch_execute("insert into t values (2)")
            .await
            .unwrap();
        late
    });
    while number(&rows(&looking, "SHOW POOLS").await[0], "cl_waiting") == 0.0 {
        assert!(Instant::now() < until);
    }
    assert!(!pausing.is_finished(), "a transaction is open");
    // The one inside goes on to its end.
    busy.batch_execute("insert into t values (3)")
        .await
        .unwrap();
    busy.batch_execute("commit").await.unwrap();
    let console = tokio::time::timeout(Duration::from_secs(5), pausing)
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
    let late = tokio::time::timeout(Duration::from_secs(5), waiting)
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
    assert_eq!(code(&error), "55000");
    let error = console.batch_execute("PAUSE nowhere").await.unwrap_err();
    assert_eq!(code(&error), "3D000");
}

#[tokio::test]
async fn a_pause_that_lasts_too_long_can_be_cancelled() {
    let (server, proxy) = start(4);
    let busy = connect(&proxy, server.user(), "shop").await;
    busy.batch_execute("begin; select 1").await.unwrap();
    let console = connect(&proxy, "operator", "shunt").await;
    let cancel = console.cancel_token();
    let pausing = tokio::spawn(async move {
        let error = console.batch_execute("PAUSE").await.unwrap_err();
        (console, code(&error).to_owned())
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    cancel.cancel_query(NoTls).await.unwrap();
    let (console, state) = tokio::time::timeout(Duration::from_secs(5), pausing)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(state, "57014");
    console.batch_execute("RESUME").await.unwrap();
    busy.batch_execute("commit").await.unwrap();
}

#[tokio::test]
async fn kill_disable_and_reconnect_do_what_they_say() {
    let (server, proxy) = start(4);
    let url = proxy.url(server.user(), "shop");
    let app = connect(&proxy, server.user(), "shop").await;
    let pid = async |client: &Client| -> i32 {
        client
            .query_one("select pg_backend_pid()", &[])
            .await
            .unwrap()
            .get(0)
    };
    let console = connect(&proxy, "operator", "shunt").await;
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
    let closes = connect(&proxy, "operator", "shunt").await;
    let mut closes = tokio::spawn(async move { closes.batch_execute("WAIT_CLOSE shop").await });
    let early = tokio::time::timeout(Duration::from_millis(300), &mut closes).await;
    assert!(early.is_err(), "{early:?}");
    app.batch_execute("commit").await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), closes)
        .await
        .expect("it is closed")
        .unwrap()
        .unwrap();
    assert_ne!(pid(&app).await, after);

    console.batch_execute("DISABLE shop").await.unwrap();
    let refused = tokio_postgres::connect(&url, NoTls).await.err().unwrap();
    assert_eq!(code(&refused), "57P03");
    app.batch_execute("select 1").await.unwrap();
    console.batch_execute("ENABLE shop").await.unwrap();
    connect(&proxy, server.user(), "shop").await;

    let slow = connect(&proxy, server.user(), "shop").await;
    let sleeping = tokio::spawn(async move { slow.batch_execute("select pg_sleep(60)").await });
    let until = Instant::now() + Duration::from_secs(30);
    while number(&rows(&console, "SHOW POOLS").await[0], "sv_active") == 0.0 {
        assert!(Instant::now() < until);
    }
    console.batch_execute("KILL shop").await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(30), sleeping)
        .await
        .unwrap();
    assert_eq!(code(&ended.unwrap().unwrap_err()), "57P01");
    // Its query does not go on for a minute on the server.
    let sleeping = "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)'";
    while server.execute("shop", sleeping).unwrap() != "0" {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    while !app.is_closed() {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // A new client waits for RESUME.
    let url = proxy.url(server.user(), "shop");
    let coming = tokio::spawn(async move {
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("select 1").await.unwrap();
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!coming.is_finished());
    console.batch_execute("RESUME shop").await.unwrap();
    tokio::time::timeout(Duration::from_secs(5), coming)
        .await
        .unwrap()
        .unwrap();
}

/// A cancel request is lost on a server process that has not read the query yet: `KILL` ends it all the same.
#[tokio::test]
async fn kill_ends_a_query_that_its_server_has_yet_to_read() {
    let (server, proxy) = start(1);
    let console = connect(&proxy, "operator", "shunt").await;
    let slow = connect(&proxy, server.user(), "shop").await;
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
    let until = Instant::now() + Duration::from_secs(30);
    while number(&rows(&console, "SHOW POOLS").await[0], "sv_active") == 0.0 {
        assert!(Instant::now() < until);
    }
    console.batch_execute("KILL shop").await.unwrap();
    let ended = sleeping.await.unwrap();
    assert_eq!(code(&ended.unwrap_err()), "57P01");
    // The first request has come and gone by then.
    let patience = Instant::now() + Duration::from_millis(300);
    while proxy.totals.clients() > 1 && Instant::now() < patience {
        tokio::task::yield_now().await;
    }
    tell("-CONT");
    let gone = format!("select count(*) from pg_stat_activity where pid = {pid}");
    while server.execute("shop", &gone).unwrap() != "0" {
        assert!(Instant::now() < until, "its query goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Nobody waits until a client has listened, and a server process that waits for its client to take rows is ended too.
#[tokio::test]
async fn kill_cuts_a_client_that_takes_no_answers() {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    for mode in [PoolMode::Transaction, PoolMode::Session] {
        let mut settings = settings(&server, 1);
        settings.databases[0].pool.mode = mode;
        let proxy = TestProxy::start(settings);
        let console = connect(&proxy, "operator", "shunt").await;
        let mut deaf = RawClient::trust(proxy.address, server.user(), "shop").unwrap();
        let rows = "select repeat('x', 1000) from generate_series(1, 200000)";
        deaf.send(b'Q', format!("{rows}\0").as_bytes()).unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        let waits = "select count(*) from pg_stat_activity where wait_event = 'ClientWrite'";
        while server.execute("shop", waits).unwrap() == "0" {
            assert!(Instant::now() < until, "its server takes rows for it");
        }
        console
            .batch_execute("KILL shop; RESUME shop")
            .await
            .unwrap();
        let app = connect(&proxy, server.user(), "shop").await;
        app.batch_execute("select 1").await.unwrap();
        assert_eq!(server.execute("shop", waits).unwrap(), "0");
        // It has not hung up.
        while deaf.read().is_ok() {}
    }
}

/// Clients that wait at the gate of a paused database, since a server has to be asked first what to tell them, are no
/// strangers, and whoever hangs up there is gone.
#[tokio::test]
async fn clients_of_a_paused_database_keep_nobody_out() {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    let mut settings = settings(&server, 1);
    settings.workers = 1;
    // Half of all places are for strangers, sixteen at least.
    settings.max_clients = 40;
    let proxy = TestProxy::start(settings);
    let console = connect(&proxy, "operator", "shunt").await;
    console.batch_execute("PAUSE shop").await.unwrap();
    let mut waiting = Vec::new();
    let until = Instant::now() + Duration::from_secs(30);
    for number in 0..30 {
        let mut packet = b"\0\x03\0\0user\0".to_vec();
        let user = server.user();
        packet.extend(format!("{user}\0database\0shop\0application_name\0{number}\0\0").bytes());
        let length = u32::try_from(packet.len() + 4).unwrap();
        let mut client = TcpStream::connect(proxy.address).unwrap();
        client.write_all(&length.to_be_bytes()).unwrap();
        client.write_all(&packet).unwrap();
        waiting.push(client);
        while proxy.totals.clients() < waiting.len() + 1 {
            assert!(Instant::now() < until, "it is turned away");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    connect(&proxy, "operator", "shunt").await;
    drop(waiting);
    while proxy.totals.clients() > 1 {
        assert!(Instant::now() < until, "they have gone");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    console.batch_execute("RESUME shop").await.unwrap();
    let app = connect(&proxy, server.user(), "shop").await;
    app.batch_execute("select 1").await.unwrap();
}

#[tokio::test]
async fn shutdown_drains() {
    let (server, proxy) = start(2);
    let app = connect(&proxy, server.user(), "shop").await;
    app.batch_execute("begin; select 1").await.unwrap();
    let console = connect(&proxy, "operator", "shunt").await;
    console.batch_execute("SHUTDOWN").await.unwrap();
    app.batch_execute("commit").await.unwrap();
    let until = Instant::now() + Duration::from_secs(5);
    while !(app.is_closed() && console.is_closed()) {
        assert!(Instant::now() < until);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let refused = tokio_postgres::connect(&proxy.url(server.user(), "shop"), NoTls).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn prepared_transactions_are_asked_for() {
    let server = Server::builder()
        .database("shop")
        .set("max_prepared_transactions", "2")
        .start()
        .expect("a server starts");
    let proxy = TestProxy::start(settings(&server, 2));
    let (direct, connection) = tokio_postgres::connect(&server.url("shop"), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    direct
        .batch_execute("begin; create table t (a int); prepare transaction 'left behind'")
        .await
        .unwrap();
    let console = connect(&proxy, "operator", "shunt").await;
    let found = rows(&console, entry(Verb::TwoPhase).words).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (
            found[0].get("gid"),
            found[0].get("shard"),
            found[0].get("state")
        ),
        (Some("left behind"), Some("s0"), Some("foreign"))
    );
    server.kill().unwrap();
    let found = rows(&console, entry(Verb::TwoPhase).words).await;
    assert_eq!(
        (
            found[0].get("gid"),
            found[0].get("shard"),
            found[0].get("state")
        ),
        (None, Some("s0"), Some("unreachable"))
    );
}

#[test]
fn the_documentation_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/console.md");
    let text = router_proxy::admin::table::markdown();
    if std::env::var_os("SHUNT_WRITE_DOCS").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == text,
        "docs/console.md is old: run this test with SHUNT_WRITE_DOCS=1"
    );
}

/// A pool that opens a connection during a pause is let in; what it asks waits.
#[tokio::test]
async fn a_paused_database_lets_clients_in() {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    let mut settings = settings(&server, 2);
    settings.workers = 1;
    let proxy = TestProxy::start(settings);
    let console = connect(&proxy, "operator", "shunt").await;
    drop(connect(&proxy, server.user(), "shop").await);
    console.batch_execute("PAUSE shop").await.unwrap();
    let limit = Duration::from_secs(10);
    let entering = connect(&proxy, server.user(), "shop");
    let client = tokio::time::timeout(limit, entering)
        .await
        .expect("it gets in");
    let mut asking = Box::pin(client.simple_query("SELECT 1"));
    tokio::select! {
        biased;
        answer = &mut asking => panic!("not before the pause ends: {answer:?}"),
        found = rows(&console, "SHOW DATABASES") => assert_eq!(number(&found[0], "paused"), 1.0),
    }
    console.batch_execute("RESUME shop").await.unwrap();
    tokio::time::timeout(limit, asking)
        .await
        .expect("an answer")
        .unwrap();
}

/// Whoever has to see why there are so many clients gets in beside them.
#[tokio::test]
async fn the_console_is_open_when_there_are_too_many_clients() {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    let mut settings = settings(&server, 2);
    settings.max_clients = 1;
    let proxy = TestProxy::start(settings);
    let _client = connect(&proxy, server.user(), "shop").await;
    let console = connect(&proxy, "operator", "shunt").await;
    assert!(!rows(&console, "SHOW CLIENTS").await.is_empty());
    let refused = tokio_postgres::connect(&proxy.url(server.user(), "shop"), NoTls).await;
    assert_eq!(code(&refused.err().expect("a refusal")), "53300");
}

/// After `RECONNECT` the router knows what was made on the server without it.
#[tokio::test]
async fn reconnect_looks_for_what_was_made_meanwhile() {
    let (server, proxy) = start(1);
    server.execute("shop", "create table t (a int)").unwrap();
    let console = connect(&proxy, "operator", "shunt").await;
    let client = connect(&proxy, server.user(), "shop").await;
    client
        .batch_execute("insert into t values (1)")
        .await
        .unwrap();
    let made = "create function sets() returns trigger language plpgsql as
                $$ begin perform set_config('work_mem', '77kB', false); return new; end $$;
                create trigger sets before insert on t for each row execute function sets()";
    server.execute("shop", made).unwrap();
    console.batch_execute("RECONNECT shop").await.unwrap();
    client
        .batch_execute("insert into t values (2)")
        .await
        .unwrap();
    drop(client);
    let next = connect(&proxy, server.user(), "shop").await;
    let found = rows(&next, "SHOW work_mem").await;
    assert_eq!(found[0].get(0), Some("4MB"));
}
