//! Which servers of a database are asked for its catalog, and for how long they are waited for.

use std::time::Duration;

use router_core::id::ShardId;
use router_core::sqlstate::SqlState;
use router_core::topology::Catalog;

use super::numbers::Named;
use super::watch::Watch;
use super::{CatalogError, Extent, Read, load_from, prepare};
use crate::server::connect::{Connected, Target, connect};
use crate::settings::{Database, User};
use crate::tls::ServerFacingTls;
use crate::wire::encode::{Report, Severity};

/// Longest time that one server's catalog may take to be read.
const READING: Duration = Duration::from_secs(60);

/// What was read of a database.
pub(super) struct All {
    pub(super) catalog: Catalog,
    /// The numbers of each shard that was asked.
    pub(super) numbers: Vec<Option<Named>>,
    /// The marks of those of which the whole was read.
    pub(super) marks: Vec<(ShardId, String)>,
}

/// Reads what the planner has to know of a database.
pub(super) async fn read(database: &Database, user: Option<&User>) -> Result<All, Report> {
    let needed = database.topology.catalog_shards();
    let mut numbers = vec![None; database.shards.len()];
    let extent = match database.topology.only_shard() {
        Some(_) => Extent::Residues,
        None => Extent::Whole,
    };
    let mut catalog: Option<Catalog> = None;
    let mut marks = Vec::new();
    for shard in &needed {
        let read = read_shard(database, *shard, user, extent).await?;
        numbers[shard.index()] = Some(read.numbers);
        marks.extend(read.mark.map(|mark| (*shard, mark)));
        catalog = Some(match catalog {
            None => read.catalog,
            Some(known) => known.united(read.catalog),
        });
    }
    if let Some(catalog) = catalog {
        return Ok(All {
            catalog,
            numbers,
            marks,
        });
    }
    // The schema is the same on every shard: whichever answers.
    let mut failure = None;
    for shard in 0..database.shards.len() {
        let id = ShardId(shard as u16);
        match read_shard(database, id, user, extent).await {
            Ok(read) => {
                numbers[shard] = Some(read.numbers);
                marks.extend(read.mark.map(|mark| (id, mark)));
                return Ok(All {
                    catalog: read.catalog,
                    numbers,
                    marks,
                });
            }
            Err(report) => failure = failure.or(Some(report)),
        }
    }
    Err(failure.unwrap_or_else(|| unreadable("the database has no shard".to_owned())))
}

pub(super) async fn read_shard(
    database: &Database,
    shard: ShardId,
    user: Option<&User>,
    extent: Extent,
) -> Result<Read, Report> {
    let (connection, label) = connected(database, shard, user).await?;
    in_time(&label, load_from(connection, &label, extent)).await
}

/// The mark of a shard's catalog, over the connection that is kept for it.
pub(super) async fn marked(
    watch: &mut Watch,
    database: &Database,
    shard: ShardId,
    user: Option<&User>,
) -> Result<String, Report> {
    if !watch.knows(shard) {
        let (mut connection, label) = connected(database, shard, user).await?;
        in_time(&label, prepare(&mut connection, &label)).await?;
        watch.keep(shard, connection);
    }
    let label = label(database, shard);
    let mark = in_time(&label, watch.mark(shard, &label)).await?;
    mark.ok_or_else(|| unreadable(format!("{label} is not connected")))
}

fn label(database: &Database, shard: ShardId) -> String {
    let name = &database.topology.shard(shard).name;
    format!("the primary of shard \"{name}\"")
}

/// A connection to the primary of a shard, and what errors call that.
async fn connected(
    database: &Database,
    shard: ShardId,
    user: Option<&User>,
) -> Result<(Connected, String), Report> {
    let address = &database.shards[shard.index()].primary.as_user(user);
    let label = label(database, shard);
    let tls = ServerFacingTls::new(address).map_err(|error| unreadable(error.to_string()))?;
    let target = Target {
        label: &label,
        address,
        tls: &tls,
        parameters: &[("client_encoding", "UTF8")],
    };
    let limit = match database.pool.connect_timeout {
        Duration::ZERO => READING,
        limit => limit,
    };
    let connection = tokio::time::timeout(limit, connect(&target))
        .await
        .map_err(|_| late(&label, limit))?
        .map_err(|error| unreadable(error.to_string()))?;
    Ok((connection, label))
}

/// What a server answers within [`READING`].
async fn in_time<T>(
    label: &str,
    answer: impl Future<Output = Result<T, CatalogError>>,
) -> Result<T, Report> {
    tokio::time::timeout(READING, answer)
        .await
        .map_err(|_| late(label, READING))?
        .map_err(|error| unreadable(error.to_string()))
}

fn late(label: &str, limit: Duration) -> Report {
    unreadable(format!("no answer from {label} within {limit:?}"))
}

fn unreadable(detail: String) -> Report {
    Report {
        severity: Severity::Error,
        ..Report::error(
            SqlState::new("08001"),
            "cannot read the catalog of the database",
        )
        .detail(format!("{detail}."))
        .hint("Statements are planned again as soon as the server answers.")
    }
}
