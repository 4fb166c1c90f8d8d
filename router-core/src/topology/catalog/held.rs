//! What the reading of a catalog leaves out, so that it waits for nobody.
//!
//! Most of a catalog is read from the columns of system catalogs, which no lock on a table of users stands in the way of. But
//! PostgreSQL writes out the query of a view, and the body of a function in the SQL standard's form, under a lock on each
//! table that it names (`AcquireRewriteLocks`), and an expression under one on each table whose type of rows it has
//! (`lookup_rowtype_tupdesc`). Somebody may have such a table locked against reads for as long as an `ALTER TABLE` takes that
//! rewrites it, and nobody else's statements have to wait for that.
//!
//! So these texts are not asked for where somebody has locked what they depend on, or waits for such a lock, and whoever
//! needs one is told that it is missing ([`Relation::withheld`](super::Relation::withheld)) and waits: as on one server, where a
//! statement with this view waits for the same lock.
//!
//! Proof: what such a text locks its rule, default or function depends on by `pg_depend`, directly or through types and
//! functions; so it is among what depends on one of the locked tables. What is locked between that is looked up and the text
//! is written makes the query fail with [`LOCKED`](super::read::LOCKED), and it is asked again. A table on which the reader
//! itself has a lock is not left out: whoever else has one has it not against reads, and who waits for one waits for the reader.

/// The beginning of a query: `held` has class and OID of what depends on a table that somebody else has locked against reads, or
/// wants to.
macro_rules! held {
    () => {
        "\
WITH RECURSIVE locks AS MATERIALIZED (
    SELECT l.relation, l.mode, l.granted, l.pid IS NOT DISTINCT FROM pg_backend_pid() AS own
    FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE l.locktype = 'relation' AND l.relation >= 16384 AND d.datname = current_database()
), held(class, oid) AS (
    SELECT 'pg_class'::regclass::oid, l.relation FROM locks l
    WHERE l.mode = 'AccessExclusiveLock' AND NOT l.own
      AND NOT EXISTS (SELECT FROM locks o WHERE o.own AND o.granted AND o.relation = l.relation)
    UNION
    SELECT d.classid, d.objid FROM held h JOIN pg_depend d ON d.refclassid = h.class AND d.refobjid = h.oid
)"
    };
}
