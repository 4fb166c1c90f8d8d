//! A small shop: its schema, where its tables live, and its rows.
//!
//! The rows are computed, not drawn: every run has the same ones, so that the
//! showcase and the tests know the answers without asking a database.

use std::sync::Arc;

use anyhow::Context as _;
use router_core::id::Epoch;
use router_core::topology::Topology;
use router_core::topology::spec::{
    HomeSpec, PlacementSpec, ShardSpec, StrategySpec, TableSpec, TopologySpec,
};
use router_core::value::KeyType;

/// The database.
pub const DATABASE: &str = "shop";

/// The role that owns it.
pub const USER: &str = "shop";

/// The placement of users and of all that belongs to them.
pub const PLACEMENT: &str = "by_user";

/// How many users there are, numbered from 1.
pub const USERS: i64 = 600;

/// The schema, the same on every shard, and the rows of the reference table.
pub const SCHEMA: &str = "\
CREATE TABLE countries (
    code text PRIMARY KEY,
    name text NOT NULL
);
CREATE TABLE users (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    country text NOT NULL REFERENCES countries
);
CREATE TABLE orders (
    user_id bigint NOT NULL REFERENCES users,
    id bigint NOT NULL,
    status text NOT NULL,
    PRIMARY KEY (user_id, id)
);
CREATE TABLE items (
    user_id bigint NOT NULL,
    order_id bigint NOT NULL,
    id bigint NOT NULL,
    product text NOT NULL,
    quantity integer NOT NULL,
    price numeric(10,2) NOT NULL,
    PRIMARY KEY (user_id, order_id, id),
    FOREIGN KEY (user_id, order_id) REFERENCES orders
);
INSERT INTO countries VALUES
    ('CL', 'Chile'), ('DE', 'Germany'), ('IN', 'India'), ('IS', 'Iceland'),
    ('JP', 'Japan'), ('KE', 'Kenya'), ('NZ', 'New Zealand'), ('PT', 'Portugal');
";

/// Codes of the countries in [`SCHEMA`], with a prime number of places so that they do not follow the names.
const COUNTRIES: [&str; 11] = [
    "DE", "IN", "JP", "PT", "DE", "IN", "KE", "CL", "NZ", "IN", "JP",
];

const NAMES: [&str; 16] = [
    "Ada", "Babak", "Chloé", "Dayo", "Emre", "Freyja", "Goro", "Hana", "Ivo", "Juana", "Kofi",
    "Lena", "Minh", "Nadia", "Oona", "Paulo",
];

const PRODUCTS: [&str; 7] = [
    "teapot", "lamp", "rucksack", "kite", "globe", "hammock", "whistle",
];

const STATES: [&str; 3] = ["open", "paid", "sent"];

/// A user with everything that is stored under its key.
#[derive(Clone, Debug)]
pub struct User {
    /// The key.
    pub id: i64,
    /// Name.
    pub name: String,
    /// Code of a country.
    pub country: &'static str,
    /// Orders, numbered from 1 for each user.
    pub orders: Vec<Order>,
}

/// An order.
#[derive(Clone, Debug)]
pub struct Order {
    /// Number.
    pub id: i64,
    /// Where it stands.
    pub status: &'static str,
    /// Items, numbered from 1 for each order.
    pub items: Vec<Item>,
}

/// A line of an order.
#[derive(Clone, Debug)]
pub struct Item {
    /// Number.
    pub id: i64,
    /// What is sold.
    pub product: &'static str,
    /// How many.
    pub quantity: i32,
    /// Price of one, in hundredths.
    pub cents: i64,
}

impl Item {
    /// The price as PostgreSQL writes a `numeric(10,2)`.
    pub fn price(&self) -> String {
        money(self.cents)
    }
}

/// Hundredths as PostgreSQL writes them with two digits.
pub fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

impl User {
    /// The user of this number.
    pub fn numbered(id: i64) -> Self {
        let name = pick(&NAMES, id * 7);
        // Few live in Iceland, so that a search of all shards has a short answer.
        let country = if id % 97 == 5 {
            "IS"
        } else {
            pick(&COUNTRIES, id)
        };
        let orders = (1..=1 + (id * 5) % 4)
            .map(|order| Order::numbered(id, order))
            .collect();
        Self {
            id,
            name: format!("{name} {id}"),
            country,
            orders,
        }
    }
}

impl Order {
    fn numbered(user: i64, id: i64) -> Self {
        let items = (1..=1 + (user + id) % 4)
            .map(|item| Item {
                id: item,
                product: pick(&PRODUCTS, user + 3 * id + item),
                quantity: 1 + i32::from((user + item) % 3 == 0),
                cents: 299 + (user * 37 + id * 101 + item * 499) % 5000,
            })
            .collect();
        Self {
            id,
            status: pick(&STATES, user + id),
            items,
        }
    }
}

/// All users, in the order of their keys.
pub fn users() -> impl Iterator<Item = User> {
    (1..=USERS).map(User::numbered)
}

fn pick<T: Copy>(from: &[T], number: i64) -> T {
    let at = number.rem_euclid(from.len() as i64);
    from[usize::try_from(at).expect("a remainder is not negative")]
}

/// Where the shop's tables live: users, orders and items by the user, countries everywhere.
pub fn topology(shards: &[&str], has_replicas: bool) -> anyhow::Result<Arc<Topology>> {
    let by_user = |table: &str, key: &str| TableSpec {
        schema: "public".to_owned(),
        name: table.to_owned(),
        home: HomeSpec::Sharded {
            key: vec![key.to_owned()],
            placement: PLACEMENT.to_owned(),
        },
    };
    let spec = TopologySpec {
        database: DATABASE.to_owned(),
        shards: shards
            .iter()
            .map(|&name| ShardSpec {
                name: name.to_owned(),
                has_replicas,
            })
            .collect(),
        default_shard: None,
        scratch: shards.first().map(|&name| name.to_owned()),
        triggers_per_shard: false,
        placements: vec![PlacementSpec {
            name: PLACEMENT.to_owned(),
            types: vec![KeyType::Bigint],
            strategy: StrategySpec::hash(),
        }],
        tables: vec![
            by_user("users", "id"),
            by_user("orders", "user_id"),
            by_user("items", "user_id"),
            TableSpec {
                schema: "public".to_owned(),
                name: "countries".to_owned(),
                home: HomeSpec::Reference,
            },
        ],
    };
    let topology = Topology::build(&spec, Epoch(1)).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(lines.join("; "))
    });
    Ok(Arc::new(
        topology.context("the shop's topology is not valid")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_has_an_order_and_every_order_an_item() {
        let all: Vec<User> = users().collect();
        assert_eq!(all.len(), 600);
        assert!(all.iter().all(|user| !user.orders.is_empty()));
        assert!(
            all.iter()
                .flat_map(|user| &user.orders)
                .all(|order| !order.items.is_empty())
        );
        let items: usize = all
            .iter()
            .flat_map(|user| &user.orders)
            .map(|order| order.items.len())
            .sum();
        assert!((2000..6000).contains(&items), "{items} items");
    }

    #[test]
    fn money_has_two_digits() {
        assert_eq!(money(1905), "19.05");
    }
}
