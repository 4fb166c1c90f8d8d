//! Whether a database may be used at this moment: paused, disabled.
//!
//! Looked at when a client is about to take its first connection, and when one
//! logs in: a relaxed load each, of a word that only the console writes.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// The gate before one database's servers.
#[derive(Debug, Default)]
pub struct Gate {
    paused: AtomicBool,
    disabled: AtomicBool,
    opened: Notify,
}

impl Gate {
    /// Whether new transactions wait.
    pub fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Whether new clients are turned away.
    pub fn is_disabled(&self) -> bool {
        self.disabled.load(Ordering::Acquire)
    }

    /// New transactions wait from now on.
    pub fn pause(&self) {
        self.paused.store(true, Ordering::Release);
    }

    /// Nobody waits any longer. Whether anybody could have.
    pub fn resume(&self) -> bool {
        let was = self.paused.swap(false, Ordering::AcqRel);
        self.opened.notify_waiters();
        was
    }

    /// Turns new clients away, or no longer.
    pub fn set_disabled(&self, disabled: bool) {
        self.disabled.store(disabled, Ordering::Release);
    }

    /// Ready once the gate is not paused.
    pub async fn passed(&self) {
        loop {
            // Asked for before the look, so that a `resume` in between is not missed.
            let opened = self.opened.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if !self.is_paused() {
                return;
            }
            opened.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_pause_holds_until_it_is_over() {
        let gate = Arc::new(Gate::default());
        gate.passed().await;
        gate.pause();
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.passed().await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!waiting.is_finished());
        assert!(gate.resume());
        waiting.await.expect("it passes");
    }
}
