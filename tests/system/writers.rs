//! Clients that change the same rows of several shards at the same time: they wait for each other as they would on one
//! server, and nobody for good; copies of a reference table stay equal.

use std::thread;

use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::RawClient;
use shunt_tests::shards::{on_one_server, server_with};
use shunt_tests::twin::{Twins, shown};

/// How often each client says its statement.
const TIMES: usize = 15;

/// Each is said by several clients at once. On one server none of them can fail or wait for ever: of each table that they change
/// by rows there is one row on each shard, since those of one shard may be met in any order.
const STATEMENTS: &[&str] = &[
    "update copies set name = name || '!' where id = 1",
    "update copies set name = 'all'",
    "insert into copies values (7, 'seven') on conflict (id) do update set name = excluded.name",
    "update accounts set balance = balance + 1 where id in (1, 2, 3)",
    "update accounts set balance = balance + 1 where id < 4",
    "update accounts set balance = balance + 1 where id < 4 returning id",
    "insert into accounts (id) values (3), (2), (1) on conflict (id) do update set balance = accounts.balance + 1",
    "insert into accounts (id) values (4), (3), (2) on conflict (id) do update set balance = 0 returning id, balance",
    "insert into accounts (id, note) values (4, now()::text), (3, now()::text), (2, now()::text) on conflict (id) do update set note = excluded.note returning id, balance",
    "insert into accounts (id) values (6), (5), (4) on conflict do nothing returning id",
    "with a as (update accounts set note = note || '!' where id < 4 returning id) select count(*) from a",
    "with a as (delete from accounts where id < 4 returning id, balance), b as (update copies set name = 'with' returning id) select a.id, b.id from a, b",
    "begin; with a as (update accounts set balance = 0 where id in (1, 2, 3) returning id), b as (update copies set name = 'begin') select id from a; commit",
    "begin; select id from accounts where id in (1, 2, 3) for update; commit",
    "begin; lock table accounts; commit",
    "begin; lock table copies in share row exclusive mode; update copies set name = 'locked'; commit",
    "begin; truncate accounts; insert into accounts select g from generate_series(1, 6) g; commit",
];

fn client(twins: &Twins) -> RawClient {
    RawClient::trust(twins.proxy.address, twins.server.user(), "bank").expect("the proxy")
}

#[track_caller]
fn succeeds(client: &mut RawClient, sql: &str) {
    let answer = shown(&client.simple(sql).expect(sql));
    let failed = answer.iter().any(|line| line.starts_with("ERROR"));
    assert!(!failed, "{sql}: {answer:?}");
}

/// What each shard's copy holds.
#[track_caller]
fn copies_are_equal(twins: &Twins) {
    let all = "select string_agg(id || ' ' || name, ',' order by id) from copies";
    let of = |shard: &str| twins.server.execute(shard, all).expect("a shard");
    let first = of("bank0");
    for shard in ["bank1", "bank2"] {
        assert_eq!(of(shard), first, "{shard}");
    }
}

#[test]
fn the_same_statement_of_three_clients_is_carried_out_for_each() {
    let twins = Twins::start();
    for sql in STATEMENTS {
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut client = client(&twins);
                    for _ in 0..TIMES {
                        succeeds(&mut client, sql);
                    }
                });
            }
        });
        copies_are_equal(&twins);
    }
}

#[test]
fn of_two_who_insert_the_same_rows_one_does() {
    let twins = Twins::start();
    for id in (100..160).step_by(3) {
        let rows = format!("({}), ({id}), ({})", id + 2, id + 1);
        let sql = format!("insert into accounts (id) values {rows}");
        let ask = || {
            let answer = shown(&client(&twins).simple(&sql).expect(&sql));
            match answer.iter().find(|line| line.starts_with("ERROR")) {
                Some(error) => {
                    assert!(error.starts_with("ERROR 23505"), "{sql}: {error}");
                    0
                }
                None => 1,
            }
        };
        let done: i32 = thread::scope(|scope| {
            let clients = [0, 1].map(|_| scope.spawn(ask));
            clients
                .map(|client| client.join().expect("a client"))
                .iter()
                .sum()
        });
        assert_eq!(done, 1, "{sql}");
    }
}

#[test]
fn whoever_changes_a_reference_table_sees_all_copies_alike() {
    let twins = Twins::start();
    let counts = "update copies set name = (select count(*)::text from copies) where id = 1";
    let grows = "update copies set name = left(name || 'x', 200)";
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = client(&twins);
            for id in 100..160 {
                succeeds(
                    &mut client,
                    &format!("insert into copies values ({id}, '')"),
                );
            }
        });
        scope.spawn(|| {
            let mut client = client(&twins);
            for id in 200..260 {
                let both = format!(
                    "begin; insert into copies values ({id}, ''); delete from copies where id = {id} - 3; commit"
                );
                succeeds(&mut client, &both);
            }
        });
        for sql in [grows, counts] {
            let twins = &twins;
            scope.spawn(move || {
                let mut client = client(twins);
                for _ in 0..40 {
                    succeeds(&mut client, sql);
                }
            });
        }
    });
    copies_are_equal(&twins);
}

#[test]
fn two_copies_into_a_reference_table_and_a_change_of_it_take_turns() {
    let twins = Twins::start();
    let rounds = 12;
    thread::scope(|scope| {
        for first in [1000, 2000] {
            let twins = &twins;
            scope.spawn(move || {
                let mut client = client(twins);
                for id in first..first + rounds {
                    let copy = b"copy copies from stdin\0";
                    client.send(b'Q', copy).expect("sent");
                    while client.read().expect("an answer").tag != b'G' {}
                    client
                        .send(b'd', format!("{id}\tnew\n").as_bytes())
                        .expect("sent");
                    client.send(b'c', &[]).expect("sent");
                    let answer = shown(&client.until_ready().expect("an answer"));
                    assert!(
                        answer.iter().any(|line| line.contains("COPY 1")),
                        "{answer:?}"
                    );
                }
            });
        }
        scope.spawn(|| {
            let mut client = client(&twins);
            for _ in 0..2 * rounds {
                succeeds(
                    &mut client,
                    "update copies set name = left(name || 'x', 200)",
                );
            }
        });
    });
    copies_are_equal(&twins);
}

#[test]
fn rows_come_back_in_their_order_although_shards_are_asked_in_theirs() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "insert into accounts (id, note) values (35, 'a'), (33, 'b'), (34, 'c'), (32, 'd'), (31, 'e') returning note, id",
        "insert into accounts (id, note) values (31, 'a'), (30, 'b'), (33, 'c') on conflict (id) do update set note = excluded.note returning id, note",
        "insert into accounts (id, note) values (31, 'a'), (29, 'b'), (33, 'c'), (28, 'd') on conflict do nothing returning id",
    ] {
        // In order: `shown` has rows in none.
        let rows = |client: &mut RawClient| -> Vec<_> {
            let answer = client.simple(sql).expect(sql);
            let rows = answer.iter().filter(|message| message.tag == b'D');
            rows.map(|row| row.columns()).collect()
        };
        assert_eq!(rows(&mut pair.shards), rows(&mut pair.whole), "{sql}");
    }
}

/// At `REPEATABLE READ` each shard is seen as of when it joined: copies would be changed by what each shows.
#[test]
fn copies_are_not_changed_by_snapshots_of_different_moments() {
    let twins = Twins::start();
    let mut old = client(&twins);
    let mut other = client(&twins);
    for level in ["repeatable read", "serializable"] {
        for sql in [
            "insert into copies select id + 100, name from copies",
            "update copies set name = (select count(*) from copies)::text",
            "delete from copies where id > (select min(id) from copies)",
        ] {
            succeeds(&mut old, &format!("begin isolation level {level}"));
            succeeds(&mut old, "select * from accounts where id = 1");
            succeeds(&mut other, "update copies set name = name || '?'");
            let answer = shown(&old.simple(sql).expect(sql));
            assert!(answer[0].starts_with("ERROR SH016"), "{sql}: {answer:?}");
            succeeds(&mut old, "rollback");
        }
        succeeds(&mut old, &format!("begin isolation level {level}"));
        succeeds(&mut old, "insert into copies values (50, 'new')");
        succeeds(&mut old, "delete from copies where id = 50");
        succeeds(&mut old, "commit");
    }
    copies_are_equal(&twins);
}

/// The same where it is the servers' own default, of which the router does not know.
#[test]
fn copies_are_not_changed_at_a_level_that_only_servers_know() {
    let server = server_with(3);
    for shard in 0..3 {
        let set = "set default_transaction_isolation = 'repeatable read'";
        let alter = format!("alter database bank{shard} {set}");
        server.execute("postgres", &alter).expect("a default");
    }
    let proxy = TestProxy::start(on_one_server(&server, 3, Default::default()));
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").expect("the proxy");
    succeeds(&mut client, "insert into copies values (1, 'one')");
    for sql in [
        "insert into copies select id + 100, name from copies",
        "update copies set name = (select count(*) from copies)::text",
        "delete from copies where id > (select min(id) from copies)",
    ] {
        for begin in ["", "begin"] {
            succeeds(&mut client, begin);
            let answer = shown(&client.simple(sql).expect(sql));
            assert!(answer[0].starts_with("ERROR SH016"), "{sql}: {answer:?}");
            succeeds(&mut client, "rollback");
        }
        succeeds(&mut client, "begin isolation level read committed");
        succeeds(&mut client, sql);
        succeeds(&mut client, "rollback");
    }
    succeeds(&mut client, "update copies set name = 'two' where id = 1");
}

#[test]
fn copies_get_what_was_read_once_of_tables_that_others_change() {
    let twins = Twins::start();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = client(&twins);
            for id in 1000..1300 {
                succeeds(
                    &mut client,
                    &format!("insert into accounts (id) values ({id})"),
                );
            }
        });
        let count = "update copies set name = (select count(*)::text from accounts) where id = 1";
        for sql in [count.to_owned(), format!("begin; {count}; commit")] {
            let twins = &twins;
            scope.spawn(move || {
                let mut client = client(twins);
                for _ in 0..8 {
                    // Outside of a transaction its reads are of one moment, which somebody else's change may end.
                    let answer = shown(&client.simple(&sql).expect(&sql));
                    let failed = answer.iter().find(|line| line.starts_with("ERROR"));
                    assert!(
                        failed.is_none_or(|line| line.starts_with("ERROR 40001")),
                        "{answer:?}"
                    );
                    copies_are_equal_now(&mut client);
                }
            });
        }
    });
    copies_are_equal(&twins);
}

/// The same in the middle of a race: a transaction that has the table's turn sees all copies at rest.
#[track_caller]
fn copies_are_equal_now(client: &mut RawClient) {
    succeeds(client, "begin");
    succeeds(client, "update copies set name = name where id = 2");
    let seen = ["s0", "s1", "s2"].map(|shard| {
        let sql = format!("/* shunt: shard={shard} */ select name from copies where id = 1");
        shown(&client.simple(&sql).expect("a shard"))
    });
    succeeds(client, "commit");
    assert!(seen[0] == seen[1] && seen[1] == seen[2], "{seen:?}");
}

/// What reads as of one moment is carried out again where somebody else was faster: on one server it would have waited.
#[test]
fn a_change_that_is_overtaken_is_carried_out_again() {
    let twins = Twins::start();
    let mut one = client(&twins);
    succeeds(&mut one, "update accounts set balance = 0");
    let sql = "update accounts set balance = balance + 1 where id in (select id from accounts order by id limit 3)";
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = client(&twins);
                for _ in 0..TIMES {
                    succeeds(&mut client, sql);
                }
            });
        }
    });
    let sum = shown(
        &one.simple("select sum(balance) from accounts")
            .expect("a sum"),
    );
    let all = (3 * TIMES * 3).to_string();
    assert!(sum.iter().any(|line| line.contains(&all)), "{sum:?}");
}

/// Actions of foreign keys change copies of tables that the statement does not name.
#[test]
fn actions_of_foreign_keys_take_turns_too() {
    let twins = Twins::start();
    let mut one = client(&twins);
    succeeds(
        &mut one,
        "alter table copies add column above bigint references copies on delete cascade on update cascade",
    );
    succeeds(
        &mut one,
        "insert into copies values (3, 'three', 1), (4, 'four', 3)",
    );
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = client(&twins);
            for id in 100..130 {
                succeeds(
                    &mut client,
                    &format!("insert into copies values ({id}, 'new', 2)"),
                );
                succeeds(&mut client, &format!("delete from copies where id = {id}"));
            }
        });
        scope.spawn(|| {
            let mut client = client(&twins);
            for _ in 0..30 {
                succeeds(
                    &mut client,
                    "update copies set name = left(name || 'x', 100)",
                );
            }
        });
    });
    copies_are_equal(&twins);
}
