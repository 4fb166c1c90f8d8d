//! Counts and sums of several shards, added up.

/// Sums that are `bigint`s; NULL is no number, and a sum without any is NULL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums(Vec<Option<i64>>);

/// Why a number could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumError {
    /// The sum is no `bigint` any more: PostgreSQL's "bigint out of range".
    Overflow,
    /// It is no `bigint`.
    NotANumber,
}

impl Sums {
    /// Adds a value to the sum of its column. In binary a `bigint` has eight bytes.
    pub fn add(
        &mut self,
        column: usize,
        value: Option<&[u8]>,
        binary: bool,
    ) -> Result<(), SumError> {
        if self.0.len() <= column {
            self.0.resize(column + 1, None);
        }
        let Some(value) = value else {
            return Ok(());
        };
        let number = match binary {
            true => value.try_into().ok().map(i64::from_be_bytes),
            false => std::str::from_utf8(value).ok().and_then(|v| v.parse().ok()),
        };
        let number = number.ok_or(SumError::NotANumber)?;
        let sum = self.0[column].unwrap_or(0).checked_add(number);
        self.0[column] = Some(sum.ok_or(SumError::Overflow)?);
        Ok(())
    }

    /// The sums, in the order of their columns.
    pub fn values(&self) -> &[Option<i64>] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_are_no_numbers_and_both_forms_are_read() {
        let mut sums = Sums::default();
        sums.add(0, Some(b"-3"), false).expect("a number");
        sums.add(1, None, false).expect("nothing");
        sums.add(0, Some(&5i64.to_be_bytes()), true)
            .expect("a number");
        assert_eq!(sums.values(), [Some(2), None]);
        assert_eq!(sums.add(1, Some(b"1.5"), false), Err(SumError::NotANumber));
        assert_eq!(sums.add(1, Some(&[0; 4]), true), Err(SumError::NotANumber));
        sums.add(1, Some(b"9223372036854775807"), false)
            .expect("the greatest");
        assert_eq!(sums.add(1, Some(b"1"), false), Err(SumError::Overflow));
    }
}
