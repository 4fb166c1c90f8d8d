//! What a client is told from outside: to cancel, to leave, that its time is up, that settings have changed.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::time::Duration;

use bytes::BytesMut;
use router_core::sqlstate::SqlState;

use super::acquire::Acquiring;
use super::{Client, Slot};
use crate::cancel;
use crate::session::{Fatal, HIGH_WATER};
use crate::wire::buffer::PIECE;
use crate::wire::encode::Report;

/// Longest time that a cancel request may take once its client is gone.
pub(super) const CANCELLING: Duration = Duration::from_secs(5);

/// So much later the next request follows one that has not ended the query.
const AGAIN: Duration = Duration::from_millis(100);

/// How long the server of a query that was cancelled may wait for a client that sends nothing, or takes hardly anything of
/// its answer: it does not hear of the cancelling before that.
const SILENCE: Duration = Duration::from_secs(1);

/// A cancel request on its way.
pub(super) type Cancelling = Pin<Box<dyn Future<Output = std::io::Result<()>>>>;

/// What a client's deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Query,
    IdleInTransaction,
    Cancelled,
}

impl Client {
    /// Sends cancel requests, and waits for those sent.
    pub(super) fn cancel(&mut self, cx: &mut Context<'_>) -> bool {
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
            if self.entry.gives_way.take() {
                self.session.handle_deadlock();
            }
            self.cancel_working(|_| true);
        }
        self.advance_cancelling(cx)
    }

    /// Goes on with the cancel requests under way. Whether one has arrived.
    fn advance_cancelling(&mut self, cx: &mut Context<'_>) -> bool {
        let before = self.cancelling.len();
        self.cancelling
            .retain_mut(|cancelling| cancelling.as_mut().poll(cx).is_pending());
        self.is_undoing &= !self.cancelling.is_empty();
        self.cancelling.len() != before
    }

    /// Begins to cancel what runs on the client's behalf, over those of its connections that are meant.
    pub(super) fn cancel_working(&mut self, is_meant: impl Fn(usize) -> bool) {
        // Whoever asked takes the end of its connection for the end of the cancelling, as
        // with PostgreSQL: its next query must not be hit.
        let cancellers = Rc::new(self.entry.cancellers.take());
        for (slot, state) in self.session.working() {
            if is_meant(slot)
                && let Some(Slot::Open { pool, .. }) = self.slots.get(slot)
            {
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

    /// Tells the servers that work for a client that is gone that nothing more comes: they hang up once they have ended.
    pub(super) fn end_output_to_working(&mut self) {
        for (slot, _) in self.session.working() {
            if let Some(Slot::Open { socket, .. }) = self.slots.get(slot) {
                // One that is gone needs not be told.
                let _ = socket.raw().end_output();
            }
        }
    }

    /// Sees to it that they do. A cancel request that reaches a server process before it has read the query is lost, so
    /// another follows.
    pub(super) async fn see_working_end(&mut self) {
        let working = self.session.working();
        let working: Vec<_> = working
            .map(|(slot, state)| (slot, state.process, state.secret.clone()))
            .collect();
        for (slot, process, secret) in working {
            let Some(Slot::Open { pool, socket, .. }) = self.slots.get_mut(slot) else {
                continue;
            };
            let pool = self.worker.server_pool(*pool);
            let ended = async {
                let mut rest = BytesMut::with_capacity(PIECE);
                loop {
                    let end = async {
                        while socket.read_buf(&mut rest).await? > 0 {
                            rest.clear();
                        }
                        std::io::Result::Ok(())
                    };
                    if let Ok(end) = tokio::time::timeout(AGAIN, end).await {
                        return end;
                    }
                    cancel::send(Arc::clone(&pool), process, secret.clone()).await?;
                }
            };
            // One that cannot be reached is left to itself.
            let _ = tokio::time::timeout(CANCELLING, ended).await;
        }
    }

    /// Whether something it was told has to wait for a better moment.
    pub(super) fn has_orders(&self) -> bool {
        self.entry.cancel.get()
            || self.entry.killed.get()
            || self.worker.is_draining()
            || self.worker.shared.stopping.load(Ordering::Relaxed)
            || self.access.generation != self.worker.generation()
    }

    /// Drain, stop, deadlines. Whether one of them changed anything.
    pub(super) fn look_at_orders(&mut self) -> Result<bool, Option<Fatal>> {
        if self.session.is_committing() && self.entry.killed.get() {
            // Whoever takes no answers does not hear of the outcome; the others hear that they are to go a moment later.
            return match self.session.client_out().len() < HIGH_WATER {
                true => Ok(false),
                false => Err(None),
            };
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
        let now = self.worker.now();
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
        let pool = &self.limits.pool;
        let (query, idle) = (pool.query_timeout, pool.idle_transaction_timeout);
        match self.waiting_since {
            Some((Waiting::Query, since)) if since + query <= now => {
                self.waiting_since = Some((Waiting::Cancelled, now));
                self.taken = 0;
                self.entry.cancel.set(true);
            }
            Some((Waiting::IdleInTransaction, since)) if since + idle <= now => {
                return Err(Some(idle_for_too_long()));
            }
            Some((Waiting::Cancelled, since)) if since + SILENCE <= now => {
                // The server does not hear of the cancelling while it waits for the client.
                if self.session.server_awaits_client() || self.hardly_listens() {
                    return Err(Some(Box::new(Report::fatal(
                        SqlState::new("57014"),
                        "terminating connection due to query timeout",
                    ))));
                }
                self.waiting_since = Some((Waiting::Cancelled, now));
            }
            _ => {}
        }
        if self.silent_since.is_some_and(|since| since + idle <= now) {
            return Err(Some(idle_for_too_long()));
        }
        Ok(true)
    }

    /// Whether there is something for the client, and it has taken less than it would if it listened, since the last look.
    fn hardly_listens(&mut self) -> bool {
        std::mem::take(&mut self.taken) < HIGH_WATER && !self.session.client_out().is_empty()
    }

    /// Other settings are in force: they are this client's from its next transaction on.
    pub(super) fn move_on(&mut self) -> Result<(), Option<Fatal>> {
        let generation = self.worker.generation();
        if !self.session.is_idle() || self.session.slots() > 0 && self.may_stay == generation {
            return Ok(());
        }
        let (database, user) = (&self.access.database, &self.access.user);
        let live = self.worker.shared.settings();
        let access = live.authenticator.may_stay(user);
        let access = match access.and_then(|()| self.worker.access(database, user)) {
            Ok(access) => access,
            Err(report) => {
                let severity = crate::wire::encode::Severity::Fatal;
                return Err(Some(Box::new(Report { severity, ..report })));
            }
        };
        self.may_stay = generation;
        self.limits = Rc::clone(&access.environment);
        self.look_at_slow_query();
        if self.session.slots() > 0 {
            // Whoever holds a connection stays there, in the environment that it was taken for; but its time is limited anew.
            return Ok(());
        }
        let becomes_own =
            access.environment.is_transparent() && !self.access.environment.is_transparent();
        if becomes_own && self.session.prepared_statements().0 > 0 {
            // In session mode a client's statements are its server's, and these are on none under its names.
            return Err(Some(Box::new(
                Report::fatal(
                    SqlState::new("57P01"),
                    "terminating connection due to administrator command",
                )
                .detail("The database is in session mode now, and this client has prepared statements from before."),
            )));
        }
        if self
            .session
            .handle_environment(Rc::clone(&access.environment))
        {
            if let Some(about) = &mut *self.entry.about.borrow_mut() {
                about.access = Some(Rc::clone(&access));
            }
            self.access = access;
        }
        Ok(())
    }

    pub(super) fn set_deadline(&mut self) {
        if self.gone_until.is_some() {
            return;
        }
        let pool = &self.limits.pool;
        let (query, idle) = (pool.query_timeout, pool.idle_transaction_timeout);
        if query.is_zero() && idle.is_zero() {
            // Nobody waits in a queue who has asked, or has an answer.
            if self.session.is_straight() && !self.session.wants_any() {
                if self.entry.deadline.get().is_some() {
                    self.entry.deadline.set(None);
                }
                return;
            }
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
            (Some((Waiting::Query, _)), Some((Waiting::Query | Waiting::Cancelled, _)))
                if self.waiting_for == self.session.answered() => {}
            // The next one of several has its own time.
            (Some((Waiting::Query, _)), _) => {
                self.waiting_for = self.session.answered();
                self.waiting_since = Some((Waiting::Query, self.worker.now()));
            }
            (Some((what, _)), Some((known, _))) if what == known => {}
            (Some((what, _)), _) => self.waiting_since = Some((what, self.worker.now())),
        }
        let awaits_client = self.session.server_awaits_client();
        let waiting = match (state, self.waiting_since) {
            (Some((what, limit)), Some((known, since))) if what == known => Some(since + limit),
            (_, Some((Waiting::Cancelled, since))) => Some(since + SILENCE),
            _ => None,
        };
        let heard = std::mem::take(&mut self.heard);
        self.silent_since = match self.silent_since {
            _ if idle.is_zero() || !awaits_client => None,
            Some(since) if !heard => Some(since),
            _ => Some(self.worker.now()),
        };
        let silent = self.silent_since.map(|since| since + idle);
        let queued = self.queued_until().map(|(_, at)| at);
        let first = waiting.into_iter().chain(silent).chain(queued).min();
        self.entry.deadline.set(first);
    }
}

fn idle_for_too_long() -> Fatal {
    Box::new(Report::fatal(
        SqlState::new("25P03"),
        "terminating connection due to idle-in-transaction timeout",
    ))
}
