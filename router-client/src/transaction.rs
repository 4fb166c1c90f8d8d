//! A transaction on one shard.

use std::sync::Arc;

use router_core::id::ShardId;
use router_core::plan::{Reason, Refusal};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::planning::{Planning, To};
use crate::pool::Pooled;
use crate::pool::connection::{CLEAN, send};
use crate::router::{at_most_one, one};
use crate::servers::{Answer, Servers};
use crate::{RouteOptions, RouterError};

/// A transaction on the shard of one key.
///
/// Each statement is planned like those of [`Router`](crate::Router), and refused when rows of another shard could
/// belong to its answer. A transaction that is dropped is rolled back.
#[derive(Debug)]
pub struct Transaction<'r> {
    servers: &'r Servers,
    shard: ShardId,
    planning: Arc<Planning>,
    pooled: Pooled,
    state: State,
    cleaning: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Every statement so far succeeded.
    Open,
    /// One failed, or runs and nobody waits for it any more: a COMMIT might be a ROLLBACK.
    Doubtful,
    /// Nothing is open.
    Ended,
}

impl<'r> Transaction<'r> {
    pub(crate) async fn begin(
        servers: &'r Servers,
        shard: ShardId,
        planning: Arc<Planning>,
    ) -> Result<Self, RouterError> {
        let pooled = servers.primary().await?;
        // Whatever becomes of the BEGIN, dropping the transaction rolls it back.
        let transaction = Self {
            servers,
            shard,
            planning,
            pooled,
            state: State::Open,
            cleaning: false,
        };
        transaction.simple("BEGIN").await?;
        Ok(transaction)
    }

    /// The shard's name.
    pub fn shard(&self) -> &str {
        &self.servers.name
    }

    /// Runs a statement and gives the rows it returns.
    pub async fn query(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, RouterError> {
        self.run(sql, params).await
    }

    /// [`query`](Self::query) for a statement that returns exactly one row.
    pub async fn query_one(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Row, RouterError> {
        one(self.run(sql, params).await?)
    }

    /// [`query`](Self::query) for a statement that returns at most one row.
    pub async fn query_opt(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Option<Row>, RouterError> {
        at_most_one(self.run(sql, params).await?)
    }

    /// Runs a statement and gives the number of rows it read or changed.
    pub async fn execute(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, RouterError> {
        self.run(sql, params).await
    }

    /// Commits. When a statement of it failed or was given up, PostgreSQL would roll back and call it success; here that
    /// is [`RouterError::RolledBack`].
    pub async fn commit(mut self) -> Result<(), RouterError> {
        if self.state == State::Doubtful {
            return Err(RouterError::RolledBack);
        }
        self.simple("COMMIT").await?;
        self.state = State::Ended;
        Ok(())
    }

    /// Rolls back.
    pub async fn rollback(mut self) -> Result<(), RouterError> {
        self.simple("ROLLBACK").await?;
        self.state = State::Ended;
        Ok(())
    }

    async fn simple(&self, sql: &str) -> Result<(), RouterError> {
        let outcome = self.pooled.client().batch_execute(sql).await;
        outcome.map_err(|e| self.servers.failed(e))
    }

    async fn run<A: Answer>(
        &mut self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<A, RouterError> {
        let options = RouteOptions::default();
        let planning = self.planning.clone();
        let Some(planned) = planning.plan(sql, &options)? else {
            return Ok(A::concatenated(Vec::new()));
        };
        let types = match planned.needs_types(params.len()) {
            false => None,
            true => Some(match planning.types(sql) {
                Some(known) => known,
                None => {
                    let statement = self.prepared(sql).await?;
                    planning.keep_types(sql, statement.params())
                }
            }),
        };
        let types: &[Type] = types.as_deref().map_or(&[], Vec::as_slice);
        let routed = planning.route(sql, &planned, &options, types, params)?;
        match &routed.to {
            To::Nowhere => return Ok(A::concatenated(Vec::new())),
            To::Any => {}
            To::Shard(id) if *id == self.shard => {}
            To::Shard(id) => return Err(self.elsewhere(&planning.topology.shard(*id).name)),
            To::Each(_) => return Err(self.elsewhere("several")),
        }
        self.cleaning |= routed.cleaning;
        let statement = self.prepared(sql).await?;
        // Set back only when the statement has succeeded: a future may be dropped while it waits.
        self.state = State::Doubtful;
        let answer = A::of(self.pooled.client(), &statement, params).await;
        let answer = answer.map_err(|e| self.servers.failed(e))?;
        self.state = State::Open;
        Ok(answer)
    }

    async fn prepared(&mut self, sql: &str) -> Result<tokio_postgres::Statement, RouterError> {
        let before = self.state;
        self.state = State::Doubtful;
        let statement = self.pooled.prepared(sql).await;
        let statement = statement.map_err(|e| self.servers.failed(e))?;
        self.state = before;
        Ok(statement)
    }

    fn elsewhere(&self, other: &str) -> RouterError {
        Refusal::new(
            Reason::DifferentShards,
            format!(
                "The transaction is on shard \"{}\", the statement belongs to shard \"{other}\".",
                self.shard()
            ),
        )
        .with_hint("Run the statement outside of the transaction, or begin one for its key.")
        .into()
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let client = self.pooled.client();
        if self.state != State::Ended {
            send(client, "ROLLBACK");
        }
        if self.cleaning {
            send(client, CLEAN);
        }
    }
}
