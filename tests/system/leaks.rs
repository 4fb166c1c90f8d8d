//! What one client leaves on a server connection, the next one must not see. One connection, two clients.

use std::time::{Duration, Instant};

use local_postgres::Server;
use router_proxy::settings::PoolSettings;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{Message, RawClient};

/// What a client does, and a query whose answer would give it away.
const DEEDS: &[(&str, &[&str])] = &[
    ("SET", &["set work_mem = '77kB'"]),
    (
        "SET in a transaction",
        &["begin", "set work_mem = '77kB'", "commit"],
    ),
    (
        "SET that is undone",
        &["begin", "set work_mem = '77kB'", "select 1/0", "rollback"],
    ),
    (
        "SET before a savepoint is undone",
        &[
            "begin",
            "savepoint a",
            "set work_mem = '77kB'",
            "rollback to a",
            "commit",
        ],
    ),
    (
        "set_config",
        &["select set_config('work_mem', '77kB', false)"],
    ),
    (
        "set_config by a name of its own",
        &["select pg_catalog.set_config('work_mem', '77kB', false)"],
    ),
    (
        "UPDATE of pg_settings",
        &["update pg_settings set setting = '77kB' where name = 'work_mem'"],
    ),
    ("SET in DO", &["do $$ begin set work_mem = '77kB'; end $$"]),
    ("SET in a function", &["select sets()"]),
    (
        "SET in several statements",
        &["set work_mem = '77kB'; select 1"],
    ),
    (
        "several statements with an error",
        &["set work_mem = '77kB'; commit; select 1/0"],
    ),
    ("custom setting", &["set my.secret = 'x'"]),
    ("search_path", &["set search_path = hidden"]),
    ("temporary table", &["create temp table scratch (a int)"]),
    (
        "temporary table by SELECT INTO",
        &["select 1 as a into temp scratch"],
    ),
    (
        "temporary view",
        &["create temp view scratch as select 1 as a"],
    ),
    ("PREPARE", &["prepare mine as select 1"]),
    ("advisory lock", &["select pg_advisory_lock(7)"]),
    (
        "advisory lock in DO",
        &["do $$ begin perform pg_advisory_lock(7); end $$"],
    ),
    ("LISTEN", &["listen news"]),
    (
        "WITH HOLD cursor",
        &["begin", "declare c cursor with hold for select 1", "commit"],
    ),
    ("SET ROLE", &["set role low"]),
    (
        "SET SESSION AUTHORIZATION",
        &["set session authorization low"],
    ),
    (
        "SESSION CHARACTERISTICS",
        &["set session characteristics as transaction read only"],
    ),
    ("open transaction", &["begin", "insert into t values (77)"]),
    (
        "failed transaction",
        &["begin", "insert into t values (77)", "select 1/0"],
    ),
    ("sequence", &["select nextval('counter')"]),
    (
        "type in pg_temp",
        &["create type pg_temp.mine as enum ('a')"],
    ),
    (
        "type through the search path",
        &["set search_path = pg_temp", "create type mine as (a int)"],
    ),
    (
        "function in pg_temp",
        &["create function pg_temp.mine() returns int language sql as 'select 1'"],
    ),
    (
        "temporary table in DO",
        &["do $$ begin create temp table scratch (a int); end $$"],
    ),
    (
        "PREPARE in DO",
        &["do $$ begin execute 'prepare mine as select 1'; end $$"],
    ),
    (
        "LISTEN in DO",
        &["do $$ begin execute 'listen news'; end $$"],
    ),
    (
        "set_config in EXPLAIN ANALYZE",
        &["explain analyze select set_config('work_mem', '77kB', false)"],
    ),
    (
        "set_config in a query below",
        &[
            "with x as materialized (select set_config('work_mem', '77kB', false)) select 1 from x where exists (select 1 from x)",
        ],
    ),
    (
        "set_config in INSERT",
        &["insert into t select 1 where set_config('work_mem', '77kB', false) is null"],
    ),
    (
        "set_config in COPY",
        &["copy (select set_config('work_mem', '77kB', false)) to stdout"],
    ),
    (
        "set_config in CREATE TABLE AS",
        &[
            "drop table if exists made",
            "create table made as select set_config('work_mem', '77kB', false)",
        ],
    ),
    (
        "set_config by a cursor",
        &[
            "begin",
            "declare c cursor for select set_config('work_mem', '77kB', false)",
            "fetch all from c",
            "commit",
        ],
    ),
    ("SET in a procedure", &["call sets_in_procedure()"]),
    (
        "SET in a released savepoint",
        &[
            "begin",
            "savepoint a",
            "set work_mem = '77kB'",
            "release a",
            "commit",
        ],
    ),
    (
        "SET LOCAL after SET",
        &[
            "begin",
            "set work_mem = '77kB'",
            "set local work_mem = '78kB'",
            "commit",
        ],
    ),
    ("SET LOCAL ROLE", &["begin", "set local role low", "commit"]),
    (
        "SET TRANSACTION and a chain",
        &[
            "begin transaction read only",
            "commit and chain",
            "select 1",
            "commit",
        ],
    ),
    ("broken COPY", &["copy t from stdin"]),
    ("LOAD of a setting", &["set local work_mem = '77kB'"]),
    (
        "DISCARD half-way",
        &[
            "set work_mem = '77kB'",
            "begin",
            "set work_mem = '78kB'",
            "rollback",
        ],
    ),
];

/// Everything that could be left. Of a custom setting PostgreSQL keeps the name, with an empty value, as long as
/// the connection lives: that much is not looked at. Errors (`currval`, FETCH) are told by SQLSTATE.
const LOOKS: &[&str] = &[
    "select current_setting('work_mem'), nullif(current_setting('my.secret', true), ''), current_setting('search_path'), current_setting('transaction_read_only'), current_setting('default_transaction_read_only')",
    "select session_user = current_user, current_user",
    "select count(*) from pg_class where relname = 'scratch' and relpersistence = 't' and relnamespace = pg_my_temp_schema()",
    "select count(*) from pg_prepared_statements where name = 'mine'",
    "select count(*) from pg_type where typname = 'mine' and typnamespace = pg_my_temp_schema()",
    "select count(*) from pg_proc where proname = 'mine' and pronamespace = pg_my_temp_schema()",
    "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    "select count(*) from pg_listening_channels()",
    "select count(*) from pg_cursors where name = 'c'",
    "select count(*) from t where a = 77",
    "select currval('counter')",
    "select now() = statement_timestamp()",
];

fn server() -> Server {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    server
        .execute(
            "shop",
            "create table t (a int); create sequence counter; create schema hidden; create role low;
             create procedure sets_in_procedure() language plpgsql as $$ begin set work_mem = '77kB'; end $$;
             create function sets() returns text language sql as $$ select set_config('work_mem', '77kB', false) $$",
        )
        .unwrap();
    server
}

fn connect(proxy: &TestProxy, server: &Server) -> RawClient {
    // Where the only connection is being cleaned, a new client may be told to come back.
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match RawClient::trust(proxy.address, server.user(), "shop") {
            Ok(client) => return client,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    }
}

/// Rows as text and errors by SQLSTATE.
fn seen(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .filter_map(|message| match message.tag {
            b'D' => Some(
                message
                    .columns()
                    .into_iter()
                    .map(|column| {
                        column.map_or("NULL".into(), |v| String::from_utf8_lossy(&v).into_owned())
                    })
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
            b'E' => Some(message.error().expect("an error").code),
            _ => None,
        })
        .collect()
}

/// One statement by Parse, Bind, Execute, Sync.
fn extended(client: &mut RawClient, sql: &str) -> Vec<Message> {
    let mut parse = vec![0];
    parse.extend_from_slice(sql.as_bytes());
    parse.extend_from_slice(&[0, 0, 0]);
    client.send(b'P', &parse).unwrap();
    client.send(b'B', &[0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    client.send(b'E', &[0, 0, 0, 0, 0]).unwrap();
    if sql.starts_with("copy") {
        client.send(b'f', b"no data\0").unwrap();
    }
    client.send(b'S', b"").unwrap();
    client.until_ready().unwrap()
}

fn look(proxy: &TestProxy, server: &Server) -> Vec<Vec<String>> {
    let mut client = connect(proxy, server);
    LOOKS
        .iter()
        .map(|sql| seen(&client.simple(sql).unwrap()))
        .collect()
}

#[test]
fn nothing_of_one_client_is_seen_by_the_next() {
    let server = server();
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let clean = look(&proxy, &server);
    let mut leaks = Vec::new();
    for by_extended in [false, true] {
        for (deed, statements) in DEEDS {
            if by_extended
                && statements
                    .iter()
                    .any(|sql| sql.contains("; ") && !sql.contains("$$"))
            {
                continue;
            }
            let mut first = connect(&proxy, &server);
            for sql in *statements {
                if by_extended {
                    extended(&mut first, sql);
                } else {
                    first.simple(sql).unwrap();
                }
            }
            // Pinned ones keep the only connection until they leave.
            drop(first);
            let found = look(&proxy, &server);
            if found != clean {
                leaks.push(format!("{deed} (extended: {by_extended}): {found:?}"));
            }
        }
    }
    assert!(leaks.is_empty(), "expected {clean:?}\n{}", leaks.join("\n"));
}

/// While the first client is still there: what does not pin must not be seen either.
#[test]
fn nothing_is_seen_while_both_are_there() {
    let server = server();
    let pool = PoolSettings {
        max_size: 1,
        acquire_timeout: Duration::from_millis(300),
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let clean = look(&proxy, &server);
    let mut second = connect(&proxy, &server);
    let mut leaks = Vec::new();
    for (deed, statements) in DEEDS {
        let mut first = connect(&proxy, &server);
        for sql in *statements {
            first.simple(sql).unwrap();
        }
        for (sql, clean) in LOOKS.iter().zip(&clean) {
            let found = seen(&second.simple(sql).unwrap());
            // 53300: the first client holds the connection, as it must.
            if found != *clean && found != ["53300"] {
                leaks.push(format!("{deed}: {sql}: {found:?}"));
            }
            if found == ["53300"] {
                break;
            }
        }
        drop(first);
        let until = Instant::now() + Duration::from_secs(5);
        while seen(&second.simple("select 1").unwrap()) != ["1"] {
            assert!(
                Instant::now() < until,
                "{deed}: the connection never came back"
            );
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// A client that leaves in the middle of something, without a goodbye.
#[test]
fn a_client_may_leave_in_any_state() {
    let server = server();
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let clean = look(&proxy, &server);
    let states: &[(&str, &[u8])] = &[
        ("a running query", b"Q\0\0\0\x25insert into t select 77; select 1\0"),
        ("COPY in", b"Q\0\0\0\x16copy t from stdin\0d\0\0\0\x0777\n"),
        ("half a message", b"Q\0\0\x10\0begin; insert into t values (77)"),
        ("a pipeline without Sync", b"P\0\0\0\x22\0insert into t values (77)\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0"),
        ("a header", b"Q\0\0"),
    ];
    for (state, bytes) in states {
        for begin in [false, true] {
            let mut first = connect(&proxy, &server);
            if begin {
                first.simple("begin; set work_mem = '77kB'").unwrap();
            }
            first.write(bytes).unwrap();
            drop(first);
            let found = look(&proxy, &server);
            if *state != "a running query" {
                assert_eq!(found, clean, "{state}, in a transaction: {begin}");
            }
            server.execute("shop", "delete from t").unwrap();
        }
    }
}
