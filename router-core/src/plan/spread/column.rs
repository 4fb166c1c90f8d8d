//! Which use a column's name belongs to.

use crate::plan::reading::Reading;
use crate::sql::statement::{Expr, ExprKind, Ident, JoinOn, Select, TableRef};

/// Whether `e` is the column `column` of the use `at`, which stands in this block's own `FROM`.
///
/// An unqualified name belongs to the one relation of the block that is known to have the column: if another one
/// of the block had it too, PostgreSQL would call it ambiguous, or `USING` would have made them one and equal.
pub(in crate::plan) fn is_column(
    reading: &Reading<'_>,
    s: &Select,
    e: &Expr,
    at: usize,
    column: &str,
) -> bool {
    let ExprKind::Column { qualifier, name } = &e.kind else {
        return false;
    };
    if name != column || reading.facts.relations[at].opaque {
        return false;
    }
    let local = locals(reading, &s.from);
    match &qualifier[..] {
        [] if merged_with_another(reading, s, at, column) => false,
        [] => {
            let known: Vec<usize> = local
                .iter()
                .filter_map(|l| l.at)
                .filter(|&u| reading.key(u).is_some_and(|(key, _)| key.contains(name)))
                .collect();
            known == [at]
                || (known.contains(&at)
                    && known
                        .iter()
                        .all(|&u| reading.tied(at, u) && reading.tied(u, at)))
        }
        [alias] => local.iter().any(|l| l.at == Some(at) && l.name == alias),
        _ => false,
    }
}

/// Whether `USING` or `NATURAL` may have merged the column with one of another type, which is that of the merged one then.
fn merged_with_another(reading: &Reading<'_>, s: &Select, at: usize, column: &str) -> bool {
    fn merges(item: &TableRef, column: &str) -> bool {
        match item {
            TableRef::Join(join) => {
                let here = match &join.on {
                    JoinOn::Using(columns) => columns.iter().any(|c| c == column),
                    JoinOn::Natural => true,
                    JoinOn::Nothing | JoinOn::On(_) => false,
                };
                here || merges(&join.left, column) || merges(&join.right, column)
            }
            _ => false,
        }
    }
    let columns = reading.columns();
    let name = |at: usize| (&reading.facts.relations[at].name, column);
    let alike = |l: &Local<'_>| {
        l.at.is_some_and(|u| {
            let lacks = columns.has(name(u).0, column) == Some(false);
            u == at || lacks || columns.alike(name(u), name(at))
        })
    };
    s.from.iter().any(|item| merges(item, column)) && !locals(reading, &s.from).iter().all(alike)
}

/// An item of a block's `FROM`, by the name that its columns are qualified with.
pub(super) struct Local<'s> {
    pub(super) name: &'s Ident,
    pub(super) at: Option<usize>,
}

pub(super) fn locals<'s>(reading: &Reading<'_>, from: &'s [TableRef]) -> Vec<Local<'s>> {
    fn add<'s>(reading: &Reading<'_>, item: &'s TableRef, out: &mut Vec<Local<'s>>) {
        match item {
            TableRef::Relation(r) => {
                let name = r.alias.as_ref().map_or(&r.name.name, |a| &a.name);
                out.push(Local {
                    name,
                    at: reading.of(r),
                });
            }
            TableRef::Subquery { alias, .. } | TableRef::Function { alias, .. } => {
                if let Some(alias) = alias {
                    out.push(Local {
                        name: &alias.name,
                        at: None,
                    });
                }
            }
            TableRef::Join(join) => {
                add(reading, &join.left, out);
                add(reading, &join.right, out);
            }
        }
    }
    let mut out = Vec::new();
    from.iter().for_each(|item| add(reading, item, &mut out));
    out
}
