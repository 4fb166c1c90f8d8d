//! The proxy before one real server: protocols, pooling, errors, people who behave badly.

use std::process::Output;
use std::time::Duration;

use local_postgres::Server;
use router_proxy::settings::{PoolMode, PoolSettings};
use shunt_tests::proxy::{TestProxy, unsharded};
use tokio_postgres::{NoTls, SimpleQueryMessage};

fn server() -> Server {
    Server::builder()
        .database("shop")
        .start()
        .expect("a server starts")
}

fn pool(max_size: usize) -> PoolSettings {
    PoolSettings {
        max_size,
        ..PoolSettings::default()
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

async fn connect(proxy: &TestProxy, server: &Server) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&proxy.url(server.user(), "shop"), NoTls)
        .await
        .expect("a client gets in");
    tokio::spawn(connection);
    client
}

fn rows(messages: &[SimpleQueryMessage]) -> Vec<String> {
    messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("NULL").to_owned()),
            _ => None,
        })
        .collect()
}

#[test]
fn psql_speaks_through_it() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(2)));
    let output = proxy.psql(&server, "shop", "select 1");
    assert_eq!(text(&output), "1\n");
    let output = proxy.psql(
        &server,
        "shop",
        "create table t (a int); insert into t select generate_series(1, 10); select count(*) from t",
    );
    assert_eq!(text(&output), "10\n");
    let output = proxy.psql(&server, "shop", "\\d t");
    assert!(output.status.success() && text(&output).contains("a|integer"), "{}", text(&output));
    let output = proxy.psql(&server, "shop", "select 1/0");
    assert!(text(&output).contains("22012"), "{}", text(&output));
    let output = proxy.psql(&server, "nowhere", "select 1");
    assert!(text(&output).contains("database \"nowhere\" does not exist"), "{}", text(&output));
}

#[test]
fn pgbench_runs_in_every_mode_with_more_clients_than_connections() {
    let server = server();
    let proxy = TestProxy::start(unsharded(&server, "shop", pool(2)));
    let made = proxy
        .client(&server, "pgbench", "shop")
        .args(["-i", "-q"])
        .output()
        .expect("pgbench runs");
    assert!(made.status.success(), "{}", text(&made));
    for mode in ["simple", "extended", "prepared"] {
        for script in ["select-only", "tpcb-like"] {
            let ran = proxy
                .client(&server, "pgbench", "shop")
                .args(["-M", mode, "-b", script, "-c", "8", "-j", "2", "-t", "50", "-n"])
                .output()
                .expect("pgbench runs");
            let said = text(&ran);
            assert!(
                ran.status.success() && said.contains("actually processed: 400/400"),
                "{mode} {script}: {said}"
            );
        }
    }
    let sums = server
        .execute("shop", "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history)")
        .expect("a query");
    assert_eq!(sums, "t");
    let open: usize = server
        .execute("shop", "select count(*) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()")
        .expect("a query")
        .parse()
        .expect("a number");
    assert!(open <= 2, "{open} connections");
}
