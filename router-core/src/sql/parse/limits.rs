//! What is refused before the parser crate sees it.
//!
//! The crate recurses over parentheses under a limit of its own, but builds
//! operator chains, joins and set operations of any length into trees as deep,
//! and dropping such a tree overflows the stack. The limits here keep every
//! tree shallow enough for a stack of 256 KiB.

use super::token::{Tokens, What};

/// How deep parentheses and brackets may nest.
const DEPTH: usize = 64;
/// How many `AND` and `OR` may stand in one list.
const LOGIC: usize = 1000;
/// How many operators may stand in a row.
const OPERATORS: usize = 200;
/// How many operators spelled as words (`IS`, `LIKE`, `COLLATE`) and casts may stand in a row.
const WORDS: usize = 16;
/// How many joins a statement may have.
const JOINS: usize = 256;
/// How many joins may wait for their `ON`.
const OPEN_JOINS: usize = 12;
/// How many set operations a statement may have.
const SET_OPERATIONS: usize = 200;

/// Counts of one level of parentheses.
#[derive(Clone, Copy, Default)]
struct Level {
    logic: usize,
    operators: usize,
    words: usize,
    casts: usize,
    open_joins: usize,
}

/// The first limit that the statement goes over, as a phrase.
pub(super) fn exceeded(tokens: &Tokens<'_>) -> Option<String> {
    let mut levels = vec![Level::default()];
    let mut joins = 0;
    let mut set_operations = 0;
    for (at, token) in tokens.list.iter().enumerate() {
        let depth = levels.len();
        let level = levels.last_mut()?;
        match token.what {
            What::Sym => match token.text.as_str() {
                "(" | "[" => {
                    levels.push(Level::default());
                    if depth > DEPTH {
                        return Some(format!("parentheses nested deeper than {DEPTH}"));
                    }
                    continue;
                }
                ")" | "]" => {
                    if depth == 1 {
                        return Some("a parenthesis that closes nothing".into());
                    }
                    levels.pop();
                    continue;
                }
                "," => *level = Level::default(),
                "::" => level.casts += 1,
                _ => {}
            },
            What::Op => {
                level.operators += 1;
                level.casts = 0;
            }
            What::Word => match token.text.as_str() {
                "and" | "or" => {
                    level.logic += 1;
                    level.operators = 0;
                    level.words = 0;
                    level.casts = 0;
                }
                "is" | "isnull" | "notnull" | "like" | "ilike" | "similar" | "in" | "between"
                | "collate" | "at" => level.words += 1,
                "join" => {
                    joins += 1;
                    let crossed = at > 0 && tokens.is_word(at - 1, "cross");
                    let natural =
                        (at.saturating_sub(3)..at).any(|before| tokens.is_word(before, "natural"));
                    if !crossed && !natural {
                        level.open_joins += 1;
                    }
                }
                "on" | "using" => level.open_joins = level.open_joins.saturating_sub(1),
                "union" | "intersect" | "except" => {
                    set_operations += 1;
                    *level = Level::default();
                }
                "select" | "where" | "when" | "then" | "else" | "having" | "limit"
                | "returning" => {
                    *level = Level::default();
                }
                _ => {}
            },
            What::Quoted | What::Param(_) | What::Literal(_) => {}
        }
        let level = levels.last()?;
        let (limit, what) = if level.logic > LOGIC {
            (LOGIC, "AND and OR in one list")
        } else if level.operators > OPERATORS {
            (OPERATORS, "operators in a row")
        } else if level.words > WORDS || level.casts > WORDS {
            (WORDS, "casts or operators such as IS and LIKE in a row")
        } else if joins > JOINS {
            (JOINS, "joins")
        } else if level.open_joins > OPEN_JOINS {
            (OPEN_JOINS, "joins that wait for their ON")
        } else if set_operations > SET_OPERATIONS {
            (SET_OPERATIONS, "set operations")
        } else {
            continue;
        };
        return Some(format!("more than {limit} {what}"));
    }
    (levels.len() > 1).then(|| "a parenthesis that is not closed".into())
}
