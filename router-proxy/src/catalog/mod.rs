//! What the servers say about relations and functions, read into the core's [`Catalog`].
//!
//! The schema is the same on every shard, so one server is asked. Reading takes
//! four queries; it happens when a database is first used and again after a
//! statement that changes the schema, never on the way of a query.

mod ask;
mod queries;

use router_core::topology::TableName;
use router_core::topology::catalog::{
    Catalog, Collation, Column, ColumnDefault, Function, FunctionKind, Language, Relation,
    RelationKind, Uses, Volatility,
};
use std::collections::HashMap;

pub use ask::AskError;
use ask::{Row, ask};

use crate::server::connect::{ConnectError, Target, connect};

/// Why a catalog could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A query failed.
    #[error("cannot read the catalog of {label}: {error}")]
    Ask {
        /// The server, as errors call it.
        label: String,
        /// What happened.
        error: AskError,
    },
}

/// Reads the catalog over a connection of its own. The caller puts a deadline around it.
pub async fn load(target: &Target<'_>) -> Result<Catalog, CatalogError> {
    let mut connection = connect(target).await?;
    let mut read = async |sql: &str| {
        ask(&mut connection.socket, &mut connection.input, sql)
            .await
            .map_err(|error| CatalogError::Ask {
                label: target.label.to_owned(),
                error,
            })
    };
    // A user's own operators must not get between: every name below means pg_catalog's.
    read("SET search_path = pg_catalog").await?;
    let mut relations: HashMap<TableName, Relation> = read(queries::RELATIONS)
        .await?
        .iter()
        .filter_map(relation)
        .collect();
    for row in read(queries::COLUMNS).await? {
        if let Some((table, column)) = column(&row)
            && let Some(relation) = relations.get_mut(&table)
        {
            relation.columns.push(column);
        }
    }
    for row in read(queries::USES).await? {
        let [schema, name, kind, used_schema, used] = row.fields();
        let used = TableName::new(used_schema, used);
        if let Some(relation) = relations.get_mut(&TableName::new(schema, name)) {
            match kind {
                "function" => relation.uses.functions.push(used),
                _ => relation.uses.relations.push(used),
            }
        }
    }
    let functions: Vec<_> = read(queries::FUNCTIONS)
        .await?
        .iter()
        .map(function)
        .collect();
    Ok(Catalog::new(relations, functions))
}

fn relation(row: &Row) -> Option<(TableName, Relation)> {
    let [schema, name, kind] = row.fields();
    let kind = match kind {
        "r" => RelationKind::Table,
        "p" => RelationKind::Partitioned,
        "v" => RelationKind::View,
        "m" => RelationKind::MaterializedView,
        "f" => RelationKind::Foreign,
        "S" => RelationKind::Sequence,
        _ => return None,
    };
    Some((
        TableName::new(schema, name),
        Relation {
            kind,
            columns: Vec::new(),
            uses: Uses::default(),
        },
    ))
}

fn column(row: &Row) -> Option<(TableName, Column)> {
    let [
        schema,
        table,
        name,
        type_oid,
        modifier,
        collation,
        not_null,
        identity,
        generated,
        default,
    ] = row.fields();
    let column = Column {
        name: name.to_owned(),
        type_oid: type_oid.parse().ok()?,
        type_modifier: modifier.parse().ok()?,
        collation: match collation {
            "none" => Collation::None,
            "bytes" => Collation::Bytes,
            "deterministic" => Collation::Deterministic,
            _ => Collation::Nondeterministic,
        },
        not_null: not_null == "t",
        default: match (generated, identity, default) {
            ("s", ..) => ColumnDefault::Generated,
            (_, "a", _) => ColumnDefault::IdentityAlways,
            (_, "d", _) => ColumnDefault::IdentityByDefault,
            (.., "t") => ColumnDefault::Expression,
            _ => ColumnDefault::Null,
        },
    };
    Some((TableName::new(schema, table), column))
}

fn function(row: &Row) -> (TableName, Function) {
    let [schema, name, volatility, kind, language, returns_set] = row.fields();
    let function = Function {
        volatility: match volatility {
            "i" => Volatility::Immutable,
            "s" => Volatility::Stable,
            _ => Volatility::Volatile,
        },
        kind: match kind {
            "f" => FunctionKind::Function,
            "a" => FunctionKind::Aggregate,
            "w" => FunctionKind::Window,
            "p" => FunctionKind::Procedure,
            _ => FunctionKind::Mixed,
        },
        language: match language {
            "internal" => Language::Internal,
            "c" => Language::C,
            "sql" => Language::Sql,
            "plpgsql" => Language::PlPgSql,
            _ => Language::Other,
        },
        returns_set: returns_set == "t",
    };
    (TableName::new(schema, name), function)
}
