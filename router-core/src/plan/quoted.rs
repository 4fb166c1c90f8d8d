//! Whether an error would say what a statement's literals are.
//!
//! Plans are kept by shape, and all statements that differ only in their literals share one. An error that quotes a
//! literal is another's for each of them: kept by shape, it would tell one client what another one has said.

use super::Refusal;
use crate::sql::lexer::StringKind;
use crate::sql::shape::{Slot, SlotKind};

/// So many literals are not looked at one by one.
const LOOKED_AT: usize = 256;

/// Longer ones an error may cut.
const CUT: usize = 40;

/// Whether `refusal` may quote one of the literals of `text`, in whatever spelling. Errs on the side of saying so: the refusal
/// of a text that is planned again costs time, no more.
pub(super) fn quotes(refusal: &Refusal, text: &str, slots: &[Slot]) -> bool {
    slots.len() > LOOKED_AT
        || slots.iter().any(|slot| match spelled(slot, text) {
            Spelled::Nowhere => false,
            Spelled::So(words) => [&refusal.message, &refusal.detail, &refusal.hint]
                .into_iter()
                .any(|said| said.contains(words)),
            Spelled::Somehow => true,
        })
}

/// How an error would spell a literal.
enum Spelled<'t> {
    /// It says nothing that another statement of the shape does not.
    Nowhere,
    /// With these characters in it.
    So(&'t str),
    /// Not as the statement does, perhaps.
    Somehow,
}

fn spelled<'t>(slot: &Slot, text: &'t str) -> Spelled<'t> {
    let token = slot.span.of(text);
    let words = match slot.kind {
        SlotKind::Null | SlotKind::Bool(_) | SlotKind::Param(_) => return Spelled::Nowhere,
        SlotKind::Integer => token.trim_start_matches('0'),
        SlotKind::String(StringKind::Plain) => token.trim_matches('\''),
        // Digits may move with an exponent, and escapes be read.
        SlotKind::Numeric | SlotKind::String(_) | SlotKind::Bits => return Spelled::Somehow,
    };
    if words.is_empty() || words.len() > CUT || !words.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Spelled::Somehow;
    }
    Spelled::So(words)
}
