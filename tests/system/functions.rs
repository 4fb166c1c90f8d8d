//! The list of built-in functions that change nothing, against a server's `pg_proc`.

use std::collections::BTreeMap;

use anyhow::Result;
use local_postgres::Server;
use router_core::sql::functions::STABLE;
use shunt_tests::twin::Twins;

use crate::keys::connect;

/// SQL's own spellings, which the grammar knows and `pg_proc` does not.
const SPELLINGS: &[&str] = &[
    "coalesce",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "greatest",
    "grouping",
    "least",
    "localtime",
    "localtimestamp",
    "nullif",
    "user",
];

/// Marked stable, and yet they take a transaction number.
const WRITERS: &[&str] = &["pg_current_xact_id", "txid_current"];

/// The version that the list was made from.
const LISTED: i32 = 15;

#[tokio::test]
async fn built_in_functions_are_as_volatile_as_on_the_server() -> Result<()> {
    let server = Server::builder().start()?;
    let client = connect(&server, "postgres").await?;
    let version: String = client
        .query_one("SHOW server_version_num", &[])
        .await?
        .get(0);
    let major = version.parse::<i32>()? / 10_000;
    // A procedure cannot stand in a query.
    let rows = client
        .query(
            "SELECT proname::text, bool_or(provolatile = 'v') FROM pg_catalog.pg_proc \
             WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind <> 'p' GROUP BY proname",
            &[],
        )
        .await?;
    let volatile: BTreeMap<String, bool> =
        rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert!(volatile.len() > 2000, "{} functions", volatile.len());

    let wrong: Vec<&str> = STABLE
        .iter()
        .copied()
        .filter(|name| volatile.get(*name) == Some(&true) || WRITERS.contains(name))
        .collect();
    assert!(wrong.is_empty(), "listed, but volatile: {wrong:?}");

    if major == LISTED {
        let unknown: Vec<&str> = STABLE
            .iter()
            .copied()
            .filter(|name| !volatile.contains_key(*name) && !SPELLINGS.contains(name))
            .collect();
        assert!(unknown.is_empty(), "listed, but no function: {unknown:?}");
        let missing: Vec<&String> = volatile
            .iter()
            .filter(|(_, volatile)| !**volatile)
            .map(|(name, _)| name)
            .filter(|name| {
                let name = name.as_str();
                STABLE.binary_search(&name).is_err() && !WRITERS.contains(&name)
            })
            .collect();
        assert!(
            missing.is_empty(),
            "not volatile, but not listed: {missing:?}"
        );
    }
    Ok(())
}

/// Whichever server is asked what such a call means need not have the sequence.
#[test]
fn what_looks_back_at_a_session_is_refused_by_name() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both("create sequence counter");
    pair.both("select nextval('counter')");
    for database in ["bank1", "bank2"] {
        let dropped = twins.server.execute(database, "drop sequence counter");
        dropped.expect("a sequence");
    }
    for _ in 0..6 {
        for sql in ["select currval('counter')", "select lastval()"] {
            let answer = pair.ask(sql);
            assert!(answer[0].starts_with("ERROR SH013 "), "{sql}: {answer:?}");
        }
    }
}
