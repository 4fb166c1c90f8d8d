//! The numbers of `shunt.next_id()`.
//!
//! All workers of a proxy draw from one counter, without a lock: the number before, and the clock, say which is next
//! ([`next_id::advance`]). Nobody else waits for it: only statements that call the function come here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use router_core::sql::next_id::{self, Node};

/// Where a proxy's numbers come from.
#[derive(Debug, Default)]
pub struct Numbers {
    /// Time and count of the last one.
    last: AtomicU64,
    /// Which of two processes, one of which takes over from the other.
    turn: bool,
}

impl Numbers {
    /// Of a proxy; `turn`: which of two that serve at the same time while one takes over.
    pub fn new(turn: bool) -> Self {
        let last = AtomicU64::new(0);
        Self { last, turn }
    }

    /// Which of two processes this is.
    pub(crate) fn turn(&self) -> bool {
        self.turn
    }

    /// The next one.
    pub fn next(&self, node: Node) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.map_or(0, |since| since.as_millis() as u64);
        let draw = |last| Some(next_id::advance(last, now));
        let (Ok(last) | Err(last)) =
            self.last
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, draw);
        next_id::number(next_id::advance(last, now), node, self.turn)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn workers_draw_different_numbers() {
        let numbers = Numbers::new(false);
        let drawn = std::thread::scope(|scope| {
            let draw = || {
                (0..20_000)
                    .map(|_| numbers.next(Node(1)))
                    .collect::<Vec<_>>()
            };
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            let drawn = workers.into_iter().map(|worker| worker.join().unwrap());
            drawn.collect::<Vec<_>>()
        });
        for worker in &drawn {
            assert!(worker.is_sorted());
        }
        let all: HashSet<i64> = drawn.into_iter().flatten().collect();
        assert_eq!(all.len(), 80_000);
    }
}
