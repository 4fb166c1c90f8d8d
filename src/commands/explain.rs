//! `shunt explain`: the plan of SQL, by the configuration alone or by what the servers have, too. Nothing is run.

use std::io::{Read as _, Write as _};

use clap::Args;
use router_core::plan::print::Summary;
use router_core::plan::{Analysis, Context, Direction, Planner};
use router_proxy::settings::Database;
use serde_json::json;

use super::known::Known;
use super::{ConfigFile, Failure};
use crate::config;

/// What `explain` may be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  shunt explain \"SELECT * FROM users WHERE id = 42\"\n  shunt explain --connect \"SELECT count(*) FROM users\"\n  shunt explain --json --database shop < statements.sql"
)]
pub struct Options {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// The database, when the configuration has several.
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Plan as the proxy does, by the columns, types, views and functions that the servers have. Nothing is run there. Without it
    /// these are not known, and some statements are refused or gathered here that the proxy answers better.
    #[arg(long)]
    pub connect: bool,
    /// Print one JSON object per statement.
    #[arg(long)]
    pub json: bool,
    /// The statements; without it they are read from standard input.
    #[arg(value_name = "SQL")]
    pub sql: Option<String>,
}

/// Plans are made once here, so the cache need not be large.
const CACHE_BYTES: usize = 1 << 20;

/// Runs `shunt explain`.
pub fn run(options: &Options) -> Result<(), Failure> {
    let settings = config::load(&options.file.config)?;
    let database = choose(&settings.databases, options.database.as_deref())?;
    let topology = &*database.topology;
    let sql = match &options.sql {
        Some(sql) => sql.clone(),
        None => standard_input()?,
    };
    if sql.trim().is_empty() {
        return Err(nothing());
    }
    let known = Known::of(database, options.connect)?;
    let context = Context::new(topology, &known.catalog, &known.search_path);
    let mut analysis = Analysis::new();
    Planner::new(CACHE_BYTES).analyze(&sql, &context, &mut analysis);
    if analysis.statements().is_empty() {
        return Err(nothing());
    }
    let mut out = anstream::stdout();
    for (i, planned) in analysis.statements().iter().enumerate() {
        let values = analysis.values(planned, &sql, &[], Direction::None);
        let text = if options.json {
            let summary = planned.plan.summary(topology, Some(&values));
            format!("{}\n", json(&summary))
        } else {
            let blank = if i > 0 { "\n" } else { "" };
            let plan = planned.plan.print_with(topology, &values);
            let plan = plan.with_literals().to_string();
            format!(
                "{blank}{}\n{}\n",
                planned.span.of(&sql).trim(),
                plan.trim_end()
            )
        };
        out.write_all(text.as_bytes()).map_err(Failure::output)?;
    }
    let mut plans = analysis.statements().iter();
    if plans.any(|planned| known.may_be_wrong(topology, &planned.plan.summary(topology, None))) {
        Known::note();
    }
    Ok(())
}

fn nothing() -> Failure {
    Failure::Usage {
        what: "there is no statement".to_owned(),
        hint: "give SQL as an argument or on standard input".to_owned(),
    }
}

fn standard_input() -> Result<String, Failure> {
    let mut sql = String::new();
    match std::io::stdin().read_to_string(&mut sql) {
        Ok(_) => Ok(sql),
        Err(error) => Err(Failure::Failed {
            what: format!("cannot read standard input: {error}"),
            hint: "statements are UTF-8 text; give them as an argument instead".to_owned(),
        }),
    }
}

/// The database that is meant.
pub(super) fn choose<'d>(
    databases: &'d [Database],
    name: Option<&str>,
) -> Result<&'d Database, Failure> {
    let named = |database: &'d Database| database.topology.database.as_str();
    let known: Vec<&str> = databases.iter().map(named).collect();
    match (databases, name) {
        ([only], None) => Ok(only),
        (_, None) => Err(Failure::Usage {
            what: "the configuration has several databases".to_owned(),
            hint: format!("add --database, one of {}", known.join(", ")),
        }),
        (all, Some(name)) => match all.iter().find(|database| named(database) == name) {
            Some(database) => Ok(database),
            None => Err(Failure::Usage {
                what: format!("there is no database \"{name}\" in the configuration"),
                hint: format!("known here: {}", known.join(", ")),
            }),
        },
    }
}

fn json(summary: &Summary) -> serde_json::Value {
    json!({
        "kind": summary.kind,
        "effect": summary.effect,
        "tier": summary.tier,
        "shards": summary.shards,
        "role": summary.role,
        "tables": summary.tables,
        "refusal": summary.refusal.as_ref().map(|r| json!({
            "sqlstate": r.sqlstate.to_string(),
            "message": r.message,
            "detail": r.detail,
            "hint": r.hint,
        })),
    })
}
