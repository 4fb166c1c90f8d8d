//! What is known about one server connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::BytesMut;

use crate::server::prepared::PreparedCache;
use crate::session::settings::SettingSet;

/// What is known about one server connection. It travels with the socket, from client to client and from worker to worker.
#[derive(Debug)]
pub struct ServerState {
    /// Unique in this process.
    pub id: u64,
    /// Process id of the backend, for cancel requests.
    pub process: i32,
    /// Its secret.
    pub secret: Vec<u8>,
    /// What it reported by `ParameterStatus`, in order of first report.
    pub parameters: Parameters,
    /// The settings of its startup packet: what `RESET` goes back to.
    pub base: Arc<SettingSet>,
    /// Those, and what was put in place since its session began.
    pub settings: Arc<SettingSet>,
    /// NOTICE messages about the settings of a client that logs in, whole, until it is told.
    pub notices: BytesMut,
    /// Its prepared statements.
    pub prepared: PreparedCache,
    /// Transaction status of its last `ReadyForQuery`.
    pub status: u8,
    /// When it was opened.
    pub opened: Instant,
    /// What is known cannot be trusted any more: the connection is closed instead of reused.
    pub doubtful: bool,
    /// An earlier client may have drawn values from sequences, which `currval` and `lastval` would show.
    pub sequences: bool,
    /// It holds state that only its client may see: it is cleaned before anybody else gets it.
    pub dirty: bool,
}

impl ServerState {
    /// A connection that has just logged in.
    pub fn new(process: i32, secret: Vec<u8>, parameters: Parameters, opened: Instant) -> Self {
        // Connections are opened rarely enough for one counter.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            process,
            secret,
            parameters,
            base: Arc::default(),
            settings: Arc::default(),
            notices: BytesMut::new(),
            prepared: PreparedCache::default(),
            status: b'I',
            opened,
            doubtful: false,
            sequences: false,
            dirty: false,
        }
    }
}

/// Values reported by `ParameterStatus`. Cheap to clone: most connections of a database report the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Arc<Vec<(Box<str>, Box<str>)>>);

impl Parameters {
    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| &**known == name)
            .map(|(_, value)| &**value)
    }

    /// Takes note of a report; whether it says anything new.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        if self.get(name) == Some(value) {
            return false;
        }
        let all = Arc::make_mut(&mut self.0);
        match all.iter_mut().find(|(known, _)| &**known == name) {
            Some((_, old)) => *old = value.into(),
            None => all.push((name.into(), value.into())),
        }
        true
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}
