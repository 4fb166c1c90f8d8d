//! Functions whose own definitions say that they leave nothing behind.
//!
//! Before the catalog has been read again nobody knows what a definition has made. But where a function's body leads to
//! nothing that leaves anything, as far as is known, then neither does what names the function: whatever runs it leaves what
//! it left before. The same holds for a second definition of that kind that names the first, and so for any number of them.

use super::Residues;
use super::body::{self, Word, word};
use crate::sql::effect::SessionEffect;
use crate::sql::lexer::{Lexer, Options, StringKind, Token, TokenKind, decode};

impl Residues {
    /// Whether `CREATE FUNCTION` or `CREATE PROCEDURE` of this text makes one that leaves nothing.
    pub fn makes_harmless(&self, text: &str) -> bool {
        let tokens: Vec<Token> = Lexer::new(text, Options::default()).significant().collect();
        let is_string = |at: usize| {
            let token = tokens.get(at);
            token.is_some_and(|token| matches!(token.kind, TokenKind::String(_)))
        };
        for (at, token) in tokens.iter().enumerate() {
            let harmless = match word(*token, text) {
                // Its argument is more than a name or a constant in the languages that are read.
                Word::Plain(name) if &*name == "language" => tokens
                    .get(at + 1)
                    .is_some_and(|token| is_read(*token, text)),
                // A function in C helps to plan its calls.
                Word::Plain(name) if &*name == "support" => false,
                // PostgreSQL takes two that stand on two lines for one.
                Word::Other(TokenKind::String(_)) if is_string(at + 1) => false,
                Word::Other(TokenKind::String(kind)) => {
                    body_of(kind, token.span.of(text)).is_some_and(|body| self.is_harmless(body))
                }
                _ => true,
            };
            if !harmless {
                return false;
            }
        }
        // What is written without quotes: defaults of arguments, a body in standard SQL.
        let around = body::scan(text);
        around.effect.bits & !SessionEffect::DEFINES.bits == 0 && self.of_names(&around).is_empty()
    }

    fn is_harmless(&self, code: &str) -> bool {
        let body = body::scan(code);
        body.effect.is_empty() && self.of_names(&body).is_empty()
    }

    /// What the block of a `DO` leaves, which is read as the body of a function is; `None`: it cannot be read.
    pub fn block(&self, text: &str) -> Option<SessionEffect> {
        let mut block = None;
        let mut names = false;
        for token in Lexer::new(text, Options::default()).significant() {
            let names_language = std::mem::take(&mut names);
            match word(token, text) {
                _ if names_language => is_read(token, text).then_some(())?,
                Word::Plain(name) if &*name == "do" => {}
                Word::Plain(name) if &*name == "language" => names = true,
                Word::Other(TokenKind::String(kind)) if block.is_none() => {
                    block = Some(body_of(kind, token.span.of(text))?);
                }
                Word::Other(TokenKind::Semicolon) => {}
                _ => return None,
            }
        }
        let body = body::scan(block?);
        Some(body.effect.union(self.of_names(&body)))
    }

    /// What `CALL` of a known procedure leaves, with what its arguments call; `None`: it is not known.
    pub fn call(&self, text: &str) -> Option<SessionEffect> {
        let mut tokens = Lexer::new(text, Options::default()).significant().skip(1);
        let mut called = None;
        let parenthesis = tokens.find(|token| {
            if let Word::Plain(name) | Word::Quoted(name) = word(*token, text) {
                called = Some(name);
            }
            token.kind == TokenKind::LeftParen
        });
        parenthesis?;
        self.function(&called?)?;
        let body = body::scan(text);
        Some(body.effect.union(self.of_names(&body)))
    }
}

/// A body that reads the same whatever `standard_conforming_strings` says.
fn body_of(kind: StringKind, token: &str) -> Option<&str> {
    match kind {
        StringKind::Dollar => match decode::string(kind, token) {
            Ok(std::borrow::Cow::Borrowed(body)) => Some(body),
            _ => None,
        },
        StringKind::Plain if !token.contains('\\') => token.get(1..token.len().checked_sub(1)?),
        _ => None,
    }
}

/// Whether this names a language whose bodies are read.
fn is_read(token: Token, text: &str) -> bool {
    let name = match word(token, text) {
        Word::Plain(name) | Word::Quoted(name) => name,
        Word::Other(TokenKind::String(StringKind::Plain)) => {
            token.span.of(text).trim_matches('\'').into()
        }
        Word::Other(_) => return false,
    };
    matches!(&*name, "sql" | "plpgsql")
}
