//! Whether each shard's primary can be reached: asked with a bounded probe, remembered for a moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::Mutex;

use crate::server::connect::{Target, connect};
use crate::settings::ServerAddress;
use crate::tls::ServerFacingTls;
use crate::worker::Shared;

/// Longest time for one probe.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long an answer is good for: however many ask, a server is asked no more often.
const FRESH: Duration = Duration::from_secs(2);

/// A primary, and whether a connection could be opened.
#[derive(Clone, Debug)]
pub(super) struct Primary {
    pub(super) database: String,
    pub(super) shard: String,
    pub(super) reachable: bool,
}

/// When it was found, under which settings, and what.
type Found = (Instant, u64, Arc<[Primary]>);

/// What was found last.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    /// Held while probes are under way, so that others wait for their result instead of asking again.
    known: Mutex<Option<Found>>,
}

impl Readiness {
    /// The state of all primaries, at most [`FRESH`] old.
    pub(super) async fn look(&self, shared: &Shared) -> Arc<[Primary]> {
        let mut known = self.known.lock().await;
        let live = shared.live.load_full();
        if let Some((at, generation, primaries)) = &*known
            && at.elapsed() < FRESH
            && *generation == live.generation
        {
            return Arc::clone(primaries);
        }
        let probes = live.settings.databases.iter().flat_map(|database| {
            let shards = database.topology.shards.iter().zip(&database.shards);
            shards.map(|(shard, servers)| async {
                Primary {
                    database: database.topology.database.clone(),
                    shard: shard.name.clone(),
                    reachable: is_reachable(&servers.primary).await,
                }
            })
        });
        let primaries: Arc<[Primary]> = join_all(probes).await.into();
        *known = Some((Instant::now(), live.generation, Arc::clone(&primaries)));
        primaries
    }
}

/// Whether the server lets the proxy in.
async fn is_reachable(address: &ServerAddress) -> bool {
    let Ok(tls) = ServerFacingTls::new(address) else {
        return false;
    };
    let target = Target {
        label: "a primary",
        address,
        tls: &tls,
        parameters: &[],
    };
    matches!(
        tokio::time::timeout(PATIENCE, connect(&target)).await,
        Ok(Ok(_))
    )
}
