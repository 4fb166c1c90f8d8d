//! `pg_relation_size('table')` and its like: of a table that is spread over shards each server knows its own part.

use super::ddl::named;
use super::names::{self, Place};
use super::reading::Reading;
use super::set_config::string;
use super::walk::{self, Met};
use super::words::words;
use super::{Reason, Refusal};
use crate::sql::Statement;
use crate::sql::statement::{Expr, ExprKind};

/// The functions that say how large a relation is, by its name.
pub(super) const SIZES: [&str; 4] = [
    "pg_relation_size",
    "pg_table_size",
    "pg_indexes_size",
    "pg_total_relation_size",
];

/// Refuses a statement that asks one server for the size of a spread table, named by a constant. What a query over `pg_class`
/// says is of the server whose catalog it reads (docs/reads.md).
pub(super) fn known(reading: &Reading<'_>, statement: &Statement) -> Result<(), Refusal> {
    if !reading.text.contains("_size") {
        return Ok(());
    }
    let mut found = None;
    walk::statement(statement, &mut |met| {
        let Met::Expr(Expr {
            kind: ExprKind::Call(call),
            ..
        }) = met
        else {
            return;
        };
        if !SIZES.contains(&call.name.name.as_str()) {
            return;
        }
        // Of which table it is the constant says.
        reading.exact.set(true);
        let mut relation = call.args.first();
        while let Some(ExprKind::Cast { expr, .. }) = relation.map(|e| &e.kind) {
            relation = Some(expr);
        }
        let said = relation.and_then(|e| string(e, reading.text, reading.options));
        let Some(said) = said else { return };
        let said = words(&said, reading.options);
        let Some((name, _)) = named(&said, 0) else {
            return;
        };
        let place = names::place(
            reading.topology,
            reading.catalog,
            reading.search_path,
            &name,
        );
        if matches!(place, Ok(Place::Sharded { .. })) {
            found.get_or_insert_with(|| {
                let name = names::display(&name);
                Refusal::new(
                    Reason::Function,
                    format!(
                        "\"{}\" would say how large one shard's part of \"{name}\" is.",
                        call.name.name
                    ),
                )
                .with_hint(
                    "Ask each shard, named by SET shunt.shard = '...', and add up what they say.",
                )
            });
        }
    });
    found.map_or(Ok(()), Err)
}
