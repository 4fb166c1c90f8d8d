//! Connections to one server, from whichever pool the settings name.
//!
//! | file | |
//! |---|---|
//! | `mod` | the pool and what comes out of it |
//! | `deadpool` | by deadpool-postgres |
//! | `bb8` | by bb8 with bb8-postgres |
//! | [`connection`] | a connection that is lent to the application |

#[cfg(feature = "bb8")]
mod bb8;
pub(crate) mod connection;
#[cfg(feature = "deadpool")]
mod deadpool;

use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, Error, Socket, Statement};

use crate::settings::{PoolKind, PoolSettings};

#[cfg(not(any(feature = "deadpool", feature = "bb8")))]
compile_error!("router-client needs a pool: turn on the feature `deadpool` or `bb8`");

/// Most statements that a connection keeps prepared. One more, and it starts anew.
const MAX_STATEMENTS: usize = 256;

/// What TLS to a server is made by, or `tokio_postgres::NoTls`.
pub trait Tls:
    MakeTlsConnect<
        Socket,
        Stream: Send + Sync,
        TlsConnect: TlsConnect<Socket, Future: Send> + Send + Sync,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<T> Tls for T where
    T: MakeTlsConnect<
            Socket,
            Stream: Send + Sync,
            TlsConnect: TlsConnect<Socket, Future: Send> + Send + Sync,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// Why there is no connection: what the pool or the driver says.
pub(crate) type NoConnection = Box<dyn std::error::Error + Send + Sync>;

/// Connections to one server.
#[derive(Debug)]
pub(crate) enum Pool {
    #[cfg(feature = "deadpool")]
    Deadpool(deadpool::Pool),
    #[cfg(feature = "bb8")]
    Bb8(bb8::Pool),
}

/// A connection while it is out of its pool.
#[derive(Debug)]
pub(crate) enum Pooled {
    #[cfg(feature = "deadpool")]
    Deadpool(deadpool::Pooled),
    #[cfg(feature = "bb8")]
    Bb8(bb8::Pooled),
}

impl Pool {
    /// A pool that connects when it is asked to.
    pub(crate) fn new<T: Tls>(
        config: Config,
        tls: T,
        settings: &PoolSettings,
    ) -> Result<Self, NoConnection> {
        Ok(match settings.kind {
            #[cfg(feature = "deadpool")]
            PoolKind::Deadpool => Self::Deadpool(deadpool::pool(config, tls, settings)?),
            #[cfg(feature = "bb8")]
            PoolKind::Bb8 => Self::Bb8(bb8::pool(config, tls, settings)),
        })
    }

    /// A connection that is not known to be closed.
    pub(crate) async fn get(&self) -> Result<Pooled, NoConnection> {
        Ok(match self {
            #[cfg(feature = "deadpool")]
            Self::Deadpool(pool) => Pooled::Deadpool(pool.get().await?),
            #[cfg(feature = "bb8")]
            Self::Bb8(pool) => Pooled::Bb8(pool.get_owned().await?),
        })
    }
}

impl Pooled {
    pub(crate) fn client(&self) -> &Client {
        match self {
            #[cfg(feature = "deadpool")]
            Self::Deadpool(pooled) => pooled,
            #[cfg(feature = "bb8")]
            Self::Bb8(pooled) => &pooled.client,
        }
    }

    fn client_mut(&mut self) -> &mut Client {
        match self {
            #[cfg(feature = "deadpool")]
            Self::Deadpool(pooled) => pooled,
            #[cfg(feature = "bb8")]
            Self::Bb8(pooled) => &mut pooled.client,
        }
    }

    /// The statement, prepared unless this connection has it already.
    pub(crate) async fn prepared(&mut self, sql: &str) -> Result<Statement, Error> {
        match self {
            #[cfg(feature = "deadpool")]
            Self::Deadpool(pooled) => {
                if pooled.statement_cache.size() >= MAX_STATEMENTS {
                    pooled.statement_cache.clear();
                }
                pooled.prepare_cached(sql).await
            }
            #[cfg(feature = "bb8")]
            Self::Bb8(pooled) => pooled.prepared(sql).await,
        }
    }

    /// Forgets a prepared statement.
    pub(crate) fn forget(&mut self, sql: &str) {
        match self {
            #[cfg(feature = "deadpool")]
            Self::Deadpool(pooled) => {
                pooled.statement_cache.remove(sql, &[]);
            }
            #[cfg(feature = "bb8")]
            Self::Bb8(pooled) => pooled.forget(sql),
        }
    }
}
