//! The proxy before two shards: one statement on one shard, on both, in transactions over both.

mod settings;
mod statements;
mod transactions;

use local_postgres::Server;
use router_core::topology::spec::TopologySpec;
use router_proxy::settings::Database;
use shunt_tests::driver;
use shunt_tests::proxy::{TestProxy, address, with_databases};
use shunt_tests::shards::{database, layout, modulo, pinned, spread, with_databases_of};
use tokio_postgres::Client;

const DATABASES: [&str; 2] = ["shop0", "shop1"];

/// Two databases of one server are two shards: users by `id` modulo 2.
struct Shop {
    server: Server,
    proxy: TestProxy,
}

impl Shop {
    fn start() -> Self {
        let tables = "create table users (id bigint primary key, name text);
                      create table far (id bigint primary key)";
        let server = with_databases_of(Server::builder(), &DATABASES, tables)
            .start()
            .expect("a server starts");
        let database = Self::database(&server, None);
        let proxy = TestProxy::start(with_databases(vec![database], server.user()));
        Self { server, proxy }
    }

    /// The database, perhaps with the table `far` on a shard.
    fn database(server: &Server, far: Option<&str>) -> Database {
        let users = spread("users", "id", "by_user");
        let far = far.map(|shard| pinned("far", shard));
        let spec = TopologySpec {
            placements: vec![modulo("by_user")],
            tables: [users].into_iter().chain(far).collect(),
            ..layout("shop", &["s0", "s1"])
        };
        let primaries = DATABASES.map(|name| address(server, name));
        let mut database = database(&spec, primaries.into());
        database.pool.max_size = 1;
        database
    }

    async fn connect(&self) -> Client {
        self.proxy.connect(self.server.user(), "shop").await
    }

    fn on(&self, shard: &str, sql: &str) -> String {
        self.server.execute(shard, sql).unwrap()
    }
}

/// The rows in no order.
async fn ask(client: &Client, sql: &str) -> Vec<String> {
    let mut rows = driver::ask(client, sql).await;
    rows.sort();
    rows
}

async fn filled(shop: &Shop) -> Client {
    let client = shop.connect().await;
    for id in 1..=6 {
        let sql = format!("insert into users (id, name) values ({id}, 'user {id}')");
        client.simple_query(&sql).await.unwrap();
    }
    client
}
