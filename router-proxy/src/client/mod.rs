//! One client: its socket, the server connections it holds, and the session machine between them.
//!
//! Its worker gives it a turn when one of these sockets is ready, or somebody
//! rings for it. What waits to be sent is sent first; servers are read while
//! the client takes their answers; the client is read while its servers take
//! its questions. So whoever stops reading stops what is read on its behalf,
//! and every queue stays bounded.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | the client's turns, its own socket |
//! | `acquire` | how it comes to its connections, and gives them back |
//! | `servers` | what goes to them and what comes from them |
//! | `ground` | what a message waits for before it is planned or committed |
//! | `orders` | what it is told from outside: cancel, leave, deadlines, other settings |
//! | `straight` | turns that come to a question or its answer and nothing else |
//! | `leaving` | what is left to do once its last turn is over |
//! | `told` | what it lets others know |

mod acquire;
mod ground;
mod leaving;
mod orders;
mod servers;
mod straight;
mod told;

use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use self::acquire::Acquiring;
use self::ground::{Preparing, Refreshing};
use self::orders::{Cancelling, Waiting};
use crate::pool::ServerConnection;
use crate::session::{ANALYSIS_LIMIT, Environment, Fatal, Session};
use crate::stats::ShardCounts;
use crate::tls::Socket;
use crate::wire::buffer::{Buffer, PIECE};
use crate::worker::{Access, Entry, Worker};

/// The I/O behind one of the session's slots.
enum Slot {
    Acquiring(Instant, Acquiring),
    Open {
        pool: usize,
        counts: Option<Rc<ShardCounts>>,
        socket: Socket,
        input: Buffer,
    },
}

/// So many turns are taken before the worker's other clients have theirs.
const MOST_TURNS: u32 = 32;

/// So many messages of a client are taken before the worker's other clients have their turns: what the router answers itself
/// takes five bytes each.
const MOST_MESSAGES: u32 = 1000;

/// How long the commit of a client that is gone may take.
const LAST_COMMIT: Duration = Duration::from_secs(30);

/// One client.
pub(crate) struct Client {
    worker: Rc<Worker>,
    access: Rc<Access>,
    entry: Rc<Entry>,
    /// Its place on the worker.
    place: usize,
    socket: Socket,
    input: Buffer,
    session: Session,
    slots: Vec<Slot>,
    cancelling: Vec<Cancelling>,
    /// What runs is being cancelled for the sake of a server that was lost: what the client says next must not be hit.
    is_undoing: bool,
    refreshing: Option<Refreshing>,
    preparing: Option<Preparing>,
    /// The client has sent its last byte.
    end_of_input: bool,
    /// The client is gone, and its commit has to be seen to its end until then.
    gone_until: Option<Instant>,
    /// What the deadline is for.
    waiting_since: Option<(Waiting, Instant)>,
    /// For which of the answers that the client is owed.
    waiting_for: u64,
    /// Since when a server waits for what the client does not send.
    silent_since: Option<Instant>,
    /// The client has sent something since that was looked at.
    heard: bool,
    /// Bytes that it has taken since that was looked at.
    taken: usize,
    /// When its last write had ended, where that matters.
    wrote: Option<Instant>,
    /// Whose limits of time hold.
    limits: Rc<Environment>,
    /// Of which settings it is known that they let it stay.
    may_stay: u64,
    /// When the transaction under way began.
    transaction_since: Option<Instant>,
    /// What takes longer is logged; zero: nothing.
    slow_query: Duration,
}

impl Client {
    pub(crate) fn new(
        worker: Rc<Worker>,
        access: Rc<Access>,
        entry: Rc<Entry>,
        place: usize,
        socket: Socket,
        early: &[u8],
        session: Session,
    ) -> Self {
        let mut input = Buffer::new(&worker.stock);
        input.push(early);
        let limits = Rc::clone(&access.environment);
        let mut client = Self {
            worker,
            access,
            entry,
            place,
            socket,
            input,
            session,
            slots: Vec::new(),
            cancelling: Vec::new(),
            is_undoing: false,
            refreshing: None,
            preparing: None,
            end_of_input: false,
            gone_until: None,
            waiting_since: None,
            waiting_for: 0,
            silent_since: None,
            heard: false,
            taken: 0,
            wrote: None,
            may_stay: 0,
            limits,
            transaction_since: None,
            slow_query: Duration::ZERO,
        };
        client.look_at_slow_query();
        client
    }

    /// Takes a connection that is for this client alone.
    pub(crate) fn adopt(&mut self, pool: usize, connection: ServerConnection) {
        let slot = self.session.want_home();
        self.connected(slot, pool, connection);
    }

    /// Whatever happens on its socket is its turn from now on.
    pub(crate) fn sit_down(&self) {
        self.socket.set_owner(Some(self.place));
    }

    /// Does all that can be done now. Ready when the connection ends: the client said goodbye, hung up, or was told to go.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.go_straight(cx) {
            Ok(true) => {
                self.mark();
                self.set_deadline();
                Poll::Pending
            }
            Ok(false) => self.poll_ordinary(cx),
            Err(last_word) => {
                self.end(last_word.as_deref());
                Poll::Ready(())
            }
        }
    }

    fn poll_ordinary(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.session.allow(MOST_MESSAGES);
        for turn in 1.. {
            let goes_on = match self.turn(cx) {
                Ok(true) if self.is_settled() => false,
                Ok(true) if turn >= MOST_TURNS || self.session.is_spent() => {
                    // Again after the others: a client that goes on sending would have the worker for itself, and hear
                    // of its error tens of megabytes later.
                    self.worker.again(self.place);
                    false
                }
                Ok(progress) => progress,
                // What is half committed would hold its locks until somebody finds it.
                Err(None) if self.session.is_committing() && self.gone_until.is_none() => {
                    let until = Instant::now() + LAST_COMMIT;
                    self.gone_until = Some(until);
                    self.entry.deadline.set(Some(until));
                    true
                }
                Err(last_word) => {
                    self.end(last_word.as_deref());
                    return Poll::Ready(());
                }
            };
            if !goes_on {
                break;
            }
        }
        self.mark();
        self.set_deadline();
        if self.entry.orders.get() {
            if self.entry.asked.get() {
                self.tell();
            }
            self.entry.orders.set(self.has_orders());
        }
        Poll::Pending
    }

    /// Whether another turn would find nothing to do: nothing is left to read or to send, and what is waited for
    /// rings.
    fn is_settled(&mut self) -> bool {
        let quiet = |slot: &Slot| match slot {
            Slot::Open { socket, input, .. } => {
                !socket.may_be_read() && input.is_empty() && !socket.wants_flush()
            }
            // This turn has asked for it.
            Slot::Acquiring(_, acquiring) => matches!(acquiring, Acquiring::Queued(..)),
        };
        let queued = self.session.wants_any();
        !self.socket.may_be_read()
            && !self.session.is_terminated()
            && !self.end_of_input
            && self.gone_until.is_none()
            && (queued || self.input.is_empty())
            && self.session.client_out().is_empty()
            && !self.socket.wants_flush()
            && self.refreshing.is_none()
            && self.preparing.is_none()
            && self.cancelling.is_empty()
            && !self.entry.orders.get()
            && self.session.is_settled()
            && self.slots.iter().all(quiet)
    }

    /// One round over everybody. Whether anything happened; an error ends the connection, with or without a word.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        if let Some(until) = self.gone_until {
            self.session.client_out().clear();
            let progress = self.servers()?;
            if !self.session.is_committing() || until <= Instant::now() {
                return Err(None);
            }
            return Ok(progress);
        }
        let mut progress = self.carry(cx)?;
        if self.session.is_terminated() || self.end_of_input {
            // It reads no more, but what it asked for before it said goodbye is done all the same.
            self.session.client_out().clear();
        } else if !self.session.client_out().is_empty() || self.socket.wants_flush() {
            progress |= self.write_client()?;
        }
        Ok(progress)
    }

    fn write_client(&mut self) -> Result<bool, Option<Fatal>> {
        let out = self.session.client_out();
        let before = out.len();
        let written = out.write(&mut self.socket);
        let sent = before - out.len();
        if sent > 0 {
            self.taken += sent;
            add(&self.worker.counters().bytes_out, sent);
            self.counts().sent.add(sent as u64);
        }
        match written {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(None),
            _ => Ok(sent > 0),
        }
    }

    /// From the client to its servers, and what they say into the queue for the client.
    fn carry(&mut self, cx: &mut Context<'_>) -> Result<bool, Option<Fatal>> {
        // Ahead of what the client has sent since: whoever reloads has been told that it is in force.
        if self.entry.orders.get() && self.access.generation != self.worker.generation() {
            self.move_on()?;
        }
        let mut progress = self.read_client()?;
        while self.may_go_on() {
            progress |= self.prepare_ground(cx);
            if !self.is_undoing && self.may_plan(cx) {
                progress |= self.session.handle_client(&mut self.input).map_err(Some)?;
            }
            if self.session.is_over() {
                return Err(None);
            }
            // A commit that has just asked for its table of decisions is woken by the one who makes it.
            let asks = self.preparing.is_none() && self.session.poll_ground().is_some();
            // The message that waited for a connection goes on at once.
            if !self.acquire(cx) && !asks {
                break;
            }
            progress = true;
        }
        progress |= self.servers()?;
        // Before the client hears of it: whoever plans after that plans with the new schema.
        self.session.poll_schema_change();
        let orders = self.entry.orders.get();
        if orders || !self.cancelling.is_empty() {
            progress |= self.cancel(cx);
        }
        if self.cancelling.is_empty() {
            progress |= self.release();
            progress |= self.session.let_go_of_locks();
        }
        if self.end_of_input && !progress {
            let waits =
                self.session.is_busy() || self.session.wants_any() || self.refreshing.is_some();
            if !waits || self.session.awaits_client() {
                return Err(None);
            }
        }
        if orders {
            progress |= self.look_at_orders()?;
        }
        Ok(progress)
    }

    /// Whether there is a message to take, a connection to be had, or something that a message waits for: otherwise a turn is
    /// about what servers say.
    fn may_go_on(&self) -> bool {
        !self.input.is_empty()
            || self.session.wants_any()
            || !self.session.is_settled()
            || self.session.is_terminated()
            || self.refreshing.is_some()
            || self.preparing.is_some()
    }

    fn read_client(&mut self) -> Result<bool, Option<Fatal>> {
        if !self.socket.may_be_read() || self.end_of_input || self.session.is_terminated() {
            return Ok(false);
        }
        // Read also while nothing can be taken, up to one piece, so that a client that hangs up is noticed.
        let room = self.input.len() < PIECE || self.session.takes_input();
        let lies = self.input.len();
        if !room || lies > ANALYSIS_LIMIT && lies > self.session.most_input(self.input.bytes()) {
            return Ok(false);
        }
        match self.input.read(&mut self.socket, PIECE) {
            Ok(0) => {
                // Half a conversation is of no use to PostgreSQL's protocol: the client is gone. One that has said
                // goodbye is listened to as far as that.
                if self.session.says_goodbye(self.input.bytes()) {
                    self.end_of_input = true;
                    return Ok(true);
                }
                Err(None)
            }
            Ok(n) => {
                add(&self.worker.counters().bytes_in, n);
                self.counts().received.add(n as u64);
                self.heard = true;
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(_) => Err(None),
        }
    }
}

fn add(counter: &std::sync::atomic::AtomicU64, n: usize) {
    // Only this worker writes it: no read-modify-write across cores.
    counter.store(
        counter.load(Ordering::Relaxed) + n as u64,
        Ordering::Relaxed,
    );
}

/// Keeps the settings of a startup packet as a session's own.
pub(crate) fn startup_settings(
    parameters: &[(String, String)],
) -> Arc<crate::session::settings::SettingSet> {
    let mut set = crate::session::settings::SettingSet::default();
    for (name, value) in parameters {
        let name = name.to_ascii_lowercase();
        set.set(&name, crate::session::settings::values(&name, value));
    }
    Arc::new(set)
}
