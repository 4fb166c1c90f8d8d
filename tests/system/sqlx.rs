//! What applications do with sqlx: directly and through the proxy in both modes, with one answer.

use std::net::SocketAddr;

use futures_util::TryStreamExt as _;
use local_postgres::Server;
use router_proxy::settings::{PoolMode, PoolSettings};
use shunt_tests::proxy::{TestProxy, unsharded};
use sqlx::postgres::{
    PgConnectOptions, PgListener, PgPool, PgPoolCopyExt as _, PgPoolOptions, PgSslMode,
};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};

fn options(address: SocketAddr, user: &str, database: &str) -> PgConnectOptions {
    PgConnectOptions::new()
        .host(&address.ip().to_string())
        .port(address.port())
        .username(user)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
        .options([("work_mem", "77kB")])
}

async fn pool(options: &PgConnectOptions, size: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(size)
        .connect_with(options.clone())
        .await
        .expect("a pool opens")
}

fn state(error: &sqlx::Error) -> String {
    error
        .as_database_error()
        .and_then(|error| error.code())
        .map_or_else(|| error.to_string(), |code| code.into_owned())
}

/// Everything, in order; what came of each step as text.
async fn all(options: PgConnectOptions) -> Vec<String> {
    let mut found = Vec::new();
    let pool = pool(&options, 4).await;
    let table = "create table items (id bigserial primary key, name text unique, price numeric)";
    pool.execute(table).await.unwrap();

    // The cache of prepared statements, by several connections at once.
    let sums = (0..60i64).map(|i| {
        sqlx::query_scalar::<_, i64>("select $1::bigint * 2")
            .bind(i)
            .fetch_one(&pool)
    });
    let sum: i64 = futures_util::future::try_join_all(sums)
        .await
        .unwrap()
        .into_iter()
        .sum();
    found.push(format!("prepared {sum}"));

    // A cache that overflows closes statements.
    let mut small = options
        .clone()
        .statement_cache_capacity(3)
        .connect()
        .await
        .unwrap();
    for i in 0..20 {
        let sql = sqlx::AssertSqlSafe(format!("select {} + $1::int", i % 5));
        sqlx::query(sql)
            .bind(i)
            .fetch_one(&mut small)
            .await
            .unwrap();
    }
    found.push(format!("cached {}", small.cached_statements_size()));
    small.clear_cached_statements().await.unwrap();
    small.ping().await.unwrap();
    small.close().await.unwrap();

    // Transactions, nested ones, and one that is dropped.
    let mut outer = pool.begin().await.unwrap();
    let insert = "insert into items (name) values ($1) returning id";
    let id: i64 = sqlx::query_scalar(insert)
        .bind("one")
        .fetch_one(&mut *outer)
        .await
        .unwrap();
    let mut inner = outer.begin().await.unwrap();
    let twice = sqlx::query(insert).bind("one").execute(&mut *inner).await;
    inner.rollback().await.unwrap();
    sqlx::query(insert)
        .bind("two")
        .execute(&mut *outer)
        .await
        .unwrap();
    outer.commit().await.unwrap();
    let mut dropped = pool.begin().await.unwrap();
    sqlx::query(insert)
        .bind("three")
        .execute(&mut *dropped)
        .await
        .unwrap();
    drop(dropped);
    let count: i64 = sqlx::query_scalar("select count(*) from items")
        .fetch_one(&pool)
        .await
        .unwrap();
    found.push(format!(
        "transactions {id} {} {count}",
        state(&twice.unwrap_err())
    ));

    // Rows as a stream, several statements in one text, settings of the startup packet.
    let rows: Vec<i32> = sqlx::query("select generate_series(1, $1)")
        .bind(500)
        .fetch(&pool)
        .map_ok(|row| row.get::<i32, _>(0))
        .try_collect()
        .await
        .unwrap();
    let many = pool
        .fetch_all(sqlx::raw_sql("select 1; select 2"))
        .await
        .unwrap();
    let setting: String = sqlx::query_scalar("select current_setting('work_mem')")
        .fetch_one(&pool)
        .await
        .unwrap();
    found.push(format!("rows {} {} {setting}", rows.len(), many.len()));

    // COPY.
    let mut copy = pool
        .copy_in_raw("copy items (name, price) from stdin")
        .await
        .unwrap();
    copy.send(&b"four\t4.50\nfive\t\\N\n"[..]).await.unwrap();
    let copied = copy.finish().await.unwrap();
    let mut bad = pool
        .copy_in_raw("copy items (name) from stdin")
        .await
        .unwrap();
    bad.send(&b"four\n"[..]).await.unwrap();
    let bad = bad.finish().await.unwrap_err();
    let out: Vec<_> = pool
        .copy_out_raw("copy (select name, price from items order by name) to stdout")
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    let text = String::from_utf8(out.concat()).unwrap();
    found.push(format!("copy {copied} {} {text:?}", state(&bad)));

    // LISTEN.
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen_all(["news", "weather"]).await.unwrap();
    sqlx::query("select pg_notify('weather', 'rain')")
        .execute(&pool)
        .await
        .unwrap();
    let heard = listener.recv().await.unwrap();
    found.push(format!("heard {} {}", heard.channel(), heard.payload()));
    drop(listener);

    // An advisory lock around migrations, as sqlx takes it.
    let migrations = tempfile::tempdir().unwrap();
    std::fs::write(
        migrations.path().join("1_first.sql"),
        "create table migrated (a int); insert into migrated values (1);",
    )
    .unwrap();
    std::fs::write(
        migrations.path().join("2_second.sql"),
        "alter table migrated add b int; create index on migrated (b);",
    )
    .unwrap();
    let migrator = sqlx::migrate::Migrator::new(migrations.path())
        .await
        .unwrap();
    migrator.run(&pool).await.unwrap();
    migrator.run(&pool).await.unwrap();
    let versions: Vec<i64> = sqlx::query_scalar("select version from _sqlx_migrations order by 1")
        .fetch_all(&pool)
        .await
        .unwrap();
    found.push(format!("migrated {versions:?}"));

    // Errors leave pool and connections as they were.
    for _ in 0..8 {
        let error = sqlx::query("select 1 / $1::int")
            .bind(0)
            .execute(&pool)
            .await;
        assert_eq!(state(&error.unwrap_err()), "22012");
    }
    pool.close().await;
    found
}

#[tokio::test]
async fn sqlx_works_as_without_a_proxy() {
    let server = Server::builder()
        .database("direct")
        .database("session")
        .database("transaction")
        .start()
        .expect("a server starts");
    let direct = ([127, 0, 0, 1], server.port()).into();
    let expected = all(options(direct, server.user(), "direct")).await;
    for (database, mode, max_size) in [
        ("session", PoolMode::Session, 10),
        // A listener and the locks of two migrations keep theirs.
        ("transaction", PoolMode::Transaction, 5),
    ] {
        let settings = PoolSettings {
            mode,
            max_size,
            ..PoolSettings::default()
        };
        let proxy = TestProxy::start(unsharded(&server, database, settings));
        let found = all(options(proxy.address, server.user(), database)).await;
        assert_eq!(found, expected, "{mode:?} mode");
    }
}
