//! What a transaction sets holds if it commits, up to its savepoints, and for nobody else.

use bytes::BytesMut;
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::shown;

use super::{SHOW, bind, pipeline, prepare, says, send, start};

#[test]
fn what_was_committed_holds_and_what_was_not_does_not() {
    let bed = start();
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
    let bed = start();
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
                let other = shown(&bed.connect().simple(SHOW).unwrap());
                assert!(says(&other, "row 4MB"), "{other:?}");
            }
        }
        told
    });
    assert_eq!(told[0], told[1]);
}
