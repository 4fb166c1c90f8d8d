//! One server with the database `shop`, unsharded, and a proxy before it.

use std::net::SocketAddr;
use std::time::Duration;

use local_postgres::Server;
use router_proxy::settings::{PoolSettings, Settings, User};

use crate::patience::PATIENCE;
use crate::proxy::{TestProxy, unsharded};
use crate::raw::{Message, RawClient, seen};

/// The database.
pub const DATABASE: &str = "shop";

/// A server with the database, which is empty.
pub fn server() -> Server {
    Server::builder()
        .database(DATABASE)
        .start()
        .expect("a server starts")
}

/// A server with this in the database.
pub fn server_with(schema: &str) -> Server {
    Server::builder()
        .database(DATABASE)
        .schema(DATABASE, schema)
        .start()
        .expect("a server starts")
}

/// A pool of one connection: what is left on it is met by the next client. Whoever waits for it waits until it is free.
pub fn one_connection() -> PoolSettings {
    PoolSettings {
        max_size: 1,
        acquire_timeout: PATIENCE,
        ..PoolSettings::default()
    }
}

/// Lets in `operator`, who is an administrator.
pub fn with_operator(mut settings: Settings) -> Settings {
    let operator = User {
        name: "operator".into(),
        admin: true,
        ..settings.users[0].clone()
    };
    settings.users.push(operator);
    settings
}

/// The server and the proxy.
pub struct OneServer {
    /// The server.
    pub server: Server,
    /// The proxy.
    pub proxy: TestProxy,
}

impl OneServer {
    /// A server with the empty database, and a proxy with a pool of one connection that is like this one otherwise.
    pub fn start(pool: PoolSettings) -> Self {
        let pool = PoolSettings {
            max_size: 1,
            acquire_timeout: PATIENCE,
            ..pool
        };
        Self::behind(server(), pool)
    }

    /// A proxy with this pool before a server. It has an operator.
    pub fn behind(server: Server, pool: PoolSettings) -> Self {
        Self::adjusted(server, pool, |_| {})
    }

    /// The same with other settings besides.
    pub fn adjusted(
        server: Server,
        pool: PoolSettings,
        adjust: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = with_operator(unsharded(&server, DATABASE, pool));
        adjust(&mut settings);
        let proxy = TestProxy::start(settings);
        Self { server, proxy }
    }

    /// A client of the proxy.
    pub fn connect(&self) -> RawClient {
        self.connect_with(&[])
    }

    /// A client of the proxy whose startup packet says this besides.
    pub fn connect_with(&self, parameters: &[(&str, &str)]) -> RawClient {
        self.client_of(self.proxy.address, parameters)
    }

    fn client_of(&self, address: SocketAddr, parameters: &[(&str, &str)]) -> RawClient {
        let who = [("user", self.server.user()), ("database", DATABASE)];
        let parameters: Vec<_> = who.iter().chain(parameters).copied().collect();
        RawClient::connect(address, &parameters, None).expect("a client gets in")
    }

    /// What a client is told, or nothing when it would have to wait for a connection that somebody else keeps.
    pub fn unless_kept(&self, client: &mut RawClient, sql: &str) -> Option<Vec<Message>> {
        client
            .send(b'Q', format!("{sql}\0").as_bytes())
            .expect("the query is taken");
        let mut told: Vec<Message> = Vec::new();
        let (mut open, mut console) = (true, None);
        while told.is_empty() {
            let first = client.read_within(Duration::from_millis(20), &mut open);
            told.extend(first.expect("a message or none"));
            assert!(open, "{sql}: the connection was closed");
            if told.is_empty() && waiting(console.get_or_insert_with(|| self.console())) > 0 {
                client.cancel(self.proxy.address).expect("it is dealt with");
                break;
            }
        }
        while told.last().is_none_or(|message| message.tag != b'Z') {
            told.push(client.read().expect("an answer"));
        }
        (seen(&told) != ["57014"]).then_some(told)
    }

    /// The operator at the console.
    pub fn console(&self) -> RawClient {
        RawClient::trust(self.proxy.address, "operator", "shunt").expect("the operator is let in")
    }

    /// What clients are told is the same through the proxy and without it.
    #[track_caller]
    pub fn same(&self, what: &str, script: &dyn Fn(&dyn Fn() -> RawClient) -> Vec<String>) {
        self.same_with(what, &[], script);
    }

    /// The same for clients whose startup packets say this besides.
    #[track_caller]
    pub fn same_with(
        &self,
        what: &str,
        startup: &[(&str, &str)],
        script: &dyn Fn(&dyn Fn() -> RawClient) -> Vec<String>,
    ) {
        let direct = ([127, 0, 0, 1], self.server.port()).into();
        let direct = script(&|| self.client_of(direct, startup));
        let proxied = script(&|| self.connect_with(startup));
        assert_eq!(proxied, direct, "{what}");
    }

    /// A client of the server itself.
    pub fn direct(&self) -> RawClient {
        RawClient::direct(&self.server, DATABASE)
    }

    /// A client of the server itself whose startup packet says this besides.
    pub fn direct_with(&self, parameters: &[(&str, &str)]) -> RawClient {
        self.client_of(([127, 0, 0, 1], self.server.port()).into(), parameters)
    }
}

/// How many clients wait for a connection, as the console says.
pub fn waiting(console: &mut RawClient) -> u32 {
    let pools = console.simple("SHOW POOLS").expect("the console answers");
    let rows = pools.iter().filter(|message| message.tag == b'D');
    let numbers = rows.map(|row| row.columns()[3].clone().expect("a number"));
    let numbers = numbers.map(|number| String::from_utf8_lossy(&number).parse::<u32>());
    numbers.map(|number| number.expect("a number")).sum()
}
