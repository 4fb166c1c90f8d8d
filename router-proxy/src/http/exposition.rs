//! `/metrics`: Prometheus's text format, version 0.0.4.
//!
//! Labels are names of the configuration, roles, states and SQLSTATEs: nothing
//! that a client can make up, and no SQL.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use router_core::availability::State;

use crate::freshness;
use crate::server::health::{Health, role_of};
use crate::snapshot::{Doing, Overview, PoolRow};
use crate::stats::WAIT_BOUNDS;
use crate::twophase::log::Counts;
use crate::worker::Shared;

/// One family of numbers while it is written.
struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl<'a> Family<'a> {
    fn new(text: &'a mut String, name: &'static str, kind: &str, help: &str) -> Self {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Self { text, name }
    }

    fn put(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) -> &mut Self {
        self.put_as("", labels, value)
    }

    fn put_as(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) -> &mut Self {
        let _ = write!(self.text, "{}{suffix}", self.name);
        for (at, (label, text)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            let _ = write!(self.text, "{label}=\"");
            for c in text.chars() {
                match c {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    c => self.text.push(c),
                }
            }
            self.text.push('"');
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }
}

/// Microseconds as seconds.
fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// The whole text.
pub fn text(overview: &Overview, shared: &Shared) -> String {
    let mut text = String::with_capacity(8 << 10);
    process(&mut text, shared);
    clients(&mut text, overview);
    pools(&mut text, overview);
    databases(&mut text, overview, shared);
    shards(&mut text, overview);
    servers(&mut text, shared);
    replicas(&mut text, shared);
    plans(&mut text, overview);
    second_reader(&mut text, shared);
    two_phase(&mut text, shared);
    text
}

fn two_phase(text: &mut String, shared: &Shared) {
    type Of = fn(&Counts) -> &AtomicU64;
    let families: [(&'static str, &str, &str, Of); 7] = [
        (
            "shunt_twophase_commits_total",
            "counter",
            "Transactions committed on several shards in two phases.",
            |c| &c.committed,
        ),
        (
            "shunt_twophase_rollbacks_total",
            "counter",
            "Transactions over several shards that failed at their commit.",
            |c| &c.rolled_back,
        ),
        (
            "shunt_twophase_left_total",
            "counter",
            "Commits over several shards that were left to recovery.",
            |c| &c.left,
        ),
        (
            "shunt_twophase_recovered_commits_total",
            "counter",
            "Prepared parts that recovery has committed.",
            |c| &c.recovered_commits,
        ),
        (
            "shunt_twophase_recovered_rollbacks_total",
            "counter",
            "Prepared parts that recovery has rolled back.",
            |c| &c.recovered_rollbacks,
        ),
        (
            "shunt_twophase_failed_looks_total",
            "counter",
            "Looks for prepared transactions that met an error.",
            |c| &c.failed_looks,
        ),
        (
            "shunt_twophase_in_doubt",
            "gauge",
            "Prepared parts that the last look could not finish.",
            |c| &c.in_doubt,
        ),
    ];
    let live = shared.live.load();
    for (name, kind, help, of) in families {
        let mut family = Family::new(text, name, kind, help);
        let databases = live.settings.databases.iter();
        for database in databases.filter(|database| database.topology.is_sharded()) {
            let log = &shared.two_phase(database).log;
            let count = of(&log.counts).load(Ordering::Relaxed);
            family.put(&[("database", &database.topology.database)], count);
        }
    }
}

fn process(text: &mut String, shared: &Shared) {
    Family::new(text, "shunt_build_info", "gauge", "The version.")
        .put(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    Family::new(
        text,
        "shunt_uptime_seconds",
        "gauge",
        "Time since the start.",
    )
    .put(
        &[],
        format!("{:.3}", shared.started.elapsed().as_secs_f64()),
    );
    Family::new(text, "shunt_workers", "gauge", "Worker threads.").put(&[], shared.workers);
    Family::new(
        text,
        "shunt_reloads_total",
        "counter",
        "Reloads that changed something.",
    )
    .put(&[], shared.settings().generation);
    if let Some(bytes) = crate::metrics::resident_memory() {
        Family::new(
            text,
            "shunt_resident_memory_bytes",
            "gauge",
            "Memory that the process holds.",
        )
        .put(&[], bytes);
    }
    let connections = shared.clients.load(Ordering::Relaxed);
    Family::new(
        text,
        "shunt_client_connections",
        "gauge",
        "Connections of clients, those that are logging in included.",
    )
    .put(&[], connections);
    let most = shared.settings().settings.max_clients;
    Family::new(
        text,
        "shunt_client_connections_max",
        "gauge",
        "The limit max_clients.",
    )
    .put(&[], most);
    let sum = |of: fn(&crate::worker::Counters) -> u64| shared.counters.iter().map(of).sum::<u64>();
    Family::new(
        text,
        "shunt_logins_total",
        "counter",
        "Clients that logged in.",
    )
    .put(&[], sum(|counters| counters.logins.load(Ordering::Relaxed)));
}

fn clients(text: &mut String, overview: &Overview) {
    let mut counts = std::collections::BTreeMap::new();
    for client in overview.clients().filter(|client| !client.console) {
        let state = match client.doing {
            Doing::Idle => "idle",
            Doing::IdleInTransaction => "idle_in_transaction",
            Doing::Waiting => "waiting",
            Doing::Active => "active",
        };
        *counts.entry((client.database.as_str(), state)).or_insert(0) += 1;
    }
    let mut family = Family::new(
        text,
        "shunt_clients",
        "gauge",
        "Clients, by what they are at.",
    );
    for name in overview.databases.keys() {
        for state in ["active", "idle", "idle_in_transaction", "waiting"] {
            let count = counts.get(&(name.as_str(), state)).copied().unwrap_or(0);
            family.put(&[("database", name), ("state", state)], count);
        }
    }
}

fn pools(text: &mut String, overview: &Overview) {
    let labels = |row: &PoolRow| {
        (
            row.key.database.clone(),
            row.key.shard_name.clone(),
            role_of(row.key.server),
            row.key.role.clone(),
        )
    };
    let mut family = Family::new(
        text,
        "shunt_server_connections",
        "gauge",
        "Connections to servers, by state.",
    );
    for row in &overview.pools {
        let (database, shard, server, role) = labels(row);
        for (state, count) in [
            ("active", row.active()),
            ("idle", row.idle),
            ("opening", row.opening),
        ] {
            let labels = [
                ("database", database.as_str()),
                ("shard", &shard),
                ("server", &server),
                ("user", &role),
                ("state", state),
            ];
            family.put(&labels, count);
        }
    }
    let mut numbers = |name, help, of: &dyn Fn(&PoolRow) -> usize| {
        let mut family = Family::new(text, name, "gauge", help);
        for row in &overview.pools {
            let (database, shard, server, role) = labels(row);
            let labels = [
                ("database", database.as_str()),
                ("shard", &shard),
                ("server", &server),
                ("user", &role),
            ];
            family.put(&labels, of(row));
        }
    };
    numbers(
        "shunt_pool_size_max",
        "Most connections of a pool.",
        &|row| row.pool.settings().max_size,
    );
    numbers(
        "shunt_pool_queue_length",
        "Clients in the queue of a pool.",
        &|row| row.waiting,
    );
}

fn databases(text: &mut String, overview: &Overview, shared: &Shared) {
    type Of = fn(&crate::stats::DatabaseNumbers) -> f64;
    let families: [(&'static str, &str, Of); 11] = [
        ("shunt_queries_total", "Queries answered.", |n| {
            n.queries as f64
        }),
        ("shunt_transactions_total", "Transactions ended.", |n| {
            n.transactions as f64
        }),
        ("shunt_received_bytes_total", "Bytes from clients.", |n| {
            n.received as f64
        }),
        ("shunt_sent_bytes_total", "Bytes to clients.", |n| {
            n.sent as f64
        }),
        (
            "shunt_server_assignments_total",
            "Connections given to clients.",
            |n| n.assigned as f64,
        ),
        (
            "shunt_query_seconds_total",
            "Time with a query under way.",
            |n| seconds(n.query_time),
        ),
        (
            "shunt_transaction_seconds_total",
            "Time in transactions.",
            |n| seconds(n.transaction_time),
        ),
        (
            "shunt_client_logins_total",
            "Clients that logged in to a database.",
            |n| n.logins as f64,
        ),
        (
            "shunt_client_parses_total",
            "Parse messages from clients.",
            |n| n.client_parses as f64,
        ),
        (
            "shunt_server_parses_total",
            "Parse messages to servers.",
            |n| n.server_parses as f64,
        ),
        ("shunt_binds_total", "Bind messages from clients.", |n| {
            n.binds as f64
        }),
    ];
    for (name, help, of) in families {
        let mut family = Family::new(text, name, "counter", help);
        for (database, copy) in &overview.databases {
            family.put(&[("database", database)], of(&copy.numbers));
        }
    }
    let mut family = Family::new(
        text,
        "shunt_refusals_total",
        "counter",
        "Errors that the proxy raised itself, by SQLSTATE.",
    );
    for (database, copy) in &overview.databases {
        for (state, count) in &copy.refusals {
            family.put(
                &[("database", database), ("sqlstate", state.as_str())],
                count,
            );
        }
    }
    let mut family = Family::new(
        text,
        "shunt_pool_wait_seconds",
        "histogram",
        "How long clients waited for a server connection.",
    );
    for (database, copy) in &overview.databases {
        let mut sum = 0;
        for (at, count) in copy.waits.iter().enumerate() {
            sum += count;
            let bound = match WAIT_BOUNDS.get(at) {
                Some(bound) => seconds(*bound).to_string(),
                None => "+Inf".to_owned(),
            };
            family.put_as("_bucket", &[("database", database), ("le", &bound)], sum);
        }
        let waited = seconds(copy.numbers.wait_time);
        family.put_as("_sum", &[("database", database)], waited);
        family.put_as("_count", &[("database", database)], sum);
    }
    let mut family = Family::new(
        text,
        "shunt_database_paused",
        "gauge",
        "1: new transactions wait.",
    );
    for name in overview.databases.keys() {
        family.put(
            &[("database", name)],
            u8::from(shared.gate(name).is_paused()),
        );
    }
}

fn shards(text: &mut String, overview: &Overview) {
    type Of = fn(&crate::stats::ShardNumbers) -> u64;
    let families: [(&'static str, &str, Of); 5] = [
        (
            "shunt_shard_queries_total",
            "Queries that a shard answered.",
            |n| n.queries,
        ),
        (
            "shunt_shard_transactions_total",
            "Transactions that ended on a shard.",
            |n| n.transactions,
        ),
        (
            "shunt_shard_errors_total",
            "Errors that a shard reported.",
            |n| n.errors,
        ),
        (
            "shunt_shard_received_bytes_total",
            "Bytes from a shard's servers.",
            |n| n.received,
        ),
        (
            "shunt_shard_sent_bytes_total",
            "Bytes to a shard's servers.",
            |n| n.sent,
        ),
    ];
    for (name, help, of) in families {
        let mut family = Family::new(text, name, "counter", help);
        for (database, copy) in &overview.databases {
            for (shard, numbers) in &copy.shards {
                family.put(&[("database", database), ("shard", shard)], of(numbers));
            }
        }
    }
}

/// Of a server that nobody has tried to connect to it is not known whether it is up.
fn servers(text: &mut String, shared: &Shared) {
    let live = shared.live.load();
    let mut all = Vec::new();
    for database in &live.settings.databases {
        let name = database.topology.database.as_str();
        for (shard, server, health, _) in shared.servers_of(database) {
            all.push((name, shard, role_of(server), health.look()));
        }
    }
    let mut family = |name, kind, help, of: fn(&Health) -> Option<u64>| {
        let mut family = Family::new(text, name, kind, help);
        for (database, shard, server, health) in &all {
            if let Some(number) = of(health) {
                let labels = [
                    ("database", *database),
                    ("shard", shard),
                    ("server", server),
                ];
                family.put(&labels, number);
            }
        }
    };
    family(
        "shunt_server_up",
        "gauge",
        "1: the server lets the proxy in; 0: the last attempt to connect failed.",
        |health| match health.state {
            State::Unknown => None,
            State::Up => Some(1),
            State::Down => Some(0),
        },
    );
    family(
        "shunt_server_connect_failures_total",
        "counter",
        "Attempts to connect to a server that failed.",
        |health| Some(health.failures),
    );
}

/// Where it matters to reads how far replicas are, and they have answered.
fn replicas(text: &mut String, shared: &Shared) {
    let live = shared.live.load();
    let mut all = Vec::new();
    for database in &live.settings.databases {
        if !freshness::rules(&database.reads).look() {
            continue;
        }
        let known = shared.freshness(database);
        let shards = database.topology.shards.iter().zip(&database.shards);
        for (number, (shard, servers)) in shards.enumerate() {
            for replica in 0..servers.replicas.len() {
                if let Some(lag) = known.lag(number, replica) {
                    let name = database.topology.database.as_str();
                    all.push((name, shard.name.as_str(), role_of(replica + 1), lag));
                }
            }
        }
    }
    let mut family = |name, help, of: fn(&(Duration, u64)) -> f64| {
        let mut family = Family::new(text, name, "gauge", help);
        for (database, shard, server, lag) in &all {
            let labels = [
                ("database", *database),
                ("shard", shard),
                ("server", server),
            ];
            family.put(&labels, of(lag));
        }
    };
    family(
        "shunt_replica_lag_seconds",
        "Age of the moment up to which a replica has everything.",
        |(age, _)| age.as_secs_f64(),
    );
    family(
        "shunt_replica_lag_bytes",
        "Bytes of WAL that a replica had yet to replay when it was asked.",
        |(_, bytes)| *bytes as f64,
    );
}

/// Only where there is one.
fn second_reader(text: &mut String, shared: &Shared) {
    let Some(reader) = shared.second_reader.get() else {
        return;
    };
    let numbers = reader.numbers();
    let help = "Statements that the second reader has read: new shapes, each once.";
    Family::new(
        text,
        "shunt_second_reader_statements_total",
        "counter",
        help,
    )
    .put(&[], numbers.read);
    let help = "Statements that the two readers read differently.";
    Family::new(
        text,
        "shunt_second_reader_differences_total",
        "counter",
        help,
    )
    .put(&[], numbers.different);
    let help = "Statements that were too long for the second reader.";
    Family::new(
        text,
        "shunt_second_reader_passed_over_total",
        "counter",
        help,
    )
    .put(&[], numbers.passed_over);
    let help = "Time that the second reader has taken, in microseconds.";
    Family::new(
        text,
        "shunt_second_reader_microseconds_total",
        "counter",
        help,
    )
    .put(&[], numbers.micros);
}

fn plans(text: &mut String, overview: &Overview) {
    let plans = || overview.workers.iter().map(|worker| worker.plans);
    let hits: u64 = plans().map(|plans| plans.hits).sum();
    let misses: u64 = plans().map(|plans| plans.misses).sum();
    let entries: usize = plans().map(|plans| plans.entries).sum();
    let bytes: usize = plans().map(|plans| plans.bytes).sum();
    let help = "Statements whose plan was in a worker's cache.";
    Family::new(text, "shunt_plan_cache_hits_total", "counter", help).put(&[], hits);
    let help = "Statements that were planned anew.";
    Family::new(text, "shunt_plan_cache_misses_total", "counter", help).put(&[], misses);
    let help = "Entries of the workers' plan caches.";
    Family::new(text, "shunt_plan_cache_entries", "gauge", help).put(&[], entries);
    let help = "Memory of the workers' plan caches.";
    Family::new(text, "shunt_plan_cache_bytes", "gauge", help).put(&[], bytes);
}
