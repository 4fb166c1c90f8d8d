//! What a client's task lets others know: counters, the log of slow queries, the console.

use std::time::Duration;

use super::{Client, Slot};
use crate::cancel;
use crate::session::Straight;
use crate::snapshot::{ClientDetails, Doing, ServerRow};
use crate::stats::DatabaseCounts;

impl Client {
    pub(super) fn counts(&self) -> &DatabaseCounts {
        &self.access.environment.stats.database.counts
    }

    /// Keeps what the client is at for whoever looks. The clock is read only when that changes.
    pub(super) fn mark(&mut self) {
        let straight = self.session.straight();
        let doing = if self.session.is_at_rest() {
            Doing::Idle
        } else if straight == Some(Straight::Asked) {
            Doing::Active
        } else if self.session.wants_any() {
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
        let now = self.worker.now();
        let mut query = None;
        if let Some((Doing::Active, since)) = known {
            let took = now - since;
            query = Some((since, took));
            self.counts().query_time.add_time(took);
            self.log_if_slow(took);
        }
        match (doing, self.transaction_since) {
            (Doing::Idle, Some(since)) => {
                // Most transactions are one query.
                let took = match query {
                    Some((same, took)) if same == since => took,
                    _ => now - since,
                };
                self.counts().transaction_time.add_time(took);
                self.transaction_since = None;
            }
            (Doing::Active | Doing::IdleInTransaction, None) => self.transaction_since = Some(now),
            _ => {}
        }
        self.entry.doing.set(Some((doing, now)));
    }

    pub(super) fn log_if_slow(&self, took: Duration) {
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
    pub(super) fn look_at_slow_query(&mut self) {
        let slow = self.worker.shared.settings().settings.slow_query;
        if slow != self.slow_query {
            self.slow_query = slow;
            self.session.keep_asked(!slow.is_zero());
        }
    }

    /// Tells whoever looks what only this task knows.
    pub(super) fn tell(&self) {
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
            pinned: self.session.kept_for(),
            prepared: self.session.prepared_statements(),
            servers: servers.collect(),
            application,
        };
        *self.entry.details.borrow_mut() = Some(details);
    }
}
