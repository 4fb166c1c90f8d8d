//! The second look at a condition: what its tokens say, apart from the tree.

use crate::id::Span;
use crate::sql::lexer::{Lexer, Options, TokenKind};

/// The tokens of a statement, to check that a condition stands where the tree says.
pub(super) struct Bounds<'t> {
    text: &'t str,
    tokens: Vec<(TokenKind, Span)>,
}

/// Words that may stand before a condition.
const BEFORE: &[&str] = &["where", "and", "or", "on"];

/// Words that may stand after a condition.
const AFTER: &[&str] = &[
    "and",
    "or",
    "group",
    "order",
    "limit",
    "offset",
    "fetch",
    "for",
    "returning",
    "union",
    "intersect",
    "except",
    "window",
    "having",
    "join",
    "left",
    "right",
    "full",
    "inner",
    "cross",
    "natural",
    "where",
    "on",
];

impl<'t> Bounds<'t> {
    pub(super) fn new(text: &'t str, options: Options) -> Self {
        let tokens = Lexer::new(text, options).significant();
        Self {
            text,
            tokens: tokens.map(|token| (token.kind, token.span)).collect(),
        }
    }

    /// Whether the condition at `span` is bounded by `AND`, `OR`, parentheses, commas of `FROM` or
    /// the clause's ends, so that no operator outside takes part of it.
    pub(super) fn whole(&self, span: Span) -> bool {
        if span.is_empty() {
            return false;
        }
        let first = self.tokens.partition_point(|(_, at)| at.start < span.start);
        let next = self.tokens.partition_point(|(_, at)| at.start < span.end);
        let starts = self
            .tokens
            .get(first)
            .is_some_and(|(_, at)| at.start == span.start);
        let ends = next > first && self.tokens[next - 1].1.end == span.end;
        let before = match first.checked_sub(1).map(|before| self.tokens[before]) {
            Some((TokenKind::LeftParen, _)) => true,
            Some((TokenKind::Ident, at)) => self.is_one(at, BEFORE),
            _ => false,
        };
        let after = match self.tokens.get(next) {
            None => true,
            Some((TokenKind::RightParen | TokenKind::Semicolon | TokenKind::Comma, _)) => true,
            Some((TokenKind::Ident, at)) => self.is_one(*at, AFTER),
            Some(_) => false,
        };
        starts && ends && before && after
    }

    /// Whether exactly this operator, and otherwise only parentheses, stand between two operands.
    pub(super) fn joined_by(&self, left: Span, right: Span, operator: TokenKind) -> bool {
        if left.is_empty() || right.is_empty() {
            return false;
        }
        let from = self.tokens.partition_point(|(_, at)| at.start < left.end);
        let to = self
            .tokens
            .partition_point(|(_, at)| at.start < right.start);
        let Some(between) = self.tokens.get(from..to) else {
            return false;
        };
        let mut found = 0;
        for (kind, _) in between {
            match kind {
                TokenKind::LeftParen | TokenKind::RightParen => {}
                kind if *kind == operator => found += 1,
                _ => return false,
            }
        }
        found == 1
    }

    fn is_one(&self, at: Span, words: &[&str]) -> bool {
        let word = at.of(self.text);
        words
            .iter()
            .any(|candidate| word.eq_ignore_ascii_case(candidate))
    }
}
