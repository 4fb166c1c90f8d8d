//! Any text: its slots are in order and are whole tokens, and a buffer used again remembers nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use router_core::sql::lexer::{Lexer, Options};
use router_core::sql::shape::Shape;

fuzz_target!(|data: (bool, &str, &str)| {
    let (standard_conforming_strings, before, text) = data;
    let options = Options {
        standard_conforming_strings,
    };
    let mut used = Shape::new();
    let _ = used.read(before, options);
    let mut fresh = Shape::new();
    if fresh.read(text, options).is_err() || used.read(text, options).is_err() {
        return;
    }
    assert_eq!(used.bytes(), fresh.bytes());
    assert_eq!(used.slots(), fresh.slots());
    assert_eq!(used.groups(), fresh.groups());
    let mut at = 0;
    for slot in fresh.slots() {
        assert!(slot.span.start >= at);
        at = slot.span.end;
        let alone = slot.span.of(text);
        let token = Lexer::new(alone, options).next().expect("a slot is a token");
        assert_eq!(token.span.len(), alone.len());
    }
    for group in fresh.groups() {
        let last = group.slot(group.rows - 1, group.columns - 1).expect("a list has elements");
        assert!(last < fresh.slots().len());
    }
});
