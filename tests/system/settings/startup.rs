//! What the startup packet says: defaults to go back to, settings that the server does not take, what is told at login.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use router_proxy::settings::{PoolMode, PoolSettings};
use shunt_tests::patience::await_that;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::shown;

use super::{SHOW, pipeline, says, start};

/// The default of a setting is what the startup packet said.
#[test]
fn a_default_within_a_transaction_is_the_clients() {
    let bed = start();
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
        let other = shown(&bed.connect().simple(SHOW).unwrap());
        assert!(says(&other, "row 4MB"), "{other:?}");
    }
}

/// `DISCARD ALL` in a pipeline is not undone by an error behind it: what the startup packet said is put in place again.
#[test]
fn what_is_discarded_in_a_pipeline_stays_discarded() {
    let bed = start();
    let direct = ([127, 0, 0, 1], bed.server.port()).into();
    let told = [bed.proxy.address, direct].map(|address| {
        let startup = [
            ("user", bed.server.user()),
            ("database", "shop"),
            ("timezone", "Asia/Tokyo"),
        ];
        let mut client = RawClient::connect(address, &startup, None).unwrap();
        let mut told = shown(&client.simple("set work_mem = '1MB'").unwrap());
        for texts in [
            &["discard all", "select 1/0"][..],
            &["show timezone"],
            &[SHOW],
            &["set timezone to 'CET'"],
            &[
                "discard all",
                "set work_mem = '3MB'",
                "begin",
                "set work_mem = '5MB'",
            ],
            &["rollback"],
            &["show timezone"],
            &[SHOW],
        ] {
            told.extend(pipeline(&mut client, texts));
        }
        client.parameters.sort();
        told.push(format!("{:?}", client.parameters));
        told
    });
    assert_eq!(told[0], told[1]);
    assert!(says(&told[0], "row Asia/Tokyo"), "{:?}", told[0]);
}

/// `RESET ALL` goes back to the startup packet also where only the server knows what was set.
#[test]
fn what_the_server_alone_knows_is_reset_to_the_startup_packet() {
    let bed = start();
    let direct = ([127, 0, 0, 1], bed.server.port()).into();
    let told = [bed.proxy.address, direct].map(|address| {
        let startup = [
            ("user", bed.server.user()),
            ("database", "shop"),
            ("options", "-c lock_timeout=100ms"),
        ];
        let mut client = RawClient::connect(address, &startup, None).unwrap();
        let decides = "begin; set local work_mem = '68kB'; savepoint a; set work_mem = '69kB'; \
                       rollback to a; commit; show work_mem";
        let mut told = shown(&client.simple(decides).unwrap());
        for texts in [
            &["set lock_timeout = '7s'"][..],
            &["reset all"],
            &["show lock_timeout"],
            &["set lock_timeout = '8s'"],
            &["show lock_timeout"],
            &["reset all"],
        ] {
            told.extend(pipeline(&mut client, texts));
        }
        told.extend(shown(&client.simple("show lock_timeout").unwrap()));
        told.extend(shown(&client.simple(SHOW).unwrap()));
        told
    });
    assert_eq!(told[0], told[1]);
    assert!(says(&told[0], "row 100ms"), "{:?}", told[0]);
}

/// The client is told what holds for it, also where that is no news of the server's.
#[test]
fn what_goes_back_to_the_startup_packet_is_reported() {
    let bed = start();
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
    let bed = start();
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
    let bed = start();
    let pool = PoolSettings {
        mode: PoolMode::Session,
        ..PoolSettings::default()
    };
    let session = TestProxy::start(unsharded(&bed.server, "shop", pool));
    let refusals = |address| {
        let began = Instant::now();
        for _ in 0..12 {
            let startup = [
                ("user", bed.server.user()),
                ("database", "shop"),
                ("options", "-c local_preload_libraries=nothing_like_it"),
            ];
            let refused = RawClient::connect(address, &startup, None);
            let error = format!("{:#}", refused.err().expect("a refusal"));
            assert!(error.contains("58P01"), "{error}");
        }
        began.elapsed()
    };
    let direct = refusals(([127, 0, 0, 1], bed.server.port()).into());
    let through = refusals(session.address);
    RawClient::trust(session.address, bed.server.user(), "shop").unwrap();
    // With the pauses that follow failures of a server it would be sixteen seconds.
    assert!(
        through < Duration::from_secs(8) + 4 * direct,
        "{through:?} in the place of {direct:?}"
    );
}

/// In session mode a client is told in the server's words what is wrong with its startup packet.
#[test]
fn what_a_startup_packet_may_not_say_is_told_by_the_server() {
    let bed = start();
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
    let bed = start();
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
            await_that(&format!("{what}: {expected}"), || zone(address) == expected);
        }
    }
}
