//! `shunt check --connect`: are the servers what the configuration says?

use std::collections::HashMap;
use std::error::Error as _;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use router_proxy::settings::{Database, ServerAddress, Settings};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::ask::{self, Facts};
use super::judge;
use crate::config::summary;

/// What the servers of a configuration are like.
#[derive(Debug)]
pub struct Report {
    /// Every server, as it answered.
    pub servers: Vec<Server>,
    /// What is wrong or doubtful, by database.
    pub findings: Vec<(String, Finding)>,
}

/// One server.
#[derive(Debug)]
pub struct Server {
    /// The database that clients name.
    pub database: String,
    /// `shard s0's primary`.
    pub label: String,
    /// Host, port and database.
    pub address: String,
    /// Its version; `None`: it did not answer.
    pub version: Option<String>,
}

/// Something wrong or doubtful.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// About what.
    pub subject: String,
    /// What.
    pub what: String,
    /// How to mend it.
    pub hint: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Queries would fail or be answered wrongly.
    Error,
    /// Some things will not be as on one server.
    Warning,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Why a server has no facts to give.
#[derive(Debug)]
pub(super) struct Reason {
    what: String,
    hint: &'static str,
}

impl Reason {
    pub(super) fn tls(error: &router_proxy::tls::TlsError) -> Self {
        Self {
            what: error.to_string(),
            hint: "mend sslmode and the files in the server's URL",
        }
    }

    pub(super) fn timeout(limit: Duration) -> Self {
        Self {
            what: format!("did not answer within {limit:?}"),
            hint: "look at its address, at firewalls, and at pool.connect_timeout",
        }
    }

    pub(super) fn refused(error: &tokio_postgres::Error) -> Self {
        Self {
            what: format!("refused to show its catalog: {}", told(error)),
            hint: "the role in the URL must be able to read pg_catalog",
        }
    }

    /// `without_password`: none was there to be given, which the driver does not tell from a server that is down.
    pub(super) fn connect(error: &tokio_postgres::Error, without_password: bool) -> Self {
        let hint = match error.code().map(tokio_postgres::error::SqlState::code) {
            Some("3D000") => "create the database there, or correct it in the URL",
            Some("28000") => {
                "create the role there and let it in by pg_hba.conf, or correct it in the URL"
            }
            Some("28P01") => "correct the user or the password in the URL",
            Some("53300") => "the server has no connection left: raise its max_connections",
            Some("57P03") => "the server is starting or stopping: try again",
            Some(_) => "the server's log says more",
            None if without_password => "the server asks for a password: put one into the URL",
            None => "look at host and port in the URL, at sslmode, and whether the server runs",
        };
        Self {
            what: format!("cannot be connected to: {}", told(error)),
            hint,
        }
    }
}

/// An error of the driver with its causes, which its own text leaves out.
fn told(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => said.message().to_owned(),
        (None, Some(cause)) => cause.to_string(),
        (None, None) => error.to_string(),
    }
}

impl Report {
    /// Whether any server check failed; warnings do not count.
    pub fn failed(&self) -> bool {
        self.findings.iter().any(|(_, f)| f.level == Level::Error)
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut servers = Table::new();
        servers
            .load_preset(NOTHING)
            .set_header(["database", "server", "address", "version"]);
        for server in &self.servers {
            let version = server.version.as_deref().unwrap_or("no answer");
            servers.add_row([&server.database, &server.label, &server.address, version]);
        }
        let mut out = format!("{servers}\n");
        for (database, finding) in &self.findings {
            let Finding {
                level,
                subject,
                what,
                hint,
            } = finding;
            out.push_str(&format!(
                "\n{}: {database}: {subject} {what}. hint: {hint}",
                level.word()
            ));
        }
        if self.findings.is_empty() {
            out.push_str("\nok: every server is as configured");
        }
        out
    }

    /// For machines.
    pub fn json(&self) -> Value {
        let servers = self.servers.iter().map(|s| {
            json!({ "database": s.database, "server": s.label, "address": s.address, "version": s.version })
        });
        let findings = self.findings.iter().map(|(database, f)| {
            json!({ "database": database, "level": f.level.word(), "subject": f.subject, "what": f.what, "hint": f.hint })
        });
        json!({
            "servers": servers.collect::<Vec<_>>(),
            "findings": findings.collect::<Vec<_>>(),
        })
    }
}

/// Asks every server of every database, all at once.
pub async fn connect(settings: &Settings) -> Report {
    let mut asking = JoinSet::new();
    for (d, database) in settings.databases.iter().enumerate() {
        for (s, shard) in database.shards.iter().enumerate() {
            let replicas = shard.replicas.iter().map(|r| &r.address);
            for (n, address) in std::iter::once(&shard.primary).chain(replicas).enumerate() {
                let address: ServerAddress = address.clone();
                let topology = database.topology.clone();
                let limit = database.pool.connect_timeout;
                asking.spawn(async move {
                    (
                        (d, s, n),
                        ask::ask(&address, &topology, n == 0, limit).await,
                    )
                });
            }
        }
    }
    let mut answers: HashMap<(usize, usize, usize), Result<Facts, Reason>> = HashMap::new();
    while let Some(answer) = asking.join_next().await {
        // A panic in one of them is a panic here.
        let (at, facts) = answer.expect("asking a server does not panic");
        answers.insert(at, facts);
    }
    let mut report = Report {
        servers: Vec::new(),
        findings: Vec::new(),
    };
    for (d, database) in settings.databases.iter().enumerate() {
        judge_database(&mut report, database, |s, n| answers.remove(&(d, s, n)));
    }
    report
}

fn judge_database(
    report: &mut Report,
    database: &Database,
    mut answer: impl FnMut(usize, usize) -> Option<Result<Facts, Reason>>,
) {
    let topology = &database.topology;
    let name = &topology.database;
    let mut primaries = Vec::new();
    for (s, shard) in database.shards.iter().enumerate() {
        let replicas = shard.replicas.iter().map(|r| &r.address);
        let mut primary = None;
        for (n, address) in std::iter::once(&shard.primary).chain(replicas).enumerate() {
            let shard = &topology.shards[s].name;
            let label = match n {
                0 => format!("shard {shard}'s primary"),
                n => format!("shard {shard}'s replica {n}"),
            };
            let facts = match answer(s, n) {
                Some(Ok(facts)) => Some(facts),
                Some(Err(Reason { what, hint })) => {
                    let finding = Finding {
                        level: Level::Error,
                        subject: label.clone(),
                        what,
                        hint: hint.to_owned(),
                    };
                    report.findings.push((name.clone(), finding));
                    None
                }
                None => None,
            };
            report.servers.push(Server {
                database: name.clone(),
                label: label.clone(),
                address: summary::server(address),
                version: facts.as_ref().map(|f| judge::major(f.version)),
            });
            if let Some(facts) = &facts {
                let mut found = judge::server(&label, n == 0, topology.shards.len(), facts);
                found.extend(
                    primary
                        .as_ref()
                        .and_then(|primary| judge::replica(&label, primary, facts)),
                );
                report
                    .findings
                    .extend(found.into_iter().map(|f| (name.clone(), f)));
            }
            if n == 0 {
                primary = facts;
            }
        }
        primaries.push(primary);
    }
    let mut found = judge::apart(topology, &primaries);
    found.extend(judge::schema(topology, &primaries));
    report
        .findings
        .extend(found.into_iter().map(|f| (name.clone(), f)));
}
