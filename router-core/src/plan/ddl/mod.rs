//! Statements known by their first words: DDL, `VACUUM`, `GRANT`, `DO`, `CALL`; and `LOCK`.
//!
//! A schema is the same on all shards, except for tables that live whole on one. So what is about sharded and reference
//! tables, and whatever is about no table, is done on all shards in one transaction; what is about tables of one shard,
//! there.
//!
//! | file | |
//! |---|---|
//! | `place` | on which shards a thing of the schema is |
//! | `temporary` | temporary tables |
//! | `alter` | `ALTER TABLE` |
//! | `index` | `CREATE INDEX` |
//! | `table` | constraints that shards would have to keep together |
//! | `sequence` | sequences that hand out different numbers |
//! | `made` | tables and views made from a query |
//! | `routine` | routines in SQL whose bodies name tables of one shard |
//! | `several` | relations that live in different places, named together |

mod alter;
mod index;
mod made;
mod place;
mod routine;
mod sequence;
mod several;
mod table;
mod temporary;

pub(super) use table::name as named;
pub(super) use temporary::makes_temporary;

use self::alter::{COUNTS, alter_table, keeps_names};
use self::index::create_index;
use self::place::{Where, home, known, place_is_listed, stranger};
use self::temporary::{in_temporary_schema, is_temporary, no_table, temporary};
use super::names::{self, Place};
use super::words::{Word, words};
use super::{Merge, Reason, Refusal, Route, Target, Targets};
use crate::id::ShardId;
use crate::sql::lexer::Options;
use crate::sql::statement::{Name, Relation, Utility};
use crate::topology::{Catalog, Topology};

/// What is asked of the surroundings.
pub(super) struct Around<'a> {
    pub(super) topology: &'a Topology,
    pub(super) catalog: &'a Catalog,
    pub(super) search_path: &'a [String],
    /// Whether constraints may be kept by each shard for itself: the user says so.
    pub(super) per_shard: bool,
    pub(super) text: &'a str,
    pub(super) options: Options,
}

/// A plan holds for this text only when the text is in it.
pub(super) fn over_shards(
    around: &Around<'_>,
    u: &Utility,
    exact: &mut bool,
) -> Result<Route, Refusal> {
    let words = words(around.text, around.options);
    let command = u.command.as_str();
    if is_temporary(u, &words) {
        return temporary(around, u, &words, exact);
    }
    if command.starts_with("CREATE") && in_temporary_schema(&words) {
        return Err(no_table());
    }
    match command {
        "DO" | "CALL" => {
            let refusal = Refusal::new(
                Reason::Function,
                format!("{command} runs statements that the router does not see."),
            );
            return Err(match command {
                "DO" => refusal.with_hint("A block of definitions alone (CREATE, ALTER, DROP), perhaps behind IF [NOT] EXISTS (SELECT … FROM pg_catalog …) or with handlers for duplicate_… and undefined_…, is run on all shards. Otherwise say where it goes: SET shunt.shard = '...'."),
                _ => refusal.with_hint("Say on which shard it is called, of which alone it sees the rows: SET shunt.key = '...' or SET shunt.shard = '...', or a leading comment /* shunt: key=... */."),
            });
        }
        _ if ["CREATE", "ALTER", "DROP"]
            .iter()
            .any(|w| command.starts_with(w))
            && [
                "DATABASE",
                "TABLESPACE",
                "SYSTEM",
                "SUBSCRIPTION",
                "SERVER",
                "USER MAPPING",
                "FOREIGN TABLE",
                "EVENT TRIGGER",
            ]
            .iter()
            .any(|w| command.ends_with(w)) =>
        {
            return Err(all_shards(format!("{command} is about one server.")));
        }
        "CREATE VIEW" | "CREATE MATERIALIZED VIEW" => return made::view(around, u, &words),
        "CREATE TABLE" => return create_table(around, u, &words, exact),
        "ALTER TABLE" => return alter_table(around, u, &words, exact),
        "CREATE INDEX" => return create_index(around, u, &words),
        "CREATE FUNCTION" | "CREATE PROCEDURE" => {
            if let Some(route) = routine::route(around, u, &words) {
                *exact = true;
                return Ok(route);
            }
        }
        "CREATE SEQUENCE" => {
            *exact = true;
            if let Some(owner) = owner(&words)
                && let Where::One(shard) = home(around, &owner)?
            {
                return on_one(around, shard, command, &[]);
            }
            let name = u.relations.first().ok_or_else(|| unnamed(command))?;
            return Ok(sequence::alone(around, name.span.of(around.text)));
        }
        "ALTER SEQUENCE" => {
            let counts =
                |w: &&Word| w.is("restart") || w.is("as") || COUNTS.iter().any(|c| w.is(c));
            if let Some(word) = words.iter().find(counts) {
                return Err(all_shards(format!(
                    "{} would have to be another number on each shard.",
                    word.text.to_uppercase()
                )));
            }
            if words.windows(2).any(|w| w[0].is("owned") && w[1].is("by")) {
                let name = u.relations.first().ok_or_else(|| unnamed(command))?;
                return sequence::owned(around, name, owner(&words).as_ref(), exact);
            }
        }
        _ => {}
    }
    keeps_names(around, u, &words)?;
    let merge = match alone(command, u, &words) {
        true => Merge::OneByOne,
        false => Merge::Copies,
    };
    let mut relations: Vec<Name> = u.relations.iter().map(|r| r.name.clone()).collect();
    if let Some(column) = column_of_comment(command, &words) {
        relations.push(column);
    }
    if relations.is_empty() {
        return everywhere(merge);
    }
    if merge == Merge::Copies
        && let Some(route) = several::route(around, command, &u.relations, &words)?
    {
        *exact = true;
        return Ok(route);
    }
    of_names(around, &relations, command, merge)
}

/// That the rows of a table to be made are not those of an `EXECUTE`, which the session carries out, not a server.
fn made_by_execute(rest: &[Word]) -> Result<(), Refusal> {
    let executes = |w: &[Word]| w[0].depth == 0 && w[0].is("as") && w[1].is("execute");
    match rest.windows(2).any(executes) {
        true => Err(Refusal::new(
            Reason::SessionStatement,
            "CREATE TABLE of the rows of a prepared statement.",
        )
        .with_hint("Write the statement itself behind AS.")),
        false => Ok(()),
    }
}

/// The table that one to be made is a partition of, or inherits from.
fn above(rest: &[Word]) -> Option<Name> {
    rest.windows(2)
        .position(|w| w[0].is("partition") && w[1].is("of"))
        .map(|at| at + 2)
        .or_else(|| {
            let inherits = rest.iter().position(|w| w.depth == 0 && w.is("inherits"))?;
            Some(inherits + 2)
        })
        .and_then(|at| table::name(rest, at))
        .map(|(name, _)| name)
}

/// The table of `OWNED BY table.column`.
fn owner(words: &[Word]) -> Option<Name> {
    let at = words
        .windows(2)
        .position(|w| w[0].is("owned") && w[1].is("by"))?;
    let parts: Vec<&Word> = words[at + 2..]
        .iter()
        .take_while(|w| w.name || w.is("."))
        .filter(|w| w.name)
        .collect();
    let (schema, table) = match parts[..] {
        [schema, table, _] => (Some(schema), table),
        [table, _] => (None, table),
        _ => return None,
    };
    Some(Name {
        schema: schema.map(|w| w.text.clone()),
        name: table.text.clone(),
    })
}

/// What PostgreSQL does not do inside a transaction.
fn alone(command: &str, u: &Utility, words: &[Word]) -> bool {
    match command {
        "VACUUM" => true,
        "REINDEX DATABASE" | "REINDEX SYSTEM" | "REINDEX SCHEMA" => true,
        "CLUSTER" => u.relations.is_empty(),
        _ if command.ends_with("INDEX") => u.concurrently,
        "REINDEX TABLE" => u.concurrently,
        "ALTER TABLE" => words.iter().any(|w| w.is("concurrently")),
        _ => false,
    }
}

fn everywhere(merge: Merge) -> Result<Route, Refusal> {
    Ok(Route::Scatter {
        targets: Targets::All,
        merge,
    })
}

/// `COMMENT ON COLUMN table.column`.
fn column_of_comment(command: &str, words: &[Word]) -> Option<Name> {
    if command != "COMMENT ON COLUMN" && !(command == "COMMENT" && words.get(2)?.is("column")) {
        return None;
    }
    let parts: Vec<&Word> = words
        .iter()
        .skip(3)
        .take_while(|w| !w.is("is"))
        .filter(|w| w.name)
        .collect();
    match parts[..] {
        [table, _] => Some(Name {
            schema: None,
            name: table.text.clone(),
        }),
        [schema, table, _] => Some(Name {
            schema: Some(schema.text.clone()),
            name: table.text.clone(),
        }),
        _ => None,
    }
}

/// `LOCK TABLE`.
pub(super) fn lock(
    around: &Around<'_>,
    relations: &[Relation],
    exact: &mut bool,
) -> Result<Route, Refusal> {
    let words = words(around.text, around.options);
    if let Some(route) = several::route(around, "LOCK TABLE", relations, &words)? {
        *exact = true;
        return Ok(route);
    }
    let names: Vec<Name> = relations.iter().map(|r| r.name.clone()).collect();
    of_names(around, &names, "LOCK TABLE", Merge::Copies)
}

/// A statement about relations that are all on every shard, or all on one.
///
/// Proof: every shard that has a relation of the statement runs it, and finds there what one server would find: the
/// relations' schema, and for `TRUNCATE` their rows, of which each shard has its own.
fn of_names(
    around: &Around<'_>,
    relations: &[Name],
    command: &str,
    merge: Merge,
) -> Result<Route, Refusal> {
    of_names_but(around, relations, command, merge, &[])
}

/// The same, where foreign keys have been looked at already.
fn of_names_but(
    around: &Around<'_>,
    relations: &[Name],
    command: &str,
    merge: Merge,
    asked: &[table::Asked],
) -> Result<Route, Refusal> {
    let mut found: Option<Where> = None;
    for name in relations {
        let here = home(around, name)?;
        if found.is_some_and(|f| f != here) {
            return Err(Refusal::new(
                Reason::MixedHomes,
                format!(
                    "\"{}\" lives on other shards than the tables before it.",
                    names::display(name)
                ),
            )
            .with_hint("Use one statement for each of them."));
        }
        found = Some(here);
    }
    match found {
        None | Some(Where::All) => everywhere(merge),
        Some(Where::One(shard)) => on_one(around, shard, command, asked),
    }
}

/// The route of a definition of what lives on one shard.
fn on_one(
    around: &Around<'_>,
    home: ShardId,
    command: &str,
    asked: &[table::Asked],
) -> Result<Route, Refusal> {
    match stranger(around, home, command, asked) {
        Some(name) => Err(all_shards(format!(
            "{command} is about a table of shard \"{}\", and also names \"{name}\", which that shard does not have whole.",
            around.topology.shard(home).name
        ))
        .with_hint("Make the table that it names a reference table, or let both live on one shard.")),
        None => Ok(Route::Single(Target::Shard(home))),
    }
}

/// Where the query begins whose rows a statement makes a table of.
pub(super) fn query_of(u: &Utility, text: &str, options: Options) -> Option<u32> {
    let name = u
        .relations
        .first()
        .filter(|_| u.command == "CREATE TABLE")?;
    let words = words(text, options);
    let after = words.iter().position(|w| w.span.start >= name.span.end)?;
    let rest = &words[after..];
    Some(rest[made::query_at(rest)?].span.start)
}

/// A name that begins with `pg_`, of a table to be made: it is in the first schema of the search path, as any other, while no such
/// table is there to be looked up.
fn made_in(around: &Around<'_>, name: &Name) -> Name {
    let first = around
        .search_path
        .iter()
        .find(|schema| !schema.starts_with(['$', 'p']) || *schema == "public");
    match (&name.schema, first) {
        (None, Some(schema)) if name.name.starts_with("pg_") => Name {
            schema: Some(schema.clone()),
            name: name.name.clone(),
        },
        _ => name.clone(),
    }
}

fn create_table(
    around: &Around<'_>,
    u: &Utility,
    words: &[Word],
    exact: &mut bool,
) -> Result<Route, Refusal> {
    let relation = u.relations.first().ok_or_else(|| unnamed("CREATE TABLE"))?;
    let name = &relation.name;
    let after = words
        .iter()
        .position(|w| w.span.start >= relation.span.end)
        .unwrap_or(words.len());
    let rest = &words[after..];
    if let Some(at) = made::query_at(rest) {
        return made::table(around, name, rest[at].span.start, exact);
    }
    made_by_execute(rest)?;
    // A partition or child is where the table above it is.
    let above = above(rest);
    let inherits = rest.iter().any(|w| w.depth == 0 && w.is("inherits"));
    let place = |name| names::place(around.topology, around.catalog, around.search_path, name);
    let made = made_in(around, name);
    let own = place(&made);
    let place = match &above {
        Some(above) => place(above)?,
        None => own.clone()?,
    };
    // Unlike a partition it is a table of its own, which is looked for where its own name says.
    if inherits && matches!(place, Place::Shard(_)) && own != Ok(place) {
        let name = names::display(name);
        return Err(Refusal::new(
            Reason::MixedHomes,
            format!("\"{name}\" would not live where the table does that it inherits from."),
        )
        .with_hint(format!(
            "List \"{name}\" in [[databases.tables]] with the same shard, reload, and make it then.",
        )));
    }
    let mut asked = Vec::new();
    if let Some(open) = rest.iter().position(|w| w.depth == 0 && w.is("(")) {
        let inside: Vec<Word> = rest[open + 1..]
            .iter()
            .take_while(|w| w.depth > 0)
            .cloned()
            .collect();
        let elements = table::elements(&inside);
        for element in &elements {
            table::element(element, &mut asked);
        }
        let from_elsewhere = above.is_some()
            || rest.first().is_some_and(|w| w.is("of"))
            || elements.iter().any(|e| e[0].is("like"));
        if !from_elsewhere {
            table::has_key(name, place, &asked)?;
        }
    }
    table::kept(around, name, place, &asked)?;
    match place {
        Place::Shard(shard) => on_one(around, shard, "CREATE TABLE", &asked),
        Place::Sharded { .. } => with_sequences(around, relation, &asked, "CREATE TABLE", exact),
        Place::Reference => everywhere(Merge::Copies),
        Place::Catalog => Err(all_shards("A system catalog cannot be made.".into())),
    }
}

/// All shards run it, and count in steps where it makes sequences.
fn with_sequences(
    around: &Around<'_>,
    relation: &Relation,
    asked: &[table::Asked],
    tag: &str,
    exact: &mut bool,
) -> Result<Route, Refusal> {
    let columns: Vec<(&str, bool)> = asked
        .iter()
        .filter_map(|a| match a {
            table::Asked::Sequence(column) => Some((column.as_str(), false)),
            table::Asked::Identity(column) => Some((column.as_str(), true)),
            _ => None,
        })
        .collect();
    if columns.is_empty() {
        return everywhere(Merge::Copies);
    }
    *exact = true;
    let name = relation.span.of(around.text);
    Ok(sequence::of_columns(around, name, &columns, tag))
}

fn unnamed(command: &str) -> Refusal {
    Refusal::new(Reason::NotRead, format!("{command} without a name."))
}

fn all_shards(detail: String) -> Refusal {
    Refusal::new(Reason::AllShardsSchema, detail)
}
