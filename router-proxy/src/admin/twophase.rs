//! `SHOW TWOPHASE`: every primary is asked now, over a connection of its own.

use std::time::Duration;

use super::value::Row;
use crate::catalog::ask;
use crate::server::connect::{Target, connect};
use crate::settings::{ServerAddress, Settings};
use crate::tls::ServerFacingTls;
use crate::wire::code;
use crate::wire::encode::Report;

/// Longest time for one server.
const PATIENCE: Duration = Duration::from_secs(5);

const PREPARED: &str = "SELECT gid, prepared, owner, \
     greatest(0, extract(epoch FROM pg_catalog.now() - prepared)::bigint) \
     FROM pg_catalog.pg_prepared_xacts \
     WHERE database = pg_catalog.current_database() ORDER BY prepared";

/// The rows.
pub(super) async fn rows(settings: &Settings) -> Result<Vec<Row>, Report> {
    let mut rows = Vec::new();
    for database in &settings.databases {
        for (shard, servers) in database.topology.shards.iter().zip(&database.shards) {
            let asked = tokio::time::timeout(PATIENCE, prepared(&servers.primary, &shard.name));
            let found = match asked.await {
                Ok(found) => found,
                Err(_) => Err(format!("no answer within {PATIENCE:?}")),
            };
            let found = found.map_err(|why| {
                Report::error(
                    code::CANNOT_CONNECT,
                    format!("cannot ask the primary of shard \"{}\"", shard.name),
                )
                .detail(format!("{why}."))
                .hint("Whether transactions wait there is not known until it answers.")
            })?;
            for [gid, prepared, owner, seconds] in found {
                rows.push(vec![
                    database.topology.database.as_str().into(),
                    shard.name.as_str().into(),
                    gid.into(),
                    prepared.into(),
                    owner.into(),
                    seconds.parse::<u64>().unwrap_or_default().into(),
                ]);
            }
        }
    }
    Ok(rows)
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
