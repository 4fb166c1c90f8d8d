//! A query string becomes its statements.
//!
//! A semicolon ends a statement except inside parentheses (the action list of `CREATE RULE`) and
//! inside a routine's `BEGIN ATOMIC … END`. Nothing is judged here: a string that PostgreSQL
//! rejects as a whole is cut all the same, and [`Statements::is_suspect`] says that it may be one.

use super::lexer::{Keyword, Lexer, Options, Token, TokenKind};
use crate::id::Span;

/// The statements of a query string, in order: each one's text without its semicolon and without
/// white space and comments around it. Empty statements are left out; when the iterator gives
/// nothing at all, the answer is an EmptyQueryResponse.
#[derive(Clone, Debug)]
pub struct Statements<'a> {
    text: &'a [u8],
    lexer: Lexer<'a>,
    suspect: bool,
}

/// Cuts `text` into statements.
pub fn statements(text: &str, options: Options) -> Statements<'_> {
    Statements {
        text: text.as_bytes(),
        lexer: Lexer::new(text, options),
        suspect: false,
    }
}

impl Statements<'_> {
    /// Whether something was met so far that PostgreSQL's scanner or parser is certain to reject:
    /// a token of an error kind, or parentheses that do not match. PostgreSQL reads the whole
    /// string before it runs any of it, so then no statement of it may run.
    pub fn is_suspect(&self) -> bool {
        self.suspect
    }
}

impl Iterator for Statements<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        let first = loop {
            let token = self.lexer.next_significant()?;
            if token.kind != TokenKind::Semicolon {
                break token;
            }
        };
        let mut routine = Routine::Start;
        let mut depth = 0u32;
        let mut end = first.span.end;
        let mut after_name_mark = false;
        let mut next = Some(first);
        while let Some(token) = next {
            match token.kind {
                TokenKind::Semicolon if depth == 0 && !routine.in_body() => break,
                TokenKind::LeftParen | TokenKind::LeftBracket => depth += 1,
                TokenKind::RightParen | TokenKind::RightBracket if depth > 0 => depth -= 1,
                TokenKind::RightParen | TokenKind::RightBracket => self.suspect = true,
                TokenKind::Error(_) | TokenKind::Other => self.suspect = true,
                _ => {}
            }
            let keyword = self.keyword(token).filter(|_| !after_name_mark);
            // After these a keyword is a name: `t.end`, `AS end`.
            after_name_mark = token.kind == TokenKind::Dot || keyword == Some(AS);
            routine = routine.step(keyword);
            end = token.span.end;
            next = self.lexer.next_significant();
        }
        if depth > 0 {
            self.suspect = true;
        }
        Some(Span {
            start: first.span.start,
            end,
        })
    }
}

impl Statements<'_> {
    fn keyword(&self, token: Token) -> Option<Keyword> {
        match token.kind {
            TokenKind::Ident => Keyword::lookup(token.bytes(self.text)),
            _ => None,
        }
    }
}

const AS: Keyword = Keyword::of("as");
const ATOMIC: Keyword = Keyword::of("atomic");
const BEGIN: Keyword = Keyword::of("begin");
const CASE: Keyword = Keyword::of("case");
const CREATE: Keyword = Keyword::of("create");
const END: Keyword = Keyword::of("end");
const FUNCTION: Keyword = Keyword::of("function");
const OR: Keyword = Keyword::of("or");
const PROCEDURE: Keyword = Keyword::of("procedure");
const REPLACE: Keyword = Keyword::of("replace");

/// How far a statement is known to be a `CREATE FUNCTION` with a body of statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Routine {
    /// Nothing was read.
    Start,
    /// `CREATE`, perhaps with `OR` or `OR REPLACE`.
    Create,
    /// `CREATE FUNCTION …` outside a body.
    Head,
    /// … `BEGIN`.
    Begin,
    /// Within a body; how many `END`s are due.
    Body(u32),
    /// Another statement.
    Other,
}

impl Routine {
    fn in_body(self) -> bool {
        matches!(self, Self::Body(_))
    }

    fn step(self, keyword: Option<Keyword>) -> Self {
        match (self, keyword) {
            (Self::Start, Some(CREATE)) => Self::Create,
            (Self::Create, Some(OR | REPLACE)) => Self::Create,
            (Self::Create, Some(FUNCTION | PROCEDURE)) => Self::Head,
            (Self::Head | Self::Begin, Some(BEGIN)) => Self::Begin,
            (Self::Begin, Some(ATOMIC)) => Self::Body(1),
            (Self::Head | Self::Begin, _) => Self::Head,
            (Self::Body(due), Some(CASE)) => Self::Body(due.saturating_add(1)),
            (Self::Body(1), Some(END)) => Self::Head,
            (Self::Body(due), Some(END)) => Self::Body(due - 1),
            (Self::Body(due), _) => Self::Body(due),
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<&str> {
        statements(text, Options::default())
            .map(|span| span.of(text))
            .collect()
    }

    #[test]
    fn semicolons_end_statements() {
        assert_eq!(split("select 1; select 2"), ["select 1", "select 2"]);
        assert_eq!(
            split(" /* a; */ select ';' -- ;\n ; ;; \"b;\" ; $$;$$ /* c */;"),
            ["select ';'", "\"b;\"", "$$;$$"]
        );
        assert_eq!(split(" ; /* */ ; -- "), Vec::<&str>::new());
        assert_eq!(split(""), Vec::<&str>::new());
    }

    #[test]
    fn rules_and_routines_keep_their_semicolons() {
        let rule = "CREATE RULE r AS ON INSERT TO t DO (INSERT INTO a VALUES (1); SELECT 1)";
        assert_eq!(split(&format!("{rule}; SELECT 2")), [rule, "SELECT 2"]);
        let routine = "CREATE OR REPLACE FUNCTION f(a int) RETURNS int BEGIN ATOMIC \
            SELECT CASE WHEN a > 0 THEN 1 END; SELECT 1 AS end; SELECT t.case FROM t; END";
        assert_eq!(
            split(&format!("{routine}; SELECT 2")),
            [routine, "SELECT 2"]
        );
        // A transaction is not a body, nor is a column of this name.
        assert_eq!(split("BEGIN; SELECT atomic; END").len(), 3);
        assert_eq!(split("CREATE TABLE begin (atomic int); SELECT 1").len(), 2);
    }

    #[test]
    fn what_cannot_be_read_is_suspect() {
        for text in [
            "select 1); select 2",
            "select (1; select 2",
            "select 'a",
            "select {",
        ] {
            let mut all = statements(text, Options::default());
            all.by_ref().for_each(drop);
            assert!(all.is_suspect(), "{text}");
        }
        let mut all = statements("select (1); select $$a$$", Options::default());
        all.by_ref().for_each(drop);
        assert!(!all.is_suspect());
    }

    proptest! {
        #[test]
        fn joined_statements_come_apart_again(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "select 1", "", " /* ; */ ", "insert into t values (';')", "begin",
                    "create function f() returns int begin atomic select 1; end", "-- ;\n",
                ]),
                0..8,
            ),
        ) {
            let text = parts.join(";");
            let expected: Vec<&str> = parts
                .into_iter()
                .filter(|part| part.starts_with(|c: char| c.is_ascii_alphabetic()))
                .collect();
            prop_assert_eq!(split(&text), expected);
        }

        #[test]
        fn spans_are_in_order_whatever_the_text(text in "[ ;()'\"$a*/-]{0,60}") {
            let mut at = 0;
            for span in statements(&text, Options::default()) {
                prop_assert!(at <= span.start && span.start < span.end);
                at = span.end;
            }
            prop_assert!(at as usize <= text.len());
        }
    }
}
