//! router-core's reading of statements against PostgreSQL's own grammar.

#[path = "oracle/generate.rs"]
mod generate;
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
    /// router-core reads them, or knows them by their first words, though PostgreSQL refuses them.
    refused: usize,
    /// Statements by chance: to read one that the server will refuse is no wrong reading.
    random: bool,
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
        self.refused += usize::from(matches!(reading, Reading::Rejected(_)));
        if self.random && matches!(reading, Reading::Rejected(_)) {
            return;
        }
        for difference in compare(&statement, text, lexical, &reading) {
            self.differences.push(format!("{text}\n    {difference}"));
        }
    }

    fn finish(&self, name: &str) {
        println!(
            "{name}: {} statements, {} accepted by PostgreSQL, {} read, {} of them refused by PostgreSQL, {} differences",
            self.statements,
            self.accepted,
            self.read,
            self.refused,
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

/// The corpora of router-core's own tests; those that PostgreSQL refuses are there to be unread.
#[test]
fn the_corpora_of_the_trees() {
    let mut tally = Tally::default();
    let directory = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../router-core/tests/sql/corpus"
    );
    let mut files = 0;
    for entry in std::fs::read_dir(directory).expect("the corpora are there") {
        let path = entry.expect("the directory can be read").path();
        let corpus = std::fs::read_to_string(&path).expect("a corpus can be read");
        corpus.split(";\n").for_each(|text| tally.check(text));
        files += 1;
    }
    assert!(files >= 10, "{files} corpora");
    tally.finish("corpora of the trees");
}

/// The statements of the differential bench, one a line, parameters after ` @ `.
#[test]
fn the_corpus_of_the_differential_bench() {
    let mut tally = Tally::default();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/differential/corpus");
    for entry in std::fs::read_dir(directory).expect("the corpus is there") {
        let path = entry.expect("the directory can be read").path();
        let corpus = std::fs::read_to_string(&path).expect("a corpus can be read");
        for line in corpus.lines().filter(|line| !line.starts_with("--")) {
            let text = line.rsplit_once(" @ ").map_or(line, |(text, _)| text);
            tally.check(text);
        }
    }
    assert!(tally.statements > 100, "{} statements", tally.statements);
    tally.finish("the differential bench");
}

/// `SEED` and `N` choose others; a failure names its statement, which needs neither.
#[test]
fn generated_statements() {
    let number = |name: &str, or: u64| {
        let value = std::env::var(name).ok();
        value.map_or(or, |value| value.parse().expect("a number"))
    };
    let seed = number("SEED", 1);
    let mut generator = generate::Generator::new(seed);
    let mut tally = Tally {
        random: true,
        ..Tally::default()
    };
    for _ in 0..number("N", 20_000) {
        tally.check(&generator.statement());
    }
    tally.finish(&format!("generated with seed {seed}"));
    assert!(
        tally.accepted * 3 > tally.statements,
        "too few statements are PostgreSQL's"
    );
    assert!(
        tally.read * 3 > tally.accepted,
        "too few statements are read"
    );
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
