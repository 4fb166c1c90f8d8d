//! `SELECT set_config('name', 'value', false)`: a setting in the clothes of a query.
//!
//! Drivers and tools set settings in this way when they connect (`pg_dump`, Django). Written with constants and alone it
//! is known what it sets, as with `SET`: the session takes note of it, and puts it in place on every server.

use crate::sql::lexer::{Lexer, Options, TokenKind, decode};
use crate::sql::statement::{
    Call, Distinct, Expr, ExprKind, Kind, LiteralKind, SelectItem, SetExpr, Statement,
};

/// One setting that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// Lower-case name.
    pub name: String,
    /// The value as one text; of a list setting the whole list.
    pub value: String,
    /// For the transaction only.
    pub local: bool,
}

/// Whether a text may call it.
pub(super) fn is_named(text: &str) -> bool {
    text.as_bytes()
        .windows(10)
        .any(|w| w.eq_ignore_ascii_case(b"set_config"))
}

/// What a statement sets, if that is all it does and it can be told.
pub(super) fn of(statement: &Statement, text: &str, options: Options) -> Option<Vec<Configured>> {
    let Kind::Query(query) = &statement.kind else {
        return None;
    };
    let SetExpr::Select(select) = &query.body else {
        return None;
    };
    let bare = query.with.is_empty()
        && query.order_by.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
        && query.locks.is_empty()
        && select.distinct == Distinct::No
        && select.into.is_none()
        && select.from.is_empty()
        && select.filter.is_none()
        && select.group_by.is_empty()
        && select.having.is_none();
    if !bare || select.items.is_empty() {
        return None;
    }
    select
        .items
        .iter()
        .map(|item| match item {
            SelectItem::Expr { expr, .. } => match &expr.kind {
                ExprKind::Call(call) => configured(call, text, options),
                _ => None,
            },
            SelectItem::Wildcard { .. } => None,
        })
        .collect()
}

fn configured(call: &Call, text: &str, options: Options) -> Option<Configured> {
    let built_in = matches!(call.name.schema.as_deref(), None | Some("pg_catalog"));
    let plain = !(call.star
        || call.distinct
        || call.unusual_args
        || !call.order_by.is_empty()
        || !call.within_group.is_empty()
        || call.filter.is_some()
        || call.over.is_some());
    let [name, value, local] = &call.args[..] else {
        return None;
    };
    if !built_in || call.name.name != "set_config" || !plain {
        return None;
    }
    let local = match local.kind {
        ExprKind::Literal(LiteralKind::True) => true,
        ExprKind::Literal(LiteralKind::False) => false,
        _ => return None,
    };
    let name = string(name, text, options)?.to_ascii_lowercase();
    // Who the session is and what its transaction is, and the router's own settings, are more than settings.
    let more = name == "role" || name == "session_authorization" || name == "seed";
    if more || name.starts_with("transaction_") || name.starts_with("shunt.") {
        return None;
    }
    Some(Configured {
        name,
        value: string(value, text, options)?,
        local,
    })
}

/// What a string constant stands for.
fn string(e: &Expr, text: &str, options: Options) -> Option<String> {
    if !matches!(e.kind, ExprKind::Literal(LiteralKind::String)) {
        return None;
    }
    let written = e.span.of(text);
    let token = Lexer::new(written, options).significant().next()?;
    let TokenKind::String(kind) = token.kind else {
        return None;
    };
    let value = decode::string(kind, token.span.of(written)).ok()?;
    Some(value.into_owned())
}
