//! The statements that are shown, and what each is announced to do.
//!
//! The answers are computed from the shop's rows, and the homes of keys are
//! looked up on the servers: nothing that the proxy says is its own witness.

use std::collections::BTreeMap;

use super::shop::{User, money, users};

/// What is shown in one row.
pub(super) struct Showcase {
    /// In a few words.
    pub(super) title: &'static str,
    /// Statements that go ahead in the same session, such as `BEGIN`.
    pub(super) before: Vec<&'static str>,
    /// The statement, broken into lines as it is shown.
    pub(super) sql: &'static str,
    /// Its parameter `$1`; present means the extended protocol.
    pub(super) parameter: Option<i64>,
    /// Statements that go behind.
    pub(super) after: Vec<&'static str>,
    /// Where it is to go.
    pub(super) goes: Goes,
    /// Whether a replica is to answer; the replicas themselves are asked whether one did.
    pub(super) on_replica: bool,
    /// What is to come back.
    pub(super) gives: Gives,
}

/// Where a statement is announced to go.
pub(super) enum Goes {
    /// To the homes of these users, and nowhere else.
    HomesOf(Vec<i64>),
    /// To every shard.
    Everywhere,
    /// To one shard, whichever.
    AnyOne,
    /// Nowhere.
    Nowhere,
}

/// What is announced to come back.
pub(super) enum Gives {
    /// These rows, in this order.
    Rows(Vec<Vec<String>>),
    /// These rows, in any order.
    Set(Vec<Vec<String>>),
    /// An error of this SQLSTATE.
    Refusal(&'static str),
}

/// The user who is looked at.
const ONE: i64 = 42;

/// And another one.
const OTHER: i64 = 7;

/// All that is shown, in order. On one shard nothing is refused: no row could move.
pub(super) fn statements(has_replicas: bool, has_shards: bool) -> Vec<Showcase> {
    let mut all = vec![
        by_literal(),
        by_parameter(),
        join(),
        several(),
        everywhere(),
        reference(),
    ];
    if has_replicas {
        all.push(replica());
    }
    all.extend([transaction(), aggregate(), foreign_join()]);
    if has_shards {
        all.push(key_change());
    }
    all
}

impl Showcase {
    fn new(title: &'static str, sql: &'static str, goes: Goes, gives: Gives) -> Self {
        Self {
            title,
            before: Vec::new(),
            on_replica: false,
            sql,
            parameter: None,
            after: Vec::new(),
            goes,
            gives,
        }
    }
}

fn by_literal() -> Showcase {
    let user = User::numbered(ONE);
    Showcase::new(
        "One user, by key",
        "SELECT id, name, country\nFROM users WHERE id = 42",
        Goes::HomesOf(vec![ONE]),
        Gives::Rows(vec![vec![
            ONE.to_string(),
            user.name,
            user.country.to_owned(),
        ]]),
    )
}

fn by_parameter() -> Showcase {
    let orders = User::numbered(OTHER).orders;
    Showcase {
        parameter: Some(OTHER),
        ..Showcase::new(
            "Key as a parameter ($1 = 7)",
            "SELECT count(*), max(id)\nFROM orders WHERE user_id = $1",
            Goes::HomesOf(vec![OTHER]),
            Gives::Rows(vec![vec![
                orders.len().to_string(),
                orders.len().to_string(),
            ]]),
        )
    }
}

fn join() -> Showcase {
    let orders = User::numbered(ONE).orders;
    let rows = orders.iter().map(|order| {
        let total = order
            .items
            .iter()
            .map(|item| item.cents * i64::from(item.quantity))
            .sum();
        vec![
            order.id.to_string(),
            order.items.len().to_string(),
            money(total),
        ]
    });
    Showcase::new(
        "Join of what lives together",
        "SELECT o.id, count(*) AS items,\n       sum(i.quantity * i.price) AS total\nFROM orders o JOIN items i\n  ON i.user_id = o.user_id AND i.order_id = o.id\nWHERE o.user_id = 42 GROUP BY o.id ORDER BY o.id",
        Goes::HomesOf(vec![ONE]),
        Gives::Rows(rows.collect()),
    )
}

fn several() -> Showcase {
    let keys = vec![1, 2, 3, 4];
    let rows = keys
        .iter()
        .map(|&id| vec![id.to_string(), User::numbered(id).name]);
    Showcase::new(
        "Several keys",
        "SELECT id, name FROM users\nWHERE id IN (1, 2, 3, 4)",
        Goes::HomesOf(keys.clone()),
        Gives::Set(rows.collect()),
    )
}

fn everywhere() -> Showcase {
    let rows = users()
        .filter(|user| user.country == "IS")
        .map(|user| vec![user.id.to_string(), user.name]);
    Showcase::new(
        "No key: all shards",
        "SELECT id, name FROM users\nWHERE country = 'IS'",
        Goes::Everywhere,
        Gives::Set(rows.collect()),
    )
}

fn reference() -> Showcase {
    Showcase::new(
        "Reference table, a copy on each shard",
        "SELECT name FROM countries\nWHERE code = 'IS'",
        Goes::AnyOne,
        Gives::Rows(vec![vec!["Iceland".to_owned()]]),
    )
}

fn replica() -> Showcase {
    let orders = User::numbered(ONE).orders.len();
    Showcase {
        before: vec!["BEGIN READ ONLY"],
        on_replica: true,
        after: vec!["COMMIT"],
        ..Showcase::new(
            "Read from a replica",
            "SELECT count(*) FROM orders\nWHERE user_id = 42",
            Goes::HomesOf(vec![ONE]),
            Gives::Rows(vec![vec![orders.to_string()]]),
        )
    }
}

fn transaction() -> Showcase {
    Showcase {
        before: vec![
            "BEGIN",
            "UPDATE orders SET status = 'returned' WHERE user_id = 42 AND id = 1",
        ],
        after: vec!["ROLLBACK"],
        ..Showcase::new(
            "Inside a transaction that updates",
            "SELECT id, status FROM orders\nWHERE user_id = 42 AND id = 1",
            Goes::HomesOf(vec![ONE]),
            Gives::Rows(vec![vec!["1".to_owned(), "returned".to_owned()]]),
        )
    }
}

/// Users of each country.
fn by_country() -> BTreeMap<&'static str, i64> {
    let mut counts = BTreeMap::new();
    for user in users() {
        *counts.entry(user.country).or_default() += 1;
    }
    counts
}

fn aggregate() -> Showcase {
    let rows = by_country()
        .into_iter()
        .map(|(country, users)| vec![country.to_owned(), users.to_string()]);
    Showcase::new(
        "A count over all shards",
        "SELECT country, count(*)\nFROM users GROUP BY country",
        Goes::Everywhere,
        Gives::Set(rows.collect()),
    )
}

fn foreign_join() -> Showcase {
    let pairs: i64 = by_country()
        .values()
        .map(|users| users * (users - 1) / 2)
        .sum();
    Showcase::new(
        "A join across keys",
        "SELECT count(*) FROM users a\nJOIN users b ON a.country = b.country\nAND a.id < b.id",
        Goes::Everywhere,
        Gives::Rows(vec![vec![pairs.to_string()]]),
    )
}

fn key_change() -> Showcase {
    Showcase::new(
        "Refused: a row that would move",
        "UPDATE users SET id = 1000\nWHERE id = 42",
        Goes::Nowhere,
        Gives::Refusal("SH012"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::shop;

    #[test]
    fn what_is_announced_is_in_the_shop() {
        for one in statements(true, true) {
            if let Goes::HomesOf(keys) = &one.goes {
                assert!(
                    keys.iter().all(|key| (1..=shop::USERS).contains(key)),
                    "{}",
                    one.title
                );
            }
            if let Gives::Rows(rows) | Gives::Set(rows) = &one.gives {
                assert!(!rows.is_empty(), "{}", one.title);
                assert!(rows.len() < 12, "{} shows {} rows", one.title, rows.len());
            }
        }
    }
}
