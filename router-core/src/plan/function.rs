//! What a function call means over shards.

use crate::sql::functions;
use crate::sql::statement::{Call, Name};
use crate::topology::Catalog;
use crate::topology::catalog::{FunctionKind, Known, Volatility};

/// What calling a function on one shard rather than on one server with all rows can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nature {
    /// Nothing: its value follows from its arguments and from settings that are the same on all shards.
    Pure,
    /// The time of the transaction or statement: the same all over one server, not over several.
    Clock,
    /// Another value for each row anyway, on one server too.
    PerRow,
    /// It reads or changes what each server has of its own: locks, sequences, large objects, statistics.
    Server,
    /// What it gives depends on what this session did before on the server that is asked.
    History,
    /// It runs a query, or it is not known.
    Opaque,
}

/// The nature of the function that a call names.
pub(super) fn nature(call: &Call, catalog: &Catalog, search_path: &[String]) -> Nature {
    match call.name.schema.as_deref() {
        None => match builtin(&call.name.name) {
            // An overload that somebody made may fit the arguments better.
            Some(_) if overloaded(&call.name, catalog, search_path) => Nature::Opaque,
            Some(nature) => nature,
            None => of_schemas(&call.name, search_path.iter().map(String::as_str), catalog),
        },
        Some("pg_catalog") => builtin(&call.name.name).unwrap_or(Nature::Opaque),
        Some(schema) => of_schemas(&call.name, std::iter::once(schema), catalog),
    }
}

/// Whether a schema of the search path has a function of a built-in one's name that may look at more than its arguments.
fn overloaded(name: &Name, catalog: &Catalog, search_path: &[String]) -> bool {
    search_path
        .iter()
        .filter(|schema| *schema != "pg_catalog")
        .any(|schema| {
            matches!(catalog.function(schema, &name.name), Known::Is(f)
                if f.volatility != Volatility::Immutable || f.kind != FunctionKind::Function)
        })
}

/// A function that somebody made: harmless only when the catalog says that it looks at nothing but its arguments, those included
/// that are defaults.
fn of_schemas<'a>(
    name: &Name,
    schemas: impl Iterator<Item = &'a str>,
    catalog: &Catalog,
) -> Nature {
    for schema in schemas {
        match catalog.function(schema, &name.name) {
            Known::Is(f)
                if f.volatility == Volatility::Immutable
                    && f.kind == FunctionKind::Function
                    && catalog.reach().called(&name.name).is_none() =>
            {
                return Nature::Pure;
            }
            Known::Is(f) if f.kind == FunctionKind::Function => return made(&name.name, catalog),
            Known::Is(_) | Known::Unknown => return Nature::Opaque,
            Known::Absent => {}
        }
    }
    // One that the snapshot does not have may have been made since.
    Nature::Opaque
}

/// A function that somebody made and that is not declared `IMMUTABLE`, by what its body says: most are `VOLATILE` because nobody
/// said otherwise.
pub(super) fn made(name: &str, catalog: &Catalog) -> Nature {
    let Some(behind) = catalog.reach().called(name) else {
        return Nature::Opaque;
    };
    if behind.opaque.is_some()
        || behind.beyond.is_some()
        || behind.writes
        || !behind.relations.is_empty()
    {
        return Nature::Opaque;
    }
    let mut varies = behind.varies;
    for call in &behind.calls {
        match builtin(call) {
            Some(Nature::Pure) => {}
            Some(Nature::PerRow) => varies = true,
            // A keyword or a type in front of a parenthesis, or what is declared `IMMUTABLE`.
            None if catalog.function("pg_catalog", call) == Known::Absent => {}
            _ => return Nature::Opaque,
        }
    }
    match varies {
        true => Nature::PerRow,
        false => Nature::Pure,
    }
}

/// Functions about the server that every server of a database answers alike, or of which any answer is one.
pub(super) fn is_alike(name: &str) -> bool {
    matches!(
        name,
        "version" | "current_setting" | "getpgusername" | "format_type"
    ) || name.starts_with("has_")
}

/// Whether a function of `pg_catalog` has the same value on every shard.
pub(super) fn is_pure(name: &str) -> bool {
    builtin(name) == Some(Nature::Pure)
}

/// Whether a function of `pg_catalog` gives the time.
pub(super) fn is_clock(name: &str) -> bool {
    builtin(name) == Some(Nature::Clock)
}

/// A function of `pg_catalog`; `None` when it is not known, or may run a query.
pub(super) fn builtin(name: &str) -> Option<Nature> {
    Some(match name {
        "now"
        | "transaction_timestamp"
        | "statement_timestamp"
        | "age"
        | "current_timestamp"
        | "current_date"
        | "current_time"
        | "localtime"
        | "localtimestamp" => Nature::Clock,
        "random" | "gen_random_uuid" | "clock_timestamp" | "timeofday" => Nature::PerRow,
        // It gives nothing, and takes as long for each row wherever that is.
        "pg_sleep" | "pg_sleep_for" | "pg_sleep_until" => Nature::PerRow,
        "currval" | "lastval" | "set_config" | "setseed" | "pg_export_snapshot" => Nature::History,
        "pg_typeof" | "pg_column_size" | "pg_size_pretty" | "pg_size_bytes"
        | "pg_client_encoding" => Nature::Pure,
        "nextval"
        | "setval"
        | "version"
        | "current_setting"
        | "getpgusername"
        | "row_security_active"
        | "col_description"
        | "obj_description"
        | "shobj_description"
        | "aclexplode"
        | "get_current_ts_config"
        | "format_type"
        | "loread"
        | "lowrite" => Nature::Server,
        _ if [
            "pg_",
            "inet_server_",
            "inet_client_",
            "txid_",
            "has_",
            "lo_",
            "to_reg",
        ]
        .iter()
        .any(|p| name.starts_with(p)) =>
        {
            Nature::Server
        }
        // They read whole tables, or all of them.
        _ if name.contains("_to_xml")
            || name.starts_with("ts_stat")
            || name.starts_with("cursor_") =>
        {
            return None;
        }
        _ if functions::is_stable(name) => Nature::Pure,
        _ => return None,
    })
}

/// Whether a type names things of a server's catalogs by their OIDs, which differ between servers (`regclass`).
pub(super) fn is_registry(type_name: &str) -> bool {
    let name = type_name.strip_prefix("pg_catalog.").unwrap_or(type_name);
    name.starts_with("reg")
}

/// Whether a call without `OVER` is of a built-in aggregate (`pg_aggregate` of PostgreSQL 15 and later additions).
pub(super) fn is_aggregate(call: &Call) -> bool {
    if call.star
        || call.distinct
        || call.filter.is_some()
        || !call.order_by.is_empty()
        || !call.within_group.is_empty()
    {
        return true;
    }
    call.name
        .schema
        .as_deref()
        .is_none_or(|s| s == "pg_catalog")
        && matches!(
            call.name.name.as_str(),
            "any_value"
                | "array_agg"
                | "avg"
                | "bit_and"
                | "bit_or"
                | "bit_xor"
                | "bool_and"
                | "bool_or"
                | "corr"
                | "count"
                | "covar_pop"
                | "covar_samp"
                | "cume_dist"
                | "dense_rank"
                | "every"
                | "json_agg"
                | "json_agg_strict"
                | "json_arrayagg"
                | "json_object_agg"
                | "json_objectagg"
                | "jsonb_agg"
                | "jsonb_agg_strict"
                | "jsonb_object_agg"
                | "max"
                | "min"
                | "mode"
                | "percent_rank"
                | "percentile_cont"
                | "percentile_disc"
                | "range_agg"
                | "range_intersect_agg"
                | "rank"
                | "regr_avgx"
                | "regr_avgy"
                | "regr_count"
                | "regr_intercept"
                | "regr_r2"
                | "regr_slope"
                | "regr_sxx"
                | "regr_sxy"
                | "regr_syy"
                | "stddev"
                | "stddev_pop"
                | "stddev_samp"
                | "string_agg"
                | "sum"
                | "var_pop"
                | "var_samp"
                | "variance"
                | "xmlagg"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_functions_are_known_by_nature() {
        for (name, nature) in [
            ("lower", Some(Nature::Pure)),
            ("abs", Some(Nature::Pure)),
            ("count", Some(Nature::Pure)),
            ("coalesce", Some(Nature::Pure)),
            ("now", Some(Nature::Clock)),
            ("random", Some(Nature::PerRow)),
            ("nextval", Some(Nature::Server)),
            ("currval", Some(Nature::History)),
            ("pg_advisory_lock", Some(Nature::Server)),
            ("query_to_xml", None),
            ("table_to_xml", None),
            ("ts_stat", None),
            ("owe", None),
            ("", None),
            ("my_function", None),
        ] {
            assert_eq!(builtin(name), nature, "{name}");
        }
    }
}
