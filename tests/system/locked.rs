//! Somebody has a table locked against reads, for as long as a migration takes, and somebody else defines something: all
//! others go on. Who needs the table waits for it, as on one server.

use std::sync::Arc;

use local_postgres::Server;
use router_core::id::Epoch;
use router_core::topology::Topology;
use router_proxy::settings::TwoPhaseSettings;
use shunt_tests::patience::await_blocked;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::shards::{on_one_server, server_with, spec, spread};
use shunt_tests::twin::shown;

const SHARDS: usize = 3;

/// Beside accounts and copies there is a sharded table `notes`, and a view `low` of accounts.
const SCHEMA: &str = "create table notes (id bigint primary key, v text default 'none');
    create view low as select id, balance from accounts where id < 4;
    create view lowest as select min(id) as id from low;
    create function at_rest() returns bigint stable begin atomic select count(*) from accounts; end";

struct Bed {
    server: Server,
    proxy: TestProxy,
}

impl Bed {
    fn start() -> Self {
        let server = server_with(SHARDS);
        for shard in 0..SHARDS {
            server.execute(&format!("bank{shard}"), SCHEMA).unwrap();
        }
        let mut settings = on_one_server(&server, SHARDS, TwoPhaseSettings::default());
        let mut spec = spec(SHARDS);
        spec.tables.push(spread("notes", "id", "by_account"));
        let topology = Topology::build(&spec, Epoch(1)).expect("a topology");
        settings.databases[0].topology = Arc::new(topology);
        let bed = Self {
            proxy: TestProxy::start(settings),
            server,
        };
        let mut client = bed.connect();
        for sql in [
            "insert into accounts (id, balance) values (1,10),(2,20),(3,30),(4,40),(5,50),(6,60)",
            "insert into notes values (1,'a'),(2,'b'),(3,'c')",
            "insert into copies values (1,'one')",
        ] {
            works(&mut client, sql);
        }
        bed
    }

    fn connect(&self) -> RawClient {
        RawClient::trust(self.proxy.address, self.server.user(), "bank").unwrap()
    }

    /// Waits until so many server connections wait for a lock.
    fn blocked(&self, connections: usize) {
        await_blocked(&self.server, connections);
    }
}

#[track_caller]
fn works(client: &mut RawClient, sql: &str) -> Vec<String> {
    let told = shown(&client.simple(sql).unwrap());
    let error = told.iter().any(|line| line.starts_with("ERROR"));
    assert!(!error, "{sql}: {told:?}");
    told
}

/// Sends a query and does not wait for its answer.
fn ask(client: &mut RawClient, sql: &str) {
    client.send(b'Q', format!("{sql}\0").as_bytes()).unwrap();
}

fn answer(client: &mut RawClient) -> Vec<String> {
    shown(&client.until_ready().unwrap())
}

/// The answers of a pipeline.
fn pipeline(client: &mut RawClient, statements: &[&str]) -> Vec<String> {
    shown(&client.pipeline(statements).unwrap())
}

#[track_caller]
fn has(told: &[String], line: &str) {
    assert!(told.iter().any(|said| said == line), "{line}: {told:?}");
}

/// Nothing here is given up by a limit of time: what waits for the holder would wait until the test fails.
#[test]
fn others_go_on_beside_who_holds_a_table_and_who_defines_something() {
    for lock in [
        "lock table accounts in access exclusive mode",
        "alter table accounts alter column note type varchar(50)",
        "create index on accounts (balance); alter table accounts add column more int default 1",
    ] {
        let bed = Bed::start();
        let (mut holder, mut definer) = (bed.connect(), bed.connect());
        let (mut other, mut prepared) = (bed.connect(), bed.connect());
        frame_parse(&mut prepared, "find", "select v from notes where id = $1");
        works(&mut holder, "begin");
        for sql in lock.split("; ") {
            works(&mut holder, sql);
        }
        for definition in [
            "alter table copies add column extra int default 7",
            "create table if not exists copies (id int)",
            "create index on notes (v)",
        ] {
            works(&mut definer, definition);
            for sql in [
                "select 1",
                "set application_name = 'other'",
                "begin",
                "select v from notes where id = 2",
                "update notes set v = upper(v)",
                "rollback",
                "select name, extra from copies",
                "update copies set name = 'two'",
                "insert into notes values (11,'x'),(12,'y'),(13,'z')",
                "insert into notes (id) values (21),(22),(23)",
                "select id from notes where v = 'none' order by id desc limit 2",
                "delete from notes where id > 10",
                "create temp table mine (id int)",
                "insert into mine select id from notes",
                "drop table mine",
                "do $$ begin if not exists (select from pg_class where relname = 'nothing') then create schema if not exists more; end if; end $$",
            ] {
                works(&mut other, sql);
            }
            let told = works(&mut other, "select count(*), max(v) from notes");
            has(&told, "row 3|c");
            let told = pipeline(
                &mut prepared,
                &[
                    "select count(*) from notes",
                    "select v from notes where id = 3",
                ],
            );
            has(&told, "row 3");
            has(&told, "row c");
            let told = shown(&bound(&mut prepared, "find", "2"));
            has(&told, "row b");
        }
        // Who needs the table waits, and whoever reads a view of it waits there, too.
        let mut waiting = Vec::new();
        for (sql, row) in [
            ("select balance from accounts where id = 2", "row 20"),
            ("select sum(balance) from accounts", "row 210"),
            ("select max(id) from low", "row 3"),
            ("select id + 0 from lowest", "row 1"),
        ] {
            let mut client = bed.connect();
            ask(&mut client, sql);
            waiting.push((client, row));
        }
        let mut within = bed.connect();
        works(&mut within, "begin");
        works(&mut within, "insert into notes values (31, 'w')");
        ask(
            &mut within,
            "select count(*) from low, notes where notes.id = 31",
        );
        // The sum waits on all shards, the others on one.
        bed.blocked(7);
        let mut hasty = bed.connect();
        works(&mut hasty, "set lock_timeout = '50ms'");
        let told = shown(&hasty.simple("select max(id) from low").unwrap());
        assert!(told[0].starts_with("ERROR 55P03"), "{told:?}");
        // The holder himself has it.
        let told = works(&mut holder, "select max(id) from low");
        has(&told, "row 3");
        works(
            &mut holder,
            "update accounts set balance = balance where id = 3",
        );
        works(&mut holder, "commit");
        for (mut client, row) in waiting {
            has(&answer(&mut client), row);
        }
        has(&answer(&mut within), "row 3");
        works(&mut within, "commit");
        has(&works(&mut hasty, "select max(id) from low"), "row 3");
        has(&works(&mut other, "select count(*) from notes"), "row 4");
    }
}

/// What a lock is waited for by somebody with reads of his own in an open transaction is his for the rest of it, also beside
/// one who waits for him.
#[test]
fn a_transaction_reads_what_it_has_locked_itself() {
    let bed = Bed::start();
    let (mut reader, mut holder, mut definer) = (bed.connect(), bed.connect(), bed.connect());
    works(&mut reader, "begin");
    has(
        &works(&mut reader, "select count(*) from accounts"),
        "row 6",
    );
    ask(
        &mut holder,
        "alter table accounts add column more int default 1",
    );
    bed.blocked(1);
    works(&mut definer, "create index on notes (v)");
    works(&mut definer, "select count(*) from notes");
    has(&works(&mut reader, "select max(id) from low"), "row 3");
    works(&mut reader, "create index on copies (name)");
    has(&works(&mut reader, "select max(id) from low"), "row 3");
    works(&mut reader, "commit");
    let told = answer(&mut holder);
    has(&told, "tag ALTER TABLE");
    has(
        &works(&mut definer, "select sum(more) from accounts"),
        "row 6",
    );
}

fn frame_parse(client: &mut RawClient, name: &str, sql: &str) {
    let mut packet = bytes::BytesMut::new();
    frame(&mut packet, b'P', format!("{name}\0{sql}\0\0\0").as_bytes());
    frame(&mut packet, b'S', b"");
    client.write(&packet).unwrap();
    client.until_ready().unwrap();
}

fn bound(client: &mut RawClient, name: &str, value: &str) -> Vec<shunt_tests::raw::Message> {
    let mut bind = format!("\0{name}\0").into_bytes();
    bind.extend_from_slice(&[0, 0, 0, 1]);
    bind.extend_from_slice(&(value.len() as u32).to_be_bytes());
    bind.extend_from_slice(value.as_bytes());
    bind.extend_from_slice(&[0, 0]);
    let mut packet = bytes::BytesMut::new();
    frame(&mut packet, b'B', &bind);
    frame(&mut packet, b'E', &[0; 5]);
    frame(&mut packet, b'S', b"");
    client.write(&packet).unwrap();
    client.until_ready().unwrap()
}
