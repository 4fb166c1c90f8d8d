//! What a statement does to data, and so which servers of a shard may run it.

use super::{Effect, Role};
use crate::sql::Statement;
use crate::sql::effect::{Effects, effects};
use crate::sql::statement::Name;
use crate::topology::Catalog;
use crate::topology::catalog::{Known, Volatility};

/// The effects, with functions as the catalog knows them.
pub(super) fn of(statement: &Statement, catalog: &Catalog, search_path: &[String]) -> Effects {
    effects(statement, &|name| not_volatile(name, catalog, search_path))
}

/// Which servers may run a statement of that effect.
pub(super) fn role(effect: Effect) -> Role {
    match effect {
        Effect::Read => Role::Any,
        Effect::Write | Effect::Schema | Effect::Session | Effect::Transaction => Role::Primary,
    }
}

/// Whether no function of that name, in any schema that it may mean, is volatile. `None`: there is none but built-in ones.
fn not_volatile(name: &Name, catalog: &Catalog, search_path: &[String]) -> Option<bool> {
    let schemas: Vec<&str> = match &name.schema {
        Some(schema) => vec![schema],
        None => search_path.iter().map(String::as_str).collect(),
    };
    let mut found = None;
    for schema in schemas.into_iter().filter(|s| *s != "pg_catalog") {
        if let Known::Is(f) = catalog.function(schema, &name.name) {
            found = Some(found.unwrap_or(true) && f.volatility < Volatility::Volatile);
        }
    }
    found
}
