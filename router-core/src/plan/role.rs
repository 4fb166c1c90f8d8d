//! What a statement does to data, and so which servers of a shard may run it.

use super::function::{Nature, nature};
use super::walk::{self, Met};
use super::{Effect, Role, SessionEffect};
use crate::sql::Statement;
use crate::sql::statement::{Expr, ExprKind, Kind};
use crate::topology::Catalog;
use crate::topology::catalog::{Known, Volatility};

/// The effect, and what is left in the server's session.
pub(super) fn effect(
    s: &Statement,
    catalog: &Catalog,
    search_path: &[String],
) -> (Effect, SessionEffect) {
    match &s.kind {
        Kind::Query(_) | Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_) => {
            data(s, catalog, search_path)
        }
        Kind::Copy(c) => {
            let (effect, session) = data(s, catalog, search_path);
            (if c.from { Effect::Write } else { effect }, session)
        }
        Kind::Transaction(crate::sql::statement::Transaction::Lock(_)) => {
            (Effect::Write, SessionEffect::default())
        }
        Kind::Transaction(_) => (Effect::Transaction, SessionEffect::default()),
        Kind::Session(session) => {
            let effect = match session {
                crate::sql::statement::Session::Show(_) => Effect::Read,
                crate::sql::statement::Session::Declare { query, .. } => {
                    data(query, catalog, search_path).0
                }
                crate::sql::statement::Session::Execute { .. }
                | crate::sql::statement::Session::Notify(_) => Effect::Write,
                _ => Effect::Session,
            };
            (effect, super::session::effect(session))
        }
        Kind::Explain(e) if e.analyze && !e.shunt => effect(&e.statement, catalog, search_path),
        Kind::Explain(_) => (Effect::Read, SessionEffect::default()),
        Kind::Utility(u) => {
            let session = match () {
                () if u.temporary => SessionEffect::TEMPORARY,
                () if u.schema => SessionEffect::default(),
                () => SessionEffect::UNKNOWN,
            };
            (
                if u.schema {
                    Effect::Schema
                } else {
                    Effect::Write
                },
                session,
            )
        }
        Kind::Empty => (Effect::Read, SessionEffect::default()),
        Kind::Unread(_) => (Effect::Write, SessionEffect::UNKNOWN),
    }
}

/// Which servers may run it.
pub(super) fn role(effect: Effect) -> Role {
    match effect {
        Effect::Read => Role::Any,
        Effect::Write | Effect::Schema | Effect::Session | Effect::Transaction => Role::Primary,
    }
}

fn data(s: &Statement, catalog: &Catalog, search_path: &[String]) -> (Effect, SessionEffect) {
    let mut effect = Effect::Read;
    let mut session = SessionEffect::default();
    walk::statement(s, &mut |met| match met {
        Met::Change(_) => effect = Effect::Write,
        Met::Query(q) if !q.locks.is_empty() => effect = Effect::Write,
        Met::Select(select) if select.into.is_some() => {
            effect = Effect::Write;
            session = session | SessionEffect::TEMPORARY;
        }
        Met::Expr(Expr {
            kind: ExprKind::Call(call),
            ..
        }) => match nature(call, catalog, search_path) {
            Nature::Pure | Nature::Clock | Nature::PerRow => {}
            Nature::Server if only_reads(&call.name.name) => {}
            Nature::Opaque if known_stable(&call.name, catalog, search_path) => {}
            Nature::Server | Nature::History | Nature::Opaque => {
                effect = Effect::Write;
                session = session | left_behind(&call.name.name);
            }
        },
        _ => {}
    });
    (effect, session)
}

/// Built-in functions about the server that change nothing and that a replica answers as its primary would.
fn only_reads(name: &str) -> bool {
    ["pg_get_", "has_", "pg_size_"]
        .iter()
        .any(|p| name.starts_with(p))
        || name.ends_with("_is_visible")
        || matches!(
            name,
            "version"
                | "current_setting"
                | "getpgusername"
                | "obj_description"
                | "col_description"
                | "shobj_description"
                | "aclexplode"
                | "pg_table_size"
                | "pg_relation_size"
                | "pg_total_relation_size"
                | "pg_indexes_size"
                | "pg_database_size"
                | "pg_backend_pid"
                | "pg_is_in_recovery"
                | "pg_sleep"
                | "pg_encoding_to_char"
                | "pg_has_role"
                | "pg_collation_for"
                | "pg_partition_tree"
                | "pg_partition_ancestors"
                | "pg_relation_is_publishable"
                | "pg_identify_object"
                | "pg_describe_object"
                | "pg_stat_get_numscans"
                | "pg_show_all_settings"
                | "pg_options_to_table"
        )
}

/// A function that somebody made, of which the catalog says that it changes nothing.
fn known_stable(
    name: &crate::sql::statement::Name,
    catalog: &Catalog,
    search_path: &[String],
) -> bool {
    let of = |schema: &str| match catalog.function(schema, &name.name) {
        Known::Is(f) => Some(f.volatility < Volatility::Volatile),
        Known::Absent => None,
        Known::Unknown => Some(false),
    };
    match &name.schema {
        Some(schema) => of(schema).unwrap_or(false),
        None => search_path.iter().find_map(|s| of(s)).unwrap_or(false),
    }
}

fn left_behind(function: &str) -> SessionEffect {
    match function {
        "set_config" => SessionEffect::SETTINGS,
        "nextval" | "setval" | "currval" | "lastval" => SessionEffect::SEQUENCE,
        f if f.contains("advisory") && !f.contains("xact") => SessionEffect::ADVISORY_LOCK,
        f if f.contains("advisory") => SessionEffect::default(),
        // What a known built-in function leaves is in its transaction; what another one leaves is not known.
        f if f.starts_with("pg_") || f.starts_with("lo_") || f.starts_with("txid_") => {
            SessionEffect::default()
        }
        _ => SessionEffect::UNKNOWN,
    }
}
