//! The proxy before two shards: one statement on one shard, on both, in transactions over both.

mod settings;
mod statements;
mod transactions;

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

/// Two databases of one server are two shards: users by `id` modulo 2.
struct Shop {
    server: Server,
    proxy: TestProxy,
}

impl Shop {
    fn start() -> Self {
        let server = Server::builder()
            .database("shop0")
            .start()
            .expect("a server starts");
        server.execute("shop0", "create database shop1").unwrap();
        for shard in ["shop0", "shop1"] {
            server
                .execute(shard, "create table users (id bigint primary key, name text); create table far (id bigint primary key)")
                .unwrap();
        }
        let database = Self::database(&server, None);
        let proxy = TestProxy::start(with_databases(vec![database], server.user()));
        Self { server, proxy }
    }

    /// The database, perhaps with the table `far` on a shard.
    fn database(server: &Server, far: Option<&str>) -> Database {
        let mut spec = TopologySpec {
            database: "shop".into(),
            shards: ["s0", "s1"]
                .map(|name| ShardSpec {
                    name: name.into(),
                    has_replicas: false,
                })
                .into(),
            default_shard: None,
            scratch: None,
            triggers_per_shard: false,
            placements: vec![PlacementSpec {
                name: "by_user".into(),
                types: vec![KeyType::Bigint],
                strategy: StrategySpec::Modulo { shards: None },
            }],
            tables: vec![TableSpec {
                schema: "public".into(),
                name: "users".into(),
                home: HomeSpec::Sharded {
                    key: vec!["id".into()],
                    placement: "by_user".into(),
                },
            }],
        };
        if let Some(shard) = far {
            spec.tables.push(TableSpec {
                schema: "public".into(),
                name: "far".into(),
                home: HomeSpec::Pinned(shard.into()),
            });
        }
        Database {
            topology: Arc::new(Topology::build(&spec, Epoch(1)).expect("a topology")),
            shards: ["shop0", "shop1"]
                .map(|name| ShardServers {
                    primary: address(server, name),
                    replicas: Vec::new(),
                })
                .into(),
            pool: PoolSettings {
                max_size: 1,
                ..PoolSettings::default()
            },
            reads: ReadSettings::default(),
            two_phase: Default::default(),
        }
    }

    async fn connect(&self) -> Client {
        let url = self.proxy.url(self.server.user(), "shop");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn on(&self, shard: &str, sql: &str) -> String {
        self.server.execute(shard, sql).unwrap()
    }
}

async fn ask(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await;
    let mut found: Vec<_> = messages
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .collect();
    found.sort();
    found
}

async fn fails(client: &Client, sql: &str) -> String {
    let failed = client.simple_query(sql).await;
    let error = failed.expect_err(sql);
    error
        .code()
        .unwrap_or_else(|| panic!("{sql}: {error:?}"))
        .code()
        .to_owned()
}

async fn filled(shop: &Shop) -> Client {
    let client = shop.connect().await;
    for id in 1..=6 {
        let sql = format!("insert into users (id, name) values ({id}, 'user {id}')");
        client.simple_query(&sql).await.unwrap();
    }
    client
}
