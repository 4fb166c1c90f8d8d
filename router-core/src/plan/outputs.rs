//! The columns of a query's result, by the names that PostgreSQL gives them.

use super::leaves::leaves;
use super::reading::Reading;
use crate::sql::statement::{Expr, ExprKind, Ident, Select, SelectItem};

/// One column of a result.
pub(super) struct Output<'s> {
    pub(super) name: Title,
    pub(super) value: Value<'s>,
}

/// Its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Title {
    /// This.
    Is(String),
    /// `?column?`.
    None,
    /// It takes more knowledge to tell.
    Doubt,
}

/// Where it comes from.
pub(super) enum Value<'s> {
    /// An item of the select list.
    Item(&'s Expr),
    /// A column that a `*` stands for, by the name of its `FROM` item.
    Star {
        /// The item, when it has a name.
        leaf: &'s str,
        /// The column's name here.
        column: &'s str,
    },
}

impl Value<'_> {
    /// The same as an expression of the block.
    pub(super) fn expr(&self) -> Expr {
        match self {
            Value::Item(e) => (*e).clone(),
            Value::Star { leaf, column } => Expr {
                kind: ExprKind::Column {
                    qualifier: vec![(*leaf).to_owned()],
                    name: (*column).to_owned(),
                },
                span: Default::default(),
            },
        }
    }
}

/// The columns of a block, as far as they can be told from the left: what follows a `*` that cannot be spelled out is
/// not there, and then the flag is `false`.
pub(super) fn outputs<'s, 'a: 's>(reading: &Reading<'a>, s: &'s Select) -> (Vec<Output<'s>>, bool) {
    let mut out = Vec::new();
    for item in &s.items {
        match item {
            SelectItem::Expr { expr, alias } => out.push(Output {
                name: alias
                    .as_ref()
                    .map_or_else(|| title(expr), |a| Title::Is(a.clone())),
                value: Value::Item(expr),
            }),
            SelectItem::Wildcard { qualifier, .. } => {
                let (list, merged) = leaves(reading, &s.from);
                if qualifier.is_none() && merged {
                    return (out, false);
                }
                for leaf in &list {
                    if let Some(q) = qualifier
                        && (q.schema.is_some() || q.name != leaf.name)
                    {
                        continue;
                    }
                    let Some(columns) = leaf.columns(reading).filter(|_| !leaf.name.is_empty())
                    else {
                        return (out, false);
                    };
                    for (column, _) in columns {
                        out.push(Output {
                            name: Title::Is(column.to_owned()),
                            value: Value::Star {
                                leaf: leaf.name,
                                column,
                            },
                        });
                    }
                }
            }
        }
    }
    (out, true)
}

/// The name that PostgreSQL gives a column without an alias (`FigureColname` in `parser/parse_target.c`).
pub(super) fn title(e: &Expr) -> Title {
    match figure(e) {
        Some((name, _)) => name,
        None => Title::None,
    }
}

/// The name and whether it is a strong one, which a cast or `CASE` around it does not replace.
fn figure(e: &Expr) -> Option<(Title, bool)> {
    let word = |w: &str, strong| Some((Title::Is(w.to_owned()), strong));
    match &e.kind {
        ExprKind::Column { name, .. } | ExprKind::Field { name, .. } => word(name, true),
        ExprKind::Subscript { expr, .. } | ExprKind::Collate { expr, .. } => figure(expr),
        ExprKind::Call(call) => word(&call.name.name, true),
        ExprKind::Cast { expr, to, .. } => match figure(expr) {
            Some((name, true)) => Some((name, true)),
            _ => word(internal(to), false),
        },
        ExprKind::Case { otherwise, .. } => match otherwise.as_ref().and_then(|e| figure(e)) {
            Some((name, true)) => Some((name, true)),
            _ => word("case", false),
        },
        ExprKind::Array(_) | ExprKind::ArrayQuery(_) => word("array", true),
        ExprKind::Row(_) => word("row", false),
        ExprKind::Exists(_) => word("exists", true),
        ExprKind::Scalar(q) => match &q.body {
            crate::sql::statement::SetExpr::Select(s) => match s.items.first() {
                Some(SelectItem::Expr { alias: Some(a), .. }) => word(a, true),
                Some(SelectItem::Expr { expr, .. }) => figure(expr),
                _ => Some((Title::Doubt, true)),
            },
            _ => Some((Title::Doubt, true)),
        },
        _ => None,
    }
}

/// The name that `pg_type` has for a type of this canonical name.
fn internal(canonical: &str) -> &str {
    let name = canonical.strip_suffix("[]").unwrap_or(canonical);
    match name {
        "bigint" => "int8",
        "integer" => "int4",
        "smallint" => "int2",
        "double precision" => "float8",
        "real" => "float4",
        "boolean" => "bool",
        "character varying" => "varchar",
        "character" => "bpchar",
        "bit varying" => "varbit",
        "timestamp with time zone" => "timestamptz",
        "timestamp without time zone" => "timestamp",
        "time with time zone" => "timetz",
        "time without time zone" => "time",
        other => other.rsplit('.').next().unwrap_or(other).trim_matches('"'),
    }
}

/// Whether a bare name in `ORDER BY` means a column of the result: those of that name. `None` when that cannot be told.
pub(super) fn named<'o, 's>(list: &'o [Output<'s>], name: &Ident) -> Option<Vec<&'o Output<'s>>> {
    if list.iter().any(|o| o.name == Title::Doubt) {
        return None;
    }
    Some(
        list.iter()
            .filter(|o| matches!(&o.name, Title::Is(n) if n == name))
            .collect(),
    )
}
