//! What one client leaves on a server connection, the next one must not see. One connection, two clients.

mod behind;
mod beside;
mod deeds;
mod explained;
mod next;
mod sequences;

use bytes::BytesMut;
use shunt_tests::one_server::{OneServer, one_connection, server_with};
use shunt_tests::raw::{Message, RawClient, frame, seen};

use self::deeds::LOOKS;

/// What all of them find on the server.
const MADE: &str = "create table t (a int); create sequence counter; create schema hidden; create role low;
    create procedure sets_in_procedure() language plpgsql as $$ begin set work_mem = '77kB'; end $$;
    create function sets() returns text language sql as $$ select set_config('work_mem', '77kB', false) $$";

/// The operator, the cast and the domain that change a setting let every statement keep its connection.
const WITHOUT_TYPES: &str =
    "drop operator ==== (int, int); drop cast (text as by_cast); drop domain by_domain";

/// A server with this besides, and a proxy with one connection.
fn start(made: &[&str]) -> OneServer {
    let server = server_with(&[&[MADE], made].concat().join(";\n"));
    OneServer::behind(server, one_connection())
}

/// One statement by Parse, Bind, Execute, Sync; a copy is broken off.
fn extended(client: &mut RawClient, sql: &str) -> Vec<Message> {
    let mut packet = BytesMut::new();
    frame(
        &mut packet,
        b'P',
        &[b"\0", sql.as_bytes(), b"\0\0\0"].concat(),
    );
    frame(&mut packet, b'B', &[0; 8]);
    frame(&mut packet, b'E', &[0; 5]);
    if sql.starts_with("copy") {
        frame(&mut packet, b'f', b"no data\0");
    }
    frame(&mut packet, b'S', b"");
    client.write(&packet).unwrap();
    client.until_ready().unwrap()
}

fn look(client: &mut RawClient) -> Vec<Vec<String>> {
    LOOKS
        .iter()
        .map(|sql| seen(&client.simple(sql).unwrap()))
        .collect()
}
