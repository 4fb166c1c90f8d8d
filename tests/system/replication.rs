//! Replication through the proxy: PostgreSQL's own tools, a base backup that verifies, a stream of WAL.

use std::process::Output;

use local_postgres::Server;
use router_proxy::settings::PoolSettings;
use shunt_tests::patience::await_that;
use shunt_tests::proxy::{TestProxy, unsharded};

fn server() -> Server {
    Server::builder()
        .database("shop")
        .set("wal_level", "logical")
        .start()
        .expect("a server starts")
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn psql(proxy: &TestProxy, server: &Server, conninfo: &str, sql: &str) -> Output {
    proxy
        .client(server, "psql", "shop")
        .args(["-X", "-A", "-t", "-c", sql, conninfo])
        .output()
        .unwrap()
}

#[test]
fn replication_is_passed_through() {
    let server = server();
    server
        .execute(
            "shop",
            "create table t as select generate_series(1, 1000) n",
        )
        .unwrap();
    let proxy = TestProxy::start(unsharded(&server, "shop", PoolSettings::default()));
    // Logical: replication commands and SQL on one connection.
    let logical = "dbname=shop replication=database application_name=mirror";
    let said = succeeded(&psql(&proxy, &server, logical, "IDENTIFY_SYSTEM"));
    let direct = server.execute("shop", "select system_identifier from pg_control_system()");
    assert!(said.starts_with(&direct.unwrap()), "{said}");
    assert!(said.trim_end().ends_with("|shop"), "{said}");
    let said = succeeded(&psql(&proxy, &server, logical, "show application_name"));
    assert_eq!(said, "mirror\n");
    let said = succeeded(&psql(&proxy, &server, logical, "select count(*) from t"));
    assert_eq!(said, "1000\n");
    let slot = "CREATE_REPLICATION_SLOT s LOGICAL pgoutput";
    succeeded(&psql(&proxy, &server, logical, slot));
    succeeded(&psql(&proxy, &server, logical, "DROP_REPLICATION_SLOT s"));
    // Nobody else is given such a connection.
    let said = succeeded(&psql(&proxy, &server, "dbname=shop", "select 40 + 2"));
    assert_eq!(said, "42\n");
    let output = psql(&proxy, &server, "dbname=shop", "IDENTIFY_SYSTEM");
    assert!(String::from_utf8_lossy(&output.stderr).contains("syntax error"));

    // Physical: a whole server's files, with the WAL that was written meanwhile over a second connection.
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let output = proxy
        .client(&server, "pg_basebackup", "shop")
        .args(["-X", "stream", "--checkpoint=fast", "-D"])
        .arg(&backup)
        .env_remove("PGDATABASE")
        .output()
        .unwrap();
    succeeded(&output);
    let output = server
        .client("pg_verifybackup", "shop")
        .arg(&backup)
        .output()
        .unwrap();
    succeeded(&output);
    // A stream of WAL up to what is there now.
    server.execute("shop", "select pg_switch_wal()").unwrap();
    let end = server
        .execute("shop", "select pg_current_wal_lsn()")
        .unwrap();
    let wal = folder.path().join("wal");
    std::fs::create_dir(&wal).unwrap();
    let output = proxy
        .client(&server, "pg_receivewal", "shop")
        .args(["--no-loop", "--endpos", &end, "-D"])
        .arg(&wal)
        .env_remove("PGDATABASE")
        .output()
        .unwrap();
    succeeded(&output);
    assert!(std::fs::read_dir(&wal).unwrap().count() > 0);
    // All of them are gone from the server, and from the pool.
    let walsenders = "select count(*) from pg_stat_activity where backend_type = 'walsender'";
    await_that("no walsender is left", || {
        server.execute("shop", walsenders).unwrap() == "0"
    });
}

/// What the server says against it reaches the client, and many clients do not get more connections than the pool has.
#[test]
fn replication_is_refused_in_the_servers_words() {
    let server = server();
    server.execute("shop", "create role plain login").unwrap();
    let mut settings = unsharded(&server, "shop", PoolSettings::default());
    settings.users[0].server_user = Some("plain".into());
    let proxy = TestProxy::start(settings);
    let logical = "dbname=shop replication=database";
    let output = psql(&proxy, &server, logical, "IDENTIFY_SYSTEM");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("replication role"), "{said}");
}

#[tokio::test]
async fn replication_of_several_shards_is_refused() {
    let shop = shunt_tests::shop::Shop::start(2, 0).await.unwrap();
    let output = shop
        .proxy
        .client(shop.primary(0), "psql", "shop")
        .args(["-X", "-c", "IDENTIFY_SYSTEM"])
        .arg(format!(
            "user={} dbname={} replication=database",
            shunt::demo::shop::USER,
            shunt::demo::shop::DATABASE
        ))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("needs a database of one shard"), "{said}");
    assert!(
        said.contains("HINT:  Connect to the shards themselves"),
        "{said}"
    );
}
