//! The console on real servers: what tools read from it, and what operators order.

mod kills;
mod orders;
mod pauses;
mod shows;

use local_postgres::Server;
use router_proxy::settings::{PoolSettings, Settings, User};
use shunt_tests::proxy::{TestProxy, unsharded};
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
