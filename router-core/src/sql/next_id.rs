//! `shunt.next_id()`: a number that the router makes, put into the text before anybody else reads it.
//!
//! A number has 63 bits: 41 of milliseconds since the beginning of 2020 (until 2089), 10 that tell routers apart, 11 that
//! count within a millisecond, and one that tells a router from the one that takes over from it while both serve. So
//! numbers of one router ascend, those of all routers ascend as far as their clocks agree, and no two are equal as long as
//! each router has its own [`Node`] and its clock is not set back across a restart.

use super::lexer::{Lexer, Options, TokenKind};
use super::statement::{Call, Expr, ExprKind, InsertSource, Kind, SelectItem, SetExpr, Statement};
use super::walk::{self, Node as Visited};
use super::{parse, split};
use crate::id::Span;

/// Milliseconds from 1970 to 2020.
const EPOCH_MS: u64 = 1_577_836_800_000;
const COUNTER_BITS: u32 = 11;
const TURN_BITS: u32 = 1;
const NODE_BITS: u32 = 10;

/// The highest number that tells a router apart.
pub const MAX_NODE: u16 = (1 << NODE_BITS) - 1;

/// Which router makes the numbers: at most [`MAX_NODE`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Node(pub u16);

/// Time and count of the next number, when `last` were those of the one before and the clock says `now_ms` since 1970.
///
/// A clock that stands still or goes back does not matter: the count goes on, into the next millisecond if need be.
pub fn advance(last: u64, now_ms: u64) -> u64 {
    let now = now_ms.saturating_sub(EPOCH_MS) << COUNTER_BITS;
    now.max(last + 1)
}

/// The number of a time and count. `turn`: of two routers of one node, one of which takes over from the other.
pub fn number(at: u64, node: Node, turn: bool) -> i64 {
    let (ms, count) = (at >> COUNTER_BITS, at & ((1 << COUNTER_BITS) - 1));
    let node = u64::from(node.0 & MAX_NODE);
    let bits = (ms << (NODE_BITS + COUNTER_BITS + TURN_BITS))
        | (node << (COUNTER_BITS + TURN_BITS))
        | (count << TURN_BITS)
        | u64::from(turn);
    (bits & (i64::MAX as u64)) as i64
}

/// Why numbers cannot be put into a text: a sentence.
pub const NOT_ONE_ROW: &str = "\"shunt.next_id\" gives one number per call: it may stand in the rows of INSERT … VALUES, and in a SELECT without FROM and without other functions.";

/// Whether a text may call the function.
pub fn is_called(text: &str) -> bool {
    text.as_bytes()
        .windows(7)
        .any(|w| w.eq_ignore_ascii_case(b"next_id"))
}

/// The text with `by(n)` in place of the n-th call. `Ok(None)` when there is no call.
///
/// # Errors
/// When a call stands where it would be evaluated for several rows.
pub fn put(
    text: &str,
    options: Options,
    by: &mut dyn FnMut(usize) -> String,
) -> Result<Option<String>, &'static str> {
    if !is_called(text) {
        return Ok(None);
    }
    let mut out = String::with_capacity(text.len() + 64);
    let (mut at, mut n) = (0, 0);
    for span in split::statements(text, options) {
        let source = span.of(text);
        if !is_called(source) {
            continue;
        }
        let statement = parse(
            source,
            &parse::Options {
                lexer: options,
                ..Default::default()
            },
        );
        for (call, name) in calls(&statement)? {
            let start = (span.start + call.start) as usize;
            out.push_str(&text[at..start]);
            out.push_str(&by(n));
            if name {
                // PostgreSQL names a column after the function.
                out.push_str(" AS next_id");
            }
            at = (span.start + call.end) as usize;
            n += 1;
        }
    }
    out.push_str(&text[at..]);
    Ok((n > 0).then_some(out))
}

/// What a statement has to do with the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Calls {
    /// Nothing.
    None,
    /// It is `SELECT shunt.next_id()` and nothing else; the name of the column.
    Alone(String),
    /// It calls it where a number can be put.
    Some,
    /// It names it where no number can be put.
    Elsewhere,
}

/// What a statement of this text has to do with the function.
pub fn look(statement: &Statement, text: &str, options: Options) -> Calls {
    if !is_called(text) {
        return Calls::None;
    }
    match calls(statement) {
        Err(_) => Calls::Elsewhere,
        Ok(found) if found.is_empty() => match is_named(text, options) {
            true => Calls::Elsewhere,
            false => Calls::None,
        },
        Ok(_) => match alone(statement, text, options) {
            Some(column) => Calls::Alone(column),
            None => Calls::Some,
        },
    }
}

/// Whether a text that was not read as a query has a call in it: the default of a column, the body of a procedure.
fn is_named(text: &str, options: Options) -> bool {
    let tokens: Vec<_> = Lexer::new(text, options).significant().collect();
    tokens.windows(4).any(|four| {
        let word = |at: usize, word: &str| four[at].span.of(text).eq_ignore_ascii_case(word);
        word(0, "shunt")
            && four[1].kind == TokenKind::Dot
            && word(2, "next_id")
            && four[3].kind == TokenKind::LeftParen
    })
}

fn alone(statement: &Statement, text: &str, options: Options) -> Option<String> {
    let Kind::Query(query) = &statement.kind else {
        return None;
    };
    let SetExpr::Select(select) = &query.body else {
        return None;
    };
    let [SelectItem::Expr { expr, alias }] = &select.items[..] else {
        return None;
    };
    // Nothing stands beside it that could ask for anything else.
    let tokens: Vec<_> = Lexer::new(text, options)
        .significant()
        .filter(|token| token.kind != TokenKind::Semicolon)
        .collect();
    let plain = match (tokens.len(), alias) {
        (6, None) | (7, Some(_)) => true,
        (8, Some(_)) => tokens[6].span.of(text).eq_ignore_ascii_case("as"),
        _ => false,
    };
    (plain && is_next_id(expr)).then(|| alias.clone().unwrap_or_else(|| "next_id".to_owned()))
}

fn is_next_id(e: &Expr) -> bool {
    matches!(&e.kind, ExprKind::Call(call) if named(call) && call.args.is_empty())
}

fn named(call: &Call) -> bool {
    call.name.schema.as_deref() == Some("shunt") && call.name.name == "next_id"
}

/// Where calls stand, in order, and whether each is a column that needs its name.
fn calls(statement: &Statement) -> Result<Vec<(Span, bool)>, &'static str> {
    let statement = match &statement.kind {
        Kind::Explain(explain) => &explain.statement,
        _ => statement,
    };
    let mut all = 0;
    walk::statement(statement, &mut |node| {
        if let Visited::Expr(e) = node {
            all += usize::from(is_next_id(e));
        }
    });
    let mut found: Vec<(Span, bool)> = Vec::new();
    let mut inside = |e: &Expr, column: bool| {
        if is_next_id(e) {
            found.push((e.span, column));
        } else {
            walk::within(e, &mut |part| {
                if is_next_id(part) {
                    found.push((part.span, false));
                }
            });
        }
    };
    let body = match &statement.kind {
        Kind::Insert(i) => match &i.source {
            InsertSource::Values(v) => {
                v.rows.iter().flatten().for_each(|e| inside(e, false));
                None
            }
            InsertSource::Query(q) => Some(&q.body),
            InsertSource::DefaultValues => None,
        },
        Kind::Query(q) => Some(&q.body),
        _ => None,
    };
    if let Some(SetExpr::Select(s)) = body
        && s.from.is_empty()
    {
        for item in &s.items {
            if let SelectItem::Expr { expr, alias } = item {
                inside(expr, alias.is_none());
            }
        }
    }
    let others = matches!(body, Some(SetExpr::Select(s)) if s.items.iter().any(calls_another));
    if others && !found.is_empty() {
        return Err(NOT_ONE_ROW);
    }
    found.sort_by_key(|(span, _)| span.start);
    if found.len() != all || found.iter().any(|(span, _)| span.is_empty()) {
        return Err(NOT_ONE_ROW);
    }
    Ok(found)
}

/// Whether a column calls another function: it may give several rows.
fn calls_another(item: &SelectItem) -> bool {
    let another = |kind: &ExprKind| matches!(kind, ExprKind::Call(call) if !named(call));
    match item {
        SelectItem::Expr { expr, .. } => walk::any(expr, &mut |kind| another(kind)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_in(text: &str) -> Result<Option<String>, &'static str> {
        put(text, Options::default(), &mut |n| (n + 7).to_string())
    }

    #[test]
    fn numbers_ascend_whatever_the_clock_does() {
        let mut last = 0;
        let mut before = 0;
        for now in [EPOCH_MS + 5, EPOCH_MS + 5, EPOCH_MS + 3, EPOCH_MS + 6, 0] {
            for _ in 0..5000 {
                last = advance(last, now);
                let id = number(last, Node(3), false);
                assert!(id > before, "{id} after {before}");
                before = id;
            }
        }
        let of = |node, turn| number(last, Node(node), turn);
        assert_ne!(of(3, false), of(4, false));
        assert_ne!(of(3, false), of(3, true));
        assert!(of(3, true) < number(last + 1, Node(3), false));
        assert!(number(u64::MAX >> 11, Node(MAX_NODE), true) > 0);
    }

    #[test]
    fn calls_become_numbers() {
        assert_eq!(
            put_in("SELECT shunt.next_id()").unwrap().as_deref(),
            Some("SELECT 7 AS next_id")
        );
        assert_eq!(
            put_in("select shunt.next_id() as a, SHUNT.NEXT_ID() + 1; select 'shunt.next_id()'")
                .unwrap()
                .as_deref(),
            Some("select 7 as a, 8 + 1; select 'shunt.next_id()'")
        );
        assert_eq!(
            put_in("INSERT INTO t (id, x) VALUES (shunt.next_id(), 'a'), (shunt.next_id(), 'b') RETURNING id")
                .unwrap()
                .as_deref(),
            Some("INSERT INTO t (id, x) VALUES (7, 'a'), (8, 'b') RETURNING id")
        );
        assert_eq!(put_in("SELECT next_id()").unwrap(), None);
        assert_eq!(put_in("SELECT 1").unwrap(), None);
    }

    #[test]
    fn a_statement_is_looked_through() {
        let look = |text: &str| {
            let read = parse(text, &parse::Options::default());
            look(&read, text, Options::default())
        };
        assert_eq!(
            look("SELECT shunt.next_id()"),
            Calls::Alone("next_id".into())
        );
        assert_eq!(
            look("select shunt.next_id() as a"),
            Calls::Alone("a".into())
        );
        assert_eq!(look("SELECT shunt.next_id() LIMIT 0"), Calls::Some);
        assert_eq!(look("SELECT shunt.next_id() + 1"), Calls::Some);
        assert_eq!(
            look("EXPLAIN INSERT INTO t VALUES (shunt.next_id())"),
            Calls::Some
        );
        assert_eq!(look("SELECT next_id FROM t"), Calls::None);
        assert_eq!(look("SELECT 'shunt.next_id()'"), Calls::None);
        assert_eq!(
            look("CREATE TABLE t (id bigint DEFAULT shunt.next_id())"),
            Calls::Elsewhere
        );
        assert_eq!(
            look("COPY (SELECT shunt.next_id()) TO STDOUT"),
            Calls::Elsewhere
        );
    }

    #[test]
    fn a_call_for_several_rows_is_refused() {
        for text in [
            "INSERT INTO t SELECT shunt.next_id(), x FROM u",
            "UPDATE t SET a = shunt.next_id()",
            "SELECT 1 FROM t WHERE id = shunt.next_id()",
            "SELECT (SELECT shunt.next_id() FROM t)",
            "SELECT shunt.next_id(), generate_series(1, 3)",
            "PREPARE q AS SELECT shunt.next_id()",
        ] {
            assert_eq!(put_in(text), Err(NOT_ONE_ROW), "{text}");
        }
    }
}
