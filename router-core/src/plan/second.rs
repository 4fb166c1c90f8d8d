//! A second reader of statements, beside the parser.
//!
//! A statement that is read wrongly may be sent to the wrong shard, and nobody would see it. Whoever wants to be certain gives
//! the planner another reader, such as PostgreSQL's own grammar: every statement that is planned anew is read by both. Where
//! they differ nothing goes over shards.

use std::fmt::Debug;

use super::make::SYNTAX_ERROR;
use super::{Reason, Refusal};
use crate::sql::Statement;
use crate::sql::lexer::Options;

/// How a second reader's reading differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It finds no statement of SQL, and says why.
    Rejected(String),
    /// It finds another one; in what they differ, without any of its constants.
    Other(String),
}

/// Reads statements on its own.
pub trait SecondReader: Debug + Send + Sync {
    /// How its reading of `text` differs from `statement`, which is the parser's.
    fn difference(&self, statement: &Statement, text: &str, options: Options)
    -> Option<Difference>;

    /// What it has done so far.
    fn numbers(&self) -> SecondReaderNumbers;
}

/// What a second reader has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondReaderNumbers {
    /// Statements that it read.
    pub read: u64,
    /// Those that it read otherwise.
    pub different: u64,
    /// Those that it did not look at, for their length.
    pub passed_over: u64,
    /// The time that it took for all of them, in microseconds.
    pub micros: u64,
}

impl Difference {
    /// What the client is told.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Rejected(message) => {
                let mut refusal = Refusal::new(
                    Reason::NotRead,
                    "PostgreSQL's grammar, the second reader, does not accept it.",
                )
                .with_hint("If the servers know it, say where it goes: SET shunt.shard = '...', or a leading comment /* shunt: shard=... */.");
                refusal.sqlstate = SYNTAX_ERROR;
                refusal.message = message;
                refusal
            }
            Self::Other(what) => Refusal::new(
                Reason::NotRead,
                format!("The router and its second reader do not agree on this statement: {what}."),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::id::Epoch;
    use crate::plan::{Analysis, Context, Planner, Route};
    use crate::topology::{Catalog, Shard, Topology};

    /// One that takes every statement with this word for another.
    #[derive(Debug, Default)]
    struct Stubborn(AtomicU64);

    impl SecondReader for Stubborn {
        fn difference(&self, _: &Statement, text: &str, _: Options) -> Option<Difference> {
            self.0.fetch_add(1, Ordering::Relaxed);
            text.contains("odd")
                .then(|| Difference::Other("tree".to_owned()))
        }

        fn numbers(&self) -> SecondReaderNumbers {
            SecondReaderNumbers {
                read: self.0.load(Ordering::Relaxed),
                ..Default::default()
            }
        }
    }

    #[test]
    fn what_two_readers_read_differently_goes_nowhere() {
        let shard = |name: &str| Shard {
            name: name.into(),
            has_replicas: false,
        };
        let mut topology = Topology::unsharded("shop", shard("s0"), Epoch(1));
        let catalog = Catalog::unknown();
        let reader = Arc::new(Stubborn::default());
        let mut planner =
            Planner::new(1 << 20).with_second_reader(Arc::clone(&reader) as Arc<dyn SecondReader>);
        let mut analysis = Analysis::new();
        let mut refused = |topology: &Topology, text: &str| {
            let search_path = ["public".to_owned()];
            let context = Context::new(topology, &catalog, &search_path);
            planner.analyze(text, &context, &mut analysis);
            match &analysis.statements()[0].plan.route {
                Route::Refused(refusal) => Some(refusal.detail.to_string()),
                _ => None,
            }
        };
        // One shard has every row: nothing can be sent to a wrong one.
        assert_eq!(refused(&topology, "select 1 as odd"), None);
        topology.shards.push(shard("s1"));
        topology.epoch = Epoch(2);
        assert_eq!(refused(&topology, "select 1 as even"), None);
        let told = refused(&topology, "select 1 as odd").expect("a refusal");
        assert!(told.contains("do not agree"), "{told}");
        // Once for each shape that is agreed on.
        let before = reader.numbers().read;
        assert_eq!(refused(&topology, "select 2 as even"), None);
        assert_eq!(reader.numbers().read, before);
    }
}
