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
use router_core::topology::spec::TopologySpec;
use router_core::topology::{Shard, Topology};
use router_proxy::settings::{
    Database, ListenAddress, PoolMode, PoolOverride, PoolSettings, ReadSettings, Secret, Settings,
    ShardServers, User,
};
use shunt_tests::proxy::{TestProxy, address, with_databases};
use shunt_tests::shards;

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
    /// How many shards there are in the modes of a sharded database; the first is `default_shard` and `scratch`
    #[arg(long, default_value_t = 3)]
    shards: usize,
    /// A table of a sharded database, as `name:column` (of type bigint), or `name:reference`; all others are on the first shard
    #[arg(long)]
    table: Vec<String>,
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
    /// A sharded database, in transaction mode
    Sharded,
    /// A sharded database, in session mode
    ShardedSession,
}

impl Mode {
    fn is_sharded(self) -> bool {
        matches!(self, Self::Sharded | Self::ShardedSession)
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let count = match arguments.mode.is_sharded() {
        true => arguments.shards,
        false => 1,
    };
    // A server of its own for each shard: roles and tablespaces are the server's.
    let servers: Vec<Server> = (0..count)
        .map(|_| start_server(&arguments))
        .collect::<Result<_, _>>()?;
    let server = &servers[0];
    let (_proxy, _rules, port) = match arguments.mode {
        Mode::Direct => (None, None, server.port()),
        _ => {
            let rules = tempfile::NamedTempFile::new()?;
            let mut lines = hba(&arguments)?;
            lines.push_str("\nlocal all all trust\nhost all all all trust\n");
            std::fs::write(rules.path(), lines)?;
            let mut settings = settings(&arguments, &servers)?;
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
        for server in &servers {
            eprintln!("{}", server.log());
        }
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
    // A commit over several shards needs them.
    if arguments.mode.is_sharded() {
        builder = builder.set("max_prepared_transactions", "50");
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

fn settings(arguments: &Arguments, servers: &[Server]) -> anyhow::Result<Settings> {
    let pool = PoolSettings {
        mode: match arguments.mode {
            Mode::Transaction | Mode::Sharded => PoolMode::Transaction,
            Mode::Session | Mode::ShardedSession | Mode::Direct => PoolMode::Session,
        },
        max_size: arguments.pool,
        acquire_timeout: Duration::from_secs(60),
        ..PoolSettings::default()
    };
    let databases = ["postgres".to_owned()]
        .iter()
        .chain(&arguments.database)
        .chain(&arguments.later_database)
        .map(|name| {
            Ok(Database {
                topology: Arc::new(topology(arguments, name)?),
                shards: servers
                    .iter()
                    .map(|server| ShardServers {
                        primary: address(server, name),
                        replicas: Vec::new(),
                    })
                    .collect(),
                pool: pool.clone(),
                reads: ReadSettings::default(),
                two_phase: Default::default(),
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let mut settings = with_databases(databases, servers[0].user());
    settings.listen = vec![ListenAddress::Tcp(([127, 0, 0, 1], arguments.port).into())];
    settings
        .users
        .extend(arguments.user.iter().map(|user| role(user)));
    Ok(settings)
}

/// Of a sharded database: the tables of `--table`, and all others on the first shard.
fn topology(arguments: &Arguments, database: &str) -> anyhow::Result<Topology> {
    if !arguments.mode.is_sharded() {
        let shard = Shard {
            name: "s0".into(),
            has_replicas: false,
        };
        return Ok(Topology::unsharded(database, shard, Epoch(1)));
    }
    let names: Vec<String> = (0..arguments.shards).map(|n| format!("s{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let tables = arguments.table.iter().map(|table| {
        let (name, key) = table
            .split_once(':')
            .with_context(|| format!("--table {table} is not name:column or name:reference"))?;
        Ok(match key {
            "reference" => shards::reference(name),
            _ => shards::spread(name, key, "by_number"),
        })
    });
    let spec = TopologySpec {
        default_shard: Some("s0".into()),
        scratch: Some("s0".into()),
        placements: vec![shards::modulo("by_number")],
        tables: tables.collect::<anyhow::Result<_>>()?,
        ..shards::layout(database, &names)
    };
    Topology::build(&spec, Epoch(1)).map_err(|wrong| anyhow::anyhow!("{wrong:?}"))
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
