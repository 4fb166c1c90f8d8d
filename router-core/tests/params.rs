//! Plans and parameters: from the text of a statement to the shard of one execution, through the cache.

use router_core::id::{Epoch, ShardId};
use router_core::plan::{Analysis, Context, Direction, Param, Planner, Resolved, Stop};
use router_core::topology::spec::*;
use router_core::topology::{Catalog, Topology};
use router_core::value::KeyType;

/// One table per key type, on three shards.
fn topology() -> Topology {
    let types = [
        ("b", KeyType::Bigint),
        ("t", KeyType::Text),
        ("u", KeyType::Uuid),
    ];
    let spec = TopologySpec {
        database: "shop".into(),
        shards: ["s0", "s1", "s2"]
            .map(|name| ShardSpec {
                name: name.into(),
                has_replicas: false,
            })
            .into(),
        placements: types
            .map(|(name, key_type)| PlacementSpec {
                name: format!("by_{name}"),
                types: vec![key_type],
                strategy: StrategySpec::hash(),
            })
            .into(),
        tables: types
            .map(|(name, _)| TableSpec {
                schema: "public".into(),
                name: name.into(),
                home: HomeSpec::Sharded {
                    key: vec!["k".into()],
                    placement: format!("by_{name}"),
                },
            })
            .into(),
        ..TopologySpec::default()
    };
    Topology::build(&spec, Epoch(1)).expect("a valid topology")
}

fn resolve(text: &str, params: &[Param<'_>]) -> Result<Resolved, Stop> {
    let (topology, catalog) = (topology(), Catalog::unknown());
    let search_path = ["public".to_owned()];
    let context = Context::new(&topology, &catalog, &search_path);
    let (mut planner, mut analysis) = (Planner::new(1 << 20), Analysis::new());
    let mut run = |text: &str| {
        planner.analyze(text, &context, &mut analysis);
        let statement = &analysis.statements()[0];
        let values = analysis.values(statement, text, params, Direction::None);
        statement.plan.resolve(&topology, &values)
    };
    let cold = run(text);
    assert_eq!(cold, run(text), "from the cache: {text}");
    assert_eq!(cold, run(&format!(" {text};")), "cut first: {text}");
    cold
}

fn shard(text: &str, params: &[Param<'_>]) -> ShardId {
    match resolve(text, params) {
        Ok(Resolved::Shard(id)) => id,
        other => panic!("{text}: {other:?}"),
    }
}

fn text(oid: u32, value: &str) -> Param<'_> {
    Param {
        oid,
        binary: false,
        value: Some(value.as_bytes()),
    }
}

fn binary(oid: u32, value: &[u8]) -> Param<'_> {
    Param {
        oid,
        binary: true,
        value: Some(value),
    }
}

const NULL: Param<'_> = Param {
    oid: 0,
    binary: false,
    value: None,
};

const INT2: u32 = 21;
const INT4: u32 = 23;
const INT8: u32 = 20;
const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const UUID: u32 = 2950;
const INT8_ARRAY: u32 = 1016;

#[test]
fn a_parameter_finds_the_shard_of_the_same_literal() {
    for key in [0_i64, 1, 42, -7, 32_767] {
        let home = shard(&format!("SELECT * FROM b WHERE k = {key}"), &[]);
        let written = key.to_string();
        let by_param = "SELECT * FROM b WHERE k = $1";
        for param in [
            text(0, &written),
            text(INT2, &written),
            text(INT4, &written),
            text(INT8, &written),
            binary(INT2, &(key as i16).to_be_bytes()),
            binary(INT4, &(key as i32).to_be_bytes()),
            binary(INT8, &key.to_be_bytes()),
            binary(0, &key.to_be_bytes()),
        ] {
            assert_eq!(shard(by_param, &[param]), home, "{key} as {param:?}");
        }
        let insert = "INSERT INTO b (k, x) VALUES ($1, $2)";
        assert_eq!(shard(insert, &[text(0, &written), NULL]), home);
    }
    for key in ["", "a", "Käse", "x'y"] {
        let quoted = key.replace('\'', "''");
        let home = shard(&format!("SELECT * FROM t WHERE k = '{quoted}'"), &[]);
        for param in [
            text(0, key),
            text(TEXT, key),
            text(VARCHAR, key),
            binary(TEXT, key.as_bytes()),
        ] {
            assert_eq!(shard("SELECT * FROM t WHERE k = $1", &[param]), home);
        }
    }
    let key = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    let bytes = [
        0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a,
        0x11,
    ];
    let home = shard(&format!("SELECT * FROM u WHERE k = '{key}'"), &[]);
    for param in [
        text(0, key),
        text(UUID, &key.to_uppercase()),
        binary(UUID, &bytes),
    ] {
        assert_eq!(shard("SELECT * FROM u WHERE k = $1", &[param]), home);
    }
}

#[test]
fn a_null_key_is_on_no_shard_and_is_not_stored() {
    for table in ["b", "t", "u"] {
        let read = resolve(&format!("SELECT * FROM {table} WHERE k = $1"), &[NULL]);
        assert_eq!(read, Ok(Resolved::Any));
        let written = resolve(&format!("INSERT INTO {table} (k) VALUES ($1)"), &[NULL]);
        assert!(matches!(written, Err(Stop::Refused(r)) if r.sqlstate.to_string() == "SH011"));
    }
}

#[test]
fn arrays_and_lists_find_the_shards_of_their_elements() {
    let homes = |keys: &[i64]| {
        let list: Vec<String> = keys.iter().map(i64::to_string).collect();
        resolve(
            &format!("SELECT * FROM b WHERE k IN ({})", list.join(", ")),
            &[],
        )
    };
    for keys in [&[1_i64][..], &[1, 2, 3], &[5, 5], &[-1, 100, 7, 8]] {
        let list: Vec<String> = keys.iter().map(i64::to_string).collect();
        let array = format!("{{{}}}", list.join(","));
        let mut bytes = Vec::new();
        // Dimensions, no nulls, element type, length, lower bound; then each element with its length.
        for word in [1, 0, INT8 as i32, keys.len() as i32, 1] {
            bytes.extend_from_slice(&word.to_be_bytes());
        }
        for key in keys {
            bytes.extend_from_slice(&8_i32.to_be_bytes());
            bytes.extend_from_slice(&key.to_be_bytes());
        }
        let any = "SELECT * FROM b WHERE k = ANY ($1)";
        for param in [
            text(0, &array),
            text(INT8_ARRAY, &array),
            binary(INT8_ARRAY, &bytes),
        ] {
            assert_eq!(resolve(any, &[param]), homes(keys), "{array}");
        }
        let places: Vec<String> = (1..=keys.len()).map(|n| format!("${n}")).collect();
        let params: Vec<Param<'_>> = list.iter().map(|k| text(0, k)).collect();
        let by_params = format!("SELECT * FROM b WHERE k IN ({})", places.join(", "));
        assert_eq!(resolve(&by_params, &params), homes(keys), "{by_params}");
    }
}

#[test]
fn a_parameter_that_follows_the_clock_is_not_stored_on_several_shards() {
    let update = "UPDATE b SET x = $1";
    assert!(matches!(
        resolve(update, &[text(0, "2020-01-01")]),
        Ok(Resolved::Shards(_))
    ));
    assert!(matches!(resolve(update, &[NULL]), Ok(Resolved::Shards(_))));
    let refused = resolve(update, &[text(0, "Today")]);
    assert!(matches!(refused, Err(Stop::Refused(r)) if r.sqlstate.to_string() == "SH027"));
    let one = "UPDATE b SET x = $1 WHERE k = $2";
    assert!(matches!(
        resolve(one, &[text(0, "now"), text(0, "5")]),
        Ok(Resolved::Shard(_))
    ));
}
