//! router-core's reading of statements against PostgreSQL's own grammar.

#[path = "oracle/regression.rs"]
mod regression;

use std::collections::BTreeMap;

use router_core::sql::{lexer, parse};
use router_grammar::{Reading, compare, read};

/// How a corpus went.
#[derive(Default)]
struct Tally {
    statements: usize,
    /// PostgreSQL's grammar accepts them.
    accepted: usize,
    /// router-core reads them, with all that is inside.
    read: usize,
    unread: BTreeMap<String, (usize, String)>,
    differences: Vec<String>,
}

impl Tally {
    fn check(&mut self, text: &str) {
        let lexical = lexer::Options::default();
        let reading = read(text, lexical);
        let statement = parse(text, &parse::Options::default());
        self.statements += 1;
        self.accepted += usize::from(!matches!(reading, Reading::Rejected(_)));
        if compare::has_unread(&statement) {
            if !matches!(reading, Reading::Rejected(_)) {
                let what = router_core::sql::print::print(&statement, text, lexical);
                let what = what.split("unread: ").nth(1).unwrap_or_default();
                let what = what.trim_end_matches(')').to_owned();
                let entry = self.unread.entry(what).or_insert((0, text.to_owned()));
                entry.0 += 1;
                if text.len() < entry.1.len() {
                    entry.1 = text.to_owned();
                }
            }
            return;
        }
        self.read += 1;
        for difference in compare(&statement, text, lexical, &reading) {
            self.differences.push(format!("{text}\n    {difference}"));
        }
    }

    fn finish(&self, name: &str) {
        println!(
            "{name}: {} statements, {} accepted by PostgreSQL, {} read, {} differences",
            self.statements,
            self.accepted,
            self.read,
            self.differences.len()
        );
        if std::env::var_os("UNREAD").is_some() {
            let mut unread: Vec<_> = self.unread.iter().collect();
            unread.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
            for (what, (count, example)) in unread {
                println!("  {count:6} {what}: {example:.100}");
            }
        }
        assert!(
            self.differences.is_empty(),
            "{} differences:\n{}",
            self.differences.len(),
            self.differences.join("\n")
        );
    }
}

#[test]
fn the_corpus_of_usual_statements() {
    let mut tally = Tally::default();
    for text in include_str!("../../router-core/tests/sql/corpus/read.sql").split(";\n") {
        tally.check(text);
    }
    tally.finish("usual statements");
}

#[test]
fn the_regression_suite() {
    let Some(statements) = regression::statements() else {
        println!("skipped: {}", regression::ABSENT);
        return;
    };
    let mut tally = Tally::default();
    for text in &statements {
        tally.check(text);
    }
    tally.finish("PostgreSQL's regression suite");
}
