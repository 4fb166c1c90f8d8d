//! What shows that a catalog is no longer what was read.

/// Like [`RELATIONS`](super::read::RELATIONS) and its like for a connection with their search path. One text, another one as soon as
/// something has been committed that they read: rows of a catalog are added, taken away, or are other versions than they were, by
/// the transaction that made them (`xmin`). Only rows of `pg_class` get new versions for other reasons (`TRUNCATE`, `CLUSTER`,
/// `REINDEX`), so these are compared by what is read of them.
///
/// What PostgreSQL itself made is left out (OIDs below 16384), and temporary tables, which their own sessions alone can use. So is whose column a
/// sequence belongs to where nothing else has changed: only `pg_depend` says so, the largest catalog of all.
///
/// No index finds new versions: this reads these catalogs from end to end, and writes nothing out.
pub const MARK: &str = "\
WITH temporary AS MATERIALIZED (
    SELECT oid FROM pg_class WHERE relpersistence = 't'
), spaces AS MATERIALIZED (
    SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast_)?temp'
), rows(hash) AS (
    SELECT hash_record(ROW (c.oid, relname, relnamespace, relkind, relrowsecurity))
    FROM pg_class c WHERE c.oid >= 16384 AND relpersistence <> 't'
    UNION ALL SELECT hashtext(xmin::text) FROM pg_attribute WHERE attrelid >= 16384 AND attnum > 0 AND attrelid NOT IN (TABLE temporary)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_attrdef WHERE adrelid NOT IN (TABLE temporary)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_constraint WHERE oid >= 16384 AND conrelid NOT IN (TABLE temporary)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_trigger WHERE tgrelid NOT IN (TABLE temporary)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_rewrite WHERE oid >= 16384 AND ev_class NOT IN (TABLE temporary)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_index WHERE indexrelid >= 16384 AND indrelid NOT IN (TABLE temporary)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_inherits WHERE inhrelid NOT IN (TABLE temporary)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_partitioned_table WHERE partrelid NOT IN (TABLE temporary)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_statistic_ext WHERE stxrelid NOT IN (TABLE temporary)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_policy
    UNION ALL SELECT hashtext(xmin::text) FROM pg_proc WHERE oid >= 16384 AND pronamespace NOT IN (TABLE spaces)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_type WHERE oid >= 16384 AND typnamespace NOT IN (TABLE spaces)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_namespace WHERE oid >= 16384 AND oid NOT IN (TABLE spaces)
    UNION ALL SELECT hashtext(xmin::text) FROM pg_aggregate WHERE aggfnoid >= 16384
    UNION ALL SELECT hashtext(xmin::text) FROM pg_operator WHERE oid >= 16384
    UNION ALL SELECT hashtext(xmin::text) FROM pg_amop WHERE oid >= 16384
    UNION ALL SELECT hashtext(xmin::text) FROM pg_amproc WHERE oid >= 16384
    UNION ALL SELECT hashtext(xmin::text) FROM pg_cast WHERE oid >= 16384
    UNION ALL SELECT hashtext(xmin::text) FROM pg_range WHERE rngtypid >= 16384
    UNION ALL SELECT hashtext(xmin::text) FROM pg_collation WHERE oid >= 16384
    UNION ALL SELECT hashtext(xmin::text) FROM pg_language WHERE oid >= 16384
    UNION ALL SELECT hashtext(xmin::text) FROM pg_event_trigger
)
SELECT concat(count(*), ' ', sum(hash::bigint)) FROM rows";
