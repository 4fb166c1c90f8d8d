//! Two clients beside each other on one connection: neither sees the other, and ordinary tables keep no connection.

use shunt_tests::one_server::OneServer;
use shunt_tests::raw::seen;

use super::behind::{BEHIND, MADE_BEHIND};
use super::deeds::{DEEDS, LOOKS};
use super::{WITHOUT_TYPES, extended, look, start};

/// While the first client is still there: what does not pin must not be seen either.
#[test]
fn nothing_is_seen_while_both_are_there() {
    both_see_nothing(&start(&[]), DEEDS);
}

#[test]
fn nothing_that_happens_behind_a_statement_is_seen_while_both_are_there() {
    let world = start(&[MADE_BEHIND, WITHOUT_TYPES]);
    let deeds: Vec<_> = BEHIND
        .iter()
        .filter(|(deed, _)| {
            !["operator", "cast", "domain"]
                .iter()
                .any(|word| deed.contains(word))
        })
        .copied()
        .collect();
    both_see_nothing(&world, &deeds);
}

fn both_see_nothing(world: &OneServer, deeds: &[(&str, &[&str])]) {
    let clean = look(&mut world.connect());
    let mut leaks = Vec::new();
    for (deed, statements) in deeds {
        // Another one each time: whoever asks for the values of sequences keeps the connection.
        let (mut first, mut second) = (world.connect(), world.connect());
        for sql in *statements {
            let done = first.simple(sql);
            let done = done.unwrap_or_else(|error| panic!("{deed}: {sql}: {error:?}"));
            assert_ne!(seen(&done), ["53300"], "{deed}: {sql}");
        }
        for (sql, clean) in LOOKS.iter().zip(&clean) {
            // The first client may keep the connection, as it must where it leaves something.
            let Some(found) = world.unless_kept(&mut second, sql) else {
                break;
            };
            let found = seen(&found);
            if found != *clean {
                leaks.push(format!("{deed}: {sql}: {found:?}"));
            }
        }
        drop(first);
        assert_eq!(seen(&second.simple("select 1").unwrap()), ["1"], "{deed}");
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// Ordinary tables and functions cost nothing: their clients share one connection.
#[test]
fn ordinary_tables_keep_no_connection() {
    let world = start(&["create function stamps() returns trigger language plpgsql as $$ begin new.at := now(); update log set n = n + 1; return new; end $$;
             create function twice(int) returns int language sql as $$ select 2 * $1 $$;
             create table log (n int);
             create table stamped (id bigserial primary key, a int default twice(2) check (a > 0), at timestamptz);
             create index on stamped (abs(a)) where a > 3;
             create trigger stamps before insert or update on stamped for each row execute function stamps();
             create view stamps_today as select *, twice(a) from stamped where at > current_date;"]);
    let (mut one, mut two) = (world.connect(), world.connect());
    for sql in [
        "insert into stamped (a) values (1)",
        "update stamped set a = twice(a)",
        "select * from stamps_today",
        "select twice(1), pg_relation_size('stamped')",
        "select set_config('app.tenant', '7', true)",
        "select set_config('app.tenant', '7', false)",
        "create table made (a int, id serial)",
        "insert into made values (1)",
        "drop table made",
        "delete from stamped",
    ] {
        for by_extended in [false, true] {
            if by_extended && (sql.starts_with("create") || sql.starts_with("drop")) {
                continue;
            }
            match by_extended {
                true => extended(&mut one, sql),
                false => one.simple(sql).unwrap(),
            };
            assert_eq!(seen(&two.simple("select 1").unwrap()), ["1"], "{sql}");
        }
    }
    // What a query sets alone follows its client.
    let tenant = "select coalesce(current_setting('app.tenant', true), '')";
    assert_eq!(seen(&one.simple(tenant).unwrap()), ["7"]);
    assert_eq!(seen(&two.simple(tenant).unwrap()), [""]);
}
