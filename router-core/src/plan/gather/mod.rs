//! Tier 3: the rows that a statement may need are brought into temporary tables of the scratch server, and PostgreSQL
//! itself runs the statement there.
//!
//! Each use of a table whose rows are not all on the scratch server becomes a temporary table of its own; the statement
//! is the client's text with the names of these tables in place of the others. Reference tables, tables that live on the
//! scratch server and whatever reads no table stay as they are.
//!
//! Proof: the answer of a query follows from its text, from the rows of the relations that it names, and from what
//! its functions give. The functions are those whose value does not depend on the server (`function`), and everything
//! that could tell one relation from another with the same rows, names and types is refused: system columns,
//! samples, locks, names of relations as values. A temporary table has the columns that the statement can see, of the
//! same types and collations in the same order, and of the rows at least those that can count: on the shards that
//! are left out, and among the rows that a pushed condition leaves out, are none that the statement's own conditions
//! would not leave out as well, for they are all evaluated once more.
//!
//! | file | |
//! |---|---|
//! | `uses` | what the statement needs of each table: columns, key, aliases |
//! | `whole` | which of its names are whole rows |
//! | `push` | the conditions that the shards can apply |

mod push;
mod uses;
mod whole;

use super::called::{self, Called};
use super::function::{Nature, is_alike, is_registry, nature};
use super::names::{FIRST, Place, display};
use super::program::filled;
use super::reading::Reading;
use super::splice::{Splice, is_word, quoted, tokens};
use super::spread::is_system_column;
use super::walk::{self, Met};
use super::{Answer, Merge, On, Program, Reason, Refusal, Step, Targets, select};
use crate::id::{ShardId, Span};
use crate::sql::Statement;
use crate::sql::lexer::TokenKind;
use crate::sql::statement::ExprKind;
use uses::{Needs, Use};

/// What the temporary tables are called, with a number behind it. A text that has the word is not gathered.
pub(super) const TEMPORARY: &str = "shunt_";

/// The temporary tables of a statement.
pub(super) struct Gathered {
    /// Make and fill them.
    pub(super) steps: Vec<Step>,
    /// Their names without schema, with the shard that has them.
    pub(super) temporary: Vec<(String, On)>,
    /// Puts them in the place of the tables.
    pub(super) splice: Splice,
    /// The shards outside of which no row counts; none when they may be all of them.
    pub(super) targets: Option<Targets>,
}

/// A query that is answered on the scratch server.
pub(super) fn plan(reading: &Reading<'_>, statement: &Statement) -> Result<Program, Refusal> {
    let scratch = reading
        .topology
        .scratch
        .ok_or_else(|| unable("There is no scratch server."))?;
    let catalogs = reading.places.contains(&Place::Catalog);
    let gathered = gather(reading, statement, if catalogs { FIRST } else { scratch })?;
    let text = gathered
        .splice
        .apply(reading.text, statement.span)
        .ok_or_else(|| unable("The text could not be put together."))?;
    reading.exact.set(true);
    if catalogs {
        return beside_catalogs(reading, statement, gathered, text);
    }
    Ok(Program {
        unless: gathered.targets,
        steps: gathered.steps,
        answer: Answer::Merged {
            on: On::Shard(scratch),
            text,
            merge: Merge::Concatenate,
        },
        temporary: gathered.temporary,
        writes: false,
    })
}

/// A statement that reads catalogs too, on the shard whose catalogs are shown. A temporary table would be among their rows,
/// so the rows of the tables come as parameters.
fn beside_catalogs(
    reading: &Reading<'_>,
    statement: &Statement,
    gathered: Gathered,
    text: String,
) -> Result<Program, Refusal> {
    let steps = fetches(&gathered.steps).ok_or_else(|| reading.mixed())?;
    Ok(Program {
        unless: gathered.targets,
        steps,
        answer: Answer::Finished {
            on: Targets::Shards(vec![FIRST]),
            text,
            columns: statement.span.of(reading.text).to_owned(),
            otherwise: None,
        },
        temporary: Vec::new(),
        writes: false,
    })
}

/// The steps that fetch the rows of the temporary tables of `steps`, when these do nothing else.
fn fetches(steps: &[Step]) -> Option<Vec<Step>> {
    let mut fetches = Vec::new();
    for step in steps {
        match step {
            Step::Move {
                from,
                query,
                table,
                as_text,
                ..
            } => fetches.push(Step::Fetch {
                from: match from {
                    On::Shard(shard) => Targets::Shards(vec![*shard]),
                    On::Targets(targets) | On::Except(targets, _) => targets.clone(),
                    On::Home(_) | On::HomeExcept(..) => return None,
                },
                query: query.clone(),
                table: table.clone(),
                as_text: *as_text,
            }),
            Step::Run { text, .. } if text.starts_with("CREATE TEMP TABLE") => {}
            _ => return None,
        }
    }
    Some(fetches)
}

/// Why a statement is not gathered. Mostly another refusal says more.
fn unable(detail: impl Into<String>) -> Refusal {
    Refusal::new(Reason::NeedsMerge, detail)
}

/// Brings to `scratch` what `statement` reads and is not there. Relations that are written to are left alone.
pub(super) fn gather(
    reading: &Reading<'_>,
    statement: &Statement,
    scratch: ShardId,
) -> Result<Gathered, Refusal> {
    same_there(reading, statement, scratch)?;
    let needs = Needs::of(reading, statement, scratch)?;
    let mut gathered = Gathered {
        steps: Vec::new(),
        temporary: Vec::new(),
        splice: Splice::default(),
        targets: targets(reading),
    };
    // Uses that need the same rows of the same table share one.
    let mut made: Vec<(String, On, String)> = Vec::new();
    let mut keys: Vec<Step> = Vec::new();
    for used in &needs.uses {
        let query = query(reading, statement, &needs, used);
        let from = match used.from {
            Some(shard) => On::Shard(shard),
            None => On::Except(reading.targets(used.at), scratch),
        };
        let key = needs.key(reading, used);
        let name = match made.iter().find(|(q, on, _)| *q == query && *on == from) {
            Some((.., name)) => name.clone(),
            None => {
                let name = format!("{TEMPORARY}{}", made.len() + 1);
                gathered.steps.push(Step::Run {
                    on: On::Shard(scratch),
                    text: creation(reading, used, &name, &query),
                });
                gathered.steps.push(Step::Move {
                    from: from.clone(),
                    query: query.clone(),
                    to: scratch,
                    table: format!("pg_temp.{name}"),
                    as_text: used.as_text(reading),
                    among: reading.rows(used.at),
                });
                made.push((query, from, name.clone()));
                gathered.temporary.push((name.clone(), On::Shard(scratch)));
                name
            }
        };
        if let Some(key) = key {
            let step = Step::Run {
                on: On::Shard(scratch),
                text: format!("ALTER TABLE pg_temp.{name} ADD PRIMARY KEY ({key})"),
            };
            if !keys.contains(&step) {
                keys.push(step);
                // A table with a primary key is read as a table, in the order in which its rows are stored.
                if needs.is_read_by_key(used) {
                    keys.push(Step::Run {
                        on: On::Shard(scratch),
                        text: format!("CLUSTER pg_temp.{name} USING {name}_pkey"),
                    });
                }
            }
        }
        let table = match needs.order(reading, used) {
            Some(order) => {
                format!("(SELECT * FROM pg_temp.{name} ORDER BY {order})")
            }
            None => format!("pg_temp.{name}"),
        };
        put_in(reading, statement, used, &table, &mut gathered.splice)?;
    }
    gathered.steps.extend(keys);
    needs.rewrite(reading, &mut gathered.splice)?;
    Ok(gathered)
}

/// The rows of one use, as they are asked for on each shard.
fn query(
    reading: &Reading<'_>,
    statement: &Statement,
    needs: &Needs<'_>,
    used: &Use<'_>,
) -> String {
    let columns = match &used.columns {
        None => "*".to_owned(),
        Some(list) => list
            .iter()
            .map(|c| quoted(c))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let only = if used.relation.only { "ONLY " } else { "" };
    let mut text = format!("SELECT {columns} FROM {only}{}", used.table(reading));
    let conditions = push::conditions(reading, statement, needs, used);
    if !conditions.is_empty() {
        text.push_str(" WHERE ");
        text.push_str(&conditions.join(" AND "));
    }
    text
}

/// Makes the temporary table, with the scratch server's own rows if it may have any.
fn creation(reading: &Reading<'_>, used: &Use<'_>, name: &str, query: &str) -> String {
    let table = format!("CREATE TEMP TABLE pg_temp.{name}");
    match (used.from, used.declared(reading)) {
        (None, _) => filled(&format!("pg_temp.{name}"), query),
        // The scratch server need not know a table that lives elsewhere.
        (Some(_), Some(columns)) => format!("{table} ({columns}) ON COMMIT DROP"),
        (Some(_), None) => format!("{table} ON COMMIT DROP AS {query} WITH NO DATA"),
    }
}

/// Puts the temporary table in the place of a use.
fn put_in(
    reading: &Reading<'_>,
    statement: &Statement,
    used: &Use<'_>,
    table: &str,
    splice: &mut Splice,
) -> Result<(), Refusal> {
    let span = used.relation.span;
    let mut before = None;
    let mut after = None;
    for token in tokens(reading.text, statement.span, reading.options) {
        if token.span.end <= span.start {
            before = Some(token);
        } else if token.span.start >= span.end {
            after = Some(token);
            break;
        }
    }
    if used.relation.alias.is_some() {
        splice.replace(span, table);
        return Ok(());
    }
    let alias = format!("{table} AS {}", quoted(&used.relation.name.name));
    if after.is_some_and(|t| t.kind == TokenKind::Star) {
        return Err(unable(format!(
            "\"{} *\" leaves no place for an alias.",
            display(&used.relation.name)
        )));
    }
    match (before, after) {
        // `TABLE t` takes no alias.
        (Some(word), _) if is_word(reading.text, &word, "table") => splice.replace(
            Span {
                start: word.span.start,
                end: span.end,
            },
            format!("SELECT * FROM {alias}"),
        ),
        // `ONLY (t)`: the alias stands behind the parentheses.
        (Some(open), Some(close))
            if used.relation.only
                && open.kind == TokenKind::LeftParen
                && close.kind == TokenKind::RightParen =>
        {
            splice.replace(
                Span {
                    start: open.span.start,
                    end: close.span.end,
                },
                alias,
            );
        }
        _ => splice.replace(span, alias),
    }
    Ok(())
}

/// The shards outside of which no row of any relation counts.
fn targets(reading: &Reading<'_>) -> Option<Targets> {
    let mut parts: Vec<Targets> = Vec::new();
    for (at, place) in reading.places.iter().enumerate() {
        let more = match place {
            Place::Sharded { .. } => reading.targets(at),
            Place::Shard(shard) => Targets::Shards(vec![*shard]),
            Place::Catalog => Targets::Shards(vec![FIRST]),
            Place::Reference => continue,
        };
        if more == Targets::All {
            return None;
        }
        if !parts.contains(&more) {
            parts.push(more);
        }
    }
    Some(match parts.len() {
        1 => parts.remove(0),
        _ => Targets::Union(parts),
    })
}

/// That nothing in the statement would be another thing on the scratch server, over temporary tables.
fn same_there(
    reading: &Reading<'_>,
    statement: &Statement,
    scratch: ShardId,
) -> Result<(), Refusal> {
    if reading.text.contains(TEMPORARY) || statement.span.is_empty() {
        return Err(unable(format!(
            "The text contains the word \"{TEMPORARY}\"."
        )));
    }
    if select::locks_rows(statement) {
        return Err(Refusal::new(
            Reason::WriteOverShards,
            "A locking clause is about rows of several shards that have to be read together.",
        )
        .with_hint("Lock the rows by a statement of their own, in the same transaction, and without LIMIT if it says SKIP LOCKED or NOWAIT."));
    }
    if scratch != FIRST && reading.places.contains(&Place::Catalog) {
        return Err(reading.mixed());
    }
    about_one_server(reading, statement).map_or(Ok(()), Err)
}

/// Why an expression of a statement would be another one on another server.
pub(super) fn about_one_server(reading: &Reading<'_>, statement: &Statement) -> Option<Refusal> {
    let mut found = None;
    walk::statement(statement, &mut |met| {
        let Met::Expr(e) = met else { return };
        let refusal = match &e.kind {
            ExprKind::Column { name, .. } if is_system_column(name) => Refusal::new(
                Reason::SystemColumn,
                format!("\"{name}\" is about the place of a row on one server."),
            ),
            ExprKind::Cast { to, .. } if is_registry(to) => Refusal::new(
                Reason::Function,
                format!("A cast to {to} is about one server."),
            ),
            ExprKind::Call(call) => {
                let why = match nature(call, reading.catalog, reading.search_path) {
                    Nature::Pure | Nature::Clock | Nature::PerRow => return,
                    Nature::Server if is_alike(&call.name.name) => return,
                    Nature::Server => "is about one server",
                    Nature::History => "depends on what the session did before, on one server",
                    Nature::Opaque
                        if called::home(reading, call) == Some(Called::Anywhere)
                            && !select::changes_rows(statement) =>
                    {
                        return;
                    }
                    Nature::Opaque => "is not known to look at its arguments only",
                };
                Refusal::new(
                    Reason::Function,
                    format!("\"{}\" {why}.", display(&call.name)),
                )
            }
            _ => return,
        };
        found.get_or_insert(refusal);
    });
    found
}
