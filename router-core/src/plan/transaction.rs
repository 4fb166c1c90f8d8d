//! Transaction statements.

use super::{Reason, Refusal, Route};
use crate::sql::statement::Transaction;

/// Where a transaction statement goes in a database of several shards. `Ok(None)` for `LOCK`, whose tables decide.
pub(super) fn over_shards(t: &Transaction) -> Result<Option<Route>, Refusal> {
    let refused = |detail: &str, hint: &str| {
        Err(Refusal::new(Reason::SessionStatement, detail).with_hint(hint))
    };
    match t {
        Transaction::Prepare(_)
        | Transaction::CommitPrepared(_)
        | Transaction::RollbackPrepared(_) => refused(
            "Two-phase commit over shards is the router's own; a transaction cannot be prepared by hand.",
            "Use COMMIT.",
        ),
        Transaction::Set(modes) | Transaction::Begin(modes) if modes.snapshot.is_some() => refused(
            "A snapshot is one server's.",
            "Name the shard first: SET shunt.shard = '...'.",
        ),
        Transaction::Lock(_) => Ok(None),
        _ => Ok(Some(Route::Transaction(Box::new(t.clone())))),
    }
}
