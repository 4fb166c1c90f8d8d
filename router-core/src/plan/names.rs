//! Where the relations that a statement names live.

use super::function::is_pure;
use super::{Reason, Refusal, key_column};
use crate::id::{PlacementId, ShardId};
use crate::sql::statement::Name;
use crate::topology::catalog::{Column, Known, Relation, RelationKind, Volatility};
use crate::topology::{Catalog, Home, TableName, Topology};
use crate::value::KeyType;

/// Where one relation lives, as the planner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'t> {
    /// Rows spread by key.
    Sharded {
        /// The key's columns.
        key: &'t [String],
        /// By which placement.
        placement: PlacementId,
    },
    /// A copy on every shard.
    Reference,
    /// On one shard, whole.
    Shard(ShardId),
    /// A system catalog: each server has its own; the first shard's is shown.
    Catalog,
}

/// The shard whose system catalogs are shown, and whose locks and sequences stand for the database's.
pub(super) const FIRST: ShardId = ShardId(0);

/// The schema of a session's temporary tables, as it can be asked for.
pub const TEMPORARY: &str = "pg_temp";

/// Where `name` lives.
pub(super) fn place<'t>(
    topology: &'t Topology,
    catalog: &Catalog,
    search_path: &[String],
    name: &Name,
) -> Result<Place<'t>, Refusal> {
    if let Some(schema) = &name.schema {
        if is_system_schema(schema) {
            return system(topology, name);
        }
        return match topology.listed(schema, &name.name) {
            Some(home) => at_home(topology, catalog, schema, name, home),
            None => unlisted(topology, catalog, Some(schema), name),
        };
    }
    let of_system = name.name.starts_with("pg_") && !is_users(topology, catalog, search_path, name);
    // `pg_catalog` comes before every schema of the path that does not name it.
    if of_system && !search_path.iter().any(|s| s == "pg_catalog") {
        return system(topology, name);
    }
    let mut earlier: Option<&str> = None;
    for schema in search_path {
        if is_system_schema(schema) {
            if of_system || schema == "information_schema" {
                return system(topology, name);
            }
            continue;
        }
        if let Some(home) = topology.listed(schema, &name.name) {
            return match earlier {
                None => at_home(topology, catalog, schema, name, home),
                // A table of that name may be in the earlier schema, unlisted.
                Some(earlier) => Err(Refusal::new(
                    Reason::AmbiguousName,
                    format!(
                        "\"{}\" is listed in schema \"{schema}\", but \"{earlier}\" comes before it in the search path.",
                        name.name
                    ),
                )),
            };
        }
        if schema == USER {
            if let Some(theirs) = a_users(catalog, search_path, name) {
                return Err(Refusal::new(
                    Reason::AmbiguousName,
                    format!(
                        "\"$user\" comes in the search path, and \"{}\" is in schema \"{theirs}\" too, which may be meant by that.",
                        name.name
                    ),
                ));
            }
            continue;
        }
        match catalog.relation(schema, &name.name) {
            Known::Is(_) if earlier.is_none() => {
                return unlisted(topology, catalog, Some(schema), name);
            }
            Known::Absent => continue,
            _ => {}
        }
        earlier.get_or_insert(schema);
    }
    unlisted(topology, catalog, None, name)
}

/// Whether a schema of the search path has a relation of that name which is not PostgreSQL's: names of tables may begin with `pg_`,
/// only those of schemas may not.
fn is_users(topology: &Topology, catalog: &Catalog, search_path: &[String], name: &Name) -> bool {
    let mut schemas = search_path
        .iter()
        .filter(|schema| !is_system_schema(schema));
    schemas.any(|schema| {
        topology.listed(schema, &name.name).is_some()
            || matches!(catalog.relation(schema, &name.name), Known::Is(_))
    })
}

/// The schema of a search path that has the name of a role, which is not known when it stands so.
pub(super) const USER: &str = "$user";

/// A schema outside of the search path with a relation of that name.
fn a_users<'c>(catalog: &'c Catalog, search_path: &[String], name: &Name) -> Option<&'c str> {
    let outside = |schema: &str| {
        !schema.starts_with("pg_")
            && schema != "information_schema"
            && search_path.iter().all(|known| known != schema)
    };
    catalog
        .relations()
        .map(|(table, _)| table)
        .find(|table| table.name == name.name && outside(&table.schema))
        .map(|table| &*table.schema)
}

/// A relation of a system schema.
///
/// What a server's session has prepared, declared or listens to is not what the client's has: the router keeps that itself.
fn system<'t>(topology: &Topology, name: &Name) -> Result<Place<'t>, Refusal> {
    let hint = match name.name.as_str() {
        _ if topology.shards.len() == 1 => return Ok(Place::Catalog),
        "pg_prepared_statements" => "Ask the console: SHOW PREPARED; SHOW CLIENTS.",
        CURSORS => {
            "Ask for it alone and without functions: SELECT ... FROM pg_cursors WHERE name = '...'."
        }
        _ => return Ok(Place::Catalog),
    };
    let detail = format!("\"{}\" shows the session of one server.", display(name));
    Err(Refusal::new(Reason::SessionStatement, detail).with_hint(hint))
}

const CURSORS: &str = "pg_cursors";

/// Whether a relation is the view of the session's cursors.
pub(super) fn is_of_cursors(search_path: &[String], name: &Name) -> bool {
    name.name == CURSORS
        && match &name.schema {
            Some(schema) => schema == "pg_catalog",
            None => !search_path.iter().any(|schema| schema == "pg_catalog"),
        }
}

/// A table in the home that it is listed with, or that one above it is.
fn at_home<'t>(
    topology: &Topology,
    catalog: &Catalog,
    schema: &str,
    name: &Name,
    home: &'t Home,
) -> Result<Place<'t>, Refusal> {
    family(topology, catalog, schema, name, Some(home))?;
    Ok(match home {
        Home::Sharded { key, placement } => Place::Sharded {
            key,
            placement: *placement,
        },
        Home::Reference => Place::Reference,
        Home::Pinned(shard) => Place::Shard(*shard),
    })
}

fn is_system_schema(schema: &str) -> bool {
    schema == "information_schema" || schema == "pg_catalog" || schema == "pg_toast"
}

fn unlisted<'t>(
    topology: &'t Topology,
    catalog: &Catalog,
    schema: Option<&str>,
    name: &Name,
) -> Result<Place<'t>, Refusal> {
    if topology.shards.len() == 1 {
        return Ok(Place::Shard(FIRST));
    }
    if let Some(schema) = schema
        && let Known::Is(relation) = catalog.relation(schema, &name.name)
    {
        match relation.kind {
            RelationKind::View => return view(topology, catalog, relation, name),
            RelationKind::MaterializedView => {
                return kept(topology, catalog, relation, name).map(Place::Shard);
            }
            RelationKind::Foreign => {
                return Err(Refusal::new(
                    Reason::View,
                    format!("\"{}\" is a foreign table, and not listed.", display(name)),
                ));
            }
            RelationKind::Sequence if let Some(place) = sequence(topology, relation) => {
                return Ok(place);
            }
            RelationKind::Table
            | RelationKind::Partitioned
            | RelationKind::Sequence
            | RelationKind::Index => {
                if schema == TEMPORARY {
                    return Ok(Place::Shard(topology.temporary_home()));
                }
                let home = above(topology, catalog, relation);
                match home {
                    Some(home) => return at_home(topology, catalog, schema, name, home),
                    None => family(topology, catalog, schema, name, None)?,
                }
            }
        }
    }
    match topology.default_shard {
        Some(shard) => Ok(Place::Shard(shard)),
        None => {
            let shown = display(name);
            Err(Refusal::new(
                Reason::UnlistedTable,
                format!("\"{shown}\" is in no entry of [[databases.tables]], and there is no default_shard."),
            )
            .with_hint(format!(
                "Add [[databases.tables]] with name = \"{shown}\" and one of: key and placement; reference = true; \
                 shard = \"{}\". Or set default_shard.",
                topology.shards.first().map_or("", |s| s.name.as_str())
            )))
        }
    }
}

/// A sequence that is read as a relation is that of the first shard, which answers `nextval`; that of a column of a table that is
/// whole on a shard is there.
pub(super) fn sequence<'t>(topology: &Topology, relation: &Relation) -> Option<Place<'t>> {
    let Some(owner) = relation.uses.relations.first() else {
        return Some(Place::Catalog);
    };
    Some(match topology.home(&owner.schema, &owner.name)? {
        Home::Pinned(shard) => Place::Shard(shard),
        Home::Sharded { .. } | Home::Reference => Place::Catalog,
    })
}

/// Where the nearest listed table is that a relation is a partition of or inherits from.
///
/// Proof: its rows are rows of that table and have its columns, so they are where its key puts them.
fn above<'t>(topology: &'t Topology, catalog: &Catalog, relation: &Relation) -> Option<&'t Home> {
    let mut above = relation.below.as_ref()?;
    // Such trees do not go deep; the bound is for a catalog that says nonsense.
    for _ in 0..100 {
        if let Some(home) = topology.listed(&above.schema, &above.name) {
            return Some(home);
        }
        let relation = catalog.relation(&above.schema, &above.name).is()?;
        above = relation.below.as_ref()?;
    }
    None
}

/// A table and those that inherit from it, or that it is a partition of, live in one way or are not read.
///
/// Proof: reading a table reads the tables below it, and its own rows are among those of the tables above it.
/// Where all that are listed have the table's own home, one shard's part of it is that shard's part of each.
fn family(
    topology: &Topology,
    catalog: &Catalog,
    schema: &str,
    name: &Name,
    own: Option<&Home>,
) -> Result<(), Refusal> {
    let Known::Is(relation) = catalog.relation(schema, &name.name) else {
        return Ok(());
    };
    if topology.shards.len() == 1
        || !matches!(
            relation.kind,
            RelationKind::Table | RelationKind::Partitioned
        )
    {
        return Ok(());
    }
    let default = topology.default_shard.map(Home::Pinned);
    let own = own.or(default.as_ref());
    let stranger = relation.uses.relations.iter().find(|used| {
        let theirs = topology.listed(&used.schema, &used.name);
        theirs.is_some() && theirs != own
    });
    match stranger {
        None => Ok(()),
        Some(used) => Err(Refusal::new(
            Reason::View,
            format!(
                "\"{}\" inherits from \"{used}\" or is a partition of it, or the other way round, and they live in different places.",
                display(name)
            ),
        )
        .with_hint(format!(
            "Query \"{used}\" instead, or list \"{}\" with the same placement and key.",
            display(name)
        ))),
    }
}

/// A name as it would be written, without quotes.
pub(super) fn display(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{schema}.{}", name.name),
        None => name.name.clone(),
    }
}

/// A view lives where everything that it reads lives.
///
/// Proof: its definition is the same on every shard, so reading it there is reading its tables there; all of them are
/// whole on that shard. A view of a sharded table would need its text, which the catalog does not keep.
fn view<'t>(
    topology: &Topology,
    catalog: &Catalog,
    relation: &Relation,
    name: &Name,
) -> Result<Place<'t>, Refusal> {
    let refused = |what: String| {
        Err(Refusal::new(
            Reason::View,
            format!("View \"{}\" {what}.", display(name)),
        ))
    };
    let mut home = None;
    for used in &relation.uses.relations {
        let known = catalog.relation(&used.schema, &used.name).is();
        if known.is_some_and(|r| r.kind == RelationKind::View) {
            // What it reads is among what is used.
            continue;
        }
        let shard = if is_system_schema(&used.schema) {
            FIRST
        } else if let Some(stored) = known.filter(|r| r.kind == RelationKind::MaterializedView) {
            let used = Name {
                schema: Some(used.schema.clone()),
                name: used.name.clone(),
            };
            kept(topology, catalog, stored, &used)?
        } else {
            match topology.home(&used.schema, &used.name) {
                Some(Home::Reference) => continue,
                Some(Home::Pinned(shard)) => shard,
                Some(Home::Sharded { .. }) => {
                    return refused(format!("reads \"{used}\", which is spread over shards"));
                }
                None => return refused(format!("reads \"{used}\", which is not listed")),
            }
        };
        match home {
            None => home = Some(shard),
            Some(other) if other == shard => {}
            Some(_) => return refused("reads tables of different shards".to_owned()),
        }
    }
    if let Some(f) = relation
        .uses
        .functions
        .iter()
        .find(|f| f.schema != "pg_catalog")
    {
        return refused(format!("calls the function \"{f}\""));
    }
    // Without a home every shard gives the same, unless a function gives each its own.
    let same = relation.uses.functions.iter().all(|f| is_pure(&f.name));
    Ok(match home {
        None if same => Place::Reference,
        None => Place::Shard(FIRST),
        Some(shard) => Place::Shard(shard),
    })
}

/// The one shard that keeps the rows of a materialized view: the one that its tables are whole on, or the first.
///
/// Proof: what a materialized view gives is what was stored at its last refreshing, whatever its tables and functions say
/// now; so one shard's rows are the answer, and another's could be of another moment.
fn kept(
    topology: &Topology,
    catalog: &Catalog,
    relation: &Relation,
    name: &Name,
) -> Result<ShardId, Refusal> {
    if let Some(f) = relation
        .uses
        .functions
        .iter()
        .find(|f| may_read(catalog, f))
    {
        return Err(Refusal::new(
            Reason::View,
            format!(
                "Materialized view \"{}\" calls the function \"{f}\", which may read rows of one shard only.",
                display(name)
            ),
        ));
    }
    let mut home = None;
    for used in &relation.uses.relations {
        // What views read is among what is used.
        let known = catalog.relation(&used.schema, &used.name).is();
        if known
            .is_some_and(|r| matches!(r.kind, RelationKind::View | RelationKind::MaterializedView))
        {
            continue;
        }
        let used = Name {
            schema: Some(used.schema.clone()),
            name: used.name.clone(),
        };
        match place(topology, catalog, &[], &used)? {
            Place::Reference | Place::Catalog => {}
            Place::Sharded { .. } => {
                return Err(Refusal::new(
                    Reason::View,
                    format!(
                        "Materialized view \"{}\" has a part of the rows of \"{}\" on each shard.",
                        display(name),
                        display(&used)
                    ),
                ));
            }
            Place::Shard(shard) => match home {
                None => home = Some(shard),
                Some(other) if other == shard => {}
                Some(_) => {
                    return Err(Refusal::new(
                        Reason::View,
                        format!(
                            "Materialized view \"{}\" reads tables of different shards.",
                            display(name)
                        ),
                    ));
                }
            },
        }
    }
    Ok(home.unwrap_or_else(|| topology.first_of_catalog()))
}

/// Whether a function that somebody made may read tables.
fn may_read(catalog: &Catalog, f: &TableName) -> bool {
    f.schema != "pg_catalog"
        && !matches!(catalog.function(&f.schema, &f.name), Known::Is(known)
            if known.volatility == Volatility::Immutable)
}

/// The relation of the catalog that a name means, with its schema.
pub(super) fn named<'a>(
    catalog: &'a Catalog,
    search_path: &'a [String],
    name: &'a Name,
) -> Option<(&'a str, &'a Relation)> {
    schemas(search_path, name)
        .find_map(|schema| Some((schema, catalog.relation(schema, &name.name).is()?)))
}

/// Whether a known catalog has no relation of that name: PostgreSQL would say so.
pub(super) fn absent(catalog: &Catalog, search_path: &[String], name: &Name) -> bool {
    let is = |schema: &str| catalog.relation(schema, &name.name) == Known::Absent;
    match &name.schema {
        Some(schema) => is(schema),
        None => search_path.iter().all(|schema| is(schema)),
    }
}

/// The schemas in which a name is looked for, in order.
pub(super) fn schemas<'n>(
    search_path: &'n [String],
    name: &'n Name,
) -> impl Iterator<Item = &'n str> {
    let path = match name.schema {
        Some(_) => &[],
        None => search_path,
    };
    let named = name.schema.as_deref();
    named.into_iter().chain(path.iter().map(String::as_str))
}

/// What configuration and catalog tell of relations' columns.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) topology: &'a Topology,
    pub(super) catalog: &'a Catalog,
    pub(super) search_path: &'a [String],
}

/// What is known of one column.
enum Found<'a> {
    /// The catalog has it.
    Is(&'a Column),
    /// The catalog has the relation without it.
    Absent,
    /// It belongs to the key of a table that is not in a catalog.
    Key(KeyType),
}

impl<'a> Columns<'a> {
    fn find(&self, name: &Name, column: &str) -> Option<Found<'a>> {
        let schemas: Vec<&str> = match &name.schema {
            Some(schema) => vec![schema],
            None => self.search_path.iter().map(String::as_str).collect(),
        };
        for schema in schemas {
            match self.catalog.relation(schema, &name.name) {
                Known::Is(relation) => {
                    return Some(relation.column(column).map_or(Found::Absent, Found::Is));
                }
                Known::Absent => continue,
                Known::Unknown => {}
            }
            if let Some(Home::Sharded { key, placement }) = self.topology.listed(schema, &name.name)
            {
                let at = key.iter().position(|k| k == column)?;
                let types = &self.topology.placement(*placement).types;
                return types.get(at).copied().map(Found::Key);
            }
        }
        None
    }

    /// See [`HasColumn`](crate::sql::predicate::HasColumn).
    pub(super) fn has(&self, name: &Name, column: &str) -> Option<bool> {
        Some(!matches!(self.find(name, column)?, Found::Absent))
    }

    /// See [`Alike`](crate::sql::predicate::Alike). Only values that can be a sharding key's pass anything on, since of others
    /// nothing follows for a row's place. Without a catalog columns are taken for what they are compared with: nothing is
    /// run by such a plan.
    pub(super) fn alike(&self, a: (&Name, &str), b: (&Name, &str)) -> bool {
        let values = |(name, column)| match self.find(name, column) {
            Some(Found::Is(column)) => key_column::values(column),
            Some(Found::Key(key_type)) => Some(key_type),
            Some(Found::Absent) | None => None,
        };
        match (values(a), values(b)) {
            (Some(a), Some(b)) => a == b,
            _ => !self.catalog.is_known(),
        }
    }
}
