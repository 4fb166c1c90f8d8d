//! Which of several equal values stands for a group.
//!
//! Values that are equal need not look the same: `numeric` 1.5 and 1.50, 0 and -0 of `float8`, intervals of a month and of
//! 30 days, texts of a nondeterministic collation. PostgreSQL shows the one that its plan met first and promises nothing; but rows that
//! were stored in the order of their key are mostly met in that order. So where it can show, each shard says the least
//! key of each of its groups too, and the parts are put together in that order.

use super::super::gather::TEMPORARY;
use super::super::leaves::{What, leaves};
use super::super::splice::quoted;
use super::block::{Block, LEAST_KEY, division, group, partial};
use crate::sql::statement::{Expr, ExprKind};
use crate::topology::catalog::{Collation, Column};

impl Block<'_, '_> {
    /// The least key of a group's rows as a partial aggregate, when equal values of the groups may differ in looks and
    /// the rows are those of one table, with a primary key that begins with whole numbers.
    pub(super) fn least_key(&self) -> Option<String> {
        if !self.groups.iter().any(|e| self.may_differ(e)) {
            return None;
        }
        // A DISTINCT becomes a GROUP BY with it, which takes no functions that return sets.
        let columns = |e: &&Expr| matches!(e.kind, ExprKind::Column { .. });
        if !self.grouped && !self.groups.iter().all(columns) {
            return None;
        }
        let (list, _) = leaves(self.reading, &self.s.from);
        let [leaf] = &list[..] else {
            return None;
        };
        let What::Use(at) = leaf.what else {
            return None;
        };
        if !leaf.renamed.is_empty() {
            return None;
        }
        let primary = self.reading.table(at)?.columns.iter().filter(|c| c.primary);
        let key: Vec<String> = primary
            .take_while(|c| is_whole(c))
            .map(|c| format!("{}.{}", quoted(leaf.name), quoted(&c.name)))
            .collect();
        match &key[..] {
            [] => None,
            [one] => Some(format!("min({one})")),
            several => Some(format!(
                "min(CAST(ARRAY[{}] AS bigint[]))",
                several.join(", ")
            )),
        }
    }

    /// The parts, with the groups as the shard shows them that has the least key. A window says so for every row: it is
    /// nothing to a sort of the rows by the groups, which keeps no order among equal ones.
    pub(super) fn shown_first(&self) -> String {
        let groups: Vec<String> = (1..=self.groups.len()).map(group).collect();
        let mut columns: Vec<String> = groups
            .iter()
            .zip(&self.groups)
            .map(|(name, e)| match self.may_differ(e) {
                true => format!("first_value({name}) OVER {TEMPORARY}w AS {name}"),
                false => name.clone(),
            })
            .collect();
        columns.extend((1..=self.divisions.len()).map(division));
        columns.extend((1..=self.parts.len()).map(partial));
        format!(
            "SELECT {} FROM pg_temp.{TEMPORARY}1 AS {TEMPORARY}0 WINDOW {TEMPORARY}w AS (PARTITION BY {} ORDER BY {LEAST_KEY})",
            columns.join(", "),
            groups.join(", ")
        )
    }

    /// Whether equal values of an expression may differ in looks.
    fn may_differ(&self, e: &Expr) -> bool {
        self.column(e).is_some_and(|column| match column.type_oid {
            // `numeric` of one scale has one form of each number.
            1700 => column.type_modifier == -1,
            // interval, timetz, jsonb, bpchar; zeros of float4 and float8 with their signs
            1186 | 1266 | 3802 | 1042 | 700 | 701 => true,
            // Arrays of them and of `numeric`.
            1187 | 1270 | 3807 | 1014 | 1021 | 1022 | 1231 => true,
            // `citext` and the like: what is equal among values of a type that somebody made is not known.
            16384.. => true,
            _ => column.collation == Collation::Nondeterministic,
        })
    }
}

fn is_whole(column: &Column) -> bool {
    matches!(column.type_oid, 20 | 21 | 23)
}
