//! On which shards a thing of the schema is.

use super::super::names::{self, Place};
use super::super::words::words;
use super::super::{Reason, Refusal};
use super::{Around, all_shards, table};
use crate::id::ShardId;
use crate::sql::statement::Name;
use crate::topology::Home;
use crate::topology::catalog::{Known, Relation, RelationKind};

/// Where a relation is, for a statement about its schema: an index or an owned sequence where its table is.
pub(super) fn home(around: &Around<'_>, name: &Name) -> Result<Where, Refusal> {
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

pub(super) fn known<'c>(around: &Around<'c>, name: &Name) -> Option<&'c Relation> {
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
pub(super) enum Where {
    All,
    One(ShardId),
}

pub(super) fn place(around: &Around<'_>, name: &Name) -> Result<Where, Refusal> {
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

pub(super) fn place_is_listed(around: &Around<'_>, name: &Name) -> bool {
    match &name.schema {
        Some(schema) => around.topology.listed(schema, &name.name).is_some(),
        None => around
            .search_path
            .iter()
            .any(|s| around.topology.listed(s, &name.name).is_some()),
    }
}

/// A name in the text that is listed, and that `home` does not have whole. Foreign keys have been looked at already, new
/// columns may be called as they like, and `LIKE` takes a definition only.
///
/// Proof: a definition of a table of one shard finds there what one server would find of whatever is whole on that shard,
/// a reference table's copy among it. What the definition would change, or be part of, has to live there alone: the
/// actions of a rule change tables, a child has rows of the table above it, and a new name is that of another table.
pub(super) fn stranger(
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
        // With a schema before it, it is the table of that schema, or a column.
        let schema = (behind(".") && at > 1 && words[at - 2].name).then(|| &words[at - 2].text);
        let mut listed = around.topology.tables.iter();
        let elsewhere = listed.any(|(listed, place)| {
            listed.name == word.text
                && schema.is_none_or(|schema| *schema == listed.schema)
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
