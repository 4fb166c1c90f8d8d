//! The whole corpus and a bounded number of generated statements, over two and three shards.
//!
//! A wrong or broken answer fails the build; refusals are counted, not feared.

use shunt_tests::differential::{Protocol, corpus, generated, run, world};

/// Generated statements per run; `./dev differential` runs as many as one likes.
const GENERATED: usize = 600;

fn differential(shards: usize, seed: u64) {
    let cases = corpus::read(&world::directory().join("corpus")).expect("the corpus is readable");
    let mut world = world::World::start(shards).expect("servers and proxy start");
    let mut report = run(&mut world, &cases, &Protocol::ALL).expect("the plain server answers");
    generated(&world, seed, GENERATED, &Protocol::ALL, &mut report)
        .expect("the plain server answers");
    println!("{report}");
    assert!(
        report.faults.is_empty(),
        "{} wrong or broken answers over {shards} shards:\n{report}",
        report.faults.len()
    );
}

#[test]
fn two_shards_answer_as_one_server() {
    differential(2, 2);
}

#[test]
fn three_shards_answer_as_one_server() {
    differential(3, 3);
}
