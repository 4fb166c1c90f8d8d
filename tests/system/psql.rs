//! psql as a person uses it: backslash commands, `\copy` and tab completion, on one server and over shards.

use std::io::Write as _;
use std::process::{Command, Stdio};

use router_proxy::settings::PoolSettings;
use shunt::demo::shop::{DATABASE, USER};
use shunt_tests::one_server::server;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::shop::Shop;
use shunt_tests::twin::Twins;

/// Every listing of psql 15 that reads catalogs; a superuser's own included.
const LISTINGS: &str = "\\d\n\\d+\n\\dt+\n\\di+\n\\dv\n\\ds\n\\df\n\\dn+\n\\du\n\\l+\n\\dp\n\\dT\n\\dx\n\\db\n\\dC\n\\dD\n\\do int4pl\n\\dO\n\\d users\n\\d+ users\n\\conninfo\n";

/// Runs psql on a terminal of its own and gives what the screen showed.
fn on_a_terminal(port: u16, user: &str, database: &str, typed: &str) -> String {
    // `script` gives psql a terminal, without which it does not complete. The pager would wait for a key.
    let psql = format!("psql -X -P pager=off -h 127.0.0.1 -p {port} -U {user} {database}");
    let mut child = Command::new("script")
        .args(["-qec", &psql, "/dev/null"])
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of util-linux, runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(typed.as_bytes()).expect("psql takes input");
    input.write_all(b"\\q\n").expect("psql takes input");
    let output = child.wait_with_output().expect("psql ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn psql(port: u16, user: &str, database: &str, script: &str) -> String {
    let mut child = Command::new("psql")
        .args([
            "-X",
            "-A",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            user,
        ])
        .args(["-p", &port.to_string(), "-d", database])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql runs");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(script.as_bytes())
        .expect("psql takes input");
    let output = child.wait_with_output().expect("psql ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && errors.is_empty(),
        "psql: {errors}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn psql_lists_copies_and_completes_on_one_server() {
    let server = server();
    server
        .execute(
            "shop",
            "CREATE TABLE users (id bigint PRIMARY KEY, name text)",
        )
        .expect("a table is made");
    let proxy = TestProxy::start(unsharded(
        &server,
        "shop",
        PoolSettings {
            max_size: 2,
            ..PoolSettings::default()
        },
    ));
    let (port, user) = (proxy.address.port(), server.user());

    assert_eq!(
        psql(port, user, "shop", LISTINGS).lines().count(),
        psql(server.port(), user, "shop", LISTINGS).lines().count()
    );

    let copied = psql(
        port,
        user,
        "shop",
        "\\copy users from stdin with csv\n1,ann\n2,\"b,ob\"\n\\.\nselect count(*) from users;\n\\copy (select * from users order by id) to stdout with csv\n",
    );
    assert_eq!(copied, "count\n2\n(1 row)\n1,ann\n2,\"b,ob\"\n");

    let screen = on_a_terminal(port, user, "shop", "select name from use\t where id = 2;\n");
    assert!(
        screen.contains("b,ob"),
        "tab completion did not complete the table's name: {screen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_lists_and_completes_over_shards() {
    let shop = Shop::start(2, 0).await.expect("the shop opens");
    let port = shop.proxy.address.port();
    let listed = psql(port, USER, DATABASE, LISTINGS);
    assert!(listed.contains("Table \"public.users\""), "{listed}");
    let screen = on_a_terminal(port, USER, DATABASE, "select count(*) from countr\t;\n");
    assert!(
        screen.contains("(1 row)"),
        "tab completion did not complete the table's name: {screen}"
    );
}

/// A dump through the proxy is one of all rows, and goes into one server as it is.
#[test]
fn pg_dump_of_a_sharded_database_is_whole() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "create type mood as enum ('glad', 'sad')",
        "alter table accounts add column mood mood default 'glad'",
        "create sequence counter",
        "select nextval('counter')",
        "create index on accounts (balance)",
        "create function twice(bigint) returns bigint immutable language sql as 'select $1 * 2'",
        "create view names as select name from copies",
        "comment on table accounts is 'all of them'",
        "insert into accounts (id, note) values (21, E'tab\t and \\\\ slash'), (22, null), (23, '')",
    ] {
        pair.both(sql);
    }
    let port = twins.proxy.address.port().to_string();
    let dump = |more: &[&str]| {
        let output = Command::new("pg_dump")
            .args(["-h", "127.0.0.1", "-U", twins.server.user(), "-p", &port])
            .args(more)
            .arg("bank")
            .output()
            .expect("pg_dump runs");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && errors.is_empty(), "{errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (user, server) = (twins.server.user(), twins.server.port());
    twins
        .server
        .execute("postgres", "create database back")
        .expect("a database");
    psql(server, user, "back", &dump(&[]));
    let rows = "select id, balance, twin, note, mood from accounts order by id; table copies; select count(*) from names; select twice(2)";
    assert_eq!(
        psql(server, user, "back", rows),
        psql(server, user, "whole", rows)
    );
    // The rows of one table alone.
    psql(
        server,
        user,
        "back",
        &format!(
            "truncate accounts; {}",
            dump(&["--data-only", "-t", "accounts"])
        ),
    );
    assert_eq!(
        psql(server, user, "back", rows),
        psql(server, user, "whole", rows)
    );
}
