//! `COPY`.

use super::names::{self, Place};
use super::reading::Reading;
use super::walk::{self, Met};
use super::{
    CopyOut, Merge, Reason, Refusal, Route, Target, Targets, copy_in, gather, select, spread,
};
use crate::copy::format as copy;
use crate::sql::Statement;
use crate::sql::statement::{Copy, CopyOption, CopyPeer, CopyWhat, Kind, Query};

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
                (Place::Reference, true) => {
                    copy_in::everywhere(reading, statement, c, (relation, columns))
                }
                // Each shard gives its rows; a sharded table is their disjoint union.
                (Place::Sharded { .. }, false) => Ok(Route::Scatter {
                    targets: Targets::All,
                    merge: Merge::CopyOut(out(c)?),
                }),
                (Place::Sharded { key, placement }, true) => {
                    copy_in::by_key(reading, statement, c, (relation, columns), (key, placement))
                }
            }
        }
    }
}

/// What the streams of several shards have that must stand there once.
fn out(c: &Copy) -> Result<CopyOut, Refusal> {
    let format = c.options.iter().find(|(name, _)| name == "format");
    let header = c.options.iter().find(|(name, _)| name == "header");
    match (format, copy::header(header.map(|(_, value)| value))) {
        (Some((_, CopyOption::Text(format))), _) if format == "binary" => Ok(CopyOut::Binary),
        (_, Ok(true)) => Ok(CopyOut::Header),
        (_, Ok(false)) => Ok(CopyOut::Rows),
        (_, Err(what)) => Err(Refusal::new(
            Reason::NotRead,
            format!("What is not understood: {}.", what.0),
        )),
    }
}

/// Whether a query may select nothing: a row without columns looks like the end of a binary stream.
fn has_no_columns(query: &Statement) -> bool {
    let mut found = false;
    walk::statement(query, &mut |met| {
        found |= matches!(met, Met::Select(select) if select.items.is_empty());
    });
    found
}

fn query(
    reading: &Reading<'_>,
    statement: &Statement,
    inner: &Statement,
    c: &Copy,
) -> Result<Route, Refusal> {
    let route = match &inner.kind {
        Kind::Query(q) => return of_rows(reading, statement, inner, q, c),
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
    match route {
        Route::Single(_) => Ok(route),
        _ => Err(Refusal::new(
            Reason::WriteOverShards,
            "COPY of a change over several shards.",
        )),
    }
}

/// Where the rows of a query come from: as they would for the query alone, except that rows which have to be sorted or
/// counted together are brought to one server, which then writes the stream.
fn of_rows(
    reading: &Reading<'_>,
    statement: &Statement,
    inner: &Statement,
    q: &Query,
    c: &Copy,
) -> Result<Route, Refusal> {
    if let Some(refusal) = select::not_only_rows(reading, statement) {
        return Err(refusal);
    }
    let near = near(reading, statement, inner, q, c);
    match near {
        Ok(Route::Single(Target::Agree { .. })) | Err(_) => {
            let moments = reading.moments.take();
            match gather::plan(reading, statement) {
                Ok(program) => Ok(Route::Program(Box::new(program))),
                Err(_) => {
                    reading.moments.replace(moments);
                    near
                }
            }
        }
        near => near,
    }
}

/// On one shard, or one stream after the other.
fn near(
    reading: &Reading<'_>,
    statement: &Statement,
    inner: &Statement,
    q: &Query,
    c: &Copy,
) -> Result<Route, Refusal> {
    if let Some(target) = select::one_shard(reading, statement)? {
        return Ok(Route::Single(target));
    }
    match select::over_shards(reading, spread::query(reading, q))? {
        Route::Scatter {
            targets,
            merge: Merge::Concatenate,
        } => {
            let out = out(c)?;
            if out == CopyOut::Binary && has_no_columns(inner) {
                return Err(Refusal::new(
                    Reason::NotRead,
                    "COPY in binary of a query that may have no columns.",
                ));
            }
            Ok(Route::Scatter {
                targets,
                merge: Merge::CopyOut(out),
            })
        }
        other => Ok(other),
    }
}
