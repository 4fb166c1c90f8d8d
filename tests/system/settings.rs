//! What became of settings and transactions of several clients on one server connection, as on a connection of their own.

use std::time::Duration;

use bytes::BytesMut;
use local_postgres::Server;
use router_proxy::settings::PoolSettings;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::shown;

fn server() -> Server {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    let made = "create schema hidden; create table public.plain (a int); create table hidden.plain (b text, c text);
                insert into public.plain values (1); insert into hidden.plain values ('x', 'y')";
    server.execute("shop", made).unwrap();
    server
}

/// One proxy with one connection, and the server itself.
struct Bed {
    server: Server,
    proxy: TestProxy,
}

impl Bed {
    fn start() -> Self {
        let server = server();
        let pool = PoolSettings {
            max_size: 1,
            acquire_timeout: Duration::from_secs(2),
            ..PoolSettings::default()
        };
        let proxy = TestProxy::start(unsharded(&server, "shop", pool));
        Self { server, proxy }
    }

    fn connect(&self, proxied: bool) -> RawClient {
        let direct = ([127, 0, 0, 1], self.server.port()).into();
        let address = if proxied { self.proxy.address } else { direct };
        RawClient::trust(address, self.server.user(), "shop").unwrap()
    }

    /// What clients are told is the same through the proxy and without it.
    fn same(&self, what: &str, script: &dyn Fn(&mut dyn FnMut() -> RawClient) -> Vec<String>) {
        let [direct, proxied] = [false, true].map(|proxied| script(&mut || self.connect(proxied)));
        assert_eq!(proxied, direct, "{what}");
    }
}

/// A pipeline: statements by `Parse`, `Bind` and `Execute`, one `Sync`.
fn pipeline(client: &mut RawClient, statements: &[&str]) -> Vec<String> {
    let mut packet = BytesMut::new();
    for sql in statements {
        prepare(&mut packet, "", sql);
        execute(&mut packet, "");
    }
    send(client, packet)
}

fn prepare(packet: &mut BytesMut, name: &str, sql: &str) {
    frame(packet, b'P', format!("{name}\0{sql}\0\0\0").as_bytes());
}

fn execute(packet: &mut BytesMut, name: &str) {
    bind(packet, "", name);
    frame(packet, b'E', b"\0\0\0\0\0");
}

fn bind(packet: &mut BytesMut, portal: &str, name: &str) {
    let head = format!("{portal}\0{name}\0");
    frame(packet, b'B', &[head.as_bytes(), &[0; 6]].concat());
}

fn send(client: &mut RawClient, mut packet: BytesMut) -> Vec<String> {
    frame(&mut packet, b'S', b"");
    client.write(&packet).unwrap();
    shown(&client.until_ready().unwrap())
}

/// A text prepared under a name and executed, in two pipelines.
fn by_name(client: &mut RawClient, name: &str, sql: &str) -> Vec<String> {
    let mut packet = BytesMut::new();
    prepare(&mut packet, name, sql);
    let mut told = send(client, packet);
    told.extend(again(client, name));
    told
}

fn again(client: &mut RawClient, name: &str) -> Vec<String> {
    let mut packet = BytesMut::new();
    execute(&mut packet, name);
    send(client, packet)
}

#[test]
fn what_is_prepared_is_read_by_its_clients_settings() {
    let bed = Bed::start();
    let cases = [
        (
            "set timezone = 'Asia/Tokyo'",
            "select extract(epoch from timestamptz '2024-01-01 00:00')",
        ),
        (
            "set datestyle = 'DMY'",
            "select to_char(date '01/02/2024', 'YYYY-MM-DD')",
        ),
        ("set standard_conforming_strings = off", "select 'a\\nb'"),
        (
            "set client_encoding = 'latin1'",
            "select encode(convert_to('é', 'utf8'), 'hex')",
        ),
        ("set transform_null_equals = on", "select null = null"),
        (
            "set array_nulls = off",
            "select ('{NULL}'::text[])[1] is null",
        ),
        ("set xmloption = document", "select xml 'abc'"),
        (
            "set intervalstyle = 'sql_standard'",
            "select extract(epoch from interval '-1 1:00')",
        ),
        ("set search_path = hidden", "select * from plain"),
        ("set bytea_output = escape", "select 'abc'::bytea::text"),
        (
            "set extra_float_digits = -5",
            "select 0.1234567890123456::float8::text",
        ),
        (
            "select set_config('search_path', 'hidden', false)",
            "select * from plain ",
        ),
    ];
    for (setting, sql) in cases {
        for first_sets in [false, true] {
            bed.same(setting, &|connect| {
                let (mut a, mut b) = (connect(), connect());
                let with = if first_sets { &mut a } else { &mut b };
                let mut told = shown(&with.simple(setting).unwrap());
                told.extend(by_name(&mut a, "s", sql));
                told.extend(by_name(&mut b, "s", sql));
                told.extend(again(&mut a, "s"));
                told.extend(by_name(&mut a, "t", sql));
                told
            });
        }
    }
}

const SHOW: &str = "show work_mem";

#[test]
fn what_was_committed_holds_and_what_was_not_does_not() {
    let bed = Bed::start();
    let set = "set work_mem = '1MB'";
    let set2 = "set work_mem = '2MB'";
    let simple: &[&[&str]] = &[
        &["begin", set, "rollback and chain", "commit"],
        &["begin", set, "select 1/0", "rollback and chain", "commit"],
        &["begin", set, "select 1/0", "commit and chain", "commit"],
        &["begin", set, "commit and chain", set2, "rollback"],
        &["begin", set, "commit and chain", "rollback"],
        &["begin", set, "commit and chain", "select 1/0", "rollback"],
        &["begin", set, "commit and chain", set2, "commit"],
        &["begin", "savepoint a", set, "commit and chain", "rollback"],
        &[
            "begin",
            set,
            "savepoint a",
            set2,
            "rollback to a",
            "commit and chain",
            "rollback",
        ],
        &["begin; set work_mem = '1MB'; commit and chain; rollback"],
    ];
    for script in simple {
        for extended in [false, true] {
            if extended && script.len() == 1 {
                continue;
            }
            bed.same(&format!("{script:?} (extended: {extended})"), &|connect| {
                let mut client = connect();
                let mut told = Vec::new();
                for sql in *script {
                    told.extend(match extended {
                        true => pipeline(&mut client, &[sql]),
                        false => shown(&client.simple(sql).unwrap()),
                    });
                }
                told.extend(shown(&client.simple(SHOW).unwrap()));
                drop(client);
                told.extend(shown(&connect().simple(SHOW).unwrap()));
                told
            });
        }
    }
    let pipelines: &[&[&str]] = &[
        &[set, "commit", "select 1/0"],
        &["begin", set, "commit", set2, "select 1/0"],
        &[
            "set session characteristics as transaction read only",
            "commit",
            "select 1/0",
        ],
        &[set, "commit", set2, "commit", "select 1/0"],
        &[set, "commit", "selec"],
        &["begin", set, "rollback", set2],
        &["begin", set, "rollback", set2, "select 1/0"],
        &["begin", set, "commit and chain", set2, "rollback"],
        &[
            "begin",
            set,
            "savepoint a",
            set2,
            "rollback to a",
            "commit",
            "select 1/0",
        ],
        &[set, "do 'begin commit; end'", "select 1/0"],
    ];
    for script in pipelines {
        bed.same(&format!("{script:?} in one"), &|connect| {
            let mut client = connect();
            let mut told = pipeline(&mut client, script);
            told.extend(shown(
                &client.simple("show default_transaction_read_only").unwrap(),
            ));
            told.extend(shown(&client.simple(SHOW).unwrap()));
            drop(client);
            let mut next = connect();
            told.extend(shown(
                &next.simple("show default_transaction_read_only").unwrap(),
            ));
            told.extend(shown(&next.simple(SHOW).unwrap()));
            told
        });
    }
    // A portal that is bound in one pipeline and executed in another.
    for end in ["commit", "rollback"] {
        bed.same(&format!("portal, {end}"), &|connect| {
            let mut client = connect();
            let mut told = shown(&client.simple("begin").unwrap());
            let mut packet = BytesMut::new();
            prepare(&mut packet, "s", set);
            bind(&mut packet, "p", "s");
            told.extend(send(&mut client, packet));
            let mut packet = BytesMut::new();
            frame(&mut packet, b'E', b"p\0\0\0\0\0");
            told.extend(send(&mut client, packet));
            told.extend(shown(&client.simple(end).unwrap()));
            told.extend(shown(&client.simple(SHOW).unwrap()));
            // It has ended with its transaction.
            let mut packet = BytesMut::new();
            frame(&mut packet, b'E', b"p\0\0\0\0\0");
            told.extend(send(&mut client, packet));
            drop(client);
            told.extend(shown(&connect().simple(SHOW).unwrap()));
            told
        });
    }
}
