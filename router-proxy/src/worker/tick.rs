//! What a worker looks at by the clock: deadlines, and what has been idle or open for too long.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tokio::task::spawn_local;

use super::{Entry, Worker, wake};
use crate::snapshot::Doing;
use crate::{deadlock, stats};

/// How often deadlines are looked at.
pub const TICK: Duration = Duration::from_millis(100);

/// How often the ages of catalogs are looked at.
const CATALOG_LOOK: Duration = Duration::from_secs(5);

/// How often it is looked whether replicas are to be asked.
const REPLICA_LOOK: Duration = Duration::from_millis(500);

/// How often clients are counted that have waited for long; and the rest between two looks for deadlocks.
const DEADLOCK_LOOK: Duration = Duration::from_secs(1);

/// Longest rest between two looks for deadlocks, while clients wait for long and none of them for another.
const DEADLOCK_REST: Duration = Duration::from_secs(8);

/// When deadlocks are looked for.
#[derive(Debug, Default)]
struct Deadlocks {
    counted: Option<Instant>,
    /// The look under way, or the last one; whether anybody had to give way.
    look: Option<tokio::task::JoinHandle<bool>>,
    ended: Option<Instant>,
    rest: Duration,
}

impl Worker {
    /// Counts who has waited for long, and on one worker looks whether they wait for each other.
    fn look_for_deadlocks(&self, deadlocks: &mut Deadlocks, now: Instant) {
        if deadlocks.counted.is_some_and(|at| now < at + DEADLOCK_LOOK) {
            return;
        }
        deadlocks.counted = Some(now);
        let waits_long = |entry: &Entry| {
            matches!(entry.doing.get(), Some((Doing::Active, since)) if now.saturating_duration_since(since) >= deadlock::LONG)
                && entry.about.borrow().as_ref().is_some_and(|about| {
                    about
                        .access
                        .as_ref()
                        .is_some_and(|access| access.environment.is_sharded())
                })
        };
        let clients = self.clients.borrow();
        let waiting = clients.iter().flatten().filter(|entry| waits_long(entry));
        self.shared.note_waiting(self.id, waiting.count());
        if self.id != 0 {
            return;
        }
        if let Some(look) = &mut deadlocks.look {
            let Some(found) = look.now_or_never() else {
                return;
            };
            deadlocks.look = None;
            deadlocks.ended = Some(now);
            deadlocks.rest = match found {
                Ok(false) => (deadlocks.rest * 2).clamp(DEADLOCK_LOOK, DEADLOCK_REST),
                _ => Duration::ZERO,
            };
        }
        if self.shared.waiting() < 2 {
            deadlocks.rest = Duration::ZERO;
            return;
        }
        if deadlocks.ended.is_none_or(|at| now >= at + deadlocks.rest) {
            let shared = Arc::clone(&self.shared);
            deadlocks.look = Some(spawn_local(async move { deadlock::look(&shared).await }));
        }
    }

    /// Looks at deadlines, and closes what has been idle or open for too long.
    pub async fn tick(self: Rc<Self>) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut period_ends = Instant::now() + stats::STATS_PERIOD;
        let mut look_at_catalogs = Instant::now() + CATALOG_LOOK;
        let mut look_at_replicas = Instant::now();
        let mut deadlocks = Deadlocks::default();
        loop {
            interval.tick().await;
            let now = Instant::now();
            if self.id == 0 && now >= look_at_catalogs {
                look_at_catalogs = now + CATALOG_LOOK;
                self.shared.reread_old_catalogs();
            }
            if self.id == 0 {
                self.shared.watch_catalogs(now);
                if now >= look_at_replicas {
                    look_at_replicas = now + REPLICA_LOOK;
                    self.shared.watch_replicas();
                }
            }
            self.look_for_deadlocks(&mut deadlocks, now);
            if now >= period_ends {
                period_ends = now + stats::STATS_PERIOD;
                for database in self.stats.borrow().values() {
                    database.turn_period();
                }
            }
            let due: Vec<_> = self
                .clients
                .borrow()
                .iter()
                .flatten()
                .filter(|entry| entry.deadline.get().is_some_and(|at| at <= now))
                .cloned()
                .collect();
            for entry in due {
                wake(&entry);
            }
            for pool in self.pools.borrow_mut().iter_mut() {
                if pool.shared.reserve_spare(now) {
                    let worker = Rc::clone(&self);
                    let shared = Arc::clone(&pool.shared);
                    spawn_local(async move {
                        match shared.open(None).await {
                            Ok(connection) => {
                                let at = worker.local_pool(shared);
                                worker.put_back(at, connection);
                            }
                            // What is wrong with the server is told where that is found.
                            Err(report) => {
                                tracing::debug!(error = %report.message, "cannot keep min_size");
                            }
                        }
                    });
                }
                if let Some(last) = pool.idle.last() {
                    pool.shared.health.note_heard(last.idle_since);
                }
                let settings = pool.shared.settings();
                let before = pool.idle.len();
                let total = pool.shared.total();
                let mut spare = total.saturating_sub(settings.min_size);
                let mut too_many = total.saturating_sub(settings.max_size);
                let shared = Arc::clone(&pool.shared);
                pool.idle.retain_mut(|connection| {
                    let over = |age: Duration, limit: Duration| !limit.is_zero() && age > limit;
                    let old = over(now - connection.state.opened, settings.max_lifetime);
                    let unused =
                        spare > 0 && over(now - connection.idle_since, settings.idle_timeout);
                    let quiet = connection.socket.is_quiet();
                    if quiet && !old && !unused && too_many == 0 {
                        return true;
                    }
                    spare = spare.saturating_sub(1);
                    too_many = too_many.saturating_sub(1);
                    match quiet {
                        true => shared.closed(),
                        false => shared.closed_for_news(),
                    }
                    false
                });
                if pool.idle.len() != before {
                    pool.shared.note_idle(self.id, pool.idle.len());
                }
            }
        }
    }
}
