//! Conversations in frames by hand: `cargo run -p shunt-tests --bin conversations -- --seed 1 --n 1000`.

#![allow(clippy::print_stdout, reason = "a bench prints its report")]

use std::process::ExitCode;

use clap::Parser;
use shunt_tests::conversation::{bed::Bed, generate};

/// Holds generated conversations with PostgreSQL and through Shunt, and compares the answers.
#[derive(Parser)]
#[command(name = "conversations")]
struct Arguments {
    /// Seed of the first; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many
    #[arg(long, default_value_t = 1000)]
    n: u64,
    /// Messages of each, about
    #[arg(long, default_value_t = 30)]
    length: usize,
    /// Stop after so many differences
    #[arg(long, default_value_t = 10)]
    most: usize,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let bed = Bed::start()?;
    let mut found = 0;
    for seed in arguments.seed..arguments.seed + arguments.n {
        for difference in bed.compare(&generate(seed, arguments.length))? {
            found += 1;
            println!("seed {seed}: {}", bed.smaller(difference)?);
        }
        if found >= arguments.most {
            break;
        }
    }
    if found > 0 {
        println!("{found} conversations went differently");
        return Ok(ExitCode::FAILURE);
    }
    println!("{} conversations, all the same", arguments.n);
    Ok(ExitCode::SUCCESS)
}
