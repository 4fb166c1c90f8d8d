//! Shunt's wire-protocol proxy: clients on one side, PostgreSQL servers on the other.
//!
//! | module | owns |
//! |---|---|
//! | [`admin`] | the console |
//! | `aside` | a thread beside the workers: tokio's timers |
//! | [`auth`] | how clients prove who they are |
//! | [`cancel`] | cancel keys and requests |
//! | [`catalog`] | what the servers say about relations and functions |
//! | `client` | one client's task: sockets and the session machine between them |
//! | `deadlock` | clients that wait for each other on several shards, which no server sees |
//! | [`exec`] | how the answers of several shards become one |
//! | `freshness` | how far replicas are behind |
//! | [`gate`] | whether a database may be used: paused, disabled |
//! | [`http`] | `/metrics`, `/health`, `/ready`, the dashboard |
//! | [`listener`] | where clients connect |
//! | [`live`] | what a reload puts in place |
//! | `lookup` | secrets that a server knows |
//! | [`metrics`] | numbers |
//! | [`pool`] | server connections, shared |
//! | `probe` | asks servers of which nothing is heard whether they let the proxy in |
//! | [`proxy`] | the whole: bound, served, drained |
//! | [`reactor`] | the sockets of one worker, and which of them are ready |
//! | [`reload`] | other settings in force, without dropping a client |
//! | [`server`] | connections to PostgreSQL |
//! | [`session`] | one client's session, a machine without I/O |
//! | [`settings`] | what a proxy needs to run |
//! | [`snapshot`] | what the proxy is doing, for whoever looks |
//! | [`startup`] | a client's first packets |
//! | [`stats`] | what a worker counts about its databases |
//! | [`tls`] | sockets, plain or encrypted |
//! | [`wire`] | frames of PostgreSQL's protocol |
//! | [`worker`] | one thread, its clients and its share of the connections |

pub mod admin;
mod aside;
pub mod auth;
pub mod cancel;
pub mod catalog;
mod client;
mod deadlock;
pub mod exec;
mod freshness;
pub mod gate;
pub mod handover;
pub mod http;
pub mod listener;
pub mod live;
mod lookup;
pub mod metrics;
pub mod numbers;
pub mod pool;
mod probe;
pub mod proxy;
pub mod reactor;
pub mod reload;
mod replication;
pub mod server;
pub mod session;
pub mod settings;
pub mod snapshot;
pub mod startup;
pub mod stats;
pub mod tls;
pub mod twophase;
pub mod wire;
pub mod worker;

pub use proxy::{BindError, Proxy};
pub use reload::{Handle, ReloadError};
