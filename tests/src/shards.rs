//! A database of several shards on one server or on several, accounts spread by key, before a proxy in the test's own
//! process.

use std::sync::Arc;
use std::time::Duration;

use local_postgres::{Builder, Server};
use router_core::id::Epoch;
use router_core::topology::Topology;
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, ShardSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::value::KeyType;
use router_proxy::settings::{
    Database, PoolSettings, ReadSettings, ServerAddress, Settings, ShardServers, TwoPhaseSettings,
};

use crate::proxy::{TestProxy, address, with_databases};

/// The topology: `accounts` by `id` modulo the number of shards, `copies` on all of them, `s0` the scratch shard.
pub fn topology(shards: usize) -> Topology {
    Topology::build(&spec(shards), Epoch(1)).expect("a topology")
}

/// What it is built from.
pub fn spec(shards: usize) -> TopologySpec {
    let names: Vec<String> = (0..shards).map(|n| format!("s{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    TopologySpec {
        scratch: Some("s0".into()),
        placements: vec![modulo("by_account")],
        tables: vec![spread("accounts", "id", "by_account"), reference("copies")],
        ..layout("bank", &names)
    }
}

/// A database of these shards without tables, a default shard or a scratch shard.
pub fn layout(database: &str, shards: &[&str]) -> TopologySpec {
    let shard = |name: &&str| ShardSpec {
        name: (*name).into(),
        has_replicas: false,
    };
    TopologySpec {
        database: database.into(),
        shards: shards.iter().map(shard).collect(),
        default_shard: None,
        scratch: None,
        triggers_per_shard: false,
        placements: Vec::new(),
        tables: Vec::new(),
    }
}

/// The placement by a `bigint` modulo the number of shards.
pub fn modulo(name: &str) -> PlacementSpec {
    PlacementSpec {
        name: name.into(),
        types: vec![KeyType::Bigint],
        strategy: StrategySpec::Modulo { shards: None },
    }
}

/// A table that is spread by one column; in `public`, where no schema is named.
pub fn spread(table: &str, key: &str, placement: &str) -> TableSpec {
    let home = HomeSpec::Sharded {
        key: vec![key.into()],
        placement: placement.into(),
    };
    listed(table, home)
}

/// A table that is whole on one shard.
pub fn pinned(table: &str, shard: &str) -> TableSpec {
    listed(table, HomeSpec::Pinned(shard.into()))
}

/// A table of which every shard has a copy.
pub fn reference(table: &str) -> TableSpec {
    listed(table, HomeSpec::Reference)
}

fn listed(table: &str, home: HomeSpec) -> TableSpec {
    let (schema, name) = table.split_once('.').unwrap_or(("public", table));
    TableSpec {
        schema: schema.into(),
        name: name.into(),
        home,
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
    primaries: Vec<ServerAddress>,
    user: &str,
    two_phase: TwoPhaseSettings,
) -> Settings {
    let database = Database {
        two_phase,
        ..database(&spec(primaries.len()), primaries)
    };
    with_databases(vec![database], user)
}

/// A database whose shards have these primaries.
pub fn database(spec: &TopologySpec, primaries: Vec<ServerAddress>) -> Database {
    let shard = |primary| ShardServers {
        primary,
        replicas: Vec::new(),
    };
    Database {
        topology: Arc::new(Topology::build(spec, Epoch(1)).expect("a topology")),
        shards: primaries.into_iter().map(shard).collect(),
        pool: PoolSettings::default(),
        reads: ReadSettings::default(),
        two_phase: TwoPhaseSettings::default(),
    }
}

/// A proxy before shards that are these databases of one server, with a pool of this size.
pub fn proxy_before(
    server: &Server,
    spec: &TopologySpec,
    databases: &[&str],
    max_size: usize,
) -> TestProxy {
    let primaries = databases.iter().map(|name| address(server, name));
    let mut database = database(spec, primaries.collect());
    database.pool.max_size = max_size;
    TestProxy::start(with_databases(vec![database], server.user()))
}

/// A server whose databases `bank0`, `bank1`, … are shards with [`SCHEMA`].
pub fn server_with(shards: usize) -> Server {
    server_from(Server::builder(), shards)
}

/// The same from a description.
pub fn server_from(builder: Builder, shards: usize) -> Server {
    let names: Vec<String> = (0..shards).map(|shard| format!("bank{shard}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    with_databases_of(builder, &names, SCHEMA)
        .start()
        .expect("a server starts")
}

/// A description with these databases, and this in each.
pub fn with_databases_of(builder: Builder, names: &[&str], schema: &str) -> Builder {
    names.iter().fold(builder, |builder, name| {
        builder.database(name).schema(name, schema)
    })
}
