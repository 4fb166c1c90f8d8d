//! How many rows `LIMIT` and `OFFSET` say.

use super::Values;
use crate::plan::evaluate::evaluate;
use crate::plan::{Reason, Refusal, Sorted, ValueSource};
use crate::value::{KeyType, KeyValue, Outcome, PgError};

/// Why the rows of a `LIMIT` or `OFFSET` cannot be counted.
#[derive(Clone, Debug, PartialEq)]
pub enum CountError {
    /// PostgreSQL's own error.
    Postgres(PgError),
    /// The value cannot be told for certain.
    Refused(Box<Refusal>),
}

impl Sorted {
    /// How many rows are left out in one execution, and how many are given at most.
    ///
    /// # Errors
    /// As PostgreSQL's `recompute_limits` (`nodeLimit.c`), which looks at `OFFSET` first.
    pub fn counts(&self, values: &Values<'_>) -> Result<(u64, Option<u64>), CountError> {
        let offset = count(self.offset.as_ref(), values)?;
        let negative = |state, message: &str| CountError::Postgres(PgError::new(state, message));
        let offset = u64::try_from(offset.unwrap_or(0))
            .map_err(|_| negative("2201X", "OFFSET must not be negative"))?;
        let limit = count(self.limit.as_ref(), values)?
            .map(u64::try_from)
            .transpose()
            .map_err(|_| negative("2201W", "LIMIT must not be negative"))?;
        Ok((offset, limit))
    }
}

/// A count of rows; null, or none at all, is no count.
fn count(source: Option<&ValueSource>, values: &Values<'_>) -> Result<Option<i64>, CountError> {
    let Some(source) = source else {
        return Ok(None);
    };
    // It is coerced as by assignment: `LIMIT 2.5` is 3 rows.
    match evaluate(source, values).assigned(KeyType::Bigint) {
        Outcome::Value(KeyValue::Bigint(count)) => Ok(Some(count)),
        Outcome::Null => Ok(None),
        Outcome::Invalid(error) => Err(CountError::Postgres(error)),
        _ => Err(CountError::Refused(Box::new(Refusal::new(
            Reason::NeedsMerge,
            format!(
                "The number of rows ({}) cannot be told for certain.",
                crate::plan::print::ValueText {
                    source,
                    values: None
                }
            ),
        )))),
    }
}
