//! `Execute` and `Close`.

use std::rc::Rc;

use super::Session;
use super::client::Taken;
use super::link::UnnamedPortal;
use super::portals::Portal;
use super::statement::ClientStatement;
use super::step::{Note, Noted, Own, Ready, Step};
use super::undo::Undone;
use crate::wire::frontend as f;

impl Session {
    pub(super) fn execute(&mut self, execute: &f::Execute<'_>) -> Taken {
        let portal = self.portal(execute.portal);
        if let Some(Portal {
            statement,
            steps: Some(steps),
            spool,
            ..
        }) = &portal
        {
            return self.execute_in_steps(statement, steps, spool, execute.max_rows);
        }
        if let Some(Portal {
            statement,
            home,
            parts,
            spool,
            ..
        }) = &portal
        {
            if home.is_none() {
                return self.execute_own(statement);
            }
            if let Some(parts) = parts
                && (execute.max_rows > 0 || spool.borrow().is_some())
            {
                if let Err(held) = self.described(statement) {
                    return self.hold(held, Ready::Silent);
                }
                return self.execute_in_steps(statement, parts, spool, execute.max_rows);
            }
        }
        let mut note = portal
            .as_ref()
            .and_then(|portal| portal.statement.plan())
            .map_or(Note(None), |plan| self.note(plan));
        if let Some(given) = portal.as_ref().and_then(|portal| portal.given.clone()) {
            note = Note(Some(Box::new(Noted::Configured(given))));
        }
        let tag = portal.as_ref().and_then(|portal| portal.statement.tag);
        let awaited = (self.clears_statements, self.resets);
        self.awaits_outcome_of(&note);
        let taken = self.at_portal(execute.portal, portal, Step::Execute(note));
        if taken != Taken::Forward {
            (self.clears_statements, self.resets) = awaited;
        } else if let Some(tag) = tag {
            self.note_tag(tag);
        }
        taken
    }

    pub(super) fn execute_own(&mut self, statement: &Rc<ClientStatement>) -> Taken {
        if !self.steps.is_empty() {
            // Whether it is reached at all depends on what goes before.
            self.flush_group();
            return Taken::Wait;
        }
        self.in_pipeline = true;
        let Some((_, planned)) = &statement.planned else {
            self.owe(Step::Own(Own::Bytes(vec![b'I', 0, 0, 0, 4])));
            return Taken::Discard;
        };
        let text = planned.span.of(statement.text());
        self.local(&planned.plan, text, Ready::Silent)
            .unwrap_or(Taken::Discard)
    }

    pub(super) fn close(&mut self, named: &f::Named<'_>) -> Taken {
        let place = self.place();
        if named.portal {
            let portal = self.portal(named.name);
            let known = portal.is_some();
            if known {
                self.portals.retain(|(name, _)| **name != *named.name);
            }
            let on_server = match &portal {
                Some(portal) => portal.home.is_some(),
                // A failed transaction takes its cursors along.
                None if self.cursor_home(named.name).is_some() => !self.transaction.is_failed(),
                None => !self.environment.is_sharded() && !self.links.is_empty(),
            };
            if on_server {
                let taken = self.at_portal(named.name, portal, Step::Close);
                if taken == Taken::Forward && named.name.is_empty() {
                    for &slot in &self.group {
                        self.links[slot].unnamed_portal = UnnamedPortal::None;
                    }
                }
                return taken;
            }
        } else if named.name.is_empty() {
            self.remember(Undone::Unnamed(self.unnamed.clone()));
            self.unnamed = None;
            self.unnamed_unread = false;
        } else if let Some(old) = self.statements.remove(named.name) {
            self.remember(Undone::Statement(named.name.into(), Some(old)));
        } else if let Some(taken) = self.on_server(named.name, Step::Close) {
            if taken == Taken::Forward {
                self.is_free_again(named.name, place);
            }
            return taken;
        }
        self.in_pipeline = true;
        self.owe(Step::Own(Own::Empty(b'3')));
        Taken::Discard
    }
}
