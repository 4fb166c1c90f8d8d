//! Whether a catalog that was read is still what the servers have: definitions are also made through another proxy, or on the
//! servers.
//!
//! Each server that was read is asked about once a second for the mark of its catalog
//! ([`MARK`](router_core::topology::catalog::read::MARK)), over a connection that is kept for that. It is compared with the one that the
//! server gave before it was read. It is asked less often where answering takes long: a server has a hundredth of a
//! processor's time to spare for that.

use std::time::{Duration, Instant};

use router_core::id::ShardId;

use super::{CatalogError, mark};
use crate::server::connect::Connected;

/// Between two looks there are this many times as long as the last one took.
const REST: u32 = 100;

/// See [`REST`].
const LEAST_REST: Duration = Duration::from_secs(1);

/// See [`REST`].
pub(super) const MOST_REST: Duration = Duration::from_secs(5);

/// The connections over which servers are asked, and when.
#[derive(Debug, Default)]
pub(super) struct Watch {
    connections: Vec<(ShardId, Connected)>,
    due: Option<Instant>,
}

impl Watch {
    /// Whether it is time to look.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_none_or(|due| due <= now)
    }

    /// A look that was begun then has ended.
    pub(super) fn rest(&mut self, begun: Instant) {
        let now = Instant::now();
        self.due = Some(now + ((now - begun) * REST).clamp(LEAST_REST, MOST_REST));
    }

    /// Whether a shard's server is connected.
    pub(super) fn knows(&self, shard: ShardId) -> bool {
        self.connections.iter().any(|(known, _)| *known == shard)
    }

    /// A shard's server is asked over this from now on.
    pub(super) fn keep(&mut self, shard: ShardId, connection: Connected) {
        self.connections.push((shard, connection));
    }

    /// Nobody is asked any more.
    pub(super) fn close(&mut self) {
        self.connections.clear();
    }

    /// The mark of a shard's catalog; `None`: it is not connected.
    pub(super) async fn mark(
        &mut self,
        shard: ShardId,
        label: &str,
    ) -> Result<Option<String>, CatalogError> {
        let known = self
            .connections
            .iter_mut()
            .find(|(known, _)| *known == shard);
        match known {
            Some((_, connection)) => mark(connection, label).await.map(Some),
            None => Ok(None),
        }
    }
}
