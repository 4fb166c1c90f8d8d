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
/// The databases on the server: the first is the unsharded one, and all are shards of the sharded one.
pub(crate) const DATABASES: [&str; 3] = ["bench", "bench1", "bench2"];
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
    /// It takes TLS.
    pub(crate) tls: bool,
    /// It takes named statements.
    pub(crate) prepared: bool,
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
            tls: false,
            prepared: true,
        }];
        certificate(directory)?;
        match Self::pgbouncer(server, directory) {
            Ok(contender) => all.push(contender),
            Err(error) => {
                eprintln!("PgBouncer is left out: {error:#}. hint: install the package pgbouncer")
            }
        }
        all.push(Self::shunt("shunt", server, shunt, directory)?);
        all.push(Self::shunt("shunt, 3 shards", server, shunt, directory)?);
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
                 max_prepared_statements = 200\nclient_tls_sslmode = allow\n\
                 client_tls_cert_file = {}\nclient_tls_key_file = {}\nlog_connections = 0\nlog_disconnections = 0\nlogfile = {}\n",
                server.port(),
                server.user(),
                users.display(),
                directory.join("cert.pem").display(),
                directory.join("key.pem").display(),
                directory.join("pgbouncer.log").display(),
            ),
        )?;
        // Before 1.21 there are no named statements in transaction mode, and the setting is unknown.
        let version = Command::new("pgbouncer")
            .arg("--version")
            .output()
            .context("running pgbouncer")?;
        let prepared = !is_before_1_21(&String::from_utf8_lossy(&version.stdout));
        if !prepared {
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
        let mut started = Self::start("pgbouncer", port, command)?;
        started.prepared = prepared;
        Ok(started)
    }

    /// Shunt; sharded by account when the name says so. Every shard has all accounts, so that the answers
    /// are those of one database, and each query goes to one shard.
    fn shunt(
        name: &'static str,
        server: &Server,
        binary: &Path,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let sharded = name != "shunt";
        let config = directory.join(format!("{name}.toml"));
        let (cert, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\nworkers = 2\n\
             tls = {{ mode = \"prefer\", cert = {cert:?}, key = {key:?} }}\n\n\
             [pool]\nmax_size = {POOL_SIZE}\n\n[auth]\nmethod = \"trust\"\n\n\
             [[users]]\nname = \"{}\"\n\n[[databases]]\nname = \"bench\"\n\n",
            server.user(),
        );
        for (n, database) in DATABASES
            .iter()
            .enumerate()
            .take(if sharded { 3 } else { 1 })
        {
            let url = server.url(database);
            text += &format!("[[databases.shards]]\nname = \"s{n}\"\nprimary = \"{url}\"\n\n");
        }
        if sharded {
            text += "[[databases.placements]]\nname = \"by_account\"\nstrategy = \"hash\"\ntype = \"bigint\"\n\n\
                     [[databases.tables]]\nname = \"pgbench_accounts\"\nkey = \"aid\"\nplacement = \"by_account\"\n\n\
                     [[databases.tables]]\nname = \"pgbench_branches\"\nreference = true\n";
        }
        fs::write(&config, text)?;
        let mut command = Command::new(binary);
        command.args(["serve", "--config"]).arg(&config);
        Self::start(name, port, command)
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
            tls: true,
            prepared: true,
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

/// A certificate that nobody has to trust.
fn certificate(directory: &Path) -> anyhow::Result<()> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
    fs::write(directory.join("cert.pem"), made.cert.pem())?;
    fs::write(directory.join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(())
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
