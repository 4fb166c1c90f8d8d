//! The new process's side.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::Mutex;

use super::{HELLO, Inherited, LONGEST_LINE, descriptors};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// A takeover that did not come about. The other process goes on as before.
#[derive(Debug, thiserror::Error)]
#[error("cannot take over by {}: {error}", path.display())]
pub struct TakeoverError {
    /// The `takeover_socket`.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// The process whose sockets these are.
#[derive(Debug)]
pub(crate) struct Predecessor(UnixStream);

pub(super) fn take_over(path: &Path) -> Result<Inherited, TakeoverError> {
    ask(path).map_err(|error| TakeoverError {
        path: path.to_owned(),
        error,
    })
}

fn ask(path: &Path) -> io::Result<Inherited> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    writeln!(stream, "{HELLO}")?;
    let mut inherited = Inherited::default();
    loop {
        stream.write_all(b"next\n")?;
        let (line, socket) = descriptors::receive(&stream)?;
        match (line.as_str(), socket) {
            ("tcp", Some(socket)) => inherited.add_tcp(socket.into()),
            ("unix", Some(socket)) => inherited.add_unix_socket(socket.into(), false),
            ("unix kept", Some(socket)) => inherited.add_unix_socket(socket.into(), true),
            ("end", None) => {
                inherited.turn = true;
                break;
            }
            ("end 1", None) => break,
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    inherited.predecessor = Some(Predecessor(stream));
    Ok(inherited)
}

/// The process that served before and has not ended yet, while there is one.
#[derive(Debug, Default)]
pub(crate) struct Elder(Mutex<Option<BufReader<tokio::net::UnixStream>>>);

impl Elder {
    /// Tells the predecessor that this process serves. When it returns, the predecessor accepts no more.
    pub(crate) async fn announce(&self, predecessor: Predecessor) -> io::Result<()> {
        predecessor.0.set_nonblocking(true)?;
        let stream = tokio::net::UnixStream::from_std(predecessor.0)?;
        let mut stream = BufReader::new(stream);
        if say(&mut stream, "ready\n").await? != "ok" {
            return Err(io::ErrorKind::InvalidData.into());
        }
        *self.0.lock().await = Some(stream);
        Ok(())
    }

    /// Passes a cancel request on; it returns when that was dealt with.
    pub(crate) async fn cancel(&self, process: i32, secret: [u8; 4]) {
        let mut stream = self.0.lock().await;
        let Some(known) = &mut *stream else {
            return;
        };
        let secret = u32::from_be_bytes(secret);
        if say(known, &format!("cancel {process} {secret}\n"))
            .await
            .is_err()
        {
            // It has ended, and with it whatever could be cancelled.
            *stream = None;
        }
    }
}

async fn say(stream: &mut BufReader<tokio::net::UnixStream>, line: &str) -> io::Result<String> {
    let talk = async {
        stream.write_all(line.as_bytes()).await?;
        let mut answer = String::new();
        let mut bounded = stream.take(LONGEST_LINE as u64);
        bounded.read_line(&mut answer).await?;
        match answer.strip_suffix('\n') {
            Some(answer) => Ok(answer.to_owned()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    };
    tokio::time::timeout(ANSWER, talk)
        .await
        .unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}
