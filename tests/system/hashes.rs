//! Our hash functions against PostgreSQL's own.

use anyhow::Result;
use local_postgres::Server;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use router_core::topology::predicate;
use router_core::value::{KeyType, KeyValue, hash};

use crate::keys::{connect, key_of};

/// One thousand keys of every type and of composite keys: each hashed there and here.
#[tokio::test]
async fn keys_hash_as_on_the_server() -> Result<()> {
    let server = Server::builder().start()?;
    let client = connect(&server, "postgres").await?;
    use KeyType::{Bigint, Text, Uuid};
    let shapes: [&[KeyType]; 8] = [
        &[Bigint],
        &[Text],
        &[Uuid],
        &[Bigint, Bigint],
        &[Text, Bigint],
        &[Bigint, Text],
        &[Uuid, Text, Bigint],
        &[Text, Text, Uuid, Bigint],
    ];
    let mut runner = TestRunner::deterministic();
    for types in shapes {
        let columns: Vec<String> = (0..types.len()).map(|i| format!("k{i}")).collect();
        let quoted: Vec<String> = columns.iter().map(|c| predicate::identifier(c)).collect();
        let hash_of_key = predicate::hash(&quoted, types);
        let strategy = prop::collection::vec(key_of(types), 1000);
        let keys = strategy.new_tree(&mut runner).expect("keys").current();
        let rows: Vec<String> = keys
            .iter()
            .enumerate()
            .map(|(i, key)| {
                let constants: Vec<String> = key
                    .iter()
                    .map(|v| format!("CAST({} AS {})", predicate::constant(v), v.key_type()))
                    .collect();
                format!("({i}, {})", constants.join(", "))
            })
            .collect();
        let sql = format!(
            "SELECT {hash_of_key} FROM (VALUES {}) AS t(i, {}) ORDER BY i",
            rows.join(", "),
            columns.join(", ")
        );
        let rows = client.query(&sql, &[]).await?;
        assert_eq!(rows.len(), keys.len());
        for (row, key) in rows.iter().zip(&keys) {
            assert_eq!(row.get::<_, i64>(0), hash::key(key), "{key:?}");
        }
    }
    Ok(())
}

/// Every length up to several blocks of the algorithm, with and without a seed.
#[tokio::test]
async fn text_of_every_length_hashes_as_on_the_server() -> Result<()> {
    let server = Server::builder().start()?;
    let client = connect(&server, "postgres").await?;
    for seed in [0, 1, -1, i64::MIN, i64::MAX, 0x1234_5678_9abc_def0] {
        let rows = client
            .query(
                "SELECT t, hashtextextended(t, $1), hashint8extended(length(t) - 30, $1) \
                 FROM (SELECT substr(repeat('aé☃🦀z', 20), 1, n) AS t FROM generate_series(0, 60) n) s",
                &[&seed],
            )
            .await?;
        for row in rows {
            let text: String = row.get(0);
            assert_eq!(row.get::<_, i64>(1), hash::text(&text, seed), "{text}");
            let number = text.chars().count() as i64 - 30;
            assert_eq!(row.get::<_, i64>(2), hash::int8(number, seed), "{number}");
        }
    }
    Ok(())
}

/// A small number has one hash in every integer type, so `integer` columns may be keys.
#[tokio::test]
async fn narrower_integers_hash_alike() -> Result<()> {
    let server = Server::builder().start()?;
    let client = connect(&server, "postgres").await?;
    for v in [0_i16, 1, -1, i16::MIN, i16::MAX] {
        let row = client
            .query_one(
                "SELECT hashint2extended($1, 5), hashint4extended($1::int4, 5), hashint8extended($1::int8, 5)",
                &[&v],
            )
            .await?;
        let ours = hash::value(&KeyValue::Bigint(v.into()), 5);
        for column in 0..3 {
            assert_eq!(row.get::<_, i64>(column), ours, "{v}");
        }
    }
    Ok(())
}
