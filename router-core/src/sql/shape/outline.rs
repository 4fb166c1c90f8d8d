//! The outline of a text: its plain constants out, without cutting the text into tokens.
//!
//! One pass over the bytes puts a mark in the place of each integer and each plain string that stands
//! alone, and leaves everything else as it is. Two texts with equal outlines have the same tokens but
//! for the values of those constants. So where a [`Shape`](super::Shape) has as slots just the constants of the outline, it
//! is the shape of every text with that outline, with slots in the same places, and need not be
//! read again. An outline takes a small part of the time that a shape takes.
//!
//! A text has no outline where that would not hold, or would be hard to see: with comments, dollar signs, semicolons
//! (of which a caller may have to know), strings that have a prefix or are continued, and control characters, one of
//! which is the mark.

use memchr::memchr;

use super::{INTEGER, STRING, Slot, SlotKind};
use crate::id::Span;
use crate::sql::lexer::{Options, StringKind, continuation};
use crate::sql::limits::MAX_LENGTH;

/// Copied as they are, whatever is around them: no constant begins or ends there.
const PLAIN: u8 = 0;
/// Letters and `_`, which begin names; bytes above 127 as well.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
/// Bytes that have to be looked at.
const OTHER: u8 = 4;

/// So many bytes are looked at together while they are all plain or letters, as most of a text is.
const STRIDE: usize = 16;

static CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        let c = byte as u8;
        classes[byte] = match c {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => LETTER,
            b'0'..=b'9' => DIGIT,
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => PLAIN,
            b'(' | b')' | b'[' | b']' | b',' | b':' | b'.' => PLAIN,
            b'+' | b'*' | b'<' | b'>' | b'=' | b'~' | b'!' | b'@' => PLAIN,
            b'#' | b'%' | b'^' | b'&' | b'|' | b'`' | b'?' => PLAIN,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};

/// Whether a byte may be of another class than plain and letter. Comparisons without a branch among them: the compiler
/// makes a few instructions of them for all bytes of a stride.
const fn may_matter(byte: u8) -> bool {
    // Digits and `/`; control characters, with white space among them.
    (byte.wrapping_sub(b'/') <= 10)
        | (byte < b' ')
        | (byte == b'"')
        | (byte == b'$')
        | (byte == b'\'')
        | (byte == b'-')
        | (byte == b';')
        | (byte == b'\\')
        | (byte == b'{')
        | (byte == b'}')
        | (byte == 0x7f)
}

const _: () = {
    let mut byte = 0;
    while byte < 256 {
        let class = CLASSES[byte];
        assert!(class == PLAIN || class == LETTER || may_matter(byte as u8));
        byte += 1;
    }
};

/// Appends the outline of `text` to `out` and its constants to `slots`. `false`: it has none, and
/// what was appended means nothing.
pub fn write(text: &[u8], options: Options, out: &mut Vec<u8>, slots: &mut Vec<Slot>) -> bool {
    if text.len() > MAX_LENGTH {
        return false;
    }
    let class = |at: usize| text.get(at).map_or(PLAIN, |byte| CLASSES[*byte as usize]);
    // From here to `at` nothing is taken out.
    let mut run = 0;
    let mut at = 0;
    // Where a name ended that ends with a digit.
    let mut name_end = usize::MAX;
    loop {
        while let Some(bytes) = text[at..].first_chunk::<STRIDE>()
            && !bytes
                .iter()
                .fold(false, |any, byte| any | may_matter(*byte))
        {
            at += STRIDE;
        }
        let stride = &text[at..text.len().min(at + STRIDE)];
        let matters = |byte: &u8| CLASSES[*byte as usize] & (DIGIT | OTHER) != 0;
        let Some(plain) = stride.iter().position(matters) else {
            at += stride.len();
            if at == text.len() {
                break;
            }
            continue;
        };
        at += plain;
        let byte = text[at];
        match CLASSES[byte as usize] {
            DIGIT => {
                let start = at;
                while class(at) == DIGIT {
                    at += 1;
                }
                let before = start.checked_sub(1).map_or(b' ', |before| text[before]);
                if CLASSES[before as usize] == LETTER {
                    name_end = at;
                    continue;
                }
                // Part of a number with a point or an exponent, or of something that is no number.
                let alone = before != b'.' && class(at) != LETTER && text.get(at) != Some(&b'.');
                if alone {
                    out.extend_from_slice(&text[run..start]);
                    out.push(INTEGER);
                    run = at;
                    slots.push(Slot {
                        span: Span::new(start, at),
                        kind: SlotKind::Integer,
                        negative: false,
                    });
                }
            }
            _ => match byte {
                b'-' if text.get(at + 1) != Some(&b'-') => at += 1,
                b'/' if text.get(at + 1) != Some(&b'*') => at += 1,
                // A quoted name, or a part of one that holds quotes itself.
                b'"' => match memchr(b'"', &text[at + 1..]) {
                    Some(length) => at += length + 2,
                    None => return false,
                },
                b'\'' => {
                    let start = at;
                    // `U&'…'` and `E'…'` are strings of other kinds.
                    let before = start.checked_sub(1).map_or(b' ', |before| text[before]);
                    let prefixed =
                        before == b'&' || CLASSES[before as usize] == LETTER || start == name_end;
                    if prefixed || !options.standard_conforming_strings {
                        return false;
                    }
                    at = loop {
                        let Some(length) = memchr(b'\'', &text[at + 1..]) else {
                            return false;
                        };
                        at += length + 2;
                        if text.get(at) != Some(&b'\'') {
                            break at;
                        }
                    };
                    if continuation(text, at).is_some() {
                        return false;
                    }
                    out.extend_from_slice(&text[run..start]);
                    out.push(STRING);
                    run = at;
                    slots.push(Slot {
                        span: Span::new(start, at),
                        kind: SlotKind::String(StringKind::Plain),
                        negative: false,
                    });
                }
                _ => return false,
            },
        }
    }
    out.extend_from_slice(&text[run..]);
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::super::{Form, Shape};
    use super::*;

    fn outline(text: &str) -> Option<(Vec<u8>, Vec<Slot>)> {
        let (mut out, mut slots) = (Vec::new(), Vec::new());
        write(text.as_bytes(), Options::default(), &mut out, &mut slots).then_some((out, slots))
    }

    #[test]
    fn what_stands_alone_is_taken_out() {
        for (text, marks) in [
            ("select a from t where id = 4711", 1),
            ("select t1.a2 from t1 where x=-5 and y in (1,2,'o''k')", 4),
            ("select 1.5, 1e5, 0x1f, 12ab, .5, 5.", 0),
            ("select \"a 1\" from \"b\"\"2\" where c = '7'", 1),
            ("select x[1:2], a::numeric(5,2)", 4),
        ] {
            assert_eq!(outline(text).unwrap().1.len(), marks, "{text}");
        }
        for text in [
            "select E'\\''",
            "select U&'a'",
            "select $1",
            "select a -- 1",
            "select /* 1 */ 1",
            "select 'a'\n'b'",
            "select 'open",
            "select \"open",
            "select \u{1}",
            "select a$1",
        ] {
            assert!(outline(text).is_none(), "{text}");
        }
    }

    proptest! {
        /// Pieces put together at random, constants among them from a small choice, so that many texts
        /// have the same outline.
        #[test]
        fn equal_outlines_are_equal_shapes(
            skeletons in prop::collection::vec(prop::collection::vec(0..PIECES.len(), 1..9), 1..6),
            seeds in prop::collection::vec(any::<u32>(), 12),
        ) {
            let mut known: HashMap<Vec<u8>, (String, Vec<u8>)> = HashMap::new();
            let mut shape = Shape::new();
            let mut texts = Vec::new();
            for skeleton in &skeletons {
                for seed in &seeds {
                    let mut text = "select".to_owned();
                    let mut seed = *seed;
                    for piece in skeleton {
                        match PIECES[*piece] {
                            "0" => text.push_str(CONSTANTS[seed as usize % CONSTANTS.len()]),
                            piece => text.push_str(piece),
                        }
                        seed = seed.rotate_left(5).wrapping_mul(2_654_435_761);
                    }
                    texts.push(text);
                }
            }
            for text in &texts {
                let Some((outline, slots)) = outline(text) else { continue };
                shape.read(text, Options::default()).unwrap();
                if shape.form() == Form::Normalised && shape.slots() == slots {
                    known.entry(outline).or_insert((text.clone(), shape.bytes().to_vec()));
                }
            }
            for text in &texts {
                let Some((outline, slots)) = outline(text) else { continue };
                let Some((other, bytes)) = known.get(&outline) else { continue };
                shape.read(text, Options::default()).unwrap();
                prop_assert_eq!(shape.bytes(), bytes, "{} and {}", other, text);
                prop_assert_eq!(shape.slots(), slots, "{} and {}", other, text);
            }
        }
    }

    const PIECES: &[&str] = &[
        "0",
        "0",
        "0",
        "0",
        " ",
        " ",
        "a",
        " t1",
        ".",
        ",",
        "(",
        ")",
        "-",
        "- ",
        "+",
        "*",
        "/",
        "::",
        " in (",
        " values (",
        "=",
        "\n",
        "\"q 1\"",
        "\"",
        " limit ",
        " order by ",
        " date ",
        "e",
        "E",
        "x",
        "&",
        " U",
        "'",
        "@-",
        " as ",
    ];
    const CONSTANTS: &[&str] = &[
        "1",
        "2",
        "07",
        "12345678901234567890",
        "'a'",
        "'it''s'",
        "''",
        "'7'",
        "1.5",
        "2e3",
        "0x1f",
        "0b1",
        "0",
        "9a",
    ];
}
