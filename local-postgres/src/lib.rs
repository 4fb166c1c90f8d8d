//! Real PostgreSQL servers for a demo or a test, started here and gone with the process.
//!
//! ```no_run
//! # fn main() -> Result<(), local_postgres::Error> {
//! use local_postgres::Server;
//!
//! let primary = Server::builder().database("shop").start()?;
//! primary.execute("shop", "CREATE TABLE users (id bigint PRIMARY KEY)")?;
//! let replica = primary.replica().start()?;
//! assert_eq!(replica.execute("shop", "SELECT count(*) FROM users")?, "0");
//! println!("psql '{}'", primary.url("shop"));
//! # Ok(())
//! # }
//! ```
//!
//! | module | owns |
//! |---|---|
//! | `binaries` | where the machine keeps PostgreSQL's programs |
//! | `account` | the operating system's account that servers run as |
//! | `area` | a directory that goes away with this process, and the process in it |
//! | `template` | data directories made once and copied |
//! | `builder` | what a server is to be |
//! | `server` | a server that runs: stop, kill, pause, promote, SQL |
//! | `cluster` | several primaries with their replicas |
//!
//! Servers listen on 127.0.0.1 and on a Unix socket in their own directory. They do not sync to
//! disk: a crash of the machine loses them, a crash of the server does not. Each is held by a
//! small shell script that reads from a pipe of this process. The kernel closes that pipe when
//! this process ends, also by `SIGKILL`; the script then stops the server and removes its
//! directory. A [`Server`] that is dropped does the same and waits for it.
//!
//! Started by root, servers run as `postgres` or `nobody`.

#![cfg(unix)]

mod account;
mod area;
mod binaries;
mod builder;
mod cluster;
mod error;
mod server;
mod template;

pub use binaries::{Binaries, OLDEST, VARIABLE};
pub use builder::Builder;
pub use cluster::{Cluster, Progress, Shard};
pub use error::Error;
pub use server::{Server, Stop};
