//! The order of rows that are made first: a number beside each.
//!
//! `RETURNING` knows the columns of the target alone, and an insertion may leave rows out (`ON CONFLICT DO NOTHING`, a
//! trigger), so neither a column nor a count of what comes back tells which of the rows it is. A setting does: PostgreSQL
//! takes one row of the source, inserts it and evaluates what it returns before it takes the next one (`ExecModifyTable`),
//! so the number of the row that was taken last is that of the row which comes back. The setting is local to the
//! transaction, and its name is the router's own.

use crate::topology::catalog::Relation;
use crate::topology::predicate::identifier;

/// The setting that has the number of the current row.
const SETTING: &str = "'shunt.row'";

/// The column with the number of a row, in the tables that the rows pass through.
pub(super) struct Number {
    column: String,
}

impl Number {
    /// One whose name no column of the target has.
    pub(super) fn beside(target: &Relation) -> Self {
        let mut column = "shunt_row".to_owned();
        while target.column(&column).is_some() {
            column.push('_');
        }
        Self {
            column: identifier(&column),
        }
    }

    /// As in `CREATE TABLE`.
    pub(super) fn declared(&self) -> String {
        format!("{} pg_catalog.int8", self.column)
    }

    /// As in a select list.
    pub(super) fn column(&self) -> String {
        format!("0::pg_catalog.int8 AS {}", self.column)
    }

    /// Has each row that is put into `table` get the next number. A sequence would do, but `lastval()` would tell of it.
    pub(super) fn counted(&self, table: &str) -> String {
        let last =
            format!("coalesce(nullif(pg_catalog.current_setting({SETTING}, true), ''), '0')");
        format!(
            "ALTER TABLE {table} ALTER {} SET DEFAULT {}::pg_catalog.int8",
            self.column,
            said(&format!("({last}::pg_catalog.int8 + 1)"))
        )
    }

    /// The rows of `table` by their numbers, each of which says its own. `OFFSET` keeps that from being said before they are
    /// in order.
    pub(super) fn in_order(&self, table: &str) -> String {
        format!(
            "(SELECT * FROM {table} ORDER BY {0} OFFSET 0) AS shunt_rows WHERE {1} IS NOT NULL",
            self.column,
            said(&self.column)
        )
    }

    /// The number of the row that is being inserted.
    pub(super) fn of_the_row() -> String {
        format!("pg_catalog.current_setting({SETTING})::pg_catalog.int8")
    }
}

fn said(number: &str) -> String {
    format!("pg_catalog.set_config({SETTING}, {number}::pg_catalog.text, true)")
}
