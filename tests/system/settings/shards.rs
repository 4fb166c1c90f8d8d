//! Settings of a client of several shards hold on all of them, and are nobody else's.

use router_proxy::settings::TwoPhaseSettings;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{Message, RawClient};
use shunt_tests::shards::{on_one_server, server_with};

/// What a transaction sets for those behind it is its client's alone.
#[test]
fn characteristics_that_a_transaction_sets_are_not_the_next_clients() {
    let server = server_with(3);
    let proxy = TestProxy::start(on_one_server(&server, 3, TwoPhaseSettings::default()));
    let connect = || RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let set = "set session characteristics as transaction read only";
    let failure = |said: Vec<Message>| said.iter().find_map(Message::error).map(|e| e.code);
    for extended in [true, false] {
        let mut client = connect();
        match extended {
            true => drop(client.extended(set, &[], false).unwrap()),
            false => {
                for sql in ["begin", set, "select count(*) from accounts", "commit"] {
                    assert_eq!(failure(client.simple(sql).unwrap()), None, "{sql}");
                }
            }
        }
        let write = "update accounts set balance = 1 where id = 1";
        let refused = failure(client.simple(write).unwrap());
        assert_eq!(refused.as_deref(), Some("25006"));
        drop(client);
        let mut next = connect();
        for id in 0..30 {
            let write = format!("update accounts set balance = 1 where id = {id}");
            assert_eq!(failure(next.simple(&write).unwrap()), None);
        }
    }
}

/// As asyncpg does to look up types: it asks for a setting as it sets another value, and sets the old one by a parameter.
#[test]
fn a_setting_by_a_parameter_holds_on_every_shard() {
    let server = server_with(3);
    let proxy = TestProxy::start(on_one_server(&server, 3, TwoPhaseSettings::default()));
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let rows = "insert into accounts (id) select n from generate_series(1, 30) n";
    client.simple(rows).unwrap();
    let values = |said: Vec<Message>| -> Vec<String> {
        let rows = said.iter().filter(|message| message.tag == b'D');
        let values = rows.flat_map(Message::columns).flatten();
        values
            .map(|value| String::from_utf8(value).unwrap())
            .collect()
    };
    // In a transaction all shards have joined before.
    for (begin, end) in [(None, None), (Some("begin"), Some("commit"))] {
        let mut say = |sql: &str| values(client.simple(sql).unwrap());
        if let Some(begin) = begin {
            say(begin);
            say("select count(*) from accounts");
        }
        let both = "select current_setting('jit') as cur, set_config('jit', 'off', false) as new";
        assert_eq!(say(both), ["on", "off"]);
        let everywhere = "select distinct current_setting('jit') from accounts";
        assert_eq!(say(everywhere), ["off"]);
        let set = "select set_config('jit', $1, false)";
        assert_eq!(
            values(client.extended(set, &[Some("on")], false).unwrap()),
            ["on"]
        );
        assert_eq!(values(client.simple(everywhere).unwrap()), ["on"]);
        if let Some(end) = end {
            client.simple(end).unwrap();
        }
        for id in 1..30 {
            let sql = format!("select current_setting('jit') from accounts where id = {id}");
            assert_eq!(values(client.simple(&sql).unwrap()), ["on"]);
        }
    }
    let said = client.extended("select set_config('jit', $1, false)", &[None], false);
    let refused = said.unwrap().iter().find_map(Message::error).unwrap();
    assert_eq!(refused.code, "SH013");
    assert_eq!(values(client.simple("select 1").unwrap()), ["1"]);
}

/// PostgreSQL keeps what a transaction sets when it is prepared, also where it is rolled back then.
#[test]
fn what_a_transaction_set_goes_with_it_when_its_commit_fails() {
    let server = server_with(3);
    let proxy = TestProxy::start(on_one_server(&server, 3, TwoPhaseSettings::default()));
    let connect = || RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let failure = |said: &[Message]| said.iter().find_map(Message::error).map(|e| e.code);
    let mut client = connect();
    let rows = "insert into accounts (id) values (1), (2), (3)";
    assert_eq!(failure(&client.simple(rows).unwrap()), None);
    for sql in [
        "begin",
        "update accounts set note = 'x'",
        "set timezone = 'America/New_York'",
        "insert into accounts (id, twin) values (50, 1), (53, 1)",
    ] {
        assert_eq!(failure(&client.simple(sql).unwrap()), None, "{sql}");
    }
    let committed = client.simple("commit").unwrap();
    assert_eq!(failure(&committed).as_deref(), Some("23505"));
    for client in [&mut client, &mut connect()] {
        for id in [1, 2, 3] {
            let sql = format!(
                "select '2020-01-01 12:00+00'::timestamptz::text from accounts where id = {id}"
            );
            let said = client.simple(&sql).unwrap();
            let row = said.iter().find(|message| message.tag == b'D');
            let text = row.expect("a row").columns().remove(0).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert!(text.starts_with("2020-01-01 12:00"), "{id}: {text}");
        }
    }
}
