//! The body of a function in SQL or PL/pgSQL, read by its words.
//!
//! No grammar: whatever a word might mean counts. A word in front of a parenthesis may be a call, any name may be a
//! relation's, and a word that begins a statement may be that statement's. What only a constant says is not seen; so a body
//! that runs a text may leave anything.

use std::collections::{BTreeSet, HashSet};

use super::Node;
use crate::sql::effect::{SessionEffect, known_session};
use crate::sql::lexer::{Lexer, Options, Token, TokenKind, decode};
use crate::sql::symbols::symbols;
use crate::value::moment::is_moment;

/// What the words of a body say.
#[derive(Debug, Default)]
pub(in super::super) struct Body {
    /// What its statements leave by themselves.
    pub(in super::super) effect: SessionEffect,
    /// What may be calls.
    pub(in super::super) calls: HashSet<Box<str>>,
    /// What may be calls written as fields: `row.name`.
    pub(in super::super) fields: HashSet<Box<str>>,
    /// What may be relations.
    pub(in super::super) names: HashSet<Box<str>>,
    /// Operators that it may use.
    pub(in super::super) symbols: BTreeSet<Box<str>>,
    /// Whether anything is written.
    pub(in super::super) writes: bool,
    /// Whether a constant may be read as the time.
    pub(in super::super) moment: bool,
    /// Whether something goes `INTO` something else than an insertion: in SQL `SELECT … INTO` makes a table.
    pub(in super::super) into: bool,
    /// Whether it sets something for its transaction.
    sets: bool,
    /// Whether it defines, changes or drops anything but a temporary table.
    defines: bool,
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
    /// Whether something of its session or of its server may come into it: settings, cursors, notices, catalogs, definitions,
    /// places of rows.
    pub(in super::super) fn meets_session(&self) -> bool {
        let says = |word: &str| self.names.contains(word);
        let of_server = |name: &str| {
            name.starts_with("pg_") && !matches!(name, "pg_catalog" | "pg_typeof")
                || name.starts_with("reg") && is_registry(name)
        };
        self.sets
            || self.names.iter().any(|name| of_server(name))
            || says("raise") && LEVELS.iter().any(|level| says(level))
            || BEYOND.iter().any(|word| says(word))
    }

    /// Whether it does more than to read and change rows of its server, draw numbers, take locks and make temporary tables.
    pub(in super::super) fn does_more(&self) -> bool {
        const ALLOWED: SessionEffect = SessionEffect::ADVANCES
            .union(SessionEffect::SEQUENCE)
            .union(SessionEffect::ADVISORY_LOCK)
            .union(SessionEffect::TEMPORARY);
        self.effect.bits & !ALLOWED.bits != 0
            || self.sets
            || self.defines
            || self.names.contains("set_config")
    }

    /// Everything that it may touch.
    pub(super) fn nodes(&self) -> Vec<Node> {
        let mut nodes = self.all_nodes();
        nodes.retain(|node| self.writes || !matches!(node, Node::Write(_)));
        nodes
    }

    /// Everything that bears one of its names.
    pub(super) fn all_nodes(&self) -> Vec<Node> {
        let calls = self.calls.iter().cloned().map(Node::Call);
        let fields = self.fields.iter().cloned().map(Node::Field);
        let read = self.names.iter().cloned().map(Node::Read);
        let written = self.names.iter().cloned().map(Node::Write);
        calls.chain(fields).chain(read).chain(written).collect()
    }
}

/// What `RAISE` says without ending the statement.
const LEVELS: &[&str] = &["debug", "log", "info", "notice", "warning"];

/// Words of what is of a session or of a server, of definitions, and of a row's place.
const BEYOND: &[&str] = &[
    "alter",
    "analyze",
    "call",
    "cluster",
    "comment",
    "create",
    "drop",
    "grant",
    "lock",
    "reassign",
    "reindex",
    "revoke",
    "vacuum",
    "open",
    "refcursor",
    "set_config",
    "current_catalog",
    "information_schema",
    "ctid",
    "xmin",
    "xmax",
    "cmin",
    "cmax",
    "tableoid",
];

/// Types whose values are numbers of a server's own.
fn is_registry(name: &str) -> bool {
    matches!(
        name,
        "regclass"
            | "regcollation"
            | "regconfig"
            | "regdictionary"
            | "regnamespace"
            | "regoper"
            | "regoperator"
            | "regproc"
            | "regprocedure"
            | "regrole"
            | "regtype"
    )
}

/// A token as a reader of words sees it.
pub(super) enum Word {
    /// A name without quotes, in lower case; perhaps a keyword.
    Plain(Box<str>),
    /// A name in quotes.
    Quoted(Box<str>),
    /// Anything else.
    Other(TokenKind),
}

/// Reads a body.
pub(in super::super) fn scan(text: &str) -> Body {
    let mut body = Body::default();
    // With `standard_conforming_strings` off, as it may have been, a string would end elsewhere.
    if text.contains("\\'") {
        body.leave(SessionEffect::UNKNOWN);
    }
    let used = symbols(text, Options::default());
    body.symbols = used.into_iter().map(Into::into).collect();
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
    // Whether it is a definition.
    let mut defines = false;
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
                defines = false;
                continue;
            }
            Word::Other(TokenKind::String(kind)) => {
                let said = decode::string(*kind, tokens[at].1.span.of(text));
                body.moment |= said.map_or(true, |said| is_moment(&said));
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
                body.defines |= begins
                    && match &**name {
                        "create" => !matches!(next, "temp" | "temporary"),
                        "alter" | "drop" | "grant" | "revoke" | "comment" | "security"
                        | "reassign" | "import" => true,
                        _ => false,
                    };
                match &**name {
                    "update" => {
                        has_set_clause = true;
                        body.writes = true;
                    }
                    "alter" | "create" => {
                        has_set_clause = true;
                        defines = true;
                        if begins && makes_what_runs((at + 1..).map(plain)) {
                            body.leave(SessionEffect::DEFINES);
                        }
                    }
                    "insert" | "delete" | "merge" | "copy" | "truncate" | "refresh" => {
                        body.writes = true
                    }
                    "into" if at == 0 || !matches!(plain(at - 1), "insert" | "merge") => {
                        body.into = true;
                    }
                    "set" if !begins && has_set_clause => {}
                    "set" if next == "seed" || plain(at + 2) == "seed" => {
                        body.leave(SessionEffect::SEED);
                    }
                    "set" if matches!(next, "local" | "transaction" | "constraints") => {
                        body.sets = true
                    }
                    "set" => body.leave(SessionEffect::SETTING),
                    "reset" if begins => body.leave(SessionEffect::SETTING),
                    "listen" if begins => body.leave(SessionEffect::LISTEN),
                    "notify" if begins => _ = body.calls.insert("pg_notify".into()),
                    "prepare" if begins => body.leave(SessionEffect::PREPARED),
                    "load" | "discard" | "deallocate" | "import" if begins => {
                        body.leave(SessionEffect::UNKNOWN);
                    }
                    // What was set before is settled by it, and the session does not see that.
                    "commit" | "rollback" if begins => body.leave(SessionEffect::UNKNOWN),
                    // Of a trigger's definition, and of a grant. Variables may bear these names, too.
                    "execute" if defines && matches!(next, "function" | "procedure") => {}
                    "execute" if next == "on" => {}
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
        } else if at.checked_sub(1).is_some_and(|at| is(at, TokenKind::Dot)) {
            body.fields.insert(name.clone());
        }
        body.names.insert(name.clone());
    }
    if body.effect.contains(SessionEffect::UNKNOWN) && says_what_runs(text) {
        body.leave(SessionEffect::DEFINES);
    }
    body
}

/// Whether a definition whose words behind `CREATE` or `ALTER` these are makes something that runs by itself later, or when
/// it is named.
fn makes_what_runs<'w>(words: impl Iterator<Item = &'w str>) -> bool {
    let mut words = words.skip_while(|word| {
        matches!(
            *word,
            "or" | "replace" | "constraint" | "event" | "recursive"
        )
    });
    matches!(
        words.next(),
        Some(
            "trigger"
                | "function"
                | "procedure"
                | "routine"
                | "aggregate"
                | "rule"
                | "view"
                | "policy"
                | "domain"
                | "type"
                | "operator"
                | "cast"
        )
    )
}

/// The same of a body that runs texts: by the words in its strings.
fn says_what_runs(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let words: Vec<&str> = text
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .collect();
    let mut at = (0..words.len()).filter(|&at| matches!(words[at], "create" | "alter"));
    at.any(|at| makes_what_runs(words[at + 1..].iter().copied()))
}

impl Body {
    fn leave(&mut self, effect: SessionEffect) {
        self.effect = self.effect.union(effect);
    }
}

pub(super) fn word(token: Token, text: &str) -> Word {
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
