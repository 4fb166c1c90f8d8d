//! Casts, rows, arrays, subscripts and fields.

use sqlparser::ast;

use super::expr::{Ranged, join};
use super::{Convert, Read};
use crate::sql::parse::feed::index;
use crate::sql::statement::ExprKind;

impl Convert<'_, '_> {
    pub(super) fn cast(
        &self,
        expr: &ast::Expr,
        to: &ast::DataType,
        function: bool,
    ) -> Read<Ranged> {
        let ast::DataType::Custom(name, modifiers) = to else {
            return Err("a type name that is not understood".into());
        };
        let at = match name.0.as_slice() {
            [ast::ObjectNamePart::Identifier(ident)] if modifiers.is_empty() => {
                index(ident.span.start)
            }
            _ => None,
        };
        let read = at.and_then(|at| self.notes.types.get(&at));
        let read = read.ok_or("a type name that is not understood")?;
        let inner = self.ranged(expr)?;
        let range = inner.range.and_then(|(from, to)| {
            if function {
                let start = from.checked_sub(2)?;
                (self.tokens.is_word(start, "cast") && self.tokens.is_sym(read.end, ")"))
                    .then_some((start, read.end))
            } else if let Some(typed) = self.notes.typed.get(&to)
                && from == to
                && Some(typed.0) == at
            {
                Some(*typed)
            } else {
                Some((from, read.end - 1))
            }
        });
        let kind = ExprKind::Cast {
            expr: Box::new(inner.expr),
            to: read.name.clone(),
            modifiers: read.modifiers,
        };
        let cast = self.node(kind, range);
        let Some((collation, last)) = at.and_then(|at| self.notes.collations.get(&at)) else {
            return Ok(cast);
        };
        let kind = ExprKind::Collate {
            expr: Box::new(cast.expr),
            collation: collation.clone(),
        };
        Ok(self.node(kind, range.map(|(from, _)| (from, *last))))
    }

    pub(super) fn row(&self, items: &[ast::Expr]) -> Read<Ranged> {
        let items = items
            .iter()
            .map(|item| self.ranged(item))
            .collect::<Read<Vec<_>>>()?;
        let inner = match (items.first(), items.last()) {
            (Some(first), Some(last)) => join(first.range, last.range),
            _ => None,
        };
        let range = self.parentheses(inner);
        let kind = ExprKind::Row(items.into_iter().map(|item| item.expr).collect());
        Ok(self.node(kind, range))
    }

    pub(super) fn array(&self, items: &[ast::Expr], named: bool) -> Read<Ranged> {
        let items = items
            .iter()
            .map(|item| self.ranged(item))
            .collect::<Read<Vec<_>>>()?;
        let range = items
            .first()
            .and_then(|first| first.range)
            .and_then(|(from, _)| {
                let open = from.checked_sub(1)?;
                let close = self
                    .tokens
                    .is_sym(open, "[")
                    .then(|| self.tokens.close(open))??;
                if !named {
                    return Some((open, close));
                }
                let word = open.checked_sub(1)?;
                self.tokens.is_word(word, "array").then_some((word, close))
            });
        let kind = ExprKind::Array(items.into_iter().map(|item| item.expr).collect());
        Ok(self.node(kind, range))
    }

    pub(super) fn access(&self, root: &ast::Expr, chain: &[ast::AccessExpr]) -> Read<Ranged> {
        let mut acc = self.ranged(root)?;
        let mut chain = chain;
        if let ast::Expr::Identifier(first) = root {
            // `t.a[1]`: the names before the first subscript are the column's.
            let mut parts = vec![first.clone()];
            while let [ast::AccessExpr::Dot(ast::Expr::Identifier(part)), rest @ ..] = chain {
                parts.push(part.clone());
                chain = rest;
            }
            acc = self.column(&parts)?;
        }
        // `(a[1])[1]` takes an element of an element.
        let mut subscripted = false;
        for step in chain {
            let next = acc.range.map(|(from, to)| (from, to + 1));
            acc = match step {
                ast::AccessExpr::Dot(ast::Expr::Identifier(field)) => {
                    let to = self.at(field)?;
                    subscripted = false;
                    let kind = ExprKind::Field {
                        expr: Box::new(acc.expr),
                        name: field.value.clone(),
                    };
                    self.node(kind, next.map(|(from, _)| (from, to)))
                }
                ast::AccessExpr::Dot(_) => return Err("this kind of field access".into()),
                ast::AccessExpr::Subscript(subscript) => {
                    let indexes = match subscript {
                        ast::Subscript::Index { index } => vec![self.expr(index)?],
                        ast::Subscript::Slice {
                            lower_bound,
                            upper_bound,
                            stride: None,
                        } => {
                            let bounds = [lower_bound, upper_bound];
                            let bounds = bounds.into_iter().flatten();
                            bounds
                                .map(|bound| self.expr(bound))
                                .collect::<Read<Vec<_>>>()?
                        }
                        ast::Subscript::Slice { .. } => return Err("a slice with a step".into()),
                    };
                    let range = next.and_then(|(from, open)| {
                        let close = self
                            .tokens
                            .is_sym(open, "[")
                            .then(|| self.tokens.close(open))??;
                        Some((from, close))
                    });
                    let before = std::mem::replace(&mut subscripted, true);
                    let kind = match acc.expr.kind {
                        ExprKind::Subscript {
                            expr,
                            indexes: mut all,
                        } if before => {
                            all.extend(indexes);
                            ExprKind::Subscript { expr, indexes: all }
                        }
                        _ => ExprKind::Subscript {
                            expr: Box::new(acc.expr),
                            indexes,
                        },
                    };
                    self.node(kind, range)
                }
            };
        }
        Ok(acc)
    }
}
