//! Constants: expressions whose value is known before the first row is read.

use crate::sql::statement::{Expr, ExprKind};

/// Whether an expression is built from literals, parameters, casts, signs and arithmetic alone.
pub fn is_constant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) | ExprKind::Param(_) => true,
        ExprKind::Cast { expr, .. } => is_constant(expr),
        ExprKind::Unary { op, expr } => (op == "-" || op == "+") && is_constant(expr),
        ExprKind::Binary { op, left, right } => {
            matches!(op.as_str(), "+" | "-" | "*") && is_constant(left) && is_constant(right)
        }
        _ => false,
    }
}

/// The elements of an array written out (`ARRAY[1, 2]`, perhaps cast), each with its part of the cast.
pub(super) fn elements(array: &Expr) -> Option<Vec<Expr>> {
    match &array.kind {
        ExprKind::Array(items) if items.iter().all(is_constant) => Some(items.clone()),
        ExprKind::Cast {
            expr,
            to,
            modifiers: false,
        } => {
            let to = to.strip_suffix("[]")?;
            let items = elements(expr)?;
            let cast = |item: Expr| Expr {
                span: item.span,
                kind: ExprKind::Cast {
                    expr: Box::new(item),
                    to: to.to_owned(),
                    modifiers: false,
                },
            };
            Some(items.into_iter().map(cast).collect())
        }
        _ => None,
    }
}
