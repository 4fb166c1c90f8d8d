//! COPY over three shards beside one plain server: the same rows, the same answers, or all of it undone.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use local_postgres::Server;
use router_core::id::ShardId;
use router_core::topology::Topology;
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, SpreadSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::value::KeyType;
use shunt_tests::driver;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{Message, RawClient, seen};
use shunt_tests::shards::{layout, modulo, proxy_before, reference, spread, with_databases_of};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::Type;

const SCHEMA: &str = "create table events (id bigint primary key, name text check (name <> 'bad'), at date default '2020-01-01'); \
     create table docs (body text, lang varchar(3), slug text, n int default 7, twice int generated always as (n * 2) stored, \
     primary key (slug, lang)); \
     create table tags (id uuid primary key, name text); \
     create table countries (code text primary key, name text default 'none')";

/// The tables, each with its columns for comparison and the names of its key columns.
const TABLES: [(&str, &str, &[&str]); 3] = [
    ("events", "id, name, at", &["id"]),
    ("docs", "slug, lang, body, n, twice", &["slug", "lang"]),
    ("tags", "id, name", &["id"]),
];

const DATABASES: [&str; 3] = ["shop0", "shop1", "shop2"];

struct Bed {
    server: Server,
    proxy: TestProxy,
    topology: Arc<Topology>,
    clients: RefCell<HashMap<&'static str, RawClient>>,
}

fn spec() -> TopologySpec {
    let placement = |name: &str, types: &[KeyType]| PlacementSpec {
        name: name.into(),
        types: types.to_vec(),
        strategy: StrategySpec::Hash {
            buckets: 64,
            spread: SpreadSpec::Even(None),
        },
    };
    let docs = HomeSpec::Sharded {
        key: vec!["slug".into(), "lang".into()],
        placement: "by_doc".into(),
    };
    TopologySpec {
        scratch: Some("s0".into()),
        placements: vec![
            modulo("by_id"),
            placement("by_doc", &[KeyType::Text, KeyType::Text]),
            placement("by_tag", &[KeyType::Uuid]),
        ],
        tables: vec![
            spread("events", "id", "by_id"),
            TableSpec {
                schema: "public".into(),
                name: "docs".into(),
                home: docs,
            },
            spread("tags", "id", "by_tag"),
            reference("countries"),
        ],
        ..layout("shop", &["s0", "s1", "s2"])
    }
}

impl Bed {
    fn start() -> Self {
        let builder = with_databases_of(Server::builder(), &["plain"], SCHEMA);
        let server = with_databases_of(builder, &DATABASES, SCHEMA)
            .start()
            .unwrap();
        let proxy = proxy_before(&server, &spec(), &DATABASES, 1);
        let topology = Arc::clone(&proxy.settings().databases[0].topology);
        Self {
            server,
            proxy,
            topology,
            clients: RefCell::default(),
        }
    }

    /// What psql says to a script, on the plain server and through the proxy.
    fn psql(&self, through: bool, script: &[u8]) -> (String, String) {
        let mut command = match through {
            true => self.proxy.client(&self.server, "psql", "shop"),
            false => self.server.client("psql", "plain"),
        };
        let mut child = command
            .args(["-X", "-A", "-v", "VERBOSITY=verbose"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql runs");
        let mut input = child.stdin.take().expect("a pipe");
        let script = script.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&script));
        let output = child.wait_with_output().expect("psql ends");
        let _ = writer.join().expect("the writer ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    }

    /// Both say the same, and then hold the same.
    fn same(&self, script: &[u8]) {
        let (plain, plain_errors) = self.psql(false, script);
        let (shop, errors) = self.psql(true, script);
        let shown = String::from_utf8_lossy(&script[..script.len().min(2000)]).into_owned();
        assert_eq!(shop, plain, "{shown}\n{errors}");
        assert_eq!(messages(&errors), messages(&plain_errors), "{shown}");
        self.hold_the_same();
    }

    /// The proxy says this error and the shards hold what they held.
    fn refused(&self, script: &[u8], states: &[&str]) -> String {
        let before: Vec<_> = TABLES.iter().map(|t| self.rows(t.0, t.1)).collect();
        let (_, errors) = self.psql(true, script);
        assert!(
            states.iter().any(|state| errors.contains(state)),
            "{states:?}: {errors}"
        );
        let after: Vec<_> = TABLES.iter().map(|t| self.rows(t.0, t.1)).collect();
        assert_eq!(after, before);
        errors
    }

    /// What a database holds, as its own client sees it.
    fn lines(&self, database: &'static str, sql: &str) -> Vec<String> {
        let mut clients = self.clients.borrow_mut();
        let client = clients
            .entry(database)
            .or_insert_with(|| RawClient::direct(&self.server, database));
        seen(&client.simple(sql).unwrap())
    }

    /// The rows of all shards together.
    fn rows(&self, table: &str, columns: &str) -> Vec<String> {
        let sql = format!("select row({columns})::text from {table}");
        let mut rows: Vec<_> = DATABASES
            .iter()
            .flat_map(|database| self.lines(database, &sql))
            .collect();
        rows.sort();
        rows
    }

    fn hold_the_same(&self) {
        for (table, columns, key) in TABLES {
            let sql = format!("select row({columns})::text from {table}");
            let mut plain = self.lines("plain", &sql);
            plain.sort();
            assert_eq!(self.rows(table, columns), plain, "{table}");
            let Some(router_core::topology::Home::Sharded { placement, .. }) =
                self.topology.home("public", table)
            else {
                panic!("{table} is sharded");
            };
            let placement = self.topology.placement(placement);
            for (n, database) in DATABASES.iter().enumerate() {
                let home = placement.predicate(key, ShardId(n as u16));
                let sql = format!("select count(*) from {table} where ({home}) is not true");
                assert_eq!(self.lines(database, &sql), ["0"], "{table} in {database}");
            }
        }
        let sql = "select row(code, name)::text from countries order by 1";
        let plain = self.lines("plain", sql);
        for database in DATABASES {
            assert_eq!(self.lines(database, sql), plain, "countries of {database}");
        }
    }

    fn raw(&self) -> RawClient {
        RawClient::trust(self.proxy.address, self.server.user(), "shop").unwrap()
    }

    async fn connect(&self, through: bool) -> Client {
        let url = match through {
            true => self.proxy.url(self.server.user(), "shop"),
            false => self.server.url("plain"),
        };
        driver::connect(&url).await
    }
}

/// SQLSTATE and message of each error: its place in the data is not the same.
fn messages(errors: &str) -> Vec<&str> {
    let lines = errors.lines();
    lines.filter(|line| line.contains("ERROR:")).collect()
}

#[test]
fn rows_of_every_format_reach_their_homes() {
    let bed = Bed::start();
    bed.same(b"copy events from stdin;\n1\tone\t2021-01-01\n-2\t\\N\t\\N\n30\tthree\\tpart\t2021-01-02\n\\.\n");
    bed.same(b"copy events (name, id) from stdin;\none\t4\n\\\\\t5\n\\x41\\\n\\\t6\t\t7\n\\.\n");
    bed.same(b"copy events (name, id) from stdin csv header delimiter ';' where id <> 11;\nname;id\n\"a;\"\"\n\";8\n;9\nx;11\n\\.\n");
    bed.same(
        b"copy events (name, id) from stdin (format csv, header match);\nname,nix\na,12\n\\.\n",
    );
    bed.same(b"copy docs from stdin;\nbody one\ten\tfirst\t1\nbody two\tde \tsecond\t2\nthree\tfr\tdritter \xc3\xa4\t\\N\n\\.\n");
    // Blanks beyond three characters are not stored.
    bed.same(b"copy docs (slug, lang) from stdin csv;\n\"x\",\"en    \"\n\"\",de\n\\.\n");
    bed.same(b"copy docs (lang, slug, body) from stdin (format csv, null '-', force_null (body), quote '''');\nen,y,'-'\nfr,'y',z\n\\.\n");
    bed.same(b"copy tags from stdin;\nA0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11\tone\n{a0eebc999c0b4ef8bb6d6bb9bd380a12}\ttwo\n\\.\n");
    bed.same(b"copy countries from stdin;\nde\tGermany\nfr\tFrance\n\\.\n");
    // No row at all, and only a header.
    bed.same(b"copy events from stdin;\n\\.\n");
    bed.same(b"copy events from stdin csv header;\nid,name,at\n\\.\n");
    // In the middle of other statements, and of a transaction.
    bed.same(b"begin;\ncopy events from stdin;\n40\tx\t2020-01-01\n\\.\nselect name from events where id = 40;\nrollback;\n");
    bed.same(b"begin;\ncopy countries from stdin;\nit\tItaly\n\\.\ncommit;\nselect name from countries where code = 'it';\n");
    bed.same(b"select 1\\; copy events from stdin\\; select name from events where id = 41;\n41\tx\t2020-01-01\n\\.\n");
}

#[test]
fn a_row_that_is_wrong_undoes_all_of_it() {
    let bed = Bed::start();
    bed.same(b"copy events from stdin;\n1\tone\t2021-01-01\n\\.\n");
    for script in [
        // Of one shard only: a duplicate, a constraint, a value that is none, too few and too many fields.
        &b"copy events from stdin;\n2\tx\t\\N\n3\tx\t\\N\n1\tx\t\\N\n4\tx\t\\N\n\\.\n"[..],
        b"copy events from stdin;\n2\tx\t\\N\n3\tbad\t\\N\n4\tx\t\\N\n\\.\n",
        b"copy events from stdin;\n2\tx\t\\N\n3\tx\tnever\n\\.\n",
        b"copy events from stdin;\n2\tx\t\\N\n3\n4\tx\t\\N\n\\.\n",
        b"copy events from stdin;\n2\tx\t\\N\n3\tx\t\\N\tmore\n\\.\n",
        b"copy events from stdin;\n2\tx\t\\N\nthree\tx\t\\N\n\\.\n",
        b"copy events from stdin;\n2\tx\t\\N\n99999999999999999999\tx\t\\N\n\\.\n",
        b"copy events from stdin csv;\n2,x,\n3,\"x,\n\\.\n",
        // Of the stream as a whole.
        b"copy events from stdin;\n2\tx\t\\N\n3\tx\r\t\\N\n\\.\n",
        // Of the statement.
        b"copy events (id, nix) from stdin;\nselect 1;\n",
        b"copy events from stdin (delimiter 'ab');\nselect 1;\n",
    ] {
        bed.same(script);
    }
    let errors = bed.refused(
        b"copy events from stdin;\n2\tx\t\\N\n3\tbad\t\\N\n4\tx\t\\N\n\\.\n",
        &["23514"],
    );
    assert!(errors.contains("COPY events, line 2"), "{errors}");
    let errors = bed.refused(
        b"copy events (name, id) from stdin;\nx\t2\nx\t\\N\n\\.\n",
        &["SH011"],
    );
    assert!(errors.contains("COPY events, line 2"), "{errors}");
    bed.refused(b"copy events (name) from stdin;\nx\n\\.\n", &["SH008"]);
    bed.refused(
        b"set client_encoding to sjis;\ncopy events from stdin;\n2\tx\t\\N\n\\.\n",
        &["SH002"],
    );
    bed.refused(
        b"set client_encoding to latin1;\ncopy docs (slug, lang) from stdin;\n\xe4\tde\n\\.\n",
        &["SH009"],
    );
    bed.same(b"set client_encoding to latin1;\ncopy events from stdin;\n7\t\xe4\t\\N\n\\.\n");
}

#[test]
fn rows_come_back_in_every_format() {
    let bed = Bed::start();
    bed.same(b"copy events from stdin;\n1\tone\t2021-01-01\n-2\t\\N\t\\N\n30\tthree\\tpart\t2021-01-02\n5\tx\t\\N\n\\.\n");
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // The header stays at the top.
        let from = usize::from(text.starts_with("id"));
        lines[from..].sort();
        lines
    };
    for sql in [
        "copy events to stdout;\n",
        "copy events (name, id) to stdout csv;\n",
        "copy events to stdout csv header;\n",
        "copy events to stdout (header);\n",
        "copy (select id, name from events where id > 0) to stdout csv header;\n",
        "copy (select id from events where id = 1) to stdout csv header;\n",
        "copy (select id from events where id in (1, 30)) to stdout;\n",
        "copy (select id from events where false) to stdout csv header;\n",
    ] {
        let (plain, _) = bed.psql(false, sql.as_bytes());
        let (shop, errors) = bed.psql(true, sql.as_bytes());
        assert_eq!(sorted(&shop), sorted(&plain), "{sql}{errors}");
        assert!(!plain.is_empty());
    }
    // What has to be sorted or counted together.
    for sql in [
        "copy (select id, name from events order by id desc limit 3) to stdout csv header;\n",
        "copy (select count(*), max(id) from events) to stdout;\n",
        "copy (select name, id from events order by id) to stdout (delimiter '|');\n",
        "begin; copy (select id from events order by id offset 1) to stdout; commit;\n",
    ] {
        let (plain, _) = bed.psql(false, sql.as_bytes());
        let (shop, errors) = bed.psql(true, sql.as_bytes());
        assert_eq!(shop, plain, "{sql}{errors}");
        assert!(!plain.is_empty());
    }
    // In binary: out of the shards, and into the plain server and back.
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (all, none) = (file("all"), file("none"));
    let out = format!(
        "\\copy events to '{all}' (format binary)\n\\copy (select * from events where name = 'nobody') to '{none}' (format binary)\n"
    );
    let (_, errors) = bed.psql(true, out.as_bytes());
    assert_eq!(errors, "");
    let into = format!(
        "create temp table again (like events);\n\\copy again from '{all}' (format binary)\n\\copy again from '{none}' (format binary)\nselect * from again order by id;\n"
    );
    let (again, errors) = bed.psql(false, into.as_bytes());
    assert_eq!(errors, "");
    let (plain, _) = bed.psql(false, b"select * from events order by id;\n");
    assert!(again.ends_with(&plain), "{again}\n{plain}");
    let back = format!(
        "delete from events where id in (1, -2, 30, 5);\n\\copy events from '{all}' (format binary)\n"
    );
    let (said, errors) = bed.psql(false, back.as_bytes());
    assert_eq!((said.as_str(), errors.as_str()), ("DELETE 4\nCOPY 4\n", ""));
    for database in DATABASES {
        bed.server.execute(database, "delete from events").unwrap();
    }
    let back = format!("\\copy events from '{all}' (format binary)\n");
    let (said, errors) = bed.psql(true, back.as_bytes());
    assert_eq!((said.as_str(), errors.as_str()), ("COPY 4\n", ""));
    bed.hold_the_same();
}

fn tags(messages: &[Message]) -> String {
    messages.iter().map(|m| char::from(m.tag)).collect()
}

/// Begins a COPY; the description of its columns is the answer.
fn begin(client: &mut RawClient, sql: &str) {
    client.send(b'Q', format!("{sql}\0").as_bytes()).unwrap();
    assert_eq!(client.read().unwrap().tag, b'G');
}

/// As with PostgreSQL, which cannot tell where the next message begins.
#[test]
fn who_asks_for_something_else_in_the_middle_is_told_to_go() {
    let bed = Bed::start();
    let mut client = bed.raw();
    begin(&mut client, "copy events from stdin");
    client.send(b'd', b"-1\tx\t\\N\n").unwrap();
    client.send(b'Q', b"select 1\0").unwrap();
    let said = client.read().unwrap();
    assert_eq!(said.error().unwrap().code, "08P01");
    assert!(client.read().is_err(), "the connection stays open");
    let mut client = bed.raw();
    let said = client
        .simple("select count(*) from events where id = -1")
        .unwrap();
    assert_eq!(said[1].columns()[0].as_deref(), Some(&b"0"[..]));
}

#[test]
fn clients_that_break_off_leave_nothing_behind() {
    let bed = Bed::start();
    let rows: String = (0..20_000)
        .map(|n| format!("{n}\tname {n}\t\\N\n"))
        .collect();
    // It fails the copy itself.
    let mut client = bed.raw();
    begin(&mut client, "copy events from stdin");
    client.send(b'd', rows.as_bytes()).unwrap();
    client.send(b'f', b"changed my mind\0").unwrap();
    let said = client.until_ready().unwrap();
    assert_eq!(tags(&said), "EZ");
    let error = said[0].error().unwrap();
    assert_eq!(error.code, "57014");
    assert_eq!(error.message, "COPY from stdin failed: changed my mind");
    // Its rows are in pieces of any size, messages of other kinds between them, and what is behind the end is ignored.
    begin(&mut client, "copy events from stdin");
    for piece in rows.as_bytes().chunks(777) {
        client.send(b'd', piece).unwrap();
    }
    client.send(b'H', b"").unwrap();
    client.send(b'd', b"\\.\nnonsense").unwrap();
    client.send(b'd', b"more\tnonsense\n").unwrap();
    client.send(b'c', b"").unwrap();
    let said = client.until_ready().unwrap();
    assert_eq!(
        (tags(&said).as_str(), said[0].text().as_str()),
        ("CZ", "COPY 20000")
    );
    assert_eq!(bed.rows("events", "id").len(), 20_000);
    // A row is wrong, and more of them come.
    begin(&mut client, "copy events from stdin");
    client.send(b'd', b"-1\tx\t\\N\n-2\tbad\t\\N\n").unwrap();
    let said = client.until_ready().unwrap();
    assert_eq!(tags(&said), "EZ");
    client.send(b'd', b"-3\tx\t\\N\n").unwrap();
    client.send(b'c', b"").unwrap();
    let said = client
        .simple("select count(*) from events where id = 7")
        .unwrap();
    assert_eq!(tags(&said), "TDCZ");
    // It is gone in the middle, of a row or of a message.
    for rest in [&b"-1\tx"[..], b"-1\tx\t\\N\n"] {
        begin(&mut client, "copy events from stdin");
        client.send(b'd', rest).unwrap();
        drop(client);
        client = bed.raw();
        let said = client.simple("select 1 from events where id = -1").unwrap();
        assert_eq!(tags(&said), "TCZ");
    }
    let mut half = bed.raw();
    begin(&mut half, "copy events from stdin");
    half.write(&[b'd', 0, 0, 4, 0, b'-', b'1']).unwrap();
    drop(half);
    let said = client.simple("select 1 from events where id = -1").unwrap();
    assert_eq!(tags(&said), "TCZ");
    // In a transaction the error fails it.
    client.simple("begin").unwrap();
    begin(&mut client, "copy events from stdin");
    client.send(b'f', b"no\0").unwrap();
    let said = client.until_ready().unwrap();
    assert_eq!(said.last().unwrap().body, b"E");
    client.simple("rollback").unwrap();
    assert_eq!(bed.rows("events", "id").len(), 20_000);
}

/// Copies in by the extended protocol, in pieces.
async fn copy_in(client: &Client, sql: &str, data: &str) -> Result<u64, tokio_postgres::Error> {
    let mut sink = Box::pin(client.copy_in::<_, Bytes>(sql).await?);
    for piece in data.as_bytes().chunks(1000) {
        sink.send(Bytes::copy_from_slice(piece)).await?;
    }
    sink.as_mut().finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_copies_by_the_extended_protocol() {
    let bed = Bed::start();
    let rows: String = (0..3000)
        .map(|n| format!("{n}\tname {n}\t2020-01-01\n"))
        .collect();
    for through in [false, true] {
        let mut client = bed.connect(through).await;
        assert_eq!(
            copy_in(&client, "copy events from stdin", &rows)
                .await
                .unwrap(),
            3000
        );
        // Undone with the transaction, and by an error, after which the connection is as good as before.
        let transaction = client.transaction().await.unwrap();
        let sql = "copy events (id) from stdin";
        let mut sink = Box::pin(transaction.copy_in::<_, Bytes>(sql).await.unwrap());
        sink.send(Bytes::from_static(b"-1\n-2\n-3\n"))
            .await
            .unwrap();
        assert_eq!(sink.as_mut().finish().await.unwrap(), 3);
        drop(sink);
        let found = transaction
            .query("select id from events where id = -2", &[])
            .await;
        assert_eq!(found.unwrap().len(), 1);
        transaction.rollback().await.unwrap();
        let failed = copy_in(
            &client,
            "copy events (id, name) from stdin",
            "-1\ta\n-2\tbad\n-3\ta\n",
        )
        .await;
        assert_eq!(failed.unwrap_err().code().unwrap().code(), "23514");
        // One that is given up: the driver fails it.
        let mut sink = Box::pin(client.copy_in::<_, Bytes>(sql).await.unwrap());
        sink.send(Bytes::from_static(b"-7\n")).await.unwrap();
        drop(sink);
        // In binary.
        let sink = client
            .copy_in("copy docs (slug, lang) from stdin binary")
            .await
            .unwrap();
        let writer = BinaryCopyInWriter::new(sink, &[Type::TEXT, Type::VARCHAR]);
        let mut writer = Box::pin(writer);
        for n in 0..100 {
            writer
                .as_mut()
                .write(&[&format!("slug {n}"), &"de"])
                .await
                .unwrap();
        }
        assert_eq!(writer.as_mut().finish().await.unwrap(), 100);
        // Out again, in text and in binary.
        let out = client
            .copy_out("copy (select id from events) to stdout")
            .await
            .unwrap();
        let lines: Vec<Bytes> = out.try_collect().await.unwrap();
        assert_eq!(lines.len(), 3000);
        let out = client
            .copy_out("copy docs (slug, n) to stdout binary")
            .await
            .unwrap();
        let mut rows = Box::pin(BinaryCopyOutStream::new(out, &[Type::TEXT, Type::INT4]));
        let mut slugs = Vec::new();
        while let Some(row) = rows.next().await {
            let row = row.unwrap();
            assert_eq!(row.get::<i32>(1), 7);
            slugs.push(row.get::<String>(0));
        }
        slugs.sort();
        slugs.dedup();
        assert_eq!(slugs.len(), 100);
        let sorted = "copy (select id from events order by id desc limit 2) to stdout";
        let lines: Vec<Bytes> = client
            .copy_out(sorted)
            .await
            .unwrap()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(lines, ["2999\n", "2998\n"]);
    }
    bed.hold_the_same();
}
