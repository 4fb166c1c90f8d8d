//! Statements that are about another statement: `PREPARE`, `EXECUTE`, a table made by it, and `EXPLAIN`, as far as whoever carries them out
//! must know their text.

use super::lexer::{Lexer, Options, StringKind, Token, TokenKind, decode};
use crate::id::Span;

/// The format that `EXPLAIN` writes plans in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Lines of text.
    Text,
    /// One document for each plan: JSON, XML or YAML.
    Document,
}

/// An argument of `EXECUTE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// `NULL`.
    Null,
    /// A string constant without a type, as meant.
    String(String),
    /// A whole number, in its shortest spelling.
    Integer(String),
    /// `true` or `false`.
    Bool(bool),
    /// An expression that only a server can evaluate.
    Expression,
}

const BOOL: u32 = 16;
const INT8: u32 = 20;
const INT2: u32 = 21;
const INT4: u32 = 23;
const TEXT: u32 = 25;
const FLOAT8: u32 = 701;
const VARCHAR: u32 = 1043;
const NUMERIC: u32 = 1700;

impl Argument {
    /// The text of the value that PostgreSQL's assignment to a parameter of this type makes of it. `None`: it takes a
    /// server to tell; `Some(None)` is null.
    pub fn value(&self, type_oid: u32) -> Option<Option<String>> {
        match self {
            Self::Null => Some(None),
            // A constant of no type is read by the input function of the type it is needed as.
            Self::String(text) => Some(Some(text.clone())),
            Self::Integer(digits) => {
                let fits = match type_oid {
                    INT2 => digits.parse::<i16>().is_ok(),
                    INT4 | TEXT | VARCHAR | NUMERIC | FLOAT8 => digits.parse::<i32>().is_ok(),
                    INT8 => digits.parse::<i64>().is_ok(),
                    _ => false,
                };
                fits.then(|| Some(digits.clone()))
            }
            Self::Bool(value) if type_oid == BOOL => {
                Some(Some(if *value { "t" } else { "f" }.to_owned()))
            }
            Self::Bool(_) | Self::Expression => None,
        }
    }
}

fn tokens(text: &str, options: Options) -> Vec<Token> {
    let mut tokens: Vec<Token> = Lexer::new(text, options).significant().collect();
    while tokens
        .last()
        .is_some_and(|t| t.kind == TokenKind::Semicolon)
    {
        tokens.pop();
    }
    tokens
}

fn is_word(text: &str, token: Option<&Token>, word: &str) -> bool {
    token.is_some_and(|token| {
        token.kind == TokenKind::Ident && token.span.of(text).eq_ignore_ascii_case(word)
    })
}

/// The index behind the parenthesis that closes the one at `open`.
fn behind(tokens: &[Token], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            TokenKind::LeftParen => depth += 1,
            TokenKind::RightParen => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn stretch(tokens: &[Token]) -> Option<Span> {
    Some(Span {
        start: tokens.first()?.span.start,
        end: tokens.last()?.span.end,
    })
}

/// The statement of `PREPARE name [(types)] AS statement`.
pub fn prepared(text: &str, options: Options) -> Option<Span> {
    let tokens = tokens(text, options);
    let mut at = 2;
    if tokens.get(at)?.kind == TokenKind::LeftParen {
        at = behind(&tokens, at)?;
    }
    if !is_word(text, tokens.get(at), "as") {
        return None;
    }
    stretch(tokens.get(at + 1..)?)
}

/// The name in `PREPARE name …`, unquoted; `None` when it is anything else.
pub fn prepare_name(text: &str, options: Options) -> Option<String> {
    let tokens = tokens(text, options);
    let named = tokens.get(1).filter(|token| token.kind.is_name())?;
    let name = decode::identifier(named.kind, named.span.of(text)).ok()?;
    is_word(text, tokens.first(), "prepare").then(|| name.into_owned())
}

/// The name in `DROP DATABASE [IF EXISTS] name …`, unquoted; `None` when it is anything else.
pub fn dropped_database(text: &str, options: Options) -> Option<String> {
    let tokens = tokens(text, options);
    let is = |at: usize, word| is_word(text, tokens.get(at), word);
    if !is(0, "drop") || !is(1, "database") {
        return None;
    }
    let at = if is(2, "if") && is(3, "exists") { 4 } else { 2 };
    let named = tokens.get(at).filter(|token| token.kind.is_name())?;
    let name = decode::identifier(named.kind, named.span.of(text)).ok()?;
    Some(name.into_owned())
}

/// The name and the arguments of `EXECUTE name [(arguments)]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execute {
    /// The name, unquoted.
    pub name: String,
    /// Where it stands.
    pub at: Span,
    /// The arguments, in order.
    pub arguments: Vec<Argument>,
    /// The stretch from the first argument to the last; `None` when there are none.
    pub list: Option<Span>,
}

/// Reads `EXECUTE name [(arguments)]`; `None` when it is anything else.
pub fn execute(text: &str, options: Options) -> Option<Execute> {
    let tokens = tokens(text, options);
    if !is_word(text, tokens.first(), "execute") {
        return None;
    }
    let named = tokens.get(1).filter(|token| token.kind.is_name())?;
    let mut found = Execute {
        name: decode::identifier(named.kind, named.span.of(text))
            .ok()?
            .into_owned(),
        at: named.span,
        arguments: Vec::new(),
        list: None,
    };
    if tokens.len() == 2 {
        return Some(found);
    }
    if tokens[2].kind != TokenKind::LeftParen || behind(&tokens, 2) != Some(tokens.len()) {
        return None;
    }
    let list = &tokens[3..tokens.len() - 1];
    found.list = stretch(list);
    let (mut depth, mut from) = (0usize, 0);
    for at in 0..=list.len() {
        match list.get(at).map(|token| token.kind) {
            Some(TokenKind::LeftParen | TokenKind::LeftBracket) => depth += 1,
            Some(TokenKind::RightParen | TokenKind::RightBracket) => {
                depth = depth.saturating_sub(1)
            }
            Some(TokenKind::Comma) | None if depth == 0 => {
                if at > from || !found.arguments.is_empty() || at < list.len() {
                    found.arguments.push(argument(text, &list[from..at]));
                }
                from = at + 1;
            }
            _ => {}
        }
    }
    Some(found)
}

/// The `EXECUTE` in `CREATE TABLE … AS EXECUTE …`.
pub fn made_by(text: &str, options: Options) -> Option<Span> {
    let mut tokens = tokens(text, options);
    if !is_word(text, tokens.first(), "create") {
        return None;
    }
    let mut depth = 0usize;
    let says_as = |token: &Token| {
        match token.kind {
            TokenKind::LeftParen => depth += 1,
            TokenKind::RightParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && is_word(text, Some(token), "as")
    };
    let at = tokens.iter().position(says_as)? + 1;
    if !is_word(text, tokens.get(at), "execute") {
        return None;
    }
    // WITH [NO] DATA is the table's.
    if is_word(text, tokens.last(), "data") {
        tokens.pop();
        if is_word(text, tokens.last(), "no") {
            tokens.pop();
        }
        tokens.pop();
    }
    stretch(tokens.get(at..)?)
}

fn argument(text: &str, tokens: &[Token]) -> Argument {
    let integer = |token: &Token, minus: bool| {
        let digits = token.span.of(text).trim_start_matches('0');
        match (digits, minus) {
            ("", _) => Argument::Integer("0".to_owned()),
            (digits, false) => Argument::Integer(digits.to_owned()),
            (digits, true) => Argument::Integer(format!("-{digits}")),
        }
    };
    match tokens {
        [one] => match one.kind {
            TokenKind::Integer => integer(one, false),
            TokenKind::String(
                kind @ (StringKind::Plain | StringKind::Escape | StringKind::Dollar),
            ) => match decode::string(kind, one.span.of(text)) {
                Ok(value) => Argument::String(value.into_owned()),
                Err(_) => Argument::Expression,
            },
            TokenKind::Ident => match one.span.of(text).to_ascii_lowercase().as_str() {
                "null" => Argument::Null,
                "true" => Argument::Bool(true),
                "false" => Argument::Bool(false),
                _ => Argument::Expression,
            },
            _ => Argument::Expression,
        },
        [sign, one] if sign.kind == TokenKind::Minus && one.kind == TokenKind::Integer => {
            integer(one, true)
        }
        _ => Argument::Expression,
    }
}

/// What `EXPLAIN` says before the statement that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explain {
    /// Where the statement begins: in front of it stand all options, as written.
    pub at: u32,
    /// `ANALYZE`: the statement runs.
    pub analyze: bool,
    /// `FORMAT`.
    pub format: Format,
    /// The type of the column that plans come in.
    pub type_oid: u32,
}

/// Reads the options of `EXPLAIN`; `None` when it is anything else.
pub fn explain(text: &str, options: Options) -> Option<Explain> {
    let read = super::parse(
        text,
        &super::parse::Options {
            lexer: options,
            ..Default::default()
        },
    );
    let super::statement::Kind::Explain(explain) = &read.kind else {
        return None;
    };
    let at = explain.statement.span.start;
    let before = tokens(text.get(..at as usize)?, options);
    let mut found = Explain {
        at,
        analyze: explain.analyze,
        format: Format::Text,
        type_oid: TEXT,
    };
    for pair in before.windows(2) {
        if is_word(text, Some(&pair[0]), "format") {
            let value = pair[1]
                .span
                .of(text)
                .trim_matches(['\'', '"'])
                .to_ascii_lowercase();
            (found.format, found.type_oid) = match value.as_str() {
                "text" => (Format::Text, TEXT),
                "json" => (Format::Document, 114),
                "xml" => (Format::Document, 142),
                _ => (Format::Document, TEXT),
            };
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(text: &str) -> Vec<Argument> {
        execute(text, Options::default()).expect(text).arguments
    }

    #[test]
    fn what_is_prepared_is_found_behind_its_types() {
        for (text, inner) in [
            ("PREPARE q AS SELECT 1", "SELECT 1"),
            (
                "prepare \"as\" (numeric(10, 2), text) as /* x */ select $1 ;",
                "select $1",
            ),
            ("PREPARE q", ""),
        ] {
            let found = prepared(text, Options::default()).map_or("", |span| span.of(text));
            assert_eq!(found, inner, "{text}");
        }
    }

    #[test]
    fn a_database_that_is_dropped_has_a_name() {
        for (text, name) in [
            ("DROP DATABASE Shop", Some("shop")),
            (
                "drop /* x */ database if exists \"Shop\" with (force);",
                Some("Shop"),
            ),
            ("drop database", None),
            ("drop table shop", None),
            ("select 1", None),
        ] {
            let found = dropped_database(text, Options::default());
            assert_eq!(found.as_deref(), name, "{text}");
        }
    }

    #[test]
    fn arguments_are_told_apart() {
        assert_eq!(arguments("EXECUTE q"), []);
        assert_eq!(arguments("EXECUTE q()"), []);
        assert_eq!(
            arguments("EXECUTE q (007, -0, - 5, 'it''s', E'a\\nb', NULL, True)"),
            [
                Argument::Integer("7".into()),
                Argument::Integer("0".into()),
                Argument::Integer("-5".into()),
                Argument::String("it's".into()),
                Argument::String("a\nb".into()),
                Argument::Null,
                Argument::Bool(true),
            ]
        );
        assert_eq!(
            arguments("EXECUTE q(now(), array[1, 2], f(1, 2), date '2020-01-01', 1.5)"),
            vec![Argument::Expression; 5]
        );
        assert_eq!(execute("EXECUTE q 1", Options::default()), None);
        let quoted = execute("execute \"Q a\"(1)", Options::default()).expect("it is read");
        assert_eq!(quoted.name, "Q a");
    }

    #[test]
    fn a_table_is_made_by_what_stands_behind_its_first_as() {
        for (text, inner) in [
            ("create table t as execute q", "execute q"),
            (
                "CREATE TEMP TABLE IF NOT EXISTS t (a, b) ON COMMIT DROP AS EXECUTE q(1, f(2)) WITH NO DATA;",
                "EXECUTE q(1, f(2))",
            ),
            ("create table t as execute data with data", "execute data"),
            ("create table t as select 1 as execute", ""),
            ("create table t (a int default cast(1 as execute))", ""),
            ("select 1 as execute", ""),
        ] {
            let found = made_by(text, Options::default()).map_or("", |span| span.of(text));
            assert_eq!(found, inner, "{text}");
            assert_eq!(
                execute(found, Options::default()).is_some(),
                !inner.is_empty(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_value_is_only_known_where_assignment_cannot_change_it() {
        let seven = Argument::Integer("7".into());
        assert_eq!(seven.value(INT8), Some(Some("7".into())));
        assert_eq!(seven.value(TEXT), Some(Some("7".into())));
        assert_eq!(seven.value(1114), None);
        assert_eq!(Argument::Integer("70000".into()).value(INT2), None);
        assert_eq!(Argument::Null.value(INT8), Some(None));
        assert_eq!(Argument::Bool(true).value(INT4), None);
    }

    #[test]
    fn explain_has_a_format_and_a_statement() {
        let read = |text| explain(text, Options::default()).expect(text);
        let text = "EXPLAIN (ANALYZE, COSTS off, FORMAT 'json') SELECT 1";
        let found = read(text);
        assert_eq!(&text[found.at as usize..], "SELECT 1");
        assert!(found.analyze && found.format == Format::Document && found.type_oid == 114);
        let plain = read("explain verbose select 1");
        assert!(!plain.analyze && plain.format == Format::Text);
    }
}
