//! A connection to a primary, for a few questions.

use std::time::Duration;

use crate::catalog::{AskError, ask};
use crate::server::connect::{Connected, Target, connect};
use crate::settings::ServerAddress;
use crate::tls::ServerFacingTls;

/// Longest wait for an answer; a statement that waits for a lock gives up before.
const PATIENCE: Duration = Duration::from_secs(10);

/// Of the router's own connections. Statements wait for locks no longer than this, and what they decide is durable.
const PARAMETERS: [(&str, &str); 3] = [
    ("client_encoding", "UTF8"),
    ("lock_timeout", "3000"),
    ("synchronous_commit", "on"),
];

/// What `pg_stat_activity` calls the connections that see to transactions.
pub(super) const TWO_PHASE: &str = "shunt two-phase";

/// A connection to the primary of a shard.
pub(crate) struct Primary {
    connection: Connected,
}

/// Why a question has no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// SQLSTATE, where the server gave one.
    pub(crate) state: Option<String>,
    /// In words.
    pub(crate) message: String,
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
    pub(crate) fn is(&self, state: &str) -> bool {
        self.state.as_deref() == Some(state)
    }

    fn late() -> Self {
        Self::new(format!("no answer within {PATIENCE:?}"))
    }
}

impl Primary {
    /// `name`: as `pg_stat_activity` shows it.
    pub(crate) async fn connect(
        shard: &str,
        address: &ServerAddress,
        name: &str,
    ) -> Result<Self, Failure> {
        let [a, b, c] = PARAMETERS;
        let tls = ServerFacingTls::new(address).map_err(Failure::new)?;
        let target = Target {
            label: &format!("the primary of shard \"{shard}\""),
            address,
            tls: &tls,
            parameters: &[("application_name", name), a, b, c],
        };
        let connecting = tokio::time::timeout(PATIENCE, connect(&target)).await;
        let connection = connecting
            .map_err(|_| Failure::late())?
            .map_err(Failure::new)?;
        Ok(Self { connection })
    }

    /// Rows as texts. After a failure without SQLSTATE the connection is of no more use.
    pub(crate) async fn ask(&mut self, sql: &str) -> Result<Vec<Vec<String>>, Failure> {
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
