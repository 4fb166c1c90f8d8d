//! What a client's first packets say, as a machine without I/O.
//!
//! Call [`Opening::handle`] with what was read so far; it takes whole packets
//! off the front and says what to do. At most three packets are looked at: one
//! request for TLS, one for GSSAPI, and the one that opens or cancels.

use bytes::{Buf, Bytes, BytesMut};

use super::options;
use crate::wire::code;
use crate::wire::encode::Report;

/// Longest first packet, as in PostgreSQL (`MAX_STARTUP_PACKET_LENGTH`).
pub const MAX_STARTUP_LENGTH: usize = 10_000;
/// Longest secret of a cancel request in protocol 3.2.
pub const MAX_CANCEL_SECRET: usize = 256;
/// The newest minor version of protocol 3 that the proxy speaks.
pub const NEWEST_MINOR: u16 = 2;

const CANCEL: u32 = 1234 << 16 | 5678;
const TLS: u32 = 1234 << 16 | 5679;
const GSS: u32 = 1234 << 16 | 5680;
/// First byte of a TLS handshake record. As the first byte of a length it would mean 350 MB.
const TLS_RECORD: u8 = 0x16;

/// Reads a client's first packets.
#[derive(Debug)]
pub struct Opening {
    /// TLS can be had.
    tls_offered: bool,
    /// A StartupMessage in the clear is turned away.
    tls_required: bool,
    encrypted: bool,
    asked_tls: bool,
    asked_gss: bool,
    named: Named,
}

/// Whom a client says to be, before that is proven, and what it wants: for the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// User.
    pub user: Option<String>,
    /// Database.
    pub database: Option<String>,
}

/// What to do next.
#[derive(Debug)]
pub enum Opened {
    /// Read until there are this many bytes.
    Incomplete(usize),
    /// Answer `N` and go on.
    RefuseEncryption,
    /// Answer `S`, shake hands, call [`Opening::handle_encrypted`], go on.
    StartTls,
    /// Shake hands at once, with what was read; the protocol name must be agreed on.
    StartDirectTls,
    /// Hang up without a word.
    NotAPacket,
    /// Cancel a query; nothing is answered.
    Cancel(CancelRequest),
    /// Open a session.
    Startup(Startup),
}

/// Whose query to cancel.
#[derive(Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// Process id, as BackendKeyData said.
    pub process: i32,
    /// Secret, as BackendKeyData said.
    pub secret: Bytes,
}

impl std::fmt::Debug for CancelRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelRequest")
            .field("process", &self.process)
            .finish_non_exhaustive()
    }
}

/// A session that a client wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// User.
    pub user: String,
    /// Database; the user's name when not given.
    pub database: String,
    /// Settings, in the order in which they count: those of `options` first, the packet's own
    /// after them. `user`, `database`, `replication`, `options` are not among them.
    pub parameters: Vec<(String, String)>,
    /// Whether it is a replication connection.
    pub replication: Replication,
    /// Minor version of protocol 3 in force: what was asked for, or our newest.
    pub minor: u16,
    /// Whether a newer minor version was asked for.
    pub newer_minor: bool,
    /// Protocol options (`_pq_.…`) asked for that we do not know.
    pub unknown_options: Vec<String>,
}

/// The parameter `replication`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// An ordinary session.
    No,
    /// Physical replication.
    Physical,
    /// Logical replication: SQL and replication commands.
    Database,
}

impl Opening {
    /// For a client that has just been accepted.
    pub fn new(tls_offered: bool, tls_required: bool) -> Self {
        Self {
            tls_offered,
            tls_required,
            encrypted: false,
            asked_tls: false,
            asked_gss: false,
            named: Named::default(),
        }
    }

    /// Whom it said to be so far.
    pub fn named(&self) -> &Named {
        &self.named
    }

    /// The handshake succeeded.
    pub fn handle_encrypted(&mut self) {
        self.encrypted = true;
    }

    /// Looks at what was read. An error is the last thing the client hears.
    pub fn handle(&mut self, buffer: &mut BytesMut) -> Result<Opened, Report> {
        let untouched = !self.encrypted && !self.asked_tls && !self.asked_gss;
        if buffer.first() == Some(&TLS_RECORD) && self.tls_offered && untouched {
            return Ok(Opened::StartDirectTls);
        }
        let Some(head) = buffer.first_chunk::<4>() else {
            return Ok(Opened::Incomplete(8));
        };
        let length = u32::from_be_bytes(*head) as usize;
        if !(8..=MAX_STARTUP_LENGTH + 4).contains(&length) {
            return Ok(Opened::NotAPacket);
        }
        if buffer.len() < length {
            return Ok(Opened::Incomplete(length));
        }
        let mut packet = buffer.split_to(length).freeze();
        packet.advance(4);
        match packet.get_u32() {
            TLS if !self.asked_tls && !self.encrypted && packet.is_empty() => {
                self.asked_tls = true;
                nothing_behind(buffer, "received unencrypted data after SSL request")?;
                Ok(if self.tls_offered {
                    Opened::StartTls
                } else {
                    Opened::RefuseEncryption
                })
            }
            GSS if !self.asked_gss && !self.encrypted && packet.is_empty() => {
                self.asked_gss = true;
                nothing_behind(
                    buffer,
                    "received unencrypted data after GSSAPI encryption request",
                )?;
                Ok(Opened::RefuseEncryption)
            }
            CANCEL => cancel(packet),
            version => self.startup(version, packet),
        }
    }

    fn startup(&mut self, version: u32, packet: Bytes) -> Result<Opened, Report> {
        let (major, minor) = (version >> 16, version as u16);
        if major != 3 {
            return Err(Report::fatal(
                code::FEATURE_NOT_SUPPORTED,
                format!(
                    "unsupported frontend protocol {major}.{minor}: \
                     server supports 3.0 to 3.{NEWEST_MINOR}"
                ),
            ));
        }
        let startup = parse(minor, &packet)?;
        self.named = Named {
            user: Some(startup.user.clone()),
            database: Some(startup.database.clone()),
        };
        if self.tls_required && !self.encrypted {
            return Err(Report::fatal(
                code::INVALID_AUTHORIZATION,
                "connection is not encrypted, and only encrypted ones are accepted",
            )
            .hint("Connect with sslmode=require or stronger."));
        }
        Ok(Opened::Startup(startup))
    }
}

/// Plaintext behind a request for encryption would be taken for encrypted
/// (CVE-2021-23222's kind): whoever sent it may stand in between.
fn nothing_behind(buffer: &BytesMut, message: &'static str) -> Result<(), Report> {
    if buffer.is_empty() {
        return Ok(());
    }
    Err(violation(message).detail(
        "This is a fault of the client's software, or somebody in between tries to inject data.",
    ))
}

fn cancel(mut packet: Bytes) -> Result<Opened, Report> {
    // Process id, and a secret of 4 to 256 bytes.
    if !(8..=4 + MAX_CANCEL_SECRET).contains(&packet.len()) {
        return Err(violation("invalid length of cancel request packet"));
    }
    let process = packet.get_i32();
    Ok(Opened::Cancel(CancelRequest {
        process,
        secret: packet,
    }))
}

fn parse(minor: u16, packet: &[u8]) -> Result<Startup, Report> {
    let layout = || violation("invalid startup packet layout: expected terminator as last byte");
    let Some((&0, pairs)) = packet.split_last() else {
        return Err(layout());
    };
    // Each string ends with NUL, so that the last piece of the split is empty.
    let mut strings = pairs.split(|byte| *byte == 0);
    if strings.next_back() != Some(b"") {
        return Err(layout());
    }
    let (mut user, mut database, mut switches) = (None, None, None);
    let mut replication = Replication::No;
    let mut parameters = Vec::new();
    let mut unknown_options = Vec::new();
    while let Some(name) = strings.next() {
        if name.is_empty() {
            return Err(layout());
        }
        let value = strings.next().ok_or_else(layout)?;
        let (name, value) = (text(name)?, text(value)?);
        match name {
            "user" => user = Some(value),
            "database" => database = Some(value),
            "options" => switches = Some(value),
            "replication" => replication = parse_replication(value)?,
            _ if name.starts_with("_pq_.") => unknown_options.push(name.to_owned()),
            _ => parameters.push((name.to_owned(), value.to_owned())),
        }
    }
    let user = user.filter(|user| !user.is_empty()).ok_or_else(|| {
        Report::fatal(
            code::INVALID_AUTHORIZATION,
            "no PostgreSQL user name specified in startup packet",
        )
    })?;
    let database = database
        .filter(|database| !database.is_empty())
        .unwrap_or(user);
    if let Some(switches) = switches {
        let mut all = options::parse(switches)?;
        all.append(&mut parameters);
        parameters = all;
    }
    Ok(Startup {
        user: user.to_owned(),
        database: database.to_owned(),
        parameters,
        replication,
        minor: minor.min(NEWEST_MINOR),
        newer_minor: minor > NEWEST_MINOR,
        unknown_options,
    })
}

fn text(bytes: &[u8]) -> Result<&str, Report> {
    std::str::from_utf8(bytes).map_err(|_| {
        Report::fatal(
            code::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\" in startup packet",
        )
    })
}

fn parse_replication(value: &str) -> Result<Replication, Report> {
    let lower = value.to_ascii_lowercase();
    // PostgreSQL's booleans may be shortened as far as they stay clear.
    let is = |word: &str, least: usize| lower.len() >= least && word.starts_with(lower.as_str());
    match lower.as_str() {
        "database" => Ok(Replication::Database),
        "1" => Ok(Replication::Physical),
        "0" => Ok(Replication::No),
        _ if is("true", 1) || is("yes", 1) || is("on", 2) => Ok(Replication::Physical),
        _ if is("false", 1) || is("no", 1) || is("off", 2) => Ok(Replication::No),
        _ => Err(Report::fatal(
            code::INVALID_PARAMETER_VALUE,
            format!("invalid value for parameter \"replication\": \"{value}\""),
        )
        .hint("Valid values are: \"false\", 0, \"true\", 1, \"database\".")),
    }
}

fn violation(message: &'static str) -> Report {
    Report::fatal(code::PROTOCOL_VIOLATION, message)
}
