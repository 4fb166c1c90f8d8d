//! Which relation a column's name means.

use super::{Column, HasColumn};
use crate::sql::statement::{Ident, Name};

/// Something in a block's `FROM`.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The name by which columns are qualified.
    pub(super) alias: Ident,
    /// The relation's own name, when it has no alias: `schema.table.column` means it.
    pub(super) name: Option<Name>,
    pub(super) source: Source,
    /// The relations it stands for or reads, as indexes into [`Facts::relations`](super::Facts::relations).
    pub(super) relations: std::ops::Range<usize>,
}

/// Where an entry's columns come from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A relation: index into [`Facts::relations`](super::Facts::relations).
    Base(usize, Name),
    /// A subquery or common table expression through which conditions reach a relation inside.
    Derived(Outputs),
    /// Nothing is known.
    Opaque,
}

/// What a subquery's columns are inside it.
#[derive(Clone, Debug, Default)]
pub(super) struct Outputs {
    /// By name; `None` is a column that is no column of a relation inside.
    pub(super) columns: Vec<(Ident, Option<Column>)>,
    /// `SELECT *` of this relation alone.
    pub(super) star: Option<(usize, Name)>,
}

/// The names that one block adds.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    pub(super) entries: Vec<Entry>,
    /// Columns merged by `USING`; `None` when neither side's column is the merged one.
    pub(super) merged: Vec<(Ident, Option<Found>)>,
}

/// A column that was found.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) column: Column,
    /// How many blocks outward.
    pub(super) depth: usize,
    /// Which entry of that block.
    pub(super) entry: usize,
}

/// What is known of a column within one entry.
enum Inside {
    Yes(Option<Column>),
    No,
    Unknown,
}

impl Entry {
    fn inside(&self, name: &str, has_column: &HasColumn<'_>) -> Inside {
        match &self.source {
            Source::Base(relation, table) => {
                let column = Column {
                    relation: *relation,
                    name: name.to_owned(),
                };
                match has_column(table, name) {
                    Some(true) => Inside::Yes(Some(column)),
                    Some(false) => Inside::No,
                    None => Inside::Unknown,
                }
            }
            Source::Derived(outputs) => {
                let mut hits = outputs.columns.iter().filter(|(known, _)| known == name);
                match (hits.next(), hits.next()) {
                    (Some((_, column)), None) => Inside::Yes(column.clone()),
                    (Some(_), Some(_)) => Inside::Unknown,
                    _ if outputs.star.is_some() => Inside::Unknown,
                    _ => Inside::No,
                }
            }
            Source::Opaque => Inside::Unknown,
        }
    }

    /// The column of this name, when the entry is known to be the one that is meant.
    pub(super) fn column(&self, name: &str, has_column: &HasColumn<'_>) -> Option<Column> {
        match (self.inside(name, has_column), &self.source) {
            (Inside::Yes(column), _) => column,
            (Inside::No, _) => None,
            (Inside::Unknown, Source::Base(relation, _)) => Some(Column {
                relation: *relation,
                name: name.to_owned(),
            }),
            (Inside::Unknown, Source::Derived(outputs)) if outputs.columns.is_empty() => {
                let (relation, table) = outputs.star.as_ref()?;
                (has_column(table, name) != Some(false)).then(|| Column {
                    relation: *relation,
                    name: name.to_owned(),
                })
            }
            (Inside::Unknown, _) => None,
        }
    }
}

/// Finds a column's relation; `frames` from the outermost block to the innermost.
pub(super) fn find(
    frames: &[Frame],
    qualifier: &[Ident],
    name: &str,
    has_column: &HasColumn<'_>,
) -> Option<Found> {
    for (depth, frame) in frames.iter().rev().enumerate() {
        let found = |entry: usize, column: Option<Column>| {
            column.map(|column| Found {
                column,
                depth,
                entry,
            })
        };
        if qualifier.is_empty() {
            if let Some((_, merged)) = frame.merged.iter().find(|(known, _)| known == name) {
                let merged = merged.clone()?;
                return Some(Found { depth, ..merged });
            }
            match unqualified(frame, name, has_column, depth + 1 == frames.len()) {
                Owner::Entry(entry) => {
                    return found(entry, frame.entries[entry].column(name, has_column));
                }
                Owner::Nobody => continue,
                Owner::Unknown => return None,
            }
        }
        let mut hits = frame
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| match qualifier {
                [alias] => entry.alias == *alias,
                [schema, table] => entry.name.as_ref().is_some_and(|known| {
                    known.schema.as_deref() == Some(schema.as_str()) && known.name == *table
                }),
                _ => false,
            });
        if let Some((at, entry)) = hits.next() {
            if hits.next().is_some() {
                return None;
            }
            return found(at, entry.column(name, has_column));
        }
    }
    None
}

enum Owner {
    Entry(usize),
    Nobody,
    Unknown,
}

/// Whose column an unqualified name is within one block.
fn unqualified(frame: &Frame, name: &str, has_column: &HasColumn<'_>, outermost: bool) -> Owner {
    let mut yes = Vec::new();
    let mut unknown = Vec::new();
    for (at, entry) in frame.entries.iter().enumerate() {
        match entry.inside(name, has_column) {
            Inside::Yes(_) => yes.push(at),
            Inside::No => {}
            Inside::Unknown => unknown.push(at),
        }
    }
    match (yes.as_slice(), unknown.as_slice()) {
        ([entry], []) => Owner::Entry(*entry),
        // The only one that can have it, and no block outside that could have it instead.
        ([], [entry]) if outermost => Owner::Entry(*entry),
        ([], []) => Owner::Nobody,
        _ => Owner::Unknown,
    }
}
