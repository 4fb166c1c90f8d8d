//! What a statement does to data and to the session, and so which servers of a shard may run it, and who gets the
//! connection after it.

use super::function::{self, Nature};
use super::{Effect, Role, SessionEffect, set_config};
use crate::sql::Statement;
use crate::sql::effect::{Effects, Surroundings, effects};
use crate::sql::lexer::{Lexer, Options, TokenKind};
use crate::sql::statement::{Kind, Name, Utility};
use crate::topology::Catalog;
use crate::topology::catalog::{FunctionKind, Known, Residues, Volatility};

/// The effects, with relations and functions as the catalog knows them. `text` is the statement's.
pub(super) fn of(
    statement: &Statement,
    text: &str,
    catalog: &Catalog,
    search_path: &[String],
) -> Effects {
    let known = Surrounding {
        catalog,
        search_path,
    };
    let mut effects = effects(statement, &known);
    // What is known of the code that a statement runs, instead of the worst.
    let mut code = None;
    let mut leave = |effect: SessionEffect| effects.session = effects.session.union(effect);
    if sets_seed(statement.span.of(text)) {
        leave(SessionEffect::SEED);
    }
    if let Some(residues) = catalog.residues() {
        leave(residues.any());
        match &statement.kind {
            Kind::Utility(utility) if utility.schema => {
                leave(residues.schema());
                let text = statement.span.of(text);
                if runs(utility) {
                    leave(residues.named(text));
                }
                leave(defines(utility, text, residues));
            }
            Kind::Utility(utility) if utility.command == "DO" => {
                let text = statement.span.of(text);
                code = residues.block(text).map(|left| left.union(residues.any()));
                let lower = text.to_ascii_lowercase();
                if ["create", "alter", "execute"]
                    .iter()
                    .any(|word| lower.contains(word))
                    || residues.code(text).contains(SessionEffect::DEFINES)
                {
                    leave(SessionEffect::DEFINES);
                }
            }
            Kind::Utility(utility) if utility.command == "CALL" => {
                let text = statement.span.of(text);
                code = residues.call(text).map(|left| left.union(residues.any()));
                if residues.definition(text).contains(SessionEffect::DEFINES) {
                    leave(SessionEffect::DEFINES);
                }
            }
            Kind::Unread(unread) if matches!(&*unread.first_word, "CREATE" | "ALTER") => {
                leave(SessionEffect::DEFINES);
            }
            _ => {}
        }
    }
    if let Some(left) = code {
        effects.session.bits &= !SessionEffect::UNKNOWN.bits;
        effects.session = effects.session.union(left);
    }
    effects
}

/// Whether a text calls `set_config` and says the name of a setting that outlives everything, also one that is set for the
/// transaction alone.
fn sets_seed(text: &str) -> bool {
    set_config::is_named(text) && text.to_ascii_lowercase().contains("seed")
}

/// Whether a definition may run what it names at once: to fill, to check or to rewrite a table, or to find the bounds of a
/// partition.
fn runs(utility: &Utility) -> bool {
    let verb_and_object = utility.command.split_once(' ');
    matches!(
        verb_and_object,
        Some((
            "CREATE" | "ALTER",
            "TABLE" | "FOREIGN TABLE" | "INDEX" | "MATERIALIZED VIEW" | "DOMAIN" | "SCHEMA"
        ))
    )
}

/// Whether something may be set off by what a statement defines, or what it changes, that nothing was known of before
/// (`DEFINES`), or may be called by a name that was not known (`ADDS`).
fn defines(utility: &Utility, text: &str, residues: &Residues) -> SessionEffect {
    let (verb, object) = utility
        .command
        .split_once(' ')
        .unwrap_or((&utility.command, ""));
    let defines = match (verb, object) {
        ("CREATE", "FUNCTION" | "PROCEDURE") if residues.makes_harmless(text) => {
            return SessionEffect::ADDS;
        }
        ("CREATE" | "ALTER", "TYPE") => !is_without_functions(verb, text),
        ("ALTER", _) if changes_owner(text) => false,
        ("DROP" | "COMMENT" | "GRANT" | "REVOKE" | "SECURITY" | "REASSIGN", _) => false,
        // What connections begin with.
        ("ALTER", "ROLE" | "USER" | "DATABASE") => true,
        (
            _,
            "ROLE" | "USER" | "GROUP" | "DATABASE" | "TABLESPACE" | "SEQUENCE" | "SERVER"
            | "USER MAPPING" | "PUBLICATION" | "SUBSCRIPTION" | "COLLATION",
        ) => false,
        // Defaults, constraints, queries and the like, of functions that are known.
        (
            "CREATE" | "ALTER",
            "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "INDEX" | "TRIGGER" | "CONSTRAINT TRIGGER"
            | "RULE" | "POLICY" | "DOMAIN" | "SCHEMA" | "STATISTICS",
        ) => !utility.temporary && !residues.definition(text).is_empty(),
        _ => true,
    };
    match defines {
        true => SessionEffect::DEFINES,
        false => SessionEffect::default(),
    }
}

/// Whether a type is made or changed that has no functions which somebody made: an enumeration or a composite.
fn is_without_functions(verb: &str, text: &str) -> bool {
    let tokens: Vec<&str> = words(text).collect();
    let has = |word: &str| tokens.iter().any(|token| token.eq_ignore_ascii_case(word));
    match verb {
        "CREATE" => tokens.windows(2).any(|pair| {
            pair[0].eq_ignore_ascii_case("as")
                && (pair[1] == "(" || pair[1].eq_ignore_ascii_case("enum"))
        }),
        _ => !has("set"),
    }
}

/// Whether a statement that alters something gives it to somebody else.
pub(super) fn changes_owner(text: &str) -> bool {
    let tokens: Vec<&str> = words(text).collect();
    let to = tokens.len().saturating_sub(3);
    matches!(&tokens[to..], [owner, to, _]
        if owner.eq_ignore_ascii_case("owner") && to.eq_ignore_ascii_case("to"))
}

/// The tokens of a statement, as written, without the semicolon behind it.
fn words(text: &str) -> impl Iterator<Item = &str> {
    Lexer::new(text, Options::default())
        .significant()
        .filter(|token| token.kind != TokenKind::Semicolon)
        .map(|token| token.span.of(text))
}

/// Which servers may run a statement of these effects. Some queries read as little on a replica as on the primary, although
/// not for ever the same: the time, a random number.
pub(super) fn role(statement: &Statement, effects: &Effects) -> Role {
    match effects.effect {
        Effect::Read => Role::Any,
        Effect::Write
            if matches!(statement.kind, Kind::Query(_)) && !effects.primary && !effects.stores =>
        {
            Role::Any
        }
        Effect::Write | Effect::Schema | Effect::Session | Effect::Transaction => Role::Primary,
    }
}

/// The catalog, as statements look at it.
struct Surrounding<'a> {
    catalog: &'a Catalog,
    search_path: &'a [String],
}

impl Surroundings for Surrounding<'_> {
    fn is_not_volatile(&self, name: &Name) -> Option<bool> {
        let schemas: Vec<&str> = match &name.schema {
            Some(schema) => vec![schema],
            None => self.search_path.iter().map(String::as_str).collect(),
        };
        let mut found = None;
        for schema in schemas.into_iter().filter(|s| *s != "pg_catalog") {
            if let Known::Is(f) = self.catalog.function(schema, &name.name) {
                let changes_nothing = f.volatility < Volatility::Volatile
                    || f.kind == FunctionKind::Function
                        && function::made(&name.name, self.catalog) == Nature::Pure;
                found = Some(found.unwrap_or(true) && changes_nothing);
            }
        }
        found
    }

    fn field(&self, name: &str) -> Option<(bool, SessionEffect)> {
        let left = self.catalog.residues()?.field(name)?;
        let function = Name {
            schema: None,
            name: name.into(),
        };
        Some((self.is_not_volatile(&function) == Some(false), left))
    }

    fn called(&self, function: &Name) -> Option<SessionEffect> {
        self.catalog.residues()?.function(&function.name)
    }

    fn read(&self, relation: &Name) -> SessionEffect {
        let residues = self.catalog.residues();
        residues.map_or_else(SessionEffect::default, |r| r.read(&relation.name))
    }

    fn written(&self, relation: &Name) -> SessionEffect {
        let residues = self.catalog.residues();
        residues.map_or_else(SessionEffect::default, |r| r.written(&relation.name))
    }
}
