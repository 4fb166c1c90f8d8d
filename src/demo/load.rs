//! The shop's rows, put in through the proxy as an application would.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use local_postgres::Shard;
use tokio_postgres::{Client, NoTls, Statement};

use super::shop::{self, User};

/// Connections that load side by side.
const CONNECTIONS: usize = 4;

/// What was loaded.
pub(super) struct Loaded {
    users: usize,
    orders: usize,
    items: usize,
    took: Duration,
}

impl Loaded {
    /// One line, with where the users went.
    pub(super) fn summary(&self, shards: &[Shard], homes: &BTreeMap<i64, String>) -> String {
        let spread: Vec<String> = shards
            .iter()
            .map(|shard| {
                let users = homes.values().filter(|home| **home == shard.name).count();
                format!("{} on {}", users, shard.name)
            })
            .collect();
        format!(
            "loaded through the proxy in {:.1} s: {} users ({}), {} orders, {} items",
            self.took.as_secs_f64(),
            self.users,
            spread.join(", "),
            self.orders,
            self.items
        )
    }
}

/// Connects to the shop at `address`.
pub(super) async fn connect(address: SocketAddr) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::Config::new()
        .host(address.ip().to_string())
        .port(address.port())
        .user(shop::USER)
        .dbname(shop::DATABASE)
        .application_name("shunt demo")
        .connect(NoTls)
        .await?;
    // Ends when the client is dropped; an error comes back from the client's own calls.
    tokio::spawn(connection);
    Ok(client)
}

/// Loads all users with their orders and items, one transaction for each user.
pub(super) async fn load(address: SocketAddr) -> Result<Loaded, tokio_postgres::Error> {
    let begun = Instant::now();
    let users: Vec<User> = shop::users().collect();
    let shares = (0..CONNECTIONS).map(|share| {
        let mine = users.iter().skip(share).step_by(CONNECTIONS);
        async move {
            let mut client = connect(address).await?;
            let statements = Statements::prepare(&client).await?;
            for user in mine {
                insert(&mut client, &statements, user).await?;
            }
            Ok::<(), tokio_postgres::Error>(())
        }
    });
    try_join_all(shares).await?;
    let orders = users.iter().flat_map(|user| &user.orders);
    Ok(Loaded {
        users: users.len(),
        orders: orders.clone().count(),
        items: orders.map(|order| order.items.len()).sum(),
        took: begun.elapsed(),
    })
}

/// The statements of one connection, prepared once.
struct Statements {
    user: Statement,
    order: Statement,
    item: Statement,
}

impl Statements {
    async fn prepare(client: &Client) -> Result<Self, tokio_postgres::Error> {
        let (user, order, item) = tokio::try_join!(
            client.prepare("INSERT INTO users (id, name, country) VALUES ($1, $2, $3)"),
            client.prepare("INSERT INTO orders (user_id, id, status) VALUES ($1, $2, $3)"),
            client.prepare(
                "INSERT INTO items (user_id, order_id, id, product, quantity, price) \
                 VALUES ($1, $2, $3, $4, $5, $6::text::numeric)"
            ),
        )?;
        Ok(Self { user, order, item })
    }
}

/// All rows of one user are on one shard, and so is the transaction.
async fn insert(
    client: &mut Client,
    statements: &Statements,
    user: &User,
) -> Result<(), tokio_postgres::Error> {
    let transaction = client.transaction().await?;
    transaction
        .execute(&statements.user, &[&user.id, &user.name, &user.country])
        .await?;
    for order in &user.orders {
        transaction
            .execute(&statements.order, &[&user.id, &order.id, &order.status])
            .await?;
        // In one go: the driver pipelines what is asked for together.
        try_join_all(order.items.iter().map(|item| {
            let transaction = &transaction;
            async move {
                let price = item.price();
                transaction
                    .execute(
                        &statements.item,
                        &[
                            &user.id,
                            &order.id,
                            &item.id,
                            &item.product,
                            &item.quantity,
                            &price,
                        ],
                    )
                    .await
            }
        }))
        .await?;
    }
    transaction.commit().await
}
