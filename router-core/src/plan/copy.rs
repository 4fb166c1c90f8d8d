//! `COPY`.

use super::names::{self, Place};
use super::reading::Reading;
use super::spread::{self, Spread};
use super::{Merge, Reason, Refusal, Route, Split, Target, Targets, select};
use crate::sql::Statement;
use crate::sql::statement::{Copy, CopyPeer, CopyWhat, Kind};
use crate::topology::Topology;

/// Where a copy goes.
pub(super) fn plan(
    reading: &Reading<'_>,
    statement: &Statement,
    c: &Copy,
) -> Result<Route, Refusal> {
    if c.peer != CopyPeer::Client {
        return Err(Refusal::new(
            Reason::ServerFile,
            "The other end of the COPY is a file or program of the server.",
        ));
    }
    match &c.what {
        CopyWhat::Query(inner) => query(reading, statement, inner, c),
        CopyWhat::Table { relation, columns } => {
            let place = names::place(
                reading.topology,
                reading.catalog,
                reading.search_path,
                &relation.name,
            )?;
            let name = names::display(&relation.name);
            match (place, c.from) {
                (Place::Shard(id), _) => Ok(Route::Single(Target::Shard(id))),
                (Place::Catalog, false) => Ok(Route::Single(Target::Shard(names::FIRST))),
                (Place::Catalog, true) => Err(Refusal::new(
                    Reason::AllShardsSchema,
                    format!("\"{name}\" is a system catalog, which every shard has of its own."),
                )),
                (Place::Reference, false) => Ok(Route::Single(Target::Any)),
                // A reference table is filled by the same rows on every shard. Without a list of columns every column is
                // copied, so that no default comes in.
                (Place::Reference, true) if columns.is_empty() && c.filter.is_none() => {
                    Ok(Route::Scatter { targets: Targets::All, merge: Merge::Copies })
                }
                (Place::Reference, true) => Err(Refusal::new(
                    Reason::ReferenceVolatile,
                    format!("Columns of \"{name}\" that the COPY leaves out would get their defaults, or rows are filtered."),
                )
                .with_hint("Copy all columns, without a list of them and without WHERE.")),
                // Each shard gives its rows; a sharded table is their disjoint union. The header is one of them all.
                (Place::Sharded { .. }, false) => match header(c) {
                    false => Ok(Route::Scatter { targets: Targets::All, merge: Merge::Concatenate }),
                    true => Err(Refusal::new(Reason::NeedsMerge, "A header or binary signature would come from each shard.")
                        .with_hint("Copy as text or CSV without HEADER.")),
                },
                (Place::Sharded { key, placement }, true) => split(reading, c, relation, columns, key, placement),
            }
        }
    }
}

/// Whether the stream begins or ends with something that must stand there once.
fn header(c: &Copy) -> bool {
    use crate::sql::statement::CopyOption;
    c.options
        .iter()
        .any(|(name, value)| match (name.as_str(), value) {
            ("header", CopyOption::Text(v)) => {
                !matches!(v.to_ascii_lowercase().as_str(), "false" | "off" | "0")
            }
            ("header", _) => true,
            ("format", CopyOption::Text(v)) => v.eq_ignore_ascii_case("binary"),
            ("binary", _) => true,
            _ => false,
        })
}

fn query(
    reading: &Reading<'_>,
    statement: &Statement,
    inner: &Statement,
    c: &Copy,
) -> Result<Route, Refusal> {
    let route = match &inner.kind {
        Kind::Query(q) => {
            if let Some(target) = select::one_shard(reading, statement)? {
                return Ok(Route::Single(target));
            }
            let proven = spread::query(reading, q);
            match (&proven, header(c)) {
                (Ok(Spread::Apart(_)), true) => {
                    return Err(Refusal::new(
                        Reason::NeedsMerge,
                        "A header or binary signature would come from each shard.",
                    )
                    .with_hint("Copy as text or CSV without HEADER."));
                }
                _ => select::over_shards(reading, proven)?,
            }
        }
        Kind::Insert(i) => super::insert::plan(reading, inner, i)?,
        Kind::Update(u) => super::update::plan(reading, inner, u)?,
        Kind::Delete(d) => super::delete::plan(reading, inner, d)?,
        _ => {
            return Err(Refusal::new(
                Reason::NotRead,
                "COPY of a statement that is not read.",
            ));
        }
    };
    match (&route, &inner.kind) {
        (_, Kind::Query(_)) | (Route::Single(_), _) => Ok(route),
        _ => Err(Refusal::new(
            Reason::WriteOverShards,
            "COPY of a change over several shards.",
        )),
    }
}

/// Rows are split by their key as they arrive.
fn split(
    reading: &Reading<'_>,
    c: &Copy,
    relation: &crate::sql::statement::Relation,
    columns: &[String],
    key: &[String],
    placement: crate::id::PlacementId,
) -> Result<Route, Refusal> {
    if c.filter.is_some() {
        return Err(Refusal::new(Reason::NotRead, "COPY … WHERE."));
    }
    let name = names::display(&relation.name);
    let listed: Vec<&str> = if columns.is_empty() {
        match names::columns(reading.catalog, reading.search_path, &relation.name) {
            Some(list) => list,
            None => {
                return Err(Refusal::new(
                    Reason::KeyNotGiven,
                    format!("The columns of \"{name}\" are not listed in the statement, and their order is not known."),
                )
                .with_hint(format!("Name the columns: COPY {name} ({}, …) FROM STDIN.", key.join(", "))));
            }
        }
    } else {
        columns.iter().map(String::as_str).collect()
    };
    let positions = key
        .iter()
        .map(|k| {
            listed.iter().position(|c| c == k).ok_or_else(|| {
                Refusal::new(
                    Reason::KeyNotGiven,
                    format!("\"{k}\" of the sharding key is not among the columns of the COPY."),
                )
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Route::Split(Box::new(Split {
        placement,
        rows: Vec::new(),
        columns: positions,
        types: types(reading.topology, placement),
        otherwise: None,
    })))
}

fn types(topology: &Topology, placement: crate::id::PlacementId) -> Vec<crate::value::KeyType> {
    topology.placement(placement).types.clone()
}
