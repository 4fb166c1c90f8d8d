//! Whether a load balancer should send clients to this proxy.
//!
//! It should while the proxy takes clients and any primary at all lets it in. One that is down is down for every proxy: if
//! each of them were taken out of service for it, nobody would serve the shards and databases that are up. Which server is down
//! is in the answer's text and in the metrics. Nothing is asked for this: what is known is told.

use std::fmt::Write as _;

use router_core::availability::State;

use crate::server::health::role_of;
use crate::worker::Shared;

/// Whether it should, and why not; then each server, line by line.
pub(super) fn answer(shared: &Shared) -> (bool, String) {
    let live = shared.live.load_full();
    let mut servers = String::new();
    let mut primaries = Vec::new();
    for database in &live.settings.databases {
        let name = &database.topology.database;
        for (shard, server, health, _) in shared.servers_of(database) {
            let health = health.look();
            let (role, words) = (role_of(server), health.words());
            let _ = writeln!(servers, "{name}/{shard} {role} {words}");
            if server == 0 {
                primaries.push(health.state);
            }
        }
    }
    let why_not = why_not(shared.has_stopped_accepting(), &primaries);
    let verdict = match why_not {
        None => "ready".to_owned(),
        Some(why) => format!("not ready: {why}"),
    };
    (why_not.is_none(), format!("{verdict}\n{servers}"))
}

fn why_not(leaving: bool, primaries: &[State]) -> Option<&'static str> {
    if leaving {
        return Some("it takes no more clients");
    }
    if primaries.contains(&State::Up) {
        return None;
    }
    Some(match primaries.contains(&State::Unknown) {
        true => "no primary has let it in yet",
        false => "every primary is down",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_primary_that_is_up_is_enough() {
        use State::{Down, Unknown, Up};
        assert_eq!(why_not(false, &[Down, Up, Unknown]), None);
        assert_eq!(why_not(false, &[Down, Down]), Some("every primary is down"));
        let yet = Some("no primary has let it in yet");
        assert_eq!(why_not(false, &[Down, Unknown]), yet);
        assert_eq!(why_not(true, &[Up]), Some("it takes no more clients"));
    }
}
