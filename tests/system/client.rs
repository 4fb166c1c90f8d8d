//! The library on three real shards, with both pools.

use std::time::Duration;

use anyhow::{Context, Result};
use local_postgres::{Cluster, Server, Stop};
use router_client::{PoolKind, PoolSettings, Reads, RouteOptions, Router, RouterError, Settings};
use router_core::topology::spec::{PlacementSpec, StrategySpec};
use router_core::value::KeyType;

const SCHEMA: &str = "
    CREATE TABLE users (id bigint PRIMARY KEY, name text);
    CREATE TABLE orders (user_id bigint, n int, total int, PRIMARY KEY (user_id, n));
    CREATE TABLE countries (code text PRIMARY KEY, name text);
    INSERT INTO countries VALUES ('de', 'Germany');
    CREATE VIEW everybody AS SELECT id FROM users;";

/// Three shards by the remainder of the key, so that a key says its home.
fn settings(cluster: &Cluster, kind: PoolKind) -> Result<Settings> {
    let mut settings = Settings::new("shop")
        .placement(PlacementSpec {
            name: "by_user".into(),
            types: vec![KeyType::Bigint],
            strategy: StrategySpec::Modulo { shards: None },
        })
        .sharded("users", &["id"], "by_user")
        .sharded("orders", &["user_id"], "by_user")
        .reference("countries")
        .default_shard("s0")
        .pool(PoolSettings {
            kind,
            max_size: 4,
            acquire_timeout: Duration::from_secs(3),
        });
    for shard in cluster.shards() {
        let replicas: Vec<String> = shard.replicas.iter().map(|r| r.url("shop")).collect();
        let replicas: Vec<&str> = replicas.iter().map(String::as_str).collect();
        settings = settings.shard(&shard.name, &shard.primary.url("shop"), &replicas)?;
    }
    Ok(settings)
}

fn start(shards: usize, replicas: usize) -> Result<Cluster> {
    let builder = Server::builder().database("shop");
    Ok(Cluster::start(
        shards,
        replicas,
        &builder,
        ("shop", SCHEMA),
        &|_, _| {},
    )?)
}

fn refusal(outcome: Result<impl std::fmt::Debug, RouterError>) -> String {
    let error = outcome.expect_err("a refusal");
    let refused = error.refused().unwrap_or_else(|| panic!("{error}"));
    assert!(!refused.detail().is_empty() && !refused.hint().is_empty());
    refused.sqlstate().to_owned()
}

#[tokio::test]
async fn statements_go_where_their_rows_are() -> Result<()> {
    let cluster = start(3, 0)?;
    for kind in [PoolKind::Deadpool, PoolKind::Bb8] {
        cluster.execute("shop", "TRUNCATE users, orders")?;
        let router = Router::connect(settings(&cluster, kind)?).await?;
        routes_by_literal_and_parameter(&router, &cluster).await?;
        puts_rows_of_shards_together(&router).await?;
        refuses_what_it_cannot_answer(&router).await?;
        keeps_a_transaction_on_its_shard(&router, &cluster).await?;
        gives_back_clean_connections(&router).await?;
    }
    Ok(())
}

async fn routes_by_literal_and_parameter(router: &Router, cluster: &Cluster) -> Result<()> {
    for id in 1..=9_i64 {
        let name = format!("user {id}");
        let inserted = match id % 2 {
            0 => {
                let sql = format!("INSERT INTO users (id, name) VALUES ({id}, '{name}')");
                router.execute(&sql, &[]).await?
            }
            _ => {
                let sql = "INSERT INTO users (id, name) VALUES ($1, $2)";
                router.execute(sql, &[&id, &name]).await?
            }
        };
        assert_eq!(inserted, 1);
        assert_eq!(router.shard_for("users", &id)?, format!("s{}", id % 3));
    }
    for (at, found) in cluster
        .execute(
            "shop",
            "SELECT string_agg(id::text, ',' ORDER BY id) FROM users",
        )?
        .iter()
        .enumerate()
    {
        let own: Vec<String> = (1..=9)
            .filter(|id| id % 3 == at)
            .map(|id| id.to_string())
            .collect();
        assert_eq!(*found, own.join(","), "shard {at}");
    }
    for id in 1..=9_i64 {
        let by_parameter = router
            .query_one("SELECT name FROM users WHERE id = $1", &[&id])
            .await?;
        assert_eq!(by_parameter.get::<_, &str>(0), format!("user {id}"));
        let by_literal = router
            .query_one(&format!("SELECT name FROM users WHERE id = {id}"), &[])
            .await?;
        assert_eq!(by_literal.get::<_, &str>(0), format!("user {id}"));
    }
    let changed = router
        .execute("UPDATE users SET name = 'other' WHERE id = $1", &[&5_i64])
        .await?;
    assert_eq!(changed, 1);
    let none = router
        .query_opt("SELECT 1 FROM users WHERE id = $1", &[&1_000_i64])
        .await?;
    assert!(none.is_none());
    let nobody: Option<i64> = None;
    let none = router
        .query_opt("SELECT 1 FROM users WHERE id = $1", &[&nobody])
        .await?;
    assert!(none.is_none());
    let country = router
        .query_one("SELECT name FROM countries WHERE code = $1", &[&"de"])
        .await?;
    assert_eq!(country.get::<_, &str>(0), "Germany");
    // PostgreSQL's own errors come through.
    let error = router
        .execute("INSERT INTO users (id) VALUES ($1)", &[&5_i64])
        .await
        .expect_err("the key is there already");
    assert_eq!(error.sqlstate(), Some("23505"), "{error}");
    assert!(error.to_string().contains("s2"), "{error}");
    // A parameter of another type is told before anything is sent.
    let error = router
        .query("SELECT 1 FROM users WHERE id = $1", &[&"five"])
        .await
        .expect_err("a text is no bigint");
    assert!(
        matches!(error, RouterError::Parameter { number: 1, .. }),
        "{error}"
    );
    Ok(())
}

async fn puts_rows_of_shards_together(router: &Router) -> Result<()> {
    let ids = async |sql: &str, params: &[&(dyn tokio_postgres::types::ToSql + Sync)]| {
        let rows = router.query(sql, params).await?;
        let mut ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        ids.sort_unstable();
        Ok::<_, RouterError>(ids)
    };
    assert_eq!(
        ids("SELECT id FROM users", &[]).await?,
        Vec::from_iter(1..=9)
    );
    let some = ids(
        "SELECT id FROM users WHERE id IN ($1, $2)",
        &[&2_i64, &7_i64],
    )
    .await?;
    assert_eq!(some, [2, 7]);
    // Without the schema this would be taken for a table of the default shard.
    assert_eq!(
        ids("SELECT id FROM everybody", &[]).await?,
        Vec::from_iter(1..=9)
    );
    assert_eq!(
        ids("SELECT id FROM users WHERE name = $1", &[&"other"]).await?,
        [5]
    );

    let counts = router
        .all_shards()
        .query("SELECT count(*) FROM users", &[])
        .await;
    let mut total = 0;
    for (at, one) in counts.into_iter().enumerate() {
        assert_eq!(one.shard, format!("s{at}"));
        total += one.result?[0].get::<_, i64>(0);
    }
    assert_eq!(total, 9);
    Ok(())
}

async fn refuses_what_it_cannot_answer(router: &Router) -> Result<()> {
    let over_shards = router.execute("UPDATE users SET name = 'all'", &[]).await;
    assert_eq!(refusal(over_shards), "SH025");
    let unchanged = router
        .query("SELECT 1 FROM users WHERE name = 'all'", &[])
        .await?;
    assert!(unchanged.is_empty());
    let begin = router.execute("BEGIN", &[]).await;
    assert_eq!(refusal(begin), "SH018");
    let set = router.execute("SET work_mem = '8MB'", &[]).await;
    assert_eq!(refusal(set), "SH018");
    let two = router.execute("SELECT 1; SELECT 2", &[]).await;
    assert_eq!(refusal(two), "42601");
    let rows = router
        .execute("INSERT INTO users (id) VALUES (100), (101)", &[])
        .await;
    refusal(rows);
    assert!(matches!(
        router.shard_for("countries", "de"),
        Err(RouterError::NotSharded(_))
    ));
    assert!(matches!(
        router.on("s9").await,
        Err(RouterError::UnknownShard(_))
    ));
    Ok(())
}

async fn keeps_a_transaction_on_its_shard(router: &Router, cluster: &Cluster) -> Result<()> {
    let mut transaction = router.transaction_for("users", &4_i64).await?;
    assert_eq!(transaction.shard(), "s1");
    let order = "INSERT INTO orders (user_id, n, total) VALUES ($1, $2, 10)";
    transaction.execute(order, &[&4_i64, &1_i32]).await?;
    // User 7 is on the same shard, user 5 is not.
    transaction.execute(order, &[&7_i64, &1_i32]).await?;
    let elsewhere = transaction.execute(order, &[&5_i64, &1_i32]).await;
    assert_eq!(refusal(elsewhere), "SH007");
    let everywhere = transaction.query("SELECT * FROM orders", &[]).await;
    assert_eq!(refusal(everywhere), "SH007");
    // A refusal reaches no server, so the transaction goes on.
    transaction.commit().await?;
    let count = "SELECT count(*) FROM orders";
    assert_eq!(cluster.execute("shop", count)?, ["0", "2", "0"]);

    let mut failed = router.transaction_for("users", &4_i64).await?;
    failed.execute(order, &[&4_i64, &2_i32]).await?;
    failed
        .execute(order, &[&4_i64, &2_i32])
        .await
        .expect_err("a second row of that key");
    assert!(matches!(
        failed.commit().await,
        Err(RouterError::RolledBack)
    ));

    let mut dropped = router.transaction_for("users", &4_i64).await?;
    dropped.execute(order, &[&4_i64, &3_i32]).await?;
    drop(dropped);
    // The next statement on any connection comes after the rollback of its predecessor.
    for _ in 0..8 {
        let left = router
            .query("SELECT n FROM orders WHERE user_id = 4", &[])
            .await?;
        assert_eq!(left.len(), 1);
    }
    Ok(())
}

async fn gives_back_clean_connections(router: &Router) -> Result<()> {
    let connection = router.on("s1").await?;
    connection
        .batch_execute(
            "SET work_mem = '7MB'; CREATE TEMP TABLE scrap (n int); LISTEN news; BEGIN; \
             INSERT INTO users (id) VALUES (1000)",
        )
        .await?;
    let process: i32 = connection
        .query_one("SELECT pg_backend_pid()", &[])
        .await?
        .get(0);
    drop(connection);
    let mut met = false;
    for _ in 0..4 {
        let next = router.on("s1").await?;
        let state = next
            .query_one(
                "SELECT pg_backend_pid(), current_setting('work_mem') <> '7MB', to_regclass('pg_temp.scrap') IS NULL,
                        NOT EXISTS (SELECT FROM pg_listening_channels()), pg_current_xact_id_if_assigned() IS NULL,
                        NOT EXISTS (SELECT FROM users WHERE id = 1000)",
                &[],
            )
            .await?;
        met |= state.get::<_, i32>(0) == process;
        for at in 1..6 {
            assert!(state.get::<_, bool>(at), "column {at}");
        }
    }
    assert!(met, "the connection came back");
    Ok(())
}

#[tokio::test]
async fn a_dead_shard_fails_what_needs_it_and_nothing_else() -> Result<()> {
    let cluster = start(3, 0)?;
    for kind in [PoolKind::Deadpool, PoolKind::Bb8] {
        let router = Router::connect(settings(&cluster, kind)?).await?;
        router.query("SELECT id FROM users", &[]).await?;
        let dead = &cluster.shards()[0].primary;
        dead.stop(Stop::Immediate)?;
        let find = "SELECT id FROM users WHERE id = $1";
        let mut error = None;
        // The first statement may still meet a connection that was cut off a moment ago.
        for _ in 0..5 {
            error = router.query(find, &[&3_i64]).await.err();
            if matches!(error, Some(RouterError::Unavailable { .. })) {
                break;
            }
        }
        let error = error.context("its home is gone")?;
        assert!(
            matches!(&error, RouterError::Unavailable { shard, .. } if shard == "s0"),
            "{error}"
        );
        router.query(find, &[&4_i64]).await?;
        router.query(find, &[&5_i64]).await?;
        for _ in 0..3 {
            let any = router.query("SELECT code FROM countries", &[]).await?;
            assert_eq!(any.len(), 1);
        }
        router
            .query("SELECT id FROM users", &[])
            .await
            .expect_err("a part of the answer is not the answer");
        let all = router.all_shards().execute("SELECT 1", &[]).await;
        let answered: Vec<bool> = all.iter().map(|one| one.result.is_ok()).collect();
        assert_eq!(answered, [false, true, true]);
        // A router can be made meanwhile, too.
        Router::connect(settings(&cluster, kind)?).await?;

        dead.start()?;
        router.query(find, &[&3_i64]).await?;
        router.query("SELECT id FROM users", &[]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn replicas_answer_reads_where_they_are_let_to() -> Result<()> {
    let cluster = start(2, 1)?;
    for kind in [PoolKind::Deadpool, PoolKind::Bb8] {
        let router = Router::connect(settings(&cluster, kind)?).await?;
        let on = "SELECT current_setting('transaction_read_only') FROM countries";
        assert_eq!(router.query_one(on, &[]).await?.get::<_, &str>(0), "off");
        let relaxed = router.with(RouteOptions::new().reads(Reads::Replica));
        assert_eq!(relaxed.query_one(on, &[]).await?.get::<_, &str>(0), "on");
        // A write goes to the primary all the same.
        relaxed
            .execute("DELETE FROM users WHERE id = $1", &[&3_i64])
            .await?;
        for shard in cluster.shards() {
            shard.replicas[0].stop(Stop::Immediate)?;
        }
        let mut error = None;
        for _ in 0..5 {
            error = relaxed.query_one(on, &[]).await.err();
            if matches!(error, Some(RouterError::Unavailable { .. })) {
                break;
            }
        }
        assert!(
            matches!(error, Some(RouterError::Unavailable { .. })),
            "{error:?}"
        );
        let preferred = router.with(RouteOptions::new().reads(Reads::ReplicaPreferred));
        assert_eq!(preferred.query_one(on, &[]).await?.get::<_, &str>(0), "off");
        for shard in cluster.shards() {
            shard.replicas[0].start()?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn settings_that_contradict_themselves_are_listed() {
    let settings = Settings::new("shop")
        .shard("s0", "postgres://app@127.0.0.1:1/shop", &[])
        .expect("a connection string")
        .sharded("users", &["id"], "by_user")
        .pinned("audit_log", "s9");
    let error = Router::connect(settings).await.expect_err("two mistakes");
    let text = error.to_string();
    assert!(text.contains("by_user") && text.contains("s9"), "{text}");
    let bad = Settings::new("shop").shard("s0", "postgres://app:hidden@[/shop", &[]);
    let text = bad.expect_err("no connection string").to_string();
    assert!(text.contains("s0") && !text.contains("hidden"), "{text}");
}
