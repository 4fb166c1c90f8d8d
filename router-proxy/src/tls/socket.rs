//! One connection, whatever carries it.
//!
//! A worker drives both sides of a session from one task: it polls for
//! readiness and then reads or writes without waiting. [`Socket`] gives that to
//! TLS as well, where readiness of the kernel's socket is not the whole truth:
//! plaintext may be waiting inside, and ciphertext may still have to go out.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustix::net::{RecvFlags, SendFlags};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use super::EncryptedSocket;

/// A socket of the kernel.
#[derive(Debug)]
pub enum RawSocket {
    /// TCP.
    Tcp(TcpStream),
    /// Unix.
    Unix(UnixStream),
}

/// A connection to a client or a server.
#[derive(Debug)]
pub enum Socket {
    /// In the clear.
    Plain(RawSocket),
    /// TLS. Boxed once per connection, so that plain ones stay small.
    Tls(Box<EncryptedSocket>),
}

macro_rules! either {
    ($self:expr, $socket:ident => $call:expr) => {
        match $self {
            RawSocket::Tcp($socket) => $call,
            RawSocket::Unix($socket) => $call,
        }
    };
}

impl RawSocket {
    /// Ready when a read would not block (or might not).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_read_ready(cx))
    }

    /// Whether the runtime has heard of something to read. Neither the kernel is asked nor anybody registered.
    pub fn has_heard(&self) -> bool {
        either!(self, socket => socket.try_io(Interest::READABLE, || Ok(())).is_ok())
    }

    /// Ready when a write would not block (or might not).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => socket.poll_write_ready(cx))
    }

    /// Reads what is there; `WouldBlock` when nothing is, 0 at the end.
    ///
    /// One that gives less than there is room for is drained: the runtime is made to forget that it was readable, and the
    /// read that would only say so is saved. The system is called without libc, for which each call is a place where the
    /// thread may be cancelled.
    #[inline]
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (room, mut last) = (buffer.len(), 0);
        let read = either!(self, socket => socket.try_io(Interest::READABLE, || {
            let (_, read) = rustix::net::recv(socket, &mut *buffer, RecvFlags::empty())?;
            if 0 < read && read < room {
                last = read;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(read)
        }));
        if last > 0 { Ok(last) } else { read }
    }

    /// Reads into the spare capacity of `buffer`.
    pub fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        either!(self, socket => socket.try_read_buf(buffer))
    }

    /// Writes what fits. One that takes less than it was offered is full, and the runtime hears of that.
    #[inline]
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut last = 0;
        let written = either!(self, socket => socket.try_io(Interest::WRITABLE, || {
            let written = rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?;
            if 0 < written && written < bytes.len() {
                last = written;
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(written)
        }));
        if last > 0 { Ok(last) } else { written }
    }

    /// Writes what fits of several slices.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, socket => socket.try_write_vectored(slices))
    }

    /// Waits until a read would not block.
    pub async fn readable(&self) -> io::Result<()> {
        either!(self, socket => socket.readable().await)
    }

    /// Waits until a write would not block.
    pub async fn writable(&self) -> io::Result<()> {
        either!(self, socket => socket.writable().await)
    }

    /// Tells the other end that nothing more comes.
    pub fn end_output(&self) -> io::Result<()> {
        either!(self, socket => SockRef::from(socket).shutdown(Shutdown::Write))
    }

    /// The other end's address; `None` for Unix sockets.
    pub fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.peer_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Our end's address; `None` for Unix sockets.
    pub fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    /// Whether this is a Unix socket.
    pub fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }

    /// Whether nothing waits to be read, neither bytes nor the end. The kernel itself is
    /// asked: the runtime may not have seen an event yet.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peeked = either!(self, socket => SockRef::from(socket).peek(&mut byte));
        matches!(peeked, Err(ref error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl From<TcpStream> for Socket {
    fn from(socket: TcpStream) -> Self {
        Self::Plain(RawSocket::Tcp(socket))
    }
}

impl From<UnixStream> for Socket {
    fn from(socket: UnixStream) -> Self {
        Self::Plain(RawSocket::Unix(socket))
    }
}

impl Socket {
    /// The kernel's socket.
    pub fn raw(&self) -> &RawSocket {
        match self {
            Self::Plain(raw) => raw,
            Self::Tls(encrypted) => encrypted.raw(),
        }
    }

    /// The TLS layer, when there is one.
    pub fn tls(&self) -> Option<&EncryptedSocket> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(encrypted) => Some(encrypted),
        }
    }

    /// Ready when [`Socket::try_read`] may give something.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(raw) => raw.poll_read_ready(cx),
            Self::Tls(encrypted) => encrypted.poll_read_ready(cx),
        }
    }

    /// Whether a read may give something, as far as is known without asking. Whoever got `Pending` from
    /// [`Socket::poll_read`] is still registered while this says no.
    pub fn may_be_read(&self) -> bool {
        match self {
            Self::Plain(raw) => raw.has_heard(),
            Self::Tls(encrypted) => encrypted.may_be_read(),
        }
    }

    /// Ready when [`Socket::try_write`] may take something.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.raw().poll_write_ready(cx)
    }

    /// Reads what is there; `WouldBlock` when nothing is, 0 at the end.
    pub fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(raw) => raw.try_read(buffer),
            Self::Tls(encrypted) => encrypted.try_read(buffer),
        }
    }

    /// Reads what is there, or registers for when something is.
    #[inline]
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            match self.try_read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.poll_read_ready(cx))?;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Reads into the spare capacity of `buffer`, which the caller has reserved.
    pub fn try_read_buf(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(raw) => raw.try_read_buf(buffer),
            Self::Tls(encrypted) => encrypted.try_read_buf(buffer),
        }
    }

    /// Takes what fits. Over TLS a part of what was taken may wait inside as
    /// ciphertext: go on with [`Socket::poll_flush`] while [`Socket::wants_flush`].
    pub fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(raw) => raw.try_write(bytes),
            Self::Tls(encrypted) => encrypted.try_write(bytes),
        }
    }

    /// [`Socket::try_write`] of several slices.
    pub fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(raw) => raw.try_write_vectored(slices),
            Self::Tls(encrypted) => encrypted.try_write_vectored(slices),
        }
    }

    /// Whether ciphertext waits to go out.
    pub fn wants_flush(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(encrypted) => encrypted.wants_flush(),
        }
    }

    /// Sends waiting ciphertext; ready when none is left.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(encrypted) => encrypted.poll_flush(cx),
        }
    }

    /// Waits for bytes and reads them into the spare capacity of `buffer`; 0 at the end.
    /// For the time before a session; sessions poll.
    pub async fn read_buf(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        poll_fn(|cx| {
            loop {
                ready!(self.poll_read_ready(cx))?;
                match self.try_read_buf(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            }
        })
        .await
    }

    /// Writes everything and flushes. For the time before a session; sessions poll.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        poll_fn(|cx| {
            while !bytes.is_empty() {
                ready!(self.poll_write_ready(cx))?;
                match self.try_write(bytes) {
                    Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Ok(taken) => bytes = &bytes[taken..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            self.poll_flush(cx)
        })
        .await
    }

    /// Whether the other end has neither sent anything nor closed: what an idle server
    /// connection must be. TLS's own messages (session tickets) are taken in.
    pub fn is_quiet(&mut self) -> bool {
        match self {
            Self::Plain(raw) => raw.is_quiet(),
            Self::Tls(encrypted) => encrypted.is_quiet(),
        }
    }

    /// Says goodbye over TLS (close_notify), as far as it goes out at once.
    pub fn close(&mut self) {
        if let Self::Tls(encrypted) = self {
            encrypted.close();
        }
    }
}
