//! By deadpool-postgres.

use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod, Runtime};
use tokio_postgres::Config;

use super::{NoConnection, Tls};
use crate::settings::PoolSettings;

pub(super) type Pool = deadpool_postgres::Pool;
pub(super) type Pooled = deadpool_postgres::Object;

pub(super) fn pool<T: Tls>(
    config: Config,
    tls: T,
    settings: &PoolSettings,
) -> Result<Pool, NoConnection> {
    // A connection is cleaned when it is given back, and only if there is something to clean (`connection`).
    let recycling_method = RecyclingMethod::Fast;
    let manager = Manager::from_config(config, tls, ManagerConfig { recycling_method });
    let wait = Some(settings.acquire_timeout);
    Ok(Pool::builder(manager)
        .max_size(settings.max_size)
        .wait_timeout(wait)
        .create_timeout(wait)
        .runtime(Runtime::Tokio1)
        .build()?)
}
