//! What the servers say about relations and functions, read into the core's [`Catalog`].
//!
//! Reading takes a few queries; it happens when a database is first used and
//! again after a statement that changes the schema, never on the way of a query.
//! [`SharedCatalog`] says which servers are asked, and when.

pub(crate) mod ask;
mod shared;

use router_core::topology::catalog::{Catalog, read};

pub use ask::AskError;
pub(crate) use ask::ask;
pub use shared::SharedCatalog;

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
}

/// Reads the catalog over a connection of its own. The caller puts a deadline around it.
pub async fn load(target: &Target<'_>) -> Result<Catalog, CatalogError> {
    load_from(connect(target).await?, target.label, Extent::Whole).await
}

/// How much of a catalog is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// Everything: a planner chooses among shards by it.
    Whole,
    /// What statements leave in sessions: where there is one shard a pool has to know that, and nothing else.
    Residues,
}

/// Reads the catalog of a server.
async fn load_from(
    mut connection: Connected,
    label: &str,
    extent: Extent,
) -> Result<Catalog, CatalogError> {
    let mut answer = async |sql: &str| {
        ask(&mut connection.socket, &mut connection.input, sql)
            .await
            .map_err(|error| CatalogError::Ask {
                label: label.to_owned(),
                error,
            })
    };
    answer(read::SEARCH_PATH).await?;
    let bodies = answer(read::BODIES).await?;
    let links = answer(read::LINKS).await?;
    let residues = read::residues(&bodies, &links);
    let catalog = match extent {
        Extent::Residues => Catalog::unknown(),
        Extent::Whole => {
            let answers = read::Answers {
                relations: answer(read::RELATIONS).await?,
                columns: answer(read::COLUMNS).await?,
                uses: answer(read::USES).await?,
                functions: answer(read::FUNCTIONS).await?,
            };
            answers.catalog()
        }
    };
    Ok(catalog.with_residues(residues))
}
