//! A `MERGE` whose source is not where the target's rows are: its rows are made first, and brought to the homes of their keys.
//!
//! Proof: the condition asks that the target's key is the source's columns, and rows that are inserted get these as their key.
//! The source's columns are of types and collations in which they equal keys of one home only (`equals`). So whether a row of the source has a partner is decided on the home of its key, and there the row goes that is inserted for
//! it. The source is evaluated once, on one shard to which the tables that it reads are brought whole; its rows are the same
//! when they travel. Where the key has another type in the source it is cast as an insertion would: a value that is changed
//! by that equals no key of the target, and is inserted as what it becomes.

use super::super::bring::{Brought, elsewhere};
use super::super::names::{FIRST, Place};
use super::super::reading::Reading;
use super::super::splice::Splice;
use super::super::stage::{ALL, Spreading, merged};
use super::super::walk::{self, Met};
use super::super::words::words;
use super::super::{Merge, On, Reason, Refusal, Route, Target, Targets, copies, select};
use super::equals::Source;
use super::join::{Join, named_as};
use crate::id::{PlacementId, ShardId, Span};
use crate::sql::statement::{
    Cte, Expr, ExprKind, Join as FromJoin, JoinOn, Kind, SetExpr, TableRef,
};
use crate::topology::predicate::identifier;
use crate::value::{KeyType, oid};

/// The route, when the proof holds. `unless`: of which keys the target's rows are, the inserted ones too, as far as the source's
/// constants tell: if that comes to one shard, the statement is right there.
pub(super) fn plan(
    reading: &Reading<'_>,
    join: &Join<'_>,
    target: usize,
    (key, placement): (&[String], PlacementId),
    unless: Option<Targets>,
) -> Result<Option<Route>, Refusal> {
    let Some(Tied {
        alias,
        columns,
        item,
        inserted,
    }) = tied(reading, join, target, key)
    else {
        return Ok(None);
    };
    let Some(table) = reading.table(target) else {
        return Ok(None);
    };
    let with = with(join);
    if !inserted
        || join.with.is_some() && with.is_none()
        || join.queries
        || table.beside.rules
        || names_row(reading, join, &alias)
    {
        return Ok(None);
    }
    let (mut uses, mut whole) = (Vec::new(), false);
    for (at, used) in reading.facts.relations.iter().enumerate() {
        let within = |span: Span| span.start <= used.span.start && used.span.end <= span.end;
        let inside = within(join.rows) || join.with.is_some_and(|(_, span)| within(span));
        match reading.places[at] {
            _ if !inside => {}
            Place::Reference => {}
            Place::Sharded { .. } => uses.push(at),
            Place::Shard(_) => {
                uses.push(at);
                whole = true;
            }
            Place::Catalog => return Ok(None),
        }
    }
    // Of which keys the target's rows are says nothing of where a table is that is whole on one shard.
    let unless = unless.filter(|_| !whole);
    // A table of one shard need not exist on those that rows are brought to: then all get a copy, for its columns.
    let to = (!whole).then_some(FIRST);
    let Some(brought) = Brought::new(reading, &join.statement, &uses, to) else {
        return Ok(None);
    };
    let types = &reading.topology.placement(placement).types;
    for (column, &key_type) in columns.iter().zip(types) {
        let source = Source {
            reading,
            key_type,
            with,
        };
        if !source.item(item, column) {
            return Err(unlike(&alias, column, key_type));
        }
    }
    let names: Vec<String> = (0..key.len()).map(|n| format!("shunt_key_{n}")).collect();
    let mut items = vec![format!("{}.*", identifier(&alias))];
    let mut required = true;
    for ((column, k), name) in columns.iter().zip(key).zip(&names) {
        let Some(typed) = table.column(k) else {
            return Ok(None);
        };
        required &= typed.not_null;
        let value = format!("{}.{}", identifier(&alias), identifier(column));
        let cast = format!("CAST({value} AS {})", typed.declared);
        // A number that the key's type does not hold equals no key, and is an error only where it is inserted.
        let held = match typed.base.map_or(typed.type_oid, |(base, _)| base) {
            oid::INT2 => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
            oid::INT4 => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
            oid::INT8 => Some((i64::MIN, i64::MAX)),
            _ => None,
        };
        items.push(match held {
            Some((low, high)) => {
                format!("CASE WHEN {value} BETWEEN {low} AND {high} THEN {cast} END AS {name}")
            }
            None => format!("{cast} AS {name}"),
        });
    }
    let query = |with: &str, source: &str| {
        let items = items.join(", ");
        format!("AS {with}SELECT {items} FROM {source}")
    };
    let in_front = |text: &dyn Fn(Span) -> String| {
        let with = join.with.map(|(_, span)| text(span));
        with.map_or_else(String::new, |with| format!("{with} "))
    };
    let text = |span: Span| brought.text(reading.text, span);
    let made = query(&in_front(&text), &text(join.rows));
    let own = |span: Span| span.of(reading.text).to_owned();
    let like = match whole {
        true => made.clone(),
        false => query(&in_front(&own), &own(join.rows)),
    };
    let mut stage = brought.stage;
    let made = stage.table(On::Shard(FIRST), &made);
    let home = stage.table(ALL, &format!("{like} WITH NO DATA"));
    Spreading::new(reading.topology, placement, &names, required).spread(
        &mut stage,
        reading.topology,
        (&On::Shard(FIRST), &made),
        &|shard| (shard != FIRST).then_some(On::Shard(FIRST)),
        &home,
        true,
    );
    let mut splice = Splice::default();
    splice.replace(join.source, format!("{home} AS {}", identifier(&alias)));
    // Nothing but the source names what is in the WITH clause.
    if let Some((with, _)) = join.with {
        splice.replace(with, String::new());
    }
    let Some(text) = splice.apply(join.original, join.whole) else {
        return Ok(None);
    };
    Ok(Some(
        stage.route(unless, merged(ALL, text, Merge::Concatenate)),
    ))
}

/// A target that is whole on the shard `home`: what its source reads elsewhere is brought there, and the statement runs there.
///
/// Proof: all steps come before the statement, which reads its source once, as one server does; on that shard it then has all
/// rows that it is about.
pub(super) fn whole(reading: &Reading<'_>, join: &Join<'_>, home: ShardId) -> Option<Route> {
    let mut parts = vec![Target::Shard(home)];
    select::functions(reading, &join.statement, false, &mut parts).ok()?;
    if join.with.is_some() || join.queries || parts.len() > 1 {
        return None;
    }
    let mut uses = Vec::new();
    for (at, used) in reading.facts.relations.iter().enumerate() {
        let inside = join.rows.start <= used.span.start && used.span.end <= join.rows.end;
        match reading.places[at] {
            Place::Reference => {}
            Place::Shard(shard) if shard == home => {}
            Place::Sharded { .. } | Place::Shard(_) if inside => uses.push(at),
            _ => return None,
        }
    }
    let brought = Brought::new(reading, &join.statement, &uses, Some(home))?;
    let mut splice = Splice::default();
    splice.replace(join.source, brought.text(reading.text, join.rows));
    let text = splice.apply(join.original, join.whole)?;
    Some(
        brought
            .stage
            .route(None, merged(On::Shard(home), text, Merge::Concatenate)),
    )
}

fn unlike(alias: &str, column: &str, key_type: KeyType) -> Refusal {
    Refusal::new(
        Reason::WriteOverShards,
        format!(
            "\"{alias}.{column}\" is not known to be of a type and collation in which it equals a key of one shard only."
        ),
    )
    .with_hint(format!(
        "Cast it in the source to the key's type ({key_type}), without another collation."
    ))
}

/// A reference table: what its source reads elsewhere is brought to all shards, and the statement runs on each.
///
/// Proof: as with other changes of it (`copies`), for which a table that was brought to all is one more of its kind.
pub(super) fn copies(reading: &Reading<'_>, join: &Join<'_>, target: usize) -> Option<Route> {
    if join.with.is_some() || join.queries {
        return None;
    }
    let uses = elsewhere(reading, target);
    let inside = |at: &usize| {
        let span = reading.facts.relations[*at].span;
        join.rows.start <= span.start && span.end <= join.rows.end
    };
    if !uses.iter().all(inside) {
        return None;
    }
    let with = reading.with(&uses);
    copies::plan(&with, &join.statement, target, false, Vec::new()).ok()?;
    let brought = Brought::new(reading, &join.statement, &uses, None)?;
    *reading.moments.borrow_mut() = with.moments.take();
    let mut splice = Splice::default();
    splice.replace(join.source, brought.text(reading.text, join.rows));
    let text = splice.apply(join.original, join.whole)?;
    let answer = merged(ALL, text, Merge::Copies);
    Some(brought.stage.route(None, answer))
}

/// The one common table expression in front, when it is a query that names nothing by its own name.
fn with<'j>(join: &'j Join<'_>) -> Option<&'j Cte> {
    let Kind::Query(q) = &join.statement.kind else {
        return None;
    };
    let [cte] = &q.with[..] else {
        return None;
    };
    let mut plain = !q.recursive && matches!(cte.body.kind, Kind::Query(_));
    walk::statement(&cte.body, &mut |met| {
        if let Met::From(TableRef::Relation(r)) = met {
            plain &= r.name.name != cte.name;
        }
    });
    plain.then_some(cte)
}

/// Whether the source's row is named as a whole: the table that it becomes has columns more.
fn names_row(reading: &Reading<'_>, join: &Join<'_>, alias: &str) -> bool {
    let said = words(join.original, reading.options);
    said.iter().enumerate().any(|(at, word)| {
        let is = |at: usize, text: &str| said.get(at).is_some_and(|w| w.is(text));
        let of = |span: Span| span.start <= word.span.start && word.span.end <= span.end;
        let outside = !of(join.source) && !join.with.is_some_and(|(span, _)| of(span));
        outside
            && word.name
            && word.text == alias
            && !(at > 0 && is(at - 1, "."))
            && (!is(at + 1, ".") || is(at + 2, "*"))
    })
}

/// The join of source and target, inside of those for the rows that are inserted; and the conditions of these.
pub(super) fn joined<'j>(join: &'j Join<'_>) -> Option<(&'j FromJoin, Vec<&'j Expr>)> {
    let Kind::Query(q) = &join.statement.kind else {
        return None;
    };
    let SetExpr::Select(s) = &q.body else {
        return None;
    };
    let [TableRef::Join(outermost)] = &s.from[..] else {
        return None;
    };
    let mut inner = outermost;
    let mut rows = Vec::new();
    while let TableRef::Join(left) = &inner.left {
        let JoinOn::On(on) = &inner.on else {
            return None;
        };
        rows.push(on);
        inner = left;
    }
    Some((inner, rows))
}

/// What an expression asks for at once.
pub(super) fn conjuncts(on: &Expr) -> &[Expr] {
    match &on.kind {
        ExprKind::And(list) => list,
        _ => std::slice::from_ref(on),
    }
}

/// The source's columns that the target's key has to equal, and that rows which are inserted have for a key.
struct Tied<'j> {
    /// The source's alias.
    alias: String,
    /// One for each column of the key.
    columns: Vec<String>,
    item: &'j TableRef,
    /// Whether every row that is inserted has them.
    inserted: bool,
}

fn tied<'j>(
    reading: &Reading<'_>,
    join: &'j Join<'_>,
    target: usize,
    key: &[String],
) -> Option<Tied<'j>> {
    let (inner, rows) = joined(join)?;
    let (alias, aim) = (named_as(&inner.left)?, named_as(&inner.right)?);
    let JoinOn::On(on) = &inner.on else {
        return None;
    };
    let table = reading.table(target)?;
    let source = Source {
        reading,
        // Of no account to names.
        key_type: KeyType::Bigint,
        with: with(join),
    };
    let names = source.names(&inner.left);
    // Whose column it is: the source's where it says so, or where the other has none of that name.
    let of = |e: &Expr, ours: bool| match &e.kind {
        ExprKind::Column { qualifier, name } => {
            let theirs = match &qualifier[..] {
                [] if table.column(name).is_none() => true,
                [] => match &names {
                    Some(names) if !names.contains(name) => false,
                    _ => return None,
                },
                [one] if *one == alias && alias != aim => true,
                [one] if *one == aim => false,
                _ => return None,
            };
            (ours != theirs).then(|| name.clone())
        }
        _ => None,
    };
    let mut columns = Vec::new();
    for k in key {
        columns.push(conjuncts(on).iter().find_map(|e| {
            let ExprKind::Binary { op, left, right } = &e.kind else {
                return None;
            };
            let sides = [(left, right), (right, left)];
            sides.iter().find_map(|(a, b)| {
                (op == "=" && of(a, true).as_ref() == Some(k)).then(|| of(b, false))?
            })
        })?);
    }
    let inserted = rows.iter().all(|on| {
        let values = conjuncts(on);
        values.len() == key.len()
            && values.iter().zip(&columns).all(|(e, column)| match &e.kind {
                ExprKind::Binary { right, .. } => matches!(
                    &right.kind,
                    ExprKind::Column { qualifier, name } if matches!(&qualifier[..], [a] if *a == alias) && name == column
                ),
                _ => false,
            })
    });
    Some(Tied {
        alias,
        columns,
        item: &inner.left,
        inserted,
    })
}
