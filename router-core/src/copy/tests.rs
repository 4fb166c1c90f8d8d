use proptest::prelude::*;

use super::*;
use crate::sql::statement::CopyOption;

/// What becomes of a stream: the bytes for everybody, each row's key with its bytes, whether something is rejected.
#[derive(Debug, Default, PartialEq)]
struct Read {
    header: Vec<u8>,
    keys: Vec<Vec<Option<String>>>,
    shards: Vec<Vec<u8>>,
    rejected: Vec<u8>,
    fault: Option<Fault>,
}

/// A key column of each of these positions; rows go round over three shards by the length of their first key.
fn read(format: &Format, positions: &[usize], columns: usize, pieces: &[&[u8]]) -> Read {
    let fields = positions
        .iter()
        .map(|&position| KeyField {
            position,
            force_not_null: format.force_not_null.has(&position.to_string()),
            force_null: format.force_null.has(&position.to_string()),
        })
        .collect();
    let mut splitter = Splitter::new(format.clone(), fields, columns);
    let mut keys = Vec::new();
    let (mut header, mut rejected) = (Vec::new(), Vec::new());
    let mut shards = vec![Vec::new(); 3];
    let mut place = |key: &[Option<&[u8]>]| -> Result<Option<ShardId>, Fault> {
        let text = |v: &Option<&[u8]>| v.map(|v| String::from_utf8_lossy(v).into_owned());
        keys.push(key.iter().map(text).collect());
        Ok(Some(ShardId(key[0].map_or(0, |k| k.len() as u16 % 3))))
    };
    let mut deliver = |to: To, bytes: &[u8], _: u64| match to {
        To::All => header.extend_from_slice(bytes),
        To::Reject => rejected.extend_from_slice(bytes),
        To::Shard(id) => shards[id.index()].extend_from_slice(bytes),
    };
    let mut fault = None;
    for piece in pieces {
        if let Err(e) = splitter.feed(piece, &mut place, &mut deliver) {
            fault = Some(e);
            break;
        }
    }
    if fault.is_none() {
        fault = splitter.finish(&mut place, &mut deliver).err();
    }
    if fault.is_some() {
        // How much was delivered before depends on the pieces.
        return Read {
            fault,
            ..Read::default()
        };
    }
    Read {
        header,
        keys,
        shards,
        rejected,
        fault,
    }
}

fn options(list: &[(&str, &str)]) -> Format {
    let options: Vec<(String, CopyOption)> = list
        .iter()
        .map(|(name, value)| {
            let value = match *value {
                "" => CopyOption::Flag,
                "[]" => CopyOption::Text(String::new()),
                v if name.starts_with("force") => {
                    CopyOption::Columns(v.split(',').map(str::to_owned).collect())
                }
                v => CopyOption::Text(v.to_owned()),
            };
            ((*name).to_owned(), value)
        })
        .collect();
    Format::read(&options).unwrap()
}

fn keys(format: &[(&str, &str)], position: usize, text: &str) -> Vec<Option<String>> {
    let read = read(&options(format), &[position], 3, &[text.as_bytes()]);
    assert_eq!(read.fault, None, "{text:?}");
    read.keys.into_iter().map(|mut k| k.remove(0)).collect()
}

fn some(list: &[&str]) -> Vec<Option<String>> {
    list.iter()
        .map(|s| (*s != "NULL").then(|| (*s).to_owned()))
        .collect()
}

fn fault(format: &[(&str, &str)], text: &str) -> String {
    let read = read(&options(format), &[0], 3, &[text.as_bytes()]);
    read.fault.map(|f| f.message).unwrap_or_default()
}

#[test]
fn rows_of_text() {
    assert_eq!(keys(&[], 0, "1\ta\n2\tb\n"), some(&["1", "2"]));
    assert_eq!(keys(&[], 1, "1\ta\n2\tb"), some(&["a", "b"]));
    assert_eq!(keys(&[], 1, "1\ta\r\n2\tb\r\n"), some(&["a", "b"]));
    assert_eq!(keys(&[], 1, "1\ta\r2\tb\r"), some(&["a", "b"]));
    assert_eq!(keys(&[], 1, "1\t\\N\n2\t\\\\N\n"), some(&["NULL", "\\N"]));
    assert_eq!(keys(&[("header", "")], 1, "k\tv\n2\tb\n"), some(&["b"]));
    assert_eq!(keys(&[("header", "match")], 1, "k\tv\n"), some(&[]));
    assert_eq!(keys(&[], 0, "1\ta\n\\.\nanything\r"), some(&["1"]));
    assert_eq!(keys(&[], 0, "1\ta\n2\\.\n"), some(&["1", "2"]));
}

#[test]
fn escapes_of_text_are_undone() {
    assert_eq!(keys(&[], 0, "a\\tb\\\tc\tx\n"), some(&["a\tb\tc"]));
    assert_eq!(
        keys(&[], 0, "\\101\\x42\\x4\\1011\\x\n"),
        some(&["AB\u{4}A1x"])
    );
    assert_eq!(keys(&[], 1, "a\\\tb\tc\n"), some(&["c"]));
    assert_eq!(keys(&[], 0, "a\\\nb\tc\n"), some(&["a\nb"]));
    assert_eq!(
        keys(&[("null", "n")], 0, "n\tx\n\\n\tx\n"),
        some(&["NULL", "\n"])
    );
    assert_eq!(
        keys(&[("delimiter", "|")], 1, "a\t|b\\||c\n"),
        some(&["b|"])
    );
    assert_eq!(keys(&[], 0, "a\\"), some(&["a"]));
    assert_eq!(keys(&[], 0, "\\\\.\tx\n"), some(&["\\."]));
}

#[test]
fn rows_of_csv() {
    let csv = ("format", "csv");
    assert_eq!(keys(&[csv], 0, "a,\"b\nc\"\nd,e\n"), some(&["a", "d"]));
    assert_eq!(
        keys(&[csv], 1, "a,\"b\r\n\"\"c\"\r\nd,e\r\n"),
        some(&["b\r\n\"c", "e"])
    );
    assert_eq!(keys(&[csv], 1, "a,x\"b,\"\"\"\"\"y\n"), some(&["xb,\"\"y"]));
    assert_eq!(keys(&[csv], 1, "a,\nb,\"\"\n"), some(&["NULL", ""]));
    let forced = [csv, ("force_null", "1"), ("null", "-")];
    assert_eq!(keys(&forced, 1, "a,\"-\"\n"), some(&["NULL"]));
    let forced = [csv, ("force_not_null", "1")];
    assert_eq!(keys(&forced, 1, "a,\n"), some(&[""]));
    let escape = [csv, ("escape", "\\"), ("quote", "'"), ("delimiter", ";")];
    assert_eq!(keys(&escape, 1, "a;'b\\'\\\\\\x'\n"), some(&["b'\\\\x"]));
    assert_eq!(keys(&escape, 1, "a\\;b\\\n"), some(&["b\\"]));
    assert_eq!(
        keys(&[csv, ("header", "on")], 0, "\"k\n\",v\na,b\n"),
        some(&["a"])
    );
    assert_eq!(keys(&[csv], 0, "\\.x,1\n\\.\nmore"), some(&["\\.x"]));
    assert_eq!(keys(&[csv], 0, "\"a\n\\.\n\",1\n"), some(&["a\n\\.\n"]));
    assert_eq!(keys(&[csv], 0, "\\."), some(&["\\."]));
}

#[test]
fn line_ends_of_several_kinds_are_faults_of_the_whole_stream() {
    let csv = [("format", "csv")];
    assert_eq!(
        fault(&[], "1\ta\n2\tb\rc\n"),
        "literal carriage return found in data"
    );
    assert_eq!(
        fault(&[], "1\ta\r\n2\tb\n"),
        "literal newline found in data"
    );
    assert_eq!(fault(&[], "1\ta\r2\tb\n"), "literal newline found in data");
    assert_eq!(
        fault(&csv, "1,a\n2,b\r"),
        "unquoted carriage return found in data"
    );
    assert_eq!(
        fault(&csv, "1,a\r\n2,b\n"),
        "unquoted newline found in data"
    );
    assert_eq!(fault(&[], "1\ta\n\\.x\n"), "end-of-copy marker corrupt");
    assert_eq!(
        fault(&[], "1\ta\n\\.\r"),
        "end-of-copy marker does not match previous newline style"
    );
    assert_eq!(fault(&[], "1\ta\n\\."), "end-of-copy marker corrupt");
}

#[test]
fn rows_without_a_key_are_for_postgresql_to_reject() {
    let csv = [("format", "csv")];
    for (format, text) in [(&[][..], "1\n2\tb\n"), (&csv, "1,\"a\n"), (&csv, "1\n")] {
        let read = read(&options(format), &[1], 3, &[text.as_bytes()]);
        assert_eq!((read.fault, read.keys.len()), (None, 0));
        assert!(text.as_bytes().starts_with(&read.rejected) && !read.rejected.is_empty());
    }
}

fn tuple(fields: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = (fields.len() as i16).to_be_bytes().to_vec();
    for field in fields {
        out.extend(field.map_or(-1, |f| f.len() as i32).to_be_bytes());
        out.extend_from_slice(field.unwrap_or_default());
    }
    out
}

const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\x03ext";

#[test]
fn binary() {
    let format = options(&[("format", "binary")]);
    let rows = [
        tuple(&[Some(b"ab"), None, Some(b"")]),
        tuple(&[None, Some(b"\n"), Some(b"x")]),
    ];
    let all = [HEADER, &rows.concat(), &binary::TRAILER].concat();
    let got = read(&format, &[2, 0], 3, &[&all]);
    assert_eq!(got.fault, None);
    assert_eq!(got.header, [HEADER, &binary::TRAILER].concat());
    assert_eq!(got.keys[0], some(&["", "ab"]));
    assert_eq!(got.keys[1], some(&["x", "NULL"]));
    assert_eq!((&got.shards[0], &got.shards[1]), (&rows[0], &rows[1]));
    // Without a trailer, with more behind it, cut short, with other counts.
    assert_eq!(read(&format, &[0], 3, &[&all[..all.len() - 2]]).fault, None);
    let more = [&all[..], b"x"].concat();
    let fault = read(&format, &[0], 3, &[&more]).fault.unwrap();
    assert_eq!(fault.message, "received copy data after EOF marker");
    assert_eq!(
        read(&format, &[0], 3, &[&all[..all.len() - 3]])
            .rejected
            .len(),
        rows[1].len() - 1
    );
    assert_eq!(read(&format, &[0], 4, &[&all]).rejected, [0, 3]);
    assert_eq!(read(&format, &[0], 3, &[b"PGCOPY\n\xfe"]).rejected.len(), 8);
}

#[test]
fn a_row_has_a_limit() {
    let format = options(&[("format", "csv")]);
    let piece = vec![b'x'; ROW_LIMIT / 4];
    let pieces = [b"\"", &piece[..], &piece, &piece, &piece];
    assert_eq!(
        read(&format, &[0], 1, &pieces).fault.unwrap().state,
        SqlState::new("54000")
    );
}

#[test]
fn options_that_are_not_understood_are_said_to_be() {
    let read = |name: &str, value| Format::read(&[(name.to_owned(), value)]);
    assert!(read("on_error", CopyOption::Text("ignore".into())).is_err());
    assert!(read("format", CopyOption::Text("CSV".into())).is_err());
    assert!(read("quote", CopyOption::Text("\n".into())).is_err());
    assert!(read("header", CopyOption::Text("maybe".into())).is_err());
    assert!(read("freeze", CopyOption::Flag).is_ok());
}

fn formats() -> impl Strategy<Value = Format> {
    prop::sample::select(vec![
        options(&[]),
        options(&[("header", ""), ("delimiter", ",")]),
        options(&[("format", "csv")]),
        options(&[("format", "csv"), ("escape", "\\"), ("header", "")]),
        options(&[
            ("format", "csv"),
            ("quote", "'"),
            ("null", "a"),
            ("force_null", "1"),
        ]),
        options(&[("format", "binary")]),
    ])
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "a", "b", "\n", "\n", "\r", "\r\n", "\t", "\t", ",", ",", "\\", "\\.", "\\.\n", "\"",
        "\"\"", "'", "\\N", "é", "\\x4", "\\1", "a\tb\n", "a,b\n",
    ]);
    let text = prop::collection::vec(piece, 0..30).prop_map(|p| p.concat().into_bytes());
    let field = prop::option::of(prop::collection::vec(any::<u8>(), 0..6));
    let tuples = prop::collection::vec(prop::collection::vec(field, 2..=2), 0..5);
    let binary = (tuples, any::<bool>()).prop_map(|(rows, trailer)| {
        let mut all = HEADER.to_vec();
        for row in rows {
            all.extend(tuple(&row.iter().map(Option::as_deref).collect::<Vec<_>>()));
        }
        if trailer {
            all.extend(binary::TRAILER);
        }
        all
    });
    prop_oneof![3 => text, 1 => binary]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_pieces_are_read_alike(format in formats(), stream in stream(), cuts in prop::collection::vec(0usize..60, 0..8)) {
        let same = |pieces: &[&[u8]]| {
            let mut read = read(&format, &[1, 0], 2, pieces);
            // How much of what will be rejected has come.
            read.rejected.truncate(1);
            read
        };
        let whole = same(&[&stream]);
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|c| *c <= stream.len()).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&stream[from..cut]);
            from = cut;
        }
        pieces.push(&stream[from..]);
        prop_assert_eq!(&same(&pieces), &whole);
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        prop_assert_eq!(&same(&single), &whole);
    }
}
