//! A connection that is lent to the application.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::task::{Context, Waker};

use tokio_postgres::Client;

use super::Pooled;

/// Undoes what a session may have been left with. Prepared statements stay: the driver has its own names for them.
pub(crate) const CLEAN: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
     SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

/// A connection to one shard, for anything that PostgreSQL can do: the driver's `Client`, with nothing between.
///
/// What is sent here is not routed and not checked; keeping the keys of this shard on this shard is up to the caller.
/// When it is dropped, an open transaction is rolled back, settings, temporary tables, locks, cursors and `LISTEN` are
/// undone, and the connection goes back to its pool. (Statements of SQL's `PREPARE` stay.)
#[derive(Debug)]
pub struct Connection {
    pooled: Pooled,
    shard: String,
}

impl Connection {
    pub(crate) fn new(pooled: Pooled, shard: &str) -> Self {
        Self {
            pooled,
            shard: shard.to_owned(),
        }
    }

    /// The shard's name.
    pub fn shard(&self) -> &str {
        &self.shard
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.pooled.client()
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Client {
        self.pooled.client_mut()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Nobody saw what was sent, so a transaction may be open. If none is, the server warns in its log, no more.
        send(self.pooled.client(), &format!("ROLLBACK; {CLEAN}"));
    }
}

/// Sends statements ahead of whatever the connection is asked next, and waits for nothing.
///
/// The driver writes a request when its future is first polled, and drains the answer of one that is dropped; the
/// server works on requests in their order. So this costs the next user of the connection no round trip.
pub(crate) fn send(client: &Client, sql: &str) {
    if client.is_closed() {
        return;
    }
    let request = pin!(client.batch_execute(sql));
    let _ = request.poll(&mut Context::from_waker(Waker::noop()));
}
