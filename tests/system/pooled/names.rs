//! A name means one statement, whatever becomes of the message that gives it or takes it away.

use router_proxy::settings::PoolSettings;
use shunt_tests::raw::{Message, RawClient};

use super::{World, bind, execute, parse, simple};

/// All that a client is told: tags of commands, errors in words, rows.
fn told(messages: &[Message]) -> Vec<String> {
    let shown = |message: &Message| match message.tag {
        b'C' => message.text(),
        b'E' => message.error().map_or_else(String::new, |error| {
            format!("{} {}", error.code, error.message)
        }),
        b'D' => format!("{:?}", message.columns()),
        b'Z' => format!("{}", char::from(message.body[0])),
        tag => char::from(tag).to_string(),
    };
    messages
        .iter()
        .filter(|m| !b"NST".contains(&m.tag))
        .map(shown)
        .collect()
}

/// What a conversation is told by the server and through the proxy.
fn both(world: &World, talk: impl Fn(&mut RawClient) -> Vec<String>) {
    let direct = talk(&mut world.direct());
    assert_eq!(talk(&mut world.connect()), direct);
}

fn say(client: &mut RawClient, sql: &str) -> Vec<String> {
    told(&client.simple(sql).expect("an answer"))
}

fn end(client: &mut RawClient) -> Vec<String> {
    client.send(b'S', b"").unwrap();
    told(&client.until_ready().expect("an answer"))
}

/// A name means one statement, whoever has prepared it and whatever becomes of the message that takes it away.
#[test]
fn names_are_taken_and_free_as_on_one_server() {
    let world = World::start(PoolSettings::default());
    // DEALLOCATE is not undone.
    both(&world, |client| {
        parse(client, "s1", b"select 1");
        parse(client, "s2", b"select 2");
        let mut all = end(client);
        for sql in ["begin", "deallocate s1; select 1/0", "rollback"] {
            all.extend(say(client, sql));
        }
        parse(client, "s1", b"select 11");
        all.extend(end(client));
        bind(client, "", "s1");
        execute(client, "");
        all.extend(end(client));
        all.extend(say(client, "deallocate all; execute s2"));
        all
    });
    // What SQL has prepared may be of any name.
    both(&world, |client| {
        let mut all = say(client, "prepare q as select 1");
        for text in [
            "select 1",
            "discard temp",
            "begin",
            "set work_mem = 100",
            "select 2",
        ] {
            parse(client, "s1", text.as_bytes());
            all.extend(end(client));
        }
        bind(client, "", "s1");
        execute(client, "");
        client.send(b'C', b"Ss1\0").unwrap();
        parse(client, "s1", b"set work_mem = '101kB'");
        bind(client, "", "s1");
        execute(client, "");
        all.extend(end(client));
        all.extend(say(client, "show work_mem"));
        all.extend(say(client, "deallocate s1"));
        parse(client, "s1", b"begin");
        bind(client, "", "s1");
        execute(client, "");
        all.extend(end(client));
        all.extend(say(client, "rollback"));
        all.extend(say(client, "discard all"));
        parse(client, "s1", b"begin");
        parse(client, "s1", b"select 3");
        all.extend(end(client));
        all
    });
    let mut next = world.connect();
    assert_eq!(simple(&mut next, "show work_mem"), ["4MB"]);
    // Free again by SQL, a name is the session's, which knows what settings go back to.
    let startup = [("timezone", "Asia/Tokyo")];
    let frees = |client: &mut RawClient| {
        let mut all = say(client, "prepare q as select 1; set timezone = 'CET'");
        parse(client, "s1", b"select 1");
        all.extend(end(client));
        all.extend(say(client, "deallocate s1"));
        parse(client, "s1", b"reset timezone");
        bind(client, "", "s1");
        execute(client, "");
        all.extend(end(client));
        all.extend(say(client, "show timezone"));
        all
    };
    let direct = frees(&mut world.direct_with(&startup));
    assert_eq!(frees(&mut world.connect_with(&startup)), direct);
    assert!(direct.iter().any(|told| told.contains("65, 115, 105, 97")));
    // It is for nobody to bind what a statement does not have.
    both(&world, |client| {
        parse(client, "s1", b"deallocate s1");
        let mut all = end(client);
        let body = b"\0s1\0\0\0\0\x02\0\0\0\x011\0\0\0\x012\0\0";
        client.send(b'B', body).unwrap();
        all.extend(end(client));
        bind(client, "", "s1");
        execute(client, "");
        all.extend(end(client));
        all
    });
}

/// A connection keeps 500 statements. Whether one that makes way for another is gone is known once the server has said so.
#[test]
fn a_statement_that_may_not_have_made_way_is_found() {
    let world = World::start(PoolSettings::default());
    both(&world, |client| {
        for at in 0..500 {
            parse(client, &format!("f{at}"), format!("select {at}").as_bytes());
        }
        let mut all = end(client);
        for at in 0..500 {
            bind(client, "", &format!("f{at}"));
            execute(client, "");
        }
        all.extend(end(client));
        // What makes room fails before it can, and the next pipeline is on its way already.
        for (name, text) in [("b", "select 1/0"), ("x", "select 4711")] {
            parse(client, name, text.as_bytes());
            bind(client, "", name);
            execute(client, "");
        }
        client.send(b'S', b"").unwrap();
        for name in ["f0", "f1", "f2"] {
            bind(client, "", name);
            execute(client, "");
        }
        client.send(b'S', b"").unwrap();
        all.extend(told(&client.until_ready().unwrap()));
        all.extend(told(&client.until_ready().unwrap()));
        // It was skipped, and so was its Parse.
        parse(client, "x", b"select 4711");
        bind(client, "", "x");
        execute(client, "");
        all.extend(end(client));
        all
    });
}

/// Beside a `PREPARE` of SQL's a name goes to the server as it is. Once that is closed, the name is free for what means
/// something else to the session than to its server.
#[test]
fn a_name_that_is_closed_may_go_back_to_what_the_session_began_with() {
    let world = World::start(PoolSettings::default());
    let execute = |client: &mut RawClient, sql: &str| {
        client.send(b'C', b"Ss1\0").unwrap();
        parse(client, "s1", sql.as_bytes());
        bind(client, "", "s1");
        execute(client, "");
    };
    let startup = [("work_mem", "99kB")];
    for back in ["reset work_mem", "reset all", "discard all"] {
        // In one pipeline, in two, and behind an error for whose sake the name is not closed.
        for (between, ends) in [("", false), ("", true), ("select 1/0", false)] {
            let talk = |mut client: RawClient| {
                let mut all = say(&mut client, "prepare ps as select 1");
                execute(&mut client, "select 2");
                if !between.is_empty() {
                    all.extend(end(&mut client));
                    parse(&mut client, "", between.as_bytes());
                    bind(&mut client, "", "");
                    super::execute(&mut client, "");
                }
                if ends {
                    all.extend(end(&mut client));
                }
                execute(&mut client, back);
                all.extend(end(&mut client));
                bind(&mut client, "", "s1");
                super::execute(&mut client, "");
                all.extend(end(&mut client));
                all.extend(say(&mut client, "show work_mem"));
                all
            };
            let who = [("user", world.server.user()), ("database", "shop")];
            let direct = ([127, 0, 0, 1], world.server.port()).into();
            let parameters: Vec<_> = who.iter().chain(&startup).copied().collect();
            let direct = talk(RawClient::connect(direct, &parameters, None).unwrap());
            let through = talk(world.connect_with(&startup));
            assert_eq!(through, direct, "{back} {between} {ends}");
        }
    }
}
