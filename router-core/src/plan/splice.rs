//! New text from a statement's own: pieces of it are replaced where they stand, so that everything else, comments and
//! spelling included, stays as the client wrote it.

use crate::id::Span;
use crate::sql::lexer::{Class, Keyword, Lexer, Options, Token, TokenKind};

/// Replacements and insertions in one text.
#[derive(Clone, Debug, Default)]
pub(super) struct Splice {
    edits: Vec<(Span, String)>,
}

impl Splice {
    /// Puts `text` in the place of `span`.
    pub(super) fn replace(&mut self, span: Span, text: impl Into<String>) {
        self.edits.push((span, text.into()));
    }

    /// Puts `text` in at an offset.
    pub(super) fn insert(&mut self, at: u32, text: impl Into<String>) {
        self.replace(Span { start: at, end: at }, text);
    }

    /// The new text of the stretch `within` of `source`; edits outside of it are left out. `None` when edits overlap.
    pub(super) fn apply(&self, source: &str, within: Span) -> Option<String> {
        let mut edits: Vec<&(Span, String)> = self
            .edits
            .iter()
            .filter(|(s, _)| within.start <= s.start && s.end <= within.end)
            .collect();
        // Stable: insertions at one place keep their order.
        edits.sort_by_key(|(span, _)| span.start);
        let mut out = String::with_capacity(within.len() + 64);
        let mut at = within.start;
        for (span, text) in edits {
            if span.start < at {
                return None;
            }
            out.push_str(
                Span {
                    start: at,
                    end: span.start,
                }
                .of(source),
            );
            out.push_str(text);
            at = span.end;
        }
        out.push_str(
            Span {
                start: at,
                end: within.end,
            }
            .of(source),
        );
        Some(out)
    }
}

/// A name as it has to be written, with quotes where PostgreSQL needs them.
pub(super) fn quoted(name: &str) -> String {
    let plain = name
        .bytes()
        .enumerate()
        .all(|(i, b)| b == b'_' || b.is_ascii_lowercase() || (i > 0 && b.is_ascii_digit()));
    let word = Keyword::lookup(name.as_bytes()).is_none_or(|k| k.class() == Class::Unreserved);
    if plain && word && !name.is_empty() {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The tokens of a stretch of a text, without white space and comments, at their places in the whole text.
pub(super) fn tokens(text: &str, within: Span, options: Options) -> impl Iterator<Item = Token> {
    let shift = within.start;
    Lexer::new(within.of(text), options)
        .significant()
        .map(move |t| Token {
            kind: t.kind,
            span: Span {
                start: t.span.start + shift,
                end: t.span.end + shift,
            },
        })
}

/// Whether a token is this keyword, written without quotes.
pub(super) fn is_word(text: &str, token: &Token, word: &str) -> bool {
    token.kind == TokenKind::Ident && token.span.of(text).eq_ignore_ascii_case(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_have_to_be() {
        for (name, written) in [
            ("users", "users"),
            ("a1_b", "a1_b"),
            ("Users", "\"Users\""),
            ("order", "\"order\""),
            ("1a", "\"1a\""),
            ("a\"b", "\"a\"\"b\""),
            ("été", "\"été\""),
            ("a b", "\"a b\""),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(name), written);
        }
    }

    #[test]
    fn edits_are_put_in_place_and_must_not_overlap() {
        let text = "SELECT a FROM t";
        let mut splice = Splice::default();
        splice.replace(Span::new(14, 15), "u");
        splice.insert(8, ", b");
        splice.insert(8, ", c");
        let whole = Span::new(0, text.len());
        assert_eq!(
            splice.apply(text, whole).as_deref(),
            Some("SELECT a, b, c FROM u")
        );
        assert_eq!(
            splice.apply(text, Span::new(9, 15)).as_deref(),
            Some("FROM u")
        );
        splice.replace(Span::new(12, 15), "v");
        assert_eq!(splice.apply(text, whole), None);
    }
}
