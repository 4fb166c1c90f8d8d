//! What the default of a column is, over shards.

use super::function::{Nature, nature};
use super::reading::Reading;
use super::walk::{self, Met};
use crate::sql::parse;
use crate::sql::statement::{ExprKind, LiteralKind};
use crate::topology::Catalog;
use crate::topology::catalog::{Column, ColumnDefault};
use crate::value::moment::is_moment;

/// Whether a default gives the same value wherever and whenever it is evaluated. From best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Defaulted {
    /// The same always, or null, or what other columns say.
    Same,
    /// The time: the same all over a statement on one server, not over several.
    Clock,
    /// Another one each time on one server too: a sequence, chance.
    Each,
    /// Nothing is known.
    Unknown,
}

/// What the default of `column` is.
pub(super) fn of(reading: &Reading<'_>, column: &Column) -> Defaulted {
    in_path(reading.catalog, reading.search_path, column)
}

/// The same, by the names of this search path.
pub(super) fn in_path(catalog: &Catalog, search_path: &[String], column: &Column) -> Defaulted {
    match (column.default, &column.expression) {
        (ColumnDefault::Null | ColumnDefault::Generated, _) => Defaulted::Same,
        (ColumnDefault::IdentityAlways | ColumnDefault::IdentityByDefault, _) => Defaulted::Each,
        (ColumnDefault::Expression, None) => Defaulted::Unknown,
        (ColumnDefault::Expression, Some(text)) => expression(catalog, search_path, text),
    }
}

fn expression(catalog: &Catalog, search_path: &[String], text: &str) -> Defaulted {
    let sql = format!("SELECT {text}");
    let statement = parse(&sql, &parse::Options::default());
    if !matches!(statement.kind, crate::sql::statement::Kind::Query(_)) {
        return Defaulted::Unknown;
    }
    let mut worst = Defaulted::Same;
    walk::statement(&statement, &mut |met| {
        let found = match met {
            Met::Expr(e) => match &e.kind {
                ExprKind::Call(call) => match nature(call, catalog, search_path) {
                    Nature::Pure => Defaulted::Same,
                    Nature::Clock => Defaulted::Clock,
                    Nature::PerRow => Defaulted::Each,
                    Nature::Server if call.name.name == "nextval" => Defaulted::Each,
                    Nature::Server | Nature::History | Nature::Opaque => Defaulted::Unknown,
                },
                ExprKind::Literal(LiteralKind::String)
                    if is_moment(e.span.of(&sql).trim_matches('\'')) =>
                {
                    Defaulted::Clock
                }
                _ => Defaulted::Same,
            },
            _ => Defaulted::Same,
        };
        worst = worst.max(found);
    });
    worst
}
