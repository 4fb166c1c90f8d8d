//! How a client's connection ends.

use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::orders::CANCELLING;
use super::{Client, Slot};
use crate::wire::encode::Report;

/// How long a client may take to listen to the last words for it.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Client {
    /// Its last turn: what it is told besides what it has not taken yet. `None`: it listens no more.
    pub(super) fn end(&mut self, last_word: Option<&Report>) {
        match last_word {
            // One that has said goodbye is told nothing any more.
            Some(report) if !self.session.is_terminated() && !self.end_of_input => {
                if self.session.is_at_border() {
                    self.session.client_out().report(report);
                }
            }
            _ => self.session.client_out().clear(),
        }
    }

    /// What is left to do once its last turn is over.
    pub(crate) async fn leave(mut self: Box<Self>) {
        self.socket.set_owner(None);
        for slot in &self.slots {
            if let Slot::Open { socket, .. } = slot {
                socket.set_owner(None);
            }
        }
        // Whoever waits for the same is not to wait for this one.
        self.refreshing = None;
        self.preparing = None;
        // Nearly always it takes all of them at once.
        let listens = self.session.client_out().write(&mut self.socket);
        let told_to_go =
            self.entry.killed.get() || self.worker.shared.stopping.load(Ordering::Relaxed);
        if told_to_go {
            self.socket.close();
            let _ = self.socket.raw().end_output();
            // PostgreSQL, told to end a backend, ends its query. A client that merely leaves lets it finish.
            self.end_output_to_working();
            self.cancel_working(|_| true);
        }
        // A cancel request under way must not outlive the hold on its server.
        for cancelling in std::mem::take(&mut self.cancelling) {
            let _ = tokio::time::timeout(CANCELLING, cancelling).await;
        }
        if told_to_go {
            self.see_working_end().await;
        }
        // Its servers are there for others, however long it takes to listen.
        self.let_go();
        if !told_to_go {
            if listens.is_err() {
                let _ = tokio::time::timeout(LAST_WORDS, self.say_the_rest()).await;
            }
            self.socket.close();
        }
        tracing::debug!(
            client = crate::cancel::process_id(self.worker.id, self.place),
            "client disconnected"
        );
    }

    /// Waits until the client has taken everything.
    async fn say_the_rest(&mut self) {
        let (socket, out) = (&mut self.socket, self.session.client_out());
        // One that is gone needs not be told.
        let _ = poll_fn(|cx| out.poll_write(socket, cx)).await;
    }

    /// Gives up its servers and its places in queues.
    fn let_go(&mut self) {
        while let Some(released) = self.session.give_up() {
            self.slots.truncate(released.slot + 1);
            self.give_back(released);
        }
        self.slots.clear();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.let_go();
    }
}
