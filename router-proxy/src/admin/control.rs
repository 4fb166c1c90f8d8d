//! Commands that do something.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use router_core::sqlstate::SqlState;
use tokio::sync::oneshot;

use super::show;
use super::value::Row;
use crate::pool::ServerPool;
use crate::reload::ReloadError;
use crate::wire::encode::Report;
use crate::worker::{Letter, Shared};

/// How often `PAUSE` looks whether everybody has come to rest.
const LOOK: Duration = Duration::from_millis(10);

/// How often `WAIT_CLOSE` looks, which asks every worker and client.
const LOOK_AT_ALL: Duration = Duration::from_millis(100);

/// The databases that a command means.
fn meant(shared: &Shared, database: Option<&str>) -> Result<Vec<String>, Report> {
    let live = shared.settings();
    let known = live
        .settings
        .databases
        .iter()
        .map(|known| known.topology.database.clone());
    let Some(name) = database else {
        return Ok(known.collect());
    };
    let known: Vec<_> = known.collect();
    if known.iter().any(|known| known == name) {
        return Ok(vec![name.to_owned()]);
    }
    Err(Report::error(
        SqlState::new("3D000"),
        format!("there is no database \"{name}\""),
    )
    .hint(format!("There is {}.", known.join(", "))))
}

/// Tells every worker something, and waits until each has done it.
async fn tell(shared: &Shared, letter: impl Fn(oneshot::Sender<()>) -> Letter) {
    let mut answers = Vec::new();
    for letters in &shared.letters {
        let (done, answer) = oneshot::channel();
        // A worker that is gone holds nothing any more.
        let _ = letters.send(letter(done));
        answers.push(answer);
    }
    for answer in answers {
        let _ = answer.await;
    }
}

/// `PAUSE`. Whoever waits for it may cancel the waiting; the pause itself stays until `RESUME`.
pub(super) async fn pause(
    shared: &Shared,
    database: Option<&str>,
    cancelled: &dyn Fn() -> bool,
) -> Result<(), Report> {
    let gates: Vec<_> = meant(shared, database)?
        .iter()
        .map(|name| shared.gate(name))
        .collect();
    for gate in &gates {
        gate.pause();
    }
    // Every worker has handled a letter after the gates were closed: whoever passed before is counted by now.
    close_idle(shared, database).await;
    loop {
        let pools = shared.pools_of(database);
        if pools.iter().all(|pool| pool.total() == 0) {
            // What the last ones defined was read meanwhile.
            shared.close_catalogs(database);
            return Ok(());
        }
        if shared.draining.load(Ordering::Relaxed) {
            return Err(Report::error(
                SqlState::new("57P01"),
                "the proxy is shutting down",
            ));
        }
        if cancelled() {
            return Err(Report::error(
                SqlState::new("57014"),
                "canceling statement due to user request",
            )
            .detail("New transactions still wait; the running ones have not all ended.")
            .hint("RESUME lets them go on."));
        }
        if gates.iter().any(|gate| !gate.is_paused()) {
            return Err(Report::error(
                SqlState::new("55000"),
                "the pause was ended before everything had come to rest",
            ));
        }
        // Connections opened for clients that had been in the queue before.
        if pools.iter().any(|pool| pool.idle() > 0) {
            close_idle(shared, database).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// `RESUME`.
pub(super) fn resume(shared: &Shared, database: Option<&str>) -> Result<(), Report> {
    let names = meant(shared, database)?;
    let mut paused = false;
    for name in &names {
        paused |= shared.gate(name).resume();
    }
    if paused {
        return Ok(());
    }
    let what = match database {
        Some(name) => format!("database \"{name}\" is not paused"),
        None => "no database is paused".to_owned(),
    };
    Err(Report::error(SqlState::new("55000"), what))
}

/// `DISABLE` and `ENABLE`.
pub(super) fn set_disabled(
    shared: &Shared,
    database: Option<&str>,
    disabled: bool,
) -> Result<(), Report> {
    for name in meant(shared, database)? {
        shared.gate(&name).set_disabled(disabled);
    }
    Ok(())
}

/// `RECONNECT`.
pub(super) async fn reconnect(shared: &Shared, database: Option<&str>) -> Result<(), Report> {
    meant(shared, database)?;
    // Somebody has changed something on the servers.
    shared.doubt_catalogs();
    close_idle(shared, database).await;
    Ok(())
}

/// `WAIT_CLOSE`: until none of the connections is open that is to be closed once it is free.
pub(super) async fn wait_close(
    shared: &Shared,
    database: Option<&str>,
    cancelled: &dyn Fn() -> bool,
) -> Result<(), Report> {
    meant(shared, database)?;
    loop {
        let overview = shared.look(true).await.whole().map_err(show::unanswered)?;
        let fresh = |pool: &Arc<ServerPool>| {
            let servers = overview.servers();
            let of_pool = servers.filter(|server| Arc::ptr_eq(&server.pool, pool));
            of_pool
                .filter(|server| !pool.is_stale(server.opened))
                .count()
        };
        // Those being cleaned nobody holds and nobody lists.
        let pools = shared.pools_of(database);
        if pools
            .iter()
            .all(|pool| pool.total() <= fresh(pool) + pool.opening())
        {
            return Ok(());
        }
        if cancelled() {
            return Err(Report::error(
                SqlState::new("57014"),
                "canceling statement due to user request",
            ));
        }
        tokio::time::sleep(LOOK_AT_ALL).await;
    }
}

/// Every connection of today is closed once it is free.
async fn close_idle(shared: &Shared, database: Option<&str>) {
    for pool in shared.pools_of(database) {
        pool.make_stale();
    }
    shared.close_catalogs(database);
    tell(shared, Letter::Tidy).await;
}

/// `KILL`.
pub(super) async fn kill(shared: &Shared, database: Option<&str>) -> Result<(), Report> {
    for name in meant(shared, database)? {
        shared.gate(&name).pause();
    }
    for pool in shared.pools_of(database) {
        pool.make_stale();
    }
    tell(shared, |done| {
        Letter::Kill(database.map(str::to_owned), done)
    })
    .await;
    Ok(())
}

/// `SHUTDOWN`.
pub(super) fn shutdown(shared: &Arc<Shared>) {
    tracing::info!("SHUTDOWN on the console: draining");
    shared.shutdown.notify_one();
}

/// `RELOAD`.
pub(super) async fn reload(shared: &Arc<Shared>) -> Result<Vec<Row>, Report> {
    let changed = shared.reload_from_source().await.map_err(|error| {
        let report = |state| Report::error(SqlState::new(state), error.to_string());
        match &error {
            ReloadError::Fixed(_) => report("55P02")
                .detail("Nothing was changed.")
                .hint("Restart the proxy to change these, or put the old values back and RELOAD."),
            ReloadError::NoSource => report("0A000").hint("Restart that program."),
            ReloadError::Live(_) | ReloadError::Source(_) => report("F0000")
                .detail("Nothing was changed.")
                .hint("shunt check says what is wrong with a configuration file."),
        }
    })?;
    for change in &changed {
        tracing::info!(key = change.key, "reloaded");
    }
    Ok(changed
        .into_iter()
        .map(|change| vec![change.key.into(), change.old.into(), change.new.into()])
        .collect())
}
