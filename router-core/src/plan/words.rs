//! The tokens of a statement with their depth, for those who splice its text.

use crate::id::Span;
use crate::sql::lexer::{Lexer, Options, TokenKind, decode};

/// One token that is no white space or comment.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// Where it stands.
    pub(super) span: Span,
    /// An identifier as PostgreSQL sees it, or the token as written.
    pub(super) text: String,
    /// Whether it is an identifier without quotes, hence perhaps a keyword.
    pub(super) plain: bool,
    /// Whether it is an identifier.
    pub(super) name: bool,
    /// Parentheses and brackets open around it; those themselves stand outside.
    pub(super) depth: u32,
}

impl Word {
    /// Whether it is this keyword, in lower case, or this symbol.
    pub(super) fn is(&self, text: &str) -> bool {
        self.text == text && (self.plain || !self.name)
    }
}

/// All tokens of `text`. Spans refer to it.
pub(super) fn words(text: &str, options: Options) -> Vec<Word> {
    let mut depth = 0u32;
    Lexer::new(text, options)
        .significant()
        .map(|token| {
            let written = token.span.of(text);
            if matches!(token.kind, TokenKind::RightParen | TokenKind::RightBracket) {
                depth = depth.saturating_sub(1);
            }
            let name = token.kind.is_name();
            let word = Word {
                span: token.span,
                text: match name {
                    true => decode::identifier(token.kind, written)
                        .map_or_else(|_| written.to_owned(), |t| t.into_owned()),
                    false => written.to_owned(),
                },
                plain: token.kind == TokenKind::Ident,
                name,
                depth,
            };
            if matches!(token.kind, TokenKind::LeftParen | TokenKind::LeftBracket) {
                depth += 1;
            }
            word
        })
        .collect()
}
