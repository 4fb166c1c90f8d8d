//! `SET column[subscript] = …` and `SET column.field = …`, which the parser crate does not read.
//!
//! The crate gets the column's name alone. What stands behind it are constants and names: nothing in them decides where a
//! statement goes, and the text that servers get is the client's own.

use super::token::{Tokens, What};
use crate::sql::statement::LiteralKind;

/// Where the `=` is behind a column's name at `at` and the part of it that is assigned.
pub(super) fn end(tokens: &Tokens<'_>, at: usize) -> Option<usize> {
    let mut next = at + 1;
    loop {
        if tokens.is_sym(next, "[") {
            let close = tokens.close(next)?;
            let constant = (next + 1..close).all(|inside| is_subscript(tokens, inside));
            if !constant || close == next + 1 {
                return None;
            }
            next = close + 1;
        } else if tokens.is_sym(next, ".") && tokens.is_name(next + 1) {
            next += 2;
        } else {
            break;
        }
    }
    let equals = tokens.what(next) == Some(What::Op) && tokens.text(next) == "=";
    (equals && next > at + 1).then_some(next)
}

fn is_subscript(tokens: &Tokens<'_>, at: usize) -> bool {
    match tokens.what(at) {
        Some(What::Literal(kind)) => matches!(kind, LiteralKind::Integer | LiteralKind::String),
        Some(What::Op) => tokens.text(at) == "-",
        _ => tokens.is_sym(at, ":"),
    }
}
