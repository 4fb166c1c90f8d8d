//! Changes of a sharded table through a simple view of it, one that PostgreSQL changes by itself.
//!
//! Proof: PostgreSQL puts the view's table in the place of the view and adds the view's condition (`rewriteTargetView` in
//! `rewrite/rewriteHandler.c`), through other such views, too. So the statement changes some of the rows that the same statement about
//! the table would, of which the planner knows where they are; inserted rows have the same keys. It is the client's own text that
//! each of these shards gets, so names, rights, `WITH CHECK OPTION` and errors are PostgreSQL's, also where the view turns out not to
//! be so simple. The statement that is planned has the table's names in place of the view's; so what it may be is asked narrowly,
//! since a name must mean the same in both: no name that only the table has, and nothing in the views that does not follow from the row alone.

use super::behind;
use super::function::{Nature, nature};
use super::make::{Found, Input, data};
use super::names::{self, Place, schemas};
use super::reading::Reading;
use super::spread::is_system_column;
use super::stage::{Stage, block, merged};
use super::views::replaced;
use super::walk::{self, Met};
use super::{Answer, Merge, On, Reason, Refusal, Route, Step, Targets, clock};
use crate::sql::Statement;
use crate::sql::parse::{self, parse};
use crate::sql::statement::{
    Alias, Assignment, Distinct, Expr, ExprKind, Ident, Insert, InsertSource, Kind, Name,
    QuantifiedSide, Query, Relation, SelectItem, SetExpr, TableRef, WHOLE_ROW,
};
use crate::topology::catalog::{ColumnDefault, Relation as Known, RelationKind};
use crate::topology::{Home, TableName};

/// What stands below a view, or that PostgreSQL has an error.
enum Below<T> {
    Is(T),
    /// The view is one that is not changed by itself (`view_query_is_auto_updatable`), or does not show what is changed.
    Fails,
}

/// A table or view, and which of its columns each of those above it is.
type Shown = (Name, Vec<Option<Ident>>);

/// So many views may stand upon one another.
const MAX_VIEWS: usize = 8;

/// The plan of a change of a view over a sharded table, or `refusal`.
pub(super) fn plan(
    input: &Input<'_>,
    statement: &Statement,
    found: &mut Found,
    refusal: Refusal,
) -> Result<Route, Refusal> {
    let refusal = refusal.with_hint("Change the rows of the view's table.");
    let Some(target) = target(statement) else {
        return Err(refusal);
    };
    let Some(seen) = seen(input, target) else {
        return Err(refusal);
    };
    let own = || statement.span.of(input.text).to_owned();
    let first = On::Shard(input.topology.first_of_catalog());
    let unchanged = || block(&replaced(&seen.views));
    let of_table = known(input, &seen.table);
    let change = match &seen.columns {
        None => Below::Fails,
        Some(columns) => of_table
            .and_then(|t| about_table(statement, target, &seen, columns, t))
            .ok_or_else(|| refusal.clone())?,
    };
    let Below::Is(change) = change else {
        // The first shard says so as PostgreSQL does.
        found.make_exact();
        let mut stage = Stage::default();
        stage.run(first.clone(), unchanged());
        return Ok(stage.route(None, merged(first, own(), Merge::Concatenate)));
    };
    let keeps_key = keeps_key(input, &change, &seen.table);
    found.clock = found.clock.and(clock::of(input, &change));
    match data(input, &change, found)? {
        route @ (Route::Single(_) | Route::Split(_)) => Ok(route),
        Route::Scatter {
            targets,
            merge: Merge::Concatenate,
        } => {
            // As with a query that goes to several shards.
            found.make_exact();
            let mut stage = Stage::default();
            stage.run(first, unchanged());
            let unless = (targets != Targets::All).then(|| targets.clone());
            let answer = merged(On::Targets(targets), own(), Merge::Concatenate);
            Ok(stage.route(unless, answer))
        }
        // Its texts are made of the client's, about the view.
        Route::Program(mut program)
            if keeps_key && matches!(program.answer, Answer::Merged { .. }) =>
        {
            found.make_exact();
            let text = unchanged();
            program.steps.insert(0, Step::Run { on: first, text });
            Ok(Route::Program(program))
        }
        _ => Err(refusal),
    }
}

/// That no view is changed that lives on one shard and shows rows of a reference table: the other copies of these would stay
/// as they are.
pub(super) fn keeps_copies(reading: &Reading<'_>, statement: &Statement) -> Result<(), Refusal> {
    let is_reference = |used: &TableName| {
        let home = reading.topology.listed(&used.schema, &used.name);
        matches!(home, Some(Home::Reference))
    };
    for target in behind::changed(statement) {
        let Some(at) = reading.of(target) else {
            continue;
        };
        let shows = reading.relation(at).filter(|known| {
            known.kind == RelationKind::View && known.uses.relations.iter().any(is_reference)
        });
        if let Some(view) = shows
            && matches!(reading.places[at], Place::Shard(_))
            && !shows_one_shard(reading, view)
        {
            return Err(Refusal::new(
                Reason::View,
                format!(
                    "View \"{}\" shows rows of a reference table, of which each shard has a copy, and is read on one shard.",
                    reading.named(at)
                ),
            ));
        }
    }
    Ok(())
}

/// Whether the rows that PostgreSQL changes through a view are those of a table that is whole on one shard; a reference table
/// that its condition reads stays as it is.
fn shows_one_shard(reading: &Reading<'_>, view: &Known) -> bool {
    shown(reading, view).is_some_and(|(name, _)| {
        let place = names::place(reading.topology, reading.catalog, &[], &name);
        matches!(place, Ok(Place::Shard(_)))
    })
}

/// The table of which a view shows rows, if PostgreSQL changes any through it by itself.
pub(super) fn shown_table<'a>(reading: &Reading<'a>, view: &'a Known) -> Option<&'a Known> {
    shown(reading, view).map(|(_, table)| table)
}

fn shown<'a>(reading: &Reading<'a>, mut view: &'a Known) -> Option<(Name, &'a Known)> {
    for _ in 0..MAX_VIEWS {
        let from = shown_by(view)?;
        let below = reading
            .catalog
            .relation(from.schema.as_ref()?, &from.name)
            .is()?;
        match below.kind {
            RelationKind::View => view = below,
            RelationKind::Table | RelationKind::Partitioned => return Some((from, below)),
            _ => return None,
        }
    }
    None
}

/// What a view is defined as.
fn query_of(view: &Known) -> Option<Box<Query>> {
    let definition = view.definition.trim_end().trim_end_matches(';');
    match parse(definition, &parse::Options::default()).kind {
        Kind::Query(q) => Some(q),
        _ => None,
    }
}

/// The only relation in the FROM of a view.
fn shown_by(view: &Known) -> Option<Name> {
    let SetExpr::Select(s) = query_of(view)?.body else {
        return None;
    };
    match &s.from[..] {
        [TableRef::Relation(r)] if r.name.schema.is_some() => Some(r.name.clone()),
        _ => None,
    }
}

/// What a statement changes, when it is one that may be told of a table.
fn target(statement: &Statement) -> Option<&Relation> {
    match &statement.kind {
        Kind::Insert(i) if i.with.is_empty() && !matches!(i.source, InsertSource::Query(_)) => {
            Some(&i.target)
        }
        Kind::Update(u) if u.with.is_empty() && u.current_of.is_none() => Some(&u.target),
        Kind::Delete(d) if d.with.is_empty() && d.current_of.is_none() => Some(&d.target),
        _ => None,
    }
}

/// Whether it is an update or deletion that assigns no column of the sharding key.
fn keeps_key(input: &Input<'_>, change: &Statement, table: &Name) -> bool {
    let place = names::place(input.topology, input.catalog, input.search_path, table);
    match (&change.kind, place) {
        (Kind::Update(u), Ok(Place::Sharded { key, .. })) => {
            let mut assigned = u.assignments.iter().flat_map(|a| &a.columns);
            !assigned.any(|c| key.contains(c))
        }
        (Kind::Delete(_), _) => true,
        _ => false,
    }
}

/// A view, as what it shows of the table below.
struct Seen<'a> {
    /// It and the views below it.
    views: Vec<(TableName, &'a Known)>,
    table: Name,
    /// Each of its columns, and the table's that it shows; `None`: PostgreSQL changes nothing through it.
    columns: Option<Vec<(Ident, Option<Ident>)>>,
}

impl Seen<'_> {
    /// Whether each column has the name that it has below.
    fn is_plain(columns: &[(Ident, Option<Ident>)]) -> bool {
        columns.iter().all(|(a, b)| b.as_ref() == Some(a))
    }
}

fn seen<'a>(input: &Input<'a>, target: &Relation) -> Option<Seen<'a>> {
    let (schema, view) = schemas(input.search_path, &target.name).find_map(|schema| {
        Some((
            schema,
            input.catalog.relation(schema, &target.name.name).is()?,
        ))
    })?;
    let mut views = vec![(TableName::new(schema, &target.name.name), view)];
    let mut columns: Vec<(Ident, Option<Ident>)> = (view.columns.iter())
        .map(|c| (c.name.clone(), Some(c.name.clone())))
        .collect();
    loop {
        let (_, view) = *views.last()?;
        let Below::Is((table, shown)) = below(input, view)? else {
            let columns = None;
            let table = target.name.clone();
            return Some(Seen {
                views,
                table,
                columns,
            });
        };
        for (_, column) in &mut columns {
            *column = column.take().and_then(|c| {
                let at = view.columns.iter().position(|v| v.name == c)?;
                shown.get(at)?.clone()
            });
        }
        let of_table = input.catalog.relation(table.schema.as_ref()?, &table.name);
        let of_table = of_table.is()?;
        match of_table.kind {
            RelationKind::View if views.len() < MAX_VIEWS => {
                let name = TableName::new(table.schema.as_ref()?, &table.name);
                views.push((name, of_table));
            }
            RelationKind::Table | RelationKind::Partitioned => {
                let place = names::place(input.topology, input.catalog, input.search_path, &table);
                let fits = matches!(place, Ok(Place::Sharded { .. }))
                    && !of_table.beside.row_security
                    && !of_table.beside.rules;
                let columns = Some(columns);
                return fits.then_some(Seen {
                    views,
                    table,
                    columns,
                });
            }
            _ => return None,
        }
    }
}

/// The table, or view, of which a view shows columns and perhaps not all rows, and is nothing else, with the column that
/// each of its own is.
fn below(input: &Input<'_>, view: &Known) -> Option<Below<Shown>> {
    let plain = view.kind == RelationKind::View
        && !view.definition.is_empty()
        && !view.beside.rules
        && !view.beside.triggers;
    let q = query_of(view)?;
    if !plain || !q.locks.is_empty() {
        return None;
    }
    let SetExpr::Select(s) = &q.body else {
        return Some(Below::Fails);
    };
    let cut = q.limit.is_some() || q.offset.is_some() || !q.with.is_empty();
    if cut || s.distinct != Distinct::No || !s.group_by.is_empty() || s.having.is_some() {
        return Some(Below::Fails);
    }
    if s.from.len() != 1 || matches!(s.from[..], [TableRef::Join(_)]) {
        return Some(Below::Fails);
    }
    let [
        TableRef::Relation(Relation {
            name,
            only: false,
            sample: None,
            alias,
            ..
        }),
    ] = &s.from[..]
    else {
        return None;
    };
    let own = s.windows.is_empty()
        && name.schema.is_some()
        && s.items.len() == view.columns.len()
        && alias.as_ref().is_none_or(|a| a.columns.is_empty())
        && view.uses.functions.iter().all(|f| f.schema == "pg_catalog")
        && view
            .columns
            .iter()
            .all(|c| c.default == ColumnDefault::Null);
    let shown: Option<Vec<Option<Ident>>> = s
        .items
        .iter()
        .map(|item| match item {
            SelectItem::Expr { expr, .. } => match &expr.kind {
                ExprKind::Column { name, .. } => {
                    let row = is_system_column(name) || name == WHOLE_ROW;
                    (!row).then(|| Some(name.clone()))
                }
                _ => (!calls(input, expr)).then_some(None),
            },
            SelectItem::Wildcard { .. } => None,
        })
        .collect();
    let called = s.filter.as_ref().is_some_and(|e| calls(input, e));
    Some(Below::Is((name.clone(), shown.filter(|_| own && !called)?)))
}

/// Whether there is more to an expression of a view than operators and functions that look at nothing but their arguments.
fn calls(input: &Input<'_>, e: &Expr) -> bool {
    let mut called = false;
    walk::expr(e, &mut |met| {
        called |= match met {
            // Whatever is not PostgreSQL's own has its schema in front there.
            Met::Expr(e) => match &e.kind {
                ExprKind::Call(call) => nature(call, input.catalog, &[]) != Nature::Pure,
                _ => false,
            },
            _ => true,
        };
    });
    called
}

fn known<'a>(input: &Input<'a>, name: &Name) -> Option<&'a Known> {
    input
        .catalog
        .relation(name.schema.as_ref()?, &name.name)
        .is()
}

/// The statement with the table in place of the view, where every name that it has means the same.
fn about_table(
    statement: &Statement,
    target: &Relation,
    seen: &Seen<'_>,
    columns: &[(Ident, Option<Ident>)],
    of_table: &Known,
) -> Option<Below<Statement>> {
    let alias = target.alias.as_ref();
    let name = alias.map_or(&target.name.name, |a| &a.name);
    let mut fits = !target.only
        && target.sample.is_none()
        && !target.span.is_empty()
        && alias.is_none_or(|a| a.columns.is_empty());
    let (mut others, mut missing) = (false, false);
    let shows = |c: &Ident| columns.iter().any(|(v, below)| v == c && below.is_some());
    walk::statement(statement, &mut |met| match met {
        Met::From(_) | Met::Query(_) => others = true,
        Met::Expr(e) => match &e.kind {
            ExprKind::Column { qualifier, name: c } => {
                let here = columns.iter().any(|(v, _)| v == c);
                missing |= qualifier.is_empty()
                    && !here
                    && ![name, "excluded", WHOLE_ROW].contains(&c.as_str());
                fits &= match &qualifier[..] {
                    [] => c != name && (shows(c) || of_table.column(c).is_none()),
                    [q] if q == name || q == "excluded" => shows(c),
                    [_] => true,
                    _ => false,
                };
            }
            ExprKind::Field { .. } => fits = false,
            _ => {}
        },
        _ => {}
    });
    let plain = Seen::is_plain(columns);
    let lists: Vec<&Ident> = match &statement.kind {
        Kind::Insert(i) => i.columns.iter().collect(),
        Kind::Update(u) => u.assignments.iter().flat_map(|a| &a.columns).collect(),
        _ => Vec::new(),
    };
    if missing && !others || lists.iter().any(|c| !shows(c)) {
        return Some(Below::Fails);
    }
    if !fits || others && !plain {
        return None;
    }
    let mut change = statement.clone();
    let renaming = Renaming { columns, plain };
    let about = match &mut change.kind {
        Kind::Insert(i) => {
            renaming.insert(i)?;
            &mut i.target
        }
        Kind::Update(u) => {
            renaming.assignments(&mut u.assignments)?;
            u.filter
                .iter_mut()
                .chain(returned(&mut u.returning))
                .try_for_each(|e| renaming.expr(e))?;
            &mut u.target
        }
        Kind::Delete(d) => {
            d.filter
                .iter_mut()
                .chain(returned(&mut d.returning))
                .try_for_each(|e| renaming.expr(e))?;
            &mut d.target
        }
        _ => return None,
    };
    about.alias = Some(Alias {
        name: name.clone(),
        columns: Vec::new(),
    });
    about.name = seen.table.clone();
    Some(Below::Is(change))
}

fn returned(items: &mut [SelectItem]) -> impl Iterator<Item = &mut Expr> {
    items.iter_mut().filter_map(|item| match item {
        SelectItem::Expr { expr, .. } => Some(expr),
        SelectItem::Wildcard { .. } => None,
    })
}

/// The names of a view's columns become those of the table's.
struct Renaming<'s> {
    columns: &'s [(Ident, Option<Ident>)],
    /// They are the same.
    plain: bool,
}

impl Renaming<'_> {
    fn name(&self, name: &mut Ident) -> Option<()> {
        let (_, below) = self.columns.iter().find(|(view, _)| view == name)?;
        *name = below.clone()?;
        Some(())
    }

    fn names(&self, names: &mut [Ident]) -> Option<()> {
        names.iter_mut().try_for_each(|name| self.name(name))
    }

    fn assignments(&self, list: &mut [Assignment]) -> Option<()> {
        list.iter_mut().try_for_each(|a| {
            self.names(&mut a.columns)?;
            self.expr(&mut a.value)
        })
    }

    fn insert(&self, i: &mut Insert) -> Option<()> {
        // Its columns stand in the view's order.
        if i.columns.is_empty()
            && let InsertSource::Values(v) = &i.source
        {
            let width = v.rows.first().map_or(0, Vec::len);
            let first = self.columns.iter().take(width);
            i.columns = first.map(|(view, _)| view.clone()).collect();
        }
        self.names(&mut i.columns)?;
        if let InsertSource::Values(v) = &mut i.source {
            v.rows.iter_mut().flatten().try_for_each(|e| self.expr(e))?;
        }
        if let Some(conflict) = &mut i.on_conflict {
            self.names(&mut conflict.columns)?;
            self.assignments(conflict.update.as_deref_mut().unwrap_or_default())?;
            conflict.filter.iter_mut().try_for_each(|e| self.expr(e))?;
        }
        returned(&mut i.returning).try_for_each(|e| self.expr(e))
    }

    fn expr(&self, e: &mut Expr) -> Option<()> {
        if self.plain {
            return Some(());
        }
        let all = |list: &mut [Expr]| list.iter_mut().try_for_each(|e| self.expr(e));
        match &mut e.kind {
            ExprKind::Literal(_) | ExprKind::Param(_) | ExprKind::Default => Some(()),
            // What is no column of the view is none of the table's.
            ExprKind::Column { name, .. } => {
                self.name(name);
                Some(())
            }
            ExprKind::And(list)
            | ExprKind::Or(list)
            | ExprKind::Row(list)
            | ExprKind::Array(list) => all(list),
            ExprKind::Not(expr)
            | ExprKind::Unary { expr, .. }
            | ExprKind::Cast { expr, .. }
            | ExprKind::IsNull { expr, .. }
            | ExprKind::IsTruth { expr, .. }
            | ExprKind::Collate { expr, .. } => self.expr(expr),
            ExprKind::Binary { left, right, .. }
            | ExprKind::IsDistinct { left, right, .. }
            | ExprKind::Quantified {
                left,
                right: QuantifiedSide::Array(right),
                ..
            } => {
                self.expr(left)?;
                self.expr(right)
            }
            ExprKind::InList { expr, list, .. } => {
                self.expr(expr)?;
                all(list)
            }
            ExprKind::Between {
                expr, low, high, ..
            } => {
                self.expr(expr)?;
                self.expr(low)?;
                self.expr(high)
            }
            ExprKind::Subscript { expr, indexes } => {
                self.expr(expr)?;
                all(indexes)
            }
            ExprKind::Case {
                operand,
                arms,
                otherwise,
            } => {
                for e in operand.iter_mut().chain(otherwise) {
                    self.expr(e)?;
                }
                for (when, then) in arms {
                    self.expr(when)?;
                    self.expr(then)?;
                }
                Some(())
            }
            ExprKind::Call(call) => {
                let plain = call.order_by.is_empty()
                    && call.within_group.is_empty()
                    && call.filter.is_none()
                    && call.over.is_none();
                all(&mut call.args).filter(|()| plain)
            }
            _ => None,
        }
    }
}
