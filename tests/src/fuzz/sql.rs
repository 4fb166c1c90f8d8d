//! Texts of SQL.

use std::sync::Arc;

use router_core::plan::{Analysis, Context, Direction, Planner};
use router_core::sql::lexer::{Lexer, Options, TokenKind, decode};
use router_core::sql::shape::Shape;
use router_core::sql::{limits, parse, split};
use router_core::topology::{Catalog, Topology};

use super::Bytes;

pub(super) const WORDS: &[&str] = &[
    "select ",
    "insert into ",
    "update ",
    "delete from ",
    "copy ",
    "set ",
    " values ",
    "(1, 'a'), (2, NULL)",
    " from ",
    " where ",
    " and ",
    " or ",
    " not ",
    "id = 1",
    "id in (1,2,3)",
    "$1",
    "$2::int",
    "users",
    "orders o",
    "o.user_id",
    " join ",
    " using (id) ",
    " on true ",
    " group by 1 ",
    " having ",
    " order by ",
    " limit 3 ",
    " offset $1 ",
    " returning * ",
    "count(*)",
    "sum(a)",
    "coalesce(",
    ")",
    "(",
    ",",
    ";",
    "'",
    "''",
    "\"",
    "E'\\'",
    "$$",
    "$a$",
    "--",
    "/*",
    "*/",
    "U&'\\0041'",
    " uescape '!' ",
    "B'1'",
    "X'f'",
    "0x1F",
    "1_000",
    "1e5",
    ".5",
    "::text",
    " collate \"C\" ",
    " over (partition by a) ",
    " union all ",
    " except ",
    "with x as (",
    "with recursive r as (",
    " on conflict do nothing ",
    " on conflict (id) do update set ",
    " for update ",
    "now()",
    "begin;",
    "commit;",
    "explain ",
    "declare c cursor for ",
    "create table t (",
    "array[1,2]",
    "[1:2]",
    " is null",
    " between 1 and 2",
    " like '%' ",
    " case when true then 1 else 2 end ",
    "\u{a0}",
    "é",
    "\0",
    "row(1)",
    "default",
    " = ",
    " <> ",
    "||",
    " -> ",
    "<@",
    "/* shunt: shard=s0 */ ",
];

fn options(bytes: &mut Bytes<'_>) -> Options {
    Options {
        standard_conforming_strings: bytes.flag(),
    }
}

/// Tokens cover the text without gaps, and decoding never panics.
pub(super) fn lexer(input: &[u8]) {
    let mut bytes = Bytes(input);
    let options = options(&mut bytes);
    let mut at = 0;
    for token in Lexer::of_bytes(bytes.0, options) {
        assert_eq!(token.span.start, at);
        assert!(token.span.end > at);
        at = token.span.end;
    }
    assert_eq!(at as usize, bytes.0.len());
    let Ok(text) = std::str::from_utf8(bytes.0) else {
        return;
    };
    for token in Lexer::new(text, options) {
        let spelled = token.span.of(text);
        assert!(!spelled.is_empty());
        match token.kind {
            TokenKind::String(kind) => drop(decode::string(kind, spelled)),
            TokenKind::BinaryBits | TokenKind::HexBits => assert!(decode::bits(spelled).is_ok()),
            kind if kind.is_name() => drop(decode::identifier(kind, spelled)),
            _ => {}
        }
    }
    let _ = limits::check(text, options);
    let mut at = 0;
    for span in split::statements(text, options) {
        assert!(at <= span.start && span.start < span.end);
        at = span.end;
    }
}

/// Slots are in order and are whole tokens, and a buffer used again remembers nothing.
pub(super) fn shape(input: &[u8]) {
    let mut bytes = Bytes(input);
    let options = options(&mut bytes);
    let text = String::from_utf8_lossy(bytes.0);
    let (before, text) = text.split_at(text.floor_char_boundary(text.len() / 2));
    let mut used = Shape::new();
    let _ = used.read(before, options);
    let mut fresh = Shape::new();
    if fresh.read(text, options).is_err() || used.read(text, options).is_err() {
        return;
    }
    assert_eq!(used.bytes(), fresh.bytes());
    assert_eq!(used.slots(), fresh.slots());
    assert_eq!(used.groups(), fresh.groups());
    let mut at = 0;
    for slot in fresh.slots() {
        assert!(slot.span.start >= at);
        at = slot.span.end;
        let alone = slot.span.of(text);
        let token = Lexer::new(alone, options)
            .next()
            .expect("a slot is a token");
        assert_eq!(token.span.len(), alone.len());
    }
    for group in fresh.groups() {
        let last = group.slot(group.rows - 1, group.columns - 1);
        assert!(last.expect("a list has elements") < fresh.slots().len());
    }
}

/// A statement is read, or it is said what was not.
pub(super) fn parser(input: &[u8]) {
    let mut bytes = Bytes(input);
    let lexer = options(&mut bytes);
    let text = String::from_utf8_lossy(bytes.0);
    let options = parse::Options {
        lexer,
        ..Default::default()
    };
    for span in split::statements(&text, lexer) {
        let statement = parse(span.of(&text), &options);
        assert!(statement.span.end as usize <= span.len());
    }
}

/// A text has plans, and the same ones when it is asked for again, from the cache.
pub(super) fn planner(input: &[u8]) {
    let mut bytes = Bytes(input);
    let standard_conforming_strings = bytes.flag();
    let text = String::from_utf8_lossy(bytes.0);
    thread_local! {
        static TOPOLOGY: Arc<Topology> = topology();
    }
    let topology = TOPOLOGY.with(Arc::clone);
    let path = ["public".to_owned()];
    let catalog = Catalog::unknown();
    let context = Context {
        topology: &topology,
        catalog: &catalog,
        search_path: &path,
        standard_conforming_strings,
        private: false,
        direction: Direction::None,
        per_shard: false,
    };
    let mut planner = Planner::new(1 << 20);
    let (mut first, mut second) = (Analysis::new(), Analysis::new());
    planner.analyze(&text, &context, &mut first);
    planner.analyze(&text, &context, &mut second);
    assert_eq!(first.statements().len(), second.statements().len());
    for (one, other) in first.statements().iter().zip(second.statements()) {
        assert_eq!(one.plan, other.plan, "{text}");
        let values = first.values(one, &text, &[], Direction::None);
        let _ = one.plan.resolve(&topology, &values);
    }
}

/// Two shards with a table by key, one that refers to it, a reference table and one that lives on one shard.
pub(super) fn topology() -> Arc<Topology> {
    let text = r#"
        [auth]
        method = "trust"
        [[users]]
        name = "app"
        [[databases]]
        name = "shop"
        default_shard = "s0"
        scratch = "s0"
        [[databases.shards]]
        name = "s0"
        primary = "postgres://app@127.0.0.1:1/a"
        [[databases.shards]]
        name = "s1"
        primary = "postgres://app@127.0.0.1:1/b"
        [[databases.placements]]
        name = "by_user"
        type = "bigint"
        strategy = "hash"
        [[databases.tables]]
        name = "users"
        key = "id"
        placement = "by_user"
        [[databases.tables]]
        name = "orders"
        key = "user_id"
        placement = "by_user"
        [[databases.tables]]
        name = "countries"
        reference = true
    "#;
    let settings = shunt::config::parse(text, "shunt.toml".as_ref(), &|_| None);
    let settings = settings.unwrap_or_else(|problems| panic!("{problems}"));
    Arc::clone(&settings.databases[0].topology)
}
