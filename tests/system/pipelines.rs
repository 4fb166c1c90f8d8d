//! Pipelines that end in other ways than by `Sync`: by a message of the simple protocol, by a goodbye, by silence. Over
//! shards and before one server, in either mode of pooling, with a pool of one connection: what is lost is missed at once.

use std::cell::RefCell;
use std::time::Duration;

use bytes::BytesMut;
use router_proxy::settings::{PoolMode, PoolSettings, TwoPhaseSettings};
use shunt_tests::conversation::Op;
use shunt_tests::conversation::play::{Played, play};
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::shards::on_one_server;
use shunt_tests::twin::Twins;

/// The twins, and proxies with one connection to each server.
struct Narrow {
    twins: Twins,
    proxies: [(&'static str, TestProxy, &'static str); 3],
    cleaners: RefCell<Vec<(&'static str, RawClient)>>,
}

fn one(mode: PoolMode) -> PoolSettings {
    PoolSettings {
        mode,
        max_size: 1,
        acquire_timeout: Duration::from_secs(10),
        ..PoolSettings::default()
    }
}

impl Narrow {
    fn start() -> Self {
        let twins = Twins::start();
        let mut sharded = on_one_server(&twins.server, 3, TwoPhaseSettings::default());
        sharded.databases[0].pool = one(PoolMode::Transaction);
        let before = |mode| TestProxy::start(unsharded(&twins.server, "whole", one(mode)));
        let proxies = [
            ("over shards", TestProxy::start(sharded), "bank"),
            ("transaction mode", before(PoolMode::Transaction), "whole"),
            ("session mode", before(PoolMode::Session), "whole"),
        ];
        let address = ([127, 0, 0, 1], twins.server.port()).into();
        let cleaner = |database| {
            let mut client = RawClient::trust(address, twins.server.user(), database).unwrap();
            client.simple("set lock_timeout = '10s'").unwrap();
            (database, client)
        };
        let cleaners = ["whole", "bank0", "bank1", "bank2"].map(cleaner).into();
        Self {
            cleaners: RefCell::new(cleaners),
            twins,
            proxies,
        }
    }

    fn direct(&self) -> RawClient {
        let address = ([127, 0, 0, 1], self.twins.server.port()).into();
        RawClient::trust(address, self.twins.server.user(), "whole").expect("the server")
    }

    fn client(&self, proxy: usize) -> RawClient {
        let (name, proxy, database) = &self.proxies[proxy];
        RawClient::trust(proxy.address, self.twins.server.user(), database).expect(name)
    }

    /// Rows of a test before are gone, and nobody holds a lock on them.
    fn clean(&self) {
        for (database, client) in &mut *self.cleaners.borrow_mut() {
            let cleaned = client
                .simple("delete from accounts where id >= 100")
                .unwrap();
            assert_eq!(cleaned[0].tag, b'C', "{database}: {cleaned:?}");
        }
    }

    /// What the servers are at.
    fn at_work(&self) -> String {
        let sql = "select datname, pid, state, wait_event, left(query, 60), now() - state_change from pg_stat_activity \
             where backend_type = 'client backend' order by 1, 2";
        let server = &self.twins.server;
        server.execute("postgres", sql).unwrap_or_default()
    }

    /// Every way through a proxy says what the server says.
    #[track_caller]
    fn alike(&self, ops: &[Op]) {
        let mut ops = ops.to_vec();
        let left = "select id, note from accounts where id >= 100 order by id";
        ops.extend([Op::Wait, query("rollback"), Op::Wait, query(left), Op::Wait]);
        self.clean();
        let direct = play(&mut self.direct(), &ops, None, || {}).unwrap();
        let shown: Vec<String> = ops.iter().map(ToString::to_string).collect();
        for (at, (name, ..)) in self.proxies.iter().enumerate() {
            self.clean();
            let through = play(&mut self.client(at), &ops, Some(&direct.pauses), || {}).unwrap();
            let all = direct.pauses.last().copied().unwrap_or_default();
            // Where in the text and why is said in other words.
            let bare = |said: &String| match said.split_once(" D:").or(said.split_once(" P:")) {
                Some((before, _)) if said.starts_with("E ") => before.to_owned(),
                _ => said.clone(),
            };
            let said = |played: &Played| -> Vec<String> {
                let said = &played.said[..all.min(played.said.len())];
                said.iter().map(bare).collect()
            };
            assert_eq!(said(&through), said(&direct), "{name}: {shown:#?}");
        }
    }
}

fn query(text: &str) -> Op {
    Op::Query(text.to_owned())
}

fn parse(text: &str) -> Op {
    Op::Parse("", text.to_owned(), Vec::new())
}

fn bind() -> Op {
    Op::Bind("", "", Vec::new(), Vec::new())
}

/// `Parse`, `Bind` and `Execute` of a statement, without `Sync`.
fn run(text: &str) -> Vec<Op> {
    vec![parse(text), bind(), Op::Execute("", 0)]
}

fn both(first: &[Op], second: &[Op]) -> Vec<Op> {
    [first, second].concat()
}

const ONE_SHARD: &str = "insert into accounts (id, note) values (100, 'one')";
/// Of the shard that everybody takes first: whoever goes on to others from another one in the same transaction may have to
/// wait for somebody who waits for him, until one of them has waited for too long.
const FIRST_SHARD: &str = "insert into accounts (id, note) values (105, 'one')";
const SHARDS: &str = "insert into accounts (id, note) values (101, 'a'), (102, 'b'), (103, 'c')";

const SHARDS_TOO: &str = "insert into accounts (id, note) values (110, 'x'), (111, 'y')";

#[test]
fn a_simple_query_ends_a_pipeline_as_sync_does() {
    let narrow = Narrow::start();
    let firsts = [
        run("select note from accounts where id = 3"),
        run("select count(*) from accounts"),
        run("select id from accounts order by id desc limit 2"),
        run(ONE_SHARD),
        run(SHARDS),
        both(
            &run(ONE_SHARD),
            &run("insert into accounts (id, note) values (104, 'd')"),
        ),
        both(
            &run("select note from accounts where id = 3"),
            &[Op::Flush, Op::Wait],
        ),
        both(&run(SHARDS), &[Op::Flush, Op::Wait]),
        vec![parse("select note from accounts where id = 3")],
        vec![
            parse("select note from accounts where id = 3"),
            Op::Describe(b'S', ""),
        ],
        vec![parse("select note from accounts where id = 3"), bind()],
        vec![parse(SHARDS), bind(), Op::Describe(b'P', "")],
        vec![parse("show timezone"), bind()],
        run("select 1/0 from accounts where id = 3"),
        run("select 1/0 from accounts"),
        both(&run("begin"), &run(SHARDS)),
    ];
    let seconds = [
        "select note from accounts where id = 4",
        "insert into accounts (id, note) values (112, 'z')",
        "select 1/0 from accounts where id = 4",
        "select 1; select 2",
        "insert into accounts (id, note) values (113, 'z'); select 1/0",
        "insert into accounts (id, note) values (113, 'z'); commit; select 1/0",
        "begin; select 7",
        "commit",
        "rollback",
        "savepoint s",
        "set work_mem = '77kB'",
        "show work_mem",
        "select (5",
        "values (1) values (2)",
    ];
    let often = [
        "select 5",
        "",
        "begin",
        "selec 5",
        "select 1/0",
        "select count(*) from accounts",
    ];
    for first in &firsts {
        for second in often.into_iter().chain([SHARDS_TOO]) {
            narrow.alike(&both(first, &[query(second), Op::Wait]));
        }
    }
    for second in seconds {
        narrow.alike(&both(&run(ONE_SHARD), &[query(second), Op::Wait]));
    }
    let insert = run(ONE_SHARD);
    for second in ["select 5", "select 1/0", "begin"] {
        // What follows is a pipeline of its own, or one more query.
        let next = [
            run("select note from accounts where id = 5"),
            vec![Op::Sync, Op::Wait],
        ]
        .concat();
        let begun = both(&insert, &[query(second)]);
        narrow.alike(&both(&begun, &next));
        narrow.alike(&both(
            &begun,
            &[query("select count(*) from accounts"), Op::Wait],
        ));
        narrow.alike(&both(&[query("begin"), Op::Wait], &both(&begun, &next)));
        narrow.alike(&both(&both(&begun, &begun), &both(&begun, &next)));
        narrow.alike(&both(
            &both(&run(SHARDS), &[query(second), Op::Sync]),
            &next,
        ));
    }
}

#[test]
fn an_error_between_queries_waits_for_its_sync() {
    let narrow = Narrow::start();
    for between in [
        vec![Op::Execute("", 0)],
        run("select 1/0 from accounts where id = 3"),
        vec![parse("selec")],
    ] {
        for first in ["select 1", "begin", SHARDS] {
            let ops = [
                both(&[query(first)], &between),
                vec![query("select 2"), Op::Wait, query("select 3"), Op::Sync],
                vec![query("select 4"), Op::Wait],
            ];
            narrow.alike(&ops.concat());
        }
    }
}

#[test]
fn a_portal_outlives_a_query_that_begins_a_transaction() {
    let narrow = Narrow::start();
    let bound = |text: &str| {
        vec![
            Op::Parse("", text.to_owned(), Vec::new()),
            Op::Bind("p", "", Vec::new(), Vec::new()),
        ]
    };
    for text in [
        "select note from accounts where id = 3",
        "select count(*) from accounts",
    ] {
        for between in ["begin", "select 5"] {
            let ops = [query(between), Op::Execute("p", 0), Op::Sync, Op::Wait];
            narrow.alike(&both(&bound(text), &ops));
        }
    }
}

/// What a client sends before it goes.
fn unfinished() -> Vec<(&'static str, Vec<Op>)> {
    let select = run("select note from accounts where id = 3");
    let data = Op::CopyData(b"120\tcopied\n");
    let copy = "copy accounts (id, note) from stdin";
    vec![
        ("an insert", run(ONE_SHARD)),
        ("inserts of several shards", run(SHARDS)),
        ("an insert, flushed", both(&run(ONE_SHARD), &[Op::Flush])),
        ("several shards, flushed", both(&run(SHARDS), &[Op::Flush])),
        (
            "a query behind a pipeline",
            both(&select, &[query("select 5")]),
        ),
        (
            "a query behind an insert",
            both(&run(FIRST_SHARD), &[query(SHARDS)]),
        ),
        (
            "a failed pipeline",
            both(&run("select 1/0"), &[query("select 5")]),
        ),
        (
            "an error between queries",
            vec![query("select 1"), Op::Execute("", 0), query("select 2")],
        ),
        ("half a copy", vec![query(copy), data.clone()]),
        (
            "half a copy, asked for",
            vec![query(copy), Op::Wait, data.clone()],
        ),
        (
            "half a copy of a copy's reference",
            vec![query("copy copies from stdin"), Op::CopyData(b"9\tx\n")],
        ),
        (
            "half a copy in a transaction",
            vec![query("begin"), query(copy), data.clone()],
        ),
        (
            "half a copy behind others",
            vec![query(&format!("{SHARDS}; {copy}")), data.clone()],
        ),
        (
            "half a copy of a portal",
            both(&run(copy), std::slice::from_ref(&data)),
        ),
        (
            "half a copy of a portal, synced",
            both(&run(copy), &[Op::Sync, data.clone()]),
        ),
        (
            "a query in a copy",
            vec![query(copy), Op::Wait, query("select 1")],
        ),
        (
            "a portal in a copy",
            both(&[query(copy), Op::Wait], &select),
        ),
        (
            "a query behind a copy",
            vec![query(copy), query("select 1")],
        ),
        ("a transaction", vec![query("begin"), query(SHARDS)]),
        (
            "a transaction with a pipeline",
            both(&[query("begin")], &run(SHARDS)),
        ),
        (
            "half a message",
            vec![
                query("begin"),
                query(ONE_SHARD),
                Op::Raw(b'd', b"X\0\0\0\x04".to_vec()),
            ],
        ),
    ]
}

#[test]
fn whoever_goes_in_the_middle_leaves_nothing_behind() {
    let narrow = Narrow::start();
    for (what, ops) in unfinished() {
        for goodbye in [true, false] {
            for (at, (name, ..)) in narrow.proxies.iter().enumerate() {
                let mut client = narrow.client(at);
                let mut bytes = BytesMut::new();
                for op in &ops {
                    if *op != Op::Wait {
                        op.encode(&mut bytes);
                        continue;
                    }
                    client.write(&bytes).unwrap();
                    bytes.clear();
                    // Until the copy has begun.
                    while client.read().unwrap().tag != b'G' {}
                }
                if goodbye {
                    Op::Raw(b'X', Vec::new()).encode(&mut bytes);
                }
                client.write(&bytes).unwrap();
                drop(client);
                // The only connection to each server serves the next one, and no lock is left.
                let mut next = narrow.client(at);
                for sql in [
                    "set lock_timeout = '10s'",
                    "delete from accounts where id >= 100",
                    "delete from copies where id >= 9",
                ] {
                    let said = next.simple(sql).unwrap();
                    assert_eq!(
                        said[0].tag,
                        b'C',
                        "{what}, goodbye {goodbye}, {name}: {said:?}\n{}",
                        narrow.at_work()
                    );
                }
                next.send(b'X', b"").unwrap();
            }
        }
    }
}

#[test]
fn transactions_go_on_with_the_characteristics_that_they_have() {
    let narrow = Narrow::start();
    let conversation = |lines: &[&str]| -> Vec<Op> {
        let asked = lines.iter().flat_map(|line| [query(line), Op::Wait]);
        asked.collect()
    };
    let shows = [
        "show transaction_read_only",
        "show transaction_isolation",
        "rollback",
    ];
    let fails = "select 1/0 from accounts where id = 1";
    for chained in ["commit and chain", "rollback and chain"] {
        narrow.alike(&conversation(&[chained]));
        narrow.alike(&conversation(&[&format!("select 1; {chained}; select 2")]));
        for before in [
            vec!["begin isolation level repeatable read, read only"],
            vec![
                "begin isolation level repeatable read, read only",
                "select count(*) from accounts",
            ],
            vec!["begin isolation level repeatable read, read only", fails],
            vec!["begin isolation level serializable", "savepoint a", fails],
            vec![
                "begin isolation level serializable",
                "savepoint a",
                fails,
                "rollback to a",
            ],
            vec![
                "begin",
                "set transaction isolation level serializable, read only",
            ],
            vec!["begin", "set transaction read only", fails],
            vec![
                "begin",
                "savepoint a",
                "set transaction read only",
                "rollback to a",
            ],
            vec![
                "begin",
                "savepoint a",
                "set transaction read only",
                "release a",
            ],
            vec!["begin read only", "set transaction read write"],
        ] {
            narrow.alike(&conversation(&[&before[..], &[chained], &shows].concat()));
        }
    }
}

#[test]
fn in_a_failed_transaction_nothing_is_prepared_but_its_end() {
    let narrow = Narrow::start();
    let failed = vec![
        query("begin"),
        query("select 1/0 from accounts where id = 1"),
        Op::Wait,
    ];
    for text in [
        "select 7",
        "select note from accounts where id = 1",
        "select count(*) from accounts",
        "insert into accounts (id) values (100), (101)",
        "show timezone",
        "set work_mem = '77kB'",
        "",
        "savepoint a",
        "rollback",
        "commit",
        "rollback to a",
    ] {
        let named = Op::Parse("z", text.to_owned(), Vec::new());
        narrow.alike(&both(
            &failed,
            &[
                named.clone(),
                Op::Sync,
                Op::Wait,
                query("rollback"),
                Op::Wait,
            ],
        ));
        narrow.alike(&both(&failed, &both(&run(text), &[Op::Sync, Op::Wait])));
        if text != "rollback to a" {
            let bound = Op::Bind("", "z", Vec::new(), Vec::new());
            let prepared = both(&[named, Op::Sync, Op::Wait], &failed);
            narrow.alike(&both(
                &prepared,
                &[bound, Op::Execute("", 0), Op::Sync, Op::Wait],
            ));
        }
    }
}

/// An error of the router's own comes in its place: what stands ahead of it has not failed.
#[test]
fn an_error_fails_nothing_before_its_turn() {
    let narrow = Narrow::start();
    for text in [
        "select note from accounts where id = 1",
        "select count(*) from accounts",
    ] {
        let unknown = Op::Bind("", "nobody", Vec::new(), Vec::new());
        let begin = [query("begin"), Op::Wait];
        let ahead = both(&run(text), &[Op::Sync]);
        let fails = [unknown, Op::Sync, Op::Wait, query("select 7")];
        narrow.alike(&both(&begin, &both(&ahead, &fails)));
        narrow.alike(&both(&begin, &both(&both(&ahead, &ahead), &fails)));
        narrow.alike(&both(&ahead, &fails));
    }
}

#[test]
fn what_is_parsed_is_looked_at_at_once() {
    let narrow = Narrow::start();
    let named = |name: &'static str, text: &str| Op::Parse(name, text.to_owned(), Vec::new());
    let synced = [Op::Sync, Op::Wait];
    for wrong in [
        "select nosuch from accounts",
        "select nosuch from accounts where id = 1",
        "select nosuch, count(*) from accounts group by 1",
        "insert into accounts (id) values (100, 2), (101, 3)",
        "insert into accounts (id, nosuch) values (100, 2)",
        "select $1, $1::int from accounts where id = 1",
        "select $2::int from accounts where id = 1",
        "update accounts set nosuch = 1 where id = 1",
        "delete from accounts where nosuch = 1",
        "select 1 from accounts where id = 'x'",
    ] {
        for name in ["", "s"] {
            let right = [
                named(name, "select id from accounts where id = 3"),
                Op::Describe(b'S', name),
            ];
            let again = [&right[..], &synced].concat();
            let first = named(name, wrong);
            narrow.alike(&[&[first.clone()][..], &synced, &again].concat());
            narrow.alike(&[&[first.clone(), Op::Flush, Op::Wait][..], &synced, &again].concat());
            narrow.alike(
                &[
                    &[first.clone(), Op::Describe(b'S', name)][..],
                    &synced,
                    &again,
                ]
                .concat(),
            );
            let bound = Op::Bind("", name, Vec::new(), Vec::new());
            narrow.alike(
                &[
                    &[first.clone(), bound, Op::Execute("", 0)][..],
                    &synced,
                    &again,
                ]
                .concat(),
            );
        }
        // Behind others, and before them.
        let first = named("s", wrong);
        let before = run("select note from accounts where id = 4");
        narrow.alike(&[&before[..], std::slice::from_ref(&first), &before, &synced].concat());
        narrow.alike(
            &[
                &[
                    named("t", "select id from accounts where id = 5"),
                    first.clone(),
                ][..],
                &synced,
                &before,
                &synced,
            ]
            .concat(),
        );
        narrow.alike(
            &[
                &[query("begin"), first.clone()][..],
                &synced,
                &[query("rollback"), Op::Wait],
            ]
            .concat(),
        );
        narrow.alike(&[first, query("select 5"), Op::Sync, Op::Wait]);
    }
    let right = "select id from accounts where id = 3";
    let bound = |name| Op::Bind("", name, Vec::new(), Vec::new());
    for ops in [
        vec![
            named("s", right),
            Op::Flush,
            Op::Wait,
            bound("s"),
            Op::Execute("", 0),
        ],
        vec![named("s", right), Op::Sync, Op::Wait, named("s", right)],
        vec![
            named("s", right),
            named("t", right),
            bound("s"),
            Op::Execute("", 0),
        ],
        vec![named("s", right), named("s", right)],
        vec![
            named("s", right),
            Op::Close(b'S', "s"),
            named("s", "select 5"),
        ],
        vec![
            named("s", right),
            Op::Describe(b'S', "s"),
            bound("s"),
            Op::Execute("", 0),
        ],
        vec![named("s", right), bound("t"), Op::Execute("", 0)],
        vec![
            parse("select count(*) from accounts"),
            Op::Describe(b'S', ""),
            bind(),
            Op::Execute("", 0),
        ],
    ] {
        narrow.alike(&[&ops[..], &synced, &ops, &synced].concat());
    }
    let begun = [
        named("s", right),
        query("begin"),
        Op::Wait,
        bound("s"),
        Op::Execute("", 0),
    ];
    narrow.alike(&[&begun[..], &synced].concat());
}

/// Each statement has a transaction of its own, so nobody has to wait for another but while that one's statement runs.
#[test]
fn pipelines_over_shards_do_not_keep_what_they_have_done_with() {
    let narrow = Narrow::start();
    let ends = |pipeline: Vec<i32>| {
        let mut client = narrow.client(0);
        std::thread::spawn(move || {
            for _ in 0..5 {
                let mut packet = BytesMut::new();
                for id in &pipeline {
                    let text = format!("\0select balance from accounts where id = {id}\0\0\0");
                    frame(&mut packet, b'P', text.as_bytes());
                    frame(&mut packet, b'B', &[0; 8]);
                    frame(&mut packet, b'E', &[0; 5]);
                    frame(&mut packet, b'S', &[]);
                }
                client.write(&packet).unwrap();
                for id in &pipeline {
                    let answer = client.until_ready().unwrap();
                    let tags: Vec<u8> = answer.iter().map(|message| message.tag).collect();
                    assert_eq!(tags, b"12DCZ", "{id}: {answer:?}");
                }
            }
        })
    };
    let there: Vec<i32> = (1..=12).collect();
    let back: Vec<i32> = there.iter().rev().copied().collect();
    for client in [ends(there.clone()), ends(back), ends(there)] {
        client.join().unwrap();
    }
}
