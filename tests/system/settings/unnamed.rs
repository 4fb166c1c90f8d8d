//! The unnamed statement parsed again in the same words is read by the settings of then.

use bytes::BytesMut;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::RawClient;
use shunt_tests::twin::Twins;

use super::{execute, prepare, send};

/// What is set, and what is read otherwise for it.
const READ_OTHERWISE: &[(&str, &str)] = &[
    (
        "set timezone = 'Asia/Tokyo'",
        "extract(epoch from timestamptz '2024-01-01 00:00')",
    ),
    (
        "set datestyle = 'DMY'",
        "to_char(date '01/02/2024', 'YYYY-MM-DD')",
    ),
    (
        "set intervalstyle = 'sql_standard'",
        "extract(epoch from interval '-1 1:00')",
    ),
    ("set transform_null_equals = on", "null = null"),
    ("set array_nulls = off", "('{NULL}'::text[])[1] is null"),
    ("set bytea_output = escape", "'abc'::bytea::text"),
    (
        "set extra_float_digits = -5",
        "0.1234567890123456::float8::text",
    ),
    ("set standard_conforming_strings = off", "'a\\\\b'"),
];

fn asks(packet: &mut BytesMut, sql: &str) {
    prepare(packet, "", sql);
    execute(packet, "");
}

/// What is told of one text, over and over, and of statements of names between.
fn told(client: &mut RawClient, sql: &str, between: &[&str]) -> Vec<Vec<String>> {
    let mut packet = BytesMut::new();
    for (name, text) in ["begin", "rollback", "savepoint a", "rollback to a"]
        .iter()
        .chain(between)
        .enumerate()
    {
        prepare(&mut packet, &name.to_string(), text);
    }
    let mut told = vec![send(client, packet)];
    let ask = |client: &mut RawClient| {
        let mut packet = BytesMut::new();
        asks(&mut packet, sql);
        send(client, packet)
    };
    let run = |client: &mut RawClient, name: &str| {
        let mut packet = BytesMut::new();
        execute(&mut packet, name);
        send(client, packet)
    };
    told.push(ask(client));
    told.push(ask(client));
    for name in [
        "0", "4", "", "1", "", "4", "", "", "5", "", "0", "", "2", "4", "", "3", "", "1", "",
    ] {
        told.push(match name {
            "" => ask(client),
            name => run(client, name),
        });
    }
    // In one pipeline.
    for name in ["4", "5"] {
        let mut packet = BytesMut::new();
        asks(&mut packet, sql);
        execute(&mut packet, name);
        asks(&mut packet, sql);
        told.push(send(client, packet));
        told.push(ask(client));
        // Without another Parse.
        told.push(run(client, ""));
    }
    told
}

#[test]
fn what_is_parsed_again_is_read_again() {
    let twins = Twins::start();
    let proxy = TestProxy::start(unsharded(&twins.server, "whole", Default::default()));
    let user = twins.server.user();
    let mut wrong = Vec::new();
    for (set, value) in READ_OTHERWISE {
        let reset = set.replace("set ", "reset ");
        let reset = reset.split(" =").next().unwrap();
        let sql = format!("select {value} from accounts where id = 1");
        let mut pair = twins.connect();
        let mut alone = RawClient::trust(proxy.address, user, "whole").unwrap();
        let whole = told(&mut pair.whole, &sql, &[set, reset]);
        for (who, client) in [("shards", &mut pair.shards), ("one", &mut alone)] {
            let said = told(client, &sql, &[set, reset]);
            for (at, (said, right)) in said.iter().zip(&whole).enumerate() {
                if said != right {
                    wrong.push(format!("{who} {set} at {at}: {said:?} and not {right:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
