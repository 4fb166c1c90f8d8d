//! What the proxy learns from the servers' catalogs, and when: views, functions, `search_path`.

mod own;
mod seen;
mod trees;

use std::sync::Arc;

use local_postgres::Server;
use router_core::id::Epoch;
use router_core::topology::Topology;
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, ShardSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::value::KeyType;
use router_proxy::settings::{Database, PoolSettings, ReadSettings, ShardServers};
use shunt_tests::proxy::{TestProxy, address, with_databases};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Two shards; users by `id` modulo 2; what is not listed is on the first.
fn start(server: &Server) -> TestProxy {
    for shard in ["shop0", "shop1"] {
        server
            .execute("postgres", &format!("create database {shard}"))
            .unwrap();
        server
            .execute(shard, "create table users (id bigint primary key, name text); create schema app; create table app.users (id bigint primary key, name text); create table notes (id int)")
            .unwrap();
    }
    let table = |schema: &str, name: &str| TableSpec {
        schema: schema.into(),
        name: name.into(),
        home: HomeSpec::Sharded {
            key: vec!["id".into()],
            placement: "by_user".into(),
        },
    };
    let spec = TopologySpec {
        database: "shop".into(),
        shards: ["s0", "s1"]
            .map(|name| ShardSpec {
                name: name.into(),
                has_replicas: false,
            })
            .into(),
        default_shard: Some("s0".into()),
        scratch: None,
        triggers_per_shard: false,
        placements: vec![PlacementSpec {
            name: "by_user".into(),
            types: vec![KeyType::Bigint],
            strategy: StrategySpec::Modulo { shards: None },
        }],
        tables: vec![
            table("public", "users"),
            table("app", "users"),
            table("public", "events"),
        ],
    };
    let database = Database {
        topology: Arc::new(Topology::build(&spec, Epoch(1)).expect("a topology")),
        shards: ["shop0", "shop1"]
            .map(|name| ShardServers {
                primary: address(server, name),
                replicas: Vec::new(),
            })
            .into(),
        pool: PoolSettings {
            max_size: 2,
            ..PoolSettings::default()
        },
        reads: ReadSettings::default(),
        two_phase: Default::default(),
    };
    TestProxy::start(with_databases(vec![database], server.user()))
}

async fn connect(proxy: &TestProxy, server: &Server) -> Client {
    let url = proxy.url(server.user(), "shop");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The rows' first columns, or the error's SQLSTATE.
async fn ask(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let messages = client.simple_query(sql).await.map_err(|error| {
        let code = error
            .code()
            .unwrap_or_else(|| panic!("{sql}: {error:?}"))
            .code();
        code.to_owned()
    })?;
    let mut found: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .collect();
    found.sort();
    Ok(found)
}

fn on_both(server: &Server, sql: &str) {
    for shard in ["shop0", "shop1"] {
        server.execute(shard, sql).unwrap();
    }
}
