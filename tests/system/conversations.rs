//! Conversations in frames: the proxy in either mode answers as PostgreSQL does.

use shunt_tests::conversation::{bed::Bed, generate};

/// Generated conversations; `cargo run -p shunt-tests --bin conversations` holds as many as one likes.
const GENERATED: u64 = 60;

#[test]
fn the_proxy_answers_as_the_server_does() {
    let bed = Bed::start().expect("server and proxies start");
    let mut found = Vec::new();
    for seed in 1..=GENERATED {
        for difference in bed.compare(&generate(seed, 30)).expect("all can be asked") {
            let difference = bed.smaller(difference).expect("all can be asked");
            found.push(format!("seed {seed}: {difference}"));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
