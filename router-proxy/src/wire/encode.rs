//! The small messages that the proxy says itself. Everything else is forwarded as it came.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};
use router_core::plan::Refusal;
use router_core::sqlstate::SqlState;

/// How bad a [`Report`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The statement failed.
    Error,
    /// The connection ends.
    Fatal,
    /// Worth knowing.
    Warning,
    /// Good to know.
    Notice,
}

impl Severity {
    /// As PostgreSQL spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Warning => "WARNING",
            Self::Notice => "NOTICE",
        }
    }
}

/// What ErrorResponse and NoticeResponse say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How bad it is.
    pub severity: Severity,
    /// SQLSTATE.
    pub state: SqlState,
    /// Primary message: lower case, no full stop.
    pub message: Cow<'static, str>,
    /// More about it, as sentences.
    pub detail: Option<Cow<'static, str>>,
    /// The way out, as sentences.
    pub hint: Option<Cow<'static, str>>,
    /// Where in the client's data it is.
    pub context: Option<Cow<'static, str>>,
    /// The function of PostgreSQL that says the same, where drivers look at that.
    pub routine: Option<&'static str>,
}

impl Report {
    /// A failure of the statement.
    pub fn error(state: SqlState, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            severity: Severity::Error,
            state,
            message: message.into(),
            detail: None,
            hint: None,
            context: None,
            routine: None,
        }
    }

    /// The end of the connection.
    pub fn fatal(state: SqlState, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            severity: Severity::Fatal,
            ..Self::error(state, message)
        }
    }

    /// With more about it.
    pub fn detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// With the way out.
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the place in the client's data.
    pub fn context(mut self, context: impl Into<Cow<'static, str>>) -> Self {
        self.context = Some(context.into());
        self
    }

    /// Appends ErrorResponse or NoticeResponse.
    pub fn encode(&self, out: &mut BytesMut) {
        let tag = match self.severity {
            Severity::Error | Severity::Fatal => b'E',
            Severity::Warning | Severity::Notice => b'N',
        };
        frame(out, tag, |out| {
            field(out, b'S', self.severity.as_str());
            field(out, b'V', self.severity.as_str());
            field(out, b'C', self.state.as_str());
            field(out, b'M', &self.message);
            if let Some(detail) = &self.detail {
                field(out, b'D', detail);
            }
            if let Some(hint) = &self.hint {
                field(out, b'H', hint);
            }
            if let Some(context) = &self.context {
                field(out, b'W', context);
            }
            if let Some(routine) = self.routine {
                field(out, b'R', routine);
            }
            out.put_u8(0);
        });
    }
}

impl From<&Refusal> for Report {
    fn from(refusal: &Refusal) -> Self {
        Self::error(refusal.sqlstate, refusal.message.clone())
            .detail(refusal.detail.clone())
            .hint(refusal.hint.clone())
    }
}

fn field(out: &mut BytesMut, kind: u8, text: &str) {
    out.put_u8(kind);
    cstr(out, text);
}

/// A string with its terminator. An inner NUL would end it early and let the rest
/// be read as fields: it is left out.
fn cstr(out: &mut BytesMut, text: &str) {
    for part in text.split('\0') {
        out.put_slice(part.as_bytes());
    }
    out.put_u8(0);
}

/// Appends a message: its tag, its length, and what `body` appends.
pub fn frame(out: &mut BytesMut, tag: u8, body: impl FnOnce(&mut BytesMut)) {
    out.put_u8(tag);
    let start = out.len();
    out.put_u32(0);
    body(out);
    let length = u32::try_from(out.len() - start).expect("own messages are small");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// AuthenticationOk.
pub fn authentication_ok(out: &mut BytesMut) {
    authentication(out, 0, |_| {});
}

/// AuthenticationCleartextPassword.
pub fn authentication_password(out: &mut BytesMut) {
    authentication(out, 3, |_| {});
}

/// AuthenticationMD5Password.
pub fn authentication_md5(out: &mut BytesMut, salt: [u8; 4]) {
    authentication(out, 5, |out| out.put_slice(&salt));
}

/// AuthenticationSASL with the mechanisms offered.
pub fn authentication_sasl(out: &mut BytesMut, mechanisms: &[&str]) {
    authentication(out, 10, |out| {
        for mechanism in mechanisms {
            cstr(out, mechanism);
        }
        out.put_u8(0);
    });
}

/// AuthenticationSASLContinue.
pub fn authentication_sasl_continue(out: &mut BytesMut, data: &[u8]) {
    authentication(out, 11, |out| out.put_slice(data));
}

/// AuthenticationSASLFinal.
pub fn authentication_sasl_final(out: &mut BytesMut, data: &[u8]) {
    authentication(out, 12, |out| out.put_slice(data));
}

fn authentication(out: &mut BytesMut, kind: u32, body: impl FnOnce(&mut BytesMut)) {
    frame(out, b'R', |out| {
        out.put_u32(kind);
        body(out);
    });
}

/// ParameterStatus.
pub fn parameter_status(out: &mut BytesMut, name: &str, value: &str) {
    frame(out, b'S', |out| {
        cstr(out, name);
        cstr(out, value);
    });
}

/// BackendKeyData; `secret` is 4 bytes in protocol 3.0, up to 256 in 3.2.
pub fn backend_key_data(out: &mut BytesMut, process: i32, secret: &[u8]) {
    frame(out, b'K', |out| {
        out.put_i32(process);
        out.put_slice(secret);
    });
}

/// ReadyForQuery; `status` is `I`, `T` or `E`.
pub fn ready_for_query(out: &mut BytesMut, status: u8) {
    frame(out, b'Z', |out| out.put_u8(status));
}

/// NegotiateProtocolVersion: the newest version we speak, and the options we do not know.
pub fn negotiate_protocol_version(out: &mut BytesMut, version: u32, unknown: &[String]) {
    frame(out, b'v', |out| {
        out.put_u32(version);
        out.put_u32(u32::try_from(unknown.len()).expect("a startup packet holds few"));
        for option in unknown {
            cstr(out, option);
        }
    });
}
