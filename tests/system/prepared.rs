//! `PREPARE`, `EXECUTE` and `DEALLOCATE` in SQL: over shards as on one server, and one space of names with the protocol's
//! prepared statements.

use bytes::BytesMut;
use router_proxy::settings::PoolSettings;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::{Twins, shown};

#[test]
fn what_sql_prepares_runs_as_it_would_with_parameters() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "prepare one (bigint) as select * from accounts where id = $1",
        "execute one(7)",
        "execute one('8')",
        "execute one(null)",
        "execute one(3 + 4)",
        "execute one(7.4)",
        "execute one(length('12345'))",
        "prepare undeclared as select note from accounts where id = $1 and balance > $2",
        "execute undeclared(7, 1)",
        "prepare scatter as select id from accounts where balance >= $1",
        "execute scatter(50)",
        "prepare sorted as select id, balance from accounts where id > $1 order by balance desc limit $2",
        "execute sorted(2, 3)",
        "prepare merged (int) as select count(*), sum(balance), avg(balance) from accounts where balance > $1",
        "execute merged(30)",
        "prepare gathered as select a.id, b.id from accounts a join accounts b on b.balance = a.balance + $1",
        "execute gathered(10)",
        "prepare constant as select 1 as one, $1::text as two",
        "execute constant('x')",
        "execute constant(42)",
        "prepare several as insert into accounts (id, balance) values ($1, 0), ($2, 0), ($3, 0) returning id",
        "execute several(21, 22, 23)",
        "prepare moving as update accounts set balance = balance + $1 where balance > $2",
        "execute moving(1, 90)",
        "prepare gone as delete from accounts where id = any($1)",
        "execute gone('{21,22}')",
        "execute gone(array[23, 24])",
        "prepare copied as insert into copies values ($1, $2)",
        "execute copied(3, 'three')",
        "select * from accounts order by id",
        "select * from copies order by id",
        "prepare floating (float8, timestamptz) as select $1, $2 from accounts where id = 1",
        "set extra_float_digits = 0",
        "execute floating(1.0 / 3, timestamptz '2020-01-01 00:00:00.123456+00')",
        "execute floating('0.1', 'epoch')",
        "deallocate one",
        "execute one(1)",
        "deallocate prepare scatter",
        "deallocate all",
        "execute sorted(2, 3)",
    ] {
        pair.both(sql);
    }
}

#[test]
fn errors_are_those_of_the_server() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "execute nothing",
        "execute nothing(1)",
        "deallocate nothing",
        "prepare q (bigint) as select id from accounts where id = $1",
        "prepare q (bigint) as select id from accounts where id = $1",
        "execute q",
        "execute q(1, 2)",
        "execute q('x')",
        "execute q(true)",
        "execute q(nowhere)",
        "execute q(1 / 0)",
        "execute q(99999999999999999999)",
        "prepare wrong (nosuchtype) as select 1",
        "prepare wrong as select nosuchcolumn from accounts",
        "prepare wrong as select * from nosuchtable",
        "prepare wrong as select $1",
        "execute wrong('x')",
        "begin",
        "execute q('x')",
        "execute q(1)",
        "rollback",
        "begin",
        "prepare inside as select id from accounts where id = $1",
        "execute inside(3)",
        "update accounts set balance = 0 where id = 3",
        "execute q(3)",
        "rollback",
        "execute inside(3)",
        "discard all",
        "execute inside(3)",
        "prepare q as select 1; execute q; deallocate q; execute q",
        "prepare q as select id from accounts; begin; execute q; commit",
        "execute q",
    ] {
        pair.both(sql);
    }
}

#[test]
fn a_write_of_several_shards_is_one() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both("prepare add as insert into accounts (id, twin) values ($1, $2), ($3, $2)");
    // The constraint is looked at when the transaction commits; on the shards it is each shard's own.
    pair.ask("execute add(100, 1, 103)");
    assert_eq!(
        pair.ask("select id from accounts where id in (100, 103)")
            .len(),
        3
    );
    pair.both("prepare zero as update accounts set balance = 1 / (id - $1)");
    let failed = pair.both("execute zero(5)");
    assert!(failed[0].starts_with("ERROR 22012"), "{failed:?}");
    let balances = "select id, balance from accounts where id <= 12 order by id";
    pair.both(balances);
    pair.both("begin");
    pair.both("prepare more as update accounts set balance = balance + $1 where id <= 12");
    pair.both("execute more(5)");
    pair.both(balances);
    pair.both("commit");
    pair.both(balances);
}

#[test]
fn the_extended_protocol_carries_them_too() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "prepare q (bigint) as select id, note from accounts where id = $1",
        "execute q(4)",
        "execute q(2 + 2)",
        "execute nothing",
        "execute q('x')",
        "prepare all_of_them as select id from accounts where balance > $1",
        "execute all_of_them(50)",
        "prepare w as update accounts set balance = balance + $1",
        "execute w(1)",
        "deallocate w",
        "execute w(1)",
        "select id, balance from accounts order by id",
    ] {
        pair.both_extended(sql, &[]);
    }
}

/// `Parse` of a named statement, then `Sync`.
fn parse(client: &mut RawClient, name: &str, sql: &str) -> Vec<String> {
    let mut packet = BytesMut::new();
    let body = [name.as_bytes(), b"\0", sql.as_bytes(), b"\0\0\0"].concat();
    frame(&mut packet, b'P', &body);
    frame(&mut packet, b'S', b"");
    client.write(&packet).unwrap();
    shown(&client.until_ready().unwrap())
}

/// `Describe`, `Bind` with one parameter in text, `Execute`, `Sync` of a named statement.
fn run(client: &mut RawClient, name: &str, value: &str) -> Vec<String> {
    let mut packet = BytesMut::new();
    frame(&mut packet, b'D', &[b"S", name.as_bytes(), b"\0"].concat());
    let mut bind = [b"\0", name.as_bytes(), b"\0\0\0\0\x01"].concat();
    bind.extend((value.len() as u32).to_be_bytes());
    bind.extend(value.as_bytes());
    bind.extend([0, 0]);
    frame(&mut packet, b'B', &bind);
    frame(&mut packet, b'E', b"\0\0\0\0\0");
    frame(&mut packet, b'S', b"");
    client.write(&packet).unwrap();
    shown(&client.until_ready().unwrap())
}

#[test]
fn a_table_of_what_is_executed_is_refused() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both("prepare q as select id from accounts");
    for sql in [
        "create table made as execute q",
        "select * from pg_prepared_statements",
    ] {
        let said = pair.ask(sql);
        assert!(said[0].contains("ERROR SH"), "{sql}: {said:?}");
    }
    assert!(pair.ask("prepare shunt_0 as select 1")[0].contains("42939"));
    pair.both("execute q");
}

#[test]
fn sql_and_protocol_share_their_names() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let both = |f: &dyn Fn(&mut RawClient) -> Vec<String>, pair: &mut shunt_tests::twin::Pair| {
        let shards = f(&mut pair.shards);
        assert_eq!(shards, f(&mut pair.whole));
        shards
    };
    both(
        &|c| parse(c, "p", "select note from accounts where id = $1"),
        &mut pair,
    );
    assert_eq!(pair.both("execute p(4)").len(), 4);
    pair.both("execute p(2 + 2)");
    pair.both("prepare p as select 1");
    pair.both("prepare s (int) as select id from accounts where balance > $1");
    let found = both(&|c| run(c, "s", "50"), &mut pair);
    assert!(found.iter().any(|line| line == "row 12"), "{found:?}");
    both(&|c| parse(c, "s", "select 1"), &mut pair);
    pair.both("deallocate p");
    pair.both("execute p(1)");
    both(&|c| run(c, "p", "1"), &mut pair);
}

#[test]
fn an_unsharded_database_has_one_space_of_names_too() {
    let twins = Twins::start();
    let proxy = TestProxy::start(unsharded(&twins.server, "whole", Default::default()));
    let user = twins.server.user();
    let direct = ([127, 0, 0, 1], twins.server.port()).into();
    let mut proxied = RawClient::trust(proxy.address, user, "whole").unwrap();
    let mut direct = RawClient::trust(direct, user, "whole").unwrap();
    let mut both = |what: &str, f: &dyn Fn(&mut RawClient) -> Vec<String>| {
        let seen = f(&mut proxied);
        assert_eq!(seen, f(&mut direct), "{what}");
        seen
    };
    let simple = |sql: &'static str| (sql, move |c: &mut RawClient| shown(&c.simple(sql).unwrap()));
    let extended = |sql: &'static str| {
        (sql, move |c: &mut RawClient| {
            shown(&c.extended(sql, &[], false).unwrap())
        })
    };
    let select = "select note from accounts where id = $1";
    both("parse p", &|c| parse(c, "p", select));
    both("parse p2, the same", &|c| parse(c, "p2", select));
    for sql in [
        "execute p(4)",
        "execute p(2 + 2)",
        "execute p(1, 2)",
        "execute p2(1, 2)",
        "execute p('x')",
        "explain (costs off) execute p(4)",
        "execute p(1); execute p(2)",
        "create temp table made as execute p(4)",
        "select * from made",
        "create table if not exists pg_temp.made (a) as execute p(3) with no data",
        "explain (costs off) create table made_too as execute p(3)",
        "create temp table made_now as execute shunt_0123456789abcdef",
        "discard temp",
        "begin",
        "execute p(5)",
        "execute p(5, 5)",
        "execute p(5)",
        "rollback",
        "prepare s (int) as select id from accounts where id > $1 and id < 6",
        "execute s(2)",
    ] {
        let (what, f) = simple(sql);
        both(what, &f);
        let (what, f) = extended(sql);
        // What is out of reach is said of the Bind already.
        if !sql.contains(';') && !sql.starts_with("prepare") && !sql.contains("shunt_") {
            both(what, &f);
        }
    }
    let found = both("bind to s", &|c| run(c, "s", "3"));
    assert!(found.contains(&"row 4".to_owned()), "{found:?}");
    both("bind to none", &|c| run(c, "nothing", "3"));
    // What is executed is planned by the settings of that time.
    both("parse p3", &|c| parse(c, "p3", "select 1"));
    for sql in [
        "set timezone = 'Asia/Tokyo'",
        "execute p(4)",
        "explain (costs off) execute p3",
        "select 1; execute p(4)",
        "begin; set local timezone = 'CET'; execute p(4); commit",
        "reset timezone",
    ] {
        let (what, f) = simple(sql);
        both(what, &f);
    }
    // Whoever comes second is told that the name is taken.
    let found = both("parse s", &|c| parse(c, "s", select));
    assert!(found[0].contains("42P05"), "{found:?}");
    let (what, f) = simple("prepare p as select 1");
    let found = both(what, &f);
    assert!(found[0].contains("42P05"), "{found:?}");
    both("parse beside s", &|c| parse(c, "beside", select));
    both("bind beside s", &|c| run(c, "beside", "3"));
    both("parse beside s again", &|c| parse(c, "beside", select));
    for sql in [
        "execute beside(3)",
        "deallocate beside",
        "execute beside(3)",
    ] {
        let (what, f) = simple(sql);
        both(what, &f);
    }
    for sql in [
        "deallocate p",
        "execute p(1)",
        "deallocate s",
        "execute s(1)",
    ] {
        let (what, f) = simple(sql);
        both(what, &f);
    }
    both("bind to s", &|c| run(c, "s", "3"));
    // A statement whose table is gone fails when it is executed, and the connection goes on.
    both("make", &|c| {
        shown(
            &c.simple("create table if not exists gone (id int)")
                .unwrap()[1..],
        )
    });
    both("parse g", &|c| parse(c, "g", "select * from gone"));
    both("execute g", &|c| shown(&c.simple("execute g").unwrap()));
}

/// What is wrong with a `Bind` is said in the place of what says that it is complete, also where nothing is sent to a server yet.
#[test]
fn a_malformed_bind_is_not_completed() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let gathered = "select count(*) from accounts a join accounts b on b.balance = a.balance + $1";
    let value = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    let eight = 10i64.to_be_bytes();
    // Formats, parameters.
    let binds: &[(&[u16], Vec<Vec<u8>>)] = &[
        (&[1], vec![value(&eight)]),
        (&[0, 0], vec![value(b"10")]),
        (&[1, 1, 1], vec![value(&eight)]),
        (&[1], vec![value(&eight[4..])]),
        (&[1], vec![value(b"")]),
        (&[1], vec![value(&[0; 9])]),
        (&[1], vec![value(&eight), value(&eight)]),
    ];
    for (formats, values) in binds {
        let mut bind = b"\0\0".to_vec();
        for formats in [&[formats.len() as u16], *formats] {
            bind.extend(formats.iter().flat_map(|format| format.to_be_bytes()));
        }
        bind.extend((values.len() as u16).to_be_bytes());
        bind.extend(values.concat());
        bind.extend([0, 0]);
        let parse = [b"\0", gathered.as_bytes(), b"\0\0\x01\0\0\0\x14"].concat();
        let answers = [&mut pair.shards, &mut pair.whole].map(|client| {
            client.send(b'P', &parse).unwrap();
            client.send(b'B', &bind).unwrap();
            client.send(b'E', &[0, 0, 0, 0, 0]).unwrap();
            client.send(b'S', b"").unwrap();
            let messages = client.until_ready().unwrap();
            let tags: Vec<_> = messages
                .iter()
                .map(|message| char::from(message.tag))
                .collect();
            (tags, shown(&messages))
        });
        assert_eq!(answers[0], answers[1], "{formats:?} {values:?}");
    }
}

/// PostgreSQL reads the constants of a statement when it is prepared. Over shards that cannot be had once a setting has changed
/// by which they are read: then the statement is refused, if it has such constants.
#[test]
fn constants_are_read_by_the_settings_of_their_time_or_not_at_all() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let day = "select '01/02/2024'::date - date '2024-01-01', count(*) from accounts";
    let note = "select count(*) from accounts where note = 'a'";
    let cases: &[(&str, &str, bool)] = &[
        ("set datestyle = 'DMY'", day, true),
        ("set local datestyle = 'DMY'", day, true),
        (
            "set timezone = 'Asia/Tokyo'",
            "select extract(epoch from '2024-01-01 00:00'::timestamptz), count(*) from accounts",
            true,
        ),
        (
            "set array_nulls = off",
            "select count(*) from accounts where note = any('{NULL}')",
            true,
        ),
        (
            "set standard_conforming_strings = off",
            r"select count(*) from accounts where note = 'a\142'",
            true,
        ),
        ("set datestyle = 'DMY'", note, false),
        ("set work_mem = '1MB'", day, false),
    ];
    for (setting, statement, refused) in cases {
        for client in [&mut pair.whole, &mut pair.shards] {
            client.simple("discard all").unwrap();
        }
        for sharded in [false, true] {
            let client = if sharded {
                &mut pair.shards
            } else {
                &mut pair.whole
            };
            client.simple(&format!("prepare p as {statement}")).unwrap();
            parse(client, "q", statement);
        }
        let mut said = Vec::new();
        for client in [&mut pair.whole, &mut pair.shards] {
            client.simple("begin").unwrap();
            client.simple(setting).unwrap();
            client.simple("savepoint a").unwrap();
            let mut all = vec![shown(&client.simple("execute p").unwrap())];
            client.simple("rollback to a").unwrap();
            client.send(b'B', b"\0q\0\0\0\0\0\0\0").unwrap();
            client.send(b'E', &[0; 5]).unwrap();
            client.send(b'S', b"").unwrap();
            all.push(shown(&client.until_ready().unwrap()));
            client.simple("rollback").unwrap();
            // As it was.
            all.push(shown(&client.simple("execute p").unwrap()));
            said.push(all);
        }
        let [whole, shards] = &said[..] else {
            unreachable!("two clients");
        };
        let what = format!("{setting}: {statement}");
        for (at, (whole, shards)) in whole.iter().zip(shards).enumerate() {
            if *refused && at < 2 {
                assert!(
                    shards.iter().any(|line| line.contains("SH018")),
                    "{what}: {shards:?}"
                );
            } else {
                assert_eq!(shards, whole, "{what}");
            }
        }
    }
}

/// PostgreSQL reads the whole message before it carries out any of it.
#[test]
fn the_statements_of_a_message_are_read_together_or_not_at_all() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both("set escape_string_warning = off");
    let count = "select count(*) from accounts where note <> 'a\\142'";
    for sets in [
        "set standard_conforming_strings = off",
        "select set_config('standard_conforming_strings', 'off', false)",
        "reset standard_conforming_strings",
        "set local backslash_quote = off",
        "select 1; reset all",
    ] {
        pair.ask("set escape_string_warning = off");
        let said = pair.ask(&format!("{sets}; {count}"));
        assert!(
            said.iter().any(|line| line.contains("ERROR SH018")),
            "{sets}: {said:?}"
        );
    }
    pair.both("set standard_conforming_strings = off; select count(*) from accounts");
    pair.both(count);
    pair.both(&format!("{count}; reset standard_conforming_strings"));
    pair.both(count);
    pair.both("begin; set standard_conforming_strings = off");
    let said = pair.ask(&format!("rollback; {count}"));
    assert!(said[0].contains("ERROR SH018"), "{said:?}");
    pair.both("rollback");
    pair.both(count);
}

/// A client goes by what it was told when it had a statement described: by the types of its parameters and the columns of its
/// rows, whatever has become of the table, and on whatever connection it comes to.
#[test]
fn a_statement_stays_what_its_client_was_told() {
    let twins = Twins::start();
    let user = twins.server.user();
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&twins.server, "whole", pool));
    let direct = ([127, 0, 0, 1], twins.server.port()).into();
    let send = |client: &mut RawClient, messages: &[(u8, &[u8])]| {
        let mut packet = BytesMut::new();
        for (tag, body) in messages {
            frame(&mut packet, *tag, body);
        }
        frame(&mut packet, b'S', b"");
        client.write(&packet).unwrap();
        shown(&client.until_ready().unwrap())
    };
    let run: &[(u8, &[u8])] = &[(b'B', b"\0r\0\0\0\0\0\0\0"), (b'E', &[0; 5])];
    let write = |number: u8| {
        let body = b"\0w\0\0\x01\0\x01\0\x01\0\0\0\x08\0\0\0\0\0\0\0";
        [&body[..], &[number, 0, 0]].concat()
    };
    for lost in [false, true] {
        let [whole, proxied] = [direct, proxy.address].map(|address| {
            let mut client = RawClient::trust(address, user, "whole").unwrap();
            client
                .simple("create table told (id int, price numeric, note text, v bigint)")
                .unwrap();
            client
                .simple("insert into told values (1, 2, 'three', null)")
                .unwrap();
            let (rows, inserts) = ("select * from told", "insert into told (v) values ($1)");
            parse(&mut client, "r", rows);
            parse(&mut client, "w", inserts);
            let mut told = send(&mut client, &[(b'D', b"Sr\0")]);
            told.extend(send(&mut client, &[(b'D', b"Sw\0")]));
            told.extend(send(&mut client, run));
            told.extend(send(&mut client, &[(b'B', &write(7)), (b'E', &[0; 5])]));
            for alters in [
                "alter table told drop column price",
                "alter table told add column owner text default 'bob'",
                "alter table told alter column v type double precision",
            ] {
                twins.server.execute("whole", alters).unwrap();
            }
            if address != direct {
                let mut other = RawClient::trust(address, user, "whole").unwrap();
                parse(&mut other, "r", rows);
                parse(&mut other, "w", inserts);
                // The server has to say first that the old one is stale.
                send(&mut other, run);
                let said = send(&mut other, run);
                assert!(
                    said.contains(&"row 1|three|NULL|bob".to_owned()),
                    "{said:?}"
                );
                if lost {
                    let said = other.simple("select pg_backend_pid()").unwrap();
                    let process = said[1].columns().remove(0).expect("a number");
                    let process = String::from_utf8(process).unwrap();
                    let ends = format!("select pg_terminate_backend({process}, 10000)");
                    twins.server.execute("whole", &ends).unwrap();
                }
            }
            for number in [8, 9] {
                told.extend(send(&mut client, run));
                told.extend(send(
                    &mut client,
                    &[(b'B', &write(number)), (b'E', &[0; 5])],
                ));
            }
            told.extend(shown(&client.simple("execute r").unwrap()));
            parse(&mut client, "r2", rows);
            told.extend(send(
                &mut client,
                &[(b'B', b"\0r2\0\0\0\0\0\0\0"), (b'E', &[0; 5])],
            ));
            told.extend(shown(&client.simple("drop table told").unwrap()));
            told
        });
        assert_eq!(proxied, whole, "lost: {lost}");
        let last = "row NULL|NULL|9|bob".to_owned();
        assert!(whole.contains(&last), "{whole:?}");
    }
}
