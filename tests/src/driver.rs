//! tokio-postgres, through which asynchronous tests speak: rows as text, errors by SQLSTATE.

use tokio_postgres::{Client, Error, NoTls, SimpleQueryMessage};

use crate::proxy::TestProxy;

/// A connection, driven by the test's runtime.
pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .unwrap_or_else(|error| panic!("{url}: {error:?}"));
    tokio::spawn(connection);
    client
}

impl TestProxy {
    /// A client that gets in.
    pub async fn connect(&self, user: &str, database: &str) -> Client {
        connect(&self.url(user, database)).await
    }
}

/// SQLSTATE of an error that a server or the proxy has told.
#[track_caller]
pub fn state(error: &Error) -> &str {
    let code = error.code().unwrap_or_else(|| panic!("{error:?}"));
    code.code()
}

/// The rows of a query string, each with its columns in one text, or the SQLSTATE of its error.
pub async fn attempt(client: &Client, sql: &str) -> Result<Vec<String>, String> {
    let messages = client.simple_query(sql).await;
    let messages = messages.map_err(|error| state(&error).to_owned())?;
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            let columns = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
            Some(columns.collect::<Vec<_>>().join("|"))
        }
        _ => None,
    };
    Ok(messages.iter().filter_map(row).collect())
}

/// The rows of a query string that is carried out.
pub async fn ask(client: &Client, sql: &str) -> Vec<String> {
    let rows = attempt(client, sql).await;
    rows.unwrap_or_else(|state| panic!("{sql}: {state}"))
}

/// The SQLSTATE with which a query string fails.
pub async fn fails(client: &Client, sql: &str) -> String {
    attempt(client, sql).await.expect_err(sql)
}
