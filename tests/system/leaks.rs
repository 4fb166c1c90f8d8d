//! What one client leaves on a server connection, the next one must not see. One connection, two clients.

use std::time::{Duration, Instant};

use local_postgres::Server;
use router_proxy::settings::PoolSettings;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{Message, RawClient};
use shunt_tests::shards::{on_one_server, server_with};

/// What a client does, and a query whose answer would give it away.
const DEEDS: &[(&str, &[&str])] = &[
    ("SET", &["set work_mem = '77kB'"]),
    (
        "SET in a transaction",
        &["begin", "set work_mem = '77kB'", "commit"],
    ),
    (
        "SET that is undone",
        &["begin", "set work_mem = '77kB'", "select 1/0", "rollback"],
    ),
    (
        "SET before a savepoint is undone",
        &[
            "begin",
            "savepoint a",
            "set work_mem = '77kB'",
            "rollback to a",
            "commit",
        ],
    ),
    (
        "set_config",
        &["select set_config('work_mem', '77kB', false)"],
    ),
    (
        "set_config by a name of its own",
        &["select pg_catalog.set_config('work_mem', '77kB', false)"],
    ),
    (
        "UPDATE of pg_settings",
        &["update pg_settings set setting = '77kB' where name = 'work_mem'"],
    ),
    ("SET in DO", &["do $$ begin set work_mem = '77kB'; end $$"]),
    ("SET in a function", &["select sets()"]),
    (
        "SET in several statements",
        &["set work_mem = '77kB'; select 1"],
    ),
    (
        "SET before DEALLOCATE ALL in one message",
        &["set work_mem = '77kB'; deallocate all"],
    ),
    (
        "set_config behind DEALLOCATE ALL in one message",
        &["deallocate all; select set_config('work_mem', '77kB', false)"],
    ),
    (
        "RESET beside DEALLOCATE ALL in one message",
        &["set work_mem = '77kB'", "reset all; deallocate all"],
    ),
    (
        "several statements with an error",
        &["set work_mem = '77kB'; commit; select 1/0"],
    ),
    ("custom setting", &["set my.secret = 'x'"]),
    ("search_path", &["set search_path = hidden"]),
    ("temporary table", &["create temp table scratch (a int)"]),
    (
        "temporary table by SELECT INTO",
        &["select 1 as a into temp scratch"],
    ),
    (
        "temporary view",
        &["create temp view scratch as select 1 as a"],
    ),
    ("PREPARE", &["prepare mine as select 1"]),
    ("advisory lock", &["select pg_advisory_lock(7)"]),
    (
        "advisory lock in DO",
        &["do $$ begin perform pg_advisory_lock(7); end $$"],
    ),
    ("LISTEN", &["listen news"]),
    (
        "WITH HOLD cursor",
        &["begin", "declare c cursor with hold for select 1", "commit"],
    ),
    ("SET ROLE", &["set role low"]),
    (
        "SET SESSION AUTHORIZATION",
        &["set session authorization low"],
    ),
    (
        "SESSION CHARACTERISTICS",
        &["set session characteristics as transaction read only"],
    ),
    ("open transaction", &["begin", "insert into t values (77)"]),
    (
        "failed transaction",
        &["begin", "insert into t values (77)", "select 1/0"],
    ),
    ("sequence", &["select nextval('counter')"]),
    (
        "type in pg_temp",
        &["create type pg_temp.mine as enum ('a')"],
    ),
    (
        "type through the search path",
        &["set search_path = pg_temp", "create type mine as (a int)"],
    ),
    (
        "function in pg_temp",
        &["create function pg_temp.mine() returns int language sql as 'select 1'"],
    ),
    (
        "temporary table in DO",
        &["do $$ begin create temp table scratch (a int); end $$"],
    ),
    (
        "PREPARE in DO",
        &["do $$ begin execute 'prepare mine as select 1'; end $$"],
    ),
    (
        "LISTEN in DO",
        &["do $$ begin execute 'listen news'; end $$"],
    ),
    (
        "set_config in EXPLAIN ANALYZE",
        &["explain analyze select set_config('work_mem', '77kB', false)"],
    ),
    (
        "set_config in a query below",
        &[
            "with x as materialized (select set_config('work_mem', '77kB', false)) select 1 from x where exists (select 1 from x)",
        ],
    ),
    (
        "set_config in INSERT",
        &["insert into t select 1 where set_config('work_mem', '77kB', false) is null"],
    ),
    (
        "set_config in COPY",
        &["copy (select set_config('work_mem', '77kB', false)) to stdout"],
    ),
    (
        "set_config in CREATE TABLE AS",
        &[
            "drop table if exists made",
            "create table made as select set_config('work_mem', '77kB', false)",
        ],
    ),
    (
        "set_config by a cursor",
        &[
            "begin",
            "declare c cursor for select set_config('work_mem', '77kB', false)",
            "fetch all from c",
            "commit",
        ],
    ),
    ("SET in a procedure", &["call sets_in_procedure()"]),
    (
        "SET in a released savepoint",
        &[
            "begin",
            "savepoint a",
            "set work_mem = '77kB'",
            "release a",
            "commit",
        ],
    ),
    (
        "SET LOCAL after SET",
        &[
            "begin",
            "set work_mem = '77kB'",
            "set local work_mem = '78kB'",
            "commit",
        ],
    ),
    ("SET LOCAL ROLE", &["begin", "set local role low", "commit"]),
    (
        "SET TRANSACTION and a chain",
        &[
            "begin transaction read only",
            "commit and chain",
            "select 1",
            "commit",
        ],
    ),
    ("broken COPY", &["copy t from stdin"]),
    ("LOAD of a setting", &["set local work_mem = '77kB'"]),
    (
        "DISCARD half-way",
        &[
            "set work_mem = '77kB'",
            "begin",
            "set work_mem = '78kB'",
            "rollback",
        ],
    ),
];

/// What a client does without its statements saying so: functions behind tables and views do it.
const BEHIND: &[(&str, &[&str])] = &[
    ("SET in a trigger", &["insert into by_trigger values (1)"]),
    ("SET in a trigger for statements", &["truncate by_truncate"]),
    (
        "set_config in a default",
        &["insert into by_default (a) values (1)"],
    ),
    (
        "set_config in a generated column",
        &["insert into by_generation (a) values (1)"],
    ),
    (
        "set_config in a constraint",
        &["insert into by_check values (1)"],
    ),
    ("set_config in a domain", &["select 1::by_domain"]),
    (
        "set_config in an index",
        &["insert into by_index values (1)"],
    ),
    (
        "set_config in an index's condition",
        &["insert into by_condition values (1)"],
    ),
    ("set_config in a rule", &["delete from by_rule"]),
    ("set_config in a view", &["select * from by_view"]),
    (
        "set_config in a view of a view",
        &["select count(*) from by_views"],
    ),
    (
        "a trigger behind a view",
        &["insert into through_view values (1)"],
    ),
    ("a trigger behind a foreign key", &["delete from referred"]),
    (
        "a trigger of a partition",
        &["insert into whole values (1)"],
    ),
    ("a trigger of a child", &["delete from parent"]),
    (
        "set_config in a policy",
        &["set role low", "select * from by_policy", "reset role"],
    ),
    ("set_config in an operator", &["select 1 ==== 1"]),
    ("set_config in a cast", &["select 'x'::text::by_cast"]),
    ("set_config in an aggregate", &["select by_aggregate(1)"]),
    (
        "set_config in a default argument",
        &["select by_argument()"],
    ),
    (
        "a function that says it is immutable",
        &["select pretends()"],
    ),
    (
        "advisory lock in a trigger",
        &["insert into by_lock values (1)"],
    ),
    (
        "temporary table in a trigger",
        &["insert into by_temp values (1)"],
    ),
    ("EXECUTE in a trigger", &["insert into by_text values (1)"]),
    (
        "a function that writes to a table with a trigger",
        &["select inserts()"],
    ),
    (
        "a changed trigger, in the transaction that changes it",
        &[
            "begin",
            "create table if not exists by_late (a int)",
            "create or replace function late() returns trigger language plpgsql as $$ begin set work_mem = '77kB'; return new; end $$",
            "create trigger late before insert on by_late for each row execute function late()",
            "insert into by_late values (1)",
            "commit",
            "drop table by_late",
        ],
    ),
    (
        "a changed trigger, in one message",
        &[
            "create table by_late (a int); create trigger late before insert on by_late for each row execute function changes(); insert into by_late values (1)",
            "drop table by_late",
        ],
    ),
    (
        "a trigger made just before",
        &[
            "create table by_late (a int)",
            "create trigger late before insert on by_late for each row execute function changes()",
            "insert into by_late values (1)",
            "drop table by_late",
        ],
    ),
    (
        "sequence by a default",
        &["insert into numbered default values"],
    ),
    (
        "sequence by an identity",
        &["insert into identified default values"],
    ),
    (
        "sequence in a transaction",
        &["begin", "insert into numbered default values", "commit"],
    ),
    (
        "sequence in a trigger",
        &["insert into by_sequence values (1)"],
    ),
    (
        "pg_settings changed by a function",
        &["select changes_settings()"],
    ),
    (
        "pg_settings changed by a rule",
        &["insert into by_settings values (1)"],
    ),
    (
        "a view of pg_settings",
        &["update settings_seen set setting = '77kB' where name = 'work_mem'"],
    ),
    (
        "a view of a view of pg_settings",
        &["update settings_seen_twice set setting = '77kB' where name = 'work_mem'"],
    ),
    (
        "a view of pg_settings changed by a function",
        &["select changes_settings_seen()"],
    ),
    (
        "a function as a field",
        &["select x.by_field from by_fields x"],
    ),
    (
        "a function as a field of a value",
        &["select (x).by_field from by_fields x"],
    ),
    (
        "a function as a field, in a condition",
        &["delete from by_fields x where x.by_field = 7"],
    ),
    (
        "a function as a field, in an order",
        &["select 1 from by_fields x order by x.by_field"],
    ),
    (
        "a function as a field, that is assigned",
        &["update by_fields x set a = x.by_field"],
    ),
    (
        "a function as a field, that is returned",
        &["insert into by_fields values (1) returning by_fields.by_field"],
    ),
    (
        "a function as a field, copied",
        &["copy (select x.by_field from by_fields x) to stdout"],
    ),
    (
        "a function as a field of a row",
        &["select (row(1)::by_fields).by_field"],
    ),
    ("a function as a field, in SQL", &["select sums_a_field()"]),
    (
        "a function as a field, in PL/pgSQL",
        &["select returns_a_field()"],
    ),
    (
        "an advisory lock as a field",
        &["select (7).pg_advisory_lock"],
    ),
    (
        "an advisory lock as a field of what a function returns",
        &["select g.pg_advisory_lock from generate_series(7, 7) g"],
    ),
    (
        "set_config in a trigger's condition",
        &["update by_when set a = 2"],
    ),
    (
        "an index's condition, when a query is planned",
        &["select * from by_plan where a = 1"],
    ),
    (
        "an index's condition, when a query of a parent is planned",
        &["select * from by_plan_parent where a = 1"],
    ),
    (
        "statistics, when a query is planned",
        &["select * from by_statistics where a = 1"],
    ),
    (
        "a partition key, when a partition is made",
        &[
            "create table by_key_part partition of by_key default",
            "drop table by_key_part",
        ],
    ),
    (
        "a view whose rows are kept",
        &[
            "create table by_kept as select * from by_view",
            "drop table by_kept",
        ],
    ),
    (
        "a view in a schema's definition",
        &[
            "create schema by_schema create view by_schema_view as select sets_config()",
            "select * from by_schema.by_schema_view",
            "drop schema by_schema cascade",
        ],
    ),
    (
        "an event trigger just made",
        &[
            "create event trigger by_event on ddl_command_end execute function by_event()",
            "create table by_event_table (a int)",
            "drop table by_event_table",
            "drop event trigger by_event",
        ],
    ),
    (
        "a view and a function just made",
        &[
            "create function by_late() returns text language sql as $$ select set_config('work_mem', '77kB', false) $$",
            "create view by_late_view as select by_late()",
            "create table by_late as select * from by_late_view",
            "drop table by_late",
            "drop view by_late_view",
            "drop function by_late",
        ],
    ),
    (
        "a constraint just made",
        &[
            "alter table by_validation add constraint c check (sets_config() = 1) not valid",
            "alter table by_validation validate constraint c",
            "alter table by_validation drop constraint c",
        ],
    ),
    (
        "a constraint of a type just made",
        &[
            "alter domain by_validation_type add constraint c check (sets_config() = 1) not valid",
            "alter domain by_validation_type validate constraint c",
            "alter domain by_validation_type drop constraint c",
        ],
    ),
    (
        "a trigger made by a function",
        &[
            "select installs()",
            "insert into by_installed values (1)",
            "drop trigger t on by_installed",
        ],
    ),
    (
        "a trigger made by a procedure",
        &[
            "call installs_too()",
            "discard all",
            "insert into by_installed values (1)",
            "drop trigger t on by_installed",
        ],
    ),
    (
        "a trigger made by a text in a function",
        &[
            "select installs_by_text()",
            "discard all",
            "insert into by_installed values (1)",
            "drop trigger t on by_installed",
        ],
    ),
    (
        "a trigger made by a function in DO",
        &[
            "do $$ begin perform installs(); end $$",
            "discard all",
            "insert into by_installed values (1)",
            "drop trigger t on by_installed",
        ],
    ),
];

/// The tables and functions behind [`BEHIND`].
const MADE_BEHIND: &str = "
create function sets_config() returns int volatile language plpgsql as
  $$ begin perform set_config('work_mem', '77kB', false); return 1; end $$;
create function pretends() returns int immutable language sql as
  $$ select 1 from (select set_config('work_mem', '77kB', false)) x $$;
create function pretends(int) returns int immutable language sql as $$ select pretends() $$;
create function changes() returns trigger language plpgsql as
  $$ begin set work_mem = '77kB'; if tg_op = 'DELETE' then return old; end if; return new; end $$;
create function locks() returns trigger language plpgsql as $$ begin perform pg_advisory_lock(7); return new; end $$;
create function makes() returns trigger language plpgsql as $$ begin create temp table scratch (a int); return new; end $$;
create function runs() returns trigger language plpgsql as $$ begin execute 'set work_mem = ''77kB'''; return new; end $$;
create function draws() returns trigger language plpgsql as $$ begin new.a := nextval('counter'); return new; end $$;
create table by_trigger (a int);
create trigger t before insert on by_trigger for each row execute function changes();
create table by_truncate (a int);
create trigger t before truncate on by_truncate for each statement execute function changes();
create table by_default (a int, b int default sets_config());
create table by_generation (a int, b int generated always as (pretends(a)) stored);
create table by_check (a int check (a < 100 * sets_config()));
create domain by_domain as int check (value < 100 * sets_config());
create table by_index (a int);
create index on by_index (pretends(a));
create table by_condition (a int);
create index on by_condition (a) where pretends(a) = 1;
create table by_rule (a int);
create rule r as on delete to by_rule do instead select sets_config();
create view by_view as select sets_config();
create view by_views as select * from by_view;
create view through_view as select a from by_trigger;
create table referred (a int primary key);
create table refers (a int references referred on delete cascade);
insert into referred values (1);
insert into refers values (1);
create trigger t before delete on refers for each row execute function changes();
create table whole (a int) partition by range (a);
create table part partition of whole for values from (0) to (10);
create trigger t before insert on part for each row execute function changes();
create table parent (a int);
create table child () inherits (parent);
create trigger t before delete on child for each row execute function changes();
insert into child values (1);
create table by_policy (a int);
insert into by_policy values (1);
alter table by_policy enable row level security;
create policy p on by_policy using (a = sets_config());
grant select on by_policy to low;
create function by_operator(int, int) returns boolean language sql as $$ select sets_config() = 1 $$;
create operator ==== (leftarg = int, rightarg = int, function = by_operator);
create type by_cast as (a int);
create function casts(text) returns by_cast language sql as $$ select row(sets_config())::by_cast $$;
create cast (text as by_cast) with function casts(text);
create function adds(int, int) returns int language sql as $$ select sets_config() $$;
create aggregate by_aggregate(int) (sfunc = adds, stype = int);
create function by_argument(int default sets_config()) returns int language plpgsql as $$ begin return 1; end $$;
create table by_lock (a int);
create trigger t before insert on by_lock for each row execute function locks();
create table by_temp (a int);
create trigger t before insert on by_temp for each row execute function makes();
create table by_text (a int);
create trigger t before insert on by_text for each row execute function runs();
create function inserts() returns void language plpgsql as $$ begin insert into by_trigger values (1); end $$;
create table numbered (id serial);
alter sequence numbered_id_seq owned by none;
create table identified (id int generated always as identity);
create table by_sequence (a int);
create trigger t before insert on by_sequence for each row execute function draws();
create view settings_seen as select * from pg_settings;
create view settings_seen_twice as select * from settings_seen;
create function changes_settings() returns void language sql as
  $$ update pg_settings set setting = '77kB' where name = 'work_mem' $$;
create function changes_settings_seen() returns int language plpgsql as
  $$ begin update settings_seen set setting = '77kB' where name = 'work_mem'; return 1; end $$;
create table by_settings (a int);
create rule r as on insert to by_settings do also update pg_settings set setting = '77kB' where name = 'work_mem';
create table by_fields (a int);
insert into by_fields values (1);
create function by_field(by_fields) returns int language plpgsql as $$ begin return sets_config(); end $$;
create function sums_a_field() returns bigint language sql as $$ select sum(x.by_field) from by_fields x $$;
create function returns_a_field() returns int language plpgsql as
  $$ declare r by_fields; begin r := row(1); return (r).by_field; end $$;
create table by_when (a int);
insert into by_when values (1);
create trigger t before update on by_when for each row when (new.a = 1 + sets_config())
  execute function suppress_redundant_updates_trigger();
create table by_plan_parent (a int);
create table by_plan () inherits (by_plan_parent);
create index on by_plan (a) where a = pretends();
create table by_statistics (a int, b int);
create statistics by_statistics_kept on (a + pretends()), b from by_statistics;
create table by_key (a int) partition by list ((a + pretends()));
create function by_event() returns event_trigger language plpgsql as $$ begin set work_mem = '77kB'; end $$;
create table by_validation (a int);
insert into by_validation values (1);
create domain by_validation_type as int;
create table of_validation_type (a by_validation_type);
insert into of_validation_type values (1);
create table by_installed (a int);
create function installs() returns void language plpgsql as
  $$ begin create trigger t before insert on by_installed for each row execute function changes(); end $$;
create procedure installs_too() language plpgsql as $$ begin perform installs(); end $$;
create function installs_by_text() returns void language plpgsql as
  $$ begin execute 'create trigger t before insert on by_installed for each row execute function changes()'; end $$;
";

/// Everything that could be left. Of a custom setting PostgreSQL keeps the name, with an empty value, as long as
/// the connection lives: that much is not looked at. Errors (`currval`, FETCH) are told by SQLSTATE.
const LOOKS: &[&str] = &[
    "select current_setting('work_mem'), nullif(current_setting('my.secret', true), ''), current_setting('search_path'), current_setting('transaction_read_only'), current_setting('default_transaction_read_only')",
    "select session_user = current_user, current_user",
    "select count(*) from pg_class where relname = 'scratch' and relpersistence = 't' and relnamespace = pg_my_temp_schema()",
    "select count(*) from pg_prepared_statements where name = 'mine'",
    "select count(*) from pg_type where typname = 'mine' and typnamespace = pg_my_temp_schema()",
    "select count(*) from pg_proc where proname = 'mine' and pronamespace = pg_my_temp_schema()",
    "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
    "select count(*) from pg_listening_channels()",
    "select count(*) from pg_cursors where name = 'c'",
    "select count(*) from t where a = 77",
    "select currval('counter')",
    "select currval('numbered_id_seq')",
    "select currval('identified_id_seq')",
    "select lastval()",
    "select now() = statement_timestamp()",
];

fn server() -> Server {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    server
        .execute(
            "shop",
            "create table t (a int); create sequence counter; create schema hidden; create role low;
             create procedure sets_in_procedure() language plpgsql as $$ begin set work_mem = '77kB'; end $$;
             create function sets() returns text language sql as $$ select set_config('work_mem', '77kB', false) $$",
        )
        .unwrap();
    server
}

/// One with functions behind tables as well. They are not in the other: an operator, a cast or a domain that changes a
/// setting lets every statement keep its connection.
fn server_with_things_behind() -> Server {
    let server = server();
    server.execute("shop", MADE_BEHIND).unwrap();
    server
}

fn connect(proxy: &TestProxy, server: &Server) -> RawClient {
    // Where the only connection is being cleaned, a new client may be told to come back.
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match RawClient::trust(proxy.address, server.user(), "shop") {
            Ok(client) => return client,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    }
}

/// Rows as text and errors by SQLSTATE.
fn seen(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .filter_map(|message| match message.tag {
            b'D' => Some(
                message
                    .columns()
                    .into_iter()
                    .map(|column| {
                        column.map_or("NULL".into(), |v| String::from_utf8_lossy(&v).into_owned())
                    })
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
            b'E' => Some(message.error().expect("an error").code),
            _ => None,
        })
        .collect()
}

/// One statement by Parse, Bind, Execute, Sync.
fn extended(client: &mut RawClient, sql: &str) -> Vec<Message> {
    let mut parse = vec![0];
    parse.extend_from_slice(sql.as_bytes());
    parse.extend_from_slice(&[0, 0, 0]);
    client.send(b'P', &parse).unwrap();
    client.send(b'B', &[0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    client.send(b'E', &[0, 0, 0, 0, 0]).unwrap();
    if sql.starts_with("copy") {
        client.send(b'f', b"no data\0").unwrap();
    }
    client.send(b'S', b"").unwrap();
    client.until_ready().unwrap()
}

fn look(proxy: &TestProxy, server: &Server) -> Vec<Vec<String>> {
    let mut client = connect(proxy, server);
    LOOKS
        .iter()
        .map(|sql| seen(&client.simple(sql).unwrap()))
        .collect()
}

#[test]
fn nothing_of_one_client_is_seen_by_the_next() {
    next_sees_nothing(&server(), DEEDS);
}

#[test]
fn nothing_that_happens_behind_a_statement_is_seen_by_the_next() {
    let server = server_with_things_behind();
    next_sees_nothing(&server, BEHIND);
}

/// What the tests look for is there to be found: without a router the client itself sees what it has left.
#[test]
fn what_happens_behind_a_statement_leaves_something() {
    let server = server_with_things_behind();
    let direct = || {
        RawClient::trust(
            ([127, 0, 0, 1], server.port()).into(),
            server.user(),
            "shop",
        )
        .expect("a connection")
    };
    let look = |client: &mut RawClient| -> Vec<_> {
        LOOKS
            .iter()
            .map(|sql| seen(&client.simple(sql).unwrap()))
            .collect()
    };
    let clean = look(&mut direct());
    for (deed, statements) in BEHIND {
        let mut client = direct();
        for sql in *statements {
            client.simple(sql).unwrap();
        }
        assert_ne!(look(&mut client), clean, "{deed}");
    }
}

fn next_sees_nothing(server: &Server, deeds: &[(&str, &[&str])]) {
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(server, "shop", pool));
    let clean = look(&proxy, server);
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
            let mut first = connect(&proxy, server);
            for sql in *statements {
                if by_extended {
                    extended(&mut first, sql);
                } else if let Err(error) = first.simple(sql) {
                    panic!("{deed}: {sql}: {error:?}");
                }
            }
            // Pinned ones keep the only connection until they leave.
            drop(first);
            let found = look(&proxy, server);
            if found != clean {
                leaks.push(format!("{deed} (extended: {by_extended}): {found:?}"));
            }
        }
    }
    assert!(leaks.is_empty(), "expected {clean:?}\n{}", leaks.join("\n"));
}

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

/// A client that leaves in the middle of something, without a goodbye.
#[test]
fn a_client_may_leave_in_any_state() {
    let server = server();
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let clean = look(&proxy, &server);
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
            let mut first = connect(&proxy, &server);
            if begin {
                first.simple("begin; set work_mem = '77kB'").unwrap();
            }
            first.write(bytes).unwrap();
            if state.starts_with("an answered") {
                first.until_ready().unwrap();
            }
            drop(first);
            let found = look(&proxy, &server);
            if *state != "a running query" {
                assert_eq!(found, clean, "{state}, in a transaction: {begin}");
            }
            server.execute("shop", "delete from t").unwrap();
        }
    }
}

/// What a client drew from a sequence it can ask for, or is told that it cannot: it never gets what another one drew.
#[test]
fn the_values_of_sequences_are_a_clients_own() {
    let server = server_with_things_behind();
    server
        .execute(
            "shop",
            "drop operator ==== (int, int); drop cast (text as by_cast); drop domain by_domain",
        )
        .unwrap();
    let pool = PoolSettings {
        max_size: 1,
        acquire_timeout: Duration::from_millis(300),
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let insert = "insert into numbered default values returning id";
    for by_extended in [false, true] {
        let run = |client: &mut RawClient, sql: &str| {
            seen(&match by_extended {
                true => extended(client, sql),
                false => client.simple(sql).unwrap(),
            })
        };
        let (mut one, mut two) = (connect(&proxy, &server), connect(&proxy, &server));
        // Neither has drawn anything; then both have, and each asks in the transaction in which it did.
        for client in [&mut one, &mut two] {
            assert_eq!(run(client, "select lastval()"), ["55000"]);
            client.simple("discard all").unwrap();
            run(client, "begin");
            let id = run(client, insert);
            assert_eq!(run(client, "select lastval()"), id);
            assert_eq!(run(client, "select currval('numbered_id_seq')"), id);
            assert_eq!(
                run(client, "select currval('identified_id_seq')"),
                ["55000"]
            );
            run(client, "rollback");
            client.simple("discard all").unwrap();
        }
        // In another transaction it is on a connection that others had since.
        assert_eq!(run(&mut one, insert).len(), 1);
        assert_eq!(run(&mut two, insert).len(), 1);
        assert_eq!(
            run(&mut one, "select currval('numbered_id_seq')"),
            ["55000"]
        );
        assert_eq!(run(&mut one, "select 1"), ["1"]);
        // A client that calls nextval keeps the connection, and with it the value.
        let drawn = run(&mut one, "select nextval('counter')");
        assert_eq!(run(&mut one, "select currval('counter')"), drawn);
        assert_eq!(run(&mut one, "select lastval()"), drawn);
        assert_eq!(run(&mut two, "select 1"), ["53300"]);
        one.simple("discard all").unwrap();
        assert_eq!(run(&mut one, "select lastval()"), ["55000"]);
        one.simple("discard all").unwrap();
        // Among the statements of one message.
        let message = "begin; insert into numbered default values; select currval('numbered_id_seq') = max(id) from numbered; commit";
        assert_eq!(seen(&two.simple(message).unwrap()), ["t"]);
        two.simple("discard all").unwrap();
        let message = "begin; select 1; select currval('numbered_id_seq'); commit";
        assert_eq!(seen(&one.simple(message).unwrap()).last().unwrap(), "55000");
        one.simple("rollback").unwrap();
    }
}

/// In a pipeline nothing of the router's own can come between: what cannot be answered rightly is refused.
#[test]
fn a_pipeline_does_not_see_the_sequences_of_others() {
    let server = server_with_things_behind();
    server
        .execute(
            "shop",
            "drop operator ==== (int, int); drop cast (text as by_cast); drop domain by_domain",
        )
        .unwrap();
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let pipeline = |client: &mut RawClient, texts: &[&str]| {
        for sql in texts {
            let mut parse = vec![0];
            parse.extend_from_slice(sql.as_bytes());
            parse.extend_from_slice(&[0, 0, 0]);
            client.send(b'P', &parse).unwrap();
            client.send(b'B', &[0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
            client.send(b'E', &[0, 0, 0, 0, 0]).unwrap();
        }
        client.send(b'S', b"").unwrap();
        seen(&client.until_ready().unwrap())
    };
    let draw = "insert into numbered default values returning id";
    let ask = "select currval('numbered_id_seq')";
    for _ in 0..2 {
        let mut first = connect(&proxy, &server);
        assert_eq!(seen(&first.simple(draw).unwrap()).len(), 1);
        drop(first);
        let mut second = connect(&proxy, &server);
        // The first statement says nothing of sequences: by the second one it is too late.
        assert_eq!(pipeline(&mut second, &["select 1", ask]), ["1", "55000"]);
        drop(second);
        let mut third = connect(&proxy, &server);
        let found = pipeline(&mut third, &["begin", draw, ask, "commit"]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0], found[1]);
        drop(third);
        let mut fourth = connect(&proxy, &server);
        assert_eq!(pipeline(&mut fourth, &[ask]), ["55000"]);
    }
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

/// What somebody makes on the server, behind the proxy's back, is noticed when the catalog is read the next time; connections
/// from before are not used again.
#[test]
fn what_is_made_behind_the_proxys_back_is_noticed() {
    let server = server();
    server
        .execute(
            "shop",
            "create table late (a int); create table other (a int)",
        )
        .unwrap();
    let pool = PoolSettings {
        max_size: 1,
        ..PoolSettings::default()
    };
    let proxy = TestProxy::start(unsharded(&server, "shop", pool));
    let mut one = connect(&proxy, &server);
    one.simple("insert into late values (1)").unwrap();
    server
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
        seen(&connect(&proxy, &server).simple("show work_mem").unwrap()),
        ["4MB"]
    );
}

/// `EXPLAIN ANALYZE` carries out what it explains, over shards in steps of the router's own: what triggers leave behind is
/// left by it too.
#[test]
fn nothing_of_an_explained_write_over_shards_is_seen_by_the_next() {
    let server = server_with(2);
    for shard in ["bank0", "bank1"] {
        server
            .execute(
                shard,
                "create function changes() returns trigger language plpgsql as
                   $$ begin set work_mem = '77kB'; return new; end $$;
                 create trigger t before insert or update on accounts for each row execute function changes();
                 create trigger t before insert or update on copies for each row execute function changes();
                 insert into accounts select i from generate_series(1, 8) i where i % 2 = right(current_database(), 1)::int;
                 insert into copies values (1)",
            )
            .unwrap();
    }
    let mut settings = on_one_server(&server, 2, Default::default());
    settings.databases[0].pool.max_size = 1;
    let proxy = TestProxy::start(settings);
    let connect = || {
        // Where the only connection is being cleaned, a new client may be told to come back.
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match RawClient::trust(proxy.address, server.user(), "bank") {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
        }
    };
    let look = |client: &mut RawClient| -> Vec<_> {
        ["s0", "s1"]
            .iter()
            .flat_map(|shard| {
                let directive = format!("set shunt.shard = '{shard}'");
                client.simple(&directive).unwrap();
                let found = seen(&client.simple("select current_setting('work_mem')").unwrap());
                client.simple("reset shunt.shard").unwrap();
                found
            })
            .collect()
    };
    let clean = look(&mut connect());
    let changed = ["77kB", "77kB"];
    assert_ne!(clean, changed);
    let deeds: &[&[&str]] = &[
        &["explain analyze insert into accounts (id) values (21), (22), (23)"],
        &["explain analyze update accounts set balance = balance + 1"],
        &["explain analyze insert into accounts (id) select id + 100 from accounts where id < 9"],
        &["explain analyze update copies set name = 'x'"],
        &[
            "prepare q as update accounts set balance = balance + 1",
            "explain analyze execute q",
        ],
        &[
            "begin",
            "explain analyze update accounts set balance = balance + 1",
            "commit",
        ],
    ];
    for by_extended in [false, true] {
        for deed in deeds {
            let mut first = connect();
            for sql in *deed {
                let answer = match by_extended {
                    true => extended(&mut first, sql),
                    false => first.simple(sql).unwrap(),
                };
                let error = answer.iter().find_map(Message::error);
                assert!(error.is_none(), "{sql}: {error:?}");
            }
            assert_eq!(look(&mut first), changed, "{deed:?} leaves something");
            drop(first);
            let found = look(&mut connect());
            assert_eq!(found, clean, "{deed:?} (extended: {by_extended})");
            server
                .execute("bank0", "delete from accounts where id > 20")
                .unwrap();
            server
                .execute("bank1", "delete from accounts where id > 20")
                .unwrap();
        }
    }
}
