//! What a router is made from.

use std::str::FromStr;
use std::time::Duration;

use router_core::topology::TopologySpec;
use router_core::topology::spec::{HomeSpec, PlacementSpec, ShardSpec, TableSpec};
use tokio_postgres::Config;

use crate::RouterError;

/// What a router is made from: where tables live, which servers there are, how they are pooled.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where tables live. Its `shards` are filled in from [`shards`](Self::shards).
    pub topology: TopologySpec,
    /// The shards and their servers.
    pub shards: Vec<ShardSettings>,
    /// The `search_path` of every connection, each schema unquoted; `"$user"` stands as it is. It is set when a
    /// connection is made, whatever the role or the database has: names must mean to the servers what they mean here.
    pub search_path: Vec<String>,
    /// How connections are pooled.
    pub pool: PoolSettings,
    /// How many bytes of plans are kept in all.
    pub plan_cache: usize,
}

/// A shard and its servers. A server is described as the driver does; its password stays out of `Debug`.
#[derive(Clone, Debug)]
pub struct ShardSettings {
    /// The shard's name.
    pub name: String,
    /// The server that is written to.
    pub primary: Config,
    /// Servers that may be read from.
    pub replicas: Vec<Config>,
}

/// How connections are pooled.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Which pool.
    pub kind: PoolKind,
    /// Most connections to each server.
    pub max_size: usize,
    /// How long to wait for a connection, its making included.
    pub acquire_timeout: Duration,
}

/// A crate that pools connections. Only those whose feature is on can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolKind {
    /// `deadpool-postgres`
    #[cfg(feature = "deadpool")]
    Deadpool,
    /// `bb8` with `bb8-postgres`
    #[cfg(feature = "bb8")]
    Bb8,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            #[cfg(feature = "deadpool")]
            kind: PoolKind::Deadpool,
            #[cfg(all(feature = "bb8", not(feature = "deadpool")))]
            kind: PoolKind::Bb8,
            max_size: 20,
            acquire_timeout: Duration::from_secs(5),
        }
    }
}

impl Settings {
    /// A database without shards yet.
    pub fn new(database: impl Into<String>) -> Self {
        Self {
            topology: TopologySpec {
                database: database.into(),
                ..TopologySpec::default()
            },
            shards: Vec::new(),
            search_path: vec!["$user".into(), "public".into()],
            pool: PoolSettings::default(),
            plan_cache: 16 * 1024 * 1024,
        }
    }

    /// Adds a shard, its servers given by connection strings (`postgres://…` or `host=… dbname=…`).
    pub fn shard(
        mut self,
        name: impl Into<String>,
        primary: &str,
        replicas: &[&str],
    ) -> Result<Self, RouterError> {
        let name = name.into();
        let read = |url: &str| {
            // The text of a connection string holds the password, so it is not repeated.
            Config::from_str(url).map_err(|_| {
                RouterError::Settings(vec![format!(
                    "shard \"{name}\" has a connection string that cannot be read. \
                     hint: write it as postgres://user:password@host:port/database"
                )])
            })
        };
        let primary = read(primary)?;
        let replicas = replicas
            .iter()
            .map(|url| read(url))
            .collect::<Result<_, _>>()?;
        self.shards.push(ShardSettings {
            name,
            primary,
            replicas,
        });
        Ok(self)
    }

    /// Adds a placement.
    pub fn placement(mut self, placement: PlacementSpec) -> Self {
        self.topology.placements.push(placement);
        self
    }

    /// Adds a table whose rows are spread by a key; `name` with its schema unless that is `public`.
    pub fn sharded(self, name: &str, key: &[&str], placement: &str) -> Self {
        self.table(
            name,
            HomeSpec::Sharded {
                key: key.iter().map(|column| (*column).to_owned()).collect(),
                placement: placement.to_owned(),
            },
        )
    }

    /// Adds a table of which every shard has a full copy.
    pub fn reference(self, name: &str) -> Self {
        self.table(name, HomeSpec::Reference)
    }

    /// Adds a table that lives whole on one shard.
    pub fn pinned(self, name: &str, shard: &str) -> Self {
        self.table(name, HomeSpec::Pinned(shard.to_owned()))
    }

    /// Names the home of tables that are not added. Without it, statements about them are refused.
    pub fn default_shard(mut self, shard: impl Into<String>) -> Self {
        self.topology.default_shard = Some(shard.into());
        self
    }

    /// Says how connections are pooled.
    pub fn pool(mut self, pool: PoolSettings) -> Self {
        self.pool = pool;
        self
    }

    fn table(mut self, name: &str, home: HomeSpec) -> Self {
        let (schema, name) = split(name);
        self.topology.tables.push(TableSpec {
            schema: schema.to_owned(),
            name: name.to_owned(),
            home,
        });
        self
    }

    /// The topology with its shards.
    pub(crate) fn described(&self) -> TopologySpec {
        TopologySpec {
            shards: self
                .shards
                .iter()
                .map(|shard| ShardSpec {
                    name: shard.name.clone(),
                    has_replicas: !shard.replicas.is_empty(),
                })
                .collect(),
            ..self.topology.clone()
        }
    }
}

/// Schema and name of a table.
pub(crate) fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or(("public", name))
}

/// A server's settings with those that routing relies on. What a connection starts with is also what `RESET ALL` goes
/// back to.
pub(crate) fn with_session(config: &Config, search_path: &[String]) -> Config {
    let path = search_path
        .iter()
        .map(|schema| format!("\"{}\"", schema.replace('"', "\"\"")))
        .collect::<Vec<_>>()
        .join(",");
    // In the startup packet's options a blank or backslash within a value has a backslash before it.
    let path = path.replace('\\', "\\\\").replace(' ', "\\ ");
    let given = config.get_options().unwrap_or_default();
    let mut config = config.clone();
    config.options(format!(
        "{given} -c search_path={path} -c standard_conforming_strings=on"
    ));
    config
}
