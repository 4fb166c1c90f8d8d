//! What of the catalog a definition may change, so that not all of it has to be read again.
//!
//! Most definitions are about one relation and take nothing away: what they change is found on the servers by its name
//! ([`narrow`](crate::topology::catalog::read::touch)). This says so of those of which it is proven; of all others that they may change anything.
//! A definition may set off functions that define more: event triggers, and what is called to fill or check a table. Where one of them
//! is known to define anything, or is not known at all, so may the statement.

use std::collections::BTreeSet;

use super::Effect;
use super::role::changes_owner;
use super::words::{Word, words};
use crate::sql::Statement;
use crate::sql::effect::{Effects, SessionEffect};
use crate::sql::lexer::Options;
use crate::sql::statement::{Kind, Utility};
use crate::topology::Catalog;

/// What of the catalog may be another after a statement, or several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Touches {
    /// Nothing that is read of it.
    #[default]
    Nothing,
    /// Relations of these names, in whatever schema, and what hangs on them. Nothing is gone afterwards.
    Relations(BTreeSet<Box<str>>),
    /// Anything.
    Anything,
}

impl Touches {
    /// What either touches.
    pub fn add(&mut self, other: &Self) {
        match (&mut *self, other) {
            (_, Self::Nothing) | (Self::Anything, _) => {}
            (Self::Relations(known), Self::Relations(more)) => known.extend(more.iter().cloned()),
            _ => self.clone_from(other),
        }
    }
}

/// Functions that a definition may set off do nothing to what is defined with these.
const DEFINING: SessionEffect = SessionEffect::DEFINES.union(SessionEffect::UNKNOWN);

/// `ALTER TABLE` with one of these in its text may take something away, or move it: a constraint `USING` an index renames that.
const TAKES_AWAY: &[&str] = &[
    "drop", "rename", "disable", "detach", "inherit", "no", "schema", "of", "using",
];

/// What a statement touches.
pub(super) fn of(
    statement: &Statement,
    text: &str,
    options: Options,
    effects: &Effects,
    catalog: &Catalog,
) -> Touches {
    let utility = match &statement.kind {
        Kind::Utility(utility) if utility.schema => utility,
        _ => {
            let defines = effects.effect == Effect::Schema
                || effects.session.contains(SessionEffect::DEFINES);
            return match defines {
                true => Touches::Anything,
                false => Touches::Nothing,
            };
        }
    };
    let text = statement.span.of(text);
    let Some(residues) = catalog.residues() else {
        return Touches::Anything;
    };
    let set_off = [residues.any(), residues.schema(), residues.sets_off(text)];
    if set_off
        .iter()
        .any(|effect| effect.bits & DEFINING.bits != 0)
    {
        return Touches::Anything;
    }
    touched(utility, text, options).unwrap_or(Touches::Anything)
}

/// `None`: it may be anything.
fn touched(utility: &Utility, text: &str, options: Options) -> Option<Touches> {
    let words = words(text, options);
    let has = |word: &str| words.iter().any(|w| w.is(word));
    let (verb, object) = utility
        .command
        .split_once(' ')
        .unwrap_or((&utility.command, ""));
    match (verb, object) {
        ("COMMENT" | "GRANT" | "REVOKE" | "SECURITY", _) => return Some(Touches::Nothing),
        ("ALTER", _) if changes_owner(text) => return Some(Touches::Nothing),
        // With what it has in it this makes more.
        ("CREATE", "SCHEMA") if words.iter().filter(|w| w.is("create")).count() == 1 => {
            return Some(Touches::Nothing);
        }
        ("CREATE", _) if has("replace") => return None,
        ("CREATE", "TRIGGER" | "CONSTRAINT TRIGGER" | "POLICY") => {}
        // What is executed may do anything.
        ("CREATE", "TABLE" | "INDEX" | "SEQUENCE" | "VIEW" | "MATERIALIZED VIEW")
            if !has("execute") => {}
        ("ALTER", "TABLE") if adds(&words) => {}
        ("ALTER", "SEQUENCE" | "INDEX") if !TAKES_AWAY.iter().any(|word| has(word)) => {}
        _ => return None,
    }
    let names = utility.relations.iter();
    let names: BTreeSet<Box<str>> = names.map(|r| r.name.name.as_str().into()).collect();
    (!names.is_empty()).then_some(Touches::Relations(names))
}

/// Whether `ALTER TABLE` takes nothing away.
fn adds(words: &[Word]) -> bool {
    !TAKES_AWAY
        .iter()
        .any(|taken| words.iter().any(|word| word.is(taken)))
}
