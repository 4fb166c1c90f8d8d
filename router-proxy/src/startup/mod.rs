//! A client's first packets: encryption, cancel, or a session.
//!
//! `opening` decides without I/O; [`enter`] carries out. The caller puts its
//! login deadline around [`enter`] and authentication together. Before
//! authentication a client makes the proxy hold at most one packet of
//! [`MAX_STARTUP_LENGTH`] bytes, and TLS's own record.

mod opening;
mod options;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests;

use std::io;

use bytes::BytesMut;

pub use opening::{
    CancelRequest, MAX_CANCEL_SECRET, MAX_STARTUP_LENGTH, NEWEST_MINOR, Named, Opened, Opening,
    Replication, Startup,
};

use crate::tls::{ALPN, ClientFacingTls, EncryptedSocket, Socket};
use crate::wire::code;
use crate::wire::encode::{Report, negotiate_protocol_version};

/// Room for an ordinary first packet and a little behind it.
const READ_AHEAD: usize = 512;

/// Whom a client turned out to be.
#[derive(Debug)]
pub enum Entered {
    /// Wants a session.
    Client {
        /// The connection, encrypted if that was agreed on.
        socket: Socket,
        /// What it asks for.
        startup: Startup,
        /// What it sent behind its first packet.
        input: BytesMut,
    },
    /// Wants a query cancelled. Close the socket when that is done.
    Cancel {
        /// The connection.
        socket: Socket,
        /// Whose query.
        request: CancelRequest,
    },
}

/// Why a client did not get in.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It left, or the network failed.
    #[error("client connection: {0}")]
    Io(#[from] io::Error),
    /// The handshake failed.
    #[error("TLS handshake with client: {0}")]
    Tls(io::Error),
    /// It took longer than `login_timeout`.
    #[error("not logged in within {0:?}")]
    Late(std::time::Duration),
    /// It was turned away, and told why.
    #[error("{}", .0.message)]
    Refused(Box<Report>),
}

impl EntryError {
    /// Tells the client why it is turned away, and makes an error of it.
    pub async fn refuse(socket: &mut Socket, report: Report) -> Self {
        let mut out = BytesMut::new();
        report.encode(&mut out);
        // It may be gone already; the reason is kept either way.
        let _ = socket.write_all(&out).await;
        socket.close();
        Self::Refused(Box::new(report))
    }
}

/// Reads a client's first packets, sets up TLS where asked for. `named`: whom it says to be, also when it does not get in.
pub async fn enter(
    mut socket: Socket,
    tls: Option<&ClientFacingTls>,
    named: &mut Named,
) -> Result<Entered, EntryError> {
    // As in PostgreSQL, Unix sockets are neither encrypted nor asked to be.
    let tls = tls.filter(|_| !socket.raw().is_unix());
    let mut opening = Opening::new(tls.is_some(), tls.is_some_and(ClientFacingTls::required));
    let mut input = BytesMut::new();
    loop {
        let handled = opening.handle(&mut input);
        named.clone_from(opening.named());
        let opened = match handled {
            Ok(opened) => opened,
            Err(report) => return Err(EntryError::refuse(&mut socket, report).await),
        };
        match (opened, tls) {
            (Opened::Incomplete(length), _) => {
                // More than the packet, so that what stands behind a request for TLS is seen.
                input.reserve((length - input.len()).max(READ_AHEAD));
                if socket.read_buf(&mut input).await? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
            }
            // It need not speak this protocol, or it says goodbye already. As in PostgreSQL, only the log hears of it.
            (Opened::NotAPacket, _) => {
                let what = "invalid length of startup packet";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what).into());
            }
            (Opened::StartTls, Some(tls)) => {
                socket.write_all(b"S").await?;
                socket = encrypt(socket, tls, &[]).await?;
                opening.handle_encrypted();
            }
            (Opened::StartDirectTls, Some(tls)) => {
                let received = input.split();
                socket = encrypt(socket, tls, &received).await?;
                if socket.tls().and_then(EncryptedSocket::alpn) != Some(ALPN) {
                    let report = Report::fatal(
                        code::PROTOCOL_VIOLATION,
                        "received direct SSL connection request without ALPN protocol \
                         negotiation extension",
                    );
                    return Err(EntryError::refuse(&mut socket, report).await);
                }
                opening.handle_encrypted();
            }
            (Opened::RefuseEncryption | Opened::StartTls | Opened::StartDirectTls, _) => {
                socket.write_all(b"N").await?;
            }
            (Opened::Cancel(request), _) => return Ok(Entered::Cancel { socket, request }),
            (Opened::Startup(startup), _) => {
                if startup.newer_minor || !startup.unknown_options.is_empty() {
                    let mut out = BytesMut::new();
                    let version = 3 << 16 | u32::from(startup.minor);
                    negotiate_protocol_version(&mut out, version, &startup.unknown_options);
                    socket.write_all(&out).await?;
                }
                return Ok(Entered::Client {
                    socket,
                    startup,
                    input,
                });
            }
        }
    }
}

async fn encrypt(
    socket: Socket,
    tls: &ClientFacingTls,
    received: &[u8],
) -> Result<Socket, EntryError> {
    let Socket::Plain(raw) = socket else {
        return Err(EntryError::Tls(io::Error::other("TLS within TLS")));
    };
    let encrypted = EncryptedSocket::accept(raw, tls.config().clone(), received)
        .await
        .map_err(EntryError::Tls)?;
    Ok(Socket::Tls(Box::new(encrypted)))
}
