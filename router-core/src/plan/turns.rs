//! Writers of a reference table take turns.
//!
//! A change of a reference table runs on every copy, and each server has its own idea of what is committed: of two
//! transactions the second may see the first one's rows on one shard and not yet on another, and change what it sees.
//! The copies would differ from then on. So whoever changes a copy holds a lock of the table on that server until its
//! transaction has ended there, and asks the first shard for it before the others: who is first there is first on all,
//! and a statement begins on no shard before the transaction of the one before it has ended there.
//!
//! What the change reads of other reference tables has to be the same everywhere too, so their writers wait as well.
//!
//! The lock is an advisory one: it needs no privilege, keeps neither readers nor `VACUUM` from the table, is kept by a
//! prepared transaction, and ends with it.

use super::names::{self, Place};
use super::stage::refuse_when;
use super::{Answer, Effect, Merge, Reason, Refusal, Route, make};
use crate::sql::Statement;
use crate::sql::statement::{Kind, Name, TableRef};
use crate::topology::Home;

use super::make::Input;
use super::walk::{self, Met};

/// The first of the lock's two numbers, which tells these locks from an application's: `SHNT`.
const CLASS: i32 = 0x5348_4e54;

/// A reference table that one transaction changes at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// The table, with its schema.
    pub table: String,
    /// What is changed depends on copies that the statement reads. In a transaction whose snapshots are older than its turn each
    /// copy would be changed by what its server saw at another time.
    pub reads: bool,
}

impl Turn {
    /// The second number of its lock. Two tables that share one take turns with each other, which does no harm.
    fn key(&self) -> i32 {
        // FNV-1a, 32 bits: the same in every proxy and version.
        let hash = self.table.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        hash.cast_signed()
    }
}

/// Why a change that reads copies is not carried out in a transaction whose snapshots are older than its turn.
pub fn seen_too_early(turn: &Turn) -> Refusal {
    let detail = format!(
        "The transaction sees each shard as of when it joined, and what is written depends on copies of \"{}\" that are read there.",
        turn.table
    );
    Refusal::new(Reason::ReferenceVolatile, detail)
        .with_hint("Write it at READ COMMITTED, or give the values as constants or parameters.")
}

/// What takes the locks of all these, until the transaction ends. In the order of the list, which is everybody's. Only the
/// server knows the isolation level, which may be its own default, so it is the server that refuses ([`seen_too_early`]).
pub fn wait_for(turns: &[Turn]) -> String {
    let mut text = match turns.iter().find(|turn| turn.reads) {
        Some(turn) => {
            let check = refuse_when(
                "SELECT 1 WHERE pg_catalog.current_setting('transaction_isolation') IN ('repeatable read', 'serializable')",
                &seen_too_early(turn),
            );
            format!("{check}; SELECT ")
        }
        None => String::from("SELECT "),
    };
    for (at, turn) in turns.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let key = turn.key();
        text.push_str(&format!(
            "{comma}pg_catalog.pg_advisory_xact_lock({CLASS}, {key})"
        ));
    }
    text
}

/// The reference tables whose writers have to wait for this statement, and it for them.
pub(super) fn of(
    input: &Input<'_>,
    statement: &Statement,
    route: &Route,
    effect: Effect,
) -> Vec<Turn> {
    if effect != Effect::Write || !may_change_copies(route) {
        return Vec::new();
    }
    let is_reference = |name: &Name| {
        let place = names::place(input.topology, input.catalog, input.search_path, name);
        matches!(place, Ok(Place::Reference))
    };
    let mut changes = changes_all(route);
    let mut reads = false;
    walk::statement(statement, &mut |met| {
        reads |= matches!(met, Met::From(TableRef::Relation(r)) if is_reference(&r.name));
        let Met::Change(change) = met else { return };
        changes |= match &change.kind {
            Kind::Insert(i) => is_reference(&i.target.name),
            Kind::Update(u) => is_reference(&u.target.name),
            Kind::Delete(d) => is_reference(&d.target.name),
            _ => false,
        };
    });
    if !changes {
        return Vec::new();
    }
    let mut turns = Vec::new();
    make::each_named(statement, &mut |name| {
        if is_reference(name) {
            let schema = schema(input, name).unwrap_or_default();
            turns.push(Turn {
                table: format!("{schema}.{}", name.name),
                reads,
            });
        }
    });
    if sets_off_others(input, statement, &turns) {
        let listed = input.topology.tables.iter();
        let copies = listed.filter(|(_, home)| **home == Home::Reference);
        turns.extend(copies.map(|(listed, _)| Turn {
            table: format!("{}.{}", listed.schema, listed.name),
            reads,
        }));
    }
    turns.sort();
    turns.dedup();
    turns
}

/// Whether the statement may change other reference tables by actions of foreign keys. Which ones is not looked at: hardly any
/// database has many, and they are hardly ever changed.
fn sets_off_others(input: &Input<'_>, statement: &Statement, turns: &[Turn]) -> bool {
    // Of a `MERGE` only the query is there.
    let (mut updates, mut deletes) = (false, matches!(statement.kind, Kind::Query(_)));
    walk::statement(statement, &mut |met| {
        let Met::Change(change) = met else { return };
        match &change.kind {
            Kind::Insert(i) => updates |= i.on_conflict.is_some(),
            Kind::Update(_) => updates = true,
            Kind::Delete(_) => deletes = true,
            _ => {}
        }
    });
    let is_changed = |schema: &str, name: &str| {
        let mut turns = turns.iter();
        turns.any(|turn| turn.table == format!("{schema}.{name}"))
    };
    input.catalog.relations().any(|(table, relation)| {
        let assigned = updates
            && relation
                .cascades
                .iter()
                .any(|c| c.on_update && is_changed(&c.from.schema, &c.from.name));
        let deleted =
            deletes && relation.beside.referenced && is_changed(&table.schema, &table.name);
        assigned || deleted
    })
}

/// Whether it does anything on several shards.
fn may_change_copies(route: &Route) -> bool {
    matches!(
        route,
        Route::Scatter { .. } | Route::Split(_) | Route::Program(_) | Route::CopyIn(_)
    )
}

/// Whether the route itself says that a table is changed on all shards alike.
fn changes_all(route: &Route) -> bool {
    match route {
        Route::Scatter { merge, .. } => *merge == Merge::Copies,
        Route::Program(program) => matches!(
            program.answer,
            Answer::Merged {
                merge: Merge::Copies,
                ..
            } | Answer::Each {
                merge: Merge::Copies,
                ..
            }
        ),
        Route::CopyIn(copy) => copy.splitter().is_none(),
        _ => false,
    }
}

/// The schema in which a reference table of this name is listed.
fn schema<'a>(input: &'a Input<'_>, name: &'a Name) -> Option<&'a str> {
    if let Some(schema) = &name.schema {
        return Some(schema);
    }
    let listed = |schema: &&String| {
        let home = input.topology.listed(schema, &name.name);
        matches!(home, Some(Home::Reference))
    };
    input.search_path.iter().find(listed).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::{Turn, wait_for};

    #[test]
    fn every_version_asks_for_the_same_lock() {
        let turn = |table: &str| Turn {
            table: table.to_owned(),
            reads: false,
        };
        assert_eq!(
            wait_for(&[turn("public.currencies"), turn("public.rates")]),
            "SELECT pg_catalog.pg_advisory_xact_lock(1397247572, 776264853), pg_catalog.pg_advisory_xact_lock(1397247572, 1166105585)"
        );
    }
}
