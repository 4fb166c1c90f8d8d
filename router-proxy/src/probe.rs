//! Asks servers whether they let the proxy in, where nobody else does: those that are down, so that their return is known when
//! it happens; and, where the HTTP endpoint tells of them, those of which nothing has been heard for a while.
//!
//! A server whose connections answer is not asked: logging in costs it a process and us a slot.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use router_core::availability::{Fault, State};

use crate::server::connect::{Target, connect};
use crate::server::health::ServerHealth;
use crate::settings::{Database, ServerAddress, Settings};
use crate::tls::ServerFacingTls;
use crate::worker::Shared;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// A server of which nothing has been heard for so long is asked.
const QUIET: Duration = Duration::from_secs(10);

/// Longest wait for a server where `connect_timeout` is none.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks until the proxy ends.
pub(crate) async fn run(shared: Arc<Shared>) {
    loop {
        look(&shared).await;
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look(shared: &Shared) {
    let live = shared.live.load_full();
    let told = live.settings.http_listen.is_some();
    let mut probes = Vec::new();
    for database in &live.settings.databases {
        // Whoever has paused it may want to shut its servers down.
        if shared.gate(&database.topology.database).is_paused() {
            continue;
        }
        for (_, _, health, address) in shared.servers_of(database) {
            let is_down = health.look().state == State::Down;
            let is_quiet = told && health.silence().is_none_or(|silence| silence > QUIET);
            if is_down || is_quiet {
                probes.push(probe(shared, &live.settings, database, health, address));
            }
        }
    }
    join_all(probes).await;
}

/// Logs in once, as a role that others log in as.
async fn probe(
    shared: &Shared,
    settings: &Settings,
    database: &Database,
    health: Arc<ServerHealth>,
    address: &ServerAddress,
) {
    let address = match health.best_role() {
        Some(role) => shared
            .address_of(&health, &role)
            .unwrap_or_else(|| address.clone()),
        None => address.as_user(first_user(settings)),
    };
    let limit = match database.pool.connect_timeout {
        Duration::ZERO => PATIENCE,
        limit => limit,
    };
    let begun = Instant::now();
    let tls = match ServerFacingTls::new(&address) {
        Ok(tls) => tls,
        Err(error) => {
            health.note_failure(&address.user, begun, Fault::Server, &error.to_string());
            return;
        }
    };
    let target = Target {
        label: "a server",
        address: &address,
        tls: &tls,
        parameters: &[("application_name", "shunt probe")],
    };
    match tokio::time::timeout(limit, connect(&target)).await {
        Ok(Ok(mut connected)) => {
            connected.socket.close();
            health.note_success(&address.user);
        }
        Ok(Err(error)) => {
            let problem = error.problem.to_string();
            health.note_failure(&address.user, begun, error.fault(), &problem);
        }
        Err(_) => {
            let problem = format!("no answer within {limit:?}");
            health.note_failure(&address.user, begun, Fault::Server, &problem);
        }
    }
}

/// A user as whom the proxy has to be able to log in: `None` where that is the one of the server's URL, who need not be
/// able to if every user has a role of its own.
fn first_user(settings: &Settings) -> Option<&crate::settings::User> {
    let mut users = settings.users.iter();
    match users.any(|user| user.server_user.is_none()) {
        true => None,
        false => settings.users.first(),
    }
}
