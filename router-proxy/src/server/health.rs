//! Whether a server lets the proxy in: noted by whoever connects to it, told in the log, shown to whoever looks.
//!
//! What is told when is decided by [`router_core::availability`]. Nothing here is on the way of a query: connections are
//! opened seldom, and of those that answer a worker takes note once a tick.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use router_core::availability::{Availability, Fault, News, State};

use super::connect::place;
use crate::settings::ServerAddress;

/// What is known of one server of a shard.
#[derive(Debug)]
pub struct ServerHealth {
    database: String,
    shard: String,
    server: usize,
    place: String,
    /// What times are measured from.
    origin: Instant,
    /// When a connection to it was last given back after an answer, in microseconds; 0: none was.
    heard: AtomicU64,
    known: Mutex<Availability>,
}

/// What there is to see of it.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether it lets the proxy in.
    pub state: State,
    /// How long that has been so; `None`: nobody has tried.
    pub lasting: Option<Duration>,
    /// What was wrong when an attempt to connect failed last, and how long ago that was.
    pub problem: Option<(Duration, String)>,
    /// Attempts to connect that failed.
    pub failures: u64,
}

/// What may be found again and again, and is told seldom.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<(Option<Instant>, u64)>);

impl Seldom {
    /// Whether it is to be told now: it was not for as long as `pause`.
    pub fn is_due(&self, pause: Duration) -> bool {
        self.due(pause).is_some()
    }

    /// The same, and how often it was found since without being told.
    pub fn due(&self, pause: Duration) -> Option<u64> {
        let now = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (told, untold) = &mut *known;
        if told.is_some_and(|told| now < told + pause) {
            *untold += 1;
            return None;
        }
        *told = Some(now);
        Some(std::mem::take(untold))
    }
}

/// Whether a server is the primary of its shard (0), or which of the replicas, from 1.
pub fn role_of(server: usize) -> String {
    match server {
        0 => "primary".to_owned(),
        n => format!("replica {n}"),
    }
}

impl ServerHealth {
    /// Of a server of which nothing is known yet.
    pub fn new(database: &str, shard: &str, server: usize, address: &ServerAddress) -> Self {
        Self {
            database: database.to_owned(),
            shard: shard.to_owned(),
            server,
            place: place(address),
            origin: Instant::now(),
            heard: AtomicU64::new(0),
            known: Mutex::default(),
        }
    }

    fn known(&self) -> MutexGuard<'_, Availability> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is the server at this address.
    pub fn is_at(&self, address: &ServerAddress) -> bool {
        self.place == place(address)
    }

    /// A connection as this role has come about.
    pub fn note_success(&self, user: &str) {
        let news = self.known().handle_success(user, self.origin.elapsed());
        if let Some(news) = news {
            self.tell(news, user, "");
        }
    }

    /// A connection as this role, begun then, has not come about.
    pub fn note_failure(&self, user: &str, begun: Instant, fault: Fault, problem: &str) {
        let now = self.origin.elapsed();
        let begun = begun.saturating_duration_since(self.origin);
        let news = self
            .known()
            .handle_failure(user, fault, begun, now, problem.to_owned());
        if let Some(news) = news {
            self.tell(news, user, problem);
        }
    }

    /// A connection to it was given back then, after an answer.
    pub fn note_heard(&self, at: Instant) {
        let at = at.saturating_duration_since(self.origin).as_micros();
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        self.heard.fetch_max(at, Ordering::Relaxed);
    }

    fn heard(&self) -> Option<Duration> {
        let heard = self.heard.load(Ordering::Relaxed);
        (heard > 0).then(|| Duration::from_micros(heard))
    }

    /// How long nothing has been heard of it; `None`: nothing was ever.
    pub fn silence(&self) -> Option<Duration> {
        let last = self.known().last_success().max(self.heard());
        last.map(|at| self.origin.elapsed().saturating_sub(at))
    }

    /// Which role to ask with, whether it is there; `None`: nobody has tried.
    pub fn best_role(&self) -> Option<String> {
        self.known().best_role().map(str::to_owned)
    }

    /// What there is to see of it.
    pub fn look(&self) -> Health {
        let now = self.origin.elapsed();
        let known = self.known();
        let seen = known.seen(self.heard(), now);
        Health {
            state: seen.state,
            lasting: seen.since.map(|since| now.saturating_sub(since)),
            problem: seen
                .problem
                .map(|(at, problem)| (now.saturating_sub(at), problem.to_owned())),
            failures: seen.failures,
        }
    }

    fn tell(&self, news: News, user: &str, error: &str) {
        let Self {
            database, shard, ..
        } = self;
        let (role, address) = (role_of(self.server), &*self.place);
        match news {
            News::Failed => tracing::warn!(
                database,
                shard,
                role,
                address,
                user,
                %error,
                "cannot connect to a server"
            ),
            News::StillFailing { lasting, failures } => tracing::warn!(
                database,
                shard,
                role,
                address,
                user,
                %error,
                failures,
                seconds = lasting.as_secs(),
                "still cannot connect to a server"
            ),
            News::Back { lasted, failures } => tracing::info!(
                database,
                shard,
                role,
                address,
                user,
                failures,
                seconds = lasted.as_secs(),
                "can connect to a server again"
            ),
        }
    }
}

impl Health {
    /// In a few words.
    pub fn words(&self) -> String {
        let mut words = self.state.word().to_owned();
        if let (State::Down, Some(lasting)) = (self.state, self.lasting) {
            words.push_str(&format!(" for {} s", lasting.as_secs()));
            if let Some((_, problem)) = &self.problem {
                words.push_str(&format!(": {problem}"));
            }
        }
        words
    }
}
