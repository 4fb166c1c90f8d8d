//! `shunt demo`: a small shop on real local PostgreSQL servers, through the real proxy.
//!
//! | module | owns |
//! |---|---|
//! | [`shop`] | the schema, its topology, and the rows |
//! | [`servers`] | the shards and replicas, started in parallel |
//! | [`proxy`] | the proxy, in this process |
//! | `load` | the rows, put in through the proxy |
//! | `showcase` | the statements that are shown, and what each is announced to do |
//! | `session` | runs them: the plan and the answer of each |
//! | `table` | how they are shown |
//! | `screen` | progress on a terminal, plain lines elsewhere |

mod load;
pub mod proxy;
mod screen;
pub mod servers;
mod session;
pub mod shop;
mod showcase;
mod table;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use local_postgres::Cluster;
use router_proxy::settings::{
    Auth, AuthMethod, Database, ListenAddress, PoolOverride, PoolSettings, ReadSettings, Settings,
    User,
};

use proxy::Running;
use screen::Screen;

/// What `shunt demo` is asked for.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  shunt demo --shards 4 --port 0 --once")]
pub struct Arguments {
    /// Shards, each a PostgreSQL server of its own
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub shards: u16,
    /// Streaming replicas of each shard
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=4))]
    pub replicas: u16,
    /// Port of the proxy on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 6432)]
    pub port: u16,
    /// Where the servers keep their files while they run [default: the system's temporary folder]
    #[arg(long, value_name = "PATH")]
    pub dir: Option<PathBuf>,
    /// Ends after the showcase, with 1 if any statement did not do as announced
    #[arg(long)]
    pub once: bool,
}

/// Runs the demo to its end: until Ctrl-C, or once. Whether every statement did as announced.
pub fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    // The servers take seconds to start: whoever must choose another port should know at once.
    refuse_taken(arguments.port)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        let ended = wait_for_signal();
        tokio::pin!(ended);
        tokio::select! {
            outcome = demonstrate(arguments) => outcome,
            name = &mut ended => {
                let name = name?;
                Screen::new().line(&format!("{name}: the servers stop and their files go."));
                Ok(true)
            }
        }
    });
    // A start that Ctrl-C has interrupted is not waited for; the watchdogs remove what it made.
    runtime.shutdown_timeout(Duration::from_secs(5));
    outcome
}

async fn demonstrate(arguments: &Arguments) -> anyhow::Result<bool> {
    let screen = Screen::new();
    let begun = Instant::now();
    let binaries = local_postgres::Binaries::find()?;
    screen.line(&format!(
        "{} on PostgreSQL {}, shards: {}, replicas of each: {}",
        screen.bold("Shunt demo"),
        binaries.version(),
        arguments.shards,
        arguments.replicas,
    ));
    let cluster = start_servers(arguments, &screen).await?;
    let proxy = Running::start(settings(arguments.port, &cluster)?)?;
    let loading = screen.step("loading the shop through the proxy");
    let loaded = load::load(proxy.address)
        .await
        .context("cannot load the shop")?;
    let homes = servers::homes_of_users(&cluster)?;
    loading.done(&loaded.summary(cluster.shards(), &homes));
    if arguments.replicas > 0 {
        let waiting = screen.step("waiting for the replicas");
        tokio::task::block_in_place(|| cluster.await_replicas())?;
        waiting.done("replicas are up to date");
    }
    screen.line(&format!(
        "ready after {:.1} s\n",
        begun.elapsed().as_secs_f64()
    ));

    let has_replicas = arguments.replicas > 0;
    let shown = session::run(
        proxy.address,
        &showcase::statements(has_replicas, arguments.shards > 1),
        &cluster,
        &homes,
    )
    .await?;
    screen.block(&table::render(&shown, screen.width(), screen.is_terminal()));
    let wrong: Vec<&session::Shown> = shown.iter().filter(|one| one.wrong.is_some()).collect();
    for one in &wrong {
        let what = one.wrong.as_deref().unwrap_or_default();
        screen.line(&format!(
            "{} {}: {what}",
            screen.red("not as announced:"),
            one.title
        ));
    }
    if wrong.is_empty() {
        screen.line(&format!("all {} statements did as announced", shown.len()));
    }
    if !arguments.once {
        screen.line(&invitation(&proxy.address, &screen));
        if let Some(http) = proxy.http {
            screen.line(&format!(
                "Dashboard: http://{http}/  metrics: http://{http}/metrics"
            ));
        }
        std::future::pending::<()>().await;
    }
    proxy.stop().await?;
    let ok = wrong.is_empty();
    tokio::task::block_in_place(|| drop(cluster));
    Ok(ok)
}

async fn start_servers(arguments: &Arguments, screen: &Screen) -> anyhow::Result<Cluster> {
    let starting = screen.clone();
    let (count, replicas) = (
        usize::from(arguments.shards),
        usize::from(arguments.replicas),
    );
    let directory = arguments.dir.clone();
    let started = tokio::task::spawn_blocking(move || {
        servers::start(count, replicas, directory.as_deref(), &starting)
    });
    started
        .await
        .context("the start of the servers was interrupted")?
}

/// The settings of a proxy for the shop on these shards.
pub fn settings(port: u16, cluster: &Cluster) -> anyhow::Result<Settings> {
    let servers: Vec<_> = cluster.shards().iter().map(servers::addresses).collect();
    let names: Vec<&str> = cluster
        .shards()
        .iter()
        .map(|shard| shard.name.as_str())
        .collect();
    let topology = shop::topology(&names, servers.iter().any(|one| !one.replicas.is_empty()))?;
    Ok(Settings {
        listen: vec![ListenAddress::Tcp(SocketAddr::from((
            Ipv4Addr::LOCALHOST,
            port,
        )))],
        http_listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
        workers: 0,
        max_clients: 1000,
        drain_timeout: Duration::from_secs(1),
        takeover_socket: None,
        slow_query: Duration::ZERO,
        node: Some(0),
        login_timeout: Duration::from_secs(15),
        tls: None,
        // Only this machine can connect, and the rows are made up.
        auth: Auth {
            method: AuthMethod::Trust,
            hba_file: None,
            auth_query: None,
            auth_user: None,
        },
        users: [shop::USER, ADMIN].map(user).into(),
        databases: vec![Database {
            topology,
            shards: servers,
            pool: PoolSettings::default(),
            reads: ReadSettings::default(),
            two_phase: Default::default(),
        }],
        catalog: None,
    })
}

/// Who may use the console.
const ADMIN: &str = "admin";

fn user(name: &str) -> User {
    User {
        name: name.into(),
        secret: None,
        admin: name == ADMIN,
        server_user: None,
        server_password: None,
        pool: PoolOverride::default(),
    }
}

fn refuse_taken(port: u16) -> anyhow::Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => anyhow::bail!(
            "port {port} on 127.0.0.1 is in use. \
             hint: choose another with --port (0 takes any free one)"
        ),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => anyhow::bail!(
            "port {port} needs privileges that this user lacks. hint: choose one above 1023 with --port"
        ),
        Err(error) => Err(error).with_context(|| format!("cannot listen on 127.0.0.1:{port}")),
        Ok(_) => Ok(()),
    }
}

/// What to do next, once the showcase is over.
fn invitation(address: &SocketAddr, screen: &Screen) -> String {
    let psql = format!(
        "psql -h {} -p {} -U {} {}",
        address.ip(),
        address.port(),
        shop::USER,
        shop::DATABASE
    );
    let console = format!(
        "psql -h {} -p {} -U {ADMIN} shunt -c 'SHOW SHARDS'",
        address.ip(),
        address.port(),
    );
    format!(
        "\nThe shop stays open. Connect with\n\n    {}\n\nand put {} in front of a statement to see where it goes. The console\n\
         (SHOW HELP lists its commands):\n\n    {}\n\nCtrl-C stops everything and removes it.",
        screen.bold(&psql),
        screen.bold("EXPLAIN (SHUNT)"),
        screen.bold(&console),
    )
}

/// Waits for Ctrl-C or for being told to end otherwise; the signal's name.
async fn wait_for_signal() -> anyhow::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "Interrupted",
        _ = terminate.recv() => "Terminated",
        _ = hangup.recv() => "Terminal closed",
    })
}
