//! Statements that are carried out in steps over three shards.

use std::sync::Arc;

use local_postgres::Server;
use router_core::id::Epoch;
use router_core::topology::Topology;
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, ShardSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::value::KeyType;
use router_proxy::settings::{Database, GatherLimits, PoolSettings, ReadSettings, ShardServers};
use shunt_tests::proxy::{TestProxy, address, with_databases};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

const SHARDS: [&str; 3] = ["s0", "s1", "s2"];

const SCHEMA: &str = r#"
    create table users (id bigint primary key, name text collate "C", score numeric, level int);
    create table orders (id bigint primary key, user_id bigint not null, total numeric)
"#;

/// Three databases of one server are three shards: users by `id` modulo 3, orders by their own `id`.
struct World {
    server: Server,
    proxy: TestProxy,
}

impl World {
    fn start() -> Self {
        Self::with(GatherLimits::default(), 5)
    }

    fn with(gather: GatherLimits, max_size: usize) -> Self {
        Self::with_scratch(gather, max_size, Some("s0"))
    }

    fn with_scratch(gather: GatherLimits, max_size: usize, scratch: Option<&str>) -> Self {
        let server = Server::builder()
            .database("s0")
            .start()
            .expect("a server starts");
        for shard in &SHARDS[1..] {
            server
                .execute("s0", &format!("create database {shard}"))
                .unwrap();
        }
        for shard in SHARDS {
            server.execute(shard, SCHEMA).unwrap();
        }
        let table = |name: &str| TableSpec {
            schema: "public".into(),
            name: name.into(),
            home: HomeSpec::Sharded {
                key: vec!["id".into()],
                placement: "by_id".into(),
            },
        };
        for (name, shard) in [("labels", "s2"), ("notes", "s1")] {
            let sql = format!("create table {name} (level int primary key, text text)");
            server.execute(shard, &sql).unwrap();
        }
        let whole = |name: &str, shard: &str| TableSpec {
            schema: "public".into(),
            name: name.into(),
            home: HomeSpec::Pinned(shard.into()),
        };
        let spec = TopologySpec {
            database: "shop".into(),
            shards: SHARDS
                .map(|name| ShardSpec {
                    name: name.into(),
                    has_replicas: false,
                })
                .into(),
            default_shard: None,
            scratch: scratch.map(str::to_owned),
            triggers_per_shard: false,
            placements: vec![PlacementSpec {
                name: "by_id".into(),
                types: vec![KeyType::Bigint],
                strategy: StrategySpec::Modulo { shards: None },
            }],
            tables: vec![
                table("users"),
                table("orders"),
                whole("labels", "s2"),
                whole("notes", "s1"),
            ],
        };
        let database = Database {
            topology: Arc::new(Topology::build(&spec, Epoch(1)).expect("a topology")),
            shards: SHARDS
                .map(|name| ShardServers {
                    primary: address(&server, name),
                    replicas: Vec::new(),
                })
                .into(),
            pool: PoolSettings {
                max_size,
                ..PoolSettings::default()
            },
            reads: ReadSettings {
                gather,
                ..ReadSettings::default()
            },
            two_phase: Default::default(),
        };
        let proxy = TestProxy::start(with_databases(vec![database], server.user()));
        Self { server, proxy }
    }

    async fn connect(&self) -> Client {
        let url = self.proxy.url(self.server.user(), "shop");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Users 1 to `count`, loaded into the shards directly, and two orders of each.
    fn fill(&self, count: usize) {
        self.fill_from(1, count);
    }

    fn fill_from(&self, first: usize, count: usize) {
        for (at, shard) in SHARDS.iter().enumerate() {
            let sql = format!(
                "insert into users select i, 'user ' || i, i % 7, case when i % 5 = 0 then null else i % 5 end \
                 from generate_series({first}, {count}) i where i % 3 = {at};
                 insert into orders select i, (i + 1) / 2, i * 1.5 from generate_series(2 * {first} - 1, 2 * {count}) i where i % 3 = {at}"
            );
            self.server.execute(shard, &sql).unwrap();
        }
    }
}

/// The rows of the last statement of a query string, each with its columns in one text.
async fn ask(client: &Client, sql: &str) -> Vec<String> {
    let messages = client.simple_query(sql).await;
    messages
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let columns = (0..row.len()).map(|i| row.get(i).unwrap_or("NULL"));
                Some(columns.collect::<Vec<_>>().join("|"))
            }
            _ => None,
        })
        .collect()
}

async fn fails(client: &Client, sql: &str) -> String {
    let error = client.simple_query(sql).await.expect_err(sql);
    let code = error.code().unwrap_or_else(|| panic!("{sql}: {error:?}"));
    code.code().to_owned()
}

#[tokio::test]
async fn sorted_answers_are_merged_and_cut_off() {
    let world = World::start();
    world.fill(100);
    let client = world.connect().await;
    assert_eq!(
        ask(
            &client,
            "select id, name from users order by id limit 4 offset 2"
        )
        .await,
        ["3|user 3", "4|user 4", "5|user 5", "6|user 6"]
    );
    let names = ask(&client, "select name from users order by level desc, id").await;
    assert_eq!(names.len(), 100);
    assert_eq!(names[..3], ["user 5", "user 10", "user 15"]);
    assert_eq!(names[99], "user 96");
    // Over and again on the same connections, in a transaction and in a message of several statements.
    assert_eq!(
        ask(
            &client,
            "begin; select id from users order by score desc, id limit 2; commit"
        )
        .await,
        ["6", "13"]
    );
    assert_eq!(
        fails(&client, "select id from users order by id limit -1").await,
        "2201W"
    );
    assert_eq!(
        fails(&client, "select 1/(id-50) from users order by id").await,
        "22012"
    );
    assert_eq!(
        ask(&client, "select id from users order by id limit 1").await,
        ["1"]
    );
}

#[tokio::test]
async fn results_of_shards_are_put_together_without_a_scratch_server() {
    let world = World::with_scratch(GatherLimits::default(), 5, None);
    let client = world.connect().await;
    let sums = "select count(*), sum(level), count(level) from users";
    assert_eq!(ask(&client, sums).await, ["0|NULL|0"]);
    let whole = "select avg(score), max(name) || '!', min(level), coalesce(sum(score), 0) + 1, bool_or(level > 4) from users";
    assert_eq!(ask(&client, whole).await, ["NULL|NULL|NULL|1|NULL"]);
    let groups = "select level, count(*), avg(id) from users group by level having count(*) > 1 order by level desc nulls last";
    assert_eq!(ask(&client, groups).await, [""; 0]);
    world.fill(100);
    assert_eq!(ask(&client, sums).await, ["100|200|80"]);
    let expected = ["2.9700000000000000|user 99!|1|298|f"];
    assert_eq!(ask(&client, whole).await, expected);
    let expected = [
        "4|20|51.5000000000000000",
        "3|20|50.5000000000000000",
        "2|20|49.5000000000000000",
        "1|20|48.5000000000000000",
        "NULL|20|52.5000000000000000",
    ];
    assert_eq!(ask(&client, groups).await, expected);
    // The types, and where the columns come from, are those of the client's own text; in binary too.
    let rows = client
        .query(
            "select level, count(*) + $1 from users where id > $2 group by level order by 1",
            &[&1i64, &90i64],
        )
        .await
        .unwrap();
    let found: Vec<(Option<i32>, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(
        found,
        [1, 2, 3, 4]
            .map(|n| (Some(n), 3))
            .into_iter()
            .chain([(None, 3)])
            .collect::<Vec<_>>()
    );
    let row = client
        .query_one(
            "select count(*), sum(level) from users where id < $1",
            &[&0i64],
        )
        .await
        .unwrap();
    assert_eq!(
        (row.get::<_, i64>(0), row.get::<_, Option<i64>>(1)),
        (0, None)
    );
    // A transaction sees what it has written, reads or not; an error fails it.
    for begin in [
        "begin",
        "begin transaction isolation level repeatable read read only",
    ] {
        client.simple_query(begin).await.unwrap();
        assert_eq!(ask(&client, sums).await, ["100|200|80"]);
        assert_eq!(ask(&client, groups).await.len(), 5);
        client.simple_query("commit").await.unwrap();
    }
    client
        .simple_query("begin; update users set level = level + 1")
        .await
        .unwrap();
    assert_eq!(ask(&client, sums).await, ["100|280|80"]);
    assert_eq!(ask(&client, groups).await[1], "4|20|50.5000000000000000");
    // No table was made, so what was written on three shards can be prepared there.
    client.simple_query("commit").await.unwrap();
    assert_eq!(ask(&client, sums).await, ["100|280|80"]);
    client.simple_query("begin").await.unwrap();
    assert_eq!(
        fails(&client, "select count(*) / (count(*) - 100) from users").await,
        "22012"
    );
    assert_eq!(fails(&client, sums).await, "25P02");
    client.simple_query("rollback").await.unwrap();
    // What would have to be kept is limited, and the client told what helps.
    let many = "select id % 30000, count(*), min(name), max(name) from users group by 1";
    assert_eq!(ask(&client, many).await.len(), 100);
    world.fill_from(101, 60_000);
    assert_eq!(fails(&client, many).await, "SH028");
    assert_eq!(ask(&client, "select count(*) from users").await, ["60000"]);
}

#[tokio::test]
async fn of_equal_numbers_the_one_with_the_least_key_is_shown() {
    let world = World::start();
    let client = world.connect().await;
    let insert = "insert into users values (1, 'a', 2.50), (2, 'b', 2.5), (3, 'c', 2.500), (4, 'd', 1.0), (6, 'f', 1)";
    client.simple_query(insert).await.unwrap();
    for sql in [
        "select score from users group by score",
        "select distinct score from users",
        "select distinct u.score from users u",
    ] {
        let mut scores = ask(&client, sql).await;
        scores.sort();
        assert_eq!(scores, ["1.0", "2.50"], "{sql}");
    }
    let sorted = "select score, count(*) from users group by score order by count(*)";
    assert_eq!(ask(&client, sorted).await, ["1.0|2", "2.50|3"]);
    // Those whose digits make the digits of a sum; through parameters as well.
    let sum = "select sum(distinct score) from users";
    assert_eq!(ask(&client, sum).await, ["3.50"]);
    let text = "select sum(distinct score)::text from users where id < $1";
    let row = client.query_one(text, &[&9i64]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "3.50");
    // Zeros with a sign, and texts of a collation for which case is nothing.
    let change = "alter table users add column zero float8 default 0;
        create collation anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        alter table users add column word text collate anycase default 'same'";
    for statement in change.split(';') {
        client.simple_query(statement).await.unwrap();
    }
    let others = "update users set zero = '-0', word = 'SAME' where id > 1";
    client.simple_query(others).await.unwrap();
    for (sql, expected) in [
        ("select zero from users group by zero", "0"),
        ("select distinct zero from users", "0"),
        ("select word, count(*) from users group by word", "same|5"),
    ] {
        assert_eq!(ask(&client, sql).await, [expected], "{sql}");
    }
}

#[tokio::test]
async fn many_groups_are_put_together_on_the_scratch_server() {
    let world = World::start();
    world.fill(9_000);
    let client = world.connect().await;
    let many = "select -id / 2 as half, count(*), max(name) from users group by 1 order by 1 desc";
    let check = |rows: Vec<String>| {
        assert_eq!(rows.len(), 4501);
        assert_eq!(rows[..2], ["0|1|user 1", "-1|2|user 3"]);
    };
    check(ask(&client, many).await);
    let messages = client.simple_query(many).await.unwrap();
    let described = messages
        .iter()
        .filter(|m| matches!(m, SimpleQueryMessage::RowDescription(_)));
    assert_eq!(described.count(), 1);
    let rows = client.query(many, &[]).await.unwrap();
    assert_eq!((rows.len(), rows[1].get::<_, i64>(1)), (4501, 2));
    for begin in [
        "begin",
        "begin read only",
        "begin; set transaction read only",
        "begin; set transaction isolation level repeatable read, read only",
        "begin; set local transaction_read_only = on",
        "begin; begin read only",
    ] {
        client.simple_query(begin).await.unwrap();
        check(ask(&client, many).await);
        check(ask(&client, many).await);
        client.simple_query("commit").await.unwrap();
    }
    let left = "select count(*) from pg_class where relname like 'shunt%'";
    assert_eq!(world.server.execute("s0", left).unwrap(), "0");
}

#[tokio::test]
async fn rows_are_gathered_where_the_answer_is_found() {
    let world = World::start();
    world.fill(100);
    let client = world.connect().await;
    let join = "select u.name, sum(o.total) from users u join orders o on o.user_id = u.id \
                where u.id <= 3 group by u.name order by u.name";
    let expected = ["user 1|4.5", "user 2|10.5", "user 3|16.5"];
    assert_eq!(ask(&client, join).await, expected);
    // A transaction sees what it has written itself, and keeps nothing of the gathering.
    let changed = [
        "begin",
        "update orders set total = 100 where id = 1",
        join,
        join,
    ];
    for sql in &changed[..2] {
        client.simple_query(sql).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(
            ask(&client, join).await,
            ["user 1|103.0", "user 2|10.5", "user 3|16.5"]
        );
    }
    client.simple_query("commit").await.unwrap();
    for isolation in ["read committed", "repeatable read"] {
        let begin = format!("begin transaction isolation level {isolation} read only");
        client.simple_query(&begin).await.unwrap();
        assert_eq!(ask(&client, join).await.len(), 3);
        assert_eq!(ask(&client, join).await.len(), 3);
        client.simple_query("commit").await.unwrap();
    }
    let left = "select count(*) from pg_class where relname like 'shunt%'";
    assert_eq!(world.server.execute("s0", left).unwrap(), "0");
    // In a message of several statements.
    let script = format!("begin; {join}; commit; select 1");
    assert_eq!(ask(&client, &script).await.len(), 4);
    // An error of any step fails the statement, and the transaction around it.
    let wrong =
        "select count(*) from users u join orders o on o.user_id = u.id where 1 / (u.id - 50) = 0";
    assert_eq!(fails(&client, wrong).await, "22012");
    client.simple_query("begin").await.unwrap();
    assert_eq!(fails(&client, wrong).await, "22012");
    assert_eq!(fails(&client, join).await, "25P02");
    client.simple_query("rollback").await.unwrap();
    assert_eq!(ask(&client, join).await.len(), 3);
}

#[tokio::test]
async fn parameters_and_formats_are_the_clients() {
    let world = World::start();
    world.fill(100);
    let mut client = world.connect().await;
    // Binary results, a parameter whose type only the statement tells.
    let sorted = "select id, name, level from users where id > $1 order by level nulls first, id desc limit $2";
    for _ in 0..2 {
        let rows = client.query(sorted, &[&90i64, &3i64]).await.unwrap();
        let found: Vec<(i64, String, Option<i32>)> = rows
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect();
        let named = |id: i64, level| (id, format!("user {id}"), level);
        assert_eq!(
            found,
            [named(100, None), named(95, None), named(96, Some(1))]
        );
    }
    let gathered = "select u.id, count(o.id), sum(o.total)::float8 from users u join orders o on o.user_id = u.id \
                    where u.id <= $1 group by u.id order by u.id";
    for _ in 0..2 {
        let rows = client.query(gathered, &[&2i64]).await.unwrap();
        let found: Vec<(i64, i64, f64)> = rows
            .iter()
            .map(|row| (row.get(0), row.get(1), row.get(2)))
            .collect();
        assert_eq!(found, [(1, 2, 4.5), (2, 2, 10.5)]);
    }
    let statement = client.prepare(gathered).await.unwrap();
    let columns: Vec<_> = statement
        .columns()
        .iter()
        .map(|column| column.name())
        .collect();
    assert_eq!(columns, ["id", "count", "sum"]);
    // In parts, with other statements between them.
    let transaction = client.transaction().await.unwrap();
    let statement = transaction.prepare(sorted).await.unwrap();
    let portal = transaction
        .bind(&statement, &[&0i64, &50i64])
        .await
        .unwrap();
    let mut seen = 0;
    loop {
        let rows = transaction.query_portal(&portal, 20).await.unwrap();
        seen += rows.len();
        if rows.len() < 20 {
            break;
        }
        transaction
            .query_one("select count(*) from users where id = 5", &[])
            .await
            .unwrap();
    }
    assert_eq!(seen, 50);
    transaction.commit().await.unwrap();
    // An error in the middle, and the connection goes on.
    let error = client
        .query("select 1 / (id - $1) from users order by id", &[&50i64])
        .await;
    assert_eq!(
        error.expect_err("division by zero").code().unwrap().code(),
        "22012"
    );
    assert_eq!(
        client.query(sorted, &[&98i64, &5i64]).await.unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_table_of_one_shard_is_described_there() {
    let world = World::start();
    world.fill(30);
    let client = world.connect().await;
    ask(&client, "insert into labels values (1, 'low'), (4, 'high')").await;
    ask(&client, "insert into notes values (1, 'noted')").await;
    // Neither the first shard nor the scratch shard has the table.
    let sql = "select l.text, count(*) from users u join labels l on l.level = u.level \
               where l.level > $1 group by l.text order by l.text";
    let rows = client.query(sql, &[&0i32]).await.unwrap();
    let found: Vec<(String, i64)> = rows.iter().map(|r| (r.get(0), r.get(1))).collect();
    assert_eq!(found, [("high".to_owned(), 6), ("low".to_owned(), 6)]);
    // Tables of two shards: no server knows both, so none can tell the types.
    let sql = "select count(*) from users u join labels l on l.level = u.level join notes n on n.level = l.level";
    assert_eq!(ask(&client, sql).await, ["6"]);
    let error = client.query(sql, &[]).await.expect_err("no shard knows it");
    assert_eq!(error.code().map(|code| code.code()), Some("SH006"));
    assert_eq!(ask(&client, sql).await, ["6"]);
    // But for a schema that was loaded everywhere, whatever the shards use of it.
    for shard in SHARDS {
        for table in ["labels", "notes"] {
            let sql =
                format!("create table if not exists {table} (level int primary key, text text)");
            world.server.execute(shard, &sql).unwrap();
        }
    }
    let count: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(count, 6);
}

#[tokio::test]
async fn a_pipeline_keeps_the_order_of_its_replies() {
    let world = World::start();
    world.fill(30);
    let client = world.connect().await;
    let sorted = client
        .prepare("select id from users order by id desc limit 2")
        .await
        .unwrap();
    let one = client
        .prepare("select id from users where id = $1")
        .await
        .unwrap();
    let (a, b, c, d) = tokio::join!(
        client.query(&one, &[&3i64]),
        client.query(&sorted, &[]),
        client.query(&one, &[&4i64]),
        client.query(&sorted, &[]),
    );
    let ids = |rows: Result<Vec<tokio_postgres::Row>, _>| -> Vec<i64> {
        let rows: Vec<tokio_postgres::Row> = rows.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(
        (ids(a), ids(b), ids(c), ids(d)),
        (vec![3], vec![30, 29], vec![4], vec![30, 29])
    );
}

#[tokio::test]
async fn no_more_rows_are_moved_than_the_settings_allow() {
    let limits = GatherLimits {
        rows: 50,
        ..GatherLimits::default()
    };
    let world = World::with(limits, 5);
    world.fill(100);
    let client = world.connect().await;
    let join = "select count(*) from users u join orders o on o.user_id = u.id";
    assert_eq!(fails(&client, join).await, "SH028");
    let few = "select count(*) from users u join orders o on o.user_id = u.id where u.id < 5 and o.id < 5";
    assert_eq!(ask(&client, few).await, ["4"]);
}

#[tokio::test]
async fn a_statement_in_steps_can_be_cancelled() {
    let world = World::start();
    world.fill(100);
    let url = world.server.url("s1");
    let (holder, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let lock = "begin; lock table users in access exclusive mode";
    holder.simple_query(lock).await.unwrap();
    let mut client = world.connect().await;
    let join = "select count(*) from users u join orders o on o.user_id = u.id";
    for sql in ["select id from users order by id", join] {
        let cancel = client.cancel_token();
        let running = tokio::spawn(async move {
            let failed = client.simple_query(sql).await;
            (client, failed)
        });
        let blocked = "select count(*) from pg_locks where not granted";
        while world.server.execute("s1", blocked).unwrap() == "0" {
            assert!(!running.is_finished(), "{sql} should wait for the lock");
            tokio::task::yield_now().await;
        }
        cancel.cancel_query(NoTls).await.unwrap();
        let failed;
        (client, failed) = running.await.unwrap();
        let error = failed.expect_err("it was cancelled");
        assert_eq!(error.code().unwrap().code(), "57014");
    }
    holder.simple_query("rollback").await.unwrap();
    assert_eq!(
        ask(&client, "select id from users order by id limit 1").await,
        ["1"]
    );
    assert_eq!(ask(&client, join).await, ["200"]);
}

#[tokio::test]
async fn cursors_read_one_shard_or_several() {
    let world = World::start();
    world.fill(20);
    let mut client = world.connect().await;
    client.simple_query("begin").await.unwrap();
    let declare = "declare one cursor for select id from users where id = 5";
    client.simple_query(declare).await.unwrap();
    let declare = "declare \"All\" scroll cursor for select id from users order by id";
    client.simple_query(declare).await.unwrap();
    let declare = "declare pairs cursor for select u.id, count(*) from users u join orders o on o.user_id = u.id \
                   group by u.id order by u.id desc";
    client.simple_query(declare).await.unwrap();
    assert_eq!(ask(&client, "fetch 3 from \"All\"").await, ["1", "2", "3"]);
    assert_eq!(ask(&client, "fetch from one").await, ["5"]);
    assert_eq!(ask(&client, "fetch from one").await, [""; 0]);
    assert_eq!(ask(&client, "fetch 2 pairs").await, ["20|2", "19|2"]);
    client
        .simple_query("delete from users where id = 4")
        .await
        .unwrap();
    let count = "select count(*) from users u join orders o on o.user_id = u.id";
    assert_eq!(ask(&client, count).await, ["38"]);
    assert_eq!(
        ask(&client, "fetch next \"All\"; fetch prior \"All\"").await,
        ["4", "3"]
    );
    assert_eq!(
        ask(&client, "move last from \"All\"; fetch backward 2 \"All\"").await,
        ["19", "18"]
    );
    client.simple_query("close \"All\"").await.unwrap();
    client.simple_query("savepoint s").await.unwrap();
    assert_eq!(fails(&client, "fetch \"All\"").await, "34000");
    client.simple_query("rollback to s").await.unwrap();
    assert_eq!(ask(&client, "fetch 1 pairs").await, ["18|2"]);
    assert_eq!(ask(&client, "fetch backward 1 pairs").await, ["19|2"]);
    let declare_plain = "declare \"cursor\" cursor for select id from users order by id";
    client.simple_query(declare_plain).await.unwrap();
    assert_eq!(
        ask(&client, "fetch 2 \"cursor\"; fetch backward 1 \"cursor\"").await,
        ["1", "2", "1"]
    );
    client.simple_query("close all").await.unwrap();
    client.simple_query("rollback").await.unwrap();
    assert_eq!(fails(&client, declare).await, "25P01");
    // One that outlives its transaction; its tables do not.
    for (begin, end) in [("", ""), ("begin", "commit")] {
        client.simple_query(begin).await.unwrap();
        let declare = "declare kept cursor with hold for select id from users order by id desc";
        client.simple_query(declare).await.unwrap();
        client.simple_query(end).await.unwrap();
        assert_eq!(ask(&client, "fetch 2 from kept").await, ["20", "19"]);
        assert_eq!(
            ask(&client, "select id from users where id = 7").await,
            ["7"]
        );
        assert_eq!(ask(&client, "fetch 1 from kept").await, ["18"]);
        client.simple_query("close kept").await.unwrap();
    }
    let left = "select count(*) from pg_class where relname like 'shunt%'";
    assert_eq!(world.server.execute("s0", left).unwrap(), "0");
    // With parameters, in the extended protocol.
    let transaction = client.transaction().await.unwrap();
    transaction
        .execute(
            "declare c cursor for select id from users where id > 10 order by id",
            &[],
        )
        .await
        .unwrap();
    for first in [11i64, 13] {
        let rows = transaction.query("fetch 2 from c", &[]).await.unwrap();
        let ids: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(ids, [first, first + 1]);
    }
    transaction.commit().await.unwrap();
}

/// The tables of a cursor are made before the transaction reads only.
#[tokio::test]
async fn a_read_only_transaction_has_a_cursor_over_shards() {
    let world = World::start();
    world.fill(20);
    let client = world.connect().await;
    let declare = "declare c cursor for select u.id, count(*) from users u join orders o on o.user_id = u.id \
                   where u.id > 0 group by u.id order by u.id desc";
    for begin in [
        "begin read only",
        "begin isolation level repeatable read, read only",
        "begin; set transaction read only",
        "begin; set transaction_read_only = on",
        "begin",
    ] {
        if begin == "begin" {
            let set = "set default_transaction_read_only = on";
            client.simple_query(set).await.unwrap();
        }
        client.simple_query(begin).await.unwrap();
        client.simple_query(declare).await.expect(begin);
        assert_eq!(ask(&client, "fetch 2 c").await, ["20|2", "19|2"], "{begin}");
        assert_eq!(ask(&client, "select count(*) from users").await, ["20"]);
        assert_eq!(ask(&client, "fetch 1 c").await, ["18|2"], "{begin}");
        client.simple_query("savepoint s").await.unwrap();
        for id in 1..7 {
            let write = format!("update users set level = 7 where id = {id}");
            assert_eq!(fails(&client, &write).await, "25006", "{begin}");
            client.simple_query("rollback to s").await.unwrap();
        }
        // The scratch server takes part by now.
        let again = declare.replace("declare c", "declare d");
        assert_eq!(fails(&client, &again).await, "SH018", "{begin}");
        client.simple_query("rollback").await.unwrap();
    }
    client
        .simple_query("set default_transaction_read_only = off")
        .await
        .unwrap();
    let left = "select count(*) from users where level = 7";
    assert_eq!(ask(&client, left).await, ["0"]);
}

#[tokio::test]
async fn what_a_transaction_redefines_is_read_as_it_is_by_then() {
    let world = World::start();
    world.fill(30);
    let client = world.connect().await;
    assert_eq!(ask(&client, "select sum(level) from users").await, ["60"]);
    // A column of its own.
    client
        .simple_query("begin; alter table users add column nw int default 5")
        .await
        .unwrap();
    for (sql, expected) in [
        ("select sum(nw) from users", "150"),
        ("select sum(nw), count(*) from users", "150|30"),
        (
            "select max(nw) + min(nw), avg(nw) from users",
            "10|5.0000000000000000",
        ),
        ("select nw, count(*) from users group by nw", "5|30"),
        (
            "select sum(u.nw) from users u join orders o on o.user_id = u.id",
            "300",
        ),
        (
            "select count(distinct nw), sum(distinct nw) from users",
            "1|5",
        ),
        ("select nw from users order by nw, id limit 1", "5"),
        (
            "select sum(nw) over (order by id) from users order by 1 desc limit 1",
            "150",
        ),
    ] {
        assert_eq!(ask(&client, sql).await, [expected], "{sql}");
    }
    client.simple_query("rollback").await.unwrap();
    // A column of another type than the catalog says: sums of integers would be rounded.
    client
        .simple_query("begin; alter table users alter column level type numeric using level + 0.25")
        .await
        .unwrap();
    for sql in [
        "select sum(level) from users",
        "select sum(level), 1 from users",
    ] {
        assert!(ask(&client, sql).await[0].starts_with("66.00"), "{sql}");
    }
    client.simple_query("rollback").await.unwrap();
    // What was written everywhere is committed, also behind reads that take temporary tables.
    for sql in [
        "begin; alter table users add column nw int default 5",
        "select sum(u.nw) over (order by u.id, o.id) from users u join orders o on o.user_id = u.id order by 1 desc limit 1",
        "update users set nw = 6",
        "commit",
    ] {
        client.simple_query(sql).await.unwrap();
    }
    assert_eq!(ask(&client, "select sum(nw) from users").await, ["180"]);
    client
        .simple_query("alter table users drop column nw")
        .await
        .unwrap();
    // In one message as well, and of a script that ends with an error nothing stays.
    let script = "begin; alter table users add column nw int default 2; select sum(nw) from users";
    assert_eq!(ask(&client, script).await, ["60"]);
    client.simple_query("commit").await.unwrap();
    assert_eq!(ask(&client, "select sum(nw) from users").await, ["60"]);
    assert_eq!(ask(&client, "select sum(level) from users").await, ["60"]);
}
