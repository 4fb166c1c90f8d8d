//! Directives: what a user says about where a statement goes, in a leading comment or a setting.
//!
//! `/* shunt: shard=s1, key=42, route=primary */ SELECT …`, or `SET shunt.shard = 's1'`.

use crate::sql::lexer::{Lexer, Options, TokenKind};

/// What directives say.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Directives {
    /// `shard=`: the shard's name.
    pub shard: Option<String>,
    /// `key=`: the sharding key's value, as written.
    pub key: Option<String>,
    /// `route=`.
    pub route: Option<Route>,
}

/// Which servers may run a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `primary`.
    Primary,
    /// `replica`.
    Replica,
    /// `auto`: as the router decides.
    Auto,
}

/// A directive that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectiveError {
    /// No such directive.
    #[error("there is no directive \"{0}\": write shard, key or route")]
    Name(String),
    /// `route` has another value.
    #[error("directive route is \"{0}\": write primary, replica or auto")]
    Route(String),
    /// A directive without a value.
    #[error("directive \"{0}\" has no value: write {0}=value")]
    Value(String),
    /// A directive given twice.
    #[error("directive \"{0}\" is given twice")]
    Twice(String),
    /// Both `shard` and `key`.
    #[error("directives shard and key exclude each other: leave one of them out")]
    Both,
}

impl Directives {
    /// Reads the directives in the comments before a statement's first word.
    pub fn of_comments(text: &str, options: Options) -> Result<Self, DirectiveError> {
        let mut directives = Self::default();
        for token in Lexer::new(text, options) {
            if !token.kind.is_trivia() {
                break;
            }
            if token.kind != TokenKind::BlockComment {
                continue;
            }
            let comment = token.span.of(text);
            let inside = comment
                .strip_prefix("/*")
                .and_then(|rest| rest.strip_suffix("*/"));
            let list = inside.and_then(|inside| inside.trim().strip_prefix("shunt:"));
            for part in list.unwrap_or_default().split(',').map(str::trim) {
                if part.is_empty() {
                    continue;
                }
                let (name, value) = part.split_once('=').unwrap_or((part, ""));
                directives.set(name.trim(), value.trim())?;
            }
        }
        Ok(directives)
    }

    /// Sets one directive by its name without `shunt.`; a comment's or a setting's.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), DirectiveError> {
        if value.is_empty() {
            return Err(DirectiveError::Value(name.to_owned()));
        }
        let twice = match name {
            "shard" => self.shard.replace(value.to_owned()).is_some(),
            "key" => self.key.replace(value.to_owned()).is_some(),
            "route" => {
                let route = match value {
                    "primary" => Route::Primary,
                    "replica" => Route::Replica,
                    "auto" => Route::Auto,
                    other => return Err(DirectiveError::Route(other.to_owned())),
                };
                self.route.replace(route).is_some()
            }
            other => return Err(DirectiveError::Name(other.to_owned())),
        };
        if twice {
            return Err(DirectiveError::Twice(name.to_owned()));
        }
        if self.shard.is_some() && self.key.is_some() {
            return Err(DirectiveError::Both);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Directives, DirectiveError> {
        Directives::of_comments(text, Options::default())
    }

    #[test]
    fn comments_before_the_first_word_count() {
        let found = read("-- x\n/* shunt: key=42, route=primary */ SELECT 1").expect("it is right");
        assert_eq!(found.key.as_deref(), Some("42"));
        assert_eq!(found.route, Some(Route::Primary));
        assert_eq!(
            read("SELECT 1 /* shunt: shard=a */"),
            Ok(Directives::default())
        );
        assert_eq!(read("/* other */ SELECT 1"), Ok(Directives::default()));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            read("/* shunt: x=1 */"),
            Err(DirectiveError::Name("x".into()))
        );
        assert_eq!(
            read("/* shunt: shard */"),
            Err(DirectiveError::Value("shard".into()))
        );
        assert_eq!(
            read("/* shunt: route=up */"),
            Err(DirectiveError::Route("up".into()))
        );
        assert_eq!(
            read("/* shunt: key=1, key=2 */"),
            Err(DirectiveError::Twice("key".into()))
        );
        assert_eq!(
            read("/* shunt: key=1, shard=a */"),
            Err(DirectiveError::Both)
        );
    }
}
