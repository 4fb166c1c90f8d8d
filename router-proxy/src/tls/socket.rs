//! One connection, whatever carries it.
//!
//! A worker drives both sides of a session from one task: it polls for
//! readiness and then reads or writes without waiting. [`Socket`] gives that to
//! TLS as well, where readiness of the kernel's socket is not the whole truth:
//! plaintext may be waiting inside, and ciphertext may still have to go out.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::net::{TcpStream, UnixStream};

use super::{EncryptedSocket, RawSocket, StdSocket};

/// A connection to a client or a server; with an `S` of [`StdSocket`], one between two reactors.
#[derive(Debug)]
pub enum Socket<S = RawSocket> {
    /// In the clear.
    Plain(S),
    /// TLS. Boxed once per connection, so that plain ones stay small.
    Tls(Box<EncryptedSocket<S>>),
}

impl From<TcpStream> for Socket {
    fn from(socket: TcpStream) -> Self {
        Self::Plain(socket.into())
    }
}

impl From<UnixStream> for Socket {
    fn from(socket: UnixStream) -> Self {
        Self::Plain(socket.into())
    }
}

impl From<RawSocket> for Socket {
    fn from(raw: RawSocket) -> Self {
        Self::Plain(raw)
    }
}

impl Socket<StdSocket> {
    /// Puts it on the reactor of this thread.
    pub fn attach(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Plain(socket) => Socket::Plain(RawSocket::attach(socket)?),
            Self::Tls(encrypted) => Socket::Tls(Box::new(encrypted.attach()?)),
        })
    }
}

impl Socket {
    /// Takes it off its reactor.
    pub fn detach(self) -> io::Result<Socket<StdSocket>> {
        Ok(match self {
            Self::Plain(raw) => Socket::Plain(raw.detach()?),
            Self::Tls(encrypted) => Socket::Tls(Box::new(encrypted.detach()?)),
        })
    }

    /// Whose turn on the worker it is when something happens here; with `None` whoever polls is woken.
    pub(crate) fn set_owner(&self, place: Option<usize>) {
        self.raw().set_owner(place);
    }

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

    /// Whether a read may give something, as far as is known without asking.
    #[inline]
    pub fn may_be_read(&self) -> bool {
        match self {
            Self::Plain(raw) => raw.may_be_read(),
            Self::Tls(encrypted) => encrypted.may_be_read(),
        }
    }

    /// Ready when [`Socket::try_write`] may take something.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.raw().poll_write_ready(cx)
    }

    /// Reads what is there; `WouldBlock` when nothing is, 0 at the end.
    #[inline]
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
    #[inline]
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

    /// Sends waiting ciphertext, as far as it goes out at once.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(encrypted) => encrypted.send(),
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
