//! Shunt before several servers, each a shard.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use local_postgres::Server;

/// Longest wait for the proxy to accept connections.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A proxy that ends with the bench.
pub struct Proxy {
    /// Its process.
    pub process: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The process may be gone already; there is nothing to do about either failing.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Proxy {
    /// Starts it before these servers, one a shard, each with a database `bench` that has a table `items`, placed by
    /// its column `id`. `more` are lines for the database's own table of settings.
    pub fn start(
        shards: &[Server],
        binary: &Path,
        directory: &Path,
        more: &str,
    ) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let user = shards[0].user();
        let mut text = format!(
            "[server]\nlisten = \"{address}\"\nworkers = 2\n\n[auth]\nmethod = \"trust\"\n\n[[users]]\nname = \"{user}\"\n\n\
             [[databases]]\nname = \"bench\"\n{more}\n"
        );
        for (n, shard) in shards.iter().enumerate() {
            let url = shard.url("bench");
            text.push_str(&format!(
                "[[databases.shards]]\nname = \"s{n}\"\nprimary = \"{url}\"\n\n"
            ));
        }
        text.push_str(
            "[[databases.placements]]\nname = \"by_id\"\ntype = \"bigint\"\nstrategy = \"hash\"\n\n\
             [[databases.tables]]\nname = \"items\"\nkey = \"id\"\nplacement = \"by_id\"\n",
        );
        let config = directory.join("shunt.toml");
        std::fs::write(&config, text)?;
        let process = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("starting shunt")?;
        let proxy = Self { process, address };
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            anyhow::ensure!(Instant::now() < deadline, "shunt does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(proxy)
    }
}
