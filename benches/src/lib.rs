//! Benches live in `benches/`; README.md beside this crate has what was measured.
