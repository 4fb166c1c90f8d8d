//! TLS over a raw socket: rustls's connection driven by readiness.
//!
//! Written on rustls itself rather than on an `AsyncRead` adapter: sessions
//! need `try_read` and `try_write` on both sides within one poll.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::{RawSocket, StdSocket};

/// Plaintext taken per write: bounds the ciphertext that waits inside.
const WRITE_LIMIT: usize = 64 * 1024;

/// A TLS connection after its handshake; with an `S` of [`StdSocket`], one between two reactors.
pub struct EncryptedSocket<S = RawSocket> {
    raw: S,
    tls: Connection,
    /// Plaintext bytes decrypted and not yet read.
    decrypted: usize,
    /// The other side said it sends no more.
    ended: bool,
}

impl<S: std::fmt::Debug> std::fmt::Debug for EncryptedSocket<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncryptedSocket")
            .field("raw", &self.raw)
            .finish_non_exhaustive()
    }
}

impl EncryptedSocket {
    /// Shakes hands with a client. `received`: what was read from it already.
    pub async fn accept(
        raw: RawSocket,
        config: Arc<ServerConfig>,
        received: &[u8],
    ) -> io::Result<Self> {
        let tls = ServerConnection::new(config).map_err(invalid)?;
        Self::handshake(raw, tls.into(), received).await
    }

    /// Shakes hands with a server.
    pub async fn connect(
        raw: RawSocket,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let tls = ClientConnection::new(config, name).map_err(invalid)?;
        Self::handshake(raw, tls.into(), &[]).await
    }

    async fn handshake(raw: RawSocket, mut tls: Connection, received: &[u8]) -> io::Result<Self> {
        tls.set_buffer_limit(Some(2 * WRITE_LIMIT));
        let mut this = Self {
            raw,
            tls,
            decrypted: 0,
            ended: false,
        };
        let mut received = received;
        while !received.is_empty() {
            this.tls.read_tls(&mut received)?;
            this.process()?;
        }
        loop {
            while this.tls.wants_write() {
                this.raw.writable().await?;
                ignore_would_block(this.send())?;
            }
            if !this.tls.is_handshaking() {
                return Ok(this);
            }
            this.raw.readable().await?;
            match this.tls.read_tls(&mut Unblocked(&this.raw)) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => this.process()?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes it off its reactor. What was agreed on stays with it, and so does what has been decrypted or waits to go out.
    pub(super) fn detach(self) -> io::Result<EncryptedSocket<StdSocket>> {
        self.over(RawSocket::detach)
    }

    /// The kernel's socket.
    pub fn raw(&self) -> &RawSocket {
        &self.raw
    }

    /// The other side's certificate, when it sent one.
    pub fn peer_certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls.peer_certificates()?.first()
    }

    /// The application protocol that both sides agreed on.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tls.alpn_protocol()
    }

    /// Whether the handshake was a short one, of a session that both sides remembered.
    pub fn resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// Version and cipher suite, for `SHOW CLIENTS` and logs.
    pub fn describe(&self) -> String {
        let version = self
            .tls
            .protocol_version()
            .and_then(|version| version.as_str());
        let suite = self
            .tls
            .negotiated_cipher_suite()
            .and_then(|suite| suite.suite().as_str());
        format!(
            "{}/{}",
            version.unwrap_or("TLS"),
            suite.unwrap_or("unknown cipher")
        )
    }

    pub(super) fn may_be_read(&self) -> bool {
        self.decrypted > 0 || self.ended || self.raw.may_be_read()
    }

    pub(super) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.decrypted > 0 || self.ended {
            return Poll::Ready(Ok(()));
        }
        self.raw.poll_read_ready(cx)
    }

    pub(super) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || !self.fill()? {
            return Ok(0);
        }
        let length = self.tls.reader().read(buffer)?;
        self.decrypted -= length;
        Ok(length)
    }

    pub(super) fn try_read_buf(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let mut total = 0;
        // One record's plaintext may be stored in several pieces.
        while buffer.capacity() > buffer.len() && (total == 0 || self.decrypted > 0) {
            if !self.fill()? {
                break;
            }
            let mut reader = self.tls.reader();
            let plain = reader.fill_buf()?;
            let length = plain.len().min(buffer.capacity() - buffer.len());
            buffer.extend_from_slice(&plain[..length]);
            reader.consume(length);
            self.decrypted -= length;
            total += length;
        }
        Ok(total)
    }

    /// Whether there is no plaintext and no end, after all that has arrived.
    pub(super) fn is_quiet(&mut self) -> bool {
        while self.decrypted == 0 && !self.ended {
            if self.raw.is_quiet() {
                return true;
            }
            match self.tls.read_tls(&mut Unannounced(&self.raw)) {
                Ok(0) | Err(_) => return false,
                Ok(_) if self.process().is_err() => return false,
                Ok(_) => {}
            }
        }
        false
    }

    /// Decrypts until there is plaintext; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        while self.decrypted == 0 {
            if self.ended {
                return Ok(false);
            }
            match self.tls.read_tls(&mut Unblocked(&self.raw)) {
                // PostgreSQL's messages carry their length, so that a missing
                // close_notify cannot cut one short unnoticed.
                Ok(0) => self.ended = true,
                Ok(_) => self.process()?,
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn process(&mut self) -> io::Result<()> {
        let state = self.tls.process_new_packets();
        // Alerts, session tickets, key updates.
        if self.tls.wants_write() {
            let sent = ignore_would_block(self.send());
            if state.is_ok() {
                sent?;
            }
        }
        let state = state.map_err(invalid)?;
        self.decrypted = state.plaintext_bytes_to_read();
        self.ended |= state.peer_has_closed();
        Ok(())
    }

    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send()?;
        let taken = self
            .tls
            .writer()
            .write(&bytes[..bytes.len().min(WRITE_LIMIT)])?;
        ignore_would_block(self.send())?;
        Ok(taken)
    }

    pub(super) fn try_write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send()?;
        let mut taken = 0;
        for slice in slices {
            let room = WRITE_LIMIT - taken;
            let length = self.tls.writer().write(&slice[..slice.len().min(room)])?;
            taken += length;
            if length < slice.len() {
                break;
            }
        }
        ignore_would_block(self.send())?;
        Ok(taken)
    }

    pub(super) fn wants_flush(&self) -> bool {
        self.tls.wants_write()
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.tls.wants_write() {
            ready!(self.raw.poll_write_ready(cx))?;
            ignore_would_block(self.send())?;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends waiting ciphertext; `WouldBlock` when not all of it went.
    pub(super) fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut Unblocked(&self.raw))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.tls.send_close_notify();
        // The connection goes away in any case.
        let _ = self.send();
    }
}

impl EncryptedSocket<StdSocket> {
    /// Puts it on the reactor of this thread.
    pub(super) fn attach(self) -> io::Result<EncryptedSocket> {
        self.over(RawSocket::attach)
    }
}

impl<S> EncryptedSocket<S> {
    /// The same connection over what becomes of the kernel's socket.
    fn over<T>(self, moved: impl FnOnce(S) -> io::Result<T>) -> io::Result<EncryptedSocket<T>> {
        let Self {
            raw,
            tls,
            decrypted,
            ended,
        } = self;
        Ok(EncryptedSocket {
            raw: moved(raw)?,
            tls,
            decrypted,
            ended,
        })
    }
}

/// `Read` and `Write` as rustls wants them, without waiting.
struct Unblocked<'a>(&'a RawSocket);

impl Read for Unblocked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Unblocked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads what the runtime may not have seen an event for.
struct Unannounced<'a>(&'a RawSocket);

impl Read for Unannounced<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read_unannounced(buffer)
    }
}

fn ignore_would_block(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        result => result,
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
