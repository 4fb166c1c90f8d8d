//! What a replica may carry out of a transaction that begins as one that reads only.
//!
//! `READ ONLY` forbids changes of rows. It does not forbid what a hot standby lacks or has for itself alone: advisory
//! locks, `NOTIFY`, transaction numbers, `LOCK TABLE`, `SET TRANSACTION READ WRITE`. Nor does it end with the transaction what
//! a session keeps, and a session that keeps something on a replica would have its writes there. Whatever is not known to
//! come to the same on a replica is the primary's.

use super::{Plan, Role, Route, SessionEffect, SessionStatement};
use crate::sql::statement::Transaction;

/// What a statement means to a transaction that is on a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standby {
    /// It reads, and nothing is left of it: the transaction might as well go on elsewhere afterwards.
    Reads,
    /// It may be carried out there, and what follows has to be there, too: a setting, a savepoint, a cursor.
    Stays,
    /// It fails in any transaction that reads only, by the same error on every server.
    Fails,
    /// It begins a transaction, or says so once more.
    Begins,
    /// It ends the transaction; or ends it and begins another one like it.
    Ends {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// Only the primary comes to what one server would.
    Primary,
}

impl Standby {
    /// What a statement means; `leaves`: what it leaves in its server's session that nobody can put in place elsewhere.
    pub fn of(plan: &Plan, leaves: SessionEffect) -> Self {
        if !leaves.pinning().is_empty() {
            return Self::Primary;
        }
        match &plan.route {
            Route::Transaction(transaction) => Self::of_transaction(transaction),
            Route::Empty => Self::Reads,
            Route::Session(session) => Self::of_session(session, plan),
            _ => Self::by_kind(plan),
        }
    }

    fn of_transaction(transaction: &Transaction) -> Self {
        match transaction {
            Transaction::Begin(_) => Self::Begins,
            Transaction::Commit { chain } | Transaction::Rollback { chain } => {
                Self::Ends { chain: *chain }
            }
            Transaction::Savepoint(_)
            | Transaction::Release(_)
            | Transaction::RollbackTo(_)
            | Transaction::SetConstraints => Self::Stays,
            // A snapshot is one of the primary's, and a standby has neither writing nor this level.
            Transaction::Set(modes)
                if modes.read_only != Some(false)
                    && modes.snapshot.is_none()
                    && modes.isolation.as_deref() != Some("serializable") =>
            {
                Self::Stays
            }
            Transaction::Set(_)
            | Transaction::Prepare(_)
            | Transaction::CommitPrepared(_)
            | Transaction::RollbackPrepared(_)
            | Transaction::Lock(_) => Self::Primary,
        }
    }

    fn of_session(session: &SessionStatement, plan: &Plan) -> Self {
        let of_transaction = |name: &str| name.starts_with("transaction_");
        match session {
            SessionStatement::Set { name, .. } | SessionStatement::Reset(name)
                if of_transaction(name) =>
            {
                Self::Primary
            }
            SessionStatement::SetConfig(list)
                if list.iter().any(|one| of_transaction(&one.name)) =>
            {
                Self::Primary
            }
            SessionStatement::Set { .. }
            | SessionStatement::Reset(_)
            | SessionStatement::SetConfig(_)
            | SessionStatement::SetCharacteristics(_)
            | SessionStatement::Fetch(_)
            | SessionStatement::Close(_) => Self::Stays,
            SessionStatement::Declare { .. } if plan.role == Role::Any => Self::Stays,
            SessionStatement::Show(_) => Self::Reads,
            _ => Self::by_kind(plan),
        }
    }

    fn by_kind(plan: &Plan) -> Self {
        match &*plan.kind {
            "declare" if plan.role == Role::Any => Self::Stays,
            _ if plan.role == Role::Any => Self::Reads,
            "show" => Self::Reads,
            "fetch" | "move" | "close" => Self::Stays,
            "insert" | "update" | "delete" => Self::Fails,
            _ => Self::Primary,
        }
    }

    /// What statements of one message mean together, this one and then another.
    pub fn and(self, next: Self) -> Self {
        match (self, next) {
            (Self::Primary | Self::Fails, _) | (_, Self::Primary | Self::Fails) => Self::Primary,
            // What stands behind the end is of no transaction that reads only.
            (Self::Ends { .. }, Self::Reads) => self,
            (Self::Ends { .. }, _) => Self::Primary,
            (_, next @ Self::Ends { .. }) => next,
            _ => Self::Stays,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Epoch;
    use crate::plan::planner::Planner;
    use crate::plan::{Analysis, Context};
    use crate::topology::{Catalog, Shard, Topology};

    fn of(text: &str) -> Standby {
        let shard = Shard {
            name: "s0".into(),
            has_replicas: true,
        };
        let topology = Topology::unsharded("shop", shard, Epoch(1));
        let (catalog, search_path) = (Catalog::default(), ["public".to_owned()]);
        let context = Context::new(&topology, &catalog, &search_path);
        let mut analysis = Analysis::new();
        Planner::new(1 << 16).analyze(text, &context, &mut analysis);
        let statements = analysis.statements().iter();
        statements
            .map(|planned| Standby::of(&planned.plan, planned.plan.session))
            .reduce(Standby::and)
            .expect("a statement")
    }

    #[test]
    fn what_a_standby_lacks_is_the_primarys() {
        for text in [
            "select pg_try_advisory_xact_lock(5)",
            "select pg_advisory_lock(5)",
            "select txid_current()",
            "select pg_notify('a', 'b')",
            "notify a",
            "listen a",
            "lock table t",
            "select * from t for update",
            "select pg_current_wal_lsn()",
            "select nextval('s')",
            "select of_somebody()",
            "prepare p as select 1",
            "declare c cursor with hold for select 1",
            "set transaction read write",
            "set transaction isolation level serializable",
            "set local transaction_read_only = off",
            "analyze t",
            "with w as (delete from t returning 1) select * from w",
            "begin read only; commit; insert into t values (1)",
            "begin read only; select pg_notify('a', 'b')",
        ] {
            assert_eq!(of(text), Standby::Primary, "{text}");
        }
    }

    #[test]
    fn what_comes_to_the_same_there_may_be_there() {
        for text in [
            "select * from t",
            "select now(), clock_timestamp(), random(), pg_is_in_recovery()",
            "select pg_sleep(1)",
            "explain select * from t",
            "copy t to stdout",
            "show work_mem",
        ] {
            assert_eq!(of(text), Standby::Reads, "{text}");
        }
        for text in [
            "savepoint a",
            "set transaction isolation level repeatable read",
            "declare c cursor for select 1",
            "fetch c",
            "select 1; select 2",
            "begin read only; select 1",
        ] {
            assert_eq!(of(text), Standby::Stays, "{text}");
        }
        for text in ["insert into t values (1)", "update t set a = 1"] {
            assert_eq!(of(text), Standby::Fails, "{text}");
        }
        assert_eq!(of("select 1; commit"), Standby::Ends { chain: false });
        assert_eq!(of("rollback and chain"), Standby::Ends { chain: true });
        assert_eq!(of("begin read only"), Standby::Begins);
    }
}
