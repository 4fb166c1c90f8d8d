//! What one client leaves on a server connection, the next one must not see. One connection, two clients.

mod behind;
mod beside;
mod deeds;
mod explained;
mod next;
mod sequences;

use std::time::{Duration, Instant};

use local_postgres::Server;
use shunt_tests::proxy::TestProxy;
use shunt_tests::raw::{Message, RawClient};

use self::behind::MADE_BEHIND;
use self::deeds::LOOKS;

fn server() -> Server {
    let server = Server::builder()
        .database("shop")
        .start()
        .expect("a server starts");
    server
        .execute(
            "shop",
            "create table t (a int); create sequence counter; create schema hidden; create role low;
             create procedure sets_in_procedure() language plpgsql as $$ begin set work_mem = '77kB'; end $$;
             create function sets() returns text language sql as $$ select set_config('work_mem', '77kB', false) $$",
        )
        .unwrap();
    server
}

/// One with functions behind tables as well. They are not in the other: an operator, a cast or a domain that changes a
/// setting lets every statement keep its connection.
fn server_with_things_behind() -> Server {
    let server = server();
    server.execute("shop", MADE_BEHIND).unwrap();
    server
}

fn connect(proxy: &TestProxy, server: &Server) -> RawClient {
    // Where the only connection is being cleaned, a new client may be told to come back.
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match RawClient::trust(proxy.address, server.user(), "shop") {
            Ok(client) => return client,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    }
}

/// Rows as text and errors by SQLSTATE.
fn seen(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .filter_map(|message| match message.tag {
            b'D' => Some(
                message
                    .columns()
                    .into_iter()
                    .map(|column| {
                        column.map_or("NULL".into(), |v| String::from_utf8_lossy(&v).into_owned())
                    })
                    .collect::<Vec<_>>()
                    .join("|"),
            ),
            b'E' => Some(message.error().expect("an error").code),
            _ => None,
        })
        .collect()
}

/// One statement by Parse, Bind, Execute, Sync.
fn extended(client: &mut RawClient, sql: &str) -> Vec<Message> {
    let mut parse = vec![0];
    parse.extend_from_slice(sql.as_bytes());
    parse.extend_from_slice(&[0, 0, 0]);
    client.send(b'P', &parse).unwrap();
    client.send(b'B', &[0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    client.send(b'E', &[0, 0, 0, 0, 0]).unwrap();
    if sql.starts_with("copy") {
        client.send(b'f', b"no data\0").unwrap();
    }
    client.send(b'S', b"").unwrap();
    client.until_ready().unwrap()
}

fn look(proxy: &TestProxy, server: &Server) -> Vec<Vec<String>> {
    let mut client = connect(proxy, server);
    LOOKS
        .iter()
        .map(|sql| seen(&client.simple(sql).unwrap()))
        .collect()
}
