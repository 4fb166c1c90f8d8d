//! For any two topologies a key moves exactly when its home differs, and one move claims it.

use proptest::prelude::*;

use super::*;
use crate::id::Epoch;
use crate::topology::spec::*;
use crate::topology::{Home, Topology, TopologySpec};
use crate::value::{KeyType, KeyValue};

fn topology(spec: &TopologySpec) -> Topology {
    Topology::build(spec, Epoch(1)).unwrap_or_else(|e| panic!("{e:?}"))
}

fn shards(names: &[&str]) -> Vec<ShardSpec> {
    let shard = |name: &&str| ShardSpec {
        name: (*name).to_owned(),
        has_replicas: false,
    };
    names.iter().map(shard).collect()
}

fn table(name: &str, home: HomeSpec) -> TableSpec {
    TableSpec {
        schema: "public".into(),
        name: name.into(),
        home,
    }
}

fn by(key: &str, placement: &str) -> HomeSpec {
    HomeSpec::Sharded {
        key: vec![key.into()],
        placement: placement.into(),
    }
}

fn shop(names: &[&str], strategy: StrategySpec) -> TopologySpec {
    TopologySpec {
        database: "shop".into(),
        shards: shards(names),
        default_shard: Some(names[0].into()),
        placements: vec![PlacementSpec {
            name: "by_user".into(),
            types: vec![KeyType::Bigint],
            strategy,
        }],
        tables: vec![
            table("users", by("id", "by_user")),
            table("orders", by("user_id", "by_user")),
            table("countries", HomeSpec::Reference),
        ],
        ..TopologySpec::default()
    }
}

fn range(from: Option<i64>, to: Option<i64>, shard: &str) -> RangeSpec {
    RangeSpec {
        from: from.map(WrittenKey::Integer),
        to: to.map(WrittenKey::Integer),
        shard: shard.into(),
    }
}

fn ranges(ranges: Vec<RangeSpec>) -> StrategySpec {
    StrategySpec::Range { ranges }
}

fn difference(now: &TopologySpec, next: &TopologySpec) -> Difference {
    Difference::between(&topology(now), &topology(next)).expect("comparable")
}

fn printed(now: &TopologySpec, next: &TopologySpec) -> String {
    difference(now, next).to_string()
}

#[test]
fn equal_topologies_move_nothing() {
    let spec = shop(&["s0", "s1"], StrategySpec::hash());
    assert_eq!(printed(&spec, &spec), "nothing moves\n");
}

#[test]
fn the_order_in_which_shards_are_listed_means_nothing() {
    let strategy = || ranges(vec![range(None, Some(5), "s0"), range(Some(5), None, "s1")]);
    let now = shop(&["s0", "s1"], strategy());
    let mut next = shop(&["s1", "s0"], strategy());
    next.default_shard = Some("s0".into());
    assert!(difference(&now, &next).is_empty());
}

#[test]
fn a_split_range_moves_its_upper_half_and_the_new_shard_gets_reference_tables() {
    let now = shop(
        &["s0", "s1"],
        ranges(vec![
            range(None, Some(100), "s0"),
            range(Some(100), None, "s1"),
        ]),
    );
    let next = shop(
        &["s0", "s1", "s2"],
        ranges(vec![
            range(None, Some(50), "s0"),
            range(Some(50), Some(100), "s2"),
            range(Some(100), None, "s1"),
        ]),
    );
    assert_eq!(
        printed(&now, &next),
        "s0 -> s2, whole tables, kept on s0\n  countries\n\
         s0 -> s2, placement by_user\n\
         \x20 orders where (\"user_id\" < 100) AND (\"user_id\" >= 50 AND \"user_id\" < 100)\n\
         \x20 users where (\"id\" < 100) AND (\"id\" >= 50 AND \"id\" < 100)\n"
    );
}

#[test]
fn the_first_split_of_a_database() {
    let now = TopologySpec {
        database: "shop".into(),
        shards: shards(&["s0"]),
        ..TopologySpec::default()
    };
    let next = shop(&["s0", "s1"], StrategySpec::Modulo { shards: None });
    assert_eq!(
        printed(&now, &next),
        "s0 -> s1, whole tables, kept on s0\n  countries\n\
         s0 -> s1, into placement by_user\n\
         \x20 orders where ((\"user_id\" % 2) + 2) % 2 = 1\n\
         \x20 users where ((\"id\" % 2) + 2) % 2 = 1\n\
         without a home, must not exist: on s0, orders where \"user_id\" IS NULL\n\
         without a home, must not exist: on s0, users where \"id\" IS NULL\n"
    );
}

#[test]
fn tables_that_are_not_listed_follow_the_default_shard() {
    let now = shop(&["s0", "s1"], StrategySpec::hash());
    let mut next = now.clone();
    next.default_shard = Some("s1".into());
    assert_eq!(
        printed(&now, &next),
        "s0 -> s1, whole tables\n  tables that are not listed\n"
    );
    next.default_shard = None;
    assert_eq!(
        printed(&now, &next),
        "without a home, must not exist: on s0, tables that are not listed\n"
    );
}

#[test]
fn a_reference_table_that_becomes_another_leaves_copies_behind() {
    let now = shop(&["s0", "s1", "s2"], StrategySpec::hash());
    let mut next = now.clone();
    next.tables[2].home = HomeSpec::Pinned("s1".into());
    assert_eq!(
        printed(&now, &next),
        "superfluous afterwards: on s0, countries\nsuperfluous afterwards: on s2, countries\n"
    );
    next.placements.push(PlacementSpec {
        name: "by_country".into(),
        types: vec![KeyType::Bigint],
        strategy: StrategySpec::Modulo {
            shards: Some(vec!["s0".into(), "s1".into()]),
        },
    });
    next.tables[2].home = by("id", "by_country");
    assert_eq!(
        printed(&now, &next),
        "superfluous afterwards: on s0, countries where \"id\" IS NULL OR NOT (((\"id\" % 2) + 2) % 2 = 0)\n\
         superfluous afterwards: on s1, countries where \"id\" IS NULL OR NOT (((\"id\" % 2) + 2) % 2 = 1)\n\
         superfluous afterwards: on s2, countries\n\
         without a home, must not exist: on s0, countries where \"id\" IS NULL\n"
    );
}

#[test]
fn a_table_that_becomes_whole_or_a_reference_table_comes_from_every_shard() {
    let now = shop(&["s0", "s1"], StrategySpec::Modulo { shards: None });
    let mut next = now.clone();
    next.tables[0].home = HomeSpec::Pinned("s1".into());
    next.tables[1].home = HomeSpec::Reference;
    assert_eq!(
        printed(&now, &next),
        "s0 -> s1, out of placement by_user\n  users where ((\"id\" % 2) + 2) % 2 = 0\n\
         s0 -> s1, out of placement by_user, kept on s0\n  orders where ((\"user_id\" % 2) + 2) % 2 = 0\n\
         s1 -> s0, out of placement by_user, kept on s1\n  orders where ((\"user_id\" % 2) + 2) % 2 = 1\n"
    );
}

#[test]
fn other_databases_and_other_types_of_a_key_are_not_compared() {
    let now = shop(&["s0", "s1"], StrategySpec::hash());
    let mut next = now.clone();
    next.database = "stop".into();
    let error = Difference::between(&topology(&now), &topology(&next)).expect_err("two databases");
    assert!(matches!(error, Incomparable::Databases { .. }));
    let mut next = now.clone();
    next.placements[0].types = vec![KeyType::Text];
    let error = Difference::between(&topology(&now), &topology(&next)).expect_err("two types");
    assert!(error.to_string().contains("\"user_id\""), "{error}");
}

/// Any strategy over `bigint`, whose borders lie where the keys below are dense.
fn any_strategy(names: Vec<String>) -> BoxedStrategy<StrategySpec> {
    let shard = prop::sample::select(names.clone());
    let some = prop::collection::vec(shard.clone(), 1..7);
    let modulo = some.clone().prop_map(|shards| StrategySpec::Modulo {
        shards: Some(shards),
    });
    let range = (
        prop::collection::btree_set(-60_i64..60, 2..6),
        prop::collection::vec((shard.clone(), any::<bool>()), 7),
        any::<(bool, bool)>(),
    )
        .prop_map(|(borders, owners, (open_below, open_above))| {
            let borders: Vec<Option<i64>> = borders.into_iter().map(Some).collect();
            let mut ends = borders.clone();
            if open_below {
                ends.insert(0, None);
            }
            if open_above {
                ends.push(None);
            }
            let mut all: Vec<RangeSpec> = Vec::new();
            for (pair, (owner, present)) in ends.windows(2).zip(owners) {
                if present || all.is_empty() {
                    all.push(range(pair[0], pair[1], &owner));
                }
            }
            ranges(all)
        });
    let list = (
        prop::collection::btree_map(-60_i64..60, shard.clone(), 1..20),
        prop::option::of(shard.clone()),
    )
        .prop_map(|(values, default)| StrategySpec::List {
            lists: values
                .into_iter()
                .map(|(v, shard)| ListSpec {
                    values: vec![WrittenKey::Integer(v)],
                    shard,
                })
                .collect(),
            default,
        });
    let hash = (0_u32..6, prop::collection::vec(shard.clone(), 64)).prop_map(|(power, owners)| {
        StrategySpec::Hash {
            buckets: 1 << power,
            spread: SpreadSpec::Assign(
                (0..1 << power)
                    .zip(owners)
                    .map(|(at, shard)| AssignSpec {
                        from: at,
                        to: at,
                        shard,
                    })
                    .collect(),
            ),
        }
    });
    let ring = (
        prop::collection::btree_map(shard, 1_u32..4, 1..4),
        1_u32..20,
    )
        .prop_map(|(members, points)| StrategySpec::Consistent {
            shards: Some(
                members
                    .into_iter()
                    .map(|(shard, weight)| WeightedSpec { shard, weight })
                    .collect(),
            ),
            points,
        });
    prop_oneof![modulo, range, list, hash, ring].boxed()
}

/// One to four shards in any order, and how the keys lie on them.
fn any_topology() -> impl Strategy<Value = TopologySpec> {
    prop::sample::subsequence(vec!["s0", "s1", "s2", "s3"], 1..=4)
        .prop_shuffle()
        .prop_flat_map(|names| {
            let owned: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
            any_strategy(owned).prop_map(move |strategy| shop(&names, strategy))
        })
}

/// The home of a key of `users` by its name.
fn home(topology: &Topology, key: i64) -> Option<&str> {
    let Some(Home::Sharded { placement, .. }) = topology.listed("public", "users") else {
        panic!("users is spread")
    };
    let home = topology
        .placement(*placement)
        .shard_of(&[KeyValue::Bigint(key)])
        .ok()?;
    Some(topology.shard(home).name.as_str())
}

fn any_key() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -70_i64..70, 2 => any::<i64>(), 1 => prop::sample::select(vec![i64::MIN, i64::MAX])]
}

/// Rows of `users` among those of a move.
fn of_users(tables: &[TableMove]) -> impl Iterator<Item = &Rows> {
    let users = Tables::Listed(TableName::new("public", "users"));
    tables
        .iter()
        .filter(move |t| t.table == users)
        .map(|t| &t.rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_key_moves_when_its_home_differs_and_by_the_one_move_between_these_homes(
        now in any_topology(),
        next in any_topology(),
        keys in prop::collection::vec(any_key(), 60),
    ) {
        let found = difference(&now, &next);
        let (now, next) = (topology(&now), topology(&next));
        for key in keys {
            let claims: Vec<(&str, &str)> = found
                .moves
                .iter()
                .filter(|m| of_users(&m.tables).any(|rows| rows.claim(|_| KeyValue::Bigint(key))))
                .map(|m| (m.source.as_str(), m.target.as_str()))
                .collect();
            let homeless = found.homeless.iter().filter(|left| {
                left.table == Tables::Listed(TableName::new("public", "users"))
                    && left.rows.claim(|_| KeyValue::Bigint(key))
            });
            let homeless: Vec<&str> = homeless.map(|left| left.shard.as_str()).collect();
            match (home(&now, key), home(&next, key)) {
                (Some(source), Some(target)) if source != target => {
                    prop_assert_eq!(claims, [(source, target)]);
                    prop_assert!(homeless.is_empty());
                }
                (Some(source), None) => {
                    prop_assert!(claims.is_empty());
                    prop_assert_eq!(homeless, [source]);
                }
                _ => prop_assert!(claims.is_empty() && homeless.is_empty()),
            }
        }
    }

    /// Where both placements are of one strategy, a move is there only if some key needs it.
    #[test]
    fn moves_between_hashes_are_never_empty(
        owners in prop::collection::vec((0_usize..3, 0_usize..3), 16),
    ) {
        let names = ["s0", "s1", "s2"];
        let assigned = |pick: fn(&(usize, usize)) -> usize| StrategySpec::Hash {
            buckets: 16,
            spread: SpreadSpec::Assign(
                (0..).zip(&owners).map(|(at, o)| AssignSpec { from: at, to: at, shard: names[pick(o)].into() }).collect(),
            ),
        };
        let (now, next) = (shop(&names, assigned(|o| o.0)), shop(&names, assigned(|o| o.1)));
        let found = difference(&now, &next);
        for one in &found.moves {
            for rows in of_users(&one.tables) {
                let claimed = (0..2000).any(|key| rows.claim(|_| KeyValue::Bigint(key)));
                prop_assert!(claimed, "{one}");
            }
        }
    }
}
