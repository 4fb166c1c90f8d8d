//! Reads of `pg_cursors`: which cursors the session has.
//!
//! A server shows those of its own session. Which servers have some of the client's only the session knows, so such a read is
//! planned as a statement about the session, which sends it to the server that has all the cursors it may show.

use super::make::Input;
use super::walk::{self, Met};
use super::{SessionStatement, function, names, set_config};
use crate::sql::statement::{
    Expr, ExprKind, Kind, Select, SelectItem, SetExpr, Statement, TableRef,
};

/// The columns of `pg_cursors` that do not depend on how a cursor was declared on its server. `statement` does, and so does
/// `is_scrollable`: without a word about it that is as the plan happens to be.
const ALIKE: [&str; 4] = ["name", "is_holdable", "is_binary", "creation_time"];

/// What a statement reads of `pg_cursors`, if that is all it reads.
///
/// Proof: it is one block over that view alone, and calls no function but aggregates. So the server that has all the cursors
/// answers as one PostgreSQL would; and where the block wants one name, the server that has the cursor of that name.
pub(super) fn read(input: &Input<'_>, statement: &Statement) -> Option<SessionStatement> {
    let Kind::Query(query) = &statement.kind else {
        return None;
    };
    let SetExpr::Select(select) = &query.body else {
        return None;
    };
    let [TableRef::Relation(relation)] = &select.from[..] else {
        return None;
    };
    let renamed = relation
        .alias
        .as_ref()
        .is_some_and(|a| !a.columns.is_empty());
    let bare = query.with.is_empty()
        && query.locks.is_empty()
        && select.into.is_none()
        && relation.sample.is_none()
        && !renamed;
    if !bare || !names::is_of_cursors(input.search_path, &relation.name) {
        return None;
    }
    let (mut queries, mut knows) = (0, true);
    let mut texts = select
        .items
        .iter()
        .any(|item| matches!(item, SelectItem::Wildcard { .. }));
    walk::statement(statement, &mut |met| match met {
        Met::Query(_) => queries += 1,
        Met::Expr(e) => match &e.kind {
            ExprKind::Call(call) => knows &= function::is_aggregate(call),
            ExprKind::Cast { to, .. } => knows &= !function::is_registry(to),
            // Also the whole row, by the name of the view or its alias.
            ExprKind::Column { name, .. } => texts |= !ALIKE.contains(&name.as_str()),
            _ => {}
        },
        _ => {}
    });
    (knows && queries == 1).then(|| SessionStatement::Cursors {
        name: name(input, select),
        texts,
    })
}

/// The only name that a block asks for.
fn name(input: &Input<'_>, select: &Select) -> Option<String> {
    let filter = select.filter.as_ref()?;
    let conditions = match &filter.kind {
        ExprKind::And(list) => &list[..],
        _ => std::slice::from_ref(filter),
    };
    let is_name = |e: &Expr| matches!(&e.kind, ExprKind::Column { name, .. } if name == "name");
    let text = |e: &Expr| set_config::string(e, input.text, input.options);
    conditions.iter().find_map(|e| match &e.kind {
        ExprKind::Binary { op, left, right } if op == "=" => {
            let (column, value) = match is_name(left) {
                true => (left, right),
                false => (right, left),
            };
            is_name(column).then(|| text(value)).flatten()
        }
        _ => None,
    })
}
