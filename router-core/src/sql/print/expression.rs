//! Expressions.

use super::{Printer, binary, flag, ident, list, maybe, node, number};
use crate::id::Span;
use crate::sql::lexer::{Lexer, TokenKind, decode};
use crate::sql::statement::{
    Call, Expr, ExprKind, LiteralKind, Over, QuantifiedSide, WHOLE_ROW, WindowSpec,
};

impl Printer<'_> {
    pub(super) fn exprs(&self, exprs: &[Expr]) -> Vec<String> {
        exprs.iter().map(|expr| self.expr(expr)).collect()
    }

    pub(super) fn expr(&self, expr: &Expr) -> String {
        let not = |negated: bool, text: String| {
            if negated { node("not", &[text]) } else { text }
        };
        match &expr.kind {
            ExprKind::Column { qualifier, name } => {
                let mut parts = super::idents(qualifier);
                parts.push(match name.as_str() {
                    WHOLE_ROW => name.clone(),
                    _ => ident(name),
                });
                parts.join(".")
            }
            ExprKind::Literal(kind) => self.literal(*kind, expr.span),
            ExprKind::Param(n) => format!("${n}"),
            ExprKind::Default => "default".to_owned(),
            ExprKind::And(items) => node("and", &self.flat(items, true)),
            ExprKind::Or(items) => node("or", &self.flat(items, false)),
            ExprKind::Not(inner) => node("not", &[self.expr(inner)]),
            ExprKind::Binary { op, left, right } => binary(op, &self.expr(left), &self.expr(right)),
            ExprKind::Unary { op, expr } => self.unary(op, expr),
            ExprKind::Cast {
                expr,
                to,
                modifiers,
            } => format!(
                "{}::{to}{}",
                self.expr(expr),
                if *modifiers { "(…)" } else { "" }
            ),
            ExprKind::IsNull { expr, negated } => {
                let name = if *negated { "isnotnull" } else { "isnull" };
                node(name, &[self.expr(expr)])
            }
            ExprKind::IsTruth { expr, test } => node(test, &[self.expr(expr)]),
            ExprKind::IsDistinct {
                left,
                right,
                negated,
            } => {
                let op = if *negated {
                    "is not distinct"
                } else {
                    "is distinct"
                };
                binary(op, &self.expr(left), &self.expr(right))
            }
            ExprKind::InList {
                expr,
                list,
                negated,
            } => {
                let op = if *negated { "not in" } else { "in" };
                let list = format!("[{}]", self.exprs(list).join(", "));
                binary(op, &self.expr(expr), &list)
            }
            ExprKind::InQuery {
                expr,
                query,
                negated,
            } => not(*negated, binary("in", &self.expr(expr), &self.query(query))),
            ExprKind::Quantified {
                left,
                op,
                all,
                right,
            } => {
                let right = match right {
                    QuantifiedSide::Array(array) => self.expr(array),
                    QuantifiedSide::Query(query) => self.query(query),
                };
                let word = if *all { "all" } else { "any" };
                binary(&format!("{op} {word}"), &self.expr(left), &right)
            }
            ExprKind::Between {
                expr,
                low,
                high,
                negated,
                symmetric,
            } => {
                let parts = [self.expr(expr), self.expr(low), self.expr(high)];
                let name = match (negated, symmetric) {
                    (false, false) => "between",
                    (true, false) => "not between",
                    (false, true) => "between symmetric",
                    (true, true) => "not between symmetric",
                };
                node(name, &parts)
            }
            ExprKind::Row(items) => format!("row({})", self.exprs(items).join(", ")),
            ExprKind::Array(items) => format!("array[{}]", self.exprs(items).join(", ")),
            ExprKind::Call(call) => self.call(call),
            ExprKind::Case {
                operand,
                arms,
                otherwise,
            } => {
                let mut parts = vec![
                    operand
                        .as_ref()
                        .map_or_else(String::new, |of| self.expr(of)),
                ];
                for (when, then) in arms {
                    parts.push(format!("{} => {}", self.expr(when), self.expr(then)));
                }
                parts.push(maybe("else", otherwise.as_ref().map(|of| self.expr(of))));
                node("case", &parts)
            }
            ExprKind::Exists(query) => node("exists", &[self.query(query)]),
            ExprKind::Scalar(query) => node("scalar", &[self.query(query)]),
            ExprKind::ArrayQuery(query) => node("array", &[self.query(query)]),
            ExprKind::Collate { expr, collation } => {
                binary("collate", &self.expr(expr), &super::name(collation))
            }
            ExprKind::Subscript { expr, indexes } => {
                format!("{}[{}]", self.expr(expr), self.exprs(indexes).join(", "))
            }
            ExprKind::Field { expr, name } => format!("({}).{}", self.expr(expr), ident(name)),
        }
    }

    /// Operands of `AND` or `OR` with those of the same operator among them in their place.
    fn flat(&self, items: &[Expr], and: bool) -> Vec<String> {
        let mut all = Vec::with_capacity(items.len());
        for item in items {
            match (&item.kind, and) {
                (ExprKind::And(inner), true) | (ExprKind::Or(inner), false) => {
                    all.extend(self.flat(inner, and));
                }
                _ => all.push(self.expr(item)),
            }
        }
        all
    }

    fn unary(&self, op: &str, operand: &Expr) -> String {
        let printed = self.expr(operand);
        // PostgreSQL's grammar folds a minus into a number, however many there are.
        let is_number = printed
            .strip_prefix('-')
            .unwrap_or(&printed)
            .starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && !printed.contains(':');
        if op == "-" && is_number {
            return match printed.strip_prefix('-') {
                Some(positive) => positive.to_owned(),
                None => number(&printed, true),
            };
        }
        format!("({op} {printed})")
    }

    pub(super) fn literal(&self, kind: LiteralKind, span: Span) -> String {
        match kind {
            LiteralKind::Null => "null".to_owned(),
            LiteralKind::True => "true".to_owned(),
            LiteralKind::False => "false".to_owned(),
            // `FETCH FIRST ROW ONLY`: the one is not written.
            LiteralKind::Integer if span.is_empty() => "1".to_owned(),
            LiteralKind::Integer | LiteralKind::Numeric => number(self.of(span), false),
            LiteralKind::String => self.string(span),
            LiteralKind::Bits => self.of(span).to_ascii_lowercase(),
        }
    }

    fn string(&self, span: Span) -> String {
        let written = self.of(span);
        let kind = Lexer::new(written, self.options)
            .next()
            .map(|token| token.kind);
        match kind {
            Some(TokenKind::String(kind)) => match decode::string(kind, written) {
                Ok(value) => format!("'{value}'"),
                Err(_) => written.to_owned(),
            },
            _ => written.to_owned(),
        }
    }

    fn call(&self, call: &Call) -> String {
        let args = if call.star {
            "*".to_owned()
        } else {
            self.exprs(&call.args).join(", ")
        };
        let parts = [
            flag(call.distinct, "distinct"),
            flag(call.unusual_args, "unusual"),
            args,
            self.order("order", &call.order_by),
            self.order("within", &call.within_group),
            maybe(
                "filter",
                call.filter.as_ref().map(|filter| self.expr(filter)),
            ),
            match &call.over {
                None => String::new(),
                Some(Over::Named(name)) => maybe("over", Some(ident(name))),
                Some(Over::Spec(spec)) => maybe("over", Some(self.window(spec))),
            },
        ];
        node(&super::name(&call.name), &parts)
    }

    pub(super) fn window(&self, spec: &WindowSpec) -> String {
        node(
            "window",
            &[
                maybe("base", spec.base.as_deref().map(ident)),
                list("partition", &self.exprs(&spec.partition_by)),
                self.order("order", &spec.order_by),
                flag(spec.frame, "frame"),
            ],
        )
    }
}
