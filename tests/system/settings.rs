//! What became of settings and transactions of several clients on one server connection, as on a connection of their own.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use local_postgres::Server;
use router_proxy::settings::{PoolMode, PoolSettings, TwoPhaseSettings};
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{Message, RawClient, frame};
use shunt_tests::shards::{eager, on_one_server, server_with};
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

/// Constants are read when a statement is prepared, also where it has to be prepared once more on another connection.
#[test]
fn what_is_prepared_is_read_as_it_was_on_every_connection() {
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
        (
            "set standard_conforming_strings = off",
            "select 'a\\142', $$b$$",
        ),
        (
            "set array_nulls = off",
            "select ('{NULL}'::text[])[1] is null",
        ),
        (
            "set intervalstyle = 'sql_standard'",
            "select extract(epoch from interval '-1 1:00')",
        ),
        ("set timezone = 'UTC'", "select date '01/02/2024', 1/0"),
    ];
    type Way = fn(&mut RawClient) -> Vec<String>;
    let simple = |client: &mut RawClient, all: &[&str]| -> Vec<String> {
        let said = all.iter().map(|sql| shown(&client.simple(sql).unwrap()));
        said.flatten().collect()
    };
    let ways: [(&str, Way); 5] = [
        ("by itself", |client| again(client, "s")),
        ("described", |client| {
            let mut packet = BytesMut::new();
            frame(&mut packet, b'D', b"Ss\0");
            execute(&mut packet, "s");
            send(client, packet)
        }),
        ("by SQL", |client| {
            shown(&client.simple("execute s").unwrap())
        }),
        ("by SQL in the protocol", |client| {
            pipeline(client, &["execute s"])
        }),
        ("in a transaction", |client| {
            let mut told = shown(&client.simple("begin").unwrap());
            told.extend(shown(
                &client.simple("set local datestyle = 'SQL, DMY'").unwrap(),
            ));
            told.extend(again(client, "s"));
            told.extend(shown(&client.simple("show datestyle").unwrap()));
            told.extend(shown(&client.simple("commit").unwrap()));
            told
        }),
    ];
    for (setting, sql) in cases {
        for (what, way) in ways {
            let [direct, proxied] = [false, true].map(|proxied| {
                let mut client = bed.connect(proxied);
                let mut told = by_name(&mut client, "s", sql);
                told.extend(simple(&mut client, &[setting]));
                if proxied {
                    let said = client.simple("select pg_backend_pid()").unwrap();
                    let process = said[1].columns().remove(0).expect("a number");
                    let process = String::from_utf8(process).unwrap();
                    let ends = format!("select pg_terminate_backend({process}, 10000)");
                    bed.server.execute("shop", &ends).unwrap();
                }
                told.extend(way(&mut client));
                told.extend(simple(
                    &mut client,
                    &["show timezone", "show datestyle", "select 'a\\142'"],
                ));
                told.extend(again(&mut client, "s"));
                told
            });
            assert_eq!(proxied, direct, "{setting}: {sql}: {what}");
        }
    }
}

/// What is prepared again by other settings is read again, also where only the server knows which those are.
#[test]
fn what_is_prepared_twice_is_read_twice() {
    let bed = Bed::start();
    let sql = "select * from plain";
    let hidden = "set local search_path = hidden";
    for script in [
        &["begin", hidden, "u", "rollback", "v"][..],
        &["begin", hidden, "u", "commit", "v"],
        &["begin", hidden, "u", "set local search_path = public", "v"],
        &[
            "begin",
            "savepoint a",
            hidden,
            "u",
            "rollback to a",
            "v",
            "commit",
        ],
        &[hidden, "u", "reset search_path", "v"],
    ] {
        bed.same(&format!("{script:?}"), &|connect| {
            let mut client = connect();
            let mut packet = BytesMut::new();
            for step in script {
                match step.len() {
                    1 => {
                        prepare(&mut packet, step, sql);
                        execute(&mut packet, step);
                    }
                    _ => {
                        prepare(&mut packet, "", step);
                        execute(&mut packet, "");
                    }
                }
            }
            send(&mut client, packet)
        });
    }
    // A moment is that of the preparation.
    let mut client = bed.connect(true);
    let now = "select timestamptz 'now'";
    let first = by_name(&mut client, "s", now);
    let second = by_name(&mut client, "t", now);
    assert_ne!(first, second);
    assert!(first.ends_with(&again(&mut client, "s")));
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
        &["begin", set, "savepoint a", set2, "rollback to a", "commit"],
        &["begin", set, "savepoint a", set2, "release a", "commit"],
        &[
            "begin",
            set,
            "savepoint a",
            set2,
            "rollback to a",
            "rollback",
        ],
        &["begin", "savepoint a", set, "rollback to a", "commit"],
        &["begin", "savepoint a", set, "rollback to a", set2, "commit"],
        &[
            "begin",
            set,
            "savepoint a",
            set2,
            "select 1/0",
            "rollback to a",
            "savepoint a",
            "set work_mem = '3MB'",
            "release a",
            "rollback to a",
            "commit",
        ],
        &[
            "begin",
            set,
            "savepoint a; select 1",
            set2,
            "rollback to a",
            "commit",
        ],
        &[
            "begin",
            set,
            "savepoint a",
            set2,
            "rollback to a; select 1",
            "commit",
        ],
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
        &["begin", set, "savepoint a", set2, "rollback to a", "commit"],
        &[
            "begin",
            set,
            "savepoint a",
            set2,
            "release a",
            "commit",
            set,
            "select 1/0",
        ],
        &[
            "begin",
            "savepoint a",
            set,
            "rollback to a",
            "commit",
            "select 1/0",
        ],
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

/// `RESET` goes back to what the startup packet said, and no savepoint keeps the connection.
#[test]
fn what_a_savepoint_undoes_is_known() {
    let bed = Bed::start();
    let direct = ([127, 0, 0, 1], bed.server.port()).into();
    let told = [bed.proxy.address, direct].map(|address| {
        let startup = [
            ("user", bed.server.user()),
            ("database", "shop"),
            ("datestyle", "Postgres, MDY"),
            ("work_mem", "99kB"),
        ];
        let mut client = RawClient::connect(address, &startup, None).unwrap();
        let mut told = Vec::new();
        for sql in [
            "begin",
            "set datestyle = 'MDY'",
            "savepoint a",
            "set datestyle = 'DMY'",
            "set work_mem = '1MB'",
            "rollback to a",
            "commit",
            "show datestyle",
            "reset datestyle",
            "show datestyle",
            SHOW,
        ] {
            told.extend(shown(&client.simple(sql).unwrap()));
            // The connection is there for others between transactions.
            if sql == "commit" && address == bed.proxy.address {
                let other = shown(&bed.connect(true).simple(SHOW).unwrap());
                assert!(says(&other, "row 4MB"), "{other:?}");
            }
        }
        told
    });
    assert_eq!(told[0], told[1]);
}

/// The default of a setting is what the startup packet said.
#[test]
fn a_default_within_a_transaction_is_the_clients() {
    let bed = Bed::start();
    let direct = ([127, 0, 0, 1], bed.server.port()).into();
    for extended in [false, true] {
        let told = [bed.proxy.address, direct].map(|address| {
            let startup = [
                ("user", bed.server.user()),
                ("database", "shop"),
                ("work_mem", "99kB"),
            ];
            let mut client = RawClient::connect(address, &startup, None).unwrap();
            let mut told = Vec::new();
            for sql in [
                "set work_mem = '1MB'",
                "begin",
                "set local work_mem to default",
                SHOW,
                "set local work_mem = '2MB'",
                "set local work_mem = default",
                SHOW,
                "set local enable_seqscan to default",
                "set work_mem = '3MB'",
                "reset work_mem",
                SHOW,
                "set work_mem = '3MB'",
                "set work_mem to default",
                SHOW,
                "rollback",
                SHOW,
                "begin",
                "reset work_mem",
                "reset enable_seqscan",
                SHOW,
                "commit",
                SHOW,
                "reset work_mem",
                SHOW,
            ] {
                told.extend(match extended {
                    true => pipeline(&mut client, &[sql]),
                    false => shown(&client.simple(sql).unwrap()),
                });
            }
            told
        });
        assert_eq!(told[0], told[1]);
        let other = shown(&bed.connect(true).simple(SHOW).unwrap());
        assert!(says(&other, "row 4MB"), "{other:?}");
    }
}

/// The client is told what holds for it, also where that is no news of the server's.
#[test]
fn what_goes_back_to_the_startup_packet_is_reported() {
    let bed = Bed::start();
    let direct = ([127, 0, 0, 1], bed.server.port()).into();
    let startup = [
        ("user", bed.server.user()),
        ("database", "shop"),
        ("client_encoding", "LATIN1"),
        ("datestyle", "German"),
        ("timezone", "CET"),
    ];
    // To what servers have themselves, and back.
    let there = [
        "set client_encoding = 'utf8'; set datestyle = 'ISO, MDY'; set timezone = 'Etc/UTC'",
        "set application_name = 'other'",
    ];
    for back in [
        "discard all",
        "reset all",
        "reset client_encoding",
        "reset datestyle",
        "set timezone to default",
    ] {
        for extended in [false, true] {
            let told = [bed.proxy.address, direct].map(|address| {
                let mut client = RawClient::connect(address, &startup, None).unwrap();
                let mut told = Vec::new();
                for sql in there {
                    client.simple(sql).unwrap();
                }
                told.extend(match extended {
                    true => pipeline(&mut client, &[back]),
                    false => shown(&client.simple(back).unwrap()),
                });
                client.parameters.sort();
                told.push(format!("{:?}", client.parameters));
                let values = "select chr(233), timestamptz '2024-01-02 00:00Z'";
                let said = client.simple(values).unwrap();
                told.push(format!("{said:?}"));
                told
            });
            assert_eq!(told[0], told[1], "{back}, extended: {extended}");
        }
    }
}

/// What goes back to the startup packet's settings is told once, however many messages are on their way.
#[test]
fn several_resets_in_one_write_are_told_as_they_are() {
    let bed = Bed::start();
    let direct = ([127, 0, 0, 1], bed.server.port()).into();
    let conversations: [&[&str]; 5] = [
        &["reset work_mem", "reset work_mem"],
        &[
            "select 1; reset work_mem; select 2",
            "reset datestyle; select 3",
        ],
        &["reset all", "reset all", "select 7"],
        &["set work_mem to default", "select 5", "reset all; select 1"],
        &[
            "begin",
            "reset work_mem",
            "select nothing",
            "rollback",
            "reset all; select nothing",
        ],
    ];
    for messages in conversations {
        let told = [bed.proxy.address, direct].map(|address| {
            let startup = [
                ("user", bed.server.user()),
                ("database", "shop"),
                ("work_mem", "99kB"),
                ("datestyle", "German"),
            ];
            let mut client = RawClient::connect(address, &startup, None).unwrap();
            let mut packet = BytesMut::new();
            for sql in messages {
                frame(&mut packet, b'Q', format!("{sql}\0").as_bytes());
            }
            client.write(&packet).unwrap();
            let answers = messages
                .iter()
                .map(|_| shown(&client.until_ready().unwrap()));
            answers.collect::<Vec<_>>()
        });
        assert_eq!(told[0], told[1], "{messages:?}");
    }
}

/// A client whose settings the server does not take says nothing about the server: nobody else waits for that.
#[test]
fn settings_that_a_server_does_not_take_are_no_failure_of_its_own() {
    let bed = Bed::start();
    let pool = PoolSettings {
        mode: PoolMode::Session,
        ..PoolSettings::default()
    };
    let session = TestProxy::start(unsharded(&bed.server, "shop", pool));
    let began = Instant::now();
    for _ in 0..12 {
        let startup = [
            ("user", bed.server.user()),
            ("database", "shop"),
            ("options", "-c local_preload_libraries=nothing_like_it"),
        ];
        let refused = RawClient::connect(session.address, &startup, None);
        let error = format!("{:#}", refused.err().expect("a refusal"));
        assert!(error.contains("58P01"), "{error}");
    }
    RawClient::trust(session.address, bed.server.user(), "shop").unwrap();
    // With the pauses that follow failures of a server it would be twice as long.
    assert!(began.elapsed() < Duration::from_secs(8));
}

/// Waits for a backend of this state and query, and ends it.
/// What a transaction sets for those behind it is its client's alone.
#[test]
fn characteristics_that_a_transaction_sets_are_not_the_next_clients() {
    let server = server_with(3);
    let proxy = TestProxy::start(on_one_server(&server, 3, TwoPhaseSettings::default()));
    let connect = || RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let set = "set session characteristics as transaction read only";
    let failure = |said: Vec<Message>| said.iter().find_map(Message::error).map(|e| e.code);
    for extended in [true, false] {
        let mut client = connect();
        match extended {
            true => drop(client.extended(set, &[], false).unwrap()),
            false => {
                for sql in ["begin", set, "select count(*) from accounts", "commit"] {
                    assert_eq!(failure(client.simple(sql).unwrap()), None, "{sql}");
                }
            }
        }
        let write = "update accounts set balance = 1 where id = 1";
        let refused = failure(client.simple(write).unwrap());
        assert_eq!(refused.as_deref(), Some("25006"));
        drop(client);
        let mut next = connect();
        for id in 0..30 {
            let write = format!("update accounts set balance = 1 where id = {id}");
            assert_eq!(failure(next.simple(&write).unwrap()), None);
        }
    }
}

/// As asyncpg does to look up types: it asks for a setting as it sets another value, and sets the old one by a parameter.
#[test]
fn a_setting_by_a_parameter_holds_on_every_shard() {
    let server = server_with(3);
    let proxy = TestProxy::start(on_one_server(&server, 3, TwoPhaseSettings::default()));
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let rows = "insert into accounts (id) select n from generate_series(1, 30) n";
    client.simple(rows).unwrap();
    let values = |said: Vec<Message>| -> Vec<String> {
        let rows = said.iter().filter(|message| message.tag == b'D');
        let values = rows.flat_map(Message::columns).flatten();
        values
            .map(|value| String::from_utf8(value).unwrap())
            .collect()
    };
    // In a transaction all shards have joined before.
    for (begin, end) in [(None, None), (Some("begin"), Some("commit"))] {
        let mut say = |sql: &str| values(client.simple(sql).unwrap());
        if let Some(begin) = begin {
            say(begin);
            say("select count(*) from accounts");
        }
        let both = "select current_setting('jit') as cur, set_config('jit', 'off', false) as new";
        assert_eq!(say(both), ["on", "off"]);
        let everywhere = "select distinct current_setting('jit') from accounts";
        assert_eq!(say(everywhere), ["off"]);
        let set = "select set_config('jit', $1, false)";
        assert_eq!(
            values(client.extended(set, &[Some("on")], false).unwrap()),
            ["on"]
        );
        assert_eq!(values(client.simple(everywhere).unwrap()), ["on"]);
        if let Some(end) = end {
            client.simple(end).unwrap();
        }
        for id in 1..30 {
            let sql = format!("select current_setting('jit') from accounts where id = {id}");
            assert_eq!(values(client.simple(&sql).unwrap()), ["on"]);
        }
    }
    let said = client.extended("select set_config('jit', $1, false)", &[None], false);
    let refused = said.unwrap().iter().find_map(Message::error).unwrap();
    assert_eq!(refused.code, "SH013");
    assert_eq!(values(client.simple("select 1").unwrap()), ["1"]);
}

fn terminate(server: &Server, state: &str, query: &str) {
    let found = format!(
        "select pid from pg_stat_activity where state = '{state}' and query like '{query}' and pid <> pg_backend_pid()"
    );
    let sql = format!(
        "do $$ begin
           while not exists ({found}) loop perform pg_sleep(0.01); perform pg_stat_clear_snapshot(); end loop;
           perform pg_terminate_backend(pid) from ({found}) as a;
           while exists ({found}) loop perform pg_sleep(0.01); perform pg_stat_clear_snapshot(); end loop;
         end $$"
    );
    server.execute("postgres", &sql).unwrap();
}

fn status(messages: &[Message]) -> char {
    let last = messages.last().expect("a message");
    assert_eq!(last.tag, b'Z');
    char::from(last.body[0])
}

fn says(told: &[String], what: &str) -> bool {
    told.iter().any(|line| line.contains(what))
}

#[test]
fn a_server_that_is_lost_in_a_transaction_leaves_a_failed_one() {
    let bed = Bed::start();
    let insert = "insert into plain values (7)";
    for in_one in [true, false] {
        let mut client = bed.connect(true);
        if in_one {
            client.send(b'Q', b"begin; select pg_sleep(30)\0").unwrap();
        } else {
            let mut packet = BytesMut::new();
            for sql in ["begin", "select pg_sleep(30)"] {
                prepare(&mut packet, "", sql);
                execute(&mut packet, "");
            }
            frame(&mut packet, b'S', b"");
            client.write(&packet).unwrap();
        }
        terminate(&bed.server, "active", "%pg_sleep(30)%");
        let messages = client.until_ready().unwrap();
        assert!(says(&shown(&messages), "57P01"), "{messages:?}");
        assert_eq!(status(&messages), 'E');
        assert!(says(&shown(&client.simple(insert).unwrap()), "25P02"));
        let told = shown(&client.simple("commit").unwrap());
        assert!(says(&told, "ROLLBACK"), "{told:?}");
    }
    // What happened is said before its consequence.
    for by_parse in [true, false] {
        let mut client = bed.connect(true);
        client.simple("begin").unwrap();
        client.simple(insert).unwrap();
        terminate(&bed.server, "idle in transaction", "%");
        let told = match by_parse {
            true => pipeline(&mut client, &["select 1"]),
            false => shown(&client.simple("select 1").unwrap()),
        };
        assert!(says(&told, "57P01"), "{told:?}");
        let told = shown(&client.simple("select 1").unwrap());
        assert!(says(&told, "25P02"), "{told:?}");
        let told = shown(&client.simple("commit").unwrap());
        assert!(says(&told, "ROLLBACK"), "{told:?}");
        let count = "select count(*) from plain where a = 7";
        let told = shown(&client.simple(count).unwrap());
        assert!(says(&told, "row 0"), "{told:?}");
    }
}

/// A savepoint brings back nothing that was done before it on a server that is gone.
#[test]
fn no_savepoint_outlives_its_server() {
    let server = server_with(2);
    let settings = on_one_server(&server, 2, eager());
    let name = settings.databases[0].topology.database.clone();
    let proxy = TestProxy::start(settings);
    let mut client = RawClient::trust(proxy.address, server.user(), &name).unwrap();
    client.simple("begin").unwrap();
    for id in 901..=908 {
        let sql = format!("insert into accounts (id, balance) values ({id}, 1)");
        client.simple(&sql).unwrap();
    }
    client.simple("savepoint a").unwrap();
    terminate(&server, "idle in transaction", "savepoint a");
    client.simple("rollback to a").unwrap();
    let told = shown(&client.simple("commit").unwrap());
    assert!(!says(&told, "COMMIT"), "{told:?}");
    let count = "select count(*) from accounts where id > 900";
    let told = shown(&client.simple(count).unwrap());
    assert!(says(&told, "row 0"), "{told:?}");
}

#[test]
fn what_others_have_prepared_is_out_of_reach() {
    let bed = Bed::start();
    let mut a = bed.connect(true);
    by_name(&mut a, "s", "select 'mine'");
    let mut b = bed.connect(true);
    let find = "select name from pg_prepared_statements where statement like 'select %mine%' and name like 'shunt%'";
    let told = shown(&b.simple(find).unwrap());
    let name = told
        .iter()
        .find_map(|line| line.strip_prefix("row "))
        .expect("a name");
    for (sql, state) in [
        (format!("deallocate {name}"), "26000"),
        (format!("deallocate prepare \"{name}\""), "26000"),
        (format!("execute {name}"), "26000"),
        (format!("explain execute {name}"), "26000"),
        (format!("select 1; execute {name}"), "26000"),
        (format!("prepare {name} as select 1"), "42939"),
    ] {
        let told = shown(&b.simple(&sql).unwrap());
        assert!(says(&told, state), "{sql}: {told:?}");
        if !sql.contains(';') {
            let told = pipeline(&mut b, &[&sql]);
            assert!(says(&told, state), "{sql}: {told:?}");
        }
        assert!(says(&again(&mut a, "s"), "row mine"), "{sql}");
    }
    // A text that runs within the server says all names: whoever finds his own gone has it there again the next time.
    a.simple("do $$ declare n text; begin select name into n from pg_prepared_statements where name like 'shunt%' limit 1; execute 'deallocate ' || quote_ident(n); end $$").unwrap();
    let told = again(&mut a, "s");
    assert!(says(&told, "26000") || says(&told, "row mine"), "{told:?}");
    assert!(says(&again(&mut a, "s"), "row mine"));
}

/// A statement without a name may be longer than what is read. Only its server knows what it leaves.
#[test]
fn an_unnamed_statement_may_be_of_any_length() {
    let bed = Bed::start();
    let long = "x".repeat(3 << 20);
    let sql = format!("select length('{long}'), set_config('work_mem', '77kB', false)");
    bed.same("a long Parse", &|connect| {
        let mut client = connect();
        let mut told = pipeline(&mut client, &[&sql]);
        let mut packet = BytesMut::new();
        prepare(&mut packet, "", &sql);
        frame(&mut packet, b'D', b"S\0");
        told.extend(send(&mut client, packet));
        // It is there until something else is.
        told.extend(again(&mut client, ""));
        told.extend(pipeline(&mut client, &["select 1"]));
        told.extend(again(&mut client, ""));
        let mut packet = BytesMut::new();
        prepare(&mut packet, "", &format!("{sql} from"));
        bind(&mut packet, "", "");
        told.extend(send(&mut client, packet));
        told.extend(again(&mut client, ""));
        told.extend(shown(&client.simple(SHOW).unwrap()));
        told.extend(again(&mut client, ""));
        drop(client);
        told.extend(shown(&connect().simple(SHOW).unwrap()));
        told
    });
    let mut client = bed.connect(true);
    assert!(says(&by_name(&mut client, "s", &sql), "54000"));
}

/// In session mode a client is told in the server's words what is wrong with its startup packet.
#[test]
fn what_a_startup_packet_may_not_say_is_told_by_the_server() {
    let bed = Bed::start();
    let pool = PoolSettings {
        mode: PoolMode::Session,
        ..PoolSettings::default()
    };
    let session = TestProxy::start(unsharded(&bed.server, "shop", pool));
    let direct = ([127, 0, 0, 1], bed.server.port()).into();
    for (name, value) in [
        ("autovacuum", "off"),
        ("server_version", "1"),
        ("max_connections", "7"),
        ("work_mem", "much"),
        ("nothing_like_it", "1"),
    ] {
        let told = [direct, session.address, bed.proxy.address].map(|address| {
            let startup = [
                ("user", bed.server.user()),
                ("database", "shop"),
                (name, value),
            ];
            let refused = RawClient::connect(address, &startup, None);
            let error = format!("{:#}", refused.err().expect("a refusal"));
            let code = error
                .split_once("code: \"")
                .map(|(_, rest)| rest[..5].to_owned());
            code.unwrap_or(error)
        });
        assert_eq!((&told[1], &told[2]), (&told[0], &told[0]), "{name}");
    }
}

/// What a client is told at login about the server's settings is what they are, also after the server was told others.
#[test]
fn a_greeting_is_not_older_than_its_server() {
    let bed = Bed::start();
    let pool = PoolSettings {
        mode: PoolMode::Session,
        ..PoolSettings::default()
    };
    let session = TestProxy::start(unsharded(&bed.server, "shop", pool));
    let direct = ([127, 0, 0, 1], bed.server.port()).into();
    let zone = |address| {
        let mut client = RawClient::trust(address, bed.server.user(), "shop").unwrap();
        client.simple("select 1").unwrap();
        let mut told = client.parameters.iter();
        let zone = told.find(|(name, _)| name == "TimeZone").expect("a zone");
        zone.1.clone()
    };
    let all = [
        ("the server", direct),
        ("transaction mode", bed.proxy.address),
        ("session mode", session.address),
    ];
    for expected in ["CET", "Asia/Tokyo"] {
        let told = format!("alter system set timezone = '{expected}'");
        bed.server.execute("shop", &told).unwrap();
        bed.server
            .execute("shop", "select pg_reload_conf()")
            .unwrap();
        for (what, address) in all {
            let until = Instant::now() + Duration::from_secs(30);
            while zone(address) != expected {
                assert!(Instant::now() < until, "{what}: {expected}");
            }
        }
    }
}
