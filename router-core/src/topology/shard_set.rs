//! A set of shards.

use smallvec::SmallVec;

use crate::id::ShardId;

/// A set of shards, in their order. Up to 64 shards take no allocation.
#[derive(Clone, PartialEq, Eq, Default, Hash)]
pub struct ShardSet {
    /// One bit per shard. The last word is never zero, so that equal sets have equal words.
    words: SmallVec<[u64; 1]>,
}

impl ShardSet {
    /// No shard.
    pub fn new() -> Self {
        Self::default()
    }

    /// One shard.
    pub fn only(shard: ShardId) -> Self {
        let mut set = Self::new();
        set.insert(shard);
        set
    }

    /// The shards 0 to `count - 1`.
    pub fn all(count: usize) -> Self {
        let count = u16::try_from(count).expect("a topology has at most 65535 shards");
        (0..count).map(ShardId).collect()
    }

    /// Adds a shard.
    pub fn insert(&mut self, shard: ShardId) {
        let word = shard.index() / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (shard.index() % 64);
    }

    /// Adds every shard of another set.
    pub fn extend_with(&mut self, other: &Self) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// Whether a shard is in it.
    pub fn contains(&self, shard: ShardId) -> bool {
        self.words
            .get(shard.index() / 64)
            .is_some_and(|word| word & (1 << (shard.index() % 64)) != 0)
    }

    /// How many shards are in it.
    pub fn len(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// Whether no shard is in it.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The shard, when it is only one.
    pub fn single(&self) -> Option<ShardId> {
        let mut shards = self.iter();
        let first = shards.next()?;
        shards.next().is_none().then_some(first)
    }

    /// The shards in their order.
    pub fn iter(&self) -> impl Iterator<Item = ShardId> + '_ {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                if left == 0 {
                    return None;
                }
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                Some(ShardId((at * 64 + bit) as u16))
            })
        })
    }
}

impl FromIterator<ShardId> for ShardSet {
    fn from_iter<I: IntoIterator<Item = ShardId>>(shards: I) -> Self {
        let mut set = Self::new();
        for shard in shards {
            set.insert(shard);
        }
        set
    }
}

impl std::fmt::Debug for ShardSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(|s| s.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_inserted_in_order() {
        let set: ShardSet = [70, 3, 64, 3].into_iter().map(ShardId).collect();
        assert_eq!(set.iter().map(|s| s.0).collect::<Vec<_>>(), [3, 64, 70]);
        assert_eq!(set.len(), 3);
        assert!(set.contains(ShardId(64)) && !set.contains(ShardId(4)));
        assert!(!set.contains(ShardId(1000)));
    }

    #[test]
    fn a_single_shard_is_told_apart() {
        assert_eq!(ShardSet::only(ShardId(5)).single(), Some(ShardId(5)));
        assert_eq!(ShardSet::new().single(), None);
        assert_eq!(ShardSet::all(2).single(), None);
    }

    #[test]
    fn a_union_equals_the_set_made_at_once() {
        let mut low = ShardSet::all(3);
        low.extend_with(&ShardSet::only(ShardId(100)));
        let mut high = ShardSet::only(ShardId(100));
        high.extend_with(&ShardSet::all(3));
        assert_eq!(low, high);
    }

    #[test]
    fn sixty_four_shards_take_no_allocation() {
        assert!(!ShardSet::all(64).words.spilled());
    }
}
