//! What the servers say about relations and functions, read into the core's [`Catalog`].
//!
//! Reading takes a few queries; it happens when a database is first used and
//! again after a statement that changes the schema, never on the way of a query.
//! [`SharedCatalog`] says which servers are asked, and when.

pub(crate) mod ask;
mod defining;
mod numbers;
mod readers;
pub(crate) mod search_path;
mod servers;
mod shared;
mod watch;

use std::time::{Duration, Instant};

use router_core::topology::catalog::{Catalog, Source, read};

pub use ask::AskError;
use ask::ask_all;
pub(crate) use ask::{ask, ask_heeding, row};
pub use defining::Defining;
pub use numbers::ShardNumbers;
pub(crate) use numbers::names_types;
pub use servers::of_database;
pub use shared::SharedCatalog;

use self::numbers::Named;
use crate::server::connect::{ConnectError, Connected, Target, connect};

/// Why a catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A query failed.
    #[error("cannot read the catalog of {label}: {error}")]
    Ask {
        /// The server, as errors call it.
        label: String,
        /// What happened.
        error: AskError,
    },
    /// It answers, and somebody has locked what has to be looked at.
    #[error(
        "{label} answers, and somebody has kept a table or an index locked there for {LOCKED_FOR:?}: pg_locks says who"
    )]
    Locked {
        /// The server, as errors call it.
        label: String,
    },
}

/// Reads the catalog over a connection of its own. The caller puts a deadline around it.
pub async fn load(target: &Target<'_>) -> Result<Catalog, CatalogError> {
    let mut connection = connect(target).await?;
    prepare(&mut connection, target.label).await?;
    let read = load_from(&mut connection, target.label, Extent::Whole).await?;
    Ok(read.into_catalog())
}

/// How much of a catalog is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Everything: a planner chooses among shards by it.
    Whole,
    /// What statements leave in sessions: where there is one shard a pool has to know that, and nothing else.
    Residues,
    /// The numbers of what it has only.
    Numbers,
}

/// What was read of one server.
struct Read {
    catalog: Catalog,
    /// The whole of it, in the place of `catalog`, with what it was made of.
    source: Option<Source>,
    /// What numbers it has for what it has.
    numbers: Named,
    /// What the whole of it is told from later ones by.
    mark: Option<String>,
}

impl Read {
    fn into_catalog(self) -> Catalog {
        match self.source {
            Some(source) => source.catalog().clone(),
            None => self.catalog,
        }
    }
}

/// Reads the catalog of a server, over a connection that [`prepare`] has set up.
async fn load_from(
    connection: &mut Connected,
    label: &str,
    extent: Extent,
) -> Result<Read, CatalogError> {
    match extent {
        Extent::Residues => {
            let bodies = asked(connection, label, read::BODIES).await?;
            let links = asked(connection, label, read::LINKS).await?;
            let residues = read::residues(&bodies, &links);
            Ok(Read {
                catalog: Catalog::unknown().with_residues(residues),
                source: None,
                numbers: Named::new(),
                mark: None,
            })
        }
        Extent::Numbers => Ok(Read {
            catalog: Catalog::unknown(),
            source: None,
            numbers: asked(connection, label, read::NAMED).await?,
            mark: None,
        }),
        Extent::Whole => {
            // First: what is committed from here on makes another one, whether it is read or not.
            let mark = mark(connection, label).await?;
            let mut answers: [Rows; 6] = Default::default();
            for (answered, sql) in answers.iter_mut().zip(WHOLE) {
                *answered = asked(connection, label, sql).await?;
            }
            Ok(Read {
                catalog: Catalog::unknown(),
                source: Some(whole(answers)),
                numbers: asked(connection, label, read::NAMED).await?,
                mark: Some(mark),
            })
        }
    }
}

/// Has names in queries mean PostgreSQL's own, and nobody kept waiting by them.
async fn prepare(connection: &mut Connected, label: &str) -> Result<(), CatalogError> {
    for sql in [read::SEARCH_PATH, read::LOCK_TIMEOUT] {
        asked(connection, label, sql).await?;
    }
    Ok(())
}

/// The mark of a server's catalog.
async fn mark(connection: &mut Connected, label: &str) -> Result<String, CatalogError> {
    let rows = asked(connection, label, read::MARK).await?;
    Ok(rows.into_iter().flatten().collect())
}

/// So often is asked what others change in the meantime.
const MOST_TRIES: u32 = 20;

/// Longest wait for somebody else's lock.
const LOCKED_FOR: Duration = Duration::from_secs(45);

/// The rows of a query.
async fn asked(connection: &mut Connected, label: &str, sql: &str) -> Result<Rows, CatalogError> {
    Ok(asked_all(connection, label, sql).await?.concat())
}

/// The rows of several queries in one message.
async fn asked_all(
    connection: &mut Connected,
    label: &str,
    sql: &str,
) -> Result<Vec<Rows>, CatalogError> {
    let begun = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        match ask_all(&mut connection.socket, &mut connection.input, sql).await {
            // Something was dropped in the middle: the next snapshot has it no more.
            Err(AskError::Refused(report))
                if report.sqlstate() == read::VANISHED && tries < MOST_TRIES => {}
            // Whoever stands in the way is not kept from going on.
            Err(AskError::Refused(report)) if report.sqlstate() == read::LOCKED => {
                if begun.elapsed() > LOCKED_FOR {
                    let label = label.to_owned();
                    return Err(CatalogError::Locked { label });
                }
            }
            answer => {
                return answer.map_err(|error| CatalogError::Ask {
                    label: label.to_owned(),
                    error,
                });
            }
        }
    }
}

/// The rows of a query, as texts.
pub(crate) type Rows = Vec<Vec<String>>;

/// What is asked for the whole of a catalog, in order.
pub(crate) const WHOLE: [&str; 6] = [
    read::BODIES,
    read::LINKS,
    read::RELATIONS,
    read::COLUMNS,
    read::USES,
    read::FUNCTIONS,
];

/// A server's catalog by the rows of [`WHOLE`].
pub(crate) fn whole([bodies, links, relations, columns, uses, functions]: [Rows; 6]) -> Source {
    let answers = read::Answers {
        relations,
        columns,
        uses,
        functions,
    };
    Source::new(bodies, links, &answers)
}
