//! Which plans the session carries out itself, what they change, and how they are described.

use router_core::plan::{Plan, Route, SessionStatement};
use router_core::sql::statement::{Transaction as T, TransactionModes};
use router_core::sqlstate::SqlState;

use super::local::{frame, row_description};
use super::number;
use super::outer::{self};
use super::settings::Change;
use super::step::Noted;
use crate::wire::encode::Report;

/// Whether a statement never reaches a server, on any database.
pub(super) fn own_route(plan: &Plan) -> bool {
    match &plan.route {
        Route::Explain(_) => true,
        Route::Session(session) => match &**session {
            SessionStatement::Set { name, .. } | SessionStatement::Reset(name) => {
                name.starts_with("shunt.")
            }
            SessionStatement::Show(_) => true,
            // On servers these are everybody's.
            SessionStatement::Deallocate(Some(name)) => name.starts_with(outer::OWN),
            SessionStatement::Numbered { alone } => alone.is_some(),
            _ => false,
        },
        _ => false,
    }
}

/// Why a message that is forwarded whole cannot contain this statement.
pub(super) fn own(plan: &Plan) -> Option<Report> {
    own_route(plan).then(|| {
        Report::error(
            SqlState::new("SH018"),
            "statement cannot be one of several in a message",
        )
        .detail("Settings and prepared statements whose names begin with \"shunt\", and EXPLAIN (SHUNT), are the router's own.")
        .hint("Send it in a message of its own.")
    })
}

/// The refusal that a plan is, if it is one.
pub(super) fn own_refusal(plan: &Plan) -> Option<Report> {
    match &plan.route {
        Route::Refused(refusal) => Some(Report::from(&**refusal)),
        _ => None,
    }
}

/// Whether a statement changes settings of the session.
pub(super) fn sets(plan: &Plan) -> bool {
    let Route::Session(session) = &plan.route else {
        return false;
    };
    matches!(
        &**session,
        SessionStatement::Set { .. }
            | SessionStatement::SetConfig(_)
            | SessionStatement::SetCharacteristics(_)
            | SessionStatement::Reset(_)
    ) && !own_route(plan)
}

/// Whether a statement ends a transaction.
pub(super) fn ends(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Transaction(statement)
        if matches!(**statement, T::Commit { .. } | T::Rollback { .. } | T::Prepare(_)))
}

/// Whether a statement decides about settings that were changed before in the same transaction, by now or later.
pub(super) fn decides(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Transaction(statement)
        if matches!(**statement, T::Savepoint(_) | T::Release(_) | T::RollbackTo(_)))
        || ends(plan)
}

/// Whether a statement prepares the transaction for a later commit.
pub(super) fn prepares(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Transaction(statement) if matches!(**statement, T::Prepare(_)))
}

/// Whether a statement changes settings, or decides about those that were changed.
pub(super) fn sets_or_decides(plan: &Plan) -> bool {
    sets(plan) || decides(plan) || noted(plan).is_some()
}

/// Whether a statement changes what sessions begin with.
pub(super) fn renews(plan: &Plan) -> bool {
    matches!(&*plan.kind, "alter role" | "alter user" | "alter database")
}

/// Whether a statement has every setting as it was when the session began.
pub(super) fn resets_all(plan: &Plan) -> bool {
    let Route::Session(session) = &plan.route else {
        return false;
    };
    match &**session {
        SessionStatement::Reset(name) | SessionStatement::Discard(name) => name == "all",
        _ => false,
    }
}

/// Settings that cannot be put in place elsewhere: who the session is, what its transaction is, and where its random numbers
/// begin.
pub(super) fn stays(name: &str) -> bool {
    matches!(name, "role" | "session_authorization" | "seed") || name.starts_with("transaction_")
}

/// Whether a statement ends a failed transaction, or its failure.
pub(super) fn leaves_failed(plan: &Plan) -> bool {
    matches!(&plan.route, Route::Transaction(statement)
        if matches!(**statement, T::Commit { .. } | T::Rollback { .. } | T::RollbackTo(_) | T::Prepare(_)))
}

/// What changes in the session when a statement succeeds.
pub(super) fn noted(plan: &Plan) -> Option<Noted> {
    if let Route::Transaction(transaction) = &plan.route {
        return match &**transaction {
            T::Savepoint(name) => Some(Noted::Saved(name.as_str().into())),
            T::Release(name) => Some(Noted::Released(name.as_str().into())),
            T::RollbackTo(name) => Some(Noted::BackTo(name.as_str().into())),
            _ => None,
        };
    }
    let Route::Session(session) = &plan.route else {
        return None;
    };
    let change = match &**session {
        SessionStatement::Set { local: true, .. } => return None,
        SessionStatement::SetConfig(list) => return Some(Noted::Configured(list.clone())),
        SessionStatement::Set { name, .. } if stays(name) => return None,
        SessionStatement::Set { name, values, .. } => match values {
            Some(values) => Change::Set(name.clone(), values.clone()),
            None => Change::Reset(name.clone()),
        },
        SessionStatement::Reset(name) if name == "all" => Change::ResetAll,
        SessionStatement::Reset(name) => Change::Reset(name.clone()),
        SessionStatement::Discard(what) if what == "all" => Change::DiscardAll,
        SessionStatement::Close(name) => {
            return Some(Noted::Closed(
                name.as_ref().map(|name| name.as_str().into()),
            ));
        }
        SessionStatement::Deallocate(None) => return Some(Noted::Deallocated),
        SessionStatement::SetCharacteristics(modes) => {
            return Some(Noted::Settings(characteristics(modes)));
        }
        _ => return None,
    };
    Some(Noted::Settings(vec![change]))
}

/// What `SET transaction_read_only` says of the transaction.
pub(super) fn reads_only_by_setting(session: &SessionStatement) -> Option<TransactionModes> {
    match session {
        SessionStatement::Set {
            name,
            values: Some(values),
            ..
        } if name == "transaction_read_only" => {
            let [value] = &values[..] else {
                return None;
            };
            let read_only = match &*value.to_ascii_lowercase() {
                "on" | "true" | "yes" | "1" => true,
                "off" | "false" | "no" | "0" => false,
                _ => return None,
            };
            Some(TransactionModes {
                read_only: Some(read_only),
                ..TransactionModes::default()
            })
        }
        _ => None,
    }
}

/// What changes until the end of the transaction when a statement succeeds.
pub(super) fn noted_locally(plan: &Plan) -> Option<Noted> {
    let Route::Session(session) = &plan.route else {
        return None;
    };
    let SessionStatement::Set {
        local: true,
        name,
        values,
    } = &**session
    else {
        return None;
    };
    (!stays(name)).then(|| {
        Noted::Local(match values {
            Some(values) => Change::Set(name.clone(), values.clone()),
            None => Change::Reset(name.clone()),
        })
    })
}

/// `SET SESSION CHARACTERISTICS` as the settings it is.
pub(super) fn characteristics(modes: &TransactionModes) -> Vec<Change> {
    let on = |on: bool| vec![if on { "on" } else { "off" }.to_owned()];
    let mut changes = Vec::new();
    if let Some(level) = &modes.isolation {
        let name = "default_transaction_isolation".to_owned();
        changes.push(Change::Set(name, vec![level.clone()]));
    }
    if let Some(read_only) = modes.read_only {
        let name = "default_transaction_read_only".to_owned();
        changes.push(Change::Set(name, on(read_only)));
    }
    if let Some(deferrable) = modes.deferrable {
        let name = "default_transaction_deferrable".to_owned();
        changes.push(Change::Set(name, on(deferrable)));
    }
    changes
}

/// `RowDescription` or `NoData` of a statement that the session answers.
pub(super) fn describe(plan: &Plan) -> Vec<u8> {
    match &plan.route {
        Route::Explain(_) => row_description("QUERY PLAN"),
        Route::Session(session) => match &**session {
            SessionStatement::Show(name) => row_description(name),
            SessionStatement::Numbered {
                alone: Some(column),
            } => frame(b'T', &number::row_description(column)),
            _ => vec![b'n', 0, 0, 0, 4],
        },
        _ => vec![b'n', 0, 0, 0, 4],
    }
}
