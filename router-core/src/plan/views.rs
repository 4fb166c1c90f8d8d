//! Views over sharded tables: a query is planned as if each of them were written out.
//!
//! Proof: PostgreSQL itself puts a view's query in the place of its name (`rewrite/rewriteHandler.c`), so the statement
//! with the definition as a subquery has the same answer. `pg_get_viewdef` writes it with every name qualified, when
//! it is asked under `search_path = pg_catalog`, so that it means the same anywhere. Where the plan sends the client's own
//! text, each shard does that by itself. Two things would be another's: the rights by which the tables are read, which
//! are the owner's for a view (without them PostgreSQL refuses), and row security, for which such views are left
//! alone.
//!
//! Literals of the statement keep their slots; those of the definitions have none and bind no key.

use super::make::{Found, Input, data};
use super::splice::{Splice, is_word, quoted, tokens};
use super::walk::{self, Met};
use super::{Reason, Refusal, Route, clock};
use crate::id::Span;
use crate::sql::Statement;
use crate::sql::parse::{self, parse};
use crate::sql::predicate::{Facts, facts};
use crate::sql::shape::{Group, Slot};
use crate::sql::statement::{ExprKind, Kind, Relation, TableRef};
use crate::topology::catalog::{self, RelationKind};

/// A text with views written out is not longer than this.
const MAX_BYTES: usize = 1 << 16;

/// The plan of a query that names views over sharded tables, or `refusal`.
pub(super) fn plan(
    input: &Input<'_>,
    statement: &Statement,
    found: &mut Found,
    refusal: Refusal,
) -> Result<Route, Refusal> {
    let facts = facts(
        statement,
        input.text,
        input.options,
        &|_, _| None,
        &|_, _| false,
    );
    let Some(written) = Written::out(input, statement, &facts) else {
        return Err(refusal);
    };
    let inner = Input {
        text: &written.text,
        slots: &written.slots,
        groups: &written.groups,
        ..*input
    };
    let options = parse::Options {
        lexer: input.options,
        ..Default::default()
    };
    let statement = parse(&written.text, &options);
    if !matches!(statement.kind, Kind::Query(_)) {
        return Err(refusal);
    }
    found.clock = found.clock.and(clock::of(&inner, &statement));
    match data(&inner, &statement, found)? {
        route @ (Route::Single(_) | Route::Scatter { .. } | Route::Program(_)) => Ok(route),
        _ => Err(refusal),
    }
}

/// A statement with its views written out.
struct Written {
    text: String,
    slots: Vec<Slot>,
    groups: Vec<Group>,
}

impl Written {
    fn out(input: &Input<'_>, statement: &Statement, facts: &Facts) -> Option<Self> {
        if !matches!(statement.kind, Kind::Query(_)) || statement.span.is_empty() {
            return None;
        }
        let mut relations: Vec<&Relation> = Vec::new();
        let mut columns = Vec::new();
        walk::statement(statement, &mut |met| match met {
            Met::From(TableRef::Relation(r)) => relations.push(r),
            Met::Expr(e) => {
                if let ExprKind::Column { qualifier, name } = &e.kind {
                    columns.push((qualifier, name));
                }
            }
            _ => {}
        });
        let mut splice = Splice::default();
        let mut moved: Vec<(Span, usize)> = Vec::new();
        for used in &facts.relations {
            let Some(definition) = definition(input, &used.name) else {
                continue;
            };
            let relation = relations.iter().find(|r| r.span == used.span)?;
            // A row of the view as a whole is of its own type; `schema.view.column` needs its name.
            let whole = |(qualifier, name): &(&Vec<String>, &String)| {
                qualifier.is_empty() && **name == used.alias
                    || qualifier.len() > 1 && qualifier.last() == Some(&used.name.name)
            };
            if relation.only
                || relation.sample.is_some()
                || used.span.is_empty()
                || columns.iter().any(whole)
                || follows_table(input, statement, used.span)
            {
                return None;
            }
            let mut text = format!("({})", definition.trim_end().trim_end_matches(';'));
            if relation.alias.is_none() {
                text.push_str(&format!(" AS {}", quoted(&used.name.name)));
            }
            moved.push((used.span, text.len()));
            splice.replace(used.span, text);
        }
        if moved.is_empty() {
            return None;
        }
        let text = splice.apply(input.text, statement.span)?;
        if text.len() > MAX_BYTES {
            return None;
        }
        // Where something of the old text stands in the new one.
        let shifted = |span: Span| -> Option<Span> {
            let mut at = i64::from(span.start) - i64::from(statement.span.start);
            for (old, new) in &moved {
                if old.end <= span.start {
                    at += *new as i64 - old.len() as i64;
                }
            }
            let start = u32::try_from(at).ok()?;
            Some(Span {
                start,
                end: start + (span.end - span.start),
            })
        };
        let slots = input
            .slots
            .iter()
            .map(|slot| {
                Some(Slot {
                    span: shifted(slot.span)?,
                    ..*slot
                })
            })
            .collect::<Option<_>>()?;
        // A list with a view inside would have another length.
        let groups = input
            .groups
            .iter()
            .map(|group| {
                Some(Group {
                    span: shifted(group.span)?,
                    ..*group
                })
            })
            .collect::<Option<_>>()?;
        Some(Self {
            text,
            slots,
            groups,
        })
    }
}

/// The definition of a view that cannot be read as it is.
fn definition<'a>(input: &Input<'a>, name: &crate::sql::statement::Name) -> Option<&'a str> {
    let refused = super::names::place(input.topology, input.catalog, input.search_path, name);
    if !matches!(refused, Err(r) if r.reason == Reason::View) {
        return None;
    }
    let schemas: Vec<&str> = match &name.schema {
        Some(schema) => vec![schema],
        None => input.search_path.iter().map(String::as_str).collect(),
    };
    let view: &catalog::Relation = schemas
        .into_iter()
        .find_map(|s| input.catalog.relation(s, &name.name).is())?;
    let guarded = view.uses.relations.iter().any(|used| {
        input
            .catalog
            .relation(&used.schema, &used.name)
            .is()
            .is_none_or(|r| r.beside.row_security)
    });
    (view.kind == RelationKind::View && !guarded && !view.definition.is_empty())
        .then_some(view.definition.as_str())
}

/// Whether a name stands in `TABLE name`, which takes no subquery.
fn follows_table(input: &Input<'_>, statement: &Statement, span: Span) -> bool {
    tokens(input.text, statement.span, input.options)
        .take_while(|t| t.span.end <= span.start)
        .last()
        .is_some_and(|t| is_word(input.text, &t, "table"))
}
