//! By bb8, connecting through bb8-postgres.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bb8::ManageConnection;
use bb8_postgres::PostgresConnectionManager;
use tokio_postgres::{Client, Config, Error, Statement};

use super::{MAX_STATEMENTS, Tls};
use crate::settings::PoolSettings;

pub(super) type Pool = bb8::Pool<Manager>;
pub(super) type Pooled = bb8::PooledConnection<'static, Manager>;

pub(super) fn pool<T: Tls>(config: Config, tls: T, settings: &PoolSettings) -> Pool {
    let connect = PostgresConnectionManager::new(config, tls);
    bb8::Pool::builder()
        .max_size(u32::try_from(settings.max_size).unwrap_or(u32::MAX).max(1))
        .connection_timeout(settings.acquire_timeout)
        // A server that refuses now is reported now.
        .retry_connection(false)
        .build_unchecked(Manager(Box::new(connect)))
}

/// Makes connections, whatever the type of their TLS.
pub(crate) struct Manager(Box<dyn Connect>);

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Manager")
    }
}

trait Connect: Send + Sync {
    fn connect(&self) -> Pin<Box<dyn Future<Output = Result<Client, Error>> + Send + '_>>;
}

impl<T: Tls> Connect for PostgresConnectionManager<T> {
    fn connect(&self) -> Pin<Box<dyn Future<Output = Result<Client, Error>> + Send + '_>> {
        Box::pin(ManageConnection::connect(self))
    }
}

/// A client with the statements that it has prepared.
pub(crate) struct Kept {
    pub(super) client: Client,
    statements: HashMap<String, Statement>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept")
            .field("statements", &self.statements.len())
            .finish_non_exhaustive()
    }
}

impl Kept {
    pub(super) async fn prepared(&mut self, sql: &str) -> Result<Statement, Error> {
        if let Some(known) = self.statements.get(sql) {
            return Ok(known.clone());
        }
        let statement = self.client.prepare(sql).await?;
        if self.statements.len() >= MAX_STATEMENTS {
            self.statements.clear();
        }
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(super) fn forget(&mut self, sql: &str) {
        self.statements.remove(sql);
    }
}

impl ManageConnection for Manager {
    type Connection = Kept;
    type Error = Error;

    async fn connect(&self) -> Result<Kept, Error> {
        Ok(Kept {
            client: self.0.connect().await?,
            statements: HashMap::new(),
        })
    }

    /// Without a round trip: whether the connection is closed is known here.
    async fn is_valid(&self, kept: &mut Kept) -> Result<(), Error> {
        if kept.client.is_closed() {
            // The driver's own error for a closed connection.
            return kept.client.batch_execute("").await;
        }
        Ok(())
    }

    fn has_broken(&self, kept: &mut Kept) -> bool {
        kept.client.is_closed()
    }
}
