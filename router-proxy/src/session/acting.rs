//! Whose rights a session over shards has: `SET ROLE`.
//!
//! A role that is set outside of a transaction is in force on every connection that the session uses from then on, whatever
//! shard it is of, until it is reset: a connection that comes to the session is told it behind the settings, and is cleaned
//! before it goes to anybody else. On an unsharded database the one connection is kept instead, and the server knows.
//!
//! `SET SESSION AUTHORIZATION` is refused over shards, but for its `DEFAULT`.

use std::borrow::Cow;

use router_core::plan::{Plan, Route, SessionStatement};
use router_core::sqlstate::SqlState;

use super::Session;
use super::settings::{self, Change};
use crate::wire::backend as b;
use crate::wire::encode::Report;

pub(super) const ROLE: &str = "role";

/// The schema of a search path that has the name of the role.
const USER: &str = "$user";

/// What servers report of the role.
const RIGHTS: &str = "is_superuser";

/// Whether a report is of the role that is in force.
pub(super) fn is_of_role(body: &[u8]) -> bool {
    b::parameter_status(body).is_some_and(|(name, _)| name == RIGHTS.as_bytes())
}

/// Back to the role that has logged in, whatever the session began with.
const OWN_ROLE: &str = "SET ROLE NONE";

/// The change of the role that a statement makes for the session when it succeeds.
pub(super) fn acts(plan: &Plan) -> Option<Change> {
    let Route::Session(session) = &plan.route else {
        return None;
    };
    match &**session {
        SessionStatement::Set {
            local: false,
            name,
            values,
        } if name == ROLE => Some(match values {
            Some(values) => Change::Set(name.clone(), values.clone()),
            None => Change::Reset(name.clone()),
        }),
        SessionStatement::Reset(name) if name == ROLE => Some(Change::Reset(name.clone())),
        // It ends a role that was set, too.
        SessionStatement::SetAuthorization {
            local: false,
            role: None,
        } => Some(Change::Reset(ROLE.to_owned())),
        _ => None,
    }
}

/// Why a statement about who the session is cannot be carried out over shards.
pub(super) fn unlike_all(plan: &Plan) -> Option<Report> {
    let Route::Session(session) = &plan.route else {
        return None;
    };
    matches!(
        &**session,
        SessionStatement::SetAuthorization { role: Some(_), .. }
    )
    .then(|| {
        Report::error(
            SqlState::new("SH018"),
            "statement cannot be carried out over shards",
        )
        .detail("SET SESSION AUTHORIZATION would have to hold on every connection that the session uses.")
        .hint("Use SET ROLE, or connect as that user.")
    })
}

/// Whether a statement sets the role, be it for the transaction only.
pub(super) fn sets_role(session: &SessionStatement) -> bool {
    match session {
        SessionStatement::Set { name, .. } | SessionStatement::Reset(name) => name == ROLE,
        _ => false,
    }
}

impl Session {
    /// Whether what is done in the transaction under way may be done by another role than the one that has logged in.
    pub(super) fn acts_as_another(&self) -> bool {
        self.acting.is_some() || self.transaction.sets_role || self.initial.get(ROLE).is_some()
    }

    /// The schemas in which names are looked for, over shards. `"$user"` is that of the role that has logged in, and stays as
    /// it is while it may be another's.
    pub(super) fn schemas(&self) -> Cow<'_, [String]> {
        let path = self.search_path();
        if !self.environment.is_sharded() {
            return Cow::Borrowed(path);
        }
        let role = &self.environment.role;
        let inherited = std::ptr::eq(path, self.environment.search_path());
        let acts = self.acts_as_another();
        let follows = |schema: &String| schema == USER || inherited && schema == role;
        let is = match acts {
            true => USER,
            false => role,
        };
        let stands = |schema: &String| follows(schema) && schema != is;
        if !path.iter().any(stands) {
            return Cow::Borrowed(path);
        }
        let put = |schema: &String| match follows(schema) {
            true => is.to_owned(),
            false => schema.clone(),
        };
        Cow::Owned(path.iter().map(put).collect())
    }

    /// Takes changes of the role out of those that a transaction has made; `group` has them already.
    pub(super) fn settle_role(&mut self, changes: &mut Vec<Change>, group: &[usize]) {
        let mut changed = false;
        changes.retain(|change| {
            let acting = match change {
                Change::Set(name, values) if name == ROLE => {
                    Some(settings::set(false, ROLE, values).into())
                }
                Change::Reset(name) if name == ROLE => None,
                Change::DiscardAll => None,
                _ => return true,
            };
            changed = true;
            self.acting = acting;
            *change == Change::DiscardAll
        });
        if !changed {
            return;
        }
        self.acting_rights = self.parameters.get(RIGHTS).map(str::to_owned);
        for &slot in group {
            if let Some(link) = self.links.get_mut(slot) {
                link.acting.clone_from(&self.acting);
            }
        }
        if self.acting.is_none() {
            // Nothing keeps the others any more.
            (0..self.links.len()).for_each(|slot| self.act(slot));
        }
    }

    /// Puts the role in place on a link that has nothing under way.
    pub(super) fn act(&mut self, slot: usize) {
        let link = &self.links[slot];
        let free = || link.status() == b'I' && !link.joined && self.may_ask(slot);
        if link.acting == self.acting || link.server.is_none() || !free() {
            return;
        }
        self.links[slot].acting.clone_from(&self.acting);
        match (self.acting.clone(), self.initial.get(ROLE)) {
            (Some(sql), _) => self.ask(slot, &sql),
            (None, Some(values)) => {
                let sql = settings::set(false, ROLE, values);
                self.ask(slot, &sql);
            }
            (None, None) => self.ask(slot, "RESET ROLE"),
        }
    }

    /// What a server reports of its role is known of it, though the client is not told.
    pub(super) fn note_of_role(&mut self, slot: usize, body: &[u8]) {
        let value =
            b::parameter_status(body).and_then(|(_, value)| std::str::from_utf8(value).ok());
        if let (Some(value), Some(server)) = (value, self.links[slot].server.as_mut()) {
            server.parameters.set(RIGHTS, value);
        }
    }

    /// A commit that has put aside the role, of which the client is not told, is over: which rights it has now, where that is not
    /// what it was told when the role was set.
    pub(super) fn tell_of_role(&mut self) {
        let told = match &self.acting {
            Some(_) => self.acting_rights.clone(),
            None => self.greeted.get(RIGHTS).map(str::to_owned),
        };
        if let Some(value) = told
            && self.parameters.set(RIGHTS, &value)
        {
            let body = [RIGHTS.as_bytes(), &[0], value.as_bytes(), &[0]].concat();
            self.client_out.frame(b::PARAMETER_STATUS, &[&body]);
        }
    }

    /// A transaction was prepared on these links, which only its owner can end: the role that has logged in, so that
    /// whoever finds it later may end it, too. Or nobody knows which role is in force there. The session's own is put in place
    /// again at the next use.
    pub(super) fn acted_as_oneself(&mut self, slots: &[usize]) {
        for &slot in slots {
            if let Some(link) = self.links.get_mut(slot) {
                link.acting = Some(OWN_ROLE.into());
            }
            if self.acting.is_none() && slot < self.links.len() {
                self.act(slot);
            }
        }
    }
}
