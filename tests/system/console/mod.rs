//! The console on real servers: what tools read from it, and what operators order.

mod kills;
mod orders;
mod pauses;
mod shows;

use local_postgres::Server;
use router_proxy::settings::{PoolSettings, Settings};
use shunt_tests::one_server::{server, with_operator};
use shunt_tests::proxy::{TestProxy, unsharded};
use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};

fn settings(server: &Server, max_size: usize) -> Settings {
    let pool = PoolSettings {
        max_size,
        ..PoolSettings::default()
    };
    with_operator(unsharded(server, "shop", pool))
}

fn start(max_size: usize) -> (Server, TestProxy) {
    let server = server();
    let proxy = TestProxy::start(settings(&server, max_size));
    (server, proxy)
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
