//! Plans already made, by text and by shape.
//!
//! One cache belongs to one worker: it is used through `&mut self`, and there
//! is no lock. It holds a bounded number of bytes, counted as the keys and an
//! estimate of the plans; when it is full a clock hand goes round and drops
//! what was not used since its last visit (the second-chance algorithm,
//! Corbató 1968): near to least-recently-used, without a list to keep.
//!
//! A key is a byte string with the context that the plan depends on
//! ([`ContextId`]): the same text means another plan under another
//! `search_path` or topology. Keys are compared in full, never by hash alone.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::HashTable;

/// What a plan depends on beside its text, interned by the owner of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextId(pub u32);

/// Where a value is, for as long as it is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    at: u32,
    /// Which of all that were ever kept.
    number: u64,
}

/// A bounded map from text and context to a value.
#[derive(Debug)]
pub struct Cache<V> {
    entries: Vec<Option<Entry<V>>>,
    free: Vec<u32>,
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    hand: usize,
    bytes: usize,
    limit: usize,
    /// How many values were ever kept.
    kept: u64,
}

#[derive(Debug)]
struct Entry<V> {
    number: u64,
    hash: u64,
    context: ContextId,
    key: Box<[u8]>,
    value: Arc<V>,
    bytes: usize,
    used: bool,
}

impl<V> Cache<V> {
    /// An empty cache of at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: foldhash::fast::RandomState::default(),
            hand: 0,
            bytes: 0,
            limit,
            kept: 0,
        }
    }

    /// The value of a key, if it is still there.
    pub fn get(&mut self, context: ContextId, key: &[u8]) -> Option<&Arc<V>> {
        self.find(context, key).map(|(value, _)| value)
    }

    /// The same, and where it is.
    pub fn find(&mut self, context: ContextId, key: &[u8]) -> Option<(&Arc<V>, Place)> {
        let hash = self.hash(context, key);
        let entries = &self.entries;
        let &at = self
            .index
            .find(hash, |&i| is(&entries[i as usize], context, key))?;
        let entry = self.entries[at as usize].as_mut()?;
        entry.used = true;
        let number = entry.number;
        Some((&entry.value, Place { at, number }))
    }

    /// The value at a place, if it is still there.
    pub fn at(&mut self, place: Place) -> Option<&Arc<V>> {
        let entry = self.entries.get_mut(place.at as usize)?.as_mut()?;
        if entry.number != place.number {
            return None;
        }
        entry.used = true;
        Some(&entry.value)
    }

    /// Keeps a value of about `size` bytes. A value too large for the cache (an eighth of it) is not kept.
    pub fn insert(&mut self, context: ContextId, key: &[u8], value: Arc<V>, size: usize) {
        let bytes = key.len() + size + size_of::<Entry<V>>();
        if bytes > self.limit / 8 {
            return;
        }
        let hash = self.hash(context, key);
        let entries = &self.entries;
        if let Some(&at) = self
            .index
            .find(hash, |&i| is(&entries[i as usize], context, key))
        {
            self.remove(at as usize);
        }
        while self.bytes + bytes > self.limit {
            self.evict();
        }
        self.kept += 1;
        let entry = Entry {
            number: self.kept,
            hash,
            context,
            key: key.into(),
            value,
            bytes,
            used: false,
        };
        self.bytes += bytes;
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = Some(entry);
                at
            }
            None => {
                self.entries.push(Some(entry));
                (self.entries.len() - 1) as u32
            }
        };
        let entries = &self.entries;
        self.index.insert_unique(hash, at, |&i| {
            entries[i as usize].as_ref().map_or(0, |e| e.hash)
        });
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.free.clear();
        self.index.clear();
        self.hand = 0;
        self.bytes = 0;
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Bytes in use, by the cache's own count.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn hash(&self, context: ContextId, key: &[u8]) -> u64 {
        self.hasher.hash_one((context.0, key))
    }

    /// Drops one entry. Ends because each round clears marks; called only while something is kept.
    fn evict(&mut self) {
        while !self.index.is_empty() {
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            let at = self.hand;
            self.hand += 1;
            match &mut self.entries[at] {
                Some(entry) if entry.used => entry.used = false,
                Some(_) => {
                    self.remove(at);
                    return;
                }
                None => {}
            }
        }
    }

    fn remove(&mut self, at: usize) {
        let Some(entry) = self.entries[at].take() else {
            return;
        };
        if let Ok(found) = self.index.find_entry(entry.hash, |&i| i as usize == at) {
            found.remove();
        }
        self.bytes -= entry.bytes;
        self.free.push(at as u32);
    }
}

fn is<V>(entry: &Option<Entry<V>>, context: ContextId, key: &[u8]) -> bool {
    entry
        .as_ref()
        .is_some_and(|e| e.context == context && *e.key == *key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ContextId = ContextId(0);
    const B: ContextId = ContextId(1);

    #[test]
    fn contexts_and_keys_are_apart() {
        let mut cache = Cache::new(1 << 16);
        cache.insert(A, b"x", Arc::new(1), 8);
        cache.insert(B, b"x", Arc::new(2), 8);
        assert_eq!(cache.get(A, b"x").map(|v| **v), Some(1));
        assert_eq!(cache.get(B, b"x").map(|v| **v), Some(2));
        assert_eq!(cache.get(A, b"y"), None);
        cache.insert(A, b"x", Arc::new(3), 8);
        assert_eq!(cache.get(A, b"x").map(|v| **v), Some(3));
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn stays_within_its_bytes_and_keeps_what_is_used() {
        let mut cache = Cache::new(16 * 1024);
        cache.insert(A, b"hot", Arc::new(0usize), 8);
        for i in 0..10_000usize {
            cache.insert(A, format!("cold {i}").as_bytes(), Arc::new(i), 8);
            assert!(cache.bytes() <= 16 * 1024);
            assert!(cache.get(A, b"hot").is_some(), "dropped at {i}");
        }
        assert!(cache.len() > 50, "{}", cache.len());
        assert!(cache.get(A, b"cold 1").is_none());
    }

    #[test]
    fn a_place_is_that_of_one_value() {
        let mut cache = Cache::new(1 << 16);
        assert_eq!(cache.at(Place::default()), None);
        cache.insert(A, b"x", Arc::new(1), 8);
        let (_, place) = cache.find(A, b"x").expect("it is kept");
        assert_eq!(cache.at(place).map(|v| **v), Some(1));
        cache.insert(A, b"x", Arc::new(2), 8);
        assert_eq!(cache.at(place), None);
        let (_, place) = cache.find(A, b"x").expect("it is kept");
        cache.clear();
        cache.insert(A, b"x", Arc::new(3), 8);
        assert_eq!(cache.at(place), None);
    }

    #[test]
    fn refuses_what_is_too_large() {
        let mut cache = Cache::new(1024);
        cache.insert(A, &[0; 200], Arc::new(()), 0);
        assert!(cache.is_empty());
    }
}
