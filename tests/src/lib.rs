//! What the system tests share: servers, proxies and clients.
//!
//! | module | owns |
//! |---|---|
//! | `one_server` | a server, unsharded, with a proxy before it: what clients are told must be the same with it and without |
//! | `shards` | shards with accounts and copies, and the parts of which other topologies are made |
//! | `twin` | shards beside one database with the same schema, and both asked the same |
//! | `shop` | the demo's shop |
//! | `proxy` | a proxy in the test's own process |
//! | `raw` | a client that shows every frame |
//! | `driver` | tokio-postgres: rows as text, errors by SQLSTATE |
//! | `patience` | waiting for what somebody else brings about |
//! | `conversation`, `differential`, `fuzz` | what is generated and compared |

pub mod conversation;
pub mod differential;
pub mod driver;
pub mod fuzz;
pub mod one_server;
pub mod patience;
pub mod proxy;
pub mod raw;
pub mod shards;
pub mod shop;
pub mod twin;
