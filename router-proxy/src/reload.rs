//! Other settings in force, without dropping a client.
//!
//! What cannot be changed while the proxy runs is found first, and then nothing
//! is changed. What can is made (certificates and rules are read, topologies
//! get a later epoch), put in place in one step, and every worker told; a client
//! moves on to it between two transactions.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use router_core::id::Epoch;
use tokio::sync::oneshot;

use crate::live::{Live, LiveError};
use crate::settings::Settings;
use crate::settings::difference::{Difference, differences};
use crate::worker::{Letter, Shared};

/// Keys that are looked at once, when the proxy is bound.
const FIXED: [&str; 4] = [
    "server.listen",
    "server.http_listen",
    "server.workers",
    "server.takeover_socket",
];

/// Why settings were not put in force. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// They differ in keys that only a restart can change.
    #[error("{} cannot be changed while the proxy runs", .0.join(", "))]
    Fixed(Vec<String>),
    /// Files that they name.
    #[error(transparent)]
    Live(#[from] LiveError),
    /// They cannot be read.
    #[error("{0}")]
    Source(String),
    /// Nobody has said where they come from.
    #[error("this proxy was given its settings by the program that runs it, which reads no others")]
    NoSource,
}

/// Where settings come from when somebody on the console says `RELOAD`.
pub type Source = dyn Fn() -> Result<Settings, String> + Send + Sync;

/// A place for a [`Source`].
#[derive(Default)]
pub(crate) struct SourceSlot(ArcSwapOption<Box<Source>>);

impl std::fmt::Debug for SourceSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SourceSlot")
            .field(&self.0.load().is_some())
            .finish()
    }
}

/// What an embedding program holds of a running proxy.
#[derive(Clone, Debug)]
pub struct Handle(pub(crate) Arc<Shared>);

impl Handle {
    /// Puts settings in force, and says what changed; an error has changed nothing.
    pub async fn reload(&self, settings: Settings) -> Result<Vec<Difference>, ReloadError> {
        self.0.reload(settings).await
    }

    /// Where `RELOAD` on the console reads settings. The closure runs on a thread that may block.
    pub fn set_source(
        &self,
        source: impl Fn() -> Result<Settings, String> + Send + Sync + 'static,
    ) {
        self.0.source.0.store(Some(Arc::new(Box::new(source))));
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.0.settings().settings.clone()
    }

    /// Whether another process has taken the listening sockets over, and this one takes no connection any more.
    pub fn is_handed_over(&self) -> bool {
        self.0.handed_over.load(std::sync::atomic::Ordering::SeqCst) && !self.0.accepts()
    }

    /// What an operator should know of the files that the settings in force name.
    pub fn warning(&self) -> Option<String> {
        self.0.live.load().warning(std::time::SystemTime::now())
    }

    /// How many clients had not left when `drain_timeout` was over.
    pub fn cut_off(&self) -> usize {
        self.0.cut_off.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Whether somebody on the console has asked for the end.
    pub fn is_shut_down(&self) -> bool {
        self.0.is_draining()
    }
}

/// Whether a key is about where tables live.
fn is_topology(key: &str, database: &str) -> bool {
    let Some(rest) = key.strip_prefix(&format!("databases[{database}].")) else {
        return false;
    };
    let table = rest.split(['.', '[']).next().unwrap_or(rest);
    matches!(
        table,
        "shards" | "default_shard" | "scratch" | "placements" | "tables"
    )
}

impl Shared {
    /// `RELOAD` on the console.
    pub(crate) async fn reload_from_source(&self) -> Result<Vec<Difference>, ReloadError> {
        let source = self.source.0.load_full().ok_or(ReloadError::NoSource)?;
        let read = tokio::task::spawn_blocking(move || source()).await;
        let settings = read
            .map_err(|error| ReloadError::Source(error.to_string()))?
            .map_err(ReloadError::Source)?;
        self.reload(settings).await
    }

    async fn reload(&self, mut settings: Settings) -> Result<Vec<Difference>, ReloadError> {
        // One at a time.
        let _turn = self.reloading.lock().await;
        let old = self.live.load_full();
        let changed = differences(&old.settings, &settings);
        let fixed: Vec<_> = changed
            .iter()
            .filter(|change| FIXED.contains(&change.key.as_str()))
            .map(|change| change.key.clone())
            .collect();
        if !fixed.is_empty() {
            return Err(ReloadError::Fixed(fixed));
        }
        let generation = old.generation + 1;
        let mut moved = Vec::new();
        for database in &mut settings.databases {
            let name = &database.topology.database;
            let known = old
                .settings
                .databases
                .iter()
                .find(|known| known.topology.database == *name);
            if let Some(known) = known
                && !changed.iter().any(|change| is_topology(&change.key, name))
            {
                // Plans that were made for it stay good.
                database.topology = Arc::clone(&known.topology);
                continue;
            }
            let latest = old.settings.databases.iter().map(|d| d.topology.epoch.0);
            let mut topology = (*database.topology).clone();
            topology.epoch = Epoch(latest.max().unwrap_or(0) + 1);
            moved.push(name.clone());
            database.topology = Arc::new(topology);
        }
        // Certificates and rules are read anew even when no key has changed: the files may have.
        let live = Live::new(settings, generation)?;
        let live = Arc::new(live);
        self.live.store(Arc::clone(&live));
        for database in &live.settings.databases {
            if moved.contains(&database.topology.database) {
                self.renew_database(database);
            }
        }
        self.forget_databases(&live.settings.databases);
        // Who reloads may have changed the schema on the servers.
        self.doubt_catalogs();
        self.renew_pools();
        let mut answers = Vec::new();
        for letters in &self.letters {
            let (done, answer) = oneshot::channel();
            // A worker that is gone serves nobody any more.
            let _ = letters.send(Letter::Reloaded(done));
            answers.push(answer);
        }
        for answer in answers {
            let _ = answer.await;
        }
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_topology_are_told_from_others() {
        for (key, is) in [
            ("databases[shop].shards", true),
            ("databases[shop].shards[s0].primary", true),
            ("databases[shop].tables[users]", true),
            ("databases[shop].pool.max_size", false),
            ("databases[other].shards", false),
            ("server.max_clients", false),
        ] {
            assert_eq!(is_topology(key, "shop"), is, "{key}");
        }
    }
}
