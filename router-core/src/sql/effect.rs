//! What a statement does: to data, and to the session of the server that runs it.
//!
//! Both are upper bounds. [`Effect::Read`] is a proof: no data change anywhere in the statement, no
//! locking clause, no function that is volatile or unknown. Whether a relation is a view that calls
//! such a function, and whether a trigger does, the text cannot say: the caller's catalog has to.

use std::fmt;

use crate::sql::functions;
use crate::sql::statement::{
    Call, Copy, CopyPeer, CopyWhat, ExprKind, Kind, LiteralKind, Name, Relation, Session,
    Statement, Transaction,
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
    /// A sequence may have been advanced, by a default or trigger as well: `currval` and `lastval` have a value that others
    /// must not see. That alone keeps no connection.
    pub const ADVANCES: Self = Self { bits: 1 << 9 };
    /// `currval` or `lastval` may be asked, by a function as well.
    pub const RECALLS: Self = Self { bits: 1 << 10 };
    /// What later statements leave may follow from this one: it defines a function, a trigger or the like.
    pub const DEFINES: Self = Self { bits: 1 << 11 };
    /// It makes or replaces a function that leaves nothing. Nothing leaves more for that than is known; but a call of the
    /// function is taken for more than it is until the catalog has been read again.
    pub const ADDS: Self = Self { bits: 1 << 12 };
    /// Where random numbers begin.
    pub const SEED: Self = Self { bits: 1 << 13 };

    /// What `DISCARD ALL` does not end, or may not.
    pub const OUTLASTING: Self = Self::UNKNOWN.union(Self::LIBRARY).union(Self::SEED);

    const NAMES: [(Self, &'static str); 10] = [
        (Self::TEMPORARY, "temporary objects"),
        (Self::ADVISORY_LOCK, "advisory locks"),
        (Self::LISTEN, "listen"),
        (Self::SETTING, "settings"),
        (Self::HELD_CURSOR, "held cursors"),
        (Self::PREPARED, "prepared statements"),
        (Self::SEQUENCE, "sequence values"),
        (Self::UNKNOWN, "unknown functions"),
        (Self::LIBRARY, "libraries"),
        (Self::SEED, "seed of random numbers"),
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

    /// What a connection has to stay with its client for.
    pub const fn pinning(self) -> Self {
        let others =
            Self::ADVANCES.bits | Self::RECALLS.bits | Self::DEFINES.bits | Self::ADDS.bits;
        Self {
            bits: self.bits & !others,
        }
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
    /// Whether rows or schema may be other ones after it. Some of what only a primary runs changes none: row locks, `random()`.
    pub stores: bool,
    /// To the session.
    pub session: SessionEffect,
    /// A replica may come to something else, or to nothing.
    pub primary: bool,
}

/// What is known of the relations and functions that a statement names. Every answer may be that nothing is.
pub trait Surroundings {
    /// `Some(true)` when no function of that name, in any schema that the name may mean, is volatile, `Some(false)` when one
    /// is, `None` when none is known outside `pg_catalog`.
    fn is_not_volatile(&self, function: &Name) -> Option<bool>;

    /// The same of a function that `row.name` may call, for it is of one argument, and what it leaves in the session; `None`:
    /// none of that name is known.
    fn field(&self, name: &str) -> Option<(bool, SessionEffect)>;

    /// What a function that somebody made leaves in the session; `None`: none of that name is known.
    fn called(&self, function: &Name) -> Option<SessionEffect>;

    /// What reading a relation leaves in the session: by policies, and by what a view calls.
    fn read(&self, relation: &Name) -> SessionEffect;

    /// What writing to a relation leaves in the session: by triggers, rules, defaults and the like.
    fn written(&self, relation: &Name) -> SessionEffect;
}

/// Nothing is known.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Surroundings for Nothing {
    fn is_not_volatile(&self, _: &Name) -> Option<bool> {
        None
    }

    fn field(&self, _: &str) -> Option<(bool, SessionEffect)> {
        None
    }

    fn called(&self, _: &Name) -> Option<SessionEffect> {
        None
    }

    fn read(&self, _: &Name) -> SessionEffect {
        SessionEffect::default()
    }

    fn written(&self, _: &Name) -> SessionEffect {
        SessionEffect::default()
    }
}

/// Finds what a statement does.
pub fn effects(statement: &Statement, known: &dyn Surroundings) -> Effects {
    let (mut writes, mut creates, mut session) = (false, false, SessionEffect::default());
    let (mut stores, mut primary) = (false, false);
    let mut leave = |effect: SessionEffect| session = session.union(effect);
    walk::statement(statement, &mut |node| match node {
        Node::Statement(inner) => {
            stores |= matches!(
                inner.kind,
                Kind::Insert(_) | Kind::Update(_) | Kind::Delete(_) | Kind::Unread(_)
            );
            primary |= !matches!(inner.kind, Kind::Query(_));
            leave(own_session(&inner.kind));
            targets(&inner.kind, &mut |relation| {
                leave(known.written(&relation.name))
            });
        }
        Node::Query(query) => {
            writes |= !query.locks.is_empty();
            primary |= !query.locks.is_empty();
        }
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
                stores = true;
                leave(SessionEffect::TEMPORARY);
            }
            leave(known.read(&relation.name));
        }
        Node::Expr(expr) => match &expr.kind {
            ExprKind::Call(call) => {
                let (volatile, left) = call_effect(call, known);
                writes |= volatile;
                // One of that name may be somebody's own.
                let own = known.is_not_volatile(&call.name).is_some();
                let stores_nothing = stores_nothing(call) || tells_of_replay(call);
                stores |= volatile && (own || !stores_nothing);
                primary |= volatile && (own || !stores_nothing);
                leave(left);
            }
            ExprKind::Column { name, .. } | ExprKind::Field { name, .. } => {
                let is_alone = matches!(&expr.kind, ExprKind::Column { qualifier, .. } if qualifier.is_empty());
                // Where no column or field has that name, PostgreSQL looks for such a function.
                if !is_alone && let Some((volatile, left)) = known.field(name) {
                    writes |= volatile;
                    stores |= volatile;
                    primary |= volatile;
                    leave(left);
                }
            }
            _ => {}
        },
    });
    let what = |writes| data(&statement.kind, writes || creates, creates);
    Effects {
        effect: what(writes || stores),
        stores: matches!(what(stores), Effect::Write | Effect::Schema),
        session,
        primary: primary || creates,
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
            // Also for a transaction: what was drawn by it is not undone.
            Session::Set { name, .. } if name == "seed" => SessionEffect::SEED,
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
            let temporary = match utility.temporary {
                true => SessionEffect::TEMPORARY,
                false => SessionEffect::default(),
            };
            temporary.union(
                if utility.runs_functions
                    || matches!(utility.command.as_str(), "DO" | "CALL")
                    || matches!(
                        utility.command.as_str(),
                        "CREATE EXTENSION" | "ALTER EXTENSION"
                    )
                {
                    SessionEffect::UNKNOWN
                } else {
                    SessionEffect::default()
                },
            )
        }
        Kind::Unread(_) => SessionEffect::UNKNOWN,
        // A rule of that view calls set_config for each row (`system_views.sql`).
        Kind::Update(update) if update.target.name.name == "pg_settings" => SessionEffect::SETTING,
        _ => SessionEffect::default(),
    }
}

/// The relations that a statement of this kind writes to, or whose rows or definition it looks through with the functions
/// behind them.
fn targets<'s>(kind: &'s Kind, visit: &mut dyn FnMut(&'s Relation)) {
    match kind {
        Kind::Insert(insert) => visit(&insert.target),
        Kind::Update(update) => visit(&update.target),
        Kind::Delete(delete) => visit(&delete.target),
        Kind::Copy(copy) if copy.from => {
            if let CopyWhat::Table { relation, .. } = &copy.what {
                visit(relation);
            }
        }
        Kind::Utility(utility) => {
            let first = utility.command.split(' ').next().unwrap_or_default();
            if !matches!(first, "DROP" | "COMMENT" | "GRANT" | "REVOKE" | "SECURITY") {
                utility.relations.iter().for_each(visit);
            }
        }
        _ => {}
    }
}

/// Whether a call is volatile or unknown, and what it leaves in the session.
fn call_effect(call: &Call, known: &dyn Surroundings) -> (bool, SessionEffect) {
    let name = call.name.name.as_str();
    let built_in = call
        .name
        .schema
        .as_deref()
        .is_none_or(|schema| schema == "pg_catalog");
    if built_in && name == "set_config" && is_local(call) {
        return (true, SessionEffect::default());
    }
    if built_in && let Some(effect) = known_session(name) {
        return (true, effect);
    }
    let called = known.called(&call.name);
    match known.is_not_volatile(&call.name) {
        // A promise about data, which says little about the session.
        Some(true) => return (false, called.unwrap_or_default()),
        Some(false) => return (true, called.unwrap_or(SessionEffect::UNKNOWN)),
        None => {}
    }
    if built_in && functions::is_stable(name) {
        return (false, called.unwrap_or_default());
    }
    if built_in && functions::is_harmless(name) {
        return (true, called.unwrap_or_default());
    }
    (true, called.unwrap_or(SessionEffect::UNKNOWN))
}

/// Whether a volatile function of `pg_catalog` is known to change no row.
fn stores_nothing(call: &Call) -> bool {
    let built_in = call.name.schema.as_deref();
    built_in.is_none_or(|schema| schema == "pg_catalog")
        && matches!(
            call.name.name.as_str(),
            "random"
                | "clock_timestamp"
                | "timeofday"
                | "gen_random_uuid"
                | "pg_sleep"
                | "pg_sleep_for"
                | "pg_sleep_until"
        )
}

/// Whether a volatile function of `pg_catalog` says how far the server that it is asked of has come as a replica.
fn tells_of_replay(call: &Call) -> bool {
    let built_in = call.name.schema.as_deref();
    built_in.is_none_or(|schema| schema == "pg_catalog")
        && matches!(
            call.name.name.as_str(),
            "pg_is_in_recovery"
                | "pg_is_wal_replay_paused"
                | "pg_last_wal_receive_lsn"
                | "pg_last_wal_replay_lsn"
                | "pg_last_xact_replay_timestamp"
        )
}

/// Whether `set_config` sets for the transaction alone.
fn is_local(call: &Call) -> bool {
    !call.unusual_args
        && matches!(&call.args[..], [_, _, local]
            if matches!(local.kind, ExprKind::Literal(LiteralKind::True)))
}

/// What the volatile functions of `pg_catalog` that applications use leave in the session.
pub(crate) fn known_session(name: &str) -> Option<SessionEffect> {
    Some(match name {
        "set_config" => SessionEffect::SETTING,
        "setseed" => SessionEffect::SEED,
        "nextval" | "setval" => SessionEffect::SEQUENCE.union(SessionEffect::ADVANCES),
        "currval" | "lastval" => SessionEffect::SEQUENCE.union(SessionEffect::RECALLS),
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
