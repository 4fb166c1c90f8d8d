//! `Execute` with a row limit, over several shards: drivers send one with every change of rows, and read by it.

use bytes::{BufMut, BytesMut};
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::{Twins, shown};

/// Parse, Bind and Describe, then as many `Execute`s with these limits, and Sync.
fn ask(client: &mut RawClient, sql: &str, limits: &[i32]) -> Vec<String> {
    let mut packet = BytesMut::new();
    frame(
        &mut packet,
        b'P',
        &[b"\0", sql.as_bytes(), b"\0\0\0"].concat(),
    );
    frame(&mut packet, b'B', b"\0\0\0\0\0\0\0\0");
    frame(&mut packet, b'D', b"P\0");
    for limit in limits {
        let mut body = BytesMut::from(&b"\0"[..]);
        body.put_i32(*limit);
        frame(&mut packet, b'E', &body);
    }
    frame(&mut packet, b'S', b"");
    client.write(&packet).expect(sql);
    shown(&client.until_ready().expect(sql))
}

#[test]
fn what_gives_no_rows_is_done_and_counted_whatever_the_limit() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for begin in ["", "begin"] {
        if !begin.is_empty() {
            pair.both(begin);
        }
        for sql in [
            "insert into accounts (id) values (21), (22), (23)",
            "insert into accounts (id, note) select g, now()::text from generate_series(31, 35) g",
            "update accounts set note = 'x' where id > 20",
            "update accounts set balance = balance + 1",
            "update accounts set id = id + 100 where id = 21",
            "update copies set name = 'x'",
            "insert into copies values (7, 'seven')",
            "delete from copies where id = 7",
            "delete from accounts where id > 20",
            "truncate copies",
        ] {
            for limit in [1, 2] {
                let whole = ask(&mut pair.whole, sql, &[limit]);
                assert_eq!(ask(&mut pair.shards, sql, &[limit]), whole, "{sql}");
                if sql.starts_with("insert") || sql.contains("id = id") {
                    break;
                }
            }
        }
        if !begin.is_empty() {
            pair.both("rollback");
        }
        pair.both("select count(*), sum(balance) from accounts");
        pair.both("insert into copies values (1, 'one')");
    }
}

#[test]
fn rows_are_given_in_parts() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "select id from accounts order by id",
        "insert into accounts (id) values (21), (22), (23) returning id",
        "insert into accounts (id) select g from generate_series(31, 35) g order by g returning id",
    ] {
        for limits in [&[2, 2, 0][..], &[100, 100]] {
            pair.both("begin");
            let whole = ask(&mut pair.whole, sql, limits);
            assert_eq!(ask(&mut pair.shards, sql, limits), whole, "{sql}");
            pair.both("rollback");
        }
    }
    // Rows come in no order: as many as there are, with the tags of their parts.
    for sql in [
        "select 1 from accounts",
        "update accounts set note = 'y' where id > 2 returning 1",
        "delete from accounts where id > 3 returning 1",
    ] {
        for limits in [&[2, 3, 0][..], &[5, 100], &[100, 0]] {
            pair.both("begin");
            let whole = ask(&mut pair.whole, sql, limits);
            assert_eq!(ask(&mut pair.shards, sql, limits), whole, "{sql}");
            pair.both("rollback");
            if sql.starts_with("select") {
                let whole = ask(&mut pair.whole, sql, limits);
                assert_eq!(ask(&mut pair.shards, sql, limits), whole, "{sql}");
            }
        }
    }
}
