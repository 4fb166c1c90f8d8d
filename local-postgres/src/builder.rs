//! What a server is to be.

use std::fmt::Write as _;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;

use crate::area::Area;
use crate::binaries::Binaries;
use crate::error::{During, Error};
use crate::server::Server;
use crate::template::{self, Recipe};

/// Below the ports that systems hand out for outgoing connections (Linux from 32768, others from
/// 49152): a server that is stopped and started again finds its port still free.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// How many ports are tried before giving up.
const ATTEMPTS: usize = 50;

/// Settings that each server starts with; [`Builder::set`] overrides them.
const DEFAULTS: &[(&str, &str)] = &[
    // Nothing here outlives the process.
    ("fsync", "off"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "off"),
    // Many servers share one machine.
    ("shared_buffers", "16MB"),
    ("max_connections", "200"),
    ("max_wal_size", "128MB"),
    ("min_wal_size", "32MB"),
    // Shared memory in files of the data directory: nothing is left in /dev/shm by a kill.
    ("dynamic_shared_memory_type", "mmap"),
    // What Shunt needs or its tests use.
    ("wal_level", "logical"),
    ("max_prepared_transactions", "64"),
    ("max_wal_senders", "16"),
    ("max_replication_slots", "16"),
    ("hot_standby", "on"),
    // A replica reports and applies at once, and finds its primary again quickly.
    ("wal_receiver_status_interval", "1"),
    ("wal_retrieve_retry_interval", "100ms"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("cluster_name", ""),
];

/// Describes a server; [`Builder::start`] makes it.
#[derive(Clone, Debug)]
pub struct Builder {
    port: u16,
    superuser: String,
    password: Option<String>,
    locale: String,
    databases: Vec<String>,
    schemas: Vec<(String, String)>,
    initdb_arguments: Vec<String>,
    settings: Vec<(String, String)>,
    hba: Vec<String>,
    parent: Option<PathBuf>,
    primary: Option<Primary>,
}

/// Whom a replica follows.
#[derive(Clone, Debug)]
struct Primary {
    port: u16,
    synchronous_name: Option<String>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            port: 0,
            superuser: "postgres".to_owned(),
            password: None,
            locale: "C.UTF-8".to_owned(),
            databases: Vec::new(),
            schemas: Vec::new(),
            initdb_arguments: Vec::new(),
            settings: Vec::new(),
            hba: Vec::new(),
            parent: None,
            primary: None,
        }
    }
}

impl Builder {
    /// Listens on this port; 0, the default, is any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Names the superuser, `postgres` by default.
    #[must_use]
    pub fn superuser(mut self, name: &str) -> Self {
        name.clone_into(&mut self.superuser);
        self
    }

    /// Gives the superuser a password and asks everybody for one, by SCRAM-SHA-256. Without it,
    /// everybody is trusted.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self
    }

    /// The locale of the databases, `C.UTF-8` by default.
    #[must_use]
    pub fn locale(mut self, locale: &str) -> Self {
        locale.clone_into(&mut self.locale);
        self
    }

    /// A database to create, beside `postgres`. May be given several times.
    #[must_use]
    pub fn database(mut self, name: &str) -> Self {
        self.databases.push(name.to_owned());
        self
    }

    /// SQL for one of the databases. It is run once, whatever number of servers starts with it: all are
    /// copies of the first. A semicolon before an empty line ends a statement, wherever it stands.
    #[must_use]
    pub fn schema(mut self, database: &str, sql: &str) -> Self {
        self.schemas.push((database.to_owned(), sql.to_owned()));
        self
    }

    /// A further argument for `initdb`, such as `--locale-provider=icu`.
    #[must_use]
    pub fn initdb_argument(mut self, argument: &str) -> Self {
        self.initdb_arguments.push(argument.to_owned());
        self
    }

    /// A line of `postgresql.conf`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A line of `pg_hba.conf` ahead of all others; the first one given is the first one tried.
    #[must_use]
    pub fn hba(mut self, line: &str) -> Self {
        self.hba.push(line.to_owned());
        self
    }

    /// The directory to make the server's own directory in; the system's directory for temporary
    /// files by default. Created if need be, and not removed.
    #[must_use]
    pub fn directory(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// The name a replica gives itself, as `synchronous_standby_names` on its primary knows it.
    #[must_use]
    pub fn application_name(mut self, name: &str) -> Self {
        if let Some(primary) = &mut self.primary {
            primary.synchronous_name = Some(name.to_owned());
        }
        self
    }

    /// Turns a description into that of a replica of the server on `port`.
    pub(crate) fn following(mut self, port: u16) -> Self {
        self.port = 0;
        self.primary = Some(Primary {
            port,
            synchronous_name: None,
        });
        self
    }

    pub(crate) fn name_of_superuser(&self) -> &str {
        &self.superuser
    }

    pub(crate) fn secret(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// Makes the data directory, starts the server and waits until it answers. A replica takes a
    /// copy of its primary first, and answers as soon as it can be read from.
    pub fn start(self) -> Result<Server, Error> {
        let binaries = Binaries::find()?;
        let area = Area::new(self.parent.as_deref(), &binaries.program("postgres"))?;
        self.fill(&area, &binaries)?;
        let wanted = self.port;
        let mut attempts = 0;
        let mut server = Server::prepare(area, binaries, self);
        loop {
            let port = if wanted == 0 { free_port()? } else { wanted };
            server.use_port(port)?;
            attempts += 1;
            match server.start() {
                Ok(()) => return Ok(server),
                // Somebody was quicker.
                Err(Error::PortTaken { .. }) if wanted == 0 && attempts < ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn fill(&self, area: &Area, binaries: &Binaries) -> Result<(), Error> {
        match &self.primary {
            None => {
                let recipe = Recipe {
                    programs: binaries.directory().to_owned(),
                    superuser: self.superuser.clone(),
                    password: self.password.clone(),
                    locale: self.locale.clone(),
                    databases: self.databases.clone(),
                    schemas: self.schemas.clone(),
                    initdb_arguments: self.initdb_arguments.clone(),
                };
                template::copy_into(area, binaries, &recipe)?;
            }
            Some(primary) => {
                let mut backup = binaries.client("pg_basebackup");
                backup
                    .arg("--pgdata")
                    .arg(area.data())
                    .args(["--wal-method=stream", "--checkpoint=fast", "--no-sync"])
                    .args(["--no-manifest", "--write-recovery-conf", "--dbname"])
                    .arg(self.connection_to(primary))
                    .current_dir(area.path())
                    .stdin(Stdio::null());
                if let Some(password) = &self.password {
                    backup.env("PGPASSWORD", password);
                }
                binaries.run(area.account(), &mut backup)?;
            }
        }
        if !self.hba.is_empty() {
            let path = area.data().join("pg_hba.conf");
            let rest = fs::read_to_string(&path).at("cannot read", &path)?;
            let text = format!("{}\n{rest}", self.hba.join("\n"));
            fs::write(&path, text).at("cannot write", &path)?;
        }
        self.configure(area)
    }

    /// `pg_basebackup` writes this into `primary_conninfo`, with the password it was given.
    fn connection_to(&self, primary: &Primary) -> String {
        let mut text = format!(
            "host=127.0.0.1 port={} user={}",
            primary.port,
            conninfo(&self.superuser)
        );
        if let Some(name) = &primary.synchronous_name {
            let _ = write!(text, " application_name={}", conninfo(name));
        }
        text
    }

    /// Settings go after those of `initdb` or of the primary that was copied: the last one counts.
    fn configure(&self, area: &Area) -> Result<(), Error> {
        let mut text = String::from("\n");
        let given = self
            .settings
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in DEFAULTS.iter().copied().chain(given) {
            let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
        }
        let _ = writeln!(text, "listen_addresses = '127.0.0.1'");
        let sockets = area
            .socket_directory()
            .map_or_else(String::new, |path| path.display().to_string());
        let _ = writeln!(
            text,
            "unix_socket_directories = '{}'",
            sockets.replace('\'', "''")
        );
        let path = area.data().join("postgresql.conf");
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .at("cannot open", &path)?;
        file.write_all(text.as_bytes()).at("cannot write", &path)
    }
}

/// A value of libpq's connection string.
pub(crate) fn conninfo(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A port that nobody listens on at this moment.
fn free_port() -> Result<u16, Error> {
    let span = u64::from(PORTS.end - PORTS.start);
    for attempt in 0..ATTEMPTS {
        // The standard library keys its hasher at random: processes that start together differ.
        let random = RandomState::new().hash_one(attempt) % span;
        let port = PORTS.start + u16::try_from(random).expect("below the span of a u16 range");
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(source) => {
                return Err(Error::Io {
                    what: "cannot listen on 127.0.0.1".to_owned(),
                    source,
                });
            }
        }
    }
    Err(Error::Io {
        what: format!("no free port among {ATTEMPTS} tried in {PORTS:?}"),
        source: ErrorKind::AddrInUse.into(),
    })
}
