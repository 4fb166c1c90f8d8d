//! What touching a relation or calling a function leaves behind in the session, though the statement does not say so.
//!
//! A trigger may change a setting, a column's default may take a lock, a view may call a function that makes a temporary
//! table. [`Residues`] has, for each name, everything that may happen behind it, followed through views, rules, triggers,
//! foreign keys and the bodies of functions. It is an upper bound: a body that cannot be read, or that runs a text which is
//! made when it runs (`EXECUTE`), may leave anything.
//!
//! Names count without their schema. So nothing depends on a `search_path`, whose value inside of a function nobody knows.

pub(super) mod body;
mod made;
pub(super) mod new_row;
pub(super) mod read;

use std::collections::HashMap as StdHashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::Volatility;
use crate::sql::effect::{SessionEffect, known_session};
use crate::sql::functions;
use crate::sql::lexer::{Lexer, Options, TokenKind, decode};

/// What the relations and functions of a database leave behind, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Residues {
    found: HashMap<Node, SessionEffect, FixedState>,
    /// Of any statement at all.
    any: SessionEffect,
    /// The functions that this comes from, sorted.
    behind_any: Vec<Box<str>>,
    /// Of any statement that changes the schema.
    schema: SessionEffect,
}

/// Something that can be touched.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Node {
    /// Rows of a relation are read.
    Read(Box<str>),
    /// Rows of a relation are written.
    Write(Box<str>),
    /// A function is called.
    Call(Box<str>),
    /// A field of a row is read, or what looks like one: `row.name` calls a function of one argument as `name(row)` does.
    Field(Box<str>),
    /// Any statement runs.
    Any,
    /// The schema is changed.
    Schema,
}

impl Node {
    fn call(name: &str) -> Self {
        Self::Call(name.into())
    }

    fn of(kind: &str, name: &str) -> Option<Self> {
        Some(match kind {
            "read" => Self::Read(name.into()),
            "write" => Self::Write(name.into()),
            "call" => Self::Call(name.into()),
            "field" => Self::Field(name.into()),
            "any" => Self::Any,
            "schema" => Self::Schema,
            _ => return None,
        })
    }
}

/// What something leaves by itself, and what else it may touch.
#[derive(Debug, Default)]
struct Residue {
    effect: SessionEffect,
    leads_to: Vec<Node>,
}

impl Residues {
    /// Follows everything to its end.
    fn new(found: StdHashMap<Node, Residue>) -> Self {
        let mut effects: HashMap<Node, SessionEffect, FixedState> = found
            .iter()
            .map(|(node, residue)| (node.clone(), residue.effect))
            .collect();
        // Effects only grow, and there are few of them: this ends soon.
        loop {
            let mut grown = false;
            for (node, residue) in &found {
                let before = effects.get(node).copied().unwrap_or_default();
                let after = residue
                    .leads_to
                    .iter()
                    .filter_map(|to| effects.get(to))
                    .fold(before, |all, effect| all.union(*effect));
                if after != before {
                    effects.insert(node.clone(), after);
                    grown = true;
                }
            }
            if !grown {
                break;
            }
        }
        let of = |node| effects.get(node).copied().unwrap_or_default();
        let (any, schema) = (of(&Node::Any), of(&Node::Schema));
        let mut behind_any: Vec<Box<str>> = Vec::new();
        for node in found.get(&Node::Any).map_or(&[][..], |any| &any.leads_to) {
            if let Node::Call(name) = node
                && !of(node).pinning().is_empty()
            {
                behind_any.push(name.clone());
            }
        }
        behind_any.sort();
        behind_any.dedup();
        // Functions without residue are kept: it is known that they have none.
        effects.retain(|node, effect| {
            matches!(node, Node::Call(_) | Node::Field(_)) || !effect.is_empty()
        });
        Self {
            found: effects,
            any,
            behind_any,
            schema,
        }
    }

    /// What either has.
    pub fn united(mut self, other: Self) -> Self {
        for (node, effect) in other.found {
            let known = self.found.entry(node).or_default();
            *known = known.union(effect);
        }
        self.any = self.any.union(other.any);
        self.behind_any.extend(other.behind_any);
        self.behind_any.sort();
        self.behind_any.dedup();
        self.schema = self.schema.union(other.schema);
        self
    }

    /// A number that stands for the contents.
    pub(super) fn fingerprint(&self) -> u64 {
        let hasher = FixedState::default();
        let own = hasher.hash_one((self.any.bits, self.schema.bits));
        self.found.iter().fold(own, |sum, (node, effect)| {
            sum.wrapping_add(hasher.hash_one((node, effect.bits)))
        })
    }

    /// Whether something leaves more behind than `earlier` says: connections may hold what nobody has looked for.
    pub fn exceeds(&self, earlier: &Self) -> bool {
        let more = |new: SessionEffect, old: SessionEffect| !old.contains(new.pinning());
        more(self.any, earlier.any)
            || more(self.schema, earlier.schema)
            || self.found.iter().any(|(node, effect)| {
                more(
                    *effect,
                    earlier.found.get(node).copied().unwrap_or_default(),
                )
            })
    }

    /// Of any statement.
    pub fn any(&self) -> SessionEffect {
        self.any
    }

    /// The functions for which any statement keeps its connection: behind operators, casts, types or domains, which a statement
    /// can use without naming them.
    pub fn behind_any(&self) -> &[Box<str>] {
        &self.behind_any
    }

    /// Of a change of the schema.
    pub fn schema(&self) -> SessionEffect {
        self.schema
    }

    /// Of reading a relation.
    pub fn read(&self, relation: &str) -> SessionEffect {
        self.of(&Node::Read(relation.into()))
    }

    /// Of writing to a relation.
    pub fn written(&self, relation: &str) -> SessionEffect {
        self.of(&Node::Write(relation.into()))
    }

    /// Of calling a function that somebody made; `None`: nobody made one of this name.
    pub fn function(&self, name: &str) -> Option<SessionEffect> {
        self.found.get(&Node::call(name)).map(|e| behind(*e))
    }

    /// Of a field of a row, if it may be the call of a function instead.
    pub fn field(&self, name: &str) -> Option<SessionEffect> {
        self.found
            .get(&Node::Field(name.into()))
            .map(|e| behind(*e))
    }

    /// Of the words of a statement that only defines something: what may be set off by what it defines.
    pub fn definition(&self, text: &str) -> SessionEffect {
        let body = body::scan(text);
        // That it defines something itself is no news.
        let own = body.effect.bits & !SessionEffect::DEFINES.bits;
        SessionEffect { bits: own }.union(self.of_names(&body))
    }

    /// Of everything that a statement names which defines something, and may run or rewrite what it names to that end.
    pub fn named(&self, text: &str) -> SessionEffect {
        behind(self.of_names(&body::scan(text))).pinning()
    }

    /// Of everything that a statement names, and what is defined by that: whatever the statement may set off is among it.
    pub fn sets_off(&self, text: &str) -> SessionEffect {
        self.of_names(&body::scan(text))
    }

    /// Of the code in a statement's strings (`DO`).
    pub fn code(&self, text: &str) -> SessionEffect {
        let strings = Lexer::new(text, Options::default()).filter_map(|token| match token.kind {
            TokenKind::String(kind) => decode::string(kind, token.span.of(text)).ok(),
            _ => None,
        });
        strings.fold(SessionEffect::default(), |all, code| {
            let body = body::scan(&code);
            all.union(body.effect).union(self.of_names(&body))
        })
    }

    fn of_names(&self, body: &body::Body) -> SessionEffect {
        // A table that is renamed or made a parent takes along what writing to it sets off.
        let nodes = body.all_nodes();
        let all = nodes.iter().filter_map(|node| self.found.get(node));
        all.fold(SessionEffect::default(), |all, effect| all.union(*effect))
    }

    fn of(&self, node: &Node) -> SessionEffect {
        let effect = self.found.get(node).copied().unwrap_or_default();
        // A trigger that makes partitions as they are needed: nobody could wait for the catalog to be read for each row.
        SessionEffect {
            bits: behind(effect).bits & !SessionEffect::DEFINES.bits,
        }
    }
}

/// What somebody leaves who does not know of it: nobody who merely inserts a row waits for the value of a sequence, so the
/// connection need not stay with the client for that.
fn behind(effect: SessionEffect) -> SessionEffect {
    SessionEffect {
        bits: effect.bits & !SessionEffect::SEQUENCE.bits,
    }
}

/// What a function of `pg_catalog` leaves behind.
fn builtin(name: &str) -> SessionEffect {
    match known_session(name) {
        Some(effect) => effect,
        None if functions::is_stable(name) || functions::is_harmless(name) => {
            SessionEffect::default()
        }
        None => SessionEffect::UNKNOWN,
    }
}

/// What a function written in C leaves behind: by its volatility, but for those that are known better.
pub(super) fn foreign(name: &str, volatility: Volatility) -> SessionEffect {
    // These run any text that they are given (tablefunc, xml2).
    let runs_text = name.starts_with("crosstab") || matches!(name, "connectby" | "xpath_table");
    let harmless = volatility < Volatility::Volatile && !runs_text
        || name.starts_with("uuid_generate_")
        || name.starts_with("pgp_")
        || matches!(
            name,
            // pgcrypto
            "gen_random_bytes" | "gen_random_uuid" | "gen_salt"
            // spi, lo, tcn, tablefunc, pg_stat_statements, pg_buffercache
            | "moddatetime" | "insert_username" | "autoinc" | "lo_manage" | "triggered_change_notification"
            | "normal_rand" | "pg_stat_statements" | "pg_buffercache_pages"
        );
    match harmless {
        true => SessionEffect::default(),
        false => SessionEffect::UNKNOWN,
    }
}

#[cfg(test)]
mod tests;
