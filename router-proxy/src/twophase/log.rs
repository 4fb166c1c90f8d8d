//! What is in doubt and what was recovered, for people: `SHOW TWOPHASE` and metrics.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most recoveries that are remembered.
const REMEMBERED: usize = 100;

/// What is in doubt and what was recovered.
#[derive(Debug, Default)]
pub struct Log {
    recovered: Mutex<VecDeque<Recovered>>,
    /// Why transactions found by the last look were left, by name.
    stuck: Mutex<Vec<(String, String)>>,
    /// Numbers.
    pub counts: Counts,
}

/// Numbers since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Transactions committed in two phases.
    pub committed: AtomicU64,
    /// Transactions that a vote rolled back.
    pub rolled_back: AtomicU64,
    /// Commits that were left to recovery.
    pub left: AtomicU64,
    /// Prepared parts that recovery has committed.
    pub recovered_commits: AtomicU64,
    /// Prepared parts that recovery has rolled back.
    pub recovered_rollbacks: AtomicU64,
    /// Looks of the sweeper that met an error.
    pub failed_looks: AtomicU64,
    /// Prepared parts that the last look has found and left.
    pub in_doubt: AtomicU64,
}

/// A prepared part that recovery has finished.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// Its name.
    pub gid: String,
    /// Where it was.
    pub shard: String,
    /// Whose it was.
    pub owner: String,
    /// Whether it was committed.
    pub committed: bool,
    /// How long it was prepared.
    pub age: Duration,
    /// When.
    pub at: Instant,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Log {
    pub(super) fn recovered(&self, recovered: Recovered) {
        count(if recovered.committed {
            &self.counts.recovered_commits
        } else {
            &self.counts.recovered_rollbacks
        });
        let mut all = lock(&self.recovered);
        if all.len() == REMEMBERED {
            all.pop_front();
        }
        all.push_back(recovered);
    }

    /// The last ones, oldest first.
    pub fn recent(&self) -> Vec<Recovered> {
        lock(&self.recovered).iter().cloned().collect()
    }

    /// Why the sweeper leaves a prepared part.
    pub fn why(&self, gid: &str) -> Option<String> {
        let stuck = lock(&self.stuck);
        stuck
            .iter()
            .find(|(known, _)| known == gid)
            .map(|(_, why)| why.clone())
    }

    /// What the last look has found and left. Those that are new among them.
    pub(super) fn set_stuck(&self, stuck: Vec<(String, String)>) -> Vec<(String, String)> {
        let number = stuck.len() as u64;
        self.counts.in_doubt.store(number, Ordering::Relaxed);
        let mut known = lock(&self.stuck);
        let new = stuck
            .iter()
            .filter(|one| !known.contains(one))
            .cloned()
            .collect();
        *known = stuck;
        new
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
