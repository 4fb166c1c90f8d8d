//! Servers that go and come back, as an operator sees them: /ready, metrics, the console.

use std::sync::Arc;

use local_postgres::{Server, Stop};
use router_core::id::Epoch;
use router_core::topology::{Shard, Topology};
use router_proxy::settings::{Database, PoolSettings, Settings, User};
use shunt_tests::patience::await_that;
use shunt_tests::proxy::{TestProxy, unsharded};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::http::{get, value};

fn server(database: &str) -> Server {
    let builder = Server::builder().database(database);
    builder.start().expect("a server starts")
}

/// A database of this name on each server, told of by HTTP.
fn settings(servers: &[(&Server, &str)]) -> Settings {
    let (first, name) = servers[0];
    let mut settings = unsharded(first, name, PoolSettings::default());
    settings.http_listen = Some(([127, 0, 0, 1], 0).into());
    settings.users.push(User {
        name: "operator".into(),
        admin: true,
        ..settings.users[0].clone()
    });
    for (server, name) in &servers[1..] {
        let Database { shards, .. } = unsharded(server, name, PoolSettings::default())
            .databases
            .remove(0);
        let shard = Shard {
            name: "s0".into(),
            has_replicas: false,
        };
        settings.databases.push(Database {
            topology: Arc::new(Topology::unsharded(*name, shard, Epoch(1))),
            shards,
            ..settings.databases[0].clone()
        });
    }
    settings
}

async fn connect(proxy: &TestProxy, user: &str, database: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(&proxy.url(user, database), NoTls)
        .await
        .expect("a client gets in");
    tokio::spawn(connection);
    client
}

/// What the console shows of each shard: database, state, error.
async fn shards(console: &Client) -> Vec<[String; 3]> {
    let messages = console.simple_query("SHOW SHARDS").await.expect("rows");
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let columns = ["database", "state", "last_error"];
    rows.map(|row| columns.map(|column| row.get(column).unwrap_or("-").to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_that_is_down_is_told_and_takes_nobody_out_of_service() {
    let (shop, bank) = (server("shop"), server("bank"));
    let proxy = TestProxy::start(settings(&[(&shop, "shop"), (&bank, "bank")]));
    let http = proxy.http.expect("a port was found");
    let both = "ready\nshop/s0 primary up\nbank/s0 primary up\n";
    await_that("both are up", || {
        get(http, "/ready") == (200, both.to_owned())
    });
    let console = connect(&proxy, "operator", "shunt").await;
    let client = connect(&proxy, bank.user(), "bank").await;
    client.batch_execute("select 1").await.unwrap();

    bank.stop(Stop::Immediate).unwrap();
    for _ in 0..5 {
        client.batch_execute("select 1").await.unwrap_err();
    }
    let (status, body) = get(http, "/ready");
    assert_eq!(status, 503, "{body}");
    assert!(body.starts_with("not ready: a primary is down\n"), "{body}");
    let (status, body) = get(http, "/ready?any");
    assert_eq!(status, 200, "{body}");
    let down: Vec<_> = body.lines().filter(|line| line.contains("down")).collect();
    assert_eq!(down.len(), 1, "{body}");
    assert!(
        down[0].starts_with("bank/s0 primary down for ") && down[0].ends_with("connection refused"),
        "{body}"
    );
    let metrics = get(http, "/metrics").1;
    let of = |name: &str, database: &str| {
        let labels = format!("{{database=\"{database}\",shard=\"s0\",server=\"primary\"}}");
        value(&metrics, &format!("{name}{labels}"))
    };
    assert_eq!(of("shunt_server_up", "shop"), 1.0);
    assert_eq!(of("shunt_server_up", "bank"), 0.0);
    assert_eq!(of("shunt_server_connect_failures_total", "shop"), 0.0);
    assert!(of("shunt_server_connect_failures_total", "bank") >= 4.0);
    let seen = shards(&console).await;
    assert_eq!(seen[0], ["shop", "up", "-"]);
    assert_eq!(seen[1], ["bank", "down", "connection refused"]);

    // Its return is seen by itself: nobody asks it for anything.
    bank.start().unwrap();
    await_that("both are told of", || get(http, "/ready").1 == both);
    assert_eq!(shards(&console).await[1][1], "up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_room_is_up_as_long_as_its_connections_answer() {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    // Whoever is superuser has slots of its own.
    server
        .execute("shop", "create role app login connection limit 5")
        .unwrap();
    let mut settings = settings(&[(&server, "shop")]);
    settings.databases[0].shards[0].primary.user = "app".into();
    let proxy = TestProxy::start(settings);
    let http = proxy.http.expect("a port was found");
    let console = connect(&proxy, "operator", "shunt").await;
    let client = connect(&proxy, server.user(), "shop").await;
    client.batch_execute("select 1").await.unwrap();
    // Whoever looks at the server, or reads its catalog, has done so and gone.
    await_that("it is up", || get(http, "/ready").1.contains("primary up"));
    let busy = "select count(*) from pg_stat_activity where usename = 'app'";
    await_that("one connection is left", || {
        server.execute("shop", busy).unwrap() == "1"
    });
    // Somebody else takes what slots there are.
    let direct = format!("host=127.0.0.1 port={} user=app dbname=shop", server.port());
    let mut taken = Vec::new();
    while let Ok((client, connection)) = tokio_postgres::connect(&direct, NoTls).await {
        tokio::spawn(connection);
        taken.push(client);
    }
    let other = connect(&proxy, server.user(), "shop").await;
    client.batch_execute("begin; select 1").await.unwrap();
    let refused = other.batch_execute("select 1").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "53300");
    client.batch_execute("commit").await.unwrap();
    await_that("it is up", || get(http, "/ready").1.contains("primary up"));
    let [_, state, error] = &shards(&console).await[0];
    assert_eq!(state, "up");
    assert!(error.contains("too many connections for role"), "{error}");
}
