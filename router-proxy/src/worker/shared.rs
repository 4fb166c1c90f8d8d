//! What all workers share, and what one tells another.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use router_core::id::ShardId;
use router_core::plan::Touches;
use router_core::plan::second::SecondReader;
use router_core::sqlstate::SqlState;
use router_core::topology::Topology;
use smallvec::SmallVec;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use super::servers::Servers;
use crate::auth::limits::Failures;
use crate::catalog::SharedCatalog;
use crate::freshness::{self, Freshness};
use crate::gate::Gate;
use crate::live::Live;
use crate::numbers::Numbers;
use crate::pool::{PoolKey, ServerPool};
use crate::server::health::{Seldom, role_of};
use crate::settings::{Database, PoolSettings, Secret, ServerAddress, User};
use crate::snapshot::{Look, PoolRow};
use crate::tls::{ServerFacingTls, StdSocket, TlsError};
use crate::twophase::TwoPhase;
use crate::wire::encode::Report;

/// A catalog that is older is read again: views and functions may have been made on the servers, without the proxy.
const CATALOG_AGE: Duration = Duration::from_secs(60);

/// Failures to log in that an address may have at once; from then on one per [`FAILURE_INTERVAL`].
const FAILURE_BURST: u32 = 5;

/// See [`FAILURE_BURST`].
const FAILURE_INTERVAL: Duration = Duration::from_secs(1);

/// Addresses whose failures are remembered.
const FAILURE_ADDRESSES: usize = 10_000;

/// Clients by the number of a server process.
type Processes = HashMap<i32, SmallVec<[(usize, usize); 1]>>;

fn cannot_read_again(database: &str, catalog: &SharedCatalog, report: &Report) {
    if catalog.tells_of_failure() {
        let why = report.detail.as_deref().unwrap_or(&report.message);
        tracing::warn!(
            database,
            error = why,
            "cannot read the system catalog again: plans go by what was read before"
        );
    }
}

/// What all workers share.
#[derive(Debug)]
pub struct Shared {
    /// Settings in force, and what is made from them.
    pub live: ArcSwap<Live>,
    /// Where numbers of `shunt.next_id()` come from.
    pub numbers: Arc<Numbers>,
    /// Number of workers.
    pub workers: usize,
    /// Client connections at this time.
    pub clients: AtomicUsize,
    /// Another process has taken the listening sockets over: no new clients.
    pub handed_over: AtomicBool,
    /// How many take new connections: workers, and the HTTP endpoint.
    accepting: AtomicUsize,
    /// Whoever waits for that.
    pub(crate) handover: tokio::sync::Notify,
    /// The process that served before.
    pub(crate) elder: crate::handover::take::Elder,
    /// Of each worker, how many clients of databases with several shards have waited for long.
    waiting: Vec<AtomicUsize>,
    /// Of each worker, with those on their way to it.
    placed: Vec<AtomicUsize>,
    /// No new clients; those that are idle leave.
    pub draining: AtomicBool,
    /// Everybody leaves.
    pub stopping: AtomicBool,
    /// Clients that had not left by the end of the drain.
    pub(crate) cut_off: AtomicUsize,
    /// Each worker's letter box.
    pub letters: Vec<UnboundedSender<Letter>>,
    /// Each worker's counters.
    pub counters: Vec<Counters>,
    /// Who has failed to log in, and how often: looked at once per login.
    failures: Mutex<Failures>,
    /// Each database's catalog.
    catalogs: Mutex<HashMap<String, Arc<SharedCatalog>>>,
    /// How far each database's replicas are.
    freshness: Mutex<HashMap<String, Arc<Freshness>>>,
    /// What each database's sessions share about transactions over several shards.
    two_phases: Mutex<HashMap<String, Arc<TwoPhase>>>,
    /// Reads statements beside the planners' own parser.
    pub(crate) second_reader: OnceLock<Arc<dyn SecondReader>>,
    /// Somebody on the console asked for the end.
    pub shutdown: tokio::sync::Notify,
    /// When the proxy was bound.
    pub started: Instant,
    /// Where `RELOAD` on the console reads settings.
    pub(crate) source: crate::reload::SourceSlot,
    /// Held by the reload under way.
    pub(crate) reloading: tokio::sync::Mutex<()>,
    pools: Mutex<HashMap<PoolKey, Arc<ServerPool>>>,
    /// Clients that were refused because a server cannot be connected to.
    pub(crate) serverless: Seldom,
    /// What is known of each server.
    pub(crate) servers: Servers,
    /// The clients, by worker and place, whose cancel keys have these numbers of server processes. Several servers have the
    /// same numbers. Looked at when a client comes, goes or cancels.
    processes: Mutex<Processes>,
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
    /// This client has waited since then for another that waits for it, and gives way.
    Deadlock {
        /// Its slot.
        client: usize,
        /// Since when; if it is at something else by now, it has been let through.
        since: Instant,
    },
    /// A client's connection, accepted elsewhere.
    Accepted(StdSocket),
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

impl Shared {
    /// From what is in force at first; `letters` are the workers' letter boxes.
    pub fn new(live: Live, letters: Vec<UnboundedSender<Letter>>, turn: bool) -> Self {
        Self {
            live: ArcSwap::from_pointee(live),
            numbers: Arc::new(Numbers::new(turn)),
            catalogs: Mutex::default(),
            freshness: Mutex::default(),
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
            handed_over: AtomicBool::new(false),
            accepting: AtomicUsize::new(letters.len()),
            handover: tokio::sync::Notify::new(),
            elder: Default::default(),
            waiting: letters.iter().map(|_| AtomicUsize::new(0)).collect(),
            placed: letters.iter().map(|_| AtomicUsize::new(0)).collect(),
            draining: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            counters: letters.iter().map(|_| Counters::default()).collect(),
            letters,
            second_reader: OnceLock::new(),
            pools: Mutex::default(),
            serverless: Seldom::default(),
            servers: Servers::default(),
            cut_off: AtomicUsize::new(0),
            processes: Mutex::default(),
        }
    }

    /// Another process serves from now on.
    pub(crate) fn hand_over(&self) {
        self.handed_over.store(true, Ordering::SeqCst);
        self.handover.notify_one();
    }

    /// One more takes new connections, beside the workers.
    pub(crate) fn note_accepting(&self) {
        self.accepting.fetch_add(1, Ordering::AcqRel);
    }

    /// One of them takes none any more.
    pub(crate) fn note_stopped(&self) {
        self.accepting.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether a new connection may still be taken: each worker stops when it hears of it.
    pub(crate) fn accepts(&self) -> bool {
        self.accepting.load(Ordering::Acquire) > 0
    }

    /// Whether no more clients are to be accepted.
    pub(crate) fn has_stopped_accepting(&self) -> bool {
        self.handed_over.load(Ordering::SeqCst) || self.draining.load(Ordering::SeqCst)
    }

    /// Carries a cancel request out; it returns when all is done, also when nothing is to be done.
    pub(crate) async fn cancel(&self, process: i32, secret: [u8; 4]) {
        // Of all that the number may mean, the secret tells which it is.
        let mut meant = self.processes().get(&process).cloned().unwrap_or_default();
        meant.push(crate::cancel::place(process));
        let mut done = SmallVec::<[_; 2]>::new();
        for (worker, client) in meant {
            let Some(letters) = self.letters.get(worker) else {
                continue;
            };
            let (told, answer) = oneshot::channel();
            let letter = Letter::Cancel {
                client,
                secret,
                told,
            };
            if letters.send(letter).is_ok() {
                done.push(answer);
            }
        }
        for answer in done {
            // Dropped by whoever has carried it out, or has nothing to carry out.
            let _ = answer.await;
        }
    }

    /// A client has a server process for itself, and its number in the cancel key.
    pub(crate) fn note_process(&self, process: i32, worker: usize, place: usize) {
        let mut processes = self.processes();
        processes.entry(process).or_default().push((worker, place));
    }

    /// That client is gone.
    pub(crate) fn forget_process(&self, process: i32, worker: usize, place: usize) {
        let mut processes = self.processes();
        if let Some(clients) = processes.get_mut(&process) {
            clients.retain(|client| *client != (worker, place));
            if clients.is_empty() {
                processes.remove(&process);
            }
        }
    }

    fn processes(&self) -> MutexGuard<'_, Processes> {
        let processes = self.processes.lock();
        processes.unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker for a client that `own` has accepted: that one, unless another has fewer. The kernel
    /// spreads connections by a hash, and with few of them one worker would have much more to do.
    pub(crate) fn place_client(&self, own: usize) -> usize {
        let clients = |worker: usize| self.placed[worker].load(Ordering::Relaxed);
        let least = (0..self.workers).min_by_key(|&worker| clients(worker));
        let to = least
            .filter(|&least| clients(least) < clients(own))
            .unwrap_or(own);
        self.placed[to].fetch_add(1, Ordering::Relaxed);
        to
    }

    /// So many clients of a worker have waited for long.
    pub(super) fn note_waiting(&self, worker: usize, clients: usize) {
        self.waiting[worker].store(clients, Ordering::Relaxed);
    }

    /// How many have, over all workers.
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.waiting.iter();
        waiting.map(|clients| clients.load(Ordering::Relaxed)).sum()
    }

    /// A client that was placed on this worker is gone.
    pub(crate) fn client_gone(&self, worker: usize) {
        self.placed[worker].fetch_sub(1, Ordering::Relaxed);
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

    /// Reads a database's catalog if it is out of date; `additions`: or lacks functions that leave nothing.
    pub async fn refresh_catalog(
        &self,
        catalog: &SharedCatalog,
        database: &str,
        user: &str,
        additions: bool,
    ) -> Result<(), Report> {
        if !additions && !catalog.is_stale() {
            return Ok(());
        }
        let live = self.live.load_full();
        let mut databases = live.settings.databases.iter();
        match databases.find(|known| known.topology.database == database) {
            Some(known) => {
                let user = live.settings.users.iter().find(|known| known.name == user);
                catalog.refresh(known, user, additions).await?;
            }
            None => return Err(unknown(database)),
        }
        self.renew_surprised(catalog, database);
        Ok(())
    }

    /// Closes the connections, as they become free, on which statements may have left more than was known of them.
    fn renew_surprised(&self, catalog: &SharedCatalog, database: &str) {
        if catalog.take_surprise() {
            for pool in self.pools_of(Some(database)) {
                pool.make_stale();
            }
            for letters in &self.letters {
                // Nobody waits for the answer; a worker that is gone has no connection left.
                let _ = letters.send(Letter::Tidy(oneshot::channel().0));
            }
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
            Some(known) => catalog.reread(known, since).await?,
            None => return Err(unknown(database)),
        }
        self.renew_surprised(catalog, database);
        Ok(())
    }

    /// Begins to read the catalogs that were read longest ago. The tick of one worker asks for it.
    pub(super) fn reread_old_catalogs(self: &Arc<Self>) {
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
                    cannot_read_again(&database, &catalog, &report);
                }
            });
        }
    }

    /// Begins to look whether anything was defined behind the proxy, and to read the catalogs then. The tick of one worker asks for it.
    pub(super) fn watch_catalogs(self: &Arc<Self>, now: Instant) {
        let mut dropped = Vec::new();
        let due: Vec<_> = {
            let catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
            let due = catalogs.iter().filter(|(database, catalog)| {
                let names = catalog.take_dropped().into_iter();
                dropped.extend(names.map(|name| (database.to_string(), name)));
                // Whoever has paused it may want to shut its servers down.
                let paused = self.gate(database).is_paused();
                catalog.close_idle(now);
                if paused {
                    catalog.close_watch();
                }
                !paused && catalog.may_be_overtaken(now)
            });
            due.map(|(name, c)| (name.clone(), Arc::clone(c))).collect()
        };
        for (by, name) in dropped {
            self.leave_database(&by, &name);
        }
        for (database, catalog) in due {
            let shared = Arc::clone(self);
            spawn_local(async move {
                let live = shared.live.load_full();
                let mut databases = live.settings.databases.iter();
                let known = databases.find(|known| known.topology.database == database);
                let Some(known) = known else { return };
                if catalog.was_overtaken(known).await {
                    let since = Instant::now();
                    if let Err(report) = shared.reread_catalog(&catalog, &database, since).await {
                        cannot_read_again(&database, &catalog, &report);
                    }
                }
            });
        }
    }

    /// Closes the connections over which catalogs are read and watched, of one database or of all. Whoever reads one just now
    /// closes its connection with the next tick, where the database is paused.
    pub(crate) fn close_catalogs(&self, database: Option<&str>) {
        let catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, catalog) in &*catalogs {
            if database.is_none_or(|database| database == name) {
                catalog.close_watch();
            }
        }
    }

    /// Asks replicas how far they are, where that matters. The tick of one worker asks for it.
    pub(super) fn watch_replicas(self: &Arc<Self>) {
        let live = self.live.load();
        let databases = live.settings.databases.iter();
        let watched = databases.filter(|database| {
            let has_replicas = database
                .shards
                .iter()
                .any(|shard| !shard.replicas.is_empty());
            has_replicas && freshness::rules(&database.reads).look()
        });
        for database in watched {
            let paused = self.gate(&database.topology.database).is_paused();
            let freshness = self.freshness(database);
            spawn_local(async move { freshness.look(paused).await });
        }
    }

    /// How far a database's replicas are; what was known of other servers is forgotten.
    pub(crate) fn freshness(&self, database: &Database) -> Arc<Freshness> {
        let mut all = self
            .freshness
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let name = &database.topology.database;
        match all.get(name).filter(|known| known.is_of(database)) {
            Some(known) => Arc::clone(known),
            None => {
                let new = Arc::new(Freshness::new(database));
                all.insert(name.clone(), Arc::clone(&new));
                new
            }
        }
    }

    /// What the catalogs say is out of date: they are read before anything more is planned.
    pub(crate) fn doubt_catalogs(&self) {
        let catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        catalogs
            .values()
            .for_each(|catalog| catalog.handle_change(&Touches::Anything));
    }

    /// The catalog of a database; one of another topology is not asked any more.
    pub(super) fn catalog(&self, topology: &Topology) -> Arc<SharedCatalog> {
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        let known = catalogs.entry(topology.database.clone());
        Arc::clone(known.or_insert_with(|| Arc::new(SharedCatalog::default())))
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

    /// A reload has taken databases away: nobody asks for their catalogs any more.
    pub(crate) fn forget_databases(&self, kept: &[Database]) {
        let mut catalogs = self.catalogs.lock().unwrap_or_else(PoisonError::into_inner);
        catalogs.retain(|name, _| kept.iter().any(|known| known.topology.database == *name));
        self.servers.forget(kept);
        let mut freshness = self
            .freshness
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        freshness.retain(|name, _| kept.iter().any(|known| known.topology.database == *name));
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

    pub(super) fn pool(
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
            _ => format!("{} of shard \"{name}\"", role_of(server)),
        };
        let database = &known.topology.database;
        let health = self.servers.health(database, name, server, &address);
        let settings = pool_settings(known, user);
        let tls = ServerFacingTls::new(&address)?;
        let workers = self.workers;
        let pool = ServerPool::new(label, address, tls, settings, workers, health);
        let pool = Arc::new(pool);
        pools.insert(key, Arc::clone(&pool));
        Ok(pool)
    }
}

pub(super) fn unknown(database: &str) -> Report {
    Report::fatal(
        SqlState::new("3D000"),
        format!("database \"{database}\" does not exist"),
    )
}

/// Where a server is, and as whom its connections log in for a user.
pub(super) fn address(
    known: &Database,
    shard: ShardId,
    server: usize,
    user: Option<&User>,
) -> ServerAddress {
    let servers = &known.shards[shard.index()];
    let address = match server {
        0 => &servers.primary,
        n => &servers.replicas[n - 1].address,
    };
    address.as_user(user)
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

pub(super) fn pool_settings(known: &Database, user: Option<&User>) -> PoolSettings {
    match user {
        Some(user) => known.pool.with(&user.pool),
        None => known.pool.clone(),
    }
}
