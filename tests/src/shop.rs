//! The demo's shop, on shards with a proxy in front.

use local_postgres::{Cluster, Server};
use shunt::demo::{self, shop};
use tokio_postgres::{Client, NoTls};

use crate::proxy::TestProxy;

/// Shards with the shop's schema and countries but no users, and a proxy before them. Everybody is
/// trusted, as the user `shop` in the database `shop`.
pub struct Shop {
    /// The proxy. Declared first, so that it goes before its servers.
    pub proxy: TestProxy,
    /// The servers.
    pub cluster: Cluster,
}

impl Shop {
    /// Starts `shards` shards with `replicas` replicas each.
    pub async fn start(shards: usize, replicas: usize) -> anyhow::Result<Self> {
        let start = move || {
            let builder = demo::servers::builder(None);
            let schema = (shop::DATABASE, shop::SCHEMA);
            Cluster::start(shards, replicas, &builder, schema, &|_, _| {})
        };
        let cluster = tokio::task::spawn_blocking(start).await??;
        let proxy = TestProxy::start(demo::settings(0, &cluster)?);
        Ok(Self { proxy, cluster })
    }

    /// A connection to the proxy.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        let url = self.proxy.url(shop::USER, shop::DATABASE);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The primary of a shard.
    pub fn primary(&self, shard: usize) -> &Server {
        &self.cluster.shards()[shard].primary
    }
}
