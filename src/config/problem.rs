//! What is wrong with a file: where, what, and how to mend it.

use std::fmt;
use std::path::PathBuf;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key's path, as `databases[0].shards[1].primary`; empty when the file is not TOML.
    pub key: String,
    /// What is wrong. Never holds a secret.
    pub what: String,
    /// How to mend it.
    pub hint: String,
}

/// Everything that is wrong with one file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// What is wrong; never empty.
    pub list: Vec<Problem>,
}

impl Problems {
    /// The line that stands for `problem` in an error message.
    pub fn line(&self, problem: &Problem) -> String {
        let Problem {
            line,
            column,
            key,
            what,
            hint,
        } = problem;
        let file = self.file.display();
        let colon = if key.is_empty() { "" } else { ": " };
        if *line == 0 {
            return format!("{file}: {key}{colon}{what}. hint: {hint}");
        }
        format!("{file}:{line}:{column}: {key}{colon}{what}. hint: {hint}")
    }

    /// A problem with the file as a whole.
    pub(super) fn whole(file: PathBuf, what: String, hint: &str) -> Self {
        let problem = Problem {
            line: 0,
            column: 0,
            key: String::new(),
            what,
            hint: hint.to_owned(),
        };
        Self {
            file,
            list: vec![problem],
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.list.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "error: {}", self.line(problem))?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Line and column, both from 1, of a byte offset.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

/// The one of `known` that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|k| (strsim::damerau_levenshtein(&word, &k.to_lowercase()), k))
        .filter(|(distance, k)| *distance <= 1.max(k.chars().count() / 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// `did you mean "x"?`, or else the list of what there is.
pub(super) fn meant_or_known<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some(k) = nearest(word, known.clone()) {
        return format!("did you mean \"{k}\"?");
    }
    let all: Vec<&str> = known.into_iter().collect();
    if all.is_empty() {
        "there are none to choose from yet".to_owned()
    } else {
        format!("known here: {}", all.join(", "))
    }
}
