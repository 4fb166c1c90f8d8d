//! A question to a server between two clients: settings at login, cleaning before reuse.

use std::io;

use bytes::{Buf, BytesMut};
use router_core::sqlstate::SqlState;

use super::state::ServerState;
use crate::tls::Socket;
use crate::wire::backend as b;
use crate::wire::read::read_message;

/// Longest message in an answer that nobody forwards.
const LIMIT: usize = 64 << 10;

/// Why a question had no good answer.
#[derive(Debug, thiserror::Error)]
pub enum ConverseError {
    /// The network.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server says no.
    #[error("{1}")]
    Refused(SqlState, String),
}

/// Sends a simple query, reads to the `ReadyForQuery` after it, and takes note of what the server reports.
pub async fn converse(
    socket: &mut Socket,
    state: &mut ServerState,
    sql: &str,
) -> Result<(), ConverseError> {
    let mut out = BytesMut::new();
    crate::wire::encode::frame(&mut out, b'Q', |out| {
        out.extend_from_slice(sql.as_bytes());
        out.extend_from_slice(&[0]);
    });
    // A simple query ends the unnamed statement.
    state.prepared.unnamed = None;
    socket.write_all(&out).await?;
    let mut input = BytesMut::new();
    let mut refused = None;
    loop {
        let (tag, length) = read_message(socket, &mut input, LIMIT).await?;
        let body = &input[..length];
        match tag {
            b::PARAMETER_STATUS => {
                if let Some((name, value)) = b::parameter_status(body)
                    && let (Ok(name), Ok(value)) =
                        (std::str::from_utf8(name), std::str::from_utf8(value))
                {
                    state.parameters.set(name, value);
                }
            }
            b::ERROR => {
                let text = |f| {
                    String::from_utf8_lossy(b::error_field(body, f).unwrap_or_default())
                        .into_owned()
                };
                let code = b::error_field(body, b'C')
                    .and_then(|code| <[u8; 5]>::try_from(code).ok())
                    .map_or(SqlState::new("XX000"), SqlState);
                refused.get_or_insert(ConverseError::Refused(code, text(b'M')));
            }
            b::NOTICE => {
                crate::wire::encode::frame(&mut state.notices, b::NOTICE, |out| {
                    out.extend_from_slice(body);
                });
            }
            b::READY => {
                state.status = body.first().copied().unwrap_or(b'?');
                input.advance(length);
                if !input.is_empty() {
                    return Err(io::Error::other("the server says more than was asked").into());
                }
                return refused.map_or(Ok(()), Err);
            }
            _ => {}
        }
        input.advance(length);
    }
}
