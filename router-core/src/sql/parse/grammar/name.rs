//! Names and constants, each at its token.

use sqlparser::ast;

use super::expr::Ranged;
use super::{Convert, Range, Read, Veto};
use crate::sql::lexer::{Class, Keyword};
use crate::sql::parse::feed::index;
use crate::sql::parse::token::What;
use crate::sql::statement::{ExprKind, LiteralKind, Name};

/// Words that are functions without parentheses.
pub(super) const VALUE_FUNCTIONS: &[&str] = &[
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "localtime",
    "localtimestamp",
    "session_user",
    "system_user",
    "user",
];

impl Convert<'_, '_> {
    pub(super) fn identifier(&self, name: &ast::Ident) -> Read<Ranged> {
        let at = self.place(name)?;
        let range = Some((at, at));
        if self.tokens.what(at) == Some(What::Word) {
            let word = self.tokens.text(at);
            if word == "default" {
                return Ok(self.node(ExprKind::Default, range));
            }
            if VALUE_FUNCTIONS.contains(&word) {
                let word = word.to_owned();
                return Ok(self.call(&word, Vec::new(), false, range));
            }
        }
        self.column(std::slice::from_ref(name))
    }

    pub(super) fn column(&self, parts: &[ast::Ident]) -> Read<Ranged> {
        let (last, qualifier) = parts.split_last().ok_or("an empty name")?;
        if qualifier.len() > 2 {
            return Err("a column with a database's name in front".into());
        }
        let from = self.at(parts.first().unwrap_or(last))?;
        self.not_of_class(from, Class::TypeOrFunction)?;
        let to = self.at(last)?;
        let kind = ExprKind::Column {
            qualifier: qualifier.iter().map(|part| part.value.clone()).collect(),
            name: last.value.clone(),
        };
        Ok(self.node(kind, Some((from, to))))
    }

    pub(super) fn value(&self, value: &ast::ValueWithSpan) -> Read<Ranged> {
        let unclear = "a constant whose place is unclear";
        let at = index(value.span.start).ok_or(unclear)?;
        let kind = match (&value.value, self.tokens.what(at)) {
            (ast::Value::Placeholder(_), Some(What::Param(n))) => ExprKind::Param(n),
            (ast::Value::Null, Some(What::Word)) => ExprKind::Literal(LiteralKind::Null),
            (ast::Value::Boolean(true), Some(What::Word)) => ExprKind::Literal(LiteralKind::True),
            (ast::Value::Boolean(false), Some(What::Word)) => ExprKind::Literal(LiteralKind::False),
            (
                ast::Value::Number(..) | ast::Value::SingleQuotedString(_),
                Some(What::Literal(kind)),
            ) => ExprKind::Literal(kind),
            _ => return Err(unclear.into()),
        };
        Ok(self.node(kind, Some((at, at))))
    }

    /// The token of an identifier that is no reserved keyword.
    pub(super) fn at(&self, name: &ast::Ident) -> Read<usize> {
        let at = self.place(name)?;
        self.not_of_class(at, Class::Reserved)?;
        Ok(at)
    }

    /// The token of an identifier.
    fn place(&self, name: &ast::Ident) -> Read<usize> {
        let at = index(name.span.start).filter(|at| self.tokens.is_name(*at));
        let at = at.ok_or_else(|| Veto::from("a name whose place is unclear"))?;
        if self.tokens.text(at) != name.value {
            return Err("a name whose place is unclear".into());
        }
        Ok(at)
    }

    /// Refuses an unquoted keyword of a class that PostgreSQL takes for no name in this place;
    /// behind a point or `AS` it takes them all.
    pub(super) fn not_of_class(&self, at: usize, class: Class) -> Read<()> {
        let tokens = self.tokens;
        let anything = at > 0 && (tokens.is_sym(at - 1, ".") || tokens.is_word(at - 1, "as"));
        if anything || tokens.what(at) != Some(What::Word) {
            return Ok(());
        }
        let word = tokens.text(at);
        let of_class = Keyword::lookup(word.as_bytes()).is_some_and(|word| word.class() == class);
        if of_class {
            return Err(format!("the keyword {} in this place", word.to_uppercase()));
        }
        Ok(())
    }

    /// A name of one or two parts, and its tokens; whether keywords may be one is for the caller to say.
    pub(super) fn name(&self, name: &ast::ObjectName) -> Read<(Name, Range)> {
        let parts = self.parts(name)?;
        let range = match (parts.first(), parts.last()) {
            (Some(first), Some(last)) => Some((self.place(first)?, self.place(last)?)),
            _ => None,
        };
        let name = match parts.as_slice() {
            [name] => Name {
                schema: None,
                name: name.value.clone(),
            },
            [schema, name] => Name {
                schema: Some(schema.value.clone()),
                name: name.value.clone(),
            },
            _ => return Err("a name with a database's name in front".into()),
        };
        Ok((name, range))
    }

    fn parts<'n>(&self, name: &'n ast::ObjectName) -> Read<Vec<&'n ast::Ident>> {
        name.0
            .iter()
            .map(|part| match part {
                ast::ObjectNamePart::Identifier(ident) => Ok(ident),
                ast::ObjectNamePart::Function(_) => Err("a function as a name".into()),
            })
            .collect()
    }

    /// A name that must be a single identifier.
    pub(super) fn single(&self, name: &ast::ObjectName) -> Read<String> {
        match self.parts(name)?.as_slice() {
            [name] => self.at(name).map(|_| name.value.clone()),
            _ => Err("a qualified name or field in this place".into()),
        }
    }
}
