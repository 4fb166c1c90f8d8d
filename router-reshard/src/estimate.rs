//! How many rows and bytes a move is.
//!
//! The planner's own estimate is of no use here: it takes any condition on a
//! hash for the same small share. So the share of the moving rows is counted in
//! a sample of the table's pages, and the table's size is the server's own
//! figure. A table of no more pages than the sample is counted in full.

use router_core::reshard::Rows;
use router_core::topology::TableName;
use tokio_postgres::{Client, Error};

use crate::tables::quoted;

/// Pages of a table that are read at most: 16 MB with pages of the usual size.
pub const SAMPLED_PAGES: i64 = 2048;

/// How much a move is, by one table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// Rows.
    pub rows: u64,
    /// Bytes that they take in the table and its TOAST table, without indexes.
    pub bytes: u64,
    /// Whether every row was counted. (Rows that come and go meanwhile are not.)
    pub counted: bool,
}

/// How many rows of a table are among `rows`, on the server where they are now.
pub async fn estimate(client: &Client, table: &TableName, rows: &Rows) -> Result<Estimate, Error> {
    let name = quoted(table);
    // A partitioned table has no pages of its own.
    let sizes = client
        .query_one(
            "SELECT sum(pg_catalog.pg_relation_size(r.relid) / pg_catalog.current_setting('block_size')::bigint)::bigint,
                    sum(pg_catalog.pg_table_size(r.relid))::bigint
             FROM (SELECT $1::text::pg_catalog.regclass AS relid
                   UNION SELECT relid FROM pg_catalog.pg_partition_tree($1::text::pg_catalog.regclass)) r",
            &[&name],
        )
        .await?;
    let (pages, bytes): (i64, i64) = (sizes.get(0), sizes.get(1));
    let counted = pages <= SAMPLED_PAGES;
    let sample = if counted {
        String::new()
    } else {
        let percent = 100.0 * SAMPLED_PAGES as f64 / pages as f64;
        // The same pages each time, so that the estimate of an unchanged table stays.
        format!(" TABLESAMPLE SYSTEM ({percent}) REPEATABLE (0)")
    };
    let condition = rows.condition().unwrap_or_else(|| "true".to_owned());
    let count = client
        .query_one(
            &format!("SELECT count(*) FILTER (WHERE {condition}), count(*) FROM {name}{sample}"),
            &[],
        )
        .await?;
    let (moving, seen): (i64, i64) = (count.get(0), count.get(1));
    let share = if seen == 0 {
        0.0
    } else {
        moving as f64 / seen as f64
    };
    let scale = if counted {
        1.0
    } else {
        pages as f64 / SAMPLED_PAGES as f64
    };
    Ok(Estimate {
        rows: (moving as f64 * scale).round() as u64,
        bytes: (bytes as f64 * share).round() as u64,
        counted,
    })
}
