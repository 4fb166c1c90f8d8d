//! What a client prepares means what it means by it, under its name, whatever others prepare.

use router_proxy::wire::backend as b;
use shunt_tests::one_server::{OneServer, one_connection, server};
use shunt_tests::raw::{RawClient, seen};

use super::{bind, execute, parse, prepare, run, simple, sync};

/// Two clients prepare one text under a name; PostgreSQL reads it by the settings of each.
#[test]
fn a_statement_is_read_by_the_settings_of_whoever_prepares_it() {
    let world = OneServer::behind(server(), one_connection());
    world
        .server
        .execute(
            "shop",
            "create schema hidden; create table t (a int); insert into t values (1);
             create table hidden.t (b text, c text); insert into hidden.t values ('x', 'y');
             create function sets_zone() returns text language sql as $$ select set_config('timezone', 'Asia/Tokyo', false) $$",
        )
        .unwrap();
    let cases: &[(&str, &str, &[u8])] = &[
        (
            "set timezone = 'UTC'",
            "set timezone = 'Asia/Tokyo'",
            b"select extract(epoch from timestamptz '2024-01-01 00:00')",
        ),
        (
            "set datestyle = 'ISO, MDY'",
            "set datestyle = 'ISO, DMY'",
            b"select date '01/02/2024'",
        ),
        (
            "set client_encoding = 'UTF8'",
            "set client_encoding = 'LATIN1'",
            b"select encode(convert_to('\xc3\xa9', 'UTF8'), 'hex')",
        ),
        (
            "set standard_conforming_strings = on",
            "set standard_conforming_strings = off",
            br"select length('a\nb')",
        ),
        (
            "set transform_null_equals = off",
            "set transform_null_equals = on",
            b"select 1 where null = null",
        ),
        (
            "set array_nulls = on",
            "set array_nulls = off",
            b"select ('{null}'::text[])[1] is null",
        ),
        (
            "set intervalstyle = 'postgres'",
            "set intervalstyle = 'sql_standard'",
            b"select extract(epoch from interval '-1 02:03:04')",
        ),
        (
            "set search_path = public",
            "set search_path = hidden",
            b"select * from t",
        ),
        (
            "set work_mem = '1MB'",
            "select sets_zone()",
            b"select extract(epoch from timestamptz '2024-02-01 00:00')",
        ),
        (
            "set work_mem = '1MB'",
            "begin; set local timezone = 'Asia/Tokyo'",
            b"select extract(epoch from timestamptz '2024-03-01 00:00')",
        ),
    ];
    for (one, other, text) in cases {
        let mut expected = Vec::new();
        for setting in [one, other] {
            let mut client = world.direct();
            client.simple(setting).unwrap();
            let said = prepare(&mut client, "s", text);
            expected.push([said, run(&mut client, "s")].concat());
        }
        assert_ne!(expected[0], expected[1], "{other}");
        let (mut first, mut second) = (world.connect(), world.connect());
        simple(&mut first, one);
        let said = prepare(&mut first, "s", text);
        let found = [said, run(&mut first, "s")].concat();
        assert_eq!(found, expected[0], "{one}");
        for statement in other.split("; ") {
            simple(&mut second, statement);
        }
        let said = prepare(&mut second, "s", text);
        let found = [said, run(&mut second, "s")].concat();
        assert_eq!(found, expected[1], "{other}");
        simple(&mut second, "rollback");
        drop(second);
        let found = run(&mut first, "s");
        assert_eq!(found, expected[0], "{one}, after the other");
    }
}

/// What a statement says of the clock is of the moment at which its own client prepared it.
#[test]
fn a_moment_is_its_own_clients() {
    let world = OneServer::behind(server(), one_connection());
    let text = b"select timestamptz 'now' > $1::timestamptz";
    let run = |client: &mut RawClient, since: &str| {
        let value = [
            &[0, b's', 0, 0, 0, 0, 1, 0, 0, 0, since.len() as u8][..],
            since.as_bytes(),
            &[0, 0],
        ]
        .concat();
        client.send(b'B', &value).unwrap();
        execute(client, "");
        sync(client)
    };
    let mut first = world.connect();
    prepare(&mut first, "s", text);
    assert_eq!(run(&mut first, "2000-01-01"), ["t"]);
    let mut second = world.connect();
    let since = simple(&mut second, "select clock_timestamp()").remove(0);
    prepare(&mut second, "s", text);
    assert_eq!(run(&mut second, &since), ["t"]);
}

/// A client that changes its settings after it has prepared a statement: the statement is nobody else's then.
#[test]
fn a_statement_prepared_by_other_settings_is_nobody_elses() {
    let world = OneServer::behind(server(), one_connection());
    let text = b"select extract(epoch from timestamptz '2024-01-01 00:00')";
    let (mut first, mut second) = (world.connect(), world.connect());
    let utc = simple(&mut second, "set timezone = 'UTC'; select 1");
    assert_eq!(utc, ["1"]);
    let mut direct = world.direct();
    direct.simple("set timezone = 'UTC'").unwrap();
    prepare(&mut direct, "s", text);
    let expected = run(&mut direct, "s");
    simple(&mut first, "set timezone = 'UTC'");
    prepare(&mut first, "s", text);
    assert_eq!(run(&mut first, "s"), expected);
    simple(&mut first, "set timezone = 'Asia/Tokyo'");
    // On the connection that has it.
    assert_eq!(run(&mut first, "s"), expected);
    // The only connection is another one now.
    simple(&mut second, "select pg_terminate_backend(pg_backend_pid())");
    let mut first = first;
    run(&mut first, "s");
    let mut third = world.connect();
    simple(&mut third, "set timezone = 'UTC'");
    prepare(&mut third, "s", text);
    assert_eq!(run(&mut third, "s"), expected);
}

/// The names of statements on servers are not for clients.
#[test]
fn nobody_takes_away_what_others_have_prepared() {
    let world = OneServer::behind(server(), one_connection());
    let (mut first, mut second) = (world.connect(), world.connect());
    prepare(&mut first, "s", b"select 1");
    assert_eq!(run(&mut first, "s"), ["1"]);
    let name = simple(&mut second, "select name from pg_prepared_statements").remove(0);
    let text = format!("deallocate {name}");
    assert_eq!(simple(&mut second, &text), ["26000"]);
    assert_eq!(simple(&mut second, &format!("select 1; {text}")), ["SH018"]);
    assert_eq!(
        seen(&second.extended(&text, &[], false).unwrap()),
        ["26000"]
    );
    assert_eq!(run(&mut first, "s"), ["1"]);
    assert_eq!(simple(&mut second, "select 1"), ["1"]);
}

/// Clients that insert many rows at once prepare statements of tens of thousands of parameters, and want to know of which types
/// these are.
#[test]
fn a_description_may_be_long() {
    let world = OneServer::behind(server(), one_connection());
    let mut client = world.connect();
    let list = |n: usize, item: &dyn Fn(usize) -> String| {
        let items: Vec<String> = (1..=n).map(item).collect();
        items.join(",")
    };
    let parameters = list(60_000, &|n| format!("${n}::int"));
    let columns = list(1_600, &|n| {
        format!("1 as a_column_with_quite_a_long_name_of_number_{n}")
    });
    for text in [
        format!("select 1 where 1 in ({parameters})"),
        format!("select {columns}"),
    ] {
        parse(&mut client, "long", text.as_bytes());
        client.send(b'D', b"Slong\0").unwrap();
        client.send(b'S', b"").unwrap();
        let told = client.until_ready().unwrap();
        let tags: Vec<u8> = told.iter().map(|message| message.tag).collect();
        assert_eq!(tags, *b"1tTZ");
        client.send(b'C', b"Slong\0").unwrap();
        sync(&mut client);
    }
    assert_eq!(simple(&mut client, "select 1"), ["1"]);
}

/// Drivers that prepare anew by themselves know the error by the function of PostgreSQL that says it.
#[test]
fn other_columns_are_told_as_postgresql_tells_them() {
    let world = OneServer::behind(server(), one_connection());
    let on_server = |sql: &str| world.server.execute("shop", sql).unwrap();
    on_server("create table t (a int)");
    let mut client = world.connect();
    parse(&mut client, "s", b"select * from t");
    client.send(b'D', b"Ss\0").unwrap();
    assert_eq!(sync(&mut client), [""; 0]);
    on_server("alter table t add b int");
    // Its connection is another one now.
    on_server(
        "select pg_terminate_backend(pid, 60000) from pg_stat_activity
         where datname = 'shop' and pid <> pg_backend_pid()",
    );
    bind(&mut client, "", "s");
    execute(&mut client, "");
    client.send(b'S', b"").unwrap();
    let told = client.until_ready().unwrap();
    let error = told.iter().find(|message| message.tag == b'E').unwrap();
    assert_eq!(error.error().unwrap().code, "0A000");
    assert!(b::error_field(&error.body, b'R') == Some(b"RevalidateCachedQuery"));
}
