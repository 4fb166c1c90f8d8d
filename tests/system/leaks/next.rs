//! The next client on a connection sees nothing of the one before, however that one has left.

use shunt_tests::one_server::OneServer;
use shunt_tests::patience::await_that;
use shunt_tests::raw::seen;

use super::behind::{BEHIND, MADE_BEHIND};
use super::deeds::DEEDS;
use super::{extended, look, start};

#[test]
fn nothing_of_one_client_is_seen_by_the_next() {
    next_sees_nothing(&start(&[]), DEEDS);
}

#[test]
fn nothing_that_happens_behind_a_statement_is_seen_by_the_next() {
    next_sees_nothing(&start(&[MADE_BEHIND]), BEHIND);
}

/// What the tests look for is there to be found: without a router the client itself sees what it has left.
#[test]
fn what_happens_behind_a_statement_leaves_something() {
    let world = start(&[MADE_BEHIND]);
    let clean = look(&mut world.direct());
    for (deed, statements) in BEHIND {
        let mut client = world.direct();
        for sql in *statements {
            client.simple(sql).unwrap();
        }
        assert_ne!(look(&mut client), clean, "{deed}");
    }
}

fn next_sees_nothing(world: &OneServer, deeds: &[(&str, &[&str])]) {
    let clean = look(&mut world.connect());
    let mut leaks = Vec::new();
    for by_extended in [false, true] {
        for (deed, statements) in deeds {
            if by_extended
                && statements
                    .iter()
                    .any(|sql| sql.contains("; ") && !sql.contains("$$"))
            {
                continue;
            }
            let mut first = world.connect();
            for sql in *statements {
                if by_extended {
                    extended(&mut first, sql);
                } else if let Err(error) = first.simple(sql) {
                    panic!("{deed}: {sql}: {error:?}");
                }
            }
            // Pinned ones keep the only connection until they leave.
            drop(first);
            let found = look(&mut world.connect());
            if found != clean {
                leaks.push(format!("{deed} (extended: {by_extended}): {found:?}"));
            }
        }
    }
    assert!(leaks.is_empty(), "expected {clean:?}\n{}", leaks.join("\n"));
}

/// What `DISCARD ALL` does not end: a connection with that is closed, be it that its client leaves or that it says so itself.
#[test]
fn what_discard_all_leaves_goes_to_nobody() {
    let world = start(&[]);
    let random = "select random()";
    let seeded = |how: &str| {
        let mut client = world.direct();
        client.simple(how).unwrap();
        seen(&client.simple(random).unwrap())
    };
    let by_seed = seeded("select setseed(0.5)");
    assert_eq!(by_seed, seeded("begin; set local seed = 0.5; rollback"));
    let slot = "select count(*) from pg_create_physical_replication_slot('kept', true, true)";
    let slots = "select count(*) from pg_replication_slots where active";
    let backup = "select pg_backup_start('kept', true) is not null";
    let deeds: [(&str, &str, &[String]); 11] = [
        ("select setseed(0.5)", random, &by_seed),
        ("set seed = 0.5", random, &by_seed),
        ("select set_config('seed', '0.5', false)", random, &by_seed),
        (
            "select set_config('seed', '0.5', true), 1",
            random,
            &by_seed,
        ),
        (
            "select 1 where set_config('SEED', '0.5', true) <> ''",
            random,
            &by_seed,
        ),
        ("begin; set local seed = 0.5; commit", random, &by_seed),
        ("do $$ begin perform setseed(0.5); end $$", random, &by_seed),
        ("do $$ begin set seed = 0.5; end $$", random, &by_seed),
        (
            "do $$ begin execute 'set seed = 0.5'; end $$",
            random,
            &by_seed,
        ),
        (slot, slots, &["1".to_owned()]),
        (backup, backup, &["55000".to_owned()]),
    ];
    for (deed, look, left) in deeds {
        for leaves in [true, false] {
            let mut first = world.connect();
            first.simple(deed).unwrap();
            if leaves {
                drop(first);
            } else {
                first.simple("discard all").unwrap();
            }
            let mut second = world.connect();
            let mut is_left = || seen(&second.simple(look).unwrap()) == left;
            match look == random {
                true => assert!(!is_left(), "{deed}, leaves: {leaves}"),
                // PostgreSQL ends a session a moment after its client is gone.
                false => await_that(deed, || !is_left()),
            }
            second.simple("select * from pg_backup_stop()").unwrap();
        }
    }
}

/// A client that leaves in the middle of something, without a goodbye.
#[test]
fn a_client_may_leave_in_any_state() {
    let world = start(&[]);
    let clean = look(&mut world.connect());
    let states: &[(&str, &[u8])] = &[
        ("a running query", b"Q\0\0\0\x25insert into t select 77; select 1\0"),
        ("COPY in", b"Q\0\0\0\x16copy t from stdin\0d\0\0\0\x0777\n"),
        ("half a message", b"Q\0\0\x10\0begin; insert into t values (77)"),
        ("a pipeline without Sync", b"P\0\0\0\x22\0insert into t values (77)\0\0\0B\0\0\0\x0c\0\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0"),
        ("a header", b"Q\0\0"),
        (
            "an answered query, and a half of data behind it",
            b"Q\0\0\0\x0dselect 1\0d\0\x01\x86\xa0abc",
        ),
    ];
    for (state, bytes) in states {
        for begin in [false, true] {
            let mut first = world.connect();
            if begin {
                first.simple("begin; set work_mem = '77kB'").unwrap();
            }
            first.write(bytes).unwrap();
            if state.starts_with("an answered") {
                first.until_ready().unwrap();
            }
            drop(first);
            let found = look(&mut world.connect());
            if *state != "a running query" {
                assert_eq!(found, clean, "{state}, in a transaction: {begin}");
            }
            world.server.execute("shop", "delete from t").unwrap();
        }
    }
}

/// What somebody makes on the server, behind the proxy's back, is noticed when the catalog is read the next time; connections
/// from before are not used again.
#[test]
fn what_is_made_behind_the_proxys_back_is_noticed() {
    let world = start(&["create table late (a int); create table other (a int)"]);
    let mut one = world.connect();
    one.simple("insert into late values (1)").unwrap();
    world
        .server
        .execute(
            "shop",
            "create function changes() returns trigger language plpgsql as $$ begin set work_mem = '77kB'; return new; end $$;
             create trigger t before insert on late for each row execute function changes()",
        )
        .unwrap();
    one.simple("insert into late values (1)").unwrap();
    // A definition through the proxy of what may leave anything has it read anew.
    one.simple("create function other() returns void language plpgsql as $$ begin execute 'select 1'; end $$")
        .unwrap();
    let found = seen(&one.simple("show work_mem").unwrap());
    assert_eq!(found, ["4MB"]);
    one.simple("insert into late values (1)").unwrap();
    drop(one);
    assert_eq!(
        seen(&world.connect().simple("show work_mem").unwrap()),
        ["4MB"]
    );
}
