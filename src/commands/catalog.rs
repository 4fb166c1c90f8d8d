//! `shunt catalog`: the router's own tables, in a PostgreSQL of the operator's choice.
//!
//! They live in the schema `shunt` of the catalog's database, the list of applied migrations with them,
//! so that nothing of the operator's is touched.

use std::collections::HashMap;
use std::io::Write as _;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use router_proxy::settings::{ServerAddress, TlsMode};
use serde_json::json;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{ConfigFile, Failure};
use crate::config;
use crate::config::summary::server;

/// The migrations, compiled in.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// What `catalog` may be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shunt catalog init --config shunt.toml && shunt catalog status --config shunt.toml"
)]
pub struct Options {
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with the catalog.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Make the schema and the tables.
    #[command(after_help = "Example:\n  shunt catalog init --config shunt.toml")]
    Init(ConfigFile),
    /// Bring the tables of an older version up to this one.
    #[command(after_help = "Example:\n  shunt catalog migrate --config shunt.toml")]
    Migrate(ConfigFile),
    /// Say which migrations are applied and which are pending.
    #[command(after_help = "Example:\n  shunt catalog status --config shunt.toml --json")]
    Status(StatusOptions),
}

/// What `catalog status` may be told.
#[derive(Debug, Args)]
pub struct StatusOptions {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// One migration and whether it is applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub version: i64,
    /// What it is about.
    pub description: String,
    /// When it was applied; `None`: pending.
    pub applied_at: Option<String>,
}

/// Runs `shunt catalog`.
pub fn run(options: &Options) -> Result<(), Failure> {
    let file = match &options.action {
        Action::Init(file) | Action::Migrate(file) => file,
        Action::Status(status) => &status.file,
    };
    let settings = config::load(&file.config)?;
    let Some(address) = settings.catalog else {
        return Err(Failure::Usage {
            what: format!("{} names no catalog", file.config.display()),
            hint: "add [catalog] with url = \"postgres://user:password@host:5432/database\""
                .to_owned(),
        });
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed {
            what: format!("cannot start: {error}"),
            hint: "look at the limits of this process (ulimit -a)".to_owned(),
        })?;
    let text = runtime.block_on(async {
        match &options.action {
            Action::Init(_) => init(&address).await.map(|applied| done(&address, applied)),
            Action::Migrate(_) => migrate(&address)
                .await
                .map(|applied| done(&address, applied)),
            Action::Status(options) => status(&address)
                .await
                .map(|migrations| show(&migrations, options.json)),
        }
    })?;
    writeln!(anstream::stdout(), "{text}").map_err(Failure::output)
}

/// Makes the schema and applies every migration; says how many were pending.
pub async fn init(address: &ServerAddress) -> Result<usize, Failure> {
    let mut connection = connect(address).await?;
    sqlx::query("CREATE SCHEMA IF NOT EXISTS shunt")
        .execute(&mut connection)
        .await
        .map_err(|error| failed(address, &error))?;
    apply(address, &mut connection).await
}

/// Applies what is pending; says how much that was. There must be a catalog.
pub async fn migrate(address: &ServerAddress) -> Result<usize, Failure> {
    let mut connection = connect(address).await?;
    if !exists(address, &mut connection).await? {
        return Err(Failure::Failed {
            what: format!("there is no catalog on {}", server(address)),
            hint: "make it with shunt catalog init".to_owned(),
        });
    }
    apply(address, &mut connection).await
}

/// Every migration that this version knows, applied or not.
pub async fn status(address: &ServerAddress) -> Result<Vec<Migration>, Failure> {
    let mut connection = connect(address).await?;
    let applied = applied(address, &mut connection).await?;
    let known = MIGRATIONS
        .iter()
        .filter(|m| m.migration_type.is_up_migration());
    Ok(known
        .map(|migration| Migration {
            version: migration.version,
            description: migration.description.to_string(),
            applied_at: applied.get(&migration.version).cloned(),
        })
        .collect())
}

async fn connect(address: &ServerAddress) -> Result<PgConnection, Failure> {
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&address.host)
        .port(address.port)
        .database(&address.database)
        .username(&address.user)
        .application_name("shunt catalog")
        .options([("search_path", "shunt")])
        .ssl_mode(match address.tls {
            TlsMode::Disable => PgSslMode::Disable,
            TlsMode::Prefer => PgSslMode::Prefer,
            // As libpq: an authority that is named is asked.
            TlsMode::Require if address.root_cert.is_some() => PgSslMode::VerifyCa,
            TlsMode::Require => PgSslMode::Require,
            TlsMode::VerifyCa => PgSslMode::VerifyCa,
            TlsMode::VerifyFull => PgSslMode::VerifyFull,
        })
        .disable_statement_logging();
    if address.host.starts_with('/') {
        options = options.socket(&address.host);
    }
    if let Some(password) = &address.password {
        options = options.password(&password.0);
    }
    if let Some(roots) = &address.root_cert {
        options = options.ssl_root_cert(roots);
    }
    if let Some((cert, key)) = &address.client_cert {
        options = options.ssl_client_cert(cert).ssl_client_key(key);
    }
    PgConnection::connect_with(&options)
        .await
        .map_err(|error| Failure::Failed {
            what: format!(
                "cannot connect to the catalog on {}: {error}",
                server(address)
            ),
            hint:
                "look at catalog.url: the server must run, and the database and the role must exist"
                    .to_owned(),
        })
}

async fn apply(address: &ServerAddress, connection: &mut PgConnection) -> Result<usize, Failure> {
    let before = applied(address, connection).await?.len();
    MIGRATIONS.run(&mut *connection).await.map_err(|error| Failure::Failed {
        hint: match error {
            MigrateError::VersionMissing(_) => {
                "the catalog was made by a later version of shunt: use that one".to_owned()
            }
            MigrateError::VersionMismatch(_) => {
                "the migration was altered after it was applied: use the version of shunt that applied it".to_owned()
            }
            _ => "nothing of the failed migration was kept; mend the cause and run it again".to_owned(),
        },
        what: format!("cannot migrate the catalog on {}: {error}", server(address)),
    })?;
    Ok(applied(address, connection)
        .await?
        .len()
        .saturating_sub(before))
}

async fn exists(address: &ServerAddress, connection: &mut PgConnection) -> Result<bool, Failure> {
    sqlx::query_scalar("SELECT to_regclass('shunt._sqlx_migrations') IS NOT NULL")
        .fetch_one(connection)
        .await
        .map_err(|error| failed(address, &error))
}

async fn applied(
    address: &ServerAddress,
    connection: &mut PgConnection,
) -> Result<HashMap<i64, String>, Failure> {
    if !exists(address, connection).await? {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT version, to_char(installed_on AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC') \
         FROM shunt._sqlx_migrations WHERE success",
    )
    .fetch_all(connection)
    .await
    .map_err(|error| failed(address, &error))?;
    Ok(rows.into_iter().collect())
}

fn failed(address: &ServerAddress, error: &sqlx::Error) -> Failure {
    Failure::Failed {
        what: format!("the catalog on {} refused: {error}", server(address)),
        hint: "the role in catalog.url needs CREATE on the database, and owns the schema shunt"
            .to_owned(),
    }
}

fn done(address: &ServerAddress, applied: usize) -> String {
    let what = match applied {
        0 => "nothing to do, up to date".to_owned(),
        1 => "1 migration applied".to_owned(),
        n => format!("{n} migrations applied"),
    };
    format!("catalog on {}: {what}", server(address))
}

fn show(migrations: &[Migration], as_json: bool) -> String {
    if as_json {
        let list: Vec<_> = migrations
            .iter()
            .map(|m| json!({ "version": m.version, "description": m.description, "applied_at": m.applied_at }))
            .collect();
        return json!({ "migrations": list }).to_string();
    }
    let mut table = Table::new();
    table
        .load_preset(NOTHING)
        .set_header(["version", "about", "applied"]);
    for migration in migrations {
        let applied = migration.applied_at.as_deref().unwrap_or("pending");
        table.add_row([
            &migration.version.to_string(),
            &migration.description,
            applied,
        ]);
    }
    table.to_string()
}
