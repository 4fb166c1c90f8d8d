//! Expressions.

use sqlparser::ast;

use super::{Convert, Range, Read, Veto};
use crate::id::Span;
use crate::sql::parse::feed::index;
use crate::sql::statement::{Expr, ExprKind};

/// An expression and the tokens it covers, parentheses included.
pub(super) struct Ranged {
    pub(super) expr: Expr,
    pub(super) range: Range,
}

impl Convert<'_, '_> {
    pub(super) fn expr(&self, expr: &ast::Expr) -> Read<Expr> {
        Ok(self.ranged(expr)?.expr)
    }

    pub(super) fn exprs(&self, exprs: &[ast::Expr]) -> Read<Vec<Expr>> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    pub(super) fn optional(&self, expr: Option<&ast::Expr>) -> Read<Option<Expr>> {
        expr.map(|expr| self.expr(expr)).transpose()
    }

    pub(super) fn node(&self, kind: ExprKind, range: Range) -> Ranged {
        let span = range.map_or(Span::default(), |(from, to)| self.tokens.span(from, to));
        Ranged {
            expr: Expr { kind, span },
            range,
        }
    }

    pub(super) fn ranged(&self, expr: &ast::Expr) -> Read<Ranged> {
        use ast::Expr as E;
        match expr {
            E::BinaryOp { .. } => self.binary(expr),
            E::Identifier(name) => self.identifier(name),
            E::CompoundIdentifier(parts) => self.column(parts),
            E::Value(value) => self.value(value),
            E::Nested(inner) => {
                let inner = self.ranged(inner)?;
                let range = self.parentheses(inner.range);
                let keep = matches!(inner.expr.kind, ExprKind::Literal(_) | ExprKind::Param(_));
                let mut outer = self.node(inner.expr.kind, range);
                if keep {
                    // The planner finds the value by its token.
                    outer.expr.span = inner.expr.span;
                }
                Ok(outer)
            }
            E::IsNull(_)
            | E::IsNotNull(_)
            | E::IsTrue(_)
            | E::IsNotTrue(_)
            | E::IsFalse(_)
            | E::IsNotFalse(_)
            | E::IsUnknown(_)
            | E::IsNotUnknown(_) => self.is_test(expr),
            E::IsDistinctFrom(left, right) => self.is_distinct(left, right, false),
            E::IsNotDistinctFrom(left, right) => self.is_distinct(left, right, true),
            E::InList {
                expr,
                list,
                negated,
            } => {
                let left = self.ranged(expr)?;
                let range = self.through_list(&left, &["not", "in"]);
                let kind = ExprKind::InList {
                    expr: Box::new(left.expr),
                    list: self.exprs(list)?,
                    negated: *negated,
                };
                Ok(self.node(kind, range))
            }
            E::InSubquery {
                expr,
                subquery,
                negated,
            } => {
                let left = self.ranged(expr)?;
                let range = self.through_list(&left, &["not", "in"]);
                let kind = ExprKind::InQuery {
                    expr: Box::new(left.expr),
                    query: Box::new(self.query(subquery)?),
                    negated: *negated,
                };
                Ok(self.node(kind, range))
            }
            E::Between { .. } => self.between(expr),
            E::Like { .. } | E::ILike { .. } | E::SimilarTo { .. } => self.like(expr),
            E::AnyOp {
                left,
                compare_op,
                right,
                is_some: _,
            } => self.quantified(left, compare_op, right, false),
            E::AllOp {
                left,
                compare_op,
                right,
            } => self.quantified(left, compare_op, right, true),
            E::UnaryOp { op, expr } => self.unary(*op, expr),
            E::Cast {
                kind,
                expr,
                data_type,
                format,
            } => {
                let plain = matches!(kind, ast::CastKind::Cast | ast::CastKind::DoubleColon);
                if !plain || format.is_some() {
                    return Err("this kind of cast".into());
                }
                self.cast(expr, data_type, *kind == ast::CastKind::Cast)
            }
            E::AtTimeZone {
                timestamp,
                time_zone,
            } => {
                let left = self.ranged(timestamp)?;
                let right = self.ranged(time_zone)?;
                let range = join(left.range, right.range);
                Ok(self.call("timezone", vec![right.expr, left.expr], false, range))
            }
            E::Extract { .. }
            | E::Position { .. }
            | E::Substring { .. }
            | E::Trim { .. }
            | E::Overlay { .. } => self.special(expr),
            E::Collate { expr, collation } => {
                let inner = self.ranged(expr)?;
                let (collation, span) = self.name(collation)?;
                let end = span.map(|(_, end)| end);
                let range = inner.range.zip(end).map(|((from, _), to)| (from, to));
                let kind = ExprKind::Collate {
                    expr: Box::new(inner.expr),
                    collation,
                };
                Ok(self.node(kind, range))
            }
            E::Function(function) => self.function(function),
            E::Case {
                case_token,
                end_token,
                operand,
                conditions,
                else_result,
            } => {
                let range = index(case_token.0.span.start).zip(index(end_token.0.span.start));
                let arms = conditions
                    .iter()
                    .map(|ast::CaseWhen { condition, result }| {
                        Ok((self.expr(condition)?, self.expr(result)?))
                    })
                    .collect::<Read<Vec<_>>>()?;
                let kind = ExprKind::Case {
                    operand: self.optional(operand.as_deref())?.map(Box::new),
                    arms,
                    otherwise: self.optional(else_result.as_deref())?.map(Box::new),
                };
                Ok(self.node(kind, range))
            }
            E::Exists { subquery, negated } => {
                let range = self.query_parentheses(subquery);
                let range = range.and_then(|(from, to)| {
                    let exists = from.checked_sub(1)?;
                    self.tokens
                        .is_word(exists, "exists")
                        .then_some((exists, to))
                });
                let exists = self.node(ExprKind::Exists(Box::new(self.query(subquery)?)), range);
                if !negated {
                    return Ok(exists);
                }
                let range = self.prefixed(range, "not");
                Ok(self.node(ExprKind::Not(Box::new(exists.expr)), range))
            }
            E::Subquery(query) => {
                let range = self.query_parentheses(query);
                Ok(self.node(ExprKind::Scalar(Box::new(self.query(query)?)), range))
            }
            E::Tuple(items) => self.row(items),
            E::Array(ast::Array { elem, named }) => self.array(elem, *named),
            E::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            other => Err(unknown(other)),
        }
    }

    // === Ranges ===

    /// The range with the parentheses around it.
    pub(super) fn parentheses(&self, inner: Range) -> Range {
        let (from, to) = inner?;
        let open = from.checked_sub(1)?;
        (self.tokens.is_sym(open, "(") && self.tokens.close(open) == Some(to + 1))
            .then_some((open, to + 1))
    }

    /// The range with the word or operator in front.
    pub(super) fn prefixed(&self, inner: Range, text: &str) -> Range {
        let (from, to) = inner?;
        let before = from.checked_sub(1)?;
        let hit = self.tokens.is_word(before, text) || self.tokens.is_op(before, text);
        hit.then_some((before, to))
    }

    /// From the operand through words, some of them left out, and a parenthesised list.
    pub(super) fn through_list(&self, operand: &Ranged, words: &[&str]) -> Range {
        let (from, to) = operand.range?;
        let mut next = to + 1;
        for word in words {
            if self.tokens.is_word(next, word) {
                next += 1;
            }
        }
        if !self.tokens.is_sym(next, "(") {
            return None;
        }
        Some((from, self.tokens.close(next)?))
    }

    /// The opening parenthesis that encloses the token at `at`.
    pub(super) fn enclosing(&self, at: usize) -> Option<usize> {
        let mut depth = 0usize;
        for before in (0..at).rev() {
            if self.tokens.is_sym(before, ")") || self.tokens.is_sym(before, "]") {
                depth += 1;
            } else if self.tokens.is_sym(before, "(") || self.tokens.is_sym(before, "[") {
                if depth == 0 {
                    return Some(before);
                }
                depth -= 1;
            }
        }
        None
    }
}

/// From the start of the first to the end of the second.
pub(super) fn join(left: Range, right: Range) -> Range {
    let ((from, _), (_, to)) = left.zip(right)?;
    (from <= to).then_some((from, to))
}

/// Names an expression that has no node in our tree.
pub(super) fn unknown(expr: &ast::Expr) -> Veto {
    use ast::Expr as E;
    match expr {
        E::IsJson { .. } => "IS JSON",
        E::IsNormalized { .. } => "IS NORMALIZED",
        E::GroupingSets(_) | E::Cube(_) | E::Rollup(_) => "GROUPING SETS",
        E::Interval(_) => "this spelling of an interval",
        E::Wildcard(_) | E::QualifiedWildcard(..) => "a * in this place",
        E::TypedString(_) => "this spelling of a constant with a type",
        _ => "an expression that is not understood",
    }
    .into()
}
