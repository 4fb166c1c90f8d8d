//! A constant expression of a statement becomes the source of a value.

use super::ValueSource;
use super::resolve::Literal;
use crate::sql::statement::{Expr, ExprKind, LiteralKind};

/// What constants of one statement refer to.
#[derive(Clone, Copy)]
pub(super) struct Constants<'a> {
    /// The literals of the statement's shape, in order.
    pub(super) literals: &'a [Literal],
    /// How often each parameter stands in the statement, `$1` first.
    pub(super) params: &'a [u32],
}

impl Constants<'_> {
    /// The source, when `expr` is a constant that PostgreSQL folds before it looks at any row.
    /// `params_alone` says whether every place of a parameter is compared with a key in the same way.
    pub(super) fn source(&self, expr: &Expr) -> Option<ValueSource> {
        Some(match &expr.kind {
            ExprKind::Literal(LiteralKind::Null) => ValueSource::Null,
            ExprKind::Literal(
                LiteralKind::Integer | LiteralKind::Numeric | LiteralKind::String,
            ) => ValueSource::Slot(self.slot(expr)?),
            ExprKind::Param(n) => {
                let uses = self.params.get(usize::from(*n).checked_sub(1)?).copied().unwrap_or(2);
                if uses > 1 { ValueSource::SharedParam(*n) } else { ValueSource::Param(*n) }
            }
            ExprKind::Unary { op, expr } if op == "-" => ValueSource::Negate(Box::new(self.source(expr)?)),
            ExprKind::Unary { op, expr } if op == "+" => self.source(expr)?,
            ExprKind::Binary { op, left, right } => {
                let op = match op.as_str() {
                    "+" => '+',
                    "-" => '-',
                    "*" => '*',
                    _ => return None,
                };
                ValueSource::Arithmetic(op, Box::new(self.source(left)?), Box::new(self.source(right)?))
            }
            ExprKind::Cast { expr, to, modifiers: false } => {
                ValueSource::Cast(Box::new(self.source(expr)?), to.clone())
            }
            _ => return None,
        })
    }

    /// The literal at an expression, which may have parentheses around it.
    pub(super) fn slot(&self, expr: &Expr) -> Option<u32> {
        if expr.span.is_empty() {
            return None;
        }
        let from = self.literals.partition_point(|l| l.span.start < expr.span.start);
        let at = self.literals.get(from)?;
        // One literal and no more within the span: anything else is not understood.
        let next = self.literals.get(from + 1);
        let alone = at.span.end <= expr.span.end && next.is_none_or(|n| n.span.start >= expr.span.end);
        alone.then(|| u32::try_from(from).ok()).flatten()
    }
}
