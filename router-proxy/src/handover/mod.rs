//! A restart without a moment in which nobody listens.
//!
//! A new process takes the listening sockets of the one that runs, over a Unix
//! socket (`server.takeover_socket`); both then hold the same sockets, so no
//! connection that waits in one of them is lost. Once the new process serves, the
//! old one accepts no more, lets its clients finish, and ends. Cancel requests
//! arrive at the new process; those for a client of the old one are passed on.
//!
//! ```text
//!   new                                old
//!   "shunt takeover 1"            ──►
//!   "next"                        ──►
//!                                 ◄──  "tcp" or "unix", with one socket ("unix kept": its file is not the proxy's to
//!                                      remove); "end" after the last, "end 1" by one that took over itself, and so
//!                                      on in turns
//!   (reads files, starts workers)
//!   "ready"                       ──►
//!                                 ◄──  "ok": it accepts no more
//!   "cancel PROCESS SECRET"       ──►
//!                                 ◄──  "done", however that ended
//! ```
//!
//! Until "ready" the old process goes on as if nobody had asked. Both are of one
//! user, or the new one is root's: anybody else is turned away.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | sockets that somebody else bound |
//! | `descriptors` | one line with one socket |
//! | `take` | the new process's side |
//! | `give` | the old process's side |

mod descriptors;
pub(crate) mod give;
pub(crate) mod take;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;

use take::Predecessor;
pub use take::TakeoverError;

/// First line of the new process.
const HELLO: &str = "shunt takeover 1";

/// Longest line of either.
const LONGEST_LINE: usize = 64;

/// Sockets that another process has bound: systemd, or a proxy that is to be replaced.
#[derive(Debug, Default)]
pub struct Inherited {
    tcp: Vec<TcpListener>,
    unix: Vec<UnixSocket>,
    predecessor: Option<Predecessor>,
    /// Which of two this process is while both serve: what the predecessor is not.
    pub(crate) turn: bool,
}

/// A Unix socket, and what becomes of its file.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    pub(crate) listener: UnixListener,
    /// Whoever bound it, systemd, goes on listening when the proxy has ended: its file stays.
    pub(crate) is_kept: bool,
}

impl Inherited {
    /// One more TCP socket.
    pub fn add_tcp(&mut self, socket: TcpListener) {
        self.tcp.push(socket);
    }

    /// One more Unix socket, of somebody who removes its file himself.
    pub fn add_unix(&mut self, listener: UnixListener) {
        self.add_unix_socket(listener, true);
    }

    fn add_unix_socket(&mut self, listener: UnixListener, is_kept: bool) {
        self.unix.push(UnixSocket { listener, is_kept });
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.unix.is_empty()
    }

    /// Takes the sockets of the proxy whose `takeover_socket` this is. That one serves until the new one does.
    pub fn take_over(path: &Path) -> Result<Self, TakeoverError> {
        take::take_over(path)
    }

    /// Whether a TCP socket of this address is among them.
    pub fn has(&self, address: SocketAddr) -> bool {
        self.tcp.iter().any(|socket| is_at(socket, address))
    }

    /// Those of an address; they are not here any more.
    pub(crate) fn take_tcp(&mut self, address: SocketAddr) -> io::Result<Vec<TcpListener>> {
        let all = std::mem::take(&mut self.tcp);
        let (found, rest) = all.into_iter().partition(|socket| is_at(socket, address));
        self.tcp = rest;
        for socket in &found {
            let socket: &TcpListener = socket;
            socket.set_nonblocking(true)?;
        }
        Ok(found)
    }

    /// That of a path; it is not here any more.
    pub(crate) fn take_unix(&mut self, path: &Path) -> io::Result<Option<UnixSocket>> {
        let is_at = |socket: &UnixSocket| {
            socket
                .listener
                .local_addr()
                .is_ok_and(|address| address.as_pathname() == Some(path))
        };
        let Some(at) = self.unix.iter().position(is_at) else {
            return Ok(None);
        };
        let socket = self.unix.swap_remove(at);
        socket.listener.set_nonblocking(true)?;
        Ok(Some(socket))
    }

    pub(crate) fn take_predecessor(&mut self) -> Option<Predecessor> {
        self.predecessor.take()
    }

    /// The addresses of those that nobody has taken.
    pub fn left_over(&self) -> Vec<String> {
        let tcp = self.tcp.iter().map(|socket| match socket.local_addr() {
            Ok(address) => address.to_string(),
            Err(error) => error.to_string(),
        });
        let unix = self.unix.iter().map(|socket| {
            let address = socket.listener.local_addr();
            let path = address.as_ref().ok().and_then(|a| a.as_pathname());
            path.map_or("an unnamed socket".to_owned(), |path| {
                path.display().to_string()
            })
        });
        tcp.chain(unix).collect()
    }
}

fn is_at(socket: &TcpListener, address: SocketAddr) -> bool {
    socket.local_addr().is_ok_and(|at| at == address)
}
