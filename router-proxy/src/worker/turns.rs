//! A worker's loop: whose turn it is, and when the thread sleeps.
//!
//! Clients with a session sit at their places, and have a turn whenever one of their sockets is ready or somebody rings for
//! them. Everything that happens seldom (logins, connections being opened, letters, the tick) is tasks of a `LocalSet`,
//! which is polled when one of them is woken. Tokio's timers, and its reactor for what is not on the worker's own, run on
//! a thread beside ([`crate::aside`]).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;
use std::time::Duration;

use tokio::task::{LocalSet, spawn_local};
use tracing::Instrument as _;

use super::Worker;
use crate::client::Client;
use crate::reactor::Reactor;

/// A client with a session.
pub(super) struct Seat {
    client: Box<Client>,
    waker: Waker,
    /// What its log lines are of; `None`: nobody reads them.
    span: Option<tracing::Span>,
    /// Its place is free again once it is gone.
    _occupied: Occupied,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}

/// One client more on this worker, and one less when it goes.
#[derive(Debug)]
pub(crate) struct Occupied(pub(crate) Rc<Worker>, pub(crate) usize);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.leave(self.1);
        self.0.shared.client_gone(self.0.id);
        self.0.shared.clients.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs a worker until `all` is done.
pub(crate) fn run(
    reactor: &mut Reactor,
    bell: &Arc<Bell>,
    worker: &Rc<Worker>,
    all: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    let tasks = LocalSet::new();
    // Sessions start tasks too.
    let _entered = tasks.enter();
    let mut all = std::pin::pin!(tasks.run_until(all));
    let tasks_waker = Waker::from(Arc::new(TasksWaker(Arc::clone(bell))));
    let mut cx = Context::from_waker(&tasks_waker);
    let mut due = Vec::new();
    bell.tasks.store(true, Ordering::Release);
    let ended = loop {
        if bell.tasks.load(Ordering::Relaxed)
            && bell.tasks.swap(false, Ordering::AcqRel)
            && let Poll::Ready(ended) = all.as_mut().poll(&mut cx)
        {
            break ended;
        }
        // Whoever goes on hears of what has come in first, and everybody else has a turn in between.
        worker.take_again(&mut due);
        bell.take(&mut due);
        let limit = (bell.is_rung() || !due.is_empty()).then_some(Duration::ZERO);
        reactor.wait(limit, &mut due)?;
        worker.now.set(None);
        worker.take_turns(&mut due);
        // Whoever has waited for a connection that has come back: the kernel need not be asked in between.
        if bell.take(&mut due) {
            worker.take_turns(&mut due);
        }
    };
    worker.clear_seats();
    ended
}

impl Worker {
    /// A client has a session from now on.
    pub(crate) fn seat(
        self: &Rc<Self>,
        client: Box<Client>,
        occupied: Occupied,
        span: tracing::Span,
    ) {
        let place = occupied.1;
        let waker = Waker::from(Arc::new(SeatWaker {
            place,
            bell: Arc::clone(&self.bell),
        }));
        if let Some(entry) = &self.clients.borrow()[place] {
            // A drain may have begun, or other settings be in force, since it came.
            entry.orders.set(true);
            *entry.waker.borrow_mut() = Some(waker.clone());
        }
        client.sit_down();
        // What it said before that is waiting.
        waker.wake_by_ref();
        let mut seats = self.seats.borrow_mut();
        if seats.len() <= place {
            seats.resize_with(place + 1, || None);
        }
        seats[place] = Some(Box::new(Seat {
            client,
            waker,
            span: (!span.is_disabled()).then_some(span),
            _occupied: occupied,
        }));
    }

    /// Turns of the clients at these places, one after the other.
    fn take_turns(&self, due: &mut Vec<usize>) {
        for &place in &*due {
            self.take_turn(place);
        }
        due.clear();
    }

    /// A client's turn, if there is one at this place.
    pub(super) fn take_turn(&self, place: usize) {
        let seat = self
            .seats
            .borrow_mut()
            .get_mut(place)
            .and_then(Option::take);
        let Some(mut seat) = seat else {
            return;
        };
        let turn = || {
            let _entered = seat.span.as_ref().map(tracing::Span::enter);
            seat.client.poll(&mut Context::from_waker(&seat.waker))
        };
        match catch_unwind(AssertUnwindSafe(turn)) {
            Ok(Poll::Pending) => self.seats.borrow_mut()[place] = Some(seat),
            Ok(Poll::Ready(())) => {
                let span = seat.span.take().unwrap_or_else(tracing::Span::none);
                spawn_local(
                    async move {
                        let Seat {
                            client, _occupied, ..
                        } = *seat;
                        client.leave().await;
                    }
                    .instrument(span),
                );
            }
            // One client's misfortune is not that of the others. Should its end fail too, a task ends with it.
            Err(_) => drop(spawn_local(async move { drop(seat) })),
        }
    }

    /// Those that have said so.
    fn take_again(&self, due: &mut Vec<usize>) {
        let mut again = self.again.borrow_mut();
        if !again.is_empty() {
            due.append(&mut again);
        }
    }

    /// A client goes on after the others.
    pub(crate) fn again(&self, place: usize) {
        self.again.borrow_mut().push(place);
    }

    fn clear_seats(&self) {
        let seats = std::mem::take(&mut *self.seats.borrow_mut());
        drop(seats);
    }
}

/// Says whose turn it is without a socket being ready.
#[derive(Debug)]
pub(crate) struct Bell {
    thread: ThreadId,
    rouser: mio::Waker,
    /// One of the tasks is woken.
    tasks: AtomicBool,
    /// A seat is rung for.
    seats: AtomicBool,
    places: Mutex<Vec<usize>>,
}

impl Bell {
    /// Of the worker whose thread this is.
    pub(crate) fn new(reactor: &Reactor) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            thread: std::thread::current().id(),
            rouser: reactor.rouser()?,
            tasks: AtomicBool::new(false),
            seats: AtomicBool::new(false),
            places: Mutex::default(),
        }))
    }

    /// Sees to it that the worker looks: it does before it sleeps, and the sleep ends at once.
    fn rouse(&self) {
        if std::thread::current().id() != self.thread {
            // A worker that is gone needs no rousing.
            let _ = self.rouser.wake();
        }
    }

    fn is_rung(&self) -> bool {
        self.tasks.load(Ordering::Acquire) || self.seats.load(Ordering::Acquire)
    }

    /// Places that are rung for since the last time. Whether there are any.
    #[inline]
    fn take(&self, places: &mut Vec<usize>) -> bool {
        let rung = self.seats.load(Ordering::Acquire);
        if rung {
            let mut rung = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            self.seats.store(false, Ordering::Release);
            places.append(&mut rung);
        }
        rung
    }
}

/// Wakes the tasks.
struct TasksWaker(Arc<Bell>);

impl Wake for TasksWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.0.tasks.swap(true, Ordering::AcqRel) {
            self.0.rouse();
        }
    }
}

/// Wakes a client with a session.
struct SeatWaker {
    place: usize,
    bell: Arc<Bell>,
}

impl Wake for SeatWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut places = self
            .bell
            .places
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        places.push(self.place);
        let first = !self.bell.seats.swap(true, Ordering::AcqRel);
        drop(places);
        if first {
            self.bell.rouse();
        }
    }
}
