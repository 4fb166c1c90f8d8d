//! Statements about a transaction or the session, and those known by their first words.

use super::{Ident, Relation, Statement};

/// A transaction statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Transaction {
    /// `BEGIN` or `START TRANSACTION`.
    Begin(TransactionModes),
    /// `COMMIT` or `END`.
    Commit {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// `ROLLBACK` or `ABORT`.
    Rollback {
        /// `AND CHAIN`.
        chain: bool,
    },
    /// `SAVEPOINT name`.
    Savepoint(Ident),
    /// `RELEASE [SAVEPOINT] name`.
    Release(Ident),
    /// `ROLLBACK TO [SAVEPOINT] name`.
    RollbackTo(Ident),
    /// `PREPARE TRANSACTION 'gid'`.
    Prepare(String),
    /// `COMMIT PREPARED 'gid'`.
    CommitPrepared(String),
    /// `ROLLBACK PREPARED 'gid'`.
    RollbackPrepared(String),
    /// `SET TRANSACTION …`; `SET TRANSACTION SNAPSHOT` has `snapshot`.
    Set(TransactionModes),
    /// `SET CONSTRAINTS`.
    SetConstraints,
    /// `LOCK TABLE`.
    Lock(Vec<Relation>),
}

/// Characteristics of a transaction, each as far as given.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct TransactionModes {
    /// `ISOLATION LEVEL`, in lower case: `serializable`.
    pub isolation: Option<String>,
    /// `READ ONLY` is `Some(true)`.
    pub read_only: Option<bool>,
    /// `DEFERRABLE` is `Some(true)`.
    pub deferrable: Option<bool>,
    /// `SNAPSHOT 'id'`.
    pub snapshot: Option<String>,
}

/// A statement about the session.
#[derive(Clone, Debug, PartialEq)]
pub enum Session {
    /// `SET [LOCAL] name = value`, also `SET TIME ZONE`, `SET NAMES`, `SET SCHEMA`, `SET ROLE`, as the settings they are.
    Set {
        /// `SET LOCAL`.
        local: bool,
        /// Lower-case name of the setting: `search_path`, `timezone`, `client_encoding`, `role`.
        name: String,
        /// Values as meant (unquoted), in order; `None` for `DEFAULT`.
        values: Option<Vec<String>>,
    },
    /// `SET SESSION AUTHORIZATION`; `None` for `DEFAULT`.
    SetAuthorization {
        /// `SET LOCAL`.
        local: bool,
        /// The role.
        role: Option<String>,
    },
    /// `SET SESSION CHARACTERISTICS AS TRANSACTION`.
    SetCharacteristics(TransactionModes),
    /// `RESET name`; `RESET ALL` has the name `all`.
    Reset(String),
    /// `SHOW name`; `SHOW ALL` has the name `all`.
    Show(String),
    /// `DISCARD ALL | PLANS | SEQUENCES | TEMP`, the word in lower case.
    Discard(String),
    /// `PREPARE name [(types)] AS statement`.
    Prepare {
        /// The name.
        name: Ident,
        /// What is prepared.
        statement: Box<Statement>,
    },
    /// `EXECUTE name [(arguments)]`.
    Execute {
        /// The name.
        name: Ident,
    },
    /// `DEALLOCATE name`; `None` for `ALL`.
    Deallocate(Option<Ident>),
    /// `DECLARE … CURSOR`.
    Declare {
        /// The cursor's name.
        name: Ident,
        /// `WITH HOLD`.
        hold: bool,
        /// Its query.
        query: Box<Statement>,
    },
    /// `FETCH` or `MOVE` from a cursor.
    Fetch {
        /// The cursor's name.
        name: Ident,
    },
    /// `CLOSE name`; `None` for `ALL`.
    Close(Option<Ident>),
    /// `LISTEN channel`.
    Listen(Ident),
    /// `UNLISTEN channel`; `None` for `*`.
    Unlisten(Option<Ident>),
    /// `NOTIFY channel [, payload]`.
    Notify(Ident),
    /// `LOAD 'library'`.
    Load,
}

/// `EXPLAIN`.
#[derive(Clone, Debug, PartialEq)]
pub struct Explain {
    /// `ANALYZE`: the statement runs.
    pub analyze: bool,
    /// `EXPLAIN (SHUNT)`: ours to answer.
    pub shunt: bool,
    /// The statement.
    pub statement: Statement,
}

/// A statement known by its first words only.
#[derive(Clone, Debug, PartialEq)]
pub struct Utility {
    /// Upper-case words that name the command: `CREATE TABLE`, `VACUUM`, `DO`, `ALTER INDEX`.
    pub command: String,
    /// Relations it names as objects, as far as the first words tell.
    pub relations: Vec<Relation>,
    /// `TEMP`/`TEMPORARY`.
    pub temporary: bool,
    /// It may run functions that are not known to change nothing: those of a query whose rows it stores, or of a default.
    pub runs_functions: bool,
    /// `CONCURRENTLY`.
    pub concurrently: bool,
    /// Whether it creates, changes or drops schema objects, so that catalog snapshots are stale afterwards.
    pub schema: bool,
}
