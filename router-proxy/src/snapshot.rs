//! What the proxy is doing: asked of every worker by letter, put together here.
//!
//! Workers answer between two polls of their clients, so that nothing on the
//! way of a query is locked for somebody who looks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::oneshot;

use crate::pool::{PoolKey, ServerPool};
use crate::stats::DatabaseCopy;
use crate::worker::{Letter, Shared};

/// Longest wait for a worker's answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a client is at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doing {
    /// Nothing, outside a transaction.
    #[default]
    Idle,
    /// Nothing, inside a transaction.
    IdleInTransaction,
    /// Waits for a server connection.
    Waiting,
    /// A query is under way.
    Active,
}

impl Doing {
    /// In words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::IdleInTransaction => "idle in transaction",
            Self::Waiting => "waiting",
            Self::Active => "active",
        }
    }
}

/// A client.
#[derive(Clone, Debug)]
pub struct ClientRow {
    /// Unique among the clients of this moment: the process id that it was given.
    pub id: i32,
    /// Database.
    pub database: String,
    /// User.
    pub user: String,
    /// Role on the servers.
    pub role: String,
    /// It speaks with the console.
    pub console: bool,
    /// What it is at.
    pub doing: Doing,
    /// Since when.
    pub since: Instant,
    /// When it logged in.
    pub connected: SystemTime,
    /// When it was last heard of.
    pub requested: SystemTime,
    /// What only the client's own task knows.
    pub details: Option<ClientDetails>,
}

/// What only a client's own task knows.
#[derive(Clone, Debug, Default)]
pub struct ClientDetails {
    /// Its address; `None`: a Unix socket.
    pub peer: Option<SocketAddr>,
    /// The address that it connected to.
    pub local: Option<SocketAddr>,
    /// Encryption, in words.
    pub tls: Option<String>,
    /// `application_name`.
    pub application: String,
    /// Why it keeps its connections, as bits of the planner's `SessionEffect`.
    pub pinned: u16,
    /// Prepared statements, and the bytes that they take.
    pub prepared: (usize, usize),
    /// Server connections that it holds.
    pub servers: Vec<ServerRow>,
}

/// A connection to a server.
#[derive(Clone, Debug)]
pub struct ServerRow {
    /// Unique in this process.
    pub id: u64,
    /// Which pool it belongs to.
    pub pool: Arc<ServerPool>,
    /// Process id of its backend.
    pub process: i32,
    /// The client that holds it; `None`: it is idle.
    pub client: Option<i32>,
    /// The holder's `application_name`.
    pub application: String,
    /// When it was opened.
    pub opened: Instant,
    /// Since when it is idle.
    pub idle_since: Option<Instant>,
    /// Address of the server; `None`: a Unix socket.
    pub peer: Option<SocketAddr>,
    /// Address on this side.
    pub local: Option<SocketAddr>,
    /// Encryption, in words.
    pub tls: Option<String>,
    /// Prepared statements that it knows, and the bytes that they take.
    pub prepared: (usize, usize),
}

/// A worker's plan cache.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanNumbers {
    /// Plans and marks kept.
    pub entries: usize,
    /// Bytes, by the cache's own count.
    pub bytes: usize,
    /// Most bytes.
    pub limit: usize,
    /// Statements whose plan was there.
    pub hits: u64,
    /// Statements that had to be planned.
    pub misses: u64,
}

/// What one worker says.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Which one.
    pub worker: usize,
    /// Clients that logged in.
    pub clients: Vec<ClientRow>,
    /// Clients that have not.
    pub logging_in: usize,
    /// Idle connections, when details were asked for.
    pub idle: Vec<ServerRow>,
    /// Counters, by database.
    pub databases: Vec<(String, DatabaseCopy)>,
    /// The plan cache.
    pub plans: PlanNumbers,
}

/// What is asked of a worker.
#[derive(Debug)]
pub struct Look {
    /// Also what only the clients' own tasks know.
    pub details: bool,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Snapshot>,
}

/// A pool of server connections.
#[derive(Clone, Debug)]
pub struct PoolRow {
    /// Which one.
    pub key: PoolKey,
    /// The pool.
    pub pool: Arc<ServerPool>,
    /// Connections open or being opened.
    pub total: usize,
    /// Of those, being opened.
    pub opening: usize,
    /// Of those, idle.
    pub idle: usize,
    /// Clients in its queue.
    pub waiting: usize,
}

impl PoolRow {
    /// Connections that clients hold, or that are being cleaned.
    pub fn active(&self) -> usize {
        self.total.saturating_sub(self.idle + self.opening)
    }
}

/// A worker is too busy to say what it is doing, or stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("worker {worker} did not answer within {} s", PATIENCE.as_secs())]
pub struct Unanswered {
    /// Which one.
    pub worker: usize,
}

/// Everything at one moment.
#[derive(Debug)]
pub struct Overview {
    /// What each worker says.
    pub workers: Vec<Snapshot>,
    /// Workers that did not answer in time: without them sums are not those of the proxy.
    pub silent: Vec<usize>,
    /// All pools, in order of database, shard and server.
    pub pools: Vec<PoolRow>,
    /// Counters, over all workers.
    pub databases: BTreeMap<String, DatabaseCopy>,
}

impl Overview {
    /// The overview, if every worker has answered: of a counter that is summed over some of them only, whoever compares it
    /// with the one before would take that the proxy has begun anew.
    pub fn whole(self) -> Result<Self, Unanswered> {
        match self.silent.first() {
            None => Ok(self),
            Some(&worker) => Err(Unanswered { worker }),
        }
    }

    /// All clients.
    pub fn clients(&self) -> impl Iterator<Item = &ClientRow> {
        self.workers.iter().flat_map(|worker| &worker.clients)
    }

    /// All server connections, when details were asked for.
    pub fn servers(&self) -> impl Iterator<Item = &ServerRow> {
        let held = self
            .clients()
            .flat_map(|client| client.details.iter().flat_map(|details| &details.servers));
        self.workers
            .iter()
            .flat_map(|worker| &worker.idle)
            .chain(held)
    }
}

impl Shared {
    /// Asks every worker.
    pub async fn look(&self, details: bool) -> Overview {
        let mut replies = Vec::new();
        for letters in &self.letters {
            let (reply, answer) = oneshot::channel();
            // A worker that is gone has nothing to say.
            let _ = letters.send(Letter::Look(Look { details, reply }));
            replies.push(answer);
        }
        let until = tokio::time::Instant::now() + PATIENCE;
        let mut workers = Vec::new();
        let mut silent = Vec::new();
        for (worker, answer) in replies.into_iter().enumerate() {
            match tokio::time::timeout_at(until, answer).await {
                Ok(Ok(snapshot)) => workers.push(snapshot),
                // It is gone, and has nothing to say.
                Ok(Err(_)) => {}
                Err(_) => silent.push(worker),
            }
        }
        let mut databases: BTreeMap<String, DatabaseCopy> = BTreeMap::new();
        for (name, copy) in workers.iter().flat_map(|worker| &worker.databases) {
            databases.entry(name.clone()).or_default().add(copy);
        }
        Overview {
            workers,
            silent,
            pools: self.pool_rows(),
            databases,
        }
    }
}
