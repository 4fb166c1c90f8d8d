//! The lexer's tokens as the readers want them: words folded, white space and comments gone.

use crate::id::Span;
use crate::sql::lexer::{self, Lexer, TokenKind, decode};
use crate::sql::limits::{Excess, MAX_TOKENS};
use crate::sql::statement::LiteralKind;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An unquoted word: keyword or identifier.
    Word,
    /// A quoted identifier.
    Quoted,
    /// `$n`.
    Param(u16),
    /// A constant; `NULL`, `TRUE` and `FALSE` are words.
    Literal(LiteralKind),
    /// An operator.
    Op,
    /// `( ) [ ] , . ; : :: := =>`
    Sym,
}

/// One token.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) what: What,
    pub(super) span: Span,
    /// Folded, unquoted and cut for names; as written for the rest.
    pub(super) text: String,
}

/// The tokens of one statement.
#[derive(Debug)]
pub(super) struct Tokens<'t> {
    pub(super) source: &'t str,
    pub(super) options: lexer::Options,
    pub(super) list: Vec<Token>,
}

impl Tokens<'_> {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn what(&self, at: usize) -> Option<What> {
        self.list.get(at).map(|token| token.what)
    }

    /// The text of a token; empty past the end.
    pub(super) fn text(&self, at: usize) -> &str {
        self.list.get(at).map_or("", |token| &token.text)
    }

    pub(super) fn is_word(&self, at: usize, word: &str) -> bool {
        self.what(at) == Some(What::Word) && self.text(at) == word
    }

    pub(super) fn any_word(&self, at: usize, words: &[&str]) -> bool {
        self.what(at) == Some(What::Word) && words.contains(&self.text(at))
    }

    pub(super) fn is_sym(&self, at: usize, sym: &str) -> bool {
        self.what(at) == Some(What::Sym) && self.text(at) == sym
    }

    pub(super) fn is_op(&self, at: usize, op: &str) -> bool {
        self.what(at) == Some(What::Op) && self.text(at) == op
    }

    /// Whether the token can be a name: a word or a quoted identifier.
    pub(super) fn is_name(&self, at: usize) -> bool {
        matches!(self.what(at), Some(What::Word | What::Quoted))
    }

    pub(super) fn is_literal(&self, at: usize) -> bool {
        matches!(self.what(at), Some(What::Literal(_)))
    }

    /// The span of tokens `from..=to`; empty when there are none.
    pub(super) fn span(&self, from: usize, to: usize) -> Span {
        match (self.list.get(from), self.list.get(to)) {
            (Some(first), Some(last)) if from <= to => Span {
                start: first.span.start,
                end: last.span.end,
            },
            _ => Span::default(),
        }
    }

    /// Whether every parenthesis and bracket has its partner.
    pub(super) fn balanced(&self) -> bool {
        let mut open = Vec::new();
        for token in self.list.iter().filter(|token| token.what == What::Sym) {
            let fits = match token.text.as_str() {
                "(" | "[" => {
                    open.push(token.text.as_str());
                    true
                }
                ")" => open.pop() == Some("("),
                "]" => open.pop() == Some("["),
                _ => true,
            };
            if !fits {
                return false;
            }
        }
        open.is_empty()
    }

    /// The closing partner of the opening parenthesis or bracket at `open`.
    pub(super) fn close(&self, open: usize) -> Option<usize> {
        let mut depth = 0usize;
        for (offset, token) in self.list.get(open..)?.iter().enumerate() {
            if token.what == What::Sym {
                match token.text.as_str() {
                    "(" | "[" => depth += 1,
                    ")" | "]" => {
                        depth = depth.checked_sub(1)?;
                        if depth == 0 {
                            return Some(open + offset);
                        }
                    }
                    _ => {}
                }
            }
        }
        None
    }
}

/// Cuts one statement into tokens; a veto names what no reader can be sure of.
pub(super) fn tokens(source: &str, options: lexer::Options) -> Result<Tokens<'_>, String> {
    let mut list = Vec::new();
    for token in Lexer::new(source, options).significant() {
        if list.len() == MAX_TOKENS {
            return Err(Excess::Tokens.to_string());
        }
        let written = token.span.of(source);
        let (what, text) = match token.kind {
            TokenKind::Ident => (What::Word, decode::identifier(token.kind, written)),
            TokenKind::QuotedIdent | TokenKind::UnicodeIdent => {
                (What::Quoted, decode::identifier(token.kind, written))
            }
            // The text of a string is decoded by those who want its value.
            TokenKind::String(kind) => {
                let value = decode::string(kind, written);
                (What::Literal(LiteralKind::String), value.map(|_| "".into()))
            }
            TokenKind::BinaryBits | TokenKind::HexBits => {
                (What::Literal(LiteralKind::Bits), Ok("".into()))
            }
            TokenKind::Integer => (What::Literal(LiteralKind::Integer), Ok(written.into())),
            TokenKind::Numeric => (What::Literal(LiteralKind::Numeric), Ok(written.into())),
            TokenKind::NewNumber => {
                return Err("a number that PostgreSQL reads differently before version 16".into());
            }
            TokenKind::National => return Err("a string of the kind N'…'".into()),
            TokenKind::Param => {
                let n = lexer::param_number(written.as_bytes());
                let n = n.and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
                let n = n.ok_or_else(|| format!("the parameter {written}"))?;
                (What::Param(n), Ok(written.into()))
            }
            TokenKind::Operator
            | TokenKind::Plus
            | TokenKind::Minus
            | TokenKind::Star
            | TokenKind::Slash
            | TokenKind::Percent
            | TokenKind::Caret
            | TokenKind::Less
            | TokenKind::Greater
            | TokenKind::Equals
            | TokenKind::LessEquals
            | TokenKind::GreaterEquals
            | TokenKind::NotEquals => (What::Op, Ok(written.into())),
            TokenKind::LeftParen
            | TokenKind::RightParen
            | TokenKind::LeftBracket
            | TokenKind::RightBracket
            | TokenKind::Comma
            | TokenKind::Semicolon
            | TokenKind::Colon
            | TokenKind::Dot
            | TokenKind::DotDot
            | TokenKind::Typecast
            | TokenKind::ColonEquals
            | TokenKind::EqualsGreater => (What::Sym, Ok(written.into())),
            TokenKind::Other | TokenKind::Error(_) => {
                return Err(format!("the characters {written:.20?}"));
            }
            TokenKind::Space | TokenKind::LineComment | TokenKind::BlockComment => continue,
        };
        let text: std::borrow::Cow<'_, str> = text.map_err(|error| error.to_string())?;
        list.push(Token {
            what,
            span: token.span,
            text: text.into_owned(),
        });
    }
    let semicolon = |token: &Token| token.what == What::Sym && token.text == ";";
    while list.last().is_some_and(semicolon) {
        list.pop();
    }
    let leading = list.iter().take_while(|token| semicolon(token)).count();
    list.drain(..leading);
    Ok(Tokens {
        source,
        options,
        list,
    })
}

impl Tokens<'_> {
    /// The value of a string constant.
    pub(super) fn string(&self, at: usize) -> Option<String> {
        if self.what(at)? != What::Literal(LiteralKind::String) || self.is_word(at + 1, "uescape") {
            return None;
        }
        let written = self.list.get(at)?.span.of(self.source);
        match Lexer::new(written, self.options).next()?.kind {
            TokenKind::String(kind) => decode::string(kind, written)
                .ok()
                .map(|value| value.into_owned()),
            _ => None,
        }
    }

    /// The tokens `from..`, as a statement of their own over the same text.
    pub(super) fn tail(&self, from: usize, to: usize) -> Self {
        Tokens {
            source: self.source,
            options: self.options,
            list: self.list.get(from..to).unwrap_or_default().to_vec(),
        }
    }
}
