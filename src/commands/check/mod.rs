//! `shunt check`: is the configuration right, and what does it come to?
//!
//! | file | owns |
//! |---|---|
//! | `mod` | the file alone |
//! | [`connect`] | `--connect`: all servers asked at once, and the report |
//! | `ask` | what one server says |
//! | `judge` | what that means for the topology |

use std::io::Write as _;
use std::time::SystemTime;

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use router_proxy::live::Live;
use router_proxy::settings::{Database, Settings};
use serde_json::{Value, json};

use super::serve::bind;
use super::{ConfigFile, Failure};
use crate::config;
use crate::config::summary::{homes, listener, server};

mod ask;
pub mod connect;
mod judge;

/// What `check` may be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shunt check --config shunt.toml\n  shunt check --config shunt.toml --connect"
)]
pub struct Options {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Also ask every server whether it is what the configuration says.
    #[arg(long)]
    pub connect: bool,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// Runs `shunt check`.
pub fn run(options: &Options) -> Result<(), Failure> {
    let settings = match config::load(&options.file.config) {
        Ok(settings) => settings,
        Err(problems) if options.json => {
            print(&problems_json(&problems))?;
            return Err(Failure::Config(problems));
        }
        Err(problems) => return Err(Failure::Config(problems)),
    };
    // The files that it names have to fit each other, or serve would not begin.
    let live = match Live::new(settings.clone(), 0) {
        Ok(live) => live,
        Err(error) => return Err(bind::failure(&error.into(), &settings)),
    };
    let nobody = settings.lets_nobody_in().then(|| NOBODY.to_owned());
    let expiry = live.warning(SystemTime::now());
    let warnings: Vec<String> = nobody.into_iter().chain(expiry).collect();
    if options.connect {
        return run_connect(&settings, options.json);
    }
    let summary = if options.json {
        summary_json(&settings, &warnings)
    } else {
        summary(&settings, &warnings)
    };
    print(&summary)
}

fn run_connect(settings: &Settings, as_json: bool) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed {
            what: format!("cannot start: {error}"),
            hint: "look at the limits of this process (ulimit -a)".to_owned(),
        })?;
    let report = runtime.block_on(connect::connect(settings));
    let text = if as_json {
        report.json().to_string()
    } else {
        report.text()
    };
    print(&text)?;
    if report.failed() {
        return Err(Failure::Printed);
    }
    Ok(())
}

fn print(text: &str) -> Result<(), Failure> {
    writeln!(anstream::stdout(), "{}", text.trim_end()).map_err(Failure::output)
}

fn problems_json(problems: &config::Problems) -> String {
    let list: Vec<Value> = problems
        .list
        .iter()
        .map(|p| {
            json!({ "line": p.line, "column": p.column, "key": p.key, "error": p.what, "hint": p.hint })
        })
        .collect();
    json!({ "file": problems.file.display().to_string(), "problems": list }).to_string()
}

/// What there is to say of settings by which nobody can log in.
pub const NOBODY: &str = "nobody can log in: passwords are asked for, and none is known. \
                          hint: add [[users]] with a password, or auth.auth_query, or set auth.method";

fn listeners(settings: &Settings) -> Vec<String> {
    settings.listen.iter().map(listener).collect()
}

fn summary(settings: &Settings, warnings: &[String]) -> String {
    let mut out = format!(
        "ok: shunt serve will listen on {}\n",
        listeners(settings).join(", ")
    );
    for warning in warnings {
        out.push_str(&format!("warning: {warning}\n"));
    }
    for database in &settings.databases {
        let topology = &database.topology;
        out.push_str(&format!("\ndatabase {}\n", topology.database));
        let mut shards = Table::new();
        shards
            .load_preset(NOTHING)
            .set_header(["shard", "primary", "replicas"]);
        for (shard, primary, replicas) in servers(database) {
            shards.add_row([shard, primary, replicas.join(", ")]);
        }
        let mut tables = Table::new();
        tables.load_preset(NOTHING).set_header(["table", "lives"]);
        for (name, home) in homes(topology) {
            tables.add_row([name, home]);
        }
        if let Some(shard) = topology.default_shard {
            let home = format!("whole on shard {}", topology.shard(shard).name);
            tables.add_row(["every other table".to_owned(), home]);
        }
        out.push_str(&format!("{shards}\n\n{tables}\n"));
    }
    out
}

fn summary_json(settings: &Settings, warnings: &[String]) -> String {
    let databases: Vec<Value> = settings
        .databases
        .iter()
        .map(|database| {
            let topology = &database.topology;
            let shards: Vec<Value> = servers(database)
                .into_iter()
                .map(|(name, primary, replicas)| {
                    json!({ "name": name, "primary": primary, "replicas": replicas })
                })
                .collect();
            let placements: Vec<&str> =
                topology.placements.iter().map(|p| p.name.as_str()).collect();
            let tables: Vec<Value> = homes(topology)
                .into_iter()
                .map(|(name, lives)| json!({ "name": name, "lives": lives }))
                .collect();
            json!({ "name": topology.database, "shards": shards, "placements": placements, "tables": tables })
        })
        .collect();
    json!({ "listen": listeners(settings), "warnings": warnings, "databases": databases })
        .to_string()
}

/// Name, primary and replicas of each shard.
fn servers(database: &Database) -> Vec<(String, String, Vec<String>)> {
    std::iter::zip(&database.topology.shards, &database.shards)
        .map(|(shard, servers)| {
            let replicas = servers.replicas.iter().map(|r| server(&r.address));
            (
                shard.name.clone(),
                server(&servers.primary),
                replicas.collect(),
            )
        })
        .collect()
}
