//! The same where no statement says so: functions behind tables, views, types and operators do it.

/// What a client does without its statements saying so: functions behind tables and views do it.
pub(super) const BEHIND: &[(&str, &[&str])] = &[
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
pub(super) const MADE_BEHIND: &str = "
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
