//! Which use a column's name belongs to.

use crate::plan::reading::Reading;
use crate::sql::statement::{Expr, ExprKind, Ident, Select, TableRef};

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
