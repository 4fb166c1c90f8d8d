//! A connection to a primary, for a few questions.

use std::time::Duration;

use crate::catalog::{AskError, ask};
use crate::server::connect::{Connected, Target, connect};
use crate::settings::ServerAddress;
use crate::tls::ServerFacingTls;

/// Longest wait for an answer; a statement that waits for a lock gives up before.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections of the router's own, by the name that `pg_stat_activity` shows. Statements wait for locks no longer
/// than this, and what they decide is durable.
const PARAMETERS: [(&str, &str); 4] = [
    ("application_name", "shunt two-phase"),
    ("client_encoding", "UTF8"),
    ("lock_timeout", "3000"),
    ("synchronous_commit", "on"),
];

/// A connection to the primary of a shard.
pub(super) struct Primary {
    connection: Connected,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(super) struct Failure {
    /// SQLSTATE, where the server gave one.
    pub(super) state: Option<String>,
    /// In words.
    pub(super) message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    fn new(message: impl ToString) -> Self {
        Self {
            state: None,
            message: message.to_string(),
        }
    }

    /// Whether the server gave this SQLSTATE.
    pub(super) fn is(&self, state: &str) -> bool {
        self.state.as_deref() == Some(state)
    }

    fn late() -> Self {
        Self::new(format!("no answer within {PATIENCE:?}"))
    }
}

impl Primary {
    pub(super) async fn connect(shard: &str, address: &ServerAddress) -> Result<Self, Failure> {
        let tls = ServerFacingTls::new(address).map_err(Failure::new)?;
        let target = Target {
            label: &format!("the primary of shard \"{shard}\""),
            address,
            tls: &tls,
            parameters: &PARAMETERS,
        };
        let connecting = tokio::time::timeout(PATIENCE, connect(&target)).await;
        let connection = connecting
            .map_err(|_| Failure::late())?
            .map_err(Failure::new)?;
        Ok(Self { connection })
    }

    /// Rows as texts. After a failure without SQLSTATE the connection is of no more use.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<Vec<Vec<String>>, Failure> {
        let Connected { socket, input, .. } = &mut self.connection;
        let asking = tokio::time::timeout(PATIENCE, ask(socket, input, sql)).await;
        asking
            .map_err(|_| Failure::late())?
            .map_err(|error| match error {
                AskError::Refused(report) => Failure {
                    state: Some(report.sqlstate().into_owned()),
                    message: report.to_string(),
                },
                error => Failure::new(error),
            })
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        self.connection.socket.close();
    }
}
