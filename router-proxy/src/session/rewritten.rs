//! Messages that servers get in other words than the client's, and what that means for their answers.

use super::Session;
use super::goes_back::Hidden;

/// What the answer to such a message needs to be the client's.
#[derive(Debug)]
pub(super) struct Rewritten {
    /// Which step of the queue it is.
    place: u64,
    /// Where errors point to.
    pub(super) positions: Positions,
    /// Which of its statements are not the client's.
    pub(super) hidden: Hidden,
    /// The tag of what the client has said, where a server's is another.
    pub(super) tag: Option<&'static str>,
}

/// Where a server's error points to, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Positions {
    /// Its text stands behind so many characters of the client's.
    Behind(usize),
    /// Its text is another one.
    Lost,
}

impl Session {
    /// The step at this place is, or will be, of such a message.
    pub(super) fn note_rewritten(&mut self, place: u64, positions: Positions, hidden: Hidden) {
        // Several may be on their way; those that are answered are of no use any more.
        let answered = self.popped;
        self.rewritten.retain(|one| one.place >= answered);
        self.rewritten.push_back(Rewritten {
            place,
            positions,
            hidden,
            tag: None,
        });
    }

    /// The last step of the queue is of a message whose tag is this one to the client.
    pub(super) fn note_tag(&mut self, tag: &'static str) {
        let place = self.place().saturating_sub(1);
        self.note_rewritten(place, Positions::Lost, Hidden::new());
        if let Some(rewritten) = self.rewritten.back_mut() {
            rewritten.tag = Some(tag);
        }
    }

    /// Whether a statement of the message at the front, by its place, is not the client's.
    pub(super) fn is_hidden(&self, place: u32) -> bool {
        self.answers_rewritten()
            .is_some_and(|one| one.hidden.contains(&place))
    }

    /// What the message of the step at the front became, if it is one of those.
    pub(super) fn answers_rewritten(&self) -> Option<&Rewritten> {
        self.rewritten.iter().find(|one| one.place == self.popped)
    }
}
