//! Clients that go in the middle of something.

use bytes::BytesMut;
use shunt_tests::conversation::Op;

use super::{FIRST_SHARD, Narrow, ONE_SHARD, SHARDS, both, query, run};

/// What a client sends before it goes.
fn unfinished() -> Vec<(&'static str, Vec<Op>)> {
    let select = run("select note from accounts where id = 3");
    let data = Op::CopyData(b"120\tcopied\n");
    let copy = "copy accounts (id, note) from stdin";
    vec![
        ("an insert", run(ONE_SHARD)),
        ("inserts of several shards", run(SHARDS)),
        ("an insert, flushed", both(&run(ONE_SHARD), &[Op::Flush])),
        ("several shards, flushed", both(&run(SHARDS), &[Op::Flush])),
        (
            "a query behind a pipeline",
            both(&select, &[query("select 5")]),
        ),
        (
            "a query behind an insert",
            both(&run(FIRST_SHARD), &[query(SHARDS)]),
        ),
        (
            "a failed pipeline",
            both(&run("select 1/0"), &[query("select 5")]),
        ),
        (
            "an error between queries",
            vec![query("select 1"), Op::Execute("", 0), query("select 2")],
        ),
        ("half a copy", vec![query(copy), data.clone()]),
        (
            "half a copy, asked for",
            vec![query(copy), Op::Wait, data.clone()],
        ),
        (
            "half a copy of a copy's reference",
            vec![query("copy copies from stdin"), Op::CopyData(b"9\tx\n")],
        ),
        (
            "half a copy in a transaction",
            vec![query("begin"), query(copy), data.clone()],
        ),
        (
            "half a copy behind others",
            vec![query(&format!("{SHARDS}; {copy}")), data.clone()],
        ),
        (
            "half a copy of a portal",
            both(&run(copy), std::slice::from_ref(&data)),
        ),
        (
            "half a copy of a portal, synced",
            both(&run(copy), &[Op::Sync, data.clone()]),
        ),
        (
            "a query in a copy",
            vec![query(copy), Op::Wait, query("select 1")],
        ),
        (
            "a portal in a copy",
            both(&[query(copy), Op::Wait], &select),
        ),
        (
            "a query behind a copy",
            vec![query(copy), query("select 1")],
        ),
        ("a transaction", vec![query("begin"), query(SHARDS)]),
        (
            "a transaction with a pipeline",
            both(&[query("begin")], &run(SHARDS)),
        ),
        (
            "half a message",
            vec![
                query("begin"),
                query(ONE_SHARD),
                Op::Raw(b'd', b"X\0\0\0\x04".to_vec()),
            ],
        ),
    ]
}

#[test]
fn whoever_goes_in_the_middle_leaves_nothing_behind() {
    let narrow = Narrow::start();
    for (what, ops) in unfinished() {
        for goodbye in [true, false] {
            for (at, (name, ..)) in narrow.proxies.iter().enumerate() {
                let mut client = narrow.client(at);
                let mut bytes = BytesMut::new();
                for op in &ops {
                    if *op != Op::Wait {
                        op.encode(&mut bytes);
                        continue;
                    }
                    client.write(&bytes).unwrap();
                    bytes.clear();
                    // Until the copy has begun.
                    while client.read().unwrap().tag != b'G' {}
                }
                if goodbye {
                    Op::Raw(b'X', Vec::new()).encode(&mut bytes);
                }
                client.write(&bytes).unwrap();
                drop(client);
                // The only connection to each server serves the next one, and no lock is left.
                let mut next = narrow.client(at);
                for sql in [
                    "set lock_timeout = '10s'",
                    "delete from accounts where id >= 100",
                    "delete from copies where id >= 9",
                ] {
                    let said = next.simple(sql).unwrap();
                    assert_eq!(
                        said[0].tag,
                        b'C',
                        "{what}, goodbye {goodbye}, {name}: {said:?}\n{}",
                        narrow.at_work()
                    );
                }
                next.send(b'X', b"").unwrap();
            }
        }
    }
}
