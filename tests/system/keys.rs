//! What the tests of values, hashes and placements share: a client and generated keys.

use anyhow::Result;
use local_postgres::Server;
use proptest::prelude::*;
use router_core::value::{KeyType, KeyValue};
use tokio_postgres::{Client, NoTls};

/// A client of a server, its connection driven by the test's runtime.
pub(crate) async fn connect(server: &Server, database: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(&server.url(database), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Keys of the given types, the awkward ones often.
pub(crate) fn key_of(types: &[KeyType]) -> BoxedStrategy<Vec<KeyValue<'static>>> {
    let columns: Vec<_> = types.iter().map(|t| value_of(*t)).collect();
    columns.boxed()
}

pub(crate) fn value_of(key_type: KeyType) -> BoxedStrategy<KeyValue<'static>> {
    match key_type {
        KeyType::Bigint => prop_oneof![
            any::<i64>(),
            -1000_i64..1000,
            any::<i32>().prop_map(i64::from),
            prop::sample::select(vec![i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX]),
        ]
        .prop_map(KeyValue::Bigint)
        .boxed(),
        KeyType::Text => prop_oneof![
            "[a-z]{0,30}",
            "[ -~]{0,40}",
            "\\PC{0,12}",
            Just("it's a \\ \"quote\"".to_owned()),
        ]
        .prop_map(|s| KeyValue::Text(s.into()))
        .boxed(),
        KeyType::Uuid => any::<[u8; 16]>().prop_map(KeyValue::Uuid).boxed(),
    }
}
