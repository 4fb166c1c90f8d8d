//! A shop on three shards, with what its servers say of it.

use router_core::id::Epoch;
use router_core::topology::catalog::{
    Collation, Column, ColumnDefault, Relation, RelationKind, Uses,
};
use router_core::topology::spec::*;
use router_core::topology::{Catalog, TableName, Topology};
use router_core::value::KeyType;

/// Three shards, all of them of the scratch server `s1` when there is one; `users` and `orders` by user, `docs` by code,
/// `crm.leads` by user, `countries` everywhere, `audit_log` on s2, `notes` on s1.
pub(crate) fn shop(scratch: Option<&str>) -> Topology {
    let table = |schema: &str, name: &str, home| TableSpec {
        schema: schema.into(),
        name: name.into(),
        home,
    };
    let sharded = |key: &str, placement: &str| HomeSpec::Sharded {
        key: vec![key.into()],
        placement: placement.into(),
    };
    let placement = |name: &str, key_type| PlacementSpec {
        name: name.into(),
        types: vec![key_type],
        strategy: StrategySpec::Modulo { shards: None },
    };
    let spec = TopologySpec {
        database: "shop".into(),
        shards: ["s0", "s1", "s2"]
            .map(|name| ShardSpec {
                name: name.into(),
                has_replicas: false,
            })
            .into(),
        default_shard: None,
        scratch: scratch.map(Into::into),
        triggers_per_shard: false,
        placements: vec![
            placement("by_user", KeyType::Bigint),
            PlacementSpec {
                strategy: StrategySpec::hash(),
                ..placement("by_code", KeyType::Text)
            },
        ],
        tables: vec![
            table("public", "users", sharded("id", "by_user")),
            table("public", "orders", sharded("user_id", "by_user")),
            table("crm", "leads", sharded("user_id", "by_user")),
            table("public", "docs", sharded("code", "by_code")),
            table("public", "Odd Names", sharded("user_id", "by_user")),
            table("public", "countries", HomeSpec::Reference),
            table("public", "audit_log", HomeSpec::Pinned("s2".into())),
            table("public", "notes", HomeSpec::Pinned("s1".into())),
        ],
    };
    Topology::build(&spec, Epoch(1)).expect("the shop is a valid topology")
}

const BIGINT: u32 = 20;
const INTEGER: u32 = 23;
const TEXT: u32 = 25;
const NUMERIC: u32 = 1700;
const TIMESTAMPTZ: u32 = 1184;
const JSONB: u32 = 3802;
/// An enum of the user's.
const MOOD: u32 = 20_000;
/// An array of it.
const MOODS: u32 = 20_001;

/// What the servers say.
pub(crate) fn catalog() -> Catalog {
    let column = |&(name, type_oid): &(&str, u32)| Column {
        name: name.into(),
        type_oid,
        type_modifier: -1,
        base: None,
        collation: match (type_oid, name) {
            (TEXT, "title") => Collation::Deterministic,
            (TEXT, _) => Collation::Bytes,
            _ => Collation::None,
        },
        not_null: false,
        default: ColumnDefault::Null,
        declared: match type_oid {
            BIGINT => "bigint",
            INTEGER => "integer",
            TEXT => "text",
            NUMERIC => "numeric(12,2)",
            _ => "something",
        }
        .into(),
        portable: type_oid != MOODS,
        primary: matches!(name, "id" | "code"),
        expression: None,
    };
    let table = |schema: &str, name: &str, columns: &[(&str, u32)]| {
        let relation = Relation {
            kind: RelationKind::Table,
            columns: columns.iter().map(column).collect(),
            uses: Uses::default(),
            beside: Default::default(),
            row_triggers: Vec::new(),
            cascades: Vec::new(),
            definition: String::new(),
            version: String::new(),
            below: None,
            withheld: false,
        };
        (TableName::new(schema, name), relation)
    };
    let view = |name: &str, columns: &[(&str, u32)], reads: &[&str], definition: &str| {
        let (name, relation) = table("public", name, columns);
        let relation = Relation {
            kind: RelationKind::View,
            uses: Uses {
                relations: reads.iter().map(|r| TableName::new("public", *r)).collect(),
                functions: Vec::new(),
            },
            row_triggers: Vec::new(),
            cascades: Vec::new(),
            definition: definition.into(),
            version: "16400.731".into(),
            below: None,
            withheld: false,
            ..relation
        };
        (name, relation)
    };
    Catalog::new(
        [
            view(
                "grown",
                &[("id", BIGINT), ("level", INTEGER)],
                &["users"],
                " SELECT users.id,\n    users.level\n   FROM public.users\n  WHERE (users.level >= 2);",
            ),
            view(
                "totals",
                &[("user_id", BIGINT), ("total", NUMERIC)],
                &["orders"],
                " SELECT orders.user_id,\n    sum(orders.total) AS total\n   FROM public.orders\n  GROUP BY orders.user_id;",
            ),
            view(
                "names",
                &[("code", TEXT), ("name", TEXT)],
                &["countries"],
                " SELECT countries.code,\n    countries.name\n   FROM public.countries;",
            ),
            table(
                "public",
                "users",
                &[
                    ("id", BIGINT),
                    ("name", TEXT),
                    ("title", TEXT),
                    ("level", INTEGER),
                    ("score", NUMERIC),
                    ("created", TIMESTAMPTZ),
                    ("country", TEXT),
                    ("mood", MOOD),
                    ("moods", MOODS),
                    ("extra", JSONB),
                ],
            ),
            table(
                "public",
                "orders",
                &[
                    ("user_id", BIGINT),
                    ("id", BIGINT),
                    ("total", NUMERIC),
                    ("qty", INTEGER),
                ],
            ),
            table("crm", "leads", &[("user_id", BIGINT), ("source", TEXT)]),
            table("public", "docs", &[("code", TEXT), ("size", INTEGER)]),
            table(
                "public",
                "Odd Names",
                &[
                    ("user_id", BIGINT),
                    ("Weird \"col", TEXT),
                    ("order", INTEGER),
                ],
            ),
            table("public", "countries", &[("code", TEXT), ("name", TEXT)]),
            table(
                "public",
                "audit_log",
                &[("id", BIGINT), ("actor", BIGINT), ("what", TEXT)],
            ),
            table("public", "notes", &[("id", BIGINT), ("body", TEXT)]),
        ],
        [],
    )
}
