//! Clients that share server connections: each has its own settings, and what it prepares means what it means by them.

mod connections;
mod names;
mod settings;
mod statements;
mod timeouts;

use shunt_tests::one_server::OneServer as World;
use shunt_tests::raw::{RawClient, seen};

fn simple(client: &mut RawClient, sql: &str) -> Vec<String> {
    seen(&client.simple(sql).expect("an answer"))
}

fn parse(client: &mut RawClient, name: &str, text: &[u8]) {
    let body = [name.as_bytes(), &[0], text, &[0, 0, 0]].concat();
    client.send(b'P', &body).unwrap();
}

fn bind(client: &mut RawClient, portal: &str, name: &str) {
    let body = [
        portal.as_bytes(),
        &[0],
        name.as_bytes(),
        &[0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    client.send(b'B', &body).unwrap();
}

fn execute(client: &mut RawClient, portal: &str) {
    let body = [portal.as_bytes(), &[0, 0, 0, 0, 0]].concat();
    client.send(b'E', &body).unwrap();
}

fn sync(client: &mut RawClient) -> Vec<String> {
    client.send(b'S', b"").unwrap();
    seen(&client.until_ready().expect("an answer"))
}

/// Prepares under a name.
fn prepare(client: &mut RawClient, name: &str, text: &[u8]) -> Vec<String> {
    parse(client, name, text);
    sync(client)
}

/// Executes what was prepared.
fn run(client: &mut RawClient, name: &str) -> Vec<String> {
    bind(client, "", name);
    execute(client, "");
    sync(client)
}
