//! What clients do that would be seen on a server connection by the next, and where it would be seen.

/// What a client does, and a query whose answer would give it away.
pub(super) const DEEDS: &[(&str, &[&str])] = &[
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

/// Everything that could be left. Of a custom setting PostgreSQL keeps the name, with an empty value, as long as
/// the connection lives: that much is not looked at. Errors (`currval`, FETCH) are told by SQLSTATE.
pub(super) const LOOKS: &[&str] = &[
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
