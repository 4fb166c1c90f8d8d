//! A statement's tree in one line of text.
//!
//! Two trees that mean the same to PostgreSQL's grammar print the same: parentheses are gone, a query
//! that only wraps another is that other, signs belong to their numbers, and constants are values,
//! not spellings. So the text serves golden files, and a second reader that prints a tree of
//! PostgreSQL's own in the same form can be compared with this one.

mod change;
mod expression;
mod query;
mod session;

use crate::id::Span;
use crate::sql::lexer;
use crate::sql::statement::{Expr, Kind, Name, Relation, Statement, Utility};

/// Prints a statement that was read from `text`.
pub fn print(statement: &Statement, text: &str, options: lexer::Options) -> String {
    Printer { text, options }.statement(statement)
}

/// Prints an expression of such a statement.
pub fn expr(expr: &Expr, text: &str, options: lexer::Options) -> String {
    Printer { text, options }.expr(expr)
}

/// `name(part part …)`; parts that are empty are left out.
pub fn node(name: &str, parts: &[String]) -> String {
    let parts: Vec<&str> = parts
        .iter()
        .map(String::as_str)
        .filter(|part| !part.is_empty())
        .collect();
    format!("{name}({})", parts.join(" "))
}

/// `name=[item, item]`; nothing when there are no items.
pub fn list(name: &str, items: &[String]) -> String {
    if items.is_empty() {
        String::new()
    } else {
        format!("{name}=[{}]", items.join(", "))
    }
}

/// `name=value`; nothing when there is none.
pub fn maybe(name: &str, value: Option<String>) -> String {
    value.map_or_else(String::new, |value| format!("{name}={value}"))
}

/// The word when the condition holds, else nothing.
pub fn flag(on: bool, word: &str) -> String {
    if on { word.to_owned() } else { String::new() }
}

/// An identifier: bare when it is a plain word, else with quotes.
pub fn ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

/// Identifiers in a list.
pub fn idents<S: AsRef<str>>(names: &[S]) -> Vec<String> {
    names.iter().map(|name| ident(name.as_ref())).collect()
}

/// `schema.name`.
pub fn name(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", ident(schema), ident(&name.name)),
        None => ident(&name.name),
    }
}

/// An integer or number without its sign's and leading zeros' freedom. `text` is what follows the sign.
pub fn number(text: &str, negative: bool) -> String {
    let value = text.parse::<i32>();
    let text = value.map_or_else(|_| text.to_owned(), |value| value.to_string());
    if negative && text != "0" {
        format!("-{text}")
    } else {
        text
    }
}

/// A relation's parts in their form.
pub fn relation(of: &Name, alias: Option<(&str, &[String])>, only: bool, sample: bool) -> String {
    let mut text = flag(only, "only ");
    text.push_str(&name(of));
    if let Some((alias_name, columns)) = alias {
        text.push_str(" as ");
        text.push_str(&alias_text(alias_name, columns));
    }
    if sample {
        text.push_str(" sampled");
    }
    text
}

/// `name(columns)` of an alias.
pub fn alias_text(name: &str, columns: &[String]) -> String {
    if columns.is_empty() {
        ident(name)
    } else {
        format!("{}({})", ident(name), idents(columns).join(", "))
    }
}

/// A utility statement's parts in their form.
pub fn utility(schema: bool, temporary: bool, concurrently: bool, relations: &[String]) -> String {
    node(
        "utility",
        &[
            flag(schema, "schema"),
            flag(temporary, "temporary"),
            flag(concurrently, "concurrently"),
            list("relations", relations),
        ],
    )
}

/// A binary operator's node.
pub fn binary(op: &str, left: &str, right: &str) -> String {
    format!("({left} {op} {right})")
}

struct Printer<'p> {
    text: &'p str,
    options: lexer::Options,
}

impl Printer<'_> {
    fn statement(&self, statement: &Statement) -> String {
        match &statement.kind {
            Kind::Query(query) => self.query(query),
            Kind::Insert(insert) => self.insert(insert),
            Kind::Update(update) => self.update(update),
            Kind::Delete(delete) => self.delete(delete),
            Kind::Copy(copy) => self.copy(copy),
            Kind::Transaction(transaction) => self.transaction(transaction),
            Kind::Session(session) => self.session(session),
            Kind::Explain(explain) => node(
                "explain",
                &[
                    flag(explain.analyze, "analyze"),
                    flag(explain.shunt, "shunt"),
                    self.statement(&explain.statement),
                ],
            ),
            Kind::Utility(utility) => self.utility(utility),
            Kind::Empty => "empty".to_owned(),
            Kind::Unread(unread) => format!("unread: {}", unread.what),
        }
    }

    fn utility(&self, of: &Utility) -> String {
        let relations: Vec<String> = of.relations.iter().map(|of| self.relation(of)).collect();
        utility(of.schema, of.temporary, of.concurrently, &relations)
    }

    fn relation(&self, of: &Relation) -> String {
        let alias = of.alias.as_ref();
        let alias = alias.map(|alias| (alias.name.as_str(), alias.columns.as_slice()));
        relation(&of.name, alias, of.only, of.sample.is_some())
    }

    fn of(&self, span: Span) -> &str {
        span.of(self.text)
    }
}
