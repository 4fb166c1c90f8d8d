//! Which servers of a database are asked for its catalog, and for how long they are waited for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use router_core::id::ShardId;
use router_core::sqlstate::SqlState;
use router_core::topology::Catalog;
use router_core::topology::catalog::{Source, read as queries};

use super::numbers::Named;
use super::readers::{Reader, Readers};
use super::search_path;
use super::watch::Watch;
use super::{AskError, CatalogError, Extent, Read, asked, load_from, prepare};
use crate::server::connect::{Connected, Target, connect};
use crate::settings::{Database, User};
use crate::tls::ServerFacingTls;
use crate::wire::encode::{Report, Severity};

/// Longest time that one server's catalog may take to be read.
const READING: Duration = Duration::from_secs(60);

/// What was read of a database.
pub(super) struct All {
    pub(super) catalog: Catalog,
    /// What it was made of, where the whole was read.
    pub(super) sources: Sources,
    /// The numbers of each shard that was asked.
    pub(super) numbers: Vec<Option<Named>>,
    /// The marks of those of which the whole was read.
    pub(super) marks: Vec<(ShardId, String)>,
}

/// What the servers said that were read.
pub(super) type Sources = Vec<(ShardId, Arc<Source>)>;

/// The catalog of all of them.
pub(super) fn united(sources: &Sources) -> Option<Catalog> {
    let catalogs = sources.iter().map(|(_, source)| source.catalog().clone());
    catalogs.reduce(Catalog::united)
}

/// Reads what the planner has to know of a database.
pub(super) async fn read(
    database: &Database,
    user: Option<&User>,
    readers: &Readers,
) -> Result<All, Report> {
    let needed = database.topology.catalog_shards();
    let extent = match database.topology.only_shard() {
        Some(_) => Extent::Residues,
        None => Extent::Whole,
    };
    let mut all = All {
        catalog: Catalog::unknown(),
        sources: Vec::new(),
        numbers: vec![None; database.shards.len()],
        marks: Vec::new(),
    };
    for shard in &needed {
        let read = read_shard(database, *shard, user, readers, extent).await?;
        all.take(*shard, read);
    }
    if !needed.is_empty() {
        return Ok(all.united());
    }
    // The schema is the same on every shard: whichever answers.
    let mut failure = None;
    for shard in 0..database.shards.len() {
        let id = ShardId(shard as u16);
        match read_shard(database, id, user, readers, extent).await {
            Ok(read) => {
                all.take(id, read);
                return Ok(all.united());
            }
            Err(report) => failure = failure.or(Some(report)),
        }
    }
    Err(failure.unwrap_or_else(|| unreadable("the database has no shard".to_owned())))
}

impl All {
    fn take(&mut self, shard: ShardId, read: Read) {
        self.catalog = read.catalog;
        self.numbers[shard.index()] = Some(read.numbers);
        self.marks.extend(read.mark.map(|mark| (shard, mark)));
        self.sources
            .extend(read.source.map(|source| (shard, Arc::new(source))));
    }

    fn united(mut self) -> Self {
        if let Some(catalog) = united(&self.sources) {
            self.catalog = catalog;
        }
        self
    }
}

pub(super) async fn read_shard(
    database: &Database,
    shard: ShardId,
    user: Option<&User>,
    readers: &Readers,
    extent: Extent,
) -> Result<Read, Report> {
    let question = async |reader: &mut Reader, label: &str| {
        load_from(&mut reader.connection, label, extent).await
    };
    ask_shard(database, shard, user, readers, question).await
}

/// What was read before, brought up to date with the relations of these names and what hangs on them.
pub(super) async fn touched(
    database: &Database,
    user: Option<&User>,
    readers: &Readers,
    before: &Sources,
    names: &BTreeSet<Box<str>>,
) -> Result<Sources, Report> {
    let question = async |reader: &mut Reader, label: &str| reader.touched(label, names).await;
    let mut sources = Vec::with_capacity(before.len());
    for (shard, source) in before {
        let rows = ask_shard(database, *shard, user, readers, question).await?;
        sources.push((*shard, Arc::new(source.touched(rows))));
    }
    Ok(sources)
}

/// The numbers that a shard has for relations of these names.
pub(super) async fn numbers_of(
    database: &Database,
    shard: ShardId,
    user: Option<&User>,
    readers: &Readers,
    names: &BTreeSet<Box<str>>,
) -> Result<Named, Report> {
    let text = &queries::numbers(names);
    let question =
        async |reader: &mut Reader, label: &str| asked(&mut reader.connection, label, text).await;
    ask_shard(database, shard, user, readers, question).await
}

/// What a planner knows of a database: its catalog, and where a session that has said nothing looks for names. In the roles of the
/// servers' URLs, over connections that are closed at once.
pub async fn of_database(database: &Database) -> Result<(Catalog, Vec<String>), Report> {
    let readers = Readers::default();
    let All { catalog, .. } = read(database, None, &readers).await?;
    let shard = database.topology.first_of_catalog();
    let (mut connection, label) = connected(database, shard, None).await?;
    let asking = asked(&mut connection, &label, search_path::ASK);
    let rows = in_time(&label, asking).await?;
    let role = &database.shards[shard.index()].primary.user;
    Ok((catalog, search_path::of(&rows, role)))
}

/// Asks the primary of a shard over the connection that is kept for that, or over a new one.
async fn ask_shard<T>(
    database: &Database,
    shard: ShardId,
    user: Option<&User>,
    readers: &Readers,
    question: impl AsyncFn(&mut Reader, &str) -> Result<T, CatalogError>,
) -> Result<T, Report> {
    let address = database.shards[shard.index()].primary.as_user(user);
    if let Some(mut reader) = readers.take(shard, &address) {
        let label = label(database, shard);
        let answer = tokio::time::timeout(READING, question(&mut reader, &label)).await;
        match answer.map_err(|_| late(&label, READING))? {
            Ok(answer) => {
                readers.keep(reader);
                return Ok(answer);
            }
            // The server has closed it meanwhile.
            Err(CatalogError::Ask {
                error: AskError::Io(_),
                ..
            }) => {}
            Err(error) => return Err(unreadable(error.to_string())),
        }
    }
    let (mut connection, label) = connected(database, shard, user).await?;
    in_time(&label, prepare(&mut connection, &label)).await?;
    let mut reader = Reader::new(shard, address, connection);
    let answer = in_time(&label, question(&mut reader, &label)).await?;
    readers.keep(reader);
    Ok(answer)
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
