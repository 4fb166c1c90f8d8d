//! Transactions over several shards: what the sessions of a database share, and the sweeper that finishes what was left.
//!
//! The decisions are the core's ([`router_core::twophase`]); a session's own commit is an operation
//! (`exec::commit`). Here is what happens beside the sessions, over connections of its own.
//!
//! | file | owns |
//! |---|---|
//! | `ground` | the table of decisions on each shard, made when it is first needed |
//! | [`sweeper`] | finds transactions that somebody left prepared, and finishes them |
//! | [`log`] | what is in doubt and what was recovered, for people |

mod ground;
pub mod log;
pub(crate) mod server;
pub mod sweeper;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use router_core::id::ShardId;
use router_core::twophase::{Place, TransactionId};

use self::log::Log;
use crate::server::health::Seldom;
use crate::settings::{Database, ServerAddress};

/// Most transactions that are remembered as left by this router; more are found by their age.
const MOST_LEFT: usize = 10_000;

/// Errors of one shard are told no more often: every look, and every commit, may meet the same.
const TELL: Duration = Duration::from_secs(60);

/// What the sessions of one database share about transactions over several shards. It belongs to one topology: a
/// session that goes on with an old one keeps asking the old one's servers.
#[derive(Debug, Default)]
pub struct TwoPhase {
    /// The database's name.
    database: String,
    /// Name and primary of each shard.
    shards: Vec<(String, ServerAddress)>,
    /// Which server each shard is, once its table of decisions is known to be there.
    places: Mutex<Vec<Option<Place>>>,
    /// Held while one of them is made ready.
    making: tokio::sync::Mutex<()>,
    /// Transactions that this router gave up: nobody is at work on them, whatever their age.
    left: Arc<Left>,
    /// By shard: errors that looks met, and what stands against commits.
    told: Vec<(Seldom, Seldom)>,
    /// For people.
    pub log: Arc<Log>,
}

#[derive(Debug, Default)]
struct Left {
    ids: Mutex<HashSet<TransactionId>>,
    wake: tokio::sync::Notify,
}

impl TwoPhase {
    /// For a database; `before`: the same database under another topology.
    pub fn new(database: &Database, before: Option<&Self>) -> Self {
        let names = database.topology.shards.iter().map(|shard| &shard.name);
        let primaries = database.shards.iter().map(|servers| &servers.primary);
        Self {
            database: database.topology.database.clone(),
            shards: names.cloned().zip(primaries.cloned()).collect(),
            places: Mutex::new(vec![None; database.shards.len()]),
            making: tokio::sync::Mutex::default(),
            told: (database.shards.iter())
                .map(|_| Default::default())
                .collect(),
            left: before.map_or_else(Arc::default, |before| Arc::clone(&before.left)),
            log: before.map_or_else(Arc::default, |before| Arc::clone(&before.log)),
        }
    }

    /// Which server a shard is, when its table of decisions is known to be there.
    pub fn place(&self, shard: ShardId) -> Option<Place> {
        self.places().get(shard.index()).copied().flatten()
    }

    /// The table of decisions of a shard turned out to be missing: it is looked for again.
    pub fn forget_place(&self, shard: ShardId) {
        if let Some(place) = self.places().get_mut(shard.index()) {
            *place = None;
        }
    }

    /// A shard's name.
    pub(crate) fn shard_name(&self, shard: ShardId) -> &str {
        let shard = self.shards.get(shard.index());
        shard.map_or("?", |(name, _)| name.as_str())
    }

    /// A commit has failed for what only the operator can mend.
    pub(crate) fn warn_of(&self, shard: ShardId, error: &str, hint: &str) {
        if self
            .told
            .get(shard.index())
            .is_some_and(|(_, told)| told.is_due(TELL))
        {
            let (database, shard) = (&self.database, self.shard_name(shard));
            tracing::warn!(
                database,
                shard,
                error,
                hint,
                "a commit over shards has failed"
            );
        }
    }

    /// A name that no other transaction has.
    pub(crate) fn new_id(
        &self,
        coordinator: ShardId,
        place: Place,
    ) -> Result<TransactionId, getrandom::Error> {
        let mut unique = [0; 16];
        getrandom::fill(&mut unique)?;
        let coordinator = self.shard_name(coordinator);
        let unique = u128::from_be_bytes(unique);
        Ok(TransactionId::new(
            &self.database,
            coordinator,
            place,
            unique,
        ))
    }

    fn places(&self) -> MutexGuard<'_, Vec<Option<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session gives a transaction up while parts of it may be prepared: the sweeper need not wait.
    pub fn leave(&self, id: TransactionId) {
        {
            let mut ids = self.left();
            if ids.len() < MOST_LEFT {
                ids.insert(id);
            }
        }
        self.left.wake.notify_one();
    }

    fn left(&self) -> MutexGuard<'_, HashSet<TransactionId>> {
        let ids = &self.left.ids;
        ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
