//! Between which shards keys can move at all, and where keys may lose their home.
//!
//! A pair (s, t) is left out only where no key has the home s by one placement
//! and t by the other. A pair too many costs an empty move, one too few loses
//! rows: whatever is not told apart here yields every pair.

use std::collections::BTreeSet;

use crate::id::ShardId;
use crate::topology::list::List;
use crate::topology::range::{Range, Ranges};
use crate::topology::{Placement, ShardSet, Strategy};

pub(super) type Pairs = BTreeSet<(ShardId, ShardId)>;

/// More remainders than this are not compared one by one.
const MAX_COMPARISONS: usize = 1 << 22;

/// Pairs of homes, by `now` and by `next`, of the same key: both placements are over the same columns.
pub(super) fn of_same_key(now: &Placement, next: &Placement) -> Pairs {
    if now.types != next.types {
        return any(now, next);
    }
    match (&now.strategy, &next.strategy) {
        // Both numbers of buckets are powers of two: a bucket of the larger number lies within one of the smaller.
        (Strategy::Hash(a), Strategy::Hash(b)) => {
            let (a, b) = (a.owners(), b.owners());
            (0..a.len().max(b.len()))
                .map(|bucket| (a[bucket % a.len()], b[bucket % b.len()]))
                .collect()
        }
        // Owners change at points only; before the first point of both is the lowest position.
        (Strategy::Consistent(a), Strategy::Consistent(b)) => a
            .points()
            .chain(b.points())
            .map(|(point, _)| point)
            .chain([i64::MIN])
            .map(|position| (a.owner_at(position), b.owner_at(position)))
            .collect(),
        (Strategy::Modulo(a), Strategy::Modulo(b)) => {
            let (a, b) = (a.remainders(), b.remainders());
            if a.len().saturating_mul(b.len()) > MAX_COMPARISONS {
                return any(now, next);
            }
            // A number with remainder r by m and q by n exists when r and q agree by gcd(m, n) (Chinese remainder theorem).
            let common = gcd(a.len(), b.len());
            let mut pairs = Pairs::new();
            for (r, from) in a.iter().enumerate() {
                pairs.extend((r % common..b.len()).step_by(common).map(|q| (*from, b[q])));
            }
            pairs
        }
        (Strategy::Range(a), Strategy::Range(b)) => of_ranges(a, b),
        (Strategy::List(a), _) => of_list(a, next),
        (_, Strategy::List(b)) => of_list(b, now)
            .into_iter()
            .map(|(listed, other)| (other, listed))
            .collect(),
        _ => any(now, next),
    }
}

/// Every pair of shards.
pub(super) fn any(now: &Placement, next: &Placement) -> Pairs {
    let targets = next.shards();
    now.shards()
        .iter()
        .flat_map(|s| targets.iter().map(move |t| (s, t)))
        .collect()
}

fn of_ranges(a: &Ranges, b: &Ranges) -> Pairs {
    let mut pairs = Pairs::new();
    // Both are in the order of their keys: of two ranges the one that ends first meets none that comes later.
    let (mut left, mut right) = (a.ranges().iter().peekable(), b.ranges().iter().peekable());
    while let (Some(x), Some(y)) = (left.peek(), right.peek()) {
        if overlap(x, y) {
            pairs.insert((x.shard, y.shard));
        }
        let left_ends_first = match (&x.to, &y.to) {
            (Some(x), Some(y)) => x <= y,
            (None, Some(_)) => false,
            (_, None) => true,
        };
        if left_ends_first {
            left.next();
        } else {
            right.next();
        }
    }
    pairs
}

fn overlap(x: &Range, y: &Range) -> bool {
    let before =
        |x: &Range, y: &Range| matches!((&x.to, &y.from), (Some(to), Some(from)) if to <= from);
    !before(x, y) && !before(y, x)
}

/// Homes by a list and by another placement: of each listed value, and of the rest.
fn of_list(list: &List, other: &Placement) -> Pairs {
    let mut pairs: Pairs = list
        .values()
        .iter()
        .filter_map(|(value, shard)| {
            let other = other.shard_of(std::slice::from_ref(value)).ok()?;
            Some((*shard, other))
        })
        .collect();
    if let Some(rest) = list.default_shard() {
        pairs.extend(other.shards().iter().map(|shard| (rest, shard)));
    }
    pairs
}

/// The homes by `now` of keys that may have none by `next`. `same_key`: both are over the same columns.
pub(super) fn left_out(now: &Placement, next: &Placement, same_key: bool) -> ShardSet {
    if !same_key || now.types != next.types {
        // A column that was no part of the key may hold nulls.
        return now.shards();
    }
    match (&now.strategy, &next.strategy) {
        (_, Strategy::Modulo(_) | Strategy::Hash(_) | Strategy::Consistent(_)) => ShardSet::new(),
        (Strategy::List(list), _) => {
            let listed = list.values().iter();
            let unplaced = listed.filter(|(v, _)| next.shard_of(std::slice::from_ref(v)).is_err());
            let rest = list.default_shard().filter(|_| !is_total(next));
            unplaced.map(|(_, shard)| *shard).chain(rest).collect()
        }
        (Strategy::Range(a), Strategy::Range(b)) => a
            .ranges()
            .iter()
            .filter(|range| !covers(b, range))
            .map(|range| range.shard)
            .collect(),
        _ if is_total(next) => ShardSet::new(),
        _ => now.shards(),
    }
}

/// Whether every key has a home.
fn is_total(placement: &Placement) -> bool {
    match &placement.strategy {
        Strategy::Modulo(_) | Strategy::Hash(_) | Strategy::Consistent(_) => true,
        Strategy::List(list) => list.default_shard().is_some(),
        Strategy::Range(ranges) => covers(
            ranges,
            &Range {
                from: None,
                to: None,
                shard: ShardId(0),
            },
        ),
    }
}

/// Whether the ranges, which are in the order of their keys, leave no gap within `range`.
fn covers(ranges: &Ranges, range: &Range) -> bool {
    let mut from = range.from.as_ref();
    for next in ranges.ranges() {
        let begins = match (&next.from, from) {
            (None, _) => true,
            (Some(begin), Some(from)) => begin <= from,
            (Some(_), None) => false,
        };
        if !begins {
            return false;
        }
        match (&next.to, &range.to) {
            (None, _) => return true,
            (Some(end), Some(to)) if end >= to => return true,
            (Some(end), _) if from.is_none_or(|from| end > from) => from = Some(end),
            _ => {}
        }
    }
    false
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
