//! Deadlocks over several shards: each server sees one client that waits for another, and none sees that the other waits for
//! the first.
//!
//! When several clients of a database with several shards have waited for their servers for long, the servers are asked whom their
//! backends wait for (`pg_blocking_pids`). Clients that wait for each other in a circle, in two looks, would do so for
//! ever: one of them is told what PostgreSQL tells its victim (40P01). Nothing of it is on the way of a query.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use router_core::deadlock::victims;
use router_core::id::ShardId;

use crate::cancel;
use crate::snapshot::{Doing, PoolRow};
use crate::twophase::server::Primary;
use crate::worker::{Letter, Shared};

/// Whoever has waited for so long may wait for ever: PostgreSQL's own default of `deadlock_timeout`.
pub(crate) const LONG: Duration = Duration::from_secs(1);

/// Between the two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// As servers show the connection.
const NAME: &str = "shunt deadlocks";

/// Clients that wait for others, and since when.
#[derive(Default)]
struct Waits {
    /// Who waits for whom.
    edges: BTreeSet<(i32, i32)>,
    since: BTreeMap<i32, Instant>,
}

/// The backends of one server that work for clients who have waited for long.
struct Backends<'a> {
    /// One of the pools of that server: another role of it would do.
    at: &'a PoolRow,
    client_of: BTreeMap<i32, i32>,
}

/// Looks once; whether anybody had to give way.
pub(crate) async fn look(shared: &Shared) -> bool {
    let first = waits(shared).await;
    if first.edges.is_empty() {
        return false;
    }
    tokio::time::sleep(PAUSE).await;
    let second = waits(shared).await;
    let same = |client: &i32| first.since.get(client) == second.since.get(client);
    let edges = first.edges.intersection(&second.edges).copied();
    let edges: Vec<_> = edges.filter(|(a, b)| same(a) && same(b)).collect();
    let victims = victims(&edges, |client| second.since.get(&client).copied());
    for &client in &victims {
        let Some(&since) = second.since.get(&client) else {
            continue;
        };
        tracing::warn!(
            client,
            "deadlock over several shards: this client gives way"
        );
        let (worker, place) = cancel::place(client);
        if let Some(letters) = shared.letters.get(worker) {
            // A worker that is gone has no clients.
            let _ = letters.send(Letter::Deadlock {
                client: place,
                since,
            });
        }
    }
    !victims.is_empty()
}

/// Who waits for whom at this moment.
async fn waits(shared: &Shared) -> Waits {
    let mut waits = Waits::default();
    let overview = shared.look(true).await;
    let mut servers: BTreeMap<(String, ShardId), Backends<'_>> = BTreeMap::new();
    let now = Instant::now();
    for client in overview.clients() {
        let details = client.details.as_ref();
        let Some(details) = details.filter(|_| {
            client.doing == Doing::Active && now.saturating_duration_since(client.since) >= LONG
        }) else {
            continue;
        };
        for server in &details.servers {
            let mut pools = overview.pools.iter();
            let Some(row) = pools.find(|row| Arc::ptr_eq(&row.pool, &server.pool)) else {
                continue;
            };
            // A replica keeps nobody waiting for another client.
            if row.key.server != 0 {
                continue;
            }
            let place = (row.key.database.clone(), row.key.shard);
            let backends = servers.entry(place).or_insert_with(|| Backends {
                at: row,
                client_of: BTreeMap::new(),
            });
            backends.client_of.insert(server.process, client.id);
            waits.since.insert(client.id, client.since);
        }
    }
    for backends in servers.into_values() {
        if backends.client_of.len() > 1 {
            waits.edges.extend(blocked(&backends).await);
        }
    }
    waits
}

/// Which of these clients wait for which, as one server says. One that does not answer says nothing.
async fn blocked(backends: &Backends<'_>) -> Vec<(i32, i32)> {
    let key = &backends.at.key;
    let processes: Vec<String> = backends.client_of.keys().map(i32::to_string).collect();
    let sql = format!(
        "SELECT waiter, holder FROM unnest(ARRAY[{}]) waiter, unnest(pg_catalog.pg_blocking_pids(waiter)) holder",
        processes.join(",")
    );
    let rows = async {
        let address = &backends.at.pool.address;
        let mut primary = Primary::connect(&key.shard_name, address, NAME).await?;
        primary.ask(&sql).await
    };
    let rows = match rows.await {
        Ok(rows) => rows,
        Err(error) => {
            let (database, shard) = (&key.database, &key.shard_name);
            tracing::warn!(database, shard, %error, "cannot look for deadlocks");
            return Vec::new();
        }
    };
    let client = |process: &String| backends.client_of.get(&process.parse().ok()?).copied();
    rows.iter()
        .filter_map(|row| Some((client(row.first()?)?, client(row.get(1)?)?)))
        .filter(|(waiter, holder)| waiter != holder)
        .collect()
}
