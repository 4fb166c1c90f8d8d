//! Whether clients should be sent to this proxy.
//!
//! They should while it takes clients and every primary lets it in. A load balancer asks for less: one primary that is down is
//! down for every proxy, and if each of them were taken out of service for it, nobody would serve the shards and databases that
//! are up. Which server is down is in the answer's text and in the metrics. Nothing is asked for this: what is known is told.

use std::fmt::Write as _;

use router_core::availability::State;

use crate::server::health::role_of;
use crate::worker::Shared;

/// How many primaries have to be up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Least {
    /// Each of every database's.
    All,
    /// One.
    Any,
}

/// Whether they should, and why not; then each server, line by line.
pub(super) fn answer(shared: &Shared, least: Least) -> (bool, String) {
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
    let why_not = why_not(shared.has_stopped_accepting(), &primaries, least);
    let verdict = match why_not {
        None => "ready".to_owned(),
        Some(why) => format!("not ready: {why}"),
    };
    (why_not.is_none(), format!("{verdict}\n{servers}"))
}

fn why_not(leaving: bool, primaries: &[State], least: Least) -> Option<&'static str> {
    if leaving {
        return Some("it takes no more clients");
    }
    let is = |state: State| primaries.contains(&state);
    match least {
        Least::Any if is(State::Up) => None,
        Least::Any if is(State::Unknown) => Some("no primary has let it in yet"),
        Least::Any => Some("every primary is down"),
        Least::All if is(State::Down) => Some("a primary is down"),
        Least::All if is(State::Unknown) => Some("a primary has not let it in yet"),
        Least::All => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_primary_counts_unless_one_is_enough() {
        use Least::{All, Any};
        use State::{Down, Unknown, Up};
        assert_eq!(why_not(false, &[Up, Up], All), None);
        assert_eq!(why_not(false, &[Up, Down], All), Some("a primary is down"));
        let yet = Some("a primary has not let it in yet");
        assert_eq!(why_not(false, &[Up, Unknown], All), yet);
        assert_eq!(why_not(false, &[Down, Up, Unknown], Any), None);
        let down = Some("every primary is down");
        assert_eq!(why_not(false, &[Down, Down], Any), down);
        let yet = Some("no primary has let it in yet");
        assert_eq!(why_not(false, &[Down, Unknown], Any), yet);
        for least in [All, Any] {
            let leaves = Some("it takes no more clients");
            assert_eq!(why_not(true, &[Up], least), leaves);
        }
    }
}
