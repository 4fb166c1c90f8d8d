//! The startup parameter `options`: command-line switches of a PostgreSQL server.

use crate::wire::code;
use crate::wire::encode::Report;

/// The settings that `switches` make, in order: `-c name=value`, `-cname=value`, `--name=value`.
/// Words are split at white space; a backslash takes the next character as it is.
pub(super) fn parse(switches: &str) -> Result<Vec<(String, String)>, Report> {
    let mut settings = Vec::new();
    let mut words = split(switches).into_iter();
    while let Some(word) = words.next() {
        let setting = if word == "-c" {
            words.next().ok_or_else(|| invalid(&word))?
        } else if let Some(rest) = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            rest.to_owned()
        } else {
            return Err(invalid(&word));
        };
        let Some((name, value)) = setting.split_once('=') else {
            return Err(Report::fatal(
                code::SYNTAX_ERROR,
                format!("--{setting} requires a value"),
            ));
        };
        settings.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(settings)
}

fn split(switches: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = switches.chars();
    while let Some(character) = characters.next() {
        match character {
            ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

fn invalid(word: &str) -> Report {
    Report::fatal(
        code::SYNTAX_ERROR,
        format!("invalid command-line argument for server process: {word}"),
    )
    .hint("Settings are given as -c name=value or --name=value.")
}
