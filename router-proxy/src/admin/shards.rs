//! `SHOW SHARDS` and `SHOW REPLICAS`: each server, what it does, and whether it lets the proxy in.

use std::time::{Duration, SystemTime};

use super::show::{Sum, utc};
use super::value::{Row, Value};
use crate::freshness;
use crate::server::health::ServerHealth;
use crate::settings::{Database, Settings};
use crate::snapshot::Overview;
use crate::worker::Shared;

/// Whether a server lets the proxy in, since when, and what was wrong last.
fn health(health: &ServerHealth) -> [Value; 5] {
    let wall = SystemTime::now();
    let ago = |age: Duration| utc(wall.checked_sub(age).unwrap_or(wall));
    let health = health.look();
    let (at, problem) = health.problem.map(|(age, why)| (ago(age), why)).unzip();
    [
        health.state.word().into(),
        health.lasting.map(ago).into(),
        problem.into(),
        at.into(),
        health.failures.into(),
    ]
}

/// The rows of `SHOW SHARDS`.
pub(super) fn shards(overview: &Overview, settings: &Settings, shared: &Shared) -> Vec<Row> {
    let mut rows = Vec::new();
    for known in &settings.databases {
        let name = known.topology.database.as_str();
        let counted = overview.databases.get(name);
        for (shard, servers) in known.topology.shards.iter().zip(&known.shards) {
            let sum = Sum::of(overview.pools.iter().filter(|pool| {
                pool.key.database == name
                    && pool.key.shard_name == shard.name
                    && pool.key.server == 0
            }));
            let numbers = counted
                .and_then(|copy| copy.shards.iter().find(|(known, _)| *known == shard.name))
                .map(|(_, numbers)| *numbers)
                .unwrap_or_default();
            let primary = &servers.primary;
            let known = shared.servers.health(name, &shard.name, 0, primary);
            let mut row = vec![
                name.into(),
                shard.name.as_str().into(),
                servers.primary.host.as_str().into(),
                servers.primary.port.into(),
                servers.primary.database.as_str().into(),
                sum.total.into(),
                sum.active.into(),
                sum.idle.into(),
                sum.opening.into(),
                sum.waiting.into(),
                numbers.queries.into(),
                numbers.transactions.into(),
                numbers.errors.into(),
                numbers.received.into(),
                numbers.sent.into(),
            ];
            row.extend(health(&known));
            rows.push(row);
        }
    }
    rows
}

/// How far a replica is behind, where that is asked: milliseconds, and bytes of the log.
fn lag(known: &Database, shard: usize, replica: usize, shared: &Shared) -> [Value; 2] {
    let lag = freshness::rules(&known.reads).look();
    let lag = lag.then(|| shared.freshness(known).lag(shard, replica));
    let (age, bytes) = lag.flatten().unzip();
    let milliseconds = age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    [milliseconds.into(), bytes.into()]
}

/// The rows of `SHOW REPLICAS`.
pub(super) fn replicas(overview: &Overview, settings: &Settings, shared: &Shared) -> Vec<Row> {
    let mut rows = Vec::new();
    for known in &settings.databases {
        let name = known.topology.database.as_str();
        let shards = known.topology.shards.iter().zip(&known.shards);
        for (number, (shard, servers)) in shards.enumerate() {
            for (at, replica) in servers.replicas.iter().enumerate() {
                let sum = Sum::of(overview.pools.iter().filter(|pool| {
                    pool.key.database == name
                        && pool.key.shard_name == shard.name
                        && pool.key.server == at + 1
                }));
                let address = &replica.address;
                let server = shared.servers.health(name, &shard.name, at + 1, address);
                let mut row = vec![
                    name.into(),
                    shard.name.as_str().into(),
                    (at + 1).into(),
                    replica.address.host.as_str().into(),
                    replica.address.port.into(),
                    replica.weight.into(),
                    replica.zone.as_deref().into(),
                    replica.backup.into(),
                    sum.total.into(),
                    sum.active.into(),
                    sum.idle.into(),
                    sum.opening.into(),
                    sum.waiting.into(),
                ];
                row.extend(health(&server));
                row.extend(lag(known, number, at, shared));
                rows.push(row);
            }
        }
    }
    rows
}
