//! The time of a transaction over shards: what it has stored by one shard's clock it does not compare with another's.

use shunt_tests::raw::{Message, RawClient};
use shunt_tests::twin::{Pair, Twins, shown};

/// Whether the proxy refuses; otherwise both must answer alike.
#[track_caller]
fn is_refused(pair: &mut Pair, sql: &str) -> bool {
    let shards = shown(&pair.shards.simple(sql).expect(sql));
    if shards[0].contains("SH027") {
        return true;
    }
    let whole = shown(&pair.whole.simple(sql).expect(sql));
    assert_eq!(shards, whole, "{sql}");
    false
}

/// A pair with a time beside each account, long ago.
fn pair(twins: &Twins) -> Pair {
    let mut pair = twins.connect();
    pair.both("alter table accounts add column seen timestamptz");
    pair.both("update accounts set seen = '2020-01-01 00:00:00+00'");
    pair
}

const SWEEP: &str = "delete from accounts where seen < now()";

#[test]
fn what_is_marked_is_not_swept() {
    let twins = Twins::start();
    let mut pair = pair(&twins);
    for mark in [
        "update accounts set seen = now()",
        "update accounts set seen = current_timestamp where id < 7",
        "insert into accounts (id, seen) values (101, now()), (102, now()), (103, now())",
        "insert into accounts (id, seen) select id + 200, now() from accounts",
        "update accounts set seen = case when id > 3 then now() else seen + interval '1 day' end",
    ] {
        for compared in [
            SWEEP,
            "select count(*) from accounts where seen = now()",
            "select id from accounts where seen = now() and id = 2",
            "select id, seen = now() from accounts where id = 3",
            "update accounts set balance = 5 where seen = transaction_timestamp()",
            "with a as (select now() as n) select count(*) from accounts, a where seen = n",
        ] {
            pair.both("begin");
            assert!(!is_refused(&mut pair, mark), "{mark}");
            assert!(is_refused(&mut pair, compared), "{mark}; {compared}");
            pair.shards.simple("rollback").expect("rolled back");
            pair.whole.simple("rollback").expect("rolled back");
        }
    }
}

#[test]
fn each_shard_compares_its_own_rows_with_its_own_time() {
    let twins = Twins::start();
    let mut pair = pair(&twins);
    // The shards join one after the other, at different times.
    for mark in [1, 2, 3, 4, 5] {
        pair.both("begin");
        assert!(!is_refused(
            &mut pair,
            &format!("update accounts set seen = now() where id = {mark}")
        ));
        assert!(!is_refused(
            &mut pair,
            "insert into accounts (id, seen) values (50, now())"
        ));
        for sql in [
            "select count(*) from accounts where seen = now()",
            "select count(*) from accounts where seen < now() - interval '1 hour'",
            SWEEP,
            "select count(*) from accounts",
        ] {
            assert!(!is_refused(&mut pair, sql), "{sql}");
        }
        pair.both("rollback");
    }
}

#[test]
fn what_stores_the_time_goes_on() {
    let twins = Twins::start();
    let mut pair = pair(&twins);
    pair.both("begin");
    for sql in [
        "update accounts set seen = now()",
        "update accounts set seen = now() where id = 2",
        "update accounts set seen = coalesce(seen, now()) + interval '1 second' where id in (1, 2, 3)",
        "insert into accounts (id, seen) values (61, now()), (62, now() + interval '1 day')",
        "select id from accounts where id = 2",
        "select count(*) from accounts where seen > '2021-01-01'",
    ] {
        assert!(!is_refused(&mut pair, sql), "{sql}");
    }
    pair.both("commit");
    // The next transaction knows nothing of it, and one statement by itself needs not.
    pair.both("select count(*) from accounts where seen < now() - interval '1 hour'");
    pair.both("begin");
    pair.both("select count(*) from accounts where seen < now() - interval '1 hour'");
    pair.both("rollback");
}

/// Sends statements in one pipeline, ended by one `Sync`; the SQLSTATE of its error, if it has one.
fn pipeline(pair: &mut Pair, statements: &[&str]) -> Option<String> {
    for sql in statements {
        let parse = [b"\0", sql.as_bytes(), b"\0\0\0"].concat();
        pair.shards.send(b'P', &parse).expect("sent");
        pair.shards.send(b'B', &[0; 8]).expect("sent");
        pair.shards.send(b'E', &[0; 5]).expect("sent");
    }
    pair.shards.send(b'S', &[]).expect("sent");
    let answer = pair.shards.until_ready().expect("an answer");
    answer
        .iter()
        .find_map(Message::error)
        .map(|error| error.code)
}

/// A pipeline is one transaction until its `Sync`.
#[test]
fn a_pipeline_stores_and_compares_likewise() {
    let twins = Twins::start();
    let mut pair = pair(&twins);
    let mark = "update accounts set seen = now() where id in (1, 2, 3, 4)";
    let refused = Some("SH027".to_owned());
    assert_eq!(pipeline(&mut pair, &[mark, SWEEP]), refused);
    assert_eq!(pipeline(&mut pair, &[mark, mark]), None);
    assert_eq!(pipeline(&mut pair, &[SWEEP, mark]), None);
}

/// A portal that is read in parts ends with what it was made in.
#[test]
fn a_portal_over_shards_ends_with_its_savepoint() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let bind = |client: &mut RawClient, name: &str| {
        client
            .send(b'P', b"\0select id from accounts order by id\0\0\0")
            .expect("sent");
        let bind = [name.as_bytes(), &[0; 8]].concat();
        client.send(b'B', &bind).expect("sent");
    };
    let execute = |client: &mut RawClient, name: &str| {
        let execute = [name.as_bytes(), &[0, 0, 0, 0, 2]].concat();
        client.send(b'E', &execute).expect("sent");
        client.send(b'S', &[]).expect("sent");
        shown(&client.until_ready().expect("an answer"))
    };
    let Pair { shards, whole } = &mut pair;
    let both: [Vec<Vec<String>>; 2] = [shards, whole].map(|client| {
        let simple = |client: &mut RawClient, sql: &str| shown(&client.simple(sql).expect(sql));
        simple(client, "begin");
        bind(client, "before");
        let mut said = vec![execute(client, "before")];
        simple(client, "savepoint a");
        bind(client, "behind");
        said.push(execute(client, "behind"));
        simple(client, "select nonsense");
        said.push(execute(client, "behind"));
        simple(client, "rollback to a");
        said.push(execute(client, "before"));
        said.push(execute(client, "behind"));
        said.push(simple(client, "rollback"));
        said
    });
    let [shards, whole] = both;
    assert_eq!(shards, whole);
}

#[test]
fn a_time_that_constants_are_made_into_is_one_for_all_rows() {
    let twins = Twins::start();
    let mut pair = pair(&twins);
    for sql in [
        "update accounts set seen = ('no' || 'w')::timestamptz",
        "update accounts set seen = timestamptz(concat('tod', 'ay')) where id < 7",
        "update accounts set seen = (jsonb_populate_record(null::accounts, '{\"seen\": \"now\"}')).seen",
        "update accounts set seen = x.seen from jsonb_to_recordset('[{\"seen\": \"tomorrow\"}]') as x(seen timestamptz)",
    ] {
        assert!(is_refused(&mut pair, sql), "{sql}");
    }
    for sql in [
        "update accounts set seen = ('no' || 'w')::timestamptz where id = 2 and false",
        "update accounts set seen = (jsonb_populate_record(null::accounts, '{\"seen\": \"2021-02-03 00:00Z\"}')).seen",
        "update accounts set note = seen::text::timestamptz::text",
        "update accounts set seen = note::timestamptz",
    ] {
        assert!(!is_refused(&mut pair, sql), "{sql}");
    }
    pair.both("select id, note, seen from accounts order by id");
}
