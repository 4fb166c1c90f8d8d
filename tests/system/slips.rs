//! Statements that only look as if they went over shards, and such as fail early rather than late.

use std::sync::Arc;

use router_core::id::Epoch;
use router_core::topology::Topology;
use router_core::topology::spec::{HomeSpec, TableSpec};
use shunt_tests::proxy::TestProxy;
use shunt_tests::shards;
use tokio_postgres::{Client, NoTls};

async fn refused(client: &Client, sql: &str) -> String {
    let error = client.simple_query(sql).await.expect_err(sql);
    error.code().expect("a code of SQL").code().to_owned()
}

#[tokio::test]
async fn what_stays_on_its_shard_is_done_there() {
    let server = shards::server_with(2);
    let mut settings = shards::on_one_server(&server, 2, Default::default());
    let mut spec = shards::spec(2);
    spec.tables.extend(["entries", "odd"].map(|name| TableSpec {
        schema: "public".into(),
        name: name.into(),
        home: HomeSpec::Sharded {
            key: vec!["account".into()],
            placement: "by_account".into(),
        },
    }));
    settings.databases[0].topology = Arc::new(Topology::build(&spec, Epoch(1)).unwrap());
    let proxy = TestProxy::start(settings);
    let (client, connection) = tokio_postgres::connect(&proxy.url(server.user(), "bank"), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let say = async |sql: &str| client.batch_execute(sql).await.expect(sql);
    say("create table entries (account bigint not null references accounts (id), n int)").await;
    say("insert into accounts (id) values (2), (3); insert into entries values (2, 1), (3, 1)")
        .await;

    // Whoever saves whole rows assigns the key, too; foreign keys refer to it.
    say("update accounts set id = 2, balance = 7 where id = 2").await;
    let save = client
        .prepare("update accounts set id = $1, balance = $2 where id = $3")
        .await
        .unwrap();
    assert_eq!(
        client.execute(&save, &[&3i64, &8i64, &3i64]).await.unwrap(),
        1
    );
    let error = client
        .execute(&save, &[&2i64, &8i64, &3i64])
        .await
        .unwrap_err();
    assert_eq!(error.code().unwrap().code(), "SH012");
    assert_eq!(
        refused(&client, "update accounts set id = 3 where id = 2").await,
        "SH012"
    );
    // PostgreSQL's own word, of the shard where it stays.
    assert_eq!(
        refused(&client, "update accounts set id = 4 where id = 2").await,
        "23503"
    );
    let rows = client
        .query("select id, balance from accounts order by id", &[])
        .await
        .unwrap();
    let rows: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [(2, 7), (3, 8)]);

    let slept = client
        .query_one(
            "select balance, pg_sleep(0.001) from accounts where id = 2",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(slept.get::<_, i64>(0), 7);

    for odd in [
        "account int4range primary key",
        "account bigint[] primary key",
        "account xid8 primary key",
        "account bigint generated always as (n * 2) stored, n bigint",
    ] {
        assert_eq!(
            refused(&client, &format!("create table odd ({odd})")).await,
            "SH030",
            "{odd}"
        );
    }
    say("create table odd (account bigint generated always as identity primary key, n bigint[])")
        .await;

    // A table cannot have a column of no declared type.
    let record = "update accounts set note = (select row(balance, id) from accounts order by id limit 1)::text";
    assert!(refused(&client, record).await.starts_with("SH"));
}
