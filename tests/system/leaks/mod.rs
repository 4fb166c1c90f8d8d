//! What one client leaves on a server connection, the next one must not see. One connection, two clients.

mod behind;
mod deeds;

use std::time::{Duration, Instant};

use local_postgres::Server;
use router_proxy::settings::PoolSettings;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{Message, RawClient};
use shunt_tests::shards::{on_one_server, server_with};

use self::behind::{BEHIND, MADE_BEHIND};
use self::deeds::{DEEDS, LOOKS};

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

/// One with functions behind tables as well. They are not in the other: an operator, a cast or a domain that changes a
/// setting lets every statement keep its connection.
fn server_with_things_behind() -> Server {
    let server = server();
    server.execute("shop", MADE_BEHIND).unwrap();
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
    next_sees_nothing(&server(), DEEDS);
}

#[test]
fn nothing_that_happens_behind_a_statement_is_seen_by_the_next() {
    let server = server_with_things_behind();
    next_sees_nothing(&server, BEHIND);
}

/// What the tests look for is there to be found: without a router the client itself sees what it has left.
#[test]
fn what_happens_behind_a_statement_leaves_something() {
    let server = server_with_things_behind();
    let direct = || {
        RawClient::trust(
            ([127, 0, 0, 1], server.port()).into(),
            server.user(),
            "shop",
        )
        .expect("a connection")
    };
    let look = |client: &mut RawClient| -> Vec<_> {
        LOOKS
            .iter()
            .map(|sql| seen(&client.simple(sql).unwrap()))
            .collect()
    };
    let clean = look(&mut direct());
    for (deed, statements) in BEHIND {
        let mut client = direct();
        for sql in *statements {
            client.simple(sql).unwrap();
        }
        assert_ne!(look(&mut client), clean, "{deed}");
    }
}

fn next_sees_nothing(server: &Server, deeds: &[(&str, &[&str])]) {
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(server, "shop", pool));
    let clean = look(&proxy, server);
    let mut leaks = Vec::new();
    for by_extended in [false, true] {
        for (deed, statements) in deeds {
            if by_extended
                && statements
                    .iter()
                    .any(|sql| sql.contains("; ") && !sql.contains("$$"))
            {
                continue;
            }
            let mut first = connect(&proxy, server);
            for sql in *statements {
                if by_extended {
                    extended(&mut first, sql);
                } else if let Err(error) = first.simple(sql) {
                    panic!("{deed}: {sql}: {error:?}");
                }
            }
            // Pinned ones keep the only connection until they leave.
            drop(first);
            let found = look(&proxy, server);
            if found != clean {
                leaks.push(format!("{deed} (extended: {by_extended}): {found:?}"));
            }
        }
    }
    assert!(leaks.is_empty(), "expected {clean:?}\n{}", leaks.join("\n"));
}

/// What `DISCARD ALL` does not end: a connection with that is closed, be it that its client leaves or that it says so itself.
#[test]
fn what_discard_all_leaves_goes_to_nobody() {
    let server = server();
    let random = "select random()";
    let seeded = |how: &str| {
        let address = ([127, 0, 0, 1], server.port()).into();
        let mut client = RawClient::trust(address, server.user(), "shop").unwrap();
        client.simple(how).unwrap();
        seen(&client.simple(random).unwrap())
    };
    let by_seed = seeded("select setseed(0.5)");
    assert_eq!(by_seed, seeded("begin; set local seed = 0.5; rollback"));
    let slot = "select count(*) from pg_create_physical_replication_slot('kept', true, true)";
    let slots = "select count(*) from pg_replication_slots where active";
    let backup = "select pg_backup_start('kept', true) is not null";
    let deeds: [(&str, &str, &[String]); 11] = [
        ("select setseed(0.5)", random, &by_seed),
        ("set seed = 0.5", random, &by_seed),
        ("select set_config('seed', '0.5', false)", random, &by_seed),
        (
            "select set_config('seed', '0.5', true), 1",
            random,
            &by_seed,
        ),
        (
            "select 1 where set_config('SEED', '0.5', true) <> ''",
            random,
            &by_seed,
        ),
        ("begin; set local seed = 0.5; commit", random, &by_seed),
        ("do $$ begin perform setseed(0.5); end $$", random, &by_seed),
        ("do $$ begin set seed = 0.5; end $$", random, &by_seed),
        (
            "do $$ begin execute 'set seed = 0.5'; end $$",
            random,
            &by_seed,
        ),
        (slot, slots, &["1".to_owned()]),
        (backup, backup, &["55000".to_owned()]),
    ];
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    for (deed, look, left) in deeds {
        for leaves in [true, false] {
            let mut first = connect(&proxy, &server);
            first.simple(deed).unwrap();
            if leaves {
                drop(first);
            } else {
                first.simple("discard all").unwrap();
            }
            // PostgreSQL ends a session a moment after its client is gone.
            let until = Instant::now() + Duration::from_secs(10);
            let mut second = connect(&proxy, &server);
            loop {
                let found = seen(&second.simple(look).unwrap());
                if found != left {
                    break;
                }
                assert!(
                    Instant::now() < until && look != random,
                    "{deed}, leaves: {leaves}: {found:?}"
                );
            }
            second.simple("select * from pg_backup_stop()").unwrap();
        }
    }
}

/// While the first client is still there: what does not pin must not be seen either.
#[test]
fn nothing_is_seen_while_both_are_there() {
    both_see_nothing(&server(), DEEDS);
}

#[test]
fn nothing_that_happens_behind_a_statement_is_seen_while_both_are_there() {
    let server = server();
    server.execute("shop", MADE_BEHIND).unwrap();
    // These let every statement keep its connection.
    server
        .execute(
            "shop",
            "drop operator ==== (int, int); drop cast (text as by_cast); drop domain by_domain",
        )
        .unwrap();
    let deeds: Vec<_> = BEHIND
        .iter()
        .filter(|(deed, _)| {
            !["operator", "cast", "domain"]
                .iter()
                .any(|word| deed.contains(word))
        })
        .copied()
        .collect();
    both_see_nothing(&server, &deeds);
}

fn both_see_nothing(server: &Server, deeds: &[(&str, &[&str])]) {
    let pool = PoolSettings {
        max_size: 1,
        acquire_timeout: Duration::from_millis(300),
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(server, "shop", pool));
    let clean = look(&proxy, server);
    let mut second = connect(&proxy, server);
    let mut leaks = Vec::new();
    for (deed, statements) in deeds {
        let mut first = connect(&proxy, server);
        for sql in *statements {
            if let Err(error) = first.simple(sql) {
                panic!("{deed}: {sql}: {error:?}");
            }
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
        (
            "an answered query, and a half of data behind it",
            b"Q\0\0\0\x0dselect 1\0d\0\x01\x86\xa0abc",
        ),
    ];
    for (state, bytes) in states {
        for begin in [false, true] {
            let mut first = connect(&proxy, &server);
            if begin {
                first.simple("begin; set work_mem = '77kB'").unwrap();
            }
            first.write(bytes).unwrap();
            if state.starts_with("an answered") {
                first.until_ready().unwrap();
            }
            drop(first);
            let found = look(&proxy, &server);
            if *state != "a running query" {
                assert_eq!(found, clean, "{state}, in a transaction: {begin}");
            }
            server.execute("shop", "delete from t").unwrap();
        }
    }
}

/// What a client drew from a sequence it can ask for, or is told that it cannot: it never gets what another one drew.
#[test]
fn the_values_of_sequences_are_a_clients_own() {
    let server = server_with_things_behind();
    server
        .execute(
            "shop",
            "drop operator ==== (int, int); drop cast (text as by_cast); drop domain by_domain",
        )
        .unwrap();
    let pool = PoolSettings {
        max_size: 1,
        acquire_timeout: Duration::from_millis(300),
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let insert = "insert into numbered default values returning id";
    for by_extended in [false, true] {
        let run = |client: &mut RawClient, sql: &str| {
            seen(&match by_extended {
                true => extended(client, sql),
                false => client.simple(sql).unwrap(),
            })
        };
        let (mut one, mut two) = (connect(&proxy, &server), connect(&proxy, &server));
        // Neither has drawn anything; then both have, and each asks in the transaction in which it did.
        for client in [&mut one, &mut two] {
            assert_eq!(run(client, "select lastval()"), ["55000"]);
            client.simple("discard all").unwrap();
            run(client, "begin");
            let id = run(client, insert);
            assert_eq!(run(client, "select lastval()"), id);
            assert_eq!(run(client, "select currval('numbered_id_seq')"), id);
            assert_eq!(
                run(client, "select currval('identified_id_seq')"),
                ["55000"]
            );
            run(client, "rollback");
            client.simple("discard all").unwrap();
        }
        // In another transaction it is on a connection that others had since.
        assert_eq!(run(&mut one, insert).len(), 1);
        assert_eq!(run(&mut two, insert).len(), 1);
        assert_eq!(
            run(&mut one, "select currval('numbered_id_seq')"),
            ["55000"]
        );
        assert_eq!(run(&mut one, "select 1"), ["1"]);
        // A client that calls nextval keeps the connection, and with it the value.
        let drawn = run(&mut one, "select nextval('counter')");
        assert_eq!(run(&mut one, "select currval('counter')"), drawn);
        assert_eq!(run(&mut one, "select lastval()"), drawn);
        assert_eq!(run(&mut two, "select 1"), ["53300"]);
        one.simple("discard all").unwrap();
        assert_eq!(run(&mut one, "select lastval()"), ["55000"]);
        one.simple("discard all").unwrap();
        // Among the statements of one message.
        let message = "begin; insert into numbered default values; select currval('numbered_id_seq') = max(id) from numbered; commit";
        assert_eq!(seen(&two.simple(message).unwrap()), ["t"]);
        two.simple("discard all").unwrap();
        let message = "begin; select 1; select currval('numbered_id_seq'); commit";
        assert_eq!(seen(&one.simple(message).unwrap()).last().unwrap(), "55000");
        one.simple("rollback").unwrap();
    }
}

/// In a pipeline nothing of the router's own can come between: what cannot be answered rightly is refused.
#[test]
fn a_pipeline_does_not_see_the_sequences_of_others() {
    let server = server_with_things_behind();
    server
        .execute(
            "shop",
            "drop operator ==== (int, int); drop cast (text as by_cast); drop domain by_domain",
        )
        .unwrap();
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let pipeline = |client: &mut RawClient, texts: &[&str]| {
        for sql in texts {
            let mut parse = vec![0];
            parse.extend_from_slice(sql.as_bytes());
            parse.extend_from_slice(&[0, 0, 0]);
            client.send(b'P', &parse).unwrap();
            client.send(b'B', &[0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
            client.send(b'E', &[0, 0, 0, 0, 0]).unwrap();
        }
        client.send(b'S', b"").unwrap();
        seen(&client.until_ready().unwrap())
    };
    let draw = "insert into numbered default values returning id";
    let ask = "select currval('numbered_id_seq')";
    for _ in 0..2 {
        let mut first = connect(&proxy, &server);
        assert_eq!(seen(&first.simple(draw).unwrap()).len(), 1);
        drop(first);
        let mut second = connect(&proxy, &server);
        // The first statement says nothing of sequences: by the second one it is too late.
        assert_eq!(pipeline(&mut second, &["select 1", ask]), ["1", "55000"]);
        drop(second);
        let mut third = connect(&proxy, &server);
        let found = pipeline(&mut third, &["begin", draw, ask, "commit"]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], found[1]);
        drop(third);
        let mut fourth = connect(&proxy, &server);
        assert_eq!(pipeline(&mut fourth, &[ask]), ["55000"]);
    }
}

/// Ordinary tables and functions cost nothing: their clients share one connection.
#[test]
fn ordinary_tables_keep_no_connection() {
    let server = server();
    server
        .execute(
            "shop",
            "create function stamps() returns trigger language plpgsql as $$ begin new.at := now(); update log set n = n + 1; return new; end $$;
             create function twice(int) returns int language sql as $$ select 2 * $1 $$;
             create table log (n int);
             create table stamped (id bigserial primary key, a int default twice(2) check (a > 0), at timestamptz);
             create index on stamped (abs(a)) where a > 3;
             create trigger stamps before insert or update on stamped for each row execute function stamps();
             create view stamps_today as select *, twice(a) from stamped where at > current_date;",
        )
        .unwrap();
    let pool = PoolSettings {
        max_size: 1,
        acquire_timeout: Duration::from_millis(300),
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let (mut one, mut two) = (connect(&proxy, &server), connect(&proxy, &server));
    for sql in [
        "insert into stamped (a) values (1)",
        "update stamped set a = twice(a)",
        "select * from stamps_today",
        "select twice(1), pg_relation_size('stamped')",
        "select set_config('app.tenant', '7', true)",
        "select set_config('app.tenant', '7', false)",
        "create table made (a int, id serial)",
        "insert into made values (1)",
        "drop table made",
        "delete from stamped",
    ] {
        for by_extended in [false, true] {
            if by_extended && (sql.starts_with("create") || sql.starts_with("drop")) {
                continue;
            }
            match by_extended {
                true => extended(&mut one, sql),
                false => one.simple(sql).unwrap(),
            };
            assert_eq!(seen(&two.simple("select 1").unwrap()), ["1"], "{sql}");
        }
    }
    // What a query sets alone follows its client.
    let tenant = "select coalesce(current_setting('app.tenant', true), '')";
    assert_eq!(seen(&one.simple(tenant).unwrap()), ["7"]);
    assert_eq!(seen(&two.simple(tenant).unwrap()), [""]);
}

/// What somebody makes on the server, behind the proxy's back, is noticed when the catalog is read the next time; connections
/// from before are not used again.
#[test]
fn what_is_made_behind_the_proxys_back_is_noticed() {
    let server = server();
    server
        .execute(
            "shop",
            "create table late (a int); create table other (a int)",
        )
        .unwrap();
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let mut one = connect(&proxy, &server);
    one.simple("insert into late values (1)").unwrap();
    server
        .execute(
            "shop",
            "create function changes() returns trigger language plpgsql as $$ begin set work_mem = '77kB'; return new; end $$;
             create trigger t before insert on late for each row execute function changes()",
        )
        .unwrap();
    one.simple("insert into late values (1)").unwrap();
    // A definition through the proxy of what may leave anything has it read anew.
    one.simple("create function other() returns void language plpgsql as $$ begin execute 'select 1'; end $$")
        .unwrap();
    let found = seen(&one.simple("show work_mem").unwrap());
    assert_eq!(found, ["4MB"]);
    one.simple("insert into late values (1)").unwrap();
    drop(one);
    assert_eq!(
        seen(&connect(&proxy, &server).simple("show work_mem").unwrap()),
        ["4MB"]
    );
}

/// `EXPLAIN ANALYZE` carries out what it explains, over shards in steps of the router's own: what triggers leave behind is
/// left by it too.
#[test]
fn nothing_of_an_explained_write_over_shards_is_seen_by_the_next() {
    let server = server_with(2);
    for shard in ["bank0", "bank1"] {
        server
            .execute(
                shard,
                "create function changes() returns trigger language plpgsql as
                   $$ begin set work_mem = '77kB'; return new; end $$;
                 create trigger t before insert or update on accounts for each row execute function changes();
                 create trigger t before insert or update on copies for each row execute function changes();
                 insert into accounts select i from generate_series(1, 8) i where i % 2 = right(current_database(), 1)::int;
                 insert into copies values (1)",
            )
            .unwrap();
    }
    let mut settings = on_one_server(&server, 2, Default::default());
    settings.databases[0].pool.max_size = 1;
    let proxy = TestProxy::start(settings);
    let connect = || {
        // Where the only connection is being cleaned, a new client may be told to come back.
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match RawClient::trust(proxy.address, server.user(), "bank") {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
        }
    };
    let look = |client: &mut RawClient| -> Vec<_> {
        ["s0", "s1"]
            .iter()
            .flat_map(|shard| {
                let directive = format!("set shunt.shard = '{shard}'");
                client.simple(&directive).unwrap();
                let found = seen(&client.simple("select current_setting('work_mem')").unwrap());
                client.simple("reset shunt.shard").unwrap();
                found
            })
            .collect()
    };
    let clean = look(&mut connect());
    let changed = ["77kB", "77kB"];
    assert_ne!(clean, changed);
    let deeds: &[&[&str]] = &[
        &["explain analyze insert into accounts (id) values (21), (22), (23)"],
        &["explain analyze update accounts set balance = balance + 1"],
        &["explain analyze insert into accounts (id) select id + 100 from accounts where id < 9"],
        &["explain analyze update copies set name = 'x'"],
        &[
            "prepare q as update accounts set balance = balance + 1",
            "explain analyze execute q",
        ],
        &[
            "begin",
            "explain analyze update accounts set balance = balance + 1",
            "commit",
        ],
    ];
    for by_extended in [false, true] {
        for deed in deeds {
            let mut first = connect();
            for sql in *deed {
                let answer = match by_extended {
                    true => extended(&mut first, sql),
                    false => first.simple(sql).unwrap(),
                };
                let error = answer.iter().find_map(Message::error);
                assert!(error.is_none(), "{sql}: {error:?}");
            }
            assert_eq!(look(&mut first), changed, "{deed:?} leaves something");
            drop(first);
            let found = look(&mut connect());
            assert_eq!(found, clean, "{deed:?} (extended: {by_extended})");
            server
                .execute("bank0", "delete from accounts where id > 20")
                .unwrap();
            server
                .execute("bank1", "delete from accounts where id > 20")
                .unwrap();
        }
    }
}
