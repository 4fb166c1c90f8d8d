//! What a server says in ErrorResponse or NoticeResponse.

use std::borrow::Cow;

use bytes::Bytes;

/// The body of an ErrorResponse or NoticeResponse, kept as it came so that it can be forwarded.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerReport {
    body: Bytes,
}

impl ServerReport {
    /// From a message's body.
    pub fn new(body: Bytes) -> Self {
        Self { body }
    }

    /// The body as it came.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// A field by its type: `b'M'` the message, `b'D'` the detail, and so on.
    pub fn field(&self, kind: u8) -> Option<Cow<'_, str>> {
        self.body
            .split(|byte| *byte == 0)
            .take_while(|field| !field.is_empty())
            .find(|field| field[0] == kind)
            .map(|field| String::from_utf8_lossy(&field[1..]))
    }

    /// SQLSTATE; `XX000` when it has none.
    pub fn sqlstate(&self) -> Cow<'_, str> {
        self.field(b'C').unwrap_or(Cow::Borrowed("XX000"))
    }

    /// Primary message.
    pub fn message(&self) -> Cow<'_, str> {
        self.field(b'M')
            .unwrap_or(Cow::Borrowed("error without a message"))
    }
}

impl std::fmt::Debug for ServerReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ServerReport({self})")
    }
}

impl std::fmt::Display for ServerReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = self.field(b'V').or_else(|| self.field(b'S'));
        let severity = severity.unwrap_or(Cow::Borrowed("ERROR"));
        write!(f, "{severity}: {} ({})", self.message(), self.sqlstate())
    }
}
