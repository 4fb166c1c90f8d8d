//! The tree that texts become: nothing usual is unread, spans are exact, nothing panics.

use proptest::prelude::*;
use router_core::id::Span;
use router_core::sql::lexer::{Lexer, Options, TokenKind};
use router_core::sql::parse;
use router_core::sql::statement::{ExprKind, Kind, LiteralKind, Statement};
use router_core::sql::walk::{self, Node};

fn read(text: &str) -> Statement {
    parse(text, &parse::Options::default())
}

fn corpus() -> Vec<&'static str> {
    include_str!("sql/corpus/read.sql")
        .split(";\n")
        .filter(|text| !text.trim().is_empty())
        .collect()
}

#[test]
fn usual_statements_are_read() {
    let unread: Vec<String> = corpus()
        .into_iter()
        .filter_map(|text| match read(text).kind {
            Kind::Unread(unread) => Some(format!("{}: {text}", unread.what)),
            _ => None,
        })
        .collect();
    assert!(unread.is_empty(), "{}", unread.join("\n"));
}

/// The significant tokens that lie within a span, when it begins and ends with tokens.
fn tokens(text: &str, span: Span) -> Option<Vec<TokenKind>> {
    let all: Vec<_> = Lexer::new(text, Options::default()).significant().collect();
    let starts = all.iter().any(|token| token.span.start == span.start);
    let ends = all.iter().any(|token| token.span.end == span.end);
    let inside = all
        .iter()
        .filter(|token| token.span.start >= span.start && token.span.end <= span.end);
    (starts && ends).then(|| inside.map(|token| token.kind).collect())
}

fn balanced(kinds: &[TokenKind]) -> bool {
    let mut depth = 0i32;
    for kind in kinds {
        match kind {
            TokenKind::LeftParen | TokenKind::LeftBracket => depth += 1,
            TokenKind::RightParen | TokenKind::RightBracket => depth -= 1,
            _ => {}
        }
        if depth < 0 {
            return false;
        }
    }
    depth == 0
}

/// Every span of a statement that is not exact.
fn wrong_spans(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |span: Span, what: &str| {
        let fits = span.is_empty() || tokens(text, span).is_some_and(|kinds| balanced(&kinds));
        if !fits {
            wrong.push(format!("{what} at {span:?}: {:?}", span.of(text)));
        }
    };
    let mut literals = Vec::new();
    walk::statement(&read(text), &mut |node| match node {
        Node::Expr(expr) => {
            check(expr.span, "expression");
            if let ExprKind::Literal(kind) = &expr.kind {
                literals.push((expr.span, Some(*kind)));
            } else if let ExprKind::Param(_) = expr.kind {
                literals.push((expr.span, None));
            }
        }
        Node::Query(query) => check(query.span, "query"),
        Node::Select(select) => {
            check(select.span, "select");
            check(select.items_span, "items");
        }
        Node::Relation(relation) => check(relation.span, "relation"),
        // A statement that is not read may well be unbalanced.
        Node::Statement(statement) if matches!(statement.kind, Kind::Unread(_)) => {}
        Node::Statement(statement) => check(statement.span, "statement"),
    });
    for (span, kind) in literals {
        let found = tokens(text, span);
        let fits = match (found.as_deref(), kind) {
            (Some([TokenKind::Param]), None) => true,
            (Some([TokenKind::Integer]), Some(LiteralKind::Integer)) => true,
            (Some([TokenKind::Numeric]), Some(LiteralKind::Numeric)) => true,
            (Some([TokenKind::String(_)]), Some(LiteralKind::String)) => true,
            (Some([TokenKind::BinaryBits | TokenKind::HexBits]), Some(LiteralKind::Bits)) => true,
            (Some([TokenKind::Ident]), Some(kind)) => matches!(
                kind,
                LiteralKind::Null | LiteralKind::True | LiteralKind::False
            ),
            _ => false,
        };
        if !fits {
            wrong.push(format!("literal at {span:?}: {:?}", span.of(text)));
        }
    }
    wrong
}

#[test]
fn spans_are_exact() {
    let wrong: Vec<String> = corpus().into_iter().flat_map(wrong_spans).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_texts_do_not_overflow_a_small_stack() {
    let repeat = |n: usize, text: &str| text.repeat(n);
    let mut texts = Vec::new();
    for n in [16, 40, 60, 1_000, 50_000] {
        texts.push(format!("SELECT {}1{}", repeat(n, "("), repeat(n, ")")));
        texts.push(format!("SELECT {}1{}", repeat(n, "f("), repeat(n, ")")));
        texts.push(format!(
            "SELECT {}1{}",
            repeat(n, "(SELECT "),
            repeat(n, ")")
        ));
        texts.push(format!(
            "SELECT * FROM {}t{}",
            repeat(n, "(SELECT * FROM "),
            repeat(n, ") x")
        ));
        texts.push(format!("SELECT {}1{}", repeat(n, "ARRAY["), repeat(n, "]")));
        texts.push(format!("SELECT {}1 END", repeat(n, "CASE WHEN ")));
        for link in [
            " OR a = 1",
            " AND a",
            " + 1",
            " || 'x'",
            "::int",
            " IS NULL",
            " COLLATE x",
            "[1]",
            " = 1",
            "^2",
        ] {
            texts.push(format!("SELECT a{}", repeat(n, link)));
        }
        for link in ["NOT ", "- ", "+ ", "~ "] {
            texts.push(format!("SELECT {}a", repeat(n, link)));
        }
        texts.push(format!("SELECT 1{}", repeat(n, " UNION SELECT 1")));
        texts.push(format!("SELECT * FROM t{}", repeat(n, " JOIN t")));
        texts.push(format!("SELECT * FROM t{}", repeat(n, " JOIN t ON true")));
        texts.push(format!("SELECT * FROM t{}", repeat(n, " NATURAL JOIN t")));
        texts.push(format!("SELECT 1{}", repeat(n, " FOR UPDATE")));
        texts.push(format!("{}SELECT 1", repeat(n, "EXPLAIN ")));
        texts.push(format!("{}SELECT 1", repeat(n, "PREPARE a AS ")));
        texts.push(format!(
            "{}t{} TO STDOUT",
            repeat(n, "COPY ("),
            repeat(n, ")")
        ));
        texts.push(format!("WITH {} SELECT 1", repeat(n, "a AS (SELECT 1),")));
        texts.push(repeat(n, "SELECT"));
        texts.push(repeat(n, "("));
        texts.push(repeat(n, ")"));
    }
    let thread = std::thread::Builder::new().stack_size(256 << 10);
    let run = thread.spawn(move || {
        for text in texts {
            let statement = read(&text);
            walk::statement(&statement, &mut |_| {});
        }
    });
    run.expect("a thread starts")
        .join()
        .expect("no text panics");
}

#[test]
fn constructs_are_vetoed_by_name() {
    let cases = [
        ("SELECT 0b11", "before version 16"),
        ("SELECT N'x'", "N'"),
        ("SELECT U&'d!0061' UESCAPE '!'", "UESCAPE"),
        ("SELECT a = b = c", "comparisons"),
        ("SELECT -2 ^ 2", "sign"),
        ("SELECT 'a' 'b'", "string"),
        (
            "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
            "MERGE",
        ),
        ("SELECT 1; SELECT 2", "several statements"),
        ("FROBNICATE x", "FROBNICATE"),
        ("SELECT )", "parentheses"),
    ];
    for (text, expected) in cases {
        let Kind::Unread(unread) = read(text).kind else {
            panic!("{text} was read");
        };
        let what = unread.what.to_lowercase();
        assert!(
            what.contains(&expected.to_lowercase()),
            "{text}: {}",
            unread.what
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        read(&text);
    }

    #[test]
    fn no_words_panic(words in proptest::collection::vec(
        prop::sample::select(vec![
            "select", "from", "where", "a", "t", "(", ")", ",", "=", "1", "'x'", "$1", "and", "or",
            "not", "in", "join", "on", "left", "with", "as", "insert", "into", "values", "update",
            "set", "delete", "for", "of", "group", "by", "order", "limit", "union", "case", "when",
            "then", "end", "cast", "::", "int", ".", "*", "[", "]", "only", "table", "conflict",
            "do", "nothing", "is", "null", "between", "like", "date", "interval", "operator",
            "copy", "to", "stdin", "explain", "begin", "lock", "reset", "show", "prepare", "declare",
            "cursor", "fetch", "create", "index", "grant", "drop", "exclude", "isnull", "any",
        ]), 0..30)) {
        let text = words.join(" ");
        prop_assert_eq!(wrong_spans(&text), Vec::<String>::new());
    }
}
