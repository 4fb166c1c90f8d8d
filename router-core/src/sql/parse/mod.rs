//! One statement's text becomes a [`Statement`].
//!
//! | module | what it reads |
//! |---|---|
//! | `token` | the lexer's tokens, words folded |
//! | `limits` | what is too deep or too long to be parsed |
//! | `transaction`, `session`, `copy`, `utility` | statements known by their first words, from tokens alone |
//! | `types` | names of types |
//! | `feed` | our tokens turned into the parser crate's |
//! | `grammar` | the crate's tree turned into ours |
//!
//! `feed` and `grammar` are the only modules that name the parser crate. What
//! none of them understands is [`Kind::Unread`] with the construct's name:
//! nothing is guessed.

mod copy;
mod feed;
mod grammar;
mod limits;
mod part;
mod session;
mod token;
mod transaction;
mod types;
mod utility;

use self::token::{Tokens, What};
use crate::id::Span;
use crate::sql::lexer;
use crate::sql::statement::{Explain, Kind, Statement, Unread};

/// A construct that is not read, as a phrase.
type Veto = String;

/// How texts are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The session's lexical settings.
    pub lexer: lexer::Options,
    /// Longer texts are not parsed, in bytes.
    pub max_bytes: usize,
}

/// Longer statements are not parsed. It is long strings that make a statement longer than a few MiB, for there may be only so
/// many tokens: see [`MAX_TOKENS`](super::limits::MAX_TOKENS).
pub const MAX_BYTES: usize = super::limits::MAX_LENGTH;

/// The stack that the parser crate gets: more than it needs under [`grammar`]'s limits on nesting.
const PARSER_STACK: usize = 16 << 20;

impl Default for Options {
    fn default() -> Self {
        Self {
            lexer: lexer::Options::default(),
            max_bytes: MAX_BYTES,
        }
    }
}

/// Reads one statement. A semicolon at its end does not matter; one inside makes it unread.
/// Spans are offsets into `text`.
pub fn parse(text: &str, options: &Options) -> Statement {
    if text.len() > options.max_bytes {
        let first_word = first_word(text, options.lexer);
        let what = format!("a statement longer than {} bytes", options.max_bytes);
        return unread(what, first_word, Span::default());
    }
    let tokens = match token::tokens(text, options.lexer) {
        Ok(tokens) => tokens,
        Err(what) => return unread(what, first_word(text, options.lexer), Span::default()),
    };
    let Some(last) = tokens.len().checked_sub(1) else {
        return Statement {
            kind: Kind::Empty,
            span: Span::default(),
        };
    };
    let span = tokens.span(0, last);
    if tokens
        .list
        .iter()
        .any(|token| token.what == What::Sym && token.text == ";")
    {
        let begins_body =
            tokens.list.iter().any(|token| token.text == "begin") && tokens.is_word(0, "create");
        if !begins_body {
            return unread("several statements".into(), word_of(&tokens), span);
        }
    }
    if !tokens.balanced() {
        return unread(
            "parentheses that do not match".into(),
            word_of(&tokens),
            span,
        );
    }
    match read(&tokens) {
        Ok(kind) => Statement { kind, span },
        Err(what) => unread(what, word_of(&tokens), span),
    }
}

fn unread(what: String, first_word: String, span: Span) -> Statement {
    Statement {
        kind: Kind::Unread(Unread { what, first_word }),
        span,
    }
}

/// The upper-case first keyword of a text that is not cut into tokens.
fn first_word(text: &str, options: lexer::Options) -> String {
    lexer::Lexer::new(text, options)
        .significant()
        .find(|token| token.kind != lexer::TokenKind::LeftParen)
        .filter(|token| token.kind == lexer::TokenKind::Ident)
        .map(|token| lexer::decode::cut(token.span.of(text)).to_ascii_uppercase())
        .unwrap_or_default()
}

fn word_of(tokens: &Tokens<'_>) -> String {
    let first = tokens
        .list
        .iter()
        .find(|token| !(token.what == What::Sym && token.text == "("));
    match first {
        Some(token) if token.what == What::Word => token.text.to_ascii_uppercase(),
        _ => String::new(),
    }
}

/// Reads the statement that the tokens are.
fn read(tokens: &Tokens<'_>) -> Result<Kind, Veto> {
    if let Some(kind) = transaction::read(tokens)? {
        return Ok(Kind::Transaction(kind));
    }
    if let Some(kind) = session::read(tokens)? {
        return Ok(Kind::Session(kind));
    }
    let first = tokens.text(0);
    let word = tokens.what(0) == Some(What::Word);
    match first {
        "(" => query(tokens),
        "select" | "values" | "table" | "with" | "insert" | "update" | "delete" if word => {
            query(tokens)
        }
        "copy" if word => Ok(Kind::Copy(Box::new(copy::read(tokens)?))),
        "explain" if word => Ok(Kind::Explain(Box::new(explain(tokens)?))),
        "merge" if word => Err("MERGE".into()),
        _ if word => Ok(Kind::Utility(utility::read(tokens)?)),
        _ => Err(format!("a statement that begins with \"{first}\"")),
    }
}

/// Reads a query or data change with the parser crate.
fn query(tokens: &Tokens<'_>) -> Result<Kind, Veto> {
    if let Some(what) = limits::exceeded(tokens) {
        return Err(what);
    }
    // The parser crate takes up to 100 KiB of stack per level of nesting when it is not optimised.
    stacker::maybe_grow(PARSER_STACK, PARSER_STACK, || grammar::read(tokens))
}

/// Reads the statement inside another (`EXPLAIN`, `PREPARE`, `DECLARE`, `COPY (…)`): tokens `from..to`.
fn inner(tokens: &Tokens<'_>, from: usize, to: usize) -> Statement {
    let tail = tokens.tail(from, to);
    let span = match tail.len().checked_sub(1) {
        Some(last) => tail.span(0, last),
        None => Span::default(),
    };
    // `WITH` and parentheses included, only what the parser crate reads can stand inside.
    let readable = tail.any_word(
        0,
        &[
            "select", "values", "table", "with", "insert", "update", "delete",
        ],
    ) || tail.is_sym(0, "(");
    let read = if readable {
        query(&tail)
    } else {
        utility::read(&tail).map(Kind::Utility)
    };
    match read {
        Ok(kind) => Statement { kind, span },
        Err(what) => unread(what, word_of(&tail), span),
    }
}

/// `EXPLAIN [ANALYZE] [VERBOSE] …` and `EXPLAIN (options) …`.
fn explain(tokens: &Tokens<'_>) -> Result<Explain, Veto> {
    let (mut analyze, mut shunt) = (false, false);
    let mut at = 1;
    let options = tokens.is_sym(1, "(")
        && !tokens.any_word(2, &["select", "values", "table", "with"])
        && !tokens.is_sym(2, "(");
    if options {
        let close = tokens.close(1).ok_or("EXPLAIN without an end")?;
        at = 2;
        while at < close {
            let mut end = at;
            while end < close && !tokens.is_sym(end, ",") {
                end += 1;
            }
            let on = match end - at {
                1 => true,
                2 => match truth(tokens, at + 1) {
                    Some(on) => on,
                    None if tokens.any_word(at, &["analyze", "analyse", "shunt"]) => {
                        return Err("an option of EXPLAIN that is not understood".into());
                    }
                    None => true,
                },
                _ => return Err("an option of EXPLAIN that is not understood".into()),
            };
            match tokens.text(at) {
                "analyze" | "analyse" => analyze = on,
                "shunt" => shunt = on,
                _ => {}
            }
            at = end + 1;
        }
        at = close + 1;
    } else {
        if tokens.any_word(at, &["analyze", "analyse"]) {
            analyze = true;
            at += 1;
        }
        if tokens.is_word(at, "verbose") {
            at += 1;
        }
    }
    if at >= tokens.len() {
        return Err("EXPLAIN of nothing".into());
    }
    let statement = if tokens.is_word(at, "execute") || tokens.is_word(at, "declare") {
        let tail = tokens.tail(at, tokens.len());
        let span = tokens.span(at, tokens.len() - 1);
        match session::read(&tail)? {
            Some(kind) => Statement {
                kind: Kind::Session(kind),
                span,
            },
            None => return Err("EXPLAIN of this statement".into()),
        }
    } else {
        inner(tokens, at, tokens.len())
    };
    Ok(Explain {
        analyze,
        shunt,
        statement,
    })
}

/// The truth value that an option's word, number or string stands for.
fn truth(tokens: &Tokens<'_>, at: usize) -> Option<bool> {
    let text = tokens
        .string(at)
        .unwrap_or_else(|| tokens.text(at).to_owned());
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "1" => Some(true),
        "false" | "off" | "0" => Some(false),
        _ => None,
    }
}
