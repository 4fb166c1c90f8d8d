//! The conditions that shards can apply to the rows of one use before they are moved.
//!
//! A condition is pushed when rows that do not meet it count for nothing in the statement, by the facts of
//! `sql::predicate` or because it is a conjunct of the `WHERE` of the use's own block and no outer join may replace the
//! use's rows by nulls. The statement applies it again, so leaving one out is never wrong. It is of a form that cannot
//! raise an error that the statement would not: a comparison of a column with a constant.

use super::super::leaves::{What, leaves};
use super::super::reading::Reading;
use super::super::splice::quoted;
use super::uses::{Needs, Use};
use crate::sql::Statement;
use crate::sql::predicate::{Bound, Column, Restriction};
use crate::sql::statement::{Expr, ExprKind, LiteralKind, Select};
use crate::value::moment::is_moment;

/// More elements than this are not repeated in each shard's query.
const MAX_LIST: usize = 1000;

/// The conditions, each in parentheses or a comparison by itself.
pub(super) fn conditions(
    reading: &Reading<'_>,
    _statement: &Statement,
    needs: &Needs<'_>,
    used: &Use<'_>,
) -> Vec<String> {
    let push = Push { reading, used };
    let mut out = Vec::new();
    if used
        .relation
        .alias
        .as_ref()
        .is_some_and(|a| !a.columns.is_empty())
    {
        return out;
    }
    for class in &reading.facts.classes {
        // A constant that reached the column through another one was compared with that one's type.
        let mut columns = class.members.iter().chain(&class.followers);
        let (Some(column), None) = (columns.next(), columns.next()) else {
            continue;
        };
        if column.relation == used.at {
            for restriction in &class.restrictions {
                add(&mut out, push.restriction(column, restriction));
            }
        }
    }
    if !reading.facts.relations[used.at].nullable {
        for s in &needs.blocks {
            if needs.within(reading, s, used.at)
                && let Some(filter) = &s.filter
            {
                let conjuncts = match &filter.kind {
                    ExprKind::And(list) => list.as_slice(),
                    _ => std::slice::from_ref(filter),
                };
                for e in conjuncts {
                    add(&mut out, push.conjunct(s, e));
                }
            }
        }
    }
    out
}

fn add(out: &mut Vec<String>, condition: Option<String>) {
    if let Some(c) = condition
        && !out.contains(&c)
    {
        out.push(c);
    }
}

struct Push<'p, 'a> {
    reading: &'p Reading<'a>,
    used: &'p Use<'p>,
}

impl Push<'_, '_> {
    fn restriction(&self, column: &Column, r: &Restriction) -> Option<String> {
        let name = quoted(&column.name);
        let value = |e: &Expr| self.constant(&column.name, e);
        match r {
            Restriction::Equal(e) => Some(format!("{name} = {}", value(e)?)),
            Restriction::AnyOf(list) => self
                .list(&column.name, list)
                .map(|l| format!("{name} IN ({l})")),
            Restriction::AnyOfArray(e) => Some(format!("{name} = ANY ({})", value(e)?)),
            Restriction::Range { low, high } => {
                let end = |b: &Option<Bound>, op: &str| {
                    let b = b.as_ref()?;
                    let equal = if b.inclusive { "=" } else { "" };
                    Some(format!("{name} {op}{equal} {}", value(&b.value)?))
                };
                let ends: Vec<String> = [end(low, ">"), end(high, "<")]
                    .into_iter()
                    .flatten()
                    .collect();
                (!ends.is_empty()).then(|| ends.join(" AND "))
            }
        }
    }

    /// A conjunct of the block's `WHERE` that the facts do not hold.
    fn conjunct(&self, s: &Select, e: &Expr) -> Option<String> {
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        match &e.kind {
            ExprKind::IsNull { expr, negated } => Some(format!(
                "{} IS {}NULL",
                quoted(self.column(s, expr)?),
                not(negated)
            )),
            ExprKind::Binary { op, left, right } => {
                let (name, op, value) = match self.column(s, left) {
                    Some(name) => (name, op.as_str(), right),
                    None => (self.column(s, right)?, turned(op)?, left),
                };
                let op = match op {
                    "=" | "<>" | "<" | ">" | "<=" | ">=" => op,
                    "~~" if plain_pattern(self.reading, value) => "LIKE",
                    "!~~" if plain_pattern(self.reading, value) => "NOT LIKE",
                    _ => return None,
                };
                Some(format!(
                    "{} {op} {}",
                    quoted(name),
                    self.constant(name, value)?
                ))
            }
            ExprKind::InList {
                expr,
                list,
                negated,
            } => {
                let name = self.column(s, expr)?;
                let list = self.list(name, list)?;
                Some(format!("{} {}IN ({list})", quoted(name), not(negated)))
            }
            ExprKind::Between {
                expr,
                low,
                high,
                negated: false,
                symmetric: false,
            } => {
                let name = self.column(s, expr)?;
                let (low, high) = (self.constant(name, low)?, self.constant(name, high)?);
                let name = quoted(name);
                Some(format!("{name} >= {low} AND {name} <= {high}"))
            }
            _ => None,
        }
    }

    fn list(&self, column: &str, list: &[Expr]) -> Option<String> {
        if list.len() > MAX_LIST {
            return None;
        }
        let values: Vec<String> = list
            .iter()
            .map(|e| self.constant(column, e))
            .collect::<Option<_>>()?;
        Some(values.join(", "))
    }

    /// The column of this use that an expression of the block means.
    fn column<'e>(&self, s: &Select, e: &'e Expr) -> Option<&'e str> {
        let ExprKind::Column { qualifier, name } = &e.kind else {
            return None;
        };
        let (list, _) = leaves(self.reading, &s.from);
        let mine = |w: &What<'_>| matches!(w, What::Use(at) if *at == self.used.at);
        let known = self.reading.relation(self.used.at)?;
        known.column(name)?;
        let owners: Vec<_> = match &qualifier[..] {
            [] => list
                .iter()
                // One whose columns are not known might have it too, and then the name would be ambiguous.
                .filter(|l| {
                    l.columns(self.reading)
                        .is_none_or(|c| c.iter().any(|(n, _)| n == name))
                })
                .collect(),
            [q] => list.iter().filter(|l| l.name == q).collect(),
            _ => return None,
        };
        match owners[..] {
            [one] if mine(&one.what) => Some(name),
            _ => None,
        }
    }

    /// A constant to be compared with a column, as it is written.
    fn constant(&self, column: &str, e: &Expr) -> Option<String> {
        let text = e.span.of(self.reading.text);
        if text.is_empty() || !self.is_constant(column, e) {
            return None;
        }
        Some(match e.kind {
            ExprKind::Literal(_) | ExprKind::Param(_) => text.to_owned(),
            _ => format!("({text})"),
        })
    }

    fn is_constant(&self, column: &str, e: &Expr) -> bool {
        match &e.kind {
            ExprKind::Literal(LiteralKind::String) => {
                // Each shard would read `'now'` by its own clock.
                !is_moment(e.span.of(self.reading.text).trim_matches(['\'', '$']))
            }
            ExprKind::Literal(_) => true,
            ExprKind::Param(n) => {
                // A parameter that stands elsewhere too may have its type from there.
                let once = usize::from(*n)
                    .checked_sub(1)
                    .and_then(|i| self.reading.constants.params.get(i))
                    == Some(&1);
                if once && self.is_moment_type(column) {
                    self.reading.note(e);
                }
                once
            }
            ExprKind::Unary { op, expr } if op == "-" || op == "+" => {
                matches!(
                    expr.kind,
                    ExprKind::Literal(LiteralKind::Integer | LiteralKind::Numeric)
                )
            }
            ExprKind::Cast { expr, to, .. } => {
                !to.starts_with("reg")
                    && matches!(expr.kind, ExprKind::Literal(_) | ExprKind::Param(_))
                    && self.is_constant(column, expr)
            }
            _ => false,
        }
    }

    /// Whether a column holds dates or times, as far as is known.
    fn is_moment_type(&self, column: &str) -> bool {
        self.reading
            .relation(self.used.at)
            .and_then(|r| r.column(column))
            .is_none_or(|c| matches!(c.type_oid, 1082 | 1083 | 1114 | 1184 | 1266))
    }
}

/// A comparison with its sides changed.
fn turned(op: &str) -> Option<&'static str> {
    Some(match op {
        "=" => "=",
        "<>" => "<>",
        "<" => ">",
        ">" => "<",
        "<=" => ">=",
        ">=" => "<=",
        _ => return None,
    })
}

/// A pattern that cannot end in the middle of an escape.
fn plain_pattern(reading: &Reading<'_>, e: &Expr) -> bool {
    e.kind == ExprKind::Literal(LiteralKind::String) && !e.span.of(reading.text).contains('\\')
}
