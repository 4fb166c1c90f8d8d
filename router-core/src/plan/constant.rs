//! A constant expression of a statement becomes the source of a value.

use super::ValueSource;
use crate::sql::shape::{Group, Slot, SlotKind};
use crate::sql::statement::{Expr, ExprKind, LiteralKind};

/// What constants of one statement refer to.
#[derive(Clone, Copy)]
pub(super) struct Constants<'a> {
    /// The slots of the statement's shape, in order.
    slots: &'a [Slot],
    /// Whether they stand in that order, as they do but in a text that was put together.
    sorted: bool,
    /// Its collapsed lists.
    pub(super) groups: &'a [Group],
    /// How often each parameter stands in the statement, `$1` first.
    pub(super) params: &'a [u32],
}

impl<'a> Constants<'a> {
    pub(super) fn new(slots: &'a [Slot], groups: &'a [Group], params: &'a [u32]) -> Self {
        Self {
            slots,
            sorted: slots.is_sorted_by_key(|slot| slot.span.start),
            groups,
            params,
        }
    }

    /// The source, when `expr` is a constant that PostgreSQL folds before it looks at any row.
    pub(super) fn source(&self, expr: &Expr) -> Option<ValueSource> {
        // In a collapsed list, statements of the same shape have other kinds of constants in the same place.
        if let Some(slot) = self.element(expr) {
            return Some(ValueSource::Slot(slot));
        }
        Some(match &expr.kind {
            ExprKind::Literal(LiteralKind::Null) => ValueSource::Null,
            ExprKind::Literal(
                LiteralKind::Integer | LiteralKind::Numeric | LiteralKind::String,
            ) => ValueSource::Slot(self.only(expr)?),
            ExprKind::Param(n) => {
                let uses = self
                    .params
                    .get(usize::from(*n).checked_sub(1)?)
                    .copied()
                    .unwrap_or(2);
                if uses > 1 {
                    ValueSource::SharedParam(*n)
                } else {
                    ValueSource::Param(*n)
                }
            }
            ExprKind::Unary { op, expr } if op == "-" => {
                ValueSource::Negate(Box::new(self.source(expr)?))
            }
            ExprKind::Unary { op, expr } if op == "+" => self.source(expr)?,
            ExprKind::Binary { op, left, right } => {
                let op = match op.as_str() {
                    "+" => '+',
                    "-" => '-',
                    "*" => '*',
                    _ => return None,
                };
                ValueSource::Arithmetic(
                    op,
                    Box::new(self.source(left)?),
                    Box::new(self.source(right)?),
                )
            }
            ExprKind::Cast {
                expr,
                to,
                modifiers: false,
            } => ValueSource::Cast(Box::new(self.source(expr)?), to.clone()),
            _ => return None,
        })
    }

    /// The slot of a literal.
    pub(super) fn slot(&self, literal: &Expr) -> Option<u32> {
        self.only(literal)
    }

    /// Whether an expression stands in a collapsed list.
    pub(super) fn in_group(&self, expr: &Expr) -> bool {
        self.groups
            .iter()
            .any(|g| g.span.start <= expr.span.start && expr.span.end <= g.span.end)
    }

    /// The slot of an element of a collapsed list, unless it is a parameter.
    fn element(&self, expr: &Expr) -> Option<u32> {
        if !self.in_group(expr) {
            return None;
        }
        let at = self.only(expr)?;
        let slot = self.slots.get(at as usize)?;
        (!expr.span.is_empty() && !matches!(slot.kind, SlotKind::Param(_))).then_some(at)
    }

    /// The one slot within an expression.
    fn only(&self, expr: &Expr) -> Option<u32> {
        if expr.span.is_empty() {
            return None;
        }
        if !self.sorted {
            let inside = |slot: &Slot| {
                expr.span.start <= slot.span.start
                    && slot.span.start < expr.span.end
                    && !slot.span.is_empty()
            };
            let mut all = self.slots.iter().enumerate().filter(|(_, s)| inside(s));
            let (at, slot) = all.next()?;
            let alone = all.next().is_none() && slot.span.end <= expr.span.end;
            return alone.then(|| u32::try_from(at).ok()).flatten();
        }
        let from = self
            .slots
            .partition_point(|s| s.span.start < expr.span.start);
        let at = self.slots.get(from)?;
        let next = self.slots.get(from + 1);
        let alone =
            at.span.end <= expr.span.end && next.is_none_or(|n| n.span.start >= expr.span.end);
        alone.then(|| u32::try_from(from).ok()).flatten()
    }
}
