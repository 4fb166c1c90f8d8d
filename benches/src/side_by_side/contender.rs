//! Who is measured.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use local_postgres::Server;

/// Server connections that each pooler may hold: enough to keep two cores busy, fewer than clients.
const POOL_SIZE: u32 = 20;
/// Longest wait for a pooler to accept connections.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Somebody who answers pgbench.
pub(crate) struct Contender {
    /// How the tables call it.
    pub(crate) name: &'static str,
    /// Where it listens.
    pub(crate) port: u16,
    /// Its process, when it is a proxy.
    pub(crate) process: Option<Child>,
}

impl Contender {
    /// Starts everybody. PgBouncer is left out, with a word, where it is not installed.
    pub(crate) fn start_all(
        server: &Server,
        shunt: &Path,
        directory: &Path,
    ) -> anyhow::Result<Vec<Self>> {
        let mut all = vec![Self {
            name: "direct",
            port: server.port(),
            process: None,
        }];
        match Self::pgbouncer(server, directory) {
            Ok(contender) => all.push(contender),
            Err(error) => {
                eprintln!("PgBouncer is left out: {error:#}. hint: install the package pgbouncer")
            }
        }
        all.push(Self::shunt(server, shunt, directory)?);
        Ok(all)
    }

    fn pgbouncer(server: &Server, directory: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let users = directory.join("users.txt");
        fs::write(&users, format!("\"{}\" \"\"\n", server.user()))?;
        let config = directory.join("pgbouncer.ini");
        fs::write(
            &config,
            format!(
                "[databases]\nbench = host=127.0.0.1 port={} dbname=bench user={}\n\
                 [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\nauth_file = {}\n\
                 pool_mode = transaction\ndefault_pool_size = {POOL_SIZE}\nmax_client_conn = 10000\nunix_socket_dir =\n\
                 max_prepared_statements = 200\nlog_connections = 0\nlog_disconnections = 0\nlogfile = {}\n",
                server.port(),
                server.user(),
                users.display(),
                directory.join("pgbouncer.log").display(),
            ),
        )?;
        // Before 1.21 there are no named statements in transaction mode, and the setting is unknown.
        let version = Command::new("pgbouncer")
            .arg("--version")
            .output()
            .context("running pgbouncer")?;
        if is_before_1_21(&String::from_utf8_lossy(&version.stdout)) {
            let text = fs::read_to_string(&config)?.replace("max_prepared_statements = 200\n", "");
            fs::write(&config, text)?;
        }
        open_to_all(directory)?;
        let mut command = Command::new("pgbouncer");
        command.arg(&config);
        // It refuses to run as root.
        if fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0) {
            command.args(["-u", "nobody"]);
        }
        Self::start("pgbouncer", port, command)
    }

    fn shunt(server: &Server, binary: &Path, directory: &Path) -> anyhow::Result<Self> {
        let port = free_port()?;
        let config = directory.join("shunt.toml");
        fs::write(
            &config,
            format!(
                "[server]\nlisten = \"127.0.0.1:{port}\"\nworkers = 2\n\n[pool]\nmax_size = {POOL_SIZE}\n\n[auth]\nmethod = \"trust\"\n\n\
                 [[users]]\nname = \"{}\"\n\n[[databases]]\nname = \"bench\"\n\n[[databases.shards]]\nname = \"s0\"\nprimary = \"{}\"\n",
                server.user(),
                server.url("bench"),
            ),
        )?;
        let mut command = Command::new(binary);
        command.args(["serve", "--config"]).arg(&config);
        Self::start("shunt", port, command)
    }

    fn start(name: &'static str, port: u16, mut command: Command) -> anyhow::Result<Self> {
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let contender = Self {
            name,
            port,
            process: Some(process),
        };
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(contender.address()).is_err() {
            anyhow::ensure!(Instant::now() < deadline, "{name} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(contender)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // The process may be gone already; there is nothing to do about either failing.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn is_before_1_21(version: &str) -> bool {
    let mut parts = version
        .split_whitespace()
        .nth(1)
        .unwrap_or("")
        .split('.')
        .map(|p| p.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    version < (1, 21)
}

fn open_to_all(directory: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777))?;
    for entry in fs::read_dir(directory)? {
        fs::set_permissions(entry?.path(), fs::Permissions::from_mode(0o666))?;
    }
    Ok(())
}

fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
