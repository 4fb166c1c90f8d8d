//! Two clients beside each other on one connection: neither sees the other, and ordinary tables keep no connection.

use std::time::{Duration, Instant};

use local_postgres::Server;
use router_proxy::settings::PoolSettings;
use shunt_tests::proxy::{TestProxy, unsharded};

use super::behind::{BEHIND, MADE_BEHIND};
use super::deeds::{DEEDS, LOOKS};
use super::{connect, extended, look, seen, server};

/// While the first client is still there: what does not pin must not be seen either.
#[test]
fn nothing_is_seen_while_both_are_there() {
    both_see_nothing(&server(), DEEDS);
}

#[test]
fn nothing_that_happens_behind_a_statement_is_seen_while_both_are_there() {
    let server = server();
    server.execute("shop", MADE_BEHIND).unwrap();
    // These let every statement keep its connection.
    server
        .execute(
            "shop",
            "drop operator ==== (int, int); drop cast (text as by_cast); drop domain by_domain",
        )
        .unwrap();
    let deeds: Vec<_> = BEHIND
        .iter()
        .filter(|(deed, _)| {
            !["operator", "cast", "domain"]
                .iter()
                .any(|word| deed.contains(word))
        })
        .copied()
        .collect();
    both_see_nothing(&server, &deeds);
}

fn both_see_nothing(server: &Server, deeds: &[(&str, &[&str])]) {
    let pool = PoolSettings {
        max_size: 1,
        acquire_timeout: Duration::from_millis(300),
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(server, "shop", pool));
    let clean = look(&proxy, server);
    let mut second = connect(&proxy, server);
    let mut leaks = Vec::new();
    for (deed, statements) in deeds {
        let mut first = connect(&proxy, server);
        for sql in *statements {
            if let Err(error) = first.simple(sql) {
                panic!("{deed}: {sql}: {error:?}");
            }
        }
        for (sql, clean) in LOOKS.iter().zip(&clean) {
            let found = seen(&second.simple(sql).unwrap());
            // 53300: the first client holds the connection, as it must.
            if found != *clean && found != ["53300"] {
                leaks.push(format!("{deed}: {sql}: {found:?}"));
            }
            if found == ["53300"] {
                break;
            }
        }
        drop(first);
        let until = Instant::now() + Duration::from_secs(5);
        while seen(&second.simple("select 1").unwrap()) != ["1"] {
            assert!(
                Instant::now() < until,
                "{deed}: the connection never came back"
            );
        }
    }
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// Ordinary tables and functions cost nothing: their clients share one connection.
#[test]
fn ordinary_tables_keep_no_connection() {
    let server = server();
    server
        .execute(
            "shop",
            "create function stamps() returns trigger language plpgsql as $$ begin new.at := now(); update log set n = n + 1; return new; end $$;
             create function twice(int) returns int language sql as $$ select 2 * $1 $$;
             create table log (n int);
             create table stamped (id bigserial primary key, a int default twice(2) check (a > 0), at timestamptz);
             create index on stamped (abs(a)) where a > 3;
             create trigger stamps before insert or update on stamped for each row execute function stamps();
             create view stamps_today as select *, twice(a) from stamped where at > current_date;",
        )
        .unwrap();
    let pool = PoolSettings {
        max_size: 1,
        acquire_timeout: Duration::from_millis(300),
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let (mut one, mut two) = (connect(&proxy, &server), connect(&proxy, &server));
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
