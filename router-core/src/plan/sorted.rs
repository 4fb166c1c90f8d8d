//! Tier 2: a block whose answers could be put one after the other, but for its `ORDER BY`, `LIMIT` and `OFFSET`.
//!
//! Each shard gets the statement with its sort keys as hidden columns at the end, sorted as the client asked, and cut off
//! where no later row can count. Who merges takes the least row of all shards each time, by the hidden columns.
//!
//! Proof: without the three clauses, and with the hidden columns, the block is apart (`spread`), so the rows of one
//! server are those of all shards. Each shard's rows come sorted by the keys; taking the least of all first gives all
//! of them sorted by the keys, which is all that `ORDER BY` says. Of the first n + m rows (`LIMIT` n `OFFSET` m) of
//! that order, those of one shard are among its own first n + m, since every row that precedes one of them on its
//! shard precedes it among all. With ties: a row equal to the last one counted that is not among its shard's first
//! n + m with their ties comes after n + m lesser rows of its shard, and so could not be equal to the last.

use super::infer;
use super::outputs::{Output, named, outputs};
use super::reading::Reading;
use super::splice::{Splice, is_word, quoted, tokens};
use super::spread::{self, Spread};
use super::walk::{self, Met};
use super::{Answer, Merge, On, Program, SortColumn, Sorted, Targets, ValueSource};
use crate::id::Span;
use crate::sql::Statement;
use crate::sql::lexer::TokenKind;
use crate::sql::statement::{
    Distinct, Expr, ExprKind, LiteralKind, Lock, OrderItem, Query, Select, SelectItem, SetExpr,
};

/// What hidden columns are called; a text that has the word is not merged.
const HIDDEN: &str = "shunt_key_";

/// The program, when the proof holds and the order of every key is known.
pub(super) fn plan(reading: &Reading<'_>, statement: &Statement, q: &Query) -> Option<Program> {
    let SetExpr::Select(s) = &q.body else {
        return None;
    };
    let cut = q.limit.is_some() || q.offset.is_some();
    let fits = (cut || !q.order_by.is_empty())
        && s.into.is_none()
        && !matches!(s.distinct, Distinct::On(_))
        && !s.items.is_empty()
        && !s.items_span.is_empty()
        && !statement.span.is_empty()
        && (!cut || q.locks.iter().all(waits))
        && !reading.text.contains(HIDDEN);
    if !fits {
        return None;
    }
    let list = outputs(reading, s);
    let keys: Vec<Key> = q
        .order_by
        .iter()
        .map(|item| key(reading, s, &list, item))
        .collect::<Option<_>>()?;
    let limits = Limits::of(reading, q)?;

    // What each shard is asked, as a tree: that is what has to be apart.
    let mut plain = q.clone();
    plain.order_by.clear();
    (plain.limit, plain.offset, plain.with_ties) = (None, None, false);
    if let SetExpr::Select(block) = &mut plain.body {
        block.items.extend(keys.iter().map(|k| SelectItem::Expr {
            expr: k.expr.clone(),
            alias: None,
        }));
    }
    if !matches!(spread::query(reading, &plain), Ok(Spread::Apart(_))) {
        return None;
    }

    let mut splice = Splice::default();
    for (i, key) in keys.iter().enumerate() {
        splice.insert(
            s.items_span.end,
            format!(", ({}) AS {HIDDEN}{}", key.text, i + 1),
        );
    }
    if cut {
        let tail = Span {
            start: s.span.end,
            end: statement.span.end,
        };
        let cut = Span {
            start: cut_at(reading, tail)?,
            end: tail.end,
        };
        let mut text = limits.text();
        // A locking clause may stand on either side.
        for lock in &q.locks {
            if cut.of(reading.text).contains(&lock.text) {
                text.push(' ');
                text.push_str(&lock.text);
            }
        }
        splice.replace(cut, text);
    }
    let targets = reading.all_targets();
    reading.exact.set(true);
    Some(Program {
        unless: (targets != Targets::All).then(|| targets.clone()),
        steps: Vec::new(),
        answer: Answer::Merged {
            on: On::Targets(targets),
            text: splice
                .apply(reading.text, statement.span)?
                .trim_end()
                .to_owned(),
            merge: Merge::Sorted(Box::new(Sorted {
                keys: keys.iter().map(|k| k.column).collect(),
                offset: limits.offset.map(|e| e.source),
                limit: limits.limit.map(|e| e.source),
                with_ties: q.with_ties,
            })),
        },
        temporary: Vec::new(),
        writes: false,
    })
}

/// Whether a locking clause waits for rows that others have locked.
///
/// Each shard locks as many rows as may count, of which those beyond the limit are not given: more locks, as PostgreSQL
/// holds on rows that OFFSET leaves out, but the same answer. A clause that skips locked rows, or fails on them, would
/// find such rows, and answer otherwise for their sake.
fn waits(lock: &Lock) -> bool {
    let text = lock.text.to_ascii_lowercase();
    !text.contains("skip") && !text.contains("nowait")
}

// === Keys ===

struct Key {
    /// As it is written in the select list.
    text: String,
    expr: Expr,
    column: SortColumn,
}

/// What an item of `ORDER BY` means, by PostgreSQL's rules (`findTargetlistEntrySQL92`): a number is a column of the
/// result, a bare name is one too if there is one of that name, anything else is an expression over the columns of `FROM`.
fn key(
    reading: &Reading<'_>,
    s: &Select,
    (list, whole): &(Vec<Output<'_>>, bool),
    item: &OrderItem,
) -> Option<Key> {
    let output = match &item.expr.kind {
        ExprKind::Literal(LiteralKind::Integer) => {
            let digits = item.expr.span.of(reading.text);
            let n: usize = digits.trim_matches(['(', ')', ' ']).parse().ok()?;
            Some(list.get(n.checked_sub(1)?)?)
        }
        ExprKind::Column { qualifier, name } if qualifier.is_empty() => {
            // `SELECT * FROM one_item`: a name of the result is the same name of that item.
            let star = matches!(&s.items[..], [SelectItem::Wildcard { .. }]) && s.from.len() == 1;
            if !whole && !star {
                return None;
            }
            let same = named(list, name)?;
            let first = same.first().copied();
            let one =
                first.is_none_or(|f| same.iter().all(|o| alike(&o.value.expr(), &f.value.expr())));
            if !one {
                return None;
            }
            first
        }
        _ => None,
    };
    let expr = output.map_or_else(|| item.expr.clone(), |o| o.value.expr());
    // PostgreSQL sorts a DISTINCT result by its columns only, and says so.
    if s.distinct == Distinct::Yes
        && output.is_none()
        && !list.iter().any(|o| alike(&o.value.expr(), &expr))
    {
        return None;
    }
    if has_params(&expr) {
        return None;
    }
    let found = infer::expr(reading, s, &expr).filter(|t| t.is_ordered())?;
    Some(Key {
        text: written(reading, &expr)?,
        expr,
        column: SortColumn {
            descending: item.descending,
            nulls_first: item.nulls_first,
            bytewise: found.bytewise,
        },
    })
}

fn written(reading: &Reading<'_>, e: &Expr) -> Option<String> {
    if !e.span.is_empty() {
        return Some(e.span.of(reading.text).to_owned());
    }
    match &e.kind {
        ExprKind::Column { qualifier, name } => {
            let parts: Vec<String> = qualifier.iter().chain([name]).map(|p| quoted(p)).collect();
            Some(parts.join("."))
        }
        _ => None,
    }
}

/// Whether two expressions are certainly the same: plain columns by the same name.
fn alike(a: &Expr, b: &Expr) -> bool {
    match (&a.kind, &b.kind) {
        (ExprKind::Column { .. }, ExprKind::Column { .. }) => a.kind == b.kind,
        _ => a.span == b.span && !a.span.is_empty(),
    }
}

/// A parameter that stands in the text once more might be taken to be of another type.
fn has_params(e: &Expr) -> bool {
    let mut found = false;
    walk::expr(e, &mut |met| {
        if let Met::Expr(e) = met {
            found |= matches!(e.kind, ExprKind::Param(_));
        }
    });
    found
}

// === LIMIT and OFFSET ===

struct Limits {
    limit: Option<Count>,
    offset: Option<Count>,
    ties: bool,
}

/// A number of rows.
struct Count {
    source: ValueSource,
    /// As a `bigint`, which is what PostgreSQL makes of it.
    text: String,
    /// When it is a plain number.
    number: Option<i64>,
}

impl Limits {
    fn of(reading: &Reading<'_>, q: &Query) -> Option<Self> {
        let count = |e: &Option<Expr>| match e {
            None => Some(None),
            Some(e) => Count::of(reading, e).map(Some),
        };
        Some(Self {
            limit: count(&q.limit)?,
            offset: count(&q.offset)?,
            ties: q.with_ties,
        })
    }

    /// The clause for each shard: as many rows as may count, none left out. A negative number is an error there as it
    /// would be on one server, where OFFSET is looked at first.
    fn text(&self) -> String {
        let rows = |n: &str| match self.ties {
            true => format!("FETCH FIRST ({n}) ROWS WITH TIES"),
            false => format!("LIMIT {n}"),
        };
        let check = |o: &Count| match o.number {
            Some(0..) => String::new(),
            _ => format!(" OFFSET least({}, 0)", o.text),
        };
        match (&self.limit, &self.offset) {
            (None, None) => String::new(),
            (Some(l), None) => rows(&l.text),
            (None, Some(o)) => check(o).trim_start().to_owned(),
            (Some(l), Some(o)) => {
                let sum = match (l.number, o.number) {
                    (Some(l @ 0..), Some(o @ 0..)) => l.saturating_add(o).to_string(),
                    _ => format!(
                        "CASE WHEN {l} < 0 THEN {l} ELSE least({l}, {max} - greatest({o}, 0)) + greatest({o}, 0) END",
                        l = l.text,
                        o = o.text,
                        max = i64::MAX
                    ),
                };
                format!("{}{}", rows(&sum), check(o))
            }
        }
    }
}

impl Count {
    fn of(reading: &Reading<'_>, e: &Expr) -> Option<Self> {
        let written = e.span.of(reading.text);
        if let ExprKind::Literal(LiteralKind::Integer) = e.kind {
            // `FETCH FIRST ROW ONLY` says one without writing it.
            let written = if e.span.is_empty() { "1" } else { written };
            let n: i64 = written.trim_matches(['(', ')', ' ']).parse().ok()?;
            return Some(Self {
                source: ValueSource::Integer(n),
                text: n.to_string(),
                number: Some(n),
            });
        }
        Some(Self {
            source: constant(reading, e)?,
            text: format!("CAST({written} AS bigint)"),
            number: None,
        })
        .filter(|c| !written.is_empty() && c.text.len() > "CAST( AS bigint)".len())
    }
}

/// Numbers of these clauses belong to the shape, so that their literals are read here.
fn constant(reading: &Reading<'_>, e: &Expr) -> Option<ValueSource> {
    let inner = |e: &Expr| constant(reading, e).map(Box::new);
    Some(match &e.kind {
        ExprKind::Literal(LiteralKind::Null) => ValueSource::Null,
        ExprKind::Literal(LiteralKind::Integer) => {
            let digits = e.span.of(reading.text);
            ValueSource::Integer(digits.trim_matches(['(', ')', ' ']).parse().ok()?)
        }
        ExprKind::Param(_) => reading.constants.source(e)?,
        ExprKind::Unary { op, expr } if op == "-" => ValueSource::Negate(inner(expr)?),
        ExprKind::Unary { op, expr } if op == "+" => return constant(reading, expr),
        ExprKind::Binary { op, left, right } => {
            let op = match op.as_str() {
                "+" => '+',
                "-" => '-',
                "*" => '*',
                _ => return None,
            };
            ValueSource::Arithmetic(op, inner(left)?, inner(right)?)
        }
        ExprKind::Cast {
            expr,
            to,
            modifiers: false,
        } => ValueSource::Cast(inner(expr)?, to.clone()),
        _ => return None,
    })
}

/// Where `LIMIT`, `OFFSET` or `FETCH` begins, whichever comes first, in what follows a block. All three are reserved words.
fn cut_at(reading: &Reading<'_>, tail: Span) -> Option<u32> {
    let (mut depth, mut after_dot) = (0usize, false);
    for token in tokens(reading.text, tail, reading.options) {
        match token.kind {
            TokenKind::LeftParen | TokenKind::LeftBracket => depth += 1,
            TokenKind::RightParen | TokenKind::RightBracket => depth = depth.checked_sub(1)?,
            TokenKind::Ident
                if depth == 0
                    && !after_dot
                    && ["limit", "offset", "fetch"]
                        .iter()
                        .any(|w| is_word(reading.text, &token, w)) =>
            {
                return Some(token.span.start);
            }
            _ => {}
        }
        after_dot = token.kind == TokenKind::Dot;
    }
    None
}
