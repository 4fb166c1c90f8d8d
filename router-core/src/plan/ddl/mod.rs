//! Statements known by their first words: DDL, `VACUUM`, `GRANT`, `DO`, `CALL`; and `LOCK`.
//!
//! A schema is the same on all shards, except for tables that live whole on one. So what is about sharded and reference
//! tables, and whatever is about no table, is done on all shards in one transaction; what is about tables of one shard,
//! there.
//!
//! | file | |
//! |---|---|
//! | `table` | constraints that shards would have to keep together |
//! | `sequence` | sequences that hand out different numbers |
//! | `made` | tables and views made from a query |
//! | `routine` | routines in SQL whose bodies name tables of one shard |
//! | `several` | relations that live in different places, named together |

mod made;
mod routine;
mod sequence;
mod several;
mod table;

pub(super) use table::name as named;

use super::names::{self, Place};
use super::words::{Word, words};
use super::{Merge, Reason, Refusal, Route, Target, Targets};
use crate::id::ShardId;
use crate::sql::lexer::Options;
use crate::sql::statement::{Name, Relation, Utility};
use crate::topology::catalog::{Known, RelationKind};
use crate::topology::{Catalog, Home, Topology};

/// What says how a sequence counts.
const COUNTS: &[&str] = &[
    "increment",
    "start",
    "maxvalue",
    "minvalue",
    "cycle",
    "cache",
];

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

/// Whether a statement makes a table that is temporary.
pub(super) fn makes_temporary(u: &Utility, text: &str, options: Options) -> bool {
    u.temporary && u.command == "CREATE TABLE" && is_temporary(u, &words(text, options))
}

/// Whether what a statement makes is temporary.
fn is_temporary(u: &Utility, words: &[Word]) -> bool {
    let temporary = ["temp", "temporary", "local", "global"];
    let said = words
        .iter()
        .take(4)
        .skip(1)
        .any(|w| temporary.iter().any(|t| w.is(t)));
    let in_schema = u.command != "CREATE INDEX"
        && u.relations
            .first()
            .and_then(|r| r.name.schema.as_deref())
            .is_some_and(|schema| schema == names::TEMPORARY);
    u.command.starts_with("CREATE") && u.temporary && (said || in_schema)
}

/// Whether what a statement makes is called `pg_temp.name`: a function, a type.
fn in_temporary_schema(words: &[Word]) -> bool {
    let head = words.split(|w| w.is("(") || w.is("as") || w.is("on"));
    head.take(1).any(|head| {
        head.windows(2)
            .any(|w| w[0].text == names::TEMPORARY && w[1].is("."))
    })
}

fn no_table() -> Refusal {
    Refusal::new(
        Reason::SessionStatement,
        "What it makes is temporary, and no table.",
    )
}

/// A temporary table is on one shard, on a connection that stays with its client.
fn temporary(
    around: &Around<'_>,
    u: &Utility,
    words: &[Word],
    exact: &mut bool,
) -> Result<Route, Refusal> {
    let refused = |detail: &str| Refusal::new(Reason::SessionStatement, detail);
    if u.command != "CREATE TABLE" {
        return Err(no_table());
    }
    let home = around.topology.temporary_home();
    let relation = u.relations.first().ok_or_else(|| unnamed("CREATE TABLE"))?;
    let after = words
        .iter()
        .position(|w| w.span.start >= relation.span.end)
        .unwrap_or(words.len());
    let rest = &words[after..];
    if let Some(above) = above(rest)
        && !matches!(
            around.catalog.relation(names::TEMPORARY, &above.name),
            Known::Is(_)
        )
    {
        return Err(refused(
            "It would hold rows of a table that is not temporary, seen by one session alone.",
        ));
    }
    match made::query_at(rest) {
        Some(at) => made::table_on(around, home, rest[at].span.start, exact),
        None => made_by_execute(rest).map(|()| Route::Single(Target::Shard(home))),
    }
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

/// Where a relation is, for a statement about its schema: an index or an owned sequence where its table is.
fn home(around: &Around<'_>, name: &Name) -> Result<Where, Refusal> {
    if let Some(relation) = known(around, name) {
        match relation.kind {
            RelationKind::Index | RelationKind::Sequence => {
                // A partitioned index is part of another one.
                let table = relation.uses.relations.iter().find(|used| {
                    let known = around.catalog.relation(&used.schema, &used.name).is();
                    known.is_some_and(|r| !matches!(r.kind, RelationKind::Index))
                });
                return match table {
                    Some(table) => {
                        let table = Name {
                            schema: Some(table.schema.clone()),
                            name: table.name.clone(),
                        };
                        place(around, &table)
                    }
                    // A sequence of its own was made on all shards.
                    None => Ok(Where::All),
                };
            }
            RelationKind::View => {
                let mut found: Option<Where> = None;
                for used in &relation.uses.relations {
                    let used = Name {
                        schema: Some(used.schema.clone()),
                        name: used.name.clone(),
                    };
                    let place = place(around, &used)?;
                    match found {
                        Some(Where::One(_)) => {}
                        _ => found = Some(place),
                    }
                }
                return Ok(found.unwrap_or(Where::All));
            }
            _ => {}
        }
    }
    place(around, name)
}

fn known<'c>(around: &Around<'c>, name: &Name) -> Option<&'c crate::topology::catalog::Relation> {
    match &name.schema {
        Some(schema) => around.catalog.relation(schema, &name.name).is(),
        None => {
            around
                .search_path
                .iter()
                .find_map(|s| match around.catalog.relation(s, &name.name) {
                    Known::Is(relation) => Some(relation),
                    _ => None,
                })
        }
    }
}

/// On which shards a thing of the schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    All,
    One(ShardId),
}

fn place(around: &Around<'_>, name: &Name) -> Result<Where, Refusal> {
    let found = names::place(around.topology, around.catalog, around.search_path, name);
    match found {
        Ok(Place::Shard(id)) => Ok(Where::One(id)),
        Ok(Place::Sharded { .. } | Place::Reference) => Ok(Where::All),
        Ok(Place::Catalog) => Err(all_shards(format!(
            "\"{}\" is a system catalog of every shard.",
            names::display(name)
        ))),
        // A partition or child of a sharded table is where that is.
        Err(refusal) if refusal.reason == Reason::View => match known(around, name) {
            Some(relation)
                if !relation.uses.relations.is_empty()
                    && relation.uses.relations.iter().any(|used| {
                        matches!(
                            around.topology.listed(&used.schema, &used.name),
                            Some(Home::Sharded { .. } | Home::Reference)
                        )
                    }) =>
            {
                Ok(Where::All)
            }
            _ => Err(refusal),
        },
        Err(refusal) => Err(refusal),
    }
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
    let own = place(name);
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

fn alter_table(
    around: &Around<'_>,
    u: &Utility,
    words: &[Word],
    exact: &mut bool,
) -> Result<Route, Refusal> {
    let Some(relation) = u.relations.first() else {
        return everywhere(Merge::Copies);
    };
    let name = &relation.name;
    let place = match names::place(around.topology, around.catalog, around.search_path, name) {
        Ok(place) => place,
        Err(_) => {
            if words
                .windows(2)
                .any(|w| w[0].is("no") && w[1].is("inherit"))
            {
                return Err(unlisted(name));
            }
            return of_names(
                around,
                std::slice::from_ref(name),
                "ALTER TABLE",
                Merge::Copies,
            );
        }
    };
    let after = words
        .iter()
        .position(|w| w.span.start >= relation.span.end)
        .unwrap_or(words.len());
    let mut asked = Vec::new();
    for action in table::elements(&words[after..]) {
        alter(around, name, place, action, &mut asked)?;
    }
    table::kept(around, name, place, &asked)?;
    match place {
        Place::Sharded { .. } => with_sequences(around, relation, &asked, "ALTER TABLE", exact),
        _ => {
            let merge = match alone("ALTER TABLE", u, words) {
                true => Merge::OneByOne,
                false => Merge::Copies,
            };
            let table = std::slice::from_ref(name);
            of_names_but(around, table, "ALTER TABLE", merge, &asked)
        }
    }
}

/// One action of `ALTER TABLE`.
fn alter(
    around: &Around<'_>,
    table: &Name,
    place: Place<'_>,
    action: &[Word],
    asked: &mut Vec<table::Asked>,
) -> Result<(), Refusal> {
    let key: &[String] = match place {
        Place::Sharded { key, .. } => key,
        _ => &[],
    };
    let is = |at: usize, word: &str| action.get(at).is_some_and(|w| w.is(word));
    if is(0, "add") {
        let mut at = 1;
        if is(at, "column") {
            at += 1;
        }
        if is(at, "if") {
            at += 3;
        }
        let from = asked.len();
        table::element(&action[at.min(action.len())..], asked);
        let numbered = asked[from..]
            .iter()
            .any(|a| matches!(a, table::Asked::Sequence(_)));
        let each = matches!(place, Place::Reference) && numbered;
        if matches!(place, Place::Sharded { .. } | Place::Reference)
            && (each || varies(around, action))
        {
            return Err(all_shards(
                "The rows that are there would get other values on each shard.".into(),
            )
            .with_hint("Add the column without a default, then set the default, then give the rows their values by UPDATE."));
        }
        return Ok(());
    }
    if is(0, "attach")
        && let Some((partition, _)) = table::name(action, 2)
    {
        // It was made before anybody could know what it becomes.
        let there = self::place(around, &partition)?;
        if there != self::place(around, table)? {
            return Err(Refusal::new(
                Reason::MixedHomes,
                format!(
                    "\"{}\" does not live where \"{}\" does.",
                    names::display(&partition),
                    names::display(table)
                ),
            )
            .with_hint(format!(
                "List \"{}\" in [[databases.tables]] as \"{}\" is, reload, and make it again; or make it by CREATE TABLE ... PARTITION OF, which needs no entry.",
                names::display(&partition),
                names::display(table)
            )));
        }
    }
    if is(0, "detach")
        && let Some((partition, _)) = table::name(action, 2)
        && !matches!(place, Place::Shard(shard) if around.topology.default_shard == Some(shard))
        && !place_is_listed(around, &partition)
    {
        return Err(unlisted(&partition));
    }
    let listed = place_is_listed(around, table);
    if listed && (is(0, "rename") && is(1, "to") || is(0, "set") && is(1, "schema")) {
        return Err(all_shards(
            "The table would have another name than in the configuration.".into(),
        )
        .with_hint("List the table by its new name first (RELOAD), and rename it on each shard (SET shunt.shard) while nobody uses it; whoever renames it alone has a table that is not listed."));
    }
    if matches!(place, Place::Sharded { .. } | Place::Reference)
        && is(0, "alter")
        && action.iter().any(|w| w.is("type"))
        && let Some(using) = action.iter().position(|w| w.is("using"))
        && differs(around, &action[using + 1..])
    {
        return Err(
            all_shards("The rows that are there would get other values on each shard.".into())
                .with_hint("Change the type by an expression of the row alone, then give the rows their values by UPDATE."),
        );
    }
    let column = action.iter().find(|w| w.name && key.contains(&w.text));
    let changes = is(0, "drop") && !is(1, "constraint")
        || is(0, "rename")
        || is(0, "alter") && action.iter().any(|w| w.is("type"));
    match column {
        Some(column) if changes => Err(all_shards(format!(
            "\"{}\" belongs to the sharding key.",
            column.text
        ))),
        _ if is(0, "alter") && !key.is_empty() => {
            let column = usize::from(is(1, "column")) + 1;
            let says = |word: &str| action[column..].iter().any(|w| w.is(word));
            let counts = |w: &[Word]| w[0].is("set") && COUNTS.iter().any(|c| w[1].is(c));
            if says("restart") || action.windows(2).any(counts) {
                return Err(all_shards(
                    "The numbers of an identity column would have to be others on each shard."
                        .into(),
                ));
            }
            if let Some(name) = action.get(column)
                && is(column + 1, "add")
                && says("identity")
            {
                asked.push(table::Asked::Identity(name.text.clone()));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether the default of a new column may be another value on each shard.
fn varies(around: &Around<'_>, action: &[Word]) -> bool {
    action
        .iter()
        .position(|w| w.is("default"))
        .is_some_and(|at| differs(around, &action[at..]))
}

/// Whether an expression may be another value on each shard.
fn differs(around: &Around<'_>, expression: &[Word]) -> bool {
    expression.iter().enumerate().any(|(at, w)| {
        // A type behind a cast may have a length in parentheses.
        let cast = at > 0 && (expression[at - 1].is("::") || expression[at - 1].is("as"));
        let called = !cast && expression.get(at + 1).is_some_and(|next| next.is("("));
        let clock = ["current_", "localtime"]
            .iter()
            .any(|p| w.plain && w.text.starts_with(p));
        let moment = !w.name && super::moment::is_moment(w.span.of(around.text).trim_matches('\''));
        clock || moment || w.name && called && !super::function::is_pure(&w.text)
    })
}

/// That tables keep the names by which they are listed. PostgreSQL takes `ALTER INDEX`, `ALTER VIEW` and their like for tables, too.
fn keeps_names(around: &Around<'_>, u: &Utility, words: &[Word]) -> Result<(), Refusal> {
    let says = |first: &str, second: &str| {
        let mut pairs = words.windows(2);
        pairs.any(|w| w[0].depth == 0 && w[0].is(first) && w[1].is(second))
    };
    let renames = u.command.starts_with("ALTER") && (says("rename", "to") || says("set", "schema"));
    let listed = match (u.command.as_str(), words.get(2)) {
        ("ALTER SCHEMA", Some(schema)) => {
            let mut tables = around.topology.tables.iter();
            tables.any(|(listed, _)| listed.schema == schema.text)
        }
        _ => {
            let mut relations = u.relations.iter();
            relations.any(|r| place_is_listed(around, &r.name))
        }
    };
    match renames && listed {
        true => Err(all_shards(
            "The table would have another name than in the configuration.".into(),
        )),
        false => Ok(()),
    }
}

/// The refusal of what makes a table of its own of one that no entry names.
fn unlisted(name: &Name) -> Refusal {
    let name = names::display(name);
    all_shards(format!(
        "\"{name}\" would be a table of its own, of which the configuration does not say where its rows are."
    ))
    .with_hint(format!(
        "List \"{name}\" in [[databases.tables]] as the table above it is, and reload first."
    ))
}

fn place_is_listed(around: &Around<'_>, name: &Name) -> bool {
    match &name.schema {
        Some(schema) => around.topology.listed(schema, &name.name).is_some(),
        None => around
            .search_path
            .iter()
            .any(|s| around.topology.listed(s, &name.name).is_some()),
    }
}

fn create_index(around: &Around<'_>, u: &Utility, words: &[Word]) -> Result<Route, Refusal> {
    let relation = u.relations.first().ok_or_else(|| unnamed("CREATE INDEX"))?;
    let name = &relation.name;
    let unique = words.get(1).is_some_and(|w| w.is("unique"));
    if unique
        && let Ok(place @ Place::Sharded { .. }) =
            names::place(around.topology, around.catalog, around.search_path, name)
    {
        let after = words.iter().position(|w| w.span.start >= relation.span.end);
        let open = after.and_then(|after| {
            words[after..]
                .iter()
                .position(|w| w.depth == 0 && w.is("("))
                .map(|n| after + n)
        });
        let columns: Vec<String> = open.map_or(Vec::new(), |open| {
            let inside: Vec<Word> = words[open + 1..]
                .iter()
                .take_while(|w| w.depth > 0)
                .cloned()
                .collect();
            table::elements(&inside)
                .iter()
                // An expression of the key is not the key; words behind a column say how it is ordered, but a collation
                // may say that different texts are equal.
                .filter(|e| e[0].name && e.get(1).is_none_or(|w| w.name) && !collates(e))
                .map(|e| e[0].text.clone())
                .collect()
        });
        table::kept(around, name, place, &[table::Asked::Unique(columns)])?;
    }
    let merge = match u.concurrently {
        true => Merge::OneByOne,
        false => Merge::Copies,
    };
    of_names(around, std::slice::from_ref(name), "CREATE INDEX", merge)
}

/// Whether a column of an index has a collation in which different texts may be equal.
fn collates(element: &[Word]) -> bool {
    let collation = element.iter().position(|w| w.is("collate"));
    collation.is_some_and(|at| {
        let bytes = ["C", "POSIX", "default"];
        !element
            .get(at + 1)
            .is_some_and(|name| bytes.contains(&name.text.as_str()))
    })
}

/// A name in the text that is listed, and that `home` does not have whole. Foreign keys have been looked at already, new
/// columns may be called as they like, and `LIKE` takes a definition only.
///
/// Proof: a definition of a table of one shard finds there what one server would find of whatever is whole on that shard,
/// a reference table's copy among it. What the definition would change, or be part of, has to live there alone: the
/// actions of a rule change tables, a child has rows of the table above it, and a new name is that of another table.
fn stranger(
    around: &Around<'_>,
    home: ShardId,
    command: &str,
    asked: &[table::Asked],
) -> Option<String> {
    let words = words(around.text, around.options);
    let inherits = words.iter().position(|w| w.depth == 0 && w.is("inherits"));
    words.iter().enumerate().find_map(|(at, word)| {
        let behind = |before: &str| at > 0 && words[at - 1].is(before);
        if !word.name || behind("like") {
            return None;
        }
        let seen = asked.iter().any(|a| match a {
            table::Asked::Foreign { table, .. } => table.name == word.text,
            table::Asked::Column { name, .. } => *name == word.text,
            _ => false,
        });
        let copied = command != "CREATE RULE"
            && !behind("to")
            && !behind("inherit")
            && inherits.is_none_or(|inherits| at < inherits);
        let mut listed = around.topology.tables.iter();
        let elsewhere = listed.any(|(listed, place)| {
            listed.name == word.text
                && match place {
                    Home::Pinned(shard) => *shard != home,
                    Home::Reference => !copied,
                    Home::Sharded { .. } => true,
                }
        });
        // A temporary table of that name is what is meant.
        let hidden = around
            .search_path
            .first()
            .is_some_and(|first| first == names::TEMPORARY)
            && matches!(
                around.catalog.relation(names::TEMPORARY, &word.text),
                Known::Is(_)
            );
        (elsewhere && !seen && !hidden).then(|| word.text.clone())
    })
}

fn unnamed(command: &str) -> Refusal {
    Refusal::new(Reason::NotRead, format!("{command} without a name."))
}

fn all_shards(detail: String) -> Refusal {
    Refusal::new(Reason::AllShardsSchema, detail)
}
