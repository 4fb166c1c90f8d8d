//! How many strangers at a time, and how often one may fail. Time comes in as an argument.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Counts clients that have not proven who they are.
#[derive(Debug)]
pub struct HalfOpen {
    most: usize,
    now: usize,
}

impl HalfOpen {
    /// At most this many at a time.
    pub fn new(most: usize) -> Self {
        Self { most, now: 0 }
    }

    /// A client comes; `false`: close it at once, it is not counted.
    #[must_use]
    pub fn handle_accept(&mut self) -> bool {
        let room = self.now < self.most;
        self.now += usize::from(room);
        room
    }

    /// A counted client is in, or gone.
    pub fn handle_end(&mut self) {
        self.now = self.now.saturating_sub(1);
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.now
    }
}

/// The longest wait, in intervals: many guesses at once must not lock an address out for hours.
const LONGEST_WAIT: u32 = 30;

/// Slows down who guesses passwords: `burst` failures at once, then one per `interval`.
///
/// A bucket per address, kept as the time at which it will be empty (the
/// "generic cell rate algorithm"). IPv6 counts by its first 64 bits, for that
/// much is handed to one subscriber. The number of addresses is bounded; at the
/// bound, whoever would be forgiven first is forgotten.
#[derive(Debug)]
pub struct Failures {
    burst: u32,
    interval: Duration,
    most: usize,
    empty_at: HashMap<IpAddr, Instant>,
}

impl Failures {
    /// Remembers at most `most` addresses.
    pub fn new(burst: u32, interval: Duration, most: usize) -> Self {
        Self {
            burst: burst.max(1),
            interval,
            most: most.max(1),
            empty_at: HashMap::new(),
        }
    }

    /// A client from `address` failed to prove who it is.
    pub fn handle_failure(&mut self, address: IpAddr, now: Instant) {
        let key = subscriber(address);
        if self.empty_at.len() >= self.most && !self.empty_at.contains_key(&key) {
            self.empty_at.retain(|_, empty_at| *empty_at > now);
            if self.empty_at.len() >= self.most {
                let first = self.empty_at.iter().min_by_key(|(_, empty_at)| **empty_at);
                if let Some(first) = first.map(|(key, _)| *key) {
                    self.empty_at.remove(&first);
                }
            }
        }
        let empty_at = self.empty_at.entry(key).or_insert(now);
        let most = now + self.interval * (self.burst + LONGEST_WAIT);
        *empty_at = ((*empty_at).max(now) + self.interval).min(most);
    }

    /// How long a client from `address` has to wait before it may try; `None`: not at all.
    pub fn delay(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let full = self.interval * (self.burst - 1);
        let left = self
            .empty_at
            .get(&subscriber(address))?
            .saturating_duration_since(now);
        left.checked_sub(full).filter(|delay| !delay.is_zero())
    }

    /// How many addresses are remembered.
    pub fn len(&self) -> usize {
        self.empty_at.len()
    }

    /// Whether nobody is remembered.
    pub fn is_empty(&self) -> bool {
        self.empty_at.is_empty()
    }
}

fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn half_open_clients_are_counted() {
        let mut half_open = HalfOpen::new(2);
        assert!(half_open.handle_accept());
        assert!(half_open.handle_accept());
        assert!(!half_open.handle_accept());
        assert_eq!(half_open.count(), 2);
        half_open.handle_end();
        assert!(half_open.handle_accept());
    }

    #[test]
    fn a_burst_then_one_per_interval() {
        let start = Instant::now();
        let guesser = address("192.0.2.1");
        let mut failures = Failures::new(3, SECOND, 10);
        for _ in 0..3 {
            assert_eq!(failures.delay(guesser, start), None);
            failures.handle_failure(guesser, start);
        }
        assert_eq!(failures.delay(guesser, start), Some(SECOND));
        assert_eq!(failures.delay(address("192.0.2.2"), start), None);
        let later = start + SECOND;
        assert_eq!(failures.delay(guesser, later), None);
        failures.handle_failure(guesser, later);
        assert_eq!(failures.delay(guesser, later), Some(SECOND));
        // All is forgiven in the end.
        let end = start + 10 * SECOND;
        for _ in 0..3 {
            assert_eq!(failures.delay(guesser, end), None);
            failures.handle_failure(guesser, end);
        }
        assert_eq!(failures.delay(guesser, end), Some(SECOND));
    }

    #[test]
    fn memory_is_bounded_and_subscribers_are_one() {
        let start = Instant::now();
        let mut failures = Failures::new(1, SECOND, 4);
        let guesser = address("2001:db8::1");
        failures.handle_failure(guesser, start);
        failures.handle_failure(guesser, start);
        assert!(failures.delay(address("2001:db8::2:2"), start).is_some());
        assert_eq!(failures.delay(address("2001:db8:0:1::1"), start), None);
        for last in 0..100u8 {
            failures.handle_failure(IpAddr::from([10, 0, 0, last]), start);
        }
        assert_eq!(failures.len(), 4);
        assert!(
            failures.delay(guesser, start).is_some(),
            "the worst is remembered longest"
        );
    }
}
