//! A socket of the kernel.

use std::io::{self, IoSlice, Read as _};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::task::{Context, Poll};

use bytes::BytesMut;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use crate::reactor::Watched;

/// A socket of the kernel.
#[derive(Debug)]
pub enum RawSocket {
    /// On the reactor of a worker: all that sessions have to do with.
    Watched(Watched<StdSocket>),
    /// TCP, on tokio's.
    Tcp(TcpStream),
    /// Unix, on tokio's.
    Unix(UnixStream),
}

/// A socket on no reactor.
#[derive(Debug)]
pub struct StdSocket {
    fd: OwnedFd,
    unix: bool,
}

impl From<std::net::TcpStream> for StdSocket {
    fn from(socket: std::net::TcpStream) -> Self {
        Self {
            fd: socket.into(),
            unix: false,
        }
    }
}

impl From<std::os::unix::net::UnixStream> for StdSocket {
    fn from(socket: std::os::unix::net::UnixStream) -> Self {
        Self {
            fd: socket.into(),
            unix: true,
        }
    }
}

impl AsRawFd for StdSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for StdSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<TcpStream> for RawSocket {
    fn from(socket: TcpStream) -> Self {
        Self::Tcp(socket)
    }
}

impl From<UnixStream> for RawSocket {
    fn from(socket: UnixStream) -> Self {
        Self::Unix(socket)
    }
}

macro_rules! either {
    ($self:expr, $watched:ident => $own:expr, $socket:ident => $tokio:expr) => {
        match $self {
            RawSocket::Watched($watched) => $own,
            RawSocket::Tcp($socket) => $tokio,
            RawSocket::Unix($socket) => $tokio,
        }
    };
}

impl RawSocket {
    /// Puts a socket on the reactor of this thread: the worker's where there is one, or else tokio's.
    pub fn attach(socket: StdSocket) -> io::Result<Self> {
        match Watched::new(socket) {
            Ok(watched) => watched.map(Self::Watched),
            Err(StdSocket { fd, unix: false }) => TcpStream::from_std(fd.into()).map(Self::Tcp),
            Err(StdSocket { fd, unix: true }) => UnixStream::from_std(fd.into()).map(Self::Unix),
        }
    }

    /// Puts it on the reactor of this thread's worker, if there is one.
    pub(crate) fn settle(self) -> io::Result<Self> {
        if crate::reactor::is_here() && !matches!(self, Self::Watched(_)) {
            return Self::attach(self.detach()?);
        }
        Ok(self)
    }

    /// Takes it off its reactor.
    pub fn detach(self) -> io::Result<StdSocket> {
        match self {
            Self::Watched(watched) => Ok(watched.into_inner()),
            Self::Tcp(socket) => socket.into_std().map(Into::into),
            Self::Unix(socket) => socket.into_std().map(Into::into),
        }
    }

    /// See [`super::Socket::set_owner`].
    pub(crate) fn set_owner(&self, place: Option<usize>) {
        if let Self::Watched(watched) = self {
            watched.set_owner(place);
        }
    }

    /// Ready when a read would not block (or might not).
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, watched => watched.poll_read_ready(cx).map(Ok), socket => socket.poll_read_ready(cx))
    }

    /// Whether a read may give something, as far as is known. Neither the kernel is asked nor anybody registered.
    #[inline]
    pub fn may_be_read(&self) -> bool {
        either!(self, watched => watched.may_be_read(),
            socket => socket.try_io(Interest::READABLE, || Ok(())).is_ok())
    }

    /// Ready when a write would not block (or might not).
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, watched => watched.poll_write_ready(cx).map(Ok), socket => socket.poll_write_ready(cx))
    }

    /// Reads what is there; `WouldBlock` when nothing is, 0 at the end. The system is called without libc, for which each
    /// call is a place where the thread may be cancelled.
    #[inline]
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        either!(self,
            watched => watched.try_read(buffer.len(), |socket| receive(socket, buffer)),
            socket => socket.try_read(buffer))
    }

    /// Reads into the spare capacity of `buffer`.
    pub fn try_read_buf(&self, buffer: &mut BytesMut) -> io::Result<usize> {
        either!(self, watched => {
            let filled = buffer.len();
            buffer.resize(buffer.capacity(), 0);
            let room = &mut buffer[filled..];
            let read = watched.try_read(room.len(), |socket| receive(socket, room));
            buffer.truncate(filled + read.as_ref().copied().unwrap_or(0));
            read
        }, socket => socket.try_read_buf(buffer))
    }

    /// Writes what fits.
    #[inline]
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        either!(self,
            watched => watched.try_write(bytes.len(), |socket| {
                Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?)
            }),
            socket => socket.try_write(bytes))
    }

    /// Writes what fits of several slices.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        either!(self,
            watched => watched.try_write(length, |socket| {
                let nothing = &mut SendAncillaryBuffer::default();
                Ok(rustix::net::sendmsg(socket, slices, nothing, SendFlags::NOSIGNAL)?)
            }),
            socket => socket.try_write_vectored(slices))
    }

    /// Waits until a read would not block.
    pub async fn readable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_read_ready(cx)).await
    }

    /// Waits until a write would not block.
    pub async fn writable(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_write_ready(cx)).await
    }

    /// Tells the other end that nothing more comes.
    pub fn end_output(&self) -> io::Result<()> {
        self.system().shutdown(Shutdown::Write)
    }

    /// The other end's address; `None` for Unix sockets.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.system().peer_addr().ok()?.as_socket()
    }

    /// Our end's address; `None` for Unix sockets.
    pub fn local(&self) -> Option<SocketAddr> {
        self.system().local_addr().ok()?.as_socket()
    }

    /// Whether this is a Unix socket.
    pub fn is_unix(&self) -> bool {
        match self {
            Self::Watched(watched) => watched.get().unix,
            Self::Tcp(_) => false,
            Self::Unix(_) => true,
        }
    }

    /// Whether nothing waits to be read, neither bytes nor the end. The kernel itself is
    /// asked: the reactor may not have seen an event yet.
    pub(super) fn is_quiet(&self) -> bool {
        let mut byte = [std::mem::MaybeUninit::uninit()];
        let peeked = self.system().peek(&mut byte);
        matches!(peeked, Err(ref error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads what the reactor may not have seen an event for.
    pub(super) fn read_unannounced(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.system()).read(buffer)
    }

    fn system(&self) -> SockRef<'_> {
        either!(self, watched => SockRef::from(watched.get()), socket => SockRef::from(socket))
    }
}

fn receive(socket: &StdSocket, buffer: &mut [u8]) -> io::Result<usize> {
    let (_, read) = rustix::net::recv(socket, &mut *buffer, RecvFlags::empty())?;
    Ok(read)
}
