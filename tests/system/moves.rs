//! The moves of a resharding, on a real server: their conditions, their size, what stands in their way.

use anyhow::{Context, Result};
use local_postgres::Server;
use router_core::id::Epoch;
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, RangeSpec, ShardSpec, StrategySpec, TableSpec, WrittenKey,
};
use router_core::topology::{TableName, Topology, TopologySpec};
use router_core::value::{KeyType, KeyValue};
use router_reshard::{Difference, Obstacle, Rows, Tables, estimate, obstacles, tables};

use crate::keys::connect;

fn topology(shards: &[&str], strategy: StrategySpec) -> Topology {
    let spec = TopologySpec {
        database: "postgres".into(),
        shards: shards
            .iter()
            .map(|name| ShardSpec {
                name: (*name).into(),
                has_replicas: false,
            })
            .collect(),
        default_shard: Some("s0".into()),
        placements: vec![PlacementSpec {
            name: "p".into(),
            types: vec![KeyType::Bigint],
            strategy,
        }],
        tables: vec![TableSpec {
            schema: "public".into(),
            name: "users".into(),
            home: HomeSpec::Sharded {
                key: vec!["id".into()],
                placement: "p".into(),
            },
        }],
        ..TopologySpec::default()
    };
    Topology::build(&spec, Epoch(1)).expect("a right description")
}

fn topologies() -> Vec<Topology> {
    let range = |from: Option<i64>, to: Option<i64>, shard: &str| RangeSpec {
        from: from.map(WrittenKey::Integer),
        to: to.map(WrittenKey::Integer),
        shard: shard.into(),
    };
    vec![
        topology(&["s0", "s1"], StrategySpec::hash()),
        topology(&["s0", "s1", "s2"], StrategySpec::hash()),
        topology(&["s2", "s0"], StrategySpec::consistent()),
        topology(&["s0", "s1", "s2"], StrategySpec::consistent()),
        topology(&["s0", "s1"], StrategySpec::Modulo { shards: None }),
        topology(&["s0", "s1", "s2"], StrategySpec::Modulo { shards: None }),
        topology(
            &["s0", "s1"],
            StrategySpec::Range {
                ranges: vec![range(None, Some(0), "s0"), range(Some(0), Some(300), "s1")],
            },
        ),
    ]
}

/// Between any two topologies: the server finds exactly the keys that a move claims, and a publication takes its
/// condition as a row filter.
#[tokio::test]
async fn the_condition_of_a_move_selects_its_rows() -> Result<()> {
    let server = Server::builder().set("wal_level", "logical").start()?;
    let client = connect(&server, "postgres").await?;
    client
        .batch_execute(
            "CREATE TABLE users (id bigint PRIMARY KEY);
             INSERT INTO users SELECT n FROM generate_series(-500, 500) n;
             INSERT INTO users VALUES (-9223372036854775808), (9223372036854775807)",
        )
        .await?;
    let keys: Vec<i64> = (-500..=500).chain([i64::MIN, i64::MAX]).collect();
    let all = topologies();
    let mut publications = 0;
    for now in &all {
        for next in &all {
            let difference = Difference::between(now, next)?;
            let moved = difference.moves.iter().flat_map(|m| &m.tables);
            let moved = moved.map(|t| (&t.table, &t.rows));
            let left = difference
                .homeless
                .iter()
                .map(|left| (&left.table, &left.rows));
            for (table, rows) in moved.chain(left) {
                assert_eq!(*table, Tables::Listed(TableName::new("public", "users")));
                let condition = rows.condition().context("a condition")?;
                let found = client
                    .query(&format!("SELECT id FROM users WHERE {condition}"), &[])
                    .await
                    .with_context(|| condition.clone())?;
                let mut found: Vec<i64> = found.iter().map(|row| row.get(0)).collect();
                let mut claimed: Vec<i64> = keys
                    .iter()
                    .copied()
                    .filter(|key| rows.claim(|_| KeyValue::Bigint(*key)))
                    .collect();
                found.sort_unstable();
                claimed.sort_unstable();
                assert_eq!(found, claimed, "{condition}");
                publications += 1;
                client
                    .batch_execute(&format!(
                        "CREATE PUBLICATION p{publications} FOR TABLE users WHERE ({condition})"
                    ))
                    .await
                    .with_context(|| condition.clone())?;
            }
        }
    }
    assert!(publications > 50, "{publications}");
    Ok(())
}

#[tokio::test]
async fn a_move_is_measured_and_what_stands_in_its_way_is_named() -> Result<()> {
    let server = Server::builder()
        .database("source")
        .database("target")
        .set("wal_level", "replica")
        .set("max_replication_slots", "1")
        .start()?;
    let source = connect(&server, "source").await?;
    let target = connect(&server, "target").await?;
    source
        .batch_execute(
            "CREATE TABLE users (id bigint PRIMARY KEY, name text);
             INSERT INTO users SELECT n, repeat('x', 400) FROM generate_series(1, 120000) n;
             CREATE TABLE orders (user_id bigint NOT NULL, n serial PRIMARY KEY, total int);
             CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
             CREATE TRIGGER note BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION noted();
             CREATE TABLE notes (user_id bigint, note text);",
        )
        .await?;
    target
        .batch_execute("CREATE TABLE orders (user_id bigint NOT NULL, n int PRIMARY KEY, total bigint, extra text)")
        .await?;
    let now = topology(&["s0", "s1"], StrategySpec::hash());
    let next = topology(&["s0", "s1", "s2"], StrategySpec::hash());
    let difference = Difference::between(&now, &next)?;
    let users = TableName::new("public", "users");

    // A table of 7000 pages is sampled; the moves' sizes are near the share of buckets that move.
    let mut sum = 0;
    for one in &difference.moves {
        let rows = &one.tables[0].rows;
        let guess = estimate(&source, &users, rows).await?;
        let condition = rows.condition().context("a condition")?;
        let exact: i64 = source
            .query_one(
                &format!("SELECT count(*) FROM users WHERE {condition}"),
                &[],
            )
            .await?
            .get(0);
        assert!(!guess.counted);
        let off = guess.rows.abs_diff(exact as u64) as f64 / exact as f64;
        assert!(off < 0.1, "{guess:?}, in truth {exact}");
        assert!(guess.bytes > guess.rows * 400, "{guess:?}");
        sum += exact;
    }
    assert!((40_000..80_000).contains(&sum), "{sum}");
    let none = estimate(&source, &TableName::new("public", "notes"), &Rows::All).await?;
    assert_eq!(
        (none.rows, none.bytes > 8192, none.counted),
        (0, false, true)
    );

    let of_server = obstacles::Server::new(&source);
    let found = of_server.obstacles(2).await?;
    assert_eq!(
        found,
        [
            Obstacle::WalLevel {
                setting: "replica".into()
            },
            Obstacle::Slots { max: 1 }
        ]
    );

    let rows = &difference.moves[0].tables[0].rows;
    let mut found = of_server.table_obstacles(&users, rows, &target).await?;
    assert_eq!(found, []);
    let by_user = match rows {
        Rows::Where(all) => Rows::Where(
            all.iter()
                .map(|placed| {
                    let mut placed = placed.clone();
                    placed.key = vec!["user_id".into()];
                    placed
                })
                .collect(),
        ),
        Rows::All => panic!("the rows of a key move"),
    };
    let orders = TableName::new("public", "orders");
    found.extend(
        of_server
            .table_obstacles(&orders, &by_user, &target)
            .await?,
    );
    let notes = TableName::new("public", "notes");
    found.extend(of_server.table_obstacles(&notes, &by_user, &target).await?);
    let gone = TableName::new("public", "gone");
    found.extend(of_server.table_obstacles(&gone, &by_user, &target).await?);
    let lacks = |table: &TableName| Obstacle::ReplicaIdentity {
        table: table.clone(),
        columns: vec!["user_id".into()],
    };
    let differs = |column: &str, source: Option<&str>, target: Option<&str>| Obstacle::Differs {
        table: orders.clone(),
        column: column.into(),
        source: source.map(str::to_owned),
        target: target.map(str::to_owned),
    };
    assert_eq!(
        found,
        [
            lacks(&orders),
            Obstacle::Sequence {
                table: orders.clone(),
                sequence: "orders_n_seq".into()
            },
            Obstacle::Trigger {
                table: orders.clone(),
                trigger: "note".into()
            },
            differs("extra", None, Some("text")),
            differs("total", Some("integer"), Some("bigint")),
            Obstacle::NoPrimaryKey(notes.clone()),
            lacks(&notes),
            Obstacle::Missing(gone),
        ]
    );
    source
        .batch_execute("ALTER TABLE orders REPLICA IDENTITY FULL")
        .await?;
    let found = of_server
        .table_obstacles(&orders, &by_user, &target)
        .await?;
    assert!(!found.contains(&lacks(&orders)), "{found:?}");

    let unlisted = tables::named(&source, &Tables::Unlisted, &now, &next).await?;
    assert_eq!(unlisted, [notes, orders]);
    Ok(())
}
