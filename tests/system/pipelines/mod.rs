//! Pipelines that end in other ways than by `Sync`: by a message of the simple protocol, by a goodbye, by silence. Over
//! shards and before one server, in either mode of pooling, with a pool of one connection: what is lost is missed at once.

mod ends;
mod errors;
mod goodbyes;

use std::cell::RefCell;
use std::time::Duration;

use router_proxy::settings::{PoolMode, PoolSettings, TwoPhaseSettings};
use shunt_tests::conversation::Op;
use shunt_tests::conversation::play::{Played, play};
use shunt_tests::proxy::{TestProxy, unsharded};
use shunt_tests::raw::RawClient;
use shunt_tests::shards::on_one_server;
use shunt_tests::twin::Twins;

/// The twins, and proxies with one connection to each server.
struct Narrow {
    twins: Twins,
    proxies: [(&'static str, TestProxy, &'static str); 3],
    cleaners: RefCell<Vec<(&'static str, RawClient)>>,
}

fn one(mode: PoolMode) -> PoolSettings {
    PoolSettings {
        mode,
        max_size: 1,
        acquire_timeout: Duration::from_secs(10),
        ..PoolSettings::default()
    }
}

impl Narrow {
    fn start() -> Self {
        let twins = Twins::start();
        let mut sharded = on_one_server(&twins.server, 3, TwoPhaseSettings::default());
        sharded.databases[0].pool = one(PoolMode::Transaction);
        let before = |mode| TestProxy::start(unsharded(&twins.server, "whole", one(mode)));
        let proxies = [
            ("over shards", TestProxy::start(sharded), "bank"),
            ("transaction mode", before(PoolMode::Transaction), "whole"),
            ("session mode", before(PoolMode::Session), "whole"),
        ];
        let address = ([127, 0, 0, 1], twins.server.port()).into();
        let cleaner = |database| {
            let mut client = RawClient::trust(address, twins.server.user(), database).unwrap();
            client.simple("set lock_timeout = '10s'").unwrap();
            (database, client)
        };
        let cleaners = ["whole", "bank0", "bank1", "bank2"].map(cleaner).into();
        Self {
            cleaners: RefCell::new(cleaners),
            twins,
            proxies,
        }
    }

    fn direct(&self) -> RawClient {
        let address = ([127, 0, 0, 1], self.twins.server.port()).into();
        RawClient::trust(address, self.twins.server.user(), "whole").expect("the server")
    }

    fn client(&self, proxy: usize) -> RawClient {
        let (name, proxy, database) = &self.proxies[proxy];
        RawClient::trust(proxy.address, self.twins.server.user(), database).expect(name)
    }

    /// Rows of a test before are gone, and nobody holds a lock on them.
    fn clean(&self) {
        for (database, client) in &mut *self.cleaners.borrow_mut() {
            let cleaned = client
                .simple("delete from accounts where id >= 100")
                .unwrap();
            assert_eq!(cleaned[0].tag, b'C', "{database}: {cleaned:?}");
        }
    }

    /// What the servers are at.
    fn at_work(&self) -> String {
        let sql = "select datname, pid, state, wait_event, left(query, 60), now() - state_change from pg_stat_activity \
             where backend_type = 'client backend' order by 1, 2";
        let server = &self.twins.server;
        server.execute("postgres", sql).unwrap_or_default()
    }

    /// Every way through a proxy says what the server says.
    #[track_caller]
    fn alike(&self, ops: &[Op]) {
        let mut ops = ops.to_vec();
        let left = "select id, note from accounts where id >= 100 order by id";
        ops.extend([Op::Wait, query("rollback"), Op::Wait, query(left), Op::Wait]);
        self.clean();
        let direct = play(&mut self.direct(), &ops, None, || {}).unwrap();
        let shown: Vec<String> = ops.iter().map(ToString::to_string).collect();
        for (at, (name, ..)) in self.proxies.iter().enumerate() {
            self.clean();
            let through = play(&mut self.client(at), &ops, Some(&direct.pauses), || {}).unwrap();
            let all = direct.pauses.last().copied().unwrap_or_default();
            // Where in the text and why is said in other words.
            let bare = |said: &String| match said.split_once(" D:").or(said.split_once(" P:")) {
                Some((before, _)) if said.starts_with("E ") => before.to_owned(),
                _ => said.clone(),
            };
            let said = |played: &Played| -> Vec<String> {
                let said = &played.said[..all.min(played.said.len())];
                said.iter().map(bare).collect()
            };
            assert_eq!(said(&through), said(&direct), "{name}: {shown:#?}");
        }
    }
}

fn query(text: &str) -> Op {
    Op::Query(text.to_owned())
}

fn parse(text: &str) -> Op {
    Op::Parse("", text.to_owned(), Vec::new())
}

fn bind() -> Op {
    Op::Bind("", "", Vec::new(), Vec::new())
}

/// `Parse`, `Bind` and `Execute` of a statement, without `Sync`.
fn run(text: &str) -> Vec<Op> {
    vec![parse(text), bind(), Op::Execute("", 0)]
}

fn both(first: &[Op], second: &[Op]) -> Vec<Op> {
    [first, second].concat()
}

const ONE_SHARD: &str = "insert into accounts (id, note) values (100, 'one')";

/// Of the shard that everybody takes first: whoever goes on to others from another one in the same transaction may have to
/// wait for somebody who waits for him, until one of them has waited for too long.
const FIRST_SHARD: &str = "insert into accounts (id, note) values (105, 'one')";

const SHARDS: &str = "insert into accounts (id, note) values (101, 'a'), (102, 'b'), (103, 'c')";

const SHARDS_TOO: &str = "insert into accounts (id, note) values (110, 'x'), (111, 'y')";
