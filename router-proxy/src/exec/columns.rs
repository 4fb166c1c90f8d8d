//! Descriptions of rows, and how a client wants its columns.

use crate::wire::view::Reader;

/// Bytes of a column in a `RowDescription` behind its name; the last two are its format.
const FIELD: usize = 18;

/// One column of a `RowDescription`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Column<'a> {
    /// Its name with the terminator, and everything up to the format.
    head: &'a [u8],
    /// Its type.
    pub(crate) type_oid: u32,
}

impl<'a> Column<'a> {
    /// Its name.
    pub(crate) fn name(&self) -> &'a [u8] {
        self.head
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default()
    }
}

/// The columns of a `RowDescription`; `None` when it is not one.
pub(crate) fn columns(body: &[u8]) -> Option<Vec<Column<'_>>> {
    let mut reader = Reader::new(body);
    let count = usize::from(reader.u16()?);
    let mut columns = Vec::with_capacity(count.min(body.len() / FIELD));
    for _ in 0..count {
        let at = reader.rest();
        let name = reader.cstr()?.len() + 1;
        let field = reader.take(FIELD)?;
        columns.push(Column {
            head: &at[..name + FIELD - 2],
            type_oid: u32::from_be_bytes([field[6], field[7], field[8], field[9]]),
        });
    }
    Some(columns)
}

/// The formats that a `Bind` asks for: none is text for all, one is for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Formats(Vec<u16>);

impl Formats {
    /// Text for all columns.
    pub(crate) fn text() -> Self {
        Self::default()
    }

    /// Binary for all columns.
    pub(crate) fn binary() -> Self {
        Self(vec![1])
    }

    /// As they stand at the end of a `Bind`: their number, then each.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let count = reader.u16()?;
        let codes = (0..count).map(|_| reader.u16()).collect::<Option<_>>()?;
        reader.rest().is_empty().then_some(Self(codes))
    }

    /// How many are given.
    pub(crate) fn given(&self) -> usize {
        self.0.len()
    }

    /// The format of a column.
    pub(crate) fn of(&self, column: usize) -> u16 {
        match self.0[..] {
            [] => 0,
            [one] => one,
            ref each => each.get(column).copied().unwrap_or(0),
        }
    }

    /// For `columns` columns in these formats and `hidden` ones behind them in binary.
    pub(crate) fn with_hidden(&self, columns: usize, hidden: usize) -> Self {
        let shown = (0..columns).map(|column| self.of(column));
        Self(shown.chain(std::iter::repeat_n(1, hidden)).collect())
    }

    /// As they stand at the end of a `Bind`.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = self.0.len() as u16;
        let codes = std::iter::once(count).chain(self.0.iter().copied());
        codes.flat_map(u16::to_be_bytes).collect()
    }
}

/// The body of a `RowDescription` of the first `count` columns in these formats.
pub(crate) fn description(columns: &[Column<'_>], count: usize, formats: &Formats) -> Vec<u8> {
    let mut body = (count as u16).to_be_bytes().to_vec();
    for (at, column) in columns.iter().take(count).enumerate() {
        body.extend_from_slice(column.head);
        body.extend_from_slice(&formats.of(at).to_be_bytes());
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_columns_are_cut_and_formats_put_in() {
        let mut body = vec![0, 3];
        for (name, oid) in [("a", 20u32), ("b", 25), ("key", 23)] {
            body.extend_from_slice(name.as_bytes());
            body.push(0);
            body.extend_from_slice(&[0; 6]);
            body.extend_from_slice(&oid.to_be_bytes());
            body.extend_from_slice(&[0; 8]);
        }
        let found = columns(&body).expect("a description");
        assert_eq!(
            found.iter().map(|c| c.type_oid).collect::<Vec<_>>(),
            [20, 25, 23]
        );
        let formats = Formats(vec![1, 0]);
        let shown = description(&found, 2, &formats);
        let again = columns(&shown).expect("a description");
        assert_eq!(again.len(), 2);
        assert_eq!(shown[2 + 2 + 16..2 + 2 + 18], [0, 1]);
        assert_eq!(formats.with_hidden(2, 1).bytes(), [0, 3, 0, 1, 0, 0, 0, 1]);
        assert_eq!(columns(&body[..20]), None);
    }
}
