//! What the system tests share: servers, proxies and clients.

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
