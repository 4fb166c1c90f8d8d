//! How a client comes to its server connections, and how it gives them back.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tracing::Instrument as _;

use super::{Client, Slot, add};
use crate::pool::{Granted, ServerConnection, Turn};
use crate::session::Role;
use crate::wire::buffer::Buffer;
use crate::wire::encode::Report;
use crate::worker::Worker;

/// A connection on its way.
pub(super) enum Acquiring {
    /// In the queue of a pool.
    Queued(usize, Granted),
    /// It has to be opened, or waits at a gate, or one of several pools may have it.
    Other(Pin<Box<dyn Future<Output = Acquired>>>),
}

/// The pool that a connection is of and the connection, or why it cannot be had.
type Acquired = Result<(usize, ServerConnection), Report>;

impl Client {
    /// Takes what the session wants. Whether anything happened.
    #[inline]
    pub(super) fn acquire(&mut self, cx: &mut Context<'_>) -> bool {
        self.session.wants_any() && self.acquire_wanted(cx)
    }

    /// Takes what the session wants one by one, in order of shards: two clients that want the same
    /// connections want them in the same order, and one of them gets all.
    fn acquire_wanted(&mut self, cx: &mut Context<'_>) -> bool {
        let mut progress = false;
        // The session adds slots at the end; the I/O follows.
        let mut slot = 0;
        while slot < self.session.slots() {
            if self.session.has_server(slot) {
                slot += 1;
                continue;
            }
            if slot >= self.slots.len() {
                let Some(want) = self.session.want(slot) else {
                    break;
                };
                let wrote = match want.role {
                    // Primaries have it, whenever it was.
                    Role::Primary => None,
                    // Over a connection that it still has.
                    Role::Replica if self.session.has_written() => Some(Instant::now()),
                    Role::Replica => self.wrote,
                };
                let pools = self.access.pools(want.shard, want.role, wrote);
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
                    self.access.environment.stats.database.waited_not();
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
                let now = self.worker.now();
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
                    let waited = self.worker.now().saturating_duration_since(since);
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
    pub(super) fn queue(&mut self, pool: usize) -> Acquiring {
        let now = self.worker.now();
        match self.worker.queue(pool, now) {
            Turn::Open => open(&self.worker, pool),
            Turn::Wait(granted) => Acquiring::Queued(pool, granted),
        }
    }

    /// The session gives up everything it still waits for.
    pub(super) fn not_acquired(&mut self, slot: usize, report: &Report) {
        let waiting: Vec<_> = self.session.wants().map(|want| want.slot).collect();
        self.session.handle_not_acquired(slot, report);
        for slot in waiting.into_iter().rev() {
            if slot < self.slots.len() {
                self.slots.remove(slot);
            }
        }
    }

    pub(super) fn connected(&mut self, slot: usize, pool: usize, connection: ServerConnection) {
        let shard = self.session.want(slot);
        let stats = &self.access.environment.stats;
        connection.socket.set_owner(Some(self.place));
        let open = Slot::Open {
            pool,
            counts: shard.and_then(|want| stats.shard_counts(want.shard)),
            socket: connection.socket,
            input: Buffer::new(&self.worker.stock),
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

    /// The slot that waits in a pool's queue, and until when.
    pub(super) fn queued_until(&self) -> Option<(usize, Instant)> {
        let limit = self.limits.pool.acquire_timeout;
        if limit.is_zero() || !self.session.wants_any() {
            return None;
        }
        let mut slots = self.slots.iter().enumerate();
        slots.find_map(|(slot, state)| match state {
            Slot::Acquiring(since, Acquiring::Queued(..)) => Some((slot, *since + limit)),
            _ => None,
        })
    }

    pub(super) fn release(&mut self) -> bool {
        let mut progress = false;
        while let Some(released) = self.session.poll_release() {
            self.give_back(released);
            progress = true;
        }
        progress
    }

    pub(super) fn give_back(&mut self, released: crate::session::Released) {
        // Most often there is one.
        let slot = match self.slots.len().checked_sub(released.slot) {
            None | Some(0) => return,
            Some(1) => self.slots.pop(),
            Some(_) => Some(self.slots.remove(released.slot)),
        };
        let Some(Slot::Open {
            pool,
            socket,
            input,
            ..
        }) = slot
        else {
            return;
        };
        socket.set_owner(None);
        if released.wrote && self.access.tracks_writes() {
            self.wrote = Some(Instant::now());
        }
        let clean = released.clean && input.is_empty();
        let mut state = released.server;
        if !input.is_empty() {
            state.doubtful = true;
        }
        let connection = ServerConnection {
            socket,
            state,
            idle_since: self.worker.now(),
        };
        if clean {
            self.worker.put_back(pool, connection);
        } else {
            self.worker.put_back_unclean(pool, connection);
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
