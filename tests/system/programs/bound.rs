//! What clients prepare and bind runs in steps as well: parameters, formats, descriptions, pipelines.

use shunt_tests::driver::ask;

use super::{SHARDS, World};

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
