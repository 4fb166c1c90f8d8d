//! See `tests/src/fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| shunt_tests::fuzz::run("frames", input));
