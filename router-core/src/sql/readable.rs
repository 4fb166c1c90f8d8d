//! A statement's shape for people to read: for logs and reports, where a literal may be a secret.
//!
//! Constants become `?`, lists of them `?, ...`, comments are left out (they may hold anything), white space becomes one
//! space. Unlike [`shape`](super::shape), nothing is concluded from it, so it may say less.

use super::lexer::{Lexer, Options, TokenKind};

/// Longer shapes are cut off, in bytes.
pub const LONGEST: usize = 2000;

/// The shape of a text of one or several statements. A text that is cut off in the middle is fine: what comes after the
/// last whole token is not shown.
pub fn readable(text: &str, options: Options) -> String {
    let mut out = String::new();
    let mut space = false;
    for token in Lexer::new(text, options) {
        if out.len() > LONGEST {
            out.push('…');
            break;
        }
        match token.kind {
            TokenKind::Space | TokenKind::LineComment | TokenKind::BlockComment => {
                space = !out.is_empty();
                continue;
            }
            // An open quote or comment: nobody knows what it holds.
            TokenKind::Error(_) => {
                out.push_str(if space { " …" } else { "…" });
                break;
            }
            _ => {}
        }
        let shown = match token.kind {
            TokenKind::String(_)
            | TokenKind::BinaryBits
            | TokenKind::HexBits
            | TokenKind::Integer
            | TokenKind::Numeric
            | TokenKind::NewNumber
            | TokenKind::Other => "?",
            _ => token.span.of(text),
        };
        if shown == "?" && (out.ends_with("?, ...,") || out.ends_with("?,")) {
            // One shape for a list of any length.
            if out.ends_with("?, ...,") {
                out.pop();
            } else {
                out.push_str(" ...");
            }
            space = false;
            continue;
        }
        if std::mem::take(&mut space) && !matches!(token.kind, TokenKind::Comma) {
            out.push(' ');
        }
        out.push_str(shown);
    }
    for row in ["(?)", "(?, ...)"] {
        let twice = format!("{row}, {row}");
        let rest = format!("{row}, ...");
        while out.contains(&twice) {
            out = out.replace(&twice, row);
            if !out.contains(&twice) {
                out = out.replacen(row, &rest, 1);
            }
        }
    }
    out.truncate(out.trim_end_matches([';', ' ']).len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        readable(text, Options::default())
    }

    #[test]
    fn no_constant_is_shown() {
        for (text, expected) in [
            (
                "SELECT  *\nFROM users WHERE id = 42 AND name = 'x''y' LIMIT 10;",
                "SELECT * FROM users WHERE id = ? AND name = ? LIMIT ?",
            ),
            (
                "select $1::int + 1.5e3, E'a\\'b', $$secret$$",
                "select $1::int + ?, ...",
            ),
            ("select 1 -- secret\n, /* secret */ 2", "select ?, ..."),
            ("where id in (1, 2,3 , 4)", "where id in (?, ...)"),
            ("where id in (1)", "where id in (?)"),
            (
                "insert into t values (1,'a'), (2,'b'), (3,'c')",
                "insert into t values (?, ...), ...",
            ),
            (
                "alter role app password 'secret'",
                "alter role app password ?",
            ),
            ("select 'it is open", "select …"),
            ("select 1 /* open", "select ? …"),
            (
                "select \"Name\", U&'d\\0061t', b'01', x'ff', 0x1f, 1_000",
                "select \"Name\", U&?, b?",
            ),
            ("", ""),
        ] {
            let shown = shown(text);
            assert!(!shown.contains("secret"), "{shown}");
            if !text.contains("0x1f") {
                assert_eq!(shown, expected);
            } else {
                assert!(!shown.contains(['1', '0', 'f']), "{shown}");
            }
        }
    }

    #[test]
    fn it_is_bounded() {
        let long = format!("select {}", "a + ".repeat(10_000));
        assert!(shown(&long).len() < LONGEST + 100);
        let rows = format!("insert into t values {}", "(1, 2), ".repeat(1000));
        assert!(shown(&rows).len() < LONGEST + 100);
    }
}
