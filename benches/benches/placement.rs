//! How long it takes to find the home of a key, for each strategy.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use router_core::id::Epoch;
use router_core::topology::spec::{
    ListSpec, PlacementSpec, RangeSpec, ShardSpec, StrategySpec, WrittenKey,
};
use router_core::topology::{Placement, Topology, TopologySpec};
use router_core::value::{KeyType, KeyValue};

const SHARDS: usize = 16;
/// Keys are taken in turn, so that a search does not always go the same way.
const KEYS: usize = 1024;

fn placement(types: &[KeyType], strategy: StrategySpec) -> Placement {
    let spec = TopologySpec {
        database: "bench".into(),
        shards: (0..SHARDS)
            .map(|i| ShardSpec {
                name: format!("s{i}"),
                has_replicas: false,
            })
            .collect(),
        placements: vec![PlacementSpec {
            name: "p".into(),
            types: types.to_vec(),
            strategy,
        }],
        ..TopologySpec::default()
    };
    let mut topology = Topology::build(&spec, Epoch(1)).expect("a right description");
    topology.placements.remove(0)
}

/// Numbers spread over all 64 bits (the multiplier is 2^64 over the golden ratio).
fn spread(i: usize) -> u64 {
    (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn bigint(i: usize) -> KeyValue<'static> {
    KeyValue::Bigint(spread(i) as i64)
}

fn text(i: usize) -> KeyValue<'static> {
    KeyValue::Text(format!("customer-{:016x}", spread(i)).into())
}

fn uuid(i: usize) -> KeyValue<'static> {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&spread(i).to_be_bytes());
    bytes[8..].copy_from_slice(&spread(i + 7).to_be_bytes());
    KeyValue::Uuid(bytes)
}

fn bench(c: &mut Criterion) {
    use KeyType::{Bigint, Text, Uuid};
    let step = u64::MAX / SHARDS as u64;
    let bound =
        |i: usize| WrittenKey::Integer((i64::MIN as u64).wrapping_add(step * i as u64) as i64);
    let ranges = (0..SHARDS)
        .map(|i| RangeSpec {
            from: (i > 0).then(|| bound(i)),
            to: (i + 1 < SHARDS).then(|| bound(i + 1)),
            shard: format!("s{i}"),
        })
        .collect();
    let lists = (0..SHARDS)
        .map(|i| ListSpec {
            values: (0..KEYS / SHARDS)
                .map(|j| WrittenKey::Integer(spread(i + SHARDS * j) as i64))
                .collect(),
            shard: format!("s{i}"),
        })
        .collect();
    type Key = fn(usize) -> Vec<KeyValue<'static>>;
    let cases: [(&str, &[KeyType], StrategySpec, Key); 10] = [
        (
            "modulo/bigint",
            &[Bigint],
            StrategySpec::Modulo { shards: None },
            |i| vec![bigint(i)],
        ),
        (
            "range/bigint",
            &[Bigint],
            StrategySpec::Range { ranges },
            |i| vec![bigint(i)],
        ),
        (
            "list/bigint",
            &[Bigint],
            StrategySpec::List {
                lists,
                default: None,
            },
            |i| vec![bigint(i)],
        ),
        ("hash/bigint", &[Bigint], StrategySpec::hash(), |i| {
            vec![bigint(i)]
        }),
        ("hash/text", &[Text], StrategySpec::hash(), |i| {
            vec![text(i)]
        }),
        ("hash/uuid", &[Uuid], StrategySpec::hash(), |i| {
            vec![uuid(i)]
        }),
        (
            "hash/bigint+text",
            &[Bigint, Text],
            StrategySpec::hash(),
            |i| vec![bigint(i), text(i)],
        ),
        (
            "consistent/bigint",
            &[Bigint],
            StrategySpec::consistent(),
            |i| vec![bigint(i)],
        ),
        (
            "consistent/text",
            &[Text],
            StrategySpec::consistent(),
            |i| vec![text(i)],
        ),
        (
            "consistent/uuid",
            &[Uuid],
            StrategySpec::consistent(),
            |i| vec![uuid(i)],
        ),
    ];
    let mut group = c.benchmark_group("shard_of");
    for (name, types, strategy, key) in cases {
        let placement = placement(types, strategy);
        let keys: Vec<_> = (0..KEYS).map(key).collect();
        let mut next = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                next = (next + 1) % KEYS;
                black_box(&placement).shard_of(black_box(&keys[next]))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
