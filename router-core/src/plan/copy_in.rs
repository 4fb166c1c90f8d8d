//! `COPY … FROM STDIN` into a table that several shards have.
//!
//! Proof, sharded table: each row is stored on the home of its own key, which is read as the column's input function
//! reads it, so afterwards every row is where a row of its key belongs. A default of another column is evaluated once
//! per row on one server too; `WHERE` is about the row alone and gives the same on every shard.
//!
//! Proof, reference table: every copy is given the same rows with all their columns, and computes nothing that differs
//! between servers.

use smallvec::SmallVec;

use super::function::{Nature, is_registry, nature};
use super::key_column::{self, Cut};
use super::reading::Reading;
use super::spread::is_system_column;
use super::walk::{self, Met};
use super::{Reason, Refusal, Route, moment, names};
use crate::copy::{Format, KeyField, Kind, Splitter};
use crate::id::{PlacementId, ShardId};
use crate::sql::Statement;
use crate::sql::statement::{Copy, Expr, ExprKind, Relation};
use crate::topology::catalog::{self, ColumnDefault, Known};
use crate::topology::{ShardSet, Topology, Unplaced};
use crate::value::moment::is_moment;
use crate::value::{Folded, Format as Wire, KeyType, KeyValue, Outcome, oid};

/// How the rows of a `COPY … FROM STDIN` reach the shards.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyIn {
    /// The table as written, for messages.
    pub table: String,
    /// How rows are written.
    pub format: Format,
    /// How many columns are copied.
    pub columns: usize,
    /// Which rows go where.
    pub rows: CopyRows,
}

/// Which rows of a copy go where.
#[derive(Clone, Debug, PartialEq)]
pub enum CopyRows {
    /// All of them to every shard: a reference table.
    Everywhere {
        /// The fields that may be read as dates or times, where they are written as text.
        times: Vec<KeyField>,
    },
    /// Each to the home of its key.
    ByKey {
        /// By which placement.
        placement: PlacementId,
        /// The key's columns, in the placement's order.
        key: Vec<CopyKey>,
    },
}

/// A column of the key.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyKey {
    /// Where it stands in the stream.
    pub field: KeyField,
    /// Its type.
    pub key_type: KeyType,
    /// What becomes of it on the way into the column.
    pub cut: Cut,
}

/// Plans a copy into a sharded table.
pub(super) fn by_key(
    reading: &Reading<'_>,
    statement: &Statement,
    c: &Copy,
    (relation, columns): (&Relation, &[String]),
    (key, placement): (&[String], PlacementId),
) -> Result<Route, Refusal> {
    let format = format(c)?;
    filter(reading, statement, c)?;
    let name = names::display(&relation.name);
    let known = table(reading, relation);
    let listed = listed(known, columns).ok_or_else(|| {
        Refusal::new(
            Reason::KeyNotGiven,
            format!("The columns of \"{name}\" are not listed in the statement, and their order is not known."),
        )
        .with_hint(format!("Name the columns: COPY {name} ({}, …) FROM STDIN.", key.join(", ")))
    })?;
    let types = &reading.topology.placement(placement).types;
    let key = key
        .iter()
        .zip(types)
        .map(|(k, &key_type)| {
            let position = listed.iter().position(|c| c == k).ok_or_else(|| {
                Refusal::new(
                    Reason::KeyNotGiven,
                    format!("\"{k}\" of the sharding key is not among the columns of the COPY."),
                )
                .with_hint("Name the sharding key's columns in the column list, and have them in the data.")
            })?;
            Ok(CopyKey {
                field: KeyField {
                    position,
                    force_not_null: format.force_not_null.has(k),
                    force_null: format.force_null.has(k),
                },
                key_type,
                cut: key_column::cut(known.and_then(|r| r.column(k)), key_type),
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Route::CopyIn(Box::new(CopyIn {
        table: name,
        format,
        columns: listed.len(),
        rows: CopyRows::ByKey { placement, key },
    })))
}

/// Plans a copy into a reference table.
pub(super) fn everywhere(
    reading: &Reading<'_>,
    statement: &Statement,
    c: &Copy,
    (relation, columns): (&Relation, &[String]),
) -> Result<Route, Refusal> {
    let format = format(c)?;
    filter(reading, statement, c)?;
    let name = names::display(&relation.name);
    let known = table(reading, relation);
    // Without a list of columns every column is copied, so that no default comes in.
    if let Some(missing) = (!columns.is_empty())
        .then(|| left_out(known, columns))
        .flatten()
    {
        return Err(Refusal::new(
            Reason::ReferenceVolatile,
            format!("{missing} of \"{name}\" would get its default."),
        )
        .with_hint("Copy all columns that have a default, or leave the list of columns out."));
    }
    Ok(Route::CopyIn(Box::new(CopyIn {
        table: name,
        columns: listed(known, columns).map_or(0, |list| list.len()),
        rows: CopyRows::Everywhere {
            times: match format.kind {
                Kind::Binary => Vec::new(),
                Kind::Text | Kind::Csv => times(known, columns, &format),
            },
        },
        format,
    })))
}

/// The fields of columns that may be dates or times.
fn times(known: Option<&catalog::Relation>, columns: &[String], format: &Format) -> Vec<KeyField> {
    let listed = listed(known, columns).unwrap_or_default();
    let fields = listed.iter().enumerate();
    fields
        .filter(|(_, name)| !moment::plain_column(known, name))
        .map(|(position, name)| KeyField {
            position,
            force_not_null: format.force_not_null.has(name),
            force_null: format.force_null.has(name),
        })
        .collect()
}

/// A column that may get another default on each shard, as far as that is known.
fn left_out(known: Option<&catalog::Relation>, columns: &[String]) -> Option<String> {
    let Some(relation) = known else {
        return Some("A column that is not listed".to_owned());
    };
    let harmless = |d| matches!(d, ColumnDefault::Null | ColumnDefault::Generated);
    let found = relation
        .columns
        .iter()
        .find(|c| !harmless(c.default) && !columns.contains(&c.name))?;
    Some(format!("Column \"{}\"", found.name))
}

fn format(c: &Copy) -> Result<Format, Refusal> {
    let format = Format::read(&c.options).map_err(|what| {
        Refusal::new(
            Reason::NotRead,
            format!("What is not understood: {}.", what.0),
        )
    })?;
    match format.encoding.as_deref().filter(|e| !is_ascii_safe(e)) {
        None => Ok(format),
        Some(encoding) => Err(Refusal::new(
            Reason::NotRead,
            format!(
                "In the encoding {encoding} the bytes of a character may look like delimiters."
            ),
        )
        .with_hint("Convert the data to UTF8.")),
    }
}

/// `WHERE`, which every shard must read alike.
fn filter(reading: &Reading<'_>, statement: &Statement, c: &Copy) -> Result<(), Refusal> {
    let Some(condition) = &c.filter else {
        return Ok(());
    };
    let mut found = None;
    walk::expr(condition, &mut |met| {
        let what = match met {
            Met::Expr(Expr {
                kind: ExprKind::Call(call),
                ..
            }) if nature(call, reading.catalog, reading.search_path) != Nature::Pure => {
                format!(
                    "\"{}\" may give another value on each shard",
                    call.name.name
                )
            }
            Met::Expr(Expr {
                kind: ExprKind::Column { name, .. },
                ..
            }) if is_system_column(name) => format!("\"{name}\" differs between shards"),
            Met::Expr(Expr {
                kind: ExprKind::Cast { to, .. },
                ..
            }) if is_registry(to) => format!("\"{to}\" is another number on each shard"),
            Met::Query(_) => "it has a subquery".to_owned(),
            _ => return,
        };
        found.get_or_insert(what);
    });
    if let Some(what) = found {
        return Err(Refusal::new(
            Reason::Function,
            format!("The WHERE clause of the COPY: {what}."),
        ));
    }
    *reading.moments.borrow_mut() = moment::of_statement(reading, statement, std::iter::empty());
    Ok(())
}

fn table<'c>(reading: &Reading<'c>, relation: &Relation) -> Option<&'c catalog::Relation> {
    names::schemas(reading.search_path, &relation.name).find_map(|schema| {
        match reading.catalog.relation(schema, &relation.name.name) {
            Known::Is(relation) => Some(relation),
            Known::Absent | Known::Unknown => None,
        }
    })
}

/// The columns in the order of the stream: generated ones are not in it.
fn listed<'c>(known: Option<&'c catalog::Relation>, columns: &'c [String]) -> Option<Vec<&'c str>> {
    if !columns.is_empty() {
        return Some(columns.iter().map(String::as_str).collect());
    }
    let columns = &known?.columns;
    let copied = columns
        .iter()
        .filter(|c| c.default != ColumnDefault::Generated);
    Some(copied.map(|c| c.name.as_str()).collect())
}

/// Whether no byte of a character of several bytes is one of ASCII. These are PostgreSQL's encodings that only clients
/// may have, and which it therefore calls so.
pub fn is_ascii_safe(encoding: &str) -> bool {
    // As `pg_char_to_encoding` reads names.
    let name: String = encoding
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    !matches!(
        name.as_str(),
        "sjis"
            | "mskanji"
            | "shiftjis"
            | "win932"
            | "windows932"
            | "shiftjis2004"
            | "big5"
            | "win950"
            | "windows950"
            | "gbk"
            | "win936"
            | "windows936"
            | "uhc"
            | "win949"
            | "windows949"
            | "gb18030"
            | "johab"
    )
}

/// Whether text in this encoding has the bytes that a server in UTF-8 stores.
pub fn is_utf8(encoding: &str) -> bool {
    matches!(
        encoding
            .to_ascii_lowercase()
            .replace(['-', '_'], "")
            .as_str(),
        "utf8" | "unicode" | "sqlascii"
    )
}

impl CopyIn {
    /// The shards that the copy is opened on.
    pub fn shards(&self, topology: &Topology) -> ShardSet {
        match &self.rows {
            CopyRows::Everywhere { .. } => topology.all_shards(),
            CopyRows::ByKey { placement, .. } => topology.placement(*placement).shards(),
        }
    }

    /// What cuts the stream into rows; `None` when all of it goes everywhere.
    pub fn splitter(&self) -> Option<Splitter> {
        let CopyRows::ByKey { key, .. } = &self.rows else {
            return None;
        };
        let fields = key.iter().map(|k| k.field.clone()).collect();
        Some(Splitter::new(self.format.clone(), fields, self.columns))
    }

    /// What cuts out the fields that [`Self::is_alike`] looks at, of a stream that goes everywhere; `None` when there are none.
    pub fn times(&self) -> Option<Splitter> {
        match &self.rows {
            CopyRows::Everywhere { times } if !times.is_empty() => Some(Splitter::new(
                self.format.clone(),
                times.clone(),
                self.columns,
            )),
            _ => None,
        }
    }

    /// That no shard reads one of these fields of a row by its own clock.
    pub fn is_alike(&self, fields: &[Option<&[u8]>]) -> Result<(), Box<Refusal>> {
        let said = |field: &[u8]| is_moment(&String::from_utf8_lossy(field));
        match fields.iter().flatten().any(|field| said(field)) {
            true => Err(Box::new(Refusal::new(
                Reason::Moment,
                "A row of the COPY says 'now', 'today', 'tomorrow' or 'yesterday', which each shard would read by its own clock.",
            ))),
            false => Ok(()),
        }
    }

    /// The home of a row with this key, in the placement's order and without escapes; `None` when PostgreSQL rejects
    /// the row wherever it arrives. `utf8` says that text comes in UTF-8.
    pub fn home(
        &self,
        topology: &Topology,
        key: &[Option<&[u8]>],
        utf8: bool,
    ) -> Result<Option<ShardId>, Box<Refusal>> {
        let CopyRows::ByKey {
            placement,
            key: columns,
        } = &self.rows
        else {
            return Ok(None);
        };
        let binary = self.format.kind == Kind::Binary;
        let mut values: SmallVec<[KeyValue<'_>; 2]> = SmallVec::new();
        for (bytes, column) in key.iter().zip(columns) {
            let Some(bytes) = bytes else {
                return Err(Box::new(Refusal::new(
                    Reason::NullKey,
                    "A row of the COPY has a null in its key.",
                )));
            };
            let Some(bytes) = column.cut.of(bytes) else {
                return Err(Box::new(unclear(column.key_type)));
            };
            if column.key_type == KeyType::Text && !utf8 && !bytes.is_ascii() {
                return Err(Box::new(
                    Refusal::new(
                        Reason::KeyNotComputable,
                        "A row of the COPY has a key with characters beyond ASCII that is not in UTF8.",
                    )
                    .with_hint("Convert the data to UTF8."),
                ));
            }
            let folded = match binary {
                // The width tells which integer it is.
                true => Folded::parameter(0, Wire::Binary, Some(bytes)),
                false => Folded::parameter(read_as(column.key_type), Wire::Text, Some(bytes)),
            };
            match folded.assigned(column.key_type) {
                Outcome::Value(v) => values.push(v),
                Outcome::Invalid(_) => return Ok(None),
                _ => return Err(Box::new(unclear(column.key_type))),
            }
        }
        let placement = topology.placement(*placement);
        match placement.shard_of(&values) {
            Ok(id) => Ok(Some(id)),
            Err(Unplaced::NoHome) => Err(Box::new(Refusal::new(
                Reason::NoShardForKey,
                format!(
                    "Placement \"{}\" has no shard for the key of a row.",
                    placement.name
                ),
            ))),
            Err(Unplaced::WrongKey) => Err(Box::new(Refusal::new(
                Reason::KeyNotComputable,
                format!(
                    "The key is not of the types of placement \"{}\".",
                    placement.name
                ),
            ))),
        }
    }
}

fn unclear(key_type: KeyType) -> Refusal {
    Refusal::new(
        Reason::KeyNotComputable,
        format!("It cannot be told for certain which {key_type} the key of a row is."),
    )
}

/// The type whose input function reads the field.
fn read_as(key_type: KeyType) -> u32 {
    match key_type {
        KeyType::Bigint => oid::INT8,
        KeyType::Text => oid::TEXT,
        KeyType::Uuid => oid::UUID,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        assert!(is_ascii_safe("LATIN1") && is_ascii_safe("utf8") && is_ascii_safe("EUC_JP"));
        assert!(
            !is_ascii_safe("SJIS") && !is_ascii_safe("Shift_JIS_2004") && !is_ascii_safe("GB18030")
        );
        assert!(is_utf8("UTF-8") && is_utf8("SQL_ASCII") && !is_utf8("latin1"));
    }
}
