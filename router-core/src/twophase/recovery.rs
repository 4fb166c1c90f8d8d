//! What becomes of transactions that somebody left prepared, and of decisions that nobody needs any more.
//!
//! Any router may do this, and several at once: every step can be repeated, and the decision's unique index settles
//! who was first.

use std::collections::HashSet;

use super::gid::{Place, TransactionId};

/// One transaction of which parts are prepared somewhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    next: Move,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// Ask the coordinator for the decision.
    Ask,
    /// Put a decision to roll back in its place unless there is one, and ask again.
    RecordAbort,
    /// Finish all prepared parts.
    Finish {
        /// `COMMIT PREPARED` or `ROLLBACK PREPARED`.
        commit: bool,
    },
    /// Leave it as it is.
    Leave(Why),
}

/// Why a transaction is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The coordinator did not answer. It may later.
    Unreachable,
    /// Clients began it on a database of another name: its own routers will finish it.
    OtherDatabase,
    /// The configuration has no shard of the coordinator's name.
    NoSuchShard,
    /// The configuration means another server by that name.
    OtherPlace,
    /// The coordinator has no table of decisions although it must have had one.
    NoTable,
}

impl Why {
    /// As a clause.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unreachable => "its coordinator does not answer",
            Self::OtherDatabase => "it belongs to another database of the router",
            Self::NoSuchShard => "the configuration has no shard of its coordinator's name",
            Self::OtherPlace => "the shard of its coordinator's name is another server now",
            Self::NoTable => "the table shunt.decisions of its coordinator is gone",
        }
    }
}

/// What the coordinator says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// There is a row: committed.
    Committed,
    /// There is a row: rolled back.
    Aborted,
    /// There is no row.
    Absent,
    /// There is no table.
    NoTable,
    /// It does not answer.
    Unreachable,
}

impl Case {
    /// A transaction that was found prepared. `coordinator`: where the shard of the coordinator's name is, if the
    /// configuration has one and it answers.
    pub fn new(id: &TransactionId, database: &str, coordinator: Coordinator) -> Self {
        let next = if !id.is_of(database) {
            Move::Leave(Why::OtherDatabase)
        } else {
            match coordinator {
                Coordinator::Unknown => Move::Leave(Why::NoSuchShard),
                Coordinator::Unreachable => Move::Leave(Why::Unreachable),
                Coordinator::At(place) if place != id.place() => Move::Leave(Why::OtherPlace),
                Coordinator::At(_) => Move::Ask,
            }
        };
        Self { next }
    }

    /// What to do next.
    pub fn next(&self) -> Move {
        self.next
    }

    /// The answer to [`Move::Ask`] or [`Move::RecordAbort`].
    pub fn handle(&mut self, answer: Answer) {
        self.next = match (self.next, answer) {
            (_, Answer::Unreachable) => Move::Leave(Why::Unreachable),
            (_, Answer::NoTable) => Move::Leave(Why::NoTable),
            (_, Answer::Committed) => Move::Finish { commit: true },
            (_, Answer::Aborted) => Move::Finish { commit: false },
            (Move::Ask, Answer::Absent) => Move::RecordAbort,
            // Somebody took the row away between two statements: ask another time.
            (_, Answer::Absent) => Move::Leave(Why::Unreachable),
        };
    }
}

/// Where the coordinator of a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coordinator {
    /// There is no shard of that name.
    Unknown,
    /// It does not answer.
    Unreachable,
    /// It answers, and is this server.
    At(Place),
}

/// A decision as its coordinator keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// Whose.
    pub id: TransactionId,
    /// The shards that were prepared for it.
    pub shards: Vec<String>,
}

/// Which of these decisions nobody needs any more.
///
/// `prepared` holds every transaction of which some shard had a prepared part, asked of *all* shards of the
/// configuration *after* the decisions were read. A decision to commit that could be read was made when all parts were
/// prepared; so a part that is not there any more is finished, and none can come. (A decision to roll back also keeps
/// out a late coordinator; its age is the business of [`statements::LIST_DECISIONS`](super::statements).)
pub fn removable<'a>(
    decisions: &'a [Decision],
    database: &'a str,
    shards: &'a [&'a str],
    prepared: &'a HashSet<TransactionId>,
) -> impl Iterator<Item = &'a TransactionId> {
    decisions
        .iter()
        .filter(move |decision| {
            decision.id.is_of(database)
                && !prepared.contains(&decision.id)
                // A shard that the configuration has lost may hold a part.
                && decision
                    .shards
                    .iter()
                    .all(|shard| shards.contains(&shard.as_str()))
        })
        .map(|decision| &decision.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(unique: u128) -> TransactionId {
        TransactionId::new("shop", "s0", Place(1), unique)
    }

    fn moves(answers: &[Answer]) -> Move {
        let mut case = Case::new(&id(1), "shop", Coordinator::At(Place(1)));
        for answer in answers {
            assert!(matches!(case.next(), Move::Ask | Move::RecordAbort));
            case.handle(*answer);
        }
        case.next()
    }

    #[test]
    fn the_row_decides_and_no_row_is_made_one_first() {
        assert_eq!(moves(&[]), Move::Ask);
        assert_eq!(moves(&[Answer::Committed]), Move::Finish { commit: true });
        assert_eq!(moves(&[Answer::Aborted]), Move::Finish { commit: false });
        assert_eq!(moves(&[Answer::Absent]), Move::RecordAbort);
        // The coordinator was about to commit.
        assert_eq!(
            moves(&[Answer::Absent, Answer::Committed]),
            Move::Finish { commit: true }
        );
        assert_eq!(
            moves(&[Answer::Absent, Answer::Aborted]),
            Move::Finish { commit: false }
        );
        assert_eq!(
            moves(&[Answer::Absent, Answer::Unreachable]),
            Move::Leave(Why::Unreachable)
        );
        assert_eq!(moves(&[Answer::NoTable]), Move::Leave(Why::NoTable));
    }

    #[test]
    fn what_is_not_ours_is_left() {
        let first = |database, coordinator| Case::new(&id(1), database, coordinator).next();
        let here = Coordinator::At(Place(1));
        assert_eq!(first("shop", here), Move::Ask);
        assert_eq!(first("shop2", here), Move::Leave(Why::OtherDatabase));
        assert_eq!(
            first("shop", Coordinator::Unknown),
            Move::Leave(Why::NoSuchShard)
        );
        assert_eq!(
            first("shop", Coordinator::At(Place(2))),
            Move::Leave(Why::OtherPlace)
        );
    }

    #[test]
    fn decisions_go_when_nothing_is_prepared_for_them() {
        let decision = |unique, shards: &[&str]| Decision {
            id: id(unique),
            shards: shards.iter().map(|&s| s.to_owned()).collect(),
        };
        let decisions = [
            decision(1, &["s1"]),
            decision(2, &["s1"]),
            decision(3, &["gone"]),
            decision(4, &[]),
        ];
        let prepared = HashSet::from([id(2)]);
        let found = |database| -> Vec<_> {
            removable(&decisions, database, &["s0", "s1"], &prepared)
                .cloned()
                .collect()
        };
        assert_eq!(found("shop"), [id(1), id(4)]);
        assert_eq!(found("other"), []);
    }
}
