//! `SELECT set_config('name', 'value', false)`: a setting in the clothes of a query.
//!
//! Drivers and tools set settings in this way when they connect (`pg_dump`, Django). Written with constants and alone it
//! is known what it sets, as with `SET`: the session takes note of it, if there was a row, and puts it in place on every server.

use crate::sql::lexer::{Lexer, Options, TokenKind, decode};
use crate::sql::statement::{
    Call, Distinct, Expr, ExprKind, Kind, LiteralKind, Select, SelectItem, SetExpr, Statement,
    TableRef,
};

/// One setting that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configured {
    /// Lower-case name.
    pub name: String,
    /// The value as one text; of a list setting the whole list.
    pub value: String,
    /// The value is that of this parameter, counted from 0.
    pub given: Option<usize>,
    /// For the transaction only.
    pub local: bool,
    /// Only if the server has such a setting; else there is no row.
    pub if_there_is: bool,
}

/// Whether a text may call it.
pub(super) fn is_named(text: &str) -> bool {
    text.as_bytes()
        .windows(10)
        .any(|w| w.eq_ignore_ascii_case(b"set_config"))
}

/// What a statement sets, if that is all it does and it can be told. Without a search path, of one that always sets.
pub(super) fn of(
    statement: &Statement,
    text: &str,
    options: Options,
    search_path: Option<&[String]>,
) -> Option<Vec<Configured>> {
    let select = plain(statement)?;
    if !select.from.is_empty() {
        return Some(vec![if_there_is(select, text, options, search_path?)?]);
    }
    if select.filter.is_some() {
        return None;
    }
    let mut list = Vec::new();
    for item in &select.items {
        match item {
            SelectItem::Expr { expr, .. } if shows(expr, text, options) => {}
            SelectItem::Expr { expr, .. } => match &expr.kind {
                ExprKind::Call(call) => list.push(configured(call, text, options)?),
                _ => return None,
            },
            SelectItem::Wildcard { .. } => return None,
        }
    }
    // With one server it is enough to keep the connection.
    let known = |one: &Configured| search_path.is_some() || one.given.is_none();
    (!list.is_empty() && list.iter().all(known)).then_some(list)
}

/// Whether an expression beside it only says what a setting is: `asyncpg` asks for the old value as it sets a new one. Every
/// server has the session's settings.
fn shows(e: &Expr, text: &str, options: Options) -> bool {
    let ExprKind::Call(call) = &e.kind else {
        return false;
    };
    let Some(call) = built_in(call, "current_setting") else {
        return false;
    };
    let named = call
        .args
        .first()
        .and_then(|name| string(name, text, options));
    let flag = |e: &Expr| {
        matches!(
            e.kind,
            ExprKind::Literal(LiteralKind::True | LiteralKind::False)
        )
    };
    let rest = call.args.get(1..).unwrap_or_default();
    named.is_some_and(|name| !name.to_ascii_lowercase().starts_with("shunt."))
        && rest.len() <= 1
        && rest.iter().all(flag)
}

/// A plain call of PostgreSQL's own function of this name.
fn built_in<'c>(call: &'c Call, name: &str) -> Option<&'c Call> {
    let own = matches!(call.name.schema.as_deref(), None | Some("pg_catalog"));
    let plain = !(call.star
        || call.distinct
        || call.unusual_args
        || !call.order_by.is_empty()
        || !call.within_group.is_empty()
        || call.filter.is_some()
        || call.over.is_some());
    (own && call.name.name == name && plain).then_some(call)
}

/// A query that is no more than a list of expressions.
pub(super) fn alone(statement: &Statement) -> Option<&[SelectItem]> {
    let select = plain(statement)?;
    (select.from.is_empty() && select.filter.is_none()).then_some(&select.items[..])
}

/// A query of one block that has expressions, and at most `FROM` and `WHERE`.
fn plain(statement: &Statement) -> Option<&Select> {
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
        && select.group_by.is_empty()
        && select.having.is_none()
        && !select.items.is_empty();
    bare.then_some(&**select)
}

/// `SELECT set_config(name, 'value', false) FROM pg_settings WHERE name = 'setting'`: as `pg_dump` sets what the server may not
/// have. Without a row nothing is set.
fn if_there_is(
    select: &Select,
    text: &str,
    options: Options,
    search_path: &[String],
) -> Option<Configured> {
    let [TableRef::Relation(relation)] = &select.from[..] else {
        return None;
    };
    let own = match relation.name.schema.as_deref() {
        Some(schema) => schema == "pg_catalog",
        None => !search_path.iter().any(|schema| schema == "pg_catalog"),
    };
    let is_name = |e: &Expr| matches!(&e.kind, ExprKind::Column { qualifier, name } if qualifier.is_empty() && name == "name");
    let (
        true,
        None,
        [
            SelectItem::Expr {
                expr:
                    Expr {
                        kind: ExprKind::Call(call),
                        ..
                    },
                ..
            },
        ],
        Some(Expr {
            kind: ExprKind::Binary { op, left, right },
            ..
        }),
    ) = (
        own && relation.name.name == "pg_settings" && relation.sample.is_none(),
        &relation.alias,
        &select.items[..],
        &select.filter,
    )
    else {
        return None;
    };
    if op != "=" || !is_name(left) || !call.args.first().is_some_and(is_name) {
        return None;
    }
    let mut named = (**call).clone();
    named.args[0] = (**right).clone();
    Some(Configured {
        if_there_is: true,
        ..configured(&named, text, options)?
    })
}

fn configured(call: &Call, text: &str, options: Options) -> Option<Configured> {
    let [name, value, local] = &built_in(call, "set_config")?.args[..] else {
        return None;
    };
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
    let (value, given) = match value.kind {
        // What statements are planned and read by is known when they are planned.
        ExprKind::Param(number) if name != "search_path" && name != "client_encoding" => {
            (String::new(), Some(usize::from(number).checked_sub(1)?))
        }
        _ => (string(value, text, options)?, None),
    };
    Some(Configured {
        name,
        value,
        given,
        local,
        if_there_is: false,
    })
}

/// What a string constant stands for.
pub(super) fn string(e: &Expr, text: &str, options: Options) -> Option<String> {
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
