//! The SQL of two-phase commit and its recovery. Every name has its schema: a session's `search_path` is its client's.

use std::fmt::Write as _;

use super::commit::Say;
use super::gid::{Gid, TransactionId};

/// Says which server this is, and whether it has a table of decisions:
/// system identifier, OID of the database, `t` or `f`; and whether it has the schema for one.
pub const IDENTIFY: &str = "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()), \
     (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()), \
     EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
     WHERE n.nspname = 'shunt' AND c.relname = 'decisions'), \
     EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'shunt')";

/// Held by the router that makes the table of decisions, until the end of its transaction.
pub const LOCK: &str = "SELECT pg_catalog.pg_advisory_xact_lock(6076842501914453068)";

/// Makes the schema for the table of decisions. Where it is there already, not everybody who may make the table may
/// ask for this.
pub const CREATE_SCHEMA: &str = "CREATE SCHEMA IF NOT EXISTS shunt";

/// Makes the table of decisions.
pub const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS shunt.decisions (\
     id text COLLATE \"C\" PRIMARY KEY, \
     committed boolean NOT NULL, \
     shards text[] NOT NULL, \
     at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp())";

/// Prepared transactions of this database whose names begin as ours: name, owner, milliseconds since, and when.
pub const LIST_PREPARED: &str = "SELECT gid, owner, \
     pg_catalog.floor(1000 * greatest(0, extract(epoch FROM pg_catalog.clock_timestamp() - prepared)))::bigint, \
     prepared FROM pg_catalog.pg_prepared_xacts \
     WHERE database = pg_catalog.current_database() AND pg_catalog.starts_with(gid, 'shunt1:') ORDER BY prepared LIMIT 10000";

/// What a participant is told; `shards` are those that prepare.
pub fn say(say: Say, id: &TransactionId, gid: &Gid, shards: &[&str]) -> String {
    match say {
        Say::Commit => "COMMIT".to_owned(),
        Say::Rollback => "ROLLBACK".to_owned(),
        Say::Prepare => format!("PREPARE TRANSACTION '{gid}'"),
        Say::CommitPrepared => format!("COMMIT PREPARED '{gid}'"),
        Say::RollbackPrepared => format!("ROLLBACK PREPARED '{gid}'"),
        Say::Decide => decide(id, shards),
    }
}

/// The decision. It has to be durable before anybody acts on it, whatever the session says about its own commits.
fn decide(id: &TransactionId, shards: &[&str]) -> String {
    let mut sql =
        format!("INSERT INTO shunt.decisions (id, committed, shards) VALUES ('{id}', true, ARRAY[");
    for (i, shard) in shards.iter().enumerate() {
        let _ = write!(sql, "{}{}", if i > 0 { "," } else { "" }, constant(shard));
    }
    sql.push_str(
        "]::text[]); SELECT pg_catalog.set_config('synchronous_commit', 'on', true) \
         WHERE pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off'",
    );
    sql
}

/// The decisions about these transactions: id, `t` for committed.
pub fn ask<'a>(ids: impl IntoIterator<Item = &'a TransactionId>) -> String {
    format!(
        "SELECT id, committed FROM shunt.decisions WHERE id = ANY ({})",
        array(ids)
    )
}

/// Decides to roll these back unless they are decided. Waits for a coordinator that is about to commit, not for long.
pub fn record_abort<'a>(ids: impl IntoIterator<Item = &'a TransactionId>) -> String {
    format!(
        "INSERT INTO shunt.decisions (id, committed, shards) \
         SELECT id, false, '{{}}' FROM pg_catalog.unnest({}) AS of(id) ON CONFLICT DO NOTHING",
        array(ids)
    )
}

/// Old decisions, so many at most: id, shards joined by newlines.
///
/// A decision to roll back keeps out a coordinator that has yet to write its row. It may go when every transaction
/// that was open when it was made is over.
pub fn list_decisions(retention_ms: u128, limit: usize) -> String {
    format!(
        "SELECT d.id, pg_catalog.array_to_string(d.shards, E'\\n') FROM shunt.decisions d \
         WHERE d.at < pg_catalog.clock_timestamp() - {retention_ms} * interval '1 millisecond' \
         AND (d.committed OR d.at < pg_catalog.clock_timestamp() - interval '1 day' AND NOT EXISTS (\
         SELECT FROM pg_catalog.pg_stat_activity a \
         WHERE a.datname = pg_catalog.current_database() AND a.xact_start <= d.at)) \
         ORDER BY d.at LIMIT {limit}"
    )
}

/// Removes decisions.
pub fn remove<'a>(ids: impl IntoIterator<Item = &'a TransactionId>) -> String {
    format!(
        "DELETE FROM shunt.decisions WHERE id = ANY ({})",
        array(ids)
    )
}

/// Lets roles write decisions, those of them that may not yet: the names of these.
pub fn lacking(roles: &[&str]) -> String {
    let names: Vec<_> = roles.iter().map(|role| constant(role)).collect();
    format!(
        "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY (ARRAY[{}]::name[]) AND NOT (\
         pg_catalog.has_schema_privilege(rolname, 'shunt', 'USAGE') \
         AND pg_catalog.has_table_privilege(rolname, 'shunt.decisions', 'INSERT'))",
        names.join(",")
    )
}

/// Lets a role write decisions.
pub fn grant(role: &str) -> String {
    let role = identifier(role);
    format!("GRANT USAGE ON SCHEMA shunt TO {role}; GRANT INSERT ON shunt.decisions TO {role}")
}

fn array<'a>(ids: impl IntoIterator<Item = &'a TransactionId>) -> String {
    let ids: Vec<_> = ids.into_iter().map(|id| format!("'{id}'")).collect();
    format!("ARRAY[{}]::text[]", ids.join(","))
}

/// A string constant, whatever `standard_conforming_strings` says.
fn constant(text: &str) -> String {
    let mut constant = String::from("E'");
    for c in text.chars() {
        if matches!(c, '\'' | '\\') {
            constant.push(c);
        }
        constant.push(c);
    }
    constant.push('\'');
    constant
}

/// A quoted identifier.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::twophase::gid::Place;

    #[test]
    fn what_is_said() {
        let id = TransactionId::new("shop", "s0", Place(1), 2);
        let gid = id.part(1);
        assert_eq!(
            say(Say::CommitPrepared, &id, &gid, &[]),
            format!("COMMIT PREPARED '{id}:1'")
        );
        let row = say(Say::Decide, &id, &gid, &["s1", r"o'b\x"]);
        assert!(
            row.starts_with(&format!(
                "INSERT INTO shunt.decisions (id, committed, shards) VALUES ('{id}', true, \
                 ARRAY[E's1',E'o''b\\\\x']::text[]);"
            )),
            "{row}"
        );
        assert_eq!(
            ask([&id]),
            format!(
                "SELECT id, committed FROM shunt.decisions WHERE id = ANY (ARRAY['{id}']::text[])"
            )
        );
        assert_eq!(
            grant("a\"b"),
            "GRANT USAGE ON SCHEMA shunt TO \"a\"\"b\"; GRANT INSERT ON shunt.decisions TO \"a\"\"b\""
        );
    }
}
