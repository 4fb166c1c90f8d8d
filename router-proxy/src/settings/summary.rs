//! What a configuration comes to, in words.

use crate::settings::{ListenAddress, ServerAddress};
use router_core::topology::{Home, Topology};

/// Every listed table and where it lives, by name.
pub fn homes(topology: &Topology) -> Vec<(String, String)> {
    let mut homes: Vec<(String, String)> = topology
        .tables
        .iter()
        .map(|(name, home)| {
            let home = match home {
                Home::Sharded { key, placement } => {
                    let placement = &topology.placement(*placement).name;
                    format!("by {} in placement {placement}", key.join(", "))
                }
                Home::Reference => "a copy on every shard".to_owned(),
                Home::Pinned(shard) => format!("whole on shard {}", topology.shard(*shard).name),
            };
            (format!("{}.{}", name.schema, name.name), home)
        })
        .collect();
    homes.sort();
    homes
}

/// An address that is listened on, as the configuration writes it.
pub fn listener(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => address.to_string(),
        ListenAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// A server: `host:port/database`.
pub fn server(address: &ServerAddress) -> String {
    format!("{}:{}/{}", address.host, address.port, address.database)
}
