//! Reads of many rows over three shards: merged in order, and in many groups.
//!
//! Each round reads the same rows through Shunt in any order, in the order of a column, and grouped; what counts are the
//! ratio to the first within the run and the most memory that the proxy took.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its figures"
)]

use std::path::PathBuf;

use clap::Parser;
use local_postgres::Server;
use shunt_benches::client::Client;
use shunt_benches::sharded::Proxy;
use shunt_benches::{median, process};

/// Reads many rows through Shunt over shards: in any order, sorted, and grouped.
#[derive(Parser)]
#[command(name = "rows")]
struct Arguments {
    /// The `shunt` binary, built with --release
    #[arg(long, default_value = "target/release/shunt")]
    shunt: PathBuf,
    /// Rows of each shard
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Groups of the grouped read; each shard has rows of all
    #[arg(long, default_value_t = 1_000_000)]
    groups: u64,
    /// Rounds
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Shards
    #[arg(long, default_value_t = 3)]
    shards: u64,
}

/// A read, and how the table calls it.
struct Read {
    name: &'static str,
    sql: &'static str,
}

const COLUMNS: &str =
    "id bigint, k bigint, g bigint, name text, price numeric(10, 2), at timestamptz";

const READS: [Read; 5] = [
    Read {
        name: "any order",
        sql: "select id, k, name, price, at from items",
    },
    Read {
        name: "order by id, as stored",
        sql: "select id, k, name, price, at from items order by id",
    },
    Read {
        name: "order by k, at random",
        sql: "select id, k, name, price, at from items order by k",
    },
    Read {
        name: "order by price, id",
        sql: "select id, k, name, price, at from items order by price, id",
    },
    Read {
        name: "group by g",
        sql: "select g, count(*), sum(k) from items group by g",
    },
];

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let directory = tempfile::tempdir()?;
    let mut servers = Vec::new();
    for shard in 0..arguments.shards {
        let server = Server::builder()
            .database("bench")
            .set("shared_buffers", "256MB")
            .set("work_mem", "128MB")
            .set("max_wal_size", "4GB")
            .start()?;
        server.execute("bench", &format!("create table items ({COLUMNS})"))?;
        // Rows of a shard are those whose key leaves its number: in order, shards take turns.
        let fill = format!(
            "insert into items select {count} * i + {shard}, \
             hashint8extended(i, {shard}) & 9223372036854775807, (i * 7919) % {groups}, \
             'item number ' || i, (hashint8(i) & 99999) / 100.0, \
             timestamptz '2026-01-01' + i * interval '1 second' from generate_series(1::bigint, {rows}) i",
            count = arguments.shards,
            groups = arguments.groups,
            rows = arguments.rows,
        );
        server.execute("bench", &fill)?;
        server.execute("bench", "vacuum analyze items")?;
        server.execute("bench", "checkpoint")?;
        servers.push(server);
    }
    let settings = "scratch = \"s0\"\n";
    let proxy = Proxy::start(&servers, &arguments.shunt, directory.path(), settings)?;
    let mut client = Client::connect(proxy.address, servers[0].user(), "bench")?;
    // Catalog, plans and the servers' caches are not what is measured.
    for read in &READS {
        client.read(&format!("{} limit 1", read.sql))?;
    }
    client.read(READS[0].sql)?;
    let mut figures: Vec<[Vec<f64>; 3]> = READS.iter().map(|_| Default::default()).collect();
    let mut counts = [0; READS.len()];
    for round in 1..=arguments.rounds {
        for (at, read) in READS.iter().enumerate() {
            process::forget_peak(&proxy.process)?;
            let before = process::cpu_seconds(&proxy.process)?;
            let (rows, seconds) = client.read(read.sql)?;
            let used = process::cpu_seconds(&proxy.process)? - before;
            counts[at] = rows;
            let peak = process::peak(&proxy.process)?;
            for (list, figure) in figures[at].iter_mut().zip([seconds, used, peak]) {
                list.push(figure);
            }
        }
        eprintln!("round {round} of {} done", arguments.rounds);
    }
    println!(
        "| read over {} shards of {} rows | rows | seconds | ratio | proxy CPU, ns/row | proxy's peak, MB |",
        arguments.shards, arguments.rows
    );
    println!("|---|---|---|---|---|---|");
    let plain = median(&mut figures[0][0]);
    for ((read, rows), [seconds, used, peak]) in READS.iter().zip(counts).zip(&mut figures) {
        println!(
            "| {} | {rows} | {:.2} | {:.2} | {:.0} | {:.1} |",
            read.name,
            median(seconds),
            median(seconds) / plain,
            median(used) / rows as f64 * 1e9,
            median(peak) / 1e6,
        );
    }
    Ok(())
}
