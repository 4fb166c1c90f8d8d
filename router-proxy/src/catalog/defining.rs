//! Statements under way that define what others' statements may set off.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use router_core::plan::Touches;

use super::shared::SharedCatalog;

/// A statement under way of a transaction that defines what others' statements may set off: from its end on they may do so.
#[derive(Debug)]
pub struct Defining {
    catalog: Arc<SharedCatalog>,
    ended: bool,
}

impl Defining {
    /// It is about to begin.
    pub fn begin(catalog: &Arc<SharedCatalog>) -> Self {
        catalog.defining.fetch_add(1, Ordering::AcqRel);
        Self {
            catalog: Arc::clone(catalog),
            ended: false,
        }
    }

    /// It has ended, and the transaction has not.
    pub fn end(mut self) {
        self.ended = true;
    }
}

impl Drop for Defining {
    fn drop(&mut self) {
        if !self.ended {
            // The transaction has ended with it; or its client is gone, and nobody hears how it ended.
            self.catalog.handle_change(&Touches::Anything);
        }
        self.catalog.defining.fetch_sub(1, Ordering::AcqRel);
    }
}
