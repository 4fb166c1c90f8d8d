//! `auth_query`: secrets of users whom the settings do not name, asked of the database's own server.

use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use router_core::id::ShardId;
use router_core::sqlstate::SqlState;
use tokio::task::spawn_local;

use crate::auth::SecretLookup;
use crate::catalog::ask::{AskError, ask_with};
use crate::pool::ServerConnection;
use crate::server::converse::converse;
use crate::session::Role;
use crate::session::settings::SettingSet;
use crate::settings::Secret;
use crate::wire::encode::Report;
use crate::worker::Worker;

/// Longest time that a server may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Asks the server of the database that a client names.
pub(crate) struct ServerLookup {
    /// Where the client's task runs.
    pub(crate) worker: Rc<Worker>,
    /// What the client named.
    pub(crate) database: String,
}

impl SecretLookup for ServerLookup {
    async fn secret(&self, user: &str) -> Result<Option<Secret>, Report> {
        let live = self.worker.shared.live.load();
        let auth = &live.settings.auth;
        let (Some(query), Some(role)) = (auth.auth_query.clone(), auth.auth_user.clone()) else {
            return Ok(None);
        };
        let worker = Rc::clone(&self.worker);
        let (database, user) = (self.database.clone(), user.to_owned());
        // A task of its own: a client that leaves must not take the connection with it half-way.
        let asking =
            spawn_local(async move { look_up(worker, &database, &role, &query, &user).await });
        asking
            .await
            .unwrap_or_else(|error| Err(failed(&error.to_string())))
    }
}

async fn look_up(
    worker: Rc<Worker>,
    database: &str,
    role: &str,
    query: &str,
    user: &str,
) -> Result<Option<Secret>, Report> {
    let access = worker.access(database, role)?;
    let Some(&pool) = access.pools(ShardId(0), Role::Primary, None).first() else {
        return Ok(None);
    };
    let mut connection = Rc::clone(&worker).acquire(pool).await.map_err(|report| {
        // What is wrong with a server is told once, and the client below.
        tracing::debug!(database, error = %report.message, "auth_query has no connection");
        failed("the server cannot be asked")
    })?;
    let asked = tokio::time::timeout(ANSWER, ask(&mut connection, query, user)).await;
    match asked {
        Ok(Ok(secret)) => {
            connection.idle_since = std::time::Instant::now();
            worker.put_back(pool, connection);
            Ok(secret)
        }
        problem => {
            drop(connection);
            worker.server_pool(pool).closed();
            let problem = match problem {
                Ok(Err(error)) => error.to_string(),
                _ => format!("no answer within {ANSWER:?}"),
            };
            tracing::warn!(database, error = %problem, "auth_query failed");
            Err(failed("the server cannot be asked"))
        }
    }
}

async fn ask(
    connection: &mut ServerConnection,
    query: &str,
    user: &str,
) -> Result<Option<Secret>, AskError> {
    let ServerConnection { socket, state, .. } = connection;
    // What earlier clients set is not for this query.
    let difference = state.settings.difference(&SettingSet::default());
    if !difference.is_empty() {
        converse(socket, state, &difference)
            .await
            .map_err(|error| AskError::Io(std::io::Error::other(error)))?;
        state.settings = Default::default();
    }
    state.prepared.unnamed = None;
    let rows = ask_with(socket, &mut BytesMut::new(), query, user).await?;
    let row = rows.into_iter().next().unwrap_or_default();
    // Name and verifier. No verifier is an empty text here, and no way in.
    Ok(row
        .into_iter()
        .nth(1)
        .filter(|verifier| !verifier.is_empty())
        .map(|verifier| Secret(verifier.into())))
}

fn failed(detail: &str) -> Report {
    Report::fatal(SqlState::new("08006"), "auth_query failed").detail(format!("{detail}."))
}
