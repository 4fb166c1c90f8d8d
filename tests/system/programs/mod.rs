//! Statements that are carried out in steps over three shards.

mod bound;
mod cursors;
mod gathered;
mod merged;

use local_postgres::Server;
use router_core::topology::spec::TopologySpec;
use router_proxy::settings::GatherLimits;
use shunt_tests::proxy::{TestProxy, address, with_databases};
use shunt_tests::shards::{database, layout, modulo, pinned, spread, with_databases_of};
use tokio_postgres::Client;

const SHARDS: [&str; 3] = ["s0", "s1", "s2"];

const SCHEMA: &str = r#"
    create table users (id bigint primary key, name text collate "C", score numeric, level int);
    create table orders (id bigint primary key, user_id bigint not null, total numeric)
"#;

/// Three databases of one server are three shards: users by `id` modulo 3, orders by their own `id`.
struct World {
    server: Server,
    proxy: TestProxy,
}

impl World {
    fn start() -> Self {
        Self::with(GatherLimits::default(), 5)
    }

    fn with(gather: GatherLimits, max_size: usize) -> Self {
        Self::with_scratch(gather, max_size, Some("s0"))
    }

    fn with_scratch(gather: GatherLimits, max_size: usize, scratch: Option<&str>) -> Self {
        let server = with_databases_of(Server::builder(), &SHARDS, SCHEMA)
            .schema(
                "s2",
                "create table labels (level int primary key, text text)",
            )
            .schema(
                "s1",
                "create table notes (level int primary key, text text)",
            )
            .start()
            .expect("a server starts");
        let spec = TopologySpec {
            scratch: scratch.map(str::to_owned),
            placements: vec![modulo("by_id")],
            tables: vec![
                spread("users", "id", "by_id"),
                spread("orders", "id", "by_id"),
                pinned("labels", "s2"),
                pinned("notes", "s1"),
            ],
            ..layout("shop", &SHARDS)
        };
        let mut database = database(&spec, SHARDS.map(|name| address(&server, name)).into());
        database.pool.max_size = max_size;
        database.reads.gather = gather;
        let proxy = TestProxy::start(with_databases(vec![database], server.user()));
        Self { server, proxy }
    }

    async fn connect(&self) -> Client {
        self.proxy.connect(self.server.user(), "shop").await
    }

    /// Users 1 to `count`, loaded into the shards directly, and two orders of each.
    fn fill(&self, count: usize) {
        self.fill_from(1, count);
    }

    fn fill_from(&self, first: usize, count: usize) {
        for (at, shard) in SHARDS.iter().enumerate() {
            let sql = format!(
                "insert into users select i, 'user ' || i, i % 7, case when i % 5 = 0 then null else i % 5 end \
                 from generate_series({first}, {count}) i where i % 3 = {at};
                 insert into orders select i, (i + 1) / 2, i * 1.5 from generate_series(2 * {first} - 1, 2 * {count}) i where i % 3 = {at}"
            );
            self.server.execute(shard, &sql).unwrap();
        }
    }
}
