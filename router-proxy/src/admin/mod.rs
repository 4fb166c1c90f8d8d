//! The console: what an operator asks and orders, over PostgreSQL's own protocol.
//!
//! Clients reach it by connecting to the database `shunt` (or `pgbouncer`, for
//! tools that know only that one) as a user with `admin = true`. A database of
//! the configuration that has such a name comes first.
//!
//! | file | owns |
//! |---|---|
//! | [`table`] | every command with its columns: the one list that parser, answers and docs/console.md go by |
//! | [`command`] | from text to command |
//! | `value` | values and rows on the wire |
//! | `console` | one console's conversation |
//! | `control` | commands that do something |
//! | `show` | commands that answer with rows |
//! | `shards` | `SHOW SHARDS` and `SHOW REPLICAS` |
//! | `config` | `SHOW CONFIG` |
//! | `twophase` | `SHOW TWOPHASE` |

pub mod command;
mod config;
mod console;
mod control;
mod shards;
mod show;
pub mod table;
mod twophase;
mod value;

pub(crate) use console::{Welcome, serve};
pub(crate) use show::{pinned, utc};

use crate::settings::Settings;

/// The console's names as a database.
pub const NAMES: [&str; 2] = ["shunt", "pgbouncer"];

/// Whether a client that asks for this database means the console.
pub fn is_console(database: &str, settings: &Settings) -> bool {
    NAMES.contains(&database)
        && !settings
            .databases
            .iter()
            .any(|known| known.topology.database == database)
}
