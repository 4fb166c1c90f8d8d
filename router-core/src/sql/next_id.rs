//! `shunt.next_id()`: a number that the router makes, put into the text before anybody else reads it.
//!
//! A number has 63 bits: 41 of milliseconds since the beginning of 2020 (until 2089), 10 that tell routers apart, 12 that
//! count within a millisecond. So numbers of one router ascend, those of all routers ascend as far as their clocks agree,
//! and no two are equal as long as each router has its own [`Node`] and its clock is not set back across a restart.

use super::lexer::Options;
use super::statement::{Call, Expr, ExprKind, InsertSource, Kind, SelectItem, SetExpr, Statement};
use super::walk::{self, Node as Visited};
use super::{parse, split};
use crate::id::Span;

/// Milliseconds from 1970 to 2020.
const EPOCH_MS: u64 = 1_577_836_800_000;
const COUNTER_BITS: u32 = 12;
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

/// The number of a time and count.
pub fn number(at: u64, node: Node) -> i64 {
    let (ms, count) = (at >> COUNTER_BITS, at & ((1 << COUNTER_BITS) - 1));
    let node = u64::from(node.0 & MAX_NODE);
    let bits = (ms << (NODE_BITS + COUNTER_BITS)) | (node << COUNTER_BITS) | count;
    (bits & (i64::MAX as u64)) as i64
}

/// Why numbers cannot be put into a text: a sentence.
pub const NOT_ONE_ROW: &str = "\"shunt.next_id\" gives one number per call: it may stand in the rows of INSERT … VALUES and in a SELECT without FROM.";

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

fn is_next_id(e: &Expr) -> bool {
    matches!(&e.kind, ExprKind::Call(call) if named(call) && call.args.is_empty())
}

fn named(call: &Call) -> bool {
    call.name.schema.as_deref() == Some("shunt") && call.name.name == "next_id"
}

/// Where calls stand, in order, and whether each is a column that needs its name.
fn calls(statement: &Statement) -> Result<Vec<(Span, bool)>, &'static str> {
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
    found.sort_by_key(|(span, _)| span.start);
    if found.len() != all || found.iter().any(|(span, _)| span.is_empty()) {
        return Err(NOT_ONE_ROW);
    }
    Ok(found)
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
                let id = number(last, Node(3));
                assert!(id > before, "{id} after {before}");
                before = id;
            }
        }
        assert_ne!(number(last, Node(3)), number(last, Node(4)));
        assert!(number(u64::MAX >> 11, Node(MAX_NODE)) > 0);
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
    fn a_call_for_several_rows_is_refused() {
        for text in [
            "INSERT INTO t SELECT shunt.next_id(), x FROM u",
            "UPDATE t SET a = shunt.next_id()",
            "SELECT 1 FROM t WHERE id = shunt.next_id()",
            "SELECT (SELECT shunt.next_id() FROM t)",
        ] {
            assert_eq!(put_in(text), Err(NOT_ONE_ROW), "{text}");
        }
    }
}
