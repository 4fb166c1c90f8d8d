//! What `SHOW` tells: tools that read it, both protocols, who is pinned and why.

use local_postgres::Server;
use router_proxy::admin::table::{COMMANDS, Kind, Verb, entry};
use shunt_tests::driver::{self, connect};
use shunt_tests::proxy::TestProxy;

use super::{number, rows, settings, start};

#[tokio::test]
async fn the_exporter_of_pgbouncer_finds_what_it_reads() {
    let (server, proxy) = start(3);
    let app = proxy.connect(server.user(), "shop").await;
    app.batch_execute("begin; select 1").await.unwrap();
    let other = proxy.connect(server.user(), "shop").await;
    for _ in 0..5 {
        other.query("select $1::int", &[&1]).await.unwrap();
    }
    let console = proxy.connect("operator", "pgbouncer").await;

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
    let app = proxy.connect(server.user(), "shop").await;
    app.query("select 1", &[]).await.unwrap();
    let console = proxy.connect("operator", "shunt").await;
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
        assert_eq!(driver::state(&error), state);
        assert!(error.as_db_error().unwrap().hint().is_some(), "{sql}");
        let error = console.query(sql, &[]).await.unwrap_err();
        assert_eq!(driver::state(&error), state);
    }
    assert_eq!(rows(&console, "SHOW VERSION; SHOW VERSION").await.len(), 2);
}

#[tokio::test]
async fn show_clients_says_who_is_pinned_and_why() {
    let (server, proxy) = start(2);
    let app = proxy.connect(server.user(), "shop").await;
    app.batch_execute("set application_name = 'basket'")
        .await
        .unwrap();
    app.batch_execute("create temporary table t (a int)")
        .await
        .unwrap();
    let console = proxy.connect("operator", "shunt").await;
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
    let console = proxy.connect("operator", "shunt").await;
    let bytes = async |of: &str| {
        let all = rows(&console, "show mem").await;
        let row = all.iter().find(|row| row.get("name") == Some(of));
        number(row.expect(of), "memtotal")
    };
    let client = proxy.connect(_server.user(), "shop").await;
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
    assert_eq!(driver::state(&error), "54000");
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

#[tokio::test]
async fn prepared_transactions_are_asked_for() {
    let server = Server::builder()
        .database("shop")
        .set("max_prepared_transactions", "2")
        .start()
        .expect("a server starts");
    let proxy = TestProxy::start(settings(&server, 2));
    let direct = connect(&server.url("shop")).await;
    direct
        .batch_execute("begin; create table t (a int); prepare transaction 'left behind'")
        .await
        .unwrap();
    let console = proxy.connect("operator", "shunt").await;
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
