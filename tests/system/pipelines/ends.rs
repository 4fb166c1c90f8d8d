//! How pipelines end, and what goes on behind them.

use bytes::BytesMut;
use shunt_tests::conversation::Op;
use shunt_tests::raw::frame;

use super::{Narrow, ONE_SHARD, SHARDS, SHARDS_TOO, bind, both, parse, query, run};

#[test]
fn a_simple_query_ends_a_pipeline_as_sync_does() {
    let narrow = Narrow::start();
    let firsts = [
        run("select note from accounts where id = 3"),
        run("select count(*) from accounts"),
        run("select id from accounts order by id desc limit 2"),
        run(ONE_SHARD),
        run(SHARDS),
        both(
            &run(ONE_SHARD),
            &run("insert into accounts (id, note) values (104, 'd')"),
        ),
        both(
            &run("select note from accounts where id = 3"),
            &[Op::Flush, Op::Wait],
        ),
        both(&run(SHARDS), &[Op::Flush, Op::Wait]),
        vec![parse("select note from accounts where id = 3")],
        vec![
            parse("select note from accounts where id = 3"),
            Op::Describe(b'S', ""),
        ],
        vec![parse("select note from accounts where id = 3"), bind()],
        vec![parse(SHARDS), bind(), Op::Describe(b'P', "")],
        vec![parse("show timezone"), bind()],
        run("select 1/0 from accounts where id = 3"),
        run("select 1/0 from accounts"),
        both(&run("begin"), &run(SHARDS)),
    ];
    let seconds = [
        "select note from accounts where id = 4",
        "insert into accounts (id, note) values (112, 'z')",
        "select 1/0 from accounts where id = 4",
        "select 1; select 2",
        "insert into accounts (id, note) values (113, 'z'); select 1/0",
        "insert into accounts (id, note) values (113, 'z'); commit; select 1/0",
        "begin; select 7",
        "commit",
        "rollback",
        "savepoint s",
        "set work_mem = '77kB'",
        "show work_mem",
        "select (5",
        "values (1) values (2)",
    ];
    let often = [
        "select 5",
        "",
        "begin",
        "selec 5",
        "select 1/0",
        "select count(*) from accounts",
    ];
    for first in &firsts {
        for second in often.into_iter().chain([SHARDS_TOO]) {
            narrow.alike(&both(first, &[query(second), Op::Wait]));
        }
    }
    for second in seconds {
        narrow.alike(&both(&run(ONE_SHARD), &[query(second), Op::Wait]));
    }
    let insert = run(ONE_SHARD);
    for second in ["select 5", "select 1/0", "begin"] {
        // What follows is a pipeline of its own, or one more query.
        let next = [
            run("select note from accounts where id = 5"),
            vec![Op::Sync, Op::Wait],
        ]
        .concat();
        let begun = both(&insert, &[query(second)]);
        narrow.alike(&both(&begun, &next));
        narrow.alike(&both(
            &begun,
            &[query("select count(*) from accounts"), Op::Wait],
        ));
        narrow.alike(&both(&[query("begin"), Op::Wait], &both(&begun, &next)));
        narrow.alike(&both(&both(&begun, &begun), &both(&begun, &next)));
        narrow.alike(&both(
            &both(&run(SHARDS), &[query(second), Op::Sync]),
            &next,
        ));
    }
}

#[test]
fn a_portal_outlives_a_query_that_begins_a_transaction() {
    let narrow = Narrow::start();
    let bound = |text: &str| {
        vec![
            Op::Parse("", text.to_owned(), Vec::new()),
            Op::Bind("p", "", Vec::new(), Vec::new()),
        ]
    };
    for text in [
        "select note from accounts where id = 3",
        "select count(*) from accounts",
    ] {
        for between in ["begin", "select 5"] {
            let ops = [query(between), Op::Execute("p", 0), Op::Sync, Op::Wait];
            narrow.alike(&both(&bound(text), &ops));
        }
    }
}

#[test]
fn transactions_go_on_with_the_characteristics_that_they_have() {
    let narrow = Narrow::start();
    let conversation = |lines: &[&str]| -> Vec<Op> {
        let asked = lines.iter().flat_map(|line| [query(line), Op::Wait]);
        asked.collect()
    };
    let shows = [
        "show transaction_read_only",
        "show transaction_isolation",
        "rollback",
    ];
    let fails = "select 1/0 from accounts where id = 1";
    for chained in ["commit and chain", "rollback and chain"] {
        narrow.alike(&conversation(&[chained]));
        narrow.alike(&conversation(&[&format!("select 1; {chained}; select 2")]));
        for before in [
            vec!["begin isolation level repeatable read, read only"],
            vec![
                "begin isolation level repeatable read, read only",
                "select count(*) from accounts",
            ],
            vec!["begin isolation level repeatable read, read only", fails],
            vec!["begin isolation level serializable", "savepoint a", fails],
            vec![
                "begin isolation level serializable",
                "savepoint a",
                fails,
                "rollback to a",
            ],
            vec![
                "begin",
                "set transaction isolation level serializable, read only",
            ],
            vec!["begin", "set transaction read only", fails],
            vec![
                "begin",
                "savepoint a",
                "set transaction read only",
                "rollback to a",
            ],
            vec![
                "begin",
                "savepoint a",
                "set transaction read only",
                "release a",
            ],
            vec!["begin read only", "set transaction read write"],
        ] {
            narrow.alike(&conversation(&[&before[..], &[chained], &shows].concat()));
        }
    }
}

/// Each statement has a transaction of its own, so nobody has to wait for another but while that one's statement runs.
#[test]
fn pipelines_over_shards_do_not_keep_what_they_have_done_with() {
    let narrow = Narrow::start();
    let ends = |pipeline: Vec<i32>| {
        let mut client = narrow.client(0);
        std::thread::spawn(move || {
            for _ in 0..5 {
                let mut packet = BytesMut::new();
                for id in &pipeline {
                    let text = format!("\0select balance from accounts where id = {id}\0\0\0");
                    frame(&mut packet, b'P', text.as_bytes());
                    frame(&mut packet, b'B', &[0; 8]);
                    frame(&mut packet, b'E', &[0; 5]);
                    frame(&mut packet, b'S', &[]);
                }
                client.write(&packet).unwrap();
                for id in &pipeline {
                    let answer = client.until_ready().unwrap();
                    let tags: Vec<u8> = answer.iter().map(|message| message.tag).collect();
                    assert_eq!(tags, b"12DCZ", "{id}: {answer:?}");
                }
            }
        })
    };
    let there: Vec<i32> = (1..=12).collect();
    let back: Vec<i32> = there.iter().rev().copied().collect();
    for client in [ends(there.clone()), ends(back), ends(there)] {
        client.join().unwrap();
    }
}
