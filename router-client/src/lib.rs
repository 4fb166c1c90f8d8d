//! Shunt for applications: a PostgreSQL database over several shards, used like one.
//!
//! A [`Router`] knows where tables live and has connections to every server. A
//! statement is planned by [`router_core`] and sent where its rows are; what is
//! not certain to give the answer of one PostgreSQL is refused, with a reason
//! and a way out ([`RouterError::Refused`]). Rows and parameters are those of
//! `tokio-postgres`.
//!
//! ```no_run
//! use router_client::{Router, Settings};
//! use router_core::topology::spec::{PlacementSpec, StrategySpec};
//! use router_core::value::KeyType;
//!
//! # async fn shop() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::new("shop")
//!     .shard("s0", "postgres://app:secret@db0/shop", &["postgres://app:secret@db0b/shop"])?
//!     .shard("s1", "postgres://app:secret@db1/shop", &[])?
//!     .placement(PlacementSpec {
//!         name: "by_user".into(),
//!         types: vec![KeyType::Bigint],
//!         strategy: StrategySpec::hash(),
//!     })
//!     .sharded("users", &["id"], "by_user")
//!     .sharded("orders", &["user_id"], "by_user")
//!     .reference("countries");
//! let router = Router::connect(settings).await?;
//!
//! // Routed by the parameter.
//! let user = router.query_one("SELECT name FROM users WHERE id = $1", &[&42_i64]).await?;
//! println!("{}", user.get::<_, &str>(0));
//!
//! // Every shard is asked, and the rows are put one after the other.
//! let all = router.query("SELECT id FROM users WHERE name LIKE 'A%'", &[]).await?;
//! println!("{} users", all.len());
//!
//! // A transaction on the shard of one key.
//! let mut transaction = router.transaction_for("users", &42_i64).await?;
//! transaction
//!     .execute("INSERT INTO orders (user_id, total) VALUES ($1, $2)", &[&42_i64, &100_i32])
//!     .await?;
//! transaction.commit().await?;
//!
//! // One shard, with nothing between.
//! let shard = router.shard_for("users", &42_i64)?;
//! let connection = router.on(shard).await?;
//! connection.batch_execute("ANALYZE users").await?;
//!
//! // The same on each shard.
//! for one in router.all_shards().query("SELECT count(*) FROM users", &[]).await {
//!     println!("{}: {}", one.shard, one.result?[0].get::<_, i64>(0));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Reads go to replicas only where they are let to:
//!
//! ```no_run
//! # use router_client::{Reads, RouteOptions, Router, RouterError};
//! # async fn reads(router: &Router) -> Result<(), RouterError> {
//! let relaxed = router.with(RouteOptions::new().reads(Reads::ReplicaPreferred));
//! let rows = relaxed.query("SELECT * FROM orders WHERE user_id = $1", &[&42_i64]).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is carried out
//!
//! Statements of one shard, and reads of several whose rows are put one after
//! the other. Writes to several shards, merged answers (`ORDER BY`, `LIMIT` and
//! aggregates over shards) and session statements are refused; the proxy does
//! more of them.
//!
//! # Sessions
//!
//! Each statement has a connection of its own out of a pool, so nothing may
//! rely on settings, temporary tables or locks of a session: statements that
//! would are refused. A connection lent by [`Router::on`] is cleaned when it is
//! given back. Connections start with the `search_path` of the settings and
//! `standard_conforming_strings = on`, which planning relies on.
//!
//! The schema (views, functions, columns) is read when the router connects;
//! [`Router::refresh`] reads it anew after it changed.
//!
//! # Features
//!
//! | feature | |
//! |---|---|
//! | `deadpool` (default) | connections pooled by deadpool-postgres |
//! | `bb8` | connections pooled by bb8; with both, [`PoolSettings::kind`] says which |
//!
//! TLS is any connector of tokio-postgres: [`Router::connect_tls`].
//!
//! # Modules
//!
//! | file | |
//! |---|---|
//! | `settings` | what a router is made from |
//! | `router` | the router: plan, route, run |
//! | `planning` | statement and parameters → shards |
//! | `servers` | the servers of a shard; running a statement on one |
//! | `pool/` | deadpool and bb8 behind one type; connections lent to the application |
//! | `transaction`, `all` | a transaction on one shard; the same on every shard |
//! | `options`, `key`, `error` | what calls take and give |

mod all;
mod error;
mod key;
mod options;
mod planning;
mod pool;
mod router;
mod servers;
mod settings;
mod transaction;

pub use all::{AllShards, OfShard};
pub use error::{Refused, RouterError};
pub use key::{Key, KeyColumn};
pub use options::{Reads, RouteOptions};
pub use pool::Tls;
pub use pool::connection::Connection;
pub use router::{Router, Routing};
pub use settings::{PoolKind, PoolSettings, Settings, ShardSettings};
pub use transaction::Transaction;
