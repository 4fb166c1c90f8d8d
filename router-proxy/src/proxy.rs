//! The whole proxy: bound, served, drained.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::spawn_local;

use crate::aside::Aside;
use crate::auth::AuthError;
use crate::handover::give::{Door, Sockets, give};
use crate::handover::take::Predecessor;
use crate::handover::{Inherited, UnixSocket};
use crate::http;
use crate::listener::{self, Listening};
use crate::live::{Live, LiveError};
use crate::metrics::Totals;
use crate::probe;
use crate::reactor::Reactor;
use crate::reload::Handle;
use crate::settings::{ListenAddress, Settings};
use crate::tls::TlsError;
use crate::twophase;
use crate::worker::{Bell, Letter, Shared, Worker};
use router_core::plan::second::SecondReader;

/// How often a drain looks whether everybody has left.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// How long clients that were told to go may take to hear it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Most clients that are named when they are cut off.
const MOST_LEFT: usize = 20;

/// A proxy that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which one.
        address: String,
        /// Why.
        error: io::Error,
    },
    /// TLS towards clients.
    #[error(transparent)]
    Tls(TlsError),
    /// Authentication.
    #[error(transparent)]
    Auth(AuthError),
    /// A worker's thread or runtime.
    #[error("cannot start a worker: {0}")]
    Worker(io::Error),
}

impl From<LiveError> for BindError {
    fn from(error: LiveError) -> Self {
        match error {
            LiveError::Tls(error) => Self::Tls(error),
            LiveError::Auth(error) => Self::Auth(error),
        }
    }
}

/// A proxy whose addresses are bound: clients that connect from now on will be served.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    listening: Vec<Listening>,
    letters: Vec<UnboundedReceiver<Letter>>,
    http: Option<std::net::TcpListener>,
    door: Option<Door>,
    predecessor: Option<Predecessor>,
}

impl Proxy {
    /// Binds all addresses.
    pub fn bind(settings: Settings) -> Result<Self, BindError> {
        Self::bind_with(settings, &mut Inherited::default())
    }

    /// Takes the sockets that were inherited for the addresses of the settings, and binds the others. What no address
    /// asks for is left in `inherited`.
    pub fn bind_with(settings: Settings, inherited: &mut Inherited) -> Result<Self, BindError> {
        let workers = match settings.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        }
        .min(128);
        let mut listening = Vec::new();
        for address in &settings.listen {
            listening.push(
                listener::bind(address, workers, inherited).map_err(|error| BindError::Listen {
                    address: match address {
                        ListenAddress::Tcp(address) => address.to_string(),
                        ListenAddress::Unix(path) => path.display().to_string(),
                    },
                    error,
                })?,
            );
        }
        let http = settings.http_listen.map(|address| {
            let known = inherited.take_tcp(address).map(|mut known| known.pop());
            known
                .and_then(|known| known.map_or_else(|| http::bind(address), Ok))
                .map_err(|error| BindError::Listen {
                    address: address.to_string(),
                    error,
                })
        });
        let http = http.transpose()?;
        let predecessor = inherited.take_predecessor();
        let door = match (&settings.takeover_socket, &predecessor) {
            (Some(path), None) => Some(Door::open(path).map_err(|error| BindError::Listen {
                address: path.display().to_string(),
                error,
            })?),
            // It is still the predecessor's.
            _ => None,
        };
        let live = Live::new(settings, 0)?;
        let (senders, letters) = (0..workers).map(|_| unbounded_channel()).unzip();
        Ok(Self {
            shared: Arc::new(Shared::new(live, senders, inherited.turn)),
            listening,
            letters,
            http,
            door,
            predecessor,
        })
    }

    /// Has every statement that is planned anew read by this reader too. Where the two differ nothing goes over shards.
    pub fn with_second_reader(self, reader: Arc<dyn SecondReader>) -> Self {
        // There is one already only if this was called before.
        let _ = self.shared.second_reader.set(reader);
        self
    }

    /// Where `/metrics` and the rest are served: with port 0, the port that was found.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http.as_ref()?.local_addr().ok()
    }

    /// For reloads; it outlives this value.
    pub fn handle(&self) -> Handle {
        Handle(Arc::clone(&self.shared))
    }

    /// The addresses in use: with port 0, the port that was found.
    pub fn local_addrs(&self) -> Vec<ListenAddress> {
        self.listening
            .iter()
            .map(|listening| match listening {
                Listening::Tcp(address, _) => ListenAddress::Tcp(*address),
                Listening::Unix(path, _) => ListenAddress::Unix(path.clone()),
            })
            .collect()
    }

    /// A view of the counters that outlives this value.
    pub fn totals(&self) -> Totals {
        Totals::new(Arc::clone(&self.shared))
    }

    /// Serves until `shutdown` is ready, then drains: idle clients are told to go, the others finish
    /// their transactions, up to `drain_timeout`.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), BindError> {
        let Self {
            shared,
            listening,
            letters,
            http,
            mut door,
            predecessor,
        } = self;
        let mut given = Sockets::default();
        if shared.settings().settings.takeover_socket.is_some() {
            given = copies(&listening, http.as_ref()).map_err(BindError::Worker)?;
        }
        let http = http.map(|listener| {
            shared.note_accepting();
            let shared = Arc::clone(&shared);
            Beside(tokio::spawn(async move {
                if let Err(error) = http::serve(listener, shared).await {
                    tracing::error!(%error, "the HTTP endpoint has ended");
                }
            }))
        });
        let sweeping = Beside(tokio::spawn(twophase::sweeper::run(Arc::clone(&shared))));
        let probing = Beside(tokio::spawn(probe::run(Arc::clone(&shared))));
        let mut unix_paths: Vec<PathBuf> = Vec::new();
        let mut tcp: Vec<Vec<std::net::TcpListener>> = letters.iter().map(|_| Vec::new()).collect();
        let mut unix = Vec::new();
        for listening in listening {
            match listening {
                Listening::Tcp(_, sockets) => {
                    for (i, socket) in sockets.into_iter().enumerate() {
                        let worker = i % tcp.len();
                        tcp[worker].push(socket);
                    }
                }
                Listening::Unix(path, socket) => {
                    if !socket.is_kept {
                        unix_paths.push(path);
                    }
                    unix.push(socket.listener);
                }
            }
        }
        // Beside everything else: with many users it takes seconds.
        let verifying = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("shunt-verifiers".to_owned())
            .spawn(move || verifying.live.load().authenticator.warm_up())
            .map_err(BindError::Worker)?;
        let aside = Aside::start().map_err(BindError::Worker)?;
        let mut threads = Vec::new();
        let (done, mut all_done) = tokio::sync::mpsc::channel::<()>(1);
        for (id, (letters, tcp)) in letters.into_iter().zip(tcp).enumerate() {
            let unix = if id == 0 {
                std::mem::take(&mut unix)
            } else {
                Vec::new()
            };
            let shared = Arc::clone(&shared);
            let done = done.clone();
            let aside = Arc::clone(&aside);
            let thread = std::thread::Builder::new()
                .name(format!("shunt-worker-{id}"))
                .spawn(move || {
                    let _done = done;
                    work(id, shared, &aside, letters, tcp, unix)
                })
                .map_err(BindError::Worker)?;
            threads.push(thread);
        }
        drop(done);
        if let Some(predecessor) = predecessor {
            if let Err(error) = shared.elder.announce(predecessor).await {
                tracing::warn!(%error, "the process that served before does not answer");
            }
            let path = shared.settings().settings.takeover_socket.clone();
            door = path.and_then(|path| {
                Door::open(&path)
                    .inspect_err(|error| {
                        let path = path.display();
                        tracing::error!(%path, %error, "nobody can take over from this process");
                    })
                    .ok()
            });
        }
        let mut giving =
            door.map(|door| Beside(tokio::spawn(give(door, given, Arc::clone(&shared)))));
        let mut http = http;
        let mut shutdown = std::pin::pin!(shutdown);
        let handed_over = tokio::select! {
            () = &mut shutdown => false,
            () = shared.shutdown.notified() => false,
            () = shared.handover.notified() => true,
            // A worker that cannot start says so when it is joined.
            _ = all_done.recv() => false,
        };
        if handed_over {
            tracing::info!(
                "another process has taken over; clients have until drain_timeout to leave"
            );
            // Whoever asks from now on asks the other process.
            if let Some(Beside(http)) = &mut http {
                http.abort();
                let _ = http.await;
                shared.note_stopped();
            }
            tokio::select! {
                () = &mut shutdown => {}
                () = shared.shutdown.notified() => {}
                () = everybody_left(&shared) => {}
            }
        } else {
            // Nobody may wait in a queue that is not read any more.
            giving = None;
        }
        shared.draining.store(true, Ordering::SeqCst);
        shared.wake_all();
        let until = Instant::now() + shared.settings().settings.drain_timeout;
        while shared.clients.load(Ordering::Acquire) > 0 && Instant::now() < until {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        tell_of_left(&shared).await;
        shared.stopping.store(true, Ordering::SeqCst);
        shared.wake_all();
        let mut result = Ok(());
        let joined = tokio::task::spawn_blocking(move || {
            let mut result = Ok(());
            for thread in threads {
                match thread.join() {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => result = Err(BindError::Worker(error)),
                    Err(_) => {
                        result = Err(BindError::Worker(io::Error::other("a worker panicked")));
                    }
                }
            }
            result
        })
        .await;
        match joined {
            Ok(joined) => result = result.and(joined),
            Err(error) => result = Err(BindError::Worker(io::Error::other(error))),
        }
        drop((http, sweeping, probing, giving));
        if !handed_over {
            for path in unix_paths {
                // Left behind, it is removed by the next start.
                let _ = std::fs::remove_file(path);
            }
        }
        result
    }
}

/// Copies of all sockets, to be given away.
fn copies(listening: &[Listening], http: Option<&std::net::TcpListener>) -> io::Result<Sockets> {
    let mut copies = Sockets::default();
    for listening in listening {
        match listening {
            Listening::Tcp(_, sockets) => {
                for socket in sockets {
                    copies.tcp.push(socket.try_clone()?);
                }
            }
            Listening::Unix(_, socket) => copies.unix.push(UnixSocket {
                listener: socket.listener.try_clone()?,
                is_kept: socket.is_kept,
            }),
        }
    }
    if let Some(http) = http {
        copies.tcp.push(http.try_clone()?);
    }
    Ok(copies)
}

/// Ready when all clients have left by themselves, or after `drain_timeout`.
async fn everybody_left(shared: &Shared) {
    let until = Instant::now() + shared.settings().settings.drain_timeout;
    // What was accepted a moment ago is counted by then.
    tokio::time::sleep(2 * crate::worker::TICK).await;
    while shared.clients.load(Ordering::Acquire) > 0 && Instant::now() < until {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
}

/// Whom the end of the drain cuts off: what they were at is lost to them.
async fn tell_of_left(shared: &Shared) {
    if shared.clients.load(Ordering::Acquire) == 0 {
        return;
    }
    let left = shared.look(true).await;
    let left: Vec<_> = left.clients().filter(|client| !client.console).collect();
    shared.cut_off.store(left.len(), Ordering::Release);
    for client in left.iter().take(MOST_LEFT) {
        let peer = client.details.as_ref().and_then(|details| details.peer);
        tracing::warn!(
            client = client.id,
            user = client.user,
            database = client.database,
            peer = peer.map(tracing::field::display),
            at = client.doing.words(),
            seconds = client.since.elapsed().as_secs(),
            "a client is cut off: drain_timeout is over"
        );
    }
    if left.len() > MOST_LEFT {
        let more = left.len() - MOST_LEFT;
        tracing::warn!(more, "more clients are cut off");
    }
}

/// A task that ends with the proxy.
struct Beside(tokio::task::JoinHandle<()>);

impl Drop for Beside {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A worker's thread.
fn work(
    id: usize,
    shared: Arc<Shared>,
    aside: &Aside,
    letters: UnboundedReceiver<Letter>,
    tcp: Vec<std::net::TcpListener>,
    unix: Vec<std::os::unix::net::UnixListener>,
) -> io::Result<()> {
    let _aside = aside.enter();
    let mut reactor = Reactor::new()?;
    let _reactor = reactor.enter();
    let bell = Bell::new(&reactor)?;
    let worker = Worker::new(id, Arc::clone(&shared), Arc::clone(&bell));
    let all = {
        let worker = Rc::clone(&worker);
        async move {
            if id == 0 {
                worker.open_pools();
            }
            let mut accepting = Vec::new();
            for listener in tcp {
                accepting.push(listener::Accepting::tcp(listener)?);
            }
            for listener in unix {
                accepting.push(listener::Accepting::unix(listener)?);
            }
            let accepting: Vec<_> = accepting
                .into_iter()
                .map(|listener| spawn_local(listener::accept(worker.clone(), listener)))
                .collect();
            let ticking = spawn_local(worker.clone().tick());
            let reading = spawn_local(worker.clone().read_letters(letters));
            while !shared.has_stopped_accepting() {
                tokio::time::sleep(crate::worker::TICK).await;
            }
            for accept in &accepting {
                accept.abort();
            }
            for accept in accepting {
                let _ = accept.await;
            }
            shared.note_stopped();
            while !shared.stopping.load(Ordering::SeqCst) {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
            let until = Instant::now() + FAREWELL;
            while worker.population() > 0 && Instant::now() < until {
                tokio::time::sleep(DRAIN_LOOK).await;
            }
            ticking.abort();
            reading.abort();
            Ok(())
        }
    };
    crate::worker::run(&mut reactor, &bell, &worker, all)
}
