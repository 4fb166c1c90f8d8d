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
    #[error(
        "{program} failed ({status}): {}{}",
        first_lines(output),
        way_out(output)
    )]
    Program {
        /// Which one.
        program: String,
        /// How it ended.
        status: String,
        /// What it printed.
        output: String,
    },
    /// The server ended while starting, or was not ready in time.
    #[error("PostgreSQL in {} {problem}; its log ends with:\n{log}{}", .data.display(), way_out(log))]
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

/// More lines of a program's output are only counted: `cp` on a full disk has one for every file.
const MOST_LINES: usize = 5;

fn first_lines(output: &str) -> String {
    let lines: Vec<&str> = output.trim_end().lines().collect();
    let shown = lines[..lines.len().min(MOST_LINES)].join("\n");
    match lines.len().saturating_sub(MOST_LINES) {
        0 => shown,
        more => format!("{shown}\n… and {more} more lines"),
    }
}

/// What can be done about a full disk.
fn way_out(output: &str) -> &'static str {
    if output.contains("No space left on device") {
        ". hint: free some space, or have the files elsewhere: TMPDIR, or --dir of the demo"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_in_a_few_lines() {
        let error = Error::Program {
            program: "cp".to_owned(),
            status: "exit status: 1".to_owned(),
            output: "cp: error writing 'x': No space left on device\n".repeat(900),
        };
        let told = error.to_string();
        assert!(told.lines().count() < 10, "{told}");
        assert!(
            told.contains("895 more lines. hint: free some space"),
            "{told}"
        );
    }
}
