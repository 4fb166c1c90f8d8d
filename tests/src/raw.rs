//! A PostgreSQL client that shows every frame: what a driver hides is what these tests compare.
//!
//! It blocks, authenticates by trust or clear-text password only, and has a
//! read deadline, so that a proxy that forgets an answer fails a test instead of hanging it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::{BufMut, BytesMut};
use local_postgres::Server;

use crate::patience::PATIENCE;

/// One message from the server: its type byte and body (without the length).
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Type byte.
    pub tag: u8,
    /// Body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}({:?})",
            char::from(self.tag),
            String::from_utf8_lossy(&self.body)
        )
    }
}

/// Fields of an ErrorResponse or NoticeResponse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL`, `WARNING`, …
    pub severity: String,
    /// SQLSTATE.
    pub code: String,
    /// Primary message.
    pub message: String,
    /// DETAIL.
    pub detail: String,
    /// HINT.
    pub hint: String,
}

impl Message {
    /// The fields, when this is an ErrorResponse or NoticeResponse.
    pub fn error(&self) -> Option<ServerError> {
        if !matches!(self.tag, b'E' | b'N') {
            return None;
        }
        let mut error = ServerError::default();
        for field in self.body.split(|b| *b == 0).filter(|f| !f.is_empty()) {
            let text = String::from_utf8_lossy(&field[1..]).into_owned();
            match field[0] {
                b'V' => error.severity = text,
                b'C' => error.code = text,
                b'M' => error.message = text,
                b'D' => error.detail = text,
                b'H' => error.hint = text,
                _ => {}
            }
        }
        Some(error)
    }

    /// The columns of a DataRow; `None` is NULL.
    pub fn columns(&self) -> Vec<Option<Vec<u8>>> {
        let mut rest = &self.body[2..];
        let count = u16::from_be_bytes([self.body[0], self.body[1]]);
        (0..count)
            .map(|_| {
                let len = i32::from_be_bytes(rest[..4].try_into().expect("four bytes"));
                rest = &rest[4..];
                usize::try_from(len).ok().map(|len| {
                    let (value, tail) = rest.split_at(len);
                    rest = tail;
                    value.to_vec()
                })
            })
            .collect()
    }

    /// Name, type OID and format of each column of a RowDescription.
    pub fn fields(&self) -> Vec<(String, u32, u16)> {
        let mut rest = &self.body[2..];
        let count = u16::from_be_bytes([self.body[0], self.body[1]]);
        (0..count)
            .map(|_| {
                let end = rest
                    .iter()
                    .position(|b| *b == 0)
                    .expect("name ends with NUL");
                let name = String::from_utf8_lossy(&rest[..end]).into_owned();
                let fixed = &rest[end + 1..end + 19];
                rest = &rest[end + 19..];
                (
                    name,
                    u32::from_be_bytes(fixed[6..10].try_into().expect("four bytes")),
                    u16::from_be_bytes(fixed[16..18].try_into().expect("two bytes")),
                )
            })
            .collect()
    }

    /// The table and the place there of each column of a RowDescription.
    pub fn tables(&self) -> Vec<(u32, u16)> {
        let mut rest = &self.body[2..];
        let mut list = Vec::new();
        while let Some(end) = rest.iter().position(|b| *b == 0) {
            let fixed = &rest[end + 1..end + 19];
            rest = &rest[end + 19..];
            list.push((
                u32::from_be_bytes(fixed[..4].try_into().expect("four bytes")),
                u16::from_be_bytes(fixed[4..6].try_into().expect("two bytes")),
            ));
        }
        list
    }

    /// The type modifiers of a RowDescription's columns.
    pub fn modifiers(&self) -> Vec<i32> {
        let mut rest = &self.body[2..];
        let mut list = Vec::new();
        while let Some(end) = rest.iter().position(|b| *b == 0) {
            let modifier = &rest[end + 13..end + 17];
            list.push(i32::from_be_bytes(modifier.try_into().expect("four bytes")));
            rest = &rest[end + 19..];
        }
        list
    }

    /// The body as text up to the first NUL: a CommandComplete's tag.
    pub fn text(&self) -> String {
        let end = self
            .body
            .iter()
            .position(|b| *b == 0)
            .unwrap_or(self.body.len());
        String::from_utf8_lossy(&self.body[..end]).into_owned()
    }
}

/// A connection.
pub struct RawClient {
    stream: TcpStream,
    input: BytesMut,
    /// ParameterStatus values seen so far.
    pub parameters: Vec<(String, String)>,
    /// BackendKeyData: process and secret.
    pub key: Option<(i32, Vec<u8>)>,
}

impl RawClient {
    /// Connects and logs in with the given startup parameters (`user`, `database`, …).
    pub fn connect(
        address: SocketAddr,
        parameters: &[(&str, &str)],
        password: Option<&str>,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut client = Self {
            stream,
            input: BytesMut::new(),
            parameters: Vec::new(),
            key: None,
        };
        let mut body = BytesMut::new();
        body.put_i32(196_608);
        for (name, value) in parameters {
            body.put_slice(name.as_bytes());
            body.put_u8(0);
            body.put_slice(value.as_bytes());
            body.put_u8(0);
        }
        body.put_u8(0);
        let mut packet = BytesMut::new();
        packet.put_i32(body.len() as i32 + 4);
        packet.put_slice(&body);
        client.write(&packet)?;
        loop {
            let message = client.read()?;
            match message.tag {
                b'R' => match i32::from_be_bytes(message.body[..4].try_into()?) {
                    0 => {}
                    3 => {
                        let mut answer = password
                            .context("a password is asked for")?
                            .as_bytes()
                            .to_vec();
                        answer.push(0);
                        client.send(b'p', &answer)?;
                    }
                    other => {
                        bail!("authentication request {other} is not supported by this client")
                    }
                },
                b'K' => {
                    let process = i32::from_be_bytes(message.body[..4].try_into()?);
                    client.key = Some((process, message.body[4..].to_vec()));
                }
                b'Z' => return Ok(client),
                b'E' => bail!("login refused: {:?}", message.error()),
                _ => {}
            }
        }
    }

    /// Logs in by trust.
    pub fn trust(address: SocketAddr, user: &str, database: &str) -> anyhow::Result<Self> {
        Self::connect(address, &[("user", user), ("database", database)], None)
    }

    /// Logs in by trust to a server itself.
    ///
    /// # Panics
    ///
    /// When the server does not let it in.
    pub fn direct(server: &Server, database: &str) -> Self {
        let address = ([127, 0, 0, 1], server.port()).into();
        Self::trust(address, server.user(), database).expect("the server lets the client in")
    }

    /// Asks the proxy or server at `address` to cancel what this client has asked, and waits until that was dealt with.
    pub fn cancel(&self, address: SocketAddr) -> anyhow::Result<()> {
        let (process, secret) = self.key.as_ref().context("no cancel key")?;
        cancel(address, *process, secret)
    }

    /// Writes bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(bytes).context("writing")
    }

    /// Writes one message.
    pub fn send(&mut self, tag: u8, body: &[u8]) -> anyhow::Result<()> {
        let mut packet = BytesMut::with_capacity(body.len() + 5);
        frame(&mut packet, tag, body);
        self.write(&packet)
    }

    /// Reads one message that comes within `patience`, if one does; `open` becomes false where the connection ended.
    pub fn read_within(
        &mut self,
        patience: Duration,
        open: &mut bool,
    ) -> anyhow::Result<Option<Message>> {
        self.stream.set_read_timeout(Some(patience))?;
        let read = self.read();
        self.stream.set_read_timeout(Some(PATIENCE))?;
        match read {
            Ok(message) => Ok(Some(message)),
            Err(error) => {
                let late = error
                    .downcast_ref::<std::io::Error>()
                    .is_some_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
                *open = late;
                Ok(None)
            }
        }
    }

    /// Reads one message; ParameterStatus is recorded and returned too.
    pub fn read(&mut self) -> anyhow::Result<Message> {
        loop {
            if self.input.len() >= 5 {
                let len = u32::from_be_bytes(self.input[1..5].try_into()?) as usize;
                if self.input.len() > len {
                    let frame = self.input.split_to(len + 1);
                    let message = Message {
                        tag: frame[0],
                        body: frame[5..].to_vec(),
                    };
                    if message.tag == b'S' {
                        let mut parts = message
                            .body
                            .split(|b| *b == 0)
                            .map(|p| String::from_utf8_lossy(p).into_owned());
                        if let (Some(name), Some(value)) = (parts.next(), parts.next()) {
                            self.parameters.retain(|(n, _)| *n != name);
                            self.parameters.push((name, value));
                        }
                    }
                    return Ok(message);
                }
            }
            let mut chunk = [0; 16 * 1024];
            let n = self.stream.read(&mut chunk).context("reading")?;
            if n == 0 {
                bail!(
                    "the connection was closed with {} bytes unread",
                    self.input.len()
                );
            }
            self.input.extend_from_slice(&chunk[..n]);
        }
    }

    /// Reads up to and including ReadyForQuery. ParameterStatus and NoticeResponse are left out.
    pub fn until_ready(&mut self) -> anyhow::Result<Vec<Message>> {
        let mut messages = Vec::new();
        loop {
            let message = self.read()?;
            let done = message.tag == b'Z';
            if !matches!(message.tag, b'S' | b'N') {
                messages.push(message);
            }
            if done {
                return Ok(messages);
            }
        }
    }

    /// A simple query; everything up to ReadyForQuery. A `COPY FROM STDIN` is answered with CopyFail.
    pub fn simple(&mut self, sql: &str) -> anyhow::Result<Vec<Message>> {
        let mut body = sql.as_bytes().to_vec();
        body.push(0);
        self.send(b'Q', &body)?;
        let mut messages = Vec::new();
        loop {
            let message = self.read()?;
            if message.tag == b'G' {
                self.send(b'f', b"no data\0")?;
            }
            let done = message.tag == b'Z';
            if !matches!(message.tag, b'S' | b'N') {
                messages.push(message);
            }
            if done {
                return Ok(messages);
            }
        }
    }

    /// One statement over the extended protocol: Parse, Bind, Describe, Execute, Sync in one write.
    /// Parameters are text; `binary` asks for binary results.
    pub fn extended(
        &mut self,
        sql: &str,
        parameters: &[Option<&str>],
        binary: bool,
    ) -> anyhow::Result<Vec<Message>> {
        let mut packet = BytesMut::new();
        frame(
            &mut packet,
            b'P',
            &[b"\0", sql.as_bytes(), b"\0\0\0"].concat(),
        );
        let mut bind = BytesMut::from(&b"\0\0\0\0"[..]);
        bind.put_u16(parameters.len() as u16);
        for parameter in parameters {
            match parameter {
                Some(value) => {
                    bind.put_i32(value.len() as i32);
                    bind.put_slice(value.as_bytes());
                }
                None => bind.put_i32(-1),
            }
        }
        bind.put_u16(1);
        bind.put_u16(u16::from(binary));
        frame(&mut packet, b'B', &bind);
        frame(&mut packet, b'D', b"P\0");
        frame(&mut packet, b'E', b"\0\0\0\0\0");
        frame(&mut packet, b'S', b"");
        self.write(&packet)?;
        self.until_ready()
    }

    /// Statements in one write: Parse, Bind and Execute of each, one Sync.
    pub fn pipeline(&mut self, statements: &[&str]) -> anyhow::Result<Vec<Message>> {
        let mut packet = BytesMut::new();
        for sql in statements {
            frame(
                &mut packet,
                b'P',
                &[b"\0", sql.as_bytes(), b"\0\0\0"].concat(),
            );
            frame(&mut packet, b'B', &[0; 8]);
            frame(&mut packet, b'E', &[0; 5]);
        }
        frame(&mut packet, b'S', b"");
        self.write(&packet)?;
        self.until_ready()
    }
}

/// A cancel request with this key; returns when it was dealt with.
pub fn cancel(address: SocketAddr, process: i32, secret: &[u8]) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    let mut packet = BytesMut::new();
    packet.put_u32(12 + secret.len() as u32);
    packet.put_u32(80_877_102);
    packet.put_i32(process);
    packet.put_slice(secret);
    stream.write_all(&packet)?;
    // The end of the connection, by whatever means, is the answer.
    let _ = stream.read(&mut [0; 8]);
    Ok(())
}

/// Rows as text, their columns between `|`, and errors by SQLSTATE.
pub fn seen(messages: &[Message]) -> Vec<String> {
    let column = |value: Option<Vec<u8>>| {
        value.map_or("NULL".into(), |v| String::from_utf8_lossy(&v).into_owned())
    };
    let shown = |message: &Message| match message.tag {
        b'D' => {
            let columns: Vec<String> = message.columns().into_iter().map(column).collect();
            Some(columns.join("|"))
        }
        b'E' => Some(message.error()?.code),
        _ => None,
    };
    messages.iter().filter_map(shown).collect()
}

/// Appends one message to `packet`.
pub fn frame(packet: &mut BytesMut, tag: u8, body: &[u8]) {
    packet.put_u8(tag);
    packet.put_i32(body.len() as i32 + 4);
    packet.put_slice(body);
}
