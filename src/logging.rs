//! Log lines: on standard error, as text for people or JSON for machines.

use std::borrow::Cow;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging. `filter` is a level (`info`) or directives (`info,router_proxy=debug`).
pub fn start(format: LogFormat, filter: &str) -> Result<(), String> {
    check(filter)?;
    let filter = EnvFilter::try_new(filter).map_err(|e| e.to_string())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => builder
            .fmt_fields(
                debug_fn(|line, field, value| {
                    let value = format!("{value:?}");
                    let value = on_one_line(&value);
                    match field.name() {
                        "message" => write!(line, "{value}"),
                        name => write!(line, "{name}={value}"),
                    }
                })
                .delimited(" "),
            )
            .try_init(),
        LogFormat::Json => builder.json().with_ansi(false).try_init(),
    }
    .map_err(|e| e.to_string())
}

/// What comes from outside (a user's name before it is proven) must not look like a line of its own, nor move a terminal's
/// cursor.
fn on_one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c.is_control() {
            true => line.extend(c.escape_default()),
            false => line.push(c),
        }
    }
    line.into()
}

/// A word that stands alone must be a level: the filter takes any other for the name of a module, and
/// a misspelled level would silence everything.
fn check(filter: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let alone = |word: &&str| !word.is_empty() && !word.contains(['=', '[']);
    let known = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    match filter
        .split(',')
        .map(str::trim)
        .filter(alone)
        .find(|word| !known(word))
    {
        Some(word) => Err(format!("\"{word}\" is none of {}", LEVELS.join(", "))),
        None if filter.split(',').all(|word| word.trim().is_empty()) => {
            Err("it is empty".to_owned())
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::on_one_line;

    #[test]
    fn a_value_stays_on_its_line() {
        assert_eq!(on_one_line("grüße, \"x\""), "grüße, \"x\"");
        assert_eq!(on_one_line("x\nWARN \u{1b}[31m"), "x\\nWARN \\u{1b}[31m");
    }
}
