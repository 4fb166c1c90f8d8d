//! Where replicas stand: what is asked of servers, and what is known of it.
//!
//! Once a second a primary is asked how much it has written, and then its replicas how much they have replayed, over
//! connections that are kept for that. What follows is `router_core::replicas`'; whoever reads from a replica looks at two
//! numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use router_core::replicas::{History, Position, Rules, Standing};
use tokio::sync::Mutex;

use crate::catalog::ask;
use crate::server::connect::{Connected, Target, connect};
use crate::settings::{Consistency, Database, ReadSettings, ServerAddress, ShardServers};
use crate::tls::ServerFacingTls;

/// From one look to the next.
const REST: Duration = Duration::from_secs(1);

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

const WRITTEN: &str = "SELECT pg_catalog.pg_current_wal_insert_lsn()";
const REPLAYED: &str = "SELECT pg_catalog.pg_last_wal_replay_lsn()";

/// What a database asks of its replicas.
pub(crate) fn rules(reads: &ReadSettings) -> Rules {
    Rules {
        max_lag: reads.max_lag.filter(|lag| !lag.is_zero()),
        max_lag_bytes: reads.max_lag_bytes,
        read_your_writes: reads.consistency == Consistency::ReadYourWrites,
    }
}

/// Where one replica stands, for whoever reads from it.
#[derive(Debug)]
pub(crate) struct Seen {
    /// When time begins.
    epoch: Instant,
    /// Nanoseconds; 0: nothing is known.
    as_of: AtomicU64,
    behind: AtomicU64,
}

impl Seen {
    /// Where it stands.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let as_of = self.as_of.load(Ordering::Acquire);
        (as_of > 0).then(|| Standing {
            as_of: Duration::from_nanos(as_of),
            behind: self.behind.load(Ordering::Relaxed),
        })
    }

    /// A moment as it is counted here.
    pub(crate) fn time(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.epoch)
    }

    fn note(&self, standing: Standing) {
        let as_of = u64::try_from(standing.as_of.as_nanos()).unwrap_or(u64::MAX);
        self.behind.store(standing.behind, Ordering::Relaxed);
        // What was replayed stays replayed.
        self.as_of.fetch_max(as_of.max(1), Ordering::Release);
    }

    fn forget(&self) {
        self.as_of.store(0, Ordering::Release);
    }
}

/// The replicas of a database, shard by shard.
#[derive(Debug)]
pub(crate) struct Freshness {
    shards: Vec<Vec<Arc<Seen>>>,
    /// Of which servers it tells.
    servers: Vec<ShardServers>,
    looking: Mutex<Looking>,
}

/// The connections over which servers are asked, and what the primaries said.
#[derive(Debug, Default)]
struct Looking {
    due: Option<Instant>,
    shards: Vec<Line>,
}

#[derive(Debug, Default)]
struct Line {
    history: History,
    primary: Option<Connected>,
    replicas: Vec<Option<Connected>>,
}

impl Freshness {
    /// Nothing is known yet.
    pub(crate) fn new(database: &Database) -> Self {
        let epoch = Instant::now();
        let seen = || {
            Arc::new(Seen {
                epoch,
                as_of: AtomicU64::new(0),
                behind: AtomicU64::new(0),
            })
        };
        let shards = database.shards.iter();
        Self {
            shards: shards
                .map(|servers| servers.replicas.iter().map(|_| seen()).collect())
                .collect(),
            servers: database.shards.clone(),
            looking: Mutex::default(),
        }
    }

    /// Whether it tells of these servers.
    pub(crate) fn is_of(&self, database: &Database) -> bool {
        let same = |a: &ServerAddress, b: &ServerAddress| {
            (&a.host, a.port, &a.user, &a.database) == (&b.host, b.port, &b.user, &b.database)
        };
        self.servers.len() == database.shards.len()
            && self.servers.iter().zip(&database.shards).all(|(a, b)| {
                same(&a.primary, &b.primary)
                    && a.replicas.len() == b.replicas.len()
                    && a.replicas
                        .iter()
                        .zip(&b.replicas)
                        .all(|(a, b)| same(&a.address, &b.address))
            })
    }

    /// How long ago it was that a shard's replica had everything, and how many bytes it had yet to replay; `None`: nobody knows.
    pub(crate) fn lag(&self, shard: usize, replica: usize) -> Option<(Duration, u64)> {
        let seen = self.shards.get(shard)?.get(replica)?;
        let Standing { as_of, behind } = seen.standing()?;
        let now = seen.time(Instant::now());
        Some((now.saturating_sub(as_of), behind))
    }

    /// What is known of a shard's replicas.
    pub(crate) fn of_shard(&self, shard: usize) -> Vec<Arc<Seen>> {
        self.shards.get(shard).cloned().unwrap_or_default()
    }

    /// Asks all servers, if it is time to and nobody else is at it. `paused`: nobody is asked, and nobody stays connected.
    pub(crate) async fn look(&self, paused: bool) {
        let Ok(mut looking) = self.looking.try_lock() else {
            return;
        };
        let now = Instant::now();
        if paused {
            looking.shards.clear();
            return;
        }
        if looking.due.is_some_and(|due| now < due) {
            return;
        }
        looking.due = Some(now + REST);
        looking
            .shards
            .resize_with(self.servers.len(), Line::default);
        let shards = looking
            .shards
            .iter_mut()
            .zip(&self.servers)
            .zip(&self.shards);
        join_all(shards.map(|((line, servers), seen)| look_at(line, servers, seen))).await;
    }
}

async fn look_at(line: &mut Line, servers: &ShardServers, seen: &[Arc<Seen>]) {
    let Some(first) = seen.first() else {
        return;
    };
    let asked = first.time(Instant::now());
    if let Some(written) = position(&mut line.primary, &servers.primary, WRITTEN).await {
        line.history.note(asked, written);
    }
    line.replicas.resize_with(seen.len(), || None);
    let (history, replicas) = (&line.history, line.replicas.iter_mut());
    let looks = replicas.zip(&servers.replicas).zip(seen);
    join_all(looks.map(|((connection, replica), seen)| async move {
        // One that says nothing ages, and is left out by that; it has what it had.
        if let Some(replayed) = position(connection, &replica.address, REPLAYED).await {
            match history.standing(replayed) {
                Some(standing) => seen.note(standing),
                None => seen.forget(),
            }
        }
    }))
    .await;
}

/// What a server says of its log; `None`: nothing, and the next look connects anew.
async fn position(
    connection: &mut Option<Connected>,
    address: &ServerAddress,
    question: &str,
) -> Option<Position> {
    let asking = async {
        let mut connected = match connection.take() {
            Some(connected) => connected,
            None => {
                let tls = ServerFacingTls::new(address).ok()?;
                let target = Target {
                    label: "a server that is asked how far it is",
                    address,
                    tls: &tls,
                    parameters: &[("application_name", "shunt replicas")],
                };
                connect(&target).await.ok()?
            }
        };
        let rows = ask(&mut connected.socket, &mut connected.input, question)
            .await
            .ok()?;
        *connection = Some(connected);
        Position::parse(rows.first()?.first()?)
    };
    tokio::time::timeout(PATIENCE, asking).await.ok().flatten()
}
