//! Rules in the syntax of PostgreSQL's `pg_hba.conf`: the first that matches decides.
//!
//! Reading and deciding are pure. What the proxy cannot honour is an error
//! that names the line, never a rule that matches less or more than it says.
//!
//! | file | owns |
//! |---|---|
//! | `parse` | rules from text |
//! | `tokens` | lines, fields, words |
//! | `address` | where clients come from |
//! | `ident` | user maps of `pg_ident.conf` |

mod address;
mod ident;
mod parse;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed test panics")]
mod tests;
mod tokens;

use std::net::IpAddr;
use std::path::PathBuf;

use address::Addresses;
pub use ident::UserMaps;

use crate::startup::Replication;
use crate::wire::code;
use crate::wire::encode::Report;

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HbaError {
    /// It cannot be read.
    #[error("{}: {source}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line says what cannot be honoured.
    #[error("{} line {line}: {problem}", .file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong, and what to write instead.
        problem: String,
    },
}

/// All rules of a file, in order.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// A rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its line in the file.
    pub line: usize,
    /// How a client that it matches proves who it is.
    pub method: Method,
    /// What it must show besides.
    pub certificate: CertificateCheck,
    /// The user map that says which users a certificate's name may be.
    pub map: Option<String>,
    transport: Transport,
    databases: Vec<Databases>,
    /// `None`: all.
    users: Option<Vec<String>>,
    addresses: Addresses,
}

/// What a rule does with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Believes it.
    Trust,
    /// Turns it away.
    Reject,
    /// Asks for a password in clear text.
    Password,
    /// Asks for an answer to an MD5 challenge.
    Md5,
    /// Asks for SCRAM.
    ScramSha256,
    /// Takes the certificate's name for proof.
    Cert,
}

/// The option `clientcert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateCheck {
    /// None asked for.
    No,
    /// Signed by a known authority.
    Authority,
    /// And with the user's name.
    Name,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Unix,
    Tcp,
    Encrypted,
    Plain,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Databases {
    All,
    SameUser,
    Replication,
    Named(String),
}

/// What rules look at.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    /// User.
    pub user: &'a str,
    /// Database.
    pub database: &'a str,
    /// Whether it is a replication connection.
    pub replication: Replication,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Where it comes from; `None`: a Unix socket.
    pub peer: Option<IpAddr>,
    /// Where it came to.
    pub local: Option<IpAddr>,
}

impl Rules {
    /// The first rule that matches.
    pub fn decide(&self, connection: &Connection<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.matches(connection))
    }

    /// All rules.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }
}

impl Rule {
    fn matches(&self, connection: &Connection<'_>) -> bool {
        let place = match (self.transport, connection.peer) {
            (Transport::Unix, peer) => peer.is_none(),
            (_, None) => false,
            (Transport::Encrypted, _) if !connection.encrypted => false,
            (Transport::Plain, _) if connection.encrypted => false,
            (_, Some(peer)) => self.addresses.contains(peer, connection.local),
        };
        place
            && self
                .databases
                .iter()
                .any(|databases| databases.contain(connection))
            && self
                .users
                .as_ref()
                .is_none_or(|users| users.iter().any(|user| user == connection.user))
    }
}

impl Databases {
    /// Physical replication has no database: only `replication` matches it, as in PostgreSQL.
    fn contain(&self, connection: &Connection<'_>) -> bool {
        let physical = connection.replication == Replication::Physical;
        match self {
            Self::Replication => physical,
            _ if physical => false,
            Self::All => true,
            Self::SameUser => connection.database == connection.user,
            Self::Named(name) => name == connection.database,
        }
    }
}

impl Connection<'_> {
    /// What a client hears that no rule matches, in PostgreSQL's words.
    pub fn unmatched(&self) -> Report {
        self.told(if self.replication == Replication::Physical {
            "no pg_hba.conf entry for replication connection from host"
        } else {
            "no pg_hba.conf entry for host"
        })
    }

    /// What a client hears that a rule rejects.
    pub fn rejected(&self) -> Report {
        self.told(if self.replication == Replication::Physical {
            "pg_hba.conf rejects replication connection for host"
        } else {
            "pg_hba.conf rejects connection for host"
        })
    }

    fn told(&self, what: &str) -> Report {
        let Self { user, database, .. } = self;
        let host = self
            .peer
            .map_or("[local]".into(), |peer| peer.to_canonical().to_string());
        let database = match self.replication {
            Replication::Physical => String::new(),
            _ => format!(", database \"{database}\""),
        };
        let encryption = if self.encrypted {
            "SSL encryption"
        } else {
            "no encryption"
        };
        Report::fatal(
            code::INVALID_AUTHORIZATION,
            format!("{what} \"{host}\", user \"{user}\"{database}, {encryption}"),
        )
    }
}
