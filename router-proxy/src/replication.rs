//! Replication connections: passed through, byte for byte, to a server connection of their own.
//!
//! What `pg_receivewal`, `pg_basebackup` and logical subscribers say is no SQL, and their
//! streams last for days: such a connection counts in the pool of its user and is
//! never given to anybody else. Several shards have several streams of changes, and
//! no order between them, so on a sharded database it is refused.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use router_core::id::ShardId;
use router_core::sqlstate::SqlState;

use crate::cancel;
use crate::client::startup_settings;
use crate::pool::ServerConnection;
use crate::session::{HIGH_WATER, Role};
use crate::settings::Settings;
use crate::snapshot::{ClientDetails, Doing, ServerRow};
use crate::startup::{EntryError, Replication, Startup};
use crate::tls::{EncryptedSocket, Socket};
use crate::wire::buffer::{Buffer, PIECE};
use crate::wire::encode::{self, Report};
use crate::worker::{About, Access, Entry, Worker, server_row};

/// A client that has proven who it is and wants to replicate.
pub(crate) struct Replicating {
    pub(crate) worker: Rc<Worker>,
    pub(crate) entry: Rc<Entry>,
    pub(crate) place: usize,
    pub(crate) socket: Socket,
    pub(crate) startup: Startup,
    pub(crate) input: BytesMut,
    pub(crate) out: BytesMut,
}

/// Longest time that a cancel request may take once its client is gone.
const CANCELLING: Duration = Duration::from_secs(5);

/// Passes everything through until one side ends it.
pub(crate) async fn serve(mut client: Replicating, settings: &Settings) -> Result<(), EntryError> {
    let (access, pool, connection) = match open(&client, settings).await {
        Ok(opened) => opened,
        Err(report) => {
            let report = Report {
                severity: encode::Severity::Fatal,
                ..report
            };
            client.socket.write_all(&client.out).await?;
            return Err(EntryError::refuse(&mut client.socket, report).await);
        }
    };
    let Replicating {
        worker,
        entry,
        place,
        socket,
        startup,
        input,
        mut out,
    } = client;
    let mut application = startup.parameters.into_iter().rev();
    let application = application
        .find_map(|(name, value)| (name == "application_name").then_some(value))
        .unwrap_or_default();
    let ServerConnection {
        socket: server,
        state,
        ..
    } = connection;
    // The connection ends with this: nobody else gets it.
    let _closed = Closed(Rc::clone(&worker), pool);
    for (name, value) in state.parameters.iter() {
        encode::parameter_status(&mut out, name, value);
    }
    let mut secret = [0; 4];
    getrandom::fill(&mut secret)
        .map_err(|error| EntryError::Io(std::io::Error::other(error.to_string())))?;
    entry.secret.set(secret);
    let id = cancel::process_id(worker.id, place);
    encode::backend_key_data(&mut out, id, &secret);
    encode::ready_for_query(&mut out, b'I');
    let row = ServerRow {
        client: Some(id),
        application: application.clone(),
        ..server_row(&worker.server_pool(pool), &server, &state)
    };
    let details = ClientDetails {
        peer: socket.raw().peer(),
        local: socket.raw().local(),
        tls: socket.tls().map(EncryptedSocket::describe),
        application,
        servers: vec![row],
        ..ClientDetails::default()
    };
    *entry.about.borrow_mut() = Some(About {
        access: Some(access),
        console: None,
        relayed: Some(Box::new(details)),
        connected: Instant::now(),
    });
    entry.doing.set(Some((Doing::Active, Instant::now())));
    let (mut to_client, mut to_server) = (Buffer::new(&worker.stock), Buffer::new(&worker.stock));
    to_client.push(&out);
    to_server.push(&input);
    drop((input, out));
    let mut relay = Relay {
        worker: &worker,
        entry: &entry,
        pool,
        client: socket,
        server,
        to_client,
        to_server,
        process: state.process,
        secret: state.secret.clone(),
        cancelling: None,
    };
    std::future::poll_fn(|cx| relay.poll(cx)).await;
    relay.client.close();
    if entry.killed.get() {
        relay.see_server_end().await;
    }
    Ok(())
}

/// A server connection that replicates, after everything that may stand against it.
async fn open(
    client: &Replicating,
    settings: &Settings,
) -> Result<(Rc<Access>, usize, ServerConnection), Report> {
    let Replicating {
        worker, startup, ..
    } = client;
    let refused = |detail: &str, hint: &str| {
        Report::fatal(
            SqlState::new("0A000"),
            "replication through the proxy needs a database of one shard",
        )
        .detail(detail.to_owned())
        .hint(hint.to_owned())
    };
    // Physical replication is of a whole server and names no database; clients say "replication" there.
    let database = match (startup.replication, &settings.databases[..]) {
        (Replication::Physical, [only]) => only.topology.database.clone(),
        _ => startup.database.clone(),
    };
    let known = |database: &str| {
        let mut all = settings.databases.iter();
        all.any(|known| known.topology.database == database)
    };
    if startup.replication == Replication::Physical && !known(&database) {
        return Err(refused(
            "Physical replication is of a whole server, and the proxy serves several databases.",
            "Connect to the server itself.",
        ));
    }
    let access = worker.access(&database, &startup.user)?;
    if access.environment.is_sharded() {
        return Err(refused(
            "Each shard has a stream of changes of its own.",
            "Connect to the shards themselves, one by one.",
        ));
    }
    if access.gate.is_disabled() {
        return Err(Report::fatal(
            SqlState::new("57P03"),
            format!("database \"{database}\" is disabled"),
        ));
    }
    access.gate.passed().await;
    let mut base = (*startup_settings(&startup.parameters)).clone();
    let kind = match startup.replication {
        Replication::Database => "database",
        _ => "true",
    };
    base.set("replication", vec![kind.to_owned()]);
    let pools = access.pools(ShardId(0), Role::Primary, None);
    let own = Rc::clone(worker).acquire_of(pools, Some(Arc::new(base)));
    let (pool, connection) = own.await?;
    Ok((access, pool, connection))
}

/// Counts a connection of a pool as closed when it goes.
struct Closed(Rc<Worker>, usize);

impl Drop for Closed {
    fn drop(&mut self) {
        self.0.server_pool(self.1).closed();
    }
}

struct Relay<'w> {
    worker: &'w Rc<Worker>,
    entry: &'w Entry,
    pool: usize,
    client: Socket,
    server: Socket,
    to_client: Buffer,
    to_server: Buffer,
    process: i32,
    secret: Vec<u8>,
    cancelling: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Relay<'_> {
    /// Ready when one side has ended, or the client is told to go.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        *self.entry.waker.borrow_mut() = Some(cx.waker().clone());
        if self.entry.killed.get() || self.worker.shared.stopping.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        self.cancel(cx);
        loop {
            let sides = [
                pass(&mut self.server, &mut self.to_client, &mut self.client, cx),
                pass(&mut self.client, &mut self.to_server, &mut self.server, cx),
            ];
            match sides {
                [Ok(false), Ok(false)] => return Poll::Pending,
                [Ok(_), Ok(_)] => {}
                _ => return Poll::Ready(()),
            }
        }
    }

    /// Ends what the server is at for a client that was told to go: it would notice by itself only when it has something to say.
    async fn see_server_end(&mut self) {
        // One that is gone needs not be told.
        let _ = self.server.raw().end_output();
        let pool = self.worker.server_pool(self.pool);
        let sent = cancel::send(pool, self.process, self.secret.clone());
        // One that cannot be reached is left to itself.
        let _ = tokio::time::timeout(CANCELLING, sent).await;
    }

    fn cancel(&mut self, cx: &mut Context<'_>) {
        if self.entry.cancel.take() {
            let pool = self.worker.server_pool(self.pool);
            let (process, secret) = (self.process, self.secret.clone());
            let cancellers = self.entry.cancellers.take();
            self.cancelling = Some(Box::pin(async move {
                // The server may be gone, and then nothing runs there.
                let _ = cancel::send(pool, process, secret).await;
                drop(cancellers);
            }));
        }
        if let Some(cancelling) = &mut self.cancelling
            && cancelling.as_mut().poll(cx).is_ready()
        {
            self.cancelling = None;
        }
    }
}

/// Bytes from one socket to the other, through a bounded queue. Whether any moved; an error is the end.
fn pass(
    from: &mut Socket,
    queue: &mut Buffer,
    to: &mut Socket,
    cx: &mut Context<'_>,
) -> Result<bool, ()> {
    let mut moved = false;
    if queue.len() < HIGH_WATER {
        match queue.poll_read(from, PIECE, cx) {
            Poll::Ready(Ok(0)) => {
                // What it said last still goes out, as far as the socket takes it.
                let _ = queue.poll_write(to, cx);
                return Err(());
            }
            Poll::Ready(Ok(_)) => moved = true,
            Poll::Ready(Err(_)) => return Err(()),
            Poll::Pending => {}
        }
    }
    if !queue.is_empty() || to.wants_flush() {
        let before = queue.len();
        if let Poll::Ready(Err(_)) = queue.poll_write(to, cx) {
            return Err(());
        }
        moved |= queue.len() < before;
    }
    Ok(moved)
}
