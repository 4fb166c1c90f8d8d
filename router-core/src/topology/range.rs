//! Ranges of keys.

use crate::id::ShardId;
use crate::value::KeyValue;

use super::{ShardSet, predicate};

/// Ranges that do not overlap, in the order of their keys. Text is ordered by its bytes (collation `C`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranges {
    ranges: Box<[Range]>,
}

/// The keys from one inclusive to another exclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first key; `None`: no key is before it.
    pub from: Option<KeyValue<'static>>,
    /// The first key after it; `None`: no key is after it.
    pub to: Option<KeyValue<'static>>,
    /// Their home.
    pub shard: ShardId,
}

impl Ranges {
    /// From ranges in any order. An error gives the positions of two that overlap.
    pub fn new(ranges: Vec<Range>) -> Result<Self, (usize, usize)> {
        let mut order: Vec<usize> = (0..ranges.len()).collect();
        order.sort_by(|a, b| ranges[*a].from.cmp(&ranges[*b].from));
        for pair in order.windows(2) {
            let (first, second) = (&ranges[pair[0]], &ranges[pair[1]]);
            let apart = match (&first.to, &second.from) {
                (Some(to), Some(from)) => to <= from,
                _ => false,
            };
            if !apart {
                return Err((pair[0].min(pair[1]), pair[0].max(pair[1])));
            }
        }
        let mut ranges = ranges;
        ranges.sort_by(|a, b| a.from.cmp(&b.from));
        Ok(Self {
            ranges: ranges.into(),
        })
    }

    /// The ranges, in the order of their keys.
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    pub(super) fn shard_of(&self, key: &KeyValue<'_>) -> Option<ShardId> {
        let after = self
            .ranges
            .partition_point(|r| r.from.as_ref().is_none_or(|from| from <= key));
        let range = &self.ranges[after.checked_sub(1)?];
        range
            .to
            .as_ref()
            .is_none_or(|to| key < to)
            .then_some(range.shard)
    }

    pub(super) fn shards_between(
        &self,
        low: Option<&KeyValue<'_>>,
        high: Option<&KeyValue<'_>>,
    ) -> ShardSet {
        if let (Some(low), Some(high)) = (low, high)
            && low > high
        {
            return ShardSet::new();
        }
        let reaches = |r: &&Range| {
            let before = matches!((&r.to, low), (Some(to), Some(low)) if to <= low);
            let behind = matches!((&r.from, high), (Some(from), Some(high)) if from > high);
            !before && !behind
        };
        self.ranges
            .iter()
            .filter(reaches)
            .map(|r| r.shard)
            .collect()
    }

    pub(super) fn shards(&self) -> ShardSet {
        self.ranges.iter().map(|r| r.shard).collect()
    }

    pub(super) fn predicate(&self, column: &str, shard: ShardId) -> String {
        let own = self.ranges.iter().filter(|r| r.shard == shard);
        predicate::any_of(own.map(|r| r.condition(column)).collect())
    }

    pub(super) fn uncovered(&self, column: &str) -> Option<String> {
        let covered: Vec<String> = self.ranges.iter().map(|r| r.condition(column)).collect();
        Some(format!("NOT ({})", predicate::any_of(covered)))
    }
}

impl Range {
    fn condition(&self, column: &str) -> String {
        let compare = |operator: &str, bound: &KeyValue<'_>| {
            let collation = match bound {
                KeyValue::Text(_) => " COLLATE \"C\"",
                _ => "",
            };
            format!(
                "{column}{collation} {operator} {}",
                predicate::constant(bound)
            )
        };
        let from = self.from.as_ref().map(|from| compare(">=", from));
        let to = self.to.as_ref().map(|to| compare("<", to));
        match (from, to) {
            (Some(from), Some(to)) => format!("{from} AND {to}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => format!("{column} IS NOT NULL"),
        }
    }
}

/// `0..10`, with an open end left out.
impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(from) = &self.from {
            write!(f, "{from}")?;
        }
        f.write_str("..")?;
        match &self.to {
            Some(to) => write!(f, "{to}"),
            None => Ok(()),
        }
    }
}
