//! The operators that a text may use, by their symbols.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::lexer::{Lexer, Options, Token, TokenKind};

/// The comparisons: which of them PostgreSQL looks up for a comparison of rows depends on all of these.
pub const COMPARISONS: &[&str] = &["<", "<=", "<>", "=", ">", ">="];

/// Every operator that a text may use: those that it writes, and those that its keywords stand for
/// (`IN`, `BETWEEN`, `NULLIF`, `LIKE`). What PostgreSQL finds by a type, in `ORDER BY` or `GROUP BY`, is not among them.
pub fn symbols(text: &str, options: Options) -> BTreeSet<Cow<'_, str>> {
    let mut found = BTreeSet::new();
    for token in Lexer::new(text, options).significant() {
        add(token, text, &mut found);
    }
    found
}

/// Adds the operators of one token.
pub(crate) fn add<'t>(token: Token, text: &'t str, found: &mut BTreeSet<Cow<'t, str>>) {
    let written = token.span.of(text);
    let more: &[&str] = match token.kind {
        TokenKind::Less
        | TokenKind::Greater
        | TokenKind::Equals
        | TokenKind::LessEquals
        | TokenKind::GreaterEquals
        | TokenKind::NotEquals => COMPARISONS,
        TokenKind::Operator
        | TokenKind::Plus
        | TokenKind::Minus
        | TokenKind::Star
        | TokenKind::Slash
        | TokenKind::Percent
        | TokenKind::Caret => {
            found.insert(written.into());
            return;
        }
        TokenKind::Ident => keyword(written),
        _ => return,
    };
    found.extend(more.iter().map(|symbol| Cow::Borrowed(*symbol)));
}

fn keyword(word: &str) -> &'static [&'static str] {
    let is = |list: &[&str]| list.iter().any(|k| word.eq_ignore_ascii_case(k));
    if is(&[
        "in", "between", "nullif", "case", "distinct", "using", "natural", "any", "some", "all",
    ]) {
        COMPARISONS
    } else if is(&["like"]) {
        &["~~", "!~~"]
    } else if is(&["ilike"]) {
        &["~~*", "!~~*"]
    } else if is(&["similar"]) {
        &["~", "!~"]
    } else {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_found_as_symbols_and_behind_keywords() {
        for (text, expected) in [
            ("SELECT a === b, -c", "- ==="),
            ("SELECT '===' -- ===", ""),
            ("a OPERATOR(public.@@) b", "@@"),
            ("a NOT LIKE b", "!~~ ~~"),
            ("a != b", "< <= <> = > >="),
            ("a NOT IN (1)", "< <= <> = > >="),
            ("SELECT \"in\", a FROM t", ""),
        ] {
            let found: Vec<_> = symbols(text, Options::default()).into_iter().collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }
}
