//! Settings follow their client from one connection to the next, and no other client.

use shunt_tests::one_server::{OneServer, one_connection, server};
use shunt_tests::raw::{RawClient, seen};

use super::{bind, execute, parse, simple, sync};

/// What a transaction has set holds as it does on one's own connection, however the transaction ends, and is not seen by others.
#[test]
fn settings_of_a_transaction_end_with_it_or_stay() {
    let world = OneServer::behind(server(), one_connection());
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
        if let Some(found) = world.unless_kept(&mut second, look) {
            assert_eq!(seen(&found), clean, "{script:?}");
        }
        drop((first, second));
        assert_eq!(simple(&mut world.connect(), look), clean, "{script:?}");
    }
}

/// A `SET` bound in one pipeline and executed in another of the same transaction.
#[test]
fn a_setting_made_by_a_portal_of_an_earlier_pipeline_is_known() {
    let world = OneServer::behind(server(), one_connection());
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
    let world = OneServer::behind(server(), one_connection());
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
    assert_eq!(world.unless_kept(&mut first, "select 1"), None);
    assert_eq!(simple(&mut third, bytes), ["c3a9|t"]);
}

/// Random numbers begin once where `SET seed` says.
#[test]
fn a_seed_is_set_once() {
    let world = OneServer::behind(server(), one_connection());
    let mut other = world.connect();
    let mut numbers = |client: &mut RawClient| -> Vec<_> {
        simple(client, "set seed = 0.5");
        (0..3)
            .map(|_| {
                // Who has a seed of its own keeps the connection.
                world.unless_kept(&mut other, "select 1");
                simple(client, "select random()")
            })
            .collect()
    };
    assert_eq!(numbers(&mut world.connect()), numbers(&mut world.direct()));
}

/// Whoever connects after `ALTER ROLE … SET` has what it says.
#[test]
fn new_sessions_begin_with_what_a_role_is_given() {
    let world = OneServer::behind(server(), one_connection());
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
