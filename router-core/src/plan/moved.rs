//! `UPDATE` that assigns the sharding key: rows move to their new homes.
//!
//! 1. The rows are deleted where they are, and what they become is made in a temporary table, together with the keys that
//!    they had, by one statement.
//! 2. They travel to their new homes.
//! 3. There they are inserted by the statement that the client sees the answer of, which is an `UPDATE` of the temporary
//!    table, so that tag and `RETURNING` are an update's.
//!
//! Proof: an update makes each row that satisfies the condition into the row of its assignments. Deleting and inserting
//! comes to the same contents when nothing else is set off by either: no trigger, no rule, no foreign key that refers to
//! the table, no row security. A generated column is computed again from the row's columns, a column that is always an
//! identity keeps its value (`OVERRIDING SYSTEM VALUE`). It comes to the same errors when no unique constraint sees
//! the rows in an order that matters: one server may find a new key taken by a row whose own key is about to change, so
//! where a new key is the old key of another row that changes, the statement is refused.
//!
//! Rows go with the columns that the catalog has. So once they are deleted, which holds the table's columns as they are, a
//! server says whether it has as many: each of them is named in what was done before, hence there.

use super::bring::{Brought, elsewhere};
use super::defaults::{self, Defaulted};
use super::names::Place;
use super::outputs::{self, Title};
use super::reading::Reading;
use super::spread::{self, Changed};
use super::stage::{ALL, Spreading, block, merged, raise_when, refuse_when};
use super::update::{lost, returned};
use super::walk::{self, Met};
use super::words::words;
use super::{Merge, On, Reason, Refusal, Route, Targets, select};
use crate::id::{PlacementId, Span};
use crate::sql::Statement;
use crate::sql::statement::{Expr, ExprKind, SelectItem, Update, WHOLE_ROW};
use crate::topology::catalog::{Column, ColumnDefault, Relation};
use crate::topology::predicate::{identifier, string};

/// Of a table (`MaxHeapAttributeNumber` in PostgreSQL's `access/htup_details.h`).
const MOST_COLUMNS: u32 = 1600;

fn refused(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::KeyChange, detail)
}

/// The route of such an update.
pub(super) fn plan(
    reading: &Reading<'_>,
    statement: &Statement,
    u: &Update,
    target: usize,
    (key, placement): (&[String], PlacementId),
) -> Result<Route, Refusal> {
    let relation = reading.table(target).ok_or_else(|| {
        refused("What else happens when a row changes is not known, since the servers' catalog was not read.")
    })?;
    harmless(reading, relation, target)?;
    if names_with_schema(statement, &u.target.name.name) {
        return Err(refused(
            "The table is named with its schema in an expression.",
        ));
    }
    generated(reading, relation, target, u)?;
    if !u.from.is_empty() || !u.with.is_empty() || u.current_of.is_some() {
        return Err(refused(
            "The rows to change are found by FROM, WITH or a cursor.",
        ));
    }
    let brought = brought(reading, statement, u, target)?;
    let said = |span: Span| brought.text(reading.text, span);
    let given: Vec<&Column> = relation
        .columns
        .iter()
        .filter(|c| !is_generated(c))
        .collect();
    let target_alias = u.target.alias.as_ref();
    let alias = identifier(target_alias.map_or(&u.target.name.name, |a| &a.name));
    let values = assigned(reading, u, &given, &alias, &said)?.join(", ");
    let condition = condition(reading, u, &said)?;
    let list: Vec<String> = given.iter().map(|c| identifier(&c.name)).collect();
    let row = Row {
        relation,
        columns: &list,
        alias: &alias,
        kind: row_type(reading, u, target),
    };
    let returning = returning(u, &row, &said)?;
    let columns = list.join(", ");
    let always = |c: &&Column| c.default == ColumnDefault::IdentityAlways;
    let overriding = match given.iter().any(always) {
        true => "OVERRIDING SYSTEM VALUE ",
        false => "",
    };
    let as_text = given.iter().any(|c| !c.portable);
    let name = u.target.span.of(reading.text);
    let each_key = |text: &dyn Fn(String, usize) -> String, separator: &str| -> String {
        let parts = key.iter().enumerate();
        let parts: Vec<String> = parts.map(|(n, k)| text(identifier(k), n)).collect();
        parts.join(separator)
    };

    let mut stage = brought.stage;
    let olds = each_key(&|key, n| format!("{key} AS shunt_old_{n}"), ", ");
    let like = format!("AS SELECT {columns}, {olds} FROM {name} WITH NO DATA");
    let made = stage.table(ALL, &like);
    let old_values = each_key(&|key, _| format!("{alias}.{key}"), ", ");
    stage.run(
        ALL,
        format!(
            "WITH shunt AS (DELETE FROM {name} AS {alias} {condition} RETURNING {alias}.*) INSERT INTO {made} SELECT {values}, {old_values} FROM shunt AS {alias}"
        ),
    );
    stage.run(ALL, has_as_many_columns(reading, relation, target, name));
    let home = stage.table(ALL, &like);
    let required = key
        .iter()
        .all(|k| relation.column(k).is_some_and(|c| c.not_null));
    Spreading::new(reading.topology, placement, key, required).spread(
        &mut stage,
        reading.topology,
        (&ALL, &made),
        &|shard| Some(On::Except(Targets::All, shard)),
        &home,
        as_text,
    );
    // A key's old rows and its new ones are on the same shard.
    let same = each_key(&|key, n| format!("n.{key} = o.shunt_old_{n}"), " AND ");
    let changes = each_key(
        &|key, n| format!("o.{key} IS DISTINCT FROM o.shunt_old_{n}"),
        " OR ",
    );
    stage.run(
        ALL,
        refuse_when(
            &format!("SELECT 1 FROM {home} n JOIN {made} o ON {same} WHERE {changes}"),
            &refused("A row gets the key of another row whose own key changes too."),
        ),
    );
    let text = format!(
        "WITH shunt AS (INSERT INTO {name} ({columns}) {overriding}SELECT {columns} FROM {home}) UPDATE {home} AS {alias} SET shunt_old_0 = shunt_old_0 {returning}"
    );
    reading.exact.set(true);
    Ok(stage.route(None, merged(ALL, text, Merge::Concatenate)))
}

/// Whether an expression says `schema.table.column`, of which nothing is left where the rows are those of a temporary table.
fn names_with_schema(statement: &Statement, table: &str) -> bool {
    let mut found = false;
    walk::statement(statement, &mut |met| {
        if let Met::Expr(e) = met
            && let ExprKind::Column { qualifier, .. } = &e.kind
        {
            found |= qualifier.len() > 1 && qualifier.last().is_some_and(|last| last == table);
        }
    });
    found
}

/// What the statement reads of other tables, brought to where it cannot be read in place.
fn brought(
    reading: &Reading<'_>,
    statement: &Statement,
    u: &Update,
    target: usize,
) -> Result<Brought, Refusal> {
    // Reads of other tables must be right on each shard, as for any change over shards.
    select::functions(reading, statement, true, &mut Vec::new())?;
    let prove = |reading: &Reading<'_>| {
        if reading
            .places
            .iter()
            .any(|p| matches!(p, Place::Shard(_) | Place::Catalog))
        {
            return Err(reading.mixed());
        }
        let assigned = u.assignments.iter().map(|a| &a.value);
        let changed = Changed {
            target,
            from: &[],
            filter: u.filter.as_ref(),
            outputs: assigned.chain(returned(&u.returning)).collect(),
        };
        spread::change(reading, &changed)
    };
    let mut uses = Vec::new();
    if let Err(refusal) = prove(&reading.with(&uses)) {
        uses = elsewhere(reading, target);
        prove(&reading.with(&uses)).map_err(|_| refusal)?;
    }
    reading.moments.take();
    prove(&reading.with(&uses))?;
    Brought::new(reading, statement, &uses, None)
        .ok_or_else(|| refused("The statement's text could not be rewritten."))
}

/// What each of the columns becomes.
fn assigned(
    reading: &Reading<'_>,
    u: &Update,
    given: &[&Column],
    alias: &str,
    said: &dyn Fn(Span) -> String,
) -> Result<Vec<String>, Refusal> {
    let mut values: Vec<String> = given
        .iter()
        .map(|c| format!("{alias}.{}", identifier(&c.name)))
        .collect();
    for a in &u.assignments {
        if a.part {
            return Err(refused("An element or a field of a column is assigned."));
        }
        let parts: Vec<&Expr> = match (&a.columns[..], &a.value.kind) {
            ([_], _) => vec![&a.value],
            (columns, ExprKind::Row(list)) if list.len() == columns.len() => list.iter().collect(),
            _ => return Err(refused("Several columns are assigned from a subquery.")),
        };
        for (column, value) in a.columns.iter().zip(parts) {
            let at = given
                .iter()
                .position(|c| c.name == *column)
                .ok_or_else(|| refused(format!("There is no column \"{column}\".")))?;
            values[at] = if value.kind == ExprKind::Default {
                default(reading, given[at])?
            } else if value.span.is_empty() {
                return Err(refused("What is assigned could not be found in the text."));
            } else {
                said(value.span)
            };
        }
    }
    Ok(values)
}

fn default(reading: &Reading<'_>, column: &Column) -> Result<String, Refusal> {
    if defaults::of(reading, column) != Defaulted::Same {
        return Err(refused(
            "A default is assigned that is another value each time.",
        ));
    }
    let expression = column.expression.clone();
    Ok(expression.unwrap_or_else(|| "NULL".to_owned()))
}

/// `WHERE` and what it says; nothing where it is not there.
fn condition(
    reading: &Reading<'_>,
    u: &Update,
    said: &dyn Fn(Span) -> String,
) -> Result<String, Refusal> {
    if u.filter.is_none() {
        return Ok(String::new());
    }
    let words = words(reading.text, reading.options);
    let from = words
        .iter()
        .position(|w| w.depth == 0 && w.is("where"))
        .ok_or_else(|| lost("WHERE"))?;
    let to = words
        .iter()
        .position(|w| w.depth == 0 && w.is("returning"))
        .filter(|_| !u.returning.is_empty())
        .unwrap_or(words.len());
    Ok(said(Span {
        start: words[from].span.start,
        end: words[to - 1].span.end,
    }))
}

/// The rows that the client sees changed.
struct Row<'r> {
    relation: &'r Relation,
    /// Its columns, as identifiers.
    columns: &'r [String],
    /// What the statement calls it, as an identifier.
    alias: &'r str,
    /// Their type, as an identifier.
    kind: String,
}

impl Row<'_> {
    fn list(&self) -> String {
        let list: Vec<String> = self
            .columns
            .iter()
            .map(|c| format!("{}.{c}", self.alias))
            .collect();
        list.join(", ")
    }
}

fn row_type(reading: &Reading<'_>, u: &Update, target: usize) -> String {
    let name = identifier(&u.target.name.name);
    match reading.schema(target) {
        Some(schema) => format!("{}.{name}", identifier(schema)),
        None => name,
    }
}

/// `RETURNING` of the temporary table that stands for the updated one.
fn returning(u: &Update, row: &Row<'_>, said: &dyn Fn(Span) -> String) -> Result<String, Refusal> {
    let alias = u.target.alias.as_ref();
    let table = alias.map_or(&u.target.name.name, |a| &a.name);
    let mut returning = String::new();
    for (n, item) in u.returning.iter().enumerate() {
        returning.push_str(if n == 0 { "RETURNING " } else { ", " });
        match item {
            // The keys that the rows had are no part of the answer.
            SelectItem::Wildcard { .. } => returning.push_str(&row.list()),
            SelectItem::Expr { expr, alias } => {
                if expr.span.is_empty() {
                    return Err(lost("RETURNING"));
                }
                let mut from = expr.span.start;
                let shown = whole(row.relation, table, expr)?;
                for span in &shown {
                    returning.push_str(&said(Span {
                        start: from,
                        end: span.start,
                    }));
                    returning.push_str(&format!("(ROW({})::{})", row.list(), row.kind));
                    from = span.end;
                }
                returning.push_str(&said(Span {
                    start: from,
                    end: expr.span.end,
                }));
                // What stands in the row's place would give the column another name.
                let name = match (alias, outputs::title(expr)) {
                    (Some(alias), _) => Some(alias.clone()),
                    (None, Title::Is(name)) if !shown.is_empty() => Some(match name == WHOLE_ROW {
                        true => table.clone(),
                        false => name,
                    }),
                    (None, Title::Doubt) if !shown.is_empty() => {
                        return Err(refused(
                            "What a column of RETURNING is called is not known.",
                        ));
                    }
                    _ => None,
                };
                if let Some(name) = name {
                    returning.push_str(&format!(" AS {}", identifier(&name)));
                }
            }
        }
    }
    Ok(returning)
}

/// Where `RETURNING` shows the row as a whole: the temporary table's has the keys that it had, too.
fn whole(relation: &Relation, table: &str, expr: &Expr) -> Result<Vec<Span>, Refusal> {
    let mut shown = Vec::new();
    let mut as_field = false;
    walk::expr(expr, &mut |met| {
        if let Met::Expr(e) = met
            && let ExprKind::Column { qualifier, name } = &e.kind
            && qualifier.last().unwrap_or(name) == table
            && relation.column(name).is_none()
        {
            match (qualifier.is_empty() || name == WHOLE_ROW) && !e.span.is_empty() {
                true => shown.push(e.span),
                // `t.f` calls a function where `f` is no column.
                false => as_field = true,
            }
        }
    });
    shown.sort_unstable_by_key(|span| span.start);
    match as_field {
        true => Err(refused(
            "RETURNING calls a function by the name of a field.",
        )),
        false => Ok(shown),
    }
}

/// Has a server say whether the table has as many columns as the catalog knew.
fn has_as_many_columns(
    reading: &Reading<'_>,
    relation: &Relation,
    target: usize,
    name: &str,
) -> String {
    // By a function that does not look with the transaction's snapshot; it knows no column that was dropped.
    let as_many = format!(
        "(SELECT pg_catalog.count(*) FROM pg_catalog.generate_series(1, {MOST_COLUMNS}) n \
         WHERE pg_catalog.has_column_privilege({}::pg_catalog.regclass::pg_catalog.oid, n::pg_catalog.int2, 'SELECT') IS NOT NULL) <> {}",
        string(name),
        relation.columns.len()
    );
    let redefined = Refusal::new(
        Reason::Redefined,
        format!(
            "\"{}\" has other columns than when it was read.",
            reading.named(target)
        ),
    );
    block(&raise_when(&as_many, &redefined))
}

fn is_generated(column: &Column) -> bool {
    column.default == ColumnDefault::Generated
}

/// That columns whose values PostgreSQL computes itself are neither assigned nor shown: rows on their way have none of the
/// generated ones.
fn generated(
    reading: &Reading<'_>,
    relation: &Relation,
    target: usize,
    u: &Update,
) -> Result<(), Refusal> {
    let column = |name: &str| relation.column(name).map(|c| c.default);
    let is_own = |name: &String| {
        matches!(
            column(name),
            Some(ColumnDefault::Generated | ColumnDefault::IdentityAlways)
        )
    };
    let assigned = u.assignments.iter().flat_map(|a| &a.columns).any(is_own);
    let mut shown = false;
    for item in &u.returning {
        match item {
            SelectItem::Wildcard { .. } => shown = true,
            SelectItem::Expr { expr, .. } => walk::expr(expr, &mut |met| {
                if let Met::Expr(e) = met
                    && let ExprKind::Column { name, .. } = &e.kind
                {
                    // A name that is no column's is that of the row as a whole.
                    shown |= column(name).is_none_or(|default| default == ColumnDefault::Generated);
                }
            }),
        }
    }
    let why = match () {
        () if assigned => "a generated or identity column is assigned too",
        () if shown && relation.columns.iter().any(is_generated) => {
            "it has generated columns, and RETURNING may show them"
        }
        () => return Ok(()),
    };
    Err(refused(format!(
        "Rows of \"{}\" cannot move to another shard: {why}.",
        reading.named(target)
    )))
}

/// That a row which goes and comes again is as one that changes.
fn harmless(reading: &Reading<'_>, relation: &Relation, target: usize) -> Result<(), Refusal> {
    let beside = relation.beside;
    let why = match () {
        () if beside.triggers => "it has triggers",
        () if beside.rules => "it has rules",
        () if beside.row_security => "it has row-level security",
        () if beside.referenced => "foreign keys refer to it",
        () if !relation.uses.relations.is_empty() => "it is part of an inheritance tree",
        () => return Ok(()),
    };
    let refusal = refused(format!(
        "Rows of \"{}\" cannot move to another shard: {why}.",
        reading.named(target)
    ));
    Err(match beside.referenced {
        true => refusal.with_hint(
            "In one transaction insert the row with its new key, then the rows that refer to it anew, and delete the old ones.",
        ),
        false => refusal,
    })
}
