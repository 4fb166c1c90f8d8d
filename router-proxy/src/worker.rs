//! One worker: a thread with a single-threaded runtime, the clients it accepted, and its share of the connections.
//!
//! Nothing here is shared with another worker but what [`Shared`] holds, and
//! that is looked at when a client comes, when a pool runs dry, and once a tick.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use router_core::id::ShardId;
use router_core::sqlstate::SqlState;
use router_core::topology::Topology;
use smallvec::SmallVec;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use crate::auth::limits::{Failures, HalfOpen};
use crate::catalog::{SharedCatalog, ask};
use crate::gate::Gate;
use crate::live::Live;
use crate::pool::{PoolKey, ServerConnection, ServerPool};
use crate::server::converse::converse;
use crate::server::state::Parameters;
use crate::session::settings::SettingSet;
use crate::session::{Environment, Planning, Role};
use crate::settings::{Database, PoolSettings, ReadPreference, Secret, ServerAddress, User};
use crate::snapshot::{
    ClientDetails, ClientRow, Doing, Look, PlanNumbers, PoolRow, ServerRow, Snapshot,
};
use crate::stats::{self, Stats};
use crate::tls::{ServerFacingTls, TlsError};
use crate::twophase::TwoPhase;
use crate::wire::buffer::Stock;
use crate::wire::encode::Report;

/// How often deadlines are looked at.
pub const TICK: Duration = Duration::from_millis(100);

/// A catalog that is older is read again: views and functions may have been made on the servers, without the proxy.
const CATALOG_AGE: Duration = Duration::from_secs(60);

/// How often the ages of catalogs are looked at.
const CATALOG_LOOK: Duration = Duration::from_secs(5);

/// Longest time that cleaning a connection may take before it is closed instead.
const CLEANING: Duration = Duration::from_secs(5);

/// Most cancel requests that wait at a time for one client.
const MOST_CANCELLERS: usize = 16;
/// Failures to log in that an address may have at once; from then on one per [`FAILURE_INTERVAL`].
const FAILURE_BURST: u32 = 5;

/// See [`FAILURE_BURST`].
const FAILURE_INTERVAL: Duration = Duration::from_secs(1);

/// Addresses whose failures are remembered.
const FAILURE_ADDRESSES: usize = 10_000;

/// Each worker lets at least so many clients log in at a time.
const LEAST_HALF_OPEN: usize = 16;

/// Sets of startup settings whose parameters are remembered for each database and user.
const STARTUPS: usize = 256;

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// Settings in force, and what is made from them.
    pub live: ArcSwap<Live>,
    /// Number of workers.
    pub workers: usize,
    /// Client connections at this time.
    pub clients: AtomicUsize,
    /// No new clients; those that are idle leave.
    pub draining: AtomicBool,
    /// Everybody leaves.
    pub stopping: AtomicBool,
    /// Each worker's letter box.
    pub letters: Vec<UnboundedSender<Letter>>,
    /// Each worker's counters.
    pub counters: Vec<Counters>,
    /// Who has failed to log in, and how often: looked at once per login.
    failures: Mutex<Failures>,
    /// Each database's catalog.
    catalogs: Mutex<HashMap<String, Arc<SharedCatalog>>>,
    /// What each database's sessions share about transactions over several shards.
    two_phases: Mutex<HashMap<String, Arc<TwoPhase>>>,
    /// Somebody on the console asked for the end.
    pub shutdown: tokio::sync::Notify,
    /// When the proxy was bound.
    pub started: Instant,
    /// Where `RELOAD` on the console reads settings.
    pub(crate) source: crate::reload::SourceSlot,
    /// Held by the reload under way.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    pools: Mutex<HashMap<PoolKey, Arc<ServerPool>>>,
    gates: Mutex<HashMap<String, Arc<Gate>>>,
}

/// What one worker counts. Written by that worker only, read by whoever asks.
#[derive(Debug, Default)]
pub struct Counters {
    /// Clients that logged in.
    pub logins: AtomicU64,
    /// Times that a connection was taken from a pool.
    pub acquired: AtomicU64,
    /// Bytes from clients.
    pub bytes_in: AtomicU64,
    /// Bytes to clients.
    pub bytes_out: AtomicU64,
}

/// What one worker tells another.
#[derive(Debug)]
pub enum Letter {
    /// Somebody waits for a connection of this pool, and this worker has idle ones.
    Yield(Arc<ServerPool>),
    /// Cancel what this client runs.
    Cancel {
        /// Its slot.
        client: usize,
        /// The secret that it was given.
        secret: [u8; 4],
        /// Dropped once the servers have been told.
        told: oneshot::Sender<()>,
    },
    /// A client's connection, accepted elsewhere.
    Accepted(AcceptedSocket),
    /// The drain has begun, or the end has come.
    Wake,
    /// Somebody wants to know what this worker is doing.
    Look(Look),
    /// Idle connections that are stale are closed; an answer says that it is done.
    Tidy(oneshot::Sender<()>),
    /// The clients of this database, or of all, are told to go; an answer says that they were.
    Kill(Option<String>, oneshot::Sender<()>),
    /// Other settings are in force.
    Reloaded(oneshot::Sender<()>),
}

/// A client's connection between two workers.
#[derive(Debug)]
pub enum AcceptedSocket {
    /// TCP.
    Tcp(std::net::TcpStream),
    /// Unix.
    Unix(std::os::unix::net::UnixStream),
}

impl Shared {
    /// From what is in force at first; `letters` are the workers' letter boxes.
    pub fn new(live: Live, letters: Vec<UnboundedSender<Letter>>) -> Self {
        Self {
            live: ArcSwap::from_pointee(live),
            catalogs: Mutex::default(),
            two_phases: Mutex::default(),
            shutdown: tokio::sync::Notify::new(),
            started: Instant::now(),
            gates: Mutex::default(),
            failures: Mutex::new(Failures::new(
                FAILURE_BURST,
                FAILURE_INTERVAL,
                FAILURE_ADDRESSES,
            )),
            source: crate::reload::SourceSlot::default(),
            reloading: tokio::sync::Mutex::default(),
            workers: letters.len(),
            clients: AtomicUsize::new(0),
            draining: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            counters: letters.iter().map(|_| Counters::default()).collect(),
            letters,
            pools: Mutex::default(),
        }
    }

    /// How long a client from this address waits before it may try to log in.
    pub fn login_delay(&self, address: IpAddr) -> Option<Duration> {
        self.failures().delay(address, Instant::now())
    }

    /// A client from this address failed to log in.
    pub fn note_login_failure(&self, address: IpAddr) {
        self.failures().handle_failure(address, Instant::now());
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a database's catalog if it is out of date.
    pub async fn refresh_catalog(
        &self,
        catalog: &SharedCatalog,
        database: &str,
    ) -> Result<(), Report> {
        if !catalog.is_stale() {
            return Ok(());
        }
        let live = self.live.load_full();
        let mut databases = live.settings.databases.iter();
        match databases.find(|known| known.topology.database == database) {
            Some(known) => catalog.refresh(known).await,
            None => Err(unknown(database)),
        }
    }

    /// Reads a database's catalog anew for somebody who met a name that it lacks at `since`.
    pub async fn reread_catalog(
        &self,
        catalog: &SharedCatalog,
        database: &str,
        since: Instant,
    ) -> Result<(), Report> {
        let live = self.live.load_full();
        let mut databases = live.settings.databases.iter();
        match databases.find(|known| known.topology.database == database) {
            Some(known) => catalog.reread(known, since).await,
            None => Err(unknown(database)),
        }
    }

    /// Begins to read the catalogs that were read longest ago. The tick of one worker asks for it.
    fn reread_old_catalogs(self: &Arc<Self>) {
        let old: Vec<_> = {
            let catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
            let old = catalogs.iter().filter(|(_, c)| c.is_older(CATALOG_AGE));
            old.map(|(name, c)| (name.clone(), Arc::clone(c))).collect()
        };
        for (database, catalog) in old {
            let shared = Arc::clone(self);
            spawn_local(async move {
                let since = Instant::now() - CATALOG_AGE;
                if let Err(report) = shared.reread_catalog(&catalog, &database, since).await {
                    tracing::warn!(database, error = %report.message, detail = report.detail.as_deref(), "cannot read the catalog again");
                }
            });
        }
    }

    /// What the catalogs say is out of date: they are read before anything more is planned.
    pub(crate) fn doubt_catalogs(&self) {
        let catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        catalogs
            .values()
            .for_each(|catalog| catalog.handle_change());
    }

    /// The catalog of a database; one of another topology is not asked any more.
    fn catalog(&self, topology: &Topology) -> Arc<SharedCatalog> {
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = catalogs.entry(topology.database.clone());
        Arc::clone(known.or_insert_with(|| Arc::new(SharedCatalog::new(topology))))
    }

    /// What a database's sessions share about transactions over several shards.
    pub(crate) fn two_phase(&self, database: &Database) -> Arc<TwoPhase> {
        let mut all = self.two_phases();
        let known = all.entry(database.topology.database.clone());
        Arc::clone(known.or_insert_with(|| Arc::new(TwoPhase::new(database, None))))
    }

    fn two_phases(&self) -> MutexGuard<'_, HashMap<String, Arc<TwoPhase>>> {
        let all = self.two_phases.lock();
        all.unwrap_or_else(PoisonError::into_inner)
    }

    /// A reload has given the database another topology: its catalog is read anew, and its servers may be others.
    pub(crate) fn renew_database(&self, database: &Database) {
        let name = &database.topology.database;
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        catalogs.remove(name);
        if let Some(two_phase) = self.two_phases().get_mut(name) {
            *two_phase = Arc::new(TwoPhase::new(database, Some(two_phase)));
        }
    }

    /// Tells every worker.
    pub fn wake_all(&self) {
        for letters in &self.letters {
            // A worker that is gone needs no waking.
            let _ = letters.send(Letter::Wake);
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> arc_swap::Guard<Arc<Live>> {
        self.live.load()
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// After other settings were put in force: pools whose server is still named get their new
    /// limits, the others are closed as their connections come free.
    pub(crate) fn renew_pools(&self) {
        let live = self.live.load_full();
        let settings = &live.settings;
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, pool) in std::mem::take(&mut *pools) {
            let found = settings
                .databases
                .iter()
                .find(|known| known.topology.database == key.database)
                .and_then(|known| Some((known, known.topology.shard_named(&key.shard_name)?)))
                .filter(|(known, shard)| key.server <= known.shards[shard.index()].replicas.len())
                .and_then(|(known, shard)| {
                    let mut users = std::iter::once(None).chain(settings.users.iter().map(Some));
                    users
                        .find(|user| same(&address(known, shard, key.server, *user), &pool.address))
                        .map(|user| (known, shard, user))
                });
            match found {
                Some((known, shard, user)) => {
                    pool.set_settings(pool_settings(known, user));
                    pools.insert(PoolKey { shard, ..key }, pool);
                }
                None => pool.retire(),
            }
        }
    }

    /// The gate of a database; it survives reloads.
    pub fn gate(&self, database: &str) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(database.to_owned()).or_default())
    }

    /// All pools, in order.
    pub fn pool_rows(&self) -> Vec<PoolRow> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<PoolRow> = pools
            .iter()
            .map(|(key, pool)| PoolRow {
                key: key.clone(),
                pool: Arc::clone(pool),
                total: pool.total(),
                opening: pool.opening(),
                idle: pool.idle(),
                waiting: pool.waiting(),
            })
            .collect();
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows
    }

    /// The pools of a database, or of all.
    pub fn pools_of(&self, database: Option<&str>) -> Vec<Arc<ServerPool>> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools
            .iter()
            .filter(|(key, _)| database.is_none_or(|name| key.database == name))
            .map(|(_, pool)| Arc::clone(pool))
            .collect()
    }

    fn pool(
        &self,
        known: &Database,
        shard: ShardId,
        server: usize,
        user: Option<&User>,
    ) -> Result<Arc<ServerPool>, TlsError> {
        let address = address(known, shard, server, user);
        let name = known
            .topology
            .shards
            .get(shard.index())
            .map_or("?", |shard| shard.name.as_str());
        let key = PoolKey {
            database: known.topology.database.clone(),
            shard,
            shard_name: name.to_owned(),
            server,
            role: address.user.clone(),
        };
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key) {
            return Ok(Arc::clone(pool));
        }
        let label = match server {
            0 => format!("the primary of shard \"{name}\""),
            n => format!("replica {n} of shard \"{name}\""),
        };
        let settings = pool_settings(known, user);
        let tls = ServerFacingTls::new(&address)?;
        let pool = Arc::new(ServerPool::new(label, address, tls, settings, self.workers));
        pools.insert(key, Arc::clone(&pool));
        Ok(pool)
    }
}

fn unknown(database: &str) -> Report {
    Report::fatal(
        SqlState::new("3D000"),
        format!("database \"{database}\" does not exist"),
    )
}

/// Where a server is, and as whom its connections log in for a user.
fn address(known: &Database, shard: ShardId, server: usize, user: Option<&User>) -> ServerAddress {
    let servers = &known.shards[shard.index()];
    let mut address = match server {
        0 => servers.primary.clone(),
        n => servers.replicas[n - 1].address.clone(),
    };
    if let Some(user) = user
        && let Some(name) = &user.server_user
    {
        address.user.clone_from(name);
        address.password.clone_from(&user.server_password);
    }
    address
}

/// Whether connections to the one will do for the other.
fn same(one: &ServerAddress, other: &ServerAddress) -> bool {
    let ServerAddress {
        host,
        port,
        database,
        user,
        password,
        tls,
        root_cert,
        client_cert,
    } = one;
    let text = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.0.clone());
    *host == other.host
        && *port == other.port
        && *database == other.database
        && *user == other.user
        && text(password) == text(&other.password)
        && *tls == other.tls
        && *root_cert == other.root_cert
        && *client_cert == other.client_cert
}

fn pool_settings(known: &Database, user: Option<&User>) -> PoolSettings {
    match user {
        Some(user) => known.pool.with(&user.pool),
        None => known.pool.clone(),
    }
}

/// A pool as one worker sees it.
#[derive(Debug)]
pub struct LocalPool {
    /// What is shared.
    pub shared: Arc<ServerPool>,
    idle: Vec<ServerConnection>,
}

/// What clients of one database and user share on one worker.
#[derive(Debug)]
pub struct Access {
    /// For the session machine.
    pub environment: Rc<Environment>,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
    /// Role on the servers (of the first shard, when they differ).
    pub role: String,
    /// Whether the database may be used.
    pub gate: Arc<Gate>,
    /// Of which settings it was made.
    pub generation: u64,
    preference: ReadPreference,
    shards: Vec<ShardPools>,
    greetings: RefCell<HashMap<SettingSet, Greeting>>,
}

/// What a client is told about the server when it logs in.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// By `ParameterStatus`.
    pub parameters: Parameters,
    /// NOTICE messages about its settings, whole.
    pub notices: bytes::Bytes,
}

impl std::hash::Hash for SettingSet {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for (name, values) in self.iter() {
            name.hash(state);
            values.hash(state);
        }
    }
}

#[derive(Debug)]
struct ShardPools {
    primary: usize,
    replicas: Vec<usize>,
    turn: Cell<usize>,
}

impl Access {
    /// The pools to take a connection from, best first. Where a replica is wanted these are the
    /// replicas, each in turn, and the primary last if the preference allows; otherwise the primary only.
    pub fn pools(&self, shard: ShardId, role: Role) -> SmallVec<[usize; 2]> {
        let pools = &self.shards[shard.index()];
        if role == Role::Primary || pools.replicas.is_empty() && self.falls_back() {
            return SmallVec::from_elem(pools.primary, 1);
        }
        let turn = pools.turn.get().wrapping_add(1);
        pools.turn.set(turn);
        let count = pools.replicas.len();
        let mut all: SmallVec<_> = (0..count)
            .map(|step| pools.replicas[turn.wrapping_add(step) % count])
            .collect();
        if self.falls_back() {
            all.push(pools.primary);
        }
        all
    }

    fn falls_back(&self) -> bool {
        self.preference != ReadPreference::Replica
    }
}

/// A client as its worker knows it.
#[derive(Debug, Default)]
pub struct Entry {
    /// Proves the right to cancel.
    pub secret: Cell<[u8; 4]>,
    /// Somebody with the right secret asked.
    pub cancel: Cell<bool>,
    /// Who waits for that to be carried out.
    pub cancellers: RefCell<Vec<oneshot::Sender<()>>>,
    /// When something has to happen without anybody else's doing.
    pub deadline: Cell<Option<Instant>>,
    /// Wakes the client's task.
    pub waker: RefCell<Option<Waker>>,
    /// Told to go.
    pub killed: Cell<bool>,
    /// Who it is, from login on.
    pub about: RefCell<Option<About>>,
    /// What it is at, and since when.
    pub doing: Cell<Option<(Doing, Instant)>>,
    /// Somebody wants details; the client's task puts them into `details`.
    pub asked: Cell<bool>,
    /// See `asked`.
    pub details: RefCell<Option<ClientDetails>>,
}

/// Who a client is.
#[derive(Debug)]
pub struct About {
    /// What it shares with the others of its database and user; `None`: it speaks with the console.
    pub access: Option<Rc<Access>>,
    /// Database and user on the console.
    pub console: Option<Box<(String, String)>>,
    /// When it logged in.
    pub connected: Instant,
}

/// One worker.
#[derive(Debug)]
pub struct Worker {
    /// Which one.
    pub id: usize,
    /// What all share.
    pub shared: Arc<Shared>,
    /// Memory for queues.
    pub stock: Stock,
    planning: Rc<RefCell<Planning>>,
    pools: RefCell<Vec<LocalPool>>,
    access: RefCell<HashMap<(String, String), Rc<Access>>>,
    /// Counters by database.
    stats: RefCell<HashMap<String, Rc<stats::Database>>>,
    /// Of which settings `access` was made.
    generation: Cell<u64>,
    clients: RefCell<Vec<Option<Rc<Entry>>>>,
    free: RefCell<Vec<usize>>,
    /// Clients that have not proven who they are: half of all places, so that those who can are let in.
    pub half_open: RefCell<HalfOpen>,
}

impl Worker {
    /// A worker with nothing yet.
    pub fn new(id: usize, shared: Arc<Shared>) -> Rc<Self> {
        let half_open =
            (shared.live.load().settings.max_clients / 2 / shared.workers).max(LEAST_HALF_OPEN);
        Rc::new(Self {
            half_open: RefCell::new(HalfOpen::new(half_open)),
            id,
            stock: Stock::default(),
            planning: Rc::default(),
            pools: RefCell::default(),
            access: RefCell::default(),
            stats: RefCell::default(),
            generation: Cell::new(shared.live.load().generation),
            shared,
            clients: RefCell::default(),
            free: RefCell::default(),
        })
    }

    /// Its counters.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters[self.id]
    }

    /// A place for a client.
    pub fn enter(&self) -> (usize, Rc<Entry>) {
        let entry = Rc::new(Entry::default());
        let mut clients = self.clients.borrow_mut();
        let at = match self.free.borrow_mut().pop() {
            Some(at) => at,
            None => {
                clients.push(None);
                clients.len() - 1
            }
        };
        clients[at] = Some(Rc::clone(&entry));
        (at, entry)
    }

    /// The client of a place is gone.
    pub fn leave(&self, at: usize) {
        self.clients.borrow_mut()[at] = None;
        self.free.borrow_mut().push(at);
    }

    /// How many clients there are.
    pub fn population(&self) -> usize {
        self.clients.borrow().iter().flatten().count()
    }

    /// What a database and user have here; an error is for the client.
    pub fn access(&self, database: &str, user: &str) -> Result<Rc<Access>, Report> {
        let key = (database.to_owned(), user.to_owned());
        if let Some(access) = self.access.borrow().get(&key) {
            return Ok(Rc::clone(access));
        }
        let live = self.shared.settings();
        let settings = &live.settings;
        let known = settings
            .databases
            .iter()
            .find(|known| known.topology.database == database);
        let Some(known) = known else {
            return Err(unknown(database));
        };
        let user_name = user;
        let user = settings.users.iter().find(|known| known.name == user);
        let mut shards = Vec::new();
        for (shard, servers) in known.shards.iter().enumerate() {
            let shard = ShardId(shard as u16);
            let mut all = Vec::new();
            for server in 0..=servers.replicas.len() {
                let pool = self
                    .shared
                    .pool(known, shard, server, user)
                    .map_err(|error| Report::fatal(SqlState::new("F0000"), error.to_string()))?;
                all.push(self.local_pool(pool));
            }
            shards.push(ShardPools {
                primary: all[0],
                replicas: all.split_off(1),
                turn: Cell::new(0),
            });
        }
        let access = Rc::new(Access {
            environment: Rc::new(Environment {
                topology: Arc::clone(&known.topology),
                catalog: self.shared.catalog(&known.topology),
                two_phase: self.shared.two_phase(known),
                search_path: Default::default(),
                pool: pool_settings(known, user),
                planner: Rc::clone(&self.planning),
                stock: self.stock.clone(),
                turn: Cell::new(self.id),
                stats: Stats::new(
                    &self.stats(database),
                    known
                        .topology
                        .shards
                        .iter()
                        .map(|shard| shard.name.as_str()),
                ),
            }),
            database: database.to_owned(),
            user: user_name.to_owned(),
            role: address(known, ShardId(0), 0, user).user,
            gate: self.shared.gate(database),
            generation: live.generation,
            preference: known.reads.preference,
            shards,
            greetings: RefCell::default(),
        });
        self.access.borrow_mut().insert(key, Rc::clone(&access));
        Ok(access)
    }

    /// The counters of a database.
    fn stats(&self, database: &str) -> Rc<stats::Database> {
        let mut stats = self.stats.borrow_mut();
        Rc::clone(stats.entry(database.to_owned()).or_default())
    }

    /// Of which settings things are made from now on.
    pub fn generation(&self) -> u64 {
        self.generation.get()
    }

    /// Makes the pools that are to have connections before anybody asks for one; the tick fills them.
    pub fn open_pools(&self) {
        let live = self.shared.live.load();
        let settings = &live.settings;
        for database in &settings.databases {
            for user in &settings.users {
                if database.pool.with(&user.pool).min_size > 0
                    && let Err(report) = self.access(&database.topology.database, &user.name)
                {
                    tracing::warn!(user = %user.name, error = %report.message, "cannot make a pool");
                }
            }
        }
    }

    fn local_pool(&self, shared: Arc<ServerPool>) -> usize {
        let mut pools = self.pools.borrow_mut();
        if let Some(at) = pools
            .iter()
            .position(|pool| Arc::ptr_eq(&pool.shared, &shared))
        {
            return at;
        }
        pools.push(LocalPool {
            shared,
            idle: Vec::new(),
        });
        pools.len() - 1
    }

    /// The shared side of a pool.
    pub fn server_pool(&self, pool: usize) -> Arc<ServerPool> {
        Arc::clone(&self.pools.borrow()[pool].shared)
    }

    /// An idle connection, unless others have waited for one longer.
    pub fn take_idle(&self, pool: usize) -> Option<ServerConnection> {
        let pool = &mut self.pools.borrow_mut()[pool];
        if pool.shared.has_waiters() {
            return None;
        }
        loop {
            let mut connection = pool.idle.pop()?;
            pool.shared.note_idle(self.id, pool.idle.len());
            // An idle server has nothing to say: if it has, it is on its way out.
            let mut context = std::task::Context::from_waker(Waker::noop());
            if connection.socket.poll_read_ready(&mut context).is_pending()
                || connection.socket.is_quiet()
            {
                return Some(connection);
            }
            pool.shared.closed();
        }
    }

    /// A connection, however it can be had.
    pub async fn acquire(self: Rc<Self>, pool: usize) -> Result<ServerConnection, Report> {
        if let Some(connection) = self.take_idle(pool) {
            return Ok(connection);
        }
        let shared = self.server_pool(pool);
        let ask = |other: usize| {
            let _ = self.shared.letters[other].send(Letter::Yield(Arc::clone(&shared)));
        };
        shared.acquire(self.id, ask, None).await
    }

    /// A connection that nobody has used, opened with these settings in its startup packet: in
    /// session mode a client has a server session of its own, as it would have without a proxy.
    pub async fn acquire_own(
        self: Rc<Self>,
        pool: usize,
        base: Arc<SettingSet>,
    ) -> Result<ServerConnection, Report> {
        let shared = self.server_pool(pool);
        if !shared.has_waiters() {
            let mut pools = self.pools.borrow_mut();
            let local = &mut pools[pool];
            let fits = |connection: &ServerConnection| connection.state.base == base;
            if let Some(at) = local.idle.iter().position(fits) {
                let mut connection = local.idle.remove(at);
                shared.note_idle(self.id, local.idle.len());
                if connection.socket.is_quiet() {
                    return Ok(connection);
                }
                shared.closed();
            }
        }
        let ask = |other: usize| {
            let _ = self.shared.letters[other].send(Letter::Yield(Arc::clone(&shared)));
        };
        shared.acquire(self.id, ask, Some(&base)).await
    }

    /// A connection of the first of these pools that has one to give, and which pool that is;
    /// with settings of its own where nobody may have used it (see [`Worker::acquire_own`]).
    pub async fn acquire_of(
        self: Rc<Self>,
        pools: SmallVec<[usize; 2]>,
        own: Option<Arc<SettingSet>>,
    ) -> Result<(usize, ServerConnection), Report> {
        // One that cannot be reached at present is no reason to wait while there are others.
        let now = Instant::now();
        let mut pools = pools;
        pools.sort_by_key(|&pool| self.pools.borrow()[pool].shared.is_down(now));
        let mut failure = None;
        for pool in pools {
            let acquired = match &own {
                Some(base) => Rc::clone(&self).acquire_own(pool, Arc::clone(base)).await,
                None => Rc::clone(&self).acquire(pool).await,
            };
            match acquired {
                Ok(connection) => return Ok((pool, connection)),
                Err(report) => failure = failure.or(Some(report)),
            }
        }
        Err(failure.unwrap_or_else(|| {
            Report::error(SqlState::new("08001"), "no replica to read from")
                .detail("The preference for reads is replica, and the shard has none.")
                .hint("Set preference = \"replica_preferred\", or add a replica.")
        }))
    }

    /// A connection comes back clean.
    pub fn put_back(&self, pool: usize, mut connection: ServerConnection) {
        let mut pools = self.pools.borrow_mut();
        let pool = &mut pools[pool];
        if pool.shared.is_stale(connection.state.opened) {
            drop(connection);
            pool.shared.closed();
            return;
        }
        connection.idle_since = Instant::now();
        pool.idle.push(connection);
        pool.shared.note_idle(self.id, pool.idle.len());
        // After the count is known: whoever begins to wait now either sees it or is seen here.
        while pool.shared.has_waiters()
            && let Some(connection) = pool.idle.pop()
        {
            pool.shared.note_idle(self.id, pool.idle.len());
            if let Some(returned) = pool.shared.hand_over(connection) {
                pool.idle.push(returned);
                pool.shared.note_idle(self.id, pool.idle.len());
                break;
            }
        }
    }

    /// A connection comes back in whatever state it is: it is cleaned or closed before anybody else gets it.
    pub fn put_back_unclean(self: &Rc<Self>, pool: usize, mut connection: ServerConnection) {
        if connection.state.doubtful {
            drop(connection);
            self.server_pool(pool).closed();
            return;
        }
        let worker = Rc::clone(self);
        spawn_local(async move {
            let cleaned = tokio::time::timeout(CLEANING, async {
                let ServerConnection { socket, state, .. } = &mut connection;
                if state.status != b'I' {
                    converse(socket, state, "ROLLBACK").await?;
                }
                converse(socket, state, "DISCARD ALL").await
            })
            .await;
            let clean = matches!(cleaned, Ok(Ok(()))) && connection.state.status == b'I';
            if !clean {
                drop(connection);
                worker.server_pool(pool).closed();
                return;
            }
            connection.state.dirty = false;
            connection.state.settings = Arc::default();
            connection.state.prepared.clear();
            worker.put_back(pool, connection);
        });
    }

    /// What a client with these startup settings is told about the server.
    pub async fn greeting(
        self: &Rc<Self>,
        access: &Access,
        settings: &Arc<SettingSet>,
    ) -> Result<Greeting, Report> {
        if let Some(known) = access.greetings.borrow().get(&**settings) {
            return Ok(known.clone());
        }
        let catalog = &access.environment.catalog;
        self.shared
            .refresh_catalog(catalog, &access.database)
            .await?;
        let pool = access.shards[0].primary;
        let own = access.environment.is_transparent();
        let mut connection = if own {
            let base = Arc::clone(settings);
            Rc::clone(self).acquire_own(pool, base).await?
        } else {
            Rc::clone(self).acquire(pool).await?
        };
        if !own && access.environment.search_path.get().is_none() {
            match search_path(&mut connection, &self.server_pool(pool).address.user).await {
                Ok(path) => {
                    let _ = access.environment.search_path.set(path);
                }
                Err(error) => {
                    drop(connection);
                    self.server_pool(pool).closed();
                    return Err(Report::fatal(
                        SqlState::new("08006"),
                        format!("cannot ask the server for its search_path: {error}"),
                    ));
                }
            }
        }
        let difference = connection.state.settings.difference(settings);
        if !difference.is_empty() {
            let ServerConnection { socket, state, .. } = &mut connection;
            if let Err(error) = converse(socket, state, &difference).await {
                drop(connection);
                self.server_pool(pool).closed();
                return Err(match error {
                    crate::server::converse::ConverseError::Refused(state, message) => {
                        Report::fatal(state, message)
                    }
                    error => Report::fatal(SqlState::new("08006"), error.to_string()),
                });
            }
            connection.state.settings = Arc::clone(settings);
        }
        let greeting = Greeting {
            parameters: connection.state.parameters.clone(),
            notices: connection.state.notices.split().freeze(),
        };
        self.put_back(pool, connection);
        let mut greetings = access.greetings.borrow_mut();
        if greetings.len() >= STARTUPS {
            greetings.clear();
        }
        greetings.insert((**settings).clone(), greeting.clone());
        Ok(greeting)
    }

    /// Reads letters until the end.
    pub async fn read_letters(self: Rc<Self>, mut letters: UnboundedReceiver<Letter>) {
        while let Some(letter) = letters.recv().await {
            match letter {
                Letter::Yield(shared) => self.give_away(&shared),
                Letter::Cancel {
                    client,
                    secret,
                    told,
                } => {
                    let entry = self.clients.borrow().get(client).cloned().flatten();
                    if let Some(entry) = entry
                        && subtle::ConstantTimeEq::ct_eq(&entry.secret.get()[..], &secret[..])
                            .into()
                    {
                        entry.cancel.set(true);
                        let mut cancellers = entry.cancellers.borrow_mut();
                        if cancellers.len() < MOST_CANCELLERS {
                            cancellers.push(told);
                        }
                        drop(cancellers);
                        wake(&entry);
                    }
                }
                Letter::Accepted(socket) => crate::listener::welcome(&self, socket),
                Letter::Wake => {
                    let clients = self.clients.borrow().clone();
                    for entry in clients.iter().flatten() {
                        wake(entry);
                    }
                }
                Letter::Look(look) => {
                    spawn_local(Rc::clone(&self).answer(look));
                }
                Letter::Tidy(done) => {
                    self.tidy();
                    // Whoever asked may have left.
                    let _ = done.send(());
                }
                Letter::Kill(database, done) => {
                    self.kill(database.as_deref());
                    self.tidy();
                    let _ = done.send(());
                }
                Letter::Reloaded(done) => {
                    self.access.borrow_mut().clear();
                    self.generation.set(self.shared.settings().generation);
                    self.tidy();
                    let clients = self.clients.borrow().clone();
                    for entry in clients.iter().flatten() {
                        wake(entry);
                    }
                    let _ = done.send(());
                }
            }
        }
    }

    /// Closes idle connections that are stale.
    fn tidy(&self) {
        for pool in self.pools.borrow_mut().iter_mut() {
            let shared = Arc::clone(&pool.shared);
            pool.idle.retain(|connection| {
                let stale = shared.is_stale(connection.state.opened);
                if stale {
                    shared.closed();
                }
                !stale
            });
            pool.shared.note_idle(self.id, pool.idle.len());
        }
    }

    fn kill(&self, database: Option<&str>) {
        let clients = self.clients.borrow().clone();
        for entry in clients.iter().flatten() {
            let meant = match &*entry.about.borrow() {
                Some(About {
                    access: Some(access),
                    ..
                }) => database.is_none_or(|name| access.database == name),
                _ => false,
            };
            if meant {
                entry.killed.set(true);
                wake(entry);
            }
        }
    }

    /// Answers somebody who wants to know what this worker is doing.
    async fn answer(self: Rc<Self>, look: Look) {
        let clients: Vec<(usize, Rc<Entry>)> = self
            .clients
            .borrow()
            .iter()
            .enumerate()
            .filter_map(|(at, entry)| Some((at, Rc::clone(entry.as_ref()?))))
            .collect();
        if look.details {
            for (_, entry) in &clients {
                entry.asked.set(true);
                wake(entry);
            }
            // Those that were woken are polled before this task is again.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        }
        let (now, wall) = (Instant::now(), SystemTime::now());
        let mut snapshot = Snapshot {
            worker: self.id,
            ..Snapshot::default()
        };
        let ago = |at: Instant| wall.checked_sub(now - at).unwrap_or(wall);
        for (at, entry) in clients {
            entry.asked.set(false);
            let details = entry.details.borrow_mut().take();
            let about = entry.about.borrow();
            let Some(about) = &*about else {
                snapshot.logging_in += 1;
                continue;
            };
            let (database, user, role) = match (&about.access, &about.console) {
                (Some(access), _) => (&access.database, &access.user, access.role.as_str()),
                (None, Some(console)) => (&console.0, &console.1, ""),
                (None, None) => continue,
            };
            let (doing, since) = entry.doing.get().unwrap_or((Doing::Idle, about.connected));
            snapshot.clients.push(ClientRow {
                id: crate::cancel::process_id(self.id, at),
                database: database.clone(),
                user: user.clone(),
                role: role.to_owned(),
                console: about.access.is_none(),
                doing,
                since,
                connected: ago(about.connected),
                requested: ago(since),
                details,
            });
        }
        if look.details {
            for pool in self.pools.borrow().iter() {
                snapshot
                    .idle
                    .extend(pool.idle.iter().map(|connection| ServerRow {
                        idle_since: Some(connection.idle_since),
                        ..server_row(&pool.shared, &connection.socket, &connection.state)
                    }));
            }
        }
        let stats = self.stats.borrow();
        snapshot.databases = stats
            .iter()
            .map(|(name, database)| (name.clone(), database.copy()))
            .collect();
        let numbers = self.planning.borrow().planner.numbers();
        snapshot.plans = PlanNumbers {
            entries: numbers.entries,
            bytes: numbers.bytes,
            limit: crate::session::PLAN_CACHE,
            hits: numbers.hits,
            misses: numbers.misses,
        };
        // Whoever asked may have left.
        let _ = look.reply.send(snapshot);
    }

    fn give_away(&self, shared: &Arc<ServerPool>) {
        let idle = {
            let mut pools = self.pools.borrow_mut();
            let pool = pools
                .iter_mut()
                .find(|pool| Arc::ptr_eq(&pool.shared, shared));
            pool.and_then(|pool| {
                let connection = pool.idle.pop();
                pool.shared.note_idle(self.id, pool.idle.len());
                connection
            })
        };
        match idle {
            None => shared.nothing_to_yield(),
            Some(connection) => {
                if let Some(connection) = shared.hand_over(connection) {
                    let at = self.local_pool(Arc::clone(shared));
                    self.put_back(at, connection);
                }
            }
        }
    }

    /// Looks at deadlines, and closes what has been idle or open for too long.
    pub async fn tick(self: Rc<Self>) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut period_ends = Instant::now() + stats::STATS_PERIOD;
        let mut look_at_catalogs = Instant::now() + CATALOG_LOOK;
        loop {
            interval.tick().await;
            let now = Instant::now();
            if self.id == 0 && now >= look_at_catalogs {
                look_at_catalogs = now + CATALOG_LOOK;
                self.shared.reread_old_catalogs();
            }
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
                            Err(report) => {
                                tracing::warn!(error = %report.message, "cannot keep min_size");
                            }
                        }
                    });
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
                    if old || unused || too_many > 0 || !connection.socket.is_quiet() {
                        spare = spare.saturating_sub(1);
                        too_many = too_many.saturating_sub(1);
                        shared.closed();
                        return false;
                    }
                    true
                });
                if pool.idle.len() != before {
                    pool.shared.note_idle(self.id, pool.idle.len());
                }
            }
        }
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }
}

/// The `search_path` of a session that has set none: the server's, the database's or the role's own.
/// `"$user"` in it is the role's name, by which the planner can look.
async fn search_path(
    connection: &mut ServerConnection,
    role: &str,
) -> Result<Vec<String>, crate::catalog::AskError> {
    const RESET: &str = "SELECT reset_val FROM pg_catalog.pg_settings \
                         WHERE name OPERATOR(pg_catalog.=) 'search_path'";
    connection.state.prepared.unnamed = None;
    let asking = ask(&mut connection.socket, &mut bytes::BytesMut::new(), RESET).await?;
    let list = asking.first().and_then(|row| row.first());
    let names = crate::session::settings::names(list.map_or("", String::as_str));
    Ok(names
        .into_iter()
        .map(|name| {
            if name == "$user" {
                role.to_owned()
            } else {
                name
            }
        })
        .collect())
}

/// What there is to say about a connection, whoever holds it.
pub(crate) fn server_row(
    pool: &Arc<ServerPool>,
    socket: &crate::tls::Socket,
    state: &crate::server::state::ServerState,
) -> ServerRow {
    ServerRow {
        id: state.id,
        pool: Arc::clone(pool),
        process: state.process,
        client: None,
        application: String::new(),
        opened: state.opened,
        idle_since: None,
        peer: socket.raw().peer(),
        local: socket.raw().local(),
        tls: socket.tls().map(crate::tls::EncryptedSocket::describe),
        prepared: state.prepared.len(),
    }
}

fn wake(entry: &Entry) {
    if let Some(waker) = &*entry.waker.borrow() {
        waker.wake_by_ref();
    }
}
