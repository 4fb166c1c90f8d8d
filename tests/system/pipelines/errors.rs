//! Errors in pipelines come in their place, and what follows is skipped or looked at as PostgreSQL does.

use shunt_tests::conversation::Op;
use shunt_tests::twin::{Twins, shown};

use super::{Narrow, SHARDS, bind, both, parse, query, run};

#[test]
fn an_error_between_queries_waits_for_its_sync() {
    let narrow = Narrow::start();
    for between in [
        vec![Op::Execute("", 0)],
        run("select 1/0 from accounts where id = 3"),
        vec![parse("selec")],
    ] {
        for first in ["select 1", "begin", SHARDS] {
            let ops = [
                both(&[query(first)], &between),
                vec![query("select 2"), Op::Wait, query("select 3"), Op::Sync],
                vec![query("select 4"), Op::Wait],
            ];
            narrow.alike(&ops.concat());
        }
    }
}

#[test]
fn in_a_failed_transaction_nothing_is_prepared_but_its_end() {
    let narrow = Narrow::start();
    let failed = vec![
        query("begin"),
        query("select 1/0 from accounts where id = 1"),
        Op::Wait,
    ];
    for text in [
        "select 7",
        "select note from accounts where id = 1",
        "select count(*) from accounts",
        "insert into accounts (id) values (100), (101)",
        "show timezone",
        "set work_mem = '77kB'",
        "",
        "savepoint a",
        "rollback",
        "commit",
        "rollback to a",
    ] {
        let named = Op::Parse("z", text.to_owned(), Vec::new());
        narrow.alike(&both(
            &failed,
            &[
                named.clone(),
                Op::Sync,
                Op::Wait,
                query("rollback"),
                Op::Wait,
            ],
        ));
        narrow.alike(&both(&failed, &both(&run(text), &[Op::Sync, Op::Wait])));
        if text != "rollback to a" {
            let bound = Op::Bind("", "z", Vec::new(), Vec::new());
            let prepared = both(&[named, Op::Sync, Op::Wait], &failed);
            narrow.alike(&both(
                &prepared,
                &[bound, Op::Execute("", 0), Op::Sync, Op::Wait],
            ));
        }
    }
}

/// An error of the router's own comes in its place: what stands ahead of it has not failed.
#[test]
fn an_error_fails_nothing_before_its_turn() {
    let narrow = Narrow::start();
    for text in [
        "select note from accounts where id = 1",
        "select count(*) from accounts",
    ] {
        let unknown = Op::Bind("", "nobody", Vec::new(), Vec::new());
        let begin = [query("begin"), Op::Wait];
        let ahead = both(&run(text), &[Op::Sync]);
        let fails = [unknown, Op::Sync, Op::Wait, query("select 7")];
        narrow.alike(&both(&begin, &both(&ahead, &fails)));
        narrow.alike(&both(&begin, &both(&both(&ahead, &ahead), &fails)));
        narrow.alike(&both(&ahead, &fails));
    }
}

#[test]
fn what_is_parsed_is_looked_at_at_once() {
    let narrow = Narrow::start();
    let named = |name: &'static str, text: &str| Op::Parse(name, text.to_owned(), Vec::new());
    let synced = [Op::Sync, Op::Wait];
    for wrong in [
        "select nosuch from accounts",
        "select nosuch from accounts where id = 1",
        "select nosuch, count(*) from accounts group by 1",
        "insert into accounts (id) values (100, 2), (101, 3)",
        "insert into accounts (id, nosuch) values (100, 2)",
        "select $1, $1::int from accounts where id = 1",
        "select $2::int from accounts where id = 1",
        "update accounts set nosuch = 1 where id = 1",
        "delete from accounts where nosuch = 1",
        "select 1 from accounts where id = 'x'",
    ] {
        for name in ["", "s"] {
            let right = [
                named(name, "select id from accounts where id = 3"),
                Op::Describe(b'S', name),
            ];
            let again = [&right[..], &synced].concat();
            let first = named(name, wrong);
            narrow.alike(&[&[first.clone()][..], &synced, &again].concat());
            narrow.alike(&[&[first.clone(), Op::Flush, Op::Wait][..], &synced, &again].concat());
            narrow.alike(
                &[
                    &[first.clone(), Op::Describe(b'S', name)][..],
                    &synced,
                    &again,
                ]
                .concat(),
            );
            let bound = Op::Bind("", name, Vec::new(), Vec::new());
            narrow.alike(
                &[
                    &[first.clone(), bound, Op::Execute("", 0)][..],
                    &synced,
                    &again,
                ]
                .concat(),
            );
        }
        // Behind others, and before them.
        let first = named("s", wrong);
        let before = run("select note from accounts where id = 4");
        narrow.alike(&[&before[..], std::slice::from_ref(&first), &before, &synced].concat());
        narrow.alike(
            &[
                &[
                    named("t", "select id from accounts where id = 5"),
                    first.clone(),
                ][..],
                &synced,
                &before,
                &synced,
            ]
            .concat(),
        );
        narrow.alike(
            &[
                &[query("begin"), first.clone()][..],
                &synced,
                &[query("rollback"), Op::Wait],
            ]
            .concat(),
        );
        narrow.alike(&[first, query("select 5"), Op::Sync, Op::Wait]);
    }
    let right = "select id from accounts where id = 3";
    let bound = |name| Op::Bind("", name, Vec::new(), Vec::new());
    for ops in [
        vec![
            named("s", right),
            Op::Flush,
            Op::Wait,
            bound("s"),
            Op::Execute("", 0),
        ],
        vec![named("s", right), Op::Sync, Op::Wait, named("s", right)],
        vec![
            named("s", right),
            named("t", right),
            bound("s"),
            Op::Execute("", 0),
        ],
        vec![named("s", right), named("s", right)],
        vec![
            named("s", right),
            Op::Close(b'S', "s"),
            named("s", "select 5"),
        ],
        vec![
            named("s", right),
            Op::Describe(b'S', "s"),
            bound("s"),
            Op::Execute("", 0),
        ],
        vec![named("s", right), bound("t"), Op::Execute("", 0)],
        vec![
            parse("select count(*) from accounts"),
            Op::Describe(b'S', ""),
            bind(),
            Op::Execute("", 0),
        ],
    ] {
        narrow.alike(&[&ops[..], &synced, &ops, &synced].concat());
    }
    let begun = [
        named("s", right),
        query("begin"),
        Op::Wait,
        bound("s"),
        Op::Execute("", 0),
    ];
    narrow.alike(&[&begun[..], &synced].concat());
}

/// It would commit what came before it, and a query of the router's own in the middle of a pipeline fails.
#[test]
fn what_a_pipeline_has_begun_is_not_discarded() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let update = "update accounts set balance = 1000 where id = 3";
    for discard in ["discard all", "discard plans", "discard temp"] {
        let said = pair
            .shards
            .pipeline(&[update, discard, "select 1"])
            .unwrap();
        let said = shown(&said);
        assert_eq!(said[..3], ["message 1", "message 2", "tag UPDATE 1"]);
        assert!(said.iter().any(|line| line.contains("25001")), "{said:?}");
        let undone = pair.ask("select balance from accounts where id = 3");
        assert_eq!(undone[1], "row 30");
        assert_eq!(pair.ask("begin")[0], "tag BEGIN");
        assert_eq!(pair.ask("rollback")[0], "tag ROLLBACK");
    }
}
