//! Clients that share server connections: each has its own settings, and what it prepares means what it means by them.

use std::time::{Duration, Instant};

use local_postgres::Server;
use router_proxy::settings::PoolSettings;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{Message, RawClient};

/// A server, and a proxy with one connection to it.
struct World {
    server: Server,
    proxy: TestProxy,
}

impl World {
    fn start(pool: PoolSettings) -> Self {
        let server = Server::builder()
            .database("shop")
            .start()
            .expect("a server starts");
        let pool = PoolSettings {
            max_size: 1,
            acquire_timeout: Duration::from_millis(500),
            ..pool
        };
        let proxy = TestProxy::start(unsharded(&server, "shop", pool));
        Self { server, proxy }
    }

    fn connect(&self) -> RawClient {
        self.connect_with(&[])
    }

    /// Where the only connection is being cleaned, a new client may be told to come back.
    fn connect_with(&self, parameters: &[(&str, &str)]) -> RawClient {
        let until = Instant::now() + Duration::from_secs(10);
        let who = [("user", self.server.user()), ("database", "shop")];
        let parameters: Vec<_> = who.iter().chain(parameters).copied().collect();
        loop {
            match RawClient::connect(self.proxy.address, &parameters, None) {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
        }
    }

    fn direct(&self) -> RawClient {
        let address = ([127, 0, 0, 1], self.server.port()).into();
        RawClient::trust(address, self.server.user(), "shop").expect("a connection")
    }
}

/// Rows as text and errors by SQLSTATE.
fn seen(messages: &[Message]) -> Vec<String> {
    let column = |value: Option<Vec<u8>>| {
        value.map_or("NULL".into(), |v| String::from_utf8_lossy(&v).into_owned())
    };
    let shown = |message: &Message| match message.tag {
        b'D' => {
            let columns: Vec<String> = message.columns().into_iter().map(column).collect();
            Some(columns.join("|"))
        }
        b'E' => Some(message.error()?.code),
        _ => None,
    };
    messages.iter().filter_map(shown).collect()
}

fn simple(client: &mut RawClient, sql: &str) -> Vec<String> {
    seen(&client.simple(sql).expect("an answer"))
}

fn parse(client: &mut RawClient, name: &str, text: &[u8]) {
    let body = [name.as_bytes(), &[0], text, &[0, 0, 0]].concat();
    client.send(b'P', &body).unwrap();
}

fn bind(client: &mut RawClient, portal: &str, name: &str) {
    let body = [
        portal.as_bytes(),
        &[0],
        name.as_bytes(),
        &[0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    client.send(b'B', &body).unwrap();
}

fn execute(client: &mut RawClient, portal: &str) {
    let body = [portal.as_bytes(), &[0, 0, 0, 0, 0]].concat();
    client.send(b'E', &body).unwrap();
}

fn sync(client: &mut RawClient) -> Vec<String> {
    client.send(b'S', b"").unwrap();
    seen(&client.until_ready().expect("an answer"))
}

/// Prepares under a name.
fn prepare(client: &mut RawClient, name: &str, text: &[u8]) -> Vec<String> {
    parse(client, name, text);
    sync(client)
}

/// Executes what was prepared.
fn run(client: &mut RawClient, name: &str) -> Vec<String> {
    bind(client, "", name);
    execute(client, "");
    sync(client)
}

/// Two clients prepare one text under a name; PostgreSQL reads it by the settings of each.
#[test]
fn a_statement_is_read_by_the_settings_of_whoever_prepares_it() {
    let world = World::start(PoolSettings::default());
    world
        .server
        .execute(
            "shop",
            "create schema hidden; create table t (a int); insert into t values (1);
             create table hidden.t (b text, c text); insert into hidden.t values ('x', 'y');
             create function sets_zone() returns text language sql as $$ select set_config('timezone', 'Asia/Tokyo', false) $$",
        )
        .unwrap();
    let cases: &[(&str, &str, &[u8])] = &[
        (
            "set timezone = 'UTC'",
            "set timezone = 'Asia/Tokyo'",
            b"select extract(epoch from timestamptz '2024-01-01 00:00')",
        ),
        (
            "set datestyle = 'ISO, MDY'",
            "set datestyle = 'ISO, DMY'",
            b"select date '01/02/2024'",
        ),
        (
            "set client_encoding = 'UTF8'",
            "set client_encoding = 'LATIN1'",
            b"select encode(convert_to('\xc3\xa9', 'UTF8'), 'hex')",
        ),
        (
            "set standard_conforming_strings = on",
            "set standard_conforming_strings = off",
            br"select length('a\nb')",
        ),
        (
            "set transform_null_equals = off",
            "set transform_null_equals = on",
            b"select 1 where null = null",
        ),
        (
            "set array_nulls = on",
            "set array_nulls = off",
            b"select ('{null}'::text[])[1] is null",
        ),
        (
            "set intervalstyle = 'postgres'",
            "set intervalstyle = 'sql_standard'",
            b"select extract(epoch from interval '-1 02:03:04')",
        ),
        (
            "set search_path = public",
            "set search_path = hidden",
            b"select * from t",
        ),
        (
            "set work_mem = '1MB'",
            "select sets_zone()",
            b"select extract(epoch from timestamptz '2024-02-01 00:00')",
        ),
        (
            "set work_mem = '1MB'",
            "begin; set local timezone = 'Asia/Tokyo'",
            b"select extract(epoch from timestamptz '2024-03-01 00:00')",
        ),
    ];
    for (one, other, text) in cases {
        let mut expected = Vec::new();
        for setting in [one, other] {
            let mut client = world.direct();
            client.simple(setting).unwrap();
            let said = prepare(&mut client, "s", text);
            expected.push([said, run(&mut client, "s")].concat());
        }
        assert_ne!(expected[0], expected[1], "{other}");
        let (mut first, mut second) = (world.connect(), world.connect());
        simple(&mut first, one);
        let said = prepare(&mut first, "s", text);
        let found = [said, run(&mut first, "s")].concat();
        assert_eq!(found, expected[0], "{one}");
        for statement in other.split("; ") {
            simple(&mut second, statement);
        }
        let said = prepare(&mut second, "s", text);
        let found = [said, run(&mut second, "s")].concat();
        assert_eq!(found, expected[1], "{other}");
        simple(&mut second, "rollback");
        drop(second);
        let found = run(&mut first, "s");
        assert_eq!(found, expected[0], "{one}, after the other");
    }
}

/// What a statement says of the clock is of the moment at which its own client prepared it.
#[test]
fn a_moment_is_its_own_clients() {
    let world = World::start(PoolSettings::default());
    let text = b"select timestamptz 'now' > $1::timestamptz";
    let run = |client: &mut RawClient, since: &str| {
        let value = [
            &[0, b's', 0, 0, 0, 0, 1, 0, 0, 0, since.len() as u8][..],
            since.as_bytes(),
            &[0, 0],
        ]
        .concat();
        client.send(b'B', &value).unwrap();
        execute(client, "");
        sync(client)
    };
    let mut first = world.connect();
    prepare(&mut first, "s", text);
    assert_eq!(run(&mut first, "2000-01-01"), ["t"]);
    let mut second = world.connect();
    let since = simple(&mut second, "select clock_timestamp()").remove(0);
    prepare(&mut second, "s", text);
    assert_eq!(run(&mut second, &since), ["t"]);
}

/// A client that changes its settings after it has prepared a statement: the statement is nobody else's then.
#[test]
fn a_statement_prepared_by_other_settings_is_nobody_elses() {
    let world = World::start(PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    });
    let text = b"select extract(epoch from timestamptz '2024-01-01 00:00')";
    let (mut first, mut second) = (world.connect(), world.connect());
    let utc = simple(&mut second, "set timezone = 'UTC'; select 1");
    assert_eq!(utc, ["1"]);
    let mut direct = world.direct();
    direct.simple("set timezone = 'UTC'").unwrap();
    prepare(&mut direct, "s", text);
    let expected = run(&mut direct, "s");
    simple(&mut first, "set timezone = 'UTC'");
    prepare(&mut first, "s", text);
    assert_eq!(run(&mut first, "s"), expected);
    simple(&mut first, "set timezone = 'Asia/Tokyo'");
    // On the connection that has it.
    assert_eq!(run(&mut first, "s"), expected);
    // The only connection is another one now.
    simple(&mut second, "select pg_terminate_backend(pg_backend_pid())");
    let mut first = first;
    run(&mut first, "s");
    let mut third = world.connect();
    simple(&mut third, "set timezone = 'UTC'");
    prepare(&mut third, "s", text);
    assert_eq!(run(&mut third, "s"), expected);
}

/// What a transaction has set holds as it does on one's own connection, however the transaction ends, and is not seen by others.
#[test]
fn settings_of_a_transaction_end_with_it_or_stay() {
    let world = World::start(PoolSettings::default());
    // Each text is a message; several behind a colon are one pipeline.
    let scripts: &[&[&str]] = &[
        &[
            "begin",
            "set work_mem = '1MB'",
            "rollback and chain",
            "commit",
        ],
        &[
            "begin",
            "set work_mem = '1MB'",
            "commit and chain",
            "rollback",
        ],
        &[
            "begin",
            "set work_mem = '1MB'",
            "commit and chain",
            "select 1/0",
            "rollback",
        ],
        &[
            "begin",
            "set work_mem = '1MB'",
            "commit and chain",
            "set work_mem = '2MB'",
            "rollback",
        ],
        &[
            "begin",
            "set work_mem = '1MB'",
            "select 1/0",
            "rollback and chain",
            "commit",
        ],
        &[
            "begin",
            "set work_mem = '1MB'",
            "select 1/0",
            "commit and chain",
            "commit",
        ],
        &[
            "begin",
            "set work_mem = '1MB'",
            "rollback and chain; select 1",
            "commit",
        ],
        &["begin", "set work_mem = '1MB'", "commit; select 1/0"],
        &["begin", "set work_mem = '1MB'", "rollback; select 1"],
        &[
            "begin",
            "set session characteristics as transaction read only",
            "commit and chain",
            "rollback",
        ],
        &[":set work_mem = '1MB':commit:select 1/0"],
        &[":begin:set work_mem = '1MB':commit:select 1/0"],
        &[":begin:set work_mem = '1MB':commit:set work_mem = '2MB':select 1/0"],
        &[":begin:set work_mem = '1MB':rollback:set work_mem = '2MB'"],
        &[":begin:set work_mem = '1MB':rollback and chain:commit"],
        &[":begin:set session characteristics as transaction read only:commit:select 1/0"],
        &[":set work_mem = '1MB':commit:nonsense"],
        &["begin", ":set work_mem = '1MB':commit:select 1/0"],
        &[
            "begin",
            "set local work_mem = '1MB'",
            "commit and chain",
            "commit",
        ],
        &[
            "set work_mem = '1MB'",
            "begin",
            "set work_mem = '2MB'",
            "rollback and chain",
            "rollback",
        ],
    ];
    let look =
        "select current_setting('work_mem'), current_setting('default_transaction_read_only')";
    let say = |client: &mut RawClient, script: &[&str]| {
        for message in script {
            match message.strip_prefix(':') {
                None => {
                    client.simple(message).unwrap();
                }
                Some(pipeline) => {
                    for text in pipeline.split(':') {
                        parse(client, "", text.as_bytes());
                        bind(client, "", "");
                        execute(client, "");
                    }
                    sync(client);
                }
            }
        }
    };
    let clean = simple(&mut world.connect(), look);
    for script in scripts {
        let mut direct = world.direct();
        say(&mut direct, script);
        let expected = simple(&mut direct, look);
        let (mut first, mut second) = (world.connect(), world.connect());
        say(&mut first, script);
        assert_eq!(simple(&mut first, look), expected, "{script:?}");
        let found = simple(&mut second, look);
        // 53300: the first client keeps the connection.
        assert!(
            found == clean || found == ["53300"],
            "{script:?}: {found:?}"
        );
        drop((first, second));
        assert_eq!(simple(&mut world.connect(), look), clean, "{script:?}");
    }
}

/// A `SET` bound in one pipeline and executed in another of the same transaction.
#[test]
fn a_setting_made_by_a_portal_of_an_earlier_pipeline_is_known() {
    let world = World::start(PoolSettings::default());
    let look = "select current_setting('work_mem')";
    let clean = simple(&mut world.connect(), look);
    for end in ["commit", "rollback"] {
        for portal in ["", "p"] {
            let mut expected = Vec::new();
            for mut client in [world.direct(), world.connect()] {
                client.simple("begin").unwrap();
                parse(&mut client, "s", b"set work_mem = '1MB'");
                bind(&mut client, portal, "s");
                assert_eq!(sync(&mut client), [""; 0]);
                execute(&mut client, portal);
                assert_eq!(sync(&mut client), [""; 0]);
                client.simple(end).unwrap();
                expected.push(simple(&mut client, look));
                let other = simple(&mut world.connect(), look);
                assert_eq!(other, clean, "{end}");
            }
            assert_eq!(expected[0], expected[1], "{end}");
        }
    }
}

/// Settings are put in place as they were said, whatever encoding the connection's last client had.
#[test]
fn settings_are_put_in_place_in_the_encoding_in_which_they_were_said() {
    let world = World::start(PoolSettings::default());
    world
        .server
        .execute(
            "shop",
            "create schema \"é\"; create table \"é\".inside (a int)",
        )
        .unwrap();
    let bytes = "select encode(convert_to(current_setting('my.x'), 'UTF8'), 'hex'), to_regclass('inside') is null";
    let mut first = world.connect();
    simple(&mut first, "set my.x = 'é'");
    simple(&mut first, "set search_path = \"é\"");
    let mut second = world.connect_with(&[("my.x", "é"), ("search_path", "\"é\"")]);
    let mut third = world.connect();
    simple(&mut third, "set client_encoding = 'LATIN1'");
    for _ in 0..2 {
        assert_eq!(simple(&mut third, "select 1"), ["1"]);
        assert_eq!(simple(&mut first, bytes), ["c3a9|f"]);
        assert_eq!(simple(&mut third, "show client_encoding"), ["LATIN1"]);
        assert_eq!(simple(&mut second, bytes), ["c3a9|f"]);
    }
    assert_eq!(simple(&mut first, "show client_encoding"), ["UTF8"]);
    // In the encoding of a client that has another one it stays where it was said.
    third.send(b'Q', b"set my.x = '\xe9'\0").unwrap();
    assert_eq!(seen(&third.until_ready().unwrap()), [""; 0]);
    assert_eq!(simple(&mut first, "select 1"), ["53300"]);
    assert_eq!(simple(&mut third, bytes), ["c3a9|t"]);
}

/// Random numbers begin once where `SET seed` says.
#[test]
fn a_seed_is_set_once() {
    let world = World::start(PoolSettings::default());
    let mut other = world.connect();
    let mut numbers = |client: &mut RawClient| -> Vec<_> {
        simple(client, "set seed = 0.5");
        (0..3)
            .map(|_| {
                simple(&mut other, "select 1");
                simple(client, "select random()")
            })
            .collect()
    };
    assert_eq!(numbers(&mut world.connect()), numbers(&mut world.direct()));
}

/// Whoever connects after `ALTER ROLE … SET` has what it says.
#[test]
fn new_sessions_begin_with_what_a_role_is_given() {
    let world = World::start(PoolSettings::default());
    let mut first = world.connect();
    for (change, expected) in [
        (
            "alter role current_user in database shop set work_mem = '123kB'",
            "123kB",
        ),
        (
            "alter role current_user in database shop reset work_mem",
            "4MB",
        ),
        ("alter database shop set work_mem = '124kB'", "124kB"),
    ] {
        assert_eq!(simple(&mut first, change), [""; 0]);
        assert_eq!(simple(&mut world.connect(), "show work_mem"), [expected]);
    }
}

/// A query that runs for too long is cancelled although its client waits in silence.
#[test]
fn a_query_that_takes_too_long_is_cancelled() {
    let world = World::start(PoolSettings {
        query_timeout: Duration::from_millis(300),
        ..PoolSettings::default()
    });
    let mut client = world.connect();
    for sql in ["select pg_sleep(25)", "select 1; select pg_sleep(25)"] {
        assert_eq!(simple(&mut client, sql).last().unwrap(), "57014", "{sql}");
    }
    parse(&mut client, "", b"select pg_sleep(25)");
    bind(&mut client, "", "");
    execute(&mut client, "");
    assert_eq!(sync(&mut client), ["57014"]);
    assert_eq!(simple(&mut client, "select 1"), ["1"]);
}

/// Each of several queries that a client sends at once has a time of its own.
#[test]
fn queries_sent_at_once_are_timed_one_by_one() {
    let world = World::start(PoolSettings {
        query_timeout: Duration::from_secs(1),
        ..PoolSettings::default()
    });
    let mut client = world.connect();
    let mut all_at_once = |sql: &str, times: usize| -> Vec<String> {
        for _ in 0..times {
            parse(&mut client, "", sql.as_bytes());
            bind(&mut client, "", "");
            execute(&mut client, "");
            client.send(b'S', b"").unwrap();
        }
        (0..times)
            .flat_map(|_| seen(&client.until_ready().expect("an answer")))
            .collect()
    };
    assert_eq!(all_at_once("select 7 from pg_sleep(0.1)", 20), ["7"; 20]);
    assert_eq!(all_at_once("select pg_sleep(25)", 2), ["57014"; 2]);
}

/// A client that has been answered, and does not end its pipeline, holds locks like one that does not end its transaction.
#[test]
fn a_pipeline_that_is_not_ended_is_an_idle_transaction() {
    let world = World::start(PoolSettings {
        idle_transaction_timeout: Duration::from_millis(300),
        ..PoolSettings::default()
    });
    let mut client = world.connect();
    parse(&mut client, "", b"select pg_advisory_xact_lock(1)");
    bind(&mut client, "", "");
    execute(&mut client, "");
    client.send(b'H', b"").unwrap();
    let error = loop {
        if let Some(error) = client.read().expect("it is told why").error() {
            break error;
        }
    };
    assert_eq!(error.code, "25P03");
    assert_eq!(simple(&mut world.connect(), "select 1"), ["1"]);
}

/// The server is lost in a message or pipeline that begins a transaction: what follows is not carried out outside of it.
#[test]
fn a_transaction_whose_beginning_was_lost_has_failed() {
    let world = World::start(PoolSettings::default());
    world
        .server
        .execute("shop", "create table t (a int)")
        .unwrap();
    let end = "select pg_terminate_backend(pg_backend_pid())";
    for by_pipeline in [false, true] {
        let mut client = world.connect();
        let messages = if by_pipeline {
            for text in ["begin", end] {
                parse(&mut client, "", text.as_bytes());
                bind(&mut client, "", "");
                execute(&mut client, "");
            }
            client.send(b'S', b"").unwrap();
            client.until_ready().unwrap()
        } else {
            client.simple(&format!("begin; {end}")).unwrap()
        };
        assert_eq!(seen(&messages).last().unwrap(), "57P01");
        assert_eq!(messages.last().unwrap().body, b"E");
        assert_eq!(simple(&mut client, "insert into t values (1)"), ["25P02"]);
        assert_eq!(simple(&mut client, "rollback"), [""; 0]);
        assert_eq!(simple(&mut client, "select count(*) from t"), ["0"]);
    }
}

/// The names of statements on servers are not for clients.
#[test]
fn nobody_takes_away_what_others_have_prepared() {
    let world = World::start(PoolSettings::default());
    let (mut first, mut second) = (world.connect(), world.connect());
    prepare(&mut first, "s", b"select 1");
    assert_eq!(run(&mut first, "s"), ["1"]);
    let name = simple(&mut second, "select name from pg_prepared_statements").remove(0);
    let text = format!("deallocate {name}");
    assert_eq!(simple(&mut second, &text), ["26000"]);
    assert_eq!(simple(&mut second, &format!("select 1; {text}")), ["SH018"]);
    assert_eq!(
        seen(&second.extended(&text, &[], false).unwrap()),
        ["26000"]
    );
    assert_eq!(run(&mut first, "s"), ["1"]);
    assert_eq!(simple(&mut second, "select 1"), ["1"]);
}

/// All that a client is told: tags of commands, errors in words, rows.
fn told(messages: &[Message]) -> Vec<String> {
    let shown = |message: &Message| match message.tag {
        b'C' => message.text(),
        b'E' => message.error().map_or_else(String::new, |error| {
            format!("{} {}", error.code, error.message)
        }),
        b'D' => format!("{:?}", message.columns()),
        b'Z' => format!("{}", char::from(message.body[0])),
        tag => char::from(tag).to_string(),
    };
    messages
        .iter()
        .filter(|m| !b"NST".contains(&m.tag))
        .map(shown)
        .collect()
}

/// What a conversation is told by the server and through the proxy.
fn both(world: &World, talk: impl Fn(&mut RawClient) -> Vec<String>) {
    let direct = talk(&mut world.direct());
    assert_eq!(talk(&mut world.connect()), direct);
}

fn say(client: &mut RawClient, sql: &str) -> Vec<String> {
    told(&client.simple(sql).expect("an answer"))
}

fn end(client: &mut RawClient) -> Vec<String> {
    client.send(b'S', b"").unwrap();
    told(&client.until_ready().expect("an answer"))
}

/// A name means one statement, whoever has prepared it and whatever becomes of the message that takes it away.
#[test]
fn names_are_taken_and_free_as_on_one_server() {
    let world = World::start(PoolSettings::default());
    // DEALLOCATE is not undone.
    both(&world, |client| {
        parse(client, "s1", b"select 1");
        parse(client, "s2", b"select 2");
        let mut all = end(client);
        for sql in ["begin", "deallocate s1; select 1/0", "rollback"] {
            all.extend(say(client, sql));
        }
        parse(client, "s1", b"select 11");
        all.extend(end(client));
        bind(client, "", "s1");
        execute(client, "");
        all.extend(end(client));
        all.extend(say(client, "deallocate all; execute s2"));
        all
    });
    // What SQL has prepared may be of any name.
    both(&world, |client| {
        let mut all = say(client, "prepare q as select 1");
        for text in [
            "select 1",
            "discard temp",
            "begin",
            "set work_mem = 100",
            "select 2",
        ] {
            parse(client, "s1", text.as_bytes());
            all.extend(end(client));
        }
        bind(client, "", "s1");
        execute(client, "");
        client.send(b'C', b"Ss1\0").unwrap();
        parse(client, "s1", b"set work_mem = '101kB'");
        bind(client, "", "s1");
        execute(client, "");
        all.extend(end(client));
        all.extend(say(client, "show work_mem"));
        all.extend(say(client, "deallocate s1"));
        parse(client, "s1", b"begin");
        bind(client, "", "s1");
        execute(client, "");
        all.extend(end(client));
        all.extend(say(client, "rollback"));
        all.extend(say(client, "discard all"));
        parse(client, "s1", b"begin");
        parse(client, "s1", b"select 3");
        all.extend(end(client));
        all
    });
    let mut next = world.connect();
    assert_eq!(simple(&mut next, "show work_mem"), ["4MB"]);
    // It is for nobody to bind what a statement does not have.
    both(&world, |client| {
        parse(client, "s1", b"deallocate s1");
        let mut all = end(client);
        let body = b"\0s1\0\0\0\0\x02\0\0\0\x011\0\0\0\x012\0\0";
        client.send(b'B', body).unwrap();
        all.extend(end(client));
        bind(client, "", "s1");
        execute(client, "");
        all.extend(end(client));
        all
    });
}

/// A connection keeps 500 statements. Whether one that makes way for another is gone is known once the server has said so.
#[test]
fn a_statement_that_may_not_have_made_way_is_found() {
    let world = World::start(PoolSettings::default());
    both(&world, |client| {
        for at in 0..500 {
            parse(client, &format!("f{at}"), format!("select {at}").as_bytes());
        }
        let mut all = end(client);
        for at in 0..500 {
            bind(client, "", &format!("f{at}"));
            execute(client, "");
        }
        all.extend(end(client));
        // What makes room fails before it can, and the next pipeline is on its way already.
        for (name, text) in [("b", "select 1/0"), ("x", "select 4711")] {
            parse(client, name, text.as_bytes());
            bind(client, "", name);
            execute(client, "");
        }
        client.send(b'S', b"").unwrap();
        for name in ["f0", "f1", "f2"] {
            bind(client, "", name);
            execute(client, "");
        }
        client.send(b'S', b"").unwrap();
        all.extend(told(&client.until_ready().unwrap()));
        all.extend(told(&client.until_ready().unwrap()));
        // It was skipped, and so was its Parse.
        parse(client, "x", b"select 4711");
        bind(client, "", "x");
        execute(client, "");
        all.extend(end(client));
        all
    });
}

/// Code that is read and leaves nothing keeps no connection; what leaves something that is known, one that can be cleaned.
#[test]
fn blocks_and_calls_that_leave_nothing_keep_nothing() {
    let world = World::start(PoolSettings::default());
    world
        .server
        .execute(
            "shop",
            "create table t (a int); create function f() returns int language sql as 'select 1';
             create procedure adds(int) language plpgsql as $$ begin insert into t values ($1); end $$;
             create procedure wild() language plpgsql as $$ begin execute 'set work_mem = 100'; end $$;",
        )
        .unwrap();
    let (mut first, mut second) = (world.connect(), world.connect());
    let who = "select pg_backend_pid()";
    let process = simple(&mut first, who);
    for sql in [
        "do $$ begin perform f(); insert into t values (1); end $$",
        "do language plpgsql 'begin null; end'",
        "call adds(f())",
    ] {
        assert_eq!(simple(&mut first, sql), [""; 0], "{sql}");
        assert_eq!(simple(&mut second, who), process, "{sql}");
    }
    assert_eq!(simple(&mut second, "select count(*) from t"), ["2"]);
    // One that sets something is cleaned once its client has left.
    simple(&mut first, "do $$ begin set work_mem = 100; end $$");
    assert_eq!(simple(&mut second, who), ["53300"]);
    drop(first);
    let mut first = world.connect();
    assert_eq!(simple(&mut first, "show work_mem"), ["4MB"]);
    assert_eq!(simple(&mut first, who), process);
    // One of which nobody knows is closed.
    simple(&mut first, "call wild()");
    assert_eq!(simple(&mut second, who), ["53300"]);
    drop(first);
    let mut first = world.connect();
    assert_ne!(simple(&mut first, who), process);
}
