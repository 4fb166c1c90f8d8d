//! The client's unnamed portal holds the tables that it reads, and ends with the next `Bind` of it or the next simple query:
//! on every shard that has it, whoever hears of that.

use bytes::BytesMut;
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::{Pair, Twins, shown};

const READS: [&str; 5] = [
    "select id from accounts",
    "select id from accounts where id = 3",
    "select id, count(*) from accounts group by 1",
    "select id from accounts order by id",
    "select id, name from copies",
];

const DEFINITIONS: [&str; 4] = [
    "alter table accounts alter column note type varchar(99)",
    "truncate accounts",
    "alter table copies alter column name type varchar(99)",
    "drop table copies",
];

/// How a driver says one statement.
#[derive(Clone, Copy, Debug)]
enum Says {
    Simple,
    /// Everything in one write, everything without a name.
    AtOnce,
    /// A named statement is described first and run behind a `Sync`, as drivers do that look at types.
    InTwo,
    /// Into a portal with a name.
    Named,
    /// No `Sync` before the next one.
    Flushed,
}

impl Says {
    fn say(self, client: &mut RawClient, sql: &str) -> Vec<String> {
        let mut packet = BytesMut::new();
        let (statement, portal): (&[u8], &[u8]) = match self {
            Self::InTwo => (b"s\0", b"\0"),
            Self::Named => (b"\0", b"other\0"),
            _ => (b"\0", b"\0"),
        };
        let parse = [statement, sql.as_bytes(), b"\0\0\0"].concat();
        let bind = [portal, statement, &[0; 6]].concat();
        match self {
            Self::Simple => return shown(&client.simple(sql).unwrap()),
            Self::InTwo => {
                frame(&mut packet, b'C', b"Ss\0");
                frame(&mut packet, b'P', &parse);
                frame(&mut packet, b'D', b"Ss\0");
                frame(&mut packet, b'S', b"");
                client.write(&packet).unwrap();
                packet.clear();
                client.until_ready().unwrap();
            }
            _ => frame(&mut packet, b'P', &parse),
        }
        if matches!(self, Self::Named) {
            frame(&mut packet, b'C', &[b"P", portal].concat());
        }
        frame(&mut packet, b'B', &bind);
        frame(&mut packet, b'D', &[b"P", portal].concat());
        frame(&mut packet, b'E', &[portal, &[0; 4]].concat());
        match self {
            Self::Flushed => {
                frame(&mut packet, b'H', b"");
                client.write(&packet).unwrap();
                let mut messages = Vec::new();
                loop {
                    messages.push(client.read().unwrap());
                    if matches!(messages.last().map(|last| last.tag), Some(b'C' | b'E')) {
                        return shown(&messages);
                    }
                }
            }
            _ => {
                frame(&mut packet, b'S', b"");
                client.write(&packet).unwrap();
                shown(&client.until_ready().unwrap())
            }
        }
    }

    #[track_caller]
    fn both(self, pair: &mut Pair, sql: &str) -> Vec<String> {
        let shards = self.say(&mut pair.shards, sql);
        assert_eq!(shards, self.say(&mut pair.whole, sql), "{self:?}: {sql}");
        shards
    }
}

#[test]
fn a_table_that_was_read_is_defined_anew() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for reads in [Says::AtOnce, Says::InTwo, Says::Flushed] {
        for defines in [Says::AtOnce, Says::InTwo, Says::Simple] {
            // What is read and defined does not ask how it is said: one of each is enough for the other ways.
            let (reads_of, definitions) = match (reads, defines) {
                (Says::AtOnce, Says::AtOnce) => (&READS[..], &DEFINITIONS[..]),
                _ => (&READS[..2], &DEFINITIONS[1..2]),
            };
            let each = |read| definitions.iter().map(move |definition| (read, definition));
            for (read, definition) in reads_of.iter().flat_map(each) {
                pair.both("begin");
                reads.both(&mut pair, read);
                let seen = defines.both(&mut pair, definition);
                assert_eq!(
                    seen.last().map(String::as_str),
                    Some("state T"),
                    "{reads:?} {read} {defines:?} {definition}: {seen:?}"
                );
                pair.both("rollback");
            }
        }
    }
}

#[test]
fn a_portal_ends_on_the_shards_that_the_next_one_does_not_reach() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    for next in [
        "select id from accounts where id = 4",
        "select 1",
        "set local extra_float_digits = 2",
        "select * from (select id from accounts order by id limit 2) x order by 1",
    ] {
        for (says, defines) in [
            (Says::AtOnce, Says::AtOnce),
            (Says::AtOnce, Says::Named),
            (Says::Simple, Says::AtOnce),
            (Says::Simple, Says::Named),
        ] {
            if matches!((says, defines), (Says::AtOnce, Says::Named)) && next.contains("accounts") {
                // The read's own portal holds the table.
                continue;
            }
            pair.both("begin");
            Says::AtOnce.both(&mut pair, "select id from accounts");
            Says::AtOnce.both(&mut pair, "select id from accounts where id = 3");
            says.both(&mut pair, next);
            let seen = defines.both(&mut pair, "truncate accounts");
            assert_eq!(
                seen.last().map(String::as_str),
                Some("state T"),
                "{says:?} {next} {defines:?}: {seen:?}"
            );
            pair.both("rollback");
        }
    }
}

#[test]
fn a_portal_that_the_client_has_goes_on() {
    let twins = Twins::start();
    let mut pair = twins.connect();
    let some = |client: &mut RawClient, portal: &[u8], bind: bool| {
        let mut packet = BytesMut::new();
        if bind {
            let sql = b"select id from accounts where id = 3 or id = 6 or id = 9 order by id\0";
            frame(&mut packet, b'P', &[b"\0", &sql[..], b"\0\0"].concat());
            frame(&mut packet, b'B', &[portal, &[0; 7]].concat());
        }
        frame(&mut packet, b'E', &[portal, &[0, 0, 0, 1]].concat());
        frame(&mut packet, b'S', b"");
        client.write(&packet).unwrap();
        shown(&client.until_ready().unwrap())
    };
    for portal in [&b"mine\0"[..], b"\0"] {
        // A statement in steps, into another portal, leaves it alone.
        pair.both("begin");
        for at in 0..3 {
            let shards = some(&mut pair.shards, portal, at == 0);
            assert_eq!(shards, some(&mut pair.whole, portal, at == 0), "{at}");
            let counts = "select count(*), sum(balance) from accounts";
            Says::Named.both(&mut pair, counts);
        }
        pair.both("rollback");
    }
    // It holds its table, too.
    pair.both("begin");
    for client in [&mut pair.shards, &mut pair.whole] {
        let mut packet = BytesMut::new();
        frame(
            &mut packet,
            b'P',
            b"\0select id from accounts where id = 3\0\0\0",
        );
        frame(&mut packet, b'B', b"mine\0\0\0\0\0\0\0\0");
        frame(&mut packet, b'E', b"mine\0\0\0\0\x01");
        frame(&mut packet, b'S', b"");
        client.write(&packet).unwrap();
        client.until_ready().unwrap();
        let seen = shown(&client.extended("truncate accounts", &[], false).unwrap());
        assert!(seen.iter().any(|line| line.contains("55006")), "{seen:?}");
    }
    pair.both("rollback");
}
