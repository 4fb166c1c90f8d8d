//! Changes of a sharded table through a simple view of it, one that PostgreSQL changes by itself.
//!
//! Proof: PostgreSQL puts the view's table in the place of the view and adds the view's condition (`rewriteTargetView` in
//! `rewrite/rewriteHandler.c`). So the statement changes some of the rows that the same statement about the table would, of which
//! the planner knows where they are; inserted rows have the same keys. It is the client's own text that each of these shards gets,
//! so names, rights, `WITH CHECK OPTION` and errors are PostgreSQL's, also where the view turns out not to be so simple. What it may
//! be is asked narrowly, since a name must mean the same in both statements: columns of the table under their own names, no other
//! relation beside it, nothing that is called.

use super::make::{Found, Input, data};
use super::names::{self, Place, schemas};
use super::splice::{Splice, quoted};
use super::stage::{Stage, block, merged};
use super::views::replaced;
use super::walk::{self, Met};
use super::{Merge, On, Refusal, Route, Targets, clock};
use crate::id::Span;
use crate::sql::Statement;
use crate::sql::parse::{self, parse};
use crate::sql::shape::{Group, Slot};
use crate::sql::statement::{
    Distinct, ExprKind, InsertSource, Kind, Name, Relation, SelectItem, SetExpr, TableRef,
};
use crate::topology::TableName;
use crate::topology::catalog::{ColumnDefault, Relation as Known, RelationKind};

/// The plan of a change of a view over a sharded table, or `refusal`.
pub(super) fn plan(
    input: &Input<'_>,
    statement: &Statement,
    found: &mut Found,
    refusal: Refusal,
) -> Result<Route, Refusal> {
    let refusal = refusal.with_hint("Change the rows of the view's table.");
    let Some((name, view, text, shift)) = written(input, statement) else {
        return Err(refusal);
    };
    let (Some(slots), Some(groups)) = (
        moved(
            input.slots,
            &shift,
            |s, span| Slot { span, ..*s },
            |s| s.span,
        ),
        moved(
            input.groups,
            &shift,
            |g, span| Group { span, ..*g },
            |g| g.span,
        ),
    ) else {
        return Err(refusal);
    };
    let inner = Input {
        text: &text,
        slots: &slots,
        groups: &groups,
        ..*input
    };
    let options = parse::Options {
        lexer: input.options,
        ..Default::default()
    };
    let change = parse(&text, &options);
    found.clock = found.clock.and(clock::of(&inner, &change));
    match data(&inner, &change, found)? {
        route @ Route::Single(_) => Ok(route),
        Route::Scatter {
            targets,
            merge: Merge::Concatenate,
        } => {
            // As with a query that goes to several shards.
            found.make_exact();
            let mut stage = Stage::default();
            let first = On::Shard(input.topology.first_of_catalog());
            stage.run(first, block(&replaced(&[(name, view)])));
            let unless = (targets != Targets::All).then(|| targets.clone());
            let own = statement.span.of(input.text).to_owned();
            let answer = merged(On::Targets(targets), own, Merge::Concatenate);
            Ok(stage.route(unless, answer))
        }
        _ => Err(refusal),
    }
}

/// What stands at `from` stands so much further on.
struct Shift {
    from: u32,
    by: i64,
}

fn moved<T>(
    list: &[T],
    shift: &Shift,
    with: impl Fn(&T, Span) -> T,
    span: impl Fn(&T) -> Span,
) -> Option<Vec<T>> {
    let at = |at: u32| match at < shift.from {
        true => Some(at),
        false => u32::try_from(i64::from(at) + shift.by).ok(),
    };
    let place = |item: &T| {
        let old = span(item);
        let (start, end) = (at(old.start)?, at(old.end)?);
        Some(with(item, Span { start, end }))
    };
    list.iter().map(place).collect()
}

/// The view that a statement changes, and the text of one that changes its table.
fn written<'a>(
    input: &Input<'a>,
    statement: &Statement,
) -> Option<(TableName, &'a Known, String, Shift)> {
    let (target, columns) = match &statement.kind {
        Kind::Insert(i) if i.with.is_empty() && !matches!(i.source, InsertSource::Query(_)) => {
            (&i.target, Some(&i.columns))
        }
        Kind::Update(u) if u.with.is_empty() && u.from.is_empty() && u.current_of.is_none() => {
            (&u.target, None)
        }
        Kind::Delete(d) if d.with.is_empty() && d.using.is_empty() && d.current_of.is_none() => {
            (&d.target, None)
        }
        _ => return None,
    };
    let (schema, view) = schemas(input.search_path, &target.name).find_map(|schema| {
        Some((
            schema,
            input.catalog.relation(schema, &target.name.name).is()?,
        ))
    })?;
    let table = simple(input, view)?;
    let of_table = known(input, &table)?;
    let name = target.alias.as_ref().map_or(&target.name.name, |a| &a.name);
    // Each name is that of a column which both have.
    let mut fits = !target.only && target.sample.is_none() && !target.span.is_empty();
    walk::statement(statement, &mut |met| match met {
        Met::From(_) | Met::Query(_) => fits = false,
        Met::Expr(e) => match &e.kind {
            ExprKind::Column { qualifier, name: c } => {
                let named = |q: &String| q == name || q == "excluded";
                fits &=
                    qualifier.len() < 2 && qualifier.iter().all(named) && view.column(c).is_some();
            }
            ExprKind::Field { .. } => fits = false,
            _ => {}
        },
        _ => {}
    });
    let first = view.columns.iter().zip(&of_table.columns);
    let in_order = || first.clone().all(|(a, b)| a.name == b.name);
    if !fits || columns.is_some_and(|list| list.is_empty() && !in_order()) {
        return None;
    }
    let mut by = format!(
        "{}.{}",
        quoted(table.schema.as_deref().unwrap_or_default()),
        quoted(&table.name)
    );
    if target.alias.is_none() {
        by.push_str(&format!(" AS {}", quoted(&target.name.name)));
    }
    let shift = Shift {
        from: target.span.end,
        by: by.len() as i64 - target.span.len() as i64,
    };
    let mut splice = Splice::default();
    splice.replace(target.span, by);
    let whole = Span {
        start: 0,
        end: input.text.len() as u32,
    };
    let text = splice.apply(input.text, whole)?;
    Some((TableName::new(schema, &target.name.name), view, text, shift))
}

/// The sharded table of a view that shows some of its columns, and perhaps not all rows, and is nothing else.
fn simple(input: &Input<'_>, view: &Known) -> Option<Name> {
    let plain = view.kind == RelationKind::View
        && !view.definition.is_empty()
        && !view.beside.rules
        && !view.beside.triggers
        && view.uses.functions.iter().all(|f| f.schema == "pg_catalog")
        && view
            .columns
            .iter()
            .all(|c| c.default == ColumnDefault::Null);
    let definition = view.definition.trim_end().trim_end_matches(';');
    let Kind::Query(q) = parse(definition, &parse::Options::default()).kind else {
        return None;
    };
    let SetExpr::Select(s) = &q.body else {
        return None;
    };
    let cut = q.limit.is_some() || q.offset.is_some() || !q.with.is_empty() || !q.locks.is_empty();
    let changed = s.distinct != Distinct::No
        || !s.group_by.is_empty()
        || s.having.is_some()
        || !s.windows.is_empty();
    let [
        TableRef::Relation(Relation {
            name,
            only: false,
            sample: None,
            ..
        }),
    ] = &s.from[..]
    else {
        return None;
    };
    let own = s.items.len() == view.columns.len()
        && s.items.iter().zip(&view.columns).all(|(item, column)| match item {
            SelectItem::Expr { expr, alias } => {
                alias.as_ref().is_none_or(|a| *a == column.name)
                    && matches!(&expr.kind, ExprKind::Column { name, .. } if *name == column.name)
            }
            SelectItem::Wildcard { .. } => false,
        });
    let mut called = false;
    if let Some(e) = &s.filter {
        walk::expr(e, &mut |met| {
            called |= match met {
                Met::Expr(e) => matches!(e.kind, ExprKind::Call(_)),
                _ => true,
            };
        });
    }
    let table = known(input, name)?;
    let sharded = matches!(
        names::place(input.topology, input.catalog, input.search_path, name),
        Ok(Place::Sharded { .. })
    );
    let fits = plain && !cut && !changed && own && !called && sharded && name.schema.is_some();
    (fits && !table.beside.row_security && !table.beside.rules).then(|| name.clone())
}

fn known<'a>(input: &Input<'a>, name: &Name) -> Option<&'a Known> {
    let schema = name.schema.as_ref()?;
    let known = input.catalog.relation(schema, &name.name).is()?;
    matches!(known.kind, RelationKind::Table | RelationKind::Partitioned).then_some(known)
}
