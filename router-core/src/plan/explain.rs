//! `EXPLAIN` of a statement that runs on several shards: the program of the statement with PostgreSQL's `EXPLAIN` in
//! place of each of its texts.
//!
//! What a plan shows is what a server says of the very text that it would run. A table that rows would be brought into is
//! made, without rows unless the statement runs (`ANALYZE`): the plan of the answer is that of a table whose size nobody
//! knows yet, as it is when the statement runs.

use super::Merge;
use super::program::{Answer, On, Program, Step};

/// The program that explains another. `prefix` is all that stands before the statement, as written; `analyze`: the
/// statement runs.
pub fn explained(program: &Program, prefix: &str, analyze: bool) -> Program {
    let mut explaining = Explaining {
        prefix,
        analyze,
        steps: Vec::new(),
    };
    for step in &program.steps {
        match step {
            Step::Run { on, text } => explaining.run(on.clone(), text),
            Step::RunEach { texts } => {
                for (shard, text) in texts {
                    explaining.run(On::Shard(*shard), text);
                }
            }
            Step::Move { from, query, .. } => {
                explaining.show(from.clone(), query, "rows that are moved");
                if analyze {
                    explaining.steps.push(step.clone());
                }
            }
            Step::Fetch { from, query, .. } => {
                explaining.show(
                    On::Targets(from.clone()),
                    query,
                    "results that are put together",
                );
            }
            // There is no plan of it.
            Step::Check { .. } if analyze => explaining.steps.push(step.clone()),
            Step::Check { .. } | Step::Show { .. } => {}
        }
    }
    let answer = |merge: &Merge| match merge {
        Merge::Sorted(_) => "sorted rows that are merged",
        _ if program.steps.is_empty() => "",
        _ => "the answer",
    };
    match &program.answer {
        Answer::Merged { on, text, merge } => explaining.show(on.clone(), text, answer(merge)),
        Answer::Each { texts, merge } => {
            for (shard, text) in texts {
                explaining.show(On::Shard(*shard), text, answer(merge));
            }
        }
        // What puts fetched results together reads no table.
        Answer::Finished { .. } | Answer::Tag(_) => {}
    }
    Program {
        unless: None,
        steps: explaining.steps,
        answer: Answer::Tag("EXPLAIN".to_owned()),
        temporary: program.temporary.clone(),
        writes: program.writes,
    }
}

struct Explaining<'a> {
    prefix: &'a str,
    analyze: bool,
    steps: Vec<Step>,
}

impl Explaining<'_> {
    fn show(&mut self, on: On, text: &str, what: &str) {
        self.steps.push(Step::Show {
            on,
            text: format!("{}{text}", self.prefix),
            what: what.to_owned(),
            makes: self.analyze && text.starts_with("CREATE"),
        });
    }

    /// A text of the program's own making, or of the client's: the former makes and changes tables for the latter.
    fn run(&mut self, on: On, text: &str) {
        if text.starts_with("DO ") {
            // A check of what the steps before it have done: there is no plan of it.
            if self.analyze {
                let text = text.to_owned();
                self.steps.push(Step::Run { on, text });
            }
            return;
        }
        let makes = text.starts_with("CREATE ");
        let of_rows = makes && text.contains(" AS SELECT ") && !text.ends_with(" WITH NO DATA");
        if !of_rows && (makes || text.starts_with("ALTER ")) {
            let text = text.to_owned();
            self.steps.push(Step::Run { on, text });
            return;
        }
        let what = if of_rows { "rows that stay" } else { "a step" };
        self.show(on.clone(), text, what);
        if of_rows && !self.analyze {
            let text = format!("{text} WITH NO DATA");
            self.steps.push(Step::Run { on, text });
        }
    }
}
