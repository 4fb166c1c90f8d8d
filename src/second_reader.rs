//! PostgreSQL's own grammar as the planner's second reader (feature `second-reader`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use router_core::plan::second::{Difference, SecondReader, SecondReaderNumbers};
use router_core::sql::Statement;
use router_core::sql::lexer::Options;
use router_grammar::Reading;

/// Longer statements are passed over: PostgreSQL's scanner takes a time that grows with the square of the length of some
/// texts, and a worker's other clients would wait.
const LONGEST: usize = 16 << 10;

/// Reads with PostgreSQL's grammar, and counts.
#[derive(Debug, Default)]
pub struct Grammar {
    read: AtomicU64,
    different: AtomicU64,
    passed_over: AtomicU64,
    micros: AtomicU64,
}

impl SecondReader for Grammar {
    fn difference(
        &self,
        statement: &Statement,
        text: &str,
        options: Options,
    ) -> Option<Difference> {
        if text.len() > LONGEST {
            self.passed_over.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let begun = Instant::now();
        let reading = router_grammar::read(text, options);
        let differences = router_grammar::compare(statement, text, options, &reading);
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.read.fetch_add(1, Ordering::Relaxed);
        if differences.is_empty() {
            return None;
        }
        self.different.fetch_add(1, Ordering::Relaxed);
        if let Reading::Rejected(message) = reading {
            return Some(Difference::Rejected(message));
        }
        // Only what kind of facts they are: the facts themselves hold constants.
        let mut kinds: Vec<&str> = differences
            .iter()
            .map(|difference| difference.split([' ', '\n']).next().unwrap_or_default())
            .map(|word| {
                if word.starts_with("PostgreSQL") {
                    "constructs"
                } else {
                    word
                }
            })
            .collect();
        kinds.dedup();
        Some(Difference::Other(kinds.join(", ")))
    }

    fn numbers(&self) -> SecondReaderNumbers {
        SecondReaderNumbers {
            read: self.read.load(Ordering::Relaxed),
            different: self.different.load(Ordering::Relaxed),
            passed_over: self.passed_over.load(Ordering::Relaxed),
            micros: self.micros.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use router_core::sql::parse;

    use super::*;

    #[test]
    fn readings_that_differ_are_told_and_counted() {
        let reader = Grammar::default();
        let options = Options::default();
        let read = |text: &str| parse(text, &parse::Options::default());
        let text = "select a from t where id = 7";
        assert_eq!(reader.difference(&read(text), text, options), None);
        // A parser that takes one statement for another.
        let wrong = read("select a from t where id = 8 or true");
        let told = reader.difference(&wrong, text, options);
        assert!(
            matches!(&told, Some(Difference::Other(what)) if what.contains("tree") && !what.contains('7')),
            "{told:?}"
        );
        let nonsense = "select a frm t where";
        let told = reader.difference(&wrong, nonsense, options);
        assert!(matches!(told, Some(Difference::Rejected(_))), "{told:?}");
        let long = format!("select '{}'", "x".repeat(LONGEST));
        assert_eq!(reader.difference(&read(&long), &long, options), None);
        let numbers = reader.numbers();
        assert_eq!(
            (numbers.read, numbers.different, numbers.passed_over),
            (3, 2, 1)
        );
    }
}
