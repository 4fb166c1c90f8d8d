//! One query and its rows as text, on a connection that nobody else uses yet.

use std::io;

use bytes::{Buf, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};

use crate::server::report::ServerReport;
use crate::server::state::Parameters;
use crate::tls::Socket;
use crate::wire::backend as b;
use crate::wire::read::read_message;

/// Longest answer message that is read: a catalog row has a few short texts.
const MAX_MESSAGE_LENGTH: usize = 1024 * 1024;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server refused.
    #[error("{0}")]
    Refused(ServerReport),
    /// The answer is not PostgreSQL's.
    #[error("a malformed row")]
    Malformed,
}

/// Sends `sql` and reads its rows up to ReadyForQuery, each as texts; NULL is the empty text.
pub(crate) async fn ask(
    socket: &mut Socket,
    input: &mut BytesMut,
    sql: &str,
) -> Result<Vec<Vec<String>>, AskError> {
    let mut query = BytesMut::new();
    frontend::query(sql, &mut query)?;
    socket.write_all(&query).await?;
    rows(socket, input, None).await
}

/// The same for a text of several queries: the rows of each.
pub(super) async fn ask_all(
    socket: &mut Socket,
    input: &mut BytesMut,
    sql: &str,
) -> Result<Vec<Vec<Vec<String>>>, AskError> {
    let mut query = BytesMut::new();
    frontend::query(sql, &mut query)?;
    socket.write_all(&query).await?;
    answers(socket, input, None).await
}

/// The same on a connection that others use afterwards: what its server reports meanwhile is not said again.
pub(crate) async fn ask_heeding(
    socket: &mut Socket,
    parameters: &mut Parameters,
    sql: &str,
) -> Result<Vec<Vec<String>>, AskError> {
    let mut query = BytesMut::new();
    frontend::query(sql, &mut query)?;
    socket.write_all(&query).await?;
    rows(socket, &mut BytesMut::new(), Some(parameters)).await
}

/// The same for a statement with one parameter, a text.
pub(crate) async fn ask_with(
    socket: &mut Socket,
    input: &mut BytesMut,
    sql: &str,
    parameter: &str,
) -> Result<Vec<Vec<String>>, AskError> {
    let mut out = BytesMut::new();
    frontend::parse("", sql, [], &mut out)?;
    let text = |value: &str, out: &mut BytesMut| {
        out.extend_from_slice(value.as_bytes());
        Ok(IsNull::No)
    };
    frontend::bind("", "", [], [parameter], text, [], &mut out).map_err(|error| match error {
        BindError::Conversion(error) => io::Error::other(error),
        BindError::Serialization(error) => error,
    })?;
    frontend::execute("", 0, &mut out)?;
    frontend::sync(&mut out);
    socket.write_all(&out).await?;
    rows(socket, input, None).await
}

async fn rows(
    socket: &mut Socket,
    input: &mut BytesMut,
    parameters: Option<&mut Parameters>,
) -> Result<Vec<Vec<String>>, AskError> {
    let answers = answers(socket, input, parameters).await?;
    Ok(answers.concat())
}

/// The rows of each query that describes some.
async fn answers(
    socket: &mut Socket,
    input: &mut BytesMut,
    mut parameters: Option<&mut Parameters>,
) -> Result<Vec<Vec<Vec<String>>>, AskError> {
    let mut answers: Vec<Vec<Vec<String>>> = Vec::new();
    let mut refusal = None;
    loop {
        let (tag, length) = read_message(socket, input, MAX_MESSAGE_LENGTH).await?;
        let body = input.split_to(length).freeze();
        match tag {
            b'T' => answers.push(Vec::new()),
            b'D' => {
                if answers.is_empty() {
                    answers.push(Vec::new());
                }
                let rows = answers.last_mut().ok_or(AskError::Malformed)?;
                rows.push(row(&body).ok_or(AskError::Malformed)?);
            }
            b'E' => refusal = Some(ServerReport::new(body)),
            b'S' => {
                let said = b::parameter_status(&body);
                let text = |bytes| std::str::from_utf8(bytes).ok();
                if let (Some(parameters), Some((name, value))) = (&mut parameters, said)
                    && let (Some(name), Some(value)) = (text(name), text(value))
                {
                    parameters.set(name, value);
                }
            }
            b'Z' => break,
            _ => {}
        }
    }
    match refusal {
        Some(report) => Err(AskError::Refused(report)),
        None => Ok(answers),
    }
}

/// The columns of a `DataRow` in text; NULL is the empty text.
pub(crate) fn row(mut body: &[u8]) -> Option<Vec<String>> {
    let count = body.try_get_u16().ok()?;
    let mut columns = Vec::with_capacity(count.into());
    for _ in 0..count {
        let length = body.try_get_i32().ok()?;
        let length = usize::try_from(length).unwrap_or(0);
        let text = body.get(..length)?;
        columns.push(String::from_utf8_lossy(text).into_owned());
        body.advance(length);
    }
    Some(columns)
}
