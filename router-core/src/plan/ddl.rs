//! Statements known by their first words: DDL, `VACUUM`, `GRANT`, `DO`, `CALL`; and `LOCK`.

use super::names::{self, Place};
use super::{Reason, Refusal, Route, Target};
use crate::id::ShardId;
use crate::sql::lexer::{Lexer, Options, TokenKind, decode};
use crate::sql::statement::{Relation, Utility};
use crate::topology::{Catalog, Home, Topology};

/// What is asked of the surroundings.
pub(super) struct Around<'a> {
    pub(super) topology: &'a Topology,
    pub(super) catalog: &'a Catalog,
    pub(super) search_path: &'a [String],
    pub(super) text: &'a str,
    pub(super) options: Options,
}

/// Where such a statement goes in a database of several shards.
pub(super) fn over_shards(around: &Around<'_>, u: &Utility) -> Result<Route, Refusal> {
    if u.temporary {
        return Err(Refusal::new(
            Reason::SessionStatement,
            "A temporary table is on one server, and hides others of its name there.",
        ));
    }
    if !about_tables(&u.command) || u.relations.is_empty() {
        return Err(all_shards(format!(
            "{} would have to run on every shard.",
            u.command
        )));
    }
    tables(around, &u.relations, &u.command)
}

/// Commands whose relations are all that they are about, and tables.
fn about_tables(command: &str) -> bool {
    matches!(
        command,
        "CREATE TABLE"
            | "ALTER TABLE"
            | "DROP TABLE"
            | "TRUNCATE"
            | "TRUNCATE TABLE"
            | "VACUUM"
            | "ANALYZE"
            | "ANALYSE"
            | "CLUSTER"
            | "COMMENT ON TABLE"
            | "CREATE INDEX"
            | "CREATE UNIQUE INDEX"
            | "REINDEX TABLE"
    )
}

/// The shard on which all tables of a command live whole.
///
/// Proof: every name in the text is of a table there, or of none that is listed elsewhere; so what the command reads,
/// refers to or changes is on that shard, as it would be on one server.
pub(super) fn tables(
    around: &Around<'_>,
    relations: &[Relation],
    command: &str,
) -> Result<Route, Refusal> {
    let mut home: Option<ShardId> = None;
    for relation in relations {
        let name = names::display(&relation.name);
        match names::place(
            around.topology,
            around.catalog,
            around.search_path,
            &relation.name,
        )? {
            Place::Shard(id) if home.is_none_or(|h| h == id) => home = Some(id),
            Place::Shard(_) => {
                return Err(Refusal::new(
                    Reason::MixedHomes,
                    format!("\"{name}\" lives on another shard than the tables before it."),
                ));
            }
            Place::Sharded { .. } => {
                return Err(all_shards(format!(
                    "{command}: \"{name}\" is spread over shards."
                )));
            }
            Place::Reference => {
                return Err(all_shards(format!(
                    "{command}: \"{name}\" is on every shard."
                )));
            }
            Place::Catalog => {
                return Err(all_shards(format!(
                    "{command}: \"{name}\" is a system catalog of every shard."
                )));
            }
        }
    }
    let Some(home) = home else {
        return Err(all_shards(format!(
            "{command} without a table is about every shard."
        )));
    };
    match stranger(around, home) {
        Some(name) => Err(all_shards(format!(
            "{command} also names \"{name}\", which does not live on that shard alone."
        ))),
        None => Ok(Route::Single(Target::Shard(home))),
    }
}

/// A name in the text that is listed, and not whole on `home`.
fn stranger(around: &Around<'_>, home: ShardId) -> Option<String> {
    Lexer::new(around.text, around.options)
        .significant()
        .find_map(|token| {
            if !matches!(
                token.kind,
                TokenKind::Ident | TokenKind::QuotedIdent | TokenKind::UnicodeIdent
            ) {
                return None;
            }
            let name = decode::identifier(token.kind, token.span.of(around.text)).ok()?;
            let elsewhere = around
                .topology
                .tables
                .iter()
                .any(|(listed, place)| listed.name == *name && *place != Home::Pinned(home));
            elsewhere.then(|| name.into_owned())
        })
}

fn all_shards(detail: String) -> Refusal {
    Refusal::new(Reason::AllShardsSchema, detail)
}
