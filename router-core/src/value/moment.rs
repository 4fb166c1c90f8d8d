//! Texts that PostgreSQL's input functions of dates and times read as the time of a server's own transaction.

/// Whether PostgreSQL may read `text` as a date or time that depends on the clock. Never wrongly `false`.
pub(crate) fn is_moment(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 3 || !bytes.split(|b| !b.is_ascii_alphabetic()).any(is_word) {
        return false;
    }
    // Arrays, ranges and composites hold several values; JSON objects are told by `":`, which is in none of those.
    let first = text.trim_start().bytes().next();
    if matches!(first, Some(b'{' | b'[' | b'(')) {
        return !json(bytes);
    }
    // Beside the word there may be times, words that are skipped, and one name of a time zone (`DecodeDateTime`).
    let others = text
        .split(|c: char| c.is_ascii_whitespace() || c == ',')
        .filter(|token| {
            token.bytes().any(|b| b.is_ascii_alphabetic())
                && !token
                    .as_bytes()
                    .split(|b| !b.is_ascii_alphabetic())
                    .any(|run| is_word(run) || is_skipped(run))
        })
        .count();
    others <= 1
}

fn is_word(run: &[u8]) -> bool {
    [&b"now"[..], b"today", b"tomorrow", b"yesterday"]
        .iter()
        .any(|word| run.eq_ignore_ascii_case(word))
}

/// Words that add nothing, or a part of the day (`datetktbl` in PostgreSQL's `datetime.c`). Days are told by three letters.
fn is_skipped(run: &[u8]) -> bool {
    [
        &b"at"[..],
        b"on",
        b"am",
        b"pm",
        b"ad",
        b"bc",
        b"allballs",
        b"t",
        b"z",
        b"zulu",
        b"utc",
        b"gmt",
        b"dst",
    ]
    .iter()
    .any(|word| run.eq_ignore_ascii_case(word))
        || run.get(..3).is_some_and(|day| {
            [&b"mon"[..], b"tue", b"wed", b"thu", b"fri", b"sat", b"sun"]
                .iter()
                .any(|d| day.eq_ignore_ascii_case(d))
        })
}

fn json(bytes: &[u8]) -> bool {
    let mut after_quote = false;
    for &b in bytes {
        match b {
            b'"' => after_quote = true,
            b':' if after_quote => return true,
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => after_quote = false,
        }
    }
    false
}

/// Words of the names of types of dates and times.
pub(crate) const TYPES: &[&str] = &[
    "date",
    "time",
    "timetz",
    "timestamp",
    "timestamptz",
    "abstime",
    "daterange",
    "tsrange",
    "tstzrange",
    "datemultirange",
    "tsmultirange",
    "tstzmultirange",
];
