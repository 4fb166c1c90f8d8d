//! Server connections, shared by the clients of a worker first and by all workers then.
//!
//! A worker's idle connections lie in a plain `Vec` that only it touches. What
//! workers share (how many connections there are, who waits) is looked at only
//! when that `Vec` is empty, and on a return only when a counter says that
//! somebody waits. Waiters are served in order of arrival, whoever they are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use router_core::sqlstate::SqlState;
use tokio::sync::oneshot;

use crate::server::connect::{self, Target};
use crate::server::state::{Parameters, ServerState};
use crate::session::settings::SettingSet;
use crate::settings::{PoolSettings, ServerAddress};
use crate::tls::{RawSocket, ServerFacingTls, Socket};
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

/// All connections to one server as one role, over all workers.
#[derive(Debug)]
pub struct ServerPool {
    /// How errors call the server.
    pub label: String,
    /// Where it is.
    pub address: ServerAddress,
    /// How to encrypt.
    pub tls: ServerFacingTls,
    /// Limits and timeouts.
    pub settings: PoolSettings,
    /// How many wait; looked at on every return.
    waiting: AtomicUsize,
    /// Idle connections of each worker.
    idle: Box<[AtomicUsize]>,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Connections open or being opened.
    total: usize,
    waiters: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    grant: oneshot::Sender<Grant>,
}

/// What a waiter gets.
#[derive(Debug)]
pub enum Grant {
    /// A connection, taken off its worker's reactor.
    Connection(Box<Detached>),
    /// The right to open one.
    Slot,
}

/// A connection between two workers.
#[derive(Debug)]
pub struct Detached {
    socket: DetachedSocket,
    state: Box<ServerState>,
}

#[derive(Debug)]
enum DetachedSocket {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl ServerConnection {
    /// Takes it off this worker's reactor. `None`: closed, since it cannot be moved (TLS).
    fn detach(self) -> Option<Detached> {
        let socket = match self.socket {
            Socket::Plain(RawSocket::Tcp(socket)) => DetachedSocket::Tcp(socket.into_std().ok()?),
            Socket::Plain(RawSocket::Unix(socket)) => DetachedSocket::Unix(socket.into_std().ok()?),
            Socket::Tls(_) => return None,
        };
        Some(Detached {
            socket,
            state: self.state,
        })
    }
}

impl Detached {
    /// Puts it on this worker's reactor.
    fn attach(self) -> std::io::Result<ServerConnection> {
        let socket = match self.socket {
            DetachedSocket::Tcp(socket) => tokio::net::TcpStream::from_std(socket)?.into(),
            DetachedSocket::Unix(socket) => tokio::net::UnixStream::from_std(socket)?.into(),
        };
        Ok(ServerConnection {
            socket,
            state: self.state,
            idle_since: Instant::now(),
        })
    }
}

/// How a wait goes on.
enum Turn<'a> {
    Open,
    Wait(Granted<'a>),
}

/// A waiter's end. A grant that comes too late is not lost: its slot is free again.
struct Granted<'a> {
    pool: &'a ServerPool,
    receiver: oneshot::Receiver<Grant>,
}

impl Drop for Granted<'_> {
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
    ) -> Self {
        Self {
            label,
            address,
            tls,
            settings,
            waiting: AtomicUsize::new(0),
            idle: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            shared: Mutex::default(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connections open or being opened.
    pub fn total(&self) -> usize {
        self.shared().total
    }

    /// Whether anybody waits.
    pub fn has_waiters(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// A worker's number of idle connections has changed.
    pub fn note_idle(&self, worker: usize, count: usize) {
        self.idle[worker].store(count, Ordering::SeqCst);
    }

    /// Gets a connection: one that comes back, one of another worker (`ask` tells that worker), or a new one.
    pub async fn acquire(
        &self,
        worker: usize,
        ask: impl Fn(usize),
        base: Option<&Arc<SettingSet>>,
    ) -> Result<ServerConnection, Report> {
        let turn = {
            let mut shared = self.shared();
            let free = shared.total < self.settings.max_size && shared.waiters.is_empty();
            if free && self.idle_anywhere(worker).is_none() {
                shared.total += 1;
                Turn::Open
            } else {
                let (grant, granted) = oneshot::channel();
                shared.waiters.push_back(Waiter { grant });
                self.waiting.store(shared.waiters.len(), Ordering::SeqCst);
                drop(shared);
                // After the store: a connection that comes back now either sees the waiter or is seen here.
                if let Some(holder) = self.idle_anywhere(worker) {
                    ask(holder);
                }
                Turn::Wait(Granted {
                    pool: self,
                    receiver: granted,
                })
            }
        };
        let mut granted = match turn {
            Turn::Open => return self.open(base).await,
            Turn::Wait(granted) => granted,
        };
        let limit = self.settings.acquire_timeout;
        let grant = if limit.is_zero() {
            (&mut granted.receiver).await.ok()
        } else {
            match tokio::time::timeout(limit, &mut granted.receiver).await {
                Ok(grant) => grant.ok(),
                Err(_) => return Err(self.too_busy()),
            }
        };
        match grant {
            Some(Grant::Connection(detached)) => match detached.attach() {
                Ok(connection) if base.is_none_or(|base| connection.state.base == *base) => {
                    Ok(connection)
                }
                _ => self.open(base).await,
            },
            Some(Grant::Slot) => self.open(base).await,
            None => Err(self.too_busy()),
        }
    }

    /// A worker with idle connections; preferably another one than `worker`, which has looked for itself.
    fn idle_anywhere(&self, worker: usize) -> Option<usize> {
        let count = self.idle.len();
        (1..=count)
            .map(|step| (worker + step) % count)
            .find(|other| self.idle[*other].load(Ordering::SeqCst) > 0)
    }

    fn too_busy(&self) -> Report {
        Report::error(
            SqlState::new("53300"),
            format!("no connection to {} became free in time", self.label),
        )
        .detail(format!(
            "All {} connections of the pool were in use for {:?}.",
            self.settings.max_size, self.settings.acquire_timeout
        ))
        .hint("Raise max_size or acquire_timeout, or keep transactions shorter.")
    }

    /// Opens a connection for a slot that is already counted.
    async fn open(&self, base: Option<&Arc<SettingSet>>) -> Result<ServerConnection, Report> {
        let slot = CountedSlot { pool: Some(self) };
        let texts: Vec<_> = base.iter().flat_map(|base| base.startup_texts()).collect();
        let startup: Vec<_> = texts.iter().map(|(n, v)| (*n, v.as_ref())).collect();
        let target = Target {
            label: &self.label,
            address: &self.address,
            tls: &self.tls,
            parameters: &startup,
        };
        let limit = self.settings.connect_timeout;
        let connecting = connect::connect(&target);
        let connected = if limit.is_zero() {
            connecting.await
        } else {
            match tokio::time::timeout(limit, connecting).await {
                Ok(connected) => connected,
                Err(_) => {
                    return Err(Report::error(
                        SqlState::new("08001"),
                        format!(
                            "cannot connect to {} {}: no answer within {limit:?}",
                            self.label,
                            connect::place(&self.address)
                        ),
                    ));
                }
            }
        };
        let connected = connected.map_err(|error| {
            let refusal = error.refusal().filter(|_| base.is_some());
            let own = refusal.and_then(|refusal| {
                let state: [u8; 5] = refusal.sqlstate().as_bytes().try_into().ok()?;
                // The client's own settings are at fault: it is told in the server's words.
                matches!(&state[..2], b"22" | b"42")
                    .then(|| Report::fatal(SqlState(state), refusal.message().into_owned()))
            });
            own.unwrap_or_else(|| Report {
                severity: crate::wire::encode::Severity::Error,
                ..error.report()
            })
        })?;
        let mut parameters = Parameters::default();
        for (name, value) in &connected.parameters {
            parameters.set(name, value);
        }
        slot.keep();
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

    /// A connection comes back while somebody waits. Given back when nobody does any more.
    pub fn hand_over(&self, connection: ServerConnection) -> Option<ServerConnection> {
        let mut shared = self.shared();
        let Some(waiter) = self.next_waiter(&mut shared) else {
            return Some(connection);
        };
        drop(shared);
        match connection.detach() {
            None => self.grant_slot(waiter),
            Some(detached) => {
                if let Err(Grant::Connection(detached)) =
                    waiter.grant.send(Grant::Connection(Box::new(detached)))
                {
                    return match detached.attach() {
                        Ok(connection) => self.hand_over(connection),
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

    fn next_waiter(&self, shared: &mut Shared) -> Option<Waiter> {
        let waiter = loop {
            match shared.waiters.pop_front() {
                Some(waiter) if waiter.grant.is_closed() => {}
                other => break other,
            }
        };
        self.waiting.store(shared.waiters.len(), Ordering::SeqCst);
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
        if shared.total < self.settings.max_size
            && let Some(waiter) = self.next_waiter(&mut shared)
        {
            shared.total += 1;
            drop(shared);
            self.grant_slot(waiter);
        }
    }

    /// A connection is closed: its slot goes to the first who waits, or is free.
    pub fn closed(&self) {
        let mut shared = self.shared();
        match self.next_waiter(&mut shared) {
            Some(waiter) => {
                drop(shared);
                self.grant_slot(waiter);
            }
            None => shared.total = shared.total.saturating_sub(1),
        }
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
