//! The tables that statements are about, and the kinds of their columns.

use Kind::{Bool, Integer, Key, Numeric, Odd, Other, Text, Time};

/// The kinds of column that the generator tells apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Key,
    Integer,
    Numeric,
    Text,
    Bool,
    Time,
    Other,
    /// Compared, sorted and grouped, but asked nothing else.
    Odd,
}

pub(super) struct Table {
    pub(super) name: &'static str,
    /// Columns that together are unique.
    pub(super) unique: &'static [&'static str],
    /// The column that co-located tables share, when there is one.
    pub(super) key: Option<&'static str>,
    pub(super) columns: &'static [(&'static str, Kind)],
}

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "users",
        unique: &["id"],
        key: Some("id"),
        columns: &[
            ("id", Key),
            ("name", Text),
            ("email", Text),
            ("country", Text),
            ("score", Numeric),
            ("level", Integer),
            ("born", Time),
            ("active", Bool),
            ("mood", Other),
        ],
    },
    Table {
        name: "orders",
        unique: &["user_id", "id"],
        key: Some("user_id"),
        columns: &[
            ("user_id", Key),
            ("id", Integer),
            ("total", Numeric),
            ("qty", Integer),
            ("created", Time),
            ("note", Text),
        ],
    },
    Table {
        name: "items",
        unique: &["user_id", "order_id", "n"],
        key: Some("user_id"),
        columns: &[
            ("user_id", Key),
            ("order_id", Integer),
            ("n", Integer),
            ("sku", Text),
            ("price", Numeric),
        ],
    },
    Table {
        name: "kinds",
        unique: &["id"],
        key: Some("id"),
        columns: &[
            ("id", Key),
            ("small", Integer),
            ("amount", Numeric),
            ("padded", Text),
            ("short", Text),
            ("stamp", Time),
            ("moment", Time),
            ("day", Time),
            ("yes", Bool),
            ("list", Odd),
            ("words", Odd),
            ("period", Odd),
            ("net", Odd),
            ("flags", Odd),
            ("made", Odd),
            ("bin", Odd),
            ("label", Odd),
        ],
    },
    Table {
        name: "child",
        unique: &["kind_id", "n"],
        key: Some("kind_id"),
        columns: &[
            ("kind_id", Key),
            ("n", Integer),
            ("v", Numeric),
            ("t", Text),
            ("twice", Integer),
        ],
    },
    Table {
        name: "docs",
        unique: &["code"],
        key: None,
        columns: &[("code", Text), ("title", Text), ("size", Integer)],
    },
    Table {
        name: "events",
        unique: &["id"],
        key: None,
        columns: &[("id", Integer), ("kind", Text), ("weight", Integer)],
    },
    Table {
        name: "tenants",
        unique: &["id"],
        key: None,
        columns: &[("id", Integer), ("plan", Text)],
    },
    Table {
        name: "countries",
        unique: &["code"],
        key: None,
        columns: &[("code", Text), ("name", Text), ("population", Integer)],
    },
    Table {
        name: "audit_log",
        unique: &["id"],
        key: None,
        columns: &[("id", Integer), ("actor", Integer), ("what", Text)],
    },
];

pub(super) const ANY: &[Kind] = &[Key, Integer, Numeric, Text, Bool, Time, Other, Odd];

pub(super) const NUMBERS: &[Kind] = &[Integer, Numeric];
