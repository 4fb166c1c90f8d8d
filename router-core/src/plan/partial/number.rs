//! Numbers whose sums do not depend on the order.

use super::block::Block;
use crate::sql::statement::{Expr, ExprKind, LiteralKind};

/// Sorts of exact numbers, each wider than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Number {
    /// `smallint`, `integer`: their sum is a `bigint`.
    Small,
    /// `bigint`: its sum is a `numeric`.
    Big,
    /// `numeric`.
    Numeric,
}

impl Block<'_, '_> {
    /// Which sort of exact number an expression is.
    pub(super) fn number(&self, e: &Expr) -> Option<Number> {
        let of = |e: &Expr| self.number(e);
        match &e.kind {
            ExprKind::Column { .. } => match self.column(e)?.type_oid {
                21 | 23 => Some(Number::Small),
                20 => Some(Number::Big),
                1700 => Some(Number::Numeric),
                _ => None,
            },
            ExprKind::Literal(LiteralKind::Integer) => {
                let digits = e.span.of(self.reading.text);
                let n: i64 = digits.trim_matches(['(', ')', ' ']).parse().ok()?;
                Some(match i32::try_from(n) {
                    Ok(_) => Number::Small,
                    Err(_) => Number::Big,
                })
            }
            ExprKind::Literal(LiteralKind::Numeric) => Some(Number::Numeric),
            ExprKind::Unary { op, expr } if op == "-" || op == "+" => of(expr),
            ExprKind::Binary { op, left, right }
                if matches!(op.as_str(), "+" | "-" | "*" | "/" | "%") =>
            {
                Some(of(left)?.max(of(right)?))
            }
            ExprKind::Cast { to, .. } => match to.as_str() {
                "smallint" | "integer" => Some(Number::Small),
                "bigint" => Some(Number::Big),
                "numeric" => Some(Number::Numeric),
                _ => None,
            },
            ExprKind::Case {
                arms, otherwise, ..
            } => {
                let values = arms
                    .iter()
                    .map(|(_, then)| then)
                    .chain(otherwise.iter().map(|e| &**e));
                let mut most = None;
                for e in values.filter(|e| e.kind != ExprKind::Literal(LiteralKind::Null)) {
                    most = most.max(Some(of(e)?));
                }
                most
            }
            ExprKind::Call(call)
                if self.is_built_in(call) && call.over.is_none() && call.name.schema.is_none() =>
            {
                match call.name.name.as_str() {
                    "coalesce" | "greatest" | "least" => {
                        let mut most = None;
                        for e in &call.args {
                            most = most.max(Some(of(e)?));
                        }
                        most
                    }
                    "abs" => of(call.args.first()?),
                    "length" | "char_length" | "octet_length" | "array_length" | "cardinality" => {
                        Some(Number::Small)
                    }
                    _ => None,
                }
            }
            _ => None,
        }
    }
}
