//! Which of several sorted streams has the next row.
//!
//! The rows stay where they are: [`SortedMerge`] only keeps the sources in
//! order and asks, through a closure, for the key columns of each source's
//! current row. It is a binary heap over source numbers, of which there are as
//! many as shards: a row costs the logarithm of that in comparisons, and memory
//! does not depend on the number of rows.

use std::cmp::Ordering;

use super::order::Order;

/// One column of the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// How its values are ordered.
    pub order: Order,
    /// `DESC`.
    pub descending: bool,
    /// `NULLS FIRST`, as it is meant: PostgreSQL's default depends on `DESC`.
    pub nulls_first: bool,
}

impl SortKey {
    /// Compares two values; `None` is NULL.
    ///
    /// # Errors
    /// A value that is not of the column's type.
    pub fn compare(&self, a: Option<&[u8]>, b: Option<&[u8]>) -> Result<Ordering, NotComparable> {
        match (a, b) {
            (None, None) => Ok(Ordering::Equal),
            (None, Some(_)) => Ok(if self.nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }),
            (Some(_), None) => Ok(if self.nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }),
            (Some(a), Some(b)) => {
                let ordering = self.order.compare(a, b).ok_or(NotComparable)?;
                Ok(if self.descending {
                    ordering.reverse()
                } else {
                    ordering
                })
            }
        }
    }
}

/// A server sent a value that is not one of its column's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a value is not of its column's type")]
pub struct NotComparable;

/// Merges sorted sources, numbered from 0.
///
/// Use: [`SortedMerge::push`] each source once its first row is there; take the
/// least with [`SortedMerge::pop`], hand its row on, and push it again when its
/// next row is there. When every source that has not ended is in, `pop` is right.
#[derive(Clone, Debug, Default)]
pub struct SortedMerge {
    keys: Vec<SortKey>,
    /// A heap: no source is greater than those at `2i + 1` and `2i + 2`.
    heap: Vec<usize>,
}

/// Gives the value of a key column (second) in the current row of a source (first).
pub trait CurrentRow {
    /// The value; `None` is NULL.
    fn key(&self, source: usize, column: usize) -> Option<&[u8]>;
}

impl SortedMerge {
    /// An empty merge by these keys.
    pub fn new(keys: Vec<SortKey>) -> Self {
        Self {
            keys,
            heap: Vec::new(),
        }
    }

    /// The columns of the order.
    pub fn keys(&self) -> &[SortKey] {
        &self.keys
    }

    /// How many sources are in.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether no source is in.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// Puts in a source that has a current row.
    ///
    /// # Errors
    /// A value that is not of its column's type.
    pub fn push(&mut self, source: usize, rows: &impl CurrentRow) -> Result<(), NotComparable> {
        let mut child = self.heap.len();
        self.heap.push(source);
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.before(self.heap[child], self.heap[parent], rows)? {
                break;
            }
            self.heap.swap(child, parent);
            child = parent;
        }
        Ok(())
    }

    /// Takes out the source whose current row comes first.
    ///
    /// # Errors
    /// A value that is not of its column's type.
    pub fn pop(&mut self, rows: &impl CurrentRow) -> Result<Option<usize>, NotComparable> {
        if self.heap.is_empty() {
            return Ok(None);
        }
        let first = self.heap.swap_remove(0);
        let mut parent = 0;
        loop {
            let mut least = parent;
            for child in [2 * parent + 1, 2 * parent + 2] {
                if child < self.heap.len()
                    && self.before(self.heap[child], self.heap[least], rows)?
                {
                    least = child;
                }
            }
            if least == parent {
                return Ok(Some(first));
            }
            self.heap.swap(parent, least);
            parent = least;
        }
    }

    /// Rows that compare equal come in the order of their sources, so that a result does not depend on timing.
    fn before(&self, a: usize, b: usize, rows: &impl CurrentRow) -> Result<bool, NotComparable> {
        for (column, key) in self.keys.iter().enumerate() {
            match key.compare(rows.key(a, column), rows.key(b, column))? {
                Ordering::Equal => {}
                ordering => return Ok(ordering == Ordering::Less),
            }
        }
        Ok(a < b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Streams {
        rows: Vec<Vec<Option<[u8; 8]>>>,
        at: Vec<usize>,
    }

    impl CurrentRow for Streams {
        fn key(&self, source: usize, _: usize) -> Option<&[u8]> {
            self.rows[source][self.at[source]].as_ref().map(|v| &v[..])
        }
    }

    proptest! {
        #[test]
        fn a_merge_of_sorted_streams_is_sorted(
            streams in prop::collection::vec(prop::collection::vec(prop::option::of(-5i64..5), 0..12), 1..6),
            descending: bool,
            nulls_first: bool,
        ) {
            let key = SortKey { order: Order::Signed, descending, nulls_first };
            let compare = |a: &Option<[u8; 8]>, b: &Option<[u8; 8]>| {
                key.compare(a.as_ref().map(|v| &v[..]), b.as_ref().map(|v| &v[..])).unwrap()
            };
            let rows: Vec<Vec<_>> = streams
                .iter()
                .map(|s| {
                    let mut s: Vec<_> = s.iter().map(|v| v.map(i64::to_be_bytes)).collect();
                    s.sort_by(compare);
                    s
                })
                .collect();
            let mut expected: Vec<_> = rows.concat();
            expected.sort_by(compare);

            let mut streams = Streams { at: vec![0; rows.len()], rows };
            let mut merge = SortedMerge::new(vec![key]);
            for source in 0..streams.rows.len() {
                if !streams.rows[source].is_empty() {
                    merge.push(source, &streams).unwrap();
                }
            }
            let mut merged = Vec::new();
            while let Some(source) = merge.pop(&streams).unwrap() {
                merged.push(streams.rows[source][streams.at[source]]);
                streams.at[source] += 1;
                if streams.at[source] < streams.rows[source].len() {
                    merge.push(source, &streams).unwrap();
                }
            }
            prop_assert_eq!(merged, expected);
        }
    }
}
