//! A placement and its SQL predicates say the same, and a publication takes them as row filters.

use anyhow::{Context, Result};
use local_postgres::Server;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use router_core::id::Epoch;
use router_core::topology::spec::{
    AssignSpec, ListSpec, PlacementSpec, RangeSpec, ShardSpec, SpreadSpec, StrategySpec,
    WeightedSpec, WrittenKey,
};
use router_core::topology::{Placement, Topology, TopologySpec, Unplaced, predicate};
use router_core::value::{KeyType, KeyValue};

use crate::keys::{connect, key_of};

const KEYS: usize = 600;

fn number(v: i64) -> Option<WrittenKey> {
    Some(WrittenKey::Integer(v))
}

fn text(v: &str) -> Option<WrittenKey> {
    Some(WrittenKey::Text(v.to_owned()))
}

fn range(from: Option<WrittenKey>, to: Option<WrittenKey>, shard: &str) -> RangeSpec {
    let shard = shard.to_owned();
    RangeSpec { from, to, shard }
}

fn list(values: Vec<WrittenKey>, shard: &str) -> ListSpec {
    let shard = shard.to_owned();
    ListSpec { values, shard }
}

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|s| (*s).to_owned()).collect())
}

/// Every strategy over every type that it takes.
fn placements() -> Vec<Placement> {
    use KeyType::{Bigint, Text, Uuid};
    let integers = |v: &[i64]| {
        v.iter()
            .copied()
            .map(WrittenKey::Integer)
            .collect::<Vec<_>>()
    };
    let texts = |v: &[&str]| {
        v.iter()
            .map(|s| WrittenKey::Text((*s).into()))
            .collect::<Vec<_>>()
    };
    let id = "80000000-0000-0000-0000-000000000000";
    let mut specs: Vec<(Vec<KeyType>, StrategySpec)> = vec![
        (vec![Bigint], StrategySpec::Modulo { shards: None }),
        (
            vec![Bigint],
            StrategySpec::Modulo {
                shards: names(&["s1"]),
            },
        ),
        (
            vec![Bigint],
            StrategySpec::Modulo {
                shards: names(&["s0", "s2", "s0", "s1", "s0"]),
            },
        ),
        (
            vec![Bigint],
            StrategySpec::Range {
                ranges: vec![
                    range(number(100), None, "s0"),
                    range(None, number(-5), "s0"),
                    range(number(-5), number(3), "s1"),
                    range(number(10), number(100), "s2"),
                ],
            },
        ),
        (
            vec![Bigint],
            StrategySpec::Range {
                ranges: vec![range(number(i64::MIN), None, "s2")],
            },
        ),
        (
            vec![Bigint],
            StrategySpec::Range {
                ranges: vec![range(None, None, "s2")],
            },
        ),
        (
            vec![Text],
            StrategySpec::Range {
                ranges: vec![
                    range(None, text("b"), "s0"),
                    range(text("b"), text("it's \\"), "s1"),
                    range(text("it's \\"), text("é"), "s2"),
                ],
            },
        ),
        (
            vec![Uuid],
            StrategySpec::Range {
                ranges: vec![range(None, text(id), "s0"), range(text(id), None, "s1")],
            },
        ),
        (
            vec![Bigint],
            StrategySpec::List {
                lists: vec![
                    list(integers(&[1, 2, i64::MIN]), "s0"),
                    list(integers(&[-1, 0, i64::MAX]), "s1"),
                ],
                default: None,
            },
        ),
        (
            vec![Bigint],
            StrategySpec::List {
                lists: vec![
                    list(integers(&[1, 2, i64::MIN]), "s0"),
                    list(integers(&[-1, 0, i64::MAX]), "s1"),
                    list(integers(&[7]), "s2"),
                ],
                default: Some("s1".into()),
            },
        ),
        (
            vec![Text],
            StrategySpec::List {
                lists: vec![list(texts(&["", "a", "it's a \\ \"quote\""]), "s0")],
                default: Some("s2".into()),
            },
        ),
        (
            vec![Text],
            StrategySpec::List {
                lists: vec![],
                default: Some("s2".into()),
            },
        ),
        (
            vec![Uuid],
            StrategySpec::List {
                lists: vec![list(texts(&[id]), "s0")],
                default: Some("s1".into()),
            },
        ),
    ];
    for types in [
        vec![Bigint],
        vec![Text],
        vec![Uuid],
        vec![Bigint, Text],
        vec![Uuid, Bigint, Text],
    ] {
        let assign = |from, to, shard: &str| AssignSpec {
            from,
            to,
            shard: shard.into(),
        };
        let weighted = |shard: &str, weight| WeightedSpec {
            shard: shard.into(),
            weight,
        };
        let strategies = [
            StrategySpec::hash(),
            StrategySpec::Hash {
                buckets: 1,
                spread: SpreadSpec::Even(names(&["s1"])),
            },
            StrategySpec::Hash {
                buckets: 16,
                spread: SpreadSpec::Assign(vec![
                    assign(0, 3, "s2"),
                    assign(4, 4, "s0"),
                    assign(5, 5, "s1"),
                    assign(6, 6, "s0"),
                    assign(7, 15, "s1"),
                ]),
            },
            StrategySpec::consistent(),
            StrategySpec::Consistent {
                shards: Some(vec![weighted("s2", 3), weighted("s0", 1)]),
                points: 7,
            },
            StrategySpec::Consistent {
                shards: Some(vec![weighted("s2", 1)]),
                points: 2,
            },
        ];
        specs.extend(strategies.into_iter().map(|s| (types.clone(), s)));
    }
    let spec = TopologySpec {
        database: "shop".into(),
        shards: ["s0", "s1", "s2"]
            .into_iter()
            .map(|name| ShardSpec {
                name: name.into(),
                has_replicas: false,
            })
            .collect(),
        placements: specs
            .into_iter()
            .enumerate()
            .map(|(i, (types, strategy))| PlacementSpec {
                name: format!("p{i}"),
                types,
                strategy,
            })
            .collect(),
        ..TopologySpec::default()
    };
    Topology::build(&spec, Epoch(1))
        .expect("a right description")
        .placements
}

/// For each key exactly the predicate of its own shard is true and the others are false, never null;
/// a key without a home has none, and [`Placement::without_home`] says so. A publication takes all of them.
#[tokio::test]
async fn the_predicate_of_its_shard_alone_is_true_for_a_key() -> Result<()> {
    let server = Server::builder().set("wal_level", "logical").start()?;
    let client = connect(&server, "postgres").await?;
    let mut runner = TestRunner::deterministic();
    for (at, placement) in placements().into_iter().enumerate() {
        let types = &placement.types;
        let columns: Vec<String> = (0..types.len()).map(|i| format!("Key \"{i}\"")).collect();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let definitions: Vec<String> = columns
            .iter()
            .zip(types)
            .map(|(c, t)| format!("{} {t}", predicate::identifier(c)))
            .collect();
        let table = format!("t{at}");
        client
            .batch_execute(&format!(
                "CREATE TABLE {table} (n int PRIMARY KEY, {}); ALTER TABLE {table} REPLICA IDENTITY FULL",
                definitions.join(", ")
            ))
            .await?;
        let strategy = prop::collection::vec(key_of(types), KEYS);
        let mut keys = strategy.new_tree(&mut runner).expect("keys").current();
        keys.push(types.iter().map(|t| edge(*t)).collect());
        let rows: Vec<String> = keys
            .iter()
            .enumerate()
            .map(|(n, key)| {
                let constants: Vec<String> = key.iter().map(predicate::constant).collect();
                format!("({n}, {})", constants.join(", "))
            })
            .collect();
        client
            .batch_execute(&format!("INSERT INTO {table} VALUES {}", rows.join(", ")))
            .await?;

        let predicates = placement.all_predicates(&columns);
        let own: Vec<String> = predicates
            .iter()
            .map(|(_, sql)| format!("({sql})"))
            .collect();
        let without_home = placement.without_home(&columns);
        let sql = format!(
            "SELECT ARRAY[{}], ({without_home}) FROM {table} ORDER BY n",
            own.join(", ")
        );
        let rows = client.query(&sql, &[]).await.with_context(|| sql.clone())?;
        assert_eq!(rows.len(), keys.len());
        for (row, key) in rows.iter().zip(&keys) {
            let truths: Vec<Option<bool>> = row.get(0);
            let home = placement.shard_of(key);
            for (truth, (shard, sql)) in truths.iter().zip(&predicates) {
                assert_eq!(*truth, Some(home == Ok(*shard)), "{key:?}: {home:?}, {sql}");
            }
            assert_eq!(
                row.get::<_, bool>(1),
                home == Err(Unplaced::NoHome),
                "{key:?}"
            );
        }

        // A row with a null in its key has no home.
        client
            .batch_execute(&format!(
                "TRUNCATE {table}; INSERT INTO {table} (n) VALUES (0)"
            ))
            .await?;
        let row = client.query_one(&sql, &[]).await?;
        assert!(!row.get::<_, Vec<Option<bool>>>(0).contains(&Some(true)));
        assert!(row.get::<_, bool>(1));

        for (shard, filter) in &predicates {
            let sql = format!(
                "CREATE PUBLICATION {table}_{} FOR TABLE {table} WHERE ({filter})",
                shard.0
            );
            client
                .batch_execute(&sql)
                .await
                .with_context(|| sql.clone())?;
        }
    }
    Ok(())
}

fn edge(key_type: KeyType) -> KeyValue<'static> {
    match key_type {
        KeyType::Bigint => KeyValue::Bigint(i64::MIN),
        KeyType::Text => KeyValue::text(""),
        KeyType::Uuid => KeyValue::Uuid([0x80; 16]),
    }
}

/// `integer`, `smallint` and `character varying` columns may be keys too, in every strategy's predicate.
#[tokio::test]
async fn predicates_fit_the_narrower_column_types() -> Result<()> {
    let server = Server::builder().set("wal_level", "logical").start()?;
    let client = connect(&server, "postgres").await?;
    client
        .batch_execute(
            "CREATE TABLE k (a smallint, b integer, c varchar(20));
             ALTER TABLE k REPLICA IDENTITY FULL;
             INSERT INTO k SELECT n, n, 'k' || n FROM generate_series(-300, 300) n",
        )
        .await?;
    for (at, placement) in placements().into_iter().enumerate() {
        let columns: &[&str] = match placement.types[..] {
            [KeyType::Bigint] => &["a", "b"],
            [KeyType::Text] => &["c"],
            _ => continue,
        };
        for column in columns {
            for (shard, sql) in placement.all_predicates(&[column]) {
                let numbers = client
                    .query(&format!("SELECT {column}::text FROM k WHERE {sql}"), &[])
                    .await
                    .with_context(|| sql.clone())?;
                let mut expected = 0;
                for n in -300_i64..=300 {
                    let key = match placement.types[0] {
                        KeyType::Bigint => KeyValue::Bigint(n),
                        _ => KeyValue::Text(format!("k{n}").into()),
                    };
                    expected += usize::from(placement.shard_of(&[key]) == Ok(shard));
                }
                assert_eq!(numbers.len(), expected, "{sql}");
                let publication = format!("p{at}_{column}_{}", shard.0);
                let sql = format!("CREATE PUBLICATION {publication} FOR TABLE k WHERE ({sql})");
                client
                    .batch_execute(&sql)
                    .await
                    .with_context(|| sql.clone())?;
            }
        }
    }
    Ok(())
}
