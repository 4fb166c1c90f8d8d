//! What a pipeline changes in the session, until it is known whether it succeeded.

use std::rc::Rc;

use super::Session;
use super::client::Taken;
use super::statement::ClientStatement;
use super::step::Step;

/// What is put back when the message that changed it turns out to be skipped.
#[derive(Debug)]
pub(super) struct Undo {
    /// The place of the message in the queue of steps.
    at: u64,
    what: Undone,
}

#[derive(Debug)]
pub(super) enum Undone {
    Statement(Box<[u8]>, Option<Rc<ClientStatement>>),
    Unnamed(Option<Rc<ClientStatement>>),
    /// A name is free again under which a server had what the session does not keep.
    AsIs(Box<[u8]>),
}

impl Undo {
    pub(super) fn what(&self) -> &Undone {
        &self.what
    }
}

impl Undone {
    pub(super) fn is_about(&self, name: &[u8]) -> bool {
        match self {
            Self::Statement(known, _) | Self::AsIs(known) => **known == *name,
            Self::Unnamed(_) => name.is_empty(),
        }
    }

    pub(super) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
            && match other {
                Self::Statement(name, _) | Self::AsIs(name) => self.is_about(name),
                Self::Unnamed(_) => true,
            }
    }
}

impl Session {
    pub(super) fn remember(&mut self, what: Undone) {
        self.remember_at(self.place(), what);
    }

    /// The same of a message whose step has this place.
    pub(super) fn remember_at(&mut self, at: u64, what: Undone) {
        self.undo.push(Undo { at, what });
    }

    /// The place in the queue of steps that the message at hand will take.
    pub(super) fn place(&self) -> u64 {
        self.popped + self.steps.len() as u64
    }

    /// Puts back what the rest of the pipeline under way has changed: all from the front of the queue to its `Sync`.
    pub(super) fn undo_pipeline(&mut self) {
        let end = self
            .steps
            .iter()
            .position(|step| matches!(step, Step::Sync))
            .map_or(u64::MAX, |at| self.popped + at as u64);
        let place = self.popped;
        for link in &mut self.links {
            link.forget_parsing(place, end);
        }
        let mut kept: Vec<Undo> = Vec::new();
        // The latest first: one name may have changed more than once.
        while let Some(mut undo) = self.undo.pop() {
            if undo.at < place || undo.at > end {
                kept.push(undo);
                continue;
            }
            if undo.at == place
                && let Undone::Unnamed(old) = &mut undo.what
            {
                // A `Parse` that fails has ended the unnamed statement all the same.
                *old = None;
            }
            // A later pipeline may have changed the name again: then that is what it would go back to.
            let later = kept
                .iter_mut()
                .rfind(|kept| kept.at > end && kept.what.is_like(&undo.what));
            match (later, undo.what) {
                (Some(later), what) => later.what = what,
                (None, Undone::Statement(name, Some(old))) => {
                    self.statements.insert(name, old);
                }
                (None, Undone::Statement(name, None)) => {
                    self.statements.remove(&name);
                }
                (None, Undone::Unnamed(old)) => self.unnamed = old,
                (None, Undone::AsIs(name)) => self.gone_as_is.push(name),
            }
        }
        kept.reverse();
        self.undo = kept;
    }

    /// A simple query ends the unnamed statement, the session's like the server's.
    pub(super) fn end_unnamed(&mut self, at: u64) {
        let old = self.unnamed.take();
        self.unnamed_unread = false;
        if !self.undo.is_empty() && !self.steps.is_empty() {
            let what = Undone::Unnamed(old);
            self.undo.push(Undo { at, what });
        }
    }

    /// Whether a message under way may turn out not to have changed this name. `before_sync`: one of an
    /// earlier pipeline, whose failure does not stop the message at hand.
    pub(super) fn is_unsettled(&self, name: &[u8], before_sync: bool) -> bool {
        let about = |undo: &&Undo| undo.what.is_about(name);
        let unanswered = |undo: &&Undo| undo.at >= self.popped;
        let Some(last) = self
            .undo
            .iter()
            .rfind(|undo| about(undo))
            .filter(unanswered)
        else {
            return false;
        };
        let behind = (last.at - self.popped) as usize;
        !before_sync
            || self
                .steps
                .iter()
                .skip(behind)
                .any(|step| matches!(step, Step::Sync))
    }

    /// The message at hand waits until all before it is answered.
    pub(super) fn wait_for_answers(&mut self) -> Taken {
        self.flush_group();
        Taken::Wait
    }

    /// What has been answered cannot be undone any more.
    pub(super) fn forget_undo(&mut self) {
        if self.undo.is_empty() {
            return;
        }
        let place = self.popped;
        self.undo.retain(|undo| undo.at >= place);
    }

    /// A step has been taken out of the queue: those behind it move up.
    pub(super) fn move_undo_up(&mut self, removed: u64) {
        for undo in self.undo.iter_mut().filter(|undo| undo.at > removed) {
            undo.at -= 1;
        }
        let parsing = self.links.iter_mut().flat_map(|link| &mut link.parsing);
        for (at, _) in parsing.filter(|(at, _)| *at > removed) {
            *at -= 1;
        }
    }
}
