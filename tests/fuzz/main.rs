//! Every fuzz target for a bounded number of inputs from a seed: `FUZZ_SEED`, `FUZZ_N`, `FUZZ_TARGET` choose others.

#![allow(clippy::print_stderr, reason = "an input that fails has to be told")]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use shunt_tests::differential::generator::Random;
use shunt_tests::fuzz::{TARGETS, Target, input};

/// Inputs of each target.
const INPUTS: u64 = 3000;

#[test]
fn no_input_makes_a_target_panic() {
    let number = |name: &str, otherwise| match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => otherwise,
    };
    let (seed, inputs) = (number("FUZZ_SEED", 1), number("FUZZ_N", INPUTS));
    let only = std::env::var("FUZZ_TARGET").ok();
    let chosen: Vec<Target> = TARGETS
        .iter()
        .filter(|target| only.as_deref().is_none_or(|only| only == target.name))
        .copied()
        .collect();
    assert!(!chosen.is_empty(), "no target of that name");
    std::thread::scope(|scope| {
        for target in chosen {
            scope.spawn(move || run(target, seed, inputs));
        }
    });
}

fn run(target: Target, seed: u64, inputs: u64) {
    for n in 0..inputs {
        let mut random = Random::new(seed.wrapping_mul(0x1_0000_0000).wrapping_add(n));
        let input = input(&mut random, target.words);
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        if let Err(panic) = outcome {
            eprintln!(
                "{} fails with FUZZ_SEED={seed}, input {n}: {input:?}",
                target.name
            );
            resume_unwind(panic);
        }
    }
}

/// A target that does panic is noticed.
#[test]
fn a_panic_is_noticed() {
    let target = Target {
        name: "faulty",
        run: |input| assert!(input.len() < 20),
        words: &["word"],
    };
    assert!(catch_unwind(|| run(target, 1, 50)).is_err());
}
