//! The side-by-side load bench: a direct connection, PgBouncer and Shunt in one run.
//!
//! Machines are noisy, so nothing here is an absolute figure: every round runs
//! all contenders in a fresh random order, and what counts is the ratio of
//! medians within the run. CPU is read from `/proc/PID/stat` of the proxy's
//! process around each measurement, memory from `/proc/PID/status`.
//!
//! | module | owns |
//! |---|---|
//! | `contender` | who is measured: start, address, process |
//! | `load` | one measurement: pgbench's figures and the proxy's CPU |
//! | `idle` | memory per idle client, and latency beside many of them |
//! | `table` | what is printed |

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench prints its figures"
)]

mod contender;
mod idle;
mod load;
mod table;

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use local_postgres::Server;

use crate::contender::{Contender, DATABASES};
use crate::load::{Load, Mode};

/// Compares a direct connection, PgBouncer and Shunt under pgbench -S, in one run.
#[derive(Parser)]
#[command(name = "side-by-side")]
struct Arguments {
    /// The `shunt` binary, built with --release
    #[arg(long, default_value = "target/release/shunt")]
    shunt: PathBuf,
    /// Rounds; each runs every contender once per load, in random order
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds per measurement
    #[arg(long, default_value_t = 4)]
    seconds: u32,
    /// Client counts
    #[arg(long, value_delimiter = ',', default_value = "1,16,200")]
    clients: Vec<u32>,
    /// Protocol modes of pgbench
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "simple,extended,prepared"
    )]
    modes: Vec<Mode>,
    /// Idle clients for the memory figure; 0 leaves it out
    #[arg(long, default_value_t = 2000)]
    idle: usize,
    /// Idle clients beside which the latency of 20 active ones is measured; 0 leaves it out
    #[arg(long, default_value_t = 5000)]
    crowd: usize,
    /// Leaves out the runs over TLS
    #[arg(long)]
    no_tls: bool,
    /// Seed of the order
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let directory = tempfile::tempdir()?;
    // A direct connection's sessions end some time after their clients have left, while the next ones come.
    let most = arguments.clients.iter().max().copied().unwrap_or(1);
    let connections = (4 * most + 200).to_string();
    let server = DATABASES
        .iter()
        .fold(Server::builder(), |builder, name| builder.database(name))
        .set("max_connections", &connections)
        .set("shared_buffers", "128MB")
        .start()?;
    load::initialise(&server)?;
    let contenders = Contender::start_all(&server, &arguments.shunt, directory.path())?;
    let ways: &[bool] = if arguments.no_tls {
        &[false]
    } else {
        &[false, true]
    };
    let mut loads = Vec::new();
    for &tls in ways {
        for &mode in &arguments.modes {
            loads.extend(
                arguments
                    .clients
                    .iter()
                    .map(|&clients| Load { mode, clients, tls }),
            );
        }
    }
    let mut seed = arguments.seed;
    let mut results = table::Results::default();
    for round in 1..=arguments.rounds {
        for load in &loads {
            for index in shuffled(contenders.len(), &mut seed) {
                let contender = &contenders[index];
                if !load.fits(contender) {
                    continue;
                }
                let figures = load
                    .run(&server, contender, arguments.seconds)
                    .with_context(|| format!("{} under {load}", contender.name))?;
                results.add(*load, contender.name, figures);
            }
        }
        eprintln!("round {round} of {} done", arguments.rounds);
    }
    println!("{results}");
    if arguments.idle > 0 {
        for contender in contenders.iter().filter(|c| c.process.is_some()) {
            let bytes = idle::bytes_per_client(contender, arguments.idle)?;
            println!(
                "{:<16} {:>7.2} kB of memory per idle client ({} clients)",
                contender.name,
                bytes / 1024.0,
                arguments.idle
            );
        }
    }
    if arguments.crowd > 0 {
        for contender in contenders.iter().filter(|c| c.process.is_some()) {
            let (rounds, seconds) = (arguments.rounds, arguments.seconds);
            let (alone, beside) =
                idle::latency_beside(&server, contender, arguments.crowd, rounds, seconds)?;
            println!(
                "{:<16} latency of 20 clients {alone:.2} ms, beside {} idle ones {beside:.2} ms ({:.2})",
                contender.name,
                arguments.crowd,
                beside / alone
            );
        }
    }
    Ok(())
}

/// Fisher-Yates by a linear congruential generator: the order need not be unpredictable, only mixed.
fn shuffled(n: usize, seed: &mut u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        *seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        order.swap(i, (*seed >> 33) as usize % (i + 1));
    }
    order
}
