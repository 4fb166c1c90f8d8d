//! The tables of a move.

use router_core::reshard::Tables;
use router_core::topology::{TableName, Topology, predicate};
use tokio_postgres::{Client, Error};

/// The tables that are meant, in the order of their names: one that is listed is itself, the others are those of the
/// server that neither topology lists.
pub async fn named(
    client: &Client,
    tables: &Tables,
    now: &Topology,
    next: &Topology,
) -> Result<Vec<TableName>, Error> {
    if let Tables::Listed(name) = tables {
        return Ok(vec![name.clone()]);
    }
    // Partitions come with their parent.
    let rows = client
        .query(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
               AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
             ORDER BY 1, 2",
            &[],
        )
        .await?;
    let found = rows
        .iter()
        .map(|row| TableName::new(row.get::<_, String>(0), row.get::<_, String>(1)));
    let unlisted = |name: &TableName| {
        let listed = |topology: &Topology| topology.listed(&name.schema, &name.name).is_some();
        !listed(now) && !listed(next)
    };
    Ok(found.filter(unlisted).collect())
}

/// A table's name as SQL.
pub fn quoted(name: &TableName) -> String {
    format!(
        "{}.{}",
        predicate::identifier(&name.schema),
        predicate::identifier(&name.name)
    )
}
