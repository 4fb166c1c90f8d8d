//! Calls with a grammar of their own: `EXTRACT`, `POSITION`, `SUBSTRING`, `TRIM`, `OVERLAY`.

use sqlparser::ast;

use super::expr::{Ranged, unknown};
use super::{Convert, Range, Read};
use crate::sql::statement::{Call, Expr, ExprKind, Name};

impl Convert<'_, '_> {
    pub(super) fn special(&self, expr: &ast::Expr) -> Read<Ranged> {
        use ast::Expr as E;
        let mut plain = false;
        let (name, operands, hidden): (&str, Vec<&ast::Expr>, bool) = match expr {
            // The field is a word, not an argument of the tree.
            E::Extract {
                field: _,
                syntax: ast::ExtractSyntax::From,
                expr,
            } => ("extract", vec![expr.as_ref()], true),
            E::Extract { .. } => return Err("EXTRACT with a comma".into()),
            E::Position { expr, r#in } => ("position", vec![r#in.as_ref(), expr.as_ref()], false),
            E::Substring {
                expr,
                substring_from,
                substring_for,
                special,
                shorthand: false,
            } => {
                // With commas or alone it is any function of that name.
                plain = *special || (substring_from.is_none() && substring_for.is_none());
                let mut operands = vec![expr.as_ref()];
                operands.extend(substring_from.as_deref());
                operands.extend(substring_for.as_deref());
                let hidden = substring_from.is_none() && substring_for.is_some();
                ("substring", operands, hidden)
            }
            E::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters,
            } => {
                let name = match trim_where {
                    None | Some(ast::TrimWhereField::Both) => "btrim",
                    Some(ast::TrimWhereField::Leading) => "ltrim",
                    Some(ast::TrimWhereField::Trailing) => "rtrim",
                };
                let mut operands = vec![expr.as_ref()];
                operands.extend(trim_what.as_deref());
                operands.extend(trim_characters.iter().flatten());
                (name, operands, false)
            }
            E::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => {
                let mut operands =
                    vec![expr.as_ref(), overlay_what.as_ref(), overlay_from.as_ref()];
                operands.extend(overlay_for.as_deref());
                ("overlay", operands, false)
            }
            other => return Err(unknown(other)),
        };
        let operands = operands
            .into_iter()
            .map(|operand| self.ranged(operand))
            .collect::<Read<Vec<_>>>()?;
        let range = operands
            .iter()
            .find_map(|operand| operand.range)
            .and_then(|(from, _)| {
                let open = self.enclosing(from)?;
                Some((open.checked_sub(1)?, self.tokens.close(open)?))
            });
        let args = operands.into_iter().map(|operand| operand.expr).collect();
        let mut read = self.call(name, args, hidden, range);
        if plain && let ExprKind::Call(call) = &mut read.expr.kind {
            call.name.schema = None;
        }
        Ok(read)
    }

    pub(super) fn call(&self, name: &str, args: Vec<Expr>, unusual: bool, range: Range) -> Ranged {
        let call = Call {
            name: Name {
                schema: Some("pg_catalog".to_owned()),
                name: name.to_owned(),
            },
            args,
            star: false,
            distinct: false,
            unusual_args: unusual,
            order_by: Vec::new(),
            within_group: Vec::new(),
            filter: None,
            over: None,
        };
        self.node(ExprKind::Call(Box::new(call)), range)
    }
}
