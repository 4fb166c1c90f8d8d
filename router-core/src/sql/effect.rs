//! What a statement does: to data, and to the session of the server that runs it.
//!
//! Both are upper bounds. [`Effect::Read`] is a proof: no data change anywhere in the statement, no
//! locking clause, no function that is volatile or unknown. Whether a relation is a view that calls
//! such a function, and whether a trigger does, the text cannot say: the caller's catalog has to.

use std::fmt;

use crate::sql::functions;
use crate::sql::statement::{
    Call, Copy, CopyPeer, CopyWhat, ExprKind, Kind, Name, Session, Statement, Transaction,
};
use crate::sql::walk::{self, Node};

/// What a statement does to data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Proven to change nothing: may run on a replica.
    Read,
    /// May change data, take row locks, call a function that is volatile or unknown, or is not known at all.
    Write,
    /// Changes the schema.
    Schema,
    /// Is about the session only.
    Session,
    /// Begins, ends or marks a transaction.
    Transaction,
}

/// What a statement leaves behind in a server's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SessionEffect {
    /// Bits of `SessionEffect::*`; several statements' effects are or-ed.
    pub bits: u16,
}

impl SessionEffect {
    /// Temporary tables, views or sequences.
    pub const TEMPORARY: Self = Self { bits: 1 };
    /// Advisory locks of the session.
    pub const ADVISORY_LOCK: Self = Self { bits: 1 << 1 };
    /// `LISTEN`.
    pub const LISTEN: Self = Self { bits: 1 << 2 };
    /// Settings changed by `SET`, `RESET` or `set_config`.
    pub const SETTING: Self = Self { bits: 1 << 3 };
    /// A cursor `WITH HOLD`.
    pub const HELD_CURSOR: Self = Self { bits: 1 << 4 };
    /// A statement prepared by `PREPARE`.
    pub const PREPARED: Self = Self { bits: 1 << 5 };
    /// The last values of sequences, which `currval` and `lastval` read.
    pub const SEQUENCE: Self = Self { bits: 1 << 6 };
    /// Whatever a function or statement that is not known may leave behind.
    pub const UNKNOWN: Self = Self { bits: 1 << 7 };
    /// A loaded library.
    pub const LIBRARY: Self = Self { bits: 1 << 8 };

    const NAMES: [(Self, &'static str); 9] = [
        (Self::TEMPORARY, "temporary objects"),
        (Self::ADVISORY_LOCK, "advisory locks"),
        (Self::LISTEN, "listen"),
        (Self::SETTING, "settings"),
        (Self::HELD_CURSOR, "held cursors"),
        (Self::PREPARED, "prepared statements"),
        (Self::SEQUENCE, "sequence values"),
        (Self::UNKNOWN, "unknown functions"),
        (Self::LIBRARY, "libraries"),
    ];

    /// Both effects.
    pub const fn union(self, other: Self) -> Self {
        Self {
            bits: self.bits | other.bits,
        }
    }

    /// Whether every bit of `other` is set.
    pub fn contains(self, other: Self) -> bool {
        self.bits & other.bits == other.bits
    }

    /// Whether nothing is left behind.
    pub fn is_empty(self) -> bool {
        self.bits == 0
    }
}

impl fmt::Display for SessionEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(bit, _)| self.contains(*bit));
        for (at, (_, name)) in names.enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    /// To data.
    pub effect: Effect,
    /// To the session.
    pub session: SessionEffect,
}

/// What the catalog knows of the functions of a name: `Some(true)` when none of them, in any schema
/// that the name may mean, is volatile, `Some(false)` when one is, `None` when the catalog has no
/// function of that name outside `pg_catalog`.
pub type NotVolatile<'a> = dyn Fn(&Name) -> Option<bool> + 'a;

/// Finds what a statement does.
pub fn effects(statement: &Statement, not_volatile: &NotVolatile<'_>) -> Effects {
    let (mut writes, mut creates, mut session) = (false, false, SessionEffect::default());
    let mut leave = |effect: SessionEffect| session = session.union(effect);
    walk::statement(statement, &mut |node| match node {
        Node::Statement(inner) => {
            writes |= matches!(
                inner.kind,
                Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_) | Kind::Unread(_)
            );
            leave(own_session(&inner.kind));
        }
        Node::Query(query) => writes |= !query.locks.is_empty(),
        Node::Select(select) => {
            if select.into.is_some() {
                creates = true;
                // The tree does not say whether the table is temporary.
                leave(SessionEffect::TEMPORARY);
            }
        }
        Node::Relation(relation) => {
            let schema = relation.name.schema.as_deref().unwrap_or_default();
            if schema.starts_with("pg_temp") {
                writes = true;
                leave(SessionEffect::TEMPORARY);
            }
        }
        Node::Expr(expr) => {
            if let ExprKind::Call(call) = &expr.kind {
                let (volatile, left) = call_effect(call, not_volatile);
                writes |= volatile;
                leave(left);
            }
        }
    });
    Effects {
        effect: data(&statement.kind, writes || creates, creates),
        session,
    }
}

/// What a statement of this kind does to data, when `writes` and `creates` say whether anything
/// inside writes, and whether a query has `INTO`.
fn data(kind: &Kind, writes: bool, creates: bool) -> Effect {
    let by_content = if writes { Effect::Write } else { Effect::Read };
    match kind {
        Kind::Query(_) if creates => Effect::Schema,
        Kind::Query(_) => by_content,
        Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_) | Kind::Unread(_) => Effect::Write,
        Kind::Copy(copy) => match copy.as_ref() {
            Copy {
                from: false,
                peer: CopyPeer::Client,
                what: CopyWhat::Table { .. } | CopyWhat::Query(_),
                ..
            } => by_content,
            _ => Effect::Write,
        },
        Kind::Explain(explain) => match &explain.statement.kind {
            // Planning runs no function that is volatile.
            _ if !explain.analyze && !matches!(explain.statement.kind, Kind::Unread(_)) => {
                Effect::Read
            }
            inner => data(inner, writes, creates),
        },
        Kind::Transaction(Transaction::Lock(_)) => Effect::Write,
        Kind::Transaction(_) => Effect::Transaction,
        Kind::Session(Session::Declare { .. }) => by_content,
        Kind::Session(Session::Execute { .. } | Session::Notify(_)) => Effect::Write,
        Kind::Session(_) | Kind::Empty => Effect::Session,
        Kind::Utility(utility) if utility.schema => Effect::Schema,
        Kind::Utility(_) => Effect::Write,
    }
}

/// What a statement leaves in the session by its own kind.
fn own_session(kind: &Kind) -> SessionEffect {
    match kind {
        Kind::Session(session) => match session {
            Session::Set { local: false, .. }
            | Session::SetAuthorization { local: false, .. }
            | Session::SetCharacteristics(_)
            | Session::Reset(_) => SessionEffect::SETTING,
            Session::Prepare { .. } => SessionEffect::PREPARED,
            Session::Declare { hold: true, .. } => SessionEffect::HELD_CURSOR,
            Session::Listen(_) => SessionEffect::LISTEN,
            Session::Load => SessionEffect::LIBRARY,
            Session::Execute { .. } => SessionEffect::UNKNOWN,
            Session::Set { local: true, .. }
            | Session::SetAuthorization { local: true, .. }
            | Session::Show(_)
            | Session::Discard(_)
            | Session::Deallocate(_)
            | Session::Declare { hold: false, .. }
            | Session::Fetch { .. }
            | Session::Close(_)
            | Session::Unlisten(_)
            | Session::Notify(_) => SessionEffect::default(),
        },
        Kind::Utility(utility) => {
            if utility.temporary {
                SessionEffect::TEMPORARY
            } else if utility.runs_functions
                || matches!(utility.command.as_str(), "DO" | "CALL")
                || utility.command.starts_with("CREATE EXTENSION")
            {
                SessionEffect::UNKNOWN
            } else {
                SessionEffect::default()
            }
        }
        Kind::Unread(_) => SessionEffect::UNKNOWN,
        // A rule of that view calls set_config for each row (`system_views.sql`).
        Kind::Update(update) if update.target.name.name == "pg_settings" => SessionEffect::SETTING,
        _ => SessionEffect::default(),
    }
}

/// Whether a call is volatile or unknown, and what it leaves in the session.
fn call_effect(call: &Call, not_volatile: &NotVolatile<'_>) -> (bool, SessionEffect) {
    let name = call.name.name.as_str();
    let built_in = call
        .name
        .schema
        .as_deref()
        .is_none_or(|schema| schema == "pg_catalog");
    if built_in && let Some(effect) = known_session(name) {
        return (true, effect);
    }
    match not_volatile(&call.name) {
        Some(true) => return (false, SessionEffect::default()),
        Some(false) => return (true, SessionEffect::UNKNOWN),
        None => {}
    }
    if built_in && functions::is_stable(name) {
        return (false, SessionEffect::default());
    }
    (true, SessionEffect::UNKNOWN)
}

/// What the volatile functions of `pg_catalog` that applications use leave in the session.
fn known_session(name: &str) -> Option<SessionEffect> {
    Some(match name {
        "set_config" | "setseed" => SessionEffect::SETTING,
        "nextval" | "currval" | "lastval" | "setval" => SessionEffect::SEQUENCE,
        "pg_advisory_lock"
        | "pg_advisory_lock_shared"
        | "pg_try_advisory_lock"
        | "pg_try_advisory_lock_shared"
        | "pg_advisory_unlock"
        | "pg_advisory_unlock_shared"
        | "pg_advisory_unlock_all" => SessionEffect::ADVISORY_LOCK,
        "random"
        | "clock_timestamp"
        | "timeofday"
        | "gen_random_uuid"
        | "pg_sleep"
        | "pg_sleep_for"
        | "pg_sleep_until"
        | "pg_notify"
        | "pg_advisory_xact_lock"
        | "pg_advisory_xact_lock_shared"
        | "pg_try_advisory_xact_lock"
        | "pg_try_advisory_xact_lock_shared"
        | "txid_current"
        | "pg_current_xact_id"
        | "pg_cancel_backend"
        | "pg_terminate_backend"
        | "pg_is_in_recovery" => SessionEffect::default(),
        _ => return None,
    })
}
