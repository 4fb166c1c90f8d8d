//! The body of a function in SQL or PL/pgSQL, read by its words.
//!
//! No grammar: whatever a word might mean counts. A word in front of a parenthesis may be a call, any name may be a
//! relation's, and a word that begins a statement may be that statement's. What only a constant says is not seen; so a body
//! that runs a text may leave anything.

use std::collections::HashSet;

use super::Node;
use crate::sql::effect::{SessionEffect, known_session};
use crate::sql::lexer::{Lexer, Options, Token, TokenKind, decode};

/// What the words of a body say.
#[derive(Debug, Default)]
pub(super) struct Body {
    /// What its statements leave by themselves.
    pub(super) effect: SessionEffect,
    /// What may be calls.
    calls: HashSet<Box<str>>,
    /// What may be relations.
    names: HashSet<Box<str>>,
    /// Whether anything is written.
    writes: bool,
}

impl From<SessionEffect> for Body {
    fn from(effect: SessionEffect) -> Self {
        Self {
            effect,
            ..Self::default()
        }
    }
}

impl Body {
    /// Everything that it may touch.
    pub(super) fn nodes(&self) -> Vec<Node> {
        let mut nodes = self.all_nodes();
        nodes.retain(|node| self.writes || !matches!(node, Node::Write(_)));
        nodes
    }

    /// Everything that bears one of its names.
    pub(super) fn all_nodes(&self) -> Vec<Node> {
        let calls = self.calls.iter().cloned().map(Node::Call);
        let read = self.names.iter().cloned().map(Node::Read);
        let written = self.names.iter().cloned().map(Node::Write);
        calls.chain(read).chain(written).collect()
    }
}

/// A token as a reader of words sees it.
enum Word {
    /// A name without quotes, in lower case; perhaps a keyword.
    Plain(Box<str>),
    /// A name in quotes.
    Quoted(Box<str>),
    /// Anything else.
    Other(TokenKind),
}

/// Reads a body.
pub(super) fn scan(text: &str) -> Body {
    let mut body = Body::default();
    // With `standard_conforming_strings` off, as it may have been, a string would end elsewhere.
    if text.contains("\\'") {
        body.leave(SessionEffect::UNKNOWN);
    }
    let tokens: Vec<(Word, Token)> = Lexer::new(text, Options::default())
        .significant()
        .map(|token| (word(token, text), token))
        .collect();
    let plain = |at: usize| match tokens.get(at) {
        Some((Word::Plain(word), _)) => &**word,
        _ => "",
    };
    let is = |at: usize, kind: TokenKind| matches!(tokens.get(at), Some((Word::Other(k), _)) if *k == kind);
    // Whether the statement at hand has a clause of its own that begins with SET.
    let mut has_set_clause = false;
    for (at, (found, _)) in tokens.iter().enumerate() {
        let begins = match at.checked_sub(1) {
            None => true,
            Some(before) => match &tokens[before] {
                (Word::Plain(word), _) => {
                    matches!(
                        &**word,
                        "begin" | "then" | "else" | "loop" | "atomic" | "declare"
                    )
                }
                (Word::Other(TokenKind::Semicolon), _) => true,
                // The end of a label.
                (Word::Other(TokenKind::Operator), token) => token.bytes(text.as_bytes()) == b">>",
                _ => false,
            },
        };
        let name = match found {
            Word::Other(TokenKind::Semicolon) => {
                has_set_clause = false;
                continue;
            }
            Word::Other(kind) => {
                if kind.is_error() {
                    body.leave(SessionEffect::UNKNOWN);
                }
                continue;
            }
            Word::Quoted(name) => name,
            Word::Plain(name) => {
                let next = plain(at + 1);
                match &**name {
                    "update" | "alter" | "create" => {
                        has_set_clause = true;
                        body.writes |= &**name == "update";
                    }
                    "insert" | "delete" | "merge" | "copy" | "truncate" | "refresh" => {
                        body.writes = true
                    }
                    "set" if !begins && has_set_clause => {}
                    "set" if matches!(next, "local" | "transaction" | "constraints") => {}
                    "set" => body.leave(SessionEffect::SETTING),
                    "reset" if begins => body.leave(SessionEffect::SETTING),
                    "listen" if begins => body.leave(SessionEffect::LISTEN),
                    "prepare" if begins => body.leave(SessionEffect::PREPARED),
                    "load" | "discard" | "deallocate" | "import" if begins => {
                        body.leave(SessionEffect::UNKNOWN);
                    }
                    // Of a trigger's definition, and of a grant.
                    "execute" if matches!(next, "function" | "procedure" | "on") => {}
                    "execute" => body.leave(SessionEffect::UNKNOWN),
                    // Of ON CONFLICT and of rules.
                    "do" if matches!(next, "nothing" | "update" | "instead" | "also") => {}
                    "do" => body.leave(SessionEffect::UNKNOWN),
                    "hold" => body.leave(SessionEffect::HELD_CURSOR),
                    "temp" | "temporary" => body.leave(SessionEffect::TEMPORARY),
                    "serial" | "serial2" | "serial4" | "serial8" | "smallserial" | "bigserial"
                    | "identity" => {
                        body.leave(SessionEffect::ADVANCES);
                    }
                    _ => {}
                }
                name
            }
        };
        if name.starts_with("pg_temp") {
            body.leave(SessionEffect::TEMPORARY);
        }
        if is(at + 1, TokenKind::LeftParen)
            && !(&**name == "set_config" && is_local(&tokens, at + 1))
        {
            if let Some(effect) = known_session(name) {
                body.leave(effect);
            }
            body.calls.insert(name.clone());
        }
        body.names.insert(name.clone());
    }
    body
}

impl Body {
    fn leave(&mut self, effect: SessionEffect) {
        self.effect = self.effect.union(effect);
    }
}

fn word(token: Token, text: &str) -> Word {
    let written = token.span.of(text);
    match token.kind {
        TokenKind::Ident => match decode::identifier(token.kind, written) {
            Ok(name) => Word::Plain(name.into()),
            Err(_) => Word::Other(token.kind),
        },
        TokenKind::QuotedIdent | TokenKind::UnicodeIdent => {
            match decode::identifier(token.kind, written) {
                Ok(name) => Word::Quoted(name.into()),
                Err(_) => Word::Other(token.kind),
            }
        }
        kind => Word::Other(kind),
    }
}

/// Whether the last argument of a call, whose parenthesis opens at `open`, is `true`: a setting for the transaction alone.
fn is_local(tokens: &[(Word, Token)], open: usize) -> bool {
    let mut depth = 0usize;
    for (at, (word, _)) in tokens.iter().enumerate().skip(open) {
        match word {
            Word::Other(TokenKind::LeftParen) => depth += 1,
            Word::Other(TokenKind::RightParen) => {
                depth -= 1;
                if depth == 0 {
                    return matches!(&tokens[at - 1].0, Word::Plain(word) if &**word == "true")
                        && matches!(tokens[at - 2].0, Word::Other(TokenKind::Comma));
                }
            }
            _ => {}
        }
    }
    false
}
