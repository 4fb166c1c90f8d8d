//! Reads on replicas, where the client asks for them, and what happens when replicas are gone.

use std::sync::Arc;

use local_postgres::{Server, Stop};
use router_core::id::Epoch;
use router_core::topology::{Shard, Topology};
use router_proxy::settings::{
    Database, PoolSettings, ReadPreference, ReadSettings, Replica, ShardServers,
};
use shunt_tests::one_server;
use shunt_tests::proxy::{TestProxy, address, with_databases};
use tokio_postgres::{Client, SimpleQueryMessage};

fn start(primary: &Server, replicas: &[&Server], preference: ReadPreference) -> TestProxy {
    let shard = Shard {
        name: "s0".into(),
        has_replicas: true,
    };
    let database = Database {
        topology: Arc::new(Topology::unsharded("shop", shard, Epoch(1))),
        shards: vec![ShardServers {
            primary: address(primary, "shop"),
            replicas: replicas
                .iter()
                .map(|replica| Replica {
                    address: address(replica, "shop"),
                    weight: 1,
                    zone: None,
                    backup: false,
                })
                .collect(),
        }],
        pool: PoolSettings {
            max_size: 2,
            ..PoolSettings::default()
        },
        two_phase: Default::default(),
        reads: ReadSettings {
            preference,
            ..ReadSettings::default()
        },
    };
    TestProxy::start(with_databases(vec![database], primary.user()))
}

async fn one(client: &Client, sql: &str) -> Result<String, tokio_postgres::Error> {
    Ok(client
        .simple_query(sql)
        .await?
        .iter()
        .find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        })
        .unwrap_or_default())
}

/// Which server answers.
const WHERE: &str = "select setting from pg_settings where name = 'port'";

async fn ports(client: &Client) -> Vec<String> {
    let mut ports = Vec::new();
    for _ in 0..4 {
        ports.push(one(client, WHERE).await.unwrap());
    }
    ports.sort();
    ports.dedup();
    ports
}

#[tokio::test]
async fn reads_go_round_over_replicas_only_when_asked_to() {
    let primary = one_server::server();
    primary
        .execute("shop", "create table t (a int); insert into t values (1)")
        .unwrap();
    let a = primary.replica().start().expect("a replica");
    let b = primary.replica().start().expect("a replica");
    for replica in [&a, &b] {
        replica.await_replay_of(&primary).unwrap();
    }
    let port = |server: &Server| server.port().to_string();
    let mut both = vec![port(&a), port(&b)];
    both.sort();
    let proxy = start(&primary, &[&a, &b], ReadPreference::ReplicaPreferred);
    let client = proxy.connect(primary.user(), "shop").await;
    assert_eq!(ports(&client).await, [port(&primary)]);
    client
        .batch_execute("set shunt.route = 'replica'")
        .await
        .unwrap();
    assert_eq!(ports(&client).await, both);
    // Writes, and what begins with one, go to the primary.
    client
        .batch_execute("insert into t values (2)")
        .await
        .unwrap();
    client.batch_execute("begin").await.unwrap();
    assert_eq!(one(&client, WHERE).await.unwrap(), port(&primary));
    client.batch_execute("commit").await.unwrap();
    client.batch_execute("reset shunt.route; ").await.unwrap();
    // A transaction that says so stays on one replica, by every protocol.
    for begin in ["begin read only", "begin read only; select 1"] {
        client.batch_execute(begin).await.unwrap();
        let there = one(&client, WHERE).await.unwrap();
        assert!(both.contains(&there), "{there}");
        assert_eq!(one(&client, WHERE).await.unwrap(), there);
        let refused = one(&client, "insert into t values (3)").await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "25006");
        client.batch_execute("rollback").await.unwrap();
    }
    // A level that no replica has, said at once or before.
    let level = "set default_transaction_isolation = serializable";
    for (before, begin) in [
        ("select 1", "begin isolation level serializable read only"),
        (level, "begin read only"),
        (level, "begin read only; select 1"),
    ] {
        client.batch_execute(before).await.unwrap();
        client.batch_execute(begin).await.unwrap();
        assert_eq!(one(&client, WHERE).await.unwrap(), port(&primary));
        client.batch_execute("rollback").await.unwrap();
    }
    client
        .batch_execute("reset default_transaction_isolation")
        .await
        .unwrap();
    client.query("begin read only", &[]).await.unwrap();
    let there = one(&client, WHERE).await.unwrap();
    assert!(both.contains(&there), "{there}");
    client.batch_execute("rollback").await.unwrap();

    // A dead replica: the other one; both dead: the primary.
    client
        .batch_execute("set shunt.route = 'replica'")
        .await
        .unwrap();
    a.stop(Stop::Immediate).unwrap();
    // What was open to it is lost once, and noticed by the next look.
    let _ = ports_or_errors(&client).await;
    assert_eq!(ports(&client).await, [port(&b)]);
    b.stop(Stop::Immediate).unwrap();
    let _ = ports_or_errors(&client).await;
    assert_eq!(ports(&client).await, [port(&primary)]);
    assert_eq!(
        one(&client, "select count(*) from t").await.unwrap(),
        "2",
        "the refused insert must not have happened"
    );

    // Where only a replica will do, there is no answer.
    let strict = start(&primary, &[&a, &b], ReadPreference::Replica);
    let client = strict.connect(primary.user(), "shop").await;
    assert_eq!(one(&client, WHERE).await.unwrap(), port(&primary));
    client
        .batch_execute("set shunt.route = 'replica'")
        .await
        .unwrap();
    let refused = one(&client, WHERE).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "08001", "{refused:?}");
    client
        .batch_execute("insert into t values (4)")
        .await
        .unwrap();
}

async fn ports_or_errors(client: &Client) -> usize {
    let mut errors = 0;
    for _ in 0..4 {
        errors += usize::from(one(client, WHERE).await.is_err());
    }
    errors
}
