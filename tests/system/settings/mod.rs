//! What became of settings and transactions of several clients on one server connection, as on a connection of their own.

mod back;
mod lost;
mod prepared;
mod shards;
mod startup;
mod transactions;
mod unnamed;

use bytes::BytesMut;
use shunt_tests::one_server::{OneServer, one_connection, server_with};
use shunt_tests::raw::{RawClient, frame};
use shunt_tests::twin::shown;

/// One proxy with one connection, and the server itself.
fn start() -> OneServer {
    let made = "create schema hidden; create table public.plain (a int); create table hidden.plain (b text, c text);
                insert into public.plain values (1); insert into hidden.plain values ('x', 'y')";
    OneServer::behind(server_with(made), one_connection())
}

/// A pipeline: statements by `Parse`, `Bind` and `Execute`, one `Sync`.
fn pipeline(client: &mut RawClient, statements: &[&str]) -> Vec<String> {
    shown(&client.pipeline(statements).unwrap())
}

fn prepare(packet: &mut BytesMut, name: &str, sql: &str) {
    frame(packet, b'P', format!("{name}\0{sql}\0\0\0").as_bytes());
}

fn execute(packet: &mut BytesMut, name: &str) {
    bind(packet, "", name);
    frame(packet, b'E', b"\0\0\0\0\0");
}

fn bind(packet: &mut BytesMut, portal: &str, name: &str) {
    let head = format!("{portal}\0{name}\0");
    frame(packet, b'B', &[head.as_bytes(), &[0; 6]].concat());
}

fn send(client: &mut RawClient, mut packet: BytesMut) -> Vec<String> {
    frame(&mut packet, b'S', b"");
    client.write(&packet).unwrap();
    shown(&client.until_ready().unwrap())
}

/// A text prepared under a name and executed, in two pipelines.
fn by_name(client: &mut RawClient, name: &str, sql: &str) -> Vec<String> {
    let mut packet = BytesMut::new();
    prepare(&mut packet, name, sql);
    let mut told = send(client, packet);
    told.extend(again(client, name));
    told
}

fn again(client: &mut RawClient, name: &str) -> Vec<String> {
    let mut packet = BytesMut::new();
    execute(&mut packet, name);
    send(client, packet)
}

const SHOW: &str = "show work_mem";

fn says(told: &[String], what: &str) -> bool {
    told.iter().any(|line| line.contains(what))
}
