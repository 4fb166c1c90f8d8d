//! The commands of `shunt`, a file each.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::Problems;
use crate::demo;

pub mod advise;
pub mod catalog;
pub mod check;
pub mod explain;
mod known;
pub mod serve;

/// Sharding and read replicas for PostgreSQL.
#[derive(Debug, Parser)]
#[command(
    name = "shunt",
    version,
    after_help = "Example:\n  shunt check --config shunt.toml && shunt explain \"SELECT * FROM users WHERE id = 42\""
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the proxy in the foreground.
    Serve(serve::Options),
    /// Validate the configuration and say what would be served.
    Check(check::Options),
    /// The router's own tables.
    Catalog(catalog::Options),
    /// Print the plan of SQL without a database.
    Explain(explain::Options),
    /// Say what would become of the statements of a query log.
    Advise(advise::Options),
    /// Start a small shop on local PostgreSQL servers of its own, and show where queries go.
    Demo(demo::Arguments),
}

/// Where the configuration is.
#[derive(Clone, Debug, Args)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(long, default_value = "shunt.toml", value_name = "FILE")]
    pub config: PathBuf,
}

/// Why a command did not do what it was asked; decides the exit code.
#[derive(Debug)]
pub enum Failure {
    /// The command failed: exit code 1.
    Failed {
        /// What happened.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The command was used wrongly: exit code 2.
    Usage {
        /// What is wrong.
        what: String,
        /// What to do.
        hint: String,
    },
    /// The configuration is wrong: exit code 2.
    Config(Problems),
    /// What is wrong has been printed: exit code 1.
    Printed,
}

impl Failure {
    /// The exit code of the process.
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed { .. } | Self::Printed => 1,
            Self::Usage { .. } | Self::Config(_) => 2,
        }
    }

    /// From an error whose text may carry its own hint.
    fn of(error: &anyhow::Error) -> Self {
        let text = format!("{error:#}");
        let (what, hint) = text
            .split_once(". hint: ")
            .unwrap_or((&text, "see the cause above"));
        Self::Failed {
            what: what.to_owned(),
            hint: hint.to_owned(),
        }
    }

    /// Output could not be written.
    pub fn output(error: std::io::Error) -> Self {
        Self::Failed {
            what: format!("cannot write to standard output: {error}"),
            hint: "look at what reads it".to_owned(),
        }
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        Self::Config(problems)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { what, hint } | Self::Usage { what, hint } => {
                write!(f, "error: {what}. hint: {hint}")
            }
            Self::Config(problems) => problems.fmt(f),
            Self::Printed => Ok(()),
        }
    }
}

/// Carries out a command.
pub fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Serve(options) => serve::run(&options),
        Command::Catalog(options) => catalog::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Explain(options) => explain::run(&options),
        Command::Advise(options) => advise::run(&options),
        Command::Demo(arguments) => match demo::run(&arguments) {
            Ok(true) => Ok(()),
            // The table has said which ones, and how.
            Ok(false) => Err(Failure::Printed),
            Err(error) => Err(Failure::of(&error)),
        },
    }
}
