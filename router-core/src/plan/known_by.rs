//! Which shards have every relation of a statement, so that any of them can say what its parameters and columns are.

use super::function::{self, Nature};
use super::make::Input;
use super::names::{self, Place};
use super::walk::{self, Met};
use super::{Reason, Refusal, Route, Target, make, select};
use crate::id::ShardId;
use crate::sql::statement::{Expr, ExprKind, Statement};

/// Which shards have every relation of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownBy {
    /// All: its tables are spread or copied, and the schema is the same everywhere.
    All,
    /// One: tables that live whole on a shard need not exist on another.
    One(ShardId),
    /// None: the tables live on different shards.
    None(Box<Refusal>),
}

/// Looks where the tables live. What one shard answers by its nature knows that shard, too: what its texts name
/// (`nextval('notes_id_seq')`, `'notes'::regclass`) need not be elsewhere.
pub(super) fn known_by(input: &Input<'_>, statement: &Statement, route: &Route) -> KnownBy {
    if let Some(refusal) = looks_back(input, statement) {
        return KnownBy::None(Box::new(refusal));
    }
    let mut found = KnownBy::All;
    let mut first = String::new();
    make::each_named(statement, &mut |name| {
        let place = names::place(input.topology, input.catalog, input.search_path, name);
        let Ok(Place::Shard(shard)) = place else {
            return;
        };
        match found {
            KnownBy::All => {
                found = KnownBy::One(shard);
                first = names::display(name);
            }
            KnownBy::One(other) if other != shard => {
                found = KnownBy::None(Box::new(
                    Refusal::new(
                        Reason::MixedHomes,
                        format!(
                            "\"{first}\" lives on shard {}, \"{}\" on {}: neither shard can tell the types of parameters and columns.",
                            input.topology.shard(other).name,
                            names::display(name),
                            input.topology.shard(shard).name,
                        ),
                    )
                    .with_hint("Send the statement by the simple protocol, with its values in the text, or let the tables live on one shard."),
                ));
            }
            _ => {}
        }
    });
    match (&found, route) {
        (KnownBy::All, Route::Single(Target::Shard(shard))) => KnownBy::One(*shard),
        _ => found,
    }
}

/// `currval('name')`: whichever server is asked looks for the sequence, which need not be there.
fn looks_back(input: &Input<'_>, statement: &Statement) -> Option<Refusal> {
    if input.topology.only_shard().is_some() {
        return None;
    }
    let mut found = None;
    walk::statement(statement, &mut |met| {
        if let Met::Expr(Expr {
            kind: ExprKind::Call(call),
            ..
        }) = met
            && function::nature(call, input.catalog, input.search_path) == Nature::History
        {
            found.get_or_insert_with(|| select::history(&call.name));
        }
    });
    found
}
