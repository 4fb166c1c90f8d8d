//! One row of numbers of each shard on their way to one row of their sums.

use router_core::merge::sums::{SumError, Sums};

use super::Stage;
use super::columns::Formats;
use crate::wire::backend as b;
use crate::wire::view::Reader;

/// The sums so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Adding(Sums);

impl Adding {
    /// Adds the columns of a row, which come in these formats.
    pub(super) fn add(&mut self, row: &[u8], formats: &Formats) -> Result<(), SumError> {
        let mut reader = Reader::new(row);
        let columns = reader.u16().ok_or(SumError::NotANumber)?;
        for column in 0..usize::from(columns) {
            let length = reader.i32().ok_or(SumError::NotANumber)?;
            let value = match usize::try_from(length) {
                Ok(length) => Some(reader.take(length).ok_or(SumError::NotANumber)?),
                Err(_) => None,
            };
            self.0.add(column, value, formats.of(column) == 1)?;
        }
        Ok(())
    }

    /// Gives the client the row of sums.
    pub(super) fn give(&self, stage: &mut Stage<'_>, formats: &Formats) {
        let sums = self.0.values();
        let mut row = (sums.len() as u16).to_be_bytes().to_vec();
        for (column, sum) in sums.iter().enumerate() {
            let value = sum.map(|sum| match formats.of(column) {
                1 => sum.to_be_bytes().to_vec(),
                _ => sum.to_string().into_bytes(),
            });
            match value {
                Some(value) => {
                    row.extend((value.len() as i32).to_be_bytes());
                    row.extend(value);
                }
                None => row.extend((-1i32).to_be_bytes()),
            }
        }
        stage.say(b::DATA_ROW, &[&row]);
    }
}
