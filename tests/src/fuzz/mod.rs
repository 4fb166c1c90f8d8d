//! Fuzz targets: each takes any bytes and must neither panic nor grow without bound.
//!
//! The bodies are here, so that they run in two ways: for a bounded time with inputs from a seed in every run of the tests
//! (`tests/fuzz`), and without an end under libFuzzer (`./dev fuzz NAME`, in `fuzz/`).

mod files;
mod session;
mod sql;
mod wire;

use crate::differential::generator::Random;

/// A target.
#[derive(Clone, Copy)]
pub struct Target {
    /// What it is called, here and in `fuzz/`.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// What inputs are made of, beside any bytes.
    pub words: &'static [&'static str],
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "lexer",
        run: sql::lexer,
        words: sql::WORDS,
    },
    Target {
        name: "shape",
        run: sql::shape,
        words: sql::WORDS,
    },
    Target {
        name: "parser",
        run: sql::parser,
        words: sql::WORDS,
    },
    Target {
        name: "planner",
        run: sql::planner,
        words: sql::WORDS,
    },
    Target {
        name: "startup",
        run: wire::startup,
        words: wire::STARTUP,
    },
    Target {
        name: "frames",
        run: wire::frames,
        words: session::WORDS,
    },
    Target {
        name: "scram",
        run: wire::scram,
        words: wire::SCRAM,
    },
    Target {
        name: "session",
        run: session::session,
        words: session::WORDS,
    },
    Target {
        name: "copy",
        run: files::copy,
        words: files::COPY,
    },
    Target {
        name: "hba",
        run: files::hba,
        words: files::HBA,
    },
    Target {
        name: "config",
        run: files::config,
        words: files::CONFIG,
    },
];

/// Runs the target of this name: what libFuzzer calls.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of that name").run)(input);
}

/// An input: words of the target and any bytes, now and then something that was there repeated or left out.
pub fn input(random: &mut Random, words: &[&str]) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..1 + random.below(24) {
        match random.below(16) {
            0..=9 => {
                for c in random.pick(words).chars() {
                    match c {
                        // Bytes that are no text: of COPY's signature, and of a request's code.
                        '\u{ff}' | '\u{d2}' => input.push(c as u8),
                        c => input.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                }
            }
            10 | 11 => input.push(random.below(256) as u8),
            12 => input.extend((0..random.below(9)).map(|_| 0)),
            13 => {
                let length = random.below(300) as u32;
                input.extend_from_slice(&length.to_be_bytes());
            }
            14 if !input.is_empty() => {
                let from = random.below(input.len());
                let again = input[from..].to_vec();
                for _ in 0..1 + random.below(3) {
                    input.extend_from_slice(&again);
                }
                input.truncate(4096);
            }
            _ if !input.is_empty() => {
                let at = random.below(input.len());
                input.remove(at);
            }
            _ => {}
        }
    }
    input
}

/// Takes an input apart.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Up to `most` bytes.
    fn some(&mut self, most: usize) -> &'a [u8] {
        let (some, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        some
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
