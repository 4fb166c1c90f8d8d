//! The router itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use futures_util::future::try_join_all;
use router_core::id::{Epoch, ShardId};
use router_core::topology::catalog::read;
use router_core::topology::{Catalog, Home, Topology, TopologySpec};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, Row, SimpleQueryMessage};

use crate::key::Key;
use crate::planning::{Planning, Routed, To};
use crate::pool::Tls;
use crate::pool::connection::{CLEAN, Connection, send};
use crate::servers::{Answer, Servers, run};
use crate::settings::split;
use crate::{AllShards, Reads, RouteOptions, RouterError, Settings, Transaction};

/// A database over shards, as an application uses it. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Router(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    servers: Vec<Servers>,
    planning: ArcSwap<Planning>,
    /// Whose turn it is where any shard gives the same answer.
    turn: AtomicUsize,
    /// The epoch of the latest snapshot.
    epoch: AtomicU64,
    described: TopologySpec,
    search_path: Vec<String>,
    plan_cache: usize,
}

/// A router with other options than the default.
#[derive(Clone, Debug)]
pub struct Routing<'r> {
    router: &'r Router,
    options: RouteOptions,
}

impl Router {
    /// Checks the settings, makes the pools, and reads the schema from the first shard that answers.
    ///
    /// Connections are not encrypted; [`connect_tls`](Self::connect_tls) is.
    pub async fn connect(settings: Settings) -> Result<Self, RouterError> {
        Self::connect_tls(settings, NoTls).await
    }

    /// [`connect`](Self::connect) with TLS, for instance by `tokio_postgres_rustls::MakeRustlsConnect`. Whether a
    /// server is asked for TLS is up to the `sslmode` of its connection string.
    pub async fn connect_tls<T: Tls>(settings: Settings, tls: T) -> Result<Self, RouterError> {
        let described = settings.described();
        let topology = build(&described, Epoch(0))?;
        let servers: Vec<Servers> = settings
            .shards
            .iter()
            .map(|shard| Servers::new(shard, &settings.pool, &settings.search_path, &tls))
            .collect::<Result<_, _>>()?;
        let catalog = read_catalog(&servers).await?;
        let Settings {
            search_path,
            plan_cache,
            ..
        } = settings;
        let planning = Planning::new(topology, catalog, search_path.clone(), plan_cache);
        Ok(Self(Arc::new(Inner {
            servers,
            planning: ArcSwap::from_pointee(planning),
            turn: AtomicUsize::new(0),
            epoch: AtomicU64::new(0),
            described,
            search_path,
            plan_cache,
        })))
    }

    /// Reads the schema anew, and plans every statement anew. To be called after tables, views or functions changed.
    pub async fn refresh(&self) -> Result<(), RouterError> {
        let catalog = read_catalog(&self.0.servers).await?;
        let epoch = self.0.epoch.fetch_add(1, Ordering::Relaxed) + 1;
        let topology = build(&self.0.described, Epoch(epoch))?;
        let path = self.0.search_path.clone();
        let planning = Planning::new(topology, catalog, path, self.0.plan_cache);
        self.0.planning.store(Arc::new(planning));
        Ok(())
    }

    /// The same router with other options.
    pub fn with(&self, options: RouteOptions) -> Routing<'_> {
        Routing {
            router: self,
            options,
        }
    }

    /// Runs a statement where its rows are, and gives the rows it returns.
    ///
    /// A read of several shards is put together when putting the rows one after the other is the right answer; in
    /// which order rows come is then not defined. What is not certain to give the answer of one PostgreSQL is refused.
    pub async fn query(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, RouterError> {
        self.run(sql, params, &RouteOptions::default()).await
    }

    /// [`query`](Self::query) for a statement that returns exactly one row.
    pub async fn query_one(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, RouterError> {
        one(self.query(sql, params).await?)
    }

    /// [`query`](Self::query) for a statement that returns at most one row.
    pub async fn query_opt(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, RouterError> {
        at_most_one(self.query(sql, params).await?)
    }

    /// Runs a statement where its rows are, and gives the number of rows it read or changed.
    pub async fn execute(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, RouterError> {
        self.run(sql, params, &RouteOptions::default()).await
    }

    /// The name of the shard that is home to a key of a table; the table with its schema unless that is `public`.
    pub fn shard_for<K: Key + ?Sized>(&self, table: &str, key: &K) -> Result<&str, RouterError> {
        let planning = self.0.planning.load();
        let id = home(&planning.topology, table, key)?;
        Ok(&self.0.servers[id.index()].name)
    }

    /// A connection to the primary of a shard, for anything that PostgreSQL can do.
    pub async fn on(&self, shard: &str) -> Result<Connection, RouterError> {
        let known = self.0.servers.iter().find(|s| s.name == shard);
        let servers = known.ok_or_else(|| RouterError::UnknownShard(shard.to_owned()))?;
        Ok(Connection::new(servers.primary().await?, &servers.name))
    }

    /// Begins a transaction on the shard that is home to a key of a table.
    pub async fn transaction_for<K: Key + ?Sized>(
        &self,
        table: &str,
        key: &K,
    ) -> Result<Transaction<'_>, RouterError> {
        let planning = self.0.planning.load_full();
        let id = home(&planning.topology, table, key)?;
        Transaction::begin(&self.0.servers[id.index()], id, planning).await
    }

    /// All shards, to run the same on each of them.
    pub fn all_shards(&self) -> AllShards<'_> {
        AllShards::new(&self.0.servers)
    }

    async fn run<A: Answer>(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        options: &RouteOptions,
    ) -> Result<A, RouterError> {
        let planning = self.0.planning.load_full();
        let Some(planned) = planning.plan(sql, options)? else {
            return Ok(A::concatenated(Vec::new()));
        };
        let types = match planned.needs_types(params.len()) {
            true => Some(self.types(&planning, sql).await?),
            false => None,
        };
        let types: &[Type] = types.as_deref().map_or(&[], Vec::as_slice);
        let routed = planning.route(sql, &planned, options, types, params)?;
        self.carry_out(sql, params, &routed, options).await
    }

    async fn carry_out<A: Answer>(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        routed: &Routed,
        options: &RouteOptions,
    ) -> Result<A, RouterError> {
        let servers = &self.0.servers;
        let reads = if routed.any_role {
            options.reads
        } else {
            Reads::Primary
        };
        let on = async |servers: &Servers| {
            let mut pooled = servers.reader(reads).await?;
            let answer = run::<A>(&mut pooled, sql, params).await;
            if routed.cleaning {
                send(pooled.client(), CLEAN);
            }
            answer.map_err(|e| servers.failed(e))
        };
        match &routed.to {
            To::Nowhere => Ok(A::concatenated(Vec::new())),
            To::Shard(id) => on(&servers[id.index()]).await,
            To::Any => {
                let first = self.0.turn.fetch_add(1, Ordering::Relaxed);
                let mut outcome = on(&servers[first % servers.len()]).await;
                for n in 1..servers.len() {
                    // Nothing was run where there was no connection.
                    if !matches!(outcome, Err(RouterError::Unavailable { .. })) {
                        break;
                    }
                    outcome = on(&servers[first.wrapping_add(n) % servers.len()]).await;
                }
                outcome
            }
            To::Each(set) => {
                let each = set.iter().map(|id| on(&servers[id.index()]));
                Ok(A::concatenated(try_join_all(each).await?))
            }
        }
    }

    /// The types of a statement's parameters, from the first shard that knows its tables.
    async fn types(&self, planning: &Planning, sql: &str) -> Result<Arc<Vec<Type>>, RouterError> {
        if let Some(known) = planning.types(sql) {
            return Ok(known);
        }
        let mut failure = None;
        for servers in &self.0.servers {
            let outcome = match servers.primary().await {
                Ok(mut pooled) => pooled.prepared(sql).await.map_err(|e| servers.failed(e)),
                Err(e) => Err(e),
            };
            match outcome {
                Ok(statement) => return Ok(planning.keep_types(sql, statement.params())),
                Err(e @ RouterError::Unavailable { .. }) => failure = Some(e),
                // A table that lives on other shards only.
                Err(e) if e.sqlstate() == Some("42P01") => failure = Some(e),
                Err(e) => return Err(e),
            }
        }
        Err(failure.unwrap_or_else(no_shards))
    }
}

impl Routing<'_> {
    /// As [`Router::query`].
    pub async fn query(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, RouterError> {
        self.router.run(sql, params, &self.options).await
    }

    /// As [`Router::query_one`].
    pub async fn query_one(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, RouterError> {
        one(self.query(sql, params).await?)
    }

    /// As [`Router::query_opt`].
    pub async fn query_opt(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, RouterError> {
        at_most_one(self.query(sql, params).await?)
    }

    /// As [`Router::execute`].
    pub async fn execute(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, RouterError> {
        self.router.run(sql, params, &self.options).await
    }
}

fn build(described: &TopologySpec, epoch: Epoch) -> Result<Topology, RouterError> {
    Topology::build(described, epoch)
        .map_err(|errors| RouterError::Settings(errors.iter().map(ToString::to_string).collect()))
}

fn no_shards() -> RouterError {
    RouterError::Settings(vec!["there are no shards. hint: add one".to_owned()])
}

fn home<K: Key + ?Sized>(
    topology: &Topology,
    table: &str,
    key: &K,
) -> Result<ShardId, RouterError> {
    let (schema, name) = split(table);
    let Some(Home::Sharded { placement, .. }) = topology.listed(schema, name) else {
        return Err(RouterError::NotSharded(table.to_owned()));
    };
    let placed = topology.placement(*placement).shard_of(&key.values());
    placed.map_err(|reason| RouterError::Key {
        table: table.to_owned(),
        reason,
    })
}

pub(crate) fn one(mut rows: Vec<Row>) -> Result<Row, RouterError> {
    match (rows.pop(), rows.len()) {
        (Some(row), 0) => Ok(row),
        (None, _) => Err(RouterError::RowCount {
            expected: "one row",
            found: 0,
        }),
        (Some(_), others) => Err(RouterError::RowCount {
            expected: "one row",
            found: others + 1,
        }),
    }
}

pub(crate) fn at_most_one(mut rows: Vec<Row>) -> Result<Option<Row>, RouterError> {
    match rows.len() {
        0 | 1 => Ok(rows.pop()),
        found => Err(RouterError::RowCount {
            expected: "at most one row",
            found,
        }),
    }
}

/// The schema, from the first shard that answers: it is the same on all.
async fn read_catalog(servers: &[Servers]) -> Result<Catalog, RouterError> {
    let mut failure = None;
    for one in servers {
        match one.primary().await {
            Ok(pooled) => return read_from(one, Connection::new(pooled, &one.name)).await,
            Err(e) => failure = Some(e),
        }
    }
    Err(failure.unwrap_or_else(no_shards))
}

async fn read_from(servers: &Servers, connection: Connection) -> Result<Catalog, RouterError> {
    let rows = async |sql: &str| -> Result<Vec<Vec<String>>, RouterError> {
        let messages = loop {
            match connection.simple_query(sql).await {
                Err(e) if e.code().is_some_and(|c| c.code() == read::LOCKED) => {}
                answer => break answer.map_err(|e| servers.failed(e))?,
            }
        };
        let rows = messages.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|at| row.get(at).unwrap_or_default().to_owned())
                    .collect(),
            ),
            _ => None,
        });
        Ok(rows.collect())
    };
    rows(read::SEARCH_PATH).await?;
    rows(read::LOCK_TIMEOUT).await?;
    let answers = read::Answers {
        relations: rows(read::RELATIONS).await?,
        columns: rows(read::COLUMNS).await?,
        uses: rows(read::USES).await?,
        functions: rows(read::FUNCTIONS).await?,
    };
    Ok(answers.catalog())
}
