//! Types that somebody made have another number (OID) on each server: clients go by those of the first shard.

use local_postgres::Server;
use router_proxy::settings::TwoPhaseSettings;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{Message, RawClient};
use shunt_tests::shards::{on_one_server, server_with};

/// Three shards with an account in each of several moods. The databases are of one server, which gives no number twice.
fn start() -> (Server, TestProxy) {
    let server = server_with(3);
    let proxy = TestProxy::start(on_one_server(&server, 3, TwoPhaseSettings::default()));
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    for sql in [
        "create type mood as enum ('sad', 'ok')",
        "create domain level as int check (value > 0)",
        "alter table accounts add mood mood, add level level",
        "insert into accounts (id, mood, level) select n, case n % 2 when 0 then 'ok' else 'sad' end::mood, n \
         from generate_series(1, 30) n",
    ] {
        let said = client.simple(sql).unwrap();
        assert!(said.iter().all(|message| message.tag != b'E'), "{said:?}");
    }
    (server, proxy)
}

fn values(said: &[Message]) -> Vec<String> {
    let rows = said.iter().filter(|message| message.tag == b'D');
    let values = rows.flat_map(Message::columns).flatten();
    values
        .map(|value| String::from_utf8(value).unwrap())
        .collect()
}

/// A `Parse` with declared types, `Describe` of the statement, `Bind` of texts, `Describe` of the portal, `Execute`.
fn ask(client: &mut RawClient, sql: &str, types: &[u32], texts: &[&str]) -> Vec<Message> {
    let count = (types.len() as u16).to_be_bytes().to_vec();
    let numbers: Vec<u8> = types
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect();
    client
        .send(
            b'P',
            &[b"s\0", sql.as_bytes(), &[0], &count, &numbers].concat(),
        )
        .unwrap();
    client.send(b'D', b"Ss\0").unwrap();
    let value = |text: &&str| [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
    let values: Vec<u8> = texts.iter().flat_map(value).collect();
    let count = (texts.len() as u16).to_be_bytes().to_vec();
    client
        .send(b'B', &[b"\0s\0\0\0", &count[..], &values, &[0, 0]].concat())
        .unwrap();
    client.send(b'D', b"P\0").unwrap();
    client.send(b'E', &[0; 5]).unwrap();
    client.send(b'C', b"Ss\0").unwrap();
    client.send(b'S', b"").unwrap();
    client.until_ready().unwrap()
}

/// The types of the columns of each description of rows.
fn described(said: &[Message]) -> Vec<u32> {
    let rows = said.iter().filter(|message| message.tag == b'T');
    let fields = rows.flat_map(Message::fields);
    fields.map(|(_, number, _)| number).collect()
}

#[test]
fn clients_see_one_number_for_a_type() {
    let (server, proxy) = start();
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let said = client.simple("select 'mood'::regtype::oid, 'mood[]'::regtype::oid");
    let [mood, moods] = values(&said.unwrap())
        .iter()
        .map(|number| number.parse::<u32>().unwrap())
        .collect::<Vec<_>>()[..]
    else {
        panic!("two numbers");
    };
    // One shard at a time, in all ways that a statement can take; then all of them.
    for id in 1..=30 {
        let right = if id % 2 == 0 { "ok" } else { "sad" };
        let one = format!("select mood, array[mood] from accounts where id = {id}");
        let two = format!("{one}; {one}");
        for (sql, times) in [(&one, 1), (&two, 2)] {
            let said = client.simple(sql).unwrap();
            assert_eq!(described(&said), [mood, moods].repeat(times), "{sql}");
            assert_eq!(values(&said)[0], right);
        }
        let said = ask(
            &mut client,
            "select mood, array[mood] from accounts where id = $1",
            &[20],
            &[&id.to_string()],
        );
        assert_eq!(described(&said), [mood, moods, mood, moods], "{said:?}");
        assert_eq!(values(&said)[0], right);
        for types in [&[][..], &[mood], &[0]] {
            let sql = format!("select count(*) from accounts where mood = $1 and id = {id}");
            let said = ask(&mut client, &sql, types, &[right]);
            assert_eq!(values(&said), ["1"], "{said:?}");
            let parameters = said.iter().find(|message| message.tag == b't').unwrap();
            assert_eq!(parameters.body[2..], mood.to_be_bytes());
        }
    }
    for types in [&[][..], &[mood], &[0]] {
        let said = ask(
            &mut client,
            "select count(*) from accounts where mood = $1",
            types,
            &["ok"],
        );
        assert_eq!(values(&said), ["15"], "{said:?}");
        let sql = "select mood from accounts where mood = $1 order by id";
        let said = ask(&mut client, sql, types, &["sad"]);
        assert_eq!(described(&said), [mood, mood]);
        assert_eq!(values(&said), ["sad"; 15]);
        let sql = "select a.mood, count(*) from accounts a join accounts b on a.level = b.balance + 1 where a.mood = $1 group by 1";
        let said = ask(&mut client, sql, types, &["sad"]);
        assert_eq!(described(&said)[0], mood, "{said:?}");
        assert_eq!(values(&said), ["sad", "30"]);
        let sql = "update accounts set mood = $1 where balance = 0";
        let said = ask(&mut client, sql, types, &["sad"]);
        assert!(
            said.iter().any(|message| message.text() == "UPDATE 30"),
            "{said:?}"
        );
        let sql = "update accounts set mood = case id % 2 when 0 then 'ok' else 'sad' end::mood";
        client.simple(sql).unwrap();
    }
    let sql = "select count(*) from accounts where mood = any($1)";
    for types in [&[][..], &[moods]] {
        assert_eq!(values(&ask(&mut client, sql, types, &["{ok,sad}"])), ["30"]);
    }
    let sql = "select count(*) from accounts where level > $1::level";
    assert_eq!(values(&ask(&mut client, sql, &[], &["5"])), ["25"]);
}

/// A table's row is of a type, too, and so are arrays of it.
#[test]
fn rows_of_tables_have_one_number() {
    let (server, proxy) = start();
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let said = client.simple("select 'accounts'::regtype::oid, 'accounts[]'::regtype::oid");
    let numbers: Vec<u32> = values(&said.unwrap())
        .iter()
        .map(|number| number.parse().unwrap())
        .collect();
    for id in 1..=6 {
        let sql = format!("select a, array[a] from accounts a where id = {id}");
        assert_eq!(described(&client.simple(&sql).unwrap()), numbers);
        let said = ask(
            &mut client,
            &sql.replace(&id.to_string(), "$1"),
            &[20],
            &[&id.to_string()],
        );
        assert_eq!(described(&said), numbers.repeat(2), "{said:?}");
    }
    for sql in [
        "select a, array[a] from accounts a order by id limit 2",
        "select b, array_agg(a) from accounts a join accounts b on a.level = b.level - 1 group by 1",
    ] {
        let said = ask(&mut client, sql, &[], &[]);
        assert_eq!(described(&said), numbers.repeat(2), "{said:?}");
    }
}

/// The tables of columns that drivers look up, to name or to update them.
#[test]
fn clients_see_one_number_for_a_table() {
    let (server, proxy) = start();
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let sql = "select attrelid, attnum from pg_attribute \
               where attrelid = 'accounts'::regclass and attname in ('id', 'mood') order by attnum";
    let said = values(&client.simple(sql).unwrap());
    let [table, id, _, mood] = &said[..] else {
        panic!("{said:?}");
    };
    let table: u32 = table.parse().unwrap();
    let right = [
        (table, id.parse().unwrap()),
        (0, 0),
        (table, mood.parse().unwrap()),
    ];
    let tables = |said: &[Message]| -> Vec<(u32, u16)> {
        let rows = said.iter().filter(|message| message.tag == b'T');
        rows.flat_map(Message::tables).collect()
    };
    for id in 1..=30 {
        let sql = format!("select id, 1, mood from accounts where id = {id}");
        // As the first of its kind, again, and in a transaction.
        for around in [None, None, Some(("begin", "commit"))] {
            let mut say = |sql: &str| client.simple(sql).unwrap();
            around.map(|(begin, _)| say(begin));
            assert_eq!(tables(&say(&sql)), right);
            let said = client.extended(&sql, &[], true).unwrap();
            assert_eq!(tables(&said), right);
            around.map(|(_, end)| client.simple(end).unwrap());
        }
        let said = ask(
            &mut client,
            "select id, 1, mood from accounts where id = $1",
            &[20],
            &[&id.to_string()],
        );
        assert_eq!(tables(&said), [right, right].concat());
    }
    let said = client.simple("select id, 1, mood from accounts").unwrap();
    assert_eq!(tables(&said), right);
}

/// A type that is made anew has another number everywhere.
#[test]
fn types_that_are_made_anew_have_their_new_numbers() {
    let (server, proxy) = start();
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    client.simple("alter table accounts drop mood").unwrap();
    client.simple("drop type mood").unwrap();
    client.simple("create type mood as enum ('new')").unwrap();
    client
        .simple("alter table accounts add mood mood default 'new'")
        .unwrap();
    let number = values(&client.simple("select 'mood'::regtype::oid").unwrap())[0].clone();
    for id in 1..=30 {
        let said = client.simple(&format!("select mood from accounts where id = {id}"));
        let said = said.unwrap();
        assert_eq!(described(&said)[0].to_string(), number);
        assert_eq!(values(&said), ["new"]);
    }
}

/// However an answer comes, whole, in pieces, or with a word beside it: it is put into the first shard's numbers once.
#[test]
fn an_answer_has_the_clients_numbers_however_it_comes() {
    let (server, proxy) = start();
    let mut client = RawClient::trust(proxy.address, server.user(), "bank").unwrap();
    let said = client
        .simple("select 'mood'::regtype::oid, 'accounts'::regclass::oid")
        .unwrap();
    let numbers: Vec<u32> = values(&said).iter().map(|n| n.parse().unwrap()).collect();
    let (mood, accounts) = (numbers[0], numbers[1]);
    for debug in ["select 1", "set client_min_messages = debug5"] {
        client.simple(debug).unwrap();
        for long in [1, 100, 60_000, 400_000] {
            for round in 0..3 {
                for id in 1..=6 {
                    let sql = format!(
                        "select mood, id, repeat('x', {long}), mood from accounts where id = {id}"
                    );
                    let given = "select mood, id, repeat('x', $1::int), mood from accounts where id = $2::bigint";
                    let id = id.to_string();
                    let long = long.to_string();
                    let mut extended = |describes: bool| {
                        let values = [Some(&*long), Some(&*id)];
                        let parse = [b"\0", given.as_bytes(), b"\0\0\0"].concat();
                        client.send(b'P', &parse).unwrap();
                        let value = |text: &str| {
                            [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
                        };
                        let values: Vec<u8> = values
                            .iter()
                            .flatten()
                            .flat_map(|text| value(text))
                            .collect();
                        client
                            .send(b'B', &[b"\0\0\0\0\0\x02", &values[..], &[0, 0]].concat())
                            .unwrap();
                        if describes {
                            client.send(b'D', b"P\0").unwrap();
                        }
                        client.send(b'E', &[0; 5]).unwrap();
                        client.send(b'S', b"").unwrap();
                        client.until_ready().unwrap()
                    };
                    let answers = [
                        extended(true),
                        extended(false),
                        client.simple(&sql).unwrap(),
                    ];
                    for said in &answers {
                        for described in said.iter().filter(|message| message.tag == b'T') {
                            let types: Vec<u32> = described
                                .fields()
                                .iter()
                                .map(|(_, number, _)| *number)
                                .collect();
                            assert_eq!(types, [mood, 20, 25, mood], "{debug} {long} {round} {id}");
                            let tables = described.tables();
                            assert_eq!(tables[0].0, accounts, "{debug} {long} {round} {id}");
                            assert_eq!(tables[1].0, accounts);
                        }
                        assert_eq!(values(said)[1], id);
                    }
                }
            }
        }
    }
}
