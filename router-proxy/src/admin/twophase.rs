//! `SHOW TWOPHASE`: every primary is asked now, over a connection of its own; a shard that does not answer has a row
//! that says so, since the others matter most then.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use router_core::twophase::Gid;

use super::value::{Row, Value};
use crate::catalog::ask;
use crate::server::connect::{Target, connect};
use crate::settings::{Database, ServerAddress, Settings};
use crate::tls::ServerFacingTls;
use crate::twophase::log::Log;
use crate::worker::Shared;

/// Longest time for one server.
const PATIENCE: Duration = Duration::from_secs(5);

const PREPARED: &str = "SELECT gid, prepared, owner, \
     greatest(0, extract(epoch FROM pg_catalog.now() - prepared)::bigint) \
     FROM pg_catalog.pg_prepared_xacts \
     WHERE database = pg_catalog.current_database() ORDER BY prepared LIMIT 10000";

/// The rows.
pub(super) async fn rows(settings: &Settings, shared: &Arc<Shared>) -> Vec<Row> {
    let mut rows = Vec::new();
    for database in &settings.databases {
        let log = Arc::clone(&shared.two_phase(database).log);
        let shards = std::iter::zip(&database.topology.shards, &database.shards);
        let asking = shards.map(async |(shard, servers)| {
            let asked = prepared(&servers.primary, &shard.name);
            let found = match tokio::time::timeout(PATIENCE, asked).await {
                Ok(found) => found,
                Err(_) => Err(format!("no answer within {PATIENCE:?}")),
            };
            (shard.name.as_str(), found)
        });
        for (shard, found) in join_all(asking).await {
            match found {
                Ok(found) => {
                    let found = found.into_iter();
                    rows.extend(found.map(|part| waiting(database, shard, part, &log)));
                }
                Err(why) => rows.push(unreachable(database, shard, why)),
            }
        }
        rows.extend(finished(database, &log));
    }
    rows
}

fn waiting(database: &Database, shard: &str, part: [String; 4], log: &Log) -> Row {
    let [gid, prepared, owner, seconds] = part;
    let why = log.why(&gid);
    let ours =
        Gid::parse(&gid).is_some_and(|gid| gid.transaction().is_of(&database.topology.database));
    let state = match (&why, ours) {
        (Some(_), _) => "in doubt",
        (None, true) => "prepared",
        (None, false) => "foreign",
    };
    vec![
        database.topology.database.as_str().into(),
        shard.into(),
        gid.into(),
        state.into(),
        prepared.into(),
        owner.into(),
        seconds.parse::<u64>().unwrap_or_default().into(),
        why.into(),
    ]
}

fn unreachable(database: &Database, shard: &str, why: String) -> Row {
    vec![
        database.topology.database.as_str().into(),
        shard.into(),
        Value::Null,
        "unreachable".into(),
        Value::Null,
        Value::Null,
        Value::Null,
        why.into(),
    ]
}

fn finished(database: &Database, log: &Log) -> Vec<Row> {
    let recent = log.recent().into_iter();
    recent
        .map(|recovered| {
            let state = if recovered.committed {
                "committed"
            } else {
                "rolled back"
            };
            vec![
                database.topology.database.as_str().into(),
                recovered.shard.into(),
                recovered.gid.into(),
                state.into(),
                Value::Null,
                recovered.owner.into(),
                recovered.at.elapsed().as_secs().into(),
                format!("recovered after {:?}", recovered.age).into(),
            ]
        })
        .collect()
}

async fn prepared(address: &ServerAddress, shard: &str) -> Result<Vec<[String; 4]>, String> {
    let tls = ServerFacingTls::new(address).map_err(|error| error.to_string())?;
    let target = Target {
        label: &format!("the primary of shard \"{shard}\""),
        address,
        tls: &tls,
        parameters: &[],
    };
    let mut connection = connect(&target).await.map_err(|error| error.to_string())?;
    let rows = ask(&mut connection.socket, &mut connection.input, PREPARED)
        .await
        .map_err(|error| error.to_string())?;
    rows.into_iter()
        .map(|row| <[String; 4]>::try_from(row).map_err(|_| "a malformed row".to_owned()))
        .collect()
}
