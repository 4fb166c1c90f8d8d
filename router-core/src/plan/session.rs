//! Statements about the session.

use super::names::FIRST;
use super::{Reason, Refusal, Route, SessionStatement, Target};
use crate::sql::statement::Session;

/// Where a statement about the session goes in a database of several shards. `Ok(None)` for `DECLARE`, whose
/// query decides.
pub(super) fn over_shards(s: &Session) -> Result<Option<Route>, Refusal> {
    if let Some(own) = own(s) {
        return Ok(Some(Route::Session(Box::new(own))));
    }
    let refused = |what: &str| Err(Refusal::new(Reason::SessionStatement, format!("{what}.")));
    match s {
        // Settings are the same on all shards: the session sees to it.
        Session::Show(_) => Ok(Some(Route::Single(Target::Shard(FIRST)))),
        // Channels are one shard's: all listen and notify there.
        Session::Listen(_) | Session::Unlisten(_) | Session::Notify(_) => {
            Ok(Some(Route::Single(Target::Shard(FIRST))))
        }
        Session::Fetch { name } => Ok(Some(Route::Session(Box::new(SessionStatement::Fetch(
            name.clone(),
        ))))),
        Session::Close(name) => Ok(Some(Route::Session(Box::new(SessionStatement::Close(
            name.clone(),
        ))))),
        Session::Declare { .. } => Ok(None),
        Session::Prepare { name, .. } => Ok(Some(Route::Session(Box::new(
            SessionStatement::Prepare(name.clone()),
        )))),
        Session::Execute { name } => Ok(Some(Route::Session(Box::new(SessionStatement::Execute(
            name.clone(),
        ))))),
        Session::Load => refused("LOAD is about one server"),
        Session::Set { .. }
        | Session::SetAuthorization { .. }
        | Session::SetCharacteristics(_)
        | Session::Reset(_)
        | Session::Deallocate(_)
        | Session::Discard(_) => Ok(None),
    }
}

/// What the session itself records or answers, in any database.
pub(super) fn own(s: &Session) -> Option<SessionStatement> {
    Some(match s {
        Session::Set {
            local,
            name,
            values,
        } => SessionStatement::Set {
            local: *local,
            name: name.clone(),
            values: values.clone(),
        },
        Session::SetAuthorization { local, role } => SessionStatement::SetAuthorization {
            local: *local,
            role: role.clone(),
        },
        Session::SetCharacteristics(modes) => SessionStatement::SetCharacteristics(modes.clone()),
        Session::Reset(name) => SessionStatement::Reset(name.clone()),
        Session::Show(name) if name.starts_with("shunt.") => SessionStatement::Show(name.clone()),
        Session::Discard(what) => SessionStatement::Discard(what.clone()),
        Session::Deallocate(name) => SessionStatement::Deallocate(name.clone()),
        _ => return None,
    })
}

/// What the statement is, in lower case.
pub(super) fn kind(s: &Session) -> &'static str {
    match s {
        Session::Set { .. } | Session::SetAuthorization { .. } | Session::SetCharacteristics(_) => {
            "set"
        }
        Session::Reset(_) => "reset",
        Session::Show(_) => "show",
        Session::Discard(_) => "discard",
        Session::Prepare { .. } => "prepare",
        Session::Execute { .. } => "execute",
        Session::Deallocate(_) => "deallocate",
        Session::Declare { .. } => "declare",
        Session::Fetch { .. } => "fetch",
        Session::Close(_) => "close",
        Session::Listen(_) => "listen",
        Session::Unlisten(_) => "unlisten",
        Session::Notify(_) => "notify",
        Session::Load => "load",
    }
}
