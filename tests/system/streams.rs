//! The stream of a COPY FROM is read as the server reads it: rows, and every field of them.

use anyhow::Result;
use bytes::Bytes;
use futures_util::SinkExt;
use local_postgres::Server;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use router_core::copy::{Fault, Forced, Format, KeyField, Kind, Splitter, To};
use router_core::id::ShardId;
use tokio_postgres::Client;

use crate::keys::connect;

type Rows = Vec<Vec<Option<String>>>;

/// What the server stores, or the message of its error.
async fn stored(client: &Client, options: &str, stream: &[u8]) -> Result<Rows, String> {
    client.batch_execute("truncate c").await.unwrap();
    let sql = format!("copy c from stdin ({options})");
    let copied = async {
        let sink = client.copy_in::<_, Bytes>(&sql).await?;
        let mut sink = Box::pin(sink);
        sink.send(Bytes::copy_from_slice(stream)).await?;
        sink.as_mut().finish().await
    };
    if let Err(error) = copied.await {
        let error = error.as_db_error().expect("an error of the server");
        return Err(error.message().to_owned());
    }
    let rows = client.query("select k, v from c order by ctid", &[]).await;
    let rows = rows.unwrap();
    Ok(rows
        .iter()
        .map(|row| vec![row.get(0), row.get(1)])
        .collect())
}

/// What the router reads; `None` when it leaves an error to the server.
fn read(format: &Format, stream: &[u8]) -> Result<Option<Rows>, String> {
    let key = |position: usize, name: &str| KeyField {
        position,
        force_not_null: format.force_not_null.has(name),
        force_null: format.force_null.has(name),
    };
    let mut splitter = Splitter::new(format.clone(), vec![key(0, "k"), key(1, "v")], 2);
    let mut rows = Rows::new();
    let mut place = |key: &[Option<&[u8]>]| -> Result<Option<ShardId>, Fault> {
        let text = |v: &Option<&[u8]>| v.map(|v| String::from_utf8_lossy(v).into_owned());
        rows.push(key.iter().map(text).collect());
        Ok(Some(ShardId(0)))
    };
    let mut deliver = |_: To, _: &[u8], _: u64| {};
    let read = stream
        .chunks(3)
        .try_for_each(|piece| splitter.feed(piece, &mut place, &mut deliver))
        .and_then(|()| splitter.finish(&mut place, &mut deliver));
    match read {
        Err(fault) => Err(fault.message),
        Ok(()) => Ok((!splitter.is_rejected()).then_some(rows)),
    }
}

fn text(pieces: &[&'static str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let piece = prop::sample::select(pieces.to_vec());
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat().into_bytes())
}

fn samples<S: Strategy>(strategy: S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::default();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

fn csv() -> Format {
    Format {
        kind: Kind::Csv,
        delimiter: b',',
        null: Vec::new(),
        ..Format::read(&[]).unwrap()
    }
}

const TEXT: &[&str] = &[
    "a\tb\n", "a\tb\n", "a", "é", "\t", "\t", "\n", "\r", "\r\n", "\\", "\\.", "\\.\n", "\\.\r\n",
    "\\N", "\\t", "\\x4", "\\x41", "\\1", "\\101", "\\\n", "|",
];

const CSV: &[&str] = &[
    "a,b\n",
    "a,b\n",
    "\"a\",b\n",
    "a",
    "é",
    ",",
    ",",
    "\n",
    "\r",
    "\r\n",
    "\"",
    "\"",
    "\"\"",
    "'",
    "'",
    "\\",
    "\\.",
    "\\.\n",
    "\\\"",
    "\\'",
    "NULL",
    "\"\n\"",
];

/// How many streams of each format are read.
const COUNT: usize = 1500;

#[tokio::test]
async fn rows_and_fields_are_those_of_the_server() -> Result<()> {
    let server = Server::builder().database("test").start()?;
    let client = connect(&server, "test").await?;
    client
        .batch_execute("create unlogged table c (k text, v text)")
        .await?;
    let plain = Format::read(&[]).unwrap();
    let formats: Vec<(&str, Format, &[&str])> = vec![
        ("format text", plain.clone(), TEXT),
        (
            "delimiter '|', null 'a', header",
            Format {
                delimiter: b'|',
                null: b"a".to_vec(),
                header: true,
                ..plain
            },
            TEXT,
        ),
        ("format csv", csv(), CSV),
        (
            "format csv, quote '''', escape E'\\\\', null 'NULL', force_null (v), header",
            Format {
                quote: b'\'',
                escape: b'\\',
                null: b"NULL".to_vec(),
                force_null: Forced::Columns(vec!["v".into()]),
                header: true,
                ..csv()
            },
            CSV,
        ),
        (
            "format csv, escape 'a', force_not_null (v)",
            Format {
                escape: b'a',
                force_not_null: Forced::Columns(vec!["v".into()]),
                ..csv()
            },
            CSV,
        ),
    ];
    let (mut same, mut faults) = (0, 0);
    for (options, format, pieces) in &formats {
        for stream in samples(text(pieces), COUNT) {
            let shown = String::from_utf8_lossy(&stream).into_owned();
            match (
                stored(&client, options, &stream).await,
                read(format, &stream),
            ) {
                (Ok(rows), read) => {
                    assert_eq!(read, Ok(Some(rows)), "{options}: {shown:?}");
                    same += 1;
                }
                // What is wrong with the stream as a whole no shard would notice.
                (Err(message), read)
                    if message.contains("end-of-copy") || message.contains("found in data") =>
                {
                    assert_eq!(read, Err(message), "{options}: {shown:?}");
                    faults += 1;
                }
                // Rows with too few fields must not be taken for others.
                (Err(message), read) if message.starts_with("missing data") => {
                    let rows = read.map(|rows| rows.map(|rows| rows.len()));
                    assert_eq!(rows, Ok(None), "{options}: {shown:?}: {message}");
                }
                (Err(_), _) => {}
            }
        }
    }
    println!("{same} streams read alike, {faults} refused alike");
    assert!(same > COUNT && faults > COUNT / 4, "{same}, {faults}");
    Ok(())
}
