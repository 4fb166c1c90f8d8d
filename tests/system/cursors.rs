//! Cursors over shards: what SQL declares and what the protocol binds have one space of names, as in PostgreSQL, and drivers
//! use the one by way of the other.

use bytes::BytesMut;
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::{Pair, Twins, shown};

/// On one shard, on another one, and over several: on the scratch server.
const QUERIES: [&str; 3] = [
    "select id, note from accounts where id = 4",
    "select id, note from accounts where id = 5",
    "select id, note from accounts order by id",
];

/// These messages in one pipeline, with its `Sync`, to both: answered alike.
#[track_caller]
fn messages(pair: &mut Pair, list: &[(u8, &[u8])]) -> Vec<String> {
    let send = |client: &mut RawClient| {
        let mut packet = BytesMut::new();
        for (tag, body) in list {
            frame(&mut packet, *tag, body);
        }
        frame(&mut packet, b'S', b"");
        client.write(&packet).unwrap();
        shown(&client.until_ready().unwrap())
    };
    let shards = send(&mut pair.shards);
    assert_eq!(shards, send(&mut pair.whole), "{list:?}");
    shards
}

const DESCRIBE: (u8, &[u8]) = (b'D', b"Pnm\0");

/// `Execute` of at most two rows.
const TWO: (u8, &[u8]) = (b'E', b"nm\0\0\0\0\x02");

const CLOSE: (u8, &[u8]) = (b'C', b"Pnm\0");

#[test]
fn a_declared_cursor_is_a_portal() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for query in QUERIES {
        for extended in [false, true] {
            pair.both("begin");
            let declare = format!("declare \"nm\" cursor for {query}");
            match extended {
                true => pair.both_extended(&declare, &[]),
                false => pair.both(&declare),
            };
            let described = messages(&mut pair, &[DESCRIBE]);
            assert!(described[0].starts_with("columns"), "{described:?}");
            pair.both("fetch forward 1 from \"nm\"");
            pair.both_extended("fetch forward 1 from \"nm\"", &[]);
            pair.both("select balance from accounts where id = 6");
            messages(&mut pair, &[DESCRIBE, TWO]);
            pair.both("move 1 from \"nm\"");
            messages(&mut pair, &[TWO, CLOSE]);
            messages(&mut pair, &[DESCRIBE]);
            pair.both("rollback");
            messages(&mut pair, &[DESCRIBE]);
            messages(&mut pair, &[CLOSE]);
        }
    }
    // With parameters, and the pipeline's own order.
    for (query, value) in [("id = $1", "4"), ("id > $1 order by id", "3")] {
        pair.both("begin");
        let declare = format!("declare nm cursor for select id, note from accounts where {query}");
        pair.both_extended(&declare, &[Some(value)]);
        messages(&mut pair, &[TWO, DESCRIBE, TWO]);
        pair.both("commit");
    }
    // In a failed transaction.
    pair.both("begin");
    pair.both("declare nm cursor for select id from accounts order by id");
    pair.both("select 1 / 0");
    messages(&mut pair, &[DESCRIBE]);
    messages(&mut pair, &[TWO]);
    pair.both("rollback");
}

#[test]
fn a_cursor_with_hold_is_a_portal_after_its_transaction() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for query in QUERIES {
        for (begin, end) in [("", ""), ("begin", "commit")] {
            pair.both(begin);
            pair.both_extended(&format!("declare nm cursor with hold for {query}"), &[]);
            messages(&mut pair, &[DESCRIBE]);
            pair.both(end);
            messages(&mut pair, &[DESCRIBE]);
            pair.both("fetch 1 from nm");
            messages(&mut pair, &[TWO]);
            pair.both("select 1 from pg_catalog.pg_cursors where name = 'nm'");
            pair.both("close nm");
            messages(&mut pair, &[DESCRIBE]);
            pair.both("select 1 from pg_catalog.pg_cursors where name = 'nm'");
        }
        // Undone with its transaction, and an older one stays.
        pair.both(&format!("declare old cursor with hold for {query}"));
        pair.both("begin");
        pair.both(&format!("declare nm cursor with hold for {query}"));
        pair.both("rollback");
        messages(&mut pair, &[DESCRIBE]);
        pair.both("select name from pg_cursors");
        pair.both("fetch 1 old");
        pair.both("discard all");
        pair.both("select name from pg_cursors");
    }
}

#[test]
fn pg_cursors_shows_the_cursors_of_the_session() {
    const ALL: &str = "select name, is_holdable from pg_cursors order by name";
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both(ALL);
    pair.both("begin");
    pair.both("select sum(balance) from accounts");
    pair.both(ALL);
    for (n, query) in QUERIES.iter().enumerate() {
        pair.both(&format!("declare c{n} cursor for {query}"));
        pair.both(&format!("select 1 from pg_cursors where name = 'c{n}'"));
        pair.both(&format!(
            "select 1 from pg_catalog.pg_cursors p where 'c{n}' = p.name and not p.is_holdable"
        ));
        pair.both_extended(
            &format!("select count(*) from pg_cursors where name = 'c{n}'"),
            &[],
        );
        pair.both(&format!("fetch 1 from c{n}"));
    }
    pair.both("select 1 from pg_cursors where name = 'c9'");
    // They are on three servers by now.
    let refused = pair.ask(ALL);
    assert!(refused[0].starts_with("ERROR SH018"), "{refused:?}");
    pair.whole.simple("select 1 / 0").unwrap();
    pair.both("rollback");
    pair.both("begin");
    pair.both("declare a cursor for select id from accounts where id = 4");
    pair.both("declare b cursor for select id from accounts where id = 7");
    pair.both(ALL);
    pair.both("select name, statement from pg_cursors order by name");
    pair.both("close a");
    pair.both(ALL);
    pair.both("close all");
    pair.both(ALL);
    pair.both("commit");
    // One message is one transaction.
    pair.both("declare a cursor for select id from accounts where id = 5; fetch a");
    pair.both("begin; declare a cursor for select id from accounts where id = 4");
    pair.both(ALL);
    pair.both("commit");
    // The text of one that is over shards is another on its server.
    pair.both("begin");
    pair.both("declare a cursor for select id from accounts order by id");
    pair.both("select is_binary, name from pg_cursors");
    for texts in [
        "*",
        "statement",
        "is_scrollable",
        "pg_cursors",
        "count(statement)",
    ] {
        let refused = pair.ask(&format!("savepoint s; select {texts} from pg_cursors"));
        assert!(
            refused.iter().any(|line| line.starts_with("ERROR SH018")),
            "{refused:?}"
        );
        pair.ask("rollback to s");
    }
    pair.both("rollback");
    // A bound portal is a cursor, too.
    pair.both("begin");
    messages(
        &mut pair,
        &[
            (b'P', b"\0select id from accounts where id = 5\0\0\0"),
            (b'B', b"nm\0\0\0\0\0\0\0\0"),
        ],
    );
    pair.both("select name from pg_cursors");
    pair.both("rollback");
}

/// Where a cursor is is known too if the client has said where.
#[test]
fn a_directed_cursor_is_found() {
    let twins = Twins::start();
    let mut client = twins.connect();
    for sql in [
        "begin",
        "select balance from accounts where id = 4",
        "set shunt.shard = 's2'",
        "declare nm scroll cursor for select min(id) from accounts",
        "reset shunt.shard",
    ] {
        let answer = client.ask(sql);
        assert!(!answer[0].starts_with("ERROR"), "{sql}: {answer:?}");
    }
    let ask = |client: &mut RawClient| {
        let mut packet = BytesMut::new();
        frame(&mut packet, b'D', b"Pnm\0");
        frame(&mut packet, b'E', b"nm\0\0\0\0\0");
        frame(&mut packet, b'S', b"");
        client.write(&packet).unwrap();
        shown(&client.until_ready().unwrap())
    };
    let asked = ask(&mut client.shards);
    assert_eq!(asked[1..3], ["row 2", "tag SELECT 1"], "{asked:?}");
    assert_eq!(client.ask("select name from pg_cursors")[1], "row nm");
    assert_eq!(client.ask("fetch backward 1 nm")[1], "row 2");
    client.ask("commit");
}
