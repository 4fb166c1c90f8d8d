//! Messages from servers: their types, and views into the few bodies that anybody reads.

use super::view::Reader;

/// `Authentication…`.
pub const AUTHENTICATION: u8 = b'R';
/// `BackendKeyData`.
pub const BACKEND_KEY: u8 = b'K';
/// `ParameterStatus`.
pub const PARAMETER_STATUS: u8 = b'S';
/// `ReadyForQuery`.
pub const READY: u8 = b'Z';
/// `RowDescription`.
pub const ROW_DESCRIPTION: u8 = b'T';
/// `DataRow`.
pub const DATA_ROW: u8 = b'D';
/// `CommandComplete`.
pub const COMMAND_COMPLETE: u8 = b'C';
/// `EmptyQueryResponse`.
pub const EMPTY_QUERY: u8 = b'I';
/// `ErrorResponse`.
pub const ERROR: u8 = b'E';
/// `NoticeResponse`.
pub const NOTICE: u8 = b'N';
/// `NotificationResponse`.
pub const NOTIFICATION: u8 = b'A';
/// `ParseComplete`.
pub const PARSE_COMPLETE: u8 = b'1';
/// `BindComplete`.
pub const BIND_COMPLETE: u8 = b'2';
/// `CloseComplete`.
pub const CLOSE_COMPLETE: u8 = b'3';
/// `ParameterDescription`.
pub const PARAMETER_DESCRIPTION: u8 = b't';
/// `NoData`.
pub const NO_DATA: u8 = b'n';
/// `PortalSuspended`.
pub const PORTAL_SUSPENDED: u8 = b's';
/// `CopyInResponse`.
pub const COPY_IN: u8 = b'G';
/// `CopyOutResponse`.
pub const COPY_OUT: u8 = b'H';
/// `CopyBothResponse`.
pub const COPY_BOTH: u8 = b'W';
/// `FunctionCallResponse`.
pub const FUNCTION_RESULT: u8 = b'V';

/// Name and value of a `ParameterStatus`.
pub fn parameter_status(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut r = Reader::new(body);
    let name = r.cstr()?;
    let value = r.cstr()?;
    Some((name, value))
}

/// The tag of a `CommandComplete`: the words, and the number of rows where there is one.
pub fn command_tag(body: &[u8]) -> Option<(&[u8], Option<u64>)> {
    let tag = Reader::new(body).cstr()?;
    if let Some(space) = memchr::memrchr(b' ', tag) {
        let rows = std::str::from_utf8(&tag[space + 1..])
            .ok()
            .and_then(|digits| digits.parse().ok());
        if let Some(rows) = rows {
            return Some((&tag[..space], Some(rows)));
        }
    }
    Some((tag, None))
}

/// The body of an `ErrorResponse` with another detail.
pub fn with_detail(body: &[u8], detail: &str) -> Vec<u8> {
    with_field(body, b'D', detail)
}

/// The body of an `ErrorResponse` with another text in one of its fields.
pub fn with_field(body: &[u8], field: u8, text: &str) -> Vec<u8> {
    let mut out = without_fields(body, &[field]);
    out.pop();
    out.push(field);
    out.extend(text.bytes().filter(|byte| *byte != 0));
    out.extend_from_slice(&[0, 0]);
    out
}

/// The body of an `ErrorResponse` with another hint.
pub fn with_hint(body: &[u8], hint: &str) -> Vec<u8> {
    let mut out = without_fields(body, b"H");
    out.pop();
    out.push(b'H');
    out.extend(hint.bytes().filter(|byte| *byte != 0));
    out.extend_from_slice(&[0, 0]);
    out
}

/// The body of an `ErrorResponse` without some of its fields.
pub fn without_fields(body: &[u8], fields: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some((&kind, after)) = rest.split_first() {
        if kind == 0 {
            break;
        }
        let end = memchr::memchr(0, after).map_or(after.len(), |end| end + 1);
        if !fields.contains(&kind) {
            kept.push(kind);
            kept.extend_from_slice(&after[..end]);
        }
        rest = &after[end..];
    }
    kept.push(0);
    kept
}

/// One field of an `ErrorResponse` or `NoticeResponse`.
pub fn error_field(body: &[u8], field: u8) -> Option<&[u8]> {
    let mut r = Reader::new(body);
    loop {
        let (&kind, _) = r.rest().split_first()?;
        if kind == 0 {
            return None;
        }
        r.take(1)?;
        let value = r.cstr()?;
        if kind == field {
            return Some(value);
        }
    }
}
