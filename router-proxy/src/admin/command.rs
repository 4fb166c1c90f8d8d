//! From text to command.

use router_core::sqlstate::SqlState;

use super::table::{Argument, COMMANDS, Verb};
use crate::wire::code;
use crate::wire::encode::Report;

/// Settings of PostgreSQL that drivers put in place when they connect. Here they mean nothing.
const DRIVERS: [&str; 17] = [
    "application_name",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "intervalstyle",
    "lock_timeout",
    "names",
    "search_path",
    "session",
    "standard_conforming_strings",
    "statement_timeout",
    "timezone",
];

/// A command that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// One of the table, perhaps with the name of a database.
    Known(Verb, Option<String>),
    /// `SET` of something that drivers set.
    Set,
    /// Nothing.
    Empty,
}

/// A word, quoted or not, or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word as written.
    Word(String),
    /// `"…"` or `'…'`.
    Quoted(String),
    /// Anything else.
    Sign(char),
}

/// The commands of a query string.
pub fn parse(text: &str) -> Result<Vec<Command>, Report> {
    let mut commands = Vec::new();
    let tokens = tokens(text)?;
    for tokens in tokens.split(|token| *token == Token::Sign(';')) {
        match command(tokens)? {
            Command::Empty => {}
            command => commands.push(command),
        }
    }
    Ok(commands)
}

fn tokens(text: &str) -> Result<Vec<Token>, Report> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '-' if text[at..].starts_with("--") => {
                while chars.next().is_some_and(|(_, c)| c != '\n') {}
            }
            '/' if text[at..].starts_with("/*") => {
                let rest = &text[at + 2..];
                let Some(end) = rest.find("*/") else {
                    return Err(Report::error(code::SYNTAX_ERROR, "unterminated comment"));
                };
                while chars.peek().is_some_and(|(next, _)| *next < at + end + 4) {
                    chars.next();
                }
            }
            '"' | '\'' => {
                let mut word = String::new();
                loop {
                    match chars.next() {
                        Some((_, next)) if next == c => {
                            // Doubled, it stands for itself.
                            if chars.next_if(|(_, next)| *next == c).is_none() {
                                break;
                            }
                            word.push(c);
                        }
                        Some((_, next)) => word.push(next),
                        None => {
                            let message = "unterminated quoted name";
                            return Err(Report::error(code::SYNTAX_ERROR, message));
                        }
                    }
                }
                tokens.push(Token::Quoted(word));
            }
            c if is_word(c) => {
                let mut word = String::from(c);
                while let Some((_, c)) = chars.next_if(|(_, c)| is_word(*c)) {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
            c => tokens.push(Token::Sign(c)),
        }
    }
    Ok(tokens)
}

/// Names of databases are taken as written, with what PostgreSQL would want quoted.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '$')
}

fn command(tokens: &[Token]) -> Result<Command, Report> {
    let Some((Token::Word(first), rest)) = tokens.split_first() else {
        return match tokens {
            [] => Ok(Command::Empty),
            _ => Err(unknown(tokens)),
        };
    };
    let first = first.to_ascii_uppercase();
    match first.as_str() {
        "SET" => return set(rest),
        "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "END" => {
            return Err(Report::error(
                code::FEATURE_NOT_SUPPORTED,
                "the console has no transactions",
            )
            .detail(format!("The command was {first}."))
            .hint("Turn autocommit on in the driver."));
        }
        _ => {}
    }
    let word = |token: Option<&Token>| match token {
        Some(Token::Word(word)) => Some(word.to_ascii_uppercase()),
        _ => None,
    };
    if let Some(report) = absent(&first, word(rest.first()).as_deref()) {
        return Err(report);
    }
    for entry in COMMANDS {
        let mut words = entry.words.split(' ');
        if words.next() != Some(&first) {
            continue;
        }
        let rest = match words.next() {
            None => rest,
            Some(second) if word(rest.first()).as_deref() == Some(second) => &rest[1..],
            Some(_) => continue,
        };
        let database = match (entry.argument, rest) {
            (Argument::None | Argument::Optional, []) => None,
            (
                Argument::Optional | Argument::Required,
                [Token::Word(name) | Token::Quoted(name)],
            ) => Some(name.clone()),
            _ => {
                return Err(Report::error(
                    code::SYNTAX_ERROR,
                    format!("{first} is not written that way"),
                )
                .hint(format!("It is {}.", entry.usage())));
            }
        };
        return Ok(Command::Known(entry.verb, database));
    }
    // PgBouncer's own abbreviation.
    if first == "SHOW" && rest.is_empty() {
        return Ok(Command::Known(Verb::Help, None));
    }
    Err(unknown(tokens))
}

/// What others' consoles have, or what this one is to have, and why it is not there.
fn absent(first: &str, second: Option<&str>) -> Option<Report> {
    let (detail, hint) = match (first, second) {
        ("SHOW", Some("RESHARD")) => (
            "Moving data between shards is not part of it yet, so there is nothing to show.",
            "SHOW SHARDS shows the shards as they are.",
        ),
        ("SHOW", Some("FDS")) => (
            "A process that takes over gets the listening sockets alone; clients stay where they are.",
            "shunt serve --takeover does that.",
        ),
        ("SHOW", Some("SOCKETS" | "ACTIVE_SOCKETS")) => (
            "Buffers of sockets are not shown.",
            "SHOW CLIENTS and SHOW SERVERS list both ends.",
        ),
        ("SHOW", Some("TOTALS")) => (
            "Totals are shown by database.",
            "SHOW STATS_TOTALS has them.",
        ),
        ("SHOW", Some("DNS_HOSTS" | "DNS_ZONES")) => (
            "Names are resolved by the system, whenever a connection is opened.",
            "SHOW SHARDS and SHOW REPLICAS show the hosts.",
        ),
        ("SHOW", Some("PEERS" | "PEER_POOLS")) => (
            "One process serves on all cores, and knows which of its workers a cancel request is for.",
            "SHOW PLANS has a row for each worker.",
        ),
        ("SUSPEND", _) => (
            "Its use is a restart, for which no client has to be suspended.",
            "shunt serve --takeover restarts without a moment in which nobody listens; PAUSE holds new transactions.",
        ),
        _ => return None,
    };
    let what = match second.filter(|_| first == "SHOW") {
        Some(second) => format!("SHOW {second}"),
        None => first.to_owned(),
    };
    let report = Report::error(
        code::FEATURE_NOT_SUPPORTED,
        format!("{what} is not in this version"),
    );
    Some(report.detail(detail).hint(hint))
}

fn set(rest: &[Token]) -> Result<Command, Report> {
    let mut words = rest.iter().filter_map(|token| match token {
        Token::Word(word) | Token::Quoted(word) => Some(word.to_ascii_lowercase()),
        Token::Sign(_) => None,
    });
    let mut name = words.next().unwrap_or_default();
    if (name == "session" || name == "local")
        && let Some(next) = words.next()
        && next != "characteristics"
    {
        name = next;
    }
    if name == "time" {
        name = "timezone".to_owned();
    }
    if DRIVERS.contains(&name.as_str()) {
        return Ok(Command::Set);
    }
    Err(Report::error(
        SqlState::new("55P02"),
        format!("setting \"{name}\" cannot be changed here"),
    )
    .hint("Change it in the configuration file, then RELOAD."))
}

fn unknown(tokens: &[Token]) -> Report {
    let mut said = String::new();
    for token in tokens.iter().take(2) {
        if !said.is_empty() {
            said.push(' ');
        }
        match token {
            Token::Word(word) | Token::Quoted(word) => said.extend(word.chars().take(40)),
            Token::Sign(c) => said.push(*c),
        }
    }
    let shows: Vec<_> = COMMANDS
        .iter()
        .filter_map(|entry| entry.words.strip_prefix("SHOW "))
        .collect();
    let others: Vec<_> = COMMANDS
        .iter()
        .filter(|entry| !entry.words.starts_with("SHOW "))
        .map(super::table::Entry::usage)
        .collect();
    let meant = match nearest(&said.to_ascii_uppercase()) {
        Some(words) => format!("Did you mean {words}? "),
        None => String::new(),
    };
    Report::error(
        code::SYNTAX_ERROR,
        format!("the console has no command \"{said}\""),
    )
    .hint(format!(
        "{meant}It has SHOW {}; {}. SHOW HELP explains them.",
        shows.join("|"),
        others.join(", ")
    ))
}

/// The command whose words are most like those, if any is.
fn nearest(said: &str) -> Option<&'static str> {
    let first = said.split(' ').next().unwrap_or_default();
    let distance = |words: &str| match words.contains(' ') {
        true => strsim::damerau_levenshtein(said, words),
        // What follows is a name.
        false => strsim::damerau_levenshtein(first, words),
    };
    let nearest = COMMANDS
        .iter()
        .map(|entry| (distance(entry.words), entry.words));
    let (distance, words) = nearest.min()?;
    (distance <= 2).then_some(words)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests {
    use super::*;

    fn one(text: &str) -> Command {
        let mut commands = parse(text).unwrap();
        assert_eq!(commands.len(), 1, "{text}");
        commands.remove(0)
    }

    #[test]
    fn every_command_of_the_table_is_understood() {
        for entry in COMMANDS {
            let (text, database) = match entry.argument {
                Argument::None => (entry.words.to_owned(), None),
                _ => (format!("{} shop", entry.words), Some("shop".to_owned())),
            };
            for text in [
                text.clone(),
                format!("{text};"),
                format!("  {} ; ; ", text.to_lowercase()),
                format!("/* a tool */ {text} -- now"),
            ] {
                assert_eq!(one(&text), Command::Known(entry.verb, database.clone()));
            }
        }
    }

    #[test]
    fn names_are_taken_as_written() {
        for (text, name) in [
            ("PAUSE My-Shop", "My-Shop"),
            ("pause \"a \"\"b\"\" c\"", "a \"b\" c"),
            ("RECONNECT 'x;y'", "x;y"),
        ] {
            let Command::Known(_, Some(known)) = one(text) else {
                panic!("{text} has a name");
            };
            assert_eq!(known, name);
        }
    }

    #[test]
    fn what_drivers_set_is_accepted_and_nothing_else() {
        for text in [
            "SET client_encoding TO 'UTF8'",
            "set session characteristics as transaction isolation level read committed",
            "SET SESSION DateStyle = 'ISO'",
            "SET TIME ZONE 'UTC'",
            "SET extra_float_digits = 3",
        ] {
            assert_eq!(one(text), Command::Set, "{text}");
        }
        assert_eq!(
            parse("SET max_client_conn = 5").unwrap_err().state.as_str(),
            "55P02"
        );
    }

    #[test]
    fn everything_else_is_an_error_that_says_what_there_is() {
        assert_eq!(parse(" ; ;; ").unwrap(), []);
        for (text, state) in [
            ("SELECT 1", "42601"),
            ("SHOW TABLES", "42601"),
            ("SHOW POOLS x", "42601"),
            ("DISABLE", "42601"),
            ("PAUSE a b", "42601"),
            ("PAUSE \"a", "42601"),
            ("/* SHOW POOLS", "42601"),
            ("BEGIN", "0A000"),
            ("SHOW RESHARD", "0A000"),
            ("show fds", "0A000"),
            ("SUSPEND", "0A000"),
            ("; % SHOW", "42601"),
        ] {
            let report = parse(text).unwrap_err();
            assert_eq!(report.state.as_str(), state, "{text}");
        }
        let hint = parse("SELECT 1").unwrap_err().hint.unwrap();
        assert!(hint.contains("POOLS|STATS") && hint.contains("PAUSE [database]"));
    }

    #[test]
    fn what_is_misspelled_is_recognized() {
        for (text, meant) in [
            ("SHOW POOL", Some("SHOW POOLS")),
            ("show cleints", Some("SHOW CLIENTS")),
            ("PAUS shop", Some("PAUSE")),
            ("RECONECT", Some("RECONNECT")),
            ("SELECT 1", None),
        ] {
            let hint = parse(text).unwrap_err().hint.unwrap();
            let said = meant.map(|meant| format!("Did you mean {meant}? "));
            match said {
                Some(said) => assert!(hint.starts_with(&said), "{hint}"),
                None => assert!(hint.starts_with("It has "), "{hint}"),
            }
        }
    }

    #[test]
    fn several_commands_may_stand_in_one_string() {
        assert_eq!(parse("SHOW POOLS; SHOW STATS;").unwrap().len(), 2);
    }
}
