//! Few rows of several shards, kept until all are there, and then the parameters of another text.
//!
//! A column of a `DataRow` and a value of a `Bind` have the same bytes, so values pass as they are, each with its
//! column's type. What a parameter does not carry is its column's collation: where a type has one, the rows stand behind
//! the query that they came from, which gives none, and takes part in `UNION ALL` for the sake of its columns alone.
//! PostgreSQL lets the collation of a column prevail over that of a parameter (`select_common_collation`).

use super::columns::{self, Formats};
use super::program::Bound;
use crate::wire::view::Reader;

/// A `Bind` counts its parameters in 16 bits.
const MOST_PARAMETERS: usize = u16::MAX as usize;

/// Rows that are fetched.
#[derive(Clone, Debug)]
pub(super) struct Fetching {
    pub(super) query: String,
    /// What the text calls the table that they make up.
    table: String,
    as_text: bool,
    sources: Vec<Source>,
    /// Where the answer is found, with the columns there.
    home: usize,
    columns: Vec<(Vec<u8>, u32)>,
    /// How many columns there are.
    width: usize,
}

/// The rows of one part.
#[derive(Clone, Debug)]
struct Source {
    part: usize,
    /// Whether it has sent all of them.
    ended: bool,
    /// Bodies of rows, one after the other.
    rows: Vec<u8>,
}

/// The rest of what can be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) values: usize,
    pub(super) bytes: u64,
}

impl Room {
    /// Takes a piece of a row away; whether it was there.
    fn holds(&mut self, values: usize, bytes: usize) -> bool {
        let left = self.values.checked_sub(values);
        let rest = self.bytes.checked_sub(bytes as u64);
        match (left, rest) {
            (Some(values), Some(bytes)) => {
                *self = Self { values, bytes };
                true
            }
            _ => false,
        }
    }
}

impl Fetching {
    /// Rows of `parts`, for an answer that is found on the part `home`.
    pub(super) fn new(
        query: String,
        table: &str,
        parts: &[usize],
        home: usize,
        as_text: bool,
    ) -> Self {
        let source = |&part: &usize| Source {
            part,
            ended: false,
            rows: Vec::new(),
        };
        Self {
            query,
            table: table.to_owned(),
            as_text,
            sources: parts.iter().map(source).collect(),
            home,
            columns: Vec::new(),
            width: 0,
        }
    }

    /// How its rows travel.
    pub(super) fn formats(&self) -> Formats {
        match self.as_text {
            true => Formats::text(),
            false => Formats::binary(),
        }
    }

    /// A part says what its columns are. Types that somebody made have a number of their own on each server: those count
    /// that they have where the answer is found.
    pub(super) fn describe(&mut self, part: usize, body: &[u8]) {
        let found = columns::columns(body).unwrap_or_default();
        self.width = found.len();
        if part == self.home {
            self.columns = found
                .iter()
                .map(|column| (column.name().to_vec(), column.type_oid))
                .collect();
        }
    }

    /// A row begins that has so many bytes. Whether there is room for it.
    pub(super) fn begin_row(&self, bytes: usize, room: &mut Room) -> bool {
        room.holds(self.width, bytes)
    }

    /// More of a row.
    pub(super) fn more(&mut self, part: usize, bytes: &[u8]) {
        let source = self.sources.iter_mut().find(|source| source.part == part);
        if let Some(source) = source {
            source.rows.extend_from_slice(bytes);
        }
    }

    /// A part has sent all its rows.
    pub(super) fn end(&mut self, part: usize) {
        for source in &mut self.sources {
            source.ended |= source.part == part;
        }
    }

    /// Whether all rows are there.
    pub(super) fn is_done(&self) -> bool {
        self.sources.iter().all(|source| source.ended)
    }

    /// The values of the rows, each with its length as in a `Bind`, and how many rows there are.
    fn values(&self) -> Option<(Vec<u8>, usize)> {
        let mut values = Vec::new();
        let mut rows = 0;
        for source in &self.sources {
            let mut reader = Reader::new(&source.rows);
            while !reader.rest().is_empty() {
                let columns = usize::from(reader.u16()?);
                if columns != self.columns.len() {
                    return None;
                }
                let row = reader.rest();
                for _ in 0..columns {
                    if let Ok(length) = usize::try_from(reader.i32()?) {
                        reader.take(length)?;
                    }
                }
                values.extend_from_slice(&row[..row.len() - reader.rest().len()]);
                rows += 1;
            }
        }
        Some((values, rows))
    }

    /// The rows as a table in a text whose parameters before them are `before`.
    fn as_table(&self, rows: usize, before: usize) -> String {
        let nothing = format!("SELECT * FROM ({}) AS shunt_0 WHERE false", self.query);
        if rows == 0 {
            return format!("({nothing})");
        }
        let width = self.columns.len();
        let mut list = String::new();
        for row in 0..rows {
            list.push_str(if row == 0 { "VALUES (" } else { ", (" });
            for column in 0..width {
                let comma = if column == 0 { "" } else { "," };
                list.push_str(&format!("{comma}${}", before + row * width + column + 1));
            }
            list.push(')');
        }
        if self.columns.iter().all(|(_, oid)| has_no_collation(*oid)) {
            let names: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
            return format!("(SELECT * FROM ({list}) AS shunt_0 ({}))", names.join(","));
        }
        format!("({nothing} UNION ALL {list})")
    }
}

/// A text with the rows in the place of their tables, and its parameters: those of the client and then the rows' values.
/// `None`: they are more than a statement can have.
pub(super) fn put_in(
    fetches: &[Fetching],
    text: &str,
    bound: &Bound,
) -> Option<(String, Vec<u8>, Vec<u8>)> {
    let mut reader = Reader::new(&bound.params);
    let given = reader.u16()?;
    let codes = (0..given)
        .map(|_| reader.u16())
        .collect::<Option<Vec<_>>>()?;
    let mut count = usize::from(reader.u16()?);
    let mut values = reader.rest().to_vec();
    let format = |at: usize| match codes[..] {
        [] => 0,
        [one] => one,
        ref each => each.get(at).copied().unwrap_or(0),
    };
    let mut formats: Vec<u16> = (0..count).map(format).collect();
    let mut oids: Vec<u8> = bound.types.get(2..)?.to_vec();
    oids.resize(4 * count, 0);
    let mut tables = Vec::new();
    for fetch in fetches {
        let (more, rows) = fetch.values()?;
        tables.push((&fetch.table, fetch.as_table(rows, count)));
        values.extend_from_slice(&more);
        let added = rows * fetch.columns.len();
        count += added;
        formats.resize(count, u16::from(!fetch.as_text));
        for _ in 0..rows {
            for (_, oid) in &fetch.columns {
                oids.extend_from_slice(&oid.to_be_bytes());
            }
        }
    }
    if count > MOST_PARAMETERS {
        return None;
    }
    let mut text = text.to_owned();
    // The last first: the name of the first one begins the tenth's. What is put in has none of these names.
    for (name, table) in tables.iter().rev() {
        text = text.replace(*name, table);
    }
    let number = (count as u16).to_be_bytes();
    let types = [&number[..], &oids].concat();
    let formats: Vec<u8> = formats.iter().flat_map(|code| code.to_be_bytes()).collect();
    let params = [&number[..], &formats, &number, &values].concat();
    Some((text, types, params))
}

fn quoted(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether a type is one of PostgreSQL's own without a collation.
fn has_no_collation(oid: u32) -> bool {
    matches!(
        oid,
        16 | 17
            | 20
            | 21
            | 23
            | 26
            | 700
            | 701
            | 1082
            | 1083
            | 1114
            | 1184
            | 1186
            | 1266
            | 1700
            | 2950
            | 3802
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(columns: &[(&str, u32)]) -> Vec<u8> {
        let mut body = (columns.len() as u16).to_be_bytes().to_vec();
        for (name, oid) in columns {
            body.extend_from_slice(name.as_bytes());
            body.push(0);
            body.extend_from_slice(&[0; 6]);
            body.extend_from_slice(&oid.to_be_bytes());
            body.extend_from_slice(&[0; 8]);
        }
        body
    }

    fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
        let mut body = (values.len() as u16).to_be_bytes().to_vec();
        for value in values {
            match value {
                Some(value) => {
                    body.extend((value.len() as i32).to_be_bytes());
                    body.extend_from_slice(value);
                }
                None => body.extend((-1i32).to_be_bytes()),
            }
        }
        body
    }

    fn fetched(columns: &[(&str, u32)], rows: &[(usize, Vec<u8>)]) -> Fetching {
        let mut fetch = Fetching::new("SELECT q".into(), "pg_temp.t", &[0, 1], 0, false);
        fetch.describe(1, &description(&[("other", 1)]));
        fetch.describe(0, &description(columns));
        let mut room = Room {
            values: 100,
            bytes: 1000,
        };
        for (part, row) in rows {
            assert!(fetch.begin_row(row.len(), &mut room));
            fetch.more(*part, row);
        }
        fetch
    }

    fn asked(fetch: Fetching) -> (String, Vec<u8>, Vec<u8>) {
        put_in(&[fetch], "SELECT x FROM pg_temp.t AS t", &Bound::simple()).expect("few")
    }

    #[test]
    fn rows_become_parameters_of_their_columns_types_in_the_order_of_the_parts() {
        let rows = [
            (1, row(&[Some(b"\0\0\0\x01"), None])),
            (0, row(&[Some(b"\0\0\0\x02"), Some(b"\x01")])),
        ];
        let (text, types, params) = asked(fetched(&[("a\"b", 23), ("c", 16)], &rows));
        assert_eq!(
            text,
            "SELECT x FROM (SELECT * FROM (VALUES ($1,$2), ($3,$4)) AS shunt_0 (\"a\"\"b\",\"c\")) AS t"
        );
        assert_eq!(types[..2], [0, 4]);
        assert_eq!(types[2..10], [0, 0, 0, 23, 0, 0, 0, 16]);
        let values = [
            &row(&[Some(b"\0\0\0\x02"), Some(b"\x01")])[2..],
            &rows[0].1[2..],
        ]
        .concat();
        let head = [&[0, 4, 0, 1, 0, 1, 0, 1, 0, 1, 0, 4][..], &values].concat();
        assert_eq!(params, head);
    }

    #[test]
    fn a_collation_comes_from_the_query_and_so_do_the_columns_of_no_rows() {
        let nothing = "SELECT * FROM (SELECT q) AS shunt_0 WHERE false";
        let (text, ..) = asked(fetched(&[("t", 25)], &[(1, row(&[Some(b"x")]))]));
        assert_eq!(
            text,
            format!("SELECT x FROM ({nothing} UNION ALL VALUES ($1)) AS t")
        );
        let (text, types, params) = asked(fetched(&[("t", 25)], &[]));
        assert_eq!(text, format!("SELECT x FROM ({nothing}) AS t"));
        assert_eq!((types, params), (vec![0, 0], vec![0; 4]));
    }

    #[test]
    fn the_clients_parameters_come_first() {
        let mut bound = Bound::simple();
        bound.types = [&[0, 1][..], &20u32.to_be_bytes()].concat();
        // Two parameters, of which only the first has a type; both in text, and the second is null.
        bound.params = [&[0, 0, 0, 2][..], &[0, 0, 0, 1, b'7'], &[0xff; 4]].concat();
        let fetch = fetched(&[("n", 23)], &[(0, row(&[Some(b"\0\0\0\x05")]))]);
        let (text, types, params) = put_in(&[fetch], "pg_temp.t", &bound).expect("few");
        assert!(text.contains("VALUES ($3)"), "{text}");
        assert_eq!(types, [0, 3, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0, 23]);
        let head = [0, 3, 0, 0, 0, 0, 0, 1, 0, 3];
        assert_eq!(params[..10], head);
        assert_eq!(params[10..15], [0, 0, 0, 1, b'7']);
    }

    #[test]
    fn there_is_a_limit() {
        let fetch = fetched(&[("n", 23), ("m", 23)], &[]);
        let mut room = Room {
            values: 3,
            bytes: 100,
        };
        assert!(fetch.begin_row(20, &mut room));
        assert!(!fetch.begin_row(20, &mut room));
        let mut room = Room {
            values: 9,
            bytes: 3,
        };
        assert!(!fetch.begin_row(20, &mut room));
    }
}
