//! Shards behind a proxy beside one database with the same schema: what is asked of both must be answered alike.

use local_postgres::Server;
use router_core::topology::TopologySpec;

use crate::proxy::TestProxy;
use crate::raw::{Message, RawClient};
use crate::shards::{SCHEMA, proxy_before, server_from, spec};

/// The database that is whole.
const WHOLE: &str = "whole";

/// Three shards and the one database.
pub struct Twins {
    /// The server of all of them.
    pub server: Server,
    /// The proxy before the shards.
    pub proxy: TestProxy,
}

/// A client of each.
pub struct Pair {
    /// Of the proxy.
    pub shards: RawClient,
    /// Of the one database.
    pub whole: RawClient,
}

impl Twins {
    /// Starts them with twelve accounts.
    pub fn start() -> Self {
        Self::with(&spec(3))
    }

    /// The same with a topology of three shards.
    pub fn with(spec: &TopologySpec) -> Self {
        let whole = Server::builder().database(WHOLE).schema(WHOLE, SCHEMA);
        let server = server_from(whole, 3);
        let proxy = proxy_before(&server, spec, &["bank0", "bank1", "bank2"], 20);
        let twins = Self { server, proxy };
        let mut pair = twins.connect();
        pair.both("insert into accounts select i, i * 10, null, 'note ' || i from generate_series(1, 12) i");
        pair.both("insert into copies values (1, 'one'), (2, 'two')");
        twins
    }

    /// A client of each.
    pub fn connect(&self) -> Pair {
        let user = self.server.user();
        Pair {
            shards: RawClient::trust(self.proxy.address, user, "bank").expect("the proxy"),
            whole: RawClient::trust(([127, 0, 0, 1], self.server.port()).into(), user, WHOLE)
                .expect("the server"),
        }
    }
}

/// What a conversation shows, rows in no order: types of columns, rows, tags, errors, the state.
pub fn shown(messages: &[Message]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rows = Vec::new();
    for message in messages {
        if message.tag == b'D' {
            let columns = message.columns();
            let columns = columns.iter().map(|column| match column {
                Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                None => "NULL".to_owned(),
            });
            rows.push(format!("row {}", columns.collect::<Vec<_>>().join("|")));
            continue;
        }
        rows.sort();
        lines.append(&mut rows);
        match message.tag {
            b'T' => lines.push(format!("columns {:?}", message.fields())),
            b'C' => lines.push(format!("tag {}", message.text())),
            b'E' => {
                let error = message.error().unwrap_or_default();
                lines.push(format!(
                    "{} {} {} | {} | {}",
                    error.severity, error.code, error.message, error.detail, error.hint
                ));
            }
            b'Z' => lines.push(format!("state {}", char::from(message.body[0]))),
            b't' => lines.push(format!("parameters {:?}", message.body)),
            tag => lines.push(format!("message {}", char::from(tag))),
        }
    }
    lines
}

impl Pair {
    /// A simple query to both, which must be answered alike.
    #[track_caller]
    pub fn both(&mut self, sql: &str) -> Vec<String> {
        let shards = shown(&self.shards.simple(sql).expect(sql));
        let whole = shown(&self.whole.simple(sql).expect(sql));
        assert_eq!(shards, whole, "{sql}");
        shards
    }

    /// The same over the extended protocol.
    #[track_caller]
    pub fn both_extended(&mut self, sql: &str, values: &[Option<&str>]) -> Vec<String> {
        let shards = shown(&self.shards.extended(sql, values, false).expect(sql));
        let whole = shown(&self.whole.extended(sql, values, false).expect(sql));
        assert_eq!(shards, whole, "{sql}");
        shards
    }

    /// A simple query to the proxy alone.
    #[track_caller]
    pub fn ask(&mut self, sql: &str) -> Vec<String> {
        shown(&self.shards.simple(sql).expect(sql))
    }
}
