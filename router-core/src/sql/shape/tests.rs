//! Topics: what is one shape and what is not, which literals stay, lists, directives, the invariant.

use proptest::prelude::*;

use super::super::lexer::{Lexer, Token, TokenKind};
use super::*;

fn shape_with(text: &str, options: Options) -> Shape {
    let mut shape = Shape::new();
    shape.read(text, options).unwrap();
    shape
}

fn shape(text: &str) -> Shape {
    shape_with(text, Options::default())
}

/// The slots' texts.
fn slots(text: &str) -> Vec<&str> {
    let shape = shape(text);
    assert_eq!(shape.form(), Form::Normalised, "{text}");
    shape
        .slots()
        .iter()
        .map(|slot| slot.span.of(text))
        .collect()
}

#[track_caller]
fn same(a: &str, b: &str) {
    let (a, b) = (shape(a), shape(b));
    assert_eq!(a.bytes(), b.bytes());
    assert_eq!(a.hash(7), b.hash(7));
}

#[track_caller]
fn differ(a: &str, b: &str) {
    assert_ne!(shape(a).bytes(), shape(b).bytes(), "{a} | {b}");
}

#[test]
fn white_space_comments_case_and_literals_do_not_count() {
    same(
        "SELECT a FROM t WHERE id = 1",
        "select A\n/* x */ from T -- y\n where ID=  42;",
    );
    same("select 'a'", "select E'\\n' ; ;");
    same("select $$a$$", "select 'b'");
    same("select 1 where a != 2", "select 3 where a <> 4");
    same("select x'0f'", "select B'1'");
}

#[test]
fn kinds_and_tokens_count() {
    differ("select 1", "select 1.0");
    differ("select 1", "select '1'");
    differ("select '1'", "select b'1'");
    differ("select 1", "select $1");
    differ("select $1", "select $2");
    differ("select a- -1", "select a--1");
    differ("select 1 .5", "select 1.5");
    differ("select a.b", "select ab");
    differ("select a b", "select ab");
    differ("select \"select\" from t", "select select from t");
    differ("select \"A\"", "select a");
    differ("select U&\"a\"", "select \"a\"");
    differ("select N'a'", "select n 'a'");
    differ("select -1", "select 1");
    differ("select 'a' 'b'", "select 'a'\n'b'");
    let off = Options {
        standard_conforming_strings: false,
    };
    assert_ne!(
        shape_with("select 1", off).bytes(),
        shape("select 1").bytes()
    );
}

#[test]
fn literals_that_the_tree_depends_on_stay() {
    for (a, b) in [
        (
            "select a, b from t order by 1",
            "select a, b from t order by 2",
        ),
        (
            "select a, b from t order by (1)",
            "select a, b from t order by (2)",
        ),
        (
            "select a from t group by rollup(1, 2)",
            "select a from t group by rollup(2, 1)",
        ),
        (
            "select distinct on (1) a, b from t",
            "select distinct on (2) a, b from t",
        ),
        ("select a from t limit 1", "select a from t limit 2"),
        ("select a from t offset 1", "select a from t offset 2"),
        (
            "select a from t fetch first 1 rows only",
            "select a from t fetch first 2 rows only",
        ),
        ("select interval '1 day'", "select interval '2 days'"),
        ("select date '2020-01-01'", "select date '2020-01-02'"),
        ("select s.\"T\" 'a'", "select s.\"T\" 'b'"),
        ("select numeric(5,1) '1'", "select numeric(5,2) '1'"),
        ("select a::numeric(5,1)", "select a::numeric(5,2)"),
        ("select a::s.vector(1)", "select a::s.vector(2)"),
        ("select cast(a as vector(1))", "select cast(a as vector(2))"),
        (
            "select cast(a as character varying(1))",
            "select cast(a as character varying(2))",
        ),
        (
            "select * from f() as x(a vector(1))",
            "select * from f() as x(a vector(2))",
        ),
        (
            "select * from f() x(a varchar(1))",
            "select * from f() x(a varchar(2))",
        ),
        (
            "select json_value(a, '$' returning vector(1))",
            "select json_value(a, '$' returning vector(2))",
        ),
        ("select N'a'", "select N'b'"),
        ("select U&'a'", "select U&'b'"),
        ("select U&'a' uescape '!'", "select U&'a' uescape '?'"),
        ("select 0x1", "select 0x2"),
        (
            "explain (analyze 0) select 1",
            "explain (analyze 1) select 1",
        ),
        ("set a = 1", "set a = 2"),
        (
            "create table t (a int default 1)",
            "create table t (a int default 2)",
        ),
        ("copy t from '/a'", "copy t from '/b'"),
        (
            "select a from t order by t.having, 1",
            "select a from t order by t.having, 2",
        ),
        (
            "select position('a' in ('b'))",
            "select position('a' in ('b', 'c'))",
        ),
    ] {
        differ(a, b);
    }
}

#[test]
fn literals_elsewhere_are_slots() {
    assert_eq!(
        slots("select a + 1 from t where b like 'x%' and c between 'a' and 'b' limit 5"),
        ["1", "'x%'", "'a'", "'b'"]
    );
    assert_eq!(
        slots("select a from t group by 1 having count(*) > 2 order by 1"),
        ["2"]
    );
    assert_eq!(
        slots("with x as materialized (select 1) select 2 union select 3 order by 4"),
        ["1", "2", "3"]
    );
    assert_eq!(
        slots("select a from (select 1 limit 2) x where a = 3"),
        ["1", "3"]
    );
    assert_eq!(slots("select '1'::int, cast('2' as int)"), ["'1'", "'2'"]);
    assert_eq!(slots("select * from f(5) g where g = -6"), ["5", "6"]);
    assert_eq!(slots("execute p(1, 'a')"), ["1", "'a'"]);
    assert_eq!(
        slots("update t set a = 1, b = f('x') where c = 2"),
        ["1", "'x'", "2"]
    );
    assert_eq!(
        slots("insert into t select 1 limit 2 on conflict (a) do update set b = 3 returning 4"),
        ["1", "3", "4"]
    );
    assert_eq!(slots("explain select 1"), ["1"]);
    assert_eq!(
        slots("select 1 from t u join (select 2 as b from f(3)) v on u.a = 4"),
        ["1", "2", "3", "4"]
    );
    assert_eq!(
        slots("with x as (insert into t values (1) returning a) select 2"),
        ["1", "2"]
    );
    assert_eq!(slots("(select 1)"), ["1"]);
}

#[test]
fn lists_of_any_length_are_one_shape() {
    same(
        "select a from t where a in (1)",
        "select a from t where a in (1, -2 ,3)",
    );
    same("select 1 where a in ($1)", "select 2 where a in ($3, $2)");
    differ("select 1 where a in (1)", "select 1 where a in ($1)");
    differ("select 1 where a in (1)", "select 1 where a in ('1')");
    differ("select 1 where a in (1)", "select 1 where a in (1, '1')");
    differ("select 1 where a in (1)", "select 1 where a in (b)");
    differ("select 1 where a in (1+1)", "select 1 where a in (1,1)");
    same(
        "insert into t values (1, 'a')",
        "insert into t values (2, 'b'), (3, E'c'), (-4, $$d$$)",
    );
    differ("insert into t values (1, 'a')", "insert into t values (1)");
    differ(
        "insert into t values (1, 2), (3, 4)",
        "insert into t values (1, 2), (3, b)",
    );
    differ(
        "insert into t values (1, null)",
        "insert into t values (1, 2)",
    );

    let text = "insert into t (a, b) values (1, $2), (-3, null) returning 5";
    let shape = shape(text);
    let group = shape.groups()[0];
    assert_eq!((group.rows, group.columns), (2, 2));
    assert_eq!(group.span.of(text), "(1, $2), (-3, null)");
    let rows: Vec<&str> = shape.row_spans().iter().map(|row| row.of(text)).collect();
    assert_eq!(rows, ["(1, $2)", "(-3, null)"]);
    let at = |row, column| shape.slots()[group.slot(row, column).unwrap()];
    assert_eq!(at(0, 1).kind, SlotKind::Param(2));
    assert_eq!(at(1, 0).span.of(text), "3");
    assert!(at(1, 0).negative);
    assert_eq!(at(1, 1).kind, SlotKind::Null);
    assert_eq!(group.slot(2, 0), None);
    assert_eq!(group.slot(0, 2), None);
    assert_eq!(shape.slots().len(), 5);
}

#[test]
fn what_cannot_be_normalised_stands_as_it_is() {
    for text in [
        "",
        "show all",
        "select 'a",
        "select \u{1}",
        "select 1; select 2",
        "select 1)",
    ] {
        assert_eq!(shape(text).form(), Form::Verbatim, "{text}");
        assert!(shape(text).slots().is_empty());
    }
    differ("select 'a", "select 'b");
    differ("select 1; select 2", "select 1");
    // Not the shape of `select 1`, whose marker it holds.
    differ("select \u{1}", "select 1");
}

#[test]
fn a_query_inside_another_statement_has_slots_in_a_text_of_its_own() {
    let text = "copy (select a from t where id = 42 and b = 'x') to stdout (delimiter ',')";
    let read = shape(text);
    assert_eq!(read.form(), Form::Verbatim);
    let literals: Vec<&str> = read.slots().iter().map(|s| s.span.of(text)).collect();
    assert_eq!(literals, ["42", "'x'", "','"]);
    differ(text, &text.replace("42", "43"));
    assert_eq!(shape("declare c cursor for select 1").slots().len(), 1);
    // What a string with Unicode escapes stands for may be changed by UESCAPE.
    let unicode = "copy (select 1 where a = U&'!0061' uescape '!') to stdout";
    assert!(shape(unicode).slots().is_empty());
}

#[test]
fn a_directive_is_reported_and_not_part_of_the_shape() {
    let text = "/* a */ /* shunt: shard = 1 */ select 1";
    let read = shape(text);
    assert_eq!(read.directive().unwrap().of(text), "shard = 1");
    assert!(!read.more_directives());
    same(text, "select 2");
    assert!(shape("/*shunt:a*/ /*shunt:b*/ select 1").more_directives());
    assert_eq!(shape("select /* shunt: a */ 1").directive(), None);
    assert_eq!(
        shape("/*shunt:*/select 1").directive(),
        Some(Span::new(8, 8))
    );
}

#[test]
fn a_buffer_used_again_holds_nothing_of_before() {
    let mut buffer = Shape::new();
    for text in [
        "/*shunt: a*/ insert into t values (1), (2)",
        "set a = 1",
        "select 1",
    ] {
        buffer.read(text, Options::default()).unwrap();
        let fresh = shape(text);
        assert_eq!(buffer.bytes(), fresh.bytes());
        assert_eq!(buffer.slots(), fresh.slots());
        assert_eq!(buffer.groups(), fresh.groups());
        assert_eq!(buffer.row_spans(), fresh.row_spans());
        assert_eq!(buffer.directive(), fresh.directive());
    }
}

/// The statement a shape stands for, with the literals of `text` put back: the inverse of normalising.
fn put_back(shape: &Shape, text: &str) -> String {
    let mut out = Vec::new();
    let (mut slots, mut groups) = (shape.slots().iter(), shape.groups().iter());
    let bytes = shape.bytes();
    // Quoted tokens may hold any byte, so markers are looked for between tokens only.
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            INTEGER..=BITS => {
                let slot = slots.next().unwrap();
                out.extend_from_slice(slot.span.of(text).as_bytes());
                at += 1;
            }
            marker @ (LIST | ROWS) => {
                let group = groups.next().unwrap();
                out.extend_from_slice(group.span.of(text).as_bytes());
                slots
                    .by_ref()
                    .take((group.rows * group.columns) as usize)
                    .for_each(drop);
                at += if marker == LIST {
                    2
                } else {
                    3 + group.columns as usize
                };
            }
            _ => {
                let options = Options::default();
                let token = Lexer::of_bytes(&bytes[at..], options).next().unwrap();
                out.extend_from_slice(token.bytes(&bytes[at..]));
                at += token.span.len();
            }
        }
    }
    assert_eq!(slots.next(), None);
    assert_eq!(groups.next(), None);
    String::from_utf8(out).unwrap()
}

/// Tokens as their kinds and texts, words folded.
fn tokens(text: &str) -> Vec<(TokenKind, String)> {
    let spelled = |token: Token| match token.kind {
        TokenKind::Ident => token.span.of(text).to_ascii_lowercase(),
        TokenKind::NotEquals => "<>".into(),
        _ => token.span.of(text).into(),
    };
    Lexer::new(text, Options::default())
        .significant()
        .filter(|token| token.kind != TokenKind::Semicolon)
        .map(|token| match token.kind {
            // The keyword it stands for.
            TokenKind::National => (TokenKind::Ident, "nchar".into()),
            kind => (kind, spelled(token)),
        })
        .collect()
}

fn statement() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "1",
        "2.5",
        "'x'",
        "'it''s'",
        "E'\\''",
        "U&'a'",
        "U&\"b\"",
        "N'c'",
        "$$d$$",
        "$1",
        "$2",
        "B'0'",
        "X'f'",
        "0x1",
        "-",
        "+",
        "=",
        "!=",
        "<>",
        "@",
        "*",
        "/",
        "(",
        ")",
        "[",
        "]",
        ",",
        ",",
        ".",
        "::",
        "a",
        "B",
        "\"q\"",
        "\"\u{1}\"",
        "IN",
        "in (1,2)",
        "in ($1)",
        "VALUES (1,'a'),(2,'b')",
        "values (-1)",
        "values",
        "order by",
        "limit",
        "select",
        "from",
        "union",
        "as",
        "date",
        "numeric(5,2)",
        "interval",
        "like",
        "on",
        "distinct",
        "uescape '!'",
        "null",
        "true",
        "'\u{2}'",
        "/*c*/",
        "--d\n",
        "\n",
        "'a'\n'b'",
        "é",
    ]);
    let space = prop::sample::select(vec!["", " ", "\n", " /**/ "]);
    prop::collection::vec((piece, space), 0..25).prop_map(|pieces| {
        let mut text = String::from("select ");
        for (piece, space) in pieces {
            text.push_str(piece);
            text.push_str(space);
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// The bytes determine the tokens: the invariant's proof, checked.
    #[test]
    fn bytes_determine_the_tokens(text in statement()) {
        let shape = shape(&text);
        if shape.form() == Form::Normalised {
            prop_assert_eq!(tokens(&put_back(&shape, &text)), tokens(&text));
        }
    }

    #[test]
    fn slots_are_literals_in_order(text in statement()) {
        let shape = shape(&text);
        let mut at = 0;
        for slot in shape.slots() {
            prop_assert!(slot.span.start >= at && slot.span.end > slot.span.start);
            at = slot.span.end;
            let alone = Lexer::new(slot.span.of(&text), Options::default()).next().unwrap();
            prop_assert_eq!(alone.span.len(), slot.span.len());
        }
    }

    /// Other values of the same kinds, put where the slots are, give the same bytes.
    #[test]
    fn other_values_have_the_same_shape(text in statement(), number in 0u32..1000) {
        let before = shape(&text);
        // The bytes of any other text hold its literals.
        if before.form() == Form::Verbatim {
            return Ok(());
        }
        let mut other = String::new();
        let mut at = 0;
        for slot in before.slots() {
            other.push_str(&text[at..slot.span.start as usize]);
            match slot.kind {
                SlotKind::Integer => other.push_str(&format!(" {number} ")),
                SlotKind::Numeric => other.push_str(&format!(" {number}.5 ")),
                SlotKind::String(_) => other.push_str(&format!(" $${number}$$ ")),
                _ => other.push_str(slot.span.of(&text)),
            }
            at = slot.span.end as usize;
        }
        other.push_str(&text[at..]);
        let after = shape(&other);
        prop_assert_eq!(after.bytes(), before.bytes(), "{:?} {:?}", text, other);
    }

    #[test]
    fn any_text_has_a_shape(text in "\\PC{0,80}", on: bool) {
        let options = Options { standard_conforming_strings: on };
        shape_with(&text, options);
        shape_with(&format!("select {text}"), options);
    }
}
