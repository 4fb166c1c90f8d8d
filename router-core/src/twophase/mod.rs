//! Transactions that are committed on several shards, or on none.
//!
//! Two-phase commit with the decision as a row. One participant, the *coordinator*, does not prepare: it writes a row
//! into `shunt.decisions` in its own transaction. The others are prepared, then the coordinator's transaction commits,
//! and that is the decision: the row is there if and only if the transaction is committed. The prepared parts follow.
//!
//! So nothing depends on the router that began: what it leaves behind is in `pg_prepared_xacts`, under names
//! ([`Gid`]) that say which shard to ask. No row means that the transaction is to be rolled back (presumed abort,
//! Mohan & Lindsay 1983), but only after a row that says so stands in its place: the unique index makes that row wait
//! for a coordinator that is about to commit, and keeps out one that is late.
//!
//! | file | what |
//! |---|---|
//! | [`gid`] | names of prepared transactions |
//! | [`commit`] | a commit under way, as a machine |
//! | [`recovery`] | what becomes of transactions that somebody left prepared, and of decisions that nobody needs any more |
//! | [`statements`] | the SQL of it all |
//!
//! `model` (tests) plays a commit with every order of messages and every crash of routers and servers.

pub mod commit;
pub mod gid;
#[cfg(test)]
mod model;
pub mod recovery;
pub mod statements;

pub use commit::{Commit, Obstacle, Outcome, Participant, Reply, Say};
pub use gid::{Gid, Place, TransactionId};
pub use recovery::{Answer, Case, Move};
