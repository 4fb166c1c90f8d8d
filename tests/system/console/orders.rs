//! Who may give orders, and those that are about the whole proxy or its connections.

use shunt_tests::driver::state;
use shunt_tests::one_server::server;
use shunt_tests::patience::until;
use shunt_tests::proxy::TestProxy;
use tokio_postgres::NoTls;

use super::{rows, settings, start};

#[tokio::test]
async fn only_administrators_get_in() {
    let (server, proxy) = start(1);
    let error = tokio_postgres::connect(&proxy.url(server.user(), "shunt"), NoTls)
        .await
        .err()
        .expect("it is refused");
    assert_eq!(state(&error), "42501");
    let hint = error.as_db_error().unwrap().hint().unwrap();
    assert!(hint.contains("admin = true"), "{hint}");
}

#[tokio::test]
async fn shutdown_drains() {
    let (server, proxy) = start(2);
    let app = proxy.connect(server.user(), "shop").await;
    app.batch_execute("begin; select 1").await.unwrap();
    let console = proxy.connect("operator", "shunt").await;
    console.batch_execute("SHUTDOWN").await.unwrap();
    app.batch_execute("commit").await.unwrap();
    until("both are told to go", async || {
        app.is_closed() && console.is_closed()
    })
    .await;
    let refused = tokio_postgres::connect(&proxy.url(server.user(), "shop"), NoTls).await;
    assert!(refused.is_err());
}

/// Whoever has to see why there are so many clients gets in beside them.
#[tokio::test]
async fn the_console_is_open_when_there_are_too_many_clients() {
    let server = server();
    let mut settings = settings(&server, 2);
    settings.max_clients = 1;
    let proxy = TestProxy::start(settings);
    let _client = proxy.connect(server.user(), "shop").await;
    let console = proxy.connect("operator", "shunt").await;
    assert!(!rows(&console, "SHOW CLIENTS").await.is_empty());
    let refused = tokio_postgres::connect(&proxy.url(server.user(), "shop"), NoTls).await;
    assert_eq!(state(&refused.err().expect("a refusal")), "53300");
}

/// After `RECONNECT` the router knows what was made on the server without it.
#[tokio::test]
async fn reconnect_looks_for_what_was_made_meanwhile() {
    let (server, proxy) = start(1);
    server.execute("shop", "create table t (a int)").unwrap();
    let console = proxy.connect("operator", "shunt").await;
    let client = proxy.connect(server.user(), "shop").await;
    client
        .batch_execute("insert into t values (1)")
        .await
        .unwrap();
    let made = "create function sets() returns trigger language plpgsql as
                $$ begin perform set_config('work_mem', '77kB', false); return new; end $$;
                create trigger sets before insert on t for each row execute function sets()";
    server.execute("shop", made).unwrap();
    console.batch_execute("RECONNECT shop").await.unwrap();
    client
        .batch_execute("insert into t values (2)")
        .await
        .unwrap();
    drop(client);
    let next = proxy.connect(server.user(), "shop").await;
    let found = rows(&next, "SHOW work_mem").await;
    assert_eq!(found[0].get(0), Some("4MB"));
}
