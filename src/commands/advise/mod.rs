//! `shunt advise`: what would become of the statements of a query log. None of them is run.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | the command, and the plan of each statement |
//! | `log` | statements out of plain SQL, csvlog and stderr logs |
//! | `report` | shapes, counted and printed |

use std::fs::File;
use std::io::{BufReader, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use router_core::plan::{Analysis, Context, Direction, Planner};
use router_core::topology::Topology;

use self::log::Log;
use self::report::Report;
use super::explain::choose;
use super::known::Known;
use super::{ConfigFile, Failure};
use crate::config;

mod log;
mod report;

/// What `advise` may be told.
#[derive(Debug, Args)]
#[command(
    after_help = "The logs are plain SQL, PostgreSQL's csvlog, or its stderr log, written with log_statement = 'all' or log_min_duration_statement = 0;\n\
                  which of them is found out by their content. Nothing of them is run.\n\n\
                  Examples:\n  shunt advise --config shunt.toml /var/log/postgresql/postgresql.csv\n  shunt advise --connect statements.sql\n  shunt advise --json statements.sql | jq '.shapes[] | select(.refused > 0)'"
)]
pub struct Options {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// The database, when the configuration has several.
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Plan as the proxy does, by the columns, types, views and functions that the servers have. Without it these are not
    /// known, and more is refused or gathered here than by the proxy.
    #[arg(long)]
    pub connect: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// The logs; - is standard input.
    #[arg(value_name = "LOG", required = true)]
    pub logs: Vec<PathBuf>,
}

/// Plans are kept for the shapes that come again.
const CACHE_BYTES: usize = 16 << 20;

/// Runs `shunt advise`.
pub fn run(options: &Options) -> Result<(), Failure> {
    let settings = config::load(&options.file.config)?;
    let database = choose(&settings.databases, options.database.as_deref())?;
    let topology = &*database.topology;
    let known = Known::of(database, options.connect)?;
    let bar = progress(&options.logs);
    let mut adviser = Adviser {
        topology,
        known: &known,
        planner: Planner::new(CACHE_BYTES),
        analysis: Analysis::new(),
        report: Report::default(),
        may_be_wrong: false,
    };
    for path in &options.logs {
        read(path, &bar, &mut adviser).map_err(|error| Failure::Failed {
            what: format!("cannot read {}: {error}", path.display()),
            hint: "give files that this user may read, or - for standard input".to_owned(),
        })?;
    }
    bar.finish_and_clear();
    let Adviser {
        report,
        may_be_wrong,
        ..
    } = adviser;
    if report.is_empty() {
        return Err(Failure::Failed {
            what: "there is no statement in these logs".to_owned(),
            hint:
                "have PostgreSQL log them: log_statement = 'all', or log_min_duration_statement = 0"
                    .to_owned(),
        });
    }
    let text = match options.json {
        true => format!("{}\n", report.json()),
        false => report.text(),
    };
    let mut out = anstream::stdout();
    out.write_all(text.as_bytes()).map_err(Failure::output)?;
    if may_be_wrong {
        Known::note();
    }
    Ok(())
}

/// A bar over the bytes of all files; nothing where nobody looks.
fn progress(paths: &[PathBuf]) -> ProgressBar {
    let sizes = paths
        .iter()
        .map(|p| std::fs::metadata(p).map_or(0, |m| m.len()));
    let bar = ProgressBar::with_draw_target(Some(sizes.sum()), ProgressDrawTarget::stderr());
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {eta}");
    bar.set_style(style.expect("a template that is known"));
    bar
}

fn read(path: &Path, bar: &ProgressBar, adviser: &mut Adviser<'_>) -> std::io::Result<()> {
    let input: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(std::io::stdin().lock()),
        _ => Box::new(File::open(path)?),
    };
    Log::new(BufReader::new(bar.wrap_read(input)))?.each(&mut |text| adviser.statements(text))
}

struct Adviser<'t> {
    topology: &'t Topology,
    known: &'t Known,
    planner: Planner,
    analysis: Analysis,
    report: Report,
    /// Some plan, for what the servers were not asked.
    may_be_wrong: bool,
}

impl Adviser<'_> {
    /// Plans the statements of a text.
    fn statements(&mut self, text: &str) {
        let context = Context::new(self.topology, &self.known.catalog, &self.known.search_path);
        self.planner.analyze(text, &context, &mut self.analysis);
        for planned in self.analysis.statements() {
            let values = self.analysis.values(planned, text, &[], Direction::None);
            let summary = planned.plan.summary(self.topology, Some(&values));
            self.may_be_wrong |= self.known.may_be_wrong(self.topology, &summary);
            self.report.add(planned.span.of(text), summary);
        }
    }
}
