//! Where the parts of an `INSERT` stand in its text.

use crate::id::Span;
use crate::plan::words::{Word, words};
use crate::sql::lexer::Options;
use crate::sql::statement::Insert;

/// The parts.
pub(super) struct Pieces<'t> {
    /// What stands in front of `INSERT`: a WITH clause.
    pub(super) with: Span,
    /// The target, with its alias.
    pub(super) target: &'t str,
    /// `OVERRIDING …`.
    pub(super) overriding: &'t str,
    /// The rows: `VALUES …`, a query, `DEFAULT VALUES`.
    pub(super) source: Span,
    /// `ON CONFLICT …` and `RETURNING …`.
    pub(super) tail: &'t str,
}

/// Finds them. `None` when the text is not what the tree says.
pub(super) fn pieces<'t>(i: &Insert, text: &'t str, options: Options) -> Option<Pieces<'t>> {
    if i.target.span.is_empty() {
        return None;
    }
    let mut words = words(text, options);
    while words.last().is_some_and(|w| w.is(";")) {
        words.pop();
    }
    let at = words
        .iter()
        .position(|w| w.span.start == i.target.span.start)?;
    let insert = words[..at].iter().rposition(|w| w.is("insert"))?;
    let mut next = at;
    while words
        .get(next)
        .is_some_and(|w| w.span.end <= i.target.span.end)
    {
        next += 1;
    }
    if words.get(next)?.is("as") {
        next += 2;
    }
    let head_end = words.get(next.checked_sub(1)?)?.span.end;
    if !i.columns.is_empty() {
        if !words.get(next)?.is("(") {
            return None;
        }
        next = close(&words, next)? + 1;
    }
    let mut overriding = "";
    if words.get(next)?.is("overriding") {
        let (from, to) = (words[next].span.start, words.get(next + 2)?.span.end);
        overriding = &text[from as usize..to as usize];
        next += 3;
    }
    let start = words.get(next)?.span.start;
    let mut tail = words.len();
    if !i.returning.is_empty() {
        tail = words
            .iter()
            .rposition(|w| w.depth == 0 && w.is("returning"))?;
    }
    if i.on_conflict.is_some() {
        tail = words
            .windows(2)
            .rposition(|w| w[0].depth == 0 && w[0].is("on") && w[1].is("conflict"))?;
    }
    let end = words.get(tail.checked_sub(1)?)?.span.end;
    let over = words.last()?.span.end;
    (start < end).then(|| Pieces {
        with: Span::new(
            before_with(&words[..insert]).unwrap_or(words[insert].span.start) as usize,
            words[insert].span.start as usize,
        ),
        target: &text[i.target.span.start as usize..head_end as usize],
        overriding,
        source: Span { start, end },
        tail: &text[end as usize..over as usize],
    })
}

fn close(words: &[Word], open: usize) -> Option<usize> {
    let depth = words[open].depth;
    words[open + 1..]
        .iter()
        .position(|w| w.depth == depth && w.is(")"))
        .map(|n| open + 1 + n)
}

/// Where the WITH clause begins, with the comments before it: not with an EXPLAIN that shows the statement's plan.
/// `None`: there is neither.
fn before_with(words: &[Word]) -> Option<u32> {
    match words.first() {
        Some(first) if first.is("explain") => {
            let with = words.iter().find(|w| w.depth == 0 && w.is("with"));
            with.map(|with| with.span.start)
        }
        _ => Some(0),
    }
}
