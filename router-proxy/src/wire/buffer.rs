//! Byte queues, and the stock that they come from.
//!
//! An idle connection holds no buffer: a queue that runs empty gives its
//! memory back to the worker's stock and takes a piece from it when bytes come.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::tls::Socket;
use crate::wire::encode::Report;
use crate::wire::frame::Header;

/// Size of the pieces in the stock.
pub const PIECE: usize = 16 * 1024;

/// Pieces kept for reuse by each worker; more are given back to the allocator.
const KEPT: usize = 64;

/// Memory for queues, shared by all connections of one worker.
#[derive(Clone, Default)]
pub struct Stock(Rc<Pieces>);

#[derive(Default)]
struct Pieces {
    /// The piece that came last, which is the next to go: most often there need be no other.
    top: Cell<Vec<u8>>,
    others: RefCell<Vec<Vec<u8>>>,
}

impl Stock {
    #[inline]
    fn take(&self) -> Vec<u8> {
        let top = self.0.top.take();
        match top.is_empty() {
            true => self.take_other(),
            false => top,
        }
    }

    fn take_other(&self) -> Vec<u8> {
        let other = self.0.others.borrow_mut().pop();
        other.unwrap_or_else(|| vec![0; PIECE])
    }

    #[inline]
    fn give(&self, piece: Vec<u8>) {
        if piece.len() == PIECE {
            let other = self.0.top.replace(piece);
            if !other.is_empty() {
                self.give_other(other);
            }
        }
    }

    fn give_other(&self, piece: Vec<u8>) {
        let mut others = self.0.others.borrow_mut();
        if others.len() < KEPT {
            others.push(piece);
        }
    }
}

impl std::fmt::Debug for Stock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stock").finish_non_exhaustive()
    }
}

/// A queue of bytes. All of `data` is initialised; the queue is `data[start..end]`.
pub struct Buffer {
    data: Vec<u8>,
    start: usize,
    end: usize,
    stock: Stock,
}

/// What is queued: the rest of the memory says nothing.
impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({})", self.bytes().escape_ascii())
    }
}

impl Buffer {
    /// An empty queue.
    pub fn new(stock: &Stock) -> Self {
        Self {
            data: Vec::new(),
            start: 0,
            end: 0,
            stock: stock.clone(),
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.data[self.start..self.end]
    }

    /// The same, to be changed in place.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data[self.start..self.end]
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Takes `n` bytes off the front.
    pub fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.len());
        self.start += n;
        if self.start == self.end {
            self.clear();
        }
    }

    /// Forgets all bytes and gives the memory back.
    pub fn clear(&mut self) {
        self.start = 0;
        self.end = 0;
        if !self.data.is_empty() {
            self.stock.give(std::mem::take(&mut self.data));
        }
    }

    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.reserve(bytes.len());
        self.data[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Appends a message with a body written by `body`.
    pub fn frame(&mut self, tag: u8, body: &[&[u8]]) {
        let len = body.iter().map(|part| part.len()).sum();
        self.push(&Header { tag, body: len }.to_bytes());
        for part in body {
            self.push(part);
        }
    }

    /// Appends an ErrorResponse or NoticeResponse.
    pub fn report(&mut self, report: &Report) {
        let mut bytes = bytes::BytesMut::new();
        report.encode(&mut bytes);
        self.push(&bytes);
    }

    /// Appends all of `other`, without copying when this queue is empty.
    pub fn append(&mut self, other: &mut Self) {
        if self.is_empty() {
            self.clear();
            self.data = std::mem::take(&mut other.data);
            self.start = std::mem::take(&mut other.start);
            self.end = std::mem::take(&mut other.end);
        } else {
            self.push(other.bytes());
            other.clear();
        }
    }

    /// Makes room for `more` bytes after the last one.
    #[inline]
    pub fn reserve(&mut self, more: usize) {
        if self.data.is_empty() && more <= PIECE {
            self.data = self.stock.take();
        } else if self.end + more > self.data.len() {
            self.make_room(more);
        }
    }

    fn make_room(&mut self, more: usize) {
        let len = self.len();
        if self.start >= more && self.start >= len {
            self.data.copy_within(self.start..self.end, 0);
        } else {
            let size = (len + more).max(2 * len).next_multiple_of(PIECE);
            let mut data = vec![0; size];
            data[..len].copy_from_slice(self.bytes());
            self.stock.give(std::mem::replace(&mut self.data, data));
        }
        self.start = 0;
        self.end = len;
    }

    /// Reads once, with room for `want` bytes or more; `WouldBlock` when there is nothing. `Ok(0)` is the end of the stream.
    /// An empty queue borrows a piece of the stock, and one that is full grows: for whoever knows that the socket may be read.
    #[inline]
    pub fn read(&mut self, socket: &mut Socket, want: usize) -> std::io::Result<usize> {
        if self.data.len() - self.end < want.min(PIECE / 4) {
            self.reserve(want);
        }
        let result = socket.try_read(&mut self.data[self.end..]);
        match result {
            Ok(n) if n > 0 => self.end += n,
            _ if self.is_empty() => self.clear(),
            _ => {}
        }
        result
    }

    /// [`Buffer::read`], as soon as there is something.
    pub fn poll_read(
        &mut self,
        socket: &mut Socket,
        want: usize,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        loop {
            ready!(socket.poll_read_ready(cx))?;
            match self.read(socket, want) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes what it can; `WouldBlock` while something is left, here or in the socket's TLS layer.
    #[inline]
    pub fn write(&mut self, socket: &mut Socket) -> std::io::Result<()> {
        while !self.is_empty() {
            match socket.try_write(self.bytes())? {
                0 => return Err(std::io::ErrorKind::WriteZero.into()),
                n => self.consume(n),
            }
        }
        if socket.wants_flush() {
            socket.flush()?;
        }
        Ok(())
    }

    /// [`Buffer::write`], on and on until nothing is left.
    pub fn poll_write(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        loop {
            match self.write(socket) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    ready!(socket.poll_write_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.clear();
    }
}
