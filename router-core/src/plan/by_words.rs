//! Statements that nothing else proves, but whose words name nothing outside of the default shard: there they go as they are.
//!
//! A database of which a few tables are spread has many others, all whole on its default shard, and what is done with those alone
//! should be as on one server: functions and procedures that somebody made, `DO`, constructs that are not read here.
//!
//! Proof: whatever the statement means, it can reach only what it names or what stands behind that: relations, functions whose
//! bodies are read in the same way, triggers, policies, operators, casts and types ([`Reach`](crate::topology::catalog::Reach)).
//! Any word counts for everything of that name, whatever its schema. When all of it is whole on the default shard, that shard is in
//! the position of one server. What is not known, or reads what its arguments say in a text, is not of that kind.

use std::collections::BTreeSet;

use super::behind::{is_whole_at, strays};
use super::function::{Nature, builtin, is_registry};
use super::make::Input;
use super::names::{self, FIRST, Place};
use super::sizes::SIZES;
use super::walk::{self, Met};
use super::{Reason, Refusal, Route, Target, ddl, do_block};
use crate::id::ShardId;
use crate::sql::Statement;
use crate::sql::lexer::Options;
use crate::sql::lexer::keyword::Keyword;
use crate::sql::statement::{CopyPeer, ExprKind, Kind};
use crate::topology::TableName;
use crate::topology::catalog::{Behind, Known, Relation, RelationKind, said};

/// The route of a statement that was refused otherwise.
pub(super) fn route(input: &Input<'_>, statement: &Statement, refusal: &Refusal) -> Option<Route> {
    let home = input.topology.default_shard?;
    let clear = refusal.sqlstate.as_str().starts_with("SH")
        && !matches!(
            refusal.reason,
            Reason::RoutersOwn | Reason::Directive | Reason::TooLong | Reason::NextId
        );
    // The bodies of functions are read so, too.
    let plainly = input.options == Options::default();
    let catalog = input.catalog;
    if !clear || !plainly || !catalog.is_known() || catalog.residues().is_none() {
        return None;
    }
    let text = statement.span.of(input.text);
    let texts = match &statement.kind {
        Kind::Query(_) | Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_) => {
            vec![text.to_owned()]
        }
        // A program may do anything.
        Kind::Copy(copy) if copy.peer != CopyPeer::Program => vec![text.to_owned()],
        Kind::Utility(utility) if utility.command == "CALL" => vec![text.to_owned()],
        Kind::Utility(utility) if utility.command == "CREATE TABLE" => {
            let name = &utility.relations.first()?.name;
            let place = names::place(input.topology, catalog, input.search_path, name);
            let from = ddl::query_of(utility, input.text, input.options)? as usize;
            if !utility.temporary && place != Ok(Place::Shard(home)) {
                return None;
            }
            vec![
                input
                    .text
                    .get(from..statement.span.end as usize)?
                    .to_owned(),
            ]
        }
        // Its body is a text, in which all that it does stands.
        Kind::Utility(utility) if utility.command == "DO" => {
            vec![do_block::body(input, statement)?]
        }
        Kind::Unread(unread)
            if matches!(
                unread.first_word.as_str(),
                "SELECT" | "WITH" | "VALUES" | "TABLE" | "INSERT" | "UPDATE" | "DELETE" | "MERGE"
            ) =>
        {
            vec![text.to_owned()]
        }
        _ => return None,
    };
    let look = Look { input, home };
    let stays = texts.iter().all(|text| look.stays(statement, text));
    stays.then_some(Route::Single(Target::Shard(home)))
}

struct Look<'a> {
    input: &'a Input<'a>,
    home: ShardId,
}

impl Look<'_> {
    fn stays(&self, statement: &Statement, text: &str) -> bool {
        let said = said(text);
        let writes = said.writes;
        // Whoever is called by a statement that is read is known.
        let read = !matches!(statement.kind, Kind::Unread(_) | Kind::Utility(_));
        !said.does_more
            && (!read || calls_are_known(self.input, statement))
            && self.relations_stay(&said.names, writes)
            && self.functions_stay(&said.names)
            && said.calls.iter().all(|name| self.call_stays(name, read))
            && self.unnamed_stay()
    }

    /// Everything of these names that is listed, or that the servers have.
    fn relations_stay(&self, names: &BTreeSet<Box<str>>, writes: bool) -> bool {
        let Input {
            topology, catalog, ..
        } = self.input;
        // A listed one need not have been made yet.
        let mut listed = topology.tables.keys();
        if listed.any(|table| names.contains(&*table.name) && !self.is_here(table, writes)) {
            return false;
        }
        // What each server has of its own is shown of the first one; some of it the router keeps itself.
        let own = |name: &str| {
            name.starts_with("pg_")
                && (self.home != FIRST || matches!(name, "pg_prepared_statements" | "pg_cursors"))
                || (name == "information_schema" || is_registry(name)) && self.home != FIRST
                || name == "shunt"
        };
        if names.iter().any(|name| own(name)) {
            return false;
        }
        let reach = catalog.reach();
        let mut relations = catalog.relations();
        relations.all(|(full, relation)| {
            if !names.contains(&*full.name) || relation.kind == RelationKind::Index {
                return true;
            }
            let behind = [
                reach.read(&full.name),
                writes.then(|| reach.written(&full.name)).flatten(),
            ];
            let here = match relation.kind {
                // Of whichever functions: they are looked at below.
                RelationKind::View => self.view_stays(relation, writes, 0),
                RelationKind::Foreign => false,
                _ => self.is_here(full, writes),
            };
            here && !relation.withheld && behind.into_iter().flatten().all(|b| self.behind_stays(b))
        })
    }

    /// Whether a relation is whole on the shard, or a copy of it is there that is not written to.
    fn is_here(&self, table: &TableName, writes: bool) -> bool {
        let Input {
            topology, catalog, ..
        } = self.input;
        is_whole_at(topology, catalog, Place::Shard(self.home), table, writes)
    }

    fn view_stays(&self, view: &Relation, writes: bool, depth: usize) -> bool {
        let catalog = self.input.catalog;
        let reads = view.uses.relations.iter().all(|used| {
            match catalog.relation(&used.schema, &used.name) {
                // Views of views do not go deep; the bound is for a catalog that says nonsense.
                Known::Is(r) if r.kind == RelationKind::View => {
                    depth < 20 && self.view_stays(r, writes, depth + 1)
                }
                _ => self.is_here(used, writes),
            }
        });
        let calls = view.uses.functions.iter().all(|f| match &*f.schema {
            "pg_catalog" => self.call_stays(&f.name, false),
            _ => self.function_stays(&f.name),
        });
        reads && calls
    }

    /// Every function that somebody made of one of these names, called or not.
    fn functions_stay(&self, names: &BTreeSet<Box<str>>) -> bool {
        names.iter().all(|name| self.function_stays(name))
    }

    fn function_stays(&self, name: &str) -> bool {
        self.input
            .catalog
            .reach()
            .called(name)
            .is_none_or(|behind| self.behind_stays(behind))
    }

    fn behind_stays(&self, behind: &Behind) -> bool {
        let Input {
            topology, catalog, ..
        } = self.input;
        // What is asked of a server is asked of the first.
        let bare = behind.unseen.is_none() && (self.home == FIRST || behind.beyond.is_none());
        bare && strays(topology, catalog, Place::Shard(self.home), behind).is_none()
            && behind.calls.iter().all(|name| self.call_stays(name, true))
    }

    /// Whether a word in front of a parenthesis is no function of PostgreSQL's that looks elsewhere. `known`: what is called has
    /// been looked for, so any other word means no function.
    fn call_stays(&self, name: &str, known: bool) -> bool {
        let catalog = self.input.catalog;
        let built_in = matches!(catalog.function("pg_catalog", name), Known::Is(_));
        match builtin(name) {
            // It may count on several shards.
            _ if name == "setval" => false,
            Some(Nature::Pure | Nature::Clock | Nature::PerRow) => true,
            // How large a spread table is no server knows, and which one is meant a text may say.
            Some(Nature::Server) => self.home == FIRST && !SIZES.contains(&name),
            Some(Nature::History | Nature::Opaque) => false,
            None if built_in => false,
            None => known || Keyword::lookup(name.as_bytes()).is_some() || self.is_known(name),
        }
    }

    /// Whether a name is that of something that somebody made and that was looked at.
    fn is_known(&self, name: &str) -> bool {
        let catalog = self.input.catalog;
        catalog.has_function(name) || catalog.relations().any(|(full, _)| full.name == name)
    }

    /// Operators, casts and types that somebody made.
    fn unnamed_stay(&self) -> bool {
        let mut unnamed = self.input.catalog.reach().unnamed();
        unnamed.all(|(_, behind)| self.behind_stays(behind))
    }
}

/// Whether every function that a statement calls is PostgreSQL's or in the catalog. One that the snapshot does not have may have
/// been made since.
fn calls_are_known(input: &Input<'_>, statement: &Statement) -> bool {
    let mut known = true;
    walk::statement(statement, &mut |met| {
        if let Met::Expr(e) = met
            && let ExprKind::Call(call) = &e.kind
        {
            let name = &call.name.name;
            known &= builtin(name).is_some() || input.catalog.has_function(name);
        }
    });
    known
}
