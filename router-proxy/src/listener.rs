//! Where clients connect: sockets, and a client's way from `accept` to its session.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use router_core::sqlstate::SqlState;
use socket2::{Domain, Protocol, Type};
use tokio::task::spawn_local;

use crate::admin;
use crate::client::{Client, startup_settings};
use crate::handover::{Inherited, UnixSocket};
use crate::lookup::ServerLookup;
use crate::pool::ServerConnection;
use crate::reactor::Watched;
use crate::replication::{self, Replicating};
use crate::session::directives::PREFIX;
use crate::session::{Directives, Session};
use crate::settings::ListenAddress;
use crate::startup::{Entered, EntryError, Named, Replication, Startup, enter};
use crate::tls::{RawSocket, Socket, StdSocket};
use crate::wire::code;
use crate::wire::encode::{self, Report};
use crate::worker::{Greeting, Letter, Occupied, Worker};

/// Connections that the kernel keeps for us until we accept them.
const BACKLOG: i32 = 1024;

/// Pause after `accept` fails for want of file descriptors or memory.
const PAUSE: Duration = Duration::from_millis(50);

/// Refusals for want of a server are told no more often.
const SERVERLESS: Duration = Duration::from_secs(1);

/// So much a client may say before it is let in: nobody listens from then on.
const EARLY: usize = 16 << 10;

/// A listening socket, bound and not yet on a reactor.
#[derive(Debug)]
pub(crate) enum Listening {
    /// TCP, one socket per worker where the platform spreads connections over them.
    Tcp(SocketAddr, Vec<std::net::TcpListener>),
    /// A Unix socket; the first worker accepts and hands connections round.
    Unix(PathBuf, UnixSocket),
}

/// Binds an address for `workers` workers, or takes what was inherited.
pub(crate) fn bind(
    address: &ListenAddress,
    workers: usize,
    inherited: &mut Inherited,
) -> io::Result<Listening> {
    match address {
        ListenAddress::Tcp(address) => {
            let mut all = inherited.take_tcp(*address)?;
            if all.is_empty() {
                all.push(bind_tcp(*address)?);
            }
            let bound = all[0].local_addr()?;
            // A socket of systemd's may not share its port: then one worker accepts for all.
            let shares = socket2::SockRef::from(&all[0]).reuse_port()?;
            while shares && all.len() < workers {
                all.push(bind_tcp(bound)?);
            }
            Ok(Listening::Tcp(bound, all))
        }
        ListenAddress::Unix(path) => {
            if let Some(socket) = inherited.take_unix(path)? {
                return Ok(Listening::Unix(path.clone(), socket));
            }
            // A socket file that nobody listens on is left from a crash.
            if path.exists() && std::os::unix::net::UnixStream::connect(path).is_err() {
                std::fs::remove_file(path)?;
            }
            let listener = std::os::unix::net::UnixListener::bind(path)?;
            // As PostgreSQL's, whatever the umask: who may log in is decided by authentication, and the folder may say less.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
            listener.set_nonblocking(true)?;
            let socket = UnixSocket {
                listener,
                is_kept: false,
            };
            Ok(Listening::Unix(path.clone(), socket))
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    // Linux spreads connections over all sockets of a port (SO_REUSEPORT).
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A worker's listening socket.
#[derive(Debug)]
pub(crate) enum Accepting {
    /// TCP.
    Tcp(Watched<std::net::TcpListener>),
    /// Unix; connections are handed round.
    Unix(Watched<std::os::unix::net::UnixListener>),
}

impl Accepting {
    /// On the reactor of this thread.
    pub(crate) fn tcp(listener: std::net::TcpListener) -> io::Result<Self> {
        Watched::new(listener)
            .map_err(|_| no_reactor())?
            .map(Self::Tcp)
    }

    /// On the reactor of this thread.
    pub(crate) fn unix(listener: std::os::unix::net::UnixListener) -> io::Result<Self> {
        Watched::new(listener)
            .map_err(|_| no_reactor())?
            .map(Self::Unix)
    }

    /// The next one who comes.
    async fn accept(&self) -> io::Result<StdSocket> {
        match self {
            Self::Tcp(listener) => {
                listener
                    .accept(|listener| {
                        let (stream, _) = listener.accept()?;
                        let ready = stream.set_nodelay(true);
                        ready.map_err(|_| io::ErrorKind::ConnectionAborted)?;
                        stream.set_nonblocking(true)?;
                        Ok(stream.into())
                    })
                    .await
            }
            Self::Unix(listener) => {
                listener
                    .accept(|listener| {
                        let (stream, _) = listener.accept()?;
                        stream.set_nonblocking(true)?;
                        Ok(stream.into())
                    })
                    .await
            }
        }
    }
}

fn no_reactor() -> io::Error {
    io::Error::other("clients are accepted by workers only")
}

/// Accepts until the drain begins.
pub(crate) async fn accept(worker: Rc<Worker>, listener: Accepting) {
    loop {
        match listener.accept().await {
            Ok(socket) => place(&worker, socket),
            Err(error) if is_about_one_client(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(PAUSE).await;
            }
        }
        // Those that are in have their turns, however many come.
        tokio::task::yield_now().await;
    }
}

/// Lets a client in on the worker that has fewest.
fn place(worker: &Rc<Worker>, socket: StdSocket) {
    let to = worker.shared.place_client(worker.id);
    if to == worker.id {
        return welcome(worker, socket);
    }
    // A worker that is gone takes no clients.
    if worker.shared.letters[to]
        .send(Letter::Accepted(socket))
        .is_err()
    {
        worker.shared.client_gone(to);
    }
}

fn is_about_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// A connection that was accepted for this worker.
pub(crate) fn welcome(worker: &Rc<Worker>, socket: StdSocket) {
    match RawSocket::attach(socket) {
        Ok(socket) => receive(worker, socket.into()),
        Err(_) => worker.shared.client_gone(worker.id),
    }
}

/// A client that has not proven who it is.
struct HalfOpened(Rc<Worker>);

impl Drop for HalfOpened {
    fn drop(&mut self) {
        self.0.half_open.borrow_mut().handle_end();
    }
}

/// Lets a client in that is counted for this worker.
fn receive(worker: &Rc<Worker>, socket: Socket) {
    let worker = Rc::clone(worker);
    if !worker.half_open.borrow_mut().handle_accept() {
        worker.shared.client_gone(worker.id);
        tracing::debug!("too many clients log in at the same time: one was turned away");
        return;
    }
    let half_open = HalfOpened(Rc::clone(&worker));
    let number = worker.shared.clients.fetch_add(1, Ordering::AcqRel) + 1;
    let (place, entry) = worker.enter();
    let occupied = Occupied(Rc::clone(&worker), place);
    let id = crate::cancel::process_id(worker.id, place);
    let peer = socket.raw().peer();
    spawn_local(async move {
        let mut named = Named::default();
        // Boxed: what logging in needs is given back before the session begins.
        let logging_in = log_in(
            Rc::clone(&worker),
            entry,
            socket,
            place,
            number,
            half_open,
            &mut named,
        );
        let logged_in = Box::pin(logging_in).await;
        match logged_in {
            Ok(Some(client)) => {
                worker.seat(client, occupied, tracing::debug_span!("client", id));
            }
            Ok(None) => {}
            Err(error) => tell_of_refused(&worker, id, peer, &named, &error),
        }
    });
}

/// As PostgreSQL's log has it; who hangs up half-way is nobody's business.
fn tell_of_refused(
    worker: &Worker,
    client: i32,
    peer: Option<SocketAddr>,
    named: &Named,
    error: &EntryError,
) {
    let peer = peer.map(tracing::field::display);
    let (user, database) = (named.user.as_deref(), named.database.as_deref());
    match error {
        EntryError::Refused(report) => {
            let sqlstate = report.state.as_str();
            let error = &report.message;
            // Whose server is down is told by a line of its own, and clients come again and again.
            let untold = match report.state == code::CANNOT_CONNECT {
                true => worker.shared.serverless.due(SERVERLESS),
                false => Some(0),
            };
            if let Some(untold) = untold {
                let untold = (untold > 0).then_some(untold);
                tracing::info!(client, peer, user, database, sqlstate, %error, untold, "client was refused");
            }
        }
        // Whoever says nothing at all only looks whether somebody listens.
        EntryError::Tls(_) => {
            tracing::info!(client, peer, user, database, %error, "client did not get in");
        }
        EntryError::Late(_) if user.is_some() => {
            tracing::info!(client, peer, user, database, %error, "client did not get in");
        }
        _ => tracing::debug!(client, peer, user, database, %error, "client did not get in"),
    }
}

async fn log_in(
    worker: Rc<Worker>,
    entry: Rc<crate::worker::Entry>,
    socket: Socket,
    place: usize,
    number: usize,
    half_open: HalfOpened,
    named: &mut Named,
) -> Result<Option<Box<Client>>, EntryError> {
    let shared = std::sync::Arc::clone(&worker.shared);
    // Held for the length of a login: what a reload changes is for the next one.
    let live = shared.live.load_full();
    let settings = &live.settings;
    let limit = settings.login_timeout;
    let entering = async {
        let tls = live.tls.as_ref();
        let entered = enter(socket, tls, named).await?;
        let (mut socket, startup, mut input) = match entered {
            Entered::Client {
                socket,
                startup,
                input,
            } => (socket, startup, input),
            Entered::Cancel { request, socket } => {
                if let Ok(secret) = <[u8; 4]>::try_from(&request.secret[..]) {
                    // Whose client it is only the secret says.
                    tokio::join!(
                        shared.cancel(request.process, secret),
                        shared.elder.cancel(request.process, secret),
                    );
                }
                drop(socket);
                return Ok(None);
            }
        };
        // Whoever has to see why there are so many gets in: what it may do is asked after its password.
        let is_console = admin::is_console(&startup.database, settings);
        if number > settings.max_clients && !is_console {
            let report = Report::fatal(SqlState::new("53300"), "sorry, too many clients already")
                .detail(format!("max_clients is {}.", settings.max_clients));
            return Err(EntryError::refuse(&mut socket, report).await);
        }
        let address = socket.raw().peer().map(|peer| peer.ip());
        if let Some(delay) = address.and_then(|address| shared.login_delay(address)) {
            tokio::time::sleep(delay).await;
        }
        let mut out = BytesMut::new();
        let lookup = ServerLookup {
            worker: Rc::clone(&worker),
            database: startup.database.clone(),
        };
        let proven = live
            .authenticator
            .authenticate(&mut socket, &mut input, &mut out, &startup, tls, &lookup)
            .await;
        if let (Err(EntryError::Refused(report)), Some(address)) = (&proven, address)
            && [SqlState::new("28P01"), SqlState::new("28000")].contains(&report.state)
        {
            shared.note_login_failure(address);
        }
        proven?;
        Ok(Some((socket, startup, input, out)))
    };
    let entered = if limit.is_zero() {
        entering.await
    } else {
        match tokio::time::timeout(limit, entering).await {
            Ok(entered) => entered,
            Err(_) => return Err(EntryError::Late(limit)),
        }
    };
    let Some((mut socket, startup, mut input, mut out)) = entered? else {
        return Ok(None);
    };
    // It has proven who it is: what it waits for from now on keeps no stranger out.
    drop(half_open);
    if admin::is_console(&startup.database, settings) {
        let welcome = admin::Welcome {
            worker,
            entry,
            place,
            socket,
            startup,
            input,
            out,
        };
        admin::serve(welcome, settings).await?;
        return Ok(None);
    }
    if startup.replication != Replication::No {
        let client = Replicating {
            worker,
            entry,
            place,
            socket,
            startup,
            input,
            out,
        };
        replication::serve(client, settings).await?;
        return Ok(None);
    }
    let hangs_up = hangs_up(&mut socket, &mut input);
    match greet(&worker, &entry, &startup, place, &mut out, hangs_up).await {
        Ok(None) => Ok(None),
        Ok(Some((access, session, home))) => {
            // A client that is gone already gives its connection back all the same.
            let written = socket.write_all(&out).await;
            worker.counters().logins.fetch_add(1, Ordering::Relaxed);
            access.environment.stats.database.counts.logins.add(1);
            *entry.about.borrow_mut() = Some(crate::worker::About {
                access: Some(Rc::clone(&access)),
                console: None,
                relayed: None,
                connected: std::time::Instant::now(),
            });
            tracing::debug!(
                client = crate::cancel::process_id(worker.id, place),
                user = access.user,
                database = access.database,
                peer = socket.raw().peer().map(tracing::field::display),
                tls = socket.tls().is_some(),
                "client connected"
            );
            // Boxed: a task that it is moved into has room for it more than once.
            let mut client = Box::new(Client::new(
                worker, access, entry, place, socket, &input, session,
            ));
            if let Some((pool, connection)) = home {
                client.adopt(pool, connection);
            }
            written?;
            Ok(Some(client))
        }
        Err(mut report) => {
            report.severity = encode::Severity::Fatal;
            socket.write_all(&out).await?;
            Err(EntryError::refuse(&mut socket, report).await)
        }
    }
}

/// Ready when the client has gone. What it says before it is let in is kept, up to a bound.
async fn hangs_up(socket: &mut Socket, input: &mut BytesMut) {
    while input.len() < EARLY {
        input.reserve(EARLY);
        if !matches!(socket.read_buf(input).await, Ok(1..)) {
            return;
        }
    }
    std::future::pending().await
}

/// What a client has that may begin; a server connection of its own among it, in session mode.
type Greeted = (
    Rc<crate::worker::Access>,
    Session,
    Option<(usize, ServerConnection)>,
);

/// Everything between authentication and the first `ReadyForQuery`. `None`: the client did not wait for it.
async fn greet(
    worker: &Rc<Worker>,
    entry: &crate::worker::Entry,
    startup: &Startup,
    place: usize,
    out: &mut BytesMut,
    hangs_up: impl Future<Output = ()>,
) -> Result<Option<Greeted>, Report> {
    if worker.is_draining() {
        return Err(Report::fatal(
            SqlState::new("57P03"),
            "the proxy is shutting down",
        ));
    }
    let access = worker.access(&startup.database, &startup.user)?;
    if access.gate.is_disabled() {
        let name = &access.database;
        return Err(Report::fatal(
            SqlState::new("57P03"),
            format!("database \"{name}\" is disabled"),
        )
        .detail("An administrator has closed it for new clients.")
        .hint(format!(
            "ENABLE {name} on the admin console opens it again."
        )));
    }
    // Where bytes go straight through, servers have all of them.
    let transparent = access.environment.is_transparent();
    let is_own = |name: &str| !transparent && name.to_ascii_lowercase().starts_with(PREFIX);
    let parameters = startup.parameters.iter().cloned();
    let (own, parameters): (Vec<_>, Vec<_>) = parameters.partition(|(name, _)| is_own(name));
    let directives = Directives::of_startup(&access.environment.topology, &own)?;
    let settings = startup_settings(&parameters);
    // A client of a paused database comes in, and its transactions wait: unless a server has to be asked first.
    if !access.knows_greeting(&settings) {
        // As long as an administrator likes.
        tokio::select! {
            () = access.gate.passed() => {}
            () = hangs_up => return Ok(None),
        }
    }
    let mut home = worker.home(&access, &settings).await?;
    let Greeting {
        settings,
        parameters,
        notices,
    } = match &mut home {
        Some((pool, connection)) => {
            let greeting = Greeting {
                settings,
                parameters: connection.state.parameters.clone(),
                notices: connection.state.notices.split().freeze(),
            };
            access.keep(worker.server_pool(*pool).news(), greeting.clone());
            greeting
        }
        None => worker.greeting(&access, &settings).await?,
    };
    out.extend_from_slice(&notices);
    for (name, value) in parameters.iter() {
        encode::parameter_status(out, name, value);
    }
    let mut secret = [0; 4];
    getrandom::fill(&mut secret)
        .map_err(|error| Report::fatal(SqlState::new("XX000"), error.to_string()))?;
    entry.secret.set(secret);
    let process = match &home {
        // Who has a server process for itself knows it by its own number: notifications carry it, and
        // pg_terminate_backend takes it.
        Some((_, connection)) => {
            let process = connection.state.process;
            worker.shared.note_process(process, worker.id, place);
            entry.process.set(Some(process));
            process
        }
        None => crate::cancel::process_id(worker.id, place),
    };
    encode::backend_key_data(out, process, &secret);
    encode::ready_for_query(out, b'I');
    let session = Session::new(Rc::clone(&access.environment), settings, parameters);
    let session = match &home {
        Some(_) => session,
        None => session.known_as(process),
    };
    let session = session.directed(directives);
    Ok(Some((access, session, home)))
}
