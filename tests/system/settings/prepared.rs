//! What clients prepare is read by their own settings, whoever had the connection before.

use bytes::BytesMut;
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::shown;

use super::{SHOW, again, bind, by_name, execute, pipeline, prepare, says, send, start};

#[test]
fn what_is_prepared_is_read_by_its_clients_settings() {
    let bed = start();
    let cases = [
        (
            "set timezone = 'Asia/Tokyo'",
            "select extract(epoch from timestamptz '2024-01-01 00:00')",
        ),
        (
            "set datestyle = 'DMY'",
            "select to_char(date '01/02/2024', 'YYYY-MM-DD')",
        ),
        ("set standard_conforming_strings = off", "select 'a\\nb'"),
        (
            "set client_encoding = 'latin1'",
            "select encode(convert_to('é', 'utf8'), 'hex')",
        ),
        ("set transform_null_equals = on", "select null = null"),
        (
            "set array_nulls = off",
            "select ('{NULL}'::text[])[1] is null",
        ),
        ("set xmloption = document", "select xml 'abc'"),
        (
            "set intervalstyle = 'sql_standard'",
            "select extract(epoch from interval '-1 1:00')",
        ),
        ("set search_path = hidden", "select * from plain"),
        ("set bytea_output = escape", "select 'abc'::bytea::text"),
        (
            "set extra_float_digits = -5",
            "select 0.1234567890123456::float8::text",
        ),
        (
            "select set_config('search_path', 'hidden', false)",
            "select * from plain ",
        ),
    ];
    for (setting, sql) in cases {
        for first_sets in [false, true] {
            bed.same(setting, &|connect| {
                let (mut a, mut b) = (connect(), connect());
                let with = if first_sets { &mut a } else { &mut b };
                let mut told = shown(&with.simple(setting).unwrap());
                told.extend(by_name(&mut a, "s", sql));
                told.extend(by_name(&mut b, "s", sql));
                told.extend(again(&mut a, "s"));
                told.extend(by_name(&mut a, "t", sql));
                told
            });
        }
    }
}

/// Constants are read when a statement is prepared, also where it has to be prepared once more on another connection.
#[test]
fn what_is_prepared_is_read_as_it_was_on_every_connection() {
    let bed = start();
    let cases = [
        (
            "set timezone = 'Asia/Tokyo'",
            "select extract(epoch from timestamptz '2024-01-01 00:00')",
        ),
        (
            "set datestyle = 'DMY'",
            "select to_char(date '01/02/2024', 'YYYY-MM-DD')",
        ),
        (
            "set standard_conforming_strings = off",
            "select 'a\\142', $$b$$",
        ),
        (
            "set array_nulls = off",
            "select ('{NULL}'::text[])[1] is null",
        ),
        (
            "set intervalstyle = 'sql_standard'",
            "select extract(epoch from interval '-1 1:00')",
        ),
        ("set timezone = 'UTC'", "select date '01/02/2024', 1/0"),
    ];
    type Way = fn(&mut RawClient) -> Vec<String>;
    let simple = |client: &mut RawClient, all: &[&str]| -> Vec<String> {
        let said = all.iter().map(|sql| shown(&client.simple(sql).unwrap()));
        said.flatten().collect()
    };
    let ways: [(&str, Way); 5] = [
        ("by itself", |client| again(client, "s")),
        ("described", |client| {
            let mut packet = BytesMut::new();
            frame(&mut packet, b'D', b"Ss\0");
            execute(&mut packet, "s");
            send(client, packet)
        }),
        ("by SQL", |client| {
            shown(&client.simple("execute s").unwrap())
        }),
        ("by SQL in the protocol", |client| {
            pipeline(client, &["execute s"])
        }),
        ("in a transaction", |client| {
            let mut told = shown(&client.simple("begin").unwrap());
            told.extend(shown(
                &client.simple("set local datestyle = 'SQL, DMY'").unwrap(),
            ));
            told.extend(again(client, "s"));
            told.extend(shown(&client.simple("show datestyle").unwrap()));
            told.extend(shown(&client.simple("commit").unwrap()));
            told
        }),
    ];
    for (setting, sql) in cases {
        for (what, way) in ways {
            let [direct, proxied] = [false, true].map(|proxied| {
                let mut client = match proxied {
                    true => bed.connect(),
                    false => bed.direct(),
                };
                let mut told = by_name(&mut client, "s", sql);
                told.extend(simple(&mut client, &[setting]));
                if proxied {
                    let said = client.simple("select pg_backend_pid()").unwrap();
                    let process = said[1].columns().remove(0).expect("a number");
                    let process = String::from_utf8(process).unwrap();
                    let ends = format!("select pg_terminate_backend({process}, 10000)");
                    bed.server.execute("shop", &ends).unwrap();
                }
                told.extend(way(&mut client));
                told.extend(simple(
                    &mut client,
                    &["show timezone", "show datestyle", "select 'a\\142'"],
                ));
                told.extend(again(&mut client, "s"));
                told
            });
            assert_eq!(proxied, direct, "{setting}: {sql}: {what}");
        }
    }
}

/// What is prepared again by other settings is read again, also where only the server knows which those are.
#[test]
fn what_is_prepared_twice_is_read_twice() {
    let bed = start();
    let sql = "select * from plain";
    let hidden = "set local search_path = hidden";
    for script in [
        &["begin", hidden, "u", "rollback", "v"][..],
        &["begin", hidden, "u", "commit", "v"],
        &["begin", hidden, "u", "set local search_path = public", "v"],
        &[
            "begin",
            "savepoint a",
            hidden,
            "u",
            "rollback to a",
            "v",
            "commit",
        ],
        &[hidden, "u", "reset search_path", "v"],
    ] {
        bed.same(&format!("{script:?}"), &|connect| {
            let mut client = connect();
            let mut packet = BytesMut::new();
            for step in script {
                match step.len() {
                    1 => {
                        prepare(&mut packet, step, sql);
                        execute(&mut packet, step);
                    }
                    _ => {
                        prepare(&mut packet, "", step);
                        execute(&mut packet, "");
                    }
                }
            }
            send(&mut client, packet)
        });
    }
    // A moment is that of the preparation.
    let mut client = bed.connect();
    let now = "select timestamptz 'now'";
    let first = by_name(&mut client, "s", now);
    let second = by_name(&mut client, "t", now);
    assert_ne!(first, second);
    assert!(first.ends_with(&again(&mut client, "s")));
}

#[test]
fn what_others_have_prepared_is_out_of_reach() {
    let bed = start();
    let mut a = bed.connect();
    by_name(&mut a, "s", "select 'mine'");
    let mut b = bed.connect();
    let find = "select name from pg_prepared_statements where statement like 'select %mine%' and name like 'shunt%'";
    let told = shown(&b.simple(find).unwrap());
    let name = told
        .iter()
        .find_map(|line| line.strip_prefix("row "))
        .expect("a name");
    for (sql, state) in [
        (format!("deallocate {name}"), "26000"),
        (format!("deallocate prepare \"{name}\""), "26000"),
        (format!("execute {name}"), "26000"),
        (format!("explain execute {name}"), "26000"),
        (format!("select 1; execute {name}"), "26000"),
        (format!("prepare {name} as select 1"), "42939"),
    ] {
        let told = shown(&b.simple(&sql).unwrap());
        assert!(says(&told, state), "{sql}: {told:?}");
        if !sql.contains(';') {
            let told = pipeline(&mut b, &[&sql]);
            assert!(says(&told, state), "{sql}: {told:?}");
        }
        assert!(says(&again(&mut a, "s"), "row mine"), "{sql}");
    }
    // A text that runs within the server says all names: whoever finds his own gone has it there again the next time.
    a.simple("do $$ declare n text; begin select name into n from pg_prepared_statements where name like 'shunt%' limit 1; execute 'deallocate ' || quote_ident(n); end $$").unwrap();
    let told = again(&mut a, "s");
    assert!(says(&told, "26000") || says(&told, "row mine"), "{told:?}");
    assert!(says(&again(&mut a, "s"), "row mine"));
}

/// A statement without a name may be longer than what is read. Only its server knows what it leaves.
#[test]
fn an_unnamed_statement_may_be_of_any_length() {
    let bed = start();
    let long = "x".repeat(3 << 20);
    let sql = format!("select length('{long}'), set_config('work_mem', '77kB', false)");
    bed.same("a long Parse", &|connect| {
        let mut client = connect();
        let mut told = pipeline(&mut client, &[&sql]);
        let mut packet = BytesMut::new();
        prepare(&mut packet, "", &sql);
        frame(&mut packet, b'D', b"S\0");
        told.extend(send(&mut client, packet));
        // It is there until something else is.
        told.extend(again(&mut client, ""));
        told.extend(pipeline(&mut client, &["select 1"]));
        told.extend(again(&mut client, ""));
        let mut packet = BytesMut::new();
        prepare(&mut packet, "", &format!("{sql} from"));
        bind(&mut packet, "", "");
        told.extend(send(&mut client, packet));
        told.extend(again(&mut client, ""));
        told.extend(shown(&client.simple(SHOW).unwrap()));
        told.extend(again(&mut client, ""));
        drop(client);
        told.extend(shown(&connect().simple(SHOW).unwrap()));
        told
    });
    let mut client = bed.connect();
    assert!(says(&by_name(&mut client, "s", &sql), "54000"));
}
