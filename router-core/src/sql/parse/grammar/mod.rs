//! The parser crate's tree turned into ours: an allow-list.
//!
//! This folder and [`feed`](super::feed) are the only places that name the
//! crate. Nodes are taken apart field by field, without `..`, so that a field
//! that a later version of the crate adds cannot go unseen; a node, field or
//! flag without a meaning in our tree makes the statement unread.

mod call;
mod change;
mod composite;
mod expr;
mod from;
mod name;
mod operator;
mod query;
mod special;

use sqlparser::ast;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};

use super::feed::{self, Notes, Veto};
use super::token::Tokens;
use crate::sql::statement::Kind;

/// First and last token of something; `None` when not established.
type Range = Option<(usize, usize)>;

/// Our node, or the construct that has none.
type Read<T> = Result<T, Veto>;

/// How deep the crate may recurse: it counts statements, queries and expressions.
const RECURSION: usize = 50;

struct Convert<'c, 't> {
    tokens: &'c Tokens<'t>,
    notes: &'c Notes,
    /// Locking clauses that a query has taken.
    locks: std::cell::Cell<usize>,
    /// Columns of which a part is assigned.
    parts: std::cell::Cell<usize>,
}

/// Reads one `SELECT`, `VALUES`, `TABLE`, `INSERT`, `UPDATE` or `DELETE`, with or without `WITH`.
pub(super) fn read(tokens: &Tokens<'_>) -> Result<Kind, Veto> {
    let (fed, notes) = feed::feed(tokens)?;
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect)
        .with_recursion_limit(RECURSION)
        .with_tokens_with_locations(fed);
    let statement = parser
        .parse_statement()
        .map_err(|error| complaint(tokens, &error))?;
    let rest = parser.peek_token();
    if rest.token != sqlparser::tokenizer::Token::EOF {
        let at = feed::index(rest.span.start).unwrap_or(usize::MAX);
        return Err(near(tokens, at));
    }
    let convert = Convert {
        tokens,
        notes: &notes,
        locks: std::cell::Cell::new(0),
        parts: std::cell::Cell::new(0),
    };
    let kind = convert.statement(&statement)?;
    if convert.locks.get() != notes.locks.len() {
        return Err("a locking clause in this place".into());
    }
    if convert.parts.get() != notes.parts.len() {
        return Err("a part of a column in this place".into());
    }
    Ok(kind)
}

/// The crate's complaint, by the place it names: its texts speak of its own tokens.
fn complaint(tokens: &Tokens<'_>, error: &ParserError) -> Veto {
    match error {
        ParserError::RecursionLimitExceeded => "nesting deeper than Shunt reads".into(),
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => {
            let at = text
                .rsplit_once("Column: ")
                .and_then(|(_, column)| column.trim().parse::<usize>().ok())
                .and_then(|column| column.checked_sub(1));
            near(tokens, at.unwrap_or(usize::MAX))
        }
    }
}

fn near(tokens: &Tokens<'_>, at: usize) -> Veto {
    match tokens.list.get(at) {
        Some(token) => format!(
            "a construct near \"{}\", which may be a syntax error",
            shorten(token.span.of(tokens.source))
        ),
        None => "the end of the statement, where more may be missing".into(),
    }
}

/// The first characters of a text, for messages.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

impl Convert<'_, '_> {
    fn statement(&self, statement: &ast::Statement) -> Read<Kind> {
        let kind = match statement {
            ast::Statement::Query(query) => self.query_statement(query),
            ast::Statement::Insert(insert) => self.insert(insert, None),
            ast::Statement::Update(update) => self.update(update, None),
            ast::Statement::Delete(delete) => self.delete(delete, None),
            _ => Err("this kind of statement".into()),
        }?;
        match &kind {
            Kind::Update(_) | Kind::Delete(_) => {}
            _ if self.notes.current_of.is_some() => return Err("WHERE CURRENT OF here".into()),
            _ => {}
        }
        Ok(kind)
    }

    /// A statement, or a query that turns out to be a data change with `WITH` in front.
    fn query_statement(&self, query: &ast::Query) -> Read<Kind> {
        let change = match query.body.as_ref() {
            ast::SetExpr::Insert(statement)
            | ast::SetExpr::Update(statement)
            | ast::SetExpr::Delete(statement) => statement,
            _ => return Ok(Kind::Query(Box::new(self.query(query)?))),
        };
        let ast::Query {
            with,
            body: _,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        let bare = order_by.is_none()
            && limit_clause.is_none()
            && fetch.is_none()
            && locks.is_empty()
            && for_clause.is_none()
            && settings.is_none()
            && format_clause.is_none()
            && pipe_operators.is_empty();
        if !bare {
            return Err("a clause after a data change".into());
        }
        match change {
            ast::Statement::Insert(insert) => self.insert(insert, with.as_ref()),
            ast::Statement::Update(update) => self.update(update, with.as_ref()),
            ast::Statement::Delete(delete) => self.delete(delete, with.as_ref()),
            _ => Err("this kind of statement after WITH".into()),
        }
    }
}
