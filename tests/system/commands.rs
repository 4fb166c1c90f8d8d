//! Commands that talk to servers, on real ones.

use local_postgres::Server;
use router_proxy::settings::{ServerAddress, Settings};
use shunt::commands::{Failure, catalog, check};
use shunt_tests::proxy::address;

#[tokio::test]
async fn a_catalog_is_made_once_and_brought_up_to_date() {
    let server = Server::builder().database("own").start().unwrap();
    let own = address(&server, "own");
    let missing = catalog::migrate(&own).await.unwrap_err();
    assert!(
        missing.to_string().contains("shunt catalog init"),
        "{missing}"
    );
    let pending = catalog::status(&own).await.unwrap();
    assert!(!pending.is_empty() && pending.iter().all(|m| m.applied_at.is_none()));

    assert_eq!(catalog::init(&own).await.unwrap(), pending.len());
    assert_eq!(catalog::init(&own).await.unwrap(), 0);
    assert_eq!(catalog::migrate(&own).await.unwrap(), 0);
    let status = catalog::status(&own).await.unwrap();
    assert!(status.iter().all(|m| m.applied_at.is_some()));
    let tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class \
                  WHERE relkind = 'r' AND relnamespace = 'shunt'::regnamespace";
    let found = server.execute("own", tables).unwrap();
    assert!(
        found.contains("_sqlx_migrations epochs jobs journal routers"),
        "{found}"
    );

    // A half of the migrations is what an older version leaves.
    let down = include_str!("../../migrations/20260101000002_jobs.down.sql");
    server
        .execute("own", &format!("SET search_path = shunt; {down}; DELETE FROM _sqlx_migrations WHERE version = 20260101000002"))
        .unwrap();
    assert_eq!(catalog::migrate(&own).await.unwrap(), 1);

    // One job at a time moves keys of a database; ended ones do not count.
    let job = "INSERT INTO shunt.jobs (database, state, plan) VALUES ('shop', 'STATE', '{}')";
    server
        .execute("own", &job.replace("STATE", "finished"))
        .unwrap();
    server
        .execute("own", &job.replace("STATE", "copying"))
        .unwrap();
    assert!(
        server
            .execute("own", &job.replace("STATE", "planned"))
            .is_err()
    );

    let nowhere = address(&server, "nowhere");
    let error = catalog::init(&nowhere).await.unwrap_err();
    assert!(matches!(error, Failure::Failed { .. }));
    assert!(error.to_string().contains("hint: "), "{error}");
}

/// A configuration of two shards, as a user writes it.
fn configuration(first: &Server, second: &Server, replica: Option<&Server>) -> Settings {
    let url = |server: &Server| {
        format!(
            "postgres://{}@127.0.0.1:{}/shop",
            server.user(),
            server.port()
        )
    };
    let replica = replica.map_or(String::new(), |r| {
        format!("replicas = [{{ url = '{}' }}]", url(r))
    });
    let text = format!(
        "[pool]\nconnect_timeout = '20s'\n[[databases]]\nname = 'shop'\ndefault_shard = 's0'\n\
         [[databases.shards]]\nname = 's0'\nprimary = '{}'\n{replica}\n\
         [[databases.shards]]\nname = 's1'\nprimary = '{}'\n\
         [[databases.placements]]\nname = 'p'\ntype = 'bigint'\nstrategy = 'hash'\n\
         [[databases.placements]]\nname = 'q'\ntype = 'text'\nstrategy = 'hash'\n\
         [[databases.tables]]\nname = 'users'\nkey = 'id'\nplacement = 'p'\n\
         [[databases.tables]]\nname = 'orders'\nkey = 'user_id'\nplacement = 'p'\n\
         [[databases.tables]]\nname = 'mails'\nkey = 'address'\nplacement = 'q'\n\
         [[databases.tables]]\nname = 'countries'\nreference = true\n",
        url(first),
        url(second),
    );
    shunt::config::parse(&text, std::path::Path::new("shunt.toml"), &|_| None).unwrap()
}

const SCHEMA: &str = "
    CREATE TABLE countries (code text PRIMARY KEY);
    CREATE TABLE users (id bigint PRIMARY KEY, country text REFERENCES countries);
    CREATE TABLE orders (user_id int NOT NULL REFERENCES users, id bigint, PRIMARY KEY (user_id, id));
    CREATE TABLE mails (address varchar(99) PRIMARY KEY);";

#[tokio::test]
async fn servers_that_are_as_configured_pass() {
    let start = || {
        Server::builder()
            .database("shop")
            .set("max_prepared_transactions", "10")
            .start()
            .unwrap()
    };
    let (first, second) = (start(), start());
    for server in [&first, &second] {
        server.execute("shop", SCHEMA).unwrap();
    }
    let replica = first.replica().start().unwrap();
    replica.await_replay_of(&first).unwrap();
    let report = check::connect::connect(&configuration(&first, &second, Some(&replica))).await;
    assert!(report.findings.is_empty(), "{}", report.text());
    assert_eq!(report.servers.len(), 3);
    assert!(report.servers.iter().all(|s| s.version.is_some()));
    assert!(!report.failed());

    // One database by two names; a table that is nowhere yet.
    let mut twice = configuration(&first, &second, None);
    twice.databases[0].shards[1].primary = ServerAddress {
        host: "localhost".to_owned(),
        ..twice.databases[0].shards[0].primary.clone()
    };
    let text = check::connect::connect(&twice).await.text();
    let said = "error: shop: shard s1's primary is the database of shard s0 too";
    assert!(text.contains(said), "{text}");
    for server in [&first, &second] {
        server.execute("shop", "DROP TABLE mails").unwrap();
    }
    let report = check::connect::connect(&configuration(&first, &second, None)).await;
    let text = report.text();
    assert!(
        text.contains("warning: shop: table mails does not exist yet"),
        "{text}"
    );
    assert!(!report.failed());

    // The primary's place and the replica's exchanged; the second server has gone.
    second.stop(local_postgres::Stop::Fast).unwrap();
    let report = check::connect::connect(&configuration(&replica, &second, Some(&first))).await;
    let text = report.text();
    println!("{text}");
    assert!(report.failed());
    for said in [
        "shard s0's primary is in recovery",
        "shard s0's replica 1 is not in recovery",
        "shard s1's primary cannot be connected to",
    ] {
        assert!(text.contains(said), "{said}:\n{text}");
    }
}

#[tokio::test]
async fn every_difference_is_found() {
    let start = || {
        Server::builder()
            .database("shop")
            .set("max_prepared_transactions", "0")
            .start()
            .unwrap()
    };
    let (first, second) = (start(), start());
    first
        .execute(
            "shop",
            "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
             CREATE TABLE elsewhere (id bigint PRIMARY KEY);
             CREATE TABLE countries (code text PRIMARY KEY, name text);
             CREATE TABLE users (id bigint, name text UNIQUE, other bigint REFERENCES elsewhere);
             CREATE TABLE orders (user_id numeric NOT NULL, id bigint);
             CREATE TABLE mails (address text COLLATE loose NOT NULL);
             CREATE VIEW everybody AS SELECT id FROM users;",
        )
        .unwrap();
    second
        .execute(
            "shop",
            "CREATE TABLE countries (name text, code text PRIMARY KEY);
             CREATE TABLE users (id bigint NOT NULL, name text);
             CREATE TABLE mails (addres text);",
        )
        .unwrap();
    let report = check::connect::connect(&configuration(&first, &second, None)).await;
    let text = report.text();
    println!("{text}");
    for said in [
        "warning: shop: shard s0's primary has max_prepared_transactions = 0",
        "error: shop: table countries on shard s1 has name text where shard s0 has code text",
        "error: shop: table mails on shard s0 has a nondeterministic collation on its key column address",
        "error: shop: table mails on shard s1 has no column address, its key",
        "error: shop: table orders on shard s0 has the key column user_id of type numeric",
        "error: shop: table orders on shard s1 does not exist",
        "error: shop: table users on shard s0 allows nulls in its key column id",
        "error: shop: table users on shard s1 has 2 columns, and 3 on shard s0",
        "warning: shop: index users_name_key of users is unique without the key (id)",
        "warning: shop: foreign key users_other_fkey of users refers to elsewhere",
        "warning: shop: view everybody reads the sharded table users",
    ] {
        assert!(text.contains(said), "{said}:\n{text}");
    }
    assert_eq!(
        report.json()["findings"].as_array().unwrap().len(),
        report.findings.len()
    );
}
