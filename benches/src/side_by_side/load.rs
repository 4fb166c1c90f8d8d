//! One measurement: pgbench's figures and the proxy's CPU.

use std::fmt;

use anyhow::Context;
use local_postgres::Server;
use shunt_benches::process;

use crate::contender::{Contender, DATABASES};

/// What pgbench does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Load {
    pub(crate) mode: Mode,
    pub(crate) clients: u32,
    pub(crate) tls: bool,
}

/// pgbench's `-M`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Mode {
    Simple,
    Extended,
    Prepared,
}

/// What came of one measurement.
#[derive(Clone, Copy)]
pub(crate) struct Figures {
    /// Transactions per second.
    pub(crate) throughput: f64,
    /// Mean latency in milliseconds.
    pub(crate) latency: f64,
    /// CPU of the proxy's process per transaction, in microseconds.
    pub(crate) cpu: Option<f64>,
}

/// Makes pgbench's tables.
pub(crate) fn initialise(server: &Server) -> anyhow::Result<()> {
    for database in DATABASES {
        let output = server
            .client("pgbench", database)
            .args(["-i", "-s", "5", "-q"])
            .output()?;
        anyhow::ensure!(
            output.status.success(),
            "pgbench -i: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

impl Load {
    /// Whether a contender can do this at all.
    pub(crate) fn fits(self, contender: &Contender) -> bool {
        (contender.tls || !self.tls) && (contender.prepared || self.mode != Mode::Prepared)
    }

    /// Runs pgbench -S against a contender.
    pub(crate) fn run(
        self,
        server: &Server,
        contender: &Contender,
        seconds: u32,
    ) -> anyhow::Result<Figures> {
        let before = contender
            .process
            .as_ref()
            .map(process::cpu_seconds)
            .transpose()?;
        let output = server
            .binaries()
            .client("pgbench")
            .env("PGSSLMODE", if self.tls { "require" } else { "disable" })
            .args([
                "-n",
                "-S",
                "-h",
                "127.0.0.1",
                "-U",
                server.user(),
                "-M",
                self.mode.name(),
            ])
            .args([
                "-p",
                &contender.port.to_string(),
                "-c",
                &self.clients.to_string(),
            ])
            .args([
                "-j",
                &self.clients.min(2).to_string(),
                "-T",
                &seconds.to_string(),
                "bench",
            ])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(
            output.status.success(),
            "pgbench: {}{text}",
            String::from_utf8_lossy(&output.stderr)
        );
        let after = contender
            .process
            .as_ref()
            .map(process::cpu_seconds)
            .transpose()?;
        let transactions = figure(&text, "number of transactions actually processed: ")?;
        Ok(Figures {
            throughput: figure(&text, "tps = ")?,
            latency: figure(&text, "latency average = ")?,
            cpu: before
                .zip(after)
                .map(|(before, after)| (after - before) / transactions * 1e6),
        })
    }
}

fn figure(text: &str, label: &str) -> anyhow::Result<f64> {
    let rest = text
        .split_once(label)
        .with_context(|| format!("pgbench prints {label:?}"))?
        .1;
    let number: String = rest
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    number
        .parse()
        .with_context(|| format!("a number after {label:?}"))
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Extended => "extended",
            Self::Prepared => "prepared",
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls { ", TLS" } else { "" };
        write!(f, "{} × {}{tls}", self.mode.name(), self.clients)
    }
}
