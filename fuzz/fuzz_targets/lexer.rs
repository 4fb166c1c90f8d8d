//! Any bytes: tokens cover them without gaps, and decoding never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use router_core::sql::lexer::{Lexer, Options, TokenKind, decode};
use router_core::sql::{limits, split};

fuzz_target!(|data: (bool, &[u8])| {
    let (standard_conforming_strings, bytes) = data;
    let options = Options {
        standard_conforming_strings,
    };
    let mut at = 0;
    for token in Lexer::of_bytes(bytes, options) {
        assert_eq!(token.span.start, at);
        assert!(token.span.end > at);
        at = token.span.end;
    }
    assert_eq!(at as usize, bytes.len());

    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for token in Lexer::new(text, options) {
        let spelled = token.span.of(text);
        assert!(!spelled.is_empty());
        match token.kind {
            TokenKind::String(kind) => drop(decode::string(kind, spelled)),
            TokenKind::BinaryBits | TokenKind::HexBits => assert!(decode::bits(spelled).is_ok()),
            kind if kind.is_name() => drop(decode::identifier(kind, spelled)),
            _ => {}
        }
    }
    let _ = limits::check(text, options);
    let mut at = 0;
    for span in split::statements(text, options) {
        assert!(at <= span.start && span.start < span.end);
        at = span.end;
    }
});
