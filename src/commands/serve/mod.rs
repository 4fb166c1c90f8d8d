//! `shunt serve`: the proxy, in the foreground, until a signal ends it.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | start, stop and what is said about either |
//! | `sockets` | listening sockets of systemd's or of the process that is replaced |
//! | `notify` | what systemd is told |
//! | `bind` | why a proxy could not start, and what to do |
//! | `reload` | the configuration read again |

use std::path::{Path, PathBuf};

use clap::Args;
use router_proxy::Proxy;
use router_proxy::settings::{ListenAddress, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::{ConfigFile, Failure};
use crate::config;
use crate::config::summary::listener;
use crate::logging::{self, LogFormat};

pub(super) mod bind;
mod notify;
mod reload;
mod sockets;

/// What `serve` may be told.
#[derive(Debug, Args)]
#[command(
    after_help = "Signals:\n  SIGHUP   read the configuration again and put what differs in force\n  SIGTERM  drain: finish transactions, up to drain_timeout; a second signal stops at once\n  SIGINT   stop at once\n  SIGUSR2  start this command again with --takeover, for a new binary or settings that need a restart\n\nExamples:\n  shunt serve --config shunt.toml\n  shunt serve --config shunt.toml --log-format json --log info,router_proxy=debug"
)]
pub struct Options {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// Take the listening sockets of the process that serves by the same configuration (server.takeover_socket). It
    /// accepts no more, lets its clients finish for up to drain_timeout, and ends; nobody is turned away meanwhile.
    #[arg(long)]
    pub takeover: bool,
    /// What is logged: error, warn, info, debug or trace; or directives such as info,router_proxy=debug.
    /// SHUNT_LOG in the environment says the same; without either it is info.
    #[arg(long, value_name = "LEVEL")]
    pub log: Option<String>,
    /// How log lines look, on standard error.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// Runs `shunt serve`.
pub fn run(options: &Options) -> Result<(), Failure> {
    let settings = config::load(&options.file.config)?;
    let (source, filter) = match &options.log {
        Some(filter) => ("--log", filter.clone()),
        None => match std::env::var("SHUNT_LOG") {
            Ok(filter) if !filter.is_empty() => ("SHUNT_LOG", filter),
            _ => ("--log", "info".to_owned()),
        },
    };
    logging::start(options.log_format, &filter).map_err(|error| Failure::Usage {
        what: format!("{source} \"{filter}\" is not understood: {error}"),
        hint: "write a level such as info, or directives such as info,router_proxy=debug"
            .to_owned(),
    })?;
    // The workers bring their own threads; this one only waits for signals.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed {
            what: format!("cannot start: {error}"),
            hint: "look at the limits of this process (ulimit -a)".to_owned(),
        })?;
    runtime.block_on(serve(settings, options))
}

/// The signals that this command listens to.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    successor: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            successor: signal(SignalKind::user_defined2())?,
        })
    }
}

async fn serve(settings: Settings, options: &Options) -> Result<(), Failure> {
    let path = &options.file.config;
    // Before anything is bound: a signal from here on finds its handler.
    let mut signals = Signals::new().map_err(|error| Failure::Failed {
        what: format!("cannot listen to signals: {error}"),
        hint: "look at the limits of this process (ulimit -a)".to_owned(),
    })?;
    let inherited = match options.takeover {
        true => sockets::of_predecessor(&settings)?,
        false => sockets::of_systemd()?,
    };
    let proxy = bind::bind(&settings, inherited)?;
    let addresses = proxy.local_addrs();
    tracing::info!(
        target: "shunt",
        "listening on {} for {}",
        listed(addresses.iter().map(listener)),
        listed(settings.databases.iter().map(|database| {
            let topology = &database.topology;
            match topology.shards.len() {
                1 => topology.database.clone(),
                shards => format!("{} ({shards} shards)", topology.database),
            }
        })),
    );
    if settings.lets_nobody_in() {
        tracing::warn!(target: "shunt", "{}", super::check::NOBODY);
    }
    if let Some(warning) = proxy.handle().warning() {
        tracing::warn!(target: "shunt", "{warning}");
    }
    if let Some(address) = proxy.http_addr() {
        tracing::info!(target: "shunt", "HTTP on http://{address}/ (metrics, health, ready, dashboard)");
    }
    let handle = proxy.handle();
    notify::ready();
    let end = run_until_told(proxy, &settings, path, &mut signals).await;
    if matches!(end, Ok(End::Stopped)) && !handle.is_handed_over() {
        remove_sockets(&addresses);
    }
    end.map(|end| match end {
        End::Drained => match handle.cut_off() {
            0 => tracing::info!(target: "shunt", "drained, stopping"),
            cut_off => tracing::warn!(
                target: "shunt",
                cut_off,
                "stopping: drain_timeout is over, and some clients had not left"
            ),
        },
        End::Stopped => tracing::info!(target: "shunt", "stopped"),
    })
}

/// How serving ended.
enum End {
    /// Every client had left, or `drain_timeout` was over.
    Drained,
    /// Somebody would not wait.
    Stopped,
}

async fn run_until_told(
    proxy: Proxy,
    settings: &Settings,
    path: &Path,
    signals: &mut Signals,
) -> Result<End, Failure> {
    let (drain, told_to_drain) = oneshot::channel::<()>();
    let handle = proxy.handle();
    handle.set_source({
        let path = path.to_owned();
        move || reload::settings(&path)
    });
    let serving = proxy.serve(async {
        // An error is a sender that is gone, and then nobody is left to serve for.
        let _ = told_to_drain.await;
    });
    tokio::pin!(serving);
    let mut drain = Some(drain);
    loop {
        tokio::select! {
            ended = &mut serving => {
                ended.map_err(|error| bind::failure(&error, settings))?;
                return if drain.is_none() || handle.is_shut_down() { Ok(End::Drained) } else { Err(ended_unasked()) };
            }
            _ = signals.hangup.recv() => {
                notify::reloading();
                reload::read(path, &handle).await;
                notify::ready();
            }
            _ = signals.successor.recv() => sockets::start_successor(settings),
            _ = signals.interrupt.recv() => {
                tracing::info!(target: "shunt", "SIGINT: stopping at once");
                return Ok(End::Stopped);
            }
            _ = signals.terminate.recv() => match drain.take() {
                Some(drain) => {
                    tracing::info!(
        target: "shunt",
                        "SIGTERM: no new clients; transactions have {:?} to end",
                        settings.drain_timeout,
                    );
                    notify::stopping();
                    // An error is a proxy that has ended already, which the next turn sees.
                    let _ = drain.send(());
                }
                None => {
                    tracing::info!(target: "shunt", "second SIGTERM: stopping at once");
                    return Ok(End::Stopped);
                }
            },
        }
    }
}

fn ended_unasked() -> Failure {
    Failure::Failed {
        what: "the proxy ended without being told to".to_owned(),
        hint: "the log lines above say what happened; start it again".to_owned(),
    }
}

/// What a drain removes itself: nobody listens on these sockets any more.
fn remove_sockets(addresses: &[ListenAddress]) {
    let sockets = addresses.iter().filter_map(|address| match address {
        ListenAddress::Unix(path) => Some(path),
        ListenAddress::Tcp(_) => None,
    });
    for path in sockets.collect::<Vec<&PathBuf>>() {
        // Left behind, it is removed by the next start.
        let _ = std::fs::remove_file(path);
    }
}

fn listed(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(", ")
}
