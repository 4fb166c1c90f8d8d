//! A worker's share of the server connections: taken, given back, handed on.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use router_core::sqlstate::SqlState;
use smallvec::SmallVec;
use tokio::task::spawn_local;

use super::{Letter, Worker};
use crate::pool::{ServerConnection, ServerPool, Turn};
use crate::server::converse::converse;
use crate::session::settings::SettingSet;
use crate::tls::Socket;
use crate::wire::encode::Report;

/// Longest time that cleaning a connection may take before it is closed instead.
const CLEANING: Duration = Duration::from_secs(5);

/// A pool as one worker sees it.
#[derive(Debug)]
pub struct LocalPool {
    /// What is shared.
    pub shared: Arc<ServerPool>,
    pub(super) idle: Vec<ServerConnection>,
}

impl LocalPool {
    /// An idle connection for a client of this worker, whose reactor knows of its end no later than of what the client
    /// has asked: the kernel is asked only where something has come.
    fn take(&mut self, worker: usize) -> Option<ServerConnection> {
        self.take_if(worker, |socket| !socket.may_be_read() || socket.is_quiet())
    }

    /// An idle connection for whoever has asked, perhaps on another worker: that one may ask for it while this one's
    /// reactor has yet to look.
    fn take_for_others(&mut self, worker: usize) -> Option<ServerConnection> {
        self.take_if(worker, Socket::is_quiet)
    }

    fn take_if(
        &mut self,
        worker: usize,
        mut is_good: impl FnMut(&mut Socket) -> bool,
    ) -> Option<ServerConnection> {
        loop {
            let mut connection = self.idle.pop()?;
            self.shared.note_idle(worker, self.idle.len());
            if self.shared.is_stale(connection.state.opened) {
                drop(connection);
                self.shared.closed();
            // An idle server has nothing to say: if it has, it is on its way out.
            } else if is_good(&mut connection.socket) {
                return Some(connection);
            } else {
                drop(connection);
                self.shared.closed_for_news();
            }
        }
    }
}

impl Worker {
    pub(super) fn local_pool(&self, shared: Arc<ServerPool>) -> usize {
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
        pool.take(self.id)
    }

    /// A place in the queue of a pool that has no idle connection here, or the right to open one.
    pub fn queue(&self, pool: usize, now: Instant) -> Turn {
        let shared = self.server_pool(pool);
        shared.queue(self.id, |other| self.ask(other, &shared), now)
    }

    /// Asks another worker for an idle connection.
    fn ask(&self, other: usize, shared: &Arc<ServerPool>) {
        // A worker that is gone has none.
        let _ = self.shared.letters[other].send(Letter::Yield(Arc::clone(shared)));
    }

    /// A connection, however it can be had.
    pub async fn acquire(self: Rc<Self>, pool: usize) -> Result<ServerConnection, Report> {
        if let Some(connection) = self.take_idle(pool) {
            return Ok(connection);
        }
        let shared = self.server_pool(pool);
        let ask = |other| self.ask(other, &shared);
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
                shared.closed_for_news();
            }
        }
        let ask = |other| self.ask(other, &shared);
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
                .detail("The preference for reads is replica, and no replica is up to date enough: within max_lag, and with all that the session has written.")
                .hint("Read again a little later, or set preference = \"replica-preferred\".")
        }))
    }

    /// A connection comes back clean.
    pub fn put_back(&self, pool: usize, connection: ServerConnection) {
        let mut pools = self.pools.borrow_mut();
        let pool = &mut pools[pool];
        if pool.shared.is_stale(connection.state.opened) {
            drop(connection);
            pool.shared.closed();
            return;
        }
        let mut connection = Some(connection);
        loop {
            while pool.shared.has_waiters()
                && let Some(free) = connection.take().or_else(|| pool.take_for_others(self.id))
            {
                connection = pool.shared.hand_over(self.id, free);
            }
            let Some(unwanted) = connection.take() else {
                return;
            };
            pool.idle.push(unwanted);
            // After the count is known whoever waits is looked for once more: who begins to wait now either sees the
            // connection or is seen here.
            pool.shared.note_idle(self.id, pool.idle.len());
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
            connection.state.sequences = false;
            connection.state.settings = Arc::default();
            connection.state.prepared.clear();
            connection.idle_since = Instant::now();
            worker.put_back(pool, connection);
        });
    }

    pub(super) fn give_away(&self, shared: &Arc<ServerPool>) {
        let idle = {
            let mut pools = self.pools.borrow_mut();
            let pool = pools
                .iter_mut()
                .find(|pool| Arc::ptr_eq(&pool.shared, shared));
            pool.and_then(|pool| pool.take_for_others(self.id))
        };
        match idle {
            None => shared.nothing_to_yield(),
            Some(connection) => {
                if let Some(connection) = shared.hand_over(self.id, connection) {
                    let at = self.local_pool(Arc::clone(shared));
                    self.put_back(at, connection);
                }
            }
        }
    }
}
