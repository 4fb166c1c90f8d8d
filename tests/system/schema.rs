//! What the proxy learns from the servers' catalogs, and when: views, functions, `search_path`.

use std::sync::Arc;

use local_postgres::Server;
use router_core::id::Epoch;
use router_core::topology::Topology;
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, ShardSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::value::KeyType;
use router_proxy::settings::{Database, PoolSettings, ReadSettings, ShardServers};
use shunt_tests::proxy::{TestProxy, address, with_databases};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Two shards; users by `id` modulo 2; what is not listed is on the first.
fn start(server: &Server) -> TestProxy {
    for shard in ["shop0", "shop1"] {
        server
            .execute("postgres", &format!("create database {shard}"))
            .unwrap();
        server
            .execute(shard, "create table users (id bigint primary key, name text); create schema app; create table app.users (id bigint primary key, name text); create table notes (id int)")
            .unwrap();
    }
    let table = |schema: &str, name: &str| TableSpec {
        schema: schema.into(),
        name: name.into(),
        home: HomeSpec::Sharded {
            key: vec!["id".into()],
            placement: "by_user".into(),
        },
    };
    let spec = TopologySpec {
        database: "shop".into(),
        shards: ["s0", "s1"]
            .map(|name| ShardSpec {
                name: name.into(),
                has_replicas: false,
            })
            .into(),
        default_shard: Some("s0".into()),
        scratch: None,
        triggers_per_shard: false,
        placements: vec![PlacementSpec {
            name: "by_user".into(),
            types: vec![KeyType::Bigint],
            strategy: StrategySpec::Modulo { shards: None },
        }],
        tables: vec![
            table("public", "users"),
            table("app", "users"),
            table("public", "events"),
        ],
    };
    let database = Database {
        topology: Arc::new(Topology::build(&spec, Epoch(1)).expect("a topology")),
        shards: ["shop0", "shop1"]
            .map(|name| ShardServers {
                primary: address(server, name),
                replicas: Vec::new(),
            })
            .into(),
        pool: PoolSettings {
            max_size: 2,
            ..PoolSettings::default()
        },
        reads: ReadSettings::default(),
        two_phase: Default::default(),
    };
    TestProxy::start(with_databases(vec![database], server.user()))
}

async fn connect(proxy: &TestProxy, server: &Server) -> Client {
    let url = proxy.url(server.user(), "shop");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The rows' first columns, or the error's SQLSTATE.
async fn ask(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let messages = client.simple_query(sql).await.map_err(|error| {
        let code = error
            .code()
            .unwrap_or_else(|| panic!("{sql}: {error:?}"))
            .code();
        code.to_owned()
    })?;
    let mut found: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .collect();
    found.sort();
    Ok(found)
}

fn on_both(server: &Server, sql: &str) {
    for shard in ["shop0", "shop1"] {
        server.execute(shard, sql).unwrap();
    }
}

#[tokio::test]
async fn views_and_functions_are_known_and_changes_are_seen() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    on_both(
        &server,
        "create view everybody as select * from users;
         create function twice(bigint) returns bigint language sql immutable as 'select $1 * 2';
         create function next(bigint) returns bigint language plpgsql as 'begin return $1; end'",
    );
    let client = connect(&proxy, &server).await;
    for id in 1..=4 {
        ask(&client, &format!("insert into users values ({id}, 'n')"))
            .await
            .unwrap();
    }
    assert_eq!(
        ask(&client, "select id from users").await.unwrap(),
        ["1", "2", "3", "4"]
    );
    // The rows of the first shard alone would be a wrong answer.
    assert_eq!(
        ask(&client, "select id from everybody").await.unwrap(),
        ["1", "2", "3", "4"]
    );
    assert_eq!(
        ask(&client, "select twice(id) from users").await.unwrap(),
        ["2", "4", "6", "8"]
    );
    let called = ask(&client, "select next(id) from users").await;
    assert!(
        called.as_ref().is_err_and(|code| code.starts_with("SH")),
        "{called:?}"
    );
    // A statement prepared before the schema changes is planned anew after it.
    let prepared = client.prepare("select id from later").await;
    assert_eq!(prepared.unwrap_err().code().unwrap().code(), "42P01");
    on_both(&server, "create table later (id bigint)");
    let prepared = client.prepare("select id from later").await.unwrap();
    assert!(client.query(&prepared, &[]).await.unwrap().is_empty());
    // Made anew by others under a name that is known: seen once something is changed here, or a minute later.
    on_both(
        &server,
        "drop table later; create view later as select id from users",
    );
    let other = connect(&proxy, &server).await;
    ask(&other, "create table seen (id int)").await.unwrap();
    assert_eq!(
        ask(&client, "select id from later").await.unwrap(),
        ["1", "2", "3", "4"]
    );
    let again = client.query(&prepared, &[]).await.unwrap();
    assert_eq!(again.len(), 4);
    assert_eq!(ask(&client, "select id from seen").await.unwrap(), [""; 0]);
}

/// A name that the catalog lacks is looked up on the servers before it is taken for a table of the default shard.
#[tokio::test]
async fn what_others_make_on_the_servers_is_known_when_it_is_first_named() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    let client = connect(&proxy, &server).await;
    for row in ["1, 'odd'", "2, 'even'"] {
        ask(&client, &format!("insert into users values ({row})"))
            .await
            .unwrap();
    }
    assert_eq!(
        ask(&client, "select id from first").await,
        Err("42P01".to_owned())
    );
    on_both(&server, "create view first as select id from users");
    // The default shard's row alone would be a wrong answer.
    let both = Ok(vec!["1".to_owned(), "2".to_owned()]);
    assert_eq!(ask(&client, "select id from first").await, both);
    on_both(&server, "create view second as select id from users");
    let prepared = client.prepare("select id from second where id = $1").await;
    let row = client
        .query_one(&prepared.unwrap(), &[&2i64])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 2);
    on_both(&server, "create view third as select id from users");
    let script = "select id from third; select id from third where false";
    assert_eq!(ask(&client, script).await, both);
    on_both(&server, "create view fourth as select id from users");
    ask(&client, "begin").await.unwrap();
    ask(&client, "insert into users values (3, 'odd')")
        .await
        .unwrap();
    assert_eq!(
        ask(&client, "select id from fourth").await.unwrap(),
        ["1", "2", "3"]
    );
    ask(&client, "rollback").await.unwrap();
    // A name that no server knows is not waited for, and the error is PostgreSQL's.
    let start = std::time::Instant::now();
    for _ in 0..20 {
        let wrong = client.simple_query("select 1 from nothing").await;
        let wrong = wrong.unwrap_err();
        let wrong = wrong.as_db_error().unwrap();
        assert_eq!(
            (wrong.code().code(), wrong.message(), wrong.position()),
            (
                "42P01",
                "relation \"nothing\" does not exist",
                Some(&tokio_postgres::error::ErrorPosition::Original(15))
            )
        );
        let wrong = client.prepare("select 1 from nothing where $1").await;
        assert_eq!(wrong.unwrap_err().code().unwrap().code(), "42P01");
    }
    let script = "insert into users values (9, 'ü'); select 1 from nothing; select 2";
    let wrong = client.simple_query(script).await.unwrap_err();
    let wrong = wrong.as_db_error().unwrap();
    let at = tokio_postgres::error::ErrorPosition::Original(50);
    assert_eq!(
        (wrong.code().code(), wrong.position()),
        ("42P01", Some(&at))
    );
    assert_eq!(
        ask(&client, "select id from users where id = 9")
            .await
            .unwrap(),
        [""; 0]
    );
    assert!(start.elapsed() < std::time::Duration::from_secs(10));
    // In a transaction it fails that.
    ask(&client, "begin").await.unwrap();
    ask(&client, "insert into users values (9, 'odd')")
        .await
        .unwrap();
    for (sql, code) in [("select 1 from nothing", "42P01"), ("select 1", "25P02")] {
        assert_eq!(ask(&client, sql).await, Err(code.to_owned()));
    }
    ask(&client, "rollback").await.unwrap();
    assert_eq!(ask(&client, "select id from users").await, both);
}

/// What is made anew under a name that is known is seen after a reload, also one that changes no setting.
#[tokio::test]
async fn a_reload_reads_the_catalog_again() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    let client = connect(&proxy, &server).await;
    for id in [1, 2] {
        let insert = format!("insert into users values ({id}, 'n')");
        ask(&client, &insert).await.unwrap();
    }
    let notes = "select id from notes";
    assert_eq!(ask(&client, notes).await.unwrap(), [""; 0]);
    on_both(
        &server,
        "drop table notes; create view notes as select id from users",
    );
    let same = proxy.settings();
    assert_eq!(proxy.handle.reload(same).await.unwrap(), []);
    assert_eq!(ask(&client, notes).await.unwrap(), ["1", "2"]);
}

#[tokio::test]
async fn a_shards_schema_is_changed_and_seen_within_the_session() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    let client = connect(&proxy, &server).await;
    ask(&client, "begin").await.unwrap();
    ask(&client, "set shunt.shard = 's0'").await.unwrap();
    ask(&client, "create view half as select id from users")
        .await
        .unwrap();
    ask(&client, "reset shunt.shard").await.unwrap();
    assert_eq!(
        ask(&client, "select id from half").await.unwrap_err(),
        "SH018"
    );
    ask(&client, "rollback").await.unwrap();
    ask(&client, "set shunt.shard = 's0'").await.unwrap();
    ask(&client, "create view half as select id from users")
        .await
        .unwrap();
    ask(&client, "reset shunt.shard").await.unwrap();
    // The other shard has no such view, and says so.
    assert_eq!(
        ask(&client, "select id from half").await.unwrap_err(),
        "42P01"
    );
}

#[tokio::test]
async fn a_catalog_that_cannot_be_read_is_an_error_and_not_a_guess() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    let client = connect(&proxy, &server).await;
    ask(&client, "create table seen (id int)").await.unwrap();
    server.stop(local_postgres::Stop::Immediate).unwrap();
    let failed = client.simple_query("select 1").await.unwrap_err();
    let told = failed.as_db_error().expect("an error of the proxy");
    assert_eq!(
        (told.code().code(), told.message()),
        ("08001", "cannot read the catalog of the database")
    );
    server.start().unwrap();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let mut answer = ask(&client, "select id from users where id = 1").await;
    while answer.is_err() && std::time::Instant::now() < until {
        answer = ask(&client, "select id from users where id = 1").await;
    }
    assert_eq!(answer.unwrap(), [""; 0]);
}

#[tokio::test]
async fn the_search_path_of_role_and_database_is_honoured() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    for shard in ["shop0", "shop1"] {
        let sql = format!("alter database {shard} set search_path = app");
        server.execute(shard, &sql).unwrap();
    }
    let client = connect(&proxy, &server).await;
    // Without a schema it is app.users, on the shard of its key.
    for id in 1..=2 {
        ask(&client, &format!("insert into users values ({id}, 'n')"))
            .await
            .unwrap();
    }
    assert_eq!(
        server.execute("shop1", "select id from app.users").unwrap(),
        "1"
    );
    // notes is only in public, which is not in the path: whoever asks is told so by the server.
    assert_eq!(
        ask(&client, "select id from notes").await.unwrap_err(),
        "42P01"
    );
    assert_eq!(
        ask(&client, "select id from public.notes").await.unwrap(),
        [""; 0]
    );
}

#[tokio::test]
async fn an_inheritance_tree_lives_in_one_way_or_is_not_read() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    on_both(
        &server,
        "create table below () inherits (users);
         create table above (id bigint);
         create table alone (id bigint) partition by range (id);
         create table alone_1 partition of alone for values from (0) to (100);
         alter table app.users inherit above;
         insert into below values (7, 'b');
         insert into app.users values (8, 'c')",
    );
    let client = connect(&proxy, &server).await;
    // Every shard has its rows of the tree below a sharded table.
    assert_eq!(
        ask(&client, "select id from users").await.unwrap(),
        ["7", "7"]
    );
    // What inherits from it is spread as it is.
    assert_eq!(
        ask(&client, "select id from public.below").await.unwrap(),
        ["7", "7"]
    );
    // One shard's rows of an unlisted table that holds rows of a sharded one would be a wrong answer.
    for sql in ["select id from above", "delete from above"] {
        let answer = ask(&client, sql).await;
        assert_eq!(answer, Err("SH020".to_owned()), "{sql}");
    }
    // A tree that nobody lists lives on the default shard, whole.
    assert_eq!(
        ask(
            &client,
            "insert into alone values (1); select id from alone_1"
        )
        .await
        .unwrap(),
        ["1"]
    );
}

#[tokio::test]
async fn a_partition_is_spread_as_its_table_is() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    on_both(
        &server,
        "create table events (id bigint, at int, primary key (id, at)) partition by range (at);
         create table events_1 partition of events for values from (0) to (10);
         create table events_2 partition of events for values from (10) to (100) partition by range (at);
         create table events_2a partition of events_2 for values from (10) to (20);
         create view late as select id, at from events where at > 5",
    );
    let client = connect(&proxy, &server).await;
    ask(
        &client,
        "insert into events values (1, 1), (2, 1), (1, 12), (2, 12)",
    )
    .await
    .unwrap();
    // By its key, whichever table of the tree is named.
    ask(&client, "insert into events_1 values (3, 9)")
        .await
        .unwrap();
    for (sql, rows) in [
        ("select at from events_1 where id = 3", &["9"][..]),
        ("select at from events where id = 3", &["9"]),
        ("select id from events_2a where id = 2", &["2"]),
        (
            "select id from events_2 where id in (1, 2) order by id",
            &["1", "2"],
        ),
        ("select id from late where id = 3", &["3"]),
        (
            "update events_2a set at = 13 where id = 1; select at from events where id = 1 and at > 9",
            &["13"],
        ),
    ] {
        assert_eq!(ask(&client, sql).await.unwrap(), rows, "{sql}");
    }
    for (shard, count) in [("shop0", "2"), ("shop1", "3")] {
        let found = server
            .execute(shard, "select count(*) from events")
            .unwrap();
        assert_eq!(found.trim(), count);
    }
}

/// What a transaction has defined, it sees at once, and nobody else does.
#[tokio::test]
async fn a_transaction_sees_what_it_has_defined() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    let client = connect(&proxy, &server).await;
    let other = connect(&proxy, &server).await;
    let fill = "insert into users values (1, 'a'), (2, 'b'), (3, 'c')";
    ask(&client, fill).await.unwrap();
    let steps: &[(&str, Result<&[&str], &str>)] = &[
        ("begin", Ok(&[])),
        // A table that is not listed, on the default shard; and a listed one.
        ("create table made (a int, primary key (a))", Ok(&[])),
        ("insert into made values (7), (8)", Ok(&[])),
        ("select a from made", Ok(&["7", "8"])),
        (
            "create table events (id bigint primary key, at int)",
            Ok(&[]),
        ),
        (
            "insert into events values (1, 10), (2, 20), (3, 30)",
            Ok(&[]),
        ),
        ("select at from events where id = 2", Ok(&["20"])),
        ("select sum(at) from events", Ok(&["60"])),
        ("update events set at = at + 1 where id in (1, 2)", Ok(&[])),
        (
            "select at from events order by at desc limit 1",
            Ok(&["30"]),
        ),
        (
            "create table copied as select id from users where id > 1",
            Ok(&[]),
        ),
        ("select id from copied", Ok(&["2", "3"])),
        ("insert into made select id from events", Ok(&[])),
        ("select count(*) from made", Ok(&["5"])),
        // Views, also anew, and columns.
        (
            "create view seen as select id, name from users where id > 1",
            Ok(&[]),
        ),
        ("select id from seen", Ok(&["2", "3"])),
        ("select count(*) from seen", Ok(&["2"])),
        (
            "create or replace view seen as select id, name from users",
            Ok(&[]),
        ),
        ("select id from seen", Ok(&["1", "2", "3"])),
        ("savepoint one", Ok(&[])),
        ("alter table users add column extra int default 5", Ok(&[])),
        ("select sum(extra) from users", Ok(&["15"])),
        ("update users set extra = 6 where id = 3", Ok(&[])),
        ("select extra from users where id = 3", Ok(&["6"])),
        ("drop view seen", Ok(&[])),
        ("create table seen (id int)", Ok(&[])),
        ("select id from seen", Ok(&[])),
        ("drop table made", Ok(&[])),
        ("savepoint two", Ok(&[])),
        ("select a from made", Err("42P01")),
        ("rollback to savepoint two", Ok(&[])),
        (
            "create function twice(bigint) returns bigint language sql immutable as 'select $1 * 2'",
            Ok(&[]),
        ),
        ("select twice(id) from users", Ok(&["2", "4", "6"])),
        ("rollback to savepoint one", Ok(&[])),
        ("select id from seen", Ok(&["1", "2", "3"])),
        ("select a from made", Ok(&["1", "2", "3", "7", "8"])),
        ("select extra from users", Err("42703")),
        ("rollback to savepoint one", Ok(&[])),
        ("select twice(id) from users", Err("42883")),
        ("rollback", Ok(&[])),
        ("select a from made", Err("42P01")),
        ("select id from seen", Err("42P01")),
    ];
    for (sql, expected) in steps {
        let expected = expected.map(|rows| rows.iter().map(|row| (*row).to_owned()).collect());
        let expected: Result<Vec<String>, String> = expected.map_err(str::to_owned);
        assert_eq!(ask(&client, sql).await, expected, "{sql}");
        if sql.starts_with("savepoint one") {
            assert_eq!(
                ask(&other, "select a from made").await,
                Err("42P01".to_owned())
            );
            assert_eq!(ask(&other, "select id from users").await.unwrap().len(), 3);
        }
    }
    assert_eq!(ask(&other, "select id from users").await.unwrap().len(), 3);
}

/// The same in one message, with what is bound, and across the end of a transaction within a message.
/// The catalog that a transaction reads over its own connections waits for nobody. A statement does that needs what is locked,
/// on a server, which finds it in a deadlock with whoever waits for the transaction.
#[tokio::test]
async fn a_transaction_that_reads_the_catalog_gives_way() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    let made = "create table b (y int); create view both_of_them as select * from notes, b";
    server.execute("shop0", made).unwrap();
    let client = connect(&proxy, &server).await;
    let address = format!(
        "host=127.0.0.1 port={} user={} dbname=shop0",
        server.port(),
        server.user()
    );
    let (other, connection) = tokio_postgres::connect(&address, NoTls).await.unwrap();
    tokio::spawn(connection);
    let holds = "begin; lock table b in access exclusive mode";
    other.batch_execute(holds).await.unwrap();
    ask(&client, "begin").await.unwrap();
    ask(&client, "alter table notes add column x int")
        .await
        .unwrap();
    let read = ask(&client, "select count(*) from users").await;
    assert_eq!(read, Ok(vec!["0".to_owned()]));
    let (read, locked) = tokio::join!(
        async {
            let read = ask(&client, "select count(*) from both_of_them").await;
            ask(&client, "rollback").await.unwrap();
            read
        },
        other.batch_execute("lock table notes in access exclusive mode; commit")
    );
    let locked = locked.map_err(|error| error.code().unwrap().code().to_owned());
    let deadlock = Err("40P01".to_owned());
    match read {
        Ok(rows) => assert_eq!(
            (rows, locked),
            (vec!["0".to_owned()], Err("40P01".to_owned()))
        ),
        failed => assert_eq!((failed, locked), (deadlock, Ok(()))),
    }
}

#[tokio::test]
async fn what_is_defined_is_seen_by_the_rest_of_its_message() {
    let server = Server::builder().start().expect("a server starts");
    let proxy = start(&server);
    let mut client = connect(&proxy, &server).await;
    let fill = "insert into users values (1, 'a'), (2, 'b'), (3, 'c')";
    ask(&client, fill).await.unwrap();
    for (sql, expected) in [
        (
            "create table made (id int); insert into made values (7); select id from made",
            &["7"][..],
        ),
        ("select id from made", &["7"]),
        (
            "begin; create view mine as select * from users; select id from mine; commit",
            &["1", "2", "3"],
        ),
        (
            "begin; create or replace view mine as select * from users where id > 1; commit; select id from mine",
            &["2", "3"],
        ),
        (
            "create table events (id bigint primary key); insert into events select id from users; select id from events where id = 3",
            &["3"],
        ),
        (
            "drop view mine; create view mine as select id from made; select id from mine",
            &["7"],
        ),
        ("drop view mine; drop table made; drop table events", &[]),
    ] {
        assert_eq!(ask(&client, sql).await.unwrap(), expected, "{sql}");
    }
    // Bound statements, those among them that were prepared before.
    let all = client
        .prepare("select id, name from users order by id")
        .await
        .unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute("create table made (id int)", &[])
        .await
        .unwrap();
    let insert = transaction
        .prepare("insert into made values ($1)")
        .await
        .unwrap();
    for id in [1, 2, 3] {
        transaction.execute(&insert, &[&id]).await.unwrap();
    }
    let rows = transaction
        .query("select id from made where id > $1", &[&1])
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    transaction
        .execute("create view mine as select id from users where id > 1", &[])
        .await
        .unwrap();
    let mine = transaction
        .prepare("select id from mine where id < $1")
        .await
        .unwrap();
    assert_eq!(transaction.query(&mine, &[&3i64]).await.unwrap().len(), 1);
    transaction
        .execute("create or replace view mine as select id from users", &[])
        .await
        .unwrap();
    assert_eq!(transaction.query(&mine, &[&3i64]).await.unwrap().len(), 2);
    assert_eq!(transaction.query(&all, &[]).await.unwrap().len(), 3);
    transaction.rollback().await.unwrap();
    let gone = client.query(&mine, &[&3i64]).await.unwrap_err();
    assert_eq!(gone.code().unwrap().code(), "42P01");
    assert_eq!(client.query(&all, &[]).await.unwrap().len(), 3);
}
