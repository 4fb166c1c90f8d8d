//! The differential bench by hand: `./dev differential SEED=… N=…`.

#![allow(clippy::print_stdout, reason = "a bench prints its report")]

use clap::Parser;
use shunt_tests::differential::{Protocol, changes, corpus, generated, run, world};

/// Asks each request of one plain PostgreSQL and of Shunt over shards, and compares.
#[derive(Parser)]
#[command(name = "differential")]
struct Arguments {
    /// Shard counts, one run each
    #[arg(long, value_delimiter = ',', default_value = "1,2,3")]
    shards: Vec<usize>,
    /// Generated statements per run
    #[arg(long, default_value_t = 1000)]
    n: usize,
    /// Generated changes of rows per run; the tables are compared after each
    #[arg(long, default_value_t = 0)]
    writes: usize,
    /// Seed of the generator
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print every refusal
    #[arg(long)]
    refusals: bool,
    /// Only over the simple protocol
    #[arg(long)]
    simple: bool,
    /// How users and what belongs to them are spread, one run each
    #[arg(long, value_delimiter = ',', default_value = "hash")]
    strategy: Vec<world::Strategy>,
    /// The databases' ICU locale instead of C
    #[arg(long)]
    icu: Option<String>,
    /// Without a scratch server
    #[arg(long)]
    no_scratch: bool,
    /// Without the corpus
    #[arg(long)]
    no_corpus: bool,
    /// Only requests whose place or text contains this
    #[arg(long)]
    only: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let mut cases = corpus::read(&world::directory().join("corpus"))?;
    if let Some(only) = &arguments.only {
        cases.retain(|c| c.place.contains(only.as_str()) || c.sql.contains(only.as_str()));
    }
    let protocols = match arguments.simple {
        true => &Protocol::ALL[..1],
        false => &Protocol::ALL[..],
    };
    let mut faults = 0;
    if arguments.no_corpus {
        cases.clear();
    }
    let settings = arguments.shards.iter().flat_map(|&shards| {
        let each = arguments.strategy.iter();
        each.map(move |&strategy| (shards, strategy))
    });
    for (shards, strategy) in settings {
        let mut world = world::World::with(&world::Setting {
            shards,
            strategy,
            scratch: !arguments.no_scratch,
            locale: arguments.icu.clone(),
        })?;
        let mut report = run(&mut world, &cases, protocols)?;
        if arguments.only.is_none() {
            generated(&world, arguments.seed, arguments.n, protocols, &mut report)?;
            changes(
                &mut world,
                arguments.seed,
                arguments.writes,
                protocols,
                &mut report,
            )?;
        }
        let (equal, all) = report.answered();
        println!(
            "over {shards} shards, {strategy:?}: {equal} of {all} requests answered as PostgreSQL answers\n{report}"
        );
        if arguments.refusals {
            for refusal in &report.refused {
                println!("{refusal}");
            }
        }
        faults += report.faults.len();
    }
    anyhow::ensure!(faults == 0, "{faults} wrong or broken answers");
    Ok(())
}
