//! What a statement reads of one shard in several queries, as of one moment, in a transaction whose queries have a snapshot
//! each (`READ COMMITTED`).
//!
//! A portal reads as of its `Bind` (`PortalStart` in PostgreSQL's `pquery.c`). So all queries of a shard are bound, one
//! behind the other, before any of them is read, between two that say which snapshot they have got. Where both say the
//! same, those between have it, too: in a snapshot are the transactions that have ended by then, and none that has ended
//! is under way again. Where one has ended meanwhile, all are bound once more, which costs a round trip and reads nothing.
//! Queries are prepared first, so that hardly anything lies between the first `Bind` and the last.
//!
//! Rows that the shard of the answer has itself are read by the answer (`Program::reading_in_place`), or go into the tables
//! there by one statement ([`all_at_once`]).
//!
//! A replica does not say which transactions it takes to be under way: there each query is read as of its own moment.

use router_core::sqlstate::SqlState;

use super::super::Stage;
use super::super::columns::Formats;
use super::super::line::{Command, Doing};
use super::{Execution, PORTAL};
use crate::wire::encode::Report;
use crate::wire::frontend as f;

/// Says which snapshot it has got.
const LOOK: &str = "SELECT pg_catalog.txid_current_snapshot()::pg_catalog.text";

/// The portals before and behind the others.
const LOOKS: [&[u8]; 2] = [b"shunt before\0", b"shunt behind\0"];

/// So many times others may come between. It happens at all where thousands of transactions end in a second.
const MOST_LOOKS: u32 = 200;

/// The queries of one server that are read as of one moment.
#[derive(Clone, Debug)]
pub(in crate::exec) struct Moment {
    /// How many there are.
    queries: usize,
    /// How many of them have been read.
    read: usize,
    /// What the two looks have shown so far.
    seen: Vec<Vec<u8>>,
    looks: u32,
}

impl Moment {
    pub(super) fn of(queries: usize) -> Self {
        Self {
            queries,
            read: 0,
            seen: Vec::new(),
            looks: 0,
        }
    }

    /// One of the looks has seen this.
    pub(super) fn see(&mut self, row: &[u8]) {
        self.seen.push(row.to_vec());
    }
}

/// The name of a query's portal, and of its prepared statement.
fn name(query: usize) -> Vec<u8> {
    format!("shunt {query}\0").into_bytes()
}

/// One statement that fills several tables, each by its query.
pub(super) fn all_at_once(fills: &[(String, String)]) -> String {
    let parts = fills.iter().enumerate();
    let parts = parts
        .map(|(at, (table, query))| format!("shunt_fill_{at} AS (INSERT INTO {table} {query})"));
    let parts: Vec<String> = parts.collect();
    format!("WITH {} SELECT", parts.join(", "))
}

impl Execution {
    /// Whether the queries of a part are not bound for good yet.
    pub(super) fn is_looking(&self, part: usize) -> bool {
        let line = &self.lines[part];
        line.moment.is_some() && line.doing.iter().any(|(_, doing)| *doing == Doing::Look)
    }

    /// Binds the queries that a part will read.
    pub(super) fn bind_all(&mut self, stage: &mut Stage<'_>, part: usize) {
        let line = &self.lines[part];
        let queries: Vec<(&str, Formats)> = line
            .waiting
            .iter()
            .filter_map(|(_, command)| match command {
                Command::Source(moving, query) => Some((&**query, self.moves[*moving].formats())),
                Command::Fetch(fetch) => {
                    let fetching = &self.fetches[*fetch];
                    Some((&*fetching.query, fetching.formats()))
                }
                _ => None,
            })
            .collect();
        let again = line.moment.as_ref().is_some_and(|moment| moment.looks > 0);
        for (at, (query, _)) in queries.iter().enumerate() {
            let name = name(at);
            if again {
                stage.send(part, f::CLOSE, &[b"P", &name]);
            } else {
                // An error may have left one behind.
                stage.send(part, f::CLOSE, &[b"S", &name]);
                let parse = [&*name, query.as_bytes(), &[0], &self.bound.types];
                stage.send(part, f::PARSE, &parse);
            }
        }
        if !again {
            stage.send(part, f::PARSE, &[&[0], LOOK.as_bytes(), &[0, 0, 0]]);
        }
        let [before, behind] = LOOKS;
        stage.send(part, f::BIND, &[before, &[0; 7]]);
        for (at, (_, formats)) in queries.iter().enumerate() {
            let name = name(at);
            let bind = [&*name, &name, &self.bound.params, &formats.bytes()];
            stage.send(part, f::BIND, &bind);
        }
        stage.send(part, f::BIND, &[behind, &[0; 7]]);
        for look in LOOKS {
            stage.send(part, f::EXECUTE, &[look, &[0; 4]]);
            stage.send(part, f::CLOSE, &[b"P", look]);
        }
        stage.sync(part);
    }

    /// A part has looked twice.
    pub(super) fn has_looked(&mut self, stage: &mut Stage<'_>, part: usize, step: usize) {
        let Some(moment) = &mut self.lines[part].moment else {
            return;
        };
        let seen = std::mem::take(&mut moment.seen);
        if matches!(&seen[..], [before, behind] if before == behind) {
            return;
        }
        moment.looks += 1;
        if moment.looks < MOST_LOOKS {
            self.bind_all(stage, part);
            self.lines[part].doing.push_front((step, Doing::Look));
            return;
        }
        let message = "could not read several tables as of one moment";
        let report = Report::error(SqlState::new("40001"), message)
            .detail(format!(
                "Transactions of others ended each of {MOST_LOOKS} times in between on shard \"{}\".",
                self.names[part]
            ))
            .hint("Read them at REPEATABLE READ.");
        self.fail_with(&report);
    }

    /// Sends what a query is run by: its `Bind`, unless it has been bound. Its portal.
    pub(super) fn bind_query(
        &mut self,
        stage: &mut Stage<'_>,
        part: usize,
        query: &str,
        formats: &Formats,
    ) -> Vec<u8> {
        if let Some(moment) = &mut self.lines[part].moment {
            moment.read += 1;
            return name(moment.read - 1);
        }
        self.parse(stage, part, query);
        self.bind_portal(stage, part, formats);
        PORTAL.to_vec()
    }

    /// Reads a query's rows; `most`: so many, 0 are all.
    pub(super) fn execute_query(
        &self,
        stage: &mut Stage<'_>,
        part: usize,
        portal: &[u8],
        most: u32,
    ) {
        stage.send(part, f::EXECUTE, &[portal, &most.to_be_bytes()]);
        // A portal that is open holds its tables.
        stage.send(part, f::CLOSE, &[b"P", portal]);
        if portal != PORTAL {
            stage.send(part, f::CLOSE, &[b"S", portal]);
        }
        stage.sync(part);
    }

    /// Takes away what of a part was bound and is not read. Whether there was any: it owes a `ReadyForQuery` then.
    pub(super) fn unbind(&mut self, stage: &mut Stage<'_>, part: usize) -> bool {
        let Some(moment) = self.lines[part].moment.take() else {
            return false;
        };
        if moment.read == moment.queries || stage.is_lost(part) {
            return false;
        }
        for query in moment.read..moment.queries {
            for what in [b"P", b"S"] {
                stage.send(part, f::CLOSE, &[what, &name(query)]);
            }
        }
        stage.sync(part);
        true
    }
}
