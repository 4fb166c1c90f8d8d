//! The statements of PostgreSQL's regression suite, where its source is at hand.

use std::path::Path;

use router_core::sql::lexer::{Lexer, Options, TokenKind};

/// The directory of the suite's files: `src/test/regress/sql` of PostgreSQL's source.
const VARIABLE: &str = "SHUNT_PG_REGRESS";

/// What to say when they are not.
pub(crate) const ABSENT: &str =
    "SHUNT_PG_REGRESS does not name src/test/regress/sql of PostgreSQL's source";

/// The suite's statements, each once; `None` when the source is not there.
pub(crate) fn statements() -> Option<Vec<String>> {
    let directory = std::env::var_os(VARIABLE)?;
    let mut files: Vec<_> = std::fs::read_dir(Path::new(&directory))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let mut seen = std::collections::HashSet::new();
    let mut all = Vec::new();
    for file in files {
        // Some files are in encodings of their own.
        let Ok(text) = std::fs::read_to_string(&file) else {
            continue;
        };
        for statement in split(&text) {
            if seen.insert(statement.clone()) {
                all.push(statement);
            }
        }
    }
    Some(all)
}

/// Cuts a file of psql's into statements: its own commands, data of `COPY` and statements with
/// variables are left out.
fn split(text: &str) -> Vec<String> {
    let mut lines = String::with_capacity(text.len());
    let mut data = false;
    for line in text.lines() {
        if data {
            data = line != "\\.";
        } else if line.starts_with('\\') {
            // A command; one at the end of a statement ends it.
            lines.push_str(";\n");
        } else {
            let lower = line.to_ascii_lowercase();
            data = lower.trim_start().starts_with("copy ")
                && lower.contains(" from stdin")
                && lower.trim_end().ends_with(';');
            lines.push_str(line.split(" \\g").next().unwrap_or(line));
            lines.push('\n');
        }
    }
    let mut statements = Vec::new();
    let mut start = 0;
    let mut depth = 0i32;
    let mut variables = false;
    let mut body = false;
    for token in Lexer::new(&lines, Options::default()) {
        let at = token.span.start as usize;
        match token.kind {
            TokenKind::LeftParen => depth += 1,
            TokenKind::RightParen => depth -= 1,
            TokenKind::Colon => variables = true,
            TokenKind::Ident => {
                let word = token.span.of(&lines);
                if word.eq_ignore_ascii_case("atomic") {
                    body = true;
                } else if body && word.eq_ignore_ascii_case("end") {
                    body = false;
                }
            }
            TokenKind::Semicolon if depth <= 0 && !body => {
                let statement = lines[start..at].trim();
                if !statement.is_empty() && !variables {
                    statements.push(statement.to_owned());
                }
                start = at + 1;
                (depth, variables) = (0, false);
            }
            _ => {}
        }
    }
    statements
}
