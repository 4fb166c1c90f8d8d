//! Results of all shards are merged, or put together, with the scratch server and without it.

use router_proxy::settings::GatherLimits;
use tokio_postgres::SimpleQueryMessage;

use shunt_tests::driver::{ask, fails};

use super::World;

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
