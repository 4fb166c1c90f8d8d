//! A statement whose plan is in the cache costs no allocation, up to and with its shard.

use allocation_counter::measure;
use router_core::id::Epoch;
use router_core::plan::{Analysis, Context, Direction, Param, Planner, Resolved};
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, ShardSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::topology::{Catalog, Topology};
use router_core::value::KeyType;

fn topology() -> Topology {
    let shard = |name: &str| ShardSpec {
        name: name.into(),
        has_replicas: false,
    };
    let spec = TopologySpec {
        database: "shop".into(),
        shards: ["s0", "s1", "s2"].map(shard).into(),
        placements: vec![PlacementSpec {
            name: "by_user".into(),
            types: vec![KeyType::Bigint],
            strategy: StrategySpec::hash(),
        }],
        tables: vec![TableSpec {
            schema: "public".into(),
            name: "users".into(),
            home: HomeSpec::Sharded {
                key: vec!["id".into()],
                placement: "by_user".into(),
            },
        }],
        ..TopologySpec::default()
    };
    Topology::build(&spec, Epoch(1)).expect("a valid topology")
}

#[test]
fn a_hit_of_the_plan_cache_allocates_nothing() {
    let topology = topology();
    let catalog = Catalog::unknown();
    let search_path = ["$user".to_owned(), "public".to_owned()];
    let context = Context::new(&topology, &catalog, &search_path);
    let seven = [Param {
        oid: 20,
        binary: true,
        value: Some(&[0, 0, 0, 0, 0, 0, 0, 7]),
    }];
    // Each text twice: what the second one differs in is taken out of the shape.
    let cases: [(&str, &str, &[Param<'_>]); 6] = [
        (
            "SELECT name FROM users WHERE id = 4711",
            "SELECT name FROM users WHERE id = 815;",
            &[],
        ),
        (
            "SELECT name FROM users WHERE id = '17' AND name = 'Ann'",
            "SELECT name FROM users WHERE id = '4' AND name = 'O''Hara'",
            &[],
        ),
        (
            "UPDATE users SET name = 'a', score = 1.5 WHERE id = -3",
            "UPDATE users SET name = 'b', score = 99.25 WHERE id = -12",
            &[],
        ),
        (
            "INSERT INTO users (id, name) VALUES (7, 'Bob')",
            "INSERT INTO users (id, name) VALUES (81, 'Eve')",
            &[],
        ),
        (
            "DELETE FROM users WHERE id = $1",
            "DELETE FROM users WHERE id = $1",
            &seven,
        ),
        (
            "/* from the shop */ SELECT 1 FROM users WHERE id = 9",
            "/* from the shop */ SELECT 1 FROM users WHERE id = 10",
            &[],
        ),
    ];
    let mut planner = Planner::new(1 << 20);
    let mut analysis = Analysis::new();
    let mut run = |planner: &mut Planner, text: &str, params: &[Param<'_>]| {
        planner.analyze(text, &context, &mut analysis);
        let [statement] = analysis.statements() else {
            panic!("one statement: {text}");
        };
        let values = analysis.values(statement, text, params, Direction::None);
        let resolved = statement.plan.resolve(&topology, &values);
        assert!(
            matches!(resolved, Ok(Resolved::Shard(_))),
            "{text}: {resolved:?}"
        );
    };
    for (one, other, params) in cases {
        run(&mut planner, one, params);
        // Buffers grow to the length of what they hold.
        run(&mut planner, other, params);
        let misses = planner.numbers().misses;
        let info = measure(|| {
            run(&mut planner, one, params);
            run(&mut planner, other, params);
        });
        assert_eq!(planner.numbers().misses, misses, "planned again: {other}");
        assert_eq!(info.count_total, 0, "{other}");
    }
}
