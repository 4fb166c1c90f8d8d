//! What a block's `FROM` holds, and which of its columns an expression means.

use super::reading::Reading;
use crate::sql::statement::{Ident, JoinOn, Query, TableRef};
use crate::topology::catalog::Column;

/// One thing in `FROM`, by the name that its columns are qualified with.
pub(super) struct Leaf<'s> {
    pub(super) name: &'s str,
    pub(super) what: What<'s>,
    /// Column names of its alias, which replace its own from the left.
    pub(super) renamed: &'s [Ident],
}

/// What it is.
pub(super) enum What<'s> {
    /// A use of a relation: its number among the facts.
    Use(usize),
    /// A subquery.
    Query(&'s Query),
    /// A common table expression or a function: nothing is known of its columns.
    Other,
}

/// The leaves of a `FROM`, in the order of `*`; and whether joins merge columns, so that `*` has another order.
pub(super) fn leaves<'s>(reading: &Reading<'_>, from: &'s [TableRef]) -> (Vec<Leaf<'s>>, bool) {
    let mut out = (Vec::new(), false);
    from.iter().for_each(|item| add(reading, item, &mut out));
    out
}

fn add<'s>(reading: &Reading<'_>, item: &'s TableRef, out: &mut (Vec<Leaf<'s>>, bool)) {
    match item {
        TableRef::Relation(r) => out.0.push(Leaf {
            name: r.alias.as_ref().map_or(&r.name.name, |a| &a.name),
            what: reading.of(r).map_or(What::Other, What::Use),
            renamed: r.alias.as_ref().map_or(&[], |a| &a.columns),
        }),
        TableRef::Subquery { query, alias, .. } => out.0.push(Leaf {
            name: alias.as_ref().map_or("", |a| &a.name),
            what: What::Query(query),
            renamed: alias.as_ref().map_or(&[], |a| &a.columns),
        }),
        TableRef::Function { alias, .. } => out.0.push(Leaf {
            name: alias.as_ref().map_or("", |a| &a.name),
            what: What::Other,
            renamed: &[],
        }),
        TableRef::Join(join) => {
            out.1 |= matches!(join.on, JoinOn::Using(_) | JoinOn::Natural);
            add(reading, &join.left, out);
            add(reading, &join.right, out);
        }
    }
}

impl<'s> Leaf<'s> {
    /// The columns of a table that the catalog knows, each by the name that it has here.
    pub(super) fn columns<'a>(&self, reading: &Reading<'a>) -> Option<Vec<(&'s str, &'a Column)>>
    where
        'a: 's,
    {
        let What::Use(at) = self.what else {
            return None;
        };
        let table = reading.table(at)?;
        Some(
            table
                .columns
                .iter()
                .enumerate()
                .map(|(i, c)| {
                    (
                        self.renamed.get(i).map_or(c.name.as_str(), String::as_str),
                        c,
                    )
                })
                .collect(),
        )
    }
}
