//! Definitions where tables live in different ways: spread, copied, and whole on one shard, which mostly is not the first.

use std::process::Output;
use std::sync::Arc;

use local_postgres::Server;
use router_core::id::Epoch;
use router_core::topology::Topology;
use router_core::topology::spec::TopologySpec;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::RawClient;
use shunt_tests::shards::{
    SCHEMA, layout, modulo, on_one_server, pinned, reference, server_from, spread,
    with_databases_of,
};
use shunt_tests::twin::Pair;

/// `accounts` and pgbench's accounts by key, `copies`, pgbench's branches and tellers on all shards, `pin` on s2, and what is
/// not listed on the default shard. `s0` is the scratch shard.
fn topology(default_shard: &str) -> Topology {
    let spec = TopologySpec {
        default_shard: Some(default_shard.into()),
        scratch: Some("s0".into()),
        placements: vec![modulo("by_account")],
        tables: vec![
            spread("accounts", "id", "by_account"),
            spread("pgbench_accounts", "aid", "by_account"),
            reference("copies"),
            reference("pgbench_branches"),
            reference("pgbench_tellers"),
            pinned("pin", "s2"),
        ],
        ..layout("bank", &["s0", "s1", "s2"])
    };
    Topology::build(&spec, Epoch(1)).expect("a topology")
}

/// Three shards, and one database with the same tables.
struct Bank {
    server: Server,
    proxy: TestProxy,
}

impl Bank {
    fn start() -> Self {
        Self::with_default("s1")
    }

    fn with_default(shard: &str) -> Self {
        let whole = with_databases_of(Server::builder(), &["whole"], SCHEMA);
        let server = server_from(whole, 3);
        let mut settings = on_one_server(&server, 3, Default::default());
        settings.databases[0].topology = Arc::new(topology(shard));
        let proxy = TestProxy::start(settings);
        Self { server, proxy }
    }

    fn connect(&self) -> Pair {
        let user = self.server.user();
        Pair {
            shards: RawClient::trust(self.proxy.address, user, "bank").unwrap(),
            whole: RawClient::direct(&self.server, "whole"),
        }
    }

    /// What a query gives on each shard.
    fn on_shards(&self, sql: &str) -> [String; 3] {
        ["bank0", "bank1", "bank2"].map(|name| self.server.execute(name, sql).unwrap())
    }

    /// A program of PostgreSQL before the shards.
    fn program(&self, name: &str, args: &[&str]) -> Output {
        let mut command = self.proxy.client(&self.server, name, "bank");
        // The unique constraint of `accounts` is without their key.
        command.env("PGOPTIONS", "-c shunt.constraints=per-shard");
        command.args(args).output().expect("it runs")
    }
}

#[track_caller]
fn refused(answer: &[String], code: &str) {
    let error = format!("ERROR {code} ");
    assert!(answer[0].starts_with(&error), "{answer:?}");
}

#[track_caller]
fn works(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[test]
fn a_table_of_one_shard_refers_to_what_that_shard_has() {
    let bank = Bank::start();
    let mut pair = bank.connect();
    pair.both("insert into copies values (1, 'one'), (2, 'two')");
    for table in ["lone", "pin"] {
        pair.both(&format!(
            "create table {table} (id int primary key, copy bigint, accounts int)"
        ));
        pair.both(&format!(
            "alter table only public.{table} add constraint {table}_fk foreign key (copy) references public.copies(id)"
        ));
        pair.both(&format!("alter table {table} add column copies int"));
        pair.both(&format!("insert into {table} values (1, 1)"));
        pair.both(&format!("insert into {table} values (2, 3)"));
    }
    pair.both("delete from copies where id = 1");
    pair.both("alter table pin drop constraint pin_fk");
    pair.both("delete from lone");
    pair.both("delete from copies where id = 1");
    refused(
        &pair.ask("alter table lone add foreign key (id) references accounts (id)"),
        "SH024",
    );
    refused(&pair.ask("alter table lone inherit copies"), "SH015");
    refused(&pair.ask("alter table lone rename to accounts"), "SH015");
    refused(
        &pair.ask("create rule r as on insert to lone do also delete from copies"),
        "SH015",
    );
}

#[test]
fn tables_that_live_in_different_ways_are_dropped_and_emptied_together() {
    let bank = Bank::start();
    let mut pair = bank.connect();
    pair.both("create table lone (id int primary key, copy bigint references copies (id))");
    pair.both("create table pin (id int primary key, copy bigint references copies (id))");
    let fill = "insert into copies values (1, 'one'), (2, 'two'); \
        insert into accounts select i from generate_series(1, 9) i; \
        insert into lone values (1, 1); insert into pin values (1, 2)";
    let count = "select (select count(*) from accounts) a, (select count(*) from copies) c, \
        (select count(*) from lone) l, (select count(*) from pin) p";
    pair.both(fill);
    // `pin` refers to it, and is not named.
    pair.both("truncate copies, lone, accounts");
    pair.both(count);
    pair.both("truncate table only accounts, copies *, lone, pin restart identity");
    assert_eq!(pair.both(count)[1], "row 0|0|0|0");
    pair.both(fill);
    pair.both("truncate accounts, copies cascade");
    assert_eq!(pair.both(count)[1], "row 0|0|0|0");
    pair.both(fill);
    // All of it or nothing, in a transaction and by itself.
    pair.both("begin; truncate accounts, copies, lone, pin; rollback");
    assert_eq!(pair.both(count)[1], "row 9|2|1|1");
    pair.both("begin; lock table accounts, lone, pin in access share mode; commit");
    pair.both("begin isolation level repeatable read read only; lock table accounts, lone in access share mode; select count(*) from accounts; commit");
    pair.both("drop table accounts, lone, copies");
    pair.both("drop table accounts, lone, nix");
    assert_eq!(pair.both(count)[1], "row 9|2|1|1");
    pair.both("drop table if exists accounts, nix, lone, copies, pin, nor_this cascade");
    pair.both("drop table if exists accounts, lone");
    let left = "select count(*) from pg_class where relnamespace = 'public'::regnamespace";
    assert_eq!(bank.on_shards(left), ["0", "0", "0"]);
}

#[test]
fn pgbench_makes_its_tables_wherever_they_live() {
    let bank = Bank::start();
    for steps in ["dtgvp", "dtGvp"] {
        works(&bank.program("pgbench", &["-i", "-I", steps]));
    }
    works(&bank.program("pgbench", &["-n", "-t", "20"]));
    let count = "select count(*) from pgbench_history";
    assert_eq!(bank.server.execute("bank1", count).unwrap(), "20");
    let mut pair = bank.connect();
    let answer = pair.ask("select sum(abalance) = (select sum(delta) from pgbench_history), count(*) from pgbench_accounts");
    assert_eq!(answer[1], "row t|100000");
}

#[test]
fn clients_leave_the_routers_own_schema_alone() {
    let bank = Bank::start();
    let mut pair = bank.connect();
    // Committed on several shards, so it is there.
    pair.both("insert into accounts select i from generate_series(1, 9) i");
    for sql in [
        "drop table if exists shunt.decisions",
        "drop schema if exists shunt cascade",
        "create schema shunt",
        "create table shunt.decisions (id text)",
        "alter table shunt.decisions owner to current_user",
        "truncate shunt.decisions",
        "insert into shunt.decisions values ('x', true, '{}')",
        "update shunt.decisions set committed = false",
        "delete from shunt.decisions",
        "copy shunt.decisions from stdin",
        "merge into shunt.decisions d using copies c on d.id = c.name when matched then delete",
        "set search_path = shunt, public; delete from decisions",
        "set shunt.shard = 's0'; drop table shunt.decisions",
        "begin; truncate lone, shunt.decisions",
    ] {
        let answer = pair.ask(sql);
        let error = answer.iter().find(|line| line.starts_with("ERROR"));
        assert!(
            error.is_some_and(
                |e| e.starts_with("ERROR SH034 ") && e.contains("--exclude-schema=shunt")
            ),
            "{sql}: {answer:?}"
        );
        pair.ask("rollback");
        pair.ask("reset search_path");
        pair.ask("reset shunt.shard");
    }
    let answer = pair
        .shards
        .extended("delete from shunt.decisions", &[], false);
    refused(&shunt_tests::twin::shown(&answer.unwrap()), "SH034");
    let kept = "select count(*) from pg_class where oid = to_regclass('shunt.decisions')";
    assert!(bank.on_shards(kept).contains(&"1".to_owned()));
    pair.both("update accounts set balance = 1");
    pair.both("select count(*) from accounts where balance = 1");
}

/// As pg_dump writes a column that was made `serial`.
const NUMBERED: &[&str] = &[
    "CREATE TABLE public.notes (id integer NOT NULL, body text)",
    "CREATE SEQUENCE public.notes_id_seq AS integer START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1",
    "ALTER SEQUENCE public.notes_id_seq OWNED BY public.notes.id",
    "ALTER TABLE ONLY public.notes ALTER COLUMN id SET DEFAULT nextval('public.notes_id_seq'::regclass)",
];

#[test]
fn a_sequence_is_where_its_table_is() {
    with_sequences("s1", ["0", "1", "0"]);
}

#[test]
fn a_sequence_of_the_first_shard_goes_on() {
    with_sequences("s0", ["1", "0", "0"]);
}

fn with_sequences(shard: &str, there_alone: [&str; 3]) {
    let bank = Bank::with_default(shard);
    let mut pair = bank.connect();
    let there = "select count(*) from pg_class where relkind = 'S' and relname = 'notes_id_seq'";
    for _ in 0..2 {
        for sql in NUMBERED {
            pair.both(sql);
        }
        assert_eq!(bank.on_shards(there), there_alone);
        let range = "select seqstart, seqmin, seqmax, seqincrement from pg_sequence where seqrelid = to_regclass('notes_id_seq')";
        let whole = bank.server.execute("whole", range).unwrap();
        assert!(bank.on_shards(range).contains(&whole), "{whole}");
        pair.both("insert into notes (body) values ('a'), ('b') returning id");
        pair.both("select nextval('notes_id_seq')");
        pair.both("select pg_catalog.setval('public.notes_id_seq', 50, true)");
        pair.both("insert into notes (body) values ('c') returning id");
        pair.both("select last_value, is_called from notes_id_seq");
        pair.both("truncate notes restart identity");
        pair.both("insert into notes (body) values ('c') returning id");
        refused(
            &pair.ask("alter sequence notes_id_seq owned by none"),
            "SH015",
        );
        pair.both("drop table notes");
        assert_eq!(bank.on_shards(there), ["0", "0", "0"]);
    }
    // One of its own is on all shards, until it gets an owner.
    pair.both("create table notes (id int, body text)");
    pair.both("create sequence notes_id_seq");
    assert_eq!(bank.on_shards(there), ["1", "1", "1"]);
    pair.both("select nextval('notes_id_seq')");
    let give = "alter sequence notes_id_seq owned by notes.id";
    if shard == "s0" {
        pair.both(give);
        assert_eq!(bank.on_shards(there), there_alone);
        pair.both("select nextval('notes_id_seq')");
    } else {
        refused(&pair.ask(give), "SH015");
        assert_eq!(bank.on_shards(there), ["1", "1", "1"]);
    }
    pair.both("drop sequence notes_id_seq");
    pair.both("begin; create sequence notes_id_seq; alter sequence notes_id_seq owned by notes.id; commit");
    assert_eq!(bank.on_shards(there), there_alone);
    pair.both("drop table notes; create table notes (id int)");
    pair.both("create sequence notes_id_seq owned by notes.id");
    assert_eq!(bank.on_shards(there), there_alone);
    pair.both("select nextval('notes_id_seq')");
    // What is made on all shards in a block of the router's says nothing of that block.
    pair.both("create sequence s");
    for sql in [
        "create sequence s",
        "create table accounts (id bigserial primary key)",
        "create sequence t as nix",
    ] {
        let [shards, whole] = [&mut pair.shards, &mut pair.whole].map(|client| {
            let answer = client.simple(sql).unwrap();
            let error = answer.into_iter().find(|message| message.tag == b'E');
            let body = error.expect("an error").body.to_vec();
            let fields = body.split(|byte| *byte == 0).map(<[u8]>::to_vec);
            // Where in PostgreSQL's source it was raised is the same, too.
            let mut fields: Vec<_> = fields.map(|f| String::from_utf8(f).unwrap()).collect();
            fields.sort();
            fields
        });
        assert_eq!(shards, whole, "{sql}");
    }
}

#[test]
fn a_dump_is_restored_over_itself_again_and_again() {
    // What is on the first shard is in its catalogs, which pg_dump reads.
    let bank = Bank::with_default("s0");
    let mut pair = bank.connect();
    pair.both("insert into accounts select i from generate_series(1, 9) i");
    pair.both("insert into copies values (1, 'one')");
    pair.both("create table notes (id serial primary key, copy bigint references copies (id))");
    pair.both("create table more (id int primary key, copy bigint references copies (id))");
    pair.both("insert into notes (copy) values (1), (null)");
    pair.both("insert into more values (1, 1)");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump");
    let file = file.to_str().unwrap();
    for round in 0..2 {
        works(&bank.program("pg_dump", &["-Fc", "--exclude-schema=shunt", "-f", file]));
        let restored = bank.program(
            "pg_restore",
            &[
                "--clean",
                "--if-exists",
                "--exit-on-error",
                "-d",
                "bank",
                file,
            ],
        );
        works(&restored);
        pair.both("insert into notes (copy) values (1) returning id");
        pair.both("insert into notes (copy) values (3)");
        for table in ["accounts", "copies", "notes", "more"] {
            pair.both(&format!("table {table}"));
        }
        assert_eq!(
            pair.both("select count(*) from notes")[1],
            format!("row {}", 3 + round)
        );
    }
}

#[test]
fn constraints_that_each_shard_keeps_are_asked_for_by_a_setting() {
    let bank = Bank::start();
    let mut pair = bank.connect();
    pair.both("drop table accounts");
    let create = "create table accounts (id bigint, name text primary key)";
    refused(&pair.ask(create), "SH024");
    assert!(pair.ask(create)[0].contains("SET shunt.constraints = 'per-shard'"));
    assert_eq!(pair.ask("show shunt.constraints")[1], "row all-shards");
    refused(&pair.ask("set shunt.constraints = 'nix'"), "SH019");
    pair.ask("set shunt.constraints = 'per-shard'");
    assert_eq!(pair.ask("show shunt.constraints")[1], "row per-shard");
    assert_eq!(pair.ask(create)[0], "tag CREATE TABLE");
    assert_eq!(pair.ask("drop table accounts")[0], "tag DROP TABLE");
    pair.ask("reset shunt.constraints");
    refused(&pair.ask(create), "SH024");
    // From the start, as PGOPTIONS has it.
    let user = bank.server.user();
    let mut client = RawClient::connect(
        bank.proxy.address,
        &[
            ("user", user),
            ("database", "bank"),
            (
                "options",
                "-c shunt.constraints=per-shard -c shunt.shard=s1",
            ),
        ],
        None,
    )
    .unwrap();
    let mut ask = |sql: &str| shunt_tests::twin::shown(&client.simple(sql).unwrap());
    assert_eq!(ask("select current_database()")[1], "row bank1");
    ask("set shunt.shard = ''");
    assert_eq!(ask("show shunt.shard")[1], "row ");
    assert_eq!(ask(create)[0], "tag CREATE TABLE");
    ask("reset shunt.shard");
    assert_eq!(ask("select current_database()")[1], "row bank1");
    let wrong = RawClient::connect(
        bank.proxy.address,
        &[
            ("user", user),
            ("database", "bank"),
            ("shunt.constraints", "nix"),
        ],
        None,
    );
    assert!(wrong.err().expect("refused").to_string().contains("SH019"));
}

#[test]
fn what_is_not_used_reads_a_table_of_another_shard() {
    let bank = Bank::start();
    let mut pair = bank.connect();
    pair.both("create table lone (id int primary key)");
    pair.both("create table pin (id int primary key)");
    pair.both("insert into accounts select i, i % 3 from generate_series(1, 9) i");
    for table in ["lone", "pin"] {
        for query in [
            "count(*) from accounts",
            "balance, count(*) from accounts group by balance",
            "id from accounts order by id",
            "id from accounts where balance < 2 order by id limit 3",
            "distinct balance from accounts",
            "sum(id) from accounts where id > 3",
            "id from accounts",
        ] {
            pair.both(&format!("with w as (select * from {table}) select {query}"));
        }
    }
}

#[test]
fn a_routine_in_sql_reads_a_table_of_one_shard() {
    let bank = Bank::start();
    let mut pair = bank.connect();
    pair.both("create table lone (id int primary key)");
    pair.both("create table pin (id int primary key)");
    pair.both("create view few as select id from pin where id > 1");
    pair.both("insert into lone values (1), (2)");
    pair.both("insert into pin values (1), (2), (3)");
    let sql = |name: &str, body: &str| {
        format!(
            "create or replace function {name}() returns bigint stable language sql as $$ {body} $$"
        )
    };
    pair.both(&sql("of_lone", "select count(*) from lone"));
    pair.both(&sql("of_pin", "select count(*) from pin, copies"));
    pair.both(&sql("of_view", "select 'a\\b'; select count(*) from few"));
    pair.both("create procedure empty() language sql as 'delete from lone'");
    let made = "select string_agg(proname, ' ' order by proname) from pg_proc where proname ~ '^of_|^empty$'";
    assert_eq!(
        bank.on_shards(made),
        ["empty of_lone of_pin of_view"; 3].map(String::from)
    );
    pair.both("/* shunt: shard=s1 */ select of_lone()");
    pair.both("/* shunt: shard=s2 */ select of_view()");
    pair.both("/* shunt: shard=s1 */ call empty()");
    pair.both("select count(*) from lone");
    // What is wrong with a body is found where its table is.
    pair.both(&sql("wrong", "select nothing from pin"));
    pair.both(&sql("wrong", "select count(*) from nowhere"));
    pair.both(&sql("wrong", "selec count(*) from pin"));
    pair.both(&sql("wrong", "select id::text from pin"));
    // In a transaction of the client's the check is as before.
    pair.both("begin");
    pair.both(&sql("of_lone", "select count(*) from lone where id > 1"));
    pair.both("show check_function_bodies");
    pair.both("rollback");
    pair.both("set check_function_bodies = off");
    pair.both(&sql("wrong", "select nothing from pin"));
    pair.both("show check_function_bodies");
    pair.both("insert into lone (id) values (901)");
    pair.both("call empty()");
    pair.both("select count(*) from lone");
}
