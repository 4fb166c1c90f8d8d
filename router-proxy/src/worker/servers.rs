//! What is known of each server of the configuration, whatever worker and pool has found it out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::{Letter, Shared};
use crate::server::health::ServerHealth;
use crate::settings::{Database, ServerAddress};

/// Database, shard, and the server by its number: 0 is the primary.
type Key = (String, String, usize);

/// Each server of the configuration that anybody has asked about.
#[derive(Debug, Default)]
pub struct Servers(Mutex<HashMap<Key, Arc<ServerHealth>>>);

impl Servers {
    fn all(&self) -> MutexGuard<'_, HashMap<Key, Arc<ServerHealth>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a server. By names, so that it survives a reload, unless that puts another server in its place.
    pub fn health(
        &self,
        database: &str,
        shard: &str,
        server: usize,
        address: &ServerAddress,
    ) -> Arc<ServerHealth> {
        let new = || Arc::new(ServerHealth::new(database, shard, server, address));
        let mut all = self.all();
        let key = (database.to_owned(), shard.to_owned(), server);
        let health = all.entry(key).or_insert_with(new);
        if !health.is_at(address) {
            *health = new();
        }
        Arc::clone(health)
    }

    /// A reload has taken databases away.
    pub(crate) fn forget(&self, kept: &[Database]) {
        let mut all = self.all();
        all.retain(|(name, ..), _| kept.iter().any(|known| known.topology.database == *name));
    }
}

impl Shared {
    /// The servers of a database, shard by shard: number in the shard, what is known, address.
    pub(crate) fn servers_of<'a>(
        &self,
        database: &'a Database,
    ) -> Vec<(&'a str, usize, Arc<ServerHealth>, &'a ServerAddress)> {
        let name = &database.topology.database;
        let mut all = Vec::new();
        for (shard, servers) in std::iter::zip(&database.topology.shards, &database.shards) {
            let replicas = servers.replicas.iter().map(|replica| &replica.address);
            let addresses = std::iter::once(&servers.primary).chain(replicas);
            for (server, address) in addresses.enumerate() {
                let health = self.servers.health(name, &shard.name, server, address);
                all.push((shard.name.as_str(), server, health, address));
            }
        }
        all
    }

    /// A client of `by` is about to drop a database of its server: idle connections to it are closed.
    pub(super) fn leave_database(&self, by: &str, name: &str) {
        let live = self.live.load();
        let databases = &live.settings.databases;
        let by = databases.iter().find(|known| known.topology.database == by);
        let Some(by) = by else { return };
        let is_it = |at: &ServerAddress| {
            let mut servers = by.shards.iter().map(|shard| &shard.primary);
            at.database == name && servers.any(|own| own.host == at.host && own.port == at.port)
        };
        for known in databases {
            if known.shards.iter().any(|shard| is_it(&shard.primary)) {
                let known = Some(known.topology.database.as_str());
                let pools = self.pools_of(known);
                let meant = pools.iter().filter(|pool| is_it(&pool.address));
                meant.for_each(|pool| pool.make_stale());
                self.close_catalogs(known);
            }
        }
        for letters in &self.letters {
            // Nobody waits for the answer; a worker that is gone has no connection left.
            let _ = letters.send(Letter::Tidy(oneshot::channel().0));
        }
    }

    /// How the pool of this server and role logs in.
    pub(crate) fn address_of(
        &self,
        health: &Arc<ServerHealth>,
        role: &str,
    ) -> Option<ServerAddress> {
        let pools = self.pools_of(None);
        let mut pools = pools.iter();
        let same =
            pools.find(|pool| Arc::ptr_eq(&pool.health, health) && pool.address.user == role);
        same.map(|pool| pool.address.clone())
    }
}
