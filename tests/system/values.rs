//! Conversions to a key's type say what the server says: its value, its null or its SQLSTATE.

use anyhow::Result;
use bytes::BytesMut;
use local_postgres::Server;
use postgres_types::{Format as WireFormat, IsNull, ToSql, Type, to_sql_checked};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use router_core::value::{Folded, Format, KeyType, KeyValue, LiteralClass, Outcome, PgError};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::keys::connect;

/// `verdict(sql)` runs a query of one text and says `=text`, `null`, or the SQLSTATE.
const VERDICT: &str = "
    CREATE FUNCTION verdict(sql text) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE r text;
    BEGIN
        EXECUTE sql INTO r;
        RETURN coalesce('=' || r, 'null');
    EXCEPTION WHEN OTHERS THEN RETURN SQLSTATE;
    END $$;
    CREATE TABLE keys_bigint (k bigint); CREATE TABLE keys_text (k text); CREATE TABLE keys_uuid (k uuid);";

/// A constant expression.
#[derive(Clone, Debug)]
enum Constant {
    Null,
    Digits(String),
    Numeric(String),
    Quoted(String),
    Negate(Box<Self>),
    Arithmetic(char, Box<Self>, Box<Self>),
    Cast(Box<Self>, &'static str),
}

impl Constant {
    fn sql(&self) -> String {
        match self {
            Self::Null => "NULL".into(),
            Self::Digits(text) | Self::Numeric(text) => text.clone(),
            Self::Quoted(text) => router_core::topology::predicate::string(text),
            Self::Negate(inner) => format!("(- {})", inner.sql()),
            Self::Arithmetic(op, a, b) => format!("({} {op} {})", a.sql(), b.sql()),
            Self::Cast(inner, to) => format!("CAST({} AS {to})", inner.sql()),
        }
    }

    /// Whether it can hold only one error, so that it is known which the server reports.
    fn is_plain(&self) -> bool {
        !matches!(
            self,
            Self::Negate(_) | Self::Arithmetic(..) | Self::Cast(..)
        )
    }

    fn folded(&self) -> Folded<'_> {
        match self {
            Self::Null => Folded::literal(LiteralClass::Null, "NULL"),
            Self::Digits(text) => Folded::literal(LiteralClass::Integer, text),
            Self::Numeric(text) => Folded::literal(LiteralClass::Numeric, text),
            Self::Quoted(text) => Folded::literal(LiteralClass::String, text),
            Self::Negate(inner) => inner.folded().negate(),
            Self::Arithmetic(op, a, b) => a.folded().arithmetic(*op, b.folded()),
            Self::Cast(inner, to) => inner.folded().cast(to),
        }
    }
}

/// Numbers around every limit, and others.
fn digits() -> impl Strategy<Value = String> {
    let limits = [
        32767_i128,
        2_147_483_647,
        i64::MAX.into(),
        99_999_999_999_999_999_999,
    ];
    prop_oneof![
        (0_u32..100).prop_map(|v| v.to_string()),
        (prop::sample::select(limits.to_vec()), -2_i128..3).prop_map(|(l, d)| (l + d).to_string()),
        any::<u64>().prop_map(|v| v.to_string()),
        "0{0,3}[1-9][0-9]{0,45}",
    ]
}

fn decimal() -> impl Strategy<Value = String> {
    prop_oneof![
        (digits(), "\\.[05]{0,3}").prop_map(|(w, f)| w + &f),
        "[0-9]{1,4}\\.[0-9]{1,4}",
        "\\.[0-9]{1,4}",
        "[0-9]{1,3}(\\.[0-9]{0,3})?[eE][-+]?[0-9]{1,2}",
    ]
}

/// What may stand in quotes: numbers and uuids, right, nearly right and wrong.
fn quoted() -> impl Strategy<Value = String> {
    prop_oneof![
        (" {0,2}", "[-+]?", digits(), "[ \t\n]{0,2}").prop_map(|(a, s, d, b)| a + &s + &d + &b),
        (" {0,1}", "[-+]?", decimal()).prop_map(|(a, s, d)| a + &s + &d),
        "\\{?[0-9a-fA-F]{8}-?[0-9a-f]{4}-?[0-9A-F]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\\}?",
        "[0-9a-f]{4}(-?[0-9a-f]{4}){7}",
        "[-+0-9a-f .e_x]{0,8}",
        "\\PC{0,6}",
        prop::sample::select(vec![
            "NaN",
            "inf",
            "-Infinity",
            "+nan",
            "",
            "0x1F",
            "1_000",
            "\u{b}7\u{c}"
        ])
        .prop_map(str::to_owned),
    ]
}

fn constant() -> impl Strategy<Value = Constant> {
    let leaf = prop_oneof![
        1 => Just(Constant::Null),
        5 => digits().prop_map(Constant::Digits),
        4 => decimal().prop_map(Constant::Numeric),
        5 => quoted().prop_map(Constant::Quoted),
    ];
    let types = [
        "bigint",
        "integer",
        "smallint",
        "numeric",
        "text",
        "character varying",
        "uuid",
    ];
    leaf.prop_recursive(3, 6, 2, move |inner| {
        prop_oneof![
            2 => inner.clone().prop_map(|c| Constant::Negate(c.into())),
            2 => (prop::sample::select(vec!['+', '-', '*']), inner.clone(), inner.clone())
                .prop_map(|(op, a, b)| Constant::Arithmetic(op, a.into(), b.into())),
            2 => (inner, prop::sample::select(types.to_vec()))
                .prop_map(|(c, to)| Constant::Cast(c.into(), to)),
        ]
    })
}

fn key_types() -> [KeyType; 3] {
    [KeyType::Bigint, KeyType::Text, KeyType::Uuid]
}

/// Counts of what was found out, so that a test cannot pass by knowing nothing.
#[derive(Default, Debug)]
struct Tally {
    values: usize,
    nulls: usize,
    no_match: usize,
    invalid: usize,
    unknown: usize,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome<'_>) {
        *match outcome {
            Outcome::Value(_) => &mut self.values,
            Outcome::Null => &mut self.nulls,
            Outcome::NoMatch => &mut self.no_match,
            Outcome::Invalid(_) => &mut self.invalid,
            Outcome::Unknown => &mut self.unknown,
        } += 1;
    }
}

/// Stands for every SQLSTATE.
const ANY_ERROR: &str = "any error";

fn error(c: &Constant, e: &PgError) -> String {
    if c.is_plain() {
        e.sqlstate.to_string()
    } else {
        ANY_ERROR.to_owned()
    }
}

fn is_error(verdict: &str) -> bool {
    !verdict.starts_with('=') && verdict != "null"
}

async fn verdicts(client: &Client, queries: &[String]) -> Result<Vec<String>> {
    let rows = client
        .query(
            "SELECT verdict(q) FROM unnest($1::text[]) WITH ORDINALITY AS u(q, n) ORDER BY n",
            &[&queries],
        )
        .await?;
    Ok(rows.iter().map(|r| r.get(0)).collect())
}

fn as_constant(key: &KeyValue<'_>) -> String {
    router_core::topology::predicate::constant(key)
}

#[tokio::test]
async fn constants_equal_what_the_server_says() -> Result<()> {
    let server = Server::builder().start()?;
    let client = connect(&server, "postgres").await?;
    client.batch_execute(VERDICT).await?;
    let mut runner = TestRunner::deterministic();
    let constants = prop::collection::vec(constant(), 6000)
        .new_tree(&mut runner)
        .expect("constants")
        .current();
    let mut tally = Tally::default();
    for key_type in key_types() {
        let mut queries = Vec::new();
        let mut expected = Vec::new();
        for c in &constants {
            let outcome = c.folded().equals(key_type);
            tally.count(&outcome);
            // A key, and the constant compared with it.
            let (key, verdict) = match outcome {
                Outcome::Value(v) => (as_constant(&v), "=true".to_owned()),
                // The nearest key, which is as good as any: the constant must not equal it.
                Outcome::NoMatch => (
                    format!(
                        "round(greatest(least({0}, 9223372036854775807), -9223372036854775808))",
                        c.sql()
                    ),
                    "=false".to_owned(),
                ),
                Outcome::Null => ("NULL".to_owned(), "null".to_owned()),
                Outcome::Invalid(e) => ("NULL".to_owned(), error(c, &e)),
                Outcome::Unknown => continue,
            };
            queries.push(format!(
                "SELECT (CAST({key} AS {key_type}) = {})::text",
                c.sql()
            ));
            expected.push(verdict);
        }
        let verdicts = verdicts(&client, &queries).await?;
        for ((query, expected), verdict) in queries.iter().zip(&expected).zip(&verdicts) {
            let agrees = verdict == expected || (expected == ANY_ERROR && is_error(verdict));
            assert!(agrees, "{query}: {verdict}, not {expected}");
        }
    }
    assert!(
        tally.values > 1000 && tally.no_match > 500 && tally.invalid > 2000,
        "{tally:?}"
    );
    assert!(tally.nulls > 100, "{tally:?}");
    Ok(())
}

#[tokio::test]
async fn constants_are_stored_as_the_server_stores_them() -> Result<()> {
    let server = Server::builder().start()?;
    let client = connect(&server, "postgres").await?;
    client.batch_execute(VERDICT).await?;
    let mut runner = TestRunner::deterministic();
    let constants = prop::collection::vec(constant(), 6000)
        .new_tree(&mut runner)
        .expect("constants")
        .current();
    let mut tally = Tally::default();
    for key_type in key_types() {
        let mut queries = Vec::new();
        let mut expected = Vec::new();
        for c in &constants {
            let outcome = c.folded().assigned(key_type);
            tally.count(&outcome);
            expected.push(match outcome {
                Outcome::Value(v) => format!("={v}"),
                Outcome::Null => "null".to_owned(),
                Outcome::Invalid(e) => error(c, &e),
                Outcome::NoMatch => panic!("{c:?}: an assignment always has an outcome"),
                Outcome::Unknown => continue,
            });
            queries.push(format!(
                "INSERT INTO keys_{key_type} VALUES ({}) RETURNING k::text",
                c.sql()
            ));
        }
        let verdicts = verdicts(&client, &queries).await?;
        for ((query, expected), verdict) in queries.iter().zip(&expected).zip(&verdicts) {
            let agrees = verdict == expected || (expected == ANY_ERROR && is_error(verdict));
            assert!(agrees, "{query}: {verdict}, not {expected}");
        }
    }
    assert!(
        tally.values > 4000 && tally.invalid > 2000 && tally.nulls > 100,
        "{tally:?}"
    );
    Ok(())
}

/// Bytes as a parameter's value, in either format.
#[derive(Debug)]
struct Raw<'a>(&'a [u8], Format);

impl ToSql for Raw<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> WireFormat {
        match self.1 {
            Format::Text => WireFormat::Text,
            Format::Binary => WireFormat::Binary,
        }
    }

    to_sql_checked!();
}

/// Bytes of binary parameters: right for some type, or nearly.
fn binary() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|v| v.to_be_bytes().to_vec()),
        any::<i32>().prop_map(|v| v.to_be_bytes().to_vec()),
        any::<i16>().prop_map(|v| v.to_be_bytes().to_vec()),
        any::<[u8; 16]>().prop_map(|v| v.to_vec()),
        prop::collection::vec(any::<u8>(), 0..20),
        "\\PC{0,70}".prop_map(String::into_bytes),
        // numeric: digits in base 10000 after count, weight, sign and scale
        (
            prop::collection::vec(0_u16..10_001, 0..6),
            -3_i16..6,
            prop::sample::select(vec![0_u16, 0x4000, 0xC000, 0xD000, 0xF000]),
            0_u16..10,
        )
            .prop_map(|(digits, weight, sign, scale)| {
                let mut bytes = (digits.len() as u16).to_be_bytes().to_vec();
                bytes.extend(weight.to_be_bytes());
                bytes.extend(sign.to_be_bytes());
                bytes.extend(scale.to_be_bytes());
                bytes.extend(digits.iter().flat_map(|d| d.to_be_bytes()));
                bytes
            }),
    ]
}

#[tokio::test]
async fn parameters_equal_what_the_server_says() -> Result<()> {
    let server = Server::builder().start()?;
    let client = connect(&server, "postgres").await?;
    let mut runner = TestRunner::deterministic();
    let texts = prop::collection::vec(quoted(), 250)
        .new_tree(&mut runner)
        .expect("texts")
        .current();
    let binaries = prop::collection::vec(binary(), 250)
        .new_tree(&mut runner)
        .expect("binaries")
        .current();
    let mut values: Vec<(Vec<u8>, Format)> = Vec::new();
    values.extend(texts.into_iter().map(|t| (t.into_bytes(), Format::Text)));
    values.push(("é".repeat(40).into_bytes(), Format::Text));
    values.push((vec![b'a', 0xff], Format::Text));
    values.push((vec![b'a', 0], Format::Text));
    values.extend(binaries.into_iter().map(|b| (b, Format::Binary)));
    let types = [
        (Type::INT2, "smallint"),
        (Type::INT4, "integer"),
        (Type::INT8, "bigint"),
        (Type::NUMERIC, "numeric"),
        (Type::TEXT, "text"),
        (Type::VARCHAR, "varchar"),
        (Type::NAME, "name"),
        (Type::UUID, "uuid"),
        (Type::UNKNOWN, ""),
        (Type::BPCHAR, "bpchar"),
    ];
    let mut tally = Tally::default();
    for key_type in key_types() {
        for (declared, name) in &types {
            for (bytes, format) in &values {
                let outcome =
                    Folded::parameter(declared.oid(), *format, Some(bytes)).equals(key_type);
                tally.count(&outcome);
                let key = match &outcome {
                    Outcome::Value(v) => as_constant(v),
                    Outcome::NoMatch => "0".to_owned(),
                    Outcome::Null => panic!("{bytes:?} is not null"),
                    Outcome::Invalid(_) => "NULL".to_owned(),
                    Outcome::Unknown => continue,
                };
                let sql = format!("SELECT CAST({key} AS {key_type}) = $1");
                let verdict = match client
                    .prepare_typed(&sql, std::slice::from_ref(declared))
                    .await
                {
                    Err(e) => Err(e),
                    Ok(statement) => client.query_one(&statement, &[&Raw(bytes, *format)]).await,
                };
                let context = || format!("{sql} with {name} {bytes:?} in {format:?}: {outcome:?}");
                match (verdict, &outcome) {
                    (Ok(row), Outcome::Value(_)) => {
                        assert_eq!(row.get::<_, Option<bool>>(0), Some(true), "{}", context());
                    }
                    (Ok(row), Outcome::NoMatch) => {
                        assert_eq!(row.get::<_, Option<bool>>(0), Some(false), "{}", context());
                    }
                    // An integer of another width than the key's: an error on any shard, so also on this one.
                    (Err(e), Outcome::Value(KeyValue::Bigint(_)))
                        if *declared == Type::UNKNOWN && bytes.len() < 8 =>
                    {
                        let code = e.code().map(SqlState::code);
                        assert!(matches!(code, Some("22P03" | "08P01")), "{}", context());
                    }
                    (Err(e), Outcome::Invalid(ours)) => {
                        let theirs = e.code().map(|c| c.code().to_owned()).unwrap_or_default();
                        // The types are looked at before the value; which of two errors malformed
                        // binary data gets is of no use to anybody.
                        let malformed = ["22P03", "08P01"];
                        let alike = theirs == ours.sqlstate.as_str()
                            || theirs == "42883"
                            || (malformed.contains(&theirs.as_str())
                                && malformed.contains(&ours.sqlstate.as_str()));
                        assert!(alike, "{}: {e:?}", context());
                    }
                    (theirs, _) => panic!("{}: {theirs:?}", context()),
                }
            }
        }
    }
    assert!(
        tally.values > 500 && tally.no_match > 50 && tally.invalid > 2000,
        "{tally:?}"
    );
    Ok(())
}
