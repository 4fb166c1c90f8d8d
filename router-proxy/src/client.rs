//! One client: its socket, the server connections it holds, and the session machine between them.
//!
//! One task on one worker drives them all by readiness. What waits to be sent
//! is sent first; servers are read while the client takes their answers; the
//! client is read while its servers take its questions. So whoever stops
//! reading stops what is read on its behalf, and every queue stays bounded.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use router_core::sqlstate::SqlState;
use tracing::Instrument as _;

use crate::cancel;
use crate::pool::{Granted, ServerConnection, Turn};
use crate::session::{Fatal, HIGH_WATER, Session};
use crate::snapshot::{ClientDetails, Doing, ServerRow};
use crate::stats::{DatabaseCounts, ShardCounts};
use crate::tls::Socket;
use crate::wire::buffer::{Buffer, PIECE};
use crate::wire::encode::Report;
use crate::worker::{Access, Entry, Worker};

/// A connection on its way.
enum Acquiring {
    /// In the queue of a pool.
    Queued(usize, Granted),
    /// It has to be opened, or waits at a gate, or one of several pools may have it.
    Other(Pin<Box<dyn Future<Output = Acquired>>>),
}

/// The pool that a connection is of and the connection, or why it cannot be had.
type Acquired = Result<(usize, ServerConnection), Report>;

/// A reading of the catalog that is waited for.
type Refreshing = Pin<Box<dyn Future<Output = Result<(), Report>>>>;

/// The last message of a client.
const GOODBYE: [u8; 5] = [b'X', 0, 0, 0, 4];

/// Longest time that a cancel request may take once its client is gone.
const CANCELLING: Duration = Duration::from_secs(5);
/// A table of decisions that is waited for.
type Preparing = Pin<Box<dyn Future<Output = Result<(), Report>>>>;

/// A cancel request on its way.
type Cancelling = Pin<Box<dyn Future<Output = std::io::Result<()>>>>;

/// The I/O behind one of the session's slots.
enum Slot {
    Acquiring(Instant, Acquiring),
    Open {
        pool: usize,
        counts: Option<Rc<ShardCounts>>,
        socket: Socket,
        input: Buffer,
        /// See [`Client::quiet`].
        quiet: bool,
    },
}

/// How long the commit of a client that is gone may take.
const LAST_COMMIT: Duration = Duration::from_secs(30);

/// One client.
pub(crate) struct Client {
    worker: Rc<Worker>,
    access: Rc<Access>,
    entry: Rc<Entry>,
    /// Its place on the worker.
    place: usize,
    socket: Socket,
    input: Buffer,
    session: Session,
    slots: Vec<Slot>,
    cancelling: Vec<Cancelling>,
    refreshing: Option<Refreshing>,
    preparing: Option<Preparing>,
    /// There is nothing to read from the client, as far as this poll is concerned: its end wakes the task.
    quiet: bool,
    /// The time, once this poll has asked for it.
    now: Option<Instant>,
    /// The connection ends once everything is said.
    ending: bool,
    /// The client has sent its last byte.
    end_of_input: bool,
    /// The client is gone, and its commit has to be seen to its end until then.
    gone_until: Option<Instant>,
    /// What the deadline is for.
    waiting_since: Option<(Waiting, Instant)>,
    /// When the transaction under way began.
    transaction_since: Option<Instant>,
    /// What takes longer is logged; zero: nothing.
    slow_query: Duration,
}

/// What a client's deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Query,
    IdleInTransaction,
    Cancelled,
}

/// Why a client's task ends.
enum End {
    /// It said goodbye, hung up, or was told to go.
    Left,
}

impl Client {
    pub(crate) fn new(
        worker: Rc<Worker>,
        access: Rc<Access>,
        entry: Rc<Entry>,
        place: usize,
        socket: Socket,
        early: &[u8],
        session: Session,
    ) -> Self {
        let mut input = Buffer::new(&worker.stock);
        input.push(early);
        let mut client = Self {
            worker,
            access,
            entry,
            place,
            socket,
            input,
            session,
            slots: Vec::new(),
            cancelling: Vec::new(),
            refreshing: None,
            preparing: None,
            quiet: false,
            now: None,
            ending: false,
            end_of_input: false,
            gone_until: None,
            waiting_since: None,
            transaction_since: None,
            slow_query: Duration::ZERO,
        };
        client.look_at_slow_query();
        client
    }

    /// Takes a connection that is for this client alone.
    pub(crate) fn adopt(&mut self, pool: usize, connection: ServerConnection) {
        let slot = self.session.want_home();
        self.connected(slot, pool, connection);
    }

    /// Drives everything until the client is gone.
    pub(crate) async fn run(mut self) {
        std::future::poll_fn(|cx| match self.poll(cx) {
            Poll::Ready(End::Left) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        })
        .await;
        self.socket.close();
        let told_to_go =
            self.entry.killed.get() || self.worker.shared.stopping.load(Ordering::Relaxed);
        if told_to_go {
            // PostgreSQL, told to end a backend, ends its query. A client that merely leaves lets it finish.
            self.cancel_working();
        }
        // A cancel request under way must not outlive the hold on its server.
        for cancelling in std::mem::take(&mut self.cancelling) {
            let _ = tokio::time::timeout(CANCELLING, cancelling).await;
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        {
            let mut waker = self.entry.waker.borrow_mut();
            if !waker
                .as_ref()
                .is_some_and(|waker| waker.will_wake(cx.waker()))
            {
                *waker = Some(cx.waker().clone());
            }
        }
        self.now = None;
        self.quiet = false;
        for slot in &mut self.slots {
            if let Slot::Open { quiet, .. } = slot {
                *quiet = false;
            }
        }
        loop {
            match self.turn(cx) {
                Ok(true) if self.is_at_rest() => break,
                Ok(true) => {}
                Ok(false) => break,
                // What is half committed would hold its locks until somebody finds it.
                Err(None) if self.session.is_committing() && self.gone_until.is_none() => {
                    let until = Instant::now() + LAST_COMMIT;
                    self.gone_until = Some(until);
                    self.entry.deadline.set(Some(until));
                }
                Err(None) => return Poll::Ready(End::Left),
                Err(Some(report)) => {
                    self.say_fatal(&report);
                    self.ending = true;
                }
            }
            if self.ending && self.session.client_out().is_empty() {
                return Poll::Ready(End::Left);
            }
        }
        self.mark();
        self.set_deadline();
        if self.entry.asked.get() {
            self.tell();
        }
        Poll::Pending
    }

    fn say_fatal(&mut self, report: &Report) {
        if self.session.is_at_border() {
            self.session.client_out().report(report);
        }
    }

    /// Whether another turn would find nothing to do: between transactions, with nothing left to read or to send.
    fn is_at_rest(&mut self) -> bool {
        self.quiet
            && !self.ending
            && !self.end_of_input
            && self.input.is_empty()
            && self.slots.is_empty()
            && self.session.client_out().is_empty()
            && !self.socket.wants_flush()
            && self.session.is_idle()
    }

    /// One round over everybody. Whether anything happened; an error ends the connection, with or without a word.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        if let Some(until) = self.gone_until {
            self.session.client_out().clear();
            let progress = self.servers(cx)?;
            if !self.session.is_committing() || until <= Instant::now() {
                return Err(None);
            }
            return Ok(progress);
        }
        let mut progress = false;
        if !self.ending {
            progress |= self.carry(cx)?;
        }
        if self.session.is_terminated() || self.end_of_input {
            // It reads no more, but what it asked for before it said goodbye is done all the same.
            self.session.client_out().clear();
        } else if !self.session.client_out().is_empty() || self.socket.wants_flush() {
            progress |= self.write_client(cx)?;
        }
        Ok(progress)
    }

    fn write_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        let out = self.session.client_out();
        let before = out.len();
        let written = out.poll_write(&mut self.socket, cx);
        let sent = before - out.len();
        if sent > 0 {
            add(&self.worker.counters().bytes_out, sent);
            self.counts().sent.add(sent as u64);
        }
        match written {
            Poll::Ready(Err(_)) => Err(None),
            _ => Ok(sent > 0),
        }
    }

    /// From the client to its servers, and what they say into the queue for the client.
    fn carry(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        let mut progress = self.read_client(cx)?;
        loop {
            progress |= self.prepare_ground(cx);
            if self.may_plan(cx) {
                progress |= self.session.handle_client(&mut self.input).map_err(Some)?;
            }
            if self.session.is_over() {
                return Err(None);
            }
            // A commit that has just asked for its table of decisions is woken by the one who makes it.
            let asks = self.preparing.is_none() && self.session.poll_ground().is_some();
            // The message that waited for a connection goes on at once.
            if !self.acquire(cx) && !asks {
                break;
            }
            progress = true;
        }
        progress |= self.servers(cx)?;
        // Before the client hears of it: whoever plans after that plans with the new schema.
        if self.session.poll_schema_change() {
            self.access.environment.catalog.handle_change();
        }
        progress |= self.cancel(cx);
        if self.cancelling.is_empty() {
            progress |= self.release();
        }
        let waits = self.session.is_busy()
            || self.session.poll_want().is_some()
            || self.refreshing.is_some();
        if self.end_of_input && !progress && !waits {
            return Err(None);
        }
        progress |= self.look_at_orders()?;
        Ok(progress)
    }

    fn read_client(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        // Read also while nothing can be taken, up to one piece, so that a client that hangs up is noticed.
        let room = self.input.len() < PIECE || self.session.takes_input();
        if self.session.is_terminated() {
            return Ok(false);
        }
        if self.quiet
            || self.end_of_input
            || !room
            || self.input.len() > crate::session::ANALYSIS_LIMIT + PIECE
        {
            return Ok(false);
        }
        match self.input.poll_read(&mut self.socket, PIECE, cx) {
            Poll::Pending => {
                self.quiet = true;
                Ok(false)
            }
            Poll::Ready(Ok(0)) => {
                // Half a conversation is of no use to PostgreSQL's protocol: the client is gone. One that has said
                // goodbye is listened to as far as that.
                if self.input.bytes().ends_with(&GOODBYE) {
                    self.end_of_input = true;
                    return Ok(true);
                }
                Err(None)
            }
            Poll::Ready(Ok(n)) => {
                add(&self.worker.counters().bytes_in, n);
                self.counts().received.add(n as u64);
                Ok(true)
            }
            Poll::Ready(Err(_)) => Err(None),
        }
    }

    /// Whether nothing that comes next has to wait for a reading of the catalog.
    fn may_plan(&mut self, cx: &mut Context<'_>) -> bool {
        let catalog = &self.access.environment.catalog;
        if self.session.poll_schema_change() {
            catalog.handle_change();
        }
        if self.refreshing.is_none() && self.session.awaits_catalog() {
            let shared = Arc::clone(&self.worker.shared);
            let access = Rc::clone(&self.access);
            let since = Instant::now();
            self.refreshing = Some(Box::pin(async move {
                let catalog = &access.environment.catalog;
                let database = &access.database;
                shared.reread_catalog(catalog, database, since).await
            }));
        }
        if self.refreshing.is_none() {
            if !catalog.is_stale() || !self.session.is_about_to_plan(&self.input) {
                return true;
            }
            let shared = Arc::clone(&self.worker.shared);
            let access = Rc::clone(&self.access);
            self.refreshing = Some(Box::pin(async move {
                let catalog = &access.environment.catalog;
                shared.refresh_catalog(catalog, &access.database).await
            }));
        }
        let Some(refreshing) = &mut self.refreshing else {
            return true;
        };
        match refreshing.as_mut().poll(cx) {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) => self.session.handle_catalog_read(),
            Poll::Ready(Err(report)) => self.session.handle_unplannable(report),
        }
        self.refreshing = None;
        true
    }

    /// Sees to it that a commit over several shards finds its table of decisions. Whether anything happened.
    fn prepare_ground(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(shard) = self.session.poll_ground() else {
            return false;
        };
        let preparing = self.preparing.get_or_insert_with(|| {
            let two_phase = Arc::clone(&self.access.environment.two_phase);
            let live = self.worker.shared.live.load_full();
            Box::pin(async move {
                let users = &live.settings.users;
                let roles: Vec<_> = users
                    .iter()
                    .filter_map(|user| user.server_user.as_deref())
                    .collect();
                two_phase.make_ready(shard, &roles).await
            })
        });
        let Poll::Ready(made) = preparing.as_mut().poll(cx) else {
            return false;
        };
        self.preparing = None;
        self.session.handle_ground(made);
        true
    }

    /// Takes what the session wants one by one, in order of shards: two clients that want the same
    /// connections want them in the same order, and one of them gets all.
    fn acquire(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        // The session adds slots at the end; the I/O follows.
        let mut slot = 0;
        while slot < self.session.slots() {
            if self.session.has_server(slot) {
                slot += 1;
                continue;
            }
            if slot >= self.slots.len() {
                let Some(want) = self.session.wants().find(|want| want.slot == slot) else {
                    break;
                };
                let pools = self.access.pools(want.shard, want.role);
                let own = self.access.environment.is_transparent();
                // Whoever is inside a transaction is let through a closed gate: it could not end otherwise.
                let gate = &self.access.gate;
                let held_up = gate.is_paused()
                    && !(0..self.session.slots()).any(|slot| self.session.has_server(slot));
                if !own
                    && !held_up
                    && let Some(&pool) = pools.first()
                    && let Some(connection) = self.worker.take_idle(pool)
                {
                    let stats = &self.access.environment.stats;
                    stats.database.waited(Duration::ZERO);
                    self.connected(slot, pool, connection);
                    progress = true;
                    slot += 1;
                    continue;
                }
                let acquiring = match pools[..] {
                    [pool] if !own && !held_up => self.queue(pool),
                    _ => {
                        let own = own.then(|| Arc::clone(self.session.initial()));
                        let acquired = Rc::clone(&self.worker).acquire_of(pools, own).instrument(
                            tracing::debug_span!("acquire", shard = want.shard.index()),
                        );
                        let gate = held_up.then(|| Arc::clone(gate));
                        Acquiring::Other(Box::pin(async move {
                            if let Some(gate) = gate {
                                gate.passed().await;
                            }
                            acquired.await
                        }))
                    }
                };
                let now = self.now();
                self.slots.push(Slot::Acquiring(now, acquiring));
            }
            let Slot::Acquiring(since, acquiring) = &mut self.slots[slot] else {
                break;
            };
            let since = *since;
            let acquired = match acquiring {
                Acquiring::Queued(pool, granted) => {
                    let pool = *pool;
                    match granted.poll(cx) {
                        Poll::Ready(Ok(None)) => {
                            *acquiring = open(&self.worker, pool);
                            continue;
                        }
                        Poll::Ready(Ok(Some(connection))) => Poll::Ready(Ok((pool, connection))),
                        Poll::Ready(Err(report)) => Poll::Ready(Err(report)),
                        Poll::Pending => Poll::Pending,
                    }
                }
                Acquiring::Other(future) => future.as_mut().poll(cx),
            };
            match acquired {
                Poll::Pending => break,
                Poll::Ready(Ok((pool, connection))) => {
                    let waited = self.now().saturating_duration_since(since);
                    self.access.environment.stats.database.waited(waited);
                    self.connected(slot, pool, connection);
                    progress = true;
                    slot += 1;
                }
                Poll::Ready(Err(report)) => {
                    self.not_acquired(slot, &report);
                    return true;
                }
            }
        }
        progress
    }

    /// Queues for a connection of the only pool that will do, or opens one.
    fn queue(&mut self, pool: usize) -> Acquiring {
        let now = self.now();
        match self.worker.queue(pool, now) {
            Turn::Open => open(&self.worker, pool),
            Turn::Wait(granted) => Acquiring::Queued(pool, granted),
        }
    }

    /// The session gives up everything it still waits for.
    fn not_acquired(&mut self, slot: usize, report: &Report) {
        let waiting: Vec<_> = self.session.wants().map(|want| want.slot).collect();
        self.session.handle_not_acquired(slot, report);
        for slot in waiting.into_iter().rev() {
            if slot < self.slots.len() {
                self.slots.remove(slot);
            }
        }
    }

    fn connected(&mut self, slot: usize, pool: usize, connection: ServerConnection) {
        let shard = self.session.wants().find(|want| want.slot == slot);
        let stats = &self.access.environment.stats;
        let open = Slot::Open {
            pool,
            counts: shard.and_then(|want| stats.shard_counts(want.shard)),
            socket: connection.socket,
            input: Buffer::new(&self.worker.stock),
            quiet: false,
        };
        if slot < self.slots.len() {
            self.slots[slot] = open;
        } else {
            self.slots.push(open);
        }
        add(&self.worker.counters().acquired, 1);
        self.counts().assigned.add(1);
        self.session.handle_acquired(slot, connection.state);
    }

    fn servers(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        let mut progress = false;
        let mut slot = 0;
        while slot < self.slots.len() {
            match self.server(slot, cx) {
                Ok(moved) => {
                    progress |= moved;
                    slot += 1;
                }
                Err(reason) => {
                    if let Slot::Open { pool, .. } = self.slots.remove(slot) {
                        self.worker.server_pool(pool).closed();
                    }
                    self.session
                        .handle_server_lost(slot, &reason)
                        .map_err(Some)?;
                    progress = true;
                }
            }
        }
        Ok(progress)
    }

    fn server(&mut self, slot: usize, cx: &mut Context<'_>) -> Result<bool, String> {
        let Slot::Open {
            socket,
            input,
            counts,
            quiet,
            ..
        } = &mut self.slots[slot]
        else {
            return Ok(false);
        };
        let mut progress = false;
        let out = self.session.server_out(slot);
        if !out.is_empty() || socket.wants_flush() {
            let before = out.len();
            let written = out.poll_write(socket, cx);
            let sent = before - out.len();
            progress |= sent > 0;
            if let Some(counts) = counts {
                counts.sent.add(sent as u64);
            }
            if let Poll::Ready(Err(_)) = written {
                // What it said before it hung up is still to be read; the end follows.
                out.clear();
            }
        }
        let mut end = None;
        if !*quiet && self.session.client_out().len() < HIGH_WATER && input.len() < 2 * PIECE {
            match input.poll_read(socket, PIECE, cx) {
                Poll::Pending => *quiet = true,
                Poll::Ready(Ok(0)) => end = Some("The server closed the connection".to_owned()),
                Poll::Ready(Ok(n)) => {
                    progress = true;
                    if let Some(counts) = counts {
                        counts.received.add(n as u64);
                    }
                }
                Poll::Ready(Err(error)) => end = Some(error.to_string()),
            }
        }
        if !input.is_empty() {
            progress |= self
                .session
                .handle_server(slot, input)
                .map_err(|broken| broken.to_string())?;
        }
        end.map_or(Ok(progress), Err)
    }

    /// Sends cancel requests, and waits for those sent.
    fn cancel(&mut self, cx: &mut Context<'_>) -> bool {
        if self.refreshing.is_some() || self.preparing.is_some() || self.session.is_preparing() {
            // What is to be cancelled has not begun: its time comes with the next answer.
            return self.advance_cancelling(cx);
        }
        let asked = self.entry.cancel.take();
        if asked && let Some(want) = self.session.poll_want() {
            // It waits for a connection: no server knows of it yet.
            let report = Report::error(
                SqlState::new("57014"),
                "canceling statement due to user request",
            );
            self.not_acquired(want.slot, &report);
            drop(self.entry.cancellers.take());
            return true;
        }
        if asked {
            self.cancel_working();
        }
        self.advance_cancelling(cx)
    }

    /// Goes on with the cancel requests under way. Whether one has arrived.
    fn advance_cancelling(&mut self, cx: &mut Context<'_>) -> bool {
        let before = self.cancelling.len();
        self.cancelling
            .retain_mut(|cancelling| cancelling.as_mut().poll(cx).is_pending());
        self.cancelling.len() != before
    }

    /// Begins to cancel what runs on the client's behalf.
    fn cancel_working(&mut self) {
        // Whoever asked takes the end of its connection for the end of the cancelling, as
        // with PostgreSQL: its next query must not be hit.
        let cancellers = Rc::new(self.entry.cancellers.take());
        for (slot, state) in self.session.working() {
            if let Some(Slot::Open { pool, .. }) = self.slots.get(slot) {
                let pool = self.worker.server_pool(*pool);
                let (process, secret) = (state.process, state.secret.clone());
                let cancellers = Rc::clone(&cancellers);
                self.cancelling.push(Box::pin(async move {
                    let sent = cancel::send(pool, process, secret).await;
                    drop(cancellers);
                    sent
                }));
            }
        }
    }

    fn release(&mut self) -> bool {
        let mut progress = false;
        while let Some(released) = self.session.poll_release() {
            self.give_back(released);
            progress = true;
        }
        progress
    }

    fn give_back(&mut self, released: crate::session::Released) {
        if released.slot >= self.slots.len() {
            return;
        }
        let Slot::Open {
            pool,
            socket,
            input,
            ..
        } = self.slots.remove(released.slot)
        else {
            return;
        };
        let clean = released.clean && input.is_empty();
        let mut state = released.server;
        if !input.is_empty() {
            state.doubtful = true;
        }
        let connection = ServerConnection {
            socket,
            state,
            idle_since: self.now(),
        };
        if clean {
            self.worker.put_back(pool, connection);
        } else {
            self.worker.put_back_unclean(pool, connection);
        }
    }

    /// The time, read at most once per poll.
    fn now(&mut self) -> Instant {
        *self.now.get_or_insert_with(Instant::now)
    }

    /// Drain, stop, deadlines. Whether one of them changed anything.
    fn look_at_orders(&mut self) -> Result<bool, Option<Fatal>> {
        if self.session.is_committing() && self.entry.killed.get() {
            // A moment later.
            return Ok(false);
        }
        let shared = &self.worker.shared;
        let stop = shared.stopping.load(Ordering::Relaxed) || self.entry.killed.get();
        if stop || self.worker.is_draining() && self.session.is_idle() && self.session.pinned() == 0
        {
            return Err(Some(Box::new(Report::fatal(
                SqlState::new("57P01"),
                "terminating connection due to administrator command",
            ))));
        }
        if self.access.generation != self.worker.generation() {
            self.move_on()?;
        }
        let Some(deadline) = self.entry.deadline.get() else {
            return Ok(false);
        };
        let now = self.now();
        if deadline > now {
            return Ok(false);
        }
        self.entry.deadline.set(None);
        if let Some((slot, at)) = self.queued_until()
            && at <= now
            && let Slot::Acquiring(_, Acquiring::Queued(pool, _)) = &self.slots[slot]
        {
            let report = self.worker.server_pool(*pool).too_busy();
            self.not_acquired(slot, &report);
        }
        let pool = &self.access.environment.pool;
        match self.waiting_since {
            Some((Waiting::Query, since)) if since + pool.query_timeout <= now => {
                self.waiting_since = Some((Waiting::Cancelled, now));
                self.entry.cancel.set(true);
            }
            Some((Waiting::IdleInTransaction, since))
                if since + pool.idle_transaction_timeout <= now =>
            {
                return Err(Some(Box::new(Report::fatal(
                    SqlState::new("25P03"),
                    "terminating connection due to idle-in-transaction timeout",
                ))));
            }
            _ => {}
        }
        Ok(true)
    }

    /// The slot that waits in a pool's queue, and until when.
    fn queued_until(&self) -> Option<(usize, Instant)> {
        let limit = self.access.environment.pool.acquire_timeout;
        if limit.is_zero() {
            return None;
        }
        let mut slots = self.slots.iter().enumerate();
        slots.find_map(|(slot, state)| match state {
            Slot::Acquiring(since, Acquiring::Queued(..)) => Some((slot, *since + limit)),
            _ => None,
        })
    }

    /// Other settings are in force: they are this client's from its next transaction on.
    fn move_on(&mut self) -> Result<(), Option<Fatal>> {
        if self.session.slots() > 0 || !self.session.is_idle() {
            return Ok(());
        }
        let (database, user) = (&self.access.database, &self.access.user);
        let access = match self.worker.access(database, user) {
            Ok(access) => access,
            Err(report) => {
                let severity = crate::wire::encode::Severity::Fatal;
                return Err(Some(Box::new(Report { severity, ..report })));
            }
        };
        if self
            .session
            .handle_environment(Rc::clone(&access.environment))
        {
            if let Some(about) = &mut *self.entry.about.borrow_mut() {
                about.access = Some(Rc::clone(&access));
            }
            self.access = access;
            self.look_at_slow_query();
        }
        Ok(())
    }

    fn counts(&self) -> &DatabaseCounts {
        &self.access.environment.stats.database.counts
    }

    /// Keeps what the client is at for whoever looks. The clock is read only when that changes.
    fn mark(&mut self) {
        let doing = if self.session.poll_want().is_some() {
            Doing::Waiting
        } else if self.session.is_busy() {
            Doing::Active
        } else if self.session.is_idle() {
            Doing::Idle
        } else {
            Doing::IdleInTransaction
        };
        let known = self.entry.doing.get();
        if known.map_or(Doing::Idle, |(doing, _)| doing) == doing {
            return;
        }
        let now = self.now();
        if let Some((Doing::Active, since)) = known {
            self.counts().query_time.add_time(now - since);
            self.log_if_slow(now - since);
        }
        match (doing, self.transaction_since) {
            (Doing::Idle, Some(since)) => {
                self.counts().transaction_time.add_time(now - since);
                self.transaction_since = None;
            }
            (Doing::Active | Doing::IdleInTransaction, None) => self.transaction_since = Some(now),
            _ => {}
        }
        self.entry.doing.set(Some((doing, now)));
    }

    fn log_if_slow(&self, took: Duration) {
        tracing::trace!(?took, "answered");
        if self.slow_query.is_zero() || took < self.slow_query {
            return;
        }
        tracing::warn!(
            target: "shunt::slow_query",
            client = cancel::process_id(self.worker.id, self.place),
            user = self.access.user,
            database = self.access.database,
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            statement = self.session.asked(),
            "slow query"
        );
    }

    /// Which statements are slow may have changed.
    fn look_at_slow_query(&mut self) {
        let slow = self.worker.shared.settings().settings.slow_query;
        if slow != self.slow_query {
            self.slow_query = slow;
            self.session.keep_asked(!slow.is_zero());
        }
    }

    /// Tells whoever looks what only this task knows.
    fn tell(&self) {
        self.entry.asked.set(false);
        let application = self.session.parameters().get("application_name");
        let application = application.unwrap_or_default().to_owned();
        let id = cancel::process_id(self.worker.id, self.place);
        let servers = self.slots.iter().enumerate().filter_map(|(at, slot)| {
            let Slot::Open { pool, socket, .. } = slot else {
                return None;
            };
            let (_, state) = self.session.server(at)?;
            let pool = self.worker.server_pool(*pool);
            Some(ServerRow {
                client: Some(id),
                application: application.clone(),
                ..crate::worker::server_row(&pool, socket, state)
            })
        });
        let details = ClientDetails {
            peer: self.socket.raw().peer(),
            local: self.socket.raw().local(),
            tls: self.socket.tls().map(crate::tls::EncryptedSocket::describe),
            pinned: self.session.pinned(),
            prepared: self.session.prepared_statements(),
            servers: servers.collect(),
            application,
        };
        *self.entry.details.borrow_mut() = Some(details);
    }

    fn set_deadline(&mut self) {
        if self.gone_until.is_some() {
            return;
        }
        if self.gone_until.is_some() {
            return;
        }
        let pool = &self.access.environment.pool;
        let (query, idle) = (pool.query_timeout, pool.idle_transaction_timeout);
        if query.is_zero() && idle.is_zero() {
            let queued = self.queued_until().map(|(_, at)| at);
            self.entry.deadline.set(queued);
            return;
        }
        let state = if self.session.is_busy() {
            (!query.is_zero()).then_some((Waiting::Query, query))
        } else if self.session.is_idle_in_transaction() {
            (!idle.is_zero()).then_some((Waiting::IdleInTransaction, idle))
        } else {
            None
        };
        match (state, self.waiting_since) {
            (None, _) => self.waiting_since = None,
            (Some((Waiting::Query, _)), Some((Waiting::Query | Waiting::Cancelled, _))) => {}
            (Some((what, _)), Some((known, _))) if what == known => {}
            (Some((what, _)), _) => self.waiting_since = Some((what, self.now())),
        }
        let waiting = match (state, self.waiting_since) {
            (Some((what, limit)), Some((known, since))) if what == known => Some(since + limit),
            _ => None,
        };
        let queued = self.queued_until().map(|(_, at)| at);
        let first = waiting.into_iter().chain(queued).min();
        self.entry.deadline.set(first);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        while let Some(released) = self.session.give_up() {
            while self.slots.len() > released.slot + 1 {
                self.slots.pop();
            }
            self.give_back(released);
        }
    }
}

/// Opens a connection for a place that is counted.
fn open(worker: &Worker, pool: usize) -> Acquiring {
    let shared = worker.server_pool(pool);
    Acquiring::Other(Box::pin(async move {
        let opened = shared.open(None).await?;
        Ok((pool, opened))
    }))
}

fn add(counter: &std::sync::atomic::AtomicU64, n: usize) {
    // Only this worker writes it: no read-modify-write across cores.
    counter.store(
        counter.load(Ordering::Relaxed) + n as u64,
        Ordering::Relaxed,
    );
}

/// Keeps the settings of a startup packet as a session's own.
pub(crate) fn startup_settings(
    parameters: &[(String, String)],
) -> Arc<crate::session::settings::SettingSet> {
    let mut set = crate::session::settings::SettingSet::default();
    for (name, value) in parameters {
        let name = name.to_ascii_lowercase();
        let values = if name == "search_path" {
            crate::session::settings::names(value)
        } else {
            vec![value.clone()]
        };
        set.set(&name, values);
    }
    Arc::new(set)
}
