//! A socket that a worker's reactor watches.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use super::{READ_CLOSED, READABLE, Registration, WRITABLE, WRITE_CLOSED};

/// A socket, or whatever else becomes readable and writable, on its worker's reactor.
#[derive(Debug)]
pub struct Watched<T> {
    // Goes first: the descriptor must be open still.
    registration: Registration,
    io: T,
}

impl<T: AsRawFd> Watched<T> {
    /// On the reactor of this thread; given back where there is none. It must not block.
    pub(crate) fn new(io: T) -> Result<io::Result<Self>, T> {
        match Registration::new(io.as_raw_fd()) {
            None => Err(io),
            Some(Err(error)) => Ok(Err(error)),
            Some(Ok(registration)) => Ok(Ok(Self { registration, io })),
        }
    }

    /// Takes it off the reactor.
    pub(crate) fn into_inner(self) -> T {
        self.io
    }

    /// What is watched.
    pub(crate) fn get(&self) -> &T {
        &self.io
    }

    /// Whose turn it is when something happens. With `None` whoever waits is woken.
    pub(crate) fn set_owner(&self, place: Option<usize>) {
        let owner = place.map_or(0, |place| place + 1);
        self.registration
            .state
            .owner
            .store(owner, Ordering::Relaxed);
    }

    /// Whether a read may give something, as far as is known without asking.
    #[inline]
    pub(crate) fn may_be_read(&self) -> bool {
        self.registration.state.is(READABLE | READ_CLOSED)
    }

    /// Ready when a read may give something.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &self.registration.state;
        state.poll(READABLE | READ_CLOSED, |wakers| &mut wakers.reader, cx)
    }

    /// Ready when a write may take something.
    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &self.registration.state;
        state.poll(WRITABLE | WRITE_CLOSED, |wakers| &mut wakers.writer, cx)
    }

    /// Reads by `read` into room for `room` bytes. One that gives less has drained the socket: the read that would only say
    /// so is saved. Not so the end, which stays.
    #[inline]
    pub(crate) fn try_read(
        &self,
        room: usize,
        read: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if !self.may_be_read() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = read(&self.io);
        let drained = match &result {
            Ok(n) => 0 < *n && *n < room,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if drained {
            self.registration.state.clear(READABLE);
        }
        result
    }

    /// Writes `length` bytes by `write`. One that takes less is full, and it is news when it no longer is.
    #[inline]
    pub(crate) fn try_write(
        &self,
        length: usize,
        write: impl FnOnce(&T) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let state = &self.registration.state;
        if !state.is(WRITABLE | WRITE_CLOSED) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let result = write(&self.io);
        let full = match &result {
            Ok(n) => *n < length,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if full {
            state.clear(WRITABLE);
        }
        match self.registration.set_full(full) {
            // Nobody would be told when it goes on.
            Err(error) if full => Err(error),
            _ => result,
        }
    }

    /// Accepts by `accept`, as soon as somebody has come.
    pub(crate) async fn accept<C>(&self, accept: impl Fn(&T) -> io::Result<C>) -> io::Result<C> {
        std::future::poll_fn(|cx| {
            loop {
                std::task::ready!(self.poll_read_ready(cx));
                match accept(&self.io) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.registration.state.clear(READABLE);
                    }
                    result => return Poll::Ready(result),
                }
            }
        })
        .await
    }
}
