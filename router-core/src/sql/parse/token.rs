//! The lexer's tokens as the readers want them: words folded, white space and comments gone.

use crate::id::Span;
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
