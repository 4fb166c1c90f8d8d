//! Reads on replicas, where the client asks for them, and what happens when replicas are gone.

use std::sync::Arc;

use local_postgres::{Server, Stop};
use router_core::id::Epoch;
use router_core::topology::{Shard, Topology};
use router_proxy::settings::{
    Consistency, Database, PoolSettings, ReadPreference, ReadSettings, Replica, ShardServers,
};
use shunt_tests::one_server::{self, with_operator};
use shunt_tests::proxy::{TestProxy, address, with_databases};
use shunt_tests::shards;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

fn start(primary: &Server, replicas: &[&Server], preference: ReadPreference) -> TestProxy {
    let reads = ReadSettings {
        preference,
        ..of_any_age()
    };
    reading(primary, replicas, reads)
}

fn reading(primary: &Server, replicas: &[&Server], reads: ReadSettings) -> TestProxy {
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
        reads,
    };
    let mut settings = with_operator(with_databases(vec![database], primary.user()));
    settings.http_listen = Some(([127, 0, 0, 1], 0).into());
    TestProxy::start(settings)
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

/// How replicas are chosen where nothing is said about their age, which is looked at by and by.
fn of_any_age() -> ReadSettings {
    ReadSettings {
        max_lag: None,
        consistency: Consistency::Eventual,
        ..ReadSettings::default()
    }
}

/// What a replica lacks, or has for itself alone, is the primary's, whatever the transaction has read before; and no client
/// stays on a replica with what it writes.
#[tokio::test]
async fn what_a_replica_lacks_is_done_on_the_primary() {
    let primary = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    primary
        .execute(
            "shop",
            "create table t (a int); insert into t values (1); create sequence s",
        )
        .unwrap();
    let replica = primary.replica().start().expect("a replica");
    replica.await_replay_of(&primary).unwrap();
    let (here, there) = (primary.port().to_string(), replica.port().to_string());
    let proxy = reading(&primary, &[&replica], of_any_age());
    let other = proxy.connect(primary.user(), "shop").await;
    let client = proxy.connect(primary.user(), "shop").await;
    let say = async |sql: &str| client.batch_execute(sql).await.expect(sql);
    let get = async |sql: &str| one(&client, sql).await.expect(sql);
    let refused = async |sql: &str| {
        let error = one(&client, sql).await.expect_err(sql);
        error.code().expect("a code of SQL").code().to_owned()
    };

    // Somebody has a lock.
    other
        .batch_execute("begin; select pg_advisory_xact_lock(5)")
        .await
        .unwrap();
    for before in ["select 1", "select count(*) from t"] {
        say("begin read only").await;
        say(before).await;
        assert_eq!(get(WHERE).await, there, "a plain read");
        assert_eq!(get("select pg_try_advisory_xact_lock(5)").await, "f");
        assert_eq!(get(WHERE).await, here, "what follows");
        assert_eq!(get("show transaction_read_only").await, "on");
        assert_eq!(refused("insert into t values (2)").await, "25006");
        say("rollback").await;
    }
    // All in one pipeline, as drivers do it.
    client.query("begin read only", &[]).await.unwrap();
    let (a, b) = tokio::join!(
        client.query_one("select count(*) from t", &[]),
        client.query_one("select pg_try_advisory_xact_lock(5)", &[]),
    );
    assert_eq!(a.unwrap().get::<_, i64>(0), 1);
    assert!(!b.unwrap().get::<_, bool>(0));
    client.query("commit", &[]).await.unwrap();
    other.batch_execute("commit").await.unwrap();

    // What PostgreSQL allows where nothing may be changed.
    for allowed in [
        "notify a",
        "listen a",
        "select pg_notify('a', 'b')",
        "select txid_current()",
        "lock table t in access share mode",
        "select pg_current_wal_lsn()",
        "select pg_export_snapshot()",
        "prepare p as select 1",
        "declare c cursor with hold for select 1",
        "select pg_advisory_lock(6)",
    ] {
        let client = proxy.connect(primary.user(), "shop").await;
        client.batch_execute("begin read only").await.unwrap();
        client.batch_execute("select 1").await.unwrap();
        client.batch_execute(allowed).await.expect(allowed);
        client.batch_execute("commit").await.unwrap();
        // Its writes have not followed it to the replica.
        client
            .batch_execute("update t set a = a")
            .await
            .expect(allowed);
    }
    say("begin read only; set transaction read write").await;
    say("insert into t values (2)").await;
    say("commit").await;
    say("begin read only").await;
    say("set local transaction_read_only = off").await;
    say("insert into t values (3)").await;
    say("commit").await;
    say("begin read only; commit; insert into t values (4)").await;
    assert_eq!(get("select count(*) from t").await, "4");

    // A snapshot, a savepoint, a setting or a cursor cannot be taken along.
    for (begin, before) in [
        (
            "begin isolation level repeatable read read only",
            "select count(*) from t",
        ),
        ("begin read only", "savepoint a"),
        ("begin read only", "set local work_mem = '1MB'"),
        ("begin read only", "declare c cursor for select * from t"),
    ] {
        say(begin).await;
        say(before).await;
        assert_eq!(get(WHERE).await, there, "{before}");
        assert_eq!(
            refused("select pg_try_advisory_xact_lock(5)").await,
            "SH035"
        );
        assert_eq!(refused("select 1").await, "25P02");
        say("rollback").await;
        // Where nothing was done before, it is the primary's.
        say(begin).await;
        assert_eq!(get("select pg_try_advisory_xact_lock(5)").await, "t");
        say(before).await;
        assert_eq!(get(WHERE).await, here, "{before}");
        say("commit").await;
    }

    // Outside of transactions.
    say("set shunt.route = 'replica'").await;
    assert_eq!(get("select pg_is_in_recovery()").await, "t");
    assert_eq!(get(WHERE).await, there);
    say("update t set a = a").await;
    let (a, b) = tokio::join!(
        client.query_one("select pg_is_in_recovery()", &[]),
        client.query("insert into t values (5)", &[]),
    );
    // Where the read is done depends on what comes first.
    let _: bool = a.unwrap().get(0);
    b.unwrap();
    say("set shunt.route = 'primary'").await;
    say("begin read only").await;
    assert_eq!(get(WHERE).await, here);
    say("commit").await;
    say("reset shunt.route").await;
    let asks = |route: &str| format!("/* shunt: route={route} */ {WHERE}");
    assert_eq!(get(&asks("replica")).await, there);
    assert_eq!(get(&asks("primary")).await, here);
    say("/* shunt: route=primary */ begin read only").await;
    assert_eq!(get(WHERE).await, here);
    say("commit").await;
    // What stays with the session stays on the primary, and with it all that follows.
    say("set shunt.route = 'replica'").await;
    say("declare h cursor with hold for select 1").await;
    say("update t set a = a").await;
    say("close h").await;
    assert_eq!(get("select nextval('s')").await, "1");
    say("update t set a = a").await;
}

/// What a client has written it sees, however old the replica is; others see what the replica has.
#[tokio::test]
async fn a_client_reads_what_it_has_written() {
    let primary = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    primary.execute("shop", "create table t (a int)").unwrap();
    let replica = primary.replica().start().expect("a replica");
    replica.await_replay_of(&primary).unwrap();
    let (here, there) = (primary.port().to_string(), replica.port().to_string());
    let proxy = reading(
        &primary,
        &[&replica],
        ReadSettings {
            max_lag: None,
            ..ReadSettings::default()
        },
    );
    let client = proxy.connect(primary.user(), "shop").await;
    let other = proxy.connect(primary.user(), "shop").await;
    other
        .batch_execute("set shunt.route = 'replica'")
        .await
        .unwrap();
    replica
        .execute("postgres", "select pg_wal_replay_pause()")
        .unwrap();

    const COUNT: &str =
        "select count(*) || ' ' || (select setting from pg_settings where name = 'port') from t";
    let reads = async |sql: &str| {
        client.batch_execute("begin read only").await.unwrap();
        let read = one(&client, sql).await.unwrap();
        client.batch_execute("commit").await.unwrap();
        read
    };
    assert_eq!(reads(COUNT).await, format!("0 {there}"));
    for written in 1..4 {
        match written {
            1 => client
                .batch_execute("insert into t values (1)")
                .await
                .unwrap(),
            2 => drop(client.query("insert into t values (1)", &[]).await.unwrap()),
            _ => client
                .batch_execute("begin; insert into t values (1); commit")
                .await
                .unwrap(),
        }
        assert_eq!(reads(COUNT).await, format!("{written} {here}"));
        assert_eq!(one(&other, COUNT).await.unwrap(), format!("0 {there}"));
    }
    // Looks at the replica make no difference while it replays nothing.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
    while std::time::Instant::now() < until {
        assert_eq!(reads(COUNT).await, format!("3 {here}"));
    }
    replica
        .execute("postgres", "select pg_wal_replay_resume()")
        .unwrap();
    await_read(async || reads(COUNT).await, &format!("3 {there}")).await;
}

/// The console and the metrics say how far the only replica is behind, which has stopped.
async fn shows_lag(proxy: &TestProxy) {
    let console = proxy.connect("operator", "shunt").await;
    let shown = console.simple_query("SHOW REPLICAS").await.unwrap();
    let row = shown.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let number = |column| row.unwrap().get(column).unwrap().parse::<f64>().unwrap();
    let (_, metrics) = super::http::get(proxy.http.unwrap(), "/metrics");
    let metric = |name| {
        let series = format!("{name}{{database=\"shop\",shard=\"s0\",server=\"replica 1\"}}");
        super::http::value(&metrics, &series)
    };
    assert!(number("lag_bytes") > 0.0, "{row:?}");
    assert_eq!(metric("shunt_replica_lag_bytes"), number("lag_bytes"));
    assert!(number("lag_ms") > 0.0, "{row:?}");
    let seconds = metric("shunt_replica_lag_seconds");
    assert!(seconds >= number("lag_ms") / 1000.0, "{seconds}");
}

/// A replica that is too far behind is left out, and comes back.
#[tokio::test]
async fn a_replica_that_is_behind_is_left_out() {
    let primary = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    primary.execute("shop", "create table t (a int)").unwrap();
    let replica = primary.replica().start().expect("a replica");
    replica.await_replay_of(&primary).unwrap();
    let (here, there) = (primary.port().to_string(), replica.port().to_string());
    let lag = ReadSettings {
        max_lag: Some(std::time::Duration::from_secs(4)),
        consistency: Consistency::Eventual,
        ..ReadSettings::default()
    };
    let bytes = ReadSettings {
        max_lag: None,
        max_lag_bytes: Some(64 << 10),
        ..lag.clone()
    };
    for settings in [lag, bytes] {
        let proxy = reading(&primary, &[&replica], settings);
        let client = proxy.connect(primary.user(), "shop").await;
        client
            .batch_execute("set shunt.route = 'replica'")
            .await
            .unwrap();
        let port = async || one(&client, WHERE).await.unwrap();
        // Nothing is written, and the replica is as new as the primary all the same.
        await_read(port, &there).await;
        replica
            .execute("postgres", "select pg_wal_replay_pause()")
            .unwrap();
        primary
            .execute("shop", "insert into t select generate_series(1, 10000)")
            .unwrap();
        await_read(port, &here).await;
        shows_lag(&proxy).await;
        replica
            .execute("postgres", "select pg_wal_replay_resume()")
            .unwrap();
        await_read(port, &there).await;
    }
}

async fn await_read(read: impl AsyncFn() -> String, expected: &str) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let now = read().await;
        if now == expected {
            return;
        }
        assert!(std::time::Instant::now() < until, "{now}, not {expected}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// The same over shards.
#[tokio::test]
async fn over_shards_what_a_replica_lacks_is_done_on_the_primary() {
    let server = Server::builder()
        .database("bank0")
        .database("bank1")
        .start()
        .expect("a server starts");
    for bank in ["bank0", "bank1"] {
        server.execute(bank, shards::SCHEMA).unwrap();
    }
    let replica = server.replica().start().expect("a replica");
    let (here, there) = (server.port().to_string(), replica.port().to_string());
    let mut settings = shards::on_one_server(&server, 2, Default::default());
    let database = &mut settings.databases[0];
    let mut spec = shards::spec(2);
    spec.shards
        .iter_mut()
        .for_each(|shard| shard.has_replicas = true);
    database.topology = Arc::new(Topology::build(&spec, Epoch(1)).unwrap());
    database.reads = of_any_age();
    for (n, shard) in database.shards.iter_mut().enumerate() {
        shard.replicas = vec![Replica {
            address: address(&replica, &format!("bank{n}")),
            weight: 1,
            zone: None,
            backup: false,
        }];
    }
    let proxy = TestProxy::start(settings);
    let url = proxy.url(server.user(), "bank");
    let connect = async || {
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let (client, other) = (connect().await, connect().await);
    client
        .batch_execute("insert into accounts (id) values (2), (3), (4), (5)")
        .await
        .unwrap();
    replica.await_replay_of(&server).unwrap();
    let say = async |sql: &str| client.batch_execute(sql).await.expect(sql);
    let get = async |sql: &str| one(&client, sql).await.expect(sql);
    const AT: &str = "select current_setting('port') from accounts where id = 2";
    const LOCK: &str = "select pg_try_advisory_xact_lock(5)";
    other
        .batch_execute("begin; select pg_advisory_xact_lock(5)")
        .await
        .unwrap();
    say("begin read only").await;
    assert_eq!(get(AT).await, there);
    assert_eq!(get(LOCK).await, "f");
    assert_eq!(get(AT).await, here);
    assert_eq!(get("select count(*) from accounts").await, "4");
    assert_eq!(get("select count(distinct note) from accounts").await, "0");
    say("commit").await;
    other.batch_execute("commit").await.unwrap();
    for begin in [
        "begin read only",
        "begin isolation level repeatable read read only",
    ] {
        say(begin).await;
        assert_eq!(get(AT).await, there);
        if begin == "begin read only" {
            say("declare c cursor for select id from accounts where id = 2").await;
            assert_eq!(get("fetch c").await, "2");
        }
        let refused = one(&client, LOCK).await.expect_err(LOCK);
        assert_eq!(refused.code().unwrap().code(), "SH035");
        say("rollback").await;
    }
    say("begin read only").await;
    say("set local transaction_read_only = off").await;
    say("update accounts set note = 'a'").await;
    say("commit").await;
    assert_eq!(
        get("select count(*) from accounts where note = 'a'").await,
        "4"
    );
}
