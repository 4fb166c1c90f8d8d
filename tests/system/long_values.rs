//! Values longer than what a router wants to read of a statement.

use shunt_tests::twin::{Pair, Twins};

fn accounts(pair: &mut Pair) -> Vec<String> {
    pair.both("select id, length(note), md5(note) from accounts order by id")
}

#[test]
fn parameters_of_many_megabytes_go_where_short_ones_go() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let long = "x".repeat(5 << 20);
    let insert = "insert into accounts (id, note) values ($1, $2)";
    for id in ["21", "22"] {
        pair.both_extended(insert, &[Some(id), Some(&long)]);
    }
    // Over several shards, by each way that there is.
    let longer = "é".repeat(700_000);
    for (sql, values) in [
        (
            "insert into accounts (id, note) values ($1, $2), (32, 'short'), (33, 'short')",
            &[Some("31"), Some(&*longer)][..],
        ),
        (
            "update accounts set note = $1 where id > 30",
            &[Some(&*longer)][..],
        ),
        (
            "select count(*) from accounts a join accounts b on a.note = b.note where a.note <> $1",
            &[Some(&*longer)][..],
        ),
        ("delete from accounts where note = $1", &[Some(&*long)][..]),
    ] {
        pair.both_extended(sql, values);
    }
    let known: Vec<String> = (0..200_000).map(|id| id.to_string()).collect();
    let known = format!("{{{}}}", known.join(","));
    pair.both_extended(
        "select count(*), sum(id) from accounts where id = any ($1)",
        &[Some(&known)],
    );
    accounts(&mut pair);
}

#[test]
fn rows_and_errors_of_more_than_a_megabyte_are_kept_until_they_are_due() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "insert into accounts (id, note) values (21, repeat('a', 1500000)), (22, repeat('b', 2500000)), (23, 'x') \
         returning id, note",
        "select id from accounts where repeat('x', 3000000)::int = id",
        "select max(note) from accounts",
        "prepare counted (text) as select count(*) from accounts where note = $1",
        "execute counted (repeat('b', 2500000))",
    ] {
        pair.both(sql);
    }
    accounts(&mut pair);
}

#[test]
fn texts_of_many_megabytes_go_where_short_ones_go() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let long = "x".repeat(3 << 20);
    let rows: Vec<String> = (1000..20_000)
        .map(|id| {
            format!(
                "({id}, {}, 'a note of {id}, and some more of it to make the text a long one')",
                id % 7
            )
        })
        .collect();
    for sql in [
        format!("insert into accounts (id, note) values (21, '{long}')"),
        format!(
            "insert into accounts (id, note) values (31, '{long}'), (32, 'short'), (33, 'é{long}')"
        ),
        format!("update accounts set note = note || '{long}' where id > 30"),
        format!("select count(*) from accounts where note = '{long}'"),
        format!(
            "select count(*) from accounts a join accounts b on a.note = b.note where a.note <> '{long}'"
        ),
        format!("begin; delete from accounts where note = '{long}'; rollback"),
        format!(
            "insert into accounts (id, balance, note) values {}",
            rows.join(", ")
        ),
    ] {
        pair.both(&sql);
    }
    pair.both_extended(
        &format!(
            "insert into accounts (id, note) values ($1, '{long}') returning id, length(note)"
        ),
        &[Some("41")],
    );
    pair.both(
        "select count(*), sum(balance), sum(length(note)), sum(hashtext(note)) from accounts",
    );
}

#[test]
fn a_text_past_the_limit_is_refused_and_the_session_goes_on() {
    let twins = Twins::start();
    let mut client = twins.connect().shards;
    let long = "x".repeat(17 << 20);
    let list = vec!["1"; 600_000].join(",");
    // Constants alone are not read one by one.
    let messages = client
        .simple(&format!(
            "select id from accounts where balance in ({list})"
        ))
        .expect("an answer");
    assert!(messages.iter().all(|m| m.error().is_none()));
    let values = vec!["1+0"; 400_000].join(",");
    for sql in [
        format!("insert into accounts (id, note) values (21, '{long}')"),
        format!("select id from accounts where balance in ({values})"),
    ] {
        let messages = client.simple(&sql).expect("an answer");
        let error = messages.iter().find_map(|m| m.error()).expect("a refusal");
        assert_eq!(error.code, "SH021", "{error:?}");
        let messages = client
            .simple("select count(*) from accounts")
            .expect("an answer");
        assert!(messages.iter().all(|m| m.error().is_none()));
    }
}
