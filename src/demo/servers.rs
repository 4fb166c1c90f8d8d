//! The shards and their replicas, started side by side.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context as _;
use local_postgres::{Cluster, Progress, Server, Shard};
use router_proxy::settings::{Replica, ServerAddress, ShardServers, TlsMode};

use super::screen::{Screen, Step};
use super::shop;

/// How the proxy reaches a shard.
pub fn addresses(shard: &Shard) -> ShardServers {
    let replica = |server: &Server| Replica {
        address: address(server),
        weight: 1,
        zone: None,
        backup: false,
    };
    ShardServers {
        primary: address(&shard.primary),
        replicas: shard.replicas.iter().map(replica).collect(),
    }
}

fn address(server: &Server) -> ServerAddress {
    ServerAddress {
        host: "127.0.0.1".to_owned(),
        port: server.port(),
        database: shop::DATABASE.to_owned(),
        user: shop::USER.to_owned(),
        password: None,
        tls: TlsMode::Disable,
        root_cert: None,
        client_cert: None,
    }
}

/// What the shards' servers are made from.
pub fn builder(directory: Option<&Path>) -> local_postgres::Builder {
    let builder = Server::builder()
        .superuser(shop::USER)
        .database(shop::DATABASE);
    match directory {
        Some(directory) => builder.directory(directory),
        None => builder,
    }
}

/// Starts `count` shards with `replicas` replicas each, with the schema and no users yet.
pub(super) fn start(
    count: usize,
    replicas: usize,
    directory: Option<&Path>,
    screen: &Screen,
) -> anyhow::Result<Cluster> {
    let starting: Vec<Mutex<Starting>> = (0..count)
        .map(|number| Mutex::new(Starting::new(number, replicas, screen)))
        .collect();
    let told = |number: usize, progress: Progress| {
        if let Some(Ok(mut starting)) = starting.get(number).map(Mutex::lock) {
            starting.hears(progress);
        }
    };
    let schema = (shop::DATABASE, shop::SCHEMA);
    Cluster::start(count, replicas, &builder(directory), schema, &told)
        .context("cannot start the servers")
}

/// A shard's line on the screen.
struct Starting {
    shard: usize,
    replicas: usize,
    ports: Vec<u16>,
    step: Option<Step>,
}

impl Starting {
    fn new(shard: usize, replicas: usize, screen: &Screen) -> Self {
        let step = Some(screen.step(&format!("s{shard}: primary is starting")));
        Self {
            shard,
            replicas,
            ports: Vec::new(),
            step,
        }
    }

    fn hears(&mut self, progress: Progress) {
        let (Progress::Primary { port } | Progress::Replica { port }) = progress;
        self.ports.push(port);
        let text = self.text();
        if self.ports.len() <= self.replicas {
            if let Some(step) = &self.step {
                step.goes_on(&format!("{text}, next replica is starting"));
            }
        } else if let Some(step) = self.step.take() {
            step.done(&text);
        }
    }

    fn text(&self) -> String {
        let mut text = format!("s{}:", self.shard);
        for (number, port) in self.ports.iter().enumerate() {
            text.push_str(if number == 0 {
                " primary on port "
            } else {
                ", replica on port "
            });
            text.push_str(&port.to_string());
        }
        text
    }
}

/// On which shard each user is, by looking at each server directly: what the proxy did is checked against it.
pub(super) fn homes_of_users(cluster: &Cluster) -> anyhow::Result<BTreeMap<i64, String>> {
    let mut homes = BTreeMap::new();
    for shard in cluster.shards() {
        let ids = shard
            .primary
            .execute(shop::DATABASE, "SELECT id FROM users")?;
        for id in ids.lines() {
            let id: i64 = id
                .parse()
                .context("a server gave a key that is no number")?;
            if let Some(other) = homes.insert(id, shard.name.clone()) {
                anyhow::bail!("user {id} is on both {other} and {}", shard.name);
            }
        }
    }
    Ok(homes)
}
