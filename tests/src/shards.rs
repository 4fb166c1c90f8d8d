//! A database of several shards on one server or on several, accounts spread by key, before a proxy in the test's own
//! process.

use std::sync::Arc;
use std::time::Duration;

use local_postgres::Server;
use router_core::id::Epoch;
use router_core::topology::Topology;
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, ShardSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::value::KeyType;
use router_proxy::settings::{
    Database, PoolSettings, ReadSettings, Settings, ShardServers, TwoPhaseSettings,
};

use crate::proxy::{address, with_databases};

/// The topology: `accounts` by `id` modulo the number of shards, `copies` on all of them, `s0` the scratch shard.
pub fn topology(shards: usize) -> Topology {
    Topology::build(&spec(shards), Epoch(1)).expect("a topology")
}

/// What it is built from.
pub fn spec(shards: usize) -> TopologySpec {
    let names: Vec<String> = (0..shards).map(|n| format!("s{n}")).collect();
    TopologySpec {
        database: "bank".into(),
        shards: names
            .iter()
            .map(|name| ShardSpec {
                name: name.clone(),
                has_replicas: false,
            })
            .collect(),
        default_shard: None,
        scratch: Some("s0".into()),
        triggers_per_shard: false,
        placements: vec![PlacementSpec {
            name: "by_account".into(),
            types: vec![KeyType::Bigint],
            strategy: StrategySpec::Modulo { shards: None },
        }],
        tables: vec![
            TableSpec {
                schema: "public".into(),
                name: "accounts".into(),
                home: HomeSpec::Sharded {
                    key: vec!["id".into()],
                    placement: "by_account".into(),
                },
            },
            TableSpec {
                schema: "public".into(),
                name: "copies".into(),
                home: HomeSpec::Reference,
            },
        ],
    }
}

/// What each shard holds. `twin` must be unique, looked at when the transaction ends.
pub const SCHEMA: &str = "create table accounts (id bigint primary key, balance bigint not null default 0, \
     twin bigint unique deferrable initially deferred, note text); create table copies (id bigint primary key, name text)";

/// Recovery at once, whatever the age: it may roll back a commit that is under way on a busy machine, so it is for tests of
/// recovery alone.
pub fn eager() -> TwoPhaseSettings {
    TwoPhaseSettings {
        interval: Duration::from_millis(100),
        grace: Duration::ZERO,
        retention: Duration::from_secs(3600),
    }
}

/// Settings for shards that are databases `bank0`, `bank1`, … of one server.
pub fn on_one_server(server: &Server, shards: usize, two_phase: TwoPhaseSettings) -> Settings {
    let primaries = (0..shards).map(|n| address(server, &format!("bank{n}")));
    settings(primaries.collect(), server.user(), two_phase)
}

/// Settings for shards with these primaries.
pub fn settings(
    primaries: Vec<router_proxy::settings::ServerAddress>,
    user: &str,
    two_phase: TwoPhaseSettings,
) -> Settings {
    let database = Database {
        topology: Arc::new(topology(primaries.len())),
        shards: primaries
            .into_iter()
            .map(|primary| ShardServers {
                primary,
                replicas: Vec::new(),
            })
            .collect(),
        pool: PoolSettings::default(),
        reads: ReadSettings::default(),
        two_phase,
    };
    with_databases(vec![database], user)
}

/// A server whose databases `bank0`, `bank1`, … are shards with [`SCHEMA`].
pub fn server_with(shards: usize) -> Server {
    server_from(Server::builder(), shards)
}

/// The same from a description.
pub fn server_from(builder: local_postgres::Builder, shards: usize) -> Server {
    let server = builder.start().expect("a server starts");
    for shard in 0..shards {
        let name = format!("bank{shard}");
        let create = format!("create database {name}");
        server.execute("postgres", &create).expect("a database");
        server.execute(&name, SCHEMA).expect("the schema");
    }
    server
}
