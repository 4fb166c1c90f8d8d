//! A commit under way, as a machine: who is told what, and when the client may be told how it ended.
//!
//! Three rounds of messages at most, each to all participants at once:
//!
//! 1. *vote*: participants that only read commit; the coordinator writes the decision into its transaction; all other
//!    writers prepare. Any failure here rolls everything back.
//! 2. *decide*: the coordinator commits.
//! 3. *finish*: the prepared parts are committed. Whoever cannot be reached now is left to recovery: that does not
//!    change what the client is told.
//!
//! With one writer there is nothing to agree on: the readers commit first, since PostgreSQL may still find their
//! transaction not serializable, and then the writer.

use std::collections::VecDeque;

/// One shard's part in the transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Participant {
    /// It may have changed something there: a statement that writes was sent.
    pub wrote: bool,
    /// Who cannot be prepared is the best coordinator.
    pub obstacle: Obstacle,
}

/// Whether something was done that PostgreSQL does not prepare: temporary tables, `LISTEN`, cursors `WITH HOLD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obstacle {
    /// Nothing that is known.
    #[default]
    None,
    /// What was done there may have been done to temporary tables that the session has, or has had.
    Possible,
    /// It was.
    Certain,
}

/// What a participant is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Say {
    /// `COMMIT`.
    Commit,
    /// `ROLLBACK`.
    Rollback,
    /// The decision's row, in its own transaction.
    Decide,
    /// `PREPARE TRANSACTION`.
    Prepare,
    /// `COMMIT PREPARED`.
    CommitPrepared,
    /// `ROLLBACK PREPARED`.
    RollbackPrepared,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// It was done.
    Done,
    /// The server answered `ROLLBACK` where something else was asked: the transaction had failed.
    RolledBack,
    /// An error.
    Failed,
    /// The connection is gone, and with it the answer.
    Lost,
}

/// How the commit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is durable everywhere, or will be without anybody's doing.
    Committed,
    /// Nothing remains of it anywhere; because of this participant.
    RolledBack(usize),
    /// This participant was to commit, and its connection was lost: only its server knows.
    Unknown(usize),
}

/// A commit under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Commit {
    members: Vec<Member>,
    /// Who decides: its commit is the transaction's. `None`: nobody wrote.
    decider: Option<usize>,
    /// Whether parts are prepared.
    two_phase: bool,
    round: Round,
    culprit: Option<usize>,
    outcome: Option<Outcome>,
    todo: VecDeque<(usize, Say)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Member {
    wrote: bool,
    stand: Stand,
}

/// Where a participant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stand {
    /// Its transaction is open.
    Open,
    /// It was told this and has not answered.
    Asked(Say),
    /// It is prepared.
    Prepared,
    /// Over, one way or the other.
    Ended,
    /// Its connection is gone while something may be prepared there.
    Left,
    /// Its connection is gone, and its transaction with it.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Round {
    Vote,
    Decide,
    Finish { commit: bool },
}

impl Commit {
    /// Begins; `last` is the participant that was written last: a transaction that goes on working on one shard has
    /// its decision there.
    pub fn new(participants: &[Participant], last: usize) -> Self {
        let writers = || {
            participants
                .iter()
                .enumerate()
                .filter(|(_, participant)| participant.wrote)
        };
        let first = writers().map(|(i, _)| i).next();
        let worst = writers().map(|(_, participant)| participant.obstacle).max();
        let worst = worst.unwrap_or_default();
        let decider = writers()
            .find(|(_, participant)| worst > Obstacle::None && participant.obstacle == worst)
            .map(|(i, _)| i)
            .or_else(|| writers().map(|(i, _)| i).find(|&i| i == last))
            .or(first);
        let mut commit = Self {
            members: participants
                .iter()
                .map(|participant| Member {
                    wrote: participant.wrote,
                    stand: Stand::Open,
                })
                .collect(),
            decider,
            two_phase: writers().count() > 1,
            round: Round::Vote,
            culprit: None,
            outcome: None,
            todo: VecDeque::new(),
        };
        for i in 0..commit.members.len() {
            if !commit.members[i].wrote {
                commit.tell(i, Say::Commit);
            } else if commit.two_phase {
                let decides = decider == Some(i);
                commit.tell(i, if decides { Say::Decide } else { Say::Prepare });
            }
        }
        commit.go_on();
        commit
    }

    /// The participant whose commit is the transaction's, when others are prepared for it.
    pub fn coordinator(&self) -> Option<usize> {
        self.decider.filter(|_| self.two_phase)
    }

    /// Something to say to a participant.
    pub fn poll(&mut self) -> Option<(usize, Say)> {
        self.todo.pop_front()
    }

    /// What a participant was told last and has not answered.
    pub fn asked(&self, participant: usize) -> Option<Say> {
        match self.members[participant].stand {
            Stand::Asked(say) => Some(say),
            _ => None,
        }
    }

    /// How it ended, once everybody that can be reached has answered.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// Whether something was left behind for recovery.
    pub fn leaves_something(&self) -> bool {
        self.outcome.is_some()
            && self
                .members
                .iter()
                .any(|member| matches!(member.stand, Stand::Left | Stand::Prepared))
    }

    /// An answer, or the end of a connection.
    pub fn handle(&mut self, participant: usize, reply: Reply) {
        let stand = self.members[participant].stand;
        let next = match (stand, reply) {
            (Stand::Asked(say), reply) => self.answered(participant, say, reply),
            (Stand::Open, Reply::Lost) => {
                self.fail(participant);
                Stand::Gone
            }
            // What is prepared outlives its connection, and its server.
            (Stand::Prepared, Reply::Lost) => Stand::Left,
            (stand, _) => stand,
        };
        self.members[participant].stand = next;
        self.todo
            .retain(|(i, _)| *i != participant || next != Stand::Gone && next != Stand::Left);
        self.go_on();
    }

    fn answered(&mut self, i: usize, say: Say, reply: Reply) -> Stand {
        match (say, reply) {
            (Say::Commit, Reply::Lost) if self.round == Round::Decide => {
                self.outcome = Some(Outcome::Unknown(i));
                Stand::Gone
            }
            (Say::Commit | Say::Rollback, Reply::Done) => Stand::Ended,
            (Say::Rollback, _) => Stand::Gone,
            (Say::Decide, Reply::Done) => Stand::Open,
            (Say::Prepare, Reply::Done) => Stand::Prepared,
            (Say::Prepare, Reply::Lost) => {
                self.fail(i);
                Stand::Left
            }
            (Say::Commit | Say::Decide, Reply::Lost) => {
                self.fail(i);
                Stand::Gone
            }
            (Say::Decide, _) => {
                self.fail(i);
                // Its transaction has failed and waits for its end.
                Stand::Open
            }
            (Say::Commit | Say::Prepare, _) => {
                self.fail(i);
                Stand::Ended
            }
            (Say::CommitPrepared | Say::RollbackPrepared, Reply::Done) => Stand::Ended,
            (Say::CommitPrepared | Say::RollbackPrepared, _) => Stand::Left,
        }
    }

    fn fail(&mut self, i: usize) {
        self.culprit.get_or_insert(i);
    }

    fn tell(&mut self, i: usize, say: Say) {
        self.members[i].stand = Stand::Asked(say);
        self.todo.push_back((i, say));
    }

    /// Goes on to the next round when everybody has answered this one.
    fn go_on(&mut self) {
        while self.outcome.is_none()
            && !self
                .members
                .iter()
                .any(|member| matches!(member.stand, Stand::Asked(_)))
        {
            match (self.round, self.culprit, self.decider) {
                (Round::Vote, None, Some(decider)) => {
                    self.round = Round::Decide;
                    self.tell(decider, Say::Commit);
                }
                (Round::Vote | Round::Decide, culprit, _) => self.finish(culprit.is_none()),
                (Round::Finish { commit }, culprit, _) => {
                    self.outcome = Some(match culprit {
                        Some(culprit) if !commit => Outcome::RolledBack(culprit),
                        _ => Outcome::Committed,
                    });
                }
            }
        }
    }

    fn finish(&mut self, commit: bool) {
        self.round = Round::Finish { commit };
        for i in 0..self.members.len() {
            match self.members[i].stand {
                Stand::Open => self.tell(i, Say::Rollback),
                Stand::Prepared if commit => self.tell(i, Say::CommitPrepared),
                Stand::Prepared => self.tell(i, Say::RollbackPrepared),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READS: Participant = Participant {
        wrote: false,
        obstacle: Obstacle::None,
    };
    const WRITES: Participant = Participant {
        wrote: true,
        obstacle: Obstacle::None,
    };
    const TEMPORARY: Participant = Participant {
        wrote: true,
        obstacle: Obstacle::Certain,
    };

    /// Plays a commit in which everything is done but what `reply` says otherwise.
    fn play(
        participants: &[Participant],
        last: usize,
        reply: impl Fn(usize, Say) -> Reply,
    ) -> (String, Outcome) {
        let mut commit = Commit::new(participants, last);
        let mut said = String::new();
        loop {
            let round: Vec<_> = std::iter::from_fn(|| commit.poll()).collect();
            for (i, say) in &round {
                said.push_str(&format!("{i}{say:?} "));
            }
            said.push_str("| ");
            for (i, say) in round {
                commit.handle(i, reply(i, say));
            }
            if let Some(outcome) = commit.outcome() {
                assert_eq!(commit.poll(), None);
                return (said.trim_end_matches("| ").trim_end().to_owned(), outcome);
            }
        }
    }

    fn well(_: usize, _: Say) -> Reply {
        Reply::Done
    }

    #[test]
    fn one_writer_needs_no_second_phase() {
        assert_eq!(
            play(&[WRITES], 0, well),
            ("0Commit".into(), Outcome::Committed)
        );
        assert_eq!(
            play(&[READS, READS], 0, well),
            ("0Commit 1Commit".into(), Outcome::Committed)
        );
        assert_eq!(
            play(&[READS, WRITES, READS], 1, well),
            ("0Commit 2Commit | 1Commit".into(), Outcome::Committed)
        );
        let reader_fails = |i, _| if i == 0 { Reply::Failed } else { Reply::Done };
        assert_eq!(
            play(&[READS, WRITES], 1, reader_fails),
            ("0Commit | 1Rollback".into(), Outcome::RolledBack(0))
        );
        assert_eq!(
            play(&[WRITES], 0, |_, _| Reply::Lost),
            ("0Commit".into(), Outcome::Unknown(0))
        );
        assert_eq!(
            play(&[WRITES], 0, |_, _| Reply::RolledBack),
            ("0Commit".into(), Outcome::RolledBack(0))
        );
    }

    #[test]
    fn the_last_written_decides_unless_another_cannot_be_prepared() {
        assert_eq!(
            play(&[WRITES, READS, WRITES], 2, well),
            (
                "0Prepare 1Commit 2Decide | 2Commit | 0CommitPrepared".into(),
                Outcome::Committed
            )
        );
        assert_eq!(
            play(&[TEMPORARY, WRITES], 1, well),
            (
                "0Decide 1Prepare | 0Commit | 1CommitPrepared".into(),
                Outcome::Committed
            )
        );
    }

    #[test]
    fn who_certainly_cannot_prepare_decides_before_who_possibly_cannot() {
        let possible = Participant {
            obstacle: Obstacle::Possible,
            ..WRITES
        };
        let committed = |said: &str| (said.to_owned(), Outcome::Committed);
        assert_eq!(
            play(&[possible, TEMPORARY], 0, |_, _| Reply::Done),
            committed("0Prepare 1Decide | 1Commit | 0CommitPrepared")
        );
        assert_eq!(
            play(&[WRITES, possible], 0, |_, _| Reply::Done),
            committed("0Prepare 1Decide | 1Commit | 0CommitPrepared")
        );
    }

    #[test]
    fn a_vote_against_rolls_all_back() {
        let prepare_fails = |i, say| match (i, say) {
            (1, Say::Prepare) => Reply::Failed,
            _ => Reply::Done,
        };
        assert_eq!(
            play(&[WRITES, WRITES, WRITES], 2, prepare_fails),
            (
                "0Prepare 1Prepare 2Decide | 0RollbackPrepared 2Rollback".into(),
                Outcome::RolledBack(1)
            )
        );
        let row_fails = |_, say| match say {
            Say::Decide => Reply::Failed,
            _ => Reply::Done,
        };
        assert_eq!(
            play(&[WRITES, WRITES], 1, row_fails),
            (
                "0Prepare 1Decide | 0RollbackPrepared 1Rollback".into(),
                Outcome::RolledBack(1)
            )
        );
        let decision_fails = |_, say| match say {
            Say::Commit => Reply::Failed,
            _ => Reply::Done,
        };
        assert_eq!(
            play(&[WRITES, WRITES], 1, decision_fails),
            (
                "0Prepare 1Decide | 1Commit | 0RollbackPrepared".into(),
                Outcome::RolledBack(1)
            )
        );
    }

    #[test]
    fn losses_after_the_decision_change_nothing() {
        let lost = |_, say| match say {
            Say::CommitPrepared => Reply::Lost,
            _ => Reply::Done,
        };
        assert_eq!(play(&[WRITES, WRITES], 1, lost).1, Outcome::Committed);
        let mut commit = Commit::new(&[WRITES, WRITES], 1);
        while commit.poll().is_some() {}
        commit.handle(0, Reply::Done);
        // Prepared, then its server crashes: the others go on.
        commit.handle(0, Reply::Lost);
        commit.handle(1, Reply::Done);
        assert_eq!(commit.poll(), Some((1, Say::Commit)));
        commit.handle(1, Reply::Done);
        assert_eq!(commit.outcome(), Some(Outcome::Committed));
        assert!(commit.leaves_something());
    }

    #[test]
    fn a_lost_decision_is_unknown_and_leaves_what_is_prepared() {
        let mut commit = Commit::new(&[WRITES, WRITES], 1);
        while commit.poll().is_some() {}
        commit.handle(0, Reply::Done);
        commit.handle(1, Reply::Done);
        assert_eq!(commit.poll(), Some((1, Say::Commit)));
        commit.handle(1, Reply::Lost);
        assert_eq!(commit.outcome(), Some(Outcome::Unknown(1)));
        assert_eq!(commit.poll(), None);
        assert!(commit.leaves_something());
    }
}
