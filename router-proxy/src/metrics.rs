//! Numbers: counted per worker, summed when asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::worker::{Counters, Shared};

/// Bytes of memory that the process holds; `None` where the system does not say.
pub(crate) fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// A view of a proxy's counters.
#[derive(Clone, Debug)]
pub struct Totals(Arc<Shared>);

impl Totals {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Client connections at this moment.
    pub fn clients(&self) -> usize {
        self.0.clients.load(Ordering::Relaxed)
    }

    /// Clients that logged in since the start.
    pub fn logins(&self) -> u64 {
        self.sum(|counters| counters.logins.load(Ordering::Relaxed))
    }

    /// Times that a server connection was given to a client.
    pub fn acquired(&self) -> u64 {
        self.sum(|counters| counters.acquired.load(Ordering::Relaxed))
    }

    /// Bytes from clients and to clients.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.sum(|counters| counters.bytes_in.load(Ordering::Relaxed)),
            self.sum(|counters| counters.bytes_out.load(Ordering::Relaxed)),
        )
    }

    fn sum(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        self.0.counters.iter().map(of).sum()
    }
}
