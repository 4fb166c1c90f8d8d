//! The old process's side.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Interest};
use tokio::net::UnixStream;

use super::{HELLO, LONGEST_LINE, UnixSocket, descriptors};
use crate::worker::Shared;

/// Longest time from the first line of a new process to its "ready": it reads files and starts threads.
const START: Duration = Duration::from_secs(60);

/// Longest wait for the workers to stop accepting. The new one waits longer for the answer.
const STOP: Duration = Duration::from_secs(5);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Pause after `accept` fails.
const PAUSE: Duration = Duration::from_millis(100);

/// Where a new process asks. Its file goes with it, unless another process has taken over.
#[derive(Debug)]
pub(crate) struct Door {
    listener: Option<UnixListener>,
    file: File,
}

/// The socket's file.
#[derive(Debug)]
struct File {
    path: PathBuf,
    /// It is another process's by now.
    given: bool,
}

impl Drop for File {
    fn drop(&mut self) {
        if !self.given {
            // Left behind, it is removed by the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Door {
    /// Listens at `path`, for this user alone.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if path.exists() && std::os::unix::net::UnixStream::connect(path).is_err() {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        let file = File {
            path: path.to_owned(),
            given: false,
        };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener: Some(listener),
            file,
        })
    }
}

/// The sockets that are given away.
#[derive(Debug, Default)]
pub(crate) struct Sockets {
    pub(crate) tcp: Vec<TcpListener>,
    pub(crate) unix: Vec<UnixSocket>,
}

impl Sockets {
    fn each(&self) -> impl Iterator<Item = (&'static str, BorrowedFd<'_>)> {
        let tcp = self.tcp.iter().map(|socket| ("tcp", socket.as_fd()));
        let unix = self.unix.iter().map(|socket| {
            let word = if socket.is_kept { "unix kept" } else { "unix" };
            (word, socket.listener.as_fd())
        });
        tcp.chain(unix)
    }
}

/// Waits for a new process, gives it the sockets, and carries out the cancel requests that it passes on. Ends when that
/// process does.
pub(crate) async fn give(mut door: Door, sockets: Sockets, shared: Arc<Shared>) {
    let listener = door.listener.take().expect("a door is used once");
    let listener = match tokio::net::UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "nobody can take over");
            return;
        }
    };
    let mut stream = loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if !is_ours(&stream) {
            tracing::warn!("somebody else's process asked for the listening sockets");
            continue;
        }
        match tokio::time::timeout(START, hand_over(stream, &sockets, shared.numbers.turn())).await
        {
            Ok(Ok(stream)) => break stream,
            Ok(Err(error)) => tracing::warn!(%error, "a takeover did not come about"),
            Err(_) => tracing::warn!("a takeover took longer than {START:?}"),
        }
    };
    drop((listener, sockets));
    door.file.given = true;
    shared.hand_over();
    // Whoever connects after that is the new one's, an operator who looks who is there among them.
    let until = Instant::now() + STOP;
    while shared.accepts() && Instant::now() < until {
        tokio::time::sleep(LOOK).await;
    }
    if stream.write_all(b"ok\n").await.is_ok() {
        let _ = cancels(&mut stream, &shared).await;
    }
}

fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream
        .peer_cred()
        .is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn hand_over(
    stream: UnixStream,
    sockets: &Sockets,
    turn: bool,
) -> io::Result<BufReader<UnixStream>> {
    let mut stream = BufReader::new(stream);
    if line(&mut stream).await? != HELLO {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut sockets = sockets.each();
    loop {
        match line(&mut stream).await?.as_str() {
            "next" => match sockets.next() {
                Some((kind, socket)) => {
                    let raw = stream.get_ref();
                    raw.async_io(Interest::WRITABLE, || descriptors::send(raw, kind, socket))
                        .await?;
                }
                None if turn => stream.write_all(b"end 1\n").await?,
                None => stream.write_all(b"end\n").await?,
            },
            "ready" => return Ok(stream),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

async fn cancels(stream: &mut BufReader<UnixStream>, shared: &Shared) -> io::Result<()> {
    loop {
        let line = line(stream).await?;
        let mut words = line.split(' ');
        let (Some("cancel"), Some(process), Some(secret)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if let (Ok(process), Ok(secret)) = (process.parse::<i32>(), secret.parse::<u32>()) {
            shared.cancel(process, secret.to_be_bytes()).await;
        }
        stream.write_all(b"done\n").await?;
    }
}

async fn line(stream: &mut BufReader<UnixStream>) -> io::Result<String> {
    let mut line = String::new();
    let mut bounded = stream.take(LONGEST_LINE as u64);
    bounded.read_line(&mut line).await?;
    match line.strip_suffix('\n') {
        Some(line) => Ok(line.to_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
