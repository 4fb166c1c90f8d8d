use super::*;
use crate::id::Epoch;
use crate::topology::Shard;

#[test]
fn tenants_with_schemas_of_their_own_have_plans_of_their_own() {
    let shard = Shard {
        name: "s0".into(),
        has_replicas: false,
    };
    let topology = Topology::unsharded("shop", shard, Epoch(1));
    let paths: Vec<_> = (0..500).map(|tenant| [format!("tenant{tenant}")]).collect();
    let (catalog, mut planner) = (Catalog::unknown(), Planner::new(1 << 24));
    let mut analysis = Analysis::new();
    for _ in 0..3 {
        for search_path in &paths {
            let context = Context::new(&topology, &catalog, search_path);
            planner.analyze("select a from t where id = 1", &context, &mut analysis);
        }
    }
    assert_eq!(planner.numbers().misses, 500);
}

#[test]
fn what_is_found_is_what_was_planned() {
    let shard = Shard {
        name: "s0".into(),
        has_replicas: false,
    };
    let topology = Topology::unsharded("shop", shard, Epoch(1));
    let (catalog, search_path) = (Catalog::unknown(), ["public".to_owned()]);
    let context = Context::new(&topology, &catalog, &search_path);
    let mut planner = Planner::new(1 << 20);
    let mut analysis = Analysis::new();
    let met = planner.meet(&context).expect("a context");
    for (planned, other) in [
        (
            "select a from t where id = 1",
            "select a from t where id = 42;",
        ),
        (
            "select a from t where b = 'x'",
            "select a from t where b = 'ü'",
        ),
        ("BEGIN", "BEGIN;"),
        (
            "start transaction read only;",
            "start transaction read only",
        ),
        ("commit and chain", "commit and chain ;"),
        ("SAVEPOINT a1", "SAVEPOINT a1"),
    ] {
        assert!(
            planner.find(planned.as_bytes(), &met).is_none(),
            "{planned}"
        );
        planner.analyze(planned, &context, &mut analysis);
        let plan = Arc::clone(&analysis.statements()[0].plan);
        for text in [planned, other] {
            let found = planner.find(text.as_bytes(), &met).expect(text);
            assert_eq!(*found.plan, *plan, "{text}");
            let misses = planner.misses;
            planner.analyze(text, &context, &mut analysis);
            assert_eq!(misses, planner.misses, "planned again: {text}");
            assert!(Arc::ptr_eq(&analysis.statements()[0].plan, &plan));
        }
    }
    // Others are not taken for them.
    for text in [
        &b"BEGIN READ ONLY"[..],
        b"COMMIT",
        b"SAVEPOINT a2",
        b"BEGIN; BEGIN",
        b"select a from t where b = '\xfc'",
        b"select a from t where b = 'a\0b'",
        b"select a from t where id = 4\0",
    ] {
        assert!(
            planner.find(text, &met).is_none(),
            "{}",
            text.escape_ascii()
        );
    }
}
