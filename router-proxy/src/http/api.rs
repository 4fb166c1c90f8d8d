//! `/api/overview`: what the dashboard shows.

use serde_json::{Value, json};

use crate::admin::pinned;
use crate::settings::PoolMode;
use crate::snapshot::{Doing, Overview};
use crate::worker::Shared;

/// Most clients that are listed one by one; the longest at what they are at first.
const MOST_CLIENTS: usize = 100;

/// The whole answer.
pub(super) fn overview(overview: &Overview, shared: &Shared) -> Value {
    let live = shared.live.load_full();
    let mut clients: Vec<_> = overview
        .clients()
        .filter(|client| !client.console)
        .collect();
    let count = clients.len();
    clients.sort_by_key(|client| (client.doing == Doing::Idle, client.since));
    let clients: Vec<_> = clients
        .into_iter()
        .take(MOST_CLIENTS)
        .map(|client| {
            let details = client.details.clone().unwrap_or_default();
            json!({
                "id": client.id,
                "user": client.user,
                "database": client.database,
                "state": client.doing.words(),
                "seconds": client.since.elapsed().as_secs_f64(),
                "address": details.peer.map_or_else(|| "unix".to_owned(), |peer| peer.to_string()),
                "application": details.application,
                "pinned": pinned(details.pinned),
                "servers": details.servers.len(),
            })
        })
        .collect();
    let databases: Vec<_> = live
        .settings
        .databases
        .iter()
        .map(|database| {
            let name = &database.topology.database;
            let copy = overview.databases.get(name).cloned().unwrap_or_default();
            let gate = shared.gate(name);
            let shards: Vec<_> = database
                .topology
                .shards
                .iter()
                .zip(&database.shards)
                .map(|(shard, servers)| {
                    let primary = &servers.primary;
                    let health = shared.servers.health(name, &shard.name, 0, primary).look();
                    let numbers = copy.shards.iter().find(|(known, _)| *known == shard.name);
                    let numbers = numbers.map(|(_, numbers)| *numbers).unwrap_or_default();
                    json!({
                        "name": shard.name,
                        "host": servers.primary.host,
                        "port": servers.primary.port,
                        "replicas": servers.replicas.len(),
                        "state": health.state.word(),
                        "seconds": health.lasting.map(|lasting| lasting.as_secs_f64()),
                        "problem": health.problem.map(|(_, problem)| problem),
                        "queries": numbers.queries,
                        "transactions": numbers.transactions,
                        "errors": numbers.errors,
                        "received": numbers.received,
                        "sent": numbers.sent,
                    })
                })
                .collect();
            json!({
                "name": name,
                "mode": match database.pool.mode {
                    PoolMode::Transaction => "transaction",
                    PoolMode::Session => "session",
                },
                "paused": gate.is_paused(),
                "disabled": gate.is_disabled(),
                "queries": copy.numbers.queries,
                "transactions": copy.numbers.transactions,
                "received": copy.numbers.received,
                "sent": copy.numbers.sent,
                "query_microseconds": copy.numbers.query_time,
                "wait_microseconds": copy.numbers.wait_time,
                "refusals": copy.refusals.iter().map(|(_, count)| count).sum::<u64>(),
                "shards": shards,
            })
        })
        .collect();
    let pools: Vec<_> = overview
        .pools
        .iter()
        .map(|row| {
            json!({
                "database": row.key.database,
                "shard": row.key.shard_name,
                "server": row.key.server,
                "user": row.key.role,
                "size": row.pool.settings().max_size,
                "active": row.active(),
                "idle": row.idle,
                "opening": row.opening,
                "waiting": row.waiting,
            })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": shared.started.elapsed().as_secs_f64(),
        "workers": shared.workers,
        "draining": shared.is_draining(),
        "max_clients": live.settings.max_clients,
        "client_count": count,
        "clients": clients,
        "databases": databases,
        "pools": pools,
        "plan_cache": {
            "hits": overview.workers.iter().map(|worker| worker.plans.hits).sum::<u64>(),
            "misses": overview.workers.iter().map(|worker| worker.plans.misses).sum::<u64>(),
        },
    })
}
