//! Corners of statements over shards: errors, notices and moves of rows are those of one server.

use shunt_tests::patience::await_that;
use shunt_tests::raw::RawClient;
use shunt_tests::twin::{Pair, Twins, shown};

/// Refused by the proxy with this state; the other server is not asked.
#[track_caller]
fn refused(pair: &mut Pair, sql: &str, state: &str) {
    let shards = shown(&pair.shards.simple(sql).expect(sql));
    assert!(shards[0].contains(state), "{sql}: {shards:?}");
}

#[test]
fn what_was_prepared_gives_no_other_columns() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let all = "select * from accounts order by id";
    pair.both(&format!("prepare everything as {all}"));
    pair.both("prepare names as select id, note from accounts order by id");
    for sql in [
        "execute everything",
        "execute names",
        "begin",
        "alter table accounts add column more int",
        "execute names",
        "execute everything",
        "rollback",
        "execute everything",
        "alter table accounts add column more int",
        "execute everything",
        "execute everything",
        "execute names",
        "deallocate everything",
    ] {
        pair.both(sql);
    }
    pair.both(&format!("prepare everything as {all}"));
    pair.both("execute everything");
}

#[test]
fn a_parameter_beyond_all_integers_is_out_of_range() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for value in [
        "9223372036854775808",
        "-99999999999999999999",
        "9223372036854775807",
        "3",
    ] {
        for sql in [
            "select note from accounts where id = $1",
            "update accounts set note = 'x' where id = $1",
            "delete from accounts where id = $1 and balance > 1000",
            "insert into accounts (id) values ($1) on conflict do nothing",
        ] {
            pair.both_extended(sql, &[Some(value)]);
        }
    }
}

/// The notices of a statement.
fn notices(client: &mut RawClient, sql: &str) -> Vec<Vec<u8>> {
    let body = [sql.as_bytes(), &[0]].concat();
    client.send(b'Q', &body).unwrap();
    let mut said = Vec::new();
    loop {
        let message = client.read().unwrap();
        match message.tag {
            b'N' => said.push(message.body),
            b'Z' => return said,
            _ => {}
        }
    }
}

#[test]
fn a_notice_is_told_once() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "create table if not exists accounts (id bigint)",
        "alter table accounts add column if not exists note text",
        "alter table accounts drop constraint if exists no_such",
        "create schema if not exists public",
    ] {
        let whole = notices(&mut pair.whole, sql);
        assert_eq!(whole.len(), 1, "{sql}");
        assert_eq!(notices(&mut pair.shards, sql), whole, "{sql}");
    }
}

#[test]
fn there_may_be_more_aggregates_than_a_row_has_columns_for_their_parts() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let list: Vec<String> = (0..1000).map(|n| format!("avg(id + {n})")).collect();
    pair.both(&format!("select {} from accounts", list.join(", ")));
}

#[test]
fn rows_with_generated_columns_move() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let all = "select * from accounts order by id";
    pair.both(
        "alter table accounts add column double bigint generated always as (balance * 2) stored",
    );
    pair.both("update accounts set balance = id * 10");
    for sql in [
        "update accounts set id = id + 100 where id < 4",
        "update accounts set id = id + 1000, balance = double + 1 where double > 40 returning id, note",
        "update accounts set id = 7 where id = 102 returning balance",
    ] {
        pair.both(sql);
        pair.both(all);
    }
    for sql in [
        "update accounts set id = id + 1 returning *",
        "update accounts set id = id + 1 returning double",
        "update accounts a set id = id + 1 returning a",
        "update accounts set id = id + 1, double = default",
    ] {
        refused(&mut pair, sql, "SH012");
    }
    pair.both(all);
}

#[test]
fn a_block_of_definitions_is_run_on_all_shards() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let mood = "do $$ begin create type mood as enum ('sad', 'happy'); exception when duplicate_object then raise notice 'it is there'; end $$";
    let check = "do $$ begin
        if not exists (select from pg_constraint where conname = 'positive') then
            alter table accounts add constraint positive check (balance >= 0);
        end if;
    end $$";
    for sql in [
        "begin",
        mood,
        "alter table accounts add column mood mood",
        "update accounts set mood = 'happy' where id > 4",
        "select id, mood::text from accounts order by mood, id",
        "rollback",
        mood,
        mood,
        "alter table accounts add column mood mood",
        "update accounts set mood = 'happy' where id > 4",
        check,
        check,
        "insert into accounts (id, balance) values (50, -1)",
        "insert into accounts (id, balance, mood) values (50, 1, 'sad'), (51, 2, 'sad'), (52, 3, null)",
        // Nothing of it is there when a part of it fails.
        "do $$ begin alter table accounts add column more int; alter table accounts add constraint c check (balance > 1); end $$",
        "select id, balance, mood::text from accounts order by id",
    ] {
        pair.both(sql);
    }
    pair.both_extended(mood, &[]);
    for sql in [
        "do $$ begin perform 1; end $$",
        "do $$ begin create type other as enum (); exception when others then null; end $$",
        "do $$ begin delete from accounts; end $$",
    ] {
        refused(&mut pair, sql, "SH013");
    }
    refused(
        &mut pair,
        "do $$ begin alter table accounts rename to people; end $$",
        "SH015",
    );
}

const DATABASES: [&str; 3] = ["bank0", "bank1", "bank2"];

#[test]
fn rows_do_not_move_without_columns_that_somebody_else_has_added() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both("update accounts set id = id + 100 where id < 3");
    for database in DATABASES {
        let add =
            "alter table accounts add column w int default 7; update accounts set w = id * 10";
        twins.server.execute(database, add).unwrap();
    }
    let add = "alter table accounts add column w int default 7; update accounts set w = id * 10";
    twins.server.execute("whole", add).unwrap();
    refused(&mut pair, "update accounts set id = id + 1000", "SH033");
    pair.both("select * from accounts order by id");
    pair.both("update accounts set id = id + 1000");
    pair.both("select * from accounts order by id");
    // One that waits for whoever adds it.
    let mut other = twins.connect();
    other.both("begin");
    other.both("alter table accounts add column x int default 1");
    other.both("update accounts set x = id");
    let moved = std::thread::scope(|scope| {
        let moves = scope.spawn(|| {
            shown(
                &pair
                    .shards
                    .simple("update accounts set id = id + 500")
                    .unwrap(),
            )
        });
        waited_for(&twins);
        other.both("commit");
        moves.join().unwrap()
    });
    assert!(moved[0].contains("SH033"), "{moved:?}");
    pair.both("select * from accounts order by id");
    pair.both("update accounts set id = id + 500");
    pair.both("select * from accounts order by id");
}

/// Waits until somebody waits for a lock.
fn waited_for(twins: &Twins) {
    let waits = "select count(*) from pg_locks where not granted";
    await_that("somebody waits", || {
        twins.server.execute("postgres", waits).unwrap() != "0"
    });
}

#[test]
fn what_a_change_reads_first_is_of_the_moment_of_its_own_rows() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let orphans = "delete from accounts a where note like 'p%'
        and not exists (select 1 from accounts b where b.note = 'q' || a.id)";
    pair.both(orphans);
    for (extended, id) in [(false, 30), (true, 60)] {
        // Nobody changes the table on this shard, but whoever reads it may.
        let direct = ([127, 0, 0, 1], twins.server.port()).into();
        let mut other = RawClient::trust(direct, twins.server.user(), "bank0").unwrap();
        other
            .simple("begin; lock table accounts in share mode")
            .unwrap();
        let deleted = std::thread::scope(|scope| {
            let deletes = scope.spawn(|| match extended {
                true => shown(&pair.shards.extended(orphans, &[], false).unwrap()),
                false => shown(&pair.shards.simple(orphans).unwrap()),
            });
            waited_for(&twins);
            let both = format!(
                "insert into accounts (id, note) values ({id}, 'p{id}'), ({}, 'q{id}'); commit",
                id + 3
            );
            other.simple(&both).unwrap();
            deletes.join().unwrap()
        });
        assert!(deleted.contains(&"tag DELETE 0".to_owned()), "{deleted:?}");
    }
}

#[test]
fn a_block_does_not_ask_for_what_one_shard_has() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let alone = "create table alone (id int constraint positive check (id > 0))";
    for database in ["bank0", "whole"] {
        twins.server.execute(database, alone).expect("a table");
    }
    // Has the catalog read.
    pair.both("create type seen as enum ('a')");
    let made = |condition: &str| {
        format!("do $$ begin if {condition} then create type once as enum ('a'); end if; end $$")
    };
    for condition in [
        "not exists (select from pg_tables where tablename = 'alone')",
        "not exists (select from information_schema.columns where table_name = 'alone' and column_name = 'id')",
        "not exists (select from pg_constraint where conname = 'positive')",
        "not exists (select from pg_tables where tablename like 'al%')",
        "not exists (select from pg_type where typname = 'alone')",
        "not exists (select from pg_tables where tablename <> 'accounts')",
    ] {
        refused(&mut pair, &made(condition), "SH013");
    }
    pair.both(&made(
        "not exists (select from pg_type where typname = 'once')",
    ));
    pair.both(&made(
        "not exists (select from pg_type where typname = 'once')",
    ));
    pair.both(&made(
        "not exists (select from pg_tables where tablename = 'accounts')",
    ));
}
