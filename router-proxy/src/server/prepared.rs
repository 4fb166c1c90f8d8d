//! Prepared statements under names made from their content.
//!
//! A client's name means something to that client only. On a server every
//! statement is prepared under the hash of its text and parameter types, so
//! that clients share it, whatever they call it. A hash proves nothing: what a
//! name stands for is compared in full before it is used.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

/// Statements kept on one server connection; the one unused for longest makes way.
const LIMIT: usize = 500;

/// What a `Parse` said, apart from the name.
#[derive(Debug)]
pub struct Prepared {
    /// Hash of the rest.
    pub hash: u64,
    /// The text.
    pub text: Box<[u8]>,
    /// Number of parameter types and the types, as on the wire.
    pub types: Box<[u8]>,
}

impl Prepared {
    /// From the fields of a `Parse`.
    pub fn new(text: &[u8], types: &[u8]) -> Self {
        // The name only has to be the same within this process: a fixed seed will do.
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        text.hash(&mut hasher);
        types.hash(&mut hasher);
        Self {
            hash: hasher.finish(),
            text: text.into(),
            types: types.into(),
        }
    }

    /// Whether it is what this `Parse` said.
    pub fn is(&self, text: &[u8], types: &[u8]) -> bool {
        *self.text == *text && *self.types == *types
    }

    fn same(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.is(&other.text, &other.types)
    }

    /// The name on servers.
    pub fn name(&self) -> [u8; 22] {
        name_of(self.hash)
    }
}

/// The name on servers of the statement with this hash.
pub fn name_of(hash: u64) -> [u8; 22] {
    let mut name = *b"shunt_0000000000000000";
    for (i, digit) in name[6..].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(hash >> (60 - 4 * i)) as usize & 15];
    }
    name
}

/// What to send before a statement can be used on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing: it is there.
    Nothing,
    /// A `Parse`.
    Parse,
    /// A `Close` of the name of this hash, then a `Parse`.
    Replace(u64),
}

/// The statements that one server connection knows.
#[derive(Debug, Default)]
pub struct PreparedCache {
    known: HashMap<u64, Entry, foldhash::fast::RandomState>,
    /// Names that may be taken, by what nobody remembers: a message about them was skipped, or the schema changed.
    unsure: HashSet<u64, foldhash::fast::RandomState>,
    clock: u64,
    /// What the unnamed statement is, when it came from this process's bookkeeping.
    pub unnamed: Option<Arc<Prepared>>,
}

#[derive(Debug)]
struct Entry {
    statement: Arc<Prepared>,
    used: u64,
    /// Changes of the schema that were known of when it was prepared.
    schema: u64,
}

impl PreparedCache {
    /// Takes note that `statement` is about to be used, and says what the server lacks for it. `since`: changes of
    /// the schema that the client's own `Parse` came after, `now`: those known of today. What was prepared before
    /// `since` may have rows of another type than that `Parse` promised.
    pub fn need(&mut self, statement: &Arc<Prepared>, since: u64, now: u64) -> Missing {
        self.clock += 1;
        let clock = self.clock;
        if let Some(entry) = self.known.get_mut(&statement.hash) {
            entry.used = clock;
            if entry.schema >= since && entry.statement.same(statement) {
                return Missing::Nothing;
            }
            // Two statements with one hash take turns.
            entry.statement = Arc::clone(statement);
            entry.schema = now;
            return Missing::Replace(statement.hash);
        }
        let evicted = if self.unsure.remove(&statement.hash) {
            Some(statement.hash)
        } else if self.known.len() >= LIMIT {
            let oldest = self.known.iter().min_by_key(|(_, entry)| entry.used);
            let hash = oldest.map(|(hash, _)| *hash);
            hash.inspect(|hash| {
                self.known.remove(hash);
            })
        } else {
            None
        };
        self.known.insert(
            statement.hash,
            Entry {
                statement: Arc::clone(statement),
                used: clock,
                schema: now,
            },
        );
        evicted.map_or(Missing::Parse, Missing::Replace)
    }

    /// Whether there is one of this hash.
    pub fn knows(&self, hash: u64) -> bool {
        self.known.contains_key(&hash)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether the server has this one is not known any more: a `Parse` or `Close` of it failed or was skipped, or
    /// it must be prepared anew. Whether there is room to remember that.
    #[must_use]
    pub fn forget(&mut self, hash: u64) -> bool {
        self.known.remove(&hash);
        self.unsure.insert(hash);
        self.unsure.len() <= LIMIT
    }

    /// The server dropped them all (`DEALLOCATE ALL`, `DISCARD ALL`).
    pub fn clear(&mut self) {
        self.known.clear();
        self.unsure.clear();
        self.unnamed = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_sent_once_and_evicted_in_order_of_use() {
        let mut cache = PreparedCache::default();
        let nth = |i: usize| Arc::new(Prepared::new(format!("select {i}").as_bytes(), &[0, 0]));
        for i in 0..LIMIT {
            assert_eq!(cache.need(&nth(i), 0, 0), Missing::Parse);
        }
        assert_eq!(cache.need(&nth(0), 0, 0), Missing::Nothing);
        assert_eq!(cache.need(&nth(LIMIT), 0, 0), Missing::Replace(nth(1).hash));
        assert_eq!(cache.need(&nth(0), 0, 0), Missing::Nothing);
    }

    #[test]
    fn equal_hashes_are_not_equal_statements() {
        let mut cache = PreparedCache::default();
        let one = Arc::new(Prepared::new(b"select 1", &[0, 0]));
        let other = Arc::new(Prepared {
            hash: one.hash,
            text: (*b"select 2").into(),
            types: [0, 0].into(),
        });
        assert_eq!(cache.need(&one, 0, 0), Missing::Parse);
        assert_eq!(cache.need(&other, 0, 0), Missing::Replace(one.hash));
        assert_eq!(cache.need(&other, 0, 0), Missing::Nothing);
    }

    #[test]
    fn what_was_prepared_before_a_change_of_the_schema_serves_those_who_parsed_before_it_too() {
        let mut cache = PreparedCache::default();
        let statement = Arc::new(Prepared::new(b"select * from t", &[0, 0]));
        assert_eq!(cache.need(&statement, 3, 3), Missing::Parse);
        assert_eq!(cache.need(&statement, 3, 4), Missing::Nothing);
        assert_eq!(
            cache.need(&statement, 4, 5),
            Missing::Replace(statement.hash)
        );
        assert_eq!(cache.need(&statement, 5, 5), Missing::Nothing);
        assert!(cache.forget(statement.hash));
        assert_eq!(
            cache.need(&statement, 5, 5),
            Missing::Replace(statement.hash)
        );
    }
}
