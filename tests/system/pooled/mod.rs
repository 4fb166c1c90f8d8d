//! Clients that share server connections: each has its own settings, and what it prepares means what it means by them.

mod connections;
mod names;
mod settings;
mod statements;
mod timeouts;

use std::time::{Duration, Instant};

use local_postgres::Server;
use router_proxy::settings::PoolSettings;
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::{Message, RawClient};

/// A server, and a proxy with one connection to it.
struct World {
    server: Server,
    proxy: TestProxy,
}

impl World {
    fn start(pool: PoolSettings) -> Self {
        let server = Server::builder()
            .database("shop")
            .start()
            .expect("a server starts");
        let pool = PoolSettings {
            max_size: 1,
            acquire_timeout: Duration::from_millis(500),
            ..pool
        };
        let proxy = TestProxy::start(unsharded(&server, "shop", pool));
        Self { server, proxy }
    }

    fn connect(&self) -> RawClient {
        self.connect_with(&[])
    }

    /// Where the only connection is being cleaned, a new client may be told to come back.
    fn connect_with(&self, parameters: &[(&str, &str)]) -> RawClient {
        let until = Instant::now() + Duration::from_secs(10);
        let who = [("user", self.server.user()), ("database", "shop")];
        let parameters: Vec<_> = who.iter().chain(parameters).copied().collect();
        loop {
            match RawClient::connect(self.proxy.address, &parameters, None) {
                Ok(client) => return client,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
        }
    }

    fn direct(&self) -> RawClient {
        let address = ([127, 0, 0, 1], self.server.port()).into();
        RawClient::trust(address, self.server.user(), "shop").expect("a connection")
    }
}

/// Rows as text and errors by SQLSTATE.
fn seen(messages: &[Message]) -> Vec<String> {
    let column = |value: Option<Vec<u8>>| {
        value.map_or("NULL".into(), |v| String::from_utf8_lossy(&v).into_owned())
    };
    let shown = |message: &Message| match message.tag {
        b'D' => {
            let columns: Vec<String> = message.columns().into_iter().map(column).collect();
            Some(columns.join("|"))
        }
        b'E' => Some(message.error()?.code),
        _ => None,
    };
    messages.iter().filter_map(shown).collect()
}

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
