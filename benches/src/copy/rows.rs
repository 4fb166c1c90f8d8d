//! The rows that are copied.

use std::fmt;

/// How rows are written.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Format {
    /// `text`
    Text,
    /// `csv`
    Csv,
    /// `binary`
    Binary,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Binary => "binary",
        })
    }
}

impl Format {
    /// The options of the COPY.
    pub(crate) fn options(self) -> String {
        format!("format {self}")
    }
}

/// So many rows with keys in no order, as one stream.
pub(crate) fn stream(format: Format, rows: u64, seed: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows as usize * 64);
    let mut state = seed;
    if matches!(format, Format::Binary) {
        out.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    }
    for row in 0..rows {
        // The constants of Knuth's MMIX.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let (id, cents, second) = (state >> 20, state >> 50, row % 60);
        match format {
            Format::Text => out.extend_from_slice(
                format!("{id}\titem number {row}\t{cents}.50\t2026-01-02 03:04:{second:02}+00\n")
                    .as_bytes(),
            ),
            Format::Csv => out.extend_from_slice(
                format!("{id},\"item, number {row}\",{cents}.50,2026-01-02 03:04:{second:02}+00\n")
                    .as_bytes(),
            ),
            Format::Binary => binary(&mut out, id, row, cents as u16),
        }
    }
    if matches!(format, Format::Binary) {
        out.extend_from_slice(&[0xff, 0xff]);
    }
    out
}

fn binary(out: &mut Vec<u8>, id: u64, row: u64, whole: u16) {
    out.extend_from_slice(&4_i16.to_be_bytes());
    let mut field = |bytes: &[u8]| {
        out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
        out.extend_from_slice(bytes);
    };
    let name = format!("item number {row}");
    // A numeric has digits of base 10,000: so many, the weight of the first, the sign, the scale.
    let (high, low) = (whole / 10_000, whole % 10_000);
    let price: Vec<u8> = [3, 1, 0, 2, high, low, 5000]
        .iter()
        .flat_map(|digit: &u16| digit.to_be_bytes())
        .collect();
    field(&(id as i64).to_be_bytes());
    field(name.as_bytes());
    field(&price);
    field(&820_551_845_000_000_i64.to_be_bytes());
}
