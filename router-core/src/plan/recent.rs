//! Statements that have just been looked up, to be known again with other integers in them.
//!
//! Most of what clients send is one of a few statements with other numbers. To find its plan, its
//! [outline](crate::sql::shape::outline) is read and hashed, and compared with the one that is kept. Comparing the text itself
//! with the one before, piece by piece between its integers, says the same in a fifth of the time.
//!
//! Proof: an outline is made of what stands around a constant, the byte before it and the byte behind it among that, and of
//! where runs of digits end. Between two texts that differ in nothing but what stands in the places of whole runs of digits,
//! all of that is equal. So their outlines are equal, too, if those runs are constants of the one.

use super::cache::{ContextId, Place};
use crate::id::Span;
use crate::sql::shape::{Slot, SlotKind};

/// So many statements are remembered. What is in the place of another takes it.
const PLACES: usize = 128;

/// Where a statement is kept is told by so many bytes at its beginning, and by its length: with numbers of usual lengths in it
/// it is in a few places.
const HEAD: usize = 16;

/// Longer ones are not remembered.
const LONGEST: usize = 1024;

/// Nor are those with more constants.
const MOST_CONSTANTS: usize = 16;

/// The statements that a planner has looked up last.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Empty until there is one.
    places: Vec<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    context: ContextId,
    /// Where its plan is.
    plan: Place,
    text: Vec<u8>,
    /// Its constants, all of them integers.
    constants: Vec<Span>,
}

impl Recent {
    /// Where the plan of a text is, if it is one of these but for its integers, which come into `constants` then.
    pub(super) fn find(
        &self,
        context: ContextId,
        text: &[u8],
        constants: &mut Vec<Slot>,
    ) -> Option<Place> {
        let known = self.places.get(place(text)?)?.as_ref()?;
        (known.context == context && known.is(text, constants)).then_some(known.plan)
    }

    /// Remembers a text with its constants, and where its plan is.
    pub(super) fn keep(
        &mut self,
        context: ContextId,
        text: &[u8],
        constants: &[Slot],
        plan: Place,
    ) {
        let Some(place) = place(text) else {
            return;
        };
        let integer = |constant: &Slot| constant.kind == SlotKind::Integer && !constant.negative;
        if constants.len() > MOST_CONSTANTS || !constants.iter().all(integer) {
            return;
        }
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        let known = self.places[place].get_or_insert_with(|| Known {
            context,
            plan,
            text: Vec::new(),
            constants: Vec::new(),
        });
        (known.context, known.plan) = (context, plan);
        known.text.clear();
        known.text.extend_from_slice(text);
        known.constants.clear();
        known
            .constants
            .extend(constants.iter().map(|constant| constant.span));
    }
}

impl Known {
    /// Whether a text is this one but for the values of its constants.
    fn is(&self, text: &[u8], constants: &mut Vec<Slot>) -> bool {
        let (mut known, mut rest) = (0, text);
        for span in &self.constants {
            let piece = &self.text[known..span.start as usize];
            let Some(behind) = rest.strip_prefix(piece) else {
                return false;
            };
            let digits = behind.iter().take_while(|byte| byte.is_ascii_digit());
            let digits = digits.count();
            if digits == 0 {
                return false;
            }
            let start = text.len() - behind.len();
            constants.push(Slot {
                span: Span::new(start, start + digits),
                kind: SlotKind::Integer,
                negative: false,
            });
            (known, rest) = (span.end as usize, &behind[digits..]);
        }
        *rest == self.text[known..]
    }
}

/// Where a text is kept. `None`: it is not.
fn place(text: &[u8]) -> Option<usize> {
    let head = text.first_chunk::<HEAD>()?;
    if text.len() > LONGEST {
        return None;
    }
    let (low, high) = (
        u128::from_le_bytes(*head) as u64,
        (u128::from_le_bytes(*head) >> 64) as u64,
    );
    // Multiplied by an odd number, the highest bits depend on all.
    let mixed = (low ^ high.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    Some(((mixed >> 48) as usize).wrapping_add(text.len()) % PLACES)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sql::lexer::Options;
    use crate::sql::shape::outline;

    const CONTEXT: ContextId = ContextId(0);

    fn outline(text: &str) -> Option<(Vec<u8>, Vec<Slot>)> {
        let (mut out, mut slots) = (Vec::new(), Vec::new());
        outline::write(text.as_bytes(), Options::default(), &mut out, &mut slots)
            .then_some((out, slots))
    }

    /// What is found for the second text when the first is known.
    fn found(known: &str, text: &str) -> Option<Vec<Slot>> {
        let mut recent = Recent::default();
        let (_, constants) = outline(known)?;
        recent.keep(CONTEXT, known.as_bytes(), &constants, Place::default());
        let mut constants = Vec::new();
        recent
            .find(CONTEXT, text.as_bytes(), &mut constants)
            .map(|_| constants)
    }

    #[test]
    fn a_statement_is_known_again_with_other_integers() {
        let known = "select a, b from t1 where a = 4711 and b < -17";
        let (_, constants) = outline("select a, b from t1 where a = 2 and b < -171234").unwrap();
        assert_eq!(
            found(known, "select a, b from t1 where a = 23450 and b < -1")
                .unwrap()
                .len(),
            2
        );
        assert_eq!(constants.len(), 2);
        for other in [
            "select a, b from t2 where a = 4711 and b < -17",
            "select a, b from t1 where a = 47.1 and b < -17",
            "select a, b from t1 where a =   c1 and b < -17",
            "select a, b from t1 where a = 4711 and b < -1a",
            "select a, b from t1 where a = 4711 and b < 017",
        ] {
            assert!(found(known, other).is_none(), "{other}");
        }
        assert!(
            found(
                "select a from t where a = 'x'",
                "select a from t where a = 'x'"
            )
            .is_none()
        );
    }

    proptest! {
        /// Whatever is known again has the outline of what was known, and the constants of its own.
        #[test]
        fn what_is_known_again_has_the_same_outline(
            pieces in prop::collection::vec(0..PIECES.len(), 1..8),
            constants in prop::collection::vec(0..CONSTANTS.len(), 16),
        ) {
            let mut constants = constants.iter().map(|at| CONSTANTS[*at]);
            let mut texts = ["select a from t ".to_owned(), "select a from t ".to_owned()];
            for piece in pieces {
                for text in &mut texts {
                    text.push_str(match PIECES[piece] {
                        "0" => constants.next().unwrap_or("1"),
                        piece => piece,
                    });
                }
            }
            let [known, text] = &texts;
            if let Some(constants) = found(known, text) {
                let (known, text) = (outline(known).unwrap(), outline(text));
                prop_assert_eq!(text, Some((known.0, constants)));
            }
        }
    }

    const PIECES: &[&str] = &[
        "0", "0", "0", " ", "a", ".", "-", "+", "e", "'", "''", "\"", "(", ",", "/", "U&", "x", "_",
    ];
    const CONSTANTS: &[&str] = &["1", "23", "007", "1", "4", "12345", "5.", "a1", "'1'"];
}
