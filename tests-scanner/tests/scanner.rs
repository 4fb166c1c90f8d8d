//! The lexer's tokens are those of PostgreSQL's own scanner: same borders, same kinds, or both reject.

use pg_query::protobuf::{KeywordKind, Token as Kind};
use proptest::prelude::*;
use router_core::sql::lexer::decode::{self, DecodeError};
use router_core::sql::lexer::{
    Keyword, LexError, Lexer, Options, StringKind, TokenKind, param_number,
};

/// A token's borders and its kind by PostgreSQL's name.
type Seen = (u32, u32, String);

/// What PostgreSQL's scanner says; `None` when it rejects the text.
fn theirs(text: &str) -> Option<Vec<Seen>> {
    let scanned = pg_query::scan(text).ok()?;
    let tokens = scanned.tokens.iter().map(|token| {
        let name = if token.keyword_kind != KeywordKind::NoKeyword as i32 {
            "KEYWORD".to_owned()
        } else {
            // Characters that no rule covers are tokens of their own number, not all of them named.
            Kind::try_from(token.token)
                .map(|kind| kind.as_str_name().to_owned())
                .unwrap_or_else(|_| format!("ASCII_{}", token.token))
        };
        (token.start as u32, token.end as u32, name)
    });
    Some(tokens.collect())
}

/// What ours says, in the same names.
fn ours(text: &str) -> Option<Vec<Seen>> {
    let mut seen = Vec::new();
    for token in Lexer::new(text, Options::default()) {
        let spelled = token.span.of(text);
        use TokenKind as T;
        let name = match token.kind {
            T::Space => continue,
            T::LineComment => "SQL_COMMENT",
            T::BlockComment => "C_COMMENT",
            T::Ident if is_keyword(spelled) => "KEYWORD",
            T::National => "KEYWORD",
            T::Ident | T::QuotedIdent => "IDENT",
            T::UnicodeIdent => "UIDENT",
            T::String(StringKind::Unicode) => "USCONST",
            T::String(StringKind::Escape)
                if matches!(
                    decode::string(StringKind::Escape, spelled),
                    Err(error) if error != DecodeError::Ambiguous
                ) =>
            {
                return None;
            }
            T::String(_) => "SCONST",
            T::BinaryBits => "BCONST",
            T::HexBits => "XCONST",
            T::Integer if spelled.parse::<i32>().is_ok() => "ICONST",
            T::NewNumber if is_small(spelled) => "ICONST",
            T::NewNumber => "FCONST",
            T::Integer | T::Numeric => "FCONST",
            T::Param => {
                assert!(param_number(spelled.as_bytes()).is_some());
                "PARAM"
            }
            T::Operator => "Op",
            T::LeftParen => "ASCII_40",
            T::RightParen => "ASCII_41",
            T::Star => "ASCII_42",
            T::Plus => "ASCII_43",
            T::Comma => "ASCII_44",
            T::Minus => "ASCII_45",
            T::Dot => "ASCII_46",
            T::Slash => "ASCII_47",
            T::Colon => "ASCII_58",
            T::Semicolon => "ASCII_59",
            T::Less => "ASCII_60",
            T::Equals => "ASCII_61",
            T::Greater => "ASCII_62",
            T::LeftBracket => "ASCII_91",
            T::RightBracket => "ASCII_93",
            T::Percent => "ASCII_37",
            T::Caret => "ASCII_94",
            T::Typecast => "TYPECAST",
            T::DotDot => "DOT_DOT",
            T::ColonEquals => "COLON_EQUALS",
            T::EqualsGreater => "EQUALS_GREATER",
            T::LessEquals => "LESS_EQUALS",
            T::GreaterEquals => "GREATER_EQUALS",
            T::NotEquals => "NOT_EQUALS",
            T::Other => {
                let name = format!("ASCII_{}", spelled.as_bytes()[0]);
                seen.push((token.span.start, token.span.end, name));
                continue;
            }
            T::Error(_) => return None,
        };
        seen.push((token.span.start, token.span.end, name.to_owned()));
    }
    Some(seen)
}

/// Their scanner knows keywords that came after version 15.
fn is_keyword(word: &str) -> bool {
    const SINCE: &[&str] = &[
        "absent",
        "conditional",
        "empty",
        "error",
        "format",
        "indent",
        "json",
        "json_array",
        "json_arrayagg",
        "json_exists",
        "json_object",
        "json_objectagg",
        "json_query",
        "json_scalar",
        "json_serialize",
        "json_table",
        "json_value",
        "keep",
        "keys",
        "merge_action",
        "nested",
        "omit",
        "path",
        "plan",
        "quotes",
        "scalar",
        "source",
        "string",
        "system_user",
        "target",
        "unconditional",
    ];
    Keyword::lookup(word.as_bytes()).is_some()
        || SINCE.contains(&word.to_ascii_lowercase().as_str())
}

/// Whether a number in one of the new spellings is an integer of 32 bits.
fn is_small(spelled: &str) -> bool {
    let digits = spelled.replace('_', "");
    let (digits, radix) = match digits.get(..2) {
        Some("0x" | "0X") => (&digits[2..], 16),
        Some("0o" | "0O") => (&digits[2..], 8),
        Some("0b" | "0B") => (&digits[2..], 2),
        _ => (&digits[..], 10),
    };
    i32::from_str_radix(digits, radix).is_ok()
}

/// Whether libpg_query departs from the server here. It makes tokens of comments, so that a string does
/// not go on after one; and it takes out the server's checks of what follows a parameter's number.
/// The system test `lexer` asks a server about strings, and these rules have unit tests.
fn is_beyond_the_oracle(text: &str) -> bool {
    Lexer::new(text, Options::default()).any(|token| match token.kind {
        TokenKind::Error(LexError::ParamJunk | LexError::ParamTooLarge) => true,
        TokenKind::String(_) | TokenKind::BinaryBits | TokenKind::HexBits | TokenKind::Error(_) => {
            token.span.of(text).contains("--")
        }
        _ => false,
    })
}

#[track_caller]
fn agree(text: &str) {
    assert_eq!(ours(text), theirs(text), "{text:?}");
}

#[test]
fn corpus() {
    for text in include_str!("corpus.sql").split("\n----\n") {
        agree(text);
        assert!(
            ours(text).is_some(),
            "a corpus is of what is accepted: {text}"
        );
    }
}

#[test]
fn what_the_scanner_rejects() {
    for text in [
        "'a",
        "\"a",
        "\"\"",
        "U&\"\"",
        "$a$ $b$",
        "/* /* */",
        "/*/",
        "1a",
        "1e+",
        "0x",
        "1__0",
        "0_0$''",
        "1.0_5$",
        "1e1_0$",
        "E'\\u12'",
        "E'\\ud83d'",
        "E'\\xff'",
        "E'\\0'",
        "B'0",
        "x'",
    ] {
        agree(text);
        assert!(ours(text).is_none(), "{text}");
    }
    let operator = "@".repeat(64);
    agree(&operator);
}

/// Pieces at which the rules branch. No vertical tab: whether it is white space depends on the version.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "'",
        "'",
        "\"",
        "$",
        "$$",
        "$a$",
        "\\",
        "\n",
        "\r",
        "\t",
        " ",
        " ",
        "--",
        "/*",
        "*/",
        "/",
        "*",
        "-",
        "+",
        "<",
        ">",
        "=",
        "!",
        "@",
        "#",
        "&",
        "|",
        "?",
        "%",
        "^",
        "~",
        "`",
        "a",
        "B",
        "E",
        "e'",
        "U&",
        "u&'",
        "U&\"",
        "B'",
        "x'",
        "n'",
        "N",
        "0",
        "1",
        "42",
        "0x",
        "0b1",
        "0o7",
        "_",
        ".",
        "..",
        "e",
        "e+",
        ":",
        "::",
        ":=",
        "(",
        ")",
        "[",
        "]",
        ";",
        ",",
        "é",
        "😀",
        "{",
        "select",
        "IN",
        "null",
        "json_table",
        "uescape",
        "$1",
        "''",
        "\"\"",
        "'a'\n'b'",
        "'a' --x\n 'b'",
        "\\x41",
        "\\u0041",
        "\\'",
    ]);
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000,
        max_global_rejects: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn tricky_pieces(text in pieces()) {
        prop_assume!(!is_beyond_the_oracle(&text));
        prop_assert_eq!(ours(&text), theirs(&text), "{:?}", text);
    }

    #[test]
    fn any_ascii(text in "[ -~\t\n\r]{0,30}") {
        prop_assume!(!is_beyond_the_oracle(&text));
        prop_assert_eq!(ours(&text), theirs(&text), "{:?}", text);
    }
}
