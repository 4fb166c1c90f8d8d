//! Planning: a hit of the cache by shape with a literal key, one by text with a parameter, and a cold plan.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use router_core::id::Epoch;
use router_core::plan::{Analysis, Context, Direction, Param, Planner, Resolved};
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, ShardSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::topology::{Catalog, Topology};
use router_core::value::KeyType;

fn topology() -> Topology {
    let spec = TopologySpec {
        database: "bench".into(),
        shards: ["s0", "s1", "s2"]
            .map(|name| ShardSpec {
                name: name.into(),
                has_replicas: false,
            })
            .into(),
        placements: vec![PlacementSpec {
            name: "by_account".into(),
            types: vec![KeyType::Bigint],
            strategy: StrategySpec::hash(),
        }],
        tables: vec![TableSpec {
            schema: "public".into(),
            name: "pgbench_accounts".into(),
            home: HomeSpec::Sharded {
                key: vec!["aid".into()],
                placement: "by_account".into(),
            },
        }],
        ..TopologySpec::default()
    };
    Topology::build(&spec, Epoch(1)).expect("a valid topology")
}

fn plan(c: &mut Criterion) {
    let topology = topology();
    let catalog = Catalog::unknown();
    let search_path = ["$user".to_owned(), "public".to_owned()];
    let context = Context::new(&topology, &catalog, &search_path);
    let mut analysis = Analysis::new();
    let mut run = |planner: &mut Planner, text: &str, params: &[Param<'_>]| -> Resolved {
        planner.analyze(text, &context, &mut analysis);
        let statement = &analysis.statements()[0];
        let values = analysis.values(statement, text, params, Direction::None);
        statement
            .plan
            .resolve(&topology, &values)
            .expect("it has a shard")
    };
    let literal = "SELECT abalance FROM pgbench_accounts WHERE aid = 4711";
    let parameter = "SELECT abalance FROM pgbench_accounts WHERE aid = $1";
    let seven = [Param {
        oid: 20,
        binary: true,
        value: Some(&[0, 0, 0, 0, 0, 0, 0, 7]),
    }];

    let mut planner = Planner::new(1 << 20);
    c.bench_function("plan/hit, literal key", |b| {
        b.iter(|| run(&mut planner, black_box(literal), &[]));
    });
    c.bench_function("plan/hit, parameter key", |b| {
        b.iter(|| run(&mut planner, black_box(parameter), black_box(&seven)));
    });
    c.bench_function("plan/cold", |b| {
        b.iter(|| run(&mut Planner::new(1 << 16), black_box(literal), &[]));
    });
}

criterion_group!(benches, plan);
criterion_main!(benches);
