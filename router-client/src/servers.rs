//! The servers of one shard.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::pool::{Pool, Pooled, Tls};
use crate::settings::{PoolSettings, ShardSettings, with_session};
use crate::{Reads, RouterError};

#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) name: String,
    primary: Pool,
    replicas: Vec<Pool>,
    /// Whose turn it is among the replicas.
    turn: AtomicUsize,
}

impl Servers {
    pub(crate) fn new<T: Tls>(
        settings: &ShardSettings,
        pool: &PoolSettings,
        search_path: &[String],
        tls: &T,
    ) -> Result<Self, RouterError> {
        let open = |config| {
            Pool::new(with_session(config, search_path), tls.clone(), pool)
                .map_err(|e| RouterError::Settings(vec![e.to_string()]))
        };
        Ok(Self {
            name: settings.name.clone(),
            primary: open(&settings.primary)?,
            replicas: settings
                .replicas
                .iter()
                .map(open)
                .collect::<Result<_, _>>()?,
            turn: AtomicUsize::new(0),
        })
    }

    /// A connection to the primary.
    pub(crate) async fn primary(&self) -> Result<Pooled, RouterError> {
        let got = self.primary.get().await;
        got.map_err(|source| self.unavailable("primary".into(), source))
    }

    /// A connection to a server that may answer a read.
    pub(crate) async fn reader(&self, reads: Reads) -> Result<Pooled, RouterError> {
        if reads == Reads::Primary {
            return self.primary().await;
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut failure = None;
        for n in 0..self.replicas.len() {
            let at = first.wrapping_add(n) % self.replicas.len();
            match self.replicas[at].get().await {
                Ok(pooled) => return Ok(pooled),
                Err(source) => {
                    failure = Some(self.unavailable(format!("replica {at}"), source));
                }
            }
        }
        match (reads, failure) {
            (Reads::Replica, Some(failure)) => Err(failure),
            (Reads::Replica, None) => Err(self.unavailable(
                "replica".into(),
                "the settings name no replica of this shard".into(),
            )),
            _ => self.primary().await,
        }
    }

    pub(crate) fn failed(&self, source: tokio_postgres::Error) -> RouterError {
        RouterError::Database {
            shard: self.name.clone(),
            source,
        }
    }

    fn unavailable(&self, server: String, source: crate::pool::NoConnection) -> RouterError {
        RouterError::Unavailable {
            shard: self.name.clone(),
            server,
            source,
        }
    }
}

/// What a statement is run for: its rows or their number.
pub(crate) trait Answer: Sized + Send {
    /// Runs a prepared statement.
    fn of(
        client: &tokio_postgres::Client,
        statement: &tokio_postgres::Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> impl Future<Output = Result<Self, tokio_postgres::Error>> + Send;

    /// The answers of several shards as one.
    fn concatenated(answers: Vec<Self>) -> Self;
}

impl Answer for Vec<Row> {
    async fn of(
        client: &tokio_postgres::Client,
        statement: &tokio_postgres::Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Self, tokio_postgres::Error> {
        client.query(statement, params).await
    }

    fn concatenated(answers: Vec<Self>) -> Self {
        answers.into_iter().flatten().collect()
    }
}

impl Answer for u64 {
    async fn of(
        client: &tokio_postgres::Client,
        statement: &tokio_postgres::Statement,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Self, tokio_postgres::Error> {
        client.execute(statement, params).await
    }

    fn concatenated(answers: Vec<Self>) -> Self {
        answers.into_iter().sum()
    }
}

/// Runs a statement by itself, outside of any transaction.
pub(crate) async fn run<A: Answer>(
    pooled: &mut Pooled,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
) -> Result<A, tokio_postgres::Error> {
    let statement = pooled.prepared(sql).await?;
    match A::of(pooled.client(), &statement, params).await {
        Err(error) if is_outdated(&error) => {
            // The table was altered since. Nothing was run, so that it can be again.
            pooled.forget(sql);
            let statement = pooled.prepared(sql).await?;
            A::of(pooled.client(), &statement, params).await
        }
        answer => answer,
    }
}

/// "cached plan must not change result type", by the place that raises it: the text may be translated.
fn is_outdated(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().and_then(|db| db.routine()) == Some("RevalidateCachedQuery")
}
