//! COPY FROM through Shunt over several shards beside a COPY into one server, in one run.
//!
//! Each round copies the same rows to both, in a random order, into empty tables without an index: the fastest that a
//! server can be, and so the hardest to keep up with. What counts is the ratio of medians within the run.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its figures"
)]

mod rows;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use local_postgres::Server;
use shunt_benches::client::Client;
use shunt_benches::sharded::Proxy;
use shunt_benches::{median, process};

use crate::rows::Format;

/// Compares COPY FROM over shards with COPY FROM into one server, in one run.
#[derive(Parser)]
#[command(name = "copy")]
struct Arguments {
    /// The `shunt` binary, built with --release
    #[arg(long, default_value = "target/release/shunt")]
    shunt: PathBuf,
    /// Rows of each copy
    #[arg(long, default_value_t = 1_000_000)]
    rows: u64,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Shards
    #[arg(long, default_value_t = 3)]
    shards: usize,
    /// Formats
    #[arg(long, value_delimiter = ',', default_value = "text,csv,binary")]
    formats: Vec<Format>,
    /// Seed of rows and order
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

const TABLE: &str =
    "create table items (id bigint, name text, price numeric(10, 2), at timestamptz)";

/// Seconds of each copy, and the proxy's seconds of CPU.
#[derive(Default)]
struct Times {
    direct: Vec<f64>,
    shunt: Vec<f64>,
    cpu: Vec<f64>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let directory = tempfile::tempdir()?;
    let start = || -> anyhow::Result<Server> {
        let server = Server::builder()
            .database("bench")
            .set("shared_buffers", "128MB")
            .set("max_wal_size", "4GB")
            .start()?;
        server.execute("bench", TABLE)?;
        Ok(server)
    };
    let plain = start()?;
    let shards: Vec<Server> = (0..arguments.shards)
        .map(|_| start())
        .collect::<Result<_, _>>()?;
    let proxy = Proxy::start(&shards, &arguments.shunt, directory.path(), "")?;
    let direct = SocketAddr::from(([127, 0, 0, 1], plain.port()));
    println!(
        "{:<8} {:>14} {:>14} {:>8} {:>20}",
        "format", "direct rows/s", "shunt rows/s", "ratio", "proxy CPU, ns/row"
    );
    for format in &arguments.formats {
        let stream = rows::stream(*format, arguments.rows, arguments.seed);
        let sql = format!("copy items from stdin ({})", format.options());
        let mut times = Times::default();
        for round in 0..arguments.rounds {
            for turn in 0..2 {
                plain.execute("bench", "truncate items; checkpoint")?;
                for shard in &shards {
                    shard.execute("bench", "truncate items; checkpoint")?;
                }
                if (round + turn) % 2 == 0 {
                    let mut client = Client::connect(direct, plain.user(), "bench")?;
                    times
                        .direct
                        .push(client.copy(&sql, &stream, arguments.rows)?);
                } else {
                    let mut client = Client::connect(proxy.address, plain.user(), "bench")?;
                    let before = process::cpu_seconds(&proxy.process)?;
                    times
                        .shunt
                        .push(client.copy(&sql, &stream, arguments.rows)?);
                    let used = process::cpu_seconds(&proxy.process)? - before;
                    times.cpu.push(used);
                }
            }
            eprintln!("{format}: round {} of {} done", round + 1, arguments.rounds);
        }
        let rows = arguments.rows as f64;
        let (direct, shunt) = (
            rows / median(&mut times.direct),
            rows / median(&mut times.shunt),
        );
        println!(
            "{:<8} {direct:>14.0} {shunt:>14.0} {:>8.2} {:>20.0}",
            format.to_string(),
            shunt / direct,
            median(&mut times.cpu) / rows * 1e9,
        );
    }
    let memory = process::memory(&proxy.process)? / 1e6;
    println!("the proxy holds {memory:.1} MB afterwards");
    Ok(())
}
