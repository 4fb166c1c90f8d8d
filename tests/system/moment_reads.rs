//! What one statement reads of a shard in several queries is of one moment, also in a transaction at `READ COMMITTED`, whose
//! statements have a snapshot each.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use shunt_tests::raw::RawClient;
use shunt_tests::twin::{Twins, shown};

/// Each is 0 on one server, whatever others commit meanwhile: rows come and go in pairs.
const ALWAYS_NOTHING: &[&str] = &[
    "select (select count(*) from accounts where note = 'a') - (select count(*) from accounts where note = 'b')",
    "select count(*) from accounts x full join accounts y on x.balance = y.balance and y.note = 'b' where x.note = 'a' and y.id is null",
    "select count(*) from accounts x where note = 'a' and not exists (select from accounts y where y.note = 'b' and y.balance = x.balance)",
    "select sum(case note when 'a' then 1 else -1 end * n) from (select note, count(*) n from accounts where note = 'a' group by note union all select note, count(*) from accounts where note = 'b' group by note union all select 'a', 0) both_of_them",
    "select max(x.balance) - max(y.balance) from accounts x, accounts y where x.note = 'a' and y.note = 'b' and x.id % 3 = 1 and y.id % 3 = 1 having false union all select 0",
    "select (select count(*) from accounts where note = 'c') - (select count(*) from copies where name = 'c')",
    "select count(*) from copies x left join accounts y on x.id = y.balance and y.note = 'c' where x.name = 'c' and y.id is null",
];

/// How often each is asked, in each kind of transaction, over either protocol.
const TIMES: usize = 8;

fn client(twins: &Twins) -> RawClient {
    RawClient::trust(twins.proxy.address, twins.server.user(), "bank").expect("the proxy")
}

#[track_caller]
fn ask(client: &mut RawClient, sql: &str) -> Vec<String> {
    let answer = shown(&client.simple(sql).expect(sql));
    let failed = answer.iter().any(|line| line.starts_with("ERROR"));
    assert!(!failed, "{sql}: {answer:?}");
    answer
}

#[test]
fn tables_are_read_as_of_one_moment_in_a_transaction() {
    let twins = Twins::start();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for shard in 0..3 {
            let (twins, over) = (&twins, &over);
            scope.spawn(move || {
                let mut client = client(twins);
                // Rows of one shard, by turns.
                for round in 0.. {
                    if over.load(Ordering::Relaxed) {
                        break;
                    }
                    let id = 1002 + 6 * (round % 50) + shard;
                    let pair = format!(
                        "insert into accounts (id, balance, note) values ({id}, {id}, 'a'), ({}, {id}, 'b')",
                        id + 3
                    );
                    ask(&mut client, &pair);
                    if round >= 20 {
                        let old = 1002 + 6 * ((round - 20) % 50) + shard;
                        let delete = format!("delete from accounts where id in ({old}, {})", old + 3);
                        ask(&mut client, &delete);
                    }
                }
            });
        }
        scope.spawn(|| {
            let mut client = client(&twins);
            for id in (2001..).step_by(3) {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                // Its row is on the shard where statements over several are carried out; a copy is there, too.
                let pair = format!(
                    "begin; insert into accounts (id, balance, note) values ({id}, {id}, 'c'); insert into copies values ({id}, 'c'); commit"
                );
                ask(&mut client, &pair);
            }
        });
        let wrong = scope.spawn(|| wrong_answers(&twins)).join();
        over.store(true, Ordering::Relaxed);
        assert_eq!(wrong.expect("a reader"), Vec::<String>::new());
    });
}

/// An error in the middle leaves nothing prepared, and nothing open.
#[test]
fn nothing_is_left_of_it() {
    let twins = Twins::start();
    let mut client = client(&twins);
    let two = |list: &str| {
        format!(
            "select {list} from accounts x join accounts y on x.id = y.balance where x.note > 'a' and 1 / (x.id - 5) > -7 and y.note < 'z'"
        )
    };
    ask(&mut client, "begin");
    for _ in 0..2 {
        ask(&mut client, "savepoint a");
        let answer = shown(&client.simple(&two("x.id")).expect("an answer"));
        assert!(
            answer.iter().any(|line| line.starts_with("ERROR 22012")),
            "{answer:?}"
        );
        ask(&mut client, "rollback to a");
        ask(&mut client, "update accounts set balance = 3 where id = 3");
        ask(
            &mut client,
            "select count(*) from accounts x join accounts y on x.id = y.balance where x.note > 'a' and y.note < 'z'",
        );
    }
    // Nobody in this transaction has the table open.
    ask(&mut client, "alter table accounts add column more int");
    for shard in ["s0", "s1", "s2"] {
        let answer = ask(
            &mut client,
            &format!(
                "/* shunt: shard={shard} */ select count(*) from pg_prepared_statements where name ~ '^shunt [0-9]'"
            ),
        );
        assert!(answer.contains(&"row 0".to_owned()), "{shard}: {answer:?}");
    }
    ask(&mut client, "rollback");
}

/// What a client is told that reads meanwhile, and is not so.
fn wrong_answers(twins: &Twins) -> Vec<String> {
    let mut reader = client(twins);
    let mut wrong = Vec::new();
    for begin in [
        "begin",
        "begin read only",
        "begin isolation level repeatable read",
    ] {
        // Where a transaction may make no tables they are on a connection of their own, and so is what is read there.
        let of_copies = |sql: &&&str| sql.contains("copies") && begin.contains("read only");
        for sql in ALWAYS_NOTHING.iter().filter(|sql| !of_copies(sql)) {
            for _ in 0..TIMES {
                ask(&mut reader, begin);
                let simple = ask(&mut reader, sql);
                let extended = shown(&reader.extended(sql, &[], false).expect(sql));
                for answer in [simple, extended] {
                    if !answer.contains(&"row 0".to_owned()) {
                        wrong.push(format!("{begin}: {sql}: {answer:?}"));
                    }
                }
                ask(&mut reader, "commit");
            }
        }
    }
    wrong
}
