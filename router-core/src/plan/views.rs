//! Views over sharded tables: a query is planned as if each of them were written out.
//!
//! Proof: PostgreSQL itself puts a view's query in the place of its name (`rewrite/rewriteHandler.c`), so the statement
//! with the definition as a subquery has the same answer. `pg_get_viewdef` writes it with every name qualified, when
//! it is asked under `search_path = pg_catalog`, so that it means the same anywhere. Where the plan sends the client's own
//! text, each shard does that by itself. Three things would be another's:
//!
//! - The query that was read may have been replaced by somebody else since: a server says whether it was, with the same
//!   round trip ([`Step::Check`]). One shard that is sent the client's own text is not asked.
//! - The tables of a view are read with its owner's rights, and written out with the client's. So the same check has the
//!   client's role be allowed all that the view's owner is, tables and views, or the statement is refused.
//! - Row security: such views are left alone.
//!
//! Literals of the statement keep their slots; those of the definitions have none and bind no key.

use super::make::{Found, Input, data, not_written_out, withheld};
use super::names::schemas;
use super::splice::{Splice, is_word, quoted, tokens};
use super::stage::{block, merged, raise_when};
use super::walk::{self, Met};
use super::{On, Program, Reason, Refusal, Route, Step, clock};
use crate::id::Span;
use crate::sql::Statement;
use crate::sql::parse::{self, parse};
use crate::sql::predicate::{Facts, facts};
use crate::sql::shape::{Group, Slot};
use crate::sql::statement::{ExprKind, Kind, Relation, TableRef, WHOLE_ROW};
use crate::topology::TableName;
use crate::topology::catalog::{Catalog, Relation as Known, RelationKind};
use crate::topology::predicate::{identifier, string};

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
    let query = parse(&written.text, &options);
    if !matches!(query.kind, Kind::Query(_)) {
        return Err(refusal);
    }
    // A view over views, one of which is missing.
    if let Some(name) = withheld(&inner, &query, true) {
        let refusal = not_written_out(&name);
        found.withheld = Some(name);
        return Err(refusal);
    }
    found.clock = found.clock.and(clock::of(&inner, &query));
    let mut conditions = replaced(&written.views);
    let mut what = "that views are what they were when they were read";
    let mut program = match data(&inner, &query, found)? {
        route @ Route::Single(_) => return Ok(route),
        Route::Scatter { targets, merge } => Box::new(Program {
            unless: Some(targets.clone()),
            steps: Vec::new(),
            answer: merged(
                On::Targets(targets),
                statement.span.of(input.text).to_owned(),
                merge,
            ),
            temporary: Vec::new(),
            writes: false,
        }),
        Route::Program(program) => {
            conditions.push_str(&rights(input.catalog, &written.views));
            what = "that views are what they were when they were read, and their tables open to the role";
            program
        }
        _ => return Err(refusal),
    };
    found.make_exact();
    let on = On::Shard(input.topology.first_of_catalog());
    let text = block(&conditions);
    program.steps.insert(0, Step::Check { on, text, what });
    Ok(Route::Program(program))
}

/// The name of a relation, for a server to find it by.
fn path(name: &TableName) -> String {
    string(&format!(
        "{}.{}",
        identifier(&name.schema),
        identifier(&name.name)
    ))
}

/// An error where one of these views is no longer what it was.
pub(super) fn replaced(views: &[(TableName, &Known)]) -> String {
    let each: Vec<String> = views
        .iter()
        .map(|(name, view)| format!("({}, {})", path(name), string(&view.version)))
        .collect();
    let replaced = format!(
        "EXISTS (SELECT FROM (VALUES {}) AS v (name, version) \
         LEFT JOIN pg_catalog.pg_rewrite r ON r.ev_class = pg_catalog.to_regclass(v.name) AND r.rulename = '_RETURN' \
         WHERE pg_catalog.concat(r.oid, '.', r.xmin) IS DISTINCT FROM v.version)",
        each.join(", ")
    );
    let refusal = Refusal::new(
        Reason::Redefined,
        "A view of the statement is not the one that was read from the servers.",
    );
    raise_when(&replaced, &refusal)
}

/// An error where the session's role is not allowed what the owners of these views are.
fn rights(catalog: &Catalog, views: &[(TableName, &Known)]) -> String {
    let mut said = String::new();
    for (name, view) in views {
        // PostgreSQL's own error.
        said.push_str(&format!(
            "IF NOT pg_catalog.has_any_column_privilege(pg_catalog.to_regclass({})::oid, 'SELECT') \
             THEN RAISE insufficient_privilege USING MESSAGE = {}; END IF; ",
            path(name),
            string(&format!("permission denied for view {}", name.name)),
        ));
        // A partition is read with the rights on the whole.
        let part = |used: &TableName| {
            let used = catalog.relation(&used.schema, &used.name).is();
            used.is_some_and(|relation| relation.below.is_some())
        };
        let reads = view.uses.relations.iter().filter(|used| !part(used));
        let each: Vec<String> = std::iter::once(name)
            .chain(reads)
            .map(|used| format!("({}, {})", string(&used.schema), string(&used.name)))
            .collect();
        let unequal = format!(
            "EXISTS (SELECT FROM (VALUES {}) AS u (schema, name) \
             CROSS JOIN (SELECT relowner FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass({})) v \
             LEFT JOIN (pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace) \
             ON n.nspname = u.schema AND c.relname = u.name \
             WHERE (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') \
             AND pg_catalog.has_table_privilege(v.relowner, c.oid, 'SELECT')) IS NOT TRUE)",
            each.join(", "),
            path(name),
        );
        let refusal = Refusal::new(
            Reason::View,
            format!(
                "The tables of view \"{}\" are read with the rights of its owner, and the session's role is not allowed to read all of them itself.",
                name.name
            ),
        )
        .with_hint("Grant the role SELECT on the view and on all that it reads, or query the view by the sharding key.");
        said.push_str(&raise_when(&unequal, &refusal));
    }
    said
}

/// A statement with its views written out.
struct Written<'a> {
    /// Each of them once.
    views: Vec<(TableName, &'a Known)>,
    text: String,
    slots: Vec<Slot>,
    groups: Vec<Group>,
}

impl<'a> Written<'a> {
    fn out(input: &Input<'a>, statement: &Statement, facts: &Facts) -> Option<Self> {
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
        let mut views: Vec<(TableName, &Known)> = Vec::new();
        for used in &facts.relations {
            let Some((name, view)) = view(input, &used.name) else {
                continue;
            };
            let relation = relations.iter().find(|r| r.span == used.span)?;
            // A row of the view as a whole is of its own type; `schema.view.column` needs its name.
            let whole = |(qualifier, name): &(&Vec<String>, &String)| {
                qualifier.is_empty() && **name == used.alias
                    || **name == WHOLE_ROW && qualifier.last() == Some(&used.alias)
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
            let query = view.definition.trim_end().trim_end_matches(';');
            let mut text = format!("({query})");
            if relation.alias.is_none() {
                text.push_str(&format!(" AS {}", quoted(&used.name.name)));
            }
            if !views.iter().any(|(known, _)| *known == name) {
                views.push((name, view));
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
            views,
            text,
            slots,
            groups,
        })
    }
}

/// A view that cannot be read as it is.
fn view<'a>(
    input: &Input<'a>,
    name: &crate::sql::statement::Name,
) -> Option<(TableName, &'a Known)> {
    let refused = super::names::place(input.topology, input.catalog, input.search_path, name);
    if !matches!(refused, Err(r) if r.reason == Reason::View) {
        return None;
    }
    let catalog: &'a Catalog = input.catalog;
    let (schema, view) = schemas(input.search_path, name)
        .find_map(|schema| Some((schema, catalog.relation(schema, &name.name).is()?)))?;
    let guarded = view.uses.relations.iter().any(|used| {
        catalog
            .relation(&used.schema, &used.name)
            .is()
            .is_none_or(|r| r.beside.row_security)
    });
    (view.kind == RelationKind::View && !guarded && !view.definition.is_empty())
        .then(|| (TableName::new(schema, &name.name), view))
}

/// Whether a name stands in `TABLE name`, which takes no subquery.
fn follows_table(input: &Input<'_>, statement: &Statement, span: Span) -> bool {
    tokens(input.text, statement.span, input.options)
        .take_while(|t| t.span.end <= span.start)
        .last()
        .is_some_and(|t| is_word(input.text, &t, "table"))
}
