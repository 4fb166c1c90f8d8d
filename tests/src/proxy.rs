//! A proxy in the test's own process, before servers that the test started.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use local_postgres::Server;
use router_core::id::Epoch;
use router_core::topology::{Shard, Topology};
use router_proxy::handover::Inherited;
use router_proxy::metrics::Totals;
use router_proxy::settings::{
    Auth, AuthMethod, Database, ListenAddress, PoolOverride, PoolSettings, ReadSettings,
    ServerAddress, Settings, ShardServers, TlsMode, User,
};
use router_proxy::{Handle, Proxy};

use crate::patience::PATIENCE;

/// A running proxy. Dropping it drains and stops it.
pub struct TestProxy {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its counters.
    pub totals: Totals,
    /// For reloads.
    pub handle: Handle,
    /// Where metrics and the rest are.
    pub http: Option<SocketAddr>,
    shutdown: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// The address of a test server's database.
pub fn address(server: &Server, database: &str) -> ServerAddress {
    ServerAddress {
        host: "127.0.0.1".into(),
        port: server.port(),
        database: database.into(),
        user: server.user().into(),
        password: None,
        tls: TlsMode::Disable,
        root_cert: None,
        client_cert: None,
    }
}

/// Settings for one unsharded database, trusted clients, two workers, a free port.
pub fn unsharded(server: &Server, database: &str, pool: PoolSettings) -> Settings {
    let shard = Shard {
        name: "s0".into(),
        has_replicas: false,
    };
    with_databases(
        vec![Database {
            topology: Arc::new(Topology::unsharded(database, shard, Epoch(1))),
            shards: vec![ShardServers {
                primary: address(server, database),
                replicas: Vec::new(),
            }],
            pool,
            reads: ReadSettings::default(),
            two_phase: Default::default(),
        }],
        server.user(),
    )
}

/// Settings for these databases and one user, trusted, two workers, a free port.
pub fn with_databases(databases: Vec<Database>, user: &str) -> Settings {
    Settings {
        listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 0).into())],
        http_listen: None,
        workers: 2,
        max_clients: 1000,
        drain_timeout: Duration::from_secs(2),
        takeover_socket: None,
        slow_query: Duration::ZERO,
        node: Some(7),
        login_timeout: PATIENCE,
        tls: None,
        auth: Auth {
            method: AuthMethod::Trust,
            hba_file: None,
            auth_query: None,
            auth_user: None,
        },
        users: vec![User {
            name: user.into(),
            secret: None,
            admin: false,
            server_user: None,
            server_password: None,
            pool: PoolOverride::default(),
        }],
        databases,
        catalog: None,
    }
}

impl TestProxy {
    /// Starts one.
    pub fn start(settings: Settings) -> Self {
        Self::serve(Proxy::bind(settings).expect("a free port can be bound"))
    }

    /// Starts one with the listening sockets of another, found by `takeover_socket`.
    pub fn take_over(settings: Settings) -> Self {
        let path = settings.takeover_socket.as_ref().expect("it is set");
        let mut inherited = Inherited::take_over(path).expect("the other one gives them");
        let proxy = Proxy::bind_with(settings, &mut inherited).expect("all is inherited");
        assert!(inherited.is_empty(), "{:?}", inherited.left_over());
        Self::serve(proxy)
    }

    fn serve(proxy: Proxy) -> Self {
        let address = proxy
            .local_addrs()
            .into_iter()
            .find_map(|address| match address {
                ListenAddress::Tcp(address) => Some(address),
                ListenAddress::Unix(_) => None,
            })
            .expect("it listens on TCP");
        let totals = proxy.totals();
        let (handle, http) = (proxy.handle(), proxy.http_addr());
        let (shutdown, signal) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(proxy.serve(async {
                    let _ = signal.await;
                }))
                .expect("the workers end well");
        });
        Self {
            address,
            totals,
            handle,
            http,
            shutdown: Some(shutdown),
            thread: Some(thread),
        }
    }

    /// A client program with the environment set so that it connects here.
    pub fn client(&self, server: &Server, program: &str, database: &str) -> Command {
        let mut command = server.client(program, database);
        command
            .env("PGPORT", self.address.port().to_string())
            .env("PGHOST", "127.0.0.1");
        command
    }

    /// What psql prints for a script, and whether it succeeded.
    pub fn psql(&self, server: &Server, database: &str, sql: &str) -> Output {
        self.client(server, "psql", database)
            .args(["-X", "-A", "-t", "-q", "-v", "VERBOSITY=verbose", "-c", sql])
            .output()
            .expect("psql runs")
    }

    /// A connection string for tokio-postgres.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!(
            "host=127.0.0.1 port={} user={user} dbname={database}",
            self.address.port()
        )
    }

    /// The settings in force.
    pub fn settings(&self) -> Settings {
        self.handle.settings()
    }

    /// Whether it has ended by itself.
    pub fn is_over(&self) -> bool {
        self.thread
            .as_ref()
            .is_none_or(|thread| thread.is_finished())
    }

    /// Begins the drain and waits for the end.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the proxy ends without a panic");
            }
        }
    }
}

impl Drop for TestProxy {
    fn drop(&mut self) {
        self.end();
    }
}
