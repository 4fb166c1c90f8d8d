//! The type of an expression, as far as the order of its values asks for it.
//!
//! This is no type checker. It says a type only where PostgreSQL's rules leave no other, and keeps quiet otherwise;
//! what is not known is sorted by PostgreSQL itself, after a gather.

use super::leaves::{What, leaves};
use super::outputs::{Title, Value, outputs};
use super::reading::Reading;
use crate::merge::order::Order;
use crate::sql::statement::{Call, Expr, ExprKind, LiteralKind, Query, Select, SetExpr};
use crate::topology::catalog::{Collation, Known};
use crate::value::KeyType;

/// A type, and for texts whether their collation is known to order by bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type {
    pub(super) oid: u32,
    pub(super) bytewise: bool,
}

impl Type {
    fn of(oid: u32) -> Self {
        Self {
            oid,
            bytewise: false,
        }
    }

    /// Whether its values are ordered by their bytes alone.
    pub(super) fn is_ordered(self) -> bool {
        Order::of_type(self.oid, self.bytewise).is_some()
    }

    fn is_text(self) -> bool {
        matches!(self.oid, TEXT | VARCHAR)
    }

    fn is_number(self) -> bool {
        matches!(self.oid, 20 | 21 | 23 | 700 | 701 | 1700)
    }
}

const BOOL: u32 = 16;
const TEXT: u32 = 25;
const VARCHAR: u32 = 1043;
const DATE: u32 = 1082;
const TIMESTAMP: u32 = 1114;
const TIMESTAMPTZ: u32 = 1184;
const INTERVAL: u32 = 1186;
/// Any type of number will do for an order: each has one.
const NUMBER: u32 = 1700;

/// The type of an expression of the block `s`.
pub(super) fn expr(reading: &Reading<'_>, s: &Select, e: &Expr) -> Option<Type> {
    let of = |e: &Expr| expr(reading, s, e);
    match &e.kind {
        ExprKind::Column { qualifier, name } => column(reading, s, qualifier, name),
        ExprKind::Literal(LiteralKind::Integer | LiteralKind::Numeric) => Some(Type::of(NUMBER)),
        ExprKind::Literal(LiteralKind::True | LiteralKind::False) => Some(Type::of(BOOL)),
        ExprKind::And(_)
        | ExprKind::Or(_)
        | ExprKind::Not(_)
        | ExprKind::IsNull { .. }
        | ExprKind::IsTruth { .. }
        | ExprKind::IsDistinct { .. }
        | ExprKind::Exists(_) => Some(Type::of(BOOL)),
        ExprKind::InList { expr, .. } | ExprKind::Between { expr, .. } => {
            of(expr).map(|_| Type::of(BOOL))
        }
        ExprKind::Unary { op, expr } if op == "-" || op == "+" => {
            of(expr).filter(|t| t.is_number() || t.oid == INTERVAL)
        }
        ExprKind::Binary { op, left, right } => binary(op, (left, of(left)), (right, of(right))),
        ExprKind::Cast { expr, to, .. } => {
            let oid = named(to)?;
            let bytewise = Type::of(oid).is_text()
                && of(expr).is_some_and(|inner| inner.is_text() && inner.bytewise);
            Some(Type { oid, bytewise })
        }
        ExprKind::Collate { expr, collation } => {
            let built_in = collation
                .schema
                .as_deref()
                .is_none_or(|s| s == "pg_catalog")
                && matches!(collation.name.as_str(), "C" | "POSIX" | "ucs_basic");
            of(expr).filter(|t| t.is_text()).map(|t| Type {
                bytewise: built_in,
                ..t
            })
        }
        ExprKind::Case {
            arms, otherwise, ..
        } => common(
            arms.iter()
                .map(|(_, then)| then)
                .chain(otherwise.iter().map(|e| &**e)),
            of,
        ),
        ExprKind::Call(c) => call(reading, c, of),
        _ => None,
    }
}

/// A constant whose type follows from what it stands beside.
fn is_untyped(e: &Expr) -> bool {
    matches!(
        e.kind,
        ExprKind::Literal(LiteralKind::Null | LiteralKind::String)
    )
}

/// The type that several values are brought to, when they are of one already or are all numbers.
fn common<'e>(
    list: impl Iterator<Item = &'e Expr>,
    of: impl Fn(&Expr) -> Option<Type>,
) -> Option<Type> {
    let mut found: Option<Type> = None;
    for e in list.filter(|e| !is_untyped(e)) {
        let t = of(e)?;
        found = Some(match found {
            None => t,
            Some(f) if f.is_number() && t.is_number() => Type::of(NUMBER),
            // A default collation gives way to another; bytewise all of them, whichever wins is.
            Some(f) if f.is_text() && t.is_text() => Type {
                oid: TEXT,
                bytewise: f.bytewise && t.bytewise,
            },
            Some(f) if f.oid == t.oid => f,
            Some(_) => return None,
        });
    }
    found
}

fn binary(op: &str, left: (&Expr, Option<Type>), right: (&Expr, Option<Type>)) -> Option<Type> {
    // A string beside a value of a known type takes that type.
    let (l, r) = match (left, right) {
        ((_, Some(l)), (_, Some(r))) => (l, r),
        ((_, Some(l)), (e, None)) if is_untyped(e) => (l, l),
        ((e, None), (_, Some(r))) if is_untyped(e) => (r, r),
        _ => return None,
    };
    let numbers = l.is_number() && r.is_number();
    let moment = |t: Type| matches!(t.oid, TIMESTAMP | TIMESTAMPTZ);
    match op {
        "=" | "<>" | "<" | ">" | "<=" | ">=" => Some(Type::of(BOOL)),
        "~~" | "!~~" | "~~*" | "!~~*" | "~" | "!~" | "~*" | "!~*" if l.is_text() && r.is_text() => {
            Some(Type::of(BOOL))
        }
        "+" | "-" | "*" | "/" | "%" | "^" if numbers => Some(Type::of(NUMBER)),
        "-" if l.oid == DATE && r.oid == DATE => Some(Type::of(NUMBER)),
        "+" | "-" if l.oid == DATE && r.is_number() => Some(Type::of(DATE)),
        "-" if moment(l) && l.oid == r.oid && !is_untyped(left.0) && !is_untyped(right.0) => {
            Some(Type::of(INTERVAL))
        }
        "+" | "-" if moment(l) && r.oid == INTERVAL => Some(l),
        "+" | "-" if l.oid == INTERVAL && r.oid == INTERVAL => Some(l),
        "||" if l.is_text() && r.is_text() => Some(Type {
            oid: TEXT,
            bytewise: l.bytewise && r.bytewise,
        }),
        _ => None,
    }
}

fn call(reading: &Reading<'_>, c: &Call, of: impl Fn(&Expr) -> Option<Type>) -> Option<Type> {
    let name = c.name.name.as_str();
    let built_in = match c.name.schema.as_deref() {
        Some("pg_catalog") => true,
        Some(_) => false,
        // One that somebody made may fit the arguments better.
        None => {
            reading.catalog.is_known()
                && reading
                    .search_path
                    .iter()
                    .filter(|s| *s != "pg_catalog")
                    .all(|s| !matches!(reading.catalog.function(s, name), Known::Is(_)))
        }
    };
    if !built_in || c.unusual_args {
        return None;
    }
    let first = || c.args.first().and_then(&of);
    match name {
        "count" | "row_number" | "rank" | "dense_rank" | "ntile" | "length" | "char_length"
        | "character_length" | "octet_length" | "bit_length" | "ascii" | "strpos" | "position"
        | "array_length" | "cardinality" | "jsonb_array_length" | "json_array_length"
        | "extract" | "date_part" => Some(Type::of(NUMBER)),
        "abs" | "round" | "ceil" | "ceiling" | "floor" | "trunc" | "sign" | "mod" | "div"
        | "sqrt" | "power" | "exp" | "ln" | "log" => c
            .args
            .iter()
            .all(|a| of(a).is_some_and(Type::is_number))
            .then(|| Type::of(NUMBER)),
        "sum" | "avg" => first().filter(|t| t.is_number() || t.oid == INTERVAL),
        // Of an array, a range and so on they have no order here, and it is found out by the type.
        "min" | "max" | "first_value" | "last_value" | "nth_value" => first(),
        "lag" | "lead" if c.args.len() < 3 => first(),
        "bool_and" | "bool_or" | "every" => Some(Type::of(BOOL)),
        "lower" | "upper" | "initcap" | "btrim" | "ltrim" | "rtrim" | "substring" | "substr"
        | "left" | "right" | "reverse" | "replace" | "lpad" | "rpad" | "repeat" | "translate"
        | "split_part" => {
            let text = first().filter(|t| t.is_text())?;
            let bytewise = text.bytewise
                && c.args
                    .iter()
                    .all(|a| is_untyped(a) || of(a).is_some_and(|t| !t.is_text() || t.bytewise));
            Some(Type {
                oid: TEXT,
                bytewise,
            })
        }
        "coalesce" | "greatest" | "least" | "nullif" => common(c.args.iter(), of),
        "date_trunc" if c.args.len() == 2 => match of(&c.args[1])?.oid {
            oid @ (TIMESTAMP | TIMESTAMPTZ | INTERVAL) => Some(Type::of(oid)),
            DATE => Some(Type::of(TIMESTAMPTZ)),
            _ => None,
        },
        "age" => Some(Type::of(INTERVAL)),
        _ => None,
    }
}

fn named(to: &str) -> Option<u32> {
    Some(match to {
        "bigint" => 20,
        "smallint" => 21,
        "integer" => 23,
        "text" => TEXT,
        "character varying" => VARCHAR,
        "numeric" => NUMBER,
        "double precision" => 701,
        "real" => 700,
        "boolean" => BOOL,
        "date" => DATE,
        "timestamp without time zone" => TIMESTAMP,
        "timestamp with time zone" => TIMESTAMPTZ,
        "time without time zone" => 1083,
        "interval" => INTERVAL,
        "uuid" => 2950,
        "bytea" => 17,
        _ => return None,
    })
}

/// The type of a column that stands in the block's own `FROM`.
fn column(reading: &Reading<'_>, s: &Select, qualifier: &[String], name: &str) -> Option<Type> {
    let (list, merged) = leaves(reading, &s.from);
    let mut found: Option<Type> = None;
    for leaf in &list {
        match qualifier {
            [] => {}
            [q] if q == leaf.name => {}
            [_] => continue,
            _ => return None,
        }
        let t = match leaf.what {
            What::Use(at) if reading.table(at).is_some() => leaf
                .columns(reading)?
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, c)| Type {
                    oid: c.type_oid,
                    bytewise: c.collation == Collation::Bytes,
                }),
            // Of a table that is not known, the key is: its type is the placement's.
            What::Use(at) if leaf.renamed.is_empty() => {
                let (key, placement) = reading.key(at)?;
                let i = key.iter().position(|k| k == name)?;
                Some(match reading.topology.placement(placement).types.get(i)? {
                    KeyType::Bigint => Type::of(20),
                    KeyType::Uuid => Type::of(2950),
                    KeyType::Text => Type::of(TEXT),
                })
            }
            What::Query(q) => inside(reading, q, leaf.renamed, name)?,
            What::Use(_) | What::Other => return None,
        };
        match (t, found) {
            (None, _) => {}
            (Some(t), None) => found = Some(t),
            // Merged by USING they are one; otherwise PostgreSQL calls the name ambiguous.
            (Some(t), Some(f)) if merged && t == f => {}
            (Some(_), Some(_)) => return None,
        }
    }
    found
}

/// The type of a subquery's column: `Some(None)` when it is known to have none of that name.
fn inside(
    reading: &Reading<'_>,
    q: &Query,
    renamed: &[String],
    name: &str,
) -> Option<Option<Type>> {
    let SetExpr::Select(s) = &q.body else {
        return None;
    };
    let (list, whole) = outputs(reading, s);
    if !whole {
        return None;
    }
    for (i, output) in list.iter().enumerate() {
        let is = match (renamed.get(i), &output.name) {
            (Some(n), _) => n == name,
            (None, Title::Is(n)) => n == name,
            (None, Title::None) => false,
            (None, Title::Doubt) => return None,
        };
        if is {
            let e: Expr = match &output.value {
                Value::Item(e) => (*e).clone(),
                star @ Value::Star { .. } => star.expr(),
            };
            return Some(Some(expr(reading, s, &e)?));
        }
    }
    Some(None)
}
