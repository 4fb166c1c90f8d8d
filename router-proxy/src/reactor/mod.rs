//! The sockets of one worker, and which of them are ready.
//!
//! A worker sleeps in one place, and it is here: what is ready is told to whoever owns the socket without a task, a queue
//! or a lock in between. Tokio's reactor does more than a proxy's sessions need; what it does for each event, and around
//! each sleep, was a third of what a short query cost (benches/README.md).
//!
//! A socket has an owner, a client by its place on the worker, whose turn an event is; or else whoever waits for it is
//! woken, as anywhere. Readiness is by edges: a socket counts as readable until a read says that there is nothing more.
//!
//! That a socket can be written to is asked for while it cannot: a Unix socket says so each time that the other end has
//! read, which would be an event, and often a sleep that ends, for each message that is sent.

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests;
mod watched;

use std::cell::RefCell;
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Registry, Token};

pub use self::watched::Watched;

/// Most events that are taken at a time.
const EVENTS: usize = 1024;

/// The token of whoever rouses the reactor from another thread.
const ROUSED: Token = Token(usize::MAX);

const READABLE: u8 = 1;
const WRITABLE: u8 = 2;
/// The other end sends no more: a read never blocks from now on.
const READ_CLOSED: u8 = 4;
const WRITE_CLOSED: u8 = 8;

thread_local! {
    /// The reactor of the worker whose thread this is.
    static CURRENT: RefCell<Option<Arc<Desk>>> = const { RefCell::new(None) };
}

/// Asks the kernel which sockets are ready.
#[derive(Debug)]
pub(crate) struct Reactor {
    poll: mio::Poll,
    events: Events,
    desk: Arc<Desk>,
    woken: Vec<Waker>,
}

impl Reactor {
    /// One without sockets.
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            desk: Arc::new(Desk {
                registry,
                slots: Mutex::default(),
            }),
            woken: Vec::new(),
        })
    }

    /// What rouses it from other threads.
    pub(crate) fn rouser(&self) -> io::Result<mio::Waker> {
        mio::Waker::new(self.poll.registry(), ROUSED)
    }

    /// Sockets of this thread are watched by it, until what this returns is dropped.
    pub(crate) fn enter(&self) -> Entered {
        CURRENT.set(Some(Arc::clone(&self.desk)));
        Entered
    }

    /// Waits until a socket is ready, somebody rouses it, or the time is up. Owners go into `due`; others are woken.
    pub(crate) fn wait(&mut self, limit: Option<Duration>, due: &mut Vec<usize>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, limit) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Err(_) => return Ok(()),
            Ok(()) => {}
        }
        let slots = self.desk.slots();
        for event in &self.events {
            // Whatever is ready of a socket that has gone since concerns nobody.
            let Some(Some(state)) = slots.states.get(event.token().0) else {
                continue;
            };
            match state.handle(event) {
                Some(owner) => due.push(owner),
                None => state.wakers().take(event, &mut self.woken),
            }
        }
        drop(slots);
        // Seldom: sockets of sessions have owners.
        if !self.woken.is_empty() {
            self.woken.drain(..).for_each(Waker::wake);
        }
        Ok(())
    }
}

/// Whether this thread is a worker's.
pub(crate) fn is_here() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// See [`Reactor::enter`].
pub(crate) struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// Where sockets are registered.
#[derive(Debug)]
struct Desk {
    registry: Registry,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// By token.
    states: Vec<Option<Arc<State>>>,
    free: Vec<usize>,
}

impl Desk {
    /// Locked for moments: once per sleep, and when a socket comes or goes.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of one socket.
///
/// Its bits and its owner are read and written without synchronisation between threads: a watched socket stays on its
/// worker's thread, and is taken off the reactor before another worker has it.
#[derive(Debug)]
struct State {
    ready: AtomicU8,
    /// The owner's place and one; 0: nobody.
    owner: AtomicUsize,
    /// The kernel is asked when it can be written to.
    is_full: AtomicBool,
    /// Who waits, where there is no owner.
    wakers: Mutex<Wakers>,
}

#[derive(Debug, Default)]
struct Wakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Wakers {
    fn take(&mut self, event: &Event, woken: &mut Vec<Waker>) {
        let ready = bits(event);
        if ready & (READABLE | READ_CLOSED) != 0 {
            woken.extend(self.reader.take());
        }
        if ready & (WRITABLE | WRITE_CLOSED) != 0 {
            woken.extend(self.writer.take());
        }
    }
}

impl State {
    /// Takes note of an event. Whose turn it is.
    fn handle(&self, event: &Event) -> Option<usize> {
        let ready = self.ready.load(Ordering::Relaxed);
        self.ready.store(ready | bits(event), Ordering::Relaxed);
        self.owner.load(Ordering::Relaxed).checked_sub(1)
    }

    fn wakers(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(&self, bits: u8) -> bool {
        self.ready.load(Ordering::Relaxed) & bits != 0
    }

    fn clear(&self, bits: u8) {
        let ready = self.ready.load(Ordering::Relaxed);
        self.ready.store(ready & !bits, Ordering::Relaxed);
    }

    fn poll(
        &self,
        bits: u8,
        place: impl Fn(&mut Wakers) -> &mut Option<Waker>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if self.is(bits) {
            return Poll::Ready(());
        }
        let mut wakers = self.wakers();
        match place(&mut wakers) {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

fn bits(event: &Event) -> u8 {
    let failed = event.is_error();
    let bit = |is: bool, bit: u8| if is { bit } else { 0 };
    bit(event.is_readable() || failed, READABLE)
        | bit(event.is_writable() || failed, WRITABLE)
        | bit(event.is_read_closed(), READ_CLOSED)
        | bit(event.is_write_closed(), WRITE_CLOSED)
}

/// A socket's place on a reactor.
#[derive(Debug)]
struct Registration {
    desk: Arc<Desk>,
    token: usize,
    fd: RawFd,
    state: Arc<State>,
}

impl Registration {
    /// `None`: this thread has no reactor of its own.
    fn new(fd: RawFd) -> Option<io::Result<Self>> {
        let desk = CURRENT.with_borrow(Clone::clone)?;
        let state = Arc::new(State {
            // Nothing is known, and asking does no harm.
            ready: AtomicU8::new(READABLE | WRITABLE),
            owner: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
            wakers: Mutex::default(),
        });
        let mut slots = desk.slots();
        let token = slots.free.pop().unwrap_or(slots.states.len());
        let registered =
            desk.registry
                .register(&mut SourceFd(&fd), Token(token), Interest::READABLE);
        if token == slots.states.len() {
            slots.states.push(None);
        }
        if let Err(error) = registered {
            slots.free.push(token);
            return Some(Err(error));
        }
        slots.states[token] = Some(Arc::clone(&state));
        drop(slots);
        Some(Ok(Self {
            desk,
            token,
            fd,
            state,
        }))
    }

    /// It takes no more for now, or it does again: only while it does not, it is news that it can be written to.
    #[inline]
    fn set_full(&self, is_full: bool) -> io::Result<()> {
        match self.state.is_full.load(Ordering::Relaxed) == is_full {
            true => Ok(()),
            false => self.reregister(is_full),
        }
    }

    fn reregister(&self, is_full: bool) -> io::Result<()> {
        let interest = match is_full {
            // What has become of it since is told at once.
            true => Interest::READABLE | Interest::WRITABLE,
            false => Interest::READABLE,
        };
        self.desk
            .registry
            .reregister(&mut SourceFd(&self.fd), Token(self.token), interest)?;
        self.state.is_full.store(is_full, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // A socket that is broken may be gone from there already.
        let _ = self.desk.registry.deregister(&mut SourceFd(&self.fd));
        let mut slots = self.desk.slots();
        let state = slots.states[self.token].take();
        slots.free.push(self.token);
        // A waker's task may own sockets: it is dropped after that.
        drop(slots);
        drop(state);
    }
}
