//! Server connections, shared by the clients of a worker first and by all workers then.
//!
//! A worker's idle connections lie in a plain `Vec` that only it touches. What
//! workers share (how many connections there are, who waits) is looked at only
//! when that `Vec` is empty, and on a return only when a counter says that
//! somebody waits. Waiters are served in order of arrival, but for one thing: a
//! connection that comes back goes to a waiter of its own worker, on whose reactor
//! it stays, unless that one came later than the first by more than `AHEAD`.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use router_core::availability::Fault;
use router_core::id::ShardId;
use router_core::sqlstate::SqlState;
use tokio::sync::oneshot;

use crate::server::connect::{self, Target};
use crate::server::health::ServerHealth;
use crate::server::state::{Parameters, ServerState};
use crate::session::settings::SettingSet;
use crate::settings::{PoolMode, PoolSettings, ServerAddress};
use crate::tls::{ServerFacingTls, Socket, StdSocket};
use crate::wire::encode::Report;

/// A connection and what is known about it.
#[derive(Debug)]
pub struct ServerConnection {
    /// The connection.
    pub socket: Socket,
    /// What is known about it.
    pub state: Box<ServerState>,
    /// Since when nobody uses it.
    pub idle_since: Instant,
}

/// Which pool: by names, so that it survives a reload that renumbers databases and shards.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PoolKey {
    /// The database as clients know it.
    pub database: String,
    /// Place of the shard in its topology, for the order.
    pub shard: ShardId,
    /// Its name.
    pub shard_name: String,
    /// 0: the primary; n: the n-th replica.
    pub server: usize,
    /// Role on the server.
    pub role: String,
}

/// All connections to one server as one role, over all workers.
#[derive(Debug)]
pub struct ServerPool {
    /// How errors call the server.
    pub label: String,
    /// Where it is.
    pub address: ServerAddress,
    /// How to encrypt.
    pub tls: ServerFacingTls,
    /// What is known of the server, by all of its pools.
    pub health: Arc<ServerHealth>,
    /// Limits and timeouts; a reload puts others in place.
    settings: ArcSwap<PoolSettings>,
    /// When the pool was made.
    born: Instant,
    /// Connections opened before this many microseconds of the pool's age are closed instead of kept.
    stale: AtomicU64,
    /// Connections being opened, pauses after failures included.
    opening: AtomicUsize,
    /// How many wait; looked at on every return.
    waiting: AtomicUsize,
    /// Idle connections of each worker.
    idle: Box<[AtomicUsize]>,
    /// How often the server may have begun to report something else about itself.
    news: AtomicU64,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Connections open or being opened.
    total: usize,
    /// Who waits, by worker; each queue in order of arrival.
    waiters: Vec<VecDeque<Waiter>>,
    /// Attempts to connect that failed, one after another.
    failures: u32,
    /// No attempt before this.
    not_before: Option<Instant>,
    /// What the server reported to the connection that was opened last.
    reported: Parameters,
}

impl Shared {
    /// A server that turns everybody away is left alone for longer and longer.
    fn note_failure(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        if let Some(step) = self.failures.checked_sub(FREE_FAILURES) {
            let pause = SHORTEST_PAUSE
                .saturating_mul(1 << step.min(10))
                .min(LONGEST_PAUSE);
            self.not_before = Some(now + pause);
        }
    }

    fn note_success(&mut self) {
        self.failures = 0;
        self.not_before = None;
    }
}

/// Failures before there is a pause: a server that restarts is found at once.
const FREE_FAILURES: u32 = 3;

/// The first pause; each is twice the one before.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// No pause is longer, so that a server that is back has work again soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Who came earlier by no more than this may be passed over by a waiter on the connection's own worker.
/// To hand a connection to another worker costs more than a short query: with this, workers do so
/// only as far as one has fewer connections for its clients than another.
const AHEAD: Duration = Duration::from_millis(5);

#[derive(Debug)]
struct Waiter {
    since: Instant,
    grant: oneshot::Sender<Grant>,
}

/// What a waiter gets.
#[derive(Debug)]
enum Grant {
    /// A connection of its own worker.
    Here(ServerConnection),
    /// One of another worker, taken off that one's reactor.
    Connection(Box<Detached>),
    /// The right to open one.
    Slot,
}

/// A connection between two workers.
#[derive(Debug)]
struct Detached {
    socket: Socket<StdSocket>,
    state: Box<ServerState>,
}

impl ServerConnection {
    /// Takes it off this worker's reactor. `None`: it is broken, and closed.
    fn detach(self) -> Option<Detached> {
        Some(Detached {
            socket: self.socket.detach().ok()?,
            state: self.state,
        })
    }
}

impl Detached {
    /// Puts it on this worker's reactor.
    fn attach(self) -> std::io::Result<ServerConnection> {
        Ok(ServerConnection {
            socket: self.socket.attach()?,
            state: self.state,
            idle_since: Instant::now(),
        })
    }
}

/// How somebody comes to a connection.
#[derive(Debug)]
pub enum Turn {
    /// By opening one: its place is counted.
    Open,
    /// By waiting.
    Wait(Granted),
}

/// A place in the queue. A grant that comes too late is not lost: its slot is free again.
#[derive(Debug)]
pub struct Granted {
    pool: Arc<ServerPool>,
    receiver: oneshot::Receiver<Grant>,
}

impl Granted {
    /// Ready when it is this one's turn: with a connection, or with the right to open one.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<ServerConnection>, Report>> {
        let grant = ready!(Pin::new(&mut self.receiver).poll(cx));
        Poll::Ready(match grant {
            Ok(Grant::Here(connection)) => Ok(Some(connection)),
            // One that cannot be put on this reactor is closed, and its place is this one's.
            Ok(Grant::Connection(detached)) => Ok(detached.attach().ok()),
            Ok(Grant::Slot) => Ok(None),
            Err(_) => Err(self.pool.too_busy()),
        })
    }
}

impl Drop for Granted {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(grant) = self.receiver.try_recv() {
            drop(grant);
            self.pool.closed();
        }
    }
}

impl ServerPool {
    /// A pool without connections, for `workers` workers.
    pub fn new(
        label: String,
        address: ServerAddress,
        tls: ServerFacingTls,
        settings: PoolSettings,
        workers: usize,
        health: Arc<ServerHealth>,
    ) -> Self {
        Self {
            label,
            address,
            tls,
            health,
            settings: ArcSwap::from_pointee(settings),
            born: Instant::now(),
            stale: AtomicU64::new(0),
            opening: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            idle: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            news: AtomicU64::new(0),
            shared: Mutex::new(Shared {
                waiters: (0..workers).map(|_| VecDeque::new()).collect(),
                ..Shared::default()
            }),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections open or being opened.
    pub fn total(&self) -> usize {
        self.shared().total
    }

    /// Limits and timeouts in force.
    pub fn settings(&self) -> Arc<PoolSettings> {
        self.settings.load_full()
    }

    /// Other limits and timeouts from now on; whoever waits may profit at once.
    pub fn set_settings(&self, settings: PoolSettings) {
        if **self.settings.load() == settings {
            return;
        }
        self.settings.store(Arc::new(settings));
        loop {
            let mut shared = self.shared();
            if shared.total >= self.settings.load().max_size {
                return;
            }
            let Some((_, waiter)) = self.next_waiter(&mut shared, None) else {
                return;
            };
            shared.total += 1;
            drop(shared);
            self.grant_slot(waiter);
        }
    }

    /// More connections are open than the settings allow: they have become stricter.
    pub fn is_over_full(&self) -> bool {
        self.total() > self.settings.load().max_size
    }

    /// All connections that are open now are closed instead of kept.
    pub fn make_stale(&self) {
        let age = u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
        self.stale.store(age + 1, Ordering::Release);
    }

    /// Nobody will ask for it again: every connection is closed once it is free.
    pub fn retire(&self) {
        self.stale.store(u64::MAX, Ordering::Release);
    }

    /// Whether a connection that was opened then is to be closed instead of kept.
    pub fn is_stale(&self, opened: Instant) -> bool {
        match self.stale.load(Ordering::Acquire) {
            0 => false,
            u64::MAX => true,
            stale => opened.duration_since(self.born).as_micros() < u128::from(stale),
        }
    }

    /// Connections being opened.
    pub fn opening(&self) -> usize {
        self.opening.load(Ordering::Relaxed)
    }

    /// Idle connections of all workers.
    pub fn idle(&self) -> usize {
        self.idle.iter().map(|n| n.load(Ordering::Relaxed)).sum()
    }

    /// Whether whoever wants a connection has to wait for one.
    pub fn is_full(&self) -> bool {
        self.has_waiters() || self.idle() == 0 && self.total() >= self.settings().max_size
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether anybody waits.
    pub fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// A worker's number of idle connections has changed.
    pub fn note_idle(&self, worker: usize, count: usize) {
        self.idle[worker].store(count, Ordering::SeqCst);
    }

    /// A place in the queue for a connection that comes back or that another worker has (`ask`
    /// tells that worker), or the right to open one.
    pub fn queue(self: &Arc<Self>, worker: usize, ask: impl Fn(usize), now: Instant) -> Turn {
        let mut shared = self.shared();
        let free = shared.total < self.settings.load().max_size && !self.has_waiters();
        if free && self.idle_anywhere(worker).is_none() {
            shared.total += 1;
            return Turn::Open;
        }
        let (grant, granted) = oneshot::channel();
        shared.waiters[worker].push_back(Waiter { since: now, grant });
        self.note_waiters(&shared);
        drop(shared);
        // After the store: a connection that comes back now either sees the waiter or is seen here.
        if let Some(holder) = self.idle_anywhere(worker) {
            ask(holder);
        }
        Turn::Wait(Granted {
            pool: Arc::clone(self),
            receiver: granted,
        })
    }

    fn note_waiters(&self, shared: &Shared) {
        let count = shared.waiters.iter().map(VecDeque::len).sum();
        self.waiting.store(count, Ordering::SeqCst);
    }

    /// Gets a connection: one that comes back, one of another worker (`ask` tells that worker), or a new one.
    pub async fn acquire(
        self: &Arc<Self>,
        worker: usize,
        ask: impl Fn(usize),
        base: Option<&Arc<SettingSet>>,
    ) -> Result<ServerConnection, Report> {
        // Boxed: to open one takes far more memory than to wait, and is rare.
        let mut granted = match self.queue(worker, ask, Instant::now()) {
            Turn::Open => return Box::pin(self.open(base)).await,
            Turn::Wait(granted) => granted,
        };
        let limit = self.settings.load().acquire_timeout;
        let granting = poll_fn(|cx| granted.poll(cx));
        let granted = if limit.is_zero() {
            granting.await?
        } else {
            match tokio::time::timeout(limit, granting).await {
                Ok(granted) => granted?,
                Err(_) => return Err(self.too_busy()),
            }
        };
        match granted {
            Some(connection) if base.is_none_or(|base| connection.state.base == *base) => {
                Ok(connection)
            }
            _ => Box::pin(self.open(base)).await,
        }
    }

    /// A worker with idle connections; preferably another one than `worker`, which has looked for itself.
    fn idle_anywhere(&self, worker: usize) -> Option<usize> {
        let count = self.idle.len();
        (1..=count)
            .map(|step| (worker + step) % count)
            .find(|other| self.idle[*other].load(Ordering::SeqCst) > 0)
    }

    /// No connection became free in time.
    pub fn too_busy(&self) -> Report {
        let settings = self.settings.load();
        Report::error(
            SqlState::new("53300"),
            format!("no connection to {} became free in time", self.label),
        )
        .detail(format!(
            "All {} connections of the pool were in use for {:?}.",
            settings.max_size, settings.acquire_timeout
        ))
        .hint("Raise max_size or acquire_timeout, or keep transactions shorter.")
    }

    /// Whether the server is left alone after failures to connect.
    pub fn is_down(&self, now: Instant) -> bool {
        self.shared().not_before.is_some_and(|at| at > now)
    }

    /// In session mode each client has connections with its own startup parameters: none can be there before it.
    /// Otherwise counts one connection more if there are fewer than `min_size`: it is to be opened then.
    pub fn reserve_spare(&self, now: Instant) -> bool {
        if self.settings().min_size == 0 || self.settings().mode == PoolMode::Session {
            return false;
        }
        let mut shared = self.shared();
        let wanted = shared.total < self.settings().min_size.min(self.settings().max_size)
            && shared.not_before.is_none_or(|at| at <= now);
        shared.total += usize::from(wanted);
        wanted
    }

    /// Opens a connection for a slot that is already counted.
    pub async fn open(&self, base: Option<&Arc<SettingSet>>) -> Result<ServerConnection, Report> {
        let slot = CountedSlot { pool: Some(self) };
        self.opening.fetch_add(1, Ordering::Relaxed);
        let _opening = Opening(&self.opening);
        let pause = self.shared().not_before;
        if let Some(pause) = pause.map(|at| at.saturating_duration_since(Instant::now()))
            && !pause.is_zero()
        {
            tokio::time::sleep(pause).await;
        }
        let begun = Instant::now();
        let user = &self.address.user;
        match self.log_in(base).await {
            Ok(connection) => {
                self.shared().note_success();
                self.health.note_success(user);
                slot.keep();
                Ok(connection)
            }
            Err(denied) => {
                // Otherwise the client's own settings are at fault.
                if let Some((fault, problem)) = denied.of_server {
                    self.shared().note_failure(Instant::now());
                    self.health.note_failure(user, begun, fault, &problem);
                }
                Err(denied.report)
            }
        }
    }

    async fn log_in(&self, base: Option<&Arc<SettingSet>>) -> Result<ServerConnection, Denied> {
        let texts: Vec<_> = base.iter().flat_map(|base| base.startup_texts()).collect();
        let startup: Vec<_> = texts.iter().map(|(n, v)| (*n, v.as_ref())).collect();
        let target = Target {
            label: &self.label,
            address: &self.address,
            tls: &self.tls,
            parameters: &startup,
        };
        let limit = self.settings.load().connect_timeout;
        let connecting = connect::connect(&target);
        let connected = if limit.is_zero() {
            connecting.await
        } else {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => {
                    let problem = format!("no answer within {limit:?}");
                    let place = connect::place(&self.address);
                    return Err(Denied {
                        report: Report::error(
                            SqlState::new("08001"),
                            format!("cannot connect to {} {place}: {problem}", self.label),
                        ),
                        of_server: Some((Fault::Server, problem)),
                    });
                }
            }
        };
        let connected = connected.map_err(|error| {
            let own = error.refusal().and_then(|refusal| {
                let state: [u8; 5] = refusal.sqlstate().as_bytes().try_into().ok()?;
                // The client's own settings are at fault: it is told in the server's words.
                is_about_settings(base, &state)
                    .then(|| Report::fatal(SqlState(state), refusal.message().into_owned()))
            });
            match own {
                Some(report) => Denied {
                    report,
                    of_server: None,
                },
                None => Denied {
                    report: Report {
                        severity: crate::wire::encode::Severity::Error,
                        ..error.report()
                    },
                    of_server: Some((error.fault(), error.problem.to_string())),
                },
            }
        })?;
        let mut parameters = Parameters::default();
        for (name, value) in &connected.parameters {
            parameters.set(name, value);
        }
        if base.is_none() {
            self.note_reported(&parameters);
        }
        let now = Instant::now();
        let mut state = Box::new(ServerState::new(
            connected.key.process,
            connected.key.secret.to_vec(),
            parameters,
            now,
        ));
        state.notices = connected.notices;
        if let Some(base) = base {
            state.base = Arc::clone(base);
            state.settings = Arc::clone(base);
        }
        Ok(ServerConnection {
            socket: connected.socket,
            state,
            idle_since: now,
        })
    }

    /// A connection of a worker comes back while somebody waits. Given back when nobody does any more.
    pub fn hand_over(
        &self,
        worker: usize,
        connection: ServerConnection,
    ) -> Option<ServerConnection> {
        let mut shared = self.shared();
        if shared.total > self.settings.load().max_size {
            // The limit has become lower: this one is too many.
            shared.total -= 1;
            return None;
        }
        let Some((at, waiter)) = self.next_waiter(&mut shared, Some(worker)) else {
            return Some(connection);
        };
        drop(shared);
        if at == worker {
            return match waiter.grant.send(Grant::Here(connection)) {
                Err(Grant::Here(connection)) => self.hand_over(worker, connection),
                _ => None,
            };
        }
        match connection.detach() {
            None => self.grant_slot(waiter),
            Some(detached) => {
                if let Err(Grant::Connection(detached)) =
                    waiter.grant.send(Grant::Connection(Box::new(detached)))
                {
                    return match detached.attach() {
                        Ok(connection) => self.hand_over(worker, connection),
                        Err(_) => {
                            self.closed();
                            None
                        }
                    };
                }
            }
        }
        None
    }

    /// Who is next, and on which worker: the first of all, or the first of `worker` if that one came hardly later.
    fn next_waiter(&self, shared: &mut Shared, worker: Option<usize>) -> Option<(usize, Waiter)> {
        for queue in &mut shared.waiters {
            while queue.front().is_some_and(|first| first.grant.is_closed()) {
                queue.pop_front();
            }
        }
        let head = |at: usize| Some((shared.waiters[at].front()?.since, at));
        let first = (0..shared.waiters.len()).filter_map(head).min();
        let own = worker.and_then(head);
        let next = match (first, own) {
            (Some(first), Some(own)) if own.0 <= first.0 + AHEAD => Some(own),
            (first, _) => first,
        };
        let waiter = next.and_then(|(_, at)| Some((at, shared.waiters[at].pop_front()?)));
        self.note_waiters(shared);
        waiter
    }

    fn grant_slot(&self, waiter: Waiter) {
        if waiter.grant.send(Grant::Slot).is_err() {
            self.closed();
        }
    }

    /// A worker that was asked for an idle connection has none: whoever waits may open one, if the limit allows.
    pub fn nothing_to_yield(&self) {
        let mut shared = self.shared();
        if shared.total < self.settings.load().max_size
            && let Some((_, waiter)) = self.next_waiter(&mut shared, None)
        {
            shared.total += 1;
            drop(shared);
            self.grant_slot(waiter);
        }
    }

    /// A number that grows when the server may have begun to report something else about itself, after a reload of its own.
    pub fn news(&self) -> u64 {
        self.news.load(Ordering::Acquire)
    }

    fn note_reported(&self, parameters: &Parameters) {
        let mut shared = self.shared();
        if shared.reported != *parameters {
            shared.reported = parameters.clone();
            self.news.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// An idle connection is closed whose server has said something, or hung up.
    pub fn closed_for_news(&self) {
        self.news.fetch_add(1, Ordering::AcqRel);
        self.closed();
    }

    /// A connection is closed: its slot goes to the first who waits, or is free.
    pub fn closed(&self) {
        let mut shared = self.shared();
        if shared.total > self.settings.load().max_size {
            shared.total -= 1;
            return;
        }
        match self.next_waiter(&mut shared, None) {
            Some((_, waiter)) => {
                drop(shared);
                self.grant_slot(waiter);
            }
            None => shared.total = shared.total.saturating_sub(1),
        }
    }
}

/// Whether a server refuses a connection for the settings in its startup packet: it would take one without them.
fn is_about_settings(base: Option<&Arc<SettingSet>>, state: &[u8; 5]) -> bool {
    base.is_some_and(|base| !base.is_empty())
        && match &state[..2] {
            // Connections, authentication, databases, resources, operators and failures of its own.
            b"08" | b"28" | b"3D" | b"53" | b"57" | b"F0" | b"XX" => false,
            // A database may be closed to all.
            b"55" => state == b"55P02",
            _ => true,
        }
}

/// A connection that did not come about.
struct Denied {
    /// What whoever wanted it is told.
    report: Report,
    /// What is wrong with the server, unless the settings of a client are at fault.
    of_server: Option<(Fault, String)>,
}

/// A connection being opened, or about to be after a pause.
struct Opening<'a>(&'a AtomicUsize);

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A slot that is free again unless a connection took it, also when the opening is given up half-way.
struct CountedSlot<'a> {
    pool: Option<&'a ServerPool>,
}

impl CountedSlot<'_> {
    fn keep(mut self) {
        self.pool = None;
    }
}

impl Drop for CountedSlot<'_> {
    fn drop(&mut self) {
        if let Some(pool) = self.pool {
            pool.closed();
        }
    }
}
