//! What the proxy learns from the servers' catalogs, and when: views, functions, `search_path`.

mod own;
mod seen;
mod trees;

use local_postgres::Server;
use router_core::topology::spec::TopologySpec;
use shunt_tests::driver::attempt;
use shunt_tests::proxy::TestProxy;
use shunt_tests::shards::{layout, modulo, proxy_before, spread, with_databases_of};
use tokio_postgres::Client;

const DATABASES: [&str; 2] = ["shop0", "shop1"];

/// Two shards; users by `id` modulo 2; what is not listed is on the first.
fn start() -> (Server, TestProxy) {
    let tables = "create table users (id bigint primary key, name text);
                  create schema app; create table app.users (id bigint primary key, name text);
                  create table notes (id int)";
    let server = with_databases_of(Server::builder(), &DATABASES, tables)
        .start()
        .expect("a server starts");
    let spec = TopologySpec {
        default_shard: Some("s0".into()),
        placements: vec![modulo("by_user")],
        tables: ["users", "app.users", "events"]
            .map(|table| spread(table, "id", "by_user"))
            .into(),
        ..layout("shop", &["s0", "s1"])
    };
    let proxy = proxy_before(&server, &spec, &DATABASES, 2);
    (server, proxy)
}

async fn connect(proxy: &TestProxy, server: &Server) -> Client {
    proxy.connect(server.user(), "shop").await
}

/// The rows in no order, or the error's SQLSTATE.
async fn ask(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let mut rows = attempt(client, sql).await?;
    rows.sort();
    Ok(rows)
}

fn on_both(server: &Server, sql: &str) {
    for shard in DATABASES {
        server.execute(shard, sql).unwrap();
    }
}
