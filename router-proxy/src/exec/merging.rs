//! Sorted rows of several shards on their way to the client.
//!
//! Each source has a short queue of whole rows; the least of the rows at the fronts goes on. A source whose queue is
//! full is not read, and nothing goes on while the client takes no more: so memory depends on the number of shards and
//! the size of a row, never on the number of rows.

use std::cmp::Ordering;

use router_core::merge::order::Order;
use router_core::merge::sorted::{CurrentRow, NotComparable, SortKey, SortedMerge};
use router_core::plan::SortColumn;
use smallvec::SmallVec;

use super::Stage;
use super::columns::Column;
use crate::wire::backend as b;
use crate::wire::view::Reader;

/// A source with this many bytes in its queue is not read, where all send at once.
const QUEUE: usize = 64 << 10;

/// Sorted rows on their way.
#[derive(Clone, Debug)]
pub(super) struct Merging {
    columns: Vec<SortColumn>,
    merge: SortedMerge,
    sources: Sources,
    /// Sources that have not ended and whose current row is not in the merge.
    outside: SmallVec<[usize; 8]>,
    /// Columns that the client sees; known once the rows are described.
    shown: Option<usize>,
    skip: u64,
    limit: Option<u64>,
    with_ties: bool,
    /// Rows given.
    pub(super) given: u64,
    /// The keys of the last row given, for `WITH TIES`.
    last: Vec<Option<Vec<u8>>>,
    /// No more rows are given.
    over: bool,
    /// A source with this many bytes in its queue is not read.
    queue: usize,
}

/// The queues.
#[derive(Clone, Debug)]
struct Sources(Vec<Source>);

#[derive(Clone, Debug, Default)]
struct Source {
    /// Bodies of rows, each after its length in four bytes.
    queue: Vec<u8>,
    /// Where the current row begins.
    start: usize,
    /// Where the last whole row ends.
    whole: usize,
    /// Where each key column of the current row is, from `start` on; `None` is NULL.
    keys: SmallVec<[Option<(u32, u32)>; 4]>,
    /// Where the columns that the client sees end in the current row's body.
    shown_end: usize,
    ended: bool,
}

impl CurrentRow for Sources {
    fn key(&self, source: usize, column: usize) -> Option<&[u8]> {
        let source = &self.0[source];
        let (from, to) = source.keys[column]?;
        source
            .queue
            .get(source.start + from as usize..source.start + to as usize)
    }
}

impl Source {
    /// The body of the current row, if it is there.
    fn row(&self) -> Option<&[u8]> {
        if self.start >= self.whole {
            return None;
        }
        let length = self.queue[self.start..].first_chunk::<4>()?;
        self.queue[self.start + 4..].get(..u32::from_be_bytes(*length) as usize)
    }

    /// Finds the keys of the current row: its last columns. Whether they are there.
    fn find_keys(&mut self, shown: usize, keys: usize) -> bool {
        let mut found = SmallVec::new();
        let mut shown_end = 2;
        let mut read = || -> Option<()> {
            let row = self.row()?;
            let mut reader = Reader::new(row);
            if usize::from(reader.u16()?) != shown + keys {
                return None;
            }
            shown_end = row.len();
            for column in 0..shown + keys {
                if column == shown {
                    shown_end = row.len() - reader.rest().len();
                }
                let length = reader.i32()?;
                let from = 4 + row.len() - reader.rest().len();
                if let Ok(length) = usize::try_from(length) {
                    reader.take(length)?;
                }
                if column >= shown {
                    let to = from + usize::try_from(length).unwrap_or(0);
                    found.push((length >= 0).then_some((from as u32, to as u32)));
                }
            }
            if keys == 0 {
                // `LIMIT` alone: rows come in any order, and all of each is shown.
                shown_end = row.len();
            }
            Some(())
        };
        let there = read().is_some();
        self.keys = found;
        self.shown_end = shown_end;
        there
    }

    /// Goes on to the next row.
    fn advance(&mut self) {
        self.start += 4 + self.row().map_or(0, <[u8]>::len);
        if self.start == self.queue.len() {
            self.queue.clear();
            (self.start, self.whole) = (0, 0);
        } else if self.start > QUEUE {
            self.queue.drain(..self.start);
            self.whole -= self.start;
            self.start = 0;
        }
    }
}

/// Rows cannot be ordered by a column of this type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoOrder(pub(super) u32);

impl Merging {
    pub(super) fn new(
        columns: &[SortColumn],
        sources: usize,
        skip: u64,
        limit: Option<u64>,
        with_ties: bool,
    ) -> Self {
        Self {
            columns: columns.to_vec(),
            merge: SortedMerge::default(),
            sources: Sources((0..sources).map(|_| Source::default()).collect()),
            outside: (0..sources).collect(),
            shown: None,
            skip,
            limit,
            with_ties,
            given: 0,
            last: Vec::new(),
            over: limit == Some(0),
            queue: QUEUE,
        }
    }

    /// Columns that the client sees.
    pub(super) fn shown(&self) -> Option<usize> {
        self.shown
    }

    /// How many columns are for the order alone.
    pub(super) fn hidden(&self) -> usize {
        self.columns.len()
    }

    /// The columns of the sources are known.
    pub(super) fn describe(&mut self, columns: &[Column<'_>]) -> Result<(), NoOrder> {
        let shown = columns.len().saturating_sub(self.columns.len());
        let keys = columns[shown..]
            .iter()
            .zip(&self.columns)
            .map(|(column, key)| {
                let order = Order::of_type(column.type_oid, key.bytewise);
                Ok(SortKey {
                    order: order.ok_or(NoOrder(column.type_oid))?,
                    descending: key.descending,
                    nulls_first: key.nulls_first,
                })
            });
        self.merge = SortedMerge::new(keys.collect::<Result<_, _>>()?);
        self.shown = Some(shown);
        Ok(())
    }

    /// Sources come one after the other: what one sends is kept until the last has begun.
    pub(super) fn keep(&mut self, most: usize) {
        self.queue = most;
    }

    /// Whether what sources send is kept.
    pub(super) fn keeps(&self) -> bool {
        self.queue > QUEUE
    }

    /// Whether a source may send its next row.
    pub(super) fn has_room(&self, source: usize) -> bool {
        self.over || self.sources.0[source].queue.len() - self.sources.0[source].start < self.queue
    }

    /// Whether rows are of no use any more.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether there is nothing left to give.
    pub(super) fn is_done(&self) -> bool {
        self.over || self.outside.is_empty() && self.merge.is_empty()
    }

    /// A row of a source begins.
    pub(super) fn begin_row(&mut self, source: usize, length: usize) {
        self.sources.0[source]
            .queue
            .extend_from_slice(&(length as u32).to_be_bytes());
    }

    /// More of it.
    pub(super) fn more(&mut self, source: usize, bytes: &[u8], last: bool) {
        // Once it is over there are no sources.
        let Some(source) = self.sources.0.get_mut(source) else {
            return;
        };
        source.queue.extend_from_slice(bytes);
        if last {
            source.whole = source.queue.len();
        }
    }

    /// A source has sent all its rows.
    pub(super) fn end(&mut self, source: usize) {
        if let Some(source) = self.sources.0.get_mut(source) {
            source.ended = true;
        }
    }

    /// Gives the client what it can take.
    pub(super) fn give(&mut self, stage: &mut Stage<'_>) -> Result<(), NotComparable> {
        let Some(shown) = self.shown else {
            return Ok(());
        };
        while !self.over && stage.client_has_room() {
            while let Some(&source) = self.outside.last() {
                let from = &mut self.sources.0[source];
                if from.row().is_some() {
                    if !from.find_keys(shown, self.columns.len()) {
                        return Err(NotComparable);
                    }
                    self.merge.push(source, &self.sources)?;
                } else if !from.ended {
                    return Ok(());
                }
                self.outside.pop();
            }
            let Some(source) = self.merge.pop(&self.sources)? else {
                return Ok(());
            };
            self.outside.push(source);
            if self.skip > 0 {
                self.skip -= 1;
            } else if self.limit.is_some_and(|limit| self.given >= limit) {
                if !self.with_ties || !self.ties(source)? {
                    self.stop();
                    return Ok(());
                }
                self.row(stage, source, shown);
            } else {
                self.row(stage, source, shown);
                if Some(self.given) == self.limit {
                    if self.with_ties {
                        let keys = 0..self.columns.len();
                        let key = |key| self.sources.key(source, key).map(<[u8]>::to_vec);
                        self.last = keys.map(key).collect();
                    } else {
                        self.stop();
                        return Ok(());
                    }
                }
            }
            self.sources.0[source].advance();
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.over = true;
        self.sources.0.clear();
    }

    /// Whether a source's current row equals the last one given in all keys.
    fn ties(&self, source: usize) -> Result<bool, NotComparable> {
        for (column, last) in self.last.iter().enumerate() {
            let this = self.sources.key(source, column);
            if self.merge.keys()[column].compare(this, last.as_deref())? != Ordering::Equal {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn row(&mut self, stage: &mut Stage<'_>, source: usize, shown: usize) {
        let from = &self.sources.0[source];
        let row = from.row().unwrap_or_default();
        let values = row.get(2..from.shown_end).unwrap_or_default();
        stage.say(b::DATA_ROW, &[&(shown as u16).to_be_bytes(), values]);
        self.given += 1;
    }
}
