//! Lists of only constants and parameters, read ahead: either the whole list is one, or nothing happens.

use super::super::lexer::{Keyword, Lexer, StringKind, Token, TokenKind, param_number};
use super::{Group, GroupKind, LIST, ROWS, Shape, Slot, SlotKind};
use crate::id::Span;

const NULL: Keyword = Keyword::of("null");
const TRUE: Keyword = Keyword::of("true");
const FALSE: Keyword = Keyword::of("false");

/// Always set in a byte of kinds, so that it is never a marker or ASCII.
const KINDS: u8 = 0x80;

/// Reads `( … )` after `IN`. The lexer moves on only when it is a list.
pub(super) fn list(text: &[u8], lexer: &mut Lexer<'_>, shape: &mut Shape) -> bool {
    let first = shape.slots.len();
    let mut ahead = lexer.clone();
    let mut kinds = KINDS;
    let span = row(text, &mut ahead, &mut shape.slots, |_, kind| {
        kinds |= kind.bit();
        true
    });
    let Some(span) = span else {
        shape.slots.truncate(first);
        return false;
    };
    *lexer = ahead;
    shape.bytes.extend_from_slice(&[LIST, kinds]);
    shape.groups.push(Group {
        kind: GroupKind::In,
        first: first as u32,
        columns: 1,
        rows: (shape.slots.len() - first) as u32,
        span,
        first_row: shape.row_spans.len() as u32,
    });
    true
}

/// Reads `( … ), ( … ) …` after `VALUES`. The lexer moves on only when every row is one of constants
/// and all are of one length.
pub(super) fn rows(text: &[u8], lexer: &mut Lexer<'_>, shape: &mut Shape) -> bool {
    let (first, first_row) = (shape.slots.len(), shape.row_spans.len());
    let bytes = shape.bytes.len();
    match try_rows(text, lexer, shape) {
        Some((after, columns)) => {
            *lexer = after;
            let rows = &shape.row_spans[first_row..];
            shape.groups.push(Group {
                kind: GroupKind::Values,
                first: first as u32,
                columns: u32::from(columns),
                rows: rows.len() as u32,
                span: Span {
                    start: rows[0].start,
                    end: rows[rows.len() - 1].end,
                },
                first_row: first_row as u32,
            });
            true
        }
        None => {
            shape.slots.truncate(first);
            shape.row_spans.truncate(first_row);
            shape.bytes.truncate(bytes);
            false
        }
    }
}

/// The lexer after the last row, and the number of columns.
fn try_rows<'a>(text: &[u8], lexer: &Lexer<'a>, shape: &mut Shape) -> Option<(Lexer<'a>, u16)> {
    let Shape {
        bytes,
        slots,
        row_spans,
        ..
    } = shape;
    let mut ahead = lexer.clone();
    bytes.extend_from_slice(&[ROWS, 0, 0]);
    let kinds = bytes.len();
    let before = slots.len();
    row_spans.push(row(text, &mut ahead, slots, |_, kind| {
        bytes.push(KINDS | kind.bit());
        true
    })?);
    let columns = slots.len() - before;
    let number = u16::try_from(columns).ok()?;
    bytes[kinds - 2..kinds].copy_from_slice(&number.to_le_bytes());
    loop {
        let after = ahead.clone();
        match ahead.next_significant() {
            Some(token) if token.kind == TokenKind::Comma => {}
            _ => return Some((after, number)),
        }
        let before = slots.len();
        row_spans.push(row(text, &mut ahead, slots, |column, kind| {
            let known = column < columns;
            if known {
                bytes[kinds + column] |= kind.bit();
            }
            known
        })?);
        if slots.len() - before != columns {
            return None;
        }
    }
}

/// Reads `(`, constants with commas between, `)`; its span. `each` is told every column and kind,
/// and may end the attempt.
fn row(
    text: &[u8],
    lexer: &mut Lexer<'_>,
    slots: &mut Vec<Slot>,
    mut each: impl FnMut(usize, SlotKind) -> bool,
) -> Option<Span> {
    let open = lexer.next_significant()?;
    if open.kind != TokenKind::LeftParen {
        return None;
    }
    let mut column = 0;
    loop {
        let mut token = lexer.next_significant()?;
        let negative = token.kind == TokenKind::Minus;
        if negative {
            token = lexer.next_significant()?;
        }
        let kind = constant(text, token)?;
        if negative && !matches!(kind, SlotKind::Integer | SlotKind::Numeric) {
            return None;
        }
        if !each(column, kind) {
            return None;
        }
        slots.push(Slot {
            span: token.span,
            kind,
            negative,
        });
        column += 1;
        let token = lexer.next_significant()?;
        match token.kind {
            TokenKind::Comma => {}
            TokenKind::RightParen => {
                return Some(Span {
                    start: open.span.start,
                    end: token.span.end,
                });
            }
            _ => return None,
        }
    }
}

#[inline]
fn constant(text: &[u8], token: Token) -> Option<SlotKind> {
    Some(match token.kind {
        TokenKind::Integer => SlotKind::Integer,
        TokenKind::Numeric => SlotKind::Numeric,
        // `UESCAPE` may follow.
        TokenKind::String(StringKind::Unicode) => return None,
        TokenKind::String(kind) => SlotKind::String(kind),
        TokenKind::BinaryBits | TokenKind::HexBits => SlotKind::Bits,
        TokenKind::Param => SlotKind::Param(param_number(token.bytes(text))?),
        TokenKind::Ident => match Keyword::lookup(token.bytes(text))? {
            NULL => SlotKind::Null,
            TRUE => SlotKind::Bool(true),
            FALSE => SlotKind::Bool(false),
            _ => return None,
        },
        _ => return None,
    })
}
