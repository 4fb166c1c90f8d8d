//! One worker: a thread with a single-threaded runtime, the clients it accepted, and its share of the connections.
//!
//! Nothing here is shared with another worker but what [`Shared`] holds, and
//! that is looked at when a client comes, when a pool runs dry, and once a tick.
//!
//! | file | owns |
//! |---|---|
//! | [`shared`] | what all workers share, and what one tells another |
//! | [`access`] | what clients of one database and user share on one worker |
//! | `connections` | its share of the server connections |
//! | [`servers`] | what is known of each server of the configuration |
//! | `letters` | what it is told by others, and what it answers |
//! | `tick` | what it looks at by the clock |
//! | `turns` | its loop: whose turn it is, and when the thread sleeps |

pub mod access;
mod connections;
mod letters;
pub mod servers;
pub mod shared;
mod tick;
mod turns;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use tokio::sync::oneshot;

pub use self::access::{Access, Greeting};
pub use self::connections::LocalPool;
pub(crate) use self::letters::server_row;
pub use self::shared::{Counters, Letter, Shared};
pub use self::tick::TICK;
use self::turns::Seat;
pub(crate) use self::turns::{Bell, Occupied, run};
use crate::auth::limits::HalfOpen;
use crate::session::Planning;
use crate::snapshot::{ClientDetails, Doing};
use crate::stats;
use crate::wire::buffer::Stock;

/// Each worker lets at least so many clients log in at a time.
const LEAST_HALF_OPEN: usize = 16;

/// A client as its worker knows it.
#[derive(Debug, Default)]
pub struct Entry {
    /// Somebody outside may want something of it: what the fields below say, a drain, other settings. Set with every
    /// ring; as long as it is not, none of that is looked at.
    pub orders: Cell<bool>,
    /// Proves the right to cancel.
    pub secret: Cell<[u8; 4]>,
    /// The server process whose number its cancel key has, in session mode.
    pub process: Cell<Option<i32>>,
    /// Somebody with the right secret asked.
    pub cancel: Cell<bool>,
    /// That is because it waits for others that wait for it.
    pub gives_way: Cell<bool>,
    /// Who waits for that to be carried out.
    pub cancellers: RefCell<Vec<oneshot::Sender<()>>>,
    /// When something has to happen without anybody else's doing.
    pub deadline: Cell<Option<Instant>>,
    /// Has it look.
    pub waker: RefCell<Option<Waker>>,
    /// Told to go.
    pub killed: Cell<bool>,
    /// Who it is, from login on.
    pub about: RefCell<Option<About>>,
    /// What it is at, and since when.
    pub doing: Cell<Option<(Doing, Instant)>>,
    /// Somebody wants details; the client's task puts them into `details`.
    pub asked: Cell<bool>,
    /// See `asked`.
    pub details: RefCell<Option<ClientDetails>>,
}

/// Who speaks with the console.
#[derive(Debug)]
pub struct OnConsole {
    /// The database by which it asked for the console.
    pub database: String,
    /// User.
    pub user: String,
    /// Where it comes from.
    pub details: ClientDetails,
}

/// Who a client is.
#[derive(Debug)]
pub struct About {
    /// What it shares with the others of its database and user; `None`: it speaks with the console.
    pub access: Option<Rc<Access>>,
    /// Who it is there.
    pub console: Option<Box<OnConsole>>,
    /// What there is to see of a client without a session: it replicates.
    pub relayed: Option<Box<ClientDetails>>,
    /// When it logged in.
    pub connected: Instant,
}

/// One worker.
#[derive(Debug)]
pub struct Worker {
    /// Which one.
    pub id: usize,
    /// What all share.
    pub shared: Arc<Shared>,
    /// Memory for queues.
    pub stock: Stock,
    planning: Rc<RefCell<Planning>>,
    pools: RefCell<Vec<LocalPool>>,
    access: RefCell<HashMap<(String, String), Rc<Access>>>,
    /// Counters by database.
    stats: RefCell<HashMap<String, Rc<stats::Database>>>,
    /// Of which settings `access` was made.
    generation: Cell<u64>,
    clients: RefCell<Vec<Option<Rc<Entry>>>>,
    /// Those with a session, by place; not the one whose turn it is.
    seats: RefCell<Vec<Option<Box<Seat>>>>,
    bell: Arc<Bell>,
    /// Clients that have more to do than one turn may take.
    again: RefCell<Vec<usize>>,
    /// The time, once somebody has asked for it since the last sleep.
    now: Cell<Option<Instant>>,
    free: RefCell<Vec<usize>>,
    /// Clients that have not proven who they are: half of all places, so that those who can are let in.
    pub half_open: RefCell<HalfOpen>,
}

impl Worker {
    /// A worker with nothing yet.
    pub(crate) fn new(id: usize, shared: Arc<Shared>, bell: Arc<Bell>) -> Rc<Self> {
        let half_open =
            (shared.live.load().settings.max_clients / 2 / shared.workers).max(LEAST_HALF_OPEN);
        Rc::new(Self {
            half_open: RefCell::new(HalfOpen::new(half_open)),
            id,
            stock: Stock::default(),
            planning: Rc::new(RefCell::new(Planning::new(shared.second_reader.get()))),
            pools: RefCell::default(),
            access: RefCell::default(),
            stats: RefCell::default(),
            generation: Cell::new(shared.live.load().generation),
            shared,
            clients: RefCell::default(),
            seats: RefCell::default(),
            bell,
            again: RefCell::default(),
            now: Cell::default(),
            free: RefCell::default(),
        })
    }

    /// Its counters.
    pub fn counters(&self) -> &Counters {
        &self.shared.counters[self.id]
    }

    /// A place for a client.
    pub fn enter(&self) -> (usize, Rc<Entry>) {
        let entry = Rc::new(Entry::default());
        let mut clients = self.clients.borrow_mut();
        let at = match self.free.borrow_mut().pop() {
            Some(at) => at,
            None => {
                clients.push(None);
                clients.len() - 1
            }
        };
        clients[at] = Some(Rc::clone(&entry));
        (at, entry)
    }

    /// The client of a place is gone.
    pub fn leave(&self, at: usize) {
        let entry = self.clients.borrow_mut()[at].take();
        if let Some(process) = entry.and_then(|entry| entry.process.get()) {
            self.shared.forget_process(process, self.id, at);
        }
        self.free.borrow_mut().push(at);
    }

    /// How many clients there are.
    pub fn population(&self) -> usize {
        self.clients.borrow().iter().flatten().count()
    }

    /// The counters of a database.
    fn stats(&self, database: &str) -> Rc<stats::Database> {
        let mut stats = self.stats.borrow_mut();
        Rc::clone(stats.entry(database.to_owned()).or_default())
    }

    /// Of which settings things are made from now on.
    pub fn generation(&self) -> u64 {
        self.generation.get()
    }

    /// The time, read once for all clients that have something to do after one sleep.
    pub(crate) fn now(&self) -> Instant {
        self.now.get().unwrap_or_else(|| {
            let now = Instant::now();
            self.now.set(Some(now));
            now
        })
    }

    /// Whether the drain has begun.
    pub fn is_draining(&self) -> bool {
        self.shared.draining.load(Ordering::Relaxed)
    }
}

fn wake(entry: &Entry) {
    entry.orders.set(true);
    if let Some(waker) = &*entry.waker.borrow() {
        waker.wake_by_ref();
    }
}
