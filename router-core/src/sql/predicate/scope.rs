//! Which relation a column's name means.

use super::{Column, HasColumn};
use crate::sql::statement::{Expr, Ident, Name};

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
    /// By name.
    pub(super) columns: Vec<(Ident, Output)>,
    /// `SELECT *` of this relation alone.
    pub(super) star: Option<(usize, Name)>,
}

/// What one column of a subquery is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Output {
    /// A column of a relation inside.
    Column(Column),
    /// In each row one of these constants, or null.
    Among(Vec<Expr>),
    /// Anything else.
    Other,
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
    Yes(Output),
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
                    Some(true) => Inside::Yes(Output::Column(column)),
                    Some(false) => Inside::No,
                    None => Inside::Unknown,
                }
            }
            Source::Derived(outputs) => {
                let mut hits = outputs.columns.iter().filter(|(known, _)| known == name);
                match (hits.next(), hits.next()) {
                    (Some((_, output)), None) => Inside::Yes(output.clone()),
                    (Some(_), Some(_)) => Inside::Unknown,
                    _ if outputs.star.is_some() => Inside::Unknown,
                    _ => Inside::No,
                }
            }
            Source::Opaque => Inside::Unknown,
        }
    }

    /// The constants of which one is in the column of this name, when the entry is known to be the one that is meant.
    fn constants(&self, name: &str, has_column: &HasColumn<'_>) -> Option<Vec<Expr>> {
        match self.inside(name, has_column) {
            Inside::Yes(Output::Among(values)) => Some(values),
            _ => None,
        }
    }

    /// The column of this name, when the entry is known to be the one that is meant.
    pub(super) fn column(&self, name: &str, has_column: &HasColumn<'_>) -> Option<Column> {
        match (self.inside(name, has_column), &self.source) {
            (Inside::Yes(Output::Column(column)), _) => Some(column),
            (Inside::Yes(_), _) => None,
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

/// Where a column's name leads.
enum Place<'f> {
    /// It is one that `USING` has merged, so many blocks outward.
    Merged(usize, Option<&'f Found>),
    /// It is an entry's: so many blocks outward, which one, and that.
    Entry(usize, usize, &'f Entry),
}

/// `frames` from the outermost block to the innermost.
fn locate<'f>(
    frames: &'f [Frame],
    qualifier: &[Ident],
    name: &str,
    has_column: &HasColumn<'_>,
) -> Option<Place<'f>> {
    for (depth, frame) in frames.iter().rev().enumerate() {
        if qualifier.is_empty() {
            if let Some((_, merged)) = frame.merged.iter().find(|(known, _)| known == name) {
                return Some(Place::Merged(depth, merged.as_ref()));
            }
            match unqualified(frame, name, has_column, depth + 1 == frames.len()) {
                Owner::Entry(at) => return Some(Place::Entry(depth, at, &frame.entries[at])),
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
            return Some(Place::Entry(depth, at, entry));
        }
    }
    None
}

/// Finds a column's relation; `frames` from the outermost block to the innermost.
pub(super) fn find(
    frames: &[Frame],
    qualifier: &[Ident],
    name: &str,
    has_column: &HasColumn<'_>,
) -> Option<Found> {
    match locate(frames, qualifier, name, has_column)? {
        Place::Merged(depth, merged) => Some(Found {
            depth,
            ..merged?.clone()
        }),
        Place::Entry(depth, entry, of) => Some(Found {
            column: of.column(name, has_column)?,
            depth,
            entry,
        }),
    }
}

/// Finds the constants of which one is in a subquery's column, in each of its rows that has no null there.
pub(super) fn constants(
    frames: &[Frame],
    qualifier: &[Ident],
    name: &str,
    has_column: &HasColumn<'_>,
) -> Option<Vec<Expr>> {
    match locate(frames, qualifier, name, has_column)? {
        Place::Merged(..) => None,
        Place::Entry(_, _, of) => of.constants(name, has_column),
    }
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
