//! Every error names its entry and says what to do.

use super::super::spec::*;
use super::*;
use crate::topology::Strategy;
use crate::value::{KeyType, KeyValue};

fn shards(names: &[&str]) -> Vec<ShardSpec> {
    names
        .iter()
        .map(|name| ShardSpec {
            name: (*name).to_owned(),
            has_replicas: false,
        })
        .collect()
}

fn placement(name: &str, types: &[KeyType], strategy: StrategySpec) -> PlacementSpec {
    PlacementSpec {
        name: name.into(),
        types: types.to_vec(),
        strategy,
    }
}

fn sharded(name: &str, key: &[&str], placement: &str) -> TableSpec {
    TableSpec {
        schema: "public".into(),
        name: name.into(),
        home: HomeSpec::Sharded {
            key: key.iter().map(|c| (*c).to_owned()).collect(),
            placement: placement.into(),
        },
    }
}

fn shop() -> TopologySpec {
    TopologySpec {
        database: "shop".into(),
        shards: shards(&["s0", "s1"]),
        default_shard: Some("s0".into()),
        scratch: Some("s1".into()),
        triggers_per_shard: false,
        placements: vec![placement(
            "by_user",
            &[KeyType::Bigint],
            StrategySpec::hash(),
        )],
        tables: vec![
            sharded("users", &["id"], "by_user"),
            TableSpec {
                schema: "geo".into(),
                name: "countries".into(),
                home: HomeSpec::Reference,
            },
        ],
    }
}

/// Path and message of each error of a description with these placements.
fn errors_of(placements: Vec<PlacementSpec>) -> Vec<String> {
    errors(TopologySpec {
        placements,
        tables: Vec::new(),
        ..shop()
    })
}

fn errors(spec: TopologySpec) -> Vec<String> {
    let errors = build(&spec, Epoch(1)).expect_err("a wrong description");
    assert!(errors.iter().all(|e| !e.fix.is_empty()));
    errors
        .into_iter()
        .map(|e| format!("{}: {}", e.path, e.message))
        .collect()
}

fn range(from: Option<i64>, to: Option<i64>, shard: &str) -> RangeSpec {
    RangeSpec {
        from: from.map(WrittenKey::Integer),
        to: to.map(WrittenKey::Integer),
        shard: shard.into(),
    }
}

#[test]
fn a_right_description_becomes_a_topology() {
    let topology = build(&shop(), Epoch(7)).expect("right");
    assert!(topology.is_sharded());
    assert_eq!(topology.epoch, Epoch(7));
    assert_eq!(topology.scratch, Some(ShardId(1)));
    assert_eq!(topology.home("geo", "countries"), Some(Home::Reference));
    assert_eq!(
        topology.home("public", "elsewhere"),
        Some(Home::Pinned(ShardId(0)))
    );
    let Some(Home::Sharded { key, placement }) = topology.home("public", "users") else {
        panic!("users are sharded");
    };
    assert_eq!(key, ["id"]);
    let home = topology
        .placement(placement)
        .shard_of(&[KeyValue::Bigint(1)]);
    assert!(home.is_ok());
}

#[test]
fn every_error_is_found() {
    let mut spec = shop();
    spec.shards.push(spec.shards[0].clone());
    spec.default_shard = Some("s9".into());
    spec.tables.push(sharded("users", &["id"], "by_user"));
    spec.tables
        .push(sharded("orders", &["id", "id"], "by_user"));
    spec.tables.push(sharded("carts", &["id"], "by_cart"));
    spec.placements.push(spec.placements[0].clone());
    assert_eq!(
        errors(spec),
        [
            "shards[2].name: two shards of database \"shop\" are named \"s0\"",
            "default_shard: default_shard of database \"shop\": there is no shard \"s9\"",
            "placements[1].name: two placements are named \"by_user\"",
            "tables[2].name: table \"users\" is listed twice",
            "tables[3].key: table \"orders\": column \"id\" is twice in the key",
            "tables[3].key: table \"orders\": the key has 2 columns, placement \"by_user\" has 1 type",
            "tables[4].placement: table \"carts\": there is no placement \"by_cart\"",
        ]
    );
}

#[test]
fn ranges_must_not_overlap_or_be_empty() {
    let ranges = |ranges| placement("p", &[KeyType::Bigint], StrategySpec::Range { ranges });
    assert_eq!(
        errors_of(vec![
            ranges(vec![
                range(Some(5), Some(20), "s0"),
                range(None, Some(6), "s1")
            ]),
            ranges(vec![range(Some(5), Some(5), "s0")]),
            ranges(vec![range(None, None, "s2")]),
            ranges(vec![]),
            ranges(vec![range(None, None, "s0"), range(None, None, "s1")]),
        ]),
        [
            "placements[0].ranges[1]: placement \"p\": ranges 5..20 and ..6 overlap",
            "placements[1].name: two placements are named \"p\"",
            "placements[1].ranges[0]: placement \"p\": range 5..5 is empty",
            "placements[2].name: two placements are named \"p\"",
            "placements[2].ranges[0].shard: placement \"p\": there is no shard \"s2\"",
            "placements[3].name: two placements are named \"p\"",
            "placements[3].ranges: placement \"p\": there are no ranges",
            "placements[4].name: two placements are named \"p\"",
            "placements[4].ranges[1]: placement \"p\": ranges .. and .. overlap",
        ]
    );
}

#[test]
fn ranges_that_touch_are_right_and_gaps_refuse() {
    let mut spec = shop();
    spec.placements[0].strategy = StrategySpec::Range {
        ranges: vec![
            range(Some(20), None, "s1"),
            range(Some(0), Some(10), "s0"),
            range(Some(10), Some(15), "s1"),
        ],
    };
    let topology = build(&spec, Epoch(1)).expect("right");
    let placement = &topology.placements[0];
    let home = |v| placement.shard_of(&[KeyValue::Bigint(v)]).ok();
    assert_eq!(home(9), Some(ShardId(0)));
    assert_eq!(home(10), Some(ShardId(1)));
    assert_eq!([home(-1), home(15), home(19)], [None; 3]);
    assert_eq!(home(i64::MAX), Some(ShardId(1)));
    let between = |low: i64, high: i64| {
        placement.shards_for_range(Some(&KeyValue::Bigint(low)), Some(&KeyValue::Bigint(high)))
    };
    assert_eq!(between(0, 9).single(), Some(ShardId(0)));
    assert_eq!(between(9, 10).len(), 2);
    assert!(between(15, 19).is_empty() && between(9, 0).is_empty());
    assert_eq!(placement.shards_for_range(None, None).len(), 2);
}

#[test]
fn list_values_are_of_the_keys_type_and_listed_once() {
    let list = |values: Vec<WrittenKey>| StrategySpec::List {
        lists: vec![ListSpec {
            values,
            shard: "s0".into(),
        }],
        default: None,
    };
    let text = |v: &str| WrittenKey::Text(v.into());
    assert_eq!(
        errors_of(vec![
            placement("a", &[KeyType::Bigint], list(vec![text("1")])),
            placement("b", &[KeyType::Text], list(vec![WrittenKey::Integer(1)])),
            placement("c", &[KeyType::Uuid], list(vec![text("nonsense")])),
            placement("d", &[KeyType::Text], list(vec![text("x"), text("x")])),
        ]),
        [
            "placements[0].lists[0].values[0]: placement \"a\": \"1\" is no bigint",
            "placements[1].lists[0].values[0]: placement \"b\": 1 is no text",
            "placements[2].lists[0].values[0]: placement \"c\": \"nonsense\" is no uuid",
            "placements[3].lists: placement \"d\": value x is listed twice",
        ]
    );
}

#[test]
fn each_bucket_has_one_shard() {
    let hash = |buckets, assign: &[(u32, u32)]| StrategySpec::Hash {
        buckets,
        spread: SpreadSpec::Assign(
            assign
                .iter()
                .map(|(from, to)| AssignSpec {
                    from: *from,
                    to: *to,
                    shard: "s1".into(),
                })
                .collect(),
        ),
    };
    let key = &[KeyType::Uuid];
    assert_eq!(
        errors_of(vec![
            placement("a", key, hash(8, &[(0, 2), (6, 7)])),
            placement("b", key, hash(8, &[(0, 5), (5, 7)])),
            placement("c", key, hash(8, &[(0, 8)])),
            placement("d", key, hash(10, &[(0, 9)])),
        ]),
        [
            "placements[0].assign: placement \"a\": buckets 3..5 have no shard",
            "placements[1].assign[1]: placement \"b\": buckets 0..5 and 5..7 overlap",
            "placements[2].assign[0]: placement \"c\": buckets 0..8 are no range",
            "placements[3].buckets: placement \"d\": 10 buckets",
        ]
    );
}

#[test]
fn strategies_take_only_keys_that_they_can_place() {
    let two = &[KeyType::Bigint, KeyType::Bigint];
    assert_eq!(
        errors_of(vec![
            placement("a", &[KeyType::Text], StrategySpec::Modulo { shards: None }),
            placement("b", two, StrategySpec::Modulo { shards: None }),
            placement("c", &[], StrategySpec::hash()),
            placement(
                "d",
                two,
                StrategySpec::Consistent {
                    shards: Some(vec![WeightedSpec {
                        shard: "s0".into(),
                        weight: 0
                    }]),
                    points: 160
                }
            ),
        ]),
        [
            "placements[0].type: placement \"a\": strategy modulo takes bigint, not text",
            "placements[1].type: placement \"b\": strategy modulo takes a key of one column",
            "placements[2].type: placement \"c\" has no key type",
            "placements[3].points: placement \"d\": points and weights must be at least 1",
        ]
    );
}

#[test]
fn buckets_are_spread_evenly() {
    let topology = build(&shop(), Epoch(1)).expect("right");
    let Strategy::Hash(buckets) = &topology.placements[0].strategy else {
        panic!("a hash placement");
    };
    assert_eq!(buckets.owners().len(), 4096);
    assert!(buckets.owners()[..2048].iter().all(|s| *s == ShardId(0)));
    assert!(buckets.owners()[2048..].iter().all(|s| *s == ShardId(1)));
}
