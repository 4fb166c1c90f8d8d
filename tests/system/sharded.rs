//! The proxy before two shards: one statement on one shard, on both, in transactions over both.

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
use shunt_tests::raw::RawClient;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Two databases of one server are two shards: users by `id` modulo 2.
struct Shop {
    server: Server,
    proxy: TestProxy,
}

impl Shop {
    fn start() -> Self {
        let server = Server::builder()
            .database("shop0")
            .start()
            .expect("a server starts");
        server.execute("shop0", "create database shop1").unwrap();
        for shard in ["shop0", "shop1"] {
            server
                .execute(shard, "create table users (id bigint primary key, name text); create table far (id bigint primary key)")
                .unwrap();
        }
        let database = Self::database(&server, None);
        let proxy = TestProxy::start(with_databases(vec![database], server.user()));
        Self { server, proxy }
    }

    /// The database, perhaps with the table `far` on a shard.
    fn database(server: &Server, far: Option<&str>) -> Database {
        let mut spec = TopologySpec {
            database: "shop".into(),
            shards: ["s0", "s1"]
                .map(|name| ShardSpec {
                    name: name.into(),
                    has_replicas: false,
                })
                .into(),
            default_shard: None,
            scratch: None,
            triggers_per_shard: false,
            placements: vec![PlacementSpec {
                name: "by_user".into(),
                types: vec![KeyType::Bigint],
                strategy: StrategySpec::Modulo { shards: None },
            }],
            tables: vec![TableSpec {
                schema: "public".into(),
                name: "users".into(),
                home: HomeSpec::Sharded {
                    key: vec!["id".into()],
                    placement: "by_user".into(),
                },
            }],
        };
        if let Some(shard) = far {
            spec.tables.push(TableSpec {
                schema: "public".into(),
                name: "far".into(),
                home: HomeSpec::Pinned(shard.into()),
            });
        }
        Database {
            topology: Arc::new(Topology::build(&spec, Epoch(1)).expect("a topology")),
            shards: ["shop0", "shop1"]
                .map(|name| ShardServers {
                    primary: address(server, name),
                    replicas: Vec::new(),
                })
                .into(),
            pool: PoolSettings {
                max_size: 1,
                ..PoolSettings::default()
            },
            reads: ReadSettings::default(),
            two_phase: Default::default(),
        }
    }

    async fn connect(&self) -> Client {
        let url = self.proxy.url(self.server.user(), "shop");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    fn on(&self, shard: &str, sql: &str) -> String {
        self.server.execute(shard, sql).unwrap()
    }
}

async fn ask(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await;
    let mut found: Vec<_> = messages
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .collect();
    found.sort();
    found
}

async fn fails(client: &Client, sql: &str) -> String {
    let failed = client.simple_query(sql).await;
    let error = failed.expect_err(sql);
    error
        .code()
        .unwrap_or_else(|| panic!("{sql}: {error:?}"))
        .code()
        .to_owned()
}

async fn filled(shop: &Shop) -> Client {
    let client = shop.connect().await;
    for id in 1..=6 {
        let sql = format!("insert into users (id, name) values ({id}, 'user {id}')");
        client.simple_query(&sql).await.unwrap();
    }
    client
}

#[tokio::test]
async fn statements_find_their_shards() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    assert_eq!(
        shop.on(
            "shop0",
            "select string_agg(id::text, ',' order by id) from users"
        ),
        "2,4,6"
    );
    assert_eq!(
        shop.on(
            "shop1",
            "select string_agg(id::text, ',' order by id) from users"
        ),
        "1,3,5"
    );
    assert_eq!(
        ask(&client, "select name from users where id = 3").await,
        ["user 3"]
    );
    assert_eq!(
        ask(&client, "select id from users").await,
        ["1", "2", "3", "4", "5", "6"]
    );
    assert_eq!(
        ask(&client, "select id from users where id in (1, 2)").await,
        ["1", "2"]
    );
    // The extended protocol, with the key as a parameter, text and binary.
    let one = client
        .prepare("select name from users where id = $1")
        .await
        .unwrap();
    for id in 1..=6i64 {
        let row = client.query_one(&one, &[&id]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), format!("user {id}"));
    }
    let all = client
        .query("select id from users where name <> $1", &[&"user 2"])
        .await
        .unwrap();
    assert_eq!(all.len(), 5);
    assert_eq!(
        client
            .execute("update users set name = 'x' where id = $1", &[&4i64])
            .await
            .unwrap(),
        1
    );
    assert_eq!(shop.on("shop0", "select name from users where id = 4"), "x");
}

#[tokio::test]
async fn an_error_on_one_shard_is_one_error() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    for _ in 0..3 {
        assert_eq!(
            fails(&client, "select 1 / (id - 3) from users").await,
            "22012"
        );
        assert!(
            client
                .query("select 1 / (id - $1) from users", &[&3i64])
                .await
                .is_err()
        );
        assert_eq!(
            ask(&client, "select id from users where id < 3").await,
            ["1", "2"]
        );
    }
    assert_eq!(
        fails(&client, "update users set id = 1 / (id - 3)").await,
        "22012"
    );
    assert_eq!(fails(&client, "select * from nowhere").await, "42P01");
    assert_eq!(fails(&client, "select * from far").await, "SH001");
}

#[tokio::test]
async fn transactions_reach_over_shards() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    let other = shop.connect().await;
    client.simple_query("begin").await.unwrap();
    assert_eq!(
        ask(&client, "select name from users where id = 1").await,
        ["user 1"]
    );
    client.simple_query("savepoint a").await.unwrap();
    client
        .simple_query("update users set name = 'b' where id = 2")
        .await
        .unwrap();
    assert_eq!(ask(&client, "select id from users").await.len(), 6);
    // A second shard that is written, and fails.
    client
        .simple_query("update users set name = 'b' where id = 3")
        .await
        .unwrap();
    assert_eq!(
        fails(&client, "insert into users (id) values (5)").await,
        "23505"
    );
    assert_eq!(fails(&client, "select 1").await, "25P02");
    client.simple_query("rollback to a").await.unwrap();
    assert_eq!(
        ask(&client, "select name from users where id = 2").await,
        ["user 2"]
    );
    client
        .simple_query("update users set name = 'c' where id = 2")
        .await
        .unwrap();
    client.simple_query("commit").await.unwrap();
    assert_eq!(shop.on("shop0", "select name from users where id = 2"), "c");
    // An error on one shard undoes the other.
    client.simple_query("begin").await.unwrap();
    client
        .simple_query("update users set name = 'd' where id = 2")
        .await
        .unwrap();
    assert_eq!(
        fails(&client, "select 1 / 0 from users where id = 1").await,
        "22012"
    );
    client.simple_query("commit").await.unwrap();
    assert_eq!(shop.on("shop0", "select name from users where id = 2"), "c");
    assert_eq!(ask(&other, "select id from users").await.len(), 6);
}

#[tokio::test]
async fn several_statements_of_one_message_are_all_carried_out_or_none() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    let got = ask(
        &client,
        "select name from users where id = 1; select name from users where id = 2",
    )
    .await;
    assert_eq!(got, ["user 1", "user 2"]);
    client
        .simple_query("begin; insert into users (id, name) values (8, 'h'); commit")
        .await
        .unwrap();
    assert_eq!(shop.on("shop0", "select name from users where id = 8"), "h");
    // The second insert fails, and with it the first; nothing of it stays open.
    let failed = fails(
        &client,
        "insert into users (id, name) values (10, 'j'); select id from users; insert into users (id, name) values (10, 'j')",
    )
    .await;
    assert_eq!(failed, "23505");
    assert_eq!(
        shop.on("shop0", "select count(*) from users where id = 10"),
        "0"
    );
    assert_eq!(ask(&client, "select id from users").await.len(), 7);
}

#[tokio::test]
async fn the_drivers_own_transactions_work() {
    let shop = Shop::start();
    let mut client = filled(&shop).await;
    let transaction = client.transaction().await.unwrap();
    let changed = transaction
        .execute(
            "update users set name = $2 where id = $1",
            &[&5i64, &"five"],
        )
        .await
        .unwrap();
    assert_eq!(changed, 1);
    assert_eq!(
        transaction
            .query("select id from users", &[])
            .await
            .unwrap()
            .len(),
        6
    );
    transaction.rollback().await.unwrap();
    assert_eq!(
        shop.on("shop1", "select name from users where id = 5"),
        "user 5"
    );
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute(
            "update users set name = $2 where id = $1",
            &[&5i64, &"five"],
        )
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(
        shop.on("shop1", "select name from users where id = 5"),
        "five"
    );
}

/// The setting on the one shard and on the other.
async fn work_mem(client: &Client) -> [String; 2] {
    let on = |shard: &str| format!("/* shunt: shard={shard} */ select current_setting('work_mem')");
    [
        ask(client, &on("s0")).await.join(","),
        ask(client, &on("s1")).await.join(","),
    ]
}

#[tokio::test]
async fn directives_and_settings() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    client.simple_query("set shunt.shard = 's1'").await.unwrap();
    assert_eq!(ask(&client, "show shunt.shard").await, ["s1"]);
    assert_eq!(ask(&client, "select id from users").await, ["1", "3", "5"]);
    client.simple_query("reset shunt.shard").await.unwrap();
    assert_eq!(ask(&client, "select id from users").await.len(), 6);
    client.simple_query("set work_mem = '3MB'").await.unwrap();
    assert_eq!(work_mem(&client).await, ["3MB", "3MB"]);
    client.simple_query("begin").await.unwrap();
    client
        .simple_query("set local work_mem = '2MB'")
        .await
        .unwrap();
    assert_eq!(work_mem(&client).await, ["2MB", "2MB"]);
    client.simple_query("set work_mem = '5MB'").await.unwrap();
    client.simple_query("rollback").await.unwrap();
    assert_eq!(work_mem(&client).await, ["3MB", "3MB"]);
    let other = shop.connect().await;
    assert_eq!(work_mem(&other).await, ["4MB", "4MB"]);
    let plan = ask(&client, "explain (shunt) select id from users where id = 1").await;
    assert!(!plan.is_empty());
}

/// Drivers and tools that set a setting by a query: pg_dump, Django.
#[tokio::test]
async fn a_setting_made_by_a_query_holds_on_all_shards() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    let set = |value: &str, local: bool| {
        format!("select pg_catalog.set_config('work_mem', '{value}', {local})")
    };
    assert_eq!(ask(&client, &set("3MB", false)).await, ["3MB"]);
    assert_eq!(work_mem(&client).await, ["3MB", "3MB"]);
    let rows = client.query(&set("3073kB", false), &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, &str>(0), "3073kB");
    assert_eq!(work_mem(&client).await, ["3073kB", "3073kB"]);
    // In a transaction: on the shard that takes part, and on those that will.
    client.simple_query("begin").await.unwrap();
    ask(&client, "select id from users where id = 1").await;
    assert_eq!(ask(&client, &set("2MB", true)).await, ["2MB"]);
    assert_eq!(work_mem(&client).await, ["2MB", "2MB"]);
    // By now on both, and answered once.
    assert_eq!(ask(&client, &set("5MB", false)).await, ["5MB"]);
    assert_eq!(work_mem(&client).await, ["5MB", "5MB"]);
    client.simple_query("rollback").await.unwrap();
    assert_eq!(work_mem(&client).await, ["3073kB", "3073kB"]);
    client.simple_query("begin").await.unwrap();
    ask(&client, &set("6MB", false)).await;
    assert_eq!(work_mem(&client).await, ["6MB", "6MB"]);
    client.simple_query("rollback").await.unwrap();
    assert_eq!(work_mem(&client).await, ["3073kB", "3073kB"]);
    // A list of names, and an empty one.
    ask(
        &client,
        "select set_config('search_path', 'hidden, \"$user\"', false)",
    )
    .await;
    let shown = "/* shunt: shard=s1 */ show search_path";
    assert_eq!(ask(&client, shown).await, ["hidden, \"$user\""]);
    ask(&client, "select set_config('search_path', '', false)").await;
    assert_eq!(ask(&client, "select id from public.users").await.len(), 6);
    assert_eq!(fails(&client, "select id from users").await, "42P01");
    // One that is refused does not stand for the others of its shape.
    let shaped = |name: &str| format!("select set_config('{name}', '0.5', false)");
    assert_eq!(fails(&client, &shaped("seed")).await, "SH013");
    assert_eq!(ask(&client, &shaped("my.half")).await, ["0.5"]);
    assert_eq!(fails(&client, &shaped("seed")).await, "SH013");
    // Nobody else has any of it.
    let other = shop.connect().await;
    assert_eq!(work_mem(&other).await, ["4MB", "4MB"]);
    assert_eq!(ask(&other, "select id from users").await.len(), 6);
}

/// Settings that a rolled back savepoint undoes are undone for every shard, and no other.
#[tokio::test]
async fn a_savepoint_undoes_settings_on_all_shards() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    for sql in [
        "begin",
        "set work_mem = '3MB'",
        "select id from users where id = 1",
        "savepoint a",
        "set work_mem = '5MB'",
        "select id from users where id = 2",
        "rollback to a",
        "commit",
    ] {
        client.simple_query(sql).await.unwrap();
    }
    assert_eq!(work_mem(&client).await, ["3MB", "3MB"]);
    let sql = "begin; set work_mem = '6MB'; savepoint a; set work_mem = '7MB'; savepoint b; \
               set work_mem = '8MB'; release b; rollback to a; commit";
    client.simple_query(sql).await.unwrap();
    assert_eq!(work_mem(&client).await, ["6MB", "6MB"]);
    // What others leave in the pool is not seen, before or after.
    let other = shop.connect().await;
    for sql in [
        "begin",
        "savepoint a",
        "set work_mem = '9MB'",
        "rollback to a",
        "commit",
    ] {
        other.simple_query(sql).await.unwrap();
    }
    assert_eq!(work_mem(&client).await, ["6MB", "6MB"]);
    assert_eq!(work_mem(&other).await, ["4MB", "4MB"]);
    assert_eq!(work_mem(&client).await, ["6MB", "6MB"]);
}

/// What a pipeline sets holds for what follows in it, on every shard, and afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_sets_for_all_shards() {
    let shop = Shop::start();
    let client = filled(&shop).await;
    let mut raw = RawClient::trust(shop.proxy.address, shop.server.user(), "shop").unwrap();
    let shown =
        |shard: &str| format!("/* shunt: shard={shard} */ select current_setting('work_mem')");
    let (one, two) = (shown("s0"), shown("s1"));
    let mut value = 0;
    for set in [
        "set work_mem = '{}MB'",
        "select set_config('work_mem', '{}MB', false)",
        "set session work_mem to '{}MB'",
    ] {
        for before in [
            None,
            Some("select id from users where id = 1"),
            Some("select 1"),
        ] {
            value += 1;
            let set = set.replace("{}", &value.to_string());
            let statements: Vec<&str> = before
                .into_iter()
                .chain([&*set, &*one, &*two, "select id from users order by id"])
                .collect();
            let shown = pipeline(&mut raw, &statements);
            let expected = [format!("{value}MB"), format!("{value}MB")];
            let at = usize::from(before.is_some()) + usize::from(set.starts_with("select"));
            assert_eq!(shown[at..at + 2], expected, "{statements:?}");
            // Afterwards, and for nobody else.
            assert_eq!(pipeline(&mut raw, &[&one]), expected[..1]);
            assert_eq!(pipeline(&mut raw, &[&two]), expected[..1]);
            assert_eq!(work_mem(&client).await, ["4MB", "4MB"]);
        }
    }
    // Local to the pipeline's transaction, and undone where it fails.
    let local = pipeline(&mut raw, &["set local work_mem = '99MB'", &two, &one]);
    assert_eq!(local, ["99MB", "99MB"]);
    pipeline(&mut raw, &["set work_mem = '98MB'", &two, "select 1 / 0"]);
    let expected = format!("{value}MB");
    assert_eq!(pipeline(&mut raw, &[&one, &two]), [&*expected, &*expected]);
    assert_eq!(
        pipeline(&mut raw, &["reset work_mem", &two, &one]),
        ["4MB", "4MB"]
    );
    assert_eq!(pipeline(&mut raw, &[&one]), ["4MB"]);
    assert_eq!(pipeline(&mut raw, &[&two]), ["4MB"]);
}

/// Statements without a `Sync` between them; the first columns of their rows.
fn pipeline(client: &mut RawClient, statements: &[&str]) -> Vec<String> {
    for sql in statements {
        let mut parse = vec![0];
        parse.extend_from_slice(sql.as_bytes());
        parse.extend_from_slice(&[0, 0, 0]);
        client.send(b'P', &parse).unwrap();
        client.send(b'B', &[0; 8]).unwrap();
        client.send(b'E', &[0; 5]).unwrap();
    }
    client.send(b'S', b"").unwrap();
    let rows = client.until_ready().unwrap();
    rows.iter()
        .filter(|message| message.tag == b'D')
        .map(|row| String::from_utf8(row.columns()[0].clone().unwrap()).unwrap())
        .collect()
}

/// What is no command at all is the syntax error that one PostgreSQL would give, before anything of the string runs.
#[tokio::test]
async fn a_mistyped_command_is_a_syntax_error() {
    let shop = Shop::start();
    let client = shop.connect().await;
    for text in [
        "selct 1",
        "insert into users values (2, 'ann'); selct 1",
        "begin; insert into users values (2, 'ann'); commit; (selct 1)",
    ] {
        let error = client.simple_query(text).await.unwrap_err();
        let error = error.as_db_error().expect("an error of the database");
        assert_eq!(error.code().code(), "42601", "{text}");
        assert_eq!(error.message(), "syntax error at or near \"selct\"");
    }
    let error = client.prepare("selct $1").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42601");
    let count = "select count(*) from users";
    assert_eq!(shop.server.execute("shop0", count).unwrap(), "0");
}

/// Whoever asks for the plan of a statement sees its values, and where they lead.
#[tokio::test]
async fn the_plan_shows_the_values_of_its_statement() {
    let shop = Shop::start();
    let client = shop.connect().await;
    let plan = client
        .simple_query("explain (shunt) select * from users where id = 7")
        .await
        .unwrap();
    let lines: Vec<&str> = plan
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    assert_eq!(lines[0], "one shard: by_user(7)");
    assert_eq!(lines[1], "  now: s1");
}

/// A table that a reload lists, and one that it moves: clients that stay find them, also by what they had prepared.
#[tokio::test]
async fn a_reload_changes_where_tables_live_under_clients_that_stay() {
    let shop = Shop::start();
    let client = shop.connect().await;
    let insert = "insert into far values (1)";
    assert_eq!(fails(&client, insert).await, "SH001");
    let reload = async |far: Option<&str>| {
        let database = Shop::database(&shop.server, far);
        let settings = with_databases(vec![database], shop.server.user());
        let changed = shop.proxy.handle.reload(settings).await.unwrap();
        changed
            .into_iter()
            .map(|change| change.key)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        reload(Some("s0")).await,
        ["databases[shop].tables[public.far]"]
    );
    client.simple_query(insert).await.unwrap();
    let prepared = client.prepare("insert into far values ($1)").await.unwrap();
    client.execute(&prepared, &[&2i64]).await.unwrap();
    // A transaction under way ends where it began.
    client.simple_query("begin").await.unwrap();
    client.execute(&prepared, &[&3i64]).await.unwrap();
    assert_eq!(
        reload(Some("s1")).await,
        ["databases[shop].tables[public.far]"]
    );
    client.execute(&prepared, &[&4i64]).await.unwrap();
    client.simple_query("commit").await.unwrap();
    client.execute(&prepared, &[&5i64]).await.unwrap();
    client
        .simple_query("insert into far values (6)")
        .await
        .unwrap();
    let rows = "select string_agg(id::text, ',' order by id) from far";
    assert_eq!(shop.on("shop0", rows), "1,2,3,4");
    assert_eq!(shop.on("shop1", rows), "5,6");
}

#[tokio::test]
async fn texts_in_another_encoding_are_refused() {
    let shop = Shop::start();
    let client = shop.connect().await;
    ask(&client, "SET client_encoding TO latin1").await;
    ask(&client, "INSERT INTO users VALUES (1, 'plain')").await;
    // In LATIN1 these bytes are other characters than in UTF-8, in which the router would read them.
    let refused = fails(&client, "INSERT INTO users VALUES (2, 'é')").await;
    assert_eq!(refused, "SH002");
    let named = client
        .query("SELECT name FROM users WHERE id = $1", &[&1i64])
        .await
        .expect("a binary number is no text");
    assert_eq!(named[0].get::<_, &str>(0), "plain");
    let bound = client
        .execute("UPDATE users SET name = $1 WHERE id = 1", &[&"é"])
        .await
        .expect_err("a text that is read otherwise");
    assert_eq!(bound.code().expect("a state").code(), "SH002");
    ask(&client, "SET client_encoding TO utf8").await;
    ask(&client, "INSERT INTO users VALUES (2, 'é')").await;
}
