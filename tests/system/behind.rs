//! Triggers, checks, policies, operators and casts: what they do on a shard is what they would do on one server, or the
//! statement is refused.

use router_core::plan::Reason;
use shunt_tests::twin::{Pair, Twins, shown};

/// Made on each shard and on the one database, through the proxy for the shards.
fn made(twins: &Twins, sql: &str) {
    for database in ["bank0", "bank1", "bank2", "whole"] {
        twins.server.execute(database, sql).expect(sql);
    }
}

/// What was made on the servers is known behind a definition that goes through the proxy.
fn read_again(pair: &mut Pair) {
    pair.ask("create function seen() returns int immutable return 1");
    pair.ask("drop function seen()");
}

#[track_caller]
fn refused(answer: &[String], sql: &str) {
    let code = format!("ERROR {} ", Reason::Behind.entry().code);
    assert!(answer[0].starts_with(&code), "{sql}: {answer:?}");
}

#[test]
fn a_trigger_that_keeps_to_its_row_is_run() {
    let twins = Twins::start();
    made(
        &twins,
        "create function touch() returns trigger language plpgsql as $$
         begin if new.id = 0 then raise exception 'zero'; end if;
         new.note := 'touched ' || new.id; return new; end $$;
         create trigger touch before insert or update on accounts for each row execute function touch();
         create function low(bigint) returns boolean language plpgsql as 'begin return $1 < 100000; end';
         alter table accounts add check (low(balance));
         alter table copies add check (low(id))",
    );
    let mut pair = twins.connect();
    for sql in [
        "insert into accounts (id) values (21), (22), (23)",
        "insert into accounts (id) values (24) returning note",
        "update accounts set balance = balance + 1",
        "insert into accounts (id) values (0)",
        "update accounts set balance = 1000000 where id = 3",
        "insert into copies values (7, 'seven')",
        "select id, balance, note from accounts",
    ] {
        pair.both(sql);
    }
}

#[test]
fn a_trigger_does_not_give_each_copy_a_value_of_its_own() {
    let twins = Twins::start();
    made(
        &twins,
        "create extension \"uuid-ossp\"; create extension moddatetime;
         alter table copies add token uuid, add changed timestamptz;
         create function token() returns trigger language plpgsql as 'begin new.token := uuid_generate_v4(); return new; end'",
    );
    let mut pair = twins.connect();
    read_again(&mut pair);
    for (make, sql) in [
        (
            "create trigger t before insert on copies for each row execute function token()",
            "insert into copies (id) values (31)",
        ),
        (
            "create trigger t before update on copies for each row execute function moddatetime(changed)",
            "update copies set id = id",
        ),
    ] {
        made(&twins, make);
        read_again(&mut pair);
        refused(&pair.ask(sql), make);
        made(&twins, "drop trigger t on copies");
    }
}

#[test]
fn functions_are_called_by_what_their_bodies_do() {
    let twins = Twins::start();
    made(
        &twins,
        "create extension \"uuid-ossp\"; create extension pgcrypto; create extension unaccent;
         create function half(bigint) returns bigint language plpgsql as 'begin return $1 / 2; end';
         create function quarter(bigint) returns bigint language sql stable as 'select half(half($1))';
         create function copied(bigint) returns bigint language sql as 'select count(*) from copies where id <= $1';
         create function counted(bigint) returns bigint language plpgsql as 'begin return (select count(*) from accounts where id <> $1); end';
         create function hidden(bigint) returns bigint language sql as 'select counted($1)';
         create function told(bigint) returns bigint language plpgsql as $$ begin raise notice 'told'; return $1; end $$",
    );
    let mut pair = twins.connect();
    read_again(&mut pair);
    for sql in [
        "select half(9), quarter(9)",
        "select id, half(balance) from accounts order by half(id), id",
        "select sum(quarter(balance)), count(*) from accounts where half(id) > 1",
        "update accounts set balance = half(balance) + 1",
        "select id, copied(id) from accounts where id = 3",
        "select copied(id), count(*) from accounts group by 1 order by 1",
        "insert into copies values (41, unaccent('Hôtel'))",
        "update accounts set note = encode(digest(note, 'sha256'), 'hex') where id < 3",
        "select length(uuid_generate_v4()::text) from accounts where id = 3",
        "update accounts set note = crypt('x', gen_salt('bf', 4)) where id = 3 returning length(note)",
    ] {
        pair.both(sql);
    }
    for sql in [
        "select counted(1)",
        "select hidden(id) from accounts",
        "select told(id) from accounts",
        "update accounts set balance = hidden(id)",
    ] {
        let answer = pair.ask(sql);
        assert!(answer[0].starts_with("ERROR SH013 "), "{sql}: {answer:?}");
    }
}

#[test]
fn what_a_function_meets_without_saying_so_in_its_body_counts() {
    let twins = Twins::start();
    made(
        &twins,
        "create sequence numbers; create schema other;
         create view now_here as select id, now() as at from copies;
         create view here as select id, current_timestamp as at from copies;
         create view numbered as select nextval('numbers') as n;
         create function by_now() returns text language sql as $$ select 'now'::timestamptz::text $$;
         create function by_today() returns date language plpgsql as $$ begin return 'today'; end $$;
         create function by_atom() returns text language sql return ('now'::text)::timestamptz::text;
         create function by_view() returns text language sql as 'select max(at)::text from now_here';
         create function by_word() returns text language sql as 'select max(at)::text from here';
         create function by_number() returns bigint language sql as 'select n from numbered';
         create function by_default(x bigint, t timestamptz default now()) returns text language sql immutable as 'select t::text';
         create function by_word_default(t timestamptz default current_timestamp) returns text language sql as 'select t::text';
         create function by_said(x bigint, t text default ' Today') returns text language sql as 'select t::timestamptz::text';
         create function by_chance(x bigint, t float8 default random()) returns text language sql as 'select t::text';
         create function by_sequence(x bigint, t bigint default nextval('numbers')) returns text language sql as 'select t::text';
         create function others(accounts) returns bigint language sql stable as 'select count(*) from accounts';
         create function by_field(a accounts) returns bigint language sql as 'select a.others';
         create function step(bigint, bigint) returns bigint language sql as 'select $1 + $2 + (select count(*) from accounts)';
         create aggregate summed(bigint) (sfunc = step, stype = bigint, initcond = '0');
         create function by_aggregate(bigint) returns bigint language sql as 'select summed(x) from unnest(array[$1, $1]) x';
         create function by_text() returns bigint language plpgsql as
             $$ declare procedure text := 'select count(*) from accounts'; r bigint; begin execute procedure into r; return r; end $$;
         create function by_document(j json) returns text language sql as 'select t::text from json_to_record($1) as x(t timestamptz)';
         create function by_place() returns text language sql as 'select max(xmin::text) from copies';
         create function overloaded(bigint) returns bigint language sql immutable as 'select $1';
         create function other.overloaded(text) returns bigint language sql as 'select count(*) from accounts'",
    );
    let mut pair = twins.connect();
    read_again(&mut pair);
    pair.both("set search_path = public, other");
    for sql in [
        "select count(distinct by_now()) from accounts",
        "select count(distinct by_today()) from accounts",
        "select count(distinct by_atom()) from accounts",
        "select count(distinct by_view()) from accounts",
        "select count(distinct by_word()) from accounts",
        "select count(distinct by_number()) from accounts",
        "select count(distinct by_default(1)) from accounts",
        "select count(distinct by_word_default()) from accounts",
        "select count(distinct by_said(1)) from accounts",
        "select count(distinct by_sequence(1)) from accounts",
        "select sum(by_field(a)) from accounts a",
        "select by_aggregate(1)",
        "select by_text()",
        "select count(distinct by_document('{\"t\": \"now\"}')) from accounts",
        "select count(distinct by_place()) from accounts",
        "select overloaded('x')",
        "update copies set name = by_now()",
        "update copies set name = by_default(1)",
        "update copies set name = by_chance(1)",
    ] {
        let answer = pair.ask(sql);
        assert!(
            answer[0].starts_with("ERROR SH013 ") || answer[0].starts_with("ERROR SH016 "),
            "{sql}: {answer:?}"
        );
    }
}

#[test]
fn what_a_body_names_may_be_made_later() {
    let twins = Twins::start();
    made(
        &twins,
        "create function counted(bigint) returns bigint language plpgsql as 'begin return (select count(*) from accounts where id <> $1); end';
         drop table accounts cascade",
    );
    let mut pair = twins.connect();
    read_again(&mut pair);
    for _ in 0..2 {
        pair.both("select counted(1)");
        pair.both("create table accounts (id bigint primary key, balance bigint, note text)");
        let answer = pair.ask("select counted(1)");
        assert!(answer[0].starts_with("ERROR SH013 "), "{answer:?}");
        pair.both("begin");
        pair.both("drop table accounts");
        pair.both("savepoint s");
        pair.both("select counted(1)");
        pair.both("rollback to s");
        pair.both("create table accounts (id bigint primary key, balance bigint, note text)");
        let answer = pair.ask("select counted(1)");
        assert!(answer[0].starts_with("ERROR SH013 "), "{answer:?}");
        pair.both("rollback");
        pair.both("drop table accounts");
    }
}

#[test]
fn a_trigger_that_may_reach_elsewhere_is_not() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let trigger = |body: &str, when: &str| {
        format!(
            "create or replace function t() returns trigger language plpgsql as $$ begin {body} end $$;
             create trigger t {when} execute function t()"
        )
    };
    let insert = "insert into accounts (id) values (31)";
    let several = "insert into accounts (id) values (31), (32), (33)";
    let copy = "insert into copies values (31, 'x')";
    for (body, when, sql) in [
        (
            "new.id := new.id + 1; return new;",
            "before insert on accounts for each row",
            insert,
        ),
        (
            "select new.id + 1 into new.id; return new;",
            "before insert on accounts for each row",
            insert,
        ),
        (
            "new := old; return new;",
            "before update on accounts for each row",
            "update accounts set note = 'x' where id = 3",
        ),
        (
            "insert into copies values (new.id, 'x'); return null;",
            "after insert on accounts for each row",
            insert,
        ),
        (
            "update accounts set note = 'x' where id = 1; return null;",
            "after insert on accounts for each row",
            insert,
        ),
        (
            "execute 'delete from copies'; return null;",
            "after insert on accounts for each row",
            insert,
        ),
        (
            "perform pg_notify('ch', new.id::text); return null;",
            "after insert on accounts for each row",
            insert,
        ),
        (
            "notify ch; return null;",
            "after insert on accounts for each row",
            insert,
        ),
        (
            "if pg_try_advisory_xact_lock(1) then return null; end if; return null;",
            "after insert on accounts for each row",
            insert,
        ),
        (
            "perform count(*) from accounts; return null;",
            "after insert on copies for each row",
            copy,
        ),
        (
            "new.name := now()::text; return new;",
            "before insert on copies for each row",
            copy,
        ),
        (
            "return null;",
            "after insert on accounts for each statement",
            several,
        ),
    ] {
        made(&twins, &trigger(body, when));
        pair.ask("create function seen() returns int immutable return 1");
        pair.ask("drop function seen()");
        refused(&pair.ask(sql), body);
        let table = if when.contains("copies") {
            "copies"
        } else {
            "accounts"
        };
        made(&twins, &format!("drop trigger t on {table}"));
    }
    // What is given back after the change is nobody's.
    made(
        &twins,
        &trigger(
            "return coalesce(new, old); return 1;",
            "after insert on accounts for each row",
        ),
    );
    pair.ask("create function seen() returns int immutable return 1");
    pair.ask("drop function seen()");
    pair.both("insert into accounts (id) values (41), (42), (43)");
    made(&twins, "drop trigger t on accounts");
    // Once for a statement of one shard is once.
    made(
        &twins,
        &trigger(
            "return null;",
            "after insert on accounts for each statement",
        ),
    );
    pair.both(insert);
}

#[test]
fn checks_policies_operators_and_casts_that_read_are_not() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    made(
        &twins,
        "create function counted() returns bigint stable language sql as 'select count(*) from accounts'",
    );
    made(
        &twins,
        "insert into copies values (7, 'seven');
         alter table accounts add constraint f foreign key (twin) references copies on update cascade;
         alter table accounts add constraint k foreign key (id) references copies on update cascade not valid",
    );
    pair.ask("create function seen() returns int immutable return 1");
    refused(
        &pair.ask("update copies set id = 8 where id = 7"),
        "a cascade into the key",
    );
    pair.both("update copies set name = 'other' where id = 7");
    made(
        &twins,
        "alter table accounts drop constraint k; alter table accounts drop constraint f",
    );
    pair.ask("drop function seen()");
    for (make, sql, undo) in [
        (
            "alter table accounts add check (counted() > 4) not valid",
            "insert into accounts (id) values (31)",
            "alter table accounts drop constraint accounts_check",
        ),
        (
            "create policy p on accounts using (id < (select count(*) from accounts)); alter table accounts enable row level security",
            "select * from accounts",
            "alter table accounts disable row level security",
        ),
        (
            "create function opf(int, int) returns bigint stable language sql as 'select counted()';
             create operator === (leftarg = int, rightarg = int, function = opf)",
            "select id === 1 from (values (1)) v(id)",
            "drop operator === (int, int)",
        ),
        (
            "create function cf(point) returns bigint stable language sql as 'select counted()';
             create cast (point as bigint) with function cf(point) as implicit",
            "select point '(1,2)'::bigint",
            "drop cast (point as bigint)",
        ),
    ] {
        made(&twins, make);
        read_again(&mut pair);
        refused(&pair.ask(sql), make);
        if !undo.contains("disable") {
            // What does not use it is answered.
            pair.both("select id, balance from accounts where id = 3");
            pair.both("select 1 = any(array[1, 2]), note from accounts order by note");
        }
        made(&twins, undo);
    }
    // A function that is called as if it were a column.
    made(
        &twins,
        "create function others(accounts) returns bigint stable language sql as 'select counted()'",
    );
    pair.ask("create function seen() returns int immutable return 1");
    for sql in [
        "select a.others from accounts a where a.id = 3",
        "update accounts set balance = accounts.others where id = 3",
    ] {
        let answer = pair.ask(sql);
        assert!(answer[0].starts_with("ERROR SH013 "), "{sql}: {answer:?}");
    }
    pair.both("select * from accounts");
    pair.both("select a.note from accounts a where a.id = 3");
}

#[test]
fn operators_casts_and_domains_count_where_they_may_be_used() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    made(
        &twins,
        "create function counted(int) returns bigint stable language sql as 'select count(*) from accounts';
         create function told(int, int) returns boolean stable language sql as 'select counted($1) > $2';
         create operator === (leftarg = int, rightarg = int, function = told, commutator = ====);
         create function far(point) returns bigint language plpgsql as $$
         declare n bigint; begin execute 'select count(*) from accounts' into n; return n; end $$;
         create cast (point as bigint) with function far(point) as implicit;
         create function near(int) returns boolean stable language sql as 'select counted(1) > $1';
         create domain low as int check (near(value));
         create domain spot as point;
         create function noted() returns trigger language plpgsql as 'begin if new.id === 1 then return null; end if; return new; end';
         create trigger noted before insert on copies for each row execute function noted()",
    );
    read_again(&mut pair);
    for sql in [
        "select 1",
        "select id from accounts where id = 3",
        "select count(*) from accounts where balance <> 3",
        "update accounts set balance = balance + 1",
        "select id from copies",
    ] {
        pair.both(sql);
    }
    pair.both_extended("select note from accounts where id = $1", &[Some("3")]);
    for sql in [
        "select 1 === 2",
        // Its commutator, which has no function of its own.
        "select id from accounts where id = 3 and 1 ==== balance::int",
        "select point '(1,2)' + 1::bigint",
        "select abs(center(box '((0,0),(1,1))'))",
        "select 3::low",
        "select '(1,2)'::spot + 1::bigint",
        "select id from accounts where id = 3 and balance > 3::public.low",
        "insert into copies values (9, 'nine')",
    ] {
        refused(&pair.ask(sql), sql);
    }
    // A parameter that is declared to be a point, of which the text says nothing.
    let mut body = b"\0select id from accounts where balance > $1\0\0\x01".to_vec();
    body.extend(600_u32.to_be_bytes());
    pair.shards.send(b'P', &body).expect("Parse");
    pair.shards.send(b'S', b"").expect("Sync");
    let answer = shown(&pair.shards.until_ready().expect("an answer"));
    refused(&answer, "a parameter of that type");
    // A trigger that is disabled does nothing.
    made(&twins, "alter table copies disable trigger noted");
    read_again(&mut pair);
    pair.both("insert into copies values (9, 'nine')");
    // A column of that type may be in any expression.
    made(&twins, "alter table accounts add column place point");
    read_again(&mut pair);
    refused(
        &pair.ask("select balance from accounts where id = 3"),
        "a column of that type",
    );
}

#[test]
fn what_comes_before_postgresql_s_own_is_refused() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both("set search_path = public, pg_catalog");
    // Nothing is in the way.
    pair.both("select note from accounts where id = 3::bigint");
    made(
        &twins,
        "create function differ(bigint, bigint) returns boolean immutable language sql as 'select $1 operator(pg_catalog.<>) $2';
         create operator = (leftarg = bigint, rightarg = bigint, function = differ);
         create function lower(text) returns text immutable language sql as 'select $1';
         create function near(bigint, numeric) returns boolean immutable language sql
         as 'select abs($1 operator(pg_catalog.-) $2) operator(pg_catalog.<) 2';
         create schema apart;
         create operator apart.= (leftarg = bigint, rightarg = numeric, function = near);
         create domain int8 as bigint",
    );
    read_again(&mut pair);
    for sql in [
        "select count(*) from accounts where id = 3::bigint",
        "update accounts set note = 'x' where id = 3::bigint",
        "select count(*) from accounts where id in (3::bigint)",
        "select lower(note) from accounts",
        "insert into accounts (id) values ('77'::int8)",
    ] {
        refused(&pair.ask(sql), sql);
    }
    // What uses none of them is answered, and so is all where PostgreSQL's own come first.
    pair.both("select upper(note) from accounts order by note");
    pair.both("set search_path = public");
    pair.both("select count(*) from accounts where id = 3::bigint");
    pair.both("select lower(note) from accounts order by note");
    // The very operator for the types of both sides is taken wherever it is; it is evaluated everywhere.
    pair.both("set search_path = public, apart");
    for sql in [
        "select id from accounts where id = 3.0 order by id",
        "select id from accounts where id in (3.0, 1.0) order by id",
        "select id from accounts where id = 3 order by id",
        "update accounts set note = 'near' where id = 3.0",
        "select id, note from accounts order by id",
    ] {
        pair.both(sql);
    }
}
