//! What PostgreSQL says about a statement is what the client hears, over shards too: syntax errors, locks, lines of a COPY.

use bytes::BytesMut;
use shunt_tests::raw::{Message, RawClient, frame};
use shunt_tests::twin::{Twins, shown};

#[test]
fn errors_of_syntax_are_those_of_the_server() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "select (1",
        "select 1)",
        "select * from accounts where (id = 1",
        "select [1",
        "select from where",
        "select 1 +",
        "select 'open",
        "insert into accounts (id) valuess (1)",
        "update accounts set",
        "delete accounts",
        "create table (id int)",
        "select * frm accounts",
    ] {
        let simple = pair.both(sql);
        assert!(simple[0].starts_with("ERROR 42601"), "{sql}: {simple:?}");
        let extended = pair.both_extended(sql, &[]);
        assert!(
            extended[0].starts_with("ERROR 42601"),
            "{sql}: {extended:?}"
        );
    }
    pair.both_extended("select 1; select 2", &[]);
    pair.both_extended("", &[]);
    // In a transaction they fail it.
    for sql in [
        "begin",
        "select (1",
        "select 1",
        "rollback",
        "select id from accounts where id = 1",
    ] {
        pair.both(sql);
    }
}

#[test]
fn a_lock_may_stand_among_several_statements() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "lock table accounts",
        "lock table accounts; update accounts set balance = balance + 1 where id = 1",
        "select 1; lock table accounts in share mode",
        "begin; lock table accounts; commit",
        "begin",
        "lock table accounts",
        "rollback",
        "commit; lock table accounts",
        "select balance from accounts where id = 1",
    ] {
        pair.both(sql);
    }
    let alone = shown(
        &pair
            .shards
            .extended("lock table accounts", &[], false)
            .unwrap(),
    );
    assert!(
        alone.iter().any(|line| line.starts_with("ERROR 25P01")),
        "{alone:?}"
    );
}

/// The context of the error that a COPY of this data ends with.
fn context(client: &mut RawClient, copy: &str, data: &str) -> Option<String> {
    let mut packet = BytesMut::new();
    frame(&mut packet, b'Q', &[copy.as_bytes(), b"\0"].concat());
    for piece in data.as_bytes().chunks(7000) {
        frame(&mut packet, b'd', piece);
    }
    frame(&mut packet, b'c', b"");
    client.write(&packet).unwrap();
    let messages: Vec<Message> = client.until_ready().unwrap();
    let error = messages.iter().find(|message| message.tag == b'E')?;
    let mut fields = error.body.split(|byte| *byte == 0);
    let field = fields.find(|field| field.first() == Some(&b'W'));
    Some(String::from_utf8(field.unwrap_or(b"-")[1..].to_vec()).unwrap())
}

#[test]
fn lines_of_a_copy_are_the_clients() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let mut rows: Vec<String> = (1..5000)
        .map(|n| format!("{}\t{n}\n", 1000 + n * 7 % 4999))
        .collect();
    let mut check = |copy: &str, data: &str, line: Option<u64>| {
        let shards = context(&mut pair.shards, copy, data);
        let whole = context(&mut pair.whole, copy, data);
        assert_eq!(shards, whole, "{copy}");
        if let Some(line) = line {
            let said = shards.unwrap_or_default();
            assert!(said.contains(&format!("line {line}")), "{said}");
        }
    };
    let copy = "copy accounts (id, balance) from stdin";
    rows.insert(3456, "90000\tnonsense\n".to_owned());
    check(copy, &rows.concat(), Some(3457));
    rows[3456] = "90000\n".to_owned();
    check(copy, &rows.concat(), Some(3457));
    rows[3456] = "90000\t1\t2\n".to_owned();
    check(copy, &rows.concat(), Some(3457));
    // A key that is there already is noticed when the rows are stored.
    rows[3456] = "7\t1\n".to_owned();
    check(copy, &rows.concat(), Some(3457));
    // A header and lines within quotes count.
    let mut lines = vec!["id,note\n".to_owned()];
    lines.extend((0..30).map(|n| format!("{},\"a\nb {n}\"\n", 7000 + n)));
    lines.push("x,\"bad\"\n".to_owned());
    check(
        "copy accounts (id, note) from stdin (format csv, header)",
        &lines.concat(),
        None,
    );
    lines[31] = "8000,\"a\nb\",c\n".to_owned();
    check(
        "copy accounts (id, note) from stdin (format csv, header)",
        &lines.concat(),
        Some(63),
    );
    assert_eq!(
        shown(&pair.shards.simple("select count(*) from accounts").unwrap())[1],
        "row 12"
    );
}

#[test]
fn a_copy_into_one_shard_is_committed_there() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let copy = "copy accounts (id, balance) from stdin";
    assert_eq!(context(&mut pair.shards, copy, "3001\t1\n3004\t1\n"), None);
    let rows = pair.ask("select id from accounts where id > 3000 order by id");
    assert_eq!(rows[1..3], ["row 3001", "row 3004"]);
}

/// The place that an error names.
fn position(messages: &[Message]) -> Option<String> {
    let error = messages.iter().find(|message| message.tag == b'E')?;
    let mut fields = error.body.split(|byte| *byte == 0);
    let field = fields.find(|field| field.first() == Some(&b'P'))?;
    Some(String::from_utf8(field[1..].to_vec()).unwrap())
}

#[test]
fn places_in_errors_are_places_in_the_clients_text() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for sql in [
        "select nosuch from accounts where id = 1",
        "/* é */ select nosuch from accounts where id = 1",
        "begin; select 1; select 'é', nosuch from accounts where id = 1",
        "select 1; select nosuch from accounts; select 2",
    ] {
        let whole = position(&pair.whole.simple(sql).unwrap());
        let shards = position(&pair.shards.simple(sql).unwrap());
        assert!(whole.is_some(), "{sql}");
        assert_eq!(shards, whole, "{sql}");
        pair.both("rollback");
    }
    // With another text than the client's there is none.
    let numbered = "insert into accounts (id, note) values (shunt.next_id(), nosuch)";
    assert_eq!(position(&pair.shards.simple(numbered).unwrap()), None);
    assert_eq!(
        position(&pair.shards.extended(numbered, &[], false).unwrap()),
        None
    );
}

#[test]
fn what_stores_nothing_is_committed_without_a_decision() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let decisions = |twins: &Twins| -> u64 {
        let count = |shard: u32| {
            let sql = "select count(*) from shunt.decisions";
            let found = twins.server.execute(&format!("bank{shard}"), sql);
            found.map_or(0, |count| count.parse::<u64>().unwrap())
        };
        (0..3).map(count).sum()
    };
    let before = decisions(&twins);
    for sql in [
        "select id, random() < 2 from accounts",
        "begin",
        "select id, clock_timestamp() > '2000-01-01' from accounts order by id",
        "select id from accounts where balance > 0 for update",
        "update accounts set balance = balance + 1 where id = 1",
        "commit",
    ] {
        pair.both(sql);
    }
    let copy = "copy accounts (id, balance) from stdin";
    assert_eq!(context(&mut pair.shards, copy, "3001\t1\n3004\t1\n"), None);
    assert_eq!(decisions(&twins), before);
    pair.ask("update accounts set balance = balance + 1 where id in (1, 2)");
    assert_eq!(decisions(&twins), before + 1);
    assert_eq!(context(&mut pair.shards, copy, "3007\t1\n3008\t1\n"), None);
    assert_eq!(decisions(&twins), before + 2);
}
