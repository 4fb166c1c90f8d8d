//! What can go wrong, told so that it can be mended.

use std::io;
use std::path::{Path, PathBuf};

/// Why a server could not be started or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No PostgreSQL of a supported version is installed.
    #[error("{problem}. hint: {hint}")]
    NoPostgres {
        /// What was looked for and not found.
        problem: String,
        /// How to install it.
        hint: String,
    },
    /// Something on this machine, outside PostgreSQL.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// The port asked for is in use.
    #[error("port {port} on 127.0.0.1 is in use. hint: choose another port, or 0 for any free one")]
    PortTaken {
        /// The port.
        port: u16,
    },
    /// A program of PostgreSQL failed.
    #[error("{program} failed ({status}): {output}")]
    Program {
        /// Which one.
        program: String,
        /// How it ended.
        status: String,
        /// What it printed.
        output: String,
    },
    /// The server ended while starting, or was not ready in time.
    #[error("PostgreSQL in {} {problem}; its log ends with:\n{log}", .data.display())]
    Start {
        /// Its data directory.
        data: PathBuf,
        /// What happened.
        problem: String,
        /// The end of its log.
        log: String,
    },
    /// The server did not end in time, or is not in the state that was asked for.
    #[error("PostgreSQL on port {port} {problem}")]
    State {
        /// Its port.
        port: u16,
        /// What happened.
        problem: String,
    },
}

/// Adds to an I/O error what was being done.
pub(crate) trait During<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, Error>;

    fn at(self, doing: &str, path: &Path) -> Result<T, Error>
    where
        Self: Sized,
    {
        self.during(|| format!("{doing} {}", path.display()))
    }
}

impl<T> During<T> for io::Result<T> {
    fn during(self, what: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io {
            what: what(),
            source,
        })
    }
}
