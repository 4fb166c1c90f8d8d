//! Prepared statements under names made from their content.
//!
//! A client's name means something to that client only. On a server every
//! statement is prepared under the hash of its text and parameter types, so
//! that clients share it, whatever they call it. A hash proves nothing: what a
//! name stands for is compared in full before it is used.
//!
//! PostgreSQL reads constants and finds tables when it parses, by the settings of that moment. So the settings that matter to
//! that ([`Reading`]) are part of what tells statements from each other.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::session::settings::SettingSet;

/// Settings that decide what a text means to PostgreSQL's scanner, to the input functions of its types and to the analysis of
/// names, sorted. Those of planning and execution do not: a plan is made anew for each, or the same answer comes of it.
pub(crate) const READ_BY: &[&str] = &[
    "array_nulls",
    "backslash_quote",
    // Of values that are worked out once for a plan that is kept.
    "bytea_output",
    "client_encoding",
    "datestyle",
    "default_text_search_config",
    "extra_float_digits",
    "intervalstyle",
    "lc_monetary",
    "restrict_nonsystem_relation_kind",
    "search_path",
    "session_replication_role",
    "standard_conforming_strings",
    "timezone",
    "timezone_abbreviations",
    "transform_null_equals",
    "xmlbinary",
    "xmloption",
];

/// By what a text was read when it was prepared.
#[derive(Debug, Default)]
pub struct Reading {
    settings: SettingSet,
    hash: u64,
    /// Of one client alone: by settings that only its server knows, or at a moment of its own.
    own: bool,
}

impl Reading {
    /// By these settings of a session.
    pub fn of(all: &SettingSet) -> Self {
        let mut settings = SettingSet::default();
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        for (name, values) in all.iter().filter(|(name, _)| READ_BY.contains(name)) {
            (name, values).hash(&mut hasher);
            settings.set(name, values.to_vec());
        }
        let hash = match settings.is_empty() {
            true => 0,
            false => hasher.finish(),
        };
        Self {
            settings,
            hash,
            own: false,
        }
    }

    /// One that is like no other.
    pub fn own() -> Self {
        Self {
            own: true,
            ..Self::default()
        }
    }

    /// Whether it is of one client alone.
    pub fn is_own(&self) -> bool {
        self.own
    }

    /// Whether a text means the same by the other.
    pub fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || !self.own && !other.own && self.settings == other.settings
    }

    /// The value of one of these settings.
    pub fn value(&self, name: &str) -> Option<&[String]> {
        self.settings.get(name)
    }

    fn number(self: &Arc<Self>) -> u64 {
        match self.own {
            // As long as a statement of it is known, nothing else is at its address.
            true => Arc::as_ptr(self) as u64,
            false => self.hash,
        }
    }
}

/// Statements kept on one server connection; the one unused for longest makes way.
const LIMIT: usize = 500;

/// Most bytes of their texts and types together. A statement that has more is there for itself.
const MOST_BYTES: usize = 4 << 20;

/// A text of SQL as it came.
#[derive(Debug)]
pub enum Text {
    /// What most are.
    Utf8(Box<str>),
    /// In another encoding.
    Other(Box<[u8]>),
}

impl Text {
    fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Utf8(text.into()),
            Err(_) => Self::Other(bytes.into()),
        }
    }

    /// The text, where it can be read.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Utf8(text) => Some(text),
            Self::Other(_) => None,
        }
    }
}

impl Deref for Text {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Utf8(text) => text.as_bytes(),
            Self::Other(bytes) => bytes,
        }
    }
}

/// What a `Parse` said, apart from the name.
#[derive(Debug)]
pub struct Prepared {
    /// Hash of the rest.
    pub hash: u64,
    /// Its name on servers.
    name: Name,
    /// The text.
    pub text: Text,
    /// Number of parameter types and the types, as on the wire.
    pub types: Box<[u8]>,
    /// By what it is read.
    pub reading: Arc<Reading>,
    /// What stands for the rows that its client was told of; 0: it was told of none.
    shape: u64,
}

impl Prepared {
    /// From the fields of a `Parse`.
    pub fn new(text: &[u8], types: &[u8], reading: &Arc<Reading>) -> Self {
        Self::shaped(text, types, reading, 0)
    }

    /// One whose client was told of its rows: whoever was told of others has another one. The number stands for them.
    pub fn shaped(text: &[u8], types: &[u8], reading: &Arc<Reading>, shape: u64) -> Self {
        // The name only has to be the same within this process: a fixed seed will do.
        let mut hasher = foldhash::quality::FixedState::default().build_hasher();
        text.hash(&mut hasher);
        types.hash(&mut hasher);
        reading.number().hash(&mut hasher);
        shape.hash(&mut hasher);
        let hash = hasher.finish();
        Self {
            hash,
            name: Name(name_of(hash)),
            text: Text::new(text),
            types: types.into(),
            reading: Arc::clone(reading),
            shape,
        }
    }

    /// Whether its client was told of its rows.
    pub fn is_shaped(&self) -> bool {
        self.shape != 0
    }

    /// Whether it is what this `Parse` said.
    pub fn is(&self, text: &[u8], types: &[u8]) -> bool {
        *self.text == *text && *self.types == *types
    }

    /// Whether this is the body of a `Parse` that makes it the unnamed statement.
    pub fn is_parsed_unnamed_by(&self, body: &[u8]) -> bool {
        let behind_text = 2 + self.text.len();
        body.len() == behind_text + self.types.len()
            && body.first() == Some(&0)
            && body[1..behind_text - 1] == *self.text
            && body[behind_text - 1] == 0
            && body[behind_text..] == *self.types
    }

    /// Bytes of what it says.
    pub fn size(&self) -> usize {
        self.text.len() + self.types.len()
    }

    fn same(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
            || self.is(&other.text, &other.types)
                && self.shape == other.shape
                && self.reading.is(&other.reading)
    }

    /// The name on servers.
    pub fn name(&self) -> [u8; 22] {
        self.name.0
    }
}

/// What servers call a statement.
#[derive(Clone, Copy)]
struct Name([u8; 22]);

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.escape_ascii().to_string())
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
    /// A `Close` of the name of each of these hashes, then a `Parse`.
    Parse(Closed),
}

/// Hashes of statements that make way for another.
pub type Closed = SmallVec<[u64; 1]>;

/// The statements that one server connection knows.
#[derive(Debug, Default)]
pub struct PreparedCache {
    known: HashMap<u64, Entry, foldhash::fast::RandomState>,
    /// Of all of those.
    bytes: usize,
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
            self.bytes = self.bytes - entry.statement.size() + statement.size();
            entry.statement = Arc::clone(statement);
            entry.schema = now;
            let mut closed = Closed::from_elem(statement.hash, 1);
            self.make_room(statement.hash, &mut closed);
            return Missing::Parse(closed);
        }
        let mut closed = Closed::new();
        if self.unsure.remove(&statement.hash) {
            closed.push(statement.hash);
        }
        self.bytes += statement.size();
        self.known.insert(
            statement.hash,
            Entry {
                statement: Arc::clone(statement),
                used: clock,
                schema: now,
            },
        );
        self.make_room(statement.hash, &mut closed);
        Missing::Parse(closed)
    }

    /// Those unused for longest make way for the one of this hash.
    fn make_room(&mut self, hash: u64, closed: &mut Closed) {
        while self.known.len() > LIMIT || self.bytes > MOST_BYTES {
            let others = self.known.iter().filter(|(other, _)| **other != hash);
            let Some((&oldest, _)) = others.min_by_key(|(_, entry)| entry.used) else {
                return;
            };
            self.remove(oldest);
            // Until its Close is answered: that may be skipped.
            self.unsure.insert(oldest);
            closed.push(oldest);
        }
    }

    fn remove(&mut self, hash: u64) {
        if let Some(entry) = self.known.remove(&hash) {
            self.bytes -= entry.statement.size();
        }
    }

    /// Whether this one is there, for a client whose own `Parse` came after `since` changes of the schema.
    pub fn has(&self, statement: &Prepared, since: u64) -> bool {
        let entry = self.known.get(&statement.hash);
        entry.is_some_and(|entry| entry.schema >= since && entry.statement.same(statement))
    }

    /// What made way is gone: the server has said so.
    pub fn made_way(&mut self, closed: &[u64]) {
        for hash in closed {
            self.unsure.remove(hash);
        }
    }

    /// Whether there is one of this hash.
    pub fn knows(&self, hash: u64) -> bool {
        self.known.contains_key(&hash)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Bytes of their texts and types, and of the unnamed one's.
    pub fn bytes(&self) -> usize {
        self.bytes + self.unnamed.as_ref().map_or(0, |unnamed| unnamed.size())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether the server has this one is not known any more: a `Parse` or `Close` of it failed or was skipped, or
    /// it must be prepared anew. Whether there is room to remember that.
    #[must_use]
    pub fn forget(&mut self, hash: u64) -> bool {
        self.remove(hash);
        self.unsure.insert(hash);
        self.unsure.len() <= LIMIT
    }

    /// The server dropped them all (`DEALLOCATE ALL`, `DISCARD ALL`).
    pub fn clear(&mut self) {
        self.known.clear();
        self.bytes = 0;
        self.unsure.clear();
        self.unnamed = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(text: &str, reading: &Arc<Reading>) -> Arc<Prepared> {
        Arc::new(Prepared::new(text.as_bytes(), &[0, 0], reading))
    }

    fn parse(closed: &[u64]) -> Missing {
        Missing::Parse(closed.into())
    }

    #[test]
    fn one_text_read_by_other_settings_is_another_statement() {
        let reading = |pairs: &[(&str, &str)]| {
            let mut set = SettingSet::default();
            for (name, value) in pairs {
                set.set(name, vec![(*value).to_owned()]);
            }
            Arc::new(Reading::of(&set))
        };
        let texts = |reading: &Arc<Reading>| prepared("select timestamptz '2020-01-01'", reading);
        let mut cache = PreparedCache::default();
        let utc = texts(&reading(&[("timezone", "UTC"), ("work_mem", "1MB")]));
        assert_eq!(cache.need(&utc, 0, 0), parse(&[]));
        let again = texts(&reading(&[("timezone", "UTC"), ("my.name", "x")]));
        assert_eq!(cache.need(&again, 0, 0), Missing::Nothing);
        assert!(cache.has(&again, 0));
        assert!(!cache.has(&again, 1));
        let cet = texts(&reading(&[("timezone", "CET")]));
        assert!(!cache.has(&cet, 0));
        assert_eq!(cache.need(&cet, 0, 0), parse(&[]));
        assert_eq!(cache.need(&texts(&Arc::default()), 0, 0), parse(&[]));
        let (one, other) = (Arc::new(Reading::own()), Arc::new(Reading::own()));
        assert_eq!(cache.need(&texts(&one), 0, 0), parse(&[]));
        assert_eq!(cache.need(&texts(&one), 0, 0), Missing::Nothing);
        assert_eq!(cache.need(&texts(&other), 0, 0), parse(&[]));
    }

    #[test]
    fn a_statement_is_sent_once_and_evicted_in_order_of_use() {
        let mut cache = PreparedCache::default();
        let nth = |i: usize| prepared(&format!("select {i}"), &Arc::default());
        for i in 0..LIMIT {
            assert_eq!(cache.need(&nth(i), 0, 0), parse(&[]));
        }
        assert_eq!(cache.need(&nth(0), 0, 0), Missing::Nothing);
        assert_eq!(cache.need(&nth(LIMIT), 0, 0), parse(&[nth(1).hash]));
        assert_eq!(cache.need(&nth(0), 0, 0), Missing::Nothing);
        // Whether the first is gone is not known before the server says so.
        let (one, two, three) = (nth(1).hash, nth(2).hash, nth(3).hash);
        assert_eq!(cache.need(&nth(1), 0, 0), parse(&[one, two]));
        cache.made_way(&[two]);
        assert_eq!(cache.need(&nth(2), 0, 0), parse(&[three]));
    }

    #[test]
    fn long_statements_make_way_for_each_other() {
        let mut cache = PreparedCache::default();
        let long = |i: usize, length: usize| {
            prepared(
                &format!("select {i}{}", " ".repeat(length)),
                &Arc::default(),
            )
        };
        let quarter = |i| long(i, MOST_BYTES / 4);
        for i in 0..3 {
            assert_eq!(cache.need(&quarter(i), 0, 0), parse(&[]));
        }
        assert_eq!(cache.need(&quarter(0), 0, 0), Missing::Nothing);
        let (one, two) = (quarter(1).hash, quarter(2).hash);
        assert_eq!(cache.need(&quarter(3), 0, 0), parse(&[one]));
        assert!(cache.bytes() <= MOST_BYTES);
        // Longer than all may be together, and there for itself.
        let all = long(4, MOST_BYTES);
        let others = [two, quarter(0).hash, quarter(3).hash];
        assert_eq!(cache.need(&all, 0, 0), parse(&others));
        assert_eq!(cache.need(&all, 0, 0), Missing::Nothing);
        assert!(cache.forget(all.hash));
        assert_eq!(cache.bytes(), 0);
        assert_eq!(cache.need(&all, 0, 0), parse(&[all.hash]));
        assert_eq!(cache.need(&quarter(5), 0, 0), parse(&[all.hash]));
        cache.clear();
        assert_eq!((cache.bytes(), cache.len()), (0, 0));
    }

    #[test]
    fn equal_hashes_are_not_equal_statements() {
        let mut cache = PreparedCache::default();
        let one = prepared("select 1", &Arc::default());
        let other = Arc::new(Prepared {
            hash: one.hash,
            name: one.name,
            text: Text::new(b"select 2"),
            types: [0, 0].into(),
            reading: Arc::default(),
            shape: 0,
        });
        assert_eq!(cache.need(&one, 0, 0), parse(&[]));
        assert_eq!(cache.need(&other, 0, 0), parse(&[one.hash]));
        assert_eq!(cache.need(&other, 0, 0), Missing::Nothing);
    }

    #[test]
    fn what_was_prepared_before_a_change_of_the_schema_serves_those_who_parsed_before_it_too() {
        let mut cache = PreparedCache::default();
        let statement = prepared("select * from t", &Arc::default());
        assert_eq!(cache.need(&statement, 3, 3), parse(&[]));
        assert_eq!(cache.need(&statement, 3, 4), Missing::Nothing);
        assert_eq!(cache.need(&statement, 4, 5), parse(&[statement.hash]));
        assert_eq!(cache.need(&statement, 5, 5), Missing::Nothing);
        assert!(cache.forget(statement.hash));
        assert_eq!(cache.need(&statement, 5, 5), parse(&[statement.hash]));
    }
}
