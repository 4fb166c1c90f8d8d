//! COPY FROM through Shunt over several shards beside a COPY into one server, in one run.
//!
//! Each round copies the same rows to both, in a random order, into empty tables without an index: the fastest that a
//! server can be, and so the hardest to keep up with. What counts is the ratio of medians within the run.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its figures"
)]

mod client;
#[path = "../side_by_side/process.rs"]
mod process;
mod rows;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Parser;
use local_postgres::Server;

use crate::client::Client;
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

/// Longest wait for the proxy to accept connections.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A proxy that ends with the bench.
struct Proxy {
    process: Child,
    address: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The process may be gone already; there is nothing to do about either failing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Proxy {
    fn start(shards: &[Server], binary: &Path, directory: &Path) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let user = shards[0].user();
        let mut text = format!(
            "[server]\nlisten = \"{address}\"\nworkers = 2\n\n[auth]\nmethod = \"trust\"\n\n[[users]]\nname = \"{user}\"\n\n\
             [[databases]]\nname = \"bench\"\n\n"
        );
        for (n, shard) in shards.iter().enumerate() {
            let url = shard.url("bench");
            text.push_str(&format!(
                "[[databases.shards]]\nname = \"s{n}\"\nprimary = \"{url}\"\n\n"
            ));
        }
        text.push_str(
            "[[databases.placements]]\nname = \"by_id\"\ntype = \"bigint\"\nstrategy = \"hash\"\n\n\
             [[databases.tables]]\nname = \"items\"\nkey = \"id\"\nplacement = \"by_id\"\n",
        );
        let config = directory.join("shunt.toml");
        std::fs::write(&config, text)?;
        let process = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting shunt")?;
        let proxy = Self { process, address };
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            anyhow::ensure!(Instant::now() < deadline, "shunt does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(proxy)
    }
}

/// Seconds of each copy, and the proxy's seconds of CPU.
#[derive(Default)]
struct Times {
    direct: Vec<f64>,
    shunt: Vec<f64>,
    cpu: Vec<f64>,
}

fn median(list: &mut [f64]) -> f64 {
    list.sort_by(f64::total_cmp);
    list[list.len() / 2]
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
    let proxy = Proxy::start(&shards, &arguments.shunt, directory.path())?;
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
