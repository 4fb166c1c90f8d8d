//! What one client has drawn from a sequence is not told to another.

use shunt_tests::raw::{RawClient, seen};

use super::behind::MADE_BEHIND;
use super::{WITHOUT_TYPES, extended, start};

/// What a client drew from a sequence it can ask for, or is told that it cannot: it never gets what another one drew.
#[test]
fn the_values_of_sequences_are_a_clients_own() {
    let world = start(&[MADE_BEHIND, WITHOUT_TYPES]);
    let insert = "insert into numbered default values returning id";
    for by_extended in [false, true] {
        let run = |client: &mut RawClient, sql: &str| {
            seen(&match by_extended {
                true => extended(client, sql),
                false => client.simple(sql).unwrap(),
            })
        };
        let (mut one, mut two) = (world.connect(), world.connect());
        // Neither has drawn anything; then both have, and each asks in the transaction in which it did.
        for client in [&mut one, &mut two] {
            assert_eq!(run(client, "select lastval()"), ["55000"]);
            client.simple("discard all").unwrap();
            run(client, "begin");
            let id = run(client, insert);
            assert_eq!(run(client, "select lastval()"), id);
            assert_eq!(run(client, "select currval('numbered_id_seq')"), id);
            assert_eq!(
                run(client, "select currval('identified_id_seq')"),
                ["55000"]
            );
            run(client, "rollback");
            client.simple("discard all").unwrap();
        }
        // In another transaction it is on a connection that others had since.
        assert_eq!(run(&mut one, insert).len(), 1);
        assert_eq!(run(&mut two, insert).len(), 1);
        assert_eq!(
            run(&mut one, "select currval('numbered_id_seq')"),
            ["55000"]
        );
        assert_eq!(run(&mut one, "select 1"), ["1"]);
        // A client that calls nextval keeps the connection, and with it the value.
        let drawn = run(&mut one, "select nextval('counter')");
        assert_eq!(run(&mut one, "select currval('counter')"), drawn);
        assert_eq!(run(&mut one, "select lastval()"), drawn);
        assert_eq!(world.unless_kept(&mut two, "select 1"), None);
        one.simple("discard all").unwrap();
        assert_eq!(run(&mut one, "select lastval()"), ["55000"]);
        one.simple("discard all").unwrap();
        // Among the statements of one message.
        let message = "begin; insert into numbered default values; select currval('numbered_id_seq') = max(id) from numbered; commit";
        assert_eq!(seen(&two.simple(message).unwrap()), ["t"]);
        two.simple("discard all").unwrap();
        let message = "begin; select 1; select currval('numbered_id_seq'); commit";
        assert_eq!(seen(&one.simple(message).unwrap()).last().unwrap(), "55000");
        one.simple("rollback").unwrap();
    }
}

/// In a pipeline nothing of the router's own can come between: what cannot be answered rightly is refused.
#[test]
fn a_pipeline_does_not_see_the_sequences_of_others() {
    let world = start(&[MADE_BEHIND, WITHOUT_TYPES]);
    let pipeline = |client: &mut RawClient, texts: &[&str]| seen(&client.pipeline(texts).unwrap());
    let draw = "insert into numbered default values returning id";
    let ask = "select currval('numbered_id_seq')";
    for _ in 0..2 {
        let mut first = world.connect();
        assert_eq!(seen(&first.simple(draw).unwrap()).len(), 1);
        drop(first);
        let mut second = world.connect();
        // The first statement says nothing of sequences: by the second one it is too late.
        assert_eq!(pipeline(&mut second, &["select 1", ask]), ["1", "55000"]);
        drop(second);
        let mut third = world.connect();
        let found = pipeline(&mut third, &["begin", draw, ask, "commit"]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], found[1]);
        drop(third);
        let mut fourth = world.connect();
        assert_eq!(pipeline(&mut fourth, &[ask]), ["55000"]);
    }
}
