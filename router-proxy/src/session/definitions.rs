//! When a change of definitions is over, so that the catalog is read anew.

use router_core::sql::outer;

use super::{Session, knowledge};
use crate::wire::encode::Report;

impl Session {
    /// Whether the end of a statement that may have changed the schema is waited for, and with it of a transaction that it
    /// had for itself.
    pub(super) fn awaits_schema(&self) -> bool {
        self.changes_definitions()
            && !self.in_pipeline
            && !self.waits
            && self.is_busy()
            && !self.copying
            && !self.transaction.is_open()
    }

    /// A database that a statement is about to drop is left by the pools: PostgreSQL waits some seconds for others to leave it.
    pub(super) fn leaves_database(&self, kind: &str, text: &str) {
        // Over shards it is refused.
        if kind == "drop database"
            && !self.environment.is_sharded()
            && let Some(name) = outer::dropped_database(text, self.options())
        {
            self.environment.catalog.handle_drop(name);
        }
    }

    pub(super) fn changes_definitions(&self) -> bool {
        let temporary = |it: &knowledge::Temporary| it.changes;
        self.schema_changed || self.temporary.as_deref().is_some_and(temporary)
    }

    pub(super) fn schema_is_settled(&self) -> bool {
        !self.is_busy() && !self.in_pipeline && !self.transaction.is_open() && self.status == b'I'
    }

    /// Has the catalog read anew by whoever needs it, once a transaction has ended that may have changed the schema.
    #[inline]
    pub fn poll_schema_change(&mut self) {
        if self.changes_definitions() && self.schema_is_settled() {
            self.end_schema_change();
        }
    }

    fn end_schema_change(&mut self) {
        if let Some(temporary) = &mut self.temporary {
            temporary.end(self.schema_changed);
        }
        if std::mem::take(&mut self.schema_changed) {
            self.schema_unseen = false;
            self.schema_directed = false;
            let touches = std::mem::take(&mut self.schema_touches);
            self.environment.catalog.handle_change(&touches);
            if let Some(defining) = self.defining.take() {
                defining.end();
            }
            if std::mem::take(&mut self.renews) {
                self.environment.catalog.handle_new_settings();
            }
        }
    }

    /// The next message cannot be planned; unless the catalog would only have told that it leaves less than it might.
    pub fn handle_unplannable(&mut self, report: Report) {
        self.leave_straight_road();
        let asked = std::mem::take(&mut self.asks_catalog);
        if self.environment.is_sharded() || !asked {
            self.refusal = Some(Box::new(report));
        }
    }
}
