//! Copies of a reference table stay equal, whatever else a statement does.

use shunt_tests::raw::RawClient;
use shunt_tests::twin::{Twins, shown};

/// Statements that change `copies` on the way to something else. Each is answered as by one server, or refused.
const STATEMENTS: &[&str] = &[
    "with a as (update copies set name = name || '!' returning id) insert into accounts (id) select id + 100 from a",
    "with a as (delete from copies where id = 1 returning id) insert into accounts (id) select id + 200 from a",
    "with a as (update copies set name = 'v') insert into accounts (id) values (301), (302), (303)",
    "with a as (update copies set name = 'w') insert into accounts (id) values (311)",
    "with a as (update copies set name = 'x' returning id) insert into accounts (id) values ((select min(id) + 320 from a))",
    "with a as (update copies set name = 'y') delete from accounts where id = 3",
    "with a as (update copies set name = 'z') update accounts set balance = 1 where id = 4",
    "with a as (insert into copies values (9, 'nine')) delete from accounts where id = 5",
    "with a as (update copies set name = 'in') insert into copies values (10, 'ten')",
    "with a as (delete from copies where id = 2 returning *) update copies set name = 'two is gone' where id = 10",
    "with a as (insert into copies values (11, 'eleven') returning id) delete from copies where id = 10",
    "with a as (update copies set name = 'q' returning id) select * from a",
    "create table made as with a as (update copies set name = 'r' returning id) select * from a",
    "explain (analyze, costs off, timing off, summary off) with a as (update copies set name = 's') insert into accounts (id) values (330)",
    "prepare p as with a as (update copies set name = 't') insert into accounts (id) values (340)",
    "execute p",
];

#[test]
fn a_change_beside_another_is_made_on_every_copy() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both("insert into copies values (3, 'three')");
    let all = "select string_agg(id || ' ' || name, ',' order by id) from copies";
    for sql in STATEMENTS {
        let before = twins.server.execute("bank0", all).expect("a shard");
        let answer = shown(&pair.shards.simple(sql).expect(sql));
        let refused = answer[0].starts_with("ERROR");
        if !refused {
            pair.whole.simple(sql).expect(sql);
        }
        let whole = twins.server.execute("whole", all).expect("the database");
        for shard in ["bank0", "bank1", "bank2"] {
            let copy = twins.server.execute(shard, all).expect("a shard");
            assert_eq!(
                copy,
                if refused { &before } else { &whole }.as_str(),
                "{sql}: {shard}"
            );
        }
        assert!(
            answer[0].contains(" SH") || !refused || answer[0].contains("26000"),
            "{sql}: {answer:?}"
        );
    }
}

/// Sends a `COPY` with this data; what is said at its end.
fn copy(client: &mut RawClient, sql: &str, data: &str) -> Vec<String> {
    client
        .send(b'Q', format!("{sql}\0").as_bytes())
        .expect("sent");
    // A server answers first.
    while client.read().expect("an answer").tag != b'G' {}
    client.send(b'd', data.as_bytes()).expect("sent");
    client.send(b'c', &[]).expect("sent");
    shown(&client.until_ready().expect("an answer"))
}

#[test]
fn what_each_copy_would_read_by_its_own_clock_is_refused() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    pair.both("alter table copies add column at timestamptz");
    pair.both("update copies set name = 'now', at = '2020-01-01 00:00Z'");
    for (sql, data) in [
        ("copy copies from stdin", "21\tx\tnow\n"),
        (
            "copy copies from stdin",
            "21\tx\t2020-01-01\n22\tx\tn\\x6fw",
        ),
        ("copy copies from stdin (format csv)", "21,x,\"today\"\n"),
        ("copy copies (at, id) from stdin", "tomorrow 10:00\t21\n"),
    ] {
        let answer = copy(&mut pair.shards, sql, data);
        assert!(answer[0].contains("SH027"), "{sql}: {answer:?}");
    }
    for (sql, data) in [
        (
            "copy copies from stdin",
            "21\tnow\t2020-01-01 00:00Z\n22\ttoday\t\\N\n",
        ),
        (
            "copy copies from stdin (format csv)",
            "23,now,2020-01-01 00:00Z",
        ),
        ("copy copies (id, name) from stdin", "24\tnow\n\\.\n"),
    ] {
        let shards = copy(&mut pair.shards, sql, data);
        assert_eq!(shards, copy(&mut pair.whole, sql, data), "{sql}");
    }
    for sql in [
        "update copies set at = name::timestamptz",
        "update copies set at = ('no' || 'w')::timestamptz",
        "update copies set name = (jsonb_populate_record(null::copies, '{\"at\":\"now\"}')).at::text",
        "update copies set name = (select x.at from json_to_record('{\"at\":\"now\"}') as x(at timestamptz))::text",
    ] {
        assert!(pair.ask(sql)[0].contains(" SH016 "), "{sql}");
    }
    pair.both("update copies set name = at::date::text, at = at::timestamptz + interval '1 day'");
    let all = "select string_agg(copies::text, ',' order by id) from copies";
    let whole = twins.server.execute("whole", all).expect("the database");
    for shard in ["bank0", "bank1", "bank2"] {
        assert_eq!(twins.server.execute(shard, all).expect("a shard"), whole);
    }
}
