//! Topics: borders and kinds, operators, numbers, strings, identifiers, properties over any text.

use proptest::prelude::*;

use super::*;

fn cut(sql: &str) -> Vec<(TokenKind, &str)> {
    cut_with(sql, Options::default())
}

fn cut_with(sql: &str, options: Options) -> Vec<(TokenKind, &str)> {
    Lexer::new(sql, options)
        .significant()
        .map(|token| (token.kind, token.span.of(sql)))
        .collect()
}

fn texts(sql: &str) -> Vec<&str> {
    cut(sql).into_iter().map(|(_, text)| text).collect()
}

fn kind(sql: &str) -> TokenKind {
    let tokens = cut(sql);
    assert_eq!(tokens.len(), 1, "{sql}: {tokens:?}");
    tokens[0].0
}

fn value(sql: &str) -> Result<String, decode::DecodeError> {
    match kind(sql) {
        TokenKind::String(kind) => decode::string(kind, sql).map(Into::into),
        other => panic!("{sql} is {other:?}"),
    }
}

fn name(sql: &str) -> String {
    decode::identifier(kind(sql), sql).unwrap().into_owned()
}

const OFF: Options = Options {
    standard_conforming_strings: false,
};

#[test]
fn operators_end_before_comments_and_trailing_signs() {
    assert_eq!(texts("a- -1"), ["a", "-", "-", "1"]);
    assert_eq!(texts("a--1\n+2"), ["a", "+", "2"]);
    assert_eq!(texts("1<>-2"), ["1", "<>", "-", "2"]);
    assert_eq!(texts("1=-1"), ["1", "=", "-", "1"]);
    assert_eq!(texts("1 @- 2"), ["1", "@-", "2"]);
    assert_eq!(texts("a*/*c*/b"), ["a", "*", "b"]);
    assert_eq!(texts("a+-+-b"), ["a", "+", "-", "+", "-", "b"]);
    assert_eq!(texts("a<=-+-b"), ["a", "<=", "-", "+", "-", "b"]);
    assert_eq!(texts("a!--b\n"), ["a", "!"]);
    assert_eq!(kind("!="), TokenKind::NotEquals);
    assert_eq!(kind("=>"), TokenKind::EqualsGreater);
    assert_eq!(kind("->>"), TokenKind::Operator);
    assert_eq!(kind("~"), TokenKind::Operator);
    assert_eq!(kind(&"@".repeat(63)), TokenKind::Operator);
    assert_eq!(
        kind(&"@".repeat(64)),
        TokenKind::Error(LexError::OperatorTooLong)
    );
    assert_eq!(texts("a:::b"), ["a", "::", ":", "b"]);
    assert_eq!(texts("a:=b..c"), ["a", ":=", "b", "..", "c"]);
}

#[test]
fn numbers() {
    for integer in ["0", "42", "99999999999999999999"] {
        assert_eq!(kind(integer), TokenKind::Integer);
    }
    for numeric in ["1.", ".5", "1.5", "1e5", "1.e-5", ".5E+7"] {
        assert_eq!(kind(numeric), TokenKind::Numeric);
    }
    for new in ["0x1F", "0b_1", "0o17", "1_000", "1_0.0_1e1_0"] {
        assert_eq!(kind(new), TokenKind::NewNumber);
    }
    for junk in [
        "1a", "1e", "1e+", "0x", "0b2", "1_", "1__0", "1.5x", "0x1g", "1.a",
    ] {
        assert_eq!(kind(junk), TokenKind::Error(LexError::NumberJunk), "{junk}");
    }
    assert_eq!(texts("1..2"), ["1", "..", "2"]);
    assert_eq!(texts("1 .5"), ["1", ".5"]);
    assert_eq!(texts("1.5.3"), ["1.5", ".3"]);
    assert_eq!(kind("$12"), TokenKind::Param);
    assert_eq!(param_number(b"$12"), Some(12));
    assert_eq!(kind("$1a"), TokenKind::Error(LexError::ParamJunk));
    assert_eq!(
        kind("$2147483648"),
        TokenKind::Error(LexError::ParamTooLarge)
    );
}

#[test]
fn strings_continue_only_over_a_newline() {
    assert_eq!(value("'a'\n'b'").unwrap(), "ab");
    assert_eq!(value("'a' -- c\n -- d\n\t'b'").unwrap(), "ab");
    assert_eq!(texts("'a' 'b'").len(), 2);
    assert_eq!(texts("'a'\n/*c*/'b'").len(), 2);
    assert_eq!(texts("'a' -- 'b'").len(), 1);
    assert_eq!(value("E'a\\''\n'b\\n'").unwrap(), "a'b\n");
    assert_eq!(kind("B'01'\n'1'"), TokenKind::BinaryBits);
    assert_eq!(decode::bits("B'01'\n'1'").unwrap(), "011");
    assert_eq!(texts("B'0''1'"), ["B'0'", "'1'"]);
    assert_eq!(texts("N'a'"), ["N", "'a'"]);
}

#[test]
fn string_values() {
    assert_eq!(value("'it''s'").unwrap(), "it's");
    assert_eq!(value("''''''").unwrap(), "''");
    assert_eq!(value("'\\n'").unwrap(), "\\n");
    assert_eq!(value("E'\\x41\\102\\u00e9\\U0001F600'").unwrap(), "ABé😀");
    assert_eq!(value("E'\\ud83d\\uDE00'").unwrap(), "😀");
    assert_eq!(value("E'\\xc3\\xa9'").unwrap(), "é");
    assert_eq!(value("E'\\x4'\n'1'").unwrap(), "\u{4}1");
    assert_eq!(value("U&'d\\0061t\\+000061'").unwrap(), "data");
    assert_eq!(value("U&'\\00'\n'61'").unwrap(), "a");
    assert_eq!(value("U&'\\\\'").unwrap(), "\\");
    assert_eq!(value("$$a$b$$").unwrap(), "a$b");
    assert_eq!(value("$x$ $$ $y$ $x$").unwrap(), " $$ $y$ ");
    assert_eq!(value("$é_1$'$é_1$").unwrap(), "'");
    let unescaped = decode::string_with(StringKind::Unicode, "U&'!0061\\'", b'!');
    assert_eq!(unescaped.unwrap(), "a\\");
    use decode::DecodeError::*;
    for (sql, error) in [
        ("E'\\u12'", Escape),
        ("E'\\ud83d'", Surrogate),
        ("E'\\ude00'", Surrogate),
        ("E'\\ud83dx'", Surrogate),
        ("E'\\xff'", Encoding),
        ("E'\\0'", Encoding),
        ("E'\\u0000'", CodePoint),
        ("E'\\U00110000'", CodePoint),
        ("E'\\v'", Ambiguous),
        ("U&'\\12'", Escape),
        ("U&'\\d83dx'", Surrogate),
        ("U&'\\0000'", CodePoint),
    ] {
        assert_eq!(value(sql), Err(error), "{sql}");
    }
    assert_eq!(decode::escape_character("!"), Some(b'!'));
    for wrong in ["", "a", "+", "'", "\"", " ", "é", "!!"] {
        assert_eq!(decode::escape_character(wrong), None);
    }
}

#[test]
fn backslashes_count_while_standard_conforming_strings_is_off() {
    let sql = "'a\\'b' 'c'";
    assert_eq!(cut_with(sql, OFF)[0].1, "'a\\'b'");
    assert_eq!(cut(sql)[0].1, "'a\\'");
    let (kind, text) = cut_with("'a\\tb'", OFF)[0];
    let TokenKind::String(kind) = kind else {
        panic!("{kind:?}")
    };
    assert_eq!(decode::string(kind, text).unwrap(), "a\tb");
    assert_eq!(
        cut_with("U&'a'", OFF)[0].0,
        TokenKind::Error(LexError::UnsafeUnicode)
    );
}

#[test]
fn identifiers() {
    assert_eq!(name("FooBär"), "foobär");
    assert_eq!(name("ÄB"), "Äb");
    assert_eq!(name("a$b$c"), "a$b$c");
    assert_eq!(name("\"Foo\"\"Bar\""), "Foo\"Bar");
    assert_eq!(name("U&\"\\0041b\""), "Ab");
    assert_eq!(name(&"X".repeat(70)), "x".repeat(63));
    let wide = format!("\"{}é\"", "x".repeat(62));
    assert_eq!(name(&wide), "x".repeat(62));
    assert_eq!(kind("\"\""), TokenKind::Error(LexError::EmptyIdent));
    assert_eq!(texts("u & b"), ["u", "&", "b"]);
    assert_eq!(texts("U&b"), ["U", "&", "b"]);
}

#[test]
fn what_does_not_end_goes_to_the_end() {
    use LexError::*;
    for (sql, error) in [
        ("'a", UnterminatedString),
        ("'a''", UnterminatedString),
        ("'a'\n'b", UnterminatedString),
        ("E'a\\'", UnterminatedString),
        ("E'a\\", UnterminatedString),
        ("U&'a", UnterminatedString),
        ("B'0", UnterminatedBits),
        ("$a$ $b$", UnterminatedDollar),
        ("\"a", UnterminatedIdent),
        ("/* /* */", UnterminatedComment),
        ("/*/", UnterminatedComment),
    ] {
        assert_eq!(kind(sql), TokenKind::Error(error), "{sql}");
    }
}

#[test]
fn comments_nest() {
    assert_eq!(texts("a /* /* */ ' */ b"), ["a", "b"]);
    assert_eq!(texts("a /*/**/*/ b"), ["a", "b"]);
    assert_eq!(texts("a -- /* \r b"), ["a", "b"]);
}

#[test]
fn keywords() {
    assert_eq!(Keyword::lookup(b"Select"), Some(Keyword::of("select")));
    assert_eq!(Keyword::of("select").class(), Class::Reserved);
    assert_eq!(Keyword::of("values").class(), Class::ColumnName);
    assert_eq!(Keyword::of("left").class(), Class::TypeOrFunction);
    assert_eq!(Keyword::of("by").class(), Class::Unreserved);
    assert_eq!(Keyword::lookup(b"selectt"), None);
    assert_eq!(Keyword::lookup(b"x"), None);
    assert_eq!(Keyword::lookup(b""), None);
    for keyword in Keyword::all() {
        assert_eq!(Keyword::lookup(keyword.word().as_bytes()), Some(keyword));
    }
}

/// Texts made of the bytes and words at which the rules branch.
fn tricky() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "'", "\"", "$", "$$", "$a$", "\\", "\n", "\r", " ", "--", "/*", "*/", "/", "*", "-", "+",
        "<", ">", "=", "!", "@", "#", "a", "E", "e'", "U&", "u&'", "U&\"", "B'", "x'", "n'", "0",
        "1", "0x", "_", ".", "..", ":", "::", "(", ")", ";", ",", "é", "😀", "\u{b}", "\0",
        "UESCAPE", "\\u0041", "\\ud83d", "\\x",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn tokens_cover_any_bytes(text in prop::collection::vec(any::<u8>(), 0..200), on: bool) {
        let options = Options { standard_conforming_strings: on };
        let mut at = 0;
        for token in Lexer::of_bytes(&text, options) {
            prop_assert_eq!(token.span.start, at);
            prop_assert!(token.span.end > at);
            at = token.span.end;
        }
        prop_assert_eq!(at as usize, text.len());
    }

    #[test]
    fn tokens_cover_tricky_text_and_decode_without_panic(text in tricky(), on: bool) {
        let options = Options { standard_conforming_strings: on };
        let mut at = 0;
        for token in Lexer::new(&text, options) {
            prop_assert_eq!(token.span.start, at);
            prop_assert!(token.span.end > at);
            at = token.span.end;
            prop_assert!(text.is_char_boundary(at as usize));
            let bytes = token.span.of(&text);
            match token.kind {
                TokenKind::String(kind) => { let _ = decode::string(kind, bytes); }
                TokenKind::BinaryBits | TokenKind::HexBits => {
                    prop_assert!(decode::bits(bytes).is_ok());
                }
                kind if kind.is_name() => {
                    if let Ok(name) = decode::identifier(kind, bytes) {
                        prop_assert!(name.len() < 64);
                    }
                }
                _ => {}
            }
        }
        prop_assert_eq!(at as usize, text.len());
    }

    /// A token cut alone is the token cut in place: what comes before has no influence.
    #[test]
    fn a_token_alone_is_the_same_token(text in tricky()) {
        for token in Lexer::new(&text, Options::default()) {
            let alone = token.span.of(&text);
            let first = Lexer::new(alone, Options::default()).next().unwrap();
            // Only the `n` of `N'…'` depends on what follows.
            if token.kind != TokenKind::National {
                prop_assert_eq!(first.kind, token.kind, "{:?} in {:?}", alone, text);
                prop_assert_eq!(first.span.len(), alone.len());
            }
        }
    }
}
