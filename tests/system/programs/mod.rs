//! Statements that are carried out in steps over three shards.

mod bound;
mod cursors;
mod gathered;
mod merged;

use std::sync::Arc;

use local_postgres::Server;
use router_core::id::Epoch;
use router_core::topology::Topology;
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, ShardSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::value::KeyType;
use router_proxy::settings::{Database, GatherLimits, PoolSettings, ReadSettings, ShardServers};
use shunt_tests::proxy::{TestProxy, address, with_databases};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

const SHARDS: [&str; 3] = ["s0", "s1", "s2"];

const SCHEMA: &str = r#"
    create table users (id bigint primary key, name text collate "C", score numeric, level int);
    create table orders (id bigint primary key, user_id bigint not null, total numeric)
"#;

/// Three databases of one server are three shards: users by `id` modulo 3, orders by their own `id`.
struct World {
    server: Server,
    proxy: TestProxy,
}

impl World {
    fn start() -> Self {
        Self::with(GatherLimits::default(), 5)
    }

    fn with(gather: GatherLimits, max_size: usize) -> Self {
        Self::with_scratch(gather, max_size, Some("s0"))
    }

    fn with_scratch(gather: GatherLimits, max_size: usize, scratch: Option<&str>) -> Self {
        let server = Server::builder()
            .database("s0")
            .start()
            .expect("a server starts");
        for shard in &SHARDS[1..] {
            server
                .execute("s0", &format!("create database {shard}"))
                .unwrap();
        }
        for shard in SHARDS {
            server.execute(shard, SCHEMA).unwrap();
        }
        let table = |name: &str| TableSpec {
            schema: "public".into(),
            name: name.into(),
            home: HomeSpec::Sharded {
                key: vec!["id".into()],
                placement: "by_id".into(),
            },
        };
        for (name, shard) in [("labels", "s2"), ("notes", "s1")] {
            let sql = format!("create table {name} (level int primary key, text text)");
            server.execute(shard, &sql).unwrap();
        }
        let whole = |name: &str, shard: &str| TableSpec {
            schema: "public".into(),
            name: name.into(),
            home: HomeSpec::Pinned(shard.into()),
        };
        let spec = TopologySpec {
            database: "shop".into(),
            shards: SHARDS
                .map(|name| ShardSpec {
                    name: name.into(),
                    has_replicas: false,
                })
                .into(),
            default_shard: None,
            scratch: scratch.map(str::to_owned),
            triggers_per_shard: false,
            placements: vec![PlacementSpec {
                name: "by_id".into(),
                types: vec![KeyType::Bigint],
                strategy: StrategySpec::Modulo { shards: None },
            }],
            tables: vec![
                table("users"),
                table("orders"),
                whole("labels", "s2"),
                whole("notes", "s1"),
            ],
        };
        let database = Database {
            topology: Arc::new(Topology::build(&spec, Epoch(1)).expect("a topology")),
            shards: SHARDS
                .map(|name| ShardServers {
                    primary: address(&server, name),
                    replicas: Vec::new(),
                })
                .into(),
            pool: PoolSettings {
                max_size,
                ..PoolSettings::default()
            },
            reads: ReadSettings {
                gather,
                ..ReadSettings::default()
            },
            two_phase: Default::default(),
        };
        let proxy = TestProxy::start(with_databases(vec![database], server.user()));
        Self { server, proxy }
    }

    async fn connect(&self) -> Client {
        let url = self.proxy.url(self.server.user(), "shop");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Users 1 to `count`, loaded into the shards directly, and two orders of each.
    fn fill(&self, count: usize) {
        self.fill_from(1, count);
    }

    fn fill_from(&self, first: usize, count: usize) {
        for (at, shard) in SHARDS.iter().enumerate() {
            let sql = format!(
                "insert into users select i, 'user ' || i, i % 7, case when i % 5 = 0 then null else i % 5 end \
                 from generate_series({first}, {count}) i where i % 3 = {at};
                 insert into orders select i, (i + 1) / 2, i * 1.5 from generate_series(2 * {first} - 1, 2 * {count}) i where i % 3 = {at}"
            );
            self.server.execute(shard, &sql).unwrap();
        }
    }
}

/// The rows of the last statement of a query string, each with its columns in one text.
async fn ask(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await;
    messages
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let columns = (0..row.len()).map(|i| row.get(i).unwrap_or("NULL"));
                Some(columns.collect::<Vec<_>>().join("|"))
            }
            _ => None,
        })
        .collect()
}

async fn fails(client: &Client, sql: &str) -> String {
    let error = client.simple_query(sql).await.expect_err(sql);
    let code = error.code().unwrap_or_else(|| panic!("{sql}: {error:?}"));
    code.code().to_owned()
}
