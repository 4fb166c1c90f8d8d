//! Settings over two shards: they hold on both, whatever sets them and whatever undoes them.

use shunt_tests::raw::{RawClient, seen};
use tokio_postgres::{Client, NoTls};

use shunt_tests::driver::fails;

use super::{Shop, ask, filled};

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

/// What a pool of a driver says before it gives a connection to somebody else.
#[tokio::test]
async fn directives_are_reset_with_all_other_settings() {
    let shop = Shop::start();
    filled(&shop).await;
    let url = shop.proxy.url(shop.server.user(), "shop");
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    config.options("-c shunt.route=replica");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let said = async |name: &str| ask(&client, &format!("show shunt.{name}")).await;
    let direct = async || {
        for sql in [
            "set shunt.shard = 's1'",
            "set shunt.key = '1'",
            "set shunt.route = 'primary'",
            "set shunt.constraints = 'per-shard'",
        ] {
            client.simple_query(sql).await.unwrap();
        }
        assert_eq!(said("shard").await, ["s1"]);
    };
    for (before, reset, after) in [
        ("", "reset all", ""),
        ("", "discard all", ""),
        ("begin", "reset all", "commit"),
    ] {
        direct().await;
        for sql in [before, reset, after] {
            client.simple_query(sql).await.unwrap();
        }
        assert_eq!(said("shard").await, [""], "{reset}");
        assert_eq!(said("key").await, [""], "{reset}");
        assert_eq!(said("constraints").await, ["all-shards"], "{reset}");
        // As the session began.
        assert_eq!(said("route").await, ["replica"], "{reset}");
    }
    direct().await;
    let prepared = client.prepare("reset all").await.unwrap();
    assert_eq!(said("shard").await, ["s1"]);
    client.execute(&prepared, &[]).await.unwrap();
    assert_eq!(said("shard").await, [""]);
    // What fails resets nothing.
    direct().await;
    client.simple_query("begin").await.unwrap();
    client.simple_query("discard all").await.unwrap_err();
    client.simple_query("reset all").await.unwrap_err();
    client.simple_query("rollback").await.unwrap();
    assert_eq!(said("shard").await, ["s1"]);
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

/// Statements without a `Sync` between them; what is seen of their rows.
fn pipeline(client: &mut RawClient, statements: &[&str]) -> Vec<String> {
    let answers = client.pipeline(statements).unwrap();
    let rows = answers.into_iter().filter(|message| message.tag == b'D');
    seen(&rows.collect::<Vec<_>>())
}
