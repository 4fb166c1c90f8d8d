//! What `CREATE TABLE` and `ALTER TABLE` say about constraints and sequences, as far as shards have to keep them together.

use super::super::names::{self, Place};
use super::super::words::Word;
use super::super::{Reason, Refusal, key_column};
use super::Around;
use crate::id::PlacementId;
use crate::sql::statement::Name;
use crate::topology::catalog::Known;

/// One thing that an element of a table's definition asks for.
#[derive(Debug)]
pub(super) enum Asked {
    /// `UNIQUE` or `PRIMARY KEY` over columns.
    Unique(Vec<String>),
    /// `REFERENCES`.
    Foreign {
        columns: Vec<String>,
        table: Name,
        /// Empty when the other table's primary key is meant.
        referenced: Vec<String>,
    },
    /// `EXCLUDE`: the columns that are compared with `=`.
    Exclude(Vec<String>),
    /// `serial`, or an identity column.
    Sequence(String),
    /// A column that is there becomes an identity column.
    Identity(String),
    /// A column by the first words of its type.
    Column { name: String, declared: Vec<String> },
}

/// Cuts words into elements at commas of the first one's depth.
pub(super) fn elements(words: &[Word]) -> Vec<&[Word]> {
    let depth = words.first().map_or(0, |w| w.depth);
    words
        .split(|w| w.depth == depth && w.is(","))
        .filter(|e| !e.is_empty())
        .collect()
}

/// What an element asks for.
pub(super) fn element(words: &[Word], out: &mut Vec<Asked>) {
    let words = match words {
        [c, _, rest @ ..] if c.is("constraint") => rest,
        all => all,
    };
    let Some(first) = words.first() else { return };
    let depth = first.depth;
    let next = words.get(1);
    if first.is("primary") || first.is("unique") {
        out.extend(names_in(words).map(Asked::Unique));
    } else if first.is("foreign") && next.is_some_and(|w| w.is("key")) {
        if let Some(columns) = names_in(words) {
            out.extend(references(words, columns));
        }
    } else if first.is("exclude") {
        let compared = words
            .windows(3)
            .filter(|w| w[0].name && w[1].is("with") && w[2].is("="))
            .map(|w| w[0].text.clone());
        out.push(Asked::Exclude(compared.collect()));
    } else if !(first.is("check") || first.is("like")) {
        column(words, depth, out);
    }
}

fn column(words: &[Word], depth: u32, out: &mut Vec<Asked>) {
    let name = words[0].text.clone();
    let own = words.iter().skip(1).filter(|w| w.depth == depth);
    let mut declared: Vec<String> = words
        .iter()
        .skip(1)
        .take(2)
        .map(|w| w.text.clone())
        .collect();
    const ENDS: [&str; 11] = [
        "default",
        "not",
        "null",
        "check",
        "primary",
        "unique",
        "references",
        "constraint",
        "collate",
        "generated",
        "compression",
    ];
    let of_type = words
        .iter()
        .skip(1)
        .take_while(|w| !ENDS.iter().any(|end| w.is(end)));
    if of_type.into_iter().any(|w| w.is("[") || w.is("array")) {
        declared.push(key_column::ARRAY.to_owned());
    }
    let own: Vec<&Word> = own.collect();
    let computed =
        |three: &[&Word]| three[0].is("generated") && three[1].is("always") && three[2].is("as");
    if own.windows(3).any(computed) && !own.iter().any(|w| w.is("identity")) {
        declared.push(key_column::GENERATED.to_owned());
    }
    out.push(Asked::Column {
        name: name.clone(),
        declared,
    });
    const SERIAL: [&str; 6] = [
        "serial",
        "serial4",
        "bigserial",
        "serial8",
        "smallserial",
        "serial2",
    ];
    if words.get(1).is_some_and(|w| SERIAL.iter().any(|s| w.is(s))) {
        out.push(Asked::Sequence(name.clone()));
    }
    let own: Vec<&Word> = words.iter().filter(|w| w.depth == depth).collect();
    for pair in own.windows(2) {
        if pair[0].is("primary") && pair[1].is("key") || pair[0].is("unique") {
            out.push(Asked::Unique(vec![name.clone()]));
        }
        if pair[0].is("as") && pair[1].is("identity") {
            out.push(Asked::Sequence(name.clone()));
        }
    }
    if own.last().is_some_and(|w| w.is("unique")) && own.len() > 2 {
        out.push(Asked::Unique(vec![name.clone()]));
    }
    if own.iter().any(|w| w.is("references")) {
        out.extend(references(words, vec![name]));
    }
}

/// The names in the first parentheses.
fn names_in(words: &[Word]) -> Option<Vec<String>> {
    let open = words.iter().position(|w| w.is("("))?;
    let depth = words[open].depth;
    Some(
        words[open + 1..]
            .iter()
            .take_while(|w| w.depth > depth)
            .filter(|w| w.name)
            .map(|w| w.text.clone())
            .collect(),
    )
}

fn references(words: &[Word], columns: Vec<String>) -> Option<Asked> {
    let at = words.iter().position(|w| w.is("references"))?;
    let (table, next) = name(words, at + 1)?;
    let referenced = match words.get(next) {
        Some(w) if w.is("(") => names_in(&words[next..])?,
        _ => Vec::new(),
    };
    Some(Asked::Foreign {
        columns,
        table,
        referenced,
    })
}

/// A name at a word, and the word after it.
pub(in crate::plan) fn name(words: &[Word], at: usize) -> Option<(Name, usize)> {
    let first = words.get(at).filter(|w| w.name)?;
    if words.get(at + 1).is_some_and(|w| w.is(".")) {
        let second = words.get(at + 2).filter(|w| w.name)?;
        let name = Name {
            schema: Some(first.text.clone()),
            name: second.text.clone(),
        };
        return Some((name, at + 3));
    }
    let name = Name {
        schema: None,
        name: first.text.clone(),
    };
    Some((name, at + 1))
}

/// That each shard by itself keeps what is asked for.
///
/// Proof: rows with the same key are on one shard. A unique constraint that contains the key compares rows of the same key
/// only. A foreign key finds its row on the same shard when the table it refers to is on every shard, or when it ties the
/// keys of two tables of the same placement.
pub(super) fn kept(
    around: &Around<'_>,
    table: &Name,
    place: Place<'_>,
    asked: &[Asked],
) -> Result<(), Refusal> {
    key_types(around, table, place, asked)?;
    if around.per_shard {
        return Ok(());
    }
    for one in asked {
        match (place, one) {
            (Place::Sharded { key, .. }, Asked::Unique(columns) | Asked::Exclude(columns)) => {
                if let Some(missing) = key.iter().find(|k| !columns.contains(k)) {
                    return Err(Refusal::new(
                        Reason::Conflict,
                        format!(
                            "A unique or exclusion constraint of \"{}\" leaves out \"{missing}\", which belongs to the sharding key: rows of several shards would have to be compared.",
                            names::display(table)
                        ),
                    )
                    .with_hint("Add the sharding key's columns to the constraint, or make the table a reference table. If it is enough that each shard keeps it for its own rows, SET shunt.constraints = 'per-shard', or write /* shunt: constraints=per-shard */ in front."));
                }
            }
            (
                _,
                Asked::Foreign {
                    columns,
                    table: other,
                    referenced,
                },
            ) => foreign(around, table, place, columns, other, referenced, asked)?,
            _ => {}
        }
    }
    Ok(())
}

/// That a table which lists all its columns has those of its key.
pub(super) fn has_key(table: &Name, place: Place<'_>, asked: &[Asked]) -> Result<(), Refusal> {
    let Place::Sharded { key, .. } = place else {
        return Ok(());
    };
    let has = |k: &str| {
        asked
            .iter()
            .any(|a| matches!(a, Asked::Column { name, .. } if name == k))
    };
    match key.iter().find(|k| !has(k)) {
        None => Ok(()),
        Some(missing) => {
            let table = names::display(table);
            let mut refusal = Refusal::new(
                Reason::KeyType,
                format!("\"{table}\" would have no column \"{missing}\"."),
            )
            .with_hint("Add the column, or change key of the table's entry in the configuration.");
            refusal.message = "table has no column of its sharding key".to_owned();
            Err(refusal)
        }
    }
}

/// That the columns of the key have types by which rows can be routed.
fn key_types(
    around: &Around<'_>,
    table: &Name,
    place: Place<'_>,
    asked: &[Asked],
) -> Result<(), Refusal> {
    let Place::Sharded { key, placement } = place else {
        return Ok(());
    };
    for (column, &key_type) in key.iter().zip(&around.topology.placement(placement).types) {
        for one in asked {
            if let Asked::Column { name, declared } = one
                && name == column
                && let Some(why) = key_column::unfit_word(declared, key_type)
            {
                let table = names::display(table);
                return Err(key_column::refusal(&table, column, key_type, &why));
            }
        }
    }
    Ok(())
}

fn foreign(
    around: &Around<'_>,
    table: &Name,
    place: Place<'_>,
    columns: &[String],
    other: &Name,
    referenced: &[String],
    asked: &[Asked],
) -> Result<(), Refusal> {
    let there = names::place(around.topology, around.catalog, around.search_path, other)?;
    let kept = match (place, there) {
        (_, Place::Reference) => true,
        (Place::Shard(a), Place::Shard(b)) => a == b,
        (
            Place::Sharded { key, placement },
            Place::Sharded {
                key: other_key,
                placement: other_placement,
            },
        ) => {
            let referenced: Vec<String> = match referenced.is_empty() {
                false => referenced.to_vec(),
                true if table == other => asked
                    .iter()
                    .find_map(|a| match a {
                        Asked::Unique(columns) => Some(columns.clone()),
                        _ => None,
                    })
                    .unwrap_or_default(),
                true => primary(around, other),
            };
            placement == other_placement && tied(key, other_key, placement, columns, &referenced)
        }
        _ => false,
    };
    if kept {
        return Ok(());
    }
    Err(Refusal::new(
        Reason::Conflict,
        format!(
            "A foreign key of \"{}\" refers to \"{}\", whose rows may be on other shards.",
            names::display(table),
            names::display(other)
        ),
    )
    .with_hint(match place {
        Place::Sharded { .. } => "Add the sharding key of both tables to the foreign key, or make the table that it refers to a reference table. If every row finds its match on its own shard all the same, SET shunt.constraints = 'per-shard', or write /* shunt: constraints=per-shard */ in front.",
        _ => "Make the table that it refers to a reference table.",
    }))
}

fn tied(
    key: &[String],
    other_key: &[String],
    _placement: PlacementId,
    columns: &[String],
    referenced: &[String],
) -> bool {
    columns.len() == referenced.len()
        && key.iter().zip(other_key).all(|(k, o)| {
            columns
                .iter()
                .zip(referenced)
                .any(|(c, r)| c == k && r == o)
        })
}

/// The primary key of a table, as far as known; in the order of its columns, so only one of a single column is certain.
fn primary(around: &Around<'_>, name: &Name) -> Vec<String> {
    let schemas: Vec<&str> = match &name.schema {
        Some(schema) => vec![schema],
        None => around.search_path.iter().map(String::as_str).collect(),
    };
    for schema in schemas {
        if let Known::Is(relation) = around.catalog.relation(schema, &name.name) {
            let list: Vec<String> = relation
                .columns
                .iter()
                .filter(|c| c.primary)
                .map(|c| c.name.clone())
                .collect();
            return match list.len() {
                1 => list,
                _ => Vec::new(),
            };
        }
    }
    Vec::new()
}
