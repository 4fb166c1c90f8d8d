//! The locks of a transaction over shards that has failed.
//!
//! PostgreSQL lets go of all that a transaction holds with the error that fails it, or, behind a savepoint, of what it has
//! taken since. So does the shard that raised the error. The others do not know of it: they are told as soon as they have
//! answered, whatever the client does and when. To the client the transaction stays failed until it ends it.

use router_core::topology::predicate::identifier;

use super::Session;
use super::commit::Traces;

impl Session {
    /// Has the other shards of a transaction that has failed let go of their locks. Whether any was told.
    #[inline]
    pub fn let_go_of_locks(&mut self) -> bool {
        // What the session itself has begun it ends itself.
        self.transaction.is_failed() && !self.transaction.implicit && self.let_go()
    }

    fn let_go(&mut self) -> bool {
        if self.operation.is_some() || self.script.is_some() {
            return false;
        }
        let savepoint = self.transaction.last_savepoint();
        let back = savepoint.map(|name| format!("ROLLBACK TO SAVEPOINT {}", identifier(name)));
        let mut told = false;
        for slot in 0..self.links.len() {
            let link = &self.links[slot];
            let holds = link.joined && !link.apart && !link.has_gone_back && link.status() != b'E';
            if !holds || link.server.is_none() || !self.may_ask(slot) {
                continue;
            }
            match &back {
                Some(back) => {
                    self.ask(slot, back);
                    self.links[slot].has_gone_back = true;
                }
                None => {
                    self.ask(slot, "ROLLBACK");
                    let link = &mut self.links[slot];
                    link.joined = false;
                    link.fills = false;
                    link.traces = Traces::default();
                }
            }
            told = true;
        }
        told
    }

    /// Whether a shard has not answered yet that it has let go.
    pub(super) fn lets_go(&self) -> bool {
        self.transaction.is_failed()
            && !self.transaction.implicit
            && self.links.iter().any(|link| link.prelude > 0)
    }
}
