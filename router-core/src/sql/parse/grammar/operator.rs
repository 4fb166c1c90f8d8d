//! Operators, and the tests that SQL spells in words: `IS`, `BETWEEN`, `LIKE`, `ANY`.

use sqlparser::ast;

use super::expr::{Ranged, join, unknown};
use super::{Convert, Range, Read};
use crate::sql::statement::{Expr, ExprKind, QuantifiedSide};

/// Comparisons: PostgreSQL refuses a chain of them.
const COMPARISONS: &[&str] = &["=", "<>", "<", ">", "<=", ">="];

impl Convert<'_, '_> {
    /// Operators between two operands. The left spine may be long, so it is walked, not recursed into.
    pub(super) fn binary(&self, expr: &ast::Expr) -> Read<Ranged> {
        let mut spine = Vec::new();
        let mut leftmost = expr;
        while let ast::Expr::BinaryOp { left, op, right } = leftmost {
            spine.push((op, right));
            leftmost = left;
        }
        let mut acc = self.ranged(leftmost)?;
        let mut chained = None;
        for (op, right) in spine.into_iter().rev() {
            let bare_right = right;
            let right = self.ranged(right)?;
            let range = join(acc.range, right.range);
            acc = match op {
                ast::BinaryOperator::And => {
                    self.node(ExprKind::And(flat(acc.expr, right.expr, true)), range)
                }
                ast::BinaryOperator::Or => {
                    self.node(ExprKind::Or(flat(acc.expr, right.expr, false)), range)
                }
                op => {
                    let op = operator(op)?;
                    if op == "overlaps" {
                        acc = self.overlaps(acc.expr, right.expr, range)?;
                        continue;
                    }
                    let compares = COMPARISONS.contains(&op.as_str());
                    if compares && (chained == Some(true) || is_comparison(bare_right)) {
                        return Err("comparisons in a row without parentheses".into());
                    }
                    chained = Some(compares);
                    let kind = ExprKind::Binary {
                        op,
                        left: Box::new(acc.expr),
                        right: Box::new(right.expr),
                    };
                    self.node(kind, range)
                }
            };
            if matches!(op, ast::BinaryOperator::And | ast::BinaryOperator::Or) {
                chained = None;
            }
        }
        Ok(acc)
    }

    /// `(a, b) OVERLAPS (c, d)`, which is a call.
    fn overlaps(&self, left: Expr, right: Expr, range: Range) -> Read<Ranged> {
        match (left.kind, right.kind) {
            (ExprKind::Row(mut args), ExprKind::Row(more))
                if args.len() == 2 && more.len() == 2 =>
            {
                args.extend(more);
                Ok(self.call("overlaps", args, false, range))
            }
            _ => Err("OVERLAPS of anything but two pairs".into()),
        }
    }

    pub(super) fn unary(&self, op: ast::UnaryOperator, operand: &ast::Expr) -> Read<Ranged> {
        let name = match op {
            ast::UnaryOperator::Not => "not",
            ast::UnaryOperator::Minus => "-",
            ast::UnaryOperator::Plus => "+",
            other => return Err(format!("the prefix operator {other}")),
        };
        // PostgreSQL's sign binds tighter than these, the crate's does not.
        let looser = match operand {
            ast::Expr::BinaryOp { op, .. } => *op == ast::BinaryOperator::PGExp,
            ast::Expr::AtTimeZone { .. } | ast::Expr::Collate { .. } => true,
            _ => false,
        };
        if looser && name != "not" {
            return Err("a sign before ^, COLLATE or AT TIME ZONE without parentheses".into());
        }
        let inner = self.ranged(operand)?;
        let range = self.prefixed(inner.range, name);
        let expr = Box::new(inner.expr);
        let kind = if name == "not" {
            ExprKind::Not(expr)
        } else {
            ExprKind::Unary {
                op: name.to_owned(),
                expr,
            }
        };
        Ok(self.node(kind, range))
    }

    pub(super) fn is_test(&self, expr: &ast::Expr) -> Read<Ranged> {
        use ast::Expr as E;
        let (operand, test) = match expr {
            E::IsNull(operand) => (operand, "is null"),
            E::IsNotNull(operand) => (operand, "is not null"),
            E::IsTrue(operand) => (operand, "is true"),
            E::IsNotTrue(operand) => (operand, "is not true"),
            E::IsFalse(operand) => (operand, "is false"),
            E::IsNotFalse(operand) => (operand, "is not false"),
            E::IsUnknown(operand) => (operand, "is unknown"),
            E::IsNotUnknown(operand) => (operand, "is not unknown"),
            other => return Err(unknown(other)),
        };
        let inner = self.ranged(operand)?;
        let range = inner.range.and_then(|(from, to)| {
            if self.tokens.any_word(to + 1, &["isnull", "notnull"]) {
                return Some((from, to + 1));
            }
            let mut last = to;
            for word in test.split(' ') {
                last += 1;
                if !self.tokens.is_word(last, word) {
                    return None;
                }
            }
            Some((from, last))
        });
        let operand = Box::new(inner.expr);
        let kind = match test {
            "is null" => ExprKind::IsNull {
                expr: operand,
                negated: false,
            },
            "is not null" => ExprKind::IsNull {
                expr: operand,
                negated: true,
            },
            test => ExprKind::IsTruth {
                expr: operand,
                test: test.to_owned(),
            },
        };
        Ok(self.node(kind, range))
    }

    pub(super) fn is_distinct(
        &self,
        left: &ast::Expr,
        right: &ast::Expr,
        negated: bool,
    ) -> Read<Ranged> {
        let left = self.ranged(left)?;
        let right = self.ranged(right)?;
        let range = join(left.range, right.range);
        let kind = ExprKind::IsDistinct {
            left: Box::new(left.expr),
            right: Box::new(right.expr),
            negated,
        };
        Ok(self.node(kind, range))
    }

    pub(super) fn between(&self, expr: &ast::Expr) -> Read<Ranged> {
        let ast::Expr::Between {
            expr,
            negated,
            low,
            high,
        } = expr
        else {
            return Err(unknown(expr));
        };
        let operand = self.ranged(expr)?;
        let (from, to) = operand
            .range
            .ok_or("BETWEEN after an expression whose end is unclear")?;
        let keyword = to + 1 + usize::from(*negated);
        if !self.tokens.is_word(keyword, "between") {
            return Err("BETWEEN after an expression whose end is unclear".into());
        }
        let high = self.ranged(high)?;
        let kind = ExprKind::Between {
            expr: Box::new(operand.expr),
            low: Box::new(self.expr(low)?),
            high: Box::new(high.expr),
            negated: *negated,
            symmetric: self.tokens.is_word(keyword + 1, "symmetric"),
        };
        Ok(self.node(kind, high.range.map(|(_, end)| (from, end))))
    }

    /// `LIKE` and its kin, as the operators they are.
    pub(super) fn like(&self, expr: &ast::Expr) -> Read<Ranged> {
        use ast::Expr as E;
        let (operand, pattern, escape, negated, names) = match expr {
            E::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => (expr, pattern, escape_char, negated, ["~~", "!~~"]),
            E::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => (expr, pattern, escape_char, negated, ["~~*", "!~~*"]),
            E::SimilarTo {
                negated,
                expr,
                pattern,
                escape_char,
            } => (expr, pattern, escape_char, negated, ["~", "!~"]),
            _ => return Err("LIKE ANY".into()),
        };
        let left = self.ranged(operand)?;
        let mut right = self.ranged(pattern)?;
        let function = if matches!(expr, E::SimilarTo { .. }) {
            Some("similar_to_escape")
        } else {
            escape.as_ref().map(|_| "like_escape")
        };
        if let Some(function) = function {
            let mut args = vec![right.expr];
            let mut range = right.range;
            if let Some(escape) = escape {
                let escape = self.ranged(escape)?;
                range = join(range, escape.range);
                args.push(escape.expr);
            }
            right = self.call(function, args, false, range);
        }
        let range = join(left.range, right.range);
        let kind = ExprKind::Binary {
            op: names[usize::from(*negated)].to_owned(),
            left: Box::new(left.expr),
            right: Box::new(right.expr),
        };
        Ok(self.node(kind, range))
    }

    pub(super) fn quantified(
        &self,
        left: &ast::Expr,
        op: &ast::BinaryOperator,
        right: &ast::Expr,
        all: bool,
    ) -> Read<Ranged> {
        let left = self.ranged(left)?;
        let range = left.range.and_then(|(from, to)| {
            // operand, operator, ANY, parenthesis
            let open = to + 3;
            let any = self.tokens.any_word(to + 2, &["any", "some", "all"]);
            (any && self.tokens.is_sym(open, "("))
                .then(|| self.tokens.close(open))
                .flatten()
                .map(|close| (from, close))
        });
        let right = match right {
            ast::Expr::Subquery(query) => QuantifiedSide::Query(Box::new(self.query(query)?)),
            array => QuantifiedSide::Array(Box::new(self.expr(array)?)),
        };
        let kind = ExprKind::Quantified {
            left: Box::new(left.expr),
            op: operator(op)?,
            all,
            right,
        };
        Ok(self.node(kind, range))
    }
}

/// `a AND b` in one list with what `a` and `b` already are.
fn flat(left: Expr, right: Expr, and: bool) -> Vec<Expr> {
    let mut all = match (left.kind, and) {
        (ExprKind::And(items), true) | (ExprKind::Or(items), false) => items,
        (kind, _) => vec![Expr {
            kind,
            span: left.span,
        }],
    };
    match (right.kind, and) {
        (ExprKind::And(items), true) | (ExprKind::Or(items), false) => all.extend(items),
        (kind, _) => all.push(Expr {
            kind,
            span: right.span,
        }),
    }
    all
}

fn is_comparison(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::BinaryOp { op, .. } => {
            operator(op).is_ok_and(|op| COMPARISONS.contains(&op.as_str()))
        }
        _ => false,
    }
}

/// The operator by PostgreSQL's name. The feed lets no others through.
fn operator(op: &ast::BinaryOperator) -> Read<String> {
    use ast::BinaryOperator as B;
    let name = match op {
        B::Plus => "+",
        B::Minus => "-",
        B::Multiply => "*",
        B::Divide => "/",
        B::Modulo => "%",
        B::PGExp => "^",
        B::Eq => "=",
        B::NotEq => "<>",
        B::Lt => "<",
        B::Gt => ">",
        B::LtEq => "<=",
        B::GtEq => ">=",
        B::Custom(name) => name.as_str(),
        other => return Err(format!("the operator {other}")),
    };
    Ok(name.to_owned())
}
