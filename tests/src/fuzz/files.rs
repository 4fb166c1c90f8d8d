//! Streams of COPY, and files of the operator.

use router_core::copy::format::{Forced, Format, Kind};
use router_core::copy::{Fault, KeyField, Splitter, To};
use router_core::id::ShardId;

use super::Bytes;

pub(super) const COPY: &[&str] = &[
    "1\ta\n",
    "2\t\\N\n",
    "\\.\n",
    "\\.",
    "\\",
    "\\t",
    "\\x41",
    "\\101",
    "\r\n",
    "\r",
    "\n",
    "\t",
    ",",
    "\"",
    "\"\"",
    "1,\"a,b\"\n",
    "\"a\nb\",2\n",
    "PGCOPY\n\u{ff}\r\n\0",
    "\0\0\0\0\0\0\0\0",
    "\0\x02\0\0\0\x041234\0\0\0\x01a",
    "\0\x02",
    "\u{ff}\u{ff}",
    "é",
];

pub(super) const HBA: &[&str] = &[
    "local ",
    "host ",
    "hostssl ",
    "hostnossl ",
    "all ",
    "sameuser ",
    "replication ",
    "shop,test ",
    "+group ",
    "/^a.*$ ",
    "@file ",
    "\"quoted name\" ",
    "127.0.0.1/32 ",
    "10.0.0.0 255.0.0.0 ",
    "::1/128 ",
    "samehost ",
    "trust",
    "reject",
    "scram-sha-256",
    "md5",
    "cert map=m",
    "clientcert=verify-full",
    "\n",
    "\\\n",
    "# c\n",
    "include x\n",
    ",",
    "\"",
    "/999 ",
    "=",
];

pub(super) const CONFIG: &[&str] = &[
    "[server]\n",
    "listen = \"127.0.0.1:0\"\n",
    "[auth]\n",
    "method = \"trust\"\n",
    "[[users]]\n",
    "name = \"app\"\n",
    "password = \"${X}\"\n",
    "[[databases]]\n",
    "[[databases.shards]]\n",
    "primary = \"postgres://a:b@h:1/d\"\n",
    "[[databases.placements]]\n",
    "type = \"bigint\"\n",
    "type = [\"bigint\", \"text\"]\n",
    "strategy = \"hash\"\n",
    "strategy = \"range\"\n",
    "ranges = [{ from = 0, to = 10, shard = \"s0\" }]\n",
    "lists = [{ values = [1], shard = \"s0\" }]\n",
    "buckets = 99999999\n",
    "points = 99999\n",
    "shards = [\"s0\", \"s1\"]\n",
    "assign = [{ from = 0, to = 1, shard = \"s0\" }]\n",
    "[[databases.tables]]\n",
    "key = \"id\"\n",
    "placement = \"p\"\n",
    "reference = true\n",
    "[pool]\n",
    "max_size = -1\n",
    "max_size = 1\n",
    "acquire_timeout = \"5s\"\n",
    "acquire_timeout = \"99999999999999h\"\n",
    "mode = \"session\"\n",
    "= ",
    "[",
    "]",
    "\"",
    "'''",
    "{",
    "}",
    "# c\n",
    "\n",
    "listn = 1\n",
];

/// The same rows come out whatever the pieces in which a stream comes.
pub(super) fn copy(input: &[u8]) {
    let mut bytes = Bytes(input);
    let kind = match bytes.byte() % 3 {
        0 => Kind::Text,
        1 => Kind::Csv,
        _ => Kind::Binary,
    };
    let header = bytes.flag() && kind != Kind::Binary;
    let piece = 1 + usize::from(bytes.byte() % 32);
    let format = Format {
        kind,
        delimiter: if kind == Kind::Csv { b',' } else { b'\t' },
        quote: b'"',
        escape: if bytes.flag() { b'"' } else { b'\\' },
        null: if kind == Kind::Csv {
            Vec::new()
        } else {
            b"\\N".to_vec()
        },
        header,
        force_not_null: Forced::None,
        force_null: Forced::None,
        encoding: None,
    };
    let split = |piece: usize| {
        let key = vec![KeyField {
            position: 0,
            force_not_null: false,
            force_null: false,
        }];
        let mut splitter = Splitter::new(format.clone(), key, 2);
        let (mut keys, mut delivered) = (Vec::new(), Vec::new());
        let mut place = |key: &[Option<&[u8]>]| -> Result<Option<ShardId>, Fault> {
            keys.push(key[0].map(<[u8]>::to_vec));
            Ok(Some(ShardId(0)))
        };
        let mut rejected = false;
        let mut deliver = |to: To, bytes: &[u8], _: u64| match to {
            // How much of what will be rejected is sent off is all the same.
            To::Reject => rejected = true,
            To::All | To::Shard(_) => delivered.extend_from_slice(bytes),
        };
        let mut fed = bytes
            .0
            .chunks(piece)
            .try_for_each(|piece| splitter.feed(piece, &mut place, &mut deliver));
        if fed.is_ok() {
            fed = splitter.finish(&mut place, &mut deliver);
        }
        // A fault says so at the end of a piece: how much was delivered before depends on the pieces.
        fed.is_ok().then_some((keys, delivered, rejected))
    };
    assert_eq!(split(usize::MAX), split(piece));
}

/// A file of rules or of names is read, or its fault told.
pub(super) fn hba(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let file = "pg_hba.conf".as_ref();
    if let Ok(rules) = router_proxy::auth::hba::Rules::parse(&text, file) {
        assert!(rules.iter().count() <= text.len());
    }
    let _ = router_proxy::auth::hba::UserMaps::parse(&text, file);
}

/// A configuration is read, or every fault told.
pub(super) fn config(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let read = shunt::config::parse(&text, "shunt.toml".as_ref(), &|_| {
        Some("secret-value".to_owned())
    });
    if let Err(problems) = read {
        let told = problems.to_string();
        assert!(!told.is_empty() && !told.contains("secret-value"), "{told}");
    }
}
