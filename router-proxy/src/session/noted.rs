//! What a statement that is done has changed in the session.

use std::sync::Arc;

use router_core::plan::set_config::Configured;
use router_core::plan::{Plan, Reason, Refusal, Route, SessionStatement};

use super::Session;
use super::acting::ROLE;
use super::settings::{self, Change};
use super::step::Noted;
use crate::server::prepared::Reading;
use crate::wire::encode::Report;
use crate::wire::frontend as f;

/// What `set_config` sets whose values are parameters, by what stands behind the names in a `Bind`; `None`: none is.
pub(super) fn given(plan: &Plan, rest: &[u8]) -> Result<Option<Vec<Configured>>, Box<Report>> {
    let Route::Session(session) = &plan.route else {
        return Ok(None);
    };
    let SessionStatement::SetConfig(list) = &**session else {
        return Ok(None);
    };
    if list.iter().all(|one| one.given.is_none()) {
        return Ok(None);
    }
    let params = f::bind_values(rest).unwrap_or_default();
    let value = |one: &Configured| {
        let Some(at) = one.given else {
            return Some(one.clone());
        };
        // A text is the same in either format.
        let value = std::str::from_utf8(params.get(at)?.bytes?).ok()?;
        Some(Configured {
            value: value.to_owned(),
            given: None,
            ..one.clone()
        })
    };
    match list.iter().map(value).collect() {
        Some(list) => Ok(Some(list)),
        None => {
            let detail = "\"set_config\" is given a null for the value of a setting.";
            Err(Box::new(Report::from(&Refusal::new(
                Reason::Function,
                detail,
            ))))
        }
    }
}

impl Session {
    /// What a statement that succeeded changes in the session. `undone`: its transaction was rolled back by it.
    pub(super) fn take_note(&mut self, noted: Noted, undone: bool) {
        match noted {
            Noted::Settings(changes) => {
                if changes.contains(&Change::DiscardAll) {
                    self.discarded();
                }
                self.settings_on_server |= self.is_said_otherwise(&changes);
                self.uncommitted.add(changes);
            }
            Noted::Local(change) => self.uncommitted.add_local(change),
            Noted::Ended => {
                if undone {
                    self.uncommitted.undo();
                }
                self.tell_what_goes_back();
                let group = self.group.clone();
                self.settle(&group, undone);
            }
            Noted::Configured(list) => {
                for one in &list {
                    self.configured(one);
                }
            }
            Noted::NotEnded => {}
            Noted::Deallocated => self.deallocated(),
            Noted::Closed(name) => self.closed(name.as_deref()),
            Noted::Freed(name) => self.gone_as_is.retain(|gone| **gone != *name.as_bytes()),
            Noted::Forgotten(name) => drop(self.statements.remove(name.as_bytes())),
            Noted::Several(all) => all
                .into_iter()
                .for_each(|noted| self.take_note(noted, undone)),
            Noted::Chained(transaction) => {
                let group = self.group.clone();
                self.settle(&group, false);
                self.transaction = *transaction;
            }
            // With more of them than can be told apart, only the server knows which settings one of them undoes.
            Noted::Saved(name) => self.settings_on_server |= !self.uncommitted.save(&name),
            Noted::Released(name) => self.uncommitted.release(&name),
            Noted::BackTo(name) => self.uncommitted.back_to(&name),
        }
    }

    /// All that was prepared is gone.
    pub(super) fn deallocated(&mut self) {
        self.statements.clear();
        self.gone_as_is.clear();
        for link in &mut self.links {
            if let Some(server) = link.server.as_mut() {
                server.prepared.clear();
            }
        }
    }

    /// Whether settings were said in an encoding in which they cannot be put in place elsewhere.
    pub(super) fn is_said_otherwise(&self, changes: &[Change]) -> bool {
        !self.environment.is_sharded()
            && !changes.iter().all(Change::is_ascii)
            && self
                .parameters
                .get("client_encoding")
                .is_some_and(|encoding| !router_core::plan::copy_in::is_utf8(encoding))
    }

    /// `set_config` has succeeded on one server: it holds for those that join the transaction later, too.
    pub(super) fn configured(&mut self, one: &Configured) {
        let values = settings::values(&one.name, &one.value);
        if self.environment.is_sharded()
            && self.transaction.is_open()
            && !self
                .transaction
                .remember(&settings::set(one.local, &one.name, &values))
        {
            self.transaction.fail();
        }
        let change = Change::Set(one.name.clone(), values);
        if one.local {
            if self.environment.is_sharded() {
                self.uncommitted.add_local(change);
            }
        } else {
            self.settings_on_server |= self.is_said_otherwise(std::slice::from_ref(&change));
            self.uncommitted.add([change]);
        }
    }

    /// A commit has failed. PostgreSQL keeps what a transaction sets when it is prepared, also if that is rolled back, and a
    /// server that was only read has committed: each of these may have either, so it is told again before its next use,
    /// whoever's that is. Whether the role is among it, which is put in place by itself.
    #[must_use]
    pub(super) fn may_have_kept_settings(&mut self, group: &[usize]) -> bool {
        let unknown = || vec!["neither what was set nor what was before".to_owned()];
        let nothing = settings::SettingSet::default();
        for &slot in group {
            let Some(server) = self
                .links
                .get_mut(slot)
                .and_then(|link| link.server.as_mut())
            else {
                continue;
            };
            let known = Arc::make_mut(&mut server.settings);
            for change in self.uncommitted.lasting() {
                let names: Vec<String> = match change {
                    Change::Set(name, _) | Change::Reset(name) => vec![name.clone()],
                    Change::ResetAll | Change::DiscardAll => {
                        known.iter().map(|(name, _)| name.to_owned()).collect()
                    }
                };
                for name in names.into_iter().filter(|name| name != ROLE) {
                    known.apply(&Change::Set(name, unknown()), &nothing);
                }
            }
        }
        let is_role = |change: &Change| match change {
            Change::Set(name, _) | Change::Reset(name) => name == ROLE,
            Change::ResetAll | Change::DiscardAll => false,
        };
        self.uncommitted.lasting().any(is_role)
    }

    /// The transaction that changed settings has ended.
    pub(super) fn settle(&mut self, group: &[usize], undone: bool) {
        if undone {
            self.uncommitted.undo();
        }
        let mut changes = self.uncommitted.take();
        if undone && changes.is_empty() {
            return;
        }
        if self.environment.is_sharded() {
            self.settle_role(&mut changes, group);
        }
        let reported = self.parameters.get("DateStyle");
        settings::whole_date_styles(&mut changes, self.wanted.get("datestyle"), reported);
        let initial = Arc::clone(&self.initial);
        let wanted = Arc::make_mut(&mut self.wanted);
        for change in &changes {
            wanted.apply(change, &initial);
        }
        self.begins_anew |= self.settings_on_server && changes.contains(&Change::ResetAll);
        let reading = Reading::of(wanted);
        if !reading.is(&self.reading) {
            self.reading = Arc::new(reading);
        }
        let nothing = settings::SettingSet::default();
        for &slot in group {
            let Some(link) = self.links.get_mut(slot) else {
                continue;
            };
            let Some(server) = link.server.as_mut() else {
                continue;
            };
            let settings = Arc::make_mut(&mut server.settings);
            for change in &changes {
                settings.apply(change, &nothing);
            }
            // Whoever got it next could find it at its end.
            server.dirty |= server.settings.ends_idle_connections();
        }
    }

    /// `DISCARD ALL` has been carried out: what comes behind it in its pipeline is of the time after.
    pub(super) fn discarded(&mut self) {
        self.deallocated();
        self.cursors.clear();
        self.settings_on_server = false;
        self.begins_anew = false;
        self.drew_elsewhere = false;
        for &slot in &self.group {
            let Some(link) = self.links.get_mut(slot) else {
                continue;
            };
            link.drew = false;
            link.pinned = 0;
            if let Some(server) = link.server.as_mut() {
                server.sequences = false;
            }
        }
    }
}
