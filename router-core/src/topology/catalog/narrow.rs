//! The queries of a catalog for some relations alone: those that a definition touches, and what hangs on them.
//!
//! [`touch`] finds them, by name in whatever schema, and leaves their OIDs in a setting of the transaction. The queries
//! that `narrowed` makes give the rows that the whole ones give for these, at a cost that does not grow with the catalog.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::read::{COLUMNS, LINKS, RELATIONS, USES};
use crate::topology::predicate::string;

/// The relations of the names `$1`; the tables above and below them in inheritance, their indexes, the sequences of their columns
/// and the views over them; and those that are at the other end of their foreign keys, which is known of both. A foreign key
/// that refers to a partitioned table has a row for each of its partitions.
///
/// The queries that follow find a few rows each by an index, which PostgreSQL cannot know.
const TOUCH: &str = "\
WITH RECURSIVE touched(oid) AS (
    SELECT oid FROM pg_class WHERE relname = ANY ($1) AND oid >= 16384
    UNION SELECT e.oid FROM touched t CROSS JOIN LATERAL (
        SELECT inhrelid FROM pg_inherits WHERE inhparent = t.oid
        UNION ALL SELECT inhparent FROM pg_inherits WHERE inhrelid = t.oid
        UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = t.oid
        UNION ALL SELECT s.oid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
        UNION ALL SELECT r.ev_class FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid AND d.classid = 'pg_rewrite'::regclass
    ) e(oid)
), others(oid) AS (
    SELECT k.confrelid FROM touched t JOIN pg_constraint k ON k.conrelid = t.oid WHERE k.contype = 'f'
    UNION ALL SELECT k.conrelid FROM touched t JOIN pg_class p ON p.oid = t.oid AND p.relispartition
        JOIN pg_constraint k ON k.confrelid = t.oid WHERE k.contype = 'f'
)
SELECT set_config('shunt.touched', ARRAY(TABLE touched UNION TABLE others)::text, true),
       set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true)";

/// What [`touch`] has left; a subquery, since otherwise each row that is looked at has it read anew.
const TOUCHED: &str = "((SELECT current_setting('shunt.touched')::oid[])::oid[])";

/// A statement by which the queries that `narrowed` makes are about relations of these names, until the transaction ends. It
/// gives one row.
pub fn touch(names: &BTreeSet<Box<str>>) -> String {
    TOUCH.replace("$1", &array(names))
}

/// The same as a prepared statement of this name, with the names as its parameter.
pub fn prepare_touch(name: &str) -> String {
    format!("PREPARE {name}(name[]) AS {TOUCH}")
}

/// Names as a parameter of that.
pub fn array(names: &BTreeSet<Box<str>>) -> String {
    let names: Vec<String> = names.iter().map(|name| string(name)).collect();
    format!("ARRAY[{}]::name[]", names.join(", "))
}

/// Number, schema, name and kind of relations of these names, of the types of their rows and of arrays of these: those rows
/// of [`NAMED`](super::read::NAMED).
pub fn numbers(names: &BTreeSet<Box<str>>) -> String {
    format!(
        "WITH made AS MATERIALIZED ( \
           SELECT c.oid, n.nspname, c.relname, c.reltype FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
           WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_(temp|toast)' AND c.relname = ANY ({}) \
         ) SELECT oid, nspname, relname, 'relation' FROM made \
         UNION ALL SELECT r.oid, nspname, r.typname, 'type' FROM made JOIN pg_type r ON r.oid = reltype \
         UNION ALL SELECT a.oid, nspname, a.typname, 'type' FROM made JOIN pg_type r ON r.oid = reltype JOIN pg_type a ON a.oid = r.typarray",
        array(names)
    )
}

/// [`RELATIONS`], [`COLUMNS`], [`USES`] and [`LINKS`] for the relations that [`touch`] has found. Of what these use only their own
/// uses are followed.
pub static NARROWED: LazyLock<[String; 4]> =
    LazyLock::new(|| [RELATIONS, COLUMNS, USES, LINKS].map(narrowed));

/// A query for those relations alone. Its text says, in comments behind conditions, which column has the relation (`of`), or
/// which two, one of which it is (`either`), which has a type of rows or of arrays of them (`row`). A part of a union that is about no relation (`none`) is left out: it would have to be
/// planned.
fn narrowed(sql: &str) -> String {
    let mut parts = sql.split("/*");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (said, rest) = part.split_once("*/").expect("a comment of ours ends");
        let condition = match said.split_once(' ') {
            Some(("of", column)) => format!("AND {column} = ANY {TOUCHED}"),
            Some(("either", columns)) => {
                let (one, other) = columns.split_once(", ").expect("there are two columns");
                format!("AND ({one} = ANY {TOUCHED} OR {other} = ANY {TOUCHED})")
            }
            Some(("row", column)) => format!(
                "AND {column} = ANY (ARRAY(SELECT unnest(ARRAY[rt.oid, rt.typarray]) FROM pg_class rc JOIN pg_type rt ON rt.oid = rc.reltype \
                 WHERE rc.oid = ANY {TOUCHED}))"
            ),
            _ => {
                text.truncate(text.rfind("UNION").expect("it is not the first part"));
                String::new()
            }
        };
        text.push_str(&condition);
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_stand_where_comments_stood() {
        assert_eq!(
            narrowed(
                "SELECT 1 WHERE true /*of a.b*/\nUNION ALL SELECT 2 WHERE x /*none*/\nUNION SELECT 3"
            ),
            format!("SELECT 1 WHERE true AND a.b = ANY {TOUCHED}\n\nUNION SELECT 3")
        );
        let either = narrowed("WHERE true /*either a, b*/");
        assert!(either.contains(" AND (a = ANY ((SELECT") && either.contains(" OR b = ANY"));
        for query in NARROWED.iter() {
            assert!(query.contains(TOUCHED) && !query.contains("/*"), "{query}");
        }
    }

    #[test]
    fn names_are_quoted() {
        let names = BTreeSet::from(["it's".into(), "t".into()]);
        assert_eq!(array(&names), "ARRAY['it''s', 't']::name[]");
    }
}
