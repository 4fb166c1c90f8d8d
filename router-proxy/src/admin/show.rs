//! Commands that answer with rows.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use router_core::plan::SessionEffect;
use router_core::sqlstate::SqlState;

use super::table::{COMMANDS, Verb};
use super::value::{Row, Value};
use super::{config, shards, twophase};
use crate::pool::PoolKey;
use crate::server::health::role_of;
use crate::settings::{Database, PoolMode, Settings};
use crate::snapshot::{ClientRow, Doing, Overview, PoolRow, ServerRow, Unanswered};
use crate::stats::{DatabaseCopy, DatabaseNumbers, STATS_PERIOD};
use crate::wire::encode::Report;
use crate::worker::Shared;

/// The rows of a `SHOW`.
pub(super) async fn rows(verb: Verb, shared: &Arc<Shared>) -> Result<Vec<Row>, Report> {
    let live = shared.live.load_full();
    let settings = &live.settings;
    Ok(match verb {
        Verb::Version => vec![vec![concat!("Shunt ", env!("CARGO_PKG_VERSION")).into()]],
        Verb::Help => help(),
        Verb::State => state(settings, shared),
        Verb::Config => config::rows(settings, shared.workers),
        Verb::TwoPhase => twophase::rows(settings, shared).await,
        Verb::Clients | Verb::Servers | Verb::Users | Verb::Prepared | Verb::Mem => {
            let overview = shared.look(true).await.whole().map_err(unanswered)?;
            match verb {
                Verb::Clients => clients(&overview),
                Verb::Servers => servers(&overview),
                Verb::Users => users(&overview, settings),
                Verb::Mem => memory(&overview),
                _ => prepared(&overview),
            }
        }
        _ => {
            let overview = shared.look(false).await.whole().map_err(unanswered)?;
            match verb {
                Verb::Pools => pools(&overview, settings),
                Verb::Stats | Verb::StatsTotals | Verb::StatsAverages => {
                    stats(verb, &overview, settings)
                }
                Verb::Databases => databases(&overview, settings, shared),
                Verb::Lists => lists(&overview, settings),
                Verb::Shards => shards::shards(&overview, settings, shared),
                Verb::Replicas => shards::replicas(&overview, settings, shared),
                Verb::Plans => plans(&overview),
                // The console carries the others out itself.
                _ => Vec::new(),
            }
        }
    })
}

pub(super) fn unanswered(error: Unanswered) -> Report {
    Report::error(SqlState::new("57014"), error.to_string())
        .detail("What the other workers say is not all of it.")
        .hint("Ask again; a worker that stays silent is stuck.")
}

/// Of several databases, what holds for at least one.
fn state(settings: &Settings, shared: &Shared) -> Vec<Row> {
    let mut names = settings.databases.iter().map(|d| &d.topology.database);
    let paused = names.any(|name| shared.gate(name).is_paused());
    let word = |is: bool| if is { "yes" } else { "no" };
    [
        ("active", !paused),
        ("paused", paused),
        ("suspended", false),
    ]
    .map(|(key, is)| vec![key.into(), word(is).into()])
    .into()
}

fn help() -> Vec<Row> {
    COMMANDS
        .iter()
        .map(|entry| vec![entry.usage().into(), entry.what.into()])
        .collect()
}

pub(super) const fn mode(mode: PoolMode) -> &'static str {
    match mode {
        PoolMode::Transaction => "transaction",
        PoolMode::Session => "session",
    }
}

fn database<'a>(settings: &'a Settings, name: &str) -> Option<&'a Database> {
    let mut databases = settings.databases.iter();
    databases.find(|known| known.topology.database == name)
}

/// Connections and clients of a pool, or of several together.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) total: usize,
    pub(super) active: usize,
    pub(super) idle: usize,
    pub(super) opening: usize,
    pub(super) waiting: usize,
}

impl Sum {
    pub(super) fn of<'a>(pools: impl Iterator<Item = &'a PoolRow>) -> Self {
        pools.fold(Self::default(), |sum, pool| Self {
            total: sum.total + pool.total,
            active: sum.active + pool.active(),
            idle: sum.idle + pool.idle,
            opening: sum.opening + pool.opening,
            waiting: sum.waiting + pool.waiting,
        })
    }
}

fn pools(overview: &Overview, settings: &Settings) -> Vec<Row> {
    let mut names: BTreeSet<(String, String)> = overview
        .pools
        .iter()
        .map(|pool| (pool.key.database.clone(), pool.key.role.clone()))
        .collect();
    let clients: Vec<_> = overview.clients().filter(|c| !c.console).collect();
    names.extend(clients.iter().map(|c| (c.database.clone(), c.role.clone())));
    let now = Instant::now();
    names
        .into_iter()
        .map(|(name, role)| {
            let of_pool = |key: &PoolKey| key.database == name && key.role == role;
            let sum = Sum::of(overview.pools.iter().filter(|pool| of_pool(&pool.key)));
            let mine = clients
                .iter()
                .filter(|client| client.database == name && client.role == role);
            let (mut active, mut waiting, mut longest) = (0_usize, 0_usize, Duration::ZERO);
            for client in mine {
                if client.doing == Doing::Waiting {
                    waiting += 1;
                    longest = longest.max(now.saturating_duration_since(client.since));
                } else {
                    active += 1;
                }
            }
            let pool_mode = overview
                .pools
                .iter()
                .find(|pool| of_pool(&pool.key))
                .map(|pool| pool.pool.settings().mode)
                .or_else(|| Some(database(settings, &name)?.pool.mode));
            vec![
                name.into(),
                role.into(),
                active.into(),
                waiting.into(),
                0_u64.into(),
                0_u64.into(),
                sum.active.into(),
                0_u64.into(),
                0_u64.into(),
                sum.idle.into(),
                0_u64.into(),
                0_u64.into(),
                sum.opening.into(),
                longest.as_secs().into(),
                longest.subsec_micros().into(),
                pool_mode.map(mode).into(),
                Value::Null,
            ]
        })
        .collect()
}

fn stats(verb: Verb, overview: &Overview, settings: &Settings) -> Vec<Row> {
    let nothing = DatabaseCopy::default();
    settings
        .databases
        .iter()
        .map(|known| {
            let name = &known.topology.database;
            let copy = overview.databases.get(name).unwrap_or(&nothing);
            let mut row = vec![name.as_str().into()];
            if verb != Verb::StatsAverages {
                row.extend(totals(&copy.numbers).map(Value::from));
            }
            if verb != Verb::StatsTotals {
                row.extend(averages(&copy.recent).map(Value::from));
            }
            row
        })
        .collect()
}

/// In the order of the columns.
fn totals(n: &DatabaseNumbers) -> [u64; 11] {
    [
        n.assigned,
        n.transactions,
        n.queries,
        n.received,
        n.sent,
        n.transaction_time,
        n.query_time,
        n.wait_time,
        n.client_parses,
        n.server_parses,
        n.binds,
    ]
}

/// In the same order: times per event, all others per second.
fn averages(n: &DatabaseNumbers) -> [u64; 11] {
    let mut averages = totals(n).map(|count| count / STATS_PERIOD.as_secs());
    averages[5] = n.transaction_time / n.transactions.max(1);
    averages[6] = n.query_time / n.queries.max(1);
    averages[7] = n.wait_time / n.assigned.max(1);
    averages
}

/// Address and port; a Unix socket has none.
fn place(address: Option<SocketAddr>) -> [Value; 2] {
    match address {
        Some(address) => [address.ip().to_string().into(), address.port().into()],
        None => ["unix".into(), 0_u64.into()],
    }
}

fn client_pointer(id: i32) -> String {
    format!("c{id}")
}

fn server_pointer(id: u64) -> String {
    format!("s{id}")
}

/// Why a client keeps its connections, in words.
pub(crate) fn pinned(bits: u16) -> Option<String> {
    if bits == 0 {
        return None;
    }
    let unread = crate::session::UNREAD;
    let mut words = SessionEffect {
        bits: bits & !unread,
    }
    .to_string();
    if bits & unread != 0 {
        if !words.is_empty() {
            words.push_str(", ");
        }
        words.push_str("statements that were not read");
    }
    Some(words)
}

fn clients(overview: &Overview) -> Vec<Row> {
    let now = Instant::now();
    overview
        .clients()
        .map(|client| {
            let details = client.details.clone().unwrap_or_default();
            let held = details.servers.len();
            let (state, wait) = match client.doing {
                Doing::Waiting => ("waiting", now.saturating_duration_since(client.since)),
                Doing::Idle if held == 0 => ("idle", Duration::ZERO),
                _ => ("active", Duration::ZERO),
            };
            let link = details.servers.first().map(|row| server_pointer(row.id));
            let mut row = vec![
                "C".into(),
                client.user.as_str().into(),
                client.database.as_str().into(),
                "none".into(),
                state.into(),
            ];
            row.extend(place(details.peer));
            row.extend(place(details.local));
            row.extend([
                utc(client.connected).into(),
                utc(client.requested).into(),
                wait.as_secs().into(),
                wait.subsec_micros().into(),
                0_u64.into(),
                client_pointer(client.id).into(),
                link.unwrap_or_default().into(),
                0_u64.into(),
                details.tls.unwrap_or_default().into(),
                details.application.into(),
                details.prepared.0.into(),
                u64::from(client.id.unsigned_abs()).into(),
                pinned(details.pinned).into(),
                held.into(),
            ]);
            row
        })
        .collect()
}

fn servers(overview: &Overview) -> Vec<Row> {
    let (now, wall) = (Instant::now(), SystemTime::now());
    let ago = |at: Instant| wall.checked_sub(now.saturating_duration_since(at));
    let keys: Vec<_> = overview.pools.iter().collect();
    overview
        .servers()
        .map(|server: &ServerRow| {
            let key = keys
                .iter()
                .find(|row| Arc::ptr_eq(&row.pool, &server.pool))
                .map(|row| &row.key);
            let stale = server.pool.is_stale(server.opened);
            let mut row = vec![
                "S".into(),
                server.pool.address.user.as_str().into(),
                key.map(|key| key.database.as_str()).into(),
                "none".into(),
                if server.client.is_none() {
                    "idle"
                } else {
                    "active"
                }
                .into(),
            ];
            row.extend(place(server.peer));
            row.extend(place(server.local));
            row.extend([
                utc(ago(server.opened).unwrap_or(wall)).into(),
                utc(server.idle_since.and_then(ago).unwrap_or(wall)).into(),
                0_u64.into(),
                0_u64.into(),
                stale.into(),
                server_pointer(server.id).into(),
                server.client.map(client_pointer).unwrap_or_default().into(),
                u64::from(server.process.unsigned_abs()).into(),
                server.tls.clone().unwrap_or_default().into(),
                server.application.as_str().into(),
                server.prepared.0.into(),
                server.id.into(),
                key.map(|key| key.shard_name.as_str()).into(),
                key.map(|key| role_of(key.server)).into(),
            ]);
            row
        })
        .collect()
}

fn clients_of<'a>(
    overview: &'a Overview,
    is: impl Fn(&ClientRow) -> bool + 'a,
) -> impl Iterator<Item = &'a ClientRow> {
    overview
        .clients()
        .filter(move |client| !client.console && is(client))
}

fn databases(overview: &Overview, settings: &Settings, shared: &Shared) -> Vec<Row> {
    settings
        .databases
        .iter()
        .map(|known| {
            let name = known.topology.database.as_str();
            let only = match known.shards.as_slice() {
                [only] => Some(&only.primary),
                _ => None,
            };
            let role = known
                .shards
                .first()
                .map(|shard| shard.primary.user.as_str());
            let sum = Sum::of(overview.pools.iter().filter(|p| p.key.database == name));
            let gate = shared.gate(name);
            vec![
                name.into(),
                only.map(|at| at.host.as_str()).into(),
                only.map(|at| at.port).into(),
                only.map(|at| at.database.as_str()).into(),
                role.into(),
                known.pool.max_size.into(),
                known.pool.min_size.into(),
                0_u64.into(),
                known.pool.max_lifetime.as_secs().into(),
                mode(known.pool.mode).into(),
                Value::Null,
                0_u64.into(),
                sum.total.into(),
                0_u64.into(),
                clients_of(overview, |client| client.database == name)
                    .count()
                    .into(),
                gate.is_paused().into(),
                gate.is_disabled().into(),
                known.shards.len().into(),
            ]
        })
        .collect()
}

fn lists(overview: &Overview, settings: &Settings) -> Vec<Row> {
    let pools: BTreeSet<_> = overview
        .pools
        .iter()
        .map(|pool| (&pool.key.database, &pool.key.role))
        .collect();
    let servers = Sum::of(overview.pools.iter());
    let logging_in: usize = overview.workers.iter().map(|w| w.logging_in).sum();
    [
        ("databases", settings.databases.len()),
        ("users", settings.users.len()),
        ("peers", 0),
        ("pools", pools.len()),
        ("peer_pools", 0),
        // Memory of clients and servers that are gone is given back.
        ("free_clients", 0),
        ("used_clients", overview.clients().count()),
        ("login_clients", logging_in),
        ("free_servers", 0),
        ("used_servers", servers.total),
        // Names are resolved by the system, whenever a connection is opened.
        ("dns_names", 0),
        ("dns_zones", 0),
        ("dns_queries", 0),
        ("dns_pending", 0),
    ]
    .into_iter()
    .map(|(list, items)| vec![list.into(), items.into()])
    .collect()
}

fn users(overview: &Overview, settings: &Settings) -> Vec<Row> {
    settings
        .users
        .iter()
        .map(|user| {
            let clients = || clients_of(overview, |client| client.user == user.name);
            let servers: usize = clients()
                .filter_map(|client| Some(client.details.as_ref()?.servers.len()))
                .sum();
            vec![
                user.name.as_str().into(),
                user.pool.max_size.into(),
                Value::Null,
                user.pool.mode.map(mode).into(),
                0_u64.into(),
                servers.into(),
                0_u64.into(),
                clients().count().into(),
                user.admin.into(),
            ]
        })
        .collect()
}

fn memory(overview: &Overview) -> Vec<Row> {
    let plans = overview.workers.iter().map(|worker| worker.plans);
    let (entries, bytes) = plans.fold((0, 0), |(entries, bytes), plans| {
        (entries + plans.entries, bytes + plans.bytes)
    });
    let add = |all: (usize, usize), one: (usize, usize)| (all.0 + one.0, all.1 + one.1);
    let clients = overview
        .clients()
        .filter_map(|client| client.details.as_ref());
    let clients = clients.map(|client| client.prepared).fold((0, 0), add);
    let servers = overview
        .servers()
        .map(|server| server.prepared)
        .fold((0, 0), add);
    let counted = [
        ("plan_cache", (entries, bytes)),
        ("client_prepared_statements", clients),
        ("server_prepared_statements", servers),
    ];
    let row = |(name, (used, bytes)): (&'static str, (usize, usize))| {
        vec![
            name.into(),
            0_u64.into(),
            used.into(),
            0_u64.into(),
            bytes.into(),
        ]
    };
    let mut rows: Vec<Row> = counted.into_iter().map(row).collect();
    if let Some(resident) = crate::metrics::resident_memory() {
        rows.push(vec![
            "process_resident".into(),
            0_u64.into(),
            1_u64.into(),
            0_u64.into(),
            resident.into(),
        ]);
    }
    rows
}

fn plans(overview: &Overview) -> Vec<Row> {
    overview
        .workers
        .iter()
        .map(|worker| {
            let plans = worker.plans;
            vec![
                worker.worker.into(),
                plans.entries.into(),
                plans.bytes.into(),
                plans.limit.into(),
                plans.hits.into(),
                plans.misses.into(),
            ]
        })
        .collect()
}

fn prepared(overview: &Overview) -> Vec<Row> {
    let mut sums: BTreeMap<(&str, &str), (usize, usize, usize)> = BTreeMap::new();
    for client in overview.clients().filter(|client| !client.console) {
        let sum = sums.entry((&client.database, &client.role)).or_default();
        sum.0 += client.details.as_ref().map_or(0, |d| d.prepared.0);
    }
    for server in overview.servers() {
        let mut pools = overview.pools.iter();
        if let Some(row) = pools.find(|row| Arc::ptr_eq(&row.pool, &server.pool)) {
            let sum = sums.entry((&row.key.database, &row.key.role)).or_default();
            sum.1 += server.prepared.0;
            sum.2 += 1;
        }
    }
    sums.into_iter()
        .map(|((database, role), (clients, servers, connections))| {
            vec![
                database.into(),
                role.into(),
                clients.into(),
                servers.into(),
                connections.into(),
            ]
        })
        .collect()
}

/// A time as PostgreSQL writes it, in UTC.
pub(crate) fn utc(time: SystemTime) -> String {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Year, month and day of a number of days since 1970-01-01 (Howard Hinnant, "chrono-Compatible
/// Low-Level Date Algorithms", `civil_from_days`, for days that are not negative).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_calendar_times() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_893_456_000, "2030-01-01 00:00:00 UTC"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(utc(time), text);
        }
    }

    #[test]
    fn pins_are_told_in_words() {
        assert_eq!(pinned(0), None);
        assert_eq!(
            pinned(1 | 1 << 2).as_deref(),
            Some("temporary objects, listen")
        );
        let unread = pinned(crate::session::UNREAD);
        assert_eq!(unread.as_deref(), Some("statements that were not read"));
    }
}
