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
        });
    }

    /// What the message of the step at the front became, if it is one of those.
    pub(super) fn answers_rewritten(&self) -> Option<&Rewritten> {
        self.rewritten.iter().find(|one| one.place == self.popped)
    }
}
