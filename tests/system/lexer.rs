//! The lexer says what the server says: values of strings, names of identifiers, borders of tokens.

use anyhow::Result;
use local_postgres::Server;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use router_core::sql::lexer::decode::{self, DecodeError};
use router_core::sql::lexer::{Lexer, Options, TokenKind};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::keys::connect;

const ON: Options = Options {
    standard_conforming_strings: true,
};
const OFF: Options = Options {
    standard_conforming_strings: false,
};

/// The first row's column name and value, or the SQLSTATE.
async fn answer(client: &Client, sql: &str) -> Result<(String, Option<String>), String> {
    let messages = match client.simple_query(sql).await {
        Ok(messages) => messages,
        Err(error) => {
            let code = error.code().unwrap_or_else(|| panic!("{sql:?}: {error}"));
            return Err(code.code().to_owned());
        }
    };
    for message in messages {
        if let SimpleQueryMessage::Row(row) = message {
            // `SELECT` alone gives a row without columns.
            let Some(column) = row.columns().first() else {
                return Ok((String::new(), None));
            };
            return Ok((column.name().to_owned(), row.get(0).map(str::to_owned)));
        }
    }
    Err("no row".to_owned())
}

fn samples<S: Strategy>(strategy: S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::default();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

/// String constants in every spelling, some of which the server rejects.
fn constants() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "é",
        "😀",
        " ",
        "\n",
        "''",
        "\\\\",
        "\\n",
        "\\'",
        "\\b",
        "\\x4",
        "\\xc3\\xa9",
        "\\xff",
        "\\101",
        "\\7",
        "\\777",
        "\\0",
        "\\u0041",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\\ud83d",
        "\\ude00",
        "\\U0001F600",
        "\\U00110000",
        "\\u12",
        "\\0061",
        "\\+01F600",
        "\\d83d\\de00",
        "\\d83d",
        "\\+110000",
        "\\0000",
        "$",
        "--",
        "/*",
        "'\n'",
        "' -- c\n\t'",
        "\\q",
        "1",
    ]);
    let spelling = prop::sample::select(vec!["'", "E'", "e'", "U&'", "u&'"]);
    let quoted = (spelling, prop::collection::vec(piece, 0..5))
        .prop_map(|(open, inside)| format!("{open}{}'", inside.concat()));
    let dollar = prop::sample::select(vec!["$$", "$a$", "$é_1$"]).prop_flat_map(|tag| {
        let piece = prop::sample::select(vec!["a", "'", "\\n", "$b$", "$ ", "\n"]);
        prop::collection::vec(piece, 0..5)
            .prop_map(move |inside| format!("{tag}{}{tag}", inside.concat()))
    });
    prop_oneof![4 => quoted, 1 => dollar]
}

async fn strings_agree(client: &Client, options: Options) -> (usize, usize) {
    let (mut values, mut errors) = (0, 0);
    for constant in samples(constants(), 1500) {
        // On a line of its own: a text of the alphabet may end in a comment.
        let sql = format!("SELECT {constant}\n AS v");
        let tokens: Vec<_> = Lexer::new(&constant, options).significant().collect();
        // The alphabet makes some texts that are more than one constant; borders are another test.
        let [token] = tokens[..] else { continue };
        let theirs = answer(client, &sql).await;
        let ours = match token.kind {
            TokenKind::String(kind) => decode::string(kind, token.span.of(&constant)),
            _ => Err(DecodeError::Kind),
        };
        match ours {
            Ok(value) => {
                assert_eq!(theirs, Ok(("v".into(), Some(value.into()))), "{sql:?}");
                values += 1;
            }
            Err(error) => {
                assert!(theirs.is_err(), "{sql:?}: {error} but {theirs:?}");
                errors += 1;
            }
        }
    }
    (values, errors)
}

#[tokio::test]
async fn strings_have_the_values_the_server_gives_them() -> Result<()> {
    let server = Server::builder().start()?;
    let client = connect(&server, "postgres").await?;
    let (values, errors) = strings_agree(&client, ON).await;
    assert!(values > 300 && errors > 100, "{values} {errors}");
    client
        .batch_execute("SET standard_conforming_strings = off; SET escape_string_warning = off")
        .await?;
    let (values, errors) = strings_agree(&client, OFF).await;
    assert!(values > 300 && errors > 100, "{values} {errors}");
    Ok(())
}

#[tokio::test]
async fn identifiers_have_the_names_the_server_gives_them() -> Result<()> {
    let server = Server::builder().start()?;
    let client = connect(&server, "postgres").await?;
    let piece = prop::sample::select(vec![
        "a",
        "B",
        "Z_",
        "é",
        "Ä",
        "😀",
        "1",
        "$",
        "xxxxxxxxxxxxxxxxxxxx",
        "ÄÄÄÄÄÄÄÄÄÄ",
    ]);
    let plain =
        prop::collection::vec(piece, 1..9).prop_map(|pieces| format!("q{}", pieces.concat()));
    let inside = prop::sample::select(vec![
        "a",
        "B",
        " ",
        "\"\"",
        "'",
        "\\\\",
        "\\0041",
        "\\+01F600",
        "\\d83d\\de00",
        "\\zz",
        "é",
        "--",
        "xxxxxxxxxxxxxxxxxxxx",
        "éééééééééé",
    ]);
    let quoted = (
        prop::sample::select(vec!["\"", "U&\"", "u&\""]),
        prop::collection::vec(inside, 0..9),
    )
        .prop_map(|(open, inside)| format!("{open}{}\"", inside.concat()));
    let mut names = 0;
    for identifier in samples(prop_oneof![plain, quoted], 1500) {
        let tokens: Vec<_> = Lexer::new(&identifier, ON).significant().collect();
        let [token] = tokens[..] else { continue };
        let theirs = answer(&client, &format!("SELECT 1 AS {identifier}")).await;
        match decode::identifier(token.kind, &identifier) {
            Ok(name) => {
                assert_eq!(
                    theirs,
                    Ok((name.into(), Some("1".into()))),
                    "{identifier:?}"
                );
                names += 1;
            }
            Err(error) => assert!(theirs.is_err(), "{identifier:?}: {error} but {theirs:?}"),
        }
    }
    assert!(names > 700, "{names}");
    Ok(())
}

/// A text and its tokens with spaces between are the same statement to the server.
#[tokio::test]
async fn tokens_apart_are_the_statement_they_were_together() -> Result<()> {
    let server = Server::builder().start()?;
    let client = connect(&server, "postgres").await?;
    let piece = prop::sample::select(vec![
        "1",
        "2",
        ".5",
        "1.",
        "1e1",
        "'a'",
        "'3'",
        "E'4'",
        "B'1'",
        "N'b'",
        "$$5$$",
        "-",
        "-",
        "+",
        "*",
        "/",
        "%",
        "^",
        "<",
        ">",
        "=",
        "!=",
        "<>",
        "<=",
        "||",
        "@",
        "|/",
        "!",
        "~",
        "::",
        "int",
        "text",
        "(",
        ")",
        " ",
        "\n",
        "/*c*/",
        "/*/**/*/",
        "--d\n",
        "date",
        "'2020-01-01'",
        "AS",
        "x",
        "\"y\"",
        ",",
        "and",
        "not",
        "true",
        "null",
        "is",
    ]);
    let mut values = 0;
    for pieces in samples(prop::collection::vec(piece, 1..8), 4000) {
        let text = format!("SELECT {}", pieces.concat());
        let tokens: Vec<_> = Lexer::new(&text, ON).significant().collect();
        let theirs = answer(&client, &text).await;
        if tokens
            .iter()
            .any(|token| matches!(token.kind, TokenKind::Error(_)))
        {
            assert!(theirs.is_err(), "{text:?}: {theirs:?}");
            continue;
        }
        let mut apart = String::new();
        for token in tokens {
            // The `n` of `N'…'` stands for this keyword.
            let national = token.kind == TokenKind::National;
            apart.push_str(if national {
                "nchar"
            } else {
                token.span.of(&text)
            });
            apart.push(' ');
        }
        values += usize::from(theirs.is_ok());
        assert_eq!(answer(&client, &apart).await, theirs, "{text:?} {apart:?}");
    }
    assert!(values > 300, "{values}");
    Ok(())
}
