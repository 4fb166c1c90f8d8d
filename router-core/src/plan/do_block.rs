//! `DO` over shards, where the block only defines something, perhaps unless it is there already.
//!
//! That is how migrations write `CREATE TYPE IF NOT EXISTS` and the like:
//!
//! ```sql
//! DO $$ BEGIN CREATE TYPE mood AS ENUM ('sad', 'happy'); EXCEPTION WHEN duplicate_object THEN null; END $$
//! DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_type WHERE typname = 'mood') THEN CREATE TYPE …; END IF; END $$
//! ```
//!
//! Proof: each of its statements would go to the same shards as it stands, where one's answer stands for all, so a block of
//! nothing else does. Its conditions ask what is defined, and its handlers are for what is there already or is not there: the
//! shards have the same schema, so all of them answer alike. Tables that are on one shard alone, with their indexes and
//! constraints, are no part of that: where there are any, a condition has to name what cannot be theirs
//! ([`names_what_all_have`]). The block is in one transaction on all of them.

use super::function::{Nature, is_alike, nature};
use super::make::{Found, Input, Made, each_named, made, over_shards};
use super::names::{self, Place};
use super::walk::{self, Met};
use super::words::{Word, words};
use super::{Effect, Merge, Reason, Refusal, Route, SessionEffect, own, role};
use crate::id::Span;
use crate::sql::Statement;
use crate::sql::effect::Effects;
use crate::sql::lexer::{Lexer, TokenKind, decode};
use crate::sql::parse::{self, parse};
use crate::sql::statement::{ExprKind, Kind, Name};
use crate::topology::catalog::RelationKind;

/// What stands in a block, as stretches of its text.
#[derive(Default)]
struct Block {
    /// Statements that define something.
    statements: Vec<Span>,
    /// Queries that conditions ask whether they have rows.
    conditions: Vec<Span>,
}

/// The plan of a `DO` that is such a block; `None` when it is anything else.
pub(super) fn make(input: &Input<'_>, statement: &Statement) -> Option<Made> {
    let Kind::Utility(utility) = &statement.kind else {
        return None;
    };
    if utility.command != "DO" || input.directed || input.topology.only_shard().is_some() {
        return None;
    }
    let body = body(input, statement)?;
    let list = words(&body, input.options);
    let block = Reader {
        words: &list,
        at: 0,
        block: Block::default(),
    }
    .read()?;
    let inner = |span: Span| {
        let text = span.of(&body);
        let options = parse::Options {
            lexer: input.options,
            ..Default::default()
        };
        let input = Input {
            text,
            slots: &[],
            groups: &[],
            ..*input
        };
        (input, parse(text, &options))
    };
    for &span in &block.conditions {
        let (input, query) = inner(span);
        if !is_about_definitions(&input, &query) || !names_what_all_have(&input, &query) {
            return None;
        }
    }
    let mut effects = Effects {
        effect: Effect::Schema,
        stores: true,
        session: SessionEffect::default(),
        primary: true,
    };
    let mut agreed: Option<Route> = None;
    let mut route = Ok(());
    for &span in &block.statements {
        let (input, statement) = inner(span);
        let Kind::Utility(utility) = &statement.kind else {
            return None;
        };
        let own = role::of(&statement, input.text, input.catalog, input.search_path);
        if !utility.schema || utility.temporary || own.effect != Effect::Schema {
            return None;
        }
        effects.session = effects.session.union(own.session);
        let planned = over_shards(&input, &statement, &mut Found::default());
        let planned = planned.and_then(|planned| match planned {
            Route::Refused(refusal) => Err(*refusal),
            Route::Scatter {
                merge: Merge::Copies,
                ..
            }
            | Route::Single(_)
                if agreed.as_ref().is_none_or(|known| *known == planned) =>
            {
                Ok(planned)
            }
            _ => Err(Refusal::new(
                Reason::AllShardsSchema,
                format!(
                    "{} in a DO block would have to be another statement on each shard.",
                    utility.command
                ),
            )
            .with_hint("Send the statement by itself.")),
        });
        match planned {
            Ok(planned) => agreed = Some(planned),
            Err(refusal) if route.is_ok() => route = Err(refusal),
            Err(_) => {}
        }
    }
    let route = match (route, agreed) {
        (Err(refusal), _) => Route::Refused(Box::new(refusal)),
        (Ok(()), Some(route)) => route,
        (Ok(()), None) => return None,
    };
    Some(made(
        input,
        statement,
        "do".into(),
        effects,
        route,
        Found::exact(),
    ))
}

/// The text of the block, which is in PL/pgSQL.
pub(super) fn body(input: &Input<'_>, statement: &Statement) -> Option<String> {
    let text = statement.span.of(input.text);
    let mut body = None;
    let mut rest = Vec::new();
    for token in Lexer::new(text, input.options).significant() {
        match token.kind {
            TokenKind::String(kind) if body.is_none() => {
                body = Some(decode::string(kind, token.span.of(text)).ok()?.into_owned());
            }
            _ => rest.push(token.span.of(text).to_ascii_lowercase()),
        }
    }
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let plain = matches!(rest[..], ["do"] | ["do", "language", "plpgsql"]);
    body.filter(|_| plain)
}

/// Whether a query only asks what is defined, by names, so that shards with the same schema answer alike.
fn is_about_definitions(input: &Input<'_>, query: &Statement) -> bool {
    if !matches!(query.kind, Kind::Query(_)) {
        return false;
    }
    let mut alike = true;
    each_named(query, &mut |name| {
        let place = names::place(input.topology, input.catalog, input.search_path, name);
        let schema = name.schema.as_deref() == Some("information_schema");
        alike &= place == Ok(Place::Catalog) && (schema || DEFINED.contains(&name.name.as_str()));
    });
    walk::statement(query, &mut |met| match met {
        Met::Expr(e) => {
            if let ExprKind::Call(call) = &e.kind {
                let pure = nature(call, input.catalog, input.search_path) == Nature::Pure;
                alike &= pure || is_alike(&call.name.name) || call.name.name.starts_with("to_reg");
            }
        }
        Met::Query(q) => alike &= q.locks.is_empty() && q.limit.is_none() && q.offset.is_none(),
        _ => {}
    });
    alike
}

/// Whether what a condition asks for by name cannot be a table of one shard alone, or something that belongs to one.
fn names_what_all_have(input: &Input<'_>, query: &Statement) -> bool {
    let everywhere = |schema: &str, name: &str| {
        let name = Name {
            schema: Some(schema.to_owned()),
            name: name.to_owned(),
        };
        let place = names::place(input.topology, input.catalog, input.search_path, &name);
        matches!(
            place,
            Ok(Place::Sharded { .. } | Place::Reference | Place::Catalog)
        )
    };
    let alone: Vec<&str> = input
        .catalog
        .relations()
        .filter(|(table, relation)| table.schema != own::SCHEMA && is_table(relation.kind))
        .filter(|(table, _)| !everywhere(&table.schema, &table.name))
        .map(|(table, _)| &*table.name)
        .collect();
    if alone.is_empty() {
        return true;
    }
    let mut known = true;
    each_named(query, &mut |name| {
        known &= NAMED_ALONE.contains(&name.name.as_str());
    });
    let mut named = false;
    for token in Lexer::new(input.text, input.options).significant() {
        let text = token.span.of(input.text);
        match token.kind {
            TokenKind::String(kind) => {
                let said = decode::string(kind, text).map_or_else(|_| String::new(), Into::into);
                let last = said.rsplit('.').next().unwrap_or_default();
                named = true;
                known &= !said.is_empty() && !alone.contains(&last) && !alone.contains(&&*said);
            }
            TokenKind::Ident => known &= !PATTERNS.contains(&&*text.to_ascii_lowercase()),
            TokenKind::Equals
            | TokenKind::Comma
            | TokenKind::Dot
            | TokenKind::Star
            | TokenKind::Integer
            | TokenKind::Typecast
            | TokenKind::LeftParen
            | TokenKind::RightParen => {}
            _ => known = false,
        }
    }
    known && named
}

/// Whether it has rows of its own, on whichever shards. A view is made where its tables are.
fn is_table(kind: RelationKind) -> bool {
    match kind {
        RelationKind::Table
        | RelationKind::Partitioned
        | RelationKind::MaterializedView
        | RelationKind::Foreign => true,
        RelationKind::View | RelationKind::Sequence | RelationKind::Index => false,
    }
}

/// Of [`DEFINED`], what has names that nothing has which belongs to a table, but for the table's own.
const NAMED_ALONE: &[&str] = &[
    "columns",
    "pg_enum",
    "pg_extension",
    "pg_namespace",
    "pg_proc",
    "pg_tables",
    "pg_type",
    "tables",
];

/// Words by which more is found than what is named, or the opposite of it.
const PATTERNS: &[&str] = &["ilike", "like", "not", "regexp_match", "similar"];

/// Catalogs of what is defined, not of what a server does or has.
const DEFINED: &[&str] = &[
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_enum",
    "pg_extension",
    "pg_index",
    "pg_indexes",
    "pg_matviews",
    "pg_namespace",
    "pg_policies",
    "pg_policy",
    "pg_proc",
    "pg_tables",
    "pg_trigger",
    "pg_type",
    "pg_views",
];

/// Goes through a block.
struct Reader<'w> {
    words: &'w [Word],
    at: usize,
    block: Block,
}

impl Reader<'_> {
    fn read(mut self) -> Option<Block> {
        self.take("begin")?;
        self.statements()?;
        if self.is("exception") {
            self.at += 1;
            while self.is("when") {
                self.handler()?;
            }
        }
        self.take("end")?;
        if self.is(";") {
            self.at += 1;
        }
        (self.at == self.words.len()).then_some(self.block)
    }

    fn is(&self, word: &str) -> bool {
        self.words.get(self.at).is_some_and(|w| w.is(word))
    }

    fn take(&mut self, word: &str) -> Option<()> {
        let is = self.is(word);
        self.at += 1;
        is.then_some(())
    }

    /// Statements up to an `END`, `EXCEPTION` or `WHEN`.
    fn statements(&mut self) -> Option<()> {
        loop {
            let word = self.words.get(self.at)?;
            match word.text.as_str() {
                _ if !word.plain => return None,
                "end" | "exception" | "when" => return Some(()),
                "if" => self.condition()?,
                "null" => {
                    self.at += 1;
                    self.take(";")?;
                }
                // Of a text as it stands.
                "raise" => {
                    self.at += 1;
                    self.take("notice")?;
                    let text = self.words.get(self.at)?;
                    if text.name || !text.text.starts_with(['\'', '$', 'E', 'e']) {
                        return None;
                    }
                    self.at += 1;
                    self.take(";")?;
                }
                "create" | "alter" | "drop" | "comment" | "grant" | "revoke" => {
                    let span = self.until(";")?;
                    self.block.statements.push(span);
                }
                _ => return None,
            }
        }
    }

    /// What comes before a word outside of parentheses, and goes behind that.
    fn until(&mut self, word: &str) -> Option<Span> {
        let rest = self.words.get(self.at..)?;
        let length = rest.iter().position(|w| w.depth == 0 && w.is(word))?;
        let span = Span {
            start: rest.first()?.span.start,
            end: rest.get(length.checked_sub(1)?)?.span.end,
        };
        self.at += length + 1;
        Some(span)
    }

    /// `IF [NOT] EXISTS (…) THEN … END IF;`
    fn condition(&mut self) -> Option<()> {
        self.take("if")?;
        if self.is("not") {
            self.at += 1;
        }
        self.take("exists")?;
        let from = self.at + 1;
        self.take("(")?;
        self.until("then")?;
        // The parenthesis before THEN is the one that was opened.
        let to = self.at.checked_sub(2)?;
        let inside = self.words.get(from..to)?;
        if !self.words[to].is(")") || inside.iter().any(|w| w.depth == 0) {
            return None;
        }
        self.block.conditions.push(Span {
            start: inside.first()?.span.start,
            end: inside.last()?.span.end,
        });
        self.statements()?;
        self.take("end")?;
        self.take("if")?;
        self.take(";")
    }

    /// `WHEN duplicate_object [OR …] THEN …`
    fn handler(&mut self) -> Option<()> {
        self.take("when")?;
        loop {
            let name = self.words.get(self.at)?;
            let known = ["duplicate_", "undefined_"];
            if !known.iter().any(|start| name.text.starts_with(start)) {
                return None;
            }
            self.at += 1;
            if !self.is("or") {
                break;
            }
            self.at += 1;
        }
        self.take("then")?;
        self.statements()
    }
}
