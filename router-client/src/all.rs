//! The same on every shard.

use futures_util::future::join_all;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::RouterError;
use crate::pool::connection::Connection;
use crate::servers::Servers;

/// All shards. What is run here is run on the primary of each, at the same time, as it is: nothing is routed, merged or
/// undone when one of them fails.
#[derive(Clone, Copy, Debug)]
pub struct AllShards<'r> {
    servers: &'r [Servers],
}

/// What one shard said.
#[derive(Debug)]
pub struct OfShard<T> {
    /// The shard's name.
    pub shard: String,
    /// Its answer.
    pub result: Result<T, RouterError>,
}

impl<'r> AllShards<'r> {
    pub(crate) fn new(servers: &'r [Servers]) -> Self {
        Self { servers }
    }

    /// The shards' names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &'r str> + use<'r> {
        self.servers.iter().map(|s| s.name.as_str())
    }

    /// The rows that each shard returns for a statement.
    pub async fn query(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Vec<OfShard<Vec<Row>>> {
        self.run(async |connection| connection.query(sql, params).await)
            .await
    }

    /// The number of rows that a statement reads or changes on each shard.
    pub async fn execute(&self, sql: &str, params: &[&(dyn ToSql + Sync)]) -> Vec<OfShard<u64>> {
        self.run(async |connection| connection.execute(sql, params).await)
            .await
    }

    /// Runs several statements, without parameters, on each shard.
    pub async fn batch_execute(&self, sql: &str) -> Vec<OfShard<()>> {
        self.run(async |connection| connection.batch_execute(sql).await)
            .await
    }

    /// Runs anything on a connection to each shard.
    pub async fn run<T>(
        &self,
        each: impl AsyncFn(&mut Connection) -> Result<T, tokio_postgres::Error>,
    ) -> Vec<OfShard<T>> {
        let each = &each;
        let one = async |servers: &Servers| {
            let result = match servers.primary().await {
                Ok(pooled) => {
                    let mut connection = Connection::new(pooled, &servers.name);
                    let result = each(&mut connection).await;
                    result.map_err(|e| servers.failed(e))
                }
                Err(e) => Err(e),
            };
            OfShard {
                shard: servers.name.clone(),
                result,
            }
        };
        join_all(self.servers.iter().map(one)).await
    }
}
