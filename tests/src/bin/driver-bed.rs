//! Runs a command beside a fresh PostgreSQL, directly or through Shunt: `tests/drivers/run`.

#![allow(clippy::print_stderr, reason = "what went wrong, for a person")]

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use local_postgres::Server;
use router_core::id::Epoch;
use router_core::topology::{Shard, Topology};
use router_proxy::settings::{
    Database, ListenAddress, PoolMode, PoolOverride, PoolSettings, ReadSettings, Secret, Settings,
    ShardServers, User,
};
use shunt_tests::proxy::{TestProxy, address, with_databases};

/// Starts PostgreSQL, and Shunt before it, and runs a command whose environment
/// (`PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`) leads to one of them.
#[derive(Parser)]
#[command(name = "driver-bed")]
struct Arguments {
    /// What the command talks with
    #[arg(long, value_enum)]
    mode: Mode,
    /// Server connections per database and user
    #[arg(long, default_value_t = 20)]
    pool: usize,
    /// The port the command connects to; 0: any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// A database, beside `postgres`
    #[arg(long)]
    database: Vec<String>,
    /// A database that Shunt knows of and the server does not yet
    #[arg(long)]
    later_database: Vec<String>,
    /// A role, beside `postgres`, as `name` or `name:password`; the server gets it from --sql
    #[arg(long)]
    user: Vec<String>,
    /// Lines of `pg_hba.conf`, tried in order; then everybody is trusted
    #[arg(long)]
    hba: Option<PathBuf>,
    /// A setting of the server, as `name=value`
    #[arg(long)]
    set: Vec<String>,
    /// SQL for the server's database `postgres`, run first
    #[arg(long)]
    sql: Vec<PathBuf>,
    /// The locale of the databases
    #[arg(long, default_value = "C.UTF-8")]
    locale: String,
    /// Prints the server's log at the end
    #[arg(long)]
    log: bool,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Direct,
    Session,
    Transaction,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let server = start_server(&arguments)?;
    let (_proxy, _rules, port) = match arguments.mode {
        Mode::Direct => (None, None, server.port()),
        Mode::Session | Mode::Transaction => {
            let rules = tempfile::NamedTempFile::new()?;
            let mut lines = hba(&arguments)?;
            lines.push_str("\nlocal all all trust\nhost all all all trust\n");
            std::fs::write(rules.path(), lines)?;
            let mut settings = settings(&arguments, &server);
            settings.auth.hba_file = Some(rules.path().to_owned());
            let proxy = TestProxy::start(settings);
            let port = proxy.address.port();
            (Some(proxy), Some(rules), port)
        }
    };
    let database = arguments.database.first().map_or("postgres", |d| d);
    let (program, rest) = arguments
        .command
        .split_first()
        .context("no command is given")?;
    let status = Command::new(program)
        .args(rest)
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port.to_string())
        .env("PGUSER", server.user())
        .env("PGDATABASE", database)
        .env("PGBINDIR", server.binaries().directory())
        .status()
        .with_context(|| format!("cannot run {program}"))?;
    if arguments.log {
        eprintln!("{}", server.log());
    }
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn start_server(arguments: &Arguments) -> anyhow::Result<Server> {
    let mut builder = Server::builder()
        .locale(&arguments.locale)
        .set("max_connections", "300");
    if arguments.mode == Mode::Direct {
        builder = builder.port(arguments.port);
        builder = builder.hba(&hba(arguments)?);
    }
    for database in &arguments.database {
        builder = builder.database(database);
    }
    for setting in &arguments.set {
        let (name, value) = setting
            .split_once('=')
            .with_context(|| format!("--set {setting} is not name=value"))?;
        builder = builder.set(name, value);
    }
    let server = builder.start()?;
    for file in &arguments.sql {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        server.execute("postgres", &text)?;
    }
    Ok(server)
}

fn hba(arguments: &Arguments) -> anyhow::Result<String> {
    match &arguments.hba {
        None => Ok(String::new()),
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
        }
    }
}

fn settings(arguments: &Arguments, server: &Server) -> Settings {
    let pool = PoolSettings {
        mode: match arguments.mode {
            Mode::Transaction => PoolMode::Transaction,
            Mode::Session | Mode::Direct => PoolMode::Session,
        },
        max_size: arguments.pool,
        acquire_timeout: Duration::from_secs(60),
        ..PoolSettings::default()
    };
    let databases = ["postgres".to_owned()]
        .iter()
        .chain(&arguments.database)
        .chain(&arguments.later_database)
        .map(|name| Database {
            topology: Arc::new(Topology::unsharded(
                name,
                Shard {
                    name: "s0".into(),
                    has_replicas: false,
                },
                Epoch(1),
            )),
            shards: vec![ShardServers {
                primary: address(server, name),
                replicas: Vec::new(),
            }],
            pool: pool.clone(),
            reads: ReadSettings::default(),
            two_phase: Default::default(),
        })
        .collect();
    let mut settings = with_databases(databases, server.user());
    settings.listen = vec![ListenAddress::Tcp(([127, 0, 0, 1], arguments.port).into())];
    settings
        .users
        .extend(arguments.user.iter().map(|user| role(user)));
    settings
}

/// A role that logs in to the server as itself.
fn role(text: &str) -> User {
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(password)),
        None => (text, None),
    };
    User {
        name: name.into(),
        secret: password.map(|password| Secret(password.to_owned().into())),
        admin: false,
        server_user: Some(name.into()),
        server_password: None,
        pool: PoolOverride::default(),
    }
}
