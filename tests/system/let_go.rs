//! A transaction over several shards that has failed lets go of its locks with the error, and not when its client ends it.

use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::{Pair, Twins, shown};

/// Each makes a transaction fail that has changed rows of several shards.
const FAILING: &[&str] = &[
    "select 1 / 0",
    "select 1 / (id - 2) from accounts where id = 2",
    "update accounts set balance = 1 / 0",
    "select nosuch from accounts",
    "selec 1",
    "insert into accounts (id) values (1), (20), (21)",
    "with a as (delete from accounts where id > 4 returning 1 / (id - 9)) select count(*) from a",
    "savepoint a; release a; select 1 / 0",
    "release nosuch",
    "set work_mem = 'nosuch'",
];

/// What somebody else is told who wants the row at once.
#[track_caller]
fn wants(other: &mut Pair, id: u32) -> Vec<String> {
    other.both(&format!(
        "begin; set local lock_timeout = '2s'; update accounts set note = 'mine' where id = {id}; rollback"
    ))
}

#[track_caller]
fn gets(other: &mut Pair, id: u32) {
    let answer = wants(other, id);
    assert!(answer.contains(&"tag UPDATE 1".to_owned()), "{answer:?}");
}

#[test]
fn with_the_error_and_not_with_rollback() {
    let twins = Twins::start();
    let (mut failed, mut other) = (twins.connect(), twins.connect());
    for &sql in FAILING {
        for end in [
            "rollback",
            "commit",
            "commit and chain",
            "rollback and chain",
        ] {
            failed.both("begin");
            failed.both("update accounts set note = 'changed' where id in (1, 2, 3)");
            failed.both("set statement_timeout = '17s'");
            let shards = shown(&failed.shards.simple(sql).expect(sql));
            let whole = shown(&failed.whole.simple(sql).expect(sql));
            assert_eq!(shards.last(), whole.last(), "{sql}");
            assert_eq!(shards.last().map(|s| &**s), Some("state E"), "{sql}");
            for id in [1, 2, 3] {
                gets(&mut other, id);
            }
            let answer = failed.both("select 1");
            assert!(answer[0].starts_with("ERROR 25P02"), "{answer:?}");
            let answer = failed.both_extended("select $1::int", &[Some("1")]);
            assert!(answer[0].starts_with("ERROR 25P02"), "{answer:?}");
            failed.both("rollback to savepoint a");
            failed.both(end);
            failed.both("update accounts set balance = balance + 1 where id < 6");
            failed.both("rollback");
            failed.both("show statement_timeout");
            failed.both("select id, balance, note from accounts order by id");
        }
    }
}

/// The last value of a setting that a client was told of.
fn told<'c>(client: &'c RawClient, setting: &str) -> Option<&'c str> {
    let known = client.parameters.iter().find(|(name, _)| name == setting);
    known.map(|(_, value)| value.as_str())
}

/// What the session knows of its settings decides whether values may travel, and where keys are looked for.
#[test]
fn settings_go_back_with_it() {
    let twins = Twins::start();
    let mut failed = twins.connect();
    let refused = "copy (delete from accounts returning id) to stdout";
    for &sql in FAILING.iter().chain([&refused]) {
        for before in [
            "select 1",
            "update accounts set note = 'changed' where id in (1, 2, 3)",
        ] {
            failed.both("begin");
            failed.both("set local datestyle = 'German, DMY'");
            failed.both(before);
            failed.shards.simple(sql).expect(sql);
            let fails = if sql == refused { "select 1 / 0" } else { sql };
            failed.whole.simple(fails).expect(fails);
            failed.both("rollback");
            let style = told(&failed.whole, "DateStyle");
            assert_eq!(told(&failed.shards, "DateStyle"), style, "{sql}");
            failed.both("show datestyle");
            failed.both(
                "begin; with a as (delete from accounts where id > 4 returning *) select id from a order by id; rollback",
            );
        }
    }
}

/// What the router itself refuses fails the transaction as well.
#[test]
fn with_a_refusal() {
    let twins = Twins::start();
    let (mut failed, mut other) = (twins.connect(), twins.connect());
    failed.ask("begin");
    failed.ask("update accounts set note = 'changed' where id in (1, 2)");
    let answer = failed.ask("copy (delete from accounts returning id) to stdout");
    assert!(answer[0].starts_with("ERROR SH"), "{answer:?}");
    gets(&mut other, 1);
    gets(&mut other, 2);
    let answer = failed.ask("commit");
    assert_eq!(answer, ["tag ROLLBACK", "state I"]);
}

#[test]
fn of_what_a_savepoint_has_behind_it() {
    let twins = Twins::start();
    let (mut failed, mut other) = (twins.connect(), twins.connect());
    for name in ["a", "\"A \"\"quoted\"\" name\""] {
        failed.both("begin");
        failed.both("update accounts set note = 'before' where id in (1, 2)");
        failed.both("savepoint first");
        failed.both(&format!("savepoint {name}"));
        failed.both("update accounts set note = 'behind' where id in (3, 4)");
        failed.both("set local work_mem = '3MB'");
        failed.both("declare c cursor for select 1");
        failed.both("select 1 / (id - 5) from accounts where id = 5");
        for id in [3, 4, 5] {
            gets(&mut other, id);
        }
        for id in [1, 2] {
            let answer = other.both(&format!(
                "begin; set local lock_timeout = '50ms'; update accounts set note = 'mine' where id = {id}"
            ));
            assert!(
                answer.iter().any(|line| line.starts_with("ERROR 55P03")),
                "{answer:?}"
            );
            other.both("rollback");
        }
        failed.both(&format!("rollback to {name}"));
        failed.both("show work_mem");
        failed.both("select id, note from accounts where id < 6 order by id");
        failed.both("update accounts set note = 'again' where id in (3, 4, 6)");
        // Once more, behind the same savepoint, and then back behind an older one.
        failed.both("update copies set name = 'again'");
        failed.both("select nosuch");
        gets(&mut other, 3);
        gets(&mut other, 6);
        failed.both("rollback to first");
        failed.both("update accounts set note = 'last' where id in (5, 6)");
        failed.both("commit");
        failed.both("select id, note from accounts order by id");
        failed.both("select id, name from copies order by id");
        failed.both("update accounts set note = null");
    }
}

/// What of a pipeline has been answered is let go of before its `Sync`, and so is what comes after.
#[test]
fn of_pipelines() {
    let twins = Twins::start();
    let (mut failed, mut other) = (twins.connect(), twins.connect());
    failed.both("begin");
    failed.both_extended(
        "update accounts set note = $1 where id in (1, 2)",
        &[Some("changed")],
    );
    let clients = [&mut failed.shards, &mut failed.whole];
    let answers = clients.map(|client: &mut RawClient| {
        for sql in [
            "update accounts set note = 'changed' where id = 3",
            "select 1 / 0",
        ] {
            client
                .send(b'P', format!("\0{sql}\0\0\0").as_bytes())
                .expect("sent");
            client.send(b'B', b"\0\0\0\0\0\0\0\0").expect("sent");
            client.send(b'E', b"\0\0\0\0\0").expect("sent");
        }
        client.send(b'H', b"").expect("sent");
        let mut answers = Vec::new();
        while answers
            .last()
            .is_none_or(|line: &String| !line.starts_with("ERROR"))
        {
            answers.extend(shown(&[client.read().expect("an answer")]));
        }
        answers
    });
    assert_eq!(answers[0], answers[1]);
    for id in [1, 2, 3] {
        gets(&mut other, id);
    }
    for client in [&mut failed.shards, &mut failed.whole] {
        client.send(b'S', b"").expect("sent");
        let answer = shown(&client.until_ready().expect("an answer"));
        assert_eq!(answer, ["state E"]);
    }
    gets(&mut other, 1);
    failed.both("commit");
    failed.both("select id, note from accounts order by id");
}

/// The same where the client does not wait to hear of it before it goes back to a savepoint.
#[test]
fn settings_go_back_to_a_savepoint_with_it() {
    let twins = Twins::start();
    let refused = "copy (delete from accounts returning id) to stdout";
    for (sql, fails) in [
        (refused, "select 1 / 0"),
        (
            "select 1 / (id - 2) from accounts where id = 2",
            "select 1 / 0",
        ),
        ("selec 1", "selec 1"),
    ] {
        let mut pair = twins.connect();
        pair.both("begin");
        pair.both("savepoint a");
        pair.both("set local datestyle = 'German, DMY'");
        pair.both("update accounts set note = 'changed' where id in (1, 2, 3)");
        for (client, sql) in [(&mut pair.shards, sql), (&mut pair.whole, fails)] {
            let mut packet = bytes::BytesMut::new();
            for sql in [sql, "rollback to a", "select 1"] {
                frame(&mut packet, b'Q', format!("{sql}\0").as_bytes());
            }
            client.write(&packet).unwrap();
            for _ in 0..3 {
                client.until_ready().unwrap();
            }
        }
        let style = told(&pair.whole, "DateStyle");
        assert_eq!(told(&pair.shards, "DateStyle"), style, "{sql}");
        pair.both("show datestyle");
        pair.both(
            "with a as (delete from accounts where id > 4 returning *) select id from a order by id",
        );
        pair.both("rollback");
        let style = told(&pair.whole, "DateStyle");
        assert_eq!(told(&pair.shards, "DateStyle"), style, "{sql}");
    }
}
