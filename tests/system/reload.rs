//! Other settings put in force under clients that stay.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use local_postgres::Server;
use router_proxy::ReloadError;
use router_proxy::settings::{PoolMode, PoolSettings, Settings, User};
use shunt_tests::one_server::{server, waiting, with_operator};
use shunt_tests::patience::until;
use shunt_tests::proxy::{TestProxy, address, unsharded};
use shunt_tests::raw::RawClient;
use tokio_postgres::{Client, NoTls};

fn settings(server: &Server, max_size: usize) -> Settings {
    let pool = PoolSettings {
        max_size,
        ..PoolSettings::default()
    };
    with_operator(unsharded(server, "shop", pool))
}

#[tokio::test]
async fn pool_sizes_change_under_clients_that_stay() {
    let server = server();
    let proxy = TestProxy::start(settings(&server, 1));
    let one = proxy.connect(server.user(), "shop").await;
    let two = proxy.connect(server.user(), "shop").await;
    one.batch_execute("begin").await.unwrap();
    let mut asking = Box::pin(two.batch_execute("select 1"));
    let mut console = RawClient::trust(proxy.address, "operator", "shunt").unwrap();
    tokio::select! {
        biased;
        answer = &mut asking => panic!("there is no connection for it: {answer:?}"),
        () = until("it waits", async || waiting(&mut console) == 1) => {}
    }
    let changed = proxy.handle.reload(settings(&server, 2)).await.unwrap();
    let keys: Vec<_> = changed.iter().map(|change| change.key.as_str()).collect();
    assert_eq!(keys, ["databases[shop].pool.max_size"]);
    assert_eq!(
        (changed[0].old.as_deref(), changed[0].new.as_deref()),
        (Some("1"), Some("2"))
    );
    asking.await.unwrap();
    one.batch_execute("commit").await.unwrap();
    assert_eq!(proxy.handle.reload(settings(&server, 2)).await.unwrap(), []);
}

#[tokio::test]
async fn what_cannot_change_changes_nothing_else() {
    let server = server();
    let proxy = TestProxy::start(settings(&server, 1));
    let mut other = settings(&server, 5);
    other.workers = 1;
    let Err(ReloadError::Fixed(keys)) = proxy.handle.reload(other).await else {
        panic!("it is refused");
    };
    assert_eq!(keys, ["server.workers"]);
    let changed = proxy.handle.reload(settings(&server, 1)).await.unwrap();
    assert_eq!(changed, [], "the pool size had not changed either");
}

#[tokio::test]
async fn a_database_moves_to_another_server_between_two_transactions() {
    let (old, new) = (server(), server());
    let proxy = TestProxy::start(settings(&old, 2));
    let client = proxy.connect(old.user(), "shop").await;
    let port = async |client: &Client| -> i32 {
        let sql = "select inet_server_port()";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    let statement = client.prepare("select inet_server_port()").await.unwrap();
    client.batch_execute("begin").await.unwrap();
    assert_eq!(port(&client).await, i32::from(old.port()));
    let mut moved = settings(&old, 2);
    moved.databases[0].shards[0].primary = address(&new, "shop");
    proxy.handle.reload(moved).await.unwrap();
    assert_eq!(
        port(&client).await,
        i32::from(old.port()),
        "the transaction stays where it is"
    );
    client.batch_execute("commit").await.unwrap();
    assert_eq!(port(&client).await, i32::from(new.port()));
    // What it had prepared is prepared there as well.
    let there: i32 = client.query_one(&statement, &[]).await.unwrap().get(0);
    assert_eq!(there, i32::from(new.port()));
}

/// Whoever is taken out of the settings is not let in again, and does not go on as somebody else.
#[tokio::test]
async fn a_user_who_is_taken_out_goes_at_the_end_of_the_transaction() {
    let server = server();
    server
        .execute("shop", "create role low login; create role other login")
        .unwrap();
    let mut before = settings(&server, 2);
    for name in ["low", "other"] {
        before.users.push(User {
            name: name.into(),
            admin: false,
            server_user: Some(name.into()),
            ..before.users[0].clone()
        });
    }
    let mut after = before.clone();
    after.users.retain(|user| user.name != "low");
    let proxy = TestProxy::start(before);
    let (one, two) = (
        proxy.connect("low", "shop").await,
        proxy.connect("other", "shop").await,
    );
    let who = async |client: &Client| -> Result<String, tokio_postgres::Error> {
        Ok(client
            .query_one("select current_user::text", &[])
            .await?
            .get(0))
    };
    one.batch_execute("begin").await.unwrap();
    proxy.handle.reload(after).await.unwrap();
    assert_eq!(who(&one).await.unwrap(), "low");
    one.batch_execute("commit").await.unwrap();
    let gone = who(&one).await.unwrap_err();
    assert!(
        gone.is_closed() || gone.code().unwrap().code() == "28000",
        "{gone}"
    );
    assert_eq!(who(&two).await.unwrap(), "other");
}

/// Also who holds a connection: for itself, or because of what it has left there.
#[tokio::test]
async fn a_user_who_is_taken_out_goes_whatever_it_holds() {
    let server = server();
    for mode in [PoolMode::Session, PoolMode::Transaction] {
        let mut before = settings(&server, 4);
        before.databases[0].pool.mode = mode;
        before.users.push(User {
            name: "leaver".into(),
            admin: false,
            server_user: Some(server.user().into()),
            ..before.users[0].clone()
        });
        let mut after = before.clone();
        after.users.retain(|user| user.name != "leaver");
        after.databases[0].pool.query_timeout = Duration::from_secs(1);
        let proxy = TestProxy::start(before);
        let holds = proxy.connect("leaver", "shop").await;
        let busy = proxy.connect("leaver", "shop").await;
        let stays = proxy.connect(server.user(), "shop").await;
        for client in [&holds, &busy, &stays] {
            client.batch_execute("listen news").await.unwrap();
        }
        busy.batch_execute("begin").await.unwrap();
        proxy.handle.reload(after).await.unwrap();
        let gone = async |client: &Client| {
            until("it goes", async || {
                client.batch_execute("select 1").await.is_err()
            })
            .await;
        };
        gone(&holds).await;
        busy.batch_execute("select 1; commit").await.unwrap();
        gone(&busy).await;
        let error = stays
            .batch_execute("select pg_sleep(60)")
            .await
            .unwrap_err();
        assert_eq!(error.code().unwrap().code(), "57014", "{mode:?}");
    }
}

#[tokio::test]
async fn the_console_reloads_from_where_it_was_told() {
    let server = server();
    let proxy = TestProxy::start(settings(&server, 1));
    let console = proxy.connect("operator", "shunt").await;
    let error = console.simple_query("RELOAD").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "0A000");
    let next = Arc::new(Mutex::new(Ok(settings(&server, 3))));
    proxy.handle.set_source({
        let next = Arc::clone(&next);
        move || next.lock().unwrap().clone()
    });
    let changed = console.query("RELOAD", &[]).await.unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!(
        changed[0].get::<_, &str>("key"),
        "databases[shop].pool.max_size"
    );
    assert_eq!(changed[0].get::<_, &str>("new"), "3");
    *next.lock().unwrap() = Err("line 3: unknown key".to_owned());
    let error = console.simple_query("RELOAD").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "F0000");
    // A user that is gone gets in no longer; one that is new does.
    let mut other = settings(&server, 3);
    other.users[1].name = "keeper".into();
    *next.lock().unwrap() = Ok(other);
    console.simple_query("RELOAD").await.unwrap();
    proxy.connect("keeper", "shunt").await;
    let refused = tokio_postgres::connect(&proxy.url("operator", "shunt"), NoTls).await;
    assert_eq!(refused.err().unwrap().code().unwrap().code(), "28000");
}
