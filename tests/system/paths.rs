//! `search_path` over shards: a name means what it means at that moment, in a transaction, too.

use bytes::BytesMut;
use router_core::plan::Reason;
use shunt_tests::raw::frame;
use shunt_tests::twin::{Pair, Twins, shown};

/// Twins with an empty schema more, and a client of each.
fn start() -> (Twins, Pair) {
    let twins = Twins::start();
    for database in ["bank0", "bank1", "bank2", "whole"] {
        twins.server.execute(database, "create schema oth").unwrap();
    }
    let pair = twins.connect();
    (twins, pair)
}

#[test]
fn a_path_that_a_transaction_sets_holds_for_what_follows() {
    let (_twins, mut pair) = start();
    for session in ["reset search_path", "set search_path = oth"] {
        pair.both(session);
        for set in [
            "set local search_path = public",
            "set search_path = public",
            "select set_config('search_path', 'public', true)",
            "set local search_path = oth",
            "reset search_path",
            "set local search_path to default",
        ] {
            pair.both("begin");
            pair.both("savepoint s");
            pair.both(set);
            pair.both("select count(*) from accounts");
            pair.both("rollback to s");
            pair.both("select id from accounts where id = 3");
            pair.both("rollback to s");
            // Over several shards it would answer several times.
            if !set.starts_with("select") {
                pair.both_extended(set, &[]);
            }
            pair.both_extended("select id from accounts where id = $1", &[Some("5")]);
            pair.both("rollback to s");
            pair.both_extended("select count(*) from accounts", &[]);
            pair.both("rollback to s");
            let message = match set.starts_with("select") {
                true => "select count(*) from accounts".to_owned(),
                false => format!("{set}; select count(*) from accounts; {session}"),
            };
            pair.both(&message);
            pair.both("commit");
            pair.both("select count(*) from accounts");
            pair.both(&message);
            pair.both(session);
        }
    }
    pair.both("set search_path = oth");
    pair.both("begin");
    pair.both("set local search_path = public");
    pair.both("insert into accounts (id) values (101), (102), (103)");
    pair.both("commit");
    pair.both("set search_path = public");
    for id in 101..=103 {
        pair.both(&format!("select id from accounts where id = {id}"));
    }
}

/// Named statements, each prepared or executed, in one pipeline.
fn pipeline(steps: &[(&str, Option<&str>)]) -> BytesMut {
    let mut packet = BytesMut::new();
    for (name, text) in steps {
        let name = format!("{name}\0");
        if let Some(text) = text {
            frame(&mut packet, b'P', format!("{name}{text}\0\0\0").as_bytes());
        } else {
            frame(
                &mut packet,
                b'B',
                format!("\0{name}\0\0\0\0\0\0").as_bytes(),
            );
            frame(&mut packet, b'E', b"\0\0\0\0\0");
        }
    }
    frame(&mut packet, b'S', b"");
    packet
}

#[test]
fn a_prepared_statement_looks_where_the_path_leads_when_it_is_executed() {
    let (_twins, mut pair) = start();
    let mut both = |steps: &[(&str, Option<&str>)]| {
        let packet = pipeline(steps);
        let answers = [&mut pair.shards, &mut pair.whole].map(|client| {
            client.write(&packet).unwrap();
            shown(&client.until_ready().unwrap())
        });
        assert_eq!(answers[0], answers[1], "{steps:?}");
    };
    both(&[
        ("count", Some("select count(*) from accounts")),
        ("one", Some("select note from accounts where id = 7")),
        ("begin", Some("begin")),
        ("commit", Some("rollback")),
        ("there", Some("set search_path = oth")),
        ("here", Some("set local search_path = public")),
        ("gone", Some("set local search_path = oth")),
    ]);
    for statement in ["count", "one"] {
        both(&[(statement, None)]);
        both(&[("begin", None), ("gone", None), (statement, None)]);
        both(&[("commit", None)]);
        both(&[("begin", None), ("gone", None)]);
        both(&[(statement, None)]);
        both(&[("commit", None)]);
        both(&[(statement, None)]);
        both(&[("there", None)]);
        both(&[(statement, None)]);
        both(&[("begin", None), ("here", None), (statement, None)]);
        both(&[(statement, None)]);
        both(&[("commit", None)]);
        let text = "select balance from accounts where id = 4";
        both(&[
            ("begin", None),
            ("here", None),
            (&format!("{statement} new"), Some(text)),
            (&format!("{statement} new"), None),
        ]);
        both(&[("commit", None)]);
        both(&[("", Some("reset search_path")), ("", None)]);
    }
}

#[test]
fn settings_that_would_change_values_on_their_way_have_statements_refused() {
    let (twins, mut pair) = start();
    for database in ["bank0", "bank1", "bank2", "whole"] {
        let sql = "create type pair as (a int, b int);
                   alter table accounts add p pair, add f float8 default 0.1::float8 + 0.2, add at timestamptz default '2024-06-01'";
        twins.server.execute(database, sql).unwrap();
    }
    pair.ask("create table if not exists accounts (id bigint)");
    let code = Reason::Carried.entry().code;
    let refused = |pair: &mut Pair, sql: &str| {
        let answer = pair.ask(sql);
        let error = answer.iter().find(|line| line.starts_with("ERROR"));
        assert!(
            error.is_some_and(|e| e.starts_with(&format!("ERROR {code} "))),
            "{sql}: {answer:?}"
        );
    };
    let moves = "update accounts set id = id + 1000 where id < 4";
    for set in [
        "set datestyle = 'Postgres, MDY'",
        "set extra_float_digits = 0",
    ] {
        pair.both(set);
        refused(&mut pair, moves);
        pair.both("select id, f, at from accounts where id = 3");
        pair.both("reset all");
    }
    pair.both("set client_encoding = 'EUC_JP'");
    refused(
        &mut pair,
        "select a.note from accounts a join accounts b on a.note = b.note",
    );
    pair.both("set client_encoding = 'LATIN1'");
    pair.both("select a.note from accounts a join accounts b on a.note = b.note");
    pair.both("set client_encoding = 'WIN1251'");
    refused(
        &mut pair,
        "select note from accounts order by note collate \"C\"",
    );
    pair.both("select id from accounts order by id desc");
    pair.both("reset client_encoding");
    pair.both(moves);
    pair.both("select id, f, at from accounts");
}

#[test]
fn a_transaction_that_has_written_on_several_shards_stays_read_write() {
    let (_twins, mut pair) = start();
    for set in [
        "set transaction read only",
        "set local transaction_read_only = on",
    ] {
        pair.both("begin");
        pair.both("update accounts set balance = 1 where id = 1");
        pair.both("savepoint s");
        pair.both(set);
        pair.both("select balance from accounts where id = 1");
        pair.both("commit");
        pair.ask("begin");
        pair.ask("update accounts set balance = balance + 1");
        let answer = pair.ask(set);
        assert!(answer[0].starts_with("ERROR SH018 "), "{answer:?}");
        pair.ask("rollback");
    }
    pair.both("begin read only");
    pair.both("savepoint s");
    pair.both("delete from accounts");
    pair.both("rollback to s");
    pair.both("commit");
    pair.both("select id, balance from accounts");
}
