//! What can go wrong, told apart by what the application can do about it.

use std::fmt;

use router_core::plan::{Reason, Refusal};

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouterError {
    /// The settings contradict themselves. Every contradiction found is listed, each with what to do.
    #[error("the settings are not usable: {}", .0.join("; "))]
    Settings(Vec<String>),
    /// The statement was not run, because it is not certain to give the answer that one PostgreSQL would give.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// PostgreSQL, or the connection to it, failed while the statement ran. Of a write that was cut off it is not known
    /// whether it took place.
    #[error("shard \"{shard}\": {}", Told(.source))]
    Database {
        /// The shard.
        shard: String,
        /// The driver's error.
        source: tokio_postgres::Error,
    },
    /// No connection to a server could be had in time. Nothing was run on this shard.
    #[error("shard \"{shard}\": no connection to the {server}: {}", with_causes(&**.source))]
    Unavailable {
        /// The shard.
        shard: String,
        /// `primary`, or `replica 0`, `replica 1`, ….
        server: String,
        /// What the pool or the driver says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No table of that name is spread by key.
    #[error("table \"{0}\" is not spread by key")]
    NotSharded(String),
    /// No shard of that name exists.
    #[error("there is no shard \"{0}\"")]
    UnknownShard(String),
    /// The key is not one of the table, or has no shard.
    #[error("table \"{table}\": {reason}")]
    Key {
        /// The table.
        table: String,
        /// What is wrong with it.
        reason: router_core::topology::Unplaced,
    },
    /// Another number of parameters than the statement has.
    #[error("the statement has {expected} parameters, {given} were given")]
    ParameterCount {
        /// How many it has.
        expected: usize,
        /// How many were given.
        given: usize,
    },
    /// A parameter is not of the type that the statement has for it.
    #[error("parameter ${number}: {source}")]
    Parameter {
        /// From 1.
        number: usize,
        /// What the driver says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// `query_one` or `query_opt` met another number of rows.
    #[error("{expected} was expected, {found} came")]
    RowCount {
        /// What was expected.
        expected: &'static str,
        /// How many rows came.
        found: usize,
    },
    /// A statement of the transaction failed or was given up, so that PostgreSQL would not commit it. It was rolled back.
    #[error(
        "the transaction was rolled back: a statement of it failed or was given up before it ended"
    )]
    RolledBack,
}

/// A refusal: what PostgreSQL would report as an error's SQLSTATE, message, DETAIL and HINT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(Refusal);

impl Refused {
    /// The entry of the list of everything refused.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// SQLSTATE; class `SH` is the router's own.
    pub fn sqlstate(&self) -> &str {
        self.0.sqlstate.as_str()
    }

    /// Primary message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The construct that was met, as a sentence.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The way out, as a sentence.
    pub fn hint(&self) -> &str {
        &self.0.hint
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let r = &self.0;
        write!(f, "{} ({}). {} {}", r.message, r.sqlstate, r.detail, r.hint)
    }
}

impl std::error::Error for Refused {}

impl From<Refusal> for RouterError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(Box::new(refusal.into()))
    }
}

impl RouterError {
    /// The SQLSTATE, of a refusal as of an error that PostgreSQL reported.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Refused(refused) => Some(refused.sqlstate()),
            Self::Database { source, .. } => source.code().map(|code| code.code()),
            _ => None,
        }
    }

    /// The refusal, if it is one.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }
}

/// The driver's own text says only that it is a "db error".
struct Told<'a>(&'a tokio_postgres::Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_db_error() {
            Some(db) => write!(f, "{} ({})", db.message(), db.code().code()),
            None => f.write_str(&with_causes(self.0)),
        }
    }
}

fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = next.source();
    }
    text
}
