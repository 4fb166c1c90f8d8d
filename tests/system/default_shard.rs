//! A database of which few tables are spread: what is done with the others alone, on its default shard, is as on one server.

use router_core::topology::TopologySpec;
use shunt_tests::raw::RawClient;
use shunt_tests::shards::spec;
use shunt_tests::twin::{Pair, Twins, shown};

/// Beside `accounts` and `copies` every table is on this shard.
fn twins(default_shard: &str) -> Twins {
    Twins::with(&TopologySpec {
        default_shard: Some(default_shard.into()),
        ..spec(3)
    })
}

const MADE: &[&str] = &[
    "create table items (id int primary key, name text, made timestamptz default now())",
    "create table log (id serial, what text)",
    "create function counted() returns bigint language sql as $$ select count(*) from items $$",
    "create function added(n int) returns int language plpgsql as $$ begin
        insert into items (id, name) values (n, 'item ' || n); insert into log (what) values ('added'); return n * 2; end $$",
    "create function noted(what text) returns bigint language sql as $$ insert into log (what) values (what) returning id $$",
    "create procedure emptied() language plpgsql as $$ begin delete from log; raise notice 'emptied'; end $$",
    "create function balance() returns numeric language sql as $$ select sum(balance) from accounts $$",
    "create function settled() returns void language plpgsql as $$ begin set local search_path = pg_catalog; delete from items; end $$",
    "create function ran(t text) returns void language plpgsql as $$ begin execute t; end $$",
    "create view counts as select counted() as n",
];

#[test]
fn what_is_on_the_default_shard_is_done_as_on_one_server() {
    let twins = twins("s0");
    let mut pair = twins.connect();
    for sql in MADE.iter().chain(&[
        "select added(1), added(2)",
        "select counted()",
        "select noted('one'), noted('two')",
        "select * from counts",
        "select id, name from items where id <= counted() order by id",
        "do $$ begin for i in 3..5 loop perform added(i); end loop; raise notice '%', counted(); end $$",
        "do $$ declare n bigint; begin select count(*) into n from items; if n <> 5 then raise exception 'so many: %', n; end if; end $$",
        "do $$ begin raise exception 'no' using errcode = 'P0042'; end $$",
        "select what, count(*) from log group by what",
        "call emptied()",
        "select count(*) from log",
        "explain (costs off) select counted()",
        // What is not read.
        "select id, ~id as \"~ id\" from items order by id limit 1",
        "select substring('abcdefg' similar 'a#\"(b_d)#\"%' escape '#')",
        "select normalize('abc')",
        "insert into items as i values (1, 'again') on conflict (id) do update set name = excluded.name where i.* <> excluded.*",
        "select name from items where id = 1",
        // Tables made of what functions give.
        "create table numbers as select counted() as n, g from generate_series(1, 2) g",
        "select * from numbers",
        "create temp table passing as select counted() as n",
        "select * from passing",
        "begin",
        "declare c cursor for select counted() + id from items order by id",
        "fetch 2 from c",
        "select added(7)",
        "rollback",
        "select counted()",
        // As ORMs bring sequences up to what a table has.
        "insert into log (id, what) values (40, 'by hand')",
        "select setval(pg_get_serial_sequence('\"log\"', 'id'), coalesce(max(\"id\"), 1), max(\"id\") is not null) from \"log\"",
        "insert into log (what) values ('after') returning id",
        "prepare by_id as select counted() + $1",
        "execute by_id(3)",
    ]) {
        pair.both(sql);
    }
    pair.both_extended("select added($1)", &[Some("20")]);
    pair.both_extended("select counted()", &[]);
    // By the types that a client declares.
    let told = [&mut pair.shards, &mut pair.whole].map(|client| {
        client
            .send(b'P', b"\0select no_such_function($1)\0\0\x01\0\0\0\x17")
            .unwrap();
        client.send(b'S', b"").unwrap();
        shown(&client.until_ready().unwrap())
    });
    assert_eq!(told[0], told[1]);
}

/// Drivers ask for a description once, and read all later rows by it. Of the portal or of the statement, they are told of other
/// columns.
#[test]
fn rows_of_other_columns_than_were_told_are_an_error() {
    let twins = twins("s0");
    for described in [b"P\0", b"Sone\0".as_slice()] {
        let mut pair = twins.connect();
        pair.both("create table reshaped (a int)");
        pair.both("insert into reshaped values (1)");
        let run = |client: &mut RawClient, describe: Option<&[u8]>| {
            client.send(b'B', b"\0one\0\0\0\0\0\0\0").unwrap();
            if let Some(what) = describe {
                client.send(b'D', what).unwrap();
            }
            client.send(b'E', b"\0\0\0\0\0").unwrap();
            client.send(b'S', b"").unwrap();
            shown(&client.until_ready().unwrap())
        };
        let mut told = [&mut pair.shards, &mut pair.whole].map(|client| {
            client
                .send(b'P', b"one\0select * from reshaped\0\0\0")
                .unwrap();
            let first = run(client, Some(described));
            client.simple("begin").unwrap();
            let second = run(client, None);
            client.simple("alter table reshaped add b int").unwrap();
            client.simple("commit").unwrap();
            let third = run(client, None);
            client.simple("begin").unwrap();
            let fourth = run(client, None);
            client.simple("rollback").unwrap();
            client.simple("alter table reshaped drop b").unwrap();
            [first, second, third, fourth, run(client, None)]
        });
        assert!(told[1][2][0].contains("0A000"), "{told:?}");
        for told in &mut told[0] {
            // The numbers of the table are each server's own.
            told.retain(|line| !line.starts_with("columns"));
        }
        for told in &mut told[1] {
            told.retain(|line| !line.starts_with("columns"));
        }
        assert_eq!(told[0], told[1]);
        pair.both("drop table reshaped");
    }
}

/// PostgreSQL's own names of relations begin so; those of others may.
#[test]
fn a_table_may_be_called_as_systems_are() {
    let twins = twins("s1");
    let mut pair = twins.connect();
    for sql in [
        "create table pg_documents (id int primary key)",
        "insert into pg_documents values (1), (2)",
        "select * from pg_documents order by id",
        "alter table pg_documents add note text",
        "update pg_documents set note = 'one' where id = 1",
        "select * from pg_documents order by id",
        "drop table pg_documents",
        "select * from pg_documents",
    ] {
        pair.both(sql);
    }
}

#[track_caller]
fn is_refused(pair: &mut Pair, sql: &str) {
    let told = shown(&pair.shards.simple(sql).expect(sql));
    assert!(told[0].starts_with("ERROR SH"), "{sql}: {told:?}");
}

#[test]
fn what_may_reach_further_is_refused() {
    let twins = twins("s0");
    let mut pair = twins.connect();
    for sql in MADE {
        pair.both(sql);
    }
    for sql in [
        "select balance()",
        "select balance() from items",
        "do $$ begin perform * from accounts; end $$",
        "do $$ begin perform balance(); end $$",
        "do $$ begin delete from copies; end $$",
        "do $$ begin execute 'delete from accounts'; end $$",
        "do $$ begin set local search_path = pg_catalog; end $$",
        "do $$ begin perform set_config('search_path', 'pg_catalog', true); end $$",
        "do $$ begin create type further as enum ('a'); perform 1; end $$",
        "do $$ begin perform query_to_xml('select * from accounts', true, true, ''); end $$",
        "select settled()",
        "select ran('delete from accounts')",
        "select counted() from accounts where ~id = 1",
        "select query_to_xml('select * from accounts', true, true, '')",
        "create table numbers as select balance() as n",
        // Each shard has its own part of it.
        "select pg_total_relation_size('accounts')",
        "select pg_relation_size('accounts'::regclass) > counted()",
        "do $$ begin perform pg_table_size('accounts'); end $$",
        "select pg_table_size('accounts') where normalize('a') = 'a'",
    ] {
        is_refused(&mut pair, sql);
    }
}
