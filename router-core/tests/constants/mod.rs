//! Statements of one shape.

use router_core::sql::lexer::StringKind;
use router_core::sql::shape::{Shape, SlotKind};

/// The statement with other digits and letters in its constants, where they are not part of its shape.
pub(crate) fn with_other_constants(statement: &str) -> String {
    let mut shape = Shape::new();
    let _ = shape.read(statement, Default::default());
    let mut other = statement.as_bytes().to_vec();
    for slot in shape.slots() {
        if !matches!(
            slot.kind,
            SlotKind::Integer | SlotKind::String(StringKind::Plain)
        ) {
            continue;
        }
        for byte in &mut other[slot.span.start as usize..slot.span.end as usize] {
            *byte = match *byte {
                b'9' => b'1',
                b'0'..=b'8' | b'a'..=b'y' | b'A'..=b'Y' => *byte + 1,
                same => same,
            };
        }
    }
    String::from_utf8(other).expect("ASCII took the place of ASCII")
}
